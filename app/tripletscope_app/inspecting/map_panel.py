"""The map of the set."""

from __future__ import annotations

from tripletscope_app.inspecting.opened import Opened


def show(opened: Opened) -> None:
    """Draws the panel."""
