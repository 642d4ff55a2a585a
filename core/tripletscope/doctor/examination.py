"""All rules over one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tripletscope.doctor.finding import SEVERITIES, Finding
from tripletscope.doctor.rule import RULES
from tripletscope.doctor.signs import NotRecorded, Signs
from tripletscope.store.reader import Run


@dataclass(frozen=True)
class Examination:
    """What the doctor says of a run.

    Attributes:
        findings: by step; of one step the most serious first.
        checked: every rule by name: "fired at step 24", "quiet", or why it could not be checked ("no loss recorded").
    """

    findings: tuple[Finding, ...]
    checked: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"findings": [one.to_dict() for one in self.findings], "checked": dict(self.checked)}


def examination(run: Run) -> Examination:
    """The findings of every rule, and which rules could be checked; no run is too short or too odd to ask.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> examination(Run.open(sample_data_dir() / "races" / "digits-2d" / "random")).checked["collapse"]
        'quiet'
    """
    signs = Signs(run)
    findings: list[Finding] = []
    checked: dict[str, str] = {}
    for rule in RULES:
        try:
            found = sorted(rule(signs), key=lambda one: one.step)
        except NotRecorded as missing:
            checked[rule.name] = str(missing)
            continue
        except Exception as problem:  # a run may hold anything, and a rule may be a stranger's: the others still count
            checked[rule.name] = f"could not be checked ({type(problem).__name__}: {problem})"
            continue
        steps = list(dict.fromkeys(f"{one.step:,}" for one in found))
        checked[rule.name] = f"fired at step {', '.join(steps)}" if steps else "quiet"
        findings += found
    places = {name: place for place, name in enumerate(RULES.names())}
    findings.sort(key=lambda one: (one.step, SEVERITIES.index(one.severity), places[one.rule]))
    return Examination(tuple(findings), checked)


def examine(run: Run) -> list[Finding]:
    """Everything the rules find in a run, by step; see `examination` for what could not be checked.

    Args:
        run: opened from any folder; a run that is still being written is examined up to its last whole step.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> found = examine(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> [one.rule for one in found]
        ['turnover']
    """
    return list(examination(run).findings)
