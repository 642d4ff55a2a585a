"""Of single strategies: their dials, what is refused before a run, rows that are no numbers, how they are recorded."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from tests.core.batches import MARGINS, grid_batches
from tests.core.test_strategies import seeded

from tripletscope import Run, strategies
from tripletscope.batch import Batch
from tripletscope.cli import main
from tripletscope.errors import DataError, SettingError
from tripletscope.losses import triplet_margin_loss
from tripletscope.strategies.base import MOST_TRIPLETS
from tripletscope.testing import example_batches, oracles, unit_points

MANY = [one.name for one in strategies.all() if one.granularity == "many"]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("top-n", {"skip": 2.0, "n": 1.0}),
        ("curriculum", {"hardness": 0.0}),
        ("curriculum", {"hardness": 80.0}),
        ("curriculum", {"hardness": 100.0}),
        ("multi-similarity", {"epsilon": 0.0}),
        ("multi-similarity", {"epsilon": 0.5}),
        ("hard-aware", {"share": 0.1}),
        ("hard-aware", {"share": 1.0}),
        ("angular", {"angle": 60.0}),
        ("ohem", {"k": 7.0}),
    ],
)
@given(batch=grid_batches(), margin=MARGINS)
@settings(deadline=None, max_examples=30)
def test_a_dial_does_what_the_loops_say(name: str, params: dict[str, float], batch: Batch, margin: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tripletscope.batch.BLOCK", 40)
        found = strategies.get(name).pick(batch, margin=margin, generator=seeded(), **params).to_set()
    assert found == oracles.ORACLES[name](batch, margin, **params)


def test_the_ends_of_the_curriculum_have_names() -> None:
    batch = Batch.from_embeddings(*unit_points(5, 4, seed=1))
    one = strategies.get("curriculum")
    for hardness, name in ((100.0, "hardest"), (0.0, "easy")):
        named = strategies.get(name).pick(batch, margin=0.2).to_set()
        assert one.pick(batch, margin=0.2, hardness=hardness).to_set() == named


def test_batch_sample_draws_both_with_their_chances() -> None:
    batch = Batch.from_embeddings(*unit_points(3, 4, spread=1.0, seed=4))
    one, generator, temperature, draws = strategies.get("batch-sample"), seeded(1), 0.25, 1500
    positives, negatives = Counter(), Counter()
    for _ in range(draws):
        picks = one.pick(batch, margin=0.2, generator=generator, temperature=temperature)
        assert picks.anchor.tolist() == list(range(12))
        positives.update(zip(picks.anchor.tolist(), picks.positive.tolist(), strict=True))
        negatives.update(zip(picks.anchor.tolist(), picks.negative.tolist(), strict=True))
    of_negative = {}
    for (a, _, n), chance in oracles.batch_sample_chances(batch, 0.2, temperature).items():
        of_negative[a, n] = chance
    for seen, chances in (
        (positives, oracles.batch_sample_positives(batch, temperature)),
        (negatives, of_negative),
    ):
        statistic = sum((seen[key] - draws * chance) ** 2 / (draws * chance) for key, chance in chances.items())
        freedom = len(chances) - 12
        assert abs(statistic - freedom) < 6 * math.sqrt(2 * freedom)


def test_batch_sample_becomes_batch_hard_as_it_cools() -> None:
    batch = Batch.from_embeddings(*unit_points(5, 4, spread=1.0, seed=1))
    cold = strategies.get("batch-sample").pick(batch, margin=0.2, generator=seeded(), temperature=1e-3)
    assert len(cold.to_set() - strategies.get("batch-hard").pick(batch, margin=0.2).to_set()) <= 1


def test_lifted_weights() -> None:
    for batch in example_batches().values():
        picks = strategies.get("lifted").pick(batch, margin=0.2)
        expected = oracles.lifted_weights(batch)
        for weight, *pick in (
            zip(*(getattr(picks, n) for n in ("weight", "anchor", "positive", "negative")), strict=True)
            if len(picks)
            else ()
        ):
            assert float(weight) == pytest.approx(expected[tuple(int(slot) for slot in pick)], rel=1e-4)


def test_anchor_swap_takes_each_pair_once() -> None:
    batch = Batch.from_embeddings(*unit_points(5, 4, seed=1))
    one = strategies.get("anchor-swap")
    picks = one.pick(batch, margin=0.2)
    assert len({frozenset(pick[:2]) for pick in picks.to_set()}) == len(picks) == batch.n_pairs // 2
    assert one.abstained(batch, picks) == batch.n_pairs // 2


@pytest.mark.parametrize("name", MANY)
def test_too_many_for_one_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletscope.strategies.base.MOST_TRIPLETS", 40)
    batch = Batch(torch.rand(32, 32, generator=seeded()), torch.arange(32) % 8)
    one = strategies.get(name)
    with pytest.raises(SettingError, match=f"'{name}' picks more than 40 triplets.*stream"):
        one.pick(batch, margin=0.2)
    assert sum(map(len, one.stream(batch, margin=0.2))) > 40
    assert MOST_TRIPLETS == 2**24


# ---- rows that are no numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", strategies.names())
def test_a_row_that_is_no_number_is_nobodys_negative_and_is_named(name: str, bad: float) -> None:
    points, labels = unit_points(4, 4)
    one = strategies.get(name)
    points[5] = bad
    batch = Batch.from_embeddings(points, labels)
    batch.__dict__["unit_norm"] = True
    for ask in (lambda: one.pick(batch, margin=0.2), lambda: list(one.stream(batch, margin=0.2))):
        with pytest.raises(DataError, match=r"distances of slot 5 of the batch are not finite \(1 of 16 slots\)"):
            ask()


def test_a_single_bad_distance_names_both_ends() -> None:
    distances = 1 - torch.eye(4)
    distances[1, 2] = distances[2, 1] = math.nan
    with pytest.raises(DataError, match="slot 1, 2 of the batch"):
        strategies.get("hardest")(distances, torch.tensor([0, 0, 1, 1]), margin=0.2)


def test_large_distances_are_numbers() -> None:
    distances = 3e38 * (1 - torch.eye(4))  # their sum is not
    assert len(strategies.get("hardest")(distances, torch.tensor([0, 0, 1, 1]), margin=0.2)) == 4


# ---- what is refused before a run ---------------------------------------------------------------------------


def test_a_window_beyond_the_batch_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    asked = ["train", "--data", "digits", "--steps", "1", "--strategy", "top-n", "--out", str(out)]
    assert main([*asked, "--param", "skip=28"]) == 2
    said = capsys.readouterr().err
    assert "leaves out the 28 nearest negatives, and a batch of 8 classes x 4 has 28 for each anchor" in said
    assert said.count("\n") == 1
    assert not out.exists()
    assert main([*asked, "--param", "skip=27", "--quiet"]) == 0
    assert main([*asked[:-1], str(tmp_path / "half"), "--param", "n=2.5"]) == 2
    assert "n of 'top-n' is 2.5; it must be whole and lie between 1 and 100000" in capsys.readouterr().err


# ---- as runs record them ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A few steps of digits with every strategy as a shadow, and a composition."""
    out = tmp_path_factory.mktemp("more") / "run"
    told = ["train", "--data", "digits", "--steps", "3", "--strategy", "multi-similarity", "--quiet", "--out", str(out)]
    assert main([*told, "--shadow", "all, pair:all, negative:farthest, upper:margin"]) == 0
    return Run.open(out)


