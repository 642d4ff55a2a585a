"""Sets with faults that are known: what the checks find can be counted against what was planted.

`plant` takes any labelled set and returns a flawed one with its truth. The set that comes along, `flawed_set()`, is the
digits of scikit-learn with all kinds of faults.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Int64, UInt8

from tripletscope import datasets
from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import DataError, SettingError
from tripletscope.inspection.finding import Finding
from tripletscope.inspection.graph import neighbour_graph, unit_rows

#: Points between classes that a hub may be planted at.
_HUB_TRIES = 300
#: Steps that an outlier walks away in.
_OUTLIER_TRIES = 40

#: Which check should find what was planted under that name.
FOUND_BY = {
    "wrong_labels": "suspicious-labels",
    "cross_duplicates": "cross-class-duplicates",
    "duplicates": "exact-duplicates",
    "near_duplicates": "near-duplicates",
    "hub": "hubs",
    "outliers": "outliers",
    "leaks": "leaks",
}


@dataclass(frozen=True)
class Planted:
    """A flawed set and what is wrong with it.

    Attributes:
        set: rows of the sound set in their order, then the rows that were added.
        truth: name of the fault (see `FOUND_BY`) -> places of the rows planted with it, ascending.
        sources: for each row the place of the row in the sound set that it copies or is; -1 for a made-up row.
    """

    set: EmbeddingSet
    truth: Mapping[str, Int64[np.ndarray, " M"]]
    sources: Int64[np.ndarray, " N"]


def plant(
    sound: EmbeddingSet,
    *,
    wrong_labels: int = 0,
    cross_duplicates: int = 0,
    duplicates: int = 0,
    near_duplicates: int = 0,
    hub: int = 0,
    outliers: int = 0,
    leaks: int = 0,
    jitter: float = 0.1,
    strength: float = 2.0,
    distance: str = "euclidean",
    seed: int = 0,
) -> Planted:
    """A copy of the set with so many rows of each fault; the sound set is left as it was.

    No row gets two faults. Copies are moved in a random direction by `jitter` times the median distance of a row to its
    nearest neighbour.

    Args:
        sound: a labelled set of two classes or more.
        wrong_labels: rows that get another class, drawn evenly.
        cross_duplicates: added copies, moved a little, under another class.
        duplicates: added copies, number for number, of the same class.
        near_duplicates: added copies, moved a little, of the same class.
        hub: added rows in the midst of classes, under another: the nearest negative of as many rows of several classes
            as can be. In a set whose classes are small and lie apart there is no such place.
        outliers: added rows in random directions, `strength` times as far from their nearest neighbour as rows are
            from their fifth.
        leaks: added copies, moved a little, that stand in the split "test"; all other rows stand in "train".
        jitter: of the copies.
        strength: of the outliers.
        distance: hubs and outliers are some in this distance; with "cosine" all rows come back at length 1.
        seed: of all draws.

    Raises:
        SettingError: more faults than the set has rows, or fewer than two classes.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sound = EmbeddingSet(
        ...     name="heaps", vectors=rng.normal(size=(40, 8)).astype(np.float32), ids=np.arange(40),
        ...     labels=np.repeat([0, 1], 20), class_names=["a", "b"],
        ... )
        >>> flawed = plant(sound, wrong_labels=2, duplicates=3)
        >>> len(flawed.set), flawed.truth["duplicates"].tolist(), len(flawed.truth["wrong_labels"])
        (43, [40, 41, 42], 2)
    """
    labels, classes = sound.labels.astype(np.int64).copy(), len(sound.class_names)
    known = np.flatnonzero(labels >= 0)
    needed = wrong_labels + cross_duplicates + duplicates + near_duplicates + leaks
    if needed > len(known) or classes < 2:
        raise SettingError(
            f"{needed:,} faults cannot be planted in {len(known):,} labelled rows of {classes:,} "
            "classes: plant fewer, in "
            "two classes or more."
        )
    rng = np.random.default_rng(seed)
    drawn = iter(
        np.split(
            rng.permutation(known)[:needed], np.cumsum([wrong_labels, cross_duplicates, duplicates, near_duplicates])
        )
    )
    vectors = unit_rows(sound.vectors) if distance == "cosine" else sound.vectors.astype(np.float64)
    graph = neighbour_graph(vectors, labels, k=5, distance="euclidean")
    usual = float(np.median(graph.distance[:, 0]))
    truth: dict[str, np.ndarray] = {"wrong_labels": np.sort(next(drawn))}
    labels[truth["wrong_labels"]] = _another(labels[truth["wrong_labels"]], classes, rng)

    added: list[np.ndarray] = []
    classes_of: list[np.ndarray] = []
    sources: list[np.ndarray] = [np.arange(len(sound))]

    def add(fault: str, rows: np.ndarray, of: np.ndarray, source: np.ndarray) -> None:
        start = len(sound) + sum(map(len, added))
        truth[fault] = np.arange(start, start + len(rows))
        added.append(rows)
        classes_of.append(of)
        sources.append(source)

    for fault, shift, moved in (
        ("cross_duplicates", True, jitter),
        ("duplicates", False, 0.0),
        ("near_duplicates", False, jitter),
        ("leaks", False, jitter),
    ):
        rows = next(drawn)
        of = sound.labels[rows].astype(np.int64)
        step = _directions(len(rows), sound.dim, rng) * (moved * usual)
        add(fault, vectors[rows] + step, _another(of, classes, rng) if shift else of, rows)
    flawed_graph = neighbour_graph(vectors, labels, k=1, distance="euclidean")  # wrong labels are near negatives too
    add("hub", *_hubs(vectors, sound, hub, flawed_graph.d_negative.astype(np.float64), distance, rng))
    away = _outliers(vectors, outliers, strength * float(np.median(graph.distance[:, -1])), distance, rng)
    add("outliers", away, rng.integers(0, classes, outliers), np.full(outliers, -1))

    whole = np.concatenate([vectors, *added])
    if distance == "cosine":
        whole = unit_rows(whole)
    all_sources = np.concatenate(sources).astype(np.int64)
    splits = np.zeros(len(whole), np.int32)
    splits[truth["leaks"]] = 1
    ids = np.array([*(str(one) for one in sound.ids.tolist()), *(_added_ids(truth, sound))], dtype=object)
    texts = None
    if sound.texts is not None:
        texts = [sound.texts[source] if source >= 0 else "" for source in all_sources.tolist()]
    flawed = EmbeddingSet(
        name=f"{sound.name}, flawed",
        vectors=whole.astype(sound.vectors.dtype),
        ids=ids,
        labels=np.concatenate([labels, *classes_of]).astype(np.int32),
        class_names=sound.class_names,
        texts=texts,
        splits=splits if leaks else None,
        split_names=["train", "test"] if leaks else [],
    )
    return Planted(flawed, truth, all_sources)


def _another(labels: Int64[np.ndarray, " M"], classes: int, rng: np.random.Generator) -> Int64[np.ndarray, " M"]:
    """For each label another one, drawn evenly."""
    return (labels + rng.integers(1, classes, len(labels))) % classes


def _directions(count: int, dim: int, rng: np.random.Generator) -> Float64[np.ndarray, "M D"]:
    found = rng.normal(size=(count, dim))
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-300))


def _hubs(
    vectors: Float64[np.ndarray, "N D"],
    sound: EmbeddingSet,
    count: int,
    far: Float64[np.ndarray, " N"],
    distance: str,
    rng: np.random.Generator,
) -> tuple[Float64[np.ndarray, "M D"], Int64[np.ndarray, " M"], Int64[np.ndarray, " M"]]:
    """Centres of classes, or between two of them, that come nearer to most rows than their nearest negative."""
    classes = len(sound.class_names)
    centres = np.stack(
        [vectors[sound.labels == label].mean(axis=0) for label in range(classes) if (sound.labels == label).any()]
    )
    pairs = rng.integers(0, len(centres), (_HUB_TRIES, 2))
    tried = np.concatenate([centres, centres[pairs].mean(axis=1), vectors.mean(axis=0, keepdims=True)])
    if distance == "cosine":
        tried = unit_rows(tried)
    rows: list[np.ndarray] = []
    own: list[int] = []
    far = far.copy()
    for _ in range(count):
        meets = np.stack([np.linalg.norm(vectors - place, axis=1) < far for place in tried])
        kinds = np.stack([np.bincount(sound.labels[one & (sound.labels >= 0)], minlength=classes) for one in meets])
        best = int(np.argmax(kinds.sum(axis=1) - kinds.max(axis=1)))  # many, and not all of one class
        rows.append(tried[best])
        # Its class is the one that loses the fewest anchors by it: rows of its own class do not meet it.
        own.append(int(np.argmin(kinds[best])))
        met = meets[best] & (sound.labels != own[-1])
        far[met] = np.linalg.norm(vectors[met] - tried[best], axis=1)
    return np.reshape(rows, (count, vectors.shape[1])), np.array(own, np.int64), np.full(count, -1)


def _outliers(
    vectors: Float64[np.ndarray, "N D"], count: int, radius: float, distance: str, rng: np.random.Generator
) -> Float64[np.ndarray, "M D"]:
    """Rows at about that distance from their nearest row, in random directions; on the sphere as far as it goes."""
    found = np.zeros((count, vectors.shape[1]))
    for place in range(count):
        start = vectors[rng.integers(len(vectors))]
        best = -1.0
        for away in radius * 1.1 ** np.arange(_OUTLIER_TRIES):
            row = start + away * _directions(1, vectors.shape[1], rng)[0]
            if distance == "cosine":
                row /= np.linalg.norm(row)
            alone = float(np.linalg.norm(vectors - row, axis=1).min())
            if alone > best:
                best, found[place] = alone, row
            if alone >= radius:
                break
    return found


def _added_ids(truth: Mapping[str, np.ndarray], sound: EmbeddingSet) -> list[str]:
    taken = {str(one) for one in sound.ids.tolist()}
    names: list[str] = []
    for _ in range(sum(len(rows) for fault, rows in truth.items() if fault != "wrong_labels")):
        number = len(names)
        while f"added-{number}" in taken:  # a set that was flawed before
            number += 1
        names.append(f"added-{number}")
        taken.add(names[-1])
    return names


@dataclass(frozen=True)
class PixelPictures:
    """Pictures that are held as pixels: (N, height, width) uint8 in grey, or with a last axis of 3 in colour.

    Example:
        >>> PixelPictures(np.zeros((3, 8, 8), np.uint8)).take(np.array([2])).bytes_of(0)[1:4]
        b'PNG'
    """

    pixels: UInt8[np.ndarray, "N height width *colour"]

    def bytes_of(self, row: int) -> bytes | None:
        """That row's picture as a PNG file."""
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(self.pixels[row]).save(out, "PNG")
        return out.getvalue()

    def take(self, rows: Int[np.ndarray, " M"]) -> PixelPictures:
        """The pictures of those rows, in that order."""
        return PixelPictures(self.pixels[rows])


