"""Learned centres on the page that is shared: on the map at every frame and on the ruler; and the loss that trains."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis.probe import distances_from, probe_labels
from tripletscope.cli import main
from tripletscope_app.component import pack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WAIT = 120_000  # a loaded machine is slow, and that is not what is tested here
HERE = "document.querySelector('#host').shadowRoot.querySelector('.ts-instrument')"
OVER = """(spot) => { const c = ROOT.querySelectorAll('.ts-map canvas')[2]; const box = c.getBoundingClientRect();
  const r = c.width / box.width; const x = (spot.x - box.left) * r; const y = (spot.y - box.top) * r;
  return [...c.getContext('2d').getImageData(x - 2, y - 2, 5, 5).data].join(); }""".replace("ROOT", HERE)

# The camera has been in one place for five frames, however long a frame takes: it may glide when time is scrubbed.
STILL = f"""const camera = () => JSON.stringify({HERE}.tripletscope.state().camera);
  let [before, still] = [camera(), 0];
  requestAnimationFrame(function look() {{
    still = camera() === before ? still + 1 : 0;
    before = camera();
    if (still === 5) done();
    else requestAnimationFrame(look);
  }});"""


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a run's one-file page, without any server; at the end no page may have logged an error."""
    wrong, pages = [], []

    def open_(run: Path, **more):
        file = tmp_path / f"{run.name}.html"
        assert main(["export", str(run), "--what", "html", "--out", str(file)]) == 0
        page = browser.new_page(viewport={"width": 1280, "height": 800}, **more)
        pages.append(page)
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-shared=ready]")
        page.wait_for_selector(".ts-instrument[data-ready=true]")
        return page

    yield open_
    for page in pages:
        page.close()
    assert wrong == []


def until(page, holds, arg=None):
    """Waits in the page itself: its policy refuses the evaluations that `wait_for_function` polls with."""
    page.evaluate(
        f"""([arg, limit]) => new Promise((done, fail) => {{
          const end = performance.now() + limit;
          (function look() {{
            if ({holds}) done();
            else if (performance.now() > end) fail(new Error("this never came: " + {holds!r}));
            else setTimeout(look, 30);
          }})();
        }})""",
        [arg, WAIT],
    )


def state(page, name):
    return page.evaluate(f"{HERE}.tripletscope.state().{name}")


def go_to(page, run, step):
    """Scrubs there by keys, and waits until everything is drawn."""
    page.keyboard.press("Home")
    for _ in range(run.frame_steps.index(step)):
        page.keyboard.press("ArrowRight")
    now = f"{HERE}.tripletscope.state()"
    until(page, f"{HERE}.dataset.step === String(arg) && {now}.t === {now}.frame && !{now}.playing", step)
    page.evaluate(f"() => new Promise((done) => {{ {STILL} }})")


def spots(page):
    """{class: (x, y)} of the centres on screen."""
    return {each["label"]: (each["x"], each["y"]) for each in page.evaluate(f"{HERE}.tripletscope.centres()")}


def look(page, index):
    spot = page.evaluate(f"{HERE}.tripletscope.project({index})")
    return spot["x"], spot["y"]


def truly(run, step, anchor):
    """(distances to every centre, class of the anchor), with numpy alone."""
    return distances_from(run.frames[step][anchor], run.centres(step), run.distance), int(probe_labels(run)[anchor])


@pytest.mark.parametrize("dim", [2, 3])
def test_centres_stand_where_the_frame_says_and_move_with_it(opened, tmp_path, dim):
    place = tiny.centred(tmp_path / "run", dim=dim)
    run = Run.open(place)
    arrays = pack.unpack(pack.pack_run(run)[1])[1]
    page = opened(place)
    seen = []
    for step in (0, 5, 12, 3):
        go_to(page, run, step)
        at = run.frame_steps.index(step)
        found = spots(page)
        if step == 3:
            assert found == {}, "this frame came without"
            continue
        (x0, y0), (x1, y1) = look(page, 0), look(page, 1)
        (u0, v0), (u1, v1) = arrays["pos"][at, 0], arrays["pos"][at, 1]
        scale = np.hypot(x1 - x0, y1 - y0) / np.hypot(u1 - u0, v1 - v0)
        for label, (x, y) in found.items():
            u, v = arrays["class_centres"][at, label]
            assert (x, y) == pytest.approx((x0 + scale * (u - u0), y0 - scale * (v - v0)), abs=0.5)
        assert len(found) == tiny.CLASSES
        seen.append(found[0])
    assert len(set(seen)) == 3, "they move"


