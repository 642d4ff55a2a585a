"""The distance ruler in a real browser: margin in the hand, ghosts, lanes, keys, and the unusual."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.harness import fake
from tests.app.harness.numbers import picture, triplet
from tests.app.harness.page import calls, root, sentence, settle, wait_for

pytestmark = pytest.mark.browser
KNOB = ".ts-margin-knob"


def margin_of(page: Any) -> float | None:
    return page.evaluate("harness.root().tripletscope.state().margin")


def look(page: Any, **selection: Any) -> None:
    """Python asks for another selection."""
    revision = page.evaluate("harness.data.selection.rev") + 1
    page.evaluate(
        "more => harness.push({selection: {...harness.data.selection, ...more}})", {**selection, "rev": revision}
    )
    settle(page)


def counted(told: dict[str, Any], d: np.ndarray, positives: list[int], margin: float) -> str:
    """Zones of all negatives for these positives, as the page writes them."""
    place = told["candidates"].index
    near = d[[place(p) for p in positives]]
    far = d[[place(n) for n in told["negatives"]]]
    gap = (far[None] - near[:, None]).astype(np.float32)
    hard, violating = int((gap <= 0).sum()), int((gap < np.float32(margin)).sum())
    return f"hard {hard} · semi-hard {violating - hard} · easy {gap.size - violating}"


def outside(truth: dict[str, Any], digest: str, step: int, positive: int, margin: float) -> tuple[int, int, int, int]:
    """(count, hard, semi-hard, hardest) of the negatives outside the candidates."""
    told, frame, d = picture(truth, digest, step)
    labels, own = truth["labels"], truth["labels"][told["anchor"]]
    others = [i for i in range(len(labels)) if labels[i] != own and i not in set(told["candidates"])]
    far = fake.distances_from(truth["positions"][digest], told["anchor"], others)[frame]
    gap = (far - d[told["candidates"].index(positive)]).astype(np.float32)
    hard = int((gap <= 0).sum())
    return len(others), hard, int((gap < np.float32(margin)).sum()) - hard, others[int(far.argmin())]


def knob_at(page: Any) -> tuple[float, float]:
    box = page.locator(KNOB).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def counts(page: Any) -> list[str]:
    settle(page)
    return [page.inner_text(f".ts-count-line[data-of={of}]").split(": ")[1] for of in ("positive", "all")]


# --- the margin ---


@pytest.mark.parametrize("step", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_a_dragged_margin_counts_zones_as_the_engine_does(
    open_page: Callable[..., Any], truth: dict[str, Any], step: int
) -> None:
    page = open_page()
    look(page, step=step)
    told, _, d = picture(truth, "fake-random", step)
    ticks = page.eval_on_selector_all(
        ".ts-ruler .ts-tick-text", "all => all.map(t => [t.textContent, t.getAttribute('x')])"
    )
    x, y = knob_at(page)
    page.mouse.move(x, y)
    page.mouse.down()
    seen = {}
    for dx in (-40, -22, -9, 14, 37, 90, 160, 300):
        page.mouse.move(x + dx, y, steps=3)
        one, every = counts(page)
        margin = margin_of(page)
        assert margin is not None
        assert one == counted(told, d, told["positives"][:1], margin), margin
        assert every == counted(told, d, told["positives"], margin), margin
        assert page.locator(KNOB).get_attribute("aria-valuenow") == repr(margin).removesuffix(".0")
        assert one.replace(" ·", ",") in page.locator(KNOB).get_attribute("aria-valuetext")
        assert abs(knob_at(page)[0] - x - dx) < 2.5, "the knob left the pointer"
        seen[margin] = one
    assert len(set(seen.values())) > 3
    assert list(seen) == sorted(seen), "farther right is a larger margin, on either side of the axis' break"
    assert calls(page) == [], "Python hears of it when it is let go"
    after = page.eval_on_selector_all(
        ".ts-ruler .ts-tick-text", "all => all.map(t => [t.textContent, t.getAttribute('x')])"
    )
    assert after == ticks, "the axis followed the margin"
    page.mouse.up()
    wait_for(page, "harness.calls.length === 1")
    assert calls(page)[0]["value"]["margin"] == list(seen)[-1]


def test_the_margin_ends_at_the_ends_of_the_axis(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    _, _, d = picture(truth, "fake-random", 30)
    told = truth["answers"]["fake-random"]
    near = float(d[told["candidates"].index(told["positives"][0])])
    x, y = knob_at(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3000, y, steps=4)
    settle(page)
    assert margin_of(page) == pytest.approx(14.0 - near, abs=0.06)
    page.mouse.move(x - 3000, y, steps=4)
    settle(page)
    assert 0 < margin_of(page) < 0.05
    page.mouse.up()


def test_the_margin_by_keys(open_page: Callable[..., Any]) -> None:
    page = open_page()
    slider = page.get_by_role("slider", name="margin", exact=True)
    slider.focus()
    wanted = [
        ("ArrowRight", 1.02),
        ("ArrowUp", 1.04),
        ("ArrowLeft", 1.02),
        ("Shift+ArrowRight", 1.2),
        ("PageDown", 1.0),
        ("ArrowDown", 0.98),
        ("End", 14.0),
        ("Home", 0.01),
        ("ArrowRight", 0.02),
    ]
    for key, margin in wanted:
        page.keyboard.press(key)
        settle(page)
        assert (margin_of(page) or fake.MARGIN) == pytest.approx(margin), key
        assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(margin)
    assert root(page, "step") == "30", "an arrow at the slider moved time"
    wait_for(page, "Math.abs((harness.calls.at(-1)?.value.margin ?? 0) - 0.02) < 1e-9")
    page.keyboard.press("Escape")
    settle(page)
    assert margin_of(page) is None
    assert calls(page)[-1]["value"]["margin"] is None
    page.keyboard.press("Space")  # no button: Space goes on meaning play
    wait_for(page, "e.hasAttribute('data-playing')")


def test_a_what_if_margin_is_said_and_undone(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    before = sentence(page)
    assert page.locator(".ts-margin-reset").is_hidden()
    look(page, margin=0.62, lane="hardest")
    told, _, d = picture(truth, "fake-random", 30)
    nearest = min(told["negatives"], key=lambda n: d[told["candidates"].index(n)])
    m = triplet(told, d, told["positives"][0], nearest)
    assert m["gap"] > 0.62
    assert "margin 0.62" in sentence(page)
    assert "below 0: loss 0" in sentence(page)
    assert "With margin 0.62 instead of 1." in page.inner_text(".ts-sentence-third")
    assert page.inner_text(".ts-margin-label") == "margin 0.62"
    assert page.locator(".ts-lane-stale").count() > 0, "these picks are those of margin 1"
    assert "margin 1" in page.inner_text(".ts-lanes-stale")
    assert page.inner_text(".ts-sentence-first").startswith("Hardest at margin 1 picks")

    answers = {
        digest: fake.wire(fake.answer(p, truth["labels"], truth["frames"], 1000, margin=0.62))
        for digest, p in truth["positions"].items()
    }
    page.evaluate("answers => harness.push({answers})", answers)
    page.wait_for_selector(".ts-lanes-stale", state="hidden")
    assert page.locator(".ts-lane-stale").count() == 0
    page.locator(".ts-margin-reset").click()
    page.wait_for_selector(".ts-margin-reset", state="hidden")
    assert margin_of(page) is None
    assert calls(page)[-1]["value"]["margin"] is None
    page.locator(".ts-lane-name").first.dispatch_event("click")
    page.mouse.move(5, 5)
    settle(page)
    assert sentence(page) == before


# --- what the batch leaves out ---


@pytest.mark.parametrize("folder", ["plain", "told"])
def test_ghosts_are_counted(
    open_page: Callable[..., Any], site: tuple[Path, str], truth: dict[str, Any], folder: str
) -> None:
    """In a plane the page counts them itself; elsewhere it is told."""
    if folder == "told":
        fake.build(site[0] / folder, exact=False, badge="PCA")
    page = open_page(folder)
    positive = truth["view"]["selection"]["positive"]
    for step in (5, 30):
        look(page, step=step)
        count, hard, semi, hardest = outside(truth, "fake-random", step, positive, fake.MARGIN)
        words = f"{hard} hard and {semi} semi-hard of {count:,}" if hard + semi else f"none of {count:,} violates"
        assert page.inner_text(".ts-sentence-third") == f"Outside this batch: {words}."
        assert page.inner_text(".ts-ghost-label") == f"outside: {count:,}"
        assert page.locator(".ts-ghost-ticks").get_attribute("d").count("M") == 64
    page.locator(".ts-ghost-hardest").hover()
    wait_for(page, f"e.dataset.hover === '{hardest}'")
    page.wait_for_selector(".ts-ghost-card:not([hidden])")
    assert f"id {hardest}" in page.inner_text(".ts-ghost-card")
    assert page.inner_text(".ts-sentence-first").startswith("Outside the batch, this ")
    page.mouse.move(5, 5)
    page.wait_for_selector(".ts-ghost-card", state="hidden")
    page.locator(".ts-ghost-hardest").focus()
    page.wait_for_selector(".ts-ghost-card:not([hidden])")
    page.get_by_role("button", name="others").click()
    settle(page)
    assert page.locator(".ts-ghost-hardest").is_hidden()
    assert "Outside" not in page.inner_text(".ts-sentence")
    assert calls(page) == []


def test_ghosts_follow_a_margin_where_they_can(
    open_page: Callable[..., Any], site: tuple[Path, str], truth: dict[str, Any]
) -> None:
    positive = truth["view"]["selection"]["positive"]
    count, hard, semi, _ = outside(truth, "fake-random", 5, positive, 0.4)
    page = open_page()
    look(page, step=5, margin=0.4)
    assert f"{hard} hard and {semi} semi-hard of {count:,}" in page.inner_text(".ts-sentence-third")
    fake.build(site[0] / "untold", exact=False, badge="PCA")
    page = open_page("untold")
    look(page, step=5, margin=0.4)
    assert f"{hard} of {count:,} are hard" in page.inner_text(".ts-sentence-third"), "semi-hard is not known yet"


# --- lanes ---


def test_a_lane_lights_its_pick_everywhere(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    nearest = min(told["negatives"], key=lambda n: d[told["candidates"].index(n)])
    page.locator(".ts-lane-name[data-lane=hardest]").hover()
    wait_for(page, f"e.dataset.hover === '{nearest}'")
    assert page.locator(f".ts-candidate[data-sample='{nearest}'][data-hovered]").count() == 1
    assert page.inner_text(".ts-sentence-first").startswith("Hardest picks")
    assert root(page, "lane") == "random", "looking is not choosing"
    page.mouse.move(5, 5)
    wait_for(page, "e.dataset.hover === ''")
    assert page.inner_text(".ts-sentence-first").startswith("Random drew")


def test_agreement_with_the_training_strategy(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    look(page, run="fake-batch-hard", step=400)
    told, frame, _ = picture(truth, "fake-batch-hard", 400)
    row = told["positives"].index(truth["view"]["selection"]["positive"])
    trained = told["picks"]["batch-hard"][frame, row]
    agree = {name for name, pick in told["picks"].items() if name != "batch-hard" and pick[frame, row] == trained}
    assert "hardest" in agree
    shown = page.eval_on_selector_all(".ts-lane-name[data-agrees]", "all => all.map(e => e.dataset.lane)")
    assert set(shown) == agree
    assert "the same negative as Batch hard, which trains this run" in page.locator(
        ".ts-lane-name[data-lane=hardest]"
    ).get_attribute("title")


def told_again(page: Any, truth: dict[str, Any], **changes: Any) -> None:
    """Sends the answer of the shown run again, with other fields in its header."""
    import base64
    import struct
    import zlib

    packed = fake.wire(truth["answers"]["fake-random"])
    blob = zlib.decompress(base64.b64decode(packed["z"]))
    (length,) = struct.unpack_from("<I", blob)
    header = {**json.loads(blob[4 : 4 + length]), **changes}
    text = json.dumps(header).encode()
    text += b" " * (-(4 + len(text)) % 4)
    again = base64.b64encode(zlib.compress(struct.pack("<I", len(text)) + text + blob[4 + length :])).decode()
    page.evaluate("z => harness.push({answers: {'fake-random': z}})", {**packed, "z": again})
    page.wait_for_timeout(300)


def test_abstaining_and_not_applicable_lanes_say_why(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    assert "abstains: no fallback" in page.inner_text(".ts-ruler-plot").replace("\n", " ")
    look(page, lane="semi-hard")
    assert "No fallback is set" in sentence(page)
    picking = [name for name in truth["answers"]["fake-random"]["picks"] if name != "distance-weighted"]
    reason = "distance-weighted needs embeddings of length 1"
    told_again(
        page,
        truth,
        fallback={"semi-hard": "the nearest negative"},
        picking=[*picking, "somebody-else"],
        drawing=["random", "semi-hard-random", "somebody-else"],
        not_applicable={"distance-weighted": reason},
    )
    words = page.locator(".ts-lane-words").all_text_contents()
    assert "abstains; fallback: the nearest negative" in words
    assert "not here: needs embeddings of length 1" in words
    assert "Its fallback: the nearest negative." in sentence(page)
    lane = page.locator(".ts-lane-name[data-lane=distance-weighted]")
    assert reason in lane.get_attribute("title")
    lane.focus()
    settle(page)
    assert reason in sentence(page)
    page.locator(KNOB).focus()
    settle(page)
    assert reason not in sentence(page)


def many_strategies(site: tuple[Path, str], truth: dict[str, Any], count: int = 25) -> None:
    """A view of 25 lanes: what a later registry sends; the engine answers for the first eight."""
    view = truth["view"]
    known = view["strategies"]
    more = [
        {**known[i % 8], "name": f"extra-{i}", "title": f"Extra strategy {i}", "granularity": "pair", "order": 100 + i}
        for i in range(count - len(known))
    ]
    (site[0] / "plain" / "many.json").write_text(json.dumps({**view, "strategies": [*known, *more]}))


def lanes_shown(page: Any) -> list[str]:
    return page.eval_on_selector_all(".ts-lane-name:not([hidden])", "all => all.map(e => e.dataset.lane)")


@pytest.mark.slow
def test_twenty_five_lanes_scroll_inside_the_ruler(
    open_page: Callable[..., Any], site: tuple[Path, str], truth: dict[str, Any]
) -> None:
    plain = open_page()
    box = plain.locator(".ts-ruler-plot").bounding_box()
    many_strategies(site, truth)
    page = open_page(query="?view=many.json")
    assert page.locator(".ts-ruler-plot").bounding_box() == box, "more lanes made the page jump"
    shown = lanes_shown(page)
    assert 7 <= len(shown) < 25
    assert "of 25" in page.inner_text(".ts-lane-more")
    swarm = page.locator(".ts-candidate").first.bounding_box()
    last = page.locator(".ts-lane-name:not([hidden])").last.bounding_box()
    assert last["y"] + last["height"] <= box["y"] + box["height"] + 1
    page.locator(".ts-lane-name:not([hidden])").nth(3).hover()
    for _ in range(7):
        page.mouse.wheel(0, 60)
    settle(page)
    scrolled = lanes_shown(page)
    assert len(scrolled) == len(shown)
    assert scrolled[-1] == "extra-16"
    assert "random" in scrolled, "the chosen lane, which trains, went out of sight"
    page.mouse.move(5, 5)
    settle(page)
    assert page.locator(".ts-candidate").first.bounding_box() == swarm
    # By keyboard: one stop, and down from there.
    assert page.locator(".ts-lane-name[tabindex='0']").count() == 1
    page.locator(".ts-lane-name[data-lane=random]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    settle(page)
    assert page.evaluate("harness.root().getRootNode().activeElement.dataset.lane") == "extra-12"
    assert "extra-12" in lanes_shown(page)
    page.keyboard.press("Enter")
    settle(page)
    assert root(page, "lane") == "extra-12"
    assert {"random", "extra-12"} <= set(lanes_shown(page))
    earlier = page.get_by_role("button", name="earlier strategies")
    while earlier.is_enabled():
        earlier.click()
        settle(page)
    assert {"random", "batch-all", "extra-12"} <= set(lanes_shown(page))


# --- keys and linked hover ---


def test_candidates_are_one_stop_of_the_tab_key(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    by_distance = sorted(told["negatives"], key=lambda n: (d[told["candidates"].index(n)], n))
    positive = told["positives"][0]
    assert page.locator(".ts-ruler-layer .ts-candidate[tabindex='0']").count() == 1
    page.locator(f".ts-candidate[data-sample='{positive}']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    focused = "harness.root().getRootNode().activeElement.dataset.sample"
    seen = []
    for _ in range(5):
        seen.append(int(page.evaluate(focused)))
        page.keyboard.press("ArrowRight")
    assert seen == by_distance[:5]
    settle(page)
    assert root(page, "hover") == str(by_distance[5])
    assert sentence(page).startswith(f"Picking this {truth['labels'][by_distance[5]]}")
    assert page.locator(".ts-ruler-layer .ts-candidate[tabindex='0']").count() == 1
    assert root(page, "step") == "30"
    page.keyboard.press("ArrowUp")
    assert int(page.evaluate(focused)) in told["positives"]
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    wait_for(page, f"e.dataset.positive === '{max(told['positives'], key=lambda p: d[told['candidates'].index(p)])}'")
    page.evaluate("harness.root().getRootNode().activeElement.blur()")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert root(page, "step") != "30", "with the focus nowhere, arrows move time"


def test_a_class_filter_dims_the_other_candidates(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, labels = truth["answers"]["fake-random"], truth["labels"]
    own, other = int(labels[told["anchor"]]), int(labels[told["negatives"][0]])
    look(page, focus=[own, other])
    dim = page.eval_on_selector_all(".ts-candidate[data-dim]", "all => all.map(e => +e.dataset.sample)")
    assert set(dim) == {n for n in told["negatives"] if labels[n] != other}
    look(page, focus=[own, None])
    assert page.locator(".ts-candidate[data-dim]").count() == 0, "any negative belongs to such a triplet"


# --- out of the ordinary ---


def reshaped(told: dict[str, Any], positives: int) -> dict[str, Any]:
    """The same answer with only the first few positives."""
    gone = told["positives"][positives:]
    keep = [i for i, c in enumerate(told["candidates"]) if c not in gone]
    return {
        **told,
        "candidates": [told["candidates"][i] for i in keep],
        "positives": told["positives"][:positives],
        "distances": told["distances"][:, keep],
        "picks": {name: pick[:, :positives] for name, pick in told["picks"].items()},
        "own_positive": {name: np.zeros_like(own) - (not positives) for name, own in told["own_positive"].items()},
        "probabilities": {name: p[:, :positives] for name, p in told["probabilities"].items()},
        "others": {**told["others"], "closer": told["others"]["closer"][:, :positives]},
    }


def push_answer(page: Any, told: dict[str, Any], **more: Any) -> None:
    packed = fake.wire(told, **more)
    page.evaluate("told => harness.push({answers: {'fake-random': told}})", packed)
    page.wait_for_timeout(300)
    settle(page)


def test_one_positive_and_none(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    push_answer(page, reshaped(truth["answers"]["fake-random"], 1))
    assert page.locator(".ts-candidate[data-role=positive]").count() == 1
    page.locator(KNOB).focus()
    settle(page)
    assert page.locator(".ts-count-line[data-of=all]").is_hidden()
    push_answer(page, reshaped(truth["answers"]["fake-random"], 0))
    words = "no second sample of its class"
    assert words in page.inner_text(".ts-waiting")
    assert words in sentence(page)
    assert page.locator(".ts-candidate").count() == 0
    assert page.locator(KNOB).is_hidden()


@pytest.mark.parametrize("lost", ["everything", "a negative", "the positive"])
def test_distances_that_are_no_numbers(open_page: Callable[..., Any], truth: dict[str, Any], lost: str) -> None:
    page = open_page()
    told = truth["answers"]["fake-random"]
    d = told["distances"].copy()
    frame = told["frames"].index(30)
    victim = told["candidates"].index(told["negatives"][3] if lost == "a negative" else told["positives"][0])
    d[frame, slice(None) if lost == "everything" else victim] = np.nan
    push_answer(page, {**told, "distances": d}, sees_plane=False)
    if lost == "a negative":
        assert page.locator(".ts-candidate").count() == len(told["candidates"]) - 2
        assert "1 without a distance (NaN)" in page.locator(".ts-candidates-title").text_content()
    else:
        assert "NaN" in page.inner_text(".ts-waiting")
        assert "NaN" in sentence(page)
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.locator(".ts-candidate").count() == len(told["candidates"]) - 1


@pytest.mark.parametrize(
    ("distance", "end"),
    [
        ("euclidean", 2.0),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("squared-euclidean", 4.0), ("cosine", 2.0))),
    ],
)
def test_unit_vectors_of_64_dimensions(
    open_page: Callable[..., Any], site: tuple[Path, str], truth: dict[str, Any], distance: str, end: float
) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(len(truth["labels"]), 64)).astype(np.float32)
    vectors += 1.2 * rng.normal(size=(10, 64))[truth["labels"]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    told = truth["answers"]["fake-random"]
    squared = ((vectors[told["candidates"]] - vectors[told["anchor"]]) ** 2).sum(1)
    d = {"euclidean": np.sqrt(squared), "squared-euclidean": squared, "cosine": squared / 2}[distance]
    d = np.tile(d.astype(np.float32), (len(told["frames"]), 1))
    folder = f"unit-{distance}"
    fake.build(
        site[0] / folder,
        exact=False,
        normalized=True,
        ruler_max=end,
        margin=0.2,
        distance=distance,
        distance_title=distance,
        badge="PCA",
    )
    page = open_page(folder)
    push_answer(page, {**told, "margin": 0.2, "distances": d}, sees_plane=False)
    x, y = knob_at(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for dx in (25, 80, 260):
        page.mouse.move(x + dx, y, steps=3)
        one, every = counts(page)
        assert one == counted(told, d[0], told["positives"][:1], margin_of(page))
        assert every == counted(told, d[0], told["positives"], margin_of(page))
    page.mouse.up()
    box = page.locator(".ts-ruler-plot").bounding_box()
    for spot in page.locator(".ts-candidate").all():
        inside = spot.bounding_box()
        assert box["x"] <= inside["x"] < inside["x"] + inside["width"] <= box["x"] + box["width"]


def test_the_soft_margin_promises_no_loss_of_nought(open_page: Callable[..., Any], site: tuple[Path, str]) -> None:
    fake.build(site[0] / "soft", soft_margin=True)
    page = open_page("soft")
    assert "easy" in page.locator(".ts-zone-name").all_text_contents()
    assert "loss 0" not in page.inner_text(".ts-ruler")
    assert re.search(r"ln\(1 \+ e", sentence(page))


@pytest.mark.slow
def test_labels_that_hide_or_turn_round(open_page: Callable[..., Any], site: tuple[Path, str]) -> None:
    names = ["\u200b", "שלום עולם", "\u202eevil", "<b>bold</b>", "x" * 300, " ", "two words", "é", "😀", "7"]
    fake.build(site[0] / "odd", names=names, thumbs=False)
    page = open_page("odd", width=900)
    for anchor in (0, 1, 2, 3, 4):
        page.evaluate(
            "([anchor, rev]) => harness.push({selection: {...harness.data.selection, anchor, positive: null, rev}})",
            [anchor, 50 + anchor],
        )
        settle(page)
        title = page.inner_text(".ts-ruler .ts-panel-title")
        assert title.startswith("Euclidean distance from this ")
    assert page.locator(".ts-ruler b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 900


# --- sizes ---


def overlaps(a: dict[str, float], b: dict[str, float]) -> bool:
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


@pytest.mark.parametrize("query", ["", "?dark"])
@pytest.mark.parametrize(("width", "height"), [(480, 900), (900, 900), (1280, 800), (1680, 1000)])
def test_words_stand_beside_each_other(open_page: Callable[..., Any], width: int, height: int, query: str) -> None:
    page = open_page(query=query, width=width, height=height)
    for step in (0, 5, 30, 400):
        look(page, step=step)
        words = page.locator(".ts-note[data-zone]:visible, .ts-margin-words:visible, .ts-zone-counts:visible")
        boxes = [spot.bounding_box() for spot in words.all()]
        assert len(boxes) >= 2
        for i, box in enumerate(boxes):
            assert not any(overlaps(box, other) for other in boxes[:i]), (step, boxes)
        plot = page.locator(".ts-ruler-plot").bounding_box()
        assert all(plot["x"] - 1 <= b["x"] and b["x"] + b["width"] <= plot["x"] + plot["width"] + 1 for b in boxes)
        clipped = page.eval_on_selector(".ts-sentence", "e => e.scrollHeight - e.clientHeight")
        assert clipped <= 0, f"step {step}: {clipped} px of the sentence are cut off"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_screen_reader_hears_what_the_ruler_shows(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    spoken = page.locator(".ts-ruler .ts-sr").first.text_content()
    assert "3 positives and 28 negatives" in spoken
    assert counted(told, d, told["positives"][:1], fake.MARGIN) in spoken
    label = page.locator(".ts-lane-name[data-lane=hardest]").get_attribute("aria-label")
    nearest = min(told["negatives"], key=lambda n: d[told["candidates"].index(n)])
    m = triplet(told, d, told["positives"][0], nearest)
    assert label.startswith(f"Hardest: picks this {truth['labels'][nearest]}: {m['zone']}, loss ")
