"""Which lanes a race has and in which order, and what a link may say of them."""

from __future__ import annotations

from typing import Any

import pytest

from tripletscope import Run, strategies
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.composition import parse
from tripletscope.config import TrainConfig, as_arguments
from tripletscope.datasets import sample_data_dir
from tripletscope_app import state, widgets
from tripletscope_app.lanes import FIRST, GROUPS, MOST_COMPOSED, company, compositions, tuned

RACE = ("random", "semi-hard", "batch-hard")
MINE = "anchor-nearest-negative-random-lower-positive"


def cards() -> list[dict[str, Any]]:
    return [record.describe() for record in strategies.all()]


def named(lanes: list[dict[str, Any]], group: str) -> list[str]:
    return [lane["name"] for lane in lanes if lane["group"] == group]


def test_those_that_train_lead_and_every_strategy_stands_in_one_group() -> None:
    lanes = company(cards(), trained=RACE, recorded=RACE)
    assert tuple(lane["name"] for lane in lanes[:3]) == RACE, "in the order of the race"
    assert sorted(lane["name"] for lane in lanes) == sorted(strategies.names())
    places = [list(GROUPS).index(lane["group"]) for lane in lanes]
    assert places == sorted(places), "each group in one piece"
    assert [lane["place"] for lane in lanes] == list(range(len(lanes)))
    for record in strategies.all():
        (lane,) = [lane for lane in lanes if lane["name"] == record.name]
        if record.name in RACE:
            assert lane["group"] == "trained"
        elif record.granularity in ("many", "all"):
            assert lane["group"] == "several"
        else:
            assert lane["group"] == ("lot" if record.stochastic else record.granularity)


def test_a_lane_names_a_loss_of_its_own_and_is_silent_about_the_triplet_loss() -> None:
    lanes = {lane["name"]: lane for lane in company(cards(), trained=RACE)}
    assert {name: lane["loss"] for name, lane in lanes.items() if "loss" in lane} == {
        record.name: record.title for record in strategies.all() if record.loss != "triplet"
    }


def test_it_opens_on_the_first_and_on_what_somebody_brought_along() -> None:
    brought = {**strategies.get("ohem").describe(), "name": "their-own", "order": 900, "outside": True}
    lanes = company([*cards(), brought], trained=RACE, recorded=["random", "curriculum"], composed=[MINE])
    shown = [lane["name"] for lane in lanes if not lane.get("later")]
    assert set(shown) == {*strategies.names()[:FIRST], "curriculum", "their-own", MINE}
    assert named(lanes, "composed") == [MINE]


def test_a_composition_has_its_card_without_torch() -> None:
    (lane,) = [lane for lane in company(cards(), trained=RACE, composed=[MINE]) if lane["name"] == MINE]
    engine = strategies.get(MINE).describe()
    for key in ("summary", "order", "stochastic", "granularity", "choice"):
        assert lane[key] == engine[key], key
    assert lane["composed"] == engine["title"] == parse(MINE).text
    # One that trained stands among those that train, under its short name.
    first = company([*cards(), engine], trained=[MINE], composed=[MINE])[0]
    assert (first["name"], first["group"], first["title"]) == (MINE, "trained", parse(MINE).title)
    assert "composed" not in first, "what trained cannot be taken away"


def test_only_compositions_that_make_sense_are_taken_and_not_too_many() -> None:
    many = [f"anchor:{p}, negative:{n}" for p in ("nearest", "farthest", "random") for n in ("nearest", "farthest")]
    assert len(compositions(many)) == MOST_COMPOSED
    assert compositions(
        ["pair:all, negative:nearest, fallback:random", "batch-hard", None, "pair-all-negative-nearest"]
    ) == ("pair-all-negative-nearest",)
    assert compositions(["pair:all, negative:nearest", "negative:nearest, pair:all"]) == ("pair-all-negative-nearest",)


@pytest.mark.parametrize("text", ["top-n:n", "top-n:n:1:2", "top-n:n:one", "top-n:n:1e999", "<b>:n:1", "", ":::"])
def test_parameters_that_make_no_sense_are_no_parameters(text: str) -> None:
    assert state.TUNED.read(text) is None


def test_a_link_reads_what_it_wrote() -> None:
    tried = (("top-n", "n", 3.0), ("curriculum", "hardness", 0.25))
    assert state.TUNED.read(state.TUNED.write(tried)) == tried == tuned(tried)
    longest = "anchor-farthest-negative-farthest-lower-positive-upper-margin-fallback-farthest"
    for control, value in ((state.COMPOSED, (longest, MINE)), (state.LANES, ("all",)), (state.LANES, (longest,))):
        assert control.read(control.write(value)) == value
    assert state.LANE.read(longest) == longest


@pytest.fixture(scope="module")
def shipped() -> Run:
    return Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")


def test_a_composed_strategy_answers_like_any_other(shipped: Run) -> None:
    plain, more = anchor_answer(shipped, 47), anchor_answer(shipped, 47, more=["pair-all-negative-nearest", MINE])
    assert set(more["picks"]) - set(plain["picks"]) == {"pair-all-negative-nearest", MINE}
    assert (more["picks"]["pair-all-negative-nearest"] == plain["picks"]["hardest"]).all(), "the same by another name"
    assert (more["picks"]["random"] == plain["picks"]["random"]).all(), "nobody else's draw moved"
    assert MINE in more["own_positive"]


def test_tried_parameters_reach_the_strategy_and_a_bad_one_is_told(shipped: Run) -> None:
    first = anchor_answer(shipped, 47, params={"top-n": {"n": 1.0}})
    assert (first["picks"]["top-n"] == first["picks"]["hardest"]).all(), "the nearest of one is the nearest"
    assert not (anchor_answer(shipped, 47)["picks"]["top-n"] == first["picks"]["top-n"]).all()
    bad = anchor_answer(shipped, 47, params={"top-n": {"n": -1.0}})
    assert "must be whole" in bad["not_applicable"]["top-n"]
    assert set(bad["picks"]) == set(first["picks"]) - {"top-n"}


def test_the_command_trains_the_composition_as_the_run_was_trained(shipped: Run) -> None:
    import shlex

    from tripletscope.cli import build_parser

    template = widgets._command(shipped)
    assert template is not None
    text = parse(MINE).text
    words = shlex.split(template.replace("{strategy}", text).replace("{name}", MINE))
    assert words[:2] == ["tripletscope", "train"]
    assert words[words.index("--strategy") + 1] == text
    plain = TrainConfig.from_dict(shipped.config["train"])
    for option in as_arguments(plain):
        assert option.startswith(("--strategy", "--shadow", "--param")) or option in words, option
    build_parser().parse_args(words[1:])
