"""UMAP through time: one layout for each frame, in which a point moves only where its neighbours changed.

A UMAP of its own for every frame turns, mirrors and tears the picture between frames: what moves is the algorithm.
Here the last frame is laid out first, because it has the most structure. Then, backwards, each frame starts from the
layout of the frame after it and is refined on its own neighbours for a few epochs, while a spring holds every point at
its start: the stronger, the more of the point's neighbours are the same in both frames. Few epochs where little
changed, more where much did.

Distances on such a map are not distances of the embedding, and how far a point moves on it is not how far it moved:
`analysis.fidelity` has both as numbers.

Source: UMAP: McInnes, Healy and Melville 2018 (arXiv 1802.03426), with the fuzzy graph of section 3.1 and the sampled
descent of section 3.2; we count k neighbours without the sample itself, and compute the graph from exact neighbours.
The alignment is ours; umap-learn's AlignedUMAP optimises all frames together, for some fifty times the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from tripletscope.analysis.neighbours import Neighbours, Points, jaccard, neighbours_through_time
from tripletscope.analysis.projection import fit_axes
from tripletscope.analysis.work import Progress, ShouldStop, Work
from tripletscope.errors import DataError

#: Grows when the same input gives another layout, so that kept layouts of older versions are not taken for new ones.
VERSION = 1
NEIGHBOURS = 15
#: Beyond this a layout takes hours: N² distances for each frame.
MOST_POINTS = 50_000

# Measured on runs of 40 frames: 1,797 digits in 64 dimensions (benchmarks/bench_umap.py) and 408 emoji in 32. Stronger
# springs calm the map further and cost the early frames their truth; a higher rate adds jitter and no truth; more
# epochs for every frame change nothing that can be measured, and cost the time.
FIRST_EPOCHS, FIRST_RATE = 300, 1.0
FEWEST_EPOCHS, MORE_EPOCHS, RATE = 20, 120, 0.3
SPRING = 0.1
REPEL = 5
#: Epochs between two looks at whether to stop.
CHUNK = 10
#: Half the width of the first layout.
WIDTH = 10.0
# Units of work (`Work`): the neighbours of a frame, its layout, the layout that comes first.
SEARCH, _REFINE, _FIRST = 7, 20, 100


@dataclass(frozen=True)
class AlignedLayout:
    """Layouts of all frames on one sheet.

    Attributes:
        positions: (F, N, 2); NaN where the frame has no finite row. The unit means nothing.
        neighbours: of each frame, in the run's own space.
        stayed: (F, N) share of the neighbours that are the same as in the frame before (Jaccard); NaN in frame 0.
    """

    positions: Float32[np.ndarray, "F N 2"]
    neighbours: list[Neighbours]
    stayed: Float32[np.ndarray, "F N"]


def align(
    frames: Sequence[Float[np.ndarray, "N D"]],
    *,
    distance: str = "euclidean",
    seed: int = 0,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> AlignedLayout:
    """A layout of every frame, each aligned with the next; the same input and seed give the same bits.

    A frame in which all points are equal shows them on one spot, for there is nothing else to show. With fewer than
    16 samples, everybody is everybody's neighbour.

    Args:
        frames: one (N, D) array per frame; rows that are not finite are left out of their frame.
        distance: of the run: "euclidean", "squared-euclidean" or "cosine".
        seed: of the sampled descent.
        progress: called with (done, total).
        should_stop: asked several times a second.

    Raises:
        DataError: frames of different sizes, or too many samples.
        UnknownNameError: for any other distance.
        CancelledError: `should_stop` said so.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> groups = np.repeat(rng.normal(size=(3, 8)), 20, axis=0)
        >>> blurred, clear = (groups + width * rng.normal(size=(60, 8)) for width in (0.6, 0.1))
        >>> layout = align([blurred, clear])
        >>> layout.positions.shape
        (2, 60, 2)
    """
    count = len(frames[0]) if len(frames) else 0
    if count > MOST_POINTS:
        raise DataError(
            f"A layout through time takes up to {MOST_POINTS:,} samples, and the frames show {count:,}: record frames "
            "of a sample of them, or look at the PCA."
        )
    work = Work(units(len(frames)), progress, should_stop)
    found = neighbours_through_time(frames, NEIGHBOURS, distance, on_frame=lambda: work.advance(SEARCH))
    stayed = stayed_through_time(found, count)
    positions = np.full((len(frames), count, 2), np.nan, np.float32)
    place: np.ndarray | None = None  # of every point, in the frame laid out before; NaN: nowhere yet
    hold: np.ndarray = np.zeros(count, np.float32)  # share of its neighbours that a point has in both frames
    for f in reversed(range(len(frames))):
        there = found[f].usable if count > 1 else np.isfinite(frames[f]).all(axis=1)
        if not _differ(frames[f], there):
            positions[f, there] = 0.0 if place is None else np.nanmean(place, axis=0)
            work.advance(_REFINE)
        else:
            graph = Graph.of(found[f])
            if place is None:
                start = _spread_out(frames[f], there, distance, seed)
                laid = _descend(start, there, graph, FIRST_EPOCHS, FIRST_RATE, np.zeros_like(hold), seed, work, _FIRST)
            else:
                start = _fill(place, found[f])
                epochs = FEWEST_EPOCHS + round(MORE_EPOCHS * (1 - float(hold[there].mean())))
                laid = _descend(start, there, graph, epochs, RATE, _spring(hold), seed, work, _REFINE)
            positions[f, there] = laid[there]
            place = laid if place is None else np.where(there[:, None], laid, place)
        hold = np.nan_to_num(stayed[f])
    return AlignedLayout(positions, found, stayed)


def units(frames: int) -> int:
    """Units of work (`Work`) for so many frames."""
    return max(frames * (SEARCH + _REFINE) - _REFINE + _FIRST, 0) if frames else 0


def stayed_through_time(found: Sequence[Neighbours], count: int) -> Float32[np.ndarray, "F N"]:
    """(F, N) share of each sample's neighbours that it kept since the frame before (Jaccard); NaN in the first."""
    stayed = np.full((len(found), count), np.nan, np.float32)
    for f in range(1, len(found)):
        stayed[f] = jaccard(found[f - 1], found[f])
    return stayed


