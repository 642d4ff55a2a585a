"""Small recorded runs for the tests of the run format: points that move, batches that repeat, answers known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tripletscope import Recorder
from tripletscope.samples import Samples

CLASSES, EACH, DIM = 4, 6, 3
COUNT = CLASSES * EACH
LABELS = np.repeat(np.arange(CLASSES), EACH)


def samples(text_ids: bool = False) -> Samples:
    rng = np.random.default_rng(3)
    return Samples(
        ids=[f"pic-{i}" for i in range(COUNT)] if text_ids else np.arange(COUNT) + 100,
        labels=LABELS,
        class_names=["ant", "bee", "cat", "dog"],
        texts=[f"sample number {i}" for i in range(COUNT)],
        thumbs=rng.integers(0, 255, (COUNT, 5, 4), dtype=np.uint8),
    )


def points(step: int) -> np.ndarray:
    """All samples' embedding at a step."""
    return np.random.default_rng(step).normal(size=(COUNT, DIM)).astype(np.float32)


def batch_rows(step: int) -> np.ndarray:
    """Three samples of three classes."""
    rng = np.random.default_rng(1000 + step)
    classes = rng.permutation(CLASSES)[:3]
    return np.concatenate([c * EACH + rng.permutation(EACH)[:3] for c in classes])


def own_triplets(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two triplets of slots."""
    return np.array([0, 4]), np.array([1, 3]), np.array([3 + step % 6, 0])


def record_steps(recorder: Recorder, first: int, stop: int, **more: Any) -> None:
    ids = samples().ids
    for step in range(first, stop):
        rows = batch_rows(step)
        recorder.step(
            points(step)[rows],
            LABELS[rows],
            ids[rows],
            triplets=own_triplets(step),
            loss=float(step),
            probe=lambda step=step: (points(step), ids),
            **more,
        )


def record(folder: Path, steps: int = 20, **settings: Any) -> Path:
    """A closed run of that many steps."""
    settings = {"margin": 1.0, "strategies": ["semi-hard", "random"], "samples": samples(), **settings}
    with Recorder(folder, **settings) as recorder:
        record_steps(recorder, 0, steps)
    return folder


def facts(run: Any) -> list[tuple[Any, ...]]:
    """Everything a reader gets from a run, step by step, in a form that compares."""
    found = []
    for step in run.steps:
        rows, labels = run.batch(step)
        width, counts = run.plane(step)
        line = {name: value for name, value in run.lines[step].items() if name != "time"}
        picks = {name: column.tolist() for name, column in run.pick_rows(step).items()}
        found.append((line, rows.tolist(), labels.tolist(), width, counts.tolist(), picks))
    return found
