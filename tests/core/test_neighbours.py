"""Nearest neighbours are those of brute force, also where rounding makes it hard."""

from __future__ import annotations

import numpy as np
import pytest

from tripletscope.analysis.neighbours import Neighbours, jaccard, nearest, neighbours_through_time
from tripletscope.errors import DataError, UnknownNameError


def brute(points: np.ndarray, k: int, distance: str) -> tuple[np.ndarray, np.ndarray]:
    """(places, distances) by plain differences in float64; of equal distances the lower place first."""
    rows = points.astype(np.float64)
    if distance == "cosine":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    squared = np.square(rows[:, None] - rows[None]).sum(-1)
    named = {"euclidean": np.sqrt(squared), "squared-euclidean": squared, "cosine": squared / 2}[distance]
    np.fill_diagonal(named, np.inf)
    order = np.argsort(named, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(named, order, axis=1)


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize("dim", [1, 2, 3, 16])
def test_they_are_those_of_brute_force(distance: str, dim: int) -> None:
    points = np.random.default_rng(dim).normal(size=(200, dim)).astype(np.float32)
    found = nearest(points, 15, distance)
    order, far = brute(points, 15, distance)
    np.testing.assert_allclose(found.distance, far, rtol=1e-5, atol=1e-12)
    if not (distance == "cosine" and dim == 1):  # there all distances are 0 or 2
        np.testing.assert_array_equal(found.index, order)


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e-20])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_a_collapsed_cloud_keeps_its_order(scale: float, offset: float) -> None:
    points = np.random.default_rng(0).normal(size=(300, 8)) * scale + offset * (scale > 1e-9)
    found = nearest(points, 15)
    order, far = brute(points, 15, "euclidean")
    np.testing.assert_allclose(found.distance, far, rtol=1e-5)
    np.testing.assert_array_equal(found.index, order)


def test_tight_groups_far_from_each_other_are_looked_at_again() -> None:
    rng = np.random.default_rng(1)
    points = np.repeat(rng.normal(size=(10, 6)) * 100, 40, axis=0) + 1e-6 * rng.normal(size=(400, 6))
    found = nearest(points, 15)
    order, far = brute(points, 15, "euclidean")
    np.testing.assert_array_equal(found.index, order)
    np.testing.assert_allclose(found.distance, far, rtol=1e-4)


def test_equal_points_are_neighbours_at_distance_zero() -> None:
    points = np.repeat(np.array([[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 2.0]]), 20, axis=0)
    found = nearest(points, 15)
    assert not found.distance.any()
    assert ((found.index < 20) == (np.arange(40) < 20)[:, None]).all()
    assert (found.index != np.arange(40)[:, None]).all(), "nobody is a neighbour of itself"


def test_rows_without_a_position_have_no_neighbours_and_are_none() -> None:
    points = np.random.default_rng(2).normal(size=(30, 5))
    points[3], points[11] = np.nan, np.inf
    found = nearest(points, 15)
    assert not found.usable[[3, 11]].any()
    assert found.usable.sum() == 28
    assert not np.isin(found.index, [3, 11]).any()
    assert np.isinf(found.distance[3]).all()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_samples_leave_places_empty(count: int) -> None:
    found = nearest(np.random.default_rng(3).normal(size=(count, 4)), 15)
    assert found.index.shape == (count, 15)
    assert ((found.index >= 0).sum(axis=1) == max(count - 1, 0)).all()


def test_an_unknown_distance_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="manhattan"):
        nearest(np.zeros((3, 2)), 1, "manhattan")


def test_jaccard_counts_what_is_shared() -> None:
    def lists(*rows: list[int]) -> Neighbours:
        index = np.array(rows, np.int32)
        return Neighbours(index, np.zeros(index.shape, np.float32))

    one = lists([1, 2, 3], [2, 3, 0], [-1, -1, -1])
    two = lists([3, 2, 1], [3, 4, 5], [0, 1, 3])
    np.testing.assert_allclose(jaccard(one, two), [1.0, 0.2, np.nan])


def test_frames_of_other_samples_are_refused() -> None:
    with pytest.raises(DataError, match="same samples"):
        neighbours_through_time([np.zeros((3, 2)), np.zeros((4, 2))])
