"""What a map keeps: scikit-learn's trustworthiness, neighbours counted by hand, true movement."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from tripletscope.analysis.fidelity import fidelity, jitter, moved_through_time
from tripletscope.analysis.neighbours import nearest


@pytest.mark.parametrize("count", [40, 700])
def test_trustworthiness_is_that_of_scikit_learn(count: int) -> None:
    frame = np.random.default_rng(0).normal(size=(count, 12)).astype(np.float32)
    shown = frame[:, :2] + frame[:, 2:4] * 0.2
    found = fidelity(frame, shown)
    assert found.trust == pytest.approx(trustworthiness(frame, shown, n_neighbors=15), abs=1e-9)


def test_by_cosine_the_lengths_do_not_count() -> None:
    rng = np.random.default_rng(1)
    frame = rng.normal(size=(120, 6))
    unit = frame / np.linalg.norm(frame, axis=1, keepdims=True)
    stretched = unit * rng.uniform(0.1, 9, size=(120, 1))
    assert fidelity(stretched, frame[:, :2], distance="cosine") == fidelity(unit, frame[:, :2])


def test_kept_is_the_share_of_neighbours_that_the_map_shows() -> None:
    rng = np.random.default_rng(2)
    frame, shown = rng.normal(size=(60, 5)), rng.normal(size=(60, 2))
    near, on_map = nearest(frame, 15).index, nearest(shown, 15).index
    share = np.mean([len(set(a) & set(b)) / 15 for a, b in zip(near.tolist(), on_map.tolist(), strict=True)])
    assert fidelity(frame, shown).kept == pytest.approx(share)
    assert fidelity(frame, shown, neighbours=nearest(frame, 15)) == fidelity(frame, shown)


def test_the_space_itself_keeps_everything() -> None:
    frame = np.random.default_rng(3).normal(size=(50, 2))
    assert fidelity(frame, 3 * frame[:, ::-1] + 7) == fidelity(frame, frame)
    assert fidelity(frame, frame).kept == 1.0
    assert fidelity(frame, frame).trust == 1.0


def test_where_there_is_no_answer_it_is_nan() -> None:
    rng = np.random.default_rng(4)
    for frame in (np.ones((30, 4)), rng.normal(size=(2, 4)), np.zeros((0, 4)), np.full((30, 4), np.nan)):
        found = fidelity(frame, rng.normal(size=(len(frame), 2)))
        assert np.isnan([found.kept, found.trust]).all()


def test_rows_that_are_missing_are_left_out() -> None:
    rng = np.random.default_rng(5)
    frame, shown = rng.normal(size=(80, 6)), rng.normal(size=(80, 2))
    broken = frame.copy()
    broken[[4, 9]] = np.nan
    rest = np.delete(np.arange(80), [4, 9])
    assert fidelity(broken, shown, neighbours=nearest(broken)) == fidelity(frame[rest], shown[rest])


def test_few_samples_have_few_neighbours() -> None:
    rng = np.random.default_rng(6)
    frame = rng.normal(size=(9, 3))
    assert fidelity(frame, frame[:, :2]).trust == pytest.approx(
        trustworthiness(frame, frame[:, :2], n_neighbors=4), abs=1e-9
    )


def test_moved_is_the_true_displacement() -> None:
    moved = moved_through_time([np.zeros((2, 3)), np.array([[1.0, 2.0, 2.0], [np.nan, 0.0, 0.0]])])
    assert np.isnan(moved[0]).all()
    assert moved[1, 0] == 3.0
    assert np.isnan(moved[1, 1])
    assert moved_through_time([]).shape == (0, 0)


def test_jitter_counts_those_who_stayed_in_diameters() -> None:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    moved = ring + np.array([0.1, 0.0])
    moved[0] = 0.0  # changed its neighbours, so it may move
    stayed = np.full((2, 40), 0.7, np.float32)
    stayed[1, 0] = 0.1
    found = jitter(np.stack([ring, moved]), stayed)
    assert found.shape == (1,)
    assert found[0] == pytest.approx(0.1 / 2, rel=0.05)
    assert np.isnan(jitter(np.stack([ring, moved]), np.zeros((2, 40), np.float32))).all()
