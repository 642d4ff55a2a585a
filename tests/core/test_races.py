"""The shipped races: whole, small, silent about the machine they were made on, and true to what is said of them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tripletscope import Run, datasets
from tripletscope.analysis.answer import unpack_answer
from tripletscope.analysis.fidelity import fidelity, jitter
from tripletscope.analysis.maps import KINDS, kept_map
from tripletscope.analysis.neighbours import nearest
from tripletscope.config import TrainConfig
from tripletscope.training import record

HERE = Path(__file__).resolve().parents[2] / "sample_data"
DIGITS = ("digits-2d", "digits-2d-standardized")
EMOJI = "emoji-32d"
RACES = (*DIGITS, EMOJI)
NAMES = ("random", "semi-hard", "batch-hard")


def names(race: str) -> tuple[str, ...]:
    return NAMES[1:] if race == EMOJI else NAMES


def race(name: str) -> dict[str, Run]:
    return {strategy: Run.open(HERE / "races" / name / strategy) for strategy in names(name)}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_recordings", HERE / "make_recordings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up while it is being loaded
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", RACES)
def test_a_race_is_whole(name: str) -> None:
    runs = race(name)
    first = runs[names(name)[0]]
    steps, count = (300, 396) if name == EMOJI else (400, 1797)
    for strategy, run in runs.items():
        assert run.state_text == f"finished, {steps} steps"
        assert run.notes == []
        assert run.strategies == [strategy]
        assert run.frame_steps[0] == 0
        assert run.frame_steps[-1] == steps
        assert {run.frames[step].dtype for step in run.frame_steps} == {np.dtype("float32")}
        assert len(run.samples) == len(run.probe_rows) == count
        assert run.samples.thumbs is not None
        assert run.race == first.race
        np.testing.assert_array_equal(run.frames[0], first.frames[0])
        for step in (0, 200, steps - 1):
            np.testing.assert_array_equal(run.batch(step)[0], first.batch(step)[0])


@pytest.mark.parametrize("name", RACES)
def test_a_race_is_small_and_says_nothing_of_its_machine(name: str) -> None:
    for run in race(name).values():
        files = [file for file in run.path.rglob("*") if file.is_file()]
        assert sum(file.stat().st_size for file in files) < (2_750_000 if name == EMOJI else 1_950_000)
        assert not (run.path / "checkpoints").exists()
        for file in ("config.json", "status.json", "scalars.jsonl"):
            text = (run.path / file).read_text()
            places = ("/home/", "/root/", "/tmp/", str(HERE.parent))
            for word in (*places, '"pid"', '"host"', '"time"', '"heartbeat"', "+cpu"):
                assert word not in text


@pytest.mark.parametrize("name", RACES)
def test_the_opening_shows_all_three_zones(name: str, maker: ModuleType) -> None:
    folder = HERE / "races" / name
    told = json.loads((folder / "race.json").read_text())
    shown = told["opening"]
    assert told["runs"] == list(names(name))
    assert all(told[key] for key in ("title", "chip", "subtitle"))
    run = Run.open(folder / shown["run"])
    assert shown["step"] in run.frame_steps
    labels = run.samples.labels
    assert labels[shown["anchor"]] == labels[shown["positive"]]
    answers = json.loads((folder / "opening.json").read_text())
    assert {key: answers[key] for key in shown} == shown
    assert set(answers["answers"]) == set(names(name))
    answer = unpack_answer(answers["answers"][shown["run"]], run)
    assert answer["candidates"][0] == shown["anchor"]
    assert shown["positive"] in answer["positives"]
    frame = run.frames[shown["step"]]
    d = np.linalg.norm(frame - frame[shown["anchor"]], axis=1)
    gap = d[answer["negatives"]] - d[shown["positive"]]
    counts = [(gap <= 0).sum(), ((gap > 0) & (gap < run.margin)).sum(), (gap >= run.margin).sum()]
    assert min(counts) >= 6


def test_what_is_said_of_them_is_true() -> None:
    at_end = {name: {key: run.lines[-1]["recall_at_1"] for key, run in race(name).items()} for name in RACES}
    raw, standardised = (at_end[name] for name in DIGITS)
    assert raw["semi-hard"] > raw["random"] > raw["batch-hard"] + 0.2
    assert race("digits-2d")["batch-hard"].lines[399]["spread"] < 0.01
    assert standardised["batch-hard"] > 0.9
    assert race("digits-2d-standardized")["batch-hard"].lines[399]["spread"] > 1
    assert at_end[EMOJI]["semi-hard"] > at_end[EMOJI]["batch-hard"] > 0.85
    tight = [line["frame_spread"] for line in race(EMOJI)["batch-hard"].lines[20:100] if line["frame"]]
    assert max(tight) < 0.1
    assert min(line["frame_spread"] for line in race(EMOJI)["semi-hard"].lines if line["frame"]) > 0.3
    told = (HERE / "README.md").read_text()
    for numbers in at_end.values():
        for strategy, recall in numbers.items():
            assert f"{strategy} | {recall:.3f}".replace("0.", ".") in told


@pytest.mark.parametrize("strategy", names(EMOJI))
def test_the_emoji_come_with_their_maps(strategy: str) -> None:
    run = race(EMOJI)[strategy]
    umap, own = (kept_map(run, kind) for kind in KINDS)
    assert umap is not None
    assert own is not None
    assert (run.path / "views").is_dir()
    assert umap.positions is not None
    assert np.isfinite(umap.positions).all()
    assert np.nanmean(jitter(umap.positions, umap.stayed)) < 0.015
    assert np.nanmax(jitter(umap.positions, umap.stayed)) < 0.04
    assert (umap.trust > own.trust).all()
    last = run.frames[run.frame_steps[-1]]
    # Half precision moves a map and a frame by less than can be seen; the shares hardly change.
    assert fidelity(last, umap.positions[-1]).trust == pytest.approx(float(umap.trust[-1]), abs=0.002)
    labels = run.samples.labels[run.probe_rows]
    nearest_on_map = nearest(umap.positions[-1], 1).index[:, 0]
    assert (labels[nearest_on_map] == labels).mean() > 0.75, "classes can be told apart on the map"


def test_the_emoji_race_can_be_recorded_again(maker: ModuleType, tmp_path: Path) -> None:
    chosen = next(each for each in maker.RACES if each.name == EMOJI)
    maker.record_one(chosen, "semi-hard", tmp_path / "run", steps=3)
    made, shipped = Run.open(tmp_path / "run"), race(EMOJI)["semi-hard"]
    for step in range(3):
        np.testing.assert_array_equal(made.batch(step)[0], shipped.batch(step)[0])
    np.testing.assert_allclose(made.frames[2], shipped.frames[2], atol=2e-3)
    assert np.load(made.path / "frames" / "step-0000000.npy").dtype == np.float16


@pytest.mark.parametrize("name", DIGITS)
def test_the_first_steps_come_out_the_same(name: str, maker: ModuleType, tmp_path: Path) -> None:
    # Batches and the random strategy's draws do not depend on rounding; the embedding hardly does so early.
    shipped = race(name)["random"]
    chosen = next(each for each in maker.RACES if each.name == name)
    maker.record_one(chosen, "random", tmp_path / "run", steps=6)
    made = Run.open(tmp_path / "run")
    assert made.race == shipped.race or np.allclose(made.frames[0], shipped.frames[0], atol=1e-5)
    for step in range(6):
        np.testing.assert_array_equal(made.batch(step)[0], shipped.batch(step)[0])
        for column in ("anchor", "positive", "negative"):
            np.testing.assert_array_equal(made.pick_rows(step)[column], shipped.pick_rows(step)[column])
    np.testing.assert_allclose(made.frames[5], shipped.frames[5], atol=1e-3)


@pytest.mark.slow
def test_the_script_finds_the_shipped_opening_again(maker: ModuleType) -> None:
    for name in RACES:
        told = json.loads((HERE / "races" / name / "race.json").read_text())["opening"]
        found = maker.choose_opening(race(name)["semi-hard"], told["step"])
        assert found == (told["anchor"], told["positive"])


@pytest.mark.slow
def test_semi_hard_beats_random_and_batch_hard_collapses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits, table = datasets.load("digits"), {}
    for strategy in NAMES:
        table[strategy] = []
        for seed in range(5):
            config = TrainConfig(
                strategy=strategy, dim=2, normalize=False, margin=1.0, lr=1e-2, steps=400, seed=seed, device="cpu"
            )
            out = tmp_path / f"{strategy}-{seed}"
            record(config, digits, out)
            closing = Run.open(out).lines[-1]
            assert closing["closing"]
            table[strategy].append(closing["recall_at_1"])
    with capsys.disabled():
        for strategy, found in table.items():
            print(f"\n{strategy:11}", *(f"{value:.3f}" for value in found), f" mean {np.mean(found):.3f}", end="")
        print()
    mean = {strategy: float(np.mean(found)) for strategy, found in table.items()}
    assert mean["semi-hard"] > mean["random"]
    assert min(mean["semi-hard"], mean["random"]) >= mean["batch-hard"] + 0.2
