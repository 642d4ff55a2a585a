"""Do two strategies learn from the same triplets? Who picks whom, for the same anchors and positives, step by step.

Two questions, kept apart. *Asked*: each strategy is asked for its picks on the cohort (see `cohort`), in the space that
it has made by then, so that every run answers about the same pairs at every frame. *Recorded*: the picks that were
really trained on at a step, which can be compared where the runs drew the same batches.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, Int64

from tripletscope.analysis.cohort import cohort, distances_within
from tripletscope.analysis.counterfactual import recorded_filters, recorded_parameters, without_picks
from tripletscope.analysis.probe import probe_labels
from tripletscope.errors import DataError, TripletscopeError
from tripletscope.seeding import generator
from tripletscope.store.reader import Run
from tripletscope.zones import zone_codes_numpy

if TYPE_CHECKING:
    from tripletscope.strategies.base import Strategy
    from tripletscope.triplets import Triplets

#: Rank 1 is the anchor's nearest negative. Each bin goes up to the rank before the next one begins.
RANK_BINS = (1, 2, 3, 6, 11, 21, 51)


def rank_titles() -> list[str]:
    """The bins of ranks for people.

    Example:
        >>> rank_titles()
        ['1', '2', '3-5', '6-10', '11-20', '21-50', '51+']
    """
    ends = [*(begin - 1 for begin in RANK_BINS[1:]), None]
    return [
        f"{first}+" if last is None else str(first) if first == last else f"{first}-{last}"
        for first, last in zip(RANK_BINS, ends, strict=True)
    ]


@dataclass(frozen=True)
class Picked:
    """What one strategy picks from a set of samples at one frame.

    Attributes:
        negative: for each ordered pair (anchor, positive) of the set the place of its negative; -1 for nobody. The
            pairs go by anchor, then by positive. A strategy that chooses its own positive has one pair per anchor.
        zones: how many of the picks are hard, semi-hard, easy.
        ranks: how many lie in each bin of `RANK_BINS`: rank 1 is the anchor's nearest negative, and equally near ones
            share the best rank.
        asked: pairs that it could have answered for: all of them, or one per anchor.
    """

    negative: Int64[np.ndarray, " U"]
    zones: Int64[np.ndarray, " 3"]
    ranks: Int64[np.ndarray, " R"]
    asked: int


def pairs_within(labels: Int64[np.ndarray, " A"]) -> tuple[Int64[np.ndarray, " U"], Int64[np.ndarray, " U"]]:
    """(anchor, positive) of every ordered pair of one class, by anchor, then by positive.

    Example:
        >>> [part.tolist() for part in pairs_within(np.array([4, 7, 4]))]
        [[0, 2], [2, 0]]
    """
    same: Bool[np.ndarray, "A A"] = labels[:, None] == labels[None, :]
    np.fill_diagonal(same, val=False)
    anchor, positive = np.nonzero(same)
    return anchor, positive


def picks_of(
    strategy: Strategy,
    points: Float32[np.ndarray, "A D"],
    labels: Int64[np.ndarray, " A"],
    *,
    margin: float,
    distance: str,
    seed: int = 0,
    step: int = 0,
    params: dict[str, float] | None = None,
    filters: dict[str, float] | None = None,
) -> Picked:
    """What the strategy picks when these points are the batch. Imports torch.

    Args:
        strategy: one that picks single negatives: not batch-all.
        points: one row a sample.
        labels: their classes.
        margin: in the unit of the distance.
        distance: its name.
        seed: of the draw of a stochastic strategy, together with its name and the step.
        step: see `seed`.
        params: of the strategy, where they differ from its defaults.
        filters: filter -> its number, for negatives that it may not choose.

    Raises:
        TripletscopeError: when the strategy cannot work in this space.
    """
    import torch

    from tripletscope.batch import Batch
    from tripletscope.mining.filtered import filtered

    with np.errstate(invalid="ignore"):  # a run that has diverged is asked as far as it has numbers
        distances = distances_within(points, distance)
    batch = Batch(
        torch.from_numpy(distances),
        torch.from_numpy(labels),
        distance=distance,
        embeddings=torch.from_numpy(np.array(points, np.float32)),
    )
    if strategy.needs:
        strategy.check(batch)
    rng = generator(seed, "agreement", strategy.name, step) if strategy.stochastic else None
    found: Triplets = strategy.pick(filtered(batch, filters or {}), margin=margin, generator=rng, **(params or {}))
    anchor, positive, negative = (part.numpy() for part in (found.anchor, found.positive, found.negative))
    first, second = pairs_within(labels)
    table = np.full(distances.shape, -1, np.int64)
    table[anchor, positive] = negative
    gap = distances[anchor, negative] - distances[anchor, positive]
    asked = len(np.unique(first)) if strategy.granularity == "anchor" else len(first)
    return Picked(
        table[first, second],
        np.bincount(zone_codes_numpy(gap, margin), minlength=3)[:3].astype(np.int64),
        _rank_counts(distances, labels, anchor, negative),
        asked,
    )


def _rank_counts(
    distances: Float32[np.ndarray, "A A"],
    labels: Int64[np.ndarray, " A"],
    anchor: Int64[np.ndarray, " T"],
    negative: Int64[np.ndarray, " T"],
) -> Int64[np.ndarray, " R"]:
    rows = np.where(labels[:, None] == labels[None, :], np.float32(np.inf), distances)
    rows.sort(axis=1)
    order = np.argsort(anchor, kind="stable")
    cuts = np.searchsorted(anchor[order], np.arange(len(labels) + 1))
    rank = np.empty(len(anchor), np.int64)
    for row in range(len(labels)):
        mine = order[cuts[row] : cuts[row + 1]]
        if len(mine):
            rank[mine] = 1 + np.searchsorted(rows[row], distances[row, negative[mine]], side="left")
    place = np.searchsorted(RANK_BINS, rank, side="right") - 1
    return np.bincount(place, minlength=len(RANK_BINS)).astype(np.int64)


def agreement(one: Int64[np.ndarray, " U"], other: Int64[np.ndarray, " U"]) -> tuple[float, float, int]:
    """(share of same negatives, Jaccard of the picks, pairs that both answered) of two lists of negatives.

    The share is among the anchors and positives for which both pick somebody; Jaccard is same picks / all different
    picks, so that abstaining counts. Both are NaN where there is nothing to divide by.

    Args:
        one: the negative for each anchor and positive, -1 for nobody.
        other: for the same pairs.

    Example:
        >>> agreement(np.array([5, 6, -1, 8]), np.array([5, 7, 9, -1]))
        (0.5, 0.2, 2)
    """
    mine, theirs = one >= 0, other >= 0
    both = int((mine & theirs).sum())
    same = int((mine & (one == other)).sum())
    union = int(mine.sum()) + int(theirs.sum()) - same
    return (same / both if both else math.nan, same / union if union else math.nan, both)


@dataclass(frozen=True)
class Agreement:
    """How far V voices agree at each of S steps.

    Attributes:
        titles: of the voices.
        steps: at which they were asked; each answers in its last frame up to there.
        at: the step of that frame, by step and voice.
        same: share of same negatives (see `agreement`), by step, voice and voice.
        jaccard: of their picks.
        both: pairs that both answered.
        zones: picks that are hard, semi-hard, easy, by step and voice.
        ranks: picks by bin of `RANK_BINS`.
        abstained: share of what was asked that has no pick.
        left_out: one sentence for each voice that could not be asked; its numbers are NaN and 0.
    """

    titles: list[str]
    steps: list[int]
    at: Int64[np.ndarray, "S V"]
    same: Float32[np.ndarray, "S V V"]
    jaccard: Float32[np.ndarray, "S V V"]
    both: Int64[np.ndarray, "S V V"]
    zones: Int64[np.ndarray, "S V 3"]
    ranks: Int64[np.ndarray, "S V R"]
    abstained: Float32[np.ndarray, "S V"]
    left_out: list[str]


def all_steps(runs: Sequence[Run]) -> list[int]:
    """Every step at which one of the runs has a frame, ascending, from where all have one.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> race = sample_data_dir() / "races" / "digits-2d"
        >>> steps = all_steps([Run.open(race / name) for name in ("semi-hard", "batch-hard")])
        >>> steps[0], steps[-1]
        (0, 400)
    """
    first = max((run.frame_steps[0] for run in runs if run.frame_steps), default=0)
    return sorted({step for run in runs for step in run.frame_steps if step >= first})


def frame_at(run: Run, step: int) -> int:
    """The step of the run's last frame at or before `step`; its first one when there is none."""
    steps = run.frame_steps
    return steps[max(bisect_right(steps, step) - 1, 0)]


