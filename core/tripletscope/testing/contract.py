"""The contract of a strategy: what every record in the registry keeps, one function for each rule."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import torch
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.losses import LOSSES
from tripletscope.strategies.base import Strategy
from tripletscope.triplets import ZONES, Triplets, gaps, zone_codes

MARGIN = 0.2


def unit_points(
    classes: int, samples: int, *, dim: int = 8, spread: float = 0.6, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Unit vectors around one direction a class, and their labels, in shuffled order.

    Example:
        >>> points, labels = unit_points(3, 4)
        >>> points.shape, labels.bincount().tolist()
        (torch.Size([12, 8]), [4, 4, 4])
    """
    chance = torch.Generator().manual_seed(seed)
    centres = torch.nn.functional.normalize(torch.randn(classes, dim, generator=chance), dim=1)
    labels = torch.arange(classes).repeat_interleave(samples)
    noise = spread * torch.randn(classes * samples, dim, generator=chance) / math.sqrt(dim)
    shuffled = torch.randperm(classes * samples, generator=chance)
    points = torch.nn.functional.normalize(centres[labels] + noise, dim=1)
    return points[shuffled], labels[shuffled]


def example_batches() -> dict[str, Batch]:
    """Batches that a strategy should survive, by what is special about them; all of unit vectors.

    Example:
        >>> list(example_batches())[:3]
        ['ordinary', 'squared', 'cosine']
    """
    points, labels = unit_points(4, 4)
    uneven = torch.tensor([0] * 7 + [1] * 2 + [2] + [3] * 2)
    nearly_one = torch.nn.functional.normalize(points[:1] + 1e-4 * points, dim=1)
    return {
        "ordinary": Batch.from_embeddings(points, labels),
        "squared": Batch.from_embeddings(points, labels, "squared-euclidean"),
        "cosine": Batch.from_embeddings(points, labels, "cosine"),
        "double": Batch.from_embeddings(points.double(), labels),
        "many positives": Batch.from_embeddings(*unit_points(2, 34)),
        "uneven classes": Batch.from_embeddings(points[:12], uneven),
        "large and negative labels": Batch.from_embeddings(points, labels * 2**40 - 2**41),
        "pairs of equal points": Batch.from_embeddings(points[:8].repeat(2, 1), labels),
        "collapsed": Batch.from_embeddings(nearly_one, labels),
        "collapsed to one point": Batch.from_embeddings(points[:1].repeat(16, 1), labels),
        "one class": Batch.from_embeddings(points, torch.zeros_like(labels)),
        "every class once": Batch.from_embeddings(points, torch.arange(16)),
        "two of one class": Batch.from_embeddings(points[:2], torch.tensor([3, 3])),
        "two of two classes": Batch.from_embeddings(points[:2], torch.tensor([3, 4])),
        "one sample": Batch.from_embeddings(points[:1], labels[:1]),
        "no sample": Batch.from_embeddings(points[:0], labels[:0]),
    }


def _picks(strategy: Strategy, batch: Batch, seed: int = 0) -> Triplets:
    return strategy.pick(batch, margin=MARGIN, generator=torch.Generator().manual_seed(seed))


def check_labels(strategy: Strategy) -> None:
    """Every positive shares the anchor's label and is another slot; every negative has another label."""
    for title, batch in example_batches().items():
        picks = _picks(strategy, batch)
        anchor, positive, negative = (batch.labels[slot] for slot in (picks.anchor, picks.positive, picks.negative))
        assert bool((anchor == positive).all()), f"{strategy.name}, {title}: a positive has another label"
        assert bool((anchor != negative).all()), f"{strategy.name}, {title}: a negative shares the anchor's label"
        assert bool((picks.anchor != picks.positive).all()), f"{strategy.name}, {title}: an anchor is its own positive"


def check_zones(strategy: Strategy) -> None:
    """Picks lie in the declared zones."""
    for title, batch in example_batches().items():
        picks = _picks(strategy, batch)
        d_ap, d_an = batch.distances[picks.anchor, picks.positive], batch.distances[picks.anchor, picks.negative]
        found = {ZONES[code] for code in zone_codes(gaps(d_ap, d_an), MARGIN).tolist()}
        assert found <= set(strategy.zones), f"{strategy.name}, {title}: picks in {found}, declared {strategy.zones}"


