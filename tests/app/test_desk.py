"""A desk: one person's file in a process of its own, which may die without anybody else noticing."""

from __future__ import annotations

import gc
import io
import os
import signal
import stat
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.inspection.inspector import inspect_set
from tripletscope_app.desk import messages
from tripletscope_app.desk.client import GONE, Desk
from tripletscope_app.desk.finding_questions import places_of
from tripletscope_app.desk.held import Held

WAIT = 60


def told(asked, patience: float = WAIT):
    reply = asked.reply(patience)
    assert reply is not None, "no answer in time"
    return reply


def pets(path, rows: int = 40, seed: int = 0, dim: int = 4):
    rng = np.random.default_rng(seed)
    lines = [
        ",".join(["cat" if row % 2 else "dog", *(f"{value:.4f}" for value in rng.normal(size=dim) + row % 2)])
        for row in range(rows)
    ]
    path.write_text(",".join(["kind", *(f"e{place}" for place in range(dim))]) + "\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def desk():
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def fresh():
    made = Desk()
    yield made
    made.close()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("$array"), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), plain, max_size=4))
def test_a_message_comes_out_as_it_went_in(message):
    pipe = io.BytesIO()
    messages.write(pipe, message)
    pipe.seek(0)
    assert repr(messages.read(pipe)) == repr(message)  # repr: NaN is not equal to itself


def test_arrays_travel_as_bytes():
    pipe = io.BytesIO()
    messages.write(pipe, {"a": np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::2], "b": [np.float32(0.5), np.bool_(1)]})
    pipe.seek(0)
    found = messages.read(pipe)
    assert found["a"].dtype == np.int16
    assert found["a"].tolist() == [[0, 2], [3, 5]]
    assert found["b"] == [0.5, True]
    assert messages.read(pipe) is None


def test_nothing_can_be_asked_before_a_file_is_open(desk):
    assert "drop one first" in told(desk.ask("facts"))["error"]


def test_a_file_is_opened_and_a_bad_one_leaves_the_desk_alive(desk, tmp_path):
    good, bad = pets(tmp_path / "pets.csv"), tmp_path / "bad.npy"
    bad.write_bytes(b"\x93NUMPY\x01\x00\xff\xff broken")
    assert told(desk.ask("look", path=str(good)))["set"]["rows"] == 40
    pid = desk.pid
    assert "bad.npy" in told(desk.ask("look", path=str(bad)))["error"]
    assert "drop one first" in told(desk.ask("facts"))["error"], "what was open before is not open any more"
    assert told(desk.ask("look", path=str(good)))["set"]["class_names"] == ["cat", "dog"]
    assert desk.pid == pid
    assert "not foreseen" in told(desk.ask("no such question"))["error"]
    assert told(desk.ask("facts"))["rows"] == 40


def test_a_question_is_asked_once_until_it_is_forgotten(desk, tmp_path):
    file = pets(tmp_path / "pets.csv")
    first = desk.once("look", path=str(file))
    assert desk.once("look", path=str(file)) is first
    told(first)
    again = desk.again("look", path=str(file))
    assert again is not first
    assert desk.once("look", path=str(file)) is again
    told(again)
    desk.forget()
    assert desk.once("look", path=str(file)) is not again
    told(desk.once("look", path=str(file)))


def test_a_process_that_is_killed_says_so_and_the_next_question_starts_another(fresh, tmp_path):
    file = pets(tmp_path / "pets.csv")
    told(fresh.ask("look", path=str(file)))
    first = fresh.pid
    asked = fresh.ask("inspection", distance="taxi")  # whatever it says, it is asked before the end
    os.kill(first, signal.SIGKILL)
    assert told(asked)["error"]
    deadline = time.monotonic() + WAIT
    while fresh.alive:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "drop one first" in told(fresh.ask("facts"))["error"]
    assert fresh.pid not in (None, first)
    assert told(fresh.ask("look", path=str(file)))["set"]["rows"] == 40


def test_what_was_waited_for_is_told_that_the_process_is_gone(fresh, tmp_path):
    file = tmp_path / "many.npy"
    np.save(file, np.random.default_rng(0).normal(size=(30_000, 64)).astype(np.float32))
    told(fresh.ask("look", path=str(file)))
    asked = fresh.ask("inspection", distance="euclidean")
    deadline = time.monotonic() + WAIT
    while not asked.total:  # it is under way
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(fresh.pid, signal.SIGKILL)
    assert told(asked) == {"error": GONE}


def test_a_long_question_tells_how_far_it_is_and_ends_when_nobody_wants_it(fresh, tmp_path):
    file = tmp_path / "many.npy"
    np.save(file, np.random.default_rng(0).normal(size=(30_000, 64)).astype(np.float32))
    told(fresh.ask("look", path=str(file)))
    asked = fresh.once("inspection", distance="euclidean")
    deadline = time.monotonic() + WAIT
    while asked.share < 0.05:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert asked.seconds_left > 0
    assert told(fresh.ask("facts"))["rows"] == 30_000, "a click is answered meanwhile"
    asked.cancel()
    reply = told(asked)
    assert reply["cancelled"]
    assert fresh.alive
    assert told(fresh.ask("facts"))["rows"] == 30_000


def test_two_desks_know_nothing_of_each_other(desk, fresh, tmp_path):
    mine, theirs = pets(tmp_path / "mine.csv", 20), pets(tmp_path / "theirs.csv", 30)
    assert told(desk.ask("look", path=str(mine)))["set"]["name"] == "mine"
    assert told(fresh.ask("look", path=str(theirs)))["set"]["name"] == "theirs"
    assert told(desk.ask("facts"))["rows"] == 20
    assert desk.pid != fresh.pid
    assert desk.folder != fresh.folder
    for one in (desk, fresh):
        assert stat.S_IMODE(one.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("way", ["close", "forget"])
def test_folder_and_process_go_with_the_desk(way):
    made = Desk()
    (made.folder / "secret.csv").write_text("mine")
    told(made.ask("facts"))
    folder, pid = made.folder, made.pid
    if way == "close":
        made.close()
    else:
        del made
        gc.collect()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_places_of_a_draw_are_those_of_the_whole_set():
    given = EmbeddingSet(
        name="many",
        vectors=np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32),
        ids=np.array([f"row {7 * row % 300}" for row in range(300)], dtype=object),
        labels=np.arange(300) % 2,
        class_names=["a", "b"],
    )
    held = Held(set=given)
    seen = inspect_set(given, largest=50)
    assert seen.health.sampled_from == 300
    places = places_of(held, seen)
    assert [given.id_of(int(place)) for place in places] == [seen.set.id_of(row) for row in range(50)]
    assert places_of(held, inspect_set(given)).tolist() == list(range(300))
