"""A few seconds of what tests/fuzz_readers.py does for minutes, what it found once, and tables of any columns."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests import fuzz_readers

from tripletscope.embeddings.opening import open_embeddings, read
from tripletscope.errors import DataError

KINDS = list(fuzz_readers.sound_files())
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_that_are_broken_were_sound(tmp_path: Path, kind: str) -> None:
    """All but arrays of words and of objects, and Arrow's old Feather files, which are refused as they are."""
    opened = 0
    for place, content in enumerate(fuzz_readers.sound_files()[kind]):
        (tmp_path / f"{place}.{kind}").write_bytes(content)
        opened += fuzz_readers.read_one(tmp_path / f"{place}.{kind}")
    assert opened >= len(fuzz_readers.sound_files()[kind]) - (kind in ("npy", "feather"))


@settings(QUICK, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_broken_file_opens_or_is_refused_in_a_sentence(tmp_path: Path, seed: int) -> None:
    kind, content = fuzz_readers.a_broken_file(random.Random(seed), FILES)
    path = tmp_path / f"set.{kind}"
    path.write_bytes(content)
    fuzz_readers.read_one(path)


FILES = fuzz_readers.sound_files()


@pytest.mark.slow
def test_the_same_for_minutes_counts_and_keeps_what_it_finds(tmp_path: Path) -> None:
    words = [sys.executable, fuzz_readers.__file__, "--minutes", "0.15", "--keep", str(tmp_path / "finds")]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert "files in 0.15 min" in done.stdout, done.stderr
    assert "0 finds" in done.stdout, done.stdout
    assert done.returncode == 0


# ---- tables of any columns

CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "NA", "7", "007", "7.0", "1e5", "nan", "a,b", "x\ny", '"', "[1, 2]", "[", "train"]),
)
COLUMNS: dict[str, Any] = {
    "texts": CELLS,
    "words": st.sampled_from(["cat", "dog"]),
    "numbers": st.floats(width=32),
    "wide": st.floats(),
    "counts": st.integers(-(2**63), 2**63 - 1),
    "flags": st.booleans(),
    "gaps": st.one_of(st.none(), st.integers(0, 3)),
    "lists": st.lists(st.floats(width=32), min_size=2, max_size=2),
    "ragged": st.lists(st.floats(width=32), max_size=3),
    "bytes": st.binary(max_size=4),
}
NAMES = st.sampled_from(["id", "label", "text", "x", "y", "e0", "e1", "vector", "image", "split", "", " ", "0", "1"])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    kinds = {name: draw(st.sampled_from(sorted(COLUMNS))) for name in names}
    return {name: draw(st.lists(COLUMNS[kind], min_size=rows, max_size=rows)) for name, kind in kinds.items()}


@settings(QUICK, max_examples=40)
@given(table=tables(), kind=st.sampled_from(["parquet", "arrow", "csv", "jsonl"]))
@example(table={"e0": [0.5], "e1": [1.5], "label": [b"\xff"]}, kind="arrow")
def test_a_table_of_any_columns_opens_or_is_refused_in_a_sentence(
    tmp_path: Path, table: dict[str, list[Any]], kind: str
) -> None:
    path = tmp_path / f"set.{kind}"
    try:
        if kind == "csv":
            pd.DataFrame(table).to_csv(path, index=False)
        elif kind == "jsonl":
            cells = {name: [repr(one) if isinstance(one, bytes) else one for one in table[name]] for name in table}
            rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
            path.write_text("\n".join(map(json.dumps, rows)))
        else:
            made = pa.table(table)
            if kind == "parquet":
                pq.write_table(made, path)
            else:
                with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, made.schema) as writer:
                    writer.write_table(made)
    except (pa.ArrowException, UnicodeEncodeError):  # lone surrogates: no such file can be
        return
    fuzz_readers.read_one(path)


# ---- finds


def refused(path: Path, says: str, **options: Any) -> None:
    with pytest.raises(DataError, match=says) as caught:
        open_embeddings(path, **options)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("letter", [0x110000, 0xFFFFFFFF, 0xD800, 0xDFFF])
