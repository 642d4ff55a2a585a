"""The map in a real browser: its spaces, what it says about them, colours, focus, keys, and what it survives."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from tests.app.harness import fake, maps
from tests.app.harness.page import READY, ROOT, calls, root, settle, wait_for, where

pytestmark = pytest.mark.browser
DIGEST = "fake-random"
UMAP = ".ts-segment[data-space=umap]"
OWN = ".ts-segment:not([data-space=umap])"
LAYER = """((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data)(
  harness.root().querySelectorAll('.ts-map canvas')[{}])"""


@pytest.fixture(scope="module")
def other(site: tuple[Path, str], truth: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The other maps of the plain runs, lying beside them."""
    return maps.write_maps(site[0] / "plain", truth)


@pytest.fixture(scope="module")
def flat(site: tuple[Path, str]) -> dict[str, Any]:
    """The same runs as if they were projections of a space with more dimensions."""
    folder = site[0] / "flat"
    told = fake.build(folder, exact=False, badge="PCA fixed over all frames, 71% of variance")
    return {**told, "maps": maps.write_maps(folder, told)}


def bring(page: Any, *spaces: str) -> None:
    """The layouts of the watched run arrive."""
    for space in spaces:
        page.evaluate(f"harness.load('{DIGEST}.{space}.bin')")
    settle(page)


def select(page: Any, **chosen: Any) -> None:
    """Python asks for something."""
    page.evaluate(
        """(chosen) => { const before = harness.data.selection;
          harness.push({selection: {...before, ...chosen, rev: before.rev + 1}}); }""",
        chosen,
    )
    settle(page)


def news(page: Any, **job: Any) -> None:
    page.evaluate("job => harness.news({projection: {'fake-random': job}})", job)
    settle(page)


def space(page: Any) -> str:
    return page.get_attribute(".ts-map", "data-space")


def rest(page: Any) -> None:
    """Waits until a passage between spaces is over."""
    page.wait_for_timeout(400)
    settle(page)


def glided(page: Any) -> None:
    """Waits until the camera has been in one place for five frames, however long a frame takes."""
    page.evaluate("""() => new Promise((done) => {
      const camera = () => JSON.stringify(harness.root().tripletscope.state().camera);
      let [before, still] = [camera(), 0];
      requestAnimationFrame(function look() {
        still = camera() === before ? still + 1 : 0;
        before = camera();
        if (still === 5) done();
        else requestAnimationFrame(look);
      });
    })""")


def state(page: Any, name: str) -> Any:
    return page.evaluate(f"harness.root().tripletscope.state().{name}")


def places(page: Any) -> np.ndarray:
    """Where every sample is on screen, (n, 2)."""
    script = "Array.from({length: +e.dataset.n}, (_, i) => { const p = e.tripletscope.project(i); return [p.x, p.y]; })"
    return np.array(page.evaluate(f"(() => {{ const e = harness.root(); return {script}; }})()"))


def pixels(page: Any) -> np.ndarray:
    """The canvases alone, without bars and legends, as the browser composes them."""
    show = """(opacity) => harness.root().querySelectorAll('.ts-map > :not(.ts-map-surface)')
      .forEach((element) => { element.style.opacity = opacity; })"""
    page.evaluate(show, "0")
    shot = Image.open(BytesIO(page.locator(".ts-map").screenshot())).convert("RGB")
    page.evaluate(show, "1")
    return np.asarray(shot).astype(int)


def darkest_at(page: Any, index: int) -> int:
    """Red + green + blue of the darkest pixel where a sample is drawn."""
    box = page.locator(".ts-map").bounding_box()
    x, y = (round(value) for value in np.subtract(where(page, index), (box["x"], box["y"])))
    return int(pixels(page)[y - 2 : y + 3, x - 2 : x + 3].sum(-1).min())


# --- spaces ---


def test_positions_on_screen_are_those_of_the_frames(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    """200 random samples and frames in either space, to within float16, from the camera's own scale."""
    page = open_page()
    bring(page, "pca", "umap")
    rng = np.random.default_rng(0)
    for name, positions in [("exact", truth["positions"][DIGEST]), ("umap", other[DIGEST]["pos"])]:
        page.dispatch_event(UMAP if name == "umap" else OWN, "click")
        rest(page)
        assert space(page) == name
        for frame in rng.integers(0, len(positions), 5):
            page.evaluate(
                "([step, rev, space]) => harness.push({selection: {...harness.data.selection, step, rev, space}})",
                [
                    truth["frames"][frame],
                    int(page.evaluate("harness.data.selection.rev")) + 1,
                    name if name == "umap" else None,
                ],
            )
            rest(page)
            some = rng.integers(0, positions.shape[1], 40)
            seen = places(page)[some]
            true = positions[frame, some].astype(np.float64)
            # One scale and one shift explain every place; y points down on a screen.
            far = np.ptp(true[:, 0]).item() or 1.0
            scale = np.ptp(seen[:, 0]).item() / far
            wanted = np.stack([true[:, 0] - true[0, 0], true[0, 1] - true[:, 1]], 1) * scale
            error = np.abs(seen - seen[0] - wanted) / scale
            assert error.max() <= 2.0**-10 * max(np.abs(true).max(), 1e-3), (name, frame)


def test_the_button_asks_and_the_map_waits(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    page = open_page()
    assert page.inner_text(OWN) == "EXACT"
    before = places(page)
    page.click(UMAP)
    settle(page)
    (call,) = calls(page)
    assert (call["name"], call["value"]["kind"], call["value"]["space"]) == ("trigger request", "umap", "umap")
    assert (space(page), page.get_attribute(OWN, "aria-pressed")) == ("exact", "true")
    assert "asking" in page.inner_text(".ts-map-job")
    news(page, state="running", done=12, total=41, seconds_left=28.0, message=None)
    assert page.inner_text(".ts-map-job-words") == "UMAP: frame 12 of 41, about 30 seconds left"
    assert page.get_attribute(UMAP, "aria-busy") == "true"
    assert np.array_equal(places(page), before), "the present map stays"
    news(page, state="failed", done=12, total=41, seconds_left=None, message="umap-learn is not installed.")
    assert page.inner_text(".ts-map-job-words") == "UMAP: umap-learn is not installed."
    page.click(".ts-map-job button")
    assert [c["value"]["kind"] for c in calls(page)] == ["umap", "umap"]
    news(page, state="running", done=1, total=41, seconds_left=200.0, message=None)
    assert "about 3 minutes left" in page.inner_text(".ts-map-job")
    page.click(".ts-map-job button")  # cancel
    settle(page)
    last = calls(page)[-1]["value"]
    assert (last["kind"], last["space"]) == ("cancel-umap", None)
    assert page.locator(".ts-map-job").is_hidden()
    news(page, state="cancelled", done=1, total=41, seconds_left=None, message=None)
    page.wait_for_timeout(1200)
    assert len(calls(page)) == 3, "nothing is asked again behind one's back"
    # It is there after all, in another tab say: now the button switches at once.
    bring(page, "umap")
    page.click(UMAP)
    rest(page)
    assert space(page) == "umap"
    assert calls(page)[-1]["name"] == "selection"


def test_a_link_to_the_umap_waits_for_it(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    page = open_page(query="?hold")
    page.wait_for_function("document.body.dataset.harness === 'ready'")
    page.evaluate("harness.push({selection: {...harness.data.selection, space: 'umap', rev: 2}})")
    page.evaluate(f"harness.load('{DIGEST}.bin')")
    page.wait_for_selector(READY)
    settle(page)
    assert space(page) == "exact"
    wait_for(page, "harness.calls.length === 1")
    assert calls(page)[0]["value"]["kind"] == "umap"
    news(page, state="ready", done=41, total=41, seconds_left=0, message=None)
    bring(page, "umap")
    rest(page)
    assert space(page) == "umap"
    assert page.locator(".ts-map-job").is_hidden()
    assert state(page, "selection.space") == "umap"


def test_each_space_keeps_its_camera(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    page = open_page()
    bring(page, "umap")
    page.get_by_role("button", name="zoom in").click()
    glided(page)
    near = state(page, "camera")
    assert near["zoom"] > 1.5
    page.click(UMAP)
    rest(page)
    assert state(page, "camera") == {"x": 0, "y": 0, "zoom": 1}, "the new space begins at its home"
    seen = places(page)
    box = page.locator(".ts-map").bounding_box()
    assert (seen > [box["x"], box["y"]]).all()
    assert (seen < [box["x"] + box["width"], box["y"] + box["height"]]).all()
    page.click(OWN)
    rest(page)
    assert state(page, "camera") == near


def test_points_travel_between_spaces(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    """The picture on the way is neither the old nor the new one, and with reduced motion there is no way."""
    for motion in ("no-preference", "reduce"):
        page = open_page(reduced_motion=motion)
        bring(page, "umap")
        counted = page.evaluate("""() => new Promise(done => {
          const gl = harness.root().querySelectorAll('.ts-map canvas')[1].getContext('webgl2');
          const draw = gl.drawArrays; let count = 0;
          gl.drawArrays = function (...a) { count++; return draw.apply(this, a); };
          harness.root().querySelector('.ts-segment[data-space=umap]').click();
          setTimeout(() => done(count), 1500);
        })""")
        assert space(page) == "umap"
        assert counted >= 3 if motion == "no-preference" else counted <= 2


# --- honesty ---


def test_the_badge_says_what_each_frame_is_worth(open_page: Callable[..., Any], flat: dict[str, Any]) -> None:
    page = open_page("flat")
    made = flat["maps"][DIGEST]
    assert page.inner_text(".ts-badge") == "PCA fixed over all frames, 71% of variance"
    bring(page, "pca", "umap")
    for step in (30, 400):
        page.evaluate(
            "([s, r]) => harness.push({selection: {...harness.data.selection, step: s, rev: r}})", [step, step]
        )
        settle(page)
        frame = flat["frames"].index(step)
        kept = [round(100 * float(np.float32(share) * made["kept"][frame])) for share in (0.6, 1)]
        assert page.inner_text(".ts-badge") == f"PCA fixed over all frames, 71% of variance · 15-NN kept {kept[0]} %"
        page.dispatch_event(UMAP, "click")
        settle(page)
        trust = f"{made['trust'][frame]:.2f}".lstrip("0")
        assert page.inner_text(".ts-badge") == f"UMAP, aligned through time · 15-NN kept {kept[1]} % · trust {trust}"
        page.dispatch_event(OWN, "click")
        settle(page)
    page.dispatch_event(UMAP, "click")
    rest(page)
    assert page.locator(".ts-badge-meaning").is_hidden()
    page.hover(".ts-badge")
    assert "say nothing about the embedding" in page.inner_text(".ts-badge-meaning")
    page.mouse.move(5, 5)
    page.locator(".ts-badge").focus()
    assert page.locator(".ts-badge-meaning").is_visible(), "keys reach it too"


def test_rings_scale_and_fixed_scale_are_for_exact_maps(
    open_page: Callable[..., Any], flat: dict[str, Any], other: dict[str, Any]
) -> None:
    """The lowest canvas carries the zone rings, and nothing else."""
    inked = f"() => {LAYER.format(0)}.some((value) => value > 0)"
    exact = open_page()
    assert exact.evaluate(inked)
    assert exact.inner_text(".ts-zoom-text") == "fixed scale"
    assert exact.locator(".ts-map-foot", has_text="lines: true distance").is_hidden()
    bring(exact, "umap")
    exact.click(UMAP)
    rest(exact)
    page = open_page("flat")
    for one in (exact, page):
        assert not one.evaluate(inked)
        assert one.inner_text(".ts-zoom-text") == ""
        assert "lines: true distance" in one.inner_text(".ts-map-foot")
        assert one.inner_text(".ts-map-foot").endswith("14"), "the ruler's end"


def test_a_long_line_in_a_near_colour_exposes_the_map(open_page: Callable[..., Any], flat: dict[str, Any]) -> None:
    """The style of a line is decided by the true distance on the ruler's axis alone."""
    page = open_page("flat")
    # The harness page has no way into the bundle's functions: import it as text, with one more export.
    style = page.evaluate("""async () => {
      const code = await (await fetch('view.bundle.js')).text() + '\\nexport { distanceStyle, rulerShare };';
      const all = await import(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})));
      const run = harness.root().tripletscope.state().runs['fake-random'];
      return [0, 0.5, 1, 4, 9, 14].map((d) => {
        const share = all.rulerShare(run, d);
        return [share, ...Object.values(all.distanceStyle(share, false))];
      });
    }""")
    shares, colours, weights, dashes = zip(*style, strict=True)
    assert list(shares) == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert list(weights) == sorted(weights, reverse=True)
    assert len(set(colours)) == len(colours)
    assert dashes[0] == []
    assert dashes[-1] != []
    light = [sum(int(v) for v in colour[5:].split(",")[:3]) for colour in colours]
    assert light == sorted(light), "near is darkest on a light page: readable without colour vision"


# --- colours ---


def test_colour_by_movement_and_by_kept_neighbours(open_page: Callable[..., Any], flat: dict[str, Any]) -> None:
    page = open_page("flat")
    menu = page.locator(".ts-map-select")
    assert menu.locator("option").evaluate_all("o => o.map(x => x.disabled)") == [False, True, True]
    bring(page, "pca")
    assert menu.locator("option").evaluate_all("o => o.map(x => x.disabled)") == [False, False, False]
    made = flat["maps"][DIGEST]
    frame = flat["frames"].index(30)
    for mode, values in [("moved", made["moved"][frame]), ("stayed", -made["stayed"][frame])]:
        menu.select_option(mode)
        settle(page)
        assert f"since step {flat['frames'][frame - 1]}" in page.inner_text(".ts-map-key")
        ink = page.evaluate("""async () => {
          const gl = harness.root().querySelectorAll('.ts-map canvas')[1].getContext('webgl2');
          return gl.isContextLost();
        }""")
        assert ink is False
        x, y = where(page, int(values.argmax()))
        page.mouse.move(x, y)
        page.wait_for_selector(".ts-card:not([hidden])")
        index = int(root(page, "hover"))
        wanted = made["moved" if mode == "moved" else "stayed"][frame, index]
        number = page.inner_text(".ts-card-change")
        assert f"{wanted:.3f}" in number if mode == "moved" else f"{wanted:.2f}" in number
        page.mouse.move(5, 5)
        page.wait_for_selector(".ts-card", state="hidden")
    menu.select_option("class")
    settle(page)
    assert page.locator(".ts-map-key").first.is_hidden()


def test_an_exact_map_knows_movement_by_itself(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    page.locator(".ts-map-select").select_option("moved")
    settle(page)
    frame = truth["frames"].index(30)
    index = page.evaluate("harness.root().tripletscope.state().anchor")
    moved = float(fake.movement(truth["positions"][DIGEST])[frame, index])
    page.locator(".ts-map-surface").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".ts-card:not([hidden])")
    index = int(root(page, "hover"))
    moved = float(fake.movement(truth["positions"][DIGEST])[frame, index])
    assert f"moved {moved:.3f} since step {truth['frames'][frame - 1]}" in page.inner_text(".ts-card-change")


def test_strong_colours_mean_much_movement(open_page: Callable[..., Any], site: tuple[Path, str]) -> None:
    """On a run in which one point runs away, that point is the darkest on a light page."""
    rng = np.random.default_rng(3)
    positions = np.repeat(rng.uniform(-4, 4, (1, 60, 2)), 5, axis=0)
    positions += 0.05 * rng.standard_normal(positions.shape)
    positions[:, 7] = [[4.5, y] for y in (-4, -2, 0, 2, 4)]
    maps.one_run(site[0] / "runaway", positions.astype(np.float32), (np.arange(60) % 3).astype(np.uint16), list("abc"))
    page = open_page("runaway")
    page.locator(".ts-map-select").select_option("moved")
    settle(page)
    strong = darkest_at(page, 7)
    others = [darkest_at(page, i) for i in (11, 20, 33)]
    assert strong < min(others) - 150


# --- linked hover and focus ---


def test_a_class_in_front_dims_the_others_and_is_undone(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    page = open_page()
    page.get_by_role("button", name="classes", exact=True).click()
    rows = page.locator(".ts-class")
    expect(rows).to_have_count(10)
    rows.nth(4).hover()
    wait_for(page, "e.tripletscope.state().hoverClasses?.[0] === 4")
    rows.nth(4).click()
    wait_for(page, "e.tripletscope.state().focus?.[0] === 4")
    assert calls(page)[-1]["value"]["focus"] == [4, None]
    assert page.inner_text(".ts-map-filter").startswith("4 in front")
    page.get_by_role("button", name="classes", exact=True).click()
    page.mouse.move(5, 5)
    settle(page)
    labels, seen = truth["labels"], places(page)
    box = page.locator(".ts-map").bounding_box()
    shot = pixels(page)
    ground = shot[shot.shape[0] - 60, shot.shape[1] - 20]

    def strength(label: int) -> float:
        """How far from the ground the pixels of that class are, at the median."""
        spots = (seen[labels == label] - [box["x"], box["y"]]).round().astype(int)
        return float(np.median(np.abs(shot[spots[:, 1], spots[:, 0]] - ground).sum(-1)))

    assert strength(4) > 150
    assert 0 < strength(6) < strength(4) / 2, "dimmed, and not removed"
    page.get_by_role("button", name="show all classes alike again").click()
    wait_for(page, "e.tripletscope.state().focus === null")
    assert page.locator(".ts-map-filter").is_hidden()


def test_hover_in_another_panel_rings_the_point(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    over = f"() => {LAYER.format(2)}.reduce((sum, value) => (sum * 31 + value) % 1000003, 7)"
    before = page.evaluate(over)
    told = truth["answers"][DIGEST]
    page.locator(f".ts-ruler-layer .ts-candidate[data-sample='{told['negatives'][3]}']").first.dispatch_event(
        "pointerenter"
    )
    wait_for(page, f"e.dataset.hover === '{told['negatives'][3]}'")
    settle(page)
    assert page.evaluate(over) != before
    assert page.locator(".ts-card").is_hidden(), "the card belongs to the map's own pointer"


# --- keys and words ---


def test_the_map_by_keyboard(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    surface = page.locator(".ts-map-surface")
    surface.focus()
    step = root(page, "step")
    page.keyboard.press("+")
    glided(page)
    assert state(page, "camera.zoom") > 1.5
    page.keyboard.press("0")
    glided(page)
    assert state(page, "camera") == {"x": 0, "y": 0, "zoom": 1}
    seen = places(page)
    at = 1000
    for key, axis, sign in [("ArrowLeft", 0, -1), ("ArrowDown", 1, 1), ("ArrowRight", 0, 1), ("ArrowUp", 1, -1)]:
        page.keyboard.press(key)
        settle(page)
        to = int(root(page, "hover"))
        ahead = sign * (seen[to] - seen[at])[axis]
        assert ahead >= 1
        way = np.where(np.arange(2) == axis, sign, 0)
        better = (seen - seen[at]) @ way
        aside = np.abs((seen - seen[at])[:, 1 - axis])
        nearest = np.where((better >= 1) & (aside <= 2 * better), better + 2 * aside, np.inf).min()
        assert np.isclose(ahead + 2 * abs((seen[to] - seen[at])[1 - axis]), nearest, atol=0.01)
        at = to
    assert root(page, "step") == step, "on the map arrows walk; elsewhere they are time"
    page.wait_for_function(
        "id => harness.root().querySelector('.ts-map [aria-live=assertive]').textContent.includes(id)", arg=f"id {at}"
    )
    page.keyboard.press("Enter")
    wait_for(page, f"e.dataset.anchor === '{at}'")
    page.keyboard.press("Space")
    page.wait_for_selector(f"{ROOT}[data-playing]")


def test_a_pressed_map_leaves_the_arrows_to_time(open_page: Callable[..., Any]) -> None:
    page = open_page()
    box = page.locator(".ts-map").bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + box["height"] - 90)
    before = int(root(page, "step"))
    page.keyboard.press("ArrowRight")
    wait_for(page, f"+e.dataset.step > {before}")


def test_what_a_screen_reader_gets_of_the_map(open_page: Callable[..., Any], truth: dict[str, Any]) -> None:
    page = open_page()
    page.wait_for_function("() => harness.root().querySelector('.ts-map [role=status].ts-sr').textContent")
    said = page.locator(".ts-map [role=status].ts-sr").inner_text()
    assert said.startswith("EXACT: 2-D space. Step 30, 1,797 samples, 10 classes. Anchor: ")
    assert "id 1000" in said
    assert "Batch hard picks" in said
    moved = fake.movement(truth["positions"][DIGEST])[truth["frames"].index(30)]
    assert f"Since step {truth['frames'][truth['frames'].index(30) - 1]}" in said
    assert f"id {int(moved.argmax())}" in said
    assert said in page.get_by_role("img", name="Map of the embedding").get_attribute("aria-label")


# --- odd runs ---


def test_samples_without_a_place_are_left_out_and_counted(
    open_page: Callable[..., Any], site: tuple[Path, str]
) -> None:
    rng = np.random.default_rng(0)
    positions = rng.standard_normal((6, 300, 2)).astype(np.float32)
    positions[3:, 10:17] = np.nan
    positions[3:, 17, 0] = np.inf
    maps.one_run(site[0] / "lost", positions, (np.arange(300) % 4).astype(np.uint16), list("abcd"))
    for query in ("", "?renderer=canvas"):
        page = open_page("lost", query)
        page.keyboard.press("End")
        rest(page)
        assert page.inner_text(".ts-map-line >> nth=0").startswith("8 samples have no position here")
        page.keyboard.press("Home")
        rest(page)
        assert page.locator(".ts-map-line").first.is_hidden()


def test_without_webgl_the_map_says_so(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    page = open_page(query="?renderer=canvas")
    assert "without WebGL" in page.inner_text(".ts-map-foot")
    bring(page, "umap", "pca")
    page.click(UMAP)
    rest(page)
    assert space(page) == "umap"
    shot = pixels(page)
    assert (np.ptp(shot, axis=-1) > 60).sum() > 2000
    page.locator(".ts-map-select").select_option("moved")
    settle(page)
    assert (pixels(page) != shot).any()


def test_a_lost_context_comes_back_in_another_space(
    open_page: Callable[..., Any], truth: dict[str, Any], other: dict[str, Any]
) -> None:
    page = open_page()
    bring(page, "umap")
    page.click(UMAP)
    rest(page)
    before = pixels(page)
    page.evaluate("""() => new Promise((done) => {
      const c = harness.root().querySelectorAll('.ts-map canvas')[1];
      const lose = c.getContext('webgl2').getExtension('WEBGL_lose_context');
      c.addEventListener('webglcontextrestored', () => setTimeout(done, 300));
      lose.loseContext();
      setTimeout(() => lose.restoreContext(), 80);
    })""")
    settle(page)
    assert (np.abs(pixels(page) - before).max(-1) > 40).mean() < 0.01
    page.click(OWN)
    rest(page)
    assert (np.ptp(pixels(page), axis=-1) > 60).sum() > 2000


@pytest.mark.parametrize("classes", [2, 3, 200])
def test_any_number_of_classes_can_be_told_apart(
    open_page: Callable[..., Any], site: tuple[Path, str], classes: int
) -> None:
    names = [f"class number {i}" if i % 7 else "<b onclick=alert(1)>" + "x" * 300 for i in range(classes)]
    rng = np.random.default_rng(1)
    labels = (np.arange(1200) % classes).astype(np.uint16)
    positions = (5 * rng.standard_normal((classes, 2))[labels] + rng.standard_normal((4, 1200, 2))).astype(np.float32)
    maps.one_run(site[0] / f"{classes}-classes", positions, labels, names)
    page = open_page(f"{classes}-classes", width=900)
    page.get_by_role("button", name="classes", exact=True).click()
    expect(page.locator(".ts-class")).to_have_count(classes)
    first = page.locator(".ts-class").first
    first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    wait_for(page, f"e.tripletscope.state().focus?.[0] === {classes - 1}")
    step = root(page, "step")
    page.keyboard.press("ArrowUp")
    wait_for(page, f"e.tripletscope.state().hoverClasses?.[0] === {classes - 2}")
    assert root(page, "step") == step
    page.keyboard.press("Escape")
    assert page.locator(".ts-class-panel").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    panel = page.locator(".ts-map-filter").bounding_box()
    assert panel["x"] + panel["width"] <= page.locator(".ts-map").bounding_box()["x"] + 900


def test_ten_thousand_points_play(open_page: Callable[..., Any], site: tuple[Path, str]) -> None:
    maps.crowd(site[0] / "crowd", 10_000)
    page = open_page("crowd")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    wait_for(page, "+e.dataset.step > 40")
    page.keyboard.press("Space")
    settle(page)
    assert len(pixels(page)[np.ptp(pixels(page), axis=-1) > 60]) > 3000
