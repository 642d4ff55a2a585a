"""Mining on the Inspect page: what it forecasts is what comes, and its files are those of the command line."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tripletscope import cli
from tripletscope.cli import mine as command
from tripletscope.datasets import sample_data_dir
from tripletscope.mining import filters, picks
from tripletscope_app.component import BUNDLES, bundle
from tripletscope_app.desk.client import Desk
from tripletscope_app.inspecting import mine_panel, mine_result, outputs, view
from tripletscope_app.inspecting.mine_jobs import Job, Options, command_line
from tripletscope_app.inspecting.opened import Opened

WAIT = 120
HOSTILE = ["<img src=x onerror=alert(1)>", "**bold** [a](http://b)", "=1+1", "\u202etfel", "a\u200bb"]


@pytest.fixture(scope="module")
def desks():
    made: list[Desk] = []
    yield made
    for desk in made:
        desk.close()


def open_set(desks: list[Desk], path: Path, **more: Any) -> Opened:
    desk = Desk()
    desks.append(desk)
    told = desk.once("look", path=str(path), mapping=more.get("changes")).reply(WAIT)
    assert told is not None
    assert "set" in told, told
    return Opened(desk, told["set"], {"embeddings": path}, {"embeddings": path.name}, told=told, **more)


@pytest.fixture(scope="module")
def flawed(desks) -> Opened:
    return open_set(desks, sample_data_dir() / "flawed" / "digits.npz", sample="flawed")


@pytest.fixture(scope="module")
def texts(desks, tmp_path_factory) -> Opened:
    """Four classes whose names, ids and texts want to be run or rendered."""
    chance = np.random.default_rng(4)
    labels = np.repeat(np.arange(5), 24)
    frame = pd.DataFrame({"key": [f"{HOSTILE[n % 5]} {n}" for n in range(120)], "kind": np.array(HOSTILE)[labels]})
    frame["words"] = [f"{HOSTILE[(n + 1) % 5]}, a text that is long enough, number {n}" for n in range(120)]
    points = 2 * np.eye(5, 16)[labels] + 0.8 * chance.normal(size=(120, 16))
    frame["vector"] = list(points.astype(np.float32))
    path = tmp_path_factory.mktemp("hostile") / "my vectors.parquet"
    frame.to_parquet(path)
    return open_set(desks, path)


@pytest.fixture(scope="module")
def unlabelled(desks, tmp_path_factory) -> Opened:
    chance = np.random.default_rng(3)
    points = chance.normal(size=(150, 6)).astype(np.float32)
    points[100:120] = points[:20] * np.float32(1.0001)
    path = tmp_path_factory.mktemp("heap") / "heap.npy"
    np.save(path, points)
    return open_set(desks, path)


def page():
    import streamlit as st

    from tripletscope_app.inspecting import mine_panel, outputs, view

    view.restore_url()
    opened = st.session_state["opened"]
    opened.ask("inspection", distance=opened.distance).reply(120)
    mine_panel.show(opened)
    outputs.show(opened)


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py"])

    def make(opened: Opened, **session: Any) -> AppTest:
        at = AppTest.from_function(page, default_timeout=WAIT)
        at.session_state["opened"] = opened
        for name, value in session.items():
            at.session_state[name] = value
        return ready(at.run())

    return make


def ready(at: AppTest) -> AppTest:
    """The page, when nothing is waited for any more."""
    deadline = time.monotonic() + WAIT
    while not at.exception and any(one.key and one.key.endswith(".cancel") for one in at.button):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        at.run()
    assert not at.exception, at.exception
    return at


def mine(at: AppTest) -> Job:
    """Presses the button and waits: the mining, over."""
    at.button(key="mine.go").click().run()
    job = at.session_state["inspect.mine.running"] if "inspect.mine.running" in at.session_state else None  # noqa: SIM401
    if job is not None:
        assert job.wait(WAIT)
    ready(at.run())
    return at.session_state["inspect.mine.results"][at.session_state["inspect.mine.shown"]]


def data_of(at: AppTest, kind: str) -> dict[str, Any]:
    """What the component of that kind was sent."""
    for part in at.get("bidi_component"):
        if part.proto.component_name.endswith(f"tripletscope_{kind}") and part.proto.json:
            return json.loads(part.proto.json)[0]
    raise AssertionError(kind)


def by_command(opened: Opened, lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files that a shell would have after these lines, in a folder with the person's file."""
    folder.mkdir()
    source = opened.files["embeddings"]
    shutil.copy(source, folder / source.name)
    before = {path.name for path in folder.iterdir()}
    monkeypatch.chdir(folder)
    for line in lines.replace("\\\n", "").splitlines():
        program, *words = shlex.split(line)
        assert program == "tripletscope"
        assert cli.main(words) == 0, line
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in before}


