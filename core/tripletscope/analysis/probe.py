"""The candidates of an anchor: a P x K batch drawn once from the probe set, the same at every frame.

A strategy chooses among the samples of a batch, so "who would it pick for this anchor?" has an answer only for a
named batch. The recorded batches hold another anchor at every step; this one keeps still while the embedding moves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int64

from tripletscope.seeding import derive_seed
from tripletscope.store.reader import Run
from tripletscope.zones import zone_codes_numpy

#: A run of somebody else's loop does not say how its batches were drawn; then we take the defaults of `train`.
CLASSES_PER_BATCH, SAMPLES_PER_CLASS = 8, 4
#: At step 0 all strategies look alike, at the end all is settled: in between one sees them differ.
_TELLING_STEP = 30


def draw_candidates(
    labels: Int64[np.ndarray, " N"], anchor: int, *, seed: int, classes_per_batch: int, samples_per_class: int
) -> Int64[np.ndarray, " B"]:
    """Probe indices of one P x K batch, the anchor first, then its class, then the other classes by label.

    Args:
        labels: class of each probe sample.
        anchor: probe index of the anchor.
        seed: the run's seed; (seed, anchor) decide the draw.
        classes_per_batch: P; a probe set with fewer classes gives all it has.
        samples_per_class: K; a smaller class gives all it has, and nobody is drawn twice.

    Raises:
        IndexError: when `anchor` is no probe index.

    Example:
        >>> labels = np.repeat(np.arange(3), 5)
        >>> drawn = draw_candidates(labels, 6, seed=0, classes_per_batch=2, samples_per_class=3)
        >>> int(drawn[0]), len(drawn), [int(c) for c in np.unique(labels[drawn], return_counts=True)[1]]
        (6, 6, [3, 3])
    """
    if not 0 <= anchor < len(labels):
        raise IndexError(f"anchor {anchor} is no probe index; the probe set has {len(labels)} samples")
    rng = np.random.default_rng(derive_seed(seed, "probe batch", anchor))
    own = labels[anchor]
    others = np.unique(labels[labels != own])
    classes = np.sort(rng.permutation(others)[: classes_per_batch - 1])
    mates = np.flatnonzero(labels == own)
    mates = mates[mates != anchor]
    parts = [np.array([anchor]), rng.permutation(mates)[: samples_per_class - 1]]
    for label in classes:
        parts.append(rng.permutation(np.flatnonzero(labels == label))[:samples_per_class])
    return np.concatenate(parts).astype(np.int64)


def probe_labels(run: Run) -> Int64[np.ndarray, " N"]:
    """The class of each probe sample."""
    return np.asarray(run.samples.labels[run.probe_rows], dtype=np.int64)


_DRAWN: WeakKeyDictionary[Run, dict[int, np.ndarray]] = WeakKeyDictionary()
_OPENED: WeakKeyDictionary[Run, list[np.ndarray]] = WeakKeyDictionary()


def open_frames(run: Run) -> list[np.ndarray]:
    """The frames of a run in the order of `frame_steps`, (n, D) each, mapped into memory once as long as it is open.

    Opening a file forty times costs more than looking at thirty rows of each; whoever asks about many anchors of a
    run asks here. Only what is looked at is read from the disk.
    """
    if run not in _OPENED:
        _OPENED[run] = [run.frames[step] for step in run.frame_steps]
    return _OPENED[run]


def batch_shape(run: Run) -> tuple[int, int]:
    """(classes per batch, samples per class) that the run trained with; 8 x 4 where it does not say."""
    config = run.config
    places = [config, *(config[key] for key in ("training", "train", "options") if isinstance(config.get(key), dict))]
    found = [CLASSES_PER_BATCH, SAMPLES_PER_CLASS]
    for i, key in enumerate(("classes_per_batch", "samples_per_class")):
        for place in places:
            if isinstance(place.get(key), int) and place[key] > 1:
                found[i] = place[key]
                break
    return found[0], found[1]


def probe_batch(run: Run, anchor: int) -> Int64[np.ndarray, " B"]:
    """Probe indices of the candidates of `anchor`, itself first; the same at every frame and in all runs of a race.

    Args:
        run: gives the seed, the probe set, and the P and K that it trained with.
        anchor: probe index.
    """
    drawn = _DRAWN.setdefault(run, {})
    if anchor not in drawn:  # a search looks at hundreds of anchors again and again
        classes, samples = batch_shape(run)
        drawn[anchor] = draw_candidates(
            probe_labels(run),
            anchor,
            seed=int(run.config.get("seed", 0)),
            classes_per_batch=classes,
            samples_per_class=samples,
        )
    return drawn[anchor].copy()


def distances_from(
    anchor: Float[np.ndarray, " D"], others: Float[np.ndarray, "N D"], distance: str
) -> Float[np.ndarray, " N"]:
    """The named distance from one point to others, by differences; for looking around, without torch.

    Example:
        >>> distances_from(np.array([0.0, 0.0]), np.array([[3.0, 4.0]]), "euclidean").tolist()
        [5.0]
    """
    if distance == "cosine":
        lengths = np.linalg.norm(others, axis=1, keepdims=True)
        anchor, others = anchor / max(np.linalg.norm(anchor), 1e-12), others / np.maximum(lengths, 1e-12)
    squared = np.square(others - anchor).sum(axis=1)
    if distance == "euclidean":
        return np.asarray(np.sqrt(squared))
    return np.asarray(squared / 2 if distance == "cosine" else squared)


def nearest_frame(frames: Sequence[int], step: int) -> int:
    """The last frame at or before `step`; the first when there is none.

    Example:
        >>> nearest_frame([0, 3, 10], 9), nearest_frame([5, 6], 1)
        (3, 5)
    """
    return int(frames[max(bisect_right(list(frames), step) - 1, 0)])


def telling_step(frames: Sequence[int]) -> int:
    """The frame on which a run opens that nobody chose one for.

    Example:
        >>> telling_step([0, 10, 28, 60, 400]), telling_step([0, 2, 4])
        (28, 2)
    """
    return nearest_frame(frames, min(_TELLING_STEP, frames[-1] // 2))


def telling_anchor(run: Run, step: int, *, tries: int = 60) -> tuple[int, int | None]:
    """An anchor and a positive (probe indices) whose negatives lie in all three zones at that frame, most evenly.

    A run of one's own has no opening that somebody chose, and a random anchor often has easy negatives only. `tries`
    anchors, spread over the probe set, are looked at; the first of equals wins. Without any positive: (0, None).
    """
    labels, frame = probe_labels(run), np.asarray(run.frames[step], dtype=np.float32)
    best: tuple[tuple[int, int], int, int | None] = ((-1, 0), 0, None)
    for anchor in np.unique(np.linspace(0, len(labels) - 1, tries).astype(int)).tolist():
        rows = probe_batch(run, anchor)
        d = distances_from(frame[anchor], frame[rows], run.distance)
        negative = labels[rows] != labels[anchor]
        for slot in np.flatnonzero(~negative)[1:]:
            counts = np.bincount(zone_codes_numpy(d[negative] - d[slot], run.margin), minlength=3)
            score = (int(counts.min()), -int(counts.max()))
            if score > best[0]:
                best = (score, anchor, int(rows[slot]))
    return best[1], best[2]
