"""Learned centres of classes, in a run whose loss has some: at every frame, and how far they are from an anchor.

Centres are points of the embedding that no sample has: nobody can pick them, so they are told apart from the picks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from tripletscope.analysis.probe import distances_from, probe_labels
from tripletscope.store.reader import Run

#: Centres whose distances travel with an anchor: that of its own class, and so many less one of the others.
MOST_CENTRES = 64


@dataclass(frozen=True)
class CentreRows:
    """How far the nearest centres are from one anchor, at every frame: its own class first, the others rising.

    Attributes:
        labels: whose centre it is.
        distances: from the anchor, in the run's distance; NaN where no centre was kept.
    """

    labels: Int32[np.ndarray, "F K"]
    distances: Float32[np.ndarray, "F K"]


def frame_centres(run: Run) -> Float32[np.ndarray, "F C D"] | None:
    """The centre of every class at every frame, NaN where none was kept; None for a run that learned none."""
    if not run.has_centres or not run.frame_steps:
        return None
    classes, width = len(run.samples.class_names), run.frames[run.frame_steps[0]].shape[1]
    found = np.full((len(run.frame_steps), classes, width), np.nan, np.float32)
    for place, step in enumerate(run.frame_steps):
        kept = run.centres(step)
        if kept is not None and kept.ndim == 2 and kept.shape[1] == width:  # a stranger's file may hold anything
            found[place, : len(kept)] = kept[:classes]
    return found


def centre_rows(run: Run, anchor: int, frames: Sequence[np.ndarray]) -> CentreRows | None:
    """How far the centres are from an anchor, in the run's distance; None for a run that learned none.

    Args:
        run: a recorded run.
        anchor: probe index.
        frames: of the run, in the order of `frame_steps`.
    """
    centres = frame_centres(run)
    if centres is None:
        return None
    own, count = int(probe_labels(run)[anchor]), min(centres.shape[1], MOST_CENTRES)
    labels = np.zeros((len(frames), count), np.int32)
    distances = np.full((len(frames), count), np.nan, np.float32)
    for place, (frame, points) in enumerate(zip(frames, centres, strict=True)):
        d = distances_from(np.asarray(frame[anchor], np.float32), points, run.distance)
        rank = np.where(np.isnan(d), np.inf, d)
        rank[own] = -1.0  # its own class leads
        labels[place] = np.argsort(rank, kind="stable")[:count]
        distances[place] = d[labels[place]]
    return CentreRows(labels, distances)
