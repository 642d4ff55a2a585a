"""Rows that repeat another row of their class, number for number."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import check
from tripletscope.inspection.evidence import Evidence, counted, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding


@check(
    name="exact-duplicates",
    title="Exact duplicates",
    looks_for="Rows that hold the same numbers as an earlier row and have the same label, or none.",
    source="Ours; compared number by number.",
    order=80,
)
def exact_duplicates(seen: Evidence) -> Finding | None:
    """All rows of a group but the first are left out of mining; copies with two labels are told across classes."""
    count = len(seen)
    keys = seen.copy_of * (len(seen.set.class_names) + 1) + seen.labels + 1
    _, first, place, sizes = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    place = place.ravel()
    rows = np.flatnonzero(first[place] != np.arange(count))
    if not len(rows):
        return None
    others = first[place[rows]]
    groups = np.unique(others)
    largest = groups[np.lexsort((groups, -sizes[place[groups]]))][:EXAMPLES]
    by_group = {int(other): int(row) for row, other in zip(rows[::-1], others[::-1], strict=True)}
    return Finding.ranked(
        rows=rows,
        others=others,
        scores=sizes[place[rows]],
        exclude=True,
        check="exact-duplicates",
        title="Exact duplicates",
        severity="warning" if len(rows) >= 0.01 * count else "note",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{len(rows):,} of {count:,} rows ({share(len(rows) / count)}) repeat an earlier row of their class; in "
            f"{counted(len(groups), 'group', 'groups')}, the largest of {int(sizes.max()):,} rows."
        ),
        why=(
            "A copy is a positive at distance 0: easy-positive picks nothing else, and Recall@1 "
            "counts it as a hit that "
            "proves nothing."
        ),
        remedy="Keep one of each group; mining leaves out all but the first.",
        score_means="rows in the group",
        examples=tuple(
            Example(
                by_group[int(head)],
                int(head),
                f"{seen.class_of(int(head))}: {int(sizes[place[head]]):,} rows with the same numbers",
            )
            for head in largest
        ),
        numbers={"groups": len(groups), "largest": int(sizes.max())},
    )
