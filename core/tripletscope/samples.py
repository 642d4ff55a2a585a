"""A labelled set: what a person sees of each sample, and the features that a model sees. Loads without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int, UInt8
from numpy.typing import NDArray

from tripletscope.errors import DataError

THUMB_PIXELS = 32  # longest side: enough to tell a 3 from an 8, and 2,000 of them stay one small sprite sheet


@dataclass(frozen=True, eq=False)
class Samples:
    """Who the N samples of a set are, row by row; the features are kept elsewhere.

    Args:
        ids: one per sample, unique: texts, or an int64 array (the row numbers, where the set brings no ids).
        labels: class of each sample, 0 ... C-1, in the order of `class_names`.
        class_names: C texts. Names that differ only by case or leading zeros are different classes.
        texts: one per sample, or None.
        thumbs: uint8 pictures (N, height, width) in grey or (N, height, width, 3) in colour, or None.
        true_labels: class that each sample really is of, where labels are known to be wrong; None: nobody knows more
            than the labels.

    Raises:
        DataError: when a length or a label does not fit, or an id occurs twice.

    Example:
        >>> pets = Samples(["rex", "tom"], np.array([1, 0]), ["cat", "dog"])
        >>> len(pets), pets.class_of(0)
        (2, 'dog')
    """

    ids: list[str] | Int[np.ndarray, "N"]
    labels: Int[np.ndarray, "N"]
    class_names: list[str]
    texts: list[str] | None = None
    thumbs: UInt8[np.ndarray, "N height width"] | UInt8[np.ndarray, "N height width 3"] | None = None
    true_labels: Int[np.ndarray, "N"] | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        object.__setattr__(self, "labels", np.ascontiguousarray(self.labels, dtype=np.int64))
        if isinstance(self.ids, np.ndarray):
            object.__setattr__(self, "ids", np.ascontiguousarray(self.ids, dtype=np.int64))
        if self.true_labels is not None:
            object.__setattr__(self, "true_labels", np.ascontiguousarray(self.true_labels, dtype=np.int64))
        for name, column in (
            ("ids", self.ids),
            ("texts", self.texts),
            ("thumbs", self.thumbs),
            ("true labels", self.true_labels),
        ):
            if column is not None and len(column) != count:
                raise DataError(f"There are {count:,} labels but {len(column):,} {name}: give one for each sample.")
        for title, labels in (("Labels", self.labels), ("True labels", self.true_labels)):
            if labels is not None and count and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.class_names):
                raise DataError(
                    f"{title} run from {int(labels.min())} to {int(labels.max())} but there are "
                    f"{len(self.class_names)} class names: number the classes 0 to {len(self.class_names) - 1}."
                )
        if (twice := _repeated(self.class_names)) is not None:
            raise DataError(f"Two classes are called {twice!r}: rename one, or give both the same label.")
        if (again := _repeated(self.ids)) is not None:
            raise DataError(f"The id {again!r} occurs twice: make the ids unique.")

    def __len__(self) -> int:
        return len(self.labels)

    def id_of(self, row: int) -> str | int:
        """The id of the sample in that row, as a plain Python value."""
        found = self.ids[row]
        return found if isinstance(found, str) else int(found)

    def class_of(self, row: int) -> str:
        """The class name of the sample in that row."""
        return self.class_names[int(self.labels[row])]

    def class_counts(self) -> Int[np.ndarray, "C"]:
        """How many samples each class has, in the order of `class_names`."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    @property
    def true_or_given_labels(self) -> Int[np.ndarray, "N"]:
        """The true labels where they are known, else the labels."""
        return self.labels if self.true_labels is None else self.true_labels

    def take(self, rows: Int[np.ndarray, "M"]) -> Samples:
        """The samples of those rows, in that order; all class names are kept."""
        ids = self.ids[rows] if isinstance(self.ids, np.ndarray) else [self.ids[int(row)] for row in rows]
        return Samples(
            ids=ids,
            labels=self.labels[rows],
            class_names=self.class_names,
            texts=None if self.texts is None else [self.texts[int(row)] for row in rows],
            thumbs=None if self.thumbs is None else self.thumbs[rows],
            true_labels=None if self.true_labels is None else self.true_labels[rows],
        )

    def check_trainable(self) -> None:
        """Nothing, when every sample can be an anchor: at least 2 classes with at least 2 samples each.

        Raises:
            DataError: naming the class that is too small and what to do about it.
        """
        if len(self) == 0:
            raise DataError("There are no samples: a triplet needs three.")
        counts = self.class_counts()
        used = np.flatnonzero(counts)
        if len(used) < 2:
            raise DataError(
                f"All {len(self):,} samples are of class {self.class_names[used[0]]!r}; a triplet needs a negative, "
                "so give at least 2 classes."
            )
        small = np.flatnonzero(counts < 2)
        if len(small):
            first = int(small[0])
            others = "1 other class is" if len(small) == 2 else f"{len(small) - 1:,} other classes are"
            more = f" ({others} as small)" if len(small) > 1 else ""
            noun = "sample" if counts[first] == 1 else "samples"
            raise DataError(
                f"Class {self.class_names[first]!r} has {counts[first]} {noun}; a triplet needs a positive, so each "
                f"class needs 2: remove it or add samples{more}."
            )


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Features of N samples with their classes: what a training needs, as NumPy arrays.

    Args:
        name: a registered name, or the file's or folder's.
        features: float32 (N, channels, height, width) for images, 0 ... 1 unless standardised; else (N, D).
        samples: who the N rows are.
        origin: where the data come from, with the credit their licence asks for; "" for a person's own.
        licence: short name of the licence; "" for a person's own.
        notes: what reading left out or guessed, one sentence each, to be shown and never swallowed.

    Example:
        >>> pair = Samples(np.arange(2), np.array([0, 1]), ["a", "b"])
        >>> data = LabelledData("tiny", np.zeros((2, 3), dtype=np.float32), pair)
        >>> data.kind, data.input_shape
        ('features', (3,))
    """

    name: str
    features: Float32[np.ndarray, "N ..."]
    samples: Samples
    origin: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def kind(self) -> Literal["images", "features"]:
        """What one sample is: "images" (channels, height, width), or "features" (D,)."""
        return "images" if self.features.ndim == 4 else "features"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, as `models.build` wants it."""
        return self.features.shape[1:]

    @cached_property
    def digest(self) -> str:
        """32 hex digits of the features' shape and bytes and the labels: equal for equal data, on every machine."""
        made = hashlib.blake2b(repr(self.features.shape).encode(), digest_size=16)
        made.update(np.ascontiguousarray(self.features, dtype="<f4").data)
        made.update(np.ascontiguousarray(self.samples.labels, dtype="<i8").data)
        return made.hexdigest()

    def standardized(self) -> LabelledData:
        """The same set with every feature at mean 0 and standard deviation 1 over the samples.

        A feature that never changes (the corner pixels of the digits) becomes 0; the thumbnails stay as they are.
        """
        mean = self.features.mean(axis=0, dtype=np.float64)
        spread = self.features.std(axis=0, dtype=np.float64)
        # Compared by its values: rounding gives the deviation of a constant 0.1 some 1e-17 to divide by.
        constant = self.features.max(axis=0) == self.features.min(axis=0)
        scaled = np.where(constant, 0.0, (self.features - mean) / np.where(constant, 1.0, spread))
        return replace(self, features=scaled.astype(np.float32))


def _repeated(values: Sequence[str] | NDArray[np.int64]) -> str | int | None:
    """The first value that stands for the second time, or None."""
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    if len(set(plain)) == len(plain):
        return None
    seen: set[str | int] = set()
    for value in plain:
        if value in seen:
            break
        seen.add(value)
    return value
