"""Every format that embeddings come in gives the same set, and the same file in other clothes is the same."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.embeddings.opening import open_embeddings
from tripletscope.errors import DataError

VECTORS = np.float32([[1, -2.5, 0.1], [2, 1e-3, 0.2], [3, 0, 0.3], [4, 1, 1e-7]])
LABELS = ["7", "007", "7.0", "7"]
IDS = ["a1", "a2", "a3", "a4"]
TEXTS = ["hello, you; and\tthem", 'a "quoted" one', "", "NA"]
LISTS = ("parquet", "arrow", "feather", "stream.arrow", "jsonl", "jsonl.gz")
FLAT = ("csv", "csv.gz", "tsv", "semicolon.csv", "comma.csv", "pipe.txt", "utf16.csv", "bom.csv", "windows.csv")
FORMATS = (*LISTS, *FLAT, "npz")


def a_file(folder: Path, kind: str, vectors: Any, labels: list[str], ids: list[str], texts: list[str]) -> Path:
    """The set in a file of that kind, written by the library that people write it with."""
    path = folder / f"set.{kind}"
    frame = pd.DataFrame({"id": ids, "label": labels, "text": texts})
    if kind == "npz":
        np.savez(path, embeddings=vectors, labels=np.array(labels), ids=np.array(ids), texts=np.array(texts))
        return path
    if kind in LISTS:
        table = pa.Table.from_pandas(frame).append_column("embedding", pa.array(list(vectors), pa.list_(pa.float32())))
        if kind == "parquet":
            pa.parquet.write_table(table, path)
        elif kind == "feather":
            pa.feather.write_feather(table, path)
        elif kind.startswith("json"):
            rows = [{**row, "embedding": [float(one) for one in row["embedding"]]} for row in table.to_pylist()]
            content = "".join(json.dumps(row) + "\n" for row in rows).encode()
            path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
        else:
            opener = pa.ipc.new_stream if "stream" in kind else pa.ipc.new_file
            with pa.OSFile(str(path), "wb") as sink, opener(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=2)
        return path
    for place in range(vectors.shape[1]):
        frame[f"emb_{place}"] = [str(float(one)) for one in vectors[:, place]]
    separator = {"tsv": "\t", "semicolon.csv": ";", "comma.csv": ";", "pipe.txt": "|"}.get(kind, ",")
    if kind == "comma.csv":
        for name in frame.columns[3:]:
            frame[name] = frame[name].str.replace(".", ",")
    text = frame.to_csv(index=False, sep=separator, lineterminator="\r\n" if kind == "windows.csv" else "\n")
    content = text.encode({"utf16.csv": "utf-16", "bom.csv": "utf-8-sig"}.get(kind, "utf-8"))
    path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    return path


def plain(found: EmbeddingSet) -> tuple[Any, ...]:
    return (
        found.vectors.astype(np.float32).tolist(),
        [found.class_of(row) for row in range(len(found))],
        found.ids.tolist(),
        found.texts,
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_set(tmp_path: Path, kind: str) -> None:
    found = open_embeddings(a_file(tmp_path, kind, VECTORS, LABELS, IDS, TEXTS))
    assert plain(found) == (VECTORS.tolist(), LABELS, IDS, TEXTS)
    assert found.class_names == ["007", "7", "7.0"]
    assert found.rows is not None
    assert found.rows.tolist() == [{"j": 1, "n": 0}.get(kind[0], 2) + place for place in range(4)]
    assert found.name == "set"
    assert found.digest == open_embeddings(a_file(tmp_path, "csv", VECTORS, LABELS, IDS, TEXTS)).digest


_words = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs",)), max_size=12)
_plain_words = _words.map(lambda text: text.replace("\r", "").strip("\ufeff")).filter(lambda text: "\ufeff" not in text)


@given(data=st.data(), kind=st.sampled_from(FORMATS))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_round_trip_gives_the_same_vectors_ids_and_labels(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    rows = data.draw(st.integers(2, 9), "rows")
    width = data.draw(st.integers(2, 9), "width")
    number = st.floats(-(2.0**50), 2.0**50, width=32).filter(lambda one: one == 0 or abs(one) > 1e-15)
    row = st.lists(number, min_size=width, max_size=width)
    vectors = np.float32(data.draw(st.lists(row, min_size=rows, max_size=rows)))
    labels = data.draw(st.lists(_plain_words.filter(bool), min_size=rows, max_size=rows), "labels")
    ids = data.draw(st.lists(_plain_words.filter(bool), min_size=rows, max_size=rows, unique=True), "ids")
    if kind == "npz":  # NumPy's fixed-width texts drop zeros at their end, and nothing else
        labels, ids = [one.rstrip("\0") or "-" for one in labels], ids
    texts = data.draw(st.lists(_plain_words, min_size=rows, max_size=rows), "texts")
    mapping = {"id": "ids" if kind == "npz" else "id", "label": "labels" if kind == "npz" else "label"}
    mapping["text"] = "texts" if kind == "npz" else "text"
    path = a_file(tmp_path, kind, vectors, labels, ids, texts)
    found = open_embeddings(path, mapping=mapping)
    expected = [int(one) for one in ids] if found.ids.dtype.kind == "i" else ids
    assert plain(found) == (vectors.tolist(), labels, expected, texts)


def test_a_float16_array_is_neither_copied_nor_widened(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS.astype(np.float16))
    found = open_embeddings(tmp_path / "v.npy", limit=1)
    assert isinstance(found.vectors, np.memmap)
    assert found.vectors.dtype == np.float16
    assert not found.vectors.flags.writeable
    assert found.ids.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [">f4", "f8", "i2", "u1", "?", ">f2"])
def test_other_numbers_become_float32(tmp_path: Path, dtype: str) -> None:
    values = np.array([[0, 1], [1, 1], [1, 0]], dtype=dtype)
    np.save(tmp_path / "v.npy", np.asfortranarray(values))
    found = open_embeddings(tmp_path / "v.npy")
    assert found.vectors.dtype == np.float32
    assert found.vectors.flags.c_contiguous
    assert found.vectors.tolist() == [[0, 1], [1, 1], [1, 0]]


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "arrow", "feather", "jsonl", "csv", "tsv", "txt", "csv.gz"])
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_and_truncated_bytes_give_a_refusal_and_nothing_else(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    path = tmp_path / f"broken.{kind}"
    whole = _whole(tmp_path, kind)
    if data.draw(st.booleans(), "random"):
        content = data.draw(st.binary(max_size=200))
    else:
        content = whole[: data.draw(st.integers(0, len(whole)), "length")]
        if data.draw(st.booleans(), "flip") and content:
            at = data.draw(st.integers(0, len(content) - 1))
            content = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at + 1 :]
    path.write_bytes(content)
    try:
        found = open_embeddings(path)
    except DataError as error:
        refusal = str(error)
    else:
        assert np.isfinite(found.vectors).all()
        return
    assert "\n" not in refusal
    assert refusal.endswith(".")
    assert "broken" in refusal


def _whole(folder: Path, kind: str) -> bytes:
    if kind == "npy":
        made = io.BytesIO()
        np.save(made, VECTORS)
        return made.getvalue()
    if kind == "txt":
        made = io.BytesIO()
        np.savetxt(made, VECTORS)
        return made.getvalue()
    return a_file(folder, kind, VECTORS, LABELS, IDS, TEXTS).read_bytes()


@pytest.mark.parametrize(
    ("name", "text", "ids", "labels"),
    [
        ("glove.txt", 'the 0.5 1 2\n"of 1.5 3 4\n', ["the", '"of'], [None, None]),
        ("word2vec.txt", "2 3\nthe 0.5 1 2\nof 1.5 3 4\n", ["the", "of"], [None, None]),
        ("aligned.txt", "  0.5  1 2  a\n 1.5 3  4  a \n 1.5 3  4  a \n", [1, 2, 3], None),
        ("lists.csv", 'label,v\na,"[0.5, 1, 2]"\nb,"[1.5, 3, 4]"\n', [2, 3], ["a", "b"]),
        ("numpy.csv", "label,v\na,[0.5 1. 2.]\nb,[1.5 3. 4.]\n", [2, 3], ["a", "b"]),
        ("mac.csv", "label,u,v,w\ra,0.5,1,2\rb,1.5,3,4\r", [2, 3], ["a", "b"]),
        ("end.csv", "label,u,v,w,\na,0.5,1,2,\nb,1.5,3,4,", [2, 3], ["a", "b"]),
        ("spaced.csv", "label,u,v,w\na, 0.5 ,1 , 2\nb,1.5,3,4", [2, 3], ["a", "b"]),
    ],
)
def test_tables_of_text_as_other_programs_write_them(
    tmp_path: Path, name: str, text: str, ids: list[Any], labels: list[str | None] | None
) -> None:
    (tmp_path / name).write_text(text, newline="")
    found = open_embeddings(tmp_path / name)
    assert found.vectors[:2].tolist() == [[0.5, 1, 2], [1.5, 3, 4]]
    assert found.ids.tolist() == ids
    if labels is not None:
        assert [found.class_of(row) for row in range(2)] == labels


def test_a_first_row_of_counting_numbers_is_a_header_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0,1,2\n0.5,1,2\n1.5,3,4\n")
    found = open_embeddings(tmp_path / "t.csv")
    assert len(found) == 2
    assert "The first row of t.csv (0, 1, 2) was read as its header." in found.notes
    (tmp_path / "t.csv").write_text("5,1,2\n0.5,1,2\n1.5,3,4\n")
    assert len(open_embeddings(tmp_path / "t.csv")) == 3


def test_a_column_that_cannot_be_shown_is_left_out_and_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"v": [[1.0, 2.0], [3.0, 4.0]], "tags": [["a"], ["b", "c"]], "raw": [b"1", b"2"]})
    frame.to_parquet(tmp_path / "t.parquet")
    found = open_embeddings(tmp_path / "t.parquet")
    assert "'tags', 'raw' hold lists or bytes, so there is no colouring by that." in found.notes
    assert found.columns == {}


@pytest.mark.parametrize("unit", ["date32", "date64", "s", "ms", "us", "duration"])
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_times_that_python_cannot_say_are_named(tmp_path, unit, ending):
    """Found by fuzzing: a damaged date ended in a traceback."""
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as parquet

    count = 12
    days = np.arange(count)
    if unit == "date32":
        when = [
            pa.array(part.astype(np.int32)).view(pa.date32()) for part in (days, np.where(days == 7, 2**31 - 1, days))
        ]
    else:
        kind = {"date64": pa.date64(), "duration": pa.duration("s")}.get(unit) or pa.timestamp(unit)
        far = {"s": 10**14, "date64": 86_400_000 * 10**10}.get(unit, 2**60)  # Parquet keeps seconds as milliseconds
        wrong = np.where(days == 7, far, days * 86_400_000)
        when = [pa.array(part.astype(np.int64)).view(kind) for part in (days * 86_400_000, wrong)]
    base = {"vec": [[float(day), 1.0] for day in days], "label": ["a", "b"] * (count // 2)}
    for name, column in zip(("sound", "wrong"), when, strict=True):
        path = tmp_path / f"{name}.{ending}"
        table = pa.table({**base, "when": column})
        if ending == "parquet":
            parquet.write_table(table, path)
        else:
            feather.write_feather(table, str(path), compression="uncompressed")
    assert len(open_embeddings(tmp_path / f"sound.{ending}")) == count
    if unit == "date64" and ending == "parquet":
        return  # Parquet has no such dates: it is written as another one
    with pytest.raises(DataError, match=r"row 9, column 'when' holds a time that is outside of the years 1 to 9999"):
        open_embeddings(tmp_path / f"wrong.{ending}")


@pytest.mark.parametrize("kind", ["V4", "c8", "V0"])
def test_labels_of_a_type_that_is_no_label_are_refused(tmp_path, kind):
    """Found by fuzzing: bytes without a meaning, and complex numbers, ended in a traceback."""
    np.save(tmp_path / "vectors.npy", np.eye(6, dtype=np.float32))
    np.save(tmp_path / "labels.npy", np.zeros(6, dtype=kind))
    with pytest.raises(DataError, match=r"labels.npy holds values of the type .*: save numbers or text"):
        open_embeddings(tmp_path / "vectors.npy", metadata=tmp_path / "labels.npy")
