"""The trainer: embed a batch, let a strategy pick triplets, record, update. The Recorder's first user, and a short one.

Every use of chance has a stream of its own, derived from the seed: the weights, the batches, and each strategy at
each step. So shadow strategies leave the training bit-equal, runs of one seed share weights and batches (a race), and
a resumed run repeats its steps exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.config import TrainConfig, differences
from tripletscope.distances import pairwise
from tripletscope.errors import RunError, TrainingError
from tripletscope.preparation import Setup, prepare
from tripletscope.recorder import Recorder
from tripletscope.samples import LabelledData
from tripletscope.store.reader import Run

State = Literal["finished", "stopped"]


@dataclass(frozen=True)
class StepInfo:
    """Where a training stands; what `on_step` is called with. None: not known yet."""

    step: int
    steps: int
    loss: float | None = None
    spread: float | None = None
    recall_at_1: float | None = None  # of the last frame

    def follow(self, step: int, line: dict[str, Any]) -> StepInfo:
        """The same with the numbers of a newly recorded line; what the line does not say stays."""
        known = {name: line[name] for name in ("loss", "spread", "recall_at_1") if line.get(name) is not None}
        return replace(self, step=step, **known)


OnStep = Callable[[StepInfo], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class TrainResult:
    """How a training ended: its state, the updates made, seconds, the last numbers, and the final weights."""

    state: State
    steps: int
    seconds: float
    last: StepInfo
    weights: dict[str, Tensor]


def record(
    config: TrainConfig,
    data: LabelledData,
    out: Path,
    *,
    resume: bool = False,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> TrainResult:
    """Trains into the run folder `out`, which is made when every setting has been checked.

    Args:
        config: the settings.
        data: what to train on, before the flaws that the settings plant.
        out: a new folder; with `resume`, that of a run with the same settings and data.
        resume: go on after the last whole step of `out`.
        on_step: called after every newly recorded step.
        should_stop: asked after every step; True ends the training there, with state "stopped". So does a request in
            the run's folder (`tripletscope control`), and one to pause makes it wait.

    Raises:
        SettingError: a setting that does not fit the others or the data.
        UnknownNameError: a strategy, model, distance, device or parameter that does not exist.
        RunError: `out` exists, or, with `resume`, is no run of these settings and data.
        TrainingError: distances or loss are no longer finite; what was recorded stays, with state "failed".
    """
    setup = prepare(config, data)
    if resume:
        _require_same(Run.open(out), setup)
    with Recorder(
        out,
        margin=config.margin,
        distance=config.distance,
        strategies={setup.strategy.name: setup.params} | {name: {} for name in setup.shadows},
        samples=setup.data.samples,
        training=setup.strategy.name,
        config=setup.describe(),
        seed=config.seed,
        resume=resume,
    ) as recorder:
        try:
            return _loop(setup, recorder, on_step, should_stop)
        except TrainingError as problem:
            recorder.close("failed", str(problem))
            raise


def train(
    config: TrainConfig,
    data: LabelledData,
    recorder: Recorder,
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> TrainResult:
    """Trains with a recorder of one's own making, and closes it; `record` makes a fitting one."""
    return _loop(prepare(config, data), recorder, on_step, should_stop)


