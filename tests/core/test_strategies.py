"""Every registered strategy keeps the contract and equals its oracle in plain loops."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, grid_batches, unit_batches

from tripletscope import strategies
from tripletscope.batch import Batch
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.strategies import Strategy
from tripletscope.strategies.base import MOST_TRIPLETS, STRATEGIES, strategy
from tripletscope.testing import CONTRACT, check_strategy, example_batches, oracles, unit_points
from tripletscope.triplets import Triplets

ORDER = (
    "random batch-all hardest batch-hard semi-hard semi-hard-random easy-positive distance-weighted easy "
    "easy-positive-semi-hard top-n curriculum online-margin anchor-swap batch-sample multi-similarity hard-aware "
    "angular n-pair lifted ohem sct msml quadruplet triplet-center"
)
STOCHASTIC = [one.name for one in strategies.all() if one.stochastic]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_all_in_display_order() -> None:
    assert " ".join(strategies.names()) == ORDER
    assert STOCHASTIC == ["random", "semi-hard-random", "distance-weighted", "top-n", "batch-sample"]


@pytest.mark.parametrize("name", strategies.names())
@pytest.mark.parametrize("check", CONTRACT.values(), ids=CONTRACT.keys())
def test_contract(name: str, check: object) -> None:
    check(strategies.get(name))


@pytest.mark.parametrize("name", strategies.names())
def test_every_strategy_has_an_oracle(name: str) -> None:
    assert name in oracles.ORACLES, f"write {name} in plain loops in core/tripletscope/testing/oracles.py"
    assert (name in oracles.CHANCES) == strategies.get(name).stochastic


def check_against_oracle(one: Strategy, batch: Batch, margin: float) -> None:
    found = one.pick(batch, margin=margin, generator=seeded())
    allowed = oracles.ORACLES[one.name](batch, margin)
    if not one.stochastic:
        assert found.to_set() == allowed
        return
    assert found.to_set() <= allowed
    unit = 1 if one.granularity == "anchor" else 2
    assert {pick[:unit] for pick in found.to_set()} == {pick[:unit] for pick in allowed}
    check_chances(one, batch, margin)


def check_chances(one: Strategy, batch: Batch, margin: float) -> None:
    anchor, positive = batch.pairs
    expected = torch.zeros(len(anchor), batch.size, dtype=torch.float64)
    row_of = {pair: row for row, pair in enumerate(zip(anchor.tolist(), positive.tolist(), strict=True))}
    for (a, p, n), chance in oracles.CHANCES[one.name](batch, margin).items():
        expected[row_of[a, p], n] = chance
    chances = one.probabilities(batch, anchor, positive, margin=margin).double()
    torch.testing.assert_close(chances, expected, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("sorting", [False, True])
@pytest.mark.parametrize("name", strategies.names())
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_equal_to_its_oracle(name: str, sorting: bool, data: st.DataObject) -> None:
    one = strategies.get(name)
    kinds = unit_batches() if "unit" in one.needs else st.one_of(grid_batches(), unit_batches())
    batch, margin = data.draw(kinds), data.draw(MARGINS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
        check_against_oracle(one, batch, margin)


@pytest.mark.parametrize("sorting", [False, True])
@pytest.mark.parametrize("title", example_batches())
@pytest.mark.parametrize("name", strategies.names())
def test_equal_to_its_oracle_on_the_example_batches(
    name: str, title: str, sorting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
    monkeypatch.setattr("tripletscope.batch.BLOCK", 200)  # many small blocks
    monkeypatch.setattr("tripletscope.strategies.distance_weighted.BLOCK", 50)
    monkeypatch.setattr("tripletscope.strategies.batch_sample.BLOCK", 50)
    check_against_oracle(strategies.get(name), example_batches()[title], 0.2)


def frequencies_fit(one: Strategy, batch: Batch, margin: float, draws: int, **params: float) -> None:
    """Pearson's sum of squares over all pairs, against six standard deviations of its distribution."""
    anchor, positive = batch.pairs
    chance = one.probabilities(batch, anchor, positive, margin=margin, **params).double()
    generator, seen = seeded(1), Counter()
    for _ in range(draws):
        picks = one.pick(batch, margin=margin, generator=generator, **params)
        seen.update(zip(picks.anchor.tolist(), picks.positive.tolist(), picks.negative.tolist(), strict=True))
    statistic = freedom = 0.0
    for row, (a, p) in enumerate(zip(anchor.tolist(), positive.tolist(), strict=True)):
        likely = (chance[row] * draws >= 5).nonzero()[:, 0].tolist()
        rest = draws - sum(seen[a, p, n] for n in likely) if chance[row].any() else 0
        expected_rest = draws * float(chance[row].sum() - chance[row, likely].sum())
        cells = [(seen[a, p, n], float(chance[row, n]) * draws) for n in likely]
        if expected_rest >= 5:
            cells.append((rest, expected_rest))
        else:
            assert rest <= expected_rest + 6 * math.sqrt(expected_rest + 1)
        statistic += sum((found - expected) ** 2 / expected for found, expected in cells)
        freedom += max(0, len(cells) - 1)
    assert freedom > 20, "the batch leaves nothing to draw"
    assert abs(statistic - freedom) < 6 * math.sqrt(2 * freedom), f"chi-square {statistic:.0f} at {freedom:.0f}"


