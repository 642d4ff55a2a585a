"""The door for a person's own embeddings: a file, perhaps a second one with labels, and a mapping of columns."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Named
from pathlib import Path

from tripletscope.embeddings.building import build
from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.embeddings.joining import join
from tripletscope.embeddings.mapping import PARTS, Mapping, chosen, propose
from tripletscope.embeddings.table import Table, look_at
from tripletscope.errors import DataError, SettingError

TEXTS = (".csv", ".tsv", ".txt")
JSON = (".jsonl", ".ndjson", ".json")
KINDS = ".npy, .npz, .csv, .tsv, .txt, .jsonl (these four also as .gz), .parquet, .arrow or .feather"


def open_embeddings(
    path: str | Path,
    *,
    metadata: str | Path | None = None,
    mapping: Mapping | Named[str, str | Iterable[str] | None] | None = None,
    limit: int | None = None,
) -> EmbeddingSet:
    """The embeddings in a file, with what the file says of each row.

    Args:
        path: the file.
        metadata: a second file with labels, ids, texts, joined by id where both have one, else by order.
        mapping: which column plays which part; a whole `Mapping`, or a dictionary of the parts that differ from
            the proposal ({"label": "kind", "id": None}).
        limit: bytes that the content may take once opened, 8 GiB unless given; a float16 or float32 .npy is read in
            place and has no limit.

    Raises:
        DataError: naming the file, row or column that cannot be used, and the way out.
        UnknownNameError: for a column of the mapping that the file lacks.
        SettingError: for a limit below 1.

    Example:
        >>> import tempfile, numpy as np
        >>> folder = Path(tempfile.mkdtemp())
        >>> np.save(folder / "v.npy", np.float16([[1, 0], [0, 1], [1, 1], [np.nan, 0]]))
        >>> found = open_embeddings(folder / "v.npy")
        >>> len(found), found.dim, found.vectors.dtype.name, found.dropped
        (3, 2, 'float16', (Dropped(row=3, reason='holds NaN in place 0 of the vector'),))
    """
    path = Path(path)
    asked = _parts(mapping)
    table = read(path, limit=limit, asked=asked)
    if metadata is not None:
        beside = read(metadata, limit=limit, asked=asked, expected_rows=table.rows)
        key = asked.get("id")
        table = join(table, beside, key if isinstance(key, str) else None)
    proposed = propose(look_at(table))
    return build(table, chosen(proposed, mapping), name=_name(path), limit=limit)


def read(
    path: str | Path,
    *,
    limit: int | None = None,
    asked: Named[str, str | Iterable[str] | None] | None = None,
    expected_rows: int | None = None,
) -> Table:
    """The columns of a file, whatever its format; `look_at` glances at them, `build` makes the set.

    Args:
        path: the file.
        limit: as for `open_embeddings`.
        asked: parts that a person gave to columns; these are read as that part needs.
        expected_rows: for a file that goes beside another, the rows of that other.

    Raises:
        DataError: naming the file and what is wrong with it.
        SettingError: for a limit below 1.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise SettingError(f"A limit of {limit} bytes lets nothing in: use 1 or more.")
    if not path.exists():
        raise DataError(f"There is no file {path}: give the path of {KINDS}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder: give the path of {KINDS}.")
    name = path.name.lower()
    if name.endswith(".npy"):
        from tripletscope.embeddings.arrays import read_npy

        return read_npy(path, column=None if expected_rows is None else _array_name(path))
    if name.endswith(".npz"):
        from tripletscope.embeddings.arrays import read_npz

        return read_npz(path, limit)
    plain = name.removesuffix(".gz")
    if plain.endswith(TEXTS):
        from tripletscope.embeddings.delimited import read_delimited

        as_numbers = _columns_of(asked, ("vector", "x", "y"))
        as_text = _columns_of(asked, ("label", "id", "text", "image", "split"))
        return read_delimited(path, limit, as_text=as_text, as_numbers=as_numbers, expected_rows=expected_rows)
    if plain.endswith(JSON):
        from tripletscope.embeddings.json_lines import read_json_lines

        return read_json_lines(path, limit)
    if name.endswith(".parquet"):
        from tripletscope.embeddings.arrow_files import read_parquet

        return read_parquet(path, limit)
    if name.endswith((".arrow", ".feather")):
        from tripletscope.embeddings.arrow_files import read_arrow

        return read_arrow(path, limit)
    raise DataError(f"{path} is of no kind that can be read: give {KINDS}.")


def _name(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def _array_name(path: Path) -> str:
    """What an array of one dimension beside the vectors is called: labels.npy holds labels."""
    return path.name.removesuffix(".npy") or "label"


def _parts(asked: Mapping | Named[str, str | Iterable[str] | None] | None) -> dict[str, str | Iterable[str] | None]:
    if asked is None:
        return {}
    if isinstance(asked, Mapping):
        return {part: getattr(asked, part) for part in PARTS}
    return {
        part: tuple(value) if part == "vector" and not isinstance(value, str) and value else value
        for part, value in asked.items()
    }


def _columns_of(asked: Named[str, str | Iterable[str] | None] | None, parts: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for part in parts:
        value = (asked or {}).get(part)
        if value is not None:
            found |= {value} if isinstance(value, str) else set(value)
    return found
