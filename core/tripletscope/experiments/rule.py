"""What would confirm a claim, as a sentence that a computer can check against the table of a sweep.

    final R@1 of batch-hard < final R@1 of random - 0.05
    least spread of hardest < 0.1 * first spread of hardest and final spread of hardest > 1
    median final MAP@R of semi-hard where margin = 0.1 > median final MAP@R of semi-hard where margin = 0.5

A value is read once for every seed, and the comparison is made seed by seed: runs of one seed share their weights and
batches. With `median`, `mean`, `lowest` or `highest` in front it is taken over the seeds first; such a value and a
number are the same for every seed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.schema import SWEEP

if TYPE_CHECKING:
    import pandas

#: Columns by the name that a rule, and a reader, has for them.
METRICS = {
    "R@1": "recall_at_1",
    "MAP@R": "map_at_r",
    "loss": "loss",
    "spread": "spread",
    "positive distance": "mean_d_ap",
    "negative distance": "mean_d_an",
    "violating share": "violating_share",
    "active share": "active_share",
    "abstained share": "abstained_share",
    "false-negative share": "false_negative_share",
    "triplets": "triplets",
    "CPU seconds": "cpu_seconds",
}
#: Over the rows of one run: after the last update, at the first step, and the least and largest of all.
TIMES = ("final", "first", "least", "largest")
OVER_SEEDS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "median": lambda values: float(np.median(values)),
    "mean": lambda values: float(np.mean(values)),
    "lowest": lambda values: float(np.min(values)),
    "highest": lambda values: float(np.max(values)),
}
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub}
_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"
_TOKEN = re.compile(rf'\s*("[^"]*"|<=|>=|[<>=+*,]|{_NUMBER}(?![\w@-])|-(?=\s)|[\w@][\w@.+-]*)')


@dataclass(frozen=True)
class Value:
    """One number of a run, for every seed.

    Attributes:
        metric: column of the table.
        time: one of `TIMES`.
        strategy: of the runs; None: there is one only.
        where: settings of the runs, by column.
        over: one of `OVER_SEEDS`, or None: seed by seed.
    """

    metric: str
    time: str
    strategy: str | None
    where: Mapping[str, str]
    over: str | None

    def by_seed(self, table: pandas.DataFrame) -> dict[int, float]:
        """The number of each seed; a seed whose run is missing, or does not tell it, is left out.

        Raises:
            SettingError: the words fit no run of the table, or several of one seed.
        """
        rows = table if self.strategy is None else table[table["strategy"] == self.strategy]
        for name, wanted in self.where.items():
            if name not in rows.columns:
                raise UnknownNameError("column of the sweep", name, list(table.columns))
            rows = rows[[_is(value, wanted) for value in rows[name]]]
        if not len(rows):
            raise SettingError(f"No run of the sweep is meant by {self.text!r}: check strategy and settings.")
        if (rows.groupby("seed")["cell"].nunique() > 1).any():
            raise SettingError(f"Several runs of one seed are meant by {self.text!r}: say strategy or settings.")
        found = {int(seed): self._of(rows[rows["seed"] == seed]) for seed in rows["seed"].unique()}
        return {seed: value for seed, value in found.items() if np.isfinite(value)}

    @property
    def text(self) -> str:
        """The value as it can be written in a rule."""
        name = next(title for title, column in METRICS.items() if column == self.metric)
        where = ", ".join(f"{name} = {value}" for name, value in self.where.items())
        parts = (self.over, self.time, name, self.strategy and f"of {self.strategy}", where and f"where {where}")
        return " ".join(part for part in parts if part)

    def _of(self, run: pandas.DataFrame) -> float:
        ordered = run.sort_values("step")
        # A spread can be least between two rows of the table.
        column = "least_spread" if (self.metric, self.time) == ("spread", "least") else self.metric
        values = ordered[column].to_numpy(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            return float("nan")
        times = {"final": values[-1], "first": values[0], "least": values.min(), "largest": values.max()}
        return float(times[self.time])


@dataclass(frozen=True)
class Side:
    """`factor * value + more`, or the number `more` alone."""

    value: Value | None
    factor: float = 1.0
    more: float = 0.0

    def by_seed(self, table: pandas.DataFrame, seeds: Sequence[int]) -> dict[int, float]:
        """The number of each of these seeds for which it is known."""
        if self.value is None:
            return dict.fromkeys(seeds, self.more)
        found = self.value.by_seed(table)
        if self.value.over is not None:
            one = OVER_SEEDS[self.value.over](list(found.values())) if found else float("nan")
            found = dict.fromkeys(seeds, one) if np.isfinite(one) else {}
        return {seed: self.factor * number + self.more for seed, number in found.items()}


@dataclass(frozen=True)
class Comparison:
    """Two sides and a sign between them."""

    left: Side
    sign: str
    right: Side


@dataclass(frozen=True)
class Outcome:
    """What became of a rule.

    Attributes:
        rule: as it was written.
        held: seeds in which it holds.
        seeds: all seeds of the table.
    """

    rule: str
    held: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def text(self) -> str:
        """How often it holds, such as "holds in 2 of 3 seeds"."""
        if len(self.held) == len(self.seeds):
            return f"holds in all {len(self.seeds)} seeds"
        return f"holds in {len(self.held) or 'none'} of {len(self.seeds)} seeds"


@dataclass(frozen=True)
class Rule:
    """Comparisons that have to hold together.

    Example:
        >>> rule = parse("final R@1 of batch-hard < final R@1 of random - 0.05")
        >>> rule.parts[0].sign, rule.parts[0].right.more, rule.parts[0].left.value.strategy
        ('<', -0.05, 'batch-hard')
    """

    text: str
    parts: tuple[Comparison, ...]

    def check(self, table: pandas.DataFrame) -> Outcome:
        """In which seeds of the table it holds; where a number is missing it does not.

        Raises:
            SettingError: the rule does not fit the table.
        """
        seeds = sorted(int(seed) for seed in table["seed"].unique())
        held = set(seeds)
        for part in self.parts:
            left, right = part.left.by_seed(table, seeds), part.right.by_seed(table, seeds)
            held &= {seed for seed in left.keys() & right.keys() if _COMPARE[part.sign](left[seed], right[seed])}
        return Outcome(self.text, tuple(sorted(held)), tuple(seeds))


def parse(text: str) -> Rule:
    """The rule that a text means.

    Raises:
        SettingError: saying what was expected, and where.

    Example:
        >>> parse("median final spread of hardest < 0.01").parts[0].left.value.over
        'median'
    """
    return _Parser(text).rule()


def verdict(outcomes: Sequence[Outcome]) -> str:
    """What the outcomes come to: confirmed if every rule holds in every seed, not confirmed if none in any, or mixed.

    Example:
        >>> verdict([Outcome("a", (0, 1), (0, 1)), Outcome("b", (0,), (0, 1))])
        'mixed'
    """
    if outcomes and all(one.seeds and len(one.held) == len(one.seeds) for one in outcomes):
        return "confirmed"
    return "mixed" if any(one.held for one in outcomes) else "not confirmed"


def _is(value: object, wanted: str) -> bool:
    """Whether a setting is what a rule says of it."""
    if isinstance(value, bool | np.bool_):
        return wanted in (("yes", "true") if value else ("no", "false"))
    try:
        return float(str(value)) == float(wanted)
    except ValueError:
        return str(value) == wanted


class _Parser:
    """Reads one rule from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise SettingError(f"The rule {text!r} cannot be read from {text[at:].strip()!r} on.")
            self.words.append(found.group(1))
            at = found.end()

    def rule(self) -> Rule:
        parts = [self._comparison()]
        while self._take("and"):
            parts.append(self._comparison())
        if self.words:
            raise self._refusal("`and` or the end")
        return Rule(self.text, tuple(parts))

    def _comparison(self) -> Comparison:
        left = self._side()
        sign = self._take(*_COMPARE)
        if sign is None:
            raise self._refusal("<, <=, > or >=")
        return Comparison(left, sign, self._side())

    def _side(self) -> Side:
        number = self._number()
        if number is not None and self._take("*") is None:
            return Side(None, more=number)
        value, more = self._value(), 0.0
        while sign := self._take(*_ARITHMETIC):
            one = self._number()
            if one is None:
                raise self._refusal(f"a number after {sign}")
            more = _ARITHMETIC[sign](more, one)
        return Side(value, 1.0 if number is None else number, more)

    def _value(self) -> Value:
        over = self._take(*OVER_SEEDS)
        time = self._take(*TIMES)
        if time is None:
            raise self._refusal(f"one of {', '.join((*OVER_SEEDS, *TIMES))}")
        metric = next((column for title, column in METRICS.items() if self._phrase(title)), None)
        metric = metric or self._take(*SWEEP)
        if metric is None:
            raise self._refusal(f"one of {', '.join(METRICS)}")
        strategy = self._name("a strategy") if self._take("of") else None
        where: dict[str, str] = {}
        while self._take("," if where else "where"):
            name = self._name("a setting")
            if self._take("=") is None:
                raise self._refusal(f"= after {name}")
            where[name.replace(" ", "_")] = self._name("a value")
        return Value(metric, time, strategy, where, over)

    def _phrase(self, title: str) -> bool:
        words = title.split()
        if self.words[: len(words)] != words:
            return False
        del self.words[: len(words)]
        return True

    def _take(self, *wanted: str) -> str | None:
        return self.words.pop(0) if self.words and self.words[0] in wanted else None

    def _number(self) -> float | None:
        return float(self.words.pop(0)) if self.words and re.fullmatch(_NUMBER, self.words[0]) else None

    def _name(self, what: str) -> str:
        if not self.words or self.words[0] in (*_COMPARE, *_ARITHMETIC, *"*,="):
            raise self._refusal(what)
        return self.words.pop(0).strip('"')

    def _refusal(self, wanted: str) -> SettingError:
        found = repr(self.words[0]) if self.words else "the end"
        return SettingError(f"The rule {self.text!r} has {found} where {wanted} should be.")
