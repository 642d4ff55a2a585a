"""What opening a file of embeddings costs, beside the reader of the library that it stands on.

    python benchmarks/bench_reading.py [--rows 200000] [--dims 64] [--vectors 1000000]

Processor time, the median of three rounds. CSV: 200,000 rows of id, label and 64 numbers; Arrow's reader gives a table,
ours a whole set (numbers side by side, ids, classes, checks, digest). NPY: 1,000,000 x 128 float16, mapped; what it
adds to the process's own memory stands beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "2")

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tripletscope.embeddings.opening import open_embeddings


def seconds(call: Callable[[], object], rounds: int = 3) -> float:
    call()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def own_memory() -> float:
    """Megabytes that belong to this process alone; Linux only."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    asked = parser.parse_args(arguments)
    pa.set_cpu_count(2)
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "set.csv")
        values = generator.standard_normal((asked.rows, asked.dims)).astype(np.float32)
        columns = {
            "id": [f"r{row}" for row in range(asked.rows)],
            "label": [f"c{row % 50}" for row in range(asked.rows)],
            **{f"emb_{place}": values[:, place] for place in range(asked.dims)},
        }
        pyarrow.csv.write_csv(pa.table(columns), path)
        arrow, ours = seconds(lambda: pyarrow.csv.read_csv(path)), seconds(lambda: open_embeddings(path))
        print(f"CSV {asked.rows:,} x {asked.dims}: pyarrow {arrow:.2f} s, ours {ours:.2f} s, ratio {ours / arrow:.2f}")
        np.save(Path(folder, "v.npy"), generator.standard_normal((asked.vectors, 128), dtype=np.float32).astype("f2"))
        del values, columns
        before = own_memory()
        found = open_embeddings(Path(folder, "v.npy"))
        grown = own_memory() - before
        print(
            f"NPY {asked.vectors:,} x 128 float16 ({found.vectors.nbytes / 2**20:.0f} MB): "
            f"{seconds(lambda: open_embeddings(Path(folder, 'v.npy'))):.2f} s, {grown:.0f} MB of own memory"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
