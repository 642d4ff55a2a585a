"""A table that grows by one record batch per step: written as an Arrow IPC stream, packed into Parquet at the end.

A stream is its schema message followed by one message per step, each handed to the system in a single write: what
was written survives the death of the process, and a torn last message is recognised and left out. The schema's
metadata says which step the first message belongs to, so that a step without rows still counts as recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tripletscope.schema import SECOND_NEGATIVE
from tripletscope.store import layout
from tripletscope.store.append import AppendFile
from tripletscope.store.arrow_message import MessageWriter

_FIRST = b"first_step"
_LAST = b"last_step"
_ROWS_PER_GROUP = 131_072

#: What Arrow raises on a torn or foreign file.
UNREADABLE = (OSError, EOFError, ValueError, pa.ArrowException)


class StreamWriter(AppendFile):
    """Appends record batches to an Arrow IPC stream; a batch is there whole or not at all.

    Args:
        path: the stream; made if it is missing, else appended to (cut it first, see `cut`).
        schema: of every batch.
        first_step: the step of the first batch of a new stream.
    """

    def __init__(self, path: Path, schema: pa.Schema, first_step: int = 0) -> None:
        new = not path.exists()
        super().__init__(path)
        self._schema = schema
        if new:
            head = schema.with_metadata({**(schema.metadata or {}), _FIRST: str(first_step).encode()})
            try:
                self.write(head.serialize())
            except OSError:
                self.close()
                raise

    def append(self, columns: list[pa.Array]) -> None:
        """Nothing; one more record batch of these columns is in the stream."""
        self.write(pa.RecordBatch.from_arrays(columns, schema=self._schema).serialize())


class StepTableWriter(StreamWriter):
    """A stream of numbers, a record batch per step, written without detours as long as there are no nulls.

    Args:
        path: see `StreamWriter`.
        schema: of numbers and truth values. A column of second negatives is null where it is below 0.
        first_step: the step of the first batch of a new stream.
    """

    def __init__(self, path: Path, schema: pa.Schema, first_step: int) -> None:
        super().__init__(path, schema, first_step)
        self._messages = None if SECOND_NEGATIVE in schema.names else MessageWriter(schema)

    def append_step(self, columns: list[np.ndarray]) -> None:
        """Nothing; the rows of the next step are in the stream."""
        if self._messages is not None:
            self.write(self._messages.message(columns))
            return
        masks = [column < 0 if name == SECOND_NEGATIVE else None for name, column in self._named(columns)]
        self.append([pa.array(column, mask=mask) for column, mask in zip(columns, masks, strict=True)])

    def _named(self, columns: list[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        return zip(self._schema.names, columns, strict=True)


class Stream:
    """The whole record batches of an Arrow IPC stream, found by walking over its messages once.

    Args:
        path: the stream, possibly still being written, possibly torn.

    Raises:
        OSError, EOFError, ValueError, pyarrow.ArrowException: (`UNREADABLE`) when not even the schema is whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends: list[int] = []
        self.torn = False
        with pa.OSFile(str(path), "rb") as file:
            self.schema = pa.ipc.read_schema(file)
            self.first_step = int((self.schema.metadata or {}).get(_FIRST, b"0"))
            self._start = file.tell()
            size = file.size()
            while file.tell() < size:
                try:
                    pa.ipc.read_message(file)
                except UNREADABLE:
                    self.torn = True
                    break
                self._ends.append(file.tell())

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def last_step(self) -> int:
        """The step of the last whole batch; `first_step` - 1 when there is none."""
        return self.first_step + len(self) - 1

    def end_of(self, step: int) -> int:
        """The size in bytes of the stream up to and with `step`."""
        kept = step - self.first_step + 1
        return self._start if kept <= 0 else self._ends[min(kept, len(self)) - 1]

    def batches(self, first: int, last: int) -> Iterator[pa.RecordBatch]:
        """The record batches of the steps from `first` to `last`, both included, as far as they are here."""
        begin, stop = max(first - self.first_step, 0), min(last - self.first_step + 1, len(self))
        if begin >= stop:
            return
        with pa.OSFile(str(self.path), "rb") as file:
            file.seek(self._ends[begin - 1] if begin else self._start)
            for _ in range(begin, stop):
                yield pa.ipc.read_record_batch(pa.ipc.read_message(file), self.schema)


