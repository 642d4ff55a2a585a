"""The inner loop of the layout, compiled: attraction along edges, repulsion from random points, a spring to a place.

Importing this module imports numba, a second on a laptop, so it is imported where a layout is really computed. The
first call in the life of an installation compiles (two seconds), later processes read the compiled code from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np

#: The curve 1 / (1 + a d^(2b)) that UMAP fits for min_dist = 0.1 and spread = 1 (McInnes et al. 2018, section 4.3).
A, B = 1.5769434, 0.8950608
#: No coordinate moves further than this in one push, before the learning rate.
CLIP = 4.0


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code, kept on disk where a folder can be written and in memory otherwise."""
    try:
        return numba.njit(cache=True, fastmath=True)(function)
    except RuntimeError:  # numba finds no folder to keep it in
        return numba.njit(fastmath=True)(function)


@compiled
@no_type_check
def run_epochs(positions, head, tail, every, next_edge, start, hold, rate, first, last, epochs, repel, seed):
    """Nothing; `positions` (N, 2) float32 have gone through the epochs first <= epoch < last, in place.

    One thread and one order, so the same input gives the same bits.

    Args:
        positions: of the points.
        head: (E,) one end of each edge; both directions are listed.
        tail: (E,) the other end.
        every: (E,) an edge pulls once in so many epochs, the strongest in each.
        next_edge: (E,) when it pulls next; goes on from call to call.
        start: (N, 2) where the spring pulls to.
        hold: (N,) share of the way to `start` that a point is pulled after each epoch.
        rate: learning rate at epoch 0; it falls to 0 on a straight line.
        first: epoch to begin with.
        last: epoch to stop before.
        epochs: of the whole descent.
        repel: random points that push, for each pull.
        seed: of the random points.
    """
    count = positions.shape[0]
    state = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(first + 1)
    a, b, clip = np.float32(A), np.float32(B), np.float32(CLIP)
    one, tiny, two = np.float32(1), np.float32(0.001), np.float32(2)
    for epoch in range(first, last):
        alpha = np.float32(rate * (1.0 - epoch / epochs))
        for edge in range(head.shape[0]):
            if next_edge[edge] > epoch:
                continue
            next_edge[edge] += every[edge]
            i, j = head[edge], tail[edge]
            x, y = positions[i, 0], positions[i, 1]
            dx, dy = x - positions[j, 0], y - positions[j, 1]
            apart = dx * dx + dy * dy
            if apart > 0:
                power = apart**b
                pull = -two * a * b * power / (apart * (one + a * power))
                dx = min(max(pull * dx, -clip), clip) * alpha
                dy = min(max(pull * dy, -clip), clip) * alpha
                x += dx
                y += dy
                positions[j, 0] -= dx
                positions[j, 1] -= dy
            for _ in range(repel):
                # splitmix64: a counter put through a mixer; no state that could be correlated between frames.
                state += np.uint64(0x9E3779B97F4A7C15)
                mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                k = np.int64(((mixed >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))
                dx, dy = x - positions[k, 0], y - positions[k, 1]
                apart = dx * dx + dy * dy
                if apart > 0:
                    push = two * b / ((tiny + apart) * (one + a * apart**b))
                    x += min(max(push * dx, -clip), clip) * alpha
                    y += min(max(push * dy, -clip), clip) * alpha
            positions[i, 0] = x
            positions[i, 1] = y
        for i in range(count):
            positions[i, 0] += hold[i] * (start[i, 0] - positions[i, 0])
            positions[i, 1] += hold[i] * (start[i, 1] - positions[i, 1])


@compiled
@no_type_check
def ranks_beyond(squared, rows, on_map, known, k):
    """How far beyond k the neighbours on a map rank in the space, summed over those that are no neighbours there.

    Args:
        squared: (b, N) from each of some samples to all.
        rows: (b,) which samples they are.
        on_map: (b, k) their nearest on the map.
        known: (b, k) whether these are among the k nearest in the space, and so count nothing.
        k: neighbours.
    """
    total = 0
    for i in range(squared.shape[0]):
        line = squared[i]
        line[rows[i]] = np.finfo(np.float64).max  # oneself; fast arithmetic knows no infinity
        for slot in range(on_map.shape[1]):
            if known[i, slot]:
                continue
            limit, nearer = line[on_map[i, slot]], 0
            for j in range(line.shape[0]):
                nearer += line[j] < limit
            total += max(nearer + 1 - k, 0)
    return total
