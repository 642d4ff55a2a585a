"""What is open on this person's desk, for all panels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope_app.desk.client import Asked, Desk
from tripletscope_app.inspecting import view

_DESK, _OPENED = "inspect.desk", "inspect.opened"


@dataclass(frozen=True)
class Opened:
    """A set that is open.

    Attributes:
        desk: that holds it; ask it by `ask`.
        facts: of the set, as the desk's question `facts` gives them.
        files: what the person gave, copied to the desk's folder: "embeddings", and perhaps "metadata", "pictures".
        names: what the person calls these files.
        changes: of the proposed mapping, by part; for `open_embeddings(mapping=...)` and the command line.
        told: the whole reply of the question `look`: columns, mapping, reasons.
        sample: name of the bundled sample, or None for a person's own file.
        standardise: whether the vectors were standardised; `--standardise` on the command line.
    """

    desk: Desk
    facts: Mapping[str, Any]
    files: Mapping[str, Path]
    names: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    sample: str | None = None
    standardise: bool = False

    @property
    def name(self) -> str:
        """Of the set."""
        return str(self.facts["name"])

    @property
    def digest(self) -> str:
        """Of vectors, ids and labels: equal content, equal digest."""
        return str(self.facts["digest"])

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.facts["rows"])

    @property
    def labelled(self) -> bool:
        """Whether there are two classes or more."""
        return len(self.facts["class_names"]) > 1

    @property
    def distance(self) -> str:
        """That is chosen now, for everything on the page."""
        return str(view.get(view.DISTANCE))

    def ask(self, question: str, **given: Any) -> Asked:
        """The question to the desk; asked before with the same words, it is that one with its reply."""
        return self.desk.once(question, **given)


def desk() -> Desk:
    """This session's desk: process and folder are gone when the session is."""
    if _DESK not in st.session_state:
        st.session_state[_DESK] = Desk()
    found: Desk = st.session_state[_DESK]
    return found


def opened() -> Opened | None:
    """What this visitor has open, or None."""
    found: Opened | None = st.session_state.get(_OPENED)
    return found


def open_now(found: Opened | None) -> None:
    """Nothing; this is open from now on, or nothing is."""
    st.session_state[_OPENED] = found
