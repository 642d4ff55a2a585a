"""What can be done with runs and races in ./runs besides watching: another name, away and back, out as a zip and in."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tripletscope.errors import RunError
from tripletscope.store import parcel
from tripletscope.store.shelf import is_live
from tripletscope_app.racing import plan as plans


@dataclass(frozen=True)
class Discarded:
    """A run, or the folder of a race, that was deleted and can come back.

    Attributes:
        name: that it had.
        place: where it lies now.
    """

    name: str
    place: Path


def is_ours(run: Path, root: Path) -> bool:
    """Whether that run may be renamed and deleted here: it lies in the folder of runs."""
    return run.is_relative_to(root)


def rename(run: Path, name: str) -> Path:
    """The run's folder under its new name; a plan that it belongs to knows it by that.

    Raises:
        RunError: the name is taken, is none, or the run is being recorded.
    """
    plan = plans.read(run.parent)
    if plan is not None and name in plan.runs and name != run.name:
        raise RunError(f"There is a run {name!r} in this race already: choose another name.")
    made = parcel.rename(run, name)
    if plan is not None and run.name in plan.runs:
        plans.write(run.parent, plan.renamed(run.name, name))
    return made


def discard(run: Path) -> Discarded:
    """The run, out of sight; a plan that it belongs to does not start it again.

    Raises:
        RunError: it is no run, or it is being recorded.
    """
    plan = plans.read(run.parent)
    if plan is not None and run.name in plan.runs:
        plans.write(run.parent, plan.without(run.name))  # first: what is gone must not look as if it were to come
    return Discarded(run.name, parcel.discard(run))


def restore(discarded: Discarded) -> Path:
    """The run or the race, back beside the others; under a new name where its own is taken since.

    Raises:
        RunError: it is not there any more.
    """
    if (discarded.place / plans.FILE).is_file():
        home = plans.folder_for(discarded.place.parent.parent, discarded.name)
        os.rename(discarded.place, home)
        return home
    return parcel.restore(discarded.place)


def retitle(folder: Path, title: str) -> None:
    """Nothing; the race that was planned in that folder is called this. The folder, and so every link, stays.

    Raises:
        RunError: there is no such race, or the title is none.
    """
    plan = plans.read(folder)
    if plan is None:
        raise RunError(f"There is no race in {folder.name!r} any more.")
    if not 0 < len(title) <= 80 or not title.isprintable():
        raise RunError("A race needs a name of 1 to 80 characters on one line.")
    plans.write(folder, replace(plan, title=title))


def discard_race(runs: Sequence[Path], folder: Path | None = None, members: Sequence[str] = ()) -> list[Discarded]:
    """What lies in the bin now: the folder of a planned race, or run by run where others share its folder.

    Args:
        runs: of the race, as far as they have begun.
        folder: of a race that was planned here.
        members: names of its runs, also of those that have not begun.

    Raises:
        RunError: a run of it is being recorded; then nothing was deleted.
    """
    live = [run.name for run in runs if is_live(run)]
    if live:
        raise RunError(f"The run {live[0]!r} is being recorded: cancel it first.")
    plan = plans.read(folder) if folder is not None else None
    if folder is None or plan is None:
        return [discard(run) for run in runs]
    if not set(plan.runs) <= set(members):  # other seeds stay
        gone = [discard(run) for run in runs]
        left = plans.read(folder) or plan
        plans.write(folder, replace(left, cancelled=left.cancelled | set(members)))
        return gone
    place = parcel.bin_of(folder)
    place.mkdir(exist_ok=True)
    target = plans.folder_for(place, folder.name)
    os.rename(folder, target)
    return [Discarded(folder.name, target)]


def zipped(runs: Sequence[str]) -> bytes:
    """These runs as one zip."""
    out = io.BytesIO()
    parcel.pack([Path(run) for run in runs], out)
    return out.getvalue()


def take_in(name: str, content: Any, into: Path) -> list[Path]:
    """The runs of an uploaded zip, which lie in the folder of runs now; several in a folder called like the zip.

    Args:
        name: of the file, for its refusal.
        content: an open file.
        into: the folder of runs.

    Raises:
        DataError: naming the file, the entry and what is wrong with it.
    """
    from tripletscope_app.inspecting import arrivals

    with tempfile.TemporaryDirectory() as folder:
        (kept,) = arrivals.keep([(name, content)], Path(folder) / "upload")
        into.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(dir=into, prefix=".import-"))
        try:
            made = parcel.unpack(kept, room)
            if len(made) > 1:
                home = plans.folder_for(into, Path(name).stem)
                os.rename(room, home)
                home.chmod(0o755)
                return [home / run.name for run in made]
            home = plans.folder_for(into, made[0].name)
            os.rename(made[0], home)
            return [home]
        finally:
            shutil.rmtree(room, ignore_errors=True)
