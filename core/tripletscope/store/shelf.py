"""Where runs are: finding them in a folder, and telling cheaply whether one has grown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tripletscope.store import layout
from tripletscope.store.status import read_status, true_state


def is_run(folder: Path) -> bool:
    """Whether the folder holds a recorded run."""
    return (folder / layout.CONFIG).is_file()


def find_runs(folder: Path) -> list[Path]:
    """Run folders: `folder` itself when it is a run, else those in it and in its sub-folders (races), sorted by path.

    Folders whose name begins with a dot are passed over; a folder that does not exist holds none.
    """
    if is_run(folder):
        return [folder]
    found = (place.parent for depth in ("*", "*/*") for place in folder.glob(f"{depth}/{layout.CONFIG}"))
    # What was deleted waits in .bin, and what is being taken in lies in a folder of that kind, too.
    return sorted(run for run in found if not any(part.startswith(".") for part in run.relative_to(folder).parts))


def stamp(run: Path) -> tuple[tuple[int, int], ...]:
    """A value that changes when the recording grows or ends: time and size of the files that a writer touches.

    It costs a few microseconds, so that a cache can ask before it answers.
    """
    found = []
    for name in (layout.CONFIG, layout.SCALARS, layout.STATUS):
        try:
            about = (run / name).stat()
            found.append((about.st_mtime_ns, about.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def is_live(run: Path) -> bool:
    """Whether the run is being recorded now, by what it says of itself."""
    return true_state(read_status(run)) == "running"


def grown(run: Path) -> tuple[Any, ...]:
    """`stamp`, but of a run that is being recorded a value that changes when a frame is added or it is paused.

    Every step changes the stamp of such a run, many times a second; there is more to draw when there is a frame more.
    """
    status = read_status(run)
    if true_state(status) != "running":
        return stamp(run)
    frames = []
    for place in layout.frame_path(run, 0).parent.glob("step-*"):
        try:
            frames.append((place.name, place.stat().st_mtime_ns))
        except OSError:
            continue
    try:
        committed = (run / layout.SCALARS).stat().st_mtime_ns
    except OSError:
        committed = 0
    # The line that commits a frame is written after it.
    known = max((name for name, written in frames if written <= committed), default="")
    return ("live", known, (status or {}).get("message"))
