"""Scrubbing and playing: our map against the same map as plotly frames, in the same browser, in the same run.

    python benchmarks/bench_ui.py [--points 2000 10000 50000] [--seconds 4]

A made-up run of N points in the plane and 50 frames is recorded and opened with the app; beside it stands what one
would build with plotly instead: one `scattergl` figure with 50 frames, a slider and a play button, in a Streamlit page.
Both play for some seconds. Frames per second are counted in the page: ours whenever the drawn time has moved between
two animation frames, plotly's by its own `plotly_animatingframe`. Page CPU is the renderer process, per drawn frame;
without a graphics card the GPU process draws in software and limits the frame rate, so it is shown beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from bench_app import DRAWN, ROOT, Page, processor_seconds

FRAMES, CLASSES = 50, 10

PLOTLY = """
import numpy as np, plotly.graph_objects as go, streamlit as st
st.set_page_config(layout="wide")
pos, label = np.load(r"{pos}"), np.load(r"{label}")
reach = float(np.abs(pos).max())
def points(f):
    return go.Scattergl(x=pos[f, :, 0], y=pos[f, :, 1], mode="markers", marker=dict(size=4, color=label))
quick = dict(frame=dict(duration=0, redraw=True), transition=dict(duration=0), mode="immediate", fromcurrent=True)
figure = go.Figure(
    data=[points(0)],
    frames=[go.Frame(data=[points(f)], name=str(f)) for f in range(len(pos))],
    layout=dict(
        height=500, xaxis=dict(range=[-reach, reach]), yaxis=dict(range=[-reach, reach]),
        updatemenus=[dict(type="buttons", buttons=[dict(label="Play", method="animate", args=[None, quick])])],
        sliders=[dict(steps=[dict(method="animate", args=[[str(f)], quick], label=str(f)) for f in range(len(pos))])],
    ),
)
st.plotly_chart(figure, key="map")
st.text("drawn")
"""

# The instrument tells its state; every animation frame in which its time moved is one that was drawn.
COUNT_OURS = """(root, seconds) => new Promise((done) => {
  let last = root.tripletscope.state().t, count = 0;
  const began = performance.now();
  const look = () => {
    const t = root.tripletscope.state().t;
    if (t !== last) { count++; last = t; }
    const past = performance.now() - began;
    if (past < 1000 * seconds) requestAnimationFrame(look); else done([count, past / 1000]);
  };
  requestAnimationFrame(look);
})"""
COUNT_PLOTLY = """(plot, seconds) => new Promise((done) => {
  let count = 0;
  plot.on("plotly_animatingframe", () => count++);
  const began = performance.now();
  setTimeout(() => done([count, (performance.now() - began) / 1000]), 1000 * seconds);
})"""


def trajectory(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (F, N, 2) that drift from one cloud into classes, and labels (N,)."""
    rng = np.random.default_rng(0)
    label = np.arange(points) % CLASSES
    angle = 2 * np.pi * label / CLASSES
    start, goal = rng.normal(size=(points, 2)), 6 * np.stack([np.cos(angle), np.sin(angle)], 1)
    share = np.linspace(0, 1, FRAMES)[:, None, None]
    return ((1 - share) * start + share * (goal + 0.8 * rng.normal(size=(points, 2)))).astype(np.float32), label


def record(folder: Path, positions: np.ndarray, label: np.ndarray) -> None:
    """The trajectory as a run with a frame at every step."""
    from tripletscope import Recorder
    from tripletscope.samples import Samples

    count = len(label)
    samples = Samples(np.arange(count), label, [f"class {c}" for c in range(CLASSES)])
    with Recorder(
        folder, margin=1.0, samples=samples, training="semi-hard", strategies=["semi-hard"], frame_steps=range(FRAMES)
    ) as recorder:
        batch = np.concatenate([np.flatnonzero(label == c)[:4] for c in range(8)])
        for points in positions:
            recorder.step(points[batch], label[batch], batch, probe=lambda points=points: (points, np.arange(count)))


def play(page: Page, view: str, count: str, start, seconds: float) -> dict[str, float]:
    """Frames per second and the page's CPU per frame while it plays."""
    page.rest()  # whatever follows the first draw has come
    received, sent = page.received, page.sent
    start()
    before, server = page.spent(), processor_seconds(page.server.pid)
    frames, past = page.page.locator(view).first.evaluate(count, seconds)
    spent = {kind: now - before[kind] for kind, now in page.spent().items()}
    return {
        "frames/s": frames / past,
        "page CPU ms/frame": 1e3 * spent["renderer"] / max(frames, 1),
        "GPU process ms/frame": 1e3 * spent["GPU"] / max(frames, 1),
        "messages sent": page.sent - sent,
        "kB received": (page.received - received) / 1e3,
        "server CPU s": processor_seconds(page.server.pid) - server,
    }


def ours(folder: Path, browser: str, seconds: float) -> dict[str, float]:
    """The app on that run."""
    page = Page(ROOT / "app" / "main.py", ["--run", str(folder)], DRAWN, browser)
    opened = {"first view MB": page.received / 1e6, "first view page CPU s": page.cost["renderer"]}

    def start() -> None:
        for key in ("Home", "Space"):
            page.page.keyboard.press(key)
        page.page.wait_for_timeout(300)

    told = play(page, DRAWN, COUNT_OURS, start, seconds)
    page.close()
    return opened | told


def plotly(folder: Path, positions: np.ndarray, label: np.ndarray, browser: str, seconds: float) -> dict[str, float]:
    """The same points as plotly frames in a Streamlit page."""
    np.save(folder / "pos.npy", positions)
    np.save(folder / "label.npy", label)
    script = folder / "plotly_view.py"
    script.write_text(PLOTLY.format(pos=folder / "pos.npy", label=folder / "label.npy"))
    page = Page(script, [], ".js-plotly-plot .gl-canvas, .js-plotly-plot canvas", browser)
    opened = {"first view MB": page.received / 1e6, "first view page CPU s": page.cost["renderer"]}
    button = page.page.locator(".updatemenu-button").first
    told = play(page, ".js-plotly-plot", COUNT_PLOTLY, lambda: button.dispatch_event("click"), seconds)
    page.close()
    return opened | told


def main() -> None:
    """Prints a table for each number of points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[2_000, 10_000, 50_000])
    parser.add_argument("--plotly-up-to", type=int, default=10_000, help="above, plotly is left out: it takes minutes")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    args = parser.parse_args()
    if not args.chromium:
        raise SystemExit("No Chromium here; name one with --chromium PATH.")
    for points in args.points:
        positions, label = trajectory(points)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            record(folder / "run", positions, label)
            mine = ours(folder / "run", args.chromium, args.seconds)
            theirs = None
            if points <= args.plotly_up_to:
                theirs = plotly(folder, positions, label, args.chromium, args.seconds)
        print(f"\n{points:,} points x {FRAMES} frames, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'':26}{'tripletscope':>14}{'plotly':>10}{'ratio':>8}")
        for name, value in mine.items():
            other = None if theirs is None else theirs[name]
            ratio = f"{value / other:8.2f}" if other else f"{'':8}"
            print(f"{name:26}{value:14.2f}{'' if other is None else f'{other:10.2f}':>10}{ratio}")


if __name__ == "__main__":
    main()
