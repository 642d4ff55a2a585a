"""A command that a program has started: progress as JSON lines on standard output, and the end when nobody listens."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tripletscope.cli.train import Stop, end_with, stopping


@contextmanager
def serving() -> Iterator[tuple[Any, Stop]]:
    """(pipe for the lines, whether to stop); gives way to everything else, and ends when standard input is closed."""
    if hasattr(os, "nice"):
        os.nice(5)  # whoever watches the page goes first
    # What libraries print must not mix with our lines: keep the pipe for ourselves, and send prints to stderr.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with stopping() as stop:
        threading.Thread(target=end_with, args=(sys.stdin, stop), daemon=True).start()
        yield pipe, stop


class Teller:
    """Writes lines about one piece of work, at most ten a second while it is running.

    Args:
        pipe: of `serving`.
        **about: what every line says besides.
    """

    def __init__(self, pipe: Any, **about: str) -> None:
        self._pipe, self._about, self._last = pipe, about, 0.0

    def tell(self, state: str, **more: Any) -> str:
        """The state, told."""
        try:
            self._pipe.write(json.dumps({**self._about, "state": state, **more}) + "\n")
            self._pipe.flush()
        except OSError:  # nobody listens any more: standard input is closed too, and that ends the work
            pass
        return state

    def progress(self, done: int, total: int) -> None:
        """Nothing; told now and then."""
        if time.monotonic() - self._last >= 0.1:
            self._last = time.monotonic()
            self.tell("running", done=done, total=total)
