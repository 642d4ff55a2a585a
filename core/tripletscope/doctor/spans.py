"""Stretches of steps in which something holds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

Span = tuple[int, int | None]
#: Odd batches that are passed over inside a stretch. More would chain chance hits of a noisy number together.
ODD_STEPS = 2


def spans(holds: Bool[np.ndarray, " S"], lasting: int) -> list[Span]:
    """(first step, step at which it was over) of every stretch that lasts; the end is None where it still holds.

    One or two steps in which it does not hold are passed over. A stretch lasts when it has `lasting` steps, and two
    that lie no farther apart than that are one.

    Example:
        >>> spans(np.array([1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1], bool), lasting=3)
        [(0, None)]
        >>> spans(np.array([1, 0, 1, 1, 0, 0, 0, 0, 1, 1], bool), lasting=3)
        [(0, 4)]
    """
    found: list[tuple[int, int]] = []  # (first, last) step
    for first, last in _joined(_stretches(holds), ODD_STEPS):
        if last - first + 1 >= lasting:
            found.append((first, last))
    at_end = len(holds) - 1
    return [(first, None if at_end - last <= ODD_STEPS else last + 1) for first, last in _joined(found, lasting)]


def longest(found: list[Span], count: int, total: int) -> list[Span]:
    """The `count` longest of them in order of their steps, in a run of `total` steps; the earliest of equals."""
    by_length = sorted(found, key=lambda span: (span[0] - (total if span[1] is None else span[1]), span[0]))
    return sorted(by_length[:count], key=lambda span: span[0])


def _stretches(holds: Bool[np.ndarray, " S"]) -> list[tuple[int, int]]:
    """(first, last) of every stretch without a pause."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [(int(first), int(end) - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def _joined(parts: list[tuple[int, int]], pause: int) -> list[tuple[int, int]]:
    """The same with those joined that have at most `pause` steps between them."""
    joined: list[tuple[int, int]] = []
    for first, last in parts:
        if joined and first - joined[-1][1] - 1 <= pause:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
