"""A warm process that trains one cell after the other: torch is loaded once, not once for each.

Started by the crew as `python -m tripletscope.sweep.worker`. A line of JSON on standard input is a cell; lines on
standard output tell how it goes. When standard input ends, so does the training, after the step that it is at: no
worker outlives whoever started it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Seconds between two lines on how far a cell is.
EVERY = 0.25


class Told:
    """The lines to whoever started this process."""

    def __init__(self, channel: io.TextIOBase) -> None:
        self._channel = channel
        self._last = 0.0

    def __call__(self, event: str, **facts: Any) -> None:
        """Nothing; the line is out. A reader that has gone is no news: standard input ends then, too."""
        with contextlib.suppress(OSError):
            self._channel.write(json.dumps({"event": event, **facts}) + "\n")
            self._channel.flush()

    def now_and_then(self, event: str, **facts: Any) -> None:
        """Nothing; the line is out if the last one of its kind is long enough ago."""
        now = time.monotonic()
        if now - self._last >= EVERY:
            self._last = now
            self(event, **facts)


def listen(source: Iterable[str], tasks: queue.SimpleQueue[str | None], ended: threading.Event) -> None:
    """Nothing; every line of the source is a task, and its end ends everything."""
    for line in source:
        tasks.put(line)
    ended.set()
    tasks.put(None)


def do(task: dict[str, Any], tell: Told, ended: threading.Event) -> None:
    """Nothing; the cell is trained and its numbers are kept, or it is told why not."""
    from tripletscope.config import TrainConfig
    from tripletscope.errors import TripletscopeError
    from tripletscope.sweep import table, training
    from tripletscope.sweep.plan import Cell

    config = TrainConfig.from_dict(task["settings"])
    cell = Cell(task["name"], task["title"], config, task["variant"], task["varied"], task["digest"])
    tell("begun")
    try:
        run = training.train(
            config,
            Path(task["run"]),
            stamp=task["stamp"],
            on_step=lambda info: tell.now_and_then("step", step=info.step + 1),
            should_stop=ended.is_set,
        )
        if run is None:
            tell("stopped")
            return
        columns = table.measure(run)
        asked = {"digest": cell.digest, "settings": config.to_dict(), "title": cell.title}
        if not task["keep_run"]:
            # First, and by this process: killed between the two, the cell is trained again; the other way round its run
            # would stay for good, for nobody looks at the runs of finished cells.
            shutil.rmtree(task["run"], ignore_errors=True)
        table.write(Path(task["out"]), table.cell_table(cell, columns, asked))
        tell("done", recall_at_1=float(columns["recall_at_1"][-1]))
    except TripletscopeError as refusal:
        tell("failed", reason=str(refusal))
    except Exception as problem:  # a cell that fails must not take the others with it
        traceback.print_exc()
        tell("failed", reason=f"{type(problem).__name__}: {problem}")


def main() -> int:
    """0 when standard input has ended."""
    # Where there are no sessions, Ctrl-C reaches this process too; whoever started it decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell = Told(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what a library prints must not run into the lines
    tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    ended = threading.Event()
    threading.Thread(target=listen, args=(sys.stdin, tasks, ended), daemon=True).start()
    while (line := tasks.get()) is not None and not ended.is_set():
        do(json.loads(line), tell, ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
