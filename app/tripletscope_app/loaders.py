"""What there is to look at, and its data: races and runs found, opened once, packed once.

A race is a group of runs that share their first weights and their batches; a run on its own is a race of one. The
address may name only what is found here, so a link opens no other folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from tripletscope.analysis.probe import probe_labels, telling_anchor
from tripletscope.analysis.projection import Projection
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.store.shelf import find_runs, stamp
from tripletscope_app.component.pack import Scale, opening_zoom, pack_run, projection_of, race_scale
from tripletscope_app.selection import own_strategy, telling_step


@dataclass(frozen=True)
class Race:
    """A group of runs shown together.

    Attributes:
        key: what the address calls it: "digits", or the name of a lone run.
        title: for people.
        chip: the same in a word or two, for a button.
        note: one more sentence, or "".
        paths: the run folders, in the order of their buttons.
        opening: file with the answers that were recorded with it, or None.
    """

    key: str
    title: str
    chip: str
    note: str
    paths: tuple[str, ...]
    opening: str | None = None

    def link(self, name: str) -> str:
        """What the address calls the run of that name."""
        return f"{self.key}/{name}" if len(self.paths) > 1 or self.opening else self.key

    def holds(self, link: str | None) -> bool:
        """Whether an address names this race or a run of it."""
        return link is not None and link in (self.key, *(self.link(Path(path).name) for path in self.paths))


def given_runs(argv: Sequence[str] | None = None) -> list[Path]:
    """The folders of `streamlit run app/main.py -- --run DIR`, which `tripletscope app --run DIR` passes on."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--run", action="append", default=[])
    return [Path(path).absolute() for path in parser.parse_known_args(argv or sys.argv[1:])[0].run]


