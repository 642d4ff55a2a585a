"""The mining strategies, by name. Adding one is adding a file to this folder; composing one takes no file at all.

Example:
    >>> names()[:4]
    ['random', 'batch-all', 'hardest', 'batch-hard']
    >>> get("batch-hard").source
    'Hermans, Beyer & Leibe 2017, "In Defense of the Triplet Loss", §2, eq. 5'
    >>> get("pair:all, negative:nearest, upper:margin, fallback:farthest").name
    'pair-all-negative-nearest-upper-margin-fallback-farthest'
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from tripletscope.composition import is_composition
from tripletscope.strategies.base import STRATEGIES, Granularity, Parameter, Strategy, strategy

__all__ = ["STRATEGIES", "Granularity", "Parameter", "Strategy", "all", "get", "names", "strategy"]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def get(name: str) -> Strategy:
    """The strategy of that name, or of that composition; any other raises with the legal ones and the nearest match.

    Raises:
        UnknownNameError: no such strategy.
        SettingError: a composition that makes no sense, naming the axis at fault.
    """
    return STRATEGIES.get(name)


def names() -> list[str]:
    """Every name, in display order."""
    return STRATEGIES.names()


def all(used: Iterable[str] = ()) -> list[Strategy]:
    """Every strategy, in display order; after them the compositions among those that somebody used.

    Args:
        used: names such as those of a run; what is registered stands in the list anyway, and what is neither
            registered nor a composition (a loop's own picks) is passed over.

    Example:
        >>> [one.name for one in all(["own", "hardest", "pair-all-negative-farthest"])][-1]
        'pair-all-negative-farthest'
    """
    return [*STRATEGIES, *(get(name) for name in used if name not in STRATEGIES and is_composition(name))]
