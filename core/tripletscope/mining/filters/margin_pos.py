"""Leaves out negatives whose similarity comes within a margin of the positive's."""

from __future__ import annotations

import numpy as np

from tripletscope.mining.filters.base import FILTERS, Filter


def ceiling(similarity: np.ndarray, value: float) -> np.ndarray:
    """The positive's s(a,p) less the margin."""
    return np.asarray(similarity - value)


FILTERS.register(
    Filter(
        name="margin-pos",
        title="TopK-MarginPos",
        summary="Leaves out negatives whose similarity exceeds the positive's less a margin.",
        source='Moreira et al. 2024, "NV-Retriever", arXiv 2407.15831 (positive-aware, absolute margin)',
        order=20,
        value="margin",
        default=0.05,
        low=0.0,
        high=2.0,
        ceiling=ceiling,
    )
)
