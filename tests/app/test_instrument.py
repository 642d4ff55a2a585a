"""The instrument in a real browser, on a static page with fake runs: no Streamlit, no training."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.app.harness import fake
from tests.app.harness.numbers import equation, expected, picture, triplet
from tests.app.harness.page import READY, ROOT, calls, root, sentence, settle, wait_for, where

from tripletscope_app.selection import VIEW

pytestmark = pytest.mark.browser


def coloured(page: Any) -> np.ndarray:
    """Colours (K, 3) of the map's pixels that are far from grey, and thereby its points, as seen on screen."""
    shot = Image.open(BytesIO(page.locator(".ts-map").screenshot())).convert("RGB")
    pixels = np.asarray(shot).reshape(-1, 3).astype(int)
    return pixels[np.ptp(pixels, axis=1) > 60]


def lonely_point(page: Any, besides: set[int]) -> int:
    """A sample with no other one near it on the map, and inside it: a click there is unambiguous."""
    spots = np.array(
        page.evaluate(
            "() => { const e = harness.root(); return Array.from({length: +e.dataset.n}, (_, i) => {"
            " const p = e.tripletscope.project(i); return [p.x, p.y]; }); }"
        )
    )
    box = page.locator(".ts-map").bounding_box()
    inner = (spots[:, 0] > box["x"] + 20) & (spots[:, 0] < box["x"] + box["width"] - 20)
    inner &= (spots[:, 1] > box["y"] + 50) & (spots[:, 1] < box["y"] + box["height"] - 50)
    gaps = np.abs(spots[:, None] - spots[None]).max(-1)
    np.fill_diagonal(gaps, np.inf)
    near = gaps.min(1)
    pinned = spots[sorted(besides)]
    near[np.abs(spots[:, None] - pinned[None]).max(-1).min(1) < 70] = 0
    near[~inner] = 0
    return int(near.argmax())


# --- drawing ---


