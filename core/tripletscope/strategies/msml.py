"""The farthest positive pair of the whole batch, and its nearest negative pair."""

from __future__ import annotations

import torch

from tripletscope.batch import Batch
from tripletscope.rows import first_smallest
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets


@strategy(
    name="msml",
    title="Margin sample mining",
    summary="The farthest positive pair of the whole batch with its nearest negative pair, with a loss of its own.",
    source='Xiao, Luo & Zhang 2017, "Margin Sample Mining Loss", §3',
    order=230,
    zones={"hard", "semi-hard", "easy"},
    granularity="batch",
    choice="an end of the nearest negative pair of the batch",
    loss="msml",
    second=True,
    unfiltered="its negative pair is anybody's, and a filter says which negatives a pair may have",
    notes="""
{a, p} = argmax { d(x,y) : y(x) = y(y), x ≠ y } and {n, n₂} = argmin { d(x,y) : y(x) ≠ y(y) }, over the whole batch: one
pick a batch. The two pairs need not share a sample.

As a pick it is the triplet (a, p, n) with n₂ as its *second negative*. What the loss sees are d(a,p) and d(n,n₂);
d(a,n), and with it the zone and the place of the pick in the plane, is a true distance, but no part of the loss. Which
end of a pair is called what changes nothing in the loss; it is settled so that the triplet is the hardest of the four:
n is of another class than a, and d(a,n) as small as can be. Where the negative pair contains a, n₂ is a itself, and the
pick an ordinary triplet.

**Ties**: the pair with the lowest slots. **Abstains** where the batch holds a single class, or no two samples of one.
Counted by batches. It picks for nobody in particular, so the ruler of an anchor has no lane for it.

**Departures.** The paper writes the loss first and has no word for a and n: the naming is ours. The number of its
section was not at hand to be checked.
""",
    advice="""
**When to use it.** To see the extreme of mining: of all that a batch holds, only its two worst pairs teach. The authors
propose it for re-identifying people, with large batches.

**How it fails.** One wrong label, or one picture of a twin, is the worst pair of every batch it is in, and then nothing
else is learnt from that batch. A step moves four samples: our judgement is that small batches make it noisy.
""",
)
def msml(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """One pick, or none."""
    anchor, positive = batch.pairs
    if not batch.n_eligible:
        return Triplets.empty(batch.device)
    worst = first_smallest(-batch.d_ap[None])[0]
    ends = torch.stack([anchor[worst], positive[worst]]).sort().values
    nearest = batch.nearest_negative
    rows = torch.arange(batch.size, device=batch.device)
    row = first_smallest(batch.negative_distances[rows, nearest.clamp(min=0)][None])[0]
    others = torch.stack([row, nearest[row]]).sort().values
    foreign = batch.labels[others] != batch.labels[ends[0]]
    table = batch.distances[ends][:, others].masked_fill(~foreign, torch.inf)  # (2, 2)
    place = int(first_smallest(table.reshape(1, -1))[0])
    a, n = divmod(place, 2)
    return Triplets(ends[a : a + 1], ends[1 - a][None], others[n : n + 1], negative2=others[1 - n][None])
