"""What one recorded step is made of: the picks of all strategies as columns, and the numbers of its line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32, Int64
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.errors import DataError
from tripletscope.strategies.base import Strategy
from tripletscope.triplets import Triplets
from tripletscope.zones import EASY, HARD, SEMI_HARD, PlaneHistogram, ZoneCounts, zone_codes_numpy

Slots = Int64[np.ndarray, " T"]


@dataclass(frozen=True)
class FalseCounts:
    """How many triplets have a negative that is truly of the anchor's class, or a positive that truly is not."""

    negatives: int
    positives: int


def false_counts(batch: Batch, truth: Int[np.ndarray, " B"]) -> FalseCounts:
    """The counts over all eligible triplets of a batch; picking blindly has these shares.

    Args:
        batch: with the labels that strategies see.
        truth: true label of each slot.

    Example:
        >>> batch = Batch(torch.zeros(4, 4), torch.tensor([0, 0, 1, 1]), distance="euclidean")
        >>> false_counts(batch, np.array([0, 0, 0, 1]))
        FalseCounts(negatives=4, positives=4)
    """
    labels = _array(batch.labels)
    mates, kin = labels[:, None] == labels, truth[:, None] == truth  # (B, B)
    positives, negatives = mates.sum(1) - 1, (~mates).sum(1)
    return FalseCounts(int(positives @ (~mates & kin).sum(1)), int(negatives @ (mates & ~kin).sum(1)))


def filter_counts(batch: Batch, floors: Float[Tensor, " pairs"], truth: Int[np.ndarray, " B"] | None) -> dict[str, int]:
    """What floors take from the training strategy, by the names in `schema.FILTER_SCALARS`.

    Args:
        batch: with all its negatives.
        floors: for each pair the least distance that a negative may have.
        truth: true label of each slot, where it is known.

    Example:
        >>> batch = Batch(torch.tensor([[0, 1, 2], [1, 0, 3], [2, 3, 0]]).float(), torch.tensor([7, 7, 8]))
        >>> filter_counts(batch, torch.tensor([2.5, 2.5]), np.array([7, 7, 7]))
        {'filtered': 1, 'filtered_pairs': 1, 'filtered_false_negatives': 1}
    """
    seen = batch.filtered(floors)
    anchor, positive = batch.pairs
    everything = batch.negative_count[anchor]
    found = {
        "filtered": int(seen.below_floor.sum()),
        "filtered_pairs": int(((seen.below_floor == everything) & (everything > 0)).sum()),
    }
    if truth is not None:
        kin, total = torch.from_numpy(truth[:, None] == truth).to(batch.device), 0
        for block in batch.pair_blocks():
            a, p = anchor[block], positive[block]
            total += int((batch.negative_mask[a] & ~seen.candidate_mask(a, p) & kin[a]).sum())
        found["filtered_false_negatives"] = total
    return found


@dataclass(frozen=True)
class PickNumbers:
    """How many picks of a strategy lie in each zone, and how many units it left without one.

    `abstained` is None for picks of a loop's own miner: nobody knows what it was asked for. `false` is None where the
    true labels are not known.
    """

    zones: ZoneCounts
    abstained: int | None
    false: FalseCounts | None = None

    @property
    def mined(self) -> int:
        """All its picks."""
        return self.zones.eligible

    def as_shadow(self) -> dict[str, int | None]:
        """The entry under "shadows" in a line of scalars.jsonl."""
        zones = self.zones
        entry = {
            "mined": self.mined,
            "hard": zones.hard,
            "semi_hard": zones.semi_hard,
            "easy": zones.easy,
            "abstained": self.abstained,
        }
        if self.false is not None:
            entry |= {"false_negatives": self.false.negatives, "false_positives": self.false.positives}
        return entry


