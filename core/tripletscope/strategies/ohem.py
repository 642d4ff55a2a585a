"""The k triplets of the whole batch with the largest loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tripletscope.batch import Batch
from tripletscope.rows import kth_smallest, positions
from tripletscope.strategies.base import Parameter, many
from tripletscope.triplets import Triplets


@many(
    name="ohem",
    title="Online hard examples",
    summary="The k triplets of the batch with the largest loss.",
    source='Shrivastava, Gupta & Girshick 2016, "Training Region-based Object Detectors with OHEM"',
    order=210,
    zones={"hard", "semi-hard", "easy"},
    params=(Parameter("k", 128.0, 1.0, 2.0**20, "How many triplets (128 examples in the paper).", whole=True),),
    unfiltered="",
    notes="""
Of all eligible triplets of the batch those k with the smallest gap d(a,n) − d(a,p), which are those with the largest
loss; all of them where the batch has no more.

The choice is the *batch's*: a few mislabelled or outlying samples can fill all k places, and most anchors have none.

**Ties** at the last place: by anchor, positive and negative slot. **Abstains** for an anchor without a triplet among
the k. Counted by anchors.

**Departures.** The paper chooses regions of an image for a detector, after removing those that overlap; nothing of that
sort is done here. The sections were not at hand to be checked.

**Elsewhere.** The *online hard mining* that Hermans et al. 2017 compare with.
""",
    advice="""
**When to use it.** Where the budget is a number of triplets (by its definition).

**How it fails.** A few mislabelled or outlying samples fill all places: in the picture every pick is hard and 12 of
32 anchors have none. It has the faults of *hardest* without its breadth (our judgement).
""",
)
def ohem(batch: Batch, *, margin: float, generator: torch.Generator | None, k: float) -> Iterator[Triplets]:
    """Block after block of pairs, of which the k best so far are kept."""
    best = batch.distances.new_empty(0), *(torch.empty(0, dtype=torch.int64, device=batch.device) for _ in range(3))
    anchor, positive = batch.pairs
    worst = torch.tensor(torch.inf, dtype=batch.distances.dtype, device=batch.device)
    for block in batch.pair_blocks():
        a, p = anchor[block], positive[block]
        gap = batch.candidate_distances(a, p).sub_(batch.d_ap[block, None])  # (pairs, B), +inf elsewhere
        if block.start == 0:  # a bar for a start: the k-th of the first block
            bar = kth_smallest(gap.flatten(), min(int(k), gap.numel()))
            pair, negative = positions((gap <= bar) & (gap < torch.inf))
        else:
            pair, negative = positions(gap < worst)  # an equal one comes later in the order of slots, so it loses
        found = gap[pair, negative], a[pair], p[pair], negative
        best = tuple(torch.cat(columns) for columns in zip(best, found, strict=True))
        if len(best[0]) > k:
            worst = kth_smallest(best[0], int(k))
            better, equal = best[0] < worst, (best[0] == worst).nonzero()[:, 0]
            better[equal[: int(k) - int(better.sum())]] = True
            best = tuple(column[better] for column in best)
    if len(best[0]):
        order = best[0].sort(stable=True).indices
        for part in torch.split(order, 2**20):
            yield Triplets(best[1][part], best[2][part], best[3][part])
