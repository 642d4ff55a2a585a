"""The command line from its outer door: what it prints, what it refuses, and what it leaves behind (nothing)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tripletscope.cli import build_parser, commands, main
from tripletscope.cli.export import read_steps
from tripletscope.cli.progress import Progress
from tripletscope.errors import SettingError
from tripletscope.training import StepInfo

TRAIN = ["train", "--quiet", "--steps", "3"]


def refusal(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    """The one line that a refused command prints."""
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("tripletscope: ")
    assert lines[0].endswith(".")
    return lines[0]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tripletscope ")


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    names = [command.name for command in commands()]
    assert {"train", "strategies", "runs", "export"} <= set(names)
    for name in names:
        assert main([name, "--help"]) == 0
        assert f"tripletscope {name}" in capsys.readouterr().out.partition("example:")[2]


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["train", "--steps", "many"], ["train", "--step", "3"]])
def test_what_argparse_refuses_is_exit_code_2_too(argv: list[str]) -> None:
    assert main(argv) == 2


def test_a_command_that_cannot_be_loaded_says_so_when_it_is_called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        name = "broken"

        def load(self) -> None:
            raise ImportError("no such module")

    monkeypatch.setattr("tripletscope.cli.entry_points", lambda group: [Broken()])
    assert "no such module" in refusal(capsys, ["broken"])
    assert main(["train", "--help"]) == 0


# ---- bad input: one sentence, exit code 2, no folder -----------------------------------------------------------


def picture(path: Path, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(path)


def empty_folder(place: Path) -> Path:
    (place / "empty").mkdir()
    return place / "empty"


def sizes_that_differ(place: Path) -> Path:
    for label, size in (("a", (8, 8)), ("b", (9, 8))):
        for number in range(3):
            picture(place / "pictures" / label / f"{number}.png", size)
    return place / "pictures"


def class_of_one(place: Path) -> Path:
    for label, count in (("a", 3), ("b", 3), ("lonely", 1)):
        for number in range(count):
            picture(place / "pictures" / label / f"{number}.png")
    return place / "pictures"


def one_class(place: Path) -> Path:
    for number in range(4):
        picture(place / "pictures" / "only" / f"{number}.png")
    return place / "pictures"


def no_picture(place: Path) -> Path:
    picture(place / "pictures" / "a" / "0.png")
    for name in ("a/1.png", "b/0.png", "b/1.png"):
        target = place / "pictures" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"this is no picture")
    return place / "pictures"


def archive(bad: float) -> Callable[[Path], Path]:
    def build(place: Path) -> Path:
        features = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
        features[5, 2] = bad
        np.savez(place / "features.npz", features=features, labels=np.repeat([0, 1], 4))
        return place / "features.npz"

    return build


def table(place: Path) -> Path:
    rows = ["x,y,kind"] + [f"{i}.5,{i % 3}.25,{'ab'[i % 2]}" for i in range(8)]
    (place / "table.csv").write_text("\n".join(rows) + "\n")
    return place / "table.csv"


def not_an_archive(place: Path) -> Path:
    (place / "broken.npz").write_bytes(b"PK but not really")
    return place / "broken.npz"


BAD_DATA: dict[str, tuple[Callable[[Path], Path], list[str], str]] = {
    "empty folder": (empty_folder, [], "empty"),
    "pictures of different sizes": (sizes_that_differ, [], "--image-size"),
    "a class of one sample": (class_of_one, [], "lonely"),
    "a single class": (one_class, [], "only"),
    "a file that is no picture": (no_picture, [], "1.png"),
    "NaN in features": (archive(np.nan), [], "NaN"),
    "Inf in features": (archive(np.inf), [], "inf"),
    "an unreadable archive": (not_an_archive, [], "broken.npz"),
    "an unknown column": (table, ["--label", "kin"], "kind"),
    "more classes per batch than there are": (table, ["--label", "kind", "--classes-per-batch", "3"], "2"),
    "a missing file": (lambda place: place / "nowhere.npz", [], "nowhere.npz"),
}


@pytest.mark.parametrize("case", BAD_DATA, ids=lambda case: case.replace(" ", "-"))
def test_bad_data_is_one_sentence_and_leaves_nothing(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, options, named = BAD_DATA[case]
    out = tmp_path / "out" / "run"
    said = refusal(capsys, [*TRAIN, "--data", str(build(tmp_path)), *options, "--out", str(out)])
    assert named.lower() in said.lower()
    assert not out.parent.exists()


BAD_OPTIONS: dict[str, tuple[list[str], str]] = {
    "strategy": (["--strategy", "semihard"], "Did you mean 'semi-hard'"),
    "shadow": (["--shadow", "random,hardes"], "Did you mean 'hardest'"),
    "shadow beside all": (["--shadow", "all,hardes"], "Did you mean 'hardest'"),
    "data set": (["--data", "digitz"], "Did you mean 'digits'"),
    "model": (["--model", "mpl"], "Did you mean 'mlp'"),
    "distance": (["--distance", "euclid"], "Did you mean 'euclidean'"),
    "device": (["--device", "gpu"], "cuda"),
    "parameter": (["--strategy", "distance-weighted", "--param", "cutof=0.5"], "Did you mean 'cutoff'"),
    "parameter's range": (["--strategy", "distance-weighted", "--param", "cutoff=3"], "cutoff"),
    "parameter's form": (["--strategy", "distance-weighted", "--param", "cutoff"], "param"),
    "P": (["--classes-per-batch", "11"], "10"),
    "K": (["--samples-per-class", "1"], "--samples-per-class"),
    "unit vectors": (["--strategy", "distance-weighted", "--no-normalize"], "--no-normalize"),
    "unit vectors of a shadow": (["--shadow", "distance-weighted", "--no-normalize"], "--no-normalize"),
    "cnn on features": (["--data", "TABLE", "--label", "kind", "--classes-per-batch", "2", "--model", "cnn"], "cnn"),
    "lr 0": (["--lr", "0"], "--lr"),
    "lr below 0": (["--lr=-1"], "--lr"),
    "lr NaN": (["--lr", "nan"], "--lr"),
    "steps 0": (["--steps", "0"], "--steps"),
    "margin 0": (["--margin", "0"], "--margin"),
    "margin infinite": (["--margin", "inf"], "--margin"),
    "dim 0": (["--dim", "0"], "--dim"),
    "threads 0": (["--threads", "0"], "--threads"),
    "config missing": (["--config", "nowhere.toml"], "nowhere.toml"),
    "a label of a data set that has its own": (["--label", "kind"], "--label"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS, ids=lambda case: case.replace(" ", "-"))
def test_a_bad_option_is_one_sentence_and_leaves_nothing(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, named = BAD_OPTIONS[case]
    options = [str(table(tmp_path)) if option == "TABLE" else option for option in options]
    out = tmp_path / "out" / "run"
    assert named in refusal(capsys, [*TRAIN, *options, "--out", str(out)])
    assert not out.parent.exists()


def test_a_device_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    said = refusal(capsys, [*TRAIN, "--device", "cuda", "--out", str(tmp_path / "run")])
    assert "'cuda'" in said
    assert not (tmp_path / "run").exists()


def test_an_existing_folder_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert "--resume" in refusal(capsys, [*TRAIN, "--out", str(tmp_path / "run")])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_debug_shows_where_a_refusal_came_from(tmp_path: Path) -> None:
    with pytest.raises(SettingError):
        main([*TRAIN, "--lr", "0", "--debug", "--out", str(tmp_path / "run")])


# ---- a config file ---------------------------------------------------------------------------------------------


def test_typed_options_win_over_the_config_file(tmp_path: Path) -> None:
    from tripletscope.cli.train import settings

    file = tmp_path / "settings.toml"
    file.write_text(
        'margin = 1\nclasses-per-batch = 4\nno-normalize = true\nshadow = ["random", "hardest"]\n[param]\ncutoff = 1\n'
    )
    argv = ["train", "--config", str(file), "--margin", "0.5", "--normalize"]
    config, out = settings(build_parser().parse_args(argv))
    assert (config.margin, config.classes_per_batch, config.normalize) == (0.5, 4, True)
    assert (config.shadow, config.param) == (("random", "hardest"), {"cutoff": 1.0})
    assert out == Path("runs/digits-semi-hard-0")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("marginn = 1", "Did you mean 'margin'"),
        ("steps = 1.5", "steps"),
        ('lr = "high"', "lr"),
        ("normalize = 1", "normalize"),
        ("margin = ", "not valid TOML"),
    ],
)
def test_a_bad_config_file(content: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.toml").write_text(content)
    said = refusal(capsys, [*TRAIN, "--config", str(tmp_path / "settings.toml"), "--out", str(tmp_path / "run")])
    assert named in said
    assert "settings.toml" in said
    assert not (tmp_path / "run").exists()


# ---- strategies, runs, export ----------------------------------------------------------------------------------


def test_strategies_lists_every_one_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    from tripletscope import strategies

    assert main(["strategies", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in records] == strategies.names()
    assert all(record["source"] for record in records)
    assert main(["strategies"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in strategies.names())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps with two shadows."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    argv = ["train", "--quiet", "--data", "digits", "--shadow", "random,batch-all", "--steps", "4", "--dim", "2"]
    assert main([*argv, "--out", str(out)]) == 0
    return out


def test_a_recorded_run_holds_what_decided_it(recorded: Path) -> None:
    from tripletscope import Run

    run = Run.open(recorded)
    assert run.state == "finished"
    assert run.step_count == 4
    assert run.strategies == ["semi-hard", "random", "batch-all"]
    assert run.training == "semi-hard"
    assert run.config["train"]["dim"] == 2
    assert run.config["data"]["name"] == "digits"
    assert set(run.race) == {"weights", "batches"}
    assert 4 in run.frame_steps  # the closing frame
    assert 0.1 < run.scalars["recall_at_1"].iloc[-1] <= 1


def test_runs_lists_them(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recorded.parent / "damaged").mkdir(exist_ok=True)
    (recorded.parent / "damaged" / "config.json").write_text("{")
    assert main(["runs", str(recorded.parent), "--json"]) == 0
    damaged, tiny = json.loads(capsys.readouterr().out)
    assert damaged["state"] == "unreadable"
    assert tiny | {"path": "", "recall_at_1": 0, "spread": 0} == {
        "name": "tiny",
        "path": "",
        "state": "finished",
        "message": None,
        "step": 4,
        "strategy": "semi-hard",
        "recall_at_1": 0,
        "spread": 0,
    }
    assert 0 < tiny["recall_at_1"] <= 1
    assert main(["runs", str(recorded.parent)]) == 0
    assert "semi-hard" in capsys.readouterr().out


def test_runs_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert "tripletscope train" in capsys.readouterr().out
    assert "nowhere" in refusal(capsys, ["runs", str(tmp_path / "nowhere")])


def test_export_writes_each_kind(recorded: Path, tmp_path: Path) -> None:
    import pandas

    for what, name in (("picks", "p.csv"), ("scalars", "s.csv"), ("frames", "f.npz")):
        assert main(["export", str(recorded), "--what", what, "--out", str(tmp_path / name)]) == 0
    assert set(pandas.read_csv(tmp_path / "p.csv")["step"]) == {0, 1, 2, 3}
    argv = ["export", str(recorded), "--what", "picks", "--steps", "1:3", "--strategy", "random"]
    assert main([*argv, "--out", str(tmp_path / "some.csv")]) == 0
    some = pandas.read_csv(tmp_path / "some.csv")
    assert set(some["step"]) == {1, 2}
    assert set(some["strategy"]) == {"random"}


def test_export_refuses(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.csv"
    picks = ["export", str(recorded), "--what", "picks", "--out", str(out)]
    assert "3:1" in refusal(capsys, [*picks, "--steps", "3:1"])
    assert "hardest" in refusal(capsys, [*picks, "--strategy", "hardest"])
    assert "nowhere" in refusal(capsys, ["export", str(tmp_path / "nowhere"), *picks[2:]])
    assert "--what scalars" in refusal(
        capsys, ["export", str(recorded), "--what", "scalars", "--raw", "--out", str(out)]
    )
    assert not out.exists()
    assert main(picks) == 0
    capsys.readouterr()
    assert "p.csv" in refusal(capsys, picks)
    assert main([*picks, "--overwrite"]) == 0
    capsys.readouterr()
    folder = ["export", str(recorded), "--what", "picks", "--overwrite", "--out", str(tmp_path / "folder.csv")]
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in refusal(capsys, folder)


def test_export_of_a_damaged_run_says_what_is_missing(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = shutil.copytree(recorded, tmp_path / "run")
    assert main(["export", str(damaged), "--what", "picks", "--out", str(tmp_path / "whole.csv")]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1
    (damaged / "picks" / "picks.parquet").unlink()
    assert main(["export", str(damaged), "--what", "picks", "--out", str(tmp_path / "p.csv")]) == 0
    assert "picks" in capsys.readouterr().err.splitlines()[0]
    (damaged / "samples" / "samples.arrows").unlink()
    assert main(["export", str(damaged), "--what", "frames", "--out", str(tmp_path / "f.csv")]) == 0
    assert "named by their rows" in capsys.readouterr().err


# ---- progress --------------------------------------------------------------------------------------------------


def report(progress: Progress) -> None:
    with progress:
        for step in range(3):
            progress.step(StepInfo(step, 3, 0.1, 2.5, None if step == 0 else 0.75))


def test_progress_in_a_log_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    report(Progress(every=0.0))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert said[0].startswith("step 1/3 ")
    assert "R@1 –" in said[0]
    assert said[2].endswith("R@1 0.750  spread 2.50")
    assert "steps/s" in said[2]


def test_progress_on_a_terminal_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report(Progress())
    said = capsys.readouterr().err
    assert "3/3" in said
    assert "R@1 0.750" in said


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    report(Progress(quiet=True, every=0.0))
    assert capsys.readouterr().err == ""


def test_steps_are_sliced_as_in_python() -> None:
    assert read_steps("3:5") == range(3, 5)
    assert read_steps(":5") == range(5)
    assert read_steps(None) is None
    assert read_steps("3:") is not None


def test_small_classes_and_empty_exports_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "set.npz", tmp_path / "run"
    labels = np.repeat([0, 1, 2], [4, 4, 2])
    np.savez(file, features=np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32), labels=labels)
    assert main(["train", "--data", str(file), "--classes-per-batch", "3", "--steps", "2", "--out", str(out)]) == 0
    assert "1 of 3 classes have fewer than --samples-per-class 4 samples" in capsys.readouterr().err
    csv = str(tmp_path / "none.csv")
    assert main(["export", str(out), "--what", "picks", "--steps", "100:200", "--out", csv]) == 0
    assert "(0 rows, " in capsys.readouterr().err


def test_no_data_set_has_an_empty_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "", "--out", str(tmp_path / "run")]) == 2
    assert "digits" in capsys.readouterr().err
