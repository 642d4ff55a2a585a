"""A run that is damaged in one file, cut short, still growing or from a newer version: opened as far as it goes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.app import tiny

from tripletscope import Run
from tripletscope_app import loaders
from tripletscope_app.component.pack import unpack
from tripletscope_app.loaders import Race

#: What stands in a finished run, but config.json, without which nothing is known.
FILES = (
    "status.json",
    "scalars.jsonl",
    "samples/samples.arrows",
    "samples/thumbs.png",
    "samples/thumbs.json",
    "batches/batches.parquet",
    "picks/picks.parquet",
    "plane/plane.parquet",
    "frames/step-0000005.npy",
    "batches/embeddings-0000005.npy",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny.record(tmp_path_factory.mktemp("runs") / "whole")


def broken(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "half":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(b"\x00\xff garbage" * 40)


def load(folder: Path) -> loaders.Loaded:
    return loaders.load(Race(folder.name, folder.name, folder.name, "", (str(folder),)))


@pytest.mark.parametrize("how", ["missing", "half", "garbage"])
@pytest.mark.parametrize("name", FILES)
def test_one_damaged_file_costs_what_it_held_and_no_more(name, how, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert name in found, found
    broken(folder / name, how)
    loaded = load(folder)
    if name == "scalars.jsonl" and how != "half":  # the steps themselves: nothing is committed without them
        assert not loaded.runs
        assert loaded.unreadable[0].startswith("run: ")
        return
    (run,) = loaded.runs
    head, arrays = unpack(loaded.blobs[0])
    assert head["n"] == tiny.CLASSES * tiny.EACH
    assert len(arrays["pos"]) == len(run.frame_steps) >= 1
    if not name.startswith("batches/embeddings"):  # kept for recomputing batch-all only; nothing on the page needs it
        assert run.notes or run.state != "finished", "somebody says what is missing"
    for note in run.notes:
        assert "\n" not in note
        assert "Traceback" not in note


def test_a_newer_format_is_shown_with_one_line(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "format": 9}))
    (run,) = load(folder).runs
    assert run.notes == [
        "written in format 9, this tripletscope knows format 1: what is newer is left out; update to see it"
    ]


def test_a_run_that_grows_is_read_again(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    tiny.kill(folder, 6)
    first = load(folder)
    assert first.runs[0].step_count == 7
    shutil.copy(whole / "scalars.jsonl", folder / "scalars.jsonl")
    again = load(folder)
    assert again.runs[0].step_count == tiny.STEPS
    assert again.digests != first.digests


def test_without_its_config_a_run_is_named_and_left_out(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "config.json").unlink()
    loaded = load(folder)
    assert not loaded.runs
    assert loaded.unreadable[0].startswith("run: ")
    assert Run.open(whole).notes == []
