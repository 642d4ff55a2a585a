"""The page and the command: whole, escaped, the same bytes, refusals in one sentence."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

import numpy as np
import pytest

from tripletscope.cli import main
from tripletscope.inspection import CHECKS, inspect, inspect_set
from tripletscope.inspection.planted import flawed_set, plant
from tripletscope.inspection.report import render

VOID = {"meta", "img", "br", "rect"}


class Reader(html.parser.HTMLParser):
    """Counts tags and notes what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def flawed_page() -> str:
    return render(inspect_set(flawed_set().set))


def test_it_is_whole_and_needs_nothing_else(flawed_page: str) -> None:
    reader = read(flawed_page)
    tags = {tag for tag, _ in reader.seen}
    assert not tags & {"script", "link", "iframe", "object", "base", "form"}
    for tag, attributes in reader.seen:
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (tag, value)
        assert not [name for name in attributes if name.startswith("on")]
    assert "http://" not in flawed_page
    assert "https://" not in flawed_page
    assert "url(" not in flawed_page


def test_the_table_of_contents_leads_to_every_finding(flawed_page: str) -> None:
    reader = read(flawed_page)
    places = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(places) == len(set(places))
    links = [(attributes["href"] or "")[1:] for tag, attributes in reader.seen if tag == "a"]
    assert set(links) <= set(places)
    assert {one.check for one in inspect_set(flawed_set().set).findings} <= set(links)
    words = " ".join(reader.words)
    for check in CHECKS:
        assert check.title in words


def test_pictures_are_drawn_anew_and_small(flawed_page: str) -> None:
    assert flawed_page.count("<img") >= 40
    assert len(flawed_page) < 200_000


def test_what_a_file_says_is_text(tmp_path: Path) -> None:
    evil = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "=cmd()", "a&b", "\u202eabc"]
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 6)) + 9 * np.repeat(np.eye(6)[:2], 30, axis=0)
    labels = [evil[0]] * 30 + [evil[1]] * 30
    labels[3], vectors[40] = evil[1], vectors[5]
    page = render(
        inspect(
            vectors,
            labels,
            [f"{evil[place % 2]}{place}" for place in range(60)],
            texts=["".join(evil)] * 60,
            name=evil[0],
        )
    )
    reader = read(page)
    assert {tag for tag, _ in reader.seen}.isdisjoint({"script"})
    assert not any("onerror" in attributes for _, attributes in reader.seen)
    assert "&lt;script&gt;alert(1)" in page


def test_a_set_without_findings_says_so() -> None:
    rng = np.random.default_rng(0)
    page = render(inspect(rng.normal(size=(60, 6)) + 30 * np.repeat(np.eye(6)[:2], 30, axis=0), [0] * 30 + [1] * 30))
    assert "Nothing was found" in page
    assert "could not be checked: no split column" in page
    read(page)


def test_an_unlabelled_set_has_a_page_too() -> None:
    read(render(inspect(np.random.default_rng(0).normal(size=(30, 4)))))


# ---- the command


@pytest.fixture
def flawed_file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    vectors = rng.normal(size=(90, 8)) + 6 * np.eye(8)[labels]
    vectors[70] = vectors[5]
    path = tmp_path / "set.npz"
    np.savez(path, embeddings=vectors.astype(np.float32), labels=labels)
    return path


def test_json_has_the_promised_keys(flawed_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    assert main(["inspect", str(flawed_file), "--out", str(out)]) == 0
    told = json.loads(out.read_text(encoding="utf-8"))
    assert {"rows", "dims", "classes", "rows_used", "rows_dropped", "warnings", "recall_at_1", "findings"} <= set(told)
    assert (told["rows"], told["dims"], told["classes"]) == (90, 8, 3)
    duplicates = next(one for one in told["findings"] if one["check"] == "cross-class-duplicates")
    assert sorted(row["id"] for row in duplicates["rows"]) == [5, 70]
    assert sorted(told["checked"]) == sorted(CHECKS.names())


@pytest.mark.parametrize("ending", ["html", "json"])
def test_the_same_file_gives_the_same_bytes(flawed_file: Path, tmp_path: Path, ending: str) -> None:
    outs = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for out in outs:
        assert main(["inspect", str(flawed_file), "--out", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["set.npz", *(out.name for out in outs)])


def test_excluded_ids_are_a_list_for_mine(flawed_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "ids.txt"
    assert main(["inspect", str(flawed_file), "--excluded", str(out)]) == 0
    assert {"5", "70"} <= set(out.read_text(encoding="utf-8").splitlines())


def test_it_prints_json_or_words(flawed_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(flawed_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 90
    assert main(["inspect", str(flawed_file)]) == 0
    assert "Near-duplicates across classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--out", "x.pdf"], ".html or .json"),
        (["--out", "no/such/x.html"], "no folder"),
        (["--distance", "manhattan"], "manhattan"),
        (["--label", "kind"], "kind"),
        (["--largest", "1"], "2 or more"),
    ],
)
def test_refusals_are_one_sentence(
    flawed_file: Path, extra: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(flawed_file.parent)
    assert main(["inspect", str(flawed_file), *extra]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    assert words in printed.err
    assert [path.name for path in flawed_file.parent.iterdir()] == ["set.npz"]


def test_an_existing_file_is_kept(flawed_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.html"
    out.write_text("mine")
    assert main(["inspect", str(flawed_file), "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert main(["inspect", str(flawed_file), "--out", str(out), "--overwrite"]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


# ---- real sets, where TRIPLETSCOPE_DATA names them


def test_banking_questions(real_data: Path) -> None:
    """Known of it: two sentences that occur twice, one of them on both sides of the split."""
    import pandas as pd

    rows = pd.read_parquet(real_data / "banking77.parquet")
    vectors = np.load(real_data / "banking77_minilm_f16.npy")
    seen = inspect(vectors, rows.label.tolist(), splits=rows.split.tolist(), texts=rows.text.tolist())
    by_name = {one.check: one for one in seen.findings}
    assert sorted(by_name["exact-duplicates"].rows.tolist()) == [3025, 3041]
    assert 3025 in by_name["leaks"].rows or 1054 in by_name["leaks"].rows
    assert seen.health.normalised
    sound = inspect_set(plant(seen.set, wrong_labels=0).set)
    assert sound.health.rows_used == 3850


def test_the_page_of_checks_is_current() -> None:
    from tripletscope.inspection.check_docs import renewed

    page = (Path(__file__).resolve().parents[2] / "docs" / "inspect.md").read_text(encoding="utf-8")
    assert renewed(page) == page


def test_lengths_are_drawn_where_they_differ() -> None:
    points = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    unit = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)
    labels = np.arange(60) % 3
    assert "Lengths of the rows" in render(inspect(points, labels))
    page = render(inspect(unit, labels))
    assert "Every row has the same length, 1" in page
    assert "Lengths of the rows" not in page
