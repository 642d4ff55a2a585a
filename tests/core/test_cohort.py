"""The cohort: fixed, balanced, seeded; distances that keep ties; turnover of nearest negatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.core import recorded

from tripletscope import Recorder, Run
from tripletscope.analysis.cohort import (
    cohort,
    cohort_title,
    distances_within,
    draw_cohort,
    nearest_negative_turnover,
    turnover,
)
from tripletscope.distances import pairwise


@pytest.mark.parametrize(
    ("classes", "each", "wanted"),
    [(1, 50, 32), (2, 50, 32), (10, 180, 32), (15, 40, 21), (50, 30, 6), (160, 9, 2), (161, 9, 2), (700, 3, 2)],
)
def test_every_class_gives_as_many(classes: int, each: int, wanted: int) -> None:
    labels = np.tile(np.arange(classes) * 7, each)
    drawn = draw_cohort(labels, seed=3)
    assert (np.diff(drawn) > 0).all()
    assert set(np.unique(labels[drawn], return_counts=True)[1].tolist()) == {wanted}
    assert len(drawn) <= 320 or wanted == 2


def test_a_small_class_gives_all_it_has() -> None:
    labels = np.array([5] * 40 + [6] * 3 + [7])
    counts = np.unique(labels[draw_cohort(labels, seed=0)], return_counts=True)[1]
    assert counts.tolist() == [32, 3, 1]


def test_the_draw_depends_on_the_seed_and_not_on_other_classes() -> None:
    labels = np.repeat(np.arange(6), 60)
    one = draw_cohort(labels, seed=0)
    np.testing.assert_array_equal(one, draw_cohort(labels, seed=0))
    assert not np.array_equal(one, draw_cohort(labels, seed=1))
    fewer = draw_cohort(labels[:300], seed=0)
    np.testing.assert_array_equal(fewer, one[one < 300])


def test_a_run_without_frames_has_an_empty_cohort(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as recorder:
        recorder.step(np.eye(3, 2), [0, 0, 1], ids=[1, 2, 3])
    run = Run.open(recorder.path)
    assert len(cohort(run)) == len(turnover(run)) == 0
    assert cohort_title(run) == "no probe samples"


def test_a_whole_probe_set_is_called_that(tmp_path: Path) -> None:
    run = Run.open(recorded.record(tmp_path / "run"))
    assert cohort_title(run) == "all 24 probe samples, the same at every frame"


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize("dim", [2, 4, 5, 64])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e3])
def test_distances_are_those_of_the_engine(distance: str, dim: int, scale: float) -> None:
    points = (np.random.default_rng(dim).normal(size=(90, dim)) * scale + 3).astype(np.float32)
    points[7] = points[8]
    found = distances_within(points, distance)
    exact = pairwise(torch.from_numpy(points).double(), distance).numpy()
    np.testing.assert_allclose(found, exact, rtol=2e-6, atol=1e-12 if distance == "cosine" else 0)
    assert found[7, 8] == 0
    assert not found.diagonal().any()
    np.testing.assert_array_equal(found[7], found[8])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32)
    whole = distances_within(points, "euclidean")
    monkeypatch.setattr("tripletscope.analysis.cohort.BLOCK", 60)
    np.testing.assert_allclose(distances_within(points, "euclidean"), whole, rtol=1e-6)


def test_turnover_counts_the_anchors_that_changed() -> None:
    labels = np.array([0, 1, 1, 1])
    first = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    second = np.array([[0.0], [4.0], [2.0], [3.0]], np.float32)
    shares = nearest_negative_turnover([first, second, second], labels, "euclidean")
    np.testing.assert_array_equal(shares, np.array([np.nan, 0.25, 0.0], np.float32))


def test_a_tie_is_no_change_and_one_class_has_no_turnover() -> None:
    labels = np.array([0, 1, 1])
    apart = np.array([[0.0], [2.0], [1.0]], np.float32)
    together = np.zeros((3, 1), np.float32)
    assert nearest_negative_turnover([apart, together, together], labels, "euclidean")[1:].tolist() == [0, 0]
    assert np.isnan(nearest_negative_turnover([apart, together], np.zeros(3, np.int64), "euclidean")).all()


def test_turnover_of_a_run_is_that_of_plain_loops(tmp_path: Path) -> None:
    run = Run.open(recorded.record(tmp_path / "run"))
    found = turnover(run)
    labels = run.samples.labels[run.probe_rows]
    former: list[int] = []
    for f, step in enumerate(run.frame_steps):
        points = np.asarray(run.frames[step], np.float64)
        nearest = []
        for a in range(len(points)):
            others = np.flatnonzero(labels != labels[a])
            nearest.append(int(others[np.linalg.norm(points[others] - points[a], axis=1).argmin()]))
        if former:
            assert found[f] == pytest.approx(
                np.mean([one != other for one, other in zip(nearest, former, strict=True)])
            )
        former = nearest
    assert np.isnan(found[0])
