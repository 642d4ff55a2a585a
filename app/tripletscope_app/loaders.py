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

from tripletscope.analysis.probe import probe_labels, telling_anchor, telling_step
from tripletscope.analysis.projection import Projection
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.store.shelf import find_runs, grown, is_live, is_run
from tripletscope_app.component.pack import Scale, opening_zoom, pack_run, projection_of, race_scale
from tripletscope_app.racing import plan as plans
from tripletscope_app.selection import own_strategy


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
        folder: of a race that was planned here, which may have runs that have not begun; "" for others.
        members: names of the runs that such a race will have.
    """

    key: str
    title: str
    chip: str
    note: str
    paths: tuple[str, ...]
    opening: str | None = None
    folder: str = ""
    members: tuple[str, ...] = ()

    def link(self, name: str) -> str:
        """What the address calls the run of that name."""
        return f"{self.key}/{name}" if len(self.paths) > 1 or self.opening or self.folder else self.key

    def holds(self, link: str | None) -> bool:
        """Whether an address names this race or a run of it."""
        if link is not None and self.folder and link.startswith(f"{self.key}/"):
            return True  # a run of it that has not begun, or was renamed
        if link is not None and self.folder and link in {f"{Path(self.folder).name}/{name}" for name in self.members}:
            return True  # by its folder, which several seeds share
        folders = [Path(path) for path in self.paths]
        # Also by the folder, as `train` prints it: the key of a lone run has no folder in it.
        named = (
            self.key,
            *(self.link(each.name) for each in folders),
            *(f"{each.parent.name}/{each.name}" for each in folders),
        )
        return link is not None and link in named


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
    """The runs given on the command line and those in ./runs, grouped where they share weights and batches.

    Races that were planned here come first, the youngest before the others, each with what has begun of it.
    """
    places = [*given_runs(), Path("runs").absolute()]
    planned = _planned(places)
    folders: list[Path] = []
    for place in places:
        folders += [folder for folder in find_runs(place) if folder not in folders]
    begun = {path for race in planned for path in race.paths}
    groups: dict[str, list[tuple[int, Path]]] = {}
    for folder in folders:
        if str(folder) in begun:
            continue
        kin, order = _kin(folder)
        groups.setdefault(kin, []).append((order, folder))
    races, taken = [], {race.key for race in (*shipped_races(), *planned)}
    for group in groups.values():
        members = [folder for _, folder in sorted(group)]
        key = base = members[0].name if len(members) == 1 else members[0].parent.name
        number = 2
        while key in taken:
            key, number = f"{base}-{number}", number + 1
        taken.add(key)
        title = members[0].name if len(members) == 1 else f"{len(members)} runs: " + ", ".join(m.name for m in members)
        races.append(Race(key, title, key, "", tuple(map(str, members))))
    return [*planned, *races]


def _planned(places: Sequence[Path]) -> list[Race]:
    """The races that were planned in these folders: one for each seed, for only runs of one seed can be compared."""
    folders = dict.fromkeys(file.parent for place in places for file in place.glob(f"*/{plans.FILE}"))
    folders |= dict.fromkeys(place for place in places if (place / plans.FILE).is_file())
    races, taken = [], {race.key for race in shipped_races()}
    for folder in sorted(folders, key=lambda each: (-(each / plans.FILE).stat().st_ctime, each.name)):
        plan = plans.read(folder)
        if plan is None:
            continue
        seeds = list(dict.fromkeys(config.seed for config in plan.runs.values()))
        for seed in seeds:
            names = [name for name, config in plan.runs.items() if config.seed == seed]
            key = folder.name if len(seeds) == 1 else f"{folder.name}-seed-{seed}"
            key = f"{key}-here" if key in taken else key
            taken.add(key)
            title = plan.title if len(seeds) == 1 else f"{plan.title}, seed {seed}"
            paths = tuple(str(folder / name) for name in names if is_run(folder / name))
            if paths or not plan.cancelled.issuperset(names):
                races.append(Race(key, title, key, "", paths, folder=str(folder), members=tuple(names)))
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


def planned_in(folder: Path) -> list[Race]:
    """The races that were planned in that folder, one for each seed; none where it is gone."""
    return [race for race in own_races() if race.folder == str(folder)]


def find(link: str | None) -> Race | None:
    """The race that an address names, as `Race.link` writes it; one that it does not know gives the first there is.

    Runs that somebody asked for on the command line come before the shipped ones.
    """
    shipped, given = shipped_races(), given_runs()
    own = own_races() if link is not None or given or not shipped else []
    for race in [*shipped, *own]:
        if race.holds(link):
            return race
    begun = [race for race in own if race.paths]
    return next(iter([*begun, *shipped] if given else [*shipped, *begun]), None)


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
        stamps: by which one tells whether there is more by now.
    """

    runs: tuple[Run, ...]
    digests: tuple[str, ...]
    blobs: tuple[bytes, ...]
    unreadable: tuple[str, ...]

    projections: tuple[Projection, ...]
    scale: Scale
    stamps: tuple[Any, ...] = ()

    @cached_property
    def live(self) -> bool:
        """Whether a run of it was being recorded when it was read."""
        return any(run.state == "running" for run in self.runs)

    @property
    def labels(self) -> np.ndarray:
        """Class of each probe sample; the runs of a race share their probe set."""
        return probe_labels(self.runs[0])

    @cached_property
    def proposal(self) -> dict[str, Any]:
        """What to open when nobody chose: a frame and an anchor at which the zones can be told apart."""
        run = self.runs[0]
        # What is being recorded is followed: it opens on its last frame.
        step = run.frame_steps[-1] if run.state == "running" else telling_step(list(run.frame_steps))
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
    """The race's data: read again when a file of it has changed; a run that is being recorded, for each frame."""
    stamps = stamps_of(race)
    live = any(each[:1] == ("live",) for each in stamps)
    return (_load_live if live else _load)(race.paths, stamps)


