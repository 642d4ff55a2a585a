"""The map of a run: exact where it can be, one fixed projection where it cannot."""

import numpy as np
import pytest

from tripletscope.analysis.projection import fixed_view, project


def frames_of(dim: int, count: int = 4, samples: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(samples, dim)).astype(np.float32) * (1 + i) for i in range(count)]


def test_two_dimensions_are_shown_untouched():
    frames = frames_of(2)
    shown = project(frames)
    assert shown.exact
    assert shown.badge == "EXACT: 2-D space"
    np.testing.assert_array_equal(shown.positions, np.stack(frames))


def test_one_dimension_is_a_line():
    frames = frames_of(1)
    shown = project(frames)
    assert shown.exact
    np.testing.assert_array_equal(shown.positions[:, :, 0], np.stack(frames)[:, :, 0])
    assert not shown.positions[:, :, 1].any()


@pytest.mark.parametrize("dim", [3, 16])
def test_more_dimensions_are_one_pca_over_all_frames(dim):
    frames = frames_of(dim)
    shown = project(frames)
    flat = np.concatenate(frames).astype(np.float64)
    left, values, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    np.testing.assert_allclose(
        np.abs(shown.positions.reshape(-1, 2)), np.abs(left[:, :2] * values[:2]), rtol=1e-3, atol=1e-3
    )
    share = (values[:2] ** 2).sum() / (values**2).sum()
    assert shown.explained == pytest.approx(share, rel=1e-6)
    assert shown.badge == f"PCA fixed over all frames, {share:.0%} of variance"
    assert not shown.exact


def test_a_still_point_stands_still_whatever_the_others_do():
    frames = frames_of(5)
    for frame in frames:
        frame[7] = 1.5
    shown = project(frames).positions[:, 7]
    np.testing.assert_allclose(shown, np.broadcast_to(shown[0], shown.shape), atol=1e-6)


def test_the_same_run_gives_the_same_map_and_no_axis_flips():
    frames = frames_of(6)
    np.testing.assert_array_equal(project(frames).positions, project([f.copy() for f in frames]).positions)
    np.testing.assert_allclose(project(frames).positions, project(frames[::-1]).positions[::-1], atol=1e-4)


def test_a_collapsed_run_and_broken_rows_are_no_trouble():
    frames = [np.ones((5, 4), np.float32)] * 2
    assert np.isfinite(project(frames).positions).all()
    assert project(frames).explained == 1.0
    frames = frames_of(4)
    frames[1][3] = np.nan
    shown = project(frames)
    assert np.isnan(shown.positions[1, 3]).all()
    assert np.isfinite(np.delete(shown.positions[1], 3, axis=0)).all()
    assert np.isfinite(shown.box).all()


def test_nothing_recorded_is_an_empty_map():
    assert project([]).positions.shape == (0, 0, 2)
    assert fixed_view([]) == ((0.0, 0.0), 1.0)
    assert fixed_view([(2.0, 2.0, 1.0, 1.0)]) == ((2.0, 1.0), 1.0)
