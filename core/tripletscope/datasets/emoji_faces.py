"""Faces without a person behind them: the same emoji, drawn by several hands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tripletscope.datasets.base import DATASETS, DataSet, sample_data_dir
from tripletscope.readers.archive import read_archive
from tripletscope.samples import LabelledData


def emoji_faces() -> LabelledData:
    """855 drawings of 149 face emoji, each in 4 to 6 styles, 48 x 48 pixels in colour.

    Source: Noto Emoji, Twemoji and Fluent Emoji; how the file was made is told in sample_data/README.md.

    Example:
        >>> emoji_faces().samples.id_of(0)
        'japanese_ogre/noto'
    """
    path = sample_data_dir() / "emoji_faces.npz"
    data = read_archive(path)
    with np.load(path, allow_pickle=False) as opened:
        styles = opened["style_names"][opened["style"]]
    ids = [f"{data.samples.class_of(row)}/{style}" for row, style in enumerate(styles)]
    return replace(
        data,
        samples=replace(data.samples, ids=ids),
        origin=(
            "Emoji drawings: Noto Emoji (Google, Apache-2.0), Twemoji (Twitter and contributors, CC BY 4.0), Fluent "
            "Emoji (Microsoft, MIT); names from emoji-datasource (Cal Henderson, MIT). Rasterised."
        ),
        licence="Apache-2.0, MIT and CC BY 4.0",
    )


DATASETS.register(
    DataSet(
        "emoji_faces",
        40,
        "Emoji faces",
        emoji_faces,
        summary="855 drawings of 149 emoji faces in up to 6 styles, 48 x 48 pixels: the same face, another hand.",
        example="class “grinning”, drawn in six styles",
    )
)
