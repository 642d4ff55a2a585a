"""Hardly a pick has a loss: all is learned, or the band is empty, or the picks miss what is left."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from tripletscope.doctor.finding import Finding, Severity
from tripletscope.doctor.rule import Threshold, rule
from tripletscope.doctor.signs import NotRecorded, Signs
from tripletscope.doctor.spans import longest, spans

LEAST = Threshold(
    "least",
    0.02,
    "of the units (anchors, or anchor-positive pairs) with a pick that has a loss, over the last 20 steps: 2 of 96 "
    "pairs. Healthy recordings keep 0.05 and more.",
)
SATISFIED = Threshold(
    "satisfied",
    0.01,
    "of all eligible triplets violating: with fewer the margin is as good as met. Separated sets end below 0.005, the "
    "digits stay above 0.015.",
)
LOST = Threshold(
    "lost", 0.05, "of R@1 below its best, or less than that above guessing, make a problem of an empty band."
)
MOST = 1


@rule(
    name="nothing-to-mine",
    title="Nothing left to mine",
    looks_for="Batches in which hardly a pick has a loss: the margin is met, the band is empty, or the picks miss.",
    source=(
        'Wu et al. 2017, "Sampling Matters in Deep Embedding Learning", §4 (semi-hard finds too few late in training); '
        "measured (docs/doctor.md)"
    ),
    order=40,
    thresholds=(LEAST, SATISFIED, LOST),
)
def nothing_to_mine(signs: Signs) -> list[Finding]:
    """At most one finding."""
    if signs.loss.get("centres"):  # its margin is met between samples and centres, and nobody is picked
        signs.require_triplet_loss()
    mined = signs.numbers("mined", "picks")
    signs.require(2 * signs.lasting)
    useful = mined if signs.soft or not signs.has("active") else signs.numbers("active")
    if signs.has("abstained"):
        units = mined + signs.numbers("abstained")
    else:  # nobody knows what a loop's own miner was asked for: its largest catch so far is the measure
        units = np.maximum.accumulate(np.nan_to_num(mined))
    if not (units > 0).any():
        raise NotRecorded("no batch with a triplet recorded")
    share = _trailing(useful, units, signs.lasting)
    found = longest(spans(share < LEAST.value, signs.lasting), MOST, signs.count)
    return [_finding(signs, share, mined, units, *span) for span in found]


def _trailing(
    part: Float64[np.ndarray, " S"], whole: Float64[np.ndarray, " S"], window: int
) -> Float64[np.ndarray, " S"]:
    """The share that `part` has of `whole` in the `window` steps up to each; NaN before the first whole window."""
    sums = [np.cumsum(np.insert(np.nan_to_num(values), 0, 0.0)) for values in (part, whole)]
    shares = np.full(len(part), np.nan)
    over = [total[window:] - total[:-window] for total in sums]
    np.divide(over[0], over[1], out=shares[window - 1 :], where=over[1] > 0)
    return shares


def _finding(
    signs: Signs,
    share: Float64[np.ndarray, " S"],
    mined: Float64[np.ndarray, " S"],
    units: Float64[np.ndarray, " S"],
    first: int,
    end: int | None,
) -> Finding:
    last, frame = signs.last_of(end)
    window = slice(first, last + 1)
    picked = float(np.nansum(mined[window]) / max(1.0, np.nansum(units[window])))
    useful = float(np.nanmean(share[window]))
    violating = None
    if signs.has("violating") and signs.has("eligible"):
        eligible = np.nansum(signs.known("eligible")[window])
        violating = float(np.nansum(signs.known("violating")[window]) / eligible) if eligible else None
    hard = None
    if violating and signs.has("hard"):
        hard = float(np.nansum(signs.known("hard")[window]) / np.nansum(signs.known("violating")[window]))
    filtered = None
    if violating and signs.has("filtered"):
        filtered = float(np.nansum(signs.known("filtered")[window]) / np.nansum(signs.known("eligible")[window]))
    found, best = signs.recall_at(frame), signs.best_recall(frame)
    until = f"from step {first:,} to the last, {last:,}," if end is None else f"from step {first:,} to {end:,}"
    what = f"{useful:.1%} of the {signs.asked or 'picks that could be made'}"
    what += f" {'get a pick' if signs.soft else 'have a pick with a loss above 0'} of {signs.training}"
    severity: Severity
    if violating is None:
        title, severity = "Hardly anything mined", "warning"
        why = "how many triplets violate the margin was not recorded"
        remedy = "Record with counts=True, to see whether the margin is met or the strategy finds nothing."
    elif violating < SATISFIED.value:
        title, severity = "Nothing left to mine: the margin is met", "note"
        why = f"{_few(violating)} of all eligible triplets still violate the margin"
        remedy = (
            "Stop here if R@1 is good enough; else ask for more: a larger margin, larger batches or more samples of a "
            "class, or a strategy that takes the hardest negative."
        )
    elif picked < 2 * LEAST.value:
        title, severity = "The band is empty", "problem" if signs.is_lost(frame, by=LOST.value) else "warning"
        within = "" if hard is None else f", {hard:.0%} of them with the negative nearer than the positive"
        why = f"it abstains, although {violating:.1%} of all eligible triplets violate the margin{within}"
        remedy = (
            f"Take a strategy that does not wait for the band, such as easy-positive or batch-hard, in place of "
            f"{signs.training}, or widen the band: a larger margin, or embeddings on the unit sphere."
        )
    else:
        title, severity = "The picks miss what is left", "warning"
        why = f"its picks are easy, although {violating:.1%} of all eligible triplets violate the margin"
        remedy = (
            f"Take a strategy that looks for the violating ones, such as semi-hard or batch-hard, in place of "
            f"{signs.training}: almost all of its picks teach nothing now."
        )
    if filtered and violating and violating >= SATISFIED.value and filtered >= violating / 2:
        why += f"; the filter took {filtered:.1%} of all eligible triplets"
        remedy = f"Try a weaker filter first, or none. {remedy}"
    return Finding(
        rule="nothing-to-mine",
        title=title,
        step=first,
        until=end,
        severity=severity,
        evidence=f"In the batches {until} only {what}: {why} ({signs.space}; {signs.recall(frame)}).",
        remedy=remedy,
        numbers={
            "useful_share": useful,
            "mined_share": picked,
            "violating_share": violating,
            "hard_share_of_violating": hard,
            **({} if filtered is None else {"filtered_share": filtered}),
            "recall_at_1": None if found is None else found[1],
            "recall_at_1_best": None if best is None else best[1],
        },
    )


def _few(share: float) -> str:
    """A small share in words.

    Example:
        >>> _few(0.0), _few(0.00012), _few(0.008)
        ('none', 'only 0.012%', 'only 0.8%')
    """
    return f"only {100 * share:.2g}%" if share else "none"
