"""The panels over time in a real browser: violations and picked negatives say what the fake asides hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.harness import fake
from tests.app.harness.page import ROOT, calls, root, settle, wait_for

from tripletscope_app.component.pack import unpack

pytestmark = pytest.mark.browser
RUN = "fake-random"
Open = Callable[..., Any]


class Aside:
    """An aside as numpy sees it."""

    def __init__(self, path: Path) -> None:
        self.header, self.arrays = unpack(path.read_bytes())
        self.frames = self.header["frames"]
        self.classes = self.header["classes"]

    def table(self, name: str) -> np.ndarray:
        return self.arrays[name].reshape(len(self.frames), -1)

    def interval(self, what: str, at: int) -> tuple[np.ndarray, ...]:
        names = {"who": ("code", "count"), "hub": ("row", "count"), "pair": ("code", "violating", "eligible")}[what]
        first, last = self.arrays[f"{what}_offset"][at : at + 2]
        return tuple(self.arrays[f"{what}_{name}"][first:last] for name in names)

    def picks(self, strategy: str, first: int, last: int) -> np.ndarray:
        """Picks (C, C) of a strategy in frames first..last."""
        counts = np.zeros(self.classes**2, int)
        s = self.header["strategies"].index(strategy)
        for f in range(first, last + 1):
            code, count = self.interval("who", s * len(self.frames) + f)
            np.add.at(counts, code, count)
        return counts.reshape(self.classes, self.classes)

    def hubs(self, strategy: str, first: int, last: int) -> list[tuple[int, int]]:
        """(row, count), the most picked first, of equally many the lower row."""
        counts: dict[int, int] = {}
        s = self.header["strategies"].index(strategy)
        for f in range(first, last + 1):
            for row, count in zip(*self.interval("hub", s * len(self.frames) + f), strict=True):
                counts[int(row)] = counts.get(int(row), 0) + int(count)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


@pytest.fixture(scope="module")
def aside(site: tuple[Path, str], truth: dict[str, Any]) -> Aside:
    """What the page was told of the run that it opens on."""
    return Aside(site[0] / "plain" / f"{RUN}.aside.bin")


@pytest.fixture
def panel(open_page: Open) -> Open:
    """Opens the page at one of the panels."""

    def open_(name: str, *more: Any, **options: Any) -> Any:
        page = open_page(*more, **options)
        page.locator(f".ts-{name}").scroll_into_view_if_needed()
        page.wait_for_selector(f".ts-{name}:not([data-empty]):not([data-without])")
        settle(page)
        return page

    return open_


def two_figures(share: float) -> str:
    """A share as the panels write it."""
    if share <= 0 or share >= 0.0995:
        return "<1 %" if 0 < share < 0.005 else ">99 %" if 0.995 < share < 1 else f"{np.floor(100 * share + 0.5):.0f} %"
    return "<0.01 %" if share < 0.00005 else f"{100 * share:.{2 if share < 0.00995 else 1}f} %"


def thousands(count: float) -> str:
    return f"{int(count):,}"


def go_to(page: Any, step: int, rev: int = 2, **selection: Any) -> None:
    page.evaluate(
        "more => harness.push({selection: {...harness.data.selection, ...more}})",
        {"step": step, "rev": rev, **selection},
    )
    settle(page)


def state(page: Any, name: str) -> Any:
    return page.evaluate(f"harness.root().tripletscope.state().{name}")


def violation_words(aside: Aside, f: int, c: int | None) -> str:
    eligible, violating, hard = (
        aside.arrays["class_eligible"],
        aside.table("class_violating")[f],
        aside.table("class_hard")[f],
    )
    some = slice(None) if c is None else slice(c, c + 1)
    all_, bad, worst = (int(array[some].sum()) for array in (eligible, violating, hard))
    who = "all classes" if c is None else f"class {aside.header['class_names'][c]}"
    return (
        f"{who} at step {aside.frames[f]}: {two_figures(bad / all_)} of {thousands(all_)} cohort triplets violate, "
        f"{two_figures(worst / all_)} hard"
    )


# --- margin violations ---


def test_the_heat_map_is_the_violating_share(panel: Open, aside: Aside) -> None:
    page = panel("violations")
    assert aside.header["cohort_title"] in page.inner_text(".ts-violations .ts-panel-head")
    pixels = np.array(
        page.eval_on_selector(
            ".ts-heat-canvas",
            "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]",
        )
    ).reshape(aside.classes, len(aside.frames), 4)
    shares = (aside.table("class_violating") / aside.arrays["class_eligible"]).T
    # The page is light: a larger share is never a lighter colour.
    lightness = pixels[..., :3] @ [0.2126, 0.7152, 0.0722]
    order = np.argsort(shares.ravel(), kind="stable")
    assert np.all(np.diff(lightness.ravel()[order]) <= 1.5)
    assert np.ptp(lightness) > 60
    for step in (0, 5, 30, 400):
        go_to(page, step, rev=2 + step)
        f = aside.frames.index(step)
        assert page.inner_text(".ts-heat .ts-readout") == violation_words(aside, f, None)


def test_a_cell_of_the_heat_map_speaks_and_a_click_filters(panel: Open, aside: Aside) -> None:
    page = panel("violations")
    f, c = aside.frames.index(10), 8
    box = page.locator(".ts-heat-plot").bounding_box()
    spot = (box["x"] + box["width"] * (f + 0.5) / len(aside.frames), box["y"] + box["height"] * (c + 0.5) / 10)
    page.mouse.move(*spot)
    wait_for(page, f"e.tripletscope.state().hoverFrame === {f}")
    settle(page)
    assert state(page, "hoverClasses") == [c, None]
    assert page.inner_text(".ts-heat .ts-readout") == violation_words(aside, f, c)
    # All other panels point at the same frame.
    for ghost in (".ts-scrubber-ghost", ".ts-curve-ghost", ".ts-heat-ghost"):
        assert page.locator(ghost).first.is_visible(), ghost
    page.mouse.click(*spot)
    settle(page)
    assert calls(page)[-1]["value"]["focus"] == [c, None]
    assert root(page, "step") == "30", "a click filters, it does not move time"
    assert page.locator(".ts-heat-name[aria-pressed=true]").get_attribute("data-class") == str(c)
    page.mouse.click(*spot)
    settle(page)
    assert calls(page)[-1]["value"]["focus"] is None
    page.mouse.move(5, 5)
    settle(page)
    assert (state(page, "hoverFrame"), state(page, "hoverClasses")) == (None, None)


def test_dragging_over_the_heat_map_scrubs(panel: Open, aside: Aside) -> None:
    page = panel("violations")
    box = page.locator(".ts-heat-plot").bounding_box()
    y = box["y"] + 40
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, y, steps=5)
    settle(page)
    assert calls(page) == []
    page.mouse.move(box["x"] + box["width"] - 1, y, steps=3)
    page.mouse.up()
    wait_for(page, "harness.calls.length === 1")
    (call,) = calls(page)
    assert (call["value"]["step"], call["value"]["focus"]) == (400, None)
    assert page.inner_text(".ts-heat .ts-readout").startswith("all classes at step 400") or "class" in page.inner_text(
        ".ts-heat .ts-readout"
    )


def test_the_rows_of_the_heat_map_by_keyboard(panel: Open, aside: Aside) -> None:
    page = panel("violations")
    names = page.locator(".ts-heat-name")
    assert names.count() == 10
    assert page.locator(".ts-heat-name[tabindex='0']").count() == 1
    names.first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    settle(page)
    assert state(page, "hoverClasses") == [3, None]
    focused = "harness.root().getRootNode().activeElement.ariaLabel"
    assert page.evaluate(focused) == violation_words(aside, aside.frames.index(30), 3)
    page.keyboard.press("Enter")
    settle(page)
    assert state(page, "focus") == [3, None]
    assert root(page, "step") == "30"
    page.locator(".ts-violations .ts-panel-head button").click()
    settle(page)
    assert state(page, "focus") is None


def test_rows_by_violation(panel: Open, aside: Aside) -> None:
    page = panel("violations")
    page.get_by_role("button", name="sort by violation").click()
    settle(page)
    shares = aside.table("class_violating").sum(0) / aside.arrays["class_eligible"]
    shown = [int(c) for c in page.eval_on_selector_all(".ts-heat-name", "all => all.map(e => e.dataset.class)")]
    assert shown == sorted(range(10), key=lambda c: (-shares[c], c))


@pytest.mark.parametrize("step", [0, 30, 64])
def test_the_pairs_that_violate_most(panel: Open, aside: Aside, step: int) -> None:
    page = panel("violations")
    f = aside.frames.index(min(aside.frames, key=lambda at: abs(at - step)))
    go_to(page, aside.frames[f])
    code, violating, eligible = aside.interval("pair", f)
    keep = sorted((i for i in range(len(code)) if violating[i]), key=lambda i: (-violating[i], code[i]))[:8]
    expected = [
        (f"{code[i] // 10},{code[i] % 10}", two_figures(float(np.float32(violating[i] / eligible[i])))) for i in keep
    ]
    shown = page.eval_on_selector_all(
        ".ts-classpair:not([hidden])",
        "rows => rows.map(r => [r.dataset.pair, r.querySelector('.ts-classpair-share').textContent])",
    )
    assert [tuple(row) for row in shown] == expected
    assert f"step {aside.frames[f]}" in page.inner_text(".ts-classpairs-part h4")
    page.locator(".ts-classpair").first.click()
    settle(page)
    a, n = map(int, expected[0][0].split(","))
    assert calls(page)[-1]["value"]["focus"] == [a, n]
    assert page.locator(".ts-classpair[aria-pressed=true]").count() == 1


def test_the_histogram_of_gaps(panel: Open, aside: Aside) -> None:
    page = panel("violations")
    tops = {}
    for step in (0, 30, 400):
        go_to(page, step, rev=2 + step)
        f = aside.frames.index(step)
        counts = aside.table("gap_counts")[f]
        edges = np.array(aside.header["gap_edges"])
        # Every column: its height above the floor is log(1 + count), on one scale for the run.
        heights = {}
        for zone in ("hard", "semi-hard", "easy"):
            path = page.get_attribute(f".ts-gap-bars[data-zone='{zone}']", "d") or ""
            for left, floor, top in re.findall(r"M([\d.]+),([\d.]+)V([\d.]+)H", path):
                heights[float(left)] = (float(floor) - float(top), zone)
        filled = np.flatnonzero(counts)
        assert len(heights) == len(filled)
        seen = [heights[left] for left in sorted(heights)]
        ratio = [h / np.log1p(counts[i]) for (h, _), i in zip(seen, filled, strict=True)]
        assert np.ptp(ratio) < 0.2
        tops[step] = np.mean(ratio)
        zones = ["hard" if edges[i + 1] <= 0 else "easy" if edges[i] >= fake.MARGIN else "semi-hard" for i in filled]
        assert [zone for _, zone in seen] == zones
        all_ = aside.arrays["class_eligible"].sum()
        bad, hard = aside.table("class_violating")[f].sum(), aside.table("class_hard")[f].sum()
        said = page.inner_text(".ts-gap-legend")
        shares = [("hard", hard), ("semi-hard", bad - hard), ("easy", all_ - bad)]
        assert re.sub(r"\s+", " ", said) == " ".join(f"{zone} {two_figures(n / all_)}" for zone, n in shares)
    assert np.ptp(list(tops.values())) < 0.2, "the axis was fitted to a frame"


def test_a_what_if_margin_is_a_line_and_a_word(panel: Open) -> None:
    page = panel("violations")
    assert page.locator(".ts-gap-try").get_attribute("visibility") == "hidden"
    before = page.inner_text(".ts-gap-legend")
    go_to(page, 30, margin=0.5)
    assert page.locator(".ts-gap-try").get_attribute("visibility") == "visible"
    x = {
        name: float(page.get_attribute(f".ts-gap-{name}", "x1"))
        for name in ("line[data-at=zero]", "line[data-at=margin]")
    }
    tried = float(page.get_attribute(".ts-gap-try line", "x1"))
    assert abs(tried - sum(x.values()) / 2) < 0.6
    assert "run's margin 1" in page.inner_text(".ts-gaps .ts-readout")
    assert page.inner_text(".ts-gap-legend") == before, "shares are for the run's margin"


# --- which negatives ---


def cells(page: Any) -> np.ndarray:
    """Counts as the matrix says them to a screen reader; -1 on the diagonal."""
    said = page.eval_on_selector_all(".ts-matrix-cell", "all => all.map(e => e.ariaLabel)")
    values = [-1 if text == "own class" else int(text.split(",  ")[0].split(", ")[0].replace(",", "")) for text in said]
    side = int(len(values) ** 0.5)
    return np.array(values).reshape(side, side)


def without_own(table: np.ndarray) -> np.ndarray:
    table = table.copy()
    np.fill_diagonal(table, -1)
    return table


def test_who_is_picked_for_whom(panel: Open, aside: Aside) -> None:
    page = panel("rivals")
    last = len(aside.frames) - 1
    assert np.array_equal(cells(page), without_own(aside.picks("random", 0, last)))
    page.locator(".ts-rival-choice[data-strategy=semi-hard]").click()
    wait_for(page, "e.dataset.lane === 'semi-hard'")
    settle(page)
    assert np.array_equal(cells(page), without_own(aside.picks("semi-hard", 0, last)))
    go_to(page, 30, span=[5, 30], lane="semi-hard")
    f0, f1 = aside.frames.index(5), aside.frames.index(30)
    counts = aside.picks("semi-hard", f0, f1)
    assert np.array_equal(cells(page), without_own(counts))
    end = aside.frames[f1 + 1] - 1
    assert page.inner_text(".ts-span-text") == f"steps 5 to {end}"
    assert page.inner_text(".ts-matrix-part .ts-readout") == f"{counts.sum():,} picks in steps 5 to {end}"
    # A cell under the pointer, in words; a click filters by the pair.
    a, n = (int(i) for i in np.unravel_index(counts.argmax(), counts.shape))
    cell = page.locator(f".ts-matrix-cell[data-row='{a}'][data-column='{n}']")
    cell.hover()
    settle(page)
    words = page.inner_text(".ts-matrix-part .ts-readout")
    assert words == (
        f"anchors of class {a} got negatives of class {n} {counts[a, n]:,} times in steps 5 to {end}: "
        f"{two_figures(counts[a, n] / counts[a].sum())} of their {counts[a].sum():,} picks"
    )
    assert state(page, "hoverClasses") == [a, n]
    cell.click()
    settle(page)
    assert calls(page)[-1]["value"]["focus"] == [a, n]
    page.get_by_role("button", name="share of row").click()
    settle(page)
    assert cell.inner_text() == f"{np.floor(100 * counts[a, n] / counts[a].sum() + 0.5):.0f}"


def test_the_matrix_by_keyboard(panel: Open) -> None:
    page = panel("rivals")
    page.locator(".ts-matrix-cell[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    settle(page)
    assert state(page, "hoverClasses") == [2, 1]
    page.keyboard.press("Enter")
    settle(page)
    assert state(page, "focus") == [2, 1]
    assert root(page, "step") == "30", "arrows in the matrix leave time alone"
    page.keyboard.press("Space")
    settle(page)
    assert state(page, "focus") is None
    assert page.locator(f"{ROOT}[data-playing]").count() == 0


def test_a_lane_that_was_not_recorded_is_said(panel: Open, aside: Aside) -> None:
    page = panel("rivals")
    go_to(page, 30, lane="hardest")
    note = page.inner_text(".ts-rivals .ts-panel-head")
    assert "Hardest was not recorded in this run" in note
    assert "Random" in note
    assert page.locator(".ts-rival-choice[aria-pressed=true]").get_attribute("data-strategy") == "random"


def test_the_span_has_two_handles_and_three_presets(panel: Open, aside: Aside) -> None:
    page = panel("rivals")
    last = len(aside.frames) - 1
    here = aside.frames.index(30)
    spans = {"up to here": [0, here], "around here": [here - 3, here + 3], "whole run": None}
    for name, span in spans.items():
        page.locator(".ts-span-tools button", has_text=name).click()
        settle(page)
        assert state(page, "span") == span, name
        expected = None if span is None else [aside.frames[f] for f in span]
        assert calls(page)[-1]["value"]["span"] == expected, name
    first = page.get_by_role("slider", name="first step of the sums")
    first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert state(page, "span") == [4, last]
    assert first.get_attribute("aria-valuetext") == f"step {aside.frames[4]}"
    assert root(page, "step") == "30"
    wait_for(page, f"harness.calls.at(-1).value.span?.[0] === {aside.frames[4]}")
    box = page.locator(".ts-span-bar").bounding_box()

    def x(f: float) -> float:
        return box["x"] + 12 + (box["width"] - 24) * f / last

    y = box["y"] + 13
    page.mouse.move(x(last), y)
    page.mouse.down()
    page.mouse.move(x(20), y, steps=5)
    page.mouse.up()
    settle(page)
    assert state(page, "span") == [4, 20]
    page.mouse.move(x(10), y)  # between the handles: the span moves as a whole
    page.mouse.down()
    page.mouse.move(x(13), y, steps=5)
    page.mouse.up()
    settle(page)
    assert state(page, "span") == [7, 23]
    assert np.array_equal(cells(page), without_own(aside.picks("random", 7, 23)))


def test_the_most_picked_negatives(panel: Open, aside: Aside, truth: dict[str, Any]) -> None:
    page = panel("rivals")
    page.locator(".ts-rival-choice[data-strategy=batch-hard]").click()
    wait_for(page, "e.dataset.lane === 'batch-hard'")
    settle(page)
    hubs = aside.hubs("batch-hard", 0, len(aside.frames) - 1)
    total = sum(count for _, count in hubs)
    shown = page.eval_on_selector_all(
        ".ts-hub", "all => all.map(e => [+e.dataset.sample, e.querySelector('.ts-hub-share').textContent])"
    )
    assert [tuple(row) for row in shown] == [(row, two_figures(count / total)) for row, count in hubs[:10]]
    ten = sum(count for _, count in hubs[:10]) / total
    said = page.inner_text(".ts-hub-sentence").replace("\u00a0", " ")
    assert said.startswith(f"10 of {len(hubs):,} picked samples are {two_figures(ten)} of {total:,} picks")
    first = page.locator(".ts-hub").first
    assert f"class {truth['labels'][hubs[0][0]]}, id {hubs[0][0]}" in first.get_attribute("aria-label")
    first.hover()
    wait_for(page, f"e.dataset.hover === '{hubs[0][0]}'")
    settle(page)
    assert page.locator(".ts-hub[data-lit]").count() == 1
    first.click()
    wait_for(page, f"e.dataset.anchor === '{hubs[0][0]}'")


def test_how_long_a_pick_lasts(panel: Open, aside: Aside) -> None:
    page = panel("rivals")
    go_to(page, 30, lane="semi-hard")
    f = aside.frames.index(30)
    names = aside.header["churn_strategies"]
    churn, held = (aside.arrays[name].reshape(len(names), -1)[:, f] for name in ("churn", "held"))
    rows = page.eval_on_selector_all(
        ".ts-churn-table tbody tr", "all => all.map(r => [...r.children].map(c => c.textContent))"
    )
    for (title, changed, lasts), name, share, steps in zip(rows, names, churn, held, strict=False):
        assert title == fake.TITLES[name][0]
        assert changed == two_figures(float(share))
        assert lasts == f"{round(float(steps))} step{'s' if round(float(steps)) != 1 else ''}"
    assert rows[-1][:2] == ["nearest negative", two_figures(float(aside.arrays["turnover"][f]))]
    steps = round(float(held[names.index("semi-hard")]))
    assert f"Semi-hard: a pick now lasts {steps} step" in page.inner_text(".ts-churn-sentence")
    slider = page.get_by_role("slider", name="Changed picks, over training")
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert slider.get_attribute("aria-valuenow") == str(aside.frames[f + 1])
    assert two_figures(float(aside.table("turnover")[f + 1, 0])) in slider.get_attribute("aria-valuetext")


# --- what is not there ---


def test_before_and_without_an_aside(open_page: Open) -> None:
    page = open_page(query="?bare")
    names = ("events", "violations", "rivals", "curves")
    boxes = [page.locator(f".ts-{name}").bounding_box() for name in names]
    for name in ("violations", "rivals"):
        page.locator(f".ts-{name}").scroll_into_view_if_needed()
        page.wait_for_selector(f".ts-{name}[data-empty]")
        settle(page)  # what comes into view while the page moves is there a frame later
        assert "Counting over the whole run" in page.inner_text(f".ts-{name} .ts-panel-wait")
    assert page.locator(".ts-flag").count() == 0
    trouble = "The pick file of step 12 is damaged: nothing was counted."
    page.evaluate("text => harness.news({asides: {'fake-random': text}})", trouble)
    settle(page)
    for name in ("events", "violations", "rivals"):
        page.locator(f".ts-{name}").scroll_into_view_if_needed()
        page.wait_for_selector(f".ts-{name}:not([data-empty])")
        settle(page)
        assert trouble in page.inner_text(f".ts-{name} .ts-panel-body")
    page.evaluate("harness.loadAsides()")
    page.wait_for_selector(".ts-rivals:not([data-without])")
    page.wait_for_selector(".ts-violations:not([data-without])", state="attached")  # out of view it may take its time
    settle(page)
    page.evaluate("scrollTo(0, 0)")
    assert [page.locator(f".ts-{name}").bounding_box()["height"] for name in names] == [box["height"] for box in boxes]
    assert "Counting" not in page.inner_text(ROOT)
    assert trouble not in page.inner_text(ROOT)


def test_two_hundred_classes_with_hostile_names(
    open_page: Open, panel: Open, site: tuple[Path, str], tmp_path: Path
) -> None:
    names = [f"<img src=x onerror=alert({i})> a class whose name goes on and on, number {i}" for i in range(200)]
    fake.build(site[0] / "many", names=names)
    page = panel("violations", "many", width=900)
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    assert page.locator(".ts-heat-name").count() == 16
    height = page.locator(".ts-heat-scroll").bounding_box()["height"]
    page.get_by_role("button", name="show all 200").click()
    settle(page)
    assert page.locator(".ts-heat-name").count() == 200
    assert page.locator(".ts-heat-scroll").bounding_box()["height"] == height
    assert page.eval_on_selector(".ts-heat-scroll", "e => e.scrollHeight > e.clientHeight")
    page.locator(".ts-rivals").scroll_into_view_if_needed()
    page.wait_for_selector(".ts-matrix-cell")
    assert page.locator(".ts-matrix-cell").count() == 18 * 18
    assert "top 17 of 200 classes" in page.inner_text(".ts-matrix-part .ts-part-note")
    many = Aside(site[0] / "many" / f"{RUN}.aside.bin")
    assert cells(page)[cells(page) > 0].sum() == many.picks("random", 0, len(many.frames) - 1).sum()
    assert page.locator(f"{ROOT} img").count() == 0


def test_two_classes(panel: Open, site: tuple[Path, str]) -> None:
    fake.build(site[0] / "two", names=["cat", "dog"])
    page = panel("violations", "two")
    assert page.eval_on_selector_all(".ts-heat-name", "all => all.map(e => e.textContent)") == ["cat", "dog"]
    pairs = page.eval_on_selector_all(".ts-classpair:not([hidden])", "all => all.map(e => e.dataset.pair)")
    assert set(pairs) <= {"0,1", "1,0"}


def test_playing_changes_only_what_is_in_view(panel: Open) -> None:
    page = panel("rivals")
    page.evaluate("""() => new Promise((out) => {
      scrollTo(0, 0);
      // The page's own observers are older than this one, and hear of it before.
      new IntersectionObserver((all) => { if (!all.at(-1).isIntersecting) out(); })
        .observe(harness.root().querySelector('.ts-rivals-body'));
    })""")
    page.keyboard.press("Home")
    settle(page)
    # What Home changes out of view waits for a pause now, and playing begins before that is over.
    page.evaluate("""() => {
      globalThis.touched = 0;
      document.body.dispatchEvent(new KeyboardEvent("keydown", {key: " ", bubbles: true}));
      const watched = harness.root().querySelector('.ts-rivals-body');
      const everything = {subtree: true, childList: true, attributes: true, characterData: true};
      new MutationObserver((all) => { touched += all.length; }).observe(watched, everything);
    }""")
    seen = "harness.root().hasAttribute('data-playing') && +harness.root().dataset.step > 40 && {touched}"
    assert page.wait_for_function(seen).json_value() == {"touched": 0}
    page.keyboard.press("Space")
    page.wait_for_function("touched > 0")  # at rest it catches up


def test_python_is_told_steps_not_frames(panel: Open, aside: Aside) -> None:
    page = panel("rivals")
    page.locator(".ts-span-tools button", has_text="around here").click()
    settle(page)
    here = aside.frames.index(30)
    value = calls(page)[-1]["value"]
    assert value["span"] == [aside.frames[here - 3], aside.frames[here + 3]]
    assert json.dumps(value)
