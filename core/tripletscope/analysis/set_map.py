"""A whole set on one sheet of paper: PCA in a second, UMAP in minutes, or the file's own places; and what it keeps.

PCA is linear and global: directions of much variance, neighbourhoods mostly lost. UMAP is a sketch of who is near whom,
and its far distances mean nothing. Each map carries a number that says how much of the neighbourhoods it keeps.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from tripletscope.analysis.fidelity import NEIGHBOURS, Fidelity
from tripletscope.analysis.neighbours import DISTANCES
from tripletscope.analysis.work import CancelledError, Progress, ShouldStop
from tripletscope.embeddings.embedding_set import blocks
from tripletscope.errors import DataError, UnknownNameError
from tripletscope.store.cache import keep, kept

SPACES = ("pca", "umap", "own")
#: Grows when a map of the same rows comes out otherwise.
VERSION = 1
#: The axes of PCA are fitted on so many rows, and on so many numbers (512 MiB of float64), at the most.
FITTED_ROWS, FITTED_NUMBERS = 50_000, 2**26
#: Up to so many dimensions all axes are computed; beyond, the first two by iteration.
ALL_AXES = 768
#: UMAP lays out so many rows; of larger sets a sample.
LAID_OUT = 200_000
#: How much a map keeps is measured on so many rows, each against all others: many of a small set, fewer of a large one.
MEASURED = (300, 2_000, 10**8)
_BLOCK = 2**22  # numbers looked at in one go


@dataclass(frozen=True)
class SetMap:
    """Where each row of a set lies on a map, and what is known of the map.

    Attributes:
        space: "pca", "umap" or "own".
        positions: (N, 2); NaN for rows that are not on the map.
        exact: whether distances on the map are the distances of the set.
        explained: share of the variance that a PCA shows (of the directions, with "cosine"); NaN of another map.
        fitted: on how many rows the axes, or the layout, rest.
        kept: mean share of the 15 nearest neighbours that are among the 15 nearest on the map; NaN before `measured`.
        trust: trustworthiness with 15 neighbours, likewise.
        measured: on how many rows these two were measured; 0 = not yet.
        recall: of the neighbours that UMAP was given; 1.0 = exact.
    """

    space: str
    positions: Float32[np.ndarray, "N 2"]
    exact: bool = False
    explained: float = float("nan")
    fitted: int = 0
    kept: float = float("nan")
    trust: float = float("nan")
    measured: int = 0
    recall: float = 1.0

    @property
    def on_map(self) -> Bool[np.ndarray, " N"]:
        """Which rows have a place."""
        return np.asarray(np.isfinite(self.positions).all(axis=1))

    @property
    def badge(self) -> str:
        """What the map says of itself.

        Example:
            >>> SetMap("pca", np.zeros((2, 2), np.float32), explained=0.34, fitted=2).badge
            'PCA, 34% of variance'
        """
        if self.exact:
            return "EXACT: the file's own plane"
        if self.space == "pca":
            return f"PCA, {self.explained:.0%} of variance"
        name = "UMAP" if self.space == "umap" else "The file's own x and y"
        return f"{name}, 15-NN kept {self.kept:.0%}" if np.isfinite(self.kept) else name


def make_map(
    vectors: Float[np.ndarray, "N D"],
    space: str,
    *,
    distance: str = "cosine",
    own: Float[np.ndarray, "N 2"] | None = None,
    most: int = LAID_OUT,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> SetMap:
    """The map, not yet measured (`measured_map`).

    Args:
        vectors: the set's, float16 or float32, finite.
        space: "pca", "umap" or "own".
        distance: "euclidean", "squared-euclidean" or "cosine"; with "cosine" the rows are looked at in length 1.
        own: the file's own x and y, for "own".
        most: UMAP lays out so many rows at the most, drawn by `seed`.
        seed: of that draw and of UMAP.
        threads: for the search of neighbours; they change nothing.
        progress: called with (done, total).
        should_stop: asked now and then.

    Raises:
        UnknownNameError: for another space or distance.
        DataError: for a set without rows, or "own" without own places.
        CancelledError: `should_stop` said so.

    Example:
        >>> line = np.linspace(-1, 1, 5)[:, None] * np.array([[3.0, 0.0, 4.0]])
        >>> shown = make_map(line, "pca", distance="euclidean")
        >>> shown.badge, np.round(np.ptp(shown.positions[:, 0]), 3).item()
        ('PCA, 100% of variance', 10.0)
    """
    if space not in SPACES:
        raise UnknownNameError("space", space, SPACES)
    if distance not in DISTANCES:
        raise UnknownNameError("distance", distance, DISTANCES)
    if not len(vectors) or not vectors.shape[1]:
        raise DataError("There is no row to draw: give at least one row of numbers.")
    if space == "own":
        if own is None:
            raise DataError("The file has no columns x and y: choose the space 'pca' or 'umap'.")
        return SetMap("own", np.asarray(own, np.float32), fitted=len(vectors))
    if space == "pca" or len(vectors) <= NEIGHBOURS + 1:
        return _pca(vectors, distance, seed)
    return _umap(vectors, distance, most, seed, threads, progress, should_stop)


def measured_map(
    made: SetMap,
    vectors: Float[np.ndarray, "N D"],
    *,
    distance: str = "cosine",
    seed: int = 0,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> SetMap:
    """The map with what it keeps, measured on a sample of rows (each against all that are on the map).

    Args:
        made: the map.
        vectors: that it shows.
        distance: as for `make_map`.
        seed: of the sample.
        progress: called with (done, total).
        should_stop: asked now and then.
    """
    there = np.flatnonzero(made.on_map)
    few, many, budget = MEASURED
    count = min(len(there), max(few, min(many, budget // max(len(there), 1))))
    some = np.sort(np.random.default_rng(seed).choice(len(there), count, replace=False))
    found = sampled_fidelity(
        vectors, made.positions, there, some, distance=distance, progress=progress, should_stop=should_stop
    )
    return replace(made, kept=found.kept, trust=found.trust, measured=count)


def sampled_fidelity(
    vectors: Float[np.ndarray, "N D"],
    shown: Float[np.ndarray, "N 2"],
    there: Int[np.ndarray, " P"],
    some: Int[np.ndarray, " m"],
    *,
    distance: str = "cosine",
    k: int = NEIGHBOURS,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Fidelity:
    """What a map keeps of the neighbourhoods of some rows; as `fidelity.fidelity`, whose mean goes over all rows.

    Args:
        vectors: of the set.
        shown: the map.
        there: places of the rows that are on the map.
        some: places in `there` of the rows that are asked.
        distance: of the set.
        k: neighbours.
        progress: called with (done, total).
        should_stop: asked at every block of rows.
    """
    from scipy.spatial import cKDTree

    from tripletscope.analysis.umap_kernel import ranks_beyond

    count = len(there)
    k = min(k, (count - 1) // 2)
    if k < 1 or not len(some):
        return Fidelity(float("nan"), float("nan"))
    spots = np.asarray(shown[there], np.float64)
    if not (spots != spots[0]).any():
        return Fidelity(float("nan"), float("nan"))
    asked = spots[some]
    near = np.atleast_2d(cKDTree(spots).query(asked, k + 1)[1])
    on_map = np.empty((len(some), k), np.int64)
    for line, (row, found) in enumerate(zip(some, near, strict=True)):  # oneself, wherever copies have put it
        on_map[line] = found[found != row][:k]
    step = max(1, min(64, _BLOCK * 8 // count))
    total, agreed = 0.0, 0
    for start in range(0, len(some), step):
        if should_stop is not None and should_stop():
            raise CancelledError
        part = some[start : start + step]
        squared = _squared(vectors, there, part, distance)
        lines = np.arange(len(part))
        squared[lines, part] = np.inf
        nearest = np.argpartition(squared, k - 1, axis=1)[:, :k]
        known = (on_map[start : start + step, :, None] == nearest[:, None, :]).any(axis=2)
        agreed += int(known.sum())
        total += ranks_beyond(squared, part, on_map[start : start + step], known, k)
        if progress is not None:
            progress(min(start + step, len(some)), len(some))
    scale = 2.0 / (len(some) * k * (2 * count - 3 * k - 1))
    return Fidelity(agreed / (len(some) * k), 1.0 - scale * total)


def content_digest(vectors: Float[np.ndarray, "N D"]) -> str:
    """32 hex digits of the vectors alone: a map does not ask who the rows are."""
    made = hashlib.blake2b(f"{vectors.shape} {vectors.dtype.name}".encode(), digest_size=16)
    for block in blocks(vectors):
        made.update(np.ascontiguousarray(block, dtype=vectors.dtype.newbyteorder("<")).data)
    return made.hexdigest()


def find_map(digest: str, space: str, *, distance: str, most: int = LAID_OUT, seed: int = 0) -> SetMap | None:
    """The map that was made before of vectors with that `content_digest`, or None."""
    place = kept("set-maps", _name(digest, space, distance, most, seed))
    if place is None:
        return None
    try:
        with np.load(place, allow_pickle=False) as file:
            numbers = {name: file[name].item() for name in file.files if name != "positions"}
            return SetMap(positions=file["positions"], **numbers)
    except (OSError, ValueError, TypeError, KeyError, EOFError):  # cut short, or written by somebody else
        return None


def keep_map(
    digest: str, made: SetMap, *, distance: str, most: int = LAID_OUT, seed: int = 0, asked: str | None = None
) -> None:
    """Nothing; the map is in the user's cache folder, where `find_map` finds it.

    Args:
        digest: `content_digest` of the vectors.
        made: the map.
        distance: as for `make_map`.
        most: likewise.
        seed: likewise.
        asked: the space that was asked for, where a few rows got a PCA in place of a UMAP.
    """
    body = io.BytesIO()
    numbers = {name: getattr(made, name) for name in made.__dataclass_fields__ if name != "positions"}
    np.savez(body, positions=made.positions, **numbers)
    keep("set-maps", _name(digest, asked or made.space, distance, most, seed), body.getvalue())


def _name(digest: str, space: str, distance: str, most: int, seed: int) -> str:
    more = f"-{most}-{seed}" if space == "umap" else ""
    # PCA and the neighbours of UMAP are the same by squared distance.
    same = "euclidean" if distance == "squared-euclidean" else distance
    return f"{digest}-{space}-{same}{more}-v{VERSION}.npz"


# ---- rows as the distance sees them


def _seen(block: np.ndarray, distance: str) -> Float32[np.ndarray, "b D"]:
    """The rows, at length 1 where the distance looks at directions; a row of zeros stays."""
    rows = np.array(block, dtype=np.float32)
    if distance == "cosine":
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
        rows *= (1 / np.where(lengths > 0, lengths, 1))[:, None].astype(np.float32)
    return rows


def _parts(count: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK // width)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _squared(
    vectors: np.ndarray, there: Int[np.ndarray, " P"], part: Int[np.ndarray, " b"], distance: str
) -> Float32[np.ndarray, "b P"]:
    """Squared distances of some rows to all that are on the map, less the asked row's own length."""
    asked = _seen(vectors[there[part]], distance)
    middle = asked.mean(axis=0)
    asked -= middle
    made = np.empty((len(part), len(there)), np.float32)
    whole = len(there) == len(vectors)
    for piece in _parts(len(there), vectors.shape[1]):
        rows = _seen(vectors[piece] if whole else vectors[there[piece]], distance) - middle
        made[:, piece] = asked @ rows.T
        made[:, piece] *= -2
        made[:, piece] += np.einsum("nd,nd->n", rows, rows)
    return made


