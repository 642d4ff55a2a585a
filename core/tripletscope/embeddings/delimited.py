"""Tables of text: any separator, decimal comma, byte-order marks, UTF-8, UTF-16 and Latin-1, with or without header."""

from __future__ import annotations

import csv
import gzip
import io
import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from tripletscope.embeddings.mapping import ID_NAMES, IMAGE_NAMES, LABEL_NAMES, SPLIT_NAMES, TEXT_NAMES
from tripletscope.embeddings.table import MISSING, NUMBER, WHOLE, Table, check_names, check_opened, reason_of
from tripletscope.errors import DataError
from tripletscope.readers.checks import listed

SEPARATORS = ("\t", ";", "|", ",", " ")  # tried in this order: a comma may stand in numbers, a space in texts
SAMPLE_BYTES = 2**20
SAMPLE_LINES = 200
# Columns of these names stay text, as they are written; y is as often a position.
KEPT_AS_TEXT = {*ID_NAMES, *IMAGE_NAMES, *LABEL_NAMES, *SPLIT_NAMES, *TEXT_NAMES} - {"y"}
MANY_NUMBERS = 64  # columns of whole numbers; more would be slow to keep as text

_NUMBER = re.compile(NUMBER)
_WHOLE = re.compile(WHOLE)
_COMMA_NUMBER = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")


def read_delimited(
    path: Path,
    limit: int | None,
    *,
    as_text: Iterable[str] = (),
    as_numbers: Iterable[str] = (),
    expected_rows: int | None = None,
) -> Table:
    """The columns of a table of text; numbers that may be labels or ids stay text, as they are written.

    Args:
        path: .csv, .tsv or .txt, perhaps .gz.
        limit: bytes that the content may take once opened.
        as_text: columns to keep as they are written, whatever they look like.
        as_numbers: columns to read as numbers if they can be.
        expected_rows: how many rows a file beside it has; tells whether a single column of words has a header.

    Raises:
        DataError: naming the row that has too many or too few cells, or what else cannot be read.
    """
    content = _opened(path, limit)
    notes = []
    try:
        dialect, data = _read(path, content, set(as_text), set(as_numbers), expected_rows, limit)
    except _NotUtf8:
        text, encoding = _eight_bit(bytes(content.view()))
        notes.append(f"{path.name} is not UTF-8, so it was read as {encoding}: check accents and the like.")
        content = _Content(text.encode(), 0)
        dialect, data = _read(path, content, set(as_text), set(as_numbers), expected_rows, limit)
    if data.num_rows == 0:
        raise DataError(f"{path} has a header and no rows: give one row for each vector.")
    if not dialect.has_header:
        noun = "its column is" if len(dialect.names) == 1 else "its columns are"
        notes.append(f"{path.name} has no header, so {noun} called {listed(map(repr, dialect.names), most=1)}.")
    elif all(_WHOLE.fullmatch(name) for name in dialect.names):
        notes.append(f"The first row of {path.name} ({listed(dialect.names, most=3)}) was read as its header.")
    if dialect.comma:
        notes.append(f"{path.name} writes numbers with a decimal comma.")
    columns = dict(zip(dialect.names, data.columns, strict=True))
    if dialect.comma:
        columns = {name: _pointed(column) for name, column in columns.items()}
    table = Table(path, data.num_rows, columns, 1 + dialect.skipped + dialect.has_header, "", notes, narrowed=True)
    table.numbers = _numbers(content, dialect, table.rows)
    for name in table.columns:
        if name not in as_text and _is_written_list(table.columns[name]):
            table.columns[name] = _lists(table, name)
    return table


class _NotUtf8(Exception):
    """Bytes that are no UTF-8 stand somewhere in the file."""


def _reader(lines: Iterable[str], separator: str, quoted: bool) -> Any:
    return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)


@dataclass(frozen=True)
class _Content:
    """A file's bytes behind its byte-order mark, mapped or in memory."""

    whole: bytes | mmap.mmap
    start: int

    def __len__(self) -> int:
        return len(self.whole) - self.start

    def head(self, count: int) -> bytes:
        return self.whole[self.start : self.start + count]

    def view(self) -> memoryview:
        return memoryview(self.whole)[self.start :]

    def lines(self) -> int:
        """How many line feeds stand before the last line that is not blank."""
        whole = np.frombuffer(self.view(), dtype=np.uint8)
        end = len(whole)
        while end and whole[end - 1] in b" \t\r\n":
            end -= 1
        return sum(int((whole[start : min(end, start + 2**22)] == 10).sum()) for start in range(0, end, 2**22))

    def has(self, what: bytes) -> bool:
        return self.whole.find(what, self.start) >= 0

    def records(self, separator: str, quoted: bool) -> Iterator[list[str]]:
        """Row after row, [] where a line is blank."""
        lines = io.TextIOWrapper(io.BytesIO(self.view()), encoding="utf-8", errors="replace", newline=None)
        yield from _reader(lines, separator, quoted)


