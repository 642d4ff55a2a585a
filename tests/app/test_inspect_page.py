"""The Inspect page in Streamlit's test harness: every kind of file, every refusal, columns, findings, links."""

from __future__ import annotations

import io
import os
import signal
import sys

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tests.app.inspected import (
    DIM,
    ROWS,
    WAIT,
    csv,
    data_of,
    drop,
    formats,
    npy,
    until,
    vectors,
    words,
)

from tripletscope_app.desk.client import Desk
from tripletscope_app.inspecting import arrivals, exclusions, findings_panel, health_strip, mapping_card
from tripletscope_app.inspecting.drop import given_files
from tripletscope_app.inspecting.samples import SAMPLES, strip

OTHERS = ("map_panel", "row_panel", "mine_panel", "outputs")


def page():
    from tripletscope_app.pages.inspect import inspect

    inspect()


@pytest.fixture(scope="module")
def desk():
    """One process for all tests that are not about processes: its start costs more than most of them."""
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def app(monkeypatch, desk):
    """The page with the panels of this file alone."""
    for panel in OTHERS:
        monkeypatch.setattr(f"tripletscope_app.inspecting.{panel}.show", lambda opened: None)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    made = []

    def make(own_desk: bool = False, **address: str) -> AppTest:
        app = AppTest.from_function(page, default_timeout=WAIT)
        if not own_desk:
            desk.forget()
            app.session_state["inspect.desk"] = desk
        for name, value in address.items():
            app.query_params[name] = value
        made.append(app)
        return app.run()

    yield make
    for app in made:
        if "inspect.desk" in app.session_state and app.session_state["inspect.desk"] is not desk:
            app.session_state["inspect.desk"].close()


def is_open(app):
    return app.session_state["inspect.opened"] if "inspect.opened" in app.session_state else None  # noqa: SIM401


def has_cards(app):
    return data_of(app, "cards")


def press(app, key):
    return app.button(key=key).click().run()


# ---- the door


def test_the_first_screen_says_what_to_do(app):
    at = app()
    assert at.title[0].value.endswith("?")
    assert [button.key for button in at.button if button.key.startswith("drop.")] == [f"drop.{key}" for key in SAMPLES]
    shown = " ".join(part.proto.body for part in at.get("html"))
    assert "200 MB through the browser, 8 GB once opened" in shown
    assert "go to the server" in shown, "nobody said that only this machine is served"
    assert not at.text_input, "no path can be opened where others may listen"


def test_a_file_of_this_machine_is_opened_by_its_path_where_only_it_is_served(app, monkeypatch, tmp_path):
    monkeypatch.setattr("tripletscope_app.inspecting.drop._local", lambda: True)
    np.save(tmp_path / "v.npy", vectors())
    at = app()
    assert "stay on this machine" in " ".join(part.proto.body for part in at.get("html"))
    at.text_input(key="inspect.path.vectors").set_value(str(tmp_path / "none.npy"))
    next(button for button in at.button if button.label == "Open").click().run()
    assert any("There is no file" in one for one in words(at))
    at.text_input(key="inspect.path.vectors").set_value(str(tmp_path / "v.npy"))
    next(button for button in at.button if button.label == "Open").click().run()
    until(at, is_open)
    assert is_open(at).files["embeddings"] == tmp_path / "v.npy", "it is read where it lies"


def test_samples_open_by_a_button_and_by_a_link(app):
    at = until(press(app(), "drop.flawed"), has_cards)
    assert is_open(at).rows == 1854
    assert at.query_params["set"] == "flawed"
    at = until(app(set="flawed", row="12", finding="hubs"), has_cards)
    assert at.session_state["inspect.row"] == 12
    assert data_of(at, "cards")[0]["chosen"] == "hubs"
    assert strip("emoji")[:4] == b"\x89PNG"


def test_a_link_to_somebodys_file_asks_for_that_file_and_never_shows_another_ones_row(app):
    at = app(set="0123456789ab", row="7")
    assert "0123456789ab" in at.info[0].value
    at = until(drop(at, formats()["csv"]), is_open)
    assert at.session_state["inspect.row"] is None
    assert is_open(at).digest[:12] == at.query_params["set"]
    assert "another one" in at.info[0].value


# ---- every kind of file, in one session


def test_every_kind_of_file_opens_and_another_after_it(app):
    at = app()
    for kind, files in formats().items():
        until(drop(at, files), is_open)
        found = is_open(at)
        assert (found.rows, found.facts["dims"], found.facts["class_names"]) == (ROWS, DIM, ["cat", "dog"]), kind
        assert found.files["embeddings"].is_relative_to(found.desk.folder), "never read from where others can write"
        assert found.facts["has_pictures"] == ("pictures" in kind)
        assert len(list(found.desk.folder.glob("drop-*"))) == 1, "what was open before is cleared away"
        press(at, "drop.another")
        assert not is_open(at)


