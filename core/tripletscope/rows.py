"""Searches along the rows of a matrix, each in two ways: NumPy where the matrix is on a CPU, torch elsewhere.

These few searches are nearly all that mining costs. On a CPU, torch's comparisons into masks, its argmin and its
nonzero take five to twenty times as long as NumPy's, and both look at the same memory, so nothing is copied.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor


def on_cpu(values: Tensor) -> bool:
    """Whether NumPy can look at the tensor where it is."""
    return values.device.type == "cpu"


def first_smallest(values: Float[Tensor, "rows columns"]) -> Int[Tensor, " rows"]:
    """The column of each row's smallest value; among equals the first. 0 for rows without columns.

    Example:
        >>> first_smallest(torch.tensor([[3.0, 1.0, 1.0]]))
        tensor([1])
    """
    if not values.numel():
        return torch.zeros(values.shape[0], dtype=torch.int64, device=values.device)
    if on_cpu(values):
        return torch.from_numpy(values.numpy().argmin(axis=1))
    return values.argmin(dim=1)


def first_above(values: Float[Tensor, "rows columns"], floors: Float[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """The column of each row's smallest value above its floor; among equals the first.

    Where no value is above the floor, some column whose value is not. Values and floors are not negative;
    `values` is used as scratch space.

    Example:
        >>> first_above(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([1.0]))
        tensor([2])
    """
    if not values.numel():
        return torch.zeros(values.shape[0], dtype=torch.int64, device=values.device)
    if on_cpu(values):
        # The bits of floats that are not negative, read as integers, keep their order. Minus the floor's bits and
        # minus one, read without a sign, whatever is not above the floor wraps around to the largest numbers.
        signed, unsigned = ("i4", "u4") if values.dtype == torch.float32 else ("i8", "u8")
        bits: NDArray[np.int64] = values.numpy().view(signed)
        bits -= floors.numpy().view(signed)[:, None] + 1
        return torch.from_numpy(bits.view(unsigned).argmin(axis=1))
    return values.masked_fill_(values <= floors[:, None], torch.inf).argmin(dim=1)


def kth_smallest(values: Float[Tensor, " n"], k: int) -> Float[Tensor, ""]:
    """The k-th smallest value, counted from 1.

    Example:
        >>> kth_smallest(torch.tensor([3.0, 1.0, 2.0]), 2)
        tensor(2.)
    """
    if on_cpu(values):
        return torch.from_numpy(np.partition(values.numpy(), k - 1))[k - 1]
    return values.kthvalue(k).values


def between(
    values: Float[Tensor, "rows columns"], low: float, high: Float[Tensor, ""]
) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
    """Row and column of every value above `low` and below `high`, row by row.

    Example:
        >>> between(torch.tensor([[0.0, 0.5, 1.0]]), 0.0, torch.tensor(1.0))
        (tensor([0]), tensor([1]))
    """
    if on_cpu(values):
        seen = values.numpy()
        return positions(torch.from_numpy((seen > low) & (seen < high.numpy())))
    return positions((values > low) & (values < high))


def positions(mask: Bool[Tensor, "rows columns"]) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
    """Row and column of every true entry, row by row.

    Example:
        >>> positions(torch.tensor([[False, True], [True, False]]))
        (tensor([0, 1]), tensor([1, 0]))
    """
    if on_cpu(mask):
        rows, columns = np.divmod(np.flatnonzero(mask.numpy()), max(1, mask.shape[1]))
        return torch.from_numpy(rows), torch.from_numpy(columns)
    found = mask.nonzero()
    return found[:, 0], found[:, 1]


def count_below(values: Float[Tensor, "rows columns"], limit: Float[Tensor, ""], *, closed: bool) -> int:
    """How many values are below the limit; with `closed`, how many are not above it.

    Example:
        >>> values = torch.tensor([[0.0, 0.5, 1.0]])
        >>> count_below(values, torch.tensor(0.5), closed=False), count_below(values, torch.tensor(0.5), closed=True)
        (1, 2)
    """
    if on_cpu(values):
        seen, bar = values.numpy(), limit.numpy()
        return int(np.count_nonzero(seen <= bar if closed else seen < bar))
    return int(torch.count_nonzero(values <= limit if closed else values < limit))


def row_histograms(
    rows: Int[Tensor, " n"], values: Float[Tensor, "n columns"], height: int, cells: int
) -> Int[Tensor, "height cells"]:
    """How many values of each row lie in [0, 1), [1, 2) and so on; the last cell also takes what is larger. On the CPU.

    Args:
        rows: for each line of `values`, the row that it counts for.
        values: not negative.
        height: number of rows.
        cells: number of cells of a row.

    Example:
        >>> row_histograms(torch.tensor([0, 0]), torch.tensor([[0.5], [9.0]]), height=2, cells=3)
        tensor([[1, 0, 1],
                [0, 0, 0]])
    """
    if on_cpu(values):
        keys = np.fmin(values.numpy(), cells - 1).astype(np.int32)  # made in a third of the time of int64
        keys += (rows.numpy() * cells).astype(np.int32)[:, None]
        return torch.from_numpy(np.bincount(keys.ravel(), minlength=height * cells)).view(height, cells)
    cell = values.clamp(max=cells - 1).to(torch.int64) + rows[:, None] * cells
    return torch.bincount(cell.flatten(), minlength=height * cells).view(height, cells).cpu()
