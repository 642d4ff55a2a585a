"""Claims that papers make about mining, each with the sweep that checks it and what came of it here.

An experiment is a file in sample_data/experiments: a sweep, and a table `[experiment]` with claim, source and the rules
that would confirm it. The numbers of our own run lie beside it. A verdict is computed from rules and numbers.

Example:
    >>> from tripletscope import experiments
    >>> "hardest-collapses" in experiments.names()
    True
    >>> one = experiments.get("hardest-collapses")
    >>> one.report().verdict in ("confirmed", "mixed", "not confirmed")
    True
"""

from __future__ import annotations

from tripletscope.experiments.experiment import Experiment, Report, folder, get, names, read

__all__ = ["Experiment", "Report", "folder", "get", "names", "read"]
