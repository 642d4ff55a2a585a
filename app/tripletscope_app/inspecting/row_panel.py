"""One row: its neighbours of the same and of other classes, and the ruler."""

from __future__ import annotations

from tripletscope_app.inspecting.opened import Opened


def show(opened: Opened) -> None:
    """Draws the panel."""
