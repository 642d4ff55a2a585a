"""Search in a part of the set, with its recall measured: what a set of a million rows can afford.

How many cells each anchor looks in is settled beforehand, on anchors for which the exact answer is computed: the fewest
that hold the share of the answers that is wanted, and never more than one cell in eight. What the search then finds is
held against the exact answer of other anchors, and that is the recall that is told. It is a property of the vectors:
where they have no clusters, cells say little about who is near, and no number of cells is a bargain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from tripletscope.mining.cells import BLOCK_ROWS, Cells, DrawnInCells, InCells, ranks
from tripletscope.mining.questions import Lots, Queries, TopK
from tripletscope.mining.search import drawn, nearest
from tripletscope.mining.shard import Report, Shard
from tripletscope.seeding import derive_seed

#: Anchors on which the recall is measured, and others on which the number of cells is settled.
MEASURED, SETTLED = 2_000, 500
#: The share of the answers that the cells are to hold, and the largest share of cells looked in for it.
WANTED, MOST_CELLS = 0.965, 1 / 8
#: The fewest cells that are looked in.
FEWEST = 8
#: Rows drawn anew for each block of anchors, to look in where the cells hold nothing or where lots decide.
POOL = 16_384


@runtime_checkable  # the tests check annotations while they run
class Searcher(Protocol):
    """Answers what strategies ask of the whole set."""

    def own(self, queries: Queries, k: int, *, farthest: bool, progress: Report | None = None) -> TopK:
        """The k nearest or farthest other rows of each anchor's own class; always exact."""
        ...

    def nearest(self, queries: Queries, k: int = 1, *, of: str = "", progress: Report | None = None) -> TopK:
        """The k nearest rows of other classes that are not nearer than `low` of each query."""
        ...

    def drawn(
        self, queries: Queries, k: int = 1, *, lots: Lots | None = None, of: str = "", progress: Report | None = None
    ) -> TopK:
        """Up to k rows of other classes with low <= distance < high of each query, by lot."""
        ...


@dataclass(frozen=True)
class Exact:
    """Looks at every row."""

    shard: Shard

    def own(self, queries: Queries, k: int, *, farthest: bool, progress: Report | None = None) -> TopK:
        """The k nearest or farthest other rows of each anchor's own class; always exact."""
        return nearest(queries, self.shard, k, own=True, farthest=farthest, progress=progress)

    def nearest(self, queries: Queries, k: int = 1, *, of: str = "", progress: Report | None = None) -> TopK:
        """The k nearest rows of other classes that are not nearer than `low` of each query."""
        return nearest(queries, self.shard, k, progress=progress)

    def drawn(
        self, queries: Queries, k: int = 1, *, lots: Lots | None = None, of: str = "", progress: Report | None = None
    ) -> TopK:
        """Up to k rows of other classes with low <= distance < high of each query, by lot."""
        return drawn(queries, self.shard, k, lots=lots, progress=progress)


@dataclass(frozen=True)
class Quality:
    """How good an approximate search was, by the exact answers to a sample of its queries.

    Attributes:
        recall: the share of the exact answers that were found; rows as near as the last of them count. Of lots, the
            share of anchors that were given one.
        anchors: how many were asked exactly.
        of: what was asked for.
        some: of the anchors that have an answer, the share for which one was found, be it the best or not.
        cells: how many there are.
        looked_in: in how many each anchor looked; 0 where a pool served.
        empty: the share of all queries that found nothing.
        pooled: the share of all queries that were asked a second time: of a pool after the cells, or, with lots, of
            the cells after a pool.
        by_lot: whether lots decided.
    """

    recall: float
    anchors: int
    of: str
    some: float
    cells: int
    looked_in: int
    empty: float
    pooled: float
    by_lot: bool = False


