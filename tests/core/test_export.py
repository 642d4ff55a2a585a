"""What leaves a run as a file: every column against the run, same bytes twice, nothing that a spreadsheet would run."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core import recorded

from tripletscope import Run, export
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.schema import TRIPLET_TEXTS, TRIPLETS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.open(recorded.record(tmp_path_factory.mktemp("export") / "run", 12))


def test_every_column_against_the_frames(run: Run, tmp_path: Path) -> None:
    export.export_picks(run, tmp_path / "t.csv", strategy="semi-hard")
    table = pandas.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert tuple(table.columns) == (*TRIPLETS, *TRIPLET_TEXTS, "step")
    picks = run.picks(strategy="semi-hard")
    assert len(table) == len(picks)
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    given_samples = recorded.samples()
    label_of = dict(zip(given_samples.ids.tolist(), given_samples.labels.tolist(), strict=True))
    place = {sample: row for row, sample in enumerate(given_samples.ids.tolist())}
    for _, row in table.iterrows():
        x = recorded.points(row["step"])[[place[row[f"{one}_id"]] for one in ("anchor", "positive", "negative")]]
        assert np.float32(row["d_ap"]) == pytest.approx(np.linalg.norm(x[0] - x[1]), rel=1e-5)
        assert np.float32(row["d_an"]) == pytest.approx(np.linalg.norm(x[0] - x[2]), rel=1e-5)
        assert np.float32(row["gap"]) == np.float32(row["d_an"]) - np.float32(row["d_ap"])
        assert row["loss"] == pytest.approx(max(0.0, 1.0 - row["gap"]), abs=1e-6)
        assert row["zone"] == "semi-hard"
        for one in ("anchor", "positive", "negative"):
            assert row[f"{one}_label"] == given_samples.class_names[label_of[row[f"{one}_id"]]]
            assert row[f"{one}_text"] == given_samples.texts[place[row[f"{one}_id"]]]
    assert set(table["flags"]) == {""}
    assert set(table["margin"]) == {1.0}
    found = sorted(zip(table["step"], table["anchor_id"], table["positive_id"], table["negative_id"], strict=True))
    wanted = sorted(zip(picks["step"], picks["anchor"], picks["positive"], picks["negative"], strict=True))
    assert found == wanted
    assert sorted(np.float32(table["d_an"])) == sorted(picks["d_an"])


def test_rank_is_by_loss_then_step_then_ids(run: Run, tmp_path: Path) -> None:
    export.export_picks(run, tmp_path / "t.parquet")
    table = pandas.read_parquet(tmp_path / "t.parquet")
    key = list(zip(-table["loss"], table["step"], strict=True))
    assert key == sorted(key)
    same = table.groupby(["loss", "step", "strategy"], sort=False)
    for _, group in same:
        ids = list(zip(group["anchor_id"], group["positive_id"], group["negative_id"], strict=True))
        assert ids == sorted(ids)


def test_all_forms_say_the_same_and_twice_the_same_bytes(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        for ending in export.ENDINGS:
            export.export_picks(run, folder / f"picks{ending}", overwrite=True)
            export.export_scalars(run, folder / f"scalars{ending}", overwrite=True)
            export.export_frames(run, folder / f"frames{ending}", overwrite=True)
        export.export_frames(run, folder / "frames.npz", overwrite=True)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert not [name for name in names if name.endswith(".tmp")]
    assert gzip.decompress((first / "picks.csv.gz").read_bytes()) == (first / "picks.csv").read_bytes()
    for what in ("picks", "scalars", "frames"):
        parquet = pandas.read_parquet(first / f"{what}.parquet")
        plain = pandas.read_csv(first / f"{what}.csv", keep_default_na=False, na_values=[""])
        lines = pandas.read_json(first / f"{what}.jsonl", lines=True, precise_float=True)
        for table in (plain, lines):
            assert list(table.columns) == list(parquet.columns)
            for name in parquet.columns:
                if parquet[name].dtype.kind == "f":
                    np.testing.assert_array_equal(table[name].astype(parquet[name].dtype), parquet[name])


def test_the_picks_of_all_strategies_or_of_one(run: Run, tmp_path: Path) -> None:
    def strategies_of(**options: object) -> set[str]:
        export.export_picks(run, tmp_path / "t.parquet", overwrite=True, **options)
        return set(pandas.read_parquet(tmp_path / "t.parquet")["strategy"])

    assert strategies_of() == {"own", "semi-hard", "random"}
    assert strategies_of(strategy="own") == {"own"}
    assert strategies_of(strategy="random") == {"random"}
    with pytest.raises(UnknownNameError, match="no recorded strategy called 'semihard'"):
        strategies_of(strategy="semihard")


def test_steps_are_one_a_range_or_a_list(run: Run, tmp_path: Path) -> None:
    for steps, wanted in ((3, {3}), (range(4, 6), {4, 5}), (range(9, 2**31 - 1), {9, 10, 11}), ([7, 1], {1, 7})):
        export.export_picks(run, tmp_path / "t.csv", steps=steps, overwrite=True)
        assert set(pandas.read_csv(tmp_path / "t.csv")["step"]) == wanted
    export.export_picks(run, tmp_path / "t.csv", steps=[], overwrite=True)
    assert (tmp_path / "t.csv").read_text().startswith("rank,anchor_id,")


def test_soft_margin_runs_have_soft_losses(tmp_path: Path) -> None:
    run = Run.open(recorded.record(tmp_path / "run", 3, soft_margin=True))
    export.export_picks(run, tmp_path / "t.parquet")
    table = pandas.read_parquet(tmp_path / "t.parquet")
    np.testing.assert_allclose(table["loss"], np.log1p(np.exp(-table["gap"].astype(float))), rtol=1e-6)
    assert (table["loss"] > 0).all()
    assert run.lines[0]["active"] == run.lines[0]["mined"] == 2


NASTY = [
    "=cmd()",
    "+1",
    "-2",
    "@x",
    "\tx",
    "\rx",
    "'already",
    "''twice",
    "plain",
    "",
    'comma,"quote"',
    "NA",
    "two\nlines",
    "ö",
]


def nasty_run(folder: Path, ids: list[str], texts: list[str], names: list[str]) -> Run:
    samples = replace(recorded.samples(), ids=ids, texts=texts, class_names=names)
    from tripletscope import Recorder

    with Recorder(folder, margin=1.0, samples=samples) as recorder:
        rows = np.arange(recorded.COUNT)
        negatives = (rows + recorded.EACH) % recorded.COUNT
        recorder.step(
            recorded.points(0),
            recorded.LABELS,
            rows=rows,
            triplets=(rows, rows ^ 1, negatives),
        )
    return Run.open(folder)


def test_cells_that_a_spreadsheet_would_run_are_neutralised_and_restored(tmp_path: Path) -> None:
    texts = [NASTY[i % len(NASTY)] for i in range(recorded.COUNT)]
    ids = [f"{text}{i}" for i, text in enumerate(texts)]
    run = nasty_run(tmp_path / "run", ids, texts, ["=A1", "'b", "-3", "d"])
    out = export.export_picks(run, tmp_path / "t.csv")
    plain = pandas.read_csv(out, dtype=str, keep_default_na=False)
    for column in ("anchor_id", "anchor_label", "negative_text"):
        assert not plain[column].str.startswith(export.FORMULA_STARTS).any()
    assert plain["gap"].str.startswith("-").any()  # numbers stay numbers
    told = json.loads((tmp_path / "t.settings.json").read_text())
    assert set(told["neutralised"]) == {
        f"{a}_{b}" for a in ("anchor", "positive", "negative") for b in ("id", "label", "text")
    }
    export.export_picks(run, tmp_path / "raw.csv", raw=True)
    export.export_picks(run, tmp_path / "t.parquet", overwrite=True)
    verbatim = pandas.read_parquet(tmp_path / "t.parquet")
    export.export_picks(run, out, overwrite=True)
    for back in (export.read_triplets_csv(out), export.read_triplets_csv(tmp_path / "raw.csv")):
        for column in ("anchor_id", "positive_label", "negative_text"):
            assert back[column].tolist() == verbatim[column].tolist()
    (tmp_path / "t.settings.json").unlink()
    assert export.read_triplets_csv(out)["anchor_id"].tolist() == verbatim["anchor_id"].tolist()


@given(st.text())
@settings(deadline=None)
def test_any_text_survives_the_round_trip(text: str) -> None:
    safe = export.neutral(text)
    assert not safe.startswith(export.FORMULA_STARTS)
    assert safe.removeprefix(export.MARK) == text


def test_negative_numbers_as_ids_stay_numbers(tmp_path: Path) -> None:
    from tripletscope import Recorder

    with Recorder(tmp_path / "run", margin=1.0) as recorder:
        recorder.step(np.eye(3), [0, 0, -1], [-5, -6, -7], triplets=([0], [1], [2]))
    export.export_picks(Run.open(tmp_path / "run"), tmp_path / "t.csv")
    assert "\n1,-5,-6,-7,0,0,'-1," in (tmp_path / "t.csv").read_text()
    back = export.read_triplets_csv(tmp_path / "t.csv")
    assert back["negative_id"].tolist() == [-7]
    assert back["negative_label"].tolist() == ["-1"]


def test_frames_are_the_frames(run: Run, tmp_path: Path) -> None:
    export.export_frames(run, tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as found:
        assert found["steps"].tolist() == run.frame_steps
        np.testing.assert_array_equal(found["embeddings"][3], recorded.points(3))
        assert found["ids"].tolist() == recorded.samples().ids.tolist()
        assert found["labels"].tolist() == recorded.LABELS.tolist()
    export.export_frames(run, tmp_path / "f.csv", overwrite=True)
    table = pandas.read_csv(tmp_path / "f.csv")
    at = table[table["step"] == 5]
    np.testing.assert_array_equal(at[["e0", "e1", "e2"]].to_numpy(np.float32), recorded.points(5))
    assert at["label"].tolist() == [recorded.samples().class_names[label] for label in recorded.LABELS]


def test_nothing_is_overwritten_or_half_written(run: Run, tmp_path: Path) -> None:
    out = export.export_picks(run, tmp_path / "t.csv")
    before = out.read_bytes()
    for what in (export.export_picks, export.export_scalars, export.export_frames):
        with pytest.raises(SettingError, match="exists already"):
            what(run, out)
    assert out.read_bytes() == before
    with pytest.raises(SettingError, match=r"\.csv, \.csv\.gz, \.parquet, \.jsonl"):
        export.export_picks(run, tmp_path / "t.xlsx")
    with pytest.raises(SettingError, match="no folder"):
        export.export_picks(run, tmp_path / "nowhere" / "t.csv")
    folder = recorded.record(tmp_path / "bare", 1, frame_steps=[])
    (folder / "frames" / "step-0000001.npy").unlink()
    with pytest.raises(DataError, match="no frames"):
        export.export_frames(Run.open(folder), tmp_path / "f.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare", "t.csv", "t.settings.json"]


def test_a_run_that_trains_on_batch_all_exports_its_triplets(tmp_path: Path) -> None:
    from tripletscope import Recorder

    with Recorder(tmp_path / "run", margin=1.0, training="batch-all", samples=recorded.samples()) as recorder:
        for step in range(3):
            rows = recorded.batch_rows(step)
            recorder.step(recorded.points(step)[rows], recorded.LABELS[rows], rows=rows, loss=0.5)
    run = Run.open(tmp_path / "run")
    export.export_picks(run, tmp_path / "t.csv")
    table = pandas.read_csv(tmp_path / "t.csv")
    assert len(table) == sum(line["mined"] for line in run.lines)
    assert set(table["strategy"]) == {"batch-all"}
