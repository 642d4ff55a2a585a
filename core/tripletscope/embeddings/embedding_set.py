"""Embeddings of one file with what is known of each row. Loads without torch, pandas and pyarrow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tripletscope.errors import DataError

BLOCK_BYTES = 32 * 2**20  # of vectors looked at in one go, so that a memory-mapped file never fills the memory


class Dropped(NamedTuple):
    """A row of the file that was left out, and why.

    Args:
        row: its number as the file counts (see `EmbeddingSet.rows`).
        reason: half a sentence that follows "row 17": "holds NaN".
    """

    row: int
    reason: str


@runtime_checkable  # the tests check annotations while they run
class Pictures(Protocol):
    """Pictures of the rows of a set; nothing is read from the disk before one is asked for."""

    def bytes_of(self, row: int) -> bytes | None:
        """The picture file of that row (PNG, JPEG, ...), or None where the row has none."""
        ...

    def take(self, rows: Int[np.ndarray, "M"]) -> Pictures:
        """The pictures of those rows, in that order."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddingSet:
    """N vectors of D numbers with what a person knows of each.

    Args:
        name: the file's name without its ending.
        vectors: (N, D) float32 or float16 in C order, finite; may be a read-only memory map.
        ids: (N,) unique: texts (dtype object) or int64.
        labels: (N,) int32, place in `class_names`; -1 where a row has no label.
        class_names: C texts; "7", "007" and "7.0" are three classes.
        texts: one per row ("" where there is none), or None.
        splits: (N,) int32, place in `split_names`; -1 where a row has none; or None.
        split_names: such as "train" and "test".
        positions: (N, 2) float32, the file's own x and y; or None.
        pictures: read one at a time, when asked; or None.
        columns: the other columns, by name, to colour by: (N,) numbers, or (N,) texts (dtype object, None where empty).
        notes: what reading guessed, changed or left out, one sentence each, to be shown and never swallowed.
        dropped: rows of the file that are not in the set.
        digest: 32 hex digits of what decides results (vectors, ids, labels); worked out where it is not given.
        rows: (N,) int64, the row of the file that each vector came from: as a spreadsheet counts where there is a
            header (first row of data = 2), by lines in JSONL and tables without header (first = 1), by index in arrays
            (first = 0). Without it 0 ... N-1.

    Raises:
        DataError: when lengths differ, a label has no name, or an id occurs twice.

    Example:
        >>> pets = EmbeddingSet(
        ...     name="pets",
        ...     vectors=np.zeros((2, 3), dtype=np.float32),
        ...     ids=np.array(["rex", "tom"], dtype=object),
        ...     labels=np.array([1, -1]),
        ...     class_names=["cat", "dog"],
        ... )
        >>> len(pets), pets.dim, pets.id_of(0), pets.class_of(0), pets.class_of(1)
        (2, 3, 'rex', 'dog', None)
    """

    name: str
    vectors: Float[np.ndarray, "N D"]
    ids: Shaped[np.ndarray, "N"]
    labels: Int[np.ndarray, "N"]
    class_names: list[str]
    texts: list[str] | None = None
    splits: Int[np.ndarray, "N"] | None = None
    split_names: list[str] = field(default_factory=list)
    positions: Float[np.ndarray, "N 2"] | None = None
    pictures: Pictures | None = None
    columns: Mapping[str, Shaped[np.ndarray, "N"]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    digest: str = ""
    rows: Int[np.ndarray, "N"] | None = None

    def __post_init__(self) -> None:
        count = len(self.vectors)
        if self.vectors.dtype not in (np.float32, np.float16) or not self.vectors.flags.c_contiguous:
            object.__setattr__(self, "vectors", np.ascontiguousarray(self.vectors, dtype=np.float32))
        ids = self.ids
        object.__setattr__(self, "ids", ids.astype(np.int64 if ids.dtype.kind in "iu" else object, copy=False))
        object.__setattr__(self, "labels", np.ascontiguousarray(self.labels, dtype=np.int32))
        if self.splits is not None:
            object.__setattr__(self, "splits", np.ascontiguousarray(self.splits, dtype=np.int32))
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(count))
        parts = {"ids": self.ids, "labels": self.labels, "texts": self.texts, "splits": self.splits, "rows": self.rows}
        for name, part in {**parts, "positions": self.positions, **self.columns}.items():
            if part is not None and len(part) != count:
                raise DataError(f"There are {count:,} vectors but {len(part):,} {name}: give one for each vector.")
        for what, places, names in (
            ("Labels", self.labels, self.class_names),
            ("Splits", self.splits, self.split_names),
        ):
            if places is not None and count and not (places.min() >= -1 and places.max() < len(names)):
                raise DataError(
                    f"{what} run from {places.min()} to {places.max()} but there are {len(names):,} names: "
                    "name each, in the order of its number from 0."
                )
        if (twice := first_repeated(self.ids)) is not None:
            raise DataError(f"The id {self.id_of(twice[1])!r} occurs twice: make the ids unique.")
        if not self.digest:
            object.__setattr__(self, "digest", digest_of(self.vectors, self.ids, self.labels, self.class_names))

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return int(self.vectors.shape[1])

    def id_of(self, row: int) -> str | int:
        """The id in that place, as a plain Python value."""
        found = self.ids[row]
        return int(found) if self.ids.dtype.kind == "i" else str(found)

    def class_of(self, row: int) -> str | None:
        """The class name in that place, or None where it has no label."""
        label = int(self.labels[row])
        return None if label < 0 else self.class_names[label]

    def class_counts(self) -> Int[np.ndarray, "C"]:
        """How many rows each class has, in the order of `class_names`; rows without a label are not counted."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.class_names))

    def take(self, rows: Int[np.ndarray, "M"]) -> EmbeddingSet:
        """The set of those places, in that order; all class names and notes are kept."""
        assert self.rows is not None
        return EmbeddingSet(
            name=self.name,
            vectors=self.vectors[rows],
            ids=self.ids[rows],
            labels=self.labels[rows],
            class_names=self.class_names,
            texts=None if self.texts is None else [self.texts[int(row)] for row in rows],
            splits=None if self.splits is None else self.splits[rows],
            split_names=self.split_names,
            positions=None if self.positions is None else self.positions[rows],
            pictures=None if self.pictures is None else self.pictures.take(rows),
            columns={name: column[rows] for name, column in self.columns.items()},
            notes=self.notes,
            dropped=self.dropped,
            rows=self.rows[rows],
        )


def digest_of(
    vectors: Float[np.ndarray, "N D"],
    ids: Shaped[np.ndarray, "N"],
    labels: Int[np.ndarray, "N"],
    class_names: Sequence[str],
) -> str:
    """32 hex digits, equal for equal content on every machine.

    Example:
        >>> one = digest_of(np.zeros((1, 2), dtype=np.float32), np.arange(1), np.zeros(1, dtype=np.int32), ["a"])
        >>> two = digest_of(np.zeros((1, 2), dtype=np.float32), np.arange(1), np.zeros(1, dtype=np.int32), ["b"])
        >>> len(one), one == two
        (32, False)
    """
    made = hashlib.blake2b(f"{vectors.shape} {vectors.dtype.name}".encode(), digest_size=16)
    little = vectors.dtype.newbyteorder("<")
    for block in blocks(vectors):
        made.update(np.ascontiguousarray(block, dtype=little).data)
    if ids.dtype.kind == "i":
        made.update(np.ascontiguousarray(ids, dtype="<i8").data)
    else:
        made.update(_framed([str(one) for one in ids]))
    made.update(np.ascontiguousarray(labels, dtype="<i4").data)
    made.update(_framed(class_names))
    return made.hexdigest()


def blocks(vectors: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """The rows in views of some 32 MB."""
    width = max(1, vectors.itemsize * int(np.prod(vectors.shape[1:], dtype=np.int64)))
    step = max(1, BLOCK_BYTES // width)
    return [vectors[start : start + step] for start in range(0, len(vectors), step)]


def first_repeated(ids: Shaped[np.ndarray, "N"]) -> tuple[int, int] | None:
    """The places of the first id that stands for the second time, earlier one first; or None.

    Example:
        >>> first_repeated(np.array(["a", "b", "a"], dtype=object))
        (0, 2)
    """
    if ids.dtype.kind == "i" and len(np.unique(ids)) == len(ids):
        return None
    plain = ids.tolist()
    if len(set(plain)) == len(plain):
        return None
    seen: dict[str | int, int] = {}
    for place, one in enumerate(plain):
        if one in seen:
            return seen[one], place
        seen[one] = place
    return None


def _framed(texts: Sequence[str]) -> bytes:
    """Texts as bytes of which no two lists give the same."""
    lengths = np.fromiter(map(len, texts), dtype="<i8", count=len(texts))
    return lengths.tobytes() + "".join(texts).encode("utf-8", "surrogatepass")
