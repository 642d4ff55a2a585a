"""The trainings of this machine: starts what is planned, a few at a time, and says how each is.

Every training is a process of its own, the command that a person can type, with a session of its own: it goes on when
the page is reloaded, when the server ends, and when it is started again. Where that is possible it is forked from a
process that has imported torch already (see `warm`), else it is started from nothing. What is waiting is on the disk,
and so is how far a run is, so a new server knows what the old one knew. One server at a time starts what waits: there
is a lock.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from tripletscope.config import TrainConfig, as_arguments
from tripletscope.errors import RunError
from tripletscope.store import control, layout
from tripletscope.store.reader import Run
from tripletscope.store.shelf import is_run
from tripletscope.store.status import read_status, true_state
from tripletscope_app.racing import plan as plans
from tripletscope_app.racing import warm
from tripletscope_app.racing.plan import Plan
from tripletscope_app.racing.warm import Child, Warm

State = Literal["waiting", "starting", "running", "paused", "finished", "stopped", "failed", "refused", "cancelled"]

#: Between two looks at what could start, in seconds.
PAUSE = 0.4
LOGS, LOCK = "logs", ".yard.lock"
#: Until a run that could not be started is tried again, in seconds; and bytes that a run needs to begin.
AGAIN, ROOM = 3.0, 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAYS = "tripletscope: "  # how the command line begins a refusal
#: Lines of a log that are shown when something failed.
TAIL = 12


@dataclass(frozen=True)
class Standing:
    """How a planned run is.

    Attributes:
        name: of the run and of its folder.
        path: of the folder; it may not be there yet.
        config: its settings.
        state: "waiting" for its turn, "starting" until its folder is there, "refused" when it never made one.
        step: optimiser steps done.
        rate: steps per second of late; None before that can be told.
        message: why it ended, or what keeps it from starting though it is its turn; None for most.
    """

    name: str
    path: Path
    config: TrainConfig
    state: State
    step: int = 0
    rate: float | None = None
    message: str | None = None

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return 1.0 if self.state == "finished" else min(self.step / self.config.steps, 1.0)

    @property
    def seconds_left(self) -> float | None:
        """About how long it still takes while it runs."""
        return (self.config.steps - self.step) / self.rate if self.rate and self.state == "running" else None

    @property
    def alive(self) -> bool:
        """Whether a process is working on it."""
        return self.state in ("starting", "running", "paused")

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return not self.alive and self.state != "waiting"


@dataclass(frozen=True)
class Planned:
    """A planned race with how its runs are, in the order in which they start."""

    folder: Path
    plan: Plan
    runs: tuple[Standing, ...]

    @property
    def over(self) -> bool:
        """Whether every run has ended in some way."""
        return all(run.over for run in self.runs)


class Yard:
    """The trainings in a folder of runs. Safe to ask from many sessions at once.

    Args:
        root: folder that holds the races.
        most: trainings at a time; by default one for each processor.
        command: what trains, to which the options are added; the real one when left out.

    Example:
        yard = Yard(Path("runs"))
        folder = yard.start(plan, "first-race")
        yard.race(folder).runs[0].share
    """

    def __init__(self, root: Path, *, most: int | None = None, command: Sequence[str] | None = None) -> None:
        self.root = root
        self.most = most or max(os.cpu_count() or 1, 1)
        self._command = list(command or [sys.executable, "-P", "-m", "tripletscope", "train"])
        self._lock = threading.RLock()
        self._warm = Warm() if command is None else None
        self._children: dict[Path, Child] = {}
        #: By run that could not be started: the reason, and when it is tried again.
        self._obstacles: dict[Path, tuple[str, float]] = {}
        self._held: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._ending, self._stir = threading.Event(), threading.Event()

    # ---- what is there

    def races(self) -> list[Planned]:
        """All planned races, the youngest first."""
        found = [place.parent for place in self.root.glob(f"*/{plans.FILE}")]
        found.sort(key=lambda folder: (folder / plans.FILE).stat().st_mtime, reverse=True)
        races = (self.race(folder) for folder in found)
        return [race for race in races if race is not None]

    def race(self, folder: Path) -> Planned | None:
        """The planned race in that folder; None where there is none."""
        plan = plans.read(folder)
        if plan is None:
            return None
        return Planned(folder, plan, tuple(self._standing(folder, plan, name) for name in plan.runs))

    # ---- what can be asked

    def start(self, plan: Plan, name: str) -> Path:
        """The folder of the race, whose runs start as soon as there is room for them."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock:
            folder = plans.folder_for(self.root, name)
            folder.mkdir()
            plans.write(folder, plan)
        self.wake()
        return folder

    def cancel(self, folder: Path, name: str) -> None:
        """Nothing; that run does not start, or ends after the step that it is at and keeps what it has recorded."""
        with self._lock:
            plan = plans.read(folder)
            if plan is None or name not in plan.runs:
                return
            if is_run(folder / name):
                with contextlib.suppress(RunError):
                    control.ask(folder / name, "stop")
                return
            child = self._children.get(folder / name)
            plans.write(folder, plan.without(name))
            if child is not None:
                child.terminate()

    def pause(self, run: Path, *, go: bool = False) -> None:
        """Nothing; the run waits after the step that it is at, or goes on."""
        control.ask(run, "go" if go else "pause")

    def resume(self, run: Path) -> None:
        """Nothing; a run that was stopped, or whose process died, goes on.

        Raises:
            RunError: it is being recorded, it is finished, or nothing can be written here.
        """
        opened = Run.open(run)
        if opened.state in ("running", "finished"):
            raise RunError(f"The run {opened.name!r} cannot go on: it is {opened.state_text}.")
        with self._lock:
            try:
                self._launch(run, ["--resume", "--out", str(run.absolute())])
            except OSError as problem:
                full = problem.errno in _FULL
                why = "the disk is full: make room first" if full else problem.strerror or str(problem)
                raise RunError(f"The run {opened.name!r} cannot go on: {why}.") from problem

    @contextlib.contextmanager
    def at_rest(self, folder: Path, names: Sequence[str]) -> Iterator[None]:
        """Nothing is started here meanwhile.

        Raises:
            RunError: one of these runs of the race in that folder is under way.
        """
        with self._lock:
            planned = self.race(folder)
            for run in planned.runs if planned is not None else ():
                if run.name in names and run.alive:
                    raise RunError(f"The run {run.name!r} is under way: cancel it first.")
            yield

    def warm_up(self) -> None:
        """Nothing; somebody may start a race soon, and torch is imported meanwhile."""
        if self._warm is not None:
            self._warm.start()

    def wake(self) -> None:
        """Nothing; somebody looks after what waits, if anything does."""
        with self._lock:
            self._stir.set()
            if self._thread is None or not self._thread.is_alive():
                self._ending.clear()
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Nothing; nothing more is started here. Trainings go on."""
        self._ending.set()
        self._stir.set()
        if self._thread is not None:
            self._thread.join(5)
        self._let_go()
        if self._warm is not None:
            self._warm.stop()

    def log(self, folder: Path, name: str) -> list[str]:
        """The last lines that the process of that run has written."""
        try:
            text = (folder / LOGS / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return text.strip().splitlines()[-TAIL:]

    # ---- inside

    def _standing(self, folder: Path, plan: Plan, name: str) -> Standing:
        path, config = folder / name, plan.runs[name]
        child = self._children.get(path)
        busy = child is not None and child.poll() is None
        if is_run(path):
            return self._recorded(folder, path, config, busy)
        if name in plan.cancelled:
            return Standing(name, path, config, "cancelled")
        started = _started(folder, name)
        if busy or (started is not None and warm.lives(started)):
            return Standing(name, path, config, "starting")
        if started is None:
            return Standing(name, path, config, "waiting", message=self._obstacles.get(path, (None,))[0])
        said = self.log(folder, name)
        why = said[-1].removeprefix(_SAYS) if said else "its process ended before it began"
        return Standing(name, path, config, "refused", message=why)

    def _recorded(self, folder: Path, path: Path, config: TrainConfig, busy: bool) -> Standing:
        status = read_status(path) or {}
        step, rate = _progress(path)
        state = true_state(status)
        message = status.get("message")
        if state == "running" and message == "paused":
            return Standing(path.name, path, config, "paused", step, rate)
        if not status:  # its folder is a moment older than its first status
            started = _started(folder, path.name)
            busy = busy or (started is not None and warm.lives(started))
        if state == "stopped" and busy:  # its process has just begun, or has just begun to go on
            return Standing(path.name, path, config, "starting", step)
        if state == "stopped" and status.get("state") == "running":
            last = (self.log(folder, path.name) or [""])[-1]
            refused = last.startswith(_SAYS)  # a sentence of the trainer, which could not write it into the run
            message = last.removeprefix(_SAYS) if refused else "its process died" + (f": {last}" if last else "")
        return Standing(path.name, path, config, state, step, rate, message)  # type: ignore[arg-type]

    def _work(self) -> None:
        """In a thread of its own: starts what waits, until nothing does."""
        while not self._ending.is_set():
            self._stir.clear()
            if self._hold():
                waiting = self._advance()
                if not waiting:
                    break
            self._stir.wait(PAUSE)
        self._let_go()

    def _advance(self) -> bool:
        """Whether anything waited, before what there is room for was started."""
        with self._lock:
            races = self.races()[::-1]  # first come, first served
            alive = sum(run.alive for race in races for run in race.runs)
            waiting = [run for race in races for run in race.runs if run.state == "waiting"]
            for run in waiting[: max(self.most - alive, 0)]:
                self._try(run.path, [*as_arguments(run.config), "--out", str(run.path.absolute())])
            return bool(waiting)  # also when all were started: the next look finds out whether they live

    def _try(self, run: Path, options: Sequence[str]) -> None:
        """Nothing; it is started, or the reason why it cannot be is kept, and after a while it is tried again."""
        if self._obstacles.get(run, ("", 0.0))[1] > time.monotonic():
            return
        if run in self._children:  # it was started, ended, and could not even note its number
            del self._children[run]
            self._obstacles[run] = ("its process ended before it could write anything", time.monotonic() + AGAIN)
            return
        try:
            self._launch(run, options)
        except OSError as problem:
            self._obstacles[run] = (_obstacle(problem), time.monotonic() + AGAIN)
        else:
            self._obstacles.pop(run, None)

    def _launch(self, run: Path, options: Sequence[str]) -> None:
        logs = run.parent / LOGS
        logs.mkdir(exist_ok=True)
        _require_room(logs)
        log, started = logs / f"{run.name}.log", logs / f"{run.name}.started"
        forked = self._warm.train(options, log, started) if self._warm is not None else None
        if forked is None:
            self._children[run] = self._from_nothing(log, started, options)
            return

        def otherwise(pid: Future[int]) -> None:
            if pid.exception() is not None and not self._ending.is_set():
                with self._lock:
                    self._children[run] = self._from_nothing(log, started, options)

        self._children[run] = forked
        forked.pid.add_done_callback(otherwise)

    def _from_nothing(self, log: Path, started: Path, options: Sequence[str]) -> Child:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with log.open("ab") as written:
            child = subprocess.Popen(
                [*self._command, *options],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                env={**os.environ, **threads},
                start_new_session=True,  # it outlives this server
            )
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, warm.NICE)
        threading.Thread(target=child.wait, daemon=True).start()  # so that nobody takes the dead for living
        warm.note(started, child.pid)
        return child

    def _hold(self) -> bool:
        """Whether this server is the one that starts what waits."""
        if self._held is not None:
            return True
        self.root.mkdir(parents=True, exist_ok=True)
        file = (self.root / LOCK).open("ab")
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: two servers on one folder might start a run twice; the second is refused
            pass
        except OSError:
            file.close()
            return False
        self._held = file
        return True

    def _let_go(self) -> None:
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None


def _require_room(folder: Path) -> None:
    """Nothing, where a run could write its first files.

    Raises:
        OSError: the disk is full, the quota used up, the folder gone or read-only.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM))
        file.flush()
        os.fsync(file.fileno())  # some file systems only notice now


