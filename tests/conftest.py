"""What every test shares: one thread, a Chromium or a clear word about its absence, the optional real data."""

from __future__ import annotations

import os

# Before torch or numpy start their thread pools: oversubscribed pools make these small problems many times slower.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import atexit
import shutil
import tempfile

# What the tests compute is kept apart from what this machine's user keeps; the processes that tests start inherit it.
if "TRIPLETSCOPE_CACHE" not in os.environ:
    os.environ["TRIPLETSCOPE_CACHE"] = tempfile.mkdtemp(prefix="tripletscope-tests-")
    atexit.register(shutil.rmtree, os.environ["TRIPLETSCOPE_CACHE"], ignore_errors=True)

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_BROWSER = "browser tests: no Chromium was found (TRIPLETSCOPE_CHROMIUM names one)"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The Chromium that is on this machine, or None; TRIPLETSCOPE_CHROMIUM names another one."""
    named = os.environ.get("TRIPLETSCOPE_CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what this machine cannot run, and says so at the end; with CI set a missing browser is a failure."""
    left_out: dict[str, list[pytest.Item]] = {}
    browser_missing = find_chromium() is None
    accelerator = _has_accelerator() if any("gpu" in item.keywords for item in items) else False
    kept = []
    for item in items:
        if "browser" in item.keywords and browser_missing and not os.environ.get("CI"):
            left_out.setdefault(NO_BROWSER, []).append(item)
        elif "slow" in item.keywords and not os.environ.get("TRIPLETSCOPE_SLOW"):
            left_out.setdefault("slow sweeps: set TRIPLETSCOPE_SLOW=1 to run them", []).append(item)
        elif "gpu" in item.keywords and not accelerator:
            left_out.setdefault("gpu tests: no CUDA or MPS device", []).append(item)
        else:
            kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=[item for gone in left_out.values() for item in gone])
        items[:] = kept
    config.stash[LEFT_OUT] = {reason: len(gone) for reason, gone in left_out.items()}


LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line for each kind of test that was left out."""
    for reason, count in config.stash.get(LEFT_OUT, {}).items():
        terminalreporter.write_line(f"left out {count} {reason}")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser; with CI set its absence fails the test instead of leaving it out."""
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium was found, and CI is set: install Debian's chromium or set TRIPLETSCOPE_CHROMIUM")
    return path


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Any]:
    """One headless Chromium for all browser tests of this process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path, headless=True, args=list(CHROMIUM_FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets, where TRIPLETSCOPE_DATA names one."""
    folder = os.environ.get("TRIPLETSCOPE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TRIPLETSCOPE_DATA names no folder of real data sets")
    return Path(folder)
