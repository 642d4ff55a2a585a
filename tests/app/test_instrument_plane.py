"""The triplet plane in a real browser: marks where numpy says, counts as recorded, a diagonal at the margin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.harness import fake
from tests.app.harness.numbers import expected, picture, triplet
from tests.app.harness.page import calls, root, settle, wait_for

from tripletscope_app.component.pack import unpack

pytestmark = pytest.mark.browser
PLANE = "harness.root().querySelector('.ts-plane')"
RULER_MAX = 14.0  # of the fake runs: beyond twelve margins, so the axis breaks at four


def shown(page: Any) -> dict[str, Any]:
    """What the plane holds: own, picks, picked, cells, total, domain, lens, and its square on the page."""
    return page.evaluate(f"{PLANE}.tripletscopePlane()")


def select(page: Any, **selection: Any) -> None:
    """Python asks for something else."""
    page.evaluate(
        "s => { const now = harness.root().tripletscope.state().selection;"
        " harness.push({selection: {...now, ...s, rev: now.rev + 1}}); }",
        selection,
    )
    settle(page)


def along(distance: float, side: float, most: float = RULER_MAX, margin: float = fake.MARGIN) -> float:
    """Pixels from the corner on the broken axis: linear up to four margins on 60 % of the side, logarithmic beyond."""
    at, share = 4 * margin, 0.6
    if distance <= at:
        return share * side * distance / at
    return side * (share + (1 - share) * np.log(min(distance, most) / at) / np.log(most / at))


def stand(square: dict[str, Any], d_ap: float, d_an: float) -> tuple[float, float]:
    """Page coordinates where a triplet must stand."""
    side = square["side"]
    return square["left"] + along(d_ap, side), square["top"] + side - along(d_an, side)


def place(page: Any, d_ap: float, d_an: float) -> tuple[float, float]:
    """The same, scrolled into view."""
    page.locator(".ts-plane-plot").scroll_into_view_if_needed()
    return stand(shown(page), d_ap, d_an)


def recorded(site: tuple[Path, str], digest: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return unpack((site[0] / "plain" / f"{digest}.aside.bin").read_bytes())


def ink_at(page: Any, x: float, y: float) -> int:
    """Strongest opacity of the layer of marks within two pixels of a place on the page."""
    return page.evaluate(
        """([x, y]) => {
          const canvas = harness.root().querySelectorAll('.ts-plane canvas')[1];
          const box = canvas.getBoundingClientRect();
          const zoom = canvas.width / box.width;
          const [left, top] = [(x - box.left - 4) * zoom, (y - box.top - 4) * zoom];
          const near = canvas.getContext('2d').getImageData(left, top, 8 * zoom, 8 * zoom).data;
          return Math.max(...near.filter((_, i) => i % 4 === 3));
        }""",
        [x, y],
    )


def words(page: Any) -> str:
    return page.inner_text(".ts-plane-words")


def test_this_anchors_triplets_stand_where_numpy_says(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    marks = shown(page)["own"]
    assert len(marks) == len(told["positives"]) * len(told["negatives"])
    for mark in marks:
        want = triplet(told, d, mark["positive"], mark["negative"])
        assert (mark["dap"], mark["dan"]) == pytest.approx((want["d_ap"], want["d_an"]), abs=1e-6)
        assert mark["zone"] == want["zone"]
    chosen = [mark for mark in marks if mark["chosen"]]
    assert {mark["positive"] for mark in chosen} == {truth["view"]["selection"]["positive"]}
    for mark in chosen[::7]:
        x, y = place(page, mark["dap"], mark["dan"])
        at = page.evaluate(f"{PLANE}.tripletscopeSpot({mark['dap']}, {mark['dan']})")
        assert (at["x"], at["y"]) == pytest.approx((x, y), abs=0.2)
        assert ink_at(page, x, y) > 200


def test_counts_are_those_of_the_record(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    assert page.inner_text(".ts-plane-batch") == "2,688 eligible triplets of step 30's batch, exact"
    series = truth["series"]["fake-random"]
    for row, name in enumerate(("hard_share", "semi_hard_share", "easy_share")):
        share = np.float32(series[name][30])
        text = page.locator(".ts-plane-counts tr").nth(row).inner_text().replace("\t", " ")
        assert f"{round(float(share) * 2688):,}" in text
    heard = page.text_content(".ts-plane .ts-sr:not([aria-live])")
    assert heard.startswith("2,688 eligible triplets of step 30's batch, exact. ")
    assert "picks of Random" in heard


def test_density_is_the_recorded_histogram(
    open_page: Callable[..., Any], site: tuple[Path, str], truth: dict[str, Any]
) -> None:
    page, (header, arrays) = open_page(), recorded(site, "fake-random")
    frame = header["frames"].index(30)
    start, end = arrays["plane_offset"][frame : frame + 2]
    counts, width = arrays["plane_count"][start:end], 2.0 ** arrays["plane_exponent"][frame]
    rows, columns = np.divmod(arrays["plane_cell"][start:end].astype(int), 64)
    now = shown(page)
    assert now["total"] == counts.sum() == sum(cell["count"] for cell in now["cells"])
    cell = max((c for c in now["cells"] if c["dan"] > 4.5), key=lambda c: c["count"])
    inside = (rows * width >= cell["dap"]) & (rows * width < cell["dap"] + cell["width"])
    inside &= (columns * width >= cell["dan"]) & (columns * width < cell["dan"] + cell["width"])
    assert counts[inside].sum() == cell["count"]
    # A cell without a mark on it, under the pointer.
    place(page, 0, 0)
    now = shown(page)
    marks = np.array([stand(now, m["dap"], m["dan"]) for m in now["own"] + now["picks"]])
    middles = [stand(now, c["dap"] + c["width"] / 2, c["dan"] + c["width"] / 2) for c in now["cells"]]
    room = [np.hypot(*(marks - middle).T).min() for middle in middles]
    (x, y), cell = middles[int(np.argmax(room))], now["cells"][int(np.argmax(room))]
    page.mouse.move(x, y)
    settle(page)
    low, high = cell["dap"], cell["dap"] + cell["width"]
    assert words(page).startswith(f"{cell['count']} triplet")
    assert f"with d(a,p) {low:.5g} to {high:.5g} and d(a,n) {cell['dan']:.5g} to" in words(page)
    page.mouse.move(5, 5)
    settle(page)
    assert words(page).startswith("Random's pick here:")


def test_picks_are_those_of_the_step(open_page: Callable[..., Any], site: tuple[Path, str]) -> None:
    page, (header, arrays) = open_page(), recorded(site, "fake-random")
    frame = header["frames"].index(30)
    part = slice(*arrays["pick_offset"][frame : frame + 2])
    for which, name in enumerate(header["strategies"]):
        select(page, lane=name)
        mine = arrays["pick_strategy"][part] == which
        want = np.stack([arrays["pick_dap"][part][mine], arrays["pick_dan"][part][mine]], 1)
        got = np.array([[p["dap"], p["dan"]] for p in shown(page)["picks"]]).reshape(-1, 2)
        assert len(want) > 0
        np.testing.assert_allclose(got, want, atol=1e-6)
        assert f"{len(want)} picked by {fake.TITLES[name][0]} in this step" in page.inner_text(".ts-plane-marks")


def test_a_strategy_that_was_not_recorded_shows_what_it_would_pick(
    open_page: Callable[..., Any], truth: dict[str, Any]
) -> None:
    page = open_page()
    select(page, lane="hardest")
    assert "Hardest was not recorded" in page.inner_text(".ts-plane-marks")
    picks = shown(page)["picks"]
    told = truth["answers"]["fake-random"]
    want = {(p, expected(truth, "fake-random", 30, "hardest", p)["negative"]) for p in told["positives"]}
    assert {(p["positive"], p["negative"]) for p in picks} == want
    select(page, lane="batch-all")
    assert "learns from every triplet" in page.inner_text(".ts-plane-marks")


def test_hovering_a_mark_lights_it_everywhere_and_says_three_numbers(
    open_page: Callable[..., Any], truth: dict[str, Any]
) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    marks = [m for m in shown(page)["own"] if m["chosen"]]
    spots = np.array([[m["dap"], m["dan"]] for m in marks + shown(page)["picks"]])
    lonely = max(marks, key=lambda m: np.sort(np.abs(spots - [m["dap"], m["dan"]]).max(1))[1])
    page.mouse.move(*place(page, lonely["dap"], lonely["dan"]))
    wait_for(page, f"e.dataset.hover === '{lonely['negative']}'")
    want = triplet(told, d, lonely["positive"], lonely["negative"])
    assert want["zone"] in words(page)
    for name, value in (("d(a,p)", want["d_ap"]), ("d(a,n)", want["d_an"])):
        assert f"{name} {value:.2f}" in words(page)
    page.mouse.move(5, 5)
    wait_for(page, "e.dataset.hover === ''")
    # And the other way round: a sample under the pointer elsewhere rings its triplets.
    over = "harness.root().querySelectorAll('.ts-plane canvas')[2]"
    blank = page.evaluate(f"{over}.toDataURL()")
    page.locator(f".ts-candidate[data-sample='{lonely['negative']}']").focus()
    settle(page)
    assert page.evaluate(f"{over}.toDataURL()") != blank


def test_the_diagonal_follows_the_margin(open_page: Callable[..., Any]) -> None:
    page = open_page()
    before = shown(page)
    select(page, margin=2.0)
    after = shown(page)
    for state, margin in ((before, 1.0), (after, 2.0)):
        left, bottom = state["far"][0]
        plot = page.locator(".ts-plane-plot").bounding_box()
        assert plot["x"] + left == pytest.approx(state["left"], abs=0.2)
        assert plot["y"] + bottom == pytest.approx(state["top"] + state["side"] - along(margin, state["side"]), abs=0.3)
    assert "margin 2" in page.text_content(".ts-plane")
    assert "recorded margin" in words(page)
    assert [m["zone"] for m in before["own"]] != [m["zone"] for m in after["own"]]
    assert before["max"] == after["max"], "the axes stay"


def test_a_collapsed_run_is_a_dot_with_a_lens(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    assert shown(page)["lens"] is None
    select(page, run="fake-batch-hard", lane="batch-hard")
    now = shown(page)
    far = max(cell["dan"] + cell["width"] for cell in now["cells"])
    assert along(far, now["side"]) < 8, "the whole batch is at the origin"
    assert now["lens"]["max"] <= 0.1
    assert now["lens"]["times"] > 20


def test_the_closing_frame_has_no_batch(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    height = page.locator(".ts-plane").bounding_box()["height"]
    select(page, step=400)
    assert page.inner_text(".ts-plane-batch") == "no batch after the last update: this anchor's triplets only"
    now = shown(page)
    assert now["cells"] == []
    assert now["picks"] == []
    assert len(now["own"]) > 20
    assert page.locator(".ts-plane").bounding_box()["height"] == height


def test_before_the_numbers_come_this_anchor_is_drawn(open_page: Callable[..., Any]) -> None:
    page = open_page(query="?bare")
    settle(page)
    now = shown(page)
    assert now["cells"] is None
    assert len(now["own"]) > 20
    assert page.inner_text(".ts-plane-batch").startswith("2,688 eligible")
    box = page.locator(".ts-pair").bounding_box()
    page.evaluate("harness.loadAsides()")
    wait_for(page, f"{PLANE}.tripletscopePlane().cells")
    settle(page)
    assert page.locator(".ts-pair").bounding_box() == box


def test_keys_walk_over_the_marks(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    positive = truth["view"]["selection"]["positive"]
    by_distance = sorted(told["negatives"], key=lambda n: d[told["candidates"].index(n)])
    page.locator(".ts-plane-plot").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    settle(page)
    assert root(page, "hover") == str(by_distance[1])
    heard = page.text_content(".ts-plane [aria-live]")
    assert f"positive id {positive}, negative {truth['labels'][by_distance[1]]} (id {by_distance[1]})" in heard
    assert root(page, "step") == "30", "the arrows belong to the plane"
    order = sorted(told["positives"], key=lambda p: d[told["candidates"].index(p)])
    other = order[(order.index(positive) + 1) % len(order)]
    page.keyboard.press("ArrowRight" if order.index(other) > order.index(positive) else "ArrowLeft")
    if order.index(other) < order.index(positive) - 1:
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    wait_for(page, f"e.dataset.positive === '{other}'")
    assert calls(page)[-1]["value"]["positive"] == other


def test_a_click_on_a_recorded_pick_goes_to_its_anchor(open_page: Callable[..., Any]) -> None:
    page = open_page()
    now = shown(page)
    own = np.array([[m["dap"], m["dan"]] for m in now["own"]])
    far = [np.abs(own - [p["dap"], p["dan"]]).max(1).min() for p in now["picks"]]
    pick = now["picks"][int(np.argmax(far))]
    page.mouse.click(*place(page, pick["dap"], pick["dan"]))
    settle(page)
    assert root(page, "anchor") in {str(p["anchor"]) for p in now["picks"]}
    assert root(page, "anchor") != "1000"


@pytest.mark.parametrize("classes", [2, 200])
@pytest.mark.parametrize("width", [480, 900, 1680])
def test_any_width_and_any_number_of_classes(
    open_page: Callable[..., Any], site: tuple[Path, str], classes: int, width: int
) -> None:
    folder = f"plane-{classes}"
    if not (site[0] / folder).exists():
        fake.build(site[0] / folder, names=[f"class {i}" for i in range(classes)])
    page = open_page(folder, width=width)
    settle(page)
    now = shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert now["side"] > 240
    legend = page.locator(".ts-plane-legend").bounding_box()
    plane = page.locator(".ts-plane").bounding_box()
    assert legend["x"] + legend["width"] <= plane["x"] + plane["width"] + 1
