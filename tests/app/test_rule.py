"""One row on the Inspect page: what is asked, what goes to the browser, what the browser says, and the table."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope_app.desk import finding_questions, opening, row_questions
from tripletscope_app.desk.client import Asked
from tripletscope_app.desk.held import QUESTIONS, Held
from tripletscope_app.desk.pictures import thumbnail
from tripletscope_app.inspecting import row_panel, view
from tripletscope_app.inspecting.opened import Opened

FLAWED = Path(str(files("tripletscope"))).parent.parent / "sample_data" / "flawed" / "digits.npz"
HOSTILE = ["<img src=x onerror=alert(1)>", "**bold** :red[x] $x$", "\u202eright to left", "=1+1", "zero\u200bwidth"]


def quiet(done: int, of: int) -> None:
    """Nobody listens."""


class Here:
    """A desk without a process: the questions are answered here."""

    def __init__(self, held: Held) -> None:
        self.held = held

    def once(self, name: str, **given: Any) -> Asked:
        asked = Asked(0, None)
        asked.future.set_result(QUESTIONS[name](self.held, quiet, **given))
        return asked


@cache
def flawed() -> Opened:
    """The bundled sample, opened without a process."""
    held = Held()
    told = opening.look(held, quiet, path=str(FLAWED))
    return Opened(Here(held), told["set"], {"embeddings": FLAWED}, {}, {}, told, "flawed")  # type: ignore[arg-type]


def opened_set(made: EmbeddingSet) -> Opened:
    held = Held()
    held.set = made
    return Opened(Here(held), opening.facts(held), {})  # type: ignore[arg-type]


def small(**more: Any) -> EmbeddingSet:
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 5
    vectors = rng.normal(size=(40, 6)).astype(np.float32) + labels[:, None]
    given = {"ids": np.arange(40), "labels": labels, "class_names": list("abcde"), **more}
    return EmbeddingSet(name="small", vectors=vectors, **given)


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A session of its own, and an address that nobody sees."""
    state: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    monkeypatch.setattr(view, "write_url", lambda: None)
    return state


@pytest.fixture
def ask() -> Callable[..., dict[str, Any]]:
    def question(opened: Opened, row: int, **more: Any) -> dict[str, Any]:
        told = opened.ask("row", row=row, **{"distance": "cosine", **more}).reply(None)
        assert told is not None
        return told

    return question


# ---- what is asked


def test_samples_are_the_row_then_its_positives_its_negatives_and_who_else_is_near(ask: Any) -> None:
    told = ask(flawed(), 12)
    rows = [sample["row"] for sample in told["samples"]]
    seen = told["view"]
    shown = [12, *seen["positives"], *seen["negatives"]]
    assert rows[: len(shown)] == shown
    assert len(set(rows)) == len(rows)
    assert {*seen["same"], *seen["other"]} <= set(rows)
    held = flawed().desk.held.set  # type: ignore[attr-defined]
    assert [sample["id"] for sample in told["samples"]] == [str(held.id_of(row)) for row in rows]
    assert [sample["class"] for sample in told["samples"]] == [held.class_of(row) for row in rows]
    assert told["strategies"][0]["name"] == "random"


def test_pictures_come_as_one_sheet_in_the_order_of_the_samples(ask: Any) -> None:
    told = ask(flawed(), 12)
    sheet = told["sheet"]
    held = flawed().desk.held.set  # type: ignore[attr-defined]
    pixels = np.asarray(Image.open(io.BytesIO(sheet["png"])).convert("RGB"))
    for at in (0, 1, len(told["samples"]) - 1):
        found = thumbnail(held, told["samples"][at]["row"])
        assert found is not None
        wanted = np.asarray(Image.open(io.BytesIO(found[1])).convert("RGB"))
        top, left = at // sheet["columns"] * sheet["height"], at % sheet["columns"] * sheet["width"]
        np.testing.assert_array_equal(pixels[top : top + sheet["height"], left : left + sheet["width"]], wanted)
    assert sheet["pixelated"]
    assert ask(opened_set(small()), 0)["sheet"] is None


def test_colour_pictures_of_any_shape_and_none_find_their_place() -> None:
    class Pictures:
        def bytes_of(self, row: int) -> bytes | None:
            out = io.BytesIO()
            if row == 1:
                return None
            Image.new("RGB", (200, 100) if row else (50, 80), (255, 0, 0) if row else (0, 0, 255)).save(out, "PNG")
            return out.getvalue() if row != 2 else b"no picture"

        def take(self, rows: Any) -> Pictures:
            return self

    sheet = row_questions.sheet(small(pictures=Pictures()), [0, 1, 2, 3])
    assert sheet is not None
    assert (sheet["width"], sheet["height"], sheet["columns"], sheet["pixelated"]) == (52, 52, 2, False)
    picture = Image.open(io.BytesIO(sheet["png"])).convert("RGB")
    assert picture.size == (104, 104)
    assert picture.getpixel((26, 26))[2] > 200  # type: ignore[index]
    assert picture.getpixel((78, 78))[0] > 200  # type: ignore[index]
    assert picture.getpixel((78, 26)) == picture.getpixel((26, 78)) == (0, 0, 0)
    assert row_questions.sheet(small(pictures=Pictures()), [1, 2]) is None