# ---- PCA


def _pca(vectors: np.ndarray, distance: str, seed: int) -> SetMap:
    count, dim = vectors.shape
    if dim <= 2 and distance != "cosine":
        flat = np.zeros((count, 2), np.float32)
        flat[:, :dim] = vectors
        return SetMap("pca", flat, exact=True, explained=1.0, fitted=count)
    fitted = min(count, FITTED_ROWS, max(1_000, FITTED_NUMBERS // dim))
    rows = np.sort(np.random.default_rng(seed).choice(count, fitted, replace=False)) if fitted < count else slice(None)
    mean, axes, explained = _axes(_seen(vectors[rows], distance))
    made = np.empty((count, 2), np.float32)
    for piece in _parts(count, dim):
        made[piece] = (_seen(vectors[piece], distance) - mean.astype(np.float32)) @ axes.astype(np.float32)
    return SetMap("pca", made, explained=explained, fitted=fitted)


def _axes(rows: Float32[np.ndarray, "n D"]) -> tuple[Float64[np.ndarray, " D"], Float64[np.ndarray, "D 2"], float]:
    """(mean, the two leading axes, their share of the variance). Their signs are the same on every machine."""
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows.astype(np.float64) - mean
    dim = centred.shape[1]
    reach = float(np.abs(centred).max(initial=0))
    if reach == 0:
        return mean, np.eye(dim, 2), 1.0
    centred /= reach
    whole = float(np.einsum("nd,nd->", centred, centred))
    if dim == 1:
        return mean, np.array([[1.0, 0.0]]), 1.0
    if dim <= ALL_AXES:
        values, found = np.linalg.eigh(centred.T @ centred)
    else:
        values, found = _leading(centred)
    axes = found[:, [-1, -2]]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    return mean, axes, min(float(values[[-1, -2]].clip(min=0).sum() / whole), 1.0)


def _leading(centred: Float64[np.ndarray, "n D"]) -> tuple[Float64[np.ndarray, " 2"], Float64[np.ndarray, "D 2"]]:
    """(the two largest eigenvalues of X'X, ascending, and their vectors), by subspace iteration with a fixed start."""
    basis = np.linalg.qr(centred.T @ np.random.default_rng(0).normal(size=(len(centred), 12)))[0]
    values = np.zeros(2)
    for _ in range(100):
        basis, before = np.linalg.qr(centred.T @ (centred @ basis))[0], values
        inner = centred @ basis
        all_values, turned = np.linalg.eigh(inner.T @ inner)
        values = all_values[-2:]
        if np.allclose(values, before, rtol=1e-7, atol=0):
            break
    return values, basis @ turned[:, -2:]


# ---- UMAP


def epochs(count: int) -> int:
    """How often UMAP goes over its edges: fewer times where there are more rows, for as good a picture."""
    return 500 if count <= 10_000 else 200 if count <= 50_000 else 100 if count <= 200_000 else 50


def _umap(
    vectors: np.ndarray,
    distance: str,
    most: int,
    seed: int,
    threads: int,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> SetMap:
    count = len(vectors)
    rows: Any = np.sort(np.random.default_rng(seed).choice(count, most, replace=False)) if count > most else None
    part = vectors if rows is None else vectors[rows]
    share = _Shares(progress, should_stop)
    from tripletscope.mining.graph import neighbour_graph

    # UMAP counts the row itself as its first neighbour.
    near, far, recall = neighbour_graph(
        part, NEIGHBOURS - 1, distance=distance, seed=seed, threads=threads, progress=share.of(0.0, 0.45)
    )
    index = np.concatenate([np.arange(len(part), dtype=near.dtype)[:, None], near], axis=1)
    lengths = np.concatenate([np.zeros((len(part), 1), np.float32), far], axis=1)
    start = _pca(part, distance, seed).positions
    share.of(0.0, 1.0)(46, 100)
    laid = _laid_out(index, lengths, start, seed, share.of(0.5, 1.0))
    if rows is None:
        return SetMap("umap", laid, fitted=count, recall=float(recall))
    spread = np.full((count, 2), np.nan, np.float32)
    spread[rows] = laid
    return SetMap("umap", spread, fitted=most, recall=float(recall))


class _Shares:
    """Tells the progress of each part of the work as that of the whole, and ends it when asked."""

    def __init__(self, progress: Progress | None, should_stop: ShouldStop | None) -> None:
        self._progress, self._should_stop = progress, should_stop

    def of(self, first: float, last: float) -> Progress:
        def told(done: int, total: int) -> None:
            if self._should_stop is not None and self._should_stop():
                raise CancelledError
            if self._progress is not None:
                self._progress(round(1000 * (first + (last - first) * done / max(total, 1))), 1000)

        return told


class _Told(io.TextIOBase):
    """Where UMAP's own bar writes: each line is "done/total"."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str) -> int:
        """How much was written; tells the progress, and lets what that raises end the layout."""
        done, slash, total = text.strip().partition("/")
        if slash and done.isdigit() and total.isdigit():
            self._progress(int(done), int(total))
        return len(text)


def _laid_out(
    index: np.ndarray, lengths: np.ndarray, start: Float32[np.ndarray, "N 2"], seed: int, progress: Progress
) -> Float32[np.ndarray, "N 2"]:
    """Places of the rows by umap-learn, from a graph and a first picture; one thread and one seed, so always the same.

    With both given, umap-learn looks at the rows for nothing but their number, so it gets the picture in their place.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that new rows could not be added, and that a seed costs threads
        from umap import UMAP

        layout = UMAP(
            n_neighbors=index.shape[1],
            n_epochs=epochs(len(index)),
            init=start.astype(np.float64),
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(index.astype(np.int64), lengths.astype(np.float32)),
            force_approximation_algorithm=True,
            tqdm_kwds={
                "disable": False,
                "file": _Told(progress),
                "bar_format": "{n_fmt}/{total_fmt}\n",
                "mininterval": 0.1,
            },
        )
        with contextlib.redirect_stdout(io.StringIO()):
            found: Float32[np.ndarray, "N 2"] = np.asarray(layout.fit_transform(start), dtype=np.float32)
    return found
