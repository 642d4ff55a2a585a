"""The numbers of a frame: its spread against plain loops, in few dimensions and in many."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tripletscope import frames


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize("dim", [1, 2, 4, 5])
@pytest.mark.parametrize("count", [2, 3, 17, 40])
def test_the_spread_is_the_mean_of_all_pairs(monkeypatch, distance, dim, count):
    monkeypatch.setattr(frames, "STRIP", 8)
    rng = np.random.default_rng(count)
    points = (100 + rng.normal(size=(count, dim))).astype(np.float32)  # far from 0, where products cancel
    labels = np.arange(count, dtype=np.int32) % 2
    total = 0.0
    for a, one in enumerate(points.astype(np.float64)):
        for b, other in enumerate(points.astype(np.float64)):
            if a != b:
                squared = float(np.square(one - other).sum())
                cosine = 1 - float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))
                total += {"euclidean": math.sqrt(squared), "squared-euclidean": squared, "cosine": cosine}[distance]
    found = frames.frame_numbers(points, labels, distance, 0.5)["frame_spread"]
    assert found == pytest.approx(total / (count * (count - 1)) / 0.5, rel=1e-4, abs=1e-6)


def test_a_frame_of_one_point_or_of_equal_points_has_no_spread():
    for count in (1, 300):
        points, labels = np.ones((count, 2), np.float32), np.zeros(count, np.int32)
        assert frames.frame_numbers(points, labels, "euclidean", 1.0)["frame_spread"] == 0
