"""Filters in training: a strategy picks from a filtered batch what it would pick if those negatives were not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, unit_batches

from tripletscope import Recorder, Run, datasets, strategies
from tripletscope.analysis.answer import pack_answer, unpack_answer
from tripletscope.analysis.comparison import grouped, ranking
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.batch import Batch
from tripletscope.cli import main
from tripletscope.config import TrainConfig, as_arguments, differences
from tripletscope.errors import DataError, RunError, SettingError, UnknownNameError
from tripletscope.mining import filters
from tripletscope.mining.filtered import filtered
from tripletscope.preparation import prepare
from tripletscope.schema import FILTER_SCALARS, SCALARS
from tripletscope.strategies import Strategy
from tripletscope.strategies.base import UNSAID
from tripletscope.testing import oracles
from tripletscope.training import record
from tripletscope.triplets import Triplets

CHOSEN = st.sampled_from(
    [
        {"topk-abs": 0.5},
        {"topk-abs": -0.2},
        {"margin-pos": 0.0},
        {"margin-pos": 0.4},
        {"perc-pos": 1.0},
        {"perc-pos": 0.6},
        {"perc-pos": 0.9, "topk-abs": 0.3},
    ]
)
COMPOSED = (
    "pair:all, negative:nearest, lower:positive, upper:margin, fallback:nearest",
    "pair:all, negative:farthest, upper:margin, fallback:random",
    "anchor:farthest, negative:random, upper:margin",
    "anchor:nearest, negative:farthest, lower:margin, fallback:farthest",
)
REFUSED = ("hard-aware", "msml", "quadruplet", "triplet-center")
FILTERABLE = [one for one in [*strategies.all(), *map(strategies.get, COMPOSED)] if not one.unfiltered]
# What these do with a pair hangs on more than its own anchor's negatives: each has a test of its own.
APART = ("anchor-swap", "n-pair", "lifted", "ohem")
NOISY = TrainConfig(data="digits", strategy="semi-hard", steps=4, model="linear", dim=8, label_noise=0.2, seed=3)


def allowed(batch: Batch, chosen: dict[str, float], a: int, p: int, n: int) -> bool:
    """The papers' rules in float64, on cosine similarities."""

    def similarity(other: int) -> float:
        d = float(batch.distances[a, other])
        return 1 - {"cosine": d, "euclidean": d * d / 2, "squared-euclidean": d / 2}[batch.distance]

    near = similarity(p)
    limits = {"topk-abs": lambda x: x, "margin-pos": lambda x: near - x, "perc-pos": lambda x: near * x}
    return all(similarity(n) <= limits[name](value) + 1e-9 for name, value in chosen.items())


def clear(batch: Batch, chosen: dict[str, float]) -> bool:
    """Whether no negative lies so close to its limit that rounding decides."""
    loose, strict = ({name: value + by for name, value in chosen.items()} for by in (1e-6, -1e-6))
    if "margin-pos" in chosen:
        loose, strict = ({name: value - by for name, value in chosen.items()} for by in (1e-6, -1e-6))
    triplets = oracles.batch_all(batch, 0.2)
    return all(allowed(batch, loose, *one) == allowed(batch, strict, *one) for one in triplets)


def candidates(batch: Batch, chosen: dict[str, float]) -> set[tuple[int, int, int]]:
    return {one for one in oracles.batch_all(batch, 0.2) if allowed(batch, chosen, *one)}


