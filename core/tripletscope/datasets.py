"""The data sets that come along, and the one door to all data: a name or a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tripletscope import uploads
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.readers.archive import read_archive
from tripletscope.readers.pictures import check_image_size, resized
from tripletscope.registry import Registry
from tripletscope.samples import LabelledData, Samples

__all__ = ["DATASETS", "DataSet", "LabelledData", "load", "sample_data_dir"]


@dataclass(frozen=True)
class DataSet:
    """A data set that can be named: `read()` gives it without any network."""

    name: str
    order: int
    title: str
    read: Callable[[], LabelledData]


DATASETS: Registry[DataSet] = Registry("data set", group="tripletscope.datasets")


def load(
    spec: str | Path, *, label: str | None = None, image_size: int | None = None, standardize: bool = False
) -> LabelledData:
    """A labelled set by its registered name, or the one in a person's file or folder (see `uploads.read`).

    A registered name wins over a file of that name; write `./digits` for the file.

    Args:
        spec: a name of `DATASETS`, or a path.
        label: the label column of a table.
        image_size: brings pictures to a square of that many pixels.
        standardize: every feature to mean 0 and standard deviation 1 over the set; constant features become 0.

    Raises:
        UnknownNameError: when it is neither a name nor a path.
        DataError: when the data cannot be used; names file, row or column.
        SettingError: when an option does not belong to this kind of data.

    Example:
        >>> digits = load("digits")
        >>> digits.features.shape, digits.samples.class_names[:3]
        ((1797, 1, 8, 8), ['0', '1', '2'])
    """
    check_image_size(image_size)
    if str(spec) in DATASETS:
        if label is not None:
            raise SettingError(
                f"--label names a column of a table, and {spec!r} is a data set of its own: leave it out."
            )
        data = DATASETS.get(str(spec)).read()
        if image_size is not None:
            data = _at_size(data, image_size)
    elif not str(spec).strip() or (not Path(spec).exists() and Path(spec).name == str(spec) and not Path(spec).suffix):
        raise UnknownNameError("data set, file or folder", str(spec), DATASETS.names())
    else:
        data = uploads.read(spec, label=label, image_size=image_size)
    return data.standardized() if standardize else data


def sample_data_dir() -> Path:
    """The folder of the files that come along: inside the installed package, or beside it in a checkout.

    Raises:
        DataError: when neither is there.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "sample_data", here.parents[1] / "sample_data"):
        if folder.is_dir():
            return folder
    raise DataError("The sample data are not where tripletscope was installed: install the package again.")


def _at_size(data: LabelledData, image_size: int) -> LabelledData:
    if data.kind != "images":
        raise SettingError(f"--image-size is for pictures, and {data.name!r} has none: leave it out.")
    if data.features.shape[2:] == (image_size, image_size):
        return data
    channels_last = resized(np.moveaxis(data.features, 1, 3), image_size, image_size)
    return replace(data, features=np.ascontiguousarray(np.moveaxis(channels_last, 3, 1)))


def _digits() -> LabelledData:
    from sklearn.datasets import load_digits

    raw = load_digits()
    pixels = raw.images  # (1797, 8, 8), whole numbers 0 ... 16
    return LabelledData(
        name="digits",
        features=(pixels / 16).astype(np.float32)[:, None],
        samples=Samples(
            ids=np.arange(len(pixels)),
            labels=raw.target.astype(np.int64),
            class_names=[str(digit) for digit in range(10)],
            thumbs=np.round(pixels * (255 / 16)).astype(np.uint8),
        ),
        origin=(
            "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), UCI Machine Learning "
            "Repository, doi 10.24432/C50P49; the test part, as shipped with scikit-learn. Pixels divided by 16."
        ),
        licence="CC BY 4.0",
    )


def _emoji_faces() -> LabelledData:
    path = sample_data_dir() / "emoji_faces.npz"
    data = read_archive(path)
    with np.load(path, allow_pickle=False) as opened:
        styles = opened["style_names"][opened["style"]]
    ids = [f"{data.samples.class_of(row)}/{style}" for row, style in enumerate(styles)]
    return replace(
        data,
        samples=replace(data.samples, ids=ids),
        origin=(
            "Emoji drawings: Noto Emoji (Google, Apache-2.0), Twemoji (Twitter and contributors, CC BY 4.0), Fluent "
            "Emoji (Microsoft, MIT); names from emoji-datasource (Cal Henderson, MIT). Rasterised."
        ),
        licence="Apache-2.0, MIT and CC BY 4.0",
    )


DATASETS.register(DataSet("digits", 10, "1,797 handwritten digits, 8 x 8 pixels, 10 classes", _digits))
DATASETS.register(DataSet("emoji_faces", 20, "855 face emoji in 6 styles, 48 x 48 pixels, 149 classes", _emoji_faces))
