"""The map of a set in a real browser: on a static page for every gesture, and once on the Inspect page itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.app.test_browser_watch import SETTLED, Server
from tests.app.test_rule import HOSTILE

from tripletscope_app.component import bundle, style
from tripletscope_app.component.pack import join

pytestmark = pytest.mark.browser

N, CENTRE, EXTENT = 240, (10.0, -4.0), 5.0
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>map</title>
<style>body { margin: 0; --st-background-color: #ffffff; --st-secondary-background-color: #f4f5f8;
  --st-text-color: #1f2430; --st-primary-color: #6a3fb5; background: var(--st-background-color); }
body.dark { --st-background-color: #14171c; --st-secondary-background-color: #1b202b; --st-text-color: #e9ecf3;
  --st-primary-color: #b79bff; }</style>
<main style="padding: 10px; width: 700px"><h1 style="color: var(--st-text-color)">map</h1><div id="host"></div></main>
<script type="module">
import showCloud from "./cloud.js"; import loadPoints from "./points.js";
if (location.search.includes("dark")) document.body.classList.add("dark");
const shadow = document.getElementById("host").attachShadow({ mode: "open" });
const sheet = new CSSStyleSheet(); sheet.replaceSync(await (await fetch("cloud.css")).text());
shadow.adoptedStyleSheets = [sheet];
const page = globalThis.page = { asked: [], leaked: 0, root: () => shadow.querySelector(".ts-cloud"), data: null };
document.addEventListener("keydown", (event) => { if (event.key === "c") page.leaked++; });
page.load = async (name) => { const bytes = new Uint8Array(await (await fetch(name)).arrayBuffer());
  const shifted = new Uint8Array(bytes.length + 1); shifted.set(bytes, 1);
  loadPoints({ data: shifted.subarray(1), parentElement: document.createElement("div") }); };
page.push = (patch) => { page.data = { ...page.data, ...patch };
  const setStateValue = (_, said) => page.asked.push(said.at(-1));
  page.leave = showCloud({ data: page.data, parentElement: shadow, setStateValue }); };
const first = await (await fetch(new URLSearchParams(location.search).get("view") ?? "view.json")).json();
page.push(first.data);
for (const name of first.blobs) await page.load(name);
document.body.dataset.done = "yes";
</script></html>"""


def blob(folder: Path, key: str, header: dict[str, Any], **sections: tuple[str, np.ndarray]) -> str:
    content = join({"version": 1, "kind": "points", "key": key, **header}, sections, digest=key)[1]
    (folder / f"{key}.bin").write_bytes(content)
    return f"{key}.bin"


def class_legend(codes: np.ndarray, names: list[str], key: str) -> dict[str, Any]:
    counts = np.bincount(codes, minlength=len(names) + 1)
    return {
        "key": key, "title": "label", "kind": "class", "names": names, "counts": counts[1:].tolist(),
        "classes": len(names), "without": int(counts[0]), "said": "",
    }  # fmt: skip


def places(folder: Path, key: str, grid: np.ndarray) -> str:
    return blob(folder, key, {"centre": CENTRE, "extent": EXTENT}, places=("u16", grid))


@pytest.fixture(scope="module")
def made(site: tuple[Path, str]) -> str:
    """The address of the page, with a small set, another map of it, and a large set."""
    folder = site[0] / "cloud"
    folder.mkdir(exist_ok=True)  # the tests of saved charts use it too
    (folder / "index.html").write_text(PAGE)
    (folder / "cloud.js").write_text(bundle("cloud"))
    (folder / "points.js").write_text(bundle("points"))
    (folder / "cloud.css").write_text(style("inspect"))
    rng = np.random.default_rng(0)
    grid = rng.integers(6_000, 60_000, size=(N, 2))
    grid[0], grid[1], grid[2] = (32_767, 32_767), (45_000, 32_767), (65_535, 65_535)  # the last one is nowhere
    codes = np.arange(N) % 5
    names = [HOSTILE[0], "b", "c", "d"]
    cards = {
        "ids": [f"id-{row}" for row in range(N)],
        "texts": [HOSTILE[row % len(HOSTILE)] for row in range(N)],
        "class_names": names,
    }
    blobs = [
        places(folder, "places", grid),
        places(folder, "other", grid[::-1].copy()),
        blob(folder, "colour", {}, codes=("u8", codes)),
        blob(folder, "cards", cards, labels=("i32", codes - 1)),
        blob(folder, "hits", {}, rows=("i32", np.array([5, 1, 9]))),
    ]
    data = {
        "wanted": "pca", "space": "pca", "places": "places", "there": N - 1, "by": "label",
        "spaces": [{"name": name, "title": name.upper(), "hint": name} for name in ("pca", "umap")],
        "badge": {"text": "PCA, 29% of variance", "meaning": "Two straight axes.", "exact": False},
        "bys": [{"value": "label", "title": "label", "group": "the set"},
                {"value": "zone", "title": "zone", "group": "as an anchor"}],
        "legend": class_legend(codes, names, "colour"), "cards": "cards", "row": None, "lines": None, "marks": [],
        "search": None, "card": None, "labelled": True, "job": None, "trouble": None,
    }  # fmt: skip
    (folder / "view.json").write_text(json.dumps({"data": data, "blobs": blobs}))
    many = 150_000
    crowd = np.clip(rng.normal(32_767, 9_000, size=(many, 2)), 0, 65_534)
    kinds = np.arange(many) % 5
    large = [places(folder, "crowd", crowd), blob(folder, "kinds", {}, codes=("u8", kinds))]
    told = {**data, "places": "crowd", "there": many, "cards": None, "legend": class_legend(kinds, names, "kinds")}
    (folder / "large.json").write_text(json.dumps({"data": told, "blobs": large}))
    return f"{site[1]}/cloud/index.html"


