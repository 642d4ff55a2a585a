"""What a library does to a batch, as one choice on each of a few axes, and the picks that follow, in plain loops.

More is said here than a composition can say: libraries close the bounds of their bands, ask each pair once, and
take things for a positive that are none. A rule answers with everything that may be picked, so that what is drawn by
lot can be compared too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch

from tripletscope.batch import Batch
from tripletscope.composition import AXES, Composition
from tripletscope.triplets import Triplets

#: Every axis with its values; the first is what an axis that is left out means.
VALUES: dict[str, tuple[str, ...]] = {
    "distance": ("euclidean", "squared-euclidean", "cosine"),
    "units": ("pair", "pair-once", "anchor"),
    "positive": ("all", "nearest", "farthest", "random", "random-hard"),
    "negative": ("nearest", "farthest", "random", "all"),
    "lower": ("none", "positive", "margin", "margin-open"),
    "upper": ("none", "positive", "positive-open", "farthest-positive", "margin", "margin-closed"),
    "fallback": ("none", "farthest", "random"),
    "lonely": ("no", "yes"),
    "itself": ("no", "yes"),
    "rescue": ("no", "yes"),
}

_MEANINGS: dict[tuple[str, str], str] = {
    ("distance", "euclidean"): "it measures plain distances, so the margin is another width",
    ("distance", "squared-euclidean"): "it measures squared distances, so the margin is another width",
    ("distance", "cosine"): "it measures cosine distances, so the margin is another width",
    ("units", "pair"): "it asks every anchor about every positive",
    ("units", "pair-once"): "it asks each pair once, with the lower slot as the anchor",
    ("units", "anchor"): "it asks every anchor once",
    ("positive", "all"): "it takes every positive in turn",
    ("positive", "nearest"): "it takes the anchor's nearest positive only",
    ("positive", "farthest"): "it takes the anchor's farthest positive only",
    ("positive", "random"): "it draws the anchor's positive by lot",
    (
        "positive",
        "random-hard",
    ): "it draws the positive among those farther than the nearest negative, if there are any",
    ("negative", "nearest"): "it takes the nearest negative that fits",
    ("negative", "farthest"): "it takes the farthest negative that fits",
    ("negative", "random"): "it draws by lot among the negatives that fit",
    ("negative", "all"): "it takes every negative that fits",
    ("lower", "none"): "it has no lower bound, so negatives nearer than the positive fit as well",
    ("lower", "positive"): "only negatives beyond the positive fit",
    ("lower", "margin"): "only negatives beyond the positive by at least the margin fit",
    ("lower", "margin-open"): "only negatives beyond the positive by more than the margin fit",
    ("upper", "none"): "it has no upper bound at the margin",
    ("upper", "positive"): "only negatives no farther than the positive fit",
    ("upper", "positive-open"): "only negatives nearer than the positive fit",
    ("upper", "farthest-positive"): "only negatives nearer than the anchor's farthest positive fit",
    ("upper", "margin"): "only negatives with a gap below the margin fit",
    ("upper", "margin-closed"): "a gap of exactly the margin still fits",
    ("fallback", "none"): "it abstains where nothing fits",
    ("fallback", "farthest"): "it falls back to the farthest negative where nothing fits",
    ("fallback", "random"): "it falls back to any negative, by lot, where nothing fits",
    ("lonely", "no"): "it leaves out an anchor that has no positive",
    ("lonely", "yes"): "it counts an anchor without a positive as one at d(a,p) = 0",
    ("itself", "no"): "an anchor is no positive of its own",
    ("itself", "yes"): "it takes the anchor for one of its own positives, which wins where all of them coincide",
    ("rescue", "no"): "a batch without a pick gives none",
    ("rescue", "yes"): "it puts in one arbitrary triplet where the batch gives none",
}


@dataclass(frozen=True)
class Rule:
    """One choice on every axis.

    Args:
        distance: in which it measures by default.
        units: what gets an answer: every (anchor, positive), each pair once (the lower slot is the anchor), or every
            anchor.
        positive: which positive an anchor takes; "all" with units of pairs. "random-hard" draws among the positives
            farther than the nearest negative, or among all where there are none.
        negative: which of the negatives that fit.
        lower: gaps that fit begin above 0 ("positive"), at the margin, or above it ("margin-open").
        upper: gaps that fit end at 0 ("positive"), before 0 ("positive-open"), before the gap 0 of the anchor's
            farthest positive ("farthest-positive"), before the margin, or at the margin ("margin-closed").
        fallback: which of all negatives where none fits; "none" abstains.
        lonely: whether an anchor without a positive is asked with d(a,p) = 0.
        itself: whether the anchor stands among its own positives.
        rescue: whether a batch without a pick gets one all the same: the last pair and its first negative.

    Example:
        >>> Rule(lower="positive", upper="margin").composition
        'pair:all, negative:nearest, lower:positive, upper:margin'
        >>> Rule(lower="positive", upper="margin-closed", negative="all").composition is None
        True
    """

    distance: str = "euclidean"
    units: str = "pair"
    positive: str = "all"
    negative: str = "nearest"
    lower: str = "none"
    upper: str = "none"
    fallback: str = "none"
    lonely: str = "no"
    itself: str = "no"
    rescue: str = "no"

    def __post_init__(self) -> None:
        for axis, value in self.choices.items():
            if value not in VALUES[axis]:
                raise ValueError(f"{axis} is {value!r}; choose from {VALUES[axis]}")
        if (self.units == "anchor") == (self.positive == "all"):
            raise ValueError("units of anchors choose one positive, units of pairs take all")

    @property
    def choices(self) -> dict[str, str]:
        """Axis -> value."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def composition(self) -> str | None:
        """The same as a composed strategy, where the axes of those can say it."""
        said = {axis: getattr(self, axis) for axis in ("negative", "lower", "upper", "fallback")}
        plain = self.units != "pair-once" and (self.lonely, self.itself, self.rescue) == ("no", "no", "no")
        known = all(value in AXES[axis] for axis, value in said.items()) and self.positive != "random-hard"
        return Composition(self.positive, **said).text if plain and known else None

    @property
    def draws(self) -> bool:
        """Whether chance has a part in it."""
        return any(value.startswith("random") for value in (self.positive, self.negative, self.fallback))

    def differing(self, other: Rule) -> list[str]:
        """The axes on which they are not alike."""
        return [axis for axis, value in self.choices.items() if value != other.choices[axis]]

    def taking(self, other: Rule, axes: tuple[str, ...]) -> Rule | None:
        """This rule with the other's choice on these axes; None where that makes no sense."""
        try:
            return replace(self, **{axis: getattr(other, axis) for axis in axes})
        except ValueError:
            return None


