"""Recorded runs as one zip, to send and to take in. What comes from a stranger is checked before anything is kept.

A parcel holds each run in a folder of its own: exactly the files of the run format, without checkpoints (weights are
nobody's business, and an imported run is looked at and not resumed) and without what can be computed again.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from tripletscope.errors import DataError, RunError, TripletscopeError
from tripletscope.schema import FORMAT_VERSION
from tripletscope.store import layout
from tripletscope.store.shelf import find_runs, is_run

#: Bytes that a parcel may hold once opened, unless somebody says otherwise.
LIMIT = 4 * 1024**3
MOST_FILES, MOST_RUNS = 50_000, 64
_BLOCK = 1 << 20

#: The files of a run that travel.
_KNOWN = re.compile(
    r"""config\.json | status\.json | scalars\.jsonl
    | samples/(samples\.arrows | thumbs\.png | thumbs\.json)
    | (batches | picks | plane)/part-\d{5}\.arrows
    | batches/batches\.parquet | picks/picks\.parquet | plane/plane\.parquet
    | batches/embeddings-\d{7,12}\.npy
    | frames/rows\.npy | frames/(step | centres)-\d{7,12}\.npy""",
    re.VERBOSE,
)
_UNSAFE = re.compile(r"[^\w.+-]+")


def pack(runs: Sequence[Path], file: io.BufferedIOBase) -> None:
    """Nothing; the file holds these runs as a zip, the same bytes for the same runs.

    Raises:
        RunError: a folder is no run.
    """
    names: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as parcel:
        for run in runs:
            layout.read_config(run, newer=True)
            name = _free(_safe(run.name), names.__contains__)
            names.add(name)
            for path in sorted(path for path in run.rglob("*") if path.is_file()):
                inside = path.relative_to(run).as_posix()
                if _KNOWN.fullmatch(inside):
                    entry = zipfile.ZipInfo(f"{name}/{inside}", (1980, 1, 1, 0, 0, 0))
                    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                    with path.open("rb") as source, parcel.open(entry, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target, _BLOCK)


def unpack(file: str | Path, into: Path, *, limit: int = LIMIT) -> list[Path]:
    """The folders in `into` that now hold the runs of a parcel; a name that is taken gets a number behind it.

    Nothing is kept of a parcel that is refused.

    Args:
        file: the zip.
        into: folder of runs; made where it is missing.
        limit: bytes that it may hold once opened, counted while it is opened.

    Raises:
        DataError: naming the file, the entry and what is wrong with it.
    """
    place = Path(file)
    into.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(dir=into, prefix=".import-"))
    try:
        try:
            with zipfile.ZipFile(place) as parcel:
                _take_out(parcel, _checked(parcel, place.name, limit), room, place.name, limit)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, OSError) as problem:
            raise DataError(f"{place.name} cannot be read as a zip ({problem}): export the run again.") from None
        except zipfile.LargeZipFile as problem:
            raise DataError(f"{place.name} is too large a zip ({problem}): export fewer runs at a time.") from None
        runs = find_runs(room)
        for run in runs:
            _proven(run, place.name)
        made = []
        for run in runs:
            target = into / _free(_safe(run.name), lambda name: (into / name).exists())
            os.replace(run, target)
            made.append(target)
        return made
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _checked(parcel: zipfile.ZipFile, name: str, limit: int) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The entries of runs with where they go, every one of them looked at before the first is opened."""
    entries = parcel.infolist()
    if len(entries) > MOST_FILES:
        raise DataError(f"{name} holds {len(entries):,} files, and {MOST_FILES:,} are the most: export fewer runs.")
    declared = sum(entry.file_size for entry in entries)
    if declared > limit:
        raise DataError(
            f"{name} would fill {declared / 1024**2:,.0f} MB, and {limit / 1024**2:,.0f} MB are the limit: export "
            "fewer runs at a time."
        )
    found, seen = [], set()
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        told = entry.filename[:80]
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", entry.filename) or "\0" in entry.filename:
            raise DataError(f"{name} holds {told!r}, which leads out of its folder: it is no export of a run.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{name} holds the link {told!r}: a run has none.")
        if entry.flag_bits & 1:
            raise DataError(f"{name} is encrypted: export the run again without a password.")
        if entry.is_dir():
            continue
        # Either run folders, or the inside of one.
        root, inside = (path.parts[0], "/".join(path.parts[1:])) if len(path.parts) > 1 else ("", str(path))
        if not _KNOWN.fullmatch(inside) and _KNOWN.fullmatch(str(path)):
            root, inside = "", str(path)
        if not _KNOWN.fullmatch(inside):
            raise DataError(f"{name} holds {told!r}, which is no file of a run: give a zip that tripletscope exported.")
        target = PurePosixPath(_safe(root or Path(name).stem), inside)
        if str(target).lower() in seen:
            raise DataError(f"{name} holds {told!r} twice: export the run again.")
        seen.add(str(target).lower())
        found.append((entry, target))
    folders = {str(target.parts[0]) for _, target in found}
    if len(folders) > MOST_RUNS:
        raise DataError(f"{name} holds {len(folders)} runs, and {MOST_RUNS} are the most: export fewer at a time.")
    without = sorted(folders - {str(target.parts[0]) for _, target in found if target.name == layout.CONFIG})
    if not folders or without:
        which = f" for {without[0]!r}" if without else ""
        raise DataError(f"{name} holds no {layout.CONFIG}{which}: give a zip of a run that tripletscope exported.")
    return found


