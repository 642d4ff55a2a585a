"""The mining strategies, by name. Adding one is adding a file to this folder.

Example:
    >>> names()[:4]
    ['random', 'batch-all', 'hardest', 'batch-hard']
    >>> get("batch-hard").source
    'Hermans, Beyer & Leibe 2017, "In Defense of the Triplet Loss", §2, eq. 5'
"""

from __future__ import annotations

import importlib
import pkgutil

from tripletscope.strategies.base import STRATEGIES, Granularity, Parameter, Strategy, strategy

__all__ = ["STRATEGIES", "Granularity", "Parameter", "Strategy", "all", "get", "names", "strategy"]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def get(name: str) -> Strategy:
    """The strategy of that name; an unknown name raises with the legal ones and the nearest match."""
    return STRATEGIES.get(name)


def names() -> list[str]:
    """Every name, in display order."""
    return STRATEGIES.names()


def all() -> list[Strategy]:
    """Every strategy, in display order."""
    return list(STRATEGIES)
