"""The filters against false negatives inside a batch: which negatives each of its pairs may have."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from tripletscope.batch import Batch
from tripletscope.mining import filters


def filtered(batch: Batch, chosen: Mapping[str, float]) -> Batch:
    """The batch with the floors that these filters set, or the same one where there is no filter.

    Args:
        batch: of unit vectors, or of cosine distances, so that its distances say what the similarities are.
        chosen: filter -> its number. A negative has to pass all of them.

    Example:
        >>> points = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> batch = Batch.from_embeddings(points, torch.tensor([7, 7, 8, 8]), "cosine")
        >>> seen = filtered(batch, {"perc-pos": 0.95})
        >>> seen.candidate_mask(torch.tensor([0]), torch.tensor([1]))  # s(a,p) 0.8: slot 2, at 0.96, is ruled out
        tensor([[False, False, False,  True]])
    """
    if not chosen:
        return batch
    lowest = filters.floors(dict(chosen), batch.d_ap.numpy(force=True), batch.distance)
    return batch.filtered(torch.from_numpy(lowest))