def test_going_back_opens_what_was_open(app):
    at = until(drop(app(), formats()["csv"]), is_open)
    digest = is_open(at).digest
    press(at, "drop.another")
    until(press(at, "drop.back"), is_open)
    assert is_open(at).digest == digest


def pickled() -> bytes:
    """An array of objects: reading it would run what it says."""
    out = io.BytesIO()
    np.save(out, np.array([["a"]], dtype=object), allow_pickle=True)
    return out.getvalue()


REFUSED = {
    "no kind": [("notes.docx", b"x")],
    "nothing in it": [("empty.csv", b"")],
    "a header alone": [("head.csv", b"kind,e0,e1\n")],
    "truncated": [("cut.npy", npy(vectors())[:-40])],
    "renamed": [("text.npy", b"kind,e0\ncat,1\n")],
    "three dimensions": [("deep.npy", npy(np.zeros((2, 3, 4), np.float32)))],
    "pickled": [("objects.npy", pickled())],
    "pictures alone": [("pictures.zip", b"PK")],
    "three files": [("a.npy", npy(vectors())), ("b.npy", npy(vectors())), ("c.npy", npy(vectors()))],
    "other lengths": [("v.npy", npy(vectors())), ("labels.csv", b"kind\na\nb\n")],
    "all NaN": [("nan.npy", npy(np.full((4, 3), np.nan, np.float32)))],
    "two of the same": [("a.npy", npy(vectors())), ("b.npy", npy(vectors(1)))],
    "broken zip": [("v.npy", npy(vectors())), ("pictures.zip", b"PK\x03\x04 broken")],
}


def test_every_refusal_is_a_sentence_and_the_page_stays_alive(app):
    at = app()
    for case, files in REFUSED.items():
        drop(at, files)
        until(at, lambda app: app.warning)
        said = [one for one in words(at) if len(one) > 20]
        assert said, case
        assert not is_open(at), case
        assert not any("Traceback" in one for one in said), said
        assert at.warning, case
        if any(button.key == "mapping.another" for button in at.button):
            press(at, "mapping.another")
        else:
            at.run()
    until(drop(at, formats()["csv"]), is_open)


# ---- hostile words

HOSTILE = ["<script>alert(1)</script>", "![x](http://example.com/x.png) **bold**", "\u202eevil\u202c [a](http://b.c)"]


def rendered(at):
    """Whatever Streamlit renders as markdown or HTML, labels of widgets too."""
    shown = [part.value for part in at.markdown] + [part.proto.body for part in at.get("html")]
    shown += [part.value for part in [*at.caption, *at.info, *at.warning, *at.error, *at.title]]
    shown += [
        part.label for part in [*at.button, *at.expander, *at.selectbox, *at.toggle, *at.checkbox, *at.multiselect]
    ]
    return shown


def test_words_of_a_file_are_shown_and_never_rendered(app):
    given = [HOSTILE[row % 3] for row in range(ROWS)]
    at = until(drop(app(), [("<img src=x onerror=alert(1)>.csv", csv("\t", given, name="**kind**<b>"))]), has_cards)
    at.toggle[0].set_value(True).run()
    assert is_open(at).facts["class_names"] == sorted(HOSTILE)
    for piece in ("<script", "<img", "![x]", "\u202e", "**kind**"):
        assert not any(piece in one for one in rendered(at)), piece
    assert any("<img src=x" in one for one in words(at)), "the name of the file is on the screen, as text"
    assert "<script>" in str(data_of(at, "deck")) or "<script>" in str(at.selectbox), "the component shows text alone"


# ---- columns


def test_columns_can_be_chosen_and_given_back(app):
    table = "kind,group,e0,e1\n" + "".join(
        f"{'cat' if r % 2 else 'dog'},{'abc'[r % 3]},{r * r % 7},{r % 5}.5\n" for r in range(30)
    )
    at = until(drop(app(), [("pets.csv", table.encode())]), has_cards)
    assert is_open(at).facts["class_names"] == ["cat", "dog"]
    at.toggle[0].set_value(True).run()
    label = next(one for one in at.selectbox if one.label == "Label")
    assert label.options[:3] == ["(none)", "kind  (text, 2 values)", "group  (text, 3 values)"]
    label.set_value("group").run()
    next(one for one in at.button if one.label == "Use these columns").click().run()
    until(at, is_open)
    assert is_open(at).facts["class_names"] == ["a", "b", "c"]
    assert is_open(at).changes == {"label": "group"}
    at.toggle[0].set_value(True).run()
    next(one for one in at.button if one.label == "Back to the proposal").click().run()
    until(at, is_open)
    assert is_open(at).facts["class_names"] == ["cat", "dog"]


