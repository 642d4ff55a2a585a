"""One row as an anchor: its neighbours are those of a plain loop, and its picks are the ones that mining makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_mining_shard import clouds, exact

from tripletscope.analysis import row_view as module
from tripletscope.analysis.row_view import Ready, axis_end, row_view
from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.mining import picks
from tripletscope.mining.shard import DISTANCES
from tripletscope.mining.whole_set import mine_rows
from tripletscope.zones import zone_codes_numpy


def made(points: np.ndarray, classes: np.ndarray, ids: np.ndarray | None = None) -> EmbeddingSet:
    return EmbeddingSet(
        name="made",
        vectors=np.asarray(points, dtype=np.float32),
        ids=np.arange(len(points)) if ids is None else ids,
        labels=np.asarray(classes),
        class_names=[f"c{one}" for one in range(int(np.max(classes, initial=0)) + 1)],
    )


def spread(count: int = 300, classes: int = 6, dim: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    return (rng.normal(size=(classes, dim))[labels] + rng.normal(size=(count, dim))).astype(np.float32), labels


@settings(max_examples=25, deadline=None)
@given(clouds(), st.sampled_from(DISTANCES), st.sampled_from([1e-6, 1e-3, 0.2, 3.0]), st.integers(0, 5), st.booleans())
def test_the_picks_are_those_of_mining(
    cloud: tuple[np.ndarray, np.ndarray], distance: str, margin: float, seed: int, reverse: bool
) -> None:
    points, classes = cloud
    sizes = np.bincount(classes)
    if not ((sizes > 1).any() and (sizes > 0).sum() > 1):
        return
    ids = np.arange(len(points))[::-1].copy() if reverse else np.arange(len(points))
    ready = Ready(made(points, classes, ids), distance)
    vectors = ready.set.vectors
    mined = {}
    for name in picks.names():
        try:
            found = mine_rows(
                vectors,
                classes,
                ids,
                strategy=name,
                margin=margin,
                distance=distance,
                positives_per_anchor="all",
                seed=seed,
            )
        except SettingError as refusal:
            mined[name] = str(refusal)
            continue
        triplets = zip(found.anchor.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True)
        mined[name] = {(a, p): n for a, p, n in triplets}
    for row in range(seed % 5, len(points), 5):
        seen = row_view(ready, row, margin=margin, seed=seed)
        if not len(seen.positives):
            continue
        for name, wanted in mined.items():
            if isinstance(wanted, str):
                assert seen.not_here[name] == wanted
                continue
            rows = [int(seen.negatives[at]) if at >= 0 else None for at in seen.picks[name]]
            assert rows == [wanted.get((row, int(positive))) for positive in seen.positives], name


@pytest.mark.slow
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_strategy_brings_along_the_positive_that_mining_gives_it(distance: str) -> None:
    points, classes = spread()
    points[7] = points[9]  # duplicates: ties go by id
    ready = Ready(made(points, classes), distance)
    for name in ("batch-hard", "easy-positive"):
        found = mine_rows(points, classes, np.arange(len(points)), strategy=name, margin=0.2, distance=distance)
        wanted = dict(
            zip(found.anchor.tolist(), zip(found.positive.tolist(), found.negative.tolist(), strict=True), strict=True)
        )
        for row in range(0, len(points), 7):
            seen = row_view(ready, row, margin=0.2)
            at = seen.own_positive[name]
            assert (int(seen.positives[at]), int(seen.negatives[seen.picks[name][at]])) == wanted[row]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("distance", DISTANCES)
def test_lists_and_counts_are_those_of_a_plain_loop(distance: str, dtype: type) -> None:
    points, classes = spread()
    points = points.astype(dtype)
    far = exact(points.astype(np.float32), distance)
    held = EmbeddingSet(
        name="made", vectors=points, ids=np.arange(len(points)), labels=classes, class_names=list("abcdef")
    )
    margin = float(np.median(far)) / 3
    for row in range(0, len(points), 23):
        seen = row_view(held, row, margin=margin, distance=distance)
        for same, rows, d, count in (
            (True, seen.same, seen.d_same, seen.same_count),
            (False, seen.other, seen.d_other, seen.other_count),
        ):
            wanted = [i for i in range(len(points)) if i != row and (classes[i] == classes[row]) == same]
            assert count == len(wanted)
            wanted.sort(key=lambda i: (far[row, i], i))
            assert rows.tolist() == wanted[: module.LISTED]
            np.testing.assert_array_equal(d, far[row, rows])
        hidden = [i for i in np.flatnonzero(classes != classes[row]).tolist() if i not in seen.negatives]
        assert seen.negative_count == len(hidden) + len(seen.negatives)
        assert seen.beyond == min(far[row, hidden])
        assert seen.ticks[0] == min(far[row, hidden])
        assert seen.ticks[-1] == max(far[row, hidden])
        assert np.isin(seen.ticks, far[row, hidden]).all()
        for at, positive in enumerate(seen.positives):
            codes = zone_codes_numpy(far[row, hidden] - far[row, positive], margin)
            assert seen.closer[at].tolist() == [int((codes == 0).sum()), int((codes == 1).sum())]
        nearest = sorted((i for i in range(len(points)) if i != row), key=lambda i: (far[row, i], i))[: module.VOTERS]
        counts = np.bincount(classes[nearest])
        assert dict(seen.votes) == {at: count for at, count in enumerate(counts.tolist()) if count}
        assert [count for _, count in seen.votes] == sorted(counts[counts > 0].tolist(), reverse=True)


def test_the_farthest_positive_and_the_one_asked_for_are_among_those_shown() -> None:
    points, classes = spread()
    far = exact(points, "euclidean")
    mine = [i for i in np.flatnonzero(classes == classes[3]).tolist() if i != 3]
    mine.sort(key=lambda i: (far[3, i], i))
    seen = row_view(made(points, classes), 3, margin=0.5, distance="euclidean", positive=mine[20])
    assert seen.positives.tolist() == [*mine[:6], mine[20], mine[-1]]
    assert np.all(np.diff(seen.d_ap) >= 0)
    stranger = int(np.flatnonzero(classes != classes[3])[0])
    plain = row_view(made(points, classes), 3, margin=0.5, distance="euclidean", positive=stranger)
    assert plain.positives.tolist() == [*mine[:6], mine[-1]]


def test_rows_left_out_of_mining_are_listed_but_nobody_picks_them() -> None:
    points, classes = spread()
    held = made(points, classes)
    before = row_view(held, 0, margin=0.5, distance="euclidean")
    out = sorted({int(before.other[0]), int(before.positives[0]), 11})
    after = row_view(held, 0, margin=0.5, distance="euclidean", exclude=out)
    assert after.other[0] == before.other[0]
    assert after.same[0] == before.same[0]
    assert not set(out) & {*after.negatives.tolist(), *after.positives.tolist()}
    mined = mine_rows(
        points, classes, np.arange(len(points)), strategy="hardest", margin=0.5, distance="euclidean", exclude=out,
        positives_per_anchor="all",
    )  # fmt: skip
    at = mined.anchor == 0
    wanted = dict(zip(mined.positive[at].tolist(), mined.negative[at].tolist(), strict=True))
    assert [int(after.negatives[i]) for i in after.picks["hardest"]] == [wanted[int(p)] for p in after.positives]
    itself = row_view(held, 11, margin=0.5, distance="euclidean", exclude=out)
    assert not itself.takes_part
    assert itself.picks == {}
    assert set(itself.not_here.values()) == {"this row takes no part in mining"}
    assert len(itself.negatives) == module.NEGATIVES  # where it would lie is shown all the same
    ready = Ready(held, "euclidean", tuple(out))
    let_in = row_view(ready.letting_in(11), 11, margin=0.5)
    rest = [one for one in out if one != 11]
    plain = row_view(held, 11, margin=0.5, distance="euclidean", exclude=rest)
    assert {name: let_in.negatives[at].tolist() for name, at in let_in.picks.items()} == {
        name: plain.negatives[at].tolist() for name, at in plain.picks.items()
    }
    assert ready.letting_in(12) is ready


def test_a_row_without_a_class_has_neighbours_and_nothing_else() -> None:
    points, classes = spread()
    classes[5] = -1
    seen = row_view(made(points, classes), 5, margin=0.5, distance="euclidean")
    far = exact(points, "euclidean")[5]
    far[5] = np.inf
    assert seen.same.tolist() == np.argsort(far, kind="stable")[: module.LISTED].tolist()
    assert (len(seen.other), len(seen.positives), len(seen.negatives), seen.same_count) == (0, 0, 0, 0)
    assert not seen.takes_part
    nobody = row_view(made(points, np.full(len(points), -1)), 5, margin=0.5, distance="euclidean")
    assert (nobody.votes, nobody.picks) == ([], {})
    assert nobody.same.tolist() == seen.same.tolist()


def test_a_row_that_is_alone_in_its_class_has_no_positive() -> None:
    points, classes = spread()
    classes[5] = 6
    seen = row_view(made(points, classes), 5, margin=0.5)
    assert (len(seen.same), len(seen.positives), seen.picks, seen.other_count) == (0, 0, {}, 299)
    one_class = row_view(made(points, np.zeros(len(points), int)), 5, margin=0.5)
    assert (one_class.other_count, len(one_class.negatives), one_class.beyond) == (0, 0, None)


def test_a_strategy_that_would_draw_from_too_many_rows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    points, classes = spread()
    usual = row_view(made(points, classes), 0, margin=0.5)
    monkeypatch.setattr(module, "DRAWN_FROM", 200)
    seen = row_view(made(points, classes), 0, margin=0.5)
    assert set(seen.not_here) == {"distance-weighted", "semi-hard-random"}
    assert "draws from all" in seen.not_here["distance-weighted"]
    for name in seen.picks:
        assert seen.negatives[seen.picks[name]].tolist() == usual.negatives[usual.picks[name]].tolist()
    narrow = row_view(made(points, classes), 0, margin=1e-3)  # a zone of few rows needs no search through all
    assert "semi-hard-random" in narrow.picks


def test_what_makes_no_sense_is_refused_in_a_sentence() -> None:
    held = made(*spread())
    with pytest.raises(DataError, match="no row 300"):
        row_view(held, 300, margin=0.5)
    with pytest.raises(SettingError, match="margin"):
        row_view(held, 0, margin=0.0)
    with pytest.raises(UnknownNameError, match="taxi"):
        row_view(held, 0, margin=0.5, distance="taxi")
    with pytest.raises(UnknownNameError, match="hardets"):
        row_view(held, 0, margin=0.5, strategies=["hardets"])
    with pytest.raises(SettingError, match="skip"):
        row_view(held, 0, margin=0.5, params={"top-n-window": {"skip": -1}})


def test_whoever_stops_listening_ends_the_work() -> None:
    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        row_view(made(*spread()), 0, margin=0.5, progress=stop)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_axis_ends_where_nearly_all_pairs_are_nearer(distance: str) -> None:
    points, classes = spread(200)
    far = exact(points, distance)[np.triu_indices(200, 1)]
    assert axis_end(made(points, classes), distance) == pytest.approx(float(np.percentile(far, 99.5)), rel=1e-5)
    assert axis_end(made(points[:1], classes[:1]), distance) == 1.0
    assert axis_end(made(np.ones((4, 2)), np.zeros(4, int)), "euclidean") == 1.0