# ---- the panel


def test_it_shows_curve_strategies_and_forecast_and_mines(app, flawed):
    at = app(flawed)
    curve = data_of(at, "gaps")
    assert curve["pairs"] == len(curve["gaps"]) == 1736
    assert curve["exact"] is True
    assert curve["gaps"] == sorted(curve["gaps"])
    assert curve["margin"] == pytest.approx(0.1)
    assert "about" in str(at.html[-1].value) or any("triplets</b>" in str(one.value) for one in at.html)
    job = mine(at)
    assert job.state == "ready"
    assert abs(job.rows - 1700) < 60  # what the forecast said
    table = at.dataframe[0].value
    assert table["zone"].unique().tolist() == ["semi-hard"]
    assert table["anchor class"].tolist() == table["positive class"].tolist()
    assert (table["anchor class"] != table["negative class"]).all()
    assert table["anchor picture"].str.startswith("data:image/png;base64,").all()
    assert (np.diff(table["loss"]) <= 0).all()


def test_a_margin_is_one_for_the_whole_page(app, flawed):
    at = app(flawed)
    at.number_input(key="inspect.mine.margin").set_value(0.05).run()
    assert at.session_state[view.MARGIN.key] == pytest.approx(0.05)
    assert data_of(at, "gaps")["margin"] == pytest.approx(0.05)
    at.button(key="mine.half").click().run()
    half = data_of(at, "gaps")["suggested"]
    assert at.session_state[view.MARGIN.key] == half
    assert at.number_input(key="inspect.mine.margin").value == half
    at.session_state[view.MARGIN.key] = 0.3  # chosen on the ruler
    at.run()
    assert at.number_input(key="inspect.mine.margin").value == pytest.approx(0.3)


@pytest.mark.slow
def test_what_was_mined_before_is_shown_again_at_once(app, flawed):
    at = app(flawed)
    first = mine(at)
    at.button_group(key="inspect.mine.strategy").set_value("hardest").run()
    ready(at)
    second = mine(at)
    assert first.folder != second.folder
    assert at.dataframe[0].value["zone"].tolist()[0] == "hard"
    at.button(key="mine.back").click().run()
    assert at.dataframe[0].value["zone"].tolist()[0] == "semi-hard"
    assert any("Mined with other settings" in one.value for one in at.caption)
    assert mine(at).folder == second.folder  # no third one
    assert len(at.session_state["inspect.mine.results"]) == 2


def test_a_refusal_is_a_sentence_and_the_page_goes_on(app, flawed, monkeypatch):
    at = app(flawed)
    real = Job.start

    def spoiled(job: Job, words: list[str], command: list[str] | None = None) -> Job:
        return real(job, [*words, "--margin", "-1"], command)

    monkeypatch.setattr(Job, "start", spoiled)
    at.button(key="mine.go").click().run()
    job = at.session_state["inspect.mine.running"]
    if job is not None:
        assert job.wait(WAIT)
        at.run()
    assert any("margin is -1" in one.value for one in at.text)
    monkeypatch.setattr(Job, "start", real)
    assert mine(at).state == "ready"
    assert not any("margin is -1" in one.value for one in at.text)


def test_a_strategy_that_cannot_be_is_said_before_it_is_mined(app, unlabelled):
    at = app(unlabelled, **{view.DISTANCE.key: "euclidean", view.STRATEGY.key: "distance-weighted", view.SET.key: "x"})
    assert any("vectors of length 1" in one.value for one in at.text)
    assert at.button(key="mine.go").disabled


def test_sets_without_labels_mine_by_duplicates_or_by_pairs(app, unlabelled, tmp_path):
    at = app(unlabelled)
    job = mine(at)
    assert job.options.source == "duplicates"
    assert 30 < job.rows <= 40  # each of 20 pairs both ways; semi-hard abstains for a few
    (tmp_path / "pairs.csv").write_text("anchor,positive\n1,2\n3,4\n")
    at = app(unlabelled, **{"inspect.mine": {"source": "pairs", "pairs": str(tmp_path / "pairs.csv")}})
    job = mine(at)
    assert (job.options.source, job.rows) == ("pairs", 2)


