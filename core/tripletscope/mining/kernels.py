"""The inner loops of whole-set mining, compiled: a scan over tiles of a product, and distances by differences.

A product of blocks says roughly who is near; the scans keep, for each query, the few columns that could be the answer,
and leave the anchor's own class out by its stretch of columns, for rows lie in class order. Only those few are then
measured by differences in float64. Indices are unsigned, so that LLVM need not guard against negative ones, which
would keep it from vectorising: 0.9 against 3.5 billion numbers a second.

Importing this module imports numba; it is imported where mining really begins. The first call in the life of an
installation compiles (seconds); later processes read the machine code from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np

#: Stands for minus infinity, which would cost the scan its vector instructions under the flags below.
LOWEST = np.float32(-3.0e38)
#: So many columns are looked at together; only where one of them could enter the list, one by one.
CHUNK = np.uint64(64)
EUCLIDEAN, SQUARED, HALVED = 0, 1, 2

# No "contract": a product fused into the difference x·i - y·i would not be 0 between equal rows.
_FLAGS = {"nnan", "nsz", "reassoc"}


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code that lets other threads run; kept on disk where a folder can be written."""
    return _compiled(function, _FLAGS)


def compiled_roughly(function: Callable[..., Any]) -> Any:
    """The same, for scans whose results are measured again."""
    return _compiled(function, True)


def _compiled(function: Callable[..., Any], flags: Any) -> Any:
    try:
        return numba.njit(cache=True, nogil=True, fastmath=flags)(function)
    except RuntimeError:  # numba finds no folder to keep it in
        return numba.njit(nogil=True, fastmath=flags)(function)


@compiled_roughly
@no_type_check
def _scan(values, half, sign, begin, end, high, offset, scores, columns, count):
    """How many are listed, after the columns begin <= c < end of one row went by; the list keeps the largest."""
    size = np.int64(scores.shape[0])
    bar = LOWEST
    if count == size:
        bar = scores[0]
        for i in range(1, size):
            bar = min(bar, scores[i])
    start = begin
    while start < end:
        stop = min(start + CHUNK, end)
        hits = np.uint32(1)
        if stop - start == CHUNK:
            # An "or" of comparisons: LLVM turns no maximum of floats into vector instructions here.
            hits = np.uint32(0)
            for i in range(CHUNK):
                value = values[start + i] - sign * half[start + i]
                hits |= np.uint32((value > bar) & (value < high))
        if hits:
            for c in range(start, stop):
                value = values[c] - sign * half[c]
                if value < high and value > bar:
                    if count < size:
                        scores[count] = value
                        columns[count] = np.int64(c) + offset
                        count += 1
                    else:
                        place = 0
                        for i in range(1, size):
                            if scores[i] < scores[place]:
                                place = i
                        scores[place] = value
                        columns[place] = np.int64(c) + offset
                    if count == size:
                        bar = scores[0]
                        for i in range(1, size):
                            bar = min(bar, scores[i])
        start = stop
    return count


@compiled_roughly
@no_type_check
def scan_tile(tile, half, sign, offset, anchors, start, stop, own, first, high, scores, columns, counts):
    """Nothing; `scores`, `columns` and `counts` have taken in a tile of the product.

    Args:
        tile: (R, C) float32, sign * <row, column>.
        half: (C,) float32, half the squared length of each column's vector.
        sign: 1 to keep the nearest, -1 to keep the farthest.
        offset: number of the tile's first column.
        anchors: (R,) which anchor each row is.
        start: (R,) where the row's own class starts, as a column number.
        stop: (R,) where it ends.
        own: whether to look at the own class only, instead of at all but it.
        first: (A + 1,) the queries of anchor a are first[a] <= q < first[a + 1].
        high: (Q,) float32, only scores below count.
        scores: (Q, K) float32, the list of each query, in no order.
        columns: (Q, K) int64, the same.
        counts: (Q,) how long the lists are.
    """
    width = np.int64(tile.shape[1])
    for r in range(tile.shape[0]):
        left = np.uint64(min(max(start[r] - offset, 0), width))
        right = np.uint64(min(max(stop[r] - offset, 0), width))
        for q in range(first[anchors[r]], first[anchors[r] + 1]):
            if own:
                counts[q] = _scan(tile[r], half, sign, left, right, high[q], offset, scores[q], columns[q], counts[q])
            else:
                counts[q] = _scan(
                    tile[r], half, sign, np.uint64(0), left, high[q], offset, scores[q], columns[q], counts[q]
                )
                counts[q] = _scan(
                    tile[r], half, sign, right, np.uint64(width), high[q], offset, scores[q], columns[q], counts[q]
                )


@compiled
@no_type_check
def _between(x, scale_x, y, scale_y):
    """The squared Euclidean distance of two scaled rows, in float64, by differences."""
    total = 0.0
    for d in range(x.shape[0]):
        apart = np.float64(x[d]) * scale_x - np.float64(y[d]) * scale_y
        total += apart * apart
    return total


