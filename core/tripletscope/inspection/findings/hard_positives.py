"""Rows far from all of their own class."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, NotApplicable, number, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding
from tripletscope.inspection.findings.suspicious_labels import suspects

_RATIO = 1.1


@check(
    name="hard-positives",
    title="Hard positives",
    looks_for="Rows with nobody of their class among their nearest neighbours, which no other class claims either.",
    source="Ours; hard positives as in Hermans et al. 2017, 'In Defense of the Triplet Loss', §2.",
    order=50,
    thresholds=(
        Threshold(
            "ratio",
            _RATIO,
            "the own class must lie so many times as far as the nearest negative: less is the grain of the neighbours",
        ),
    ),
)
def hard_positives(seen: Evidence) -> Finding | None:
    """Rows without their class among the k nearest; suspicious labels are told there and not again here."""
    seen.require_classes()
    own, _, _ = seen.votes
    anchors = (seen.graph.same >= 0) & (seen.graph.negative >= 0)
    if not anchors.any():
        raise NotApplicable("no class has two rows")
    same, other = seen.euclidean(seen.graph.d_same), seen.euclidean(seen.graph.d_negative)
    alone = anchors & (own == 0) & (same > _RATIO * other)
    rows = np.flatnonzero(alone & ~suspects(seen))
    if not len(rows):
        return None
    ratio = np.minimum(same[rows] / np.maximum(other[rows], 1e-30), 1e6)
    top = rows[np.lexsort((rows, -ratio))][:EXAMPLES]
    return Finding.ranked(
        rows=rows,
        others=seen.graph.same[rows],
        scores=ratio,
        check="hard-positives",
        title="Hard positives",
        severity="warning" if len(rows) >= 0.1 * anchors.sum() else "note",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{len(rows):,} of {int(anchors.sum()):,} anchors "
            f"({share(len(rows) / int(anchors.sum()))}) have none of their "
            f"class among their {seen.graph.k} nearest neighbours, and no other class "
            "holds half of the votes."
        ),
        why=(
            "Their nearest positive lies beyond many negatives: every triplet with them is hard whatever the strategy "
            "picks, and pulling them in drags their neighbours along."
        ),
        remedy=(
            "Often a rare look of the class (another angle, another phrasing): more of that kind helps more than "
            "mining. Easy-positive takes their nearest positive; batch-hard makes them harder still."
        ),
        score_means="distance to the nearest of the own class / distance to the nearest negative",
        examples=tuple(
            Example(
                int(row),
                int(seen.graph.same[row]),
                f"{seen.class_of(int(row))}: nearest of its class at {number(float(seen.graph.d_same[row]))}, nearest "
                f"negative ({seen.class_of(int(seen.graph.negative[row]))}) at "
                f"{number(float(seen.graph.d_negative[row]))}",
            )
            for row in top
        ),
        numbers={"share": len(rows) / int(anchors.sum())},
    )
