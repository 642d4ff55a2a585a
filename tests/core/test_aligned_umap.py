"""The layout through time: the same bits for the same input, still where nothing changed, calm about odd frames."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tripletscope.analysis.aligned_umap import Graph, align
from tripletscope.analysis.fidelity import fidelity, jitter
from tripletscope.analysis.neighbours import nearest
from tripletscope.analysis.work import CancelledError
from tripletscope.errors import DataError, UnknownNameError


def trajectory(frames: int = 6, classes: int = 6, each: int = 30, dim: int = 12) -> list[np.ndarray]:
    """Classes that part from a common cloud, as in a training that goes well."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(classes * each, dim))
    goal = np.repeat(rng.normal(size=(classes, dim)), each, axis=0)
    return [(noise * (1 - 0.7 * t) + 2.0 * t * goal).astype(np.float32) for t in np.linspace(0, 1, frames)]


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return trajectory()


def test_the_same_input_gives_the_same_bits(frames: list[np.ndarray]) -> None:
    one, two = align(frames), align([frame.copy() for frame in frames])
    np.testing.assert_array_equal(one.positions, two.positions)
    assert not np.array_equal(one.positions, align(frames, seed=1).positions)
    assert one.positions.dtype == np.float32


def test_frames_before_do_not_change_those_after(frames: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(align(frames[-3:]).positions, align(frames).positions[-3:])


def test_it_jitters_less_than_layouts_of_their_own_and_is_as_true(frames: list[np.ndarray]) -> None:
    together = align(frames)
    alone = np.concatenate([align([frame]).positions for frame in frames])
    calm, wild = (np.nanmean(jitter(positions, together.stayed)) for positions in (together.positions, alone))
    assert calm < 0.04
    assert calm < wild / 5
    trust = [
        np.mean([fidelity(frame, shown).trust for frame, shown in zip(frames, positions, strict=True)])
        for positions in (together.positions, alone)
    ]
    assert trust[0] > trust[1] - 0.05, "the first frame is pure noise, and here a sixth of the whole"


def test_nothing_that_stands_still_moves(frames: list[np.ndarray]) -> None:
    layout = align([frames[-1]] * 4)
    assert (layout.stayed[1:] == 1).all()
    assert jitter(layout.positions, layout.stayed).max() < 0.01


def test_classes_that_part_are_seen_to_part(frames: list[np.ndarray]) -> None:
    shown, labels = align(frames).positions[-1], np.repeat(np.arange(6), 30)
    assert (labels[nearest(shown, 5).index] == labels[:, None]).mean() > 0.95


@pytest.mark.parametrize("distance", ["squared-euclidean", "cosine"])
def test_every_distance_of_a_run_will_do(frames: list[np.ndarray], distance: str) -> None:
    assert np.isfinite(align(frames[-2:], distance=distance).positions).all()
    with pytest.raises(UnknownNameError, match="manhattan"):
        align(frames[:1], distance="manhattan")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 15, 16, 17])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_few_samples_and_few_dimensions(count: int, dim: int) -> None:
    few = [np.random.default_rng(f).normal(size=(count, dim)) for f in range(2)]
    positions = align(few).positions
    assert positions.shape == (2, count, 2)
    assert np.isfinite(positions).all()


def test_one_frame_and_none(frames: list[np.ndarray]) -> None:
    assert align(frames[:1]).positions.shape == (1, 180, 2)
    assert align([]).positions.shape == (0, 0, 2)


def test_rows_without_a_position_have_none_and_come_back(frames: list[np.ndarray]) -> None:
    broken = [frame.copy() for frame in frames]
    broken[-1][:3] = np.nan
    broken[2][5] = np.inf
    positions = align(broken).positions
    gone = np.zeros(positions.shape[:2], bool)
    gone[-1, :3] = gone[2, 5] = True
    assert (np.isnan(positions).any(axis=2) == gone).all()


def test_a_frame_in_which_all_are_equal_is_one_spot_and_no_harm_to_the_others(frames: list[np.ndarray]) -> None:
    flat = np.ones_like(frames[0])
    for collapsed in (0, 2, len(frames) - 1):
        some = [frame if f != collapsed else flat for f, frame in enumerate(frames)]
        positions = align(some).positions
        assert np.isfinite(positions).all()
        assert (np.ptp(positions[collapsed], axis=0) == 0).all()
        others = [f for f in range(len(frames)) if f != collapsed]
        assert all((np.ptp(positions[f], axis=0) > 1).all() for f in others)
    assert not align([flat, flat]).positions.any()
    # A run that has contracted, but not to a point, has neighbours as any other.
    tiny = [frame * np.float32(1e-12) + np.float32(0) for frame in frames[-2:]]
    assert fidelity(tiny[1], align(tiny).positions[1]).trust > 0.9


def test_duplicates_lie_together() -> None:
    rng = np.random.default_rng(1)
    points = np.repeat(rng.normal(size=(8, 6)), 20, axis=0)
    shown = align([points]).positions[0]
    assert np.isfinite(shown).all()
    labels = np.repeat(np.arange(8), 20)
    assert (labels[nearest(shown, 5).index] == labels[:, None]).mean() > 0.95


@pytest.mark.slow  # umap-learn compiles for half a minute
def test_the_graph_is_that_of_umap(frames: list[np.ndarray]) -> None:
    umap = pytest.importorskip("umap.umap_")
    from scipy import sparse

    found = nearest(frames[3], 15)
    # umap-learn counts a sample as its own first neighbour, which has weight 0 and no share in the sum.
    index = np.concatenate([np.arange(180)[:, None], found.index], axis=1)
    far = np.concatenate([np.zeros((180, 1), np.float32), found.distance], axis=1)
    sigmas, rhos = umap.smooth_knn_dist(far, 15.0, n_iter=64)
    rows, columns, values, _ = umap.compute_membership_strengths(index.astype(np.int32), far, sigmas, rhos)
    one = sparse.coo_matrix((values, (rows, columns)), shape=(180, 180)).tocsr()
    theirs = (one + one.T - one.multiply(one.T)).toarray()
    graph = Graph.of(found)
    ours = np.zeros((180, 180))
    ours[graph.head, graph.tail] = graph.weight
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    np.testing.assert_array_equal(ours, ours.T)


def test_progress_goes_up_to_the_end_and_a_stop_stops(frames: list[np.ndarray]) -> None:
    told: list[tuple[int, int]] = []
    align(frames[-3:], progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len({total for _, total in told}) == 1
    assert told[-1][0] == told[-1][1]
    asked = iter(range(100))
    with pytest.raises(CancelledError):
        align(frames, should_stop=lambda: next(asked) > 8)


def test_too_many_samples_are_refused(monkeypatch: pytest.MonkeyPatch, frames: list[np.ndarray]) -> None:
    monkeypatch.setattr("tripletscope.analysis.aligned_umap.MOST_POINTS", 100)
    with pytest.raises(DataError, match="up to 100 samples"):
        align(frames)


def test_numba_and_faiss_are_imported_when_they_are_needed() -> None:
    code = (
        "import sys, tripletscope.analysis.maps, tripletscope.analysis.fidelity\n"
        "heavy = {'numba', 'faiss', 'umap', 'scipy', 'torch', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
