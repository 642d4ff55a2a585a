"""Two lines in anybody's training loop: every mined triplet, every step, on disk."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, SupportsFloat

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

import tripletscope
from tripletscope.batch import Batch
from tripletscope.distances import DISTANCES
from tripletscope.errors import DataError, RunError, SettingError, TripletscopeError
from tripletscope.frames import COLLAPSED, frame_numbers, frame_schedule
from tripletscope.recorded_strategies import OWN, RecordedStrategies
from tripletscope.samples import Samples
from tripletscope.schema import SCALARS
from tripletscope.step_record import (
    PickNumbers,
    StepPicks,
    Unlisted,
    as_embeddings,
    batch_columns,
    false_counts,
    filter_counts,
    number,
    plane_columns,
    require_finite,
)
from tripletscope.store import control
from tripletscope.store.layout import read_config
from tripletscope.store.sample_table import as_ids, as_labels
from tripletscope.store.status import PAUSED
from tripletscope.store.writer import RunWriter
from tripletscope.triplets import count_zones, plane
from tripletscope.zones import ZoneCounts

#: Returns (embedding, ids) of the probe set, in one order for the whole run.
Probe = Callable[[], tuple[Any, Any]]


class Recorder:
    """Records a training loop into a run folder; a context manager.

    It computes nothing that the training depends on and draws from generators of its own, so a recorded training is
    bit-equal to one that is not. The run opens at any time, up to its last whole step, even after `kill -9`.

    Args:
        dir: folder of the run; it must not exist.
        margin: above 0, in the unit of the distance. It decides zones and losses.
        distance: "euclidean", "squared-euclidean" or "cosine".
        strategies: names of strategies that are to pick from every batch as well, or name -> parameters. Whichever
            of them is `training` is recorded from the triplets that are given; the others are shadows.
        samples: all samples, with thumbnails or texts, when they are known; else they are collected from the ids. Where
            they come with `true_labels`, wrong picks are counted at every step, and retrieval is measured by the truth.
        training: name of the strategy that the given triplets come from; default "own", the loop's own miner. With
            "batch-all" none need be given: then it learns from all there are.
        config: whatever else decided the run, as JSON; kept in config.json.
        seed: of the shadows that draw; a strategy draws at a step from `generator(seed, "strategy", name, step)`.
        resume: go on with the run in `dir` after its last whole step.
        frame_steps: at which steps a frame is due, instead of `frame_schedule()`.
        soft_margin: the loss is ln(1 + exp(-gap)), so every pick counts as active.
        counts: count all eligible triplets at every step and keep their plane; False saves the time.

    Raises:
        RunError: the folder exists (or, to resume, holds no run), or somebody writes to it.
        SettingError, UnknownNameError: a setting out of range, an unknown strategy or distance.

    Example:
        >>> import tempfile, numpy as np
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> points, labels, rng = np.eye(4, 2), np.array([0, 0, 1, 1]), np.random.default_rng(0)
        >>> with Recorder(folder, margin=0.5, strategies=["semi-hard"]) as recorder:
        ...     for step in range(3):
        ...         embeddings = points + 0.1 * rng.normal(size=points.shape)
        ...         line = recorder.step(embeddings, labels, ids=[10, 11, 12, 13], triplets=([0, 1], [1, 0], [2, 2]))
        >>> line["mined"], line["eligible"]
        (2, 8)
        >>> from tripletscope import Run
        >>> Run.open(folder).picks(step=2, training=True)[["anchor", "positive", "negative"]].values.tolist()
        [[10, 11, 12], [11, 10, 12]]
    """

    def __init__(
        self,
        dir: str | os.PathLike[str],
        *,
        margin: SupportsFloat,
        distance: str = "euclidean",
        strategies: Sequence[str] | Mapping[str, Mapping[str, float]] = (),
        samples: Samples | None = None,
        training: str | None = None,
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        resume: bool = False,
        frame_steps: Sequence[int] | None = None,
        soft_margin: bool = False,
        counts: bool = True,
    ) -> None:
        self.margin = float(margin)
        if not (math.isfinite(self.margin) and self.margin > 0):
            raise SettingError(f"The margin is {margin!r}: give a number above 0, in the unit of the distance.")
        self.distance, self.seed = DISTANCES.get(distance).name, int(seed)
        self._strategies = RecordedStrategies(strategies, training or OWN, self.margin, self.seed)
        self._soft, self._counts = bool(soft_margin or (config or {}).get("soft_margin")), counts
        settings: dict[str, Any] = {
            **(config or {}),
            "tripletscope": tripletscope.__version__,
            "margin": self.margin,
            "distance": self.distance,
            "soft_margin": self._soft,
            "seed": self.seed,
            "training": self._strategies.training,
            "strategies": self._strategies.cards,
        }
        self._writer = _resumed(Path(dir), settings) if resume else RunWriter.create(Path(dir), settings, samples)
        control.withdraw(self._writer.path)  # what was asked of an earlier process is not asked of this one
        self._ear = control.Ear(self._writer.path)
        self._next = self._writer.committed + 1
        self._scheduled = frame_schedule() if frame_steps is None else iter(sorted(frame_steps))
        self._next_frame = next(self._scheduled, -1)
        self._frame_rows, self._frame_dim = self._writer.read_frame_rows(), self._writer.read_frame_dim()
        self._pending: Float32[np.ndarray, "n D"] | None = None
        self._centres: Float[Tensor, "C D"] | None = None
        self._probe: Probe | None = None
        self._event = False
        self._collapsed = any((line.get("spread") or 1.0) < COLLAPSED for line in self._writer.lines)
        self._starved = any(line.get("mined") == 0 for line in self._writer.lines)

    # ---- where it stands

    @property
    def path(self) -> Path:
        """The run folder."""
        return self._writer.path

    @property
    def committed(self) -> int:
        """The last step that is on disk; -1 before the first."""
        return self._writer.committed

    @property
    def last_step(self) -> int:
        """The same as `committed`."""
        return self._writer.committed

    @property
    def step_number(self) -> int:
        """The step that the next call of `step` is about.

        A resumed loop may set it back to the step of its own checkpoint and go on from there: the steps up to
        `committed` are then passed over, for they are recorded.
        """
        return self._next

    @step_number.setter
    def step_number(self, step: int) -> None:
        if not 0 <= step <= self.committed + 1:
            raise SettingError(
                f"The next step cannot be {step}: give 0 to {self.committed + 1}, one more than the last on record."
            )
        self._next = step

    @property
    def frame_due(self) -> bool:
        """Whether `step_number` is a step at which the probe set should be embedded and given to `frame`."""
        if self._next <= self.committed:
            return False
        while -1 < self._next_frame < self._next:
            self._next_frame = next(self._scheduled, -1)
        return self._event or self._next == self._next_frame

    def go_on(self, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Whether the loop should go on; waits while somebody has the run paused, and is False when asked to stop.

        Who asks: the app's buttons, or `tripletscope control RUN pause`. Asking costs a look at one file's date.

        Args:
            give_up: asked while it waits; True ends the waiting, with False.

        Example:
            >>> import tempfile
            >>> from tripletscope import Recorder
            >>> from tripletscope.store import control
            >>> with Recorder(tempfile.mkdtemp() + "/run", margin=0.5) as recorder:
            ...     before = recorder.go_on()
            ...     control.ask(recorder.path, "stop")
            ...     before, recorder.go_on()
            (True, False)
        """
        beat = 0.0
        while (asked := self._ear()) == "pause" and not give_up():
            if time.monotonic() - beat >= 1:
                self._writer.heartbeat(PAUSED)
                beat = time.monotonic()
            time.sleep(0.05)
        if beat:
            self._writer.heartbeat()
        return asked == "go" and not give_up()

    # ---- recording

    def step(
        self,
        embeddings: Any,
        labels: Any,
        ids: Any = None,
        triplets: Any = None,
        loss: Any = None,
        *,
        rows: Any = None,
        batch: Batch | None = None,
        probe: Probe | None = None,
        seconds: Mapping[str, float] | None = None,
        active: int | None = None,
        unlisted: tuple[Any, Any] | None = None,
        centres: Any = None,
        floors: Any = None,
        **scalars: Any,
    ) -> dict[str, Any]:
        """The recorded line; the step is on disk. Call it after the forward pass, before the update.

        Args:
            embeddings: (B, D), torch or NumPy, float32 (others are recorded as float32).
            labels: B whole numbers or texts.
            ids: B whole numbers or texts that name the samples. One may occur twice in a batch; then the sample is a
                positive of itself, at distance 0.
            triplets: what is trained on: `Triplets`, or three arrays of batch slots.
            loss: of this batch; NaN is recorded as null.
            rows: instead of ids: B places in the `samples` given to the Recorder.
            batch: of these embeddings, if the loop has made one; saves computing the distances again.
            probe: returns (embedding, ids) of the probe set, in eval mode; called when a frame is due, and at the end.
            seconds: how long parts of the step took, for the record.
            active: how many of the triplets have a part in the gradient, where the loss is not the triplet loss; by
                default those with gap < margin, or with the soft margin all.
            unlisted: instead of triplets: d(a,p) and d(a,n) of what is trained on, where positives and negatives are no
                samples of the batch but, say, centres of classes. They are counted, and no rows are recorded.
            centres: (C, D), learned centres of the classes in the order of their numbers; kept where a frame is.
            floors: for each of `batch.pairs` the least distance that a negative could have, where a filter had taken
                the nearer ones from the training strategy; how many those are is counted. Shadows choose among all.
            **scalars: numbers of your own, recorded under their names.

        Raises:
            DataError: something does not fit; the step is not recorded then.
            RunError: the recorder is closed, the disk is full or the folder gone.
        """
        if not self._writer.open:
            raise RunError(f"The recorder of {str(self.path)!r} is closed: record inside its `with` block.")
        now = self._next
        self._probe = probe or self._probe
        if now <= self.committed:
            self._next += 1
            return self._writer.lines[now] if now < len(self._writer.lines) else {"step": now}
        for name in scalars:
            if name in SCALARS:
                raise SettingError(f"tripletscope records {name!r} itself: choose another name for your number.")
        points = as_embeddings(embeddings, now)
        slot_rows, codes = self._who(len(points), labels, ids, rows)
        if batch is None:
            batch = Batch.from_embeddings(points, torch.from_numpy(codes.astype(np.int64)), self.distance)
        elif batch.size != len(points) or batch.distance != self.distance:
            raise DataError(
                f"The batch of step {now} holds {batch.size} samples in {batch.distance} distances, but the step has "
                f"{len(points)} in {self.distance}: give the batch of these embeddings."
            )
        truth = self._writer.samples.truth_of(slot_rows)
        picks = StepPicks(batch, self.margin, truth, self._strategies.second)
        spread = picks.mean_distance / self.margin
        require_finite(points, now, spread if batch.size > 1 else float(points.sum()))
        zones = count_zones(batch, self.margin) if self._counts else None
        learnt = triplets if unlisted is None else Unlisted.of(*unlisted)
        trained, shadows = self._strategies.pick(picks, learnt, zones, now)
        self._centres = None if centres is None else as_embeddings(centres, now)
        due = self.frame_due
        if spread < COLLAPSED and not self._collapsed:
            due = self._collapsed = self._event = True
        if trained is not None and not trained.mined and not self._starved:
            due = self._starved = self._event = True
        if due and probe is not None and self._pending is None:
            self.frame(*probe())
        filtered = {} if floors is None else filter_counts(batch, _floors_given(floors, batch, now), truth)
        line = self._line(loss, zones, trained, picks, spread, scalars, seconds, shadows, active, learnt, filtered)
        self._writer.write_step(
            now,
            batches=batch_columns(now, slot_rows, codes),
            picks=picks.columns(now, slot_rows),
            plane=plane_columns(now, plane(batch) if self._counts else None),
            scalars=line,
            frame=self._pending,
            batch_embeddings=points.cpu().numpy() if due or self._pending is not None else None,
            centres=self._kept_centres(),
        )
        # Without a probe the frame of an event comes one step late: the loop sees `frame_due` then.
        self._event = self._event and self._pending is None
        self._pending = None
        self._next += 1
        return line

    def _kept_centres(self) -> Float32[np.ndarray, "C D"] | None:
        """The centres that belong to the pending frame."""
        return None if self._pending is None or self._centres is None else self._centres.cpu().numpy()

    def frame(
        self, embeddings: Any, ids: Any = None, labels: Any = None, *, rows: Any = None, centres: Any = None
    ) -> None:
        """Nothing; the probe set's embedding belongs to the step that is recorded next, or to the end of the run.

        Args:
            embeddings: (n, D) in eval mode; the same samples in the same order every time.
            ids: of the n samples.
            labels: of the n samples, needed for those that no batch has had yet.
            rows: instead of ids: their places in the `samples` given to the Recorder.
            centres: (C, D), learned centres of the classes; those given to `step` count where it has some.

        Raises:
            DataError: not finite, or other samples than at the first frame.
        """
        if self._next <= self.committed:
            return
        points = as_embeddings(embeddings, self._next)
        table = self._writer.samples
        if rows is None and labels is None:
            found = table.known_rows(as_ids(ids), len(points))
        else:
            found, _ = self._who(len(points), labels, ids, rows)
        if self._frame_rows is None:
            self._writer.write_frame_rows(found)
            self._frame_rows = found
        elif not np.array_equal(found, self._frame_rows):
            raise DataError(
                f"The frame of step {self._next} shows other samples than the first one, or in another order: embed "
                f"the same {len(self._frame_rows)} samples every time."
            )
        require_finite(points, self._next, float(points.sum()))
        if self._frame_dim not in (None, points.shape[1]):
            raise DataError(
                f"The frame of step {self._next} has {points.shape[1]} dimensions and the frames before it "
                f"{self._frame_dim}: give the same embedding every time."
            )
        self._frame_dim = points.shape[1]
        self._pending = points.cpu().numpy()
        if centres is not None:
            self._centres = as_embeddings(centres, self._next)

    def _who(
        self, count: int, labels: Any, ids: Any, rows: Any
    ) -> tuple[Int32[np.ndarray, " B"], Int32[np.ndarray, " B"]]:
        """(row, label code) of each slot."""
        table = self._writer.samples
        if (ids is None) == (rows is None):
            raise DataError("Give the samples of the batch either as `ids=` or as `rows=` of the samples given before.")
        if labels is None:
            codes = table.labels_of(_rows_given(rows, table.count))
        else:
            codes = table.label_codes(as_labels(labels))
        named = as_ids(ids if rows is None else rows)
        if not count == len(codes) == len(named):
            raise DataError(
                f"Step {self._next} has {count} embeddings, {len(codes)} labels and {len(named)} ids: give one of each "
                "per sample."
            )
        if rows is None:
            return table.rows(named, codes), codes
        found = _rows_given(rows, table.count)
        table.check_labels(found, codes)
        return found, codes

    def _line(
        self,
        loss: Any,
        zones: ZoneCounts | None,
        trained: PickNumbers | None,
        picks: StepPicks,
        spread: float,
        scalars: dict[str, Any],
        seconds: Mapping[str, float] | None,
        shadows: dict[str, PickNumbers],
        active: int | None,
        learnt: Any,
        filtered: Mapping[str, int],
    ) -> dict[str, Any]:
        """The line of scalars.jsonl."""
        framed = self._pending is not None
        line: dict[str, Any] = {
            "step": self._next,
            "time": round(time.time(), 3),
            "frame": framed,
            "loss": number(loss, "loss"),
        }
        if zones is not None:
            line["eligible"], line["hard"], line["semi_hard"] = zones.eligible, zones.hard, zones.semi_hard
            line["easy"], line["violating"] = zones.easy, zones.violating
        if trained is not None:
            if active is None:
                active = trained.mined if self._soft else trained.zones.violating
            line["mined"], line["active"] = trained.mined, active
            line["active_share"] = active / trained.mined if trained.mined else None
            line["abstained"] = trained.abstained
            line["mined_hard"], line["mined_semi_hard"] = trained.zones.hard, trained.zones.semi_hard
            line["mined_easy"] = trained.zones.easy
        line |= filtered
        if trained is not None and trained.false is not None:
            line["mined_false_negatives"] = trained.false.negatives
            line["mined_false_positives"] = trained.false.positives
        if picks.truth is not None and zones is not None:
            blind = false_counts(picks.batch, picks.truth)
            line["eligible_false_negatives"], line["eligible_false_positives"] = blind.negatives, blind.positives
        line["spread"], line["mean_distance"] = number(spread), number(spread * self.margin)
        if trained is not None and self._strategies.training not in self._strategies.counted:
            unlisted = isinstance(learnt, Unlisted)
            line["mean_d_ap"], line["mean_d_an"] = learnt.means if unlisted else picks.means(0)
        if framed:
            line |= self._frame_numbers()
        if seconds:
            line["seconds"] = {name: round(value, 6) for name, value in seconds.items()}
        if shadows:
            line["shadows"] = {name: one.as_shadow() for name, one in shadows.items()}
        for name, value in scalars.items():
            line[name] = number(value, name)
        return line

    def _frame_numbers(self) -> dict[str, float | int | None]:
        """The numbers of the pending frame."""
        assert self._pending is not None
        assert self._frame_rows is not None
        table = self._writer.samples
        # How good the embedding is, is a question for the truth, also where the loss has been told otherwise.
        truth = table.truth_of(self._frame_rows)
        labels = table.labels_of(self._frame_rows) if truth is None else truth
        found = frame_numbers(self._pending, labels, self.distance, self.margin)
        return {name: number(value) for name, value in found.items()}

    # ---- checkpoints

    def checkpoint(self, state: Mapping[str, Any], step: int | None = None) -> None:
        """Nothing; `state` is kept for `last_checkpoint`: the first one, and the last two.

        Args:
            state: tensors, numbers, texts, and lists and dicts of them: weights, optimiser, the state of generators.
            step: the step that is next when one goes on from here; by default `state["step"]`, else `step_number`.
        """
        content = io.BytesIO()
        torch.save(dict(state), content)
        self._writer.write_checkpoint(int(state.get("step", self._next)) if step is None else step, content.getvalue())

    def last_checkpoint(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read and is not ahead of the record; None without any.

        A loop that goes on from it computes the steps up to `last_step` again. It either calls `step` only for later
        ones, or sets `step_number` to the checkpoint's step and calls it for all.
        """
        for step in reversed(self._writer.checkpoints()):
            if step <= self.committed + 1:
                try:
                    state = torch.load(
                        io.BytesIO(self._writer.read_checkpoint(step)), map_location="cpu", weights_only=True
                    )
                except Exception:  # a torn file fails in a dozen ways inside torch; the one before it will do
                    continue
                return dict(state)
        return None

    # ---- the end

    def close(self, state: str = "finished", message: str | None = None) -> None:
        """Nothing; the run is whole and packed. A second call does nothing.

        A frame that was given since the last step, or the probe set once more, becomes the closing frame.

        Args:
            state: "finished", "stopped" or "failed".
            message: one sentence for people, where something went wrong.
        """
        if not self._writer.open:
            return
        if state != "failed" and self.committed >= 0:
            self._next = self.committed + 1
            try:
                if self._pending is None and self._probe is not None:
                    self.frame(*self._probe())
            except DataError as problem:
                message = message or f"There is no closing frame. {problem}"
            if self._pending is not None:
                line: dict[str, Any] = {
                    "step": self._next,
                    "time": round(time.time(), 3),
                    "closing": True,
                    "frame": True,
                }
                line["loss"] = None
                self._writer.write_closing(
                    self._next, line | self._frame_numbers(), self._pending, self._kept_centres()
                )
                self._pending = None
        self._writer.close(state, message)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close("finished")
            return
        self._pending = self._probe = None  # the model may be half-way through an update: no closing frame
        ours = issubclass(kind, TripletscopeError)  # a sentence already
        with suppress(RunError):  # the disk is full: what is on its way tells more than that the end cannot be written
            if issubclass(kind, KeyboardInterrupt | SystemExit | GeneratorExit):
                self.close("stopped", "interrupted")
            else:
                self.close("failed", str(problem) if ours else f"{kind.__name__}: {problem}")


def _floors_given(floors: Any, batch: Batch, step: int) -> Float[Tensor, " pairs"]:
    found = torch.as_tensor(floors)
    if found.shape != (batch.n_pairs,):
        raise DataError(
            f"The floors of step {step} have shape {tuple(found.shape)}: give one number for each of the "
            f"{batch.n_pairs:,} pairs of the batch, in the order of batch.pairs."
        )
    return found


def _rows_given(rows: Any, count: int) -> Int32[np.ndarray, " B"]:
    found = as_ids(rows)
    if isinstance(found, list) or (len(found) and not (found.min() >= 0 and found.max() < count)):
        raise DataError(f"The rows name samples that are not there: give whole numbers from 0 to {count - 1}.")
    return found.astype(np.int32)


def _resumed(path: Path, wanted: dict[str, Any]) -> RunWriter:
    """A writer that goes on with the run, if it was recorded with the same settings."""
    recorded = read_config(path)
    for name in ("margin", "distance", "soft_margin", "seed", "training", "strategies"):
        now, was = wanted[name], recorded.get(name)
        if name == "strategies":
            now, was = ({one["name"]: one.get("values") for one in cards or []} for cards in (now, was))
        if now != was:
            raise SettingError(
                f"The run {str(path)!r} was recorded with {name} {was!r} and cannot go on with {now!r}: give the same, "
                "or choose another folder."
            )
    return RunWriter.resume(path, wanted)