@dataclass(frozen=True)
class Graph:
    """UMAP's fuzzy graph: how surely two samples are neighbours, between 0 and 1.

    Attributes:
        head: (E,) one end of each edge; every edge is listed in both directions, by head.
        tail: (E,) the other end.
        weight: (E,) of the edge.
    """

    head: np.ndarray
    tail: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, found: Neighbours) -> Graph:
        """The graph of the neighbour lists.

        Each sample's distances are counted from its nearest neighbour (of those not on the same spot), and scaled so
        that its weights add up to log2(k). An edge that is seen from both ends with weights a and b gets a + b - ab.
        """
        from scipy import sparse

        real = found.index >= 0
        # In units of the largest, so that a run that has contracted to 1e-20 has a graph too.
        longest = float(found.distance[real].max(initial=0.0)) or 1.0
        far = np.where(real, found.distance, np.inf).astype(np.float64) / longest
        nearest_apart = np.where(far > 0, far, np.inf).min(axis=1, initial=np.inf)
        excess = np.maximum(far - np.where(np.isfinite(nearest_apart), nearest_apart, 0.0)[:, None], 0.0)
        width = _widths(excess, real.sum(axis=1))
        mean = np.where(real, far, 0.0).sum(axis=1) / np.maximum(real.sum(axis=1), 1)
        weight = np.exp(-excess / np.maximum(width, 1e-3 * np.where(mean > 0, mean, 1.0))[:, None])
        count = len(far)
        row = np.repeat(np.arange(count), real.sum(axis=1))
        one = sparse.csr_matrix((weight[real], (row, found.index[real])), shape=(count, count))
        other = one.T.tocsr()
        both = (one + other - one.multiply(other)).tocoo()
        return cls(both.row.astype(np.int32), both.col.astype(np.int32), both.data.astype(np.float32))


