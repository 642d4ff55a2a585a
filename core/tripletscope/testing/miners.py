"""Checks for a miner of anybody: is it what it says it is, and does it survive what training will bring?

A miner is a function of embeddings and labels that answers with triplets of batch slots. `check_miner` shows it batches
whose answer is known and batches that hurt, and reports by name what it found. Nothing here needs a test runner.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.composition import is_composition, parse
from tripletscope.dialects import DIALECTS, answers
from tripletscope.distances import DISTANCES
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.strategies.base import STRATEGIES, Strategy
from tripletscope.testing import oracles
from tripletscope.testing.contract import unit_points
from tripletscope.triplets import Triplets

#: (embeddings, labels) -> `Triplets`, three columns of slots, or rows of (anchor, positive, negative).
Miner = Callable[[Tensor, Tensor], Any]
Picks = set[tuple[int, int, int]]
#: Two distances, or a gap and an edge, that differ by less than this may be told apart otherwise by another formula.
CLEAR = 2e-5


class Fault(Exception):
    """What is wrong with an answer, in a sentence."""


class NotSaid(Exception):
    """Why a check has nothing to compare with."""


class MinerError(AssertionError):
    """A miner that fails a check; the message is the report.

    Args:
        report: what was found.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(f"\n{report}")
        self.report = report


@dataclass(frozen=True)
class Outcome:
    """What became of one check: "passed", "failed" or "left out", and the reason."""

    name: str
    state: str
    words: str


@dataclass(frozen=True)
class Report:
    """What was found about a miner.

    Args:
        miner: how it is called.
        like: what it was compared with; "" for nothing.
        outcomes: one for each check.

    Example:
        >>> report = check_miner(wrap_strategy("batch-hard"), "batch-hard")
        >>> report.ok, report.failed, report.outcome("oracle").state
        (True, [], 'passed')
    """

    miner: str
    like: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [one.name for one in self.outcomes if one.state == "failed"]

    @property
    def ok(self) -> bool:
        """Whether none failed."""
        return not self.failed

    def outcome(self, name: str) -> Outcome:
        """What became of that check.

        Raises:
            UnknownNameError: no such check.
        """
        for one in self.outcomes:
            if one.name == name:
                return one
        raise UnknownNameError("check", name, CHECKS)

    def __str__(self) -> str:
        compared = f" compared with {self.like}" if self.like else ""
        width = max(map(len, CHECKS))
        rows = [f"  {one.state:<8}  {one.name:<{width}}  {one.words}" for one in self.outcomes]
        return "\n".join([f"{self.miner}{compared}: {len(self.failed)} of {len(rows)} checks failed", *rows])


@dataclass(frozen=True)
class Definition:
    """What a miner is held to.

    Args:
        name: for the report.
        allowed: (batch, margin) -> every triplet that may be picked.
        draws: whether chance has a part in it; else all that is allowed must be picked.
        per: what gets a pick: "pair", "anchor", or "" for whatever.
        unit: whether it is defined for vectors of length 1 only.
        chances: (batch, margin) -> the chance of each triplet, once its positive is drawn; None where none are known.
    """

    name: str
    allowed: Callable[[Batch, float], Picks]
    draws: bool = False
    per: str = ""
    unit: bool = False
    chances: Callable[[Batch, float], dict[tuple[int, int, int], float]] | None = None


