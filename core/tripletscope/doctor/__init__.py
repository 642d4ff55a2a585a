"""The doctor: what went wrong in a recorded run, when, how one can tell, and what to try.

Adding a rule is adding a file to rules/.

Example:
    >>> from tripletscope.datasets import sample_data_dir
    >>> from tripletscope.store.reader import Run
    >>> run = Run.open(sample_data_dir() / "races" / "digits-2d" / "batch-hard")
    >>> for finding in examine(run):
    ...     print(finding.step, finding.severity, finding.title)
    18 problem Collapse: everything in one place
    24 problem Loss stuck at the margin
    34 note Biggest turnover of picks
"""

from __future__ import annotations

import importlib
import pkgutil

from tripletscope.doctor import rules
from tripletscope.doctor.examination import Examination, examination, examine
from tripletscope.doctor.finding import SEVERITIES, Finding
from tripletscope.doctor.rule import RULES, Rule, Threshold, rule

__all__ = ["RULES", "SEVERITIES", "Examination", "Finding", "Rule", "Threshold", "examination", "examine", "rule"]

for _found in pkgutil.iter_modules(rules.__path__):
    importlib.import_module(f"{rules.__name__}.{_found.name}")
