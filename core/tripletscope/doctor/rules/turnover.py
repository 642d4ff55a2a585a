"""When most anchors changed their nearest negative."""

from __future__ import annotations

import numpy as np

from tripletscope.doctor.finding import Finding
from tripletscope.doctor.rule import Threshold, rule
from tripletscope.doctor.signs import Signs

LEAST = Threshold(
    "least",
    0.1,
    "of the cohort: where fewer anchors change at every frame, no place is worth a stop.",
)
EARLY = Threshold(
    "early",
    0.1,
    "of the recorded steps: the untrained embedding turns over first of all, so where the largest lies there, the "
    "largest one after it is told too.",
)


@rule(
    name="turnover",
    title="Biggest turnover of picks",
    looks_for="The frame at which most anchors of the cohort have changed their nearest negative.",
    source="Measured (docs/doctor.md)",
    order=50,
    thresholds=(LEAST, EARLY),
)
def turnover(signs: Signs) -> list[Finding]:
    """At most one finding, which is no fault: a place to look at."""
    shares, steps = signs.turnover, signs.run.frame_steps
    at = int(np.nanargmax(shares))  # the earliest of equals
    if not shares[at] >= LEAST.value:
        return []
    known = shares[1:][np.isfinite(shares[1:])]
    late = np.flatnonzero(np.array(steps) > max(steps[at], EARLY.value * steps[-1]))
    later = int(late[np.nanargmax(shares[late])]) if steps[at] <= EARLY.value * steps[-1] and len(late) else None
    size = signs.cohort_size
    more = "" if later is None else f", later {shares[later]:.0%} at most, at step {steps[later]:,}"
    return [
        Finding(
            rule="turnover",
            title="Biggest turnover of picks",
            step=steps[at],
            until=None,
            severity="note",
            evidence=(
                f"Between the frames of steps {steps[at - 1]:,} and {steps[at]:,} {shares[at] * size:.0f} of {size} "
                f"anchors of the cohort ({signs.cohort_title}) changed the cohort's negative that is "
                f"nearest in {signs.space}; the median from frame to frame is {np.median(known):.0%}{more}."
            ),
            remedy=(
                "Nothing to mend: scrub over it to see who left and who came; where picks keep turning over late in a "
                "training, a lower learning rate or a larger batch steadies them."
            ),
            numbers={
                "turnover": float(shares[at]),
                "since": steps[at - 1],
                "median": float(np.median(known)),
                "cohort": size,
                "later_turnover": None if later is None else float(shares[later]),
                "later_step": None if later is None else steps[later],
            },
        )
    ]
