"""How other libraries would pick here: the numbers are the ruler's, and the table on the page follows the selection."""

from concurrent.futures import Future

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.analysis.dialect_picks import dialect_picks
from tripletscope.errors import SettingError
from tripletscope_app.answers import answer_line
from tripletscope_app.libraries import libraries


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run.open(tiny.record(tmp_path_factory.mktemp("run") / "semi-hard"))


@pytest.mark.parametrize("word", ["semi-hard", "hardest", "easy"])
def test_our_own_row_is_the_lane_of_the_ruler(run, word):
    answer = anchor_answer(run, 2)
    for place, step in enumerate(run.frame_steps):
        for column, positive in enumerate(answer["positives"]):
            told = dialect_picks(run, anchor=2, step=step, positive=positive, word=word)
            ours, pick = told["rows"][0], int(answer["picks"][word][place][column])
            assert ours["negative"] == (answer["negatives"][pick] if pick >= 0 else None)
            assert ours["why"] == ""
            if pick >= 0:
                d = answer["distances"][place]
                seat = answer["candidates"].index(ours["negative"])
                assert ours["d_an"] == float(d[seat])
                assert ours["gap"] == float(np.float32(d[seat] - d[answer["candidates"].index(positive)]))


def test_a_row_says_what_and_why(run):
    positive = anchor_answer(run, 2)["positives"][0]
    rows = {}
    for step in run.frame_steps:
        told = dialect_picks(run, anchor=2, step=step, positive=positive, margin=0.05)
        assert told["word"] == "semi-hard"
        assert told["margin"] == 0.05
        for row in told["rows"]:
            rows.setdefault(row["library"], []).append(row)
    theirs = [row for row in rows["sentence-transformers"] if row["zone"] == "easy"]
    assert theirs, "beyond a small margin it still picks"
    assert {row["why"] for row in theirs if row["deed"] == "picks"} <= {
        "it has no upper bound at the margin",
        "it falls back to the farthest negative where nothing fits",
        "",
    }
    assert {row["deed"] for row in rows["tripletscope"]} <= {"picks", "abstains"}
    assert any(row["deed"] == "does not ask" for row in rows["tensorflow-similarity"] + rows["siamese-triplet"])


def test_a_word_without_dialects_is_that_of_the_run(run):
    assert dialect_picks(run, anchor=2, step=5, word="n-pair")["word"] == "semi-hard"
    assert dialect_picks(run, anchor=2, step=5, word="batch-hard")["word"] == "batch-hard"
    with pytest.raises(SettingError, match="margin"):
        dialect_picks(run, anchor=2, step=5, margin=0.0)


def test_the_table_shows_pictures_numbers_and_reasons(run):
    table = libraries(run, dialect_picks(run, anchor=2, step=5))
    assert list(table.columns) == [
        *("library", "rule", "does", "pick", "id", "class", "distance", "gap", "zone", "why"),
    ]
    assert table["library"][0] == "here"
    shown = table["pick"].dropna()
    assert len(shown)
    assert all(picture.startswith("data:image/png;base64,") for picture in shown)


def test_the_helper_answers(run):
    import json

    question = {"id": 1, "ask": "dialects", "run": str(run.path), "anchor": 2, "step": 5}
    reply = answer_line(json.dumps({**question, "positive": None, "word": "hardest", "margin": None}))
    assert reply["word"] == "hardest"
    assert json.loads(json.dumps(reply))["rows"][0]["library"] == "tripletscope"
    reply = answer_line(json.dumps({**question, "positive": None, "word": None, "margin": -1.0}))
    assert "must be a number above 0" in reply["error"]


def page():
    import streamlit as st

    from tripletscope_app.libraries import libraries_table
    from tripletscope_app.loaders import load
    from tripletscope_app.selection import Selection

    libraries_table(load(st.session_state["race"]), Selection(0, 5, 2, None, lane=st.session_state.get("lane")))


def test_the_page_asks_only_when_it_is_opened(tmp_path, monkeypatch):
    from tripletscope_app import loaders, widgets

    path = tiny.record(tmp_path / "runs" / "semi-hard")
    asked = []

    def dialects(self, path, digest, **about):
        asked.append(about)
        reply = Future()
        reply.set_result(dialect_picks(Run.open(path), **about))
        return reply

    monkeypatch.setattr(widgets.Helper, "dialects", dialects)
    race = loaders.Race("semi-hard", "A run", "A run", "", (str(path),))
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["race"] = race
    app.run()
    assert not app.exception
    assert asked == []
    assert not app.dataframe
    app.session_state["watch.libraries"] = True
    app.session_state["lane"] = "batch-hard"
    app.run()
    assert not app.exception
    assert asked == [{"anchor": 2, "step": 5, "positive": None, "word": "batch-hard", "margin": None}]
    table = app.dataframe[0].value
    assert table["rule"][0] == "batch-hard"
    assert "open-metric-learning" in list(table["library"])
    app.session_state["watch.libraries.word"] = "hardest"
    app.run()
    assert not app.exception
    assert asked[-1]["word"] == "hardest"
    assert app.dataframe[0].value["rule"][0] == "hardest"
