"""What bad input gets on the command line: one sentence and exit code 2, or a set with a stated warning."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tripletscope import cli
from tripletscope.embeddings.mapping import propose
from tripletscope.embeddings.opening import open_embeddings, read
from tripletscope.embeddings.table import look_at
from tripletscope.export import read_triplets_csv

ROWS = 40
Words = list[str]


def vectors(rows: int = ROWS) -> np.ndarray:
    """Two classes apart, in turn."""
    chance = np.random.default_rng(0)
    return (chance.normal(size=(rows, 4)) + 3 * np.eye(4)[np.arange(rows) % 2]).astype(np.float32)


def frame(rows: int = ROWS, **columns: Any) -> pd.DataFrame:
    made = pd.DataFrame(vectors(rows), columns=[f"e{d}" for d in range(4)])
    made["label"] = np.array(["cat", "dog"])[np.arange(rows) % 2]
    return made.assign(**columns)


def table(folder: Path, rows: int = ROWS, **columns: Any) -> Words:
    path = folder / "set.csv"
    frame(rows, **columns).to_csv(path, index=False)
    return [str(path)]


def array(folder: Path, values: Any, *, labels: Any = None, pickled: bool = False) -> Words:
    np.save(folder / "set.npy", values, allow_pickle=pickled)
    labels = np.arange(len(values)) % 2 if labels is None else labels
    pd.DataFrame({"label": labels}).to_csv(folder / "meta.csv", index=False)
    return [str(folder / "set.npy"), "--metadata", str(folder / "meta.csv")]


def file(folder: Path, name: str, content: bytes | str) -> Words:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [str(folder / name)]


def changed(values: np.ndarray, **places: Any) -> np.ndarray:
    """A copy with numbers at "row_column"."""
    made = values.copy()
    for place, value in places.items():
        row, column = place.removeprefix("at_").split("_")
        made[int(row), int(column)] = value
    return made


def whole_file(folder: Path, kind: str) -> Path:
    """A sound file of that kind."""
    path, rows = folder / f"set.{kind}", frame()
    if kind == "npy":
        np.save(path, vectors())
    elif kind == "npz":
        np.savez(path, embeddings=vectors(), labels=np.arange(ROWS) % 2)
    elif kind in ("csv", "csv.gz"):
        rows.to_csv(path, index=False)
    elif kind == "parquet":
        rows.to_parquet(path)
    elif kind in ("arrow", "feather"):
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, pa.Table.from_pandas(rows).schema) as writer:
            writer.write_table(pa.Table.from_pandas(rows))
    elif kind == "jsonl":
        lines = [{"e": row.tolist(), "label": "ab"[place % 2]} for place, row in enumerate(vectors())]
        path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    elif kind == "pt":
        import torch

        torch.save({"vectors": torch.from_numpy(vectors()), "labels": torch.arange(ROWS) % 2}, path)
    else:
        safetensors = pytest.importorskip("safetensors.numpy")
        safetensors.save_file({"vectors": vectors(), "labels": np.arange(ROWS) % 2}, path)
    return path


KINDS = ("npy", "npz", "csv.gz", "parquet", "arrow", "feather", "jsonl", "pt", "safetensors")


def cut(kind: str) -> Callable[[Path], Words]:
    def build(folder: Path) -> Words:
        path = whole_file(folder, kind)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
        return [str(path)]

    return build


def empty(kind: str) -> Callable[[Path], Words]:
    return lambda folder: file(folder, f"set.{kind}", b"")


def renamed(kind: str) -> Callable[[Path], Words]:
    def build(folder: Path) -> Words:
        return file(folder, f"set.{kind}", whole_file(folder, "npy" if kind != "npy" else "npz").read_bytes())

    return build


def zipped(**entries: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return made.getvalue()


def pictures(folder: Path, content: bytes) -> Words:
    np.save(folder / "set.npy", vectors())
    return [str(folder / "set.npy"), "--metadata", *file(folder, "pictures.zip", content)]


def repeated_text(folder: Path) -> Words:
    """A long text once in a dictionary, and 60,000 times in the table."""
    rows = 60_000
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["long " * 2_000]))
    columns = {f"e{d}": np.zeros(rows, np.float32) for d in range(2)} | {"label": codes}
    pq.write_table(pa.table(columns), folder / "set.parquet", compression="zstd")
    assert (folder / "set.parquet").stat().st_size < 200_000
    return [str(folder / "set.parquet"), "--limit", "0.5"]


def repeated_arrow(folder: Path) -> Words:
    rows = 60_000
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["long " * 2_000]))
    made = pa.table({f"e{d}": np.zeros(rows, np.float32) for d in range(2)} | {"label": codes})
    with pa.OSFile(str(folder / "set.arrow"), "wb") as out, pa.ipc.new_file(out, made.schema) as writer:
        writer.write_table(made)
    return [str(folder / "set.arrow"), "--limit", "0.5"]


class Trap:
    """Whoever opens it runs it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def object_array() -> np.ndarray:
    made = np.empty((ROWS, 2), dtype=object)
    made[:] = Trap()
    return made


