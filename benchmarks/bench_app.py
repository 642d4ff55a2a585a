"""What the explorer costs, to open and to click: processor time of server and page, bytes on the wire, milliseconds.

    python benchmarks/bench_app.py [--rounds 3] [--clicks 20]

Processor time, not wall time: the machine may be busy (a busy one still counts more, because its caches are shared; so
an empty Streamlit page is measured beside ours). Server: from the start of the process until the Watch page is drawn,
from /proc, so Linux only; the helper that imports torch is another process and starts after that. Page: processor time
of the renderer until the same moment, as Chromium tells it. What a graphics card would do is in the GPU process here.

A click is on an anchor that nobody has asked about: from the browser's event until ruler, strip and lines are drawn
with the strategies' answer (two animation frames after it came). Its milliseconds are wall time, and mean something on
an idle machine only; the processor time beside them says what they would be there.
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
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from tripletscope_app.command import free_port

ROOT = Path(__file__).resolve().parents[1]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=SpareRendererForSitePerProcess",  # a renderer for pages to come would be counted with ours
]
DRAWN = ".ts-instrument[data-ready=true]"
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
PATIENCE = 240_000  # ms: what is measured is processor time, however long a busy machine takes for it
EMPTY = "import streamlit as st\nst.write('an empty page')\n"


def processor_seconds(pid: int) -> float:
    """User and system time of that process, in seconds; its children are not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Page:
    """A fresh server and a fresh browser that has opened its page.

    Args:
        script: for `streamlit run`.
        arguments: of the script.
        selector: what is there when the page is drawn.
        browser_path: of Chromium.
        path: what of the server is opened, such as "/compare".
    """

    def __init__(self, script: Path, arguments: list[str], selector: str, browser_path: str, path: str = "") -> None:
        port = free_port("127.0.0.1", 8800)
        self.address = address = f"http://127.0.0.1:{port}"
        settings = [f"--server.port={port}", "--server.headless=true", "--browser.gatherUsageStats=false"]
        self.server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), *settings, "--", *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.1)
        self.listening = processor_seconds(self.server.pid)
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=browser_path, args=QUIET)
        self.page = self.browser.new_page(viewport={"width": 1280, "height": 800})
        self.received = self.sent = 0
        self.outside: list[str] = []
        self.page.on("websocket", self._listen)
        self.page.on("request", self._look)
        self._processes = self.browser.new_browser_cdp_session()
        # A page of the same origin first: starting a renderer costs Chromium a second here, whatever the page.
        self.page.goto(f"{address}/_stcore/health")
        self.page.wait_for_timeout(1500)
        started = self.spent()
        clock = time.perf_counter()
        self.page.goto(address + path)
        self.page.wait_for_selector(selector, timeout=PATIENCE)
        self.page.wait_for_selector(SETTLED, timeout=PATIENCE)
        self.wall = time.perf_counter() - clock
        self.drawn = processor_seconds(self.server.pid)
        self.cost = {kind: spent - started[kind] for kind, spent in self.spent().items()}

    def _listen(self, socket) -> None:
        def received(payload) -> None:
            self.received += len(payload)

        def sent(_) -> None:
            self.sent += 1

        socket.on("framereceived", received)
        socket.on("framesent", sent)

    def _look(self, request) -> None:
        if not request.url.startswith(("data:", "blob:")) and urlsplit(request.url).hostname != "127.0.0.1":
            self.outside.append(request.url)

    def rest(self) -> None:
        """Waits until nothing has come or gone for three seconds."""
        before = None
        while before != (self.received, self.sent):
            before = (self.received, self.sent)
            self.page.wait_for_timeout(3000)

    def spent(self) -> dict[str, float]:
        """Processor seconds of the browser's processes so far, by kind."""
        told = self._processes.send("SystemInfo.getProcessInfo")["processInfo"]
        return {kind: sum(p["cpuTime"] for p in told if p["type"] == kind) for kind in ("renderer", "GPU")}

    def close(self) -> None:
        """Ends browser and server."""
        self.browser.close()
        self.playwright.stop()
        self.server.terminate()
        self.server.wait(20)


# Chooses an anchor as a click on the map does, and waits until it is drawn with its answer.
CLICK = """(root, anchor) => new Promise((done) => {
  const began = performance.now();
  const drawn = () => root.dataset.anchor === String(anchor) && root.dataset.positive !== "";
  const seen = new MutationObserver(() => {
    if (!drawn()) return;
    seen.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
  });
  seen.observe(root, { attributes: true });
  root.tripletscope.select(anchor);
})"""


