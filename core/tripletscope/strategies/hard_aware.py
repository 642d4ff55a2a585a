"""The hardest share of all positive pairs of the batch, with the hardest share of all its negative pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.rows import kth_smallest, positions
from tripletscope.strategies.base import Parameter, many
from tripletscope.triplets import Triplets


def bar(distances: Float[Tensor, " n"], count: int, share: float) -> Float[Tensor, ""]:
    """The distance of the last pair among the nearest ceil(share * count)."""
    return kth_smallest(distances, math.ceil(share * count))


@many(
    name="hard-aware",
    title="Hard-aware",
    summary="The farthest share of the batch's positive pairs, with the nearest share of its negative pairs.",
    source='Yuan, Yang & Zhang 2017, "Hard-Aware Deeply Cascaded Embedding" (one level of the cascade)',
    order=170,
    zones={"hard", "semi-hard", "easy"},
    params=(Parameter("share", 0.5, 0.01, 1.0, "The share of the positive pairs, and of the negative ones, to keep."),),
    unfiltered="its bar is a share of the batch's negative pairs, and a filter judges them by one positive at a time",
    notes="""
Among all pairs (a,p) of the batch keep the ⌈share · their number⌉ farthest, and among all pairs (a,n) as many of the
nearest. The picks are every kept (a,p) with every kept (a,n) of the same anchor.

The bar is the *batch's*, not the anchor's: an anchor in a crowded region has many picks, one that lies apart has none.

**Ties** at the bar are all kept. **Abstains** for an anchor that lacks either kind of kept pair. Counted by anchors.

**Departures.** The paper's network has several levels; each embeds at another depth and sees only the pairs that were
hard for the one before. This is the choice of one level, and the pairs are crossed to triplets for the triplet loss.
The section was not at hand to be checked. In the authors' published code there are three levels with the shares 1, 0.5
and 0.2; each ranks all pairs of the batch by its own distances, positive and negative ones apart.

**Elsewhere.** The same pairs as pytorch-metric-learning's `HDCMiner(filter_percentage)`, but that it cuts ties.
""",
    advice="""
**When to use it.** To spend a fixed share of the batch's pairs on the hard ones, whatever the scale (it compares
ranks, not distances).

**How it fails.** The bar is the batch's: loose or mislabelled classes fill it, tight ones are never trained on. In
the picture 9 of 32 anchors have no pick.
""",
)
def hard_aware(batch: Batch, *, margin: float, generator: torch.Generator | None, share: float) -> Iterator[Triplets]:
    """A block of kept pairs at a time."""
    anchor, positive = batch.pairs
    negatives = int(batch.negative_count.sum())
    if not len(anchor) or not negatives:
        return
    near = bar(batch.negative_distances.flatten(), negatives, share)
    kept = (batch.d_ap >= -bar(-batch.d_ap, len(anchor), share)).nonzero()[:, 0]
    for block in batch.blocks(len(kept)):
        a, p = anchor[kept[block]], positive[kept[block]]
        pair, negative = positions(batch.negative_distances[a] <= near)  # (pairs, B)
        if len(pair):
            yield Triplets(a[pair], p[pair], negative)
