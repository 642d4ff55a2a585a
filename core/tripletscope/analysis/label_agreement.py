"""Whether a sample lies among its own: the share of its nearest neighbours that have its label, over time.

With planted wrong labels this tells memorising from learning. A sample that is labelled 3 and is a 7 lies among sevens
while the model has learnt what digits look like, and among threes once it has learnt the label by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from tripletscope.analysis.neighbours import nearest
from tripletscope.store.reader import Run


@dataclass(frozen=True)
class LabelAgreement:
    """Shares of the k nearest neighbours of the probe samples, in the run's own space, at every frame.

    NaN at a frame where no sample has a neighbour. Without true labels the last three are None.

    Attributes:
        steps: of the frames.
        k: how many neighbours.
        given: mean share that have the sample's label, as the loss sees labels.
        true: the same by the true labels, of both.
        kept: over the samples with a wrong label, mean share of neighbours truly of the class that the sample truly is.
        moved: over the same samples, mean share of neighbours truly of the class that the label says.
    """

    steps: list[int]
    k: int
    given: Float64[np.ndarray, " F"]
    true: Float64[np.ndarray, " F"] | None = None
    kept: Float64[np.ndarray, " F"] | None = None
    moved: Float64[np.ndarray, " F"] | None = None


def label_agreement(run: Run, k: int = 15) -> LabelAgreement:
    """The agreement of labels among nearest neighbours, exact, for every frame of the run.

    A class of n samples cannot agree in more than n - 1 neighbours, so a small k suits small classes.

    Args:
        run: with frames.
        k: neighbours of each sample, itself left out; fewer where the probe set has fewer.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> told = label_agreement(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> len(told.steps), told.true is None, bool(told.given[0] < 0.5 < told.given[-1])
        (40, True, True)
    """
    labels = run.samples.labels[run.probe_rows]
    truth = None if run.true_labels is None else run.true_labels[run.probe_rows]
    wrong = np.zeros(len(labels), bool) if truth is None else labels != truth
    rows: list[tuple[float, ...]] = []
    for step in run.frame_steps:
        index = nearest(np.asarray(run.frames[step]), k, run.distance).index
        if truth is None:
            rows.append((_share(index, labels, labels),))
            continue
        rows.append(
            (
                _share(index, labels, labels),
                _share(index, truth, truth),
                _share(index[wrong], truth, truth[wrong]),
                _share(index[wrong], truth, labels[wrong]),
            )
        )
    columns = np.array(rows, np.float64).reshape(len(rows), 1 if truth is None else 4).T
    return LabelAgreement(run.frame_steps, k, *columns)


def _share(index: np.ndarray, of_neighbours: Int64[np.ndarray, " N"], wanted: np.ndarray) -> float:
    """Mean share of the neighbours that have the label wanted for their row; rows without neighbours do not count."""
    there = index >= 0
    counts = there.sum(axis=1)
    same = (of_neighbours[index] == wanted[:, None]) & there
    used = counts > 0
    return float((same.sum(axis=1)[used] / counts[used]).mean()) if used.any() else float("nan")
