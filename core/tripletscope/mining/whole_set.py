"""`mine`: hard triplets of a whole set of embeddings, as a table that a trainer reads."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.mining import pairs as positives
from tripletscope.mining import picks
from tripletscope.mining.approximate import MEASURED, MOST_CELLS, SETTLED, Approximate, Exact, Quality, Searcher
from tripletscope.mining.entrance import (
    check_finite,
    check_lengths,
    check_numbers,
    grouped,
    limits_of,
    opened,
    order_of,
    rows_kept,
)
from tripletscope.mining.shard import DISTANCES, Report, Shard
from tripletscope.schema import TRIPLET_TEXTS, TRIPLETS
from tripletscope.zones import ZONES, zone_codes_numpy

if TYPE_CHECKING:
    import pandas

#: Up to so many rows an exact search is a matter of minutes; beyond it the search is approximate unless told otherwise.
EXACT_UP_TO = 200_000
SEARCHES = ("auto", "exact", "approximate")


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
    search: str = "auto",
    seed: int = 0,
    texts: Sequence[str] | None = None,
    flags: Sequence[str] | None = None,
    progress: Report | None = None,
    **params: float | int,
) -> pandas.DataFrame:
    """The triplets that a strategy picks when the whole set is its batch: a table with the triplet CSV's columns.

    Exact, without index or sample, up to 200,000 rows, and above where `search` says so; else each anchor is compared
    with the part of the set around it, and the recall is measured. Distances are taken by differences and rounded to
    float32 once; among equals the row whose id comes first is taken. The same input and seed give the same table, and
    an exact one in whatever order the rows come.

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
        search: "exact", "approximate", or "auto", which is exact up to 200,000 rows.
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

    vectors, classes, names, ids = opened(embeddings, labels, ids, pairs)
    check_lengths(len(vectors), texts=texts, flags=flags)
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
        search=search,
        exact_up_to=None,
        seed=seed,
        threads=1,
        progress=progress,
        on_stage=None,
        searcher=None,
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
    search: str = "auto",
    exact_up_to: int | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Report | None = None,
    on_stage: Callable[[str], None] | None = None,
    searcher: Callable[[Shard], Searcher] | None = None,
    **params: float | int,
) -> Mined:
    """The same by row, for programs: `vectors` (N, D), `classes` (N,) numbers with -1 for no label, `ids` (N,).

    `vectors` stay as they are, float16 or memory-mapped; one float32 copy is made of the rows that take part.

    What `mine` does not have: `exact_up_to` rows (EXACT_UP_TO unless given) are searched exactly where `search` is
    "auto"; `threads` search at once, which changes no triplet; `on_stage` is called with the name of each stage of an
    approximate search as it begins; `searcher` makes what searches the set, exactly, where that is not this machine.

    Raises:
        DataError, SettingError, UnknownNameError: as `mine`.
    """
    if search not in SEARCHES:
        raise UnknownNameError("search", search, SEARCHES)
    chosen = picks.get(strategy)
    settled = picks.settled(chosen, params)
    limits = limits_of(filters)
    if distance not in DISTANCES:
        raise UnknownNameError("distance", distance, DISTANCES)
    check_numbers(margin, positives_per_anchor, negatives_per_anchor, cap_per_negative, cap_per_pair)
    notes: list[str] = []
    kept = rows_kept(len(vectors), classes, exclude, notes)
    kept = kept[order_of(ids[kept])]  # ties go to the first id, so from here on row order is id order
    check_finite(vectors, kept, ids)
    groups, anchor, positive = grouped(classes, ids, kept, pairs, notes)
    shard = Shard(vectors, groups, distance=distance, threads=threads, places=kept)
    if limits and distance != "cosine" and not shard.is_unit():
        raise SettingError(
            "The filters compare cosine similarities, and these vectors are not of length 1; "
            "choose the cosine distance or normalise them."
        )
    both = _Progress(progress)
    roughly = searcher is None and is_approximate(len(kept), search, exact_up_to)
    stage = (on_stage if roughly else None) or (lambda name: None)
    looking: Searcher = Approximate(shard, seed, stage) if roughly else (searcher or Exact)(shard)
    stage("choosing positives")
    if anchor is not None and positive is not None:
        found = positives.given(shard, anchor, positive)
    else:
        per_anchor = 1 if positives_per_anchor is None else positives_per_anchor
        searches = per_anchor != "all" and chosen.positives != "random"
        found = positives.choose(
            shard, per_anchor, chosen.positives, seed, looking, both.stage(2) if searches else None
        )
    if len(found) * negatives_per_anchor > positives.MOST_ROWS:
        raise SettingError(
            f"That would be up to {len(found) * negatives_per_anchor:,} triplets, and {positives.MOST_ROWS:,} are the "
            "most: ask for fewer positives or negatives per anchor."
        )
    stage("searching")
    task = picks.Task(shard, found, margin, negatives_per_anchor, limits, seed, settled, both.stage(1), looking)
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
        **_told(looking.quality if isinstance(looking, Approximate) else None),
    }
    if settings["positives_per_anchor"] is None:
        settings["positives_per_anchor"] = 1
    if isinstance(looking, Approximate) and looking.quality is not None:
        notes.append(_said(looking.quality))
        if abstained:
            notes.append(f"For {abstained:,} of {len(found):,} pairs no negative was found that the strategy may pick.")
    elif abstained:
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


def is_approximate(rows: int, search: str, exact_up_to: int | None = None) -> bool:
    """Whether a set of so many rows is searched approximately."""
    return search == "approximate" or (
        search == "auto" and rows > (EXACT_UP_TO if exact_up_to is None else exact_up_to)
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


def estimated_at_most(rows: int, dim: int) -> float:
    """About how long an approximate search takes at the most, in the same way: where the cells tell little."""
    sample = MEASURED + SETTLED
    return estimated_seconds(sample, rows, dim) + 1.3 * MOST_CELLS * estimated_seconds(rows, rows, dim)


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


# ---- what goes out


def _told(quality: Quality | None) -> dict[str, Any]:
    """What settings say of the search."""
    if quality is None:
        return {"exact": True, "recall": 1.0}
    return {
        "exact": False,
        "recall": round(quality.recall, 4),
        "recall_anchors": quality.anchors,
        "recall_of": quality.of,
        "recall_of_any": round(quality.some, 4),
        "cells": quality.cells,
        "cells_looked_in": quality.looked_in,
        "share_asked_again": round(quality.pooled, 4),
        "share_without_negative": round(quality.empty, 4),
    }


def _said(quality: Quality) -> str:
    """The same in a sentence."""
    where = (
        f"each anchor looked in {quality.looked_in:,} of {quality.cells:,} cells"
        if not quality.by_lot
        else "negatives were drawn from a part of the set"
    )
    verb = "serves" if quality.by_lot else "finds"
    missed = "; an exact search finds all of them" if quality.recall < 0.9 else ""
    return (
        f"The search was approximate: {where}. By the exact answers to {quality.anchors:,} anchors it {verb} "
        f"{quality.recall:.1%} of the {quality.of}{missed}."
    )


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
