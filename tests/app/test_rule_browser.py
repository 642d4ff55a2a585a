"""The ruler of a row in a real browser: what is drawn, what clicks and keys say, what a file's words cannot do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.app.test_accessible import RULES
from tests.app.test_rule import HOSTILE, flawed, opened_set, small

from tripletscope_app.component import bundle, style
from tripletscope_app.inspecting import row_panel
from tripletscope_app.inspecting.opened import Opened

pytestmark = pytest.mark.browser

HARNESS = Path(__file__).parent / "harness" / "rule.html"
KNOB = ".ts-margin-knob"


def data_of(opened: Opened, row: int, **more: Any) -> dict[str, Any]:
    told = opened.ask("row", row=row, **{"distance": "cosine", **more}).reply(None)
    assert told is not None
    return row_panel.rule_data(told, [["Hubs"] if at == 0 else [] for at in range(len(told["samples"]))], opened)


@pytest.fixture(scope="module")
def told(site: tuple[Path, str]) -> dict[str, dict[str, Any]]:
    """What Python says about four rows, by name; the harness finds them as files."""
    labels = np.arange(40) % 5
    labels[4] = -1
    texts = [f"{HOSTILE[row % 5]} row {row}" for row in range(40)]
    hostile = opened_set(small(labels=labels, class_names=HOSTILE, texts=texts))
    made = {
        "digits": data_of(flawed(), 12),
        "wide": data_of(flawed(), 12, margin=0.2),
        "hostile": data_of(hostile, 0),
        "plain": data_of(hostile, 4),
    }
    folder = site[0] / "rule"
    folder.mkdir()
    shutil.copy(HARNESS, folder / "index.html")
    (folder / "rule.bundle.js").write_text(bundle("rule"), encoding="utf-8")
    (folder / "rule.css").write_text(style("inspect"), encoding="utf-8")
    for name, data in made.items():
        (folder / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    return made


@pytest.fixture
def look(browser: Any, site: tuple[Path, str], told: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Opens the harness with one of the rows; at the end nothing may have gone wrong or asked another machine."""
    pages, errors = [], []

    def open_(name: str = "digits", *, width: int = 1280, height: int = 900, dark: bool = False) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith((site[1], "blob:", "data:")) else errors.append(r.url))
        page.goto(f"{site[1]}/rule/index.html?data={name}{'&dark' if dark else ''}")
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_
    for page in pages:
        page.close()
    assert errors == []


def calls(page: Any) -> list[dict[str, Any]]:
    return page.evaluate("harness.calls")


def settle(page: Any) -> None:
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_a_row_is_drawn_with_its_ruler_its_lanes_and_its_nearest_rows(look: Any, told: dict[str, Any]) -> None:
    page, data = look(), told["digits"]
    assert page.inner_text(".ts-rule-title") == "2 id digit-0012"
    assert page.inner_text(".ts-rule-flag") == "Hubs"
    assert page.inner_text(".ts-rule-votes") == data["votes"]
    assert page.locator(".ts-candidate[data-role=negative]").count() == len(data["answer"]["negatives"])
    assert page.locator(".ts-lane-name").count() == 8
    pick = data["answer"]["picks"]["semi-hard"][0]
    first = page.inner_text(".ts-sentence-first")
    if pick >= 0:
        name = data["samples"][data["answer"]["negatives"][pick]]["class"]
        assert first.startswith(f"Semi-hard picks this {name}: semi-hard")
    else:
        assert first.startswith("Semi-hard abstains")
    for kind in ("same", "other"):
        items = page.locator(f".ts-rule-list[data-kind={kind}] .ts-rule-item")
        assert items.count() == 24
        assert float(items.first.locator(".ts-rule-away").inner_text()) == pytest.approx(
            data["lists"][kind]["distances"][0], rel=0.01
        )
    assert page.inner_text(".ts-ghost-label") == f"farther: {data['answer']['others']['count']:,}"
    assert data["answer"]["candidates_title"] in page.inner_text(".ts-rule-words")
    assert "batch" not in page.inner_text(".ts-rule")  # nothing of Watch's words is left
    # Pictures, not initials.
    assert "url(" in page.eval_on_selector(".ts-candidate .ts-thumb-picture", "e => e.style.backgroundImage")


def test_a_click_or_a_key_in_a_list_goes_to_the_row(look: Any, told: dict[str, Any]) -> None:
    page, data = look(), told["digits"]
    row_of = lambda kind, at: data["samples"][data["lists"][kind]["samples"][at]]["row"]  # noqa: E731
    page.locator(".ts-rule-list[data-kind=other] .ts-rule-item").nth(2).click()
    said = calls(page)[-1]
    assert (said["row"], said["positive"], said["lane"]) == (row_of("other", 2), None, "semi-hard")
    assert page.locator(".ts-rule[data-asking]").count() == 1
    page.locator(".ts-rule-list[data-kind=same] .ts-rule-item").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert calls(page)[-1]["row"] == row_of("same", 1)
    page.mouse.move(2, 2)
    page.evaluate("harness.root().getRootNode().activeElement.blur()")  # the words speak of what is hovered or focused
    settle(page)
    page.locator(".ts-rule-go:visible").first.click()
    assert calls(page)[-1]["row"] == data["samples"][data["answer"]["positives"][0]]["row"]


