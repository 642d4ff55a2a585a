"""Exact search in one shard of a set: the nearest (or farthest) rows of each anchor, or rows drawn by lot.

`nearest(queries, shard, k)` gives a `TopK`, and `TopK.merge` joins those of several shards into what one shard of all
rows would have given: merging is associative, and ties go to the row that comes first in the set. So a set may lie on
one machine or on many.

How it is exact and fast at once. The product of blocks gives a score for every column, and a scan keeps the k + 4 best
of each query; these are measured by differences. If the worst kept score, with the bound on the product's error, rules
all others out, the answer is proved. If not, as among duplicates, the query is asked again with a longer list, and then
by differences against every column.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tripletscope.mining.questions import Lots, Queries, TopK
from tripletscope.mining.shard import Report, Shard, scales_of, squared_lengths

#: Columns kept beyond k, for what rounding may put in the wrong order; then, where these are too few.
SPARE = (4, 120)
#: A tile of the product, anchors by columns: 8 MiB, large enough that the product runs at full speed.
TILE_ROWS, TILE_COLUMNS = 1024, 2048


class Tile(NamedTuple):
    """A piece of the product, scaled by the sign of the search.

    Attributes:
        scores: (R, C) float32; the array is used again for the next tile.
        offset: number of the first column.
        anchors: (R,) which anchors of the part the rows are.
        start: (R,) where each row's own class starts, as a column number.
        stop: (R,) where it ends.
    """

    scores: np.ndarray
    offset: int
    anchors: np.ndarray
    start: np.ndarray
    stop: np.ndarray


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
        shard: where to look; in class order.
        k: at least 1.
        own: look in the anchor's own class instead, itself left out.
        farthest: the farthest first.
        progress: called as progress(done, all) after each block of anchors; what it raises ends the search.
    """
    return Nearest(queries, shard, k, own, farthest).run(progress)


def drawn(
    queries: Queries, shard: Shard, k: int = 1, *, lots: Lots | None = None, progress: Report | None = None
) -> TopK:
    """For each query k different rows of other classes with low <= distance < high, by lot, in the order drawn.

    The lot of a row follows from the query's key and the row's number alone, so blocks, shards and threads change
    nothing.
    """
    return Drawn(queries, shard, k, lots or Lots()).run(progress)


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