def without(batch: Batch, chosen: dict[str, float], a: int, p: int) -> tuple[Batch, list[int]]:
    """The batch in which the negatives are not there that this pair may not have; and its slots."""
    labels = batch.labels.tolist()
    kept = [n for n in range(batch.size) if labels[n] == labels[a] or allowed(batch, chosen, a, p, n)]
    points = batch.embeddings[kept]
    return Batch(batch.distances[kept][:, kept], batch.labels[kept], distance=batch.distance, embeddings=points), kept


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("one", [one for one in FILTERABLE if one.name not in APART], ids=lambda one: one.name)
@given(sorting=st.booleans(), batch=unit_batches(), margin=MARGINS, chosen=CHOSEN)
@settings(deadline=None, max_examples=20)
def test_picks_are_those_without_the_filtered(
    one: Strategy, sorting: bool, batch: Batch, margin: float, chosen: dict[str, float]
) -> None:
    assume(clear(batch, chosen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
        patch.setattr("tripletscope.batch.BLOCK", 40)
        seen = filtered(batch, chosen)
        picks = one.pick(seen, margin=margin, generator=chance())
        found = picks.to_set()
        assert found <= candidates(batch, chosen)
        assert len(found) == len(picks)
        expected: set[tuple[int, int, int]] = set()
        anchor, positive = batch.pairs
        chances = one.probabilities(seen, anchor, positive, margin=margin) if one.stochastic else None
        for row, (a, p) in enumerate(zip(anchor.tolist(), positive.tolist(), strict=True)):
            other, kept = without(batch, chosen, a, p)
            pair = torch.tensor([kept.index(a)]), torch.tensor([kept.index(p)])
            if chances is not None:
                wanted = torch.zeros(batch.size, dtype=chances.dtype)
                if other.size > len(batch.positive_mask[a].nonzero()) + 1:
                    wanted[kept] = one.probabilities(other, *pair, margin=margin)[0]
                torch.testing.assert_close(chances[row], wanted, atol=1e-5, rtol=1e-4)
                assert all(float(wanted[n]) > 0 for b, q, n in found if (b, q) == (a, p))
                continue
            slots = one.pick(other, margin=margin).to_set()
            expected |= {tuple(kept[s] for s in pick) for pick in slots if (kept[pick[0]], kept[pick[1]]) == (a, p)}
    if chances is None:
        assert found == expected
    elif one.granularity == "pair":
        assert len(found) == int((chances.sum(dim=1) > 0).sum())


@given(batch=unit_batches(), chosen=CHOSEN)
@settings(deadline=None, max_examples=60)
def test_what_hangs_on_more_than_one_anchor(batch: Batch, chosen: dict[str, float]) -> None:
    assume(clear(batch, chosen))
    seen, left = filtered(batch, chosen), candidates(batch, chosen)
    d, slots = batch.distances.double(), oracles.Slots(batch)

    def near(a: int, p: int) -> tuple[float, int]:
        return min([(float(d[a, n]), n) for b, q, n in left if (b, q) == (a, p)], default=(np.inf, -1))

    swapped = set()
    for a, p in slots.pairs():
        (mine, n), (other, _) = near(a, p), near(p, a)
        if mine < np.inf and (mine < other or (mine == other and a < p)):
            swapped.add((a, p, n))
    assert strategies.get("anchor-swap").pick(seen, margin=0.2).to_set() == swapped

    assert strategies.get("n-pair").pick(seen, margin=0.2).to_set() == oracles.n_pair(batch, 0.2) & left

    gap = {(a, p, n): float(batch.distances[a, n] - batch.distances[a, p]) for a, p, n in left}
    hardest = set(sorted(left, key=lambda one: (gap[one], one))[:5])
    assert strategies.get("ohem").pick(seen, margin=0.2, k=5.0).to_set() == hardest

    picks = strategies.get("lifted").pick(seen, margin=0.2)
    assert picks.to_set() == left
    if not left:
        return
    for a, p, n, weight in zip(
        *(part.tolist() for part in (picks.anchor, picks.positive, picks.negative, picks.weight)),
        strict=True,
    ):
        ends = [float(d[b, m]) for b, q, m in left if (b, q) in ((a, p), (p, a))]
        assert weight == pytest.approx(np.exp(-float(d[a, n])) / np.exp(-np.array(ends)).sum(), rel=1e-4)


@given(batch=unit_batches(), chosen=CHOSEN)
@settings(deadline=None, max_examples=60)
def test_candidates_and_counts_are_those_of_the_loops(batch: Batch, chosen: dict[str, float]) -> None:
    assume(clear(batch, chosen))
    seen, left = filtered(batch, chosen), candidates(batch, chosen)
    anchor, positive = batch.pairs
    mask, far = seen.candidate_mask(anchor, positive), seen.candidate_distances(anchor, positive)
    everything = oracles.batch_all(batch, 0.2)
    for row, (a, p) in enumerate(zip(anchor.tolist(), positive.tolist(), strict=True)):
        mine = {n for b, q, n in left if (b, q) == (a, p)}
        assert set(mask[row].nonzero()[:, 0].tolist()) == mine == set((far[row] < torch.inf).nonzero()[:, 0].tolist())
        assert int(seen.below_floor[row]) == len([1 for b, q, _ in everything if (b, q) == (a, p)]) - len(mine)
    assert batch.floors is None, "the batch itself stays as it is"
    assert int(batch.below_floor.sum()) == 0
    assert filtered(batch, {}) is batch


def test_a_negative_at_the_very_limit_stays() -> None:
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])
    batch = Batch.from_embeddings(points, torch.tensor([0, 0, 1, 1]), "cosine")
    limit = 1 - float(batch.distances[0, 2])  # s(a, n), as the batch has it
    picks = strategies.get("hardest").pick(filtered(batch, {"topk-abs": limit}), margin=0.2)
    assert (0, 1, 2) in picks.to_set(), "slot 3 is nearer and filtered, slot 2 lies on the limit"


