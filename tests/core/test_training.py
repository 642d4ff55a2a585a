"""The trainer: it learns, it records steps that teach nothing, and it stops when numbers are no longer finite."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.runs import few_digits

from tripletscope import Run, datasets, strategies, training
from tripletscope.adam import Adam
from tripletscope.analysis.comparison import effort
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.errors import TrainingError
from tripletscope.preparation import choose_device, choose_probe, choose_shadows, prepare
from tripletscope.recorder import Recorder
from tripletscope.samples import LabelledData, Samples
from tripletscope.training import StepInfo, record, train


@pytest.fixture(scope="module")
def digits() -> LabelledData:
    return few_digits()


def points(features: list[list[float]], labels: list[int]) -> LabelledData:
    samples = Samples(np.arange(len(labels)), np.array(labels), [str(code) for code in range(max(labels) + 1)])
    return LabelledData("points", np.array(features, np.float32), samples)


@pytest.mark.parametrize("strategy", strategies.names())
def test_every_strategy_trains(strategy: str, digits: LabelledData, tmp_path: Path) -> None:
    seen: list[StepInfo] = []
    result = record(TrainConfig(strategy=strategy, steps=5, dim=8), digits, tmp_path / "run", on_step=seen.append)
    run = Run.open(tmp_path / "run")
    assert (result.state, result.steps, run.state, run.step_count) == ("finished", 5, "finished", 5)
    assert [info.step for info in seen] == [0, 1, 2, 3, 4]
    losses = run.scalars["loss"].to_numpy()
    assert np.isfinite(losses[:5]).all()
    assert np.isnan(losses[5])  # the closing frame has no loss
    assert result.last.recall_at_1 == run.lines[-1]["recall_at_1"]


def test_it_learns(tmp_path: Path) -> None:
    config = TrainConfig(strategy="semi-hard", steps=60, dim=2, normalize=False, margin=1.0, lr=1e-2)
    record(config, datasets.load("digits"), tmp_path / "run")
    recall = Run.open(tmp_path / "run").scalars["recall_at_1"].dropna()
    assert recall.iloc[0] < 0.35  # two random dimensions
    assert recall.iloc[-1] > 0.65


@pytest.mark.parametrize("strategy", ["batch-all", "batch-hard"])
def test_the_soft_margin_trains(strategy: str, digits: LabelledData, tmp_path: Path) -> None:
    config = TrainConfig(strategy=strategy, steps=3, soft_margin=True, distance="cosine")
    record(config, digits, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.config["soft_margin"] is True
    assert 0.4 < run.lines[0]["loss"] < 1.0  # about ln 2 before anything is learned


def test_a_batch_that_teaches_nothing_is_a_normal_step(tmp_path: Path) -> None:
    # Two classes so far apart that every gap is beyond the margin: semi-hard abstains for every pair.
    far = points([[0.0], [0.1], [900.0], [900.1]], [0, 0, 1, 1])
    config = TrainConfig(
        model="linear", dim=1, normalize=False, margin=1e-6, classes_per_batch=2, samples_per_class=2, steps=3
    )
    record(config, far, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.state == "finished"
    for line in run.lines[:3]:
        assert (line["loss"], line["mined"], line["abstained"]) == (0.0, 0, 4)
        assert line["eligible"] == line["easy"] == 8
    assert len(run.pick_rows()["step"]) == 0
    np.testing.assert_array_equal(run.frames[0], run.frames[3])  # nothing was learned either


def test_the_loop_stops_when_numbers_are_no_longer_finite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    argv = ["train", "--quiet", "--no-normalize", "--lr", "1e10", "--steps", "50", "--out", str(out)]
    assert main(argv) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "no longer finite" in said[0]
    assert "learning rate" in said[0]
    run = Run.open(out)
    assert run.state == "failed"
    assert run.status["message"] in said[0]
    assert f"At step {run.step_count} " in said[0]
    assert run.step_count >= 1
    assert len(run.pick_rows(step=0)["step"]) > 0
    assert all(math.isfinite(line["loss"]) for line in run.lines)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"lr": 5.0}, "learning rate"), ({"normalize": False}, "--no-normalize"), ({}, "--standardize")],
)
def test_the_reason_fits_the_settings(settings: dict[str, Any], reason: str, tmp_path: Path) -> None:
    huge = points([[math.inf], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    config = TrainConfig(model="linear", dim=2, classes_per_batch=2, samples_per_class=2, steps=2, **settings)
    with pytest.raises(TrainingError, match=reason):
        record(config, huge, tmp_path / "run")
    assert Run.open(tmp_path / "run").state == "failed"


def test_a_recorder_of_ones_own(digits: LabelledData, tmp_path: Path) -> None:
    config = TrainConfig(strategy="hardest", steps=2, margin=0.5)
    result = train(config, digits, Recorder(tmp_path / "run", margin=0.5, samples=digits.samples))
    assert result.state == "finished"
    assert Run.open(tmp_path / "run").training == "own"


def test_parameters_of_the_strategy_are_used_and_recorded(digits: LabelledData, tmp_path: Path) -> None:
    for cutoff in (0.1, 1.0):
        config = TrainConfig(strategy="distance-weighted", param={"cutoff": cutoff}, steps=2)
        record(config, digits, tmp_path / str(cutoff))
    near, far = (Run.open(tmp_path / name) for name in ("0.1", "1.0"))
    assert near.config["strategies"][0]["values"]["cutoff"] == 0.1
    assert near.pick_rows(step=0)["d_an"].mean() < far.pick_rows(step=0)["d_an"].mean()


# ---- data of one's own -----------------------------------------------------------------------------------------


def picture_folder(place: Path) -> Path:
    rng = np.random.default_rng(0)
    for code, label in enumerate(("apple", "pear", "plum")):
        (place / "fruit" / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 80, (20, 20, 3), dtype=np.uint8)
            pixels[..., code] += 150
            Image.fromarray(pixels).save(place / "fruit" / label / f"{number}.png")
    return place / "fruit"


def archive(place: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 5)
    np.savez(place / "set.npz", features=rng.normal(size=(15, 6)).astype(np.float32), labels=labels)
    return place / "set.npz"


def table(place: Path) -> Path:
    rows = ["name,x,y,kind"] + [f"n{i},{i}.5,{i % 3}.25,{'abc'[i % 3]}" for i in range(12)]
    (place / "set.csv").write_text("\n".join(rows) + "\n")
    return place / "set.csv"


@pytest.mark.parametrize(
    ("build", "options", "model"),
    [(picture_folder, [], "cnn"), (archive, [], "mlp"), (table, ["--label", "kind", "--standardize"], "mlp")],
)
def test_data_of_ones_own(build: Callable[[Path], Path], options: list[str], model: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    argv = ["train", "--quiet", "--data", str(build(tmp_path)), *options, "--classes-per-batch", "3", "--steps", "4"]
    assert main([*argv, "--out", str(out)]) == 0
    run = Run.open(out)
    assert run.state == "finished"
    assert run.config["model"]["name"] == model
    assert len(run.samples.class_names) == 3


def test_omniglot_trains(real_data: Path, tmp_path: Path) -> None:
    argv = [
        "train",
        "--quiet",
        "--data",
        str(real_data / "omniglot.npz"),
        "--steps",
        "20",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(argv) == 0
    assert Run.open(tmp_path / "run").state == "finished"


# ---- what is settled before the first step ---------------------------------------------------------------------


def test_the_probe_set_is_balanced_and_fixed() -> None:
    labels = np.repeat(np.arange(5), [3000, 3000, 3000, 50, 4])
    rows = choose_probe(labels, seed=0)
    assert len(rows) == len(set(rows.tolist())) == 2000
    counts = np.bincount(labels[rows])
    assert (counts[3], counts[4]) == (50, 4)
    assert max(counts[:3]) - min(counts[:3]) <= 1
    np.testing.assert_array_equal(rows, choose_probe(labels, seed=0))
    assert not np.array_equal(rows, choose_probe(labels, seed=1))
    assert len(choose_probe(labels[:1500], seed=0)) == 1500


def test_nobody_in_the_probe_set_is_alone_in_its_class() -> None:
    labels = np.repeat(np.arange(1600), 20)
    counts = np.bincount(labels[choose_probe(labels, seed=0)], minlength=1600)
    assert counts.sum() == 2000
    assert set(counts.tolist()) == {0, 4}


def test_all_shadows_are_those_that_the_space_allows() -> None:
    watching, left_out = choose_shadows(TrainConfig(strategy="random", shadow=("all",)))
    assert set(watching) == set(strategies.names()) - {"random"}
    assert left_out == ()
    assert choose_shadows(TrainConfig(strategy="random", shadow=("random", "hardest"))) == (("hardest",), ())


def test_the_cpu_is_taken_when_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert choose_device("auto").type == "mps"


def test_preparing_leaves_no_trace_in_the_global_generator(digits: LabelledData) -> None:

    before = torch.random.get_rng_state()
    prepare(TrainConfig(), digits)
    assert torch.equal(before, torch.random.get_rng_state())


def test_processor_time_is_what_was_worked_and_not_what_was_waited(
    digits: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step sleeps and works a known time; the update works another, and is told with the next step."""
    waits, works, updates, steps = 0.06, 0.02, 0.03, 4

    def work(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    def slow_distances(*given: Any, **more: Any) -> Any:
        time.sleep(waits)
        work(works)
        return pairwise(*given, **more)

    def slow_update(self: Any, *given: Any, **more: Any) -> Any:
        time.sleep(waits)
        work(updates)
        return update(self, *given, **more)

    pairwise, update = training.pairwise, Adam.step
    monkeypatch.setattr(training, "pairwise", slow_distances)
    monkeypatch.setattr(Adam, "step", slow_update)
    before = time.process_time()
    record(TrainConfig(strategy="semi-hard", steps=steps, dim=2), digits, tmp_path / "run")
    spent = time.process_time() - before

    run = Run.open(tmp_path / "run")
    told = [line["seconds"] for line in run.lines[:steps]]
    assert told[0]["last_update"] == told[0]["last_update_cpu"] == 0.0  # nothing was learned before step 0
    for step, parts in enumerate(told):
        assert parts["cpu"] >= works
        assert parts["forward"] + parts["mining"] >= waits + works
        if step:
            assert parts["last_update_cpu"] >= updates
            assert parts["last_update"] >= waits + updates
    own, learned = (sum(parts[name] for parts in told) for name in ("cpu", "last_update_cpu"))
    assert own + learned <= spent, "steps cannot work longer than the process"
    effort_told = effort(run, "seconds")
    assert effort_told is not None
    # Every step as measured before its own update: it has cost all earlier steps, and their updates.
    for step in range(steps):
        wanted = sum(parts["cpu"] for parts in told[:step]) + sum(p["last_update_cpu"] for p in told[: step + 1])
        assert effort_told[step] == pytest.approx(wanted)
    waited = sum(parts["forward"] + parts["mining"] + parts["last_update"] for parts in told)
    assert waited - own - learned > 0.9 * waits * (2 * steps - 1), "waiting is no work"