def definition(like: str | Callable[[Batch, float], Picks], params: Mapping[str, float] | None = None) -> Definition:
    """What that name stands for, in plain loops.

    Args:
        like: a strategy, a composition, a dialect, or your own `(batch, margin) -> set of (a, p, n)`.
        params: of the strategy.

    Raises:
        UnknownNameError: no such strategy or dialect, or a strategy that has no plain-loop version here.

    Example:
        >>> definition("semi-hard").draws, definition("random").per, definition("siamese-triplet-semi-hard").draws
        (False, 'pair', True)
    """
    given = dict(params or {})
    if callable(like):
        return Definition(getattr(like, "__name__", "your own definition"), like)
    if like in DIALECTS:
        rule = DIALECTS.get(like).rule

        def said(batch: Batch, margin: float) -> Picks:
            return {(one.anchor, one.positive, n) for one in answers(rule, batch, margin) for n in one.negatives}

        # The lot may fall on a positive beyond which there is nothing.
        unsure = rule.positive.startswith("random") and rule.fallback == "none"
        per = "" if rule.negative == "all" or unsure else "anchor" if rule.units == "anchor" else "pair"
        return Definition(like, said, rule.draws, per)
    one = STRATEGIES.get(like)
    one.settings(1.0, given)
    if is_composition(like):
        made = parse(like)

        def composed(batch: Batch, margin: float) -> Picks:
            return set(oracles.composed_chances(batch, margin, made.choices))

        unsure = made.positive == "random" and made.bounded and made.fallback == "none"
        per = "" if unsure or made.granularity == "many" else made.granularity
        return Definition(made.text, composed, made.draws, per)
    if one.name not in oracles.ORACLES:
        raise UnknownNameError("plain-loop definition", like, oracles.ORACLES)
    oracle, chances = oracles.ORACLES[one.name], oracles.CHANCES.get(one.name)
    return Definition(
        one.name,
        lambda batch, margin: oracle(batch, margin, **given),
        one.stochastic,
        one.granularity if one.single else "",
        "unit" in one.needs,
        None if chances is None else lambda batch, margin: chances(batch, margin, **given),
    )


# ---- wrapping -------------------------------------------------------------------------------------------------------


def wrap_strategy(name: str, *, margin: float = 0.2, distance: str = "euclidean", **params: float) -> Miner:
    """A strategy, composition or dialect of ours as a miner.

    Example:
        >>> points, labels = torch.tensor([[0.0], [1.0], [1.1]]), torch.tensor([0, 0, 1])
        >>> wrap_strategy("semi-hard")(points, labels).to_set()
        {(0, 1, 2)}
    """
    one = DIALECTS.get(name) if name in DIALECTS else STRATEGIES.get(name)

    def mine(embeddings: Tensor, labels: Tensor) -> Triplets:
        batch = Batch.from_embeddings(embeddings, labels.long(), distance)
        if isinstance(one, Strategy):
            return one.pick(batch, margin=margin, generator=None, **params)
        return one.pick(batch, margin=margin)

    mine.__name__ = name
    return mine


def wrap_pytorch_metric_learning(miner: Callable[..., Any]) -> Miner:
    """A miner of pytorch-metric-learning as a miner for `check_miner`; its pairs of pairs become triplets.

    It answers with three columns, or with the kept pairs as four: then each kept positive of an anchor goes with each
    kept negative of that anchor, as its losses have it.

    Example:
        >>> def four_columns(embeddings, labels):
        ...     return torch.tensor([0]), torch.tensor([1]), torch.tensor([0, 0]), torch.tensor([2, 3])
        >>> wrap_pytorch_metric_learning(four_columns)(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1])).to_set()
        {(0, 1, 2), (0, 1, 3)}
    """

    def mine(embeddings: Tensor, labels: Tensor) -> Triplets:
        found = miner(embeddings, labels)
        if len(found) == 3:
            return Triplets(*found)
        first, positive, second, negative = found
        left, right = (first[:, None] == second).nonzero(as_tuple=True)
        return Triplets(first[left], positive[left], negative[right])

    mine.__name__ = type(miner).__name__ if not hasattr(miner, "__name__") else miner.__name__
    return mine


# ---- the checks -----------------------------------------------------------------------------------------------------


