"""The embedding falls into one point, or shrinks towards one and comes back."""

from __future__ import annotations

import numpy as np

from tripletscope.doctor.finding import Finding
from tripletscope.doctor.rule import Threshold, rule
from tripletscope.doctor.signs import Signs
from tripletscope.doctor.spans import Span, longest, spans

BELOW = Threshold(
    "below",
    0.25,
    "of a margin: gaps are then far smaller than the margin, nearly every triplet violates, and the loss is close to "
    "the margin whoever is picked. At the same number the recorder keeps an extra frame.",
)
SHRUNK = Threshold(
    "shrunk",
    0.5,
    "of the first spread, for a run that begins below a quarter: small initial weights are no collapse, halving is.",
)
PATIENCE = Threshold(
    "patience",
    50.0,
    "steps that a run which begins small may stay so. On the digits random and semi-hard negatives leave in 3 steps.",
)
MOST = 3  # findings; a run that flaps is told by its longest stretches


@rule(
    name="collapse",
    title="Collapse",
    looks_for="Distances within the batch that fall below a quarter of the margin.",
    source=(
        'Schroff et al. 2015, "FaceNet", §3.2 (a collapsed model, f(x) = 0); Hermans et al. 2017, "In Defense of the '
        'Triplet Loss", §2 and supplement; Xuan et al. 2020, "Hard Negative Examples Are Hard, but Useful"'
    ),
    order=20,
    thresholds=(BELOW, SHRUNK, PATIENCE),
)
def collapse(signs: Signs) -> list[Finding]:
    """One finding for each stretch with a small spread; the scale of the initial weights alone is none."""
    spread = signs.numbers("spread")
    _ = signs.margin
    signs.require(signs.lasting)
    begun = int(np.flatnonzero(np.isfinite(spread))[0])
    findings = []
    for first, end in longest(spans(spread < BELOW.value, signs.lasting), MOST, signs.count):
        if first > begun:
            findings.append(_finding(signs, first, first, end, fell=True))
            continue
        # It was born small. That it stays so is worth a word, that it shrinks further is a collapse.
        shrunk = spans(spread[:end] < SHRUNK.value * spread[begun], signs.lasting)
        if shrunk:
            findings.append(_finding(signs, begun, shrunk[0][0], end, fell=True))
        elif (signs.count if end is None else end) - begun > PATIENCE.value:
            findings.append(_finding(signs, begun, begun + int(PATIENCE.value), end, fell=False))
    return findings


def _finding(signs: Signs, first: int, step: int, end: int | None, *, fell: bool) -> Finding:
    """What is said of the stretch from `first` to `end`, which was told apart at `step`."""
    spread = signs.numbers("spread")
    last, frame = signs.last_of(end)
    lowest = first + int(np.argmin(spread[first : last + 1]))
    born = first < step
    if not fell:
        title = "Small from the start"
    elif end is None:
        title = "Collapse: everything in one place"
    else:
        title = "The embedding shrank and recovered"
    begins = (
        f"The mean {signs.space} within a batch began at {spread[first]:.2g} margins, from the initial weights, and "
        f"{'fell below half of that' if fell else 'was still below a quarter'} at step {step:,}"
        if born
        else f"The mean {signs.space} within a batch fell below a quarter of the margin at step {step:,}"
    )
    if end is None:
        then = f"it is {spread[last]:.2g} margins at the last step, {last:,}"
    else:
        then = f"it was {spread[lowest]:.2g} margins at step {lowest:,} and left that range at step {end:,}"
    found = signs.recall_at(frame)
    survives = ""
    if found is not None and signs.chance is not None and found[1] > signs.chance + 0.4:
        survives = ", so neighbours are still in order and only the scale is lost"
    guess = "" if signs.chance is None or found is None else f", guessing {signs.chance:.2f}"
    return Finding(
        rule="collapse",
        title=title,
        step=step,
        until=end,
        severity="problem" if end is None and fell else "warning",
        evidence=f"{begins}; {then} ({signs.recall(frame)}{guess}){survives}.",
        remedy=_remedy(signs, (first, end), born, fell),
        numbers={
            "spread_first": float(spread[first]),
            "spread_at_step": float(spread[step]),
            "spread_lowest": float(spread[lowest]),
            "lowest_step": lowest,
            "spread_last": float(spread[last]),
            "recall_at_1": None if found is None else found[1],
            "chance": signs.chance,
            "margin": signs.margin,
        },
    )


def _remedy(signs: Signs, span: Span, born: bool, fell: bool) -> str:
    """One sentence for this training strategy and this course."""
    if not fell:
        return (
            "Give the inputs mean 0 and standard deviation 1 (--standardize), or take a smaller margin or a higher "
            "learning rate: distances should reach the size of the margin within the first steps."
        )
    if span[1] is not None:
        return (
            f"Steps {span[0]:,} to {span[1]:,} were lost: begin with random or semi-hard negatives and change to "
            f"{signs.training} once the spread is above 1, or warm the learning rate up."
        )
    if signs.run.training in ("batch-hard", "hardest"):
        first = "Standardise the inputs and train" if born else "Train"
        return (
            f"{first} with semi-hard, distance-weighted or easy-positive negatives in place of {signs.training}, at "
            "least until the spread is above 1, and look for wrong labels among the hardest negatives."
        )
    return (
        "Put the embeddings on the unit sphere or lower the learning rate tenfold, and look for wrong labels and near-"
        f"duplicates across classes, which make every pick of {signs.training} pull the classes together."
    )
