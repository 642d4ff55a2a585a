"""Anchors worth a look, against plain loops over all of them."""

import numpy as np
import pytest
import torch
from tests.app import tiny

from tripletscope import Recorder, Run, strategies
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.analysis.seek import disagreements, next_disagreement, next_violating
from tripletscope.distances import pairwise
from tripletscope.samples import Samples


@pytest.fixture(scope="module", params=["plane", "sphere"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "run"
    return Run.open(tiny.record(folder, dim=5, unit=True) if request.param == "sphere" else tiny.record(folder))


def still(folder, points, labels):
    """A run of one step."""
    points, ids = points.astype(np.float32), list(range(len(labels)))
    samples = Samples(ids=np.array(ids), labels=labels, class_names=[str(i) for i in range(labels.max() + 1)])
    with Recorder(folder, margin=0.5, samples=samples) as recorder:
        recorder.step(points, labels, ids, triplets=None, loss=0.0, probe=lambda: (points, ids))
    return Run.open(folder)


def violates(run, step, anchor, margin):
    """{positive: zone counts} of the positives with a violating negative, one triplet after the other."""
    labels, members = probe_labels(run), probe_batch(run, anchor)
    d = pairwise(torch.from_numpy(np.array(run.frames[step][members])), run.distance)[0].numpy()
    found = {}
    for p, positive in enumerate(members):
        if p == 0 or labels[positive] != labels[anchor]:
            continue
        counts = [0, 0, 0]
        for n, negative in enumerate(members):
            if labels[negative] != labels[anchor]:
                gap = d[n] - d[p]
                counts[0 if gap <= 0 else 1 if gap < np.float32(margin) else 2] += 1
        if counts[0] + counts[1]:
            found[int(positive)] = counts
    return found


@pytest.mark.parametrize("margin", [None, 0.02, 1e-9])
@pytest.mark.parametrize("step", [0, 12])
def test_the_next_violating_anchor_is_the_next_one_that_violates(run, step, margin):
    true_margin = run.margin if margin is None else margin
    all_of_them = {a: violates(run, step, a, true_margin) for a in range(24)}
    for anchor in range(24):
        order = [(anchor + k) % 24 for k in range(1, 25)]
        wanted = next((a for a in order if all_of_them[a]), None)
        found = next_violating(run, step, anchor, margin=margin)
        assert (found and found[0]) == wanted
        if found:
            counts = all_of_them[wanted]
            best = max((min(c), -max(c)) for c in counts.values())
            assert (min(counts[found[1]]), -max(counts[found[1]])) == best


def test_nothing_violates_where_all_is_apart(tmp_path):
    labels = np.repeat(np.arange(4), 6)
    run = still(tmp_path / "run", np.stack([100.0 * labels, np.arange(24) * 1e-3], axis=1), labels)
    assert next_violating(run, 0, 5) is None
    assert next_violating(run, 0, 5, margin=1000.0) is not None


def test_the_ranking_counts_different_negatives(run):
    step = 5
    ranking = disagreements(run, step)
    assert sorted(anchor for anchor, _ in ranking) == list(range(24)), "a small probe set is ranked whole"
    stochastic = {record.name for record in strategies.all() if record.stochastic}
    scores = []
    for anchor, positive in ranking:
        answer = anchor_answer(run, anchor)
        f = answer["frames"].index(step)
        per_positive = {}
        for p, each in enumerate(answer["positives"]):
            everyone, certain = set(), set()
            for name, picks in answer["picks"].items():
                own = answer["own_positive"].get(name)
                if picks[f, p] >= 0 and (own is None or own[f] == p):
                    everyone.add(int(picks[f, p]))
                    certain |= set() if name in stochastic else {int(picks[f, p])}
            per_positive[each] = (len(everyone), len(certain))
        assert per_positive[positive] == max(per_positive.values())
        scores.append((*(-part for part in per_positive[positive]), anchor))
    assert scores == sorted(scores)


def test_pressing_again_walks_the_ranking_and_begins_anew(run):
    ranking = disagreements(run, 5)
    assert disagreements(run, 5) is ranking, "worked out once"
    assert disagreements(run, 5, margin=9.0) is not ranking
    walked, anchor = [], ranking[-1][0]
    for _ in range(len(ranking) + 1):
        found = next_disagreement(run, 5, anchor)
        walked.append(found)
        anchor = found[0]
    assert walked == [*ranking, ranking[0]]


def test_without_a_positive_there_is_nothing_to_seek(tmp_path):
    run = still(tmp_path / "run", np.random.default_rng(0).normal(size=(24, 2)), np.arange(24))
    assert next_violating(run, 0, 3) is None
    assert next_disagreement(run, 0, 3) is None
