"""One JSON object in each line, or one JSON list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tripletscope.embeddings.delimited import unpacked
from tripletscope.embeddings.table import Table, check_opened, reason_of
from tripletscope.errors import DataError

CHUNK = 4096  # rows of lists that become one array


@dataclass
class _Cells:
    """The cells of one column so far; lists of numbers are packed as they come."""

    cells: list[Any] = field(default_factory=list)
    chunks: list[Any] = field(default_factory=list)
    lists: bool = False


def read_json_lines(path: Path, limit: int | None) -> Table:
    """The columns of a .jsonl file; rows are lines, the first is row 1. A key that a line lacks is an empty cell.

    Numbers keep the form they have: 7 and 7.0 are different labels, and 7 and "7" are one.

    Raises:
        DataError: naming the line that is no JSON object, or whose vector is no list of numbers.
    """
    columns: dict[str, _Cells] = {}
    numbers: list[int] = []
    size = 0
    for number, record, length in _records(path, limit):
        size += length
        for key, value in record.items():
            column = columns.get(key)
            if column is None:
                column = columns[key] = _Cells(cells=[None] * (len(numbers) % CHUNK))
                column.chunks = [None] * (len(numbers) // CHUNK)  # chunks of empty cells
            column.cells.append(value)
        numbers.append(number)
        full = len(numbers) % CHUNK == 0
        wanted = CHUNK if full else len(numbers) % CHUNK
        for key, column in columns.items():
            if len(column.cells) < wanted:
                column.cells.append(None)
            if full:
                column.chunks.append(_packed(path, key, column.cells, numbers))
                column.cells = []
        if full:
            check_opened(path, size // 2, limit)
    if not numbers:
        raise DataError(f"{path} is empty: give one JSON object in each line.")
    table = Table(path, len(numbers), {}, first_row=1)
    for key, column in columns.items():
        if column.cells:
            column.chunks.append(_packed(path, key, column.cells, numbers))
        table.columns[key] = _joined(path, key, column.chunks, table)
    if not columns:
        raise DataError(f"{path} has objects without keys: give each a vector and what is known of it.")
    table.numbers = np.array(numbers, dtype=np.int64)
    return table


def _records(path: Path, limit: int | None) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Line number, object and length of each line that is not blank."""
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: give one JSON object in each line.")
    with path.open("rb") as opened:
        start = opened.read(2)
        opened.seek(0)
        lines: Iterator[bytes] = iter(unpacked(path, limit).split(b"\n")) if start == b"\x1f\x8b" else iter(opened)
        for number, line in enumerate(lines, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
                if line.lstrip().startswith(b"["):
                    check_opened(path, path.stat().st_size, limit)
                    rest = b"".join(lines)
                    yield from _from_list(path, line + rest)
                    return
            if not line.strip():
                continue
            record = _parsed(path, f"line {number}", line)
            if not isinstance(record, dict):
                raise DataError(f"In {path}, line {number} is no JSON object: write each row as {{...}} in one line.")
            yield number, record, len(line)


def _from_list(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, Any], int]]:
    found = _parsed(path, "its list", content)
    for number, record in enumerate(found, 1):
        if not isinstance(record, dict):
            raise DataError(f"In {path}, entry {number} of the list is no JSON object: write each row as {{...}}.")
        yield number, record, len(content) // len(found)


def _parsed(path: Path, what: str, line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise DataError(f"In {path}, {what} is not UTF-8 text: save the file again in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"In {path}, {what} is no JSON ({reason_of(error)}): repair or remove it.") from error


def _packed(path: Path, key: str, cells: list[Any], numbers: list[int]) -> Any:
    """One chunk of a column: an Arrow list array where all cells are lists of numbers, else the cells."""
    if not any(isinstance(cell, list) for cell in cells):
        return cells
    first = len(numbers) - len(cells)
    rows: list[list[Any] | None] = []
    for place, cell in enumerate(cells):
        if cell is None:
            rows.append(None)
            continue
        if isinstance(cell, list):
            cell = [float("nan") if one is None else one for one in cell]
        if not isinstance(cell, list) or not all(type(one) in (int, float) for one in cell):
            if place == next(at for at, one in enumerate(cells) if one is not None):
                return cells  # lists of texts, say: not a vector
            raise DataError(
                f"In {path}, row {numbers[first + place]}, {key!r} is no list of numbers as in the rows before: "
                "repair or remove that row."
            )
        rows.append(cell)
    try:
        return pa.array(rows, type=pa.list_(pa.float64()))
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(
            f"In {path}, {key!r} has a number that cannot be read ({reason_of(error)}): repair or remove it."
        ) from error


def _joined(path: Path, key: str, chunks: list[Any], table: Table) -> Any:
    packed = [chunk for chunk in chunks if isinstance(chunk, pa.Array)]
    if packed:
        made = []
        for number, chunk in enumerate(chunks):
            length = len(chunk) if chunk is not None else CHUNK
            if isinstance(chunk, pa.Array):
                made.append(chunk)
            elif chunk is None or all(cell is None for cell in chunk):
                made.append(pa.nulls(length, type=pa.list_(pa.float64())))
            else:
                at = next(place for place, cell in enumerate(chunk) if cell is not None)
                raise DataError(
                    f"In {path}, row {number * CHUNK + at + 1}, {key!r} is no list of numbers as in other rows: "
                    "repair or remove that row."
                )
        return pa.chunked_array(made)
    cells = [cell for chunk in chunks for cell in (chunk if chunk is not None else [None] * CHUNK)]
    filled = [cell for cell in cells if cell is not None]
    kinds = {type(cell) for cell in filled}
    if not filled:
        return pa.chunked_array([pa.nulls(len(cells))])
    if kinds <= {dict, list} or kinds & {dict, list}:
        return pa.chunked_array([pa.nulls(len(cells), type=pa.list_(pa.string()))])
    try:
        if kinds == {bool}:
            return pa.chunked_array([pa.array(cells, type=pa.bool_())])
        if kinds == {int}:
            return pa.chunked_array([pa.array(cells, type=pa.int64())])
        if kinds == {float}:
            return pa.chunked_array([pa.array(cells, type=pa.float64())])
    except (pa.ArrowException, OverflowError):  # a whole number beyond 64 bits stays as it is written
        pass
    if str in kinds and len(kinds) > 1:
        table.notes.append(f"Key {key!r} of {path.name} holds texts and numbers; they are compared as texts.")
    texts = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
    try:
        return pa.chunked_array([pa.array(texts, type=pa.large_string())])
    except (pa.ArrowException, UnicodeError) as error:
        raise DataError(f"In {path}, {key!r} holds text that is no Unicode ({reason_of(error)}): repair it.") from error
