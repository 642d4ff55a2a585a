"""The positive-aware filters against false negatives, by name. Adding one is adding a file to this folder.

A nearest negative is often a positive that nobody labelled. These rules leave out negatives by how similar they are to
the anchor, all but the first in relation to how similar the positive is.

Example:
    >>> names()
    ['topk-abs', 'margin-pos', 'perc-pos']
    >>> get("perc-pos").floor(np.float32([0.2]), 0.95, "cosine").round(2).tolist()
    [0.23999999463558197]
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

import numpy as np

from tripletscope.mining.filters.base import FILTERS, Filter

__all__ = ["FILTERS", "Filter", "all", "floors", "get", "in_words", "names"]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def get(name: str) -> Filter:
    """The filter of that name; an unknown name raises with the legal ones and the nearest match."""
    return FILTERS.get(name)


def names() -> list[str]:
    """Every name, in display order."""
    return FILTERS.names()


def all() -> list[Filter]:
    """Every filter, in display order."""
    return list(FILTERS)


def floors(chosen: dict[str, float], d_ap: np.ndarray, distance: str) -> np.ndarray:
    """(T,) float32: the least distance that all these filters allow a negative; -inf without any.

    Example:
        >>> floors({"topk-abs": 0.75}, np.float32([0.1, 0.2]), "cosine").tolist()
        [0.25, 0.25]
    """
    lowest = np.full(len(d_ap), -np.inf, np.float32)
    for name, value in chosen.items():
        lowest = np.maximum(lowest, get(name).floor(d_ap, value, distance))
    return lowest


def in_words(chosen: Mapping[str, float]) -> str:
    """These filters with their numbers, for a sentence.

    Example:
        >>> in_words({"perc-pos": 0.95, "topk-abs": 0.7})
        'perc-pos 0.95 and topk-abs 0.7'
    """
    return " and ".join(f"{name} {value:g}" for name, value in chosen.items())
