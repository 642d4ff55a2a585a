"""What it costs to open the explorer: processor time of server and page, bytes on the wire, requests that leave.

    python benchmarks/bench_app.py [--rounds 3]

Processor time, not wall time: the machine may be busy. Server: from process start until the Watch page is drawn, read
from /proc (so Linux only). Page: the renderer's TaskDuration as Chromium counts it, until the same moment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
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
]
DRAWN = ".ts-instrument[data-ready=true]"
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


def processor_seconds(pid: int) -> float:
    """User and system time of that process, in seconds; its children are not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(browser_path: str, runs: list[str]) -> dict[str, float]:
    """One fresh server, one fresh browser, one opening of the Watch page, then one click and one playing."""
    port = free_port("127.0.0.1", 8800)
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app/main.py", f"--server.port={port}", "--server.headless=true"]
        + ["--", *(part for run in runs for part in ("--run", run))],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.1)
        started = processor_seconds(server.pid)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=QUIET)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            wire = {"received": 0, "sent": 0, "frames": 0}
            outside: list[str] = []

            def listen(socket):
                def received(payload):
                    wire["received"] += len(payload)

                def sent(payload):
                    wire["sent"] += len(payload)
                    wire["frames"] += 1

                socket.on("framereceived", received)
                socket.on("framesent", sent)

            page.on("websocket", listen)
            page.on(
                "request",
                lambda r: (
                    outside.append(r.url)
                    if urlsplit(r.url).hostname not in ("127.0.0.1", None) and not r.url.startswith(("data:", "blob:"))
                    else None
                ),
            )
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.enable")
            clock = time.perf_counter()
            page.goto(address)
            page.wait_for_selector(DRAWN, timeout=60_000)
            page.wait_for_selector(SETTLED, timeout=60_000)
            wall = time.perf_counter() - clock
            server_total = processor_seconds(server.pid)
            counted = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
            opened = dict(wire)
            page.wait_for_timeout(4000)  # the helper has imported torch
            before, sent, quiet = processor_seconds(server.pid), wire["received"], wire["frames"]
            page.locator(".ts-instrument").evaluate(
                "el => { for (const type of ['keydown', 'keyup'])"
                " document.dispatchEvent(new KeyboardEvent(type, {key: ' ', code: 'Space', bubbles: true})) }"
            )
            page.wait_for_timeout(3000)
            playing = wire["frames"] - quiet
            browser.close()
        return {
            "server CPU to listening (s)": started,
            "server CPU to first page (s)": server_total,
            "page CPU (s)": counted["TaskDuration"],
            "  of it script (s)": counted["ScriptDuration"],
            "page heap (MB)": counted["JSHeapUsedSize"] / 1e6,
            "wall from request to drawn (s)": wall,
            "websocket received (kB)": opened["received"] / 1e3,
            "websocket sent (kB)": opened["sent"] / 1e3,
            "requests that leave the machine": float(len(outside)),
            "messages to the server in 3 s of playing": float(playing),
            "server CPU while playing (s)": processor_seconds(server.pid) - before,
            "websocket received while playing (kB)": (wire["received"] - sent) / 1e3,
        }
    finally:
        server.terminate()
        server.wait(20)


def main() -> None:
    """Prints the median of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--run", action="append", default=[], help="show these runs instead of the shipped race")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium here; name one with --chromium PATH.")
    rounds = [measure(args.chromium, args.run) for _ in range(args.rounds)]
    if args.json:
        print(json.dumps(rounds, indent=2))
        return
    print(f"median of {args.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in rounds[0]:
        print(f"{name:45} {statistics.median(each[name] for each in rounds):9.2f}")


if __name__ == "__main__":
    main()
