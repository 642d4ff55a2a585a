"""Whom would each strategy pick for this anchor? Asked of a helper process, so that the server never imports torch.

The page opens on recorded answers. The helper starts after the first draw, imports torch while a person looks, and
answers what follows. It speaks JSON lines over its pipes: {"id": 7, "ask": "answer", "run": path, "anchor": 12} comes
back as {"id": 7, "answer": …, "strategies": […]} or {"id": 7, "error": "one sentence"}; `QUESTIONS` has all kinds.
A question that takes seconds goes to a second process, started when there is one, so that no click waits behind it.
When the server goes, by whatever death, the pipes close, and the helpers end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tripletscope.composition import is_composition

if TYPE_CHECKING:
    from tripletscope.store.reader import Run

Reply = dict[str, Any]
#: A strategy, a parameter of it, and the value that somebody tries.
Tried = tuple[str, str, float]

#: Answers kept, about 3 kB each.
KEPT = 1000
#: Seconds after which the processor is free for what nobody waits for.
BREATH = 0.5
#: Runs that a helper keeps open.
OPEN = 16
STOPPED = "the helper that asks the strategies stopped; click again to restart it"


class Worker:
    """One helper process: asked from many threads, it answers in order. It is started again when it has died."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._waiting: dict[int, tuple[Future[Reply], subprocess.Popen[str]]] = {}
        self._asked = 0

    @property
    def alive(self) -> bool:
        """Whether a process is there to answer."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, while it lives."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def idle(self) -> bool:
        """Whether nobody waits for it."""
        return not self._waiting

    def start(self) -> None:
        """Starts the process, unless it runs; returns at once, while torch is being imported over there."""
        with self._lock:
            self._start()

    def ask(self, question: dict[str, Any]) -> Future[Reply]:
        """The reply to come; {"error": one sentence} where there is none."""
        future: Future[Reply] = Future()
        with self._lock:
            process = self._start()
            self._asked += 1
            self._waiting[self._asked] = (future, process)
            assert process.stdin is not None
            # OSError: it died this instant; the reader tells whoever waits, and the next question restarts it.
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(json.dumps({"id": self._asked, **question}) + "\n")
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
                future, _ = self._waiting.pop(number, (None, None))
            if future is not None:
                future.set_result(reply)
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):  # what it did not read any more
            process.stdin.close()
        # It is gone. Whoever waits for it is told; the next question starts a new process.
        with self._lock:
            lost = [number for number, (_, asked) in self._waiting.items() if asked is process]
            futures = [self._waiting.pop(number)[0] for number in lost]
        for future in futures:
            future.set_result({"error": STOPPED})


class Helper:
    """The helper processes of a server, with the answers they have given. Safe to ask from many sessions at once.

    Example:
        helper = Helper()
        future = helper.ask("runs/semi-hard", digest, 12)  # starts the process when there is none
        future.result(timeout=1.5)["answer"]["z"]
    """

    def __init__(self, command: list[str] | None = None) -> None:
        command = command or [sys.executable, "-P", "-m", "tripletscope_app.answers"]
        self._quick, self._slow = Worker(command), Worker([*command, "--slow"])
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Future[Reply]] = OrderedDict()
        self._later: deque[tuple[str, str, int, float | None, Sequence[str] | None, Sequence[Tried] | None]] = deque()
        self._cards: list[Reply] = []

    @property
    def alive(self) -> bool:
        """Whether a process is there to answer clicks."""
        return self._quick.alive

    @property
    def pid(self) -> int | None:
        """Of the process that answers clicks, while it lives."""
        return self._quick.pid

    def start(self) -> None:
        """Starts the process that answers clicks, unless it runs; returns at once."""
        self._quick.start()

    def stop(self) -> None:
        """Ends the processes."""
        self._later.clear()
        self._quick.stop()
        self._slow.stop()

    @property
    def cards(self) -> list[Reply]:
        """Of all strategies that are registered, as the last answer told them; [] before the first."""
        return self._cards

    def ask(
        self,
        path: str,
        digest: str,
        anchor: int,
        margin: float | None = None,
        composed: Sequence[str] | None = None,
        tuned: Sequence[Tried] | None = None,
    ) -> Future[Reply]:
        """The answer to come: {"answer", "strategies"} or {"error"}. Known answers are there at once.

        Args:
            path: of the run folder.
            digest: of the run's content; a run that grows gets new answers.
            anchor: probe index.
            margin: what if it were this; None for the run's own.
            composed: strategies that somebody composed, beside all others.
            tuned: what if strategies had these parameters.
        """
        self._later.clear()  # whoever asked for those has gone on
        return self._answer(path, digest, anchor, margin, composed, tuned)

    def foresee(
        self,
        path: str,
        digest: str,
        anchor: int,
        margin: float | None = None,
        composed: Sequence[str] | None = None,
        tuned: Sequence[Tried] | None = None,
    ) -> None:
        """Asks for an answer that may be wanted soon, when nobody waits for another and the page has been drawn."""
        self._later.append((path, digest, anchor, margin, composed, tuned))
        timer = threading.Timer(BREATH, self._go_on)
        timer.daemon = True
        timer.start()

    def seek(self, path: str, digest: str, what: str, *, step: int, anchor: int, margin: float | None) -> Future[Reply]:
        """The next anchor worth a look: {"found": {"anchor", "positive"} or None} or {"error"}.

        Args:
            path: of the run folder.
            digest: of the run's content.
            what: "violating" or "disagree".
            step: with a frame.
            anchor: probe index to go on from.
            margin: None for the run's own.
        """
        question = {"ask": "seek", "run": path, "what": what, "step": step, "anchor": anchor, "margin": margin}
        return self._remembered((digest, what, step, anchor, margin), question, self._quick)

    def dialects(self, path: str, digest: str, **about: Any) -> Future[Reply]:
        """What other libraries would pick under a word (see analysis/dialect_picks), or {"error"}.

        Args:
            path: of the run folder.
            digest: of the run's content.
            **about: anchor, step, positive, word and margin.
        """
        name = (digest, "dialects", *sorted(about.items()))
        return self._remembered(name, {"ask": "dialects", "run": path, **about}, self._quick)

    def aside(self, path: str, digest: str) -> Future[Reply]:
        """The run's numbers over time, written to a file: {"path"} or {"error"}. Takes seconds, and no click waits."""
        name = (digest, "aside")
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.done() and not os.path.isfile(known.result().get("path", "")):
                del self._known[name]  # somebody emptied the cache since
        return self._remembered(name, {"ask": "aside", "run": path, "digest": digest}, self._slow)

    def share(self, paths: Sequence[str], digest: str, title: str, opening: Mapping[str, Any]) -> Future[Reply]:
        """The runs as one page, written to a file: {"path"} or {"error"}. Takes seconds, and no click waits."""
        told = {"ask": "share", "runs": list(paths), "digest": digest, "title": title, "opening": dict(opening)}
        return self._slow.ask(told)

    def check(
        self, settings: Mapping[str, Any], strategies: Sequence[str], seeds: Sequence[int], root: str
    ) -> Future[Reply]:
        """What is known of a race before it starts (see racing/check), or {"error"}. Takes seconds."""
        told = {"settings": dict(settings), "strategies": list(strategies), "seeds": list(seeds), "root": root}
        return self._slow.ask({"ask": "check", **told})

    def chip(self, name: str) -> Future[Reply]:
        """The picture of a registered data set, written to a file: {"path"} or {"error"}."""
        return self._remembered(("chip", name), {"ask": "chip", "name": name}, self._slow)

    def compare(self, what: str, paths: Sequence[str], key: str) -> Future[Reply]:
        """A block of the Compare page, written to a file: {"path"} or {"error"}. Takes seconds, and no click waits.

        Args:
            what: "agreement", or "difference" of two.
            paths: of the run folders.
            key: names the content.
        """
        name = (key, "compare")
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.done() and not os.path.isfile(known.result().get("path", "")):
                del self._known[name]  # somebody emptied the cache since
        return self._remembered(name, {"ask": "compare", "what": what, "runs": list(paths), "key": key}, self._slow)

    def _answer(
        self,
        path: str,
        digest: str,
        anchor: int,
        margin: float | None,
        composed: Sequence[str] | None,
        tuned: Sequence[Tried] | None,
    ) -> Future[Reply]:
        question = {"ask": "answer", "run": path, "anchor": anchor, "margin": margin}
        more = {"composed": list(composed or ()), "tuned": list(tuned or ())}
        question |= {name: given for name, given in more.items() if given}
        name = (digest, anchor, margin, tuple(composed or ()), tuple(tuned or ()))
        future = self._remembered(name, question, self._quick)
        future.add_done_callback(self._take_cards)
        return future

    def _take_cards(self, future: Future[Reply]) -> None:
        told = future.result().get("strategies")
        if told:
            self._cards = [card for card in told if not is_composition(card["name"])]

    def _remembered(self, name: Hashable, question: dict[str, Any], worker: Worker) -> Future[Reply]:
        with self._lock:
            known = self._known.get(name)
            if known is not None:
                self._known.move_to_end(name)
                return known
            future = self._known[name] = worker.ask(question)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        future.add_done_callback(lambda done: self._answered(name, done))
        return future

    def _answered(self, name: Hashable, future: Future[Reply]) -> None:
        if "error" in future.result():
            with self._lock:
                if self._known.get(name) is future:
                    del self._known[name]  # asked again, it may go better
        self._go_on()

    def _go_on(self) -> None:
        """Asks the next question that nobody waits for."""
        while self._quick.idle and self._quick.alive:
            try:
                wanted = self._later.popleft()
            except IndexError:
                return
            self._answer(*wanted)


