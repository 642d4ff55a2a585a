"""The negative at one percentile of hardness: a dial between the farthest and the nearest."""

from __future__ import annotations

import torch

from tripletscope.batch import Batch
from tripletscope.strategies.base import Parameter, strategy
from tripletscope.triplets import Triplets


@strategy(
    name="curriculum",
    title="Curriculum",
    summary="For every anchor and positive the negative at one percentile of hardness, from farthest to nearest.",
    source='the idea: Bengio et al. 2009, "Curriculum Learning"; the percentile of the batch is our own reading',
    order=120,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="at the chosen percentile of hardness",
    rowwise=True,
    params=(Parameter("hardness", 50.0, 0.0, 100.0, "0 is the farthest negative, 100 the nearest."),),
    unfiltered="",
    notes="""
For every anchor a, with its N negatives sorted from far to near: n is number ⌊hardness/100 · (N − 1) + ½⌋, from 0.

A curriculum begins with easy examples and goes on to hard ones. This is one lesson of it: a run has one hardness, so
a whole curriculum is a few runs, each going on where the other ended, or a few shadows beside each other.

**Ties**: in slot order, the lower slot counting as the nearer. **Abstains** where the batch holds a single class.

**Departures.** Papers that train by a curriculum of negatives sort the *data set* and schedule the share of hard ones;
we know of none that fixes a percentile of the batch.
""",
    advice="""
**When to use it.** As a dial of hardness, to see how far one can turn it before a space falls together (our
judgement).

**How it fails.** At the one end it is *easy*, which teaches nothing, at the other *hardest*, which can collapse; no
fixed percentile suits the whole of a training.
""",
)
def curriculum(batch: Batch, *, margin: float, generator: torch.Generator | None, hardness: float) -> Triplets:
    """One triplet a pair, by rank."""
    anchor, positive = batch.pairs
    first, count = batch.below_floor, batch.negative_count[anchor]
    keep = first < count
    anchor, positive, last = anchor[keep], positive[keep], (count - 1)[keep]
    among = (last - first[keep]).cpu().double()
    from_afar = (among * hardness / 100 + 0.5).floor().long().to(batch.device)
    return Triplets(anchor, positive, batch.sorted_negatives[1][anchor, last - from_afar])
