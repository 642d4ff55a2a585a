"""What each strategy picks when the whole set is its batch.

The strategies of `tripletscope.strategies` mean here what they mean in a batch, and the tests hold them to it: with all
positives, these are the picks that the strategy's own file gives for the set's distances. Two things are new. The
positives may be fewer than all, and there may be several negatives for each: the k nearest instead of the nearest, k
different ones by lot instead of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.mining.approximate import Exact, Searcher
from tripletscope.mining.filters import floors
from tripletscope.mining.pairs import Choice, Pairs
from tripletscope.mining.questions import Lots, Queries, TopK
from tripletscope.mining.shard import Report, Shard, measure
from tripletscope.seeding import derive_seed


@dataclass(frozen=True)
class Task:
    """What is to be mined.

    Attributes:
        shard: of the whole set.
        pairs: anchors and positives.
        margin: in the unit of the distance.
        k: negatives for each pair.
        filters: name -> number of the filters against false negatives.
        seed: of the lots.
        params: parameters of the strategy.
        progress: called as progress(done, all).
        searcher: what answers; None for an exact search of the shard.
    """

    shard: Shard
    pairs: Pairs
    margin: float
    k: int
    filters: dict[str, float]
    seed: int
    params: dict[str, float]
    progress: Report | None = None
    searcher: Searcher | None = None

    @property
    def search(self) -> Searcher:
        """What answers."""
        return Exact(self.shard) if self.searcher is None else self.searcher

    @property
    def floor(self) -> np.ndarray:
        """(P,) float32: the least distance of a negative that the filters allow."""
        return floors(self.filters, self.pairs.distance, self.shard.distance)

    def queries(self, low: np.ndarray, high: np.ndarray | None = None, keys: np.ndarray | None = None) -> Queries:
        """One query for each pair."""
        return self.shard.queries(self.pairs.columns).asking(self.pairs.first, low, high, keys)

    def keys(self, name: str) -> np.ndarray:
        """(P,) what each pair's lots are drawn from."""
        from tripletscope.mining import kernels

        keys: np.ndarray = kernels.keys_of(
            np.uint64(derive_seed(self.seed, "negatives", name)), self.pairs.anchor, self.pairs.positive
        )
        return keys


#: What a draw is asked for.
ANY = "anchors that have a negative to draw"
Picker = Callable[[Task], TopK]


@dataclass(frozen=True)
class WholeSetStrategy:
    """A strategy over the whole set.

    Attributes:
        name: as in `tripletscope.strategies`, where it has a twin.
        summary: one line.
        positives: which positive an anchor gets when not all are asked for.
        pick: for each pair up to k negatives.
        params: name -> default of its own parameters.
    """

    name: str
    summary: str
    positives: Choice
    pick: Picker
    params: tuple[tuple[str, float], ...] = ()


def nearest_negatives(task: Task) -> TopK:
    """The k nearest negatives of each pair; one search an anchor where no filter tells its pairs apart."""
    of = "nearest negatives" if task.k == 1 else f"{task.k} nearest negatives"
    if task.filters:
        return task.search.nearest(task.queries(task.floor), task.k, of=of, progress=task.progress)
    found = task.search.nearest(task.shard.queries(task.pairs.columns), task.k, of=of, progress=task.progress)
    line = np.repeat(np.arange(len(task.pairs.columns)), np.diff(task.pairs.first))
    return found if len(line) == len(found.row) else TopK(found.distance[line], found.row[line])


def window(task: Task) -> TopK:
    """The k nearest negatives after the `skip` nearest, which are the likeliest to be false."""
    from dataclasses import replace

    skip = int(task.params["skip"])
    found = nearest_negatives(replace(task, k=task.k + skip))
    return TopK(found.distance[:, skip:], found.row[:, skip:])


def semi_hard(task: Task) -> TopK:
    """The k nearest negatives with 0 < gap < margin."""
    d_ap = task.pairs.distance
    low = np.maximum(np.nextafter(d_ap, np.float32(np.inf)), task.floor)
    of = "nearest semi-hard negatives" if task.k == 1 else f"{task.k} nearest semi-hard negatives"
    asked = task.queries(low, first_at_gap(d_ap, task.margin))
    found = task.search.nearest(asked, task.k, of=of, progress=task.progress)
    outside = (found.row >= 0) & (found.distance - d_ap[:, None] >= np.float32(task.margin))
    return TopK(np.where(outside, np.float32(np.inf), found.distance), np.where(outside, -1, found.row))


def semi_hard_random(task: Task) -> TopK:
    """As many different negatives by lot as asked for among those with 0 < gap < margin."""
    d_ap = task.pairs.distance
    low = np.maximum(np.nextafter(d_ap, np.float32(np.inf)), task.floor)
    high = first_at_gap(d_ap, task.margin)
    keys = task.keys("semi-hard-random")
    return task.search.drawn(
        task.queries(low, high, keys), task.k, of="anchors that have a semi-hard negative", progress=task.progress
    )


