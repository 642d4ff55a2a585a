"""How fast the map of a set comes and moves: `python benchmarks/bench_map.py [--rows 2000 1000000]`.

Processor seconds from a .npy file to its PCA picture, peak memory, bytes that go to the browser, and frames per second
of the component on a static page (software GL where there is no GPU; the renderer's name is printed). Times are of the
process itself, so that a busy machine counts little; frames are wall time.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (2_000, 50_000, 1_000_000)
DIM = 100
FRAMES = 12


def write(path: Path, rows: int) -> None:
    """Nothing; the file holds float16 vectors in forty heaps."""
    rng = np.random.default_rng(0)
    middles = 1.2 * rng.normal(size=(40, DIM))
    held = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, DIM))
    for start in range(0, rows, 50_000):
        stop = min(start + 50_000, rows)
        held[start:stop] = middles[rng.integers(0, 40, stop - start)] + rng.normal(size=(stop - start, DIM))
    held.flush()


def first_picture(path: Path) -> None:
    """Prints one line: what a process of its own needs from the file to the bytes for the browser."""
    from tripletscope.analysis.set_map import make_map, measured_map
    from tripletscope.embeddings.opening import open_embeddings

    imported = time.process_time()
    given = open_embeddings(path)
    opened = time.process_time()
    made = make_map(given.vectors, "pca")
    drawn = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = measured_map(made, given.vectors)
    done = time.process_time()
    told = {
        "rows": len(given), "import": imported, "open": opened - imported, "pca": drawn - opened,
        "measure": done - drawn, "peak_mb": peak, "vectors_mb": given.vectors.nbytes / 2**20,
        "bytes": 4 * len(given), "kept": measured.kept, "explained": made.explained,
    }  # fmt: skip
    print(json.dumps(told))


def pages(folder: Path, rows: int) -> None:
    """Nothing; the folder holds the page of tests/app/test_cloud_browser.py with so many rows."""
    from tests.app.test_cloud_browser import PAGE, blob, class_legend, places

    from tripletscope_app.component import bundle, style

    rng = np.random.default_rng(0)
    kinds = rng.integers(1, 11, rows)
    middles = rng.uniform(15_000, 50_000, size=(11, 2))
    grid = np.clip(middles[kinds] + 4_000 * rng.normal(size=(rows, 2)), 0, 65_534)
    for name, text in (("index.html", PAGE), ("cloud.js", bundle("cloud")), ("points.js", bundle("points"))):
        (folder / name).write_text(text)
    (folder / "cloud.css").write_text(style("inspect"))
    files = [places(folder, "places", grid), blob(folder, "colour", {}, codes=("u8", kinds))]
    data = {
        "wanted": "pca", "space": "pca", "places": "places", "there": rows, "by": "label", "spaces": [], "bys": [],
        "badge": {"text": "PCA", "meaning": "", "exact": False}, "cards": None, "row": None, "lines": None,
        "marks": [], "search": None, "card": None, "labelled": True, "job": None, "trouble": None,
        "legend": class_legend(kinds, [f"class {at}" for at in range(10)], "colour"),
    }  # fmt: skip
    (folder / "view.json").write_text(json.dumps({"data": data, "blobs": files}))


def frames(browser: Any, address: str) -> dict[str, Any]:
    """Frames per second while the map is panned, as a whole and zoomed in."""
    page = browser.new_page(viewport={"width": 760, "height": 760})
    page.set_default_timeout(120_000)
    began = time.monotonic()
    page.goto(address)
    page.wait_for_function("document.body.dataset.done === 'yes' && page.root().dataset.ready === 'true'")
    shown = time.monotonic() - began
    move = """async ([zoom, frames]) => { const e = page.root(); const began = performance.now();
      for (let i = 0; i < frames; i++) { e.tripletscope.look({ x: 0.002 * i, y: 0, zoom });
        await new Promise((done) => requestAnimationFrame(done)); }
      const canvas = e.querySelectorAll("canvas")[1]; canvas.getContext("webgl2")?.finish();
      return 1000 * frames / (performance.now() - began); }"""
    whole, near = (page.evaluate(move, [zoom, FRAMES]) for zoom in (1, 8))
    kind = page.evaluate("page.root().dataset.kind")
    gl = page.evaluate(
        "(() => { const gl = new OffscreenCanvas(1, 1).getContext('webgl2');"
        " const more = gl?.getExtension('WEBGL_debug_renderer_info');"
        " return more ? gl.getParameter(more.UNMASKED_RENDERER_WEBGL) : String(gl); })()"
    )
    page.close()
    return {"shown": shown, "whole": whole, "near": near, "kind": kind, "gl": gl}


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--only", metavar="FILE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        first_picture(Path(args.only))
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print("rows       open s  PCA s  measured s  peak MB  vectors MB  places MB  (processor seconds, one thread)")
        for rows in args.rows:
            write(folder / "vectors.npy", rows)
            done = subprocess.run(
                [sys.executable, __file__, "--only", str(folder / "vectors.npy")],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            told = json.loads(done.stdout)
            print(
                f"{rows:>9,}  {told['open']:>6.2f}  {told['pca']:>5.2f}  {told['measure']:>10.2f}  "
                f"{told['peak_mb']:>7.0f}  {told['vectors_mb']:>10.0f}  {told['bytes'] / 2**20:>9.1f}"
            )
        print("\nrows       first frame s  frames/s whole  frames/s at x 8")
        draw(folder, args.rows)


def draw(folder: Path, sizes: list[int]) -> None:
    """Nothing; the second table is printed, or why there is none."""
    import shutil

    from playwright.sync_api import sync_playwright

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for rows in sizes:
            home = folder / f"page{rows}"
            home.mkdir()
            pages(home, rows)
            told = frames(browser, f"http://127.0.0.1:{server.server_port}/{home.name}/index.html")
            print(f"{rows:>9,}  {told['shown']:>13.1f}  {told['whole']:>14.1f}  {told['near']:>15.1f}  {told['gl']}")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
