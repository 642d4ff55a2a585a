"""The checks for anybody's miner: correct ones pass, and each planted fault is found by the check of its name."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tripletscope import dialects, strategies
from tripletscope.batch import Batch
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.testing import (
    CHECKS,
    MinerError,
    check_miner,
    definition,
    oracles,
    wrap_pytorch_metric_learning,
    wrap_strategy,
)

MARGIN = 0.2
Rows = list[tuple[int, int, int]]


FEW = ("semi-hard", "random")  # the others where there is time


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in strategies.names()]
)
def test_our_own_pass(name: str) -> None:
    report = check_miner(wrap_strategy(name), name)
    assert report.ok
    assert [one.name for one in report.outcomes] == list(CHECKS)
    assert report.outcome("oracle").state == "passed"


@pytest.mark.parametrize(
    "name",
    [
        "anchor:random, negative:nearest, lower:positive",
        "facenet-semi-hard",
        "revisiting-batch-hard",
        "siamese-triplet-hardest",
    ],
)
def test_compositions_and_dialects_pass(name: str) -> None:
    left_out = ["single-class"] if name.startswith("siamese") else []
    report = check_miner(wrap_strategy(name), name, leave_out=left_out)
    assert report.ok


# ---- a miner of somebody else, in plain loops, with a fault for every name ------------------------------------------


def semi_hard(embeddings: Tensor, labels: Tensor, *, fault: str = "") -> Rows:
    """The nearest negative with 0 < gap < margin for every pair; with one thing wrong."""
    batch = Batch.from_embeddings(embeddings, labels.long())
    d, y = batch.distances, labels.tolist()
    if not fault.startswith("nan"):
        batch.require_finite()
    margin, rows = torch.tensor(MARGIN, dtype=d.dtype), []
    for a in range(len(y)):
        for p in range(len(y)):
            positive = y[p] == y[a] or (fault == "positives of another class" and (p + a) % 5 == 0)
            if not positive or (p == a and fault != "its own positive"):
                continue
            best = None
            for n in range(len(y)):
                gap = d[a, n] - d[a, p]
                above = gap >= 0 if fault == "<= for < at the positive" else gap > 0
                below = gap <= margin if fault == "<= for < at the margin" else gap < margin
                if y[n] == y[a] or not (above and below):
                    continue
                nearer = best is None or d[a, n] < d[a, best]
                if nearer or (fault == "the last among equals" and d[a, n] == d[a, best]):
                    best = n
            if best is not None:
                shifted = (best + 1) % len(y)
                rows.append((a, p, shifted if fault == "off by one" and y[shifted] != y[a] else best))
    return rows


def planted(fault: str) -> Callable[[Tensor, Tensor], object]:
    def miner(embeddings: Tensor, labels: Tensor) -> object:
        rows = semi_hard(embeddings, labels, fault=fault)
        columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).T
        if fault == "anchors of the labels' dtype":
            return columns[0].to(labels.dtype), columns[1], columns[2]
        if fault == "float slots":
            return columns[0].float(), columns[1], columns[2]
        if fault == "columns of two lengths":
            return columns[0][1:], columns[1], columns[2]
        if fault == "writes to the labels":
            labels += 1
        if fault == "global chance":
            keep = torch.rand(columns.shape[1]) < 0.8
            return tuple(columns[:, keep])
        if fault == "no answer for a class alone" and len(labels.unique()) == 1:
            raise IndexError("index 0 is out of bounds")
        return tuple(columns)

    return miner


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        ("", ""),
        ("off by one", "oracle"),
        ("positives of another class", "labels"),
        ("its own positive", "never-itself"),
        ("<= for < at the margin", "edges"),
        ("<= for < at the positive", "edges"),
        ("the last among equals", "equals"),
        ("anchors of the labels' dtype", "label-types"),
        ("float slots", "types"),
        ("columns of two lengths", "types"),
        ("writes to the labels", "inputs-untouched"),
        ("global chance", "oracle"),
        ("no answer for a class alone", "single-class"),
        ("nan is passed over", "nan-named"),
    ],
)
def test_each_planted_fault_is_found(fault: str, found_by: str) -> None:
    report = check_miner(planted(fault), like="semi-hard", raises=False)
    if not fault:
        assert report.ok, str(report)
    else:
        assert found_by in report.failed, str(report)
    if fault != "<= for < at the positive" and found_by in (
        "edges",
        "equals",
        "label-types",
        "inputs-untouched",
        "single-class",
        "nan-named",
    ):
        assert report.failed == [found_by], "and no other check cries"


def test_a_miner_that_sees_squared_distances_is_no_semi_hard() -> None:
    squared = wrap_strategy("semi-hard", distance="squared-euclidean")
    assert "oracle" in check_miner(squared, "semi-hard", raises=False).failed
    assert check_miner(squared, "semi-hard", distance="squared-euclidean").ok


def test_ties_may_be_left_open() -> None:
    last = planted("the last among equals")
    assert check_miner(last, like="semi-hard", ties="any").ok


def test_a_biased_draw_is_found() -> None:
    def biased(embeddings: Tensor, labels: Tensor) -> Rows:
        batch = Batch.from_embeddings(embeddings, labels.long())
        rows = []
        for a, p in zip(*(slots.tolist() for slots in batch.pairs), strict=True):
            negatives = batch.negative_mask[a].nonzero()[:, 0]
            if len(negatives):
                weights = 1 + 3 * (negatives == negatives[0])
                rows.append((a, p, int(negatives[torch.multinomial(weights.float(), 1)])))
        return rows

    report = check_miner(biased, like="random", leave_out=["nan-row", "nan-named"], raises=False)
    assert report.failed == ["chances"]


def test_a_miner_that_forgets_pairs_is_found() -> None:
    def forgets(embeddings: Tensor, labels: Tensor) -> object:
        picks = wrap_strategy("random")(embeddings, labels)
        return picks.anchor[1:], picks.positive[1:], picks.negative[1:]

    report = check_miner(forgets, like="random", raises=False)
    assert "oracle" in report.failed
    assert "has eligible negatives and got no triplet" in report.outcome("oracle").words


def test_without_a_definition_the_rest_is_checked() -> None:
    report = check_miner(wrap_strategy("semi-hard"))
    left_out = {one.name for one in report.outcomes if one.state == "left out"}
    assert left_out == {"oracle", "chances", "equals", "edges", "collapsed-order", "large-dimension"}
    assert report.outcome("permutation").state == "passed"


def test_a_definition_of_ones_own() -> None:
    def farthest(batch: Batch, margin: float) -> set[tuple[int, int, int]]:
        slots = oracles.Slots(batch)
        return {(a, p, slots.farthest(a, slots.negatives(a))) for a, p in slots.pairs() if slots.negatives(a)}

    assert check_miner(wrap_strategy("easy"), like=farthest).ok
    assert "oracle" in check_miner(wrap_strategy("hardest"), like=farthest, raises=False).failed


def test_the_report_is_the_message() -> None:
    with pytest.raises(MinerError, match=r"semi-hard compared with hardest: \d of 17 checks failed") as caught:
        check_miner(wrap_strategy("semi-hard"), like="hardest")
    assert "oracle" in caught.value.report.failed
    assert "failed    oracle" in str(caught.value)
    assert isinstance(caught.value, AssertionError)
    with pytest.raises(UnknownNameError, match="Did you mean 'oracle'"):
        caught.value.report.outcome("oracel")


def test_what_makes_no_sense_is_refused() -> None:
    mine = wrap_strategy("semi-hard")
    with pytest.raises(UnknownNameError, match="Did you mean 'semi-hard'"):
        check_miner(mine, "semihard")
    with pytest.raises(UnknownNameError, match="Did you mean 'nan-row'"):
        check_miner(mine, leave_out=["nanrow"])
    with pytest.raises(SettingError, match="margin"):
        check_miner(mine, margin=-1.0)
    with pytest.raises(SettingError, match="'lowest' or 'any'"):
        check_miner(mine, ties="first")
    with pytest.raises(UnknownNameError, match="parameter of semi-hard"):
        definition("semi-hard", {"cutoff": 1.0})


def test_the_checks_need_no_test_runner_and_leave_chance_alone() -> None:
    code = (
        "import sys, torch\n"
        "from tripletscope.testing import check_miner, wrap_strategy\n"
        "before = torch.random.get_rng_state()\n"
        "check_miner(wrap_strategy('random'), 'random')\n"
        "assert torch.equal(before, torch.random.get_rng_state())\n"
        "sys.exit(f'loaded {found}' if (found := {'pytest', 'hypothesis'} & set(sys.modules)) else 0)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- what is known of pytorch-metric-learning 2.9 -------------------------------------------------------------------

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    miners = pytest.importorskip("pytorch_metric_learning.miners")


@pytest.mark.peers
def test_distance_weighted_underflow_is_found() -> None:
    mine = wrap_pytorch_metric_learning(miners.DistanceWeightedMiner())
    report = check_miner(mine, like="distance-weighted", per="anchor", raises=False)
    assert "large-dimension" in report.failed
    assert "in 256 dimensions only" in report.outcome("large-dimension").words
    assert report.outcome("oracle").state == report.outcome("chances").state == "passed"


@pytest.mark.peers
def test_a_nan_row_as_negative_of_all_is_found() -> None:
    mine = wrap_pytorch_metric_learning(miners.BatchHardMiner())
    report = check_miner(mine, like="batch-hard", unit=True, raises=False)
    words = report.outcome("nan-row").words
    assert words == "slot 29, whose embedding is NaN, is the negative of 28 of 32 anchors"
    # Its distances come from a matrix product, which does not survive a collapsed batch.
    assert report.failed == ["nan-row", "nan-named", "collapsed-order"]


@pytest.mark.peers
def test_a_correct_miner_of_theirs_passes_what_it_promises() -> None:
    for kind, word in (("semihard", "semi-hard"), ("all", "batch-all"), ("easy", "easy"), ("hard", "hardest")):
        mine = wrap_pytorch_metric_learning(miners.TripletMarginMiner(margin=MARGIN, type_of_triplets=kind))
        like = f"pytorch-metric-learning-{word}"
        assert like in dialects.names()
        report = check_miner(mine, like=like, unit=True, leave_out=["nan-named", "collapsed-order"], raises=False)
        assert [name for name in report.failed if name != "nan-row"] == [], str(report)


@pytest.mark.peers
def test_their_four_columns_become_triplets() -> None:
    mine = wrap_pytorch_metric_learning(miners.BatchEasyHardMiner())
    left_out = ["nan-row", "nan-named", "collapsed-order"]
    assert check_miner(mine, like="easy-positive-semi-hard", unit=True, leave_out=left_out).ok