@pytest.mark.parametrize("sorting", [False, True])
@pytest.mark.parametrize("name", [name for name in STOCHASTIC if strategies.get(name).granularity == "pair"])
def test_picks_are_drawn_with_their_probabilities(name: str, sorting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
    frequencies_fit(strategies.get(name), example_batches()["ordinary"], 0.4, 500)


@pytest.mark.gpu
@pytest.mark.parametrize("name", strategies.names())
def test_an_accelerator_picks_what_a_cpu_picks(name: str) -> None:
    device = "cuda" if torch.cuda.is_available() else "mps"
    for title, batch in example_batches().items():
        if device == "mps" and batch.distances.dtype == torch.float64:
            continue
        moved = Batch(batch.distances.to(device), batch.labels.to(device), distance=batch.distance, dim=batch.dim)
        there = strategies.get(name).pick(moved, margin=0.2, generator=seeded())
        assert there.anchor.device.type == device
        assert there.to_set() == strategies.get(name).pick(batch, margin=0.2, generator=seeded()).to_set(), title


def test_the_draws_of_two_pairs_are_independent() -> None:
    batch = Batch(1 - torch.eye(40), torch.arange(40) % 2)
    picks = strategies.get("random").pick(batch, margin=0.2, generator=seeded())
    for anchor in range(40):
        assert len(set(picks.negative[picks.anchor == anchor].tolist())) > 5


@pytest.mark.parametrize("dim", [2, 3, 4, 128, 512, 1024])
def test_distance_weighted_serves_every_anchor_in_any_dimension(dim: int) -> None:
    # One confusable pair of classes (d < 0.5) makes a shift by the maximum of the whole batch underflow for all others.
    points, labels = unit_points(32, 4, dim=dim, spread=0.3, seed=3)
    twin = labels == 1
    points[twin] = torch.nn.functional.normalize(points[labels == 0] + 1e-3, dim=1)
    one = strategies.get("distance-weighted")
    batch = Batch.from_embeddings(points, labels)
    within = (batch.negative_distances < 1.4).any(dim=1)
    picks = one.pick(batch, margin=0.2, generator=seeded())
    assert len(picks) == int(batch.positive_count[within].sum())
    assert float(within.float().mean()) > 0.9
    anchor, positive = batch.pairs
    chance = one.probabilities(batch, anchor, positive, margin=0.2)
    assert torch.isfinite(chance).all()
    torch.testing.assert_close(chance.sum(dim=1), within[anchor].float(), atol=1e-4, rtol=0)


def test_distance_weighted_is_the_same_in_all_three_distances() -> None:
    points, labels = unit_points(4, 4)
    one = strategies.get("distance-weighted")
    batches = [Batch.from_embeddings(points, labels, name) for name in ("euclidean", "squared-euclidean", "cosine")]
    first, second, third = (one.probabilities(batch, *batch.pairs, margin=0.2) for batch in batches)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(first, third, atol=1e-5, rtol=1e-4)


def test_distance_weighted_favours_no_distance_below_its_cutoff() -> None:
    batch = Batch.from_embeddings(*unit_points(3, 4, dim=3, spread=0.2, seed=5))
    one = strategies.get("distance-weighted")
    even = one.probabilities(batch, *batch.pairs, margin=0.2, cutoff=1.4, nonzero_loss_cutoff=1.4)
    drawn = even > 0
    torch.testing.assert_close(even, drawn / drawn.sum(dim=1, keepdim=True).clamp(min=1))
    frequencies_fit(one, batch, 0.2, 400, cutoff=0.1, nonzero_loss_cutoff=2.0)


def test_distance_weighted_abstains_beyond_its_cutoff() -> None:
    opposite = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    batch = Batch.from_embeddings(opposite, torch.tensor([0, 0, 1]))
    one = strategies.get("distance-weighted")
    picks = one.pick(batch, margin=0.2, generator=seeded())
    assert (len(picks), one.abstained(batch, picks)) == (0, 2)


def test_what_a_person_reads_when_a_need_is_not_met() -> None:
    one = strategies.get("distance-weighted")
    points, labels = unit_points(2, 2)
    with pytest.raises(SettingError, match="length 1, and these are not; normalise"):
        one.check(Batch.from_embeddings(2 * points, labels))
    distances = Batch.from_embeddings(points, labels).distances
    with pytest.raises(SettingError, match="dimension of the embeddings, at least 2, and got None; pass dim="):
        one(distances, labels, margin=0.2)
    assert len(one(distances, labels, margin=0.2, dim=8, generator=seeded()).to_set()) <= 4
    with pytest.raises(SettingError, match=r"cutoff of 'distance-weighted' is 3.0; it must lie between 0.05 and 1.4"):
        one(distances, labels, margin=0.2, dim=8, cutoff=3.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'cutoff'"):
        one(distances, labels, margin=0.2, dim=8, cutof=1.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'semi-hard'"):
        strategies.get("semihard")


def test_too_many_triplets_for_one_answer_are_streamed() -> None:
    size = 512
    batch = Batch(torch.rand(size, size, generator=seeded()), torch.arange(size) % 2)
    one = strategies.get("batch-all")
    total = size * (size // 2 - 1) * (size // 2)
    assert total > MOST_TRIPLETS
    with pytest.raises(SettingError, match=f"holds {total:,} triplets.*stream"):
        one.pick(batch, margin=0.2)
    lengths = [len(part) for part in one.stream(batch, margin=0.2)]
    assert sum(lengths) == total
    assert max(lengths) <= 2**20


def test_random_steps_over_the_own_class_in_any_order() -> None:
    labels = torch.tensor([2, 0, 2, 1, 0, 1, 2])
    batch = Batch(torch.zeros(7, 7), labels)
    seen = set()
    generator = seeded()
    for _ in range(60):
        seen |= strategies.get("random").pick(batch, margin=0.2, generator=generator).to_set()
    assert seen == oracles.batch_all(batch, 0.2)


# ---- adding a strategy is adding a file ---------------------------------------------------------------------

SOURCE = '''
"""The farthest negative."""

import torch

from tripletscope.batch import Batch
from tripletscope.strategies import strategy
from tripletscope.triplets import Triplets


@strategy(
    name="easiest",
    title="Easiest negative",
    summary="The farthest negative for every anchor and positive.",
    source="a test",
    order=35,
    zones={"hard", "semi-hard", "easy"},
    granularity="pair",
    notes="For every pair: the *last* one.",
)
def easiest(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    anchor, positive = batch.pairs
    farthest = torch.where(batch.same, -torch.inf, batch.distances).argmax(dim=1)[anchor]
    keep = batch.has_negative[anchor]
    return Triplets(anchor[keep], positive[keep], farthest[keep])
'''


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy in a module of its own, known only while the test runs."""
    (tmp_path / "easiest_strategy.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(STRATEGIES, "_records", dict(STRATEGIES._records))
    __import__("easiest_strategy")
    yield STRATEGIES.get("easiest")
    del sys.modules["easiest_strategy"]


def test_a_new_file_is_a_new_strategy_everywhere(newcomer: Strategy) -> None:
    from tripletscope.strategy_docs import render

    assert strategies.names()[3] == "easiest"
    assert strategies.get("easiest") is newcomer
    check_strategy(newcomer)
    page = render()
    assert "## easiest" in page
    assert "For every pair: the *last* one." in page
    assert "easiest" not in oracles.ORACLES  # so test_every_strategy_has_an_oracle would fail for it


def test_a_name_is_taken_once(newcomer: Strategy) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        STRATEGIES.register(newcomer)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"zones": {"medium"}}, "zones"),
        ({"zones": set()}, "zones"),
        ({"granularity": "class"}, "granularity"),
        ({"needs": {"gpu"}}, "needs"),
    ],
)
def test_a_record_that_makes_no_sense(wrong: dict[str, object], message: str) -> None:
    record = {
        "name": "x",
        "title": "X",
        "summary": "X.",
        "source": "x",
        "order": 1,
        "zones": {"hard"},
        "granularity": "pair",
    }
    unchecked = getattr(strategy, "__wrapped__", strategy)
    with pytest.raises(ValueError, match=message):
        unchecked(**record | wrong)
    assert "x" not in STRATEGIES


def broken(**changes: object) -> Strategy:
    """Semi-hard with something wrong, to see that the contract notices."""
    good = strategies.get("semi-hard")
    return Strategy(**{**vars(good), "name": "broken", **changes})


def swapped(batch: Batch, **settings: object) -> Triplets:
    picks = strategies.get("hardest").function(batch, **settings)
    return Triplets(picks.anchor, picks.negative, picks.positive)


def careless(batch: Batch, **settings: object) -> Triplets:
    batch.negative_distances.fill_(1.0)
    return strategies.get("hardest").function(batch, **settings)


def restless(batch: Batch, *, margin: float, generator: object) -> Triplets:
    return strategies.get("random").function(batch, margin=margin, generator=None)


def floating(batch: Batch, **settings: object) -> Triplets:
    picks = strategies.get("semi-hard").function(batch, **settings)
    return Triplets(picks.anchor.int(), picks.positive, picks.negative)


def all_zones(**changes: object) -> Strategy:
    return broken(zones=("hard", "semi-hard", "easy"), **changes)


@pytest.mark.parametrize(
    ("rule", "one"),
    [
        ("labels", all_zones(function=swapped)),
        ("zones", broken(function=strategies.get("hardest").function)),
        ("types", broken(function=floating)),
        ("inputs-untouched", all_zones(function=careless)),
        ("repeatable", all_zones(function=restless)),
        ("abstained", broken(granularity="anchor")),
        ("stream", broken(stream_function=lambda batch, **settings: iter([Triplets.empty()]))),
        (
            "probabilities",
            broken(probability_function=lambda batch, anchor, positive, **_: batch.same[anchor].float()),
        ),
        ("needs", broken(needs=("unit",))),
        ("record", broken(summary="no full stop")),
        ("record", broken(name="Semi Hard")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_contract_notices(rule: str, one: Strategy) -> None:
    if rule == "needs":  # a need that is declared and not asked for at the door
        unasked = type("Unasked", (Strategy,), {"check": lambda self, batch: None})
        one = unasked(**vars(one))
    with pytest.raises(AssertionError):
        CONTRACT[rule](one)


def test_describe_is_what_a_run_keeps() -> None:
    record = strategies.get("distance-weighted").describe()
    assert record["zones"] == ["hard", "semi-hard", "easy"]
    assert record["stochastic"] is True
    assert record["needs"] == ["unit", "dim"]
    assert record["params"][0] == {
        "name": "cutoff",
        "default": 0.5,
        "low": 0.05,
        "high": 1.4,
        "help": "No distance below this one is favoured any further: λ = 1/q(cutoff).",
        "whole": False,
    }
