"""Which of these runs is better, and by what measure of effort? Seeds in groups, curves, medians, a ranking.

Runs that differ in their seed only are one group: what they have in common is the method, what sets them apart is
luck. A curve may run over optimiser steps, over the triplets that were learned from, or over seconds of work: the three
seldom rank alike, so whoever compares says which one was held equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from tripletscope.errors import UnknownNameError
from tripletscope.mining import filters
from tripletscope.store.reader import Run

#: What can be held equal, by its name in an address: the unit of a curve's axis.
FAIR = {"steps": "steps", "triplets": "triplets mined", "seconds": "seconds of work"}

#: Settings that do not decide what is learned, or that follow from the seed.
_NOT_THE_METHOD = {
    "seed",
    "race",
    "format",
    "versions",
    "threads",
    "checkpoint_every",
    "shadow",
    "shadows_left_out",
    "strategies",
    "class_names",
    "notes",
    "origin",
    "licence",
    "title",
    "parameters",
}


@dataclass(frozen=True)
class Group:
    """Runs of one method with different seeds.

    Attributes:
        title: what sets it apart from the other groups, for people.
        members: places of its runs in the list that was grouped, in its order.
        seeds: of these runs; None where a run does not name one.
    """

    title: str
    members: tuple[int, ...]
    seeds: tuple[int | None, ...]


def method(run: Run) -> dict[str, Any]:
    """Everything in the run's config that decides what is learned, but the seed; nested names are joined by dots.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> told = method(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> told["train.lr"], "train.seed" in told
        (0.01, False)
    """
    card: Mapping[str, Any] = next(
        (one for one in run.config.get("strategies", []) if one["name"] == run.training), {"values": {}}
    )
    found = {name: value for name, value in _settings(run.config, "") if not name.startswith("train.filter.")}
    if isinstance(run.config.get("train"), dict):
        found["train.filter"] = filters.in_words(run.filters)
    return found | {f"strategy.{name}": value for name, value in dict(card.get("values") or {}).items()}


def _settings(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if name in _NOT_THE_METHOD:
            continue
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def grouped(runs: Sequence[Run]) -> list[Group]:
    """The runs by method, in the order in which each method first appears; within a group by seed.

    A group is called by its strategy, and by whatever else sets it apart from another group of that strategy.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> race = sample_data_dir() / "races" / "digits-2d"
        >>> [group.title for group in grouped([Run.open(race / name) for name in ("random", "semi-hard")])]
        ['Random', 'Semi-hard']
    """
    methods = [method(run) for run in runs]
    kinds: dict[str, list[int]] = {}
    for place, told in enumerate(methods):
        kinds.setdefault(json.dumps(told, sort_keys=True, default=str), []).append(place)
    titles = [strategy_title(runs[members[0]]) for members in kinds.values()]
    groups = []
    for number, (members, title) in enumerate(zip(kinds.values(), titles, strict=True)):
        rivals = [list(kinds.values())[i][0] for i, other in enumerate(titles) if other == title and i != number]
        apart = _apart(methods[members[0]], [methods[place] for place in rivals])
        order = sorted(members, key=lambda place: (_seed(runs[place]) is None, _seed(runs[place]) or 0, place))
        seeds = tuple(_seed(runs[place]) for place in order)
        groups.append(Group(", ".join([title, *apart]), tuple(order), seeds))
    return groups


def _apart(mine: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings in which a method is not like one of the others, such as "margin 0.5", each named once."""
    words: dict[str, str] = {}
    for name, value in mine.items():
        short = name.rpartition(".")[2]
        if any(other.get(name) != value for other in others):
            words.setdefault(short, f"{short.replace('_', ' ')} {value}" if value != "" else f"no {short}")
    return list(words.values())[:4]


def strategy_title(run: Run) -> str:
    """The title of the strategy that the run trained with, for people."""
    name = run.training
    if name in (None, "own"):
        return "Own picks"
    titles = {str(card["name"]): str(card["title"]) for card in run.config.get("strategies", [])}
    return titles.get(str(name), str(name))


