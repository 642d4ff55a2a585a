"""The answer for an anchor equals what the strategies say on that very batch, and the batch keeps still."""

import numpy as np
import pytest
import torch
from tests.app import tiny

from tripletscope import Run, strategies
from tripletscope.analysis.answer import pack_answer, plane_distances, unpack_answer, with_ulps
from tripletscope.analysis.counterfactual import anchor_answer, crowd, opening
from tripletscope.analysis.probe import distances_from, draw_candidates, probe_batch, probe_labels, telling_anchor
from tripletscope.batch import Batch
from tripletscope.distances import pairwise
from tripletscope.errors import SettingError
from tripletscope.seeding import generator


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return Run.open(tiny.record(tmp_path_factory.mktemp("flat") / "semi-hard"))


@pytest.fixture(scope="module")
def sphere(tmp_path_factory):
    return Run.open(tiny.record(tmp_path_factory.mktemp("sphere") / "run", "distance-weighted", dim=5, unit=True))


def by_hand(run, answer, step, margin=None):
    """The strategies' own triplets on the candidates at that step, as {strategy: {(positive, negative)}}."""
    labels = torch.from_numpy(probe_labels(run)[answer["candidates"]])
    points = torch.from_numpy(np.array(run.frames[step][answer["candidates"]]))
    batch = Batch(pairwise(points, run.distance), labels, distance=run.distance, embeddings=points)
    chosen = {}
    for name in answer["picks"]:
        record = strategies.get(name)
        rng = generator(0, "counterfactual", name, step, answer["anchor"])
        triplets = record(
            batch.distances,
            labels,
            margin=margin or run.margin,
            generator=rng,
            distance=run.distance,
            embeddings=points,
        )
        chosen[name] = {(answer["candidates"][p], answer["candidates"][n]) for a, p, n in triplets.to_set() if a == 0}
    return batch, chosen


@pytest.mark.parametrize("which", ["flat", "sphere"])
@pytest.mark.parametrize(("anchor", "margin"), [(0, None), (9, None), (23, None), (9, 0.05), (9, 3.0)])
def test_every_pick_is_the_strategys_own(which, anchor, margin, request):
    run = request.getfixturevalue(which)
    answer = anchor_answer(run, anchor, margin=margin)
    assert answer["margin"] == (margin or run.margin)
    frames, positives, negatives = answer["frames"], answer["positives"], answer["negatives"]
    assert frames == run.frame_steps
    for f, step in enumerate(frames):
        batch, chosen = by_hand(run, answer, step, margin)
        np.testing.assert_array_equal(answer["distances"][f], batch.distances[0].numpy())
        for name, wanted in chosen.items():
            picks = answer["picks"][name][f]
            if name in answer["own_positive"]:
                own = answer["own_positive"][name][f]
                got = set() if own < 0 else {(positives[own], negatives[picks[own]])}
                assert len(set(picks.tolist())) == 1, "one negative, whichever positive is looked at"
            else:
                got = {(p, negatives[n]) for p, n in zip(positives, picks, strict=True) if n >= 0}
            assert got == wanted, (name, step)


def test_probabilities_are_scaled_by_their_largest_and_a_draw_is_possible(sphere):
    answer = anchor_answer(sphere, 4)
    shape = (len(answer["frames"]), len(answer["positives"]), len(answer["negatives"]))
    drawing = {one.name for one in strategies.all() if one.stochastic and one.granularity == "pair"}
    assert set(answer["probabilities"]) == drawing
    for name, chances in answer["probabilities"].items():
        picks = answer["picks"][name]
        assert (chances.shape, picks.shape) == (shape, shape[:2])
        assert set(np.unique(chances.max(axis=2)).tolist()) <= {0, 255}
        for f, p in np.ndindex(shape[:2]):
            if picks[f, p] < 0:
                assert not chances[f, p].any()
            else:
                assert chances[f, p, picks[f, p]] > 0