@dataclass(frozen=True)
class Unlisted:
    """What was learnt from where positives and negatives are no samples: no rows, only their distances."""

    d_ap: Float[np.ndarray, " T"]
    d_an: Float[np.ndarray, " T"]

    @classmethod
    def of(cls, d_ap: Any, d_an: Any) -> Unlisted:
        """From tensors or arrays."""
        return cls(
            *(_array(one.detach()) if isinstance(one, Tensor) else np.asarray(one, np.float32) for one in (d_ap, d_an))
        )

    def numbers(self, margin: float) -> PickNumbers:
        """How many of them lie in each zone; none has abstained."""
        codes = np.bincount(zone_codes_numpy(self.d_an - self.d_ap, margin), minlength=3)
        return PickNumbers(ZoneCounts(int(codes[HARD]), int(codes[SEMI_HARD]), int(codes[EASY])), 0)

    @property
    def means(self) -> tuple[float | None, float | None]:
        """(mean d(a,p), mean d(a,n)); None without any."""
        return (float(self.d_ap.mean()), float(self.d_an.mean())) if len(self.d_ap) else (None, None)


@dataclass
class StepPicks:
    """The picks of all strategies at one step; their distances are looked up and sorted into zones all at once.

    Args:
        batch: that they were picked from.
        margin: decides the zones.
        truth: true label of each slot, where it is known.
        second: whether second negatives are kept.
    """

    batch: Batch
    margin: float
    truth: Int[np.ndarray, " B"] | None = None
    second: bool = False
    _codes: list[int] = field(default_factory=list)
    _training: list[bool] = field(default_factory=list)
    _slots: list[tuple[Slots, Slots, Slots]] = field(default_factory=list)
    _weights: list[Float32[np.ndarray, " T"] | None] = field(default_factory=list)
    _seconds: list[Slots | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.distances = _array(self.batch.distances).ravel()  # (B * B,)

    @property
    def mean_distance(self) -> float:
        """Mean over all pairs of different slots; 0.0 for fewer than two. Not finite if a distance is not."""
        size = self.batch.size
        # NumPy adds in pairs, so float32 is good to seven digits here, at a third of the cost of converting first.
        return float(np.add.reduce(self.distances)) / (size * (size - 1)) if size > 1 else 0.0

    def add(self, code: int, training: bool, triplets: Triplets) -> None:
        """Nothing; these picks are part of the step."""
        self._codes.append(code)
        self._training.append(training)
        self._slots.append((_array(triplets.anchor), _array(triplets.positive), _array(triplets.negative)))
        self._weights.append(None if triplets.weight is None else _array(triplets.weight).astype(np.float32))
        self._seconds.append(None if triplets.negative2 is None else _array(triplets.negative2))

    def finish(self) -> None:
        """Nothing; distances and zones of everything added are known."""
        if not self._slots:
            self._slots.append((np.empty(0, np.int64),) * 3)
            self._codes.append(0)
            self._training.append(False)
            self._weights.append(None)
            self._seconds.append(None)
        self.sizes = [len(anchor) for anchor, _, _ in self._slots]
        if len(self._slots) == 1:
            self.anchor, self.positive, self.negative = self._slots[0]
        else:
            anchors, positives, negatives = zip(*self._slots, strict=True)
            self.anchor, self.positive = np.concatenate(anchors), np.concatenate(positives)
            self.negative = np.concatenate(negatives)
        distances = self.distances
        base = self.anchor * self.batch.size
        self.pair = base + self.positive
        self.d_ap, self.d_an = distances.take(self.pair), distances.take(base + self.negative)
        self.zones = zone_codes_numpy(self.d_an - self.d_ap, self.margin)

    def numbers(self, place: int, strategy: Strategy | None) -> PickNumbers:
        """Counts of the picks that were added as number `place` (from 0)."""
        begin = sum(self.sizes[:place])
        stop = begin + self.sizes[place]
        zones = self.zones[begin:stop]
        hard, easy = int(np.count_nonzero(zones == HARD)), int(np.count_nonzero(zones == EASY))
        semi_hard = stop - begin - hard - easy
        abstained = None
        if strategy is not None:
            units = (self.anchor if strategy.granularity in ("anchor", "many") else self.pair)[begin:stop]
            served = min(1, stop - begin) if strategy.granularity == "batch" else _distinct(units, self.batch.size**2)
            abstained = strategy.units(self.batch) - served
        return PickNumbers(ZoneCounts(hard, semi_hard, easy), abstained, self._false(slice(begin, stop)))

    def _false(self, some: slice) -> FalseCounts | None:
        if self.truth is None:
            return None
        anchors = self.truth[self.anchor[some]]
        return FalseCounts(
            int(np.count_nonzero(self.truth[self.negative[some]] == anchors)),
            int(np.count_nonzero(self.truth[self.positive[some]] != anchors)),
        )

    def means(self, place: int) -> tuple[float | None, float | None]:
        """(mean d(a,p), mean d(a,n)) of those picks; None without any."""
        begin = sum(self.sizes[:place])
        stop = begin + self.sizes[place]
        if begin == stop:
            return None, None
        count = stop - begin
        return (
            float(np.add.reduce(self.d_ap[begin:stop])) / count,
            float(np.add.reduce(self.d_an[begin:stop])) / count,
        )

    def columns(self, step: int, rows: Int32[np.ndarray, " B"]) -> list[np.ndarray]:
        """The rows of picks/ for this step, as columns of `schema.PICKS`, and second negatives where they are kept."""
        count = len(self.anchor)
        if len(self.sizes) == 1:  # most runs, so without the detour over repeat
            codes, training = np.full(count, self._codes[0], np.int8), np.full(count, self._training[0])
        else:
            codes = np.repeat(np.array(self._codes, np.int8), self.sizes)
            training = np.repeat(np.array(self._training), self.sizes)
        return [
            np.full(count, step, np.int32),
            codes,
            training,
            rows.take(self.anchor),
            rows.take(self.positive),
            rows.take(self.negative),
            self.d_ap.astype(np.float32, copy=False),
            self.d_an.astype(np.float32, copy=False),
            self._weight_column(count),
            *([self._second_column(count, rows)] if self.second else []),
        ]

    def _weight_column(self, count: int) -> Float32[np.ndarray, " T"]:
        weights = np.ones(count, np.float32)
        begin = 0
        for size, given in zip(self.sizes, self._weights, strict=True):
            if given is not None:
                weights[begin : begin + size] = given
            begin += size
        return weights

    def _second_column(self, count: int, rows: Int32[np.ndarray, " B"]) -> Int32[np.ndarray, " T"]:
        """The second negatives as rows of the samples, -1 for picks without one."""
        found = np.full(count, -1, np.int32)
        begin = 0
        for size, given in zip(self.sizes, self._seconds, strict=True):
            if given is not None:
                found[begin : begin + size] = rows.take(given)
            begin += size
        return found


def batch_columns(
    step: int, rows: Int32[np.ndarray, " B"], labels: Int32[np.ndarray, " B"]
) -> list[Int32[np.ndarray, " B"]]:
    """The rows of batches/ for this step, as columns of `schema.BATCHES`."""
    return [np.full(len(rows), step, np.int32), rows, labels]


def plane_columns(step: int, histogram: PlaneHistogram | None) -> list[np.ndarray]:
    """The rows of plane/ for this step, as columns of `schema.PLANE`: the cells that are not empty."""
    if histogram is None:
        return [np.empty(0, dtype) for dtype in (np.int32, np.int16, np.uint16, np.int64)]
    counts = histogram.counts.ravel()
    cells = np.flatnonzero(counts)
    return [
        np.full(len(cells), step, np.int32),
        np.full(len(cells), histogram.exponent, np.int16),
        cells.astype(np.uint16),
        counts.take(cells),
    ]


def as_embeddings(values: Any, step: int) -> Float[Tensor, "N D"]:
    """The embeddings as a float32 tensor outside the graph, on the device where they are.

    Raises:
        DataError: they are not a table of numbers.
    """
    try:
        tensor = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values, np.float32))
    except (TypeError, ValueError):
        raise DataError(
            f"The embeddings of step {step} are no table of numbers: give one row of equally many numbers per sample."
        ) from None
    if tensor.dtype != torch.float32:
        tensor = tensor.to(torch.float32)
    if tensor.ndim != 2 or not tensor.shape[1]:
        raise DataError(f"The embeddings of step {step} have shape {tuple(tensor.shape)}: give one row per sample.")
    return tensor


