"""A run that was cut short anywhere opens up to its last whole step, and goes on from there without a seam."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.core import recorded

from tripletscope import Recorder, Run
from tripletscope.errors import RunError
from tripletscope.schema import STEP_TABLES
from tripletscope.store import layout

ROOT = Path(__file__).resolve().parents[2]
STEPS = 14


def settings() -> dict[str, object]:
    return {"margin": 1.0, "strategies": ["semi-hard", "random"], "samples": recorded.samples()}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded.record(tmp_path_factory.mktemp("closed") / "run", STEPS)


@pytest.fixture(scope="module")
def facts(closed: Path) -> list[tuple[object, ...]]:
    return recorded.facts(Run.open(closed))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process leaves that dies after 14 steps: streams, no Parquet, "running"."""
    live, left = tmp_path_factory.mktemp("live") / "run", tmp_path_factory.mktemp("killed") / "run"
    with Recorder(live, **settings()) as recorder:
        recorded.record_steps(recorder, 0, STEPS)
        shutil.copytree(live, left)
    return left


def go_on(folder: Path, steps: int = STEPS) -> None:
    """What a trainer does that was told to resume."""
    with Recorder(folder, **settings(), resume=True) as recorder:
        recorder.step_number = max(recorder.committed - 2, 0)  # its checkpoint lies a little further back
        recorded.record_steps(recorder, recorder.step_number, steps)


def test_a_killed_run_is_whole_up_to_its_last_step(killed: Path, facts: list[tuple[object, ...]]) -> None:
    run = Run.open(killed)
    assert recorded.facts(run) == facts[:STEPS]  # all but the closing frame
    assert run.notes == []
    assert not any(layout.packed_path(killed, name).exists() for name in STEP_TABLES)


@pytest.mark.parametrize("name", ["picks", "batches", "plane", "scalars"])
def test_a_file_torn_anywhere_gives_all_whole_steps(
    name: str, killed: Path, tmp_path: Path, facts: list[tuple[object, ...]]
) -> None:
    rng = np.random.default_rng(5)
    torn = killed / "scalars.jsonl" if name == "scalars" else layout.part_path(killed, name)
    content = torn.read_bytes()
    ends = {0, 1, 7, 8, len(content) - 1, *rng.integers(0, len(content), 16).tolist()}
    for number, end in enumerate(sorted(ends)):
        folder = shutil.copytree(killed, tmp_path / str(number))
        (folder / torn.relative_to(killed)).write_bytes(content[:end])
        run = Run.open(folder)
        found = recorded.facts(run)
        if name == "scalars":
            assert len(found) == content[:end].count(b"\n")
            assert found == facts[: len(found)]
            assert run.notes == []  # a torn last line is an ordinary death
        else:
            whole = _whole_steps(content, end)
            assert found[:whole] == facts[:whole]
            assert len(found) == STEPS
            assert all(note.startswith(name) for note in run.notes)
            assert run.notes[-1] == f"{name}: steps {whole} to {STEPS - 1} are missing"
        if number % 3 == 0:
            go_on_or_refuse(folder, facts)
        shutil.rmtree(folder)


def go_on_or_refuse(folder: Path, facts: list[tuple[object, ...]]) -> None:
    """A tail is recorded again; where a whole table is gone, resuming is refused, and deletes nothing."""
    run = Run.open(folder)
    if run.steps and not all(len(run._columns(name, 0, 0)["step"]) for name in STEP_TABLES):
        before = sorted((path, path.stat().st_size) for path in folder.rglob("*"))
        with pytest.raises(RunError, match=r"missing or damaged.*restore"):
            go_on(folder)
        assert sorted((path, path.stat().st_size) for path in folder.rglob("*")) == before
        return
    go_on(folder)
    assert recorded.facts(Run.open(folder)) == facts


def _whole_steps(content: bytes, end: int) -> int:
    """How many record batches of the stream end before `end`, read by Arrow alone."""
    import pyarrow as pa

    count = 0
    try:
        with pa.ipc.open_stream(content[:end]) as reader:
            for _ in reader:
                count += 1
    except (OSError, pa.ArrowException):
        pass
    return count


