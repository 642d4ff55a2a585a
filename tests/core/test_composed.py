"""Composed strategies: what can be written, what is refused, and that each picks what its axes say."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, grid_batches

from tripletscope import Recorder, Run, strategies
from tripletscope.batch import Batch
from tripletscope.cli import main
from tripletscope.composition import AXES, WORDS, CompositionError, canonical, composer, parse, split_names
from tripletscope.config import TrainConfig
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.testing import check_strategy, example_batches, oracles
from tripletscope.triplets import zone_triplets

TFA = "pair:all, negative:nearest, lower:positive, fallback:farthest"


def every_composition() -> list[str]:
    """All that the axes allow."""
    positives = ["pair:all", *(f"anchor:{value}" for value in AXES["anchor"])]
    rest = [[f"{axis}:{value}" for value in AXES[axis]] for axis in ("negative", "lower", "upper", "fallback")]
    made = []
    for parts in itertools.product(positives, *rest):
        text = ", ".join(part for part in parts if not part.endswith(":none"))
        try:
            made.append(parse(text).text)
        except SettingError:
            continue
    return made


EVERY = every_composition()


def test_how_many_there_are() -> None:
    # 4 ways to take positives x 4 negatives x (1 without bounds + 5 bands x 4 fallbacks)
    assert len(EVERY) == len(set(EVERY)) == 4 * 4 * 21


@pytest.mark.parametrize("sorting", [False, True])
@given(data=st.data(), batch=grid_batches(), margin=MARGINS)
@settings(deadline=None, max_examples=150)
def test_picks_are_those_of_the_loops(sorting: bool, data: st.DataObject, batch: Batch, margin: float) -> None:
    text = data.draw(st.sampled_from(EVERY))
    made, one = parse(text), strategies.get(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "prefers_sorting", property(lambda batch: sorting))
        patch.setattr("tripletscope.batch.BLOCK", 40)
        expected = oracles.composed_chances(batch, margin, made.choices)
        found = one.pick(batch, margin=margin, generator=torch.Generator().manual_seed(0)).to_set()
        if not made.draws:
            assert found == set(expected)
            return
        assert found <= set(expected)
        units = {pick[: 2 if made.positive == "all" else 1] for pick in expected}
        if (
            made.positive != "random" and made.negative != "all"
        ):  # a positive that is drawn may be one without a negative in the band
            assert len(found) == len(units)
        anchor, positive = batch.pairs
        chance = one.probabilities(batch, anchor, positive, margin=margin).double()
    of_pair = Counter()
    for (a, p, _), likely in expected.items():
        of_pair[a, p] += likely
    for row, (a, p) in enumerate(zip(anchor.tolist(), positive.tolist(), strict=True)):
        if made.positive in ("all", "random"):
            wanted = [expected.get((a, p, n), 0.0) / (of_pair[a, p] or 1) for n in range(batch.size)]
            torch.testing.assert_close(chance[row], torch.tensor(wanted, dtype=torch.float64), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        TFA,
        "pair:all, negative:farthest, upper:margin",
        "pair:all, negative:random, lower:margin, fallback:nearest",
        "anchor:random, negative:random, lower:positive, upper:margin, fallback:random",
        "anchor:farthest, negative:farthest, upper:positive",
        "pair:all, negative:all, lower:positive, upper:margin",
        "pair:all, negative:all, upper:positive, fallback:random",
        "anchor:random, negative:all, upper:margin, fallback:farthest",
    ],
)
def test_a_composition_keeps_the_contract(text: str) -> None:
    check_strategy(strategies.get(text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hardest", "pair:all, negative:nearest"),
        ("semi-hard", "pair:all, negative:nearest, lower:positive, upper:margin"),
        ("batch-hard", "anchor:farthest, negative:nearest"),
        ("easy-positive", "anchor:nearest, negative:nearest"),
    ],
)
def test_some_have_a_name_already(name: str, text: str) -> None:
    for batch in example_batches().values():
        named, composed = (strategies.get(one).pick(batch, margin=0.2) for one in (name, text))
        assert named.to_set() == composed.to_set()


@pytest.mark.parametrize(
    ("zone", "bounds"),
    [("hard", "upper:positive"), ("semi-hard", "lower:positive, upper:margin"), ("easy", "lower:margin")],
)
def test_all_negatives_of_a_band_are_a_zone(zone: str, bounds: str) -> None:
    one = strategies.get(f"pair:all, negative:all, {bounds}")
    assert (one.granularity, one.zones, one.listed) == ("many", (zone,), False)
    for batch in example_batches().values():
        assert one.pick(batch, margin=0.2).to_set() == zone_triplets(batch, 0.2, zone).to_set()
    everything = strategies.get("pair:all, negative:all")
    assert everything.pick(batch, margin=0.2).to_set() == strategies.get("batch-all").pick(batch, margin=0.2).to_set()


def test_all_negatives_train_and_are_counted(tmp_path: Path) -> None:
    out, text = tmp_path / "run", "pair:all, negative:all, lower:positive, upper:margin"
    told = ["train", "--data", "digits", "--steps", "3", "--out", str(out), "--quiet"]
    assert main([*told, "--strategy", text, "--shadow", "random"]) == 0
    run = Run.open(out)
    assert run.training == canonical(text)
    for line in run.lines[:3]:
        assert line["mined"] == line["mined_semi_hard"] == line["semi_hard"] > 0, "all that there are"
    assert len(run.picks(step=0, strategy=text)) == run.lines[0]["mined"]
    from tripletscope.analysis.counterfactual import anchor_answer

    assert "several negatives" in anchor_answer(run, 0)["not_applicable"][canonical(text)]


def test_a_random_positive_is_drawn_evenly() -> None:
    batch = Batch(1 - torch.eye(12), torch.arange(12) % 2)
    one, chance, seen = strategies.get("anchor:random, negative:random"), torch.Generator().manual_seed(0), Counter()
    for _ in range(600):
        picks = one.pick(batch, margin=0.2, generator=chance)
        seen.update(zip(picks.anchor.tolist(), picks.positive.tolist(), strict=True))
    assert len(seen) == 12 * 5
    assert 80 < min(seen.values()) <= max(seen.values()) < 165  # 120 each, sqrt(96) apart


def test_one_composition_has_one_name() -> None:
    name = "pair-all-negative-nearest-lower-positive-fallback-farthest"
    for written in (TFA, " fallback: Farthest,lower:positive ,negative:nearest, pair:all", f"{TFA}, upper:none", name):
        assert canonical(written) == name
        assert strategies.get(written).name == name
    assert strategies.get(TFA) is strategies.get(name)
    assert name not in strategies.names()
    assert strategies.get(TFA).describe()["title"] == TFA
    assert strategies.get(TFA).zones == ("hard", "semi-hard", "easy")
    for text in EVERY:
        assert parse(parse(text).name) == parse(text)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("pair:nearest, negative:nearest", "axis pair is 'nearest', but it can be all only; .*anchor:nearest"),
        ("anchor:all, negative:nearest", "axis anchor is 'all', but .*nearest, farthest or random; .*pair:all"),
        ("pair:all, anchor:nearest, negative:nearest", "both pair and anchor are given; write pair:all, anchor:"),
        ("negative:nearest", "neither pair nor anchor is given; write pair:all"),
        ("pair:all", "axis negative is missing; it can be nearest, farthest, random or all"),
        ("pair:all, negative:hardest", "axis negative is 'hardest', but it can be nearest, farthest, random or all"),
        ("pair:all, negativ:nearest", "no axis 'negativ'. Did you mean 'negative'"),
        ("pair:all, negative:nearest, negative:random", "axis negative is given twice"),
        ("pair:all, negative:nearest, lower:margin, upper:margin", "axis upper is 'margin'.*it can be none"),
        ("pair:all, negative:nearest, lower:positive, upper:positive", "with that lower it can be none or margin"),
        ("pair:all, negative:nearest, fallback:farthest", "axis fallback is never asked.*leave it out, or add lower"),
        ("pair:all, negative:nearest, margin", "'margin' is no axis:value"),
    ],
)
def test_nonsense_names_the_axis_at_fault(written: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        strategies.get(written)
    with pytest.raises(SettingError, match=said):
        TrainConfig(strategy=written)


def test_a_misspelt_name_is_no_composition() -> None:
    with pytest.raises(UnknownNameError, match="no strategy called 'pair-all-nearest'"):
        strategies.get("pair-all-nearest")


def test_a_list_of_names_keeps_the_commas_of_a_composition() -> None:
    assert split_names(f"random,{TFA}, hardest") == ["random", TFA, "hardest"]
    assert split_names("all") == ["all"]
    assert split_names("random,, hardest ,") == ["random", "hardest"]


def test_it_trains_watches_and_is_exported(tmp_path: Path) -> None:
    out, semi = tmp_path / "run", "anchor:nearest, negative:nearest, lower:positive"
    told = ["train", "--data", "digits", "--steps", "3", "--dim", "2", "--out", str(out), "--quiet"]
    assert main([*told, "--strategy", TFA, "--shadow", f"random, {semi}, hardest"]) == 0
    run = Run.open(out)
    assert run.strategies == [canonical(TFA), "random", canonical(semi), "hardest"]
    assert len(run.picks(strategy=TFA)) == 3 * 96
    assert len(run.picks(strategy=semi)) <= 3 * 32
    table = tmp_path / "picks.csv"
    assert main(["export", str(out), "--what", "picks", "--strategy", semi, "--out", str(table)]) == 0
    assert canonical(semi) in table.read_text()
    again = json.loads((out / "config.json").read_text())["train"]
    assert TrainConfig.from_dict(again).strategy == canonical(TFA)
    assert TrainConfig.from_dict(again).shadow == ("random", canonical(semi), "hardest")


def test_the_ruler_asks_the_compositions_of_a_run(tmp_path: Path) -> None:
    from tripletscope.analysis.counterfactual import anchor_answer

    out = tmp_path / "run"
    assert main(["train", "--data", "digits", "--steps", "2", "--out", str(out), "--quiet", "--strategy", TFA]) == 0
    answer = anchor_answer(Run.open(out), 0)
    assert list(answer["picks"])[-1] == canonical(TFA)
    assert answer["fallback"][canonical(TFA)] == "the farthest negative"
    assert (answer["picks"][canonical(TFA)] >= 0).all()


def test_the_recorder_takes_a_composition(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=0.2, strategies=[TFA]) as recorder:
        recorder.step(torch.randn(8, 3), torch.arange(8) % 2, ids=list(range(8)))
    assert Run.open(tmp_path / "run").strategies == ["own", canonical(TFA)]


def test_what_a_person_reads_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    wrong = "pair:all, negative:nearest, upper:positive, lower:margin"
    assert main(["train", "--data", "digits", "--strategy", wrong, "--out", str(out)]) == 2
    assert not out.exists()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the axis upper is 'positive'" in said


def test_a_page_composes_what_the_engine_reads():
    """All 432 choices: the pieces make the sentence, the same ones are refused, at an axis and with its reason."""
    told = composer()
    values = [[value for value, _ in axis["values"]] for axis in told["axes"]]
    assert [axis["name"] for axis in told["axes"]] == list(WORDS)
    assert values[1] == ["nearest", "farthest", "random"], "a lane shows one pick, so all negatives are no lane"
    assert values[2:] == [list(AXES[name]) for name in ("lower", "upper", "fallback")]
    refused, titles = 0, set()
    for positive, negative, lower, upper, fallback in itertools.product(*values):
        choices = {"pair" if positive == "all" else "anchor": positive, "negative": negative}
        choices |= {"lower": lower, "upper": upper, "fallback": fallback}
        text = ", ".join(f"{axis}:{value}" for axis, value in choices.items())
        why = told["refused"].get(f"{lower}/{upper}/{fallback}")
        if why is not None:
            refused += 1
            with pytest.raises(CompositionError) as error:
                parse(text)
            assert why[0] == error.value.axis in ("lower", "upper", "fallback")
            assert why[1].lower().rstrip(".") == error.value.reason.lower()
            continue
        made = parse(text)
        parts, band = told["parts"], "band" if made.bounded else "any"
        sentence = parts["positive"][positive] + parts["negative"][negative] + parts["band"][f"{lower}/{upper}"]
        assert sentence + parts["fallback"][f"{band}/{fallback}"] == made.summary
        titles.add(made.title)
    assert 0 < refused < 432
    assert len(titles) == 432 - refused, "no two have one title"
