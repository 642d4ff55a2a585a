"""Every rule fires in a training in which its fault happens, at about that step, and stays quiet where it does not.

The trainings are real ones. On another processor they round differently, so steps are held to a window.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.core import recipes

from tripletscope import Run
from tripletscope.datasets import sample_data_dir
from tripletscope.doctor import RULES, Examination, Finding, examination


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Examination]:
    @cache
    def of(name: str) -> Examination:
        if name.startswith("races/"):
            return examination(Run.open(sample_data_dir() / name))
        folder = tmp_path_factory.mktemp("recipe") / re.sub(r"\W+", "-", name)
        return examination(recipes.TRAININGS[name](folder))

    return of


def findings(examined: Examination, rule: str) -> list[Finding]:
    return [one for one in examined.findings if one.rule == rule]


#: rule, training, window of the first step, whether it is over before the end, severity, a word of its title
FIRES = [
    ("loss-at-margin", "digits, batch-hard, d²", (2, 25), False, "problem", "margin"),
    ("loss-at-margin", "digits, batch-hard, soft margin", (0, 40), False, "problem", "ln 2"),
    ("loss-at-margin", "nuisance, batch-hard", (25, 65), True, "warning", "margin"),
    ("loss-at-margin", "races/digits-2d/batch-hard", (24, 24), False, "problem", "margin"),
    ("collapse", "digits, batch-hard, d²", (1, 12), False, "problem", "Collapse"),
    ("collapse", "wrong labels, batch-hard", (35, 75), False, "problem", "Collapse"),
    ("collapse", "nuisance, batch-hard", (15, 45), True, "warning", "recovered"),
    ("collapse", "digits, random, learning rate 1e-9", (50, 50), False, "warning", "Small from the start"),
    ("collapse", "races/digits-2d/batch-hard", (18, 18), False, "problem", "Collapse"),
    ("scale-explosion", "strong nuisance, semi-hard, free scale", (5, 40), False, "problem", "scale"),
    ("nothing-to-mine", "separated, semi-hard", (15, 45), False, "note", "margin is met"),
    ("nothing-to-mine", "strong nuisance, semi-hard, free scale", (25, 90), False, "problem", "band is empty"),
    ("nothing-to-mine", "separated but for twins, random", (15, 45), None, "warning", "miss"),
    ("turnover", "digits, random", (1, 70), None, "note", "turnover"),
    ("turnover", "races/digits-2d/semi-hard", (1, 1), None, "note", "turnover"),
]

#: rule, training, what becomes of it
QUIET = [
    ("loss-at-margin", "digits, random", "quiet"),
    ("loss-at-margin", "digits, random, soft margin", "quiet"),
    ("loss-at-margin", "wrong labels, semi-hard", "quiet"),
    ("collapse", "digits, random", "quiet"),
    ("collapse", "wrong labels, semi-hard", "quiet"),
    ("collapse", "strong nuisance, semi-hard, free scale", "quiet"),
    ("scale-explosion", "strong nuisance, semi-hard, unit sphere", "embeddings of length 1 have a fixed scale"),
    ("scale-explosion", "strong nuisance, random, free scale", "quiet"),
    ("scale-explosion", "digits, random", "quiet"),
    ("nothing-to-mine", "separated but for twins, semi-hard", "quiet"),
    ("nothing-to-mine", "digits, random", "quiet"),
    ("nothing-to-mine", "digits, batch-hard, d²", "quiet"),
    ("turnover", "digits, random, learning rate 1e-9", "quiet"),
    *(
        (rule, f"races/{race}/{strategy}", "quiet")
        for race, strategies in (
            ("digits-2d", ("random", "semi-hard")),
            ("digits-2d-standardized", ("random", "semi-hard", "batch-hard")),
        )
        for strategy in strategies
        for rule in ("loss-at-margin", "collapse", "scale-explosion", "nothing-to-mine")
    ),
]


@pytest.mark.parametrize(("rule", "training", "window", "over", "severity", "title"), FIRES)
def test_a_rule_fires_where_its_fault_happens(
    examined: Callable[[str], Examination],
    rule: str,
    training: str,
    window: tuple[int, int],
    over: bool | None,
    severity: str,
    title: str,
) -> None:
    (found,) = findings(examined(training), rule)
    assert window[0] <= found.step <= window[1]
    assert over is None or (found.until is not None) == over
    assert found.severity == severity
    assert title in found.title
    for sentence in (found.evidence, found.remedy):
        assert sentence.endswith(".")
        assert "nan" not in sentence
        assert not re.search(r"\. [A-Z]", sentence), "one sentence"
    assert re.search(r"\d", found.evidence)
    assert f"{found.step:,}" in examined(training).checked[rule]


@pytest.mark.parametrize(("rule", "training", "said"), QUIET)
def test_a_rule_stays_quiet_where_it_does_not(
    examined: Callable[[str], Examination], rule: str, training: str, said: str
) -> None:
    assert findings(examined(training), rule) == []
    assert examined(training).checked[rule] == said


def test_every_rule_has_both_recipes() -> None:
    assert {rule for rule, *_ in FIRES} == {rule for rule, *_ in QUIET} == set(RULES.names())


def test_an_empty_band_and_a_met_margin_are_told_apart(examined: Callable[[str], Examination]) -> None:
    (met,) = findings(examined("separated, semi-hard"), "nothing-to-mine")
    (empty,) = findings(examined("strong nuisance, semi-hard, free scale"), "nothing-to-mine")
    (missed,) = findings(examined("separated but for twins, random"), "nothing-to-mine")
    assert met.numbers["violating_share"] < 0.01 < empty.numbers["violating_share"]
    assert empty.numbers["mined_share"] < 0.04 < missed.numbers["mined_share"] == 1
    assert "abstains" in empty.evidence
    assert "stop" in met.remedy.lower()


def test_a_collapsed_race_is_told_with_its_spread_and_recall(examined: Callable[[str], Examination]) -> None:
    shrunk, stuck = (
        one for one in examined("races/digits-2d/batch-hard").findings if one.rule in ("collapse", "loss-at-margin")
    )
    assert shrunk.evidence == (
        "The mean euclidean distance within a batch began at 0.11 margins, from the initial weights, and fell below "
        "half of that at step 18; it is 8.2e-05 margins at the last step, 399 (R@1 0.42 at step 400, guessing 0.10)."
    )
    assert "within 2 % of the margin 1" in stuck.evidence
    assert "R@1 goes from 0.28 (step 23) to 0.42 (step 400)" in stuck.evidence
    assert "batch-hard" in shrunk.remedy


@pytest.mark.slow
def test_a_loss_at_ln_2_is_only_a_note_while_recall_climbs(tmp_path: Path) -> None:
    run = recipes.LONGER["strong nuisance, batch-hard, unit sphere, plain d, soft margin"](tmp_path / "run")
    (found,) = [one for one in examination(run).findings if one.rule == "loss-at-margin"]
    assert found.severity == "note"
    assert found.numbers["recall_at_1_last"] > found.numbers["recall_at_1_first"] + 0.3
    assert "it learns" in found.evidence


@pytest.mark.slow
def test_recall_survives_a_collapse_of_scale(tmp_path: Path) -> None:
    found = findings(examination(recipes.LONGER["wrong labels, hardest"](tmp_path / "run")), "collapse")[0]
    assert found.numbers["spread_last"] < 0.25
    assert found.numbers["recall_at_1"] > 0.4
    assert "only the scale is lost" in found.evidence


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strategy", ["random", "semi-hard"])
def test_healthy_digits_stay_healthy_for_other_seeds(tmp_path: Path, seed: int, strategy: str) -> None:
    run = recipes.train(
        tmp_path / "run",
        recipes.few_digits(1797),
        strategy=strategy,
        steps=400,
        seed=seed,
        dim=2,
        normalize=False,
        margin=1.0,
        lr=1e-2,
    )
    assert {one.rule for one in examination(run).findings} <= {"turnover"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("strategy", ["batch-hard", "hardest"])
def test_wrong_labels_collapse_the_hardest_for_other_seeds(tmp_path: Path, seed: int, strategy: str) -> None:
    run = recipes.wide(
        tmp_path / "run", recipes.nuisance(1.5, wrong=0.2), strategy, 200, seed=seed, distance="squared-euclidean"
    )
    assert "collapse" in {one.rule for one in examination(run).findings}
