"""A set cut into cells of rows that lie together, and search in the cells that are near an anchor only.

The cells are those of k-means on a sample. Anchors are taken some 16,000 at a time; each names the cells it wants, and
for every cell one product is computed with all the anchors that want it. So the work runs at the speed of the matrix
product although each anchor looks elsewhere: an inverted file (Jégou et al. 2011, "Product Quantization for Nearest
Neighbor Search", IV) whose lists ask for their queries instead of queries for their lists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tripletscope.mining.questions import Lots, Queries, TopK
from tripletscope.mining.search import SPARE, TILE_ROWS, Drawn, Nearest, Tile, centred, one_thread, product, workspace
from tripletscope.mining.shard import Shard, squared_lengths
from tripletscope.seeding import derive_seed

#: Rows of the sample for each cell, and how often its middle is moved.
SAMPLE, ROUNDS = 64, 8
#: A cell this many times the common size is cut, so that a heap of equal rows stays affordable.
LARGEST_CELL = 4
#: Anchors looked for together, so that a cell is wanted by hundreds of them.
BLOCK_ROWS = 16 * TILE_ROWS


@dataclass(frozen=True)
class Cells:
    """A shard in cells.

    Attributes:
        shard: its rows cell after cell, and in each by class.
        middles: (C, D) float32 means of the cells, as the shard's rows are centred.
        spreads: (C,) float64 mean squared distance of a cell's rows from its middle.
        first: (C + 1,) the columns of cell c are first[c] <= column < first[c + 1].
    """

    shard: Shard
    middles: np.ndarray
    spreads: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.middles)

    @classmethod
    def of(cls, shard: Shard, seed: int, tick: Callable[[], None] = lambda: None) -> Cells:
        """The cells of a shard: about as many as the root of its rows.

        Args:
            shard: in class order.
            seed: of the sample.
            tick: called now and then; what it raises ends the work.
        """
        wanted = max(1, round(math.sqrt(len(shard))))
        with one_thread():
            middles = _middles(shard, wanted, seed, tick)
            cells, apart = _assigned(shard, middles, tick)
        cells, of_piece = _cut(cells, math.ceil(LARGEST_CELL * len(shard) / wanted))
        sizes = np.bincount(cells, minlength=len(of_piece))
        spreads = np.bincount(cells, apart, minlength=len(of_piece)) / np.maximum(sizes, 1)
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(shard.in_cells(cells), middles[of_piece], spreads, first)

    def order_for(self, left: np.ndarray, beyond: np.ndarray) -> np.ndarray:
        """(A, C) float32: the lower, the likelier a cell is to hold the answer of an anchor.

        Args:
            left: (A, D) anchors, centred.
            beyond: (A,) squared distance below which rows are no answers. The rows of a cell lie at about
                |anchor - middle|² + spread, so that the cells wanted are those where this is near it.
        """
        import torch

        squared = torch.mm(torch.from_numpy(left), torch.from_numpy(self.middles).T).numpy()
        squared *= -2
        squared += squared_lengths(self.middles).astype(np.float32)
        squared += squared_lengths(left).astype(np.float32)[:, None]
        ruled = np.flatnonzero(beyond > 0)
        if len(ruled):
            squared[ruled] = np.abs(squared[ruled] + (self.spreads - beyond[ruled, None]).astype(np.float32))
        return np.asarray(squared)


def _middles(shard: Shard, wanted: int, seed: int, tick: Callable[[], None]) -> np.ndarray:
    """(C, D) float32: the means that k-means finds in a sample."""
    import torch

    chance = np.random.default_rng(derive_seed(seed, "cells"))
    taken = np.sort(chance.choice(len(shard), min(len(shard), SAMPLE * wanted), replace=False))
    sample = torch.from_numpy(shard.centred(shard.order[taken]))
    begin = torch.from_numpy(chance.choice(len(taken), wanted, replace=False))
    middles = sample[begin]
    for _ in range(ROUNDS):
        half = (middles * middles).sum(1) / 2
        cells = torch.cat([(part @ middles.T - half).argmax(1) for part in torch.split(sample, 4096)])
        sizes = torch.bincount(cells, minlength=wanted)
        sums = torch.zeros_like(middles).index_add_(0, cells, sample)
        middles = torch.where((sizes > 0)[:, None], sums / sizes.clamp(min=1)[:, None], middles)
        tick()
    found: np.ndarray = middles.numpy()
    return found


def _assigned(shard: Shard, middles: np.ndarray, tick: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """(cell of each column, its squared distance from the middle)."""
    import torch

    cells, apart = np.empty(len(shard), np.int64), np.empty(len(shard))
    right = torch.from_numpy(middles)
    half = (right * right).sum(1) / 2
    in_turn = np.argsort(shard.order)  # in the order of the file, which may lie on disk
    for at in range(0, len(shard), 8192):
        columns = in_turn[at : at + 8192]
        rows = shard.centred(shard.order[columns])
        best = (torch.from_numpy(rows) @ right.T).sub_(half).max(1)
        cells[columns] = best.indices.numpy()
        apart[columns] = np.maximum(squared_lengths(rows) - 2 * best.values.numpy(), 0)
        tick()
    return cells, apart


def _cut(cells: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """(cell of each column, what each cell was before) after cells beyond that size were cut in pieces."""
    order = np.argsort(cells, kind="stable")
    sizes = np.bincount(cells)
    place = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    piece = np.empty(len(cells), np.int64)
    piece[order] = place // largest
    most = int(piece.max(initial=0)) + 1
    found, again = np.unique(cells * most + piece, return_inverse=True)
    return again.reshape(-1), found // most


class InCells(Nearest):
    """The k nearest in the cells that each anchor is to look in; `probes` None: in all of them."""

    def __init__(self, queries: Queries, cells: Cells, k: int, probes: int | None) -> None:
        super().__init__(queries, cells.shard, k)
        self.cells, self.probes = cells, probes

    def block_rows(self) -> int:
        """How many anchors make a block."""
        return BLOCK_ROWS

    def tiles(self, part: Queries, left: np.ndarray) -> Iterator[Tile]:
        """The product of each cell with the anchors that want it."""
        return _tiles(self.cells, self.probes, part, left)

    def in_full(self, part: Queries, found: TopK) -> None:
        """Nothing; the longest list is the answer, proved or not: what else lies in these cells is as near."""
        self.listed(part, found, self.k + SPARE[-1])


class DrawnInCells(Drawn):
    """Rows by lot from the cells that each anchor is to look in."""

    def __init__(self, queries: Queries, cells: Cells, k: int, lots: Lots, probes: int | None) -> None:
        super().__init__(queries, cells.shard, k, lots)
        self.cells, self.probes = cells, probes

    def block_rows(self) -> int:
        """How many anchors make a block."""
        return BLOCK_ROWS

    def tiles(self, part: Queries, left: np.ndarray) -> Iterator[Tile]:
        """The product of each cell with the anchors that want it."""
        return _tiles(self.cells, self.probes, part, left)

    def in_full(self, part: Queries, found: TopK) -> None:
        """Nothing; the longest list is the answer, proved or not."""
        self.listed(part, found, self.k + SPARE[-1])


def beyond_of(part: Queries, shard: Shard) -> np.ndarray:
    """(A,) squared distance below which an anchor wants no rows: the mean over its queries; 0 where all count."""
    low = shard.squared(np.maximum(part.low, 0))
    return np.asarray(np.bincount(part.anchor_of, low, minlength=len(part.rows)) / np.maximum(np.diff(part.first), 1))


def _tiles(cells: Cells, probes: int | None, part: Queries, left: np.ndarray) -> Iterator[Tile]:
    import torch

    shard, count = cells.shard, len(left)
    if probes is None or probes >= len(cells):
        line = np.tile(np.arange(count), len(cells))
        edges = np.arange(len(cells) + 1) * count
    else:
        beyond, best = beyond_of(part, shard), []
        for at in range(0, count, 2048):
            rough = torch.from_numpy(cells.order_for(left[at : at + 2048], beyond[at : at + 2048]))
            best.append(torch.topk(rough, probes, dim=1, largest=False, sorted=False).indices)
        wanted = torch.cat(best).numpy().reshape(-1)
        order = np.argsort(wanted, kind="stable")
        line = order // probes
        edges = np.searchsorted(wanted[order], np.arange(len(cells) + 1))
    room = workspace(min(count, TILE_ROWS), int(np.diff(cells.first).max(initial=0)))
    for cell in range(len(cells)):
        begin, end = int(cells.first[cell]), int(cells.first[cell + 1])
        inside = shard.classes[begin:end]
        for at in range(int(edges[cell]), int(edges[cell + 1]), TILE_ROWS):
            anchors = line[at : min(at + TILE_ROWS, int(edges[cell + 1]))]
            start = begin + np.searchsorted(inside, part.classes[anchors], "left")
            stop = begin + np.searchsorted(inside, part.classes[anchors], "right")
            for scores, offset in product(left[anchors], shard.made.rows, begin, end, room):
                yield Tile(scores, offset, anchors, start, stop)


def ranks(cells: Cells, part: Queries, row: np.ndarray) -> np.ndarray:
    """(Q, k) how many cells each anchor would look in before the one where that row lies; -1 where there is no row."""
    column = np.empty(int(cells.shard.rows.max(initial=-1)) + 1, np.int64)
    column[cells.shard.rows] = np.arange(len(cells.shard))
    there = np.searchsorted(cells.first, column[row.clip(min=0)], "right") - 1
    left, _ = centred(part, cells.shard)
    with one_thread():
        rough = cells.order_for(left, beyond_of(part, cells.shard))[part.anchor_of]
    found = np.empty(row.shape, np.int64)
    for place in range(row.shape[1]):
        own = np.take_along_axis(rough, there[:, place : place + 1], axis=1)
        found[:, place] = (rough < own).sum(axis=1)
    return np.where(row < 0, -1, found)
