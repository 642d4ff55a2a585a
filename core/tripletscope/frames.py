"""When the probe set is embedded, and how good that embedding is."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

from tripletscope import metrics
from tripletscope.batch import Batch
from tripletscope.schema import FRAME_SCALARS

COLLAPSED = 0.25  # spread below a quarter of a margin: from here on nearly every triplet violates
STRIP = 128  # rows of distances held at once by `frame_spread` in few dimensions
SPREAD_SAMPLES = 2000  # a larger probe set is thinned out evenly for `frame_spread`


def frame_schedule() -> Iterator[int]:
    """Steps at which a frame is due: every step at first, then in steps that grow by 12 %.

    An embedding changes most at the start, so that is where most frames are: 39 in 400 steps, 68 in 10,000.

    Example:
        >>> from itertools import takewhile
        >>> list(takewhile(lambda step: step < 30, frame_schedule()))
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 20, 23, 26]
    """
    step = 0
    while True:
        yield step
        step = max(step + 1, math.ceil(step * 1.12))


def frame_numbers(
    frame: Float32[np.ndarray, "n D"], labels: Int32[np.ndarray, " n"], distance: str, margin: float
) -> dict[str, float]:
    """The numbers of a frame by the names of `schema.FRAME_SCALARS`: retrieval, and its spread in margins.

    Args:
        frame: embedding of the probe set.
        labels: of its samples.
        distance: of the run.
        margin: of the run.
    """
    some = torch.from_numpy(frame[:: max(1, -(-len(frame) // SPREAD_SAMPLES))])
    if distance == "euclidean" and some.shape[1] <= metrics.FEW_DIMENSIONS:
        spread = _mean_distance(some) / margin
    else:
        spread = Batch.from_embeddings(some, torch.zeros(len(some), dtype=torch.int64), distance).mean_distance / margin
    found = {**metrics.retrieval(frame, labels, distance), "frame_spread": spread}
    return {name: found[name] for name in FRAME_SCALARS}


def _mean_distance(rows: Float[Tensor, "n D"]) -> float:
    """Mean Euclidean distance of all pairs of different rows; 0.0 for fewer than two. For few dimensions.

    Differences of coordinates, strip by strip right of the diagonal: a fifth of the time that it takes to write down
    the matrix of all distances, which nobody asks for here.
    """
    count, total = len(rows), 0.0
    for start in range(0, count, STRIP):
        strip = rows.new_zeros(min(STRIP, count - start), count - start)
        for coordinate in rows[start:].T:
            apart = coordinate[: len(strip), None] - coordinate
            strip.addcmul_(apart, apart)
        sums = strip.sqrt_().sum(dim=1).sum(dtype=torch.float64)
        corner = strip[:, : len(strip)].sum(dim=1).sum(dtype=torch.float64)  # holds its pairs twice already
        total += float(2 * sums - corner)
    return total / (count * (count - 1)) if count > 1 else 0.0
