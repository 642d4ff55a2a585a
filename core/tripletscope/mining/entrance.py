"""What comes in at the door of whole-set mining: what is taken as it is, what is refused, and who takes part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tripletscope.errors import DataError, SettingError
from tripletscope.mining import filters as filter_names
from tripletscope.mining import pairs as positives


def opened(
    embeddings: Any, labels: Any, ids: Any, pairs: Any
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """(vectors, classes, class names, ids) of what a caller gave."""
    import pandas

    vectors = embeddings.detach().cpu().numpy() if hasattr(embeddings, "detach") else np.asarray(embeddings)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.shape[1]:
        raise DataError(
            f"The embeddings are {vectors.ndim}-dimensional of type {vectors.dtype} and shape {vectors.shape}; "
            "give one row of numbers for each sample, (N, D)."
        )
    classes, names = None, np.empty(0, dtype=object)
    if labels is None:
        if pairs is None:
            raise DataError("There are neither labels nor pairs: give one of them, so that there are positives.")
    else:
        given = labels.detach().cpu().numpy() if hasattr(labels, "detach") else labels
        column = pandas.Series(list(given), dtype=object)
        check_lengths(len(vectors), labels=column)
        classes, found = pandas.factorize(column)
        names = np.append(np.asarray(found, dtype=object), "")  # -1 finds the empty name
    if ids is None:
        numbers = np.arange(len(vectors))
    else:
        numbers = ids.detach().cpu().numpy() if hasattr(ids, "detach") else np.asarray(ids)
        if numbers.dtype.kind not in "iu":
            numbers = np.array([str(one) for one in ids], dtype=object)
    check_lengths(len(vectors), ids=numbers)
    return vectors, None if classes is None else np.asarray(classes), names, numbers


def check_lengths(rows: int, **columns: Any) -> None:
    """Nothing; a column of another length is refused."""
    for name, column in columns.items():
        if column is not None and len(column) != rows:
            raise DataError(f"There are {rows:,} embeddings and {len(column):,} {name}: give one for each row.")


def check_numbers(
    margin: float, per_anchor: int | str | None, negatives: int, per_negative: int | None, per_pair: int | None
) -> None:
    """Nothing; a number out of its range is refused."""
    if not (math.isfinite(margin) and margin > 0):
        raise SettingError(f"The margin is {margin}; it must be a number above 0, in the unit of the distance.")
    if isinstance(per_anchor, str) and per_anchor != "all":
        raise SettingError(f"positives_per_anchor is {per_anchor!r}; it must be a whole number from 1 on, or 'all'.")
    whole = {
        "positives_per_anchor": None if isinstance(per_anchor, str) else per_anchor,
        "negatives_per_anchor": negatives,
        "cap_per_negative": per_negative,
        "cap_per_pair": per_pair,
    }
    for name, value in whole.items():
        if value is not None and value < 1:
            raise SettingError(f"{name} is {value}; it must be a whole number from 1 on.")


def limits_of(filters: Mapping[str, float | None] | Sequence[str] | None) -> dict[str, float]:
    """Filter -> number, defaults filled in."""
    if isinstance(filters, str):
        filters = [filters]
    given = filters if isinstance(filters, Mapping) else dict.fromkeys(filters or ())
    limits = {}
    for one in filter_names.all():
        if one.name in given:
            value = given[one.name]
            limits[one.name] = one.default if value is None else float(value)
    for name in given:
        filter_names.get(name)
    filter_names.floors(limits, np.zeros(1, np.float32), "cosine")  # says what is out of range
    return limits


def rows_kept(rows: int, classes: np.ndarray | None, exclude: Any, notes: list[str]) -> np.ndarray:
    """Rows that take part, rising."""
    part = np.ones(rows, bool)
    if classes is not None and (bare := int((classes < 0).sum())):
        part &= classes >= 0
        notes.append(f"{bare:,} rows have no label and take no part.")
    if exclude is not None:
        out = np.asarray(exclude)
        if out.dtype == bool:
            check_lengths(rows, exclude=out)
            out = np.flatnonzero(out)
        elif out.size and (out.dtype.kind not in "iu" or int(out.min()) < 0 or int(out.max()) >= rows):
            raise DataError(f"exclude names rows that are not there: give numbers from 0 to {rows - 1}, or booleans.")
        if out.size:
            before = int(part.sum())
            part[out] = False
            notes.append(f"{before - int(part.sum()):,} rows were excluded.")
    return np.flatnonzero(part)


def order_of(ids: np.ndarray) -> np.ndarray:
    """The order of the ids.

    Raises:
        DataError: an id that comes twice.
    """
    order = np.argsort(ids, kind="stable")
    rising = ids[order]
    twice = np.flatnonzero(rising[1:] == rising[:-1])
    if twice.size:
        raise DataError(f"The id {rising[int(twice[0])]!r} comes twice: ids must tell rows apart.")
    return np.asarray(order)


def check_finite(vectors: np.ndarray, kept: np.ndarray, ids: np.ndarray) -> None:
    """Nothing.

    Raises:
        DataError: a row that takes part has a number that float32 does not hold.
    """
    rising = np.sort(kept)  # in the order of the file, which may lie on disk
    block = max(1, 2**20 // vectors.shape[1])
    for at in range(0, len(rising), block):
        with np.errstate(over="ignore"):
            good = np.isfinite(vectors[rising[at : at + block]].astype(np.float32, copy=False)).all(axis=1)
        if not good.all():
            row = int(rising[at + int(np.flatnonzero(~good)[0])])
            raise DataError(
                f"Row {row} of the embeddings (id {ids[row]!r}) has a number that is not finite, or too large for "
                "float32: mend it or exclude the row."
            )


def grouped(
    classes: np.ndarray | None, ids: np.ndarray, kept: np.ndarray, pairs: Any, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """(classes of the kept rows, anchors, positives); the last two are None where positives are chosen by class."""
    anchor = positive = None
    if pairs is not None:
        place = {str(one): at for at, one in enumerate(ids[kept].tolist())}
        known = {str(one) for one in ids.tolist()} if len(kept) < len(ids) else place.keys()
        found = []
        for number, (one, other) in enumerate(pairs, start=1):
            for end in (one, other):
                if str(end) not in known:
                    raise DataError(f"Pair {number} names the id {str(end)!r}, which no row has.")
            if str(one) in place and str(other) in place:
                found.append((place[str(one)], place[str(other)]))
        if len(found) < len(pairs):
            notes.append(f"{len(pairs) - len(found):,} pairs name a row that takes no part.")
        if not found:
            raise DataError("No pair is left to mine for: give pairs of rows that take part.")
        anchor, positive = (np.array(column, dtype=np.int64) for column in zip(*found, strict=True))
    if classes is not None:
        groups = np.asarray(classes)[kept].astype(np.int64)
        if anchor is not None and positive is not None and (apart := groups[anchor] != groups[positive]).any():
            one, other = (ids[kept[ends[int(np.flatnonzero(apart)[0])]]] for ends in (anchor, positive))
            raise DataError(f"The pair of {str(one)!r} and {str(other)!r} has two labels: mend one, or give no labels.")
    else:
        assert anchor is not None
        assert positive is not None
        groups = positives.components(len(kept), anchor, positive)
    # Numbered as they come in id order, so that nothing depends on the order of rows or on the names of classes.
    _, begin, groups = np.unique(groups, return_index=True, return_inverse=True)
    groups = np.argsort(np.argsort(begin))[groups]
    sizes = np.unique(groups, return_counts=True)[1]
    if len(sizes) < 2:
        what = "class" if classes is not None else "group of paired rows"
        raise DataError(f"All {len(kept):,} rows that take part are of one {what}: there is no negative to mine.")
    if anchor is None and int(sizes.max()) < 2:
        raise DataError(
            f"Each of the {len(kept):,} rows that take part has a label of its own, so no anchor has a positive: "
            "choose another label column, or give pairs."
        )
    if anchor is None and (single := int((sizes == 1).sum())):
        notes.append(f"{single:,} classes have one row, which can be a negative but no anchor.")
    return groups, anchor, positive
