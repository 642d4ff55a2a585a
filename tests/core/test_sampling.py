"""PK batches: distinct, balanced, repeatable, and without a hand on anybody else's dice."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope.errors import SettingError
from tripletscope.sampling import PKSampler
from tripletscope.seeding import generator

LABELS = np.array([5, 9, 5, 7, 9, 7, 5, 9, 7, 5, 5, 7])


def a_sampler(seed: int = 0, classes: int = 2, samples: int = 3, labels: np.ndarray = LABELS) -> PKSampler:
    return PKSampler(labels, classes, samples, generator=generator(seed, "batches"))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 6), min_size=2, max_size=6),
    classes=st.integers(2, 6),
    samples=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_every_batch_has_p_classes_and_k_different_samples_of_each(
    sizes: list[int], classes: int, samples: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    classes = min(classes, len(sizes))
    rows = a_sampler(seed, classes, samples, labels).draw()
    assert rows.dtype == torch.int64
    assert len(set(rows.tolist())) == len(rows)
    drawn, counts = np.unique(labels[rows], return_counts=True)
    assert len(drawn) == classes
    assert counts.tolist() == [min(samples, sizes[label]) for label in drawn]


def test_classes_and_samples_are_drawn_equally_often_whatever_the_size_of_the_class() -> None:
    labels = np.repeat([0, 1, 2], [4, 4, 40])
    sampler = a_sampler(1, 2, 2, labels)
    rows = torch.cat([sampler.draw() for _ in range(3000)]).numpy()
    by_class = np.bincount(labels[rows]) / len(rows)
    np.testing.assert_allclose(by_class, 1 / 3, atol=0.02)
    within = np.bincount(rows[rows < 4], minlength=4)
    np.testing.assert_allclose(within / within.sum(), 1 / 4, atol=0.03)


def test_one_seed_gives_one_series_of_batches_and_another_seed_another() -> None:
    first, again, other = a_sampler(3), a_sampler(3), a_sampler(4)
    series = [first.draw().tolist() for _ in range(5)]
    assert series == [again.draw().tolist() for _ in range(5)]
    assert series != [other.draw().tolist() for _ in range(5)]


def test_the_global_random_state_is_neither_read_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = a_sampler().draw()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    np.random.default_rng(9)
    assert torch.equal(first, a_sampler().draw())


def test_a_saved_state_goes_on_with_the_same_batches() -> None:
    sampler = a_sampler(5)
    for _ in range(3):
        sampler.draw()
    saved = io.BytesIO()
    torch.save(sampler.state(), saved)
    rest = [sampler.draw().tolist() for _ in range(4)]
    saved.seek(0)
    resumed = a_sampler(99)
    resumed.set_state(torch.load(saved, weights_only=True))
    assert rest == [resumed.draw().tolist() for _ in range(4)]


def test_labels_come_as_array_or_tensor() -> None:
    from_tensor = PKSampler(torch.from_numpy(LABELS), 2, 3, generator=generator(0, "batches"))
    assert torch.equal(from_tensor.draw(), a_sampler().draw())


@pytest.mark.parametrize(
    ("classes", "samples", "message"),
    [
        (4, 2, "4 classes per batch were asked for but the data have 3: use --classes-per-batch 3 or fewer"),
        (1, 2, "--classes-per-batch 1 leaves no negative to mine: use 2 or more"),
        (2, 1, "--samples-per-class 1 leaves no positive to mine: use 2 or more"),
        (0, 2, "--classes-per-batch 0"),
        (2, -3, "--samples-per-class -3"),
    ],
)
def test_a_batch_that_cannot_be_drawn_is_refused(classes: int, samples: int, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        a_sampler(0, classes, samples)


def test_a_class_with_one_sample_is_refused_by_its_label() -> None:
    with pytest.raises(SettingError, match="label 8 has 1 sample; a triplet needs a positive, so each class needs 2"):
        a_sampler(labels=np.array([1, 1, 8, 3, 3]))
