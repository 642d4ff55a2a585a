"""A run as one block of bytes for the browser: every frame, the thumbnails, the curves.

Layout: u32 little-endian length of the header, the header (JSON, padded with spaces so that what follows is aligned
to 4 bytes), then the sections, each padded to 4 bytes. Offsets count from the first section. The browser reads the
arrays in place, and plays the whole run without asking again.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from tripletscope.analysis.centres import frame_centres
from tripletscope.analysis.probe import probe_labels
from tripletscope.analysis.projection import Projection, fixed_view, project
from tripletscope.mining import filters
from tripletscope.store.reader import TRUTH_SHARES, Run

VERSION = 1
_DTYPES = {"f32": np.dtype("<f4"), "i32": np.dtype("<i4"), "u16": np.dtype("<u2"), "u8": np.dtype("u1")}
_RULER_SAMPLE = 256  # samples whose 32,640 pairwise distances decide the ruler: p99.5 rests on the 160 largest

#: The curves that the screen can draw, by their names in `Run.series`.
SERIES = (
    "loss",
    "spread",
    "recall_at_1",
    "violating_share",
    "hard_share",
    "semi_hard_share",
    "easy_share",
    "mined",
    "eligible",
    "active_share",
    "abstained",
    "mined_share",
    "r_precision",
    "map_at_r",
    "frame_spread",
)

#: Those of a run that knows the true labels: shares of a step's picks, and of the picks of TREND steps up to it. A step
#: has a few dozen picks and perhaps two false ones, so a line through single steps is mostly chance.
TRUTH_SERIES = (*TRUTH_SHARES, *(name.replace("_share", "_trend") for name in TRUTH_SHARES))
TREND = 20
#: Those of a run that was filtered: triplets that were no candidates, and pairs without any.
FILTER_SERIES = ("filtered", "filtered_pairs")


@dataclass(frozen=True)
class Scale:
    """What stays fixed on screen for all runs of a race, so that a switch of run moves points and not axes.

    Attributes:
        centre: of the map, in the unit of the embedding.
        extent: half the side of the map.
        ruler_max: right end of the ruler, in the unit of the distance.
    """

    centre: tuple[float, float]
    extent: float
    ruler_max: float

    def doubled(self) -> Scale:
        """The next larger scale of a few: that of a race that is being recorded grows by doubling, and rests between.

        The middle rests on a grid of quarters of the map.

        Example:
            >>> Scale((0.1, -0.2), 0.7, 1.3).doubled()
            Scale(centre=(0.0, -0.25), extent=1.0, ruler_max=2.0)
        """
        extent = 2.0 ** math.ceil(math.log2(self.extent))
        while True:
            x, y = (round(part / (extent / 4)) * (extent / 4) for part in self.centre)
            if self.extent + max(abs(self.centre[0] - x), abs(self.centre[1] - y)) <= extent:
                return Scale((x, y), extent, 2.0 ** math.ceil(math.log2(self.ruler_max)))
            extent *= 2


def projection_of(run: Run) -> Projection:
    """The run's frames in the plane."""
    return project([np.asarray(run.frames[step], dtype=np.float32) for step in run.frame_steps])


def is_normalized(run: Run) -> bool:
    """Whether every embedding of the last frame has length 1, to within a thousandth."""
    if not run.frame_steps:
        return False
    lengths = np.linalg.norm(np.asarray(run.frames[run.frame_steps[-1]], dtype=np.float64), axis=1)
    return bool(np.all(np.abs(lengths - 1) < 1e-3))


def ruler_max(run: Run) -> float:
    """Right end of the ruler: the largest possible distance on the unit sphere, else p99.5 over the last three frames.

    The three last frames are the finished run, or as far as it got. Pairs come from at most 256 evenly spaced
    samples, so the number depends on the run alone.
    """
    distance = run.distance
    if distance == "cosine":
        return 2.0
    if is_normalized(run):
        return 4.0 if distance == "squared-euclidean" else 2.0
    highest = 0.0
    for step in run.frame_steps[-3:]:
        frame = np.asarray(run.frames[step], dtype=np.float64)
        some = frame[np.linspace(0, len(frame) - 1, min(len(frame), _RULER_SAMPLE)).astype(int)]
        some = some[np.isfinite(some).all(1)]
        if len(some) < 2:
            continue
        norms = (some**2).sum(1)
        squared = (norms[:, None] + norms[None, :] - 2 * some @ some.T).clip(min=0)
        reach = float(np.percentile(squared[np.triu_indices(len(some), 1)], 99.5))
        highest = max(highest, reach if distance == "squared-euclidean" else math.sqrt(reach))
    return highest or run.margin


