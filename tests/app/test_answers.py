"""The helper process: asked from many threads, restarted when dead, gone when the server goes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.app import tiny

from tripletscope import Run, strategies
from tripletscope.analysis.answer import pack_answer
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.analysis.seek import next_disagreement
from tripletscope_app.answers import Helper, answer_line, opened

# Speaks the protocol without torch: echoes the anchor, prints noise, dies when asked for 13.
_ECHO = textwrap.dedent(
    """
    import json, sys, time
    print("a library says hello", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ask"] == "aside":
            time.sleep(3)
            print(json.dumps({"id": asked["id"], "path": asked["digest"], "slow": "--slow" in sys.argv}), flush=True)
            continue
        if asked["anchor"] == 13:
            sys.exit(1)
        if asked["anchor"] == 99:
            print(json.dumps({"id": asked["id"], "error": "no such anchor"}), flush=True)
            continue
        told = ("anchor", "run", "margin", "what", "step")
        answer = {name: asked[name] for name in told if asked.get(name) is not None}
        print(json.dumps({"id": asked["id"], "answer": answer}), flush=True)
    """
)


@pytest.fixture
def helper():
    made = Helper([sys.executable, "-c", _ECHO])
    yield made
    made.stop()


def test_an_answer_comes_back_and_is_remembered(helper):
    first = helper.ask("runs/x", "d1", 3)
    assert first.result(20)["answer"] == {"anchor": 3, "run": "runs/x"}
    assert helper.ask("runs/x", "d1", 3) is first
    assert helper.ask("runs/x", "d2", 3) is not first, "a run that grew is another question"


def test_many_sessions_share_one_process(helper):
    helper.start()
    pid = helper.pid
    with ThreadPoolExecutor(8) as sessions:
        futures = list(sessions.map(lambda n: helper.ask("r", f"d{n % 7}", 100 + n), range(200)))
    assert [future.result(20)["answer"]["anchor"] for future in futures] == [100 + n for n in range(200)]
    assert helper.pid == pid


def test_a_dead_helper_says_so_and_the_next_question_starts_another(helper):
    assert "stopped" in helper.ask("r", "d", 13).result(20)["error"]
    assert helper.ask("r", "d", 4).result(20)["answer"]["anchor"] == 4


def test_a_refusal_is_not_remembered(helper):
    first = helper.ask("r", "d", 99)
    assert first.result(20) == {"error": "no such anchor"}
    assert helper.ask("r", "d", 99) is not first


def test_a_margin_makes_another_question(helper):
    own, narrow = helper.ask("r", "d", 4), helper.ask("r", "d", 4, 0.25)
    assert own.result(20)["answer"] == {"anchor": 4, "run": "r"}
    assert narrow.result(20)["answer"]["margin"] == 0.25
    assert helper.ask("r", "d", 4, 0.25) is narrow


def test_a_search_says_where_it_goes_on_from(helper):
    reply = helper.seek("r", "d", "disagree", step=30, anchor=4, margin=None)
    assert reply.result(20)["answer"] == {"anchor": 4, "run": "r", "what": "disagree", "step": 30}
    assert helper.seek("r", "d", "violating", step=30, anchor=4, margin=None) is not reply


def test_a_slow_question_makes_no_click_wait(helper):
    helper.ask("r", "d", 1).result(20)
    slow = helper.aside("r", "d")
    assert helper.aside("r", "d") is slow, "asked once"
    assert helper.ask("r", "d", 2).result(20)["answer"]["anchor"] == 2
    assert not slow.done()
    assert slow.result(20) == {"path": "d", "slow": True}


def test_what_may_be_wanted_is_asked_when_nobody_waits(helper):
    helper.ask("r", "d", 1).result(20)
    for anchor in (5, 6):
        helper.foresee("r", "d", anchor)
    deadline = time.monotonic() + 20
    while not all(("d", anchor, None, (), ()) in helper._known for anchor in (5, 6)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert helper.ask("r", "d", 6).result(20)["answer"]["anchor"] == 6


def test_a_click_forgets_what_was_foreseen_for_the_one_before(helper):
    slow = Helper([sys.executable, "-c", "import sys, time; time.sleep(60)"])
    try:
        slow.ask("r", "d", 1)
        slow.foresee("r", "d2", 1)
        slow.ask("r", "d", 2)
        assert ("d2", 1, None, (), ()) not in slow._known
        assert not slow._later
    finally:
        slow.stop()


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_it_dies_with_the_server_even_by_kill_9(tmp_path):
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from tripletscope_app.answers import Helper\n"
            f"h = Helper([sys.executable, '-c', {_ECHO!r}]); h.start(); print(h.pid, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(server.stdout.readline())
    os.kill(server.pid, signal.SIGKILL)
    server.communicate()
    deadline = time.monotonic() + 20
    while _alive(pid):
        assert time.monotonic() < deadline, "the helper outlived its server"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_is_answered_in_earnest(tmp_path):
    path = tiny.record(tmp_path / "run")
    run = Run.open(path)
    lines = [
        {"id": 1, "ask": "answer", "run": str(path), "anchor": 3, "margin": 0.2},
        {"id": 2, "ask": "answer", "run": str(path), "anchor": 99},
        {"id": 3, "ask": "seek", "run": str(path), "what": "disagree", "step": 5, "anchor": 3, "margin": None},
        {"id": 4, "ask": "sing"},
    ]
    replies = [answer_line(json.dumps(line)) for line in lines]
    assert [reply["id"] for reply in replies] == [1, 2, 3, 4]
    assert replies[0]["answer"] == pack_answer(anchor_answer(run, 3, margin=0.2))
    assert [card["name"] for card in replies[0]["strategies"]] == strategies.names()
    assert "no probe index" in replies[1]["error"]
    anchor, positive = next_disagreement(run, 5, 3)
    assert replies[2]["found"] == {"anchor": anchor, "positive": positive}
    assert "could not be asked" in replies[3]["error"]
    json.dumps(replies)


def test_a_run_that_grew_is_opened_again(tmp_path):
    path = tiny.record(tmp_path / "run")
    before = opened(str(path))
    assert opened(str(path)) is before
    os.utime(path / "scalars.jsonl", ns=(1, 1))
    assert opened(str(path)) is not before
