"""Rows of odd length."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, number
from tripletscope.inspection.finding import EXAMPLES, Example, Finding

_TIMES, _DEVIATIONS = 3.0, 6.0


@check(
    name="odd-norms",
    title="Odd lengths",
    looks_for="Rows of zeros, and rows far shorter or longer than the others.",
    source="Ours; robust deviations after Iglewicz and Hoaglin 1993.",
    order=130,
    thresholds=(
        Threshold(
            "times", _TIMES, "the median length, or less than its inverse: lengths within a factor of 3 are usual"
        ),
        Threshold(
            "deviations",
            _DEVIATIONS,
            "robust deviations of the logarithm, so that sets with wide lengths are left in peace",
        ),
    ),
)
def odd_norms(seen: Evidence) -> Finding | None:
    """Rows by how far their length is from the usual one; those of zeros are left out of mining with cosine."""
    lengths = seen.lengths
    usual = float(np.median(lengths))
    zeros = lengths == 0
    logs = np.log(np.maximum(lengths, 1e-300) / (usual or 1.0))
    spread = 1.4826 * float(np.median(np.abs(logs[~zeros]))) if (~zeros).any() else 0.0
    odd = np.abs(logs) > np.maximum(np.log(_TIMES), _DEVIATIONS * spread)
    rows = np.flatnonzero(zeros | (odd & (usual > 0)))
    if not len(rows):
        return None
    cosine = seen.distance == "cosine"
    score = np.where(zeros[rows], 1e6, np.minimum(np.exp(np.minimum(np.abs(logs[rows]), 13.8)), 1e6))
    top = rows[np.lexsort((rows, -score))][:EXAMPLES]
    return Finding.ranked(
        rows=rows,
        scores=score,
        exclude=np.flatnonzero(zeros),
        check="odd-norms",
        title="Odd lengths",
        severity="problem" if cosine and zeros.any() else "note" if cosine else "warning",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{int(zeros.sum()):,} rows are all zeros; {len(rows) - int(zeros.sum()):,} have a length "
            f"beyond {_TIMES:g} times "
            f"the median of {number(usual)}, up or down."
        ),
        why=(
            "A row of zeros has no direction: every cosine with it is made up."
            if cosine
            else "Very long rows are far from everything and never a hard negative; very short ones are near to all."
        ),
        remedy=(
            "Rows of zeros are empty inputs as a rule: they are left out of mining. "
            + (
                "Other lengths do not matter for cosine."
                if cosine
                else "Normalise, or use cosine, if length means nothing."
            )
        ),
        score_means="times longer or shorter than the median (1,000,000 for zeros)",
        examples=tuple(
            Example(
                int(row), -1, f"{seen.class_of(int(row))}: length {number(float(lengths[row]))}, usual {number(usual)}"
            )
            for row in top
        ),
        numbers={"zeros": int(zeros.sum()), "usual": usual},
    )
