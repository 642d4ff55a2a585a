"""The real page: what other libraries would pick here, and the fields of parameters, for everybody."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.app.test_accessible import RULES, complaints
from tests.app.test_browser_watch import WAIT, Server, Watched

from tripletscope import Run
from tripletscope.analysis.dialect_picks import dialect_picks
from tripletscope.datasets import sample_data_dir
from tripletscope_app.libraries import libraries

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OPENING = "/?v=1&run=digits-2d/semi-hard&step=30&anchor=47&positive=277"
#: The table is drawn on a canvas; for those who do not see it, its cells stand in a hidden table of the same element.
CELLS = "all => all.at(-1) ? [...all.at(-1).querySelectorAll('tr')].map(r => [...r.cells].map(c => c.textContent)) : []"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    running = Server(tmp_path_factory.mktemp("libraries"))
    yield running
    running.stop()


def aside(page: Watched):
    """The part of the page that the question opens."""
    return page.page.locator("[data-testid=stExpander]").filter(has_text="How other libraries would pick here").last


def table(page: Watched, holds: str) -> list[list[str]]:
    """Its rows, the heading first, as soon as one of their cells is this."""
    place = "[data-testid=stExpander] [data-testid=stDataFrame] table[role=grid]"
    page.page.wait_for_function(
        "([place, text]) => [...document.querySelectorAll(place + ' td')].some(c => c.textContent === text)",
        arg=[place, holds],
        timeout=WAIT,
    )
    return page.page.eval_on_selector_all(place, CELLS)


def test_the_dialects_are_asked_shown_and_read_out(browser, server) -> None:
    page = Watched(browser, server, OPENING)
    page.until("root.dataset.positive === '277'")
    expect(page.page.locator("[data-testid=stDataFrame]")).to_have_count(0)
    aside(page).locator("summary").click()
    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
    for word in ("semi-hard", "hardest"):
        if word != "semi-hard":
            aside(page).get_by_role("radio", name=word, exact=True).click()
        told = libraries(run, dialect_picks(run, anchor=47, step=30, positive=277, word=word))
        heading, *rows = table(page, word)
        at = {name: heading.index(name) for name in ("library", "rule", "does", "id", "class", "zone", "why")}
        assert len(rows) == len(told) > 3
        for shown, (_, wanted) in zip(rows, told.iterrows(), strict=True):
            for name, column in at.items():
                text = "" if pd.isna(wanted[name]) else str(wanted[name])
                assert shown[column].strip() == text.strip(), name
    # At rest: the darker ground of a button that is pointed at is Streamlit's own, and it comes and goes gradually.
    page.page.mouse.move(5, 400)
    page.page.evaluate("document.activeElement.blur()")
    page.page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')", timeout=WAIT)
    # What Streamlit draws inside its table is its own; around it there is nothing to complain about.
    report = Axe().run(page.page, context={"include": [["[data-testid=stExpander]"]]}, options=RULES).response
    assert report["passes"], "axe looked at something"
    wrong = [
        json.dumps([found["id"], node["target"], node.get("failureSummary", "")])
        for found in report["violations"]
        for node in found["nodes"]
        if "stDataFrame" not in json.dumps(node["target"]) and "glide" not in node["html"]
    ]
    assert wrong == []
    assert not page.complaints
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_the_fields_of_parameters(browser, server, dark) -> None:
    page = Watched(browser, server, f"{OPENING}&lane=top-n&tuned=top-n:n:1", color_scheme="dark" if dark else "light")
    field = page.page.locator(".ts-tune").get_by_label("n", exact=True)
    expect(field).to_have_value("1", timeout=WAIT)
    expect(page.page.locator(".ts-tune-reset")).to_be_visible(timeout=WAIT)
    assert complaints(page.page) == []
    field.fill("0")  # out of range: said in the title, and marked
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert complaints(page.page) == []
    page.close()


@pytest.mark.parametrize("width", [1280, 900])
def test_with_every_lane_the_instrument_ends_above_what_follows(browser, server, width) -> None:
    page = Watched(browser, server, f"{OPENING}&lanes=all")
    page.page.set_viewport_size({"width": width, "height": 900})
    page.until("root.querySelectorAll('.ts-churn-table tbody tr').length > 10")
    page.settle()
    ends = "root => [root.querySelector('.ts-churn-sentence'), root].map(e => e.getBoundingClientRect().bottom)"
    words, instrument = page.page.locator(".ts-instrument").evaluate(ends)
    assert 0 < words <= instrument
    page.close()
