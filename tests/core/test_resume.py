"""Killed at any instant, a run opens up to its last whole step, and resumed it ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.core.killing import wait_for
from tests.core.runs import assert_same_recording, few_digits, few_digits_file, lines

from tripletscope import Run
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.samples import LabelledData
from tripletscope.training import record

STEPS = 40
# Checkpoints far apart in steps and close in time: some resumed runs start from step 0, some from the middle.
ARGV = ["train", "--quiet", "--shadow", "random,batch-all", "--steps", str(STEPS), "--dim", "2", "--no-normalize"]
ARGV += ["--margin", "1", "--lr", "1e-2", "--checkpoint-every", "0.1"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def digits() -> LabelledData:
    return few_digits()


@pytest.fixture(scope="module")
def argv(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*ARGV, "--data", str(few_digits_file(tmp_path_factory.mktemp("data")))]


@pytest.fixture(scope="module")
def uninterrupted(argv: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main([*argv, "--out", str(out)]) == 0
    return Run.open(out)


def in_warm_process(argv: list[str], jobs: list[dict[str, Any]]) -> list[int]:
    script = Path(__file__).with_name("killing.py")
    task = json.dumps({"argv": argv, "jobs": jobs})
    done = subprocess.run(
        [sys.executable, str(script), task], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=900
    )
    return list(json.loads(done.stdout.splitlines()[-1]))


def assert_whole_up_to_a_step(cut: Run, whole: Run, at_least: int) -> None:
    """Everything of every committed step, equal to that of the uninterrupted run."""
    count = cut.step_count
    assert at_least <= count <= STEPS
    assert cut.state in ("stopped", "finished")
    assert cut.state_text == (f"stopped at step {count - 1}" if cut.state == "stopped" else f"finished, {count} steps")
    assert lines(cut)[:count] == lines(whole)[:count]
    mine, theirs = cut.pick_rows(), whole.pick_rows(range(count))
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
    for step in range(count):
        np.testing.assert_array_equal(cut.batch(step)[0], whole.batch(step)[0])
        np.testing.assert_array_equal(cut.plane(step)[1], whole.plane(step)[1])
    for step in cut.frame_steps:
        np.testing.assert_array_equal(cut.frames[step], whole.frames[step])
    assert not cut.notes


def kill_at_random_instants(argv: list[str], kills: int, place: Path, whole: Run) -> None:
    chance = random.Random(kills)
    # Most instants lie anywhere in the run; a few hit its end, where streams are packed and the run is closed.
    steps = [STEPS + 1 if i % 6 == 5 else chance.randint(1, STEPS) for i in range(kills)]
    outs = [place / str(i) for i in range(kills)]
    jobs = [
        {"out": str(out), "step": step, "delay": chance.uniform(0, 0.03)} for out, step in zip(outs, steps, strict=True)
    ]
    in_warm_process(argv, jobs)
    for out, step in zip(outs, steps, strict=True):
        assert_whole_up_to_a_step(Run.open(out), whole, min(step, STEPS))
    assert in_warm_process(argv, [{"out": str(out), "step": None, "delay": 0} for out in outs]) == [0] * kills
    for out in outs:
        resumed = Run.open(out)
        assert resumed.state_text == f"finished, {STEPS} steps"
        assert_same_recording(resumed, whole)
        assert not resumed.notes


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_instants(argv: list[str], tmp_path: Path, uninterrupted: Run) -> None:
    kill_at_random_instants(argv, 6, tmp_path, uninterrupted)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_thirty_random_instants(argv: list[str], tmp_path: Path, uninterrupted: Run) -> None:
    kill_at_random_instants(argv, 30, tmp_path, uninterrupted)


def start(*argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tripletscope", *argv]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("step", [1, pytest.param(23, marks=pytest.mark.slow)])
def test_the_real_command_killed_and_resumed(step: int, argv: list[str], tmp_path: Path, uninterrupted: Run) -> None:
    out = tmp_path / "run"
    process = start(*argv, "--out", str(out))
    wait_for(out, step, lambda: process.poll() is None)
    process.kill()
    process.communicate()
    assert_whole_up_to_a_step(Run.open(out), uninterrupted, step)
    resumed = start("train", "--resume", "--quiet", "--out", str(out))
    _, said = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, said
    assert_same_recording(Run.open(out), uninterrupted)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_cleanly(
    number: signal.Signals, code: int, argv: list[str], tmp_path: Path, uninterrupted: Run
) -> None:
    out = tmp_path / "run"
    talking = [option for option in argv if option != "--quiet"]
    process = start(*talking, "--steps", "100000", "--out", str(out))
    wait_for(out, 4, lambda: process.poll() is None)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert f"tripletscope train --resume --out {out}" in said
    run = Run.open(out)
    assert run.state == "stopped"
    assert run.step_count >= 4
    assert run.frame_steps[-1] == run.step_count  # the closing frame, after the last update
    assert run.lines[-1]["closing"] is True
    shared = min(run.step_count, STEPS)
    assert lines(run)[:shared] == lines(uninterrupted)[:shared]


# ---- what a run can be resumed with ----------------------------------------------------------------------------


def refusal(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    assert main(argv) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    return said[0]


def test_a_stopped_run_goes_on_and_a_finished_one_can_be_prolonged(digits: LabelledData, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    record(TrainConfig(steps=10), digits, whole)
    seen: list[int] = []
    stopped = record(
        TrainConfig(steps=10),
        digits,
        cut,
        on_step=lambda info: seen.append(info.step),
        should_stop=lambda: len(seen) == 3,
    )
    assert (stopped.state, stopped.steps) == ("stopped", 3)
    assert Run.open(cut).frame_steps == [0, 1, 2, 3]
    record(TrainConfig(steps=6), digits, cut, resume=True)
    assert Run.open(cut).state_text == "finished, 6 steps"
    result = record(TrainConfig(steps=10), digits, cut, resume=True)
    assert result.state == "finished"
    assert_same_recording(Run.open(cut), Run.open(whole))


def test_resuming_a_finished_run_changes_nothing(digits: LabelledData, tmp_path: Path) -> None:
    out, copy = tmp_path / "run", tmp_path / "copy"
    first = record(TrainConfig(steps=4), digits, out)
    shutil.copytree(out, copy)
    again = record(TrainConfig(steps=4), digits, out, resume=True)
    assert_same_recording(Run.open(out), Run.open(copy))
    assert all((first.weights[name] == again.weights[name]).all() for name in first.weights)


def test_the_recorded_settings_are_taken_and_others_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    assert main(["train", "--quiet", "--steps", "4", "--margin", "0.3", "--out", out]) == 0
    assert main(["train", "--quiet", "--resume", "--steps", "6", "--out", out]) == 0
    assert Run.open(out).step_count == 6
    said = refusal(capsys, ["train", "--resume", "--margin", "0.4", "--strategy", "random", "--out", out])
    assert "margin 0.3, not 0.4" in said
    assert "strategy semi-hard, not random" in said
    assert "--steps 6" in refusal(capsys, ["train", "--resume", "--steps", "5", "--out", out])
    assert Run.open(out).state_text == "finished, 6 steps"


def test_what_is_no_run_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        assert name in refusal(capsys, ["train", "--resume", "--out", str(tmp_path / name)])
    assert "--out" in refusal(capsys, ["train", "--resume"])
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_strangers_run_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tripletscope import Recorder

    with Recorder(tmp_path / "own", margin=0.2) as recorder:
        recorder.step(np.eye(3, dtype=np.float32), [0, 0, 1], ids=[1, 2, 3], triplets=([0], [1], [2]))
    assert "tripletscope train" in refusal(capsys, ["train", "--resume", "--out", str(tmp_path / "own")])


def test_data_that_changed_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "set.npz", str(tmp_path / "run")
    features, labels = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32), np.repeat([0, 1, 2], 4)
    np.savez(file, features=features, labels=labels)
    argv = ["train", "--quiet", "--data", str(file), "--classes-per-batch", "3", "--steps", "3", "--out", out]
    assert main(argv) == 0
    features[0, 0] += 1
    np.savez(file, features=features, labels=labels)
    assert "data" in refusal(capsys, ["train", "--quiet", "--resume", "--steps", "5", "--out", out])
    assert Run.open(out).step_count == 3


def test_data_that_moved_are_the_same_data(tmp_path: Path) -> None:
    file, out = tmp_path / "set.npz", str(tmp_path / "run")
    features, labels = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32), np.repeat([0, 1, 2], 4)
    np.savez(file, features=features, labels=labels)
    assert (
        main(["train", "--quiet", "--data", str(file), "--classes-per-batch", "3", "--steps", "3", "--out", out]) == 0
    )
    moved = file.rename(tmp_path / "moved.npz")
    assert main(["train", "--quiet", "--resume", "--data", str(moved), "--steps", "5", "--out", out]) == 0
    assert Run.open(out).step_count == 5
