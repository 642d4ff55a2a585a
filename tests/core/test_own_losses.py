"""The losses that some strategies bring along: against loops, their gradients, and as a run uses them."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batches import MARGINS, grid_batches, unit_batches
from tests.core.test_strategies import seeded

from tripletscope import Recorder, Run, datasets, strategies
from tripletscope.batch import Batch
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.distances import pairwise
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.losses import LOSSES, Learning
from tripletscope.preparation import prepare
from tripletscope.schema import PICKS
from tripletscope.testing import oracles, unit_points
from tripletscope.triplets import Triplets

DISTANCES = ("euclidean", "squared-euclidean", "cosine")


def picked(name: str, points: torch.Tensor, labels: torch.Tensor, distance: str) -> Triplets:
    return strategies.get(name).pick(Batch.from_embeddings(points, labels, distance), margin=0.3, generator=seeded())


def centres_of(points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A point for every label up to the largest, not quite the mean of its class."""
    found = torch.randn(int(labels.max()) + 2, points.shape[1], generator=seeded(5)).to(points)
    return torch.nn.functional.normalize(found, dim=1)


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


# ---- two negatives


def loop_of_two(
    distances: torch.Tensor, picks: Triplets, margin: float, soft: bool, first: bool, share: float
) -> float:
    """Margin sample mining, and with `first` a term before it: the quadruplet."""

    def cost(gap: float, margin: float) -> float:
        return math.log1p(math.exp(-gap)) if soft else max(0.0, margin - gap)

    terms, d = [], distances.tolist()
    columns = (picks.anchor, picks.positive, picks.negative, picks.negative2)
    for a, p, n, m in zip(*(column.tolist() for column in columns), strict=True):
        term = cost(d[n][m] - d[a][p], share * margin)
        terms.append(term + cost(d[a][n] - d[a][p], margin) if first else term)
    return mean(terms)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("picker", ["msml", "quadruplet"])
@given(batch=st.one_of(grid_batches(), unit_batches()), margin=MARGINS)
@settings(deadline=None, max_examples=30)
def test_both_losses_of_two_negatives_are_those_of_the_loop(
    picker: str, soft: bool, batch: Batch, margin: float
) -> None:
    picks = strategies.get(picker).pick(batch, margin=margin)
    if picks.negative2 is None:
        assert not len(picks)
        picks = Triplets(*(picks.anchor for _ in range(3)), negative2=picks.anchor)
    seen = Learning(batch.distances, batch.labels, picks, margin, batch.distance, soft)
    for name, first, share, params in (
        ("msml", False, 1.0, {}),
        ("quadruplet", True, 0.5, {}),
        ("quadruplet", True, 0.0, {"second_margin": 0.0}),
    ):
        cost = LOSSES.get(name)(seen, **params)
        assert float(cost.mean) == pytest.approx(
            loop_of_two(batch.distances, picks, margin, soft, first, share), abs=1e-6
        )
        assert 0 <= cost.active <= len(picks)


@pytest.mark.parametrize("name", ["msml", "quadruplet"])
@given(batch=st.one_of(grid_batches(), unit_batches()))
@settings(deadline=None, max_examples=60)
def test_second_negatives_are_those_of_the_loop(name: str, batch: Batch) -> None:
    picks = strategies.get(name).pick(batch, margin=0.2)
    expected = {"msml": oracles.msml_picks, "quadruplet": oracles.quadruplet_picks}[name](batch)
    columns = (
        picks.anchor,
        picks.positive,
        picks.negative,
        picks.anchor if picks.negative2 is None else picks.negative2,
    )
    assert set(zip(*(column.tolist() for column in columns), strict=True)) == expected


def test_blocks_change_nothing_in_quadruplets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletscope.batch.BLOCK", 40)
    batch = Batch.from_embeddings(*unit_points(6, 4, seed=5))
    picks = strategies.get("quadruplet").pick(batch, margin=0.2)
    columns = (picks.anchor, picks.positive, picks.negative, picks.negative2)
    assert set(zip(*(column.tolist() for column in columns), strict=True)) == oracles.quadruplet_picks(batch)