class Examination:
    """One miner, what it is held to, and the batches it is shown."""

    def __init__(
        self, miner: Miner, held_to: Definition | None, margin: float, distance: str, *, unit: bool, ties: str, per: str
    ) -> None:
        self.miner, self.held_to, self.margin, self.distance = miner, held_to, margin, distance
        self.unit, self.ties, self.per = unit, ties, per

    # -- asking

    def ask(self, points: Tensor, labels: Tensor, *, seed: int = 0, strict: bool = False) -> Picks:
        """The triplets, read; a Fault where they cannot be."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            rows = _columns(self.miner(points.clone(), labels.clone()), strict=strict)
        for column, name in zip(rows, ("anchor", "positive", "negative"), strict=True):
            if len(column) and not (column.min() >= 0 and column.max() < len(labels)):
                raise Fault(f"the {name}s run from {column.min()} to {column.max()} in a batch of {len(labels)}")
        found = list(zip(*(column.tolist() for column in rows), strict=True))
        return set(found)

    def batch(self, points: Tensor, labels: Tensor) -> Batch:
        """What the definition is given."""
        return Batch.from_embeddings(points, labels, self.distance)

    def allowed(self, points: Tensor, labels: Tensor) -> Picks:
        """What the definition says; NotSaid without one."""
        if self.held_to is None:
            raise NotSaid("name what it should be like")
        return self.held_to.allowed(self.batch(points, labels), self.margin)

    def shown(self, points: Tensor) -> Tensor:
        """The points, as long as the miner may see them: of length 1 where it scales or needs that."""
        return torch.nn.functional.normalize(points, dim=1) if self.unit else points

    def clear(self, classes: int, samples: int, *, dim: int = 6, seed: int = 0, longer: bool = False) -> Any:
        """A batch in which no two distances and no gap and edge are so close that rounding decides."""
        for again in range(400):
            points, labels = unit_points(classes, samples, dim=dim, spread=1.0, seed=1000 * seed + again)
            if longer and not self.unit:
                points = points * torch.linspace(0.7, 1.5, len(points))[:, None]
            points = self.shown(points)
            if _is_clear(self.batch(points.double(), labels), self.margin):
                return points, labels
        raise NotSaid("no batch was found whose answer is clear")

    def compare(self, points: Tensor, labels: Tensor, title: str, *, seeds: int = 3) -> None:
        """Nothing; a Fault where the answer is not the definition's."""
        wanted = self.allowed(points, labels)
        assert self.held_to is not None
        if not self.held_to.draws:
            self.same(self.ask(points, labels), wanted, title)
            return
        for seed in range(seeds):
            found = self.ask(points, labels, seed=seed)
            if not found <= wanted:
                raise Fault(f"{title}: {_first(found - wanted)} has no chance by the definition")
            unit = {"pair": 2, "anchor": 1}.get(self.per or self.held_to.per)
            if unit is not None:
                missing = {pick[:unit] for pick in wanted} - {pick[:unit] for pick in found}
                if missing:
                    raise Fault(f"{title}: {_first(missing)} has eligible negatives and got no triplet")

    def same(self, found: Picks, wanted: Picks, title: str) -> None:
        """Nothing; a Fault where the two sets differ."""
        if found != wanted:
            parts = []
            if found - wanted:
                parts.append(f"{len(found - wanted)} triplets too many, such as {_first(found - wanted)}")
            if wanted - found:
                parts.append(f"{len(wanted - found)} missing, such as {_first(wanted - found)}")
            raise Fault(f"{title}: {' and '.join(parts)}, of {len(wanted)}")

    @property
    def draws(self) -> bool:
        """Whether chance has a part in it."""
        if self.held_to is not None:
            return self.held_to.draws
        points, labels = self.clear(4, 4)
        return any(self.ask(points, labels, seed=seed) != self.ask(points, labels) for seed in (1, 2))

    # -- batches that hurt

    def hurting(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Batches by what is wrong with them."""
        points, labels = unit_points(4, 4)
        uneven = torch.tensor([0] * 7 + [1] * 2 + [2] + [3] * 6)
        return {
            "an ordinary batch": (points, labels),
            "classes of 7, 2, 1 and 6": (points, uneven),
            "pairs of equal points": (points[:8].repeat(2, 1), labels),
            "everything near one point": (torch.nn.functional.normalize(points[:1] + 1e-3 * points, dim=1), labels),
            "everything on one point": (points[:1].repeat(16, 1), labels),
            "two samples of two classes": (points[:2], torch.tensor([3, 4])),
        }

    # -- checks, one each

    def types(self) -> str:
        """Three columns of int64 slots, equally long, inside the batch."""
        for title, (points, labels) in self.hurting().items():
            try:
                self.ask(points, labels, strict=True)
            except Fault as fault:
                raise Fault(f"{title}: {fault}") from None
        return "three int64 columns of slots, equally long"

    def labels(self) -> str:
        """Positives share the anchor's label, negatives do not."""
        for title, (points, labels) in self.hurting().items():
            for a, p, n in self.ask(points, labels):
                if labels[a] != labels[p]:
                    raise Fault(f"{title}: the positive of {(a, p, n)} is of another class")
                if labels[a] == labels[n]:
                    raise Fault(f"{title}: the negative of {(a, p, n)} is of the anchor's class")
        return "positives of the anchor's class, negatives of others"

    def never_itself(self) -> str:
        """No anchor is its own positive, also where points coincide."""
        for title, (points, labels) in self.hurting().items():
            own = [pick for pick in self.ask(points, labels) if pick[0] == pick[1]]
            if own:
                raise Fault(f"{title}: {len(own)} anchors are their own positive, such as {own[0]}")
        return "no anchor is its own positive"

    def repeatable(self) -> str:
        """One seed of torch, one answer."""
        points, labels = self.clear(4, 4)
        if self.ask(points, labels, seed=7) != self.ask(points, labels, seed=7):
            raise Fault("the same batch under the same torch.manual_seed has two answers")
        return "one seed, one answer"

    def inputs_untouched(self) -> str:
        """What it is given stays as it was, and may need a gradient."""
        points, labels = unit_points(4, 4)
        given, named = points.clone().requires_grad_(), labels.clone()
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.miner(given, named)
        if not (torch.equal(given.detach(), points) and torch.equal(named, labels)):
            raise Fault("the embeddings or the labels were written to")
        return "nothing is written to, and a gradient is no obstacle"

    def label_types(self) -> str:
        """Labels of another dtype, large or negative ones are the same classes."""
        points, labels = self.clear(4, 4)
        plain = self.ask(points, labels)
        for title, other in {
            "uint8 labels": labels.to(torch.uint8),
            "int32 labels": labels.to(torch.int32),
            "labels from 2**24 on": labels + 2**24,
            "labels beyond 2**40 and below 0": labels * 2**40 - 2**41,
        }.items():
            try:
                found = self.ask(points, other, strict=True)
            except Fault as fault:
                raise Fault(f"{title}: {fault}") from None
            if self.draws:
                if any(labels[a] != labels[p] or labels[a] == labels[n] for a, p, n in found):
                    raise Fault(f"{title}: classes were mixed up")
            else:
                self.same(found, plain, title)
        return "dtype and size of a label play no part"

    def permutation(self) -> str:
        """Another order of the batch renames the slots and changes nothing else."""
        points, labels = self.clear(4, 5, seed=1)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(5))
        if self.held_to is not None:
            self.compare(points[order], labels[order], "in another order")
        elif self.draws:
            raise NotSaid("it draws, and nothing says among what")
        else:
            name = order.tolist()
            found = {(name[a], name[p], name[n]) for a, p, n in self.ask(points[order], labels[order])}
            self.same(found, self.ask(points, labels), "in another order")
        return "the order of the batch plays no part"

    def single_class(self) -> str:
        """A batch of one class has no triplet."""
        points, labels = unit_points(4, 4)
        return self.nothing(points, torch.zeros_like(labels), "of one class")

    def singletons(self) -> str:
        """A batch in which no label comes twice has no triplet."""
        points, _ = unit_points(4, 4)
        return self.nothing(points, torch.arange(16), "in which no label comes twice")

    def nothing(self, points: Tensor, labels: Tensor, title: str) -> str:
        """The words for a batch without a triplet; a Fault where one is found."""
        found = self.ask(points, labels)
        if found:
            raise Fault(f"{len(found)} triplets in a batch {title}, such as {_first(found)}")
        return f"no triplet in a batch {title}"

    def nan_row(self) -> str:
        """A sample whose embedding is NaN is never picked."""
        slot, points, labels = self.with_nan()
        try:
            found = self.ask(points, labels)
        except Fault:
            raise
        except Exception as refusal:
            return f"refused: {type(refusal).__name__}"
        for place, name in ((2, "negative"), (1, "positive"), (0, "anchor")):
            among = {pick[0] for pick in found if pick[place] == slot}
            if among:
                whose = "an anchor" if place == 0 else f"the {name} of {len(among)} of {len(labels)} anchors"
                raise Fault(f"slot {slot}, whose embedding is NaN, is {whose}")
        return f"slot {slot}, whose embedding is NaN, is never picked"

    def nan_named(self) -> str:
        """A sample whose embedding is NaN is named, by an exception or a warning."""
        slot, points, labels = self.with_nan()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                self.miner(points, labels)
                said = " ".join(str(one.message) for one in heard)
            except Exception as refusal:
                said = str(refusal)
        if str(slot) not in said:
            raise Fault(f"slot {slot}, whose embedding is NaN, is passed over in silence: nobody learns of it")
        return f"slot {slot} is named"

    def with_nan(self) -> tuple[int, Tensor, Tensor]:
        """A slot, and a batch in which its embedding is NaN."""
        points, labels = unit_points(8, 4)
        points[29] = math.nan
        return 29, points, labels

    def oracle(self) -> str:
        """On ordinary batches it picks what the definition says."""
        shapes = [(4, 4), (2, 3), (3, 5), (8, 2)]
        for seed, (classes, samples) in enumerate(shapes):
            for longer in (False, True):
                points, labels = self.clear(classes, samples, seed=seed, longer=longer)
                size = " of any length" if longer and not self.unit else ""
                self.compare(points, labels, f"{classes} classes of {samples}, vectors{size}")
        points, labels = self.clear(4, 4, seed=9)
        self.compare(points, torch.tensor([0] * 7 + [1] * 2 + [2] + [3] * 6), "classes of 7, 2, 1 and 6")
        return "the same triplets as the definition, as a set"

    def chances(self) -> str:
        """What is drawn is drawn as often as the definition says."""
        if self.held_to is None or self.held_to.chances is None:
            raise NotSaid("nothing says how likely a triplet is")
        points, labels = self.clear(3, 3)
        expected = self.held_to.chances(self.batch(points, labels), self.margin)
        seen: dict[tuple[int, int, int], int] = {}
        times: dict[tuple[int, int], int] = {}
        for seed in range(200):
            for pick in self.ask(points, labels, seed=seed):
                seen[pick] = seen.get(pick, 0) + 1
                times[pick[:2]] = times.get(pick[:2], 0) + 1
        for pick, chance in expected.items():
            mean = times.get(pick[:2], 0) * chance
            if abs(seen.get(pick, 0) - mean) > 6 * math.sqrt(mean * (1 - chance)) + 1:
                raise Fault(f"{pick} came {seen.get(pick, 0)} times of {times.get(pick[:2], 0)}, expected {mean:.0f}")
        return "in 200 draws each came as often as it should"

    def equals(self) -> str:
        """Among equals, the lowest slot; with ties="any", one of them."""
        points, labels = self.clear(4, 4, seed=2)
        twin = torch.tensor([1, 5, 9, 13, 2])
        points = torch.cat([points, points[twin]])
        # Four twins of their own class, and one of another: as far as a positive, and hard.
        labels = torch.cat([labels, labels[twin[:4]], (labels[twin[4:]] + 1) % 4])
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
        points, labels = points[order], labels[order]
        first = [int((points == row).all(dim=1).nonzero()[0, 0]) for row in points]
        alone = {slot for slot in range(len(labels)) if first.count(first[slot]) == 1}
        wanted = {pick for pick in self.allowed(points, labels) if pick[0] in alone}
        found = {pick for pick in self.ask(points, labels) if pick[0] in alone}
        assert self.held_to is not None
        if self.held_to.draws:
            if not found <= wanted:
                raise Fault(f"{_first(found - wanted)} has no chance by the definition")
            return "what is drawn may be drawn"
        if self.ties == "any":
            # Of those on one point, any positive stands for the others, and any negative.
            def stand(a: int, slot: int) -> int:
                alike = (k for k in range(len(labels)) if first[k] == first[slot])
                return next(k for k in alike if (labels[k] == labels[a]) == (labels[slot] == labels[a]))

            def folded(picks: Picks) -> Picks:
                return {(a, stand(a, p), stand(a, n)) for a, p, n in picks}

            found, wanted = folded(found), folded(wanted)
        self.same(found, wanted, "with equally far samples")
        return "the lowest slot among equals" if self.ties == "lowest" else "one among equals"

    def edges(self) -> str:
        """A gap of exactly 0 and one of exactly the margin fall on the right side."""
        if self.unit or self.distance == "cosine":
            raise NotSaid("no vectors of length 1 have a gap of exactly the margin")
        edge = np.float32(self.margin)
        at = edge
        if self.distance == "squared-euclidean":
            near = [np.float32(math.sqrt(float(edge)) * (1 + step * 2.0**-24)) for step in range(-8, 9)]
            exact = [value for value in near if np.float32(value * value) == edge]
            if not exact:
                raise NotSaid("no number has exactly the margin for its square")
            at = exact[0]
        # The anchor and its positive at 0; negatives at 0, inside, at the margin, and beyond.
        places = torch.tensor([0.0, 0.0, 3.0 * float(at), float(at), 0.5 * float(at), 0.0])[:, None]
        points = torch.cat([places, torch.zeros_like(places)], dim=1)
        for labels in (torch.tensor([0, 0, 1, 2, 3, 4]), torch.tensor([0, 0, 1, 2, 3, 3])):
            for kept in ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3], [0, 1, 2, 5], [0, 1, 3, 5]):
                title = f"negatives at {', '.join(_AT[slot] for slot in kept[2:])}"
                self.compare(points[kept], labels[kept], title)
        return "a gap of 0 and of the margin fall on the right side"

    def collapsed_order(self) -> str:
        """On a batch that has shrunk to 1e-3 around a point, the order of distances survives."""
        points, labels = unit_points(8, 4, dim=16, spread=1.0, seed=4)
        near = torch.nn.functional.normalize(points[:1] + 1e-3 * points, dim=1)
        wanted, found = self.allowed(near.double(), labels), self.ask(near, labels)
        assert self.held_to is not None
        whole = len(found) if self.held_to.draws else len(found | wanted)
        right = len(found & wanted)
        if right < 0.9 * whole:
            raise Fault(f"{whole - right} of {whole} triplets are wrong: distances of close points lost their digits")
        return "close points keep their order"

    def large_dimension(self) -> str:
        """In 256 and 512 dimensions every anchor that has eligible negatives gets a triplet."""
        for dim in (64, 256, 512):
            points, labels = unit_points(16, 4, dim=dim, spread=0.3, seed=3)
            # One confusable pair of classes among many that are far apart.
            points[labels == 1] = torch.nn.functional.normalize(points[labels == 0] + 1e-3, dim=1)
            wanted = {pick[0] for pick in self.allowed(points, labels)}
            missing = wanted - {pick[0] for pick in self.ask(points, labels)}
            if missing:
                raise Fault(
                    f"in {dim} dimensions only {len(wanted) - len(missing)} of {len(wanted)} anchors with eligible "
                    "negatives got a triplet"
                )
        return "every anchor with eligible negatives got a triplet in 64, 256 and 512 dimensions"


