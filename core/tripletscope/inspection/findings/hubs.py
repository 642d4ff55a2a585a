"""Rows that are the hardest negative of far too many anchors."""

from __future__ import annotations

import numpy as np

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, counted, number, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding
from tripletscope.inspection.findings.suspicious_labels import suspects

_TIMES, _SHARE, _MIDST, _LEFT_OUT = 10.0, 0.01, 0.2, 0.05


@check(
    name="hubs",
    title="Hubs",
    looks_for="Rows that are the nearest negative of far more anchors, of several classes, than even picking gives.",
    source="Radovanović, Nanopoulos and Ivanović 2010, 'Hubs in Space', JMLR 11 (k-occurrence and its skew).",
    order=40,
    thresholds=(
        Threshold(
            "times",
            _TIMES,
            "the anchors that even picking gives the row, and ten anchors at the least: chance does not come near",
        ),
        Threshold(
            "share",
            _SHARE,
            "of all anchors: a row that one anchor in a hundred meets at its hardest is met in every batch",
        ),
        Threshold(
            "midst",
            _MIDST,
            "of those anchors must be of other classes than most of them, or have the row nearer than their own class: "
            "where two classes stand apart, the outermost row of one is the nearest negative of the whole other, and "
            "nothing is wrong with it",
        ),
        Threshold(
            "left_out",
            _LEFT_OUT,
            "of all anchors: beyond this a row is left out of mining; below, a cap per negative does",
        ),
    ),
)
def hubs(seen: Evidence) -> Finding | None:
    """Rows by how many anchors have them as their nearest negative."""
    seen.require_classes()
    anchors = np.flatnonzero(seen.graph.negative >= 0)
    taken = np.bincount(seen.graph.negative[anchors], minlength=len(seen))
    # An anchor of class c picks among all rows that are not of c, so a row of a small class is picked more often.
    each = seen.sizes / np.maximum(seen.sizes.sum() - seen.sizes, 1)
    even = np.where(seen.labels >= 0, each.sum() - each[seen.labels], 0.0)
    many = (taken >= _TIMES * even) & (taken >= _SHARE * len(anchors)) & (taken >= _TIMES)
    rows = np.array([row for row in np.flatnonzero(many).tolist() if _in_the_midst(seen, anchors, row)], np.int64)
    if not len(rows):
        return None
    mislabelled = int(suspects(seen)[rows].sum())
    found = np.bincount(seen.graph.index[seen.graph.index >= 0], minlength=len(seen)).astype(np.float64)
    skew = float(((found - found.mean()) ** 3).mean() / (found.std() ** 3 or 1.0))
    top = rows[np.lexsort((rows, -taken[rows]))]
    largest = int(top[0])
    examples = []
    for row in top[:EXAMPLES].tolist():
        meets = anchors[seen.graph.negative[anchors] == row]
        examples.append(
            Example(
                row,
                _nearest_anchor(seen, anchors, row),
                f"{seen.class_of(row)}: nearest negative of {taken[row]:,} anchors "
                f"({share(taken[row] / len(anchors))}) of "
                f"{len(np.unique(seen.labels[meets])):,} classes",
            )
        )
    return Finding.ranked(
        rows=rows,
        others=np.array([_nearest_anchor(seen, anchors, int(row)) for row in rows]),
        scores=taken[rows] / len(anchors),
        exclude=rows[taken[rows] >= _LEFT_OUT * len(anchors)],
        check="hubs",
        title="Hubs",
        severity="problem" if taken[largest] >= _LEFT_OUT * len(anchors) else "warning",
        count=len(rows),
        unit="row" if len(rows) == 1 else "rows",
        evidence=(
            f"{counted(len(rows), 'row is', 'rows are')} the nearest negative of "
            f"{share(float(taken[rows].sum()) / len(anchors))} of all "
            f"anchors; the largest of {taken[largest]:,}, where even picking gives "
            f"{number(float(even[largest]))}. The skew of how often rows "
            f"are among others' {seen.graph.k} nearest is {skew:.1f} (0 without hubs)."
            + (f" {mislabelled:,} of them have suspicious labels too." if mislabelled else "")
        ),
        why=(
            "Hardest-negative strategies pick the same few rows for everybody. The loss then pushes the whole set away "
            "from a handful of points."
        ),
        remedy=(
            "Cap the triplets per negative; look whether the row is blank, an average, or a template. Rows that "
            f"{_LEFT_OUT:.0%} of the anchors share are left out of mining."
        ),
        score_means="share of all anchors whose nearest negative it is",
        examples=tuple(examples),
        numbers={"largest": int(taken[largest]), "even": float(even[largest]), "skew": skew},
    )


def _in_the_midst(seen: Evidence, anchors: np.ndarray, row: int) -> bool:
    """Whether enough of the row's anchors come from elsewhere, or lie nearer to it than to their own class."""
    meets = anchors[seen.graph.negative[anchors] == row]
    elsewhere = 1 - np.bincount(seen.labels[meets]).max() / len(meets)
    nearer = (seen.graph.d_negative[meets] <= seen.graph.d_same[meets]).mean()
    return bool(max(elsewhere, nearer) >= _MIDST)


def _nearest_anchor(seen: Evidence, anchors: np.ndarray, row: int) -> int:
    meets = anchors[seen.graph.negative[anchors] == row]
    return int(meets[np.argmin(seen.graph.d_negative[meets])])
