"""The triplet loss, and a second term that holds the positive pair against a pair of two other classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tripletscope.losses.base import Cost, Learning, cost_of, loss
from tripletscope.registry import Parameter


@loss(
    name="quadruplet",
    title="Quadruplet",
    summary="The triplet loss, and the same once more against the distance between the two negatives, by less margin.",
    source='Chen, Chen, Zhang & Huang 2017, "Beyond Triplet Loss: a Deep Quadruplet Network", §3.2, eq. 3',
    order=40,
    second=True,
    soft=True,
    params=(Parameter("second_margin", 0.5, 0.0, 1.0, "The margin of the second term, as a share of the run's."),),
    notes="""
max(0, margin − (d(a,n) − d(a,p))) + max(0, margin₂ − (d(n,n₂) − d(a,p))) with margin₂ = `second_margin` · margin, or
both as ln(1 + exp(−gap)) with the soft margin, where the share plays no part; the mean over the picks.

The first term orders what one anchor sees. The second holds the positive pair against a pair that has nothing to do
with it, so that distances *within* classes become smaller than those *between* classes everywhere. It is the weaker
one, hence the smaller margin.

**Departures.** The paper sets the margins anew for each batch: the mean squared distance of its negative pairs less
that of its positive ones, and half of it in the second term (§3.3, eq. 4). Here they stay what they are, as it has them
without mining, at 1 and 0.5 (§5.1). Its distance is learnt by a network of its own, runs from 0 to 1, and enters
squared; here it is the run's. It adds the terms up; here their mean is taken.

**Elsewhere.** Roth et al.'s code has both margins at 0.2.
""",
)
def quadruplet(seen: Learning, *, second_margin: float) -> Cost:
    """One term a pick: the sum of two hinges."""
    picks = seen.listed
    if not len(picks):
        return cost_of(seen.distances.new_empty(0), seen)
    assert picks.negative2 is not None
    d_ap = seen.distances[picks.anchor, picks.positive]
    first = seen.distances[picks.anchor, picks.negative] - d_ap
    second = seen.distances[picks.negative, picks.negative2] - d_ap
    if seen.soft:
        return cost_of(F.softplus(-first) + F.softplus(-second), seen)
    return cost_of(torch.relu(seen.margin - first) + torch.relu(second_margin * seen.margin - second), seen)