@dataclass(frozen=True)
class Score:
    """How well a check found what was planted: precision and recall over rows; NaN where they have no meaning."""

    planted: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the found rows that were planted."""
        return self.right / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the planted rows that were found."""
        return self.right / self.planted if self.planted else float("nan")


def score(planted: Planted, fault: str, finding: Finding | Int[np.ndarray, " M"] | None) -> Score:
    """Precision and recall of a finding, or of anybody's list of rows, on the rows of that fault.

    A pair counts by its planted half: the row that was copied is no false alarm. Under "wrong_labels"
    other rows with a wrong label are none either: copies under another class, hubs, outliers.
    """
    truth = planted.truth[fault]
    right = set(truth.tolist())
    excused = set(planted.sources[truth].tolist())
    if fault == "wrong_labels":
        excused = set(
            np.concatenate(
                [planted.truth["cross_duplicates"], planted.truth["hub"], planted.truth["outliers"]]
            ).tolist()
        )
    if fault == "hub":  # a row under a wrong label, or a copy under another, is the nearest negative of its whole class
        excused = set(np.concatenate([planted.truth["wrong_labels"], planted.truth["cross_duplicates"]]).tolist())
        excused |= set(planted.sources[planted.truth["cross_duplicates"]].tolist())
    if fault in ("near_duplicates", "leaks", "cross_duplicates"):
        for kin in ("near_duplicates", "leaks", "cross_duplicates", "duplicates"):
            excused |= set(planted.truth[kin].tolist()) - right
    found = finding.rows if isinstance(finding, Finding) else finding
    rows = set() if found is None else set(found.tolist())
    hits = len(rows & right)
    return Score(len(right), hits + len(rows - right - excused), hits)


