"""What the checks look at: the set, its neighbour graph, and what follows from both, each worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.inspection.graph import Graph, as_euclidean, as_named, neighbour_graph, unit_rows

#: Neighbours of a row in the graph. Fewer make votes coarse, more reach beyond small classes.
NEIGHBOURS = 15
#: A near-duplicate lies within this share of the usual distance to the k-th neighbour at the very most.
AT_MOST = 0.5
#: The threshold for near-duplicates is set so that chance gives about so many in the whole set.
BY_CHANCE = 1.0


class NotApplicable(Exception):
    """The set lacks what a check looks at; the message says what, such as "no split column"."""


class Evidence:
    """A set and its neighbour graph.

    Args:
        given: the set.
        distance: "euclidean", "squared-euclidean" or "cosine".
        k: neighbours of a row in the graph.
        progress: as for `neighbour_graph`, which takes nearly all of the time.

    Raises:
        UnknownNameError: for any other distance.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> seen = Evidence(EmbeddingSet(
        ...     name="two heaps",
        ...     vectors=rng.normal(size=(60, 4)) + 9 * np.repeat([[0], [1]], 30, axis=0),
        ...     ids=np.arange(60), labels=np.repeat([0, 1], 30), class_names=["a", "b"],
        ... ), "euclidean")
        >>> seen.recall_at_1, round(seen.chance_recall, 2)
        (1.0, 0.49)
    """

    def __init__(
        self,
        given: EmbeddingSet,
        distance: str = "cosine",
        *,
        k: int = NEIGHBOURS,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.set = given
        self.distance = distance
        self.labels: Int64[np.ndarray, " N"] = given.labels.astype(np.int64)
        self.sizes: Int64[np.ndarray, " C"] = np.bincount(
            self.labels[self.labels >= 0], minlength=len(given.class_names)
        ).astype(np.int64)
        self.graph: Graph = neighbour_graph(given.vectors, given.labels, k=k, distance=distance, progress=progress)

    def __len__(self) -> int:
        """How many rows the set has."""
        return len(self.set)

    # ---- classes

    @cached_property
    def classes(self) -> int:
        """How many classes have a row."""
        return int((self.sizes > 0).sum())

    def require_classes(self) -> None:
        """Nothing, if there are two classes or more.

        Raises:
            NotApplicable: there are fewer.
        """
        if self.classes < 2:
            raise NotApplicable("no labels" if not self.classes else "only one class")

    def class_of(self, row: int) -> str:
        """The class of a row, for sentences."""
        return self.set.class_of(row) or "(no label)"

    @cached_property
    def neighbour_labels(self) -> Int64[np.ndarray, "N k"]:
        """The classes of the neighbours; -1 where there is no neighbour or it has no label."""
        return np.where(self.graph.index >= 0, self.labels[self.graph.index], -1)

    # ---- retrieval

    @cached_property
    def recall_at_1(self) -> float:
        """Share of rows whose nearest other labelled row is of their class; NaN where no class has two rows.

        Rows that are alone in their class are no queries. Where rows of both kinds are equally near, it is the share
        of the row's class among the neighbours at that distance: a set collapsed to a point scores about chance.
        """
        queries = np.flatnonzero(self.graph.same >= 0)
        if not len(queries):
            return math.nan
        near, far = self.graph.d_same[queries], self.graph.d_negative[queries]
        hits = (near < far).astype(np.float64)
        for place in np.flatnonzero(near == far):
            row = queries[place]
            tied = (self.graph.distance[row] == near[place]) & (self.neighbour_labels[row] >= 0)
            hits[place] = (self.neighbour_labels[row][tied] == self.labels[row]).mean() if tied.any() else 0.5
        return float(hits.mean())

    @cached_property
    def chance_recall(self) -> float:
        """Recall@1 if the nearest row were any other labelled row; NaN where no class has two rows."""
        some = self.sizes[self.sizes > 1].astype(np.float64)
        return float((some * (some - 1)).sum() / some.sum() / (self.sizes.sum() - 1)) if len(some) else math.nan

    # ---- scales

    def euclidean(self, named: Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """Named distances as Euclidean ones, in which twice as far is twice as long."""
        return as_euclidean(named, self.distance)

    @cached_property
    def reach(self) -> Float64[np.ndarray, " N"]:
        """Distance of each row to its farthest neighbour in the graph, as a Euclidean one."""
        if self.graph.k == 0 or len(self) < 2:
            return np.zeros(len(self))
        return self.euclidean(self.graph.distance[:, min(self.graph.k, len(self) - 1) - 1])

    @cached_property
    def dimension(self) -> float:
        """Intrinsic dimension of the set near its rows: the median over rows of the maximum-likelihood estimate.

        Source: Levina and Bickel 2004, "Maximum Likelihood Estimation of Intrinsic Dimension". The median is
        ours: duplicates and outliers must not move it.
        """
        far = self.euclidean(self.graph.distance[:, : min(self.graph.k, max(len(self) - 1, 0))])
        rows = far[(far[:, 0] > 0) & np.isfinite(far[:, -1])] if far.shape[1] > 2 else far[:0]
        if not len(rows):
            return math.nan
        inverse = np.log(rows[:, -1:] / rows[:, :-1]).mean(axis=1)
        middle = float(np.median(inverse))
        return min(1 / middle, float(self.set.dim)) if middle > 0 else float(self.set.dim)

    @cached_property
    def near_share(self) -> float:
        """A near-duplicate lies within this share of the usual distance to the k-th neighbour.

        Were rows spread evenly in `dimension` m dimensions around each other, one of the k - 1 nearer neighbours
        would lie within a share c of the k-th's distance with probability (k - 1) c^m. The share is the c at which
        that happens once in the whole set, and a half at the most.
        """
        if not math.isfinite(self.dimension):
            return 0.0
        chances = len(self) * max(self.graph.k - 1, 1)
        return float(min(AT_MOST, (BY_CHANCE / chances) ** (1 / self.dimension)))

    @cached_property
    def near_euclidean(self) -> float:
        """The same as a Euclidean distance."""
        held = self.reach[np.isfinite(self.reach)]
        return self.near_share * float(np.median(held)) if len(held) else 0.0

    @cached_property
    def near(self) -> float:
        """Rows at this named distance or closer are near-duplicates, if they are also close for where they lie."""
        return float(as_named(np.array(self.near_euclidean**2), self.distance))

    @property
    def near_words(self) -> str:
        """How the threshold came about, for a sentence."""
        return (
            f"near means a {self.unit} of {number(self.near)} or less: {self.near_share:.2f} of the usual distance to "
            f"the {self.graph.k}th neighbour, which chance would undercut about once in {len(self):,} rows that spread "
            f"in {self.dimension:.1f} dimensions as these do"
        )

    @property
    def unit(self) -> str:
        """The distance by name, for sentences."""
        return f"{self.distance} distance"

    @cached_property
    def near_pairs(self) -> tuple[Int64[np.ndarray, "P 2"], Float32[np.ndarray, " P"]]:
        """(pairs of near rows with the lower place first, their named distances), nearest first.

        A pair is near when its distance is at most `near`, and at most the same share of the distance to the k-th
        neighbour of one of the two: where everything lies dense, nearness means nothing. Pairs of rows that are both
        beyond each other's k nearest are not seen, except with the nearest row of another class.
        """
        count = len(self)
        columns = [
            (np.repeat(np.arange(count), self.graph.k), self.graph.index.ravel(), self.graph.distance.ravel()),
            (np.arange(count), self.graph.negative, self.graph.d_negative),
            (np.arange(count), self.graph.same, self.graph.d_same),
        ]
        one, two = (np.concatenate([column[at] for column in columns]).astype(np.int64) for at in (0, 1))
        named = np.concatenate([column[2] for column in columns])
        far = np.where(two >= 0, self.euclidean(named), np.inf)
        local = np.maximum(self.reach[one], self.reach[two]) * self.near_share
        # A heap of more than k copies has no reach at all: there the distance itself decides.
        kept = (far <= self.near_euclidean) & ((far <= local) | (named == 0))
        low, high, named = np.minimum(one, two)[kept], np.maximum(one, two)[kept], named[kept]
        _, first = np.unique(low * count + high, return_index=True)
        order = first[np.lexsort((high[first], low[first], named[first]))]
        return np.stack([low[order], high[order]], axis=1), named[order]

    # ---- copies

    @cached_property
    def copy_of(self) -> Int64[np.ndarray, " N"]:
        """For each row the first row with the same numbers, itself where it is the first."""
        vectors = np.ascontiguousarray(self.set.vectors) + self.set.vectors.dtype.type(0)  # -0.0 becomes 0.0
        width = vectors.dtype.itemsize * vectors.shape[1]
        if not width or not len(vectors):
            return np.arange(len(vectors))
        _, first, group = np.unique(vectors.view(f"V{width}").ravel(), return_index=True, return_inverse=True)
        return first[group.ravel()].astype(np.int64)

    # ---- votes

    @cached_property
    def votes(self) -> tuple[Float64[np.ndarray, " N"], Float64[np.ndarray, " N"], Int64[np.ndarray, " N"]]:
        """(share of the votes for the row's own class, for the best other class, that class or -1).

        The labelled neighbours vote, the first with weight 1, the second with 1/2, the third with 1/3 and so on, so
        that a class of three rows can win too. A copy of the row has no vote: it would only repeat the question.
        """
        own, best, rival = np.zeros(len(self)), np.zeros(len(self)), np.full(len(self), -1, np.int64)
        counted = (self.neighbour_labels >= 0) & (self.copy_of[self.graph.index] != self.copy_of[:, None])
        weight = np.where(counted, 1.0 / np.maximum(np.cumsum(counted, axis=1), 1), 0.0)
        total = weight.sum(axis=1)
        for place in range(self.graph.k):  # each neighbour's class in turn, with all votes for it
            label = self.neighbour_labels[:, place]
            held = np.where((self.neighbour_labels == label[:, None]) & counted, weight, 0.0).sum(axis=1)
            share = np.divide(held, total, out=np.zeros(len(self)), where=total > 0)
            mine = (label == self.labels) & (label >= 0)
            own[mine] = share[mine]
            better = counted[:, place] & ~mine & (share > best)
            best[better], rival[better] = share[better], label[better]
        return own, best, rival

    # ---- geometry

    @cached_property
    def lengths(self) -> Float64[np.ndarray, " N"]:
        """Euclidean norm of each row."""
        wide = self.set.vectors.astype(np.float64)
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", wide, wide)))

    @cached_property
    def spectrum(self) -> Float64[np.ndarray, " D"]:
        """Eigenvalues of the covariance of the rows (at length 1, for cosine), largest first."""
        rows = self._rows
        if len(rows) < 2:
            return np.zeros(self.set.dim)
        centred = rows - rows.mean(axis=0)
        centred /= np.abs(centred).max() or 1.0  # no square leaves the range of numbers
        values = np.linalg.svd(centred, compute_uv=False) if len(rows) <= self.set.dim else None
        if values is not None:
            return np.asarray(values**2 / len(rows))
        return np.asarray(np.maximum(np.linalg.eigvalsh(centred.T @ centred / len(rows))[::-1], 0))

    @cached_property
    def effective_rank(self) -> float:
        """Participation ratio (sum of eigenvalues)² / (sum of their squares); 0 where all rows are equal."""
        squares = float(np.square(self.spectrum).sum())
        return float(self.spectrum.sum()) ** 2 / squares if squares > 0 else 0.0

    @cached_property
    def mean_cosine(self) -> float:
        """Mean cosine similarity over all pairs of different rows; NaN with fewer than two."""
        count = len(self)
        if count < 2:
            return math.nan
        units = unit_rows(self.set.vectors)
        total = float(np.square(units.sum(axis=0)).sum()) - float(np.square(units).sum())
        return total / (count * (count - 1))

    @property
    def _rows(self) -> Float64[np.ndarray, "N D"]:
        return unit_rows(self.set.vectors) if self.distance == "cosine" else self.set.vectors.astype(np.float64)

    def distances_between(
        self, rows: Int[np.ndarray, " A"], others: Int[np.ndarray, " B"]
    ) -> Float64[np.ndarray, " A"]:
        """Euclidean distance (at length 1, for cosine) of each of `rows` to the nearest of `others`, by differences."""
        held = self.set.vectors[np.concatenate([rows, others])]
        values = unit_rows(held) if self.distance == "cosine" else held.astype(np.float64)
        mine, theirs = values[: len(rows)], values[len(rows) :]
        return np.array([math.sqrt(float(np.square(theirs - row).sum(axis=1).min())) for row in mine])


def number(value: float) -> str:
    """A number with three significant digits, for sentences.

    Example:
        >>> number(0.012345), number(1234.5), number(0.0)
        ('0.0123', '1,234', '0')
    """
    if not math.isfinite(value):
        return "no number"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun, for sentences.

    Example:
        >>> counted(1, "pair", "pairs"), counted(1200, "class", "classes")
        ('1 pair', '1,200 classes')
    """
    return f"{count:,} {one if count == 1 else many}"


def share(part: float) -> str:
    """A share as a percentage, for sentences.

    Example:
        >>> share(0.1234), share(0.0012), share(1.0)
        ('12.3%', '0.12%', '100%')
    """
    percent = 100 * part
    return f"{percent:.3g}%" if percent >= 1 or percent == 0 else f"{percent:.2g}%"
