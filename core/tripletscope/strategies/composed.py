"""Picks by a composition: six of the strategies here are one, and a person can compose more.

`compose` makes and registers a strategy that has a name in the literature, in a few lines of a file of its own;
`strategies.get("pair:all, negative:nearest, upper:margin")` makes one that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.composition import Composition, is_composition, parse
from tripletscope.rows import between, first_above, positions
from tripletscope.strategies.base import STRATEGIES, Strategy, gathering, strategy
from tripletscope.triplets import Triplets, edge, gaps, zone_ranks

Draw = Float64[Tensor, " U"]


@dataclass(frozen=True)
class Units:
    """What gets a negative each: every pair of the batch, or one pair for every anchor.

    Args:
        anchor: int64 slots.
        positive: int64 slots.
        every: whether these are all of `batch.pairs`, in that order.
    """

    anchor: Int[Tensor, " U"]
    positive: Int[Tensor, " U"]
    every: bool

    def of_pairs(self, values: Tensor, batch: Batch) -> Tensor:
        """Those of the values, one a pair of the batch, that belong to these units."""
        return values if self.every else batch.of_pairs(values, self.anchor, self.positive)

    def __len__(self) -> int:
        return int(self.anchor.shape[0])


def picked(made: Composition, batch: Batch, *, margin: float, generator: torch.Generator | None = None) -> Triplets:
    """The picks of the composition, in the order of its units."""
    units = chosen_positives(made, batch, generator)
    negative = _CHOOSERS[made.negative](made, batch, units, margin, generator)
    if made.fallback != "none":
        # A draw is made for every unit, wanted or not: how many are wanted must not move the next strategy's chance.
        anything = _CHOOSERS[made.fallback](Composition(made.positive, made.fallback), batch, units, margin, generator)
        negative = torch.where(negative >= 0, negative, anything)
    keep = negative >= 0
    if not units.every and bool(keep.all()):  # what is the batch's own is not handed out
        return Triplets(units.anchor, units.positive, negative)
    return Triplets(units.anchor[keep], units.positive[keep], negative[keep])


def listed(made: Composition, batch: Batch, *, margin: float, generator: torch.Generator | None) -> Iterator[Triplets]:
    """The picks of a composition that takes all negatives of its band, a block of units at a time."""
    units = chosen_positives(made, batch, generator)
    instead = torch.full_like(units.anchor, -1)
    if made.fallback != "none":
        only = Composition(made.positive, made.fallback)
        instead = _CHOOSERS[made.fallback](only, batch, units, margin, generator)
    for block in batch.blocks(len(units)):
        a, p, other = units.anchor[block], units.positive[block], instead[block]
        inside = _fitting(made, batch, a, p, margin)[1]
        lonely = ~inside.any(dim=1) & (other >= 0)
        inside[lonely, other[lonely]] = True
        unit, negative = positions(inside)
        if len(unit):
            yield Triplets(a[unit], p[unit], negative)


def _fitting(
    made: Composition, batch: Batch, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"], margin: float
) -> tuple[Bool[Tensor, "A B"], Bool[Tensor, "A B"]]:
    """For each anchor and positive which slots are candidates, and which of those lie in the band."""
    mask = batch.candidate_mask(anchor, positive)
    if not made.bounded:
        return mask, mask
    gap = gaps(batch.distances[anchor, positive][:, None], batch.negative_distances[anchor])
    return mask, mask & allowed(made, gap, margin)


def chosen_positives(made: Composition, batch: Batch, generator: torch.Generator | None) -> Units:
    """The units: all pairs, or each anchor that has a positive with the one that the composition takes."""
    if made.positive == "all":
        return Units(*batch.pairs, every=True)
    anchor = batch.has_positive.nonzero()[:, 0]
    if made.positive == "random":
        count = batch.positive_count[anchor]
        positive = batch.positive_slots[anchor, _place(_draw(len(anchor), generator), count)]
    else:
        positive = (batch.nearest_positive if made.positive == "nearest" else batch.farthest_positive)[anchor]
    return Units(anchor, positive, every=False)


def _nearest(made: Composition, batch: Batch, units: Units, margin: float, _: Any) -> Int[Tensor, " U"]:
    """For each unit the nearest negative of its band, -1 without any; among equals the lowest slot."""
    if made.lower == "none" and batch.floors is None:
        return _inside(made, batch, units, batch.nearest_negative[units.anchor], margin)
    if made.lower == "positive" and batch.floors is None and not batch.prefers_sorting:
        found = torch.empty_like(units.anchor)
        for block in batch.blocks(len(units)):
            a, p = units.anchor[block], units.positive[block]
            found[block] = first_above(batch.negative_distances.index_select(0, a), batch.distances[a, p])
        return _inside(made, batch, units, found, margin)
    begin, end = _band(made, batch, units, margin)
    return _at_rank(batch, units, begin, begin < end)


def _farthest(made: Composition, batch: Batch, units: Units, margin: float, _: Any) -> Int[Tensor, " U"]:
    """For each unit the farthest negative of its band, -1 without any; among equals the lowest slot."""
    if made.upper == "none" and batch.floors is None:
        return _inside(made, batch, units, batch.farthest_negative[units.anchor], margin)
    begin, end = _band(made, batch, units, margin)
    values, _slots = batch.sorted_negatives
    last = values[units.anchor, (end - 1).clamp(min=0)]
    # Equals lie side by side in a sorted row and in one zone: the first of them has the lowest slot.
    first = torch.empty_like(end)
    for block in batch.blocks(len(units)):
        rows = values[units.anchor[block]]
        first[block] = torch.searchsorted(rows, last[block, None])[:, 0]
    return _at_rank(batch, units, first, begin < end)


def _random(
    made: Composition, batch: Batch, units: Units, margin: float, generator: torch.Generator | None
) -> Int[Tensor, " U"]:
    """For each unit one negative of its band, all with the same chance; -1 without any."""
    draw = _draw(len(units), generator)
    if not made.bounded and batch.floors is None:
        place = _place(draw, batch.negative_count[units.anchor])
        # In class order the negatives are all slots but one stretch: step over the anchor's own class.
        place += torch.where(place >= batch.class_start[units.anchor], batch.class_size[units.anchor], 0)
        some = batch.has_negative[units.anchor]
        return torch.where(some, batch.by_class[torch.where(some, place, 0)], -1)
    if batch.floors is not None or batch.prefers_sorting or (made.lower, made.upper) != ("positive", "margin"):
        begin, end = _band(made, batch, units, margin)
        return _at_rank(batch, units, begin + _place(draw, end - begin), begin < end)
    found = torch.full_like(units.anchor, -1)
    limit = edge(margin, batch.distances)
    for block in batch.blocks(len(units)):
        a, d_ap = units.anchor[block], batch.distances[units.anchor[block], units.positive[block]]
        unit, slot = between(gaps(d_ap[:, None], batch.negative_distances[a]), 0.0, limit)  # (units, B)
        count = torch.bincount(unit, minlength=a.shape[0])
        some = count > 0
        place = count.cumsum(0) - count + _place(draw[block], count)
        found[block] = found[block].masked_scatter(some, slot[place[some]])
    return found


_CHOOSERS: dict[str, Callable[..., Tensor]] = {"nearest": _nearest, "farthest": _farthest, "random": _random}


def _inside(
    made: Composition, batch: Batch, units: Units, negative: Int[Tensor, " U"], margin: float
) -> Int[Tensor, " U"]:
    """The same slots, with -1 for those outside the band."""
    if not made.bounded:
        return negative
    d_ap = batch.distances[units.anchor, units.positive]
    d_an = batch.negative_distances[units.anchor, negative.clamp(min=0)]  # +inf for a slot that is no negative
    inside = allowed(made, gaps(d_ap, d_an), margin) & (d_an < torch.inf) & (negative >= 0)
    return torch.where(inside, negative, -1)


def allowed(made: Composition, gap: Float[Tensor, "*shape"], margin: float) -> Bool[Tensor, "*shape"]:
    """Which gaps lie in the band."""
    limit = {"none": None, "positive": 0.0, "margin": edge(margin, gap)}
    lower, upper = limit[made.lower], limit[made.upper]
    inside = torch.ones_like(gap, dtype=torch.bool)
    # gap > 0 says the same as d_an > d_ap: a difference of floats is 0 only between equals.
    if lower is not None:
        inside &= gap > lower if made.lower == "positive" else gap >= lower
    if upper is not None:
        inside &= gap <= upper if made.upper == "positive" else gap < upper
    return inside


def _band(made: Composition, batch: Batch, units: Units, margin: float) -> tuple[Tensor, Tensor]:
    """For each unit where its candidates in the band begin and end along the anchor's sorted negatives."""
    everything = batch.negative_count[units.anchor]
    hard = violating = begin = torch.zeros_like(everything)
    if made.bounded:
        hard, violating = (units.of_pairs(ranks, batch) for ranks in zone_ranks(batch, margin))
        begin = {"none": begin, "positive": hard, "margin": violating}[made.lower]
    if batch.floors is not None:  # what a floor rules out are the nearest, so the first of the row
        begin = torch.maximum(begin, units.of_pairs(batch.below_floor, batch))
    return begin, {"none": everything, "positive": hard, "margin": violating}[made.upper]


