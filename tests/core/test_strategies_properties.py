"""What holds for any batch: renumbering, turning and stretching change nothing; a wider margin only adds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, distinct_batch, grid_batches, unit_batches

from tripletscope import strategies
from tripletscope.batch import Batch
from tripletscope.strategies import Strategy
from tripletscope.triplets import ZONES, count_zones, gaps, plane, zone_codes, zone_ranks

SEEDS = st.integers(0, 2**16)
DETERMINISTIC = [one.name for one in strategies.all() if not one.stochastic]
STOCHASTIC = [one.name for one in strategies.all() if one.stochastic]
#: These take what comes first in the batch, or have a parameter in the unit of the distance.
BY_SLOT, IN_UNITS = {"n-pair"}, {"multi-similarity", "batch-sample"}
ANY_BATCH = st.one_of(grid_batches(), unit_batches())


def picked(one: Strategy, batch: Batch, margin: float) -> set[tuple[int, int, int]]:
    return one.pick(batch, margin=margin, generator=torch.Generator().manual_seed(0)).to_set()


def chances(one: Strategy, batch: Batch, margin: float) -> torch.Tensor:
    """Per (anchor, positive, negative); 0 where there is no such pair."""
    found = torch.zeros(batch.size, batch.size, batch.size, dtype=batch.distances.dtype)
    anchor, positive = batch.pairs
    found[anchor, positive] = one.probabilities(batch, anchor, positive, margin=margin)
    return found


@pytest.mark.parametrize("name", [name for name in DETERMINISTIC if name not in BY_SLOT])
@given(seed=SEEDS, margin=MARGINS)
@settings(deadline=None, max_examples=25)
def test_renumbering_the_batch_renumbers_the_picks(name: str, seed: int, margin: float) -> None:
    one, batch = strategies.get(name), distinct_batch(seed)
    order = torch.randperm(batch.size, generator=torch.Generator().manual_seed(seed))
    shuffled = Batch(batch.distances[order][:, order], batch.labels[order])
    renamed = {tuple(int(order[slot]) for slot in pick) for pick in picked(one, shuffled, margin)}
    assert renamed == picked(one, batch, margin)


@pytest.mark.parametrize("name", STOCHASTIC)
@given(seed=SEEDS, margin=MARGINS)
@settings(deadline=None, max_examples=25)
def test_renumbering_the_batch_renumbers_the_chances(name: str, seed: int, margin: float) -> None:
    one, batch = strategies.get(name), distinct_batch(seed)
    order = torch.randperm(batch.size, generator=torch.Generator().manual_seed(seed))
    shuffled = Batch(batch.distances[order][:, order], batch.labels[order], dim=batch.dim)
    expected = chances(one, batch, margin)[order][:, order][:, :, order]
    torch.testing.assert_close(chances(one, shuffled, margin), expected)


def turned(batch: Batch, seed: int) -> Batch:
    assert batch.embeddings is not None
    chance = torch.Generator().manual_seed(seed)
    square = torch.randn(batch.dim, batch.dim, generator=chance, dtype=torch.float64)
    rotation, _ = torch.linalg.qr(square)
    return Batch.from_embeddings(batch.embeddings @ rotation, batch.labels, batch.distance)


@pytest.mark.parametrize("name", strategies.names())
@given(seed=SEEDS, margin=MARGINS)
@settings(deadline=None, max_examples=25)
def test_turning_all_points_changes_nothing(name: str, seed: int, margin: float) -> None:
    one, batch = strategies.get(name), distinct_batch(seed)
    other = turned(batch, seed)
    if one.stochastic:
        torch.testing.assert_close(chances(one, other, margin), chances(one, batch, margin))
    else:
        assert picked(one, other, margin) == picked(one, batch, margin)


@pytest.mark.parametrize(
    "name",
    [name for name in strategies.names() if "unit" not in strategies.get(name).needs and name not in IN_UNITS],
)
@given(batch=ANY_BATCH, margin=MARGINS, power=st.integers(-8, 8))
@settings(deadline=None, max_examples=25)
def test_stretching_points_and_margin_alike_changes_nothing(name: str, batch: Batch, margin: float, power: int) -> None:
    # By powers of two, which round nothing, so that even ties stay ties.
    one = strategies.get(name)
    stretched = Batch(batch.distances * 2.0**power, batch.labels, distance=batch.distance)
    assert picked(one, stretched, margin * 2.0**power) == picked(one, batch, margin)
    assert count_zones(stretched, margin * 2.0**power) == count_zones(batch, margin)
    if count_zones(batch, margin).eligible and float(batch.distances.max()) > 0:
        before, after = plane(batch), plane(stretched)
        assert (before.counts == after.counts).all()
        assert before.exponent + power == after.exponent or before.exponent <= -40


@given(batch=ANY_BATCH, margin=MARGINS, factor=st.floats(1, 10))
@settings(deadline=None)
def test_a_larger_margin_never_removes_a_violation(batch: Batch, margin: float, factor: float) -> None:
    hard, violating = zone_ranks(batch, margin)
    still_hard, more = zone_ranks(batch, margin * factor)
    assert (more >= violating).all()
    assert torch.equal(hard, still_hard)


@given(batch=ANY_BATCH, margin=MARGINS)
@settings(deadline=None)
def test_every_eligible_triplet_is_in_one_zone(batch: Batch, margin: float) -> None:
    everything = strategies.get("batch-all").pick(batch, margin=margin)
    d_ap = batch.distances[everything.anchor, everything.positive]
    codes = zone_codes(gaps(d_ap, batch.distances[everything.anchor, everything.negative]), margin)
    found = count_zones(batch, margin)
    assert [int((codes == code).sum()) for code in range(len(ZONES))] == [found.hard, found.semi_hard, found.easy]
    assert found.eligible == len(everything)
    assert found.violating == found.hard + found.semi_hard


@pytest.mark.parametrize("name", strategies.names())
@given(batch=unit_batches(), margin=MARGINS)
@settings(deadline=None, max_examples=25)
def test_picks_are_eligible(name: str, batch: Batch, margin: float) -> None:
    everything = picked(strategies.get("batch-all"), batch, margin)
    assert picked(strategies.get(name), batch, margin) <= everything


@given(batch=ANY_BATCH, margin=MARGINS)
@settings(deadline=None)
def test_how_the_strategies_stand_to_each_other(batch: Batch, margin: float) -> None:
    hardest = picked(strategies.get("hardest"), batch, margin)
    assert picked(strategies.get("batch-hard"), batch, margin) <= hardest
    assert picked(strategies.get("easy-positive"), batch, margin) <= hardest
    nearest = {pick[:2] for pick in picked(strategies.get("semi-hard"), batch, margin)}
    drawn = {pick[:2] for pick in picked(strategies.get("semi-hard-random"), batch, margin)}
    assert nearest == drawn
