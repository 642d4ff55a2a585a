"""What we write is read by those it is for: sentence-transformers trains on it, the others get the same rows back."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tripletscope import cli
from tripletscope.export import export_table, read_triplets_csv, settings_of
from tripletscope.schema import TRIPLET_TEXTS, TRIPLETS

pytestmark = pytest.mark.peers

# What gets lost where a writer or a reader is careless.
TEXTS = [
    "a plain text that is long enough",
    "comma, here",
    'a "quoted" word',
    '"',
    ",",
    "two\nlines",
    "a return\rhere",
    "both\r\nhere",
    "=HYPERLINK(A1)",
    "+1",
    "-1",
    "@SUM(A1)",
    "\ttab first",
    "\rreturn first",
    "\nline first",
    "'tis",
    "''twice",
    "'=marked by its writer",
    "\N{GRINNING FACE} and \N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202eturned",
    "caf\u00e9 or cafe\u0301",
    "zero\u200bwidth",
    "\ufeffmark first",
    "line\u2028separator",
    "next\u0085line",
    "\x01\x02 control",
    "\x1f",
    "\x7f",
    "\x0b",
    "007",
    "7.0",
    "1e5",
    "NaN",
    "NA",
    "null",
    "None",
    "true",
    "",
    " spaces ",
    "a;b|c\td",
    "\\N",
    "\\",
    '\\"',
    "# hash",
    "<b>bold</b> & [red]*not*",
]
ENDINGS = (".csv", ".csv.gz", ".parquet", ".jsonl")
ST_COLUMNS = ("anchor", "positive", "negative")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row for each text, in two classes, ids with leading zeros."""
    count = len(TEXTS)
    points = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    frame = pd.DataFrame(points, columns=[f"e{d}" for d in range(4)])
    frame["kind"] = np.array(["=cat", "dog, red"])[np.arange(count) % 2]
    frame["words"] = TEXTS
    frame["key"] = [f"{row:03d}" for row in range(count)]
    path = tmp_path_factory.mktemp("source") / "set.parquet"
    frame.to_parquet(path)
    return path


def mine(source: Path, out: Path, *more: str) -> Path:
    named = ("--label", "kind", "--text", "words", "--id", "key", "--flagged", "ignore", "--quiet")
    assert cli.main(["mine", str(source), *named, "--strategy", "hardest", "--out", str(out), *more]) == 0
    return out


def written(source: Path, folder: Path, form: str, ending: str, *more: str) -> tuple[Path, pd.DataFrame]:
    """The file, and the same table from Parquet, which has no quoting to get wrong."""
    sure = pd.read_parquet(mine(source, folder / "sure.parquet", "--format", form, *more))
    return mine(source, folder / f"t{ending}", "--format", form, *more), sure


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    assert list(found.columns) == list(wanted.columns)
    assert len(found) == len(wanted) > 0
    for name in wanted:
        if wanted[name].dtype.kind == "f":
            as_written = found[name].to_numpy().astype(wanted[name].dtype)
            np.testing.assert_array_equal(as_written, wanted[name].to_numpy())
        else:
            assert found[name].tolist() == wanted[name].tolist(), name


# ---- pandas, DuckDB, datasets and our own reader