def test_a_row_that_mining_leaves_out_is_shown_as_if_it_took_part(ask: Any) -> None:
    opened = opened_set(small())
    told = ask(opened, 7, exclude=[3, 7])
    assert told["let_in"]
    assert set(told["view"]["picks"]) >= {"semi-hard", "hardest"}
    assert 3 not in told["view"]["negatives"]
    assert not ask(opened, 8, exclude=[3, 7])["let_in"]
    out = [sample["row"] for sample in ask(opened, 8, exclude=[3, 7])["samples"] if sample["out"]]
    assert out == [3, 7] or out == [7, 3]


def test_a_margin_to_begin_with_follows_the_axis(ask: Any) -> None:
    assert [row_questions.usual_margin(end) for end in (2.0, 1.0, 0.08, 400.0, 0.0)] == [0.2, 0.1, 0.01, 50.0, 0.1]
    opened = flawed()
    reply = opened.ask("row_ready", distance="cosine").reply(None)
    assert reply == {"axis_end": ask(opened, 0)["axis_end"], "usual_margin": ask(opened, 0)["usual_margin"]}
    assert ask(opened, 0)["view"]["margin"] == reply["usual_margin"]
    assert opened.ask("row_warm", distance="cosine").reply(None) == {}


# ---- what goes to the browser


def test_the_browser_gets_places_distances_and_picks_as_the_desk_gave_them(ask: Any) -> None:
    told = ask(flawed(), 12)
    data = row_panel.rule_data(told, [[] for _ in told["samples"]], flawed())
    seen, answer = told["view"], data["answer"]
    samples = data["samples"]
    assert [samples[at]["row"] for at in answer["positives"]] == seen["positives"].tolist()
    assert [samples[at]["row"] for at in answer["negatives"]] == seen["negatives"].tolist()
    np.testing.assert_array_equal(np.float32(answer["distances"]), np.concatenate([seen["d_ap"], seen["d_an"]]))
    assert answer["picks"]["hardest"] == seen["picks"]["hardest"].tolist()
    assert answer["others"]["count"] + len(answer["negatives"]) == seen["negative_count"]
    assert [data["run"]["class_names"][at] for at in data["run"]["labels"]] == [one["class"] for one in samples]
    assert data["selection"]["margin"] is None  # the usual one
    assert data["lists"]["same"]["distances"] == [float(one) for one in seen["d_same"]]
    again = row_panel.rule_data(ask(flawed(), 12), [[] for _ in told["samples"]], flawed())
    assert json.dumps(data) == json.dumps(again)
    assert len(json.dumps(data)) < 60_000  # it travels with every click
    assert {lane["name"] for lane in data["strategies"]} == set(seen["picks"]) | set(seen["not_here"])
    assert len({(lane["mark"]["shape"], lane["mark"]["light"]) for lane in data["strategies"]}) == len(
        data["strategies"]
    )


def test_another_margin_or_positive_is_another_key_about_the_same_samples(session: dict[str, Any], ask: Any) -> None:
    opened = opened_set(small())
    told = ask(opened, 1)
    one = row_panel.rule_data(told, [[] for _ in told["samples"]], opened)
    session[view.POSITIVE.key] = 6
    two = row_panel.rule_data(told, [[] for _ in told["samples"]], opened)
    assert one["run"]["digest"] == two["run"]["digest"]
    assert one["key"] != two["key"]
    wide = ask(opened, 1, margin=0.5)
    three = row_panel.rule_data(wide, [[] for _ in wide["samples"]], opened)
    assert three["selection"]["margin"] == 0.5
    assert three["run"]["margin"] == one["run"]["margin"]  # the axis does not move with the margin
    assert three["run"]["ruler_max"] == one["run"]["ruler_max"]


