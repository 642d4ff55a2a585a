"""Batches for property tests: any classes, and points on a coarse grid, so that ties and equal points are common."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from tripletscope.batch import Batch

MARGINS = st.sampled_from([0.2, 0.25, 0.5, 1.0])


@st.composite
def grid_batches(draw: st.DrawFn, distances: tuple[str, ...] = ("euclidean", "squared-euclidean")) -> Batch:
    """Up to 12 points on a grid of quarters in two dimensions."""
    size = draw(st.integers(2, 12))
    labels = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    coordinate = st.integers(-3, 3).map(lambda step: step / 4)
    points = draw(st.lists(st.tuples(coordinate, coordinate), min_size=size, max_size=size))
    return Batch.from_embeddings(torch.tensor(points), torch.tensor(labels), draw(st.sampled_from(distances)))


@st.composite
def unit_batches(draw: st.DrawFn, distances: tuple[str, ...] = ("euclidean", "squared-euclidean", "cosine")) -> Batch:
    """Up to 12 unit vectors in 2 to 6 dimensions, from a coarse grid of directions."""
    size, dim = draw(st.integers(2, 12)), draw(st.integers(2, 6))
    labels = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    row = st.lists(st.integers(-2, 2), min_size=dim, max_size=dim).filter(any)
    points = torch.tensor(draw(st.lists(row, min_size=size, max_size=size)), dtype=torch.float32)
    unit = torch.nn.functional.normalize(points, dim=1)
    return Batch.from_embeddings(unit, torch.tensor(labels), draw(st.sampled_from(distances)))


def distinct_batch(seed: int, *, classes: int = 5, samples: int = 4, dim: int = 6) -> Batch:
    """Random unit vectors, in double precision so that no two distances are equal."""
    chance = torch.Generator().manual_seed(seed)
    points = torch.randn(classes * samples, dim, generator=chance, dtype=torch.float64)
    labels = torch.arange(classes).repeat_interleave(samples)[torch.randperm(classes * samples, generator=chance)]
    return Batch.from_embeddings(torch.nn.functional.normalize(points, dim=1), labels)