@pytest.fixture
def open_map(browser: Any, made: str) -> Iterator[Callable[..., Any]]:
    pages, errors = [], []

    def open_(query: str = "", **more: Any) -> Any:
        page = browser.new_page(viewport={"width": 760, "height": 760}, **more)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
        page.set_default_timeout(20_000)
        page.goto(made + query)
        page.wait_for_function("document.body.dataset.done === 'yes' && page.root().dataset.ready === 'true'")
        return page

    yield open_
    for page in pages:
        page.close()
    assert [one for one in errors if "GPU stall" not in one] == []


def said(page: Any, name: str) -> str:
    return str(page.evaluate(f"page.root().dataset.{name}"))


def where(page: Any, row: int) -> tuple[float, float]:
    spot = page.evaluate(f"page.root().tripletscope.project({row})")
    return spot["x"], spot["y"]


def asked(page: Any) -> list[dict[str, Any]]:
    return page.evaluate("page.asked")


def wait(page: Any, condition: str) -> None:
    page.wait_for_function(f"() => {{ const e = page.root(); return {condition}; }}")


@pytest.mark.parametrize("query", ["", "?renderer=canvas"])
def test_rows_are_drawn_where_they_lie_in_their_colours(open_map, query):
    page = open_map(query)
    assert said(page, "kind") == ("canvas2d" if query else "webgl2")
    box = page.locator(".ts-cloud-surface").bounding_box()
    x, y = where(page, 0)
    assert abs(x - box["x"] - box["width"] / 2) < 1, "the middle of the grid is the middle of the map"
    assert abs(y - box["y"] - box["height"] / 2) < 1
    page.locator(".ts-cloud-map").screenshot()  # the frame is on the screen
    colour = page.evaluate(
        """([x, y]) => { const canvas = page.root().querySelectorAll("canvas")[1];
        const box = canvas.getBoundingClientRect(); const copy = new OffscreenCanvas(canvas.width, canvas.height);
        page.root().tripletscope.redraw(); const pen = copy.getContext("2d"); pen.drawImage(canvas, 0, 0);
        const r = canvas.width / box.width;
        return [...pen.getImageData(Math.round((x - box.left) * r), Math.round((y - box.top) * r), 1, 1).data]; }""",
        list(where(page, 1)),
    )
    assert np.abs(np.array(colour[:3]) - [0x44, 0x53, 0xB8]).max() < 40, "the first class has the first colour"


def test_pointing_shows_a_card_whose_words_are_only_words(open_map):
    page = open_map()
    page.mouse.move(*where(page, 1))
    page.wait_for_selector(".ts-cloud-card:visible")
    text = page.inner_text(".ts-cloud-card")
    assert HOSTILE[0] in text, "the class, as it is written"
    assert "id-1" in text
    assert page.evaluate("page.root().querySelectorAll('.ts-cloud-card b, .ts-cloud-card [onerror]').length") == 0
    page.mouse.move(2, 2)
    page.wait_for_selector(".ts-cloud-card", state="hidden")


def test_a_click_chooses_and_the_ring_does_not_wait_for_python(open_map):
    page = open_map()
    page.mouse.click(*where(page, 1))
    wait(page, "e.dataset.row === '1'")
    assert [(one["kind"], one["row"]) for one in asked(page)] == [("row", 1)]
    lines = "{ row: 1, rows: [3, 4], far: [0.1, 0.4], same: [true, false], distance: 'cosine' }"
    page.evaluate(f"page.push({{ row: 1, lines: {lines} }})")
    page.wait_for_selector(".ts-cloud-lines:visible")
    assert "2 truly nearest rows of the chosen one, 1 of another class (dashed)" in page.inner_text(".ts-cloud-lines")


