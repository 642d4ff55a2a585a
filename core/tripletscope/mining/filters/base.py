"""What a filter against false negatives is: from the positive's similarity, how similar a negative may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tripletscope.errors import SettingError
from tripletscope.registry import Registry

Ceiling = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Filter:
    """A rule that leaves out negatives so similar to the anchor that they are probably positives without the label.

    Args:
        name: lower-case with hyphens.
        title: as the paper calls it.
        summary: one line, with a full stop.
        source: paper, section.
        order: place in lists.
        value: what its number is called.
        default: the number the paper settles on.
        low: the least it may be.
        high: the most it may be.
        ceiling: `(similarities to the positive, value) -> (T,)` largest similarity that a negative may have.
    """

    name: str
    title: str
    summary: str
    source: str
    order: int
    value: str
    default: float
    low: float
    high: float
    ceiling: Ceiling

    def check(self, value: float) -> None:
        """Nothing, if the number lies in its range; else it raises a SettingError."""
        if not self.low <= value <= self.high:
            raise SettingError(
                f"The {self.value} of the filter {self.name!r} is {value}; it must lie between {self.low:g} and "
                f"{self.high:g} (default {self.default:g})."
            )

    def floor(self, d_ap: np.ndarray, value: float, distance: str) -> np.ndarray:
        """(T,) float32: the least distance that a negative may have; at that distance it stays.

        Similarity is the cosine: 1 - d, or, between vectors of length 1, 1 - d²/2 for Euclidean and 1 - d/2 for
        squared Euclidean distances.

        Raises:
            SettingError: a number out of its range.
        """
        self.check(value)
        wide = np.asarray(d_ap, dtype=np.float64)
        similarity = 1 - (wide if distance == "cosine" else wide**2 / 2 if distance == "euclidean" else wide / 2)
        apart = np.maximum(1 - self.ceiling(similarity, value), 0)
        far = apart if distance == "cosine" else np.sqrt(2 * apart) if distance == "euclidean" else 2 * apart
        rounded = far.astype(np.float32)
        lowest: np.ndarray = np.where(rounded < far, np.nextafter(rounded, np.float32(np.inf)), rounded)
        return lowest


FILTERS: Registry[Filter] = Registry("filter", group="tripletscope.filters")
