"""Planted wrong labels and long tails: exact numbers, the same for every strategy of a seed, and the truth is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.runs import assert_same_recording, few_digits, few_digits_file, lines

from tripletscope import Recorder, Run, export, metrics
from tripletscope.analysis.label_agreement import label_agreement
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.errors import DataError, RunError, SettingError
from tripletscope.flaws import is_wrong, long_tail, plant, wrong_labels
from tripletscope.preparation import prepare
from tripletscope.samples import LabelledData, Samples
from tripletscope.store import parcel
from tripletscope.training import record

SHADOWS = ("random", "batch-all", "batch-hard")
NOISY = TrainConfig(
    strategy="semi-hard", shadow=SHADOWS, steps=14, dim=2, normalize=False, margin=1.0, lr=1e-2, label_noise=0.2, seed=5
)


def blobs(sizes: list[int]) -> Samples:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return Samples(np.arange(len(labels)), labels, [f"class {c}" for c in range(len(sizes))])


def labelled(sizes: list[int]) -> LabelledData:
    who = blobs(sizes)
    return LabelledData("blobs", np.random.default_rng(0).normal(size=(len(who), 3)).astype(np.float32), who)


@pytest.fixture(scope="module")
def digits() -> LabelledData:
    return few_digits()


@pytest.fixture(scope="module")
def noisy(digits: LabelledData, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("noisy") / "run"
    record(NOISY, digits, out)
    return Run.open(out)


# ---- what is planted


@given(
    sizes=st.lists(st.integers(8, 40), min_size=2, max_size=6),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**31),
)
def test_exactly_so_many_labels_are_wrong(sizes: list[int], share: float, seed: int) -> None:
    who = blobs(sizes)
    try:
        labels = wrong_labels(who, share, seed)
    except SettingError:  # two classes of eight: one may lose nearly all
        return
    wrong = 0
    for before, after in zip(who.labels.tolist(), labels.tolist(), strict=True):
        assert 0 <= after < len(sizes)
        wrong += before != after
    assert wrong == round(share * sum(sizes))
    np.testing.assert_array_equal(labels, wrong_labels(who, share, seed))


def test_every_other_class_is_as_likely() -> None:
    who = blobs([3000, 1000, 2000])
    labels = wrong_labels(who, 0.5, seed=1)
    table = np.zeros((3, 3))
    for before, after in zip(who.labels, labels, strict=True):
        table[before, after] += 1
    shares = table / table.sum(1, keepdims=True)
    np.testing.assert_allclose(np.diag(shares), 0.5, atol=0.04)
    np.testing.assert_allclose(shares[~np.eye(3, dtype=bool)], 0.25, atol=0.04)


def test_a_smaller_share_is_part_of_a_larger_one() -> None:
    who = blobs([50, 50, 50])
    few, many = (wrong_labels(who, share, seed=2) for share in (0.1, 0.4))
    changed = few != who.labels
    np.testing.assert_array_equal(few[changed], many[changed])


def test_classes_without_samples_are_nobodys_wrong_label() -> None:
    who = Samples(np.arange(40), np.repeat([0, 3], 20), ["a", "b", "c", "d"])
    assert set(wrong_labels(who, 0.4, seed=0).tolist()) == {0, 3}


@pytest.mark.parametrize("ratio", [0.5, 0.1, 0.05])
def test_a_long_tail_falls_exponentially(ratio: float) -> None:
    who = blobs([100] * 5)
    kept = who.labels[long_tail(who, ratio, seed=4)]
    sizes = sorted((int((kept == c).sum()) for c in range(5)), reverse=True)
    assert sizes == [int(100 * ratio ** (i / 4) + 1e-9) for i in range(5)]


@given(
    sizes=st.lists(st.integers(10, 60), min_size=2, max_size=6), ratio=st.floats(0.2, 0.99), seed=st.integers(0, 2**31)
)
def test_the_ratio_holds_where_sizes_differ(sizes: list[int], ratio: float, seed: int) -> None:
    who = blobs(sizes)
    rows = long_tail(who, ratio, seed)
    assert len(set(rows.tolist())) == len(rows)
    assert rows.tolist() == sorted(rows.tolist())
    left = np.bincount(who.labels[rows], minlength=len(sizes))
    assert (left <= sizes).all()
    assert left.min() >= 2
    assert abs(left.min() - ratio * left.max()) < 1  # whole samples
    np.testing.assert_array_equal(rows, long_tail(who, ratio, seed))


def test_no_class_is_always_the_rare_one() -> None:
    who = blobs([40] * 4)
    rarest = {int(np.bincount(who.labels[long_tail(who, 0.1, seed)]).argmin()) for seed in range(40)}
    assert rarest == {0, 1, 2, 3}


def test_without_flaws_the_data_are_the_same_object() -> None:
    data = labelled([5, 5])
    planted = plant(data)
    assert planted.data is data
    assert planted.notes == []


@pytest.mark.parametrize(
    ("sizes", "flaws", "said"),
    [
        ([20, 20], {"label_noise": 1.0}, "below 1"),
        ([20, 20], {"label_noise": -0.1}, "0 or more"),
        ([20, 20], {"label_noise": float("nan")}, "below 1"),
        ([40], {"label_noise": 0.2}, "at least 2 classes"),
        ([20, 20], {"label_noise": 0.001}, "less than one"),
        ([2, 2], {"label_noise": 0.25}, "each class needs 2"),
        ([20, 20], {"imbalance": 0.0}, "above 0"),
        ([20, 20], {"imbalance": 1.5}, "at most 1"),
        ([40], {"imbalance": 0.5}, "at least 2 classes"),
        ([20, 20], {"imbalance": 0.05}, "use --imbalance 0.1"),
        ([2, 2], {"imbalance": 0.5}, "leave out --imbalance"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(sizes: list[int], flaws: dict[str, float], said: str) -> None:
    with pytest.raises(SettingError, match=said) as refusal:
        plant(labelled(sizes), **flaws)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "option", [{"label_noise": 1.0}, {"label_noise": -0.5}, {"imbalance": 0.0}, {"imbalance": 1.01}]
)
def test_the_settings_know_their_bounds(option: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="it has to be"):
        TrainConfig(**option)  # type: ignore[arg-type]


def test_the_command_line_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "--data", str(few_digits_file(tmp_path)), "--steps", "2", "--out", str(tmp_path / "run")]
    for wrong in (["--label-noise", "1"], ["--imbalance", "0"], ["--imbalance", "0.01"], ["--label-noise", "0.0001"]):
        assert main([*argv, *wrong]) == 2
        assert wrong[0] in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


# ---- what is recorded


def test_strategies_of_a_race_see_the_same_flaws(digits: LabelledData) -> None:
    flawed = replace(NOISY, imbalance=0.3)
    setups = [prepare(replace(flawed, strategy=name, shadow=()), digits) for name in ("random", "batch-hard")]
    one, other = (setup.data.samples for setup in setups)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.ids, other.ids)
    assert setups[0].describe()["race"] == setups[1].describe()["race"]
    again = prepare(replace(flawed, seed=6, shadow=()), digits)
    assert not np.array_equal(again.data.samples.ids, one.ids)
    clean = prepare(replace(NOISY, label_noise=0.0, shadow=()), digits)
    assert clean.describe()["race"]["batches"] != setups[0].describe()["race"]["batches"]


def test_the_truth_is_in_the_run(noisy: Run, digits: LabelledData) -> None:
    assert noisy.true_labels is not None
    assert noisy.true_labels.tolist() == digits.samples.labels.tolist()
    wrong = is_wrong(noisy.samples)
    assert wrong is not None
    assert int(wrong.sum()) == round(0.2 * len(digits)) == noisy.config["data"]["planted"]["wrong"]
    rows = noisy.batch_rows()
    np.testing.assert_array_equal(rows["label"], noisy.samples.labels[rows["row"]], "batches have what the loss sees")
    assert any("the run keeps the truth" in note for note in noisy.config["data"]["notes"])


def by_hand(run: Run, step: int, strategy: str) -> tuple[int, int, int]:
    """(picks, with a false negative, with a false positive) of one step, one pick after the other."""
    truth = run.true_labels
    assert truth is not None
    picks = run.pick_rows(step, strategy)
    false_negatives = false_positives = 0
    for a, p, n in zip(picks["anchor"], picks["positive"], picks["negative"], strict=True):
        false_negatives += int(truth[n]) == int(truth[a])
        false_positives += int(truth[p]) != int(truth[a])
    return len(picks["anchor"]), false_negatives, false_positives


def test_false_picks_against_a_plain_loop(noisy: Run) -> None:
    shares = ("false_negative_share", "false_positive_share")
    own, theirs = noisy.series(shares), noisy.series([f"shadows.random.{name}" for name in shares])
    seen = 0
    for step in range(noisy.step_count):
        line = noisy.lines[step]
        count, negatives, positives = by_hand(noisy, step, "semi-hard")
        assert (line["mined_false_negatives"], line["mined_false_positives"]) == (negatives, positives)
        if count:
            np.testing.assert_allclose(own[:, step], [negatives / count, positives / count], rtol=1e-6)
        for name in ("random", "batch-hard"):
            told = line["shadows"][name]
            assert (told["mined"], told["false_negatives"], told["false_positives"]) == by_hand(noisy, step, name)
        count, negatives, positives = by_hand(noisy, step, "random")
        np.testing.assert_allclose(theirs[:, step], [negatives / count, positives / count], rtol=1e-6)
        seen += negatives
    assert seen > 0


def test_all_eligible_triplets_against_a_plain_loop(noisy: Run) -> None:
    truth = noisy.true_labels
    assert truth is not None
    rows, labels = noisy.batch(3)
    eligible = false_negatives = false_positives = 0
    for a in range(len(rows)):
        for p in range(len(rows)):
            for n in range(len(rows)):
                if p != a and labels[p] == labels[a] and labels[n] != labels[a]:
                    eligible += 1
                    false_negatives += int(truth[rows[n]] == truth[rows[a]])
                    false_positives += int(truth[rows[p]] != truth[rows[a]])
    line = noisy.lines[3]
    assert eligible == line["eligible"]
    assert (line["eligible_false_negatives"], line["eligible_false_positives"]) == (false_negatives, false_positives)
    everything = line["shadows"]["batch-all"]
    assert (everything["false_negatives"], everything["false_positives"]) == (false_negatives, false_positives)
    blind = noisy.series(["blind_false_negative_share"])[0, 3]
    assert blind == pytest.approx(false_negatives / eligible)


def test_retrieval_is_measured_by_the_truth(noisy: Run) -> None:
    step = noisy.frame_steps[-1]
    truth = noisy.true_labels
    assert truth is not None
    told = noisy.lines[-1]
    found = metrics.retrieval(np.asarray(noisy.frames[step]), truth[noisy.probe_rows], noisy.distance)
    assert told["recall_at_1"] == found["recall_at_1"]
    given = metrics.retrieval(np.asarray(noisy.frames[step]), noisy.samples.labels[noisy.probe_rows], noisy.distance)
    assert told["recall_at_1"] > given["recall_at_1"]


def test_a_run_without_flaws_is_what_it_was(digits: LabelledData, tmp_path: Path) -> None:
    plain = replace(NOISY, label_noise=0.0, steps=6)
    record(plain, digits, tmp_path / "plain")
    run = Run.open(tmp_path / "plain")
    assert run.true_labels is None
    told = json.dumps(run.lines)
    assert "false" not in {key.partition("_")[0] for line in run.lines for key in line}
    assert "false_" not in told
    assert "planted" not in run.config["data"]
    assert run.config["data"]["notes"] == list(digits.notes)
    # The settings of a run from before the options say nothing of them.
    config = json.loads((run.path / "config.json").read_text(encoding="utf-8"))
    del config["train"]["label_noise"], config["train"]["imbalance"]
    (run.path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert TrainConfig.from_dict(Run.open(run.path).config["train"]) == plain
    record(replace(plain, steps=9), digits, run.path, resume=True)
    assert Run.open(run.path).step_count == 9
    assert np.isnan(run.series(["false_negative_share", "shadows.random.false_negative_share"])).all()


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    noisy: Run, digits: LabelledData, tmp_path: Path
) -> None:
    asked = iter(range(100))
    record(NOISY, digits, tmp_path / "cut", should_stop=lambda: next(asked) == 6)
    assert Run.open(tmp_path / "cut").step_count == 7
    record(NOISY, digits, tmp_path / "cut", resume=True)
    again = Run.open(tmp_path / "cut")
    assert_same_recording(noisy, again)
    assert again.true_labels is not None
    np.testing.assert_array_equal(again.true_labels, noisy.true_labels)
    with pytest.raises(RunError, match="label-noise"):
        record(replace(NOISY, label_noise=0.3, steps=20), digits, tmp_path / "cut", resume=True)


def test_flaws_that_come_out_otherwise_do_not_go_on(noisy: Run, digits: LabelledData, tmp_path: Path) -> None:
    record(replace(NOISY, steps=2), digits, tmp_path / "run")
    place = tmp_path / "run" / "config.json"
    config = json.loads(place.read_text(encoding="utf-8"))
    config["data"]["planted"]["digest"] = "0" * 32
    place.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(RunError, match="wrong labels"):
        record(NOISY, digits, tmp_path / "run", resume=True)


def test_the_truth_travels_in_a_zip(noisy: Run, tmp_path: Path) -> None:
    with (tmp_path / "run.zip").open("wb") as file:
        parcel.pack([noisy.path], file)
    (place,) = parcel.unpack(tmp_path / "run.zip", tmp_path / "here")
    there = Run.open(place)
    assert there.true_labels is not None
    np.testing.assert_array_equal(there.true_labels, noisy.true_labels)
    assert lines(there) == lines(noisy)
    assert there.notes == []


def test_the_table_says_which_triplets_are_false(noisy: Run, tmp_path: Path) -> None:
    export.export_picks(noisy, tmp_path / "t.csv", steps=range(4))
    table = export.read_triplets_csv(tmp_path / "t.csv")
    truth = noisy.true_labels
    assert truth is not None
    place = {int(one): row for row, one in enumerate(np.asarray(noisy.samples.ids).tolist())}
    seen: dict[str, int] = {}
    for _, line in table.iterrows():
        a, p, n = (place[int(line[f"{slot}_id"])] for slot in ("anchor", "positive", "negative"))
        wanted = []
        if truth[n] == truth[a]:
            wanted.append("false-negative")
        if truth[p] != truth[a]:
            wanted.append("false-positive")
        if any(truth[row] != noisy.samples.labels[row] for row in (a, p, n)):
            wanted.append("wrong-label")
        assert line["flags"] == ";".join(wanted)
        for name in wanted:
            seen[name] = seen.get(name, 0) + 1
    settings = export.settings_of(tmp_path / "t.csv")
    assert settings["false_negatives"] == seen["false-negative"] > 0
    assert settings["false_positives"] == seen["false-positive"] > 0
    assert settings["wrong_labels"] == 40
    export.export_scalars(noisy, tmp_path / "s.csv")
    assert "shadows.random.false_negatives" in pandas.read_csv(tmp_path / "s.csv").columns


def test_somebody_elses_loop_may_know_the_truth(tmp_path: Path) -> None:
    truth = np.array([0, 0, 1, 1])
    who = Samples(np.arange(4), np.array([0, 0, 0, 1]), ["a", "b"], true_labels=truth)
    points = np.array([[0.0], [1.0], [3.0], [4.0]], np.float32)
    with Recorder(tmp_path / "run", margin=1.0, samples=who) as recorder:
        line: dict[str, Any] = recorder.step(
            points, who.labels, rows=[0, 1, 2, 3], triplets=([0, 0, 2], [1, 2, 0], [3, 3, 3])
        )
    assert (line["mined"], line["mined_false_negatives"], line["mined_false_positives"]) == (3, 1, 2)
    found = Run.open(tmp_path / "run").true_labels
    assert found is not None
    assert found.tolist() == truth.tolist()


def test_true_labels_are_checked() -> None:
    with pytest.raises(DataError, match="True labels run from 0 to 2"):
        Samples(np.arange(2), np.array([0, 1]), ["a", "b"], true_labels=np.array([0, 2]))


# ---- neighbours


def test_label_agreement_against_a_plain_loop(noisy: Run) -> None:
    told = label_agreement(noisy, k=5)
    assert told.steps == noisy.frame_steps
    truth, given_labels = noisy.true_labels, noisy.samples.labels
    assert truth is not None
    rows = noisy.probe_rows
    for place in (0, len(told.steps) - 1):
        points = np.asarray(noisy.frames[told.steps[place]], np.float64)
        shares: dict[str, list[float]] = {"given": [], "true": [], "kept": [], "moved": []}
        for i in range(len(points)):
            away = [(float(np.linalg.norm(points[j] - points[i])), j) for j in range(len(points)) if j != i]
            near = [rows[j] for _, j in sorted(away)[:5]]
            own = rows[i]
            shares["given"].append(sum(given_labels[n] == given_labels[own] for n in near) / 5)
            shares["true"].append(sum(truth[n] == truth[own] for n in near) / 5)
            if truth[own] != given_labels[own]:
                shares["kept"].append(sum(truth[n] == truth[own] for n in near) / 5)
                shares["moved"].append(sum(truth[n] == given_labels[own] for n in near) / 5)
        for name, values in shares.items():
            assert getattr(told, name)[place] == pytest.approx(np.mean(values), abs=1e-12), name


def test_label_agreement_without_the_truth(digits: LabelledData, tmp_path: Path) -> None:
    record(replace(NOISY, label_noise=0.0, steps=2), digits, tmp_path / "run")
    told = label_agreement(Run.open(tmp_path / "run"))
    assert told.true is told.kept is told.moved is None
    assert ((told.given > 0) & (told.given <= 1)).all()
