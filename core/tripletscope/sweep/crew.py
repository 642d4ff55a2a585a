"""The processes that train the cells: as many at a time as the budget has cores, one thread each."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from tripletscope.sweep.folder import SweepFolder
from tripletscope.sweep.plan import Cell, data_stamp

#: Seconds between two looks at whether somebody asked to stop.
LOOK = 0.1
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
Kind = Literal["begun", "step", "done", "failed", "stopped"]
ENDS = ("done", "failed", "stopped")


@dataclass(frozen=True)
class Event:
    """What happened to a cell.

    Attributes:
        kind: "begun", "step", or how it ended: "done", "failed", "stopped".
        cell: which one.
        step: optimiser steps made, with "step".
        reason: why, with "failed".
        recall_at_1: after the last update, with "done".
    """

    kind: Kind
    cell: Cell
    step: int = 0
    reason: str = ""
    recall_at_1: float | None = None


def cores() -> int:
    """Processors that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def work(
    cells: Sequence[Cell],
    folder: SweepFolder,
    *,
    jobs: int,
    should_stop: Callable[[], bool] = lambda: False,
    keep_runs: bool = False,
    lock: int | None = None,
) -> Iterator[Event]:
    """What happens to the cells, as it happens, until each has ended.

    Args:
        cells: to be trained, in this order.
        folder: where their numbers go.
        jobs: processes at a time.
        should_stop: asked ten times a second; once True, nothing more is begun, and what is under way ends after its
            step and is told as "stopped". A later call goes on with it.
        keep_runs: leave the run folders of finished cells where they are.
        lock: descriptor of the folder's lock, which the processes share.
    """
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    ending = threading.Event()
    crew = [
        threading.Thread(target=_hand, args=(folder, waiting, events, ending, keep_runs, lock), daemon=True)
        for _ in range(min(max(jobs, 1), len(cells)))
    ]
    with open(folder.log, "ab"):
        pass
    for hand in crew:
        hand.start()
    working = len(crew)
    try:
        while working:
            if should_stop():
                ending.set()
            try:
                event = events.get(timeout=LOOK)
            except queue.Empty:
                continue
            if event is None:
                working -= 1
                continue
            if event.kind == "failed":
                folder.fail(event.cell, event.reason)
            elif event.kind == "done":
                folder.settle(event.cell)
            yield event
    finally:
        ending.set()
        for hand in crew:
            hand.join()


def _hand(
    folder: SweepFolder,
    waiting: queue.SimpleQueue[Cell],
    events: queue.SimpleQueue[Event | None],
    ending: threading.Event,
    keep_runs: bool,
    lock: int | None,
) -> None:
    """In a thread of its own: gives one process cell after cell, and a new process where one has died."""
    worker: _Worker | None = None
    try:
        while not ending.is_set():
            try:
                cell = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                worker = worker or _Worker(folder, lock, ending, keep_runs)
            except OSError as problem:
                events.put(Event("failed", cell, reason=f"no process could be started for it ({problem})"))
                continue
            ended = None
            for ended in worker.train(cell):
                events.put(ended)
            if ended is not None and ended.kind in ENDS:
                continue
            # Told to stop before it had read the cell, or dead.
            events.put(Event("stopped", cell) if ending.is_set() else Event("failed", cell, reason=worker.death()))
            worker = None if worker.dead else worker
    finally:
        events.put(None)
        if worker is not None:
            worker.close()


class _Worker:
    """One process, from this side."""

    def __init__(self, folder: SweepFolder, lock: int | None, ending: threading.Event, keep_runs: bool) -> None:
        self._folder, self._keep_runs = folder, keep_runs
        with folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tripletscope.sweep.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **ONE_THREAD},
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C in a terminal is for whoever started the sweep
                pass_fds=() if lock is None else (lock,),
            )
        self._lock = threading.Lock()
        threading.Thread(target=self._end_with, args=(ending,), daemon=True).start()

    def train(self, cell: Cell) -> Iterator[Event]:
        """What the process tells of the cell; the last event is an end, unless the process died."""
        task = {
            "name": cell.name,
            "title": cell.title,
            "variant": cell.variant,
            "varied": dict(cell.varied),
            "digest": cell.digest,
            "settings": cell.config.to_dict(),
            "stamp": data_stamp(cell.config.data),
            "run": str(self._folder.run(cell).absolute()),
            "out": str(self._folder.cell(cell).absolute()),
            "keep_run": self._keep_runs,
        }
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._input.write(json.dumps(task) + "\n")
            self._input.flush()
        for line in self._output:
            told = json.loads(line)
            event = Event(told.pop("event"), cell, **told)
            yield event
            if event.kind in ENDS:
                return

    @property
    def dead(self) -> bool:
        """Whether the process has ended and was fetched."""
        return self._output.closed

    def death(self) -> str:
        """Why the process ended, in words."""
        code = self._process.wait()
        self.close()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        said = self._folder.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f" ({said[-1]})" if said and code > 0 else ""
        return f"its process ended {how}{last}; see {self._folder.log}."

    def close(self) -> None:
        """Nothing; the process has been told to end, and has ended."""
        with self._lock, contextlib.suppress(OSError):
            self._input.close()
        self._process.wait()
        self._output.close()

    def _end_with(self, ending: threading.Event) -> None:
        while self._process.poll() is None:
            if ending.wait(1.0):
                with self._lock, contextlib.suppress(OSError):
                    self._input.close()
                return

    @property
    def _input(self) -> io.TextIOWrapper:
        return cast(io.TextIOWrapper, self._process.stdin)

    @property
    def _output(self) -> io.TextIOWrapper:
        return cast(io.TextIOWrapper, self._process.stdout)