def require_finite(tensor: Float[Tensor, "N D"], step: int, summed: float) -> None:
    """Nothing, if the embeddings are finite.

    Args:
        tensor: the embeddings.
        step: for the sentence.
        summed: any sum that every embedding goes into. It tells the usual case; only where it is not finite, rows
            are looked at one by one.

    Raises:
        DataError: naming the first bad row.
    """
    if not math.isfinite(summed):
        bad = (~torch.isfinite(tensor)).any(dim=1).nonzero()[:, 0].tolist()
        if bad:
            raise DataError(
                f"Row {bad[0]} of the embeddings of step {step} is not finite ({len(bad)} of {len(tensor)} are not): "
                "the training has diverged; lower the learning rate, or look for a bad input."
            )


def as_triplets(given: Any, batch: Batch, step: int) -> Triplets:
    """The triplets of a loop, checked: three arrays of batch slots, or `Triplets`.

    Raises:
        DataError: lengths differ, a slot is not in the batch, or labels say that it is no triplet.
    """
    whole = (given.anchor, given.positive, given.negative) if isinstance(given, Triplets) else given
    try:
        columns = [_slots(one) for one in whole]
    except TypeError:
        columns = []
    if len(columns) != 3:
        raise DataError(
            f"The triplets of step {step} are no three arrays: give (anchors, positives, negatives) as batch slots."
        )
    anchor, positive, negative = columns
    if not len(anchor) == len(positive) == len(negative):
        raise DataError(
            f"Step {step} has {len(anchor)} anchors, {len(positive)} positives and {len(negative)} negatives: give "
            "one of each per triplet."
        )
    for name, column in zip(("anchor", "positive", "negative"), columns, strict=True):
        if len(column) and not (column.min() >= 0 and column.max() < batch.size):
            wrong = int(column[(column < 0) | (column >= batch.size)][0])
            raise DataError(
                f"Among the {name}s of step {step} is {wrong}, but the batch has slots 0 to {batch.size - 1}: give "
                "places in the batch, not ids."
            )
    labels = _array(batch.labels)
    same, other = labels[anchor] == labels[positive], labels[anchor] != labels[negative]
    if not (same & other & (anchor != positive)).all():
        t = int(np.flatnonzero(~(same & other & (anchor != positive)))[0])
        raise DataError(
            f"Triplet {t} of step {step} is (anchor {anchor[t]}, positive {positive[t]}, negative {negative[t]}) with "
            f"labels {labels[anchor[t]]}, {labels[positive[t]]}, {labels[negative[t]]}: a positive is another sample "
            "of the anchor's class, a negative is of another class; check their order."
        )
    if isinstance(given, Triplets) and given.negative2 is not None:
        _require_second(_array(given.negative2), negative, labels, step)
    return given if isinstance(given, Triplets) else Triplets(*(torch.from_numpy(column) for column in columns))


