"""The losses against plain loops, and their gradients against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope import batch
from tripletscope.distances import pairwise
from tripletscope.losses import batch_all_loss, triplet_margin_loss
from tripletscope.triplets import Triplets


def eligible(labels: list[int]) -> list[tuple[int, int, int]]:
    slots = range(len(labels))
    return [
        (a, p, n)
        for a in slots
        for p in slots
        for n in slots
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def loop_loss(distances: torch.Tensor, triplets: list[tuple[int, int, int]], margin: float, soft: bool) -> torch.Tensor:
    """Mean over the triplets, one after the other, with a graph."""
    terms = []
    for a, p, n in triplets:
        gap = distances[a, n] - distances[a, p]
        terms.append(torch.log1p(torch.exp(-gap)) if soft else torch.clamp(margin - gap, min=0))
    return torch.stack(terms).mean() if terms else distances.sum() * 0


def as_triplets(rows: list[tuple[int, int, int]], weight: torch.Tensor | None = None) -> Triplets:
    columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).T
    return Triplets(columns[0], columns[1], columns[2], weight)


def a_batch(
    seed: int, size: int = 9, classes: int = 3, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(size, 3, generator=generator, dtype=dtype)
    return points, torch.randint(classes, (size,), generator=generator)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_both_losses_are_those_of_the_loop(seed: int, soft: bool) -> None:
    points, labels = a_batch(seed)
    distances = pairwise(points)
    rows = eligible(labels.tolist())
    expected = loop_loss(distances, rows, 0.7, soft)
    torch.testing.assert_close(batch_all_loss(distances, labels, 0.7, soft=soft), expected)
    torch.testing.assert_close(triplet_margin_loss(distances, as_triplets(rows), 0.7, soft=soft), expected)


@pytest.mark.parametrize("soft", [False, True])
def test_batch_all_has_the_gradient_of_the_loop_down_to_the_points(soft: bool) -> None:
    points, labels = a_batch(5, size=12)
    gradients = []
    for loss_of in (
        lambda d: batch_all_loss(d, labels, 0.5, soft=soft),
        lambda d: loop_loss(d, eligible(labels.tolist()), 0.5, soft),
    ):
        leaf = points.clone().requires_grad_()
        (3 * loss_of(pairwise(leaf))).backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("soft", [False, True])
def test_batch_all_passes_the_numerical_gradient_check(soft: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    distances = torch.rand(7, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 3])
    assert torch.autograd.gradcheck(lambda d: batch_all_loss(d, labels, 0.3, soft=soft), (distances,))


@pytest.mark.parametrize("soft", [False, True])
def test_batch_all_in_many_blocks_is_batch_all_in_one(monkeypatch: pytest.MonkeyPatch, soft: bool) -> None:
    points, labels = a_batch(3, size=20)
    found = []
    for entries in (2**18, 45, 1):
        monkeypatch.setattr(batch, "BLOCK", entries)
        leaf = points.clone().requires_grad_()
        loss = batch_all_loss(pairwise(leaf), labels, 0.5, soft=soft)
        loss.backward()
        found.append((loss.detach(), leaf.grad))
    for loss, gradient in found[1:]:
        torch.testing.assert_close(loss, found[0][0])
        torch.testing.assert_close(gradient, found[0][1])


@settings(max_examples=40, deadline=None)
@given(
    points=st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]), min_size=2, max_size=8),
    labels=st.lists(st.integers(0, 2), min_size=8, max_size=8),
    margin=st.sampled_from([0.5, 1.0]),
)
def test_batch_all_agrees_with_the_picks_of_all_triplets_on_ties(
    points: list[float], labels: list[int], margin: float
) -> None:
    codes = labels[: len(points)]
    gradients = []
    for function in ("picks", "all"):
        distances = pairwise(torch.tensor(points)[:, None]).detach().requires_grad_()
        if function == "picks":
            loss = triplet_margin_loss(distances, as_triplets(eligible(codes)), margin)
        else:
            loss = batch_all_loss(distances, torch.tensor(codes), margin)
        loss.backward()
        gradients.append((loss.detach(), distances.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [4]])
def test_without_a_triplet_the_loss_is_zero_and_still_has_a_graph(labels: list[int], soft: bool) -> None:
    for function in ("picks", "all"):
        points = torch.randn(len(labels), 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
        distances = pairwise(points)
        if function == "picks":
            loss = triplet_margin_loss(distances, Triplets.empty(), 0.2, soft=soft)
        else:
            loss = batch_all_loss(distances, torch.tensor(labels), 0.2, soft=soft)
        loss.backward()
        assert loss.item() == 0
        assert points.grad is not None
        assert points.grad.abs().sum() == 0


def test_the_soft_loss_neither_overflows_nor_dies() -> None:
    distances = torch.tensor([[0.0, 1e4, 0.0], [1e4, 0.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    loss = triplet_margin_loss(distances, as_triplets([(0, 1, 2)]), 0.2, soft=True)
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert distances.grad is not None
    assert distances.grad[0].tolist() == [0, 1, -1]
    assert batch_all_loss(distances.detach(), torch.tensor([0, 0, 1]), 0.2, soft=True).item() == pytest.approx(1e4)


def test_a_collapsed_batch_costs_the_margin_or_ln_2() -> None:
    distances, labels = torch.zeros(6, 6), torch.tensor([0, 0, 0, 1, 1, 1])
    assert batch_all_loss(distances, labels, 0.3).item() == pytest.approx(0.3)
    assert batch_all_loss(distances, labels, 0.3, soft=True).item() == pytest.approx(math.log(2))


def test_a_weight_counts_a_pick_that_often() -> None:
    distances = pairwise(torch.tensor([[0.0], [1.0], [1.5], [3.0]]))
    rows = [(0, 1, 2), (0, 1, 3)]
    weighted = triplet_margin_loss(distances, as_triplets(rows, torch.tensor([3.0, 1.0])), 1.0)
    repeated = triplet_margin_loss(distances, as_triplets([rows[0]] * 3 + rows[1:]), 1.0)
    torch.testing.assert_close(weighted, repeated)
    assert triplet_margin_loss(distances, as_triplets(rows, torch.zeros(2)), 1.0).item() == 0


def test_an_integer_label_of_any_width_is_a_class() -> None:
    points, labels = a_batch(1)
    distances = pairwise(points)
    expected = batch_all_loss(distances, labels, 0.5)
    assert batch_all_loss(distances, labels.to(torch.int16), 0.5) == expected
    assert batch_all_loss(distances, labels + 2**40, 0.5) == expected


@pytest.mark.parametrize("soft", [False, True])
def test_many_positives_for_each_anchor_change_nothing(soft: bool) -> None:
    # Beyond 32 positives for each anchor the zones are found by halving instead of by looking at all.
    points, labels = a_batch(7, size=80, classes=2, dtype=torch.float32)
    distances = pairwise(points)
    rows = as_triplets(eligible(labels.tolist()))
    first, second = distances.clone().requires_grad_(), distances.clone().requires_grad_()
    loss, expected = batch_all_loss(first, labels, 0.5, soft=soft), triplet_margin_loss(second, rows, 0.5, soft=soft)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(first.grad, second.grad)
