"""Filters against false negatives: with each, what is left of all negatives is what the paper's rule leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_mining_shard import clouds, exact

from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.mining import filters, picks
from tripletscope.mining.whole_set import mine


def allowed(name: str, value: float, d_ap: float, d_an: float) -> bool:
    """Moreira et al. 2024, on similarities s = 1 - d: what is above the limit goes."""
    positive = 1 - d_ap
    limit = {"topk-abs": value, "margin-pos": positive - value, "perc-pos": positive * value}[name]
    return d_an >= 1 - limit  # s(a,n) <= limit, without rounding s


@settings(max_examples=50, deadline=None)
@given(
    clouds(),
    st.sampled_from(["topk-abs", "margin-pos", "perc-pos"]),
    st.floats(0, 1),
    st.sampled_from(["hardest", "easy-positive", "semi-hard"]),
)
def test_the_nearest_allowed_negative_is_taken(
    cloud: tuple[np.ndarray, np.ndarray], name: str, value: float, strategy: str
) -> None:
    points, classes = cloud
    sizes = np.bincount(classes)
    if not (sizes > 1).any() or (sizes > 0).sum() < 2:
        return
    far = exact(points, "cosine")
    options = {"strategy": strategy, "margin": 0.3, "positives_per_anchor": "all"}
    table = mine(points, classes, filters={name: value}, **options)
    found = set(zip(table["anchor_id"], table["positive_id"], table["negative_id"], strict=True))
    wanted = set()
    for a in range(len(points)):
        for p in np.flatnonzero((classes == classes[a]) & (np.arange(len(points)) != a)):
            rivals = [
                (far[a, n], n)
                for n in np.flatnonzero(classes != classes[a])
                if allowed(name, value, float(far[a, p]), float(far[a, n]))
                and (strategy != "semi-hard" or 0 < far[a, n] - far[a, p] < np.float32(0.3))
            ]
            if rivals:
                wanted.add((a, int(p), int(min(rivals)[1])))
    assert found == wanted


def test_the_three_rules_with_a_pencil() -> None:
    # The anchor looks along x; the positive has s = 0.8, the negatives s = 0.9, 0.78, 0.74 and 0.5.
    similarities = [1.0, 0.8, 0.9, 0.78, 0.74, 0.5]
    points = np.array([[s, (1 - s * s) ** 0.5] for s in similarities])
    classes = [0, 0, 1, 2, 3, 4]
    options = {"strategy": "hardest", "margin": 0.2}

    def first(**chosen: object) -> int:
        table = mine(points, classes, **options, **chosen)
        return int(table[table["anchor_id"] == 0]["negative_id"].iloc[0])

    assert first() == 2
    assert first(filters={"perc-pos": 0.95}) == 4  # 0.76
    assert first(filters={"margin-pos": 0.01}) == 3  # 0.79
    assert first(filters=["margin-pos"]) == 4  # 0.75
    assert first(filters=["topk-abs"]) == 5  # 0.7
    assert first(filters={"topk-abs": 0.75, "margin-pos": 0.01}) == 4
    assert mine(points, classes, filters=["topk-abs"], **options).attrs["settings"]["filters"] == {"topk-abs": 0.7}


def test_unit_vectors_give_the_same_rows_at_every_distance() -> None:
    chance = np.random.default_rng(0)
    points = chance.normal(size=(60, 5))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    classes = chance.integers(0, 5, 60)
    found = []
    for distance in ("cosine", "euclidean", "squared-euclidean"):
        table = mine(points, classes, strategy="hardest", margin=0.2, distance=distance, filters=["perc-pos"])
        found.append(set(zip(table["anchor_id"], table["negative_id"], strict=True)))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", picks.names())
def test_every_strategy_obeys_them(name: str) -> None:
    chance = np.random.default_rng(1)
    points, classes = chance.normal(size=(90, 4)), chance.integers(0, 5, 90)
    table = mine(points, classes, strategy=name, margin=0.5, filters={"margin-pos": 0.1}, negatives_per_anchor=3)
    assert len(table)
    assert (table["gap"] >= 0.1 - 1e-6).all()


def test_what_a_filter_cannot_do_is_refused() -> None:
    points, classes = np.eye(4) * 3, [0, 0, 1, 1]
    with pytest.raises(SettingError, match="length 1"):
        mine(points, classes, strategy="hardest", margin=0.2, distance="euclidean", filters=["perc-pos"])
    with pytest.raises(SettingError, match="share"):
        mine(points, classes, strategy="hardest", margin=0.2, filters={"perc-pos": 1.5})
    with pytest.raises(UnknownNameError, match="perc-pos"):
        mine(points, classes, strategy="hardest", margin=0.2, filters=["percpos"])


def test_every_filter_says_what_it_is_and_where_it_comes_from() -> None:
    for one in filters.all():
        assert "2407.15831" in one.source
        assert one.summary.endswith(".")
        assert one.low <= one.default <= one.high


def test_the_floor_is_the_least_float32_that_the_rule_allows() -> None:
    d_ap = np.random.default_rng(0).uniform(0, 1, 300).astype(np.float32)
    for one in filters.all():
        floor = one.floor(d_ap, one.default, "cosine")
        limits = 1 - one.ceiling(1 - d_ap.astype(np.float64), one.default)
        assert (floor.astype(np.float64) >= limits).all()
        assert (np.nextafter(floor, np.float32(-1)).astype(np.float64) < limits).all()
