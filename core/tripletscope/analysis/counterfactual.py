"""Who would every strategy pick for this anchor, at every frame? Computed from a frame and its candidates, not stored.

Frames, candidates and the code of a strategy decide its picks, so a recording need not hold them: this module asks
the strategies themselves, on the very distances that they would see in training.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from tripletscope.analysis.probe import batch_shape, probe_batch, probe_labels
from tripletscope.errors import TripletscopeError
from tripletscope.seeding import generator
from tripletscope.store.reader import Run

if TYPE_CHECKING:
    from tripletscope.batch import Batch
    from tripletscope.strategies.base import Strategy


def anchor_answer(run: Run, anchor: int) -> dict[str, Any]:
    """What the ruler shows for one anchor at every frame: distances, picks, probabilities; JSON-able.

    Keys: `anchor`, `candidates` (B, anchor first), `candidates_title`, `positives` (P), `negatives` (N): probe
    indices. `frames`: steps. `distances`: float32 (F, B) from the anchor to each candidate. `picks[strategy]`: int16
    (F, P), which negative it picks for each positive, -1 where it abstains. A strategy that chooses its own positive
    (granularity "anchor") has one negative per frame, repeated along P, and `own_positive[strategy]`, int16 (F).
    `probabilities[strategy]`: uint8 (F, P, N), the chance of each negative, scaled so that a row's largest is 255;
    a stochastic strategy's `picks` are one draw, seeded by (run seed, strategy, step, anchor).
    `not_applicable`: strategies that this run's space rules out, with the reason. Arrays are base64 of the raw
    little-endian bytes, row-major. batch-all picks every negative, so it has no row here.

    Args:
        run: a recorded run.
        anchor: probe index.

    Raises:
        IndexError: when `anchor` is no probe index.
    """
    # torch takes seconds to import: only the process that answers pays for it.
    import torch

    from tripletscope import strategies
    from tripletscope.batch import Batch
    from tripletscope.distances import pairwise

    candidates = probe_batch(run, anchor)
    labels = torch.from_numpy(probe_labels(run)[candidates])
    positives = np.flatnonzero((labels == labels[0]).numpy())[1:]
    negatives = np.flatnonzero((labels != labels[0]).numpy())
    distance, seed = run.distance, int(run.config.get("seed", 0))
    steps = [int(step) for step in run.frame_steps]

    batches = []
    for step in steps:
        embeddings = torch.from_numpy(np.array(run.frames[step][candidates], dtype=np.float32))
        batches.append(
            Batch(
                pairwise(embeddings, distance),
                labels,
                distance=distance,
                dim=embeddings.shape[1],
                embeddings=embeddings,
            )
        )
    shape = (len(steps), len(candidates))
    rows = np.stack([b.distances[0].numpy() for b in batches]) if batches else np.zeros(shape, np.float32)
    classes, each = len(np.unique(labels.numpy())), batch_shape(run)[1]
    answer: dict[str, Any] = {
        "anchor": anchor,
        "candidates": candidates.tolist(),
        "candidates_title": f"probe batch: {classes} classes x {each} samples, drawn once for this anchor",
        "positives": candidates[positives].tolist(),
        "negatives": candidates[negatives].tolist(),
        "frames": steps,
        "distances": encode(rows, "<f4"),
        "picks": {},
        "own_positive": {},
        "probabilities": {},
        "not_applicable": {},
    }
    chooser = Chooser(positives, negatives, run.margin, seed, anchor, recorded_parameters(run))
    for record in strategies.all():
        if record.granularity == "all" or not batches:
            continue
        try:
            for batch in batches:
                record.check(batch)
            chosen = [chooser.picks(record, batch, step) for batch, step in zip(batches, steps, strict=True)]
        except TripletscopeError as error:
            answer["not_applicable"][record.name] = str(error)
            continue
        answer["picks"][record.name] = encode(np.stack([picked for picked, _ in chosen]), "<i2")
        if record.granularity == "anchor":
            answer["own_positive"][record.name] = encode(np.array([own for _, own in chosen]), "<i2")
        if record.stochastic:
            chances = np.stack([chooser.chances(record, batch) for batch in batches])
            answer["probabilities"][record.name] = encode(chances, "u1")
    return answer


@dataclass(frozen=True)
class Chooser:
    """Asks strategies for the picks of slot 0: the anchor of a probe batch.

    Args:
        positives: slots of the anchor's class, without slot 0.
        negatives: slots of all other classes.
        margin: in the unit of the batch's distance.
        seed: the run's.
        anchor: probe index, part of the seed of a draw.
        params: what the run set, by strategy.
    """

    positives: Int64[np.ndarray, " P"]
    negatives: Int64[np.ndarray, " N"]
    margin: float
    seed: int
    anchor: int
    params: Mapping[str, Mapping[str, float]]

    def picks(self, record: Strategy, batch: Batch, step: int) -> tuple[np.ndarray, int]:
        """(negative picked for each positive, the positive it chose itself), as places in those lists; -1 = none."""
        rng = generator(self.seed, "counterfactual", record.name, step, self.anchor) if record.stochastic else None
        triplets = record.pick(batch, margin=self.margin, generator=rng, **self.of(record))
        mine = (triplets.anchor == 0).numpy()
        picked, own = np.full(len(self.positives), -1, np.int16), -1
        place_p = {int(slot): i for i, slot in enumerate(self.positives)}
        place_n = {int(slot): i for i, slot in enumerate(self.negatives)}
        for p, n in zip(triplets.positive.numpy()[mine], triplets.negative.numpy()[mine], strict=True):
            if record.granularity == "anchor":
                own, picked[:] = place_p[int(p)], place_n[int(n)]
            else:
                picked[place_p[int(p)]] = place_n[int(n)]
        return picked, own

    def chances(self, record: Strategy, batch: Batch) -> np.ndarray:
        """(P, N) uint8: the chance of each negative, scaled by each row's largest; a row of zeros abstains."""
        import torch

        positive = torch.from_numpy(self.positives)
        if len(positive) == 0:
            return np.zeros((0, len(self.negatives)), np.uint8)
        rows = record.probabilities(batch, torch.zeros_like(positive), positive, margin=self.margin, **self.of(record))
        chance = rows.numpy()[:, self.negatives].astype(np.float64)
        largest = chance.max(axis=1, keepdims=True, initial=0.0)
        scaled = np.divide(255 * chance, largest, out=np.zeros_like(chance), where=largest > 0)
        return np.asarray(np.rint(scaled), dtype=np.uint8)

    def of(self, record: Strategy) -> Mapping[str, float]:
        """The parameters that the run gave this strategy."""
        return self.params.get(record.name, {})


