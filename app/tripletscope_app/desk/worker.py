"""The process behind a desk: `python -m tripletscope_app.desk.worker`. It ends when its standard input is closed.

Messages in: {"id", "ask", "with"} or {"id", "cancel"}. Messages out: {"id", "done", "all"} now and then, and at the
end {"id", "reply"} or {"id", "error"}, a sentence for the person.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from tripletscope.errors import TripletscopeError
from tripletscope_app import desk
from tripletscope_app.desk import messages
from tripletscope_app.desk.held import QUESTIONS, Cancelled, Held

#: A click is answered while a long question is worked on.
THREADS = 3
#: Between two words on how far a question is, in seconds.
PAUSE = 0.15


class _Worker:
    def __init__(self, out: BinaryIO) -> None:
        self.out, self.held = out, Held()
        self.lock = threading.Lock()
        self.cancelled: set[int] = set()

    def say(self, **message: Any) -> None:
        with self.lock:
            messages.write(self.out, message)

    def answer(self, number: int, ask: str, given: dict[str, Any]) -> None:
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            if number in self.cancelled:
                raise Cancelled
            if time.monotonic() - last >= PAUSE:
                last = time.monotonic()
                self.say(id=number, done=int(done), all=int(total))

        try:
            if number in self.cancelled:
                raise Cancelled
            reply = QUESTIONS[ask](self.held, tell, **given)
            self.say(id=number, reply=reply)
        except Cancelled:
            self.say(id=number, error="cancelled", cancelled=True)
        except TripletscopeError as refusal:
            self.say(id=number, error=str(refusal))
        except MemoryError:
            self.say(id=number, error="There is not enough memory for this: try with fewer rows, or a smaller file.")
        except OSError as problem:
            self.say(id=number, error=f"The file could not be read ({problem.strerror or problem}): drop it again.")
        except Exception:
            traceback.print_exc()  # for whoever runs the server
            self.say(id=number, error="Something went wrong here that was not foreseen; the server's log says what.")


def main() -> None:
    """Answers questions until nobody can ask any more."""
    # Libraries that print must not end up between two messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for found in pkgutil.iter_modules(desk.__path__):
        if found.name not in ("worker", "client"):
            importlib.import_module(f"{desk.__name__}.{found.name}")
    worker = _Worker(out)
    pool = ThreadPoolExecutor(THREADS)
    pipe = sys.stdin.buffer
    with contextlib.suppress(ValueError, KeyError):
        while (message := messages.read(pipe)) is not None:
            if "cancel" in message:
                worker.cancelled.add(message["id"])
            else:
                pool.submit(worker.answer, message["id"], message["ask"], message["with"])
    os._exit(0)  # whatever is still worked on is of no use to anybody


if __name__ == "__main__":
    main()
