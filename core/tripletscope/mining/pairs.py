"""Who is compared with whom: the positives of each anchor, chosen from its class or given as pairs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tripletscope.errors import DataError, SettingError
from tripletscope.mining.approximate import Searcher
from tripletscope.mining.shard import Report, Shard, measure
from tripletscope.seeding import derive_seed

Choice = Literal["nearest", "farthest", "random"]
#: Beyond this many pairs or triplets the table itself would take several gigabytes.
MOST_ROWS = 50_000_000


@dataclass(frozen=True)
class Pairs:
    """Anchors with their positives, anchor after anchor in the shard's class order.

    Attributes:
        anchor: (P,) row in the set.
        positive: (P,) row in the set.
        distance: (P,) float32, d(a,p).
        columns: (A,) places of the anchors in the shard's class order, rising.
        first: (A + 1,) the pairs of anchor a are first[a] <= p < first[a + 1].
    """

    anchor: np.ndarray
    positive: np.ndarray
    distance: np.ndarray
    columns: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.anchor)


def count_pairs(classes: np.ndarray, per_anchor: int | Literal["all"]) -> int:
    """How many pairs there would be: said before they are made.

    Example:
        >>> count_pairs(np.array([0, 0, 0, 1, 1, 2]), 1), count_pairs(np.array([0, 0, 0, 1, 1, 2]), "all")
        (5, 8)
    """
    sizes = np.unique(classes, return_counts=True)[1]
    others = sizes - 1 if per_anchor == "all" else np.minimum(sizes - 1, per_anchor)
    return int((sizes * others).sum())


def choose(
    shard: Shard,
    per_anchor: int | Literal["all"],
    choice: Choice,
    seed: int,
    search: Searcher,
    progress: Report | None = None,
    *,
    columns: np.ndarray | None = None,
) -> Pairs:
    """The positives of every anchor whose class has another row and which has a negative.

    Args:
        shard: of the whole set.
        per_anchor: so many of each anchor, all of a smaller class; or "all".
        choice: which: the nearest, the farthest (ties by row), or different ones by lot.
        seed: of the lots; an anchor's depend on nothing but the seed, its row and the size of its class.
        search: what finds the nearest or farthest.
        progress: of the search for the nearest or farthest.
        columns: of these anchors alone, by place in the shard, rising; None for all of them.

    Raises:
        SettingError: more than 50 million pairs.
    """
    rows = count_pairs(shard.classes, per_anchor)
    if rows > MOST_ROWS and columns is None:
        raise SettingError(
            f"That would be {rows:,} pairs of anchor and positive, and {MOST_ROWS:,} are the most: "
            "ask for fewer positives per anchor."
        )
    start, stop = shard.ranges(shard.classes)
    sizes = stop - start
    if columns is None:
        columns = np.flatnonzero((sizes > 1) & (sizes < len(shard)))
    if per_anchor == "all":
        counts = sizes[columns] - 1
        first = _starts(counts)
        anchor = np.repeat(columns, counts)
        place = np.arange(len(anchor)) - np.repeat(first[:-1], counts)
        place += start[anchor]
        positive = place + (place >= anchor)
    elif choice == "random":
        from tripletscope.mining import kernels

        keys = kernels.keys_of(
            np.uint64(derive_seed(seed, "positives")), shard.rows[columns], np.zeros(len(columns), np.int64)
        )
        places = np.full((len(columns), per_anchor), -1, np.int64)
        kernels.draw_places(keys, sizes[columns] - 1, per_anchor, places)
        places.sort(axis=1)
        line, _ = there = np.nonzero(places >= 0)
        anchor = columns[line]
        positive = start[anchor] + places[there]
        positive += positive >= anchor
        first = _starts(np.bincount(line, minlength=len(columns)))
    else:
        farthest = choice == "farthest"
        found = search.own(shard.queries(columns), per_anchor, farthest=farthest, progress=progress)
        line, _ = there = np.nonzero(found.row >= 0)
        first = _starts(np.bincount(line, minlength=len(columns)))
        rows_of = shard.rows[columns[line]]
        return Pairs(rows_of, found.row[there], found.distance[there], columns, first)
    return _measured(shard, anchor, positive, columns, first)


def given(shard: Shard, anchor: np.ndarray, positive: np.ndarray) -> Pairs:
    """The given pairs, by row of the set, each once; anchors without a negative are left out.

    Raises:
        DataError: a pair of a row with itself.
    """
    if (itself := np.flatnonzero(anchor == positive)).size:
        raise DataError(f"Pair {int(itself[0]) + 1} names one row twice: an anchor needs another row as its positive.")
    place = np.empty(len(shard), np.int64)
    place[shard.rows] = np.arange(len(shard))
    both = np.unique(np.stack([place[anchor], place[positive]], axis=1), axis=0)
    start, stop = shard.ranges(shard.classes[both[:, 0]])
    both = both[stop - start < len(shard)]
    columns, counts = np.unique(both[:, 0], return_counts=True)
    return _measured(shard, both[:, 0], both[:, 1], columns, _starts(counts))


def components(count: int, anchor: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(count,) classes that pairs imply: rows that a chain of pairs joins belong together, others stay alone.

    So a positive of a positive is never taken for a negative.

    Example:
        >>> components(5, np.array([0, 2]), np.array([1, 1])).tolist()
        [0, 0, 0, 1, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(anchor), np.int8), (anchor, positive)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1]).astype(np.int64)


def read_pairs(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """The pairs of a table with the columns `anchor` and `positive` (ids): .csv, .tsv, .parquet or .jsonl.

    Raises:
        DataError: the file is missing, cannot be read, lacks a column or has an empty cell.
    """
    import pandas

    place = Path(path)
    if not place.is_file():
        raise DataError(f"There is no file {str(place)!r} with pairs: check the name.")
    name = place.name.removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            table = pandas.read_parquet(place)
        elif name.endswith(".jsonl"):
            table = pandas.read_json(place, lines=True, dtype=False)
        else:
            separator = "\t" if name.endswith((".tsv", ".txt")) else ","
            table = pandas.read_csv(place, dtype=str, keep_default_na=False, sep=separator, encoding="utf-8-sig")
    except (ValueError, OSError, pandas.errors.ParserError) as problem:
        raise DataError(f"{place.name!r} cannot be read as a table of pairs ({problem}).") from problem
    columns = []
    for column in ("anchor", "positive"):
        named = next((name for name in (column, f"{column}_id") if name in table), None)
        if named is None:
            known = ", ".join(map(str, table.columns))
            raise DataError(f"{place.name!r} has no column {column!r}; it has {known}.")
        cells = table[named]
        empty = np.flatnonzero(cells.isna() | (cells.astype(str) == ""))
        if empty.size:
            raise DataError(f"Row {int(empty[0]) + 1} of {place.name!r} has no {column}: fill it in or leave it out.")
        columns.append(cells.astype(str).tolist())
    return list(zip(*columns, strict=True))


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _measured(shard: Shard, anchor: np.ndarray, positive: np.ndarray, columns: np.ndarray, first: np.ndarray) -> Pairs:
    """The pairs of these places in class order, with their distances."""
    distance = measure(shard, shard.order[anchor], shard.order[positive])
    return Pairs(shard.rows[anchor], shard.rows[positive], distance, columns.astype(np.int64), first)
