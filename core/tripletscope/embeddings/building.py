"""From a table and a mapping to a set: labels to classes, ids checked, unusable rows listed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tripletscope.embeddings.embedding_set import Dropped, EmbeddingSet, blocks, first_repeated
from tripletscope.embeddings.mapping import Mapping
from tripletscope.embeddings.table import NUMBER, WHOLE, Table, check_opened, is_list, is_text
from tripletscope.embeddings.vectors import gather, numbers_of, unusable
from tripletscope.errors import DataError
from tripletscope.readers.checks import encode_labels, listed

SHOWN = 3  # rows or names that a note lists


def build(
    table: Table,
    mapping: Mapping,
    *,
    name: str,
    pictures: Any = None,
    limit: int | None = None,
    standardise: bool = False,
) -> EmbeddingSet:
    """The set in a table.

    Args:
        table: what a format reader gave.
        mapping: which column plays which part; checked against the table.
        name: of the set.
        pictures: of all rows of the table, or None.
        limit: bytes that vectors may take when they have to be copied.
        standardise: as `standardised`.

    Raises:
        UnknownNameError: for a column of the mapping that the table lacks.
        DataError: naming the row or column that cannot be used, and the way out.
    """
    mapping.check(table.columns)
    if table.rows == 0:
        raise DataError(f"{table.path} has a header and no rows: give one row for each vector.")
    notes = [*table.notes, *mapping.warnings]
    vectors = gather(table, mapping.vector, limit)
    reasons, zeros, tiny = unusable(table, mapping.vector, vectors)
    if len(reasons) == table.rows:
        place, reason = next(iter(reasons.items()))
        raise DataError(f"In {table.path}, no row can be used: {table.row(place)} {reason}; fill the numbers in.")
    ids = _ids(table, mapping)
    labels, class_names = _codes(table, mapping.label)
    splits, split_names = _codes(table, mapping.split)
    texts = None if mapping.text is None else [one or "" for one in texts_of(table, mapping.text)]
    positions = _positions(table, mapping, notes)
    columns = _columns(table, mapping, notes)
    numbers = table.all_numbers()
    if reasons:
        kept = np.delete(np.arange(table.rows), list(reasons))
        vectors, ids, labels, numbers = vectors[kept], ids[kept], labels[kept], numbers[kept]
        splits, positions = splits[kept], None if positions is None else positions[kept]
        texts = None if texts is None else [texts[place] for place in kept]
        columns = {title: column[kept] for title, column in columns.items()}
        pictures = None if pictures is None else pictures.take(kept)
        labels, class_names = _used(labels, class_names)
        splits, split_names = _used(splits, split_names)
        noun = "1 row" if len(reasons) == 1 else f"{len(reasons):,} rows"
        some = listed([f"{table.row(place)} {reasons[place]}" for place in list(reasons)[:SHOWN]])
        more = f", and {len(reasons) - SHOWN:,} more" if len(reasons) > SHOWN else ""
        notes.append(f"Left out {noun} of {table.path.name}: {some}{more}.")
    if standardise:
        check_opened(table.path, 4 * vectors.size, limit)
        vectors, constant = standardised(vectors)
        alike = f"; {constant:,} of them hold one value only and count for nothing" if constant else ""
        notes.append(f"Standardised: each of the {vectors.shape[1]:,} numbers has mean 0 and deviation 1{alike}.")
    else:
        notes += _vector_notes(table, zeros, tiny)
    if mapping.label is not None:
        notes += _label_notes(mapping.label, labels, class_names)
    if len(vectors) == 1:
        notes.append("There is one row only: it has nothing to be compared with.")
    return EmbeddingSet(
        name=name,
        vectors=vectors,
        ids=ids,
        labels=labels,
        class_names=class_names,
        texts=texts,
        splits=splits if mapping.split is not None else None,
        split_names=split_names,
        positions=positions,
        pictures=pictures,
        columns=columns,
        notes=tuple(dict.fromkeys(notes)),
        dropped=tuple(Dropped(table.number_of(place), reason) for place, reason in reasons.items()),
        rows=numbers,
    )


def standardised(vectors: NDArray[Any]) -> tuple[NDArray[np.float32], int]:
    """(vectors whose columns have mean 0 and deviation 1, how many columns hold one value only and became 0).

    Sums run in float64, so that a column of large numbers loses no digit that matters.

    Example:
        >>> standardised(np.array([[1, 5], [3, 5]], dtype=np.float32))
        (array([[-1.,  0.],
               [ 1.,  0.]], dtype=float32), 1)
    """
    count = max(len(vectors), 1)
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks(vectors)) / count
    squares = sum(np.square(block.astype(np.float64) - mean).sum(axis=0) for block in blocks(vectors))
    deviation = np.sqrt(squares / count)
    constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
    made = np.empty(vectors.shape, dtype=np.float32)
    start = 0
    for block in blocks(vectors):
        made[start : start + len(block)] = (block.astype(np.float64) - mean) * scale
        start += len(block)
    return made, int(np.sum(constant))


def texts_of(table: Table, name: str) -> list[str | None]:
    """A column's cells as text as they stand, None where a cell is empty.

    A number stands as Python writes it, so that 7 and 7.0 differ.
    """
    column = table.columns[name]
    if not isinstance(column, np.ndarray) and is_text(column):
        return [cell or None for cell in column.to_pylist()]
    codes, names = _encode(table, name)
    return [None if code < 0 else names[code] for code in codes.tolist()]


def _encode(table: Table, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Each cell's place in a list of distinct texts, -1 where it is empty."""
    column = table.columns[name]
    if isinstance(column, np.ndarray) or is_list(column) or pa.types.is_nested(column.type):
        raise DataError(f"In {table.path}, column {name!r} holds lists: name a column of texts or single numbers.")
    if pa.types.is_null(column.type):
        return np.full(table.rows, -1), []
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
    coded = pc.dictionary_encode(whole)
    cells = _cells(table, name, coded.dictionary)
    codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)).astype(np.int64)
    known: dict[str, int] = {}
    places = np.full(len(cells) + 1, -1)  # the last place serves -1
    for place, cell in enumerate(cells):
        if cell is not None and cell != "":
            places[place] = known.setdefault(cell, len(known))
    return places[codes], list(known)


