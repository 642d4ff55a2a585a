"""What bad input gets: one sentence with the file, the row or column and the way out, or a stated warning."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.embeddings.opening import open_embeddings
from tripletscope.errors import DataError, SettingError

KINDS = ("npy", "npz", "csv", "tsv", "txt", "parquet", "arrow", "feather", "jsonl", "pt", "safetensors")


def says(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_embeddings(path, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert path.name in str(caught.value)


def a_text(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def an_npy(folder: Path, values: Any, name: str = "v.npy") -> Path:
    np.save(folder / name, np.asarray(values))
    return folder / name


def notes_of(found: EmbeddingSet) -> str:
    return " ".join(found.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_file_is_refused_in_every_format(tmp_path: Path, kind: str) -> None:
    says(a_text(tmp_path, b"", f"t.{kind}"), rf"t\.{kind}")


def test_what_is_missing_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    says(tmp_path / "gone.npy", "There is no file .*gone.npy: give the path of")
    says(a_text(tmp_path, "x", "t.docx"), "of no kind that can be read")
    (tmp_path / "folder").mkdir()
    says(tmp_path / "folder", "may hold pictures but no vectors")
    says(a_text(tmp_path, "PK", "t.zip"), "may hold pictures but no vectors")
    with pytest.raises(SettingError, match="A limit of 0 bytes lets nothing in"):
        open_embeddings(tmp_path / "t.docx", limit=0)


def test_arrays_of_a_wrong_shape_are_refused(tmp_path: Path) -> None:
    says(
        an_npy(tmp_path, np.zeros((2, 3, 4))),
        r"an array of shape \(2, 3, 4\), and vectors have shape \(rows,",
    )
    says(an_npy(tmp_path, np.zeros(3)), "stack one vector for each row")
    says(an_npy(tmp_path, np.zeros((0, 3))), "give one row or more")
    says(an_npy(tmp_path, np.zeros((3, 0))), "one number or more")
    says(an_npy(tmp_path, [["a", "b"]]), "give real numbers")
    says(an_npy(tmp_path, [[1j, 2]]), "give real numbers")


def test_python_objects_are_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    trap = np.empty((1, 2), dtype=object)
    trap[:] = Trap()
    np.save(tmp_path / "v.npy", trap, allow_pickle=True)
    says(tmp_path / "v.npy", "holds Python objects, which could run code when opened")
    np.savez(tmp_path / "v.npz", embeddings=np.zeros((1, 2)), labels=trap[0])
    says(tmp_path / "v.npz", "array 'labels' holds Python objects")
    (tmp_path / "v.pt").write_bytes(pickle.dumps(Trap()))
    says(tmp_path / "v.pt", "Python objects|cannot be read")
    assert not (tmp_path / "sprung").exists()


def test_a_file_cut_short_says_how_much_is_there(tmp_path: Path) -> None:
    path = an_npy(tmp_path, np.zeros((10, 4), dtype=np.float32))
    path.write_bytes(path.read_bytes()[:-40])
    says(path, "cut short: its header promises 10 rows and it holds 7; copy it again")


def test_a_renamed_file_is_refused_under_its_new_name(tmp_path: Path) -> None:
    content = an_npy(tmp_path, np.zeros((10, 4), dtype=np.float32)).read_bytes()
    for kind in ("npz", "parquet", "arrow", "jsonl", "csv", "pt", "safetensors"):
        says(a_text(tmp_path, content, f"r.{kind}"), rf"r\.{kind}")


def test_limits_on_opened_size_are_stated_and_can_be_raised(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"e{place}": np.arange(1000.0) + 0.5 for place in range(9)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez_compressed(tmp_path / "t.npz", embeddings=np.zeros((1000, 9)))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    np.save(tmp_path / "t.npy", np.zeros((1000, 9)))
    for kind in ("csv", "parquet", "npz", "csv.gz", "npy"):
        says(tmp_path / f"t.{kind}", r"would fill .* of memory once opened, and the limit is 9\.0 kB", limit=9000)
        assert len(open_embeddings(tmp_path / f"t.{kind}", limit=10**7)) == 1000


def test_a_gzip_bomb_is_stopped_while_it_grows(tmp_path: Path) -> None:
    path = a_text(tmp_path, gzip.compress(b"0.5,0.5\n" * 2_000_000), "bomb.csv.gz")
    assert path.stat().st_size < 100_000
    says(path, "once opened, and the limit is 5.0 MB", limit=5 * 2**20)


def test_rows_that_are_not_finite_are_left_out_and_listed(tmp_path: Path) -> None:
    values = np.ones((7, 3))
    values[1, 2], values[3, 0], values[4, 1], values[5, 1] = np.nan, np.inf, -np.inf, 1e300
    found = open_embeddings(an_npy(tmp_path, values))
    assert [row for row, _ in found.dropped] == [1, 3, 4, 5]
    assert found.dropped[0].reason == "holds NaN in place 2 of the vector"
    assert found.dropped[1].reason == "holds an infinite number in place 0 of the vector"
    assert found.dropped[3].reason == "holds 1e+300 in place 1 of the vector, too large for distances in 32-bit floats"
    assert found.ids.tolist() == [0, 2, 6]
    assert "Left out 4 rows of v.npy: row 1 (counted from 0) holds NaN" in notes_of(found)
    says(an_npy(tmp_path, [[np.nan, 1]]), "no row can be used: row 0 .* holds NaN")


def test_rows_of_halves_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    values = np.ones((4, 3), dtype=np.float16)
    values[1, 2], values[3, 0] = np.nan, -np.inf
    found = open_embeddings(an_npy(tmp_path, values))
    assert [row for row, _ in found.dropped] == [1, 3]
    assert found.vectors.dtype == np.float16


def test_nan_of_any_bits_is_nan(tmp_path: Path) -> None:
    bits = np.array([[0x3C00, 0], [0x7C01, 0], [0xFE00, 0]], dtype=np.uint16)
    assert len(open_embeddings(an_npy(tmp_path, bits.view(np.float16))).dropped) == 2
    wide = np.array([[0x3F800000, 0], [0x7F800001, 0], [0xFFC00000, 0]], dtype=np.uint32)
    assert len(open_embeddings(an_npy(tmp_path, wide.view(np.float32))).dropped) == 2


def test_an_empty_cell_of_the_vector_leaves_its_row_out_by_the_spreadsheets_number(tmp_path: Path) -> None:
    text = "id,label,e0,e1\na,x,1.5,2\nb,y,,2\nc,x,nan,3\nd,y,4.5,1e300\ne,y,5.5,5\n"
    found = open_embeddings(a_text(tmp_path, text))
    assert found.ids.tolist() == ["a", "e"]
    assert [row for row, _ in found.dropped] == [3, 4, 5]
    assert found.dropped[0].reason == "has an empty cell in column 'e0'"
    assert found.dropped[2].reason == "holds a number in column 'e1' that is infinite or beyond 32-bit floats"
    assert found.class_names == ["x", "y"]
    assert found.rows is not None
    assert found.rows.tolist() == [2, 6]


def test_a_class_whose_rows_are_all_left_out_is_no_class_any_more(tmp_path: Path) -> None:
    found = open_embeddings(a_text(tmp_path, "label,e0,e1\na,0.5,1\nb,,1\nc,0.5,1\n"))
    assert (found.class_names, found.labels.tolist()) == (["a", "c"], [0, 1])


def test_zero_and_tiny_vectors_are_kept_and_noted(tmp_path: Path) -> None:
    values = np.float32([[0, 0], [1, 0], [1e-42, 0], [0, 1]])
    found = open_embeddings(an_npy(tmp_path, values))
    assert len(found) == 4
    assert "1 vector is zero (row 0 (counted from 0)): they are kept, but have no direction" in notes_of(found)
    assert "1 vector is shorter than 1e-18 (row 2 (counted from 0))" in notes_of(found)


def test_rows_of_a_table_that_differ_in_length_are_refused_by_their_number(tmp_path: Path) -> None:
    says(
        a_text(tmp_path, "a,b,label\n1,2,x\n\n1,2,y\n1,2\n"),
        "row 5 has 2 cells where the others have 3: repair",
    )
    says(a_text(tmp_path, "a,b,label\n1,2,x\n1,2,y,z\n"), "row 3 has 4 cells where the others have 3")
    says(a_text(tmp_path, 'a,b\n"1,2\n3,4\n'), r"t\.csv")
    path = tmp_path / "t.parquet"
    pd.DataFrame({"v": [[1.0], [1.0, 2.0]], "label": ["a", "b"]}).to_parquet(path)
    says(path, "column 'v' has 1 numbers in row 2 and 2 in row 3: all vectors must be of one length")
    says(a_text(tmp_path, '{"v": [1, 2]}\n{"v": [1]}\n', "t.jsonl"), "column 'v' has 2 numbers in row 1 and 1 in row 2")


def test_blank_lines_do_not_shift_the_numbers_of_rows(tmp_path: Path) -> None:
    found = open_embeddings(a_text(tmp_path, "label,e0,e1\na,1.5,1\n\nb,2.5,1\n\n\nc,,1\n\n"))
    assert found.rows is not None
    assert found.rows.tolist() == [2, 4]
    assert found.dropped[0].row == 7
    found = open_embeddings(a_text(tmp_path, "label,e0,e1\na,1.5,1\n\nb,2.5,1"))
    assert found.rows is not None
    assert found.rows.tolist() == [2, 4]


def test_a_word_among_numbers_is_refused_by_its_row(tmp_path: Path) -> None:
    text = "emb_0,emb_1,emb_2,label\n" + "".join(f"{row}.5,1,2.5,a\n" for row in range(300)) + "oops,1,2,b\n"
    says(a_text(tmp_path, text), "row 302, column 'emb_0' holds 'oops', which is no number: correct it")
    # Without a block of numbered columns it may be a column of words, so it is left out of the vector and said.
    found = open_embeddings(a_text(tmp_path, text.replace("emb_0", "width").replace("emb_", "size")))
    assert found.dim == 2
    assert "Column 'width' is no part of the vector, because it holds 'oops' among numbers" in notes_of(found)


def test_header_only_and_one_row(tmp_path: Path) -> None:
    says(a_text(tmp_path, "e0,e1,label\n"), "has a header and no rows")
    pd.DataFrame({"e0": [], "e1": []}).to_parquet(tmp_path / "t.parquet")
    says(tmp_path / "t.parquet", "has columns and no rows")
    found = open_embeddings(a_text(tmp_path, "e0,e1,label\n1.5,2,a\n"))
    assert "There is one row only" in notes_of(found)


def test_labels_and_metadata_of_another_length_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", embeddings=np.zeros((3, 2)), labels=np.arange(2))
    says(tmp_path / "v.npz", "'labels' has 2 entries and 'embeddings' has 3 rows: give one entry for each row")
    vectors = an_npy(tmp_path, np.ones((3, 2)))
    says(
        vectors,
        r"has 3 rows and .*t\.csv has 2: give",
        metadata=a_text(tmp_path, "label,text\na,b\nc,d\n"),
    )
    says(vectors, r"has 3 rows and .*y\.npy has 4", metadata=an_npy(tmp_path, np.arange(4), "y.npy"))


def test_labels_that_differ_in_form_stay_apart_and_that_is_said(tmp_path: Path) -> None:
    found = open_embeddings(a_text(tmp_path, "label,e0,e1\n7,1.5,1\n007,1.5,2\n7.0,1.5,3\n7,1.5,4\n"))
    assert found.class_names == ["007", "7", "7.0"]
    assert "these classes are kept apart: '007' and '7' and '7.0'" in notes_of(found)
    rows = [{"label": label, "e": [1, 2]} for label in (7, "7", "007", 7.0)]
    found = open_embeddings(a_text(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl"))
    assert [found.class_of(row) for row in range(4)] == ["7", "7", "007", "7.0"]
    assert "Key 'label' of t.jsonl holds texts and numbers; they are compared as texts." in found.notes


def test_labels_that_look_alike_stay_apart_and_are_told_apart_in_the_note(tmp_path: Path) -> None:
    names = [
        "caf\u00e9",
        "cafe\u0301",
        "a\u200bb",
        "ab",
        "\u05d0\u05d1",
        "<b>x</b>",
        "=1+1",
    ]
    text = "label,e0,e1\n" + "".join(f"{name},1.5,{row}\n" for row, name in enumerate(names))
    found = open_embeddings(a_text(tmp_path, text))
    assert [found.class_of(row) for row in range(7)] == names
    assert r"'cafe\u0301' and 'caf\xe9'" in notes_of(found)
    assert r"'ab' and 'a\u200bb'" in notes_of(found)


def test_missing_labels_one_class_and_single_rows_are_noted(tmp_path: Path) -> None:
    found = open_embeddings(a_text(tmp_path, "label,e0,e1\na,1.5,1\n,1.5,2\na,1.5,3\n"))
    assert found.labels.tolist() == [0, -1, 0]
    assert "1 row has no label in column 'label'" in notes_of(found)
    assert "All labels in column 'label' are 'a'" in notes_of(found)
    found = open_embeddings(a_text(tmp_path, "label,e0,e1\na,1.5,1\nb,1.5,2\n"))
    assert "Every class in column 'label' has one row" in notes_of(found)


def test_ids_that_a_person_chose_must_be_unique_and_filled(tmp_path: Path) -> None:
    path = a_text(tmp_path, "key,e0,e1\np,1.5,1\nq,1.5,2\np,1.5,3\n")
    says(path, "the id 'p' stands in row 2 and row 4 of column 'key': make the ids unique", mapping={"id": "key"})
    path = a_text(tmp_path, "key,e0,e1\np,1.5,1\n,1.5,2\n")
    says(path, "row 3, column 'key' has no id: fill it in", mapping={"id": "key"})


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    says(a_text(tmp_path, "x,x,label\n1,2,a\n"), "has two columns called 'x': rename one")
    says(a_text(tmp_path, ",,label\n1,2,a\n"), "has two columns without a name")


def test_a_table_without_numbers_says_so(tmp_path: Path) -> None:
    says(a_text(tmp_path, "text,label\nhello,a\nyou,b\n"), "has no numeric column that could be the vector")
    says(a_text(tmp_path, '{"label": "a"}\n', "t.jsonl"), "has no numeric column")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is no JSON"),
        ("[1, 2]", "line 2 is no JSON object"),
        ('{"e": 1}', "row 2, 'e' is no list of numbers as in the rows before"),
        ('{"e": [1, "x"]}', "row 2, 'e' is no list of numbers"),
        ('{"e": [1, [2]]}', "row 2, 'e' is no list of numbers"),
        ('{"e": [1, ' + "9" * 400 + "]}", "'e' has a number that cannot be read"),
    ],
)
def test_a_broken_line_of_json_is_named(tmp_path: Path, line: str, message: str) -> None:
    says(a_text(tmp_path, f'{{"e": [1, 2]}}\n{line}\n', "t.jsonl"), message)


def test_a_missing_vector_in_json_leaves_its_row_out(tmp_path: Path) -> None:
    text = '{"e": [1, 2], "id": "a"}\n\n{"id": "b"}\n{"e": [NaN, 2], "id": "c"}\n{"e": [null, 1]}\n'
    found = open_embeddings(a_text(tmp_path, text, "t.jsonl"))
    assert [row for row, _ in found.dropped] == [3, 4, 5]
    assert len(found) == 1


def test_latin_1_is_read_and_said(tmp_path: Path) -> None:
    drinks = ["caf\u00e9" if row == 900 else "tea" for row in range(1000)]
    rows = "".join(f"{drink},{row}.5,1\n" for row, drink in enumerate(drinks))
    found = open_embeddings(a_text(tmp_path, f"label,e0,e1\n{rows}".encode("latin-1")))
    assert found.class_names == ["caf\u00e9", "tea"]
    assert "t.csv is not UTF-8, so it was read as Windows-1252 (Latin-1)" in notes_of(found)


def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path) -> None:
    def file_of(header: Any, body: bytes = b"\0" * 16) -> Path:
        text = json.dumps(header).encode()
        return a_text(tmp_path, struct.pack("<Q", len(text)) + text + body, "t.safetensors")

    right = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    assert len(open_embeddings(file_of({"v": right}))) == 2
    says(file_of({"v": {**right, "shape": [2, 3]}}), "has 16 bytes for shape")
    says(file_of({"v": {**right, "shape": [-2, -2]}}), "no whole number")
    says(file_of({"v": right}, b"\0" * 15), "cut short: 'v' ends beyond the file")
    says(file_of({"v": {**right, "dtype": "F8_E4M3"}}), "has type F8_E4M3, which is not read")
    says(file_of([1]), "its header is no JSON object")
    says(a_text(tmp_path, struct.pack("<Q", 2**62) + b"{}", "t.safetensors"), "header is longer than the file")


def test_zips_that_leave_their_folder_or_explode_are_refused(tmp_path: Path) -> None:
    vectors = an_npy(tmp_path, np.ones((2, 2)))
    for name, message in (("../0.png", "leads out of it"), ("/0.png", "leads out"), ("..\\0.png", "leads out")):
        with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(DataError, match=message):
            open_embeddings(vectors, pictures=tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", b"\0" * 10_000_000)
    with pytest.raises(DataError, match=r"would unpack to 9\.5 MB"):
        open_embeddings(vectors, pictures=tmp_path / "p.zip")
    a_text(tmp_path, b"PK\x03\x04 and no more", "p.zip")
    with pytest.raises(DataError, match="cannot be read as a zip"):
        open_embeddings(vectors, pictures=tmp_path / "p.zip")
