"""The film strip in a real browser: every cell against numpy, the hand, the keys, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.harness import fake
from tests.app.harness.numbers import decimals, expected, picture, triplet
from tests.app.harness.page import calls, root, settle, wait_for

pytestmark = pytest.mark.browser
STRIP = "harness.root().querySelector('.ts-strip')"
HOSTILE = "<img src=x onerror=alert(1)> \u202e" + "very long name " * 12


def cells(page: Any) -> dict[str, list[dict[str, Any]]]:
    """The strip's cells by strategy, one per frame."""
    return {row["name"]: row["cells"] for row in page.evaluate(f"{STRIP}.tripletscopeCells()")}


def select(page: Any, **selection: Any) -> None:
    """Python asks for something else."""
    page.evaluate(
        "s => { const now = harness.root().tripletscope.state().selection;"
        " harness.push({selection: {...now, ...s, rev: now.rev + 1}}); }",
        selection,
    )
    settle(page)


def spot(page: Any, row: int, frame: int) -> tuple[float, float]:
    """Page coordinates of a cell's middle, scrolled into view."""
    page.locator(".ts-strip-grid").scroll_into_view_if_needed()
    at = page.evaluate(f"{STRIP}.tripletscopeSpot({row}, {frame})")
    return at["x"], at["y"]


def words(page: Any) -> str:
    return page.inner_text(".ts-strip-words")


def of_batch_all(truth: dict[str, Any], digest: str, step: int, positive: int) -> dict[str, int]:
    told, _, d = picture(truth, digest, step)
    zones = [triplet(told, d, positive, negative)["zone"] for negative in told["negatives"]]
    return {zone: zones.count(zone) for zone in ("hard", "semi-hard", "easy")}