def test_every_strategy_watches_every_run(everyone: Run) -> None:
    composed = "pair-all-negative-farthest-upper-margin"
    assert set(everyone.strategies) == {*strategies.names(), composed}
    line = everyone.lines[1]
    assert set(line["shadows"]) == {*strategies.names(), composed} - {"multi-similarity"}
    for name, told in [*line["shadows"].items(), ("multi-similarity", {"mined": line["mined"]})]:
        one = strategies.get(name)
        rows = len(everyone.picks(step=1, strategy=name)) if one.listed else 0
        assert rows == (told["mined"] if one.listed else 0), name
        assert told["mined"] > 0
    assert line["mined_hard"] + line["mined_semi_hard"] + line["mined_easy"] == line["mined"]
    assert line["abstained"] is not None


@pytest.mark.parametrize("name", MANY)
def test_what_is_only_counted_is_picked_again_from_the_kept_batch(everyone: Run, name: str) -> None:
    step = everyone.batch_embedding_steps[0]
    rows = everyone.picks(step=step, strategy=name)
    line = everyone.lines[step]
    told = line["mined"] if name == everyone.training else line["shadows"][name]["mined"]
    assert len(rows) == told
    assert set(rows["training"]) == {name == everyone.training}
    assert set(
        everyone.samples.labels[rows["anchor"].astype(int)] == everyone.samples.labels[rows["negative"].astype(int)]
    ) == {False}


def test_the_page_has_a_card_and_an_answer_for_each(everyone: Run) -> None:
    from tripletscope.analysis.counterfactual import anchor_answer

    answer = anchor_answer(everyone, 0)
    single = {one.name for one in strategies.all(everyone.strategies) if one.single}
    assert set(answer["picks"]) == single
    assert set(answer["not_applicable"]) == {*MANY, "msml"}
    assert answer["not_applicable"]["msml"] == "picks once for a whole batch"
    assert json.dumps([one.describe() for one in strategies.all(everyone.strategies)])


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize("name", strategies.names())
def test_a_few_steps_of_each_keep_their_numbers(name: str, distance: str) -> None:
    generator = seeded()
    points, labels = unit_points(8, 4, spread=1.5)
    points.requires_grad_()
    for _ in range(3):
        unit = torch.nn.functional.normalize(points, dim=1)
        batch = Batch.from_embeddings(unit, labels, distance)
        from tripletscope.distances import pairwise

        picks = strategies.get(name).pick(batch, margin=0.2, generator=generator)
        loss = triplet_margin_loss(pairwise(unit, distance), picks, 0.2)
        (slope,) = torch.autograd.grad(loss, points)
        assert torch.isfinite(loss)
        assert torch.isfinite(slope).all()
        points = (points - 0.1 * slope).detach().requires_grad_()
