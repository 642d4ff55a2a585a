"""Faces without a person behind them: the same emoji, drawn by several hands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from tripletscope.datasets.base import DATASETS, DataSet, Dial, join_spec, sample_data_dir
from tripletscope.readers.archive import read_archive
from tripletscope.samples import LabelledData, Samples

#: So many styles there are; not every emoji is drawn in all of them.
STYLES = 6


def emoji_faces(*, complete: int = 0) -> LabelledData:
    """855 drawings of 149 face emoji, each in 4 to 6 styles, 48 x 48 pixels in colour.

    Args:
        complete: only so many of the 113 emoji that are drawn in all six styles, evenly spaced among them; 0: all.

    Source: Noto Emoji, Twemoji and Fluent Emoji; how the file was made is told in sample_data/README.md.

    Example:
        >>> len(emoji_faces(complete=66))
        396
        >>> emoji_faces().samples.id_of(0)
        'japanese_ogre/noto'
    """
    path = sample_data_dir() / "emoji_faces.npz"
    data = read_archive(path)
    with np.load(path, allow_pickle=False) as opened:
        styles = opened["style_names"][opened["style"]]
    ids = [f"{data.samples.class_of(row)}/{style}" for row, style in enumerate(styles)]
    named = replace(data.samples, ids=ids)
    rows, classes = _drawn_by_all(named.labels, complete) if complete else (np.arange(len(ids)), None)
    return replace(
        data,
        name=join_spec("emoji_faces", {"complete": complete} if complete else {}),
        features=data.features[rows],
        samples=named if classes is None else _only(named, rows, classes),
        origin=(
            "Emoji drawings: Noto Emoji (Google, Apache-2.0), Twemoji (Twitter and contributors, CC BY 4.0), Fluent "
            "Emoji (Microsoft, MIT); names from emoji-datasource (Cal Henderson, MIT). Rasterised."
        ),
        licence="Apache-2.0, MIT and CC BY 4.0",
    )


def _drawn_by_all(labels: Int64[np.ndarray, "N"], count: int) -> tuple[Int64[np.ndarray, "M"], Int64[np.ndarray, "C"]]:
    """(rows, classes) of so many emoji that are drawn in all styles."""
    whole = np.flatnonzero(np.bincount(labels) == STYLES)
    classes = whole[np.linspace(0, len(whole) - 1, count).round().astype(int)]
    return np.flatnonzero(np.isin(labels, classes)), classes


def _only(samples: Samples, rows: Int64[np.ndarray, "M"], classes: Int64[np.ndarray, "C"]) -> Samples:
    """These samples, their classes numbered anew."""
    return Samples(
        ids=[samples.ids[row] for row in rows],
        labels=np.searchsorted(classes, samples.labels[rows]),
        class_names=[samples.class_names[c] for c in classes],
        thumbs=None if samples.thumbs is None else samples.thumbs[rows],
    )


DATASETS.register(
    DataSet(
        "emoji_faces",
        40,
        "Emoji faces",
        emoji_faces,
        summary="855 drawings of 149 emoji faces in up to 6 styles, 48 x 48 pixels: the same face, another hand.",
        example="class “grinning”, drawn in six styles",
        dials=(
            Dial(
                "complete",
                0,
                "only so many of the 113 emoji that are drawn in all six styles, evenly spaced; 0: all 149",
                low=0,
                high=113,
            ),
        ),
    )
)
