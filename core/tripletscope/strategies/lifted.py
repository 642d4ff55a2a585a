"""Every negative of anchor and positive, each counting as the lifted structured loss lets it count."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tripletscope.batch import Batch
from tripletscope.rows import positions
from tripletscope.strategies.base import many
from tripletscope.triplets import Triplets


@many(
    name="lifted",
    title="Lifted structure",
    summary="Every triplet, with a weight that falls with the distance of its negative from anchor or positive.",
    source='Song et al. 2016, "Deep Metric Learning via Lifted Structured Feature Embedding", §4, eq. 4',
    order=200,
    zones={"hard", "semi-hard", "easy"},
    unfiltered="",
    notes="""
For a pair {a, p} of one class the loss is J = log( Σ exp(margin − d(a,n)) + Σ exp(margin − d(p,n)) ) + d(a,p), over
the negatives of both. Its slope along −d(a,n) is w(a,p,n) = exp(−d(a,n)) / ( Σ exp(−d(a,k)) + Σ exp(−d(p,k)) ): that
is the weight of the pick (a, p, n). The weights of a pair, from both ends, add up to 1.

A soft form of *anchor-swap*, to which it tends as distances grow. With distances of unit vectors, at most 2, the
weights are far from hard: the paper's vectors are not normalised.

**Ties** play no part. **Abstains** where the batch holds a single class. Counted by anchors.

**Departures.** The paper squares J where it is above 0 and takes the mean over pairs, so a pair counts by its J; with
the triplet loss every pair counts alike, and a triplet beyond the margin not at all.

**Elsewhere.** pytorch-metric-learning's `LiftedStructureLoss` is the paper's; TensorFlow Similarity's has no square and
takes one mined positive an anchor.
""",
    advice="""
**When to use it.** To see what a soft choice does: every triplet takes part, the near negatives more (our judgement).

**How it fails.** On unit vectors its weights are nearly equal, since distances end at 2; then it is *batch-all*, and
fades like it.
""",
)
def lifted(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Iterator[Triplets]:
    """A block of pairs at a time."""
    anchor, positive = batch.pairs
    mass = torch.logsumexp(-batch.negative_distances, dim=1)  # (B,), -inf without a negative
    for block in batch.pair_blocks():
        a, p = anchor[block], positive[block]
        mine, other = mass[a], mass[p]
        if batch.floors is not None:  # the sums are over what the pair may take, seen from either end
            mine, other = (torch.logsumexp(-batch.candidate_distances(*seen), dim=1) for seen in ((a, p), (p, a)))
        both = torch.logaddexp(mine, other)
        pair, negative = positions(batch.candidate_mask(a, p))
        if len(pair):
            weight = batch.distances[a].add_(both[:, None]).neg_().exp_()  # (pairs, B)
            yield Triplets(a[pair], p[pair], negative, weight=weight[pair, negative])