@dataclass(frozen=True)
class _Dialect:
    separator: str
    quoted: bool
    names: list[str]
    has_header: bool
    skipped: int  # records before the header, or before the first row where there is none
    lines: int  # physical lines before the first row of data
    sample: list[list[str]]
    comma: bool  # numbers are written 0,5


def _opened(path: Path, limit: int | None) -> _Content:
    """The bytes in UTF-8, mapped into memory where the file has them so."""
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: give one row for each vector.")
    whole: bytes | mmap.mmap
    with path.open("rb") as opened:
        packed = opened.read(2) == b"\x1f\x8b"
        whole = unpacked(path, limit) if packed else mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    start = whole[:4096]
    if start.startswith(b"\xef\xbb\xbf"):
        return _Content(whole, 3)
    even, odd = start[::2].count(0), start[1::2].count(0)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif odd > len(start) // 4 and 8 * even < odd:  # a few letters have a zero on the other side
        encoding = "utf-16-le"
    elif even > len(start) // 4 and 8 * odd < even:
        encoding = "utf-16-be"
    else:
        return _Content(whole, 0)
    try:
        return _Content(bytes(whole).decode(encoding).encode(), 0)
    except UnicodeError as error:
        raise DataError(f"{path} is broken UTF-16 text ({reason_of(error)}): save it again in UTF-8.") from error


def unpacked(path: Path, limit: int | None) -> bytes:
    """The content of a .gz file.

    Raises:
        DataError: as soon as it grows beyond the limit, or where it is broken.
    """
    parts: list[bytes] = []
    size = 0
    try:
        with gzip.open(path) as opened:
            while part := opened.read(2**22):
                size += len(part)
                check_opened(path, size, limit)
                parts.append(part)
    except DataError:
        raise
    except Exception as error:  # gzip and zlib have their own
        raise DataError(f"{path} cannot be unpacked ({reason_of(error)}): pack it again with gzip.") from error
    return b"".join(parts)


def _eight_bit(content: bytes) -> tuple[str, str]:
    try:
        return content.decode("cp1252"), "Windows-1252 (Latin-1)"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "Latin-1"


def _sample(path: Path, content: _Content) -> str:
    """The first megabyte, in whole lines."""
    start = content.head(SAMPLE_BYTES)
    if len(content) > SAMPLE_BYTES:
        start = start[: start.rfind(b"\n") + 1] or start
    if b"\x00" in start:
        raise DataError(f"{path} holds zero bytes and is no table of text: give it the ending of its own format.")
    if not start.strip():
        raise DataError(f"{path} is empty: give one row for each vector.")
    try:
        return start.decode()
    except UnicodeDecodeError as error:
        raise _NotUtf8 from error


def _dialect(path: Path, sample: str, content: _Content, expected_rows: int | None) -> _Dialect:
    quoted = content.has(b'"')
    separator = _separator(sample, quoted)
    quoted = quoted and separator != " "  # word vectors: a quotation mark is a word like any other
    lines, rows = _rows(sample, separator, quoted)
    skipped = 0
    if _is_size(rows):
        lines, rows, skipped = lines[1:], rows[1:], 1
    has_header = _has_header(rows, content, expected_rows)
    if has_header:
        names, line, rows = [cell.strip() for cell in rows[0]], lines[0], rows[1:]
    else:
        # Beside vectors, a file of words alone is called after the file: labels.txt holds labels.
        stem = "column" if expected_rows is None else path.name.split(".")[0]
        names, line = [f"{stem} {place + 1}" for place in range(len(rows[0]))], skipped
        names = [stem] if expected_rows is not None and len(names) == 1 else names
    return _Dialect(separator, quoted, names, has_header, skipped, line, rows, _has_commas(rows, separator))


def _separator(sample: str, quoted: bool) -> str:
    for separator in SEPARATORS:
        _, rows = _rows(sample, separator, quoted and separator != " ", most=50)
        widths = [len(row) for row in (rows[1:] if _is_size(rows) else rows)]
        if widths and set(widths) == {widths[0]} and widths[0] > 1:
            return separator
    # Rows differ in length: the separator of the first line is the likeliest, and the refusal names the odd row.
    first = sample.lstrip().split("\n", 1)[0]
    best = max(SEPARATORS[:4], key=first.count)
    return best if first.count(best) else ","


