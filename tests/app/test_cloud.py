"""The map of the Inspect page: what is asked about it, what goes to the browser, and what the browser asks for."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.test_rule import HOSTILE, opened_set, quiet

from tripletscope.errors import DataError
from tripletscope.zones import zone_codes_numpy
from tripletscope_app.component.pack import unpack
from tripletscope_app.desk import map_questions
from tripletscope_app.desk.held import Cancelled, Held
from tripletscope_app.inspecting import exclusions, map_panel, view
from tripletscope_app.inspecting.opened import Opened

CLASSES = 5


def small(**more: Any) -> Any:
    from tripletscope.embeddings.embedding_set import EmbeddingSet

    rng = np.random.default_rng(3)
    labels = np.arange(40) % CLASSES
    vectors = rng.normal(size=(40, 6)).astype(np.float32) + labels[:, None]
    given = {"ids": np.arange(40) + 100, "labels": labels, "class_names": list("abcde"), **more}
    return EmbeddingSet(name="small", vectors=vectors, **given)


def held_of(**more: Any) -> Held:
    held = Held()
    held.set = small(**more)
    return held


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A session of its own, an address that nobody sees, and nothing that is drawn again."""
    state: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    monkeypatch.setattr("streamlit.rerun", lambda *_, **__: state.update(rerun=state.get("rerun", 0) + 1))
    monkeypatch.setattr(view, "write_url", lambda: None)
    return state


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return with_folder(opened_set(small()), tmp_path)


def with_folder(opened: Opened, folder: Path) -> Opened:
    opened.desk.folder = folder
    opened.desk.ask = opened.desk.again = opened.desk.once  # type: ignore[method-assign]
    return replace(opened)


def colour(held: Held, by: str, **more: Any) -> dict[str, Any]:
    given = {"distance": "euclidean", "margin": 1.0, "strategy": "semi-hard", **more}
    return map_questions.map_colour(held, quiet, by=by, **given)


# ---- places


def test_places_are_the_map_within_a_step_of_the_grid(tmp_path: Path) -> None:
    from tripletscope.analysis.set_map import make_map

    held = held_of()
    told = map_questions.map_places(held, quiet, space="pca", distance="cosine", folder=str(tmp_path))
    made = make_map(held.opened().vectors, "pca", distance="cosine")
    back = (2 * told["places"].astype(float) / (map_questions.NOWHERE - 1) - 1) * told["extent"] + told["centre"]
    assert np.abs(back - made.positions).max() <= told["extent"] / map_questions.NOWHERE * 1.1
    assert told["there"] == 40
    assert np.isnan(told["kept"])
    numbers = map_questions.map_numbers(held, quiet, space="pca", distance="cosine", folder=str(tmp_path))
    assert 0 < numbers["kept"] <= 1
    assert numbers["measured"] == 40


def test_own_places_and_rows_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = np.stack([np.arange(40), np.arange(40) ** 2], axis=1).astype(np.float32)
    own[7] = np.nan
    held = held_of(positions=own)
    told = map_questions.map_places(held, quiet, space="own", distance="cosine", folder=str(tmp_path))
    assert told["places"][7].tolist() == [map_questions.NOWHERE] * 2
    assert told["there"] == 39
    assert told["places"][np.arange(40) != 7].max() < map_questions.NOWHERE
    with pytest.raises(DataError, match="x and y"):
        map_questions.map_places(held_of(), quiet, space="own", distance="cosine", folder=str(tmp_path))


def test_a_umap_is_made_apart_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path / "cache"))
    held = held_of()
    held.set = held.set.take(np.arange(12))  # type: ignore[union-attr]  # so few are drawn by PCA: no import of umap
    ask = {"space": "umap", "distance": "cosine"}
    assert map_questions.map_ready(held, quiet, **ask) == {"ready": False}
    told = map_questions.map_places(held, quiet, **ask, folder=str(tmp_path))
    assert told["there"] == 12
    assert told["measured"] == 12
    assert map_questions.map_ready(held, quiet, **ask) == {"ready": True}
    assert not list(tmp_path.glob("*.npy")), "the copy of the vectors is gone"


