"""What all readers ask of the data: texts to classes, finite numbers, a size that fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, Shaped

from tripletscope.errors import DataError

MAX_OPENED_BYTES = 8 * 2**30  # of float32 features once opened; a small archive can promise far more than it holds

_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


def encode_labels(labels: Sequence[str]) -> tuple[Int[np.ndarray, "N"], list[str]]:
    """Class numbers 0 ... C-1 and the C class names, in alphabetical order, or by value where all are whole numbers.

    Texts are compared as they stand: "7" and "007", "Cat" and "cat" are different classes.

    Example:
        >>> codes, names = encode_labels(["10", "9", "10"])
        >>> codes.tolist(), names
        ([1, 0, 1], ['9', '10'])
    """
    names = sorted(set(labels))
    if all(_WHOLE_NUMBER.fullmatch(name) for name in names):
        names.sort(key=lambda name: (int(name), name))
    place = {name: number for number, name in enumerate(names)}
    return np.fromiter((place[label] for label in labels), dtype=np.int64, count=len(labels)), names


def to_finite_float32(
    values: Shaped[np.ndarray, "N ..."], describe: Callable[[tuple[int, ...]], str]
) -> Float32[np.ndarray, "N ..."]:
    """The values as float32.

    Args:
        values: numbers of any kind.
        describe: the place of an entry in the file's own words ("row 17, column 'x'"), for the refusal.

    Raises:
        DataError: naming the first entry that is missing, NaN, infinite or too large for float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        made = np.ascontiguousarray(values, dtype=np.float32)
    finite = np.isfinite(made)
    if not finite.all():
        at = tuple(int(place) for place in np.argwhere(~finite)[0])
        found = float(values[at])
        if np.isnan(found):
            what = "is missing or not a number (NaN)"
        elif np.isinf(found):
            what = "is infinite"
        else:
            what = f"is {found:g}, too large for 32-bit floats"
        raise DataError(f"{describe(at)} {what}: fill it in, or leave out that row or column.")
    return made


def check_opened_size(path: Path, count: int, advice: str) -> None:
    """Nothing, when that many float32 values may be held in memory.

    Raises:
        DataError: naming the file, its opened size and the way out.
    """
    size = 4 * count
    if size > MAX_OPENED_BYTES:
        limit = MAX_OPENED_BYTES / 2**30
        raise DataError(
            f"{path} would fill {size / 2**30:.1f} GB of memory, and the limit is {limit:.0f} GB: {advice}."
        )


def listed(names: Iterable[str], most: int = 12) -> str:
    """The names with commas, the first dozen of them.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        'a, b and 1 more'
    """
    names = list(names)
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"