def _seed(run: Run) -> int | None:
    seed = run.config.get("seed")
    return int(seed) if isinstance(seed, int) and not isinstance(seed, bool) else None


def effort(run: Run, fair: str) -> Float64[np.ndarray, " S"] | None:
    """What had been spent when each of the run's `steps` was measured; None where the run does not tell.

    A step is measured before its own update, so what it has learned is what came before it: step 0 has cost nothing.
    "triplets" counts what was trained on. "seconds" is processor time of forward pass, mining and update where the
    trainer recorded it, and otherwise what the loop measured with its clock; recording and frames are not in it.

    Args:
        run: a recorded run.
        fair: a name of `FAIR`.

    Raises:
        UnknownNameError: for any other.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> run = Run.open(sample_data_dir() / "races" / "digits-2d" / "batch-hard")
        >>> effort(run, "triplets")[:4].tolist(), effort(run, "seconds")
        ([0.0, 32.0, 64.0, 96.0], None)
    """
    if fair not in FAIR:
        raise UnknownNameError("measure of effort", fair, list(FAIR))
    if fair == "steps":
        return np.array(run.steps, np.float64)
    lines = run.lines
    if fair == "triplets":
        spent = [line.get("mined") for line in lines[: run.step_count]]
        if any(value is None for value in spent):
            return None
        return _before(np.array(spent, np.float64), len(lines))
    told: list[dict[str, Any]] = [line.get("seconds") or {} for line in lines[: run.step_count]]
    if not told or not all(told):
        return None
    names = ("cpu", "last_update_cpu") if all("cpu" in parts for parts in told) else None
    own = [_own_seconds(parts, names) for parts in told]
    # A line tells the update of the step before: by now it has been made.
    updates = [float(parts.get(names[1] if names else "last_update") or 0.0) for parts in told]
    before = _before(np.array(own), len(lines))
    before[: len(updates)] += np.cumsum(updates)
    before[len(updates) :] += math.fsum(updates)
    return before


def _own_seconds(parts: Mapping[str, Any], names: tuple[str, str] | None) -> float:
    if names:
        return float(parts[names[0]])
    return math.fsum(float(value) for name, value in parts.items() if name not in ("last_update", "last_update_cpu"))


def _before(spent: Float64[np.ndarray, " T"], lines: int) -> Float64[np.ndarray, " S"]:
    """The sum of what was spent before each line; the closing frame, which spends nothing, comes after all."""
    total = np.concatenate([[0.0], np.cumsum(spent)])
    return total[np.minimum(np.arange(lines), len(spent))]


@dataclass(frozen=True)
class Curve:
    """A number over effort: finite values only.

    Attributes:
        x: effort, never falling.
        y: the number.
    """

    x: Float64[np.ndarray, " K"]
    y: Float64[np.ndarray, " K"]

    def at(self, x: Float64[np.ndarray, " M"]) -> Float64[np.ndarray, " M"]:
        """The number at those efforts, on straight lines between what was measured; NaN before and after it.

        Example:
            >>> Curve(np.array([0.0, 2.0]), np.array([1.0, 3.0])).at(np.array([1.0, 4.0])).tolist()
            [2.0, nan]
        """
        if not len(self.x):
            return np.full(len(x), np.nan)
        found: Float64[np.ndarray, " M"] = np.interp(x, self.x, self.y, left=np.nan, right=np.nan)
        return found


def curve(run: Run, name: str, fair: str = "steps") -> Curve | None:
    """A recorded number of a run over effort (see `effort`); None where the run does not tell the effort.

    Where several measurements fall on one effort, as where nothing was mined for some steps, the last one counts.

    Args:
        run: a recorded run.
        name: as `Run.series` takes it, such as "recall_at_1".
        fair: a name of `FAIR`.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
        >>> found = curve(run, "recall_at_1")
        >>> found.x[-1].item(), found.y[-1].round(3).item()
        (400.0, 0.908)
    """
    spent = effort(run, fair)
    if spent is None:
        return None
    values = run.series([name])[0].astype(np.float64)
    good = np.isfinite(values)
    x, y = spent[good], values[good]
    last = np.append(x[1:] != x[:-1], True) if len(x) else np.zeros(0, bool)
    return Curve(x[last], y[last])


