"""`neighbour_graph`: the nearest neighbours of every row of a set, of whatever class, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np

from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.mining.approximate import Approximate
from tripletscope.mining.search import nearest
from tripletscope.mining.shard import Report, Shard

#: Up to so many rows every row is compared with every other.
EXACT_UP_TO = 50_000
SEARCHES = ("auto", "exact", "approximate")


def neighbour_graph(
    vectors: Any,
    k: int,
    *,
    distance: str = "cosine",
    search: str = "auto",
    seed: int = 0,
    threads: int = 1,
    progress: Report | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """(index (N, k) int32, distance (N, k) float32, recall): the k nearest other rows of every row, nearest first.

    Rows at equal distances come in their order. The recall of an exact search is 1.0, that of an approximate one is
    measured on 2,000 rows. Lists of a set with fewer than k other rows end with -1 and inf.

    Args:
        vectors: (N, D) numbers, finite.
        k: at least 1.
        distance: "euclidean", "squared-euclidean" or "cosine".
        search: "exact", "approximate", or "auto", which is exact up to EXACT_UP_TO rows.
        seed: of an approximate search.
        threads: searching at once, which changes no answer.
        progress: called as progress(done, all) while it works; what it raises ends the work.

    Raises:
        DataError: vectors that are no (N, D), or have a number that is not finite.
        SettingError: k below 1.
        UnknownNameError: for any other distance or search.

    Example:
        >>> index, far, recall = neighbour_graph(np.array([[0.0], [1.0], [3.0], [7.0]]), 2, distance="euclidean")
        >>> index.tolist(), far[3].tolist(), recall
        ([[1, 2], [0, 2], [1, 0], [2, 1]], [4.0, 6.0], 1.0)
    """
    if search not in SEARCHES:
        raise UnknownNameError("search", search, SEARCHES)
    if k < 1:
        raise SettingError(f"k is {k}; ask for at least 1 neighbour.")
    rows = np.asarray(vectors)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise DataError(f"The vectors have the shape {rows.shape} and type {rows.dtype}; give numbers, (N, D).")
    _check_finite(rows)
    shard = Shard(rows, np.arange(len(rows)), distance=distance, threads=threads)  # each row a class of its own
    everyone = shard.queries(slice(None))
    if search == "exact" or (search == "auto" and len(rows) <= EXACT_UP_TO):
        found, recall = nearest(everyone, shard, k, progress=progress), 1.0
    else:
        roughly = Approximate(shard, seed)
        found = roughly.nearest(everyone, k, progress=progress)
        recall = 1.0 if roughly.quality is None else roughly.quality.recall
    return found.row.astype(np.int32), found.distance, recall


def _check_finite(rows: np.ndarray) -> None:
    block = max(1, 2**22 // max(1, rows.shape[1]))
    for at in range(0, len(rows), block):
        with np.errstate(over="ignore"):
            good = np.isfinite(rows[at : at + block].astype(np.float32)).all(axis=1)
        if not good.all():
            raise DataError(
                f"Row {at + int(np.flatnonzero(~good)[0])} of the vectors has a number that is not finite, or too "
                "large for float32: leave the row out."
            )
