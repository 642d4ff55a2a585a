"""What a strategy is: one function under one decorator that says everything lists, checks and docs need to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.errors import SettingError
from tripletscope.registry import Parameter, Registry, settled
from tripletscope.triplets import ZONES, Triplets

__all__ = ["STRATEGIES", "Granularity", "Parameter", "Strategy", "many", "strategy"]

Granularity = Literal["pair", "anchor", "batch", "many", "all"]
NEEDS = ("unit", "dim", "embeddings")
# Beyond this many triplets (three int64 tensors of 128 MiB) a single answer helps nobody.
MOST_TRIPLETS = 2**24
UNSAID = "it does not say what it picks where some negatives of a pair are left out"


@dataclass(frozen=True)
class Strategy:
    """A mining strategy: which triplets of a batch to learn from.

    Made by the `strategy` decorator. Call it with distances and labels, or `pick` from a `Batch` that several
    strategies share.

    Example:
        >>> from tripletscope import strategies
        >>> distances = torch.tensor([[0.0, 1.0, 1.1], [1.0, 0.0, 3.0], [1.1, 3.0, 0.0]])
        >>> strategies.get("semi-hard")(distances, torch.tensor([5, 5, 8]), margin=0.2).to_set()
        {(0, 1, 2)}
    """

    name: str
    title: str
    summary: str
    source: str
    order: int
    zones: tuple[str, ...]
    granularity: Granularity
    params: tuple[Parameter, ...]
    needs: tuple[str, ...]
    function: Callable[..., Triplets]
    probability_function: Callable[..., Tensor] | None = None
    stream_function: Callable[..., Iterator[Triplets]] | None = None
    notes: str = ""
    advice: str = ""
    fallback: str = ""
    rowwise: bool = False
    choice: str = ""
    misfit_function: Callable[..., str] | None = None
    loss: str = "triplet"
    second: bool = False
    unfiltered: str = UNSAID

    @property
    def listed(self) -> bool:
        """Whether a run lists its picks row by row; those of the others grow too many, and are counted."""
        return self.granularity in ("pair", "anchor", "batch")

    @property
    def single(self) -> bool:
        """Whether it picks one negative at most for a pair, or for an anchor, so that each of them has its answer."""
        return self.granularity in ("pair", "anchor")

    @property
    def stochastic(self) -> bool:
        """Whether picks are drawn by chance, so that they need a generator and have probabilities."""
        return self.probability_function is not None

    def __call__(
        self,
        distances: Float[Tensor, "B B"],
        labels: Int[Tensor, " B"],
        *,
        margin: float,
        generator: torch.Generator | None = None,
        distance: str = "euclidean",
        dim: int | None = None,
        embeddings: Float[Tensor, "B D"] | None = None,
        **params: float,
    ) -> Triplets:
        """The picks from these distances.

        Args:
            distances: smaller is closer.
            labels: the class of each slot.
            margin: above 0, in the unit of the distance.
            generator: a CPU generator for strategies that draw; without one they use torch's global generator.
            distance: which distance it is, by name.
            dim: dimension of the embeddings, where the strategy needs it.
            embeddings: the points themselves, where the strategy needs them.
            **params: the strategy's own parameters.

        Raises:
            SettingError: a value out of its range, or a need that the batch does not meet.
            UnknownNameError: a parameter that the strategy does not have.
        """
        batch = Batch(distances, labels, distance=distance, dim=dim, embeddings=embeddings)
        self.check(batch)
        return self.pick(batch, margin=margin, generator=generator, **params)

    def pick(
        self, batch: Batch, *, margin: float, generator: torch.Generator | None = None, **params: float
    ) -> Triplets:
        """The picks from a batch; no eligible triplet gives none, which is no error.

        Raises:
            SettingError: a value out of its range; more than 2**24 triplets.
            UnknownNameError: a parameter that the strategy does not have.
            DataError: a distance that is no finite number, naming the slot at fault.
        """
        settings = self.settings(margin, params)
        self._require_filterable(batch)
        batch.require_finite()
        if not batch.n_pairs:
            return Triplets.empty(batch.device)
        return self.function(batch, margin=margin, generator=generator, **settings)

    def stream(
        self, batch: Batch, *, margin: float, generator: torch.Generator | None = None, **params: float
    ) -> Iterator[Triplets]:
        """The same picks in parts of at most about a million; most strategies need only one part."""
        settings = self.settings(margin, params)
        if self.stream_function is None:
            yield self.pick(batch, margin=margin, generator=generator, **settings)
        else:
            self._require_filterable(batch)
            batch.require_finite()
            yield from self.stream_function(batch, margin=margin, generator=generator, **settings)

    def _require_filterable(self, batch: Batch) -> None:
        """Nothing, unless candidates were filtered that this strategy would look at all the same."""
        if batch.floors is not None and self.unfiltered:
            raise SettingError(f"{self.name!r} cannot be filtered, for {self.unfiltered}: choose another strategy.")

    def units(self, batch: Batch) -> int:
        """How many were to get a pick: pairs, anchors with a positive, or one batch that has a pair.

        What is missing has abstained.
        """
        if self.granularity in ("anchor", "many"):
            return int(batch.has_positive.sum())
        return min(1, batch.n_pairs) if self.granularity == "batch" else batch.n_pairs

    def abstained(self, batch: Batch, triplets: Triplets) -> int:
        """For how many of its units the strategy picked nothing."""
        if self.granularity in ("anchor", "many"):
            return self.units(batch) - int(torch.unique(triplets.anchor).shape[0])
        if self.granularity == "batch":
            return self.units(batch) - min(1, len(triplets))
        unit = triplets.anchor * batch.size + triplets.positive
        return self.units(batch) - int(torch.unique(unit).shape[0])

    def probabilities(
        self,
        batch: Batch,
        anchor: Int[Tensor, " A"],
        positive: Int[Tensor, " A"],
        *,
        margin: float,
        **params: float,
    ) -> Float[Tensor, "A B"]:
        """For each anchor and positive the chance of every slot to be the negative; a row of 0 where it abstains.

        Raises:
            SettingError: for a strategy that does not draw.
        """
        if self.probability_function is None:
            raise SettingError(f"{self.name!r} does not draw by chance, so it has no probabilities; use pick().")
        settings = self.settings(margin, params)
        self._require_filterable(batch)
        if not anchor.shape[0]:
            return batch.distances.new_zeros(0, batch.size)
        return self.probability_function(batch, anchor, positive, margin=margin, **settings)

    def check(self, batch: Batch) -> None:
        """Nothing, if the batch has what this strategy needs.

        Raises:
            SettingError: naming what is missing. Unit vectors are ruled out by embeddings or by distances beyond
                the sphere's diameter; where neither tells, the caller is believed.
        """
        if "embeddings" in self.needs and batch.embeddings is None:
            raise SettingError(f"{self.name!r} looks at the points themselves; pass embeddings=.")
        if "unit" in self.needs and batch.unit_norm is False:
            raise SettingError(
                f"{self.name!r} is defined for vectors of length 1, and these are not; "
                "normalise the embeddings or choose another strategy."
            )
        if "dim" in self.needs and (batch.dim is None or batch.dim < 2):
            raise SettingError(
                f"{self.name!r} needs the dimension of the embeddings, at least 2, and got {batch.dim}; pass dim=."
            )

    def misfit(self, classes: int, samples: int, params: Mapping[str, float]) -> str:
        """Why it can never pick anything in batches of so many classes of so many samples; "" where it can."""
        if self.misfit_function is None:
            return ""
        return self.misfit_function(classes, samples, **self.settings(1.0, dict(params)))

    def settings(self, margin: float, params: dict[str, float]) -> dict[str, float]:
        """Every parameter with its value, checked against its bounds; the margin is checked with them."""
        if not (math.isfinite(margin) and margin > 0):
            raise SettingError(f"The margin is {margin}; it must be a number above 0, in the unit of the distance.")
        return settled(self.name, self.params, params)

    def describe(self) -> dict[str, Any]:
        """What lists, menus and a run's config.json need to know, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "source": self.source,
            "order": self.order,
            "zones": list(self.zones),
            "granularity": self.granularity,
            "stochastic": self.stochastic,
            "params": [vars(parameter) for parameter in self.params],
            "needs": list(self.needs),
            "choice": self.choice,
            "loss": self.loss,
            **({"second": True} if self.second else {}),
        }


