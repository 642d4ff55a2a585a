"""Distances: right on a batch that has collapsed, exactly 0 between equals, and with a gradient there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tripletscope import distances
from tripletscope.distances import DISTANCES, is_unit_norm, pairwise, to_euclidean
from tripletscope.errors import UnknownNameError
from tripletscope.testing import oracles

NAMES = DISTANCES.names()
# One shape for each code path: differences, and the centred product.
SHAPES = {"differences": (24, 6), "product": (300, 20)}


def points(shape: tuple[int, int], seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_the_shapes_take_both_paths() -> None:
    sizes = {name: rows * rows * dims for name, (rows, dims) in SHAPES.items()}
    assert sizes["differences"] <= distances.EXACT_UP_TO < sizes["product"]


@pytest.mark.parametrize("path", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_plain_loops(name: str, path: str) -> None:
    given = points(SHAPES[path])
    np.testing.assert_allclose(
        pairwise(given, name).numpy(), oracles.pairwise(given.numpy(), name), rtol=2e-5, atol=1e-7
    )


@pytest.mark.parametrize("path", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_symmetric_with_zeros_where_points_are_equal(name: str, path: str) -> None:
    rows, _ = SHAPES[path]
    given = points(SHAPES[path])
    given[rows // 2 :] = given[: rows - rows // 2]
    found = pairwise(given, name)
    assert torch.equal(found, found.T)
    assert (found.diagonal() == 0).all()
    twins = torch.arange(rows - rows // 2)
    assert (found[twins, twins + rows // 2] == 0).all()
    assert (found >= 0).all()
    assert (found > 0).sum() == rows * rows - 2 * rows


@pytest.mark.parametrize("path", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_collapsed_to_one_point_far_away(name: str, path: str) -> None:
    found = pairwise((points(SHAPES[path])[:1] + 100).expand(SHAPES[path]), name)
    assert (found == 0).all()


@pytest.mark.parametrize("spread", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("name", ["euclidean", "squared-euclidean"])
def test_no_order_flips_on_a_collapsed_batch(name: str, spread: float) -> None:
    # What a plain product does here: 20 % of the triplets in the wrong order at a spread of 1e-3.
    size, dim = 512, 64
    centre = torch.nn.functional.normalize(points((1, dim)), dim=1)
    given = (centre + spread * points((size, dim), seed=1) / dim**0.5).float()
    found, truth = pairwise(given, name).double(), pairwise(given.double(), name)
    chance = torch.Generator().manual_seed(2)
    a, p, n = torch.randint(size, (3, 200_000), generator=chance)
    flipped = ((found[a, n] - found[a, p]) * (truth[a, n] - truth[a, p]) < 0).float().mean()
    naive = 2 * (1 - (given @ given.T)) if name == "squared-euclidean" else torch.cdist(given, given)
    naive = naive.double()
    naive_flipped = ((naive[a, n] - naive[a, p]) * (truth[a, n] - truth[a, p]) < 0).float().mean()
    assert float(flipped) < 1e-4
    if spread <= 1e-3:
        assert float(naive_flipped) > 0.01, "the test would not notice a plain product"


def test_two_collapsed_clusters_are_resolved() -> None:
    # Centring does not help here: the mean lies between the clusters, so it is the second look that counts.
    given = 1e-4 * points((128, 64))
    given[64:] += 1
    given = given.float()
    found, truth = pairwise(given).double(), pairwise(given.double())
    inside = slice(0, 64)
    np.testing.assert_allclose(found[inside, inside], truth[inside, inside], rtol=1e-4)
    few = torch.cat([given[:4], points((124, 64))])  # few doubtful entries: recomputed one by one
    np.testing.assert_allclose(pairwise(few)[:4, :4], pairwise(few.double())[:4, :4], rtol=1e-4)


@pytest.mark.parametrize("path", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_equals_that_of_double_precision_differences(name: str, path: str) -> None:
    given = points(SHAPES[path], dtype=torch.float64).requires_grad_()
    pull = points((SHAPES[path][0],) * 2, seed=3, dtype=torch.float64)
    (pairwise(given, name) * pull).sum().backward()
    other = given.detach().clone().requires_grad_()
    rows = torch.nn.functional.normalize(other, dim=1) if name == "cosine" else other
    squared = (rows[:, None] - rows).square().sum(dim=2)
    away = ~torch.eye(len(rows), dtype=torch.bool)
    plain = {"euclidean": squared[away].sqrt(), "squared-euclidean": squared[away], "cosine": squared[away] / 2}[name]
    (plain * pull[away]).sum().backward()
    torch.testing.assert_close(given.grad, other.grad)


@pytest.mark.parametrize("path", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_equal_points_have_a_finite_gradient(name: str, path: str) -> None:
    given = points(SHAPES[path])
    given[1] = given[0]
    given.requires_grad_()
    pairwise(given, name).sum().backward()
    assert torch.isfinite(given.grad).all()
    one_point = torch.ones(SHAPES[path], requires_grad=True)
    pairwise(one_point, name).sum().backward()
    assert (one_point.grad == 0).all()


def test_half_precision_and_autocast_are_computed_in_float32() -> None:
    given = points((300, 20))
    assert pairwise(given.bfloat16()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pairwise(given)
    assert torch.equal(inside, pairwise(given))


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 1), (3, 0)])
def test_small_shapes(shape: tuple[int, int]) -> None:
    found = pairwise(torch.ones(shape))
    assert found.shape == (shape[0], shape[0])
    assert (found == 0).all()


def test_inputs_stay_as_they_were() -> None:
    given = points((300, 20))
    before = given.clone()
    pairwise(given)
    assert torch.equal(given, before)


def test_an_unknown_distance_names_the_legal_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'euclidean'") as refusal:
        pairwise(torch.ones(2, 2), "euclidian")
    assert refusal.value.known == ["euclidean", "squared-euclidean", "cosine"]


def test_unit_norm_has_a_tolerance() -> None:
    one = torch.tensor([[0.6, 0.8]])
    assert is_unit_norm(one)
    assert is_unit_norm(one * 1.0009)
    assert not is_unit_norm(one * 1.0011)
    assert not is_unit_norm(torch.cat([one, 2 * one]))


@pytest.mark.parametrize("name", NAMES)
def test_unit_vectors_give_their_euclidean_distances_back(name: str) -> None:
    given = torch.nn.functional.normalize(points((24, 6)), dim=1)
    torch.testing.assert_close(to_euclidean(pairwise(given, name), name), pairwise(given), atol=1e-6, rtol=1e-5)
