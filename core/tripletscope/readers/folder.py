"""A folder of pictures with one sub-folder for each class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tripletscope.errors import DataError
from tripletscope.readers.checks import check_opened_size, encode_labels, listed
from tripletscope.readers.pictures import SUFFIXES, decode, thumbnails, to_features
from tripletscope.samples import LabelledData, Samples


def read_folder(folder: Path, image_size: int | None = None) -> LabelledData:
    """The pictures below `<folder>/<class>/`, at any depth; a sample's id is its path inside the folder.

    They are grey where all of them are, else all in colour. Files that are no pictures, hidden ones and pictures
    outside any class folder are left out, and `notes` says how many and which.

    Args:
        folder: holds one folder for each class.
        image_size: brings every picture to a square of that many pixels; without it all must be of one size.

    Raises:
        DataError: naming the folder or file that is empty, unreadable or of another size.
    """
    classes, ignored = find_pictures(folder)
    if not classes:
        raise DataError(
            f"{folder} holds no class folders with pictures: put them at {folder}/CLASS/PICTURE.png "
            f"({', '.join(suffix[1:] for suffix in SUFFIXES)})."
        )
    for name, files in classes.items():
        if not files:
            raise DataError(f"The class folder {folder / name} holds no pictures: remove it or add some.")
    files = [file for found in classes.values() for file in found]
    labels, class_names = encode_labels([name for name, found in classes.items() for _ in found])
    pictures = read_pictures(folder, files, image_size)
    samples = Samples([_id(folder, file) for file in files], labels, class_names, thumbs=thumbnails(pictures))
    notes: tuple[str, ...] = ()
    if ignored:
        names = listed((_id(folder, file) for file in ignored), most=3)
        noun = "1 file that is" if len(ignored) == 1 else f"{len(ignored):,} files that are"
        notes = (f"Left out {noun} no picture in a class folder: {names}.",)
    return LabelledData(folder.resolve().name, to_features(pictures), samples, notes=notes)


def find_pictures(folder: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """The picture files of each class folder, and the files that are none; both sorted.

    A folder whose name starts with a dot, or that an archiver left (`__MACOSX`), is no class.
    """
    classes: dict[str, list[Path]] = {}
    ignored: list[Path] = []
    for parent, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not _hidden(name))
        inside = Path(parent).relative_to(folder).parts
        if inside:
            classes.setdefault(inside[0], [])
        for name in sorted(names):
            file = Path(parent, name)
            if inside and file.suffix.lower() in SUFFIXES and not _hidden(name):
                classes[inside[0]].append(file)
            else:
                ignored.append(file)
    for files in classes.values():
        files.sort(key=lambda file: file.relative_to(folder).as_posix())
    return dict(sorted(classes.items())), ignored


def read_pictures(folder: Path, files: list[Path], image_size: int | None) -> UInt8[np.ndarray, "N height width ..."]:
    """All pictures in one array, (N, height, width) where all are grey, else (N, height, width, 3)."""
    pictures: list[UInt8[np.ndarray, "height width ..."]] = []
    coloured = False
    for file in files:
        shown = str(file)
        picture = decode(file, shown, image_size)
        if pictures and picture.shape[:2] != pictures[0].shape[:2]:
            raise DataError(
                f"{files[0]} is {_size(pictures[0])} pixels and {shown} is {_size(picture)}: pictures must be of one "
                "size, and --image-size 32 brings them to one."
            )
        coloured |= picture.ndim == 3
        pictures.append(picture)
        # Asked at each picture, so that a folder too large is refused before memory is full.
        entries = picture.shape[0] * picture.shape[1] * (3 if coloured else 1)
        check_opened_size(folder, len(files) * entries, "use a smaller --image-size")
    if coloured:
        pictures = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pictures]
    return np.stack(pictures)


def _id(folder: Path, file: Path) -> str:
    name = file.relative_to(folder).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The file name {name!r} is not UTF-8, so no table could hold it: rename the file.") from error
    return name


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _size(picture: UInt8[np.ndarray, "height width ..."]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
