"""Pairwise distances that stay right when the batch collapses; smaller is always closer.

The textbook form |a|² + |b|² - 2ab subtracts large numbers to get a small one. On a batch that has collapsed to
1e-3 around a common point it puts one triplet in five in the wrong order, which is the very thing this tool shows. So
small problems are computed by differences, and larger ones from the centred batch (moving all points moves no
distance), with the entries that still cancel computed again by differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tripletscope.registry import Registry


@dataclass(frozen=True)
class Distance:
    """A distance by name: the words for menus and axes. Its unit is also the unit of the margin."""

    name: str
    order: int
    title: str
    unit: str


DISTANCES: Registry[Distance] = Registry("distance")
EUCLIDEAN = DISTANCES.register(Distance("euclidean", 10, "Euclidean distance", "d"))
SQUARED = DISTANCES.register(Distance("squared-euclidean", 20, "Squared Euclidean distance", "d²"))
COSINE = DISTANCES.register(Distance("cosine", 30, "Cosine distance", "1 - s"))

# Up to this many multiplications, differences cost about as much as the product.
EXACT_UP_TO = 2**18
# The centred product is wrong by about 1e-7 of (|a|² + |b|²): a squared distance under 1 % of that is done again,
# which leaves an error of 1e-5 at the worst.
CANCELS_BELOW = 1e-2
# Differences are taken in blocks of this many numbers (4 MiB of float32).
BLOCK = 2**20
# The product goes by strips of rows that fit a core's cache while they are mirrored.
STRIP = 128
# Up to this many rows one strip holds them all, and is not copied.
WHOLE_UP_TO = 256


def pairwise(embeddings: Float[Tensor, "B D"], distance: str = "euclidean") -> Float[Tensor, "B B"]:
    """The distance of every row to every row: symmetric, never negative, smaller is closer.

    The diagonal and the entries of identical rows are exactly 0, and their gradient is 0 (a square root has none
    there; NaN would be the usual price). Half precision is computed and returned in float32.

    Args:
        embeddings: one row a sample.
        distance: "euclidean", "squared-euclidean" or "cosine" (1 - s, computed from the normalised rows; a row of
            zeros has no direction and comes out at 0.5 from everything).

    Raises:
        UnknownNameError: for any other distance.

    Example:
        >>> pairwise(torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]]))
        tensor([[0., 5., 5.],
                [5., 0., 0.],
                [5., 0., 0.]])
    """
    chosen = DISTANCES.get(distance)
    rows = embeddings if embeddings.dtype in (torch.float32, torch.float64) else embeddings.float()
    if chosen == COSINE:
        # |x - y|² = 2 - 2s for unit vectors, and the difference keeps the digits that 1 - s would lose near s = 1.
        rows = torch.nn.functional.normalize(rows, dim=1)
    squared_or_root: Tensor = _Distances.apply(rows, chosen == EUCLIDEAN)  # type: ignore[no-untyped-call]
    return squared_or_root * 0.5 if chosen == COSINE else squared_or_root


def is_unit_norm(embeddings: Float[Tensor, "B D"], tolerance: float = 1e-3) -> bool:
    """Whether every row has length 1, give or take `tolerance`.

    Example:
        >>> is_unit_norm(torch.tensor([[0.6, 0.8], [0.0, 1.0]])), is_unit_norm(torch.tensor([[3.0, 4.0]]))
        (True, False)
    """
    lengths = embeddings.detach().float().norm(dim=1)
    return bool(((lengths - 1).abs() <= tolerance).all())


def to_euclidean(distances: Float[Tensor, "*shape"], distance: str) -> Float[Tensor, "*shape"]:
    """The same distances as plain Euclidean ones, for unit vectors (where 1 - s = d² / 2).

    Example:
        >>> to_euclidean(torch.tensor([0.0, 0.5, 2.0]), "cosine")
        tensor([0., 1., 2.])
    """
    chosen = DISTANCES.get(distance)
    if chosen == EUCLIDEAN:
        return distances
    return (2 * distances).sqrt() if chosen == COSINE else distances.sqrt()


class _Distances(torch.autograd.Function):
    """Squared distances or their roots, with a gradient that needs (B, B) memory and is 0 between equal points."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, root: bool) -> Tensor:
        # Mixed precision would turn the product below into bfloat16, which collapsed batches do not survive.
        with torch.autocast(rows.device.type, enabled=False):
            centred = rows - rows.mean(dim=0, keepdim=True)
            if rows.shape[0] ** 2 * rows.shape[1] <= EXACT_UP_TO:
                values = _squared_by_differences(rows, rows)
                values = values.sqrt_() if root else values
            else:
                values = _by_product(rows, centred, root)
        ctx.root = root
        ctx.save_for_backward(centred, values)
        return values

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        centred, values = ctx.saved_tensors
        with torch.autocast(centred.device.type, enabled=False):
            pull = upstream[0] + upstream[0].T  # entry (i, j) and (j, i) both move point i
            pull = torch.where(values > 0, pull / values, 0) if ctx.root else 2 * pull
            return pull.sum(dim=1, keepdim=True) * centred - pull @ centred, None