@pytest.mark.parametrize("query", ["", "?renderer=canvas"])
def test_both_renderers_draw_the_points(open_page: Callable[..., Any], query: str) -> None:
    page = open_page(query=query)
    assert root(page, "renderer") == ("canvas2d" if query else "webgl2")
    assert (root(page, "n"), root(page, "step"), root(page, "run")) == ("1797", "30", "fake-random")
    settle(page)
    seen = coloured(page)
    assert len(seen) > 2000, "no coloured points on the map"
    assert len({tuple(c // 32) for c in seen}) > 6, "the classes do not differ"


def test_a_lost_context_comes_back(open_page: Callable[..., Any]) -> None:
    page = open_page()
    canvas = ".ts-map canvas:nth-of-type(2)"
    page.eval_on_selector(
        canvas, "c => { c.lose = c.getContext('webgl2').getExtension('WEBGL_lose_context'); c.lose.loseContext(); }"
    )
    page.keyboard.press("ArrowRight")
    page.eval_on_selector(
        canvas,
        "c => new Promise(done => { c.addEventListener('webglcontextrestored', () => done());"
        " setTimeout(() => c.lose.restoreContext(), 50); })",
    )
    page.wait_for_timeout(300)
    assert len(coloured(page)) > 2000


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(1280, 800, True), (1920, 1080, True), (900, 800, False), (480, 800, False)]
)
def test_layout(open_page: Callable[..., Any], width: int, height: int, fits: bool) -> None:
    page = open_page(width=width, height=height)
    boxes = {name: page.locator(f".ts-{name}").bounding_box() for name in ("map", "ruler", "sentence", "scrubber")}
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    if fits:
        assert boxes["sentence"]["y"] + boxes["sentence"]["height"] <= height
        assert boxes["map"]["y"] + boxes["map"]["height"] <= height
        assert boxes["ruler"]["x"] > boxes["map"]["x"] + 300
    else:
        assert boxes["ruler"]["y"] >= boxes["map"]["y"] + boxes["map"]["height"], "not one column"
    assert boxes["sentence"]["y"] >= boxes["ruler"]["y"] + boxes["ruler"]["height"], "the sentence covers the ruler"


def test_nothing_jumps_when_the_data_arrive(open_page: Callable[..., Any]) -> None:
    page = open_page(query="?hold")
    page.wait_for_selector(f"{ROOT} .ts-map[data-empty]")
    names = ["map", "ruler", "sentence", "scrubber", "counters", "curves"]

    def boxes() -> list[Any]:
        return [page.locator(f".ts-{name}").bounding_box() for name in names]

    before = boxes()
    for strategy in fake.RACE:
        page.evaluate(f"harness.load('fake-{strategy}.bin')")
    page.wait_for_selector(READY)
    settle(page)
    assert boxes() == before


# --- time ---


def test_space_plays_and_stops(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("Space")
    wait_for(page, "+e.dataset.step > 40")
    assert calls(page) == []
    page.keyboard.press("Space")
    settle(page)
    stopped = root(page, "step")
    page.wait_for_timeout(400)
    assert root(page, "step") == stopped
    (call,) = calls(page)
    assert call["name"] == "selection"
    assert call["value"]["step"] == int(stopped)
    assert int(stopped) in truth["frames"]


def test_playing_to_the_end_tells_python_once(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    page.evaluate("s => harness.push({selection: {...harness.data.selection, step: s, rev: 2}})", truth["frames"][-3])
    page.keyboard.press("Space")
    wait_for(page, "e.dataset.step === '400' && !e.hasAttribute('data-playing') && harness.calls.length")
    page.wait_for_timeout(500)
    assert [call["value"]["step"] for call in calls(page)] == [400]


def test_arrows_home_and_end(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page, frames = open_page(), truth["frames"]
    at = frames.index(30)
    for key, frame in [
        ("ArrowRight", at + 1),
        ("Shift+ArrowRight", at + 11),
        ("ArrowLeft", at + 10),
        ("Home", 0),
        ("End", len(frames) - 1),
    ]:
        page.keyboard.press(key)
        settle(page)
        assert root(page, "step") == str(frames[frame]), key
    page.wait_for_timeout(600)
    before = len(calls(page))
    page.evaluate("""() => { for (let i = 0; i < 5; i++)
      document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft", bubbles: true})); }""")
    wait_for(page, f"harness.calls.length > {before}")
    page.wait_for_timeout(500)
    told = [call["value"]["step"] for call in calls(page)[before:]]
    assert told == [frames[-6]], "a journey by keys is told once, at its end"


def test_keys_belong_to_whoever_has_the_focus(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate("() => { const i = document.createElement('input'); document.body.append(i); i.focus(); }")
    for key in ("Space", "ArrowRight", "3", "a", "End"):
        page.keyboard.press(key)
    settle(page)
    assert (root(page, "step"), root(page, "run"), root(page, "anchor")) == ("30", "fake-random", "1000")
    assert calls(page) == []


def test_dragging_the_scrubber_moves_points_and_tells_python_on_release(
    open_page: Callable[..., Any], truth: dict[str, Any]
) -> None:
    page = open_page()
    box = page.locator(".ts-scrubber").bounding_box()
    y = box["y"] + 15
    before = where(page, 1000)
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    seen = set()
    for share in (0.55, 0.63, 0.71, 0.8, 0.88):
        page.mouse.move(box["x"] + box["width"] * share, y, steps=4)
        settle(page)
        seen.add(where(page, 1000))
    assert len(seen) == 5
    assert before not in seen
    assert calls(page) == []
    page.mouse.up()
    wait_for(page, "harness.calls.length === 1")
    page.wait_for_timeout(500)
    (call,) = calls(page)
    step = call["value"]["step"]
    assert step in truth["frames"]
    assert step == int(root(page, "step"))
    # At rest the points are exactly those of the frame.
    state = page.evaluate("(() => { const s = harness.root().tripletscope.state(); return [s.t, s.frame]; })()")
    assert state == [truth["frames"].index(step)] * 2


def test_pressing_a_curve_scrubs(open_page: Callable[..., Any]) -> None:
    page = open_page()
    plot = page.locator(".ts-curve-plot").first
    plot.click(position={"x": plot.bounding_box()["width"] - 14, "y": 40})
    wait_for(page, "harness.calls.length === 1")
    assert root(page, "step") == "400"


def test_numbers_are_never_tweened(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    """Positions glide between frames; every number seen on the way belongs to a recorded frame."""
    page = open_page()
    page.keyboard.press("Home")
    page.evaluate("""() => {
      globalThis.seen = [];
      const e = harness.root();
      const text = (q) => e.querySelector(q).textContent;
      const look = () => {
        const spread = text('[data-name=spread] .ts-counter-value');
        seen.push([+e.dataset.step, spread, text('.ts-sentence-second'), e.tripletscope.state().t]);
        if (seen.length < 4000) requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }""")
    page.keyboard.press("Space")
    wait_for(page, "e.dataset.step === '400'")
    seen = page.evaluate("seen")
    assert any(t != int(t) for *_, t in seen), "positions were not interpolated"
    frames, spread = truth["frames"], truth["series"]["fake-random"]["spread"]
    positive = truth["view"]["selection"]["positive"]
    assert len({step for step, *_ in seen}) > 10
    for step, spread_text, second, _ in seen:
        assert step in frames
        value = float(np.float32(spread[step]))
        assert abs(float(spread_text) - value) <= 0.0051
        m = expected(truth, "fake-random", step, "random", positive)
        assert m is not None
        assert second == equation(m)


def test_reduced_motion_has_no_tween(open_page: Callable[..., Any]) -> None:
    page = open_page(reduced_motion="reduce")
    page.evaluate("""() => { globalThis.ts = []; const look = () => { ts.push(harness.root().tripletscope.state().t);
      if (ts.length < 4000) requestAnimationFrame(look); }; look(); }""")
    page.keyboard.press("Space")
    wait_for(page, "+e.dataset.step > 80")
    assert all(t == int(t) for t in page.evaluate("ts"))


# --- choosing ---


def test_a_click_on_a_point_makes_it_the_anchor(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page(query="")
    told = truth["answers"]["fake-random"]
    positive = told["positives"][0]
    pick = expected(truth, "fake-random", 30, "random", positive)
    assert pick is not None
    wanted = lonely_point(page, {1000, positive, pick["negative"]})  # these have pins beside them
    page.mouse.move(*where(page, wanted))
    wait_for(page, f"e.dataset.hover === '{wanted}'")
    page.wait_for_selector(".ts-card:not([hidden])")
    assert str(wanted) in page.inner_text(".ts-card")
    page.mouse.click(*where(page, wanted))
    wait_for(page, f"e.dataset.anchor === '{wanted}'")
    page.wait_for_selector(".ts-card", state="hidden")  # it spoke of the distance from the anchor before
    (call,) = calls(page)
    plain = {"lane": "random", **dict.fromkeys(VIEW[2:]), "margin": None}
    assert call == {
        "name": "selection",
        "value": {"run": "fake-random", "step": 30, "anchor": wanted, "positive": None, "rev": 1, **plain},
    }
    assert "asking the engine" in page.inner_text(".ts-waiting")
    assert page.locator(".ts-skeleton").count() > 0

    answers = {d: fake.answer(p, truth["labels"], truth["frames"], wanted) for d, p in truth["positions"].items()}
    sent = {digest: fake.wire(answer) for digest, answer in answers.items()}
    page.evaluate("answers => harness.push({answers})", sent)
    wait_for(page, "e.dataset.positive !== ''")
    m = expected({**truth, "answers": answers}, "fake-random", 30, "random", answers["fake-random"]["positives"][0])
    assert m is not None
    assert equation(m) in sentence(page)
    assert len(calls(page)) == 1


def test_a_click_on_a_positive_slides_the_zones(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told = truth["answers"]["fake-random"]
    old = sentence(page)
    edge = page.locator(".ts-zone-edge-near").first.get_attribute("x1")
    chosen = told["positives"][2]
    # Overlapped thumbnails rise when hovered; dispatching avoids testing Playwright's patience with overlaps.
    page.locator(f".ts-candidate[data-sample='{chosen}']").first.dispatch_event("click")
    wait_for(page, f"e.dataset.positive === '{chosen}'")
    page.wait_for_timeout(500)
    assert page.locator(".ts-zone-edge-near").first.get_attribute("x1") != edge
    m = expected(truth, "fake-random", 30, "random", chosen)
    assert m is not None
    assert sentence(page) != old
    assert equation(m) in sentence(page)
    assert [call["value"]["positive"] for call in calls(page)] == [chosen]


def test_pills_and_number_keys_switch_the_run(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator(".ts-pill").nth(1).click()
    wait_for(page, "e.dataset.run === 'fake-semi-hard'")
    assert root(page, "lane") == "semi-hard"
    page.keyboard.press("3")
    wait_for(page, "e.dataset.run === 'fake-batch-hard'")
    assert [call["value"]["run"] for call in calls(page)] == ["fake-semi-hard", "fake-batch-hard"]
    assert page.locator(".ts-pill[aria-pressed=true]").inner_text() == "Batch hard"
    # A pill pressed by the mouse must not keep the focus: Space still means play.
    page.keyboard.press("Space")
    page.wait_for_selector(f"{ROOT}[data-playing]")


@pytest.mark.parametrize("digest", ["fake-random", "fake-semi-hard", "fake-batch-hard"])
def test_the_sentence_says_the_numbers_of_every_strategy(
    open_page: Callable[..., Any], truth: dict[str, Any], digest: str
) -> None:
    page = open_page()
    page.evaluate("d => harness.push({selection: {...harness.data.selection, run: d, rev: 2}})", digest)
    positive = truth["view"]["selection"]["positive"]
    for step in (0, 30, 400):
        page.evaluate(
            "([d, step, rev]) => harness.push({selection: {...harness.data.selection, run: d, step, rev}})",
            [digest, step, 3 + step],
        )
        for i, strategy in enumerate(fake.TITLES):
            page.locator(".ts-lane-name").nth(i).dispatch_event("click")
            wait_for(page, f"e.dataset.lane === '{strategy}'")
            said = sentence(page)
            assert fake.TITLES[strategy][0] in said
            if strategy == "batch-all":
                told, _, d = picture(truth, digest, step)
                all_ = [triplet(told, d, positive, negative) for negative in told["negatives"]]
                counts = ", ".join(f"{sum(m['zone'] == z for m in all_)} {z}" for z in ("hard", "semi-hard", "easy"))
                assert counts in said
                assert f"loss {np.mean([m['loss'] for m in all_]):.3f}" in said
                continue
            m = expected(truth, digest, step, strategy, positive)
            if m is None:
                assert "abstains" in said
            else:
                assert f"this {truth['labels'][m['negative']]}" in said
                assert f": {m['zone']}," in said
                assert equation(m) in said
    # A lane is part of the link, so Python hears of it; of nothing else.
    asked = {(c["value"]["run"], c["value"]["anchor"], c["value"]["margin"]) for c in calls(page)}
    assert asked == {(digest, 1000, None)}


def test_hovering_a_negative_previews_it(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    told, _, d = picture(truth, "fake-random", 30)
    nearest = min(told["negatives"], key=lambda n: d[told["candidates"].index(n)])
    before = sentence(page)
    page.locator(f".ts-ruler-layer .ts-candidate[data-sample='{nearest}']").first.hover()
    wait_for(page, f"e.dataset.hover === '{nearest}'")
    settle(page)
    m = triplet(told, d, told["positives"][0], nearest)
    assert sentence(page).startswith(f"Picking this {truth['labels'][nearest]}: {m['zone']}")
    assert equation(m) in sentence(page)
    page.mouse.move(5, 5)
    settle(page)
    assert sentence(page) == before
    # A click holds the preview, for a finger or for a talk; a second one lets it go.
    button = page.locator(f".ts-ruler-layer .ts-candidate[data-sample='{nearest}']").first
    button.dispatch_event("click")
    settle(page)
    assert sentence(page).startswith("Picking")
    button.dispatch_event("click")
    settle(page)
    assert sentence(page) == before
    assert calls(page) == []


def test_python_wins_only_when_its_revision_grew(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.keyboard.press("End")
    page.evaluate("harness.push({})")  # a rerun with what Python knew before
    settle(page)
    assert root(page, "step") == "400"
    page.evaluate("harness.push({selection: {...harness.data.selection, step: 10, rev: 2}})")
    settle(page)
    assert root(page, "step") == "10"
    page.wait_for_timeout(500)
    # On a slow machine the End key itself may have been reported before Python spoke up; that is as it should be.
    assert 10 not in [call["value"]["step"] for call in calls(page)], "what Python asked for is not told back"


# --- theme, life and death ---


def test_a_theme_change_redraws_everything(open_page: Callable[..., Any]) -> None:
    page = open_page()

    def corner() -> list[int]:
        shot = Image.open(BytesIO(page.locator(".ts-map").screenshot())).convert("RGB")
        return [sum(shot.getpixel((30, 60))), sum(shot.getpixel((shot.width - 60, 100)))]

    light = corner()
    page.evaluate("harness.theme(true)")
    settle(page)
    assert root(page, "theme") == "dark"
    assert max(corner()) < 200 < min(light)
    assert page.eval_on_selector(".ts-title", "e => getComputedStyle(e).color") == "rgb(233, 236, 243)"


def test_cleanup_leaves_no_listener_behind(open_page: Callable[..., Any], site: tuple[Path, str], browser: Any) -> None:
    page = browser.new_page()
    page.add_init_script("""
      globalThis.live = new Map();
      for (const target of [document, window]) {
        const [add, remove] = [target.addEventListener, target.removeEventListener];
        target.addEventListener = function (name, f, ...more) {
          live.set(f, name);
          return add.call(this, name, f, ...more);
        };
        target.removeEventListener = function (name, f, ...more) {
          live.delete(f);
          return remove.call(this, name, f, ...more);
        };
      }
    """)
    page.goto(f"{site[1]}/plain/index.html?hold")
    page.wait_for_function("document.body.dataset.harness === 'ready'")
    page.wait_for_selector(ROOT)
    ours = {"keydown", "visibilitychange", "tripletscope:run"}  # the driver has listeners of its own
    assert ours <= set(page.evaluate("[...live.values()]"))
    page.evaluate("harness.load('fake-random.bin')")
    page.wait_for_selector(READY)
    page.keyboard.press("Space")
    page.wait_for_timeout(200)
    page.evaluate("() => { harness.seenCalls = harness.calls.length; harness.cleanup(); harness.cleanup(); }")
    assert ours.isdisjoint(page.evaluate("[...live.values()]"))
    assert page.locator(ROOT).count() == 0
    page.keyboard.press("End")
    page.keyboard.press("2")
    page.wait_for_timeout(500)
    assert page.evaluate("harness.calls.length === harness.seenCalls")
    page.evaluate("harness.push({})")  # mounted again, it starts afresh from the shelf
    page.wait_for_selector(READY)
    page.close()


# --- other people's data ---


def test_hostile_and_long_labels_are_only_text(open_page: Callable[..., Any], site: tuple[Path, str]) -> None:
    bad = "<img src=x onerror='globalThis.hacked = 1'>"
    names = [
        bad,
        "a" * 400,
        "שלום עולם",
        "<script>globalThis.hacked = 2</script>",
        "\u202eevil",
        "",
        "  ",
        "😀😀😀",
        "${hacked}",
        "ok",
    ]
    told = fake.build(site[0] / "hostile", names=names, thumbs=False, badge=bad * 5, state_text=bad)
    view = {**told["view"], "title": bad * 3, "subtitle": bad, "message": bad}
    (site[0] / "hostile" / "view.json").write_text(json.dumps(view))
    page = open_page("hostile")
    page.keyboard.press("3")
    page.wait_for_timeout(300)
    page.evaluate("harness.push({answers: {}, selection: {...harness.data.selection, anchor: 5, rev: 9}})")
    page.wait_for_timeout(300)
    assert page.evaluate("globalThis.hacked") is None
    assert page.evaluate("harness.root().querySelectorAll('img, script').length") == 0
    assert bad in page.inner_text(".ts-title")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("classes", [2, pytest.param(37, marks=pytest.mark.slow), 200])
def test_any_number_of_classes_draws(open_page: Callable[..., Any], site: tuple[Path, str], classes: int) -> None:
    names = [f"class number {i}" for i in range(classes)]
    fake.build(site[0] / f"classes-{classes}", names=names, thumbs=False)
    page = open_page(f"classes-{classes}")
    assert page.locator(".ts-candidate").count() > 0
    assert page.locator(".ts-candidate .ts-thumb-picture").first.inner_text().isdigit(), "no initials"
    assert len(coloured(page)) > 1000


def test_no_answer_is_said(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(
        "harness.push({selection: {...harness.data.selection, anchor: 7, positive: null, rev: 2}, asking: true})"
    )
    page.wait_for_selector(".ts-waiting:not([hidden])")
    assert "asking the engine" in page.inner_text(".ts-waiting")
    assert page.locator(".ts-skeleton").count() == len(fake.TITLES)
    page.evaluate("harness.push({asking: false, message: 'The engine could not start: no memory left.'})")
    settle(page)
    assert page.inner_text(".ts-waiting") == "The engine could not start: no memory left."
    assert page.locator(".ts-skeleton").count() == 0
    assert "no memory left" in sentence(page)


def test_every_strategy_has_its_own_shape(open_page: Callable[..., Any]) -> None:
    page = open_page()
    shapes = page.eval_on_selector_all(".ts-lane-name path", "paths => paths.map(p => p.getAttribute('d'))")
    assert len(set(shapes)) == len(fake.TITLES)


def test_what_a_screen_reader_gets(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    slider = page.get_by_role("slider", name="training step")
    assert slider.get_attribute("aria-valuenow") == "30"
    assert re.fullmatch(r"step 30, R@1 0\.\d\d", slider.get_attribute("aria-valuetext"))
    assert page.locator("[aria-live=polite] .ts-sentence-first").count() == 1
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert slider.get_attribute("aria-valuenow") == str(truth["frames"][truth["frames"].index(30) + 1])
    chosen = page.locator(".ts-candidate[data-role=positive][data-chosen]").first.get_attribute("aria-label")
    assert re.fullmatch(r"positive \d, id \d+, [\d.]+ away, chosen", chosen)
    # By keyboard: a focused button keeps Space for itself.
    page.locator(".ts-lane-name").nth(4).focus()
    page.keyboard.press("Space")
    settle(page)
    assert root(page, "lane") == "semi-hard"
    assert page.locator(f"{ROOT}[data-playing]").count() == 0
