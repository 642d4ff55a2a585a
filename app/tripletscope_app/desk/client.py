"""The server's end of a desk: starts the process, asks, hears how far it is, ends it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from tripletscope_app.desk import messages

GONE = (
    "The process that held your file has ended, most likely for want of memory: open the file again, or a smaller one."
)


class Asked:
    """A question that was asked.

    Attributes:
        future: its reply: what the question gives, or {"error": sentence}, with "cancelled" where somebody did.
        done: of `total` how much is worked on; both 0 before it has said anything.
        total: see `done`.
        began: when it was asked (`time.monotonic`).
    """

    def __init__(self, number: int, cancel: Any) -> None:
        self.number, self._cancel = number, cancel
        self.future: Future[dict[str, Any]] = Future()
        self.done = self.total = 0
        self.began = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether the reply is there."""
        return self.future.done()

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1."""
        return 1.0 if self.ready else min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """About how long it still takes; None before that can be told."""
        share = self.share
        return (time.monotonic() - self.began) * (1 - share) / share if 0.03 <= share < 1 else None

    def reply(self, patience: float | None = 0.0) -> dict[str, Any] | None:
        """The reply, waiting that many seconds at the most (None: as long as it takes); None when it is not there."""
        if patience is None or patience > 0:
            wait([self.future], timeout=patience)
        return self.future.result() if self.future.done() else None

    def cancel(self) -> None:
        """Nothing; the work ends at its next breath, and the reply says that it was cancelled."""
        if not self.ready:
            self._cancel(self.number)


class Desk:
    """One person's file in a process of its own, and a private folder for what belongs to it.

    The folder and the process are gone when the desk is closed, or when nobody holds it any more.

    Example:
        desk = Desk()
        desk.ask("look", path=str(desk.folder / "mine.csv")).reply(None)
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tripletscope-"))  # readable for this user alone
        self._command = list(command or [sys.executable, "-P", "-m", "tripletscope_app.desk.worker"])
        self._line = _Line()
        self._known: dict[Any, Asked] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._closing = weakref.finalize(self, _close, self._line, self.folder)

    @property
    def alive(self) -> bool:
        """Whether the process is there; it starts with the first question."""
        process = self._line.process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, while it lives."""
        return self._line.process.pid if self._line.process is not None and self.alive else None

    def ask(self, name: str, **given: Any) -> Asked:
        """The question, asked anew."""
        with self._lock:
            if not self.alive:
                self._start()
            asked = Asked(next(self._numbers), self._cancel)
            self._line.waiting[asked.number] = asked
        self._send({"id": asked.number, "ask": name, "with": given})
        return asked

    def once(self, name: str, **given: Any) -> Asked:
        """The same question was asked before: that one, with its reply; else asked now. `forget` before a new file.

        What failed or was cancelled is asked anew, by calling `again`.
        """
        key = (name, repr(sorted(given.items())))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self.ask(name, **given)
        return known

    def again(self, name: str, **given: Any) -> Asked:
        """As `once`, but asked anew."""
        self._known.pop((name, repr(sorted(given.items()))), None)
        return self.once(name, **given)

    def forget(self) -> None:
        """Nothing; what was asked once is cancelled and will be asked anew: another set is on the desk."""
        for asked in self._known.values():
            asked.cancel()
        self._known.clear()

    def close(self) -> None:
        """Nothing; process and folder are gone."""
        self._closing()

    # ---- inside

    def _start(self) -> None:
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C in the server's terminal is the server's
        )
        self._line.process = process
        threading.Thread(target=_listen, args=(self._line, process), daemon=True).start()

    def _send(self, message: dict[str, Any]) -> None:
        process = self._line.process
        assert process is not None
        assert process.stdin is not None
        with self._line.lock, contextlib.suppress(OSError, ValueError):  # the listener tells whoever waits
            messages.write(process.stdin, message)  # type: ignore[arg-type]

    def _cancel(self, number: int) -> None:
        if self.alive:
            self._send({"id": number, "cancel": True})


class _Line:
    """What the listener shares with the desk, without keeping the desk alive."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.waiting: dict[int, Asked] = {}
        self.lock = threading.Lock()


def _listen(line: _Line, process: subprocess.Popen[bytes]) -> None:
    """In a thread of its own: hears the process out."""
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        while (message := messages.read(process.stdout)) is not None:  # type: ignore[arg-type]
            _hear(line, message)
    process.wait()
    process.stdout.close()
    if process.stdin is not None:
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()
    if line.process is process:
        for number in list(line.waiting):
            line.waiting.pop(number).future.set_result({"error": GONE})


def _hear(line: _Line, message: dict[str, Any]) -> None:
    """One message. No name of the listener's own holds the question, and with it the desk, until the next one comes."""
    asked = line.waiting.get(message["id"])
    if asked is None:
        return
    if "all" in message:
        asked.done, asked.total = message["done"], message["all"]
        return
    line.waiting.pop(message["id"], None)
    asked.future.set_result(message.get("reply", message))


def _close(line: _Line, folder: Path) -> None:
    process = line.process
    if process is not None:
        with contextlib.suppress(OSError, ValueError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    shutil.rmtree(folder, ignore_errors=True)
