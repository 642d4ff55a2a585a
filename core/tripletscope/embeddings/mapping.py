"""Which column of a table plays which part: proposed with reasons in words, changed by a person."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as Named
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.readers.checks import listed

Kind = Literal["float", "whole", "yes-no", "text", "bytes", "time", "list", "array", "nested", "empty"]

PARTS = ("vector", "label", "id", "text", "image", "split", "x", "y")

LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "y", "category", "intent", "species")
ID_NAMES = ("id", "ids", "uuid", "key", "name", "filename", "file", "path")
TEXT_NAMES = ("text", "texts", "sentence", "caption", "title", "description", "question", "document", "content", "body")
IMAGE_NAMES = ("image", "images", "img", "picture", "thumbnail", "photo")
SPLIT_NAMES = ("split", "subset", "fold", "partition")
SPLIT_VALUES = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
VECTOR_NAMES = ("embedding", "embeddings", "emb", "vector", "vectors", "vec", "features", "feature", "feat", "dim", "x")
REDUCED_NAMES = ("umap", "tsne", "t-sne", "pca", "projection", "proj")

MIN_BLOCK = 8  # columns with numbered names; fewer count only under a name such as emb_0
LONG_TEXT = 20  # letters on average
WORD_LIKE_ID = 64  # letters on average; longer ones are texts


@dataclass(frozen=True)
class ColumnLook:
    """What a glance at one column shows.

    Args:
        name: of the column.
        kind: what its cells are. Text in a CSV that reads as numbers is "whole" or "float".
        filled: cells that are not empty.
        distinct: different values among them, 0 where that was not counted (lists, arrays); of floats with many
            values, those among the first 1,000 rows.
        width: numbers in a cell: 1, or the length of a list or array; 0 where lists differ in length.
        mean_length: letters in a cell, of texts.
        image: what makes it a picture: "picture bytes", "data addresses", "web addresses", "picture paths", or "".
        values: its distinct values where they are 12 or fewer, else a few examples.
        counts: the column only counts the rows.
        spaced: some cells have spaces inside.
        odd: of a text column that is mostly numbers, a cell that is none.
    """

    name: str
    kind: Kind
    filled: int
    distinct: int = 0
    width: int = 1
    mean_length: float = 0.0
    image: str = ""
    values: tuple[str, ...] = ()
    counts: bool = False
    spaced: bool = False
    odd: str = ""


@dataclass(frozen=True)
class TableLook:
    """What a glance at a table shows: its rows and columns, in the file's order."""

    rows: int
    columns: tuple[ColumnLook, ...]

    @property
    def names(self) -> list[str]:
        """The column names."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class Mapping:
    """Which column plays which part.

    Args:
        vector: the columns whose numbers, side by side, are the vector; () leaves the choice to `propose`.
        label: the class; None for none, as below.
        id: unique in each row.
        text: shown with the row.
        image: picture bytes, data addresses or paths.
        split: such as train and test.
        x: with `y`, the file's own picture of the set.
        y: with `x`.
        reasons: for each part, why that column was proposed, or why none was.
        alternatives: for each part, the other columns that could play it.
        warnings: what a person should know before trusting the proposal, one sentence each.

    Example:
        >>> Mapping(vector=("e0", "e1"), label="kind").with_changes({"label": None}).label is None
        True
    """

    vector: tuple[str, ...] = ()
    label: str | None = None
    id: str | None = None
    text: str | None = None
    image: str | None = None
    split: str | None = None
    x: str | None = None
    y: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    alternatives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def used(self) -> list[str]:
        """The columns that play a part."""
        singles = (self.label, self.id, self.text, self.image, self.split, self.x, self.y)
        return [*self.vector, *(name for name in singles if name is not None)]

    def part_of(self, column: str) -> str | None:
        """The part that a column plays, or None."""
        if column in self.vector:
            return "vector"
        return next((part for part in PARTS[1:] if getattr(self, part) == column), None)

    def with_changes(self, changes: Named[str, str | Iterable[str] | None]) -> Mapping:
        """The same with some parts given to other columns (None: to no column), as a person asked.

        Raises:
            UnknownNameError: for a part that does not exist.
        """
        made: dict[str, object] = {}
        for part, asked in changes.items():
            if part not in PARTS:
                raise UnknownNameError("part of a mapping", part, PARTS)
            if part == "vector":
                made[part] = (asked,) if isinstance(asked, str) else tuple(asked or ())
            else:
                made[part] = asked
        reasons = {**self.reasons, **dict.fromkeys(changes, "you chose it")}
        return replace(self, **made, reasons=reasons)  # type: ignore[arg-type]

    def check(self, names: Iterable[str]) -> None:
        """Nothing, when every column exists and none plays two parts that exclude each other.

        Raises:
            UnknownNameError: for a column that the table lacks.
            SettingError: for a vector column that is label, id, text or split too, or x without y.
        """
        names = list(names)
        for name in self.used():
            if name not in names:
                raise UnknownNameError("column", name, names)
        for part in ("label", "id", "text", "split"):  # pixels may be both vector and image
            if getattr(self, part) in self.vector:
                raise SettingError(f"Column {getattr(self, part)!r} is both vector and {part}: choose one of them.")
        if (self.x is None) != (self.y is None):
            raise SettingError("Positions need both x and y: name two columns, or neither.")


def chosen(proposed: Mapping, asked: Mapping | Named[str, str | Iterable[str] | None] | None) -> Mapping:
    """The mapping that counts: what a person asked for, and the proposal for the rest.

    Args:
        proposed: by `propose`.
        asked: a whole `Mapping` (only an empty `vector` is filled in from the proposal), a dictionary of the parts
            to change, or None.

    Example:
        >>> chosen(Mapping(vector=("v",), label="a"), {"label": "b"}).label
        'b'
    """
    if asked is None:
        return proposed
    if isinstance(asked, Mapping):
        parts = {one.name: getattr(asked, one.name) for one in fields(asked) if one.name in PARTS}
        if not asked.vector:
            parts.pop("vector")
        return proposed.with_changes(parts)
    made = proposed.with_changes(asked)
    # A column that a person gives a part is taken from the part it was proposed for.
    taken = {name for part, value in asked.items() for name in ([value] if isinstance(value, str) else value or ())}
    freed: dict[str, None] = {
        part: None
        for part in PARTS[1:]
        if part not in asked and getattr(made, part) in taken and part not in ("x", "y")
    }
    made = replace(made, **freed) if freed else made  # type: ignore[arg-type]
    if "vector" not in asked:
        made = replace(made, vector=tuple(name for name in made.vector if name not in taken))
    return made


def propose(look: TableLook) -> Mapping:
    """The likeliest mapping of a table, each choice with its reason and its alternatives.

    The vector is one list or array column; else the largest block of 8 or more numeric columns with numbered names
    (`emb_0` ..., `0` ...); else all numeric columns that play no other part, with a warning. A label is a named column
    (label, class, ...) or text with 2 ... rows/3 values; an id is unique; a text has more than 20 letters on average.

    Example:
        >>> table = TableLook(
        ...     rows=9,
        ...     columns=(
        ...         ColumnLook("kind", "text", filled=9, distinct=3),
        ...         ColumnLook("embedding", "list", filled=9, width=64),
        ...     ),
        ... )
        >>> found = propose(table)
        >>> found.vector, found.label, found.reasons["vector"]
        (('embedding',), 'kind', "column 'embedding' holds a list of 64 numbers in each row")
    """
    reasons: dict[str, str] = {}
    others: dict[str, tuple[str, ...]] = {}
    warnings: list[str] = []

    wide = sorted(
        (one for one in look.columns if one.kind in ("list", "array") and one.width != 1),
        key=lambda one: (bool(one.image), -_named(one.name, VECTOR_NAMES), -one.width),
    )
    pixels = [one for one in wide if one.image]
    wide = [one for one in wide if not one.image] or wide[:1]
    groups = [] if wide else _blocks(look)
    settled: set[str | None] = {*(groups[0] if groups else ()), *(one.name for one in [*wide, *pixels])}
    free = [one for one in look.columns if one.name not in settled]

    x, y = _positions(free)
    taken = settled | {x, y} - {None}
    loose = not wide and not groups
    label = _label(free, look, taken, loose, reasons, others, warnings)
    split = _split(free, taken | {label}, reasons, others)
    image = _image([*pixels, *free], {label, split, x, y}, reasons, others)
    identity = _identity(free, look, taken | {label, split, image}, reasons, others, warnings)
    text = _text(free, taken | {label, split, image, identity}, reasons, others)

    playing = {label, split, image, identity, text}
    numeric = [one for one in free if one.kind in ("float", "whole") and one.name not in playing]
    if wide:
        vector: tuple[str, ...] = (wide[0].name,)
        width = f"{wide[0].width:,} numbers" if wide[0].width else "numbers"
        what = "array" if wide[0].kind == "array" else "list"
        reasons["vector"] = f"column {wide[0].name!r} holds a list of {width} in each row"
        if what == "array":
            reasons["vector"] = f"array {wide[0].name!r} has {width} for each row"
        others["vector"] = tuple(one.name for one in wide[1:])
        if len(wide) > 1:
            warnings.append(
                f"Several columns could be the vector; {wide[0].name!r} is taken, and not "
                f"{listed([repr(one.name) for one in wide[1:]], most=3)}."
            )
    elif groups:
        vector = groups[0]
        reasons["vector"] = f"{len(vector):,} columns have numbered names, {vector[0]!r} to {vector[-1]!r}"
        others["vector"] = tuple(name for group in groups[1:] for name in group)
        if groups[1:]:
            warnings.append(
                f"Several blocks of columns could be the vector; {vector[0]!r} to {vector[-1]!r} is taken, and not "
                f"{listed([f'{group[0]!r} to {group[-1]!r}' for group in groups[1:]], most=3)}."
            )
    else:
        counting = [one.name for one in numeric if one.counts or not one.name]
        if x is not None and not [one for one in numeric if one.name not in (x, y, *counting)]:
            x = y = None  # two numbers are all there is: they are the vector
        remaining = [one.name for one in numeric if one.name not in (x, y, *counting)]
        vector = tuple(remaining)
        if remaining:
            reasons["vector"] = (
                "no column holds lists and no block has numbered names, so all numeric columns are taken"
            )
            what = "The only numeric column is" if len(vector) == 1 else f"All {len(vector):,} numeric columns are"
            warnings.append(
                f"{what} taken as the vector ({listed(map(repr, vector), most=6)}), because no column "
                "holds lists and no block has numbered names; standardise them if their units differ."
            )
        else:
            reasons["vector"] = "no column holds numbers that could be a vector"
        for one in free:
            if one.odd and one.name not in playing:
                warnings.append(
                    f"Column {one.name!r} is no part of the vector, because it holds {one.odd!r} among numbers: "
                    "correct that cell."
                )
        for name in counting:
            shown = f"Column {name!r}" if name else "The column without a name"
            warnings.append(f"{shown} only counts the rows and is not part of the vector.")
    if x is not None and y is not None:
        reasons["x"] = reasons["y"] = f"columns {x!r} and {y!r} are a pair of positions"
    return Mapping(vector, label, identity, text, image, split, x, y, reasons, others, tuple(warnings))


def _plain(name: str) -> str:
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def _named(name: str, known: Iterable[str]) -> int:
    """How well a name fits: 2 it is one of them, 1 it has one as a word, 0 not at all."""
    plain = _plain(name)
    if plain in known:
        return 2
    return int(any(word in known for word in re.split(r"[_/:]+", plain)))


def _rank(name: str, known: tuple[str, ...]) -> tuple[int, int]:
    """Sort key: exact names first, in the order of the list, then names with such a word."""
    plain = _plain(name)
    if plain in known:
        return (0, known.index(plain))
    return (1, 0) if _named(name, known) else (2, 0)


def _blocks(look: TableLook) -> list[tuple[str, ...]]:
    """Numeric columns whose names differ by a number only: largest block first, each in the order of its numbers."""
    groups: dict[str, list[tuple[tuple[int, ...], str]]] = {}
    numeric = {one.name for one in look.columns if one.kind in ("float", "whole")}
    for one in look.columns:
        numbers = tuple(int(found) for found in re.findall(r"[0-9]+", one.name))
        if not numbers or (one.name not in numeric and one.kind not in ("text", "empty")):
            continue
        pattern = re.sub(r"[0-9]+", "#", one.name)
        if pattern != "#x#" and not re.match(r"(?i)(pixel|px)", pattern):
            # layer1_0 and layer2_0 are two blocks; 1x1 and 2x1 are places of one grid.
            head, _, tail = one.name.rpartition(str(re.findall(r"[0-9]+", one.name)[-1]))
            pattern, numbers = f"{head}#{tail}", numbers[-1:]
        groups.setdefault(pattern, []).append((numbers, one.name))
    found = []
    for pattern, members in groups.items():
        least = 2 if _named(pattern.replace("#", ""), VECTOR_NAMES) or _vector_prefix(pattern) else MIN_BLOCK
        reduced = len(members) == 2 and _named(pattern.replace("#", ""), REDUCED_NAMES)
        # A block keeps a column with a broken cell, so that the cell is named and no dimension goes missing.
        fitting = sum(name in numeric for _, name in members)
        if fitting < least or 2 * fitting <= len(members):
            continue
        if len({numbers for numbers, _ in members}) == len(members) and not reduced:
            found.append(tuple(name for _, name in sorted(members)))
    return sorted(found, key=len, reverse=True)


def _vector_prefix(pattern: str) -> bool:
    return re.sub(r"[^a-z]", "", pattern.lower()) in VECTOR_NAMES


def _positions(columns: list[ColumnLook]) -> tuple[str | None, str | None]:
    numeric = {one.name: one for one in columns if one.kind in ("float", "whole")}
    for name in numeric:
        if re.fullmatch(r"(?i)(.*[^a-z])?x", name):
            other = name[:-1] + ("y" if name[-1] == "x" else "Y")
            if other in numeric:
                return name, other
    for name in numeric:
        if (found := re.fullmatch(r"(?i)(.*?)([01])", name)) and _named(found[1].strip("_- "), REDUCED_NAMES):
            other = found[1] + str(int(found[2]) + 1)
            if other in numeric:
                return name, other
    return None, None


def _label(
    columns: list[ColumnLook],
    look: TableLook,
    taken: set[str | None],
    loose: bool,
    reasons: dict[str, str],
    others: dict[str, tuple[str, ...]],
    warnings: list[str],
) -> str | None:
    plain = [one for one in columns if one.kind in ("text", "whole", "yes-no", "float") and one.name not in taken]
    named = [one for one in plain if _rank(one.name, LABEL_NAMES)[0] == 0 and one.filled]
    few = [one for one in plain if 2 <= one.distinct <= look.rows / 3 and not one.image]
    named = [one for one in named if one.kind != "float" or one in few or all(map(_is_whole, one.values))]
    named.sort(key=lambda one: _rank(one.name, LABEL_NAMES))
    likely = [one for one in few if one.kind == "text" and not one.odd and not _is_split(one)]
    likely.sort(key=lambda one: _rank(one.name, LABEL_NAMES)[0])
    if not loose:  # where the vector is settled, numbers with few values are no features
        likely += [one for one in few if one.kind in ("whole", "yes-no") and not _is_split(one)]
    ordered = list(dict.fromkeys([*named, *likely, *(one for one in few if one.kind != "float")]))
    others["label"] = tuple(one.name for one in ordered)
    if named or likely:
        first = (named or likely)[0]
        others["label"] = tuple(one.name for one in ordered if one is not first)
        values = "1 value" if first.distinct == 1 else f"{first.distinct:,} different values"
        reasons["label"] = (
            f"the column is called {first.name!r} and has {values}"
            if named
            else f"column {first.name!r} has {values} in {look.rows:,} rows"
        )
        return first.name
    reasons["label"] = f"no column is called label, class or the like, or has between 2 and {look.rows // 3:,} values"
    return None


def _is_whole(value: str) -> bool:
    """Whether a text such as 7, 007 or 7.0 stands for a whole number."""
    return bool(re.fullmatch(r"[+-]?[0-9]+(\.0*)?", value))


def _is_split(one: ColumnLook) -> bool:
    if not 1 <= one.distinct <= 10 or one.kind not in ("text", "whole", "yes-no"):
        return False
    values = {value.lower() for value in one.values}
    return _rank(one.name, SPLIT_NAMES)[0] == 0 or bool(values and values <= SPLIT_VALUES)


def _split(
    columns: list[ColumnLook], taken: set[str | None], reasons: dict[str, str], others: dict[str, tuple[str, ...]]
) -> str | None:
    found = [one for one in columns if one.name not in taken and _is_split(one)]
    found.sort(key=lambda one: _rank(one.name, SPLIT_NAMES))
    if not found:
        return None
    reasons["split"] = f"column {found[0].name!r} holds {listed(found[0].values, most=4)}"
    others["split"] = tuple(one.name for one in found[1:])
    return found[0].name


def _image(
    columns: list[ColumnLook], taken: set[str | None], reasons: dict[str, str], others: dict[str, tuple[str, ...]]
) -> str | None:
    found = [one for one in columns if one.name not in taken and one.image]
    found.sort(key=lambda one: (_rank(one.name, IMAGE_NAMES), one.image == "picture paths"))
    if not found:
        return None
    reasons["image"] = f"column {found[0].name!r} holds {found[0].image}"
    others["image"] = tuple(one.name for one in found[1:])
    return found[0].name


def _identity(
    columns: list[ColumnLook],
    look: TableLook,
    taken: set[str | None],
    reasons: dict[str, str],
    others: dict[str, tuple[str, ...]],
    warnings: list[str],
) -> str | None:
    plain = [one for one in columns if one.kind in ("text", "whole") and one.name not in taken]
    unique = [one for one in plain if one.filled == one.distinct == look.rows > 0]
    called = [one for one in unique if _id_rank(one.name) < 9]
    called.sort(key=lambda one: _id_rank(one.name))
    words = [one for one in unique if one.kind == "text" and one.mean_length <= WORD_LIKE_ID and not one.spaced]
    words = [one for one in words if _rank(one.name, TEXT_NAMES)[0] == 2 and not one.odd]
    ordered = list(dict.fromkeys([*called, *words]))
    for one in plain:
        if _id_rank(one.name) == 0 and one not in unique:
            what = "has empty cells" if one.filled < look.rows else "has values that occur twice"
            warnings.append(
                f"Column {one.name!r} {what}, so it is not taken as id, and rows are known by their number."
            )
    if not ordered:
        reasons["id"] = "no column of words is different in every row, so rows are known by their number"
        return None
    first = ordered[0]
    reasons["id"] = f"column {first.name!r} is different in every row" + (" and called so" if first in called else "")
    others["id"] = tuple(one.name for one in ordered[1:])
    return first.name


def _id_rank(name: str) -> int:
    plain = _plain(name)
    if plain in ("id", "ids"):
        return 0
    if plain in ID_NAMES:
        return 1
    return 2 if re.search(r"(?i)(^|[^a-z])(id|uuid|key)$", plain) or re.search(r"[a-z]I[dD]$", name) else 9


def _text(
    columns: list[ColumnLook], taken: set[str | None], reasons: dict[str, str], others: dict[str, tuple[str, ...]]
) -> str | None:
    plain = [one for one in columns if one.kind == "text" and one.name not in taken and not (one.image or one.odd)]
    plain += [one for one in columns if one.kind in ("whole", "float") and _rank(one.name, ("text",))[0] == 0]
    found = [one for one in plain if one.mean_length > LONG_TEXT or _rank(one.name, TEXT_NAMES)[0] == 0]
    found.sort(key=lambda one: (_rank(one.name, TEXT_NAMES), -one.mean_length))
    if not found:
        return None
    reasons["text"] = f"column {found[0].name!r} holds {found[0].mean_length:.0f} letters on average"
    if _rank(found[0].name, TEXT_NAMES)[0] == 0:
        reasons["text"] = f"the column is called {found[0].name!r}"
    others["text"] = tuple(one.name for one in found[1:])
    return found[0].name
