"""The gallery in Streamlit's test harness: search, another name, away and back, out as a zip and in again."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from concurrent.futures import Future
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny

from tripletscope.config import TrainConfig
from tripletscope.errors import RunError
from tripletscope.store.reader import Run
from tripletscope_app import gallery, loaders, widgets
from tripletscope_app.racing import office, shelving
from tripletscope_app.racing import plan as plans
from tripletscope_app.racing.yard import Yard

WAIT = 60


def page():
    from tripletscope_app import gallery

    gallery._gallery()


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working directory with a lone run and a planned race of two, of which the first has been recorded."""
    runs = tmp_path / "runs"
    tiny.record(runs / "alone", "random", race={"weights": "x", "batches": "y"})
    folder = runs / "planned"
    folder.mkdir()
    plan = plans.race(TrainConfig(steps=tiny.STEPS), ["semi-hard", "batch-hard"], [0], title="Two <i>of</i> a kind")
    plans.write(folder, plan)
    tiny.record(folder / "semi-hard", "semi-hard")
    shipped = tmp_path / "sample_data"
    (shipped / "races").mkdir(parents=True)
    monkeypatch.setattr("tripletscope.datasets.sample_data_dir", lambda: shipped)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(widgets.Helper, "aside", lambda *_: Future())
    monkeypatch.setattr(office, "_yard", lambda root: Yard(runs, command=[sys.executable, "-c", "pass"]))
    monkeypatch.chdir(tmp_path)
    return runs


@pytest.fixture
def app(work):
    return AppTest.from_function(page, default_timeout=WAIT)


def words(app):
    return [part.value for part in app.text]


def watch_buttons(app):
    return sorted(Path(one.key.removeprefix("gallery.")).name for one in app.button if one.label == "Watch")


def test_a_planned_race_is_one_race_with_its_runs_in_order(app, work):
    tiny.record(work / "planned" / "batch-hard", "batch-hard")
    (race,) = [race for race in loaders.own_races() if race.folder]
    assert race.key == "planned"
    assert [Path(path).name for path in race.paths] == ["semi-hard", "batch-hard"]
    assert race.link("semi-hard") == "planned/semi-hard"
    assert race.holds("planned/not-begun"), "a link to a run that is still to come leads to its race"
    app.run()
    assert not app.exception
    assert "Two <i>of</i> a kind" in [one.value for one in app.subheader]


def test_search_keeps_what_fits(app):
    app.run()
    assert watch_buttons(app) == ["alone", "semi-hard"]
    app.text_input(key="gallery.search").set_value("RANDOM finished").run()
    assert watch_buttons(app) == ["alone"]
    app.text_input(key="gallery.search").set_value("nothing like it").run()
    assert watch_buttons(app) == []
    assert any("No run fits" in text for text in words(app))


def test_a_run_is_deleted_and_comes_back(app, work):
    run = work / "planned" / "semi-hard"
    app.run()
    app.button(key=f"gallery.delete.{run}").click().run()
    assert not run.exists()
    assert watch_buttons(app) == ["alone"]
    assert plans.read(run.parent).cancelled == {"semi-hard"}, "it is not trained again"
    assert "semi-hard was deleted." in words(app)
    app.button(key="gallery.undo").click().run()
    assert watch_buttons(app) == ["alone", "semi-hard"]
    assert Run.open(run).state == "finished"
    lone = work / "alone"
    app.button(key=f"gallery.delete.{lone}").click().run()
    assert watch_buttons(app) == ["semi-hard"], "what lies in the bin is not found"


def test_a_run_gets_another_name_and_its_plan_knows(app, work):
    run = work / "planned" / "semi-hard"
    app.run()
    app.text_input(key=f"gallery.name.{run}").set_value("the-good-one").run()
    assert (work / "planned" / "the-good-one").is_dir()
    assert list(plans.read(run.parent).runs) == ["the-good-one", "batch-hard"]
    assert "semi-hard is called the-good-one now." in words(app)
    app.text_input(key=f"gallery.name.{work / 'alone'}").set_value("../../away").run()
    assert any("cannot be called" in text for text in words(app))
    assert (work / "alone").is_dir()
    with pytest.raises(RunError, match="in this race already"):
        shelving.rename(work / "planned" / "the-good-one", "batch-hard")


