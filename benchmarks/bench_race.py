"""What a race costs: until its first map, in processor time as a whole, and for those who click meanwhile.

    python benchmarks/bench_race.py [--rounds 3] [--clicks 25] [--steps 400] [--cold]

Three strategies on digits in two dimensions, from the Race page in a browser. Milliseconds are wall time and mean
something on an idle machine only; the load beside them says whether it was one.

- First map: from the press on Start until the page shows the picture of a frame, and, from the same press by way of
  "Watch it", until the instrument is drawn. A person reads the form first: it waits until torch has been imported.
- Processor time: of all processes that train, of the process that imports torch for them, and of the server meanwhile.
  With --cold every training imports torch for itself, as it is where trainings cannot be forked.
- Clicks: a page with one button that writes a number, in the same server settings; idle and with trainings under way
  in turns, so that what else the machine does falls on both. From the click until the new number is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from tripletscope.config import TrainConfig
from tripletscope_app.command import free_port
from tripletscope_app.racing.plan import race
from tripletscope_app.racing.yard import Yard

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))
from bench_app import DRAWN, QUIET, SETTLED, processor_seconds

STRATEGIES = ["random", "semi-hard", "batch-hard"]
SETTINGS = TrainConfig(data="digits", dim=2, normalize=False, margin=1.0, lr=1e-2, seed=3)
BUTTON = """
import streamlit as st
st.button("More", on_click=lambda: st.session_state.update(n=st.session_state.get("n", 0) + 1))
st.text(f"number {st.session_state.get('n', 0)}")
"""
#: Presses the button, and comes back when the number is another.
PRESS = """() => new Promise((done) => {
  const text = () => document.querySelector("[data-testid=stText]").innerText;
  const before = text(), began = performance.now();
  const look = () => text() === before ? requestAnimationFrame(look) : done(performance.now() - began);
  document.querySelector("[data-testid=stButton] button").click();
  requestAnimationFrame(look);
})"""


class Served:
    """A server of its own in a folder of its own."""

    def __init__(self, script: Path, folder: Path) -> None:
        port = free_port("127.0.0.1", 8900)
        self.address = f"http://127.0.0.1:{port}"
        settings = [f"--server.port={port}", "--server.headless=true", "--browser.gatherUsageStats=false"]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "streamlit", "run", str(script), *settings],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.1)

    def close(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(30)


def whole_race(steps: int, cold: bool) -> dict[str, float]:
    """The processor time of a race without a page, everything that trains counted."""
    before = os.times()
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder) / "runs")
        if cold:
            yard._warm = None
        began = time.perf_counter()
        yard.warm_up()
        plan = race(TrainConfig(**{**SETTINGS.__dict__, "steps": steps}), STRATEGIES, [3], title="Race")
        made = yard.start(plan, "race")
        imported = 0.0
        while not (now := yard.race(made)) or not now.over:
            if not imported and any(run.step for run in now.runs) and yard._warm is not None and yard._warm.pid:
                imported = processor_seconds(yard._warm.pid)
            time.sleep(0.05)
        wall = time.perf_counter() - began
        states = [run.state for run in now.runs]
        if states != ["finished"] * 3:
            raise SystemExit(f"the race did not end well: {states}")
        time.sleep(1)  # the last of them has been fetched
        yard.close()
        time.sleep(0.5)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "race of 3, processor time of all (s)": spent,
        "  of that, torch imported once (s)": imported,
        "race of 3, wall (s)": wall,
    }


def first_map(browser) -> dict[str, float]:
    """Milliseconds from the press on Start."""
    with tempfile.TemporaryDirectory() as place:
        server = Served(ROOT / "app" / "main.py", Path(place))
        yard = Yard(Path(place) / "runs")
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        opened = time.perf_counter()
        page.goto(f"{server.address}/race?v=1&steps=4000")
        button = page.locator(".st-key-race-start button:enabled")
        button.wait_for()
        ready = time.perf_counter() - opened
        page.wait_for_timeout(3000)
        page.wait_for_selector(SETTLED)
        began = time.perf_counter()
        button.click()
        page.locator("[class*='st-key-race-run-list-'] img").first.wait_for()
        picture = time.perf_counter() - began
        page.get_by_role("button", name="Watch it").first.click()
        page.wait_for_selector(DRAWN)
        watched = time.perf_counter() - began
        page.close()
        server.close()
        for planned in yard.races():
            for run in planned.runs:
                yard.cancel(planned.folder, run.name)
        while any(not planned.over for planned in yard.races()):
            time.sleep(0.1)
    return {
        "Race page opened until Start can be pressed (s)": ready,
        "Start until the first map, on the Race page (s)": picture,
        "Start until the map of Watch is drawn (s)": watched,
    }


def clicks(browser, count: int) -> dict[str, float]:
    """Medians of presses, idle and with trainings under way, in turns."""
    walls: dict[str, list[float]] = {"idle": [], "busy": []}
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "button.py"
        script.write_text(BUTTON)
        server = Served(script, Path(place))
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector(SETTLED)
        yard = Yard(Path(place) / "runs")
        made = yard.start(race(TrainConfig(**{**SETTINGS.__dict__, "steps": 10**6}), STRATEGIES, [3], title="x"), "x")
        while sum(run.step > 5 for run in yard.race(made).runs) < min(yard.most, len(STRATEGIES)):
            time.sleep(0.1)
        going = [run.path for run in yard.race(made).runs if run.alive]
        for turn in range(8):
            state = ("idle", "busy")[turn % 2]
            for run in going:
                yard.pause(run, go=state == "busy")
            time.sleep(1.5)
            page.evaluate(PRESS)
            for _ in range(-(-count // 4)):
                walls[state].append(page.evaluate(PRESS))
                page.wait_for_timeout(150)
        for run in yard.race(made).runs:
            yard.cancel(made, run.name)
        while not yard.race(made).over:
            time.sleep(0.1)
        yard.close()
        page.close()
        server.close()
    idle, busy = (statistics.median(walls[state]) for state in ("idle", "busy"))
    return {
        "click until new text, idle (ms)": idle,
        f"  with {len(going)} trainings under way (ms)": busy,
        "  that is so many times as long": busy / idle,
    }


def main() -> None:
    """Prints the median of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clicks", type=int, default=25)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--cold", action="store_true", help="every training imports torch for itself")
    parser.add_argument("--only", choices=["race", "map", "clicks"])
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rounds: list[dict[str, float]] = []
    for _ in range(args.rounds):
        told: dict[str, float] = {}
        if args.only in (None, "race"):
            told |= whole_race(args.steps, args.cold)
        if args.only != "race":
            if not args.chromium:
                raise SystemExit("No Chromium here; name one with --chromium PATH.")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=args.chromium, args=QUIET)
                told |= first_map(browser) if args.only in (None, "map") else {}
                told |= clicks(browser, args.clicks) if args.only in (None, "clicks") else {}
                browser.close()
        rounds.append(told)
    if args.json:
        print(json.dumps(rounds, indent=2))
        return
    print(f"median of {args.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in rounds[0]:
        print(f"{name:50} {statistics.median(each[name] for each in rounds):9.2f}")


if __name__ == "__main__":
    main()
