"""Classes that lie in two places with other classes between."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tripletscope.inspection.check import Threshold, check
from tripletscope.inspection.evidence import Evidence, NotApplicable, number, share
from tripletscope.inspection.finding import EXAMPLES, Example, Finding

_PART, _ROWS, _BETWEEN = 0.1, 5, 0.5


@check(
    name="split-classes",
    title="Split classes",
    looks_for="Classes in two groups or more that no link of the neighbour graph joins, with other classes in between.",
    source="Ours; components of the class within the k-nearest-neighbour graph.",
    order=60,
    thresholds=(
        Threshold("part", _PART, "of the class at the least in the smaller group: less are single hard positives"),
        Threshold("rows", float(_ROWS), "at the least in the smaller group: three rows are no group"),
        Threshold(
            "between",
            _BETWEEN,
            "of that group must have another class nearer than the rest of their own: a gap with "
            "nobody in it hurts nobody",
        ),
    ),
)
def split_classes(seen: Evidence) -> Finding | None:
    """Groups of a class that lie apart from its largest group."""
    seen.require_classes()
    if not (seen.sizes >= 2 * _ROWS).any():
        raise NotApplicable(f"no class has {2 * _ROWS} rows")
    count, graph = len(seen), seen.graph
    one = np.concatenate([np.repeat(np.arange(count), graph.k), np.arange(count)])
    two = np.concatenate([graph.index.ravel(), graph.same])
    # The nearest of the own class joins too: it is a link however many strangers are nearer. Only groups stay apart.
    linked = (two >= 0) & (seen.labels[one] == seen.labels[two]) & (seen.labels[one] >= 0)
    links = coo_array((np.ones(int(linked.sum()), np.int8), (one[linked], two[linked])), shape=(count, count))
    _, group = connected_components(links, directed=False)
    rows, others, scores, examples, classes = [], [], [], [], 0
    for label in np.flatnonzero(seen.sizes >= 2 * _ROWS):
        members = np.flatnonzero(seen.labels == label)
        kinds, sizes = np.unique(group[members], return_counts=True)
        largest = kinds[np.argmax(sizes)]
        small = kinds[(sizes >= max(_ROWS, _PART * len(members))) & (kinds != largest)]
        split = False
        for kind in small:
            here = members[group[members] == kind]
            there = members[group[members] != kind]
            away = seen.distances_between(here, there)
            near = seen.euclidean(graph.d_negative[here])
            if (near < away).mean() < _BETWEEN:
                continue
            split = True
            ratio = np.minimum(away / np.maximum(near, 1e-30), 1e6)
            rows.append(here)
            others.append(graph.negative[here])
            scores.append(ratio)
            row = int(here[np.argmax(ratio)])
            examples.append(
                Example(
                    row,
                    int(graph.negative[row]),
                    f"{seen.set.class_names[label]}: {len(here):,} of {len(members):,} rows lie "
                    "apart; from this one the rest "
                    f"is {number(float(ratio.max()))} times as far as {seen.class_of(int(graph.negative[row]))}",
                )
            )
        classes += split
    if not classes:
        return None
    apart = np.concatenate(rows)
    order = np.argsort([-float(part.max()) for part in scores], kind="stable")
    return Finding.ranked(
        rows=apart,
        others=np.concatenate(others),
        scores=np.concatenate(scores),
        check="split-classes",
        title="Split classes",
        severity="warning",
        count=classes,
        unit="class" if classes == 1 else "classes",
        evidence=(
            f"{classes:,} of {seen.classes:,} classes lie in two or more groups; {len(apart):,} rows "
            f"({share(len(apart) / len(seen))}) are outside the largest group of their class, with "
            "other classes nearer."
        ),
        why=(
            "A positive from the other group is a hard positive by construction: batch-hard asks for the two groups to "
            "meet, through whatever lies between."
        ),
        remedy=(
            "Two meanings under one name: make them two classes. One meaning with two looks: prefer "
            "easy-positive, which "
            "lets a class keep several groups."
        ),
        score_means="distance to the rest of the class / distance to the nearest negative",
        examples=tuple(examples[int(place)] for place in order[:EXAMPLES]),
        numbers={"classes": classes, "rows": len(apart)},
    )
