"""One negative by lot among the nearest few, the very nearest of them left out where they cannot be trusted."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.strategies.base import Parameter, strategy
from tripletscope.triplets import Triplets


def chances(
    batch: Batch, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"], *, margin: float, skip: float, n: float
) -> Float[Tensor, "A B"]:
    """The same chance for every negative from rank skip + 1 to rank skip + n."""
    rank = torch.arange(batch.size, device=batch.device).expand(len(anchor), -1)
    inside = rank < batch.negative_count[anchor, None]  # (A, B), along the ranks
    if batch.floors is not None:  # what a floor rules out are the first of the row
        rank = rank - batch.of_pairs(batch.below_floor, anchor, positive)[:, None]
    inside = inside & (rank >= skip) & (rank < skip + n)
    chance = torch.zeros_like(batch.distances[anchor])
    chance.scatter_(1, batch.sorted_negatives[1][anchor], inside.to(chance.dtype))
    return chance / inside.sum(dim=1, keepdim=True).clamp(min=1)


def misfit(classes: int, samples: int, *, skip: float, n: float) -> str:
    """A window that begins behind the last negative of any anchor."""
    negatives = (classes - 1) * samples
    if skip < negatives:
        return ""
    return (
        f"'top-n' leaves out the {skip:g} nearest negatives, and a batch of {classes} classes x {samples} has "
        f"{negatives} for each anchor: lower --param skip, or take larger batches."
    )


@strategy(
    name="top-n",
    title="Top n",
    summary="For every anchor and positive one negative by lot among the n nearest, after the first few.",
    source="no single paper; ranks as in open-metric-learning's `NHardTripletsMiner`, sentence-transformers' range_min",
    order=110,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    choice="drawn by lot among the nearest",
    rowwise=True,
    params=(
        Parameter("skip", 0.0, 0.0, 1e5, "So many of the nearest negatives are never drawn.", whole=True),
        Parameter("n", 5.0, 1.0, 1e5, "So many after them are drawn from, all with the same chance.", whole=True),
    ),
    probabilities=chances,
    misfit=misfit,
    unfiltered="",
    notes="""
For every anchor a and positive p: n ~ uniform over the negatives of rank skip + 1 to skip + n, nearest first.

With n = 1 it is the hardest in a window: the nearest negative after the first `skip`. The very nearest are the
likeliest to be wrongly labelled, and the far ones teach nothing. What the window means hangs on the batch: the fifth
of 28 negatives is another thing than the fifth of 4,000.

**Ties**: in slot order. **Abstains** for an anchor with no more than `skip` negatives; a run whose batches never have
more is refused.

**Elsewhere.** open-metric-learning takes *all* negatives of the ranks, and ranks of positives too;
sentence-transformers' `mine_hard_negatives(range_min, range_max, sampling_strategy="random")` draws so from a whole
corpus. pytorch-metric-learning's `allowed_neg_range` is a window of distances, not of ranks.
""",
    advice="""
**When to use it.** Where the very nearest negatives are likely to be wrong labels or copies: `skip` passes over them
(our judgement; corpus miners offer the same).

**How it fails.** A window of ranks means another thing in another batch: in the experiment *batch-size* the nearest
negative of a large batch is much nearer than that of a small one. With `skip` 0 and a small `n` it is close to
*hardest*.
""",
)
def top_n(batch: Batch, *, margin: float, generator: torch.Generator | None, skip: float, n: float) -> Triplets:
    """One triplet a pair, by a uniform rank."""
    anchor, positive = batch.pairs
    # Drawn and rounded on the CPU, so that one seed gives the same picks on every device.
    draw = torch.rand(anchor.shape[0], generator=generator, dtype=torch.float64)
    first = batch.below_floor + int(skip)
    width = (batch.negative_count[anchor] - first).clamp(max=int(n))
    keep = width > 0
    rank = first + (draw * width.clamp(min=0).cpu()).long().to(batch.device)
    return Triplets(anchor[keep], positive[keep], batch.sorted_negatives[1][anchor[keep], rank[keep]])
