"""Negatives drawn so that every distance is seen equally often, not only the crowded one near the square root of 2."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import threshold

from tripletscope.batch import BLOCK, Batch
from tripletscope.distances import to_euclidean
from tripletscope.strategies.base import Parameter, strategy
from tripletscope.triplets import Triplets

# Far below any logarithm of a weight, and far from the end of float32.
OUT = -1e6
TINY = 1e-37


def weights(
    batch: Batch,
    anchor: Int[Tensor, " A"],
    positive: Int[Tensor, " A"] | None = None,
    *,
    cutoff: float,
    nonzero_loss_cutoff: float,
) -> Float[Tensor, "A B"]:
    """Unnormalised min(λ, 1/q(d)) for each negative of these anchors; the largest of a row is 1, or all are 0.

    log 1/q(d) = -(D-2) log d - (D-3)/2 log(1 - d²/4) spans hundreds of nats at D = 512. Each row subtracts its own
    maximum; one shift for the whole matrix leaves most anchors with nothing but zeros in float32.
    """
    assert batch.dim is not None
    dim = batch.dim
    rows = batch.negative_distances.index_select(0, anchor)  # +inf off the negatives
    if positive is not None:  # and off what the pair may take
        rows = batch.candidate_distances(anchor, positive)
    d = to_euclidean(rows, batch.distance)
    d = d.clamp_(max=2.0)  # beyond the sphere's diameter there is only rounding
    # 0 where the negative may be drawn, OUT where it may not: a float pass costs a tenth of a mask.
    out = threshold(-d, -nonzero_loss_cutoff, OUT).add_(d)
    squared = d.square_()
    log_weight = squared.clamp(min=TINY).log_().mul_(-(dim - 2) / 2)
    log_weight.add_(squared.mul_(-0.25).add_(1).clamp_(min=TINY).log_(), alpha=-(dim - 3) / 2)
    # λ = 1/q(cutoff)
    ceiling = -(dim - 2) * math.log(cutoff) - (dim - 3) / 2 * math.log(1 - cutoff**2 / 4)
    log_weight = log_weight.clamp_(max=ceiling).add_(out)
    top = log_weight.amax(dim=1, keepdim=True)
    # exp is a hundred times as slow where it underflows, so it stops at e**-80, which then counts as 0.
    weight = threshold(log_weight.sub_(top).clamp_(min=-80.0).exp_(), 2 * math.exp(-80), 0.0)
    return weight.mul_(top > OUT / 2)


def probabilities(
    batch: Batch,
    anchor: Int[Tensor, " A"],
    positive: Int[Tensor, " A"],
    *,
    margin: float,
    cutoff: float,
    nonzero_loss_cutoff: float,
) -> Float[Tensor, "A B"]:
    """min(λ, 1/q(d(a,n))), scaled to 1 over the anchor's negatives; the positive plays no part."""
    own = None if batch.floors is None else positive
    chance = weights(batch, anchor, own, cutoff=cutoff, nonzero_loss_cutoff=nonzero_loss_cutoff)
    total = chance.sum(dim=1, keepdim=True)
    return chance / torch.where(total > 0, total, 1)


