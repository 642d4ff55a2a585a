"""Pictures of the data sets: those that come along as files beside this module, others drawn once and kept.

The Race page shows them at once, in a process that has imported neither torch nor the data.
`python -m tripletscope_app.racing.chips` writes the files again, and a test holds them to what would be drawn.
"""

from __future__ import annotations

import io
from pathlib import Path

from tripletscope.store import cache

KIND = "chips"
#: Of the data sets that come along.
SHIPPED = Path(__file__).parent / "pictures"
#: Of a shipped picture's palette, which keeps all of them together under 40 kB.
COLOURS = 256


def kept_chip(name: str) -> Path | None:
    """The file with the picture of that data set, where it comes along or was drawn before."""
    shipped = SHIPPED / f"{name}.png"
    return shipped if shipped.is_file() else cache.kept(KIND, f"{name}.png")


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


def ship(folder: Path = SHIPPED) -> None:
    """Nothing; the folder holds a small picture of every data set that comes along."""
    from PIL import Image

    from tripletscope import datasets

    folder.mkdir(exist_ok=True)
    ours = [name for name in datasets.names() if datasets.get(name).read.__module__.startswith(datasets.__name__)]
    for name in ours:  # what another package registered is drawn on the machine that has it
        picture = Image.fromarray(datasets.get(name).picture())
        flat = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        flat.save(folder / f"{name}.png", "PNG", optimize=True)


if __name__ == "__main__":
    ship()
