"""The helper process: asked from many threads, restarted when dead, gone when the server goes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tripletscope_app.answers import Helper

# Speaks the protocol without torch: echoes the anchor, prints noise, dies when asked for 13.
_ECHO = textwrap.dedent(
    """
    import json, sys
    print("a library says hello", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["anchor"] == 13:
            sys.exit(1)
        if asked["anchor"] == 99:
            print(json.dumps({"id": asked["id"], "error": "no such anchor"}), flush=True)
            continue
        print(json.dumps({"id": asked["id"], "answer": {"anchor": asked["anchor"], "run": asked["run"]}}), flush=True)
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