@dataclass(frozen=True)
class Band:
    """What the seeds of a group have in common, over effort.

    Attributes:
        x: where all of them have a value: from where the last one begins to where the first one ends.
        median: of the seeds.
        low: the lowest seed.
        high: the highest seed.
    """

    x: Float64[np.ndarray, " K"]
    median: Float64[np.ndarray, " K"]
    low: Float64[np.ndarray, " K"]
    high: Float64[np.ndarray, " K"]


def band(curves: Sequence[Curve]) -> Band:
    """Median, lowest and highest of several curves at every effort at which one of them was measured.

    A median over fewer seeds would jump where one ends, so it is told only where all have a value.

    Example:
        >>> one = Curve(np.array([0.0, 2.0]), np.array([0.0, 2.0]))
        >>> other = Curve(np.array([0.0, 1.0, 4.0]), np.array([4.0, 4.0, 4.0]))
        >>> found = band([one, other])
        >>> found.x.tolist(), found.median.tolist(), found.low.tolist()
        ([0.0, 1.0, 2.0], [2.0, 2.5, 3.0], [0.0, 1.0, 2.0])
    """
    none = np.zeros(0)
    if not curves or not all(len(each.x) for each in curves):
        return Band(none, none, none, none)
    first, last = max(each.x[0] for each in curves), min(each.x[-1] for each in curves)
    x = np.unique(np.concatenate([[first, last] if first <= last else none, *(each.x for each in curves)]))
    inside: Bool[np.ndarray, " K"] = (x >= first) & (x <= last)
    x = x[inside]
    table = np.stack([each.at(x) for each in curves])
    if not len(x):
        return Band(none, none, none, none)
    return Band(x, np.median(table, axis=0), table.min(axis=0), table.max(axis=0))


@dataclass(frozen=True)
class Standing:
    """One group in a ranking.

    Attributes:
        group: its place in the list of groups.
        value: median of its seeds' R@1 where all groups can be compared; NaN where there is none.
        low: the lowest seed there.
        high: the highest seed there.
        steps: median of the steps that its runs had made by then.
        triplets: of the triplets they had learned from; NaN where they do not tell.
        seconds: of the seconds of work; NaN where they do not tell.
    """

    group: int
    value: float
    low: float
    high: float
    steps: float
    triplets: float
    seconds: float


@dataclass(frozen=True)
class Ranking:
    """Who is ahead when the same effort has been spent.

    Attributes:
        fair: what was held equal.
        at: how much of it: the most that every run has spent.
        standings: the best group first; of equals the earlier one.
        left_out: places of groups that do not tell their effort.
        note: what is equal and what is not, for people.
    """

    fair: str
    at: float
    standings: tuple[Standing, ...]
    left_out: tuple[int, ...]
    note: str


def ranking(runs: Sequence[Run], groups: Sequence[Group], fair: str = "steps", name: str = "recall_at_1") -> Ranking:
    """The groups by a number at the most effort that every run has spent, and a sentence on what else differs.

    Args:
        runs: as they were grouped.
        groups: of `grouped`.
        fair: a name of `FAIR`: what is held equal.
        name: of the number that ranks, larger is better.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> race = sample_data_dir() / "races" / "digits-2d"
        >>> runs = [Run.open(race / name) for name in ("semi-hard", "batch-hard")]
        >>> told = ranking(runs, grouped(runs), "triplets")
        >>> told.standings[0].group, told.at
        (0, 12800.0)
    """
    curves = {place: curve(runs[place], name, fair) for group in groups for place in group.members}
    usable = {place for place, found in curves.items() if found is not None and len(found.x)}
    left_out = tuple(i for i, group in enumerate(groups) if not usable.issuperset(group.members))
    kept = [i for i in range(len(groups)) if i not in left_out]
    ends = [found.x[-1] for i in kept for place in groups[i].members if (found := curves[place]) is not None]
    at = float(min(ends, default=math.nan))
    standings = []
    for i in kept:
        here = [found.at(np.array([at]))[0] for place in groups[i].members if (found := curves[place]) is not None]
        # What else had been spent when this much of the fair one was.
        spent = {kind: _median([_spent(runs[p], fair, kind, at) for p in groups[i].members]) for kind in FAIR}
        low, high = (math.nan, math.nan) if np.isnan(here).any() else (min(here), max(here))
        standings.append(Standing(i, _median(here), low, high, spent["steps"], spent["triplets"], spent["seconds"]))
    standings.sort(key=lambda one: (math.isnan(one.value), -one.value if not math.isnan(one.value) else 0.0, one.group))
    told = Ranking(fair, at, tuple(standings), left_out, "")
    return replace(told, note=_note(told, runs, groups))


