"""What two embeddings of the same samples do not agree about: neighbourhoods, and places after the best rigid motion.

Two runs may end as turned or mirrored pictures of each other and be the same to every distance. So neighbours are
compared, which no rotation changes, and places only once one picture has been laid on the other as well as rotation,
reflection and shift can. Nothing is scaled: a space that has collapsed is a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int16, Int32, Int64

from tripletscope.analysis.neighbours import nearest
from tripletscope.errors import DataError

#: Neighbours that are compared, and samples in the list of those that changed most.
NEAREST, MOST_CHANGED = 15, 20


@dataclass(frozen=True)
class Difference:
    """What each sample has kept between two embeddings.

    Attributes:
        shared: how many of its k nearest neighbours are the same; -1 where a sample has no place in one of them.
        sizes: of how many neighbours in each embedding the sample has been compared.
        changed: 1 - Jaccard of the two neighbourhoods, 0 (the same) to 1 (all others); NaN where shared is -1.
        moved: distance between its two places after the best rigid motion, in the unit of the first; NaN likewise.
    """

    shared: Int16[np.ndarray, " N"]
    sizes: Int16[np.ndarray, "N 2"]
    changed: Float32[np.ndarray, " N"]
    moved: Float32[np.ndarray, " N"]

    @property
    def most_changed(self) -> Int64[np.ndarray, " M"]:
        """The 20 samples whose neighbourhoods changed most; of equals who moved farther, then the lower index."""
        known = np.flatnonzero(np.isfinite(self.changed))
        order = np.lexsort((known, -self.moved[known], -self.changed[known]))
        return known[order[:MOST_CHANGED]].astype(np.int64)


def difference(
    one: Float[np.ndarray, "N D"],
    other: Float[np.ndarray, "M E"],
    *,
    k: int = NEAREST,
    distance: str = "euclidean",
    other_distance: str | None = None,
) -> Difference:
    """How far two embeddings of the same samples, row by row, disagree.

    Args:
        one: one row a sample.
        other: the same samples in the same order, in as many dimensions as it likes.
        k: neighbours that are compared; with k or fewer other samples, all of them.
        distance: in which `one` was mined.
        other_distance: in which `other` was mined; the same when left out.

    Raises:
        DataError: when the two have not as many rows.

    Example:
        >>> line = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [6.0, 0.0]])
        >>> turned = line[:, ::-1] + 5
        >>> found = difference(line, turned, k=1)
        >>> found.changed.tolist(), found.moved.round(6).tolist()
        ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0])
    """
    if len(one) != len(other):
        raise DataError(
            f"The first embedding has {len(one):,} rows and the second {len(other):,}: only the same samples in the "
            "same order can be compared."
        )
    lists = [nearest(one, k, distance).index, nearest(other, k, other_distance or distance).index]
    both = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    shared = _shared(*lists)
    sizes = np.stack([(found >= 0).sum(axis=1) for found in lists], axis=1).astype(np.int16)
    union = sizes.sum(axis=1) - shared
    changed = np.where(union > 0, 1 - shared / np.maximum(union, 1), 0.0).astype(np.float32)
    changed[~both] = np.nan
    shared[~both] = -1
    moved = np.full(len(one), np.nan, np.float32)
    if both.any():
        moved[both] = np.linalg.norm(rigid(other[both], one[both]) - _padded(one[both], other.shape[1]), axis=1)
    return Difference(shared, sizes, changed, moved)


def _shared(one: Int32[np.ndarray, "N k"], other: Int32[np.ndarray, "N k"]) -> Int16[np.ndarray, " N"]:
    """How many numbers two lists have in common, row by row; -1 stands for nobody."""
    count = np.zeros(len(one), np.int16)
    for column in range(one.shape[1]):
        mine = one[:, column, None]
        count += ((other == mine) & (mine >= 0)).any(axis=1)
    return count


def _padded(points: Float[np.ndarray, "N D"], dimensions: int) -> Float64[np.ndarray, "N F"]:
    """The points with zeros for the dimensions that only the other embedding has."""
    missing = max(0, dimensions - points.shape[1])
    return np.pad(np.asarray(points, np.float64), ((0, 0), (0, missing)))


def rigid(points: Float[np.ndarray, "N D"], onto: Float[np.ndarray, "N E"]) -> Float64[np.ndarray, "N F"]:
    """The points, turned, mirrored and shifted so that they lie as near to `onto` as squares can tell; not scaled.

    Of fewer dimensions one is filled up with zeros, so the result has as many as the larger of the two.

    Source:
        Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 31 (1966), 1-10.

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> rigid(square @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 7, square).round(6).tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    mine, goal = _padded(points, onto.shape[1]), _padded(onto, points.shape[1])
    from_centre, to_centre = mine.mean(axis=0), goal.mean(axis=0)
    mine, goal = mine - from_centre, goal - to_centre
    u, _, v = np.linalg.svd(mine.T @ goal)
    laid: Float64[np.ndarray, "N F"] = mine @ (u @ v) + to_centre
    return laid