def test_texts_of_a_file_go_as_they_are_for_text_alone(ask: Any) -> None:
    names = HOSTILE
    made = small(class_names=names, texts=[HOSTILE[row % 5] * 3 for row in range(40)], ids=np.array(
        [f"{HOSTILE[row % 5]} {row}" for row in range(40)], dtype=object))  # fmt: skip
    opened = opened_set(made)
    told = ask(opened, 0)
    data = row_panel.rule_data(told, [[] for _ in told["samples"]], opened)
    assert set(data["run"]["class_names"]) <= set(names)
    assert data["samples"][0]["id"] == f"{HOSTILE[0]} 0"
    rows = row_panel.csv_of(row_panel.table(told, [[] for _ in told["samples"]])).decode().splitlines()
    assert any("'=1+1" in row for row in rows)
    assert not any(cell.startswith("=") for row in rows for cell in row.split(","))


def test_without_a_class_there_are_neighbours_and_no_ruler(ask: Any) -> None:
    labels = np.arange(40) % 5
    labels[4] = -1
    opened = opened_set(small(labels=labels))
    told = ask(opened, 4)
    data = row_panel.rule_data(told, [[] for _ in told["samples"]], opened)
    assert data["answer"] is None
    assert list(data["lists"]) == ["any"]
    assert data["lists"]["any"]["samples"] == list(range(1, 25))
    assert "no class" in data["votes"]
    nobody = opened_set(small(labels=np.full(40, -1), class_names=[]))
    told = ask(nobody, 4)
    data = row_panel.rule_data(told, [[] for _ in told["samples"]], nobody)
    assert data["answer"] is None
    assert data["votes"].startswith("No row of this set has a class")
    assert not any(sample["out"] for sample in data["samples"])
    assert "zone" not in row_panel.table(told, [[] for _ in told["samples"]])


def test_a_row_alone_in_its_class_has_lists_and_no_ruler(ask: Any) -> None:
    labels = np.arange(40) % 4
    labels[9] = 4
    opened = opened_set(small(labels=labels))
    told = ask(opened, 9)
    data = row_panel.rule_data(told, [[] for _ in told["samples"]], opened)
    assert data["answer"] is None
    assert "cannot be an anchor" in data["lists"]["same"]["note"]
    assert len(data["lists"]["other"]["samples"]) == 24


def test_neighbours_votes_are_said_in_a_sentence() -> None:
    def said(own: str | None, *votes: tuple[str, int]) -> str:
        return row_panel.votes_sentence({"view": {"votes": [list(one) for one in votes]}, "samples": [{"class": own}]})

    assert said("a", ("a", 15)) == "All of its 15 nearest rows are of its class."
    assert said("a", ("b", 15)) == "Of its 15 nearest rows none is of its class, 15 of “b”."
    assert said("a", ("b", 14), ("a", 1)) == "Of its 15 nearest rows one is of its class, 14 of “b”."
    many = said("a", ("a", 6), ("b", 3), ("c", 2), ("d", 2), ("e", 1), ("f", 1))
    assert many == "Of its 15 nearest rows 6 are of its class, 3 of “b”, 2 of “c”, 2 of “d” and 2 more classes."
    assert said(None, ("b", 15)) == "This row has no class. Its 15 nearest rows with one: 15 of “b”."


def test_findings_flag_their_rows_and_leave_them_out(monkeypatch: pytest.MonkeyPatch, session: dict[str, Any]) -> None:
    told = {"findings": [
        {"check": "hubs", "title": "Hubs", "rows": np.array([5, 2]), "exclude": np.array([5])},
        {"check": "outliers", "title": "Outliers", "rows": np.array([5]), "exclude": np.array([5, 7])},
    ]}  # fmt: skip
    monkeypatch.setattr(row_panel, "_inspection", lambda opened: told)
    opened = flawed()
    samples = {"samples": [{"row": 2}, {"row": 5}, {"row": 9}]}
    assert row_panel.flags_of(opened, samples) == [["Hubs"], ["Hubs", "Outliers"], []]
    assert row_panel.left_out(opened) == [5, 7]
    session["inspect.kept"], session["inspect.excluded_rows"] = ["outliers"], [11, 9_999_999]
    assert row_panel.left_out(opened) == [5, 11]
    monkeypatch.setattr(row_panel, "_inspection", lambda opened: None)
    assert row_panel.left_out(opened) == [11]
    assert row_panel.flags_of(opened, samples) == [[], [], []]


def test_what_is_left_out_is_what_the_findings_exclude() -> None:
    seen = finding_questions.inspection(flawed().desk.held, quiet, distance="cosine")  # type: ignore[attr-defined]
    wanted = np.unique(np.concatenate([one["exclude"] for one in seen["findings"]])).tolist()
    assert row_panel.left_out(replace(flawed())) == wanted


# ---- what the browser says