@compiled
@no_type_check
def _named(squared, kind):
    """The squared distance as the named one, rounded to float32."""
    if kind == EUCLIDEAN:
        return np.float32(np.sqrt(squared))
    return np.float32(squared * 0.5) if kind == HALVED else np.float32(squared)


@compiled
@no_type_check
def measure_pairs(left, left_scales, right, right_scales, a, b, kind):
    """(T,) float32: the distance of row a[t] of `left` to row b[t] of `right`."""
    out = np.empty(a.shape[0], np.float32)
    for t in range(a.shape[0]):
        out[t] = _named(_between(left[a[t]], left_scales[a[t]], right[b[t]], right_scales[b[t]]), kind)
    return out


@compiled
@no_type_check
def _insert(far, rows, held, distance, row, sign):
    """How many the sorted list holds after (distance, row) was offered to it: by distance, then by row."""
    size = far.shape[0]
    key = np.float32(sign) * distance
    if held == size:
        last = np.float32(sign) * far[size - 1]
        if key > last or (key == last and row > rows[size - 1]):
            return held
    place = held if held < size else size - 1
    while place > 0:
        before = np.float32(sign) * far[place - 1]
        if before < key or (before == key and rows[place - 1] < row):
            break
        far[place] = far[place - 1]
        rows[place] = rows[place - 1]
        place -= 1
    far[place] = distance
    rows[place] = row
    return min(held + 1, size)


@compiled
@no_type_check
def measure_lists(
    anchors,
    anchor_scales,
    anchor_of,
    itself,
    vectors,
    scales,
    order,
    rows,
    columns,
    counts,
    low,
    sign,
    kind,
    far,
    found,
):
    """Nothing; `far` (Q, k) and `found` (Q, k) hold the best listed columns, measured; inf and -1 after the last.

    Args:
        anchors: (A, D) float32 rows as given.
        anchor_scales: (A,) float64 that rows are multiplied by.
        anchor_of: (Q,) whose query it is.
        itself: (A,) number of the anchor's own row, which is never an answer.
        vectors: (N, D) float32 rows of the shard as given.
        scales: (N,) float64 that they are multiplied by.
        order: (N,) row of each column.
        rows: (N,) number of each column's row in the whole set.
        columns: (Q, K) listed columns.
        counts: (Q,) how many are.
        low: (Q,) float32, nearer ones do not count.
        sign: 1 for the nearest first, -1 for the farthest.
        kind: EUCLIDEAN, SQUARED or HALVED.
        far: (Q, k) float32, filled with inf.
        found: (Q, k) int64, filled with -1.
    """
    for q in range(anchor_of.shape[0]):
        a = anchor_of[q]
        held = 0
        for i in range(counts[q]):
            c = columns[q, i]
            if rows[c] == itself[a]:
                continue
            distance = _named(_between(anchors[a], anchor_scales[a], vectors[order[c]], scales[order[c]]), kind)
            if distance >= low[q]:
                held = _insert(far[q], found[q], held, distance, rows[c], sign)


@compiled
@no_type_check
def measure_all(
    anchors,
    anchor_scales,
    anchor_of,
    itself,
    vectors,
    scales,
    order,
    rows,
    start,
    stop,
    own,
    low,
    sign,
    kind,
    far,
    found,
):
    """Nothing; as `measure_lists`, looking at every column: for the few queries that rounding leaves in doubt."""
    count = order.shape[0]
    for q in range(anchor_of.shape[0]):
        a = anchor_of[q]
        held = 0
        for c in range(start[a] if own else 0, stop[a] if own else count):
            if rows[c] == itself[a] or (not own and start[a] <= c < stop[a]):
                continue
            distance = _named(_between(anchors[a], anchor_scales[a], vectors[order[c]], scales[order[c]]), kind)
            if distance >= low[q]:
                held = _insert(far[q], found[q], held, distance, rows[c], sign)


# ---- by lot


@compiled
@no_type_check
def _mixed(state):
    """splitmix64: 64 bits that look like chance, of any number."""
    state += np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@compiled
