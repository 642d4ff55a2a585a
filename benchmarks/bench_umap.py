"""A layout through time: ours, UMAPs of their own, and umap-learn's AlignedUMAP, on a training of 41 frames.

    python benchmarks/bench_umap.py              # AlignedUMAP on 3 frames, scaled; independent fits on 8: minutes
    python benchmarks/bench_umap.py --full       # AlignedUMAP and independent fits on every frame: a quarter of an hour
    python benchmarks/bench_umap.py --quick      # ours and the PCA only

The run is an MLP 64-256-64 trained by batch-hard on 1,797 digits, normalised, margin 0.2, 400 steps, recorded at 41
steps spaced as the recorder spaces them. Times are process CPU seconds on one thread, after a first call on a few
points that compiles; the compilation is reported by itself. Jitter is how far samples that kept 0.6 of their 15
nearest neighbours (Jaccard) move on the map from frame to frame, in diameters of the map: the mean over all gaps, and
the worst gap. Trust is trustworthiness with 15 neighbours; kept the share of the 15 nearest that the map shows.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tripletscope import Run, datasets
from tripletscope.analysis.aligned_umap import align
from tripletscope.analysis.fidelity import fidelity, jitter
from tripletscope.analysis.neighbours import Neighbours, neighbours_through_time
from tripletscope.analysis.projection import project
from tripletscope.config import TrainConfig
from tripletscope.training import record

warnings.filterwarnings("ignore")
Frames = list[np.ndarray]
COMPILE = (
    "import time, numpy as np; from tripletscope.analysis.aligned_umap import align; "
    "from tripletscope.analysis.fidelity import fidelity; "
    "f = np.random.default_rng(0).normal(size=(60, 4)); p = align([f, f]).positions[0]; fidelity(f, p); "
    "print(time.process_time())"
)


@dataclass
class Outcome:
    """What a way of laying out frames costs and how good it is.

    Attributes:
        name: of the way.
        seconds: of processor time for all frames.
        positions: by frame; frames that were not laid out are left out.
        note: what was scaled, if anything.
    """

    name: str
    seconds: float
    positions: dict[int, np.ndarray]
    note: str = ""


def trajectory(count: int, folder: Path) -> Frames:
    """So many frames of a training in 64 dimensions."""
    torch.set_num_threads(1)
    config = TrainConfig(
        data="digits", strategy="batch-hard", model="mlp", dim=64, hidden=256, steps=440, seed=0, device="cpu"
    )
    record(config, datasets.load("digits"), folder / "run")
    run = Run.open(folder / "run")
    return [np.asarray(run.frames[step], np.float32) for step in run.frame_steps[:count]]


def timed(job: Callable[[], object]) -> tuple[float, object]:
    """(processor seconds, what came out)."""
    start = time.process_time()
    out = job()
    return time.process_time() - start, out


def ours(frames: Frames) -> Outcome:
    """Our layout, from frames to positions, neighbours included."""
    align([frame[:60] for frame in frames[:2]])
    seconds, layout = timed(lambda: align(frames).positions)
    return Outcome("ours: started from the later frame, springs", seconds, dict(enumerate(layout)))


def linear(frames: Frames) -> Outcome:
    """The PCA that a page opens with."""
    seconds, shown = timed(lambda: project(frames).positions)
    return Outcome("PCA fixed over all frames", seconds, dict(enumerate(shown)))


def independent(frames: Frames, which: Sequence[int]) -> Outcome:
    """A UMAP of its own for some frames, by umap-learn."""
    import umap

    umap.UMAP(random_state=0).fit(frames[0][:300])
    positions, spent = {}, 0.0
    for f in which:
        seconds, shown = timed(lambda f=f: umap.UMAP(random_state=0).fit_transform(frames[f]))
        positions[f], spent = shown, spent + seconds
    note = "" if len(which) == len(frames) else f"{len(which)} frames, time x {len(frames) / len(which):.1f}"
    return Outcome("umap-learn, each frame by itself", spent * len(frames) / len(which), positions, note)


def aligned(frames: Frames, which: Sequence[int]) -> Outcome:
    """umap-learn's AlignedUMAP on consecutive frames; its time grows a little faster than their number."""
    import umap

    some = [frames[f] for f in which]
    same = [{i: i for i in range(len(frames[0]))} for _ in some[1:]]
    few = [frame[:300] for frame in frames[:3]]
    umap.AlignedUMAP(random_state=0).fit(few, relations=[{i: i for i in range(300)}] * 2)
    seconds, fitted = timed(lambda: umap.AlignedUMAP(random_state=0).fit(some, relations=same))
    note = "" if len(some) == len(frames) else f"{len(some)} frames, time x {len(frames) / len(some):.1f}"
    positions = dict(zip(which, (np.asarray(shown) for shown in fitted.embeddings_), strict=True))
    return Outcome("umap-learn's AlignedUMAP", seconds * len(frames) / len(some), positions, note)


