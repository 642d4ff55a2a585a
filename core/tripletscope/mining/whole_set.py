"""`mine`: hard triplets of a whole set of embeddings, as a table that a trainer reads."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.mining import filters as filter_names
from tripletscope.mining import pairs as positives
from tripletscope.mining import picks
from tripletscope.mining.shard import DISTANCES, Report, Shard
from tripletscope.schema import TRIPLET_TEXTS, TRIPLETS
from tripletscope.zones import ZONES, zone_codes_numpy

if TYPE_CHECKING:
    import pandas

#: Up to so many rows an exact search is a matter of minutes; beyond it the time is said beforehand.
EXACT_UP_TO = 200_000


@dataclass(frozen=True)
class Mined:
    """Triplets by row of the set they were mined from, the highest loss first, then by ids.

    Attributes:
        anchor: (T,) int64 rows.
        positive: (T,) int64 rows.
        negative: (T,) int64 rows.
        d_ap: (T,) float32.
        d_an: (T,) float32.
        strategy: name.
        distance: name.
        margin: in the unit of the distance.
        settings: every option, and what was counted; ready for JSON.
        notes: what a person should know, one sentence each.
    """

    anchor: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    d_ap: np.ndarray
    d_an: np.ndarray
    strategy: str
    distance: str
    margin: float
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.anchor)

    @property
    def gap(self) -> np.ndarray:
        """(T,) float32, d(a,n) - d(a,p)."""
        return np.asarray(self.d_an - self.d_ap)

    @property
    def loss(self) -> np.ndarray:
        """(T,) float32, max(0, margin - gap)."""
        return np.maximum(np.float32(self.margin) - self.gap, np.float32(0))

    def columns(
        self,
        ids: np.ndarray,
        labels: np.ndarray,
        *,
        texts: Sequence[str] | None = None,
        flags: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """The columns of the triplet CSV, and the texts where there are some.

        Args:
            ids: (N,) of the set's rows.
            labels: (N,) names of their classes.
            texts: (N,) of the rows.
            flags: (N,) names of findings joined by `;`, "" for none.
        """
        slots = {"anchor": self.anchor, "positive": self.positive, "negative": self.negative}
        count = len(self)
        table: dict[str, np.ndarray] = {"rank": np.arange(1, count + 1)}
        table |= {f"{slot}_id": ids[rows] for slot, rows in slots.items()}
        table |= {f"{slot}_label": labels[rows] for slot, rows in slots.items()}
        table |= {"d_ap": self.d_ap, "d_an": self.d_an, "gap": self.gap, "loss": self.loss}
        table["zone"] = np.array(ZONES, dtype=object)[zone_codes_numpy(self.gap, self.margin)]
        table["strategy"] = np.full(count, self.strategy, dtype=object)
        table["distance"] = np.full(count, self.distance, dtype=object)
        table["margin"] = np.full(count, self.margin)
        table["flags"] = _joined_flags(flags, list(slots.values()))
        assert tuple(table) == TRIPLETS
        if texts is not None:
            words = np.array(texts, dtype=object)
            table |= {name: words[rows] for name, rows in zip(TRIPLET_TEXTS, slots.values(), strict=True)}
        return table


def mine(
    embeddings: Any,
    labels: Any,
    ids: Any = None,
    *,
    strategy: str,
    margin: float,
    distance: str = "cosine",
    positives_per_anchor: int | Literal["all"] | None = None,
    negatives_per_anchor: int = 1,
    cap_per_negative: int | None = None,
    cap_per_pair: int | None = None,
    exclude: Any = None,
    filters: Mapping[str, float | None] | Sequence[str] | None = None,
    pairs: Sequence[tuple[Any, Any]] | None = None,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    flags: Sequence[str] | None = None,
    progress: Report | None = None,
    **params: float | int,
) -> pandas.DataFrame:
    """The triplets that a strategy picks when the whole set is its batch: a table with the triplet CSV's columns.

    Exact: no index, no sample. Distances are taken by differences and rounded to float32 once; among equals the row
    whose id comes first is taken. The same input and seed give the same table, in whatever order the rows come.

    Args:
        embeddings: (N, D) numbers; NumPy, torch or lists.
        labels: (N,) one a row, any kind; a row without a label (None or NaN) takes no part. None with `pairs`.
        ids: (N,) unique texts or whole numbers; None for 0, 1, 2, ...
        strategy: "random", "hardest", "batch-hard", "semi-hard", "semi-hard-random", "easy-positive",
            "distance-weighted" or "top-n-window" (skips the `skip` nearest negatives, 10 unless said otherwise).
        margin: above 0, in the unit of the distance; in the semi-hard strategies it bounds the zone.
        distance: "cosine", "euclidean" or "squared-euclidean".
        positives_per_anchor: how many, or "all". None: one (the nearest for easy-positive, the farthest for
            batch-hard, else by lot), or all pairs that are given.
        negatives_per_anchor: for each anchor and positive, where there are so many.
        cap_per_negative: at most so many triplets with the same negative; the highest losses stay.
        cap_per_pair: at most so many triplets from one class against another; the highest losses stay.
        exclude: rows that take no part: (N,) booleans, or their numbers.
        filters: against false negatives: "topk-abs", "margin-pos", "perc-pos", by name, or name -> number. They
            compare cosine similarities, so other distances need vectors of length 1.
        pairs: (anchor id, positive id) of a set without classes; rows that a chain of pairs joins are never negatives
            of one another, and all other rows are.
        seed: of the draws.
        texts: (N,) texts for the table.
        flags: (N,) names of findings about each row.
        progress: called as progress(done, all) while it works; what it raises ends the work.
        **params: the strategy's own parameters: skip, cutoff, nonzero_loss_cutoff.

    Returns:
        One row a triplet, by loss descending, then by ids; `.attrs["settings"]` says what it was made from, and
        `.attrs["notes"]` what a person should know.

    Raises:
        DataError: embeddings, labels, ids or pairs that do not fit, or from which no triplet can be made.
        SettingError: a number out of its range.
        UnknownNameError: a strategy, distance, filter or parameter that does not exist.

    Example:
        >>> table = mine([[0.0], [1.0], [1.5], [9.0]], ["a", "a", "b", "c"], strategy="semi-hard", margin=1.0,
        ...     distance="euclidean")
        >>> table[["anchor_id", "positive_id", "negative_id", "gap", "zone"]].values.tolist()
        [[0, 1, 2, 0.5, 'semi-hard']]
    """
    import pandas

    vectors, classes, names, ids = _opened(embeddings, labels, ids, pairs)
    _check_lengths(len(vectors), texts=texts, flags=flags)
    mined = mine_rows(
        vectors,
        classes,
        ids,
        strategy=strategy,
        margin=margin,
        distance=distance,
        positives_per_anchor=positives_per_anchor,
        negatives_per_anchor=negatives_per_anchor,
        cap_per_negative=cap_per_negative,
        cap_per_pair=cap_per_pair,
        exclude=exclude,
        filters=filters,
        pairs=pairs,
        seed=seed,
        threads=1,
        progress=progress,
        **params,
    )
    labels_of = np.full(len(vectors), "", dtype=object) if classes is None else names[classes]
    table = pandas.DataFrame(mined.columns(ids, labels_of, texts=texts, flags=flags))
    table.attrs = {"settings": mined.settings, "notes": list(mined.notes)}
    return table


def mine_rows(
    vectors: np.ndarray,
    classes: np.ndarray | None,
    ids: np.ndarray,
    *,
    strategy: str,
    margin: float,
    distance: str = "cosine",
    positives_per_anchor: int | Literal["all"] | None = None,
    negatives_per_anchor: int = 1,
    cap_per_negative: int | None = None,
    cap_per_pair: int | None = None,
    exclude: Any = None,
    filters: Mapping[str, float | None] | Sequence[str] | None = None,
    pairs: Sequence[tuple[Any, Any]] | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Report | None = None,
    **params: float | int,
) -> Mined:
    """The same by row, for programs: `vectors` (N, D), `classes` (N,) numbers with -1 for no label, `ids` (N,).

    `threads` search at once, which changes no triplet.

    Raises:
        DataError, SettingError, UnknownNameError: as `mine`.
    """
    chosen = picks.get(strategy)
    settled = picks.settled(chosen, params)
    limits = _limits(filters)
    if distance not in DISTANCES:
        raise UnknownNameError("distance", distance, DISTANCES)
    _check_numbers(margin, positives_per_anchor, negatives_per_anchor, cap_per_negative, cap_per_pair)
    notes: list[str] = []
    kept = _kept(len(vectors), classes, exclude, notes)
    kept = kept[_order_of(ids[kept])]  # ties go to the first id, so from here on row order is id order
    _check_finite(vectors, kept, ids)
    groups, anchor, positive = _grouped(classes, ids, kept, pairs, notes)
    shard = Shard(vectors, groups, distance=distance, threads=threads, places=kept)
    if limits and distance != "cosine" and not shard.is_unit():
        raise SettingError(
            "The filters compare cosine similarities, and these vectors are not of length 1; "
            "choose the cosine distance or normalise them."
        )
    both = _Progress(progress)
    if anchor is not None and positive is not None:
        found = positives.given(shard, anchor, positive)
    else:
        per_anchor = 1 if positives_per_anchor is None else positives_per_anchor
        searches = per_anchor != "all" and chosen.positives != "random"
        found = positives.choose(shard, per_anchor, chosen.positives, seed, both.stage(2) if searches else None)
    if len(found) * negatives_per_anchor > positives.MOST_ROWS:
        raise SettingError(
            f"That would be up to {len(found) * negatives_per_anchor:,} triplets, and {positives.MOST_ROWS:,} are the "
            "most: ask for fewer positives or negatives per anchor."
        )
    task = picks.Task(shard, found, margin, negatives_per_anchor, limits, seed, settled, both.stage(1))
    top = chosen.pick(task)
    line, _ = there = np.nonzero(top.row >= 0)
    a, p, n = found.anchor[line], found.positive[line], top.row[there]
    d_ap, d_an = found.distance[line], top.distance[there]
    order = np.lexsort((n, p, a, -np.maximum(np.float32(margin) - (d_an - d_ap), np.float32(0))))
    mined_rows = len(order)
    order = _capped(order, n, groups[a], groups[n], cap_per_negative, cap_per_pair)
    abstained = int((top.row[:, 0] < 0).sum()) if top.row.shape[1] else 0
    settings: dict[str, Any] = {
        "strategy": strategy,
        **settled,
        "margin": float(margin),
        "distance": distance,
        "positives_per_anchor": positives_per_anchor if anchor is None else "pairs",
        "positives": "pairs" if anchor is not None else "all" if positives_per_anchor == "all" else chosen.positives,
        "negatives_per_anchor": negatives_per_anchor,
        "cap_per_negative": cap_per_negative,
        "cap_per_pair": cap_per_pair,
        "filters": limits,
        "seed": seed,
        "rows_of_set": len(vectors),
        "rows_taking_part": len(kept),
        "pairs": len(found),
        "pairs_abstained": abstained,
        "rows_capped": mined_rows - len(order),
        "rows": len(order),
        "exact": True,
        "recall": 1.0,
    }
    if settings["positives_per_anchor"] is None:
        settings["positives_per_anchor"] = 1
    if abstained:
        notes.append(f"{abstained:,} of {len(found):,} pairs have no negative that the strategy may pick.")
    if mined_rows > len(order):
        notes.append(f"{mined_rows - len(order):,} of {mined_rows:,} triplets were left out by the caps.")
    return Mined(
        kept[a[order]],
        kept[p[order]],
        kept[n[order]],
        d_ap[order],
        d_an[order],
        strategy,
        distance,
        float(margin),
        settings,
        tuple(notes),
    )


def estimated_seconds(anchors: int, rows: int, dim: int) -> float:
    """About how long an exact search takes on one thread, from a product timed now (a tenth of a second)."""
    import torch

    from tripletscope.mining.search import TILE_COLUMNS, TILE_ROWS, one_thread

    with one_thread():
        left, right = torch.zeros(TILE_ROWS, dim), torch.zeros(dim, TILE_COLUMNS)
        torch.mm(left, right)
        began, times = time.perf_counter(), 0
        while time.perf_counter() - began < 0.1:
            torch.mm(left, right)
            times += 1
        each = (time.perf_counter() - began) / times
    tiles = math.ceil(anchors / TILE_ROWS) * math.ceil(rows / TILE_COLUMNS)
    return tiles * each / 0.65  # the search reaches about two thirds of the product's speed


def digest_of(vectors: np.ndarray, classes: np.ndarray | None, ids: np.ndarray) -> str:
    """A digest of what decides the triplets: vectors, classes and ids."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{vectors.shape}{vectors.dtype}".encode())
    for at in range(0, len(vectors), 65_536):
        digest.update(np.ascontiguousarray(vectors[at : at + 65_536]).tobytes())
    if classes is not None:
        digest.update(np.ascontiguousarray(classes, dtype=np.int64).tobytes())
    digest.update("\x1f".join(map(str, ids.tolist())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


# ---- what comes in at the door


def _opened(
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
        _check_lengths(len(vectors), labels=column)
        classes, found = pandas.factorize(column)
        names = np.append(np.asarray(found, dtype=object), "")  # -1 finds the empty name
    if ids is None:
        numbers = np.arange(len(vectors))
    else:
        numbers = ids.detach().cpu().numpy() if hasattr(ids, "detach") else np.asarray(ids)
        if numbers.dtype.kind not in "iu":
            numbers = np.array([str(one) for one in ids], dtype=object)
    _check_lengths(len(vectors), ids=numbers)
    return vectors, None if classes is None else np.asarray(classes), names, numbers


def _check_lengths(rows: int, **columns: Any) -> None:
    for name, column in columns.items():
        if column is not None and len(column) != rows:
            raise DataError(f"There are {rows:,} embeddings and {len(column):,} {name}: give one for each row.")


def _check_numbers(
    margin: float, per_anchor: int | str | None, negatives: int, per_negative: int | None, per_pair: int | None
) -> None:
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


def _limits(filters: Mapping[str, float | None] | Sequence[str] | None) -> dict[str, float]:
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


def _kept(rows: int, classes: np.ndarray | None, exclude: Any, notes: list[str]) -> np.ndarray:
    """Rows that take part, rising."""
    part = np.ones(rows, bool)
    if classes is not None and (bare := int((classes < 0).sum())):
        part &= classes >= 0
        notes.append(f"{bare:,} rows have no label and take no part.")
    if exclude is not None:
        out = np.asarray(exclude)
        if out.dtype == bool:
            _check_lengths(rows, exclude=out)
            out = np.flatnonzero(out)
        elif out.size and (out.dtype.kind not in "iu" or int(out.min()) < 0 or int(out.max()) >= rows):
            raise DataError(f"exclude names rows that are not there: give numbers from 0 to {rows - 1}, or booleans.")
        if out.size:
            before = int(part.sum())
            part[out] = False
            notes.append(f"{before - int(part.sum()):,} rows were excluded.")
    return np.flatnonzero(part)


def _order_of(ids: np.ndarray) -> np.ndarray:
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


def _check_finite(vectors: np.ndarray, kept: np.ndarray, ids: np.ndarray) -> None:
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


def _grouped(
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


# ---- what goes out


def _capped(
    order: np.ndarray,
    negative: np.ndarray,
    anchor_class: np.ndarray,
    negative_class: np.ndarray,
    per_negative: int | None,
    per_pair: int | None,
) -> np.ndarray:
    """The order without what the caps leave out; of each negative, and of each class against another, the first stay.

    The cap per negative goes first, and what it leaves out counts for no class pair.
    """
    if per_negative is not None:
        order = order[_place_in_group(negative[order]) < per_negative]
    if per_pair is not None:
        pair = anchor_class[order] * (int(negative_class.max(initial=0)) + 1) + negative_class[order]
        order = order[_place_in_group(pair) < per_pair]
    return order


def _place_in_group(keys: np.ndarray) -> np.ndarray:
    """For each entry how many equal ones come before it.

    Example:
        >>> _place_in_group(np.array([7, 8, 7, 7])).tolist()
        [0, 0, 1, 2]
    """
    order = np.argsort(keys, kind="stable")
    rising = keys[order]
    fresh = np.concatenate([[True], rising[1:] != rising[:-1]])[: len(keys)]
    begin = np.maximum.accumulate(np.where(fresh, np.arange(len(keys)), 0))
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys)) - begin
    return place


def _joined_flags(flags: Sequence[str] | None, slots: list[np.ndarray]) -> np.ndarray:
    """(T,) the flags of the three rows, each name once, in the order they come."""
    count = len(slots[0])
    joined = np.full(count, "", dtype=object)
    if flags is None or not any(flags):
        return joined
    flagged = np.array([bool(one) for one in flags])
    for line in np.flatnonzero(flagged[slots[0]] | flagged[slots[1]] | flagged[slots[2]]):
        names = [name for rows in slots for name in flags[int(rows[line])].split(";") if name]
        joined[line] = ";".join(dict.fromkeys(names))
    return joined


class _Progress:
    """One count for the stages of a search, each of which looks at every anchor."""

    def __init__(self, told: Report | None) -> None:
        self.told, self.before, self.stages = told, 0, 1

    def stage(self, left: int) -> Report | None:
        """A report for the next stage, of which so many are left, itself among them."""
        if self.told is None:
            return None
        if left > 1:
            self.stages = left
        told, before, stages = self.told, self.stages - left, self.stages

        def report(done: int, every: int) -> None:
            told(before * every + done, stages * every)

        return report
