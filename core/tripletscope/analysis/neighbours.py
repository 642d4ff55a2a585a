"""Who is near whom in the run's own space: the k nearest neighbours of every probe sample, at every frame.

FAISS finds candidates by |a|² + |b|² - 2ab, which is fast and cancels where points lie close together. So it is asked
for a few more than are wanted, their distances are computed again by differences, and a row whose list rounding could
have changed is looked at in full: what comes back is exact. In up to three dimensions a k-d tree finds them faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32

from tripletscope.errors import DataError, UnknownNameError

DISTANCES = ("euclidean", "squared-euclidean", "cosine")

#: Candidates beyond k + 1 (the sample finds itself): room for what rounding puts in the wrong order.
_SPARE = 8
#: A squared distance from a float32 product is wrong by less than this share of |a|² + |b|², up to 2,000 dimensions.
ROUNDING = 3e-6
#: Up to so many dimensions a k-d tree finds them faster.
_FLAT = 3
#: Differences are taken in blocks of this many numbers (1 MiB), which stay in a core's cache.
_BLOCK = 2**17


@dataclass(frozen=True)
class Neighbours:
    """The k nearest neighbours of every sample, nearest first; of equally near ones the lower index comes first.

    Attributes:
        index: (N, k) places in the frame; -1 where there is nobody: rows that are not finite, and too few samples.
        distance: (N, k) in the run's distance; inf where the index is -1.
    """

    index: Int32[np.ndarray, "N k"]
    distance: Float32[np.ndarray, "N k"]

    @property
    def usable(self) -> np.ndarray:
        """(N,) whether the sample has a position at all."""
        return np.asarray((self.index[:, :1] >= 0).any(axis=1))


@dataclass(frozen=True)
class Points:
    """A frame made ready for search: squared Euclidean distances order as the named distance does.

    Cosine distance orders as the Euclidean one between rows of length 1 (1 - s = d² / 2); a row of zeros has no
    direction and stays at the origin. The points are centred and scaled, so that a run that has contracted to 1e-20,
    or has drifted far from the origin, keeps its digits.

    Attributes:
        values: (N, D), the finite rows around 0 with a largest entry of 1; zeros in the other rows.
        finite: (N,) which rows are finite.
        scale: what a unit of `values` is in the unit of the frame (of its rows at length 1, with "cosine").
        distance: name of the distance.
    """

    values: Float64[np.ndarray, "N D"]
    finite: Bool[np.ndarray, " N"]
    scale: float
    distance: str

    @classmethod
    def of(cls, frame: Float[np.ndarray, "N D"], distance: str) -> Points:
        """The points of a frame; an UnknownNameError for another distance."""
        if distance not in DISTANCES:
            raise UnknownNameError("distance", distance, DISTANCES)
        points = np.array(frame, dtype=np.float64)
        good = np.asarray(np.isfinite(points).all(axis=1))
        points[~good] = 0.0
        if distance == "cosine":
            points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-300)
        reach = 0.0
        if good.any():
            points[good] -= points[good].mean(axis=0)
            reach = float(np.abs(points[good]).max())
            points /= reach or 1.0
        return cls(points, good, reach, distance)

    def named(self, squared: np.ndarray) -> np.ndarray:
        """Squared distances between `values` as the named distance in the unit of the frame."""
        if self.distance == "euclidean":
            return np.asarray(np.sqrt(squared) * self.scale)
        return np.asarray(squared * self.scale**2 / (2 if self.distance == "cosine" else 1))


def nearest(frame: Float[np.ndarray, "N D"], k: int = 15, distance: str = "euclidean") -> Neighbours:
    """The k nearest neighbours of every row, itself left out, by exact search.

    Args:
        frame: one row a sample; a row that is not finite is nobody's neighbour and has none.
        k: how many; with fewer samples the lists end with -1.
        distance: "euclidean", "squared-euclidean" or "cosine".

    Raises:
        UnknownNameError: for any other distance.

    Example:
        >>> line = np.array([[0.0], [1.0], [3.0], [7.0]])
        >>> nearest(line, k=2).index.tolist()
        [[1, 2], [0, 2], [1, 0], [2, 1]]
        >>> nearest(line, k=2, distance="squared-euclidean").distance[0].tolist()
        [1.0, 9.0]
    """
    points = Points.of(frame, distance)
    index = np.full((len(frame), k), -1, np.int32)
    far = np.full((len(frame), k), np.inf, np.float32)
    rows = np.flatnonzero(points.finite).astype(np.int32)
    found = min(k, len(rows) - 1)
    if found >= 1:
        squared, order = _search(points.values[rows], found)
        index[rows, :found] = rows[order]
        far[rows, :found] = points.named(squared)
    return Neighbours(index, far)


def _search(points: Float64[np.ndarray, "N D"], k: int) -> tuple[np.ndarray, np.ndarray]:
    """(squared distances, places) of the k nearest others of each point."""
    wanted = min(k + 1 + _SPARE, len(points))
    rough, candidates = _candidates(points, wanted)
    squared, order = ranked(points, np.arange(len(points)), candidates, k)
    if wanted < len(points):
        lengths = np.einsum("nd,nd->n", points, points)
        slack = ROUNDING * (lengths + lengths.max())
        for rows in row_blocks(np.flatnonzero(squared[:, -1] + slack >= rough[:, -1]), points.size):
            everyone = np.broadcast_to(np.arange(len(points)), (len(rows), len(points)))
            squared[rows], order[rows] = ranked(points, rows, everyone, k)
    return squared, order


def _candidates(points: Float64[np.ndarray, "N D"], wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """(squared distances, places) of so many near points of each, itself among them, nearest first, up to rounding."""
    if points.shape[1] <= _FLAT:
        from scipy.spatial import cKDTree

        far, found = cKDTree(points).query(points, wanted)
        return np.square(far).reshape(-1, wanted), found.reshape(-1, wanted)
    import faiss

    single = points.astype(np.float32)
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(single)
    squared, found = index.search(single, wanted)
    return squared, found


def ranked(points: np.ndarray, rows: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(squared distances, places) of the k nearest candidates of each row, by differences; inf where a place is -1."""
    squared = np.empty(candidates.shape)
    for block in row_blocks(np.arange(len(rows)), candidates.shape[1] * points.shape[1]):
        apart = points[candidates[block]]  # (b, c, D)
        apart -= points[rows[block], None]
        squared[block] = np.einsum("bcd,bcd->bc", apart, apart)
    squared[(candidates == rows[:, None]) | (candidates < 0)] = np.inf  # oneself, and nobody
    order = np.lexsort((candidates, squared), axis=1)[:, :k]
    return np.take_along_axis(squared, order, axis=1), np.take_along_axis(candidates, order, axis=1)