def _at_rank(batch: Batch, units: Units, rank: Int[Tensor, " U"], some: Bool[Tensor, " U"]) -> Int[Tensor, " U"]:
    """The negatives at these places of the sorted rows, -1 where there is none."""
    return torch.where(some, batch.sorted_negatives[1][units.anchor, torch.where(some, rank, 0)], -1)


def _draw(count: int, generator: torch.Generator | None) -> Draw:
    """Numbers in [0, 1), on the CPU, so that one seed gives the same picks on every device."""
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _place(draw: Draw, count: Int[Tensor, " U"]) -> Int[Tensor, " U"]:
    """One of 0 ... count - 1 for each draw, rounded on the CPU; 0 where there is nothing to choose from."""
    return (draw * count.cpu()).long().to(count.device)


def chances(
    made: Composition, batch: Batch, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"], margin: float
) -> Float[Tensor, "A B"]:
    """For each anchor and positive the chance of every slot to be the negative; a row of 0 where it abstains.

    Where all negatives of the band are taken they share the chance: a pick is each of them alike.
    """
    mask, inside = _fitting(made, batch, anchor, positive, margin)
    chance = _spread(made.negative, batch, anchor, inside)
    if made.fallback != "none":
        chance = torch.where(inside.any(dim=1, keepdim=True), chance, _spread(made.fallback, batch, anchor, mask))
    return chance


