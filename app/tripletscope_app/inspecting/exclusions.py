"""What stays out of mining: the rows of findings, but for those that a person lets in, and rows chosen by hand."""

from __future__ import annotations

from typing import Any

import streamlit as st

from tripletscope_app.inspecting.opened import Opened

#: In the session: checks whose rows stay in mining, and places of rows that were left out by hand.
KEPT, ROWS = "inspect.kept", "inspect.excluded_rows"


def kept() -> list[str]:
    """The checks whose rows stay in mining, sorted."""
    found: list[str] = st.session_state.get(KEPT, [])
    return found


def keep(checks: list[str]) -> None:
    """Nothing; the rows of these checks stay in mining, those of all others are left out."""
    st.session_state[KEPT] = sorted(set(checks))


def by_hand() -> list[int]:
    """Places of the rows that were left out by hand, rising."""
    return sorted(set(st.session_state.get(ROWS, [])))


def excluded_rows(opened: Opened) -> dict[str, Any]:
    """What mining should leave out, besides what the findings exclude.

    `kept` are the checks whose rows stay in after all; `rows` the places that were left out by hand.
    """
    return {"kept": kept(), "rows": [row for row in by_hand() if row < opened.rows]}


def forget() -> None:
    """Nothing; all findings count again, and no row is left out by hand: another set is open."""
    st.session_state[KEPT], st.session_state[ROWS] = [], []
