"""What a check says of a set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int, Int64

Severity = Literal["problem", "warning", "note"]
#: Most serious first.
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note")
#: So many of the rows concerned are shown as examples.
EXAMPLES = 6


@dataclass(frozen=True)
class Example:
    """One case of a finding, for a card.

    Attributes:
        row: place in the set; -1 where the case is a class or the whole set.
        other: place of the row beside it; -1 where there is none.
        text: the numbers in words.
    """

    row: int
    other: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Something that a check found in a set.

    Attributes:
        check: name of the check.
        title: a few words for a list.
        severity: "problem" (mining would learn something wrong), "warning" (look before mining) or "note".
        count: how many cases, in `unit`.
        unit: "rows", "pairs", "classes", "hubs" ...; "set" for a finding on the whole set.
        evidence: one or two sentences with the numbers, and how many chance alone would give where that is known.
        why: why it matters for mining.
        remedy: what to do.
        rows: places concerned, most striking first, each once. Empty for a finding on the whole set.
        others: for each of them the row beside it; -1 where there is none.
        scores: for each of them how striking it is, larger first; `score_means` says in which unit.
        score_means: what the score is, such as "votes for the other class less votes for its own".
        exclude: places that mining should leave out; often fewer than `rows` (of two duplicates one may stay).
        examples: up to six.
        numbers: the numbers of the evidence by name, for scripts.
    """

    check: str
    title: str
    severity: Severity
    count: int
    unit: str
    evidence: str
    why: str
    remedy: str
    rows: Int64[np.ndarray, " M"]
    others: Int64[np.ndarray, " M"]
    scores: Float64[np.ndarray, " M"]
    score_means: str
    exclude: Int64[np.ndarray, " E"]
    examples: tuple[Example, ...]
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def words(self) -> dict[str, Any]:
        """What a card says of it, ready for JSON; rows and examples are named by whoever shows them."""
        names = ("check", "title", "severity", "count", "unit", "evidence", "why", "remedy")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def ranked(
        cls,
        *,
        rows: Int[np.ndarray, " M"],
        scores: np.ndarray,
        others: Int[np.ndarray, " M"] | None = None,
        exclude: Int[np.ndarray, " E"] | bool = False,
        **said: Any,
    ) -> Finding:
        """A finding whose rows are put in order: by score, the larger first, then by place.

        Args:
            rows: places, in any order.
            scores: one for each.
            others: one for each, or None.
            exclude: places to leave out of mining; True for all rows, False for none.
            said: the other attributes.
        """
        order = np.lexsort((rows, -np.asarray(scores, np.float64)))
        rows = np.asarray(rows, np.int64)[order]
        beside = np.full(len(rows), -1, np.int64) if others is None else np.asarray(others, np.int64)[order]
        if isinstance(exclude, bool):
            exclude = rows if exclude else rows[:0]
        return cls(
            rows=rows,
            others=beside,
            scores=np.asarray(scores, np.float64)[order],
            exclude=np.unique(np.asarray(exclude, np.int64)),
            **said,
        )


def plain(value: Any) -> Any:
    """The value as JSON has it: six significant digits, None for what is not finite.

    Example:
        >>> plain(np.float32(0.1)), plain(float("nan")), plain(np.int64(3)), plain(True)
        (0.1, None, 3, True)
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.6g}") if math.isfinite(value) else None
    return value
