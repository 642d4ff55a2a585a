"""The neighbour graph of a set is that of plain loops, also where rounding, ties and missing labels make it hard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope.errors import UnknownNameError
from tripletscope.inspection.graph import Graph, neighbour_graph


def plain(
    vectors: np.ndarray, labels: np.ndarray, k: int, distance: str
) -> tuple[list[list[int]], list[int], list[int]]:
    """(k nearest, nearest of another class, nearest of the own class) by loops over pairs; lower rows first."""
    rows = vectors.astype(np.float64)
    if distance == "cosine":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    near, negative, same = [], [], []
    for a, mine in enumerate(labels):
        far = [float(((rows[a] - row) ** 2).sum()) for row in rows]
        order = sorted((b for b in range(len(rows)) if b != a), key=lambda b: (far[b], b))
        near.append((order[:k] + [-1] * k)[:k])
        known = [b for b in order if labels[b] >= 0 and mine >= 0]
        negative.append(next((b for b in known if labels[b] != mine), -1))
        same.append(next((b for b in known if labels[b] == mine), -1))
    return near, negative, same


def check(graph: Graph, vectors: np.ndarray, labels: np.ndarray, distance: str) -> None:
    near, negative, same = plain(vectors, labels, graph.k, distance)
    assert graph.index.tolist() == near
    assert graph.negative.tolist() == negative
    assert graph.same.tolist() == same


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize(("count", "dim", "classes"), [(1, 3, 1), (2, 2, 2), (12, 4, 3), (150, 16, 5), (90, 5, 45)])
def test_it_is_that_of_plain_loops(distance: str, count: int, dim: int, classes: int) -> None:
    rng = np.random.default_rng(count)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    labels = rng.integers(-1 if count > 2 else 0, classes, count)
    graph = neighbour_graph(vectors, labels, k=15, distance=distance)
    check(graph, vectors, labels, distance)
    rows = vectors.astype(np.float64)
    if distance == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for a in np.flatnonzero(graph.negative >= 0):
        squared = float(((rows[a] - rows[graph.negative[a]]) ** 2).sum())
        want = {"euclidean": squared**0.5, "squared-euclidean": squared, "cosine": squared / 2}[distance]
        assert graph.d_negative[a] == pytest.approx(want, rel=1e-6)
    assert np.isinf(graph.d_negative[graph.negative < 0]).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ties_collapse_and_drift_change_nothing(data: st.DataObject) -> None:
    """Rows from a small grid (many ties), shrunk and moved away from the origin."""
    count = data.draw(st.integers(2, 60))
    seed = data.draw(st.integers(0, 2**16))
    scale = data.draw(st.sampled_from([1.0, 2.0**-14, 2.0**-67]))
    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, 3, (count, 4)).astype(np.float64) * scale
    labels = rng.integers(-1, 4, count)
    check(neighbour_graph(vectors, labels, k=5, distance="euclidean"), vectors, labels, "euclidean")


def test_tight_groups_far_from_each_other_are_looked_at_again() -> None:
    rng = np.random.default_rng(1)
    vectors = np.repeat(rng.normal(size=(6, 6)) * 100, 40, axis=0) + 1e-6 * rng.normal(size=(240, 6))
    labels = rng.integers(0, 3, 240)
    check(neighbour_graph(vectors, labels, k=15, distance="euclidean"), vectors, labels, "euclidean")


def test_half_precision_rows_are_read_as_they_are() -> None:
    rng = np.random.default_rng(2)
    vectors, labels = rng.normal(size=(80, 8)).astype(np.float16), rng.integers(0, 4, 80)
    check(neighbour_graph(vectors, labels, k=6, distance="cosine"), vectors, labels, "cosine")


def test_an_empty_set_and_an_unknown_distance() -> None:
    assert neighbour_graph(np.zeros((0, 3)), np.zeros(0, int), k=4).index.shape == (0, 4)
    with pytest.raises(UnknownNameError, match="manhattan"):
        neighbour_graph(np.zeros((3, 2)), np.zeros(3, int), distance="manhattan")


def test_a_search_tells_how_far_it_is_and_ends_when_told_to():
    points = np.random.default_rng(0).normal(size=(2500, 4))
    told: list[tuple[int, int]] = []
    neighbour_graph(points, np.zeros(2500, int), k=3, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2500, 2500)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) > 1

    def enough(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        neighbour_graph(points, np.zeros(2500, int), progress=enough)