def test_strategies_that_need_unit_vectors_are_named_with_the_reason(flat, sphere):
    answer = anchor_answer(flat, 0)
    several = {one.name for one in strategies.all() if one.granularity in ("many", "batch")}
    unit = {one.name for one in strategies.all() if "unit" in one.needs}
    assert set(answer["not_applicable"]) == unit | several
    assert "several negatives" in answer["not_applicable"]["multi-similarity"]
    assert "length 1" in answer["not_applicable"]["distance-weighted"]
    assert "distance-weighted" not in answer["picks"]
    assert "batch-all" not in answer["picks"], "it picks every negative, so there is nothing to point at"
    assert set(anchor_answer(sphere, 0)["not_applicable"]) == several


def test_the_same_question_has_the_same_answer(flat):
    assert pack_answer(anchor_answer(flat, 5)) == pack_answer(anchor_answer(flat, 5))
    assert anchor_answer(flat, 5)["candidates"] != anchor_answer(flat, 6)["candidates"]


def test_candidates_are_a_pk_batch_with_the_anchor_first(flat):
    for anchor in range(24):
        drawn = probe_batch(flat, anchor)
        labels = probe_labels(flat)[drawn]
        assert drawn[0] == anchor
        assert len(set(drawn.tolist())) == len(drawn)
        assert np.unique(labels, return_counts=True)[1].tolist() == [3, 3, 3], "P x K of the run"


def test_small_classes_give_what_they_have():
    labels = np.array([0, 1, 1, 1, 2])
    drawn = draw_candidates(labels, 0, seed=0, classes_per_batch=8, samples_per_class=4)
    assert sorted(drawn.tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError, match="no probe index"):
        draw_candidates(labels, 5, seed=0, classes_per_batch=2, samples_per_class=2)


def test_an_anchor_without_a_positive_is_answered_with_nothing(tmp_path):
    who = tiny.samples()
    lonely = type(who)(ids=who.ids, labels=np.array([3] * 23 + [0]), class_names=who.class_names, thumbs=who.thumbs)
    run = Run.open(tiny.record(tmp_path / "run", "hardest", samples=lonely))
    answer = anchor_answer(run, 23)
    assert answer["positives"] == []
    assert {picks.shape for picks in answer["picks"].values()} == {(len(answer["frames"]), 0)}
    assert unpack_answer(pack_answer(answer), run)["positives"] == []


def test_an_opening_holds_every_run_and_every_strategy(tmp_path):
    runs = [Run.open(path) for path in tiny.race(tmp_path)]
    told = opening(runs, run="semi-hard", step=5, anchor=2)
    assert list(told["answers"]) == ["random", "semi-hard", "batch-hard"]
    assert [card["name"] for card in told["strategies"]] == strategies.names()
    unpacked = [unpack_answer(told["answers"][run.name], run) for run in runs]
    assert told["positive"] in unpacked[0]["positives"]
    candidates = [answer["candidates"] for answer in unpacked]
    assert candidates[0] == candidates[1] == candidates[2], "one batch for the whole race"


@pytest.mark.parametrize("which", ["flat", "sphere"])
def test_a_packed_answer_comes_back(which, request):
    run = request.getfixturevalue(which)
    answer = anchor_answer(run, 7, margin=0.3)
    packed = pack_answer(answer)
    assert (packed["anchor"], packed["margin"]) == (7, 0.3)
    back = unpack_answer(packed, run)
    for name in ("candidates", "candidates_title", "positives", "negatives", "frames", "not_applicable"):
        assert back[name] == answer[name]
    np.testing.assert_array_equal(back["distances"], answer["distances"])
    for part in ("picks", "own_positive", "probabilities"):
        assert list(back[part]) == list(answer[part])
        for name, array in answer[part].items():
            np.testing.assert_array_equal(back[part][name], array)
    assert (answer["others"] is None) == (which == "flat")
    if answer["others"]:
        for name in ("hardest", "nearest", "closer"):
            np.testing.assert_array_equal(back["others"][name], answer["others"][name])
        largest = answer["others"]["ticks"].max(axis=1, keepdims=True)
        assert (np.abs(back["others"]["ticks"] - answer["others"]["ticks"]) <= largest / 255).all()