def test_every_text_is_in_what_is_compared(source: Path, tmp_path: Path) -> None:
    _, sure = written(source, tmp_path, "sentence-transformers", ".csv")
    assert set(sure["anchor"]) == set(TEXTS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_pandas_reads_what_trainers_read(source: Path, tmp_path: Path, ending: str) -> None:
    path, sure = written(source, tmp_path, "sentence-transformers", ending, "--scores")
    if ending == ".parquet":
        found = pd.read_parquet(path)
    elif ending == ".jsonl":
        found = pd.read_json(path, lines=True, dtype=False)
    else:
        found = pd.read_csv(path, keep_default_na=False)
    same(found, sure)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_our_reader_takes_the_apostrophes_away(source: Path, tmp_path: Path, ending: str, raw: bool) -> None:
    path, sure = written(source, tmp_path, "triplets", ending, *(["--raw"] if raw else []))
    same(read_triplets_csv(path), sure)
    if raw:
        assert settings_of(path)["neutralised"] is None
    else:
        assert settings_of(path)["neutralised"]["anchor_text"] == sum(text[:1] in tuple("=+-@\t\r'") for text in TEXTS)
        cells = pd.read_csv(path, keep_default_na=False, dtype=str)
        for name in TRIPLET_TEXTS:
            assert not cells[name].str.startswith(("=", "+", "-", "@", "\t", "\r")).any()


@pytest.mark.parametrize("form", ["sentence-transformers", "triplets", "index"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_duckdb_reads_the_same_rows(source: Path, tmp_path: Path, form: str, ending: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    raw = ["--raw"] if form == "triplets" else []
    path, sure = written(source, tmp_path, form, ending, *raw)
    with duckdb.connect() as base:
        if ending == ".parquet":
            rows = base.execute("SELECT * FROM read_parquet(?)", [str(path)])
        elif ending == ".jsonl":
            rows = base.execute("SELECT * FROM read_json_auto(?)", [str(path)])
        else:
            # DuckDB takes an empty cell for NULL, unless another word stands for it; ids keep their zeros as VARCHAR.
            texts = "{'anchor_id': 'VARCHAR', 'positive_id': 'VARCHAR', 'negative_id': 'VARCHAR', 'flags': 'VARCHAR'}"
            typed = f", types = {texts}" if form == "triplets" else ""
            rows = base.execute(f"SELECT * FROM read_csv_auto(?, nullstr = '<missing>'{typed})", [str(path)])
        names = [one[0] for one in rows.description]
        found = pd.DataFrame(rows.fetchall(), columns=names)
    same(found, sure)


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELLS = st.one_of(WORDS, st.sampled_from(TEXTS), st.text("=+-@'\t\r\n\", ", max_size=5))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(CELLS, min_size=1, max_size=6), raw=st.booleans())
def test_any_text_comes_back_from_any_form(tmp_path: Path, cells: list[str], raw: bool) -> None:
    duckdb = pytest.importorskip("duckdb")
    table: dict[str, Any] = {name: np.array([*cells, None], dtype=object)[:-1] for name in TRIPLET_TEXTS}
    table["d_ap"] = np.linspace(0, 1, len(cells), dtype=np.float32)
    paths = {}
    for place, ending in enumerate(ENDINGS):
        paths[ending] = export_table(table, tmp_path / f"{place}{ending}", settings={}, raw=raw, overwrite=True)
    for path in (paths[".csv"], paths[".csv.gz"]):
        found = read_triplets_csv(path)
        assert found["anchor_text"].tolist() == cells
        assert found["d_ap"].to_numpy().astype(np.float32).tolist() == table["d_ap"].tolist()
    assert pd.read_parquet(paths[".parquet"])["anchor_text"].tolist() == cells
    assert pd.read_json(paths[".jsonl"], lines=True, dtype=False)["anchor_text"].tolist() == cells
    with duckdb.connect() as base:
        rows = base.execute("SELECT anchor_text FROM read_parquet(?)", [str(paths[".parquet"])]).fetchall()
    assert [row[0] for row in rows] == cells


def test_settings_of_another_form_do_not_mislead_our_reader(tmp_path: Path) -> None:
    """One stem, one settings file: the last form written says nothing of the apostrophes in the CSV."""
    table = {"anchor_text": np.array(["=1+1", "'tis"], dtype=object)}
    for name in ("t.csv", "t.parquet"):
        export_table(table, tmp_path / name, settings={"what": "mined"}, overwrite=True)
    assert read_triplets_csv(tmp_path / "t.csv")["anchor_text"].tolist() == ["=1+1", "'tis"]


# ---- sentence-transformers


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is needed of sentence-transformers and datasets, with no network: a hub that is asked is a failure."""
    patch = pytest.MonkeyPatch()
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS"):
        patch.setenv(name, "1")
    patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("home")))
    pytest.importorskip("datasets")
    pytest.importorskip("accelerate")
    yield pytest.importorskip("sentence_transformers")
    patch.undo()


def part(name: str) -> Any:
    """A submodule, by its name in version 6 or before."""
    try:
        return importlib.import_module(f"sentence_transformers.sentence_transformer.{name}")
    except ImportError:
        return importlib.import_module(f"sentence_transformers.{'models' if name == 'modules' else name}")


def small_model(trainer: Any, texts: list[str]) -> Any:
    """A vector for each word, averaged, from the seed alone: nothing is fetched."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = dict.fromkeys(["[UNK]", *(word for text in texts for word in text.split())])
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    torch.manual_seed(0)
    return trainer.SentenceTransformer(modules=[part("modules").StaticEmbedding(tokenizer, embedding_dim=8)])


def loaded(path: Path, cache: Path) -> Any:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    kind = {".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", ".jsonl": "json"}["".join(path.suffixes)]
    # pandas stands behind the CSV reader of datasets: "NA", "null" and "" would become None.
    more = {"keep_default_na": False} if kind == "csv" else {}
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache), **more)


@pytest.mark.parametrize("ending", ENDINGS)
def test_datasets_load_the_same_rows(source: Path, tmp_path: Path, trainer: Any, ending: str) -> None:
    path, sure = written(source, tmp_path, "sentence-transformers", ending, "--scores")
    found = loaded(path, tmp_path / "cache")
    assert found.column_names == [*ST_COLUMNS, "positive_score", "negative_score"]
    same(pd.DataFrame(found.to_dict()), sure)


@pytest.mark.parametrize("loss", ["TripletLoss", "MultipleNegativesRankingLoss"])
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_sentence_transformers_train_an_epoch_on_our_file(
    source: Path, tmp_path: Path, trainer: Any, ending: str, loss: str
) -> None:
    path, sure = written(source, tmp_path, "sentence-transformers", ending)
    rows = loaded(path, tmp_path / "cache")
    model = small_model(trainer, TEXTS)
    before = model.encode(["comma, here", "a plain text that is long enough"])
    arguments = trainer.SentenceTransformerTrainingArguments(
        str(tmp_path / "model"),
        num_train_epochs=1,
        per_device_train_batch_size=16,
        learning_rate=0.05,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    told = trainer.SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=rows, loss=getattr(part("losses"), loss)(model)
    ).train()
    assert told.global_step == -(-len(sure) // 16)
    assert np.isfinite(told.training_loss)
    assert told.training_loss > 0
    after = model.encode(["comma, here", "a plain text that is long enough"])
    assert np.isfinite(after).all()
    assert not np.allclose(before, after, atol=1e-3)


# ---- pytorch-metric-learning


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "squared-euclidean"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_pytorch_metric_learning_gives_the_loss_of_our_column(
    source: Path, tmp_path: Path, distance: str, ending: str
) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    theirs = {
        "cosine": distances.CosineSimilarity(),
        "euclidean": distances.LpDistance(normalize_embeddings=False),
        "squared-euclidean": distances.LpDistance(normalize_embeddings=False, power=2),
    }[distance]
    more = ("--distance", distance, "--margin", "0.3", "--positives-per-anchor", "all", "--negatives-per-anchor", "2")
    path, sure = written(source, tmp_path, "index", ending, *more)
    if ending == ".parquet":
        found = pd.read_parquet(path)
    else:
        found = pd.read_json(path, lines=True) if ending == ".jsonl" else pd.read_csv(path)
    same(found, sure)
    full = pd.read_parquet(mine(source, tmp_path / "full.parquet", *more))
    assert tuple(full.columns) == TRIPLETS + TRIPLET_TEXTS
    rows = pd.read_parquet(source)
    points = torch.from_numpy(rows[[f"e{d}" for d in range(4)]].to_numpy(np.float32, copy=True))
    labels = torch.from_numpy(pd.factorize(rows["kind"])[0])
    miner = losses.TripletMarginLoss(margin=0.3, distance=theirs, reducer=reducers.DoNothingReducer())
    told = miner(
        points, labels, indices_tuple=tuple(torch.tensor(found[slot].to_numpy(copy=True)) for slot in ST_COLUMNS)
    )
    np.testing.assert_allclose(told["loss"]["losses"].numpy(), full["loss"], rtol=1e-5, atol=2e-6)
    assert len(full) > 1000
    assert (full["loss"] > 0).any()
    assert (full["loss"] == 0).any()
