"""What a batch offers its strategies, against plain loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from tests.core.batches import grid_batches

from tripletscope.batch import Batch
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.testing import example_batches, oracles, unit_points


def check_neighbours(batch: Batch) -> None:
    slots = oracles.Slots(batch)
    everyone = range(batch.size)
    assert list(zip(*(slot.tolist() for slot in batch.pairs), strict=True)) == list(slots.pairs())
    assert batch.n_pairs == len(list(slots.pairs()))
    positives, negatives = [slots.positives(a) for a in everyone], [slots.negatives(a) for a in everyone]
    for a in everyone:
        assert batch.positive_mask[a].nonzero()[:, 0].tolist() == positives[a]
        assert batch.negative_mask[a].nonzero()[:, 0].tolist() == negatives[a]
        assert [slot for slot in batch.positive_slots[a].tolist() if slot >= 0] == positives[a]
    assert batch.positive_count.tolist() == [len(found) for found in positives]
    assert batch.negative_count.tolist() == [len(found) for found in negatives]
    assert batch.has_positive.tolist() == [bool(found) for found in positives]
    assert batch.has_negative.tolist() == [bool(found) for found in negatives]
    for name, find, among in (
        ("nearest_negative", slots.nearest, negatives),
        ("nearest_positive", slots.nearest, positives),
        ("farthest_positive", slots.farthest, positives),
    ):
        expected = [find(a, among[a]) if among[a] else -1 for a in everyone]
        assert getattr(batch, name).tolist() == expected, name
    values, order = batch.sorted_negatives
    for a in everyone:
        expected = sorted(negatives[a], key=lambda n: (slots.d[a, n], n))
        assert order[a, : len(expected)].tolist() == expected
        assert values[a, : len(expected)].tolist() == [slots.d[a, n] for n in expected]
        assert torch.isinf(values[a, len(expected) :]).all()


@given(grid_batches())
@settings(deadline=None)
def test_neighbours_equal_plain_loops(batch: Batch) -> None:
    check_neighbours(batch)


@pytest.mark.parametrize("title", example_batches())
def test_neighbours_of_the_example_batches(title: str) -> None:
    check_neighbours(example_batches()[title])


def test_distances_may_lie_in_memory_column_by_column() -> None:
    points, labels = unit_points(4, 3, dim=5)
    batch = Batch.from_embeddings(points, labels)
    columns = Batch(batch.distances.T.contiguous().T, labels)
    assert not columns.distances.is_contiguous()
    check_neighbours(columns)
    assert torch.equal(columns.d_ap, batch.d_ap)


def test_ties_go_to_the_lowest_slot() -> None:
    batch = Batch(1 - torch.eye(64), torch.arange(64) % 2)
    assert batch.nearest_negative.tolist() == [1, 0] * 32
    assert batch.farthest_positive.tolist()[:4] == [2, 3, 0, 1]
    assert batch.nearest_positive.tolist()[:4] == [2, 3, 0, 1]


def test_distances_leave_the_graph() -> None:
    points, labels = unit_points(2, 2)
    batch = Batch.from_embeddings(points.requires_grad_(), labels)
    assert not batch.distances.requires_grad
    assert batch.embeddings is not None
    assert not batch.embeddings.requires_grad


def test_dimension_and_unit_vectors() -> None:
    points, labels = unit_points(2, 3)
    assert Batch.from_embeddings(points, labels).dim == 8
    assert Batch.from_embeddings(points, labels).unit_norm is True
    assert Batch.from_embeddings(2 * points, labels).unit_norm is False
    assert Batch.from_embeddings(2 * points, labels, "cosine").unit_norm is True
    bare = Batch.from_embeddings(points, labels).distances
    assert Batch(bare, labels).unit_norm is None
    assert Batch(bare, labels).dim is None
    assert Batch(bare, labels, dim=5).dim == 5
    assert Batch(3 * bare / bare.max(), labels).unit_norm is False
    assert Batch(3 * bare / bare.max(), labels, distance="squared-euclidean").unit_norm is None


def test_mean_distance_leaves_the_diagonal_out() -> None:
    assert Batch(2 * (1 - torch.eye(5)), torch.zeros(5, dtype=torch.int64)).mean_distance == 2.0
    assert Batch(torch.zeros(1, 1), torch.tensor([0])).mean_distance == 0.0


@pytest.mark.parametrize("shape", [(3, 4), (3, 3), (4,)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...], request: pytest.FixtureRequest) -> None:
    # The annotation says the same while tests run; people without it get this sentence.
    unchecked = getattr(Batch.__init__, "__wrapped__", Batch.__init__)
    batch = object.__new__(Batch)
    with pytest.raises(SettingError, match="of the same batch"):
        unchecked(batch, torch.zeros(shape), torch.zeros(4, dtype=torch.int64))


def test_an_unknown_distance() -> None:
    with pytest.raises(UnknownNameError, match="manhattan"):
        Batch(torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64), distance="manhattan")


def test_lazy_parts_are_computed_once() -> None:
    batch = example_batches()["ordinary"]
    assert batch.sorted_negatives[0] is batch.sorted_negatives[0]
    assert batch.negative_distances is batch.negative_distances
