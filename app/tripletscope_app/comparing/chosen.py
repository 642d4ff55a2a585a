"""Which runs are compared: those on the maps, and every other seed of theirs that is found, for the curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from tripletscope.analysis.agreement import all_steps
from tripletscope.analysis.comparison import Group, grouped, method
from tripletscope.analysis.probe import nearest_frame
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.store.shelf import stamp
from tripletscope_app import loaders
from tripletscope_app.comparing import view
from tripletscope_app.loaders import Loaded, Race

#: Further seeds that are looked for; each is a line in every chart.
MOST_SEEDS = 30


@dataclass(frozen=True)
class Known:
    """Every run that was found.

    Attributes:
        races: in the order of the gallery.
        paths: run folder by what the address calls the run.
        race_of: its race.
    """

    races: tuple[Race, ...]
    paths: Mapping[str, str]
    race_of: Mapping[str, Race]

    @property
    def titles(self) -> dict[str, str]:
        """What people call each run, by what the address calls it: race and run; the address where that is not enough.

        Example:
            >>> race = Race("digits-2d", "Digits in the plane", "Digits", "", ("/r/random", "/r/semi-hard"))
            >>> lone = Race("mine", "mine", "mine", "", ("/r/mine",))
            >>> links = {"digits-2d/random": race, "digits-2d/semi-hard": race, "mine": lone}
            >>> paths = dict(zip(links, ("/r/random", "/r/semi-hard", "/r/mine"), strict=True))
            >>> Known((race, lone), paths, links).titles
            {'digits-2d/random': 'Digits: random', 'digits-2d/semi-hard': 'Digits: semi-hard', 'mine': 'mine'}
        """
        named = {}
        for link, race in self.race_of.items():
            name = Path(self.paths[link]).name
            named[link] = name if race.chip == name else f"{race.chip}: {name}"
        counts = Counter(named.values())
        return {link: title if counts[title] == 1 else f"{title} ({link})" for link, title in named.items()}

    def links(self, race: Race) -> list[str]:
        """What the address calls the runs of a race."""
        return [race.link(Path(path).name) for path in race.paths]


def known_runs() -> Known:
    """What there is to compare; looked up anew, because runs come and go."""
    races = tuple(loaders.all_races())
    pairs = [(race.link(Path(path).name), path, race) for race in races for path in race.paths]
    return Known(races, {link: path for link, path, _ in pairs}, {link: race for link, _, race in pairs})


def settle_runs(known: Known) -> tuple[str, ...]:
    """The links of the runs on the maps: those asked for that exist, else the first race."""
    asked = tuple(link for link in view.get(view.RUNS) or () if link in known.paths)
    if not asked and known.races:
        first = loaders.find(None) or known.races[0]
        asked = tuple(known.links(first)[: view.MOST])
    return asked


@dataclass(frozen=True)
class Chosen:
    """Everything that is compared, opened and packed.

    Attributes:
        links: of the runs on the maps.
        loaded: their data.
        runs: those on the maps, then further seeds of them for the curves.
        groups: of `runs`.
        seeds: how many further seeds were found.
        refused: one sentence for each run that is left out.
    """

    links: tuple[str, ...]
    loaded: Loaded
    runs: tuple[Run, ...]
    groups: tuple[Group, ...]
    seeds: int
    refused: tuple[str, ...]

    @property
    def shown(self) -> Sequence[Run]:
        """The runs on the maps."""
        return self.loaded.runs

    def group_of(self, place: int) -> int:
        """The group of a run, by its place in `runs`."""
        return next(i for i, group in enumerate(self.groups) if place in group.members)


def open_chosen(known: Known, links: tuple[str, ...]) -> Chosen:
    """The runs behind these links, and every other seed of theirs that is known."""
    mine = {known.paths[link] for link in links}
    others = [path for path in known.paths.values() if path not in mine]
    return _open(
        links,
        tuple(known.paths[link] for link in links),
        tuple(stamp(Path(known.paths[link])) for link in links),
        tuple(others),
        tuple(stamp(Path(path)) for path in others),
    )


@st.cache_resource(show_spinner=False, max_entries=4)
def _open(
    links: tuple[str, ...],
    paths: tuple[str, ...],
    stamps: tuple[Any, ...],
    others: tuple[str, ...],
    more: tuple[Any, ...],
) -> Chosen:
    refused = []
    kept: list[tuple[str, str]] = []
    first: Run | None = None
    for link, path in zip(links, paths, strict=True):
        try:
            run = Run.open(path)
            if not run.frame_steps:
                raise TripletscopeError("it has no frame yet, so there is nothing to draw")
            if first is not None and not same_samples(first, run):
                raise TripletscopeError(
                    f"it was recorded on other samples than {first.name}, so no anchor is the same in both"
                )
            first = first or run
            kept.append((link, path))
        except TripletscopeError as problem:
            refused.append(f"{Path(path).name}: {problem}")
    loaded = loaders.load(Race("compare", "", "", "", tuple(path for _, path in kept)))
    methods = [method(run) for run in loaded.runs]
    seeds: list[Run] = []
    for path in others:
        if len(seeds) >= MOST_SEEDS:
            break
        try:
            run = Run.open(path)
            if run.frame_steps and method(run) in methods:
                seeds.append(run)
        except TripletscopeError:
            continue  # the gallery shows what is wrong with it
    runs = (*loaded.runs, *seeds)
    return Chosen(
        tuple(link for link, _ in kept),
        loaded,
        runs,
        tuple(grouped(runs)),
        len(seeds),
        (*refused, *loaded.unreadable),
    )


def same_samples(one: Run, other: Run) -> bool:
    """Whether two runs show the same samples in the same order, so that an anchor is the same in both."""
    mine, theirs = np.asarray(one.probe_rows), np.asarray(other.probe_rows)
    if len(mine) != len(theirs):
        return False
    ids, other_ids = np.asarray(one.samples.ids)[mine], np.asarray(other.samples.ids)[theirs]
    labels, other_labels = one.samples.labels[mine], other.samples.labels[theirs]
    return bool(np.array_equal(ids, other_ids) and np.array_equal(labels, other_labels))


@dataclass(frozen=True)
class Look:
    """What is looked at: always valid for the runs.

    Attributes:
        step: one at which a run has a frame.
        anchor: probe index.
        fair: what is held equal.
        pair: places of two runs on the maps; the same twice where there is only one.
        picks: "asked", "shared" or "recorded".
    """

    step: int
    anchor: int
    fair: str
    pair: tuple[int, int]
    picks: str


def settle_look(known: Known, chosen: Chosen) -> Look:
    """The valid look nearest to what the session asks for; a race opens at the moment its recording proposes."""
    loaded, steps = chosen.loaded, all_steps(chosen.shown)
    race = known.race_of[chosen.links[0]]
    told = loaders.opening(race) or loaded.proposal
    step, anchor = view.get(view.STEP), loaded.index(view.get(view.ANCHOR))
    step = int(told["step"]) if step is None else step
    last = len(chosen.shown) - 1
    first, second = view.get(view.PAIR)
    fits = first <= last and second <= last and first != second
    return Look(
        nearest_frame(steps, step),
        min(int(told["anchor"]), len(loaded.labels) - 1) if anchor is None else anchor,
        view.get(view.FAIR),
        (first, second) if fits else (0, min(1, last)),
        view.get(view.PICKS),
    )
