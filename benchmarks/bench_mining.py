"""In-batch mining, from embeddings to indices, beside pytorch-metric-learning on the same inputs, on one thread.

    python benchmarks/bench_mining.py                  # B = 64, 256, 1024, 4096: some minutes
    python benchmarks/bench_mining.py --sizes 256      # one size
    python benchmarks/bench_mining.py --quick          # B = 64 and 256, few repeats

Each cell runs in a process of its own, forked, so that one that takes too long can be cut off and peak memory belongs
to that cell. Times are medians of process CPU time, in milliseconds; "x dist" is the multiple of our distance matrix
alone; "peer" is their time as a multiple of ours; memory is what the peak grew by while the cell ran.
"""

from __future__ import annotations

import argparse
import os
import pickle
import platform
import resource
import select
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from tripletscope import strategies
from tripletscope.batch import Batch
from tripletscope.distances import pairwise
from tripletscope.testing import unit_points
from tripletscope.triplets import count_zones, plane

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_metric_learning import miners
        from pytorch_metric_learning.utils import loss_and_miner_utils
except ImportError:
    miners = None

SAMPLES, DIM, MARGIN = 4, 64, 0.2
Job = Callable[[torch.Tensor, torch.Tensor], object]


@dataclass
class Cell:
    """A finished measurement, or why there is none."""

    ms: float | None
    peak_mb: float | None
    note: str = ""


def measure(job: Job, size: int, seconds: float, limit: float) -> Cell:
    """Median CPU time and peak growth of the job in a forked child, which is stopped after `limit` seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, pickle.dumps(_in_child(job, size, seconds)))
        os._exit(0)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], limit)
    answer = os.read(reader, 4096) if ready else b""
    os.close(reader)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if answer:
        return Cell(*pickle.loads(answer))
    return Cell(None, None, f"> {limit:.0f} s, cut off" if not ready else "failed")


def _in_child(job: Job, size: int, seconds: float) -> tuple[float | None, float | None, str]:
    torch.set_num_threads(1)
    points, labels = unit_points(size // SAMPLES, SAMPLES, dim=DIM)
    job(*unit_points(4, SAMPLES, dim=DIM))  # first calls load code
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while len(times) < 3 or (sum(times) < seconds and len(times) < 200):
            start = time.process_time()
            job(points, labels)
            times.append(time.process_time() - start)
            if times[-1] > 4 * seconds:
                break
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return 1e3 * statistics.median(times), peak, ""


def pick(name: str) -> Job:
    """Our strategy, from points to slots; batch-all is read as a stream."""
    one = strategies.get(name)

    def job(points: torch.Tensor, labels: torch.Tensor) -> int:
        batch = Batch.from_embeddings(points, labels)
        chance = torch.Generator().manual_seed(0)
        return sum(len(part) for part in one.stream(batch, margin=MARGIN, generator=chance))

    return job


def together(chosen: Sequence[strategies.Strategy]) -> Job:
    """These strategies on one shared batch, as shadows are; batch-all as counts and plane."""

    def job(points: torch.Tensor, labels: torch.Tensor) -> int:
        batch = Batch.from_embeddings(points, labels)
        chance = torch.Generator().manual_seed(0)
        listed = (one for one in chosen if one.granularity != "all")
        parts = (part for one in listed for part in one.stream(batch, margin=MARGIN, generator=chance))
        return sum(map(len, parts)) + count_zones(batch, MARGIN).eligible + plane(batch).eligible

    return job


def peers() -> dict[str, tuple[str, Job]]:
    """Their miner for our strategy; a ~ marks one that answers another question."""
    if miners is None:
        return {}
    band = miners.TripletMarginMiner(MARGIN, "semihard")
    every = miners.TripletMarginMiner(MARGIN, "all")
    return {
        "batch-all": ("get_all_triplets_indices", lambda x, y: loss_and_miner_utils.get_all_triplets_indices(y)),
        "batch-hard": ("BatchHardMiner", miners.BatchHardMiner()),
        "easy-positive": ("BatchEasyHardMiner(easy, hard)", miners.BatchEasyHardMiner("easy", "hard")),
        "easy-positive-semi-hard": ("BatchEasyHardMiner()", miners.BatchEasyHardMiner()),
        "multi-similarity": ("~MultiSimilarityMiner, pairs and no triplets", miners.MultiSimilarityMiner()),
        "hard-aware": ("~HDCMiner, pairs and no triplets", miners.HDCMiner()),
        "angular": ("AngularMiner(40)", miners.AngularMiner(angle=40)),
        "semi-hard": ("~TripletMarginMiner(semihard), the whole band", band),
        "distance-weighted": ("DistanceWeightedMiner", miners.DistanceWeightedMiner()),
        "count_zones": ("~TripletMarginMiner(all), then len()", every),
    }


def rows() -> Iterator[tuple[str, Job]]:
    """What is measured, by name."""
    yield "distance matrix", lambda points, labels: pairwise(points)
    for name in strategies.names():
        yield name, pick(name)
    yield "count_zones", lambda points, labels: count_zones(Batch.from_embeddings(points, labels), MARGIN)
    yield "plane", lambda points, labels: plane(Batch.from_embeddings(points, labels))
    everyone = strategies.all()
    yield "the first eight, shared", together(everyone[:8])
    yield "all single picks, shared", together([one for one in everyone if one.single])
    yield "all of them, shared batch", together(everyone)


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=None, help="batch sizes, multiples of 4")
    parser.add_argument("--quick", action="store_true", help="small batches, few repeats")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a cell is cut off")
    options = parser.parse_args()
    sizes = options.sizes or ([64, 256] if options.quick else [64, 256, 1024, 4096])
    seconds = 0.1 if options.quick else 1.0
    other = peers()
    print(f"torch {torch.__version__}, {platform.machine()}, 1 thread; d = {DIM}, K = {SAMPLES}, margin {MARGIN}")
    print("median CPU milliseconds from embeddings to indices" + ("" if other else "; no peer is installed"))
    for size in sizes:
        print(f"\n### B = {size}\n")
        print(
            f"| {'what':<26} | {'ms':>9} | {'x dist':>7} | {'MB':>6} "
            f"| {'peer ms':>16} | {'peer':>7} | {'MB':>6} | which |"
        )
        print("|---|---|---|---|---|---|---|---|")
        alone = None
        for name, job in rows():
            mine = measure(job, size, seconds, options.limit)
            alone = alone or mine.ms
            title, their_job = other.get(name, ("", None))
            theirs = measure(their_job, size, seconds, options.limit) if their_job else Cell(None, None)
            ratio = f"{theirs.ms / mine.ms:.1f}x" if theirs.ms and mine.ms else ""
            print(
                f"| {name:<26} | {_number(mine):>9} | {mine.ms / alone if mine.ms and alone else 0:>7.1f} "
                f"| {mine.peak_mb or 0:>6.0f} | {_number(theirs):>16} | {ratio:>7} "
                f"| {'' if theirs.peak_mb is None else f'{theirs.peak_mb:.0f}':>6} | {title} |"
            )
            sys.stdout.flush()


def _number(cell: Cell) -> str:
    return cell.note if cell.ms is None else f"{cell.ms:.2f}"


if __name__ == "__main__":
    main()
