"""A newcomer's way with a set that nobody prepared: drop, map, findings, margin, mine, CSV; the command gives the same.

TRIPLETSCOPE_SHOTS names a folder for a picture of every step, to be looked at.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from tests.app.test_browser_watch import Server

from tripletscope import cli
from tripletscope.datasets import sample_data_dir

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 180_000


def flawed(folder: Path, data: Path | None) -> list[Path]:
    return [sample_data_dir() / "flawed" / "digits.npz"]


def banking(folder: Path, data: Path) -> list[Path]:
    return [data / "banking77_minilm_f16.npy", data / "banking77.parquet"]


def pages(folder: Path, data: Path) -> list[Path]:
    return [data / "page_blocks.parquet"]


def omniglot(folder: Path, data: Path) -> list[Path]:
    """Features as a simple model makes them: the first 32 principal components of the pictures, at length 1."""
    with np.load(data / "omniglot.npz") as held:
        images, labels, names = held["images"], held["labels"], held["class_names"]
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=0)
    _, vectors = np.linalg.eigh(flat.T @ flat)
    found = flat @ vectors[:, -32:]
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    place = folder / "omniglot-features.npz"
    np.savez(place, embeddings=found, labels=names[labels], images=images)
    return [place]


#: Name -> (files, rows, options that the page's choices mean on the command line).
SETS: dict[str, Any] = {
    "flawed": (flawed, 1854),
    "banking77": (banking, 3850),
    "page_blocks": (pages, 5473),
    "omniglot": (omniglot, 3560),
}


class Shots:
    """Pictures of every step where somebody wants them."""

    def __init__(self, page: Any, name: str) -> None:
        self.page, self.name, self.number = page, name, 0

    def __call__(self, step: str) -> None:
        """The step, as the page shows it now."""
        self.number += 1
        if wanted := os.environ.get("TRIPLETSCOPE_SHOTS"):
            self.page.wait_for_timeout(1200)
            self.page.screenshot(path=Path(wanted) / f"{self.name}-{self.number}-{step}.png")


@pytest.mark.parametrize("name", SETS)
def test_from_the_drop_to_the_file(browser, tmp_path, name, request):
    make, rows = SETS[name]
    files = make(tmp_path, None if make is flawed else request.getfixturevalue("real_data"))
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda r: wrong.append(r.url) if urlsplit(r.url).hostname not in ("127.0.0.1", None, "") else None
    )
    shot = Shots(page, name)
    try:
        page.goto(f"{server.address}/inspect")
        page.get_by_text("Which of your triplets are worth training on?").wait_for()
        shot("door")
        page.locator("input[type=file]").first.set_input_files(files)
        page.locator(".st-key-inspect-line").wait_for()
        assert f"{rows:,}" in page.locator(".st-key-inspect-line").inner_text()

        page.locator("[data-cloud][data-ready=true], .ts-cloud[data-ready=true]").first.wait_for()
        shot("map")

        cards = page.locator(".ts-fault")
        cards.first.wait_for()
        cards.first.locator(".ts-fault-head").click()
        page.locator(".ts-fault-body:visible .ts-example").first.wait_for()
        page.locator(".ts-fault-body:visible").get_by_role("button", name="Show on map").click()
        page.wait_for_url("**finding=*")
        shot("finding")
        page.locator(".ts-fault-body:visible .ts-side").first.click()
        page.wait_for_url("**row=*")
        page.locator(".ts-rule[data-ready=true], .ts-rule .ts-ruler").first.wait_for()
        page.locator(".st-key-inspect-row, .ts-rule").first.scroll_into_view_if_needed()
        shot("row")

        page.locator(".ts-gap[data-ready]").wait_for()
        page.locator(".ts-gap").scroll_into_view_if_needed()
        shot("margin")
        page.get_by_role("button", name="Mine these triplets").click()
        page.wait_for_selector(".st-key-inspect-mined")
        page.locator(".st-key-inspect-mined").scroll_into_view_if_needed()
        shot("mined")
        with page.expect_download() as coming:
            page.get_by_role("button", name="-triplets.csv").first.click()
        content = Path(coming.value.path()).read_bytes()
        line = page.locator(".st-key-inspect-mined code").inner_text()
        assert not page.locator("[data-testid=stException]").count()
    finally:
        page.close()
        server.stop()
    assert wrong == []

    # The command that the page shows, with these files: the same bytes.
    words = shlex.split(line.replace("\\\n", " "))
    assert words[:2] == ["tripletscope", "mine"]
    places = {one.name: str(one) for one in files}
    out = tmp_path / "again.csv"
    told = [places.get(word, word) for word in words[1:]]
    told[told.index("--out") + 1] = str(out)
    assert cli.main([*told, "--quiet"]) == 0
    assert out.read_bytes() == content
    table = pd.read_csv(out)
    assert len(table) > rows // 10
    assert (table["loss"] >= 0).all()
