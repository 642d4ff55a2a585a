"""Classes that differ in a few directions and scatter in many others: what makes the hardest negative a bad teacher."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from tripletscope.datasets.base import DATASETS, DataSet, Dial, join_spec
from tripletscope.samples import LabelledData, Samples
from tripletscope.seeding import derive_seed

SIZE = 64  # numbers of a sample
SIGNAL, SCATTER = 8, 24  # directions in which classes differ, and in which samples of one class do
GRAIN = 0.1  # in all directions alike, so that no direction is quite still
TILE = 4  # pixels


def nuisance(classes: int = 60, points: int = 10, scatter: float | int = 1.5, seed: int = 0) -> LabelledData:
    """Samples of 64 numbers: 8 directions tell the class, 24 others scatter within it, a little grain is everywhere.

    Think of photographs of people: who it is, and light, pose and background. With much scatter the sample nearest to
    an anchor shares its scatter and not its class, so the nearest negative says little of what sets classes apart.

    A class lies at a normal draw of standard deviation 1 in each of its 8 directions; a sample lies around it with
    standard deviation `scatter` in each of the 24. The directions are the same for all samples, at right angles, and
    along no axis. The picture of a sample has the 8 that tell its class in the upper row, and the 24 below.

    Args:
        classes: how many.
        points: samples of each.
        scatter: standard deviation within a class, where between classes it is 1.
        seed: of the draw.

    Source: made here.

    Example:
        >>> data = nuisance(classes=3, points=5)
        >>> data.features.shape, data.samples.class_counts().tolist()
        ((15, 64), [5, 5, 5])
    """
    chance = np.random.default_rng(derive_seed(seed, "nuisance"))
    directions = np.linalg.qr(chance.standard_normal((SIZE, SIZE)))[0]
    labels = np.repeat(np.arange(classes), points)
    where = chance.standard_normal((classes, SIGNAL))[labels] @ directions[:SIGNAL]
    around = scatter * chance.standard_normal((len(labels), SCATTER)) @ directions[SIGNAL : SIGNAL + SCATTER]
    features = where + around + GRAIN * chance.standard_normal((len(labels), SIZE))
    names = [f"class {number}" for number in range(classes)]
    values = {
        "classes": (classes, 60),
        "points": (points, 10),
        "scatter": (float(scatter), 1.5),
        "seed": (seed, 0),
    }
    return LabelledData(
        name=join_spec("nuisance", {name: value for name, (value, usual) in values.items() if value != usual}),
        features=features.astype(np.float32),
        samples=Samples(
            ids=[f"{names[c]}/{n}" for c in range(classes) for n in range(points)],
            labels=labels,
            class_names=names,
            thumbs=thumbs(features @ directions[: SIGNAL + SCATTER].T, float(scatter)),
        ),
        origin="Made by tripletscope from a seed.",
        licence="MIT",
    )


def thumbs(along: Float[np.ndarray, "N 32"], scatter: float) -> UInt8[np.ndarray, "N 16 32"]:
    """A small picture of each sample: how far it lies along each direction, the upper row being the class."""
    spread = np.repeat([1.0, max(scatter, GRAIN)], [SIGNAL, SCATTER])
    grey = np.clip(128 + 48 * along / spread, 0, 255).astype(np.uint8)
    tiles: UInt8[np.ndarray, "N 16 32"] = grey.reshape(len(along), -1, SIGNAL).repeat(TILE, axis=1).repeat(TILE, axis=2)
    return tiles


DATASETS.register(
    DataSet(
        "nuisance",
        35,
        "Signal and nuisance",
        nuisance,
        summary="600 samples of 64 numbers in 60 classes: a few directions tell the class, many more only scatter.",
        kind="pictures",
        example="class 0, ten samples that agree in 8 directions and in no other",
        dials=(
            Dial("classes", 60, "how many classes", low=2, high=1000),
            Dial("points", 10, "samples of each class", low=2, high=1000),
            Dial("scatter", 1.5, "standard deviation within a class, where between classes it is 1", low=0, high=20),
            Dial("seed", 0, "of the draw", low=0, high=999_999),
        ),
    )
)
