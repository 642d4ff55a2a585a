"""The Compare page with six runs: what its first complete view costs, and how smoothly all maps move together.

    python benchmarks/bench_compare.py [--rounds 3] [--points 1797] [--frames 41] [--seconds 4]

Six made-up runs of 1,797 points and 41 frames, three strategies with two seeds each, are recorded and opened. Complete
means that all six maps, their numbers and all curves are drawn. Server CPU is from the start of the process until then,
of the server alone: strategies' answers, agreement and differences come later from helper processes, whose cost is told
beside it. Opened again: the same page once more, when the server has everything.

Then time is scrubbed for some seconds, first with six maps and then with one, in the same browser. Frames are counted
in the page, each animation frame in which the drawn time has moved; without a graphics card the GPU process draws in
software and limits them. Goals: at most 4 s of server CPU, and six maps at half the frames of one or better.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from bench_app import PATIENCE, ROOT, Page, helpers_of, processor_seconds

STRATEGIES, SEEDS, CLASSES, MARGIN = ("random", "semi-hard", "batch-hard"), (0, 1), 10, 1.0
COMPLETE = ".ts-compare[data-ready=true]:not([data-figures='0'])"
ALL = ".ts-compare[data-figures='2']"

#: Goes to and fro through time as a hand does, and counts the animation frames in which something was drawn anew.
SCRUB = """(root, seconds) => new Promise((done) => {
  const last = root.tripletscope.state().clock.frames.length - 1;
  let [drawn, before] = [0, root.tripletscope.state().t];
  const began = performance.now();
  const look = (now) => {
    const { t } = root.tripletscope.state();
    if (t !== before) drawn++;
    before = t;
    const past = (now - began) / 1000;
    if (past > seconds) return done([drawn, past]);
    const share = (past / 2) % 2;
    root.tripletscope.scrub(last * (share > 1 ? 2 - share : share));
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


def record(folder: Path, points: int, frames: int, strategy: str, seed: int) -> None:
    """A run whose points drift from one cloud into classes, with a frame at every step."""
    from tripletscope import Recorder
    from tripletscope.samples import Samples

    rng = np.random.default_rng(seed)
    label = np.arange(points) % CLASSES
    angle = 2 * np.pi * label / CLASSES
    goal = 6 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.8 * rng.normal(size=(points, 2))
    start = rng.normal(size=(points, 2))
    samples = Samples(np.arange(points), label, [f"class {c}" for c in range(CLASSES)])
    with Recorder(
        folder, margin=MARGIN, samples=samples, training=strategy, strategies=[strategy], seed=seed,
        frame_steps=range(frames),
    ) as recorder:  # fmt: skip
        batch = np.concatenate([np.flatnonzero(label == c)[:4] for c in range(8)])
        for step in range(frames):
            share = step / max(1, frames - 1)
            now = ((1 - share) * start + share * goal).astype(np.float32)
            recorder.step(now[batch], label[batch], batch, probe=lambda now=now: (now, np.arange(points)))


def helper_seconds(page: Page) -> float:
    """What the server's helpers have worked so far."""
    return sum(map(processor_seconds, helpers_of(page.server.pid)))


def scrub(page: Page, path: str, seconds: float) -> dict[str, float]:
    """Frames per second of scrubbing, and what the page's and the GPU's process work for each."""
    page.page.goto(page.address + path)
    page.page.wait_for_selector(COMPLETE, timeout=PATIENCE)
    page.rest()  # what is worked out later has come, or the server would work beside it
    before, served, sent = page.spent(), processor_seconds(page.server.pid), page.sent
    drawn, past = page.page.locator(COMPLETE).evaluate(SCRUB, seconds)
    spent = {kind: now - before[kind] for kind, now in page.spent().items()}
    return {
        "frames/s": drawn / past,
        "page CPU ms/frame": 1e3 * spent["renderer"] / max(1, drawn),
        "GPU process ms/frame": 1e3 * spent["GPU"] / max(1, drawn),
        "server CPU s": processor_seconds(page.server.pid) - served,
        "messages sent": page.sent - sent,
    }


def measure(folder: Path, browser_path: str, seconds: float) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """(what opening costs, scrubbing by the number of maps)."""
    names = [run.name for run in sorted(folder.iterdir())]
    path = f"/compare?runs={','.join(names)}"
    given = [part for name in names for part in ("--run", str(folder / name))]
    page = Page(ROOT / "app" / "main.py", given, COMPLETE, browser_path, path)
    maps = page.page.locator(".ts-compare-cell").count()
    if maps != len(names):
        raise SystemExit(f"{maps} maps are on the page, and {len(names)} were asked for")
    opened = {
        "server CPU until it listens (s)": page.listening,
        "server CPU until maps and curves are drawn (s)": page.drawn,
        "page CPU until then (s)": page.cost["renderer"],
        "websocket received (MB)": page.received / 1e6,
    }
    page.page.wait_for_selector(ALL, timeout=PATIENCE)
    page.rest()
    opened["helper CPU for agreement and difference (s)"] = helper_seconds(page)
    before = processor_seconds(page.server.pid)
    page.page.goto(f"{page.address}/_stcore/health")
    page.page.goto(page.address + path)
    page.page.wait_for_selector(COMPLETE, timeout=PATIENCE)
    opened["server CPU when it is opened again (s)"] = processor_seconds(page.server.pid) - before
    scrubbed = {
        str(count): scrub(page, f"/compare?runs={','.join(names[:count])}", seconds) for count in (len(names), 1)
    }
    page.close()
    return opened, scrubbed


def main() -> None:
    """Prints the medians of some rounds, each on runs that no cache knows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=1797)
    parser.add_argument("--frames", type=int, default=41)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium here; name one with --chromium PATH.")
    rounds = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as place:
            for strategy in STRATEGIES:
                for seed in SEEDS:
                    record(Path(place) / f"{strategy}-{seed}", args.points, args.frames, strategy, 10 * number + seed)
            rounds.append(measure(Path(place), args.chromium, args.seconds))
    print(f"6 runs x {args.frames} frames x {args.points:,} points, median of {args.rounds} rounds,", end=" ")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in rounds[0][0]:
        print(f"{name:48} {statistics.median(opened[name] for opened, _ in rounds):8.2f}")
    many, one = rounds[0][1]
    print(f"\n{'scrubbing':28}{many + ' maps':>10}{one + ' map':>10}{'ratio':>8}")
    for name in rounds[0][1][many]:
        some, single = (statistics.median(told[count][name] for _, told in rounds) for count in (many, one))
        print(f"{name:28}{some:10.2f}{single:10.2f}" + (f"{some / single:8.2f}" if single else ""))


if __name__ == "__main__":
    main()
