"""Violations over time, held to plain loops over every triplet: zones, pairs of classes, bins, ties and duplicates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.app import tiny

from tripletscope.analysis.cohort import cohort, distances_within
from tripletscope.analysis.probe import probe_labels
from tripletscope.analysis.violations import MOST_PAIRS, frame_violations, gap_edges, violations
from tripletscope.datasets import sample_data_dir
from tripletscope.store.reader import Run


def by_loops(distances: np.ndarray, labels: np.ndarray, classes: int, margin: float) -> dict:
    """Every triplet looked at by itself; the gap is rounded to float32 and compared, as `zones.py` says."""
    edges = [np.float32(edge) for edge in gap_edges(margin)]
    eligible, violating, hard = Counter(), Counter(), Counter()
    bins = [0] * (len(edges) - 1)
    for a in range(len(labels)):
        for p in range(len(labels)):
            for n in range(len(labels)):
                if p == a or labels[p] != labels[a] or labels[n] == labels[a]:
                    continue
                gap = np.float32(distances[a, n]) - np.float32(distances[a, p])
                pair = (int(labels[a]), int(labels[n]))
                eligible[pair] += 1
                violating[pair] += gap < np.float32(margin)
                hard[pair] += gap <= 0
                inside = [k for k in range(1, len(edges) - 1) if (gap > 0 if edges[k] == 0 else gap >= edges[k])]
                bins[max(inside, default=0)] += 1

    def by_class(counted: Counter) -> list[int]:
        return [sum(count for (a, _), count in counted.items() if a == c) for c in range(classes)]

    return {
        "eligible": by_class(eligible),
        "violating": by_class(violating),
        "hard": by_class(hard),
        "pairs": {pair: (int(violating[pair]), eligible[pair]) for pair in eligible},
        "gaps": bins,
    }


def check(distances: np.ndarray, labels: np.ndarray, classes: int, margin: float) -> None:
    told, expected = (
        frame_violations(distances, labels, classes=classes, margin=margin),
        by_loops(distances, labels, classes, margin),
    )
    assert told.eligible.tolist() == expected["eligible"]
    assert told.violating.tolist() == expected["violating"]
    assert told.hard.tolist() == expected["hard"]
    assert told.gaps.tolist() == expected["gaps"]
    rows = zip(told.pairs.tolist(), told.pair_violating.tolist(), told.pair_eligible.tolist(), strict=True)
    found = {(a, n): (violating, eligible) for (a, n), violating, eligible in rows}
    assert found == expected["pairs"]
    assert told.pair_violating.tolist() == sorted(told.pair_violating.tolist(), reverse=True)


# Points on a coarse grid: many are equal, and many gaps are exactly 0 or exactly the margin.
grids = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=0, max_size=11)


@settings(max_examples=60, deadline=None)
@given(grids, st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.sampled_from(["euclidean", "squared-euclidean"]))
def test_counts_are_those_of_plain_loops_ties_and_duplicates_included(
    drawn: list[tuple[int, int]], margin: float, distance: str
) -> None:
    points = np.array([[0.25 * place] for place, _ in drawn], np.float32).reshape(-1, 1)
    labels = np.array([label for _, label in drawn], np.int64)
    check(distances_within(points, distance), labels, 4, margin)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 3.0), st.floats(1e-4, 10.0))
def test_counts_are_those_of_plain_loops_at_any_scale(seed: int, margin: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    distances = distances_within(scale * rng.normal(size=(10, 3)), "euclidean")
    check(distances, rng.integers(0, 3, 10), 5, margin)


def test_blocks_do_not_change_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    distances, labels = distances_within(rng.normal(size=(30, 2)), "euclidean"), rng.integers(0, 3, 30)
    whole = frame_violations(distances, labels, classes=3, margin=0.5)
    monkeypatch.setattr("tripletscope.analysis.violations.BLOCK", 1)
    parts = frame_violations(distances, labels, classes=3, margin=0.5)
    for name in ("violating", "hard", "gaps", "pair_violating"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("margin", [0.1, 0.3, 0.7])
def test_a_gap_of_exactly_the_margin_is_easy_in_every_count(margin: float) -> None:
    """0.7 rounds down to float32 and 0.1 up: the margin is rounded like the distances, or the counts disagree."""
    distances = np.zeros((3, 3), np.float32)
    distances[:2, 2] = distances[2, :2] = margin
    told = frame_violations(distances, np.array([0, 0, 1]), classes=2, margin=margin)
    assert (told.eligible.sum(), told.violating.sum(), told.pair_violating.sum()) == (2, 0, 0)
    assert told.gaps[: gap_edges(margin).tolist().index(margin)].sum() == 0


def test_the_bins_split_at_the_zones() -> None:
    rng = np.random.default_rng(2)
    distances, labels = distances_within(rng.normal(size=(40, 2)), "euclidean"), rng.integers(0, 4, 40)
    distances = np.round(4 * distances) / np.float32(4)  # ties in plenty
    told, edges = frame_violations(distances, labels, classes=4, margin=0.5), gap_edges(0.5)
    assert told.gaps.sum() == told.eligible.sum()
    assert told.gaps[: np.flatnonzero(edges == 0)[0]].sum() == told.hard.sum()
    assert told.gaps[: np.flatnonzero(edges == 0.5)[0]].sum() == told.violating.sum()


@pytest.mark.parametrize("margin", [0.1, 0.2, 0.3, 1 / 3, 0.7, 1.0, 1e-6, 1e6])
def test_zero_and_the_margin_are_edges_exactly(margin: float) -> None:
    edges = gap_edges(margin).tolist()
    assert 0.0 in edges
    assert margin in edges
    assert sorted(set(edges)) == edges


@pytest.mark.parametrize("classes", [1, 2, 3, 200])
def test_few_and_many_classes(classes: int) -> None:
    labels = np.repeat(np.arange(classes), 2)
    points = np.random.default_rng(0).normal(size=(len(labels), 4))
    told = frame_violations(distances_within(points, "euclidean"), labels, classes=classes, margin=0.5)
    assert told.eligible.tolist() == [2 * 2 * (classes - 1)] * classes
    assert len(told.pairs) == min(MOST_PAIRS, classes * (classes - 1))
    assert told.gaps.sum() == told.eligible.sum()


def test_numbers_that_are_none_are_in_no_zone() -> None:
    distances = np.full((4, 4), np.nan, np.float32)
    told = frame_violations(distances, np.array([0, 0, 1, 1]), classes=2, margin=0.5)
    assert told.eligible.tolist() == [4, 4]
    assert (told.violating.sum(), told.hard.sum(), told.gaps.sum()) == (0, 0, 0)


@pytest.mark.parametrize("how", [{}, {"dim": 7, "unit": True}])
def test_a_run_is_counted_on_its_cohort(tmp_path: Path, how: dict) -> None:
    run = Run.open(tiny.record(tmp_path / "run", **how))
    members = cohort(run)
    told = violations(run)
    assert len(told) == len(run.frame_steps)
    for step, frame in list(zip(run.frame_steps, told, strict=True))[::4]:
        distances = distances_within(np.asarray(run.frames[step])[members], run.distance)
        expected = by_loops(distances, probe_labels(run)[members], tiny.CLASSES, run.margin)
        assert frame.violating.tolist() == expected["violating"]
        assert frame.hard.tolist() == expected["hard"]
        assert frame.gaps.tolist() == expected["gaps"]


def test_the_counts_agree_with_the_engine_on_a_recording() -> None:
    from torch import from_numpy

    from tripletscope.batch import Batch
    from tripletscope.triplets import count_zones

    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "batch-hard")
    members = cohort(run)
    labels = probe_labels(run)[members]
    for f in (0, 12, 39):
        distances = distances_within(np.asarray(run.frames[run.frame_steps[f]])[members], run.distance)
        zones = count_zones(Batch(from_numpy(distances), from_numpy(labels)), run.margin)
        told = frame_violations(distances, labels, classes=10, margin=run.margin)
        assert (zones.eligible, zones.violating, zones.hard) == (
            told.eligible.sum(),
            told.violating.sum(),
            told.hard.sum(),
        )