def meaning(axis: str, value: str) -> str:
    """What that choice does, as half a sentence.

    Example:
        >>> meaning("fallback", "farthest")
        'it falls back to the farthest negative where nothing fits'
    """
    return _MEANINGS[axis, value]


@dataclass(frozen=True)
class Answer:
    """What a rule says to one anchor and positive.

    Attributes:
        anchor: slot.
        positive: slot; the anchor's own where it stands for a positive at d(a,p) = 0.
        negatives: slots that may be picked, rising; empty where it abstains.
        drawn: whether one of them is drawn by lot; else all are picked.
        by: "rule", "fallback", "rescue", or "" where it abstains.
        likely: the chance that the anchor takes this positive.
    """

    anchor: int
    positive: int
    negatives: tuple[int, ...]
    drawn: bool
    by: str
    likely: float = 1.0


def answers(rule: Rule, batch: Batch, margin: float, anchor: int | None = None) -> list[Answer]:
    """What the rule says to everything that it asks about, by anchor and positive.

    The batch's own distances are used, whatever the rule measures in by default.

    Args:
        rule: what a library does.
        batch: of finite distances.
        margin: in their unit.
        anchor: the one slot that is asked about; None for all.

    Raises:
        DataError: a distance that is no finite number.

    Example:
        >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [1.5], [9.0]]), torch.tensor([0, 0, 1, 2]))
        >>> [(one.anchor, one.negatives) for one in answers(Rule(lower="positive", fallback="farthest"), batch, 1.0)]
        [(0, (2,)), (1, (3,))]
    """
    return _Loops(rule, batch, margin).answers(anchor)


