"""The graph of nearest neighbours: equal to a table of all distances where it is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_mining_shard import clouds, exact, sorted_rows

from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.mining.graph import neighbour_graph
from tripletscope.mining.shard import DISTANCES


@settings(max_examples=40, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.integers(1, 5))
def test_it_is_the_table_of_all_distances_sorted(cloud: tuple[np.ndarray, np.ndarray], distance: str, k: int) -> None:
    points, _ = cloud
    index, far, recall = neighbour_graph(points, k, distance=distance)
    row, distances = sorted_rows(exact(points, distance), ~np.eye(len(points), dtype=bool), k, False)
    np.testing.assert_array_equal(index, row)
    np.testing.assert_array_equal(far, distances)
    assert (index.dtype, far.dtype, recall) == (np.int32, np.float32, 1.0)


def test_what_cannot_be_searched_is_refused_in_a_sentence() -> None:
    points = np.ones((4, 2), np.float32)
    with pytest.raises(UnknownNameError, match="exakt"):
        neighbour_graph(points, 2, search="exakt")
    with pytest.raises(SettingError, match="k is 0"):
        neighbour_graph(points, 0)
    with pytest.raises(DataError, match="shape"):
        neighbour_graph(points[0], 2)
    points[2, 1] = np.nan
    with pytest.raises(DataError, match="Row 2"):
        neighbour_graph(points, 2)
