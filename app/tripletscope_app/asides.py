"""A run's aside, made in a helper process and kept in a file: what it counts takes seconds, and it never changes.

The shipped recordings bring theirs along, so that the first visitor waits for nobody.
"""

from __future__ import annotations

from pathlib import Path

from tripletscope.store import cache
from tripletscope.store.reader import Run
from tripletscope.store.views import find_view

KIND = "asides"


def kept_aside(run: Run, digest: str) -> Path | None:
    """The file with the run's aside, where one came with the run or is kept; it takes no torch to look.

    Args:
        run: a recorded run.
        digest: of its packed bytes, by which the browser knows it.
    """
    return find_view(run, shipped_name(digest)) or cache.kept(KIND, _name(run, digest))


def shipped_name(digest: str) -> str:
    """What the aside is called that a run brings along in its views/."""
    return f"aside-{digest}.bin"


def write_aside(run: Run, digest: str) -> str:
    """The path of a file with the aside of that run, made now or kept from an earlier visit.

    To be called in a helper process: it imports torch. The file lies in the user's cache folder, or in a temporary
    one where that cannot be written.

    Args:
        run: a recorded run.
        digest: of its packed bytes, by which the browser knows it.

    Raises:
        TripletscopeError: the run has nothing to count.
    """
    from tripletscope_app.component.aside import pack_aside

    found = kept_aside(run, digest) or cache.keep(KIND, _name(run, digest), pack_aside(run, digest))
    return str(found)


def _name(run: Run, digest: str) -> str:
    # The run may have grown since it was packed, so its own content is part of the name too.
    return f"{digest}-{run.digest}.bin"
