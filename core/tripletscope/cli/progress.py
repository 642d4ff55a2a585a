"""How a command reports itself on standard error: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tripletscope.training import StepInfo

Report = Callable[["StepInfo"], None]


def figures(info: StepInfo) -> str:
    """The two numbers that matter while one waits: Recall@1 of the last frame and the spread.

    The loss is left out on purpose: over mined triplets it says little about how good the embedding is.
    """
    recall = "–" if info.recall_at_1 is None else f"{info.recall_at_1:.3f}"
    spread = "–" if info.spread is None else f"{info.spread:.2f}"
    return f"R@1 {recall}  spread {spread}"


class Progress:
    """A context manager whose `step` reports a recorded step.

    Args:
        quiet: say nothing at all.
        every: seconds between two plain lines when standard error is no terminal.
    """

    def __init__(self, *, quiet: bool = False, every: float = 10.0) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._every = every
        self._started = self._last = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Progress:
        if self._terminal and not self._quiet:
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[rate]}"),
                progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[figures]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("training", total=None, rate="", figures="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal and not self._quiet:
            self._bar.stop()

    def step(self, info: StepInfo) -> None:
        """Shows a recorded step: on a terminal in the bar, else at most one line every few seconds."""
        if self._quiet:
            return
        now = time.monotonic()
        if self._first is None:  # a resumed run starts late: its replayed steps are not counted as speed
            self._first, self._started = info.step, now
        rate = (info.step - self._first) / (now - self._started) if now > self._started else 0.0
        if self._terminal:
            self._bar.update(
                self._task, total=info.steps, completed=info.step + 1, rate=f"{rate:.0f} steps/s", figures=figures(info)
            )
        elif now - self._last >= self._every:
            self._last = now
            left = (info.steps - info.step - 1) / rate if rate else 0.0
            say(f"step {info.step + 1}/{info.steps}  {rate:.0f} steps/s  {left:.0f} s left  {figures(info)}")


def say(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def bar(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """What tells (done, total) to a bar on a terminal, and to nobody in a log: it is over in seconds."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console
    from rich.markup import escape

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TaskProgressColumn())
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task(escape(name), total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