def test_a_centre_says_whose_it_is_and_the_legend_switches_them_off(opened, tmp_path):
    place = tiny.centred(tmp_path / "run")
    run, page = Run.open(place), opened(place)
    go_to(page, run, 12)
    anchor = state(page, "anchor")
    distances, _ = truly(run, 12, anchor)
    card = page.locator(".ts-card")
    box = page.locator(".ts-map").bounding_box()
    low, high = (box["x"] + 20, box["y"] + 60), (box["x"] + box["width"] - 20, box["y"] + box["height"] - 70)
    inside = {c: (x, y) for c, (x, y) in spots(page).items() if low[0] < x < high[0] and low[1] < y < high[1]}
    assert inside
    for label, (x, y) in inside.items():
        page.mouse.move(x, y)
        until(page, f"{HERE}.querySelector('.ts-card').innerText.includes(arg)", f"class {label}")
        words = card.inner_text()
        assert words.startswith(f"learned centre of class {label}")
        told = float(re.search(r"d to the anchor ([\d.]+)", words)[1])
        assert told == pytest.approx(distances[label], rel=6e-3)
    page.mouse.click(x, y)
    assert state(page, "focus") == [label, None]
    page.mouse.click(x, y)
    assert state(page, "focus") is None
    page.mouse.move(5, 5)

    key = page.locator(".ts-map-centres")
    assert key.inner_text().strip() == "learned centres of the classes"
    assert key.get_attribute("aria-pressed") == "true"
    spot = {"x": x, "y": y}
    before = page.evaluate(OVER, spot)
    key.click()
    until(page, f"{HERE}.tripletscope.centres().length === 0")
    assert key.get_attribute("aria-pressed") == "false"
    assert page.evaluate(OVER, spot) != before
    key.click()
    until(page, f"{HERE}.tripletscope.centres().length > 0")
    until(page, f"{HERE}.querySelector('.ts-map [role=img]').ariaLabel.includes('Learned centres: the anchor')")

    # A map that was made of the samples alone has no places for them, and says so.
    page.evaluate(
        f"""() => {{ const s = {HERE}.tripletscope.state(); const run = s.runs[s.run];
        globalThis.__tripletscope.layouts = {{[s.run + '/umap']: {{kind: 'layout', digest: s.run, space: 'umap',
          pos: run.pos.slice(), centre: run.centre, extent: run.extent, badge: 'UMAP'}}}};
        document.dispatchEvent(new CustomEvent('tripletscope:aside', {{detail: s.run}})); }}"""
    )
    page.locator(".ts-segment[data-space=umap]").click()
    page.wait_for_selector(".ts-map[data-space=umap]")
    until(page, f"{HERE}.tripletscope.centres().length === 0")
    assert "UMAP places samples only" in key.inner_text()
    assert key.is_disabled()


def test_the_lane_has_the_two_centres_and_the_sentence_their_loss(opened, tmp_path):
    place = tiny.centred(tmp_path / "run")
    run, page = Run.open(place), opened(place)
    assert page.inner_text(".ts-counter[data-name=loss] .ts-counter-meaning") == "triplet-centre loss"
    for step in (0, 12):
        go_to(page, run, step)
        distances, own = truly(run, step, state(page, "anchor"))
        rival = min((c for c in range(tiny.CLASSES) if c != own), key=lambda c: distances[c])
        until(
            page,
            f"{HERE}.querySelector('.ts-sentence-first').innerText.includes(arg)",
            f"learns from its own centre and the centre of class {rival}",
        )
        gap = float(distances[rival] - distances[own])
        zone = "hard" if gap <= 0 else "semi-hard" if gap < 0.5 else "easy"
        assert f": {zone}" in re.sub(r"\s+", " ", page.inner_text(".ts-sentence-first"))
        numbers = page.inner_text(".ts-sentence-second").replace("\u2212", "-")
        told = re.fullmatch(r"d\(own\) ([\d.]+) - d\(other\) ([\d.]+) \+ margin ([\d.]+) (?:= loss ([\d.]+)|is below 0: loss 0), gap (-?[\d.]+)", numbers)  # fmt: skip # noqa: E501
        assert told, numbers
        assert [float(told[k]) for k in (1, 2, 3, 5)] == pytest.approx(
            [distances[own], distances[rival], 0.5, gap], abs=6e-3
        )
        assert float(told[4] or 0) == pytest.approx(max(0.0, 0.5 - gap), abs=6e-3)
        assert "Trains with the triplet-centre loss." in page.inner_text(".ts-sentence-third")
        figures = page.locator(".ts-trio")
        assert [figures.nth(k).inner_text().split()[-1] for k in (1, 2)] == ["centre", "other"]
        assert [figures.nth(k).get_attribute("title") for k in (1, 2)] == [
            f"the learned centre of class {own}",
            f"the learned centre of class {rival}",
        ]
        # What the loss learnt from is no share of the batch's triplets.
        counter = page.locator(".ts-counter[data-name=mined]")
        assert counter.locator(".ts-counter-title").inner_text().startswith("learnt from")
        assert counter.locator(".ts-counter-value").inner_text() == "12"
        assert "learns from centres of classes" in page.inner_text(".ts-plane")
        # The ticks stand on the ruler's own axis.
        axis = page.eval_on_selector_all(
            ".ts-ruler .ts-tick-text", "all => all.map(t => [+t.textContent, +t.getAttribute('x')])"
        )
        (a, xa), (b, xb) = axis[:2]
        ticks = page.eval_on_selector_all(
            ".ts-lane-centre", "all => all.map(t => [+t.dataset.class, +t.getAttribute('x1')])"
        )
        assert {label for label, _ in ticks} == {own, rival}
        for label, x in ticks:
            if distances[label] < 2:  # four margins: there the axis is plain
                assert x == pytest.approx(xa + (xb - xa) * (distances[label] - a) / (b - a), abs=0.6)