STRATEGIES: Registry[Strategy] = Registry("strategy", group="tripletscope.strategies")


def strategy(
    *,
    name: str,
    title: str,
    summary: str,
    source: str,
    order: int,
    zones: set[str],
    granularity: Granularity,
    params: tuple[Parameter, ...] = (),
    needs: frozenset[str] | set[str] = frozenset(),
    probabilities: Callable[..., Tensor] | None = None,
    stream: Callable[..., Iterator[Triplets]] | None = None,
    notes: str = "",
    advice: str = "",
    fallback: str = "",
    rowwise: bool = False,
    choice: str = "",
    misfit: Callable[..., str] | None = None,
    loss: str = "triplet",
    second: bool = False,
    unfiltered: str = UNSAID,
) -> Callable[[Callable[..., Triplets]], Strategy]:
    """A decorator that turns `(batch, *, margin, generator, **params) -> Triplets` into a registered `Strategy`.

    Args:
        name: lower-case with hyphens; the same in code, URL, CSV and docs.
        title: for menus.
        summary: one line, with a full stop.
        source: paper, section, equation.
        order: place in lists.
        zones: where its picks may lie, out of `ZONES`.
        granularity: "pair" (one pick at most for every anchor and positive), "anchor" (one for every anchor), "batch"
            (one for the whole batch), "many" (a pair may have several negatives) or "all" (every eligible triplet).
        params: its own parameters.
        needs: out of "unit" (vectors of length 1), "dim" and "embeddings".
        probabilities: for a strategy that draws, `(batch, anchor, positive, *, margin, **params) -> (A, B)`.
        stream: yields the picks in parts, for a strategy whose picks may not fit in memory.
        notes: Markdown for docs/strategies.md: the definition as a formula, ties, when it abstains, departures.
        advice: Markdown for the same page: when to use it and how it fails, each claim with where it comes from.
        rowwise: whether its picks for an anchor follow from that anchor's own row of distances, by comparisons alone
            (no sums or logarithms, which round by the size of what they are given). Then it can be asked about one
            anchor at many frames at once; the tests hold it to that.
        choice: why this negative, in a few words that follow "picks this 9, ": "the nearest negative"; "" says nothing.
        fallback: what it takes where nothing fits its rule, in a few words; "" for one that abstains then.
        misfit: `(classes, samples, **params) -> str`: why it can never pick in batches of that shape, or "". So a run
            is refused before it starts.
        loss: name of the loss that its paper trains with, out of `tripletscope.losses`; a run uses it when this
            strategy trains and nobody chose another.
        second: whether its picks have a second negative (`Triplets.negative2`).
        unfiltered: why its candidates cannot be filtered pair by pair (`Batch.floors`), as the end of a sentence; ""
            for a strategy that picks from a filtered batch what it would pick if those negatives were not there.

    Raises:
        ValueError: for a zone, granularity or need that does not exist, or a name taken before.
    """
    if not zones or not zones <= set(ZONES):
        raise ValueError(f"zones of {name!r} are {sorted(zones)}; choose from {ZONES}")
    if granularity not in get_args(Granularity):
        raise ValueError(f"granularity of {name!r} is {granularity!r}; choose one of {get_args(Granularity)}")
    if not needs <= set(NEEDS):
        raise ValueError(f"needs of {name!r} are {sorted(needs)}; choose from {NEEDS}")

    def made(function: Callable[..., Triplets]) -> Strategy:
        return STRATEGIES.register(
            Strategy(
                name=name,
                title=title,
                summary=summary,
                source=source,
                order=order,
                zones=tuple(zone for zone in ZONES if zone in zones),
                granularity=granularity,
                params=params,
                needs=tuple(need for need in NEEDS if need in needs),
                function=function,
                probability_function=probabilities,
                stream_function=stream,
                notes=notes.strip(),
                advice=advice.strip(),
                fallback=fallback,
                rowwise=rowwise,
                choice=choice,
                misfit_function=misfit,
                loss=loss,
                second=second,
                unfiltered=unfiltered,
            )
        )

    return made


def gathering(name: str, stream: Callable[..., Iterator[Triplets]]) -> Callable[..., Triplets]:
    """A function that gives what the stream yields as one answer, and refuses to hold more than 2**24 triplets."""

    def gathered(batch: Batch, **settings: Any) -> Triplets:
        parts, total = [Triplets.empty(batch.device)], 0
        for part in stream(batch, **settings):
            total += len(part)
            if total > MOST_TRIPLETS:
                raise SettingError(
                    f"{name!r} picks more than {MOST_TRIPLETS:,} triplets from a batch of {batch.size:,}: read them "
                    "with stream() or choose a smaller batch."
                )
            parts.append(part)
        return Triplets.concatenate(parts[1:] or parts)

    return gathered


def many(**record: Any) -> Callable[[Callable[..., Iterator[Triplets]]], Strategy]:
    """A decorator for a strategy that may give a pair several negatives: it yields its picks in parts.

    `record` is what `strategy` takes, without granularity and stream. Called for one answer, it refuses to hold more
    than 2**24 triplets; read as a stream it does not mind.
    """

    def made(stream: Callable[..., Iterator[Triplets]]) -> Strategy:
        return strategy(granularity="many", stream=stream, **record)(gathering(record["name"], stream))

    return made
