"""tripletscope: see which negatives your triplet loss really learns from.

`from tripletscope import Recorder, Run, strategies`. Importing the package loads nothing heavy: torch comes with
the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tripletscope import strategies
    from tripletscope.inspection import inspect
    from tripletscope.mining.whole_set import mine
    from tripletscope.recorder import Recorder
    from tripletscope.store.reader import Run

__version__ = "0.1.0"
__all__ = ["Recorder", "Run", "__version__", "inspect", "mine", "strategies"]

_HOMES = {
    "inspect": "tripletscope.inspection",
    "Recorder": "tripletscope.recorder",
    "Run": "tripletscope.store.reader",
    "mine": "tripletscope.mining.whole_set",
    "strategies": "tripletscope.strategies",
}


def __getattr__(name: str) -> Any:
    """The public names, loaded when first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tripletscope' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if name == "strategies" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
