"""What browser tests of the instrument share: a static page with fake runs, served from this machine."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.app.harness import fake
from tests.app.harness.page import PATIENCE, READY

expect.set_options(timeout=PATIENCE)  # five seconds, the usual, are short where others share the machine


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the address it is served at."""
    folder = tmp_path_factory.mktemp("instrument")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def truth(site: tuple[Path, str]) -> dict[str, Any]:
    """The three fake runs that most tests look at, as arrays."""
    return fake.build(site[0] / "plain")


@pytest.fixture
def open_page(browser: Any, site: tuple[Path, str], truth: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Opens the harness; at the end no page may have logged an error or asked another machine for anything."""
    pages, errors = [], []

    def open_(folder: str = "plain", query: str = "", *, width: int = 1280, height: int = 800, **more: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height}, **more)
        pages.append(page)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith((site[1], "blob:", "data:")) else errors.append(r.url))
        page.goto(f"{site[1]}/{folder}/index.html{query}")
        if query != "?hold":
            page.wait_for_selector(READY)
            page.wait_for_function("document.body.dataset.harness === 'ready'")
        return page

    yield open_
    for page in pages:
        page.close()
    assert errors == []
