"""The zones: which side of a tie, in which dtype, without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope import triplets, zones
from tripletscope.zones import MIN_EXPONENT, PlaneHistogram, ZoneCounts, merge_planes, zone_codes_numpy

FLOATS = st.floats(-4, 4, width=32)


def test_a_gap_of_zero_is_hard_and_a_gap_of_the_margin_is_easy() -> None:
    gap = np.float32([-0.1, -0.0, 0.0, 1e-30, 0.25, 0.5, 0.75])
    assert zone_codes_numpy(gap, 0.5).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert [zones.ZONES[code] for code in (zones.HARD, zones.SEMI_HARD, zones.EASY)] == ["hard", "semi-hard", "easy"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_margin_is_rounded_to_the_dtype_of_the_gap(dtype: type) -> None:
    # float32(0.2) is above 0.2: without the rounding this gap would be semi-hard in one reader and easy in the next.
    margin = 0.2
    assert zone_codes_numpy(np.array([margin], dtype), margin).tolist() == [2]
    tensor = torch.tensor([margin], dtype=torch.float32 if dtype is np.float32 else torch.float64)
    assert triplets.zone_codes(tensor, margin).tolist() == [2]


@given(st.lists(FLOATS, max_size=30), st.sampled_from([0.2, 1.0, 1e-3, 0.1]))
@settings(deadline=None)
def test_torch_and_numpy_agree(gaps: list[float], margin: float) -> None:
    ties = np.float32([0.0, margin, np.nextafter(np.float32(margin), np.float32(0))])
    gap = np.concatenate([np.float32(gaps), ties])
    codes = zone_codes_numpy(gap, margin)
    assert codes.dtype == np.int8
    assert codes.tolist() == triplets.zone_codes(torch.from_numpy(gap), margin).tolist()
    assert codes.tolist() == [0 if g <= 0 else 1 if g < np.float32(margin) else 2 for g in gap]


@given(FLOATS.map(abs), FLOATS.map(abs))
@settings(deadline=None)
def test_a_gap_is_zero_between_equals_only(near: float, far: float) -> None:
    # semi-hard compares d(a,n) > d(a,p) in place of gap > 0; this is why it may.
    first, second = np.float32(near), np.float32(far)
    assert (zones.gaps(first, second) > 0) == (second > first)


def test_counts_add_up() -> None:
    counts = ZoneCounts(hard=2, semi_hard=3, easy=7)
    assert (counts.violating, counts.eligible) == (5, 12)


def some_plane(exponent: int, seed: int) -> PlaneHistogram:
    return PlaneHistogram(exponent, np.random.default_rng(seed).integers(0, 9, (64, 64)))


@given(st.lists(st.tuples(st.integers(-12, 5), st.integers(0, 99)), min_size=1, max_size=5))
@settings(deadline=None)
def test_merging_counts_every_triplet_where_it_lies(chosen: list[tuple[int, int]]) -> None:
    planes = [some_plane(exponent, seed) for exponent, seed in chosen]
    merged = merge_planes(planes)
    assert merged.exponent == max(exponent for exponent, _ in chosen)
    expected = np.zeros((64, 64), np.int64)
    for plane in planes:
        shift = merged.exponent - plane.exponent
        for i, j in np.argwhere(plane.counts):
            expected[i >> shift, j >> shift] += plane.counts[i, j]
    assert (merged.counts == expected).all()
    assert merged.eligible == sum(plane.eligible for plane in planes)
    backwards = merge_planes(planes[::-1])
    assert (backwards.counts == merged.counts).all()


def test_merging_in_two_goes_is_merging_at_once() -> None:
    planes = [some_plane(exponent, seed) for seed, exponent in enumerate((-9, -6, -6, -3))]
    at_once, in_two = merge_planes(planes), merge_planes([merge_planes(planes[:2]), merge_planes(planes[2:])])
    assert at_once.exponent == in_two.exponent
    assert (at_once.counts == in_two.counts).all()


def test_an_empty_plane_does_not_widen_the_cells() -> None:
    empty = PlaneHistogram(7, np.zeros((64, 64), np.int64))
    assert merge_planes([empty, some_plane(-6, 0)]).exponent == -6
    assert merge_planes([]).exponent == MIN_EXPONENT
    assert merge_planes([]).eligible == 0


def test_merging_leaves_its_parts_alone() -> None:
    part = some_plane(-6, 0)
    before = part.counts.copy()
    merge_planes([part, part])
    assert (part.counts == before).all()


def test_cells_can_not_be_split() -> None:
    with pytest.raises(ValueError, match="can't be split"):
        some_plane(-3, 0).coarsen(-4)
    assert some_plane(-3, 0).width == 0.125


def test_zones_load_without_torch() -> None:
    code = "import sys, tripletscope.zones; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