class StepTable:
    """Rows of a step table, from its Parquet file, its stream, or both; each step once.

    A close that was interrupted leaves both; the stream counts only for steps after the Parquet file's last.

    Args:
        run: folder of the run.
        name: "picks", "batches" or "plane".
        schema: its columns.
        last_step: the last committed step; rows after it are as good as unwritten.
    """

    def __init__(self, run: Path, name: str, schema: pa.Schema, last_step: int) -> None:
        import pyarrow.parquet as pq

        self.name, self.schema, self.last_step = name, schema, last_step
        self.notes: list[str] = []
        self._packed: pq.ParquetFile | None = None
        self.stream: Stream | None = None
        self.packed_last = -1
        self.packed_damaged = False
        path, part = layout.packed_path(run, name), layout.part_path(run, name)
        # The writer may pack and remove the stream between our two looks; then the Parquet file is there.
        for _ in range(2):
            if path.exists():
                try:
                    self._packed = pq.ParquetFile(path)
                    self.packed_last = int(self._packed.schema_arrow.metadata[_LAST])
                except (*UNREADABLE, KeyError, TypeError) as problem:
                    self._packed, self.packed_last, self.packed_damaged = None, -1, True
                    self.notes.append(f"{name}: {path.name} is damaged ({_first_line(problem)})")
            try:
                self.stream = Stream(part)
            except FileNotFoundError:
                if self._packed is None and path.exists() and not self.notes:
                    continue
            except UNREADABLE as problem:
                self.notes.append(f"{name}: {part.name} is damaged ({_first_line(problem)})")
            break
        if self.whole_to < last_step:
            self.notes.append(f"{name}: steps {self.whole_to + 1} to {last_step} are missing")

    @property
    def whole_to(self) -> int:
        """The last step up to which nothing is missing; -1 when the first step is."""
        if self.stream is not None and self.stream.first_step <= self.packed_last + 1:
            return max(self.packed_last, self.stream.last_step)
        return self.packed_last

    def batches(self, first: int = 0, last: int | None = None, *, whole: bool = True) -> Iterator[pa.Table]:
        """Rows of the steps from `first` to `last`, both included, in pieces, in the order they were recorded.

        Args:
            first: step.
            last: step; None: the last committed one.
            whole: damage inside the Parquet file is an error, for whoever copies the table. If not, what cannot be
                read is left out and noted.
        """
        last = self.last_step if last is None else min(last, self.last_step)
        if self._packed is not None:
            for group in range(self._packed.num_row_groups):
                steps = self._packed.metadata.row_group(group).column(0).statistics
                if steps is None or (steps.min <= last and steps.max >= first):
                    try:
                        table = self._fitted(self._packed.read_row_group(group))
                    except UNREADABLE as problem:
                        if whole:
                            raise
                        where = f"steps {steps.min} to {steps.max} are" if steps is not None else "some steps are"
                        note = f"{self.name}: {where} damaged ({_first_line(problem)})"
                        self.notes += [note] if note not in self.notes else []
                        continue
                    yield self._cut(table, first, last)
        if self.stream is not None:
            for batch in self.stream.batches(max(first, self.packed_last + 1), last):
                yield self._fitted(pa.Table.from_batches([batch]))

    def columns(self, first: int = 0, last: int | None = None) -> dict[str, np.ndarray]:
        """Column name -> array, of the steps from `first` to `last`, both included, as far as they can be read."""
        pieces = list(self.batches(first, last, whole=False))
        table = pa.concat_tables(pieces) if pieces else self.schema.empty_table()
        return {name: as_numpy(table.column(name)) for name in table.column_names}

    def _fitted(self, table: pa.Table) -> pa.Table:
        """The columns that we know; a later version may have added some."""
        return table.select(self.schema.names).cast(self.schema)

    def _cut(self, table: pa.Table, first: int, last: int) -> pa.Table:
        """The rows of those steps; they lie in step order, so they are one slice."""
        steps = as_numpy(table.column("step"))
        begin, stop = np.searchsorted(steps, [first, last + 1])
        return table.slice(int(begin), int(stop - begin))


def pack(run: Path, name: str, schema: pa.Schema, last_step: int) -> None:
    """Nothing; the stream of a step table has become its Parquet file, with the steps up to `last_step`.

    Temporary file, rename, then the stream is removed: interrupted anywhere, every row is still there, and
    `StepTable` counts it once. A damaged table is left as it is.
    """
    table = StepTable(run, name, schema, last_step)
    if not table.notes:
        if table.packed_last < last_step:
            _write_packed(run, name, schema, last_step)
        layout.part_path(run, name).unlink(missing_ok=True)


def cut_table(run: Path, name: str, schema: pa.Schema, last_step: int) -> None:
    """Nothing; the table ends with `last_step`, and its stream, if it has one, can be appended to."""
    part, packed = layout.part_path(run, name), layout.packed_path(run, name)
    table = StepTable(run, name, schema, last_step)
    if table.packed_damaged:
        packed.unlink()
    if table.packed_last > last_step:
        _write_packed(run, name, schema, last_step)
    if table.packed_last >= last_step or table.stream is None:
        part.unlink(missing_ok=True)
    else:
        os.truncate(part, table.stream.end_of(last_step))


def _write_packed(run: Path, name: str, schema: pa.Schema, last_step: int) -> None:
    import pyarrow.parquet as pq

    path = layout.packed_path(run, name)
    temporary = path.with_name(path.name + ".tmp")
    stamped = schema.with_metadata({_LAST: str(last_step).encode()})
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    options = {"compression": "zstd", "compression_level": 9, "use_dictionary": False}
    options["column_encoding"] = dict.fromkeys(floats, "BYTE_STREAM_SPLIT")
    with open(temporary, "wb") as file:
        with pq.ParquetWriter(file, stamped, **options) as writer:
            for group in _groups(StepTable(run, name, schema, last_step).batches()):
                writer.write_table(group.replace_schema_metadata(stamped.metadata))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _groups(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about `_ROWS_PER_GROUP` rows, so that a reader need not read all for one step."""
    waiting: list[pa.Table] = []
    rows = 0
    for piece in pieces:
        waiting.append(piece)
        rows += len(piece)
        if rows >= _ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def as_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """The column as one array of its own type; a null, which only second negatives have, is -1.

    By DLPack: Arrow's own `to_numpy` imports pandas, which the app's first page does without.
    """
    if column.null_count:
        column = column.fill_null(-1)
    if pa.types.is_boolean(column.type):  # bits in Arrow, bytes in NumPy
        return as_numpy(column.cast(pa.uint8())).astype(bool)
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks if len(chunk)]
    return np.concatenate(chunks) if chunks else np.empty(0, column.type.to_pandas_dtype())


def _first_line(problem: BaseException) -> str:
    return str(problem).strip().split("\n")[0] or type(problem).__name__