# ---- the same bytes


MANY = {
    "positives": "2",
    "negatives": 3,
    "seed": 5,
    "cap_negative": 4,
    "filter perc-pos": True,
    "filter perc-pos number": 0.98,
}


@pytest.mark.parametrize(
    ("which", "session"),
    [
        ("flawed", {}),
        ("flawed", {"inspect.mine": MANY, "inspect.kept": ["hubs", "leaks"], "inspect.excluded_rows": [3, 1200]}),
        ("texts", {view.STRATEGY.key: "top-n-window", view.DISTANCE.key: "euclidean", view.SET.key: "x"}),
        ("unlabelled", {view.STRATEGY.key: "hardest"}),
    ],
)
def test_page_and_command_give_the_same_bytes(app, request, tmp_path, monkeypatch, which, session):
    opened = request.getfixturevalue(which)
    at = app(opened, **session)
    job = mine(at)
    assert job.out is not None
    lines = mine_result.command_of(opened, job.options, job.out.name)
    if job.options.rows:
        listed = (job.folder / mine_result.BY_HAND).read_bytes()
        monkeypatch.setattr(command, "read_excluded", _reading(listed, tmp_path, command.read_excluded))
    found = by_command(opened, lines, tmp_path / "shell", monkeypatch)
    assert set(found) == {job.out.name, job.out.name.removesuffix(".csv") + ".settings.json"}
    for name, content in found.items():
        assert (job.out.parent / name).read_bytes() == content, name
    assert len(found[job.out.name].splitlines()) > 5
    if which == "flawed" and session:
        told = json.loads(found[job.out.name.removesuffix(".csv") + ".settings.json"])
        assert told["kept_findings"] == ["hubs", "leaks"]
        assert told["excluded"] == told["flagged_rows"] + 2


def _reading(listed: bytes, folder: Path, real):
    """A shell has the file of ids beside it."""
    (folder / mine_result.BY_HAND).write_bytes(listed)
    return lambda path, opened: real(folder / path, opened)


def test_every_form_is_that_of_the_command(app, texts, tmp_path, monkeypatch):
    at = app(texts)
    job = mine(at)
    for place, (form, ending, scores) in enumerate(
        [("triplets", ".parquet", False), ("index", ".csv", False), ("sentence-transformers", ".csv.gz", True)]
    ):  # fmt: skip
        name = f"rows-{form}{ending}"
        asked = {"folder": str(job.folder / "mined"), "out": str(tmp_path / str(place) / name), "form": form}
        told = texts.desk.ask("mined_file", **asked, scores=scores).reply(WAIT)
        assert told is not None
        lines = mine_result.command_of(texts, job.options, name, form=form, scores=scores)
        found = by_command(texts, lines, tmp_path / f"shell {place}", monkeypatch)
        assert Path(told["path"]).read_bytes() == found[name]
        assert Path(told["settings"]).read_bytes() == found[Path(told["settings"]).name]


def test_report_findings_cleaned_set_and_ids_are_those_of_the_command(app, texts, tmp_path, monkeypatch):
    names = outputs.file_names(texts, ".parquet")
    out = {"kept": ["suspicious-labels"], "rows": []}
    made = {names[what]: outputs.writer(texts, what, names[what], out)() for what in names}
    lines = outputs.command_of(texts, names, out)
    found = by_command(texts, lines, tmp_path / "shell", monkeypatch)
    assert found == made
    assert b"<img src=x" not in made[names["report"]]


@pytest.mark.slow
def test_the_zip_holds_everything_and_is_the_same_twice(app, texts):
    job = mine(app(texts))
    packed = mine_result._zipper(texts.desk, texts, job)()
    with zipfile.ZipFile(BytesIO(packed)) as opened:
        names = set(opened.namelist())
        stem = mine_result.stem(texts)
        assert {f"{stem}.csv", f"{stem}.settings.json", f"{stem}-index.csv", "findings.html", "findings.json",
                "left-out.txt", "command.txt", f"{stem}-sentence-transformers.jsonl"} <= names  # fmt: skip
        assert opened.read(f"{stem}.csv") == job.out.read_bytes()
    assert mine_result._zipper(texts.desk, texts, job)() == packed


