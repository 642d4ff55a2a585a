"""Reading a file, and making the set of it by the columns that a person chose."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tripletscope.embeddings.mapping import PARTS
from tripletscope.errors import TripletscopeError
from tripletscope_app.desk.held import Held, Tell, question


@question
def look(
    held: Held,
    tell: Tell,
    *,
    path: str,
    metadata: str | None = None,
    pictures: str | None = None,
    mapping: dict[str, Any] | None = None,
    limit: int | None = None,
    standardise: bool = False,
) -> dict[str, Any]:
    """What lies in the file: name, rows, columns, mapping, reasons, alternatives, warnings, notes, `set` or `refused`.

    The set is made at once by the proposal (with the changes in `mapping`); where that is refused, the columns are
    there all the same, so that a person can choose others. `standardise` gives each number of the vector mean 0 and
    deviation 1.
    """
    from tripletscope.embeddings.opening import look_into

    held.looked = held.set = None
    changes = {part: tuple(value) if isinstance(value, list) else value for part, value in (mapping or {}).items()}
    looked = look_into(path, metadata=metadata, pictures=pictures, mapping=changes or None, limit=limit)
    held.take(looked, None)
    chosen = looked.mapping(changes or None)
    told: dict[str, Any] = {
        "name": looked.name,
        "rows": looked.look.rows,
        "columns": [asdict(column) for column in looked.look.columns[:2000]],
        "column_count": len(looked.look.columns),
        "mapping": {part: getattr(chosen, part) for part in PARTS},
        "reasons": chosen.reasons,
        "alternatives": chosen.alternatives,
        "warnings": chosen.warnings,
        "notes": list(looked.table.notes),
    }
    try:
        made = looked.build(changes or None, standardise=standardise)
    except TripletscopeError as refusal:
        return {**told, "refused": str(refusal)}
    held.take(looked, made)
    return {**told, "set": facts(held)}


@question
def facts(held: Held, tell: Tell | None = None) -> dict[str, Any]:
    """What every panel needs to know of the set, small enough to keep: names of classes and columns, counts, notes."""
    made = held.opened()
    return {
        "name": made.name,
        "digest": made.digest,
        "rows": len(made),
        "dims": made.dim,
        "dtype": made.vectors.dtype.name,
        "class_names": made.class_names,
        "class_counts": made.class_counts(),
        "unlabelled": int((made.labels < 0).sum()),
        "has_texts": made.texts is not None,
        "has_pictures": made.pictures is not None,
        "has_positions": made.positions is not None,
        "split_names": made.split_names,
        "columns": {name: "number" if column.dtype.kind in "biuf" else "text" for name, column in made.columns.items()},
        "notes": list(made.notes),
        "dropped": [[one.row, one.reason] for one in made.dropped[:1000]],
        "dropped_count": len(made.dropped),
    }