def _squared_by_differences(rows: Tensor, others: Tensor) -> Tensor:
    """No cancellation: every difference is taken before it is squared. In blocks of rows."""
    if not others.numel():
        return rows.new_zeros(rows.shape[0], others.shape[0])
    step = max(1, BLOCK // others.numel())
    # (b, D) -> (b, B, D) -> (b, B)
    return torch.cat([(block[:, None] - others).square_().sum(dim=2) for block in torch.split(rows, step)])


def _by_product(rows: Tensor, centred: Tensor, root: bool) -> Tensor:
    """The centred product strip by strip, with differences where it cancels; the lower triangle mirrors the upper.

    A product is symmetric only up to the order in which its blocks are summed, and mirroring halves the work.
    """
    count, lengths = rows.shape[0], centred.square().sum(dim=1)
    step = count if count <= WHOLE_UP_TO else STRIP
    values = rows.new_empty(count, count if step < count else 0)
    for start in range(0, count, step):
        end = min(start + step, count)
        # |b|² - 2ab + |a|²
        strip = torch.addmm(lengths[start:], centred[start:end], centred[start:].T, alpha=-2)  # (b, B - start)
        strip += lengths[start:end, None]
        corner = strip[:, : end - start]
        corner.copy_(torch.maximum(corner, corner.T)).fill_diagonal_(torch.inf)
        _mend(strip, rows[start:], lengths[start:])
        corner.fill_diagonal_(0)
        if root:
            strip.sqrt_()
        if step == count:
            return strip
        values[start:end, start:] = strip
        values[end:, start:end] = strip[:, end - start :].T
    return values


def _mend(strip: Tensor, rows: Tensor, lengths: Tensor) -> None:
    """Overwrites the entries of a strip that cancel; its own rows are the first of `rows`."""
    own = lengths[: strip.shape[0]]
    # Rows first, by a limit that is never too low: with spread-out points no row is suspect and this is all.
    suspects = (strip.amin(dim=1) < CANCELS_BELOW * (own + lengths.max())).nonzero()[:, 0]
    if not suspects.shape[0]:
        return
    doubtful = strip[suspects] < CANCELS_BELOW * (own[suspects, None] + lengths)
    row, column = doubtful.nonzero(as_tuple=True)
    row = suspects[row]
    if row.shape[0] > strip.numel() // 8:
        strip.copy_(_squared_by_differences(rows[: strip.shape[0]], rows))
        return
    step = max(1, BLOCK // rows.shape[1])
    for i, j in zip(torch.split(row, step), torch.split(column, step), strict=True):
        strip[i, j] = (rows[i] - rows[j]).square_().sum(dim=1)
