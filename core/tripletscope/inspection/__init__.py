"""Inspect: what is wrong with a set of embeddings before anything is mined from it.

`health` says what the set is, `inspect` what was found in it: wrong labels, duplicates, confused classes, hubs.
Adding a check is adding a file to findings/.

Example:
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> points = rng.normal(size=(60, 8)) + 6 * np.repeat(np.eye(8)[:2], 30, axis=0)
    >>> labels = ["cat"] * 30 + ["dog"] * 30
    >>> labels[3] = "dog"
    >>> for finding in inspect(points, labels).findings:
    ...     print(finding.severity, finding.title, finding.rows[:3].tolist())
    warning Suspicious labels [3]
"""

from __future__ import annotations

import importlib
import pkgutil

from tripletscope.inspection import findings
from tripletscope.inspection.check import CHECKS, Check, Threshold, check
from tripletscope.inspection.evidence import Evidence, NotApplicable
from tripletscope.inspection.finding import SEVERITIES, Example, Finding
from tripletscope.inspection.health import Health, health
from tripletscope.inspection.inspector import Inspection, inspect, inspect_set

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Check",
    "Evidence",
    "Example",
    "Finding",
    "Health",
    "Inspection",
    "NotApplicable",
    "Threshold",
    "check",
    "health",
    "inspect",
    "inspect_set",
]

for _found in pkgutil.iter_modules(findings.__path__):
    importlib.import_module(f"{findings.__name__}.{_found.name}")