def test_words_of_a_file_reach_neither_markdown_nor_html(app, texts):
    at = app(texts)
    mine(at)
    shown = [*at.markdown, *at.html, *at.caption, *at.subheader]
    for one in shown:
        assert not any(word in str(one.value) for word in HOSTILE if word != "=1+1"), one
    assert HOSTILE[0] in "".join(at.dataframe[0].value["anchor class"])


# ---- pieces


def test_options_are_what_the_parser_understands():
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options = Options(
        "top-n-window", 0.35, "euclidean", positives="all", negatives=4, filters=(("perc-pos", 0.9), ("topk-abs", 0.5)),
        cap_per_negative=7, cap_per_pair=8, skip=3, seed=11, kept=("hubs", "leaks"), rows=(1,),
    )  # fmt: skip
    args = parser.parse_args(["v.npy", *options.words(exclude="ids.txt"), "--out", "t.csv"])
    assert (args.strategy, args.margin, args.distance) == ("top-n-window", 0.35, "euclidean")
    assert command.read_count(args.positives_per_anchor) == "all"
    assert command.read_filters(args.filter) == {"perc-pos": 0.9, "topk-abs": 0.5}
    assert (args.negatives_per_anchor, args.cap_per_negative, args.cap_per_pair) == (4, 7, 8)
    assert (args.skip, args.seed, args.keep_finding, args.exclude) == (3, 11, ["hubs", "leaks"], "ids.txt")


def test_a_name_that_a_shell_would_run_is_quoted():
    line = command_line(["mine", "$(rm -rf ~).npy", "--label", "a'b"])
    assert shlex.split(line.replace("\\\n", "")) == ["tripletscope", "mine", "$(rm -rf ~).npy", "--label", "a'b"]


def test_every_strategy_and_filter_is_offered(flawed):
    told = flawed.ask("mining_choices").reply(WAIT)
    assert told is not None
    assert [one["name"] for one in told["strategies"]] == picks.names()
    assert [one["name"] for one in told["filters"]] == filters.names()
    for one in told["strategies"]:
        assert one["positives"] in mine_panel._POSITIVES
        assert one["title"]


def test_the_curve_has_its_table(app, flawed):
    at = app(flawed, **{"mine.curve.table": True})
    table = next(one.value for one in at.dataframe if "violating" in one.value)
    gaps = np.float32(data_of(at, "gaps")["gaps"])
    for line in table.itertuples():
        assert line.violating == pytest.approx(float((gaps < np.float32(line.margin)).mean()))
    np.testing.assert_allclose(table["hard"] + table["semi-hard"] + table["easy"], 1)


def test_the_curve_is_in_the_bundle():
    assert "export default function showGapCurve" in bundle("gaps")
    assert BUNDLES["inspect"].kinds["gaps"] == "showGapCurve"


def test_a_mining_can_be_cancelled_and_leaves_nothing(tmp_path):
    chance = np.random.default_rng(0)
    np.savez(
        tmp_path / "big.npz",
        vectors=chance.normal(size=(30_000, 64)).astype(np.float32),
        labels=chance.integers(0, 50, 30_000),
    )
    job = Job(Options("hardest", 0.2, "cosine"), tmp_path)
    job.start(["mine", str(tmp_path / "big.npz"), "--flagged", "ignore", "--out", str(tmp_path / "t.csv"), "--lines"])
    deadline = time.monotonic() + WAIT
    while job.stage == "reading":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.cancel()
    assert job.wait(WAIT)
    assert job.state == "cancelled"
    assert [path.name for path in tmp_path.iterdir()] == ["big.npz"]


def test_a_process_that_dies_is_a_sentence(tmp_path):
    job = Job(Options("hardest", 0.2, "cosine"), tmp_path).start([], [sys.executable, "-c", "import os; os._exit(9)"])
    assert job.wait(WAIT)
    assert (job.state, job.message is not None) == ("failed", True)
    lost = Job(Options("hardest", 0.2, "cosine"), tmp_path).start([], ["no such program"])
    assert lost.state == "failed"


@pytest.mark.parametrize(("gaps", "end"), [([-0.1, 0.02, 0.3], 0.4), ([-3.0, -1.0], 1.0), ([0.5] * 9, 1.0)])
def test_the_axis_ends_beyond_nearly_all_gaps(gaps, end):
    values = np.float32(gaps)
    suggested = float(np.median(values[values > 0])) if (values > 0).any() else None
    assert mine_panel.axis_end(values, None if suggested is None else suggested, 0.2) == pytest.approx(end)
