"""What a planted wrong label looks like on Watch: only where the run knows the truth, in numbers and in words."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.app import tiny

from tripletscope import Run
from tripletscope.cli import main

pytestmark = pytest.mark.browser
WAIT = 120_000  # a loaded machine is slow, and that is not what is tested here


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a run's one-file page; at the end no page may have logged an error."""
    wrong, pages = [], []

    def open_(run):
        file = tmp_path / f"{run.name}.html"
        assert main(["export", str(run), "--what", "html", "--out", str(file)]) == 0
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        pages.append(page)
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-shared=ready]")
        page.wait_for_selector(".ts-instrument[data-ready=true]")
        return page, json.loads(re.search(r'id="shared">(.*?)</script>', file.read_text(encoding="utf-8"), re.S)[1])

    yield open_
    for page in pages:
        page.close()
    assert wrong == []


def shown(page, selector):
    return page.eval_on_selector_all(selector, "all => all.filter(one => one.getClientRects().length).length")


def test_nothing_is_shown_where_the_truth_is_not_known(opened, tmp_path):
    page, _ = opened(tiny.record(tmp_path / "plain"))
    page.wait_for_selector(".ts-counter >> nth=0")
    assert (shown(page, ".ts-counter"), shown(page, ".ts-curve")) == (6, 5)
    assert "truly" not in page.inner_text(".ts-instrument")


def test_false_picks_are_counted_drawn_and_put_in_words(opened, tmp_path):
    who = tiny.samples()
    truth = (who.labels + (np.arange(len(who)) % 2)) % tiny.CLASSES  # every other label is wrong
    place = tiny.record(tmp_path / "noisy", "random", samples=replace(who, true_labels=truth))
    page, told = opened(place)
    run = Run.open(place)
    page.wait_for_selector(".ts-counter[data-name=false_negative_share]")
    assert (shown(page, ".ts-counter"), shown(page, ".ts-curve")) == (7, 7)
    page.wait_for_selector(".ts-curve-plot[data-chart=false_negative_trend] path.ts-curve-blind", state="attached")

    step = int(page.get_attribute(".ts-instrument", "data-step"))
    line = run.lines[min(step, run.step_count - 1)]
    text = page.inner_text(".ts-counter[data-name=false_negative_share] .ts-counter-value")
    shares = [line[f"mined_false_{kind}"] / line["mined"] for kind in ("negatives", "positives")]
    assert [int(found) for found in re.findall(r"([0-9]+) %", text)] == [int(100 * share + 0.5) for share in shares]

    anchor = next(one for one in told["anchors"] if truth[run.probe_rows[one]] != who.labels[run.probe_rows[one]])
    page.evaluate(
        "n => document.getElementById('host').shadowRoot.querySelector('.ts-instrument').tripletscope.select(n)", anchor
    )
    page.wait_for_selector(f".ts-instrument[data-anchor='{anchor}']")
    page.wait_for_selector(".ts-trio[data-role=anchor][data-wrong]")
    page.wait_for_selector(".ts-sentence-third >> text=planted")
    name = who.class_names[int(truth[run.probe_rows[anchor]])]
    assert f"the anchor is truly {name}" in page.inner_text(".ts-sentence-third")
