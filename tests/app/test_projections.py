"""Maps in the making: one process at a time, shared, cancelled, and handed to the page when they are there."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from concurrent.futures import Future

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis.maps import Map, keep_map, kept_map, make_map
from tripletscope_app import projections, widgets
from tripletscope_app.component import pack
from tripletscope_app.layouts import pack_map
from tripletscope_app.map_jobs import MapJobs, Standing

WAIT = 60

# Speaks as `tripletscope project --lines`: half-way, then waits until a file "go" lies beside the run, or for its end.
_ECHO = textwrap.dedent(
    """
    import json, os, pathlib, select, sys, time
    runs = sys.argv[sys.argv.index("--lines") + 1:]
    print("a library says hello", flush=True)
    for run in runs:
        tell = lambda state, **more: print(json.dumps({"run": run, "state": state, **more}), flush=True)
        tell("running", done=5, total=10)
        with open(pathlib.Path(run).parent / "log", "a") as log:
            log.write(sys.argv[sys.argv.index("--space") + 1] + " " + pathlib.Path(run).name + "\\n")
        while not (pathlib.Path(run).parent / "go").exists():
            if select.select([sys.stdin], [], [], 0.02)[0] and not sys.stdin.readline():
                tell("cancelled")
                sys.exit(143)
        if (pathlib.Path(run).parent / "die").exists():
            os._exit(9)
        tell("failed", message="it is too flat")
    """
)


def until(condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def runs(tmp_path):
    # Each of another seed would do; another class of options makes another content.
    return [Run.open(tiny.record(tmp_path / name, dim=4, note=name)) for name in ("one", "two", "three")]


@pytest.fixture
def jobs():
    made = MapJobs([sys.executable, "-c", _ECHO])
    yield made
    made.stop()


def log(runs) -> list[str]:
    file = runs[0].path.parent / "log"
    return file.read_text().splitlines() if file.exists() else []


def test_one_at_a_time_and_one_for_all_who_ask(jobs, runs):
    for _ in range(3):
        jobs.start([runs[0]], "umap")
        jobs.start([runs[1]], "umap")
    until(lambda: jobs.standing(runs[0], "umap").share == 0.5)
    assert jobs.standing(runs[1], "umap") == Standing("running"), "it waits for its turn"
    assert log(runs) == ["umap one"]
    (runs[0].path.parent / "go").touch()
    until(lambda: jobs.standing(runs[1], "umap").state == "failed")
    assert log(runs) == ["umap one", "umap two"]
    assert jobs.standing(runs[0], "umap").message == "it is too flat"


def test_what_somebody_waits_for_goes_first(jobs, runs):
    jobs.start(runs, "own")
    until(lambda: log(runs) == ["own one"])
    jobs.start([runs[2]], "umap")
    until(lambda: log(runs) == ["own one", "umap three"])
    assert jobs.standing(runs[0], "own").state == "running", "it begins again afterwards"
    (runs[0].path.parent / "go").touch()
    until(lambda: log(runs)[-1] == "own three")
    assert log(runs) == ["own one", "umap three", "own one", "own two", "own three"]


def test_cancel_ends_the_process_and_the_next_begins(jobs, runs):
    jobs.start([runs[0]], "umap")
    jobs.start([runs[1]], "umap")
    jobs.start([runs[2]], "umap")
    until(lambda: log(runs) == ["umap one"])
    jobs.cancel(runs[1])
    assert jobs.standing(runs[1], "umap").state == "cancelled"
    jobs.cancel(runs[0])
    assert jobs.standing(runs[0], "umap").state == "cancelled"
    until(lambda: log(runs) == ["umap one", "umap three"])
    jobs.start([runs[0]], "umap")
    assert jobs.standing(runs[0], "umap").state == "running", "asked for again"
    jobs.cancel(runs[2])
    until(lambda: log(runs)[-1] == "umap one")
    jobs.cancel(runs[0])


def test_a_new_wish_outlives_the_old_cancel(jobs, runs):
    jobs.start([runs[0]], "umap")
    until(lambda: log(runs) == ["umap one"])
    jobs.cancel(runs[0])
    jobs.start([runs[0]], "umap")
    until(lambda: log(runs) == ["umap one", "umap one"])
    until(lambda: jobs.standing(runs[0], "umap").share == 0.5)


def test_a_process_that_dies_is_told(jobs, runs):
    (runs[0].path.parent / "die").touch()
    (runs[0].path.parent / "go").touch()
    jobs.start([runs[0]], "umap")
    until(lambda: jobs.standing(runs[0], "umap").state == "failed")
    assert "ended too early" in jobs.standing(runs[0], "umap").message


def test_no_process_at_all_is_told(runs):
    jobs = MapJobs(["/nowhere/python"])
    jobs.start([runs[0]], "umap")
    until(lambda: jobs.standing(runs[0], "umap").state == "failed")
    assert "could not be started" in jobs.standing(runs[0], "umap").message


def test_the_news_count_frames(runs):
    assert Standing("none").as_news(13) == {
        "state": "none",
        "done": 0,
        "total": 0,
        "seconds_left": None,
        "message": None,
    }
    half = Standing("running", 0.5, time.monotonic() - 10).as_news(13)
    assert (half["done"], half["total"]) == (6, 13)
    assert half["seconds_left"] == pytest.approx(10, abs=1)


def test_the_real_process_makes_a_map(runs):
    jobs = MapJobs()
    jobs.start([runs[0]], "umap")
    until(lambda: jobs.standing(runs[0], "umap").state != "running")
    assert jobs.standing(runs[0], "umap").state == "ready"
    assert kept_map(runs[0], "umap") is not None
    # Another server, another day: there is nothing to do.
    later = MapJobs(["/nowhere/python"])
    later.start([runs[0]], "umap")
    assert later.standing(runs[0], "umap").state == "ready"


def test_what_the_browser_reads_of_a_map(runs):
    umap, own = (make_map(runs[0], kind) for kind in ("umap", "own"))
    header, arrays = pack.unpack(pack_map(umap, "d1", exact=False))
    frames = len(runs[0].frame_steps)
    assert {key: header[key] for key in ("version", "kind", "digest", "space", "badge")} == {
        "version": 1,
        "kind": "layout",
        "digest": "d1",
        "space": "umap",
        "badge": "UMAP, aligned through time",
    }
    assert header["frames"] == list(runs[0].frame_steps)
    assert arrays["pos"].shape == (frames, 24, 2)
    np.testing.assert_array_equal(arrays["pos"], umap.positions)
    reach = np.abs(arrays["pos"] - header["centre"]).max()
    assert reach < header["extent"] < 1.1 * reach
    header, arrays = pack.unpack(pack_map(own, "d1", exact=True))
    assert header["space"] == "exact"
    assert "pos" not in arrays
    assert arrays["moved"].shape == arrays["stayed"].shape == (frames, 24)
    assert pack.unpack(pack_map(own, "d1", exact=False))[0]["space"] == "pca"


def test_a_map_of_nothing_can_be_packed():
    none, blank = np.full(2, np.nan, np.float32), np.full((2, 3), np.nan, np.float32)
    empty = Map("umap", [0, 1], np.full((2, 3, 2), np.nan, np.float32), none, none, blank, blank, float("nan"))
    header, _ = pack.unpack(pack_map(empty, "d", exact=False))
    assert header["seconds"] is None
    assert header["extent"] == 1.0


# ---- on the page


def page():
    from tripletscope_app.pages.watch import watch

    watch()


def layouts(app) -> list[str]:
    found = [pack.unpack(part.proto.bytes)[0] for part in app.get("bidi_component") if part.proto.bytes]
    return sorted(header["space"] for header in found if header.get("kind") == "layout")


def news(app) -> list[dict]:
    told = [json.loads(part.proto.json) for part in app.get("bidi_component") if '"projection"' in part.proto.json]
    return list(told[-1][0]["projection"].values())


@pytest.fixture
def app(runs, jobs, monkeypatch):
    class Silent:
        cards = ()

        def start(self):
            pass

        def __getattr__(self, name):
            return lambda *_, **__: Future()

    monkeypatch.setattr(sys, "argv", ["main.py", "--run", str(runs[0].path)])
    monkeypatch.chdir(runs[0].path.parent)
    monkeypatch.setattr(widgets, "helper", Silent)
    monkeypatch.setattr("tripletscope_app.asides_view.helper", Silent)
    monkeypatch.setattr(projections, "jobs", lambda: jobs)
    made = AppTest.from_function(page, default_timeout=WAIT)
    made.query_params["run"] = runs[0].name
    return made


def test_the_first_draw_computes_and_hands_over_nothing(app, runs):
    keep_map(runs[0], make_map(runs[0], "umap"))
    app.run()
    assert not app.exception
    assert layouts(app) == []
    assert [each["state"] for each in news(app)] == ["ready"], "a link to the UMAP need not ask for it"
    assert log(runs) == []


def test_a_kept_map_is_handed_over_without_a_job(app, runs, monkeypatch):
    keep_map(runs[0], make_map(runs[0], "umap"))
    keep_map(runs[0], make_map(runs[0], "own"))
    app.run()
    app.run()
    assert not app.exception
    assert layouts(app) == ["pca", "umap"]
    assert log(runs) == []


def test_a_request_starts_one_job_and_the_page_follows_it(app, runs, jobs, monkeypatch):
    monkeypatch.setattr(projections, "PATIENCE", 10_000)  # the asides never come here, and no own map is asked for
    app.run()
    app.run()
    assert [each["state"] for each in news(app)] == ["none"]
    jobs.start([runs[0]], "umap")
    until(lambda: jobs.standing(runs[0], "umap").share == 0.5)
    app.run()
    told = news(app)[0]
    assert told["state"] == "running"
    assert told["done"] == told["total"] // 2
    ticks = [part for part in app.get("bidi_component") if '"turn"' in part.proto.json and "seconds" in part.proto.json]
    assert ticks, "it comes back while something is being made"
    jobs.cancel(runs[0])
    app.run()
    assert [each["state"] for each in news(app)] == ["cancelled"]


def test_a_damaged_map_is_put_away_and_can_be_made_again(app, runs):
    path = keep_map(runs[0], make_map(runs[0], "umap"))
    path.write_bytes(b"half a file")
    app.run()
    app.run()
    assert not app.exception
    assert layouts(app) == []
    assert not path.exists()
    app.run()
    assert [each["state"] for each in news(app)] == ["none"]


def test_the_own_maps_are_measured_when_the_asides_are_there(app, runs, monkeypatch):
    monkeypatch.setattr(projections, "PATIENCE", 2)  # they never come here: after a while it goes on without them
    for _ in range(5):
        app.run()
    until(lambda: log(runs) == ["own one"])
    (runs[0].path.parent / "go").touch()
    keep_map(runs[0], make_map(runs[0], "own"))
    app.run()
    until(lambda: projections.jobs().standing(runs[0], "own").state == "ready" or app.run() is None)
    app.run()
    assert layouts(app) == ["pca"]
