"""A CSV or Parquet table: a label column, perhaps ids and texts, and numeric columns that are the features."""

from __future__ import annotations

import csv
import gzip
import warnings
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from tripletscope.errors import DataError, UnknownNameError
from tripletscope.readers.checks import check_opened_size, encode_labels, listed, to_finite_float32
from tripletscope.samples import LabelledData, Samples

LABEL_NAMES = ("label", "class", "target", "y", "category")
ID_NAMES = ("id", "ids", "name")
TEXT_NAME = "text"
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


def read_table(path: Path, label: str | None = None) -> LabelledData:
    """The labelled set in a table; every numeric column that is not label or id is a feature.

    Labels, ids and texts stay as they are written: "7" and "007" are two classes, and "NA" is one. Rows are counted
    as a spreadsheet shows them: the header is row 1.

    Args:
        path: .csv, .csv.gz, .tsv or .parquet. A list column of a Parquet file gives one feature for each place.
        label: the label column; without it the first of `LABEL_NAMES` that the table has, in any case.

    Raises:
        UnknownNameError: when there is no such label column.
        DataError: naming the row or column that cannot be used, and the way out.
    """
    names = _column_names(path)
    label = _label_column(path, names, label)
    others = {name.lower(): name for name in reversed(names) if name != label}
    identity = next((others[name] for name in ID_NAMES if name in others), None)
    text = others.get(TEXT_NAME)
    as_text = {name for name in (label, identity, text) if name is not None}
    table = _open(path, names, as_text)
    if len(table) == 0:
        raise DataError(f"{path} has a header and no rows: a triplet needs three samples.")

    labels, class_names = encode_labels(_filled(path, table[label], "label"))
    features, notes = _features(path, table.drop(columns=list(as_text)))
    samples = Samples(
        ids=np.arange(len(table))
        if identity is None
        else _unique(path, _filled(path, table[identity], "id"), identity),
        labels=labels,
        class_names=class_names,
        texts=None if text is None else ["" if one is None else one for one in _as_texts(table[text])],
    )
    return LabelledData(path.name.split(".")[0], features, samples, notes=notes)


def _row(position: int) -> str:
    return f"row {position + 2}"


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, UnicodeDecodeError):
        return DataError(f"{path} is not UTF-8 text: save it again as CSV in UTF-8.")
    reason = " ".join(str(error).split())
    return DataError(f"{path} cannot be read as a table ({reason}): save it again as CSV or Parquet.")


def _column_names(path: Path) -> list[str]:
    """The header, looked at before anything else."""
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            described = pq.ParquetFile(path)
            check_opened_size(path, described.metadata.num_rows * described.metadata.num_columns, "split it")
            names = [str(name) for name in described.schema_arrow.names if not name.startswith("__index_level_")]
        else:
            with _text(path) as lines:
                delimiter = _delimiter(lines.readline())
                lines.seek(0)
                names = next(csv.reader(lines, delimiter=delimiter), [])
    except DataError:
        raise
    except Exception as error:  # gzip, codec, csv and Arrow errors are all of their own kinds
        raise _unreadable(path, error) from error
    if not names:
        raise DataError(f"{path} is empty: give a header, then one row for each sample.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has two columns called {twice[0]!r}: rename one.")
    return names


def _text(path: Path) -> TextIOWrapper:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _delimiter(header: str) -> str:
    """Comma, or what spreadsheets write in its place where commas stand in numbers."""
    return max(",;\t", key=header.count)


