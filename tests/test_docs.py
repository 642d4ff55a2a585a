"""Docs that cannot go stale: examples in docstrings and pages run; every command, column and strategy has its place."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tripletscope
from tripletscope import dialect_docs, schema, strategies, strategy_docs

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def modules() -> list[str]:
    names = ["tripletscope"]
    for found in pkgutil.walk_packages(tripletscope.__path__, prefix="tripletscope."):
        if not found.name.endswith("__main__") and ".sample_data" not in found.name:
            names.append(found.name)
    return names


def python_blocks(page: Path) -> list[str]:
    """The page's Python blocks, in order; `<!-- not run: reason -->` before a block leaves it out."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"(<!-- not run: [^\n]+ -->\n)?```python\n(.*?)```", text, flags=re.DOTALL)
    return [match.group(2) for match in found if match.group(1) is None]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_print_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_code_blocks_run(page: Path, tmp_path: Path) -> None:
    """All blocks of a page run in one process, one after the other, in an empty folder."""
    code = "\n".join(python_blocks(page))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_page_of_strategies_is_current() -> None:
    assert (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8") == strategy_docs.render()


def test_the_pictures_of_strategies_are_current() -> None:
    folder = ROOT / "docs" / "images"
    wanted = strategy_docs.pictures()
    assert {path.name for path in folder.glob("strategy-*.svg")} == set(wanted)
    for name, text in wanted.items():
        assert (folder / name).read_text(encoding="utf-8") == text, name


def test_the_page_of_dialects_is_current() -> None:
    assert (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8") == dialect_docs.render()


def test_every_strategy_has_a_heading() -> None:
    text = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    for name in strategies.names():
        assert re.search(rf"^##+ .*`?{re.escape(name)}`?", text, flags=re.MULTILINE), name


def test_every_column_is_documented() -> None:
    run_format = (ROOT / "docs" / "run-format.md").read_text(encoding="utf-8")
    csv_format = (ROOT / "docs" / "csv-format.md").read_text(encoding="utf-8")
    for column in schema.PICKS.names:
        assert f"`{column}`" in run_format, column
    for column in schema.SCALARS:
        assert f"`{column}`" in run_format, column
    for column in (*schema.TRIPLETS, *schema.TRIPLET_TEXTS):
        assert f"`{column}`" in csv_format, column
    sweeps = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    for column in (*schema.SWEEP_CELL, *schema.SWEEP):
        assert f"`{column}`" in sweeps, column


def test_every_command_is_documented_and_has_an_example() -> None:
    from tripletscope.cli import commands  # not at the top: importing the command line is part of what is tested

    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for command in commands():
        assert f"## `tripletscope {command.name}`" in page, command.name
        done = subprocess.run(
            [sys.executable, "-m", "tripletscope", command.name, "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0
        assert f"tripletscope {command.name}" in done.stdout.split("xample", 1)[-1], (
            f"{command.name} --help shows no example"
        )


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://", "mailto:")):
                assert (page.parent / target).exists(), f"{page.name} -> {target}"