def _loop(setup: Setup, recorder: Recorder, on_step: OnStep | None, should_stop: ShouldStop | None) -> TrainResult:
    """The training itself, from the last checkpoint on.

    Steps between the checkpoint and the last whole one on record are computed again, and the recorder passes them
    over: so a run that was cut short goes on without a seam.
    """
    config, recorded = setup.config, recorder.committed
    checkpoint = recorder.last_checkpoint()
    step = 0 if checkpoint is None else setup.restore(checkpoint)
    recorder.step_number = step
    info, last_update, last_update_cpu, stopped = StepInfo(step, config.steps), 0.0, 0.0, False
    begun = time.monotonic()
    saved = begun if checkpoint else -math.inf
    while step < config.steps and not stopped:
        if time.monotonic() - saved >= config.checkpoint_every:
            recorder.checkpoint(setup.state(step))
            saved = time.monotonic()
        started, started_cpu = time.perf_counter(), time.process_time()
        rows = setup.sampler.draw()
        labels = setup.labels[rows]
        embeddings = setup.network(setup.inputs(rows))  # (B, D)
        distances = pairwise(embeddings, config.distance)  # (B, B)
        _require_finite("distance", distances, step, config)
        embedded = time.perf_counter()
        batch = Batch(distances, labels, distance=config.distance, embeddings=embeddings)
        candidates = setup.candidates(batch)
        triplets = setup.pick(candidates, step)
        cost = setup.loss(distances, labels, triplets, embeddings)
        loss = cost.mean
        mined, mined_cpu = time.perf_counter(), time.process_time()
        line = recorder.step(
            embeddings.detach(),
            labels,
            rows=rows,
            triplets=triplets,
            loss=float(loss.detach()),
            active=cost.active,
            unlisted=cost.unlisted,
            centres=setup.centre_points(),
            batch=batch,
            floors=candidates.floors,
            probe=setup.probe,
            seconds={
                "forward": embedded - started,
                "mining": mined - embedded,
                "last_update": last_update,
                "cpu": mined_cpu - started_cpu,
                "last_update_cpu": last_update_cpu,
            },
        )
        _require_finite("loss", loss, step, config)
        info = info.follow(step, line)
        if on_step and step > recorded:
            on_step(info)
        updating, updating_cpu = time.perf_counter(), time.process_time()
        setup.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        setup.optimiser.step()
        last_update, last_update_cpu = time.perf_counter() - updating, time.process_time() - updating_cpu
        step += 1
        stopped = not recorder.go_on(should_stop or (lambda: False))
    recorder.checkpoint(setup.state(step))
    state: State = "finished" if step >= config.steps else "stopped"
    recorder.frame(*setup.probe(), centres=setup.centre_points())
    recorder.close(state)
    info = info.follow(step, Run.open(recorder.path).lines[-1])
    weights = {name: value.detach().cpu().clone() for name, value in setup.network.state_dict().items()}
    return TrainResult(state, step, time.monotonic() - begun, info, weights)


def _require_same(run: Run, setup: Setup) -> None:
    """Raises a RunError that says which setting or which data differ from those of the run."""
    recorded = run.config.get("train")
    if not recorded:
        raise RunError(
            f"{run.path} was not recorded by `tripletscope train` and cannot be resumed; choose another --out."
        )
    other = differences(TrainConfig.from_dict(recorded), setup.config)
    known = run.config["data"]
    if known["digest"] != setup.source_digest:
        other.append(f"data of the digest {known['digest'][:8]}, not {setup.source_digest[:8]}")
    elif not other and "planted" in known and known["planted"]["digest"] != setup.data.digest:
        other.append(f"wrong labels or a long tail that NumPy {run.config['versions']['numpy']} drew otherwise")
    if run.config["device"] != str(setup.device):
        other.append(f"device {run.config['device']}, not {setup.device}")
    if other:
        raise RunError(
            f"{run.path} was recorded with {'; '.join(other)}: give it the same to go on, or choose another --out."
        )
    if run.step_count > setup.config.steps:
        raise RunError(f"{run.path} has {run.step_count} steps already; use --steps {run.step_count} or more to go on.")


def _require_finite(what: str, values: Float[Tensor, "..."], step: int, config: TrainConfig) -> None:
    """Raises a TrainingError with the likely reason when a number is NaN or infinite."""
    if bool(torch.isfinite(values).all()):
        return
    if config.lr > 0.1:
        reason = f"the learning rate {config.lr:g} is very high: try --lr 1e-3"
    elif not config.normalize:
        reason = (
            f"unnormalised embeddings grew without bound: lower --lr (now {config.lr:g}) or leave out --no-normalize"
        )
    else:
        reason = (
            f"the weights grew without bound: lower --lr (now {config.lr:g}), or give --standardize for raw features"
        )
    raise TrainingError(f"At step {step} a {what} is no longer finite, so the training stopped; {reason}.")
