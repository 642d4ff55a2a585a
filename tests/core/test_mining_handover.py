"""What one program hands to the next: findings to mining, mined triplets to other forms, progress to a page."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tripletscope import cli
from tripletscope.cli import mined_files
from tripletscope.embeddings.opening import open_embeddings
from tripletscope.errors import DataError
from tripletscope.export import read_triplets_csv, settings_of
from tripletscope.inspection.looked import duplicate_pairs
from tripletscope.mining.pairs import components


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """200 rows in four heaps with wrong labels, a pair across classes and a copy; ids that are texts, and texts."""
    chance = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 50)
    points = 4 * np.eye(4, 8)[labels] + 0.5 * chance.normal(size=(200, 8))
    labels = labels.copy()
    labels[[3, 77]] = [2, 0]
    points[10] = points[160]
    points[21] = points[20]
    frame = pd.DataFrame(points.astype(np.float32), columns=[f"e{d}" for d in range(8)])
    frame["kind"] = np.array(["cat", "dog", "cow", "<b>owl</b>"])[labels]
    frame["key"] = [f"k{n:03d}" for n in range(200)]
    frame["words"] = [f"the text of number {n}, with a comma" for n in range(200)]
    path = tmp_path / "pets.parquet"
    frame.to_parquet(path)
    return path


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_findings_from_a_file_give_the_bytes_that_looking_gives(table: Path, tmp_path: Path) -> None:
    findings = tmp_path / "findings.json"
    assert run("inspect", table, "--out", findings) == 0
    folders = [tmp_path / name for name in ("looked", "handed")]
    for folder, more in zip(folders, ((), ("--findings", findings)), strict=True):
        folder.mkdir()
        assert run("mine", table, "--quiet", "--out", folder / "t.csv", *more) == 0
    assert bytes_of(folders[0]) == bytes_of(folders[1])
    told = settings_of(folders[0] / "t.csv")
    assert told["flagged_rows"] == len(json.loads(findings.read_text())["excluded"]) > 4
    assert read_triplets_csv(folders[0] / "t.csv")["flags"].str.len().sum() >= 0


def test_what_a_check_found_can_stay_in_with_its_flag(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    kept = ("--keep-finding", "suspicious-labels", "--keep-finding", "exact-duplicates")
    assert run("mine", table, "--strategy", "hardest", "--quiet", "--out", out, *kept) == 0
    told, rows = settings_of(out), read_triplets_csv(out)
    assert told["kept_findings"] == ["suspicious-labels", "exact-duplicates"]
    assert {"k003", "k077", "k021"} <= set(rows["anchor_id"])
    assert "suspicious-labels" in ";".join(rows[rows["anchor_id"] == "k003"]["flags"])
    assert "k010" not in set(rows["anchor_id"]) | set(rows["negative_id"])  # the pair across classes stays out
    assert any("what suspicious-labels, exact-duplicates found stays in" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda told: {**told, "digest": "0" * 32}, "other content"),
        (lambda told: {**told, "distance": "euclidean"}, "euclidean"),
        (lambda told: {"rows": 3}, "holds no findings"),
        (lambda told: [told], "holds no findings"),
        (lambda told: {**told, "findings": [{"check": "hubs"}]}, "another form"),
        (lambda told: {**told, "findings": [{"check": "hubs", "rows": [{"id": "k999"}], "excluded": []}]}, "'k999'"),
    ],
)
def test_findings_that_do_not_belong_are_refused(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Any], Any], word: str
) -> None:
    findings = tmp_path / "findings.json"
    assert run("inspect", table, "--out", findings) == 0
    findings.write_text(json.dumps(spoil(json.loads(findings.read_text()))))
    capsys.readouterr()
    assert run("mine", table, "--quiet", "--out", tmp_path / "t.csv", "--findings", findings) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--keep-finding", "suspicious"), "no check called 'suspicious'"),
        (("--flagged", "ignore", "--keep-finding", "hubs"), "--flagged ignore looks at none"),
        (("--duplicates-as-pairs", "--label", "kind"), "without labels"),
        (("--findings", "nowhere.json"), "cannot be read as findings"),
    ],
)
def test_options_that_do_not_go_together(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run("mine", table, "--quiet", "--out", tmp_path / "t.csv", *words) == 2
    assert said in capsys.readouterr().err


def test_a_part_can_be_left_without_a_column(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "t.csv"
    assert run("mine", table, "--without", "id", "--without", "text", "--quiet", "--out", out) == 0
    rows = read_triplets_csv(out)
    assert "anchor_text" not in rows
    assert set(rows["anchor_id"]) <= set(range(200)) | set(map(str, range(200)))
    assert settings_of(out)["mapping"] == {"id": None, "text": None}
    assert run("mine", table, "--without", "label", "--quiet", "--out", tmp_path / "u.csv") == 2
    assert "has no labels" in capsys.readouterr().err
    assert run("mine", table, "--without", "id", "--id", "key", "--quiet", "--out", tmp_path / "u.csv") == 2
    assert "leave one out" in capsys.readouterr().err


# ---- duplicates as positives


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    chance = np.random.default_rng(3)
    points = chance.normal(size=(150, 6)).astype(np.float32)
    points[100:120] = points[:20] * np.float32(1.0001)
    points[120] = points[100]
    path = tmp_path / "heap.npy"
    np.save(path, points)
    return path


def test_duplicates_are_the_positives_of_a_set_without_labels(unlabelled: Path, tmp_path: Path) -> None:
    opened = open_embeddings(unlabelled)
    same = duplicate_pairs(opened, distance="euclidean")
    pairs = {(int(one), int(other)) for one, other in same.pairs}
    assert {(row, row + 100) for row in range(20)} <= pairs
    assert all((other, one) in pairs for one, other in pairs)
    out = tmp_path / "t.csv"
    words = ("--distance", "euclidean", "--strategy", "hardest", "--duplicates-as-pairs", "--quiet")
    assert run("mine", unlabelled, *words, "--out", out) == 0
    rows, told = read_triplets_csv(out), settings_of(out)
    assert {tuple(map(int, one)) for one in rows[["anchor_id", "positive_id"]].to_numpy()} == pairs
    assert told["positives"] == "pairs"
    assert same.note in told["notes"]
    # By brute force: the nearest row that no chain of duplicates joins with the anchor.
    points = np.load(unlabelled).astype(np.float64)
    group = components(len(points), *(np.array(column) for column in zip(*sorted(pairs), strict=True)))
    for anchor, negative in rows[["anchor_id", "negative_id"]].astype(int).itertuples(index=False):
        far = np.linalg.norm(points - points[anchor], axis=1)
        far[group == group[anchor]] = np.inf
        assert far[negative] == pytest.approx(far.min(), rel=1e-6)


def test_a_set_without_duplicates_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "v.npy", np.eye(9, dtype=np.float32))
    assert run("mine", tmp_path / "v.npy", "--duplicates-as-pairs", "--quiet", "--out", tmp_path / "t.csv") == 2
    assert "No two rows of v are all but the same" in capsys.readouterr().err


# ---- other forms, later


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".jsonl"])
@pytest.mark.parametrize("form", ["triplets", "sentence-transformers", "index"])
def test_kept_triplets_are_written_as_the_command_writes_them(
    table: Path, tmp_path: Path, form: str, ending: str
) -> None:
    direct, later, folder = tmp_path / "direct", tmp_path / "later", tmp_path / "kept"
    direct.mkdir()
    later.mkdir()
    scores = form == "sentence-transformers"
    words = ("--format", form, *(("--scores",) if scores else ()), "--out", direct / f"t{ending}", "--quiet")
    assert run("mine", table, *words) == 0
    assert run("mine", table, "--out", tmp_path / "other.csv", "--keep-mined", folder, "--quiet") == 0
    opened = open_embeddings(table)
    mined_files.write_form(mined_files.kept(folder), opened, later / f"t{ending}", form=form, scores=scores)
    assert bytes_of(direct) == bytes_of(later)


def test_what_is_no_longer_kept_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mine again"):
        mined_files.kept(tmp_path)


# ---- lines


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "tripletscope", "mine", *map(str, words), "--lines"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told_by(*words: object) -> tuple[int, list[dict[str, Any]]]:
    with start(*words) as process:
        assert process.stdout is not None
        told = [json.loads(line) for line in process.stdout]
        return process.wait(60), told


@pytest.mark.slow
def test_lines_tell_a_program_how_far_it_is(table: Path, tmp_path: Path) -> None:
    code, told = told_by(table, "--out", tmp_path / "t.csv")
    assert code == 0
    assert [one["stage"] for one in told if "stage" in one and one["done"] == 0] == [
        "reading", "looking", "mining", "writing"
    ]  # fmt: skip
    assert any("note" in one and "would leave out" in one["note"] for one in told)
    assert told[-1]["state"] == "ready"
    assert told[-1]["bytes"] == (tmp_path / "t.csv").stat().st_size
    assert told[-1]["rows"] == settings_of(tmp_path / "t.csv")["rows"]


def test_a_refusal_is_a_line_too(table: Path, tmp_path: Path) -> None:
    code, told = told_by(table, "--margin", -1, "--out", tmp_path / "t.csv")
    assert code == 2
    assert told[-1]["state"] == "failed"
    assert "margin is -1" in told[-1]["message"]


def test_it_ends_when_nobody_listens_any_more_and_leaves_nothing(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    np.savez(
        tmp_path / "big.npz",
        vectors=chance.normal(size=(30_000, 64)).astype(np.float32),
        labels=chance.integers(0, 50, 30_000),
    )
    words = (tmp_path / "big.npz", "--flagged", "ignore", "--strategy", "hardest", "--out", tmp_path / "t.csv")
    with start(*words) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            if json.loads(line).get("stage") == "mining":
                break
        process.stdin.close()
        assert process.wait(240) == 128 + 15  # it gives way to everything else, also when it ends
    assert [path.name for path in tmp_path.iterdir()] == ["big.npz"]
