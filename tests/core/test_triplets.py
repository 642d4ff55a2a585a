"""Triplets as values, and the exact counts over all eligible ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, grid_batches, unit_batches

from tripletscope import triplets as module
from tripletscope.batch import Batch
from tripletscope.errors import UnknownNameError
from tripletscope.testing import example_batches, oracles
from tripletscope.triplets import ZONES, Triplets, count_zones, plane, zone_ranks, zone_triplets


def counts(batch: Batch, margin: float) -> dict[str, int]:
    found = count_zones(batch, margin)
    return {"hard": found.hard, "semi-hard": found.semi_hard, "easy": found.easy}


@pytest.fixture(params=["looking at all", "sorting"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of counting, whatever the batch would prefer."""
    monkeypatch.setattr(Batch, "prefers_sorting", property(lambda batch: request.param == "sorting"))
    return str(request.param)


@pytest.mark.parametrize("sorting", [False, True])
@given(batch=st.one_of(grid_batches(), unit_batches()), margin=MARGINS)
@settings(deadline=None)
def test_zone_counts_equal_plain_loops(sorting: bool, batch: Batch, margin: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
        assert counts(batch, margin) == oracles.count_zones(batch, margin)


@pytest.mark.parametrize("title", example_batches())
def test_zone_counts_of_the_example_batches(title: str, way: str) -> None:
    batch = example_batches()[title]
    assert counts(batch, 0.2) == oracles.count_zones(batch, 0.2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [1e-1, 1e-3, 1e-6])
def test_zone_counts_are_exact_where_everything_is_close(spread: float, dtype: torch.dtype, way: str) -> None:
    # Margins of the size of the distances' last digits: a sum d_ap + margin would round to the wrong side.
    chance = torch.Generator().manual_seed(0)
    points = 1 + spread * torch.randn(24, 3, generator=chance).to(dtype)
    batch = Batch.from_embeddings(points, torch.arange(24) % 4)
    typical = float(batch.distances[0, 1] - batch.distances[0, 2])
    for margin in (abs(typical), spread, spread * 1e-6, float(batch.distances.max()) * 2):
        assert counts(batch, margin) == oracles.count_zones(batch, margin)


def test_the_zone_of_a_triplet_is_that_of_its_rounded_gap(way: str) -> None:
    # In float32, 0.1 + 0.2 < 0.3 + 2e-8 but the rounded difference reaches the margin: the zone is easy.
    distances = torch.zeros(3, 3)
    rng = np.random.default_rng(0)
    disagreed = 0
    for _ in range(300):
        d_ap, margin = (float(value) for value in rng.random(2))
        d_an = float(np.float32(d_ap) + np.float32(margin))
        distances[0, 1] = distances[1, 0] = d_ap
        distances[0, 2] = distances[2, 0] = distances[1, 2] = distances[2, 1] = d_an
        batch = Batch(distances, torch.tensor([0, 0, 1]))
        assert counts(batch, margin) == oracles.count_zones(batch, margin)
        disagreed += count_zones(batch, margin).easy == 0
    assert disagreed, "no example tells the gap from the sum"


def test_ranks_belong_to_pairs(way: str) -> None:
    batch = example_batches()["uneven classes"]
    slots = oracles.Slots(batch)
    hard, violating = zone_ranks(batch, 0.2)
    for row, (a, p) in enumerate(zip(*(slot.tolist() for slot in batch.pairs), strict=True)):
        found = [slots.zone(a, p, n, 0.2) for n in slots.negatives(a)]
        assert int(hard[row]) == found.count("hard")
        assert int(violating[row]) == found.count("hard") + found.count("semi-hard")


@pytest.mark.parametrize("sorting", [False, True])
@given(batch=st.one_of(grid_batches(), unit_batches()), margin=MARGINS)
@settings(deadline=None, max_examples=30)
def test_a_zone_is_listed_as_plain_loops_list_it(sorting: bool, batch: Batch, margin: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
        patch.setattr("tripletscope.batch.BLOCK", 3 * batch.size)
        slots = oracles.Slots(batch)
        wanted: dict[str, list[tuple[int, int, int]]] = {zone: [] for zone in ZONES}
        for a, p in slots.pairs():
            for n in slots.negatives(a):
                wanted[slots.zone(a, p, n, margin)].append((a, p, n))
        for zone in ZONES:
            found = zone_triplets(batch, margin, zone)
            columns = (found.anchor.tolist(), found.positive.tolist(), found.negative.tolist())
            assert list(zip(*columns, strict=True)) == wanted[zone]  # in this very order


def test_a_zone_that_does_not_exist() -> None:
    with pytest.raises(UnknownNameError, match="semi-hard"):
        zone_triplets(Batch.from_embeddings(torch.eye(3), torch.tensor([0, 0, 1])), 0.2, "semihard")


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = example_batches()["many positives"]
    whole = counts(batch, 0.2), plane(batch)
    monkeypatch.setattr("tripletscope.batch.BLOCK", 7 * batch.size)
    monkeypatch.setattr(module, "BLOCK", 7 * batch.size // 4)
    assert counts(batch, 0.2) == whole[0]
    assert (plane(batch).counts == whole[1].counts).all()


def check_plane(batch: Batch) -> None:
    found = plane(batch)
    exponent = oracles.plane_exponent(batch)
    assert found.counts.dtype == np.int64
    assert found.eligible == count_zones(batch, 0.2).eligible
    if exponent is not None:
        assert found.exponent == exponent
        assert (found.counts == oracles.plane(batch, exponent)).all()


@given(batch=st.one_of(grid_batches(), unit_batches()))
@settings(deadline=None)
def test_the_plane_equals_plain_loops(batch: Batch) -> None:
    check_plane(batch)


@pytest.mark.parametrize("title", example_batches())
def test_the_plane_of_the_example_batches(title: str) -> None:
    check_plane(example_batches()[title])


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 64.0, 1e6])
def test_the_plane_fits_any_scale(scale: float) -> None:
    check_plane(Batch.from_embeddings(scale * torch.arange(9.0)[:, None], torch.arange(9) % 3))


def test_an_anchor_without_a_positive_does_not_set_the_width() -> None:
    # Slot 2 is alone in its class, so no eligible triplet has the 50 of its row.
    distances = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [50.0, 50.0, 0.0]])
    assert plane(Batch(distances, torch.tensor([0, 0, 1]))).exponent == -4


def test_concatenate_keeps_weights_if_all_have_them() -> None:
    slots = torch.arange(3)
    weighted = Triplets(slots, slots, slots, weight=torch.ones(3))
    assert Triplets.concatenate([weighted, weighted]).weight.shape == (6,)
    assert Triplets.concatenate([weighted, Triplets.empty()]).weight is None
    assert len(Triplets.concatenate([])) == 0
    assert len(Triplets.concatenate([weighted, Triplets(slots, slots, slots)])) == 6


def test_no_picks_are_int64() -> None:
    none = Triplets.empty()
    assert (len(none), none.anchor.dtype, none.to_set()) == (0, torch.int64, set())
