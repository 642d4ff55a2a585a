"""The run's files one by one: Arrow messages, appending, packing, locks, status, who the samples are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core import recorded

from tripletscope import Recorder, Run
from tripletscope.errors import DataError, RunError, SettingError
from tripletscope.schema import PICKS, STEP_TABLES
from tripletscope.store import layout
from tripletscope.store.append import AppendFile
from tripletscope.store.arrow_message import MessageWriter
from tripletscope.store.sample_table import SampleTable
from tripletscope.store.step_table import StepTable, StepTableWriter, Stream, as_numpy


def columns_of(schema: pa.Schema, rows: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    dtypes = [np.dtype(field.type.to_pandas_dtype()) for field in schema]
    return [
        rng.random(rows) < 0.5 if dtype == np.bool_ else rng.integers(0, 99, rows).astype(dtype) for dtype in dtypes
    ]


@given(rows=st.integers(0, 300), seed=st.integers(0, 9), name=st.sampled_from(list(STEP_TABLES)))
@settings(deadline=None, max_examples=60)
def test_our_message_is_arrows_byte_for_byte(rows: int, seed: int, name: str) -> None:
    schema = STEP_TABLES[name]
    columns = columns_of(schema, rows, seed)
    arrows = pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema)
    writer = MessageWriter(schema)
    for _ in range(2):  # the second one uses the kept header
        assert writer.message(columns) == arrows.serialize().to_pybytes()


def test_a_message_refuses_what_the_schema_does_not_say() -> None:
    writer = MessageWriter(PICKS)
    columns = columns_of(PICKS, 3, 0)
    with pytest.raises(ValueError, match="wants float32 of 3"):
        writer.message([*columns[:-1], columns[-1].astype(np.float64)])
    with pytest.raises(ValueError, match="of 2"):
        writer.message([*columns[:-1], columns[-1][:2]])


def test_a_stream_is_read_by_arrow_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    writer = StepTableWriter(path, PICKS, 4)
    batches = [columns_of(PICKS, rows, rows) for rows in (3, 0, 70)]
    for one in batches:
        writer.append_step(one)
    writer.close()
    with pa.ipc.open_stream(str(path)) as reader:
        found = list(reader)
    assert [len(one) for one in found] == [3, 0, 70]
    for name, column in zip(PICKS.names, batches[2], strict=True):
        np.testing.assert_array_equal(as_numpy(pa.chunked_array([found[2].column(name)])), column)
    stream = Stream(path)
    assert (stream.first_step, stream.last_step, len(stream), stream.torn) == (4, 6, 3, False)


def test_an_append_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AppendFile(tmp_path / "x")
    file.write(b"whole")

    class Full:
        def __init__(self, inner: object) -> None:
            self.inner, self.calls = inner, 0

        def write(self, piece: bytes) -> int:
            self.calls += 1
            if self.calls > 1:
                raise OSError(28, "No space left on device")
            return self.inner.write(bytes(piece[:2]))  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    monkeypatch.setattr(file, "_file", Full(file._file))
    with pytest.raises(OSError, match="No space"):
        file.write(b"not to be")
    monkeypatch.undo()
    file.write(b" again")
    file.close()
    assert (tmp_path / "x").read_bytes() == b"whole again"


def test_a_failed_step_is_absent_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples()) as recorder:
        recorded.record_steps(recorder, 0, 5)
        monkeypatch.setattr(
            recorder._writer._lines, "write", lambda _: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        with pytest.raises(RunError, match=r"Step 5 cannot be written.*No space left.*make room"):
            recorded.record_steps(recorder, 5, 6)
        monkeypatch.undo()
        assert Run.open(recorder.path).steps == [0, 1, 2, 3, 4]
        recorded.record_steps(recorder, 5, 8)
    whole = recorded.record(tmp_path / "whole", 8, strategies=[])
    assert recorded.facts(Run.open(tmp_path / "run")) == recorded.facts(Run.open(whole))


@pytest.mark.parametrize("room", [0, 700, 3000, 6000, 9000, 12_000, 20_000])
def test_a_disk_that_takes_nothing_more_is_a_sentence_and_the_run_opens(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is being written at that moment: also the status that would tell it, and the end of the run."""
    written, replaced = AppendFile.write, layout.replace
    left = [room]

    def take(size: int) -> None:
        left[0] -= size
        if left[0] < 0:
            raise OSError(28, "No space left on device")

    def write(self: AppendFile, piece: bytes) -> None:
        take(len(piece))
        written(self, piece)

    def replace(path: Path, content: bytes, *, sync: bool = False) -> None:
        take(len(content))
        replaced(path, content, sync=sync)

    whole = recorded.facts(Run.open(recorded.record(tmp_path / "whole", 40, strategies=[])))
    monkeypatch.setattr(AppendFile, "write", write)
    monkeypatch.setattr(layout, "replace", replace)
    done = -1

    def record() -> None:
        nonlocal done
        with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples()) as recorder:
            for step in range(40):
                recorded.record_steps(recorder, step, step + 1)
                done = step

    with pytest.raises(RunError, match=r"cannot be written.*No space left on device.*make room and resume"):
        record()
    monkeypatch.undo()
    if done < 0:
        return
    run = Run.open(tmp_path / "run")
    assert run.steps == list(range(done + 1))
    assert run.state != "finished"
    with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples(), resume=True) as recorder:
        recorded.record_steps(recorder, done + 1, 40)
    assert recorded.facts(Run.open(tmp_path / "run")) == whole, "room was made, and it went on without a seam"


