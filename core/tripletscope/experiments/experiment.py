"""One claim: its sweep, where it comes from, what would confirm it, and the numbers of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tripletscope import datasets
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.experiments.rule import METRICS, Outcome, Rule, parse, verdict
from tripletscope.sweep import plan, table
from tripletscope.sweep.plan import Plan

if TYPE_CHECKING:
    import pandas

_TEXTS = ("claim", "source", "setting", "plot")


@dataclass(frozen=True)
class Report:
    """What the numbers of a run say of a claim.

    Attributes:
        verdict: "confirmed", "mixed" or "not confirmed"; see `rule.verdict`.
        outcomes: of each rule.
        summary: median and range over the seeds, as `sweep.table.summary` gives them.
    """

    verdict: str
    outcomes: tuple[Outcome, ...]
    summary: pandas.DataFrame


@dataclass(frozen=True)
class Experiment:
    """A claim and what checks it.

    Attributes:
        name: of the file, without its ending.
        path: of the file.
        plan: what is trained.
        claim: a sentence.
        source: who says so: paper and section, or where else it was seen.
        setting: what is trained here, and how that differs from the source, for people.
        rules: what would confirm it.
        plot: column of the table that the picture shows over the steps.
        log: whether the picture's axis is logarithmic.
    """

    name: str
    path: Path
    plan: Plan
    claim: str
    source: str
    setting: str
    rules: tuple[Rule, ...]
    plot: str
    log: bool

    @property
    def title(self) -> str:
        """A few words, for headings."""
        return self.plan.title

    @property
    def recorded(self) -> Path:
        """The numbers that come along."""
        return self.path.with_suffix(".parquet")

    @property
    def command(self) -> str:
        """What trains it again."""
        return f"tripletscope sweep --shipped {self.name}"

    def numbers(self) -> pandas.DataFrame:
        """The table that comes along, as `sweep.table.read` gives it.

        Raises:
            DataError: there is none.
        """
        return table.read(self.recorded)[0]

    def report(self, numbers: pandas.DataFrame | None = None) -> Report:
        """What these numbers say of the claim; by default those that come along.

        Raises:
            SettingError: a rule that does not fit the numbers, such as one of a strategy that was not trained.
        """
        found = self.numbers() if numbers is None else numbers
        outcomes = tuple(rule.check(found) for rule in self.rules)
        return Report(verdict(outcomes), outcomes, table.summary(found, self.plan.varied))


def folder() -> Path:
    """Where the experiments lie that come along."""
    return datasets.sample_data_dir() / "experiments"


def names() -> list[str]:
    """The experiments that come along, by name, in the order of their files' `order`."""
    return [one.name for one in sorted(map(read, folder().glob("*.toml")), key=lambda one: (_order(one), one.name))]


def get(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        UnknownNameError: there is none; lists those that come along.
    """
    path = folder() / f"{name}.toml"
    if not path.is_file():
        raise UnknownNameError("experiment", name, names())
    return read(path)


def read(path: str | Path) -> Experiment:
    """The experiment in a file.

    Raises:
        DataError: no such file, or no table `[experiment]` in it.
        SettingError: something in it is missing or cannot be understood.
    """
    asked, file = plan.read(path), Path(path)
    told = asked.told
    if not told:
        raise DataError(f"{file} is a sweep without a claim: give it a table [experiment].")
    known = {*_TEXTS, "confirm", "log", "order"}
    for key in told:
        if key not in known:
            raise UnknownNameError(f"key in {file}, experiment", key, sorted(known))
    texts = {name: _text(told, name, file) for name in _TEXTS}
    rules = told.get("confirm")
    if not isinstance(rules, list) or not rules or not all(isinstance(one, str) for one in rules):
        raise SettingError(f'{file}: experiment.confirm should be a list of rules, such as ["final R@1 > 0.5"].')
    if texts["plot"] not in METRICS:
        raise UnknownNameError(f"number to plot in {file}", texts["plot"], list(METRICS))
    return Experiment(
        name=file.stem,
        path=file,
        plan=asked,
        claim=texts["claim"],
        source=texts["source"],
        setting=texts["setting"],
        rules=tuple(parse(one) for one in rules),
        plot=METRICS[texts["plot"]],
        log=bool(told.get("log", False)),
    )


def _text(told: Mapping[str, Any], name: str, file: Path) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"{file}: experiment.{name} should be text, and is {value!r}.")
    return " ".join(value.split())


def _order(one: Experiment) -> int:
    return int(one.plan.told.get("order", 100))
