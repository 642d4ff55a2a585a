"""Waiting for a desk's answer: a bar with the time left and a way out, and the page alive meanwhile."""

from __future__ import annotations

from typing import Any

import streamlit as st

from tripletscope_app.desk.client import Asked

#: A quick answer is waited for, so that nothing flashes, in seconds.
PATIENCE = 0.4


def answer(asked: Asked, words: str, *, key: str, patience: float = PATIENCE) -> dict[str, Any] | None:
    """The reply; None while it is to come or where it failed, and then the screen says so here.

    Args:
        asked: of `Opened.ask`.
        words: what is being done, such as "Looking for faults".
        key: of the widgets, unique on the page.
        patience: seconds to wait before a bar is drawn.
    """
    reply = asked.reply(patience)
    if reply is None:
        _bar(asked, words, key)
        return None
    if "error" in reply:
        if reply.get("cancelled"):
            st.caption(f"{words}: cancelled.")
        else:
            st.warning("That did not work.")
            st.text(reply["error"])  # st.text: a file's words are shown, never rendered
        return None
    return reply


@st.fragment(run_every=0.4)
def _bar(asked: Asked, words: str, key: str) -> None:
    """Draws the page again when the answer is there. A page that is not waiting does not have this timer."""
    if asked.ready:
        st.rerun()
    left = asked.seconds_left
    row = st.container(horizontal=True, vertical_alignment="center")
    row.progress(asked.share, text=f"{words} …" if left is None else f"{words} … about {spoken(left)} left")
    row.button("Cancel", key=f"{key}.cancel", on_click=asked.cancel)


def spoken(seconds: float) -> str:
    """A duration as people say it.

    Example:
        >>> spoken(4.2), spoken(61), spoken(600), spoken(9000)
        ('4 s', '61 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
