"""The losses that some strategies bring along: against loops, their gradients, and as a run uses them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import unit_batches
from tests.core.test_strategies import seeded

from tripletscope import Run, datasets, strategies
from tripletscope.batch import Batch
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.distances import pairwise
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.losses import LOSSES, Learning
from tripletscope.preparation import prepare
from tripletscope.testing import unit_points
from tripletscope.triplets import Triplets

DISTANCES = ("euclidean", "squared-euclidean", "cosine")


def picked(name: str, points: torch.Tensor, labels: torch.Tensor, distance: str) -> Triplets:
    return strategies.get(name).pick(Batch.from_embeddings(points, labels, distance), margin=0.3, generator=seeded())


def mean(terms: list[float]) -> float:
    return sum(terms) / len(terms) if terms else 0.0


# ---- selectively contrastive


def sct_loop(points: torch.Tensor, picks: Triplets, lam: float, temperature: float, hard_above: float) -> float:
    """From the dot products themselves, one pick after the other."""
    terms = []
    for a, p, n in zip(picks.anchor.tolist(), picks.positive.tolist(), picks.negative.tolist(), strict=True):
        s_ap, s_an = float(points[a] @ points[p]), float(points[a] @ points[n])
        if s_an > s_ap or s_an > hard_above:
            terms.append(lam * s_an)
        else:
            likely = math.exp(s_ap / temperature)
            terms.append(-math.log(likely / (likely + math.exp(s_an / temperature))))
    return mean(terms)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("params", [{}, {"lam": 0.25, "temperature": 0.5}, {"hard_above": 0.3}])
def test_sct_is_that_of_the_loop_in_every_distance(distance: str, params: dict[str, float]) -> None:
    points, labels = unit_points(5, 4, spread=1.5, seed=2)
    points = torch.nn.functional.normalize(points.double(), dim=1)
    picks = picked("random", points, labels, distance)
    seen = Learning(pairwise(points, distance), labels, picks, 0.3, distance, embeddings=points)
    cost = LOSSES.get("sct")(seen, **params)
    all_params = {"lam": 1.0, "temperature": 0.1, "hard_above": 1.0} | params
    assert float(cost.mean) == pytest.approx(sct_loop(points, picks, **all_params), rel=1e-9)
    assert cost.active == len(picks)


def test_sct_leaves_the_positive_of_a_hard_pick_alone_and_pulls_that_of_an_easy_one() -> None:
    distances = torch.tensor([[0.0, 0.5, 0.2], [0.5, 0.0, 1.0], [0.2, 1.0, 0.0]], requires_grad=True)
    for negative, pulled in ((0.2, False), (0.8, True)):
        d = distances.detach().clone()
        d[0, 2] = negative
        d.requires_grad_()
        triplets = Triplets(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
        LOSSES.get("sct")(Learning(d, torch.tensor([4, 4, 5]), triplets, 0.2)).mean.backward()
        assert bool(d.grad[0, 1] > 0) is pulled  # smaller d(a,p) is better, or does not matter
        assert float(d.grad[0, 2]) < 0


def test_sct_takes_an_equal_distance_for_no_hard_one_and_does_not_overflow() -> None:
    d = torch.tensor([[0.0, 0.5, 0.5], [0.5, 0.0, 1.0], [0.5, 1.0, 0.0]])
    triplets = Triplets(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    cost = LOSSES.get("sct")(Learning(d, torch.tensor([4, 4, 5]), triplets, 0.2))
    assert float(cost.mean) == pytest.approx(math.log(2))
    cold = LOSSES.get("sct")(Learning(d * 3.9, torch.tensor([4, 4, 5]), triplets, 0.2), temperature=0.01)
    assert math.isfinite(float(cold.mean))


# ---- what holds for all of them


@pytest.mark.parametrize("name", LOSSES.names())
@given(batch=unit_batches(), weighted=st.booleans())
@settings(deadline=None, max_examples=20)
def test_no_pick_costs_nothing_and_weights_are_a_mean(name: str, batch: Batch, weighted: bool) -> None:
    loss = LOSSES.get(name)
    strategy = next(one for one in strategies.all() if one.loss == name and one.granularity != "all")
    points = batch.embeddings.clone().requires_grad_()
    picks = strategy.pick(batch, margin=0.3, generator=seeded())
    if weighted:
        picks = Triplets(*(getattr(picks, column) for column in ("anchor", "positive", "negative")),
                         torch.full((len(picks),), 2.0), picks.negative2)  # fmt: skip
    distances = pairwise(points, batch.distance)
    cost = loss(Learning(distances, batch.labels, picks, 0.3, batch.distance, embeddings=points))
    (slope,) = torch.autograd.grad(cost.mean, points)
    assert torch.isfinite(slope).all()
    assert torch.isfinite(cost.mean)
    if not len(picks):
        assert float(cost.mean.detach()) == 0
        assert not slope.any()
    elif weighted:  # equal weights change nothing
        plain = Triplets(picks.anchor, picks.positive, picks.negative, None, picks.negative2)
        same = loss(Learning(distances, batch.labels, plain, 0.3, batch.distance, embeddings=points))
        torch.testing.assert_close(cost.mean, same.mean)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("name", LOSSES.names())
def test_the_gradient_is_that_of_finite_differences(name: str, distance: str) -> None:
    loss = LOSSES.get(name)
    strategy = next(one for one in strategies.all() if one.loss == name and one.granularity != "all")
    points, labels = unit_points(4, 3, dim=4, spread=1.5, seed=3)
    points = torch.nn.functional.normalize(points.double(), dim=1)
    picks = picked(strategy.name, points, labels, distance)
    assert len(picks)

    def of(raw: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(raw, dim=1)
        return loss(Learning(pairwise(unit, distance), labels, picks, 0.3, distance, embeddings=unit)).mean

    assert torch.autograd.gradcheck(of, points.requires_grad_())


@pytest.mark.parametrize("name", LOSSES.names())
def test_a_record_says_what_lists_need(name: str) -> None:
    record = LOSSES.get(name).describe()
    assert json.loads(json.dumps(record)) == record
    assert record["summary"].endswith(".")
    assert record["source"]
    for one in LOSSES.get(name).params:
        assert one.low <= one.default <= one.high


def test_what_a_loss_is_not_defined_for_is_refused() -> None:
    points, labels = unit_points(3, 3)
    picks = picked("hardest", points, labels, "euclidean")
    sct = LOSSES.get("sct")
    with pytest.raises(SettingError, match="'sct' is one of listed picks"):
        sct(Learning(pairwise(points), labels, None, 0.3))
    with pytest.raises(SettingError, match="'sct' has no soft margin"):
        sct(Learning(pairwise(points), labels, picks, 0.3, soft=True))
    with pytest.raises(SettingError, match="vectors of length 1"):
        sct(Learning(pairwise(3 * points), labels, picks, 0.3, embeddings=3 * points))
    with pytest.raises(SettingError, match="temperature of 'sct' is"):
        sct(Learning(pairwise(points), labels, picks, 0.3), temperature=0.0)


# ---- which one a run uses


def setup_of(**options: Any) -> Any:
    return prepare(TrainConfig(**options), datasets.load("digits"))


def test_a_strategy_brings_its_loss_and_the_user_may_choose_another() -> None:
    assert setup_of(strategy="sct").cost.name == "sct"
    assert setup_of(strategy="sct", loss="triplet").cost.name == "triplet"
    assert setup_of(strategy="easy-positive", loss="sct").cost.name == "sct"
    assert setup_of(strategy="semi-hard", shadow=("all",)).cost.name == "triplet"


def test_a_parameter_of_the_loss_is_set_like_one_of_the_strategy() -> None:
    made = setup_of(strategy="sct", param={"lam": 0.5})
    assert (made.params, made.cost_params["lam"]) == ({}, 0.5)
    made = setup_of(strategy="top-n", loss="sct", param={"n": 2.0, "temperature": 0.2})
    assert (made.params, made.cost_params["temperature"]) == ({"n": 2.0}, 0.2)
    with pytest.raises(UnknownNameError, match="lam"):
        setup_of(strategy="semi-hard", param={"lam": 0.5})
    with pytest.raises(SettingError, match="lam of 'sct' is 11"):
        setup_of(strategy="sct", param={"lam": 11.0})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategy": "semi-hard", "loss": "sc"}, "Did you mean 'sct'"),
        ({"strategy": "batch-all", "loss": "sct"}, "takes all triplets there are, and the loss 'sct' is one of listed"),
        ({"strategy": "sct", "soft_margin": True}, "the loss 'sct', which 'sct' brings along, has no soft form"),
        ({"strategy": "sct", "normalize": False}, "length 1"),
        ({"strategy": "hardest", "loss": "sct", "normalize": False}, "The loss 'sct' needs embeddings of length 1"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_before_the_run(options: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingError, UnknownNameError), match=said):
        setup_of(**options)


def test_a_run_says_its_loss_and_counts_its_active_picks(tmp_path: Path) -> None:
    told = ["train", "--data", "digits", "--steps", "4", "--strategy", "sct", "--param", "lam=0.5", "--quiet"]
    assert main([*told, "--out", str(tmp_path / "own")]) == 0
    run = Run.open(tmp_path / "own")
    values = {"lam": 0.5, "temperature": 0.1, "hard_above": 1.0}
    assert run.config["loss"] == {"name": "sct", "title": "Selectively contrastive", "values": values}
    assert run.config["train"]["loss"] is None
    assert all(line["active"] == line["mined"] > 0 for line in run.lines[:4])
    step = run.batch_embedding_steps[-1]
    points, rows = torch.from_numpy(run.batch_embeddings(step)).double(), run.batch(step)[0].tolist()
    picks = run.pick_rows(step, training=True)
    slots = [torch.tensor([rows.index(row) for row in picks[name]]) for name in ("anchor", "positive", "negative")]
    expected = sct_loop(points, Triplets(*slots), 0.5, 0.1, 1.0)
    assert run.lines[step]["loss"] == pytest.approx(expected, rel=1e-4)


def test_the_csv_says_which_loss_was_trained_with(tmp_path: Path) -> None:
    from tripletscope.export import export_picks, read_triplets_csv, settings_of

    told = ["train", "--data", "digits", "--steps", "2", "--quiet", "--strategy", "sct", "--margin", "0.3"]
    for name, more in (("own", ()), ("usual", ("--loss", "triplet"))):
        assert main([*told, *more, "--out", str(tmp_path / name)]) == 0
        export_picks(Run.open(tmp_path / name), tmp_path / f"{name}.csv")
    assert settings_of(tmp_path / "own.csv")["trained_with"] == "sct"
    assert "trained_with" not in settings_of(tmp_path / "usual.csv")
    table = read_triplets_csv(tmp_path / "own.csv")
    assert (table["loss"] - (0.3 - table["gap"]).clip(lower=0)).abs().max() < 1e-6
