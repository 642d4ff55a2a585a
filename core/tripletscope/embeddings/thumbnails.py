"""Pictures that go with embeddings: in a column, beside the table, in a folder or in a zip. Read when asked for."""

from __future__ import annotations

import base64
import binascii
import io
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from tripletscope.embeddings.table import reason_of, shown_size
from tripletscope.errors import DataError
from tripletscope.readers.checks import listed
from tripletscope.readers.pictures import SUFFIXES

MAX_PICTURE = 64 * 2**20  # bytes of one picture file
MAX_RATIO = 200  # of unpacked to packed bytes; picture files hardly pack at all
BOMB = 2**20  # bytes from which the ratio is looked at


@dataclass(frozen=True, eq=False)
class CellPictures:
    """Pictures that stand in the cells of a column: bytes, or addresses that begin with data:image/."""

    cells: Any
    rows: Int[np.ndarray, "N"]

    def bytes_of(self, row: int) -> bytes | None:
        """The picture file of that row, or None where its cell is empty or no picture."""
        cell = self.cells[int(self.rows[row])].as_py()
        if isinstance(cell, str):
            if not cell.startswith("data:image/") or "," not in cell:
                return None
            head, _, body = cell.partition(",")
            try:
                return base64.b64decode(body, validate=True) if head.endswith(";base64") else None
            except binascii.Error:
                return None
        return cell or None

    def take(self, rows: Int[np.ndarray, "M"]) -> CellPictures:
        """The pictures of those rows, in that order."""
        return CellPictures(self.cells, self.rows[rows])


@dataclass(frozen=True, eq=False)
class ArrayPictures:
    """Pictures that stand in an array of pixels, given as PNG."""

    pixels: UInt8[np.ndarray, "M height width ..."]
    rows: Int[np.ndarray, "N"]

    def bytes_of(self, row: int) -> bytes | None:
        """The picture of that row as PNG."""
        from PIL import Image

        made = io.BytesIO()
        pixels = np.ascontiguousarray(self.pixels[int(self.rows[row])])
        Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(made, "PNG")
        return made.getvalue()

    def take(self, rows: Int[np.ndarray, "M"]) -> ArrayPictures:
        """The pictures of those rows, in that order."""
        return ArrayPictures(self.pixels, self.rows[rows])


@dataclass(frozen=True, eq=False)
class FilePictures:
    """Pictures in a folder or a zip, by their names inside; None where a row has none."""

    root: Path
    names: Sequence[str | None]

    def bytes_of(self, row: int) -> bytes | None:
        """The picture file of that row, or None where it has none or the file is gone.

        Raises:
            DataError: for a picture of more than 64 MB.
        """
        name = self.names[row]
        if name is None:
            return None
        return _from_zip(self.root, name) if self.root.is_file() else _from_folder(self.root, name)

    def take(self, rows: Int[np.ndarray, "M"]) -> FilePictures:
        """The pictures of those rows, in that order."""
        return FilePictures(self.root, [self.names[int(row)] for row in rows])


def is_picture_source(path: Path) -> bool:
    """Whether a path is a folder or zip, from which pictures can come."""
    return path.is_dir() or path.name.lower().endswith(".zip")


def find(root: Path, keys: Iterable[tuple[str | None, str]], notes: list[str]) -> FilePictures:
    """The picture of each row: the file whose path, name or name without ending is the row's path or id.

    Args:
        root: a folder or a .zip.
        keys: for each row its path (or None) and its id.
        notes: gets a sentence on rows without picture and on files left out.

    Raises:
        DataError: for a zip whose entries leave it, would unpack to far more than they hold, or are locked; and when
            no row has a picture.
    """
    files = _zip_names(root) if root.is_file() else _folder_names(root, notes)
    if not files:
        raise DataError(f"{root} holds no pictures ({', '.join(suffix[1:] for suffix in SUFFIXES)}).")
    known: dict[str, str | None] = {}
    for name in files:
        parts = PurePosixPath(name).parts
        for start in range(1, len(parts)):
            _offer(known, "/".join(parts[start:]), name)
        for start in range(len(parts)):
            _offer(known, str(PurePosixPath(*parts[start:]).with_suffix("")), name)
    known.update((name, name) for name in files)
    names = [_match(known, path, identity) for path, identity in keys]
    missing = [place for place, name in enumerate(names) if name is None]
    if len(missing) == len(names):
        raise DataError(
            f"No row has a picture in {root}: name the files by the rows' ids, as in ID.png, or give a column of paths."
        )
    if missing:
        noun = "1 row has" if len(missing) == 1 else f"{len(missing):,} rows have"
        notes.append(f"{noun} no picture of its path or id in {root.name}.")
    return FilePictures(root, names)


