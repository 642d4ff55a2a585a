"""Every control of the app, declared once: session key, default, name in the URL. Any view is a link.

A link holds names that mean the same in every run of a race: the recording, the step, and the rows of anchor and
positive in samples/. The session holds the same four under our own keys, because the state of a component is lost
on a change of page. Each browser tab has its own session, so two people do not move each other's selection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


@dataclass(frozen=True)
class Control:
    """One thing a person can choose.

    Args:
        key: in the session.
        url: name in the address.
        read: the value of the text in the address; None when it makes no sense.
    """

    key: str
    url: str
    read: Callable[[str], Any]
    default: Any = None


RUN = Control("watch.run", "run", str)
STEP = Control("watch.step", "step", _whole)
ANCHOR = Control("watch.anchor", "anchor", _whole)
POSITIVE = Control("watch.positive", "positive", _whole)
CONTROLS = (RUN, STEP, ANCHOR, POSITIVE)

#: How often Python itself changed the selection; the browser gives way only when it grows.
REVISION = "watch.revision"


def instrument_key(race: str) -> str:
    """Session key of the instrument: each race has its own, with its own scale and camera."""
    return f"instrument.{race}"


def get(control: Control) -> Any:
    """The value that is chosen now."""
    return st.session_state.get(control.key, control.default)


def put(**values: Any) -> None:
    """Chooses: `put(run=…, step=…)`. The address follows."""
    for control in CONTROLS:
        if control.url in values:
            st.session_state[control.key] = values[control.url]
    write_url()


def revision() -> int:
    """The number that goes with the selection to the browser."""
    return int(st.session_state.get(REVISION, 1))


def overrule(**values: Any) -> None:
    """Chooses against what the browser shows: it will take this selection over."""
    st.session_state[REVISION] = revision() + 1
    put(**values)


def read_url(address: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the address asks for, by control key; what makes no sense is left out."""
    address = st.query_params if address is None else address
    asked = {control.key: control.read(address[control.url]) for control in CONTROLS if control.url in address}
    return {key: value for key, value in asked.items() if value is not None}


def restore_url() -> None:
    """Takes the address over into a new session; later the session leads and the address follows."""
    if RUN.key not in st.session_state:
        for control in CONTROLS:
            st.session_state[control.key] = control.default
        st.session_state.update(read_url())


def write_url() -> None:
    """The address of what is on the screen."""
    for control in CONTROLS:
        value = get(control)
        if value is None:
            st.query_params.pop(control.url, None)
        elif st.query_params.get(control.url) != str(value):
            st.query_params[control.url] = str(value)
