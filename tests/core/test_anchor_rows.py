"""A strategy that says it is rowwise picks for one anchor at many frames what it picks frame by frame."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.app import tiny

from tripletscope import Run, strategies
from tripletscope.analysis.anchor_rows import AnchorRows
from tripletscope.analysis.answer import pack_answer
from tripletscope.analysis.counterfactual import Chooser, anchor_answer
from tripletscope.batch import Batch
from tripletscope.distances import pairwise

ROWWISE = [record.name for record in strategies.all() if record.rowwise]


def frames(seed, count, near, others, distance="euclidean", ties=False):
    """(batches, labels) of one anchor with `near` positives in `count` frames; `others`: sizes of the other classes."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[4] * (near + 1), *([label] * size for label, size in others.items())]).astype(np.int64)
    points = rng.normal(size=(count, len(labels), 2)).astype(np.float32)
    if ties:
        points = np.round(points)  # many equal distances, and samples on top of each other
    batches = []
    for each in points:
        d = pairwise(torch.from_numpy(each), distance)
        batches.append(Batch(d, torch.from_numpy(labels), distance=distance, embeddings=torch.from_numpy(each)))
    return batches, labels


def test_most_strategies_are_rowwise():
    """Sums and logarithms are rounded by the size of the batch, a swap or a second negative looks at others' rows."""
    single = {one.name for one in strategies.all() if one.single}
    assert set(ROWWISE) == single - {"distance-weighted", "batch-sample", "anchor-swap", "quadruplet", "triplet-center"}


@pytest.mark.parametrize("name", ROWWISE)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("near", "others"),
    [(3, {1: 4, 2: 4, 7: 4}), (1, {9: 3}), (5, {0: 1, 2: 2, 5: 7}), (0, {1: 3, 2: 3}), (3, {}), (30, {1: 30, 8: 30})],
)
def test_rows_are_the_frames(name, ties, near, others):
    record = strategies.get(name)
    for seed in range(3):
        batches, labels = frames(seed, 7, near, others, ties=ties)
        positives, negatives = np.flatnonzero(labels == 4)[1:], np.flatnonzero(labels != 4)
        chooser = Chooser(positives, negatives, 0.7, 3, 11, {})
        rows = chooser.rows(batches, labels)
        steps = list(range(0, 70, 10))
        picks, own, chances = chooser.at_all_frames(record, batches, rows, steps)
        for f, (batch, step) in enumerate(zip(batches, steps, strict=True)):
            wanted, wanted_own = chooser.picks(record, batch, step)
            np.testing.assert_array_equal(picks[f], wanted)
            assert own[f] == wanted_own
            if record.stochastic:
                np.testing.assert_array_equal(chances[f], chooser.chances(record, batch))


@pytest.mark.parametrize("ties", [False, True])
def test_rows_say_what_a_batch_says_of_its_first_slot(ties):
    batches, labels = frames(1, 4, 3, {1: 4, 2: 3, 6: 5}, ties=ties)
    rows = AnchorRows(torch.stack([batch.distances[0] for batch in batches]), labels, "euclidean")
    shared = ("positive_count", "negative_count", "class_size", "class_start", "has_positive", "has_negative")
    along = ("positive_mask", "negative_mask", "negative_distances", "positive_slots", "same")
    for f, batch in enumerate(batches):
        for name in (*shared, *along, "nearest_negative", "nearest_positive", "farthest_positive"):
            told, wanted = getattr(rows, name)[f], getattr(batch, name)[0]
            if name == "positive_slots":
                wanted = wanted[: len(told)]
            assert torch.equal(told, wanted), name
            assert torch.equal(getattr(rows.frame(f), name)[0], told), name
        assert torch.equal(rows.frame(f).d_ap, batch.d_ap[:3])
        assert torch.equal(rows.by_class, batch.by_class)


def test_an_outsiders_strategy_is_asked_frame_by_frame(tmp_path, monkeypatch):
    """It need not say that it is rowwise, and may look at the whole batch."""
    run = Run.open(tiny.record(tmp_path / "run"))
    before = pack_answer(anchor_answer(run, 4))
    record, seen = strategies.get("hardest"), []

    def watched(batch, **settings):
        seen.append(tuple(batch.distances.shape))
        return record.function(batch, **settings)

    monkeypatch.setitem(strategies.STRATEGIES._records, "hardest", replace(record, rowwise=False, function=watched))
    assert pack_answer(anchor_answer(run, 4)) == before
    assert seen == [(9, 9)] * len(run.frame_steps)
