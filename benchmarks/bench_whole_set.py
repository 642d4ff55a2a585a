"""Whole-set mining beside the machine's own limit: the matrix product that any exact search has to compute.

    python benchmarks/bench_whole_set.py                        # 10,000 and 30,000 rows of 128: a few minutes
    python benchmarks/bench_whole_set.py --sizes 100000         # more
    python benchmarks/bench_whole_set.py --quick                # 4,000 rows

CPU seconds of one process on one thread, the best of `--repeats`, so that other work on the machine counts little; the
limit is measured between the others, in the same process. "share" is the limit over the time. The rows are unit vectors
in classes of 100, of three spreads: in the tightest most anchors have no semi-hard negative, in the loosest all have.
The peer is `sentence_transformers.util.mine_hard_negatives` on the same vectors where that is installed, and always
the plain way: distances, mask and topk in blocks, in torch.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import platform
import time
from collections.abc import Callable

import numpy as np
import torch

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


def product(rows: np.ndarray) -> None:
    """The fp32 product of all rows with all rows, in blocks that are thrown away."""
    every, out = torch.from_numpy(rows), torch.empty(2**21)
    with one_thread():
        for left in torch.split(every, 1024):
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


def their_job(rows: np.ndarray, classes: np.ndarray, k: int) -> Callable[[], object] | None:
    """mine_hard_negatives of sentence-transformers on given vectors, or None."""
    try:
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives
    except ImportError:
        return None

    class Given:
        """Stands in for a model: a text is the number of its row."""

        def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
            return rows[[int(text) for text in texts]]

        encode_document = encode = encode_query

        def similarity(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a @ b.T

    partner = np.where(np.arange(len(rows)) % CLASS == CLASS - 1, np.arange(len(rows)) - 1, np.arange(len(rows)) + 1)
    pairs = Dataset.from_dict({"anchor": [str(n) for n in range(len(rows))], "positive": [str(n) for n in partner]})
    return lambda: mine_hard_negatives(
        pairs, Given(), num_negatives=k, range_max=CLASS + k, verbose=False, use_faiss=False
    )


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=None, help="rows, multiples of 100")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="4,000 rows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warm = points(1000, options.dim, 1.0)
    for strategy in ("hardest", "semi-hard", "semi-hard-random", "distance-weighted", "batch-hard", "random"):
        mine_rows(*warm, np.arange(1000), strategy=strategy, margin=MARGIN)  # compiles
    print(f"torch {torch.__version__}, {platform.machine()}, 1 thread, {options.dim} dimensions, CPU seconds")
    for count in options.sizes or ([4000] if options.quick else [10_000, 30_000]):
        print(
            f"\n### {count:,} rows\n\n| what | spread | s | share of the limit | x hardest |\n|---|---|---|---|---|",
            flush=True,
        )
        for spread, width in SPREADS.items():
            rows, classes = points(count, options.dim, width)
            ids = np.arange(count)
            shard = Shard(rows, classes, distance="cosine")
            everyone = shard.queries(slice(None))

            limits: list[float] = []
            kept: dict[str, float] = {}

            def show(name: str, job: Callable[[], object], *, spread: str = spread) -> None:
                # The limit drifts with what else the machine does, so it is taken before and after each.
                limits.append(seconds(lambda: product(rows), 1))  # noqa: B023
                taken = seconds(job, options.repeats)
                limits.append(seconds(lambda: product(rows), 1))  # noqa: B023
                kept[name] = taken  # noqa: B023
                limit, hardest = min(limits[-2:]), kept["hardest, k = 1"]  # noqa: B023
                print(f"| {name} | {spread} | {taken:.2f} | {limit / taken:.2f} | {taken / hardest:.2f} |", flush=True)

            def mined(strategy: str, **more: int) -> Callable[[], object]:
                return lambda: mine_rows(rows, classes, ids, strategy=strategy, margin=MARGIN, **more)  # noqa: B023

            show("hardest, k = 1", lambda: nearest(everyone, shard))  # noqa: B023
            show("hardest, k = 10", lambda: nearest(everyone, shard, 10))  # noqa: B023
            show("mine: hardest", mined("hardest"))
            show("mine: semi-hard", mined("semi-hard"))
            if spread != "medium":
                continue
            for name in ("batch-hard", "semi-hard-random", "distance-weighted", "random"):
                show(f"mine: {name}", mined(name))
            show("plain torch: cdist, mask, topk 10", lambda: plain(rows, classes, 10))  # noqa: B023
            theirs = their_job(rows, classes, 10)
            if theirs is None:
                print("| sentence-transformers is not installed | | | | |")
            else:
                show("sentence-transformers mine_hard_negatives, 10", theirs)


if __name__ == "__main__":
    main()
