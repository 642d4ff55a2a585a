"""The animation on the Watch page: made in a process of its own, cancelled, kept, and handed over as a file."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from concurrent.futures import Future

import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny

from tripletscope import Run
from tripletscope_app import widgets
from tripletscope_app.share import film_panel
from tripletscope_app.share.film_jobs import FilmJobs, Order

WAIT = 60

# Speaks as `tripletscope export --lines`: half-way, then waits until a file "go" lies beside the run, or for its end.
_ECHO = textwrap.dedent(
    """
    import json, pathlib, select, sys
    run, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
    tell = lambda state, **more: print(json.dumps({"state": state, **more}), flush=True)
    print("a library says hello", flush=True)
    tell("running", done=5, total=10)
    with open(run.parent / "log", "a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\\n")
    while not (run.parent / "go").exists():
        if select.select([sys.stdin], [], [], 0.02)[0] and not sys.stdin.readline():
            tell("cancelled")
            sys.exit(143)
    if (run.parent / "flat").exists():
        tell("failed", message="it is too flat")
        sys.exit(1)
    out.write_bytes(bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b"))
    tell("ready")
    """
)


def until(condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path / "cache"))
    made = FilmJobs([sys.executable, "-c", _ECHO])
    yield made
    made.stop()


@pytest.fixture
def run(tmp_path):
    return Run.open(tiny.record(tmp_path / "runs" / "semi-hard"))


def order(*runs: Run, **how) -> Order:
    return Order.of(runs, **{"kind": "gif", "theme": "light", "anchor": 3, **how})


def test_it_is_made_once_and_kept(jobs, run, tmp_path):
    wanted = order(run)
    assert jobs.standing(wanted).state == "none"
    jobs.start(wanted)
    jobs.start(wanted)
    until(lambda: jobs.standing(wanted).share == 0.5)
    assert jobs.standing(wanted).seconds_left is not None
    (run.path.parent / "go").touch()
    until(lambda: jobs.standing(wanted).state == "ready")
    assert jobs.file(wanted).read_bytes().startswith(b"GIF89a")
    jobs.start(wanted)
    (line,) = (run.path.parent / "log").read_text().splitlines()
    told = json.loads(line)
    assert told[0] == str(run.path)
    assert told[told.index("--anchor") + 1] == "3"
    assert FilmJobs(["false"]).standing(wanted).state == "ready", "another server finds it"
    for other in (order(run, theme="dark"), order(run, anchor=4), order(run, kind="mp4"), order(run, space="umap")):
        assert jobs.standing(other).state == "none"


def test_a_cancel_ends_the_process_and_keeps_nothing(jobs, run):
    wanted, waiting = order(run), order(run, theme="dark")
    jobs.start(wanted)
    until(lambda: jobs.standing(wanted).share == 0.5)
    process = jobs._processes[wanted]
    jobs.start(waiting)  # waits for its turn, and is cancelled there
    jobs.cancel(waiting)
    jobs.cancel(wanted)
    until(lambda: process.poll() is not None)
    assert {jobs.standing(wanted).state, jobs.standing(waiting).state} == {"cancelled"}
    assert jobs.file(wanted) is None
    (run.path.parent / "go").touch()
    until(lambda: wanted not in jobs._processes)
    jobs.start(wanted)
    until(lambda: jobs.standing(wanted).state == "ready")
    assert len((run.path.parent / "log").read_text().splitlines()) == 2


def test_what_goes_wrong_is_said(jobs, run):
    (run.path.parent / "go").touch()
    (run.path.parent / "flat").touch()
    jobs.start(order(run))
    until(lambda: jobs.standing(order(run)).state == "failed")
    assert jobs.standing(order(run)).message == "it is too flat"
    broken = FilmJobs(["/no/such/command"])
    broken.start(order(run))
    until(lambda: broken.standing(order(run)).state == "failed")


def page():
    from tripletscope_app.pages.watch import watch

    watch()


@pytest.fixture
def app(jobs, tmp_path, monkeypatch):
    race = tmp_path / "shelf" / "races" / "toys"
    paths = tiny.race(race)
    (race / "race.json").write_text(json.dumps({"title": "Toys", "runs": [path.name for path in paths], "order": 1}))
    monkeypatch.setattr("tripletscope.datasets.sample_data_dir", lambda: tmp_path / "shelf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(widgets.Helper, "start", lambda self: None)
    monkeypatch.setattr(widgets.Helper, "ask", lambda *_: Future())
    monkeypatch.setattr(widgets.Helper, "aside", lambda *_: Future())
    monkeypatch.setattr(film_panel, "jobs", lambda: jobs)
    shown = AppTest.from_function(page, default_timeout=WAIT)
    shown.race = race
    return shown


def test_the_button_makes_what_is_on_the_screen(app, jobs):
    app.session_state["watch.film"] = True
    app.session_state["watch.run"] = "toys/batch-hard"
    app.session_state["watch.anchor"] = 7
    app.session_state["watch.positive"] = 9
    app.run()
    assert not app.exception
    app.segmented_control(key="watch.film.theme").set_value("dark")
    app.button(key="watch.film.make").click().run()
    assert not app.exception
    (wanted,) = jobs._standing
    assert wanted.runs == tuple(str(app.race / name) for name in ("random", "semi-hard", "batch-hard"))
    assert (wanted.kind, wanted.theme, wanted.anchor, wanted.positive, wanted.space) == ("gif", "dark", 7, 9, "own")
    until(lambda: jobs.standing(wanted).share == 0.5)
    app.run()
    app.button(key="watch.film.cancel").click().run()
    assert jobs.standing(wanted).state == "cancelled"
    assert any("nothing of it is kept" in text.value for text in app.text)
    (app.race / "go").touch()
    until(lambda: wanted not in jobs._processes)
    app.segmented_control(key="watch.film.what").set_value("run")
    app.button(key="watch.film.make").click().run()
    alone = next(each for each in jobs._standing if len(each.runs) == 1)
    assert alone.runs == (str(app.race / "batch-hard"),)
    until(lambda: jobs.standing(alone).state == "ready")
    app.run()
    assert not app.exception
    assert any("Download the GIF" in each.proto.label for each in app.get("download_button"))


def test_nothing_of_it_is_loaded_before_somebody_opens_it(app):
    app.run()
    assert not app.exception
    assert not [each for each in app.button if each.key == "watch.film.make"]
