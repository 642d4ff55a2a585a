"""What the rules look at: a run's numbers by step, each read once, and the words in which they are told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from tripletscope.analysis import cohort as cohorts
from tripletscope.analysis.probe import probe_labels
from tripletscope.store.reader import Run

#: A state has to last this many steps to be told: a batch is a small sample, and one odd batch means nothing.
LASTING = 20
#: In a long run a state has to last this share of it, and is over only after as many steps without it.
LASTING_SHARE = 0.02


class NotRecorded(Exception):
    """The run lacks what a rule looks at; the message says what, such as "no loss recorded"."""


class Signs:
    """The vital signs of a run.

    Args:
        run: opened at some moment; what is written later is not seen.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> signs = Signs(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> signs.numbers("spread")[[0, 30, 399]].round(2).tolist()
        [0.11, 3.03, 15.06]
        >>> signs.recall(30)
        'R@1 0.63 at step 30'
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.count = run.step_count
        self._numbers: dict[str, Float64[np.ndarray, " S"]] = {}

    # ---- numbers by step

    def known(self, name: str) -> Float64[np.ndarray, " S"]:
        """The number at every optimiser step, as recorded; NaN where a step has none, or nothing that is a number."""
        if name not in self._numbers:
            try:
                table = np.asarray(self.run.series([name])[0][: self.count], np.float64)
            except (TypeError, ValueError):  # a stranger's line may hold anything
                table = np.full(self.count, np.nan)
            table[~np.isfinite(table)] = np.nan
            self._numbers[name] = table
        return self._numbers[name]

    def has(self, name: str) -> bool:
        """Whether any step has that number."""
        return bool(np.isfinite(self.known(name)).any())

    def numbers(self, name: str, words: str | None = None) -> Float64[np.ndarray, " S"]:
        """The number at every optimiser step; a step without it has that of the step before. NaN before the first.

        Raises:
            NotRecorded: no step has it; `words` say what is missing.
        """
        if not self.count:
            raise NotRecorded("no step recorded")
        found = self.known(name)
        at = np.where(np.isfinite(found), np.arange(self.count), -1)
        if at.max() < 0:
            raise NotRecorded(f"no {words or name.replace('_', ' ')} recorded")
        latest = np.maximum.accumulate(at)
        return np.where(latest >= 0, found[np.maximum(latest, 0)], np.nan)

    @cached_property
    def lasting(self) -> int:
        """For how many steps in a row a state has to last before a rule tells it."""
        return max(LASTING, math.ceil(self.count * LASTING_SHARE))

    def require(self, steps: int) -> None:
        """Nothing, if the run has that many steps.

        Raises:
            NotRecorded: it has fewer.
        """
        if self.count < steps:
            raise NotRecorded(f"only {self.count} step{'' if self.count == 1 else 's'} recorded, it takes {steps}")

    # ---- settings

    @property
    def soft(self) -> bool:
        """Whether the loss was ln(1 + exp(-gap))."""
        return bool(self.run.config.get("soft_margin"))

    @property
    def loss(self) -> Mapping[str, Any]:
        """What is recorded of a loss that is not the triplet loss: name, title, centres; nothing where it is."""
        told = self.run.config.get("loss")
        if not isinstance(told, Mapping) or not isinstance(told.get("name"), str) or told["name"] == "triplet":
            return {}
        return told

    def require_triplet_loss(self) -> None:
        """Nothing, if the numbers called loss are, as far as anybody knows, the triplet loss.

        Raises:
            NotRecorded: the run trains with another.
        """
        if self.loss:
            raise NotRecorded(f"not checked: trains with the {self.loss['name']} loss")

    @property
    def training(self) -> str:
        """Name of the training strategy, for sentences."""
        name = self.run.training
        return "the loop's own miner" if name in (None, "own") else str(name)

    @property
    def margin(self) -> float:
        """The run's margin.

        Raises:
            NotRecorded: it is not above 0, which no recorder writes.
        """
        margin = self.run.margin
        if not (math.isfinite(margin) and margin > 0):
            raise NotRecorded("no margin above 0 recorded")
        return margin

    @property
    def asked(self) -> str | None:
        """What the training strategy picks for ("anchor-positive pairs", "anchors"); None when that is not known."""
        cards = [card for card in self.run.config.get("strategies") or [] if card.get("name") == self.run.training]
        kinds = {"pair": "anchor-positive pairs", "anchor": "anchors", "batch": "batches"}
        return kinds.get(cards[0].get("granularity", "")) if cards else None

    @property
    def space(self) -> str:
        """The distance by name, for sentences."""
        return f"{self.run.distance} distance"

    # ---- frames

    @cached_property
    def recalls(self) -> list[tuple[int, float]]:
        """(step, R@1) of every frame that has it."""
        found = []
        for line in self.run.lines:
            value = line.get("recall_at_1")
            if isinstance(value, int | float) and math.isfinite(value):
                found.append((int(line["step"]), float(value)))
        return found

    def recall_at(self, step: int) -> tuple[int, float] | None:
        """(step, R@1) of the last frame up to that step; of the first one where there is none; None without any."""
        before = [one for one in self.recalls if one[0] <= step]
        return before[-1] if before else self.recalls[0] if self.recalls else None

    def recall(self, step: int) -> str:
        """The same in words, for a sentence."""
        found = self.recall_at(step)
        return "R@1 not recorded" if found is None else f"R@1 {found[1]:.2f} at step {found[0]:,}"

    def best_recall(self, step: int) -> tuple[int, float] | None:
        """(step, R@1) of the best frame up to that step, the earliest of equals; None without any."""
        return max((one for one in self.recalls if one[0] <= step), key=lambda one: one[1], default=None)

    def is_lost(self, step: int, *, by: float) -> bool:
        """Whether R@1 at that step lies `by` or more below its best so far, or within `by` of guessing."""
        now, best = self.recall_at(step), self.best_recall(step)
        if now is None or best is None:
            return False
        return now[1] <= best[1] - by or (self.chance is not None and now[1] <= self.chance + by)

    def last_of(self, end: int | None) -> tuple[int, int]:
        """(the last step of a stretch, the step whose frame tells how it ended: the closing one, if it lasts)."""
        return (self.count - 1, self.count) if end is None else (end - 1, end)

    @cached_property
    def turnover(self) -> Float32[np.ndarray, " F"]:
        """See `analysis.cohort.turnover`.

        Raises:
            NotRecorded: there are not two frames, or they cannot be read.
        """
        if len(self.run.frame_steps) < 2:
            raise NotRecorded("fewer than two frames recorded")
        try:
            shares = cohorts.turnover(self.run)
        except (OSError, ValueError, IndexError, KeyError):
            raise NotRecorded("the frames or the labels of their samples cannot be read") from None
        if not np.isfinite(shares[1:]).any():
            raise NotRecorded("the probe set has one class only")
        return shares

    @cached_property
    def cohort_title(self) -> str:
        """See `analysis.cohort.cohort_title`."""
        return cohorts.cohort_title(self.run)

    @cached_property
    def cohort_size(self) -> int:
        """Number of samples in the cohort."""
        return len(cohorts.cohort(self.run))

    @cached_property
    def chance(self) -> float | None:
        """The R@1 that guessing would have on the probe set; None where its labels are not known."""
        try:
            counts = np.unique(probe_labels(self.run), return_counts=True)[1]
        except (OSError, ValueError, IndexError):
            return None
        total = int(counts.sum())
        counts = counts[counts > 1]  # a sample alone in its class is no query
        queries = int(counts.sum())
        return float((counts * (counts - 1)).sum() / queries / (total - 1)) if queries else None

    @cached_property
    def unit_length(self) -> bool | None:
        """Whether embeddings have length 1: by the settings, by the last frame or batch kept; None if nobody knows."""
        told = self.run.config.get("normalized")
        if isinstance(told, bool):
            return told
        try:
            steps = self.run.frame_steps
            points = self.run.frames[steps[-1]] if steps else None
            if points is None and self.run.batch_embedding_steps:
                points = self.run.batch_embeddings(self.run.batch_embedding_steps[-1])
        except (OSError, ValueError, KeyError):
            return None
        if points is None or not len(points):
            return None
        lengths = np.linalg.norm(np.asarray(points, np.float64), axis=1)
        return bool((np.abs(lengths - 1) < 1e-2).all())