def _require_second(second: Slots, negative: Slots, labels: np.ndarray, step: int) -> None:
    """Raises a DataError where a second negative is no slot, or of the class of the first."""
    if len(second) != len(negative) or not ((second >= 0) & (second < len(labels))).all():
        raise DataError(
            f"The second negatives of step {step} do not fit: give one slot of the batch, 0 to {len(labels) - 1}, for "
            f"each of the {len(negative)} picks."
        )
    if not (labels[second] != labels[negative]).all():
        t = int(np.flatnonzero(labels[second] == labels[negative])[0])
        raise DataError(
            f"Pick {t} of step {step} has the negatives {negative[t]} and {second[t]}, both of label "
            f"{labels[second[t]]}: the second one is of another class than the first."
        )


def number(value: Any, name: str = "number") -> float | int | None:
    """A value as JSON can hold it: NaN and infinities become None.

    Raises:
        DataError: it is not one number; `name` says which.
    """
    if value is None:
        return None
    try:
        if hasattr(value, "item"):
            value = value.item()
        if isinstance(value, bool | int):
            return int(value)
        return float(value) if math.isfinite(value) else None
    except (TypeError, ValueError, RuntimeError):
        raise DataError(f"The {name} is {value!r}: give one number, or None.") from None


def _slots(values: Any) -> Slots:
    array = _array(values) if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and len(array)):
        raise TypeError
    return array.astype(np.int64)


def _array(values: Tensor) -> np.ndarray:
    return values.numpy(force=True)


def _distinct(values: Int[np.ndarray, " T"], below: int) -> int:
    """How many different numbers there are; all lie in 0 ... below - 1."""
    if np.count_nonzero(values[1:] <= values[:-1]) == 0:  # strategies pick in this order, at most once for each unit
        return len(values)
    if below > 16 * len(values) + 65_536:
        return len(np.unique(values))
    seen = np.zeros(below, bool)  # faster than sorting while the table is small
    seen[values] = True
    return int(np.count_nonzero(seen))