def recorded_parameters(run: Run) -> dict[str, dict[str, float]]:
    """The parameters that the run's strategies had, by strategy; one that was not recorded has its defaults."""
    recorded = run.config.get("strategies", [])
    return {str(card["name"]): dict(card["values"]) for card in recorded if card.get("values")}


def opening(runs: Sequence[Run], *, run: str, step: int, anchor: int, positive: int | None = None) -> dict[str, Any]:
    """What a race shows before anybody asked: the answers of all its runs for one anchor, and every strategy's card.

    The recording script writes it beside the race as opening.json, so that the first page needs no torch.

    Args:
        runs: the runs of the race, in the order of their buttons.
        run: name of the one that is shown first.
        step: the frame it opens on.
        anchor: probe index.
        positive: probe index; the anchor's first positive when left out.
    """
    from tripletscope import strategies

    answers = {each.name: anchor_answer(each, anchor) for each in runs}
    if positive is None:
        positive = next(iter(answers[runs[0].name]["positives"]), None)
    return {
        "version": 1,
        "run": run,
        "step": step,
        "anchor": anchor,
        "positive": positive,
        "strategies": [record.describe() for record in strategies.all()],
        "answers": answers,
    }


def encode(array: np.ndarray, dtype: str) -> str:
    """Base64 of the array's bytes in that dtype.

    Example:
        >>> encode(np.array([1, -1]), "<i2")
        'AQD//w=='
    """
    return base64.b64encode(np.ascontiguousarray(array, dtype=np.dtype(dtype)).tobytes()).decode("ascii")


def decode(text: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array that `encode` was given.

    Example:
        >>> decode("AQD//w==", "<i2", (2,)).tolist()
        [1, -1]
    """
    return np.frombuffer(base64.b64decode(text), dtype=np.dtype(dtype)).reshape(shape).copy()
