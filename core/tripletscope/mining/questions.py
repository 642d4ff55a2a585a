"""What is asked of a set, and what comes back: queries, lots, and the best rows found, which merge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class TopK:
    """For each query the best rows, best first: nearest first, farthest first, or as drawn; ties go to the lower row.

    Attributes:
        distance: (Q, k) float32; inf after the last (for the farthest too).
        row: (Q, k) int64 numbers of rows in the whole set; -1 after the last.
        farthest: which end of the order comes first.
        lot: (Q, k) float64, of rows that were drawn: the lowest comes first; inf after the last.

    Example:
        >>> one = TopK(np.float32([[1, 4]]), np.int64([[7, 2]]))
        >>> two = TopK(np.float32([[1, np.inf]]), np.int64([[3, -1]]))
        >>> one.merge(two).row.tolist(), two.merge(one).row.tolist()
        ([[3, 7]], [[3, 7]])
    """

    distance: np.ndarray
    row: np.ndarray
    farthest: bool = False
    lot: np.ndarray | None = None

    @classmethod
    def nobody(cls, queries: int, k: int, *, farthest: bool = False, drawn: bool = False) -> TopK:
        """Empty lists, to be filled."""
        size = (queries, k)
        lots = np.full(size, np.inf) if drawn else None
        return cls(np.full(size, np.inf, np.float32), np.full(size, -1, np.int64), farthest, lots)

    def __getitem__(self, at: slice | np.ndarray) -> TopK:
        """The lists of some queries; of a slice, a view."""
        return TopK(self.distance[at], self.row[at], self.farthest, None if self.lot is None else self.lot[at])

    def __setitem__(self, at: slice | np.ndarray, other: TopK) -> None:
        """Takes over the other's lists."""
        self.distance[at], self.row[at] = other.distance, other.row
        if self.lot is not None:
            self.lot[at] = other.lot

    def merge(self, other: TopK) -> TopK:
        """The best k of both; associative and the same in any order."""
        distance = np.concatenate([self.distance, other.distance], axis=1)
        row = np.concatenate([self.row, other.row], axis=1)
        lot = None
        key: np.ndarray = np.where(row < 0, np.float32(np.inf), -distance if self.farthest else distance)
        if self.lot is not None:
            assert other.lot is not None
            key = lot = np.concatenate([self.lot, other.lot], axis=1)
        order = np.lexsort((row, key), axis=1)[:, : self.row.shape[1]]
        # Entries of -1 all have the key inf and hold inf, so which of them come first does not matter.
        return TopK(
            np.take_along_axis(distance, order, 1),
            np.take_along_axis(row, order, 1),
            self.farthest,
            None if lot is None else np.take_along_axis(lot, order, 1),
        )


@dataclass(frozen=True)
class Queries:
    """What is asked: anchors, and for each anchor one query or several that differ in the distances allowed.

    Attributes:
        vectors: rows as given, in which the anchors lie.
        classes: (A,) int64.
        rows: (A,) int64 number of each anchor in the whole set.
        first: (A + 1,) int64; the queries of anchor a are first[a] <= q < first[a + 1].
        low: (Q,) float32; a row nearer than this is no answer.
        high: (Q,) float32; a row at this distance or farther is no answer. Only draws look at it.
        keys: (Q,) uint64, what the lots of each query are drawn from. Only for draws.
        places: (A,) which rows of `vectors` the anchors are; None: all, in turn.
    """

    vectors: np.ndarray
    classes: np.ndarray
    rows: np.ndarray
    first: np.ndarray
    low: np.ndarray
    high: np.ndarray | None = None
    keys: np.ndarray | None = None
    places: np.ndarray | None = None

    @classmethod
    def plain(
        cls, vectors: np.ndarray, classes: np.ndarray, rows: np.ndarray, places: np.ndarray | None = None
    ) -> Queries:
        """One query an anchor, with no distance ruled out."""
        first, low = np.arange(len(rows) + 1, dtype=np.int64), np.full(len(rows), -np.inf, np.float32)
        return cls(vectors, classes, rows, first, low, places=places)

    def __len__(self) -> int:
        return len(self.low)

    @cached_property
    def anchor_of(self) -> np.ndarray:
        """(Q,) whose query it is."""
        return np.repeat(np.arange(len(self.rows)), np.diff(self.first))

    def asking(
        self,
        first: np.ndarray,
        low: np.ndarray,
        high: np.ndarray | None = None,
        keys: np.ndarray | None = None,
    ) -> Queries:
        """Other queries of the same anchors."""
        return replace(self, first=first, low=low, high=high, keys=keys)

    def part(self, begin: int, stop: int) -> Queries:
        """The queries of the anchors begin <= a < stop, their vectors taken out as float32."""
        at = slice(int(self.first[begin]), int(self.first[stop]))
        taken = self.vectors[begin:stop] if self.places is None else self.vectors[self.places[begin:stop]]
        return Queries(
            np.ascontiguousarray(taken, dtype=np.float32),
            self.classes[begin:stop],
            self.rows[begin:stop],
            self.first[begin : stop + 1] - self.first[begin],
            self.low[at],
            None if self.high is None else self.high[at],
            None if self.keys is None else self.keys[at],
        )

    def only(self, wanted: np.ndarray) -> Queries:
        """These queries, by number, rising."""
        anchors, counts = np.unique(self.anchor_of[wanted], return_counts=True)
        return Queries(
            self.vectors[anchors if self.places is None else self.places[anchors]],
            self.classes[anchors],
            self.rows[anchors],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            self.low[wanted],
            None if self.high is None else self.high[wanted],
            None if self.keys is None else self.keys[wanted],
        )


@dataclass(frozen=True)
class Lots:
    """How rows are drawn: evenly, or in proportion to min(λ, 1/q(d)) of distance-weighted sampling.

    Attributes:
        weighted: whether weights count.
        dim: D of the embeddings.
        ceiling: log λ.
    """

    weighted: bool = False
    dim: int = 2
    ceiling: float = 0.0
