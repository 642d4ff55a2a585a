"""The maps of a recorded run with their numbers: computed once, kept with the run, found again at once.

Two kinds. "umap" is the layout aligned through time and what it keeps. "own" goes with the map that a run opens with,
the exact plane or the fixed PCA, whose positions cost nothing: it holds what that map keeps, and for every sample how
far it truly moved and how much of its neighbourhood stayed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from tripletscope import datasets
from tripletscope.analysis import aligned_umap
from tripletscope.analysis.fidelity import Fidelity, fidelity, moved_through_time
from tripletscope.analysis.neighbours import neighbours_through_time
from tripletscope.analysis.projection import project
from tripletscope.analysis.work import Progress, ShouldStop, Work
from tripletscope.errors import DataError
from tripletscope.store.reader import Run
from tripletscope.store.views import find_view, is_writable, keep_view, read_view, view_name

Kind = Literal["umap", "own"]
KINDS: tuple[Kind, ...] = ("umap", "own")

#: Grows when the numbers of `Map` are computed in another way.
VERSION = 1
SEED = 0
_MEASURE = 3  # units of work (`Work`) for the numbers of a frame


@dataclass(frozen=True)
class Map:
    """A map of all frames and what is known of it.

    Attributes:
        kind: "umap" or "own".
        steps: of the frames.
        positions: (F, n, 2) of "umap", in a unit that means nothing; None of "own": `projection.project` has them.
        kept: (F,) mean share of the 15 nearest neighbours that are among the 15 nearest on the map.
        trust: (F,) trustworthiness with 15 neighbours.
        moved: (F, n) how far each sample moved in the embedding since the frame before; NaN in the first.
        stayed: (F, n) share of its 15 nearest neighbours that it kept since the frame before (Jaccard); NaN likewise.
        seconds: what it cost, in processor time.
    """

    kind: Kind
    steps: list[int]
    positions: Float32[np.ndarray, "F n 2"] | None
    kept: Float32[np.ndarray, " F"]
    trust: Float32[np.ndarray, " F"]
    moved: Float32[np.ndarray, "F n"]
    stayed: Float32[np.ndarray, "F n"]
    seconds: float

    @property
    def badge(self) -> str:
        """What a map says of itself, before its numbers."""
        return "UMAP, aligned through time" if self.kind == "umap" else "the run's own map"


def kept_map(run: Run, kind: Kind) -> Map | None:
    """The map if it was made before, else None. Reading it imports nothing heavy.

    Example:
        >>> run = Run.open(datasets.sample_data_dir() / "races" / "digits-2d" / "random")
        >>> kept_map(run, "umap") is None
        True
    """
    steps, path = list(run.frame_steps), where_kept(run, kind)
    found = None if path is None else read_view(path)
    if not steps or found is None:
        return None
    shape = (len(steps), len(run.probe_rows))
    wanted = {"kept": shape[:1], "trust": shape[:1], "moved": shape, "stayed": shape}
    wanted |= {"positions": (*shape, 2)} if kind == "umap" else {}
    if any(key not in found or found[key].shape != size for key, size in wanted.items()):
        return None
    arrays: dict[str, Any] = {key: found[key].astype(np.float32) for key in wanted}
    return Map(kind, steps, arrays.pop("positions", None), **arrays, seconds=float(found.get("seconds", np.nan)))


def where_kept(run: Run, kind: Kind) -> Path | None:
    """The file that holds the map, or None."""
    return find_view(run, view_name(run, kind, _parameters(kind)))


def make_map(
    run: Run,
    kind: Kind,
    *,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Map:
    """The map, computed.

    Args:
        run: a recorded run, with at least one frame.
        kind: "umap" or "own".
        progress: called with (done, total).
        should_stop: asked several times a second.

    Raises:
        DataError: the run has no frame, or shows too many samples.
        CancelledError: `should_stop` said so.
    """
    frames, began = _frames(run), time.process_time()
    if not frames:
        raise DataError(f"The run {run.name!r} has no frame yet, so there is no map of it: record a frame first.")
    measuring = _MEASURE * len(frames)
    if kind == "umap":
        told = progress and (lambda done, total: progress(done, total + measuring))
        layout = aligned_umap.align(frames, distance=run.distance, seed=SEED, progress=told, should_stop=should_stop)
        found, positions, stayed = layout.neighbours, layout.positions, layout.stayed
        before = aligned_umap.units(len(frames))
        work = Work(before + measuring, progress, should_stop)
        work.done = before
    else:
        work = Work(len(frames) * aligned_umap.SEARCH + measuring, progress, should_stop)
        found = neighbours_through_time(
            frames, aligned_umap.NEIGHBOURS, run.distance, on_frame=lambda: work.advance(aligned_umap.SEARCH)
        )
        positions = project(frames).positions
        stayed = aligned_umap.stayed_through_time(found, len(frames[0]))
    numbers: list[Fidelity] = []
    for frame, place, near in zip(frames, positions, found, strict=True):
        numbers.append(fidelity(frame, place, distance=run.distance, neighbours=near))
        work.advance(_MEASURE)
    return Map(
        kind=kind,
        steps=list(run.frame_steps),
        positions=positions if kind == "umap" else None,
        kept=np.array([each.kept for each in numbers], np.float32),
        trust=np.array([each.trust for each in numbers], np.float32),
        moved=moved_through_time(frames),
        stayed=stayed,
        seconds=time.process_time() - began,
    )


def keep_map(run: Run, made: Map, *, positions: Any = np.float32, beside: bool | None = None) -> Path:
    """The file that the map is kept in, where `kept_map` finds it.

    That is `views/` in the run's folder; for shipped recordings, and where the folder is read-only, the cache.

    Args:
        run: that the map shows.
        made: the map.
        positions: type of number for the positions on disk.
        beside: in the run's own folder in any case (True), or never (False).
    """
    arrays: dict[str, np.ndarray] = {
        "steps": np.array(made.steps, np.int32),
        "kept": made.kept,
        "trust": made.trust,
        "moved": made.moved.astype(np.float16 if positions == np.float16 else np.float32),
        "stayed": made.stayed.astype(np.float16),
        "seconds": np.array(made.seconds, np.float32),
    }
    if made.positions is not None:
        arrays["positions"] = made.positions.astype(positions)
    if beside is None:
        beside = is_writable(run) and not run.path.resolve().is_relative_to(datasets.sample_data_dir().resolve())
    return keep_view(run, view_name(run, made.kind, _parameters(made.kind)), arrays, beside=beside)


def _parameters(kind: Kind) -> Mapping[str, Any]:
    """Everything but the run that decides a map."""
    parameters = {"version": VERSION, "neighbours": aligned_umap.NEIGHBOURS}
    return {**parameters, "layout": aligned_umap.VERSION, "seed": SEED} if kind == "umap" else parameters


def _frames(run: Run) -> list[np.ndarray]:
    """The run's frames; float16 ones as float32."""
    return [np.asarray(run.frames[step], dtype=np.float32) for step in run.frame_steps]
