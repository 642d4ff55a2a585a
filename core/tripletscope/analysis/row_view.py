"""One row of a set as an anchor: who is near it in the original space, and which negative each strategy would pick.

All distances from the row are taken by differences in float64 and rounded to float32 once, as mining takes them. What a
strategy picks is what `tripletscope.mining.picks` says, asked about this one anchor. A question about the nearest rows
has its answer among the nearest rows, so it is asked of a shard that holds only these; the lots of a strategy that
draws belong to rows and not to shards, so a shard of all rows that may be drawn answers for the whole set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import DataError, SettingError
from tripletscope.mining import picks as whole_set
from tripletscope.mining.entrance import grouped, order_of, rows_kept
from tripletscope.mining.pairs import Pairs
from tripletscope.mining.shard import DISTANCES, Shard, scales_of

#: Positives and negatives that are shown, besides those that somebody picks.
POSITIVES, NEGATIVES = 6, 60
#: Rows of each list of neighbours, and how many of the nearest have a vote.
LISTED, VOTERS = 24, 15
#: Of the negatives that are not shown, so many distances tell how they lie.
TICKS = 64
#: A strategy that draws looks at every row it may draw: beyond so many that is no matter of a click any more.
DRAWN_FROM = 200_000
#: Strategies that draw from the semi-hard zone alone, or that need no search: these answer at any size.
_ZONE_ONLY, _NO_SEARCH, _ALL_ROWS = "semi-hard-random", "random", "distance-weighted"
_BLOCK = 2**16

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Ready:
    """A set made ready for questions about its rows.

    Attributes:
        set: the rows.
        distance: "euclidean", "squared-euclidean" or "cosine".
        exclude: rows that take no part in mining.
    """

    set: EmbeddingSet
    distance: str = "cosine"
    exclude: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            Shard(np.zeros((1, 1), np.float32), np.zeros(1), distance=self.distance)  # raises with the legal names

    @cached_property
    def scales(self) -> np.ndarray:
        """(N,) float64, what each row is multiplied by before distances are taken."""
        return scales_of(self.set.vectors, self.distance)

    @cached_property
    def rank(self) -> np.ndarray:
        """(N,) int64, place of each row in the order of ids, by which equally near rows come."""
        found = np.empty(len(self.set), np.int64)
        found[order_of(self.set.ids)] = np.arange(len(self.set))
        return found

    @cached_property
    def kept(self) -> np.ndarray:
        """(n,) the rows that take part in mining, in the order of ids."""
        exclude = np.array(self.exclude, dtype=np.int64) if len(self.exclude) else None
        rows = rows_kept(len(self.set), self.set.labels, exclude, [])
        return np.asarray(rows[order_of(self.set.ids[rows])])

    @cached_property
    def number(self) -> np.ndarray:
        """(N,) place of each row in `kept`; -1 where it takes no part."""
        found = np.full(len(self.set), -1, np.int64)
        found[self.kept] = np.arange(len(self.kept))
        return found

    @cached_property
    def groups(self) -> np.ndarray:
        """(n,) class of each row that takes part, as mining numbers them.

        Raises:
            DataError: no triplet can be made of the set.
        """
        return grouped(self.set.labels, self.set.ids, self.kept, None, [])[0]

    @cached_property
    def whole(self) -> Shard:
        """The rows that take part, as mining has them."""
        return Shard(self.set.vectors, self.groups, distance=self.distance, places=self.kept)

    def letting_in(self, row: int) -> Ready:
        """As if this row were not excluded; itself where it is not."""
        if row not in self.exclude:
            return self
        found = Ready(self.set, self.distance, tuple(one for one in self.exclude if one != row))
        vars(found).update(scales=self.scales, rank=self.rank)
        return found

    def part(self, numbers: np.ndarray) -> Shard:
        """Some of the rows that take part, by their numbers, under which the shard knows them."""
        vectors = np.ascontiguousarray(self.set.vectors[self.kept[numbers]], dtype=np.float32)
        return Shard(vectors, self.groups[numbers], numbers, self.distance)

    def distances(self, row: int, progress: Report | None = None) -> Float32[np.ndarray, " N"]:
        """How far every row is from this one, which is infinitely far from itself."""
        from tripletscope.mining import kernels

        vectors, count = self.set.vectors, len(self.set)
        kind = DISTANCES.index(self.distance)
        anchor = np.ascontiguousarray(vectors[row : row + 1], dtype=np.float32)
        far = np.empty(count, np.float32)
        here = np.zeros(min(_BLOCK, count), np.int64)
        there = np.arange(len(here))
        for at in range(0, count, _BLOCK):
            block = np.ascontiguousarray(vectors[at : at + _BLOCK], dtype=np.float32)
            far[at : at + _BLOCK] = kernels.measure_pairs(
                anchor, self.scales[row : row + 1], block, self.scales[at : at + _BLOCK],
                here[: len(block)], there[: len(block)], kind,
            )  # fmt: skip
            if progress is not None:
                progress(at + len(block), count)
        far[row] = np.inf
        return far


@dataclass(frozen=True, eq=False)
class RowView:
    """One row as an anchor.

    Attributes:
        row: its place in the set.
        distance: name.
        margin: in its unit.
        same: (S,) the nearest rows of its class, nearest first; of a row without a class, the nearest of all.
        d_same: (S,) how far they are.
        other: (M,) the nearest rows of other classes, nearest first.
        d_other: (M,) how far they are.
        same_count: rows of its class, itself left out.
        other_count: rows of other classes.
        votes: (place of the class, how many of the 15 nearest rows with a label have it), most first.
        positives: (P,) those that are shown: the nearest, the farthest and the one asked for; nearest first.
        d_ap: (P,) how far they are.
        negatives: (K,) those that are shown: the nearest, and those that somebody picks; nearest first.
        d_an: (K,) how far they are.
        negative_count: how many there are to pick from.
        picks: strategy -> (P,) place among the negatives of what it picks for each positive; -1 where it abstains.
        own_positive: strategy -> place among the positives of the one that it brings along.
        not_here: strategy -> why it has no pick here.
        beyond: distance from which on the negatives lie that are not shown; None where all are.
        ticks: up to 64 distances, rising, that tell how those lie which are not shown; the first and last among them.
        closer: (P, 2) how many of them are hard, and semi-hard, for each positive.
        takes_part: whether the row may be an anchor: it has a label and is not excluded.
    """

    row: int
    distance: str
    margin: float
    same: Int[np.ndarray, " S"]
    d_same: Float32[np.ndarray, " S"]
    other: Int[np.ndarray, " M"]
    d_other: Float32[np.ndarray, " M"]
    same_count: int
    other_count: int
    votes: list[tuple[int, int]]
    positives: Int[np.ndarray, " P"]
    d_ap: Float32[np.ndarray, " P"]
    negatives: Int[np.ndarray, " K"]
    d_an: Float32[np.ndarray, " K"]
    negative_count: int
    picks: dict[str, Int[np.ndarray, " P"]] = field(default_factory=dict)
    own_positive: dict[str, int] = field(default_factory=dict)
    not_here: dict[str, str] = field(default_factory=dict)
    beyond: float | None = None
    ticks: Float32[np.ndarray, " T"] = field(default_factory=lambda: np.empty(0, np.float32))
    closer: Int[np.ndarray, "P 2"] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    takes_part: bool = True


def row_view(
    made: EmbeddingSet | Ready,
    row: int,
    *,
    margin: float,
    distance: str = "cosine",
    positive: int | None = None,
    exclude: Sequence[int] = (),
    strategies: Sequence[str] | None = None,
    params: Mapping[str, Mapping[str, float | int]] | None = None,
    seed: int = 0,
    progress: Report | None = None,
) -> RowView:
    """What there is to know of one row as an anchor; exact, at any size.

    Args:
        made: the set; or one that was made ready, for many questions about the same set.
        row: its place in the set.
        margin: above 0, in the unit of the distance.
        distance: "euclidean", "squared-euclidean" or "cosine"; of a set that is ready, its own counts.
        positive: a row of the same class that is to be among the positives shown; others are ignored.
        exclude: rows that take no part in mining; of a set that is ready, its own count.
        strategies: whose picks are asked for; None for every one that makes sense over a whole set.
        params: strategy -> its own parameters.
        seed: of whatever is drawn, as in `mine`.
        progress: called as progress(done, all) while it works; what it raises ends the work.

    Raises:
        DataError: there is no such row.
        SettingError: a margin that is not above 0, or a parameter out of its range.
        UnknownNameError: a distance, strategy or parameter that does not exist.

    Example:
        >>> line = EmbeddingSet(name="line", vectors=np.float32([[0], [1], [1.5], [9]]), ids=np.arange(4),
        ...     labels=np.array([0, 0, 1, 1]), class_names=["a", "b"])
        >>> seen = row_view(line, 0, margin=1.0, distance="euclidean")
        >>> seen.positives.tolist(), seen.negatives.tolist(), seen.d_an.tolist()
        ([1], [2, 3], [1.5, 9.0])
        >>> seen.negatives[seen.picks["semi-hard"]].tolist()
        [2]
    """
    ready = made if isinstance(made, Ready) else Ready(made, distance, tuple(exclude))
    if not 0 <= row < len(ready.set):
        raise DataError(f"There is no row {row:,}: the set has rows 0 to {len(ready.set) - 1:,}.")
    if not (np.isfinite(margin) and margin > 0):
        raise SettingError(f"The margin is {margin}; it must be a number above 0, in the unit of the distance.")
    chosen = [whole_set.get(name) for name in (whole_set.names() if strategies is None else strategies)]
    settled = {one.name: whole_set.settled(one, (params or {}).get(one.name, {})) for one in chosen}
    far = ready.distances(row, progress)
    return _Looking(ready, row, float(margin), far).view(positive, chosen, settled, seed)


class _Looking:
    """At one row, whose distances are known."""

    def __init__(self, ready: Ready, row: int, margin: float, far: np.ndarray) -> None:
        self.ready, self.row, self.margin, self.far = ready, row, margin, far
        labels, own = ready.set.labels, ready.set.labels[row]
        self.labelled = bool(own >= 0)
        others = np.ones(len(far), bool)
        others[row] = False
        mine = others if not self.labelled else (labels == own) & others
        self.mine = np.flatnonzero(mine)
        self.theirs = np.flatnonzero((labels >= 0) & (labels != own)) if self.labelled else np.empty(0, np.int64)
        self.takes_part = bool(ready.number[row] >= 0)

    def nearest(self, rows: np.ndarray, count: int) -> np.ndarray:
        """The nearest of these rows, nearest first; ties by id."""
        return _first(rows, self.far[rows], self.ready.rank, count)

    def taking_part(self, rows: np.ndarray) -> np.ndarray:
        """Those of the rows that mining may use."""
        return np.asarray(rows[self.ready.number[rows] >= 0])

    def votes(self, same: np.ndarray, other: np.ndarray) -> list[tuple[int, int]]:
        """Classes of the nearest rows that have one, which are among the nearest of either kind."""
        labels = self.ready.set.labels
        among = np.concatenate([same, other])
        if not self.labelled:
            among = self.mine[labels[self.mine] >= 0]
        given = labels[self.nearest(among, VOTERS)]
        classes, counts = np.unique(given, return_counts=True)
        order = np.lexsort((classes, -counts))
        return [(int(classes[one]), int(counts[one])) for one in order]

    def view(
        self,
        positive: int | None,
        chosen: list[whole_set.WholeSetStrategy],
        settled: dict[str, dict[str, float]],
        seed: int,
    ) -> RowView:
        """Everything."""
        far = self.far
        same, other = self.nearest(self.mine, LISTED), self.nearest(self.theirs, NEGATIVES)
        positives, negatives = np.empty(0, np.int64), np.empty(0, np.int64)
        pool = self.theirs
        own: dict[str, int] = {}
        picked: dict[str, np.ndarray] = {}
        not_here: dict[str, str] = {}
        if self.labelled:
            pool, mine = (self.taking_part(r) if self.takes_part else r for r in (self.theirs, self.mine))
            ends = {"nearest": self.nearest(mine, 1), "farthest": _first(mine, -far[mine], self.ready.rank, 1)}
            asked = mine[mine == positive]
            positives = np.unique(np.concatenate([self.nearest(mine, POSITIVES), ends["farthest"], asked]))
            positives = self.nearest(positives, len(positives))
            negatives = other if len(pool) == len(self.theirs) else self.nearest(pool, NEGATIVES)
            if self.takes_part and len(positives) and len(pool):
                picked, not_here = self.picked(positives, pool, chosen, settled, seed)
                for one in chosen:
                    if one.positives != "random" and one.name in picked:
                        own[one.name] = int(np.flatnonzero(positives == ends[one.positives][0])[0])
                rows = np.concatenate([negatives, *(rows[rows >= 0] for rows in picked.values())])
                negatives = np.unique(rows)
                negatives = self.nearest(negatives, len(negatives))
            elif not self.takes_part:
                not_here = {one.name: "this row takes no part in mining" for one in chosen}
        other = other[:LISTED]
        place = np.full(len(far), -1, np.int64)
        place[negatives] = np.arange(len(negatives))
        rest = np.sort(far[_without(pool, negatives)])
        return RowView(
            row=self.row,
            distance=self.ready.distance,
            margin=self.margin,
            same=same,
            d_same=far[same],
            other=other,
            d_other=far[other],
            same_count=len(self.mine) if self.labelled else 0,
            other_count=len(self.theirs),
            votes=self.votes(same, other),
            positives=positives,
            d_ap=far[positives],
            negatives=negatives,
            d_an=far[negatives],
            negative_count=len(pool),
            picks={name: np.where(rows >= 0, place[rows], -1) for name, rows in picked.items()},
            own_positive=own,
            not_here=not_here,
            beyond=float(rest[0]) if len(rest) else None,
            ticks=rest[np.unique(np.linspace(0, len(rest) - 1, min(TICKS, len(rest))).astype(np.int64))],
            closer=_closer(rest, far[positives], self.margin),
            takes_part=self.takes_part,
        )

    def picked(
        self,
        positives: np.ndarray,
        pool: np.ndarray,
        chosen: list[whole_set.WholeSetStrategy],
        settled: dict[str, dict[str, float]],
        seed: int,
    ) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """(strategy -> (P,) rows picked, -1 for none; strategy -> why it has none)."""
        ready, number = self.ready, self.ready.number
        try:
            _ = ready.groups
        except DataError as refusal:
            return {}, {one.name: str(refusal) for one in chosen}
        d_ap = self.far[positives]
        skip = int(max((params.get("skip", 0) for params in settled.values()), default=0))
        near = [self.row, *positives, *self.nearest(pool, 1 + skip), *self.just_beyond(pool, d_ap)]
        nearby = ready.part(np.unique(number[np.array(near)]))
        picked: dict[str, np.ndarray] = {}
        not_here: dict[str, str] = {}
        for one in chosen:
            shard = nearby
            if one.name == _NO_SEARCH:
                shard = ready.whole
            elif one.name in (_ZONE_ONLY, _ALL_ROWS):
                found = self.drawn_from(one.name, positives, pool)
                if found is None:
                    not_here[one.name] = (
                        f"it draws from all {len(pool):,} negatives; drawing from more than {DRAWN_FROM:,} "
                        "is left to mining"
                    )
                    continue
                shard = found
            column = np.flatnonzero(shard.rows == number[self.row])
            numbers = number[positives]
            pairs = Pairs(
                np.full(len(numbers), number[self.row]), numbers, d_ap, column, np.array([0, len(numbers)], np.int64)
            )
            task = whole_set.Task(shard, pairs, self.margin, 1, {}, seed, settled[one.name])
            try:
                best = one.pick(task).row
            except SettingError as refusal:
                not_here[one.name] = str(refusal)
                continue
            best = best[:, 0] if best.shape[1] else np.full(len(numbers), -1)
            picked[one.name] = np.where(best >= 0, ready.kept[best], -1)
        return picked, not_here

    def drawn_from(self, name: str, positives: np.ndarray, pool: np.ndarray) -> Shard | None:
        """A shard with every row that the strategy may draw; None where these are too many."""
        number = self.ready.number
        if name == _ZONE_ONLY:
            d_ap, far = self.far[positives], self.far[pool]
            inside = np.zeros(len(pool), bool)
            for low, high in zip(d_ap, whole_set.first_at_gap(d_ap, self.margin), strict=True):
                inside |= (far > low) & (far < high)
            zone = pool[inside]
            if len(zone) <= DRAWN_FROM // 10:
                return self.ready.part(np.unique(number[np.concatenate([[self.row], positives, zone])]))
        return self.ready.whole if len(pool) <= DRAWN_FROM else None

    def just_beyond(self, pool: np.ndarray, d_ap: np.ndarray) -> np.ndarray:
        """The nearest negative beyond each of these distances, the first by id of equally near ones."""
        far = self.far[pool]
        rising = np.sort(far)
        places = np.searchsorted(rising, d_ap, "right")
        found = [np.empty(0, np.int64)]
        for least in np.unique(rising[places[places < len(rising)]]):
            equals = pool[far == least]
            found.append(_first(equals, self.far[equals], self.ready.rank, 1))
        return np.concatenate(found)


def _first(rows: np.ndarray, keys: np.ndarray, rank: np.ndarray, count: int) -> np.ndarray:
    """The rows with the least keys, least first; equal ones by rank.

    Example:
        >>> _first(np.array([4, 5, 6]), np.array([2.0, 1.0, 1.0]), np.array([0, 0, 0, 0, 0, 2, 1]), 2).tolist()
        [6, 5]
    """
    if not count or not len(rows):
        return np.empty(0, np.int64)
    if count < len(rows):
        last = np.partition(keys, count - 1)[count - 1]
        among = np.flatnonzero(keys <= last)
        rows, keys = rows[among], keys[among]
    return np.asarray(rows[np.lexsort((rank[rows], keys))][:count])


def _without(rows: np.ndarray, some: np.ndarray) -> np.ndarray:
    """The rising rows that are not among the others."""
    left = np.ones(len(rows), bool)
    left[np.searchsorted(rows, some)] = False
    return np.asarray(rows[left])


def _closer(rest: np.ndarray, d_ap: np.ndarray, margin: float) -> np.ndarray:
    """(P, 2) how many of the sorted distances are hard, and how many semi-hard, for each positive."""
    hard = np.searchsorted(rest, d_ap, "right")
    violating = np.searchsorted(rest, whole_set.first_at_gap(d_ap, margin), "left")
    return np.stack([hard, np.maximum(violating - hard, 0)], axis=1).reshape(len(d_ap), 2)


def axis_end(made: EmbeddingSet, distance: str) -> float:
    """Right end of an axis of distances that is the same for every row: 99.5 of 100 pairs are nearer than that.

    Pairs come from at most 256 evenly spaced rows, so the number depends on the set alone.

    Example:
        >>> line = EmbeddingSet(name="line", vectors=np.float32([[0], [3]]), ids=np.arange(2), labels=np.array([0, 1]),
        ...     class_names=["a", "b"])
        >>> axis_end(line, "euclidean")
        3.0
    """
    some = np.unique(np.linspace(0, len(made) - 1, min(len(made), 256)).astype(np.int64))
    rows = made.vectors[some].astype(np.float64) * scales_of(made.vectors[some], distance)[:, None]
    lengths = np.square(rows).sum(axis=1)
    squared = (lengths[:, None] + lengths[None, :] - 2 * rows @ rows.T)[np.triu_indices(len(rows), 1)].clip(min=0)
    if not len(squared):
        return 1.0
    named = np.sqrt(squared) if distance == "euclidean" else squared / (2 if distance == "cosine" else 1)
    return float(np.percentile(named, 99.5)) or 1.0