def test_what_follows_the_committed_step_does_not_count(killed: Path, tmp_path: Path, facts: list[object]) -> None:
    """Killed between the streams and the line: the streams are ahead."""
    folder = shutil.copytree(killed, tmp_path / "run")
    lines = (folder / "scalars.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "scalars.jsonl").write_bytes(b"".join(lines[:9]) + lines[9][:20])
    (folder / "picks" / "picks.parquet.tmp").write_bytes(b"half")
    (folder / "frames" / "step-0000009.npy.tmp").write_bytes(b"half")
    run = Run.open(folder)
    assert recorded.facts(run) == facts[:9]
    assert max(run.frame_steps) == 8
    assert set(run.picks()["step"]) == set(range(9))
    go_on(folder)
    assert recorded.facts(Run.open(folder)) == facts
    assert not list(folder.rglob("*.tmp"))


def test_damage_in_the_middle_is_said(killed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(killed, tmp_path / "run")
    lines = (folder / "scalars.jsonl").read_bytes().splitlines(keepends=True)
    lines[6] = b"{garbage}\n"
    (folder / "scalars.jsonl").write_bytes(b"".join(lines))
    (folder / "frames" / "step-0000003.npy").write_bytes(b"\x93NUMPY torn")
    (folder / "frames" / "step-0000004.npy").unlink()
    (folder / "status.json").unlink()
    (folder / "samples" / "thumbs.png").write_bytes(b"no picture")
    run = Run.open(folder)
    assert run.steps == [0, 1, 2, 3, 4, 5]
    assert run.frame_steps == [0, 1, 2, 5]
    assert run.state_text == "stopped at step 5"
    said = "; ".join(run.notes)
    for word in ("scalars.jsonl: damaged from line 7", "status.json", "step 3 is", "step 4 is", "thumbnails"):
        assert word in said
    assert run.samples.thumbs is None


def test_torn_samples_are_said_and_the_rest_is_read(killed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(killed, tmp_path / "run")
    path = folder / "samples" / "samples.arrows"
    path.write_bytes(path.read_bytes()[:-9])
    whole, run = Run.open(killed), Run.open(folder)
    # Nobody knows their names any more, but rows and labels stand in the batches too.
    assert run.picks()["anchor"].tolist() == whole.pick_rows()["anchor"].tolist()
    seen, labels = whole.batch(3)
    assert run.samples.labels[seen].tolist() == labels.tolist()
    assert len(run.scalars) == STEPS
    assert any("named by their rows" in note for note in run.notes)
    with pytest.raises(RunError, match=r"samples\.arrows.*is damaged"):
        go_on(folder)


class Interrupted(BaseException):
    """The power cut of these tests."""


def cut_at(patch: pytest.MonkeyPatch, call: int) -> Callable[[], int]:
    """Lets the writer's call number `call` to the file system raise; returns a counter of the calls so far."""
    count = 0

    def wrapped(real: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **keywords: object) -> object:
            nonlocal count
            count += 1
            if count == call:
                raise Interrupted
            return real(*args, **keywords)

        return run

    for owner, name in ((os, "replace"), (os, "fsync"), (os, "truncate"), (Path, "unlink")):
        patch.setattr(owner, name, wrapped(getattr(owner, name)))
    return lambda: count


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_close_that_is_cut_anywhere_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: list[object]
) -> None:
    call = 0
    while True:
        call += 1
        folder = tmp_path / str(call)
        recorder = Recorder(folder, **settings())
        recorded.record_steps(recorder, 0, STEPS)
        with monkeypatch.context() as patch:
            calls = cut_at(patch, call)
            with contextlib.suppress(Interrupted):
                recorder.close()
            reached = calls() >= call
        del recorder
        gc.collect()  # what the death of the process does: files and locks are gone
        found = recorded.facts(Run.open(folder))
        assert found in (facts, facts[:STEPS])
        assert Run.open(folder).notes == []
        if call % 4 == 0 or not reached:
            go_on(folder)
            assert recorded.facts(Run.open(folder)) == facts
        if not reached:
            break
    assert call > 12


@pytest.mark.slow  # half a minute of resumes
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_resume_that_is_cut_anywhere_can_be_done_again(
    killed: Path, closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: list[object]
) -> None:
    for origin in (killed, closed):
        call = 0
        while True:
            call += 1
            folder = shutil.copytree(origin, tmp_path / f"{origin.parent.name}-{call}")
            # Uncommitted steps, so that there is something to cut.
            lines = (folder / "scalars.jsonl").read_bytes().splitlines(keepends=True)
            (folder / "scalars.jsonl").write_bytes(b"".join(lines[:10]))
            with monkeypatch.context() as patch:
                calls = cut_at(patch, call)
                with contextlib.suppress(Interrupted):
                    Recorder(folder, **settings(), resume=True).close("stopped")
                reached = calls() >= call
            gc.collect()  # what the death of the process does: files and locks are gone
            assert recorded.facts(Run.open(folder))[:10] == facts[:10]
            if call % 4 == 0 or not reached:
                go_on(folder)
                assert recorded.facts(Run.open(folder)) == facts
            shutil.rmtree(folder)
            if not reached:
                break


def test_a_finished_run_can_go_on_for_longer(closed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(closed, tmp_path / "run")
    with Recorder(folder, **settings(), resume=True, config={"steps": 20}) as recorder:
        assert (recorder.committed, recorder.step_number, recorder.last_step) == (13, 14, 13)
        recorder.step_number = 5  # from a checkpoint: the replayed steps are not recorded again
        before = Run.open(folder).lines
        recorded.record_steps(recorder, 5, 20)
    run = Run.open(folder)
    longer = recorded.record(tmp_path / "longer", 20)
    assert recorded.facts(run) == recorded.facts(Run.open(longer))
    assert run.lines[:14] == before[:14]
    assert run.config["steps"] == 20
    assert sorted(path.name for path in (folder / "frames").iterdir()) == sorted(
        path.name for path in (longer / "frames").iterdir()
    )


VICTIMS = """
import os
import sys
sys.path.insert(0, {root!r})
from tests.core import recorded
from tripletscope import Recorder

settings = {{"margin": 1.0, "strategies": ["semi-hard", "random"], "samples": recorded.samples()}}
for attempt in range({kills}):  # forked, so that torch is imported once and not {kills} times
    victim = os.fork()
    if victim == 0:
        print("pid", os.getpid(), flush=True)
        recorder = Recorder({folder!r}, **settings, resume=attempt > 0)
        for step in range(recorder.step_number, 100_000):
            recorded.record_steps(recorder, step, step + 1)
            print("step", step, flush=True)
    os.waitpid(victim, 0)
    print("dead", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_kill_9_at_any_instant_keeps_every_acknowledged_step(tmp_path: Path) -> None:
    """One run, killed ten times and resumed after each: nothing that was acknowledged is ever lost."""
    kills, rng, folder = 10, np.random.default_rng(1), tmp_path / "run"
    code = VICTIMS.format(root=str(ROOT), folder=str(folder), kills=kills)
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        for _ in range(kills):
            victim = int(parent.stdout.readline().split()[1])
            said = [parent.stdout.readline()]  # the first step; then a random instant
            time.sleep(float(rng.uniform(0, 0.1)))
            os.kill(victim, signal.SIGKILL)
            while not said[-1].endswith("dead\n"):
                said.append(parent.stdout.readline())
            acknowledged = [int(line.split()[1]) for line in said if line.startswith("step ") and "dead" not in line]
            run = Run.open(folder)
            assert run.state == "stopped"
            assert run.steps == list(range(len(run.steps)))
            assert run.steps[-1] >= acknowledged[-1]
            assert run.notes == []
            assert set(run.pick_rows()["step"].tolist()) == set(run.steps)
            parent.stdin.write("go on\n")
            parent.stdin.flush()
    stop = len(run.steps)
    go_on(folder, stop)
    assert recorded.facts(Run.open(folder)) == recorded.facts(Run.open(recorded.record(tmp_path / "whole", stop)))
