"""For every anchor and positive the negative whose gap is closest to the margin, from either side."""

from __future__ import annotations

import torch

from tripletscope.batch import Batch
from tripletscope.rows import first_smallest
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets, edge


@strategy(
    name="online-margin",
    title="Online margin",
    summary="For every anchor and positive the negative whose gap is closest to the margin.",
    source="of unknown origin: a common recipe, for which we found no paper that defines it",
    order=130,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="its gap is closest to the margin",
    rowwise=True,
    unfiltered="",
    notes="""
For every anchor a and positive p: n = argmin { |d(a,n) − d(a,p) − margin| : y(n) ≠ y(a) }.

It works at the border between *violating* and *easy*, so about half of its picks have no loss; where all negatives are
far, it takes the nearest, and where all are near, the farthest.

**Ties**: the lowest slot; the distance to the margin is computed in the dtype of the distances, and rounds there.
**Abstains** where the batch holds a single class.
""",
    advice="""
**When to use it.** To keep the picks where the loss begins, neither hopeless nor learnt (our judgement; no paper
defines it).

**How it fails.** The loss of its picks is near 0 by construction, and about half have none: it learns slowly, and by
the margin alone.
""",
)
def online_margin(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """One triplet a pair, a block of pairs at a time."""
    anchor, positive = batch.pairs
    negative, limit = torch.empty_like(anchor), edge(margin, batch.distances)
    for block in batch.pair_blocks():
        gap = batch.candidate_distances(anchor[block], positive[block]).sub_(batch.d_ap[block, None])  # (pairs, B)
        negative[block] = first_smallest(gap.sub_(limit).abs_())  # +inf where there is no candidate
    keep = batch.below_floor < batch.negative_count[anchor]
    return Triplets(anchor[keep], positive[keep], negative[keep])