def check_types(strategy: Strategy) -> None:
    """Slots are int64 on the batch's device, all columns are equally long, and no pick comes twice."""
    for title, batch in example_batches().items():
        picks = _picks(strategy, batch)
        for column in (picks.anchor, picks.positive, picks.negative):
            assert column.dtype == torch.int64, f"{strategy.name}, {title}: slots are {column.dtype}, not int64"
            assert column.device == batch.device, f"{strategy.name}, {title}: slots left the device of the batch"
            assert column.shape == (len(picks),), f"{strategy.name}, {title}: columns of different lengths"
        if picks.weight is not None:
            assert picks.weight.shape == (len(picks),), f"{strategy.name}, {title}: a weight for every pick"
        assert len(picks.to_set()) == len(picks), f"{strategy.name}, {title}: a triplet was picked twice"


def check_inputs_untouched(strategy: Strategy) -> None:
    """Distances, labels and whatever the batch shares stay as they were."""
    for title, batch in example_batches().items():
        shared = ("distances", "labels", "same", "negative_distances", "d_ap", "positive_slots", "by_class")
        before = {name: getattr(batch, name).clone() for name in shared}
        _picks(strategy, batch)
        for name, value in before.items():
            assert torch.equal(getattr(batch, name), value), f"{strategy.name}, {title}: {name} was written to"


def check_repeatable(strategy: Strategy) -> None:
    """The same seed gives the same picks, from a fresh batch and from a shared one; the global generator rests."""
    before = torch.random.get_rng_state()
    for title, batch in example_batches().items():
        fresh = Batch(batch.distances, batch.labels, distance=batch.distance, embeddings=batch.embeddings)
        first, again, third = _picks(strategy, batch), _picks(strategy, batch), _picks(strategy, fresh)
        for other in (again, third):
            for name in ("anchor", "positive", "negative"):
                same = torch.equal(getattr(first, name), getattr(other, name))
                assert same, f"{strategy.name}, {title}: one seed, two answers ({name})"
    assert torch.equal(before, torch.random.get_rng_state()), f"{strategy.name} draws from the global generator"


def check_nothing_to_pick(strategy: Strategy) -> None:
    """A batch without an eligible triplet gives an empty answer, and everything asked for has abstained."""
    batches = example_batches()
    for title in ("one class", "every class once", "two of one class", "two of two classes", "one sample", "no sample"):
        picks = _picks(strategy, batches[title])
        assert len(picks) == 0, f"{strategy.name}, {title}: there is no triplet to pick"
        assert picks.anchor.dtype == torch.int64, f"{strategy.name}, {title}: an empty answer keeps its dtype"
        abstained = strategy.abstained(batches[title], picks)
        assert abstained == strategy.units(batches[title]), f"{strategy.name}, {title}: all units abstain"


def check_abstained(strategy: Strategy) -> None:
    """One pick a unit at most (unless it takes all); units are pairs, anchors with a positive, or the whole batch."""
    for title, batch in example_batches().items():
        picks, units = _picks(strategy, batch), strategy.units(batch)
        positives = [int((batch.labels == label).sum()) - 1 for label in batch.labels]
        anchors = strategy.granularity in ("anchor", "many")
        expected = sum(count > 0 for count in positives) if anchors else sum(positives)
        expected = min(1, expected) if strategy.granularity == "batch" else expected
        assert units == expected, f"{strategy.name}, {title}: {units} units, expected {expected}"
        abstained = strategy.abstained(batch, picks)
        if strategy.granularity == "many":
            assert len(set(picks.anchor.tolist())) + abstained == units, f"{strategy.name}, {title}: anchors missing"
        elif strategy.listed:
            assert len(picks) + abstained == units, f"{strategy.name}, {title}: {len(picks)} + {abstained} of {units}"


def check_stream(strategy: Strategy) -> None:
    """The parts of `stream` are the answer of `pick`, none larger than about a million."""
    for title, batch in example_batches().items():
        parts = list(strategy.stream(batch, margin=MARGIN, generator=torch.Generator().manual_seed(0)))
        assert all(len(part) <= 2**20 + batch.size for part in parts), f"{strategy.name}, {title}: a part too large"
        whole = Triplets.concatenate(parts).to_set()
        assert whole == _picks(strategy, batch).to_set(), f"{strategy.name}, {title}: stream and pick disagree"


