"""How the share of violating pairs grows with the margin, so that a margin can be chosen by looking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tripletscope.errors import DataError


def violating_share(gaps: Sequence[float] | np.ndarray, margins: Sequence[float] | np.ndarray) -> np.ndarray:
    """For each margin the share of these gaps below it: (M,) float64.

    With the gaps of the nearest negatives (`mine(..., strategy="hardest")["gap"]`) it is exact for the positives that
    were chosen: a pair violates if and only if its nearest negative does. At the margin itself a gap is easy, and both
    are compared in the dtype of the gaps, as everywhere.

    Args:
        gaps: d(a,n) - d(a,p) of each pair, in the unit of the distance.
        margins: in the same unit.

    Raises:
        DataError: no gaps at all.

    Example:
        >>> violating_share(np.float32([-0.1, 0.1, 0.2, 0.5]), [0.0, 0.2, 1.0]).tolist()
        [0.25, 0.5, 1.0]
    """
    rising = np.sort(np.asarray(gaps))
    if not rising.size:
        raise DataError("There are no pairs to draw a margin curve of: mine with the strategy 'hardest' first.")
    kind = rising.dtype if rising.dtype.kind == "f" else np.dtype(np.float64)
    return np.asarray(np.searchsorted(rising, np.asarray(margins, dtype=kind), side="left") / len(rising))
