"""`tripletscope project`, and how maps are kept: found again, never half-written, never stale, in the right folder."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis import maps
from tripletscope.analysis.fidelity import moved_through_time
from tripletscope.analysis.maps import keep_map, kept_map, make_map, where_kept
from tripletscope.cli import main
from tripletscope.datasets import sample_data_dir
from tripletscope.errors import DataError

JOB = [sys.executable, "-P", "-m", "tripletscope", "project", "--lines"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.open(tiny.record(tmp_path / "run", dim=5))


def told(line: str) -> dict[str, Any]:
    return dict(json.loads(line))


def test_a_map_is_kept_with_the_run_and_found_again(run: Run) -> None:
    assert kept_map(run, "umap") is None
    made = make_map(run, "umap")
    path = keep_map(run, made)
    assert path.parent == run.path / "views"
    found = kept_map(Run.open(run.path), "umap")
    assert found is not None
    np.testing.assert_array_equal(found.positions, made.positions)
    np.testing.assert_array_equal(found.trust, made.trust)
    np.testing.assert_allclose(found.stayed, made.stayed, atol=1e-3)
    assert found.badge == "UMAP, aligned through time"
    assert found.steps == list(run.frame_steps)
    copied = shutil.copytree(run.path, run.path.parent / "copy")
    assert kept_map(Run.open(copied), "umap") is not None, "a map belongs to the content, not to the place"


def test_the_own_map_has_true_movement(run: Run) -> None:
    made = make_map(run, "own")
    keep_map(run, made)
    found = kept_map(run, "own")
    assert found is not None
    assert found.positions is None
    frames = [np.asarray(run.frames[step]) for step in run.frame_steps]
    np.testing.assert_allclose(found.moved, moved_through_time(frames), rtol=1e-6)
    assert np.isnan(found.moved[0]).all()
    assert ((found.kept > 0) & (found.kept <= 1)).all()


def test_a_run_that_grew_has_another_map_and_the_old_one_goes(run: Run) -> None:
    tiny.kill(run.path, 6)
    short = Run.open(run.path)
    old = keep_map(short, make_map(short, "umap"))
    longer = Run.open(tiny.record(run.path.parent / "other", dim=5))
    shutil.copytree(run.path / "views", longer.path / "views")
    assert kept_map(longer, "umap") is None
    keep_map(longer, make_map(longer, "umap"))
    assert [file.name for file in (longer.path / "views").iterdir()] != [old.name]
    assert len(list((longer.path / "views").iterdir())) == 1


def test_a_damaged_or_foreign_file_is_no_map(run: Run) -> None:
    path = keep_map(run, make_map(run, "umap"))
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"PK\x03\x04 no zip", whole[::-1]):
        path.write_bytes(content)
        assert kept_map(run, "umap") is None
    made = io.BytesIO()
    np.savez(made, kept=np.zeros(3))
    path.write_bytes(made.getvalue())
    assert kept_map(run, "umap") is None
    np.savez(path, kept=np.array([{"a": 1}], dtype=object))  # pickled: not opened
    assert kept_map(run, "umap") is None


def test_where_the_run_cannot_be_written_the_cache_has_it(run: Run, cache: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(maps, "is_writable", lambda run: False)
    path = keep_map(run, make_map(run, "own"))
    assert path.is_relative_to(cache)
    assert not (run.path / "views").exists()
    assert kept_map(run, "own") is not None


def test_shipped_recordings_are_left_as_they_are(cache: Path, monkeypatch: Any) -> None:
    shipped = Run.open(sample_data_dir() / "races" / "digits-2d" / "random")
    wanted: list[bool] = []
    monkeypatch.setattr(maps, "keep_view", lambda run, name, arrays, beside: wanted.append(beside) or run.path)
    shape = (len(shipped.frame_steps), len(shipped.probe_rows))
    none, blank = np.zeros(shape[0], np.float32), np.zeros(shape, np.float32)
    keep_map(shipped, maps.Map("own", list(shipped.frame_steps), None, none, none, blank, blank, 0.0))
    assert wanted == [False]


def test_a_run_without_a_frame_is_refused(tmp_path: Path) -> None:
    folder = tiny.record(tmp_path / "run")
    (folder / "scalars.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match="no frame yet"):
        make_map(Run.open(folder), "umap")


def test_the_command_writes_positions(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet as pq

    out = tmp_path / "positions.parquet"
    assert main(["project", str(run.path), "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert "UMAP, aligned through time: 15 nearest kept" in said
    table = pq.read_table(out)
    assert table.column_names == ["step", "id", "label", "x", "y", "moved", "stayed"]
    assert len(table) == len(run.frame_steps) * len(run.probe_rows)
    found = kept_map(run, "umap")
    assert found is not None
    assert found.positions is not None
    np.testing.assert_array_equal(table["x"].to_numpy(), found.positions[..., 0].ravel())
    assert table["id"].to_pylist()[:2] == [100, 101]
    assert main(["project", str(run.path), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["project", str(run.path), "--space", "own", "--out", str(tmp_path / "own.npz"), "--quiet"]) == 0
    with np.load(tmp_path / "own.npz") as content:
        assert content["positions"].shape == (len(run.frame_steps), 24, 2)
    assert main(["project", str(run.path)]) == 0
    assert "kept from an earlier time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--threads", "0"], "--threads is 0"),
        (["--out", "x.txt"], ".npz or .parquet"),
        (["--out", "nowhere/x.npz"], "in a folder that exists"),
    ],
)
def test_a_refusal_is_one_sentence(run: Run, options: list[str], words: str, capsys: Any) -> None:
    assert main(["project", str(run.path), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_no_run_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["project", str(tmp_path / "nothing")]) == 2
    assert "no run folder" in capsys.readouterr().err


def start(*runs: Path, space: str = "umap") -> subprocess.Popen[str]:
    command = [*JOB, "--space", space, *map(str, runs)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def test_the_job_tells_how_far_it_is(run: Run, tmp_path: Path) -> None:
    with start(tmp_path / "nothing", run.path) as job:
        lines = [told(line) for line in job.stdout or []]
        assert job.wait(60) == 1
    assert lines[0]["state"] == "failed"
    assert "no run folder" in lines[0]["message"]
    assert lines[1] == {"run": str(run.path), "state": "running", "done": 0, "total": 0}
    assert lines[-1] == {"run": str(run.path), "state": "ready"}
    assert kept_map(run, "umap") is not None
    with start(run.path) as again:
        assert [told(line)["state"] for line in again.stdout or []] == ["ready"]
        assert again.wait(60) == 0


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of many samples, whose map takes seconds."""
    from tripletscope.samples import Samples

    labels = np.repeat(np.arange(4), 300)
    who = Samples(ids=np.arange(1200), labels=labels, class_names=list("abcd"), thumbs=None)
    return tiny.record(tmp_path_factory.mktemp("long") / "run", dim=24, samples=who)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", ["hang up", "terminate", "kill"])
def test_a_cancel_leaves_nothing_half_written(long_run: Path, cache: Path, how: str) -> None:
    with start(long_run) as job:
        assert job.stdout is not None
        assert job.stdin is not None
        while told(job.stdout.readline()).get("done", 0) < 5:
            pass
        began = time.monotonic()
        if how == "hang up":
            job.stdin.close()
        else:
            job.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGKILL)
        rest = [told(line) for line in job.stdout]
        job.wait(60)
    assert time.monotonic() - began < 30
    assert job.returncode != 0
    assert [line["state"] for line in rest if line["state"] != "running"] == ([] if how == "kill" else ["cancelled"])
    assert where_kept(Run.open(long_run), "umap") is None
    assert not (long_run / "views").exists()
    assert not cache.exists() or not list(cache.rglob("*.*"))
