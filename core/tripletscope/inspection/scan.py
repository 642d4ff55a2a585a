"""The inner loop of the neighbour graph, compiled: one walk over a tile of distances fills three short lists a row.

Importing this module imports numba, a second on a laptop, so it is imported where a graph is really computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code, kept on disk where a folder can be written and in memory otherwise."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba finds no folder to keep it in
        return numba.njit(nogil=True)(function)


@compiled
@no_type_check
def insert(far, place, row, value, column):
    """Nothing; puts a column in the row's list, which is sorted by distance and drops its last entry."""
    at = far.shape[1] - 1
    while at > 0 and far[row, at - 1] > value:
        far[row, at] = far[row, at - 1]
        place[row, at] = place[row, at - 1]
        at -= 1
    far[row, at] = value
    place[row, at] = column


@compiled
@no_type_check
def scan(tile, first, labels, near, near_at, other, other_at, same, same_at):
    """Nothing; the lists of the tile's rows hold the nearest rows of all, of other classes, and of their own.

    Args:
        tile: (T, N) squared distances of T rows to all N, float32.
        first: number of the tile's first row.
        labels: (N,) int32; -1 is no label, which is neither of the row's class nor of another.
        near: (T, K) float32, all inf to begin with.
        near_at: (T, K) int32 columns, all -1 to begin with.
        other: (T, L) like `near`, for rows of other classes.
        other_at: (T, L) like `near_at`.
        same: (T, M) like `near`, for rows of the same class.
        same_at: (T, M) like `near_at`.
    """
    last = near.shape[1] - 1
    last_other = other.shape[1] - 1
    last_same = same.shape[1] - 1
    for row in range(tile.shape[0]):
        mine = labels[first + row]
        # A negative or a positive is mostly farther than the k nearest: one comparison turns nearly all columns away.
        bound = near[row, last]
        if mine >= 0:
            bound = max(bound, other[row, last_other], same[row, last_same])
        for column in range(tile.shape[1]):
            value = tile[row, column]
            if value < bound and column != first + row:
                if value < near[row, last]:
                    insert(near, near_at, row, value, column)
                if mine >= 0:
                    theirs = labels[column]
                    if theirs == mine:
                        if value < same[row, last_same]:
                            insert(same, same_at, row, value, column)
                    elif theirs >= 0 and value < other[row, last_other]:
                        insert(other, other_at, row, value, column)
                    bound = max(near[row, last], other[row, last_other], same[row, last_same])
                else:
                    bound = near[row, last]