def _widths(excess: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) the width s at which sum(exp(-excess / s)) is log2(number of neighbours), by bisection."""
    target = np.log2(np.maximum(counts, 1))
    low, high = np.zeros(len(excess)), np.full(len(excess), np.inf)
    width: np.ndarray = np.maximum(np.where(np.isfinite(excess), excess, 0.0).mean(axis=1), 1e-12)
    for _ in range(40):
        heavy = np.exp(-excess / width[:, None]).sum(axis=1) > target
        high, low = np.where(heavy, width, high), np.where(heavy, low, width)
        width = np.where(np.isinf(high), 2 * width, (low + high) / 2)
        width = np.maximum(width, 1e-12)
    return width


def _descend(
    start: np.ndarray,
    there: np.ndarray,
    graph: Graph,
    epochs: int,
    rate: float,
    hold: np.ndarray,
    seed: int,
    work: Work,
    units: int,
) -> np.ndarray:
    """The layout that UMAP's sampled descent reaches from `start`, held there by springs; `units` of work are done.

    Points that are not there take no part, not even in the lottery of who repels whom; they come back as NaN.
    """
    from tripletscope.analysis import umap_kernel

    # An edge pulls in proportion to its weight; one too weak to pull once in all these epochs is left out.
    strongest = graph.weight.max(initial=0.0)
    strong = graph.weight >= strongest / epochs
    every = (strongest / graph.weight[strong]).astype(np.float32)
    number = np.cumsum(there) - 1
    head, tail = (number[end[strong]].astype(np.int32) for end in (graph.head, graph.tail))
    fixed = np.ascontiguousarray(start[there], dtype=np.float32)
    laid, due, spring = fixed.copy(), every.copy(), np.ascontiguousarray(hold[there], dtype=np.float32)
    done = 0
    for first in range(0, epochs, CHUNK):
        last = min(first + CHUNK, epochs)
        umap_kernel.run_epochs(laid, head, tail, every, due, fixed, spring, rate, first, last, epochs, REPEL, seed)
        work.advance(units * last // epochs - done)
        done = units * last // epochs
    whole = np.full(start.shape, np.nan, np.float32)
    whole[there] = laid
    return whole


def _spring(hold: np.ndarray) -> np.ndarray:
    """How strongly a point is held at its start, from the share of its neighbours that are the same.

    Not in proportion: a point whose neighbours are all the same has no reason to move, and is held three times as
    firmly as a share of one says; one that kept half of them is nearly free.
    """
    return np.asarray(SPRING * hold / (1.3 - hold))


def _spread_out(frame: np.ndarray, there: np.ndarray, distance: str, seed: int) -> np.ndarray:
    """Where the first layout starts: the frame's own two principal axes, and a trace of noise to part equal points."""
    values = Points.of(frame, distance).values
    values = np.pad(values, ((0, 0), (0, max(0, 2 - values.shape[1]))))
    mean, axes, _ = fit_axes([values[there]], values.shape[1])
    flat = (values - mean) @ axes
    flat *= WIDTH / (np.abs(flat[there]).max(initial=0.0) or 1.0)
    flat += 1e-4 * np.random.default_rng(seed).normal(size=flat.shape)
    return np.where(there[:, None], flat, np.nan)


def _fill(place: np.ndarray, found: Neighbours) -> np.ndarray:
    """The places, with those who had none put in the middle of their neighbours, or of everybody."""
    filled = place.copy()
    for i in np.flatnonzero(np.isnan(place).any(axis=1) & found.usable):
        near: Any = place[found.index[i][found.index[i] >= 0]]
        near = near[np.isfinite(near).all(axis=1)]
        filled[i] = near.mean(axis=0) if len(near) else np.nanmean(place, axis=0)
    return filled


def _differ(frame: np.ndarray, there: np.ndarray) -> bool:
    """Whether any two of the points lie apart."""
    some = np.asarray(frame)[there]
    return len(some) > 1 and bool((some != some[0]).any())
