"""A far positive and a near negative by lot: batch hard without its certainty, and so without its trust in labels."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.batch import BLOCK, Batch
from tripletscope.strategies.base import Parameter, strategy
from tripletscope.triplets import Triplets


def softmin(distances: Float[Tensor, "A B"], temperature: float) -> Float[Tensor, "A B"]:
    """exp(-d / temperature) up to a factor for each row, whose largest is 1; 0 where d is +inf."""
    nearest = distances.amin(dim=1, keepdim=True)
    weight = ((nearest.nan_to_num(posinf=0.0) - distances) / temperature).exp_()
    return weight.masked_fill_(distances == torch.inf, 0.0)


def chances(
    batch: Batch, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"], *, margin: float, temperature: float
) -> Float[Tensor, "A B"]:
    """The softmax of minus the distances over the anchor's candidates, whichever positive was drawn."""
    weight = softmin(batch.candidate_distances(anchor, positive), temperature)
    total = weight.sum(dim=1, keepdim=True)
    return weight / torch.where(total > 0, total, 1)


def drawn(weight: Float[Tensor, "A B"], draw: Float[Tensor, " A"]) -> Int[Tensor, " A"]:
    """The column of each row whose stretch of the running sum the draw falls into; some column of weight above 0."""
    running = weight.cumsum(dim=1)
    total = running[:, -1:]
    target = torch.minimum(draw[:, None].to(total.dtype) * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(running, target, right=True)[:, 0]


@strategy(
    name="batch-sample",
    title="Batch sample",
    summary="For every anchor a positive and a negative by lot: far positives and near negatives are likelier.",
    source='Kumar, Weill, Aghdasi & Sriram 2019, "Vehicle Re-Identification: an Efficient Baseline Using Triplet '
    'Embedding" (batch sample)',
    order=150,
    zones={"hard", "semi-hard", "easy"},
    granularity="anchor",
    choice="drawn, the near ones likelier",
    params=(Parameter("temperature", 1.0, 1e-3, 1e3, "Small is close to batch-hard, large close to uniform."),),
    probabilities=chances,
    unfiltered="",
    notes="""
For every anchor a: p ~ exp(d(a,p) / τ) over its positives and n ~ exp(−d(a,n) / τ) over its negatives, independently.

As τ goes to 0 it becomes *batch-hard*, as τ grows a uniform draw of both. A wrong label or an outlier, which batch-hard
takes every time, is one sample among several here; the advice is older than the paper.

**Ties** play no part. **Abstains** where the batch holds a single class. The unit of τ is that of the distance.

**Departures.** The paper has the softmax of the distances themselves, τ = 1; the temperature is ours, because with unit
vectors distances end at 2 and their softmax is nearly uniform. The number of its equation was not at hand.
""",
    advice="""
**When to use it.** In place of batch-hard where the data are not clean: a wrong label is then one draw among several.
The author of triplet-reid advises it there.

**How it fails.** At temperature 1 and on unit vectors it is nearly a uniform draw, and runs dry like *random*; with a
small temperature it becomes batch-hard with all that ails it.
""",
)
def batch_sample(batch: Batch, *, margin: float, generator: torch.Generator | None, temperature: float) -> Triplets:
    """One draw of each kind for every anchor with a positive and a negative."""
    anchor = (batch.has_positive & batch.has_negative).nonzero()[:, 0]
    # Drawn on the CPU, so that one seed gives nearly the same picks on every device.
    draw = torch.rand(2, anchor.shape[0], generator=generator, dtype=torch.float64).to(batch.distances.dtype)
    draw = draw.to(batch.device)
    slots = batch.positive_slots[anchor]
    away = -batch.distances[anchor].gather(1, slots.clamp(min=0))
    column = drawn(softmin(away.masked_fill(slots < 0, torch.inf), temperature), draw[0])
    positive = slots.gather(1, column[:, None])[:, 0]
    negative, some = torch.empty_like(anchor), torch.ones_like(anchor, dtype=torch.bool)
    for rows in torch.split(torch.arange(anchor.shape[0], device=batch.device), max(1, BLOCK // max(1, batch.size))):
        weight = softmin(batch.candidate_distances(anchor[rows], positive[rows]), temperature)
        negative[rows] = drawn(weight, draw[1, rows])
        some[rows] = weight.amax(dim=1) > 0
    if not bool(some.all()):  # all negatives of the pair were filtered
        anchor, positive, negative = anchor[some], positive[some], negative[some]
    return Triplets(anchor, positive, negative)
