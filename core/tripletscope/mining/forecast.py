"""What mining would give, before it is done: the gaps of nearest negatives, and a strategy's picks for some anchors.

A set is made ready once (`ready`) and asked as often as somebody moves a margin or chooses another strategy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tripletscope.errors import SettingError
from tripletscope.mining import pairs as positives
from tripletscope.mining import picks
from tripletscope.mining.approximate import Exact
from tripletscope.mining.entrance import check_finite, check_numbers, grouped, limits_of, order_of, rows_kept
from tripletscope.mining.pairs import Choice, Pairs
from tripletscope.mining.shard import Report, Shard
from tripletscope.seeding import derive_seed
from tripletscope.zones import ZONES, zone_codes_numpy

#: Distances that a curve may cost: all anchors of 20,000 rows.
MOST_DISTANCES = 4 * 10**8
#: At least so many anchors are looked at, however many rows there are.
FEWEST_ANCHORS = 1_000
#: Positives of an anchor that a curve over all of them looks at, drawn by lot.
MOST_POSITIVES = 16
#: Anchors of a forecast.
SAMPLED = 256


@dataclass(frozen=True, eq=False)
class Ready:
    """A set made ready for questions about mining.

    Attributes:
        shard: the rows that take part.
        kept: (n,) their places in the set, in id order.
        classes: (n,) their groups; rows of one group are never negatives of each other.
        given: the pairs, where they were given; else None.
        notes: what a person should know.
    """

    shard: Shard
    kept: np.ndarray
    classes: np.ndarray
    given: Pairs | None
    notes: tuple[str, ...]

    @property
    def anchors(self) -> np.ndarray:
        """Places, in the shard's class order, of the rows that have a positive and a negative."""
        if self.given is not None:
            return self.given.columns
        start, stop = self.shard.ranges(self.shard.classes)
        return np.flatnonzero((stop - start > 1) & (stop - start < len(self.shard)))


def ready(
    vectors: np.ndarray,
    classes: np.ndarray | None,
    ids: np.ndarray,
    *,
    distance: str = "cosine",
    exclude: Any = None,
    pairs: Sequence[tuple[Any, Any]] | None = None,
    threads: int = 1,
) -> Ready:
    """The set, as `mine_rows` would make it ready with the same arguments.

    Raises:
        DataError, UnknownNameError: as `mine`.
    """
    notes: list[str] = []
    kept = rows_kept(len(vectors), classes, exclude, notes)
    kept = kept[order_of(ids[kept])]
    check_finite(vectors, kept, ids)
    groups, anchor, positive = grouped(classes, ids, kept, pairs, notes)
    shard = Shard(vectors, groups, distance=distance, threads=threads, places=kept)
    given = None if anchor is None or positive is None else positives.given(shard, anchor, positive)
    return Ready(shard, kept, groups, given, tuple(notes))


@dataclass(frozen=True)
class NearestGaps:
    """Gaps of the nearest negatives: what a margin curve is drawn of.

    Attributes:
        gaps: (P,) float32, rising.
        anchors: so many were looked at.
        anchors_of: so many there are.
        fewer: of each of them at most so many positives were looked at, drawn by lot; 0 where all were.
    """

    gaps: np.ndarray
    anchors: int
    anchors_of: int
    fewer: int = 0

    @property
    def exact(self) -> bool:
        """Whether no pair was left out."""
        return self.anchors == self.anchors_of and not self.fewer


