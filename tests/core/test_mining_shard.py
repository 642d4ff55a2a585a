"""The exact search: equal to a table of all distances, whatever the points look like, and in any number of shards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope.errors import DataError, UnknownNameError
from tripletscope.mining import search
from tripletscope.mining.questions import Lots, TopK
from tripletscope.mining.search import drawn, nearest
from tripletscope.mining.shard import DISTANCES, Shard, measure


def exact(points: np.ndarray, distance: str) -> np.ndarray:
    """(N, N) float32, by differences in float64."""
    wide = points.astype(np.float64)
    if distance == "cosine":
        lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))
        wide = wide * (1.0 / np.where(lengths > 0, lengths, 1.0))[:, None]
    squared = ((wide[:, None] - wide) ** 2).sum(axis=2)
    named = {"euclidean": np.sqrt(squared), "squared-euclidean": squared, "cosine": squared / 2}[distance]
    return np.asarray(named, dtype=np.float32)


def sorted_rows(far: np.ndarray, allowed: np.ndarray, k: int, farthest: bool) -> tuple[np.ndarray, np.ndarray]:
    """The oracle: every row of the table sorted, by distance, then by number."""
    count = len(far)
    row, distance = np.full((count, k), -1), np.full((count, k), np.inf, np.float32)
    for a in range(count):
        order = sorted(np.flatnonzero(allowed[a]), key=lambda n: (-far[a, n] if farthest else far[a, n], n))[:k]
        row[a, : len(order)], distance[a, : len(order)] = order, far[a, order]
    return row, distance


@st.composite
def clouds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Points and classes: spread out, collapsed to 1e-3 far from the origin, on a lattice (ties), with duplicates."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, dim = draw(st.integers(2, 60)), draw(st.integers(1, 12))
    points = chance.normal(size=(count, dim))
    kind = draw(st.sampled_from(["spread", "collapsed", "lattice", "few", "equal", "far apart"]))
    if kind == "collapsed":
        points = points * 1e-3 + 5
    elif kind == "lattice":
        points = np.round(points)
    elif kind == "few":
        points = points[chance.integers(0, 3, count).clip(max=count - 1)]
    elif kind == "equal":
        points = np.ones((count, dim))
    elif kind == "far apart":
        points[0] *= 1e6
    classes = chance.integers(0, draw(st.integers(1, 6)), count)
    return points.astype(np.float32), classes


def in_order(top: TopK, shard: Shard) -> TopK:
    """Answers to all rows of a shard, by row."""
    back = np.argsort(shard.rows)
    return TopK(top.distance[back], top.row[back], top.farthest)


@settings(max_examples=80, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.booleans(), st.booleans(), st.integers(1, 4))
def test_it_finds_what_sorting_all_distances_finds(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, own: bool, farthest: bool, k: int
) -> None:
    points, classes = cloud
    shard = Shard(points, classes, distance=distance)
    far = exact(points, distance)
    allowed = ((classes[:, None] == classes) == own) & ~np.eye(len(points), dtype=bool)
    found = in_order(nearest(shard.queries(slice(None)), shard, k, own=own, farthest=farthest), shard)
    row, distances = sorted_rows(far, allowed, k, farthest)
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.distance, distances)


@settings(max_examples=60, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.integers(1, 3), st.data())
def test_rows_nearer_than_asked_for_are_no_answer(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, k: int, data: st.DataObject
) -> None:
    points, classes = cloud
    shard, far = Shard(points, classes, distance=distance), exact(points, distance)
    # A threshold that is itself a distance is where a bound could be off by one.
    other = data.draw(st.integers(0, len(points) - 1))
    low = far[:, other].copy()
    plain = shard.queries(slice(None))
    asked = plain.asking(plain.first, low[shard.rows])
    found = in_order(nearest(asked, shard, k), shard)
    row, distances = sorted_rows(far, (classes[:, None] != classes) & (far >= low[:, None]), k, False)
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.distance, distances)


@settings(max_examples=40, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.booleans(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_shards_merge_into_the_whole_in_any_order(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, farthest: bool, k: int, seed: int
) -> None:
    points, classes = cloud
    whole = Shard(points, classes, distance=distance)
    asked = whole.queries(slice(None))
    wanted = nearest(asked, whole, k, farthest=farthest)
    chance = np.random.default_rng(seed)
    place = chance.integers(0, 3, len(points))
    parts = []
    for one in range(3):
        rows = np.flatnonzero(place == one)
        parts.append(nearest(asked, Shard(points[rows], classes[rows], rows, distance), k, farthest=farthest))
    a, b, c = (parts[i] for i in chance.permutation(3))
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)):
        np.testing.assert_array_equal(merged.row, wanted.row)
        np.testing.assert_array_equal(merged.distance, wanted.distance)


@settings(max_examples=40, deadline=None)
@given(clouds(), st.booleans(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_what_shards_drew_merges_into_what_the_whole_draws(
    cloud: tuple[np.ndarray, np.ndarray], weighted: bool, k: int, seed: int
) -> None:
    points, classes = cloud
    whole = Shard(points, classes, distance="cosine")
    plain, count = whole.queries(slice(None)), len(points)
    low, high = np.full(count, 0.1, np.float32), np.full(count, 1.2, np.float32)
    asked = plain.asking(plain.first, low, high, np.arange(count, dtype=np.uint64))
    lots = Lots(weighted, points.shape[1], 3.0)
    wanted = drawn(asked, whole, k, lots=lots)
    chance = np.random.default_rng(seed)
    place = chance.integers(0, 3, count)
    parts = []
    for one in range(3):
        rows = np.flatnonzero(place == one)
        parts.append(drawn(asked, Shard(points[rows], classes[rows], rows, "cosine"), k, lots=lots))
    a, b, c = (parts[i] for i in chance.permutation(3))
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)):
        np.testing.assert_array_equal(merged.row, wanted.row)
        np.testing.assert_array_equal(merged.distance, wanted.distance)


@settings(max_examples=40, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.booleans(), st.integers(1, 4))
def test_rows_in_half_precision_and_rows_picked_from_more_are_searched_where_they_lie(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, own: bool, k: int
) -> None:
    points, classes = cloud
    half = np.clip(points, -6e4, 6e4).astype(np.float16)
    places = np.random.default_rng(len(points)).permutation(len(points))[: max(1, len(points) // 2)]
    shard = Shard(half, classes[places], distance=distance, places=places)
    copy = Shard(half[places].astype(np.float32), classes[places], distance=distance)
    assert shard.vectors is half
    for farthest in (False, True):
        found = nearest(shard.queries(slice(None)), shard, k, own=own, farthest=farthest)
        wanted = nearest(copy.queries(slice(None)), copy, k, own=own, farthest=farthest)
        np.testing.assert_array_equal(found.row, wanted.row)
        np.testing.assert_array_equal(found.distance, wanted.distance)
    np.testing.assert_array_equal(
        measure(shard, shard.order, shard.order[::-1]), measure(copy, copy.order, copy.order[::-1])
    )


def test_more_points_than_a_tile_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "TILE_ROWS", 48)
    monkeypatch.setattr(search, "TILE_COLUMNS", 80)
    chance = np.random.default_rng(3)
    classes = chance.integers(0, 4, 400)
    points = chance.normal(size=(400, 6)).astype(np.float32)
    points[200:300] = points[:100]  # the same rows in other classes
    shard, far = Shard(points, classes), exact(points, "euclidean")
    for own in (False, True):
        allowed = ((classes[:, None] == classes) == own) & ~np.eye(400, dtype=bool)
        found = in_order(nearest(shard.queries(slice(None)), shard, 3, own=own), shard)
        np.testing.assert_array_equal(found.row, sorted_rows(far, allowed, 3, False)[0])


def test_a_list_that_proves_nothing_is_looked_at_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    # 400 equal negatives: no list of 6 or 122 can rule the others out.
    points = np.ones((401, 3), np.float32)
    points[0] = 0
    shard = Shard(points, np.arange(401) > 0)
    calls = []
    in_full = search.Nearest.in_full
    monkeypatch.setattr(search.Nearest, "in_full", lambda self, *args: (calls.append(1), in_full(self, *args))[1])
    found = nearest(shard.queries(np.array([0])), shard, 2)
    assert found.row.tolist() == [[1, 2]]
    assert calls


def test_in_full_goes_through_half_precision_piece_by_piece() -> None:
    points = np.ones((2**16 + 300, 2), np.float16)  # more than a piece, all equal
    points[0] = 0
    points[-1] = 0.5
    shard = Shard(points, np.arange(len(points)) > 0)
    found = nearest(shard.queries(np.array([0])), shard, 3)
    assert found.row.tolist() == [[len(points) - 1, 1, 2]]


def test_the_bound_on_rounding_holds() -> None:
    chance = np.random.default_rng(0)
    for dim in (2, 64, 700):
        points = chance.normal(size=(300, dim)).astype(np.float32) + 3
        shard = Shard(points, np.zeros(300))
        made = shard.made
        rough = made.lengths[:, None] - 2 * (made.rows @ made.rows.T - made.half)
        true = shard.squared(exact(points, "euclidean"))[np.ix_(shard.order, shard.order)]
        assert (np.abs(rough - true) <= shard.slack(np.sqrt(made.lengths))[:, None] + 2e-7 * true).all()


def test_lots_do_not_depend_on_blocks_or_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    points, classes = chance.normal(size=(150, 4)).astype(np.float32), chance.integers(0, 3, 150)
    shard = Shard(points, classes)
    plain = shard.queries(slice(None))
    low, high = np.full(150, 0.5, np.float32), np.full(150, 2.0, np.float32)
    asked = plain.asking(plain.first, low, high, np.arange(150, dtype=np.uint64))
    once = drawn(asked, shard, 3)
    monkeypatch.setattr(search, "TILE_ROWS", 16)
    monkeypatch.setattr(search, "TILE_COLUMNS", 40)
    np.testing.assert_array_equal(drawn(asked, shard, 3).row, once.row)
    monkeypatch.setattr(search, "SPARE", (0, 1))  # every list too short at first
    np.testing.assert_array_equal(drawn(asked, shard, 3).row, once.row)
    far = exact(points, "euclidean")[shard.order]
    picked = np.take_along_axis(far, once.row.clip(min=0), 1)[once.row >= 0]
    assert ((picked >= 0.5) & (picked < 2.0)).all()


def test_progress_is_told_and_can_end_the_work() -> None:
    points = np.random.default_rng(0).normal(size=(2200, 2)).astype(np.float32)
    shard = Shard(points, np.arange(2200) % 2)
    told: list[tuple[int, int]] = []
    nearest(shard.queries(slice(None)), shard, progress=lambda done, every: told.append((done, every)))
    assert told == [(1024, 2200), (2048, 2200), (2200, 2200)]

    def stop(done: int, every: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nearest(shard.queries(slice(None)), shard, progress=stop)


def test_what_cannot_be_searched_is_refused() -> None:
    points = np.ones((3, 2), np.float32)
    with pytest.raises(UnknownNameError, match="euclidian"):
        Shard(points, np.zeros(3), distance="euclidian")
    points[0] = 1e30
    with pytest.raises(DataError, match="overflow"):
        Shard(points, np.zeros(3))
    assert measure(Shard(points, np.zeros(3), distance="cosine"), np.array([0]), np.array([1])).tolist() == [0.0]
    nobody = nearest(Shard(points[:0], np.zeros(0)).queries(slice(None)), Shard(points[:0], np.zeros(0)))
    assert nobody.row.shape == (0, 1)
