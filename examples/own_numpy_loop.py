"""Record a loop without PyTorch: a linear embedding trained by NumPy alone, on text ids and text labels.

python examples/own_numpy_loop.py runs/numpy
tripletscope app --run runs/numpy
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_iris

from tripletscope import Recorder

MARGIN = 0.5


def nearest_negatives(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each sample: itself, the next one of its class, the nearest one of another class."""
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    other = labels[:, None] != labels[None]
    same = ~other & ~np.eye(len(labels), dtype=bool)
    anchors = np.flatnonzero(same.any(axis=1) & other.any(axis=1))
    return anchors, same[anchors].argmax(axis=1), np.where(other, distances, np.inf)[anchors].argmin(axis=1)


def train(out: str, steps: int = 150) -> None:
    """The run in `out`: a linear map of the iris data, trained by plain gradient steps."""
    iris = load_iris()
    flowers = (iris.data - iris.data.mean(axis=0)) / iris.data.std(axis=0)
    species = iris.target_names[iris.target]
    names = np.array([f"flower {i}" for i in range(len(flowers))])
    rng = np.random.default_rng(0)
    weights = rng.normal(scale=0.3, size=(4, 2))

    with Recorder(out, margin=MARGIN, strategies=["semi-hard", "random"]) as recorder:  # <-
        for _ in range(steps):
            rows = rng.permutation(len(flowers))[:24]
            batch, embeddings = flowers[rows], flowers[rows] @ weights
            a, p, n = nearest_negatives(embeddings, species[rows])
            to_p, to_n = embeddings[a] - embeddings[p], embeddings[a] - embeddings[n]
            d_ap, d_an = (np.linalg.norm(one, axis=1, keepdims=True) + 1e-9 for one in (to_p, to_n))
            loss = np.maximum(d_ap - d_an + MARGIN, 0)
            if recorder.frame_due:  # <-
                recorder.frame(flowers @ weights, ids=names, labels=species)  # <-
            recorder.step(embeddings, species[rows], ids=names[rows], triplets=(a, p, n), loss=loss.mean())  # <-
            pull, push = (loss > 0) * to_p / d_ap, (loss > 0) * to_n / d_an
            gradient = (batch[a] - batch[p]).T @ pull - (batch[a] - batch[n]).T @ push
            weights -= 0.1 * gradient / len(a)
        recorder.frame(flowers @ weights, ids=names)  # <- where it ended


if __name__ == "__main__":
    train(sys.argv[1] if len(sys.argv) > 1 else "runs/numpy")
