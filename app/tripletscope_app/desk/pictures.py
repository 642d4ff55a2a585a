"""Pictures of rows, small and drawn anew: what a file claims is a picture is opened here and nowhere else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import TripletscopeError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: Pixels on the longer side.
SIDE = 72
#: Up to this size a picture is passed on pixel by pixel, as PNG.
SMALL = 32


def thumbnail(given: EmbeddingSet, row: int, side: int = SIDE) -> tuple[str, bytes] | None:
    """(media type, picture file) of a row; None where it has none that can be read.

    Example:
        thumbnail(held.opened(), 7) -> ("image/png", b"...")
    """
    drawn = picture_of(given, row, side)
    if drawn is None:
        return None
    small, out = max(drawn.size) <= SMALL, io.BytesIO()
    drawn.save(out, "PNG" if small else "JPEG", **({} if small else {"quality": 82}))
    return "image/png" if small else "image/jpeg", out.getvalue()


def picture_of(given: EmbeddingSet, row: int, side: int = SIDE) -> Picture | None:
    """The picture of a row in RGB, no larger than `side`; None where it has none that can be read."""
    from PIL import Image

    if given.pictures is None:
        return None
    try:
        held = given.pictures.bytes_of(row)
        if not held:
            return None
        with Image.open(io.BytesIO(held)) as opened:
            opened.draft("RGB", (2 * side, 2 * side))  # a large JPEG is decoded no larger than needed
            drawn = opened.convert("RGB")
            drawn.thumbnail((side, side))
    except (OSError, ValueError, SyntaxError, TripletscopeError, Image.DecompressionBombError):
        return None
    return drawn
