"""`tripletscope mine`: a file in, a file out that its readers take; the same bytes each time, nothing half-written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tripletscope import cli, export
from tripletscope.cli import mine as command
from tripletscope.export import read_triplets_csv, settings_of
from tripletscope.mining.whole_set import mine
from tripletscope.schema import TRIPLET_TEXTS, TRIPLETS


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """90 rows of 6 numbers in three classes, with ids and texts that a spreadsheet would run."""
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 3, 90)
    points = chance.normal(size=(3, 6))[labels] + chance.normal(size=(90, 6))
    frame = pd.DataFrame(points.astype(np.float32), columns=[f"e{d}" for d in range(6)])
    frame["kind"] = np.array(["=cat", "dog", "cow, red"])[labels]
    frame["key"] = [f"-k{n:02d}" for n in range(90)]
    frame["words"] = [f'=HYPERLINK("a{n}")\nline' if n % 7 == 0 else f"a plain text, number {n}" for n in range(90)]
    path = tmp_path / "pets.parquet"
    frame.to_parquet(path)
    return path


def run(*words: object) -> int:
    return cli.main([str(word) for word in ("mine", *words)])


NAMED = ("--label", "kind", "--id", "key", "--text", "words")
COLUMNS = (*NAMED, "--flagged", "ignore")


def expected(table: Path, **options: object) -> pd.DataFrame:
    frame = pd.read_parquet(table)
    return mine(
        frame[[f"e{d}" for d in range(6)]].to_numpy(), frame["kind"], frame["key"], texts=frame["words"].tolist(),
        **({"strategy": "semi-hard", "margin": 0.2} | options),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".jsonl"])
def test_pandas_gets_the_same_rows_back(table: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"triplets{ending}"
    assert run(table, *COLUMNS, "--out", out, "--quiet") == 0
    wanted = expected(table)
    if ending == ".parquet":
        found = pd.read_parquet(out)
    elif ending == ".jsonl":
        found = pd.read_json(out, lines=True, dtype=False)
    else:
        found = read_triplets_csv(out)
        assert "'=cat" in pd.read_csv(out)["anchor_label"].tolist()  # a spreadsheet is told that it is text
    assert tuple(found.columns) == TRIPLETS + TRIPLET_TEXTS
    assert len(found) == len(wanted) > 50
    for name in wanted:
        if wanted[name].dtype.kind == "f" and name != "margin":
            np.testing.assert_array_equal(found[name].to_numpy().astype(np.float32), wanted[name])
        else:
            assert found[name].tolist() == wanted[name].tolist(), name


def test_settings_say_what_it_was_made_from(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "t.csv"
    assert run(table, *COLUMNS, "--out", out, "--filter", "perc-pos=0.9", "--filter", "topk-abs", "--json") == 0
    captured = capsys.readouterr()
    told = settings_of(out)
    assert json.loads(captured.out) == told
    assert told["exact"] is True
    assert told["recall"] == 1.0
    assert told["filters"] == {"topk-abs": 0.7, "perc-pos": 0.9}
    assert told["strategy"] == "semi-hard"
    assert len(told["input_digest"]) == 32
    assert told["rows"] == len(read_triplets_csv(out))
    assert str(tmp_path) not in json.dumps(told)
    assert "wrote" in captured.err


@pytest.mark.parametrize("strategy", ["semi-hard", "random", "distance-weighted"])
def test_same_input_and_seed_same_bytes(table: Path, tmp_path: Path, strategy: str) -> None:
    content = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run(table, *COLUMNS, "--strategy", strategy, "--out", folder / "t.csv.gz", "--quiet") == 0
        content.append([(path.name, path.read_bytes()) for path in sorted(folder.iterdir())])
    assert content[0] == content[1]
    assert [name for name, _ in content[0]] == ["t.csv.gz", "t.settings.json"]


def test_sentence_transformers_reads_its_form(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "train.csv"
    assert run(table, *COLUMNS, "--format", "sentence-transformers", "--scores", "--out", out, "--quiet") == 0
    wanted = expected(table)
    try:
        from datasets import load_dataset  # type: ignore[import-not-found,unused-ignore]

        found = load_dataset("csv", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache")).to_pandas()
    except ImportError:
        found = pd.read_csv(out)
    assert list(found.columns) == ["anchor", "positive", "negative", "positive_score", "negative_score"]
    for slot in ("anchor", "positive", "negative"):
        assert found[slot].tolist() == wanted[f"{slot}_text"].tolist()  # verbatim: trained on as it is
    np.testing.assert_allclose(found["positive_score"], 1 - wanted["d_ap"], atol=1e-6)


@pytest.mark.peers
def test_pytorch_metric_learning_takes_the_index_form(table: Path, tmp_path: Path) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    out = tmp_path / "index.parquet"
    options = ("--format", "index", "--distance", "euclidean", "--strategy", "hardest", "--margin", "0.5")
    assert run(table, *COLUMNS, *options, "--out", out, "--quiet") == 0
    found = pd.read_parquet(out)
    assert list(found.columns) == ["anchor", "positive", "negative"]
    frame = pd.read_parquet(table)
    points = torch.from_numpy(frame[[f"e{d}" for d in range(6)]].to_numpy(np.float32, copy=True))
    labels = torch.from_numpy(pd.factorize(frame["kind"])[0])
    theirs = losses.TripletMarginLoss(
        margin=0.5,
        distance=distances.LpDistance(normalize_embeddings=False),
        reducer=reducers.MeanReducer(),
    )(points, labels, indices_tuple=tuple(torch.tensor(found[slot].to_numpy()) for slot in found))
    ours = expected(table, strategy="hardest", margin=0.5, distance="euclidean")["loss"].mean()
    assert float(theirs) == pytest.approx(ours, rel=1e-5)


def test_metadata_pairs_and_excluded_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = np.random.default_rng(1)
    np.save(tmp_path / "v.npy", chance.normal(size=(40, 4)).astype(np.float16))
    pd.DataFrame({"id": [f"r{n}" for n in range(40)]}).to_csv(tmp_path / "meta.csv", index=False)
    pd.DataFrame({"anchor": ["r0", "r2"], "positive": ["r1", "r3"]}).to_csv(tmp_path / "pairs.csv", index=False)
    (tmp_path / "out.txt").write_text("r2\n")
    words = (tmp_path / "v.npy", "--metadata", tmp_path / "meta.csv", "--id", "id", "--strategy", "hardest")
    pairs = ("--pairs", tmp_path / "pairs.csv")
    assert run(*words, *pairs, "--out", tmp_path / "a.csv") == 0
    assert read_triplets_csv(tmp_path / "a.csv")["anchor_id"].sort_values().tolist() == ["r0", "r2"]
    assert run(*words, *pairs, "--exclude", tmp_path / "out.txt", "--out", tmp_path / "b.csv") == 0
    assert read_triplets_csv(tmp_path / "b.csv")["anchor_id"].tolist() == ["r0"]
    assert "1 pairs name a row that takes no part" in capsys.readouterr().err
    assert run(*words, "--out", tmp_path / "c.csv") == 2
    assert "--label" in capsys.readouterr().err
    (tmp_path / "out.txt").write_text("r2\nnobody\n")
    assert run(*words, *pairs, "--exclude", tmp_path / "out.txt", "--out", tmp_path / "d.csv") == 2
    assert "Line 2" in capsys.readouterr().err


def test_all_positives_say_their_number_first(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table, *COLUMNS, "--positives-per-anchor", "all", "--out", tmp_path / "t.csv") == 0
    lines = capsys.readouterr().err.splitlines()
    first = next(line for line in lines if not line.startswith("note"))
    sizes = pd.read_parquet(table)["kind"].value_counts()
    assert first.startswith(f"all positives: {(sizes * (sizes - 1)).sum():,} pairs")


def test_above_the_size_it_says_how_long_it_takes(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tripletscope.mining.whole_set.EXACT_UP_TO", 50)
    assert run(table, *COLUMNS, "--search", "exact", "--out", tmp_path / "t.csv") == 0
    assert re.search(r"an exact search over 90 rows takes about \d+ s here", capsys.readouterr().err)
    assert run(table, *COLUMNS, "--out", tmp_path / "u.csv") == 0
    said = capsys.readouterr().err
    assert re.search(r"an approximate search over 90 rows takes \d+ s at the most here; an exact one", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "t.txt"], "suffix"),
        (["--out", "nowhere/t.csv"], "no folder"),
        (["--out", "t.csv", "--strategy", "semihard"], "Did you mean 'semi-hard'"),
        (["--out", "t.csv", "--filter", "perc"], "perc-pos"),
        (["--out", "t.csv", "--filter", "perc-pos=many"], "no number"),
        (["--out", "t.csv", "--positives-per-anchor", "some"], "or all"),
        (["--out", "t.csv", "--skip", "3"], "top-n-window"),
        (["--out", "t.csv", "--scores"], "sentence-transformers"),
        (["--out", "t.csv", "--margin", "0"], "margin"),
        (["--out", "t.csv", "--distance", "manhattan"], "manhattan"),
        (["--out", "t.csv", "--label", "colour"], "colour"),
        (["--out", "t.csv", "--pairs", "missing.csv"], "missing.csv"),
        (["--out", "t.csv", "--threads", "0"], "--threads"),
        (["--out", "t.csv", "--label", "key", "--id", "key"], "."),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_no_file(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    given = words if "--label" in words else [*COLUMNS, *words]
    assert run(table.name, *given, "--quiet") == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert error.startswith("tripletscope: ")
    assert "\n" not in error
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_file_stays_unless_overwritten(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    out.write_text("mine")
    assert run(table, *COLUMNS, "--out", out, "--quiet") == 2
    assert out.read_text() == "mine"
    assert run(table, *COLUMNS, "--out", out, "--overwrite", "--quiet") == 0


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".parquet"])
def test_ctrl_c_leaves_nothing_half_written(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    before = sorted(tmp_path.iterdir())

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / f"t{ending}"
    with monkeypatch.context() as patch:
        patch.setattr("tripletscope.mining.search.Nearest.answer", interrupted)
        assert run(table, *COLUMNS, "--out", out, "--quiet") == 130
    assert sorted(tmp_path.iterdir()) == before
    with monkeypatch.context() as patch:
        patch.setattr(export, "_parts" if ending != ".parquet" else "replace", interrupted)
        assert run(table, *COLUMNS, "--out", out, "--quiet") == 130
    assert sorted(tmp_path.iterdir()) == before


def test_the_forms_are_those_of_the_help() -> None:
    assert command.FORMS == ("triplets", "sentence-transformers", "index")


def test_flagged_rows_are_left_out_unless_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two classes far apart, and one row of the first that is labelled as the second."""
    chance = np.random.default_rng(3)
    labels = np.repeat([0, 1], 40)
    points = chance.normal(size=(80, 8)) * 0.3 + np.eye(8)[labels] * 4
    labels[7] = 1
    frame = pd.DataFrame(points.astype(np.float32), columns=[f"e{d}" for d in range(8)])
    frame["label"], frame["id"] = np.array(["cat", "dog"])[labels], [f"r{n}" for n in range(80)]
    path, out = tmp_path / "set.parquet", tmp_path / "t.csv"
    frame.to_parquet(path)

    def mined(*words: str) -> tuple[pd.DataFrame, dict[str, Any]]:
        assert run(path, "--strategy", "hardest", "--out", out, "--overwrite", *words) == 0
        return pd.read_csv(out, keep_default_na=False), settings_of(out)

    def concerned(found: pd.DataFrame) -> pd.Series:
        return (found[["anchor_id", "positive_id", "negative_id"]] == "r7").any(axis=1)

    found, told = mined()
    assert not concerned(found).any()
    assert (told["flagged"], told["flagged_rows"], told["excluded"]) == ("exclude", 1, 1)
    assert "leave out 1 row (1 suspicious-labels)" in capsys.readouterr().err
    found, told = mined("--flagged", "keep")
    assert (found.loc[concerned(found), "flags"].str.contains("suspicious-labels")).all()
    assert concerned(found).sum() >= 40, "the hardest negative of a whole class"
    assert found.loc[~concerned(found), "flags"].eq("").any()
    assert (told["flagged"], told["flagged_rows"], told["excluded"]) == ("keep", 1, 0)
    found, told = mined("--flagged", "ignore")
    assert concerned(found).any()
    assert found["flags"].eq("").all()
    assert (told["flagged"], told["flagged_rows"]) == ("ignore", None)
    # Further ids come on top of what the findings leave out.
    (tmp_path / "more.txt").write_text("r0\nr50\n")
    found, told = mined("--exclude", str(tmp_path / "more.txt"))
    assert told["excluded"] == 3
    assert not set(found["anchor_id"]) & {"r0", "r50", "r7"}
