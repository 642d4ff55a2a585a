"""What a person did wrong, and how to mend it, in one sentence each.

The command line prints these on standard error with exit code 2 and no traceback; the app shows them in place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TripletscopeError(Exception):
    """Base of everything a person can mend: the message names the thing at fault and the way out."""


class UnknownNameError(TripletscopeError):
    """A strategy, data set, model, distance or column that does not exist; lists the legal ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        legal = ", ".join(names) if names else "none"
        super().__init__(f"There is no {kind} called {name!r}.{hint} Known: {legal}.")
        self.kind, self.name, self.known = kind, name, names


class DataError(TripletscopeError):
    """Data that cannot be trained on or read: names file, row or column."""


class SettingError(TripletscopeError):
    """A setting out of its range, or two settings that contradict each other."""


class RunError(TripletscopeError):
    """A run folder that exists already, is missing, or cannot be read."""


class TrainingError(TripletscopeError):
    """A training that had to stop: the step and the likely reason."""
