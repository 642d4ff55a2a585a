"""Whole-set mining beside the machine's own limit: the matrix product that any exact search has to compute.

    python benchmarks/bench_whole_set.py                        # 10,000 and 100,000 rows of 128, a million in cells
    python benchmarks/bench_whole_set.py --sizes 30000          # exact search of other sizes only
    python benchmarks/bench_whole_set.py --full                 # every anchor, where a sample is scaled up otherwise
    python benchmarks/bench_whole_set.py --quick                # 4,000 rows, and 20,000 in cells

CPU seconds of one process on one thread, the best of `--repeats`, so that other work on the machine counts little; the
limit is measured between the others, in the same process. "share" is the limit over the time. The rows are unit vectors
in classes of 100, of three spreads: in the tightest most anchors have no semi-hard negative, in the loosest all have.
Above 30,000 rows only some of the anchors are searched for, and the time is scaled up: that is said with their number.

A million rows are searched in cells, twice: classes that gather around 200 topics, as texts and pictures do, and
classes that lie evenly in all directions, where cells are of little help. What is settled once is counted once, the
rest is scaled up from 20,000 anchors; the recall is the one that mining itself tells. Last, a process of its own mines
the million and says how much memory it took at the most, with all that it imported.

The peer `sentence_transformers.util.mine_hard_negatives` is in bench_peers.py; the plain way, distances, mask and topk
in blocks, in torch, is here.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from tripletscope.mining.approximate import Approximate
from tripletscope.mining.search import nearest, one_thread
from tripletscope.mining.shard import Shard
from tripletscope.mining.whole_set import mine_rows

CLASS = 100
SPREADS = {"tight": 0.35, "medium": 1.0, "loose": 3.0}
MARGIN = 0.1


def points(count: int, dim: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around class centres, and their classes."""
    chance = np.random.default_rng(0)
    classes = np.arange(count) // CLASS
    rows = chance.normal(size=(classes[-1] + 1, dim))[classes] + spread * chance.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), classes


