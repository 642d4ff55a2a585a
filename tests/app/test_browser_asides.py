"""The runs' numbers over time on the real page: they come after the first draw, and nothing is drawn again for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app import tiny
from tests.app.test_browser_watch import Server, Watched

from tripletscope.analysis.violations import violations
from tripletscope.store.reader import Run

pytestmark = pytest.mark.browser

SHELF = "JSON.stringify(Object.keys(globalThis.__tripletscope?.asides ?? {}))"


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    folder = tmp_path_factory.mktemp("work")
    tiny.race(folder / "runs")
    server = Server(folder, folder / "runs")
    yield folder / "runs", server
    server.stop()


@pytest.mark.slow
def test_the_numbers_of_every_run_come_and_the_instrument_stays(browser: Any, race: tuple[Path, Server]) -> None:
    folder, server = race
    watched = Watched(browser, server, "/?run=runs/semi-hard")
    page = watched.page
    try:
        page.evaluate(
            "() => { const all = [...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean);"
            " globalThis.drawn = all.map((root) => root.querySelector('.ts-instrument')).find(Boolean); }"
        )
        assert page.evaluate("globalThis.drawn !== undefined")
        page.wait_for_function("Object.keys(globalThis.__tripletscope?.asides ?? {}).length === 3", timeout=240_000)
        digests = json.loads(page.evaluate(SHELF))
        assert digests[0] == page.evaluate("globalThis.drawn.tripletscope.state().selection.run"), (
            "the watched one first"
        )
        assert page.evaluate("globalThis.drawn.isConnected"), "the instrument was not drawn anew"
        told = violations(Run.open(folder / "semi-hard"))
        counts = page.evaluate(
            "digest => Array.from(globalThis.__tripletscope.asides[digest].class_violating)", digests[0]
        )
        assert counts == [int(count) for frame in told for count in frame.violating]
        watched.quiet()  # the timer has stopped, or this would wait for ever
        # A reload finds them kept.
        page.reload()
        page.wait_for_function("Object.keys(globalThis.__tripletscope?.asides ?? {}).length === 3", timeout=60_000)
        assert watched.complaints == []
        assert watched.outside == []
    finally:
        watched.close()
