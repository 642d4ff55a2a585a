"""How good an embedding is at retrieval, and how far it has collapsed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int32
from numpy.typing import NDArray
from torch import Tensor

from tripletscope.distances import DISTANCES

BLOCK_ENTRIES = 2**18  # (queries x N) distances held at once: 16 MB in float64
FEW_DIMENSIONS = 4  # up to here differences, coordinate by coordinate, cost less than a matrix product
CANCELS_BELOW = 1e-9  # of (|a|² + |b|²): there the product, right to 1e-16 of it, has lost float32's digits


def retrieval(
    embeddings: Float[Tensor, "N D"] | Float[np.ndarray, "N D"],
    labels: Int[Tensor, "N"] | Int[np.ndarray, "N"],
    distance: str = "euclidean",
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    """Recall@K, R-Precision and MAP@R of the set searched with each of its own samples, in [0, 1].

    Every sample is a query; the others are ranked by distance to it, and the query itself is left out. With R other
    members of its class: Recall@K asks whether one of them is among the first K, R-Precision is their share among the
    first R, and MAP@R also asks how early they come. A query that is alone in its class has nothing to find and is
    left out of all means.

    Exact, in blocks of queries. Ranks are by the squared distance rounded to float32; ties are put in an order that
    is fixed and has nothing to do with the order of the rows. So a set collapsed to one point scores what guessing
    would. (By lowest row, the digits, which come in runs of 0 to 9, would collapse to a Recall@10 of .995.)

    Args:
        embeddings: one row per sample.
        labels: class of each row.
        distance: of the run. (Euclidean and squared Euclidean rank alike.)
        ks: which K.

    Returns:
        `recall_at_K` for each K, `r_precision` and `map_at_r`. All are NaN when no query has anything to find, or
        an embedding is not finite.

    Raises:
        UnknownNameError: when there is no such distance.

    Source: Musgrave, Belongie and Lim 2020, "A Metric Learning Reality Check", §3.2.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [1.5], [5.0]])
        >>> retrieval(points, torch.tensor([0, 0, 1, 1]), ks=(1, 2))
        {'recall_at_1': 0.5, 'recall_at_2': 0.75, 'r_precision': 0.5, 'map_at_r': 0.5}
    """
    codes = np.unique(labels.cpu().numpy() if isinstance(labels, Tensor) else labels, return_inverse=True)[1]
    relevant = np.bincount(codes)[codes] - 1  # R of each query
    queries = np.flatnonzero(relevant > 0)
    names = [*(f"recall_at_{k}" for k in ks), "r_precision", "map_at_r"]
    rows = _prepared(embeddings, unit=DISTANCES.get(distance).name == "cosine")
    if not len(queries) or not bool(torch.isfinite(rows).all()):
        return dict.fromkeys(names, math.nan)
    deepest = min(max(*ks, int(relevant.max())), len(codes) - 1)
    shuffled = np.random.default_rng(0).permutation(len(codes)).astype(np.int32)
    code_at = codes[np.argsort(shuffled)]  # class by place among ties
    totals = np.zeros(len(names))
    for block, squared in _squared_blocks(rows, queries):
        found = code_at[_nearest(squared, block, shuffled, deepest)] == codes[block][:, None]
        totals += _scores(found, relevant[block], ks)
    return dict(zip(names, (totals / len(queries)).tolist(), strict=True))


def _scores(found: Bool[np.ndarray, "Q K"], relevant: Int[np.ndarray, "Q"], ks: Sequence[int]) -> NDArray[np.float64]:
    """The summed scores of Q queries, whose hits are given by rank."""
    ranks = np.arange(1, found.shape[1] + 1, dtype=np.float32)
    so_far = np.cumsum(found, axis=1, dtype=np.float32)  # counts below 2**24: exact
    first_hit = np.where(found.any(axis=1), found.argmax(axis=1), found.shape[1])
    recalls = [float((first_hit < k).sum()) for k in ks]
    within = found & (ranks <= relevant[:, None])
    r_precision = float((so_far[np.arange(len(found)), relevant - 1] / relevant).sum(dtype=np.float64))
    precision = np.where(within, so_far / ranks, 0).sum(axis=1, dtype=np.float64)
    return np.array([*recalls, r_precision, float((precision / relevant).sum())])


def _nearest(
    squared: Float32[np.ndarray, "Q N"],
    queries: Int[np.ndarray, "Q"],
    shuffled: Int32[np.ndarray, "N"],
    deepest: int,
) -> Int32[np.ndarray, "Q K"]:
    """The rows nearest to each query, without itself, nearest first, as their places in `shuffled`.

    One 64-bit key holds the distance in its high half (bits of floats that are not negative sort like the floats) and
    the row's place among ties in its low half. Whole numbers are sorted in place, ties and all, several times faster
    than indices are sorted by a float.
    """
    keys = np.empty(squared.shape, dtype=np.int64)
    low, high = (0, 1) if sys.byteorder == "little" else (1, 0)
    halves = keys.view(np.int32).reshape(*squared.shape, 2)
    halves[..., high] = squared.view(np.int32)
    # Exclusive or with a number of its own: each query meets tied rows in another order.
    own = shuffled[queries][:, None]
    np.bitwise_xor(shuffled, own, out=halves[..., low])
    keys[np.arange(len(queries)), queries] = np.iinfo(np.int64).max  # the query itself comes last
    keys.partition(deepest - 1, axis=1)
    first = keys[:, :deepest].copy()
    first.sort(axis=1)
    nearest: Int32[np.ndarray, "Q K"] = first.view(np.int32).reshape(*first.shape, 2)[..., low] ^ own
    return nearest


def _squared_blocks(
    rows: Float[Tensor, "N D"], queries: Int[np.ndarray, "Q"]
) -> Iterator[tuple[Int[np.ndarray, "M"], Float32[np.ndarray, "M N"]]]:
    """Blocks of queries and their squared Euclidean distances to all rows, right to float32's last digits."""
    lengths = rows.square().sum(dim=1)
    for block in np.array_split(queries, max(1, math.ceil(len(queries) * len(rows) / BLOCK_ENTRIES))):
        at = torch.from_numpy(block)
        if rows.shape[1] <= FEW_DIMENSIONS:
            first, *others = rows.T
            squared = (first[at, None] - first).square_()
            for coordinate in others:
                apart = coordinate[at, None] - coordinate
                squared.addcmul_(apart, apart)
        else:
            sums = lengths[at, None] + lengths
            squared = torch.addmm(sums, rows[at], rows.T, alpha=-2)
            # NumPy finds the few set entries of a mask ten times faster than torch.
            i, j = map(torch.from_numpy, np.nonzero((squared < sums.mul_(CANCELS_BELOW)).numpy()))
            for start in range(0, len(i), 2**16):
                part = slice(start, start + 2**16)
                squared[i[part], j[part]] = (rows[at[i[part]]] - rows[j[part]]).square_().sum(dim=1)
        yield block, squared.float().abs_().numpy()  # -0.0 would sort as the largest of all


def _prepared(embeddings: Tensor | NDArray[np.floating], *, unit: bool) -> Float[Tensor, "N D"]:
    """The rows, scaled and moved so that squares neither leave float32's range nor cancel; no order changes."""
    held = embeddings.detach().cpu() if isinstance(embeddings, Tensor) else torch.from_numpy(np.array(embeddings))
    rows = held.double()
    if unit:
        rows = torch.nn.functional.normalize(rows, dim=1)
    largest = float(rows.abs().max()) if rows.numel() else 0.0
    if math.isfinite(largest):
        rows = rows * 2.0 ** min(1000, -math.frexp(largest)[1])  # a power of two: exact
    if rows.shape[1] <= FEW_DIMENSIONS and held.dtype != torch.float64:
        return rows.float()  # differences of float32 are exact enough, and twice as fast
    return rows - rows.mean(dim=0)
