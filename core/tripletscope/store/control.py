"""control: what somebody asks of a run that is being recorded: go on, pause, or stop.

The writer looks after every step, so a request is heard within a step. It is a file and no signal: whoever may write
into the run's folder may ask, also from a server that was started again since, or from another machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

from tripletscope.errors import RunError, UnknownNameError
from tripletscope.store import layout

Ask = Literal["go", "pause", "stop"]
ASKS: tuple[Ask, ...] = get_args(Ask)


def ask(run: Path, what: str) -> None:
    """Nothing; the run's writer will do this after the step that it is at. "go" takes a pause back.

    Raises:
        UnknownNameError: for anything else.
        RunError: the folder cannot be written, or is not there.
    """
    if what not in ASKS:
        raise UnknownNameError("request", what, ASKS)
    try:
        layout.replace(run / layout.CONTROL, json.dumps({"ask": what}).encode())
    except OSError as problem:
        raise RunError(f"The run {str(run)!r} cannot be asked to {what} ({problem.strerror}).") from None


def asked(run: Path) -> Ask:
    """What was asked last; "go" when nothing was, or nothing that can be understood.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp())
        >>> before = asked(run)
        >>> ask(run, "pause")
        >>> before, asked(run)
        ('go', 'pause')
    """
    try:
        said = json.loads((run / layout.CONTROL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "go"
    wanted = said.get("ask") if isinstance(said, dict) else None
    return wanted if wanted in ASKS else "go"


def withdraw(run: Path) -> None:
    """Nothing; nothing is asked any more."""
    (run / layout.CONTROL).unlink(missing_ok=True)


class Ear:
    """Hears what is asked of a run, at the price of one look at the file's date."""

    def __init__(self, run: Path) -> None:
        self._run, self._file = run, run / layout.CONTROL
        self._seen: tuple[int, int] | None = None
        self._last: Ask = "go"

    def __call__(self) -> Ask:
        """What is asked now."""
        try:
            about = self._file.stat()
            seen = (about.st_mtime_ns, about.st_ino)
        except OSError:
            self._seen, self._last = None, "go"
            return self._last
        if seen != self._seen:
            self._seen, self._last = seen, asked(self._run)
        return self._last
