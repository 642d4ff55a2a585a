"""The door of the page: drop a file, try a sample, check which column is what."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tripletscope_app.inspecting import opened as store
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.waiting import answer


def bar() -> Opened | None:
    """What is open, with the means to open something else; None while nothing is."""
    found = store.opened()
    if found is None:
        path = Path(str(files("tripletscope"))).parent.parent / "sample_data" / "flawed" / "digits.npz"
        told = answer(store.desk().once("look", path=str(path)), "Reading", key="drop.look", patience=5)
        if told is None:
            return None
        found = Opened(store.desk(), told["set"], {"embeddings": path}, {"embeddings": path.name}, {}, told, "flawed")
        store.open_now(found)
    return found