def row(one: Outcome, frames: Frames, near: list[Neighbours], stayed: np.ndarray, reference: float) -> list[str]:
    """The cells of a table's line."""
    numbers = {f: fidelity(frames[f], shown, neighbours=near[f]) for f, shown in one.positions.items()}
    gaps = np.array(
        [
            jitter(np.stack([one.positions[f - 1], one.positions[f]]), stayed[f - 1 : f + 1])[0]
            for f in one.positions
            if f - 1 in one.positions
        ]
    )
    shown = [f"{100 * gaps.mean():.2f} %", f"{100 * gaps.max():.2f} %"] if len(gaps) else ["–", "–"]
    trust = np.mean([each.trust for each in numbers.values()])
    kept = np.mean([each.kept for each in numbers.values()])
    ratio = f"{one.seconds / reference:.1f}x"
    return [one.name, f"{one.seconds:.2f}", ratio, f"{trust:.4f}", f"{kept:.3f}", *shown, one.note]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=41, help="how many frames (default: 41)")
    parser.add_argument("--full", action="store_true", help="the others on every frame, too")
    parser.add_argument("--quick", action="store_true", help="ours and the PCA only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        frames = trajectory(options.frames, Path(folder))
        env = {**os.environ, "NUMBA_CACHE_DIR": str(Path(folder) / "numba")}
        cold = [
            float(subprocess.run([sys.executable, "-c", COMPILE], env=env, capture_output=True, text=True).stdout)
            for _ in range(2)
        ]
    near = neighbours_through_time(frames)
    results = [linear(frames), ours(frames)]
    stayed = align(frames).stayed
    count = len(frames)
    if not options.quick:
        # Four pairs of frames from start to end, so that each pair has a gap to jitter in.
        pairs = np.linspace(0, count - 2, 4).astype(int)
        sample = range(count) if options.full else np.unique([pairs, pairs + 1]).tolist()
        run_of_frames = range(count) if options.full else range(count // 2 - 1, count // 2 + 2)
        results += [independent(frames, list(sample)), aligned(frames, list(run_of_frames))]
        if not options.full:
            mine = results[1]
            for which, place in ((sample, 2), (run_of_frames, 4)):
                same = {f: mine.positions[f] for f in which}
                results.insert(place, Outcome("  ours, on the frames of the line below", mine.seconds, same))
    table = Table(title=f"{count} frames x {len(frames[0]):,} digits, {frames[0].shape[1]} dimensions, 1 thread")
    for name in ("what", "CPU s", "x ours", "trust", "kept", "jitter", "worst gap", "note"):
        table.add_column(name, justify="left" if name in ("what", "note") else "right")
    for one in results:
        table.add_row(*row(one, frames, near, stayed, results[1].seconds))
    console = Console(width=140)
    console.print(table)
    console.print(
        f"A process that lays out for the first time on this machine: {cold[0]:.1f} CPU s for imports, compilation and "
        f"two frames of 60 points; the next one: {cold[1]:.1f}."
    )


if __name__ == "__main__":
    main()
