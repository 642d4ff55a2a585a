"""Leaves out negatives whose similarity exceeds a share of the positive's."""

from __future__ import annotations

import numpy as np

from tripletscope.mining.filters.base import FILTERS, Filter


def ceiling(similarity: np.ndarray, value: float) -> np.ndarray:
    """The share times s(a,p); where s(a,p) is negative that lies above it, as in the paper."""
    return np.asarray(similarity * value)


FILTERS.register(
    Filter(
        name="perc-pos",
        title="TopK-PercPos",
        summary="Leaves out negatives whose similarity exceeds a share of the positive's.",
        source='Moreira et al. 2024, "NV-Retriever", arXiv 2407.15831 (positive-aware, percentage margin)',
        order=30,
        value="share",
        default=0.95,
        low=0.0,
        high=1.0,
        ceiling=ceiling,
    )
)
