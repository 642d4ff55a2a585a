"""What is wrong with a set: the health strip, the findings with their examples, and all rows of one finding."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from tripletscope_app.desk.held import Held, Tell, question
from tripletscope_app.desk.pictures import thumbnail

if TYPE_CHECKING:
    from tripletscope.inspection.inspector import Inspection

#: Letters of a text, and of an id or class, that a card shows.
TEXT, NAME = 160, 60
#: Dropped rows that are listed; the others are counted.
LISTED = 2000


def inspection_of(held: Held, distance: str, tell: Tell | None = None) -> Inspection:
    """The findings over the set in that distance, worked out once however many ask."""
    from tripletscope.inspection.inspector import inspect_set

    given = held.opened()
    return held.kept(("inspection", distance), lambda: inspect_set(given, distance=distance, progress=tell))


def places_of(held: Held, seen: Inspection) -> Int64[np.ndarray, " M"]:
    """Where the rows that were looked at stand in the whole set: all of them, or those of the draw."""
    given = held.opened()
    if len(seen.set) == len(given):
        return np.arange(len(given))

    def found() -> Int64[np.ndarray, " M"]:
        place = {one: row for row, one in enumerate(given.ids.tolist())}
        return np.array([place[one] for one in seen.set.ids.tolist()], dtype=np.int64)

    return held.kept(("places", len(seen.set)), found)


@question
def inspection(held: Held, tell: Tell, *, distance: str) -> dict[str, Any]:
    """`health`, `findings` with examples and places, `checked`, and how many rows were looked at.

    Places are those of the whole set, also where only a draw of it was looked at.
    """
    from tripletscope.inspection.check import CHECKS

    seen = inspection_of(held, distance, tell)
    places = places_of(held, seen)
    told = seen.health.to_dict()
    told["rows_dropped"] = told["rows_dropped"][:LISTED]
    found = {finding.check for finding in seen.findings}
    return {
        "distance": distance,
        "health": told,
        "dropped_count": len(seen.health.dropped),
        "dropped_by_reason": seen.health.dropped_by_reason,
        "looked_at": len(seen.set),
        "findings": [
            {
                **finding.words,
                "score_means": finding.score_means,
                "rows": places[finding.rows].astype(np.int32),
                "exclude": places[finding.exclude].astype(np.int32),
                "examples": [
                    {"text": one.text, "sides": [_side(held, seen, row) for row in (one.row, one.other) if row >= 0]}
                    for one in finding.examples
                ],
            }
            for finding in seen.findings
        ],
        "unfound": [
            {
                "check": check.name,
                "title": check.title,
                "looks_for": check.looks_for,
                "words": seen.checked[check.name],
            }
            for check in CHECKS
            if check.name not in found
        ],
    }


def _side(held: Held, seen: Inspection, row: int) -> dict[str, Any]:
    """One row of an example: its place in the whole set, id, class, the beginning of its text, its picture."""
    given = seen.set
    picture = thumbnail(given, row)
    return {
        "row": int(places_of(held, seen)[row]),
        "id": _short(str(given.id_of(row)), NAME),
        "class": None if given.class_of(row) is None else _short(str(given.class_of(row)), NAME),
        "text": "" if given.texts is None else _short(given.texts[row], TEXT),
        "picture": None if picture is None else f"data:{picture[0]};base64,{base64.b64encode(picture[1]).decode()}",
    }


def _short(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "\u2026"


@question
def finding_rows(held: Held, tell: Tell, *, distance: str, check: str) -> dict[str, Any]:
    """All rows of a finding in ranked order, as columns for a table; `score_means` says what the score is.

    Raises:
        DataError: this check found nothing.
    """
    from tripletscope.errors import DataError

    seen = inspection_of(held, distance, tell)
    places = places_of(held, seen)
    finding = next((one for one in seen.findings if one.check == check), None)
    if finding is None:
        raise DataError("This check found nothing in the set.")
    given, others = seen.set, finding.others.tolist()
    rows = finding.rows.tolist()
    out = set(finding.exclude.tolist())
    columns: dict[str, Any] = {
        "place": places[finding.rows],
        "id": [given.id_of(row) for row in rows],
        "class": [given.class_of(row) for row in rows],
        "beside": [given.id_of(row) if row >= 0 else None for row in others],
        "class beside": [given.class_of(row) if row >= 0 else None for row in others],
        "score": finding.scores,
        "left out": [row in out for row in rows],
    }
    if given.texts is not None:
        columns["text"] = [_short(given.texts[row], 400) for row in rows]
    return {"title": finding.title, "score_means": finding.score_means, "columns": columns}


@question
def planted(held: Held, tell: Tell, *, distance: str) -> dict[str, Any]:
    """`words`: for each check that should find the planted faults of the bundled set, how many of them it found."""
    from tripletscope.inspection.planted import FOUND_BY, flawed_set, score

    truth = flawed_set()
    seen = inspection_of(held, distance, tell)
    if truth.set.digest != seen.set.digest:
        return {"words": {}}  # with other columns it is another set
    words = {}
    for fault, check in FOUND_BY.items():
        finding = next((one for one in seen.findings if one.check == check), None)
        if finding is None or not len(truth.truth.get(fault, ())):
            continue
        told = score(truth, fault, finding)
        more = told.found - told.right
        false = f", and {more:,} more {'is' if more == 1 else 'are'} not planted" if more else ""
        words[check] = f"Known here, because this is a sample: {told.right:,} of {told.planted:,} planted found{false}."
    return {"words": words}
