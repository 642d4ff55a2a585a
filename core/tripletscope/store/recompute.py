"""Picks that are not stored because there are too many of them, such as batch-all's: made again from a kept batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tripletscope.schema import SECOND_NEGATIVE, step_tables

if TYPE_CHECKING:
    from tripletscope.store.reader import Run


def picked_again(
    run: Run, strategy: str, steps: list[int], training: bool, params: dict[str, float]
) -> dict[str, np.ndarray]:
    """What the strategy picks from the batches at these steps, in the columns of the run's picks.

    Imports torch. The batch's embedding is the recorded one, so the distances are those that were mined.

    Args:
        run: the run.
        strategy: one that draws no lots.
        steps: of `run.batch_embedding_steps`.
        training: whether the run trained on them.
        params: of the strategy.
    """
    import torch

    from tripletscope import strategies
    from tripletscope.batch import Batch
    from tripletscope.mining.filtered import filtered

    pieces: list[dict[str, np.ndarray]] = []
    schema = step_tables(run.config)["picks"]
    picker, code = strategies.get(strategy), run.strategies.index(strategy)
    for step in steps:
        embeddings = run.batch_embeddings(step)
        if embeddings is None:
            continue
        rows, labels = run.batch(step)
        batch = Batch.from_embeddings(torch.from_numpy(embeddings), torch.from_numpy(labels), run.distance)
        candidates = filtered(batch, run.filters) if training else batch
        for part in picker.stream(candidates, margin=run.margin, generator=None, **params):
            count = len(part)
            pieces.append(
                {
                    "step": np.full(count, step, np.int32),
                    "strategy": np.full(count, code, np.int8),
                    "training": np.full(count, training),
                    "anchor": rows[part.anchor.numpy()],
                    "positive": rows[part.positive.numpy()],
                    "negative": rows[part.negative.numpy()],
                    "d_ap": batch.distances[part.anchor, part.positive].numpy(),
                    "d_an": batch.distances[part.anchor, part.negative].numpy(),
                    SECOND_NEGATIVE: np.full(count, -1, np.int32)
                    if part.negative2 is None
                    else rows[part.negative2.numpy()],
                    "weight": np.full(count, np.nan, np.float32) if part.weight is None else part.weight.numpy(),
                }
            )
    if not pieces:
        return {field.name: np.empty(0, field.type.to_pandas_dtype()) for field in schema}
    return {field.name: np.concatenate([piece[field.name] for piece in pieces]) for field in schema}
