"""Triplets in which the negative sees anchor and positive under a wide angle: it is near to the line between them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from tripletscope.batch import Batch
from tripletscope.distances import to_euclidean
from tripletscope.rows import positions
from tripletscope.strategies.base import Parameter, many
from tripletscope.triplets import Triplets


@many(
    name="angular",
    title="Angular",
    summary="Every triplet whose negative sees anchor and positive under more than an angle.",
    source='Wang et al. 2017, "Deep Metric Learning with Angular Loss" (the constraint); as a filter: '
    "pytorch-metric-learning's `AngularMiner`",
    order=180,
    zones={"hard", "semi-hard", "easy"},
    params=(Parameter("angle", 40.0, 1.0, 89.0, "Degrees; negatives that see the pair under less are passed over."),),
    unfiltered="",
    notes="""
With c = (a + p) / 2, keep (a, p, n) if d(a,p)² > 4 tan²(angle) · d(n,c)². As c is the middle of the pair,
d(n,c)² = (d(a,n)² + d(p,n)²) / 2 − d(a,p)² / 4, so the distances are all that is needed.

The rule knows no unit: scaling all points changes nothing. It asks about the *pair* and not about the anchor alone, so
(a, p, n) is kept together with (p, a, n). d is the plain Euclidean distance; squared and cosine distances are
converted back.

**Ties** play no part; the very angle is out. **Abstains** for an anchor without such a triplet. Counted by anchors.

**Departures.** The paper has no mining: its loss sums what violates the constraint, over one pair a class. Ours keeps
the violating triplets of all pairs for the run's own loss. By pytorch-metric-learning's documentation the paper uses
angles between 36 and 55 degrees; which it recommends was not at hand, and the default is that library's for its *loss*.

**Elsewhere.** Equal to `AngularMiner(angle)` for unit vectors; its default is 20 degrees, and that of `AngularLoss` 40.
""",
    advice="""
**When to use it.** Where the scale is free or unknown, for the rule has no unit.

**How it fails.** At its default it keeps hard triplets only, as the picture shows, and fewer and fewer as pairs
tighten: then it abstains. Every kept triplet comes with its mirror image.
""",
)
def angular(batch: Batch, *, margin: float, generator: torch.Generator | None, angle: float) -> Iterator[Triplets]:
    """A block of pairs at a time."""
    anchor, positive = batch.pairs
    steep = 4 * math.tan(math.radians(angle)) ** 2
    square = to_euclidean(batch.distances, batch.distance).square()  # (B, B)
    for block in batch.pair_blocks():
        a, p = anchor[block], positive[block]
        base = square[a, p][:, None]
        to_middle = (square[a] + square[p]).mul_(0.5).sub_(base / 4).clamp_(min=0)  # (pairs, B)
        pair, negative = positions((base > steep * to_middle) & batch.candidate_mask(a, p))
        if len(pair):
            yield Triplets(a[pair], p[pair], negative)