def asked_agreement(
    runs: Sequence[Run], *, voices: Sequence[tuple[int, str]] | None = None, steps: Sequence[int] | None = None
) -> Agreement:
    """Asks strategies for their picks on one cohort, each in the space of a run, and compares them. Imports torch.

    Args:
        runs: with the same samples in their probe sets; the first one's seed draws the cohort.
        voices: (place of a run, name of a strategy) each; every run's own training strategy when left out. Two
            strategies in one run's space differ by their rule alone.
        steps: at which to ask; every step with a frame when left out.

    Raises:
        DataError: when the probe sets differ.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> race = sample_data_dir() / "races" / "digits-2d"
        >>> runs = [Run.open(race / name) for name in ("semi-hard", "batch-hard")]
        >>> told = asked_agreement(runs, steps=[0, 400])
        >>> told.same.shape, bool((told.jaccard[:, 0, 0] == 1).all())
        ((2, 2, 2), True)
    """
    from tripletscope import strategies

    labels = probe_labels(runs[0])
    for run in runs[1:]:
        if not np.array_equal(probe_labels(run), labels):
            raise DataError(f"The runs {runs[0].name!r} and {run.name!r} were recorded on other samples.")
    members = cohort(runs[0])
    asked = list(voices) if voices is not None else [(place, run.training or "own") for place, run in enumerate(runs)]
    wanted = list(steps) if steps is not None else all_steps(runs)
    kept: dict[tuple[int, int], Picked] = {}
    left_out: list[str] = []
    titles = []
    for voice, (place, name) in enumerate(asked):
        run = runs[place]
        titles.append(f"{name} in {run.name}" if voices is not None else name)
        try:
            record = strategies.get(name)
            if reason := without_picks(run, record):
                raise DataError(f"{name!r} {reason}, so it picks nobody in particular.")
            if not record.single:
                how = "picks once for a whole batch" if record.listed else "takes several negatives for a pair"
                raise DataError(f"{name!r} {how}, so it picks nobody in particular.")
            params = recorded_parameters(run).get(name, {})
            found = {}
            for step in sorted({frame_at(run, step) for step in wanted}):
                points = np.asarray(run.frames[step][members], np.float32)
                found[(voice, step)] = picks_of(
                    record,
                    points,
                    labels[members],
                    margin=run.margin,
                    distance=run.distance,
                    seed=int(run.config.get("seed") or 0),
                    step=step,
                    params=params,
                    filters=recorded_filters(run).get(name),
                )
            kept |= found
        except TripletscopeError as refusal:
            left_out.append(f"{run.name}: {refusal}")
        except Exception as error:  # a strategy of somebody else may raise anything; the others go on
            left_out.append(f"{run.name}: {name!r} could not be asked ({type(error).__name__}: {error}).")
    at = np.array([[frame_at(runs[place], step) for place, _ in asked] for step in wanted], np.int64)
    rows = [[kept.get((voice, int(frame))) for voice, frame in enumerate(line)] for line in at]
    return _compared(titles, wanted, at.reshape(len(wanted), len(asked)), rows, left_out)


