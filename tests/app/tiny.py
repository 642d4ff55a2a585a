"""A small race for the tests of the app: three recordings of one made-up training that share samples and batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from tripletscope import Recorder, strategies
from tripletscope.batch import Batch
from tripletscope.samples import Samples
from tripletscope.seeding import generator

CLASSES, EACH, STEPS = 4, 6, 12


def samples(ids: list[str] | None = None) -> Samples:
    count = CLASSES * EACH
    rng = np.random.default_rng(7)
    return Samples(
        ids=np.arange(100, 100 + count) if ids is None else ids,
        labels=np.repeat(np.arange(CLASSES), EACH),
        class_names=[f"class {c}" for c in range(CLASSES)],
        thumbs=rng.integers(0, 255, (count, 8, 8), dtype=np.uint8),
    )


def record(folder: Path, strategy: str = "semi-hard", *, dim: int = 2, unit: bool = False, **options) -> Path:
    """A run in which the classes drift apart; `unit` keeps every embedding at length 1."""
    who = options.pop("samples", None) or samples()
    rng = np.random.default_rng(3)
    start = rng.normal(size=(len(who), dim)).astype(np.float32)
    goal = rng.normal(size=(CLASSES, dim)).astype(np.float32)[who.labels] * 3
    ids = [who.id_of(row) for row in range(len(who))]
    config = {"race": {"weights": "w", "batches": "b"}, "classes_per_batch": 3, "samples_per_class": 3, **options}
    with Recorder(
        folder, margin=0.5, strategies=[strategy], training=strategy, samples=who, seed=0, config=config
    ) as recorder:
        for step in range(STEPS + 1):
            points = start + (goal - start) * step / (STEPS + 3)
            if unit:
                points = points / np.linalg.norm(points, axis=1, keepdims=True)
            if step == STEPS:
                recorder.frame(points, ids)
                break
            rows = np.sort(np.random.default_rng(step).permutation(len(who))[:12])
            batch = Batch.from_embeddings(torch.from_numpy(points[rows]), torch.from_numpy(who.labels[rows]))
            rng = generator(0, "strategy", strategy, step)
            recorder.step(
                points[rows],
                who.labels[rows],
                [ids[row] for row in rows],
                triplets=strategies.get(strategy).pick(batch, margin=0.5, generator=rng),
                loss=0.1,
                probe=lambda points=points: (points, ids),
            )
    return folder


def kill(folder: Path, step: int) -> Path:
    """The run as `kill -9` after that step, and in the middle of the next line, would have left it."""
    lines = (folder / "scalars.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "scalars.jsonl").write_bytes(b"".join(lines[: step + 1]) + lines[step + 1][:20])
    status = {"state": "running", "step": step, "heartbeat": 0.0, "pid": 0, "host": "gone", "message": None}
    (folder / "status.json").write_text(json.dumps(status))
    return folder


def race(folder: Path) -> list[Path]:
    """Three finished runs."""
    return [record(folder / name, name) for name in ("random", "semi-hard", "batch-hard")]


def centred(folder: Path, *, dim: int = 2) -> Path:
    """A run that learned centres of its classes, which move beside them; the frame of step 3 came without."""
    who = samples()
    rng = np.random.default_rng(3)
    start, goal = (rng.normal(size=(len(who), dim)).astype(np.float32) for _ in range(2))
    goal = 0.3 * goal + rng.normal(size=(CLASSES, dim)).astype(np.float32)[who.labels] * 3
    first, ids = rng.normal(size=(CLASSES, dim)), [who.id_of(row) for row in range(len(who))]
    loss = {"name": "triplet-center", "title": "Triplet-centre", "values": {"centre_lr": 0.01}, "centres": True}
    config = {"loss": loss, "classes_per_batch": 3, "samples_per_class": 3}
    with Recorder(
        folder, margin=0.5, strategies=["hardest"], training="triplet-center", samples=who, seed=0, config=config
    ) as recorder:
        for step in range(STEPS + 1):
            share = step / (STEPS + 3)
            points = start + (goal - start) * share
            means = np.stack([points[who.labels == c].mean(axis=0) for c in range(CLASSES)])
            centres = (first + (means - first) * share).astype(np.float32)
            if step == STEPS:
                recorder.frame(points, ids, centres=centres)
                break
            rows = np.sort(np.random.default_rng(step).permutation(len(who))[:12])
            far = np.linalg.norm(points[rows, None] - centres[None], axis=2)
            own = who.labels[rows, None] == np.arange(CLASSES)
            d_ap, d_an = far[own], np.where(own, np.inf, far).min(axis=1)
            recorder.step(
                points[rows],
                who.labels[rows],
                [ids[row] for row in rows],
                loss=float(np.maximum(0, 0.5 + d_ap - d_an).mean()),
                unlisted=(d_ap, d_an),
                centres=None if step == 3 else centres,
                probe=lambda points=points: (points, ids),
            )
    return folder
