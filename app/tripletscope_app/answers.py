"""Whom would each strategy pick for this anchor? Asked of a helper process, so that the server never imports torch.

The page opens on recorded answers. The helper starts after the first draw, imports torch while a person looks, and
answers the next anchors. It speaks JSON lines over its pipes: {"run": path, "anchor": 12} comes back as
{"answer": …, "strategies": […]} or {"error": "one sentence"}. When the server goes, by whatever death, the pipe
closes, and the helper ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

#: Answers kept, about 25 kB each.
KEPT = 300


@dataclass(frozen=True)
class Question:
    """One that is under way: (digest, anchor), who waits, and which process was asked."""

    name: tuple[str, int]
    future: Future[dict[str, Any]]
    process: subprocess.Popen[str]


class Helper:
    """The one helper process of a server, with the answers it has given. Safe to ask from many sessions at once.

    Example:
        helper = Helper()
        future = helper.ask("runs/semi-hard", digest, 12)  # starts the process when there is none
        future.result(timeout=1.5)["answer"]["picks"]
    """

    def __init__(self, command: list[str] | None = None) -> None:
        self._command = command or [sys.executable, "-P", "-m", "tripletscope_app.answers"]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._waiting: dict[int, Question] = {}
        self._known: OrderedDict[tuple[str, int], Future[dict[str, Any]]] = OrderedDict()
        self._asked = 0

    @property
    def alive(self) -> bool:
        """Whether a process is there to answer."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, while it lives."""
        return self._process.pid if self._process is not None and self.alive else None

    def start(self) -> None:
        """Starts the process, unless it runs; returns at once, while torch is being imported over there."""
        with self._lock:
            self._start()

    def ask(self, path: str, digest: str, anchor: int) -> Future[dict[str, Any]]:
        """The answer to come: {"answer", "strategies"} or {"error"}. Known answers are there at once.

        Args:
            path: of the run folder.
            digest: of the run's content; a run that grows gets new answers.
            anchor: probe index.
        """
        name = (digest, anchor)
        with self._lock:
            known = self._known.get(name)
            if known is not None:
                self._known.move_to_end(name)
                return known
            process = self._start()
            self._asked += 1
            future: Future[dict[str, Any]] = Future()
            self._known[name] = future
            self._waiting[self._asked] = Question(name, future, process)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            assert process.stdin is not None
            # OSError: it died this instant; the reader tells whoever waits, and the next question restarts it.
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(json.dumps({"id": self._asked, "run": path, "anchor": anchor}) + "\n")
                process.stdin.flush()
        return future

    def stop(self) -> None:
        """Ends the process."""
        with self._lock:
            process, self._process = self._process, None
            reader, self._reader = self._reader, None
        if process is not None:
            process.kill()
        if reader is not None:
            reader.join()

    def _start(self) -> subprocess.Popen[str]:
        """The living process; the lock is held."""
        if self._process is None or self._process.poll() is not None:
            # One thread: with more, torch's pool fights the server for the cores (10 times slower on a busy laptop).
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, **threads},
            )
            self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
            self._reader.start()
        return self._process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            try:
                reply = json.loads(line)
                number = reply.pop("id")
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # something printed by a library
            with self._lock:
                question = self._waiting.pop(number, None)
                if question is not None and "error" in reply:
                    self._known.pop(question.name, None)  # asked again, it may go better
            if question is not None:
                question.future.set_result(reply)
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):  # what it did not read any more
            process.stdin.close()
        # It is gone. Whoever waits for it is told, and nothing is remembered: the next question starts a new process.
        with self._lock:
            lost = [number for number, question in self._waiting.items() if question.process is process]
            questions = [self._waiting.pop(number) for number in lost]
            for question in questions:
                self._known.pop(question.name, None)
        for question in questions:
            question.future.set_result(
                {"error": "the helper that asks the strategies stopped; click again to restart it"}
            )


def answer_line(line: str) -> dict[str, Any]:
    """The reply to one question, as the helper process gives it."""
    from tripletscope import strategies
    from tripletscope.analysis.answer import pack_answer
    from tripletscope.analysis.counterfactual import anchor_answer
    from tripletscope.errors import TripletscopeError
    from tripletscope.store.reader import Run

    question = json.loads(line)
    reply: dict[str, Any] = {"id": question["id"]}
    try:
        reply["answer"] = pack_answer(anchor_answer(Run.open(question["run"]), int(question["anchor"])))
        reply["strategies"] = [record.describe() for record in strategies.all()]
    except (TripletscopeError, IndexError) as refusal:
        reply["error"] = str(refusal)
    except Exception as error:  # a strategy of somebody else may raise anything; the page says so and lives on
        reply["error"] = f"the strategies could not be asked ({type(error).__name__}: {error})"
    return reply


def serve() -> None:
    """Answers questions from standard input until it closes."""
    # What libraries print must not mix with our lines: keep the pipe for ourselves, and send prints to stderr.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if hasattr(os, "nice"):
        os.nice(5)  # the page that is being drawn goes first
    import torch

    import tripletscope.strategies  # noqa: F401  (so that the first question finds everything loaded)

    torch.set_num_threads(1)
    with contextlib.suppress(BrokenPipeError):  # the server went while we were thinking
        for line in sys.stdin:
            pipe.write(json.dumps(answer_line(line)) + "\n")
            pipe.flush()


if __name__ == "__main__":
    serve()
