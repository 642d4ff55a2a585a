"""Who is near whom in a whole set: one graph that every finding reads.

For each row its k nearest rows, its nearest row of another class (the hardest negative) and its nearest row of its own
class. The k nearest alone would not do: where classes are larger than k, a list of neighbours holds no negative at all.

Distances come first as |a|² + |b|² - 2ab of the centred rows, which is fast and cancels where rows lie close together.
So a few more candidates are kept than are wanted, their distances are computed again by differences in float64, and a
row whose answer rounding could have changed is looked at in full: what comes back is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int32

from tripletscope.analysis.neighbours import DISTANCES, ROUNDING, ranked, row_blocks
from tripletscope.errors import UnknownNameError

#: Candidates beyond the wanted ones: room for what rounding puts in the wrong order.
_SPARE = 8
#: A tile of distances holds this many numbers (16 MiB of float32).
_TILE = 2**22


@dataclass(frozen=True)
class Graph:
    """The neighbours of every row; of equally near ones the lower row comes first.

    Attributes:
        index: (N, k) the k nearest other rows, nearest first; -1 where the set has too few rows.
        distance: (N, k) in the named distance; inf where the index is -1.
        negative: (N,) the nearest row of another class; -1 for a row without a label or a set of one class.
        d_negative: (N,) how far it is; inf where there is none.
        same: (N,) the nearest other row of the same class; -1 where there is none.
        d_same: (N,) how far it is; inf where there is none.
    """

    index: Int32[np.ndarray, "N k"]
    distance: Float32[np.ndarray, "N k"]
    negative: Int32[np.ndarray, " N"]
    d_negative: Float32[np.ndarray, " N"]
    same: Int32[np.ndarray, " N"]
    d_same: Float32[np.ndarray, " N"]

    @property
    def k(self) -> int:
        """How many neighbours a row has at the most."""
        return int(self.index.shape[1])


def neighbour_graph(
    vectors: Float[np.ndarray, "N D"],
    labels: Int[np.ndarray, " N"],
    *,
    k: int = 15,
    distance: str = "cosine",
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """The graph of a set of finite rows, by exact search.

    Args:
        vectors: one row a sample, finite.
        labels: class of each row; -1 where it has none.
        k: how many neighbours; with fewer rows the lists end with -1.
        distance: "euclidean", "squared-euclidean" or "cosine".
        progress: called as progress(rows done, rows); what it raises ends the search.

    Raises:
        UnknownNameError: for any other distance.

    Example:
        >>> line = np.array([[0.0], [1.0], [3.0], [7.0]])
        >>> graph = neighbour_graph(line, np.array([0, 0, 1, 1]), k=2, distance="euclidean")
        >>> graph.index.tolist(), graph.negative.tolist(), graph.d_same.tolist()
        ([[1, 2], [0, 2], [1, 0], [2, 1]], [2, 2, 1, 1], [1.0, 1.0, 4.0, 4.0])
    """
    rows, scale = _prepared(vectors, distance)
    classes = np.ascontiguousarray(labels, dtype=np.int32)
    (near, index), (other, negative), (own, same) = _search(
        rows, classes, {"all": k, "other": 1, "same": 1}, progress or (lambda done, total: None)
    )

    def named(squared: Float64[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        found: Float32[np.ndarray, "..."] = as_named(squared * scale**2, distance)
        return found

    return Graph(index, named(near), negative[:, 0], named(other[:, 0]), same[:, 0], named(own[:, 0]))


def as_named(squared: Float64[np.ndarray, "*shape"], distance: str) -> Float32[np.ndarray, "*shape"]:
    """Squared Euclidean distances (for "cosine", of rows at length 1) as the named distance.

    Example:
        >>> as_named(np.array([4.0]), "euclidean"), as_named(np.array([4.0]), "cosine")
        (array([2.], dtype=float32), array([2.], dtype=float32))
    """
    if distance == "euclidean":
        squared = np.sqrt(squared)
    elif distance == "cosine":
        squared = squared / 2
    return np.asarray(squared, dtype=np.float32)


def as_euclidean(named: Float[np.ndarray, "*shape"], distance: str) -> Float64[np.ndarray, "*shape"]:
    """Named distances as Euclidean ones (for "cosine", between rows of length 1), in which ratios of lengths mean one.

    Example:
        >>> as_euclidean(np.array([2.0]), "cosine"), as_euclidean(np.array([9.0]), "squared-euclidean")
        (array([2.]), array([3.]))
    """
    values = np.asarray(named, dtype=np.float64)
    return values if distance == "euclidean" else np.sqrt(values * (2 if distance == "cosine" else 1))


def unit_rows(vectors: Float[np.ndarray, "N D"]) -> Float64[np.ndarray, "N D"]:
    """The rows at length 1; a row of zeros has no direction and stays."""
    rows = np.array(vectors, dtype=np.float64)
    rows /= np.maximum(np.abs(rows).max(axis=1, initial=0, keepdims=True), 1e-300)  # squares must not underflow
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    return rows


def _prepared(vectors: Float[np.ndarray, "N D"], distance: str) -> tuple[Float64[np.ndarray, "N D"], float]:
    """(rows whose squared Euclidean distances order as the named one does, what a unit of them is in the set's unit).

    They are scaled by a power of two, which changes no digit: rows that are equally far stay so.
    """
    if distance not in DISTANCES:
        raise UnknownNameError("distance", distance, DISTANCES)
    rows = unit_rows(vectors) if distance == "cosine" else np.array(vectors, dtype=np.float64)
    reach = float(np.abs(rows - rows[:1]).max(initial=0)) if distance != "cosine" else 1.0
    scale = 2.0 ** math.frexp(reach)[1] if reach else 1.0
    return rows / scale, scale


def _eligible(kind: str, classes: Int32[np.ndarray, " N"], rows: Int[np.ndarray, " b"]) -> Bool[np.ndarray, "b N"]:
    """Which rows may stand in the list of that kind of each of `rows`."""
    mine = classes[rows, None]
    if kind == "same":
        allowed = (mine == classes) & (mine >= 0)
    elif kind == "other":
        allowed = (mine != classes) & (mine >= 0) & (classes >= 0)
    else:
        allowed = np.ones((len(rows), len(classes)), bool)
    allowed[np.arange(len(rows)), rows] = False
    return np.asarray(allowed)


def _search(
    points: Float64[np.ndarray, "N D"],
    classes: Int32[np.ndarray, " N"],
    wanted: dict[str, int],
    progress: Callable[[int, int], None],
) -> list[tuple[Float64[np.ndarray, "N _"], Int32[np.ndarray, "N _"]]]:
    """(squared distances, places) for each kind of list, exact."""
    from tripletscope.inspection.scan import scan

    count = len(points)
    single = (points - points.mean(axis=0)).astype(np.float32) if count else points.astype(np.float32)
    lengths = np.einsum("nd,nd->n", single, single)
    rough = [np.full((count, few + _SPARE), np.inf, np.float32) for few in wanted.values()]
    places = [np.full((count, few + _SPARE), -1, np.int32) for few in wanted.values()]
    step = max(1, min(1024, _TILE // max(count, 1)))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        tile = _tile(single, lengths, np.arange(count)[part])
        (near, other, same), (near_at, other_at, same_at) = [one[part] for one in rough], [one[part] for one in places]
        scan(tile, start, classes, near, near_at, other, other_at, same, same_at)
        progress(part.stop, count)
    rounding = ROUNDING * max(1.0, points.shape[1] / 2000)
    slack = rounding * (lengths.astype(np.float64) + float(lengths.max(initial=0)))
    found = []
    for (kind, few), far, at in zip(wanted.items(), rough, places, strict=True):
        squared, order = ranked(points, np.arange(count), at, few)
        # Whoever is not among the candidates lies at the last one's rough distance or beyond, give or take rounding.
        in_doubt = np.flatnonzero(np.isfinite(far[:, -1]) & (squared[:, -1] + slack >= far[:, -1]))
        for start in range(0, len(in_doubt), step):
            rows = in_doubt[start : start + step]
            # All who could be as near as the last one that was found, by the rough distance.
            near_enough = _tile(single, lengths, rows) <= (squared[rows, -1] + slack[rows])[:, None]
            near_enough &= _eligible(kind, classes, rows)
            np.put_along_axis(near_enough, order[rows], True, axis=1)
            for row, columns in zip(rows, near_enough, strict=True):
                squared[row], order[row] = _nearest_of(points, int(row), np.flatnonzero(columns), few)
        order[~np.isfinite(squared)] = -1
        found.append((squared, order.astype(np.int32)))
    return found


def _tile(
    single: Float32[np.ndarray, "N D"], lengths: Float32[np.ndarray, " N"], rows: Int[np.ndarray, " T"]
) -> Float32[np.ndarray, "T N"]:
    """Rough squared distances of some rows to all."""
    tile = single[rows] @ single.T
    tile *= -2
    tile += lengths[rows, None]
    tile += lengths
    return np.asarray(tile)


def _nearest_of(
    points: Float64[np.ndarray, "N D"], row: int, columns: Int[np.ndarray, " c"], few: int
) -> tuple[Float64[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """(squared distances, places) of the few nearest of those columns, by differences; the lower place first."""
    squared = np.empty(len(columns))
    for part in row_blocks(np.arange(len(columns)), points.shape[1]):
        apart = points[columns[part]] - points[row]
        squared[part] = np.einsum("cd,cd->c", apart, apart)
    first = np.lexsort((columns, squared))[:few]
    return squared[first], columns[first]