def check_probabilities(strategy: Strategy) -> None:
    """Rows sum to 1 or 0, no chance for the anchor's own class, and every draw had a chance; others refuse."""
    for title, batch in example_batches().items():
        anchor, positive = batch.pairs
        if not strategy.stochastic:
            try:
                strategy.probabilities(batch, anchor, positive, margin=MARGIN)
            except SettingError:
                continue
            raise AssertionError(f"{strategy.name} does not draw, so asking for its probabilities is a SettingError")
        chance = strategy.probabilities(batch, anchor, positive, margin=MARGIN)
        assert chance.shape == (anchor.shape[0], batch.size), f"{strategy.name}, {title}: a chance for every slot"
        assert bool((chance >= 0).all()), f"{strategy.name}, {title}: a negative chance"
        total = chance.sum(dim=1)
        whole = torch.isclose(total, torch.ones_like(total), atol=1e-5) | (total == 0)
        assert bool(whole.all()), f"{strategy.name}, {title}: rows sum to 1, or to 0 where it abstains"
        assert not bool(chance[batch.same[anchor]].any()), f"{strategy.name}, {title}: a chance for the own class"
        row_of = {pair: row for row, pair in enumerate(zip(anchor.tolist(), positive.tolist(), strict=True))}
        for seed in range(3):
            picks = _picks(strategy, batch, seed)
            for a, p, n in picks.to_set():
                assert float(chance[row_of[a, p], n]) > 0, f"{strategy.name}, {title}: picked what has no chance"
            if strategy.granularity == "pair":
                assert len(picks) == int((total > 0).sum()), (
                    f"{strategy.name}, {title}: abstains where a row is 0, only"
                )


def check_settings(strategy: Strategy) -> None:
    """Margins and parameters out of bounds are refused, bounds themselves and defaults are not."""
    batch = example_batches()["ordinary"]
    for margin in (0.0, -1.0, math.nan, math.inf):
        _refused(strategy, batch, SettingError, margin=margin)
    _refused(strategy, batch, UnknownNameError, margin=MARGIN, no_such_parameter=1.0)
    for parameter in strategy.params:
        assert parameter.low <= parameter.default <= parameter.high, f"{strategy.name}: {parameter.name} out of bounds"
        for value in (parameter.low - 1e-6, parameter.high + 1e-6, math.nan):
            _refused(strategy, batch, SettingError, margin=MARGIN, **{parameter.name: value})
        for value in (parameter.low, parameter.default, parameter.high):
            chance = torch.Generator().manual_seed(0)
            strategy.pick(batch, margin=MARGIN, generator=chance, **{parameter.name: value})


def _refused(strategy: Strategy, batch: Batch, error: type[Exception], margin: float, **params: float) -> None:
    try:
        strategy.pick(batch, margin=margin, generator=None, **params)
    except error:
        return
    raise AssertionError(f"{strategy.name} should refuse margin={margin}, {params}")


def check_needs(strategy: Strategy) -> None:
    """What a strategy needs is asked for at the door, and only that."""
    points, labels = unit_points(4, 4)
    strategy.check(Batch.from_embeddings(points, labels))
    longer = Batch.from_embeddings(3 * points, labels)
    needed = "unit" in strategy.needs
    assert _refuses(strategy, longer) == needed, f"{strategy.name}: refuses other than unit vectors if it needs those"
    bare = Batch(Batch.from_embeddings(points, labels).distances, labels)
    needed = bool({"dim", "embeddings"} & set(strategy.needs))
    assert _refuses(strategy, bare) == needed, f"{strategy.name}: refuses bare distances if it needs more"


def _refuses(strategy: Strategy, batch: Batch) -> bool:
    try:
        strategy.check(batch)
    except SettingError:
        return True
    return False


def check_record(strategy: Strategy) -> None:
    """The record says what lists and docs need, and survives JSON."""
    record = strategy.describe()
    assert json.loads(json.dumps(record)) == record, f"{strategy.name}: describe() does not survive JSON"
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", strategy.name), f"{strategy.name!r} is not lower-case-with-hyphens"
    for field in ("title", "summary", "source"):
        assert record[field].strip(), f"{strategy.name} has no {field}"
    assert re.fullmatch(r"[^\n]+\.", strategy.summary), f"{strategy.name}: the summary is one line with a full stop"
    assert strategy.loss in LOSSES, f"{strategy.name}: there is no loss {strategy.loss!r}"


CONTRACT: dict[str, Callable[[Strategy], None]] = {
    "labels": check_labels,
    "zones": check_zones,
    "types": check_types,
    "inputs-untouched": check_inputs_untouched,
    "repeatable": check_repeatable,
    "nothing-to-pick": check_nothing_to_pick,
    "abstained": check_abstained,
    "stream": check_stream,
    "probabilities": check_probabilities,
    "settings": check_settings,
    "needs": check_needs,
    "record": check_record,
}


def check_strategy(strategy: Strategy) -> None:
    """Nothing, when the strategy keeps the whole contract.

    Raises:
        AssertionError: the first broken rule, with strategy, batch and what was found.
    """
    for check in CONTRACT.values():
        check(strategy)
