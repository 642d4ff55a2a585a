"""Brings the runs' asides to the browser once the page is drawn: the watched run first, then the others of its race."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope.store.reader import Run
from tripletscope_app import component, state
from tripletscope_app.asides import kept_aside
from tripletscope_app.loaders import Loaded, Race
from tripletscope_app.widgets import helper

#: Between two looks at what has been made, in seconds: at first, and at most. A look costs milliseconds.
PAUSE, LONGEST_PAUSE = 0.5, 2.0
#: Said while a run is being recorded: what is counted over all steps waits for the last.
LATER = "These numbers are counted when the race has ended."
#: How often an aside is asked for: a helper that somebody ended is started again once.
TRIES = 2

Ask = Callable[[str, str], "Future[dict[str, Any]]"]


@dataclass
class Waiting:
    """What a session knows of the asides of one race.

    Attributes:
        digests: of its runs, as they are drawn.
        turn: how often it has looked.
        files: where the asides that are there lie, by digest.
        failed: one sentence for each that could not be made.
        tries: how often each was asked for in vain.
        asked: the replies that are to come.
    """

    digests: tuple[str, ...]
    turn: int = 0
    files: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    asked: dict[str, Future[dict[str, Any]]] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return len(self.files) + len(self.failed) >= len(self.digests)

    def look(self, runs: Sequence[tuple[Run, str]], ask: Ask) -> None:
        """Nothing; what has been made meanwhile is noted, and the next one is asked for, one at a time.

        Args:
            runs: (run, digest) in the order in which they are wanted.
            ask: (path, digest) -> the reply to come, {"path"} or {"error"}.
        """
        busy = False
        for run, digest in runs:
            if digest in self.files or digest in self.failed:
                continue
            kept = kept_aside(run, digest)
            if kept is not None:
                self.files[digest] = kept
                continue
            if digest not in self.asked:
                if busy:
                    continue
                # Held on to: a helper that is asked again after a failure begins anew.
                self.asked[digest] = ask(str(run.path), digest)
            if not self.asked[digest].done():
                busy = True
                continue
            reply = self.asked.pop(digest).result()
            if "error" in reply:
                self.lost(digest, reply["error"])
                busy = digest not in self.failed  # its second try comes before the others
            else:
                self.files[digest] = Path(reply["path"])

    def lost(self, digest: str, why: str) -> None:
        """Nothing; that aside is asked for again, or given up."""
        self.files.pop(digest, None)
        self.tries[digest] = self.tries.get(digest, 0) + 1
        if self.tries[digest] >= TRIES:
            self.failed[digest] = f"These numbers could not be counted: {why}"


@st.fragment
def bring_asides(race: Race, loaded: Loaded) -> None:
    """Hands over the asides that are there, and comes back until all are; the instrument is not drawn again."""
    if loaded.live:
        with st.container(key="unseen-asides"):
            component.tell_news({"asides": dict.fromkeys(loaded.digests, LATER)}, key="news-asides")
        return
    waiting = st.session_state.get("watch.asides")
    if waiting is None or waiting.digests != loaded.digests:
        # The first draw goes first: what is kept from an earlier visit comes a moment later, too.
        waiting = st.session_state["watch.asides"] = Waiting(loaded.digests)
    else:
        watched = str(state.get(state.RUN) or "").rpartition("/")[2]
        pairs = zip(loaded.runs, loaded.digests, strict=True)
        waiting.look(sorted(pairs, key=lambda pair: pair[0].name != watched), helper().aside)
    waiting.turn += 1
    with st.container(key="unseen-asides"):
        for digest, path in list(waiting.files.items()):
            try:
                component.load_more(f"aside-{digest}", _content(str(path)))
            except OSError as problem:  # somebody emptied the cache since
                waiting.lost(digest, f"its file cannot be read ({problem.strerror})")
        if waiting.failed:
            component.tell_news({"asides": dict(waiting.failed)}, key="news-asides")
        if not waiting.over:
            component.come_back(waiting.turn, min(LONGEST_PAUSE, PAUSE * 1.1**waiting.turn), key="tick-asides")


@st.cache_resource(show_spinner=False, max_entries=24)
def _content(path: str) -> bytes:
    return Path(path).read_bytes()
