"""Triplets, and how many of all possible ones lie in each zone: the torch side of `zones.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor

from tripletscope.batch import BLOCK, Batch
from tripletscope.errors import UnknownNameError
from tripletscope.rows import between, count_below, positions, row_histograms
from tripletscope.zones import (
    EASY,
    HARD,
    MIN_EXPONENT,
    PLANE_CELLS,
    SEMI_HARD,
    ZONES,
    PlaneHistogram,
    ZoneCounts,
    gaps,
    merge_planes,
    zone_codes_numpy,
)

__all__ = [
    "EASY",
    "HARD",
    "SEMI_HARD",
    "ZONES",
    "PlaneHistogram",
    "Triplets",
    "ZoneCounts",
    "count_zones",
    "gaps",
    "merge_planes",
    "plane",
    "zone_codes",
    "zone_codes_numpy",
    "zone_ranks",
    "zone_triplets",
]


@dataclass(frozen=True)
class Triplets:
    """The picks of a strategy, by slot: row t says that anchor[t] is compared with positive[t] and negative[t].

    Args:
        anchor: int64 slots.
        positive: int64 slots.
        negative: int64 slots.
        weight: what each pick counts in the loss; None for 1.
        negative2: a second negative, for quadruplets.
        pool: which pool the negatives index, where it is not the batch.
    """

    anchor: Int[Tensor, " T"]
    positive: Int[Tensor, " T"]
    negative: Int[Tensor, " T"]
    weight: Float[Tensor, " T"] | None = None
    negative2: Int[Tensor, " T"] | None = None
    pool: Int[Tensor, " T"] | None = None

    def __len__(self) -> int:
        return int(self.anchor.shape[0])

    def to_set(self) -> set[tuple[int, int, int]]:
        """The picks as a Python set, for comparing."""
        return set(zip(self.anchor.tolist(), self.positive.tolist(), self.negative.tolist(), strict=True))

    @classmethod
    def empty(cls, device: torch.device | str = "cpu") -> Triplets:
        """No picks: a normal result."""
        none = torch.empty(0, dtype=torch.int64, device=device)
        return cls(none, none, none)

    @classmethod
    def concatenate(cls, parts: Sequence[Triplets]) -> Triplets:
        """All parts, one after the other. A field that one part lacks is missing from the whole."""
        if not parts:
            return cls.empty()

        def joined(field: str) -> Tensor | None:
            columns = [getattr(part, field) for part in parts]
            return None if any(column is None for column in columns) else torch.cat(columns)

        return cls(
            anchor=torch.cat([part.anchor for part in parts]),
            positive=torch.cat([part.positive for part in parts]),
            negative=torch.cat([part.negative for part in parts]),
            weight=joined("weight"),
            negative2=joined("negative2"),
            pool=joined("pool"),
        )


def zone_codes(gap: Float[Tensor, "*shape"], margin: float) -> Int8[Tensor, "*shape"]:
    """For each gap its place in `ZONES`: 0 hard (gap <= 0), 1 semi-hard (0 < gap < margin), 2 easy (gap >= margin).

    The margin is rounded to the dtype of the gap first.

    Example:
        >>> zone_codes(torch.tensor([-1.0, 0.0, 0.1, 0.2]), margin=0.2)
        tensor([0, 0, 1, 2], dtype=torch.int8)
    """
    return (gap > 0).to(torch.int8) + (gap >= edge(margin, gap)).to(torch.int8)


def edge(margin: float, like: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """The margin as a number of that dtype and device: where semi-hard ends and easy begins."""
    return torch.tensor(margin, dtype=like.dtype, device=like.device)


def zone_ranks(batch: Batch, margin: float) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """For every (anchor, positive) of `batch.pairs`: how many negatives are hard, and how many violate.

    Along the anchor's sorted negatives the first count is where semi-hard begins and the second where easy
    begins. Exact in the dtype of the distances, ties included: the test is always on the rounded gap. Memory is
    O(B²), never O(B³).
    """
    anchor, _ = batch.pairs
    if batch.prefers_sorting:
        values, _ = batch.sorted_negatives
        count = batch.negative_count[anchor]
        return _bisect(values, anchor, batch.d_ap, count, 0.0, closed=True), _bisect(
            values, anchor, batch.d_ap, count, edge(margin, values), closed=False
        )
    hard, violating = torch.empty_like(anchor), torch.empty_like(anchor)
    limit = edge(margin, batch.distances)
    for block in batch.pair_blocks():
        gap = _gaps_of_pairs(batch, block)
        hard[block] = (gap <= 0).sum(dim=1)
        violating[block] = (gap < limit).sum(dim=1)
    return hard, violating


def _bisect(
    values: Tensor, anchor: Tensor, d_ap: Tensor, count: Tensor, limit: float | Tensor, *, closed: bool
) -> Tensor:
    """How many of the first `count` sorted values have a gap below the limit (closed: up to it).

    Rounding keeps order, so the rounded gap rises along a sorted row and halving finds the place exactly.
    `searchsorted` on d(a,p) + margin would not: that sum is rounded elsewhere.
    """
    low, high = torch.zeros_like(count), count.clone()
    for _ in range(max(1, values.shape[1]).bit_length()):
        middle = (low + high) // 2
        gap = values[anchor, middle.clamp(max=values.shape[1] - 1)] - d_ap
        inside = (gap <= limit if closed else gap < limit) & (middle < high)
        low = torch.where(inside, middle + 1, low)
        high = torch.where(inside, high, middle)
    return low


def count_zones(batch: Batch, margin: float) -> ZoneCounts:
    """How many of *all* eligible triplets of the batch are hard, semi-hard and easy; exact.

    Eligible: the positive shares the anchor's label and is another slot, the negative has another label.

    Example:
        >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [1.5], [9.0]]), torch.tensor([0, 0, 1, 2]))
        >>> count_zones(batch, margin=1.0)
        ZoneCounts(hard=1, semi_hard=1, easy=2)
    """
    if batch.prefers_sorting:
        hard, violating = (int(ranks.sum()) for ranks in zone_ranks(batch, margin))
    else:
        hard = violating = 0
        limit = edge(margin, batch.distances)
        for block in batch.pair_blocks():
            gap = _gaps_of_pairs(batch, block)
            hard += count_below(gap, torch.zeros_like(limit), closed=True)
            violating += count_below(gap, limit, closed=False)
    return ZoneCounts(hard=hard, semi_hard=violating - hard, easy=batch.n_eligible - violating)


def zone_triplets(batch: Batch, margin: float, zone: str) -> Triplets:
    """Every eligible triplet of one zone, pair by pair, and by rising slot within a pair.

    Listed in blocks of pairs, so that beside the answer itself O(B²) memory is enough. Libraries call this mining;
    it is what a strategy chooses from.

    Args:
        batch: of at most a few thousand; the answer may be as long as B³.
        margin: above 0, in the unit of the distance.
        zone: out of `ZONES`.

    Raises:
        UnknownNameError: no such zone.

    Example:
        >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [1.5], [9.0]]), torch.tensor([0, 0, 1, 2]))
        >>> zone_triplets(batch, 1.0, "semi-hard").to_set()
        {(0, 1, 2)}
    """
    if zone not in ZONES:
        raise UnknownNameError("zone", zone, ZONES)
    anchor, positive = batch.pairs
    limit = edge(margin, batch.distances)
    parts = []
    for block in batch.pair_blocks():
        gap = _gaps_of_pairs(batch, block)
        if zone == ZONES[SEMI_HARD]:
            pair, negative = between(gap, 0.0, limit)
        else:
            pair, negative = positions(gap <= 0 if zone == ZONES[HARD] else (gap >= limit) & (gap < torch.inf))
        parts.append(Triplets(anchor[block][pair], positive[block][pair], negative))
    return Triplets.concatenate(parts) if parts else Triplets.empty(batch.device)


def _gaps_of_pairs(batch: Batch, block: slice) -> Tensor:
    """The gap of every slot for these pairs, (pairs, B); +inf for slots that are no negative."""
    return batch.negative_distances.index_select(0, batch.pairs[0][block]).sub_(batch.d_ap[block, None])


def plane(batch: Batch) -> PlaneHistogram:
    """All eligible triplets counted by (d(a,p), d(a,n)); O(B²) work, for an anchor's triplets are a product.

    An anchor pairs each of its positives with each of its negatives, so its share of the plane is the outer product
    of two histograms of 64 cells, and the sum over anchors is one small matrix product. An anchor that lacks either
    has a histogram of zeros and adds nothing.
    """
    eligible = batch.n_eligible
    if not eligible:
        return PlaneHistogram(MIN_EXPONENT, np.zeros((PLANE_CELLS, PLANE_CELLS), np.int64))
    anchors = batch.has_positive & batch.has_negative
    longest = float((batch.distances if anchors.all() else batch.distances[anchors]).max())
    # frexp: longest = m * 2**e with m < 1, so 64 cells of 2**(e - 6) hold it.
    exponent = max(MIN_EXPONENT, math.frexp(longest)[1] - 6) if longest else MIN_EXPONENT
    scale = 2.0**-exponent  # a power of two: the products are exact
    exact = torch.float32 if eligible < 2**24 else torch.float64  # holds whole numbers up to 2**24 or 2**53
    counts = torch.zeros(PLANE_CELLS, PLANE_CELLS, dtype=exact)
    positives = row_histograms(batch.pairs[0], batch.d_ap[:, None] * scale, batch.size, PLANE_CELLS).to(exact)
    for rows in torch.split(torch.arange(batch.size, device=batch.device), max(1, BLOCK // batch.size)):
        begin, stop = int(rows[0]), int(rows[-1]) + 1
        everyone = row_histograms(rows - begin, batch.distances[begin:stop] * scale, stop - begin, PLANE_CELLS)
        own = positives[begin:stop]
        negatives = everyone.to(exact) - own
        negatives[:, 0] -= 1  # the anchor itself, at distance 0
        counts.addmm_(own.T, negatives)
    return PlaneHistogram(exponent, counts.to(torch.int64).numpy())
