"""Two rows of one class that are all but the same."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import check
from tripletscope.inspection.evidence import Evidence, counted, number
from tripletscope.inspection.finding import EXAMPLES, Example, Finding
from tripletscope.inspection.findings.cross_class_duplicates import NEARNESS


@check(
    name="near-duplicates",
    title="Near-duplicates within a class",
    looks_for="Pairs of rows of one class, or without labels, that are all but the same and not quite equal.",
    source="Ours; the threshold follows the set's intrinsic dimension (Levina and Bickel 2004).",
    order=90,
    thresholds=NEARNESS,
)
def near_duplicates(seen: Evidence) -> Finding | None:
    """Pairs within `Evidence.near` that share their label; the later row of each is listed."""
    pairs, named = seen.near_pairs
    kept = (seen.labels[pairs[:, 0]] == seen.labels[pairs[:, 1]]) & (
        seen.copy_of[pairs[:, 0]] != seen.copy_of[pairs[:, 1]]
    )
    pairs, named = pairs[kept], named[kept]
    if not len(pairs):
        return None
    rows, first = np.unique(pairs[:, 1], return_index=True)  # pairs come nearest first
    return Finding.ranked(
        rows=rows,
        others=pairs[first, 0],
        scores=1 - named[first] / (seen.near or 1.0),
        check="near-duplicates",
        title="Near-duplicates within a class",
        severity="warning" if len(rows) >= 0.05 * len(seen) else "note",
        count=len(pairs),
        unit="pair" if len(pairs) == 1 else "pairs",
        evidence=(
            f"{counted(len(pairs), 'pair', 'pairs')} in which "
            f"{counted(len(rows), 'row repeats', 'rows repeat')} an earlier one; "
            f"{seen.near_words}."
        ),
        why=(
            "Frames of one film, retakes, one text with another full stop: such positives teach nothing, and they make "
            "Recall@1 look better than it is."
        ),
        remedy="Keep them if they are real repeats; otherwise keep one. They stay in mining, as they do no harm there.",
        score_means="1 at distance 0, 0 at the threshold",
        examples=tuple(
            Example(int(b), int(a), f"{seen.class_of(int(a))}: {seen.unit} {number(float(far))}")
            for (a, b), far in zip(pairs[:EXAMPLES], named[:EXAMPLES], strict=True)
        ),
        numbers={"pairs": len(pairs), "near": seen.near},
    )
