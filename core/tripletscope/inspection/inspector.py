"""All checks over one set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from tripletscope.embeddings.embedding_set import Dropped, EmbeddingSet
from tripletscope.errors import DataError
from tripletscope.inspection.check import CHECKS
from tripletscope.inspection.evidence import Evidence, NotApplicable
from tripletscope.inspection.finding import SEVERITIES, Finding, plain
from tripletscope.inspection.health import Health, health_of

#: Of larger sets so many rows are looked at, drawn by seed: every row is compared with every other.
LARGEST = 60_000


@dataclass(frozen=True)
class Inspection:
    """What was found in a set.

    Attributes:
        set: the rows looked at.
        health: the set in numbers.
        findings: the most serious first, then in the order of the checks.
        checked: every check by name: how many it found, "none", or why it could not be made ("no split column").
        digest: of the whole set, from which `set` may be a draw.
    """

    set: EmbeddingSet
    health: Health
    findings: tuple[Finding, ...]
    checked: Mapping[str, str]
    digest: str = ""

    @cached_property
    def flags(self) -> dict[str | int, str]:
        """Id -> names of the findings that concern it, joined by ";", in the order of the checks; only rows with one.

        This is the `flags` column of the triplet CSV.
        """
        places = {name: place for place, name in enumerate(CHECKS.names())}
        names: dict[int, list[str]] = {}
        for finding in sorted(self.findings, key=lambda one: places[one.check]):
            for row in finding.rows.tolist():
                names.setdefault(row, []).append(finding.check)
        return {self.set.id_of(row): ";".join(names[row]) for row in sorted(names)}

    @cached_property
    def excluded_rows(self) -> Int64[np.ndarray, " E"]:
        """Places of the rows that mining should leave out."""
        parts = [finding.exclude for finding in self.findings]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))

    @property
    def excluded(self) -> list[str | int]:
        """Ids of the rows that mining should leave out, in the order of the set."""
        return [self.set.id_of(int(row)) for row in self.excluded_rows]

    @property
    def excluded_mask(self) -> Bool[np.ndarray, " N"]:
        """For each row of the set whether mining should leave it out."""
        mask = np.zeros(len(self.set), bool)
        mask[self.excluded_rows] = True
        return mask

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the health, then `findings` with ids, and `checked`."""
        return {
            **self.health.to_dict(),
            "digest": self.digest or self.set.digest,
            "findings": [self._told(finding) for finding in self.findings],
            "checked": dict(self.checked),
            "excluded": self.excluded,
        }

    def _told(self, finding: Finding) -> dict[str, Any]:
        def name(row: int) -> str | int | None:
            return self.set.id_of(row) if row >= 0 else None

        return {
            **finding.words,
            "numbers": {key: plain(value) for key, value in finding.numbers.items()},
            "examples": [
                {"id": name(one.row), "other_id": name(one.other), "text": one.text} for one in finding.examples
            ],
            "score_means": finding.score_means,
            "rows": [
                {"id": name(row), "other_id": name(other), "score": plain(score)}
                for row, other, score in zip(
                    finding.rows.tolist(), finding.others.tolist(), finding.scores.tolist(), strict=True
                )
            ],
            "excluded": [name(row) for row in finding.exclude.tolist()],
        }


