"""Retrieval metrics against plain loops and against pytorch-metric-learning; honest numbers where all is equal."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope import metrics
from tripletscope.distances import DISTANCES, pairwise
from tripletscope.metrics import retrieval

NAMES = ["recall_at_1", "recall_at_5", "recall_at_10", "r_precision", "map_at_r"]


def loop_retrieval(distances: torch.Tensor, labels: list[int], ks: tuple[int, ...] = (1, 5, 10)) -> dict[str, float]:
    """Musgrave et al. 2020, §4.3, query by query, for distances without ties."""
    scores: dict[str, list[float]] = {}
    for query, label in enumerate(labels):
        order = [row for row in np.argsort(distances[query].numpy(), kind="stable").tolist() if row != query]
        hits = [labels[row] == label for row in order]
        relevant = sum(hits)
        if relevant == 0:
            continue
        for k in ks:
            scores.setdefault(f"recall_at_{k}", []).append(float(any(hits[:k])))
        scores.setdefault("r_precision", []).append(sum(hits[:relevant]) / relevant)
        precision_at = [sum(hits[: i + 1]) / (i + 1) for i in range(relevant)]
        scores.setdefault("map_at_r", []).append(
            sum(p for p, hit in zip(precision_at, hits, strict=False) if hit) / relevant
        )
    return {name: sum(values) / len(values) for name, values in scores.items()}


def a_set(seed: int, size: int, dim: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (size,), generator=generator)
    centres = torch.randn(classes, dim, generator=generator)
    return centres[labels] + torch.randn(size, dim, generator=generator), labels


@pytest.mark.parametrize("distance", DISTANCES.names())
@pytest.mark.parametrize(("size", "dim", "classes"), [(40, 2, 3), (60, 8, 20), (12, 3, 2), (90, 64, 7), (30, 1, 4)])
def test_the_scores_are_those_of_the_loop(distance: str, size: int, dim: int, classes: int) -> None:
    embeddings, labels = a_set(size, size, dim, classes)
    if distance == "cosine" and dim == 1:
        return  # two directions only: nothing but ties
    expected = loop_retrieval(pairwise(embeddings.double(), distance), labels.tolist())
    assert list(retrieval(embeddings, labels, distance)) == NAMES
    assert retrieval(embeddings, labels, distance) == pytest.approx(expected)
    assert retrieval(embeddings.numpy(), labels.numpy(), distance) == pytest.approx(expected)
    assert retrieval(embeddings.double(), labels, distance) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(2, 30), classes=st.integers(1, 12), dim=st.integers(1, 7))
def test_any_small_set_scores_as_in_the_loop(seed: int, size: int, classes: int, dim: int) -> None:
    embeddings, labels = a_set(seed, size, dim, classes)
    found = retrieval(embeddings.double(), labels)
    expected = loop_retrieval(pairwise(embeddings.double()), labels.tolist())
    if expected:
        assert found == pytest.approx(expected)
    else:
        assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("dim", [2, 16])
def test_blocks_of_any_size_give_the_same_scores(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels = a_set(3, 37, dim, 4)
    whole = retrieval(embeddings, labels)
    for entries in (1, 37 * 7, 10**4):
        monkeypatch.setattr(metrics, "BLOCK_ENTRIES", entries)
        assert retrieval(embeddings, labels) == pytest.approx(whole, abs=1e-12)


def test_a_query_alone_in_its_class_is_left_out() -> None:
    points = torch.tensor([[0.0], [0.1], [5.0], [5.1], [5.05]])
    with_loner = retrieval(points, torch.tensor([0, 0, 1, 1, 2]))
    assert with_loner["recall_at_1"] == 0.5  # 5.05 is nearest to both of class 1, and asks nothing itself
    assert with_loner["r_precision"] == 0.5


def test_without_any_query_the_scores_are_nan_and_not_zero() -> None:
    for labels in ([0, 1, 2], [0]):
        found = retrieval(torch.randn(len(labels), 2, generator=torch.Generator().manual_seed(0)), torch.tensor(labels))
        assert list(found) == NAMES
        assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_embedding_that_is_not_finite_makes_the_scores_nan(bad: float) -> None:
    embeddings, labels = a_set(0, 20, 3, 2)
    embeddings[4, 1] = bad
    assert all(math.isnan(value) for value in retrieval(embeddings, labels).values())


@pytest.mark.parametrize("distance", DISTANCES.names())
@pytest.mark.parametrize("dim", [2, 64])
@pytest.mark.parametrize("order", ["in cycles", "sorted", "shuffled"])
def test_a_set_collapsed_to_one_point_scores_what_guessing_would(distance: str, dim: int, order: str) -> None:
    labels = torch.arange(1000) % 10
    if order == "sorted":
        labels = labels.sort().values
    elif order == "shuffled":
        labels = labels[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    for value in (0.0, 0.1, -3e7):
        found = retrieval(torch.full((1000, dim), value), labels, distance)
        guess = {"recall_at_1": 0.1, "recall_at_5": 1 - 0.9**5, "recall_at_10": 1 - 0.9**10, "r_precision": 0.1}
        assert {name: found[name] for name in guess} == pytest.approx(guess, abs=0.04)
        assert found["map_at_r"] < 0.03


def test_a_perfect_and_a_hopeless_set_score_one_and_zero() -> None:
    points = torch.tensor([[0.0], [0.1], [9.0], [9.2]])
    assert set(retrieval(points, torch.tensor([0, 0, 1, 1])).values()) == {1.0}
    crossed = retrieval(points, torch.tensor([0, 1, 0, 1]), ks=(1,))
    assert crossed == {"recall_at_1": 0.0, "r_precision": 0.0, "map_at_r": 0.0}


@pytest.mark.parametrize("dim", [2, 32])
@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 1.0), (1e-20, 0.0), (1e18, 0.0), (1e-38, 0.0)])
def test_a_shrunken_or_shifted_set_scores_as_before(dim: int, scale: float, shift: float) -> None:
    embeddings, labels = a_set(11, 120, dim, 5)
    moved = embeddings.double() * scale + shift
    assert retrieval(moved, labels) == pytest.approx(retrieval(embeddings.double(), labels))
    if shift == 0:
        assert retrieval(moved.float(), labels) == pytest.approx(retrieval(embeddings, labels), abs=0.02)


def test_tight_clusters_far_apart_keep_their_inner_order() -> None:
    # The product form would lose the order inside a cluster: its distances are 1e-6 of those between clusters.
    generator = torch.Generator().manual_seed(0)
    for dim in (2, 8, 64):
        inner, labels = torch.randn(40, dim, generator=generator, dtype=torch.float64), torch.arange(40) // 2 % 4
        outer = torch.where((torch.arange(40) < 20)[:, None], -1.0, 1.0)
        embeddings = (outer + 1e-5 * inner).float()
        expected = loop_retrieval(pairwise(embeddings.double()), labels.tolist())
        assert retrieval(embeddings, labels) == pytest.approx(expected)


@pytest.mark.parametrize("dim", [2, 8])
def test_clusters_too_tight_for_any_product_keep_their_inner_order(dim: int) -> None:
    generator = torch.Generator().manual_seed(1)
    inner, labels = torch.randn(24, dim, generator=generator, dtype=torch.float64), torch.arange(24) // 2 % 3
    embeddings = torch.where((torch.arange(24) < 12)[:, None], -1.0, 1.0) + 1e-9 * inner
    by_differences = (embeddings[:, None] - embeddings).square().sum(dim=2)
    assert retrieval(embeddings, labels) == pytest.approx(loop_retrieval(by_differences, labels.tolist()))


def test_large_classes_are_searched_to_their_full_depth() -> None:
    embeddings, labels = a_set(6, 700, 3, 2)
    expected = loop_retrieval(pairwise(embeddings.double()), labels.tolist())
    assert retrieval(embeddings.double(), labels) == pytest.approx(expected)


def test_labels_are_classes_whatever_their_numbers() -> None:
    embeddings, labels = a_set(2, 50, 3, 4)
    expected = retrieval(embeddings, labels)
    assert retrieval(embeddings, labels * 2**40 - 7) == expected


@pytest.mark.peers
@pytest.mark.parametrize("dim", [2, 16])
def test_pytorch_metric_learning_computes_the_same(dim: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_metric_learning import distances
        from pytorch_metric_learning.utils import accuracy_calculator as calculator
        from pytorch_metric_learning.utils import inference

        embeddings, labels = a_set(4, 150, dim, 6)
        theirs = calculator.AccuracyCalculator(
            include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
            k="max_bin_count",
            device=torch.device("cpu"),
            knn_func=inference.CustomKNN(distances.LpDistance(normalize_embeddings=False)),
        ).get_accuracy(embeddings, labels)
    ours = retrieval(embeddings, labels)
    assert ours["recall_at_1"] == pytest.approx(theirs["precision_at_1"])
    assert ours["r_precision"] == pytest.approx(theirs["r_precision"])
    assert ours["map_at_r"] == pytest.approx(theirs["mean_average_precision_at_r"])


@pytest.mark.parametrize("dim", [2, 64])
def test_scikit_learn_finds_the_same_nearest_neighbours(dim: int) -> None:
    from sklearn.neighbors import NearestNeighbors

    embeddings, labels = a_set(8, 400, dim, 10)
    _, rows = NearestNeighbors(n_neighbors=11, algorithm="brute").fit(embeddings.double().numpy()).kneighbors()
    hits = labels.numpy()[rows] == labels.numpy()[:, None]
    found = retrieval(embeddings, labels)
    for k in (1, 5, 10):
        assert found[f"recall_at_{k}"] == pytest.approx(hits[:, :k].any(axis=1).mean())