def stamps_of(race: Race) -> tuple[Any, ...]:
    """What changes when there is more of the race to draw."""
    return tuple(grown(Path(path)) for path in race.paths)


# cache_resource: the blobs are megabytes and read-only, cache_data would copy them for every session.
@st.cache_resource(show_spinner=False, max_entries=8)
def _load(paths: tuple[str, ...], stamps: tuple[Any, ...]) -> Loaded:
    return _read(paths, stamps)


# Apart from the others: what grows shall not push out what is finished.
@st.cache_resource(show_spinner=False, max_entries=3)
def _load_live(paths: tuple[str, ...], stamps: tuple[Any, ...]) -> Loaded:
    return _read(paths, stamps)


def _read(paths: tuple[str, ...], stamps: tuple[Any, ...]) -> Loaded:
    runs, unreadable = [], []
    for path in paths:
        try:
            opened = Run.open(path)
            if not opened.frame_steps:
                if opened.state == "running":
                    continue  # it has just begun
                raise TripletscopeError("it has no frame yet, so there is nothing to draw")
            if runs and not np.array_equal(opened.probe_rows, runs[0].probe_rows):
                raise TripletscopeError("it was recorded on other samples than the first run of its race")
            runs.append(opened)
        except TripletscopeError as problem:
            if is_live(Path(path)):
                continue  # its files are being made at this moment
            unreadable.append(f"{Path(path).name}: {problem}")
    projections = tuple(projection_of(run) for run in runs)
    scale = race_scale(runs, projections)
    if any(run.state == "running" for run in runs):
        scale = scale.doubled()
    packed = [pack_run(run, projection, scale) for run, projection in zip(runs, projections, strict=True)]
    digests, blobs = tuple(digest for digest, _ in packed), tuple(blob for _, blob in packed)
    return Loaded(tuple(runs), digests, blobs, tuple(unreadable), projections, scale, stamps)


@lru_cache(maxsize=8)  # asked several times for every click, and streamlit's caches cost a millisecond
def _opening(path: str, stamp: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return told


def opening(race: Race) -> dict[str, Any] | None:
    """The answers recorded with the race: run, step, anchor, positive, strategies, answers by run name."""
    return _opening(race.opening, Path(race.opening).stat().st_mtime_ns) if race.opening else None
