"""Small data files that tests write, good and bad, and how a refusal must read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tripletscope import uploads
from tripletscope.errors import DataError, TripletscopeError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def a_picture(path: Path, pixels: np.ndarray = GREY, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def colour(value: int = 0) -> np.ndarray:
    pixels = np.zeros((6, 8, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 2] = value, 255 - value
    return pixels


LABELS = np.array([3, 3, 1, 1])
X = np.zeros((4, 2), dtype=np.float32)


def an_archive(tmp_path: Path, **arrays: object) -> Path:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


TABLE = """id,text,x,y,label
a1,"hello, you",1,-2.5,7
a2,,2,1e-3,007
a3,NA,3,0,7
a4,ho,4,1,007
"""


def a_table(tmp_path: Path, text: str, name: str = "set.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def says(path: Path, message: str, kind: type[TripletscopeError] = DataError, **options: object) -> None:
    """The refusal is one sentence with that text."""
    with pytest.raises(kind, match=message) as caught:
        uploads.read(path, **options)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
