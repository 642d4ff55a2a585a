"""The numbers of the vector columns, side by side, and which rows cannot be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tripletscope.embeddings.embedding_set import blocks
from tripletscope.embeddings.table import MISSING, NUMBER, Table, check_opened, is_list, is_text, plain_column
from tripletscope.errors import DataError

# A difference of two such numbers can be squared and summed over thousands of places in 32-bit floats.
LARGEST = 1e17
# Vectors all of whose numbers are smaller have squares below what 32-bit floats keep exactly.
SMALLEST = 1e-18
STRIP = 2048  # rows


def gather(table: Table, names: tuple[str, ...], limit: int | None) -> NDArray[Any]:
    """(N, D) float32 or float16 in C order; NaN where a cell is empty.

    An array that is so already comes back as it is, memory map or not; anything else is copied block by block.

    Raises:
        DataError: naming the row and column of a cell that is no number, of lists that differ in length, or the size
            beyond the limit.
    """
    if not names:
        raise DataError(
            f"{table.path} has no numeric column that could be the vector: name the vector columns, or give numbers."
        )
    widths = [_width(table, name) for name in names]
    whole = table.columns[names[0]]
    if len(names) == 1 and isinstance(whole, np.ndarray) and whole.ndim == 2 and _is_ready(whole):
        return whole
    check_opened(table.path, 4 * table.rows * sum(widths), limit)
    made = np.empty((table.rows, sum(widths)), dtype=np.float32)
    if all(width == 1 for width in widths) and not any(_is_many(table.columns[name]) for name in names):
        columns = [numbers_of(table, name) for name in names]
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, table.rows, STRIP):  # a strip of rows stays in the processor's cache
                for place, column in enumerate(columns):
                    made[start : start + STRIP, place] = column[start : start + STRIP]
        return made
    start = 0
    for name, width in zip(names, widths, strict=True):
        _fill(table, name, made[:, start : start + width])
        start += width
    return made


def _is_many(column: Any) -> bool:
    return isinstance(column, np.ndarray) or is_list(column)


def _is_ready(array: NDArray[Any]) -> bool:
    return array.dtype in (np.float16, np.float32) and array.dtype.isnative and array.flags.c_contiguous


def _width(table: Table, name: str) -> int:
    column = table.columns[name]
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "fiub":
            raise DataError(f"In {table.path}, {name!r} has type {column.dtype}: give real numbers.")
        return int(np.prod(column.shape[1:]))
    if not is_list(column):
        return 1
    lengths = pc.list_value_length(column)
    known = pc.unique(pc.drop_null(lengths)).to_pylist()
    if not known:
        raise DataError(f"In {table.path}, column {name!r} holds no lists: name another vector column.")
    if len(known) > 1:
        each = lengths.to_pylist()
        first = next(place for place, length in enumerate(each) if length is not None)
        odd = next(place for place, length in enumerate(each) if length not in (None, each[first]))
        raise DataError(
            f"In {table.path}, column {name!r} has {each[first]:,} numbers in {table.row(first)} and {each[odd]:,} in "
            f"{table.row(odd)}: all vectors must be of one length."
        )
    if known == [0]:
        raise DataError(f"In {table.path}, column {name!r} holds empty lists: name another vector column.")
    return int(known[0])


def _fill(table: Table, name: str, target: NDArray[np.float32]) -> None:
    column = table.columns[name]
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(column, np.ndarray):
            start = 0
            for block in blocks(column):
                flat = block.reshape(len(block), -1)
                target[start : start + len(block)] = flat
                if column.ndim > 2 and column.dtype == np.uint8:
                    target[start : start + len(block)] /= 255
                start += len(block)
        elif is_list(column):
            _fill_lists(table, name, column, target)
        else:
            target[:, 0] = numbers_of(table, name)


def _fill_lists(table: Table, name: str, column: Any, target: NDArray[np.float32]) -> None:
    width, start = target.shape[1], 0
    for chunk in column.chunks:
        stop = start + len(chunk)
        valid = np.asarray(chunk.is_valid())
        values = plain_column(pa.chunked_array([pc.list_flatten(chunk)])).combine_chunks()
        if pa.types.is_fixed_size_list(chunk.type) and len(values) != width * int(valid.sum()):
            values = plain_column(pa.chunked_array([pc.list_flatten(chunk.filter(chunk.is_valid()))])).combine_chunks()
        if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or len(values) == 0):
            raise DataError(f"In {table.path}, column {name!r} holds lists of {values.type}: give lists of numbers.")
        rows = values.to_numpy(zero_copy_only=False).reshape(-1, width)
        if valid.all():
            target[start:stop] = rows
        else:
            target[start:stop] = np.nan
            target[start:stop][valid] = rows
        start = stop


def numbers_of(table: Table, name: str) -> NDArray[np.floating[Any]]:
    """A column of one number in each row, NaN where it is empty.

    Raises:
        DataError: naming the row of the first cell that is no number.
    """
    column = table.columns[name]
    if isinstance(column, np.ndarray) or is_list(column):
        raise DataError(f"In {table.path}, column {name!r} holds lists of numbers: name a column of single numbers.")
    kind = column.type
    if is_text(column):
        empty = pc.is_in(column, value_set=pa.array(MISSING, type=kind))
        cleared = pc.if_else(empty, pa.scalar(None, type=kind), column)
        fits = pc.match_substring_regex(cleared, f"^(?:{NUMBER})$")
        if not pc.all(pc.fill_null(fits, True)).as_py():
            place = next(at for at, fit in enumerate(fits.to_pylist()) if fit is False)
            raise DataError(
                f"{table.where(name, place)} holds {str(column[place].as_py())[:40]!r}, which is no number: "
                "correct it, or leave the column out of the vector."
            )
        column = pc.cast(pc.utf8_trim_whitespace(cleared), pa.float64())
    elif pa.types.is_boolean(kind):
        column = pc.cast(column, pa.uint8())
    elif pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise DataError(f"In {table.path}, column {name!r} holds {kind} and no numbers: leave it out of the vector.")
    if pa.types.is_integer(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(column, float("nan")).to_numpy())


def unusable(
    table: Table, names: tuple[str, ...], vectors: NDArray[Any]
) -> tuple[dict[int, str], list[int], list[int]]:
    """Places of rows that must be left out with the reason, of zero vectors, and of vectors near zero.

    Left out are NaN, infinite numbers and numbers beyond 1e17, whose distances do not fit into 32-bit floats.
    """
    reasons: dict[int, str] = {}
    zeros: list[int] = []
    tiny: list[int] = []
    start = 0
    half = vectors.dtype == np.float16
    for block in blocks(vectors):
        if half:  # NumPy is slow on halves; their bits tell the same
            bits = np.ascontiguousarray(block).view(np.uint16) & 0x7FFF
            top = bits.max(axis=1)
            bad = np.flatnonzero(top >= 0x7C00)
            zero = np.flatnonzero(top == 0)
            small = zero[:0]
        else:
            with np.errstate(invalid="ignore"):
                top = np.maximum(block.max(axis=1), -block.min(axis=1))  # NaN stays NaN
            bad = np.flatnonzero(~(top <= LARGEST))
            zero = np.flatnonzero(top == 0)
            small = np.flatnonzero((top > 0) & (top < SMALLEST))
        for place in bad:
            reasons[start + int(place)] = _reason(table, names, start + int(place), np.asarray(block[place]))
        zeros += (start + zero).tolist()
        tiny += (start + small).tolist()
        start += len(block)
    return reasons, zeros, tiny


def _reason(table: Table, names: tuple[str, ...], place: int, row: NDArray[Any]) -> str:
    with np.errstate(invalid="ignore"):  # some NaN signal when they are widened
        values = row.astype(np.float64)
    at = int(np.flatnonzero(~(np.abs(values) <= LARGEST))[0])
    scalar = len(names) == len(values)
    shown = f"in column {names[at]!r}" if scalar else f"in place {at} of the vector"
    source = _original(table, names[at] if scalar else names[0], place, at, scalar)
    if np.isnan(values[at]):
        if source is None:
            return f"has an empty cell {shown}" if scalar else "has no vector or an empty place in it"
        return f"holds NaN {shown}"
    if np.isinf(values[at]) and table.narrowed:
        return f"holds a number {shown} that is infinite or beyond 32-bit floats"
    if np.isinf(values[at]) and (source is None or np.isinf(source)):
        return f"holds an infinite number {shown}"
    value = values[at] if source is None or np.isinf(source) else source
    return f"holds {value:g} {shown}, too large for distances in 32-bit floats"


def _original(table: Table, name: str, place: int, at: int, scalar: bool) -> float | None:
    """The number as the file has it, None where it has none or that cannot be told."""
    column = table.columns[name]
    try:
        if isinstance(column, np.ndarray):
            return float(column[place].reshape(-1)[at])
        cell = column[place].as_py()
        if not scalar and cell is not None:
            cell = cell[at]
        return None if cell is None or cell == "" else float(cell)
    except (TypeError, ValueError, IndexError):
        return None
