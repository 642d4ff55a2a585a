"""Seeded trainings of about a second in which something goes wrong, or does not, for the doctor's rules."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.core.runs import few_digits

from tripletscope import Run
from tripletscope.config import TrainConfig
from tripletscope.datasets import sample_data_dir
from tripletscope.doctor import examination
from tripletscope.samples import LabelledData, Samples
from tripletscope.training import record


def train(out: Path, data: LabelledData, **settings: Any) -> Run:
    """The recorded run of that training."""
    record(TrainConfig(device="cpu", model="mlp", checkpoint_every=1e9, **settings), data, out)
    return Run.open(out)


def labelled(name: str, features: np.ndarray, labels: np.ndarray) -> LabelledData:
    names = [str(label) for label in range(int(labels.max()) + 1)]
    return LabelledData(name, features.astype(np.float32), Samples(np.arange(len(labels)), labels, names))


def nuisance(scale: float, *, classes: int = 60, each: int = 10, wrong: float = 0.0) -> LabelledData:
    """Classes that differ in 8 directions and scatter in 24 others, `scale` times as far; some labels may be wrong.

    The scatter is what makes the hardest negative a bad teacher: the nearest neighbour shares the nuisance, not the
    class.
    """
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    labels = np.repeat(np.arange(classes), each)
    signal = rng.normal(size=(classes, 8))[labels] @ axes[:8]
    features = (
        signal + scale * rng.normal(size=(len(labels), 24)) @ axes[8:32] + 0.1 * rng.normal(size=(len(labels), 64))
    )
    swapped = rng.random(len(labels)) < wrong
    return labelled("nuisance", features, np.where(swapped, rng.integers(0, classes, len(labels)), labels))


def separated(*, classes: int = 12, each: int = 20, twins: bool = False) -> LabelledData:
    """Classes far apart, each within a small ball; with `twins` the first two share one ball."""
    rng = np.random.default_rng(1)
    centres = 4 * np.linalg.qr(rng.normal(size=(16, 16)))[0][:classes]
    if twins:
        centres[1] = centres[0]
    labels = np.repeat(np.arange(classes), each)
    return labelled("separated", centres[labels] + 0.1 * rng.normal(size=(len(labels), 16)), labels)


def digits_2d(out: Path, strategy: str, steps: int, *, distance: str = "euclidean", **settings: Any) -> Run:
    """The shipped race on 600 digits: a 2-D embedding of free scale, whose first spread is a tenth of a margin."""
    given = {"margin": 1.0, "lr": 1e-2, "dim": 2, "normalize": False, **settings}
    return train(out, few_digits(600), strategy=strategy, steps=steps, distance=distance, seed=3, **given)


def wide(out: Path, data: LabelledData, strategy: str, steps: int, **settings: Any) -> Run:
    """16 classes a batch into 16 dimensions, margin 0.2."""
    given = {"dim": 16, "hidden": 128, "classes_per_batch": 16, "samples_per_class": 4, **settings}
    return train(out, data, strategy=strategy, steps=steps, **given)


@cache
def wrong_labels() -> LabelledData:
    return nuisance(1.5, wrong=0.2)


@cache
def strong_nuisance() -> LabelledData:
    return nuisance(3, classes=100, each=8)


def few_classes(out: Path, strategy: str, *, twins: bool = False) -> Run:
    data = separated(twins=twins)
    return train(out, data, strategy=strategy, steps=60, dim=8, classes_per_batch=12)


SQUARED = {"distance": "squared-euclidean"}
FREE = {"normalize": False, "lr": 1e-2, **SQUARED}

#: name -> training; each is recorded once.
TRAININGS: dict[str, Callable[[Path], Run]] = {
    "digits, batch-hard, d²": lambda out: digits_2d(out, "batch-hard", 60, margin=0.2, **SQUARED),
    "digits, batch-hard, soft margin": lambda out: digits_2d(out, "batch-hard", 70, soft_margin=True),
    "digits, random": lambda out: digits_2d(out, "random", 60),
    "digits, random, soft margin": lambda out: digits_2d(out, "random", 45, soft_margin=True),
    "digits, random, learning rate 1e-9": lambda out: digits_2d(out, "random", 60, lr=1e-9),
    "wrong labels, batch-hard": lambda out: wide(out, wrong_labels(), "batch-hard", 110, **SQUARED),
    "wrong labels, semi-hard": lambda out: wide(out, wrong_labels(), "semi-hard", 60, **SQUARED),
    "nuisance, batch-hard": lambda out: wide(out, nuisance(1.5), "batch-hard", 100, lr=3e-3, **SQUARED),
    "strong nuisance, semi-hard, free scale": lambda out: wide(out, strong_nuisance(), "semi-hard", 85, **FREE),
    "strong nuisance, semi-hard, unit sphere": lambda out: wide(
        out, strong_nuisance(), "semi-hard", 40, **{**FREE, "normalize": True}
    ),
    "strong nuisance, random, free scale": lambda out: wide(
        out, strong_nuisance(), "random", 45, **{**FREE, "lr": 1e-3}
    ),
    "separated, semi-hard": lambda out: few_classes(out, "semi-hard"),
    "separated but for twins, random": lambda out: few_classes(out, "random", twins=True),
    "separated but for twins, semi-hard": lambda out: few_classes(out, "semi-hard", twins=True),
}

#: Trainings of 300 steps, for the slow tests and the table.
LONGER: dict[str, Callable[[Path], Run]] = {
    "strong nuisance, batch-hard, unit sphere, plain d, soft margin": lambda out: wide(
        out, strong_nuisance(), "batch-hard", 300, soft_margin=True
    ),
    "wrong labels, hardest": lambda out: wide(out, wrong_labels(), "hardest", 300, **SQUARED),
}


def main() -> None:
    """Prints the table of docs/doctor.md: what every training comes to, and what the doctor says of it."""
    races = sample_data_dir() / "races"
    shipped = {f"races/{path.parent.name}/{path.name}": path for path in sorted(races.glob("*/*/")) if path.is_dir()}
    trainings = {**TRAININGS, **LONGER}
    print("| training | steps | spread | R@1 | findings (step) | seconds to examine |\n|---|--:|--:|--:|---|--:|")
    with tempfile.TemporaryDirectory() as place:
        for number, name in enumerate([*shipped, *trainings]):
            run = Run.open(shipped[name]) if name in shipped else trainings[name](Path(place) / str(number))
            started = time.process_time()
            found = examination(run).findings
            seconds = time.process_time() - started
            spread, recall = run.series(["spread", "recall_at_1"])
            ends = f"{spread[0]:.2g} → {spread[run.step_count - 1]:.2g} | {recall[0]:.2f} → {recall[-1]:.2f}"
            told = ", ".join(f"{one.title} ({one.when})" for one in found if one.rule != "turnover") or "none"
            print(f"| {name} | {run.step_count} | {ends} | {told} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
