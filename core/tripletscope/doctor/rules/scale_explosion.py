"""Distances grow until the margin means nothing: possible only where the embedding's scale is free."""

from __future__ import annotations

import numpy as np

from tripletscope.doctor.finding import Finding
from tripletscope.doctor.rule import Threshold, rule
from tripletscope.doctor.signs import NotRecorded, Signs
from tripletscope.doctor.spans import longest, spans

MARGINS = Threshold(
    "margins",
    100.0,
    "margins of mean distance: the margin is then a hundredth of it, and so is the semi-hard band. Healthy recordings "
    "stay below 40.",
)
GROWTH = Threshold(
    "growth",
    10.0,
    "times the first spread (or a margin, where it began smaller): a run that begins wide has a small margin, "
    "not a growing scale.",
)
LOST = Threshold("lost", 0.05, "of R@1 below its best, or less than that above guessing, make a problem of a warning.")
#: The mean distance of vectors of length 1 stays below these; beyond, they cannot have that length.
WIDEST = {"euclidean": 2.0, "squared-euclidean": 4.0}
MOST = 1


@rule(
    name="scale-explosion",
    title="Scale explosion",
    looks_for="A mean distance that grows to a hundred margins and tenfold, in an embedding that is not normalised.",
    source=(
        'Measured (docs/doctor.md); Wu et al. 2017, "Sampling Matters in Deep Embedding Learning", §4, on squared '
        "distances and the band that empties"
    ),
    order=30,
    thresholds=(MARGINS, GROWTH, LOST),
)
def scale_explosion(signs: Signs) -> list[Finding]:
    """At most one finding."""
    if signs.run.distance not in WIDEST:
        raise NotRecorded(f"{signs.run.distance} distance has no scale")
    mean = signs.numbers("mean_distance", "mean distance")
    signs.require(signs.lasting)
    if signs.unit_length:
        raise NotRecorded("embeddings of length 1 have a fixed scale")
    # The soft margin bends at gaps of about 1, whatever margin was recorded for the zones.
    yardstick = max(1.0, signs.margin) if signs.soft else signs.margin
    spread = mean / yardstick
    first = float(spread[np.isfinite(spread)][0])
    limit = max(MARGINS.value, GROWTH.value * max(first, 1.0))
    wide = spread > limit
    if signs.unit_length is None:
        wide &= mean > WIDEST[signs.run.distance]
    return [_finding(signs, spread, limit, *span) for span in longest(spans(wide, signs.lasting), MOST, signs.count)]


def _finding(signs: Signs, spread: np.ndarray, limit: float, first: int, end: int | None) -> Finding:
    last, frame = signs.last_of(end)
    begun = float(spread[np.isfinite(spread)][0])
    largest = first + int(np.nanargmax(spread[first : last + 1]))
    found, best = signs.recall_at(frame), signs.best_recall(frame)
    if found is None or best is None:
        ranks = "R@1 not recorded"
    elif found[1] <= best[1] - LOST.value:
        ranks = f"R@1 fell from {best[1]:.2f} at step {best[0]:,} to {found[1]:.2f} at step {found[0]:,}"
    else:
        ranks = signs.recall(frame) + ("" if signs.chance is None else f", guessing {signs.chance:.2f}")
    unit = "units of the soft margin" if signs.soft else "margins"
    now = f"{spread[last]:,.0f} at the last step, {last:,}" if end is None else f"below that again at step {end:,}"
    return Finding(
        rule="scale-explosion",
        title="The scale explodes",
        step=first,
        until=end,
        severity="problem" if signs.is_lost(frame, by=LOST.value) else "warning",
        evidence=(
            f"The mean {signs.space} within a batch began at {begun:,.2g} {unit}, passed {limit:,.0f} at step "
            f"{first:,}, reached {spread[largest]:,.0f} at step {largest:,} and is {now}; {ranks}."
        ),
        remedy=(
            "Put the embeddings on the unit sphere (leave out --no-normalize), lower the learning rate"
            + (", add weight decay" if signs.run.distance == "euclidean" else ", or mine in plain euclidean distance")
            + ": beside such distances the margin asks for next to nothing."
        ),
        numbers={
            "spread_first": begun,
            "limit": limit,
            "spread_largest": float(spread[largest]),
            "largest_step": largest,
            "spread_last": float(spread[last]),
            "recall_at_1": None if found is None else found[1],
            "recall_at_1_best": None if best is None else best[1],
        },
    )
