"""The health strip: what a set is, in a dozen numbers, before anything is looked for in it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.inspection.evidence import Evidence, number
from tripletscope.inspection.finding import plain

#: Bars of the histogram of norms.
BARS = 24
#: Rows count as normalised where every length is 1 give or take this; half precision keeps three digits.
UNIT_WITHIN = 2e-3


@dataclass(frozen=True)
class Health:
    """A set in numbers.

    Attributes:
        name: of the set.
        distance: the distance that everything is counted in.
        rows: in the file.
        dims: numbers in a vector.
        classes: that have a row.
        rows_used: rows looked at.
        dropped: (row number as the file counts, reason) of each row left out by the reader.
        sampled_from: how many rows there were where only a sample was looked at; else None.
        unlabelled: rows without a label.
        singletons: names of the classes of one row: these cannot be anchors.
        zeros: rows in which every number is 0; they have no direction.
        duplicates: rows that repeat an earlier row, number for number.
        norms: least, median and greatest length of a row.
        histogram: (edges, counts) of the lengths.
        normalised: whether every row has length 1.
        effective_rank: participation ratio of the covariance spectrum, (sum λ)² / sum λ²: in how many directions the
            set spreads, from 1 to D. With "cosine" of the rows at length 1.
        dimension: intrinsic dimension around the rows (Levina and Bickel 2004); None where it cannot be told.
        anisotropy: mean cosine similarity of two different rows: 0 where they point everywhere, 1 where all point
            one way (Ethayarajh 2019).
        recall_at_1: share of rows whose nearest other labelled row is of their class, leave-one-out; rows alone in
            their class do not ask. None without labels.
        chance: what recall_at_1 would be if the nearest row were any other row.
        near: up to this distance two rows count as near-duplicates.
        warnings: what reading and counting have to say, one sentence each.
    """

    name: str
    distance: str
    rows: int
    dims: int
    classes: int
    rows_used: int
    dropped: tuple[tuple[int, str], ...]
    sampled_from: int | None
    unlabelled: int
    singletons: tuple[str, ...]
    zeros: int
    duplicates: int
    norms: tuple[float, float, float]
    histogram: tuple[tuple[float, ...], tuple[int, ...]]
    normalised: bool
    effective_rank: float
    dimension: float | None
    anisotropy: float | None
    recall_at_1: float | None
    chance: float | None
    near: float
    warnings: tuple[str, ...]

    @property
    def dropped_by_reason(self) -> dict[str, int]:
        """How many rows were left out for each reason, the most frequent first."""
        counts = Counter(reason for _, reason in self.dropped)
        return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the names of DESIGN.md §6 where it names them."""
        return {
            "name": self.name,
            "distance": self.distance,
            "rows": self.rows,
            "dims": self.dims,
            "classes": self.classes,
            "rows_used": self.rows_used,
            "rows_dropped": [{"row": row, "reason": reason} for row, reason in self.dropped],
            "sampled_from": self.sampled_from,
            "unlabelled": self.unlabelled,
            "classes_of_one": list(self.singletons),
            "zero_rows": self.zeros,
            "exact_duplicates": self.duplicates,
            "norms": dict(zip(("least", "median", "greatest"), map(plain, self.norms), strict=True)),
            "norm_histogram": {"edges": list(map(plain, self.histogram[0])), "counts": list(self.histogram[1])},
            "normalised": self.normalised,
            "effective_rank": plain(self.effective_rank),
            "intrinsic_dimension": plain(self.dimension),
            "anisotropy": plain(self.anisotropy),
            "recall_at_1": plain(self.recall_at_1),
            "chance": plain(self.chance),
            "near_duplicate_distance": plain(self.near),
            "warnings": list(self.warnings),
        }


def health(given: EmbeddingSet, distance: str = "cosine") -> Health:
    """The health of a set in that distance.

    Raises:
        UnknownNameError: for a distance that does not exist.

    Example:
        >>> corners = EmbeddingSet(
        ...     name="corners", vectors=np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32),
        ...     ids=np.arange(4), labels=np.array([0, 0, 1, 2]), class_names=["a", "b", "c"],
        ... )
        >>> told = health(corners)
        >>> told.normalised, told.effective_rank, told.singletons
        (True, 2.0, ('b', 'c'))
    """
    return health_of(Evidence(given, distance))


def health_of(seen: Evidence, *, sampled_from: int | None = None) -> Health:
    """The same from evidence that is there already."""
    given, lengths = seen.set, seen.lengths
    singletons = tuple(given.class_names[label] for label in np.flatnonzero(seen.sizes == 1))
    zeros = int((lengths == 0).sum())
    used = sampled_from or len(given)
    told = Health(
        name=given.name,
        distance=seen.distance,
        rows=used + len(given.dropped),
        dims=given.dim,
        classes=seen.classes,
        rows_used=len(given),
        dropped=tuple((int(one[0]), str(one[1])) for one in given.dropped),
        sampled_from=sampled_from,
        unlabelled=int((seen.labels < 0).sum()),
        singletons=singletons,
        zeros=zeros,
        duplicates=int((seen.copy_of != np.arange(len(given))).sum()),
        norms=tuple(np.quantile(lengths, [0, 0.5, 1]).tolist()) if len(given) else (0.0, 0.0, 0.0),
        histogram=_histogram(lengths),
        normalised=bool(len(given)) and bool((np.abs(lengths - 1) <= UNIT_WITHIN).all()),
        effective_rank=seen.effective_rank,
        dimension=_known(seen.dimension),
        anisotropy=_known(seen.mean_cosine),
        recall_at_1=_known(seen.recall_at_1),
        chance=_known(seen.chance_recall),
        near=seen.near,
        warnings=(),
    )
    return Health(**{**vars(told), "warnings": (*given.notes, *_warnings(told))})


def _warnings(told: Health) -> list[str]:
    found = []
    if told.sampled_from is not None:
        found.append(
            f"{told.rows_used:,} of {told.sampled_from:,} rows were looked at, drawn by seed: pairs "
            "with a row that was "
            "not drawn are not seen."
        )
    if told.unlabelled:
        found.append(f"{told.unlabelled:,} rows have no label: they are neighbours of others, but no anchors.")
    if told.zeros and told.distance == "cosine":
        found.append(f"{told.zeros:,} rows are all zeros and have no direction: their cosine distances mean nothing.")
    if told.classes < 2:
        found.append("There are no two classes: only what needs no labels was checked.")
    if told.distance != "cosine" and not told.normalised and told.norms[2] > 10 * told.norms[0] > 0:
        found.append(
            f"Lengths run from {number(told.norms[0])} to {number(told.norms[2])}: in {told.distance} distance long "
            "rows are far from everything; cosine ignores the length."
        )
    return found


def _histogram(lengths: np.ndarray) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if not len(lengths):
        return (), ()
    low, high = float(lengths.min()), float(lengths.max())
    if high - low <= 1e-6 * high:  # all of one length: a bar of its own, not the noise in the last digit
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    counts, edges = np.histogram(lengths, bins=BARS, range=(low, high))
    return tuple(float(edge) for edge in edges), tuple(int(count) for count in counts)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
