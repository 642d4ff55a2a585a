"""For every anchor and positive the nearest negative, and the sample of a third class that is nearest to that one."""

from __future__ import annotations

import torch

from tripletscope.batch import Batch
from tripletscope.rows import first_smallest
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets


def misfit(classes: int, samples: int) -> str:
    """Batches without a third class."""
    if classes >= 3:
        return ""
    return (
        f"'quadruplet' takes its second negative from a third class, and a batch of {classes} classes has none: use "
        "--classes-per-batch 3 or more, or choose another strategy."
    )


@strategy(
    name="quadruplet",
    title="Quadruplet",
    summary="For every anchor and positive the nearest negative, and the sample of a third class nearest to that one.",
    source='Chen, Chen, Zhang & Huang 2017, "Beyond Triplet Loss: a Deep Quadruplet Network", §3.2, eq. 3',
    order=240,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="the nearest negative",
    misfit=misfit,
    loss="quadruplet",
    second=True,
    unfiltered="its second negative is compared with the first one, about which a filter says nothing",
    notes="""
For every anchor a and positive p: n = argmin { d(a,n) : y(n) ≠ y(a) } and then the *second negative*
n₂ = argmin { d(n,n₂) : y(n₂) ≠ y(n), y(n₂) ≠ y(a) }.

As triplets the picks are those of [hardest](#hardest); the second negative is what the second term of the loss needs. A
zone, and a place in the plane, belongs to the triplet (a, p, n).

**Ties**: the lowest slot. **Abstains** in a batch with fewer than three classes; a run whose batches never have more
is refused.

**Departures.** The paper defines the loss for any quadruplet, and mines those that violate margins which follow the
mean distances of the batch (§3.3, eq. 4). It does not name one quadruplet for a pair; this one is the hardest for both
terms, the first before the second.

**Elsewhere.** Roth et al.'s code adds a second negative by lot to the triplets of any miner.
""",
    advice="""
**When to use it.** Where distances are compared across anchors, as with one threshold for everybody: the second term
holds every positive pair against pairs elsewhere, which no triplet does.

**How it fails.** Like *hardest*, for its first negatives are the same: wrong labels and near-duplicates come first.
With few classes in a batch the second negative is nearly always far, and its term empty: our judgement.
""",
)
def quadruplet(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """Both negatives belong to the anchor, so they are looked up once for each and given to all of its pairs."""
    first = batch.nearest_negative
    second = torch.full_like(first, -1)
    for block in batch.blocks(batch.size):
        n = first[block].clamp(min=0)
        third = batch.negative_distances[n].masked_fill_(batch.same[block], torch.inf)  # (b, B)
        found = first_smallest(third)
        some = batch.has_negative[block] & (third.gather(1, found[:, None])[:, 0] < torch.inf)
        second[block] = torch.where(some, found, -1)
    anchor, positive = batch.pairs
    keep = second[anchor] >= 0
    anchor, positive = anchor[keep], positive[keep]
    return Triplets(anchor, positive, first[anchor], negative2=second[anchor])
