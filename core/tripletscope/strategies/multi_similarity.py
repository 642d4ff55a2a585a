"""Positives and negatives that are informative for each other: the pair mining of the multi-similarity loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tripletscope.batch import Batch
from tripletscope.rows import positions
from tripletscope.strategies.base import Parameter, many
from tripletscope.triplets import Triplets, edge


@many(
    name="multi-similarity",
    title="Multi-similarity",
    summary="Positives hardly nearer than the nearest negative, with all negatives hardly farther than the farthest.",
    source='Wang et al. 2019, "Multi-Similarity Loss with General Pair Weighting" (pair mining)',
    order=160,
    zones={"hard", "semi-hard", "easy"},
    params=(Parameter("epsilon", 0.1, 0.0, 4.0, "How much slack, in the unit of the distance (0.1 in the paper)."),),
    unfiltered="",
    notes="""
For every anchor a keep the positives p with min d(a,n) − d(a,p) < ε over all its negatives, and the negatives n with
d(a,n) − max d(a,p) < ε over all its positives. The picks are every kept positive with every kept negative.

The paper has it in similarities: keep n if s(a,n) > min s(a,p) − ε and p if s(a,p) < max s(a,n) + ε. With the cosine
distance, 1 − s, that is the rule above; with another distance ε is in that distance's unit.

**Ties** play no part; a gap of exactly ε is out. **Abstains** for an anchor whose positives are all nearer than its
negatives by ε: it has learnt its lesson. Counted by anchors.

**Departures.** The paper weighs the kept pairs in a loss of its own, positives and negatives apart (its section was
not at hand to be checked). Here they are crossed to triplets for the triplet loss, so that an anchor with many kept
pairs of both kinds counts more.

**Elsewhere.** The same pairs as pytorch-metric-learning's `MultiSimilarityMiner`.
""",
    advice="""
**When to use it.** Where whole neighbourhoods should be put in order and not single triplets: all pairs that compete
are kept, those that are settled are not.

**How it fails.** ε is in the unit of the distance and has to fit the space. One far positive, such as a wrong label,
keeps nearly all negatives of its anchor; and an anchor with many kept pairs outweighs the others.
""",
)
def multi_similarity(
    batch: Batch, *, margin: float, generator: torch.Generator | None, epsilon: float
) -> Iterator[Triplets]:
    """A block of kept pairs at a time."""
    anchor, positive = batch.pairs
    slack = edge(epsilon, batch.distances)
    nearest = batch.negative_distances.gather(1, batch.nearest_negative.clamp(min=0)[:, None])[:, 0]
    farthest = batch.distances.gather(1, batch.farthest_positive.clamp(min=0)[:, None])
    reach = nearest[anchor]
    if batch.floors is not None:  # the nearest of the pair's own candidates
        reach = batch.sorted_negatives[0][anchor, batch.below_floor.clamp(max=batch.size - 1)]
    kept = (reach - batch.d_ap < slack).nonzero()[:, 0]
    for block in batch.blocks(len(kept)):
        a, p = anchor[kept[block]], positive[kept[block]]
        pair, negative = positions(batch.candidate_distances(a, p) - farthest[a] < slack)  # (pairs, B)
        if len(pair):
            yield Triplets(a[pair], p[pair], negative)
