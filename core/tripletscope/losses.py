"""The triplet losses: hinge and soft margin, over chosen triplets or over all of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from tripletscope.triplets import Triplets, gaps

BLOCK_ENTRIES = 2**21  # (pairs x B) entries held at once by batch_all_loss: 8 MB in float32


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

    Source: Schroff et al. 2015, eq. 1 (there a sum over squared distances); soft margin: Hermans et al. 2017, §2.

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
    respect to the (B, B) distances is summed up on the way (for the hinge it is a difference of counts).

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
    @staticmethod
    def forward(ctx: Any, distances: Tensor, labels: Tensor, margin: float, soft: bool) -> Tensor:
        distances = distances.detach()
        size = len(labels)
        same = labels[:, None] == labels[None, :]
        anchor, positive = (same & ~torch.eye(size, dtype=torch.bool, device=labels.device)).nonzero(as_tuple=True)
        count = int((~same).sum(1)[anchor].sum())
        slope = torch.zeros_like(distances)
        # The sum runs over up to B³ terms; in float32 it would lose the small ones.
        total = torch.zeros(
            (), dtype=torch.float64, device="cpu" if distances.device.type == "mps" else distances.device
        )
        for start in range(0, len(anchor) if count else 0, max(1, BLOCK_ENTRIES // max(1, size))):
            a = anchor[start : start + max(1, BLOCK_ENTRIES // size)]
            p = positive[start : start + len(a)]
            loss, pull = _block(distances, ~same, a, p, margin, soft)
            total += loss.to(total.device)
            slope[a, p] = pull.sum(1)  # each pair comes once, and no pair is also a negative
            slope.index_add_(0, a, -pull)
        ctx.save_for_backward(slope / max(1, count))
        return (total / max(1, count)).to(distances)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return upstream * slope, None, None, None


def _block(
    distances: Float[Tensor, "B B"],
    different: Bool[Tensor, "B B"],
    a: Int[Tensor, "M"],
    p: Int[Tensor, "M"],
    margin: float,
    soft: bool,
) -> tuple[Float[Tensor, ""], Float[Tensor, "M B"]]:
    """The summed loss of M pairs with all their negatives, and how each of those triplets pulls on its gap."""
    gap = gaps(distances[a, p][:, None], distances[a])  # (M, B)
    eligible = different[a]
    loss = _loss_of_gap(gap, margin, soft)
    pull = torch.sigmoid(-gap) if soft else (loss > 0).to(gap.dtype)
    return (loss * eligible).sum(dtype=torch.float64 if gap.device.type != "mps" else None), pull * eligible