class Nearest:
    """The k nearest or farthest, in blocks of anchors."""

    def __init__(self, queries: Queries, shard: Shard, k: int, own: bool = False, farthest: bool = False) -> None:
        self.queries, self.shard, self.k, self.own = queries, shard, k, own
        self.farthest, self.sign = farthest, np.float32(-1 if farthest else 1)

    def block_rows(self) -> int:
        """How many anchors make a block."""
        return TILE_ROWS

    def nobody(self, queries: int) -> TopK:
        """Empty lists for so many queries."""
        return TopK.nobody(queries, self.k, farthest=self.farthest)

    def run(self, progress: Report | None) -> TopK:
        """The answers to all queries."""
        found = self.nobody(len(self.queries))
        if len(self.queries) and len(self.shard):
            _ = self.shard.made  # once, not by each thread
            with one_thread():
                self.spread(found, progress)
        return found

    def spread(self, found: TopK, progress: Report | None) -> None:
        """Nothing; all blocks are answered, on as many threads as the shard says."""
        anchors, done = len(self.queries.rows), 0

        def work(part: Queries, at: slice) -> int:
            self.answer(part, found[at], 0)
            return len(part.rows)

        def tell(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(done, anchors)

        if self.shard.threads < 2:
            for part, at in self.blocks():
                tell(work(part, at))
            return
        import torch

        with ThreadPoolExecutor(self.shard.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            waiting: set[Future[int]] = set()
            try:
                for part, at in self.blocks():
                    waiting.add(pool.submit(work, part, at))
                    if len(waiting) > 2 * self.shard.threads:  # blocks hold their vectors: few at a time
                        over, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in over:
                            tell(future.result())
                for future in waiting:
                    tell(future.result())
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def blocks(self) -> Iterator[tuple[Queries, slice]]:
        """Parts of the queries, and where their answers go."""
        anchors, queries, rows = len(self.queries.rows), self.queries, self.block_rows()
        begin = 0
        while begin < anchors:
            # As many anchors as a tile has rows, fewer where they have many queries.
            limit = int(queries.first[begin]) + 64 * rows
            stop = min(begin + rows, anchors, max(begin + 1, int(np.searchsorted(queries.first, limit))))
            yield queries.part(begin, stop), slice(int(queries.first[begin]), int(queries.first[stop]))
            begin = stop

    def answer(self, part: Queries, found: TopK, level: int) -> None:
        """Nothing; `found` holds the answers to a part, of which each was proved or looked for in full."""
        doubtful = self.listed(part, found, self.k + SPARE[level])
        if not len(doubtful):
            return
        again = part.only(doubtful)
        more = self.nobody(len(doubtful))
        if level + 1 < len(SPARE):
            for begin, stop in runs(again, TILE_ROWS):
                at = slice(int(again.first[begin]), int(again.first[stop]))
                self.answer(again.part(begin, stop), more[at], level + 1)
        else:
            self.in_full(again, more)
        found[doubtful] = more

    def tiles(self, part: Queries, left: np.ndarray) -> Iterator[Tile]:
        """The product with so many columns at a time."""
        start, stop = self.shard.ranges(part.classes)
        begin, end = (int(start.min()), int(stop.max())) if self.own else (0, len(self.shard))
        anchors = np.arange(len(left))
        for scores, at in product(left, self.shard.made.rows, begin, end, workspace(len(left), end - begin)):
            yield Tile(scores, at, anchors, start, stop)

    def listed(self, part: Queries, found: TopK, size: int) -> np.ndarray:
        """Which queries of the part a list of that size leaves in doubt; the others are answered."""
        from tripletscope.mining import kernels

        shard, made, count = self.shard, self.shard.made, len(part)
        left, lengths = centred(part, shard)
        slack = shard.slack(np.sqrt(lengths))[part.anchor_of]
        high = np.full(count, 3e38, np.float32)
        if not self.farthest:
            ruled = part.low > 0
            edge = shard.squared(part.low[ruled]) * (1 - 4e-7) - slack[ruled]
            high[ruled] = np.nextafter(
                ((lengths[part.anchor_of][ruled] - edge) / 2).astype(np.float32), np.float32(3e38)
            )
        scores = np.full((count, size), -3e38, np.float32)
        columns, counts = np.zeros((count, size), np.int64), np.zeros(count, np.int64)
        for tile in self.tiles(part, left * self.sign):
            kernels.scan_tile(
                tile.scores, made.half[tile.offset : tile.offset + tile.scores.shape[1]], self.sign, tile.offset,
                tile.anchors, tile.start, tile.stop, self.own, part.first, high, scores, columns, counts,
            )  # fmt: skip
        found.distance[:], found.row[:] = np.inf, -1
        vectors, scales, order, rows, local = shard.taken(columns)
        kernels.measure_lists(
            part.vectors, scales_of(part.vectors, shard.distance), part.anchor_of, part.rows,
            vectors, scales, order, rows, local, counts, part.low, self.sign, shard.kind, found.distance, found.row,
        )  # fmt: skip
        return np.flatnonzero(~self.proved(scores, counts, found.distance, lengths[part.anchor_of], slack))

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

    def in_full(self, part: Queries, found: TopK) -> None:
        """Nothing; the answers by differences against every column."""
        from tripletscope.mining import kernels

        shard = self.shard
        begin, end = shard.ranges(part.classes)
        best = found[:]
        step = len(shard) if shard.vectors.dtype == np.float32 else 2**16
        for at in range(0, len(shard), step):
            columns = np.arange(at, min(at + step, len(shard)))
            vectors, scales, order, rows, local = shard.taken(columns)
            if len(order) == len(shard):
                offset, count = 0, len(shard)
            else:
                offset, count = at, len(local)
            some = self.nobody(len(part))
            kernels.measure_all(
                part.vectors, scales_of(part.vectors, shard.distance), part.anchor_of, part.rows,
                vectors, scales, order, rows, (begin - offset).clip(0, count), (end - offset).clip(0, count),
                self.own, part.low, self.sign, shard.kind, some.distance, some.row,
            )  # fmt: skip
            best = best.merge(some)
        found[:] = best


class Drawn(Nearest):
    """Rows by lot, in blocks of anchors."""

    def __init__(self, queries: Queries, shard: Shard, k: int, lots: Lots) -> None:
        super().__init__(queries, shard, k)
        self.lots = lots

    def nobody(self, queries: int) -> TopK:
        """Empty lists for so many queries."""
        return TopK.nobody(queries, self.k, drawn=True)

    def listed(self, part: Queries, found: TopK, size: int) -> np.ndarray:
        """Which queries of the part a list of that size leaves in doubt; the others are answered."""
        from tripletscope.mining import kernels

        assert part.high is not None
        assert part.keys is not None
        assert found.lot is not None
        shard, made, count, lots = self.shard, self.shard.made, len(part), self.lots
        left, lengths = centred(part, shard)
        own_lengths = lengths[part.anchor_of]
        slack = shard.slack(np.sqrt(lengths))[part.anchor_of]
        near = shard.squared(np.maximum(part.low, 0)) * (1 - 4e-7) - slack
        far = np.where(np.isfinite(part.high), shard.squared(np.where(np.isfinite(part.high), part.high, 0)), 1e30)
        far = far * (1 + 4e-7) + slack
        high = np.nextafter(((own_lengths - near) / 2).astype(np.float32), np.float32(3e38))
        high[part.low <= 0] = 3e38
        low = np.nextafter(((own_lengths - far) / 2).astype(np.float32), np.float32(-3e38))
        drawn_lots = np.full((count, size), np.inf)
        columns, counts = np.zeros((count, size), np.int64), np.zeros(count, np.int64)
        unit = shard.reach**2
        for tile in self.tiles(part, left):
            kernels.draw_tile(
                tile.scores, made.half[tile.offset : tile.offset + tile.scores.shape[1]], tile.offset, tile.anchors,
                tile.start, tile.stop, part.first, lengths, low, high, shard.rows, part.keys, lots.weighted, unit,
                lots.dim, lots.ceiling, drawn_lots, columns, counts,
            )  # fmt: skip
        found.distance[:], found.row[:], found.lot[:] = np.inf, -1, np.inf
        vectors, scales, order, rows, local = shard.taken(columns)
        kernels.measure_lots(
            part.vectors, scales_of(part.vectors, shard.distance), part.anchor_of, vectors, scales, order, rows, local,
            counts, part.low, part.high, shard.kind, part.keys, lots.weighted, lots.dim, lots.ceiling,
            found.distance, found.row, found.lot,
        )  # fmt: skip
        # Rounding moves a weight, and with it a lot, by this much at the most: far below what a draw can show.
        doubt = slack * unit * lots.dim if lots.weighted else 0.0
        return np.flatnonzero((counts == size) & ~(found.lot[:, -1] + doubt < drawn_lots.max(axis=1)))

    def in_full(self, part: Queries, found: TopK) -> None:
        """Nothing; the answers from a list that holds every column."""
        for begin, stop in runs(part, 16):
            at = slice(int(part.first[begin]), int(part.first[stop]))
            self.listed(part.part(begin, stop), found[at], len(self.shard) + 1)


def runs(queries: Queries, anchors: int) -> Iterator[tuple[int, int]]:
    """Stretches of so many anchors."""
    count = len(queries.rows)
    return ((begin, min(begin + anchors, count)) for begin in range(0, count, anchors))


def centred(part: Queries, shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    """The anchors as the shard's columns are, (A, D) float32, and their squared lengths, float64."""
    scales = scales_of(part.vectors, shard.distance)
    made = ((part.vectors * scales[:, None] - shard.frame.mean) / shard.reach).astype(np.float32)
    return made, squared_lengths(made)


def workspace(anchors: int, columns: int) -> Any:
    """Room for a tile of the product, a flat tensor."""
    import torch

    return torch.empty(anchors * min(TILE_COLUMNS, max(0, columns)))


def product(left: np.ndarray, columns: np.ndarray, begin: int, end: int, room: Any) -> Iterator[tuple[np.ndarray, int]]:
    """The product with so many columns at a time, and the number of the first; they share the room."""
    import torch

    rows, right = torch.from_numpy(left), torch.from_numpy(columns)
    for at in range(begin, end, TILE_COLUMNS):
        width = min(TILE_COLUMNS, end - at)
        tile = room[: len(left) * width].view(len(left), width)
        torch.mm(rows, right[at : at + width].T, out=tile)
        yield tile.numpy(), at
