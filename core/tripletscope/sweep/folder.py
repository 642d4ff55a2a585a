"""A sweep on disk: what is finished stays finished, whatever ends the process that works on it.

    DIR/
      sweep.json         what was asked: title, cells, their settings
      cells/NAME.parquet the numbers of a finished cell; written under another name, then renamed
      failed/NAME.json   why a cell failed; tried again by the next start
      runs/NAME/         the run of a cell under way; it stays with --keep-runs, and opens in the explorer
      results.parquet    all finished cells in one table
      log.txt            what the processes wrote

A cell's name ends in a digest of everything that decides its result. So a changed file trains what is new and keeps
the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tripletscope.errors import RunError
from tripletscope.store import layout
from tripletscope.sweep import table
from tripletscope.sweep.plan import Cell, Plan

ASKED, CELLS, FAILED, RUNS, RESULTS, LOG, LOCK = (
    "sweep.json",
    "cells",
    "failed",
    "runs",
    "results.parquet",
    "log.txt",
    ".lock",
)
#: Seconds that a second start waits for the processes of the first one to end.
PATIENCE = 30.0


@dataclass(frozen=True)
class SweepFolder:
    """Where the cells of a sweep lie.

    Args:
        path: of the folder; it may not be there yet.
    """

    path: Path

    @property
    def results(self) -> Path:
        """The table of all finished cells."""
        return self.path / RESULTS

    @property
    def log(self) -> Path:
        """What the processes wrote on standard error."""
        return self.path / LOG

    def cell(self, cell: Cell) -> Path:
        """The numbers of a finished cell."""
        return self.path / CELLS / f"{cell.name}.parquet"

    def run(self, cell: Cell) -> Path:
        """Its run, while it is trained or where runs are kept."""
        return self.path / RUNS / cell.name

    def check(self) -> None:
        """Nothing, if the folder is not there, empty or holds a sweep.

        Raises:
            RunError: it holds something else.
        """
        if not self.path.exists() or (self.path / ASKED).is_file():
            return
        if not self.path.is_dir() or any(each.name != LOCK for each in self.path.iterdir()):
            raise RunError(f"{self.path} exists and holds no sweep: choose another --out.")

    def open(self, plan: Plan) -> None:
        """Nothing; the folder is there and says what was asked."""
        for name in (CELLS, FAILED, RUNS):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        told = json.dumps(plan.to_dict(), indent=1, ensure_ascii=False)
        layout.replace(self.path / ASKED, (told + "\n").encode(), sync=True)

    @contextlib.contextmanager
    def locked(self, wait: Callable[[], None] = lambda: None) -> Iterator[int | None]:
        """A file that is locked while somebody works here; None where the system has no such locks.

        Processes that inherit it hold the lock as well, so it is free when the last of them has ended.

        Args:
            wait: called once when somebody else holds it.

        Raises:
            RunError: somebody else still works here after `PATIENCE` seconds.
        """
        try:
            import fcntl
        except ImportError:  # Windows
            yield None
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / LOCK, "ab") as file:
            begun, told = time.monotonic(), False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() - begun > PATIENCE:
                        raise RunError(
                            f"Another process works on the sweep in {self.path}: wait for it, or choose another --out."
                        ) from None
                    if not told:
                        wait()
                        told = True
                    time.sleep(0.1)
            yield file.fileno()

    def finished(self, cell: Cell) -> bool:
        """Whether its numbers are there."""
        try:
            schema = pq.read_schema(self.cell(cell))
            return bool(json.loads((schema.metadata or {})[table.ASKED]).get("digest") == cell.digest)
        except (OSError, KeyError, ValueError):  # none, or what a full disk left
            return False

    def fail(self, cell: Cell, reason: str) -> None:
        """Nothing; the reason is kept."""
        told = json.dumps({"cell": cell.name, "title": cell.title, "reason": reason}, ensure_ascii=False)
        layout.replace(self.path / FAILED / f"{cell.name}.json", told.encode())

    def settle(self, cell: Cell) -> None:
        """Nothing; why the cell failed before is forgotten."""
        (self.path / FAILED / f"{cell.name}.json").unlink(missing_ok=True)

    def collect(self, plan: Plan) -> pa.Table:
        """The table of all cells of the plan that are finished; it is also written to `results`."""
        found = [pq.read_table(self.cell(cell)) for cell in plan.cells if self.finished(cell)]
        whole = table.joined(found, plan)
        table.write(self.results, whole)
        with contextlib.suppress(OSError):
            os.rmdir(self.path / RUNS)  # only where it is empty
        return whole