def test_msml_by_pencil() -> None:
    # Two classes on a line: 0 and 9 are the farthest of their class; 3 and 4 the nearest of two.
    points, labels = torch.tensor([[0.0], [9.0], [3.0], [4.0], [5.0]]), torch.tensor([7, 7, 7, 8, 8])
    picks = strategies.get("msml").pick(Batch.from_embeddings(points, labels), margin=1.0)
    assert picks.to_set() == {(0, 1, 3)}  # of its ends only 4 is of another class; 0 is nearer to it than 9 is
    assert picks.negative2.tolist() == [2]
    cost = LOSSES.get("msml")(Learning(pairwise(points), labels, picks, 1.0))
    assert float(cost.mean) == 1.0 + 9.0 - 1.0


def test_a_quadruplet_needs_a_third_class_and_a_run_without_is_refused(tmp_path: Path) -> None:
    two = Batch.from_embeddings(*unit_points(2, 4))
    assert len(strategies.get("quadruplet").pick(two, margin=0.2)) == 0
    with pytest.raises(SettingError, match="third class, and a batch of 2 classes has none: use --classes-per-batch 3"):
        setup_of(strategy="quadruplet", classes_per_batch=2)
    made = setup_of(strategy="semi-hard", shadow=("all",), classes_per_batch=2)
    assert "quadruplet" in made.left_out