def test_columns_of_different_units_are_standardised_on_request(app):
    table = "kind,width,mass\n" + "".join(
        f"{'cat' if r % 2 else 'dog'},{r * r % 7}.5,{1000 * (r % 5)}\n" for r in range(30)
    )
    at = until(drop(app(), [("pets.csv", table.encode())]), has_cards)
    assert any("standardise them if their units differ" in one for one in words(at)), (
        "the card is open, with its warning"
    )
    at.checkbox[0].set_value(True).run()
    next(one for one in at.button if one.label == "Use these columns").click().run()
    until(at, is_open)
    assert is_open(at).standardise
    assert any("Standardised: each of the 2 numbers" in one for one in is_open(at).facts["notes"])


def test_a_refused_choice_leaves_the_columns_on_the_screen(app):
    table = "kind,name,e0,e1\n" + "".join(
        f"{'cat' if r % 2 else 'dog'},n{r % 4},{r * r % 7},{r % 5}.5\n" for r in range(30)
    )
    at = until(drop(app(), [("pets.csv", table.encode())]), has_cards)
    at.toggle[0].set_value(True).run()
    next(one for one in at.selectbox if one.label == "Id").set_value("name").run()
    next(one for one in at.button if one.label == "Use these columns").click().run()
    until(at, lambda app: any("stands in" in one for one in words(app)))
    assert not is_open(at)
    next(one for one in at.button if one.label == "Back to the proposal").click().run()
    until(at, is_open)


# ---- findings


def test_findings_are_cards_and_what_they_leave_out_is_a_persons_choice(app):
    at = until(app(set="flawed"), has_cards)
    deck, cards = data_of(at, "deck")[0], data_of(at, "cards")[0]
    assert deck["key"] == cards["deck"]
    ranks = [("problem", "warning", "note").index(card["severity"]) for card in deck["cards"]]
    assert ranks == sorted(ranks)
    assert {card["check"] for card in deck["cards"]} >= {"cross-class-duplicates", "suspicious-labels", "hubs", "leaks"}
    assert all(len(card["examples"]) <= 6 for card in deck["cards"])
    pair = deck["cards"][0]["examples"][0]["sides"]
    assert all(side["picture"].startswith("data:image/png;base64,") for side in pair)
    assert pair[0]["class"] != pair[1]["class"]
    assert len(deck["cards"]) + len(deck["unfound"]) == 13, "a check without hits is listed as checked"
    assert "of 12 planted found" in deck["cards"][0]["planted"]
    assert len(str(deck)) < 150_000
    assert at.session_state["inspect.opened"].ask("inspection", distance="cosine").ready

    before = findings_panel.left_out(is_open(at).ask("inspection", distance="cosine").reply(), [])
    at.session_state["inspect.kept"] = ["suspicious-labels"]
    at.run()
    assert data_of(at, "cards")[0]["kept"] == ["suspicious-labels"]
    assert data_of(at, "cards")[0]["revision"] > cards["revision"], "the browser gives way"
    after = findings_panel.left_out(is_open(at).ask("inspection", distance="cosine").reply(), ["suspicious-labels"])
    assert 0 < after < before
    head = next(part.proto.body for part in at.get("html") if "Findings" in part.proto.body)
    assert f"{after:,} of 1,854 rows stay out" in head


def test_what_stays_out_belongs_to_the_set(app, monkeypatch):
    at = until(app(set="flawed"), has_cards)
    at.session_state["inspect.kept"], at.session_state["inspect.excluded_rows"] = ["hubs"], [3, 1, 9999, 3]
    with monkeypatch.context() as patched:
        patched.setattr(
            exclusions.st, "session_state", {key: at.session_state[key] for key in (exclusions.KEPT, exclusions.ROWS)}
        )
        assert exclusions.excluded_rows(is_open(at)) == {"kept": ["hubs"], "rows": [1, 3]}
    press(at, "drop.another")
    until(drop(at, formats()["csv"]), is_open)
    assert at.session_state["inspect.kept"] == at.session_state["inspect.excluded_rows"] == []


def test_a_set_without_labels_is_checked_for_what_needs_none(app):
    at = until(drop(app(), [("v.npy", npy(vectors()))]), has_cards)
    assert not is_open(at).labelled
    deck = data_of(at, "deck")[0]
    assert any("could not be checked: no labels" in one["words"] for one in deck["unfound"])
    assert any("no two classes" in one for one in words(at))