def _take_out(
    parcel: zipfile.ZipFile,
    entries: Sequence[tuple[zipfile.ZipInfo, PurePosixPath]],
    room: Path,
    name: str,
    limit: int,
) -> None:
    """Nothing; the entries lie in the room. What they say of their size is not believed."""
    left = limit
    for entry, inside in entries:
        target = room.joinpath(*inside.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with parcel.open(entry) as source, target.open("xb") as written:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise DataError(
                        f"{name} holds more than it says and than the limit of {limit / 1024**2:,.0f} MB: it is no "
                        "export of a run."
                    )
                written.write(block)


def _proven(run: Path, name: str) -> None:
    """Raises a DataError for what is no run that can be opened."""
    from tripletscope.store.reader import Run

    try:
        opened = Run.open(run)
        _ = opened.samples.class_names, opened.notes
        for step in opened.frame_steps:
            _ = opened.frames[step].shape
    except TripletscopeError as refusal:
        said = str(refusal).replace(f"{str(run)!r}", f"{run.name!r} in {name}").replace(str(run), run.name)
        raise DataError(said) from None
    except Exception as problem:
        raise DataError(
            f"The run {run.name!r} in {name} cannot be opened ({type(problem).__name__}): export it again."
        ) from None
    if int(opened.config["format"]) > FORMAT_VERSION:
        raise DataError(
            f"The run {run.name!r} in {name} is in format version {opened.config['format']}, this tripletscope reads "
            f"up to version {FORMAT_VERSION}: update tripletscope to open it."
        )


def _safe(name: str) -> str:
    """A folder's name that is one name on every system.

    Example:
        >>> _safe("my run: 7"), _safe(".."), _safe("")
        ('my-run-7', 'run', 'run')
    """
    return _UNSAFE.sub("-", name).strip(".-")[:80] or "run"


def _free(name: str, taken: Callable[[str], bool]) -> str:
    """The name, or the name with the first number that makes it new."""
    number, wanted = 2, name
    while taken(name):
        name, number = f"{wanted}-{number}", number + 1
    return name


def rename(run: Path, name: str) -> Path:
    """The run's folder under its new name.

    Raises:
        RunError: the name is taken, is none, or the run is being recorded.
    """
    from tripletscope.store.reader import Run

    if not name or _safe(name) != name:
        raise RunError(f"A run cannot be called {name!r}: use letters, digits, '.', '_', '+' and '-'.")
    target = run.with_name(name)
    if target.exists():
        raise RunError(f"There is a run {name!r} already: choose another name.")
    if Run.open(run).state == "running":
        raise RunError(f"The run {run.name!r} is being recorded: rename it when it has ended.")
    os.rename(run, target)
    return target


def bin_of(run: Path) -> Path:
    """The folder beside the runs in which what was deleted waits."""
    return run.parent / ".bin"


def discard(run: Path) -> Path:
    """Where the run lies now, out of sight; `restore` brings it back.

    Raises:
        RunError: it is no run, or it is being recorded.
    """
    from tripletscope.store.reader import Run

    if not is_run(run):
        raise RunError(f"{str(run)!r} is no run folder, and nothing else is deleted here.")
    state = "damaged"
    with suppress(TripletscopeError):  # a damaged run can be deleted, too
        state = Run.open(run).state
    if state == "running":
        raise RunError(f"The run {run.name!r} is being recorded: stop it first.")
    place = bin_of(run)
    place.mkdir(exist_ok=True)
    target = place / _free(run.name, lambda name: (place / name).exists())
    os.rename(run, target)
    return target


def restore(discarded: Path) -> Path:
    """The run, back beside the others; under a new name where its own is taken since.

    Raises:
        RunError: it is not there any more.
    """
    if not is_run(discarded):
        raise RunError(f"The run {discarded.name!r} is not there any more.")
    home = discarded.parent.parent
    target = home / _free(discarded.name, lambda name: (home / name).exists())
    os.rename(discarded, target)
    return target