def test_the_film_strip_shows_whose_centre_it_learns_from(opened, tmp_path):
    place = tiny.centred(tmp_path / "run")
    run, page = Run.open(place), opened(place)
    until(page, f"{HERE}.querySelector('.ts-strip').tripletscopeCells()")
    rows = page.eval_on_selector(".ts-strip", "e => e.tripletscopeCells()")
    (cells,) = (row["cells"] for row in rows if row["name"] == "triplet-center")
    anchor = state(page, "anchor")
    for step, cell in zip(run.frame_steps, cells, strict=True):
        if step == 3:
            assert cell["kind"] == "missing", "this frame came without"
            continue
        distances, own = truly(run, step, anchor)
        rival = min((c for c in range(tiny.CLASSES) if c != own), key=lambda c: distances[c])
        assert (cell["kind"], cell["own"], cell["rival"]) == ("centre", own, rival)
        gap = float(distances[rival] - distances[own])
        assert (cell["gap"], cell["loss"]) == pytest.approx((gap, max(0.0, 0.5 - gap)), abs=1e-5)
        assert cell["zone"] == ("hard" if gap <= 0 else "semi-hard" if gap < 0.5 else "easy")
    # In words for the cell that is pointed at, and on its canvas in the colour of that class.
    row = [each["name"] for each in rows].index("triplet-center")
    page.locator(".ts-strip").scroll_into_view_if_needed()
    for frame, cell in [(0, cells[0]), (len(cells) - 1, cells[-1])]:
        spot = page.eval_on_selector(".ts-strip", "(e, [r, f]) => e.tripletscopeSpot(r, f)", [row, frame])
        page.mouse.move(spot["x"], spot["y"])
        wanted = f"the centre of class {cell['rival']}, {cell['zone']}, gap"
        until(page, f"{HERE}.querySelector('.ts-strip-words').innerText.includes(arg)", wanted)


def test_a_loss_of_its_own_is_named_and_the_triplet_loss_is_not_claimed(opened, tmp_path):
    told = {"name": "quadruplet", "title": "Quadruplet", "values": {}}
    page = opened(tiny.record(tmp_path / "own", "semi-hard", loss=told))
    assert page.inner_text(".ts-counter[data-name=loss] .ts-counter-meaning") == "quadruplet loss"
    assert page.locator(".ts-lanes-heading", has_text="triplet loss").count() == 1
    assert "easy, loss 0" not in page.inner_text(".ts-instrument")
    page.locator(".ts-lane-name[data-lane=hardest]").click()
    until(page, f"{HERE}.querySelector('.ts-sentence-first').innerText.includes('Hardest')")
    assert "triplet loss" in page.inner_text(".ts-sentence-second")
    assert "Trains with" not in page.inner_text(".ts-sentence-third"), "this one does not train"
    page.locator(".ts-lane-name[data-lane=semi-hard]").click()
    until(page, f"{HERE}.querySelector('.ts-sentence-third').innerText.includes('quadruplet loss.')")
    assert page.locator(".ts-map-centres").is_hidden()

    plain = opened(tiny.record(tmp_path / "plain", "semi-hard", loss={"name": "triplet", "title": "Triplet"}))
    assert plain.inner_text(".ts-counter[data-name=loss] .ts-counter-meaning") == "mean over its own picks"
    assert "triplet loss" not in plain.inner_text(".ts-instrument")
    assert plain.locator(".ts-map-centres").is_hidden()
