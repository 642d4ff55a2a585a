"""What recording costs: CPU time of a training step alone, and of what the Recorder adds to it.

    python benchmarks/bench_recorder.py [--rounds 40] [--steps 10]

Digits, pixels / 16, MLP 64-64-64 with one hidden ReLU layer, 8 classes x 16 samples = batches of 128, triplet margin
loss on semi-hard picks, Adam; one thread. The variants take turns, a few steps at a time, so that whatever slows the
machine down slows all of them; the medians of the per-turn CPU times are shown. Frames are not part of it: they cost
what embedding and ranking the probe set costs, about forty times in a run of 400 steps.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from tripletscope import Recorder, strategies
from tripletscope.batch import Batch
from tripletscope.distances import pairwise
from tripletscope.losses import triplet_margin_loss
from tripletscope.triplets import Triplets

MARGIN = 0.2
CLASSES, EACH = 8, 16
TARGETS = {"picks + scalars": "<= 8 % of the step", "exact counts + plane": "<= 0.6 ms", "eight shadows": "<= 8 ms"}


class Loop:
    """One training that repeats the same batches, with or without a recorder."""

    def __init__(self, recorder: Recorder | None) -> None:
        digits = load_digits()
        self.images = torch.tensor(digits.data / 16.0, dtype=torch.float32)
        self.labels = torch.tensor(digits.target)
        self.rng = np.random.default_rng(0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.members = [np.flatnonzero(digits.target == label) for label in range(10)]
        self.recorder = recorder
        self.picker = strategies.get("semi-hard")

    def batch(self) -> torch.Tensor:
        classes = self.rng.permutation(10)[:CLASSES]
        return torch.from_numpy(np.concatenate([self.rng.permutation(self.members[c])[:EACH] for c in classes]))

    def step(self) -> None:
        rows = self.batch()
        labels = self.labels[rows]
        embeddings = nn.functional.normalize(self.network(self.images[rows]), dim=1)
        distances = pairwise(embeddings)
        batch = Batch(distances, labels, embeddings=embeddings)
        triplets: Triplets = self.picker.pick(batch, margin=MARGIN)
        loss = triplet_margin_loss(distances, triplets, MARGIN)
        if self.recorder is not None:
            self.recorder.step(embeddings.detach(), labels, rows, triplets=triplets, loss=loss.detach(), batch=batch)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def variants(folder: Path) -> dict[str, Callable[[], None]]:
    """Name -> one step; each adds something to the one before it."""
    common = {"margin": MARGIN, "training": "semi-hard", "frame_steps": [10**9]}
    shadows = strategies.names()
    recorders = {
        "step alone": None,
        "+ picks + scalars": Recorder(folder / "picks", counts=False, **common),
        "+ exact counts + plane": Recorder(folder / "counts", **common),
        "+ all as shadows": Recorder(folder / "shadows", strategies=shadows, **{**common, "training": None}),
    }
    return {name: Loop(recorder).step for name, recorder in recorders.items()}


def measure(steps: dict[str, Callable[[], None]], rounds: int, per_turn: int) -> dict[str, list[float]]:
    """CPU ms of a step, per variant and round; the order of the variants changes from round to round."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(rounds + 3):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begun = time.process_time()
            for _ in range(per_turn):
                steps[name]()
            if turn >= 3:  # the first turns warm up
                times[name].append((time.process_time() - begun) / per_turn * 1e3)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--steps", type=int, default=10, help="steps of a variant in one turn")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    try:
        times = measure(variants(folder), args.rounds, args.steps)
    finally:
        shutil.rmtree(folder)
    alone, picks, counts, shadows = times.values()

    def added(one: list[float], other: list[float]) -> float:
        return statistics.median(a - b for a, b in zip(one, other, strict=True))

    step = statistics.median(alone)
    rows = [
        ("picks + scalars", added(picks, alone)),
        ("exact counts + plane", added(counts, picks)),
        ("eight shadows", added(shadows, counts)),
    ]
    print(f"Recording a step: digits, MLP 64-64-64, B={CLASSES * EACH}, semi-hard, one thread, CPU ms")
    print(
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, {args.rounds} rounds\n"
    )
    print(f"{'':24}{'ms':>8}{'of the step':>13}   target")
    print(f"{'training step alone':24}{step:8.3f}{'':>13}")
    for name, ms in rows:
        print(f"{name:24}{ms:8.3f}{ms / step:12.1%}   {TARGETS[name]}")


if __name__ == "__main__":
    sys.exit(main())