@pytest.mark.parametrize("order", "<>")
def test_letters_that_do_not_exist_in_an_array_are_refused(tmp_path: Path, letter: int, order: str) -> None:
    words = np.array(["cat", "dog", "cow"], dtype=f"{order}U3")
    words.view(f"{order}u4")[4] = letter
    for name in ("labels", "label_names", "ids"):
        arrays = {"embeddings": np.ones((3, 2), np.float32), "label": np.arange(3)} | {name: words}
        np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
        refused(tmp_path / "set.npz", rf"entry 1 \(counted from 0\) of '{name}' holds text that is no Unicode")
    np.save(tmp_path / "vectors.npy", np.ones((3, 2), np.float32))
    np.save(tmp_path / "labels.npy", words)
    with pytest.raises(DataError, match=r"labels\.npy, entry 1 .* no Unicode"):
        open_embeddings(tmp_path / "vectors.npy", metadata=tmp_path / "labels.npy")


def test_an_old_feather_file_is_refused_since_a_broken_one_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "set.feather").write_bytes(fuzz_readers.sound_files()["feather"][1])
    refused(tmp_path / "set.feather", "a Feather file of the old version 1, which is not read: write it again")


def test_words_in_a_second_file_do_not_take_the_place_of_the_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "meta.csv").write_text("label,vector\na,word\nb,word\na,word\n")
    found = open_embeddings(tmp_path / "set.npy", metadata=tmp_path / "meta.csv")
    assert found.dim == 3
    assert found.class_names == ["a", "b"]
    assert "Both files have 'vector'; set.npy counts." in found.notes


def test_a_label_too_few_below_a_header_is_not_one_label_more(tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "meta.csv").write_text("label\na\nb\n")
    refused(tmp_path / "set.npy", "has 3 rows and .*meta.csv has 2", metadata=tmp_path / "meta.csv")
    (tmp_path / "meta.csv").write_text("a\nb\nlabel\n")
    found = open_embeddings(tmp_path / "set.npy", metadata=tmp_path / "meta.csv", mapping={"label": "meta"})
    assert found.class_names == ["a", "b", "label"]


def test_rows_of_nothing_are_counted(tmp_path: Path) -> None:
    """A column of nulls takes no byte of the file, whatever its length."""
    made = pa.record_batch({"label": pa.nulls(2**27)})
    with pa.OSFile(str(tmp_path / "set.arrow"), "wb") as out, pa.ipc.new_file(out, made.schema) as writer:
        writer.write_batch(made)
    assert (tmp_path / "set.arrow").stat().st_size < 1000
    refused(tmp_path / "set.arrow", r"would fill .* limit is 100\.0 MB", limit=100 * 2**20)


def test_pictures_in_parquet_of_several_row_groups_are_read(tmp_path: Path) -> None:
    """Arrow gives no dictionaries within structs once a batch spans row groups."""
    picture = {"bytes": fuzz_readers.PICTURE, "path": "a.png"}
    table = pa.table({"v": [[0.5, row] for row in range(600)], "image": [picture] * 600, "label": list("abc") * 200})
    pq.write_table(table, tmp_path / "set.parquet", row_group_size=100)
    found = open_embeddings(tmp_path / "set.parquet")
    assert found.class_names == ["a", "b", "c"]
    assert found.pictures is not None
    assert found.pictures.bytes_of(599) == fuzz_readers.PICTURE


def test_utf_16_without_a_mark_may_hold_letters_with_a_zero_on_the_other_side(tmp_path: Path) -> None:
    text = "label,e0,e1\n" + "\N{GRINNING FACE},0.5,1.5\ncat,0.7,1.2\n" * 4
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "set.csv").write_bytes(text.encode(encoding))
        assert open_embeddings(tmp_path / "set.csv").class_names == ["cat", "\N{GRINNING FACE}"]


