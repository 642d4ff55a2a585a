"""Rows of a set made ready for search: the whole set, or the part of it that one machine holds.

With c the centred vectors, |a - b|² = |c_a|² - 2 (c_a·c_b - |c_b|²/2), so a product of blocks says for all columns at
the speed of the machine's matrix product how near they are. Its rounding error has a bound, `Shard.slack`. Only what
the product cannot rule out is measured, by differences in float64, and rounded to float32 once.

The vectors stay as they were given, float16 or on disk; what is made of them is one float32 copy, centred and in the
order of the search.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tripletscope.errors import DataError, UnknownNameError
from tripletscope.mining.questions import Queries

DISTANCES = ("euclidean", "squared-euclidean", "cosine")
Report = Callable[[int, int], None]

#: Unit roundoff of float32.
_U = 2.0**-24
#: Beyond this the square of a distance is no float32 any more.
_LARGEST = 9e18
#: Numbers looked at in one go.
_BLOCK = 2**20


@dataclass(frozen=True)
class Frame:
    """Where the middle of a set lies, and how far its rows reach from it in any one dimension.

    Attributes:
        mean: (D,) float64.
        reach: the largest entry of a centred row; 1 where all are equal.
    """

    mean: np.ndarray
    reach: float


@dataclass(frozen=True)
class Centred:
    """What the product is taken of.

    Attributes:
        rows: (n, D) float32 in the order of the shard, less the mean, scaled to a largest entry of 1.
        lengths: (n,) float64, squared.
        half: (n,) float32, half of them.
        radius: the largest length.
    """

    rows: np.ndarray
    lengths: np.ndarray
    half: np.ndarray
    radius: float


class Shard:
    """Rows of a set made ready for search, in class order.

    Args:
        vectors: (N, D) numbers, the rows that take part finite; float32 and float16 are left where they are.
        classes: (n,) whole numbers; a class may have rows in other shards too.
        rows: (n,) number of each row in the whole set, which also breaks ties; None for 0, 1, 2, ...
        distance: "euclidean", "squared-euclidean" or "cosine" (1 - s; a row of zeros is at 0.5 from all others).
        threads: how many blocks of anchors are searched at once; changes no answer.
        places: (n,) which rows of `vectors` these are; None for all.
        scales: (N,) of `scales_of`, where they are known.

    Raises:
        UnknownNameError: for any other distance.
        DataError: vectors so long that their squared distances are no float32.

    Example:
        >>> from tripletscope.mining.search import nearest
        >>> points = np.float32([[0.0], [1.0], [3.0], [7.0]])
        >>> shard = Shard(points, np.array([0, 0, 1, 1]))
        >>> nearest(shard.queries(np.array([0, 3])), shard, k=2).row.tolist()
        [[2, 3], [1, 0]]
    """

    def __init__(
        self,
        vectors: np.ndarray,
        classes: np.ndarray,
        rows: np.ndarray | None = None,
        distance: str = "euclidean",
        threads: int = 1,
        *,
        places: np.ndarray | None = None,
        scales: np.ndarray | None = None,
    ) -> None:
        if distance not in DISTANCES:
            raise UnknownNameError("distance", distance, DISTANCES)
        self.distance, self.threads = distance, threads
        if scales is not None:
            self.__dict__["scales"] = scales
        single = vectors.dtype in (np.float32, np.float16) and vectors.flags.c_contiguous
        self.vectors = np.asarray(vectors) if single else np.ascontiguousarray(vectors, dtype=np.float32)
        count = len(vectors) if places is None else len(places)
        numbers = np.arange(count) if rows is None else np.asarray(rows)
        order = np.lexsort((numbers, classes))
        self.rows = numbers[order].astype(np.int64, copy=False)
        self.classes = np.asarray(classes)[order].astype(np.int64, copy=False)
        self.order = np.asarray(order if places is None else places[order]).astype(np.int64, copy=False)
        _ = self.frame  # says what is too long

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def scales(self) -> np.ndarray:
        """(N,) float64, what each row of `vectors` is multiplied by before distances are taken."""
        return scales_of(self.vectors, self.distance)

    @cached_property
    def frame(self) -> Frame:
        """Of the rows that take part."""
        count, dim = len(self), self.vectors.shape[1]
        mean, reach, step = np.zeros(dim), 0.0, max(1, _BLOCK // max(1, dim))
        in_turn = np.sort(self.order)  # in the order of the file, which may lie on disk
        for at in range(0, count, step):
            mean += self.scaled(in_turn[at : at + step]).sum(axis=0) / count
        for at in range(0, count, step):
            part = self.scaled(in_turn[at : at + step]) - mean
            reach = max(reach, float(np.abs(part).max(initial=0.0)))
        if reach * math.sqrt(dim) > _LARGEST / 2:
            raise DataError("The vectors are so long that their squared distances overflow float32: scale them first.")
        return Frame(mean, reach or 1.0)

    @property
    def reach(self) -> float:
        """The unit of the centred rows."""
        return self.frame.reach

    @cached_property
    def made(self) -> Centred:
        """The float32 copy that the search multiplies; made when first wanted."""
        count, dim = len(self), self.vectors.shape[1]
        rows, half, lengths = np.empty((count, dim), np.float32), np.empty(count, np.float32), np.empty(count)
        step = max(1, _BLOCK // max(1, dim))
        for at in range(0, count, step):
            rows[at : at + step] = self.centred(self.order[at : at + step])
            lengths[at : at + step] = squared_lengths(rows[at : at + step])
            half[at : at + step] = lengths[at : at + step] / 2
        return Centred(rows, lengths, half, math.sqrt(float(lengths.max(initial=0.0))))

    def forget(self) -> None:
        """Nothing; the copy is given back, and made again when wanted."""
        self.__dict__.pop("made", None)

    def in_cells(self, cells: np.ndarray) -> Shard:
        """The same rows cell after cell, and within a cell by class; `cells` (n,) is the cell of each column."""
        order = np.argsort(cells, kind="stable")
        other = copy.copy(self)
        other.forget()
        other.order, other.rows, other.classes = self.order[order], self.rows[order], self.classes[order]
        return other

    def scaled(self, places: np.ndarray) -> np.ndarray:
        """(n, D) float64 rows of `vectors`, at length 1 for cosine."""
        return np.asarray(self.vectors[places] * self.scales[places, None])

    def centred(self, places: np.ndarray) -> np.ndarray:
        """(n, D) float32 rows of `vectors` as the product takes them."""
        return np.asarray((self.scaled(places) - self.frame.mean) / self.reach, dtype=np.float32)

    @property
    def kind(self) -> int:
        """Which of the kernels' distances it is."""
        return {"euclidean": 0, "squared-euclidean": 1, "cosine": 2}[self.distance]

    def slack(self, radius: np.ndarray) -> np.ndarray:
        """A bound on the error of |a - b|² as the product gives it, for anchors at these distances from the centre.

        A float32 sum of D products is wrong by at most D u Σ|x y| (u = 2**-24), and by λ √D u with a probability
        beyond doubt for λ = 8 (Higham & Mary 2019, "A New Approach to Probabilistic Rounding Error Analysis", thm
        2.4: 2 exp(-32) each). On top: centred vectors, their halved lengths and the threshold are rounded too.
        """
        dim, own = self.vectors.shape[1], self.made.radius
        grows = min(dim + 2, 8 * math.sqrt(dim) + 2) * _U
        return np.asarray(2 * grows * radius * own + 10 * _U * (radius + own) ** 2)

    def squared(self, named: np.ndarray | float) -> np.ndarray:
        """Named distances as squared Euclidean ones in the unit of the centred rows."""
        wide = np.asarray(named, dtype=np.float64)
        squared = wide**2 if self.distance == "euclidean" else wide * (2 if self.distance == "cosine" else 1)
        return np.asarray(squared / self.reach**2)

    def ranges(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each class the columns start <= c < stop that it takes up; empty where it has none. Not with cells."""
        return np.searchsorted(self.classes, classes, "left"), np.searchsorted(self.classes, classes, "right")

    def queries(self, columns: np.ndarray | slice) -> Queries:
        """One query for each of these rows of the shard itself, by its place in class order."""
        return Queries.plain(self.vectors, self.classes[columns], self.rows[columns], self.order[columns])

    def taken(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(vectors, scales, order, rows, columns) for the kernels, which read float32: these columns at least."""
        if self.vectors.dtype == np.float32:
            return self.vectors, self.scales, self.order, self.rows, columns
        few, again = np.unique(columns, return_inverse=True)
        places = self.order[few]
        single = np.ascontiguousarray(self.vectors[places], dtype=np.float32)
        return single, self.scales[places], np.arange(len(few)), self.rows[few], again.reshape(columns.shape)

    def is_unit(self, tolerance: float = 1e-3) -> bool:
        """Whether every row has length 1, give or take `tolerance`."""
        step = max(1, _BLOCK // max(1, self.vectors.shape[1]))
        for at in range(0, len(self), step):
            lengths = squared_lengths(self.vectors[self.order[at : at + step]])
            if (np.abs(np.sqrt(lengths) - 1) > tolerance).any():
                return False
        return True


def scales_of(vectors: np.ndarray, distance: str) -> np.ndarray:
    """(N,) float64 that each row is multiplied by before distances are taken: 1, or 1 / length for cosine."""
    scales = np.ones(len(vectors))
    if distance != "cosine":
        return scales
    step = max(1, _BLOCK // max(1, vectors.shape[1]))
    for at in range(0, len(vectors), step):
        lengths = np.sqrt(squared_lengths(vectors[at : at + step]))
        scales[at : at + step] = 1.0 / np.where(lengths > 0, lengths, 1.0)
    return scales


def squared_lengths(rows: np.ndarray) -> np.ndarray:
    """(n,) float64."""
    wide = rows.astype(np.float64)
    return np.asarray(np.einsum("nd,nd->n", wide, wide))


def measure(shard: Shard, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(T,) float32 distances of row a[t] to row b[t] of `shard.vectors`, by differences."""
    from tripletscope.mining import kernels

    left, right = np.asarray(a), np.asarray(b)
    found = np.empty(len(left), np.float32)
    step = 2**16
    for at in range(0, len(left), step):
        one, other = left[at : at + step], right[at : at + step]
        if shard.vectors.dtype == np.float32:
            vectors, scales = shard.vectors, shard.scales
        else:
            few, again = np.unique(np.concatenate([one, other]), return_inverse=True)
            vectors, scales = np.ascontiguousarray(shard.vectors[few], dtype=np.float32), shard.scales[few]
            one, other = again[: len(one)], again[len(one) :]
        found[at : at + step] = kernels.measure_pairs(vectors, scales, vectors, scales, one, other, shard.kind)
    return found