def test_a_click_in_the_browser_is_chosen_for_the_whole_page(session: dict[str, Any]) -> None:
    opened = flawed()

    def say(**said: Any) -> None:
        session["rule"] = {"selection": {"n": 1, **said}}
        row_panel.hear("rule", opened)

    say(row=5, positive=7, margin=0.25, lane="hardest")
    assert [view.get(one) for one in (view.ROW, view.POSITIVE, view.MARGIN, view.STRATEGY)] == [5, 7, 0.25, "hardest"]
    assert session["inspect.row.changed"]  # the rest of the page follows margin and strategy
    say(row=5, positive=8, margin=0.25, lane="hardest")
    assert not session["inspect.row.changed"]
    for row in (-1, opened.rows, "5", True, None):
        say(row=row)
        assert view.get(view.ROW) == 5
    for way in ("back", "up"):
        say(way=way)
        assert view.get(view.ROW) == 5
    say(row=6, positive=10**9, margin=-1, lane="<script>")
    assert [view.get(one) for one in (view.ROW, view.POSITIVE, view.MARGIN, view.STRATEGY)] == [
        6,
        None,
        0.25,
        "hardest",
    ]
    for broken in (None, 3, {"row": 9}, {"n": "1", "row": 9}):
        session["rule"] = {"selection": broken}
        row_panel.hear("rule", opened)
        assert view.get(view.ROW) == 6


def test_one_can_go_back_and_forward_again(session: dict[str, Any]) -> None:
    opened = flawed()
    for row in (3, 4, 4, 5):
        row_panel._note(row)
    assert row_panel.ways() == {"back": 4, "forward": None}

    def go(way: str) -> None:
        session["rule"] = {
            "selection": {"n": 1, "row": view.get(view.ROW), "way": way, "margin": None, "lane": "semi-hard"}
        }
        row_panel.hear("rule", opened)
        row_panel._note(view.get(view.ROW))

    view.put(row=5)
    go("back")
    go("back")
    assert view.get(view.ROW) == 3
    assert row_panel.ways() == {"back": None, "forward": 4}
    go("back")
    assert view.get(view.ROW) == 3
    go("forward")
    assert view.get(view.ROW) == 4
    row_panel._note(9)  # somebody clicks elsewhere: what was ahead is gone
    assert row_panel.ways() == {"back": 4, "forward": None}


# ---- the table, and the panel on a page


def test_the_table_says_the_same_as_the_ruler(session: dict[str, Any], ask: Any) -> None:
    told = ask(flawed(), 12, margin=0.1)
    columns = row_panel.table(told, [["Hubs"] if at == 1 else [] for at in range(len(told["samples"]))])
    assert len(columns["row"]) == len(told["samples"]) - 1
    assert columns["distance"] == sorted(columns["distance"])
    near = told["view"]["d_ap"][0]
    for role, far, gap, zone in zip(columns["role"], columns["distance"], columns["gap"], columns["zone"], strict=True):
        if role == "positive":
            assert (gap, zone) == (None, "")
        else:
            assert gap == float(np.float32(far) - near)
            assert zone == ("hard" if gap <= 0 else "semi-hard" if gap < np.float32(0.1) else "easy")
    hardest = told["view"]["negatives"][told["view"]["picks"]["hardest"][0]]
    assert "Hardest negative" in columns["picked by"][columns["row"].index(hardest)]
    assert sum(flags == "Hubs" for flags in columns["flags"]) == 1
    rows = row_panel.csv_of(columns).decode().splitlines()
    assert rows[0] == "row,id,class,role,distance,gap,zone,picked by,flags"
    assert len(rows) == len(columns["row"]) + 1


def page() -> None:
    import streamlit as st
    from tests.app.test_rule import flawed

    from tripletscope_app.inspecting import row_panel, view

    view.restore_url()
    row_panel.show(flawed())
    st.text(f"row {view.get(view.ROW)}")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    monkeypatch.undo()  # a real session
    flawed().ask("inspection", distance="cosine")

    def start(**address: str) -> AppTest:
        app = AppTest.from_function(page, default_timeout=60)
        for name, value in address.items():
            app.query_params[name] = value
        return app.run()

    return start


def test_without_a_row_the_panel_says_how_to_choose_one(run: Callable[..., AppTest]) -> None:
    app = run()
    assert not app.exception
    assert "Click a point" in app.caption[0].value
    app.button(key="row.any").click().run()
    assert not app.exception
    assert not app.caption
    assert app.query_params["row"]


def test_a_link_to_a_row_that_is_not_there_says_so(run: Callable[..., AppTest]) -> None:
    app = run(row="99999")
    assert not app.exception
    assert app.caption[0].value == "This set has no row 99,999: its rows are 0 to 1,853."


def test_a_row_is_drawn_with_its_table_on_demand(run: Callable[..., AppTest]) -> None:
    app = run(row="12")
    assert not app.exception
    assert app.expander[0].label == "The neighbours as a table"
    assert not app.dataframe
