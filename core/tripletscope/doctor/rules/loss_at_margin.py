"""The loss sits at the margin (or at ln 2): the mean gap is 0. Why, only the spread and R@1 can tell."""

from __future__ import annotations

import math

import numpy as np

from tripletscope.doctor.finding import Finding, Severity
from tripletscope.doctor.rule import Threshold, rule
from tripletscope.doctor.signs import Signs
from tripletscope.doctor.spans import longest, spans

NEAR = Threshold(
    "near",
    0.02,
    "of the margin, or of ln 2: batches of 32 that learn scatter by 5 to 10 %, so 20 steps within 2 % are no chance; "
    "the healthy recordings here manage 4 at most.",
)
SMALL = Threshold(
    "small",
    0.5,
    "margins of spread: below, gaps are small because all distances are; above, because of who is picked. (It is "
    "twice the collapse rule's limit, since the loss sits still a little before.)",
)
RISES = Threshold(
    "rises",
    0.15,
    "of R@1 within the stretch count as learning: the collapsed digits run wanders between .29 and .42 without any.",
)
MOST = 3


@rule(
    name="loss-at-margin",
    title="Loss stuck at the margin",
    looks_for="A loss that stays within 2 % of the margin, or of ln 2 with the soft margin.",
    source=(
        'Hermans et al. 2017, "In Defense of the Triplet Loss", supplement (a loss that stays at the margin, or at '
        "ln 2: the embedding has collapsed); that the loss alone proves nothing is measured in docs/doctor.md"
    ),
    order=10,
    thresholds=(NEAR, SMALL, RISES),
)
def loss_at_margin(signs: Signs) -> list[Finding]:
    """One finding for each stretch, told together with the spread and R@1 of that time."""
    signs.require_triplet_loss()  # only of that one the margin is what gaps of 0 cost
    loss = signs.numbers("loss")
    signs.require(signs.lasting)
    target = math.log(2) if signs.soft else signs.margin
    near = np.abs(loss / target - 1) <= NEAR.value
    return [_finding(signs, target, *span) for span in longest(spans(near, signs.lasting), MOST, signs.count)]


def _finding(signs: Signs, target: float, first: int, end: int | None) -> Finding:
    loss = signs.numbers("loss")
    last, frame = signs.last_of(end)
    mean = float(np.nanmean(loss[first : last + 1]))
    spread = float(np.median(signs.numbers("spread")[first : last + 1])) if signs.has("spread") else None
    before, after = signs.recall_at(first), signs.recall_at(frame)
    risen = None if before is None or after is None else after[1] - before[1]
    small = spread is not None and spread < SMALL.value
    learns = risen is not None and risen >= RISES.value
    name = "ln 2" if signs.soft else f"the margin {signs.run.margin:g}"
    until = f"from step {first:,} to the last, {last:,}" if end is None else f"from step {first:,} to {end:,}"
    size = "the spread was not recorded" if spread is None else f"the median spread is {spread:.2g} margins"
    if before is None or after is None:
        ranks = "R@1 was not recorded"
    else:
        ranks = f"R@1 goes from {before[1]:.2f} (step {before[0]:,}) to {after[1]:.2f} (step {after[0]:,})"
    if small:
        meaning = "the distances have shrunk" + (", while the order of neighbours still improves" if learns else "")
    elif learns:
        meaning = "it learns, and the loss does not show it"
    elif spread is None:
        meaning = "the mean gap of the picks is 0"
    else:
        meaning = "the distances are there, but the picks' gaps average 0"
    severity: Severity = "problem" if small and end is None else "note" if learns and not small else "warning"
    return Finding(
        rule="loss-at-margin",
        title="Loss stuck at ln 2" if signs.soft else "Loss stuck at the margin",
        step=first,
        until=end,
        severity=severity,
        evidence=(
            f"The loss of {signs.training} picks averages {mean:.4g} {until}, within 2 % of {name}; in {signs.space} "
            f"{size} and {ranks}: {meaning}."
        ),
        remedy=_remedy(signs, small=small, learns=learns, over=end is not None),
        numbers={
            "loss_mean": mean,
            "target": target,
            "spread_median": spread,
            "recall_at_1_first": None if before is None else before[1],
            "recall_at_1_last": None if after is None else after[1],
        },
    )


def _remedy(signs: Signs, *, small: bool, learns: bool, over: bool) -> str:
    if small and over:
        return (
            "Nothing to mend now: it got away by itself; a start with random or semi-hard negatives, or a warm-up of "
            "the learning rate, would have saved those steps."
        )
    if small:
        return (
            "Begin again with semi-hard, distance-weighted or easy-positive negatives, or with a tenth of the learning "
            "rate; some runs get away by themselves, after steps that taught little."
        )
    if learns:
        return (
            "Let it run, and judge it by R@1 and the spread: the loss is a mean over picks that were chosen at gap 0 "
            "and cannot fall while they are."
        )
    return (
        f"Take easier picks than those of {signs.training} for a while, a larger batch or a lower learning rate, and "
        "check that labels and inputs still belong together."
    )
