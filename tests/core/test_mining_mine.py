"""`mine`: what comes in at the door, which positives, what the caps leave, and what the table says."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

import tripletscope
from tripletscope.errors import DataError, SettingError, TripletscopeError, UnknownNameError
from tripletscope.mining.curve import violating_share
from tripletscope.mining.whole_set import Mined, mine, mine_rows
from tripletscope.schema import TRIPLET_TEXTS, TRIPLETS


def blobs(count: int = 120, classes: int = 6, dim: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, count)
    return (chance.normal(size=(classes, dim))[labels] + chance.normal(size=(count, dim))).astype(np.float32), labels


def test_the_table_is_that_of_the_csv_and_ranks_by_loss_then_ids() -> None:
    points, labels = blobs()
    ids = np.array([f"i{n:03d}" for n in range(120)])
    texts = [f"text {n}" for n in range(120)]
    table = tripletscope.mine(points, labels, ids, strategy="hardest", margin=0.3, texts=texts, negatives_per_anchor=2)
    assert tuple(table.columns) == TRIPLETS + TRIPLET_TEXTS
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert (table["gap"] == table["d_an"] - table["d_ap"]).all()
    np.testing.assert_array_equal(table["loss"], np.maximum(np.float32(0.3) - table["gap"], 0))
    keys = list(zip(-table["loss"], table["anchor_id"], table["positive_id"], table["negative_id"], strict=True))
    assert keys == sorted(keys)
    assert (table["anchor_text"] == "text " + table["anchor_id"].str[1:].astype(int).astype(str)).all()
    assert set(table["zone"]) == {"hard", "semi-hard", "easy"}
    gaps = table["gap"].to_numpy()
    assert ((table["zone"] == "hard") == (gaps <= 0)).all()


def test_torch_lists_and_numpy_give_the_same() -> None:
    points, labels = blobs(40, 3)
    one = mine(points, labels, strategy="semi-hard", margin=0.2)
    for embeddings, classes in (
        (torch.from_numpy(points), torch.from_numpy(labels)),
        (points.tolist(), labels.tolist()),
        (points.astype(np.float64), pd.Series(labels)),
    ):
        two = mine(embeddings, classes, strategy="semi-hard", margin=0.2)
        assert one.drop(columns=list(TRIPLETS[4:7])).equals(two.drop(columns=list(TRIPLETS[4:7])))
        assert (one["anchor_label"].astype(int) == two["anchor_label"].astype(int)).all()
    half = mine(points.astype(np.float16), labels, strategy="semi-hard", margin=0.2)
    assert half.equals(mine(points.astype(np.float16).astype(np.float32), labels, strategy="semi-hard", margin=0.2))


def test_labels_stay_as_they_are_and_apart() -> None:
    points = np.eye(6, dtype=np.float32)
    table = mine(points, ["7", "7", "007", "007", 7, 7], strategy="hardest", margin=2.0, positives_per_anchor="all")
    assert len(table) == 6
    assert {type(label) for label in table["anchor_label"]} == {str, int}


def test_the_default_positive_is_the_strategys_own() -> None:
    points = np.float32([[0], [1], [3], [10], [11], [14]])
    labels = [0, 0, 0, 1, 1, 1]
    options = {"margin": 1.0, "distance": "euclidean"}
    near = mine(points, labels, strategy="easy-positive", **options).set_index("anchor_id")["positive_id"]
    assert near.sort_index().tolist() == [1, 0, 1, 4, 3, 4]
    far = mine(points, labels, strategy="batch-hard", **options).set_index("anchor_id")["positive_id"]
    assert far.sort_index().tolist() == [2, 2, 0, 5, 5, 3]
    lots = [mine(points, labels, strategy="hardest", seed=seed, **options) for seed in range(40)]
    assert all(len(one) == 6 for one in lots)
    drawn = {(a, p) for one in lots for a, p in zip(one["anchor_id"], one["positive_id"], strict=True)}
    assert len(drawn) == 12  # every positive of every anchor comes at some seed
    two = mine(points, labels, strategy="hardest", positives_per_anchor=2, **options)
    assert len(two) == 12


def test_caps_keep_the_highest_losses() -> None:
    points, labels = blobs(200, 4, seed=3)
    options = {"strategy": "hardest", "margin": 0.5, "negatives_per_anchor": 3}
    free = mine(points, labels, **options)
    capped = mine(points, labels, cap_per_negative=2, **options)
    assert capped["negative_id"].value_counts().max() == 2
    wanted = free.groupby("negative_id", sort=False).head(2)
    assert capped["loss"].tolist() == wanted["loss"].tolist()
    assert capped["rank"].tolist() == list(range(1, len(capped) + 1))
    assert any("caps" in note for note in capped.attrs["notes"])
    pairs = mine(points, labels, cap_per_pair=5, **options)
    assert pairs.groupby(["anchor_label", "negative_label"]).size().max() == 5
    # Directed: A against B and B against A are counted apart.
    sizes = free.groupby(["anchor_label", "negative_label"]).size()
    assert len(pairs) == sizes.clip(upper=5).sum()
    assert (sizes.clip(upper=5) == pairs.groupby(["anchor_label", "negative_label"]).size()).all()


def test_excluded_and_unlabelled_rows_take_no_part() -> None:
    points, labels = blobs(60, 3)
    given = [None if n % 10 == 0 else int(one) for n, one in enumerate(labels)]
    out = np.zeros(60, bool)
    out[[1, 2, 3]] = True
    table = mine(points, given, strategy="hardest", margin=1.0, exclude=out)
    gone = {1, 2, 3, *range(0, 60, 10)}
    for slot in ("anchor", "positive", "negative"):
        assert not gone & set(table[f"{slot}_id"])
    assert len(table) == 60 - len(gone)
    assert table.attrs["notes"] == ["6 rows have no label and take no part.", "3 rows were excluded."]
    assert table.equals(mine(points, given, strategy="hardest", margin=1.0, exclude=[1, 2, 3]))
    nan = [math.nan if one is None else one for one in given]
    assert len(mine(points, nan, strategy="hardest", margin=1.0, exclude=[1, 2, 3])) == len(table)


def test_pairs_stand_in_for_labels() -> None:
    points = np.float32([[0], [1], [2], [2.5], [9]])
    ids = ["q1", "p1", "p2", "x", "y"]
    pairs = [("q1", "p1"), ("p2", "p1"), ("q1", "p1")]
    table = mine(points, None, ids, strategy="hardest", margin=1.0, distance="euclidean", pairs=pairs)
    found = set(zip(table["anchor_id"], table["positive_id"], table["negative_id"], strict=True))
    # p2 is a positive of a positive of q1, so it is no negative of q1.
    assert found == {("q1", "p1", "x"), ("p2", "p1", "x")}
    assert (table["anchor_label"] == "").all()
    assert table.attrs["settings"]["positives_per_anchor"] == "pairs"


def test_flags_of_the_three_rows_are_joined() -> None:
    points = np.float32([[0], [1], [2], [9]])
    flags = ["hub", "", "hub;outlier", ""]
    table = mine(points, [0, 0, 1, 1], strategy="hardest", margin=1.0, distance="euclidean", flags=flags)
    flagged = table.set_index("anchor_id")["flags"]
    assert flagged[0] == "hub;outlier"
    assert flagged[3] == "hub;outlier"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embeddings": np.zeros(4)}, "one row of numbers"),
        ({"embeddings": np.zeros((4, 2), dtype="U1")}, "one row of numbers"),
        ({"embeddings": [[0.0], [1.0], [math.nan], [2.0]]}, "Row 2 .*not finite"),
        ({"embeddings": [[0.0], [1.0], [1e300], [2.0]]}, "too large for float32"),
        ({"labels": [0, 0, 1]}, "4 embeddings and 3 labels"),
        ({"labels": [0, 0, 0, 0]}, "one class"),
        ({"labels": [0, 1, 2, 3]}, "no anchor has a positive"),
        ({"labels": None}, "neither labels nor pairs"),
        ({"labels": [None] * 4}, "one class"),
        ({"ids": ["a", "a", "b", "c"]}, "'a' comes twice"),
        ({"ids": ["a"]}, "4 embeddings and 1 ids"),
        ({"texts": ["a"]}, "1 texts"),
        ({"margin": 0.0}, "margin"),
        ({"margin": math.nan}, "margin"),
        ({"distance": "manhattan"}, "manhattan"),
        ({"strategy": "batch-all"}, "batch-all"),
        ({"positives_per_anchor": 0}, "positives_per_anchor"),
        ({"negatives_per_anchor": 0}, "negatives_per_anchor"),
        ({"cap_per_pair": 0}, "cap_per_pair"),
        ({"exclude": [9]}, "from 0 to 3"),
        ({"exclude": np.zeros(3, bool)}, "3 exclude"),
        ({"pairs": [(0, 9)], "labels": None}, "'9', which no row has"),
        ({"pairs": [(0, 0)], "labels": None}, "names one row twice"),
        ({"pairs": [(0, 2)]}, "has two labels"),
        ({"pairs": [(0, 1)], "exclude": [0]}, "No pair is left"),
    ],
)
def test_what_cannot_be_mined_is_one_sentence(change: dict[str, object], words: str) -> None:
    options: dict[str, object] = {
        "embeddings": np.arange(8.0).reshape(4, 2), "labels": [0, 0, 1, 1], "strategy": "hardest", "margin": 0.2,
    }  # fmt: skip
    with pytest.raises((DataError, SettingError, UnknownNameError), match=words) as refusal:
        mine(**(options | change))  # type: ignore[arg-type]
    assert isinstance(refusal.value, TripletscopeError)
    assert "\n" not in str(refusal.value)


def test_too_many_rows_are_refused_before_they_are_made() -> None:
    points = np.zeros((9000, 1), np.float32)
    points[0] = 1
    with pytest.raises(SettingError, match="80,973,002 pairs"):
        mine(points, np.arange(9000) < 1, strategy="hardest", margin=0.2, positives_per_anchor="all")


def test_two_threads_change_nothing() -> None:
    points, labels = blobs(1500, 9)
    ids = np.arange(1500)
    options = {"strategy": "semi-hard", "margin": 0.2, "negatives_per_anchor": 2}
    one, two = (mine_rows(points, labels, ids, threads=threads, **options) for threads in (1, 2))
    for name in ("anchor", "positive", "negative", "d_ap", "d_an"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert torch.get_num_threads() >= 1


def test_progress_runs_from_nothing_to_all_once() -> None:
    points, labels = blobs(1300, 4)
    told: list[float] = []
    for strategy in ("batch-hard", "semi-hard"):
        told.clear()
        mine(points, labels, strategy=strategy, margin=0.2, progress=lambda done, every: told.append(done / every))
        assert told == sorted(told)
        assert told[-1] == 1.0
        assert len(told) == len(set(told))


def test_the_margin_curve_is_the_share_of_violating_pairs() -> None:
    points, labels = blobs(90, 5)
    table = mine(points, labels, strategy="hardest", margin=0.1, positives_per_anchor="all")
    margins = np.linspace(0, 1, 21)
    share = violating_share(table["gap"].to_numpy(), margins)
    by_hand = [(table["gap"].to_numpy() < np.float32(margin)).mean() for margin in margins]
    assert share.tolist() == by_hand
    assert (np.diff(share) >= 0).all()
    # A pair violates at a margin if any negative does: the semi-hard and hard ones of all.
    mined = mine(points, labels, strategy="hardest", margin=float(margins[5]), positives_per_anchor="all")
    assert (mined["loss"] > 0).mean() == share[5]
    with pytest.raises(DataError, match="no pairs"):
        violating_share(np.zeros(0), [0.1])


def test_an_empty_table_is_a_normal_day() -> None:
    table = mine([[0.0], [1.0], [50.0]], [0, 0, 1], strategy="semi-hard", margin=0.1, distance="euclidean")
    assert len(table) == 0
    assert tuple(table.columns) == TRIPLETS
    assert table.attrs["settings"]["pairs_abstained"] == 2
    none = Mined(*[np.zeros(0, np.int64)] * 3, *[np.zeros(0, np.float32)] * 2, "hardest", "cosine", 0.2)
    assert len(none.columns(np.zeros(0), np.zeros(0))["rank"]) == 0