class Approximate:
    """Looks in the cells near each anchor, then, where nothing was found, in a pool of rows by lot.

    Args:
        shard: of the whole set, in class order.
        seed: of samples and pools.
        stage: called with the name of what begins.
    """

    def __init__(self, shard: Shard, seed: int, stage: Callable[[str], None] = lambda name: None) -> None:
        self.shard, self.seed, self.stage = shard, seed, stage
        self.made: Cells | None = None
        self.quality: Quality | None = None

    def own(self, queries: Queries, k: int, *, farthest: bool, progress: Report | None = None) -> TopK:
        """The k nearest or farthest other rows of each anchor's own class; always exact."""
        return nearest(queries, self.shard, k, own=True, farthest=farthest, progress=progress)

    def cells(self, progress: Report | None) -> Cells:
        """The set in cells; made when first wanted."""
        if self.made is None:
            self.stage("finding cells")
            self.shard.forget()
            self.made = Cells.of(self.shard, self.seed, lambda: None if progress is None else progress(0, 1))
        return self.made

    def nearest(self, queries: Queries, k: int = 1, *, of: str = "", progress: Report | None = None) -> TopK:
        """The k nearest rows of other classes that are not nearer than `low` of each query, as far as they are found.

        Where `high` is given, rows at that distance or beyond count as no answer to the pool and to the recall.
        """
        cells = self.cells(progress)
        measured, settled = self._samples(queries)
        self.stage("asking a sample exactly")
        quiet = None if progress is None else lambda done, every: progress(0, 1)
        probes = self._probes(cells, settled, k, quiet)
        truth = _within(InCells(queries.only(measured), cells, k, None).run(quiet), queries, measured)
        self.stage("searching")
        found = _within(InCells(queries, cells, k, probes).run(progress), queries)
        empty = np.flatnonzero(found.row[:, 0] < 0) if queries.high is not None else np.empty(0, np.int64)
        if len(empty):
            self.stage("searching a pool for the rest")
            found[empty] = _within(self._pooled(queries.only(empty), k, None, quiet), queries, empty)
        self.quality = _quality(truth, found, measured, len(empty), of, len(cells), probes)
        return found

    def drawn(
        self, queries: Queries, k: int = 1, *, lots: Lots | None = None, of: str = "", progress: Report | None = None
    ) -> TopK:
        """Up to k rows of other classes with low <= distance < high of each query, by lot from a pool.

        The pool is drawn evenly, so what is drawn from it is as if drawn from the set. Queries to which the pool has no
        answer are asked of the cells near their anchor.
        """
        chance = lots or Lots()
        measured, _ = self._samples(queries)
        quiet = None if progress is None else lambda done, every: progress(0, 1)
        self.stage("drawing from pools")
        found = self._pooled(queries, k, chance, progress)
        empty = np.flatnonzero(found.row[:, 0] < 0)
        cells, probes = self.cells(progress), 0
        if len(empty):
            self.stage("searching cells for the rest")
            probes = _most(cells)
            found[empty] = DrawnInCells(queries.only(empty), cells, k, chance, probes).run(quiet)
        self.stage("asking a sample exactly")
        truth = _within(InCells(queries.only(measured), cells, 1, None).run(quiet), queries, measured)
        self.quality = _quality(truth, found, measured, len(empty), of, len(cells), probes, by_lot=True)
        return found

    def _samples(self, queries: Queries) -> tuple[np.ndarray, Queries]:
        """(queries to measure on, queries to settle on), one an anchor, of different anchors where there are enough."""
        chance = np.random.default_rng(derive_seed(self.seed, "recall"))
        counts = np.diff(queries.first)
        asking = np.flatnonzero(counts)
        anchors = asking[chance.permutation(len(asking))]
        which = queries.first[anchors] + chance.integers(0, counts[anchors])
        others = which[MEASURED : MEASURED + SETTLED]
        settled = others if len(others) == SETTLED else which[:SETTLED]
        return np.sort(which[:MEASURED]), queries.only(np.sort(settled))

    def _probes(self, cells: Cells, settled: Queries, k: int, progress: Report | None) -> int:
        """In how many cells to look: the fewest that hold the wanted share of the exact answers, within bounds."""
        truth = _within(InCells(settled, cells, k, None).run(progress), settled)
        part = settled.part(0, len(settled.rows))
        found = np.sort(ranks(cells, part, truth.row)[truth.row >= 0])
        if not len(found):
            return min(FEWEST, len(cells))
        needed = int(found[min(len(found) - 1, int(np.ceil(WANTED * len(found))) - 1)]) + 1
        return min(max(needed, FEWEST), _most(cells))

    def _pooled(self, queries: Queries, k: int, lots: Lots | None, progress: Report | None) -> TopK:
        """Answers from a pool of rows, drawn for every block of anchors anew."""
        shard, anchors = self.shard, len(queries.rows)
        found = TopK.nobody(len(queries), k, drawn=lots is not None)
        for begin in range(0, anchors, BLOCK_ROWS):
            stop = min(begin + BLOCK_ROWS, anchors)
            chance = np.random.default_rng(derive_seed(self.seed, "pool", str(begin // BLOCK_ROWS)))
            taken = np.sort(chance.choice(len(shard), min(POOL, len(shard)), replace=False))
            pool = Shard(
                shard.vectors,
                shard.classes[taken],
                shard.rows[taken],
                shard.distance,
                shard.threads,
                places=shard.order[taken],
                scales=shard.scales,
            )
            part, at = queries.part(begin, stop), slice(int(queries.first[begin]), int(queries.first[stop]))
            found[at] = nearest(part, pool, k) if lots is None else drawn(part, pool, k, lots=lots)
            if progress is not None:
                progress(stop, anchors)
        return found


def _most(cells: Cells) -> int:
    """The most cells that an anchor looks in; of few cells, all."""
    return min(len(cells), max(4 * FEWEST, round(MOST_CELLS * len(cells))))


def _within(found: TopK, queries: Queries, at: np.ndarray | None = None) -> TopK:
    """The answers below the `high` of their queries, where it is given."""
    if queries.high is None:
        return found
    high = queries.high if at is None else queries.high[at]
    outside = found.distance >= high[:, None]
    return TopK(np.where(outside, np.float32(np.inf), found.distance), np.where(outside, -1, found.row))


def _quality(
    truth: TopK, found: TopK, at: np.ndarray, pooled: int, of: str, cells: int, probes: int, *, by_lot: bool = False
) -> Quality:
    """What was found, held against the exact answers to the queries `at`."""
    there = truth.row[:, 0] >= 0
    exact, ours = truth[there], found[at[there]]
    some = float((ours.row[:, 0] >= 0).mean()) if len(ours.row) else 1.0
    wanted = (exact.row >= 0).sum(axis=1)
    last = np.where(exact.row >= 0, exact.distance, np.float32(-np.inf)).max(axis=1, initial=-np.inf)
    hits = np.minimum(((ours.row >= 0) & (ours.distance <= last[:, None])).sum(axis=1), wanted)
    recall = float(hits.sum() / wanted.sum()) if len(wanted) else 1.0
    nobody = float((found.row[:, 0] < 0).mean()) if len(found.row) else 0.0
    share = pooled / max(1, len(found.row))
    return Quality(some if by_lot else recall, len(at), of, some, cells, probes, nobody, share, by_lot)