def uniform(task: Task) -> TopK:
    """As many different negatives by lot as asked for."""
    from tripletscope.mining import kernels

    shard, pairs, keys = task.shard, task.pairs, task.keys("random")
    if task.filters:
        high = np.full(len(pairs), np.inf, np.float32)
        return task.search.drawn(
            task.queries(task.floor, high, keys),
            task.k,
            of="anchors that have a negative to draw",
            progress=task.progress,
        )
    column = np.repeat(pairs.columns, np.diff(pairs.first))
    start, stop = shard.ranges(shard.classes[column])
    places = np.full((len(pairs), task.k), -1, np.int64)
    kernels.draw_places(keys, len(shard) - (stop - start), task.k, places)
    places += np.where(places >= start[:, None], (stop - start)[:, None], 0)  # step over the own class
    line, _ = there = np.nonzero(places >= 0)
    distance, row = np.full(places.shape, np.inf, np.float32), np.full(places.shape, -1, np.int64)
    row[there] = shard.rows[places[there]]
    distance[there] = measure(shard, shard.order[column[line]], shard.order[places[there]])
    return TopK(distance, row)


def distance_weighted(task: Task) -> TopK:
    """Different negatives by lot, in proportion to min(λ, 1/q(d)), nearer than the upper cut-off."""
    shard, dim = task.shard, task.shard.vectors.shape[1]
    if dim < 2:
        raise SettingError("'distance-weighted' needs the dimension of the embeddings, at least 2, and got 1.")
    if shard.distance != "cosine" and not shard.is_unit():
        raise SettingError(
            "'distance-weighted' is defined for vectors of length 1, and these are not; "
            "choose the cosine distance, normalise the embeddings or choose another strategy."
        )
    cutoff, most = task.params["cutoff"], task.params["nonzero_loss_cutoff"]
    ceiling = -(dim - 2) * math.log(cutoff) - (dim - 3) / 2 * math.log(1 - cutoff**2 / 4)
    named = most if shard.distance == "euclidean" else most**2 / (2 if shard.distance == "cosine" else 1)
    high = np.full(len(task.pairs), named, np.float32)
    keys = task.keys("distance-weighted")
    lots = Lots(True, dim, ceiling)
    return task.search.drawn(
        task.queries(task.floor, high, keys),
        task.k,
        lots=lots,
        of="anchors that have a negative to draw",
        progress=task.progress,
    )


def first_at_gap(d_ap: np.ndarray, gap: float) -> np.ndarray:
    """(T,) float32: the least d_an whose rounded gap d_an - d_ap is not below `gap`.

    d_ap + gap is rounded elsewhere than the gap is, so a step up or down may be needed.

    Example:
        >>> first_at_gap(np.float32([0.5]), 0.25).tolist()
        [0.75]
    """
    wanted, up, down = np.float32(gap), np.float32(np.inf), np.float32(-np.inf)
    found: np.ndarray = (d_ap + wanted).astype(np.float32)
    while (over := np.nextafter(found, down) - d_ap >= wanted).any():
        found = np.where(over, np.nextafter(found, down), found)
    while (under := found - d_ap < wanted).any():
        found = np.where(under, np.nextafter(found, up), found)
    return found


STRATEGIES = {
    one.name: one
    for one in (
        WholeSetStrategy("random", "Negatives drawn by lot.", "random", uniform),
        WholeSetStrategy("hardest", "The nearest negatives.", "random", nearest_negatives),
        WholeSetStrategy(
            "batch-hard", "The farthest positive and the nearest negatives.", "farthest", nearest_negatives
        ),
        WholeSetStrategy("semi-hard", "The nearest negatives in the semi-hard zone.", "random", semi_hard),
        WholeSetStrategy(
            "semi-hard-random", "Negatives drawn by lot from the semi-hard zone.", "random", semi_hard_random
        ),
        WholeSetStrategy(
            "easy-positive", "The nearest positive and the nearest negatives.", "nearest", nearest_negatives
        ),
        WholeSetStrategy(
            "distance-weighted",
            "Negatives drawn so that near, middling and far ones are seen alike.",
            "random",
            distance_weighted,
            (("cutoff", 0.5), ("nonzero_loss_cutoff", 1.4)),
        ),
        WholeSetStrategy(
            "top-n-window", "The nearest negatives after the first few.", "random", window, (("skip", 10.0),)
        ),
    )
}
_BOUNDS = {"cutoff": (0.05, 1.4), "nonzero_loss_cutoff": (0.1, 2.0), "skip": (0, 10_000)}


def names() -> list[str]:
    """Every strategy that makes sense over a whole set, in display order; batch-all does not, with its N³ triplets."""
    return list(STRATEGIES)


def get(name: str) -> WholeSetStrategy:
    """The strategy of that name.

    Raises:
        UnknownNameError: for any other name.
    """
    if name not in STRATEGIES:
        raise UnknownNameError("whole-set strategy", name, STRATEGIES)
    return STRATEGIES[name]


def settled(strategy: WholeSetStrategy, params: Mapping[str, float | int]) -> dict[str, float]:
    """Every parameter of the strategy with its value.

    Raises:
        SettingError: a value out of its range.
        UnknownNameError: a parameter that the strategy does not have.
    """
    values = dict(strategy.params)
    for name, value in params.items():
        if name not in values:
            raise UnknownNameError(f"parameter of {strategy.name}", name, values)
        low, high = _BOUNDS[name]
        if not low <= value <= high:
            raise SettingError(
                f"{name} of {strategy.name!r} is {value}; it must lie between {low:g} and {high:g} "
                f"(default {values[name]:g})."
            )
        values[name] = float(value)
    return values
