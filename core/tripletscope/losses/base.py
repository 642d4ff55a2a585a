"""What a loss is: a function of the picks under one decorator that says everything lists, checks and docs need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.distances import is_unit_norm
from tripletscope.errors import SettingError
from tripletscope.registry import Parameter, Registry, settled
from tripletscope.triplets import Triplets

TRIPLET = "triplet"  # of every strategy that names no other


@dataclass(frozen=True)
class Learning:
    """What a loss sees of one step.

    Args:
        distances: smaller is closer, with their graph.
        labels: class of each slot.
        triplets: the picks, by slot; None for all eligible ones, which nobody lists.
        margin: in the unit of the distances.
        distance: which distance it is, by name.
        soft: ln(1 + exp(-gap)) instead of max(0, margin - gap).
        embeddings: the points, with their graph, for a loss that looks beyond distances.
        centres: one point for every label, with their graph, for a loss that learns them.
    """

    distances: Float[Tensor, "B B"]
    labels: Int[Tensor, " B"]
    triplets: Triplets | None
    margin: float
    distance: str = "euclidean"
    soft: bool = False
    embeddings: Float[Tensor, "B D"] | None = None
    centres: Float[Tensor, "C D"] | None = None

    @property
    def listed(self) -> Triplets:
        """The picks, for a loss of listed ones."""
        assert self.triplets is not None, "a loss of listed picks was asked about all triplets"
        return self.triplets


@dataclass(frozen=True)
class Cost:
    """What a step costs.

    Args:
        mean: over the picks, each by its weight; 0 with zero gradients where there are none.
        active: how many picks have a part in the gradient; None where those with gap < margin have.
        unlisted: (d_ap, d_an) of what was learnt from, where its positives and negatives are no samples.
    """

    mean: Float[Tensor, ""]
    active: int | None = None
    unlisted: tuple[Float[Tensor, " T"], Float[Tensor, " T"]] | None = None


@dataclass(frozen=True)
class Loss:
    """A loss: what the picks of a step cost. Made by the `loss` decorator.

    Example:
        >>> from tripletscope.losses import LOSSES
        >>> LOSSES.get("sct").settings({"lam": 0.5})
        {'lam': 0.5, 'temperature': 0.1, 'hard_above': 1.0}
    """

    name: str
    title: str
    summary: str
    source: str
    order: int
    function: Callable[..., Cost]
    params: tuple[Parameter, ...] = ()
    unit: bool = False
    second: bool = False
    soft: bool = False
    everything: bool = False
    centres: bool = False
    notes: str = ""

    def __call__(self, seen: Learning, **params: float) -> Cost:
        """The cost of a step.

        Raises:
            SettingError: a parameter out of its range, or picks that this loss is not defined for.
            UnknownNameError: a parameter that the loss does not have.
        """
        self.check(seen)
        return self.function(seen, **self.settings(params))

    def settings(self, given: Mapping[str, float]) -> dict[str, float]:
        """Every parameter with its value, checked against its bounds."""
        return settled(self.name, self.params, given)

    def check(self, seen: Learning) -> None:
        """Nothing, if the loss is defined for these picks.

        Raises:
            SettingError: naming what is missing.
        """
        if self.centres and (seen.centres is None or seen.embeddings is None):
            raise SettingError(f"The loss {self.name!r} needs embeddings and the centres of their classes.")
        if seen.triplets is None and not (self.everything or self.centres):
            raise SettingError(f"The loss {self.name!r} is one of listed picks, and these are not; pass triplets.")
        if self.second and seen.triplets is not None and len(seen.triplets) and seen.triplets.negative2 is None:
            raise SettingError(f"The loss {self.name!r} needs second negatives, and these picks have none.")
        if self.soft is False and seen.soft:
            raise SettingError(f"The loss {self.name!r} has no soft margin.")
        if (
            self.unit
            and seen.distance != "cosine"
            and seen.embeddings is not None
            and not is_unit_norm(seen.embeddings)
        ):
            raise SettingError(f"The loss {self.name!r} is defined for vectors of length 1, and these are not.")

    def describe(self) -> dict[str, Any]:
        """What lists and docs need to know, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "source": self.source,
            "order": self.order,
            "params": [vars(parameter) for parameter in self.params],
            "soft": self.soft,
            "second": self.second,
        }


LOSSES: Registry[Loss] = Registry("loss", group="tripletscope.losses")


def loss(
    *,
    name: str,
    title: str,
    summary: str,
    source: str,
    order: int,
    params: tuple[Parameter, ...] = (),
    unit: bool = False,
    second: bool = False,
    soft: bool = False,
    everything: bool = False,
    centres: bool = False,
    notes: str = "",
) -> Callable[[Callable[..., Cost]], Loss]:
    """A decorator that turns `(seen: Learning, **params) -> Cost` into a registered `Loss`.

    Args:
        name: lower-case with hyphens; the same in code, files and docs.
        title: for menus.
        summary: one line, with a full stop.
        source: paper, section, equation.
        order: place in lists.
        params: its own parameters.
        unit: whether it is defined for vectors of length 1 only.
        second: whether it needs picks with a second negative.
        soft: whether it has a form with the soft margin.
        everything: whether it can be taken over all eligible triplets, without a list of picks.
        centres: whether it learns a centre for every class and compares samples with those; its parameter `centre_lr`
            is their learning rate.
        notes: Markdown for docs/strategies.md: the formula, and how it departs from the source.
    """

    def made(function: Callable[..., Cost]) -> Loss:
        return LOSSES.register(
            Loss(
                name=name,
                title=title,
                summary=summary,
                source=source,
                order=order,
                function=function,
                params=params,
                unit=unit,
                second=second,
                soft=soft,
                everything=everything,
                centres=centres,
                notes=notes.strip(),
            )
        )

    return made


def cost_of(terms: Float[Tensor, " T"], seen: Learning, *, all_active: bool = False) -> Cost:
    """The mean of the terms, each by the weight of its pick, and how many are active: those above 0, or all.

    Args:
        terms: one a pick.
        seen: what they are of.
        all_active: every term has a slope, whatever its value.
    """
    triplets = seen.listed
    if not len(triplets):
        return Cost(seen.distances.sum() * 0.0, 0)
    active = len(triplets) if all_active or seen.soft else int((terms > 0).sum())
    if triplets.weight is None:
        return Cost(terms.mean(), active)
    total = triplets.weight.sum()
    return Cost((terms * triplets.weight).sum() / torch.where(total > 0, total, 1), active)
