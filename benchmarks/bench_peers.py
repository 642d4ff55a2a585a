"""Mining a whole set beside sentence-transformers' own: seconds, and how many negatives are none.

    python benchmarks/bench_peers.py               # 10,000 vectors: a minute
    python benchmarks/bench_peers.py --full        # 30,000 too
    python benchmarks/bench_peers.py --sizes 4000

Both get the same vectors of 128 numbers, one positive for each anchor and the wish for 10 hard negatives, and both end
with a table of texts that a trainer reads. `sentence_transformers.util.mine_hard_negatives` gets the vectors from a
stand-in for a model, so that no encoding is timed; it runs as it comes, with the filter of positive-aware mining
(`relative_margin=0.05`), and with FAISS. It takes pairs and no labels, so what it calls a negative may be of the
anchor's own class: "false" is the share of those. CPU seconds on one thread, the best of `--repeats`, in one process.
"""

from __future__ import annotations

import argparse
import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import logging
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tripletscope.mining import forms
from tripletscope.mining.whole_set import mine_rows

CLASS, DIM, NEGATIVES, SPREAD = 100, 128, 10, 1.0


def points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around class centres, and their classes."""
    chance = np.random.default_rng(0)
    classes = np.arange(count) // CLASS
    rows = chance.normal(size=(classes[-1] + 1, DIM))[classes] + SPREAD * chance.normal(size=(count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), classes


def best(job: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least CPU seconds of some repeats, and what came of the last."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        made = job()
        taken.append(time.process_time() - began)
    return min(taken), made


class Given:
    """Stands in for a model: a text is the number of its row."""

    device = torch.device("cpu")

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
        return self.rows[[int(text) for text in texts]]

    encode_document = encode = encode_query

    def get_embedding_dimension(self) -> int:
        return int(self.rows.shape[1])

    def similarity(self, a: Any, b: Any) -> torch.Tensor:
        return torch.as_tensor(a) @ torch.as_tensor(b).T

    def similarity_pairwise(self, a: Any, b: Any) -> torch.Tensor:
        return (torch.as_tensor(a) * torch.as_tensor(b)).sum(dim=1)


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", help="rows, multiples of 100")
    parser.add_argument("--full", action="store_true", help="30,000 rows too")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    try:
        import sentence_transformers
        from datasets import Dataset, disable_progress_bars
        from sentence_transformers.util import mine_hard_negatives
    except ImportError as missing:
        print(f"the peers are not installed ({missing}): pip install 'tripletscope[peers]'")
        sys.exit(0)
    import faiss

    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    disable_progress_bars()
    logging.disable(logging.WARNING)
    mine_rows(*points(1000), np.arange(1000), strategy="hardest", margin=0.1)  # compiles
    print(
        f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}, {platform.machine()}, "
        f"{DIM} dimensions, {NEGATIVES} negatives for each anchor, classes of {CLASS}, 1 thread"
    )
    for count in asked.sizes or ([10_000, 30_000] if asked.full else [10_000]):
        rows, classes = points(count)
        texts = [str(row) for row in range(count)]

        def ours() -> forms.Table:
            mined = mine_rows(
                rows, classes, np.arange(count), strategy="hardest", margin=0.1, negatives_per_anchor=NEGATIVES  # noqa: B023
            )  # fmt: skip
            return forms.sentence_transformers(mined, texts)  # noqa: B023

        seconds, made = best(ours, asked.repeats)
        pairs = dict(zip(made["anchor"].tolist(), made["positive"].tolist(), strict=True))
        given = Dataset.from_dict({"anchor": list(pairs), "positive": list(pairs.values())})

        def theirs(**options: object) -> Callable[[], Any]:
            return lambda: mine_hard_negatives(
                given, Given(rows), num_negatives=NEGATIVES, output_format="triplet", verbose=False, **options  # noqa: B023
            )  # fmt: skip

        def show(name: str, taken: float, anchors: Any, negatives: Any) -> None:
            own, other = np.array(anchors, dtype=np.int64), np.array(negatives, dtype=np.int64)
            false = (classes[own] == classes[other]).mean() if len(own) else float("nan")  # noqa: B023
            print(f"| {name} | {taken:.2f} | {taken / seconds:.1f} | {len(own):,} | {false:.1%} |", flush=True)  # noqa: B023

        print(f"\n### {count:,} vectors\n\n| | CPU s | x ours | triplets | false |\n|---|---|---|---|---|", flush=True)
        show("tripletscope, hardest", seconds, made["anchor"], made["negative"])
        for name, options in {
            "mine_hard_negatives": {"use_faiss": False},
            "the same, range_max=110": {"use_faiss": False, "range_max": CLASS + NEGATIVES},
            "the same, relative_margin=0.05": {
                "use_faiss": False, "range_max": CLASS + NEGATIVES, "relative_margin": 0.05,
            },
            "the same with FAISS": {"use_faiss": True, "range_max": CLASS + NEGATIVES},
        }.items():  # fmt: skip
            taken, found = best(theirs(**options), max(1, asked.repeats - 2))
            show(name, taken, found["anchor"], found["negative"])


if __name__ == "__main__":
    main()
