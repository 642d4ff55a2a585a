"""Which triplets to train on: strategy, margin, preview, file."""

from __future__ import annotations

from tripletscope_app.inspecting.opened import Opened


def show(opened: Opened) -> None:
    """Draws the panel."""
