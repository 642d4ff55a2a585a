"""Leaves out negatives that are more similar to the anchor than a fixed limit."""

from __future__ import annotations

import numpy as np

from tripletscope.mining.filters.base import FILTERS, Filter


def ceiling(similarity: np.ndarray, value: float) -> np.ndarray:
    """The limit itself; the positive plays no part."""
    return np.full(len(similarity), value)


FILTERS.register(
    Filter(
        name="topk-abs",
        title="TopK-Abs",
        summary="Leaves out negatives more similar to the anchor than a fixed limit.",
        source='Moreira et al. 2024, "NV-Retriever", arXiv 2407.15831 (Top-k with absolute threshold)',
        order=10,
        value="limit",
        default=0.7,
        low=-1.0,
        high=1.0,
        ceiling=ceiling,
    )
)