def race_scale(runs: Sequence[Run], projections: Sequence[Projection]) -> Scale:
    """One scale for all runs of a race; learned centres of classes lie on the map, too."""
    boxes = [projection.box for projection in projections if len(projection.positions)]
    for run, projection in zip(runs, projections, strict=True):
        places = centre_places(run, projection)
        if places is not None and np.isfinite(places).any():
            low, high = np.nanmin(places, axis=(0, 1)), np.nanmax(places, axis=(0, 1))
            boxes.append((float(low[0]), float(high[0]), float(low[1]), float(high[1])))
    centre, extent = fixed_view(boxes)
    margin = max((run.margin for run in runs), default=1.0)
    return Scale(centre, extent, max([ruler_max(run) for run in runs] + [1.5 * margin]))


def centre_places(run: Run, projection: Projection) -> Float32[np.ndarray, "F C 2"] | None:
    """Where the learned centre of each class lies on the map at every frame; None for a run that learned none."""
    centres = frame_centres(run)
    return None if centres is None else projection.place(centres)


def own_loss(run: Run) -> dict[str, str] | None:
    """{name, title} of the loss that the run trained with, where it is not the triplet loss, or nobody says which."""
    told = run.config.get("loss")
    if not isinstance(told, dict) or not isinstance(told.get("name"), str) or told["name"] == "triplet":
        return None
    return {"name": told["name"], "title": str(told.get("title") or told["name"])}


def is_filtered(run: Run) -> bool:
    """Whether negatives were taken from what trained; by the trainer's filters, or by those of a loop of one's own."""
    return bool(run.filters) or any("filtered" in line for line in run.lines)


def opening_zoom(projection: Projection, frame: int, scale: Scale) -> float:
    """How far to zoom in so that the middle 98 % of that frame, on either axis, fill the map; at least 1."""
    if not len(projection.positions):
        return 1.0
    points = projection.positions[frame].astype(np.float64)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return 1.0
    reach = float(np.ptp(np.quantile(points, [0.01, 0.99], axis=0), axis=0).max()) / 2
    return max(1.0, min(scale.extent / (1.2 * reach), 64.0)) if reach > 0 else 1.0


def pack_run(run: Run, projection: Projection | None = None, scale: Scale | None = None) -> tuple[str, bytes]:
    """(digest, bytes) of a run. The digest names the content, so the same run is the same digest everywhere.

    Args:
        run: a recorded run.
        projection: of its frames, when it is known already.
        scale: of its race; its own when left out.
    """
    projection = projection_of(run) if projection is None else projection
    scale = race_scale([run], [projection]) if scale is None else scale
    rows = np.asarray(run.probe_rows)
    samples = run.samples
    sprite, thumb = sprite_sheet(samples.thumbs, rows)
    series = SERIES if run.true_labels is None else (*SERIES, *TRUTH_SERIES)
    sections = {
        "pos": ("f32", projection.positions),
        "row": ("i32", rows),
        "label": ("u16", probe_labels(run)),
    }
    table = [run.series(SERIES)]
    if run.true_labels is not None:
        sections["truth"] = ("u16", run.true_labels[rows])
        table += [run.series(TRUTH_SHARES), truth_trends(run)]
    if is_filtered(run):
        series = (*series, *FILTER_SERIES)
        table.append(run.series(FILTER_SERIES))
    sections["series"] = ("f32", np.concatenate(table))
    if sprite is not None:
        sections["sprite"] = ("u8", np.frombuffer(sprite, dtype=np.uint8))
    centres = centre_places(run, projection)
    if centres is not None:
        sections["class_centres"] = ("f32", centres)
    ids = None
    if not (isinstance(samples.ids, np.ndarray) and np.array_equal(samples.ids[rows], rows)):
        ids = [str(samples.ids[int(row)]) for row in rows]
    strategy = run.training or "own"
    titles = {record["name"]: record["title"] for record in run.config.get("strategies", [])}
    header = {
        "version": VERSION,
        "name": run.name,
        "strategy": strategy,
        "strategy_title": titles.get(strategy, "Own picks" if strategy == "own" else strategy),
        "n": len(rows),
        "dims": 2,
        "frames": run.frame_steps,
        "steps": run.steps,
        "class_names": list(samples.class_names),
        "margin": run.margin,
        "distance": run.distance,
        "distance_title": run.distance,
        "soft_margin": bool(option(run, "soft_margin", False)),
        "normalized": is_normalized(run),
        "exact": projection.exact,
        "badge": projection.badge,
        "state_text": run.state_text,
        "ruler_max": scale.ruler_max,
        "extent": scale.extent,
        "centre": list(scale.centre),
        "ids": ids,
        "texts": None if samples.texts is None else [samples.texts[int(row)] for row in rows],
        "thumb": thumb,
        "series_names": list(series),
    }
    loss = own_loss(run)
    if loss is not None:
        header["loss"] = loss
    if is_filtered(run):
        header["filter"] = filters.in_words(run.filters)
    return join(header, sections)