def test_another_positive_moves_the_zones_and_the_gaps(look: Any, told: dict[str, Any]) -> None:
    page, answer = look(), told["digits"]["answer"]
    gap = page.locator(".ts-rule-list[data-kind=other] .ts-rule-gap").first
    before = gap.inner_text()
    last = answer["positives"][-1]
    page.locator(f".ts-candidate[data-sample='{last}']").first.click()
    settle(page)
    far = np.float32(told["digits"]["lists"]["other"]["distances"][0])
    near = np.float32(answer["distances"][len(answer["positives"]) - 1])
    assert gap.inner_text() != before
    assert float(gap.inner_text().replace("\u2212", "-")) == pytest.approx(float(far - near), abs=0.001)
    zone = page.locator(".ts-rule-list[data-kind=other] .ts-rule-zone").first.inner_text()
    assert zone == ("hard" if far <= near else "semi-hard" if far - near < np.float32(answer["margin"]) else "easy")
    assert calls(page)[-1]["positive"] == told["digits"]["samples"][last]["row"]
    assert calls(page)[-1]["row"] == 12


def test_the_margin_in_the_hand_is_told_to_the_page_and_its_answer_taken(look: Any, told: dict[str, Any]) -> None:
    page, usual = look(), told["digits"]["run"]["margin"]
    assert page.inner_text(".ts-margin-label") == f"margin {usual:g}"
    page.locator(KNOB).focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    # A press that rests a moment is told by itself; the last one counts.
    page.wait_for_function("m => Math.abs((harness.calls.at(-1)?.margin ?? 0) - m) < 1e-6 * m", arg=1.1 * usual)
    assert page.inner_text(".ts-margin-reset") == f"usual margin {usual:g} \u00d7"
    assert page.locator(".ts-lanes-stale").is_visible()  # until the answer for that margin is there
    data = {**told["wide"], "key": "heard", "selection": {**told["wide"]["selection"], "heard": calls(page)[-1]["n"]}}
    page.evaluate("data => harness.push(data)", data)
    page.wait_for_selector(".ts-rule[data-drawn=heard]")  # other samples: their pictures are unpacked first
    settle(page)
    assert page.inner_text(".ts-margin-label") == "margin 0.2"
    assert not page.locator(".ts-lanes-stale").is_visible()


def test_an_answer_that_comes_late_throws_nobody_back(look: Any, told: dict[str, Any]) -> None:
    page, data = look(), told["digits"]
    second = data["answer"]["positives"][1]
    page.locator(f".ts-candidate[data-sample='{second}']").first.focus()
    page.keyboard.press("Enter")
    settle(page)
    page.evaluate("data => harness.push(data)", {**data, "key": "late"})  # of before the click
    settle(page)
    assert page.get_attribute(".ts-rule", "data-positive") == str(second)
    assert page.locator(".ts-rule[data-asking]").count() == 1
    now = {**data["selection"], "positive": data["samples"][second]["row"], "heard": calls(page)[-1]["n"]}
    page.evaluate("data => harness.push(data)", {**data, "key": "now", "selection": now})
    settle(page)
    assert page.get_attribute(".ts-rule", "data-positive") == str(second)
    assert page.locator(".ts-rule[data-asking]").count() == 0


def test_back_and_forward_by_button_and_key(look: Any, told: dict[str, Any]) -> None:
    page, data = look(), told["digits"]
    assert page.locator(".ts-rule-way:disabled").count() == 2
    page.evaluate("data => harness.push(data)", {**data, "key": "been", "back": True, "forward": True})
    settle(page)
    page.locator(".ts-rule-way").first.click()
    assert calls(page)[-1]["way"] == "back"
    page.locator(".ts-rule-item").first.focus()
    page.keyboard.press("]")
    assert calls(page)[-1]["way"] == "forward"


def test_words_of_a_file_stay_words(look: Any, told: dict[str, Any]) -> None:
    page, data = look("hostile"), told["hostile"]
    assert page.evaluate("harness.root().querySelectorAll('img, script, iframe, a').length") == 0
    assert page.inner_text(".ts-rule-title") == f"{HOSTILE[0]} id 0"
    assert page.inner_text(".ts-rule-text") == f"{HOSTILE[0]} row 0"
    names = page.locator(".ts-rule-item-name").all_inner_texts()
    assert set(names) <= set(HOSTILE)
    assert {data["samples"][at]["class"] for at in data["lists"]["other"]["samples"]} <= set(names)
    # Without pictures the three texts stand below the sentence.
    positive = data["samples"][data["answer"]["positives"][0]]
    assert page.inner_text(".ts-rule-words-line[data-role=positive] .ts-rule-words-text") == positive["text"]


def test_a_row_without_a_class_has_its_nearest_rows_and_no_ruler(look: Any, told: dict[str, Any]) -> None:
    page = look("plain")
    assert not page.locator(".ts-ruler").is_visible()
    assert page.inner_text(".ts-rule-list-title:visible") == "Nearest rows"
    assert page.locator(".ts-rule-item:visible").count() == 24
    assert "no class" in page.inner_text(".ts-rule-votes")
    page.evaluate("() => harness.show('digits')")  # and back: the ruler is there again
    assert page.locator(".ts-ruler").is_visible()
    assert page.locator(".ts-candidate").count() > 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "dark", "name"), [(1280, False, "digits"), (900, True, "digits"), (1920, False, "hostile")]
)
def test_it_fits_and_axe_finds_nothing(look: Any, width: int, dark: bool, name: str) -> None:
    page = look(name, width=width, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.wait_for_timeout(300)
    report = Axe().run(page, options=RULES).response
    wrong = [
        f"{violation['id']}: {violation['help']} {json.dumps(node['target'])} {node['html'][:160]} "
        f"{node.get('failureSummary', '')[:300]}"
        for violation in report["violations"]
        for node in violation["nodes"]
    ]
    assert not wrong, "\n".join(wrong)