# ---- the helper process -------------------------------------------------------------------------------------------


@lru_cache(maxsize=OPEN)
def _opened(path: str, stamp: tuple[tuple[int, int], ...]) -> Run:
    from tripletscope.store.reader import Run

    return Run.open(path)


def opened(path: str) -> Run:
    """The run in that folder; opened again only when it has grown."""
    from pathlib import Path

    from tripletscope.store.shelf import stamp

    return _opened(path, stamp(Path(path)))


def _answer(question: dict[str, Any]) -> Reply:
    from tripletscope import strategies
    from tripletscope.analysis.answer import pack_answer
    from tripletscope.analysis.counterfactual import anchor_answer

    run = opened(question["run"])
    params: dict[str, dict[str, float]] = {}
    for name, parameter, value in question.get("tuned", ()):
        params.setdefault(name, {})[parameter] = value
    more = question.get("composed", ())
    answer = anchor_answer(run, int(question["anchor"]), margin=question.get("margin"), more=more, params=params)
    strangers = strategies.STRATEGIES.outsiders
    cards = [
        record.describe() | ({"outside": True} if record.name in strangers else {})
        for record in strategies.all(run.strategies)
    ]
    return {"answer": pack_answer(answer), "strategies": cards}


def _seek(question: dict[str, Any]) -> Reply:
    from tripletscope.analysis.seek import next_disagreement, next_violating

    seek = next_violating if question["what"] == "violating" else next_disagreement
    run, step, anchor = opened(question["run"]), int(question["step"]), int(question["anchor"])
    found = seek(run, step, anchor, margin=question.get("margin"))
    return {"found": None if found is None else {"anchor": found[0], "positive": found[1]}}


