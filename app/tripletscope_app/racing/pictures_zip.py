"""A zip of pictures that somebody uploaded, opened into a folder for each class; checked before anything is kept."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from tripletscope.errors import DataError
from tripletscope.readers.pictures import SUFFIXES

#: Bytes that the pictures may fill once opened, counted while they are opened, and how many they may be.
LIMIT, MOST = 2 * 1024**3, 100_000
_BLOCK = 1 << 20


def opened(file: Path, into: Path) -> Path:
    """The folder that holds a sub-folder for each class.

    Args:
        file: the zip; what is no picture in it is passed over.
        into: a folder that is not there yet; nothing is left of it when the zip is refused.

    Raises:
        DataError: naming the file, the entry and what is wrong with it.
    """
    into.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(file) as archive:
            _take_out(archive, file.name, into)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, OSError) as problem:
        shutil.rmtree(into, ignore_errors=True)
        raise DataError(f"{file.name} cannot be read as a zip ({problem}): pack the folder again.") from None
    except DataError:
        shutil.rmtree(into, ignore_errors=True)
        raise
    # A folder that was packed as a whole: its classes lie one floor further down.
    inside = list(into.iterdir())
    alone = len(inside) == 1 and any(each.is_dir() for each in inside[0].iterdir())
    return inside[0] if alone else into


def _take_out(archive: zipfile.ZipFile, name: str, into: Path) -> None:
    left, count = LIMIT, 0
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
            raise DataError(f"{name} holds {entry.filename[:80]!r}, which leads out of its folder: pack it again.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{name} holds the link {entry.filename[:80]!r}: pack the pictures themselves.")
        hidden = any(part.startswith((".", "__")) for part in path.parts)
        if entry.is_dir() or hidden or path.suffix.lower() not in SUFFIXES:
            continue
        count += 1
        target = into.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("xb") as written:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0 or count > MOST:
                    raise DataError(
                        f"{name} holds more than {MOST:,} pictures or {LIMIT / 1024**3:.0f} GB: give the folder by its "
                        "path, with `tripletscope train --data FOLDER`."
                    )
                written.write(block)
    if not count:
        raise DataError(f"{name} holds no pictures: pack a folder with a sub-folder of pictures for each class.")
