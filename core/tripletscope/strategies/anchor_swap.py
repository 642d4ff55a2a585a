"""For every pair of one class the negative that is nearest to either of the two, with that one as the anchor."""

from __future__ import annotations

import torch

from tripletscope.batch import Batch
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets


@strategy(
    name="anchor-swap",
    title="Anchor swap",
    summary="For every pair of one class the negative nearest to either of them; that one becomes the anchor.",
    source='Balntas et al. 2016, "Learning local feature descriptors with triplets" (anchor swap); nearest in '
    'the batch: Mishchuk et al. 2017, "Working hard to know your neighbor\'s margins", §3.1, eq. 1',
    order=140,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="the nearest negative of either",
    fallback="with the positive as the anchor",
    unfiltered="",
    notes="""
For every unordered pair {a, p} of one class let n(x) = argmin { d(x,n) : y(n) ≠ y(x) }. The pick is (a, p, n(a)) where
d(a, n(a)) < d(p, n(p)), else (p, a, n(p)): the triplet is always seen from the side on which it hurts more.

So of the two directions of a pair one has a pick and the other **abstains**: half of all pairs, always, and the
abstained count says no more than that. **Ties**: the lower slot is the anchor; among equal negatives the lowest slot.

**Departures.** Balntas et al. are given the negative and swap inside each triplet (their section was not at hand to be
checked). The nearest of the batch is Mishchuk et al.'s, for two samples a class, a first and a second one; they compare
a first sample with the second ones of other classes only, and the other way round, while here all samples of other
classes are candidates. At equal distances they take the second sample as the anchor. It is also the form that the
lifted structured loss has before its maxima are smoothed (Song et al. 2016).

**Elsewhere.** pytorch-metric-learning's `TripletMarginLoss(swap=True)` swaps inside given triplets.
""",
    advice="""
**When to use it.** With two samples a class, as for the local descriptors that it comes from, where each pair is seen
once and from its worse side.

**How it fails.** It is harder than *hardest*: in the picture more of its picks are hard. What makes *hardest*
collapse applies to it too (our judgement).
""",
)
def anchor_swap(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """Each pair in the direction whose anchor has the nearer negative."""
    anchor, positive = batch.pairs
    nearest = batch.nearest_negative
    reach = batch.negative_distances.gather(1, nearest.clamp(min=0)[:, None])[:, 0]  # (B,), +inf without a negative
    mine, other, negative = reach[anchor], reach[positive], nearest[anchor]
    if batch.floors is not None:
        values, slots = batch.sorted_negatives
        rank = batch.below_floor
        place = rank.clamp(max=batch.size - 1)
        mine, negative = values[anchor, place], slots[anchor, place]
        mine = torch.where(rank < batch.negative_count[anchor], mine, torch.inf)
        other = batch.of_pairs(mine, positive, anchor)  # of the same two the other way round
    keep = (mine < torch.inf) & ((mine < other) | ((mine == other) & (anchor < positive)))
    return Triplets(anchor[keep], positive[keep], negative[keep])