def _offer(known: dict[str, str | None], key: str, name: str) -> None:
    """Notes what a key stands for; a key that two files share stands for none."""
    known[key] = name if known.get(key, name) == name else None


def _match(known: dict[str, str | None], path: str | None, identity: str) -> str | None:
    for key in (path, identity):
        if not key:
            continue
        parts = [part for part in key.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        for start in range(len(parts)):
            found = known.get("/".join(parts[start:]))
            if found is not None:
                return found
        if parts and (stem := str(PurePosixPath(parts[-1]).with_suffix(""))) and known.get(stem) is not None:
            return known[stem]
    return None


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _folder_names(root: Path, notes: list[str]) -> list[str]:
    home = root.resolve()
    names, outside = [], []
    for parent, inner, files in os.walk(root):
        inner.sort()
        for name in sorted(files):
            file = Path(parent, name)
            shown = file.relative_to(root).as_posix()
            if not _is_picture(shown):
                continue
            if file.is_symlink() and not file.resolve().is_relative_to(home):
                outside.append(shown)
            else:
                names.append(shown)
    if outside:
        notes.append(f"Left out {listed(outside, most=3)} of {root.name}: links that lead out of the folder.")
    return names


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile has a dozen kinds
        raise DataError(f"{path} cannot be read as a zip ({reason_of(error)}): pack it again.") from error
    names = []
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if ".." in parts or entry.filename.startswith(("/", "\\")) or ":" in entry.filename[:3]:
            raise DataError(f"In {path}, entry {entry.filename[:80]!r} leads out of it: pack it again without.")
        if entry.is_dir() or not _is_picture(entry.filename):
            continue
        bomb = entry.file_size > BOMB and entry.file_size > MAX_RATIO * max(1, entry.compress_size)
        if entry.file_size > MAX_PICTURE or bomb:
            raise DataError(
                f"In {path}, {entry.filename[:80]!r} would unpack to {shown_size(entry.file_size)}, and a picture has "
                f"at most {shown_size(MAX_PICTURE)} and is no smaller when packed: take it out."
            )
        if entry.flag_bits & 1:
            raise DataError(f"In {path}, {entry.filename[:80]!r} is locked by a password: pack it again without.")
        names.append(entry.filename)
    return names


def _from_zip(root: Path, name: str) -> bytes | None:
    try:
        with zipfile.ZipFile(root) as archive, archive.open(name) as member:
            content = member.read(MAX_PICTURE + 1)
    except (OSError, KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        return None
    except Exception as error:  # zlib.error, lzma's and bz2's
        raise DataError(f"In {root}, {name!r} cannot be unpacked ({reason_of(error)}): take it out.") from error
    return _checked(root, name, content)


def is_inside(root: Path, name: str) -> bool:
    """Whether a name leads to a file below the folder, links followed."""
    try:
        file = (root / name).resolve()
        return file.is_relative_to(root.resolve()) and file.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _from_folder(root: Path, name: str) -> bytes | None:
    if not is_inside(root, name):
        return None
    try:
        with (root / name).open("rb") as opened:
            content = opened.read(MAX_PICTURE + 1)
    except (OSError, ValueError):
        return None
    return _checked(root, name, content)


def _checked(root: Path, name: str, content: bytes) -> bytes:
    if len(content) > MAX_PICTURE:
        raise DataError(f"In {root}, {name!r} has more than {shown_size(MAX_PICTURE)}: make it smaller or take it out.")
    return content
