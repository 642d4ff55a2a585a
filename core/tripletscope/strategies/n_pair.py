"""One anchor and positive a class, against the positives of all other classes."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tripletscope.batch import Batch
from tripletscope.strategies.base import many
from tripletscope.triplets import Triplets


@many(
    name="n-pair",
    title="N-pair",
    summary="One anchor and positive of every class, with the positives of all other classes as negatives.",
    source='Sohn 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", §3.2 (N-pair batches)',
    order=190,
    zones={"hard", "semi-hard", "easy"},
    unfiltered="",
    notes="""
Of every class with two samples or more take the first slot as anchor a and the second as positive p. The picks are
(a, p, p') for the positives p' of all other such classes: C (C − 1) triplets for C classes.

It does not look at distances at all: the batch is so arranged that N pairs serve for N (N − 1) comparisons. The sampler
puts the samples of a class into the batch by lot, so the first two are two by lot.

**Ties** play no part. **Abstains** for every sample that is not its class's anchor, and where the batch has a single
class. Counted by anchors.

**Departures.** The paper's loss is a softmax over dot products of vectors that are not normalised, with a penalty on
their length; here the loss stays the run's own.

**Elsewhere.** The same pairs as pytorch-metric-learning's `NPairsLoss`, which takes the first pair of each label too.
""",
    advice="""
**When to use it.** With very many classes and two samples of each, where it makes the most of a batch at no cost in
mining.

**How it fails.** With more samples a class all but two are left out: in the picture 24 of 32 anchors have no pick. It
does not look at distances, so it runs dry like *random* (our judgement).
""",
)
def n_pair(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Iterator[Triplets]:
    """All at once: as many as the squared number of classes."""
    slot = torch.arange(batch.size, device=batch.device)
    anchor = slot[(batch.by_class[batch.class_start] == slot) & batch.has_positive]
    positive = batch.by_class[batch.class_start[anchor] + 1] if len(anchor) else anchor
    mine, other = (~torch.eye(len(anchor), dtype=torch.bool, device=batch.device)).nonzero().unbind(1)
    if batch.floors is not None:
        keep = batch.candidate_mask(anchor, positive)[mine, positive[other]]
        mine, other = mine[keep], other[keep]
    if len(mine):
        yield Triplets(anchor[mine], positive[mine], positive[other])
