"""Which negatives, over time: who a strategy picked between two frames, and how often it changes its mind.

Two sources, kept apart. What was *recorded* is counted from the picks themselves, step by step. How long a negative
stays the pick cannot be read there, since every step has another batch; it is asked of the deterministic strategies
themselves, on the cohort, frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from tripletscope.analysis.cohort import cohort
from tripletscope.analysis.counterfactual import recorded_filters, recorded_parameters, without_picks
from tripletscope.analysis.probe import probe_labels
from tripletscope.analysis.violations import cohort_distances
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run

if TYPE_CHECKING:
    from tripletscope.batch import Batch
    from tripletscope.strategies.base import Strategy
    from tripletscope.triplets import Triplets

#: Up to here every picked negative is counted; beyond, only the most picked of each interval.
MOST_HUBS, HUBS_PER_INTERVAL = 300_000, 64

BATCH_ALL = "batch-all"

# Reading costs little more for many steps than for one, and a thousand picks of each of these fit in memory.
STEPS_AT_ONCE = 2_000

# A tally is condensed when so many entries wait.
WAITING = 2**20

# (numbers, how often each came)
Counts = tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]


class Tally:
    """How often each number came, without room for those that never did.

    Example:
        >>> tally = Tally()
        >>> tally.add(np.array([7, 3, 7]))
        >>> tally.add(np.array([3, 9]), np.array([4, 1]))
        >>> [column.tolist() for column in tally.most_first()]
        [[3, 7, 9], [5, 2, 1]]
    """

    def __init__(self) -> None:
        self._keys = [np.empty(0, np.int64)]
        self._counts = [np.empty(0, np.int64)]
        self._waiting = 0

    def add(self, keys: Int64[np.ndarray, " M"], counts: Int64[np.ndarray, " M"] | None = None) -> None:
        """Nothing; each key has come once more, or `counts` times."""
        self._keys.append(keys)
        self._counts.append(np.ones(len(keys), np.int64) if counts is None else counts)
        self._waiting += len(keys)
        if self._waiting > WAITING:
            self._condense()

    def most_first(self) -> tuple[Int64[np.ndarray, " M"], Int64[np.ndarray, " M"]]:
        """(keys, counts), the most frequent first and among equals the smallest."""
        self._condense()
        order = np.argsort(-self._counts[0], kind="stable")
        return self._keys[0][order], self._counts[0][order]

    def _condense(self) -> None:
        keys, place = np.unique(np.concatenate(self._keys), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place, np.concatenate(self._counts))
        self._keys, self._counts, self._waiting = [keys], [counts], 0


@dataclass(frozen=True)
class Rivals:
    """What every recorded strategy picked between one frame and the next.

    The lists go strategy by strategy, and for each frame by frame: entry [s * F + f] belongs to the steps from
    frame f up to the next one, which is not included; the last frame's go to the end of the run.

    Attributes:
        who: (code, count) by strategy and frame; code = anchor's class * C + negative's class.
        hubs: (row in samples/, count) of the picked negatives, by strategy and frame.
        hubs_exact: whether `hubs` holds every picked negative; if not, the 64 most picked of each interval.
        at_frames: the picks of each frame's own step, columns as in `Run.pick_rows`; no batch-all, no closing frame.
    """

    who: list[Counts]
    hubs: list[Counts]
    hubs_exact: bool
    at_frames: list[dict[str, np.ndarray]]


def rivals(run: Run) -> Rivals:
    """The recorded picks of every strategy of the run, by interval of frames.

    batch-all writes no picks, but a batch says what they were: every eligible triplet.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> told = rivals(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> codes, counts = told.who[0]
        >>> divmod(int(codes[0]), 10), int(counts.sum())  # between frames 0 and 1
        ((1, 9), 94)
    """
    strategies, labels = run.strategies, run.samples.labels
    classes, frames = len(run.samples.class_names), len(run.frame_steps)
    who = [Tally() for _ in range(len(strategies) * frames)]
    hubs = [Tally() for _ in range(len(strategies) * frames)]
    at_frames = [run.pick_rows(range(0))] * frames
    for f, picked in _picks_by_interval(run):
        # A table that is damaged may name rows that never were.
        rows = np.stack([picked[slot] for slot in ("anchor", "positive", "negative")])
        known = ((rows >= 0) & (rows < len(labels))).all(axis=0)
        own = known & (picked["step"] == run.frame_steps[f])
        if own.any():
            at_frames[f] = {name: column[own] for name, column in picked.items()}
        for s in range(len(strategies)):
            mine = known & (picked["strategy"] == s)
            negative = picked["negative"][mine].astype(np.int64)
            who[s * frames + f].add(labels[picked["anchor"][mine]] * classes + labels[negative])
            hubs[s * frames + f].add(negative)
    if BATCH_ALL in strategies:
        s = strategies.index(BATCH_ALL)
        for f, steps in enumerate(intervals(run)):
            _add_everything(run, steps, who[s * frames + f], hubs[s * frames + f])
    found = [tally.most_first() for tally in hubs]
    exact = sum(len(rows) for rows, _ in found) <= MOST_HUBS
    if not exact:
        found = [(rows[:HUBS_PER_INTERVAL], counts[:HUBS_PER_INTERVAL]) for rows, counts in found]
    return Rivals([tally.most_first() for tally in who], found, exact, at_frames)


def intervals(run: Run) -> list[range]:
    """For each frame the steps from it up to the next one; the last frame's reach to the end of the run."""
    begins = list(run.frame_steps)
    return [range(begin, end) for begin, end in zip(begins, [*begins[1:], run.step_count], strict=False)]


def _picks_by_interval(run: Run) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """(frame, picks of some steps of its interval), all intervals in turn; a few thousand steps are read at once."""
    begins, end = list(run.frame_steps), run.step_count
    for first in range(begins[0] if begins else end, end, STEPS_AT_ONCE):
        picked = run.pick_rows(range(first, min(first + STEPS_AT_ONCE, end)))
        cuts = np.searchsorted(picked["step"], [*begins, end])
        for f, (start, stop) in enumerate(pairwise(cuts.tolist())):
            if start < stop:
                yield f, {name: column[start:stop] for name, column in picked.items()}


def _add_everything(run: Run, steps: range, who: Tally, hubs: Tally) -> None:
    """Counts every eligible triplet of those steps' batches, without making one."""
    labels, classes = run.samples.labels, len(run.samples.class_names)
    for rows in _batches(run, steps):
        own = labels[rows]
        present, place, sizes = np.unique(own, return_inverse=True, return_counts=True)
        pairs = sizes * (sizes - 1)  # anchors and positives of each class
        counts = pairs[:, None] * sizes
        np.fill_diagonal(counts, 0)
        codes = present[:, None] * classes + present
        some = counts > 0
        who.add(codes[some], counts[some])
        often = (pairs.sum() - pairs)[place]
        hubs.add(rows[often > 0], often[often > 0])


def _batches(run: Run, steps: range) -> Iterator[Int64[np.ndarray, " B"]]:
    """Rows of one batch after the other."""
    table = run.batch_rows(steps)
    rows = table["row"].astype(np.int64)
    cuts = np.flatnonzero(np.diff(table["step"])) + 1
    for part in np.split(rows, cuts):
        yield part[(part >= 0) & (part < len(run.samples))]


@dataclass(frozen=True)
class Constancy:
    """How long the picks of each deterministic strategy stay the same, on the cohort.

    Attributes:
        strategies: their names.
        churn: share of the picks that are not those of the frame before; NaN at the first frame. Whoever abstains
            picks nobody, and goes on picking nobody.
        held: median number of steps that the picks have lasted; NaN where every pick is nobody.
        left_out: one sentence for each strategy that could not be asked.
    """

    strategies: list[str]
    churn: Float32[np.ndarray, "S F"]
    held: Float32[np.ndarray, "S F"]
    left_out: list[str]


def constancy(run: Run) -> Constancy:
    """Asks every deterministic strategy for its picks from the cohort at every frame. Imports torch.

    A pick is the negative that a strategy has for an anchor and a positive, or for an anchor where it chooses the
    positive itself. batch-all has every negative, so it is not asked. What a strategy would have picked between two
    frames nobody knows: a pick that two frames agree on counts as held.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> told = constancy(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> told.strategies[:4]
        ['hardest', 'batch-hard', 'semi-hard', 'easy-positive']
        >>> bool(np.isnan(told.churn[:, 0]).all()), told.held[:4, 0].tolist()
        (True, [0.0, 0.0, 0.0, 0.0])
    """
    import torch

    from tripletscope import strategies
    from tripletscope.batch import Batch
    from tripletscope.mining.filtered import filtered

    members = cohort(run)
    labels = torch.from_numpy(probe_labels(run)[members])
    known = strategies.all(run.strategies)
    asked = {each.name: each for each in known if not each.stochastic and each.single and not without_picks(run, each)}
    params, steps = recorded_parameters(run), list(run.frame_steps)
    picks: dict[str, list[np.ndarray]] = {name: [] for name in asked}
    left_out = []
    for step, distances in zip(steps, cohort_distances(run, members), strict=True):
        points = torch.from_numpy(np.array(run.frames[step][members], dtype=np.float32))
        batch = Batch(torch.from_numpy(distances), labels, distance=run.distance, embeddings=points)
        for name, each in list(asked.items()):
            try:
                each.check(batch)
                seen = filtered(batch, recorded_filters(run).get(name, {}))
                found = each.pick(seen, margin=run.margin, generator=None, **params.get(name, {}))
                picks[name].append(_negative_of_each(found, batch, each))
            except TripletscopeError as refusal:
                left_out.append(str(refusal))
                del asked[name]
            except Exception as error:  # a strategy of somebody else may raise anything; the others go on
                left_out.append(f"{name!r} could not be asked ({type(error).__name__}: {error}).")
                del asked[name]
    numbers = [how_long(picks[name], steps) for name in asked]
    shape = (2, len(asked), len(steps))
    table = np.array(numbers, np.float32).swapaxes(0, 1) if numbers else np.zeros(shape, np.float32)
    return Constancy(list(asked), table[0], table[1], left_out)


def how_long(
    picks: list[Int64[np.ndarray, " U"]], steps: list[int]
) -> tuple[Float32[np.ndarray, " F"], Float32[np.ndarray, " F"]]:
    """(share of the picks that changed, median number of steps they have lasted) at each frame.

    Args:
        picks: at each frame who was picked, -1 for nobody.
        steps: of the frames, ascending.

    Example:
        >>> changed, lasted = how_long([np.array([4, 5, -1]), np.array([4, 6, -1]), np.array([4, 6, 2])], [0, 10, 30])
        >>> changed.round(2).tolist(), lasted.tolist()
        ([nan, 0.33..., 0.33...], [0.0, 5.0, 20.0])
    """
    changed, lasted = np.full((2, len(picks)), np.nan, np.float32)
    since = np.zeros(0, np.int64)
    for f, now in enumerate(picks):
        if not len(now):
            continue
        if f:
            new = now != picks[f - 1]
            changed[f] = new.mean()
            since = np.where(new, steps[f], since)
        else:
            since = np.full(len(now), steps[0])
        somebody = now >= 0
        if somebody.any():
            lasted[f] = np.median(steps[f] - since[somebody])
    return changed, lasted


def _negative_of_each(triplets: Triplets, batch: Batch, strategy: Strategy) -> Int64[np.ndarray, " U"]:
    """The negative picked for each pair of the batch, or for each anchor that has a positive; -1 for nobody."""
    anchor, positive, negative = (column.numpy() for column in (triplets.anchor, triplets.positive, triplets.negative))
    if strategy.granularity == "anchor":
        of_anchor: Int64[np.ndarray, " B"] = np.full(batch.size, -1, np.int64)
        of_anchor[anchor] = negative
        return np.asarray(of_anchor[batch.has_positive.numpy()])
    of_pair = np.full((batch.size, batch.size), -1, np.int64)
    of_pair[anchor, positive] = negative
    return np.asarray(of_pair[tuple(slots.numpy() for slots in batch.pairs)])
