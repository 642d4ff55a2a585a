"""Comparing runs: seeds in groups, curves over effort, medians, rankings; agreement of picks; what two spaces share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.core import recorded

from tripletscope import Recorder, Run, strategies
from tripletscope.analysis.agreement import (
    RANK_BINS,
    agreement,
    all_steps,
    asked_agreement,
    frame_at,
    pairs_within,
    picks_of,
    recorded_agreement,
)
from tripletscope.analysis.cohort import distances_within
from tripletscope.analysis.comparison import Curve, band, curve, effort, grouped, method, ranking
from tripletscope.analysis.difference import difference, rigid
from tripletscope.datasets import sample_data_dir
from tripletscope.errors import DataError, UnknownNameError

RACE = sample_data_dir() / "races" / "digits-2d"


@pytest.fixture(scope="module")
def race() -> list[Run]:
    return [Run.open(RACE / name) for name in ("random", "semi-hard", "batch-hard")]


def seeded(folder: Path, seed: int, *, margin: float = 1.0, steps: int = 8, seconds: Any = None) -> Run:
    with Recorder(folder, margin=margin, samples=recorded.samples(), seed=seed, config={"lr": 0.1}) as recorder:
        more = {} if seconds is None else {"seconds": seconds}
        recorded.record_steps(recorder, 0, steps, **more)
    return Run.open(folder)


# ---- groups


def test_runs_that_differ_in_their_seed_alone_are_one_group(tmp_path: Path) -> None:
    runs = [seeded(tmp_path / "a", 5), seeded(tmp_path / "b", 0, margin=2.0), seeded(tmp_path / "c", 1)]
    groups = grouped(runs)
    assert [group.members for group in groups] == [(2, 0), (1,)]
    assert groups[0].seeds == (1, 5)
    assert [group.title for group in groups] == ["Own picks, margin 1.0", "Own picks, margin 2.0"]
    assert method(runs[0]) == method(runs[2]) != method(runs[1])


def test_a_group_of_another_strategy_needs_no_more_words(race: list[Run]) -> None:
    assert [group.title for group in grouped(race)] == ["Random", "Semi-hard", "Batch hard"]
    assert grouped([]) == []


# ---- effort and curves


def test_triplets_are_those_learned_from_before_the_step(race: list[Run]) -> None:
    for run in race:
        total, wanted = 0, []
        for line in run.lines:
            wanted.append(total)
            total += line.get("mined") or 0
        spent = effort(run, "triplets")
        assert spent is not None
        np.testing.assert_array_equal(spent, wanted)
        assert spent[-1] == len(run.pick_rows(training=True)["step"])


def test_seconds_count_a_step_and_then_its_update(tmp_path: Path) -> None:
    run = seeded(tmp_path / "run", 0, steps=3, seconds={"forward": 1.0, "mining": 2.0, "last_update": 0.5})
    spent = effort(run, "seconds")
    assert spent is not None
    # Before step 0 nothing but what its line calls the last update; then 3.0 a step.
    np.testing.assert_allclose(spent[:3], [0.5, 4.0, 7.5])
    cpu = seeded(
        tmp_path / "cpu", 0, steps=2, seconds={"forward": 9.0, "cpu": 1.0, "last_update": 9.0, "last_update_cpu": 0.25}
    )
    spent = effort(cpu, "seconds")
    assert spent is not None
    np.testing.assert_allclose(spent[:2], [0.25, 1.5])


def test_a_run_without_clocks_tells_no_seconds(race: list[Run]) -> None:
    assert effort(race[0], "seconds") is None
    assert curve(race[0], "recall_at_1", "seconds") is None
    with pytest.raises(UnknownNameError):
        effort(race[0], "joules")


def test_a_curve_has_what_the_run_gives(race: list[Run]) -> None:
    for run in race:
        table = run.scalars[["step", "recall_at_1"]].dropna()
        found = curve(run, "recall_at_1")
        assert found is not None
        np.testing.assert_array_equal(found.x, table["step"])
        np.testing.assert_array_equal(found.y, table["recall_at_1"].astype(np.float32))


def test_of_several_numbers_at_one_effort_the_last_counts(race: list[Run]) -> None:
    found = curve(race[1], "loss", "triplets")
    assert found is not None
    assert (np.diff(found.x) > 0).all()


def brute_band(curves: list[Curve]) -> list[tuple[float, float, float, float]]:
    """At each x at which somebody measured: the values of all, one by one, where all have one."""
    told = []
    for x in sorted({float(x) for each in curves for x in each.x}):
        values = []
        for each in curves:
            for (x0, y0), (x1, y1) in zip(
                zip(each.x, each.y, strict=True),
                [*list(zip(each.x, each.y, strict=True))[1:], (None, None)],
                strict=True,
            ):
                if x == x0:
                    values.append(float(y0))
                elif x1 is not None and x0 < x < x1:
                    values.append(float(y0 + (y1 - y0) * (x - x0) / (x1 - x0)))
        if len(values) == len(curves):
            values.sort()
            middle = len(values) // 2
            median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
            told.append((x, median, values[0], values[-1]))
    return told


@given(
    some.lists(
        some.lists(
            some.tuples(some.integers(0, 20), some.floats(-5, 5)), min_size=1, max_size=6, unique_by=lambda p: p[0]
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_band_is_that_of_plain_loops(points: list[list[tuple[int, float]]]) -> None:
    curves = []
    for each in points:
        each.sort()
        curves.append(Curve(np.array([x for x, _ in each], np.float64), np.array([y for _, y in each], np.float64)))
    wanted = brute_band(curves)
    found = band(curves)
    assert len(found.x) == len(wanted)
    for k, (x, median, low, high) in enumerate(wanted):
        assert found.x[k] == x
        assert math.isclose(found.median[k], median, abs_tol=1e-9)
        assert math.isclose(found.low[k], low, abs_tol=1e-9)
        assert math.isclose(found.high[k], high, abs_tol=1e-9)


def test_no_curve_gives_no_band() -> None:
    empty = Curve(np.zeros(0), np.zeros(0))
    assert len(band([]).x) == len(band([empty]).x) == len(empty.at(np.zeros(0))) == 0


# ---- rankings


def test_what_is_held_equal_decides_and_is_said(race: list[Run]) -> None:
    groups = grouped(race)
    by_steps, by_triplets = ranking(race, groups), ranking(race, groups, "triplets")
    assert [groups[one.group].title for one in by_steps.standings] == ["Semi-hard", "Random", "Batch hard"]
    assert by_steps.at == 400
    assert "Equal: 400 optimiser steps, first weights and batches." in by_steps.note
    assert "Batch hard 12,800 triplets" in by_steps.note
    assert "Random 38,400 triplets" in by_steps.note
    assert by_triplets.at == 12_800 == min(effort(run, "triplets")[-1] for run in race)  # type: ignore[index]
    assert {one.triplets for one in by_triplets.standings} == {12_800.0}
    assert "Batch hard 400 steps" in by_triplets.note
    assert "fewer than three seeds" in by_steps.note
    values = {groups[one.group].title: one.value for one in by_steps.standings}
    for run in race:
        last = run.scalars["recall_at_1"].dropna().iloc[-1]
        assert values[
            {"random": "Random", "semi-hard": "Semi-hard", "batch-hard": "Batch hard"}[run.name]
        ] == pytest.approx(last)


def test_a_race_without_clocks_cannot_be_ranked_by_seconds(race: list[Run]) -> None:
    told = ranking(race, grouped(race), "seconds")
    assert told.standings == ()
    assert told.left_out == (0, 1, 2)
    assert "nothing can be held equal" in told.note


# ---- agreement


def brute_picks(name: str, points: np.ndarray, labels: np.ndarray, margin: float) -> dict[tuple[int, int], int]:
    """Semi-hard and batch-hard from their definitions, one anchor after the other."""
    d = distances_within(points, "euclidean")
    told = {}
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if name == "batch-hard" and positives and negatives:
            told[a, max(positives, key=lambda p: (d[a, p], -p))] = min(negatives, key=lambda n: (d[a, n], n))
        if name == "semi-hard":
            for p in positives:
                band_ = [n for n in negatives if 0 < d[a, n] - d[a, p] < np.float32(margin)]
                if band_:
                    told[a, p] = min(band_, key=lambda n: (d[a, n], n))
    return told


@pytest.mark.parametrize("name", ["semi-hard", "batch-hard"])
@pytest.mark.parametrize("seed", range(4))
def test_picks_zones_and_ranks_are_those_of_plain_loops(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, 4, 17))
    points = rng.normal(size=(17, 2)).astype(np.float32)
    told = picks_of(strategies.get(name), points, labels, margin=0.7, distance="euclidean")
    wanted = brute_picks(name, points, labels, 0.7)
    d = distances_within(points, "euclidean")
    pairs = list(zip(*(part.tolist() for part in pairs_within(labels)), strict=True))
    assert {pair: n for pair, n in zip(pairs, told.negative.tolist(), strict=True) if n >= 0} == wanted
    zones, ranks = [0, 0, 0], [0] * len(RANK_BINS)
    for (a, p), n in wanted.items():
        gap = d[a, n] - d[a, p]
        zones[0 if gap <= 0 else 1 if gap < np.float32(0.7) else 2] += 1
        rank = 1 + sum(labels[m] != labels[a] and d[a, m] < d[a, n] for m in range(17))
        ranks[max(k for k, first in enumerate(RANK_BINS) if first <= rank)] += 1
    assert told.zones.tolist() == zones
    assert told.ranks.tolist() == ranks
    assert told.asked == (len(pairs) if name == "semi-hard" else len({a for a, _ in pairs}))


def test_agreement_with_a_pencil() -> None:
    one, other = np.array([3, 4, -1, 5, -1]), np.array([3, 9, 6, -1, -1])
    assert agreement(one, other) == (0.5, 1 / 5, 2)
    assert agreement(one, one) == (1.0, 1.0, 3)
    share, jaccard, both = agreement(np.array([-1]), np.array([-1]))
    assert math.isnan(share)
    assert math.isnan(jaccard)
    assert both == 0


def test_a_shared_start_means_shared_picks_of_one_rule(race: list[Run]) -> None:
    told = asked_agreement(race, voices=[(0, "semi-hard"), (1, "semi-hard"), (1, "batch-hard")], steps=[0, 100])
    assert told.same[0, 0, 1] == told.jaccard[0, 0, 1] == 1, "the first weights are the same"
    assert told.jaccard[1, 0, 1] < 1
    assert told.zones[0, 0].tolist()[0] == told.zones[0, 0].tolist()[2] == 0
    assert told.zones[1].sum(axis=1).tolist() == told.ranks[1].sum(axis=1).tolist()
    np.testing.assert_array_equal(told.same, told.same.swapaxes(1, 2))


def test_what_cannot_be_asked_is_left_out_with_a_reason(race: list[Run]) -> None:
    told = asked_agreement(race[:2], voices=[(0, "batch-all"), (1, "nobody"), (1, "hardest")], steps=[10])
    assert len(told.left_out) == 2
    assert np.isnan(told.same[0, 0]).all()
    assert told.same[0, 2, 2] == 1


def test_runs_of_other_samples_are_refused(race: list[Run]) -> None:
    other = Run.open(sample_data_dir() / "races" / "emoji-32d" / "semi-hard")
    with pytest.raises(DataError, match="other samples"):
        asked_agreement([race[0], other])


def test_recorded_picks_are_those_of_the_run(race: list[Run]) -> None:
    told = recorded_agreement(race, steps=[30, 400])
    for i, one in enumerate(race):
        mine = {
            tuple(row[:2]): row[2] for row in one.picks(30, training=True)[["anchor", "positive", "negative"]].values
        }
        for j, other in enumerate(race):
            theirs = {
                tuple(row[:2]): row[2]
                for row in other.picks(30, training=True)[["anchor", "positive", "negative"]].values
            }
            both = mine.keys() & theirs.keys()
            same = sum(mine[pair] == theirs[pair] for pair in both)
            assert told.both[0, i, j] == len(both)
            assert told.same[0, i, j] == pytest.approx(same / len(both))
            assert told.jaccard[0, i, j] == pytest.approx(same / (len(mine) + len(theirs) - same))
    assert np.isnan(told.same[1]).all(), "the closing frame has no batch"
    line = race[1].lines[30]
    assert told.zones[0, 1].tolist() == [line["mined_hard"], line["mined_semi_hard"], line["mined_easy"]]


def test_the_last_frame_up_to_a_step(race: list[Run]) -> None:
    for run in race:
        for step in (0, 1, 43, 200, 999):
            assert frame_at(run, step) == max(each for each in run.frame_steps if each <= step)
    assert all_steps(race) == sorted({step for run in race for step in run.frame_steps})


# ---- differences


@pytest.mark.parametrize("seed", range(3))
def test_neighbourhoods_change_as_plain_loops_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(25, 2)), rng.normal(size=(25, 3))
    found = difference(one, other, k=4)
    for i in range(25):
        near = []
        for points in (one, other):
            order = sorted((j for j in range(25) if j != i), key=lambda j: float(np.linalg.norm(points[i] - points[j])))
            near.append(set(order[:4]))
        assert found.shared[i] == len(near[0] & near[1])
        assert found.changed[i] == pytest.approx(1 - len(near[0] & near[1]) / len(near[0] | near[1]))
    worst = found.most_changed
    assert len(worst) == 20
    keys = [(-found.changed[i], -found.moved[i], i) for i in worst]
    assert keys == sorted(keys)


def test_a_rigid_motion_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn[:, 0] *= -1
    found = difference(points, points @ turn + [3, -9, 4], k=7)
    assert np.all(found.changed == 0)
    np.testing.assert_allclose(found.moved, 0, atol=1e-6)
    half = difference(points, points / 2, k=7)
    assert np.all(half.changed == 0)
    assert half.moved.mean() > 0.3, "nothing is scaled"


def test_no_rotation_lies_nearer() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    best = float(np.square(rigid(other, one) - one).sum())
    centred = other - other.mean(axis=0)
    for angle in np.linspace(0, 2 * np.pi, 721):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for flip in (1, -1):
            laid = centred @ turn * [1, flip] + one.mean(axis=0)
            assert np.square(laid - one).sum() >= best - 1e-9


def test_who_has_no_place_has_no_number() -> None:
    points = np.random.default_rng(2).normal(size=(9, 2))
    lost = points.copy()
    lost[4] = np.nan
    found = difference(points, lost, k=3)
    assert found.shared[4] == -1
    assert np.isnan(found.changed[4])
    assert np.isnan(found.moved[4])
    assert 4 not in found.most_changed
    assert np.isfinite(found.changed[[0, 1, 2, 3, 5, 6, 7, 8]]).all()
    with pytest.raises(DataError, match="9 rows and the second 3"):
        difference(points, points[:3])
