"""Dialects: what each rule says on batches that a pencil can check, and why they part."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, grid_batches

from tripletscope import dialect_docs, dialects, strategies
from tripletscope.batch import Batch
from tripletscope.cli import main
from tripletscope.dialects import OURS, Rule, answers
from tripletscope.dialects.comparison import Comparison
from tripletscope.dialects.rule import VALUES, meaning
from tripletscope.dialects.samples import BETWEEN, CLOCKS, MARGIN, clock
from tripletscope.distances import pairwise
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.testing import oracles

CLOCK, TWINS = CLOCKS["clock"], CLOCKS["twins"]


def cells(name: str, sample: object = CLOCK, margin: float = MARGIN, distance: str | None = None) -> dict[str, str]:
    """What a dialect says for each pair, in the signs of the table."""
    one = dialects.get(name)
    compared = Comparison(one.word, sample.batch, margin, distance=distance, names=sample.names)
    column = next(column for column in compared.columns if column.dialect is one)
    return {compared.pair_name(pair): compared.cell(column, pair) for pair in compared.pairs}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_every_library_of_the_field_is_there() -> None:
    libraries = {one.library for one in dialects.of_word("semi-hard")}
    assert libraries == {
        OURS,
        "FaceNet",
        "pytorch-metric-learning",
        "sentence-transformers",
        "TensorFlow Addons",
        "tensorflow-similarity",
        "siamese-triplet",
        "Revisiting DML",
        "DiVA",
    }
    assert "open-metric-learning" in {one.library for one in dialects.of_word("batch-hard")}
    assert dialects.words() == ["semi-hard", "batch-hard", "hardest", "batch-all", "easy", "random"]


@pytest.mark.parametrize("name", dialects.names())
def test_a_record_says_where_it_is_from(name: str) -> None:
    one = dialects.get(name)
    assert one.word in strategies.names()
    assert one.source
    assert one.version
    assert one.call
    record = one.describe()
    assert json.loads(json.dumps(record)) == record
    assert dialects.of_word(one.word)[0].ours


def test_every_axis_has_its_words() -> None:
    for axis, values in VALUES.items():
        for value in values:
            assert meaning(axis, value)


def test_the_clock_has_the_distances_of_points_on_a_circle() -> None:
    for sample in (*CLOCKS.values(), clock("clock", seed=5)):
        angle = torch.tensor([hour * math.pi / 6 for hour in sample.hours], dtype=torch.float64)
        points = torch.stack([angle.sin(), angle.cos()], dim=1)
        for distance in BETWEEN:
            torch.testing.assert_close(sample.batch(distance).distances, pairwise(points, distance), atol=1e-9, rtol=0)


# ---- pencil and paper -----------------------------------------------------------------------------------------------
# A at 12, B at 2, C at 7 | D at 3, E at 1, F at 8 | G at 4. Plain distances: 1 hour 0.52, 2: 1, 3: 1.41, 4: 1.73,
# 5: 1.93, 6: 2; squared 0.27, 1, 2, 3, 3.73, 4. The margin is 1.


def test_semi_hard_on_the_clock() -> None:
    ours = cells("tripletscope-semi-hard")
    # From A: B is 2 hours away (1), C 5 (1.93); D is 3 hours away (1.41), E 1, F 4 (1.73), G 4 (1.73).
    assert ours["A→B"] == "D"
    assert ours["A→C"] == "–"
    # Squared: d(A,B)² = 1, D at 2, F and G at 3; gap 1 is the margin, so nothing is inside.
    assert cells("facenet-semi-hard")["A→B"] == "–"
    theirs = cells("pytorch-metric-learning-semi-hard")
    assert theirs["A→B"] == "D+F+G"
    # From B: A is 2 hours away; F is 6 hours away: gap exactly 1, which fits there and is easy here.
    assert (ours["B→A"], theirs["B→A"]) == ("–", "F")
    nearest_positive = cells("pytorch-metric-learning-easy-hard")
    assert (nearest_positive["A→B"], nearest_positive["A→C"]) == ("D", "·")
    fallback = cells("sentence-transformers-semi-hard")
    # Beyond C at 5 hours A has nothing: the farthest of its negatives are F and G at 4 hours, F the lower slot.
    assert (fallback["A→C"], fallback["B→A"]) == ("F*", "F")
    similar = cells("tensorflow-similarity-semi-hard")
    assert (similar["A→B"], similar["A→C"], similar["G itself"]) == ("·", "F*", "D")
    siamese = cells("siamese-triplet-semi-hard")
    # Squared, each pair once: A→C abstains, B→C (5 hours, 3.73) finds F (6 hours, 4), and C is no anchor.
    assert [siamese[pair] for pair in ("A→C", "B→C", "C→A", "C→B", "F→D")] == ["–", "F", "·", "·", "·"]
    revisiting = cells("revisiting-semi-hard")
    assert (revisiting["A→B"], revisiting["A→C"]) == ("(D/F/G)", "(D/E/F/G*)")
    # DiVA: for A both positives are farther than E; every negative is nearer than C.
    assert cells("diva-semi-hard")["A→B"] == "(D/E/F/G)"


def test_batch_hard_on_the_twins() -> None:
    # A, B and C lie on one point at 12; D at 2 and E at 3 are a class; F at 6 is alone.
    assert cells("open-metric-learning-batch-hard", TWINS)["A itself"] == "D"
    assert cells("open-metric-learning-batch-hard", TWINS)["B→A"] == "D"
    assert cells("pytorch-metric-learning-batch-hard", TWINS)["A→B"] == "D"
    for lonely in ("triplet-reid", "sentence-transformers", "tensorflow-addons", "tensorflow-similarity"):
        assert cells(f"{lonely}-batch-hard", TWINS)["F itself"] == "E", lonely
    assert cells("tripletscope-batch-hard", TWINS)["F itself"] == "·"


def test_hardest_and_all_on_the_clock() -> None:
    # From A to B (2 hours): only E (1 hour) is no farther than B.
    assert cells("pytorch-metric-learning-hardest")["A→B"] == "E"
    assert cells("pytorch-metric-learning-batch-all")["B→A"] == "D+E+F+G"
    assert cells("sentence-transformers-batch-all")["B→A"] == "D+E+G"
    assert cells("siamese-triplet-hardest")["A→B"] == "E"
    assert cells("siamese-triplet-batch-all")["B→A"] == "·"
    assert cells("pytorch-metric-learning-easy")["A→B"] == "–"
    assert cells("tensorflow-similarity-easy")["A→C"] == "F"


def test_siamese_puts_in_a_triplet_where_there_is_none() -> None:
    batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [50.0], [51.0], [99.0]]), torch.tensor([0, 0, 1, 1, 2]))
    rescued = dialects.get("siamese-triplet-semi-hard").pick(batch, margin=0.2, generator=seeded())
    assert rescued.to_set() == {(2, 3, 0)}
    assert dialects.get("tripletscope-semi-hard").pick(batch, margin=0.2).to_set() == set()


# ---- rules, compositions and strategies -----------------------------------------------------------------------------

OWN = [one.name for one in dialects.all() if one.ours]
COMPOSED = [one.name for one in dialects.all() if one.rule.composition and not one.rule.draws]


def listed(rule: Rule, batch: Batch, margin: float) -> set[tuple[int, int, int]]:
    return {(one.anchor, one.positive, n) for one in answers(rule, batch, margin) for n in one.negatives}


@pytest.mark.parametrize("name", OWN)
@given(batch=grid_batches(), margin=MARGINS)
@settings(deadline=None, max_examples=10)
def test_our_own_rules_are_the_oracles_of_our_strategies(name: str, batch: Batch, margin: float) -> None:
    one = dialects.get(name)
    assert listed(one.rule, batch, margin) == oracles.ORACLES[one.word](batch, margin)


@pytest.mark.parametrize("name", COMPOSED)
@given(batch=grid_batches(), margin=MARGINS)
@settings(deadline=None, max_examples=10)
def test_a_rule_that_is_a_composition_picks_what_that_picks(name: str, batch: Batch, margin: float) -> None:
    one = dialects.get(name)
    assert one.pick(batch, margin=margin).to_set() == listed(one.rule, batch, margin)


@pytest.mark.parametrize("name", [one.name for one in dialects.all() if one.rule.draws])
@given(batch=grid_batches(), margin=MARGINS, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=8)
def test_what_is_drawn_is_among_the_answers(name: str, batch: Batch, margin: float, seed: int) -> None:
    one = dialects.get(name)
    found = one.pick(batch, margin=margin, generator=torch.Generator().manual_seed(seed))
    assert found.to_set() <= listed(one.rule, batch, margin)
    asked = {(a, p) for a, p, _ in listed(one.rule, batch, margin)}
    wanted = {a for a, _ in asked} if one.rule.units == "anchor" else asked
    served = set(found.anchor.tolist()) if one.rule.units == "anchor" else {pick[:2] for pick in found.to_set()}
    # One that draws its positive may draw one without a negative, unless it has a fallback.
    assert served == wanted or (served <= wanted and one.rule.fallback == "none")
    again = one.pick(batch, margin=margin, generator=torch.Generator().manual_seed(seed))
    assert again.to_set() == found.to_set()


def test_each_of_several_is_drawn_about_equally_often() -> None:
    one, batch, chance = dialects.get("revisiting-semi-hard"), CLOCK.batch(), seeded()
    seen: dict[tuple[int, int], int] = {}
    for _ in range(600):
        for a, p, n in one.pick(batch, margin=MARGIN, generator=chance).to_set():
            if (a, p) == (0, 1):
                seen[p, n] = seen.get((p, n), 0) + 1
    assert set(seen) == {(1, 3), (1, 5), (1, 6)}
    assert all(60 <= count <= 140 for count in seen.values())  # 600 / 2 / 3 = 100, standard deviation 9


@pytest.mark.parametrize("name", dialects.names())
def test_what_cannot_be_asked_is_refused(name: str) -> None:
    one = dialects.get(name)
    points, labels = torch.tensor([[0.0], [math.nan], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    with pytest.raises(DataError, match="slot 1"):
        one.pick(Batch(pairwise(points), labels), margin=0.2)
    with pytest.raises(SettingError, match="margin"):
        one.pick(CLOCK.batch(), margin=0.0)
    assert len(one.pick(Batch(torch.zeros(3, 3), torch.tensor([4, 4, 4])), margin=0.2, generator=seeded())) == 0


def test_a_rule_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="upper"):
        Rule(upper="marign")
    with pytest.raises(ValueError, match="one positive"):
        Rule(units="anchor")


# ---- why they part --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [None, *BETWEEN])
@pytest.mark.parametrize("word", dialects.words())
def test_exchanging_the_named_choices_gives_their_answer(word: str, distance: str | None) -> None:
    for sample in (CLOCK, TWINS, clock("clock", seed=1)):
        compared = Comparison(word, sample.batch, MARGIN, distance=distance, names=sample.names)
        mine = compared.columns[0]
        assert mine.differences == ()
        for column in compared.columns:
            parted = [pair for difference in column.differences for pair in difference.pairs]
            assert column.agrees + len(parted) == len(compared.pairs)
            assert len(set(parted)) == len(parted)
            for difference in column.differences:
                between = mine.rule.taking(column.rule, difference.axes)
                for pair in difference.pairs:
                    theirs, found = column.answers.get(pair), compared.answers(between).get(pair)
                    assert (theirs and theirs.negatives) == (found and found.negatives)
                    fewer = [axis for axis in difference.axes if axis != difference.axes[0]]
                    less = mine.rule.taking(column.rule, tuple(fewer))
                    if less is not None:
                        short = compared.answers(less).get(pair)
                        key = [one and (one.negatives, one.drawn, one.likely) for one in (short, theirs)]
                        assert key[0] != key[1], "an axis too many"


def test_a_sentence_says_who_does_what_and_why() -> None:
    compared = Comparison("semi-hard", CLOCK.batch, MARGIN, names=CLOCK.names)
    sentences = {column.dialect.short: [one.sentence for one in column.differences] for column in compared.columns}
    assert sentences["ST"] == [
        "takes F (gap −0.20, hard) where ours abstains: it falls back to the farthest negative where nothing fits.",
        "takes F (gap 1.00, easy) where ours abstains: it has no upper bound at the margin.",
    ]
    assert sentences["FaceNet"] == [
        "abstains where ours takes D (gap 0.41, semi-hard): "
        "it measures squared distances, so the margin is another width."
    ]


def test_in_one_distance_the_paper_is_ours() -> None:
    compared = Comparison("semi-hard", CLOCK.batch, MARGIN, distance="euclidean", names=CLOCK.names)
    paper = next(column for column in compared.columns if column.dialect.library == "FaceNet")
    assert paper.differences == ()


def test_one_anchor_is_answered_as_among_all() -> None:
    for word in dialects.words():
        everyone = Comparison(word, CLOCK.batch, MARGIN, names=CLOCK.names)
        alone = Comparison(word, CLOCK.batch, MARGIN, names=CLOCK.names, anchor=4)
        for one, other in zip(everyone.columns, alone.columns, strict=True):
            assert other.answers == {pair: answer for pair, answer in one.answers.items() if pair[0] == 4}


# ---- the command and the page ---------------------------------------------------------------------------------------


def test_the_command_prints_picks_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialects", "--strategy", "batch-hard", "--batch", "twins"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "A at 12, B at 12, C at 12" in printed
    assert "open-metric-learning 4.0.0, HardTripletsMiner(): as ours 8 of 10 times" in printed
    assert "it takes the anchor for one of its own positives" in printed
    assert "Read; not run." in printed


def test_the_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dialects", "--json", "--seed", "3", "--distance", "cosine", "--margin", "0.3"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["strategy"], told["margin"], told["distance"]) == ("semi-hard", 0.3, "cosine")
    assert len(set(told["batch"]["hours"])) == len(told["batch"]["hours"]) == 7
    assert {one["distance"] for one in told["dialects"]} == {"cosine"}
    picks = told["dialects"][0]["picks"]
    assert {"anchor", "positive", "asked", "negatives", "drawn", "by", "chance_of_positive"} == set(picks[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--strategy", "semihard"], "There is no strategy with dialects called 'semihard'. Did you mean 'semi-hard'?"),
        (["--batch", "clok"], "There is no batch called 'clok'. Did you mean 'clock'?"),
        (["--distance", "angular"], "There is no distance called 'angular'"),
        (["--margin", "0"], "The margin is 0.0; it must be a number above 0"),
        (["--margin", "nan"], "The margin is nan"),
        (["--seed", "-1"], "The seed is -1; it must be 0 or more."),
    ],
)
def test_the_command_refuses_in_a_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialects", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_an_unknown_dialect_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'facenet-semi-hard'"):
        dialects.get("facenet-semihard")


def test_the_page_is_current_and_can_be_stale(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "dialects.md"
    assert dialect_docs.main([str(page)]) == 0
    assert dialect_docs.main([str(page), "--check"]) == 0
    page.write_text(page.read_text(encoding="utf-8").replace("semi-hard", "semihard"), encoding="utf-8")
    assert dialect_docs.main([str(page), "--check"]) == 1
    assert "run python -m tripletscope.dialect_docs" in capsys.readouterr().err
    for one in dialects.all():
        assert one.ours or f"### {one.name}\n" in dialect_docs.render()
