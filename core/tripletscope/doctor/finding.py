"""What a rule says when it fires."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Severity = Literal["problem", "warning", "note"]
#: Most serious first.
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something that happened in a run.

    Args:
        rule: name of the rule.
        title: a few words for a list.
        step: the first step at which the rule fires.
        until: the step at which it was over; None where it still is at the last recorded step, or has no length.
        severity: "problem" (the run is spoilt, or is being spoilt), "warning" (steps were lost, or will be) or
            "note" (good to know, nothing to mend).
        evidence: one sentence with the numbers, and the space and samples that they were taken in.
        remedy: one sentence that says what to try.
        numbers: the same numbers by name, for scripts.

    Example:
        >>> found = Finding("collapse", "Shrinking", 7, None, "problem", "It shrank.", "Stop.", {"end": 0.25})
        >>> found.to_dict()["step"]
        7
    """

    rule: str
    title: str
    step: int
    until: int | None
    severity: Severity
    evidence: str
    remedy: str
    numbers: Mapping[str, float | int | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes None."""
        return {**vars(self), "numbers": {name: _plain(value) for name, value in self.numbers.items()}}

    @property
    def when(self) -> str:
        """The steps in words.

        Example:
            >>> Finding("collapse", "Shrinking", 7, 90, "warning", "", "").when
            'steps 7 to 90'
        """
        return f"step {self.step:,}" if self.until is None else f"steps {self.step:,} to {self.until:,}"


def _plain(value: Any) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)