def _cells(table: Table, name: str, values: Any) -> list[str | None]:
    if name in table.names:
        listing = table.names[name]
        return [None if code is None or code < 0 else listing[code] for code in values.to_pylist()]
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        found = []
        for cell in values.to_pylist():
            try:
                found.append(cell.decode())
            except UnicodeDecodeError as error:
                raise DataError(
                    f"In {table.path}, column {name!r} holds bytes that are no text: name another column."
                ) from error
        return found
    if pa.types.is_floating(values.type):
        array = values.to_numpy(zero_copy_only=False)
        return [None if np.isnan(value) else str(value) for value in array.astype(array.dtype)]
    return [None if cell is None else str(cell) for cell in values.to_pylist()]


def _codes(table: Table, name: str | None) -> tuple[NDArray[np.int32], list[str]]:
    """Class numbers in the order that people expect, -1 where a cell is empty."""
    if name is None:
        return np.full(table.rows, -1, dtype=np.int32), []
    codes, texts = _encode(table, name)
    order, names = encode_labels(texts)
    if name in table.names:  # the file's own order
        listing = {text: place for place, text in enumerate(table.names[name])}
        names.sort(key=listing.__getitem__)
        order = np.array([names.index(text) for text in texts], dtype=np.int64)
    return np.append(order, -1)[codes].astype(np.int32), names


