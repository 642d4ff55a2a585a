"""What other libraries mean by the same words, by name. Adding a library is adding a file to this folder.

Example:
    >>> [one.library for one in of_word("hardest")]
    ['tripletscope', 'FaceNet', 'pytorch-metric-learning', 'siamese-triplet']
    >>> get("pytorch-metric-learning-semi-hard").call
    'TripletMarginMiner(type_of_triplets="semihard")'
"""

from __future__ import annotations

import importlib
import pkgutil

from tripletscope.dialects.base import DIALECTS, OURS, Dialect, dialect, of_word, words
from tripletscope.dialects.rule import Answer, Rule, answers

__all__ = [
    "DIALECTS",
    "OURS",
    "Answer",
    "Dialect",
    "Rule",
    "all",
    "answers",
    "dialect",
    "get",
    "names",
    "of_word",
    "words",
]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def get(name: str) -> Dialect:
    """The dialect of that name; any other raises with the legal ones and the nearest match."""
    return DIALECTS.get(name)


def names() -> list[str]:
    """Every name, in display order."""
    return DIALECTS.names()


def all() -> list[Dialect]:
    """Every dialect, in display order."""
    return list(DIALECTS)
