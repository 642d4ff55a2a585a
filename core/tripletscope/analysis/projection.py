"""All frames of a run on one sheet of paper: the plane itself in 2-D, one fixed linear projection otherwise.

One projection for the whole run, so that a point that moves on the map moved in the embedding. A projection fitted
frame by frame would turn and rescale between frames and show motion that never was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64


@dataclass(frozen=True)
class Projection:
    """Where each probe sample lies on the map at each frame.

    Attributes:
        positions: (F, N, 2) float32, in the unit of the embedding.
        exact: whether distances on the map are the distances that were mined.
        explained: share of the variance over all frames that the map shows; 1.0 when exact.
        badge: what the map says about itself.
        mean: (D,) that was taken off before the axes; None where there are none.
        axes: (D, 2) of a linear map; None where the plane is the space itself, or the map is not linear.
    """

    positions: Float32[np.ndarray, "F N 2"]
    exact: bool
    explained: float
    badge: str
    mean: Float64[np.ndarray, " D"] | None = None
    axes: Float64[np.ndarray, "D 2"] | None = None

    def place(self, points: Float32[np.ndarray, "*K D"]) -> Float32[np.ndarray, "*K 2"] | None:
        """Where other points of the embedding lie on this map, by the very projection of the frames.

        None on a map that is neither the space itself nor a linear view of it.

        Example:
            >>> line = np.linspace(-1, 1, 5, dtype=np.float32)[:, None] * np.float32([[3, 0, 4]])
            >>> shown = project([line, 2 * line])
            >>> bool(np.allclose(shown.place(line[3:]), shown.positions[0, 3:]))
            True
        """
        if self.axes is not None:
            return np.asarray((points - self.mean) @ self.axes, np.float32)
        if not self.exact:
            return None
        rest = np.zeros((*points.shape[:-1], max(0, 2 - points.shape[-1])), np.float32)
        return np.concatenate([np.asarray(points, np.float32), rest], axis=-1)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x low, x high, y low, y high) over every frame; zeros where nothing is recorded."""
        flat = self.positions.reshape(-1, 2)
        flat = flat[np.isfinite(flat).all(1)]
        if len(flat) == 0:
            return (0.0, 0.0, 0.0, 0.0)
        low, high = flat.min(0), flat.max(0)
        return (float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def project(frames: Sequence[np.ndarray]) -> Projection:
    """The frames in the plane: untouched in 1-D and 2-D, else by one PCA over all frames.

    The PCA is centred on the mean of all frames and its axes are the two leading eigenvectors of the covariance of
    all frames together; the sign of an axis is the one that makes its largest entry positive, so that the same run
    gives the same map everywhere.

    Args:
        frames: one (N, D) array per frame, all of one shape; NaN rows stay NaN and take no part in the fit.

    Example:
        >>> line = np.linspace(-1, 1, 5, dtype=np.float32)[:, None] * np.float32([[3, 0, 4]])
        >>> shown = project([line, 2 * line])
        >>> shown.badge
        'PCA fixed over all frames, 100% of variance'
        >>> np.round(np.ptp(shown.positions[1, :, 0]), 3).item()
        20.0
    """
    if not frames:
        return Projection(np.zeros((0, 0, 2), np.float32), True, 1.0, "nothing recorded yet")
    dim = frames[0].shape[1]
    if dim == 1:
        line = np.stack([np.concatenate([f, np.zeros_like(f)], axis=1) for f in frames]).astype(np.float32)
        return Projection(line, True, 1.0, "EXACT: 1-D space")
    if dim == 2:
        return Projection(np.stack(frames).astype(np.float32), True, 1.0, "EXACT: 2-D space")
    mean, axes, explained = fit_axes(frames, dim)
    shown = np.stack([((f - mean) @ axes).astype(np.float32) for f in frames])
    badge = f"PCA fixed over all frames, {explained:.0%} of variance"
    return Projection(shown, False, explained, badge, mean, axes)


def fit_axes(frames: Iterable[np.ndarray], dim: int) -> tuple[np.ndarray, np.ndarray, float]:
    """(mean (D,), axes (D, 2), explained share) of one PCA over all frames, in float64, a frame at a time."""
    frames = list(frames)
    count, total = 0, np.zeros(dim)
    for frame in frames:
        good = frame[np.isfinite(frame).all(1)]
        count += len(good)
        total += good.sum(0, dtype=np.float64)
    mean = total / max(count, 1)
    scatter = np.zeros((dim, dim))
    for frame in frames:
        centred = frame[np.isfinite(frame).all(1)].astype(np.float64) - mean
        scatter += centred.T @ centred
    values, vectors = np.linalg.eigh(scatter)  # ascending
    axes = vectors[:, [-1, -2]]
    axes *= np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    whole = values.clip(min=0).sum()
    explained = float(values[[-1, -2]].clip(min=0).sum() / whole) if whole > 0 else 1.0
    return mean, axes, min(explained, 1.0)


def fixed_view(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[tuple[float, float], float]:
    """(centre, half-size) of the one square that holds every box, with a rim of 4 %: the map's scale for a whole race.

    Example:
        >>> fixed_view([(-1.0, 1.0, 0.0, 1.0), (0.0, 3.0, 0.0, 1.0)])
        ((1.0, 0.5), 2.08)
    """
    if not boxes:
        return (0.0, 0.0), 1.0
    edges = np.array(boxes)
    low, high = edges[:, [0, 2]].min(0), edges[:, [1, 3]].max(0)
    half = float((high - low).max()) / 2 * 1.04
    centre = (low + high) / 2
    return (float(centre[0]), float(centre[1])), half if half > 0 else 1.0