@strategy(
    name="distance-weighted",
    title="Distance-weighted",
    summary="One negative for every anchor and positive, drawn so that near, middling and far ones are seen alike.",
    source='Wu, Manmatha, Smola & Krähenbühl 2017, "Sampling Matters in Deep Embedding Learning", §4',
    order=80,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="drawn so that every distance is seen alike",
    params=(
        Parameter("cutoff", 0.5, 0.05, 1.4, "No distance below this one is favoured any further: λ = 1/q(cutoff)."),
        Parameter("nonzero_loss_cutoff", 1.4, 0.1, 2.0, "Negatives at least this far are never drawn."),
    ),
    needs={"unit", "dim"},
    probabilities=probabilities,
    unfiltered="",
    notes="""
For every anchor a and positive p: Pr(n) ∝ min(λ, 1/q(d(a,n))) over { n : y(n) ≠ y(a), d(a,n) < nonzero_loss_cutoff },
with q(d) ∝ d^(D−2) (1 − d²/4)^((D−3)/2), the density of distances between random points on the unit sphere in D
dimensions, and λ = 1/q(cutoff). d is the plain Euclidean distance; squared and cosine distances are converted back.

**Ties** play no part. **Abstains** for an anchor whose negatives are all beyond `nonzero_loss_cutoff`.

**Departures.** The upper cut-off is not in the paper's formula; it is in the authors' code (1.4 = their β 1.2 + α 0.2),
where a negative that far has no loss in their margin loss. With a triplet margin loss it may still have one; set it
to 2 for the formula alone. The positive is every one in turn; the paper leaves that open. The paper pairs it with its
own margin loss; here the loss stays the run's own.

**Elsewhere.** pytorch-metric-learning's `DistanceWeightedMiner` shifts the log-weights by one maximum for the whole
batch, which underflows from about 256 dimensions on and silently leaves most anchors without a triplet; it draws
positives with replacement. The authors' code falls back to a uniform draw over the *whole* batch, own class included,
when a row has no weight. We shift each row by its own maximum, and abstain.
""",
    advice="""
**When to use it.** Where semi-hard runs out: in *semi-hard-starves* it finds a negative for every pair and ends
ahead. With a fifth of the labels wrong it has the best MAP@R of the seven strategies compared.

**How it fails.** It is defined on the unit sphere only. Its two cut-offs are distances: where the space has shrunk
below `cutoff` all negatives weigh alike, and where all are beyond `nonzero_loss_cutoff` it abstains.
""",
)
def distance_weighted(
    batch: Batch,
    *,
    margin: float,
    generator: torch.Generator | None,
    cutoff: float,
    nonzero_loss_cutoff: float,
) -> Triplets:
    """One draw for every pair, by inverting the running sum of the anchor's weights."""
    anchor, positive = batch.pairs
    draw = torch.rand(anchor.shape[0], generator=generator, dtype=torch.float64)
    if batch.floors is not None:
        return _filtered(batch, draw.to(batch.distances.dtype).to(batch.device), cutoff, nonzero_loss_cutoff)
    # All positives of an anchor share its weights: one row of weights, one row of draws.
    draws = torch.zeros(batch.positive_slots.shape, dtype=batch.distances.dtype, device=batch.device)
    draws[anchor, batch.pair_column] = draw.to(draws.dtype).to(batch.device)
    slots = torch.empty_like(batch.positive_slots)
    served = torch.empty_like(batch.has_negative)
    for rows in torch.split(torch.arange(batch.size, device=batch.device), max(1, BLOCK // batch.size)):
        running = weights(batch, rows, cutoff=cutoff, nonzero_loss_cutoff=nonzero_loss_cutoff).cumsum(dim=1)
        total = running[:, -1:]
        # The first slot whose running sum exceeds the draw: one of weight 0 adds nothing, so it is never that slot.
        target = torch.minimum(draws[rows] * total, total.nextafter(torch.zeros_like(total)))
        slots[rows] = torch.searchsorted(running, target, right=True)
        served[rows] = total[:, 0] > 0
    keep = served[anchor]
    return Triplets(anchor[keep], positive[keep], slots[anchor, batch.pair_column][keep])


def _filtered(batch: Batch, draw: Float[Tensor, " pairs"], cutoff: float, nonzero_loss_cutoff: float) -> Triplets:
    """The same where every pair has candidates of its own: a row of weights for each of them."""
    anchor, positive = batch.pairs
    negative, keep = torch.empty_like(anchor), torch.empty_like(anchor, dtype=torch.bool)
    for block in batch.pair_blocks():
        a, p = anchor[block], positive[block]
        running = weights(batch, a, p, cutoff=cutoff, nonzero_loss_cutoff=nonzero_loss_cutoff).cumsum(dim=1)
        total = running[:, -1:]
        target = torch.minimum(draw[block, None] * total, total.nextafter(torch.zeros_like(total)))
        negative[block] = torch.searchsorted(running, target, right=True)[:, 0]
        keep[block] = total[:, 0] > 0
    return Triplets(anchor[keep], positive[keep], negative[keep])
