"""A small picture of a data set, for menus: samples side by side, or the points' places."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

from tripletscope.readers.pictures import resized
from tripletscope.samples import LabelledData

HEIGHT, WIDTH, TILE = 120, 160, 40
GROUND, PAPER = 24, 250
# Okabe and Ito's colours, which most colour-blind people can tell apart; classes take turns.
COLOURS = np.array(
    [
        (0, 114, 178),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (86, 180, 233),
        (213, 94, 0),
        (230, 218, 60),
        (70, 70, 70),
    ],
    dtype=np.uint8,
)


def chip(data: LabelledData) -> UInt8[np.ndarray, "120 160 3"]:
    """The picture: twelve samples, three classes of four, where the set has pictures; else its points in the plane.

    Vectors in more than two dimensions are shown by their first two principal components.

    Example:
        >>> from tripletscope import datasets
        >>> chip(datasets.load("toy2d")).shape
        (120, 160, 3)
    """
    return _mosaic(data) if data.kind == "images" else _scatter(data)


def _mosaic(data: LabelledData) -> UInt8[np.ndarray, "120 160 3"]:
    """Three rows of four samples; each row is one class, the classes evenly spaced over the set."""
    assert data.samples.thumbs is not None
    counts = data.samples.class_counts()
    full = np.flatnonzero(counts >= min(4, int(counts.max())))
    classes = full[np.linspace(0, len(full) - 1, HEIGHT // TILE + 2).round().astype(int)[1:-1]]
    picture = np.full((HEIGHT, WIDTH, 3), GROUND, dtype=np.uint8)
    for line, label in enumerate(classes):
        rows = np.flatnonzero(data.samples.labels == label)
        some = rows[np.linspace(0, len(rows) - 1, WIDTH // TILE).round().astype(int)]
        tiles = resized(data.samples.thumbs[some], TILE - 4, TILE - 4)
        for place, tile in enumerate(tiles):
            top, left = line * TILE + 2, place * TILE + 2
            picture[top : top + TILE - 4, left : left + TILE - 4] = tile if tile.ndim == 3 else tile[..., None]
    return picture


def _scatter(data: LabelledData) -> UInt8[np.ndarray, "120 160 3"]:
    """A dot of 3 x 3 pixels for each sample, in its class's colour."""
    picture = np.full((HEIGHT, WIDTH, 3), PAPER, dtype=np.uint8)
    plane = _plane(data.features.reshape(len(data), -1))
    low, high = np.quantile(plane, [0.005, 0.995], axis=0)
    scale = float(min((np.array([WIDTH, HEIGHT]) - 12) / np.maximum(high - low, 1e-9)))
    at = np.round((plane - (low + high) / 2) * [scale, -scale] + [WIDTH / 2, HEIGHT / 2]).astype(np.int64)
    inside = ((at >= 1) & (at < [WIDTH - 1, HEIGHT - 1])).all(axis=1)
    x, y, colours = at[inside, 0], at[inside, 1], _colours(data.samples.labels[inside])
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            picture[y + dy, x + dx] = colours
    return picture


def _colours(labels: Int[np.ndarray, "M"]) -> UInt8[np.ndarray, "M 3"]:
    chosen: UInt8[np.ndarray, "M 3"] = COLOURS[labels % len(COLOURS)]
    return chosen


def _plane(vectors: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N 2"]:
    """The vectors themselves where there are two numbers to each, else their first two principal components."""
    if vectors.shape[1] == 2:
        return vectors.astype(np.float64)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if vectors.shape[1] == 1:
        return np.column_stack([centred, np.zeros(len(centred))])
    _, axes = np.linalg.eigh(centred.T @ centred)
    plane: Float[np.ndarray, "N 2"] = centred @ axes[:, [-1, -2]]
    return plane
