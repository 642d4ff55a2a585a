"""What a person dropped: copied to the private folder of their desk, and told apart by what each file is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tripletscope.embeddings.opening import JSON, KINDS, TEXTS
from tripletscope.errors import DataError, SettingError
from tripletscope.readers.checks import listed
from tripletscope.readers.pictures import SUFFIXES

#: Files of one thing: which is what can be told by the ending.
VECTORS = (".npy", ".npz", ".pt", ".pth", ".safetensors")
#: Files that hold vectors, or what is known of each row, or both.
TABLES = (*TEXTS, *JSON, *(f"{ending}.gz" for ending in (*TEXTS, *JSON)), ".parquet", ".arrow", ".feather")
#: Names that say what is inside, where two files could be either.
_BESIDE = re.compile(r"(?i)(^|[^a-z])(meta(data)?|labels?|class(es)?|targets?|rows|info|y)([^a-z]|$)")
#: Bytes that are copied at a time.
_PIECE = 2**20
#: A name on the disk has so many letters at the most.
_NAME = 120


@dataclass(frozen=True)
class Arrived:
    """Files that belong to one set.

    Attributes:
        files: "embeddings", perhaps "metadata" and "pictures", as they lie on the disk.
        names: what the person calls them.
        unsure: two files of which either could hold the vectors; then `files` has neither.
    """

    files: Mapping[str, Path]
    names: Mapping[str, str]
    unsure: tuple[Path, ...] = field(default=())


def keep(given: Iterable[tuple[str, BinaryIO]], folder: Path) -> list[Path]:
    """Copies of uploaded files, piece by piece, under names of their own that cannot leave the folder.

    Example:
        >>> import io, tempfile
        >>> home = Path(tempfile.mkdtemp())
        >>> [path.name for path in keep([("../a.csv", io.BytesIO(b"1")), ("a.csv", io.BytesIO(b"2"))], home)]
        ['a.csv', 'a-2.csv']
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = []
    for name, content in given:
        place = _free(folder, safe_name(name))
        with place.open("xb") as copy:
            os.chmod(place, 0o600)
            while piece := content.read(_PIECE):
                copy.write(piece)
        found.append(place)
    return found


def safe_name(name: str) -> str:
    r"""A file name that is one name and nothing else.

    Example:
        >>> safe_name("a/../b\\c d.csv"), safe_name(".."), safe_name("x" * 200 + ".csv.gz")[-9:]
        ('c d.csv', 'file', 'xx.csv.gz')
    """
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(letter for letter in last if letter.isprintable()).strip().lstrip(".")
    ending = "".join(Path(plain).suffixes[-2:])[-20:]
    stem = plain[: len(plain) - len(ending)] if ending else plain
    while stem and len((stem + ending).encode("utf-8", "replace")) > _NAME:
        stem = stem[:-1]
    return (stem or "file") + ending


def _free(folder: Path, name: str) -> Path:
    stem, dot, ending = name.partition(".")
    number = 1
    while (place := folder / (f"{stem}-{number}{dot}{ending}" if number > 1 else name)).exists():
        number += 1
    return place


