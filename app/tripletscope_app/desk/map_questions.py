"""The map of a set: where the rows lie, what colours them, what a search and a lasso find, who is near a row."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int64, Shaped

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import DataError
from tripletscope.zones import ZONES, zone_codes_numpy
from tripletscope_app.desk.finding_questions import inspection_of, places_of
from tripletscope_app.desk.held import Held, Tell, question
from tripletscope_app.desk.pictures import thumbnail

#: Names of classes and values that a legend gets, and letters of each.
NAMES, LETTERS = 400, 60
#: Classes that can all have a colour that is told from the others.
COLOURED = 10
#: Shades of a number: as many as eyes can tell apart. Code 0 stands for "no value".
LEVELS = 40
#: Whole numbers of so many values are names rather than amounts.
FEW_VALUES = 12
#: Places are sent as 0 ... 65,534; this one is nowhere.
NOWHERE = 65_535
#: Rows whose ids and texts travel with the map, so that pointing at them asks nobody; and those whose pictures do.
CARDS, PICTURES = 20_000, 4_000
#: Pixels of a picture on the sheet, letters of a text on a card.
CELL, TEXT = 32, 140
#: Hits that are marked on the map, and rows of a table.
MOST_HITS, MOST_LISTED = 5_000, 100_000
#: Nearest rows that lines lead to.
LINES = 10
#: After this many seconds a process that was asked to stop is killed.
PATIENCE = 5.0


# ---- places


@question
def map_places(held: Held, tell: Tell, *, space: str, distance: str, folder: str) -> dict[str, Any]:
    """`places` (N, 2) uint16 within the square of `centre` and `extent`, and what the map says of itself.

    The picture comes before its numbers: `map_numbers` measures what a PCA keeps. A UMAP comes with them.
    """
    made = _map(held, space, distance, folder, tell)
    centre, extent = _square(made.positions)
    places = np.full(made.positions.shape, NOWHERE, np.uint16)
    there = made.on_map
    share = (made.positions[there] - np.array(centre)) / extent  # -1 ... 1
    places[there] = np.clip(np.rint((share + 1) / 2 * (NOWHERE - 1)), 0, NOWHERE - 1).astype(np.uint16)
    return {
        "space": space,
        "places": places,
        "centre": list(centre),
        "extent": extent,
        "there": int(there.sum()),
        **_numbers(made),
    }


@question
def map_numbers(held: Held, tell: Tell, *, space: str, distance: str, folder: str) -> dict[str, Any]:
    """What the map keeps of the neighbourhoods, measured on a sample of rows; kept for the next time."""
    from tripletscope.analysis.set_map import keep_map, measured_map

    made = _map(held, space, distance, folder, tell)

    def measure() -> Any:
        if made.measured:
            return made
        found = measured_map(made, held.opened().vectors, distance=distance, progress=tell)
        if space != "own":
            keep_map(_digest(held), found, distance=distance, asked=space)
        return found

    return _numbers(held.kept(("measured", space, distance), measure))


@question
def map_ready(held: Held, tell: Tell, *, space: str, distance: str) -> dict[str, Any]:
    """`ready`: whether that map was made before, here or by `tripletscope map`."""
    from tripletscope.analysis.set_map import find_map

    return {"ready": find_map(_digest(held), space, distance=distance) is not None}


def _map(held: Held, space: str, distance: str, folder: str, tell: Tell) -> Any:
    from tripletscope.analysis.set_map import find_map, make_map

    given = held.opened()

    def make() -> Any:
        if space == "own":
            return make_map(given.vectors, "own", distance=distance, own=given.positions)
        if space == "pca":
            return make_map(given.vectors, "pca", distance=distance)
        if find_map(_digest(held), space, distance=distance) is None:
            _make_apart(given, _digest(held), space, distance, Path(folder), tell)
        found = find_map(_digest(held), space, distance=distance)
        if found is None:
            raise DataError("The map was made and could not be kept: make room in the cache folder, then ask again.")
        return found

    return held.kept(("map", space, distance), make)


def _digest(held: Held) -> str:
    from tripletscope.analysis.set_map import content_digest

    given = held.opened()
    return held.kept("content digest", lambda: content_digest(given.vectors))


def _numbers(made: Any) -> dict[str, Any]:
    return {
        "badge": made.badge,
        "exact": made.exact,
        "explained": made.explained,
        "fitted": made.fitted,
        "kept": made.kept,
        "trust": made.trust,
        "measured": made.measured,
        "recall": made.recall,
    }


def _square(positions: Float[np.ndarray, "N 2"]) -> tuple[tuple[float, float], float]:
    from tripletscope.analysis.projection import fixed_view

    there = positions[np.isfinite(positions).all(axis=1)].astype(np.float64)
    if not len(there):
        return (0.0, 0.0), 1.0
    low, high = there.min(axis=0), there.max(axis=0)
    return fixed_view([(float(low[0]), float(high[0]), float(low[1]), float(high[1]))])


def _make_apart(given: EmbeddingSet, digest: str, space: str, distance: str, folder: Path, tell: Tell) -> None:
    """Nothing; the map is kept. It is made by the command line in a process of its own, which ends when we do."""
    vectors = folder / f"{digest[:12]}-{space}.npy"
    np.save(vectors, given.vectors)
    command = [sys.executable, "-P", "-m", "tripletscope", "map", str(vectors), "--lines", "--space", space]
    command += ["--distance", distance, "--threads", str(max(1, (os.cpu_count() or 1) // 2)), "--limit", "1000"]
    try:
        _run_told(command, tell)
    finally:
        vectors.unlink(missing_ok=True)


def _run_told(command: list[str], tell: Tell) -> None:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    )
    lines: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    done, total, state, message = 0, 0, "", ""
    try:
        while True:
            try:
                line = lines.get(timeout=0.2)
            except queue.Empty:
                tell(done, total)  # somebody may have cancelled
                continue
            if line is None:
                break
            try:
                told = json.loads(line)
                state = str(told["state"])
            except (ValueError, KeyError, TypeError):
                continue  # something printed by a library
            done, total = told.get("done", done), told.get("total", total)
            message = str(told.get("message", ""))
            tell(done, total)
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        listener.join(PATIENCE)
        process.stdout.close()  # type: ignore[union-attr]
    if state != "ready":
        raise DataError(message or "The process that made the map ended too early, most likely for want of memory.")


# ---- colours


@question
def map_colour(held: Held, tell: Tell, *, by: str, distance: str, margin: float, strategy: str) -> dict[str, Any]:
    """`codes` (N,) and what they mean: `kind` "class" (code 1 = the first of `names`) or "number" (levels 1 ... 40).

    Args:
        held: the set.
        tell: how far it is.
        by: "label", "finding", "hubness", "zone", "loss", or "column:NAME".
        distance: of everything that has to do with neighbours.
        margin: of zones and losses.
        strategy: whose default positive a row gets as an anchor.
    """
    given = held.opened()
    if by == "label":
        if not given.class_names:
            raise DataError("The rows have no label: choose a label column, or colour by something else.")
        return _classes("label", given.labels, given.class_names)
    if by == "finding":
        return _by_finding(held, distance, tell)
    if by == "hubness":
        return _by_hubness(held, distance, tell)
    if by in ("zone", "loss"):
        return _by_triplet(held, by, distance, margin, strategy, tell)
    name = by.removeprefix("column:")
    if not by.startswith("column:") or name not in given.columns:
        raise DataError(f"There is no column {name!r} to colour by.")
    return _by_column(name, given.columns[name])


def _classes(title: str, labels: Int[np.ndarray, " N"], names: list[str], **more: Any) -> dict[str, Any]:
    """By name: in their own order where each can have a colour of its own, else the most frequent first."""
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    order = np.arange(len(names)) if len(names) <= COLOURED else np.argsort(-counts, kind="stable")
    rank = np.empty(len(names) + 1, np.int64)
    rank[order] = np.arange(len(names)) + 1
    rank[-1] = 0  # label -1
    return _coded(title, np.minimum(rank[labels], 65_000), [names[i] for i in order], counts[order], **more)


def _coded(
    title: str, codes: Int[np.ndarray, " N"], names: list[str], counts: Int[np.ndarray, " C"], **more: Any
) -> dict[str, Any]:
    return {
        "title": title,
        "kind": "class",
        "codes": codes.astype(np.uint8 if len(names) < 255 else np.uint16),
        "names": [_short(name, LETTERS) or "(empty)" for name in names[:NAMES]],
        "counts": counts[:NAMES].astype(np.int64),
        "classes": int((counts > 0).sum()),
        "without": int((codes == 0).sum()),
        "said": "",
        **more,
    }


def _amounts(title: str, values: Float[np.ndarray, " N"], **more: Any) -> dict[str, Any]:
    """As levels over a fixed range: all values, or where a few lie far out, all but one in a hundred at each end."""
    finite = np.isfinite(values)
    known = values[finite].astype(np.float64)
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    first, last = (float(one) for one in np.percentile(known, [1, 99])) if len(known) else (low, high)
    clipped = [False, False]
    if last > first and high - low > 1.6 * (last - first):
        clipped = [low < first, high > last]
        low, high = first, last
    if "low" in more:
        low, clipped[0] = more.pop("low"), False
    codes = np.zeros(len(values), np.uint8)
    spread = high - low
    shares = np.clip((values[finite] - low) / spread, 0, 1) if spread > 0 else np.zeros(int(finite.sum()))
    codes[finite] = 1 + np.rint(shares * (LEVELS - 1)).astype(np.uint8)
    return {
        "title": title,
        "kind": "number",
        "codes": codes,
        "low": low,
        "high": high,
        "clipped": clipped,
        "levels": LEVELS,
        "without": int((~finite).sum()),
        "said": "",
        **more,
    }


def _by_column(name: str, column: Shaped[np.ndarray, " N"]) -> dict[str, Any]:
    if column.dtype.kind == "f" or (column.dtype.kind in "iu" and len(np.unique(column)) > FEW_VALUES):
        return _amounts(name, column.astype(np.float64))
    if column.dtype.kind in "iub":
        values, codes = np.unique(column, return_inverse=True)
        words = ["no", "yes"] if column.dtype.kind == "b" and len(values) == 2 else [str(one) for one in values]
        return _classes(name, codes.astype(np.int64), words)
    places: dict[str, int] = {}
    codes = np.fromiter(
        (-1 if one is None else places.setdefault(str(one), len(places)) for one in column), np.int64, len(column)
    )
    return _classes(name, codes, list(places))


def _by_finding(held: Held, distance: str, tell: Tell) -> dict[str, Any]:
    seen = inspection_of(held, distance, tell)
    places = places_of(held, seen)
    codes = np.zeros(len(held.opened()), np.int64)
    some = [finding for finding in seen.findings if len(finding.rows)]
    for number, finding in reversed(list(enumerate(some, start=1))):  # the most serious is written last
        codes[places[finding.rows]] = number
    counts = np.bincount(codes, minlength=len(some) + 1)[1:]
    said = "A row with several findings has the colour of the most serious."
    if len(seen.set) < len(codes):
        said += f" {len(seen.set):,} of {len(codes):,} rows were looked at."
    return _coded("finding", codes, [finding.title for finding in some], counts, said=said, none="no finding")


def _by_hubness(held: Held, distance: str, tell: Tell) -> dict[str, Any]:
    from tripletscope.analysis.fidelity import NEIGHBOURS
    from tripletscope.inspection.inspector import LARGEST
    from tripletscope.mining.graph import neighbour_graph

    given = held.opened()
    rows = np.arange(len(given))
    if len(given) > LARGEST:
        rows = np.sort(np.random.default_rng(0).choice(len(given), LARGEST, replace=False))

    def counted() -> Float[np.ndarray, " N"]:
        index, _, _ = neighbour_graph(given.vectors[rows], NEIGHBOURS, distance=distance, progress=tell)
        found = np.full(len(given), np.nan)
        found[rows] = np.bincount(index[index >= 0].astype(np.int64), minlength=len(rows))
        return found

    said = f"How many rows have this row among their {NEIGHBOURS} nearest; {NEIGHBOURS} on average."
    if len(rows) < len(given):
        said += f" Counted among {len(rows):,} rows drawn at random."
    return _amounts("hubness", held.kept(("hubness", distance), counted), said=said, low=0.0)


def _by_triplet(held: Held, by: str, distance: str, margin: float, strategy: str, tell: Tell) -> dict[str, Any]:
    """Each row as an anchor: its nearest negative, and the positive that the strategy takes unless told otherwise."""
    from tripletscope.mining.whole_set import mine_rows

    given = held.opened()
    # These three take the nearest negative, and the farthest, the nearest, or a random positive.
    asked = strategy if strategy in ("batch-hard", "easy-positive") else "hardest"
    positive = {"batch-hard": "its farthest positive", "easy-positive": "its nearest positive"}.get(
        asked, "a random positive"
    )

    def mined() -> tuple[Int64[np.ndarray, " T"], np.ndarray]:
        found = mine_rows(
            given.vectors,
            given.labels if given.class_names else None,
            given.ids,
            strategy=asked,
            margin=1.0,
            distance=distance,
            progress=tell,
        )
        return found.anchor.astype(np.int64), found.gap

    anchor, gap = held.kept(("gaps", distance, asked), mined)
    said = f"Each row as the anchor, with its nearest negative and {positive}, margin {margin:g} ({distance})."
    if by == "zone":
        codes = np.zeros(len(given), np.int64)
        codes[anchor] = 1 + zone_codes_numpy(gap, margin)
        counts = np.bincount(codes, minlength=1 + len(ZONES))[1:]
        return _coded("zone", codes, list(ZONES), counts, said=said, palette="zones", none="no triplet")
    loss = np.full(len(given), np.nan)
    loss[anchor] = np.maximum(np.float32(margin) - gap, np.float32(0))
    return _amounts("loss", loss, said=said, low=0.0)


# ---- rows


@question
def map_search(held: Held, tell: Tell, *, text: str) -> dict[str, Any]:
    """`rows` that have the words in id, class or text, the row with that very id first; `count` of them all."""
    given = held.opened()
    words = text.strip().casefold()
    if not words:
        return {"rows": np.zeros(0, np.int32), "count": 0, "where": {}}
    ids = [str(one) for one in given.ids.tolist()]
    exact = np.fromiter((one.casefold() == words for one in ids), bool, len(ids))
    found: dict[str, Bool[np.ndarray, " N"]] = {
        "id": np.fromiter((words in one.casefold() for one in ids), bool, len(ids))
    }
    named = np.array([words in name.casefold() for name in given.class_names] + [False])
    found["class"] = named[given.labels]
    if given.texts is not None:
        found["text"] = np.fromiter((words in one.casefold() for one in given.texts), bool, len(ids))
    every = np.logical_or.reduce(list(found.values()))
    rows = np.concatenate([np.flatnonzero(exact), np.flatnonzero(every & ~exact)])
    where = {name: int(mask.sum()) for name, mask in found.items() if mask.any()}
    return {"rows": rows[:MOST_HITS].astype(np.int32), "count": len(rows), "where": where}


@question
def map_inside(
    held: Held, tell: Tell, *, space: str, distance: str, folder: str, polygon: list[list[float]]
) -> dict[str, Any]:
    """`rows` that lie inside a line drawn on the map (even-odd, in the map's own unit), in the order of the set."""
    positions = _map(held, space, distance, folder, tell).positions
    return {"rows": np.flatnonzero(inside(positions, np.asarray(polygon, np.float64))).astype(np.int32)}


def inside(positions: Float[np.ndarray, "N 2"], polygon: Float[np.ndarray, "P 2"]) -> Bool[np.ndarray, " N"]:
    """Which points lie inside a polygon, by the even-odd rule; NaN lies nowhere.

    Example:
        >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
        >>> inside(np.float32([[1, 1], [3, 1], [np.nan, 1]]), square)
        array([ True, False, False])
    """
    found = np.zeros(len(positions), bool)
    if len(polygon) < 3:
        return found
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.flatnonzero(((positions >= low) & (positions <= high)).all(axis=1))
    x, y = positions[near].astype(np.float64).T
    within = np.zeros(len(near), bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (ay > y) != (by > y)
        if ay != by:
            within ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    found[near] = within
    return found


@question
def map_rows(held: Held, tell: Tell, *, rows: list[int], distance: str, flags: bool) -> dict[str, Any]:
    """`columns` of a table of those rows: row, id, class, text, and the findings that concern each.

    Args:
        held: the set.
        tell: unused.
        rows: places; beyond 100,000 the rest is left out, and `count` says how many there are.
        distance: of the findings.
        flags: whether to ask for findings, which are worked out first where nobody has yet.
    """
    given = held.opened()
    some = [row for row in rows[:MOST_LISTED] if 0 <= row < len(given)]
    columns: dict[str, Any] = {
        "row": np.array(some, np.int64),
        "id": [given.id_of(row) for row in some],
        "class": [given.class_of(row) for row in some],
    }
    if given.texts is not None:
        columns["text"] = [_short(given.texts[row], 400) for row in some]
    if flags:
        named = inspection_of(held, distance, tell).flags
        columns["findings"] = [named.get(given.id_of(row), "") for row in some]
    return {"columns": columns, "count": len(rows)}


@question
def map_card(held: Held, tell: Tell, *, row: int) -> dict[str, Any]:
    """What a card shows of a row: `id`, `class`, `text`, `picture` as a data address."""
    given = held.opened()
    if not 0 <= row < len(given):
        raise DataError(f"There is no row {row}.")
    picture = thumbnail(given, row)
    return {
        "row": row,
        "id": _short(str(given.id_of(row)), LETTERS),
        "class": None if given.class_of(row) is None else _short(str(given.class_of(row)), LETTERS),
        "text": "" if given.texts is None else _short(given.texts[row], 2 * TEXT),
        "picture": None if picture is None else f"data:{picture[0]};base64,{base64.b64encode(picture[1]).decode()}",
    }


@question
def map_cards(held: Held, tell: Tell) -> dict[str, Any]:
    """For sets small enough: `ids` and `texts` of all rows, their classes as `labels`, pictures on one `sheet`."""
    given = held.opened()
    count = len(given)
    if count > CARDS:
        return {"ids": None}
    told: dict[str, Any] = {
        "ids": [_short(str(one), LETTERS) for one in given.ids.tolist()],
        "texts": None if given.texts is None else [_short(one, TEXT) for one in given.texts],
        "labels": given.labels.astype(np.int32),
        "class_names": [_short(name, LETTERS) for name in given.class_names],
    }
    if given.pictures is not None and count <= PICTURES:
        told |= _sheet(given, tell)
    return told


def _sheet(given: EmbeddingSet, tell: Tell) -> dict[str, Any]:
    """The pictures of all rows in a nearly square grid, each in the middle of its cell."""
    from PIL import Image

    wide = math.ceil(math.sqrt(len(given)))
    sheet = Image.new("RGBA", (wide * CELL, math.ceil(len(given) / wide) * CELL))
    largest = 0
    for row in range(len(given)):
        tell(row, len(given))
        found = thumbnail(given, row, CELL)
        if found is None:
            continue
        with Image.open(io.BytesIO(found[1])) as opened:
            drawn = opened.convert("RGBA")
        largest = max(largest, *drawn.size)
        if max(drawn.size) <= CELL // 2:  # pixels stay pixels
            times = CELL // max(drawn.size)
            drawn = drawn.resize((drawn.width * times, drawn.height * times), Image.Resampling.NEAREST)
        x, y = (row % wide) * CELL, (row // wide) * CELL
        sheet.paste(drawn, (x + (CELL - drawn.width) // 2, y + (CELL - drawn.height) // 2))
    if not largest:
        return {}
    out = io.BytesIO()
    sheet.save(out, "WEBP", quality=85, method=2)
    return {"sheet": out.getvalue(), "cell": CELL, "across": wide, "pixelated": largest <= CELL // 2}


@question
def map_lines(held: Held, tell: Tell, *, row: int, distance: str) -> dict[str, Any]:
    """The nearest rows of a row in the original space: `rows`, how `far` each is, whether it is of the `same` class.

    Raises:
        DataError: there is no such row.
    """
    from tripletscope.analysis.row_view import Ready

    given = held.opened()
    if not 0 <= row < len(given):
        raise DataError(f"There is no row {row}.")
    far = held.kept(("ready for lines", distance), lambda: Ready(given, distance)).distances(row)
    few = min(LINES, len(given) - 1)
    if few < 1:
        return {"rows": [], "far": [], "same": []}
    near = np.argpartition(far, few - 1)[:few]
    near = near[np.lexsort((near, far[near]))]
    same = [None if given.labels[row] < 0 or given.labels[one] < 0 else bool(given.labels[row] == given.labels[one])
            for one in near]  # fmt: skip
    return {"rows": near.tolist(), "far": [float(one) for one in far[near]], "same": same}


def _short(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "\u2026"
