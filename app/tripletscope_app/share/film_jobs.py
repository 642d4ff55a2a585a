"""Animations in the making: one process at a time, shared by whoever wants the same, kept in the cache afterwards.

The process is the command that a person can type, `tripletscope export --what gif --lines`. When its standard input
closes, by a cancel or because the server is gone by whatever death, it stops and leaves nothing half-written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tripletscope.store import cache
from tripletscope.store.reader import Run
from tripletscope_app.map_jobs import hang_up

State = Literal["none", "running", "ready", "failed", "cancelled"]
#: After this many seconds a process that was asked to stop is killed.
PATIENCE = 5.0
_CACHE = "films"


@dataclass(frozen=True)
class Order:
    """An animation that somebody wants.

    Attributes:
        runs: their folders, side by side.
        digests: of their content, in the same order.
        kind: "gif", "webm" or "mp4".
        theme: "light" or "dark".
        anchor: row of the samples.
        space: "own" or "umap".
        positive: row of its positive, or None.
    """

    runs: tuple[str, ...]
    digests: tuple[str, ...]
    kind: str
    theme: str
    anchor: int
    space: str = "own"
    positive: int | None = None

    @classmethod
    def of(cls, runs: Sequence[Run], **how: Any) -> Order:
        """The order for these runs as they are now."""
        return cls(tuple(str(run.path) for run in runs), tuple(run.digest for run in runs), **how)

    @property
    def file(self) -> str:
        """The name it is kept by: of the content of the runs, not of where they lie."""
        told = repr((self.digests, self.kind, self.theme, self.anchor, self.space, self.positive))
        return f"{hashlib.blake2b(told.encode(), digest_size=12).hexdigest()}.{self.kind}"

    def arguments(self, out: Path) -> list[str]:
        """What follows `tripletscope export`."""
        how = ["--what", self.kind, "--theme", self.theme, "--anchor", str(self.anchor), "--space", self.space]
        if self.positive is not None:
            how += ["--positive", str(self.positive)]
        return [*self.runs, *how, "--lines", "--out", str(out)]


@dataclass(frozen=True)
class Standing:
    """How far an animation is.

    Attributes:
        state: "running" also while it waits for its turn.
        share: of the work that is done, 0 to 1.
        began: when it began to draw (`time.monotonic`); None before.
        message: what went wrong, in a sentence.
    """

    state: State
    share: float = 0.0
    began: float | None = None
    message: str | None = None

    @property
    def seconds_left(self) -> float | None:
        """About how long it takes from now on; None where nobody can tell yet."""
        if self.state != "running" or self.began is None or self.share < 0.03:
            return None
        return (time.monotonic() - self.began) * (1 - self.share) / self.share


class FilmJobs:
    """The animations that are being made by this server. Safe to ask from many sessions at once.

    Args:
        command: the process, to which `Order.arguments` are added; the real one when left out.

    Example:
        jobs = FilmJobs()
        jobs.start(order)
        jobs.standing(order).share
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = list(command or [sys.executable, "-P", "-m", "tripletscope", "export"])
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # held by the one that is being made
        self._standing: dict[Order, Standing] = {}
        self._processes: dict[Order, subprocess.Popen[str]] = {}

    @staticmethod
    def file(order: Order) -> Path | None:
        """The animation, where it is kept."""
        return cache.kept(_CACHE, order.file)

    def standing(self, order: Order) -> Standing:
        """How far it is; ready when it is kept, whoever made it."""
        with self._lock:
            known = self._standing.get(order, Standing("none"))
        if known.state == "running":
            return known
        if self.file(order) is not None:
            return Standing("ready", 1.0)
        return Standing("none") if known.state == "ready" else known  # somebody emptied the cache

    def start(self, order: Order) -> None:
        """Nothing; it is being made, unless it is there or under way."""
        if self.standing(order).state in ("running", "ready"):
            return
        with self._lock:
            if self._standing.get(order, Standing("none")).state == "running":
                return
            self._standing[order] = Standing("running")
        threading.Thread(target=self._make, args=(order,), daemon=True).start()

    def cancel(self, order: Order) -> None:
        """Nothing; it is no longer being made. Whoever else waited for it is told, too."""
        with self._lock:
            if self._standing.get(order, Standing("none")).state == "running":
                self._standing[order] = Standing("cancelled")
            process = self._processes.get(order)
            if process is not None:
                hang_up(process, PATIENCE)

    def stop(self) -> None:
        """Nothing; no process is left."""
        with self._lock:
            orders, processes = list(self._standing), list(self._processes.values())
        for order in orders:
            self.cancel(order)
        for process in processes:
            process.wait(PATIENCE + 5)

    # ---- inside

    def _make(self, order: Order) -> None:
        """In a thread of its own: one process from start to end, after those that came before."""
        with self._turn, tempfile.TemporaryDirectory(prefix="tripletscope-film-") as folder:
            out = Path(folder) / f"film.{order.kind}"
            message = "the process that made it ended too early"
            try:
                message = self._listen(order, out) or message
                if out.is_file():
                    cache.keep(_CACHE, order.file, out.read_bytes())
                    self._end(order, Standing("ready", 1.0))
            except OSError as problem:
                message = f"it could not be made ({problem.strerror})"
            self._end(order, Standing("failed", message=message))

    def _end(self, order: Order, standing: Standing) -> None:
        with self._lock:
            self._processes.pop(order, None)
            if self._standing[order].state == "running":
                self._standing[order] = standing

    def _listen(self, order: Order, out: Path) -> str | None:
        """What went wrong, in its own words."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with self._lock:
            if self._standing[order].state != "running":
                return None
            process = self._processes[order] = subprocess.Popen(
                [*self._command, *order.arguments(out)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, **threads},
                start_new_session=True,  # Ctrl-C in the server's terminal is the server's
            )
        message = None
        assert process.stdout is not None
        for line in process.stdout:
            try:
                told = json.loads(line)
                state = told["state"]
            except (ValueError, KeyError, TypeError):
                continue  # something printed by a library
            if state == "running" and told.get("total"):
                self._note(order, min(told["done"] / told["total"], 1.0))
            elif state == "failed":
                message = str(told.get("message") or "it could not be made")
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        return message

    def _note(self, order: Order, share: float) -> None:
        with self._lock:
            known = self._standing[order]
            if known.state == "running":
                self._standing[order] = replace(known, share=share, began=known.began or time.monotonic())