@pytest.fixture(scope="module")
def two_negatives(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A few steps trained on quadruplets, with shadows that have second negatives and that have none."""
    out = tmp_path_factory.mktemp("two") / "run"
    told = ["train", "--data", "digits", "--steps", "4", "--strategy", "quadruplet", "--quiet", "--out", str(out)]
    assert main([*told, "--shadow", "msml,semi-hard,batch-all,ohem"]) == 0
    return Run.open(out)


def test_second_negatives_are_recorded_and_the_others_have_none(two_negatives: Run) -> None:
    run = two_negatives
    assert run.notes == []
    assert pq.read_schema(run.path / "picks" / "picks.parquet").names == [*PICKS.names, "negative2"]
    stored = pq.read_table(run.path / "picks" / "picks.parquet")
    rows = run.pick_rows()
    assert stored["negative2"].null_count == int((rows["negative2"] < 0).sum()) == len(run.picks(strategy="semi-hard"))
    step = run.batch_embedding_steps[-1]
    samples, labels = run.batch(step)
    batch = Batch.from_embeddings(torch.from_numpy(run.batch_embeddings(step)), torch.from_numpy(labels))
    for name, oracle in (("quadruplet", oracles.quadruplet_picks), ("msml", oracles.msml_picks)):
        found = run.pick_rows(step, name)
        columns = (found[slot].tolist() for slot in ("anchor", "positive", "negative", "negative2"))
        assert set(zip(*columns, strict=True)) == {tuple(samples[list(pick)].tolist()) for pick in oracle(batch)}
        assert found["d_an"] == pytest.approx(run.pick_rows(step, name)["d_an"])
    assert run.lines[step]["shadows"]["msml"]["mined"] == 1
    assert run.lines[step]["shadows"]["msml"]["abstained"] == 0
    ids = run.picks(step=step)["negative2"]
    assert ids.isna().sum() == len(run.picks(step=step, strategy="semi-hard"))
    assert (run.pick_rows(step, "ohem")["negative2"] == -1).all()


def test_a_run_without_second_negatives_is_written_as_before(tmp_path: Path) -> None:
    told = ["train", "--data", "digits", "--steps", "2", "--strategy", "semi-hard", "--quiet"]
    assert main([*told, "--out", str(tmp_path / "run")]) == 0
    run = Run.open(tmp_path / "run")
    assert pq.read_schema(run.path / "picks" / "picks.parquet").names == PICKS.names
    assert "negative2" not in run.pick_rows()
    assert "negative2" not in run.picks()


def test_columns_of_a_later_version_are_left_out(two_negatives: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(two_negatives.path, copy)
    path = copy / "picks" / "picks.parquet"
    table = pq.read_table(path)
    later = table.append_column("later", pa.array([1.0] * len(table))).replace_schema_metadata(table.schema.metadata)
    pq.write_table(later, path)
    run = Run.open(copy)
    assert run.notes == []
    assert list(run.pick_rows()) == [*PICKS.names, "negative2"]


def test_a_cut_run_of_quadruplets_goes_on_to_the_same_picks(two_negatives: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = [
        "train",
        "--data",
        "digits",
        "--strategy",
        "quadruplet",
        "--quiet",
        "--shadow",
        "msml,semi-hard,batch-all,ohem",
    ]
    assert main([*told, "--steps", "2", "--out", str(out)]) == 0
    assert main(["train", "--resume", "--quiet", "--steps", "4", "--out", str(out)]) == 0
    whole, cut = two_negatives.pick_rows(), Run.open(out).pick_rows()
    assert all((whole[name] == cut[name]).all() for name in whole)


def test_the_csv_has_a_last_column_where_picks_have_a_second_negative(two_negatives: Run, tmp_path: Path) -> None:
    from tripletscope.export import export_picks, read_triplets_csv

    export_picks(two_negatives, tmp_path / "all.csv")
    table = read_triplets_csv(tmp_path / "all.csv")
    assert list(table)[-2:] == ["step", "negative2_id"]
    assert set(table["strategy"][table["negative2_id"] == ""]) == {"semi-hard"}
    expected = two_negatives.picks(strategy="msml")["negative2"].astype(str)
    assert sorted(table["negative2_id"][table["strategy"] == "msml"]) == sorted(expected)
    export_picks(two_negatives, tmp_path / "one.csv", strategy="semi-hard")
    assert list(read_triplets_csv(tmp_path / "one.csv"))[-1] == "step"


def test_second_negatives_of_a_loop_are_checked(tmp_path: Path) -> None:
    points, labels, slots = torch.eye(4), [0, 0, 1, 2], [torch.tensor([slot]) for slot in range(4)]
    with Recorder(tmp_path / "run", margin=0.5, training="quadruplet") as recorder:
        recorder.step(points, labels, ids=range(4), triplets=Triplets(*slots[:3], negative2=slots[3]))
        for second, said in ((slots[2], "both of label 1"), (torch.tensor([4]), "one slot of the batch, 0 to 3")):
            with pytest.raises(DataError, match=said):
                recorder.step(points, labels, ids=range(4), triplets=Triplets(*slots[:3], negative2=second))
    assert Run.open(tmp_path / "run").picks()["negative2"].tolist() == [3]
    with (
        Recorder(tmp_path / "other", margin=0.5) as recorder,
        pytest.raises(DataError, match="have second negatives, and 'own' has none"),
    ):
        recorder.step(points, labels, ids=range(4), triplets=Triplets(*slots[:3], negative2=slots[3]))


# ---- centres


def center_loop(points: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor, margin: float) -> list[float]:
    """The gap of every sample, in plain Euclidean distance."""
    gaps = []
    for x, y in zip(points.tolist(), labels.tolist(), strict=True):
        far = [math.dist(x, c) for c in centres.tolist()]
        gaps.append(min(d for j, d in enumerate(far) if j != y) - far[y])
    return gaps


@pytest.mark.parametrize("soft", [False, True])
def test_triplet_center_is_that_of_the_loop_over_all_classes(soft: bool) -> None:
    points, labels = unit_points(4, 3, spread=1.5)
    points, centres = points.double(), centres_of(points.double(), labels)
    seen = Learning(pairwise(points), labels, None, 0.7, "euclidean", soft, points, centres)
    cost = LOSSES.get("triplet-center")(seen)
    gaps = center_loop(points, labels, centres, 0.7)
    terms = [math.log1p(math.exp(-gap)) if soft else max(0.0, 0.7 - gap) for gap in gaps]
    assert float(cost.mean) == pytest.approx(mean(terms))
    assert cost.active == (len(gaps) if soft else sum(term > 0 for term in terms))
    d_ap, d_an = cost.unlisted
    assert (d_an - d_ap).tolist() == pytest.approx(gaps)
    assert len(centres) == 5  # one more than the batch has classes: it takes part


def test_the_centres_have_a_gradient_of_their_own() -> None:
    points, labels = unit_points(4, 3, spread=1.5)
    centres = centres_of(points, labels).requires_grad_()
    cost = LOSSES.get("triplet-center")(
        Learning(pairwise(points), labels, None, 5.0, "euclidean", False, points, centres)
    )
    (slope,) = torch.autograd.grad(cost.mean, centres)
    assert slope[:4].abs().sum(dim=1).min() > 0
    with pytest.raises(SettingError, match="needs embeddings and the centres"):
        LOSSES.get("triplet-center")(Learning(pairwise(points), labels, None, 0.3))


@pytest.fixture(scope="module")
def centred(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A few steps with learned centres, and a shadow."""
    out = tmp_path_factory.mktemp("centred") / "run"
    told = [
        "train",
        "--data",
        "digits",
        "--steps",
        "5",
        "--strategy",
        "triplet-center",
        "--shadow",
        "hardest",
        "--quiet",
    ]
    assert main([*told, "--dim", "8", "--param", "centre_lr=0.05", "--checkpoint-every", "0", "--out", str(out)]) == 0
    return Run.open(out)


def test_a_run_keeps_its_centres_and_counts_what_was_learnt_from(centred: Run) -> None:
    assert centred.notes == []
    assert centred.config["loss"]["centres"] is True
    assert centred.frame_steps[-1] == 5
    for step in centred.frame_steps:
        centres = torch.from_numpy(centred.centres(step))
        assert centres.shape == (10, 8)
        assert centres.norm(dim=1).tolist() == pytest.approx([1.0] * 10, abs=1e-5)
    assert (centred.centres(0) != centred.centres(1)).any()
    assert centred.centres(77) is None
    for step in centred.batch_embedding_steps:
        points, labels = torch.from_numpy(centred.batch_embeddings(step)), torch.from_numpy(centred.batch(step)[1])
        gaps = center_loop(points, labels, torch.from_numpy(centred.centres(step)), 0.2)
        line = centred.lines[step]
        assert line["loss"] == pytest.approx(mean([max(0.0, 0.2 - gap) for gap in gaps]), abs=1e-5)
        assert (line["mined"], line["abstained"]) == (32, 0)
        assert line["mined_hard"] == sum(gap <= 0 for gap in gaps)
        assert line["active"] == line["mined_hard"] + line["mined_semi_hard"]
        assert line["mean_d_an"] - line["mean_d_ap"] == pytest.approx(mean(gaps), abs=1e-5)
        assert len(centred.pick_rows(step, "triplet-center")["step"]) == 0
        assert len(centred.pick_rows(step, "hardest")["step"]) == line["shadows"]["hardest"]["mined"]
    assert "triplet-center" not in centred.lines[0]["shadows"]


def test_nobody_says_whom_a_run_with_learned_centres_picks(centred: Run) -> None:
    from tripletscope.analysis.counterfactual import anchor_answer

    assert "centres" in anchor_answer(centred, 0)["not_applicable"]["triplet-center"]


def test_a_run_with_centres_goes_on_bit_for_bit(centred: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = ["train", "--data", "digits", "--strategy", "triplet-center", "--shadow", "hardest", "--quiet", "--dim", "8"]
    told += ["--param", "centre_lr=0.05", "--checkpoint-every", "0", "--out", str(out)]
    assert main([*told, "--steps", "3"]) == 0
    assert main(["train", "--resume", "--quiet", "--steps", "5", "--out", str(out)]) == 0
    cut = Run.open(out)
    assert cut.frame_steps == centred.frame_steps
    assert [line["loss"] for line in cut.lines] == [line["loss"] for line in centred.lines]
    for step in cut.frame_steps:
        assert (cut.centres(step) == centred.centres(step)).all()
        assert (cut.frames[step] == centred.frames[step]).all()


def test_other_strategies_train_on_the_picks_that_stand_in_for_centres(tmp_path: Path) -> None:
    told = ["train", "--data", "digits", "--steps", "2", "--quiet", "--dim", "8"]
    assert main([*told, "--strategy", "triplet-center", "--loss", "triplet", "--out", str(tmp_path / "a")]) == 0
    run = Run.open(tmp_path / "a")
    assert len(run.pick_rows(0, training=True)["step"]) == 32
    assert run.centres(0) is None
    with pytest.raises(SettingError, match="so it goes with the strategy of that name only"):
        setup_of(strategy="hardest", loss="triplet-center")


def test_a_parcel_takes_the_centres_along(centred: Run, tmp_path: Path) -> None:
    from tripletscope.store.parcel import pack, unpack

    with (tmp_path / "run.zip").open("wb") as file:
        pack([centred.path], file)
    (copy,) = unpack(tmp_path / "run.zip", tmp_path)
    assert (Run.open(copy).centres(2) == centred.centres(2)).all()


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
    middle = centres_of(points.detach(), batch.labels)
    cost = loss(Learning(distances, batch.labels, picks, 0.3, batch.distance, False, points, middle))
    (slope,) = torch.autograd.grad(cost.mean, points)
    assert torch.isfinite(slope).all()
    assert torch.isfinite(cost.mean)
    if loss.centres:
        return  # it has no picks
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
    middle = centres_of(points, labels)

    def of(raw: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(raw, dim=1)
        return loss(Learning(pairwise(unit, distance), labels, picks, 0.3, distance, False, unit, middle)).mean

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
        ({"strategy": "hardest", "loss": "msml"}, "'hardest' picks no second negatives, which the loss 'msml' needs"),
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
