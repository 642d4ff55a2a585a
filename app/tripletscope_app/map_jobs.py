"""Maps in the making: one process at a time, shared by everybody who looks, ended when asked or when the server ends.

The process is the command that a person can type, `tripletscope project --lines`. It keeps what it has made in a file,
so that nothing passes through here but how far it is. When its standard input closes, by a cancel or because the
server is gone by whatever death, it stops at the next breath and leaves nothing half-written.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tripletscope.analysis.maps import Kind, where_kept
from tripletscope.store.reader import Run

State = Literal["none", "running", "ready", "failed", "cancelled"]
Name = tuple[str, Kind]

#: After this many seconds a process that was asked to stop is killed.
PATIENCE = 5.0


@dataclass(frozen=True)
class Standing:
    """How far a map is.

    Attributes:
        state: "running" also while it waits for its turn.
        share: of the work that is done, 0 to 1.
        began: when its process began with it (`time.monotonic`), None before.
        message: what went wrong, in a sentence.
    """

    state: State
    share: float = 0.0
    began: float | None = None
    message: str | None = None

    def as_news(self, frames: int) -> dict[str, Any]:
        """For the browser: {"state", "done", "total", "seconds_left", "message"}, counted in frames."""
        left = None
        if self.state == "running" and self.began is not None and self.share >= 0.03:
            left = round((time.monotonic() - self.began) * (1 - self.share) / self.share, 1)
        started = self.state == "running" and self.began is not None
        done, total = (int(self.share * frames), frames) if started else (0, 0)
        return {"state": self.state, "done": done, "total": total, "seconds_left": left, "message": self.message}


@dataclass(eq=False)
class _Task:
    """One process: a kind of map for one run or several."""

    kind: Kind
    runs: dict[str, Run]  # by digest
    process: subprocess.Popen[str] | None = None
    cancelled: bool = False


class MapJobs:
    """The maps that are being made by this server. Safe to ask from many sessions at once.

    Args:
        command: the process, to which `--space KIND --lines RUN...` is added; the real one when left out.

    Example:
        jobs = MapJobs()
        jobs.start([run], "umap")
        jobs.standing(run, "umap").share
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = list(command or [sys.executable, "-P", "-m", "tripletscope", "project"])
        self._lock = threading.Lock()
        self._waiting: deque[_Task] = deque()
        self._current: _Task | None = None
        self._standing: dict[Name, Standing] = {}
        self._makers: dict[Name, _Task] = {}  # the task that last set out to make a map: only its word counts

    def standing(self, run: Run, kind: Kind) -> Standing:
        """How far the map of that run is; ready when it is kept, whoever made it."""
        with self._lock:
            known = self._standing.get((run.digest, kind))
        if known is not None and known.state == "running":
            return known
        if where_kept(run, kind) is not None:
            return Standing("ready", 1.0)
        if known is not None and known.state == "ready":  # it was made, and somebody has thrown it away since
            return Standing("none")
        return known or Standing("none")

    def start(self, runs: Sequence[Run], kind: Kind) -> None:
        """Nothing; the maps are being made, in one process, unless they are there or under way already."""
        wanted = {run.digest: run for run in runs if self.standing(run, kind).state not in ("running", "ready")}
        if not wanted:
            return
        with self._lock:
            self._enqueue(_Task(kind, wanted))
            current = self._current
            if current is None:
                self._next()
            elif kind == "umap" and current.kind != "umap" and not current.cancelled:
                # Somebody waits for this one. What nobody has asked for begins again after it.
                left = {d: run for d, run in current.runs.items() if self._standing[d, current.kind].state == "running"}
                current.cancelled = True
                self._enqueue(_Task(current.kind, left))
                self._hang_up(current)

    def cancel(self, run: Run, kind: Kind = "umap") -> None:
        """Nothing; the map is no longer being made. Whoever else waited for it is told, too."""
        name = (run.digest, kind)
        with self._lock:
            for task in [each for each in self._waiting if each.kind == kind and run.digest in each.runs]:
                self._waiting.remove(task)
                self._end(task, "cancelled")
            current = self._current
            if current is not None and current.kind == kind and run.digest in current.runs:
                current.cancelled = True
                if self._standing[name].state == "running":
                    self._standing[name] = Standing("cancelled")
                self._hang_up(current)

    def stop(self) -> None:
        """Nothing; no process is left."""
        with self._lock:
            while self._waiting:
                self._end(self._waiting.popleft(), "cancelled")
            current = self._current
            if current is not None:
                current.cancelled = True
                self._hang_up(current)
        if current is not None and current.process is not None:
            current.process.wait(PATIENCE + 5)

    # ---- inside; the lock is held where nothing else is said

    def _enqueue(self, task: _Task) -> None:
        """The task waits for its turn, a UMAP before the others."""
        for digest in task.runs:
            self._standing[digest, task.kind] = Standing("running")
            self._makers[digest, task.kind] = task
        before = [i for i, each in enumerate(self._waiting) if each.kind != "umap"] if task.kind == "umap" else []
        self._waiting.insert(before[0] if before else len(self._waiting), task)

    def _next(self) -> None:
        self._current = self._waiting.popleft() if self._waiting else None
        if self._current is not None:
            threading.Thread(target=self._work, args=(self._current,), daemon=True).start()

    def _work(self, task: _Task) -> None:
        """In a thread of its own, without the lock: one process from start to end."""
        why = "the process that made it ended too early"
        try:
            self._listen(task)
        except OSError as problem:
            why = f"its process could not be started ({problem.strerror})"
        with self._lock:
            self._end(task, "cancelled" if task.cancelled else "failed", why)
            self._next()

    def _listen(self, task: _Task) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        by_path = {str(run.path): digest for digest, run in task.runs.items()}
        with self._lock:
            if task.cancelled:
                return
            task.process = process = subprocess.Popen(
                [*self._command, "--space", task.kind, "--lines", *by_path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, **threads},
                start_new_session=True,  # Ctrl-C in the server's terminal is the server's
            )
        assert process.stdout is not None
        for line in process.stdout:
            try:
                told = json.loads(line)
                digest, state = by_path[told["run"]], told["state"]
            except (ValueError, KeyError, TypeError):
                continue  # something printed by a library
            self._hear(task, (digest, task.kind), state, told)
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]

    def _hear(self, task: _Task, name: Name, state: str, told: dict[str, Any]) -> None:
        with self._lock:
            known = self._standing[name]
            if known.state != "running" or self._makers[name] is not task:
                return
            if state == "running":
                total = told.get("total") or 0
                share = min(told.get("done", 0) / total, 1.0) if total else 0.0
                self._standing[name] = replace(known, share=share, began=known.began or time.monotonic())
            elif state in ("ready", "cancelled"):
                self._standing[name] = Standing(state)  # type: ignore[arg-type]
            else:
                self._standing[name] = Standing("failed", message=str(told.get("message") or "it could not be made"))

    def _end(self, task: _Task, state: Literal["failed", "cancelled"], message: str | None = None) -> None:
        """Whatever of the task is not finished is over."""
        for name in ((digest, task.kind) for digest in task.runs):
            if self._standing[name].state == "running" and self._makers[name] is task:
                self._standing[name] = Standing(state, message=message if state == "failed" else None)

    def _hang_up(self, task: _Task) -> None:
        """Closes the process's standard input, at which it ends; one that does not is killed."""
        if task.process is not None:
            hang_up(task.process, PATIENCE)


def hang_up(process: subprocess.Popen[str], patience: float) -> None:
    """Nothing; the process's standard input is closed, at which it should end; after that many seconds it is killed."""
    if process.stdin is None:
        return
    with contextlib.suppress(OSError):
        process.stdin.close()

    def insist() -> None:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=insist, daemon=True).start()