class _Loops:
    """One rule on one batch."""

    def __init__(self, rule: Rule, batch: Batch, margin: float) -> None:
        batch.require_finite()
        self.rule = rule
        self.d = batch.distances.cpu().numpy()
        self.y = batch.labels.cpu().numpy()
        self.slots = np.arange(len(self.y))
        # The margin as a number of the distances' dtype, as everywhere else here.
        self.margin = self.d.dtype.type(margin)

    def answers(self, anchor: int | None) -> list[Answer]:
        # Whether a batch needs a rescue is known only when all have been asked.
        asked = self.slots.tolist() if anchor is None or self.rule.rescue == "yes" else [anchor]
        found = [answer for a in asked for answer in self._of_anchor(a)]
        if self.rule.rescue == "yes" and not any(answer.negatives for answer in found):
            found = list(self._rescued(found))
        return [answer for answer in found if anchor in (None, answer.anchor)]

    def _of_anchor(self, a: int) -> Iterator[Answer]:
        own = self.y == self.y[a]
        negatives = self.slots[~own]
        others = self.slots[own & (self.slots != a)]
        if not len(others):
            if self.rule.lonely == "yes" and len(negatives):
                yield self._answer(a, a, others, negatives, 1.0)
            return
        for p, likely in self._positives(a, self.slots[own] if self.rule.itself == "yes" else others, negatives):
            if self.rule.units != "pair-once" or a < p:
                yield self._answer(a, p, others, negatives, likely)

    def _positives(self, a: int, among: np.ndarray, negatives: np.ndarray) -> Iterator[tuple[int, float]]:
        row, rule = self.d[a], self.rule.positive
        if rule == "random-hard" and len(negatives):
            hard = among[row[among] > row[negatives].min()]
            among = hard if len(hard) else among
        if rule in ("nearest", "farthest"):
            yield _first(among, row if rule == "nearest" else -row), 1.0
        else:
            likely = 1.0 if rule == "all" else 1 / len(among)
            yield from ((p, likely) for p in among.tolist())

    def _answer(self, a: int, p: int, others: np.ndarray, negatives: np.ndarray, likely: float) -> Answer:
        row, rule = self.d[a], self.rule
        inside = negatives[self._fits(row[negatives] - row[p], row[negatives], row[others])]
        for taken, among, by in ((rule.negative, inside, "rule"), (rule.fallback, negatives, "fallback")):
            if taken != "none" and len(among):
                if taken in ("nearest", "farthest"):
                    return Answer(a, p, (_first(among, row if taken == "nearest" else -row),), False, by, likely)
                return Answer(a, p, tuple(among.tolist()), taken == "random" and len(among) > 1, by, likely)
        return Answer(a, p, (), False, "", likely)

    def _fits(self, gap: np.ndarray, d_an: np.ndarray, d_ap: np.ndarray) -> Any:
        lower = {
            "none": True,
            "positive": gap > 0,
            "margin": gap >= self.margin,
            "margin-open": gap > self.margin,
        }[self.rule.lower]
        upper = {
            "none": True,
            "positive": gap <= 0,
            "positive-open": gap < 0,
            "farthest-positive": d_an < (d_ap.max() if len(d_ap) else 0),
            "margin": gap < self.margin,
            "margin-closed": gap <= self.margin,
        }[self.rule.upper]
        return np.ones(len(gap), bool) & lower & upper

    def _rescued(self, found: list[Answer]) -> Iterator[Answer]:
        """The same, where the last pair of the highest class has the lowest negative."""
        asked = [answer for answer in found if (self.y != self.y[answer.anchor]).any()]
        last = max(asked, key=lambda answer: (self.y[answer.anchor], answer.anchor, answer.positive), default=None)
        for answer in found:
            if answer is last:
                first = int(self.slots[self.y != self.y[answer.anchor]][0])
                answer = replace(answer, negatives=(first,), by="rescue")
            yield answer


def _first(among: np.ndarray, values: np.ndarray) -> int:
    """The slot of the smallest value; the lowest slot among equals."""
    return int(among[values[among].argmin()])


def drawn(found: list[Answer], generator: torch.Generator | None = None) -> Triplets:
    """The triplets of one go: what is drawn by lot is drawn."""
    by_anchor: dict[int, list[Answer]] = {}
    for answer in found:
        by_anchor.setdefault(answer.anchor, []).append(answer)
    rows: list[tuple[int, int, int]] = []
    for options in by_anchor.values():
        if options[0].likely < 1:
            options = [options[_lot(len(options), generator)]]
        for answer in options:
            chosen = answer.negatives
            if answer.drawn:
                chosen = (chosen[_lot(len(chosen), generator)],)
            rows += [(answer.anchor, answer.positive, negative) for negative in chosen]
    columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
    return Triplets(*columns.T.contiguous())


def _lot(count: int, generator: torch.Generator | None) -> int:
    return int(torch.randint(count, (1,), generator=generator))


def smallest_causes(mine: Rule, theirs: Rule, same: Any) -> tuple[str, ...]:
    """The fewest axes on which `mine` must take over their choice for `same(rule)` to hold, in axis order.

    Args:
        mine: where to start.
        theirs: where to go.
        same: whether a rule says what theirs says; true for `theirs` itself.
    """
    axes = mine.differing(theirs)
    for count in range(1, len(axes) + 1):
        for chosen in combinations(axes, count):
            between = mine.taking(theirs, chosen)
            if between is not None and same(between):
                return chosen
    return tuple(axes)