def helpers_of(server: int) -> list[int]:
    """The processes that answer a server's questions; jobs that come and go are left out."""
    found = [int(pid) for task in Path(f"/proc/{server}/task").glob("*/children") for pid in task.read_text().split()]
    return [pid for pid in found if b"tripletscope_app.answers" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def click_on_anchors(page: Page, clicks: int) -> dict[str, float]:
    """Medians over clicks on anchors that nobody has asked about, once the page has come to rest."""
    page.rest()
    root = page.page.locator(DRAWN)
    count = int(root.get_attribute("data-n"))
    root.evaluate(CLICK, count // 2)  # the helper has answered once
    pids = {"server": [page.server.pid], "helpers": helpers_of(page.server.pid)}
    walls, received, busy = [], [], {name: [] for name in (*pids, "page")}
    for i in range(clicks):
        page.page.wait_for_timeout(700)  # the other runs of the race are answered meanwhile
        bytes_before, renderer = page.received, page.spent()["renderer"]
        spent = {name: sum(map(processor_seconds, some)) for name, some in pids.items()}
        walls.append(root.evaluate(CLICK, (i * 97 + 5) % count))
        busy["page"].append(page.spent()["renderer"] - renderer)
        for name, some in pids.items():
            busy[name].append(sum(map(processor_seconds, some)) - spent[name])
        page.page.wait_for_timeout(300)
        received.append(page.received - bytes_before)
    page.page.wait_for_timeout(1000)
    bytes_before = page.received
    root.evaluate("root => root.tripletscope.select(root.tripletscope.state().anchor)")
    page.page.wait_for_timeout(500)
    return {
        "click until it is drawn (ms)": statistics.median(walls),
        "  server CPU (ms)": 1e3 * statistics.mean(busy["server"]),
        "  helper CPU (ms)": 1e3 * statistics.mean(busy["helpers"]),
        "  page CPU (ms)": 1e3 * statistics.mean(busy["page"]),
        "  websocket received (kB)": statistics.median(received) / 1e3,
        "  the same anchor again (kB)": (page.received - bytes_before) / 1e3,
    }


def measure(browser_path: str, runs: list[str], clicks: int) -> dict[str, float]:
    """One opening of the Watch page, three seconds of playing, some clicks; and one opening of an empty page."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "empty.py"
        script.write_text(EMPTY)
        empty = Page(script, [], "text=an empty page", browser_path)
        empty.close()
    page = Page(ROOT / "app" / "main.py", [part for run in runs for part in ("--run", run)], DRAWN, browser_path)
    received, sent = page.received, page.sent
    page.rest()  # the helpers have imported torch, and what follows the first draw has come
    before, quiet = processor_seconds(page.server.pid), page.sent
    page.page.keyboard.press("Space")
    page.page.wait_for_timeout(3000)
    playing, spent = page.sent - quiet, processor_seconds(page.server.pid)
    page.page.keyboard.press("Space")
    clicked = click_on_anchors(page, clicks)
    rows = {
        "server CPU until it listens (s)": page.listening,
        "server CPU until the page is drawn (s)": page.drawn,
        "  of an empty Streamlit page (s)": empty.drawn,
        "page CPU until it is drawn (s)": page.cost["renderer"],
        "  of an empty Streamlit page (s)  ": empty.cost["renderer"],
        "GPU process CPU (s)": page.cost["GPU"],
        "wall clock from request to drawn (s)": page.wall,
        "websocket received (kB)": received / 1e3,
        "websocket messages sent": float(sent),
        "requests that leave the machine": float(len(page.outside)),
        "messages sent in 3 s of playing": float(playing),
        "server CPU in 3 s of playing (s)": spent - before,
        **clicked,
    }
    page.close()
    return rows


def main() -> None:
    """Prints the median of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--run", action="append", default=[], help="show these runs instead of the shipped race")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium here; name one with --chromium PATH.")
    rounds = [measure(args.chromium, args.run, args.clicks) for _ in range(args.rounds)]
    if args.json:
        print(json.dumps(rounds, indent=2))
        return
    print(f"median of {args.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in rounds[0]:
        print(f"{name:42} {statistics.median(each[name] for each in rounds):9.2f}")


if __name__ == "__main__":
    main()
