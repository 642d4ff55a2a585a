"""The two ways of each search agree, with each other and with plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from tripletscope import rows

VALUES = nst.arrays(
    st.sampled_from([np.float32, np.float64]),
    nst.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, np.inf]), st.floats(0, 2, width=32)),
)


@pytest.fixture(params=["numpy", "torch"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both_ways(way: str) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(rows, "on_cpu", lambda values: way == "numpy")
    return patch


@pytest.mark.parametrize("way", ["numpy", "torch"])
@given(values=VALUES, data=st.data())
@settings(deadline=None)
def test_searches_equal_plain_loops(way: str, values: np.ndarray, data: st.DataObject) -> None:
    patch = both_ways(way)
    try:
        tensor = torch.from_numpy(values)
        assert rows.first_smallest(tensor).tolist() == [int(row.argmin()) for row in values]

        low, high = 0.0, np.array(data.draw(st.sampled_from([0.2, 0.5, 1.0])), values.dtype)
        inside = [(i, j) for i, row in enumerate(values) for j, value in enumerate(row) if low < value < high]
        found = rows.between(tensor, low, torch.from_numpy(high))
        assert list(zip(*(places.tolist() for places in found), strict=True)) == inside
        assert rows.count_below(tensor, torch.from_numpy(high), closed=False) == int((values < high).sum())
        assert rows.count_below(tensor, torch.from_numpy(high), closed=True) == int((values <= high).sum())

        places = data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values)))
        histogram = [[0] * 4 for _ in range(3)]
        for place, row in zip(places, values, strict=True):
            for value in row:
                histogram[place][int(min(value * 2, 3))] += 1
        assert rows.row_histograms(torch.tensor(places), tensor * 2, 3, 4).tolist() == histogram

        floors = values[:, data.draw(st.integers(0, values.shape[1] - 1))].copy()
        chosen = rows.first_above(tensor.clone(), torch.from_numpy(floors)).tolist()
        for row, floor, column in zip(values, floors, chosen, strict=True):
            above = row[row > floor]
            if len(above) and np.isfinite(above.min()):
                assert column == int(np.flatnonzero(row == above.min())[0])
            else:
                assert row[column] <= floor or np.isinf(row[column])
    finally:
        patch.undo()


def test_the_last_bit_counts(way: str) -> None:
    floor = np.float32(0.3)
    above = np.nextafter(floor, np.float32(1))
    values = torch.from_numpy(np.array([[floor, np.nextafter(above, np.float32(1)), above, above]]))
    patch = both_ways(way)
    try:
        assert rows.first_above(values, torch.from_numpy(np.array([floor]))).tolist() == [2]
    finally:
        patch.undo()


def test_no_rows_and_no_columns(way: str) -> None:
    patch = both_ways(way)
    try:
        for shape in ((0, 3), (3, 0), (0, 0)):
            values, bar = torch.zeros(shape), torch.tensor(1.0)
            assert rows.first_smallest(values).shape == shape[:1]
            assert rows.first_above(values, torch.zeros(shape[0])).shape == shape[:1]
            assert rows.count_below(values, bar, closed=True) == 0
            assert [len(places) for places in rows.between(values, 0.0, bar)] == [0, 0]
    finally:
        patch.undo()
