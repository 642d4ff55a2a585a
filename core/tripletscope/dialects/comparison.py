"""Where the dialects of one word part on a batch, and why: found by changing our rule into theirs, axis by axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tripletscope.batch import Batch
from tripletscope.dialects.base import Dialect, of_word
from tripletscope.dialects.rule import Answer, Rule, answers, meaning, smallest_causes
from tripletscope.dialects.samples import together
from tripletscope.strategies.base import STRATEGIES
from tripletscope.triplets import ZONES, gaps, zone_codes

Pair = tuple[int, int]


@dataclass(frozen=True)
class Difference:
    """Why a dialect answers otherwise than we do.

    Attributes:
        axes: the fewest on which our rule must become theirs for the answers to be the same.
        pairs: the (anchor, positive) for which it takes these axes.
        sentence: what they do, what we do and why, for the first of these pairs.
    """

    axes: tuple[str, ...]
    pairs: tuple[Pair, ...]
    sentence: str


@dataclass(frozen=True)
class Column:
    """What one dialect says on a batch, and where it parts from us.

    Attributes:
        dialect: who.
        rule: what it does, with the distance that was used.
        answers: by (anchor, positive); what is missing was not asked.
        agrees: for how many of the pairs its answer is ours.
        differences: why the others are not.
    """

    dialect: Dialect
    rule: Rule
    answers: dict[Pair, Answer]
    agrees: int
    differences: tuple[Difference, ...]


class Comparison:
    """All dialects of one word on one batch.

    Args:
        word: a strategy of ours.
        batch_in: gives the batch in a distance.
        margin: the same number for all, whatever their unit.
        distance: in which all of them measure; None for each one's own.
        names: of the slots.
        anchor: the one slot that is asked about; None for all.

    Raises:
        UnknownNameError: a word without dialects, or a distance that does not exist.
        SettingError: a margin that is none.

    Example:
        >>> from tripletscope.dialects.samples import CLOCKS
        >>> found = Comparison("semi-hard", CLOCKS["clock"].batch, 1.0, names=CLOCKS["clock"].names)
        >>> column = found.columns[4]
        >>> print(column.dialect.short, column.differences[1].sentence)
        ST takes F (gap 1.00, easy) where ours abstains: it has no upper bound at the margin.
    """

    def __init__(
        self,
        word: str,
        batch_in: Callable[[str], Batch],
        margin: float,
        *,
        distance: str | None = None,
        names: Sequence[str],
        anchor: int | None = None,
    ) -> None:
        STRATEGIES.get("random").settings(margin, {})
        self.dialects = of_word(word)
        self.word, self.margin, self.distance, self.names, self.anchor = word, margin, distance, names, anchor
        self._batch_in = batch_in
        self._batches: dict[str, Batch] = {}
        self._known: dict[Rule, dict[Pair, Answer]] = {}

    def rule_of(self, one: Dialect) -> Rule:
        """What it does, in the distance of this comparison."""
        return one.rule if self.distance is None else replace(one.rule, distance=self.distance)

    def batch(self, distance: str) -> Batch:
        """The batch in that distance."""
        if distance not in self._batches:
            self._batches[distance] = self._batch_in(distance)
        return self._batches[distance]

    def answers(self, rule: Rule) -> dict[Pair, Answer]:
        """What a rule says, by (anchor, positive)."""
        if rule not in self._known:
            found = answers(rule, self.batch(rule.distance), self.margin, self.anchor)
            self._known[rule] = {(answer.anchor, answer.positive): answer for answer in found}
        return self._known[rule]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Whatever anybody asks about, by anchor; an anchor that counts as its own positive stands for both."""
        asked: set[Pair] = set()
        for one in self.dialects:
            asked |= set(self.answers(self.rule_of(one)))
        return sorted(asked)

    @cached_property
    def columns(self) -> list[Column]:
        """The dialects in display order, ours first."""
        return [self._column(one) for one in self.dialects]

    def _column(self, one: Dialect) -> Column:
        mine, theirs = self.rule_of(self.dialects[0]), self.rule_of(one)
        causes: dict[tuple[str, ...], list[Pair]] = {}
        said, agrees = self.answers(theirs), 0
        for pair in self.pairs:
            wanted = _heart(said.get(pair))
            if wanted == _heart(self.answers(mine).get(pair)):
                agrees += 1
                continue

            def same(rule: Rule, pair: Pair = pair, wanted: Any = wanted) -> bool:
                return bool(_heart(self.answers(rule).get(pair)) == wanted)

            causes.setdefault(smallest_causes(mine, theirs, same), []).append(pair)
        differences = tuple(
            Difference(axes, tuple(pairs), self._sentence(one, theirs, axes, pairs[0]))
            for axes, pairs in causes.items()
        )
        return Column(one, theirs, said, agrees, differences)

    def _sentence(self, one: Dialect, theirs: Rule, axes: tuple[str, ...], pair: Pair) -> str:
        mine = self.rule_of(self.dialects[0])
        return f"{self.deed(theirs, pair)} where ours {self.deed(mine, pair)}: {_reasons(theirs, axes)}."

    def why(self, column: Column, pair: Pair) -> str:
        """Why a dialect answers otherwise than we do for that anchor and positive, as half a sentence; "" if as we do.

        Example:
            >>> from tripletscope.dialects.samples import CLOCKS
            >>> found = Comparison("semi-hard", CLOCKS["clock"].batch, 1.0, names=CLOCKS["clock"].names)
            >>> found.why(found.columns[4], (0, 2))
            'it falls back to the farthest negative where nothing fits'
        """
        axes = next((one.axes for one in column.differences if pair in one.pairs), ())
        return _reasons(column.rule, axes) if axes else ""

    def deed(self, rule: Rule, pair: Pair) -> str:
        """What a rule does for that anchor and positive, in a few words."""
        answer = self.answers(rule).get(pair)
        if answer is None:
            return "does not ask"
        if not answer.negatives:
            return "abstains"
        names = [self.names[slot] for slot in answer.negatives]
        chance = "" if answer.likely == 1 else f" if its lot falls on {self.names[answer.positive]}"
        if len(names) == 1:
            return f"takes {names[0]} ({self.place(rule, answer)}){chance}"
        return (f"draws {together(names, 'or')}" if answer.drawn else f"takes {together(names, 'and')}") + chance

    def place(self, rule: Rule, answer: Answer) -> str:
        """The gap and the zone of an answer's first negative, in the distance of the rule."""
        gap = self.gap(rule, answer)
        zone = ZONES[int(zone_codes(gap, self.margin))]
        return f"gap {_number(float(gap))}, {zone}"

    def gap(self, rule: Rule, answer: Answer) -> Any:
        """d(a,n) - d(a,p) of an answer's first negative, in the distance of the rule."""
        row = self.batch(rule.distance).distances[answer.anchor]
        return gaps(row[answer.positive], row[answer.negatives[0]])

    def cell(self, column: Column, pair: Pair) -> str:
        """The answer in a few signs: D, D/E by lot, D+E all, – abstains, · not asked, * fallback, (…) if drawn."""
        answer = column.answers.get(pair)
        if answer is None:
            return "·"
        if not answer.negatives:
            text = "–"
        else:
            text = ("/" if answer.drawn else "+").join(self.names[slot] for slot in answer.negatives)
            text += {"fallback": "*", "rescue": "!"}.get(answer.by, "")
        return text if answer.likely == 1 else f"({text})"

    def pair_name(self, pair: Pair) -> str:
        """The anchor and its positive, as A→B."""
        anchor, positive = (self.names[slot] for slot in pair)
        return f"{anchor} itself" if anchor == positive else f"{anchor}→{positive}"

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "strategy": self.word,
            "margin": self.margin,
            "distance": self.distance or "own",
            "dialects": [
                {
                    **column.dialect.describe(),
                    "distance": column.rule.distance,
                    "agrees": column.agrees,
                    "picks": [self._pick(column, pair) for pair in self.pairs],
                    "differences": [
                        {
                            "axes": list(one.axes),
                            "pairs": [self.pair_name(pair) for pair in one.pairs],
                            "sentence": f"{column.dialect.library} {one.sentence}",
                        }
                        for one in column.differences
                    ],
                }
                for column in self.columns
            ],
        }

    def _pick(self, column: Column, pair: Pair) -> dict[str, Any]:
        answer = column.answers.get(pair)
        return {
            "anchor": self.names[pair[0]],
            "positive": self.names[pair[1]],
            "asked": answer is not None,
            "negatives": [self.names[slot] for slot in answer.negatives] if answer else [],
            "drawn": bool(answer and answer.drawn),
            "by": answer.by if answer else "",
            "chance_of_positive": answer.likely if answer else 0.0,
        }


def _reasons(theirs: Rule, axes: tuple[str, ...]) -> str:
    # That an anchor is asked once goes without saying where it is said which positive it takes.
    told = [axis for axis in axes if axis != "units" or "positive" not in axes]
    return together([meaning(axis, getattr(theirs, axis)) for axis in told], "and")


def _heart(answer: Answer | None) -> tuple[tuple[int, ...], bool, float] | None:
    """What makes two answers the same; by which part of its rule one came to it plays no part."""
    return None if answer is None else (answer.negatives, answer.drawn, answer.likely)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
