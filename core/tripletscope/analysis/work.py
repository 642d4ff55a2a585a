"""A computation that takes seconds: how far it is, and whether somebody has asked it to stop."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
ShouldStop = Callable[[], bool]


class CancelledError(Exception):
    """The computation was asked to stop; nothing of it is kept."""


class Work:
    """Counts units of work, and raises at the next unit when it should stop.

    Args:
        total: units in all; a unit is about a hundredth of a second, so that bars move evenly.
        progress: called with (done, total) after every unit.
        should_stop: asked at every unit.

    Example:
        >>> work = Work(3, progress=lambda done, total: print(f"{done} of {total}"))
        >>> work.advance(2)
        2 of 3
    """

    def __init__(self, total: int = 0, progress: Progress | None = None, should_stop: ShouldStop | None = None) -> None:
        self.done, self.total = 0, total
        self._progress, self._should_stop = progress, should_stop

    def advance(self, units: int = 1) -> None:
        """Nothing; so many more units are done.

        Raises:
            CancelledError: it should stop.
        """
        if self._should_stop is not None and self._should_stop():
            raise CancelledError
        self.done = min(self.done + units, self.total)
        if self._progress is not None:
            self._progress(self.done, self.total)
