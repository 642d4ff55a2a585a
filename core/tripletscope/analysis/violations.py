"""How many triplets violate the margin, over time: by class, by pair of classes, and how far by.

Counted over every triplet of the cohort, whose members are the same at every frame, so that a number that changes is
the embedding's doing and not that of another batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from tripletscope.analysis.cohort import cohort, distances_within
from tripletscope.analysis.probe import probe_labels
from tripletscope.store.reader import Run
from tripletscope.zones import gaps

#: Pairs of classes that are kept at each frame.
MOST_PAIRS = 100

# The histogram: from 4 margins below to 12 above, eight bins to a margin; the same for all runs of one margin.
LOWEST, HIGHEST, BINS_PER_MARGIN = -4, 12, 8

# Triplets are looked at in blocks of about this many: half a megabyte, which stays in the cache.
BLOCK = 2**17


@dataclass(frozen=True)
class FrameViolations:
    """Counts over all triplets of a set of samples at one frame; A classes by number, K bins.

    Attributes:
        eligible: triplets by the anchor's class.
        violating: those with gap < margin.
        hard: those with gap <= 0.
        pairs: (anchor's class, negative's class), those with most violating triplets first.
        pair_violating: violating triplets of each of these pairs.
        pair_eligible: all triplets of each of these pairs.
        gaps: triplets by bin of `gap_edges`.
    """

    eligible: Int64[np.ndarray, " C"]
    violating: Int64[np.ndarray, " C"]
    hard: Int64[np.ndarray, " C"]
    pairs: Int64[np.ndarray, "M 2"]
    pair_violating: Int64[np.ndarray, " M"]
    pair_eligible: Int64[np.ndarray, " M"]
    gaps: Int64[np.ndarray, " K"]


def gap_edges(margin: float) -> Float64[np.ndarray, " edges"]:
    """The edges of the histogram of gaps, in the unit of the distance; 0 and the margin are among them exactly.

    Bin k holds edges[k] <= gap < edges[k + 1], with two exceptions: the first and the last bin are open to the
    outside, and a gap of exactly 0 lies below the edge 0, because it is hard. So the bins below 0 sum to the hard
    triplets, and those below the margin to the violating ones.

    Example:
        >>> edges = gap_edges(0.2)
        >>> len(edges), edges[[0, -1]].round(6).tolist(), 0.0 in edges, 0.2 in edges
        (129, [-0.8, 2.4], True, True)
    """
    places = np.arange(LOWEST * BINS_PER_MARGIN, HIGHEST * BINS_PER_MARGIN + 1)
    return np.asarray(places * margin / BINS_PER_MARGIN, np.float64)


def frame_violations(
    distances: Float32[np.ndarray, "A A"], labels: Int64[np.ndarray, " A"], *, classes: int, margin: float
) -> FrameViolations:
    """Counts over every triplet of these samples; exact, ties included.

    A zone is read off the gap rounded to float32, as everywhere. Memory is that of the distances and of a few
    blocks of triplets. Gaps that are no number (a frame with NaN) are in no count but `eligible`.

    Args:
        distances: smaller is closer.
        labels: class of each sample, 0 ... classes - 1.
        classes: C, the number of classes that there are names for.
        margin: above 0, in the unit of the distances.

    Example:
        >>> distances = distances_within(np.array([[0.0], [1.0], [1.5], [9.0]]), "euclidean")
        >>> told = frame_violations(distances, np.array([0, 0, 1, 2]), classes=3, margin=1.0)
        >>> told.eligible.tolist(), told.violating.tolist(), told.hard.tolist()
        ([4, 0, 0], [2, 0, 0], [1, 0, 0])
        >>> told.pairs[0].tolist(), told.pair_violating[0].item(), told.pair_eligible[0].item()
        ([0, 1], 2, 2)
    """
    order = np.argsort(labels, kind="stable")
    present, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    within = distances[np.ix_(order, order)]
    edges, limit = gap_edges(margin).astype(np.float32), np.float32(margin)
    zero = -LOWEST * BINS_PER_MARGIN
    below = np.zeros(len(edges), np.int64)  # gaps below each edge
    numbers = 0
    hard, wrong = np.zeros(classes, np.int64), np.zeros((len(present), len(present)), np.int64)
    for k, (start, size) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        own = slice(start, start + size)
        if size < 2 or len(present) < 2:
            continue
        others = np.delete(np.arange(len(present)), k)
        # Where each other class begins once this one is cut out.
        begins = starts[others] - np.where(others > k, size, 0)
        for gap in _blocks(within[own], own):
            wrong[k, others] += np.add.reduceat(_column_counts(gap < limit), begins)
            hard[present[k]] += np.count_nonzero(gap <= 0)
            # Sorted once, a block answers for every edge: NumPy sorts float32 faster than it fills bins exactly.
            flat = gap.reshape(-1)
            flat.sort()
            below += np.searchsorted(flat, edges)
            numbers += int(np.searchsorted(flat, np.float32(np.inf), side="right"))
    below[zero] = hard.sum()
    by_bin = np.diff(np.concatenate([[0], below[1:-1], [numbers]]))

    eligible = (counts * (counts - 1))[:, None] * counts
    np.fill_diagonal(eligible, 0)
    per_class = np.zeros((2, classes), np.int64)
    per_class[0, present], per_class[1, present] = eligible.sum(axis=1), wrong.sum(axis=1)
    first, second = np.nonzero(eligible)
    best = np.argsort(-wrong[first, second], kind="stable")[:MOST_PAIRS]
    first, second = first[best], second[best]
    return FrameViolations(
        eligible=per_class[0],
        violating=per_class[1],
        hard=hard,
        pairs=np.stack([present[first], present[second]], axis=1).astype(np.int64),
        pair_violating=wrong[first, second],
        pair_eligible=eligible[first, second],
        gaps=by_bin,
    )


def violations(run: Run) -> list[FrameViolations]:
    """For each frame the counts over all triplets of the run's cohort.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> told = violations(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> len(told), told[0].eligible.sum().item(), told[-1].gaps.sum().item()
        (40, 2856960, 2856960)
    """
    members = cohort(run)
    labels, classes = probe_labels(run)[members], len(run.samples.class_names)
    return [
        frame_violations(distances, labels, classes=classes, margin=run.margin)
        for distances in cohort_distances(run, members)
    ]


def cohort_distances(run: Run, members: Int64[np.ndarray, " A"]) -> Iterator[Float32[np.ndarray, "A A"]]:
    """The distances within the cohort at one frame after the other."""
    for step in run.frame_steps:
        with np.errstate(invalid="ignore"):  # a run that has diverged is shown as far as it has numbers
            yield distances_within(np.asarray(run.frames[step][members], np.float32), run.distance)


def _column_counts(marked: Bool[np.ndarray, "n p N"]) -> Int64[np.ndarray, " N"]:
    """How many are marked in each column; in steps that fit uint16, which NumPy adds up several times faster."""
    flat = marked.reshape(-1, marked.shape[2]).view(np.uint8)
    total = np.zeros(flat.shape[1], np.int64)
    for start in range(0, len(flat), 2**16 - 1):
        total += flat[start : start + 2**16 - 1].sum(axis=0, dtype=np.uint16)
    return total


def _blocks(rows: Float32[np.ndarray, "n A"], own: slice) -> Iterator[Float[np.ndarray, "n p N"]]:
    """The gaps of all triplets whose anchor is one of these rows; `own` says which columns are of their class."""
    positives = rows[:, own]
    size = len(rows)
    # Each row without its own entry: what is left of the square once the diagonal is gone.
    positives = positives[~np.eye(size, dtype=bool)].reshape(size, size - 1)
    negatives = np.concatenate([rows[:, : own.start], rows[:, own.stop :]], axis=1)
    step = max(1, BLOCK // max(1, (size - 1) * negatives.shape[1]))
    for start in range(0, size, step):
        some = slice(start, start + step)
        with np.errstate(invalid="ignore"):
            yield gaps(positives[some, :, None], negatives[some, None, :])  # (n, p, N)
