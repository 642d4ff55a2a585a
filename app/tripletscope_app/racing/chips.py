"""Pictures of the data sets, drawn once and kept in files: some are drawn from data that take seconds to read."""

from __future__ import annotations

import io
from pathlib import Path

from tripletscope.store import cache

KIND = "chips"


def kept_chip(name: str) -> Path | None:
    """The file with the picture of that data set, where it was drawn before."""
    return cache.kept(KIND, f"{name}.png")


def write_chip(name: str) -> Path:
    """The file with the picture of that data set, drawn now or before.

    Raises:
        TripletscopeError: there is no such set, or it cannot be read.
    """
    found = kept_chip(name)
    if found is not None:
        return found
    from PIL import Image

    from tripletscope import datasets

    out = io.BytesIO()
    Image.fromarray(datasets.get(name).picture()).save(out, "PNG")
    return cache.keep(KIND, f"{name}.png", out.getvalue())