def gathered(count: int, dim: int, topics: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors whose classes gather around so many topics; 0: classes lie evenly in all directions."""
    chance = np.random.default_rng(0)
    classes = np.arange(count) // CLASS
    middles = chance.normal(size=(int(classes[-1]) + 1, dim))
    if topics:
        middles += chance.normal(size=(topics, dim))[chance.integers(0, topics, len(middles))]
    rows = np.empty((count, dim), np.float32)
    for at in range(0, count, 50_000):
        part = middles[classes[at : at + 50_000]] + chance.normal(size=(min(50_000, count - at), dim))
        rows[at : at + 50_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return rows, classes


def product(rows: np.ndarray, anchors: int | None = None) -> None:
    """The fp32 product of all rows (or the first so many) with all rows, in blocks that are thrown away."""
    every, out = torch.from_numpy(rows), torch.empty(2**21)
    with one_thread():
        for left in torch.split(every[:anchors], 1024):
            for right in torch.split(every, 2048):
                torch.mm(left, right.T, out=out[: len(left) * len(right)].view(len(left), len(right)))


def plain(rows: np.ndarray, classes: np.ndarray, k: int) -> None:
    """Distances, mask and topk, a block of anchors at a time."""
    every, labels = torch.from_numpy(rows), torch.from_numpy(classes)
    with one_thread():
        for at in torch.split(torch.arange(len(rows)), 1024):
            far = torch.cdist(every[at], every)
            far[labels[at, None] == labels] = torch.inf
            torch.topk(far, k, dim=1, largest=False)


def seconds(job: Callable[[], object], repeats: int) -> float:
    """The least CPU time of the process over some repeats."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        job()
        times.append(time.process_time() - began)
    return min(times)


def exactly(options: argparse.Namespace, count: int) -> None:
    """Prints the table of one size."""
    some = count if options.full or count <= 30_000 else 4096
    scale = count / some
    said = "" if some == count else f", {some:,} anchors scaled up"
    print(
        f"\n### {count:,} rows{said}\n\n| what | spread | s | share of the limit | x hardest |\n|---|---|---|---|---|"
    )
    for spread, width in SPREADS.items():
        rows, classes = points(count, options.dim, width)
        ids = np.arange(count)
        shard = Shard(rows, classes, distance="cosine")
        _ = shard.made
        anchors = shard.queries(np.arange(count) if some == count else np.arange(0, count, count // some)[:some])
        kept: dict[str, float] = {}

        def show(name: str, job: Callable[[], object], *, times: float = scale) -> None:
            # The limit drifts with what else the machine does, so it is taken before and after each.
            before = seconds(lambda: product(rows, some), 1)  # noqa: B023
            taken = seconds(job, options.repeats)
            limit = scale * min(before, seconds(lambda: product(rows, some), 1))  # noqa: B023
            kept[name] = taken = taken * times  # noqa: B023
            print(
                f"| {name} | {spread} | {taken:.2f} | {limit / taken:.2f} | {taken / kept['hardest, k = 1']:.2f} |",  # noqa: B023
                flush=True,
            )

        show("hardest, k = 1", lambda: nearest(anchors, shard))  # noqa: B023
        show("hardest, k = 10", lambda: nearest(anchors, shard, 10))  # noqa: B023
        partner = classes[anchors.rows] * CLASS + (anchors.rows + 1) % CLASS
        beyond = np.nextafter(1 - np.einsum("nd,nd->n", rows[anchors.rows], rows[partner]), np.float32(9))
        asked = anchors.asking(anchors.first, beyond.astype(np.float32))
        show("nearest semi-hard, k = 1", lambda: nearest(asked, shard))  # noqa: B023
        if some < count:
            continue

        def mined(strategy: str) -> Callable[[], object]:
            return lambda: mine_rows(rows, classes, ids, strategy=strategy, margin=MARGIN, search="exact")  # noqa: B023

        show("mine: hardest", mined("hardest"))
        show("mine: semi-hard", mined("semi-hard"))
        if spread != "medium":
            continue
        for name in ("batch-hard", "semi-hard-random", "distance-weighted", "random"):
            show(f"mine: {name}", mined(name))
        show("plain torch: cdist, mask, topk 10", lambda: plain(rows, classes, 10))  # noqa: B023


def in_cells(options: argparse.Namespace, count: int) -> None:
    """Prints what the approximate search of a large set costs, and finds."""
    some = count if options.full else min(count, 20_000)
    print(f"\n### {count:,} rows in cells, 10 hardest negatives, {some:,} anchors scaled up\n")
    print("| classes | cells looked in | once, s | anchors, s | all, s | share of an exact search | recall@10 |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, topics in (("around 200 topics", 200), ("evenly", 0)):
        rows, classes = gathered(count, options.dim, topics)
        shard = Shard(rows, classes, distance="cosine")
        chosen = np.sort(np.random.default_rng(1).choice(count, some, replace=False))
        began, marks = time.process_time(), [0.0]

        def stage(_: str, marks: list[float] = marks) -> None:
            marks[0] = time.process_time()

        search = Approximate(shard, 0, stage)
        search.nearest(shard.queries(chosen), 10)
        end, found = time.process_time(), search.quality
        assert found is not None
        once, anchors = marks[0] - began, (end - marks[0]) * count / some
        limit = seconds(lambda: product(rows, 2048), 1) * count / 2048  # noqa: B023
        print(
            f"| {name} | {found.looked_in} of {found.cells} | {once:.0f} | {anchors:.0f} | {once + anchors:.0f} | "
            f"{(once + anchors) / (limit / 0.65):.3f} | {found.recall:.3f} |",
            flush=True,
        )


def memory(options: argparse.Namespace, count: int) -> None:
    """Prints the most memory that a process of its own takes which mines so many rows."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(count), "--dim", str(options.dim)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    size = count * options.dim * 4 / 2**20
    print(
        f"\nMemory at {count:,} rows ({size:.0f} MiB of float32): {told['peak']:.0f} MiB at the most, "
        f"{told['peak'] / size:.2f} times the vectors; of it {told['before']:.0f} MiB before there was any vector. "
        f"{told['seconds']:.0f} CPU s for all triplets, recall {told['recall']}."
    )


def child(options: argparse.Namespace) -> None:
    """Mines, and prints what it took."""
    warm = points(3000, options.dim, 1.0)
    mine_rows(*warm, np.arange(3000), strategy="hardest", margin=MARGIN, search="approximate")
    before = _peak()
    rows, classes = gathered(options.child, options.dim, 200)
    began = time.process_time()
    found = mine_rows(rows, classes, np.arange(len(rows)), strategy="hardest", margin=MARGIN, search="approximate")
    taken = time.process_time() - began
    print(json.dumps({"before": before, "peak": _peak(), "seconds": taken, "recall": found.settings["recall"]}))


def _peak() -> float:
    """MiB."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=None, help="rows, multiples of 100; exact search only")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="every anchor")
    parser.add_argument("--quick", action="store_true", help="4,000 rows, and 20,000 in cells")
    parser.add_argument("--cells", type=int, metavar="N", help="so many rows in cells only")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.child:
        child(options)
        return
    warm = points(1000, options.dim, 1.0)
    for strategy in ("hardest", "semi-hard", "semi-hard-random", "distance-weighted", "batch-hard", "random"):
        mine_rows(*warm, np.arange(1000), strategy=strategy, margin=MARGIN)  # compiles
    print(f"torch {torch.__version__}, {platform.machine()}, 1 thread, {options.dim} dimensions, CPU seconds")
    for count in options.sizes or ([] if options.cells else [4000] if options.quick else [10_000, 100_000]):
        exactly(options, count)
    if options.sizes is None:
        count = options.cells or (20_000 if options.quick else 1_000_000)
        in_cells(options, count)
        memory(options, count)


if __name__ == "__main__":
    main()
