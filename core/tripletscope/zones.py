"""What hard, semi-hard and easy mean, without torch, so that the app's first page can decide a zone.

`triplets.py` re-exports all of this beside its torch twins; nobody else defines a zone.

Source: Schroff et al. 2015 (FaceNet), §3.2. The paper asks for d(a,p) + margin < d(a,n) and calls negatives
semi-hard that are farther than the positive and still inside the margin; its distances are squared, ours are
whatever the run names. The paper leaves ties open: here gap = 0 is hard and gap = margin is easy (loss exactly 0).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ZONES = ("hard", "semi-hard", "easy")
HARD, SEMI_HARD, EASY = range(3)

PLANE_CELLS = 64
# Below 2**-46 the largest distance counts as zero: the cell width would soon leave float32's normal numbers.
MIN_EXPONENT = -52


def gaps(d_ap: Any, d_an: Any) -> Any:
    """The gap d(a,n) - d(a,p), in the dtype of the distances (torch or NumPy).

    The zone is read off this rounded difference. Comparing d(a,n) with d(a,p) + margin rounds elsewhere and
    disagrees on ties.

    Example:
        >>> gaps(np.float32(0.5), np.float32(0.75)).item()
        0.25
    """
    return d_an - d_ap


def zone_codes_numpy(gap: NDArray[Any], margin: float) -> NDArray[np.int8]:
    """For each gap its place in `ZONES`: 0 hard (gap <= 0), 1 semi-hard (0 < gap < margin), 2 easy (gap >= margin).

    The margin is rounded to the dtype of the gap first, as a float32 reader of the same run would have it.

    Example:
        >>> zone_codes_numpy(np.float32([-1.0, 0.0, 0.1, 0.2]), margin=0.2).tolist()
        [0, 0, 1, 2]
    """
    gap = np.asarray(gap)
    codes: NDArray[np.int8] = (gap > 0).astype(np.int8) + (gap >= gap.dtype.type(margin)).astype(np.int8)
    return codes


@dataclass(frozen=True)
class ZoneCounts:
    """How many triplets lie in each zone.

    Example:
        >>> ZoneCounts(hard=1, semi_hard=2, easy=5).violating
        3
    """

    hard: int
    semi_hard: int
    easy: int

    @property
    def eligible(self) -> int:
        """All of them: anchor and positive share a label, the negative has another."""
        return self.hard + self.semi_hard + self.easy

    @property
    def violating(self) -> int:
        """Those with gap < margin, which are the ones with a loss above 0."""
        return self.hard + self.semi_hard


@dataclass(frozen=True)
class PlaneHistogram:
    """Eligible triplets counted by (d(a,p), d(a,n)) in 64 x 64 square cells of width 2**exponent.

    `counts[i, j]` holds the triplets with d(a,p) in cell i and d(a,n) in cell j; cell i spans
    [i * width, (i + 1) * width). The exponent is the smallest that keeps every eligible distance inside, so planes
    of different steps differ by powers of two and add up exactly (`merge_planes`).
    """

    exponent: int
    counts: NDArray[np.int64]

    @property
    def width(self) -> float:
        """Side of a cell, in the unit of the distance."""
        return 2.0**self.exponent

    @property
    def eligible(self) -> int:
        """Number of triplets counted."""
        return int(self.counts.sum())

    def coarsen(self, exponent: int) -> PlaneHistogram:
        """The same triplets in cells of width 2**exponent, which must be at least as wide as now."""
        if exponent < self.exponent:
            raise ValueError(f"cells of width 2**{self.exponent} can't be split into 2**{exponent}; ask for more width")
        # After six halvings all that is left sits in cell (0, 0); more would change nothing.
        counts, half = self.counts, PLANE_CELLS // 2
        for _ in range(min(exponent - self.exponent, 6)):
            quartered = np.zeros_like(counts)
            quartered[:half, :half] = counts.reshape(half, 2, half, 2).sum(axis=(1, 3))
            counts = quartered
        return PlaneHistogram(exponent, counts)


def merge_planes(planes: Iterable[PlaneHistogram]) -> PlaneHistogram:
    """One plane that counts the triplets of all of them, exactly, at the widest cell among those that hold any.

    No planes at all give an empty one.

    Example:
        >>> fine, wide = np.zeros((64, 64), np.int64), np.zeros((64, 64), np.int64)
        >>> fine[3, 9], wide[1, 4] = 5, 7
        >>> merged = merge_planes([PlaneHistogram(-6, fine), PlaneHistogram(-5, wide)])
        >>> merged.exponent, int(merged.counts[1, 4])
        (-5, 12)
    """
    held = list(planes)
    exponent = max((plane.exponent for plane in held if plane.counts.any()), default=MIN_EXPONENT)
    counts = np.zeros((PLANE_CELLS, PLANE_CELLS), np.int64)
    for plane in held:
        if plane.counts.any():
            counts += plane.coarsen(exponent).counts
    return PlaneHistogram(exponent, counts)