def _is_size(rows: list[list[str]]) -> bool:
    """Whether the first line is "rows numbers", as the text format of word2vec has it."""
    return (
        len(rows) > 1
        and len(rows[0]) == 2
        and len(rows[1]) > 2
        and all(_WHOLE.fullmatch(cell) for cell in rows[0])
        and int(rows[0][1]) + 1 == len(rows[1])
    )


def _rows(sample: str, separator: str, quoted: bool, most: int = SAMPLE_LINES) -> tuple[list[int], list[list[str]]]:
    """The first rows that are not blank, and how many lines of the file end with each."""
    lines: list[int] = []
    rows: list[list[str]] = []
    if separator == " ":
        sample = re.sub(r"(?m)^ +| +(?=\r?$)", "", re.sub(r" {2,}", " ", sample))
    reader = _reader(io.StringIO(sample, newline=None), separator, quoted)
    try:
        for row in reader:
            if row:
                lines.append(reader.line_num)
                rows.append(row)
            if len(rows) == most:
                break
    except csv.Error:  # a cell beyond 131,072 letters: what came before it must do
        pass
    return lines or [0], rows or [[sample]]


def _has_header(rows: list[list[str]], content: _Content, expected_rows: int | None) -> bool:
    first = [cell.strip() for cell in rows[0]]
    numbers = [cell for cell in first if _NUMBER.fullmatch(cell.replace(",", "."))]
    whole = sorted(int(cell) for cell in numbers if _WHOLE.fullmatch(cell))  # names may stand in any order
    if len(whole) < len(numbers):
        return False
    if len(whole) == len(first):
        return len(first) > 1 and whole in (list(range(len(whole))), list(range(1, len(whole) + 1)))
    if len(first) == 1:
        if expected_rows is None:
            return len(rows) > 1
        if first[0].lower() in KEPT_AS_TEXT and rows[0] not in rows[1:]:
            return True  # else one label too few, below a header, would be as many rows as there are vectors
        return sum(1 for row in content.records("\0", False) if row) != expected_rows
    if len(whole) == 1:
        return whole[0] in (0, 1)
    return whole == list(range(whole[0], whole[0] + len(whole))) if whole else True


def _has_commas(rows: list[list[str]], separator: str) -> bool:
    if separator == ",":
        return False
    cells = [cell.strip() for row in rows for cell in row]
    commas = sum(bool(_COMMA_NUMBER.fullmatch(cell)) for cell in cells)
    return commas > sum("." in cell and bool(_NUMBER.fullmatch(cell)) for cell in cells)


def _types(dialect: _Dialect, as_text: set[str], as_numbers: set[str]) -> dict[str, Any]:
    """What each column is read as: 32-bit floats where the sample shows features, else text as it is written."""
    types: dict[str, Any] = {}
    undecided = []
    for place, name in enumerate(dialect.names):
        cells = [row[place].strip() for row in dialect.sample if place < len(row)]
        if dialect.comma:
            cells = [cell.replace(",", ".") for cell in cells]
        cells = [cell for cell in cells if cell not in MISSING]
        number = bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
        types[name] = pa.string()
        if not number or name in as_text or (name.lower() in KEPT_AS_TEXT and name not in as_numbers):
            continue
        if name not in as_numbers and all(_WHOLE.fullmatch(cell) for cell in cells):
            undecided.append(name)
        else:
            types[name] = pa.float32()
    if len(undecided) > MANY_NUMBERS:
        # Pixels, say. The first of them may be the label; it is kept as it is written.
        types.update(dict.fromkeys(undecided[1:], pa.float32()))
    return types