def test_cells_are_what_the_strategies_pick(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    """200 random cells of every run, for each of its positives in turn, equal numpy on the same positions."""
    page = open_page()
    rng = np.random.default_rng(11)
    names, frames = list(fake.TITLES), truth["frames"]
    for digest, told in truth["answers"].items():
        positive = told["positives"][int(rng.integers(len(told["positives"])))]
        select(page, run=digest, positive=positive)
        shown = cells(page)
        assert list(shown) == [s["name"] for s in truth["view"]["strategies"]]
        seen = set()
        for _ in range(200):
            name, frame = names[rng.integers(len(names))], int(rng.integers(len(frames)))
            cell = shown[name][frame]
            if name == "batch-all":
                assert cell["kind"] == "all"
                assert cell["counts"] == of_batch_all(truth, digest, frames[frame], positive)
                continue
            want = expected(truth, digest, frames[frame], name, positive)
            seen.add(want and want["zone"])
            if want is None:
                assert cell["kind"] == "abstains"
            else:
                assert (cell["kind"], cell["negative"], cell["zone"]) == ("pick", want["negative"], want["zone"])
                assert cell["gap"] == pytest.approx(want["gap"], abs=1e-7)
        assert len(seen) > 1, "a strip of one kind of cell proves little"


def test_labels_say_how_often_a_row_agrees_with_the_trainer(
    open_page: Callable[..., Any], truth: dict[str, Any]
) -> None:
    page = open_page()
    positive = truth["answers"]["fake-semi-hard"]["positives"][0]
    select(page, run="fake-semi-hard", positive=positive)
    labels = page.locator(".ts-strip-label")
    told = truth["answers"]["fake-semi-hard"]
    picks = {name: chosen[:, 0] for name, chosen in told["picks"].items()}
    for i, (name, (title, _, stochastic, granularity)) in enumerate(fake.TITLES.items()):
        text = labels.nth(i).inner_text()
        assert title in text
        assert ("one draw" in text) == stochastic
        if name == "semi-hard":
            assert "trains" in text
            assert labels.nth(i).get_attribute("data-trains") is not None
        elif granularity == "all":
            assert "agrees" not in text
        else:
            same = int((picks[name] == picks["semi-hard"]).sum())
            assert f"agrees {same}/{len(truth['frames'])}" in text, name
    labels.nth(2).click()
    settle(page)
    assert root(page, "lane") == "hardest"
    assert labels.nth(2).get_attribute("aria-pressed") == "true"


def test_a_click_on_a_cell_scrubs_and_tells_python_once(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    frame = truth["frames"].index(30) - 9
    page.mouse.click(*spot(page, 2, frame))
    wait_for(page, f"e.dataset.step === '{truth['frames'][frame]}' && harness.calls.length === 1")
    page.wait_for_timeout(300)
    assert [call["value"]["step"] for call in calls(page)] == [truth["frames"][frame]]


def test_dragging_over_the_strip_scrubs_like_the_scrubber(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    x, y = spot(page, 1, 4)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(*spot(page, 1, 12), steps=8)
    settle(page)
    assert root(page, "step") == str(truth["frames"][12])
    assert calls(page) == []
    page.mouse.up()
    wait_for(page, "harness.calls.length === 1")
    assert calls(page)[0]["value"]["step"] == truth["frames"][12]


def test_hovering_a_cell_lights_its_negative_and_its_frame(
    open_page: Callable[..., Any], truth: dict[str, Any]
) -> None:
    page = open_page()
    names, frame = list(fake.TITLES), 3
    row = names.index("hardest")
    positive = truth["view"]["selection"]["positive"]
    want = expected(truth, "fake-random", truth["frames"][frame], "hardest", positive)
    assert want is not None
    page.mouse.move(*spot(page, row, frame))
    wait_for(page, f"e.dataset.hover === '{want['negative']}'")
    assert page.evaluate("harness.root().tripletscope.state().hoverFrame") == frame
    digits = decimals(want["d_ap"], want["d_an"])
    gap = f"{want['gap']:.{digits}f}".replace("-", "\u2212")
    name = truth["labels"][want["negative"]]
    assert words(page) == f"step {truth['frames'][frame]}, Hardest: this {name}, {want['zone']}, gap {gap}"
    assert page.locator(".ts-strip-magnifier[data-which=ghost]").is_visible()
    page.mouse.move(5, 5)
    wait_for(page, "e.dataset.hover === '' && e.tripletscope.state().hoverFrame === null")
    assert page.locator(".ts-strip-magnifier[data-which=ghost]").is_hidden()
    assert words(page).startswith("step 30, Random:")


def test_keys_walk_through_the_strip(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page, frames = open_page(), truth["frames"]
    at, positive = frames.index(30), truth["view"]["selection"]["positive"]
    page.evaluate("harness.root().querySelector('.ts-strip-seek:last-child').focus()")
    for _ in range(len(fake.TITLES) + 2):  # past the button that saves the strip
        page.keyboard.press("Tab")
    settle(page)
    assert page.evaluate("harness.root().getRootNode().activeElement.className") == "ts-strip-grid"
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
        settle(page)
    step = frames[at + 1]
    assert root(page, "step") == str(step)
    want = expected(truth, "fake-random", step, "hardest", positive)
    assert want is not None
    spoken = page.text_content(".ts-strip [aria-live]")
    assert spoken.startswith(f"step {step}, Hardest: this {truth['labels'][want['negative']]}, {want['zone']}")
    assert f"id {want['negative']}" in spoken
    assert root(page, "hover") == str(want["negative"])
    wait_for(page, "harness.calls.length === 1")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    settle(page)
    assert root(page, "lane") == "hardest"
    assert root(page, "step") == str(frames[at - 9])
    page.keyboard.press("End")
    settle(page)
    assert root(page, "step") == str(frames[-1])


def test_buttons_and_keys_look_for_another_anchor(open_page: Callable[..., Any]) -> None:
    page = open_page()
    buttons = page.locator(".ts-strip-seek")
    buttons.nth(1).click()
    buttons.nth(2).click()
    for key in ("n", "d"):
        page.keyboard.press(key)
    settle(page)
    asked = [call["value"] for call in calls(page) if call["name"] == "trigger request"]
    assert [(a["kind"], a["what"]) for a in asked] == [("seek", "violating"), ("seek", "disagree")] * 2
    assert all(a["anchor"] == 1000 and a["step"] == 30 for a in asked), "a request carries the selection"
    buttons.nth(0).click()
    wait_for(page, "e.dataset.anchor !== '1000'")
    assert page.locator(".ts-strip-waiting").is_visible(), "the new anchor's answer is not here yet"


def test_only_the_magnifier_moves_while_time_does(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    page.evaluate("""() => {
      globalThis.painted = 0;
      const clear = CanvasRenderingContext2D.prototype.clearRect;
      CanvasRenderingContext2D.prototype.clearRect = function (...box) {
        if (this.canvas.classList.contains("ts-strip-base")) globalThis.painted++;
        return clear.apply(this, box);
      };
    }""")
    page.wait_for_timeout(600)  # the pictures are decoded beside the page's work, and painted when they are there
    page.evaluate("globalThis.painted = 0")
    place = "harness.root().querySelector('.ts-strip-magnifier').style.transform"
    before = page.evaluate(place)
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        settle(page)
    page.wait_for_timeout(400)
    assert page.evaluate("painted") == 0
    assert page.evaluate(place) != before
    assert page.inner_text(".ts-strip-magnifier[data-which=now] .ts-strip-step") == root(page, "step")


def test_a_what_if_margin_moves_the_zones_of_the_cells(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    before = cells(page)["hardest"]
    select(page, margin=0.25)
    after = cells(page)["hardest"]
    assert [c["gap"] for c in after] == [c["gap"] for c in before]
    for cell in after:
        gap = np.float32(cell["gap"])
        assert cell["zone"] == ("hard" if gap <= 0 else "easy" if gap >= np.float32(0.25) else "semi-hard")
    assert [c["zone"] for c in after] != [c["zone"] for c in before]


def test_what_a_screen_reader_hears_of_a_column(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told = page.text_content(".ts-strip .ts-sr:not([aria-live])")
    assert told.startswith("At step 30: Random picks ")
    positive = truth["view"]["selection"]["positive"]
    for name, (title, *_) in fake.TITLES.items():
        if name == "batch-all":
            assert f"{title} uses all {len(truth['answers']['fake-random']['negatives'])}" in told
            continue
        want = expected(truth, "fake-random", 30, name, positive)
        said = f"picks {truth['labels'][want['negative']]} ({want['zone']})" if want else "abstains"
        assert f"{title} {said}" in told
    assert page.get_attribute(".ts-strip-grid", "aria-label")
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert not page.text_content(".ts-strip .ts-sr:not([aria-live])").startswith("At step 30:")


@pytest.mark.parametrize(
    ("names", "thumbs"),
    [(["only", "two"], True), ([f"class {i}" for i in range(200)], False), ([HOSTILE, *map(str, range(9))], False)],
)
def test_any_names_and_no_pictures(
    open_page: Callable[..., Any], site: tuple[Path, str], names: list[str], thumbs: bool
) -> None:
    folder = f"strip-{len(names)}-{thumbs}-{len(names[0])}"
    built = fake.build(site[0] / folder, names=names, thumbs=thumbs)
    page = open_page(folder, width=900)
    settle(page)
    assert set(cells(page)) == set(fake.TITLES)
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    assert len(words(page)) < 200
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert len(cells(page)["random"]) == len(built["frames"])


def test_many_strategies_and_frames_of_two_runs(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    """Twenty-four rows keep their names; a run with other frames gets other columns."""
    page = open_page()
    view = truth["view"]["strategies"]
    many = [{**s, "title": f"{s['title']} {k}", "order": 1000 * k + s["order"]} for k in range(3) for s in view]
    page.evaluate("s => harness.push({strategies: s})", many)
    settle(page)
    assert page.locator(".ts-strip-label").count() == 24
    grid = page.locator(".ts-strip-grid").bounding_box()
    label = page.locator(".ts-strip-label").nth(23).bounding_box()
    assert label["y"] + label["height"] <= grid["y"] + grid["height"]
    assert label["height"] >= 20
    assert json.dumps(cells(page)["hardest"])


def test_nothing_moves_when_the_data_arrive(open_page: Callable[..., Any]) -> None:
    page = open_page(query="?hold")
    page.wait_for_selector(".ts-strip[data-empty]")
    before = [page.locator(name).bounding_box() for name in (".ts-strip", ".ts-plane")]
    for strategy in fake.RACE:
        page.evaluate(f"harness.load('fake-{strategy}.bin')")
    page.wait_for_selector(".ts-instrument[data-ready=true]")
    wait_for(page, f"{STRIP}.tripletscopeCells()")
    settle(page)
    assert [page.locator(name).bounding_box() for name in (".ts-strip", ".ts-plane")] == before


def test_no_answer_is_said(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.keyboard.press("a")
    wait_for(page, "e.dataset.anchor !== '1000'")
    settle(page)
    assert page.inner_text(".ts-strip-waiting") == "asking the engine …"
    page.evaluate("harness.push({message: 'The engine has stopped.'})")
    settle(page)
    assert page.inner_text(".ts-strip-waiting") == "The engine has stopped."
    assert page.evaluate(f"{STRIP}.tripletscopeCells()") is None
