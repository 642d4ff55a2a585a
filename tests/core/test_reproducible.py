"""One seed, one run: to the last bit, whoever watches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.core.runs import assert_same_recording, everything, few_digits

from tripletscope import Run, strategies
from tripletscope.config import TrainConfig
from tripletscope.samples import LabelledData
from tripletscope.training import TrainResult, record

STEPS = 12


@pytest.fixture(scope="module")
def digits() -> LabelledData:
    return few_digits()


def trained(digits: LabelledData, out: Path, **settings: Any) -> tuple[TrainResult, Run]:
    result = record(TrainConfig(steps=STEPS, dim=8, **settings), digits, out)
    return result, Run.open(out)


def equal_weights(one: TrainResult, other: TrainResult) -> bool:
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


@pytest.mark.parametrize("strategy", ["random", "semi-hard", "distance-weighted"])
def test_two_runs_of_one_seed_are_identical(strategy: str, digits: LabelledData, tmp_path: Path) -> None:
    one, first = trained(digits, tmp_path / "a", strategy=strategy, shadow=("semi-hard-random",))
    torch.manual_seed(99)  # what the surrounding program draws plays no part
    torch.rand(3)
    other, second = trained(digits, tmp_path / "b", strategy=strategy, shadow=("semi-hard-random",))
    assert_same_recording(first, second)
    assert len(first.pick_rows(training=True)["step"]) > 0
    assert equal_weights(one, other)


@pytest.mark.parametrize("strategy", ["random", "batch-hard", "batch-all"])
def test_shadows_leave_the_training_as_it_is(strategy: str, digits: LabelledData, tmp_path: Path) -> None:
    alone, lonely = trained(digits, tmp_path / "alone", strategy=strategy)
    watched, run = trained(digits, tmp_path / "watched", strategy=strategy, shadow=("all",))
    assert set(run.strategies) == set(strategies.names())
    assert equal_weights(alone, watched)
    mine, theirs = lonely.pick_rows(training=True), run.pick_rows(training=True)
    for name in ("step", "anchor", "positive", "negative", "d_ap", "d_an"):
        np.testing.assert_array_equal(mine[name], theirs[name])


def test_a_shadow_picks_what_it_would_pick_as_the_trainer_at_step_0(digits: LabelledData, tmp_path: Path) -> None:
    _, watched = trained(digits, tmp_path / "watched", strategy="semi-hard", shadow=("random",))
    _, training = trained(digits, tmp_path / "training", strategy="random")
    shadow, own = watched.pick_rows(step=0, strategy="random"), training.pick_rows(step=0, strategy="random")
    np.testing.assert_array_equal(shadow["negative"], own["negative"])


def test_runs_of_one_seed_share_weights_and_batches(digits: LabelledData, tmp_path: Path) -> None:
    _, one = trained(digits, tmp_path / "a", strategy="random")
    _, other = trained(digits, tmp_path / "b", strategy="batch-hard")
    assert one.race == other.race
    np.testing.assert_array_equal(one.frames[0], other.frames[0])
    assert everything(one)[1].keys() == everything(other)[1].keys()
    for step, rows in everything(one)[1].items():
        np.testing.assert_array_equal(rows, everything(other)[1][step])
    assert not np.array_equal(one.frames[STEPS], other.frames[STEPS])


def test_another_seed_is_another_run(digits: LabelledData, tmp_path: Path) -> None:
    _, one = trained(digits, tmp_path / "a", strategy="random")
    _, other = trained(digits, tmp_path / "b", strategy="random", seed=1)
    assert one.race["weights"] != other.race["weights"]
    assert one.race["batches"] != other.race["batches"]
    assert not np.array_equal(one.batch(0)[0], other.batch(0)[0])