def row_blocks(rows: np.ndarray, each: int) -> list[np.ndarray]:
    """The rows in blocks that need at most _BLOCK numbers when each row needs `each`."""
    step = max(1, _BLOCK // max(each, 1))
    return [rows[start : start + step] for start in range(0, len(rows), step)]


def jaccard(one: Neighbours, other: Neighbours) -> Float32[np.ndarray, " N"]:
    """How much of each sample's neighbourhood is the same: |A ∩ B| / |A ∪ B|; NaN where it has none in either.

    Example:
        >>> line, moved = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.0], [6.0], [3.0], [7.0]])
        >>> [round(float(share), 2) for share in jaccard(nearest(line, k=2), nearest(moved, k=2))]
        [1.0, 0.33, 1.0, 1.0]
    """
    first, second = one.index, other.index
    shared = ((first[:, :, None] == second[:, None, :]) & (first >= 0)[:, :, None]).sum(axis=(1, 2))
    either = (first >= 0).sum(axis=1) + (second >= 0).sum(axis=1) - shared
    known = one.usable & other.usable
    return np.where(known, shared / np.maximum(either, 1), np.nan).astype(np.float32)


def neighbours_through_time(
    frames: Sequence[Float[np.ndarray, "N D"]],
    k: int = 15,
    distance: str = "euclidean",
    *,
    on_frame: Callable[[], None] = lambda: None,
) -> list[Neighbours]:
    """`nearest` of every frame; `on_frame` is called after each, and may raise to stop.

    Raises:
        DataError: frames that do not show the same number of samples.
    """
    sizes = {len(frame) for frame in frames}
    if len(sizes) > 1:
        raise DataError(f"The frames show {sorted(sizes)} samples: give the same samples in every frame.")
    found = []
    for frame in frames:
        found.append(nearest(frame, k, distance))
        on_frame()
    return found
