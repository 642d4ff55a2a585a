"""A race that somebody wants: one training for each strategy and seed, all from the same settings.

A plan lies as plan.json in the folder that will hold its runs, so that it survives a reload of the page and a restart
of the server. Which of its runs are there, and how far they are, the runs themselves say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tripletscope.config import TrainConfig
from tripletscope.errors import SettingError, TripletscopeError
from tripletscope.store import layout

FILE = "plan.json"
VERSION = 1
# A composed strategy's name says every choice, and several seeds add theirs.
_NAME = re.compile(r"[\w][\w.+-]{0,119}")


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        title: for people.
        runs: settings by name of the run's folder, in the order in which they start.
        cancelled: names of runs that will not start.

    Example:
        >>> plan = race(TrainConfig(data="digits"), ["random", "semi-hard"], [0, 1], title="Two and two")
        >>> list(plan.runs)
        ['random-seed-0', 'semi-hard-seed-0', 'random-seed-1', 'semi-hard-seed-1']
        >>> plan.runs["semi-hard-seed-1"].seed
        1
    """

    title: str
    runs: Mapping[str, TrainConfig]
    cancelled: frozenset[str] = field(default_factory=frozenset)

    def without(self, name: str) -> Plan:
        """The same, but that run will not start."""
        return replace(self, cancelled=self.cancelled | {name})

    def renamed(self, name: str, new: str) -> Plan:
        """The same, but that run is called otherwise; it keeps its place."""
        runs = {new if each == name else each: config for each, config in self.runs.items()}
        return replace(self, runs=runs, cancelled=frozenset(new if each == name else each for each in self.cancelled))

    def to_json(self) -> bytes:
        """What `read` reads."""
        told = {
            "version": VERSION,
            "title": self.title,
            "runs": {name: config.to_dict() for name, config in self.runs.items()},
            "cancelled": sorted(self.cancelled),
        }
        return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


def race(config: TrainConfig, strategies: Sequence[str], seeds: Sequence[int], *, title: str) -> Plan:
    """The plan of a race: every strategy with every seed; runs of one seed share weights and batches.

    All strategies of a seed come before the next seed, so that a race can be watched as soon as possible.

    Raises:
        SettingError: no strategy, no seed, or one twice.
    """
    for what, given in (("strategy", strategies), ("seed", seeds)):
        if not given:
            raise SettingError(f"A race needs at least one {what}: choose one.")
        if len(set(given)) < len(given):
            raise SettingError(f"The same {what} was chosen twice: choose each once.")
    several = len(seeds) > 1
    runs = {
        f"{strategy}-seed-{seed}" if several else strategy: replace(config, strategy=strategy, seed=seed)
        for seed in seeds
        for strategy in strategies
    }
    return Plan(title, runs)


def read(folder: Path) -> Plan | None:
    """The plan in a folder; None where there is none that can be understood."""
    try:
        told: Any = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if told["version"] != VERSION:
            return None
        runs = {str(name): TrainConfig.from_dict(settings) for name, settings in told["runs"].items()}
        plan = Plan(str(told["title"]), runs, frozenset(map(str, told["cancelled"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TripletscopeError):
        return None
    return plan if all(_NAME.fullmatch(name) for name in plan.runs) else None


def write(folder: Path, plan: Plan) -> None:
    """Nothing; the folder holds the plan, the old one or the new."""
    layout.replace(folder / FILE, plan.to_json(), sync=True)


def folder_for(root: Path, wanted: str) -> Path:
    """A folder for a race that is not there yet, called like what somebody typed.

    Example:
        >>> folder_for(Path("/nowhere"), "My race: three!").name
        'My-race-three'
    """
    plain = re.sub(r"[^\w.+-]+", "-", wanted).strip(".-")[:60] or "race"
    name, number = plain, 2
    while (root / name).exists():
        name, number = f"{plain}-{number}", number + 1
    return root / name
