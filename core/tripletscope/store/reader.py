"""The reading side of a run folder: `Run`. It never writes, needs no torch, and opens whatever a crash has left."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int32, Int64

from tripletscope.composition import canonical
from tripletscope.errors import RunError, UnknownNameError
from tripletscope.samples import Samples
from tripletscope.schema import FORMAT_VERSION, FRAME_SCALARS, PLANE_CELLS, SECOND_NEGATIVE, STEP_TABLES, step_tables
from tripletscope.store import layout
from tripletscope.store.sample_table import complete_samples, read_samples
from tripletscope.store.scalars import Scalars, read_scalars
from tripletscope.store.status import PAUSED, read_status, true_state
from tripletscope.store.step_table import StepTable

if TYPE_CHECKING:
    import pandas

#: Names that `Run.series` works out from the recorded numbers: each a share of the eligible triplets.
SHARES = {f"{name}_share": name for name in ("hard", "semi_hard", "easy", "violating", "mined")}
#: Shares whose whole is another number: name -> (part, whole). They need true labels.
TRUTH_SHARES = {
    "false_negative_share": ("mined_false_negatives", "mined"),
    "false_positive_share": ("mined_false_positives", "mined"),
    "blind_false_negative_share": ("eligible_false_negatives", "eligible"),
    "blind_false_positive_share": ("eligible_false_positives", "eligible"),
}


class Run:
    """One recorded run, as it was when it was opened.

    Attributes:
        path: its folder.
        name: the folder's name.
        config: content of config.json: everything that decided the run.
        status: content of status.json as it stands, {} when it is missing.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
        >>> run.state_text, len(run.steps), len(run.frames)
        ('finished, 400 steps', 401, 40)
        >>> run.scalars["recall_at_1"].dropna().iloc[-1].round(3).item()
        0.908
        >>> run.picks(step=30, training=True)[["anchor", "positive", "negative"]].iloc[0].tolist()
        [466, 298, 874]
    """

    def __init__(self, path: Path, config: dict[str, Any], status: dict[str, Any] | None, scalars: Scalars) -> None:
        self.path, self.config, self.status = path, config, status or {}
        self.name = path.resolve().name
        self._scalars = scalars
        self._tables: dict[str, StepTable] = {}
        self._sample_notes: list[str] = []

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """The run in that folder, up to its last whole step, also while it is being written or after a crash.

        A run in a newer format is opened as far as this version knows it, and `notes` says so.

        Raises:
            RunError: there is no run, or it is in a newer format that no longer says its margin and distance.
        """
        place = Path(path)
        config = layout.read_config(place, newer=True)
        return cls(place, config, read_status(place), read_scalars(place))

    # ---- how far it came

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The committed lines of scalars.jsonl as they are written there."""
        return self._scalars.lines

    @cached_property
    def steps(self) -> list[int]:
        """All committed steps, ascending; the last is the closing frame's where there is one."""
        return [line["step"] for line in self.lines]

    @property
    def step_count(self) -> int:
        """The number of optimiser steps recorded: `steps` without the closing frame."""
        return len(self.lines) - bool(self.lines and self.lines[-1].get("closing"))

    @property
    def state(self) -> str:
        """running, finished, stopped or failed. A run that nobody writes any more is stopped, whatever it says."""
        times = [line["time"] for line in self.lines if isinstance(line.get("time"), int | float)]
        slowest = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
        return true_state(self.status, slowest)

    @property
    def paused(self) -> bool:
        """Whether it is being recorded, and waits to be told to go on."""
        return self.state == "running" and self.status.get("message") == PAUSED

    @property
    def state_text(self) -> str:
        """The state for people, such as "finished, 400 steps", "paused at step 80" or "stopped at step 123"."""
        state, count = "paused" if self.paused else self.state, self.step_count
        if state == "finished":
            return f"finished, {count:,} step{'' if count == 1 else 's'}"
        return f"{state} at step {count - 1}" if count else f"{state} before the first step"

    @cached_property
    def digest(self) -> str:
        """32 hex digits that name the content: equal for copies of a run, new whenever a step is added."""
        hashed = hashlib.blake2b(repr(sorted(self.config.items())).encode(), digest_size=16)
        hashed.update(self._scalars.content)
        return hashed.hexdigest()

    @cached_property
    def notes(self) -> list[str]:
        """One line for each thing that is missing or damaged; empty for a whole run."""
        notes = [*self._scalars.notes]
        if int(self.config["format"]) > FORMAT_VERSION:
            notes.insert(
                0,
                f"written in format {self.config['format']}, this tripletscope knows format {FORMAT_VERSION}: "
                "what is newer is left out; update to see it",
            )
        if not self.status:
            notes.append(f"{layout.STATUS} is missing or damaged; the run is taken for stopped")
        told = self.status.get("step")
        if self.status.get("state") == "finished" and isinstance(told, int) and told >= self.step_count:
            notes.append(f"{layout.SCALARS} ends at step {self.step_count - 1}, but {told + 1} steps were recorded")
        for name in STEP_TABLES:
            notes += self._table(name).notes
        _ = self.samples
        return notes + self._sample_notes + self._frame_sizes[1]

    # ---- settings that readers ask for most

    @property
    def margin(self) -> float:
        """In the unit of `distance`."""
        return float(self.config["margin"])

    @property
    def distance(self) -> str:
        """Name of the distance that was mined in."""
        return str(self.config["distance"])

    @property
    def strategies(self) -> list[str]:
        """Names of the recorded strategies, the training one first; a pick's code is its place here."""
        return [str(one["name"]) for one in self.config.get("strategies", [])]

    @property
    def training(self) -> str | None:
        """Name of the strategy whose picks were trained on ("own": the loop's own miner); None when none were given."""
        found = self.config.get("training")
        return None if found is None else str(found)

    @property
    def race(self) -> dict[str, Any]:
        """Digests of initial weights and batches: runs with equal ones are comparable step by step; {} if unknown."""
        return dict(self.config.get("race") or {})

    # ---- numbers per step

    @cached_property
    def scalars(self) -> pandas.DataFrame:
        """One row per line of scalars.jsonl; nested numbers get dotted names such as `shadows.random.mined`."""
        import pandas

        flat = [dict(_flatten(line)) for line in self.lines]
        names = dict.fromkeys(name for line in flat for name in line)
        table = pandas.DataFrame({name: [line.get(name) for line in flat] for name in names})
        for name in table.columns:
            if name in ("closing", "frame"):
                table[name] = table[name].fillna(False).astype(bool)
            elif table[name].dtype == object:  # all null, or whole numbers with gaps
                table[name] = pandas.to_numeric(table[name], errors="coerce")
        return table

    def series(self, names: Iterable[str]) -> Float32[np.ndarray, "K S"]:
        """The named numbers at every step of `steps`, one row per name; NaN where a step has none.

        Besides the recorded names (dotted where nested) there are shares of the eligible triplets:
        hard_share, semi_hard_share, easy_share, violating_share, mined_share. Where the true labels are known, also
        false_negative_share and false_positive_share of the picks that were trained on (of a shadow's after
        `shadows.NAME.`), and blind_false_negative_share and blind_false_positive_share of all eligible triplets.
        """
        wanted = list(names)
        table = np.full((len(wanted), len(self.lines)), np.nan, np.float32)
        for k, name in enumerate(wanted):
            parts = _parts_of(name)
            if parts is not None:
                part, whole = self._numbers(parts[0]), self._numbers(parts[1])
                np.divide(part, whole, out=part, where=whole > 0)
                table[k] = np.where(whole > 0, part, np.nan)
            else:
                table[k] = self._numbers(name)
        return table

    def _numbers(self, name: str) -> np.ndarray:
        first, *rest = name.split(".")
        values: list[Any] = [line.get(first) for line in self.lines]
        if rest:
            values = [_dig(value, rest) for value in values]
        return np.array([np.nan if value is None else value for value in values], np.float64)

    # ---- who

    @cached_property
    def samples(self) -> Samples:
        """Who the samples are; a pick, a batch and a frame name a sample by its row here."""
        names = self.config.get("class_names")
        found = read_samples(self.path, names, self._sample_notes)
        needed = 1 + int(self.probe_rows.max(initial=-1))
        if len(found) >= needed:
            return found
        seen = self._columns("batches", 0, None)
        needed = max(needed, 1 + int(seen["row"].max(initial=-1)))
        return complete_samples(found, needed, seen["row"], seen["label"], names, self._sample_notes)

    @property
    def true_labels(self) -> Int64[np.ndarray, "N"] | None:
        """The class that each sample of `samples` is really of, where the run knows that labels are wrong; else None.

        `samples.labels` are what was trained on; where the two differ, the label is wrong.
        """
        return self.samples.true_labels

    def batch(self, step: int) -> tuple[Int32[np.ndarray, "B"], Int64[np.ndarray, "B"]]:
        """(rows of `samples`, labels) of the step's batch, by slot; empty for a closing frame.

        Raises:
            RunError: the step is not in the run.
        """
        self._check(step)
        rows = self._columns("batches", step, step)["row"]
        return rows, self.samples.labels[rows]

    def batch_rows(self, steps: range | None = None) -> dict[str, np.ndarray]:
        """Recorded batches as one array per column of `schema.BATCHES` (step, row, label), in slot order.

        Args:
            steps: of these steps, a range without gaps; None: of all. The closing frame has no batch.
        """
        if steps is None:
            return self._columns("batches", 0, None)
        return self._columns("batches", steps.start, steps.stop - 1)

    @cached_property
    def batch_embedding_steps(self) -> list[int]:
        """Steps whose batch embedding is kept: wherever a frame was due."""
        found = (layout.step_of(path) for path in (self.path / "batches").glob("embeddings-*.npy"))
        return sorted(step for step in found if step is not None and step < self.step_count)

    def batch_embeddings(self, step: int) -> Float32[np.ndarray, "B D"] | None:
        """The embedding of the step's batch, by slot, as it was mined; None where none is kept (not a frame step)."""
        return _load(layout.batch_embeddings_path(self.path, step))

    # ---- triplets

    def pick_rows(
        self,
        step: int | Iterable[int] | None = None,
        strategy: str | None = None,
        training: bool | None = None,
    ) -> dict[str, np.ndarray]:
        """Recorded picks as one array per column of `schema.PICKS`, in the order they were made.

        anchor, positive and negative are rows of `samples`; strategy is the place in `strategies`. In a run with
        second negatives there is a last column `negative2`, -1 where a pick has none.

        Args:
            step: of this step, or of these steps (a range is read fastest); None: of all.
            strategy: of this strategy. One with several negatives for a pair, such as "batch-all", writes no rows: it
                is worked out again at `batch_embedding_steps`.
            training: True: only what was trained on; False: only shadow picks.

        Raises:
            UnknownNameError: the strategy was not recorded.
            RunError: `step` is a single step that is not in the run.
        """
        strategy = None if strategy is None else canonical(strategy)
        if strategy is not None and strategy not in self.strategies:
            raise UnknownNameError("recorded strategy", strategy, self.strategies)
        first, last, wanted = 0, None, None
        if isinstance(step, range) and step.step == 1:
            first, last = step.start, step.stop - 1
        elif isinstance(step, int | np.integer):
            self._check(int(step))
            first = last = int(step)
        elif step is not None:
            wanted = np.unique(np.fromiter(step, np.int64))
            first, last = (int(wanted[0]), int(wanted[-1])) if len(wanted) else (0, -1)
        if strategy is not None and self.counts_only(strategy):
            at = [s for s in self.batch_embedding_steps if s >= first and (last is None or s <= last)]
            return self._worked_out(strategy, [s for s in at if wanted is None or s in wanted], training)
        columns = self._columns("picks", first, last)
        keep = np.ones(len(columns["step"]), bool)
        if wanted is not None:
            keep &= np.isin(columns["step"], wanted)
        if strategy is not None:
            keep &= columns["strategy"] == self.strategies.index(strategy)
        if training is not None:
            keep &= columns["training"] == training
        return columns if keep.all() else {name: column[keep] for name, column in columns.items()}

    def picks(
        self,
        step: int | Iterable[int] | None = None,
        strategy: str | None = None,
        training: bool | None = None,
    ) -> pandas.DataFrame:
        """Recorded picks as a table with the user's ids and the strategies' names, in the columns of `schema.PICKS`.

        Arguments and errors are those of `pick_rows`.
        """
        import pandas

        columns = self.pick_rows(step, strategy, training)
        ids = np.asarray(self.samples.ids)
        names = np.array(self.strategies, dtype=object)
        slots = [name for name in ("anchor", "positive", "negative", SECOND_NEGATIVE) if name in columns]
        known = np.maximum.reduce([columns[slot] for slot in slots], initial=-1) < len(ids)
        if not known.all():
            columns = {name: column[known] for name, column in columns.items()}
        shown: dict[str, Any] = dict(columns)
        shown["strategy"] = names[columns["strategy"]] if len(names) else columns["strategy"]
        for slot in ("anchor", "positive", "negative"):
            shown[slot] = ids[columns[slot]]
        if SECOND_NEGATIVE in columns:
            rows = columns[SECOND_NEGATIVE]
            shown[SECOND_NEGATIVE] = np.where(rows < 0, None, ids.astype(object)[rows] if len(ids) else None)
        return pandas.DataFrame(shown)

    @property
    def filters(self) -> dict[str, float]:
        """Filter -> its number, where a training left negatives out before its strategy chose; shadows see them all."""
        train = self.config.get("train")
        chosen = train.get("filter") if isinstance(train, dict) else None
        if not isinstance(chosen, dict):  # config.json of somebody else's loop may hold anything
            return {}
        return {str(name): float(x) for name, x in chosen.items() if isinstance(x, int | float)}

    def counts_only(self, strategy: str) -> bool:
        """Whether the run has that strategy's numbers and no rows: it takes several negatives for a pair."""
        return strategy != "own" and self._card(strategy).get("granularity") in ("all", "many")

    def _card(self, strategy: str) -> dict[str, Any]:
        cards: list[dict[str, Any]] = self.config.get("strategies") or []
        return next((card for card in cards if card.get("name") == strategy), {})

    def _worked_out(self, strategy: str, steps: list[int], training: bool | None) -> dict[str, np.ndarray]:
        from tripletscope.store.recompute import picked_again

        trained = self.training == strategy
        if training is not None and training != trained:
            steps = []
        return picked_again(self, strategy, steps, trained, dict(self._card(strategy).get("values") or {}))

    def plane(self, step: int) -> tuple[float, Int64[np.ndarray, "64 64"]]:
        """(cell width, counts) of the step's histogram over all eligible triplets: rows d_ap, columns d_an from 0.

        Raises:
            RunError: the step is not in the run.
        """
        self._check(step)
        columns = self._columns("plane", step, step)
        counts = np.zeros(PLANE_CELLS * PLANE_CELLS, np.int64)
        counts[columns["cell"]] = columns["count"]
        exponent = int(columns["exponent"][0]) if len(columns["exponent"]) else 0
        return 2.0**exponent, counts.reshape(PLANE_CELLS, PLANE_CELLS)

    # ---- frames

    @property
    def frame_steps(self) -> list[int]:
        """Steps at which the probe set's embedding is kept, ascending; the last is the closing frame."""
        return list(self._frame_sizes[0])

    @cached_property
    def frames(self) -> Mapping[int, Float32[np.ndarray, "n D"]]:
        """Step -> embedding of the probe set in the order of `probe_rows`; each read from disk when it is asked for."""
        return Frames(self.path, self.frame_steps)

    @cached_property
    def has_centres(self) -> bool:
        """Whether the run learned centres of its classes and kept them at a frame."""
        return any(layout.centres_path(self.path, step).is_file() for step in self.frame_steps)

    def centres(self, step: int) -> Float32[np.ndarray, "C D"] | None:
        """The learned centre of each class at a frame's step, in the order of `samples.class_names`.

        None where the run learned none, or has no frame there.
        """
        return _load(layout.centres_path(self.path, step)) if step in self.frame_steps else None

    @cached_property
    def probe_rows(self) -> Int32[np.ndarray, "n"]:
        """Row in `samples` of each probe sample; empty before the first frame."""
        rows = _load(self.path / layout.FRAME_ROWS)
        return np.empty(0, np.int32) if rows is None else np.asarray(rows)

    @cached_property
    def _frame_sizes(self) -> tuple[list[int], list[str]]:
        """(steps of the frames that are whole, notes on the others)."""
        wanted = [line["step"] for line in self.lines if line.get("frame")]
        sizes: dict[str, int] = {}
        if wanted and (self.path / "frames").is_dir():
            with os.scandir(self.path / "frames") as entries:
                sizes = {entry.name: entry.stat().st_size for entry in entries}
        # A frame is whole when it has as many bytes as its header promises. All have one size, so one is opened.
        lengths = {step: sizes.get(layout.frame_path(self.path, step).name, 0) for step in wanted}
        whole: dict[int, bool] = {}
        for step, length in lengths.items():
            if length not in whole:
                whole[length] = _is_whole(layout.frame_path(self.path, step), len(self.probe_rows))
        kept = [step for step, length in lengths.items() if whole[length]]
        lost = [step for step in wanted if step not in set(kept)]
        return kept, [f"frames: step {step} is missing or damaged" for step in lost]

    # ---- inside

    def _check(self, step: int) -> None:
        if not 0 <= step < len(self.lines):
            there = f"steps 0 to {len(self.lines) - 1}" if self.lines else "no steps"
            raise RunError(f"The run {self.name!r} has no step {step}: it has {there}.")

    def _table(self, name: str) -> StepTable:
        if name not in self._tables:
            self._tables[name] = StepTable(self.path, name, step_tables(self.config)[name], self.step_count - 1)
        return self._tables[name]

    def _columns(self, name: str, first: int, last: int | None) -> dict[str, np.ndarray]:
        try:
            return self._table(name).columns(first, last)
        except FileNotFoundError:  # the run was closed meanwhile, and its stream packed
            del self._tables[name]
            return self._table(name).columns(first, last)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.state_text})"


