"""Who would every strategy pick for this anchor, at every frame? Computed from a frame and its candidates, not stored.

Frames, candidates and the code of a strategy decide its picks, so a recording need not hold them: this module asks
the strategies themselves, on the very distances that they would see in training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int16, Int64, UInt8

from tripletscope.analysis.answer import pack_answer, plane_distances, spread_ranks, ulps_between
from tripletscope.analysis.centres import centre_rows
from tripletscope.analysis.probe import batch_shape, distances_from, open_frames, probe_batch, probe_labels
from tripletscope.errors import SettingError, TripletscopeError
from tripletscope.seeding import generator
from tripletscope.store.reader import Run

if TYPE_CHECKING:
    from torch import Tensor

    from tripletscope.analysis.anchor_rows import AnchorRows
    from tripletscope.batch import Batch
    from tripletscope.strategies.base import Strategy
    from tripletscope.triplets import Triplets

#: Order statistics of the distances to the crowd outside the candidates.
MOST_TICKS = 64


def anchor_answer(
    run: Run,
    anchor: int,
    *,
    margin: float | None = None,
    more: Sequence[str] = (),
    params: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """What the ruler and the film strip show for one anchor, at every frame: distances, picks, probabilities.

    Keys: `anchor`, `margin`, `candidates` (B, anchor first, then its class), `candidates_title`, `positives` (P),
    `negatives` (N): probe indices. `frames`: steps. `distances`: float32 (F, B) from the anchor to each candidate.
    `picks[strategy]`: int16 (F, P), the place in `negatives` of its pick for each positive, -1 where it abstains. A
    strategy that chooses its own positive (granularity "anchor") has one negative per frame, repeated along P, and
    `own_positive[strategy]`, int16 (F). `probabilities[strategy]`: uint8 (F, P, N), the chance of each negative,
    scaled so that a row's largest is 255; a stochastic strategy's `picks` are one draw, seeded by (run seed,
    strategy, step, anchor), whatever the margin. `not_applicable`: strategies that this run's space rules out, with
    the reason. `fallback[strategy]`: what it takes where nothing fits its rule, in words; None where it abstains.
    batch-all picks every negative, so it has no row here.

    `ulps`: int8 (F, B) where a page that draws the frames can take the distances itself: by how many float32 numbers
    these differ from `plane_distances`. Elsewhere it is None, and `others` tells of the negatives outside the
    candidates (`crowd`), which such a page sees too.

    `centres`: how far the learned centres of classes are (`CentreRows`), where the run has some; else None.

    `filtered`: the strategy whose negatives a filter of the run took, or None; its picks here are filtered alike, and
    nobody else's. `floors`: float32 (F, P), for each positive the least distance at which it may take one.

    Args:
        run: a recorded run.
        anchor: probe index.
        margin: what if it were this; the run's own when left out.
        more: compositions that are asked beside all strategies that are registered or used in the run.
        params: what if strategies had these parameters; a value out of its range is told in `not_applicable`.

    Raises:
        IndexError: when `anchor` is no probe index.
        SettingError: when the margin is not a number above 0.
    """
    # torch takes seconds to import: only the process that answers pays for it.
    from tripletscope import strategies

    margin = run.margin if margin is None else float(margin)
    if not (math.isfinite(margin) and margin > 0):
        raise SettingError(f"The margin is {margin}; it must be a number above 0, in the unit of the distance.")
    candidates = probe_batch(run, anchor)
    labels = probe_labels(run)[candidates]
    positives = np.flatnonzero(labels == labels[0])[1:]
    negatives = np.flatnonzero(labels != labels[0])
    steps = [int(step) for step in run.frame_steps]
    frames = open_frames(run)
    batches = candidate_batches(run, candidates, frames)
    rows = np.stack([batch.distances[0].numpy() for batch in batches]) if batches else None
    classes, each = len(np.unique(labels)), batch_shape(run)[1]
    answer: dict[str, Any] = {
        "anchor": anchor,
        "margin": margin,
        "candidates": candidates.tolist(),
        "candidates_title": f"probe batch: {classes} classes x {each} samples, drawn once for this anchor",
        "positives": candidates[positives].tolist(),
        "negatives": candidates[negatives].tolist(),
        "frames": steps,
        "distances": np.zeros((0, len(candidates)), np.float32) if rows is None else rows,
        "picks": {},
        "own_positive": {},
        "probabilities": {},
        "not_applicable": {},
        "fallback": {},
        "ulps": None,
        "others": None,
        "centres": centre_rows(run, anchor, frames),
        "filtered": None,
        "floors": None,
    }
    if batches and run.distance != "cosine" and all(frame.shape[1] <= 2 for frame in frames):
        seen = np.stack([plane_distances(frame, anchor, candidates, run.distance) for frame in frames])
        answer["ulps"] = ulps_between(answer["distances"], seen)
    if answer["ulps"] is None:
        answer["others"] = crowd(run, candidates, answer["distances"][:, positives], margin)
    if rows is not None and (floors := filter_floors(run, rows[:, positives])) is not None:
        answer["filtered"], answer["floors"] = run.training, floors
    chooser = chooser_of(run, candidates, margin, params or {})
    rows_of_frames = chooser.rows(batches, labels) if batches else None
    for record in strategies.all(dict.fromkeys([*run.strategies, *more])):
        if record.granularity == "all" or rows_of_frames is None:
            continue
        if reason := without_picks(run, record):
            answer["not_applicable"][record.name] = reason
            continue
        if not record.single:
            whole = record.granularity == "batch"
            reason = "picks once for a whole batch" if whole else "takes several negatives for one positive"
            answer["not_applicable"][record.name] = reason
            continue
        try:
            for batch in batches if record.needs else ():
                record.check(batch)
            picks, own, chances = chooser.at_all_frames(record, batches, rows_of_frames, steps)
        except TripletscopeError as error:
            answer["not_applicable"][record.name] = str(error)
            continue
        answer["picks"][record.name] = picks
        answer["fallback"][record.name] = record.fallback or None
        if record.granularity == "anchor":
            answer["own_positive"][record.name] = own
        # Where the positive is drawn too, the chances of negatives for a given one are half the story, and many bytes.
        if record.stochastic and record.granularity == "pair":
            answer["probabilities"][record.name] = chances
    return answer


def all_of_anchor(run: Run, anchor: int, strategy: str) -> list[Int64[np.ndarray, "T 2"]]:
    """(positive, negative) of every triplet that a strategy takes for an anchor, at every frame: probe indices, rising.

    For strategies that take several negatives for one positive, which have no row in `anchor_answer`; the candidates,
    parameters and filters are the same as there.

    Args:
        run: a recorded run.
        anchor: probe index.
        strategy: registered, or a composition.

    Raises:
        TripletscopeError: the run's space rules the strategy out.
    """
    from tripletscope import strategies

    record, candidates = strategies.get(strategy), probe_batch(run, anchor)
    chooser, taken = chooser_of(run, candidates, run.margin, {}), []
    for step, batch in zip(run.frame_steps, candidate_batches(run, candidates, open_frames(run)), strict=True):
        record.check(batch)
        taken.append(candidates[chooser.everything(record, batch, int(step))])
    return [rows[np.lexsort((rows[:, 1], rows[:, 0]))] for rows in taken]


def without_picks(run: Run, record: Strategy) -> str:
    """Why nobody can say whom the strategy would pick in this run: it trained with centres, which are no samples."""
    trained = record.name == run.training and (run.config.get("loss") or {}).get("centres")
    return "learns from the centres of classes, which are no samples" if trained else ""


def candidate_batches(run: Run, candidates: Int64[np.ndarray, " B"], frames: Sequence[np.ndarray]) -> list[Batch]:
    """The candidates as a batch in each of these frames; what their labels decide is worked out once."""
    import torch

    from tripletscope.batch import Batch
    from tripletscope.distances import pairwise

    labels = torch.from_numpy(probe_labels(run)[candidates])
    batches: list[Batch] = []
    with torch.inference_mode():
        for frame in frames:
            points = torch.from_numpy(np.array(frame[candidates], dtype=np.float32))
            d = pairwise(points, run.distance)
            here = batches[0].moved(d, embeddings=points) if batches else None
            batches.append(here or Batch(d, labels, distance=run.distance, embeddings=points))
    return batches


def crowd(
    run: Run, candidates: Int64[np.ndarray, " B"], d_ap: Float32[np.ndarray, "F P"], margin: float
) -> dict[str, Any]:
    """The negatives of the probe set that are no candidates: what a larger batch would have held, at every frame.

    Keys: `count` (M). `ticks`: float32 (F, T), at most 64 order statistics of their distances to the anchor, rising,
    the smallest and the largest among them. `hardest`: int32 (F), the nearest of them (probe index), -1 without any;
    `nearest`: float32 (F), its distance. `closer`: int32 (F, P, 2), how many of them are hard and semi-hard for each
    positive.

    Args:
        run: a recorded run.
        candidates: probe indices, the anchor first.
        d_ap: distances of the anchor's positives.
        margin: ends the semi-hard zone.
    """
    labels, anchor = probe_labels(run), int(candidates[0])
    outside = labels != labels[anchor]
    outside[candidates] = False
    who = np.flatnonzero(outside)
    frames, kept = open_frames(run), spread_ranks(len(who), MOST_TICKS)
    told: dict[str, Any] = {
        "count": len(who),
        "ticks": np.zeros((len(frames), len(kept)), np.float32),
        "hardest": np.full(len(frames), -1, np.int32),
        "nearest": np.full(len(frames), np.inf, np.float32),
        "closer": np.zeros((len(frames), d_ap.shape[1], 2), np.int32),
    }
    for f, frame in enumerate(frames if len(who) else ()):
        d = distances_from(frame[anchor], frame[who], run.distance).astype(np.float32)
        gap = d[None, :] - d_ap[f][:, None]  # (P, M)
        hard = (gap <= 0).sum(axis=1)
        told["closer"][f] = np.stack([hard, (gap < np.float32(margin)).sum(axis=1) - hard], axis=1)
        told["hardest"][f], told["nearest"][f] = who[int(d.argmin())], d.min()
        told["ticks"][f] = np.sort(d)[kept]
    return told


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
        filters: those of the run, by strategy: negatives that it may not choose.
    """

    positives: Int64[np.ndarray, " P"]
    negatives: Int64[np.ndarray, " N"]
    margin: float
    seed: int
    anchor: int
    params: Mapping[str, Mapping[str, float]]
    filters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def rows(self, batches: Sequence[Batch], labels: Int64[np.ndarray, " B"]) -> AnchorRows:
        """The anchor's rows of distances at these frames, as one batch."""
        import torch

        from tripletscope.analysis.anchor_rows import AnchorRows

        return AnchorRows(torch.stack([batch.distances[0] for batch in batches]), labels, batches[0].distance)

    def at_all_frames(
        self, record: Strategy, batches: Sequence[Batch], rows: AnchorRows, steps: Sequence[int]
    ) -> tuple[Int16[np.ndarray, "F P"], Int16[np.ndarray, " F"], UInt8[np.ndarray, "F P N"] | None]:
        """What `picks` and `chances` say of each frame; a strategy that is `rowwise` is asked about all at once."""
        if not record.rowwise:
            found = [self.picks(record, batch, step) for batch, step in zip(batches, steps, strict=True)]
            picks, own = np.stack([picked for picked, _ in found]), np.array([own for _, own in found], np.int16)
            chances = np.stack([self.chances(record, batch) for batch in batches]) if record.stochastic else None
            return picks, own, chances
        if record.stochastic:  # every frame has a draw of its own
            parts = [self._pick(record, rows.frame(f), step) for f, step in enumerate(steps)]
            frame = np.repeat(np.arange(len(steps)), [len(part) for part in parts])
            positive = np.concatenate([part.positive.numpy() for part in parts])
            negative = np.concatenate([part.negative.numpy() for part in parts])
        else:
            triplets = self._pick(record, rows, steps[0])
            frame, positive, negative = (
                part.numpy() for part in (triplets.anchor, triplets.positive, triplets.negative)
            )
        picks, own = self._scatter(record, len(steps), frame, positive, negative)
        return picks, own, self._chances(record, rows) if record.stochastic else None

    def picks(self, record: Strategy, batch: Batch, step: int) -> tuple[np.ndarray, int]:
        """(negative picked for each positive, the positive it chose itself), as places in those lists; -1 = none."""
        triplets = self._pick(record, batch, step)
        mine = np.flatnonzero(triplets.anchor.numpy() == 0)
        positive, negative = triplets.positive.numpy()[mine], triplets.negative.numpy()[mine]
        picks, own = self._scatter(record, 1, np.zeros(len(mine), np.int64), positive, negative)
        return picks[0], int(own[0])

    def everything(self, record: Strategy, batch: Batch, step: int) -> Int64[np.ndarray, "T 2"]:
        """(positive, negative) of every triplet of slot 0, as slots."""
        triplets = self._pick(record, batch, step)
        mine = np.flatnonzero(triplets.anchor.numpy() == 0)
        return np.stack([triplets.positive.numpy()[mine], triplets.negative.numpy()[mine]], axis=1)

    def _pick(self, record: Strategy, batch: Batch, step: int) -> Triplets:
        rng = generator(self.seed, "counterfactual", record.name, step, self.anchor) if record.stochastic else None
        return record.pick(self.seen(record, batch), margin=self.margin, generator=rng, **self.of(record))

    def seen(self, record: Strategy, batch: Batch) -> Batch:
        """The batch as the strategy saw it in this run: without the negatives that were filtered for it."""
        from tripletscope.mining.filtered import filtered

        return filtered(batch, self.filters.get(record.name, {}))

    def _scatter(
        self, record: Strategy, frames: int, frame: np.ndarray, positive: np.ndarray, negative: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(F, P) picks and (F,) own positives from triplets of slots; `frame` says to which row each belongs."""
        picks = np.full((frames, len(self.positives)), -1, np.int16)
        own = np.full(frames, -1, np.int16)
        if record.granularity == "anchor":
            own[frame], picks[frame] = self.place[positive], self.place[negative][:, None]
        else:
            picks[frame, self.place[positive]] = self.place[negative]
        return picks, own

    @cached_property
    def place(self) -> Int64[np.ndarray, " B"]:
        """For each slot its place among the positives or among the negatives."""
        found = np.zeros(1 + len(self.positives) + len(self.negatives), np.int64)
        found[self.positives], found[self.negatives] = np.arange(len(self.positives)), np.arange(len(self.negatives))
        return found

    def chances(self, record: Strategy, batch: Batch) -> np.ndarray:
        """(P, N) uint8: the chance of each negative, scaled by each row's largest; a row of zeros abstains."""
        import torch

        positive = torch.from_numpy(self.positives)
        return self._scaled(record, batch, torch.zeros_like(positive), positive)

    def _chances(self, record: Strategy, rows: AnchorRows) -> np.ndarray:
        """The same at all frames, (F, P, N)."""
        shape = (rows.distances.shape[0], len(self.positives), len(self.negatives))
        return self._scaled(record, rows, *rows.pairs).reshape(shape)

    def _scaled(self, record: Strategy, batch: Batch, anchor: Tensor, positive: Tensor) -> np.ndarray:
        if len(positive) == 0:
            return np.zeros((0, len(self.negatives)), np.uint8)
        rows = record.probabilities(self.seen(record, batch), anchor, positive, margin=self.margin, **self.of(record))
        chance = rows.numpy()[:, self.negatives].astype(np.float64)
        largest = chance.max(axis=1, keepdims=True, initial=0.0)
        scaled = np.divide(255 * chance, largest, out=np.zeros_like(chance), where=largest > 0)
        return np.asarray(np.rint(scaled), dtype=np.uint8)

    def of(self, record: Strategy) -> Mapping[str, float]:
        """The parameters that the run gave this strategy."""
        return self.params.get(record.name, {})


def chooser_of(
    run: Run, candidates: Int64[np.ndarray, " B"], margin: float, params: Mapping[str, Mapping[str, float]]
) -> Chooser:
    """Who asks the strategies about these candidates, with what the run gave them and `params` over it."""
    labels = probe_labels(run)[candidates]
    positives, negatives = np.flatnonzero(labels == labels[0])[1:], np.flatnonzero(labels != labels[0])
    tuned = recorded_parameters(run)
    for name, values in params.items():
        tuned[name] = {**tuned.get(name, {}), **values}
    seed = int(run.config.get("seed", 0))
    return Chooser(positives, negatives, margin, seed, int(candidates[0]), tuned, recorded_filters(run))


def recorded_parameters(run: Run) -> dict[str, dict[str, float]]:
    """The parameters that the run's strategies had, by strategy; one that was not recorded has its defaults."""
    recorded = run.config.get("strategies", [])
    return {str(card["name"]): dict(card["values"]) for card in recorded if card.get("values")}


def recorded_filters(run: Run) -> dict[str, dict[str, float]]:
    """The filters of the run's strategies, by strategy: those that it trained with; nobody else was filtered."""
    return {run.training: run.filters} if run.training and run.filters else {}


def filter_floors(run: Run, d_ap: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"] | None:
    """The least distance that the run's filters allowed a negative, for positives at these distances.

    None for a run without filters, and where one of them is not known here.
    """
    from tripletscope.mining import filters

    if not run.filters:
        return None
    try:
        return filters.floors(run.filters, d_ap.reshape(-1), run.distance).reshape(d_ap.shape)
    except TripletscopeError:
        return None  # of a package that is not installed; the strategy is not asked either, and says why


def opening(runs: Sequence[Run], *, run: str, step: int, anchor: int, positive: int | None = None) -> dict[str, Any]:
    """What a race shows before anybody asked: its runs' packed answers for one anchor, and every strategy's card.

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
        "strategies": [
            record.describe() for record in strategies.all(name for each in runs for name in each.strategies)
        ],
        "answers": {name: pack_answer(answer) for name, answer in answers.items()},
    }
