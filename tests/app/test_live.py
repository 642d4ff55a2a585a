"""Watch while a run is being recorded: it opens on the last frame, grows, and keeps what was chosen."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny
from tests.app.test_watch_page import blobs, page, parts, view

from tripletscope.store.shelf import grown, is_live
from tripletscope_app import live, loaders, widgets
from tripletscope_app.component.pack import Scale, unpack

WAIT = 60


class Growing:
    """A finished recording that is handed out step by step, as if it were being made now."""

    def __init__(self, folder: Path) -> None:
        self.folder = tiny.record(folder, "semi-hard")
        self._lines = (folder / "scalars.jsonl").read_bytes().splitlines(keepends=True)
        self._status = (folder / "status.json").read_text()
        self._frames = {
            int(each.stem.removeprefix("step-")): each.read_bytes() for each in folder.glob("frames/step-*")
        }
        self.to(3)

    def to(self, step: int, message: str | None = None) -> None:
        for each, content in self._frames.items():
            place = self.folder / "frames" / f"step-{each:07d}.npy"
            if each > step:
                place.unlink(missing_ok=True)
            elif not place.exists():
                place.write_bytes(content)
        (self.folder / "scalars.jsonl").write_bytes(b"".join(self._lines[: step + 1]))
        about = {"pid": os.getpid(), "host": socket.gethostname(), "heartbeat": time.time(), "message": message}
        (self.folder / "status.json").write_text(json.dumps({"state": "running", "step": step, **about}))

    def end(self) -> None:
        self.to(len(self._lines) - 1)
        (self.folder / "status.json").write_text(self._status)


@pytest.fixture
def growing(tmp_path, monkeypatch):
    shipped = tmp_path / "sample_data"
    (shipped / "races").mkdir(parents=True)
    monkeypatch.setattr("tripletscope.datasets.sample_data_dir", lambda: shipped)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(widgets.Helper, "start", lambda self: None)
    monkeypatch.setattr(widgets.Helper, "ask", lambda *_, **__: Future())
    monkeypatch.setattr(widgets, "PATIENCE", 0.05)
    monkeypatch.chdir(tmp_path)
    return Growing(tmp_path / "runs" / "young")


@pytest.fixture
def app(growing):
    return AppTest.from_function(page, default_timeout=WAIT)


def digests(app):
    return [unpack(blob)[0]["digest"] for blob in blobs(app)]


def test_it_opens_on_the_last_frame_and_follows_it(app, growing):
    app.run()
    assert not app.exception
    assert view(app)["selection"]["step"] == 3
    assert "step" not in app.query_params, "a link to what is followed says no step"
    first, anchor = digests(app), view(app)["selection"]["anchor"]
    growing.to(6)
    app.run()
    assert view(app)["selection"]["step"] == 6
    assert view(app)["selection"]["anchor"] == anchor
    assert digests(app) != first
    growing.end()
    app.run()
    assert not live.under_way(loaders.find("young"))


def test_what_is_counted_over_all_steps_waits_for_the_end(app, growing, monkeypatch):
    asked = []
    monkeypatch.setattr(widgets.Helper, "aside", lambda self, path, digest: asked.append(path) or Future())
    app.run()
    app.run()
    assert asked == []
    (said,) = [part["asides"] for part in parts(app) if "asides" in part]
    assert list(said.values()) == ["These numbers are counted when the race has ended."]
    assert any("step 3" in text.value for text in app.text)


def heard():
    """The page, and then what it makes of a report that a browser has sent."""
    import streamlit as st

    from tripletscope_app import loaders, widgets
    from tripletscope_app.pages.watch import watch

    watch()
    if "said" in st.session_state:
        race = loaders.find("young")
        st.session_state["heard"] = widgets._reported(race, loaders.load(race), st.session_state["said"])


def test_a_click_on_what_has_grown_since_is_heard(growing):
    app = AppTest.from_function(heard, default_timeout=WAIT).run()
    (old,) = digests(app)
    growing.to(6)
    said = {"step": 2, "anchor": 5, "positive": None, "margin": 0.25}
    app.session_state["said"] = {**said, "run": old}
    app.run()
    assert not app.exception
    assert digests(app) != [old]
    chosen = app.session_state["heard"]
    assert (chosen.step, chosen.anchor, chosen.margin) == (2, 5, 0.25)
    app.session_state["said"] = {**said, "run": "0" * len(old)}
    app.run()
    assert app.session_state["heard"] is None, "of what was never shown nothing is heard"


def test_it_is_read_again_for_a_frame_and_not_for_a_step(growing):
    folder = growing.folder
    assert is_live(folder)
    before = grown(folder)
    growing.to(3)
    assert grown(folder) == before, "a step without a frame is none"
    growing.to(3, "paused")
    assert grown(folder) != before
    growing.to(4)
    after = grown(folder)
    assert after != before
    # A frame whose line is not written yet does not count.
    time.sleep(0.02)
    (folder / "frames" / "step-0000099.npy").write_bytes(b"half")
    assert grown(folder) == after
    growing.end()
    assert grown(folder)[:1] != ("live",)


@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.3, -0.7), (12.5, 3.0)])
@pytest.mark.parametrize("extent", [0.01, 1.0, 1.01, 37.0])
def test_the_scale_of_what_grows_holds_everything_and_is_one_of_a_few(centre, extent):
    made = Scale(centre, extent, 1.3).doubled()
    for place, middle in zip(centre, made.centre, strict=True):
        assert middle - made.extent <= place - extent + 1e-9
        assert place + extent <= middle + made.extent + 1e-9
    assert made.extent < 4 * extent + 1e-9
    assert made.ruler_max == 2.0
    assert float(made.extent).hex().startswith("0x1.0000000000000p"), "a power of two"
    again = Scale(centre, extent * 1.0001 if extent == 37.0 else extent, 1.31).doubled()
    assert again == made, "a little more changes nothing"
