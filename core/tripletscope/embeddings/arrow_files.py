"""Parquet, Feather and Arrow files: columns with types, lists among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tripletscope.embeddings.table import Table, check_names, check_opened, plain_column, reason_of
from tripletscope.errors import DataError

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12}


def read_parquet(path: Path, limit: int | None) -> Table:
    """The columns of a Parquet file; rows are counted as a spreadsheet would, the first is row 2.

    Raises:
        DataError: for a broken file, one that would not fit, or two columns of one name.
    """
    try:
        with pq.ParquetFile(path) as opened:
            check_opened(path, _parquet_size(opened.metadata), limit)
            batches = _counted(path, opened.iter_batches(batch_size=2**14, use_threads=False), limit)
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
            from pyarrow import feather

            data = feather.read_table(path)
        elif start.startswith(b"ARROW1"):
            opened = pa.ipc.open_file(source)
            batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
            data = pa.Table.from_batches(list(_counted(path, batches, limit)), schema=opened.schema)
        else:
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
        except pa.ArrowException as error:
            raise DataError(f"In {path}, column {name!r} cannot be read ({reason_of(error)}): leave it out.") from error
    if not columns:
        raise DataError(f"{path} has no columns: give the vectors and what is known of each.")
    return Table(path, data.num_rows, columns)


def _counted(path: Path, batches: Iterator[Any], limit: int | None) -> Iterator[Any]:
    size = 0
    for batch in batches:
        batch.validate(full=True)
        size += batch.nbytes
        check_opened(path, size, limit)
        yield batch


def _parquet_size(metadata: Any) -> int:
    """Bytes of all numbers once unpacked; a small file can promise far more than it holds."""
    size = 0
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            size += max(column.total_uncompressed_size, column.num_values * _WIDTHS.get(column.physical_type, 8))
    return size


def _unreadable(path: Path, what: str, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as {what} ({reason_of(error)}): write it again.")
