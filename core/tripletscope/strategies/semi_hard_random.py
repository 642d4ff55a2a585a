"""For every anchor and positive one negative by lot among the semi-hard ones."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.rows import between
from tripletscope.strategies.base import strategy
from tripletscope.triplets import SEMI_HARD, Triplets, edge, gaps, zone_codes, zone_ranks


def uniform_in_zone(
    batch: Batch, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"], *, margin: float
) -> Float[Tensor, "A B"]:
    """The same chance for every negative in the pair's semi-hard zone."""
    d_ap = batch.distances[anchor, positive]
    inside = zone_codes(gaps(d_ap[:, None], batch.negative_distances[anchor]), margin) == SEMI_HARD
    chance = inside.to(batch.distances.dtype)
    return chance / chance.sum(dim=1, keepdim=True).clamp(min=1)


@strategy(
    name="semi-hard-random",
    title="Semi-hard, random",
    summary="For every anchor and positive one negative drawn by lot from the semi-hard zone; none, and it abstains.",
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2, eq. 4; the draw as in common reimplementations',
    order=60,
    zones={"semi-hard"},
    granularity="pair",
    choice="drawn by lot in the zone",
    rowwise=True,
    probabilities=uniform_in_zone,
    notes="""
For every anchor a and positive p: n ~ uniform over { n : y(n) ≠ y(a), 0 < d(a,n) − d(a,p) < margin }.

The other reading of FaceNet, which does not say how to choose inside the zone. Less sure to meet a wrong label or
a near-duplicate than the nearest, and less informative for it.

**Ties** play no part. **Abstains** for a pair with no negative in the zone.

**Elsewhere.** siamese-triplet's `SemihardNegativeTripletSelector` draws in the same zone on squared distances, uses
each pair in one direction only and, when the whole batch has nothing, returns one arbitrary triplet. Roth et al.'s
code draws one positive an anchor as well and falls back to a random negative.
""",
)
def semi_hard_random(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """One triplet a pair, drawn evenly from the zone."""
    anchor, positive = batch.pairs
    # Drawn and rounded on the CPU, so that one seed gives the same picks on every device.
    draw = torch.rand(anchor.shape[0], generator=generator, dtype=torch.float64)
    if batch.prefers_sorting:
        first, end = zone_ranks(batch, margin)
        keep = first < end
        place = first + (draw * (end - first).cpu()).long().to(batch.device)
        return Triplets(anchor[keep], positive[keep], batch.sorted_negatives[1][anchor[keep], place[keep]])
    parts, limit = [], edge(margin, batch.distances)
    for block in batch.pair_blocks():
        a, p = anchor[block], positive[block]
        gap = gaps(batch.d_ap[block, None], batch.negative_distances[a])  # (pairs, B)
        pair, slot = between(gap, 0.0, limit)
        count = torch.bincount(pair, minlength=a.shape[0])
        place = count.cumsum(0) - count + (draw[block] * count.cpu()).long().to(batch.device)
        keep = count > 0
        parts.append(Triplets(a[keep], p[keep], slot[place[keep]]))
    return Triplets.concatenate(parts) if parts else Triplets.empty(batch.device)
