"""What a rule is: one function under one decorator that says what it looks for, by which numbers, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tripletscope.doctor.finding import Finding
from tripletscope.doctor.signs import Signs
from tripletscope.registry import Criterion, Registry, Threshold

__all__ = ["RULES", "Rule", "Threshold", "rule"]


@dataclass(frozen=True)
class Rule(Criterion):
    """A rule of the doctor; made by the `rule` decorator.

    Example:
        >>> from tripletscope.doctor import RULES
        >>> RULES.get("collapse").value("below")
        0.25
    """

    function: Callable[[Signs], list[Finding]]

    def __call__(self, signs: Signs) -> list[Finding]:
        """What the rule finds; raises NotRecorded where the run lacks what it looks at."""
        return self.function(signs)


RULES: Registry[Rule] = Registry("rule of the doctor", group="tripletscope.rules")


def rule(
    *, name: str, title: str, looks_for: str, source: str, order: int, thresholds: tuple[Threshold, ...]
) -> Callable[[Callable[[Signs], list[Finding]]], Rule]:
    """A decorator that turns `(signs) -> list[Finding]` into a registered `Rule`.

    A rule that cannot be checked raises `NotRecorded` with the reason; `Signs` does so for numbers that were not
    recorded. Other packages add rules by the entry-point group `tripletscope.rules`.

    Args:
        name: lower-case with hyphens.
        title: for lists.
        looks_for: one line, with a full stop.
        source: paper or measurement that it comes from.
        order: place in lists.
        thresholds: the numbers that it decides by.

    Raises:
        ValueError: for a name taken before.
    """

    def made(function: Callable[[Signs], list[Finding]]) -> Rule:
        return RULES.register(Rule(name, title, looks_for, source, order, thresholds, function))

    return made