def flawed_set() -> Planted:
    """The flawed set that comes along: digits with wrong labels, duplicates, a hub, outliers and leaks.

    Raises:
        DataError: when it is not where tripletscope was installed.

    Example:
        >>> flawed = flawed_set()
        >>> sorted(flawed.truth)[:3], flawed.set.dim
        (['cross_duplicates', 'duplicates', 'hub'], 64)
    """
    path = datasets.sample_data_dir() / "flawed" / "digits.npz"
    if not path.exists():
        raise DataError(f"{path} is missing: install tripletscope again.")
    with np.load(path, allow_pickle=False) as opened:
        held = {name: opened[name] for name in opened.files}
    told = json.loads((path.parent / "truth.json").read_text(encoding="utf-8"))
    given = EmbeddingSet(
        name="digits, flawed",
        vectors=held["embeddings"],
        ids=held["ids"].astype(object),
        labels=held["labels"].astype(np.int32),
        class_names=[str(one) for one in held["class_names"]],
        pictures=PixelPictures(held["images"]),
        splits=held["split"].astype(np.int32),
        split_names=[str(one) for one in held["split_names"]],
    )
    place = {one: row for row, one in enumerate(given.ids.tolist())}
    truth = {fault: np.array([place[one] for one in ids], np.int64) for fault, ids in told["truth"].items()}
    return Planted(given, truth, np.array(told["sources"], np.int64))