def test_a_pair_without_candidates_abstains_and_is_counted() -> None:
    points = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [1.0, 0.1], [-1.0, 0.1]]), dim=1)
    batch = Batch.from_embeddings(points, torch.tensor([0, 0, 1, 1]), "cosine")
    seen, hardest = filtered(batch, {"topk-abs": 0.5}), strategies.get("hardest")
    picks = hardest.pick(seen, margin=0.2)
    assert picks.to_set() == {(0, 1, 3), (1, 0, 3), (3, 2, 1)}
    assert (2, 3) not in {(a, p) for a, p, _ in picks.to_set()}, "slot 2 lies among the other class"
    assert hardest.abstained(batch, picks) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_who_cannot_be_filtered_says_why(name: str) -> None:
    one = strategies.get(name)
    batch = Batch.from_embeddings(torch.eye(6), torch.arange(6) // 2)
    seen = filtered(batch, {"perc-pos": 0.9})
    with pytest.raises(SettingError, match="cannot be filtered, for it"):
        one.pick(seen, margin=0.2)
    with pytest.raises(SettingError, match="cannot be filtered"):
        list(one.stream(seen, margin=0.2))
    with pytest.raises(SettingError, match=f"--filter has no meaning for '{name}': it"):
        prepare(replace(NOISY, strategy=name, filter={"perc-pos": 0.95}), datasets.load("digits"))


def test_a_strategy_of_somebody_else_is_refused_until_it_says_that_it_can() -> None:
    assert {one.name for one in strategies.all() if one.unfiltered} == set(REFUSED)

    def first(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
        return Triplets.empty()

    theirs = replace(strategies.get("msml"), name="theirs", function=first, unfiltered=UNSAID)
    seen = filtered(Batch.from_embeddings(torch.eye(4), torch.arange(4) // 2), {"perc-pos": 0.9})
    with pytest.raises(SettingError, match="does not say what it picks where some negatives of a pair are left out"):
        theirs.pick(seen, margin=0.2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"filter": {"perc-pos": 1.5}}, "--filter: The share of the filter 'perc-pos' is 1.5; it must lie between 0"),
        ({"filter": {"topk-abs": float("nan")}}, "--filter: The limit"),
        ({"normalize": False, "filter": {"perc-pos": 0.95}}, "--filter compares cosine similarities.*--no-normalize"),
        ({"strategy": "triplet-center", "filter": {"perc-pos": 0.95}}, "learns from centres"),
        (
            {"strategy": "batch-all", "filter": {"perc-pos": 0.95}, "classes_per_batch": 10, "samples_per_class": 80},
            "--filter with 'batch-all' has to list",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused_before_the_run(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        prepare(replace(NOISY, **changes), datasets.load("digits"))


def test_cosine_distances_need_no_unit_vectors() -> None:
    prepare(replace(NOISY, normalize=False, distance="cosine", filter={"perc-pos": 0.95}), datasets.load("digits"))


def test_the_setting_reads_as_it_is_written() -> None:
    config = TrainConfig.from_dict({"filter": ["perc-pos", "topk-abs=0.8"]})
    assert config.filter == {"perc-pos": 0.95, "topk-abs": 0.8}, "a filter without a number has that of its paper"
    assert TrainConfig.from_dict({"filter": "perc-pos"}).filter == {"perc-pos": 0.95}
    assert TrainConfig.from_dict({"filter": {"margin-pos": 0.1}}).filter == {"margin-pos": 0.1}
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert as_arguments(config) == ["--filter=perc-pos=0.95", "--filter=topk-abs=0.8"]
    assert differences(config, TrainConfig()) == ["filter perc-pos=0.95,topk-abs=0.8, not none"]
    old = {name: value for name, value in TrainConfig().to_dict().items() if name != "filter"}
    assert TrainConfig.from_dict(old) == TrainConfig(), "a run that knew no filters"
    with pytest.raises(UnknownNameError, match="perc-pos"):
        TrainConfig.from_dict({"filter": "perc-poss=0.9"})
    with pytest.raises(SettingError, match="a name or name=number"):
        TrainConfig.from_dict({"filter": "perc-pos=much"})


@pytest.mark.parametrize("strategy", ["batch-hard", "batch-all", "multi-similarity"])
def test_a_run_records_what_was_filtered(tmp_path: Path, strategy: str) -> None:
    config = replace(NOISY, strategy=strategy, shadow=("hardest",), filter={"perc-pos": 0.9})
    record(config, datasets.load("digits"), tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.filters == run.config["train"]["filter"] == {"perc-pos": 0.9}
    line = run.lines[0]
    assert [name for name in line if name in SCALARS] == [name for name in SCALARS if name in line], "in their order"
    points, (rows, labels) = run.batch_embeddings(0), run.batch(0)
    batch = Batch.from_embeddings(torch.from_numpy(points), torch.from_numpy(labels), run.distance)
    left, everything = candidates(batch, run.filters), oracles.batch_all(batch, run.margin)
    truth = run.true_labels[rows]
    assert line["filtered"] == len(everything - left) > 0
    assert line["filtered_false_negatives"] == sum(truth[a] == truth[n] for a, _, n in everything - left) > 0
    pairs = {(a, p) for a, p, _ in everything}
    assert line["filtered_pairs"] == len(pairs - {(a, p) for a, p, _ in left})
    slot = {int(row): place for place, row in enumerate(rows)}
    ids = {sample: row for row, sample in enumerate(run.samples.ids)}
    table = run.picks(step=0, strategy=strategy)
    picks = {tuple(slot[ids[each]] for each in row) for row in table[["anchor", "positive", "negative"]].to_numpy()}
    assert picks, "there is something to look at"
    assert picks <= left
    assert line["mined"] == len(picks)
    if strategy == "batch-all":
        assert picks == left
        assert line["abstained"] == line["filtered_pairs"]
    assert line["shadows"]["hardest"]["mined"] == len(pairs), "a shadow chooses among all negatives"


def test_a_run_without_a_filter_says_nothing_of_one(tmp_path: Path) -> None:
    record(NOISY, datasets.load("digits"), tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert not set(FILTER_SCALARS) & {name for line in run.lines for name in line}
    assert run.filters == {}


def test_a_filter_that_filters_nothing_changes_nothing(tmp_path: Path) -> None:
    for name, chosen in (("plain", {}), ("open", {"topk-abs": 1.0})):
        for strategy in ("semi-hard", "batch-all"):
            config = replace(NOISY, strategy=strategy, filter=chosen)
            record(config, datasets.load("digits"), tmp_path / f"{name}-{strategy}")
    for strategy in ("semi-hard", "batch-all"):
        plain, opened = (Run.open(tmp_path / f"{name}-{strategy}") for name in ("plain", "open"))
        for one, other in zip(plain.lines, opened.lines, strict=True):
            for key in ("mined", "abstained", "violating", "mined_false_negatives"):
                assert one.get(key) == other.get(key)
            assert other.get("filtered", 0) == 0
            assert other.get("loss") == (None if one["loss"] is None else pytest.approx(one["loss"], rel=1e-4))


def test_a_run_goes_on_with_the_same_filter_only(tmp_path: Path) -> None:
    data, config = datasets.load("digits"), replace(NOISY, steps=5, filter={"perc-pos": 0.95}, checkpoint_every=0.0)
    record(config, data, tmp_path / "whole")
    record(replace(config, steps=3), data, tmp_path / "cut")
    with pytest.raises(RunError, match=r"filter perc-pos=0.95, not none"):
        record(replace(config, filter={}), data, tmp_path / "cut", resume=True)
    record(config, data, tmp_path / "cut", resume=True)
    whole, cut = (Run.open(tmp_path / name).scalars for name in ("whole", "cut"))
    assert whole["filtered"].dropna().tolist() == cut["filtered"].dropna().tolist()
    assert whole["loss"].dropna().tolist() == cut["loss"].dropna().tolist()


def test_the_command_takes_and_refuses_filters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual = ["train", "--data", "toy2d:classes=4,points=12", "--steps", "2", "--classes-per-batch", "4", "--quiet"]
    assert main([*usual, "--filter", "perc-pos", "--filter", "topk-abs=0.9", "--out", str(tmp_path / "run")]) == 0
    assert Run.open(tmp_path / "run").filters == {"perc-pos": 0.95, "topk-abs": 0.9}
    for wrong, said in (
        (["--filter", "perk-pos"], "perc-pos"),
        (["--filter", "perc-pos=x"], "a name or name=number"),
        (["--filter", "perc-pos=2"], "between 0 and 1"),
        (["--filter", "perc-pos", "--no-normalize"], "--no-normalize"),
        (["--filter", "perc-pos", "--strategy", "msml"], "'msml'"),
    ):
        capsys.readouterr()
        assert main([*usual, *wrong, "--out", str(tmp_path / "none")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "none").exists()


def test_a_loop_of_ones_own_can_say_what_it_filtered(tmp_path: Path) -> None:
    points, labels = np.eye(4, 3, dtype=np.float32), np.array([0, 0, 1, 1])
    with Recorder(tmp_path / "run", margin=0.5) as recorder:
        given = ([0], [1], [2])
        line = recorder.step(points, labels, ids=[1, 2, 3, 4], triplets=given, floors=np.full(4, 1.2, np.float32))
        assert (line["filtered"], line["filtered_pairs"]) == (4, 1), "slot 3 is at 1 from all others"
        with pytest.raises(DataError, match="one number for each of the 4 pairs"):
            recorder.step(points, labels, ids=[1, 2, 3, 4], triplets=given, floors=np.zeros(3))


def test_the_ruler_of_a_filtered_run_shows_what_it_could_pick(tmp_path: Path) -> None:
    config = replace(NOISY, strategy="hardest", shadow=("easy",), filter={"perc-pos": 0.8})
    record(config, datasets.load("digits"), tmp_path / "run")
    run = Run.open(tmp_path / "run")
    answer = anchor_answer(run, 0)
    back = unpack_answer(pack_answer(answer), run)
    assert back["filtered"] == answer["filtered"] == "hardest"
    assert np.array_equal(back["floors"], answer["floors"])
    d, places = answer["distances"], {c: at for at, c in enumerate(answer["candidates"])}
    checked = 0
    for f in range(len(answer["frames"])):
        for place, positive in enumerate(answer["positives"]):
            floor = filters.floors(run.filters, d[f, [places[positive]]], run.distance)[0]
            far = d[f, [places[n] for n in answer["negatives"]]]
            assert answer["floors"][f, place] == floor
            pick = int(answer["picks"]["hardest"][f, place])
            if not (far >= floor).any():
                assert pick == -1
                continue
            assert pick == np.where(far >= floor, far, np.inf).argmin()
            checked += int(far.argmin() != pick)
    assert checked, "somewhere the nearest was filtered"
    assert (answer["picks"]["batch-hard"][:, 0] >= 0).all(), "who did not train sees all negatives"


def test_a_filter_of_a_package_that_is_gone_takes_nothing_else_with_it(tmp_path: Path) -> None:
    record(replace(NOISY, filter={"perc-pos": 0.9}), datasets.load("digits"), tmp_path / "run")
    place = tmp_path / "run" / "config.json"
    place.write_text(place.read_text(encoding="utf-8").replace("perc-pos", "theirs"), encoding="utf-8")
    run = Run.open(tmp_path / "run")
    answer = anchor_answer(run, 0)
    assert "theirs" in answer["not_applicable"]["semi-hard"]
    assert "batch-hard" in answer["picks"]
    assert answer["filtered"] is None


def test_runs_that_differ_in_their_filter_are_told_apart(tmp_path: Path) -> None:
    runs = []
    for name, chosen in (("none", {}), ("perc", {"perc-pos": 0.9}), ("both", {"perc-pos": 0.9, "topk-abs": 0.7})):
        record(replace(NOISY, steps=1, filter=chosen), datasets.load("digits"), tmp_path / name)
        runs.append(Run.open(tmp_path / name))
    assert [group.title for group in grouped(runs)] == [
        "Semi-hard, no filter",
        "Semi-hard, filter perc-pos 0.9",
        "Semi-hard, filter perc-pos 0.9 and topk-abs 0.7",
    ]
    groups = grouped(runs)
    note = ranking(runs, groups).note
    assert "Filtered by perc-pos 0.9: Semi-hard, filter perc-pos 0.9." in note
    assert "Filtered by perc-pos 0.9 and topk-abs 0.7: Semi-hard" in note
    assert "All were filtered by perc-pos 0.9." in ranking(runs[1:2], grouped(runs[1:2])).note
    assert "iltered" not in ranking(runs[:1], grouped(runs[:1])).note