def test_closing_packs_the_streams_into_parquet(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 6)
    for name, schema in STEP_TABLES.items():
        assert not layout.part_path(folder, name).exists()
        table = pq.read_table(layout.packed_path(folder, name))
        assert table.schema.names == schema.names
        assert table.schema.metadata[b"last_step"] == b"5"
    assert not list(folder.rglob("*.tmp"))


def test_a_live_run_reads_the_same_as_a_closed_one(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0, strategies=["random"], samples=recorded.samples()) as recorder:
        recorded.record_steps(recorder, 0, 12)
        live = Run.open(recorder.path)
        assert (live.state, live.state_text, live.notes) == ("running", "running at step 11", [])
        seen = recorded.facts(live)
        opened_before = Run.open(recorder.path)
        _ = opened_before.pick_rows(3)
    closed = Run.open(tmp_path / "run")
    assert recorded.facts(closed)[:12] == seen
    # the streams are gone now, and the run that was opened before finds the Parquet files
    assert len(opened_before.pick_rows(4)["step"]) == len(closed.pick_rows(4)["step"])


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(RunError, match=r"exists already.*choose another folder, or resume"):
        Recorder(tmp_path / "run", margin=1.0)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["precious"]


def test_a_setting_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    for wrong in ({"margin": 0.0}, {"margin": 1.0, "config": {"x": object()}}, {"margin": 1.0, "strategies": "random"}):
        with pytest.raises(SettingError):
            Recorder(tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_the_second_recorder_on_a_folder_is_refused(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples()) as recorder:
        recorded.record_steps(recorder, 0, 3)
        with pytest.raises(RunError, match="Another recorder is writing"):
            Recorder(tmp_path / "run", margin=1.0, resume=True)
        recorded.record_steps(recorder, 3, 4)
    with Recorder(tmp_path / "run", margin=1.0, resume=True) as again:
        assert again.committed == 3


def test_ids_may_be_scattered_numbers_or_texts(tmp_path: Path) -> None:
    for number, ids in enumerate(([5, 10**12, -3, 7], ["a", "=b", "", "ö"])):
        folder = tmp_path / str(number)
        with Recorder(folder, margin=1.0) as recorder:
            for _ in range(3):
                recorder.step(np.eye(4, 2), [1, 1, 40, 40], ids, triplets=([0], [1], [2]))
            recorder.step(np.eye(4, 2), [40, 40, 1, 1], ids[::-1], triplets=([0], [1], [2]))
            recorder.step(np.eye(2, 2), [1, 40], [ids[0], ids[2]])
        run = Run.open(folder)
        assert list(run.samples.ids) == ids
        assert run.samples.class_names == ["1", "40"]
        assert run.samples.labels.tolist() == [0, 0, 1, 1]
        assert run.picks(3)[["anchor", "positive", "negative"]].values.tolist() == [[ids[3], ids[2], ids[1]]]
        assert run.batch(4)[0].tolist() == [0, 2]


def test_labels_may_be_texts(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as recorder:
        recorder.step(np.eye(3), ["dog", "cat", "dog"], [1, 2, 3])
        recorder.step(np.eye(3), ["cat", "ant", "dog"], [2, 9, 1])
    run = Run.open(tmp_path / "run")
    assert run.samples.class_names == ["dog", "cat", "ant"]
    assert [run.samples.class_of(row) for row in run.batch(1)[0].tolist()] == ["cat", "ant", "dog"]
    with Recorder(tmp_path / "run", margin=1.0, resume=True) as recorder:
        recorder.step(np.eye(2), ["ant", "bee"], [9, 10])
    assert Run.open(tmp_path / "run").samples.class_names == ["dog", "cat", "ant", "bee"]


def test_one_kind_of_id_one_label_a_sample(tmp_path: Path) -> None:
    table = SampleTable(tmp_path)
    one, two = np.array([1], np.int32), np.array([2], np.int32)
    table.rows(np.array([7]), one)
    with pytest.raises(DataError, match="Ids were numbers so far and are texts now"):
        table.rows(["7"], one)
    with pytest.raises(DataError, match="has label 1, but now it comes with 2"):
        table.rows(np.array([7]), two)
    table.label_codes(np.array([1]))
    with pytest.raises(DataError, match="Labels were numbers so far and are texts now"):
        table.label_codes(["one"])
    with pytest.raises(DataError, match="does not fit in 32 bits"):
        table.label_codes(np.array([2**40]))
    table.close()


def test_status_beats_at_most_once_a_second(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples()) as recorder:
        before = (recorder.path / "status.json").read_bytes()
        recorded.record_steps(recorder, 0, 3)
        assert (recorder.path / "status.json").read_bytes() == before
        recorder._writer._beat -= 2.0
        recorded.record_steps(recorder, 3, 4)
        told = json.loads((recorder.path / "status.json").read_bytes())
        assert (told["state"], told["step"], told["pid"]) == ("running", 3, os.getpid())
    assert json.loads((tmp_path / "run" / "status.json").read_bytes())["state"] == "finished"


def test_a_step_table_is_read_in_pieces_of_any_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletscope.store.step_table._ROWS_PER_GROUP", 40)
    folder = recorded.record(tmp_path / "run", 15)
    table = StepTable(folder, "picks", PICKS, 14)
    assert pq.ParquetFile(layout.packed_path(folder, "picks")).num_row_groups > 3
    everything = table.columns()
    for first in range(15):
        for last in range(first, 15):
            part = table.columns(first, last)
            inside = (everything["step"] >= first) & (everything["step"] <= last)
            np.testing.assert_array_equal(part["negative"], everything["negative"][inside])


def test_checkpoints_keep_the_first_and_the_last_two(tmp_path: Path) -> None:
    import torch

    with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples()) as recorder:
        assert recorder.last_checkpoint() is None
        for step in range(5):
            recorder.checkpoint({"weights": torch.full((2,), float(step))})
            recorded.record_steps(recorder, step, step + 1)
        assert recorder._writer.checkpoints() == [0, 3, 4]
        found = recorder.last_checkpoint()
        assert found is not None
        assert found["weights"].tolist() == [4.0, 4.0]
        layout.checkpoint_path(recorder.path, 4).write_bytes(b"torn")
        found = recorder.last_checkpoint()
        assert found is not None
        assert found["weights"].tolist() == [3.0, 3.0]
        recorder.checkpoint({"step": 9, "weights": torch.zeros(1)})  # ahead of the record
        found = recorder.last_checkpoint()
        assert found is not None
        assert found["weights"].tolist() == [0.0, 0.0]  # the first one is never removed
