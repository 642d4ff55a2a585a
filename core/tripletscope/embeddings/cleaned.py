"""A file of embeddings without some of its rows: every column as it was read, the rows that stay in their order."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.embeddings.table import Table, is_list
from tripletscope.errors import DataError, SettingError

ENDINGS = (".npy", ".npz", ".csv", ".csv.gz", ".tsv", ".parquet", ".arrow", ".feather", ".jsonl")
#: Rows that are written at a time.
_ROWS = 20_000


def ending_of(path: str | Path) -> str | None:
    """The ending that says how a file is written, or None for one that cannot be.

    Example:
        >>> ending_of("a.b.csv.gz"), ending_of("weights.pt")
        ('.csv.gz', None)
    """
    name = Path(path).name.lower()
    return next((one for one in sorted(ENDINGS, key=len, reverse=True) if name.endswith(one) and name != one), None)


def ending_for(source: str | Path, table: Table) -> str:
    """The ending of a cleaned copy: that of the source where it can be written, else one that holds all columns.

    Example:
        >>> ending_for("rows.csv", Table(Path("rows.csv"), 0, {})), ending_for("m.pt", Table(Path("m.pt"), 0, {}))
        ('.csv', '.parquet')
    """
    found = ending_of(source)
    if found == ".npy" and len(table.columns) > 1:
        found = None  # labels came from a second file, and go along
    if found is None:
        return ".npz" if any(isinstance(column, np.ndarray) for column in table.columns.values()) else ".parquet"
    return found


def write_cleaned(
    table: Table, rows: Int[np.ndarray, " M"], out: str | Path, *, vector: Sequence[str] = (), overwrite: bool = False
) -> int:
    r"""How many rows were written: those of the table whose number is among `rows`.

    Args:
        table: as it was read, with the columns of a second file beside its own.
        rows: what the file calls the rows that stay (`EmbeddingSet.rows`), in any order.
        out: .npy (the vectors alone), .npz, .csv, .csv.gz, .tsv, .parquet, .arrow, .feather or .jsonl.
        vector: the columns of the vector; a .npy is written of them, and in a .npz several are one array.
        overwrite: replace an existing file.

    Raises:
        SettingError: a file that exists, or of a kind that cannot be written.
        DataError: no row would be left, or a column that this kind of file cannot hold.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "rest.csv"
        >>> table = Table(Path("all.csv"), 3, {"kind": pa.chunked_array([["a", "b", "c"]])})
        >>> write_cleaned(table, np.array([2, 4]), place), place.read_text()
        (2, 'kind\na\nc\n')
    """
    place = Path(out)
    ending = ending_of(place)
    if ending is None:
        raise SettingError(f"{place.name!r} is of no kind that can be written: let it end in {', '.join(ENDINGS)}.")
    if place.exists() and not overwrite:
        raise SettingError(f"{str(place)!r} exists already: choose another name, or allow overwriting.")
    if not place.parent.is_dir():
        raise SettingError(f"There is no folder {str(place.parent)!r} to write {place.name!r} to: make it first.")
    kept = np.flatnonzero(np.isin(table.all_numbers(), rows))
    if not len(kept):
        raise DataError(f"No row of {table.path.name} would be left: keep some findings in.")
    with _whole(place) as rough:
        if ending == ".npy":
            _write_npy(rough, table, kept, vector)
        elif ending == ".npz":
            _write_npz(rough, table, kept, vector)
        elif ending in (".parquet", ".arrow", ".feather"):
            _write_arrow(rough, table, kept, ending)
        elif ending == ".jsonl":
            _write_lines(rough, table, kept)
        else:
            _write_delimited(rough, table, kept, ending)
    return len(kept)


def clean_rows(given: EmbeddingSet, out: Int[np.ndarray, " E"]) -> Int[np.ndarray, " M"]:
    """What the file calls the rows that stay: those of the set but for the places in `out`.

    Rows of the file that are not in the set, such as those with NaN, do not stay either.
    """
    assert given.rows is not None
    return np.delete(given.rows, out)


@contextmanager
def _whole(place: Path) -> Iterator[Path]:
    rough = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        yield rough
        rough.replace(place)
    except OSError as problem:
        raise SettingError(f"{place} cannot be written ({problem.strerror}): choose another place.") from problem
    finally:
        rough.unlink(missing_ok=True)


def _stacked(table: Table, kept: np.ndarray, vector: Sequence[str]) -> np.ndarray:
    """(M, D) the numbers of several columns, side by side."""
    return np.stack([np.asarray(_array(table, name, kept), dtype=np.float32) for name in vector], axis=1)


def _write_npy(rough: Path, table: Table, kept: np.ndarray, vector: Sequence[str]) -> None:
    if len(vector) > 1:
        with rough.open("wb") as file:
            np.save(file, _stacked(table, kept, vector))
        return
    name = next(iter(vector), next(iter(table.columns)))
    column = table.columns[name]
    if not isinstance(column, np.ndarray):
        raise DataError(f"Column {name!r} is no array, so it fits no .npy: let the name end in .npz or .parquet.")
    made = np.lib.format.open_memmap(rough, "w+", column.dtype, (len(kept), *column.shape[1:]))
    for part in _parts(kept):
        made[part] = column[kept[part]]
    made.flush()


def _write_npz(rough: Path, table: Table, kept: np.ndarray, vector: Sequence[str]) -> None:
    apart = vector if len(vector) > 1 else ()
    arrays: dict[str, Any] = {name: _array(table, name, kept) for name in table.columns if name not in apart}
    if apart:
        arrays = {"embeddings": _stacked(table, kept, vector), **arrays}
    with rough.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _array(table: Table, name: str, kept: np.ndarray) -> np.ndarray:
    column = table.columns[name]
    if isinstance(column, np.ndarray):
        return np.asarray(column[kept])
    if is_list(column) or pa.types.is_nested(column.type):
        raise DataError(f"Column {name!r} holds lists, which fit no .npz: let the name end in .parquet or .jsonl.")
    if name in table.names:  # numbers that stand for names
        listing = table.names[name]
        codes = column.take(kept).to_pylist()
        return np.array(["" if code is None or code < 0 else listing[code] for code in codes], dtype=np.str_)
    taken = column.take(kept)
    if pa.types.is_floating(column.type) or ((_is_number(column)) and not taken.null_count):
        return np.asarray(taken.to_numpy())
    cells = taken.to_pylist()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise DataError(f"Column {name!r} holds bytes, which fit no .npz: let the name end in .parquet.")
    return np.array(["" if cell is None else str(cell) for cell in cells], dtype=np.str_)


def _is_number(column: Any) -> bool:
    return bool(pa.types.is_integer(column.type) or pa.types.is_boolean(column.type))


def _as_arrow(table: Table, name: str, kept: np.ndarray) -> Any:
    """A column as Arrow holds it: arrays of more dimensions as lists of their numbers, coded names as texts."""
    column = table.columns[name]
    if isinstance(column, np.ndarray):
        flat = np.ascontiguousarray(column[kept]).reshape(len(kept), -1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
    if name in table.names:
        return pa.array(_texts(table, name, kept), pa.string())
    return column.take(pa.array(kept))


def _texts(table: Table, name: str, kept: np.ndarray) -> list[str | None]:
    listing = table.names[name]
    codes = table.columns[name].take(pa.array(kept)).to_pylist()
    return [None if code is None or code < 0 else listing[code] for code in codes]


def _write_arrow(rough: Path, table: Table, kept: np.ndarray, ending: str) -> None:
    import pyarrow.parquet as pq

    made = pa.table({name: _as_arrow(table, name, kept) for name in table.columns})
    if ending == ".parquet":
        pq.write_table(made, rough, compression="zstd")
        return
    with pa.OSFile(str(rough), "wb") as sink, pa.ipc.new_file(sink, made.schema) as writer:
        writer.write_table(made)


def _cells(table: Table, name: str, kept: np.ndarray) -> list[Any]:
    column = table.columns[name]
    if isinstance(column, np.ndarray):
        flat = column[kept].reshape(len(kept), -1)
        return [row.tolist() for row in flat]
    cells = _texts(table, name, kept) if name in table.names else column.take(pa.array(kept)).to_pylist()
    if cells and any(isinstance(cell, bytes) for cell in cells):
        raise DataError(f"Column {name!r} holds bytes, which fit no text file: let the name end in .parquet.")
    return cells


def _write_lines(rough: Path, table: Table, kept: np.ndarray) -> None:
    with rough.open("w", encoding="utf-8", newline="") as file:
        for part in _parts(kept):
            columns = [_cells(table, name, kept[part]) for name in table.columns]
            for row in zip(*columns, strict=True):
                told = {name: _plain(cell) for name, cell in zip(table.columns, row, strict=True)}
                file.write(json.dumps(told, ensure_ascii=False) + "\n")


def _plain(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell if cell is None or isinstance(cell, bool | int | float | str | list | dict) else str(cell)


def _write_delimited(rough: Path, table: Table, kept: np.ndarray, ending: str) -> None:
    """One row a line; an array, or a list of fixed width, becomes a block of numbered columns."""
    widths = {name: _width(table, name) for name in table.columns}
    header: list[str] = []
    for name, width in widths.items():
        header += [name] if width is None else [f"{name}_{place}" for place in range(width)]
    with rough.open("wb") as raw:
        target: Any = gzip.GzipFile("", "wb", 9, raw, mtime=0) if ending == ".csv.gz" else raw
        text = io.TextIOWrapper(target, encoding="utf-8", newline="")
        writer = csv.writer(text, delimiter="\t" if ending == ".tsv" else ",", lineterminator="\n")
        writer.writerow(header)
        for part in _parts(kept):
            columns = [_cells(table, name, kept[part]) for name in table.columns]
            for row in zip(*columns, strict=True):
                line: list[Any] = []
                for cell, width in zip(row, widths.values(), strict=True):
                    line += [_word(cell)] if width is None else map(_word, cell if cell is not None else [None] * width)
                writer.writerow(line)
        text.flush()
        text.detach()
        if target is not raw:
            target.close()


def _width(table: Table, name: str) -> int | None:
    """How many columns of a text file a column fills; None for one cell."""
    column = table.columns[name]
    if isinstance(column, np.ndarray):
        return int(math.prod(column.shape[1:]))
    if not is_list(column):
        return None
    import pyarrow.compute as pc

    lengths = pc.unique(pc.drop_null(pc.list_value_length(column))).to_pylist()
    if len(lengths) != 1:
        raise DataError(f"Column {name!r} holds lists of several lengths: let the name end in .parquet or .jsonl.")
    return int(lengths[0])


def _word(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _parts(kept: np.ndarray) -> Iterator[slice]:
    return (slice(at, min(at + _ROWS, len(kept))) for at in range(0, len(kept), _ROWS))
