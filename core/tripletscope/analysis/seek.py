"""Anchors worth a look: the next one with a violating triplet, and those on which the strategies disagree most.

Both look at an anchor among its candidates (its probe batch) at one frame, as the ruler shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float32, Int64

from tripletscope.analysis.counterfactual import (
    Chooser,
    candidate_batches,
    recorded_filters,
    recorded_parameters,
    without_picks,
)
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.zones import zone_codes_numpy

#: Anchors that are compared with each other, spread evenly over the probe set.
RANKED = 100

Ranking = list[tuple[int, int]]
_RANKINGS: WeakKeyDictionary[Run, dict[tuple[int, float], Ranking]] = WeakKeyDictionary()


def next_violating(run: Run, step: int, anchor: int, *, margin: float | None = None) -> tuple[int, int] | None:
    """The next anchor that violates the margin among its candidates, with its most telling positive; None if none does.

    Anchors follow each other as probe indices, and after the last comes the first; the anchor that one starts from
    is looked at last. The positive is one with a violating negative (gap < margin), the one whose zones are filled
    most evenly.

    Args:
        run: a recorded run.
        step: with a frame.
        anchor: probe index to go on from.
        margin: the run's own when left out.
    """
    import torch

    from tripletscope.distances import pairwise

    margin = run.margin if margin is None else margin
    labels, frame = probe_labels(run), run.frames[step]
    for candidate in [*range(anchor + 1, len(labels)), *range(min(anchor, len(labels) - 1) + 1)]:
        members = probe_batch(run, candidate)
        points = torch.from_numpy(np.array(frame[members], dtype=np.float32))
        d = pairwise(points, run.distance)[0].numpy()
        positive = telling_positive(d, labels[members] == labels[candidate], margin)
        if positive is not None:
            return candidate, int(members[positive])
    return None


def telling_positive(distances: Float32[np.ndarray, " B"], same: np.ndarray, margin: float) -> int | None:
    """The slot of the positive with a violating negative whose zones are filled most evenly; None without any.

    Args:
        distances: from slot 0, the anchor.
        same: whether a slot is of the anchor's class.
        margin: in the unit of the distance.

    Example:
        >>> d = np.float32([0, 1, 5, 1.5, 2.5])
        >>> telling_positive(d, np.array([True, True, True, False, False]), 1.0)
        1
        >>> telling_positive(d, np.array([True, True, False, False, False]), 0.1) is None
        True
    """
    best: tuple[tuple[int, int], int] | None = None
    for slot in np.flatnonzero(same)[1:]:
        counts = np.bincount(zone_codes_numpy(distances[~same] - distances[slot], margin), minlength=3)
        score = (int(counts.min()), -int(counts.max()))
        if counts[:2].any() and (best is None or score > best[0]):
            best = (score, int(slot))
    return None if best is None else best[1]


def next_disagreement(run: Run, step: int, anchor: int, *, margin: float | None = None) -> tuple[int, int] | None:
    """The next anchor in `disagreements`, with its positive: the first for an anchor that is not ranked, cyclic.

    None where no anchor has a positive and a negative.

    Args:
        run: a recorded run.
        step: with a frame.
        anchor: probe index to go on from.
        margin: the run's own when left out.
    """
    ranking = disagreements(run, step, margin=margin)
    if not ranking:
        return None
    place = next((i for i, (ranked, _) in enumerate(ranking) if ranked == anchor), -1)
    return ranking[(place + 1) % len(ranking)]


def disagreements(run: Run, step: int, *, margin: float | None = None) -> Ranking:
    """(anchor, positive) by how many different negatives the strategies pick for that positive, most first.

    Up to 100 anchors, spread evenly over the probe set, each with the positive on which most negatives are picked.
    Of equals those come first on which the strategies that are no lottery differ, then lower probe indices. A
    strategy that brings its own positive counts for that one only. Worked out once for each frame and margin.
    """
    margin = run.margin if margin is None else float(margin)
    known = _RANKINGS.setdefault(run, {})
    if (step, margin) not in known:
        count = len(probe_labels(run))
        anchors = np.unique(np.linspace(0, count - 1, min(RANKED, count)).astype(int)).tolist()
        known[step, margin] = _rank(run, step, anchors, margin)
    return known[step, margin]


def _rank(run: Run, step: int, anchors: Sequence[int], margin: float) -> Ranking:
    scored = []
    for anchor in anchors:
        members = probe_batch(run, anchor)
        counts = picked_negatives(run, step, members, margin)  # (P, 2)
        if counts.size and counts.max():
            place = max(range(len(counts)), key=lambda p: (*counts[p], -p))
            scored.append((-counts[place, 0], -counts[place, 1], anchor, int(members[1 + place])))
    return [(anchor, positive) for _, _, anchor, positive in sorted(scored)]


def picked_negatives(run: Run, step: int, members: Int64[np.ndarray, " B"], margin: float) -> Int64[np.ndarray, "P 2"]:
    """For each positive how many different negatives are picked: by all strategies, and by those that draw no lots.

    Args:
        run: a recorded run.
        step: with a frame.
        members: probe indices of the candidates, the anchor first and its class next.
        margin: in the unit of the distance.
    """
    from tripletscope import strategies

    same = probe_labels(run)[members] == probe_labels(run)[members[0]]
    positives, negatives = np.flatnonzero(same)[1:], np.flatnonzero(~same)
    (batch,) = candidate_batches(run, members, [run.frames[step]])
    seed = int(run.config.get("seed", 0))
    tuned, filters = recorded_parameters(run), recorded_filters(run)
    chooser = Chooser(positives, negatives, margin, seed, int(members[0]), tuned, filters)
    picked: list[tuple[set[int], set[int]]] = [(set(), set()) for _ in positives]
    for record in strategies.all(run.strategies):
        if not record.single or without_picks(run, record):
            continue
        try:
            record.check(batch)
            negative, own = chooser.picks(record, batch, step)
        except TripletscopeError:
            continue  # not for this space
        for place, choice in enumerate(negative.tolist()):
            if choice >= 0 and (record.granularity != "anchor" or place == own):
                picked[place][0].add(choice)
                if not record.stochastic:
                    picked[place][1].add(choice)
    return np.array([[len(everyone), len(certain)] for everyone, certain in picked], np.int64).reshape(-1, 2)
