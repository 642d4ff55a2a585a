"""What every format is read into: columns of one length, with a word on how the file counts its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tripletscope.embeddings.mapping import ColumnLook, Kind, TableLook
from tripletscope.errors import DataError
from tripletscope.readers.checks import MAX_OPENED_BYTES

NUMBER = r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*|[+-]?(?i:nan|inf|infinity)"
WHOLE = r"-?[0-9]{1,18}"
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "#N/A")
FEW = 12  # distinct values that a look names
HEAD = 1000  # rows that show whether a column of floats has many values

_PICTURE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
_PICTURE_PATH = re.compile(r"(?i)[^\n]+\.(png|jpe?g|bmp|gif|webp)")


@dataclass
class Table:
    """Columns of a file, all of the same number of rows.

    Args:
        path: the file, as messages call it.
        rows: how many.
        columns: by name, in the file's order: Arrow columns, or NumPy arrays of two or more dimensions.
        first_row: what the file calls its first row of data.
        counting: how messages explain that count ("" where it is a spreadsheet's).
        notes: what reading guessed or left out, one sentence each.
        names: for columns of whole numbers, the texts that those numbers stand for.
        numbers: the file's number of each row, where rows were skipped; else None.
        narrowed: numbers became 32-bit floats while they were read.
        origins: for columns that were joined from another file row by row, that file's table.
    """

    path: Path
    rows: int
    columns: dict[str, Any]
    first_row: int = 2
    counting: str = ""
    notes: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    numbers: NDArray[np.int64] | None = None
    narrowed: bool = False
    origins: dict[str, Table] = field(default_factory=dict)

    def number_of(self, place: int) -> int:
        """What the file calls the row in that place."""
        return int(self.numbers[place]) if self.numbers is not None else place + self.first_row

    def row(self, place: int) -> str:
        """How a message names the row in that place."""
        return f"row {self.number_of(place)}{self.counting}"

    def where(self, column: str, place: int) -> str:
        """How a message names a cell."""
        origin = self.origins.get(column, self)
        return f"In {origin.path}, {origin.row(place)}, column {column!r}"

    def all_numbers(self) -> NDArray[np.int64]:
        """What the file calls each row."""
        if self.numbers is not None:
            return self.numbers
        return np.arange(self.first_row, self.first_row + self.rows, dtype=np.int64)


COUNTED_FROM_0 = " (counted from 0)"


def check_opened(path: Path, size: int, limit: int | None) -> None:
    """Nothing, when `size` bytes may be held in memory.

    Raises:
        DataError: naming the file, its opened size and the way out.
    """
    most = MAX_OPENED_BYTES if limit is None else limit
    if size > most:
        raise DataError(
            f"{path} would fill {shown_size(size)} of memory once opened, and the limit is {shown_size(most)}: "
            "raise the limit, or save the vectors as a float16 or float32 .npy, which is read in place."
        )


def shown_size(size: int) -> str:
    """A number of bytes for people.

    Example:
        >>> shown_size(3 * 2**30), shown_size(2000)
        ('3.0 GB', '2.0 kB')
    """
    for unit, name in ((2**30, "GB"), (2**20, "MB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 1000:,.1f} kB"


def reason_of(error: BaseException) -> str:
    """What another library says of a file, in one line that fits into a sentence."""
    text = " ".join(str(error).split()).rstrip(".:;")
    text = text[:160] + "…" if len(text) > 160 else text
    return text or type(error).__name__


def check_names(path: Path, names: Iterable[str]) -> None:
    """Nothing, when no two columns share a name.

    Raises:
        DataError: naming the column.
    """
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:
            shown = f"called {name!r}" if name else f"without a name (column {place + 1} is one)"
            raise DataError(f"{path} has two columns {shown}: rename one.")
        seen.add(name)


def as_column(values: NDArray[Any]) -> Any:
    """A one-dimensional NumPy array as an Arrow column."""
    if values.dtype.kind == "f" and values.dtype.itemsize == 2:
        values = values.astype(np.float32)
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    if values.dtype.kind == "S":
        return pa.chunked_array([pa.array(values.tolist(), type=pa.binary())])
    if values.dtype.kind == "U":
        return pa.chunked_array([pa.array(values.tolist(), type=pa.large_string())])
    return pa.chunked_array([pa.array(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))))])


def plain_column(column: Any) -> Any:
    """An Arrow column without dictionaries, views and extension types; halves become floats.

    Example:
        >>> import pyarrow as pa
        >>> plain_column(pa.chunked_array([pa.array(["a", "a"]).dictionary_encode()])).type
        DataType(string)
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        parts = [part.storage for part in column.chunks]
        column = pa.chunked_array(parts, type=kind.storage_type)
        kind = column.type
    if pa.types.is_run_end_encoded(kind):
        column = pc.run_end_decode(column)
        kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    return column


def is_text(column: Any) -> bool:
    """Whether an Arrow column holds text."""
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def is_list(column: Any) -> bool:
    """Whether an Arrow column holds lists."""
    kind = column.type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def look_at(table: Table) -> TableLook:
    """A glance at every column; a pass over each, but no copy of vectors."""
    return TableLook(table.rows, tuple(_look(table, name, column) for name, column in table.columns.items()))


def _look(table: Table, name: str, column: Any) -> ColumnLook:
    if isinstance(column, np.ndarray):
        pictures = column.dtype == np.uint8 and (column.ndim == 3 or (column.ndim == 4 and column.shape[3] in (1, 3)))
        width = int(np.prod(column.shape[1:]))
        return ColumnLook(name, "array", len(column), width=width, image="pixels" if pictures else "")
    kind = column.type
    filled = len(column) - column.null_count
    if is_list(column):
        inner = kind.value_type
        if not (pa.types.is_floating(inner) or pa.types.is_integer(inner) or pa.types.is_null(inner)):
            return ColumnLook(name, "nested", filled)
        lengths = pc.unique(pc.drop_null(pc.list_value_length(column))).to_pylist()
        return ColumnLook(name, "list", filled, width=lengths[0] if len(lengths) == 1 else 0)
    if pa.types.is_null(kind) or filled == 0:
        return ColumnLook(name, "empty", 0)
    if pa.types.is_nested(kind):
        return ColumnLook(name, "nested", filled)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        first = next(cell.as_py() for cell in column if cell.is_valid)
        return ColumnLook(name, "bytes", filled, image="picture bytes" if first.startswith(_PICTURE_STARTS) else "")
    if pa.types.is_temporal(kind):
        return ColumnLook(name, "time", filled)
    if pa.types.is_floating(kind):
        return _with_values(name, "float", column, filled)
    if pa.types.is_boolean(kind):
        return _with_values(name, "yes-no", column, filled)
    if pa.types.is_integer(kind):
        bounds = pc.min_max(column).as_py()
        counts = (
            filled == table.rows > 1
            and bounds["min"] in (0, 1)
            and bounds["max"] - bounds["min"] == table.rows - 1
            and bool(pc.all(pc.equal(pc.pairwise_diff(column.combine_chunks(), 1).slice(1), 1)).as_py())
        )
        return _with_values(name, "whole", column, filled, counts=counts)
    if is_text(column):
        return _look_at_text(name, column, table.rows)
    return ColumnLook(name, "nested", filled)


def _with_values(name: str, kind: Kind, column: Any, filled: int, *, counts: bool = False) -> ColumnLook:
    distinct = 0
    if kind == "float":  # hundreds of columns of features need no exact count
        distinct = pc.count_distinct(column.slice(0, HEAD)).as_py()
    if distinct <= HEAD // 2:
        distinct = pc.count_distinct(column).as_py()
    values = pc.unique(column if distinct <= FEW else column.slice(0, FEW)).to_pylist()
    shown = tuple(str(value) for value in values if value is not None)
    return ColumnLook(name, kind, filled, distinct, values=shown, counts=counts)


def _look_at_text(name: str, column: Any, rows: int) -> ColumnLook:
    """A look at a text column; texts that read as numbers are numbers in all but name."""
    cells = pc.unique(pc.filter(column, pc.fill_null(pc.not_equal(column, ""), False)))
    distinct = len(cells)
    filled = int(pc.sum(pc.fill_null(pc.not_equal(column, ""), False)).as_py() or 0)
    if distinct == 0:
        return ColumnLook(name, "empty", 0)
    kind: Kind = "text"
    some = cells.slice(0, 200)
    if _all_match(some, WHOLE) and _all_match(cells, WHOLE):
        kind = "whole"
    elif _all_match(some, NUMBER, missing=True) and _all_match(cells, NUMBER, missing=True):
        kind = "float"
    counts = False
    if kind == "whole" and distinct == rows > 1:
        numbers = pc.cast(column, pa.int64()).to_numpy()
        counts = bool(numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())
    mean = float(pc.mean(pc.utf8_length(cells.slice(0, 10_000))).as_py())
    examples = some.to_pylist()
    image = ""
    if kind == "text":
        if all(value.startswith("data:image/") for value in examples):
            image = "data addresses"
        elif all(_PICTURE_PATH.fullmatch(value.split("?")[0]) for value in examples):
            web = all(value.startswith(("http://", "https://")) for value in examples)
            image = "web addresses" if web else "picture paths"
    spaced = kind == "text" and any(" " in value.strip() for value in examples)
    values = tuple(value[:40] for value in examples[:FEW])
    odd = ""
    if kind == "text" and distinct > 1:
        fits = pc.match_substring_regex(cells, f"^(?:{NUMBER})$")
        if 2 * int(pc.sum(fits).as_py()) > distinct:
            odd = cells[pc.index(fits, False).as_py()].as_py()[:40]
    return ColumnLook(name, kind, filled, distinct, 1, mean, image, values, counts, spaced, odd)


def _all_match(cells: Any, pattern: str, *, missing: bool = False) -> bool:
    if missing:
        cells = pc.filter(cells, pc.invert(pc.is_in(cells, value_set=pa.array(MISSING, type=cells.type))))
        if len(cells) == 0:
            return False
    return bool(pc.all(pc.match_substring_regex(cells, f"^(?:{pattern})$")).as_py())
