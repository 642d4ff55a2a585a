"""Trainings forked from a process that has imported torch: the same runs, lives of their own, and a way without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pandas as pd
import pytest
from tests.app.test_racing import until

from tripletscope import Run
from tripletscope.cli import main
from tripletscope.config import TrainConfig, as_arguments
from tripletscope_app.racing import warm
from tripletscope_app.racing.plan import race
from tripletscope_app.racing.warm import Warm, lives
from tripletscope_app.racing.yard import Yard

pytestmark = pytest.mark.skipif(not warm.supported(), reason="trainings are forked on Linux only")
CONFIG = TrainConfig(data="digits", dim=2, hidden=4, steps=8, seed=5)


@pytest.fixture(scope="module")
def ready():
    """One for all tests: it imports torch."""
    made = Warm()
    assert made.start()
    yield made
    made.stop()


def train(ready, folder, config):
    options = [*as_arguments(config), "--out", str(folder / "run")]
    child = ready.train(options, folder / "run.log", folder / "run.started")
    return child, child.pid.result(120)


@pytest.mark.slow
def test_a_forked_run_is_the_run_that_the_command_makes(ready, tmp_path):
    child, pid = train(ready, tmp_path, CONFIG)
    until(lambda: child.poll() is not None, 120)
    assert "finished at step 8" in (tmp_path / "run.log").read_text()
    assert f'"pid": {pid}' in (tmp_path / "run.started").read_text()
    assert main(["train", *as_arguments(CONFIG), "--out", str(tmp_path / "typed"), "--quiet"]) == 0
    forked, typed = Run.open(tmp_path / "run"), Run.open(tmp_path / "typed")
    pd.testing.assert_frame_equal(forked.picks(), typed.picks())
    assert [line["loss"] for line in forked.lines[:-1]] == [line["loss"] for line in typed.lines[:-1]]


@pytest.mark.slow
def test_a_refusal_is_in_the_log_and_the_next_is_forked_all_the_same(ready, tmp_path):
    child, first = train(ready, tmp_path, TrainConfig(strategy="quadruplet-of-mine"))
    until(lambda: child.poll() is not None, 120)
    assert "quadruplet-of-mine" in (tmp_path / "run.log").read_text()
    assert not (tmp_path / "run").exists()
    child, second = train(ready, tmp_path, CONFIG)
    assert second != first
    until(lambda: child.poll() is not None, 120)
    assert Run.open(tmp_path / "run").state == "finished"


@pytest.mark.slow
def test_a_training_has_a_session_of_its_own_steps_back_and_hears_an_end(ready, tmp_path):
    long = TrainConfig(data="digits", dim=2, hidden=4, steps=100_000)
    child, pid = train(ready, tmp_path, long)
    until(lambda: (tmp_path / "run" / "status.json").exists(), 120)
    assert os.getsid(pid) == pid
    assert os.getpriority(os.PRIO_PROCESS, pid) >= warm.NICE
    assert child.poll() is None
    child.terminate()
    until(lambda: child.poll() is not None)
    assert Run.open(tmp_path / "run").state == "stopped", "it has closed its run"


@pytest.mark.slow
def test_trainings_outlive_the_server_and_the_warm_process_does_not(tmp_path):
    script = textwrap.dedent(
        f"""
        import pathlib, time
        from tripletscope.config import TrainConfig
        from tripletscope_app.racing.plan import race
        from tripletscope_app.racing.yard import Yard
        yard = Yard(pathlib.Path({str(tmp_path)!r}) / "runs", most=1)
        yard.warm_up()
        settings = TrainConfig(data="digits", dim=2, hidden=4, steps=100_000)
        folder = yard.start(race(settings, ["random"], [0], title="Long"), "long")
        while yard.race(folder).runs[0].step < 3:
            time.sleep(0.05)
        print(yard._warm.pid, flush=True)
        time.sleep(600)
        """
    )
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    warmed = int(server.stdout.readline())
    server.send_signal(signal.SIGKILL)
    server.wait()
    server.stdout.close()
    until(lambda: not lives(warmed))
    yard = Yard(tmp_path / "runs", most=1)
    run = yard.race(tmp_path / "runs" / "long").runs[0]
    until(lambda: yard.race(tmp_path / "runs" / "long").runs[0].step > run.step)
    yard.cancel(tmp_path / "runs" / "long", "random")
    until(lambda: Run.open(run.path).state == "stopped")


def test_without_a_warm_process_the_command_is_started(tmp_path):
    from tests.app.test_racing import FAKE

    yard = Yard(tmp_path / "runs", command=[sys.executable, "-c", FAKE])
    yard._warm = Warm([sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)"])
    folder = yard.start(race(TrainConfig(steps=3), ["random"], [0], title="One"), "one")
    until(lambda: yard.race(folder).over)
    assert yard.race(folder).runs[0].state == "finished"
    assert not yard._warm.start(), "what could not import torch is not tried again"
    yard.close()


def test_what_was_cancelled_before_its_process_was_made_ends(tmp_path):
    from concurrent.futures import Future

    pid = Future()
    asked = warm.Forked(pid)
    assert asked.poll() is None
    asked.terminate()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pid.set_result(process.pid)
    assert process.wait(60) == -signal.SIGTERM
    assert asked.poll() == 0


def test_it_gives_its_memory_back_when_nobody_asks():
    light = "from tripletscope_app.racing import warm; warm._load = lambda: None; warm.serve(0.0)"
    bored = Warm([sys.executable, "-c", light])
    bored.start()
    first = bored.pid
    until(lambda: not bored.alive)
    assert bored.start(), "the next question finds another"
    assert bored.pid not in (None, first)
    bored.stop()
    assert not bored.alive
