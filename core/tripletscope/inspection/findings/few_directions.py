"""Embeddings that use few of their dimensions, or all point one way."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, NotApplicable, number
from tripletscope.inspection.finding import Finding

_RANK, _DIMS, _COSINE = 0.05, 8, 0.5


@check(
    name="few-directions",
    title="Few directions",
    looks_for="An effective rank far below the number of dimensions, or rows that all point one way.",
    source=(
        "Participation ratio: Gao et al. 2017, 'A theory of multineuronal dimensionality'; "
        "dimensional collapse: Jing et "
        "al. 2022; anisotropy: Ethayarajh 2019, 'How Contextual are Contextualized Word Representations?'."
    ),
    order=120,
    thresholds=(
        Threshold(
            "rank", _RANK, "of the dimensions (or of the rows, where those are fewer): below, nearly all are idle"
        ),
        Threshold("dims", float(_DIMS), "with fewer dimensions a low rank is no waste"),
        Threshold("cosine", _COSINE, "mean cosine of two rows: above, a cosine of 0.6 is nothing special in this set"),
    ),
)
def few_directions(seen: Evidence) -> Finding | None:
    """A finding on the whole set."""
    possible = min(seen.set.dim, len(seen) - 1)
    if possible < _DIMS:
        raise NotApplicable(f"fewer than {_DIMS} dimensions" if seen.set.dim < _DIMS else "too few rows")
    rank, cosine = seen.effective_rank, seen.mean_cosine
    narrow, one_way = rank < _RANK * possible, cosine > _COSINE
    if not (narrow or one_way):
        return None
    nothing = np.zeros(0, np.int64)
    part = float(seen.spectrum[0] / (seen.spectrum.sum() or 1.0))
    return Finding.ranked(
        rows=nothing,
        scores=np.zeros(0),
        check="few-directions",
        title="Few directions" if narrow else "All rows point one way",
        severity="warning" if narrow else "note",
        count=1,
        unit="set",
        evidence=(
            f"Effective rank {number(rank)} of {possible:,} possible (participation ratio of the "
            "covariance spectrum; the "
            f"first direction holds {part:.0%} of the variance); mean cosine of two rows {cosine:.2f}."
        ),
        why=(
            "Where few directions carry the distances, the others are noise or idle. Where all rows point one way, "
            "similarities crowd near 1 and a margin that suits another model is far too large."
        ),
        remedy=(
            "Subtract the mean before normalising (and say so to whoever searches later), or train "
            "on; choose the margin "
            "on the curve of this set, not from a paper."
        ),
        score_means="none",
        examples=(),
        numbers={"effective_rank": rank, "mean_cosine": cosine, "first_direction": part},
    )