def repeats(kind: str) -> pa.Array:
    """A text of 8 kB, 50,000 times, in a few bytes."""
    text = "long text" * 1000
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, np.int32)), pa.array([text]))
    if kind == "dictionary":
        return codes
    if kind == "runs":
        return pa.RunEndEncodedArray.from_arrays(pa.array([50_000], pa.int32()), pa.array([text]))
    if kind == "struct":
        paths = pa.array(["a.png"] * 50_000)
        return pa.StructArray.from_arrays(
            [codes.cast(pa.dictionary(pa.int32(), pa.binary())), paths], ["bytes", "path"]
        )
    return pa.array([text] * 50_000, pa.string_view())


@pytest.mark.parametrize("kind", ["dictionary", "runs", "struct", "views"])
def test_a_text_that_is_referred_to_many_times_is_counted_as_often(tmp_path: Path, kind: str) -> None:
    made = pa.table({"e0": np.ones(50_000, np.float32), "e1": np.arange(50_000) + 0.5, "label": repeats(kind)})
    with pa.OSFile(str(tmp_path / "set.arrow"), "wb") as out, pa.ipc.new_file(out, made.schema) as writer:
        writer.write_table(made)
    refused(tmp_path / "set.arrow", r"would fill 4\d\d\.. MB .* limit is 100\.0 MB", limit=100 * 2**20)


def test_a_length_that_repeats_within_parquet_is_counted(tmp_path: Path) -> None:
    """Values of one fixed length, once in the file's dictionary and 50,000 times in its rows."""
    fixed = pa.array([b"x" * 9000] * 50_000, pa.binary(9000))
    pq.write_table(pa.table({"e0": np.ones(50_000), "b": fixed}), tmp_path / "set.parquet", compression="zstd")
    assert (tmp_path / "set.parquet").stat().st_size < 2**20
    refused(tmp_path / "set.parquet", r"would fill 4\d\d\.. MB", limit=100 * 2**20)


@pytest.mark.parametrize("packing", ["zstd", "lz4"])
@pytest.mark.parametrize("part", ["rows", "dictionary"])
@pytest.mark.parametrize("form", ["file", "stream"])
def test_a_packed_arrow_file_is_measured_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, part: str, packing: str
) -> None:
    """60 MB of zeros, or of one letter, packed; opening them is what must not happen."""
    column: Any = np.zeros(15_000_000, np.float32)
    if part == "dictionary":
        column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array(["x" * 60_000_000]))
    made = pa.table({"e0": column})
    opened = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    path = tmp_path / "set.arrow"
    options = pa.ipc.IpcWriteOptions(compression=packing)
    with pa.OSFile(str(path), "wb") as out, opened(out, made.schema, options=options) as writer:
        writer.write_table(made)
    assert path.stat().st_size < 2**20
    with monkeypatch.context() as patch:
        for name in ("open_file", "open_stream"):
            patch.setattr(pa.ipc, name, lambda _: pytest.fail("it was opened"))
        refused(path, r"would fill 57\.2 MB .* limit is 10\.0 MB", limit=10 * 2**20)
    assert len(read(path).columns) == 1


def test_no_byte_of_a_parquet_footer_ends_the_process(tmp_path: Path) -> None:
    """Arrow's own look at a column ended it where two statistics contradict each other."""
    made = fuzz_readers._table().select(["vector", "names", "yes"])
    content = fuzz_readers._parquet(made)
    (tmp_path / "whole.parquet").write_bytes(content)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tripletscope.embeddings.opening import read\n"
        "from tripletscope.errors import DataError\n"
        "folder = Path(sys.argv[1])\n"
        "content = (folder / 'whole.parquet').read_bytes()\n"
        "for at in range(len(content) - 8 - int.from_bytes(content[-8:-4], 'little'), len(content) - 8):\n"
        "    (folder / 'set.parquet').write_bytes(content[:at] + bytes([content[at] + 1 & 255]) + content[at + 1 :])\n"
        "    try:\n"
        "        read(folder / 'set.parquet', limit=2**25)\n"
        "    except DataError:\n"
        "        pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
