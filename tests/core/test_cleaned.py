"""The cleaned set: every column, the rows that stay, read again as the set without the rows that were left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tripletscope import cli
from tripletscope.embeddings.opening import open_embeddings
from tripletscope.inspection import inspect_set

CHANCE = np.random.default_rng(2)
LABELS = np.repeat(np.arange(3), 40)
POINTS = (4 * np.eye(3, 10)[LABELS] + 0.4 * CHANCE.normal(size=(120, 10))).astype(np.float32)
POINTS[7] = POINTS[90]  # across classes: both go
POINTS[12] = POINTS[11]  # a copy: one goes
NAMES = np.array(["a, b", "=dog", "cow\nbell"])[LABELS]
TEXTS = [f"=row {n}, 'quoted' \"twice\" {'é' if n % 2 else '‮x'}" for n in range(120)]


def write(path: Path, *, pictures: bool = True) -> Path:
    frame = pd.DataFrame({"key": [f"00{n}" for n in range(120)], "kind": NAMES, "words": TEXTS})
    frame["size"] = CHANCE.normal(size=120)
    frame["few"] = pd.array([None if n % 9 == 0 else n for n in range(120)], dtype="Int64")
    if path.name.endswith(".npz"):
        more = {"images": np.zeros((120, 4, 4), np.uint8)} if pictures else {}
        np.savez(path, vectors=POINTS, labels=NAMES, ids=frame["key"].to_numpy("U9"), **more)
        return path
    if path.name.endswith(".npy"):
        np.save(path, POINTS.astype(np.float16))
        return path
    if path.name.endswith((".csv", ".csv.gz", ".tsv")):
        frame[[f"e{d}" for d in range(10)]] = POINTS
        frame.to_csv(path, index=False, sep="\t" if path.name.endswith(".tsv") else ",")
        return path
    frame["vector"] = list(POINTS)
    if path.name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True)
    elif path.name.endswith(".parquet"):
        frame.to_parquet(path)
    else:
        frame.to_feather(path)
    return path


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".parquet", ".arrow", ".feather", ".jsonl", ".npz"])
def test_it_reads_as_the_set_without_what_was_left_out(tmp_path: Path, ending: str) -> None:
    source, out = write(tmp_path / f"all{ending}"), tmp_path / f"rest{ending}"
    listed = tmp_path / "out.txt"
    assert cli.main(["inspect", str(source), "--cleaned", str(out), "--excluded", str(listed), "--json"]) == 0
    before, after = open_embeddings(source), open_embeddings(out)
    seen = inspect_set(before)
    assert len(seen.excluded) >= 3
    assert listed.read_text().split() == [str(one) for one in seen.excluded]
    stay = np.delete(np.arange(len(before)), seen.excluded_rows)
    np.testing.assert_array_equal(after.vectors, before.vectors[stay])
    assert after.ids.tolist() == before.ids[stay].tolist()
    assert [after.class_of(row) for row in range(len(after))] == [before.class_of(int(row)) for row in stay]
    if before.texts is not None:
        assert after.texts == [before.texts[row] for row in stay]
    assert list(after.columns) == list(before.columns)
    for name, column in before.columns.items():
        np.testing.assert_array_equal(after.columns[name], column[stay])
    assert (after.pictures is None) == (before.pictures is None)


def test_every_kind_can_be_written_from_every_other(tmp_path: Path) -> None:
    for source in (".npz", ".parquet", ".csv"):
        given = write(tmp_path / f"from{source}", pictures=False)
        for ending in (".npz", ".parquet", ".csv", ".jsonl", ".arrow"):
            out = tmp_path / f"{source[1:]}-to{ending}"
            code = cli.main(["inspect", str(given), "--cleaned", str(out), "--json"])
            if source == ".parquet" and ending == ".npz":
                assert code == 2  # lists fit no .npz, and that is said
                assert not out.exists()
                continue
            assert code == 0
            before = open_embeddings(given)
            stay = np.delete(np.arange(120), inspect_set(before).excluded_rows)
            np.testing.assert_allclose(open_embeddings(out).vectors, before.vectors[stay], rtol=1e-6)


def test_an_array_on_disk_is_written_in_its_own_type(tmp_path: Path) -> None:
    source, out = write(tmp_path / "v.npy"), tmp_path / "rest.npy"
    pd.DataFrame({"id": [f"k{n}" for n in range(120)], "label": NAMES}).to_csv(tmp_path / "rows.csv", index=False)
    words = ["inspect", str(source), "--metadata", str(tmp_path / "rows.csv")]
    assert cli.main([*words, "--cleaned", str(out), "--excluded", str(tmp_path / "out.txt"), "--json"]) == 0
    found = np.load(out)
    gone = [int(one[1:]) for one in (tmp_path / "out.txt").read_text().split()]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, np.delete(np.load(source), gone, axis=0))
    both = tmp_path / "both.parquet"
    assert cli.main([*words, "--cleaned", str(both), "--json"]) == 0
    assert open_embeddings(both).class_names == sorted(set(NAMES))


def test_findings_can_stay_in_and_further_ids_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "all.parquet")
    (tmp_path / "ids.txt").write_text("0055\n0056\n")
    words = ["inspect", str(source), "--excluded", str(tmp_path / "out.txt"), "--json", "--overwrite"]
    assert cli.main([*words]) == 0
    before = (tmp_path / "out.txt").read_text().split()
    more = [
        "--keep-finding",
        "cross-class-duplicates",
        "--keep-finding",
        "suspicious-labels",
        "--exclude",
        str(tmp_path / "ids.txt"),
    ]
    assert cli.main([*words, *more, "--cleaned", str(tmp_path / "rest.parquet")]) == 0
    after = (tmp_path / "out.txt").read_text().split()
    assert {"007", "0090"} <= set(before) - set(after)
    assert set(after) - set(before) == {"0055", "0056"}
    assert set(open_embeddings(tmp_path / "rest.parquet").ids) & set(after) == set()
    capsys.readouterr()
    assert cli.main([*words, "--keep-finding", "dust"]) == 2
    assert "no check called 'dust'" in capsys.readouterr().err


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "all.parquet")
    for name, said in (("rest.pt", "no kind that can be written"), ("no/rest.csv", "There is no folder")):
        assert cli.main(["inspect", str(source), "--cleaned", str(tmp_path / name), "--json"]) == 2
        told = capsys.readouterr()
        assert said in told.err
        assert told.err.count("\n") == 1
    assert cli.main(["inspect", str(source), "--cleaned", str(source)]) == 2
    assert "exists" in capsys.readouterr().err
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["all.parquet"]'
