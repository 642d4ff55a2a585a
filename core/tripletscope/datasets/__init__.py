"""The data sets that come along, and the one door to all data: a name or a path. Adding a set is adding a file here.

Example:
    >>> names()
    ['digits', 'glyphs', 'toy2d', 'nuisance', 'emoji_faces', 'emoji-words']
    >>> get("toy2d").load({"classes": 3, "points": 20}).samples.class_counts()
    array([20, 20, 20])
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from tripletscope import uploads
from tripletscope.datasets.base import DATASETS, DataSet, Dial, join_spec, sample_data_dir, split_spec
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.readers.pictures import check_image_size, resized
from tripletscope.samples import LabelledData

__all__ = [
    "DATASETS",
    "DataSet",
    "Dial",
    "LabelledData",
    "get",
    "join_spec",
    "load",
    "names",
    "sample_data_dir",
    "short_name",
    "split_spec",
]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")

_SPEC = re.compile(r"[\w-]+(:[^/\\]*)?")  # what could be a name with dials, and is no path with folders


def get(name: str) -> DataSet:
    """The record of that name; an unknown name raises with the legal ones and the nearest match."""
    return DATASETS.get(name)


def names() -> list[str]:
    """Every name, in display order."""
    return DATASETS.names()


def load(
    spec: str | Path, *, label: str | None = None, image_size: int | None = None, standardize: bool = False
) -> LabelledData:
    """A labelled set by its registered name, or the one in a person's file or folder (see `uploads.read`).

    A registered name wins over a file of that name; write `./digits` for the file.

    Args:
        spec: a name of `DATASETS`, with dials behind a colon where it has any (`toy2d:noise=0.2,classes=5`), or a path.
        label: the label column of a table.
        image_size: brings pictures to a square of that many pixels.
        standardize: every feature to mean 0 and standard deviation 1 over the set; constant features become 0.

    Raises:
        UnknownNameError: when it is neither a name nor a path, or the set has no such dial.
        DataError: when the data cannot be used; names file, row or column.
        SettingError: when an option or a dial does not belong to this kind of data, or is out of its range.

    Example:
        >>> digits = load("digits")
        >>> digits.features.shape, digits.samples.class_names[:3]
        ((1797, 1, 8, 8), ['0', '1', '2'])
        >>> load("toy2d:classes=5,noise=0.1").name
        'toy2d:classes=5,noise=0.1'
    """
    check_image_size(image_size)
    text = str(spec)
    if text.partition(":")[0] in DATASETS:
        if label is not None:
            raise SettingError(
                f"--label names a column of a table, and {text!r} is a data set of its own: leave it out."
            )
        name, given = split_spec(text)
        data = DATASETS.get(name).load(given)
        if image_size is not None:
            data = _at_size(data, image_size)
    elif not text.strip() or (not Path(spec).exists() and _is_no_path(text)):
        raise UnknownNameError("data set, file or folder", text.partition(":")[0], DATASETS.names())
    else:
        data = uploads.read(spec, label=label, image_size=image_size)
    return data.standardized() if standardize else data


def short_name(spec: str) -> str:
    """What to call a data set in the name of a folder: a registered name without its dials, a file without its suffix.

    Example:
        >>> short_name("toy2d:noise=0.2,classes=5"), short_name("photos/leaves.npz")
        ('toy2d', 'leaves')
    """
    name = spec.partition(":")[0]
    return name if name in DATASETS else Path(spec).stem


def _is_no_path(text: str) -> bool:
    if Path(text).name != text:
        return False
    return not Path(text).suffix or (_SPEC.fullmatch(text) is not None and ":" in text and "=" in text)


def _at_size(data: LabelledData, image_size: int) -> LabelledData:
    if data.kind != "images":
        raise SettingError(f"--image-size is for pictures, and {data.name!r} has none: leave it out.")
    if data.features.shape[2:] == (image_size, image_size):
        return data
    channels_last = resized(np.moveaxis(data.features, 1, 3), image_size, image_size)
    return replace(data, features=np.ascontiguousarray(np.moveaxis(channels_last, 3, 1)))
