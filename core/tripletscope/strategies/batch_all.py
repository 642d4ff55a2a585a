"""Every eligible triplet of the batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tripletscope.batch import Batch
from tripletscope.errors import SettingError
from tripletscope.rows import positions
from tripletscope.strategies.base import MOST_TRIPLETS, strategy
from tripletscope.triplets import Triplets


def in_blocks(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Iterator[Triplets]:
    """All eligible triplets, a few hundred thousand at a time, ordered by anchor, positive, negative."""
    anchor, positive = batch.pairs
    for block in batch.pair_blocks():
        pair, negative = positions(batch.candidate_mask(anchor[block], positive[block]))
        if pair.shape[0]:
            yield Triplets(anchor[block][pair], positive[block][pair], negative)


@strategy(
    name="batch-all",
    title="Batch all",
    summary="Every triplet that the batch holds.",
    source='Hermans, Beyer & Leibe 2017, "In Defense of the Triplet Loss", §2, eq. 6',
    order=20,
    zones={"hard", "semi-hard", "easy"},
    granularity="all",
    stream=in_blocks,
    unfiltered="",
    notes="""
{ (a, p, n) : y(p) = y(a), p ≠ a, y(n) ≠ y(a) }: PK (K − 1) (PK − K) of them for P classes of K samples.

**Ties** play no part. **Abstains** where the batch holds a single class, or no class twice.

The number grows with the cube of the batch, so a batch with more than 2²⁴ triplets has to be streamed
(`stream`), counted (`count_zones`) or learnt from without a list (`losses.batch_all_loss`).

**Elsewhere.** pytorch-metric-learning's `TripletMarginMiner("all")` returns only the *violating* triplets.
Hermans et al. prefer the mean over the triplets with a loss above 0; ours is the mean over the picks, zeros included.
""",
    advice="""
**When to use it.** Where chance should play no part and the batch is small enough that every triplet counts (our
judgement); as a shadow it says what there was to choose from.

**How it fails.** The mean over all triplets fades, for soon most of them are easy: of those in the picture two thirds
have no loss. Hermans et al. take the mean over the others for that reason.
""",
)
def batch_all(batch: Batch, *, margin: float, generator: torch.Generator | None) -> Triplets:
    """All eligible triplets at once, up to 2**24 of them."""
    total = batch.n_eligible - int(batch.below_floor.sum())
    if total > MOST_TRIPLETS:
        raise SettingError(
            f"A batch of {batch.size} holds {total:,} triplets, too many for one answer; read them in parts with "
            "stream(), or count them with count_zones()."
        )
    parts = list(in_blocks(batch, margin=margin, generator=generator))
    return Triplets.concatenate(parts) if parts else Triplets.empty(batch.device)
