"""Time in a real browser: the doctor's flags and story, and a frame that is pointed at."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.app.harness import aside as fake_aside
from tests.app.harness import fake
from tests.app.harness.page import calls, root, settle, wait_for

pytestmark = pytest.mark.browser
Open = Callable[..., Any]


def told(strategy: str) -> list[dict[str, Any]]:
    """What the fake doctor finds, by step."""
    return sorted(fake_aside.findings(strategy, fake.MARGIN, fake.STEPS), key=lambda finding: finding["step"])


def frame_of(truth: dict[str, Any], step: int) -> int:
    frames = truth["frames"]
    return int(np.argmin([abs(frame - step) for frame in frames]))


def watch_batch_hard(page: Any) -> None:
    page.keyboard.press("3")
    wait_for(page, "e.dataset.run === 'fake-batch-hard'")
    page.wait_for_selector(".ts-flag[data-severity=problem]")
    settle(page)


def axis(page: Any, truth: dict[str, Any]) -> Callable[[int], float]:
    """Pixels of a frame on the scrubber."""
    box = page.locator(".ts-scrubber").bounding_box()
    last = len(truth["frames"]) - 1
    return lambda frame: box["x"] + 12 + (box["width"] - 24) * frame / last


# --- events ---


def test_flags_stand_where_the_doctor_found_something(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    watch_batch_hard(page)
    findings, x = told("batch-hard"), axis(page, truth)
    flags = page.locator(".ts-flag")
    assert flags.count() == len(findings)
    shapes = set()
    for i, finding in enumerate(findings):
        flag, box = flags.nth(i), flags.nth(i).bounding_box()
        assert abs(box["x"] + box["width"] / 2 - x(frame_of(truth, finding["step"]))) < 1
        assert flag.get_attribute("data-severity") == finding["severity"]
        label = flag.get_attribute("aria-label")
        for part in (f"{finding['step']}", finding["severity"], finding["title"], finding["evidence"]):
            assert part in label
        shapes.add(flag.locator("path").get_attribute("d"))
    assert len(shapes) == 3, "severities differ by shape, not by colour alone"
    strategies = set(page.eval_on_selector_all(".ts-pill path", "all => all.map(p => p.getAttribute('d'))"))
    assert not shapes & strategies


def test_a_flag_speaks_and_goes_there(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    watch_batch_hard(page)
    spread = next(finding for finding in told("batch-hard") if finding["rule"] == "spread")
    flag = page.locator(".ts-flag[data-severity=problem]")
    flag.hover()
    page.wait_for_selector(".ts-flag-tip:not([hidden])")
    tip = page.inner_text(".ts-flag-tip")
    assert f"steps 7 to 118: {spread['title']}" in tip
    assert spread["evidence"] in tip
    frame = frame_of(truth, spread["step"])
    assert page.evaluate("harness.root().tripletscope.state().hoverFrame") == frame
    page.mouse.move(5, 5)
    page.wait_for_selector(".ts-flag-tip", state="hidden")
    flag.focus()
    page.wait_for_selector(".ts-flag-tip:not([hidden])")
    page.keyboard.press("Enter")
    settle(page)
    assert root(page, "step") == str(truth["frames"][frame])
    assert calls(page)[-1]["value"]["step"] == truth["frames"][frame]
    assert spread["title"] in page.locator(".ts-scrubber").get_attribute("aria-valuetext")
    assert page.locator(".ts-flag-span").count() == 2, "what lasts is a line under its flag"


def test_a_press_on_a_flag_does_not_scrub(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    watch_batch_hard(page)
    box = page.locator(".ts-flag[data-severity=problem]").bounding_box()
    page.mouse.move(box["x"] + 1, box["y"] + 10)
    page.mouse.down()
    settle(page)
    assert root(page, "step") == "30"
    page.mouse.up()
    settle(page)
    assert root(page, "step") == "7"


def test_e_goes_to_the_next_event(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    watch_batch_hard(page)
    steps = [truth["frames"][frame_of(truth, finding["step"])] for finding in told("batch-hard")]
    assert steps == sorted(steps)
    for step in [*steps, steps[0]]:  # from step 30: after the last comes the first
        page.keyboard.press("e")
        settle(page)
        assert root(page, "step") == str(step)
    for step in [steps[-1], steps[-2]]:
        page.keyboard.press("Shift+E")
        settle(page)
        assert root(page, "step") == str(step)
    page.evaluate(
        "() => { delete globalThis.__tripletscope.asides['fake-batch-hard'];"
        " document.dispatchEvent(new CustomEvent('tripletscope:aside')); }"
    )
    settle(page)
    before = root(page, "step")
    page.keyboard.press("e")
    settle(page)
    assert root(page, "step") == before
    assert page.locator(".ts-flag").count() == 0


def test_what_happened_here(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    body = page.inner_text(".ts-events-body")
    assert "Nothing alarming was found; checked: loss stuck at the margin, collapse, biggest turnover" in body
    missed = "Not checked: nothing left to mine (the run counts no mined triplets)."
    assert missed in body
    badge = page.locator(".ts-events-other[data-digest=fake-batch-hard]")
    assert badge.inner_text().split() == ["Batch", "hard", "3"]
    assert "1 problem, 1 warning, 1 note" in badge.get_attribute("aria-label")
    height = page.locator(".ts-events").bounding_box()["height"]
    badge.click()
    wait_for(page, "e.dataset.run === 'fake-batch-hard'")
    settle(page)
    assert page.locator(".ts-events").bounding_box()["height"] == height
    rows = page.locator(".ts-finding")
    findings = told("batch-hard")
    assert rows.count() == len(findings)
    for i, finding in enumerate(findings):
        text = re.sub(r"\s+", " ", rows.nth(i).text_content())
        for part in ("severity", "title", "evidence", "remedy"):
            assert finding[part] in text, part
        assert f"{finding['step']}" in text
    missed += " The picks of step 12 are damaged."
    assert page.inner_text(".ts-findings-none") == missed, "an alarm is told; what was not looked at stays said"
    rows.nth(1).hover()
    settle(page)
    frame = frame_of(truth, findings[1]["step"])
    assert page.evaluate("harness.root().tripletscope.state().hoverFrame") == frame
    assert page.locator(".ts-flag[data-lit]").count() == 1
    page.evaluate("""() => {
      globalThis.flashed = [];
      const watch = new MutationObserver((all) => all.forEach((one) => flashed.push(one.target.className)));
      watch.observe(harness.root(), {subtree: true, attributeFilter: ['data-flash']});
    }""")
    rows.nth(1).click()
    settle(page)
    assert root(page, "step") == str(truth["frames"][frame])
    assert {"ts-finding", "ts-flag"} <= set(page.evaluate("flashed"))
    assert page.locator(".ts-finding[data-now]").count() == 1
    page.wait_for_selector("[data-flash]", state="detached")


def test_labels_of_the_doctor_are_text(open_page: Open) -> None:
    page = open_page()
    page.evaluate("""() => {
      const shelf = globalThis.__tripletscope.asides;
      const words = "<img src=x onerror=alert(1)> " + "wide ".repeat(60);
      shelf['fake-random'] = {...shelf['fake-random'], findings: Array.from({length: 9}, (_, i) => ({
        rule: 'x', title: words, evidence: words, remedy: words, numbers: {},
        step: 10, until: null, severity: i ? 'note' : 'problem'}))};
      document.dispatchEvent(new CustomEvent('tripletscope:aside'));
    }""")
    settle(page)
    assert page.locator(".ts-finding").count() == 9
    assert page.locator(".ts-flag").count() == 1
    assert page.inner_text(".ts-flag-count") == "9"
    assert page.locator(".ts-instrument img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    body = page.locator(".ts-events-body")
    assert body.evaluate("e => e.scrollHeight > e.clientHeight && e.scrollWidth <= e.clientWidth")


# --- a frame that is pointed at ---


def test_pointing_at_the_scrubber_lights_every_curve(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    frame = frame_of(truth, 115)
    step = truth["frames"][frame]
    box = page.locator(".ts-scrubber").bounding_box()
    page.mouse.move(axis(page, truth)(frame), box["y"] + 20)
    settle(page)
    assert page.evaluate("harness.root().tripletscope.state().hoverFrame") == frame
    assert page.locator(".ts-scrubber-ghost").is_visible()
    assert page.locator(".ts-curve-ghost:visible").count() >= 5
    assert root(page, "step") == "30", "pointing moves nothing"
    recall = truth["series"]["fake-random"]["recall_at_1"][step]
    pointed = page.inner_text(".ts-counter[data-name=recall_at_1] .ts-counter-pointed")
    assert pointed == f"{recall:.2f} at step {step}"
    readout = page.inner_text(".ts-curve:first-child .ts-curve-readout").split()
    wanted = [f"{truth['series'][f'fake-{s}']['recall_at_1'][step]:.2f}" for s in fake.RACE]
    assert readout == ["step", str(step), *wanted]
    page.mouse.move(5, 5)
    settle(page)
    assert not page.locator(".ts-scrubber-ghost").is_visible()
    assert page.locator(".ts-curve-readout:visible").count() == 0
    assert page.locator(".ts-counter-pointed:visible").count() == 0
    assert calls(page) == []


def test_pointing_at_a_curve(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    plot = page.locator(".ts-curve-plot[data-chart=zones]")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    frame = frame_of(truth, 57)
    last = len(truth["frames"]) - 1
    page.mouse.move(box["x"] + 34 + (box["width"] - 46) * frame / last, box["y"] + 50)
    settle(page)
    assert page.evaluate("harness.root().tripletscope.state().hoverFrame") == frame
    said = page.inner_text(".ts-curve:nth-child(4) .ts-curve-readout")
    hard = truth["series"]["fake-random"]["hard_share"][truth["frames"][frame]]
    assert f"{np.floor(100 * hard + 0.5):.0f} %" in said


def test_curves_by_keyboard_and_in_words(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    slider = page.get_by_role("slider", name="R@1, over training")
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    frame = frame_of(truth, 30) + 1
    step = truth["frames"][frame]
    assert slider.get_attribute("aria-valuenow") == str(step)
    said = slider.get_attribute("aria-valuetext")
    for strategy in fake.RACE:
        value = truth["series"][f"fake-{strategy}"]["recall_at_1"][step]
        assert f"{fake.TITLES[strategy][0]} {value:.2f}" in said
    words = page.text_content(".ts-curve:first-child .ts-sr")
    assert words.startswith("R@1. At step 0: Random 0.40")
    assert "At step 400: Random" in words


def test_dragging_shows_no_ghost(open_page: Open, truth: dict[str, Any]) -> None:
    page = open_page()
    box = page.locator(".ts-scrubber").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 20, steps=4)
    settle(page)
    assert page.evaluate("harness.root().tripletscope.state().hoverFrame") is None
    page.mouse.up()
    wait_for(page, "harness.calls.length === 1")


def test_what_is_out_of_view_stands_still_while_time_runs(open_page: Open) -> None:
    page = open_page()
    settle(page)
    style = "name => getComputedStyle(harness.root().querySelector(name)).contentVisibility"
    names = (".ts-curves", ".ts-violations", ".ts-rivals")
    heights = [page.locator(name).bounding_box()["height"] for name in names]
    assert [page.evaluate(style, name) for name in names] == ["visible"] * 3
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_function(f"name => ({style})(name) === 'hidden'", arg=".ts-rivals")
    assert [page.evaluate(style, name) for name in names] == ["hidden"] * 3
    assert page.evaluate(style, ".ts-map") == "visible"
    assert [page.locator(name).bounding_box()["height"] for name in names] == heights, "nothing jumps"
    # Scrolled to, it is there at once, and draws again.
    page.locator(".ts-rivals").scroll_into_view_if_needed()
    page.wait_for_function(f"name => ({style})(name) === 'visible'", arg=".ts-rivals")
    page.keyboard.press(" ")
    settle(page)
    assert [page.evaluate(style, name) for name in names] == ["visible"] * 3, "at rest all of it can be reached"
    # What was missed meanwhile has been caught up with.
    assert page.locator(".ts-curve-cursor").first.evaluate("e => e.style.transform") != ""
