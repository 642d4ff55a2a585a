"""Classes that cannot be anchors, and rows that belong to none."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import check
from tripletscope.inspection.evidence import Evidence, NotApplicable, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding


@check(
    name="no-anchors",
    title="Classes that cannot be anchors",
    looks_for="Classes of a single row, which has no positive.",
    source="By definition: a triplet needs an anchor and another row of its class.",
    order=110,
)
def classes_of_one(seen: Evidence) -> Finding | None:
    """Rows that are alone in their class."""
    if not seen.classes:
        raise NotApplicable("no labels")
    alone = np.flatnonzero((seen.labels >= 0) & (seen.sizes[np.maximum(seen.labels, 0)] == 1))
    if not len(alone):
        return None
    every = len(alone) == seen.classes
    return Finding.ranked(
        rows=alone,
        others=seen.graph.index[alone, 0] if seen.graph.k else None,
        scores=np.zeros(len(alone)),
        check="no-anchors",
        title="Classes that cannot be anchors",
        severity="problem" if every else "warning" if len(alone) >= 0.1 * seen.classes else "note",
        count=len(alone),
        unit="class" if len(alone) == 1 else "classes",
        evidence=f"{len(alone):,} of {seen.classes:,} classes ({share(len(alone) / seen.classes)}) have one row only.",
        why="Without a positive there is no triplet: such a row is a negative for others and never an anchor.",
        remedy=(
            "Every class has one row: is this the column of ids? Choose the column of classes."
            if every
            else "Add a second row, or merge the class into another; as negatives they stay in mining."
        ),
        score_means="none",
        examples=tuple(
            Example(int(row), int(seen.graph.index[row, 0]), f"{seen.class_of(int(row))}: its only row")
            for row in alone[:EXAMPLES]
        ),
        numbers={"classes": len(alone)},
    )
