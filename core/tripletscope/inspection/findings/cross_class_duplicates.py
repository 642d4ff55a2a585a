"""Two rows of different classes that are all but the same: likely false negatives."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import AT_MOST, BY_CHANCE, Evidence, counted, number
from tripletscope.inspection.finding import EXAMPLES, Example, Finding

#: The numbers that decide what is near; also those of near-duplicates and leaks.
NEARNESS = (
    Threshold(
        "by_chance",
        BY_CHANCE,
        "how many rows of the set may have a near-duplicate by chance alone, if rows spread evenly "
        "around each other in "
        "the set's intrinsic dimension; the share of the usual neighbour distance that counts as near follows from it",
    ),
    Threshold(
        "at_most",
        AT_MOST,
        "that share never exceeds a half: in many dimensions all distances are alike, and chance alone would call "
        "ordinary neighbours duplicates",
    ),
)


@check(
    name="cross-class-duplicates",
    title="Near-duplicates across classes",
    looks_for="Pairs of rows that are all but the same and have different labels.",
    source=(
        "Ours; why it matters: Robinson et al. 2021, 'Contrastive Learning with Hard Negative Samples' and Chuang et "
        "al. 2020, 'Debiased Contrastive Learning', on false negatives."
    ),
    order=10,
    thresholds=NEARNESS,
)
def cross_class_duplicates(seen: Evidence) -> Finding | None:
    """Pairs with two labels within `Evidence.near`; both rows are left out of mining, since either may be wrong."""
    seen.require_classes()
    pairs, named = seen.near_pairs
    labels = seen.labels[pairs]
    cross = (labels[:, 0] != labels[:, 1]) & (labels >= 0).all(axis=1)
    pairs, named = pairs[cross], named[cross]
    if not len(pairs):
        return None
    # Each row with its nearest partner; a row in several pairs is listed once.
    rows = pairs.T.ravel()
    others = pairs[:, ::-1].T.ravel()
    far = np.concatenate([named, named])
    first = np.lexsort((others, far, rows))
    first = first[np.unique(rows[first], return_index=True)[1]]
    exact = int((named == 0).sum())
    return Finding.ranked(
        rows=rows[first],
        others=others[first],
        scores=1 - far[first] / (seen.near or 1.0),
        exclude=True,
        check="cross-class-duplicates",
        title="Near-duplicates across classes",
        severity="problem",
        count=len(pairs),
        unit="pair" if len(pairs) == 1 else "pairs",
        evidence=(
            f"{counted(len(pairs), 'pair', 'pairs')} with two labels, {exact:,} of them at distance 0; "
            f"{seen.near_words}."
        ),
        why=(
            "The hardest negative of such a row is itself under another name. A strategy that picks near negatives "
            "takes it every time, and the loss pushes equal things apart."
        ),
        remedy=(
            "Look at both: give them one label, or merge the classes. Until then they are left out of mining, as "
            "nobody can tell from the vectors which label is right."
        ),
        score_means="1 at distance 0, 0 at the threshold",
        examples=tuple(
            Example(
                int(a),
                int(b),
                f"{seen.class_of(int(a))} and {seen.class_of(int(b))}: {seen.unit} {number(float(far_ab))}",
            )
            for (a, b), far_ab in zip(pairs[:EXAMPLES], named[:EXAMPLES], strict=True)
        ),
        numbers={"pairs": len(pairs), "at_distance_0": exact, "near": seen.near},
    )