def shipped_races() -> list[Race]:
    """The recordings that come with the package, in the order of their `order`."""
    from tripletscope.datasets import sample_data_dir

    found = []
    for file in sorted((sample_data_dir() / "races").glob("*/race.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        names = [each if isinstance(each, str) else each["name"] for each in told["runs"]]
        opening = file.parent / "opening.json"
        found.append(
            (
                told.get("order", 100),
                Race(
                    key=file.parent.name,
                    title=told.get("title", file.parent.name),
                    chip=told.get("chip", told.get("title", file.parent.name)),
                    note=told.get("note") or "",
                    paths=tuple(str(file.parent / name) for name in names),
                    opening=str(opening) if opening.is_file() else None,
                ),
            )
        )
    return [race for _, race in sorted(found, key=lambda pair: (pair[0], pair[1].key))]


def own_races() -> list[Race]:
    """The runs given on the command line and those in ./runs, grouped where they share weights and batches."""
    folders: list[Path] = []
    for place in [*given_runs(), Path("runs").absolute()]:
        folders += [folder for folder in find_runs(place) if folder not in folders]
    groups: dict[str, list[tuple[int, Path]]] = {}
    for folder in folders:
        kin, order = _kin(folder)
        groups.setdefault(kin, []).append((order, folder))
    races, taken = [], {race.key for race in shipped_races()}
    for group in groups.values():
        members = [folder for _, folder in sorted(group)]
        key = base = members[0].name if len(members) == 1 else members[0].parent.name
        number = 2
        while key in taken:
            key, number = f"{base}-{number}", number + 1
        taken.add(key)
        title = members[0].name if len(members) == 1 else f"{len(members)} runs: " + ", ".join(m.name for m in members)
        races.append(Race(key, title, key, "", tuple(map(str, members))))
    return races


def _kin(folder: Path) -> tuple[str, int]:
    """(what runs of one race have in common, place in the race): digests of first weights and batches; the strategy."""
    try:
        run = Run.open(folder)
    except TripletscopeError:
        return str(folder), 0
    return json.dumps(run.race, sort_keys=True) if run.race else str(folder), own_strategy(run)["order"] or 0


def all_races() -> list[Race]:
    """Shipped and own."""
    return [*shipped_races(), *own_races()]


def find(link: str | None) -> Race | None:
    """The race that an address names, as `Race.link` writes it; one that it does not know gives the first there is.

    Runs that somebody asked for on the command line come before the shipped ones.
    """
    shipped, given = shipped_races(), given_runs()
    own = own_races() if link is not None or given or not shipped else []
    for race in [*shipped, *own]:
        if race.holds(link):
            return race
    return next(iter([*own, *shipped] if given else [*shipped, *own]), None)


@dataclass(frozen=True)
class Loaded:
    """The runs of a race that can be read, with their packed bytes.

    Attributes:
        runs: opened.
        digests: of the packed bytes, in the same order.
        blobs: packed bytes.
        unreadable: one sentence for each run that could not be opened.
        projections: frames in the plane.
        scale: of map and ruler, shared.
    """

    runs: tuple[Run, ...]
    digests: tuple[str, ...]
    blobs: tuple[bytes, ...]
    unreadable: tuple[str, ...]

    projections: tuple[Projection, ...]
    scale: Scale

    @property
    def labels(self) -> np.ndarray:
        """Class of each probe sample; the runs of a race share their probe set."""
        return probe_labels(self.runs[0])

    @cached_property
    def proposal(self) -> dict[str, Any]:
        """What to open when nobody chose: a frame and an anchor at which the zones can be told apart."""
        run = self.runs[0]
        step = telling_step(list(run.frame_steps))
        anchor, positive = telling_anchor(run, step)
        return {"run": run.name, "step": step, "anchor": anchor, "positive": positive}

    def row(self, index: int) -> int:
        """The row in samples/ of a probe index."""
        return int(self.runs[0].probe_rows[index])

    def index(self, row: int | None) -> int | None:
        """The probe index of a row in samples/; None when the probe set does not hold it."""
        found = np.flatnonzero(np.asarray(self.runs[0].probe_rows) == row) if row is not None else ()
        return int(found[0]) if len(found) else None

    def zoom(self, run: int, step: int) -> float:
        """How near the map opens, so that the points of that frame fill it."""
        return opening_zoom(self.projections[run], list(self.runs[run].frame_steps).index(step), self.scale)


def load(race: Race) -> Loaded:
    """The race's data: read again only when a file of it has changed."""
    return _load(race.paths, tuple(stamp(Path(path)) for path in race.paths))


# cache_resource: the blobs are megabytes and read-only, cache_data would copy them for every session.
@st.cache_resource(show_spinner=False, max_entries=8)
def _load(paths: tuple[str, ...], stamps: tuple[Any, ...]) -> Loaded:
    runs, unreadable = [], []
    for path in paths:
        try:
            opened = Run.open(path)
            if not opened.frame_steps:
                raise TripletscopeError("it has no frame yet, so there is nothing to draw")
            if runs and not np.array_equal(opened.probe_rows, runs[0].probe_rows):
                raise TripletscopeError("it was recorded on other samples than the first run of its race")
            runs.append(opened)
        except TripletscopeError as problem:
            unreadable.append(f"{Path(path).name}: {problem}")
    projections = tuple(projection_of(run) for run in runs)
    scale = race_scale(runs, projections)
    packed = [pack_run(run, projection, scale) for run, projection in zip(runs, projections, strict=True)]
    digests, blobs = tuple(digest for digest, _ in packed), tuple(blob for _, blob in packed)
    return Loaded(tuple(runs), digests, blobs, tuple(unreadable), projections, scale)


@lru_cache(maxsize=8)  # asked several times for every click, and streamlit's caches cost a millisecond
def _opening(path: str, stamp: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return told


def opening(race: Race) -> dict[str, Any] | None:
    """The answers recorded with the race: run, step, anchor, positive, strategies, answers by run name."""
    return _opening(race.opening, Path(race.opening).stat().st_mtime_ns) if race.opening else None
