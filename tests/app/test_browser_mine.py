"""The margin curve under hand and keys, and the whole way from a sample to a CSV, in a real browser."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.app.test_accessible import RULES
from tests.app.test_browser_watch import Server

from tripletscope import cli
from tripletscope.datasets import sample_data_dir
from tripletscope.zones import zone_codes_numpy
from tripletscope_app.component import bundle, style

pytestmark = pytest.mark.browser

HARNESS = Path(__file__).parent / "harness" / "gaps.html"
GAPS = np.sort(np.random.default_rng(1).normal(0.05, 0.12, 400).astype(np.float32))
GAPS[10], GAPS[200] = 0.0, 0.0625
GAPS.sort()
DATA = {
    "gaps": [float(f"{one:.8g}") for one in GAPS.tolist()],
    "margin": 0.1,
    "top": 0.4,
    "unit": "cosine",
    "suggested": 0.09,
    "pairs": 400,
    "exact": True,
}


@pytest.fixture
def curve(browser, site):
    """Opens the curve on a page of its own; at the end nothing may have gone wrong or been asked elsewhere."""
    pages, errors = [], []
    folder = site[0] / "gaps"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(HARNESS, folder / "index.html")
        (folder / "gaps.bundle.js").write_text(bundle("gaps"), encoding="utf-8")
        (folder / "gaps.css").write_text(style("inspect"), encoding="utf-8")

    def open_(*, dark: bool = False, **more):
        page = browser.new_page(viewport={"width": 900, "height": 600})
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith((site[1], "blob:", "data:")) else errors.append(r.url))
        page.goto(f"{site[1]}/gaps/index.html{'?dark' if dark else ''}")
        page.wait_for_selector("body[data-ready]")
        page.evaluate("data => harness.push(data)", {**DATA, **more})
        page.wait_for_selector(".ts-gap[data-ready]")
        return page

    yield open_
    for page in pages:
        page.close()
    assert errors == []


def words(page) -> str:
    return page.inner_text(".ts-gap-words")


def shares(margin: float) -> list[int]:
    return np.bincount(zone_codes_numpy(GAPS, margin), minlength=3).tolist()


@pytest.mark.parametrize("margin", [0.1, 0.0625, 0.3, 2.0])
def test_counts_are_those_of_the_zones(curve, margin):
    page = curve(margin=margin)
    hard, semi, easy = shares(margin)
    said = words(page)
    assert f"{hard + semi} of 400 pairs violate: {hard} hard and {semi} semi-hard; {easy} are easy" in said
    assert "about" not in said
    assert ("beyond the axis" in page.text_content(".ts-gap-label")) == (margin > 0.4)


def test_the_margin_follows_the_hand_and_is_told_when_it_is_let_go(curve):
    page = curve()
    box = page.locator(".ts-gap-stage").bounding_box()
    handle = page.locator(".ts-gap-handle").bounding_box()
    y = box["y"] + 100
    page.mouse.move(handle["x"] + handle["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(handle["x"] + 120, y, steps=4)
    during = float(page.get_attribute(".ts-gap", "data-margin"))
    assert during > 0.11
    assert page.evaluate("harness.calls") == []
    hard, semi, _ = shares(during)
    assert f"{hard + semi} of 400" in words(page)
    page.mouse.up()
    assert page.evaluate("harness.calls") == [["margin", during]]
    # What comes back from Python is no news; another value is.
    page.evaluate("data => harness.push(data)", {**DATA, "margin": during})
    assert float(page.get_attribute(".ts-gap", "data-margin")) == during
    page.evaluate("data => harness.push(data)", {**DATA, "margin": 0.25})
    assert float(page.get_attribute(".ts-gap", "data-margin")) == 0.25


def test_keys_move_the_margin_too(curve):
    page = curve()
    page.focus(".ts-gap-handle")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("harness.calls.length === 1")
    assert page.evaluate("harness.calls[0][1]") == pytest.approx(0.106)
    assert page.get_attribute(".ts-gap-handle", "aria-valuenow") == "0.106"
    assert "0.106 in cosine distance" in page.get_attribute(".ts-gap-handle", "aria-valuetext")
    page.keyboard.press("Home")
    assert float(page.get_attribute(".ts-gap", "data-margin")) == pytest.approx(0.001)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(curve, dark):
    page = curve(dark=dark)
    report = Axe().run(page, options=RULES).response
    wrong = [f"{one['id']}: {json.dumps(node['html'])[:300]}" for one in report["violations"] for node in one["nodes"]]
    assert not wrong, "\n".join(wrong)


# ---- the whole way


def test_from_a_sample_to_a_csv(browser, tmp_path):
    server = Server(tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    try:
        page.set_default_timeout(90_000)
        page.goto(f"{server.address}/inspect?v=1&set=flawed&strategy=hardest&margin=0.05")
        page.wait_for_selector(".ts-gap[data-ready]")
        page.get_by_role("button", name="Mine these triplets").click()
        page.wait_for_selector(".st-key-inspect-mined")
        with page.expect_download() as coming:
            page.get_by_role("button", name="digits-triplets.csv").click()
        content = Path(coming.value.path()).read_bytes()
        line = page.locator(".st-key-inspect-mined code").inner_text()
    finally:
        page.close()
        server.stop()
    assert line.split() == [
        "tripletscope", "mine", "digits.npz", "\\", "--strategy", "hardest", "\\", "--margin", "0.05", "\\",
        "--out", "digits-triplets.csv",
    ]  # fmt: skip
    source = sample_data_dir() / "flawed" / "digits.npz"
    out = tmp_path / "digits-triplets.csv"
    told = ["--strategy", "hardest", "--margin", "0.05", "--out", str(out), "--quiet"]
    assert cli.main(["mine", str(source), *told]) == 0
    assert out.read_bytes() == content
    assert len(pd.read_csv(io.BytesIO(content))) > 1000
    assert all(url.startswith((server.address, "blob:", "data:")) for url in asked)
