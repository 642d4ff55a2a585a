"""The door for a person's own embeddings: a file, perhaps a second one with labels, and a mapping of columns."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Named
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tripletscope.embeddings.building import build, texts_of
from tripletscope.embeddings.embedding_set import EmbeddingSet, Pictures
from tripletscope.embeddings.joining import join
from tripletscope.embeddings.mapping import PARTS, Mapping, TableLook, chosen, propose
from tripletscope.embeddings.projector import beside, projector_files
from tripletscope.embeddings.table import Table, is_text, look_at
from tripletscope.embeddings.thumbnails import (
    ArrayPictures,
    CellPictures,
    FilePictures,
    find,
    is_inside,
    is_picture_source,
)
from tripletscope.errors import DataError, SettingError

TEXTS = (".csv", ".tsv", ".txt")
JSON = (".jsonl", ".ndjson", ".json")
KINDS = ".npy, .npz, .csv, .tsv, .txt, .jsonl, .parquet, .arrow, .feather, .pt, .pth or .safetensors"


def open_embeddings(
    path: str | Path,
    *,
    metadata: str | Path | None = None,
    pictures: str | Path | None = None,
    mapping: Mapping | Named[str, str | Iterable[str] | None] | None = None,
    limit: int | None = None,
    standardise: bool = False,
) -> EmbeddingSet:
    """The embeddings in a file, with what the file says of each row.

    Args:
        path: the file, or a folder of TensorBoard's embedding projector.
        metadata: a second file with labels, ids, texts, joined by id where both have one, else by order; or pictures.
        pictures: a folder or .zip with a picture for each row, found by the row's path or id.
        mapping: which column plays which part; a whole `Mapping`, or a dictionary of the parts that differ from
            the proposal ({"label": "kind", "id": None}).
        limit: bytes that the content may take once opened, 8 GiB unless given; a float16 or float32 .npy is read in
            place and has no limit.
        standardise: gives each number of the vector mean 0 and deviation 1, for columns of different units.

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
    looked = look_into(path, metadata=metadata, pictures=pictures, mapping=mapping, limit=limit)
    return looked.build(mapping, standardise=standardise)


@dataclass(frozen=True, eq=False)
class LookedInto:
    """A file that was read, and not yet made into a set: what a person sees before they say what is what.

    Attributes:
        name: of the set.
        table: its columns, a second file's beside them.
        look: what a glance at each column shows.
        proposal: which column plays which part, with reasons; nobody has checked yet whether it can be used.
        root: folder or .zip of pictures, or None.
        limit: as for `open_embeddings`.
    """

    name: str
    table: Table
    look: TableLook
    proposal: Mapping
    root: Path | None = None
    limit: int | None = None

    def mapping(self, changes: Mapping | Named[str, str | Iterable[str] | None] | None = None) -> Mapping:
        """The proposal with a person's changes.

        Raises:
            UnknownNameError: for a part that does not exist.
        """
        return chosen(self.proposal, changes)

    def build(
        self,
        changes: Mapping | Named[str, str | Iterable[str] | None] | None = None,
        *,
        standardise: bool = False,
    ) -> EmbeddingSet:
        """The set by the proposal with a person's changes, standardised on request.

        Raises:
            DataError: naming the row or column that cannot be used, and the way out.
            UnknownNameError: for a part or a column that does not exist.
        """
        made = self.mapping(changes)
        made.check(self.table.columns)
        notes = list(self.table.notes)
        shown = _pictures(self.table, made, self.root)
        try:
            return build(self.table, made, name=self.name, pictures=shown, limit=self.limit, standardise=standardise)
        finally:
            self.table.notes[:] = notes  # what was said of these pictures belongs to this set alone


def look_into(
    path: str | Path,
    *,
    metadata: str | Path | None = None,
    pictures: str | Path | None = None,
    mapping: Mapping | Named[str, str | Iterable[str] | None] | None = None,
    limit: int | None = None,
) -> LookedInto:
    r"""The same file read and glanced at: `.build()` makes the set, with other columns as often as wanted.

    Args and Raises: as for `open_embeddings`; columns that `mapping` names are read as their part needs.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "pets.csv"
        >>> _ = file.write_text("kind,e0,e1\n" + "cat,1,0\ndog,0,1\n" * 3)
        >>> looked = look_into(file)
        >>> looked.proposal.vector, looked.proposal.label, looked.build({"label": None}).class_names
        (('e0', 'e1'), 'kind', [])
    """
    path = Path(path)
    if metadata is not None and pictures is None and is_picture_source(Path(metadata)):
        metadata, pictures = None, metadata
    asked = _parts(mapping)
    name = _name(path)
    if path.is_dir() and (pair := projector_files(path)) is not None:
        path, metadata = pair[0], metadata or pair[1]
    elif metadata is None:
        metadata = beside(path)
    table = read(path, limit=limit, asked=asked)
    if metadata is not None:
        other = read(metadata, limit=limit, asked=asked, expected_rows=table.rows)
        key = asked.get("id")
        table = join(table, other, key if isinstance(key, str) else None)
    look = look_at(table)
    return LookedInto(name, table, look, propose(look), None if pictures is None else Path(pictures), limit)


def _pictures(table: Table, mapping: Mapping, root: Path | None) -> Pictures | None:
    """The pictures of all rows of a table, where there are any; bytes are read only when asked for."""
    column = None if mapping.image is None else table.columns[mapping.image]
    places = np.arange(table.rows)
    if root is None and column is None:
        return None
    if root is None and isinstance(column, np.ndarray):
        return ArrayPictures(column, places)
    if isinstance(column, np.ndarray):
        column = None
    texts = [None] * table.rows if column is None or not is_text(column) else column.to_pylist()
    if root is None:
        some = next((text for text in texts if text), None)
        if some is None or some.startswith("data:"):
            return CellPictures(column, places)
        if some.startswith(("http://", "https://")):
            table.notes.append(
                f"The pictures in column {mapping.image!r} are on the web and are not fetched: bring them as a folder "
                "or zip."
            )
            return None
        home = table.origins.get(str(mapping.image), table).path.parent
        found = FilePictures(home, texts)
        if not any(text and is_inside(home, text) for text in texts[:100]):
            table.notes.append(
                f"The pictures that column {mapping.image!r} names are not in the folder of {table.path.name}: bring "
                "them as a folder or zip."
            )
            return None
        return found
    if not root.exists():
        raise DataError(f"There is no folder or zip {root}: give the path of the pictures.")
    if not is_picture_source(root):
        raise DataError(f"{root} is neither a folder nor a .zip: give one with a picture for each row.")
    ids = [""] * table.rows if mapping.id is None else [one or "" for one in texts_of(table, mapping.id)]
    if mapping.id is None:
        ids = [str(one) for one in table.all_numbers().tolist()]
    return find(root, zip(texts, ids, strict=True), table.notes)


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
    name = path.name.lower()
    if is_picture_source(path):
        raise DataError(
            f"{path} may hold pictures but no vectors: give the file of vectors, and this as its pictures ({KINDS})."
        )
    if not path.is_file():
        raise DataError(f"{path} is no file: give the path of {KINDS}.")
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
    if name.endswith((".pt", ".pth")):
        from tripletscope.embeddings.weights import read_torch

        return read_torch(path, limit)
    if name.endswith(".safetensors"):
        from tripletscope.embeddings.weights import read_safetensors

        return read_safetensors(path, limit)
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