def test_out_as_a_zip_and_in_again(app, work):
    content = shelving.zipped([str(work / "alone"), str(work / "planned" / "semi-hard")])
    app.run()
    app.file_uploader[0].set_value(("two.zip", content, "application/zip")).run()
    assert "Taken in: alone, semi-hard." in words(app)
    assert Run.open(work / "two" / "alone").digest == Run.open(work / "alone").digest
    assert watch_buttons(app).count("alone") == 2
    app.file_uploader[0].set_value(("one.zip", shelving.zipped([str(work / "alone")]), "application/zip")).run()
    assert "Taken in: alone-2." in words(app)
    assert not [each for each in work.iterdir() if each.name.startswith(".import")]


def test_a_race_is_deleted_as_a_whole_and_comes_back(app, work):
    app.run()
    app.button(key="gallery.delete-race.planned").click().run()
    assert not (work / "planned").exists()
    assert watch_buttons(app) == ["alone"]
    assert "The race “Two <i>of</i> a kind” was deleted." in words(app)
    app.button(key="gallery.undo").click().run()
    assert watch_buttons(app) == ["alone", "semi-hard"]
    assert "planned is back." in words(app)
    assert plans.read(work / "planned").cancelled == set(), "what had not begun will"


def test_of_a_race_with_seeds_only_one_is_deleted(work):
    folder = work / "seeds"
    folder.mkdir()
    plans.write(folder, plans.race(TrainConfig(steps=tiny.STEPS), ["random", "semi-hard"], [0, 1], title="Seeds"))
    for seed in (0, 1):
        tiny.record(folder / f"random-seed-{seed}", "random")
    first, second = loaders.planned_in(folder)
    gone = shelving.discard_race([Path(path) for path in first.paths], folder, first.members)
    assert [each.name for each in gone] == ["random-seed-0"]
    (left,) = loaders.planned_in(folder)
    assert left.key == second.key
    assert plans.read(folder).cancelled == {"random-seed-0", "semi-hard-seed-0"}
    assert shelving.restore(gone[0]) == folder / "random-seed-0"


def test_a_race_that_is_under_way_is_not_deleted(app, work, monkeypatch):
    app.run()
    monkeypatch.setattr(shelving, "is_live", lambda _: True)
    app.button(key="gallery.delete-race.planned").click().run()
    assert (work / "planned" / "semi-hard").is_dir()
    assert any("cancel it first" in text for text in words(app))


def test_a_race_gets_another_title_and_keeps_its_links(app, work):
    app.run()
    app.text_input(key="gallery.title.planned").set_value("Third <b>form</b>").run()
    assert "Third <b>form</b>" in [one.value for one in app.subheader]
    assert loaders.find("planned/semi-hard").title == "Third <b>form</b>"
    app.text_input(key="gallery.title.planned").set_value("two\nlines").run()
    assert loaders.find("planned").title == "Third <b>form</b>"


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ({"../run/config.json": "{}"}, "leads out of its folder"),
        ({"run/config.json": "{}", "run/evil.py": "1"}, "is no file of a run"),
        ({"run/config.json": json.dumps({"format": 99, "margin": 1, "distance": "euclidean"})}, "99"),
        ({}, "config.json"),
    ],
)
def test_a_zip_that_is_no_run_is_refused_in_a_sentence(app, work, entries, part):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, text in entries.items():
            made.writestr(name, text)
    before = sorted(work.rglob("*"))
    app.run()
    app.file_uploader[0].set_value(("odd.zip", out.getvalue(), "application/zip")).run()
    (said,) = [text for text in words(app) if part in text and "odd.zip" in text]
    assert said.endswith(".")
    assert sorted(work.rglob("*")) == before, "nothing of it is kept"


def test_what_is_not_in_the_folder_of_runs_cannot_be_deleted_here(app, work, monkeypatch, tmp_path):
    given = tiny.record(tmp_path / "elsewhere" / "run", "random", race={"weights": "e", "batches": "f"})
    monkeypatch.setattr(sys, "argv", ["main.py", "--run", str(given)])
    app.run()
    assert "run" in watch_buttons(app)
    assert not [one for one in app.button if one.key == f"gallery.delete.{given}"]


def test_the_name_field_of_a_deleted_race_takes_no_undo_away(tmp_path, monkeypatch):
    """The browser lets go of the field when the race goes, and that is heard as another name: an empty one."""
    gone = [object()]
    said = {gallery._GONE: gone, gallery._SAID: "The race was deleted."}
    monkeypatch.setattr(gallery.st, "session_state", said)
    gallery._retitle(loaders.Race("gone", "gone", "gone", "", (), folder=str(tmp_path / "gone")), "gallery.title.gone")
    assert said[gallery._GONE] is gone
    assert said[gallery._SAID] == "The race was deleted."
