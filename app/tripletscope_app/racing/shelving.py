"""What can be done with the runs in ./runs besides watching: another name, away and back, out as a zip and in again."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tripletscope.errors import RunError
from tripletscope.store import parcel
from tripletscope_app.racing import plan as plans


@dataclass(frozen=True)
class Discarded:
    """A run that was deleted and can come back.

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
    """The run, back beside the others.

    Raises:
        RunError: it is not there any more.
    """
    return parcel.restore(discarded.place)


def zipped(runs: Sequence[str]) -> bytes:
    """These runs as one zip."""
    out = io.BytesIO()
    parcel.pack([Path(run) for run in runs], out)
    return out.getvalue()


def take_in(name: str, content: Any, into: Path) -> list[Path]:
    """The runs of an uploaded zip, which lie in the folder of runs now.

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
        return parcel.unpack(kept, into)