def _dialects(question: dict[str, Any]) -> Reply:
    from tripletscope.analysis.dialect_picks import dialect_picks

    told = {name: question[name] for name in ("anchor", "step", "positive", "word", "margin")}
    return dialect_picks(opened(question["run"]), **told)


def _aside(question: dict[str, Any]) -> Reply:
    from tripletscope_app.asides import write_aside

    return {"path": str(write_aside(opened(question["run"]), question["digest"]))}


def _share(question: dict[str, Any]) -> Reply:
    from tripletscope.store import cache
    from tripletscope_app.share.page import Shared, page_of

    shared = Shared([opened(path) for path in question["runs"]], question["title"], opening=question["opening"])
    return {"path": str(cache.keep("pages", f"{question['digest']}.html", page_of(shared).encode()))}


def _check(question: dict[str, Any]) -> Reply:
    from tripletscope_app.racing.check import check

    return check(question["settings"], question["strategies"], question["seeds"], question["root"])


def _chip(question: dict[str, Any]) -> Reply:
    from tripletscope_app.racing.chips import write_chip

    return {"path": str(write_chip(question["name"]))}


def _compare(question: dict[str, Any]) -> Reply:
    from tripletscope_app.comparing.packing import write_agreement, write_difference

    runs, key = [opened(path) for path in question["runs"]], str(question["key"])
    if question["what"] == "difference":
        return {"path": write_difference(runs[0], runs[1], key)}
    return {"path": write_agreement(runs, key)}


#: What can be asked, by the name in "ask".
QUESTIONS: dict[str, Callable[[dict[str, Any]], Reply]] = {
    "answer": _answer,
    "seek": _seek,
    "dialects": _dialects,
    "aside": _aside,
    "share": _share,
    "check": _check,
    "chip": _chip,
    "compare": _compare,
}


def answer_line(line: str) -> Reply:
    """The reply to one question, as the helper process gives it."""
    from tripletscope.errors import TripletscopeError

    question = json.loads(line)
    try:
        reply = QUESTIONS[question["ask"]](question)
    except (TripletscopeError, IndexError) as refusal:
        reply = {"error": str(refusal)}
    except Exception as error:  # a strategy of somebody else may raise anything; the page says so and lives on
        reply = {"error": f"the strategies could not be asked ({type(error).__name__}: {error})"}
    return {"id": question["id"], **reply}


def _step_back(niceness: int) -> None:
    if hasattr(os, "nice"):
        os.nice(niceness)


def _load() -> None:
    """Nothing; the first question finds everything imported."""
    import torch  # noqa: F401

    import tripletscope.analysis.counterfactual
    import tripletscope.strategies  # noqa: F401


def serve(*, slow: bool) -> None:
    """Answers questions from standard input until it closes."""
    # What libraries print must not mix with our lines: keep the pipe for ourselves, and send prints to stderr.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if slow:
        _step_back(10)
        _load()
    else:
        # While torch is imported, the page that is being drawn goes first; afterwards somebody waits for every answer.
        # On Linux a thread has a niceness of its own, and takes it along when it ends.
        loading = threading.Thread(target=lambda: (_step_back(5), _load()))
        loading.start()
        loading.join()
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(BrokenPipeError):  # the server went while we were thinking
        for line in sys.stdin:
            pipe.write(json.dumps(answer_line(line)) + "\n")
            pipe.flush()


if __name__ == "__main__":
    serve(slow="--slow" in sys.argv)
