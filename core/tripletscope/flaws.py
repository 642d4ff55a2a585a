"""Flaws that are planted in training data on purpose: wrong labels, and classes that become rare. The truth is kept.

Who wants to know what a strategy does with wrong labels needs data in which somebody knows which ones they are. Loads
without torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from tripletscope.errors import SettingError
from tripletscope.samples import LabelledData, Samples
from tripletscope.seeding import derive_seed

#: A class with fewer has no positive.
LEAST = 2


@dataclass(frozen=True)
class Planted:
    """Data with planted flaws.

    Attributes:
        data: what is trained on; its samples carry `true_labels` where labels were replaced.
        of: how many samples there were before.
        wrong: how many of those that are left have a wrong label.
        rarest, commonest: sizes of the smallest and the largest class, by true labels.
    """

    data: LabelledData
    of: int
    wrong: int
    rarest: int
    commonest: int

    def tail_words(self, *, planned: bool = False) -> str | None:
        """The sentence on the classes that were thinned; None where none was."""
        rows, verb = len(self.data), "will be" if planned else "are"
        if rows == self.of:
            return None
        return (
            f"A long tail: {rows:,} of {self.of:,} samples {verb} left, {self.commonest:,} in the commonest class and "
            f"{self.rarest:,} in the rarest."
        )

    def label_words(self, *, planned: bool = False) -> str | None:
        """The sentence on the labels that were replaced; None where none was."""
        if not self.wrong:
            return None
        verb = "will be" if planned else "are"
        return f"{self.wrong:,} of {len(self.data):,} labels {verb} wrong; the run keeps the truth."

    @property
    def notes(self) -> list[str]:
        """What was planted, one sentence each; nothing for data as they were.

        Example:
            >>> from tripletscope import datasets
            >>> for note in plant(datasets.load("digits"), label_noise=0.2, imbalance=0.1, seed=0).notes:
            ...     print(note)
            A long tail: 742 of 1,797 samples are left, 183 in the commonest class and 18 in the rarest.
            148 of 742 labels are wrong; the run keeps the truth.
        """
        return [words for words in (self.tail_words(), self.label_words()) if words]


def plant(data: LabelledData, *, label_noise: float = 0.0, imbalance: float = 1.0, seed: int = 0) -> Planted:
    """The data as they are trained on: first thinned to a long tail, then with some labels replaced.

    Each of the two draws from a stream of its own that depends on the seed alone, so that all runs of one seed see the
    same flaws whatever their strategy, and a smaller share's wrong labels are among those of a larger share.

    Args:
        data: as they were loaded.
        label_noise: share of labels to replace; see `wrong_labels`.
        imbalance: rarest class / commonest class; see `long_tail`.
        seed: of the run.

    Raises:
        SettingError: a share out of its range, or one that leaves too little.

    Example:
        >>> from tripletscope import datasets
        >>> planted = plant(datasets.load("digits"), label_noise=0.2, seed=0)
        >>> planted.wrong, len(planted.data)
        (359, 1797)
        >>> who = planted.data.samples
        >>> int((who.labels != who.true_labels).sum())
        359
    """
    source = data
    if imbalance != 1.0:
        data = _thinned(data, long_tail(data.samples, imbalance, seed))
    wrong = 0
    if label_noise != 0.0:
        truth = data.samples.labels
        labels = wrong_labels(data.samples, label_noise, seed)
        wrong = int(np.count_nonzero(labels != truth))
        data = replace(data, samples=replace(data.samples, labels=labels, true_labels=truth))
    counts = np.bincount(data.samples.true_or_given_labels)
    sizes = counts[counts > 0].tolist()
    return Planted(data, len(source), wrong, min(sizes, default=0), max(sizes, default=0))


def wrong_labels(samples: Samples, share: float, seed: int) -> Int64[np.ndarray, "N"]:
    """The labels of all samples after `share` of them were replaced by another class, each other class as likely.

    Exactly round(share * N) samples are drawn from all N without replacement, whatever their class, and each gets one
    of the other C - 1 classes, drawn uniformly. So no replaced label is right by chance, and `share` is the share of
    wrong labels, not of labels that were drawn again. Classes without samples are nobody's wrong label.

    Args:
        samples: with true labels.
        share: 0 < share < 1.
        seed: of the run.

    Raises:
        SettingError: `share` is out of its range or less than one label, there are fewer than 2 classes, or a class
            would be left with fewer than 2 labels.

    Source: symmetric label noise: van Rooyen, Menon and Williamson 2015, "Learning with Symmetric Label Noise", for
    two classes; for more, 1 - share on the diagonal of the transition matrix and share / (C - 1) elsewhere, as in Han
    et al. 2018, "Co-teaching" (their "symmetry flipping"). There each label is flipped by its own coin; here the number
    is exact, so that runs of different seeds have equally many wrong labels.

    Example:
        >>> who = Samples(np.arange(6), np.array([0, 0, 0, 1, 1, 1]), ["cat", "dog"])
        >>> int((wrong_labels(who, 1 / 3, seed=0) != who.labels).sum())
        2
    """
    if not (math.isfinite(share) and 0 < share < 1):
        raise SettingError(
            f"--label-noise is {share:g}, but it has to be 0 or more and below 1: it is a share of labels."
        )
    classes, codes = np.unique(samples.labels, return_inverse=True)
    _require_classes(len(classes), "--label-noise", "a wrong label needs another class")
    count = round(share * len(samples))
    if not count:
        raise SettingError(
            f"--label-noise {share:g} of {len(samples):,} labels is less than one: use {1 / len(samples):.2g} or more."
        )
    chance = np.random.default_rng(derive_seed(seed, "label noise"))
    # Both draws are over all rows: the wrong labels of a smaller share are among those of a larger one.
    order = chance.permutation(len(samples))
    steps = chance.integers(1, len(classes), size=len(samples))
    chosen = order[:count]
    codes[chosen] = (codes[chosen] + steps[chosen]) % len(classes)
    left = np.bincount(codes, minlength=len(classes))
    if left.min() < LEAST:
        name = samples.class_names[int(classes[int(left.argmin())])]
        raise SettingError(
            f"--label-noise {share:g} leaves {int(left.min())} of {len(samples):,} labels for class {name!r}, and a "
            f"triplet needs a positive, so each class needs {LEAST}: use a smaller share, another --seed, or larger "
            "classes."
        )
    labels: Int64[np.ndarray, "N"] = classes[codes].astype(np.int64)
    return labels


def long_tail(samples: Samples, ratio: float, seed: int) -> Int64[np.ndarray, "M"]:
    """The rows that are left, rising, when the classes are thinned to a long tail that falls exponentially.

    The C classes are put in an order drawn by the seed. The one at place i = 0 ... C-1 keeps floor(m ratio^(i / (C-1)))
    samples, drawn uniformly from its own: m in the commonest, m x ratio in the rarest. m is the largest number for
    which every class has enough; where all classes are of one size, it is that size.

    Args:
        samples: with their labels.
        ratio: rarest class / commonest class; 0 < ratio <= 1, and 1 leaves everything.
        seed: of the run.

    Raises:
        SettingError: `ratio` is out of its range, there are fewer than 2 classes, or the rarest would keep fewer than
            2 samples.

    Source: Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", §5.1 (long-tailed CIFAR:
    n = n_i mu^i for class i of n_i samples; their imbalance factor, largest / smallest, is 1 / ratio). There the order
    is that of the classes and all are of one size; here it is drawn, so that no class is always the rare one, and m
    sees to it that the ratio holds where sizes differ.

    Example:
        >>> who = Samples(np.arange(300), np.repeat([0, 1, 2], 100), ["a", "b", "c"])
        >>> sorted(np.bincount(who.labels[long_tail(who, 0.25, seed=0)]).tolist())
        [25, 50, 100]
    """
    if not (math.isfinite(ratio) and 0 < ratio <= 1):
        raise SettingError(
            f"--imbalance is {ratio:g}, but it has to be above 0 and at most 1: it is rarest class / commonest class."
        )
    if ratio == 1:
        return np.arange(len(samples), dtype=np.int64)
    classes, codes, counts = np.unique(samples.labels, return_inverse=True, return_counts=True)
    _require_classes(len(classes), "--imbalance", "a ratio of classes needs two")
    chance = np.random.default_rng(derive_seed(seed, "imbalance"))
    place = chance.permutation(len(classes))  # of each class
    kept = _tail_sizes(counts, place, ratio)
    if kept.min() < LEAST:
        rarest = samples.class_names[int(classes[int(kept.argmin())])]
        raise SettingError(
            f"--imbalance {ratio:g} leaves {int(kept.min())} of {int(counts[int(kept.argmin())]):,} samples of class "
            f"{rarest!r}, and a triplet needs a positive, so each class needs {LEAST}: {_instead(counts, place, ratio)}"
        )
    rows = chance.permutation(len(samples))
    rows = rows[np.argsort(codes[rows], kind="stable")]  # class after class, in random order within
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(rows[turn < np.repeat(kept, counts)]).astype(np.int64)


def is_wrong(samples: Samples) -> Bool[np.ndarray, "N"] | None:
    """Which samples have another label than the true one; None where nobody knows the truth.

    Example:
        >>> is_wrong(Samples(np.arange(2), np.array([0, 1]), ["a", "b"], true_labels=np.array([0, 0]))).tolist()
        [False, True]
    """
    return None if samples.true_labels is None else samples.labels != samples.true_labels


def _tail_sizes(counts: Int64[np.ndarray, "C"], place: Int64[np.ndarray, "C"], ratio: float) -> Int64[np.ndarray, "C"]:
    share = ratio ** (place / (len(counts) - 1))
    most = math.floor((counts / share).min() + 1e-9)
    sizes: Int64[np.ndarray, "C"] = np.minimum(counts, np.floor(most * share + 1e-9)).astype(np.int64)
    return sizes


def _instead(counts: Int64[np.ndarray, "C"], place: Int64[np.ndarray, "C"], ratio: float) -> str:
    """What to do about a ratio that leaves too little."""
    while (ratio := ratio * 1.02) < 1:
        rounded = math.ceil(ratio * 1000) / 1000
        if rounded < 1 and _tail_sizes(counts, place, rounded).min() >= LEAST:
            return f"use --imbalance {rounded:g} or more."
    return "these classes are too small to be thinned; leave out --imbalance."


def _thinned(data: LabelledData, rows: Int64[np.ndarray, "M"]) -> LabelledData:
    if len(rows) == len(data):
        return data
    return replace(data, features=data.features[rows], samples=data.samples.take(rows))


def _require_classes(count: int, option: str, why: str) -> None:
    if count < 2:
        said = "have 1 class" if count else "hold no samples"
        raise SettingError(f"{option} needs data of at least 2 classes, for {why}; these {said}: leave it out.")