def _read(
    path: Path,
    content: _Content,
    as_text: set[str],
    as_numbers: set[str],
    expected_rows: int | None,
    limit: int | None,
) -> tuple[_Dialect, Any]:
    """The table; a column that turns out to hold something else than numbers is read as text."""
    sample = _sample(path, content)
    dialect = _dialect(path, sample, content, expected_rows)
    if dialect.separator == " " and (content.has(b"  ") or content.has(b" \n") or content.has(b" \r")):
        squeezed = re.sub(rb"(?m)^ +| +(?=\r?$)", b"", re.sub(rb" {2,}", b" ", content.view()))
        content = _Content(squeezed, 0)
        dialect = _dialect(path, _sample(path, content), content, expected_rows)
    check_names(path, dialect.names)
    types = _types(dialect, as_text, as_numbers)
    floats = sum(kind == pa.float32() for kind in types.values())
    lines = content.head(SAMPLE_BYTES).count(b"\n") * len(content) / min(len(content), SAMPLE_BYTES)
    check_opened(path, int(lines * 4 * floats + len(content) * (1 - floats / len(types))), limit)
    while True:
        try:
            return dialect, _arrow(content, dialect, types)
        except pa.ArrowInvalid as error:
            found = re.search(r"In CSV column #([0-9]+)", str(error))
            name = dialect.names[int(found[1])] if found else ""
            if found and types[name] != pa.string():
                types[name] = pa.string()
            elif "UTF8" in str(error):
                raise _NotUtf8 from error
            else:
                raise _refusal(path, content, dialect, error) from error
        except pa.ArrowException as error:
            raise _refusal(path, content, dialect, error) from error


def _arrow(content: _Content, dialect: _Dialect, types: dict[str, Any]) -> Any:
    block = 2**21
    longest = max(2**20, content.head(2**24).find(b"\n"))
    while block < 2 * longest:  # a block must hold the longest row
        block *= 2
    return pacsv.read_csv(
        pa.BufferReader(pa.py_buffer(content.view())),
        read_options=pacsv.ReadOptions(column_names=dialect.names, skip_rows=dialect.lines, block_size=block),
        parse_options=pacsv.ParseOptions(
            delimiter=dialect.separator,
            quote_char='"' if dialect.quoted else False,
            newlines_in_values=dialect.quoted,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=types,
            null_values=list(MISSING),
            strings_can_be_null=False,
            decimal_point="," if dialect.comma else ".",
        ),
    )


def _refusal(path: Path, content: _Content, dialect: _Dialect, error: Exception) -> DataError:
    wanted = len(dialect.names)
    try:
        for number, row in enumerate(content.records(dialect.separator, dialect.quoted), 1):
            if row and len(row) != wanted and number > dialect.skipped:
                noun = "1 cell" if len(row) == 1 else f"{len(row):,} cells"
                return DataError(
                    f"In {path}, row {number} has {noun} where the others have {wanted:,}: repair that row, or quote "
                    "cells that hold the separator."
                )
    except csv.Error:
        pass
    return DataError(
        f"{path} cannot be read as a table ({reason_of(error)}): save it again as CSV in UTF-8, or as Parquet."
    )


def _pointed(column: Any) -> Any:
    """A text column whose cells are numbers with a decimal comma, with points."""
    if column.type != pa.string():
        return column
    cells = pc.unique(column)
    fits = pc.match_substring_regex(cells, r"^[+-]?[0-9]*(,[0-9]+)?([eE][+-]?[0-9]+)?$")
    return pc.replace_substring(column, ",", ".") if pc.all(fits).as_py() else column


def _is_written_list(column: Any) -> bool:
    """Whether texts are lists of numbers, as pandas and NumPy write them: [0.1, 0.2] or [0.1 0.2]."""
    if column.type != pa.string():
        return False
    some = [cell for cell in column.slice(0, 20).to_pylist() if cell]
    return bool(some) and all(cell.strip()[:1] == "[" and _places(cell) is not None for cell in some)


def _places(cell: str) -> list[float] | None:
    """The numbers in a written list, or None where it is none."""
    inner = cell.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        return None
    try:
        found = [float(one) for one in inner[1:-1].replace(",", " ").split()]
    except ValueError:
        return None
    return found or None


def _lists(table: Table, name: str) -> Any:
    rows: list[list[float] | None] = []
    for place, cell in enumerate(table.columns[name].to_pylist()):
        found = _places(cell) if cell else None
        if cell and found is None:
            raise DataError(
                f"{table.where(name, place)} holds {cell[:40]!r}, which is no list of numbers: correct it, or remove "
                "that row."
            )
        rows.append(found)
    return pa.chunked_array([pa.array(rows, type=pa.list_(pa.float64()))])


def _numbers(content: _Content, dialect: _Dialect, rows: int) -> NDArray[np.int64] | None:
    """The file's number of each row where blank lines stand between them, else None."""
    if content.lines() == dialect.lines + rows - 1:
        return None
    try:
        records = content.records(dialect.separator, dialect.quoted)
        numbers = [number for number, row in enumerate(records, 1) if row][-rows:]
    except csv.Error:
        return None
    return np.array(numbers, dtype=np.int64) if len(numbers) == rows else None