@pytest.mark.slow
@pytest.mark.parametrize("race", ["digits-2d", pytest.param("digits-2d-standardized", marks=pytest.mark.slow)])
def test_the_page_can_take_the_distances_of_a_plane_itself(race):
    """Over all frames and many anchors: plain float32 arithmetic and the steps that travel give every bit back."""
    from tripletscope.datasets import sample_data_dir

    for folder in sorted((sample_data_dir() / "races" / race).glob("*/")):
        run = Run.open(folder)
        off = total = 0
        for anchor in range(0, 1797, 199):
            answer = anchor_answer(run, anchor)
            members = np.array(answer["candidates"])
            rows = []
            for step in run.frame_steps:
                points = run.frames[step]
                dx, dy = (points[members, axis] - points[anchor, axis] for axis in (0, 1))
                rows.append(np.sqrt(dx * dx + dy * dy))
                np.testing.assert_array_equal(rows[-1], plane_distances(points, anchor, members, "euclidean"))
            seen = np.array(rows)
            assert seen.dtype == np.float32
            np.testing.assert_array_equal(with_ulps(seen, answer["ulps"]), answer["distances"])
            assert np.abs(answer["ulps"]).max() <= 1
            off, total = off + np.count_nonzero(answer["ulps"]), total + answer["ulps"].size
        assert off < 0.03 * total, "what is nearly always 0 costs nothing to send"


@pytest.mark.parametrize("which", ["flat", "sphere"])
def test_the_crowd_outside_the_candidates_in_plain_loops(which, request):
    run = request.getfixturevalue(which)
    answer = anchor_answer(run, 4)
    labels, margin = probe_labels(run), np.float32(run.margin)
    d_ap = answer["distances"][:, 1 : 1 + len(answer["positives"])]
    told = crowd(run, np.array(answer["candidates"]), d_ap, run.margin)
    outside = [i for i in range(len(labels)) if labels[i] != labels[4] and i not in answer["candidates"]]
    assert told["count"] == len(outside) > 3
    for f, step in enumerate(run.frame_steps):
        frame = run.frames[step]
        d = {i: np.float32(np.sqrt(((frame[i] - frame[4]) ** 2).sum())) for i in outside}
        assert told["hardest"][f] == min(outside, key=lambda i: (d[i], i))
        assert told["nearest"][f] == told["ticks"][f, 0] == min(d.values())
        assert told["ticks"][f].tolist() == sorted(d.values()), "few enough to be told one by one"
        for p in range(d_ap.shape[1]):
            gaps = [d[i] - d_ap[f, p] for i in outside]
            hard, semi = sum(gap <= 0 for gap in gaps), sum(0 < gap < margin for gap in gaps)
            assert told["closer"][f, p].tolist() == [hard, semi]


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused(flat, margin):
    with pytest.raises(SettingError, match="above 0"):
        anchor_answer(flat, 0, margin=margin)


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
def test_distances_without_torch_are_those_with_it(distance):
    points = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    theirs = pairwise(torch.from_numpy(points), distance).numpy()
    np.testing.assert_allclose(distances_from(points[2], points, distance), theirs[2], atol=1e-6)


def test_the_proposed_anchor_tells_the_zones_apart():
    """On a shipped run, where many anchors have easy negatives only at that frame."""
    from tripletscope.datasets import sample_data_dir

    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
    anchor, positive = telling_anchor(run, 30)
    labels, rows = probe_labels(run), probe_batch(run, anchor)
    assert positive in rows
    assert positive != anchor
    assert labels[positive] == labels[anchor]
    d = distances_from(run.frames[30][anchor], run.frames[30][rows], run.distance)
    gap = d[labels[rows] != labels[anchor]] - d[list(rows).index(positive)]
    hard, easy = (gap <= 0).sum(), (gap >= run.margin).sum()
    assert min(hard, len(gap) - hard - easy, easy) >= 5
