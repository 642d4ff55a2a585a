"""The most central positive of every anchor, and of the other classes' most central samples the nearest."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from tripletscope.batch import BLOCK, Batch
from tripletscope.distances import EUCLIDEAN
from tripletscope.rows import first_smallest
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets


def sums_to_class(batch: Batch, who: Int[Tensor, " T"], without: Int[Tensor, " T"]) -> Float64[Tensor, " T"]:
    """The summed squared distances of these slots to their class; the slots `without` are left out of it.

    In double precision, from the lowest slot to the highest: so a sum does not hang on the size of the batch. The
    sample with the least of them is the one nearest to the mean of its class.
    """
    found = torch.empty(len(who), dtype=torch.float64)
    width = batch.positive_slots.shape[1]
    for block in torch.split(torch.arange(len(who)), max(1, BLOCK // max(1, width))):
        mates = batch.positive_slots[who[block]]  # (t, P), -1 behind the last
        counted: Bool[Tensor, "t P"] = (mates >= 0) & (mates != without[block, None])
        values = batch.distances[who[block, None], mates.clamp(min=0)].cpu().double()
        values = values.square() if batch.distance == EUCLIDEAN.name else values
        found[block] = values.masked_fill(~counted.cpu(), 0).cumsum(dim=1)[:, -1] if width else 0.0
    return found


def centres(batch: Batch) -> Int[Tensor, " C"]:
    """The slot of each class's most central sample, rising."""
    slots = torch.arange(batch.size, device=batch.device)
    total = sums_to_class(batch, slots, torch.full_like(slots, -1))
    order = torch.from_numpy(total.numpy().argsort(kind="stable")).to(batch.device)  # equals keep slot order
    start = batch.class_start[order]
    first = torch.full((batch.size,), batch.size, dtype=torch.int64, device=batch.device)
    place = torch.arange(batch.size, device=batch.device)
    first = first.scatter_reduce(0, start, place, "amin")
    return order[first[first < batch.size]].sort().values


@strategy(
    name="triplet-center",
    title="Triplet-centre",
    summary="The most central positive of every anchor, and the nearest of the other classes' most central samples.",
    source='He, Zhou, Zhou, Bai & Bai 2018, "Triplet-Center Loss for Multi-View 3D Object Retrieval", §3',
    order=250,
    zones={"hard", "semi-hard", "easy"},
    granularity="anchor",
    choice="the most central of its class, and of those the nearest",
    loss="triplet-center",
    unfiltered="it compares with centres of classes, which are no candidates",
    notes="""
For every anchor a: p = the most central of its positives and n = argmin { d(a,m) : m the most central sample of another
class }. Most central is the sample with the least sum of squared distances to the others of its class, which is the one
nearest to the mean of the class; of the anchor's own class, a itself left out.

The paper compares samples with learned *centres* of classes, which are no samples. So two things have this name:

- A run that **trains** with it uses [the loss](#loss-triplet-center), with learned centres of all classes. Its lines
  count what was learnt from, its centres are kept at every frame, and no pick is listed, because a centre has no row.
- Where nobody learned centres (as a shadow, on a ruler, with `--loss triplet`), the picks above stand in for it: the
  sample nearest to the mean of the class, out of the candidates. A mean itself could not be picked.

**Ties**: the lowest slot, for the sums in double precision. **Abstains** where the batch holds a single class. An
anchor without a positive has no triplet, so it is not counted as an abstention.

**Departures.** See above: the paper has centres, and no picks.
""",
    advice="""
**When to use it.** Where classes are one cluster each, and there are few of them: a sample is compared with the middle
of classes and not with their outliers, so a wrong label weighs as little as its share of the class.

**How it fails.** A class of several clusters has its centre where nobody lives, and is drawn there. Learned centres are
of the classes that were trained on; they say nothing of new ones. Both are our judgement, from the definition.
""",
)
def triplet_center(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """One triplet an anchor."""
    anchor, positive = batch.pairs
    if not batch.n_eligible:
        return Triplets.empty(batch.device)
    among = torch.full(batch.positive_slots.shape, torch.inf, dtype=torch.float64)
    among[anchor.cpu(), batch.pair_column.cpu()] = sums_to_class(batch, positive, anchor)
    middle = batch.positive_slots.gather(1, first_smallest(among).to(batch.device)[:, None])[:, 0]
    rivals = centres(batch)
    near = first_smallest(batch.negative_distances[:, rivals])
    keep = batch.has_positive & batch.has_negative
    slots = keep.nonzero()[:, 0]
    return Triplets(slots, middle[slots], rivals[near[slots]])
