"""The triplet loss: hinge or soft margin, over chosen triplets or over all of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from tripletscope.batch import Batch
from tripletscope.losses.base import TRIPLET, Cost, Learning, loss
from tripletscope.triplets import Triplets, edge, gaps, zone_ranks


def triplet_margin_loss(
    distances: Float[Tensor, "B B"], triplets: Triplets, margin: float, *, soft: bool = False
) -> Float[Tensor, ""]:
    """Mean loss over the chosen triplets, the easy ones (loss 0) included; a scalar.

    The mean is over all picks, not over those with a loss above 0: the second one hides how few triplets still
    teach anything. Two strategies that agree on a triplet then also agree on what it costs.

    Args:
        distances: smaller is closer, with their graph.
        triplets: slots of the batch. None at all is a normal day: the loss is 0 and has zero gradients. Where they
            have weights, a pick counts by its weight: the mean is the weighted one.
        margin: in the unit of the distances; the soft loss does not use it.
        soft: ln(1 + exp(-gap)) instead of max(0, margin - gap); it is ln 2 for a collapsed batch and never quite 0.

    Source: Schroff et al. 2015, §3.1 (there a sum over squared distances); soft margin: Hermans et al. 2017, §2.

    Example:
        >>> points = torch.tensor([0.0, 1.0, 3.0])
        >>> distances = (points[:, None] - points[None, :]).abs()
        >>> slots = torch.tensor([0]), torch.tensor([1]), torch.tensor([2])
        >>> triplet_margin_loss(distances, Triplets(*slots), margin=2.5)  # gap 3 - 1 = 2
        tensor(0.5000)
    """
    if len(triplets) == 0:
        return distances.sum() * 0.0
    gap = gaps(distances[triplets.anchor, triplets.positive], distances[triplets.anchor, triplets.negative])
    loss = _loss_of_gap(gap, margin, soft)
    if triplets.weight is None:
        return loss.mean()
    total = triplets.weight.sum()
    return (loss * triplets.weight).sum() / torch.where(total > 0, total, 1)


def batch_all_loss(
    distances: Float[Tensor, "B B"], labels: Int[Tensor, "B"], margin: float, *, soft: bool = False
) -> Float[Tensor, ""]:
    """Mean loss over every eligible triplet of the batch; a scalar with exact gradients.

    The B³ losses are never held: they are made a block of anchor-positive pairs at a time, and the gradient with
    respect to the (B, B) distances is summed up on the way (for the hinge it is a difference of counts). Where
    anchors have many positives, the hinge is summed along sorted rows instead, triplet by triplet no more.

    Args:
        distances: smaller is closer, with their graph.
        labels: class of each slot.
        margin: in the unit of the distances; the soft loss does not use it.
        soft: ln(1 + exp(-gap)) instead of max(0, margin - gap).

    Returns:
        0 with zero gradients when no triplet is eligible. At gap = margin exactly the gradient is 0, as for the
        picks of `triplet_margin_loss`.

    Source: Hermans et al. 2017, eq. 6, as a mean over all triplets (zeros included), not their BA≠0.

    Example:
        >>> points = torch.tensor([0.0, 1.0, 3.0])
        >>> distances = (points[:, None] - points[None, :]).abs()
        >>> batch_all_loss(distances, torch.tensor([7, 7, 8]), margin=2.0)  # gaps 2 and 1
        tensor(0.5000)
    """
    loss: Tensor = _BatchAll.apply(distances, labels, float(margin), soft)  # type: ignore[no-untyped-call]
    return loss


def _loss_of_gap(gap: Float[Tensor, "..."], margin: float, soft: bool) -> Float[Tensor, "..."]:
    # softplus does not overflow where exp(-gap) would, beyond a gap of -88 in float32.
    return F.softplus(-gap) if soft else torch.relu(margin - gap)


class _BatchAll(torch.autograd.Function):
    """The loss, and beside it the (B, B) slope of the summed loss, so that the backward pass only scales."""

    @staticmethod
    def forward(ctx: Any, distances: Tensor, labels: Tensor, margin: float, soft: bool) -> Tensor:
        batch = Batch(distances, labels)
        anchor, positive = batch.pairs
        count = batch.n_eligible
        if count:
            by_prefix = batch.prefers_sorting and not soft
            total, pair_slope, slope = _sums_by_prefix(batch, margin) if by_prefix else _sums(batch, margin, soft)
            slope[anchor, positive] = pair_slope  # no pair is also a negative
            ctx.save_for_backward(slope / count)
            return (total / count).to(distances)
        ctx.save_for_backward(torch.zeros_like(distances))
        return distances.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return upstream * slope, None, None, None


Sums = tuple[Float[Tensor, ""], Float[Tensor, " pairs"], Float[Tensor, "B B"]]


def _sums(batch: Batch, margin: float, soft: bool) -> Sums:
    """The summed loss over all triplets, its slope along each d(a,p), and along each d(a,n); a block at a time."""
    anchor, _ = batch.pairs
    wide = _widest(batch.distances)
    total = torch.zeros((), dtype=wide, device=batch.device)
    pair_slope, slope = torch.empty_like(batch.d_ap), torch.zeros_like(batch.distances)
    for block in batch.pair_blocks():
        short = batch.negative_distances.index_select(0, anchor[block]).sub_(batch.d_ap[block, None]).neg_()
        # (pairs, B), minus the gap; -inf, for a slot that is no negative, costs nothing. In place: the memory it
        # takes is most of what this costs.
        loss = F.softplus(short) if soft else short.add_(margin).clamp_(min=0)
        total += loss.sum(dtype=wide)
        pull = short.sigmoid_() if soft else loss.sign_()
        pair_slope[block] = pull.sum(dim=1)
        slope.index_add_(0, anchor[block], pull, alpha=-1)
    return total, pair_slope, slope


def _sums_by_prefix(batch: Batch, margin: float) -> Sums:
    """As `_sums` for the hinge, in O(B² log B) where an anchor has many positives.

    A pair's violating negatives are the first ones of its anchor's sorted row. So its summed loss is their number
    times (margin + d(a,p)) less a running sum of the row.
    """
    anchor, _ = batch.pairs
    _, violating = zone_ranks(batch, margin)
    values, slots = batch.sorted_negatives
    wide = _widest(values)
    running = F.pad(values.masked_fill(values.isinf(), 0).to(wide).cumsum(1), (1, 0))  # (B, B + 1)
    loss = violating * (edge(margin, values).to(wide) + batch.d_ap.to(wide)) - running[anchor, violating]
    # Pairs of an anchor that reach its k-th negative: those with more than k violating ones.
    ends = torch.zeros(batch.size, batch.size + 1, dtype=torch.int64, device=batch.device)
    ends.index_put_((anchor, violating), torch.ones_like(violating), accumulate=True)
    reached = ends.flip(1).cumsum(1).flip(1)[:, 1:]
    slope = torch.zeros_like(values).scatter_(1, slots, -reached.to(values.dtype))
    return loss.sum(), violating.to(values.dtype), slope


def _widest(tensor: Tensor) -> torch.dtype:
    """float64 where the device has it: a sum of B³ terms would lose the small ones in float32."""
    return tensor.dtype if tensor.device.type == "mps" else torch.float64


@loss(
    name=TRIPLET,
    title="Triplet",
    summary="How far the gap falls short of the margin; with the soft margin, ln(1 + exp(-gap)).",
    source='Schroff et al. 2015, "FaceNet", §3.1; soft margin: Hermans et al. 2017, §2',
    order=10,
    soft=True,
    everything=True,
    notes="""
max(0, margin − gap), or ln(1 + exp(−gap)) with the soft margin; the mean over all picks, the easy ones with loss 0
included, and with `batch-all` over all eligible triplets.

**Departures.** The papers sum; FaceNet takes squared distances.
""",
)
def triplet(seen: Learning) -> Cost:
    """The mean over the picks; the picks with a slope are those that violate the margin, which are counted anyway."""
    if seen.triplets is None:
        return Cost(batch_all_loss(seen.distances, seen.labels, seen.margin, soft=seen.soft))
    return Cost(triplet_margin_loss(seen.distances, seen.triplets, seen.margin, soft=seen.soft))
