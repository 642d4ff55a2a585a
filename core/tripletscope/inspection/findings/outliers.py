"""Rows far from everybody."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, NotApplicable, number
from tripletscope.inspection.finding import EXAMPLES, Example, Finding

_DEVIATIONS, _TIMES, _ROWS, _RANK = 3.5, 1.3, 20, 5


@check(
    name="outliers",
    title="Outliers",
    looks_for="Rows whose neighbours are unusually far, whatever their class.",
    source=(
        "Ramaswamy, Rastogi and Shim 2000, 'Efficient Algorithms for Mining Outliers' (distance to "
        "the k-th neighbour); "
        "cut at 3.5 robust deviations after Iglewicz and Hoaglin 1993."
    ),
    order=70,
    thresholds=(
        Threshold(
            "deviations", _DEVIATIONS, "robust deviations (1.4826 x median deviation) of the logarithm above the median"
        ),
        Threshold(
            "times",
            _TIMES,
            "the median distance at the least: in many dimensions distances differ by a few percent only",
        ),
        Threshold(
            "rank",
            float(_RANK),
            "neighbour whose distance counts: four equal outliers are still found, and a class of "
            "six is still near itself",
        ),
        Threshold("rows", float(_ROWS), "fewer rows have no usual distance"),
    ),
)
def outliers(seen: Evidence) -> Finding | None:
    """Rows by the distance to their fifth neighbour against the usual one."""
    if len(seen) < _ROWS:
        raise NotApplicable(f"fewer than {_ROWS} rows")
    reach = seen.euclidean(seen.graph.distance[:, _RANK - 1])
    usual = float(np.median(reach))
    if usual <= 0:
        raise NotApplicable("most rows are copies of each other")
    logs = np.log(np.maximum(reach / usual, 1e-12))
    spread = 1.4826 * float(np.median(np.abs(logs)))
    deviations = logs / max(spread, 1e-6)
    rows = np.flatnonzero((deviations > _DEVIATIONS) & (reach >= _TIMES * usual))
    if not len(rows):
        return None
    top = rows[np.lexsort((rows, -reach[rows]))][:EXAMPLES]
    return Finding.ranked(
        rows=rows,
        others=seen.graph.index[rows, 0],
        scores=reach[rows] / usual,
        exclude=True,
        check="outliers",
        title="Outliers",
        severity="warning" if len(rows) >= 0.01 * len(seen) else "note",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{len(rows):,} of {len(seen):,} rows have their {_RANK}th neighbour at "
            f"{float(np.min(reach[rows]) / usual):.2f} to {float(np.max(reach[rows]) / usual):.2f} "
            "times the usual distance, more than "
            f"{_DEVIATIONS} robust deviations above it."
        ),
        why=(
            "As a positive an outlier is the farthest of its class, so batch-hard picks it for every anchor; as an "
            "anchor it makes large gaps that mean nothing."
        ),
        remedy=(
            "Look at them: broken files, blank pictures, another language, a wrong preprocessing. They are left out of "
            "mining; keep those that are real by taking the check off."
        ),
        score_means=f"distance to neighbour {_RANK} / its median over the set",
        examples=tuple(
            Example(
                int(row),
                int(seen.graph.index[row, 0]),
                f"{seen.class_of(int(row))}: {reach[row] / usual:.2f} times the usual distance; its "
                "nearest neighbour is at "
                f"{number(float(seen.graph.distance[row, 0]))}",
            )
            for row in top
        ),
        numbers={"usual": usual, "farthest": float(np.max(reach) / usual)},
    )
