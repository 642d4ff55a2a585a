"""Where runs are: finding them in a folder, and telling cheaply whether one has grown."""

from __future__ import annotations

from pathlib import Path

from tripletscope.store import layout


def is_run(folder: Path) -> bool:
    """Whether the folder holds a recorded run."""
    return (folder / layout.CONFIG).is_file()


def find_runs(folder: Path) -> list[Path]:
    """Run folders: `folder` itself when it is a run, else those in it and in its sub-folders (races), sorted by path.

    A folder that does not exist holds none.
    """
    if is_run(folder):
        return [folder]
    return sorted(place.parent for depth in ("*", "*/*") for place in folder.glob(f"{depth}/{layout.CONFIG}"))


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
