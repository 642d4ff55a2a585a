"""A forecast is what mining gives for the same anchors; a curve is what mining the nearest negatives gives."""

from __future__ import annotations

import numpy as np
import pytest

from tripletscope.errors import DataError, SettingError
from tripletscope.mining import picks
from tripletscope.mining.forecast import forecast, nearest_gaps, ready, suggested_margin
from tripletscope.mining.whole_set import mine_rows

CHANCE = np.random.default_rng(5)
LABELS = CHANCE.integers(-1, 6, 300)
POINTS = (CHANCE.normal(size=(6, 8))[LABELS] + CHANCE.normal(size=(300, 8))).astype(np.float32)
IDS = np.array([f"id {n}" for n in CHANCE.permutation(300)], dtype=object)


def mined(**options):
    return mine_rows(POINTS, LABELS, IDS, **({"strategy": "hardest", "margin": 0.2} | options))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("choice", ["random", "nearest", "farthest"])
def test_the_curve_is_that_of_mining_the_nearest_negatives(distance, choice):
    strategy = {"random": "hardest", "nearest": "easy-positive", "farthest": "batch-hard"}[choice]
    made = ready(POINTS, LABELS, IDS, distance=distance, exclude=[3, 4])
    seen = nearest_gaps(made, choice=choice, per_anchor=2, seed=4)
    wanted = mined(strategy=strategy, distance=distance, positives_per_anchor=2, seed=4, exclude=[3, 4])
    assert seen.exact
    np.testing.assert_array_equal(seen.gaps, np.sort(wanted.gap))


def test_all_positives_of_small_classes_are_looked_at_and_of_large_ones_a_few():
    small = ready(POINTS[:40], LABELS[:40], IDS[:40])
    wanted = mine_rows(POINTS[:40], LABELS[:40], IDS[:40], strategy="hardest", margin=1.0, positives_per_anchor="all")
    seen = nearest_gaps(small, per_anchor="all")
    np.testing.assert_array_equal(seen.gaps, np.sort(wanted.gap))
    large = nearest_gaps(ready(POINTS, LABELS, IDS), per_anchor="all")
    assert large.fewer == 16
    assert not large.exact
    assert len(large.gaps) == 16 * large.anchors


def test_of_a_large_set_some_anchors_are_drawn_and_it_says_so():
    labels = np.arange(3000) % 50
    points = CHANCE.normal(size=(3000, 4)).astype(np.float32)
    made = ready(points, labels, np.arange(3000))
    seen, again, whole = (nearest_gaps(made, most=most) for most in (10, 10, 10**9))
    assert (seen.anchors, seen.anchors_of, seen.exact) == (1000, 3000, False)
    np.testing.assert_array_equal(seen.gaps, again.gaps)
    assert whole.exact
    assert np.isin(seen.gaps, whole.gaps).all()
    assert abs(float(np.median(seen.gaps)) - float(np.median(whole.gaps))) < 0.01


@pytest.mark.parametrize("strategy", picks.names())
def test_a_forecast_of_all_anchors_is_the_mining(strategy):
    options = {"strategy": strategy, "margin": 0.15, "negatives_per_anchor": 2, "positives_per_anchor": 2, "seed": 3}
    seen, wanted = forecast(ready(POINTS, LABELS, IDS), anchors=1000, **options), mined(**options)
    triplets = [set(zip(one.anchor, one.positive, one.negative, strict=True)) for one in (seen, wanted)]
    assert triplets[0] == triplets[1]
    assert seen.triplets == len(wanted) <= seen.most
    assert seen.pairs == wanted.settings["pairs"]
    assert round(seen.abstained * seen.pairs) == wanted.settings["pairs_abstained"]
    assert sum(seen.zones.values()) == pytest.approx(1)
    assert seen.zones["hard"] == pytest.approx(float((wanted.gap <= 0).mean()))


@pytest.mark.parametrize("strategy", ["semi-hard", "batch-hard", "random"])
def test_a_forecast_of_some_anchors_is_a_part_of_the_mining(strategy):
    seen = forecast(ready(POINTS, LABELS, IDS), strategy=strategy, margin=0.2, anchors=50, seed=8)
    wanted = mined(strategy=strategy, seed=8)
    assert (seen.anchors, seen.anchors_of) == (50, (LABELS >= 0).sum())
    triplets = [set(zip(one.anchor, one.positive, one.negative, strict=True)) for one in (seen, wanted)]
    assert triplets[0] < triplets[1]
    assert abs(seen.triplets - len(wanted)) < 0.25 * len(wanted)


def test_pairs_take_the_place_of_labels():
    pairs = [("id 3", "id 9"), ("id 9", "id 3"), ("id 5", "id 77")]
    made = ready(POINTS, None, IDS, pairs=pairs)
    wanted = mine_rows(POINTS, None, IDS, strategy="hardest", margin=0.2, pairs=pairs)
    np.testing.assert_array_equal(nearest_gaps(made).gaps, np.sort(wanted.gap))
    seen = forecast(made, strategy="hardest", margin=0.2)
    assert {*zip(seen.anchor, seen.positive, strict=True)} == {*zip(wanted.anchor, wanted.positive, strict=True)}
    part = forecast(made, strategy="hardest", margin=0.2, anchors=2)
    assert part.pairs == 3
    assert len(part.anchor) == 2


def test_refusals_are_those_of_mining():
    made = ready(POINTS, LABELS, IDS, distance="euclidean")
    with pytest.raises(SettingError, match="margin"):
        forecast(made, strategy="hardest", margin=0.0)
    with pytest.raises(SettingError, match="cosine similarities"):
        forecast(made, strategy="hardest", margin=1.0, filters=["perc-pos"])
    with pytest.raises(DataError, match="one class"):
        ready(POINTS, np.zeros(300, int), IDS)


def test_the_suggestion_is_violated_by_half_of_those_that_are_not_hard():
    gaps = nearest_gaps(ready(POINTS, LABELS, IDS)).gaps
    margin = suggested_margin(gaps)
    assert margin is not None
    soft = gaps[gaps > 0]
    assert len(soft) < len(gaps)
    assert 0.4 < (soft < margin).mean() < 0.6
    assert suggested_margin(gaps[:0]) is None
