"""What is written is what is read: every reader method against numbers computed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.core import recorded

from tripletscope import Run
from tripletscope.errors import RunError, UnknownNameError
from tripletscope.store import layout, status
from tripletscope.zones import zone_codes_numpy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "small"
    return Run.open(recorded.record(folder, config={"race": {"weights": "w"}, "note": "größer"}))


def test_the_run_tells_how_far_it_came(run: Run) -> None:
    assert run.steps == list(range(21))  # 20 steps and the closing frame
    assert (run.step_count, run.state, run.state_text) == (20, "finished", "finished, 20 steps")
    assert run.notes == []
    assert run.race == {"weights": "w"}
    assert run.config["note"] == "größer"
    assert (run.margin, run.distance, run.training) == (1.0, "euclidean", "own")
    assert run.strategies == ["own", "semi-hard", "random"]


def test_picks_are_the_triplets_that_were_given(run: Run) -> None:
    picks = run.picks(step=7, training=True)
    a, p, n = recorded.own_triplets(7)
    rows = recorded.batch_rows(7)
    ids = recorded.samples().ids
    assert picks["anchor"].tolist() == ids[rows[a]].tolist()
    assert picks["positive"].tolist() == ids[rows[p]].tolist()
    assert picks["negative"].tolist() == ids[rows[n]].tolist()
    x = recorded.points(7)[rows].astype(np.float64)
    np.testing.assert_allclose(picks["d_ap"], np.linalg.norm(x[a] - x[p], axis=1), rtol=1e-6)
    np.testing.assert_allclose(picks["d_an"], np.linalg.norm(x[a] - x[n], axis=1), rtol=1e-6)
    assert set(picks["strategy"]) == {"own"}
    assert picks["training"].all()
    assert picks["weight"].tolist() == [1, 1]


def test_shadows_pick_what_the_strategy_picks_by_itself(run: Run) -> None:
    import torch

    from tripletscope import strategies
    from tripletscope.batch import Batch
    from tripletscope.seeding import generator

    rows = recorded.batch_rows(11)
    batch = Batch.from_embeddings(torch.from_numpy(recorded.points(11)[rows]), torch.from_numpy(recorded.LABELS[rows]))
    for name in ("semi-hard", "random"):
        chance = generator(0, "strategy", name, 11)
        wanted = strategies.get(name).pick(batch, margin=1.0, generator=chance)
        got = run.pick_rows(11, strategy=name)
        slot = {row: place for place, row in enumerate(rows.tolist())}
        triples = zip(*(got[k].tolist() for k in ("anchor", "positive", "negative")), strict=True)
        assert {tuple(slot[row] for row in one) for one in triples} == wanted.to_set()
        told = run.lines[11]["shadows"][name]
        zones = np.bincount(zone_codes_numpy(got["d_an"] - got["d_ap"], 1.0), minlength=3).tolist()
        assert [told["hard"], told["semi_hard"], told["easy"]] == zones
        assert told["mined"] == len(wanted)
        assert told["abstained"] == strategies.get(name).abstained(batch, wanted)


def test_exact_counts_and_plane_are_those_of_plain_loops(run: Run) -> None:
    rows = recorded.batch_rows(5)
    run_rows, labels = run.batch(5)
    assert run_rows.tolist() == rows.tolist()
    assert labels.tolist() == recorded.LABELS[rows].tolist()
    x = recorded.points(5)[rows]
    d = np.linalg.norm(x[:, None].astype(np.float64) - x[None].astype(np.float64), axis=2)
    width, counts = run.plane(5)
    wanted, zones = np.zeros((64, 64), np.int64), [0, 0, 0]
    for a in range(len(x)):
        for p in range(len(x)):
            for n in range(len(x)):
                if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
                    wanted[int(d[a, p] / width), int(d[a, n] / width)] += 1
                    gap = d[a, n] - d[a, p]
                    zones[0 if gap <= 0 else 1 if gap < 1.0 else 2] += 1
    np.testing.assert_array_equal(counts, wanted)
    line = run.lines[5]
    assert [line["hard"], line["semi_hard"], line["easy"]] == zones
    assert line["eligible"] == sum(zones) == counts.sum()
    assert line["violating"] == zones[0] + zones[1]
    assert line["mean_distance"] == pytest.approx(d[~np.eye(9, dtype=bool)].mean())


def test_frames_are_read_lazily_and_name_their_samples(run: Run) -> None:
    assert run.frame_steps == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 20]
    assert list(run.frames) == run.frame_steps
    np.testing.assert_array_equal(run.frames[13], recorded.points(13))
    assert isinstance(run.frames[13].base, np.memmap) or isinstance(run.frames[13], np.memmap)
    np.testing.assert_array_equal(run.probe_rows, np.arange(recorded.COUNT))
    assert 10 not in run.frames
    with pytest.raises(KeyError):
        run.frames[10]
    embedding = run.batch_embeddings(13)
    np.testing.assert_array_equal(embedding, recorded.points(13)[recorded.batch_rows(13)])
    assert run.batch_embeddings(12) is None


def test_frame_numbers_are_the_metrics_of_the_frame(run: Run) -> None:
    from tripletscope import metrics

    wanted = metrics.retrieval(recorded.points(13), recorded.LABELS, "euclidean")
    for name, value in wanted.items():
        assert run.lines[13][name] == pytest.approx(value)
    assert "recall_at_1" not in run.lines[12]
    assert run.lines[20]["closing"] is True
    assert run.lines[20]["loss"] is None


def test_samples_come_back_whole(run: Run) -> None:
    given = recorded.samples()
    assert run.samples.ids.tolist() == given.ids.tolist()
    assert run.samples.labels.tolist() == given.labels.tolist()
    assert run.samples.class_names == given.class_names
    assert run.samples.texts == given.texts
    np.testing.assert_array_equal(run.samples.thumbs, given.thumbs)


def test_coloured_thumbnails_too(tmp_path: Path) -> None:
    from dataclasses import replace

    coloured = np.random.default_rng(0).integers(0, 255, (recorded.COUNT, 3, 5, 3), dtype=np.uint8)
    folder = recorded.record(tmp_path / "run", 1, samples=replace(recorded.samples(), thumbs=coloured))
    np.testing.assert_array_equal(Run.open(folder).samples.thumbs, coloured)


def test_scalars_are_a_table_with_dotted_names(run: Run) -> None:
    table = run.scalars
    assert len(table) == 21
    assert table["loss"].tolist()[:3] == [0.0, 1.0, 2.0]
    assert np.isnan(table["loss"].iloc[20])
    assert table["shadows.random.mined"].iloc[3] == run.lines[3]["shadows"]["random"]["mined"]
    assert table["closing"].tolist() == [False] * 20 + [True]
    assert table["frame"].dtype == bool
    assert all(table[name].dtype.kind in "fib" for name in table.columns)


def test_series_are_read_without_pandas(run: Run) -> None:
    loss, recall, share, nested, unknown = run.series(
        ["loss", "recall_at_1", "violating_share", "shadows.random.mined", "no such"]
    )
    assert loss.dtype == np.float32
    assert loss[:3].tolist() == [0, 1, 2]
    assert np.isnan(recall[12])
    assert recall[13] == np.float32(run.lines[13]["recall_at_1"])
    assert share[4] == pytest.approx(run.lines[4]["violating"] / run.lines[4]["eligible"])
    assert nested[4] == run.lines[4]["shadows"]["random"]["mined"]
    assert np.isnan(unknown).all()
    assert np.isnan(share[20])


def test_steps_can_be_one_a_range_or_any_set(run: Run) -> None:
    assert set(run.picks()["step"]) == set(range(20))
    assert set(run.picks(range(3, 6))["step"]) == {3, 4, 5}
    assert set(run.picks(range(3, 2**31 - 1))["step"]) == set(range(3, 20))
    assert set(run.picks([2, 9, 2])["step"]) == {2, 9}
    assert len(run.picks([])) == 0
    assert len(run.picks(20)) == 0  # the closing frame has no picks
    assert set(run.picks(training=False)["strategy"]) == {"semi-hard", "random"}
    assert list(run.picks(1).columns) == list(run.picks([]).columns)


def test_what_is_not_there_is_said(run: Run) -> None:
    with pytest.raises(RunError, match="no step 21: it has steps 0 to 20"):
        run.picks(21)
    with pytest.raises(RunError, match="no step 99"):
        run.plane(99)
    with pytest.raises(UnknownNameError, match="semi-hard"):
        run.picks(strategy="semihard")
    with pytest.raises(RunError, match="no run folder"):
        Run.open(run.path / "nowhere")
    with pytest.raises(RunError, match=r"has no config\.json"):
        Run.open(run.path.parent)


def test_a_newer_format_is_opened_as_far_as_it_is_known(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 2)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "format": 7, "new": {"thing": [1]}}))
    run = Run.open(folder)
    assert run.steps == [0, 1, 2]
    assert "written in format 7, this tripletscope knows format 1" in run.notes[0]
    with pytest.raises(RunError, match=r"format version 7.*up to version 1"):  # nobody writes into it
        layout.read_config(folder)
    del config["margin"]
    (folder / "config.json").write_text(json.dumps({**config, "format": 7}))
    with pytest.raises(RunError, match=r"format version 7.*up to version 1"):
        Run.open(folder)


def test_a_config_without_its_margin_is_damaged(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 1)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "margin": None}))
    with pytest.raises(RunError, match=r"config\.json.*cannot be read"):
        Run.open(folder)


@pytest.mark.parametrize("odd", ['{"state": "running", "heartbeat": "soon"}', '{"state": "running", "pid": []}', "[]"])
def test_a_damaged_status_is_none(odd: str, tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 1)
    (folder / "status.json").write_text(odd)
    run = Run.open(folder)
    assert run.state == "stopped"
    assert "status.json is missing or damaged" in run.notes[0]


def test_the_digest_names_the_content(run: Run, tmp_path: Path) -> None:
    import shutil

    copied = shutil.copytree(run.path, tmp_path / "copy")
    assert Run.open(copied).digest == run.digest
    lines = (copied / "scalars.jsonl").read_bytes().splitlines(keepends=True)
    (copied / "scalars.jsonl").write_bytes(b"".join(lines[:-1]))
    assert Run.open(copied).digest != run.digest


def test_batch_all_is_recomputed_where_the_batch_is_kept(tmp_path: Path) -> None:
    run = Run.open(recorded.record(tmp_path / "run", 6, strategies=["batch-all"]))
    assert len(run.picks(training=False)) == 0
    rows = run.picks(strategy="batch-all")
    assert set(rows["step"]) == {0, 1, 2, 3, 4, 5}
    at = rows[rows["step"] == 4]
    assert len(at) == run.lines[4]["eligible"] == run.lines[4]["shadows"]["batch-all"]["mined"]
    zones = np.bincount(zone_codes_numpy((at["d_an"] - at["d_ap"]).to_numpy(), 1.0), minlength=3)
    assert zones.tolist() == [run.lines[4][zone] for zone in ("hard", "semi_hard", "easy")]
    assert len(run.picks([2, 3], strategy="batch-all")) == run.lines[2]["eligible"] + run.lines[3]["eligible"]
    assert len(run.picks(strategy="batch-all", training=True)) == 0


def test_a_dead_writer_is_a_stopped_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import socket
    import time

    alive = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "heartbeat": time.time()}
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    assert status.true_state(alive) == "running"
    assert status.true_state({**alive, "pid": int(gone.stdout)}) == "stopped"
    assert status.true_state({**alive, "pid": int(gone.stdout), "host": "elsewhere"}) == "running"
    assert status.true_state({**alive, "heartbeat": time.time() - 31}) == "stopped"
    assert status.true_state({**alive, "heartbeat": time.time() - 31}, slowest_step=5.0) == "running"
    assert status.true_state(None) == "stopped"
    assert status.true_state({**alive, "state": "failed", "heartbeat": 0}) == "failed"


def test_opening_a_run_imports_neither_torch_nor_pandas(run: Run) -> None:
    code = (
        "import sys; from tripletscope import Run; "
        f"run = Run.open({str(run.path)!r}); run.series(['loss']); run.samples; run.frames[0]; run.digest; "
        "run.plane(3); run.batch(3); run.pick_rows(3); run.notes; run.state_text; "
        "print([name for name in ('torch', 'pandas', 'umap', 'faiss') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_documented_reader_reads_what_run_reads(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reading block of docs/run-format.md, on a closed run, a live one, and one whose close was cut short."""
    import re
    import shutil

    from tripletscope import Recorder

    page = (Path(__file__).resolve().parents[2] / "docs" / "run-format.md").read_text(encoding="utf-8")
    block = next(one for one in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "def read_steps" in one)
    assert "import tripletscope" not in block
    assert "from tripletscope" not in block
    monkeypatch.chdir(tmp_path)
    with Recorder("live", margin=1.0, strategies=["semi-hard", "random"], samples=recorded.samples()) as recorder:
        recorded.record_steps(recorder, 0, 20)
        shutil.copytree("live", "half")
        for made in (Path("half"), Path("live"), run.path):
            if made == Path("half"):  # packed, but the stream was not removed
                for name in ("picks", "plane"):
                    shutil.copy(run.path / name / f"{name}.parquet", made / name)
            found: dict[str, object] = {}
            exec(block.replace("runs/example", str(made)), found)
            opened = Run.open(made)
            columns = opened.pick_rows()
            for name, column in columns.items():
                assert found["picks"][name].to_pylist() == column.tolist()
            assert found["counts"].reshape(64, 64).tolist() == opened.plane(3)[1].tolist()
            assert list(found["frames"]) == opened.frame_steps
            assert found["probe"].tolist() == opened.samples.ids[opened.probe_rows].tolist()
            assert found["names"] == opened.strategies
    assert "semi-hard: " in capsys.readouterr().out
