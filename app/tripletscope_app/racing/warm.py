"""A process that has imported torch already and forks into trainings, so that Start is not followed by a wait.

Importing torch takes seconds of processor time, and three runs would each pay them. The warm process
pays once, while a person still looks at the form; each training is then a fork of it with a session of its own, and
outlives it and the server. It reads JSON lines {"options": […], "log": path, "note": path} and answers {"pid": 123} to
each in turn. It ends when the server does, or when nothing was asked of it for some minutes and no training lives.

Where forking is not known to be safe (anything but Linux) there is none, and every training is started as the command
that a person would type. Nothing here touches a graphics card: a process that has done so cannot be forked.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn, Protocol

from tripletscope.store import layout
from tripletscope.store.status import true_state

#: Seconds without a question after which a warm process gives its memory back.
PATIENCE = 300.0
#: How far a training steps back behind the pages that people look at.
NICE = 10


class Child(Protocol):
    """A process that trains, as far as a yard wants to know it."""

    def poll(self) -> int | None:
        """None while it lives."""

    def terminate(self) -> None:
        """Nothing; it is asked to end."""


def supported() -> bool:
    """Whether trainings can be forked here."""
    return sys.platform == "linux" and hasattr(os, "fork")


def note(file: Path, pid: int) -> None:
    """Nothing; the file says that this process was started for a run."""
    layout.replace(file, json.dumps({"pid": pid, "time": round(time.time(), 3)}).encode())


def lives(pid: int) -> bool:
    """Whether that process of this machine is still at work."""
    now = {"state": "running", "pid": pid, "heartbeat": time.time(), "host": socket.gethostname()}
    return true_state(now) == "running"


class Forked:
    """A training that was asked of a warm process, which may still have to make it.

    Attributes:
        pid: of its process, to come; an exception where the warm process ended before it made one.
    """

    def __init__(self, pid: Future[int]) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it lives or is to come."""
        if self.pid.done() and (self.pid.exception() is not None or not lives(self.pid.result())):
            return 0
        return None

    def terminate(self) -> None:
        """Nothing; it is asked to end, as soon as it is there."""
        self.pid.add_done_callback(_end)


def _end(pid: Future[int]) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        os.kill(pid.result(), signal.SIGTERM)


class Warm:
    """The warm process of a server; safe to use from many threads.

    Args:
        command: that serves; the real one when left out.
        patience: seconds without a question after which it ends.

    Example:
        warm = Warm()
        warm.start()  # returns at once, while torch is being imported over there
        warm.train(["--data=digits", "--out", "/runs/x"], Path("/runs/logs/x.log"), Path("/runs/logs/x.started"))
    """

    def __init__(self, command: Sequence[str] | None = None, *, patience: float = PATIENCE) -> None:
        self._command = list(command or [sys.executable, "-P", "-m", "tripletscope_app.racing.warm", str(patience)])
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._broken = False
        self._asked: queue.SimpleQueue[Future[int]] = queue.SimpleQueue()

    @property
    def alive(self) -> bool:
        """Whether there is one."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, while it lives."""
        return self._process.pid if self._process is not None and self.alive else None

    def start(self) -> bool:
        """Whether there is a warm process now, or one that is warming up."""
        with self._lock:
            return self._start()

    def train(self, options: Sequence[str], log: Path, started: Path) -> Forked | None:
        """The training with these options of `tripletscope train`; None when there is no process to fork it.

        Args:
            options: of the command.
            log: file that gets what it writes.
            started: file that gets the number of its process.
        """
        future: Future[int] = Future()
        with self._lock:
            if not self._start():
                return None
            process = self._process
            assert process is not None
            assert process.stdin is not None
            self._asked.put(future)
            try:
                told = {"options": list(options), "log": str(log), "note": str(started)}
                process.stdin.write(json.dumps(told).encode() + b"\n")
                process.stdin.flush()
            except OSError:  # it died this instant; its reader tells whoever waits
                return None
        return Forked(future)

    def stop(self) -> None:
        """Nothing; the warm process ends, and its trainings go on."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait()

    def _start(self) -> bool:
        if not supported() or self._broken:
            return False
        if not self.alive:
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            # torch would ask the driver how many cards there are, and its forks could not use them afterwards.
            threads["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
            try:
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **threads},
                )
            except OSError:
                return False
            self._process, self._asked = process, queue.SimpleQueue()
            threading.Thread(target=self._listen, args=(process, self._asked), daemon=True).start()
        return True

    def _listen(self, process: subprocess.Popen[bytes], asked: queue.SimpleQueue[Future[int]]) -> None:
        """In a thread: every answer goes to whoever waits for it, in turn."""
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError, queue.Empty):
                pid = int(json.loads(line)["pid"])
                asked.get_nowait().set_result(pid)
        code = process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        with self._lock:  # nobody asks it any more from here on
            self._broken = self._broken or code > 0  # it cannot import torch: nor could the next one
            self._process = None if self._process is process else self._process
        with contextlib.suppress(queue.Empty):
            while True:
                asked.get_nowait().set_exception(RuntimeError("the process that starts trainings ended"))


# ---- the warm process ---------------------------------------------------------------------------------------------


#: What a training imports, also where it does so only when it is needed.
_USED = (
    "faiss",
    "pandas",
    "PIL.PngImagePlugin",
    "pyarrow.parquet",
    "tripletscope.cli",
    "tripletscope.datasets",
    "tripletscope.embeddings",
    "tripletscope.training",
)


def _load() -> None:
    """Nothing; everything that a training imports is there. No step is taken: torch would start threads."""
    import torch

    torch.set_num_threads(1)
    for name in _USED:
        importlib.import_module(name)
    from tripletscope.cli import commands

    commands()


def _become(question: Mapping[str, Any], fresh: Mapping[int, Any]) -> NoReturn:
    """The training itself, in the fork: a session of its own, its words in its log."""
    code = 1
    try:
        os.setsid()
        for number, handler in fresh.items():
            signal.signal(number, handler)
        logged = os.open(question["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        # The pipes to the server are let go of with this: it shall not wait for a training.
        for source, target in ((nothing, 0), (logged, 1), (logged, 2)):
            os.dup2(source, target)
        os.close(logged)
        os.close(nothing)
        note(Path(question["note"]), os.getpid())
        from tripletscope.cli import main

        code = main(["train", *map(str, question["options"])])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def serve(patience: float = PATIENCE) -> None:
    """Forks what is asked for on standard input, until it closes or nothing was asked for a while."""
    server = os.getppid()
    os.nice(NICE)  # with all its forks: the page that is being drawn goes first
    fresh = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes our pipe
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    _load()
    living: set[int] = set()
    waiting, rest = time.monotonic(), b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.25 if living else 5.0)
        living -= {pid for pid in living if os.waitpid(pid, os.WNOHANG)[0]}
        if not readable:
            if living:
                waiting = time.monotonic()
            elif time.monotonic() - waiting > patience:
                return
            continue
        piece = os.read(0, 1 << 16)
        if not piece:
            return
        *questions, rest = (rest + piece).split(b"\n")
        for question in questions:
            if os.getppid() != server:  # it has gone; who comes after it starts what still waits
                return
            pid = os.fork()
            if pid == 0:
                os.close(out)
                _become(json.loads(question), fresh)
            living.add(pid)
            os.write(out, json.dumps({"pid": pid}).encode() + b"\n")
            waiting = time.monotonic()


if __name__ == "__main__":
    serve(float(sys.argv[1]) if len(sys.argv) > 1 else PATIENCE)