def _obstacle(problem: OSError) -> str:
    """Why a run cannot start, in words that name the remedy where there is one."""
    if problem.errno in _FULL:
        return "the disk is full; it starts by itself when there is room"
    return f"its log cannot be written ({problem.strerror or problem}); it is tried again"


def _started(folder: Path, name: str) -> int | None:
    """The process that was started for that run, as it was noted; None before."""
    try:
        return int(json.loads((folder / LOGS / f"{name}.started").read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _progress(run: Path) -> tuple[int, float | None]:
    """(optimiser steps recorded, steps per second over the last ones), from the end of the file that commits them."""
    try:
        with (run / layout.SCALARS).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 64 * 1024, 0))
            tail = file.read().decode(errors="replace").splitlines()
    except OSError:
        return 0, None
    lines = []
    for text in tail[-40:]:
        try:
            line = json.loads(text)
            lines.append((int(line["step"]), float(line["time"]), bool(line.get("closing"))))
        except (ValueError, KeyError, TypeError):
            continue  # half a line: the first of the piece, or the last while it is being written
    steps = [(step, when) for step, when, closing in lines if not closing]
    if not steps:
        return 0, None
    (first, began), (last, ended) = steps[0], steps[-1]
    rate = (last - first) / (ended - began) if ended > began and last > first else None
    return last + 1, rate