def object_npz(folder: Path) -> Words:
    np.savez(folder / "set.npz", embeddings=vectors(), labels=object_array()[:, 0])
    return [str(folder / "set.npz")]


def numpy_in_torch(folder: Path) -> Words:
    import torch

    torch.save({"embeddings": vectors(), "labels": np.arange(ROWS) % 2}, folder / "set.pt")
    return [str(folder / "set.pt")]


def promising_npz(folder: Path) -> Words:
    """Zeros pack a thousand times smaller."""
    np.savez_compressed(folder / "set.npz", embeddings=np.zeros((200_000, 64), np.float32))
    return [str(folder / "set.npz"), "--limit", "0.01"]


class Refused(NamedTuple):
    build: Callable[[Path], Words]
    says: str
    names: str = "set"


CSV = "e0,e1,label\n"
REFUSED: dict[str, Refused] = {
    "missing": Refused(lambda folder: [str(folder / "set.npy")], "There is no file"),
    "missing metadata": Refused(
        lambda folder: [*array(folder, vectors())[:2], str(folder / "gone.csv")], "There is no file", "gone"
    ),
    "a folder": Refused(lambda folder: [str(folder)], "may hold pictures but no vectors", ""),
    "of no known kind": Refused(lambda folder: file(folder, "set.docx", "x"), "of no kind that can be read"),
    **{f"empty {kind}": Refused(empty(kind), "") for kind in (*KINDS, "csv", "tsv", "txt")},
    "header only": Refused(lambda folder: file(folder, "set.csv", CSV), "a header and no rows"),
    "no rows": Refused(lambda folder: array(folder, np.zeros((0, 4)), labels=[]), "give one row or more"),
    "ragged table": Refused(lambda folder: file(folder, "set.csv", f"{CSV}1,2,a\n1,2\n"), "row 3 has 2 cells"),
    "ragged lists": Refused(
        lambda folder: file(folder, "set.jsonl", '{"v": [1, 2]}\n{"v": [1]}\n'), "2 numbers in row 1 and 1 in row 2"
    ),
    "3-D": Refused(lambda folder: array(folder, np.zeros((2, 3, 4))), r"shape \(2, 3, 4\)"),
    "1-D": Refused(lambda folder: array(folder, np.zeros(5)), "stack one vector for each row"),
    "pickled objects": Refused(lambda folder: array(folder, object_array(), pickled=True), "Python objects"),
    "pickled objects in a zip": Refused(object_npz, "array 'labels' holds Python objects"),
    "a pickle called .pt": Refused(
        lambda folder: file(folder, "set.pt", pickle.dumps(Trap())), "Python objects|cannot"
    ),
    **{f"cut {kind}": Refused(cut(kind), "") for kind in KINDS},
    **{f"renamed to {kind}": Refused(renamed(kind), "") for kind in KINDS if kind != "csv.gz"},
    "npz bomb": Refused(promising_npz, r"would fill 48\.8 MB of memory .* limit is 10\.2 MB"),
    "gzip bomb": Refused(
        lambda folder: [*file(folder, "set.csv.gz", gzip.compress(b"0.5,0.5\n" * 2_000_000)), "--limit", "0.005"],
        "limit is 5.1 MB",
    ),
    "dictionary bomb in Parquet": Refused(repeated_text, r"would fill .* limit is 512\.0 MB"),
    "dictionary bomb in Arrow": Refused(repeated_arrow, r"would fill .* limit is 512\.0 MB"),
    "picture bomb": Refused(
        lambda folder: pictures(folder, zipped(**{"0.png": b"\0" * 10_000_000})), "would unpack to 9.5 MB", "pictures"
    ),
    "zip slip": Refused(lambda folder: pictures(folder, zipped(**{"../0.png": b"x"})), "leads out of it", "pictures"),
    "absolute zip": Refused(lambda folder: pictures(folder, zipped(**{"/0.png": b"x"})), "leads out", "pictures"),
    "broken zip": Refused(lambda folder: pictures(folder, b"PK\x03\x04"), "cannot be read as a zip", "pictures"),
    "no finite row": Refused(lambda folder: array(folder, np.full((3, 2), np.nan)), "no row can be used: row 0"),
    "an id twice": Refused(
        lambda folder: [*table(folder, key=["twice", *map(str, range(1, ROWS - 1)), "twice"]), "--id", "key"],
        f"the id 'twice' stands in row 2 and row {ROWS + 1} of column 'key'",
    ),
    "a missing id": Refused(
        lambda folder: [*table(folder, key=["", *map(str, range(1, ROWS))]), "--id", "key"],
        "row 2, column 'key' has no id",
    ),
    "a column twice": Refused(
        lambda folder: file(folder, "set.csv", "e0,e0,label\n1,2,a\n"), "two columns called 'e0': rename one"
    ),
    "a column that is not there": Refused(
        lambda folder: [*table(folder), "--label", "colour"], "There is no column called 'colour'", ""
    ),
    "a part twice": Refused(
        lambda folder: [*table(folder), "--label", "label", "--label", "e0"], "--label is given twice", ""
    ),
    "a word among numbers": Refused(
        lambda folder: file(folder, "set.csv", "emb_0,emb_1,emb_2,label\n" + "1,2,3.5,a\n" * 9 + "1,oops,2,b\n"),
        "row 11, column 'emb_1' holds 'oops'",
    ),
    "words only": Refused(lambda folder: file(folder, "set.csv", "text,label\nhello,a\nyou,b\n"), "no numeric column"),
    "labels of another length": Refused(
        lambda folder: array(folder, vectors(), labels=np.arange(ROWS - 1) % 2),
        f"has {ROWS:,} rows and .*meta.csv has {ROWS - 1}",
    ),
    "no limit at all": Refused(lambda folder: [*table(folder), "--limit", "0"], "--limit is 0", ""),
    "a limit that is no number": Refused(lambda folder: [*table(folder), "--limit", "nan"], "--limit is nan", ""),
    "NumPy in a file of torch": Refused(numpy_in_torch, "holds NumPy arrays, .* save them with numpy.savez"),
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where input lies, and an empty one for what is written, which is also where the command runs."""
    for name in ("given", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "out")
    return tmp_path / "given", tmp_path / "out"


def command(name: str) -> Words:
    if name == "inspect":
        return ["--out", "report.html", "--excluded", "left.txt"]
    return ["--out", "t.csv", "--strategy", "hardest"]


@pytest.mark.parametrize("name", ["inspect", "mine"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_one_sentence(
    folders: tuple[Path, Path], capfd: pytest.CaptureFixture[str], name: str, case: str
) -> None:
    given, out = folders
    words = REFUSED[case].build(given)
    before = sorted(given.iterdir())
    assert cli.main([name, *words, *command(name)]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    line = told.err.removesuffix("\n")
    assert re.match(r"tripletscope: [A-Z/.-].*\.$", line), line
    assert "\n" not in line
    assert "Traceback" not in line
    assert len(line) < 700
    assert re.search(REFUSED[case].says, line), line
    assert REFUSED[case].names in line
    assert sorted(given.iterdir()) == before
    assert list(out.iterdir()) == []


class Loaded(NamedTuple):
    build: Callable[[Path], Words]
    notes: str  # in the warnings of `inspect` and in what `mine` says
    mine_says: str = ""  # the refusal of `mine` where no triplet can be made
    used: int = ROWS


def alike(*names: str) -> Callable[[Path], Words]:
    return lambda folder: table(folder, label=[names[place % len(names)] for place in range(ROWS)])


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
HEBREW, WIDTHLESS = "\u05d0\u05d1", "a\u200bb"
HTML = ["<script>alert(1)</script>", "[bold red]*x*[/] | `y`", "=HYPERLINK(A1)", "&amp;"]

LOADED: dict[str, Loaded] = {
    "one row": Loaded(lambda folder: table(folder, 1), "There is one row only", "1 class|one class|negative", 1),
    "one class": Loaded(alike("cat"), "All labels in column 'label' are 'cat'", "one class|negative"),
    "all alone": Loaded(
        lambda folder: [*table(folder, label=[f"c{row}" for row in range(ROWS)]), "--label", "label"],
        "Every class in column 'label' has one row",
        "positive",
    ),
    "NaN": Loaded(lambda folder: array(folder, changed(vectors(), at_3_1=np.nan)), "row 3 .* holds NaN", used=ROWS - 1),
    "infinite": Loaded(
        lambda folder: array(folder, changed(vectors(), at_3_1=np.inf)), "row 3 .* infinite number", used=ROWS - 1
    ),
    "huge": Loaded(
        lambda folder: array(folder, changed(vectors().astype(float), at_3_1=1e300)),
        r"row 3 .* holds 1e\+300 in place 1 of the vector, too large",
        used=ROWS - 1,
    ),
    "zero": Loaded(
        lambda folder: array(folder, np.vstack([np.zeros((1, 4)), vectors()[1:]])), "1 vector is zero .*row 0"
    ),
    "denormal": Loaded(
        lambda folder: array(folder, np.vstack([np.full((1, 4), 1e-42), vectors()[1:]]).astype(np.float32)),
        "1 vector is shorter than 1e-18",
    ),
    "an empty cell": Loaded(
        lambda folder: table(folder, e2=[np.nan, *vectors()[1:, 2]]),
        "row 2 has an empty cell in column 'e2'",
        used=ROWS - 1,
    ),
    "ids twice, not asked for": Loaded(
        lambda folder: table(folder, id=["twice"] * 2 + [str(row) for row in range(ROWS - 2)]),
        "Column 'id' has values that occur twice",
    ),
    "labels of several forms": Loaded(
        alike("7", "007", "7.0"), "these classes are kept apart: '007' and '7' and '7.0'"
    ),
    "composed and decomposed": Loaded(alike(COMPOSED, DECOMPOSED), r"kept apart: 'cafe\\u0301' and 'caf\\xe9'"),
    "zero-width and right-to-left": Loaded(alike("ab", WIDTHLESS, HEBREW), r"'ab' and 'a\\u200bb'"),
    "rows without label": Loaded(
        lambda folder: table(folder, label=["", *(["cat", "dog"] * ROWS)[: ROWS - 1]]), "1 row has no label"
    ),
    "mixed kinds of label": Loaded(
        lambda folder: file(
            folder,
            "set.jsonl",
            "\n".join(
                json.dumps({"e": row.tolist(), "label": [7, "cat"][place % 2]}) for place, row in enumerate(vectors())
            ),
        ),
        "Key 'label' of set.jsonl holds texts and numbers",
    ),
    "100 classes of two": Loaded(lambda folder: table(folder, 200, label=np.repeat(np.arange(100), 2)), "", used=200),
    "800 against 2": Loaded(lambda folder: table(folder, 802, label=["many"] * 800 + ["few"] * 2), "", used=802),
    "Latin-1": Loaded(
        lambda folder: file(
            folder, "set.csv", frame(label=[COMPOSED, "th\u00e9"] * (ROWS // 2)).to_csv(index=False).encode("latin-1")
        ),
        r"set.csv is not UTF-8, so it was read as Windows-1252 \(Latin-1\)",
    ),
    "more than one label column": Loaded(
        lambda folder: table(folder, category=[["old", "new", "blue"][row % 3] for row in range(ROWS)]), ""
    ),
}


@pytest.mark.parametrize("case", LOADED)
def test_what_loads_says_what_is_odd(folders: tuple[Path, Path], capfd: pytest.CaptureFixture[str], case: str) -> None:
    given, out = folders
    words, notes, mine_says, used = LOADED[case].build(given), *LOADED[case][1:]
    assert cli.main(["inspect", *words, "--out", "found.json", "--json"]) == 0
    told = capfd.readouterr()
    assert "Traceback" not in told.err
    found = json.loads(told.out)
    assert found == json.loads((out / "found.json").read_text(encoding="utf-8"))
    assert found["rows_used"] == used
    assert found["rows"] == found["rows_used"] + len(found["rows_dropped"])
    assert re.search(notes, " ".join(found["warnings"])), found["warnings"]

    before = sorted(out.iterdir())
    code = cli.main(["mine", *words, "--strategy", "hardest", "--out", "t.csv"])
    told = capfd.readouterr()
    assert "Traceback" not in told.err
    assert re.search(notes, told.err), told.err
    if mine_says:
        assert code == 2
        assert re.search(rf"^tripletscope: .*({mine_says}).*\.$", told.err.splitlines()[-1]), told.err
        assert sorted(out.iterdir()) == before
    else:
        assert code == 0
        assert len(read_triplets_csv(out / "t.csv")) > 0


def test_markup_in_labels_and_ids_is_text_everywhere(
    folders: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    given, out = folders
    words = table(
        given, label=[HTML[row % 4] for row in range(ROWS)], name=[f"{HTML[row % 4]}{row}" for row in range(ROWS)]
    )
    words += ["--label", "label", "--id", "name"]
    for name in ("report.html", "found.json"):
        assert cli.main(["inspect", *words, "--out", name]) == 0
    assert "alert(1)" in capfd.readouterr().out  # as text, brackets and all
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert cli.main(["mine", *words, "--strategy", "hardest", "--flagged", "ignore", "--out", "t.csv"]) == 0
    cells = pd.read_csv(out / "t.csv", dtype=str, keep_default_na=False)
    assert (cells["anchor_label"] == "'=HYPERLINK(A1)").any()
    assert not cells["anchor_id"].str.startswith("=").any()
    assert set(read_triplets_csv(out / "t.csv")["anchor_label"]) == set(HTML)


@pytest.mark.parametrize("kind", [*KINDS, "csv"])
def test_the_sound_file_of_each_kind_loads(folders: tuple[Path, Path], kind: str) -> None:
    """Else a refusal of its cut or renamed copy would prove nothing."""
    given, out = folders
    assert cli.main(["inspect", str(whole_file(given, kind)), "--out", "found.json"]) == 0
    assert json.loads((out / "found.json").read_text())["rows_used"] == ROWS


def test_a_repeated_text_within_the_limit_loads(folders: tuple[Path, Path]) -> None:
    given, _ = folders
    for build in (repeated_text, repeated_arrow):
        path = build(given)[0]
        found = open_embeddings(path)
        assert found.class_names == ["long " * 2_000]
        assert len(found) == 60_000


def test_another_label_column_stays_to_colour_by_and_can_be_chosen(folders: tuple[Path, Path]) -> None:
    given, _ = folders
    words = LOADED["more than one label column"].build(given)
    assert propose(look_at(read(words[0]))).alternatives["label"] == ("category",)
    found = open_embeddings(words[0])
    assert found.class_names == ["cat", "dog"]
    assert found.columns["category"].tolist()[:3] == ["old", "new", "blue"]
    found = open_embeddings(words[0], mapping={"label": "category"})
    assert found.class_names == ["blue", "new", "old"]
    assert found.columns["label"].tolist()[:2] == ["cat", "dog"]
    assert cli.main(["inspect", *words, "--label", "category", "--out", "found.json"]) == 0
    assert json.loads(Path("found.json").read_text())["classes"] == 3
