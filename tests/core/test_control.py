"""A run that is being recorded can be asked, from anywhere, to pause, to go on, or to stop."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from tripletscope import Recorder, Run, datasets
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.errors import RunError, UnknownNameError
from tripletscope.store import control
from tripletscope.training import record

CONFIG = TrainConfig(data="digits", strategy="random", steps=60, dim=2, hidden=4)


def until(condition, patience=20.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def state_of(out):
    try:
        return Run.open(out)
    except RunError:
        return None


def test_a_training_pauses_goes_on_and_stops(tmp_path):
    out = tmp_path / "run"
    slow = threading.Event()

    def on_step(info):
        if not slow.is_set():
            time.sleep(0.02)  # time to ask

    result = []
    worker = threading.Thread(
        target=lambda: result.append(record(CONFIG, datasets.load("digits"), out, on_step=on_step))
    )
    worker.start()
    until(lambda: (run := state_of(out)) is not None and run.step_count > 2)
    assert main(["control", str(out), "pause"]) == 0
    until(lambda: Run.open(out).paused)
    at = Run.open(out).step_count
    time.sleep(0.4)
    paused = Run.open(out)
    assert paused.step_count == at
    assert paused.state == "running"
    assert paused.state_text == f"paused at step {at - 1}"
    assert main(["control", str(out), "go"]) == 0
    until(lambda: Run.open(out).step_count > at)
    assert not Run.open(out).paused
    control.ask(out, "stop")
    worker.join(20)
    assert result[0].state == "stopped"
    stopped = Run.open(out)
    assert stopped.state == "stopped"
    # What was asked of that process is not asked of the next: it goes on to the end, and equals a run without pauses.
    slow.set()
    record(CONFIG, datasets.load("digits"), out, resume=True)
    record(CONFIG, datasets.load("digits"), tmp_path / "plain")
    again, plain = Run.open(out), Run.open(tmp_path / "plain")
    assert again.state == "finished"
    assert again.picks().equals(plain.picks())
    assert np.array_equal(again.frames[60], plain.frames[60])


def test_a_pause_is_heard_as_life_and_ends_when_the_process_should(tmp_path):
    with Recorder(tmp_path / "run", margin=0.5) as recorder:
        control.ask(recorder.path, "pause")
        began = time.time()
        stops = iter([False, False, False, True, True])
        assert not recorder.go_on(lambda: next(stops))
        assert Run.open(recorder.path).status["heartbeat"] >= began - 0.01


def test_requests_that_make_no_sense(tmp_path, capsys):
    with Recorder(tmp_path / "run", margin=0.5) as recorder:
        with pytest.raises(UnknownNameError, match="pause"):
            control.ask(recorder.path, "sleep")
        for nonsense in ("", "{", "[]", '{"ask": "fly"}', '{"ask": ["pause"]}', "\x00"):
            (recorder.path / "control").write_text(nonsense)
            assert recorder.go_on()
    assert main(["control", str(tmp_path / "run"), "pause"]) == 2
    assert main(["control", str(tmp_path / "nothing"), "pause"]) == 2
    with pytest.raises(RunError, match="cannot be asked"):
        control.ask(tmp_path / "nothing", "pause")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "not being recorded (finished" in said[0]
