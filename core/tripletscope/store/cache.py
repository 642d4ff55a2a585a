"""Where computed things are kept between visits: the user's cache folder, or a temporary one if that is read-only.

A kept file is named by what it was computed from, so it is never stale: other content has another name.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import tripletscope

#: Names another folder than the user's cache.
ENVIRONMENT = "TRIPLETSCOPE_CACHE"

#: When the folder grows beyond this, what nobody has looked at for longest goes. In bytes.
MOST_KEPT = 2 * 1024**3

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def cache_folder() -> Path:
    """The folder for computed files; it need not exist yet.

    The environment variable TRIPLETSCOPE_CACHE names another one. Otherwise it is where the system keeps caches:
    ~/.cache/tripletscope on Linux, ~/Library/Caches/tripletscope on macOS, %LOCALAPPDATA% on Windows.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("tripletscope", appauthor=False)


def kept(kind: str, name: str) -> Path | None:
    """The file that `keep` wrote under that name, or None; it counts as just used.

    Args:
        kind: such as "asides" or "layouts".
        name: what the file was computed from, with its ending; the package's version is added here.
    """
    for folder in (cache_folder(), _temporary()):
        place = _place(folder, kind, name)
        if place.is_file():
            with suppress(OSError):  # a cache that somebody else filled, and that we may only read
                os.utime(place)
            return place
    return None


def keep(kind: str, name: str, content: bytes) -> Path:
    """The path of a file that now holds `content`; a reader sees all of it or none.

    Where the cache folder is full, read-only or no folder at all, the file lies in a private temporary folder that
    goes with this process.
    """
    try:
        place = _written(cache_folder(), kind, name, content)
    except OSError:
        return _written(_temporary(), kind, name, content)
    _make_room(cache_folder())
    return place


def _place(folder: Path, kind: str, name: str) -> Path:
    known_by = f"{tripletscope.__version__}-{_edition()}-{name}"
    return folder / _UNSAFE.sub("_", kind.strip(".") or "_") / _UNSAFE.sub("_", known_by)


@cache
def _edition() -> str:
    """Changes with every edit of the engine: who works on it must not be shown what the code of yesterday computed."""
    sources = Path(tripletscope.__file__).parent.rglob("*.py")
    return f"{max((source.stat().st_mtime_ns for source in sources), default=0):x}"


def _written(folder: Path, kind: str, name: str, content: bytes) -> Path:
    place = _place(folder, kind, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same file: each has its own temporary name, and the last rename wins.
    number, temporary = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
    try:
        with open(number, "wb") as file:
            file.write(content)
        os.replace(temporary, place)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return place


@cache
def _temporary() -> Path:
    """A folder of this process alone, removed when it ends."""
    folder = tempfile.mkdtemp(prefix="tripletscope-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _make_room(folder: Path) -> None:
    """Removes the files that were not used for longest until the folder is within `MOST_KEPT`, and broken leftovers."""
    found: list[tuple[float, int, Path]] = []
    for place in folder.glob("*/*"):
        with suppress(OSError):
            about = place.stat()
            if place.name.endswith(".part") and time.time() - about.st_mtime < 3600:
                continue  # somebody may be writing it
            found.append((0.0 if place.name.endswith(".part") else about.st_mtime, about.st_size, place))
    size = sum(each for _, each, _ in found)
    for used, length, place in sorted(found):
        if used and size <= MOST_KEPT:
            break
        with suppress(OSError):
            place.unlink()
            size -= length