def truth_trends(run: Run, steps: int = TREND) -> Float32[np.ndarray, "K S"]:
    """The shares of `TRUTH_SHARES` over the picks of the last steps up to each step, as one share of all these picks.

    NaN where these steps have no picks, or the step itself was not recorded (the closing frame).
    """
    table = np.full((len(TRUTH_SHARES), len(run.lines)), np.nan, np.float32)
    for k, (part, whole) in enumerate(TRUTH_SHARES.values()):
        counts = run.series([part, whole])
        there = np.isfinite(counts).all(axis=0)
        sums = np.cumsum(np.where(there, counts, 0), axis=1, dtype=np.float64)
        sums[:, steps:] -= sums[:, :-steps].copy()
        np.divide(sums[0], sums[1], out=table[k], where=there & (sums[1] > 0), casting="same_kind")
    return table


def option(run: Run, name: str, default: Any) -> Any:
    """A setting of the trainer, wherever config.json keeps it; `default` in somebody else's run."""
    config = run.config
    for place in (config, *(value for value in config.values() if isinstance(value, dict))):
        if name in place:
            return place[name]
    return default


def sprite_sheet(thumbs: np.ndarray | None, rows: np.ndarray) -> tuple[bytes | None, dict[str, Any] | None]:
    """The thumbnails of those rows as one PNG, row-major in a nearly square grid, and how to cut it."""
    if thumbs is None or not len(rows):
        return None, None
    from PIL import Image

    some = np.asarray(thumbs)[rows]
    height, width = some.shape[1:3]
    columns = math.ceil(math.sqrt(len(some)))
    lines = math.ceil(len(some) / columns)
    sheet = np.zeros((lines * columns, *some.shape[1:]), np.uint8)
    sheet[: len(some)] = some
    grid = sheet.reshape(lines, columns, *some.shape[1:]).swapaxes(1, 2)
    picture = grid.reshape(lines * height, columns * width, *some.shape[3:])
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=3)
    return out.getvalue(), {"width": width, "height": height, "columns": columns, "pixelated": max(width, height) <= 16}


def join(
    header: Mapping[str, Any], sections: Mapping[str, tuple[str, np.ndarray]], digest: str | None = None
) -> tuple[str, bytes]:
    """(digest, bytes) of a block in the layout above.

    Args:
        header: what JSON can hold; its "sections" and "digest" are written here.
        sections: name -> (dtype out of f32, i32, u16, u8, array).
        digest: of the run that the block is about; the block's own when left out.
    """
    places, parts, offset = {}, [], 0
    for name, (dtype, array) in sections.items():
        raw = np.ascontiguousarray(array, dtype=_DTYPES[dtype]).tobytes()
        places[name] = {"offset": offset, "dtype": dtype, "shape": list(array.shape)}
        raw += b"\0" * (-len(raw) % 4)
        parts.append(raw)
        offset += len(raw)
    header = {**header, "sections": places}
    body = b"".join(parts)
    if digest is None:
        digest = hashlib.blake2b(json.dumps(header, sort_keys=True).encode() + body, digest_size=12).hexdigest()
    text = json.dumps({**header, "digest": digest}, allow_nan=False, ensure_ascii=False).encode()
    text += b" " * (-(4 + len(text)) % 4)
    return digest, struct.pack("<I", len(text)) + text + body


def unpack(blob: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(header, arrays by section) of packed bytes: what the browser reads, for tests and notebooks."""
    (length,) = struct.unpack_from("<I", blob)
    header = json.loads(blob[4 : 4 + length])
    arrays = {}
    for name, place in header["sections"].items():
        dtype, shape = _DTYPES[place["dtype"]], tuple(place["shape"])
        start = 4 + length + place["offset"]
        arrays[name] = np.frombuffer(blob, dtype, math.prod(shape), start).reshape(shape)
    return header, arrays
