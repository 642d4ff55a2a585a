"""A person's CSV or Parquet table: what it gives, and the one sentence that each kind of fault gets."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.core.data_files import TABLE, a_table, says

from tripletscope import datasets, uploads
from tripletscope.errors import UnknownNameError


def test_a_table_gives_features_labels_ids_and_texts(tmp_path: Path) -> None:
    data = uploads.read(a_table(tmp_path, TABLE))
    assert (data.name, data.kind, data.input_shape) == ("set", "features", (2,))
    np.testing.assert_array_equal(data.features, np.float32([[1, -2.5], [2, 1e-3], [3, 0], [4, 1]]))
    assert data.samples.class_names == ["007", "7"]  # texts, not numbers
    assert data.samples.labels.tolist() == [1, 0, 1, 0]
    assert data.samples.ids == ["a1", "a2", "a3", "a4"]
    assert data.samples.texts == ["hello, you", "", "NA", "ho"]


def variant(kind: str, tmp_path: Path) -> Path:
    frame = pd.read_csv(io.StringIO(TABLE), dtype={"label": str}, keep_default_na=False)
    if kind == "parquet":
        frame.to_parquet(tmp_path / "set.parquet")
        return tmp_path / "set.parquet"
    if kind == "csv.gz":
        (tmp_path / "set.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
        return tmp_path / "set.csv.gz"
    if kind == "tsv":
        frame.to_csv(tmp_path / "set.tsv", sep="\t", index=False)
        return tmp_path / "set.tsv"
    if kind == "semicolons":
        frame.to_csv(tmp_path / "set.csv", sep=";", decimal=",", index=False)
    elif kind == "semicolons and points":
        frame.to_csv(tmp_path / "set.csv", sep=";", index=False)
    elif kind == "with a mark":
        (tmp_path / "set.csv").write_bytes(b"\xef\xbb\xbf" + TABLE.encode())
    elif kind == "windows lines":
        (tmp_path / "set.csv").write_bytes(TABLE.replace("\n", "\r\n").encode())
    elif kind == "blank end":
        a_table(tmp_path, TABLE + "\n\n,,,,\n")
    else:
        (tmp_path / "set.CSV").write_text(TABLE)
        return tmp_path / "set.CSV"
    return tmp_path / "set.csv"


@pytest.mark.parametrize(
    "kind",
    [
        "parquet",
        "csv.gz",
        "tsv",
        "semicolons",
        "semicolons and points",
        "with a mark",
        "windows lines",
        "blank end",
        "capitals",
    ],
)
def test_the_same_table_in_other_clothes_is_the_same(tmp_path: Path, kind: str) -> None:
    plain = uploads.read(a_table(tmp_path, TABLE, "plain.csv"))
    data = uploads.read(variant(kind, tmp_path))
    assert data.digest == plain.digest
    assert data.samples.ids == plain.samples.ids
    assert data.samples.texts == plain.samples.texts
    assert data.samples.class_names == plain.samples.class_names
    assert data.name == "set"


def test_a_parquet_file_may_hold_vectors_flags_and_numbered_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "vector": [np.float32([1, 2]), np.float32([3, 4]), np.float32([5, 6]), np.float32([7, 8])],
            "flag": [True, False, True, False],
            "category": pd.Categorical(["b", "b", "a", "a"]),
        }
    )
    frame.to_parquet(tmp_path / "set.parquet")
    data = uploads.read(tmp_path / "set.parquet")
    assert data.features.tolist() == [[1, 2, 1], [3, 4, 0], [5, 6, 1], [7, 8, 0]]
    assert data.samples.class_names == ["a", "b"]
    frame["category"] = [10, 10, 9, 9]
    frame.to_parquet(tmp_path / "set.parquet")
    assert uploads.read(tmp_path / "set.parquet").samples.class_names == ["9", "10"]


@pytest.mark.parametrize("name", ["label", "class", "target", "y", "category", "Label", "CLASS"])
def test_the_label_column_is_guessed_by_its_name(tmp_path: Path, name: str) -> None:
    data = uploads.read(a_table(tmp_path, f"f1,{name}\n1,a\n2,a\n3,b\n4,b\n"))
    assert data.samples.class_names == ["a", "b"]
    assert data.input_shape == (1,)


def test_a_named_label_column_wins_over_the_guess(tmp_path: Path) -> None:
    text = "label,kind,x\n1,a,5\n2,b,6\n3,a,7\n4,b,8\n"
    data = datasets.load(a_table(tmp_path, text), label="kind")
    assert data.samples.class_names == ["a", "b"]
    assert data.input_shape == (2,)  # the column called label is a number like any other now


@pytest.mark.parametrize("label", ["NA", "B", "b ", "null", "nan", "None", "True", "1.0", "=1+1", " a"])
def test_a_label_is_text_as_it_stands(tmp_path: Path, label: str) -> None:
    data = uploads.read(a_table(tmp_path, f"x,label\n1,{label}\n2,{label}\n3,b\n4,b\n"))
    assert set(data.samples.class_names) == {label, "b"}


def test_the_unnamed_column_that_pandas_writes_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    pd.DataFrame({"x": [1, 2, 3, 4], "label": list("aabb")}).to_csv(path)
    data = uploads.read(path)
    assert data.input_shape == (1,)
    assert data.notes == ("Left out the first column: it has no name and only counts the rows.",)


def test_a_table_may_be_standardised(tmp_path: Path) -> None:
    data = datasets.load(a_table(tmp_path, TABLE), standardize=True)
    np.testing.assert_allclose(data.features.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: give a header"),
        ("x,label\n", "has a header and no rows"),
        ("a,b,c\n1,2,3\n", "has no column called label, class, target, y or category: name .* --label; it has a, b, c"),
        ("x,label\n1,a\n,a\n3,b\n4,b\n", r"row 3, column 'x' is missing or not a number \(NaN\): fill it in"),
        ("x,z,label\n1,2,a\n1,NaN,a\n3,1,b\n4,1,b\n", "row 3, column 'z' is missing"),
        ("x,label\n1,a\n2,a\ninf,b\n4,b\n", "row 4, column 'x' is infinite"),
        ("x,label\n1,a\n2,a\n-1e99,b\n4,b\n", r"row 4, column 'x' is -1e\+99, too large"),
        ("x,label\n1,a\n2,\n3,b\n4,b\n", "row 3 has no label in column 'label': fill it in or delete the row"),
        ("x,label\n1,a\n\n2,a\n3,b\n4,b\n", "row 3 has no label"),
        (
            "x,id,label\n1,p,a\n2,q,a\n3,p,b\n4,r,b\n",
            "the id 'p' stands in row 2 and row 4 of column 'id': make the ids",
        ),
        ("x,id,label\n1,p,a\n2,,a\n3,q,b\n4,r,b\n", "row 3 has no id in column 'id'"),
        (
            "x,city,label\n1,Rome,a\n2,Oslo,a\n3,p,b\n4,r,b\n",
            r"column 'city' is not numeric \(row 2 holds 'Rome'\): remove it",
        ),
        ("x,label\n1,a\n2,a\n3o,b\n4,b\n", r"column 'x' is not numeric \(row 4 holds '3o'\)"),
        ("x,x,label\n1,2,a\n", "has two columns called 'x': rename one"),
        ("label,id\na,1\na,2\nb,3\nb,4\n", "has no numeric column besides the label"),
        (",x,label\n5,1,a\n6,2,a\n7,3,b\n8,4,b\n", "has a column without a name"),
        ("x,label\n1,a\n2,a,9\n3,b\n4,b\n", "cannot be read as a table .*line 3"),
        ("x,label\n1,a,9\n2,a,9\n3,b,9\n4,b,9\n", "cannot be read as a table"),
        ('x,label\n1,"a\n2,a\n3,b\n4,b\n', "cannot be read as a table"),
        ("x,label\n1,a\n2,a\n3,b\n", "Class 'b' has 1 sample"),
        ("x,label\n1,a\n2,a\n3,a\n", "All 3 samples are of class 'a'"),
    ],
)
def test_a_table_with_a_fault_is_refused(tmp_path: Path, text: str, message: str) -> None:
    says(a_table(tmp_path, text), message)


def test_an_unknown_label_column_is_answered_with_the_columns(tmp_path: Path) -> None:
    says(
        a_table(tmp_path, TABLE),
        r"no column called 'lable'\. Did you mean 'label'\? Known: id, text, x, y, label",
        UnknownNameError,
        label="lable",
    )


def test_a_parquet_file_with_a_fault_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    path.write_bytes(b"PAR1 and no more")
    says(path, r"cannot be read as a table \(.*\): save it again as CSV or Parquet")
    pd.DataFrame({"v": [[1.0], [1.0, 2.0]], "label": ["a", "b"]}).to_parquet(path)
    says(path, "column 'v' has 1 numbers in row 2 and 2 in row 3: all lists must be of one length")
    pd.DataFrame({"v": [[1.0], None], "label": ["a", "b"]}).to_parquet(path)
    says(path, r"column 'v' is not numeric \(row 3 holds")
    pd.DataFrame({"image": [b"\x89PNG", b"x"], "label": ["a", "b"]}).to_parquet(path)
    says(
        path,
        "column 'image' holds bytes, and a table is read for its numbers: remove it, or bring pictures as a folder",
    )
    pd.DataFrame({"x": [1, 2], "label": ["a", None]}).to_parquet(path)
    says(path, "row 3 has no label")
    pd.DataFrame({"x": pd.array([1, None], dtype="Int64"), "label": ["a", "b"]}).to_parquet(path)
    says(path, "row 3, column 'x' is missing")
    pd.DataFrame({"x": pd.to_datetime(["2020-01-01", "2020-01-02"]), "label": ["a", "b"]}).to_parquet(path)
    says(path, "column 'x' is not numeric")


def test_a_table_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes("x,label\n1,caf\xe9\n".encode("latin-1"))
    says(path, "is not UTF-8 text: save it again as CSV in UTF-8")
    path.write_bytes("caf\xe9,label\n1,a\n".encode("latin-1"))
    says(path, "is not UTF-8 text")
