"""Rows whose neighbours agree on another class."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, NotApplicable, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding

_OWN, _OTHER, _BEYOND_CHANCE = 0.2, 0.5, 2.0


@check(
    name="suspicious-labels",
    title="Suspicious labels",
    looks_for="Rows whose nearest neighbours agree on another class and hardly know the row's own.",
    source=(
        "Wilson 1972, 'Asymptotic Properties of Nearest Neighbor Rules Using Edited Data' (edit out what its "
        "neighbours outvote), with votes weighted by rank."
    ),
    order=20,
    thresholds=(
        Threshold(
            "own", _OWN, "votes for the row's own class at the most: with more, it lies at a border and may be right"
        ),
        Threshold(
            "other",
            _OTHER,
            "votes for one other class at the least: neighbours that are split between classes say that the place is "
            "mixed, not that the label is wrong",
        ),
        Threshold(
            "beyond_chance",
            _BEYOND_CHANCE,
            "neighbours must agree with the labels so many times as often as guessing by class size, or the embedding "
            "knows nothing of the labels and cannot judge them",
        ),
    ),
)
def suspicious_labels(seen: Evidence) -> Finding | None:
    """Labelled rows with few votes for their own class and many for another."""
    seen.require_classes()
    own, best, rival = seen.votes
    judged = (seen.labels >= 0) & (seen.sizes[np.maximum(seen.labels, 0)] > 1) & (own + best > 0)
    if not judged.any():
        raise NotApplicable("no row has another of its class")
    agreement = float(own[judged].mean())
    parts = seen.sizes / seen.sizes.sum()
    chance = float(np.square(parts).sum())
    if agreement < min(_BEYOND_CHANCE * chance, (1 + chance) / 2):
        raise NotApplicable(f"neighbours agree with the labels in {share(agreement)}, guessing in {share(chance)}")
    rows = np.flatnonzero(judged & suspects(seen))
    if not len(rows):
        return None
    # The nearest neighbour of the class that the vote is for.
    agrees = seen.neighbour_labels[rows] == rival[rows, None]
    others = seen.graph.index[rows, agrees.argmax(axis=1)]
    rate = len(rows) / int(judged.sum())
    found = Finding.ranked(
        rows=rows,
        others=others,
        scores=best[rows] - own[rows],
        exclude=True,
        check="suspicious-labels",
        title="Suspicious labels",
        severity="problem" if rate >= 0.02 else "warning",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{len(rows):,} of {int(judged.sum()):,} labelled rows ({share(rate)}) are outvoted by their "
            f"{seen.graph.k} nearest neighbours, by {_OTHER:.0%} or more for one other class against "
            f"{_OWN:.0%} or less "
            f"for their own. Votes agree with the labels in {share(agreement)}; guessing by class size would in "
            f"{share(chance)}."
        ),
        why=(
            "A wrong label makes its whole true class into hard negatives and its false class into far positives: "
            "batch-hard and hardest pick it again and again."
        ),
        remedy=(
            "Look at the first of the list and correct the labels that are wrong. They are left out of mining until "
            "then; hard but right rows among them cost little."
        ),
        score_means="share of votes for the other class less that for its own",
        examples=(),
        numbers={"rate": rate, "agreement": agreement, "chance": chance},
    )
    examples = tuple(
        Example(
            int(row),
            int(other),
            f"labelled {seen.class_of(int(row))}; {best[row]:.0%} of the votes say {seen.set.class_names[rival[row]]}, "
            f"{own[row]:.0%} its own class",
        )
        for row, other in zip(found.rows[:EXAMPLES], found.others[:EXAMPLES], strict=True)
    )
    return Finding(**{**vars(found), "examples": examples})


def suspects(seen: Evidence) -> Bool[np.ndarray, " N"]:
    """For each row whether it is outvoted; also for other checks, which leave such rows to this one."""
    own, best, _ = seen.votes
    return np.asarray((seen.labels >= 0) & (own <= _OWN) & (best >= _OTHER))
