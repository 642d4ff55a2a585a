"""`tripletscope export RUN --what html`: the page as a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tripletscope.errors import SettingError
from tripletscope.store.reader import Run
from tripletscope_app.share.page import Shared, page_of

ENDINGS = (".html", ".htm")


def write_page(
    runs: Sequence[Run],
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Nothing; the file holds the runs as one page, whole or not at all.

    Args:
        runs: one, or several of a race.
        out: ends in .html.
        overwrite: replace a file that is there.
        progress: told now and then how many answers of all are there.

    Raises:
        SettingError: the file exists, has another ending, or its folder does not exist.
        RunError: a run has nothing to draw, or the runs are of different samples.
    """
    if out.suffix.lower() not in ENDINGS:
        raise SettingError(f"{out} is a page: let --out end in .html.")
    if out.exists() and not overwrite:
        raise SettingError(f"{out} exists: choose another name, or add --overwrite.")
    if not out.parent.is_dir():
        raise SettingError(f"There is no folder {out.parent}: make it first.")
    title = runs[0].name if len(runs) == 1 else ", ".join(run.name for run in runs)
    page = page_of(Shared(runs, title), progress)
    number, temporary = tempfile.mkstemp(dir=out.parent, prefix=".", suffix=".part")
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(page)
        os.chmod(temporary, 0o644)
        os.replace(temporary, out)
    except OSError as problem:
        with suppress(OSError):
            os.unlink(temporary)
        raise SettingError(f"{out} could not be written ({problem.strerror}).") from problem
