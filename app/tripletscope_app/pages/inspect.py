"""Inspect: a person's own embeddings in, findings and hard triplets out."""

from __future__ import annotations

import streamlit as st

from tripletscope_app import component
from tripletscope_app.inspecting import (
    drop,
    findings_panel,
    health_strip,
    map_panel,
    mine_panel,
    outputs,
    row_panel,
    view,
)
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.style import STYLE


def inspect() -> None:
    """The page."""
    st.html(STYLE)  # nothing but a style element, so it takes no room
    view.restore_url()
    # One place for all that the door says, however much: a panel that another one above it moves on is made anew in the
    # browser, and the map would be gone for a moment. The gap is that of the page.
    with st.container(gap="xsmall"):
        opened = drop.bar()
    if opened is None:
        return
    component.load_code("inspect")  # for all panels, once
    map_panel.foresee(opened)
    health_strip.show(opened)
    _workbench(opened)
    mine_panel.show(opened)
    outputs.show(opened)


@st.fragment(key="inspect.workbench")
def _workbench(opened: Opened) -> None:
    """Everything that follows the row and the finding that are looked at: a click draws this again and no more."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        map_panel.show(opened)
    with right:
        findings_panel.show(opened)
    row_panel.show(opened)
