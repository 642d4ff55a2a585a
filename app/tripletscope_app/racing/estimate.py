"""How long a race will take and how much disk it will fill, from a few real steps and the schedule of frames."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Paced:
    """What was measured on the first steps of one run.

    Attributes:
        start: seconds from its start to its first step: torch and the data are loaded.
        step: seconds of a step.
        frame: further seconds of a step at which a frame is kept.
        fixed: bytes that a run takes whatever its length.
        per_step: bytes of a step.
        per_frame: bytes of a frame.
    """

    start: float
    step: float
    frame: float
    fixed: float
    per_step: float
    per_frame: float

    def seconds(self, steps: int, frames: int) -> float:
        """Of a whole run.

        Example:
            >>> Paced(2.0, 0.01, 0.1, 0, 0, 0).seconds(400, 40)
            10.0
        """
        return self.start + steps * self.step + frames * self.frame

    def bytes(self, steps: int, frames: int) -> float:
        """Of a whole run on the disk."""
        return self.fixed + steps * self.per_step + frames * self.per_frame

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def queue_seconds(runs: Sequence[float], at_once: int) -> float:
    """Seconds until the last of these runs has ended, started in order, so many at a time.

    Example:
        >>> queue_seconds([10, 4, 4], at_once=2)
        10
        >>> queue_seconds([4, 4, 4], at_once=2)
        8
    """
    places: list[float] = [0] * min(max(at_once, 1), max(len(runs), 1))
    heapq.heapify(places)
    for seconds in runs:
        heapq.heappush(places, heapq.heappop(places) + seconds)
    return max(places, default=0)


def size(count: float) -> str:
    """A number of bytes as people say it.

    Example:
        >>> size(1_900), size(4_200_000), size(3.2e9)
        ('2 kB', '4.2 MB', '3.2 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{max(1, round(count / 1e3)):,} kB"
