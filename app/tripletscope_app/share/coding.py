"""Bytes as a page holds them: points in an order that deflates well, everything deflated and in base64."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from jaxtyping import Float32


def plaited(positions: Float32[np.ndarray, "F n 2"]) -> bytes:
    """The bits of the points, by coordinate and in time, as steps whose bytes are sorted by weight.

    A point moves little from frame to frame, so the upper bytes of the steps are nearly all alike. Nothing is lost:
    the zones on the page are decided by these very numbers.

    Example:
        >>> some = np.float32([[[0, 1]], [[0.5, 1]]])
        >>> bool((unplaited(plaited(some), 2, 1) == some).all())
        True
    """
    bits = np.ascontiguousarray(positions.transpose(1, 2, 0)).view(np.int32)
    steps = np.diff(bits, axis=2, prepend=np.int32(0))
    unsigned = ((steps << 1) ^ (steps >> 31)).astype("<u4")  # small steps either way are small numbers
    return np.frombuffer(unsigned.tobytes(), np.uint8).reshape(-1, 4).T.tobytes()


def unplaited(plait: bytes, frames: int, points: int) -> Float32[np.ndarray, "F n 2"]:
    """What `plaited` was given."""
    unsigned = np.frombuffer(np.frombuffer(plait, np.uint8).reshape(4, -1).T.tobytes(), "<u4")
    steps = ((unsigned >> 1) ^ -(unsigned & 1).astype(np.int64)).astype(np.int32)
    bits = np.cumsum(steps.reshape(points, 2, frames), axis=2, dtype=np.int32)
    return np.ascontiguousarray(bits.view(np.float32).transpose(2, 0, 1))


def packed(content: bytes) -> str:
    """The bytes deflated, in base64.

    Example:
        >>> packed(b"aaaa")
        'eNpLTEwEAASWAYU='
    """
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")