def _label_column(path: Path, names: list[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in names:
            raise UnknownNameError("column", asked, names)
        return asked
    for guess in LABEL_NAMES:
        for name in names:
            if name.lower() == guess:
                return name
    raise DataError(
        f"{path} has no column called {', '.join(LABEL_NAMES[:-1])} or {LABEL_NAMES[-1]}: "
        f"name the label column with --label; it has {listed(names)}."
    )


def _open(path: Path, names: list[str], as_text: set[str]) -> pd.DataFrame:
    """The table; columns of `as_text` hold str (or None), as they are written."""
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path, columns=names)
            return table.reset_index(drop=True)
        with _text(path) as lines:
            delimiter = _delimiter(lines.readline())
        table = _read_csv(path, names, as_text, delimiter, decimal="," if delimiter == ";" else ".")
        if delimiter == ";" and (unread := _not_numeric(table, as_text)):
            # Semicolons come from places that write 0,5 and from programs that write 0.5.
            pointed = _read_csv(path, names, as_text, delimiter, decimal=".")
            table = pointed if _not_numeric(pointed, as_text) < unread else table
    except Exception as error:  # pandas and Arrow have a dozen kinds
        raise _unreadable(path, error) from error
    filled = table.notna() & (table != "")
    last = np.flatnonzero(filled.any(axis=1).to_numpy())
    return table.iloc[: int(last[-1]) + 1 if len(last) else 0]


def _read_csv(path: Path, names: list[str], as_text: set[str], delimiter: str, *, decimal: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pandas only warns when it drops cells beyond the header's columns
        return pd.read_csv(
            path,
            sep=delimiter,
            header=0,
            names=names,
            index_col=False,
            encoding="utf-8-sig",
            decimal=decimal,
            dtype=dict.fromkeys(as_text, str),
            keep_default_na=False,
            na_values={name: MISSING for name in names if name not in as_text},
            skip_blank_lines=False,  # so that row numbers are those of a spreadsheet
            low_memory=False,
        )


def _not_numeric(table: pd.DataFrame, as_text: set[str]) -> int:
    """How many columns that should be features are none."""
    return sum(not is_numeric_dtype(table[name]) for name in table.columns if name not in as_text)


def _as_texts(column: pd.Series[Any]) -> list[str | None]:
    """The column's cells as text, None where a cell is empty."""
    missing = column.isna().to_numpy()
    return [None if gone or cell == "" else str(cell) for cell, gone in zip(column.tolist(), missing, strict=True)]


def _filled(path: Path, column: pd.Series[Any], what: str) -> list[str]:
    texts = _as_texts(column)
    if None in texts:
        empty = _row(texts.index(None))
        raise DataError(f"In {path}, {empty} has no {what} in column {column.name!r}: fill it in or delete the row.")
    return [text for text in texts if text is not None]


def _unique(path: Path, ids: list[str], column: str) -> list[str]:
    seen: dict[str, int] = {}
    for position, one in enumerate(ids):
        if one in seen:
            raise DataError(
                f"In {path}, the id {one!r} stands in {_row(seen[one])} and {_row(position)} of column {column!r}: "
                "make the ids unique, or remove that column."
            )
        seen[one] = position
    return ids


def _features(path: Path, table: pd.DataFrame) -> tuple[Float32[np.ndarray, "N D"], tuple[str, ...]]:
    """The numeric columns side by side, and a note on what was left out."""
    notes: tuple[str, ...] = ()
    if "" in table.columns:
        if list(table[""]) != list(range(len(table))):
            raise DataError(f"{path} has a column without a name: name it or remove it.")
        table = table.drop(columns="")
        notes = ("Left out the first column: it has no name and only counts the rows.",)
    blocks, titles = [], []
    for name in table.columns:
        block = _numbers(path, table[name])
        blocks.append(block)
        titles += [str(name)] if block.shape[1] == 1 else [f"{name}[{place}]" for place in range(block.shape[1])]
    if not blocks:
        raise DataError(f"{path} has no numeric column besides the label: add the features.")
    values = np.concatenate(blocks, axis=1)
    return to_finite_float32(values, lambda at: f"In {path}, {_row(at[0])}, column {titles[at[1]]!r}"), notes


def _numbers(path: Path, column: pd.Series[Any]) -> NDArray[np.float64]:
    """The column as (N, 1) numbers, or (N, places) where each cell is a list."""
    if is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    cells = column.tolist()
    if all(_is_vector(cell) for cell in cells):
        lengths = [len(cell) for cell in cells]
        odd = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is not None:
            raise DataError(
                f"In {path}, column {column.name!r} has {lengths[0]} numbers in row 2 and {lengths[odd]} in "
                f"{_row(odd)}: all lists must be of one length."
            )
        return np.stack(cells).astype(np.float64)
    if isinstance(cells[0], bytes):
        raise DataError(
            f"In {path}, column {column.name!r} holds bytes, and a table is read for its numbers: remove it, or bring "
            "pictures as a folder with one sub-folder per class or as an .npz."
        )
    fits = _is_vector if _is_vector(cells[0]) else _reads_as_number
    odd = next((row for row, cell in enumerate(cells) if not fits(cell)), 0)
    raise DataError(
        f"In {path}, column {column.name!r} is not numeric ({_row(odd)} holds {str(cells[odd])[:40]!r}): remove it, "
        f"correct it, or call it 'id' or '{TEXT_NAME}' if it is that."
    )


def _is_vector(cell: object) -> bool:
    return isinstance(cell, np.ndarray) and cell.ndim == 1 and cell.dtype.kind in "fiu"


def _reads_as_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