def test_another_distance_is_looked_at_anew(app):
    at = until(app(set="flawed", distance="euclidean"), has_cards)
    assert data_of(at, "deck")[0]["key"].endswith("euclidean")


def test_a_look_that_was_cancelled_can_be_taken_again(app, desk):
    at = until(
        drop(app(), [("many.npy", npy(np.random.default_rng(0).normal(size=(20_000, 48)).astype(np.float32)))]), is_open
    )
    desk.once("inspection", distance="cosine").cancel()
    until(at, lambda app: any(button.key == "health.again" for button in app.button))
    assert any("cancelled" in one.value for one in at.caption)
    assert not has_cards(at)
    press(at, "health.again")
    assert not desk.once("inspection", distance="cosine").ready or has_cards(at)
    desk.once("inspection", distance="cosine").cancel()


# ---- people apart


def test_two_people_do_not_see_each_other_and_one_process_may_die(app):
    one, two = app(own_desk=True), app(own_desk=True)
    until(drop(one, formats()["csv"]), is_open)
    until(press(two, "drop.flawed"), is_open)
    assert (is_open(one).rows, is_open(two).rows) == (ROWS, 1854)
    assert is_open(one).desk.pid != is_open(two).desk.pid
    os.kill(is_open(one).desk.pid, signal.SIGKILL)
    until(one, lambda app: not is_open(app).desk.alive)
    one.run()
    assert "has ended" in one.warning[0].value
    two.run()
    assert not two.warning
    until(press(one, "drop.again"), has_cards)
    assert is_open(one).rows == ROWS


# ---- the parts, by themselves


def test_files_are_told_apart_by_what_they_are(tmp_path):
    def parts(*names):
        found = arrivals.tell_apart([tmp_path / name for name in names])
        return {part: path.name for part, path in found.files.items()}, [path.name for path in found.unsure]

    assert parts("v.npy", "k.csv") == ({"embeddings": "v.npy", "metadata": "k.csv"}, [])
    assert parts("labels.npy", "v.npy") == ({"embeddings": "v.npy", "metadata": "labels.npy"}, [])
    assert parts("tensors.tsv", "metadata.tsv") == ({"embeddings": "tensors.tsv", "metadata": "metadata.tsv"}, [])
    assert parts("a.csv", "b.csv") == ({}, ["a.csv", "b.csv"])
    assert parts("v.parquet", "one.png", "two.jpg")[0]["pictures"] == tmp_path.name
    assert parts("V.NPZ") == ({"embeddings": "V.NPZ"}, [])


def test_names_on_the_disk_cannot_leave_the_folder(tmp_path):
    for name in (
        "../../x.npy",
        "/etc/passwd",
        "..\\..\\x.csv",
        "\x00.npy",
        "a" * 500 + ".npy",
        ".bashrc",
        "\u202eyp.csv",
    ):
        (kept,) = arrivals.keep([(name, io.BytesIO(b"1"))], tmp_path / "drop")
        assert kept.parent == tmp_path / "drop"
        assert kept.read_bytes() == b"1"
        assert kept.stat().st_mode & 0o777 == 0o600


def test_the_strip_reads_its_numbers(app):
    at = until(drop(app(), formats()["csv"]), has_cards)
    told = is_open(at).ask("inspection", distance="cosine").reply()
    names = [tile.name for tile in health_strip.tiles(told["health"], is_open(at).facts)]
    assert names[:3] == ["Rows of length 1", "Nearest row of the same class", "Rows in a class"]
    assert "health-bars" in health_strip.tiles(told["health"], is_open(at).facts)[0].drawing, (
        "lengths differ: they are drawn"
    )
    for normalised in (True, False):
        for distance in ("cosine", "euclidean", "squared-euclidean"):
            said = health_strip.consequence(distance, {**told["health"], "normalised": normalised})
            assert said.endswith(".")


def test_a_vector_can_be_made_in_several_ways():
    told = {
        "mapping": {"vector": ["e0", "e1"], "label": "kind"},
        "alternatives": {},
        "columns": [
            {"name": name, "kind": kind}
            for name, kind in (("kind", "text"), ("e0", "float"), ("e1", "float"), ("age", "whole"), ("vec", "list"))
        ],
    }
    ways = mapping_card.vector_choices(told)
    assert list(ways.values()) == [("e0", "e1"), ("vec",), ("e0", "e1", "age")]
    assert mapping_card.spread_over_columns(told, ("e0", "age"))
    assert not mapping_card.spread_over_columns(told, ("vec",))


def test_files_can_be_named_on_the_command_line(tmp_path):
    assert [path.name for path in given_files(["--open", "a.npy", "--run", "x", "--open", "b.csv"])] == [
        "a.npy",
        "b.csv",
    ]
