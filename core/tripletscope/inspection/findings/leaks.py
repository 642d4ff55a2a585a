"""Rows that stand on both sides of a split."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import check
from tripletscope.inspection.evidence import Evidence, NotApplicable, counted, number
from tripletscope.inspection.finding import EXAMPLES, Example, Finding
from tripletscope.inspection.findings.cross_class_duplicates import NEARNESS


@check(
    name="leaks",
    title="Leaks across the split",
    looks_for="Rows of one split that are all but the same as a row of another, such as train and test.",
    source="Barz and Denzler 2020, 'Do We Train on Test Data? Purging CIFAR of Near-Duplicates'.",
    order=100,
    thresholds=NEARNESS,
)
def leaks(seen: Evidence) -> Finding | None:
    """Pairs within `Evidence.near`, or equal, of two splits; the row of the smaller split is listed."""
    if seen.set.splits is None:
        raise NotApplicable("no split column")
    splits = seen.set.splits.astype(np.int64)
    sizes = np.bincount(splits[splits >= 0], minlength=max(len(seen.set.split_names), 1))
    if (sizes > 0).sum() < 2:
        raise NotApplicable("only one split")
    near, named = seen.near_pairs
    copies, far = _copies(seen, splits)
    pairs, named = np.concatenate([copies, near]), np.concatenate([far, named])
    kept = (splits[pairs] >= 0).all(axis=1) & (splits[pairs[:, 0]] != splits[pairs[:, 1]])
    pairs, named = pairs[kept], named[kept]
    if not len(pairs):
        return None
    # The smaller split is the one that is measured on; of equal ones the later name.
    weight = sizes[splits[pairs]] * (len(sizes) + 1) - splits[pairs]
    swap = weight[:, 0] < weight[:, 1]
    rows, others = np.where(swap, pairs[:, 0], pairs[:, 1]), np.where(swap, pairs[:, 1], pairs[:, 0])
    order = np.lexsort((others, rows, named))
    rows, others, named = rows[order], others[order], named[order]
    rows, first = np.unique(rows, return_index=True)
    others, named = others[first], named[first]
    exact = int((seen.copy_of[rows] == seen.copy_of[others]).sum())
    top = np.lexsort((rows, named))[:EXAMPLES]
    names = seen.set.split_names
    return Finding.ranked(
        rows=rows,
        others=others,
        scores=1 - named / (seen.near or 1.0),
        exclude=True,
        check="leaks",
        title="Leaks across the split",
        severity="problem",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{counted(len(rows), 'row stands', 'rows stand')} in another split too, "
            f"{exact:,} of them number for number; "
            f"{seen.near_words}."
        ),
        why="Training rows are measured on: Recall on the smaller split is too good by up to this share of its rows.",
        remedy="Take these rows out of the smaller split and measure again. They are left out of mining.",
        score_means="1 at distance 0, 0 at the threshold",
        examples=tuple(
            Example(
                int(rows[at]),
                int(others[at]),
                f"{names[splits[rows[at]]]} and {names[splits[others[at]]]}: {seen.unit} {number(float(named[at]))}",
            )
            for at in top
        ),
        numbers={"rows": len(rows), "exact": exact, "near": seen.near},
    )


def _copies(seen: Evidence, splits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pairs of equal rows of two splits, zeros): each row with the first of every other split."""
    heads, place = np.unique(seen.copy_of, return_inverse=True)
    pairs = []
    for split in range(len(seen.set.split_names)):
        first = np.full(len(heads), len(seen))
        here = np.flatnonzero(splits == split)
        np.minimum.at(first, place[here], here)
        partner = first[place]
        rows = np.flatnonzero((partner < len(seen)) & (splits != split))
        pairs.append(np.stack([rows, partner[rows]], axis=1))
    both = np.concatenate(pairs)
    return both, np.zeros(len(both), np.float32)
