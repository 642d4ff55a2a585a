"""An anchor's answer as a few bytes: what the helper process writes and the page reads. Needs no torch.

Layout, before it is deflated (zlib): u32 little-endian length of the header, the header (JSON, padded with spaces to
four bytes), then the sections, each padded to four bytes; offsets count from the first section. The header names
dtype and shape of each. It is the layout of a packed run, so the page has one reader for both.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int64

from tripletscope.analysis.centres import CentreRows
from tripletscope.store.reader import Run

VERSION = 1
DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"),
    "i32": np.dtype("<i4"),
    "u16": np.dtype("<u2"),
    "i16": np.dtype("<i2"),
    "i8": np.dtype("i1"),
    "u8": np.dtype("u1"),
}
#: Order statistics of the crowd's distances that travel; a page that sees the plane takes more of them itself.
TICKS_SENT = 32


def plane_distances(
    frame: Float32[np.ndarray, "n D"], anchor: int, others: Int64[np.ndarray, " m"], distance: str
) -> Float32[np.ndarray, " m"]:
    """Distances in float32 from one sample to others of a frame in one or two dimensions, rounded as IEEE 754 says.

    Bit for bit what the page takes from the points that it draws. Those of `distances.pairwise` may differ in the
    last bit, because a processor's fast square root need not round correctly; `ulps_between` tells by how much.

    Example:
        >>> plane_distances(np.float32([[0, 0], [3, 4]]), 0, np.array([1]), "euclidean").tolist()
        [5.0]
    """
    squared = np.square(np.asarray(frame, np.float32)[others] - np.asarray(frame[anchor], np.float32)).sum(axis=1)
    return np.asarray(squared if distance == "squared-euclidean" else np.sqrt(squared), np.float32)


def ulps_between(
    distances: Float32[np.ndarray, "*shape"], seen: Float32[np.ndarray, "*shape"]
) -> Int8[np.ndarray, "*shape"] | None:
    """How many float32 numbers lie between two arrays of distances; None where it is no small number.

    `seen` and these steps give `distances` back bit for bit, and nearly all of them are 0, which costs nothing to
    send. Distances are not negative, so their bits, read as integers, count the numbers in order.

    Example:
        >>> ulps_between(np.float32([1.0, 2.0]), np.float32([np.nextafter(np.float32(1), 2), 2.0])).tolist()
        [-1, 0]
        >>> ulps_between(np.float32([1.0]), np.float32([1.1])) is None
        True
    """
    steps = distances.view(np.int32).astype(np.int64) - seen.view(np.int32)
    steps[np.isnan(distances) & np.isnan(seen)] = 0
    return steps.astype(np.int8) if np.abs(steps).max(initial=0) <= 127 else None


def with_ulps(seen: Float32[np.ndarray, "*shape"], ulps: Int8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """The distances that `ulps_between` compared."""
    bits = (seen.view(np.int32) + ulps).astype(np.int32)
    return np.asarray(bits.view(np.float32))


def pack_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """{"anchor", "margin", "z"}: the answer of `anchor_answer` as JSON for the page; `z` is base64 of deflated bytes.

    Where the page sees the plane that was mined, `ulps` travel instead of distances, and `others` are left to it.
    """
    picks, bring, draw = answer["picks"], answer["own_positive"], answer["probabilities"]
    header = {
        "version": VERSION,
        "kind": "answer",
        **{name: answer[name] for name in ("candidates", "candidates_title", "frames")},
        "positive_count": len(answer["positives"]),
        "picking": list(picks),
        "bringing": list(bring),
        "drawing": list(draw),
        "not_applicable": answer["not_applicable"],
        "fallback": {name: text for name, text in answer["fallback"].items() if text},
    }
    small = "i8" if len(answer["candidates"]) <= 128 else "i16"
    empty = np.empty(0)
    sections: dict[str, tuple[str, Any]] = {
        "picks": (small, list(picks.values()) or empty),
        "own_positive": (small, list(bring.values()) or empty),
        "chances": ("u8", list(draw.values()) or empty),
    }
    if answer["ulps"] is not None:
        sections["ulps"] = ("i8", answer["ulps"])
    else:
        sections["distances"] = ("f32", answer["distances"])
        crowd = answer["others"]
        header["others"] = crowd["count"]
        farthest = crowd["ticks"][:, -1] if crowd["ticks"].size else np.zeros(len(answer["frames"]), np.float32)
        kept = spread_ranks(crowd["ticks"].shape[1], TICKS_SENT)
        shares = crowd["ticks"][:, kept] / np.where(farthest > 0, farthest, 1)[:, None]
        # Ticks are faint marks along an axis of a few hundred pixels, so a byte places each well enough; they rise, and
        # their steps deflate to half of that.
        sections["ticks"] = ("u8", np.diff(np.rint(np.nan_to_num(shares.clip(0, 1)) * 255), prepend=0, axis=1))
        sections["hardest"] = ("i32", crowd["hardest"])
        sections["nearest"] = ("f32", crowd["nearest"])
        sections["farthest"] = ("f32", farthest)
        sections["closer"] = ("i32", crowd["closer"])
    if answer["centres"] is not None:
        sections["centre_label"] = ("i32", answer["centres"].labels)
        sections["centre_distance"] = ("f32", answer["centres"].distances)
    if answer["filtered"]:
        header["filtered"] = answer["filtered"]
        sections["floors"] = ("f32", answer["floors"])
    packed = base64.b64encode(zlib.compress(_join(header, sections), 9)).decode("ascii")
    return {"anchor": answer["anchor"], "margin": answer["margin"], "z": packed}


def unpack_answer(packed: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """The answer that was packed, as `anchor_answer` gave it; ticks of `others` come back rounded and fewer.

    Args:
        packed: of `pack_answer`.
        run: whose frames give the distances that were left out.
    """
    header, arrays = _split(zlib.decompress(base64.b64decode(packed["z"])))
    candidates, frames = header["candidates"], header["frames"]
    near = header["positive_count"]
    shape = (len(frames), near)

    def by_strategy(names: list[str], section: str, *shape: int) -> dict[str, np.ndarray]:
        whole = arrays[section].reshape(len(names), *shape)
        return {name: whole[k] for k, name in enumerate(names)}

    answer = {
        "anchor": packed["anchor"],
        "margin": packed["margin"],
        **{name: header[name] for name in ("candidates", "candidates_title", "frames", "not_applicable", "fallback")},
        "positives": candidates[1 : 1 + near],
        "negatives": candidates[1 + near :],
        "picks": by_strategy(header["picking"], "picks", *shape),
        "own_positive": by_strategy(header["bringing"], "own_positive", len(frames)),
        "probabilities": by_strategy(header["drawing"], "chances", *shape, len(candidates) - 1 - near),
        "ulps": arrays.get("ulps"),
        "others": None,
        "centres": None,
        "filtered": header.get("filtered"),
        "floors": arrays.get("floors"),
    }
    if "centre_label" in arrays:
        answer["centres"] = CentreRows(arrays["centre_label"], arrays["centre_distance"])
    if answer["ulps"] is not None:
        members = np.array(candidates, np.int64)
        seen = [plane_distances(run.frames[step], packed["anchor"], members, run.distance) for step in frames]
        answer["distances"] = with_ulps(np.array(seen, np.float32).reshape(answer["ulps"].shape), answer["ulps"])
    else:
        answer["distances"] = arrays["distances"]
        ticks = arrays["ticks"].cumsum(axis=1) / np.float32(255) * arrays["farthest"][:, None]
        crowd = {name: arrays[name] for name in ("hardest", "nearest", "closer")}
        answer["others"] = {"count": header["others"], "ticks": ticks.astype(np.float32), **crowd}
    return answer


def spread_ranks(count: int, most: int) -> list[int]:
    """At most `most` places in a sorted list of `count`, spread evenly, the first and the last among them.

    Example:
        >>> spread_ranks(9, 3), spread_ranks(2, 3), spread_ranks(0, 3)
        ([0, 4, 8], [0, 1], [])
    """
    most = min(most, count)
    return [t * (count - 1) // (most - 1) for t in range(most)] if most > 1 else list(range(most))


def _join(header: Mapping[str, Any], sections: Mapping[str, tuple[str, Any]]) -> bytes:
    places, parts, offset = {}, [], 0
    for name, (dtype, values) in sections.items():
        array = np.ascontiguousarray(values, dtype=DTYPES[dtype])
        raw = array.tobytes()
        raw += b"\0" * (-len(raw) % 4)
        places[name] = {"offset": offset, "dtype": dtype, "shape": list(array.shape)}
        parts.append(raw)
        offset += len(raw)
    text = json.dumps({**header, "sections": places}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % 4)
    return struct.pack("<I", len(text)) + text + b"".join(parts)


def _split(blob: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    (length,) = struct.unpack_from("<I", blob)
    header = json.loads(blob[4 : 4 + length])
    arrays = {}
    for name, place in header["sections"].items():
        shape = tuple(place["shape"])
        start = 4 + length + place["offset"]
        arrays[name] = np.frombuffer(blob, DTYPES[place["dtype"]], math.prod(shape), start).reshape(shape)
    return header, arrays
