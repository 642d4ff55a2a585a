"""Learned centres of classes: read at every frame, placed by the map's own projection, measured from an anchor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis import centres as analysis
from tripletscope.analysis.answer import pack_answer, unpack_answer
from tripletscope.analysis.centres import centre_rows, frame_centres
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.analysis.probe import open_frames, probe_labels
from tripletscope.analysis.projection import project
from tripletscope.distances import DISTANCES, pairwise
from tripletscope.store import layout

MISSING = 3  # the frame without centres


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.open(tiny.centred(tmp_path_factory.mktemp("centred") / "run", dim=3))


def test_every_frame_has_its_centres_and_one_without_has_none(run: Run) -> None:
    assert run.has_centres
    found = frame_centres(run)
    assert found is not None
    assert found.shape == (len(run.frame_steps), tiny.CLASSES, 3)
    for place, step in enumerate(run.frame_steps):
        kept = run.centres(step)
        if step == MISSING:
            assert kept is None
            assert np.isnan(found[place]).all()
        else:
            np.testing.assert_array_equal(found[place], kept)


def test_a_run_without_centres_has_nothing_of_them(tmp_path: Path) -> None:
    plain = Run.open(tiny.record(tmp_path / "run"))
    assert not plain.has_centres
    assert frame_centres(plain) is None
    assert anchor_answer(plain, 0)["centres"] is None


@pytest.mark.parametrize("distance", list(DISTANCES.names()))
@pytest.mark.parametrize("most", [64, 2])
def test_distances_are_those_of_the_loss_nearest_first(
    run: Run, distance: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "MOST_CENTRES", most)
    monkeypatch.setitem(run.config, "distance", distance)
    labels = probe_labels(run)
    for anchor in (0, 9, 23):
        rows = centre_rows(run, anchor, open_frames(run))
        assert rows is not None
        for place, step in enumerate(run.frame_steps):
            whose, told = rows.labels[place], rows.distances[place]
            assert whose[0] == labels[anchor]
            assert len(set(whose.tolist())) == len(whose) == min(most, tiny.CLASSES)
            kept = run.centres(step)
            if kept is None:
                assert np.isnan(told).all()
                continue
            together = torch.from_numpy(np.concatenate([run.frames[step][anchor][None], kept]))
            far = pairwise(together, distance)[0, 1:].numpy()
            np.testing.assert_allclose(told, far[whose], rtol=1e-5, atol=1e-6)
            others = [float(far[c]) for c in range(tiny.CLASSES) if c != labels[anchor]]
            assert told[1] == pytest.approx(min(others), rel=1e-5)
            assert (np.diff(told[1:]) >= 0).all()


def test_an_answer_brings_them_along(run: Run) -> None:
    told = anchor_answer(run, 7)
    back = unpack_answer(pack_answer(told), run)
    np.testing.assert_array_equal(back["centres"].labels, told["centres"].labels)
    np.testing.assert_array_equal(back["centres"].distances, told["centres"].distances)
    assert "centres" in told["not_applicable"]["triplet-center"]


def test_what_a_stranger_kept_is_read_as_far_as_it_fits(tmp_path: Path) -> None:
    folder = tiny.centred(tmp_path / "run", dim=3)
    path = {step: layout.centres_path(folder, step) for step in (0, 1, 2, 4)}
    whole = np.load(path[0])
    np.save(path[1], whole[:2])  # fewer classes
    np.save(path[2], whole[:, :2])  # another space
    np.save(path[4], np.concatenate([whole, whole]))  # more classes than have names
    path[0].write_bytes(b"cut")
    run = Run.open(folder)
    found = frame_centres(run)
    assert found is not None
    at = {step: found[run.frame_steps.index(step)] for step in path}
    assert np.isnan(at[0]).all()
    np.testing.assert_array_equal(at[1][:2], whole[:2])
    assert np.isnan(at[1][2:]).all()
    assert np.isnan(at[2]).all()
    np.testing.assert_array_equal(at[4], whole)
    rows = centre_rows(run, 23, open_frames(run))  # of the last class, whose centre is not among the two of step 1
    assert rows is not None
    assert rows.labels[run.frame_steps.index(1)][0] == tiny.CLASSES - 1
    assert np.isnan(rows.distances[run.frame_steps.index(1)][0])


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_point_is_placed_as_a_sample_at_the_same_place_would_be(dim: int) -> None:
    rng = np.random.default_rng(dim)
    frames = [rng.normal(size=(30, dim)).astype(np.float32) * scale for scale in (1, 2, 5)]
    shown = project(frames)
    for frame, places in zip(frames, shown.positions, strict=True):
        np.testing.assert_allclose(shown.place(frame), places, atol=1e-6)
    assert np.isnan(shown.place(np.full((2, dim), np.nan, np.float32))[:, 0]).all()
    umap = type(shown)(shown.positions, False, float("nan"), "UMAP")
    assert umap.place(frames[0]) is None