class Frames(Mapping[int, "Float32[np.ndarray, 'n D']"]):
    """Step -> embedding; `[step]` maps the file into memory, so only what is looked at is read.

    Frames that were kept in half precision come back as float32.
    """

    def __init__(self, path: Path, steps: list[int]) -> None:
        self._path, self._steps = path, steps

    def __getitem__(self, step: int) -> np.ndarray:
        if step not in self._steps:
            raise KeyError(step)
        kept = np.asarray(np.load(layout.frame_path(self._path, step), mmap_mode="r", allow_pickle=False))
        return kept.astype(np.float32) if kept.dtype == np.float16 else kept

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def _parts_of(name: str) -> tuple[str, str] | None:
    """(part, whole) of a share that is worked out; None for a number that is recorded itself."""
    if name in SHARES:
        return SHARES[name], "eligible"
    if name in TRUTH_SHARES:
        return TRUTH_SHARES[name]
    shadow, _, kind = name.rpartition(".")
    if shadow.startswith("shadows.") and kind in ("false_negative_share", "false_positive_share"):
        return f"{shadow}.{kind.removesuffix('_share')}s", f"{shadow}.mined"
    return None


def _is_whole(path: Path, rows: int) -> bool:
    try:
        return rows > 0 and len(np.load(path, mmap_mode="r", allow_pickle=False)) == rows
    except (OSError, ValueError, EOFError):
        return False


def _load(path: Path) -> np.ndarray | None:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None


def _dig(value: Any, names: list[str]) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _flatten(line: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


__all__ = ["FRAME_SCALARS", "Frames", "Run"]