def _used(codes: NDArray[np.int32], names: list[str]) -> tuple[NDArray[np.int32], list[str]]:
    """The codes without names that no row has any more."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    place = np.append(np.cumsum(counts > 0) - 1, -1)
    return place[codes].astype(np.int32), [name for name, count in zip(names, counts, strict=True) if count]


def _ids(table: Table, mapping: Mapping) -> NDArray[Any]:
    if mapping.id is None:
        return np.arange(table.rows, dtype=np.int64) if table.first_row == 0 else table.all_numbers().astype(np.int64)
    name = mapping.id
    column = table.columns[name]
    found = texts_of(table, name)
    if None in found:
        raise DataError(f"{table.where(name, found.index(None))} has no id: fill it in, or choose another id column.")
    if all(one is not None and re.fullmatch(r"0|-?[1-9][0-9]{0,17}", one) for one in found) and (
        is_text(column) or pa.types.is_integer(column.type)
    ):
        made: NDArray[Any] = np.array([int(one or 0) for one in found], dtype=np.int64)
    else:
        made = np.array(found, dtype=object)
    if (twice := first_repeated(made)) is not None:
        origin = table.origins.get(name, table)
        raise DataError(
            f"In {origin.path}, the id {made.tolist()[twice[0]]!r} stands in {origin.row(twice[0])} and "
            f"{origin.row(twice[1])} of column {name!r}: make the ids unique, or choose another id column."
        )
    return made


def _positions(table: Table, mapping: Mapping, notes: list[str]) -> NDArray[np.float32] | None:
    if mapping.x is None or mapping.y is None:
        return None
    with np.errstate(over="ignore"):
        made = np.stack([numbers_of(table, mapping.x), numbers_of(table, mapping.y)], axis=1).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(made).all(axis=1))
    if len(bad):
        notes.append(
            f"The positions {mapping.x!r} and {mapping.y!r} are not used: {table.row(int(bad[0]))} has none that is "
            "a finite number."
        )
        return None
    return made


def _columns(table: Table, mapping: Mapping, notes: list[str]) -> dict[str, NDArray[Any]]:
    """The columns without a part, as numbers or texts; lists, bytes and pictures never reach tables."""
    made: dict[str, NDArray[Any]] = {}
    unseen = []
    playing = set(mapping.used())
    for name, column in table.columns.items():
        if name in playing or not name:
            continue
        kind = None if isinstance(column, np.ndarray) else column.type
        if kind is None or pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            unseen.append(repr(name))
            continue
        if name in table.names or not _is_numeric(column):
            made[name] = np.array(texts_of(table, name), dtype=object)
        elif (pa.types.is_boolean(kind) or pa.types.is_integer(kind)) and not column.null_count:
            made[name] = np.asarray(column.to_numpy())
        else:
            made[name] = numbers_of(table, name)
    if unseen:
        verb = "holds" if len(unseen) == 1 else "hold"
        notes.append(f"{listed(unseen, most=SHOWN)} {verb} lists or bytes, so there is no colouring by that.")
    return made


def _is_numeric(column: Any) -> bool:
    """Whether a column can be shown on a scale; texts such as 007 cannot."""
    kind = column.type
    if not is_text(column):
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))
    cells = pc.unique(pc.filter(column, pc.fill_null(pc.not_equal(column, ""), False)))
    if not len(cells) or pc.any(pc.match_substring_regex(cells, r"^[+-]?0[0-9]")).as_py():
        return False
    return bool(pc.all(pc.match_substring_regex(cells, f"^(?:{NUMBER}|{WHOLE})$")).as_py())


def _vector_notes(table: Table, zeros: list[int], tiny: list[int]) -> list[str]:
    notes = []
    if zeros:
        noun = "1 vector is" if len(zeros) == 1 else f"{len(zeros):,} vectors are"
        notes.append(
            f"{noun} zero ({_rows(table, zeros)}): they are kept, but have no direction, so leave them out for the "
            "cosine distance."
        )
    if tiny:
        noun = "1 vector is" if len(tiny) == 1 else f"{len(tiny):,} vectors are"
        notes.append(
            f"{noun} shorter than 1e-18 ({_rows(table, tiny)}): distances among them are lost in 32-bit floats, so "
            "scale the vectors up."
        )
    return notes


def _rows(table: Table, places: list[int]) -> str:
    return listed([table.row(place) for place in places], most=SHOWN)


def _label_notes(column: str, labels: NDArray[np.int32], names: Sequence[str]) -> list[str]:
    notes = []
    missing = int((labels < 0).sum())
    if missing:
        verb = "1 row has" if missing == 1 else f"{missing:,} rows have"
        notes.append(f"{verb} no label in column {column!r}: kept, but no anchor, positive or negative.")
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    if len(names) == 1:
        notes.append(f"All labels in column {column!r} are {names[0]!r}: a triplet needs a negative of another class.")
    elif len(names) > 1 and (counts < 2).all():
        notes.append(f"Every class in column {column!r} has one row: a triplet needs a positive of the same class.")
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_folded(name), []).append(name)
    groups = [group for group in alike.values() if len(group) > 1]
    if groups:
        shown = listed([" and ".join(ascii(name) for name in group[:3]) for group in groups], most=SHOWN)
        notes.append(f"Labels are compared as they stand, so these classes are kept apart: {shown}.")
    return notes


_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


def _folded(name: str) -> str:
    """What two labels share that a person may take for one: 7, 007 and 7.0; composed and decomposed accents."""
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).strip().casefold()
    if re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?", plain):
        return repr(float(plain))
    return plain