_AT = {2: "three margins", 3: "the margin", 4: "half the margin", 5: "0"}

#: Every check by name, in the order of the report.
CHECKS: dict[str, Callable[[Examination], str]] = {
    "types": Examination.types,
    "labels": Examination.labels,
    "never-itself": Examination.never_itself,
    "repeatable": Examination.repeatable,
    "inputs-untouched": Examination.inputs_untouched,
    "label-types": Examination.label_types,
    "permutation": Examination.permutation,
    "single-class": Examination.single_class,
    "singletons": Examination.singletons,
    "nan-row": Examination.nan_row,
    "nan-named": Examination.nan_named,
    "oracle": Examination.oracle,
    "chances": Examination.chances,
    "equals": Examination.equals,
    "edges": Examination.edges,
    "collapsed-order": Examination.collapsed_order,
    "large-dimension": Examination.large_dimension,
}


def check_miner(
    miner: Miner,
    like: str | Callable[[Batch, float], Picks] | None = None,
    *,
    margin: float = 0.2,
    distance: str = "euclidean",
    params: Mapping[str, float] | None = None,
    unit: bool = False,
    ties: str = "lowest",
    per: str = "",
    leave_out: Iterable[str] = (),
    raises: bool = True,
) -> Report:
    """The report about a miner, when it passes every check.

    Args:
        miner: `(embeddings, labels) -> triplets`: our `Triplets`, three columns of slots, or rows of three. What it
            draws must follow torch's global generator.
        like: what it should pick: the name of a strategy, a composition or a dialect, or your own definition in plain
            loops, `(batch, margin) -> set of (anchor, positive, negative)`. None leaves out what needs one.
        margin: that the miner was made with.
        distance: that it measures in.
        params: of the strategy that it is like.
        unit: show it vectors of length 1 only, because it needs them or makes them itself.
        ties: "lowest" if it takes the lowest slot among equals, "any" if that is left open.
        per: "anchor" if it owes a triplet to every anchor only, where the definition has one for every pair.
        leave_out: names of checks.
        raises: whether a failed check is an exception; else the report tells.

    Raises:
        MinerError: a check failed; the message is the report, which it holds as `report`.
        UnknownNameError: no such strategy, dialect, distance or check.
        SettingError: a margin, `ties` or `per` that makes no sense.

    Example:
        >>> def lazy(embeddings, labels):  # takes the first of each, whatever the distance
        ...     same = labels[:, None] == labels
        ...     return torch.arange(len(labels)), same.int().argmax(dim=1), (~same).int().argmax(dim=1)
        >>> check_miner(lazy, like="batch-hard", raises=False).failed[:3]
        ['never-itself', 'permutation', 'single-class']
    """
    left_out = list(leave_out)
    for name in left_out:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    if ties not in ("lowest", "any") or per not in ("", "anchor", "pair"):
        raise SettingError(f"ties is {ties!r} and per {per!r}; ties is 'lowest' or 'any', per is 'anchor' or 'pair'.")
    STRATEGIES.get("random").settings(margin, {})
    measured = DISTANCES.get(distance).name
    held_to = None if like is None else definition(like, params)
    scaled = unit or (held_to is not None and held_to.unit)
    examined = Examination(miner, held_to, margin, measured, unit=scaled, ties=ties, per=per)
    outcomes = [
        Outcome(name, "left out", "as asked") if name in left_out else _outcome(name, check, examined)
        for name, check in CHECKS.items()
    ]
    title = str(getattr(miner, "__name__", type(miner).__name__))
    report = Report(title, held_to.name if held_to else "", tuple(outcomes))
    if raises and not report.ok:
        raise MinerError(report)
    return report


