"""Search in cells: what it finds is true, what it misses is told, and the recall it tells is the recall it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_mining_shard import clouds, exact

from tripletscope.cli import main
from tripletscope.errors import UnknownNameError
from tripletscope.mining import approximate, cells
from tripletscope.mining.approximate import Approximate
from tripletscope.mining.cells import Cells, InCells
from tripletscope.mining.graph import neighbour_graph
from tripletscope.mining.search import nearest
from tripletscope.mining.shard import DISTANCES, Shard, measure
from tripletscope.mining.whole_set import Mined, mine, mine_rows

APPROXIMATE = ("hardest", "batch-hard", "semi-hard", "semi-hard-random", "easy-positive", "distance-weighted")


def spread_out(count: int = 6000, dim: int = 10, classes: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A cloud without clusters, where cells must miss something."""
    chance = np.random.default_rng(4)
    return chance.normal(size=(count, dim)).astype(np.float32), chance.integers(0, classes, count)


def mined(strategy: str, search: str, **options: object) -> Mined:
    points, classes = spread_out()
    options = {"margin": 0.05 if strategy.startswith("semi") else 0.2, **options}
    return mine_rows(
        points, classes, np.arange(len(points)), strategy=strategy, search=search, **options  # type: ignore[arg-type]
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.integers(1, 4), st.integers(0, 3))
def test_all_cells_together_are_the_whole(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, k: int, seed: int
) -> None:
    points, classes = cloud
    shard = Shard(points, classes, distance=distance)
    made = Cells.of(shard, seed)
    asked = shard.queries(slice(None))
    for low in (asked.low, exact(points, distance)[:, 0][shard.rows]):
        queries = asked.asking(asked.first, low)
        wanted = nearest(queries, shard, k)
        for probes in (None, len(made)):
            found = InCells(queries, made, k, probes).run(None)
            np.testing.assert_array_equal(found.row, wanted.row)
            np.testing.assert_array_equal(found.distance, wanted.distance)


@settings(max_examples=30, deadline=None)
@given(clouds(), st.integers(0, 3))
def test_every_row_is_in_one_cell_and_no_cell_is_a_heap(cloud: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    points, classes = cloud
    shard = Shard(points, classes)
    made = Cells.of(shard, seed)
    assert sorted(made.shard.rows) == list(range(len(points)))
    sizes = np.diff(made.first)
    assert sizes.min() >= 0
    assert sizes.sum() == len(points)
    assert sizes.max() <= cells.LARGEST_CELL * len(points) / round(len(points) ** 0.5) + 1
    for begin, end in zip(made.first[:-1], made.first[1:], strict=True):
        inside = made.shard.classes[begin:end]
        assert (np.diff(inside) >= 0).all()  # a class is one stretch of a cell, or it could not be left out
    np.testing.assert_array_equal(made.shard.classes, classes[made.shard.rows])
    np.testing.assert_array_equal(made.shard.order, made.shard.rows)


def test_a_cell_is_wanted_for_what_lies_in_it() -> None:
    chance = np.random.default_rng(0)
    middles = np.float32([[0, 0], [10, 0], [30, 0]])
    points = (middles[np.arange(300) % 3] + chance.normal(size=(300, 2)) / 10).astype(np.float32)
    shard = Shard(points, np.arange(300))
    made = Cells(
        shard.in_cells(np.argmin(np.abs(points[shard.order, :1] - [0, 10, 30]), axis=1)),
        shard.centred(np.arange(3)) * 0 + (middles - shard.frame.mean.astype(np.float32)) / np.float32(shard.reach),
        np.full(3, 0.02 / shard.reach**2),
        np.array([0, 100, 200, 300]),
    )
    at_zero = ((np.zeros((1, 2)) - shard.frame.mean) / shard.reach).astype(np.float32)
    for beyond, order in ((0.0, [0, 1, 2]), (9.0, [1, 0, 2]), (29.0, [2, 1, 0])):
        wanted = made.order_for(at_zero, shard.squared(np.array([beyond])))
        assert np.argsort(wanted[0]).tolist() == order


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_recall_told_is_the_recall_it_has(distance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "MEASURED", 1500)
    points, classes = spread_out()
    shard = Shard(points, classes, distance=distance)
    asked = shard.queries(slice(None))
    near = nearest(asked, shard, 40).distance[:, 30]
    for k, queries in ((1, asked), (10, asked), (1, asked.asking(asked.first, near, near * np.float32(1.01)))):
        for most in (0.03, 0.4):
            with monkeypatch.context() as patch:
                patch.setattr(approximate, "MOST_CELLS", most)
                patch.setattr(approximate, "FEWEST", 1)
                search = Approximate(shard, seed=1)
                found = search.nearest(queries, k)
            wanted = nearest(queries, shard, k)
            inside = wanted.row >= 0
            if queries.high is not None:
                inside &= wanted.distance < queries.high[:, None]
            # One by one, as a person would count.
            hits = sum(len(set(ours) & set(theirs[there])) for ours, theirs, there in
                       zip(found.row, wanted.row, inside, strict=True))  # fmt: skip
            truth = hits / inside.sum()
            assert search.quality is not None
            assert search.quality.recall == pytest.approx(truth, abs=0.02)
            assert search.quality.anchors == 1500
            if most == 0.03:
                assert truth < 0.9  # or the test would show nothing


@pytest.mark.parametrize("strategy", APPROXIMATE)
def test_what_is_found_is_true_and_says_how_it_was_found(strategy: str) -> None:
    points, classes = spread_out()
    found, wanted = mined(strategy, "approximate"), mined(strategy, "exact")
    assert (classes[found.anchor] == classes[found.positive]).all()
    assert (classes[found.anchor] != classes[found.negative]).all()
    shard = Shard(points, classes, distance="cosine")
    np.testing.assert_array_equal(found.d_an, measure(shard, found.anchor, found.negative))
    if strategy.startswith("semi"):
        assert (found.gap > 0).all()
        assert (found.gap < np.float32(0.05)).all()
    # Positives are exact and by the same lots.
    assert set(zip(found.anchor, found.positive, strict=True)) <= set(zip(wanted.anchor, wanted.positive, strict=True))
    told = found.settings
    assert (told["exact"], wanted.settings["exact"], wanted.settings["recall"]) == (False, True, 1.0)
    assert 0.5 < told["recall"] <= 1
    assert told["recall_anchors"] == 2000
    assert "negative" in told["recall_of"]
    assert any("approximate" in note and f"{told['recall']:.1%}" in note for note in found.notes)
    assert len(found) >= 0.95 * len(wanted)
    assert told["share_without_negative"] == pytest.approx(1 - len(found) / told["pairs"], abs=1e-4)


def test_where_cells_hold_no_semi_hard_negative_a_pool_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "MOST_CELLS", 0.0)
    monkeypatch.setattr(approximate, "FEWEST", 1)
    monkeypatch.setattr(approximate, "POOL", 1)
    few = mined("semi-hard", "approximate", margin=0.002)
    monkeypatch.setattr(approximate, "POOL", 500)
    more = mined("semi-hard", "approximate", margin=0.002)
    assert len(few) < len(more) < len(mined("semi-hard", "exact", margin=0.002))
    again = few.settings["share_asked_again"]
    assert again == more.settings["share_asked_again"]
    assert again > 0
    assert any("no negative was found" in note for note in few.notes)


