"""The cohort: a fixed, class-balanced part of the probe set that numbers over time are taken from.

A recorded batch holds other samples at every step, so "did this anchor change its nearest negative?" has no answer
there. The cohort holds some of every class at every frame, and few enough that all its distances cost milliseconds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from tripletscope.analysis.probe import probe_labels
from tripletscope.seeding import derive_seed
from tripletscope.store.reader import Run

MOST, MOST_OF_A_CLASS, LEAST_OF_A_CLASS = 320, 32, 2

# Distances are taken in blocks of this many entries: 2 MiB in float64, and a few temporaries of that size.
BLOCK = 2**18
# Up to here differences, coordinate by coordinate, cost less than a matrix product.
FEW_DIMENSIONS = 4
# Of (|a|² + |b|²): a product in float64 that comes out smaller has lost float32's digits and is taken again.
CANCELS_BELOW = 1e-9


def draw_cohort(labels: Int64[np.ndarray, " N"], *, seed: int) -> Int64[np.ndarray, " A"]:
    """Places in `labels` of equally many samples of every class, ascending.

    With C classes that is 320 // C of each, but no more than 32 and no fewer than 2; a smaller class gives all it
    has. So more than 160 classes give 2 each, and more than 320 in all.

    Args:
        labels: the class of each sample.
        seed: decides the draw together with each class's label.

    Example:
        >>> drawn = draw_cohort(np.repeat(np.arange(50), 9), seed=0)
        >>> len(drawn), np.bincount(drawn // 9).min().item()
        (300, 6)
    """
    classes = np.unique(labels)
    if not len(classes):
        return np.empty(0, np.int64)
    each = min(max(MOST // len(classes), LEAST_OF_A_CLASS), MOST_OF_A_CLASS)
    drawn = []
    for label in classes.tolist():
        rng = np.random.default_rng(derive_seed(seed, "cohort", label))
        drawn.append(rng.permutation(np.flatnonzero(labels == label))[:each])
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def cohort(run: Run) -> Int64[np.ndarray, " A"]:
    """Probe indices of the run's cohort, ascending; the same at every frame, and in all runs of a race.

    See `draw_cohort`. Empty before the first frame.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> members = cohort(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> members.shape, members[:3].tolist()
        ((320,), [2, 6, 17])
    """
    return draw_cohort(probe_labels(run), seed=int(run.config.get("seed") or 0))


def cohort_title(run: Run) -> str:
    """What the cohort is, in words for a screen.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> cohort_title(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        '320 probe samples, 32 of each class, the same at every frame'
    """
    labels = probe_labels(run)
    if not len(labels):
        return "no probe samples"
    counts = np.unique(labels[cohort(run)], return_counts=True)[1]
    total = int(counts.sum())
    if total == len(labels):
        return f"all {total:,} probe samples, the same at every frame"
    largest = int(counts.max())
    each = f"{largest} of each class" if largest == counts.min() else f"at most {largest} of each class"
    return f"{total:,} probe samples, {each}, the same at every frame"


def distances_within(points: Float[np.ndarray, "A D"], distance: str) -> Float32[np.ndarray, "A A"]:
    """The named distance of every row to every row, right to float32's last digit, without torch.

    Where points lie close together, as in a collapsed embedding, distances are taken by differences, so rows that
    are equal are at distance 0 exactly and ties stay ties.

    Args:
        points: one row per sample.
        distance: "euclidean", "squared-euclidean" or "cosine" (1 - s; a row of zeros is 0.5 from everything).

    Example:
        >>> distances_within(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]]), "euclidean").tolist()
        [[0.0, 5.0, 5.0], [5.0, 0.0, 0.0], [5.0, 0.0, 0.0]]
    """
    rows = np.asarray(points, np.float64)
    if distance == "cosine":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    rows = rows - rows.mean(axis=0) if len(rows) else rows
    found = np.empty((len(rows), len(rows)), np.float32)
    step = max(1, BLOCK // max(1, len(rows)))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        squared = _squared(rows[block], rows)
        if distance == "euclidean":
            np.sqrt(squared, out=squared)
        found[block] = squared / 2 if distance == "cosine" else squared
    return found


def nearest_negative_turnover(
    frames: list[Float[np.ndarray, "A D"]], labels: Int64[np.ndarray, " A"], distance: str
) -> Float32[np.ndarray, " F"]:
    """For each frame the share of rows whose nearest row of another class is another one than at the frame before.

    A row whose former nearest negative is still as near as any other has not changed it, so a set that has fallen
    into one point stands still. NaN at the first frame, and everywhere if there is only one class.

    Example:
        >>> near, far = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [5.0], [3.0]])
        >>> nearest_negative_turnover([near, far], np.array([0, 1, 1]), "euclidean").round(2).tolist()
        [nan, 0.33...]
    """
    shares = np.full(len(frames), np.nan, np.float32)
    if len(np.unique(labels)) < 2:
        return shares
    same: Bool[np.ndarray, "A A"] = labels[:, None] == labels[None, :]
    at = np.arange(len(labels))
    former: Int64[np.ndarray, " A"] | None = None
    for f, frame in enumerate(frames):
        distances = distances_within(frame, distance)
        distances[same] = np.inf
        nearest = distances.argmin(axis=1)
        if former is not None:
            stays = distances[at, former] <= distances[at, nearest]
            shares[f] = 1 - stays.mean()
            nearest = np.where(stays, former, nearest)
        former = nearest
    return shares


def turnover(run: Run) -> Float32[np.ndarray, " F"]:
    """For each frame the share of the cohort whose nearest negative in the cohort is not that of the frame before.

    See `nearest_negative_turnover`; NaN at the first frame. Frames lie close together at the start of a run and far
    apart later, so equal shares mean faster change early on.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> shares = turnover(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> len(shares), bool(np.isnan(shares[0]))
        (40, True)
    """
    members = cohort(run)
    frames = [np.asarray(run.frames[step][members]) for step in run.frame_steps]
    return nearest_negative_turnover(frames, probe_labels(run)[members], run.distance)


def _squared(block: Float[np.ndarray, "M D"], rows: Float[np.ndarray, "A D"]) -> Float[np.ndarray, "M A"]:
    """Squared Euclidean distances; the points are centred, so that little cancels."""
    if rows.shape[1] <= FEW_DIMENSIONS:
        found = np.zeros((len(block), len(rows)))
        for k in range(rows.shape[1]):
            found += np.square(block[:, k, None] - rows[:, k])
        return found
    sums = np.square(block).sum(axis=1)[:, None] + np.square(rows).sum(axis=1)
    squared: Float[np.ndarray, "M A"] = sums - 2 * (block @ rows.T)
    i, j = np.nonzero(squared < CANCELS_BELOW * sums)
    part = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(i), part):
        some = slice(start, start + part)
        squared[i[some], j[some]] = np.square(block[i[some]] - rows[j[some]]).sum(axis=1)
    return squared
