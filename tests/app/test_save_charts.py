"""Every chart of Watch, and the maps and curves of Inspect, as files: what is downloaded is opened and compared."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.app.harness import fake
from tests.app.harness.page import settle, where
from tests.app.test_browser_mine import GAPS, curve, shares  # noqa: F401  a fixture
from tests.app.test_cloud_browser import CENTRE, EXTENT, N, made, open_map  # noqa: F401  fixtures

pytestmark = pytest.mark.browser
SVG = "{http://www.w3.org/2000/svg}"
DIGEST = "fake-random"
#: The panels of Watch by what their button says, with what they can be saved as.
PANELS = {
    "Map": "png svg csv",
    "Distance ruler": "png svg csv",
    "Triplet plane": "png svg csv",
    "Film strip: picks over time": "png svg csv",
    "What happened here": "csv",
    "R@1": "png svg csv",
    "Spread, in margins (log)": "png svg csv",
    "Violating share": "png svg csv",
    "Zones of the watched run": "png svg csv",
    "Loss (not comparable)": "png svg csv",
    "Violating share by class": "png svg csv",
    "Pairs that violate most": "png svg csv",
    "Gaps": "png svg csv",
    "Who is picked for whom": "png svg csv",
    "Most picked negatives": "png svg csv",
    "How long a pick lasts": "png svg csv",
}


def save(page: Any, panel: str, kind: str, to: Path) -> Path:
    """What a click on the button and then on the kind downloads."""
    opener = page.get_by_role("button", name=f"Save: {panel}", exact=True)
    opener.scroll_into_view_if_needed()
    box = page.locator(".ts-save").filter(has=opener)
    if opener.get_attribute("aria-expanded") == "false":
        opener.click()
    with page.expect_download() as waiting:
        box.locator(f"[data-file={kind}]").click()
    file = to / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def table(page: Any, panel: str, to: Path) -> pd.DataFrame:
    return pd.read_csv(save(page, panel, "csv", to), keep_default_na=False, na_values=[""])


def drawing(file: Path) -> ET.Element:
    """The drawing, looked at: it is well-formed, needs nothing from elsewhere and holds no broken number."""
    text = file.read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"\b(NaN|undefined|Infinity|null)\b", re.sub(r">[^<]*<", "><", text))
    assert "var(--" not in text
    assert "color-mix" not in text
    assert " class=" not in text
    for link in re.findall(r'(?:href|src)="([^"]*)"', text):
        assert link.startswith("data:image/png;base64,"), link[:60]
    for name in re.findall(r"url\(#([^)]+)\)", text):
        assert f'id="{name}"' in text, name
    assert set(re.findall(r"url\(([^#)][^)]*)\)", text)) == set()
    return root


def caption(root: ET.Element) -> str:
    return " ".join(part.text or "" for part in root.iter(f"{SVG}text") if part.get("data-part") == "caption")


def panel_of_all(page: Any) -> None:
    """Panels below the first screen draw when somebody comes near."""
    for name in (".ts-violations", ".ts-rivals"):
        page.locator(name).scroll_into_view_if_needed()
        page.wait_for_selector(f"{name}:not([data-empty]):not([data-without])")
    page.wait_for_selector(".ts-hub")
    page.wait_for_selector(".ts-matrix-cell")
    settle(page)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_every_panel_can_be_saved_and_the_picture_is_a_picture(open_page, truth, tmp_path, dark):
    page = open_page(query="?dark" if dark else "", accept_downloads=True)
    panel_of_all(page)
    offered = {
        box.locator(".ts-save-button").get_attribute("aria-label").removeprefix("Save: "): " ".join(
            button.get_attribute("data-file") for button in box.locator(".ts-file").all()
        )
        for box in page.locator(".ts-save").all()
        if box.is_visible()  # curves that only a run with planted wrong labels has are hidden
    }
    assert offered == PANELS
    step = str(page.evaluate("harness.root().dataset.step"))
    for panel in [name for name, kinds in PANELS.items() if "svg" in kinds]:
        vector = save(page, panel, "svg", tmp_path)
        root = drawing(vector)
        assert f"-step-{step}-" in vector.name
        told = caption(root)
        assert f"step {step}" in told, panel
        assert "strategy " in told
        size = [int(root.get(side)) for side in ("width", "height")]
        with Image.open(save(page, panel, "png", tmp_path)) as picture:
            assert picture.size == (3 * size[0], 3 * size[1]), panel
            grey = np.asarray(picture.convert("L"), dtype=float)
        ground = grey[3, 3]
        assert (ground < 128) == dark
        inked = np.abs(grey - ground) > 24
        assert inked.mean() > 0.004, panel
        # Drawn at its own size, not enlarged: in an enlarged picture no edge is as sharp as a pixel.
        assert np.abs(np.diff(grey, axis=1)).max() > 90, panel


def test_the_map_has_a_mark_for_every_sample_where_it_is(open_page, truth, tmp_path):
    page = open_page(accept_downloads=True)
    file = save(page, "Map", "svg", tmp_path)
    assert file.name == f"{DIGEST}-step-30-map-exact.svg"
    root = drawing(file)
    points = [part for part in root.iter(f"{SVG}g") if part.get("data-part") == "points"]
    marks = [(float(c.get("cx")), float(c.get("cy"))) for group in points for c in group.iter(f"{SVG}circle")]
    n = page.evaluate("Number(harness.root().dataset.n)")
    assert len(marks) == n
    box = page.locator(".ts-map").bounding_box()
    for index in (0, 7, n - 1):
        x, y = where(page, index)
        near = min(np.hypot(mx - (x - box["x"]), my - (y - box["y"])) for mx, my in marks)
        assert near < 0.05 + 1.5, index  # the border of the panel
    told = table(page, "Map", tmp_path)
    at = truth["frames"].index(30)
    np.testing.assert_allclose(told[["x (exact)", "y (exact)"]], truth["positions"][DIGEST][at], rtol=1e-6)
    assert (told["class"].astype(str) == truth["labels"].astype(str)).all()
    assert (told["role"] == "anchor").sum() == 1
    anchor = int(page.evaluate("Number(harness.root().dataset.anchor)"))
    assert told["role"][anchor] == "anchor"
    positions = truth["positions"][DIGEST][at].astype(np.float64)
    np.testing.assert_allclose(
        told["distance to anchor (euclidean)"], np.hypot(*(positions - positions[anchor]).T), rtol=1e-4, atol=1e-5
    )
    assert set(told["step"]) == {30}


def test_ruler_strip_and_plane_as_tables_equal_the_answer(open_page, truth, tmp_path):
    page = open_page(accept_downloads=True)
    anchor = int(page.evaluate("Number(harness.root().dataset.anchor)"))
    positive = int(page.evaluate("Number(harness.root().dataset.positive)"))
    frames, labels = truth["frames"], truth["labels"]
    want = fake.answer(truth["positions"][DIGEST], labels, frames, anchor)
    at = frames.index(30)
    far = dict(zip(want["candidates"], want["distances"][at], strict=True))

    told = table(page, "Distance ruler", tmp_path)
    assert set(told["id"][told["role"] == "positive"]) == set(want["positives"])
    assert set(told["id"][told["role"] == "negative"]) == set(want["negatives"])
    np.testing.assert_allclose(told["distance to anchor (euclidean)"], [far[i] for i in told["id"]], rtol=1e-5)
    negatives = told[told["role"] == "negative"]
    gaps = np.array([np.float32(far[i] - far[positive]) for i in negatives["id"]])
    zones = np.where(gaps <= 0, "hard", np.where(gaps >= 1, "easy", "semi-hard"))
    assert negatives["zone"].tolist() == zones.tolist()
    picked = want["negatives"][want["picks"]["hardest"][at, want["positives"].index(positive)]]
    assert "hardest" in negatives.set_index("id").loc[picked, "chosen or picked by"].split("; ")

    cells = table(page, "Film strip: picks over time", tmp_path)
    assert len(cells) == 8 * len(frames)
    row = want["positives"].index(positive)
    for name in ("semi-hard", "hardest"):
        mine = cells[cells["strategy"] == name].set_index("step")
        for frame, step in enumerate(frames):
            place = want["picks"][name][frame, row]
            if place < 0:
                assert mine.loc[step, "kind"] == "abstains"
            else:
                assert mine.loc[step, "negative"] == want["negatives"][place]
                assert mine.loc[step, "class of negative"] == labels[want["negatives"][place]]

    plane = table(page, "Triplet plane", tmp_path)
    own = plane[plane["what"] == "triplet of the anchor"]
    assert len(own) == len(want["positives"]) * len(want["negatives"])
    np.testing.assert_allclose(own["d(a,n) (euclidean)"], [far[i] for i in own["negative"]], rtol=1e-5)
    counted = page.locator(".ts-plane").evaluate("panel => panel.tripletscopePlane().total")
    assert plane["triplets"][plane["what"].str.startswith("cell")].sum() == counted


def test_curves_and_violations_as_tables_equal_the_run(open_page, truth, tmp_path):
    page = open_page(accept_downloads=True)
    panel_of_all(page)
    told = table(page, "R@1", tmp_path)
    for strategy in fake.RACE:
        series = truth["series"][f"fake-{strategy}"]["recall_at_1"]
        mine = told[told["strategy"] == strategy]
        assert mine["step"].tolist() == truth["frames"]
        np.testing.assert_allclose(mine["recall_at_1"], series[truth["frames"]], rtol=1e-6)
    by_class = table(page, "Violating share by class", tmp_path)
    now = by_class[by_class["step"] == 30]
    gaps = table(page, "Gaps", tmp_path)
    sums = gaps.groupby("zone")["triplets of the cohort"].sum()
    assert sums["hard"] + sums["semi-hard"] == now["violating"].sum()
    assert sums.sum() == now["triplets of the cohort"].sum()
    pairs = table(page, "Pairs that violate most", tmp_path)
    assert pairs["violating"].is_monotonic_decreasing
    assert pairs["violating"].sum() == now["violating"].sum()  # a hundred pairs hold all ten classes
    heat = drawing(save(page, "Violating share by class", "svg", tmp_path))
    cells = next(part for part in heat.iter(f"{SVG}g") if part.get("data-part") == "cells")
    assert len(list(cells)) > 100
    picks = table(page, "Who is picked for whom", tmp_path)
    assert (picks["class of anchor"] != picks["class of negative"]).all()
    top = table(page, "Most picked negatives", tmp_path)
    assert top["picks"].is_monotonic_decreasing
    assert len(top) == page.locator(".ts-hub").count()
    assert {"strategy", "step", "severity", "evidence"} <= set(table(page, "What happened here", tmp_path).columns)


def test_the_button_is_reached_and_used_by_keyboard(open_page, truth, tmp_path):
    page = open_page(accept_downloads=True)
    opener = page.get_by_role("button", name="Save: Triplet plane", exact=True)
    step = page.evaluate("harness.root().dataset.step")
    hidden = "b => Number(getComputedStyle(b).opacity)"
    page.mouse.move(2, 2)
    page.wait_for_function(
        f"() => {{ const b = harness.root().querySelector('.ts-plane .ts-save-button'); return ({hidden})(b) === 0; }}"
    )
    page.locator(".ts-plane").scroll_into_view_if_needed()
    opener.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # the keyboard came here, and the button shows
    page.wait_for_function(
        f"() => {{ const b = harness.root().querySelector('.ts-plane .ts-save-button'); return ({hidden})(b) === 1; }}"
    )
    page.keyboard.press("Enter")
    assert opener.get_attribute("aria-expanded") == "true"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith("-plane.csv")
    opener.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert opener.get_attribute("aria-expanded") == "false"
    assert page.evaluate("harness.root().dataset.step") == step, "arrow keys in the menu move no time"


def test_words_of_a_file_stay_words_in_every_file(open_page, site, tmp_path):
    names = ['</text><script>alert(1)</script>"&', "=1+1", *[f"c{i}\u202e" for i in range(8)]]
    fake.build(site[0] / "hostile-files", names=names)
    page = open_page("hostile-files", accept_downloads=True)
    text = save(page, "Map", "svg", tmp_path)
    drawing(text)
    assert "<script" not in text.read_text(encoding="utf-8")
    told = table(page, "Map", tmp_path)
    assert "'=1+1" in set(told["class"])
    assert names[0] in set(told["class"])
    with Image.open(save(page, "Map", "png", tmp_path)) as picture:
        assert picture.width > 600


def test_the_map_of_a_set_is_saved_with_its_rows_and_a_large_one_as_a_picture(open_map, tmp_path):  # noqa: F811
    page = open_map(accept_downloads=True)
    root = drawing(save(page, "Map of the set", "svg", tmp_path))
    points = [part for part in root.iter(f"{SVG}g") if part.get("data-part") == "points"]
    assert sum(len(list(group)) for group in points) == N - 1  # one row has no place
    assert "PCA, 29% of variance" in caption(root)
    told = table(page, "Map of the set", tmp_path)
    assert len(told) == N - 1
    assert told["id"].tolist() == [f"id-{row}" for row in range(N) if row != 2]
    np.testing.assert_allclose(told.loc[0, ["x (pca)", "y (pca)"]].astype(float), CENTRE, atol=EXTENT / 30_000)
    assert told["colour: label"].isna().sum() == sum(row % 5 == 0 for row in range(N))

    page = open_map("?view=large.json", accept_downloads=True)
    file = save(page, "Map of the set", "svg", tmp_path)
    root = drawing(file)
    assert len(list(root.iter(f"{SVG}image"))) == 1  # squares of a density: a picture inside
    assert file.stat().st_size < 3_000_000
    with Image.open(save(page, "Map of the set", "png", tmp_path)) as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 200
    assert len(table(page, "Map of the set", tmp_path)) == 150_000


def test_the_margin_curve_is_saved_as_it_stands(curve, tmp_path):  # noqa: F811
    page = curve(margin=0.1)
    name = "Share of pairs that violate, against the margin"
    told = table(page, name, tmp_path)
    chosen = told[told["chosen"] == 1]
    hard, semi, easy = (count / len(GAPS) for count in shares(0.1))
    np.testing.assert_allclose(chosen[["hard (share)", "semi-hard (share)", "easy (share)"]], [[hard, semi, easy]])
    assert chosen["margin (cosine)"].tolist() == [0.1]
    assert told["violating (share)"].is_monotonic_increasing
    root = drawing(save(page, name, "svg", tmp_path))
    assert page.inner_text(".ts-gap-words") == caption(root)
    with Image.open(save(page, name, "png", tmp_path)) as picture:
        assert picture.width > 1500
