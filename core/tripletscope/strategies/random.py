"""One negative by lot for every anchor and positive: what mining is measured against."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.strategies.base import strategy
from tripletscope.triplets import Triplets


def uniform(
    batch: Batch, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"], *, margin: float
) -> Float[Tensor, "A B"]:
    """The same chance for every negative of the anchor."""
    negative = batch.negative_mask[anchor].to(batch.distances.dtype)
    return negative / batch.negative_count[anchor, None].clamp(min=1)


@strategy(
    name="random",
    title="Random",
    summary="One negative drawn by lot for every anchor and positive.",
    source="the baseline without mining, e.g. Wu et al. 2017, §4 (uniform sampling)",
    order=10,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="drawn by lot",
    rowwise=True,
    probabilities=uniform,
    notes="""
For every anchor a and positive p: n ~ uniform over { n : y(n) ≠ y(a) }.

**Ties** play no part. **Abstains** where the batch holds a single class.

**Elsewhere.** pytorch-metric-learning's `get_random_triplet_indices` draws the positive as well, with replacement;
siamese-triplet's `RandomNegativeTripletSelector` draws among the *violating* negatives only, which is mining.
On a sphere of many dimensions almost every random negative is about √2 away, so training on them soon has nothing to
correct.
""",
)
def random(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """One uniform negative for every pair."""
    anchor, positive = batch.pairs
    count = batch.negative_count[anchor]
    # Drawn and rounded on the CPU, so that one seed gives the same picks on every device.
    draw = torch.rand(anchor.shape[0], generator=generator, dtype=torch.float64)
    place = (draw * count.cpu()).long().to(batch.device)
    # In class order the negatives are all slots but one stretch: step over the anchor's own class.
    place += torch.where(place >= batch.class_start[anchor], batch.class_size[anchor], 0)
    keep = count > 0
    return Triplets(anchor[keep], positive[keep], batch.by_class[place[keep]])
