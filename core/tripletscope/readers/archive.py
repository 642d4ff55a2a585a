"""An .npz archive with `labels` and either `images` or `features`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from tripletscope.errors import DataError
from tripletscope.readers.checks import check_opened_size, encode_labels, listed, to_finite_float32
from tripletscope.readers.pictures import resized, thumbnails, to_features
from tripletscope.samples import LabelledData, Samples

KEYS = ("images", "features", "labels", "class_names", "ids", "texts")


def read_archive(path: Path, image_size: int | None = None) -> LabelledData:
    """The labelled set in an .npz archive; arrays of other names are not opened.

    Args:
        path: holds `labels` (N,) whole numbers or text, and either `images` uint8 (N, height, width) or
            (N, height, width, 3), or `features` (N, D). Optional: `class_names` (C,) text, whose place is the label
            number; `ids` (N,) whole numbers or text; `texts` (N,) text.
        image_size: brings every picture to a square of that many pixels.

    Raises:
        DataError: naming the file, the array and what is wrong with it. Arrays of Python objects are refused: opening
            them would run code from the file.
    """
    arrays = _open(path)
    if "labels" not in arrays:
        raise DataError(f"{path} has no array 'labels' (it has {_found(arrays)}): add one label per sample.")
    if ("images" in arrays) == ("features" in arrays):
        had = "both 'images' and 'features'" if "images" in arrays else f"neither (it has {_found(arrays)})"
        raise DataError(f"{path} must have either an array 'images' or an array 'features', and has {had}.")
    count = len(np.atleast_1d(arrays["labels"]))
    for name in ("images", "features", "labels", "ids", "texts"):
        if name in arrays and arrays[name].shape[:1] != (count,):
            raise DataError(
                f"In {path}, '{name}' has shape {arrays[name].shape} but there are {count:,} labels: "
                "give one entry for each sample."
            )
    for name in ("labels", "class_names", "ids", "texts"):
        if name in arrays and (arrays[name].ndim != 1 or arrays[name].dtype.kind not in _KINDS[name]):
            raise DataError(
                f"In {path}, '{name}' has shape {arrays[name].shape} and type {arrays[name].dtype}: "
                f"give a list of {_KINDS_TEXT[name]}."
            )
    labels, class_names = _classes(path, arrays)
    ids = arrays.get("ids", np.arange(count))
    samples = Samples(
        ids=ids.astype(np.int64) if ids.dtype.kind in "iu" else [str(one) for one in ids],
        labels=labels,
        class_names=class_names,
        texts=[str(text) for text in arrays["texts"]] if "texts" in arrays else None,
    )
    if "features" in arrays:
        return LabelledData(path.stem, _features(path, arrays["features"], image_size), samples)
    return _with_images(path, arrays["images"], samples, image_size)


_KINDS = {"labels": "iubU", "class_names": "U", "ids": "iuU", "texts": "U"}
_KINDS_TEXT = {
    "labels": "whole numbers or text",
    "class_names": "text",
    "ids": "whole numbers or text",
    "texts": "text",
}


def _open(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The arrays that matter; how large each will be is read from its header first."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.removesuffix(".npy") in KEYS:
                    check_opened_size(path, _entries(archive, name), "split it")
        with np.load(path, allow_pickle=False) as opened:
            return {name: opened[name] for name in opened.files if name in KEYS}
    except DataError:
        raise
    except Exception as error:  # zip, zlib, header and dtype errors are all of their own kinds
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(
                f"{path} holds Python objects, which could run code when opened: save arrays of numbers or text."
            ) from error
        raise DataError(
            f"{path} cannot be read as an .npz archive ({error}): save it again with numpy.savez."
        ) from error


def _entries(archive: zipfile.ZipFile, name: str) -> int:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    entries = 1
    for length in shape:
        entries *= length
    # A text of 1,000 letters takes 4,000 bytes in each row, however short the others are.
    return entries * max(1, dtype.itemsize // 4)


def _found(arrays: dict[str, Shaped[np.ndarray, "..."]]) -> str:
    return listed(sorted(arrays)) or "none of the names that are read"


def _classes(path: Path, arrays: dict[str, Shaped[np.ndarray, "..."]]) -> tuple[Int[np.ndarray, "N"], list[str]]:
    """Class numbers and names; classes that `class_names` has but no sample are left out."""
    labels = arrays["labels"]
    if "class_names" not in arrays:
        return encode_labels([str(label) for label in labels.tolist()])
    names = [str(name) for name in arrays["class_names"]]
    if labels.dtype.kind not in "iu":
        raise DataError(f"{path} has text labels and 'class_names': leave one of them out, or make the labels numbers.")
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(names)):
        raise DataError(
            f"In {path}, labels run from {labels.min()} to {labels.max()} but there are {len(names):,} class names: "
            "name every class, in the order of its number from 0."
        )
    used, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int64), [names[int(number)] for number in used]


def _features(path: Path, features: Shaped[np.ndarray, "N ..."], image_size: int | None) -> Shaped[np.ndarray, "N D"]:
    if image_size is not None:
        raise DataError(f"{path} holds features, and --image-size is for pictures: leave it out.")
    if features.ndim != 2 or features.shape[1] == 0 or features.dtype.kind not in "fiub":
        raise DataError(
            f"In {path}, 'features' has shape {features.shape} and type {features.dtype}: give numbers of shape (N, D)."
        )
    return to_finite_float32(features, lambda at: f"In {path}, features[{at[0]}, {at[1]}]")


def _with_images(
    path: Path, images: Shaped[np.ndarray, "N ..."], samples: Samples, image_size: int | None
) -> LabelledData:
    shape = images.shape
    if images.dtype != np.uint8 or not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)) or 0 in shape[1:]:
        raise DataError(
            f"In {path}, 'images' has shape {shape} and type {images.dtype}: give uint8 of shape (N, height, width) or "
            "(N, height, width, 3), or save other numbers as 'features' of shape (N, D)."
        )
    if image_size is not None and shape[1:3] != (image_size, image_size):
        images = resized(images, image_size, image_size)
    check_opened_size(path, images.size, "use a smaller --image-size")
    shown = Samples(samples.ids, samples.labels, samples.class_names, samples.texts, thumbnails(images))
    return LabelledData(path.stem, to_features(images), shown)
