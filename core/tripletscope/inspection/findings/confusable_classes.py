"""Class A whose hardest negatives come from class B, which lies among its rows."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, counted, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding

_SHARE, _LIFT, _OVERLAP, _ANCHORS = 0.3, 2.0, 0.1, 3.0


@check(
    name="confusable-classes",
    title="Confusable classes",
    looks_for="Pairs A -> B: many anchors of A have their nearest negative in B, and some nearer than their own class.",
    source="Ours; the neighbour-based form of a confusion matrix, which needs no classifier.",
    order=30,
    thresholds=(
        Threshold("share", _SHARE, "of A's anchors must have their nearest negative in B: one class stands out"),
        Threshold(
            "lift",
            _LIFT,
            "times what B's size alone gives (or half-way from there to all): a huge class is "
            "everybody's nearest negative",
        ),
        Threshold(
            "overlap",
            _OVERLAP,
            "of A's anchors must have that negative nearer than any row of their own class: neighbouring classes that "
            "stay apart confuse nobody",
        ),
        Threshold("anchors", _ANCHORS, "at least so many anchors overlap: two can be two wrong labels"),
    ),
)
def confusable_classes(seen: Evidence) -> Finding | None:
    """Directed class pairs by the share of A's anchors whose nearest negative is in B."""
    seen.require_classes()
    graph, count = seen.graph, len(seen.set.class_names)
    anchors = np.flatnonzero(graph.same >= 0)
    mine, theirs = seen.labels[anchors], seen.labels[graph.negative[anchors]]
    inside = graph.d_negative[anchors] <= graph.d_same[anchors]
    pair = mine * count + theirs
    kinds, first, place = np.unique(pair, return_index=True, return_inverse=True)
    a, b = mine[first], theirs[first]
    nearest = np.bincount(place, minlength=len(kinds))
    overlap = np.bincount(place, weights=inside, minlength=len(kinds)).astype(np.int64)
    of = np.bincount(mine, minlength=count)[a]
    shares = nearest / of
    even = seen.sizes[b] / (seen.sizes.sum() - seen.sizes[a])
    # Twice the share of a class that holds 80 % of the rows cannot be had: half-way from there to all will do.
    stands_out = (shares >= _SHARE) & (shares >= np.minimum(_LIFT * even, (1 + even) / 2))
    kept = np.flatnonzero(stands_out & (overlap / of >= _OVERLAP) & (overlap >= _ANCHORS))
    if not len(kept):
        return None
    kept = kept[np.lexsort((kinds[kept], -overlap[kept] / of[kept], -shares[kept]))]
    held = np.isin(place, kept) & inside
    rows = anchors[held]
    worst = int(kept[0])
    names = seen.set.class_names
    ratio = _ratio(seen, rows)
    examples = []
    for at in kept[:EXAMPLES].tolist():
        of_pair = anchors[(place == at) & inside]
        row = int(of_pair[np.argmax(_ratio(seen, of_pair))])
        examples.append(
            Example(
                row,
                int(graph.negative[row]),
                f"{names[a[at]]} -> {names[b[at]]}: nearest negative of {share(shares[at])} of {of[at]:,} anchors "
                f"(by size {share(even[at])}); in {share(overlap[at] / of[at])} nearer than the own class",
            )
        )
    return Finding.ranked(
        rows=rows,
        others=graph.negative[rows],
        scores=ratio,
        check="confusable-classes",
        title="Confusable classes",
        severity="warning" if overlap[kept].max() / of[kept][overlap[kept].argmax()] >= 0.3 else "note",
        count=len(kept),
        unit="class pair" if len(kept) == 1 else "class pairs",
        evidence=(
            f"{counted(len(kept), 'directed pair', 'directed pairs')} of classes. The first: "
            f"{share(shares[worst])} of the anchors of "
            f"{names[a[worst]]} have their nearest negative in {names[b[worst]]}, where its size alone would give "
            f"{share(even[worst])}; for {share(overlap[worst] / of[worst])} it is nearer than any of their own class."
        ),
        why=(
            "Nearly all hard triplets come from such pairs. That is right where the classes differ, and poison where "
            "they are one class under two names."
        ),
        remedy=(
            "Read the examples. Two names for one thing: merge them. Truly different: this is what training should "
            "learn; cap the triplets per class pair so that the other classes get their turn."
        ),
        score_means="distance to the own class / distance to the nearest negative (above 1 the negative is nearer)",
        examples=tuple(examples),
        numbers={
            "pairs": len(kept),
            "share": float(shares[worst]),
            "by_size": float(even[worst]),
            "overlap": float(overlap[worst] / of[worst]),
            "from": names[a[worst]],
            "to": names[b[worst]],
        },
    )


def _ratio(seen: Evidence, rows: np.ndarray) -> np.ndarray:
    same, other = seen.euclidean(seen.graph.d_same[rows]), seen.euclidean(seen.graph.d_negative[rows])
    return np.asarray(np.minimum((same + 1e-30) / (other + 1e-30), 1e6))
