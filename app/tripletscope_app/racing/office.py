"""The one yard of this server: it looks after the trainings in ./runs, whoever asked for them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from tripletscope_app.racing import plan as plans
from tripletscope_app.racing.yard import Yard

#: Folder of the runs that are trained here and taken in here.
FOLDER = "runs"


def yard() -> Yard:
    """The yard for ./runs. What waited when the last server ended goes on as soon as somebody asks for it."""
    return _yard(str(Path(FOLDER).absolute()))


def wake() -> None:
    """Nothing; what waits in ./runs goes on, if anything was ever planned there."""
    if any(Path(FOLDER).glob(f"*/{plans.FILE}")):
        yard()


@st.cache_resource(show_spinner=False)
def _yard(root: str) -> Yard:
    made = Yard(Path(root))
    if any(made.root.glob(f"*/{plans.FILE}")):
        made.wake()
    return made