def inspect_set(
    given: EmbeddingSet,
    *,
    distance: str = "cosine",
    largest: int = LARGEST,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """What is found in a set.

    Args:
        given: as `open_embeddings` gives it.
        distance: "euclidean", "squared-euclidean" or "cosine": that of the training to come.
        largest: of a larger set so many rows are looked at.
        seed: of that draw.
        progress: called as progress(rows searched, rows); what it raises ends the search.

    Raises:
        UnknownNameError: for any other distance.
        DataError: for a set without rows.
    """
    if not len(given) or not given.dim:
        raise DataError(f"{given.name} has no embedding to look at: give at least one row of numbers.")
    digest, sampled_from = given.digest, len(given) if len(given) > largest else None
    given = sampled(given, largest, seed)
    seen = Evidence(given, distance, progress=progress)
    findings: list[Finding] = []
    checked: dict[str, str] = {}
    for check in CHECKS:
        try:
            found = check(seen)
        except NotApplicable as missing:
            checked[check.name] = f"could not be checked: {missing}"
            continue
        checked[check.name] = "none" if found is None else f"{found.count:,} {found.unit}"
        if found is not None:
            findings.append(found)
    findings.sort(key=lambda one: SEVERITIES.index(one.severity))
    return Inspection(given, health_of(seen, sampled_from=sampled_from), tuple(findings), checked, digest)


def sampled(given: EmbeddingSet, largest: int, seed: int) -> EmbeddingSet:
    """The set, or of a larger one so many rows, drawn by seed, in their order."""
    if len(given) <= largest:
        return given
    return given.take(np.sort(np.random.default_rng(seed).choice(len(given), largest, replace=False)))


def inspect(
    embeddings: Any,
    labels: Any = None,
    ids: Any = None,
    *,
    distance: str = "cosine",
    texts: Any = None,
    splits: Any = None,
    name: str = "embeddings",
    largest: int = LARGEST,
    seed: int = 0,
) -> Inspection:
    """What is found in embeddings: a health strip and findings, each with its rows in ranked order.

    Args:
        embeddings: (N, D) numbers, an array or a torch tensor. Rows that are not finite are left out and listed.
        labels: one class per row: numbers or texts; None where a row has none. Without labels only what needs none
            is checked.
        ids: one per row, unique; without them the row numbers.
        distance: "euclidean", "squared-euclidean" or "cosine": that of the training to come.
        texts: one per row, shown beside the examples.
        splits: one per row, such as "train" and "test"; rows that stand in two of them are found.
        name: of the set, for the report.
        largest: of a larger set so many rows are looked at, drawn by `seed`, and said.
        seed: of that draw.

    Returns:
        `.health`, `.findings`, `.flags` (id -> names of findings), `.excluded` (ids that mining should leave out).

    Raises:
        DataError: for numbers of another shape, lengths that differ, or ids that occur twice.
        UnknownNameError: for any other distance.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> points = rng.normal(size=(90, 8)) + 4 * np.repeat(np.eye(8)[:3], 30, axis=0)
        >>> points[70] = points[5]
        >>> found = inspect(points, ["a"] * 30 + ["b"] * 30 + ["c"] * 30)
        >>> found.findings[0].title, found.findings[0].rows.tolist()
        ('Near-duplicates across classes', [5, 70])
    """
    if hasattr(embeddings, "detach"):  # a tensor, on whatever device
        embeddings = embeddings.detach().cpu().float().numpy()
    try:
        vectors = np.asarray(embeddings)
        if vectors.dtype.kind not in "fiub":
            raise ValueError(f"they are {vectors.dtype}")
    except ValueError as problem:
        raise DataError(
            f"The embeddings are no table of numbers ({problem}): give one row of D numbers each."
        ) from None
    if vectors.ndim != 2:
        shape = " x ".join(map(str, vectors.shape))
        raise DataError(f"The embeddings have shape {shape or 'of one number'}: give N rows of D numbers.")
    for what, column in (("labels", labels), ("ids", ids), ("texts", texts), ("splits", splits)):
        if column is not None:
            _check_column(what, column, len(vectors))
    with np.errstate(over="ignore"):
        single = vectors if vectors.dtype == np.float16 else vectors.astype(np.float32)
    finite = np.isfinite(single).all(axis=1)
    dropped = tuple(
        Dropped(int(row), "holds NaN" if np.isnan(vectors[row]).any() else "holds a number beyond float32")
        for row in np.flatnonzero(~finite)
    )
    codes, names = _encoded(labels, len(vectors))
    split_codes, split_names = _encoded(splits, len(vectors))
    kept = np.flatnonzero(finite)
    return inspect_set(
        EmbeddingSet(
            name=name,
            vectors=np.ascontiguousarray(single[kept]),
            ids=_ids(ids, len(vectors))[kept],
            labels=codes[kept],
            class_names=names,
            texts=None if texts is None else [str(texts[int(row)]) for row in kept],
            splits=None if splits is None else split_codes[kept],
            split_names=split_names,
            dropped=dropped,
            rows=kept,
        ),
        distance=distance,
        largest=largest,
        seed=seed,
    )


def _check_column(what: str, column: Any, count: int) -> None:
    try:
        shape = tuple(getattr(column, "shape", None) or (len(column),))
    except TypeError:
        raise DataError(f"The {what} are one value ({column!r}): give one for each of {count:,} embeddings.") from None
    if len(shape) > 1 or isinstance(column, str | bytes):
        raise DataError(f"The {what} are no plain list: give one for each of {count:,} embeddings.")
    if shape[0] != count:
        raise DataError(f"There are {count:,} embeddings but {shape[0]:,} {what}: give one for each.")
    odd = next((one for one in column if isinstance(one, list | tuple | dict | set | np.ndarray)), None)
    if odd is not None:
        raise DataError(f"The {what} hold {odd!r}, which is no single value: give one number or text for each row.")


def _ids(ids: Any, count: int) -> np.ndarray:
    if ids is None:
        return np.arange(count)
    held = np.asarray(ids.detach().cpu() if hasattr(ids, "detach") else ids)
    return held if held.dtype.kind in "iu" else np.array([str(one) for one in ids], dtype=object)


def _encoded(column: Any, count: int) -> tuple[np.ndarray, list[str]]:
    """(places in the names, the names in sorted order); None and NaN are no label."""
    if column is None:
        return np.full(count, -1, np.int32), []
    if hasattr(column, "detach"):
        column = column.detach().cpu().numpy()
    cells = [None if one is None or one != one else one for one in np.asarray(column, dtype=object).tolist()]
    values = {one for one in cells if one is not None}
    if all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in values):
        order: list[Any] = sorted(values)
    else:
        order = sorted(values, key=lambda one: (str(one), type(one).__name__))
    names: list[str] = []
    places: dict[str, int] = {}
    for one in order:
        if str(one) not in places:
            places[str(one)] = len(names)
            names.append(str(one))
    return np.array([-1 if one is None else places[str(one)] for one in cells], np.int32), names