def test_a_process_is_listened_to_and_ended() -> None:
    told: list[tuple[int, int]] = []
    say = (
        "import json,sys;print('noise');print(json.dumps({'state':'running','done':1,'total':4}));"
        "print(json.dumps({'state':'ready'}))"
    )
    map_questions._run_told([sys.executable, "-c", say], lambda done, total: told.append((done, total)))
    assert (1, 4) in told
    fail = "import json;print(json.dumps({'state':'failed','message':'The room is too small.'}))"
    with pytest.raises(DataError, match="too small"):
        map_questions._run_told([sys.executable, "-c", fail], quiet)
    with pytest.raises(DataError, match="ended too early"):
        map_questions._run_told([sys.executable, "-c", "raise SystemExit(3)"], quiet)

    def nobody(done: int, total: int) -> None:
        raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        map_questions._run_told([sys.executable, "-c", "import sys; sys.stdin.read()"], nobody)
    assert time.monotonic() - began < map_questions.PATIENCE, "it ends when its input is closed"


# ---- colours


def test_few_classes_keep_their_order_and_many_come_by_size() -> None:
    few = colour(held_of(), "label")
    assert (few["names"], few["counts"].tolist(), few["without"]) == (list("abcde"), [8] * 5, 0)
    assert few["codes"].tolist() == [1 + row % CLASSES for row in range(40)]
    names = [f"class {at}" for at in range(15)]
    labels = np.minimum(np.arange(40) // 2, 14)
    labels[3] = -1
    many = colour(held_of(labels=labels, class_names=names), "label")
    assert many["names"][0] == "class 14"
    assert many["counts"].tolist() == sorted(many["counts"].tolist(), reverse=True)
    assert many["without"] == 1
    assert many["codes"][3] == 0
    for row in range(40):
        if row != 3:
            assert many["names"][many["codes"][row] - 1] == names[labels[row]]


def test_columns_are_amounts_or_names() -> None:
    amounts = np.arange(40.0)
    amounts[5] = np.nan
    columns = {
        "amount": amounts,
        "tail": np.concatenate([np.arange(39.0), [1e9]]),
        "flag": np.arange(40) % 2 == 1,
        "few": np.arange(40) % 3,
        "word": np.array(["x", None, *["y"] * 38], dtype=object),
        "one": np.full(40, 2.0),
    }
    held = held_of(columns=columns)
    told = colour(held, "column:amount")
    assert (told["kind"], told["low"], told["high"], told["without"]) == ("number", 0.0, 39.0, 1)
    assert told["codes"][5] == 0
    assert told["codes"][0] == 1
    assert told["codes"][39] == map_questions.LEVELS
    assert (np.diff(np.delete(told["codes"], 5).astype(int)) >= 0).all()
    tail = colour(held, "column:tail")
    assert tail["high"] < 1e9
    assert tail["clipped"] == [True, True]
    assert colour(held, "column:flag")["names"] == ["no", "yes"]
    assert colour(held, "column:few")["names"] == ["0", "1", "2"]
    word = colour(held, "column:word")
    assert (word["names"], word["counts"].tolist(), word["without"]) == (["x", "y"], [1, 38], 1)
    assert colour(held, "column:one")["codes"].tolist() == [1] * 40
    with pytest.raises(DataError, match="no column 'price'"):
        colour(held, "column:price")
    with pytest.raises(DataError, match="no label"):
        colour(held_of(labels=np.full(40, -1), class_names=[]), "label")


@pytest.mark.parametrize(("strategy", "positive"), [("batch-hard", max), ("easy-positive", min)])
def test_zone_and_loss_are_those_of_plain_loops(strategy: str, positive: Any) -> None:
    held, margin = held_of(), 1.0
    given = held.opened()
    far = np.linalg.norm(given.vectors[:, None].astype(np.float64) - given.vectors[None], axis=2).astype(np.float32)
    gaps = []
    for row in range(40):
        same = [float(far[row, one]) for one in range(40) if one != row and given.labels[one] == given.labels[row]]
        other = [float(far[row, one]) for one in range(40) if given.labels[one] != given.labels[row]]
        gaps.append(np.float32(min(other)) - np.float32(positive(same)))
    zones = colour(held, "zone", strategy=strategy)
    assert zones["names"] == ["hard", "semi-hard", "easy"]
    assert zones["codes"].tolist() == (1 + zone_codes_numpy(np.array(gaps), margin)).tolist()
    assert zones["counts"].sum() == 40
    assert positive.__name__.replace("max", "farthest").replace("min", "nearest") in zones["said"]
    loss = colour(held, "loss", strategy=strategy)
    assert loss["low"] == 0
    wanted = np.clip((margin - np.array(gaps)).clip(min=0) / loss["high"], 0, 1)
    assert np.abs((loss["codes"] - 1) / (map_questions.LEVELS - 1) - wanted).max() < 0.02


def test_another_margin_gives_other_zones_of_the_same_gaps() -> None:
    held = held_of()
    near, wide = (colour(held, "zone", margin=margin)["counts"] for margin in (0.01, 100.0))
    assert near[0] == wide[0]
    assert wide[2] == 0
    assert near[2] > 0


def test_hubness_counts_who_has_a_row_among_its_nearest() -> None:
    held = held_of()
    vectors = held.opened().vectors.astype(np.float64)
    far = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(far, np.inf)
    counts = np.bincount(np.argsort(far, axis=1, kind="stable")[:, :15].ravel(), minlength=40)
    told = colour(held, "hubness")
    shares = np.clip(counts / told["high"], 0, 1)
    assert np.abs((told["codes"] - 1) / (map_questions.LEVELS - 1) - shares).max() < 0.02


def test_a_row_with_findings_has_the_colour_of_the_most_serious() -> None:
    vectors = small().vectors.copy()
    vectors[11] = vectors[3]  # of another class
    held = Held()
    held.set = replace(small(), vectors=vectors, digest="")
    told = colour(held, "finding", distance="cosine")
    seen = map_questions.inspection_of(held, "cosine")
    some = [finding for finding in seen.findings if len(finding.rows)]
    for row in range(40):
        first = next((at for at, finding in enumerate(some, start=1) if row in finding.rows), 0)
        assert told["codes"][row] == first
    assert told["names"] == [finding.title for finding in some]


# ---- rows


def test_a_search_finds_id_class_and_text_and_the_very_id_first() -> None:
    texts = ["Cheese" if row == 5 else "bread 107" if row == 30 else "" for row in range(40)]
    held = held_of(texts=texts, class_names=["apple", "Banana", "c", "d", "e"])

    def rows(text: str) -> list[int]:
        return map_questions.map_search(held, quiet, text=text)["rows"].tolist()

    assert rows("107") == [7, 30]
    assert rows("  cheese ") == [5]
    assert rows("BANANA") == list(range(1, 40, 5))
    assert rows("10") == [*range(11), 30]
    assert rows("nowhere") == rows("") == []
    told = map_questions.map_search(held, quiet, text="107")
    assert (told["count"], told["where"]) == (2, {"id": 1, "text": 1})


def test_inside_a_line_is_what_a_ray_says() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(-1.5, 1.5, size=(300, 2)).astype(np.float32)
    corners = rng.uniform(-1, 1, size=(9, 2))

    def ray(x: float, y: float) -> bool:
        crossings = 0
        for at in range(len(corners)):
            (ax, ay), (bx, by) = corners[at], corners[(at + 1) % len(corners)]
            if (ay > y) != (by > y) and ax + (y - ay) / (by - ay) * (bx - ax) > x:
                crossings += 1
        return crossings % 2 == 1

    wanted = [ray(float(x), float(y)) for x, y in points]
    assert map_questions.inside(points, corners).tolist() == wanted
    assert sum(wanted) > 20
    assert not map_questions.inside(points, corners[:2]).any()


def test_lines_lead_to_the_nearest_in_the_original_space() -> None:
    held = held_of(labels=np.where(np.arange(40) == 9, -1, np.arange(40) % CLASSES))
    given = held.opened()
    far = np.linalg.norm(given.vectors.astype(np.float64) - given.vectors[4], axis=1)
    far[4] = np.inf
    order = np.argsort(far, kind="stable")[: map_questions.LINES]
    told = map_questions.map_lines(held, quiet, row=4, distance="euclidean")
    assert told["rows"] == order.tolist()
    np.testing.assert_allclose(told["far"], far[order], rtol=1e-6)
    wanted = [None if one == 9 else bool(given.labels[one] == given.labels[4]) for one in order]
    assert told["same"] == wanted
    with pytest.raises(DataError, match="no row 99"):
        map_questions.map_lines(held, quiet, row=99, distance="euclidean")


def test_texts_of_a_file_stay_what_they_are() -> None:
    names = [*HOSTILE][:CLASSES]
    held = held_of(
        class_names=names, texts=(HOSTILE * 8)[:40], ids=np.array([f"{HOSTILE[0]}{i}" for i in range(40)], object)
    )
    cards = map_questions.map_cards(held, quiet)
    assert cards["ids"][3] == f"{HOSTILE[0]}3"
    assert cards["class_names"] == names
    card = map_questions.map_card(held, quiet, row=1)
    assert card["text"] == HOSTILE[1]
    table = map_questions.map_rows(held, quiet, rows=[2, 0, 99], distance="cosine", flags=False)
    assert table["columns"]["row"].tolist() == [2, 0]
    assert table["columns"]["text"] == [HOSTILE[2], HOSTILE[0]]


def test_pictures_lie_on_one_sheet() -> None:
    import io

    from PIL import Image

    from tripletscope.embeddings.thumbnails import ArrayPictures

    pixels = np.zeros((40, 8, 8, 3), np.uint8)
    pixels[:, :, :, 0] = np.arange(40)[:, None, None] * 6
    held = held_of(pictures=ArrayPictures(pixels, np.arange(40)))
    told = map_questions.map_cards(held, quiet)
    sheet = np.asarray(Image.open(io.BytesIO(told["sheet"])).convert("RGB")).astype(int)
    for row in (0, 7, 39):
        x, y = (row % told["across"]) * told["cell"], (row // told["across"]) * told["cell"]
        middle = sheet[y + told["cell"] // 2, x + told["cell"] // 2]
        assert abs(middle[0] - 6 * row) < 16
    assert told["pixelated"]


# ---- the panel


def drawn(opened: Opened) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the component gets, the bytes it refers to, unpacked)."""
    drawing = map_panel.Drawing(opened, map_panel.looked(opened))
    data = drawing.data()
    return data, {key: unpack(blob) for key, blob in drawing.blobs.items()}


def say(opened: Opened, session: dict[str, Any], **said: Any) -> None:
    session["turn"] = session.get("turn", 0) + 1
    session["cloud"] = {"asked": [{**said, "turn": session["turn"]}]}
    map_panel.hear(opened, "cloud")


def test_the_first_view_is_pca_by_label(opened: Opened) -> None:
    data, blobs = drawn(opened)
    assert (data["space"], data["wanted"], data["by"]) == ("pca", "pca", "label")
    assert [one["name"] for one in data["spaces"]] == ["pca", "umap"]
    header, arrays = blobs[data["places"]]
    assert header["key"] == data["places"]
    assert arrays["places"].shape == (40, 2)
    assert blobs[data["legend"]["key"]][1]["codes"].tolist() == [1 + row % CLASSES for row in range(40)]
    assert data["badge"]["text"].startswith("PCA, ")
    assert "15-NN kept" in data["badge"]["text"]
    assert "trustworthiness" in data["badge"]["meaning"]
    assert data["marks"] == []
    assert data["row"] is data["lines"] is data["search"] is data["job"] is None
    assert drawn(opened)[0] == data, "the same view says the same"


def test_a_file_with_places_opens_with_them(tmp_path: Path) -> None:
    own = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    data, _ = drawn(with_folder(opened_set(small(positions=own)), tmp_path))
    assert (data["space"], [one["name"] for one in data["spaces"]]) == ("own", ["own", "pca", "umap"])


def test_a_set_without_labels_is_coloured_by_findings(tmp_path: Path) -> None:
    bare = with_folder(opened_set(small(labels=np.full(40, -1), class_names=[])), tmp_path)
    data, _ = drawn(bare)
    assert data["by"] == "finding"
    assert {"zone", "loss", "label"}.isdisjoint(one["value"] for one in data["bys"])


def test_what_the_browser_asks_for_is_looked_at(opened: Opened, session: dict[str, Any]) -> None:
    say(opened, session, kind="row", row=7)
    data, _ = drawn(opened)
    assert data["row"] == data["lines"]["row"] == 7
    say(opened, session, kind="colour", by="zone")
    assert drawn(opened)[0]["legend"]["names"] == ["hard", "semi-hard", "easy"]
    say(opened, session, kind="search", text="110")
    data, blobs = drawn(opened)
    assert data["search"]["count"] == 1
    assert [(mark["kind"], mark["count"]) for mark in data["marks"]] == [("hits", 1)]
    assert blobs[data["search"]["key"]][1]["rows"].tolist() == [10]
    say(opened, session, kind="clear", what="hits")
    assert drawn(opened)[0]["search"] is None
    say(opened, session, kind="peek", row=3)
    assert drawn(opened)[0]["card"]["id"] == "103"


def test_a_lasso_selects_the_rows_inside_it_in_the_unit_of_the_map(opened: Opened, session: dict[str, Any]) -> None:
    from tripletscope.analysis.set_map import make_map

    drawn(opened)
    positions = make_map(small().vectors, "pca", distance="cosine").positions
    middle = float(np.median(positions[:, 0]))
    wall = float(np.abs(positions).max()) + 1
    say(opened, session, kind="lasso", polygon=[[middle, -wall], [wall, -wall], [wall, wall], [middle, wall]])
    wanted = np.flatnonzero(positions[:, 0] > middle).tolist()
    assert map_panel.looked(opened).rows == wanted
    assert drawn(opened)[0]["marks"][0]["count"] == len(wanted)
    map_panel._exclude(wanted, True)
    assert exclusions.by_hand() == wanted
    map_panel._exclude(wanted[:2], False)
    assert exclusions.by_hand() == wanted[2:]
    text = map_panel.csv_of(opened, wanted, flags=True).decode()
    lines = text.splitlines()
    assert lines[0] == "row,id,class,findings"
    assert len(lines) == 1 + len(wanted)
    assert lines[1].startswith(f"{wanted[0]},{wanted[0] + 100},")
    say(opened, session, kind="lasso", polygon=[[wall, wall], [wall + 1, wall], [wall, wall + 1]])
    assert "No row lies inside" in drawn(opened)[0]["job"]["words"]


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "row", "row": 40},
        {"kind": "row", "row": -1},
        {"kind": "row", "row": True},
        {"kind": "space", "space": "own"},
        {"kind": "space", "space": "../x"},
        {"kind": "colour", "by": "column:none"},
        {"kind": "search", "text": 7},
        {"kind": "lasso", "polygon": [[0, 0], [1, 1]]},
        {"kind": "lasso", "polygon": "abc"},
        {"kind": "lasso", "polygon": [[0, 0], [float("nan"), 1], [2, 2]]},
        {"kind": "cancel", "what": "everything"},
        {},
    ],
)
def test_nonsense_changes_nothing(opened: Opened, session: dict[str, Any], said: dict[str, Any]) -> None:
    before = drawn(opened)[0]
    say(opened, session, **said)
    assert drawn(opened)[0] == before


def test_each_wish_is_heard_once_and_none_is_lost(opened: Opened, session: dict[str, Any]) -> None:
    wishes = [{"kind": "row", "row": 3, "turn": 5}, {"kind": "colour", "by": "none", "turn": 6}]
    session["cloud"] = {"asked": wishes}
    map_panel._hear_and_draw(opened, "cloud")
    assert (view.get(view.ROW), view.get(view.COLOUR)) == (3, "none")
    assert session["rerun"] == 1, "the panels beside the map follow the row"
    view.put(row=8)
    session["cloud"] = {"asked": [*wishes, {"kind": "search", "text": "a", "turn": 9}]}
    map_panel.hear(opened, "cloud")
    assert view.get(view.ROW) == 8
    assert map_panel.looked(opened).search == "a"
    for odd in (None, 7, [None], [{"turn": "x"}], {"turn": 99}):
        session["cloud"] = {"asked": odd}
        map_panel.hear(opened, "cloud")


def test_the_map_is_one_component_whatever_it_shows(
    opened: Opened, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another key the browser would make it anew, and a click on the old one would be lost."""
    keys: list[str] = []
    monkeypatch.setattr(map_panel.component, "mount", lambda kind, data, *, key, **heard: keys.append(key))
    monkeypatch.setattr(map_panel.component, "load_points", lambda blob, *, key: None)
    monkeypatch.setattr(map_panel.component, "come_back", lambda turn, seconds, *, key: None)
    for said in ({"by": "none"}, {"by": "zone"}, {"by": "label"}):
        map_panel._panel.__wrapped__(opened)
        session[keys[-1]] = {"asked": [{"kind": "colour", "turn": len(keys), **said}]}
    map_panel._panel.__wrapped__(opened)
    assert view.get(view.COLOUR) == "label", "what was said while the page was being drawn is heard"
    assert keys == 4 * [f"inspect.cloud.{opened.digest[:12]}"]


def test_cells_that_a_spreadsheet_would_run_are_neutral_in_the_file(tmp_path: Path) -> None:
    held = with_folder(opened_set(small(texts=["=1+1"] * 40)), tmp_path)
    assert "'=1+1" in map_panel.csv_of(held, [0], flags=False).decode()


def test_a_trouble_is_said_and_another_map_is_shown(opened: Opened, session: dict[str, Any], monkeypatch: Any) -> None:
    from tripletscope_app.desk.client import Asked

    plain = opened.desk.once

    def once(name: str, **given: Any) -> Asked:
        if given.get("space") == "umap":
            asked = Asked(0, None)
            asked.future.set_result({"error": "The room is too small."})
            return asked
        return plain(name, **given)

    monkeypatch.setattr(opened.desk, "once", once)
    session[view.SPACE.key] = "umap"
    data, _ = drawn(opened)
    assert (data["wanted"], data["space"]) == ("umap", "pca")
    assert data["job"]["words"] == "The room is too small."
