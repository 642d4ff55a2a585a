"""Small batches whose every distance can be checked with a pencil: samples on the face of a clock.

Points on a circle of radius 1 are unit vectors, so that all three distances mean something, and how far two of them
are apart follows from the hours between them alone. There are seven distances in all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tripletscope.batch import Batch
from tripletscope.distances import DISTANCES
from tripletscope.errors import SettingError, UnknownNameError

HOURS = 12
#: A margin at which the words part on the first batch; from 2 hours to 6 the plain gap is exactly this.
MARGIN = 1.0
_SQUARED = (0.0, 2 - math.sqrt(3), 1.0, 2.0, 3.0, 2 + math.sqrt(3), 4.0)

#: For every distance, how far two samples are apart by the hours between them, from 0 to 6.
BETWEEN: dict[str, tuple[float, ...]] = {
    "euclidean": tuple(math.sqrt(value) for value in _SQUARED),
    "squared-euclidean": _SQUARED,
    "cosine": tuple(value / 2 for value in _SQUARED),
}


@dataclass(frozen=True)
class Clock:
    """Samples at hours of a clock.

    Args:
        name: as one types it.
        summary: what it shows, in a sentence.
        hours: of each slot, 0 to 11; 0 is twelve o'clock.
        labels: of each slot.
    """

    name: str
    summary: str
    hours: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A letter for every slot."""
        return tuple(chr(ord("A") + slot) for slot in range(len(self.hours)))

    @property
    def classes(self) -> dict[str, list[str]]:
        """Class -> its samples, each with its hour."""
        told: dict[str, list[str]] = {}
        for name, hour, label in zip(self.names, self.hours, self.labels, strict=True):
            told.setdefault(f"class {label}", []).append(f"{name} at {hour or HOURS}")
        return told

    def batch(self, distance: str = "euclidean") -> Batch:
        """The samples at these distances, in double precision.

        Example:
            >>> CLOCKS["clock"].batch("squared-euclidean").distances[0, :3].tolist()
            [0.0, 1.0, 3.732050807568877]
        """
        table = BETWEEN[DISTANCES.get(distance).name]
        apart = [[min((a - b) % HOURS, (b - a) % HOURS) for b in self.hours] for a in self.hours]
        distances = torch.tensor([[table[hours] for hours in row] for row in apart], dtype=torch.float64)
        return Batch(distances, torch.tensor(self.labels), distance=distance, dim=2)

    def at_other_hours(self, seed: int) -> Clock:
        """The same classes, the samples at other hours, all different, by lot."""
        if seed < 0:
            raise SettingError(f"The seed is {seed}; it must be 0 or more.")
        hours = random.Random(seed).sample(range(HOURS), len(self.hours))
        return Clock(f"seed {seed}", "The samples at other hours, by lot.", tuple(hours), self.labels)


CLOCKS = {
    one.name: one
    for one in (
        Clock(
            "clock",
            "Two classes of three and one sample alone: bands with several negatives, one, and none.",
            (0, 2, 7, 3, 1, 8, 4),
            (1, 1, 1, 2, 2, 2, 3),
        ),
        Clock(
            "twins",
            "A class that has collapsed to one point, and one whose positives are nearer than any negative.",
            (0, 0, 0, 2, 3, 6),
            (1, 1, 1, 2, 2, 3),
        ),
    )
}


def clock(name: str = "clock", seed: int | None = None) -> Clock:
    """The batch of that name, or, with a seed, its samples at other hours.

    Raises:
        UnknownNameError: no such batch.
        SettingError: a seed below 0.
    """
    if name not in CLOCKS:
        raise UnknownNameError("batch", name, CLOCKS)
    return CLOCKS[name] if seed is None else CLOCKS[name].at_other_hours(seed)


def together(names: Sequence[str], word: str) -> str:
    """The names as people list them.

    Example:
        >>> together(["D", "E", "F"], "or")
        'D, E or F'
    """
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
