"""For every anchor and positive the nearest negative that is farther than the positive, inside the margin."""

from __future__ import annotations

import torch

from tripletscope.batch import Batch
from tripletscope.rows import first_above
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets, edge, gaps, zone_ranks


@strategy(
    name="semi-hard",
    title="Semi-hard",
    summary="For every anchor and positive the nearest negative in the semi-hard zone; none, and it abstains.",
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2, eq. 4',
    order=50,
    zones={"semi-hard"},
    granularity="pair",
    choice="the nearest in the zone",
    rowwise=True,
    notes="""
For every anchor a and positive p: n = argmin { d(a,n) : y(n) ≠ y(a), 0 < d(a,n) − d(a,p) < margin }.

A semi-hard negative is *farther* than the positive. The zone belongs to that one positive: the same negative can be
hard for another positive of the same anchor.

**Ties**: the lowest slot. **Abstains** for a pair with no negative in the zone, which becomes the usual case late in
training: watch the abstained count.

**Departures.** FaceNet uses squared distances, where a margin of 0.2 is another width at every scale, and does not
say whether the nearest or a random negative of the zone is taken.

**Elsewhere.** TensorFlow Addons and sentence-transformers have no upper bound at the margin and, where no negative is
farther, fall back to the *farthest* one; their fallback picks are hard, not semi-hard. TensorFlow Similarity takes one
negative an anchor, beyond its farthest positive. pytorch-metric-learning's `TripletMarginMiner("semihard")` returns
every triplet with 0 < gap ≤ margin; its `BatchEasyHardMiner` has no upper bound.
""",
)
def semi_hard(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """One triplet a pair, the nearest in the zone."""
    anchor, positive = batch.pairs
    if batch.prefers_sorting:
        first, end = zone_ranks(batch, margin)
        keep = first < end
        negative = batch.sorted_negatives[1][anchor[keep], first[keep]]
        return Triplets(anchor[keep], positive[keep], negative)
    parts, limit = [], edge(margin, batch.distances)
    for block in batch.pair_blocks():
        a, p, d_ap = anchor[block], positive[block], batch.d_ap[block]
        # gap > 0 says the same as d_an > d_ap: a difference of floats is 0 only between equals.
        negative = first_above(batch.negative_distances.index_select(0, a), d_ap)  # (pairs, B) -> (pairs,)
        gap = gaps(d_ap, batch.negative_distances[a, negative])
        keep = (gap > 0) & (gap < limit)
        parts.append(Triplets(a[keep], p[keep], negative[keep]))
    return Triplets.concatenate(parts) if parts else Triplets.empty(batch.device)
