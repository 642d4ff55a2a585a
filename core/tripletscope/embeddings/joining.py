"""A second file with what is known of each row, joined by id where both have one, else by order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from tripletscope.embeddings.building import texts_of
from tripletscope.embeddings.mapping import propose
from tripletscope.embeddings.table import Table, is_list, look_at
from tripletscope.errors import DataError
from tripletscope.readers.checks import listed


def join(main: Table, other: Table, key: str | None = None) -> Table:
    """The main table with the columns of the other.

    Args:
        main: has the vectors.
        other: what is known of each row.
        key: the id column; without it the one that `propose` finds in both.

    Raises:
        DataError: when the rows can be joined neither by id nor by order: they differ in number, or no id fits.
    """
    wide = [name for name in other.columns if name in main.columns and not _is_plain(main.columns[name])]
    if wide:  # the vectors are in the main table, whatever the other calls its words
        other = replace(other, columns={name: column for name, column in other.columns.items() if name not in wide})
        other.notes.append(f"Both files have {listed(map(repr, wide), most=3)}; {main.path.name} counts.")
    keys = _keys(main, other, key)
    if keys is None:
        return _by_order(main, other)
    return _by_id(main, other, *keys)


def _keys(main: Table, other: Table, key: str | None) -> tuple[str, str] | None:
    """The id columns of both, or None where they are joined by order."""
    if key is not None and key in main.columns and key in other.columns:
        return key, key
    if not any(_is_plain(column) for column in main.columns.values()):
        return None
    ours, theirs = propose(look_at(main)).id, propose(look_at(other)).id
    if ours is not None and ours in other.columns and _is_plain(other.columns[ours]):
        return ours, ours
    if theirs is not None and theirs in main.columns and _is_plain(main.columns[theirs]) and ours is None:
        ours = theirs  # in the main table it may look like something else
    if ours is not None and theirs is not None:
        shared = set(texts_of(main, ours)) & set(texts_of(other, theirs))
        if shared:
            return ours, theirs
    return None


def _is_plain(column: Any) -> bool:
    return not isinstance(column, np.ndarray) and not is_list(column) and not pa.types.is_nested(column.type)


def _by_order(main: Table, other: Table) -> Table:
    if main.rows != other.rows:
        raise DataError(
            f"{main.path} has {main.rows:,} rows and {other.path} has {other.rows:,}: give one for each in the same "
            "order, or an id column in both."
        )
    made = _start(main, other)
    made.notes.append(f"The rows of {other.path.name} go with those of {main.path.name} in their order.")
    for name, column in other.columns.items():
        made.columns[name] = column
        made.origins[name] = other
    return made


def _by_id(main: Table, other: Table, ours: str, theirs: str) -> Table:
    places: dict[str, int] = {}
    for place, one in enumerate(texts_of(other, theirs)):
        if one is None:
            continue
        if one in places:
            raise DataError(
                f"In {other.path}, the id {one!r} stands in {other.row(places[one])} and {other.row(place)} of column "
                f"{theirs!r}: make the ids unique."
            )
        places[one] = place
    wanted = texts_of(main, ours)
    order = [None if one is None else places.get(one) for one in wanted]
    missing = [place for place, found in enumerate(order) if found is None]
    if len(missing) == main.rows:
        raise DataError(
            f"No id in column {ours!r} of {main.path} stands in column {theirs!r} of {other.path}: name the id column, "
            "or leave the ids out to join by order."
        )
    made = _start(main, other, joined=ours if ours == theirs else "")
    made.notes.append(f"The rows of {other.path.name} go with those of {main.path.name} by {theirs!r}.")
    if missing:
        noun = "1 row has" if len(missing) == 1 else f"{len(missing):,} rows have"
        some = listed([repr(wanted[place]) for place in missing], most=3)
        made.notes.append(f"{noun} no line in {other.path.name} ({some}): kept without what it would say.")
    unused = len(places) - len({found for found in order if found is not None})
    if unused:
        noun = "1 line" if unused == 1 else f"{unused:,} lines"
        made.notes.append(f"Left out {noun} of {other.path.name}: no vector in {main.path.name} has that id.")
    taken = pa.array(order, type=pa.int64())
    for name, column in other.columns.items():
        if name == theirs and name == ours:
            continue
        if isinstance(column, np.ndarray):
            if missing:
                made.notes.append(f"Left out {name!r} of {other.path.name}: some rows have none.")
                continue
            made.columns[name] = column[np.array(order, dtype=np.int64)]
        else:
            made.columns[name] = column.take(taken)
    return made


def _start(main: Table, other: Table, joined: str = "") -> Table:
    both = [name for name in main.columns if name in other.columns and name != joined]
    notes = [*main.notes, *other.notes]
    if both:
        notes.append(f"Both files have {listed([repr(name) for name in both], most=3)}; {other.path.name} counts.")
    return Table(
        path=main.path,
        rows=main.rows,
        columns=dict(main.columns),
        first_row=main.first_row,
        counting=main.counting,
        notes=notes,
        names={**main.names, **other.names},
        numbers=main.numbers,
        narrowed=main.narrowed,
        origins=dict(main.origins),
    )