@no_type_check
def uniform_of(key, number):
    """A number in (0, 1) that belongs to this key and this number, the same in every order of work."""
    bits = _mixed(key ^ _mixed(np.uint64(number)))
    return (np.float64(bits >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@compiled
@no_type_check
def keys_of(seed, first, second):
    """(Q,) uint64: the key of every query, of its anchor's and its positive's row."""
    out = np.empty(first.shape[0], np.uint64)
    for q in range(first.shape[0]):
        out[q] = _mixed(_mixed(np.uint64(seed) ^ _mixed(np.uint64(first[q]))) ^ np.uint64(second[q]))
    return out


@compiled
@no_type_check
def lot_of(key, row, squared, weigh, dim, ceiling):
    """The lot of a row: the lowest is drawn first, each with a chance in proportion to its weight.

    The race of exponentials: -log(u) / w is lowest with chance w / sum(w). Logarithms, for w spans hundreds of nats.
    Without weights, the plain number.

    Args:
        key: of the query.
        row: number of the row in the whole set.
        squared: Euclidean distance on the unit sphere, squared.
        weigh: whether weights count.
        dim: D.
        ceiling: the logarithm of the largest weight.
    """
    chance = uniform_of(key, row)
    if not weigh:
        return chance
    squared = min(max(squared, 1e-37), 4.0)
    weight = -0.5 * (dim - 2) * np.log(squared) - 0.5 * (dim - 3) * np.log(max(1.0 - 0.25 * squared, 1e-37))
    return np.log(-np.log(chance)) - min(weight, ceiling)


@compiled
@no_type_check
def _draw(
    values, half, length, begin, end, low, high, offset, rows, key, weigh, unit, dim, ceiling, lots, columns, count
):
    """How many are listed, after the columns begin <= c < end of one row drew their lots; the lowest stay."""
    size = np.int64(lots.shape[0])
    worst = 0
    for i in range(1, count):
        if lots[i] > lots[worst]:
            worst = i
    for c in range(begin, end):
        value = values[c] - half[c]
        if value < high and value > low:
            squared = (np.float64(length) - 2.0 * value) * unit
            lot = lot_of(key, rows[np.int64(c) + offset], squared, weigh, dim, ceiling)
            if count < size:
                lots[count] = lot
                columns[count] = np.int64(c) + offset
                if count == 0 or lot > lots[worst]:
                    worst = count
                count += 1
            elif lot < lots[worst]:
                lots[worst] = lot
                columns[worst] = np.int64(c) + offset
                for i in range(size):
                    if lots[i] > lots[worst]:
                        worst = i
    return count


@compiled
@no_type_check
def draw_tile(
    tile,
    half,
    offset,
    anchors,
    start,
    stop,
    first,
    lengths,
    low,
    high,
    rows,
    keys,
    weigh,
    unit,
    dim,
    ceiling,
    lots,
    columns,
    counts,
):
    """Nothing; `lots` (Q, K), `columns` and `counts` have taken in a tile; scores in (low, high) draw lots."""
    width = np.int64(tile.shape[1])
    for r in range(tile.shape[0]):
        left = np.uint64(min(max(start[r] - offset, 0), width))
        right = np.uint64(min(max(stop[r] - offset, 0), width))
        for q in range(first[anchors[r]], first[anchors[r] + 1]):
            for part in range(2):
                counts[q] = _draw(
                    tile[r],
                    half,
                    lengths[anchors[r]],
                    np.uint64(0) if part == 0 else right,
                    left if part == 0 else np.uint64(width),
                    low[q],
                    high[q],
                    offset,
                    rows,
                    keys[q],
                    weigh,
                    unit,
                    dim,
                    ceiling,
                    lots[q],
                    columns[q],
                    counts[q],
                )


@compiled
@no_type_check
def measure_lots(
    anchors,
    anchor_scales,
    anchor_of,
    vectors,
    scales,
    order,
    rows,
    columns,
    counts,
    low,
    high,
    kind,
    keys,
    weigh,
    dim,
    ceiling,
    far,
    found,
    lots,
):
    """Nothing; of the listed columns with low <= distance < high, those with the lowest lots, lowest first."""
    size = far.shape[1]
    for q in range(anchor_of.shape[0]):
        a = anchor_of[q]
        held = 0
        for i in range(counts[q]):
            c = columns[q, i]
            squared = _between(anchors[a], anchor_scales[a], vectors[order[c]], scales[order[c]])
            distance = _named(squared, kind)
            if not (low[q] <= distance < high[q]):
                continue
            lot = lot_of(keys[q], rows[c], squared, weigh, dim, ceiling)
            if held == size and lot >= lots[q, size - 1]:
                continue
            place = held if held < size else size - 1
            while place > 0 and lots[q, place - 1] > lot:
                lots[q, place] = lots[q, place - 1]
                far[q, place] = far[q, place - 1]
                found[q, place] = found[q, place - 1]
                place -= 1
            lots[q, place] = lot
            far[q, place] = distance
            found[q, place] = rows[c]
            held = min(held + 1, size)


@compiled
@no_type_check
def draw_places(keys, among, size, places):
    """Nothing; `places` (Q, size) hold different numbers below among[q] by lot; -1 after the last.

    Floyd's way to draw without replacement: the j-th draw takes any of the first (among - size + j + 1) numbers, and
    the last of them where that one was drawn before.
    """
    for q in range(keys.shape[0]):
        take = min(np.int64(size), among[q])
        for j in range(take):
            top = among[q] - take + j
            drawn = np.int64(uniform_of(keys[q], j) * (top + 1))
            for i in range(j):
                if places[q, i] == drawn:
                    drawn = top
                    break
            places[q, j] = drawn
