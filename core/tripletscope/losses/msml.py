"""Margin sample mining: the distance of one pair against that of another, which need not share a sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tripletscope.losses.base import Cost, Learning, cost_of, loss


@loss(
    name="msml",
    title="Margin sample mining",
    summary="How far the distance between the two negatives falls short of d(a,p) + margin.",
    source='Xiao, Luo & Zhang 2017, "Margin Sample Mining Loss", §3',
    order=30,
    second=True,
    soft=True,
    notes="""
max(0, margin + d(a,p) − d(n,n₂)), or ln(1 + exp(d(a,p) − d(n,n₂))) with the soft margin; the mean over the picks, of
which [msml](#msml) makes one a batch.

Neither d(a,n) nor the zone of the pick has a part in it: a pick whose negatives lie apart can cost nothing and still be
hard, and the other way round.

**Departures.** None that we know of; the number of the section was not at hand to be checked.
""",
)
def msml(seen: Learning) -> Cost:
    """One term a pick."""
    picks = seen.listed
    if not len(picks):
        return cost_of(seen.distances.new_empty(0), seen)
    assert picks.negative2 is not None
    gap = seen.distances[picks.negative, picks.negative2] - seen.distances[picks.anchor, picks.positive]
    return cost_of(F.softplus(-gap) if seen.soft else torch.relu(seen.margin - gap), seen)