def _filtered(runs: Sequence[Run], groups: Sequence[Group]) -> str:
    """Which groups trained without some of the negatives; "" where none did."""
    chosen = [filters.in_words(runs[group.members[0]].filters) for group in groups]
    named = {
        words: [g.title for g, own in zip(groups, chosen, strict=True) if own == words] for words in chosen if words
    }
    if len(named) == 1 and all(chosen):
        return f"All were filtered by {chosen[0]}."
    return " ".join(f"Filtered by {words}: {', '.join(titles)}." for words, titles in named.items())


def _median(values: Sequence[float]) -> float:
    return math.nan if not values or any(math.isnan(value) for value in values) else float(np.median(values))


def _spent(run: Run, fair: str, kind: str, at: float) -> float:
    """How much of `kind` the run had spent when it had spent `at` of `fair`."""
    known, wanted = effort(run, fair), effort(run, kind)
    if known is None or wanted is None or not len(known) or math.isnan(at):
        return math.nan
    place = int(np.searchsorted(known, at, side="left"))  # the earliest moment
    if place >= len(known):
        return math.nan
    if known[place] == at or place == 0:
        return float(wanted[place])
    return float(np.interp(at, known[place - 1 : place + 1], wanted[place - 1 : place + 1]))


def _note(told: Ranking, runs: Sequence[Run], groups: Sequence[Group]) -> str:
    if not told.standings:
        return f"No run here tells its {FAIR[told.fair]}, so nothing can be held equal by it."
    equal = {
        "steps": f"Equal: {told.at:,.0f} optimiser steps",
        "triplets": f"Equal: {told.at:,.0f} triplets learned from",
        "seconds": f"Equal: {told.at:,.1f} seconds of forward pass, mining and update on the machine that trained",
    }[told.fair]
    races = {json.dumps(run.race, sort_keys=True) for group in groups for run in (runs[p] for p in group.members)}
    if len(races) == 1 and runs and runs[groups[0].members[0]].race:
        equal += ", first weights and batches"
    parts = [f"{equal}."]
    differ = []
    for kind, unit in (("steps", "steps"), ("triplets", "triplets"), ("seconds", "s")):
        amounts = [(one.group, getattr(one, kind)) for one in told.standings]
        known = [(group, amount) for group, amount in amounts if not math.isnan(amount)]
        if kind == told.fair or len(known) < 2:
            continue
        least, most = min(amount for _, amount in known), max(amount for _, amount in known)
        if not math.isclose(least, most, rel_tol=0.01):
            digits = 1 if kind == "seconds" else 0
            differ.append(", ".join(f"{groups[group].title} {amount:,.{digits}f} {unit}" for group, amount in known))
    if differ:
        parts.append(f"Not equal: {'; '.join(differ)}.")
    if filtered := _filtered(runs, groups):
        parts.append(filtered)
    if told.left_out:
        names = ", ".join(groups[i].title for i in told.left_out)
        parts.append(f"Left out, because the recording does not tell its {FAIR[told.fair]}: {names}.")
    if min(len(groups[one.group].members) for one in told.standings) < 3:
        parts.append("With fewer than three seeds a difference may be luck.")
    return " ".join(parts)
