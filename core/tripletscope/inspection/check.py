"""What a check is: one function under one decorator that says what it looks for, by which numbers, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tripletscope.inspection.evidence import Evidence
from tripletscope.inspection.finding import Finding
from tripletscope.registry import Criterion, Registry, Threshold

__all__ = ["CHECKS", "Check", "Threshold", "check"]


@dataclass(frozen=True)
class Check(Criterion):
    """A check of a set; made by the `check` decorator.

    Example:
        >>> from tripletscope.inspection import CHECKS
        >>> CHECKS.get("outliers").value("deviations")
        3.5
    """

    function: Callable[[Evidence], Finding | None]

    def __call__(self, evidence: Evidence) -> Finding | None:
        """What the check finds, or None; raises NotApplicable where the set lacks what it looks at."""
        return self.function(evidence)


CHECKS: Registry[Check] = Registry("check", group="tripletscope.checks")


def check(
    *, name: str, title: str, looks_for: str, source: str, order: int, thresholds: tuple[Threshold, ...] = ()
) -> Callable[[Callable[[Evidence], Finding | None]], Check]:
    """A decorator that turns `(evidence) -> Finding | None` into a registered `Check`.

    A check that cannot be made raises `NotApplicable` with the reason. Other packages add checks by the entry-point
    group `tripletscope.checks`.

    Args:
        name: lower-case with hyphens; it stands in the `flags` column of the CSV.
        title: for lists.
        looks_for: one line, with a full stop; shown where nothing was found.
        source: paper or measurement that it comes from.
        order: place in lists.
        thresholds: the numbers that it decides by.

    Raises:
        ValueError: for a name taken before.
    """

    def made(function: Callable[[Evidence], Finding | None]) -> Check:
        return CHECKS.register(Check(name, title, looks_for, source, order, thresholds, function))

    return made
