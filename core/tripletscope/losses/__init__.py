"""The losses, by name. Adding one is adding a file to this folder; a strategy that trains with it names it.

Example:
    >>> LOSSES.names()[:2]
    ['triplet', 'sct']
    >>> import torch
    >>> from tripletscope.triplets import Triplets
    >>> points = torch.tensor([0.0, 1.0, 3.0])
    >>> distances = (points[:, None] - points[None, :]).abs()
    >>> picks = Triplets(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    >>> LOSSES.get("triplet")(Learning(distances, torch.tensor([7, 7, 8]), picks, margin=2.5)).mean
    tensor(0.5000)
"""

from __future__ import annotations

import importlib
import pkgutil

from tripletscope.losses.base import LOSSES, TRIPLET, Cost, Learning, Loss, cost_of, loss
from tripletscope.losses.triplet import batch_all_loss, triplet_margin_loss

__all__ = [
    "LOSSES",
    "TRIPLET",
    "Cost",
    "Learning",
    "Loss",
    "batch_all_loss",
    "cost_of",
    "loss",
    "triplet_margin_loss",
]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")