def _outcome(name: str, check: Callable[[Examination], str], examined: Examination) -> Outcome:
    try:
        return Outcome(name, "passed", check(examined))
    except NotSaid as reason:
        return Outcome(name, "left out", str(reason))
    except Fault as fault:
        return Outcome(name, "failed", str(fault))
    except Exception as error:  # a miner of anybody may raise anything, which is an answer too
        return Outcome(name, "failed", f"raised {type(error).__name__}: {str(error).splitlines()[:1]}")


def _columns(answer: Any, *, strict: bool) -> list[np.ndarray]:
    """Anchor, positive and negative as columns; a Fault where the answer is something else."""
    if isinstance(answer, Triplets):
        answer = (answer.anchor, answer.positive, answer.negative)
    given = list(answer)
    columnar = len(given) == 3 and all(isinstance(one, Tensor | np.ndarray) and one.ndim == 1 for one in given)
    if not columnar:
        rows = np.array([list(row) for row in given])
        if not len(rows):
            rows = np.zeros((0, 3), np.int64)
        if rows.ndim != 2 or rows.shape[1] != 3:
            raise Fault(f"the answer is neither three columns nor rows of three, but of shape {rows.shape}")
        given = list(rows.T)
    columns = [one.detach().cpu().numpy() if isinstance(one, Tensor) else one for one in given]
    if len({len(column) for column in columns}) > 1:
        raise Fault(f"the columns have {', '.join(str(len(column)) for column in columns)} entries")
    for column, name in zip(columns, ("anchor", "positive", "negative"), strict=True):
        if (strict or len(column)) and not np.issubdtype(column.dtype, np.integer):
            raise Fault(f"the {name}s are {column.dtype}, not int64")
        if strict and column.dtype != np.int64:
            raise Fault(f"the {name}s are {column.dtype}, not int64")
    return columns


def _is_clear(batch: Batch, margin: float) -> bool:
    """Whether neither a row's distances nor any gap is within rounding of an edge."""
    d = batch.distances.numpy()
    off = d[~np.eye(len(d), dtype=bool)].reshape(len(d), -1)
    steps = np.diff(np.sort(off, axis=1), axis=1)
    gap = d[:, None, :] - d[:, :, None]  # (a, p, n)
    eligible = batch.positive_mask.numpy()[:, :, None] & batch.negative_mask.numpy()[:, None, :]
    close = np.minimum(np.abs(gap), np.abs(gap - margin))[eligible]
    return bool(steps.min() > CLEAR and (not close.size or close.min() > CLEAR))


def _first(picks: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return min(picks)
