"""Strategies x losses x distances x models, each pair of choices in one short training at least, and no NaN in any.

The list is made from the registries, so a new strategy, loss, distance or model takes part by being registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.core.runs import few_digits

from tripletscope import Run, models, strategies
from tripletscope.config import TrainConfig
from tripletscope.distances import DISTANCES
from tripletscope.errors import SettingError
from tripletscope.losses import LOSSES
from tripletscope.preparation import choose_loss, misfit
from tripletscope.training import record

Choice = Mapping[str, Any]
#: Axis -> the settings that each of its values stands for.
Axes = Mapping[str, Mapping[str, Choice]]
Pair = tuple[tuple[str, str], tuple[str, str]]
STEPS = 3


def axes() -> Axes:
    losses: dict[str, Choice] = {}
    for one in LOSSES:
        losses[one.name] = {"loss": one.name}
        if one.soft:
            losses[f"{one.name} soft"] = {"loss": one.name, "soft_margin": True}
    return {
        "strategy": {name: {"strategy": name} for name in strategies.names()},
        "loss": losses,
        "model": {name: {"model": name} for name in models.MODELS.names()},
        "distance": {name: {"distance": name} for name in DISTANCES.names()},
        "length": {"unit": {}, "free": {"normalize": False}},
    }


def settings(over: Axes, names: Sequence[str]) -> dict[str, Any]:
    return {key: value for axis, name in zip(over, names, strict=True) for key, value in over[axis][name].items()}


def pairs_of(over: Axes, names: Sequence[str]) -> set[Pair]:
    return {(one, other) for one, other in combinations(tuple(zip(over, names, strict=True)), 2)}


def covering(over: Axes, allowed: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Few of the allowed choices, such that any two values that go together meet in one; the same list every time.

    Greedy: each time the first of those that bring the most new pairs.
    """
    left = {names: pairs_of(over, names) for names in allowed}
    chosen = []
    while left:
        best = max(left, key=lambda names: len(left[names]))
        new = left.pop(best)
        chosen.append(best)
        left = {names: kept for names, some in left.items() if (kept := some - new)}
    return chosen


@lru_cache(maxsize=1)
def allowed() -> list[tuple[str, ...]]:
    """Every choice that a training accepts; what is refused is refused for strategy, loss and length, whatever else."""
    over = axes()
    fits = {}
    for strategy, loss, length in product(over["strategy"], over["loss"], over["length"]):
        config = TrainConfig(**over["strategy"][strategy], **over["loss"][loss], **over["length"][length])
        fits[strategy, loss, length] = not refused(config)
    return [names for names in product(*over.values()) if fits[names[0], names[1], names[4]]]


def refused(config: TrainConfig) -> bool:
    one = strategies.get(config.strategy)
    try:
        choose_loss(one, config)
    except SettingError:
        return True
    return bool(misfit(one, config, {}))


CASES = covering(axes(), allowed())


def test_any_two_choices_that_go_together_meet() -> None:
    over = axes()
    wanted = set().union(*(pairs_of(over, names) for names in allowed()))
    assert set().union(*(pairs_of(over, names) for names in CASES)) == wanted
    assert len(CASES) < len(allowed()) / 5
    # Each strategy with the hinge, with the soft margin, with every model and with every distance.
    for name in strategies.names():
        for axis, values in (("model", over["model"]), ("distance", over["distance"]), ("loss", ["triplet soft"])):
            assert all((("strategy", name), (axis, value)) in {*wanted} for value in values), (name, axis)


def test_a_covering_of_a_small_case_by_hand() -> None:
    over = {axis: {"x": {}, "y": {}} for axis in "abc"}
    found = covering(over, product("xy", repeat=3))
    assert len(found) == 4  # the least there is: two values of three axes
    assert covering(over, [("x", "x", "x")]) == [("x", "x", "x")]


@pytest.mark.parametrize("names", CASES, ids="-".join)
def test_a_few_steps_of_it(names: tuple[str, ...], tmp_path: Path) -> None:
    config = TrainConfig(**settings(axes(), names), steps=STEPS, dim=8, hidden=16, checkpoint_every=1e6)
    result = record(config, few_digits(), tmp_path / "run")
    assert result.state == "finished"
    assert all(bool(torch.isfinite(values).all()) for values in result.weights.values())
    run = Run.open(tmp_path / "run")
    assert run.step_count == STEPS
    for line in run.lines[:STEPS]:
        numbers = [line[name] for name in ("loss", "spread")]
        assert np.isfinite(np.array(numbers, dtype=float)).all(), line
    assert np.isfinite(run.lines[-1]["recall_at_1"])