def nearest_gaps(
    made: Ready,
    *,
    choice: Choice = "random",
    per_anchor: int | Literal["all"] = 1,
    seed: int = 0,
    most: int = MOST_DISTANCES,
    progress: Report | None = None,
) -> NearestGaps:
    """d(a,n) - d(a,p) of each pair with its nearest negative; of a large set for a seeded draw of anchors.

    A pair violates a margin if and only if its nearest negative does, so their share below a margin is exact for the
    pairs looked at.

    Args:
        made: of `ready`.
        choice: which positives, as the strategy's.
        per_anchor: how many of them.
        seed: of the positives, as in mining, and of the draw of anchors.
        most: so many distances may be computed; anchors are fewer where it would be more.
        progress: called as progress(done, all).

    Example:
        >>> made = ready(np.float32([[0], [1], [1.5], [9]]), np.array([0, 0, 1, 1]), np.arange(4), distance="euclidean")
        >>> nearest_gaps(made).gaps.tolist()
        [-7.0, -0.5, 0.5, 0.5]
    """
    columns = made.anchors
    chosen = _some(columns, max(FEWEST_ANCHORS, most // max(1, len(made.shard))), derive_seed(seed, "margin curve"))
    fewer = MOST_POSITIVES if per_anchor == "all" and made.given is None and _largest(made) > MOST_POSITIVES + 1 else 0
    count: int | Literal["all"] = fewer or "all" if per_anchor == "all" else per_anchor
    pairs = _pairs_of(made, chosen, count, "random" if per_anchor == "all" else choice, seed)
    task = picks.Task(made.shard, pairs, 1.0, 1, {}, seed, {}, progress)
    found = picks.nearest_negatives(task)
    gaps = found.distance[:, 0] - pairs.distance
    return NearestGaps(np.sort(gaps[found.row[:, 0] >= 0]), len(chosen), len(columns), fewer)


@dataclass(frozen=True)
class Forecast:
    """What a strategy picks for some anchors, and what that says of all.

    Attributes:
        pairs: anchors with positives, of the whole set.
        triplets: how many there will be, about, before any cap; exact where all anchors were looked at.
        most: how many there can be at the most.
        abstained: share of the pairs for which it picks nothing.
        zones: zone -> share of its picks.
        anchors: so many were looked at.
        anchors_of: so many there are.
        anchor, positive, negative: (T,) rows of the set.
        d_ap, d_an: (T,) float32.
    """

    pairs: int
    triplets: int
    most: int
    abstained: float
    zones: dict[str, float]
    anchors: int
    anchors_of: int
    anchor: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    d_ap: np.ndarray
    d_an: np.ndarray


def forecast(
    made: Ready,
    *,
    strategy: str,
    margin: float,
    positives_per_anchor: int | Literal["all"] | None = None,
    negatives_per_anchor: int = 1,
    filters: Mapping[str, float | None] | Sequence[str] | None = None,
    seed: int = 0,
    anchors: int = SAMPLED,
    **params: float | int,
) -> Forecast:
    """The strategy's picks for a seeded draw of anchors: those that mining will make for them, by the same code.

    Args:
        made: of `ready`.
        strategy: by name.
        margin: above 0.
        positives_per_anchor: as `mine`.
        negatives_per_anchor: as `mine`.
        filters: as `mine`.
        seed: of the draws, as `mine`, and of the anchors.
        anchors: so many are drawn.
        **params: the strategy's own.

    Raises:
        SettingError, UnknownNameError: as `mine`.

    Example:
        >>> made = ready(np.float32([[0], [1], [1.5], [9]]), np.array([0, 0, 1, 1]), np.arange(4), distance="euclidean")
        >>> seen = forecast(made, strategy="semi-hard", margin=1.0)
        >>> seen.triplets, seen.abstained, seen.zones
        (2, 0.5, {'hard': 0.0, 'semi-hard': 1.0, 'easy': 0.0})
    """
    chosen = picks.get(strategy)
    settled = picks.settled(chosen, params)
    limits = limits_of(filters)
    check_numbers(margin, positives_per_anchor, negatives_per_anchor, None, None)
    if limits and made.shard.distance != "cosine" and not made.shard.is_unit():
        raise SettingError(
            "The filters compare cosine similarities, and these vectors are not of length 1; "
            "choose the cosine distance or normalise them."
        )
    columns = made.anchors
    some = _some(columns, anchors, derive_seed(seed, "forecast"))
    per_anchor = 1 if positives_per_anchor is None else positives_per_anchor
    pairs = _pairs_of(made, some, per_anchor, chosen.positives, seed)
    every = positives.count_pairs(made.classes, per_anchor) if made.given is None else len(made.given)
    task = picks.Task(made.shard, pairs, margin, negatives_per_anchor, limits, seed, settled)
    top = chosen.pick(task)
    line, _ = there = np.nonzero(top.row >= 0)
    d_ap, d_an = pairs.distance[line], top.distance[there]
    counts = np.bincount(zone_codes_numpy(d_an - d_ap, margin), minlength=len(ZONES))
    scale = every / max(1, len(pairs))
    return Forecast(
        pairs=every,
        triplets=round(len(line) * scale),
        most=every * negatives_per_anchor,
        abstained=float((top.row[:, 0] < 0).mean()) if len(pairs) else 0.0,
        zones={name: float(count / max(1, len(line))) for name, count in zip(ZONES, counts, strict=True)},
        anchors=len(some),
        anchors_of=len(columns),
        anchor=made.kept[pairs.anchor[line]],
        positive=made.kept[pairs.positive[line]],
        negative=made.kept[top.row[there]],
        d_ap=d_ap,
        d_an=d_an,
    )


def suggested_margin(gaps: np.ndarray) -> float | None:
    """A margin to begin with: half of the pairs that are not hard violate it; two significant digits.

    Hard pairs violate any margin, so it is the others that it decides on. Below this one most of them teach nothing;
    far above it nearly all are pushed, whether they need it or not. None where all pairs are hard.

    Example:
        >>> suggested_margin(np.float32([-0.1, 0.04, 0.0831, 0.3])), suggested_margin(np.float32([-1, -1, 0]))
        (0.083, None)
    """
    soft = np.asarray(gaps)[np.asarray(gaps) > 0]
    return float(f"{float(np.median(soft)):.2g}") if len(soft) else None


def _some(columns: np.ndarray, most: int, seed: int) -> np.ndarray:
    """So many of them, by seed, in their order."""
    if len(columns) <= most:
        return columns
    return np.sort(np.random.default_rng(seed).choice(columns, most, replace=False))


def _largest(made: Ready) -> int:
    return int(np.unique(made.classes, return_counts=True)[1].max())


def _pairs_of(made: Ready, columns: np.ndarray, per_anchor: int | Literal["all"], choice: Choice, seed: int) -> Pairs:
    """The pairs of these anchors, as mining would choose them."""
    if made.given is not None:
        return _only(made.given, columns)
    return positives.choose(made.shard, per_anchor, choice, seed, Exact(made.shard), columns=columns)


def _only(pairs: Pairs, columns: np.ndarray) -> Pairs:
    """The pairs of these anchors alone."""
    at = np.searchsorted(pairs.columns, columns)
    counts = np.diff(pairs.first)[at]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    lines = np.arange(int(first[-1])) + np.repeat(pairs.first[at] - first[:-1], counts)
    return Pairs(pairs.anchor[lines], pairs.positive[lines], pairs.distance[lines], columns, first)