def _spread(rule: str, batch: Batch, anchor: Tensor, inside: Bool[Tensor, "A B"]) -> Float[Tensor, "A B"]:
    """The chances of the slots that are inside: alike, or all for the nearest or the farthest."""
    if rule in ("nearest", "farthest"):
        values = batch.distances[anchor] * (1 if rule == "nearest" else -1)
        first = values.masked_fill(~inside, torch.inf).argmin(dim=1)
        inside = torch.zeros_like(inside).scatter_(1, first[:, None], True) & inside
    chance = inside.to(batch.distances.dtype)
    return chance / chance.sum(dim=1, keepdim=True).clamp(min=1)


def parts(text: str | Composition) -> dict[str, Any]:
    """What a composition says of a `Strategy`: function, chances, zones, granularity, and the words for pages."""
    made = parse(text) if isinstance(text, str) else text

    def function(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
        return picked(made, batch, margin=margin, generator=generator)

    def stream(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Iterator[Triplets]:
        yield from listed(made, batch, margin=margin, generator=generator)

    several = made.granularity == "many"

    def probabilities(batch: Batch, anchor: Tensor, positive: Tensor, *, margin: float) -> Tensor:
        return chances(made, batch, anchor, positive, margin)

    return {
        "function": gathering(made.text, stream) if several else function,
        "stream": stream if several else None,
        "probabilities": probabilities if made.draws else None,
        "zones": set(made.zones),
        "granularity": made.granularity,
        "fallback": made.taken_instead,
        "choice": "" if several else made.choice,
        "rowwise": True,
        "unfiltered": "",
    }


def compose(text: str, **record: Any) -> Strategy:
    """A registered strategy that is a composition; `record` has the rest of what `strategy` takes.

    Example:
        >>> STRATEGIES.get("hardest").zones
        ('hard', 'semi-hard', 'easy')
    """
    known = parts(text) | record
    function = known.pop("function")
    return strategy(**known)(function)


@cache
def unnamed(text: str) -> Strategy | None:
    """The strategy that this composition is, None where the text is none; it is on no list.

    Raises:
        SettingError: a composition that makes no sense.

    Example:
        >>> unnamed("anchor:nearest, negative:nearest, lower:positive").name
        'anchor-nearest-negative-nearest-lower-positive'
    """
    if not is_composition(text):
        return None
    made = parse(text)
    if text != made.name:
        return unnamed(made.name)
    known = parts(made)
    return Strategy(
        name=made.name,
        title=made.text,
        summary=made.summary,
        source="composed by the user",
        order=made.order,
        zones=made.zones,
        granularity=known["granularity"],
        params=(),
        needs=(),
        function=known["function"],
        probability_function=known["probabilities"],
        stream_function=known["stream"],
        notes=f"`{made.text}`",
        fallback=known["fallback"],
        rowwise=True,
        choice=known["choice"],
        unfiltered=known["unfiltered"],
    )


STRATEGIES.also(unnamed)
