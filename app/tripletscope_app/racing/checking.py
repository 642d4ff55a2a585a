"""Asks the helper whether the chosen race can start, one question at a time, and comes back for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope_app.racing import form
from tripletscope_app.racing.office import FOLDER
from tripletscope_app.racing.view import Wanted
from tripletscope_app.widgets import helper

#: A quick answer is waited for, so that nothing flashes, in seconds.
PATIENCE = 0.2
_HELD = "race.check"


@dataclass
class Held:
    """What a session has asked and heard.

    Attributes:
        asked: the race that was asked about last.
        future: the reply to come, or None.
        about: the race that the answer is about.
        answer: the last one.
    """

    asked: str = ""
    future: Future[dict[str, Any]] | None = None
    about: str = ""
    answer: dict[str, Any] | None = None


@dataclass(frozen=True)
class Told:
    """What is known of the race as it is chosen now.

    Attributes:
        answer: of the check; while it is to come, what holds for any race on this machine, or None.
        ready: whether the answer is about these settings.
    """

    answer: Mapping[str, Any] | None
    ready: bool


def ask(wanted: Wanted) -> Told:
    """What the check says of this race, as far as it is known."""
    held: Held = st.session_state.setdefault(_HELD, Held())
    _listen(held)
    if wanted.seeds is None:
        return Told(_lasting(held), False)
    if held.about != wanted.question and held.future is None:
        held.asked = wanted.question
        held.future = helper().check(wanted.settings, wanted.strategies, wanted.seeds, str(Path(FOLDER).absolute()))
        wait([held.future], timeout=PATIENCE)
        _listen(held)
    if held.about == wanted.question:
        return Told(held.answer, True)
    return Told(_lasting(held), False)


def _listen(held: Held) -> None:
    if held.future is not None and held.future.done():
        held.about, held.answer, held.future = held.asked, held.future.result(), None


def _lasting(held: Held) -> dict[str, Any] | None:
    """What an answer about other settings still says."""
    choices = (held.answer or {}).get("choices")
    return {"choices": choices} if choices else None


def come_back(told: Told) -> None:
    """A page that waits for an answer or a picture has a timer; others have none."""
    held: Held = st.session_state[_HELD]
    if held.future is not None or form.chips_missing():
        st.fragment(_await, run_every=0.5)(form.chips_missing())


def _await(pictures: bool) -> None:
    held: Held = st.session_state[_HELD]
    if (held.future is None or held.future.done()) and not (pictures and form.chips_missing()):
        st.rerun()
    if held.future is not None and held.future.done():
        st.rerun()