@pytest.mark.parametrize("strategy", ["hardest", "semi-hard", "distance-weighted"])
def test_threads_change_nothing_and_the_seed_does(strategy: str) -> None:
    one, two = (mined(strategy, "approximate", threads=threads) for threads in (1, 2))
    for name in ("anchor", "positive", "negative", "d_ap", "d_an"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.settings == two.settings
    other = mined(strategy, "approximate", seed=1)
    assert set(zip(other.anchor, other.negative, strict=True)) != set(zip(one.anchor, one.negative, strict=True))


def test_it_is_exact_up_to_a_size() -> None:
    assert mined("hardest", "auto").settings["exact"] is True
    assert mined("hardest", "auto", exact_up_to=5999).settings["exact"] is False
    assert mined("hardest", "auto", exact_up_to=6000).settings["exact"] is True
    assert mined("hardest", "exact", exact_up_to=5).settings["exact"] is True
    assert mined("random", "approximate").settings["exact"] is True  # drawn from all rows at any size
    points, classes = spread_out(300)
    with pytest.raises(UnknownNameError, match="search"):
        mine(points, classes, strategy="hardest", margin=0.2, search="fast")
    table = mine(points, classes, strategy="hardest", margin=0.2, search="approximate")
    assert table.attrs["settings"]["exact"] is False


def test_a_stop_is_heard_at_every_stage() -> None:
    stages: list[str] = []
    mined("semi-hard", "approximate", on_stage=stages.append, progress=lambda done, total: None)
    assert stages == ["choosing positives", "searching", "finding cells", "asking a sample exactly", "searching",
                      "searching a pool for the rest"]  # fmt: skip
    for stage in stages[2:]:
        reached: list[str] = []

        def stop(done: int, total: int, stage: str = stage, reached: list[str] = reached) -> None:
            assert 0 <= done <= total
            if reached[-1] == stage and len(reached) > 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            mined("semi-hard", "approximate", on_stage=reached.append, progress=stop)
        assert reached[-1] == stage


def test_the_graph_of_a_large_set_tells_its_recall() -> None:
    points, _ = spread_out(3000)
    index, far, recall = neighbour_graph(points, 10, distance="euclidean", search="approximate")
    wanted, _, one = neighbour_graph(points, 10, distance="euclidean")
    truth = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(index, wanted, strict=True)])
    assert one == 1.0
    assert recall == pytest.approx(truth, abs=0.02)
    assert (np.diff(far, axis=1) >= 0).all()
    assert (index != np.arange(3000)[:, None]).all()


def test_the_command_line_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points, classes = spread_out(400)
    pd.DataFrame({"kind": [f"k{c}" for c in classes], "vector": list(points)}).to_parquet(tmp_path / "rows.parquet")
    words = ["mine", str(tmp_path / "rows.parquet"), "--label", "kind", "--vector", "vector", "--flagged", "ignore"]
    assert main([*words, "--search", "approximate", "--out", str(tmp_path / "a.csv")]) == 0
    said = capsys.readouterr().err
    assert "an approximate search over 400 rows takes" in said
    assert "note: The search was approximate: each anchor looked in" in said
    assert main([*words, "--exact-up-to", "100", "--out", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert '"exact": false' in (tmp_path / "b.settings.json").read_text()
    capsys.readouterr()
    assert main([*words, "--search", "exact", "--exact-up-to", "9", "--out", str(tmp_path / "c.csv")]) == 2
    assert "--exact-up-to is for --search auto" in capsys.readouterr().err
