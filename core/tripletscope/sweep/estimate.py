"""What a sweep will cost, from a few real steps of each kind of cell; trains in this process."""

from __future__ import annotations

import heapq
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tripletscope.config import TrainConfig
from tripletscope.errors import TripletscopeError
from tripletscope.frames import frame_schedule
from tripletscope.sweep import training
from tripletscope.sweep.plan import Cell

#: Steps that are timed: up to here some keep a frame and some do not.
STEPS = 16
#: Kinds of cells that are timed; the others are taken for the mean of these.
KINDS = 12
#: Settings that change what is learnt, and hardly what it costs.
_FREE: dict[str, Any] = {"seed": 0, "margin": 0.2, "lr": 1e-3, "steps": STEPS, "shadow": (), "checkpoint_every": 1e9}
#: Processor seconds that a process takes to start.
START = 2.5


class _Cost(NamedTuple):
    """Processor seconds of a step, and what a frame costs beside."""

    step: float
    frame: float


@dataclass(frozen=True)
class Estimate:
    """About what the cells cost.

    Attributes:
        cpu_seconds: of all cells together, and of the start of each process.
        seconds: until the last has ended, on cores that nobody else uses.
        refused: (cell, reason) of kinds of cells that cannot be trained.
    """

    cpu_seconds: float
    seconds: float
    refused: tuple[tuple[Cell, str], ...] = ()


def estimate(cells: Sequence[Cell], jobs: int) -> Estimate:
    """What these cells will cost with so many processes at a time.

    A kind of cell that is refused costs nothing, and its reason is told once.
    """
    known: list[tuple[TrainConfig, _Cost | str]] = []
    costs: list[_Cost | str | None] = []
    refused: list[tuple[Cell, str]] = []
    for cell in cells:
        kind = replace(cell.config, **_FREE)
        cost = next((cost for one, cost in known if one == kind), None)
        if cost is None and len(known) < KINDS:
            try:
                cost = _timed(kind)
            except TripletscopeError as problem:
                cost = str(problem)
                refused.append((cell, cost))
            known.append((kind, cost))
        costs.append(cost)
    measured = [cost for _, cost in known if isinstance(cost, _Cost)]
    usual = _Cost(*(median(each) for each in zip(*measured, strict=True))) if measured else _Cost(0.0, 0.0)
    seconds = []
    for cell, cost in zip(cells, costs, strict=True):
        if not isinstance(cost, str):
            step, frame = cost or usual
            seconds.append(cell.config.steps * step + frames_of(cell.config.steps) * frame)
    processes = min(jobs, len(seconds))
    return Estimate(sum(seconds) + START * processes, _queue(seconds, jobs) + START * bool(seconds), tuple(refused))


def frames_of(steps: int) -> int:
    """Frames of a run of so many steps, the closing one included.

    Example:
        >>> frames_of(400)
        40
    """
    return 1 + sum(1 for _ in takewhile(lambda step: step < steps, frame_schedule()))


def _timed(config: TrainConfig) -> _Cost:
    """What these settings cost here."""
    marks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        training.train(config, Path(folder) / "run", on_step=lambda _: marks.append(time.process_time()))
    framed = set(takewhile(lambda step: step < STEPS, frame_schedule()))
    took = {step: later - earlier for step, (earlier, later) in enumerate(pairwise(marks), start=1)}
    step = median(seconds for at, seconds in took.items() if at not in framed)
    frame = median(seconds for at, seconds in took.items() if at in framed and at > 2)  # the first ones warm up
    return _Cost(step, max(frame - step, 0.0))


def _queue(seconds: Sequence[float], at_once: int) -> float:
    """Until the last has ended, when each takes the next free place."""
    places = [0.0] * max(min(at_once, len(seconds)), 1)
    for one in seconds:
        heapq.heappush(places, heapq.heappop(places) + one)
    return max(places)
