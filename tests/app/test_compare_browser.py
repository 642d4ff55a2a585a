"""The Compare page in a real browser: scrub, anchor, what is held equal, files, links, and what axe says of it."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from tests.app import test_browser_watch, tiny
from tests.app.test_accessible import RULES, ours
from tests.app.test_browser_watch import Server, Watched

from tripletscope import Run
from tripletscope.analysis.difference import difference
from tripletscope_app import component

pytestmark = pytest.mark.browser
ROOT = ".ts-compare[data-ready=true]"
LATER = 240_000  # ms: a helper imports torch and works agreement out, on a machine that others share
LINKS = "runs%2Frandom,runs%2Fsemi-hard,runs%2Fbatch-hard"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("compare")
    tiny.race(place / "runs")
    return place


@pytest.fixture(scope="module")
def server(folder):
    started = Server(folder, folder / "runs")
    yield started
    started.stop()


@pytest.fixture
def compared(browser, server, monkeypatch):
    pages = []

    def open_(query: str = "", **options) -> Watched:
        monkeypatch.setattr(test_browser_watch, "ROOT", ROOT)
        page = Watched(browser, server, f"/compare?runs={LINKS}{query}", accept_downloads=True, **options)
        pages.append(page)
        page.page.set_viewport_size({"width": 1280, "height": 1000})
        page.page.wait_for_selector(f"{ROOT}[data-figures='2']", timeout=LATER)
        page.settle()
        return page

    yield open_
    for page in pages:
        assert not page.outside
        assert not [text for text in page.complaints if "404" not in text]  # of Streamlit's own start on a sub-page
        page.close()


def number(page, run: str, name: str) -> str:
    return page.locator(f".ts-compare-cell[data-run='{run}'] [data-name='{name}'] dd").inner_text()


def test_one_clock_moves_all_maps_and_python_hears_of_the_end_only(compared, folder):
    page = compared("&step=5&anchor=2")
    assert page.root("step") == "5"
    for name in ("random", "semi-hard", "batch-hard"):
        table = Run.open(folder / "runs" / name).scalars.set_index("step")
        assert number(page.page, name, "recall_at_1") == f"{table.loc[5, 'recall_at_1']:.3f}"
        assert number(page.page, name, "map_at_r") == f"{table.loc[5, 'map_at_r']:.3f}"
        assert number(page.page, name, "mined") == str(int(table["mined"].loc[:4].sum()))
    titles = page.page.locator(".ts-compare-cell").first.locator("dt").all_inner_texts()
    assert titles[0].startswith("R@1")
    assert titles[-1].startswith("loss")
    page.quiet(1.5)
    slider = page.page.get_by_role("slider").first
    box = slider.bounding_box()
    before = page.sent
    where = "(root, map) => root.tripletscope.place(map, 3)"
    places = [page.page.locator(ROOT).evaluate(where, k) for k in range(3)]
    page.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
    page.page.mouse.down()
    for share in (0.3, 0.7, 0.97):
        page.page.mouse.move(box["x"] + box["width"] * share, box["y"] + 10, steps=3)
        page.page.wait_for_timeout(150)
    assert page.sent == before
    for k in range(3):
        assert page.page.locator(ROOT).evaluate(where, k) != places[k]
    page.page.mouse.up()
    page.page.wait_for_function("() => new URL(location).searchParams.get('step') === '12'")
    assert page.root("step") == "12"


@pytest.mark.parametrize("apart", [0.0, 0.3, 0.7])
def test_the_maps_open_with_every_run_in_view(browser, apart):
    """One camera for all: a run that lies elsewhere is not cut off, and runs over each other fill their maps."""
    code = "\n".join(component._IMPORT.sub("", component._read(name)) for name in ("dom.js", "camera.js"))
    clouds = [{"x": 0.0, "y": 0.0, "radius": 0.2}, {"x": apart, "y": -apart, "radius": 0.05}]
    page = browser.new_page()
    camera = page.evaluate(
        """async ([code, clouds]) => {
          const page = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
          return page.cameraOver(clouds, 4.5);
        }""",
        [code, clouds],
    )
    page.close()
    assert 1 <= camera["zoom"] <= 4.5
    assert (camera["zoom"] == 4.5) == (apart == 0), "as near as the widest allows where nothing else is asked for"
    for cloud in clouds:
        for axis in "xy":
            assert abs(cloud[axis] - camera[axis]) + cloud["radius"] <= 1 / camera["zoom"] + 1e-9


def test_a_click_on_a_point_makes_it_the_anchor_everywhere(compared):
    page = compared("&step=12&anchor=2")
    spot = page.page.locator(ROOT).evaluate("root => root.tripletscope.place(1, 20)")
    page.page.mouse.click(spot["x"], spot["y"])
    page.until("root.dataset.anchor !== '2'")
    anchor = page.root("anchor")
    page.page.wait_for_function("a => new URL(location).searchParams.get('anchor') === a", arg=anchor)
    said = "[...root.querySelectorAll('.ts-compare-pick')].map((line) => line.innerText.trim())"
    page.until(f"{said}.length === 3 && {said}.every((line) => /^picks |abstains/.test(line))")


def test_fair_by_changes_the_axis_the_ranking_and_the_link(compared, folder):
    page = compared("&step=5")
    note = page.page.locator(".ts-compare-note")
    assert "Equal: 12 optimiser steps" in note.inner_text()
    chart = page.page.locator("[data-name=recall_at_1] svg.ts-compare-drawing")
    first = chart.inner_html()
    page.page.locator("[data-fair=triplets]").click()
    page.until("root.dataset.fair === 'triplets'")
    page.page.wait_for_function("() => new URL(location).searchParams.get('fair') === 'triplets'")
    least = min(
        len(Run.open(folder / "runs" / name).pick_rows(training=True)["step"]) for name in ("random", "batch-hard")
    )
    assert f"Equal: {least:,} triplets" in note.inner_text()
    assert "Not equal" in note.inner_text()
    assert chart.inner_html() != first
    assert "triplets mined" in chart.inner_html()


def saved(page, figure: str, kind: str, to: Path) -> Path:
    with page.page.expect_download() as waiting:
        page.page.locator(f".ts-compare-chart[data-name={figure}] [data-file={kind}]").click()
    file = to / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def table_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


def test_charts_are_taken_along_as_picture_and_as_numbers(compared, folder, tmp_path):
    page = compared("&step=5")
    run = Run.open(folder / "runs" / "semi-hard")
    rows = table_of(saved(page, "recall_at_1", "csv", tmp_path))
    mine = {float(row["steps"]): float(row["recall_at_1"]) for row in rows if row["run"] == "semi-hard"}
    table = run.scalars[["step", "recall_at_1"]].dropna()
    assert list(mine) == table["step"].tolist()
    np.testing.assert_allclose(list(mine.values()), table["recall_at_1"], rtol=1e-6)
    tree = ET.parse(saved(page, "spread", "svg", tmp_path)).getroot()
    assert tree.tag.endswith("svg")
    assert len(tree.findall(".//{http://www.w3.org/2000/svg}path")) >= 3
    with Image.open(saved(page, "matrix", "png", tmp_path)) as picture:
        assert picture.width > 300
        assert len(picture.convert("L").getcolors()) > 5
    matrix = table_of(saved(page, "matrix", "csv", tmp_path))
    assert len(matrix) == 9
    page.page.wait_for_selector(".ts-compare-changed li")
    changed = table_of(saved(page, "difference", "csv", tmp_path))
    one, other = (Run.open(folder / "runs" / name) for name in ("random", "semi-hard"))
    wanted = difference(np.asarray(one.frames[5]), np.asarray(other.frames[5]))
    order = [str(one.samples.ids[one.probe_rows[i]]) for i in wanted.most_changed]
    assert [row["id"] for row in changed][: len(order)] == order


def test_picks_are_asked_or_recorded_and_runs_are_paired(compared, folder):
    page = compared("&step=5&picks=recorded&pair=1-2")
    count = int(
        page.page.locator("[data-name=zones] rect[data-run=semi-hard][data-zone=semi-hard]").get_attribute("data-count")
    )
    assert count == Run.open(folder / "runs" / "semi-hard").lines[5]["mined_semi_hard"]
    assert page.page.locator("select[aria-label='first run']").input_value() == "1"
    page.page.locator("select[aria-label='second run']").select_option("0")
    page.page.wait_for_function("() => !new URL(location).searchParams.has('pair')")
    page.page.wait_for_selector(".ts-compare-changed li")


def test_without_a_graphics_card_the_page_paints_the_same_points(compared):
    def picture(wanted: str, kind: str) -> np.ndarray:
        page = compared("&step=5&anchor=2", script=f"globalThis.__tripletscope_renderer = '{wanted}';")
        assert page.root("renderer") == kind
        surface = page.page.locator(".ts-compare-canvas").first
        page.page.mouse.move(1, 1)
        box = surface.bounding_box()
        return np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=box))).convert("RGB")).astype(int)

    card, none = picture("webgl", "webgl2"), picture("canvas", "pixels")
    ground = np.abs(card - card[40, 5]).sum(2) > 60  # what is drawn, and not ground
    assert ground.mean() > 0.005
    away = np.abs(card - none).max(2)
    # A point is placed to a quarter of a pixel, so its rim may differ a little; one that is missing, twice as large or
    # of another colour is far from that.
    assert away[ground].mean() < 12
    assert (away > 90).sum() < 0.05 * ground.sum()


def test_what_lies_over_the_points_is_painted_anew_and_goes_again(compared):
    page = compared("&step=5&anchor=2", script="globalThis.__tripletscope_renderer = 'canvas';")
    surface = page.page.locator(".ts-compare-canvas").first
    box = surface.bounding_box()
    page.page.mouse.move(1, 1)
    bare = page.page.screenshot(clip=box)
    spot = page.page.locator(ROOT).evaluate("(root, map) => root.tripletscope.place(map, 7)", 0)
    page.page.mouse.move(spot["x"], spot["y"])
    page.until("root.tripletscope.state().hover")
    page.page.wait_for_timeout(100)
    assert page.page.screenshot(clip=box) != bare
    page.page.mouse.move(1, 1)
    page.until("!root.tripletscope.state().hover")
    page.page.wait_for_timeout(100)
    assert page.page.screenshot(clip=box) == bare


def test_keys_move_time(compared):
    page = compared("&step=5")
    page.page.keyboard.press("End")
    page.until("root.dataset.step === '12'")
    page.page.keyboard.press("ArrowLeft")
    page.until("root.dataset.step === '11'")
    page.page.keyboard.press("Space")
    page.until("root.tripletscope.state().playing || root.dataset.step === '12'")


def test_a_map_is_taken_along_as_picture_drawing_and_table(compared, folder, tmp_path):
    page = compared("&step=5&anchor=2")
    run = Run.open(folder / "runs" / "semi-hard")
    files = {}
    for kind in ("svg", "png", "csv"):
        cell = page.page.locator(".ts-compare-cell[data-run=semi-hard]")
        cell.scroll_into_view_if_needed()
        cell.locator(".ts-save-button").click()
        with page.page.expect_download() as waiting:
            cell.locator(f"[data-file={kind}]").click()
        files[kind] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(files[kind])
    assert files["png"].name == "semi-hard-step-5-map-exact.png"
    root = ET.parse(files["svg"]).getroot()
    group = next(part for part in root.iter() if part.get("data-part") == "points")
    spots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in group]
    box = page.page.locator(".ts-compare-cell[data-run=semi-hard] .ts-compare-canvas").bounding_box()
    at = page.page.locator(ROOT).evaluate("root => root.tripletscope.place(1, 2)")
    assert min(abs(x + box["x"] - at["x"]) + abs(y + box["y"] - at["y"]) for x, y in spots) < 3
    words = " ".join(part.text or "" for part in root.iter() if part.get("data-part") == "caption")
    assert "run semi-hard" in words
    assert "step 5" in words
    with Image.open(files["png"]) as picture:
        assert picture.width == 3 * int(root.get("width"))
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50
    rows = table_of(files["csv"])
    points = np.asarray(run.frames[5])
    np.testing.assert_allclose([[float(row["x (exact)"]), float(row["y (exact)"])] for row in rows], points, rtol=1e-5)
    assert [row["role"] for row in rows].count("anchor") == 1
    assert rows[2]["role"] == "anchor"


def test_every_number_on_the_page_is_the_runs(compared, folder):
    """What is written under each map, what the ranking says and what the curves hold, against `Run`, at two steps."""
    page = compared("&step=5")
    names = ("random", "semi-hard", "batch-hard")
    tables = {name: Run.open(folder / "runs" / name).scalars.set_index("step") for name in names}

    def small(value: float) -> str:
        if 0 < value < 0.0005:
            return "<.001"
        return f"{value:,.0f}" if value >= 100 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"

    for step in (5, 11):
        while page.root("step") != str(step):
            page.page.keyboard.press("ArrowRight")
            page.page.wait_for_timeout(100)
        page.until("!root.tripletscope.state().dragging && !root.tripletscope.state().playing")
        for name, table in tables.items():
            line = table.loc[step]
            assert number(page.page, name, "recall_at_1") == f"{line['recall_at_1']:.3f}"
            assert number(page.page, name, "map_at_r") == f"{line['map_at_r']:.3f}"
            assert number(page.page, name, "spread") == small(line["spread"])
            assert number(page.page, name, "loss") == small(line["loss"])
            assert number(page.page, name, "mined") == f"{int(table['mined'].loc[: step - 1].sum()):,}"
            percent = number(page.page, name, "violating_share")
            share = line["violating"] / line["eligible"]
            assert percent == (
                "<1 %" if 0 < share < 0.005 else ">99 %" if 0.995 < share < 1 else f"{share:.0%}".replace("%", " %")
            )
    standings = page.page.locator(".ts-compare-order li").all_inner_texts()
    ends = sorted((table["recall_at_1"].dropna().iloc[-1] for table in tables.values()), reverse=True)
    assert [float(text.split()[-1]) for text in standings] == pytest.approx(ends, abs=5e-4)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (900, True), (1920, False)])
def test_axe_finds_nothing(compared, width, dark):
    page = compared("&step=5", color_scheme="dark" if dark else "light")
    page.page.set_viewport_size({"width": width, "height": 1000})
    page.page.wait_for_selector(".ts-compare-changed li")
    page.settle()
    report = Axe().run(page.page, options=RULES).response
    wrong = [
        f"{violation['id']}: {json.dumps(node['target'])}\n    {node['html'][:200]}\n    {node.get('failureSummary')}"
        for violation in report["violations"]
        for node in violation["nodes"]
        if ours(node)
    ]
    assert not wrong, "\n".join(wrong)
    assert len(report["passes"]) > 10
