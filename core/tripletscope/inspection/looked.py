"""What findings mean for mining: which rows stay out, and which flags the others carry. From a set, or from a file."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import DataError, UnknownNameError
from tripletscope.inspection.evidence import Evidence, counted
from tripletscope.inspection.inspector import LARGEST, sampled
from tripletscope.mining.pairs import MOST_ROWS


@dataclass(frozen=True)
class Looked:
    """What the findings say of a set's rows.

    Attributes:
        flags: (N,) names of the findings that concern a row, joined by ";".
        rows: places of the rows that mining should leave out, rising.
        note: how many, and of how many rows looked at; for a person.
        kept: checks whose rows stay in, though they would be left out.
    """

    flags: list[str]
    rows: Int64[np.ndarray, " E"]
    note: str
    kept: tuple[str, ...] = ()


def looked(opened: EmbeddingSet, told: Mapping[str, Any], *, keep: Collection[str] = ()) -> Looked:
    """What these findings mean for the set.

    Args:
        opened: the set they were found in.
        told: as `Inspection.to_dict` gives them.
        keep: checks whose rows are not left out; they keep their flags.

    Raises:
        UnknownNameError: `keep` names no check.
        DataError: the findings name an id that the set lacks.

    Example:
        >>> from tripletscope.inspection import inspect
        >>> points = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 3]] + np.float32(0)
        >>> seen = inspect(points, ["a", "a", "a", "b", "b", "b"])
        >>> found = looked(seen.set, seen.to_dict())
        >>> found.rows.tolist(), found.flags[0], looked(seen.set, seen.to_dict(), keep=["exact-duplicates"]).rows
        ([1, 2, 3], '', array([2, 3]))
    """
    from tripletscope.inspection.check import CHECKS

    names = CHECKS.names()
    for one in keep:
        if one not in names:
            raise UnknownNameError("check", one, names)
    place = {one: row for row, one in enumerate(opened.ids.tolist())}

    def row_of(one: Any) -> int:
        if one not in place:
            raise DataError(f"The findings name the id {one!r}, which no row of {opened.name} has: look again.")
        return place[one]

    by_check = {finding["check"]: finding for finding in told["findings"]}
    flags: dict[int, list[str]] = {}
    rows: set[int] = set()
    reasons = []
    # Flags stand in the order of the checks; checks of another installation come last.
    for name in sorted(by_check, key=lambda name: names.index(name) if name in names else len(names)):
        for concerned in by_check[name]["rows"]:
            flags.setdefault(row_of(concerned["id"]), []).append(name)
    for finding in told["findings"]:
        out = {row_of(one) for one in finding["excluded"]}
        if out and finding["check"] not in keep:
            rows |= out
            reasons.append(f"{len(out):,} {finding['check']}")
    used = int(told["rows_used"])
    some = "" if used == len(opened) else f" of the {used:,} that were looked at"
    why = f" ({', '.join(reasons)})" if reasons else ""
    kept = tuple(name for name in names if name in keep)
    stay = f"; what {', '.join(kept)} found stays in" if kept else ""
    note = f"The findings would leave out {counted(len(rows), 'row', 'rows')}{some}{why}{stay}; see --flagged."
    joined = [""] * len(opened)
    for row, found in flags.items():
        joined[row] = ";".join(found)
    return Looked(joined, np.array(sorted(rows), dtype=np.int64), note, kept)


def left_out(
    opened: EmbeddingSet,
    told: Mapping[str, Any],
    *,
    keep: Collection[str] = (),
    further: Int64[np.ndarray, " F"] | None = None,
) -> Int64[np.ndarray, " E"]:
    """Places that mining should leave out, rising: by these findings but for `keep`, and `further` ones.

    Raises:
        UnknownNameError, DataError: as `looked`.
    """
    return np.union1d(looked(opened, told, keep=keep).rows, [] if further is None else further).astype(np.int64)


def read_findings(path: str | os.PathLike[str], opened: EmbeddingSet, distance: str) -> dict[str, Any]:
    """The findings in a file that `tripletscope inspect --out x.json` wrote of this very set.

    Raises:
        DataError: no such file, no findings in it, or findings of other content or in another distance.
    """
    place = Path(path)
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(
            f"{str(place)!r} cannot be read as findings ({problem}): write it by `inspect --out`."
        ) from None
    wanted = {"findings": list, "digest": str, "distance": str, "rows_used": int}
    if not isinstance(told, dict) or any(not isinstance(told.get(key), kind) for key, kind in wanted.items()):
        raise DataError(f"{place.name!r} holds no findings: write it by `tripletscope inspect --out findings.json`.")
    if told["digest"] != opened.digest:
        raise DataError(
            f"The findings in {place.name!r} are of other content than {opened.name}: look again with "
            "`tripletscope inspect`, with the same columns."
        )
    if told["distance"] != distance:
        raise DataError(
            f"The findings in {place.name!r} are for the {told['distance']} distance, and this is mined in "
            f"{distance}: look again in that."
        )
    try:
        for finding in told["findings"]:
            _ = finding["check"] + "", [one["id"] for one in finding["rows"]], list(finding["excluded"])
    except (KeyError, TypeError):
        raise DataError(f"{place.name!r} holds findings of another form: write it anew by `inspect --out`.") from None
    return told


@dataclass(frozen=True)
class DuplicatePairs:
    """Rows that are all but the same, as anchors and positives.

    Attributes:
        pairs: (anchor id, positive id), each pair both ways, by place.
        note: how many, and what counts as the same; for a person.
    """

    pairs: list[tuple[str, str]]
    note: str


def duplicate_pairs(
    opened: EmbeddingSet, *, distance: str = "cosine", largest: int = LARGEST, seed: int = 0
) -> DuplicatePairs:
    """Anchors and positives for a set without labels: what the near-duplicates check takes for the same, both ways.

    Copies, number for number, count too. Rows that a chain of pairs joins are never negatives of one another.

    Args:
        opened: the set; its labels play no part.
        distance: by name.
        largest: of a larger set so many rows are looked at.
        seed: of that draw.

    Raises:
        DataError: no two rows are all but the same.
        UnknownNameError: for a distance that does not exist.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> points = rng.normal(size=(80, 4)).astype(np.float32)
        >>> points[7] = points[3]
        >>> found = duplicate_pairs(EmbeddingSet(
        ...     name="heap", vectors=points, ids=np.arange(80), labels=np.full(80, -1), class_names=[]),
        ...     distance="euclidean")
        >>> found.pairs
        [('3', '7'), ('7', '3')]
    """
    part = sampled(opened, largest, seed)
    seen = Evidence(part, distance)
    pairs, _ = seen.near_pairs
    if not len(pairs):
        raise DataError(
            f"No two rows of {opened.name} are all but the same ({seen.near_words}), so there are no positives: give "
            "pairs in a file, or name a column of labels."
        )
    both = np.concatenate([pairs, pairs[:, ::-1]])[: MOST_ROWS + 1]
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    ids = [str(one) for one in part.ids.tolist()]
    some = "" if len(part) == len(opened) else f" among {len(part):,} of {len(opened):,} rows, drawn by seed"
    return DuplicatePairs(
        [(ids[one], ids[other]) for one, other in both.tolist()],
        f"{counted(len(pairs), 'pair', 'pairs')} of near-duplicates{some} are taken for positives; {seen.near_words}.",
    )
