"""Mined triplets in the forms that trainers read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tripletscope.errors import DataError
from tripletscope.mining.whole_set import Mined

Table = dict[str, np.ndarray]


def triplets(
    mined: Mined,
    ids: np.ndarray,
    labels: np.ndarray,
    *,
    texts: Sequence[str] | None = None,
    flags: Sequence[str] | None = None,
) -> Table:
    """The triplet CSV: every column of docs/csv-format.md."""
    return mined.columns(ids, labels, texts=texts, flags=flags)


def sentence_transformers(mined: Mined, texts: Sequence[str] | None, *, scores: bool = False) -> Table:
    """What a SentenceTransformerTrainer reads: `anchor`, `positive`, `negative`, texts as they are.

    Args:
        mined: triplets.
        texts: (N,) of the set's rows.
        scores: add `positive_score` and `negative_score`, cosine similarities 1 - d, for cosine distances.

    Raises:
        DataError: the set has no texts, or scores are asked for with another distance.
    """
    if texts is None:
        raise DataError("The set has no texts, which sentence-transformers trains on: name their column with --text.")
    words = np.array(texts, dtype=object)
    table: Table = {"anchor": words[mined.anchor], "positive": words[mined.positive], "negative": words[mined.negative]}
    if scores:
        if mined.distance != "cosine":
            raise DataError(
                f"Scores are cosine similarities, and these distances are {mined.distance}: leave them out."
            )
        table |= {"positive_score": np.float32(1) - mined.d_ap, "negative_score": np.float32(1) - mined.d_an}
    return table


def index(mined: Mined) -> Table:
    """Places 0 ... N - 1 of the rows, in the order in which the set holds them: `anchor`, `positive`, `negative`.

    pytorch-metric-learning takes the three columns as `indices_tuple` beside the embeddings of all rows.
    """
    return {"anchor": mined.anchor, "positive": mined.positive, "negative": mined.negative}
