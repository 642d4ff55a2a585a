"""Which of two files holds the vectors, where their names do not say."""

from __future__ import annotations

from typing import Any

from tripletscope.errors import DataError, TripletscopeError
from tripletscope_app.desk.held import Held, Tell, question


@question
def which(held: Held, tell: Tell, *, paths: list[str], limit: int | None = None) -> dict[str, Any]:
    """`vectors`: the place of the file with the wider vector.

    Raises:
        DataError: neither holds one, or both hold one of the same width.
    """
    from pathlib import Path

    from tripletscope.embeddings.mapping import propose
    from tripletscope.embeddings.opening import read
    from tripletscope.embeddings.table import look_at

    widths = []
    for place, path in enumerate(paths):
        tell(place, len(paths))
        try:
            look = look_at(read(path, limit=limit))
        except TripletscopeError:
            widths.append(0)
            continue
        vector = propose(look).vector
        widths.append(sum(column.width for column in look.columns if column.name in vector))
    first, second = (Path(path).name for path in paths)
    if widths[0] == widths[1]:
        held_there = "no vectors that can be told" if not widths[0] else f"vectors of {widths[0]:,} numbers each"
        raise DataError(
            f"{first} and {second} both hold {held_there}: drop the one with the vectors first, and add the other "
            "afterwards."
        )
    return {"vectors": int(widths[1] > widths[0])}
