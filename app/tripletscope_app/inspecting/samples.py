"""The sets that come along, so that the page is never empty."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tripletscope import datasets


@dataclass(frozen=True)
class Sample:
    """A set to try the page with.

    Attributes:
        key: in a link.
        title: of its card.
        words: what is in it and why one would look.
        file: below the folder of samples.
        pictures: name of the array of pictures that its card shows some of.
        planted: whether its faults are known.
    """

    key: str
    title: str
    words: str
    file: str
    pictures: str = "images"
    planted: bool = False

    @property
    def path(self) -> Path:
        """Of the file."""
        return datasets.sample_data_dir() / self.file


SAMPLES = {
    one.key: one
    for one in (
        Sample(
            "flawed",
            "Digits with faults",
            "1,854 handwritten digits. Wrong labels, copies, outliers and a hub were planted: see whether they are "
            "found.",
            "flawed/digits.npz",
            planted=True,
        ),
        Sample(
            "emoji",
            "Emoji in six styles",
            "855 drawings of 149 faces, compared pixel by pixel: a bad embedding, and what it confuses.",
            "emoji_faces.npz",
        ),
    )
}

#: Pictures on a card, and pixels a side.
_SHOWN, _SIDE = 7, 44


@cache
def strip(key: str) -> bytes:
    """A few of the sample's pictures side by side, as PNG."""
    import numpy as np
    from PIL import Image

    sample = SAMPLES[key]
    with np.load(sample.path, allow_pickle=False) as held:
        images, labels = held[sample.pictures], held["labels"]
    # One of each class, evenly over the classes, so that the card shows what differs.
    _, first = np.unique(labels, return_index=True)
    chosen = first[np.linspace(0, len(first) - 1, _SHOWN).round().astype(int)]
    made = Image.new("RGB", ((_SIDE + 6) * _SHOWN - 6, _SIDE), "white")
    for place, row in enumerate(chosen):
        pixels = images[row] if images.ndim == 4 else 255 - images[row]  # ink on paper
        picture = Image.fromarray(pixels).convert("RGB")
        soft = Image.Resampling.NEAREST if picture.width < 20 else Image.Resampling.LANCZOS
        made.paste(picture.resize((_SIDE, _SIDE), soft), ((_SIDE + 6) * place, 0))
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()
