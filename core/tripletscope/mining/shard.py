"""Exact search in one shard of a set: the nearest (or farthest) rows of each anchor, or rows drawn by lot.

`nearest(queries, shard, k)` gives a `TopK`, and `TopK.merge` joins those of several shards into what one shard of all
rows would have given: merging is associative, and ties go to the row that comes first in the set. So a set may lie on
one machine or on many.

How it is exact and fast at once. With c the centred vectors, |a - b|² = |c_a|² - 2 (c_a·c_b - |c_b|²/2), and the
product of blocks gives the bracket for all columns at the speed of the machine's matrix product. Its rounding error has
a bound, `Shard.slack`. A scan keeps the k + 4 best columns of each query; these are measured by differences in float64
and rounded to float32 once. If the worst kept bracket, with the bound, rules all others out, the answer is proved. If
not, as among duplicates, the query is asked again with a longer list, and then by differences against every column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tripletscope.errors import DataError, UnknownNameError

DISTANCES = ("euclidean", "squared-euclidean", "cosine")
Report = Callable[[int, int], None]

#: Columns kept beyond k, for what rounding may put in the wrong order; then, where these are too few.
SPARE = (4, 120)
#: A tile of the product, anchors by columns: 8 MiB, large enough that the product runs at full speed.
TILE_ROWS, TILE_COLUMNS = 1024, 2048
#: Unit roundoff of float32.
_U = 2.0**-24
#: Beyond this the square of a distance is no float32 any more.
_LARGEST = 9e18


@dataclass(frozen=True)
class TopK:
    """For each query the best rows, best first: nearest first, or farthest first; among equals the lower row first.

    Attributes:
        distance: (Q, k) float32; inf after the last (for the farthest too).
        row: (Q, k) int64 numbers of rows in the whole set; -1 after the last.
        farthest: which end of the order comes first.

    Example:
        >>> one = TopK(np.float32([[1, 4]]), np.int64([[7, 2]]))
        >>> two = TopK(np.float32([[1, np.inf]]), np.int64([[3, -1]]))
        >>> one.merge(two).row.tolist(), two.merge(one).row.tolist()
        ([[3, 7]], [[3, 7]])
    """

    distance: np.ndarray
    row: np.ndarray
    farthest: bool = False

    def merge(self, other: TopK) -> TopK:
        """The best k of both; associative and the same in any order."""
        distance = np.concatenate([self.distance, other.distance], axis=1)
        row = np.concatenate([self.row, other.row], axis=1)
        key = np.where(row < 0, np.float32(np.inf), -distance if self.farthest else distance)
        order = np.lexsort((row, key), axis=1)[:, : self.row.shape[1]]
        # Entries of -1 all have the key inf and hold inf, so which of them come first does not matter.
        return TopK(np.take_along_axis(distance, order, 1), np.take_along_axis(row, order, 1), self.farthest)


@dataclass(frozen=True)
class Queries:
    """What is asked: anchors, and for each anchor one query or several that differ in the distances allowed.

    Attributes:
        vectors: (A, D) float32 rows as given.
        classes: (A,) int64.
        rows: (A,) int64 number of each anchor in the whole set.
        first: (A + 1,) int64; the queries of anchor a are first[a] <= q < first[a + 1].
        low: (Q,) float32; a row nearer than this is no answer.
        high: (Q,) float32; a row at this distance or farther is no answer. Only `drawn` looks at it.
        keys: (Q,) uint64, what the lots of each query are drawn from. Only for `drawn`.
    """

    vectors: np.ndarray
    classes: np.ndarray
    rows: np.ndarray
    first: np.ndarray
    low: np.ndarray
    high: np.ndarray | None = None
    keys: np.ndarray | None = None

    @classmethod
    def plain(cls, vectors: np.ndarray, classes: np.ndarray, rows: np.ndarray) -> Queries:
        """One query an anchor, with no distance ruled out."""
        return cls(
            vectors, classes, rows, np.arange(len(rows) + 1, dtype=np.int64), np.full(len(rows), -np.inf, np.float32)
        )

    def __len__(self) -> int:
        return len(self.low)

    @cached_property
    def anchor_of(self) -> np.ndarray:
        """(Q,) whose query it is."""
        return np.repeat(np.arange(len(self.rows)), np.diff(self.first))

    def part(self, begin: int, stop: int) -> Queries:
        """The queries of the anchors begin <= a < stop."""
        at = slice(int(self.first[begin]), int(self.first[stop]))
        return Queries(
            self.vectors[begin:stop],
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
            self.vectors[anchors],
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


class Shard:
    """Rows of a set made ready for search, in class order.

    Args:
        vectors: (N, D) float32, finite.
        classes: (N,) whole numbers; a class may have rows in other shards too.
        rows: (N,) number of each row in the whole set, which also breaks ties; None for 0, 1, 2, ...
        distance: "euclidean", "squared-euclidean" or "cosine" (1 - s; a row of zeros is at 0.5 from all others).
        threads: how many blocks of anchors are searched at once; changes no answer.

    Raises:
        UnknownNameError: for any other distance.
        DataError: vectors so long that their squared distances are no float32.

    Example:
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
    ) -> None:
        if distance not in DISTANCES:
            raise UnknownNameError("distance", distance, DISTANCES)
        self.distance, self.threads = distance, threads
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        numbers = np.arange(len(vectors)) if rows is None else np.asarray(rows)
        self.order = np.lexsort((numbers, classes)).astype(np.int64)
        self.rows = numbers[self.order].astype(np.int64)
        self.classes = np.asarray(classes)[self.order].astype(np.int64)
        self.scales = scales_of(self.vectors, distance)
        self._centre()

    def _centre(self) -> None:
        """Sets the centred vectors in class order, scaled to a largest entry of 1, and their lengths."""
        count, dim = self.vectors.shape
        self.centred = np.empty((count, dim), np.float32)
        self.half, self.lengths = np.empty(count, np.float32), np.empty(count)
        block = max(1, 2**18 // max(1, dim))
        mean, reach = np.zeros(dim), 0.0
        for at in range(0, count, block):
            mean += (self.vectors[at : at + block] * self.scales[at : at + block, None]).sum(axis=0) / count
        for at in range(0, count, block):
            part = self.vectors[at : at + block] * self.scales[at : at + block, None] - mean
            reach = max(reach, float(np.abs(part).max(initial=0.0)))
        if reach * math.sqrt(dim) > _LARGEST / 2:
            raise DataError("The vectors are so long that their squared distances overflow float32: scale them first.")
        self.mean, self.reach = mean, reach or 1.0
        for at in range(0, count, block):
            taken = self.order[at : at + block]
            self.centred[at : at + block] = (self.vectors[taken] * self.scales[taken, None] - mean) / self.reach
            lengths = _squared_lengths(self.centred[at : at + block])
            self.lengths[at : at + block] = lengths
            self.half[at : at + block] = lengths / 2
        self.radius = math.sqrt(float(self.lengths.max(initial=0.0)))

    def __len__(self) -> int:
        return len(self.order)

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
        dim = self.centred.shape[1]
        grows = min(dim + 2, 8 * math.sqrt(dim) + 2) * _U
        return np.asarray(2 * grows * radius * self.radius + 10 * _U * (radius + self.radius) ** 2)

    def squared(self, named: np.ndarray | float) -> np.ndarray:
        """Named distances as squared Euclidean ones in the unit of `centred`."""
        wide = np.asarray(named, dtype=np.float64)
        squared = wide**2 if self.distance == "euclidean" else wide * (2 if self.distance == "cosine" else 1)
        return np.asarray(squared / self.reach**2)

    def ranges(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each class the columns start <= c < stop that it takes up; empty where it has none."""
        return np.searchsorted(self.classes, classes, "left"), np.searchsorted(self.classes, classes, "right")

    def queries(self, columns: np.ndarray | slice) -> Queries:
        """One query for each of these rows of the shard itself, by its place in class order."""
        order = self.order[columns]
        return Queries.plain(self.vectors[order], self.classes[columns], self.rows[columns])


def scales_of(vectors: np.ndarray, distance: str) -> np.ndarray:
    """(N,) float64 that each row is multiplied by before distances are taken: 1, or 1 / length for cosine."""
    if distance != "cosine":
        return np.ones(len(vectors))
    scales = np.ones(len(vectors))
    block = max(1, 2**18 // max(1, vectors.shape[1]))
    for at in range(0, len(vectors), block):
        part = vectors[at : at + block].astype(np.float64)
        lengths = np.sqrt(np.einsum("nd,nd->n", part, part))
        scales[at : at + block] = 1.0 / np.where(lengths > 0, lengths, 1.0)
    return scales


def _squared_lengths(rows: np.ndarray) -> np.ndarray:
    """(n,) float64."""
    wide = rows.astype(np.float64)
    return np.asarray(np.einsum("nd,nd->n", wide, wide))


def nearest(
    queries: Queries,
    shard: Shard,
    k: int = 1,
    *,
    own: bool = False,
    farthest: bool = False,
    progress: Report | None = None,
) -> TopK:
    """For each query the k nearest rows of other classes that are not nearer than its `low`; exact.

    Distances are those of the given vectors, by differences in float64, rounded once to float32; rows at equal
    distances come in the order of the set.

    Args:
        queries: in any order; anchors of one class next to each other are fastest.
        shard: where to look.
        k: at least 1.
        own: look in the anchor's own class instead, itself left out.
        farthest: the farthest first.
        progress: called as progress(done, all) after each block of anchors; what it raises ends the search.
    """
    return _Search(queries, shard, k, own, farthest).run(progress)


def drawn(
    queries: Queries, shard: Shard, k: int = 1, *, lots: Lots | None = None, progress: Report | None = None
) -> TopK:
    """For each query k different rows of other classes with low <= distance < high, by lot, in the order drawn.

    The lot of a row follows from the query's key and the row's number alone, so blocks, shards and threads change
    nothing.
    """
    return _Draw(queries, shard, k, lots or Lots()).run(progress)


def measure(shard: Shard, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(T,) float32 distances of row a[t] to row b[t] of `shard.vectors`, by differences."""
    from tripletscope.mining import kernels

    found: np.ndarray = kernels.measure_pairs(
        shard.vectors, shard.scales, shard.vectors, shard.scales, np.asarray(a), np.asarray(b), shard.kind
    )
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Full float32 products on one thread, whatever was set; it is set again afterwards.

    With "medium" precision torch multiplies in bfloat16, which no bound here allows for.
    """
    import torch

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


class _Search:
    """The k nearest or farthest, in blocks of anchors."""

    def __init__(self, queries: Queries, shard: Shard, k: int, own: bool, farthest: bool) -> None:
        self.queries, self.shard, self.k, self.own = queries, shard, k, own
        self.farthest, self.sign = farthest, np.float32(-1 if farthest else 1)

    def run(self, progress: Report | None) -> TopK:
        """The answers to all queries."""
        count = len(self.queries)
        distance = np.full((count, self.k), np.inf, np.float32)
        row = np.full((count, self.k), -1, np.int64)
        if count and len(self.shard):
            with one_thread():
                self.spread(distance, row, progress)
        return TopK(distance, row, self.farthest)

    def spread(self, distance: np.ndarray, row: np.ndarray, progress: Report | None) -> None:
        """Nothing; all blocks are answered, on as many threads as the shard says."""
        anchors, done = len(self.queries.rows), 0

        def work(part: Queries, at: slice) -> int:
            self.answer(part, distance[at], row[at], 0)
            return len(part.rows)

        if self.shard.threads < 2:
            finished = (work(part, at) for part, at in self.blocks())
            for count in finished:
                done += count
                if progress is not None:
                    progress(done, anchors)
            return
        import torch

        with ThreadPoolExecutor(self.shard.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            waiting = [pool.submit(work, part, at) for part, at in self.blocks()]
            try:
                for future in as_completed(waiting):
                    done += future.result()
                    if progress is not None:
                        progress(done, anchors)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def blocks(self) -> Iterator[tuple[Queries, slice]]:
        """Parts of the queries, and where their answers go."""
        anchors, queries = len(self.queries.rows), self.queries
        begin = 0
        while begin < anchors:
            # As many anchors as a tile has rows, fewer where they have many queries.
            limit = int(queries.first[begin]) + 64 * TILE_ROWS
            stop = min(begin + TILE_ROWS, anchors, max(begin + 1, int(np.searchsorted(queries.first, limit))))
            yield queries.part(begin, stop), slice(int(queries.first[begin]), int(queries.first[stop]))
            begin = stop

    def answer(self, part: Queries, distance: np.ndarray, row: np.ndarray, level: int) -> None:
        """Nothing; `distance` and `row` hold the answers to a part, of which each was proved or looked for in full."""
        doubtful = self.listed(part, distance, row, self.k + SPARE[level])
        if not len(doubtful):
            return
        again, size = part.only(doubtful), (len(doubtful), self.k)
        far, found = np.full(size, np.inf, np.float32), np.full(size, -1, np.int64)
        if level + 1 < len(SPARE):
            for begin, stop in _runs(again, TILE_ROWS):
                at = slice(int(again.first[begin]), int(again.first[stop]))
                self.answer(again.part(begin, stop), far[at], found[at], level + 1)
        else:
            self.in_full(again, far, found)
        distance[doubtful], row[doubtful] = far, found

    def listed(self, part: Queries, distance: np.ndarray, row: np.ndarray, size: int) -> np.ndarray:
        """Which queries of the part a list of that size leaves in doubt; the others are answered."""
        from tripletscope.mining import kernels

        shard, count = self.shard, len(part)
        left, lengths = _centred(part, shard)
        slack = shard.slack(np.sqrt(lengths))[part.anchor_of]
        high = np.full(count, 3e38, np.float32)
        if not self.farthest:
            ruled = part.low > 0
            edge = shard.squared(part.low[ruled]) * (1 - 4e-7) - slack[ruled]
            high[ruled] = np.nextafter(
                ((lengths[part.anchor_of][ruled] - edge) / 2).astype(np.float32), np.float32(3e38)
            )
        scores = np.full((count, size), -3e38, np.float32)
        columns, counts = np.empty((count, size), np.int64), np.zeros(count, np.int64)
        start, stop = shard.ranges(part.classes)
        for tile, offset in _tiles(left * self.sign, shard, start, stop, self.own):
            kernels.scan_tile(
                tile, shard.half[offset : offset + tile.shape[1]], self.sign, offset,
                start, stop, self.own, part.first, high, scores, columns, counts,
            )  # fmt: skip
        distance[:], row[:] = np.inf, -1
        kernels.measure_lists(
            part.vectors, scales_of(part.vectors, shard.distance), part.anchor_of, part.rows,
            shard.vectors, shard.scales, shard.order, shard.rows, columns, counts, part.low, self.sign, shard.kind,
            distance, row,
        )  # fmt: skip
        return np.flatnonzero(~self.proved(scores, counts, distance, lengths[part.anchor_of], slack))

    def proved(
        self, scores: np.ndarray, counts: np.ndarray, distance: np.ndarray, lengths: np.ndarray, slack: np.ndarray
    ) -> np.ndarray:
        """(Q,) whether no column that is off the list can belong among the answers."""
        worst = scores.min(axis=1).astype(np.float64)  # those off the list scored no more
        last = distance[:, -1]
        whole = np.isfinite(last)
        squared = self.shard.squared(np.where(whole, last, 0))
        if self.farthest:
            ruled_out = lengths + 2 * worst + slack < squared * (1 - 4e-7)
        else:
            # Below 1e-45 a float32 is 0: distances that small are equal to the reader.
            ruled_out = lengths - 2 * worst - slack > squared * (1 + 4e-7) + self.shard.squared(2e-45)
        return np.asarray((counts < scores.shape[1]) | (whole & ruled_out))

    def in_full(self, part: Queries, distance: np.ndarray, row: np.ndarray) -> None:
        """Nothing; the answers by differences against every column."""
        from tripletscope.mining import kernels

        shard = self.shard
        start, stop = shard.ranges(part.classes)
        kernels.measure_all(
            part.vectors, scales_of(part.vectors, shard.distance), part.anchor_of, part.rows,
            shard.vectors, shard.scales, shard.order, shard.rows, start, stop, self.own, part.low, self.sign,
            shard.kind, distance, row,
        )  # fmt: skip


class _Draw(_Search):
    """Rows by lot, in blocks of anchors."""

    def __init__(self, queries: Queries, shard: Shard, k: int, lots: Lots) -> None:
        super().__init__(queries, shard, k, own=False, farthest=False)
        self.lots = lots

    def listed(self, part: Queries, distance: np.ndarray, row: np.ndarray, size: int) -> np.ndarray:
        """Which queries of the part a list of that size leaves in doubt; the others are answered."""
        return self._listed(part, distance, row, size)

    def _listed(self, part: Queries, distance: np.ndarray, row: np.ndarray, size: int) -> np.ndarray:
        from tripletscope.mining import kernels

        assert part.high is not None
        assert part.keys is not None
        shard, count, lots = self.shard, len(part), self.lots
        left, lengths = _centred(part, shard)
        own_lengths = lengths[part.anchor_of]
        slack = shard.slack(np.sqrt(lengths))[part.anchor_of]
        near = shard.squared(np.maximum(part.low, 0)) * (1 - 4e-7) - slack
        far = np.where(np.isfinite(part.high), shard.squared(np.where(np.isfinite(part.high), part.high, 0)), 1e30)
        far = far * (1 + 4e-7) + slack
        high = np.nextafter(((own_lengths - near) / 2).astype(np.float32), np.float32(3e38))
        high[part.low <= 0] = 3e38
        low = np.nextafter(((own_lengths - far) / 2).astype(np.float32), np.float32(-3e38))
        drawn_lots = np.full((count, size), np.inf)
        columns, counts = np.empty((count, size), np.int64), np.zeros(count, np.int64)
        start, stop = shard.ranges(part.classes)
        unit = shard.reach**2
        for tile, offset in _tiles(left, shard, start, stop, own=False):
            kernels.draw_tile(
                tile, shard.half[offset : offset + tile.shape[1]], offset, start, stop, part.first,
                lengths, low, high, shard.rows, part.keys, lots.weighted, unit, lots.dim, lots.ceiling,
                drawn_lots, columns, counts,
            )  # fmt: skip
        distance[:], row[:] = np.inf, -1
        kept = np.full(distance.shape, np.inf)
        kernels.measure_lots(
            part.vectors, scales_of(part.vectors, shard.distance), part.anchor_of,
            shard.vectors, shard.scales, shard.order, shard.rows, columns, counts, part.low, part.high, shard.kind,
            part.keys, lots.weighted, lots.dim, lots.ceiling, distance, row, kept,
        )  # fmt: skip
        # Rounding moves a weight, and with it a lot, by this much at the most: far below what a draw can show.
        doubt = slack * unit * lots.dim if lots.weighted else 0.0
        return np.flatnonzero((counts == size) & ~(kept[:, -1] + doubt < drawn_lots.max(axis=1)))

    def in_full(self, part: Queries, distance: np.ndarray, row: np.ndarray) -> None:
        """Nothing; the answers from a list that holds every column."""
        for begin, stop in _runs(part, 16):
            at = slice(int(part.first[begin]), int(part.first[stop]))
            self._listed(part.part(begin, stop), distance[at], row[at], len(self.shard) + 1)


def _runs(queries: Queries, anchors: int) -> Iterator[tuple[int, int]]:
    """Stretches of so many anchors."""
    count = len(queries.rows)
    return ((begin, min(begin + anchors, count)) for begin in range(0, count, anchors))


def _centred(part: Queries, shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    """The anchors as the shard's columns are, (A, D) float32, and their squared lengths, float64."""
    scales = scales_of(part.vectors, shard.distance)
    centred = ((part.vectors * scales[:, None] - shard.mean) / shard.reach).astype(np.float32)
    return centred, _squared_lengths(centred)


def _tiles(
    left: np.ndarray, shard: Shard, start: np.ndarray, stop: np.ndarray, own: bool
) -> Iterator[tuple[np.ndarray, int]]:
    """The product with so many columns at a time, and the number of the first; the array is used again."""
    import torch

    begin, end = (int(start.min()), int(stop.max())) if own else (0, len(shard))
    rows, columns = torch.from_numpy(left), torch.from_numpy(shard.centred)
    out = torch.empty(len(left) * TILE_COLUMNS)
    for at in range(begin, end, TILE_COLUMNS):
        width = min(TILE_COLUMNS, end - at)
        tile = out[: len(left) * width].view(len(left), width)
        torch.mm(rows, columns[at : at + width].T, out=tile)
        yield tile.numpy(), at
