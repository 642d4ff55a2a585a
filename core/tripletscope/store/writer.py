"""The writing side of a run folder. A step is whole or absent, and nothing that was recorded is ever overwritten.

Order within a step: new samples, batch, picks, plane, frame, and last the line in scalars.jsonl, which commits it.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int32

from tripletscope.errors import RunError, SettingError
from tripletscope.samples import Samples
from tripletscope.schema import FORMAT_VERSION, STEP_TABLES, step_tables
from tripletscope.store import layout
from tripletscope.store.append import AppendFile
from tripletscope.store.sample_table import SampleTable
from tripletscope.store.scalars import read_scalars
from tripletscope.store.status import read_status, true_state, write_status
from tripletscope.store.step_table import StepTable, StepTableWriter, cut_table, pack

_HEARTBEAT = 1.0  # seconds
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class RunWriter:
    """Writes one run; made by `create` or `resume`.

    Attributes:
        path: the folder.
        config: content of config.json.
        samples: who the samples are; `rows` looks ids up.
        committed: the last step whose line is in scalars.jsonl, -1 before the first.
        lines: the committed lines of a resumed run (without a closing one); empty in a new run.
    """

    def __init__(
        self, path: Path, config: dict[str, Any], samples: SampleTable, lines: list[dict[str, Any]], file: AppendFile
    ) -> None:
        self.path, self.config, self.samples, self.lines = path, config, samples, lines
        self.committed = int(lines[-1]["step"]) if lines else -1
        self._lines = file
        self._closing_starts: int | None = None  # where the closing line of a resumed run begins
        self.open = True
        self._tables: dict[str, StepTableWriter] = {}
        with ExitStack() as opened:
            for name, schema in step_tables(config).items():
                self._tables[name] = StepTableWriter(layout.part_path(path, name), schema, self.committed + 1)
                opened.callback(self._tables[name].close)
            self.heartbeat()
            opened.pop_all()

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], samples: Samples | None) -> RunWriter:
        """A writer of a new run.

        Raises:
            RunError: the folder exists.
        """
        config = {"format": FORMAT_VERSION, **config}
        if samples is not None:
            config["class_names"] = list(samples.class_names)
        content = _as_json(config)  # before anything is on disk
        try:
            path.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            raise RunError(
                f"{str(path)!r} exists already and is left as it is: choose another folder, or resume the run in it."
            ) from None
        except OSError as problem:
            raise RunError(f"The run folder {str(path)!r} cannot be made: {problem.strerror or problem}.") from None
        with _told(path, "The beginning of a run"), ExitStack() as opened:
            table = SampleTable(path)
            opened.callback(table.close)
            if samples is not None:
                table.start(samples)
            for folder in (*STEP_TABLES, "frames"):
                (path / folder).mkdir()
            layout.replace(path / layout.CONFIG, content, sync=True)
            file = _open_alone(path)
            opened.callback(file.close)
            made = cls(path, config, table, [], file)
            opened.pop_all()  # it is the writer's to close them now
            return made

    @classmethod
    def resume(cls, path: Path, config: dict[str, Any]) -> RunWriter:
        """A writer that goes on after the last whole step of an existing run.

        What was written of later steps and leftovers of an interrupted close are removed first. A closing frame stays
        until something new is recorded.

        Args:
            path: folder of the run.
            config: what has changed in config.json, such as a larger number of steps.

        Raises:
            RunError: no run there, somebody is writing it, or a file is so damaged that recorded steps would be lost.
        """
        config = {**layout.read_config(path), **config}
        file = _open_alone(path)
        try:
            scalars = read_scalars(path)
            lines = [line for line in scalars.lines if not line.get("closing")]
            whole = min(
                [
                    len(lines) - 1,
                    *(_whole_to(path, name, schema, len(lines) - 1) for name, schema in step_tables(config).items()),
                ]
            )
            closed = len(scalars.lines) > len(lines) == whole + 1
            _cut(path, config, whole, [0, *scalars.ends][len(scalars.lines) if closed else whole + 1], closed)
            table = SampleTable(path)
            table.reopen(config.get("class_names"))
            try:
                _require_samples(path, whole, table.count)
            except RunError:
                table.close()
                raise
            layout.replace(path / layout.CONFIG, _as_json(config), sync=True)
            writer = cls(path, config, table, lines[: whole + 1], file)
            writer._closing_starts = scalars.ends[whole] if closed and whole >= 0 else None
            return writer
        except BaseException:
            file.close()
            raise

    def write_step(
        self,
        step: int,
        *,
        batches: list[np.ndarray],
        picks: list[np.ndarray],
        plane: list[np.ndarray],
        scalars: dict[str, Any],
        frame: Float32[np.ndarray, "N D"] | None = None,
        batch_embeddings: Float32[np.ndarray, "B D"] | None = None,
        centres: Float32[np.ndarray, "C D"] | None = None,
    ) -> None:
        """Nothing; the step is committed, or, if this raises, absent.

        Args:
            step: the one after `committed`.
            batches: columns of `schema.BATCHES`.
            picks: columns of `schema.PICKS`.
            plane: columns of `schema.PLANE`.
            scalars: the line, with "step".
            frame: embedding of the probe set, on frame steps.
            batch_embeddings: embedding of the batch, on frame steps.
            centres: of the classes, on frame steps of a run that learns them.

        Raises:
            RunError: the disk is full or the folder is gone; what was recorded before stays whole.
        """
        self._drop_closing()
        files = [self._lines, *self._tables.values()]
        sizes = [file.size for file in files]
        try:
            for name, columns in (("batches", batches), ("picks", picks), ("plane", plane)):
                self._tables[name].append_step(columns)
            if batch_embeddings is not None:
                _save(layout.batch_embeddings_path(self.path, step), batch_embeddings)
            if centres is not None:
                _save(layout.centres_path(self.path, step), centres)
            if frame is not None:
                _save(layout.frame_path(self.path, step), frame)
            self._append_line(scalars)
        except BaseException as problem:
            for file, size in zip(files, sizes, strict=True):  # the line first: it commits the rest
                file.cut_to(size)
            if isinstance(problem, OSError):
                raise _no_room(self.path, f"Step {step}", problem) from problem
            raise
        self.committed = step
        if time.monotonic() - self._beat > _HEARTBEAT:
            self.heartbeat()

    def write_closing(
        self,
        step: int,
        scalars: dict[str, Any],
        frame: Float32[np.ndarray, "N D"],
        centres: Float32[np.ndarray, "C D"] | None = None,
    ) -> None:
        """Nothing; the embedding after the last update is recorded as a frame of its own."""
        with _told(self.path, "The closing frame"):
            self._drop_closing()
            if centres is not None:
                _save(layout.centres_path(self.path, step), centres)
            _save(layout.frame_path(self.path, step), frame)
            self._append_line(scalars)

    def _drop_closing(self) -> None:
        """Nothing; the frame that closed the run before it was resumed is gone: the run goes on."""
        if self._closing_starts is not None:
            self._lines.cut_to(self._closing_starts)
            self._closing_starts = None
            for path in (layout.frame_path, layout.centres_path):
                path(self.path, self.committed + 1).unlink(missing_ok=True)

    def write_frame_rows(self, rows: Int32[np.ndarray, "N"]) -> None:
        """Nothing; frames/rows.npy says which samples the frames show."""
        _save(self.path / layout.FRAME_ROWS, rows)

    def read_frame_rows(self) -> Int32[np.ndarray, "N"] | None:
        """The rows of the frames so far; None before the first frame."""
        path = self.path / layout.FRAME_ROWS
        return np.load(path) if path.exists() else None

    def read_frame_dim(self) -> int | None:
        """The dimension of the frames so far; None before the first frame."""
        first = next(iter(sorted((self.path / layout.FRAME_ROWS).parent.glob("step-*.npy"))), None)
        return None if first is None else int(np.load(first, mmap_mode="r").shape[1])

    def _append_line(self, scalars: dict[str, Any]) -> None:
        self._lines.write((_ENCODER.encode(scalars) + "\n").encode())

    def heartbeat(self, message: str | None = None) -> None:
        """Nothing; status.json says that the run is alive, and perhaps what it is doing."""
        self._beat = time.monotonic()
        with _told(self.path, layout.STATUS):
            write_status(self.path, "running", self.committed, message)

    def write_checkpoint(self, step: int, content: bytes) -> None:
        """Nothing; the checkpoint after `step` updates is kept, with the first one and the one before it."""
        path = layout.checkpoint_path(self.path, step)
        with _told(self.path, f"The checkpoint of step {step}"):
            path.parent.mkdir(exist_ok=True)
            layout.replace(path, content, sync=True)
        for old in self.checkpoints()[1:-2]:
            layout.checkpoint_path(self.path, old).unlink(missing_ok=True)

    def checkpoints(self) -> list[int]:
        """Steps of the checkpoints on disk, ascending."""
        found = (layout.step_of(path) for path in (self.path / "checkpoints").glob("step-*.pt"))
        return sorted(step for step in found if step is not None)

    def read_checkpoint(self, step: int) -> bytes:
        """The content of the checkpoint after `step` updates."""
        return layout.checkpoint_path(self.path, step).read_bytes()

    def close(self, state: str, message: str | None = None) -> None:
        """Nothing; everything is on the disk, the streams are packed into Parquet, status.json tells the end.

        Args:
            state: "finished", "stopped" or "failed".
            message: one sentence for people, on failure.
        """
        if not self.open:
            return
        self.open = False
        with _told(self.path, "The end of the run"):
            try:
                self.samples.close()
                for table in self._tables.values():
                    table.close()
                self._lines.sync()
                write_status(self.path, state, self.committed, message, sync=True)
                for name, schema in step_tables(self.config).items():
                    pack(self.path, name, schema, self.committed)
            finally:
                self._lines.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close("finished" if kind is None else "failed", None if problem is None else str(problem))


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """A disk that takes no more is a sentence."""
    try:
        yield
    except OSError as problem:
        raise _no_room(path, what, problem) from problem


def _no_room(path: Path, what: str, problem: OSError) -> RunError:
    return RunError(
        f"{what} cannot be written to {str(path)!r} ({problem.strerror or problem}); the steps before it are whole: "
        "make room and resume the run."
    )


def _as_json(config: dict[str, Any]) -> bytes:
    try:
        return (json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as problem:
        raise SettingError(
            f"The config cannot be written as JSON ({problem}): give texts, finite numbers, lists and dicts."
        ) from None


def _save(path: Path, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    layout.replace(path, content.getvalue())


def _busy(path: Path) -> RunError:
    return RunError(f"Another recorder is writing to {str(path)!r}: wait until it ends, or choose another folder.")


def _open_alone(path: Path) -> AppendFile:
    """scalars.jsonl, opened to append, with a lock that the system lifts when this process ends in any way."""
    file = AppendFile(path / layout.SCALARS)
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows: the heartbeat has to do
        if true_state(read_status(path)) == "running":
            file.close()
            raise _busy(path) from None
    except OSError:
        file.close()
        raise _busy(path) from None
    return file


def _whole_to(path: Path, name: str, schema: pa.Schema, last_step: int) -> int:
    """The last step up to which this table has all steps."""
    (path / name).mkdir(exist_ok=True)
    table = StepTable(path, name, schema, last_step)
    if table.whole_to < 0 <= last_step:
        raise RunError(
            f"The {name} of the run {str(path)!r} are missing or damaged, so it cannot go on without losing what was "
            "recorded: restore them from a copy, or record a new run."
        )
    return table.whole_to


def _require_samples(path: Path, whole: int, count: int) -> None:
    """Raises a RunError when batches name samples that are not in samples/: new ones would get their rows."""
    rows = StepTable(path, "batches", STEP_TABLES["batches"], whole).columns()["row"]
    if len(rows) and rows.max() >= count:
        raise RunError(
            f"{layout.SAMPLES} of the run {str(path)!r} is damaged, so it cannot go on: restore it from a copy, or "
            "record a new run."
        )


def _cut(path: Path, config: dict[str, Any], whole: int, scalars_end: int, closed: bool) -> None:
    """Nothing; the run's files hold the steps up to `whole`, perhaps a closing frame, and nothing else.

    Interrupted, it can be done again.
    """
    os.truncate(path / layout.SCALARS, scalars_end)  # first: from now on nothing else is committed
    for leftover in path.rglob("*.tmp"):
        leftover.unlink()
    for name, schema in step_tables(config).items():
        cut_table(path, name, schema, whole)
    for pattern, kept_to in (
        ("frames/step-*", whole + closed),
        ("frames/centres-*", whole + closed),
        ("batches/embeddings-*", whole),
        ("checkpoints/step-*", whole + 1),
    ):
        for file in path.glob(pattern):
            step = layout.step_of(file)
            if step is not None and step > kept_to:
                file.unlink()
