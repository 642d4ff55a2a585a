"""Points in the plane whose structure is known, because it was set: clumps on a ring, and dials to spoil them."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int, UInt8

from tripletscope.datasets.base import DATASETS, DataSet, Dial, join_spec
from tripletscope.errors import SettingError
from tripletscope.samples import LabelledData, Samples
from tripletscope.seeding import derive_seed

THUMB = 24  # pixels
THUMB_REACH = 1.9  # the picture shows the plane from minus this to this
LARGEST = 20_000  # points


def toy2d(
    classes: int = 8,
    points: int = 50,
    parts: int = 1,
    overlap: float | int = 0.5,
    noise: float | int = 0.0,
    imbalance: float | int = 1.0,
    nuisance: int = 0,
    seed: int = 0,
) -> LabelledData:
    """Points around centres on the unit circle, with a known share of wrong labels and of useless dimensions.

    Each class has `parts` clumps, and neighbours on the circle are always of different classes: clump j, at the angle
    2 π j / (classes x parts), belongs to class j modulo `classes`. Each dial has its own stream of chance, so turning
    one leaves the rest of the draw as it was.

    Args:
        classes: how many.
        points: samples of the largest class.
        parts: clumps of each class. Two or more cannot be told apart by a line, and far positives are of another clump.
        overlap: standard deviation of a clump, in half distances between neighbouring centres. Beyond the line
            between two neighbours lies the share Q(1 / overlap) of a clump: 0.1 % at 1/3, 2.3 % at 0.5, 16 % at 1.
        noise: share of the samples that carry the label of another class, drawn by lot. The id names the true class.
        imbalance: samples of the largest class over those of the smallest; the sizes between fall by equal factors.
        nuisance: further dimensions that say nothing of the class, normal with standard deviation 1.
        seed: of the draw.

    Raises:
        SettingError: when the smallest class, or a clump of it, would have fewer than 2 points, or the set is too
            large.

    Source: made here. For why parts matter, compare Xuan et al. 2020, "Improved Embeddings with Easy Positive
    Triplet Mining".

    Example:
        >>> data = toy2d(classes=3, points=40, noise=0.1, imbalance=4)
        >>> [int(sum(one.startswith(f"{name}/") for one in data.samples.ids)) for name in "abc"]
        [40, 20, 10]
        >>> wrong = [row for row in range(len(data)) if data.samples.id_of(row)[0] != data.samples.class_of(row)]
        >>> len(wrong)
        7
    """
    sizes = class_sizes(classes, points, imbalance)
    if min(sizes) < 2 * parts:
        raise SettingError(
            f"The smallest class of toy2d would have {min(sizes)} points in {parts} clumps: "
            "use more points, less imbalance or fewer parts, so that each clump has 2."
        )
    if sum(sizes) > LARGEST:
        raise SettingError(f"toy2d would have {sum(sizes):,} points: use fewer, {LARGEST:,} at the most.")
    names = class_names(classes)
    truth = np.repeat(np.arange(classes), sizes)
    place = np.concatenate([_class_points(c, size, classes, parts, overlap, seed) for c, size in enumerate(sizes)])
    useless = np.concatenate(
        [_chance(seed, "nuisance", d).standard_normal((len(truth), 1)) for d in range(nuisance)]
        or [np.empty((len(truth), 0))],
        axis=1,
    )
    labels = _mislabelled(truth, classes, noise, seed)
    numbers = np.concatenate([np.arange(size) for size in sizes])
    values = {
        "classes": (classes, 8),
        "points": (points, 50),
        "parts": (parts, 1),
        "overlap": (float(overlap), 0.5),
        "noise": (float(noise), 0.0),
        "imbalance": (float(imbalance), 1.0),
        "nuisance": (nuisance, 0),
        "seed": (seed, 0),
    }
    return LabelledData(
        name=join_spec("toy2d", {name: value for name, (value, usual) in values.items() if value != usual}),
        features=np.concatenate([place, useless], axis=1).astype(np.float32),
        samples=Samples(
            ids=[f"{names[c]}/{number}" for c, number in zip(truth.tolist(), numbers.tolist(), strict=True)],
            labels=labels,
            class_names=names,
            thumbs=thumbs(place.astype(np.float32)),
        ),
        origin="Made by tripletscope from a seed.",
        licence="MIT",
        notes=_notes(labels, truth),
    )


def class_sizes(classes: int, points: int, imbalance: float | int) -> list[int]:
    """How many samples each class has: from `points` down to `points / imbalance`, by equal factors.

    Example:
        >>> class_sizes(3, 100, 4)
        [100, 50, 25]
    """
    return [round(points * imbalance ** (-number / (classes - 1))) for number in range(classes)]


def class_names(classes: int) -> list[str]:
    """a, b, c and so on; after z comes a2.

    Example:
        >>> class_names(28)[-2:]
        ['a2', 'b2']
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [letters[number % 26] + (str(number // 26 + 1) if number >= 26 else "") for number in range(classes)]


def deviation(classes: int, parts: int, overlap: float | int) -> float:
    """Standard deviation of a clump: `overlap` half distances between neighbouring centres.

    Example:
        >>> deviation(2, 1, 0.5)
        0.5
    """
    return overlap * math.sin(math.pi / (classes * parts))


def thumbs(place: Float[np.ndarray, "N 2"]) -> UInt8[np.ndarray, "N 24 24"]:
    """A small picture of the plane for each point: the unit circle, and a bright dot where the point lies."""
    middle = (THUMB - 1) / 2
    step = THUMB_REACH / middle
    y, x = np.mgrid[0:THUMB, 0:THUMB]
    ring = np.abs(np.hypot((x - middle) * step, (y - middle) * step) - 1) < step * 0.6
    pictures = np.repeat((ring * 70).astype(np.uint8)[None], len(place), axis=0)
    at = np.clip(np.round(place / step * [1, -1] + middle), 1, THUMB - 2).astype(np.int64)  # y grows downwards
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            pictures[np.arange(len(place)), at[:, 1] + dy, at[:, 0] + dx] = 255
    return pictures


def _chance(seed: int, *parts: str | int) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "toy2d", *parts))


def _class_points(
    number: int, size: int, classes: int, parts: int, overlap: float | int, seed: int
) -> Float[np.ndarray, "M 2"]:
    """The class's points, which take turns in its clumps."""
    clump = number + classes * (np.arange(size) % parts)
    angle = 2 * math.pi * clump / (classes * parts)
    spread = _chance(seed, "points", number).standard_normal((size, 2))
    centre: Float[np.ndarray, "M 2"] = np.column_stack([np.cos(angle), np.sin(angle)])
    return centre + deviation(classes, parts, overlap) * spread


def _mislabelled(truth: Int[np.ndarray, "N"], classes: int, noise: float | int, seed: int) -> Int[np.ndarray, "N"]:
    """The labels, a share of them replaced by another class's; more noise keeps the wrong ones of less."""
    chance = _chance(seed, "noise")
    order = chance.permutation(len(truth))
    other = (truth + chance.integers(1, classes, size=len(truth))) % classes
    labels = truth.copy()
    wrong = order[: round(noise * len(truth))]
    labels[wrong] = other[wrong]
    return labels


def _notes(labels: Int[np.ndarray, "N"], truth: Int[np.ndarray, "N"]) -> tuple[str, ...]:
    wrong = int((labels != truth).sum())
    if not wrong:
        return ()
    return (f"{wrong:,} of {len(labels):,} labels are wrong on purpose; the id names the true class.",)


DATASETS.register(
    DataSet(
        "toy2d",
        30,
        "Clumps in the plane",
        toy2d,
        summary="Points around centres on a circle, 2 dimensions, 8 classes of 50: every fault in it is set by a dial.",
        kind="points",
        example="class a, the clump at the right",
        dials=(
            Dial("classes", 8, "how many classes", low=2, high=50),
            Dial("points", 50, "samples of the largest class", low=2, high=5000),
            Dial("parts", 1, "clumps of each class; neighbours on the circle are of different classes", low=1, high=8),
            Dial("overlap", 0.5, "width of a clump, in half distances between neighbouring centres", low=0, high=5),
            Dial("noise", 0.0, "share of wrong labels", low=0, high=0.5),
            Dial("imbalance", 1.0, "samples of the largest class over those of the smallest", low=1, high=100),
            Dial("nuisance", 0, "further dimensions that say nothing of the class", low=0, high=100),
            Dial("seed", 0, "of the draw", low=0, high=999_999),
        ),
    )
)