def test_keys_walk_choose_zoom_and_let_go(open_map):
    page = open_map()
    page.focus(".ts-cloud-surface")
    page.keyboard.press("ArrowRight")
    wait(page, "e.dataset.hover !== ''")
    before = where(page, int(said(page, "hover")))
    page.keyboard.press("ArrowRight")
    wait(page, f"e.tripletscope.project(Number(e.dataset.hover)).x > {before[0]} + 1")
    page.wait_for_function("page.root().querySelector('[aria-live=assertive]').textContent.includes('id-')")
    page.keyboard.press("Enter")
    assert asked(page)[-1]["kind"] == "row"
    page.keyboard.press("+")
    wait(page, "e.tripletscope.state().camera.zoom > 1.7")
    page.keyboard.press("0")
    wait(page, "e.tripletscope.state().camera.zoom === 1")
    page.keyboard.press("Escape")
    wait(page, "e.dataset.hover === ''")
    page.evaluate("page.push({ marks: [{ kind: 'hits', title: 'found', count: 3, key: 'hits' }] })")
    wait(page, "e.dataset.marked === 'hits'")
    page.keyboard.press("Escape")
    assert asked(page)[-1] | {"turn": 0} == {"kind": "clear", "what": "hits", "turn": 0}


@pytest.mark.parametrize("by_tool", [True, False])
def test_a_lasso_goes_to_python_in_the_unit_of_the_map(open_map, by_tool):
    page = open_map()
    box = page.locator(".ts-cloud-surface").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    if by_tool:
        page.click(".ts-cloud-lasso")
        wait(page, "e.dataset.tool === 'lasso'")
    else:
        page.keyboard.down("Shift")
    page.mouse.move(*middle)
    page.mouse.down()
    for dx, dy in ((100, 0), (100, 100), (0, 100)):
        page.mouse.move(middle[0] + dx, middle[1] + dy, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    polygon = np.array(asked(page)[-1]["polygon"])
    unit = min(box["width"], box["height"]) / 2 / EXTENT
    assert np.abs(polygon.min(axis=0) - [CENTRE[0], CENTRE[1] - 100 / unit]).max() < 0.1
    assert np.abs(polygon.max(axis=0) - [CENTRE[0] + 100 / unit, CENTRE[1]]).max() < 0.1
    wait(page, "e.dataset.tool === 'pan'")
    assert page.evaluate("page.root().tripletscope.state().camera.zoom") == 1, "nothing was moved"


def test_a_search_asks_goes_to_the_next_and_keeps_its_keys(open_map):
    page = open_map()
    page.fill(".ts-cloud-input", "c")
    page.type(".ts-cloud-input", "c")
    page.press(".ts-cloud-input", "Enter")
    assert asked(page)[-1] | {"turn": 0} == {"kind": "search", "text": "cc", "turn": 0}
    assert page.evaluate("page.leaked") == 0
    mark = "{ kind: 'hits', title: 'found', count: 3, key: 'hits' }"
    page.evaluate(f"page.push({{ search: {{ text: 'cc', count: 3, key: 'hits' }}, marks: [{mark}] }})")
    page.wait_for_selector(".ts-cloud-next:visible")
    for row, place in ((5, "1 of 3"), (1, "2 of 3"), (9, "3 of 3"), (5, "1 of 3")):
        page.press(".ts-cloud-input", "Enter")
        wait(page, f"e.dataset.row === '{row}'")
        assert asked(page)[-1]["row"] == row
        assert place in page.inner_text(".ts-cloud-found")
    page.press(".ts-cloud-input", "Escape")
    assert asked(page)[-1]["text"] == ""


def test_a_class_that_is_pressed_comes_to_the_front(open_map):
    page = open_map()
    assert page.locator(".ts-cloud-chip").count() == 5, "four classes, and the rows without one"
    page.click(".ts-cloud-chip >> nth=1")
    wait(page, "e.tripletscope.state().lit?.has(2)")
    assert page.get_attribute(".ts-cloud-chip >> nth=1", "aria-pressed") == "true"
    page.click(".ts-cloud-chip >> nth=1")
    wait(page, "e.tripletscope.state().lit === null")


def test_the_view_stays_when_colours_change_and_every_map_has_its_own(open_map):
    page = open_map()
    page.focus(".ts-cloud-surface")
    page.keyboard.press("+")
    wait(page, "e.tripletscope.state().camera.zoom > 1.7")
    zones = "{ title: 'zone', palette: 'zones', names: ['hard', 'semi-hard', 'easy'], classes: 3 }"
    page.evaluate(f"page.push({{ by: 'zone', legend: {{ ...page.data.legend, ...{zones} }} }})")
    wait(page, "e.dataset.by === 'zone'")
    assert page.evaluate("page.root().tripletscope.state().camera.zoom") > 1.7
    page.evaluate("page.push({ places: 'other', space: 'umap', wanted: 'umap' })")
    wait(page, "e.dataset.space === 'umap' && e.tripletscope.state().camera.zoom === 1")
    page.evaluate("page.push({ places: 'places', space: 'pca', wanted: 'pca' })")
    wait(page, "e.dataset.space === 'pca' && e.tripletscope.state().camera.zoom > 1.7")
    page.evaluate("page.leave(); page.push({})")  # the page was drawn anew
    wait(page, "e && e.dataset.ready === 'true' && e.tripletscope.state().camera.zoom > 1.7")


def test_very_many_rows_are_a_density_and_points_when_one_looks_closer(open_map):
    page = open_map("?view=large.json")
    assert said(page, "dense") == "true"
    assert "density of 150,000 rows" in page.inner_text(".ts-cloud-note")
    page.focus(".ts-cloud-surface")
    for _ in range(4):
        page.keyboard.press("+")
        page.wait_for_timeout(200)
    wait(page, "e.dataset.dense === 'false'")
    assert not page.is_visible(".ts-cloud-note")
    spot = page.evaluate(
        "(() => { const e = page.root(); const b = e.querySelector('.ts-cloud-surface').getBoundingClientRect();"
        " for (let i = 0; i < 150000; i++) { const p = e.tripletscope.project(i);"
        " if (Math.hypot(p.x - b.left - b.width / 2, p.y - b.top - b.height / 2) < 30) return { row: i, ...p }; } })()"
    )
    page.mouse.click(spot["x"], spot["y"])
    assert asked(page)[-1]["kind"] in ("row", "peek")


@pytest.mark.parametrize("query", ["", "?dark"])
def test_axe_finds_nothing(open_map, query):
    page = open_map(query)
    mark = "{ kind: 'hits', title: 'found', count: 3, key: 'hits' }"
    job = "{ words: 'UMAP: 40%', share: 0.4, what: 'space' }"
    page.evaluate(f"page.push({{ search: {{ text: 'x', count: 3, key: 'hits' }}, marks: [{mark}], job: {job} }})")
    page.wait_for_selector(".ts-cloud-job:visible")
    page.wait_for_timeout(700)  # a screen reader hears the map when it is at rest
    assert "239 of 240 rows" in page.inner_text(".ts-cloud [role=status].ts-sr")
    found = Axe().run(page).response["violations"]
    told = [f"{one['id']}: {node['html'][:160]} {node.get('failureSummary')}" for one in found for node in one["nodes"]]
    assert told == []


def test_on_the_page_a_click_goes_to_python_and_back(browser, tmp_path):
    server = Server(tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    find = (
        "(() => { for (const e of document.querySelectorAll('*')) {"
        " const r = e.shadowRoot?.querySelector('.ts-cloud'); if (r) return r; } return null; })()"
    )
    try:
        page.goto(f"{server.address}/inspect?set=flawed")
        ready = f"{find}?.dataset.ready === 'true' && {find}.dataset.coloured !== ''"
        page.wait_for_function(ready, timeout=90_000)
        page.wait_for_selector("text=stay out of mining", timeout=90_000)  # findings are there: nothing moves any more
        page.wait_for_function(ready, timeout=90_000)
        cloud = page.evaluate_handle(find)
        cloud.evaluate("e => e.tripletscope.look({ x: 0, y: 0, zoom: 1.2 })")
        spot = cloud.evaluate(
            "e => { const box = e.querySelector('.ts-cloud-surface').getBoundingClientRect();"
            " const at = e.tripletscope.project(100); return { x: at.x - box.left, y: at.y - box.top }; }"
        )
        # Within the surface: Playwright waits until it no longer moves.
        cloud.query_selector(".ts-cloud-surface").click(position=spot)
        page.wait_for_function(f"{find}?.tripletscope.state().data.lines?.row >= 0", timeout=60_000)
        row = page.evaluate(f"{find}.tripletscope.state().data.row")
        page.wait_for_function(f"location.search.includes('row={row}')", timeout=30_000)
        cloud.query_selector(".ts-cloud-select").select_option("finding")
        page.wait_for_function(f"{find}?.tripletscope.state().data.legend?.palette === 'findings'", timeout=60_000)
        page.get_by_text("Columns", exact=True).click()  # more stands above the map now
        page.wait_for_selector(".st-key-mapping-card", timeout=60_000)
        page.wait_for_selector(SETTLED, timeout=60_000)
        same = f"e => e.isConnected && {find} === e && e.tripletscope.state().camera.zoom === 1.2"
        assert cloud.evaluate(same), "it was one and the same map all the time"
        assert page.locator(".ts-cloud").count() == 1
        assert "colour=finding" in page.url
    finally:
        page.close()
        server.stop()
