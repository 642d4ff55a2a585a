"""The pictures of the docs and the animation at the head of the README, taken from the running app.

    python docs/make_images.py [--only NAME ...] [--chromium PATH]

Starts the app on the shipped recordings in an empty folder, drives it in headless Chromium, and writes docs/images/.
The animation steps from frame to frame and takes one picture of each, so a slow machine makes the same film.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tripletscope_app.command import free_port

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
READY = ".ts-instrument[data-ready=true]"
WAIT = 120_000
FILM_WIDTH = 960  # pixels; the page is drawn at 1280
FRAME_MS, REST_MS = 130, 1400  # of a moving frame, and of a moment to read


class Studio:
    """The app and a browser, for as long as the pictures take."""

    def __init__(self, chromium: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        port = free_port("127.0.0.1", 8900)
        self.address = f"http://127.0.0.1:{port}"
        self.server = subprocess.Popen(
            [sys.executable, "-P", "-m", "streamlit", "run", str(ROOT / "app" / "main.py"), f"--server.port={port}"],
            cwd=self.folder.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "STREAMLIT_SERVER_HEADLESS": "true"},
        )
        deadline = time.monotonic() + WAIT / 1000
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the app did not start") from None
                time.sleep(0.2)
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

    def open(self, view: str = "", *, width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        """A page on that view, drawn and with everything that comes later."""
        scheme = "dark" if dark else "light"
        page = self.browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.set_default_timeout(WAIT)
        page.goto(f"{self.address}/{view}")
        page.wait_for_selector(READY)
        page.wait_for_function(
            _LOOK.format("root.dataset.positive !== '' && root.tripletscope.state().asides[root.dataset.run]")
        )
        page.wait_for_timeout(1500)
        return page

    def close(self) -> None:
        """Ends browser and app."""
        self.browser.close()
        self.playwright.stop()
        self.server.terminate()
        self.server.wait(20)
        self.folder.cleanup()


_LOOK = """() => {{ const root = [...document.querySelectorAll("*")]
  .map((e) => e.shadowRoot?.querySelector(".ts-instrument")).find(Boolean); return Boolean(root && ({})); }}"""


def whole_page(page: Page) -> None:
    """Makes the window as tall as the page."""
    tall = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight + 48")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": int(tall)})
    page.wait_for_timeout(1500)


def shot(
    name: str, view: str = "", *, of: str | None = None, whole: bool = False, **options: Any
) -> Callable[[Studio], None]:
    """A picture of the window, of the whole page, or of one panel."""

    def take(studio: Studio) -> None:
        page = studio.open(view, **options)
        if whole or of:
            whole_page(page)
        target = page.locator(of).first if of else page
        target.screenshot(path=IMAGES / f"{name}.png")
        page.close()

    return take


def inspected(
    name: str, view: str, ready: str, *, of: str | None = None, height: int = 800, dark: bool = False, press: str = ""
) -> Callable[[Studio], None]:
    """A picture of the Inspect page on the bundled set with planted faults.

    Args:
        name: of the file.
        view: what follows `?v=1&set=flawed` in the address.
        ready: selector of what has to be there.
        of: a panel; the window when left out.
        height: of the window.
        dark: in the dark theme.
        press: name of a button to press before `ready` is waited for.
    """

    def take(studio: Studio) -> None:
        scheme = "dark" if dark else "light"
        page = studio.browser.new_page(viewport={"width": 1280, "height": height}, color_scheme=scheme)
        page.set_default_timeout(WAIT)
        page.goto(f"{studio.address}/inspect?v=1&set=flawed{view}")
        page.wait_for_selector(".ts-fault")
        page.wait_for_selector(".ts-gap[data-ready]")
        if press:
            page.get_by_role("button", name=press).click()
        page.wait_for_selector(ready)
        page.wait_for_timeout(4000)
        if of:
            page.locator(of).first.screenshot(path=IMAGES / f"{name}.png")
        else:
            page.screenshot(path=IMAGES / f"{name}.png")
        page.close()

    return take


def raced(studio: Studio) -> None:
    """The Race page with a race under way, and Watch while it is being recorded; the race is cancelled at the end."""
    page = studio.browser.new_page(viewport={"width": 1280, "height": 960})
    page.set_default_timeout(WAIT)
    page.goto(f"{studio.address}/race?v=1&steps=2000&seeds=3")
    page.wait_for_selector(".st-key-race-start-card dl")
    page.wait_for_function("document.querySelectorAll('[class*=st-key-race-card-data] img').length >= 5")
    page.locator(".st-key-race-start button").click()
    lines = "[class*=st-key-race-run-list]"
    page.wait_for_function(f"document.querySelectorAll('{lines} img').length >= 2")
    page.wait_for_timeout(2500)
    page.screenshot(path=IMAGES / "race.png")
    page.get_by_role("button", name="Watch it").first.click()
    page.wait_for_selector(READY)
    page.wait_for_function(_LOOK.format("Number(root.dataset.step) >= 60 && root.dataset.positive !== ''"))
    page.screenshot(path=IMAGES / "race-live.png")
    live = page.locator(".st-key-live")
    while live.count() and live.get_by_role("button", name="Cancel").count():
        live.get_by_role("button", name="Cancel").last.click()
        page.wait_for_timeout(2000)
    page.close()


def raced_badly(studio: Studio) -> None:
    """The Race page on two more screens: a run under way, one paused, and one whose process was killed."""
    page = studio.browser.new_page(viewport={"width": 1280, "height": 960})
    page.set_default_timeout(WAIT)
    page.goto(f"{studio.address}/race?v=1&steps=3000&seeds=5")
    page.wait_for_selector(".st-key-race-start-card dl")
    page.wait_for_function("document.querySelectorAll('[class*=st-key-race-card-data] img').length >= 5")
    lines = "[class*=st-key-race-run-list]"
    before = page.locator(f"{lines} img").count()  # of a race that another picture was taken of
    page.locator(".st-key-race-start button").click()
    page.wait_for_function(f"document.querySelectorAll('{lines} img').length >= {before + 2}")
    statuses = sorted(Path(studio.folder.name).glob("runs/*/*/status.json"), key=lambda file: file.stat().st_mtime)
    os.kill(json.loads(statuses[-1].read_text())["pid"], signal.SIGKILL)
    page.wait_for_function(f"document.querySelectorAll('{lines} img').length >= {before + 3}")
    page.locator(lines).get_by_role("button", name="Pause").first.click()
    page.locator(lines).get_by_role("button", name="Go on").first.wait_for()
    for name, scheme, width, height in (("race-dark", "dark", 900, 1500), ("race-wide", "light", 1920, 1000)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(3000)
        page.screenshot(path=IMAGES / f"{name}.png")
    while (left := page.locator(lines).get_by_role("button", name="Cancel")).count():
        left.last.click()
        page.wait_for_timeout(2000)
    page.close()


def compared(name: str, view: str = "", *, dark: bool = False, **size: int) -> Callable[[Studio], None]:
    """A picture of the Compare page, with everything that is worked out later."""

    def take(studio: Studio) -> None:
        window = {"width": 1280, "height": 1300, **size}
        page = studio.browser.new_page(viewport=window, color_scheme="dark" if dark else "light")
        page.set_default_timeout(WAIT)
        page.goto(f"{studio.address}/compare{view}")
        page.wait_for_selector(".ts-compare[data-figures='2']")
        page.wait_for_selector(".ts-compare-changed li", state="attached")
        page.wait_for_timeout(3000)
        page.screenshot(path=IMAGES / f"{name}.png")
        page.close()

    return take


def film(studio: Studio) -> None:
    """Ten seconds: a run that learns, then the one that collapses, on one fixed scale."""
    page = studio.open("?v=1&run=digits-2d/semi-hard&step=30&anchor=47&positive=277", height=716)
    pictures: list[Image.Image] = []
    lasting: list[int] = []

    def take(duration: int) -> None:
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        height = round(picture.height * FILM_WIDTH / picture.width)
        pictures.append(picture.resize((FILM_WIDTH, height), Image.Resampling.LANCZOS))
        lasting.append(duration)

    def play(frames: int) -> None:
        for _ in range(frames):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(420)  # the points have arrived, 180 ms later
            take(FRAME_MS)

    take(REST_MS)
    play(22)
    lasting[-1] = REST_MS
    page.keyboard.press("Home")
    page.keyboard.press("3")
    page.wait_for_timeout(2500)
    take(REST_MS)
    play(26)
    lasting[-1] = 2 * REST_MS
    page.close()
    pictures[0].save(
        IMAGES / "watch.webp", save_all=True, append_images=pictures[1:], duration=lasting, loop=0, quality=62, method=4
    )
    print(f"film: {len(pictures)} pictures, {sum(lasting) / 1000:.1f} s")


PICTURES: dict[str, Callable[[Studio], None]] = {
    "watch.webp": film,
    "watch": shot("watch"),
    "watch-dark": shot("watch-dark", dark=True),
    "emoji-umap": shot("emoji-umap", "?v=1&run=emoji-32d/semi-hard&step=100&space=umap"),
    "ruler": shot("ruler", of=".ts-right"),
    "plane": shot("plane", of=".ts-plane"),
    "strip": shot("strip", of=".ts-strip"),
    "events": shot("events", "?v=1&run=digits-2d/batch-hard&step=30&anchor=47&positive=277", of=".ts-events"),
    "violations": shot("violations", of=".ts-violations"),
    "rivals": shot("rivals", of=".ts-rivals"),
    "race": raced,
    "race-states": raced_badly,
    "compare": compared("compare"),
    "compare-wide": compared("compare-wide", "?step=30", width=1920, height=1400),
    "compare-dark": compared("compare-dark", "?step=115&fair=triplets", dark=True, width=900),
    "inspect": inspected("inspect", "&row=119&finding=suspicious-labels", ".ts-fault-body:visible"),
    "inspect-dark": inspected(
        "inspect-dark", "&row=119&finding=suspicious-labels", ".ts-fault-body:visible", dark=True
    ),
    "inspect-row": inspected("inspect-row", "&row=119", ".ts-rule", of=".ts-rule", height=1700),
    "inspect-mine": inspected(
        "inspect-mine", "", ".st-key-inspect-mined", of=".st-key-inspect-mine", height=2600, press="Mine these triplets"
    ),
}


def main() -> None:
    """Takes all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES))
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium here; name one with --chromium PATH.")
    studio = Studio(args.chromium)
    try:
        for name in args.only:
            PICTURES[name](studio)
            print(name)
    finally:
        studio.close()


if __name__ == "__main__":
    main()
