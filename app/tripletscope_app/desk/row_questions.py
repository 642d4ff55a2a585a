"""One row of the set: its neighbours in the original space, and what each strategy would pick for it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tripletscope_app.desk.held import Held, Tell, question

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from tripletscope.analysis.row_view import Ready, RowView
    from tripletscope.embeddings.embedding_set import EmbeddingSet

#: Letters of a text, and of an id or class, that are sent; the rest is cut off.
TEXT, NAME = 300, 80
#: Pixels of a picture on its longer side, and up to which one is shown pixel by pixel.
SIDE, SMALL = 52, 16
#: Pictures that are kept for the next question.
KEPT = 2000


@question
def row_ready(held: Held, tell: Tell, *, distance: str) -> dict[str, Any]:
    """`axis_end` of the set in that distance, and `usual_margin`, which the page takes where nobody has chosen one."""
    from tripletscope.analysis.row_view import axis_end

    end = held.kept(("axis end", distance), lambda: axis_end(held.opened(), distance))
    return {"axis_end": end, "usual_margin": usual_margin(end)}


@question
def row_warm(held: Held, tell: Tell, *, distance: str) -> dict[str, Any]:
    """Nothing; libraries are imported, kernels compiled and the set made ready, so that a click is answered at once."""
    from tripletscope.analysis.row_view import row_view

    ready = _ready(held, distance, ())
    held.kept(("row warm", distance), lambda: row_view(ready, 0, margin=1.0, progress=tell).row)
    return {}


@question
def row(
    held: Held,
    tell: Tell,
    *,
    row: int,
    distance: str,
    margin: float | None = None,
    positive: int | None = None,
    exclude: Sequence[int] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """All there is to say about one row: `view` (a RowView as a dictionary), `samples` and `sheet` (their pictures).

    The samples are the row itself, its positives, its negatives, and who else is among its nearest; each has its
    place in the set, id, class and text. `strategies` are the cards of those asked, in the order of the screen. A row
    that mining leaves out is shown as if it took part: `let_in` says so.
    """
    from tripletscope.analysis.row_view import axis_end, row_view

    made = held.opened()
    end = held.kept(("axis end", distance), lambda: axis_end(made, distance))
    usual = usual_margin(end)
    ready = _ready(held, distance, tuple(int(one) for one in exclude), row)
    seen = row_view(ready, row, margin=margin or usual, positive=positive, seed=seed, progress=tell)
    rows = _in_order(seen)
    view = vars(seen) | {"votes": [[made.class_names[at], count] for at, count in seen.votes]}
    return {
        "view": view,
        "let_in": row in exclude,
        "samples": [_sample(made, ready, one) for one in rows],
        "sheet": sheet(made, rows, held.kept("row pictures", dict)),
        "strategies": held.kept("row cards", _cards),
        "axis_end": end,
        "usual_margin": usual,
    }


def usual_margin(end: float) -> float:
    """A margin to begin with where nobody has chosen one: about an eighth of the axis, as 1, 2 or 5 of some unit.

    Example:
        >>> usual_margin(1.1), usual_margin(60.0)
        (0.1, 10.0)
    """
    wanted = end / 8
    power = 10.0 ** math.floor(math.log10(wanted)) if wanted > 0 else 0.1
    steps = [power * step for step in (1, 2, 5, 10)]
    return float(f"{min(steps, key=lambda step: abs(math.log(step / wanted))):.1g}") if wanted > 0 else 0.1


def _ready(held: Held, distance: str, exclude: tuple[int, ...], row: int = -1) -> Ready:
    """The set made ready, as long as nobody leaves out other rows or measures otherwise; this row takes part."""
    from tripletscope.analysis.row_view import Ready

    kept: dict[str, Ready] = held.kept("row ready", dict)
    base = kept.get("base")
    if base is None or (base.distance, base.exclude) != (distance, exclude):
        kept.clear()  # one at a time: each may hold as much as the set itself
        base = kept["base"] = Ready(held.opened(), distance, exclude)
    if row not in exclude:
        return base
    wanted = base.letting_in(row)
    found = kept.get("let in")
    if found is None or found.exclude != wanted.exclude:
        found = kept["let in"] = wanted
    return found


def _in_order(seen: RowView) -> list[int]:
    """The rows that are shown, each once: the anchor, the positives, the negatives, and the rest of the lists."""
    parts = [[seen.row], seen.positives, seen.negatives, seen.same, seen.other]
    return list(dict.fromkeys(int(one) for part in parts for one in part))


def _sample(made: EmbeddingSet, ready: Ready, row: int) -> dict[str, Any]:
    name = made.class_of(row)
    return {
        "row": row,
        "id": short(str(made.id_of(row)), NAME),
        "class": None if name is None else short(str(name), NAME),
        "text": "" if made.texts is None else short(made.texts[row], TEXT),
        # Without labels nothing is mined, and nobody need be told so of every row.
        "out": bool(ready.number[row] < 0) and bool(made.labels[row] >= 0),
    }


def short(text: str, most: int) -> str:
    """The beginning of a text in one line.

    Example:
        >>> short("a long  way home", 10)
        'a long wa…'
    """
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "\u2026"


def sheet(
    made: EmbeddingSet, rows: Sequence[int], seen: dict[int, Picture | None] | None = None
) -> dict[str, Any] | None:
    """The pictures of these rows as one PNG and how to cut it: {png, width, height, columns, pixelated}; None of none.

    All get the size of the largest; a row without a picture has an empty place. `seen` keeps those that were drawn
    lately: near rows have the same neighbours.
    """
    from PIL import Image

    from tripletscope_app.desk.pictures import picture_of

    if made.pictures is None:
        return None
    seen = {} if seen is None else seen
    pictures = [seen[one] if one in seen else picture_of(made, one, SIDE) for one in rows]
    seen |= zip(rows, pictures, strict=True)
    for old in list(seen)[:-KEPT]:
        seen.pop(old, None)
    known = [one for one in pictures if one is not None]
    if not known:
        return None
    width, height = max(one.width for one in known), max(one.height for one in known)
    columns = math.ceil(math.sqrt(len(rows)))
    out = Image.new("RGB", (columns * width, math.ceil(len(rows) / columns) * height))
    for at, picture in enumerate(pictures):
        if picture is not None:
            left = at % columns * width + (width - picture.width) // 2
            out.paste(picture, (left, at // columns * height + (height - picture.height) // 2))
    grey = out.convert("L")
    plain = np.array_equal(np.asarray(grey.convert("RGB")), np.asarray(out))
    written = io.BytesIO()
    # 256 colours are enough for thumbnails, and a third of the bytes.
    (grey if plain else out.quantize(256)).save(written, "PNG", compress_level=6)
    return {
        "png": written.getvalue(),
        "width": width,
        "height": height,
        "columns": columns,
        "pixelated": max(width, height) <= SMALL,
    }


def _cards() -> list[dict[str, Any]]:
    """The strategies over a whole set, as the lanes name them."""
    from tripletscope import strategies
    from tripletscope.mining import picks

    cards = []
    for name in picks.names():
        one = picks.get(name)
        if name in strategies.names():
            twin = strategies.get(name)
            cards.append({"name": name, "title": twin.title, "summary": one.summary, "order": twin.order})
        else:
            cards.append({"name": name, "title": name.replace("-", " ").capitalize(), "summary": one.summary})
    return cards
