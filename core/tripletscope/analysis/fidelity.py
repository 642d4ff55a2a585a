"""How far a map can be believed, and what truly moved: numbers beside the picture.

A map in two dimensions has to give something up. `fidelity` says what share of each sample's nearest neighbours are
also its nearest on the map, and how many strangers the map puts near a sample (trustworthiness). `moved` and `stayed`
are taken in the embedding itself, so that a point that merely slides on a map can be told from one that moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from tripletscope.analysis.neighbours import Neighbours, Points, nearest

NEIGHBOURS = 15
#: Beyond this many samples, trustworthiness is the mean over so many evenly spaced ones (each against all others).
MOST_ROWS = 5_000
#: Distances are held in blocks of this many numbers (1 MiB), which stay in a core's cache.
_BLOCK = 2**17
#: Points that kept at least this share of their neighbours count for `jitter`.
STABLE = 0.6


@dataclass(frozen=True)
class Fidelity:
    """What a map keeps of one frame; NaN where the question has no answer (fewer than 4 samples, all points equal).

    Attributes:
        kept: mean share of the k nearest neighbours that are among the k nearest on the map, 0 to 1.
        trust: trustworthiness, 1 when the map puts nobody near who is not near.
    """

    kept: float
    trust: float


def fidelity(
    frame: Float[np.ndarray, "N D"],
    shown: Float[np.ndarray, "N 2"],
    *,
    distance: str = "euclidean",
    k: int = NEIGHBOURS,
    neighbours: Neighbours | None = None,
) -> Fidelity:
    """What the map `shown` keeps of the frame's neighbourhoods.

    Trustworthiness is 1 - 2 / (N k (2N - 3k - 1)) times the sum, over the k nearest on the map of every sample, of how
    far beyond k they rank in the frame. With fewer than 2k + 2 samples, k is as large as it can be. At equal distances
    a neighbour gets the best rank it could have.

    Args:
        frame: embedding; rows that are not finite, here or on the map, are left out.
        shown: the same samples on the map.
        distance: of the run.
        k: neighbours.
        neighbours: the frame's, with at least k to a row, if they are known already.

    Source: Venna and Kaski 2001, "Neighborhood preservation in nonlinear projection methods".

    Example:
        >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.1], [9.0, 9.0], [9.0, 8.0], [8.0, 9.1]])
        >>> fidelity(corners, 7 * corners, k=2)
        Fidelity(kept=1.0, trust=1.0)
    """
    good = np.isfinite(frame).all(axis=1) & np.isfinite(shown).all(axis=1)
    frame, shown = np.asarray(frame)[good], np.asarray(shown)[good]
    k = min(k, (len(frame) - 1) // 2)
    if k < 1 or not (frame != frame[0]).any():
        return Fidelity(float("nan"), float("nan"))
    if neighbours is None or not good.all():
        neighbours = nearest(frame, k, distance)
    near, on_map = neighbours.index[:, :k], nearest(shown, k).index
    known = (on_map[:, :, None] == near[:, None, :]).any(axis=2)  # (N, k)
    some = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), MOST_ROWS)).astype(np.int64))
    excess = _excess(Points.of(frame, distance).values, some, on_map, known, k)
    scale = 2.0 / (len(some) * k * (2 * len(frame) - 3 * k - 1))
    return Fidelity(float(known.mean()), 1.0 - scale * excess)


def _excess(values: np.ndarray, some: np.ndarray, on_map: np.ndarray, known: np.ndarray, k: int) -> float:
    """The sum of ranks beyond k, over those neighbours on the map that are none in the frame."""
    from tripletscope.analysis.umap_kernel import ranks_beyond

    lengths, left = np.einsum("nd,nd->n", values, values), -2 * values
    total = 0.0
    step = max(1, _BLOCK // len(values))
    for start in range(0, len(some), step):
        rows = some[start : start + step]
        squared = left[rows] @ values.T  # (b, N); the row's own length would change no rank
        squared += lengths
        total += ranks_beyond(squared, rows, on_map[rows], known[rows], k)
    return total


def moved_through_time(frames: Sequence[Float[np.ndarray, "N D"]]) -> Float32[np.ndarray, "F N"]:
    """(F, N) how far each sample moved since the frame before, in the unit of the embedding; NaN in the first frame.

    Example:
        >>> moved_through_time([np.zeros((1, 2)), np.array([[3.0, 4.0]])]).tolist()
        [[nan], [5.0]]
    """
    moved = np.full((len(frames), len(frames[0]) if len(frames) else 0), np.nan, np.float32)
    for f in range(1, len(frames)):
        apart = np.asarray(frames[f], dtype=np.float64) - np.asarray(frames[f - 1], dtype=np.float64)
        moved[f] = np.linalg.norm(apart, axis=1)
    return moved


def jitter(positions: Float[np.ndarray, "F N 2"], stayed: Float[np.ndarray, "F N"]) -> Float32[np.ndarray, " G"]:
    """(F - 1,) how far a map moves points between two frames that have no reason to move, in diameters of the map.

    That is the mean displacement of the samples that kept at least `STABLE` of their neighbours. The diameter is
    twice the 95th percentile of the distance from the centre, averaged over the two frames. NaN where nobody stayed.

    Args:
        positions: on the map.
        stayed: (F, N), of `aligned_umap.stayed_through_time`.
    """
    found = np.full(max(len(positions) - 1, 0), np.nan, np.float32)
    for f in range(1, len(positions)):
        before, after = positions[f - 1], positions[f]
        stable = (stayed[f] >= STABLE) & np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
        if stable.any():
            size = _diameter(before) + _diameter(after)
            apart = np.linalg.norm(after[stable] - before[stable], axis=1).mean()
            found[f - 1] = 2 * apart / size if size > 0 else 0.0
    return found


def _diameter(shown: np.ndarray) -> float:
    good = shown[np.isfinite(shown).all(axis=1)].astype(np.float64)
    return float(2 * np.percentile(np.linalg.norm(good - good.mean(axis=0), axis=1), 95))
