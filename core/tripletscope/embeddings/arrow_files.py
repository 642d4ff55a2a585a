"""Parquet, Feather and Arrow files: columns with types, lists among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tripletscope.embeddings.arrow_promises import promised_by_file, promised_by_stream
from tripletscope.embeddings.parquet_promises import promised_by_parquet
from tripletscope.embeddings.table import Table, check_names, check_opened, plain_column, reason_of
from tripletscope.errors import DataError


def read_parquet(path: Path, limit: int | None) -> Table:
    """The columns of a Parquet file; rows are counted as a spreadsheet would, the first is row 2.

    Raises:
        DataError: for a broken file, one that would not fit, or two columns of one name.
    """
    try:
        if path.stat().st_size:
            check_opened(path, promised_by_parquet(path), limit)
        metadata = pq.read_metadata(path)
        # Texts and bytes come as dictionaries, so that one that is repeated a million times is counted, and refused,
        # before it is written out a million times. Within lists and structs Arrow cannot do that; few rows at once can.
        texts = [one for one in _leaves(metadata) if one.physical_type == "BYTE_ARRAY"]
        flat = [one.path for one in texts if one.max_repetition_level == 0 and "." not in one.path]
        some = 2**14 if len(flat) == len(texts) else 2**8
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=flat) as opened:
            batches = _counted(path, opened.iter_batches(batch_size=some, use_threads=False), limit)
            data = pa.Table.from_batches(list(batches), schema=opened.schema_arrow)
    except DataError:
        raise
    except Exception as error:  # Arrow has a dozen kinds, and OSError for a broken compression
        raise _unreadable(path, "a Parquet file", error) from error
    return _table(path, data)


def read_arrow(path: Path, limit: int | None) -> Table:
    """The columns of an Arrow file, stream or Feather file, mapped into memory where it is not compressed.

    Raises:
        DataError: for a broken file, one that would not fit, or two columns of one name.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: write the table again.")
    try:
        source = pa.memory_map(str(path))
        start = source.read(8)
        source.seek(0)
        if start.startswith(b"FEA1"):
            # Arrow still reads these, but a broken one ends the whole process.
            raise DataError(
                f"{path} is a Feather file of the old version 1, which is not read: write it again as version 2, or as "
                "Parquet."
            )
        if start.startswith(b"ARROW1"):
            check_opened(path, promised_by_file(source), limit)
            opened = pa.ipc.open_file(source)
            batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
            data = pa.Table.from_batches(list(_counted(path, batches, limit)), schema=opened.schema)
        else:
            check_opened(path, promised_by_stream(source), limit)
            stream = pa.ipc.open_stream(source)
            data = pa.Table.from_batches(list(_counted(path, iter(stream), limit)), schema=stream.schema)
        data.validate(full=True)  # offsets of a broken file may point anywhere
    except DataError:
        raise
    except Exception as error:
        raise _unreadable(path, "an Arrow file", error) from error
    return _table(path, data)


def _table(path: Path, data: Any) -> Table:
    names = [str(name) for name in data.column_names]
    check_names(path, names)
    if data.num_rows == 0:
        raise DataError(f"{path} has columns and no rows: give one row for each vector.")
    columns = {}
    for name, column in zip(names, data.columns, strict=True):
        if name.startswith("__index_level_"):
            continue
        try:
            if pa.types.is_struct(column.type) and {field.name for field in column.type} == {"bytes", "path"}:
                column = pa.chunked_array([pc.struct_field(part, "bytes") for part in column.chunks])  # Hugging Face
            columns[name] = plain_column(column)
            _check_times(path, name, columns[name])
        except pa.ArrowException as error:
            raise DataError(f"In {path}, column {name!r} cannot be read ({reason_of(error)}): leave it out.") from error
    if not columns:
        raise DataError(f"{path} has no columns: give the vectors and what is known of each.")
    return Table(path, data.num_rows, columns)


#: Of each unit so many a day.
_A_DAY = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
#: Days since 1970 of the first day of the year 1 and of the last of 9999: Python knows no others.
_FIRST, _LAST = -719_162, 2_932_896
_LONGEST = 999_999_999  # days of a duration


def _check_times(path: Path, name: str, column: Any) -> None:
    """Raises a DataError for a date, time or duration that Python cannot say, which somebody's tool can write."""
    kind = getattr(column, "type", None)
    if kind is None or not (pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_duration(kind)):
        return
    each = 1 if pa.types.is_date32(kind) else _A_DAY["ms"] if pa.types.is_date64(kind) else _A_DAY[kind.unit]
    low, high = (-_LONGEST, _LONGEST) if pa.types.is_duration(kind) else (_FIRST, _LAST)
    whole = column.cast(pa.int32()).cast(pa.int64()) if pa.types.is_date32(kind) else column.cast(pa.int64())
    numbers = pc.fill_null(whole, 0).to_numpy()
    # Floor division by a power of ten keeps every number an int64.
    wrong = np.flatnonzero((numbers // each < low) | (numbers // each > high))
    if len(wrong):
        raise DataError(
            f"In {path}, row {wrong[0] + 2}, column {name!r} holds a time that is outside of the years 1 to 9999: "
            "correct it, or leave the column out."
        )


def _counted(path: Path, batches: Iterator[Any], limit: int | None) -> Iterator[Any]:
    size = 0
    for batch in batches:
        size += batch.num_rows  # a batch without columns, or of empty ones, has rows all the same
        check_opened(path, size, limit)
        batch.validate(full=True)
        size += sum(_size(column) for column in batch.columns)
        check_opened(path, size, limit)
        yield batch


def _size(column: Any) -> int:
    """Bytes of an Arrow array once `plain_column` has written out what it only refers to."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _size(column.storage)
    if pa.types.is_dictionary(kind):
        each = _lengths(column.dictionary)
        codes = pc.drop_null(column.indices).to_numpy(zero_copy_only=False)
        return 8 * len(column) + (int(each[codes].sum()) if len(each) else 0)
    if pa.types.is_run_end_encoded(kind):
        return 8 * len(column) + len(column) * int(_lengths(column.values).max(initial=0))
    if pa.types.is_struct(kind):
        return len(column) + sum(_size(part) for part in column.flatten())
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return 8 * len(column) + int(_lengths(column).sum())
    return int(max(column.nbytes, len(column)))


def _lengths(values: Any) -> NDArray[np.int64]:
    """Bytes of each value of an array."""
    kind = values.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        if not len(values):
            return np.zeros(0, np.int64)
        views = np.frombuffer(values.buffers()[1], np.int32)  # 16 bytes each, of which the first four are the length
        found = views[::4][values.offset : values.offset + len(values)]
        return found.astype(np.int64)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return np.asarray(pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)).astype(np.int64)
    return np.full(len(values), -(-values.nbytes // max(1, len(values))), np.int64)


def _leaves(metadata: Any) -> list[Any]:
    return [metadata.schema.column(place) for place in range(metadata.num_columns)]


def _unreadable(path: Path, what: str, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as {what} ({reason_of(error)}): write it again.")
