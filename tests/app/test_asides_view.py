"""The asides on their way to the page: one after the other, the watched run's first, and a sentence where one fails."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny

from tripletscope.store import cache
from tripletscope.store.reader import Run
from tripletscope_app import asides_view, widgets
from tripletscope_app.asides_view import LONGEST_PAUSE, PAUSE, Waiting
from tripletscope_app.component import bundle, pack

WAIT = 60


def page() -> None:
    from tripletscope_app.pages.watch import watch

    watch()


class Kitchen:
    """Stands in for the helper: notes what is asked for, and serves when told to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.open = folder, [], {}

    def aside(self, path: str, digest: str) -> Future[dict[str, Any]]:
        if digest not in self.open:
            self.asked.append(Path(path).name)
            self.open[digest] = Future()
        return self.open[digest]

    def serve(self, error: str | None = None) -> str:
        """Answers the question that waits; the digest it was about."""
        (digest,) = [digest for digest, future in self.open.items() if not future.done()]
        file = self.folder / f"{digest}.bin"
        file.write_bytes(pack.join({"version": 1, "kind": "aside"}, {}, digest)[1])
        future = self.open[digest]
        if error:
            del self.open[digest]  # the helper forgets failures: asked again, it may go better
        future.set_result({"error": error} if error else {"path": str(file)})
        return digest


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    made = Kitchen(tmp_path)
    monkeypatch.setattr(widgets.Helper, "start", lambda self: None)
    monkeypatch.setattr(widgets.Helper, "aside", lambda _, path, digest: made.aside(path, digest))
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "cache"))
    return made


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample_data")
    paths = tiny.race(folder / "races" / "toys")
    told = {"title": "Toys", "runs": [path.name for path in paths], "order": 1}
    (folder / "races" / "toys" / "race.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def app(shelf: Path, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    monkeypatch.setattr("tripletscope.datasets.sample_data_dir", lambda: shelf)
    monkeypatch.setattr(widgets.Helper, "ask", lambda *_, **__: Future())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    return AppTest.from_function(page, default_timeout=WAIT)


def told(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(part.proto.json)[0] for part in app.get("bidi_component") if part.proto.json]


def brought(app: AppTest) -> list[str]:
    """Digests of the asides that the page was handed."""
    blobs = [part.proto.bytes for part in app.get("bidi_component") if part.proto.bytes]
    headers = [pack.unpack(blob)[0] for blob in blobs]
    return [header["digest"] for header in headers if header.get("kind") == "aside"]


def pauses(app: AppTest) -> list[float]:
    """How long the page was told to wait before it looks again: at most one number."""
    mine = [part.proto for part in app.get("bidi_component") if "tick-asides" in part.proto.id]
    return [json.loads(proto.json)[0]["seconds"] for proto in mine]


def news(app: AppTest) -> dict[str, str]:
    return next((part["asides"] for part in told(app) if part and "asides" in part), {})


def test_the_first_draw_asks_for_nothing(app: AppTest, kitchen: Kitchen) -> None:
    app.run()
    assert not app.exception
    assert kitchen.asked == []
    assert brought(app) == []
    assert len(pauses(app)) == 1


def test_they_come_one_after_the_other_the_watched_one_first(app: AppTest, kitchen: Kitchen) -> None:
    app.query_params["run"] = "toys/batch-hard"
    app.run()
    app.run()
    assert kitchen.asked == ["batch-hard"]
    app.run()
    assert kitchen.asked == ["batch-hard"]  # one at a time
    first = kitchen.serve()
    app.run()
    assert brought(app) == [first]
    assert kitchen.asked == ["batch-hard", "random"]
    # Somebody watches another run now: its aside is next.
    app.session_state["watch.run"] = "toys/semi-hard"
    second = kitchen.serve()
    app.run()
    assert kitchen.asked == ["batch-hard", "random", "semi-hard"]
    third = kitchen.serve()
    app.run()
    assert brought(app) == [first, second, third]
    assert pauses(app) == []  # nobody looks any more
    assert news(app) == {}
    app.run()
    assert brought(app) == [first, second, third]
    assert not app.exception


def test_what_fails_twice_is_said_and_the_others_still_come(app: AppTest, kitchen: Kitchen) -> None:
    app.run()
    app.run()
    failed = kitchen.serve(error="the disk is on fire")
    app.run()
    assert news(app) == {}
    app.run()
    assert kitchen.serve(error="the disk is on fire") == failed
    app.run()
    assert news(app) == {failed: "These numbers could not be counted: the disk is on fire"}
    for _ in range(2):
        kitchen.serve()
        app.run()
    assert len(brought(app)) == 2
    assert list(news(app)) == [failed]
    assert pauses(app) == []
    assert not app.exception


def test_a_file_that_is_gone_is_asked_for_again(app: AppTest, kitchen: Kitchen, tmp_path: Path) -> None:
    app.run()
    app.run()
    digest = kitchen.serve()
    (tmp_path / f"{digest}.bin").unlink()
    app.run()
    assert brought(app) == []
    assert news(app) == {}
    assert len(pauses(app)) == 1
    app.run()
    assert list(news(app)) == [digest]
    assert not app.exception


def test_what_was_kept_needs_no_helper(app: AppTest, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tiny.kill  # any file will do
    path = Path(kept.__code__.co_filename)
    monkeypatch.setattr(asides_view, "kept_aside", lambda run, digest: path)
    monkeypatch.setattr(asides_view, "_content", lambda _: pack.join({"version": 1, "kind": "aside"}, {})[1])
    app.run()
    app.run()
    assert kitchen.asked == []
    assert len(brought(app)) == 3
    assert pauses(app) == []


def test_another_race_waits_for_its_own(app: AppTest, kitchen: Kitchen, shelf: Path, tmp_path: Path) -> None:
    app.run()
    app.run()
    app.session_state["watch.asides"] = Waiting(("another",), files={"another": tmp_path})
    app.run()
    assert app.session_state["watch.asides"].digests != ("another",)
    assert len(pauses(app)) == 1


def test_looks_grow_rarer_and_stay_frequent_enough(app: AppTest, kitchen: Kitchen) -> None:
    seen = []
    for _ in range(20):
        app.run()
        seen += pauses(app)
    assert seen == sorted(seen)
    assert PAUSE <= seen[0] <= seen[-1] == LONGEST_PAUSE


def test_the_helper_process_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one, over its pipe."""
    from tripletscope_app.answers import Helper

    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "cache"))
    run = Run.open(tiny.record(tmp_path / "run"))
    digest, _ = pack.pack_run(run)
    helper = Helper()
    try:
        reply = helper.aside(str(run.path), digest).result(timeout=WAIT)
        header, _ = pack.unpack(Path(reply["path"]).read_bytes())
        assert (header["kind"], header["digest"]) == ("aside", digest)
        Path(reply["path"]).unlink()
        again = helper.aside(str(run.path), digest).result(timeout=WAIT)
        assert Path(again["path"]).is_file()  # a file that is gone is made again
        refused = helper.aside(str(tmp_path / "nothing"), "ab").result(timeout=WAIT)
        assert "nothing" in refused["error"]
    finally:
        helper.stop()


def test_the_ticker_is_a_module_of_its_own() -> None:
    code = bundle("ticker")
    assert code.count("export default") == 1
    assert "import " not in code