def recorded_agreement(runs: Sequence[Run], steps: Sequence[int] | None = None) -> Agreement:
    """Compares the picks that the runs really trained on, as `Run.picks` gives them, at the same steps.

    Steps at which a run has no batch, such as a closing frame, have no numbers. Runs of other batches share few
    anchors, which shows in `both`. Ranks are not on record, so all of them are 0.

    Args:
        runs: with the same samples.
        steps: every step with a frame when left out.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> race = sample_data_dir() / "races" / "digits-2d"
        >>> told = recorded_agreement([Run.open(race / name) for name in ("semi-hard", "batch-hard")], steps=[0])
        >>> told.both[0].tolist()
        [[94, 30], [30, 32]]
    """
    wanted = list(steps) if steps is not None else all_steps(runs)
    rows: list[list[Picked | None]] = []
    at = np.array([[step] * len(runs) for step in wanted], np.int64).reshape(len(wanted), len(runs))
    for step in wanted:
        columns = [
            run.pick_rows(step, training=True)
            if step < run.step_count and not run.counts_only(run.training or "own")
            else None
            for run in runs
        ]
        keys = [
            None if found is None else found["anchor"].astype(np.int64) * 2**32 + found["positive"] for found in columns
        ]
        everyone = np.unique(np.concatenate([np.zeros(0, np.int64), *(key for key in keys if key is not None)]))
        line: list[Picked | None] = []
        for run, found, key in zip(runs, columns, keys, strict=True):
            if found is None or key is None:
                line.append(None)
                continue
            negative = np.full(len(everyone), -1, np.int64)
            negative[np.searchsorted(everyone, key)] = found["negative"]
            zones = np.bincount(zone_codes_numpy(found["d_an"] - found["d_ap"], run.margin), minlength=3)[:3]
            told = run.lines[step].get("abstained")
            line.append(Picked(negative, zones, np.zeros(len(RANK_BINS), np.int64), len(key) + int(told or 0)))
        rows.append(line)
    left_out = [
        f"{run.name}: {run.training} takes several negatives for a pair."
        for run in runs
        if run.counts_only(run.training or "own")
    ]
    return _compared([run.training or "own" for run in runs], wanted, at, rows, left_out)


def _compared(
    titles: list[str],
    steps: list[int],
    at: Int64[np.ndarray, "S V"],
    rows: Sequence[Sequence[Picked | None]],
    left_out: list[str],
) -> Agreement:
    count = len(titles)
    same, jaccard = (np.full((len(steps), count, count), np.nan, np.float32) for _ in range(2))
    both = np.zeros((len(steps), count, count), np.int64)
    zones, ranks = (np.zeros((len(steps), count, size), np.int64) for size in (3, len(RANK_BINS)))
    abstained = np.full((len(steps), count), np.nan, np.float32)
    for s, line in enumerate(rows):
        for i, one in enumerate(line):
            if one is None:
                continue
            zones[s, i], ranks[s, i] = one.zones, one.ranks
            if one.asked:
                abstained[s, i] = 1 - (one.negative >= 0).sum() / one.asked
            for j, other in enumerate(line[: i + 1]):
                if other is not None:
                    found = agreement(one.negative, other.negative)
                    same[s, i, j], jaccard[s, i, j], both[s, i, j] = found
                    same[s, j, i], jaccard[s, j, i], both[s, j, i] = found
    return Agreement(titles, steps, at, same, jaccard, both, zones, ranks, abstained, left_out)
