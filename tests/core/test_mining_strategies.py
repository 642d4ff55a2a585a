"""Whole-set strategies mean what they mean in a batch: the strategy's own file is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_mining_shard import clouds, exact

from tripletscope import strategies
from tripletscope.batch import Batch
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.mining import picks
from tripletscope.mining.shard import DISTANCES
from tripletscope.mining.whole_set import mine


def minable(classes: np.ndarray) -> bool:
    sizes = np.bincount(classes)
    return bool((sizes > 1).any() and (sizes > 0).sum() > 1)


def rows(points: np.ndarray, classes: np.ndarray, **options: object) -> set[tuple[int, int, int]]:
    table = mine(points, classes, **options)  # type: ignore[arg-type]
    return set(zip(table["anchor_id"], table["positive_id"], table["negative_id"], strict=True))


@settings(max_examples=80, deadline=None)
@given(
    clouds(),
    st.sampled_from(DISTANCES),
    st.sampled_from(["hardest", "batch-hard", "semi-hard", "easy-positive"]),
    st.sampled_from([1e-6, 1e-3, 0.2, 3.0]),
)
def test_with_all_positives_they_are_the_picks_of_the_strategys_own_file(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, name: str, margin: float
) -> None:
    points, classes = cloud
    if not minable(classes):
        return
    far = torch.from_numpy(exact(points, distance))
    wanted = strategies.get(name)(far, torch.from_numpy(classes), margin=margin, distance=distance).to_set()
    one = strategies.get(name).granularity == "anchor"
    found = rows(
        points, classes, strategy=name, margin=margin, distance=distance, positives_per_anchor=None if one else "all"
    )
    assert found == wanted


@settings(max_examples=40, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.sampled_from(picks.names()), st.integers(1, 3), st.integers(0, 9))
def test_every_pick_lies_where_the_strategy_may_pick(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, name: str, k: int, seed: int
) -> None:
    points, classes = cloud
    if not minable(classes) or points.shape[1] < 2:
        return
    if name == "distance-weighted":
        distance = "cosine"
    table = mine(points, classes, strategy=name, margin=0.3, distance=distance, negatives_per_anchor=k, seed=seed)
    far = exact(points, distance)
    a, p, n = (table[f"{slot}_id"].to_numpy() for slot in ("anchor", "positive", "negative"))
    assert (classes[a] == classes[p]).all()
    assert (a != p).all()
    assert (classes[a] != classes[n]).all()
    np.testing.assert_array_equal(table["d_ap"], far[a, p])
    np.testing.assert_array_equal(table["d_an"], far[a, n])
    assert not table.duplicated(["anchor_id", "positive_id", "negative_id"]).any()
    assert table.groupby(["anchor_id", "positive_id"]).size().max() <= k if len(table) else True
    if "semi-hard" in name:
        assert set(table["zone"]) <= {"semi-hard"}
    # Nobody abstains who need not: random and hardest reach every pair.
    if name in ("random", "hardest", "batch-hard", "easy-positive"):
        sizes = np.bincount(classes)
        others = len(classes) - sizes[classes]
        anchors = (sizes[classes] > 1) & (others > 0)
        assert len(table) == np.minimum(others[anchors], k).sum()


def test_k_negatives_are_the_k_nearest_and_the_window_skips_the_first() -> None:
    points = np.float32([[0], [0.5], [1], [2], [3], [4], [5]])
    classes = [0, 0, 1, 1, 1, 1, 1]
    near = mine(points, classes, strategy="hardest", margin=9.0, distance="euclidean", negatives_per_anchor=3)
    assert near[near["anchor_id"] == 0]["negative_id"].tolist() == [2, 3, 4]
    later = mine(
        points, classes, strategy="top-n-window", margin=9.0, distance="euclidean", negatives_per_anchor=2, skip=2
    )
    assert later[later["anchor_id"] == 0]["negative_id"].tolist() == [4, 5]
    band = mine(points, classes, strategy="semi-hard", margin=2.6, distance="euclidean", negatives_per_anchor=5)
    assert sorted(band[band["anchor_id"] == 0]["negative_id"]) == [2, 3, 4]


@pytest.mark.parametrize("name", ["random", "semi-hard-random", "distance-weighted"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_draws_come_as_often_as_the_strategy_says(name: str, distance: str) -> None:
    # 150 equal anchors, so that every pair draws from one distribution, which the strategy's own file gives.
    chance = np.random.default_rng(5)
    others = chance.normal(size=(9, 4))
    others = others / np.linalg.norm(others, axis=1, keepdims=True)
    origin = np.array([1.0, 0, 0, 0])
    points = np.concatenate([np.tile(origin, (150, 1)), (0.6 * others + origin)])
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    classes = np.array([0] * 150 + list(range(1, 10)))
    margin = 0.5
    table = mine(points, classes, strategy=name, margin=margin, distance=distance, positives_per_anchor="all")
    batch = Batch(torch.from_numpy(exact(points, distance)), torch.from_numpy(classes), distance=distance, dim=4)
    expected = strategies.get(name).probabilities(
        batch, torch.tensor([0]), torch.tensor([1]), margin=margin
    )[0].numpy()  # fmt: skip
    counts = np.bincount(table[table["anchor_id"] < 150]["negative_id"], minlength=159)
    total = counts.sum()
    assert total == 150 * 149
    possible = expected > 0
    assert not counts[~possible].any()
    chi = ((counts - total * expected)[possible] ** 2 / (total * expected[possible])).sum()
    assert chi < 35  # 8 degrees of freedom: beyond that one time in 30,000


def test_two_draws_are_in_the_ratio_of_their_weights_without_replacement() -> None:
    points = np.float32([[0, 0]] * 60 + [[1, 0], [0, 1], [1, 1]])
    classes = [0] * 60 + [1, 2, 3]
    table = mine(
        points, classes, strategy="random", margin=1.0, distance="euclidean", positives_per_anchor="all",
        negatives_per_anchor=2,
    )  # fmt: skip
    picked = table[table["anchor_id"] < 60]
    assert (picked.groupby(["anchor_id", "positive_id"])["negative_id"].nunique() == 2).all()
    share = picked["negative_id"].value_counts(normalize=True)
    assert np.allclose(share, 1 / 3, atol=0.02)


def test_the_order_of_rows_changes_nothing_but_the_seed_does() -> None:
    chance = np.random.default_rng(2)
    points, classes = chance.normal(size=(80, 5)).astype(np.float32), chance.integers(0, 6, 80)
    ids = np.array([f"row {i:02d}" for i in range(80)])
    shuffled = chance.permutation(80)
    for name in picks.names():
        one = mine(points, classes, ids, strategy=name, margin=0.2, seed=4)
        two = mine(points[shuffled], classes[shuffled], ids[shuffled], strategy=name, margin=0.2, seed=4)
        assert one.equals(two), name
        if picks.get(name).positives == "random":
            assert not one.equals(mine(points, classes, ids, strategy=name, margin=0.2, seed=5)), name


def test_a_strategy_and_its_parameters_are_checked() -> None:
    points, classes = np.eye(4, dtype=np.float32), [0, 0, 1, 1]
    with pytest.raises(UnknownNameError, match="semi-hard"):
        mine(points, classes, strategy="semihard", margin=0.2)
    with pytest.raises(UnknownNameError, match="skip"):
        mine(points, classes, strategy="top-n-window", margin=0.2, skips=3)
    with pytest.raises(SettingError, match="skip"):
        mine(points, classes, strategy="top-n-window", margin=0.2, skip=-1)
    with pytest.raises(SettingError, match="length 1"):
        mine(points * 3, classes, strategy="distance-weighted", margin=0.2, distance="euclidean")
    with pytest.raises(SettingError, match="dimension"):
        mine(points[:, :1], classes, strategy="distance-weighted", margin=0.2)


def test_every_strategy_over_a_whole_set_has_its_twin() -> None:
    assert set(picks.names()) - {"top-n-window"} < set(strategies.names())
    for one in picks.STRATEGIES.values():
        if one.name != "top-n-window":
            twin = strategies.get(one.name)
            assert {p.name: p.default for p in twin.params} == dict(one.params)
            assert all(picks._BOUNDS[p.name] == (p.low, p.high) for p in twin.params)


def test_the_zone_ends_where_the_rounded_gap_reaches_the_margin() -> None:
    # d_ap + margin is rounded down where d_an - d_ap is exact: a negative at that sum is still inside.
    margin, seen = 0.1, 0
    for near in np.random.default_rng(0).uniform(0.5, 3, 20).astype(np.float32):
        far = near + np.float32(margin)
        inside = bool(far - near < np.float32(margin))
        seen += inside
        points = np.float32([[0], [near], [-far]])
        for name in ("semi-hard", "semi-hard-random"):
            table = mine(points, [0, 0, 1], strategy=name, margin=margin, distance="euclidean")
            assert (0 in set(table["anchor_id"])) == inside
    assert 0 < seen < 20