def tell_apart(paths: Iterable[Path]) -> Arrived:
    """Which file is what.

    Args:
        paths: at most one or two of vectors and what is known of each row, and pictures: a .zip, or picture files
            that lie in one folder.

    Raises:
        DataError: for files of no known kind, too many of one kind, or pictures alone.

    Example:
        >>> found = tell_apart([Path("kinds.csv"), Path("v.npy"), Path("photos.zip")])
        >>> {part: path.name for part, path in found.files.items()}
        {'embeddings': 'v.npy', 'metadata': 'kinds.csv', 'pictures': 'photos.zip'}
    """
    vectors, tables, zips, shots, folders = [], [], [], [], []
    for path in paths:
        name = path.name.lower()
        if name.endswith(VECTORS):
            vectors.append(path)
        elif name.endswith(TABLES):
            tables.append(path)
        elif name.endswith(".zip"):
            zips.append(path)
        elif name.endswith(SUFFIXES):
            shots.append(path)
        elif path.is_dir():
            folders.append(path)
        else:
            raise DataError(f"{path.name} is of no kind that can be read: give {KINDS}, and pictures as .zip.")
    both = [*vectors, *tables]
    if len(both) > 2:
        raise DataError(
            f"{listed([path.name for path in both], most=4)} are {len(both)} files of vectors or labels: drop one with "
            "the vectors, at most one with what is known of each row, and a .zip of pictures."
        )
    sources = [*zips, *(path for path in folders if both)]
    if len(sources) + bool(shots) > 1:
        raise DataError("There is more than one source of pictures: drop one .zip, or pictures alone.")
    pictures = sources[0] if sources else shots[0].parent if shots else None
    if not both and len(folders) == 1 and pictures is None:
        return _named({"embeddings": folders[0]})
    if not both:
        raise DataError(
            "These are pictures and no vectors: drop the file of their embeddings with them, and name the pictures by "
            "id or path."
            if pictures
            else f"There is nothing to open: give {KINDS}."
        )
    more = {} if pictures is None else {"pictures": pictures}
    if len(both) == 1:
        return _named({"embeddings": both[0], **more})
    if len(vectors) == 1:
        return _named({"embeddings": vectors[0], "metadata": tables[0], **more})
    beside = [path for path in both if _BESIDE.search(path.name.split(".")[0])]
    if len(beside) == 1:
        first = next(path for path in both if path not in beside)
        return _named({"embeddings": first, "metadata": beside[0], **more})
    return Arrived(more, {part: path.name for part, path in more.items()}, tuple(both))


def settled(arrived: Arrived, vectors: int) -> Arrived:
    """The same with the unsure pair told apart: the file in that place holds the vectors."""
    pair = {"embeddings": arrived.unsure[vectors], "metadata": arrived.unsure[1 - vectors]}
    return _named({**pair, **arrived.files})


def _named(files: Mapping[str, Path]) -> Arrived:
    return Arrived(dict(files), {part: path.name for part, path in files.items()})


def at_path(*texts: str) -> Arrived:
    """Files of this machine that somebody named; they are read where they lie.

    Raises:
        SettingError: for a name that leads nowhere.
        DataError: as `tell_apart`.
    """
    paths = [Path(text.strip().strip("\"'")).expanduser() for text in texts if text.strip()]
    if not paths:
        raise SettingError("No file is named: give the path of one, such as /data/vectors.npy.")
    for path in paths:
        if not path.is_absolute():
            raise SettingError(f"{path} is no full path: begin with the root of the disk, such as /data/vectors.npy.")
        if not path.exists():
            raise SettingError(f"There is no file {path} on the machine that shows this page.")
    return tell_apart(paths)


def limit(environment: Mapping[str, str] | None = None) -> int | None:
    """Bytes that a set may take once opened, as the server was started; None for the usual limit.

    Example:
        >>> limit({"TRIPLETSCOPE_LIMIT": "0.5"}), limit({}), limit({"TRIPLETSCOPE_LIMIT": "much"})
        (536870912, None, None)
    """
    given = (os.environ if environment is None else environment).get(LIMIT, "")
    try:
        asked = float(given)
    except ValueError:
        return None
    return round(asked * 2**30) if 0 < asked < 2**20 else None


#: Environment variable: gigabytes that a set may take once opened.
LIMIT = "TRIPLETSCOPE_LIMIT"
#: Gigabytes without it, as `open_embeddings` has it.
USUAL_LIMIT = 8


def look_of(
    files: Mapping[str, Path], changes: Mapping[str, Any] | None = None, standardise: bool = False
) -> dict[str, Any]:
    """What the desk's question `look` is asked with."""
    paths = {part if part != "embeddings" else "path": str(path) for part, path in files.items()}
    return {**paths, "mapping": dict(changes or {}) or None, "limit": limit(), "standardise": standardise}
