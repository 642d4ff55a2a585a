"""A sweep: which cells a file means, that a cell is what `train` gives, and that nothing finished is ever lost."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tripletscope import Run
from tripletscope.cli import main
from tripletscope.cli.sweep import Bar, read_seeds
from tripletscope.config import TrainConfig
from tripletscope.errors import TripletscopeError
from tripletscope.schema import SWEEP, SWEEP_EFFORT
from tripletscope.sweep import crew, plan, table, worker
from tripletscope.sweep.folder import SweepFolder

SMALL = """
strategies = ["random", "hardest"]
seeds = [0, 1]
data = "toy2d:classes=6,points=20"
steps = 25
dim = 2
classes-per-batch = 4
margin = [0.2, 0.4]
"""
#: Processes of a sweep that a test starts by hand and kills.
START = [sys.executable, "-P", "-m", "tripletscope", "sweep"]


def cells(given: dict[str, Any], **more: Any) -> list[plan.Cell]:
    return list(plan.from_table(given, "file.toml", **more).cells)


# ---- what a file means --------------------------------------------------------------------------------------------


def test_every_combination_is_one_cell_and_seeds_take_turns() -> None:
    asked = plan.from_table(
        {"strategies": ["random", "hardest"], "seeds": [3, 5], "margin": [0.1, 0.2, 0.3], "lr": 0.01}, "a.toml"
    )
    found = [(cell.config.seed, cell.config.margin, cell.config.strategy) for cell in asked.cells]
    assert found == [(s, m, name) for s in (3, 5) for m in (0.1, 0.2, 0.3) for name in ("random", "hardest")]
    assert asked.varied == ("margin",)
    assert {cell.config.lr for cell in asked.cells} == {0.01}
    assert len({cell.name for cell in asked.cells}) == len({cell.digest for cell in asked.cells}) == 12


def test_variants_are_settings_under_a_name() -> None:
    asked = plan.from_table(
        {
            "title": "Two spaces",
            "seeds": [0],
            "margin": 0.2,
            "variants": {
                "raw": {"no-normalize": True, "margin": 1.0, "strategy": "hardest"},
                "sphere": {"param": {}, "strategy": "distance-weighted"},
                "narrow": {"strategy": "distance-weighted", "param": {"cutoff": 0.7}},
            },
        },
        "b.toml",
    )
    assert asked.title == "Two spaces"
    assert asked.varied == ("variant", "normalize", "margin", "param.cutoff")
    raw, sphere, narrow = asked.cells
    assert (raw.config.normalize, raw.config.margin, raw.config.strategy) == (False, 1.0, "hardest")
    assert sphere.config.normalize
    assert narrow.config.param == {"cutoff": 0.7}
    assert dict(narrow.varied) == {"variant": "narrow", "normalize": True, "margin": 0.2, "param.cutoff": 0.7}
    assert sphere.varied["param.cutoff"] is None
    assert raw.title == "hardest, raw, seed 0"


def test_switches_texts_and_shadows() -> None:
    found = cells({"normalize": [True, False], "distance": ["euclidean", "cosine"], "shadow": ["random", "hardest"]})
    assert len(found) == 4  # a list of shadows is one value
    assert {cell.config.shadow for cell in found} == {("random", "hardest")}
    assert [cell.varied["normalize"] for cell in cells({"no-normalize": [True, False]})] == [False, True]


def test_seeds_on_the_command_line_win() -> None:
    assert [cell.config.seed for cell in cells({"seeds": [0, 1]}, seeds=[7, 9])] == [7, 9]
    assert read_seeds("0-2,7") == [0, 1, 2, 7]
    assert read_seeds(None) is None


def test_a_name_follows_what_decides_the_result(tmp_path: Path) -> None:
    (one,), (same,), (other,) = cells({"lr": 0.01}), cells({"lr": 0.01, "checkpoint-every": 60}), cells({"lr": 0.02})
    assert one.digest == same.digest != other.digest
    assert one.name.endswith(one.digest[:8])
    file = tmp_path / "set.csv"
    file.write_text("a,label\n1,x\n")
    (before,) = cells({"data": str(file)})
    file.write_text("a,label\n1,x\n2,y\n")
    assert cells({"data": str(file)})[0].digest != before.digest


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"strategys": ["random"]}, ["key in file.toml", "'strategys'", "strategies"]),
    ({"margins": [0.1]}, ["'margins'", "'margin'"]),
    ({"seeds": []}, ["file.toml, seeds", "empty list"]),
    ({"margin": []}, ["file.toml, margin", "empty list"]),
    ({"margin": [0.1, -1]}, ["file.toml, margin", "--margin is -1.0", "above 0"]),
    ({"margin": [0.1, "wide"]}, ["file.toml", "margin", "a number", "'wide'"]),
    ({"margin": [0.1, 0.1]}, ["file.toml, margin", "twice"]),
    ({"steps": [[1, 2]]}, ["file.toml, steps", "one value", "variants"]),
    ({"strategy": "random", "strategies": ["random"]}, ["file.toml", "both given"]),
    ({"threads": 4}, ["file.toml", "one thread", "threads"]),
    ({"title": 3}, ["file.toml", "title", "text"]),
    ({"experiment": 3}, ["file.toml", "experiment", "table"]),
    ({"variants": {}}, ["file.toml", "variants", "[variants.raw]"]),
    ({"variants": {"raw": 3}}, ["file.toml, variants.raw", "table"]),
    ({"variants": {"raw": {"wide": 3}}}, ["file.toml, variants.raw", "'wide'"]),
    ({"variants": {"raw": {"margin": [1.0, 2.0]}}}, ["variants.raw", "margin", "one value"]),
    ({"variants": {"raw": {"margin": 0.0}}}, ["variants.raw, margin", "above 0"]),
    ({"variants": {"raw": {"seed": 3}}}, ["variants.raw", "seed", "seeds = [0, 1, 2]"]),
    ({"margin": [0.1, 0.2], "variants": {"raw": {"margin": 1.0}}}, ["variants.raw", "margin", "both places"]),
    ({"variants": {"a": {"lr": 0.1}, "b": {"lr": 0.1}}}, ["file.toml", "two variants", "same settings"]),
    ({"seeds": list(range(200)), "lr": [n / 1000 for n in range(1, 101)]}, ["20,000 trainings", "10,000"]),
]


@pytest.mark.parametrize(("given", "words"), BAD, ids=[" ".join(words[:1]) for _, words in BAD])
def test_a_bad_file_gives_one_sentence(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(TripletscopeError) as refused:
        cells(given)
    for word in words:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("strategies = [", ["not valid TOML", "sweep.toml"]),
        ('strategies = ["semi-hrad"]', ["sweep.toml, strategy", "'semi-hrad'", "'semi-hard'"]),
        ('data = "digts"', ["sweep.toml, data", "'digts'", "'digits'"]),
        ('data = "toy2d:clases=3"', ["sweep.toml, data", "'clases'", "'classes'"]),
        ('model = "cmm"', ["sweep.toml, model", "'cmm'"]),
        ('distance = "taxi"', ["sweep.toml, distance", "'taxi'"]),
        ('shadow = ["all", "hardset"]', ["sweep.toml, shadow", "'hardset'"]),
    ],
)
def test_the_command_refuses_before_anything_starts(
    content: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "sweep.toml", tmp_path / "out"
    file.write_text(content)
    assert main(["sweep", str(file), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_other_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sweep.toml"
    assert main(["sweep", str(file)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    file.write_text(SMALL)
    for option, word in (("--jobs=0", "--jobs is 0"), ("--seeds=a", "--seeds 'a'"), ("--seeds=3-1", "--seeds '3-1'")):
        assert main(["sweep", str(file), option]) == 2
        assert word in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    assert main(["sweep", str(file), "--out", str(tmp_path / "mine")]) == 2
    assert "holds no sweep" in capsys.readouterr().err
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


# ---- numbers of a cell --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of eight cells, made by the command with two processes."""
    place = tmp_path_factory.mktemp("swept")
    (place / "small.toml").write_text(SMALL)
    assert main(["sweep", str(place / "small.toml"), "--out", str(place / "out"), "--jobs", "2", "--quiet"]) == 0
    return place / "out"


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal but for what the clock says."""
    pd.testing.assert_frame_equal(
        one.drop(columns="cpu_seconds").reset_index(drop=True), other.drop(columns="cpu_seconds").reset_index(drop=True)
    )


def test_a_cell_equals_what_train_gives(swept: Path, tmp_path: Path) -> None:
    argv = "--data toy2d:classes=6,points=20 --steps 25 --dim 2 --classes-per-batch 4 --strategy hardest --seed 1"
    assert main(["train", *argv.split(), "--margin", "0.4", "--quiet", "--out", str(tmp_path / "run")]) == 0
    run = Run.open(tmp_path / "run")
    found, asked = table.read(swept / "results.parquet")
    mine = found[(found["strategy"] == "hardest") & (found["seed"] == 1) & (found["margin"] == 0.4)]
    scalars = run.scalars
    framed = scalars[scalars["frame"]]
    assert mine["step"].tolist() == framed["step"].tolist()
    for name in ("recall_at_1", "map_at_r"):
        np.testing.assert_array_equal(mine[name], framed[name].astype(np.float32))
    assert mine["triplets"].iloc[-1] == scalars["mined"].sum()
    spread, eligible, violating = (scalars[name].to_numpy() for name in ("spread", "eligible", "violating"))
    for line in mine.to_dict("records"):
        first = line["step"] - -(-line["step"] // 10)
        window = range(first, min(line["step"], 24) + 1)
        assert line["spread"] == pytest.approx(np.mean([spread[s] for s in window]), rel=1e-6)
        assert line["violating_share"] == pytest.approx(np.mean([violating[s] / eligible[s] for s in window]), rel=1e-6)
        assert line["least_spread"] == pytest.approx(min(spread[: min(line["step"], 24) + 1]), rel=1e-6)
    same(mine, mine.assign(**{name: column for name, column in table.measure(run).items() if name not in SWEEP_EFFORT}))
    (settings,) = [cell["settings"] for cell in asked["cells"] if cell["name"] == mine["cell"].iloc[0]]
    assert TrainConfig.from_dict(settings) == TrainConfig.from_dict(run.config["train"])


def test_the_table_has_every_cell_and_column(swept: Path) -> None:
    found, asked = table.read(swept / "results.parquet")
    assert found.columns.tolist() == ["cell", "strategy", "seed", "margin", *SWEEP]
    assert asked["varied"] == ["margin"]
    assert found["cell"].drop_duplicates().tolist() == [cell["name"] for cell in asked["cells"]]
    assert (found.groupby("cell")["step"].max() == 25).all()
    assert found["false_negative_share"].isna().all()
    assert found.drop(columns="false_negative_share").notna().all().all()
    assert (found.groupby("cell")["cpu_seconds"].max() > 0).all()
    assert not (swept / "runs").exists()
    assert not list((swept / "failed").iterdir())


def test_a_summary_is_median_and_range_over_the_seeds(swept: Path) -> None:
    found, asked = table.read(swept / "results.parquet")
    told = table.summary(found, asked["varied"])
    assert told[["strategy", "margin", "seeds"]].to_numpy().tolist() == [
        ["random", 0.2, 2],
        ["hardest", 0.2, 2],
        ["random", 0.4, 2],
        ["hardest", 0.4, 2],
    ]
    ends = found[(found["strategy"] == "hardest") & (found["margin"] == 0.2) & (found["step"] == 25)]["recall_at_1"]
    line = told.iloc[1]
    assert [line["recall_at_1_low"], line["recall_at_1_high"]] == sorted(ends.tolist())
    assert line["recall_at_1"] == pytest.approx(ends.mean())


def test_a_run_that_tells_little_gives_blanks(tmp_path: Path) -> None:
    from tripletscope import Recorder

    rng = np.random.default_rng(0)
    with Recorder(tmp_path / "run", margin=0.5) as recorder:
        recorder.step(rng.normal(size=(8, 3)).astype(np.float32), np.repeat([0, 1], 4), np.arange(8))
    columns = table.measure(Run.open(tmp_path / "run"))
    assert len(columns["step"]) == 0


def test_false_negatives_are_told_where_the_truth_is_known(tmp_path: Path) -> None:
    argv = "--data toy2d:classes=6,points=20 --steps 12 --classes-per-batch 4 --strategy hardest --label-noise 0.3"
    assert main(["train", *argv.split(), "--quiet", "--out", str(tmp_path / "run")]) == 0
    run = Run.open(tmp_path / "run")
    lines, found = run.lines, table.measure(run)["false_negative_share"]
    assert found[5] == pytest.approx(lines[5]["mined_false_negatives"] / lines[5]["mined"], abs=0.3)
    shares = [line["mined_false_negatives"] / line["mined"] for line in lines[10:12]]
    assert found[-1] == pytest.approx(np.mean(shares), rel=1e-6)
    assert found[-1] > 0


def test_settings_that_only_some_cells_have_are_null_elsewhere() -> None:
    asked = plan.from_table(
        {
            "strategy": "distance-weighted",
            "variants": {"a": {"param": {"cutoff": 0.7}}, "b": {"image-size": 8}, "c": {"model": "linear"}},
        },
        "c.toml",
    )
    rows = {name: np.zeros(2, np.float32) for name in SWEEP}
    whole = table.joined([table.cell_table(cell, rows, {}) for cell in asked.cells], asked).to_pandas()
    assert whole["param.cutoff"].dropna().tolist() == [0.7, 0.7]
    assert whole["image_size"].dropna().tolist() == [8, 8]
    assert whole["model"].dropna().tolist() == ["linear", "linear"]
    assert table.joined([], asked).num_rows == 0


# ---- starting again -----------------------------------------------------------------------------------------------


def test_a_second_start_trains_nothing_twice_and_what_is_new(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    out, file = shutil.copytree(swept, tmp_path / "out"), tmp_path / "small.toml"
    file.write_text(SMALL)
    times = {path.name: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    before = table.read(out / "results.parquet")[0]
    assert main(["sweep", str(file), "--out", str(out), "--json"]) == 0
    said = capsys.readouterr()
    assert "8 of 8 cells are finished already" in said.err
    assert len(json.loads(said.out)) == 4
    same(table.read(out / "results.parquet")[0], before)
    assert main(["sweep", str(file), "--out", str(out), "--seeds", "0,1,2", "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("finished ") == 8
    assert listed.count("to train  ") == 4
    assert "4 of 12 cells to train: about" in listed
    assert {path.name: path.stat().st_mtime_ns for path in (out / "cells").iterdir()} == times


def test_a_cell_that_fails_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "some.toml", tmp_path / "out"
    file.write_text(
        'strategies = ["random", "distance-weighted"]\ndata = "toy2d:classes=6,points=20"\nsteps = 3\n'
        "normalize = false\nclasses-per-batch = [4, 40]\n"
    )
    assert main(["sweep", str(file), "--out", str(out), "--jobs", "1", "--keep-runs"]) == 1
    said = capsys.readouterr()
    failed = [line for line in said.err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 2
    assert "random, classes per batch 40, seed 0: 40 classes per batch were asked for" in failed[1]
    assert "distance-weighted, classes per batch 4, seed 0; distance-weighted, classes per batch 40" in failed[0]
    assert table.read(out / "results.parquet")[0]["cell"].nunique() == 1
    assert len(list((out / "failed").iterdir())) == 3
    assert [Run.open(path).state for path in (out / "runs").iterdir()] == ["finished"]
    assert "random" in said.out
    assert main(["sweep", str(file), "--out", str(out), "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("refused    ") == 3
    assert "3 of 4 cells to train: about 0 s" in listed


class Killed:
    """A sweep in a process of its own, and what it leaves."""

    def __init__(self, out: Path, file: Path, *, jobs: int = 2) -> None:
        self.out = out
        with (out.parent / "said.txt").open("ab") as said:
            self.process = subprocess.Popen(
                [*START, str(file), "--out", str(out), "--jobs", str(jobs)], stdout=said, stderr=said
            )

    def wait(self, ready: Callable[[Path], bool]) -> None:
        begun = time.monotonic()
        while not ready(self.out):
            assert self.process.poll() is None, (self.out.parent / "said.txt").read_text()
            assert time.monotonic() - begun < 300
            time.sleep(0.01)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)


def started_again(out: Path, file: Path) -> pd.DataFrame:
    assert main(["sweep", str(file), "--out", str(out), "--jobs", "2", "--quiet"]) == 0
    return table.read(out / "results.parquet")[0]


def under_way(out: Path) -> bool:
    """Whether a cell is finished and another has made some steps."""
    steps = [path.read_bytes().count(b"\n") for path in out.glob("runs/*/scalars.jsonl")]
    return len(list(out.glob("cells/*.parquet"))) >= 1 and any(5 < made < 20 for made in steps)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL")
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_what_is_finished_survives_any_end_and_the_rest_goes_on(
    number: int, swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "out", tmp_path / "small.toml"
    file.write_text(SMALL)
    killed = Killed(out, file)
    killed.wait(under_way)
    code = killed.end(number)
    assert code == (130 if number == signal.SIGINT else -signal.SIGKILL)
    if number == signal.SIGINT:
        assert "cells are not finished; the same command goes on with them" in (tmp_path / "said.txt").read_text()
    with SweepFolder(out).locked():  # when the last of its processes has ended
        pass
    kept = sorted((out / "cells").glob("*.parquet"))
    times = [path.stat().st_mtime_ns for path in kept]
    assert 1 <= len(kept) < 8
    for path in kept:
        assert table.pq.read_table(path).num_rows > 10  # whole, or not there at all
    found = started_again(out, file)
    assert [path.stat().st_mtime_ns for path in kept] == times
    same(found, table.read(swept / "results.parquet")[0])
    assert not list(out.rglob("*.tmp"))
    assert not (out / "runs").exists()


def test_the_run_of_a_cell_goes_before_its_numbers_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, seen = tmp_path / "small.toml", []
    file.write_text(SMALL)
    cell = plan.read(file).cells[0]
    run, out = tmp_path / "run", tmp_path / "cell.parquet"
    task = {
        "name": cell.name, "title": cell.title, "variant": cell.variant, "varied": dict(cell.varied),
        "digest": cell.digest, "settings": cell.config.to_dict(), "stamp": "", "run": str(run), "out": str(out),
    }  # fmt: skip
    monkeypatch.setattr(table, "write", lambda path, rows: seen.append(run.exists()))
    for keep in (False, True):
        told = io.StringIO()
        worker.do({**task, "keep_run": keep}, worker.Told(told), threading.Event())
        assert '"done"' in told.getvalue()
    assert seen == [False, True]


def test_a_process_that_dies_costs_its_cell_and_no_other(tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "small.toml"
    file.write_text(SMALL.replace("margin = [0.2, 0.4]", ""))
    folder, asked = SweepFolder(out), plan.read(file)
    folder.open(asked)
    ends: dict[str, crew.Event] = {}
    for event in crew.work(asked.cells, folder, jobs=1):
        if event.kind == "begun" and not ends:
            status = folder.run(event.cell) / "status.json"
            wait_for(status)
            os.kill(json.loads(status.read_text())["pid"], signal.SIGKILL)
        if event.kind in crew.ENDS:
            ends[event.cell.title] = event
    assert [event.kind for event in ends.values()] == ["failed", "done", "done", "done"]
    assert "its process ended by signal 9" in ends["random, seed 0"].reason
    assert started_again(out, file)["cell"].nunique() == 4
    assert not list((out / "failed").iterdir())


def test_a_process_that_cannot_start_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    monkeypatch.setattr("tripletscope.sweep.crew.sys.executable", str(tmp_path / "no-python"))
    assert main(["sweep", str(file), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert "no process could be started" in capsys.readouterr().err


def wait_for(path: Path) -> None:
    begun = time.monotonic()
    while not path.exists():
        assert time.monotonic() - begun < 120
        time.sleep(0.002)


def test_two_sweeps_do_not_share_a_folder(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    monkeypatch.setattr("tripletscope.sweep.folder.PATIENCE", 0.3)
    with SweepFolder(swept).locked():
        assert main(["sweep", str(file), "--out", str(swept)]) == 2
    said = capsys.readouterr().err
    assert "waiting for the processes of an earlier start" in said
    assert "Another process works on the sweep" in said


@pytest.mark.slow
def test_a_torn_cell_is_trained_again(swept: Path, tmp_path: Path) -> None:
    import shutil

    out, file = shutil.copytree(swept, tmp_path / "out"), tmp_path / "small.toml"
    file.write_text(SMALL)
    torn = sorted((out / "cells").iterdir())[3]
    torn.write_bytes(torn.read_bytes()[:500])
    same(started_again(out, file), table.read(swept / "results.parquet")[0])


# ---- what one sees ------------------------------------------------------------------------------------------------


def test_a_bar_tells_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    found = cells({"strategies": ["random", "hardest"], "steps": 100})
    events = [
        crew.Event("begun", found[0]),
        crew.Event("step", found[0], step=40),
        crew.Event("done", found[0], recall_at_1=0.75),
        crew.Event("failed", found[1], reason="no"),
    ]
    for terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        with Bar(found) as bar:
            for event in events:
                bar.show(event)
        said = capsys.readouterr().err
        assert ("2 of 2 cells" if terminal else "1/2  random, seed 0  R@1 0.750  about 0 s left") in said
    with Bar(found, quiet=True) as bar:
        for event in events:
            bar.show(event)
    assert capsys.readouterr().err == ""
