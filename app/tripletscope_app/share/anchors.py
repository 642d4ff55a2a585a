"""Which anchors a shared page brings the picks of: there is no engine in it that could be asked about others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def evenly(labels: Int[np.ndarray, " n"], first: int, count: int) -> list[int]:
    """The first one, then of every class in turn, evenly spaced within the class; each once.

    A sample that is alone in its class is no anchor.

    Example:
        >>> evenly(np.array([0, 0, 0, 1, 1, 2]), first=3, count=4)
        [3, 0, 4, 2]
    """
    chosen = [int(first)]
    classes = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    orders = [[int(rows[place]) for place in _halving(len(rows))] for rows in classes if len(rows) > 1]
    for turn in range(max(map(len, orders), default=0)):
        for order in orders:
            if len(chosen) >= count:
                return chosen
            if turn < len(order) and order[turn] not in chosen:
                chosen.append(order[turn])
    return chosen


def _halving(count: int) -> list[int]:
    """0 ... count - 1 so that any beginning of the list is spread over all: first, last, middle, quarters."""
    found: list[int] = []
    parts = 1
    while len(found) < count:
        for place in np.linspace(0, count - 1, parts + 1).round().astype(int).tolist():
            if place not in found:
                found.append(place)
        parts *= 2
    return found
