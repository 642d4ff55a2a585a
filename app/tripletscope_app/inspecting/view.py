"""What is looked at on the Inspect page, declared once: session key, default, name in the URL. Any view is a link.

A file that somebody dropped is not on the net, so a link names its content (`set`, the digest's first digits) and the
page asks for that file. A sample is named by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from tripletscope_app.state import Control, _name, _positive, _whole, get, read_controls, write_controls

__all__ = ["Control", "get", "link", "put", "read_url", "restore_url", "write_url"]

DISTANCES = ("cosine", "euclidean", "squared-euclidean")


def _distance(text: str) -> str | None:
    return text if text in DISTANCES else None


def _column(text: str) -> str | None:
    return text if 0 < len(text) <= 200 and text.isprintable() else None


def _set(text: str) -> str | None:
    return text if re.fullmatch(r"[a-z0-9-]{1,64}", text) else None


SET = Control("inspect.set", "set", _set)
DISTANCE = Control("inspect.distance", "distance", _distance, default="cosine")
#: Place of the row whose neighbours and ruler are shown.
ROW = Control("inspect.row", "row", _whole)
#: Place of the positive that decides the zones on its ruler; None = its nearest.
POSITIVE = Control("inspect.positive", "positive", _whole)
#: Name of the check whose rows are shown on the map.
FINDING = Control("inspect.finding", "finding", _name)
#: "label", "finding", "hubness", "zone", "loss", or "column:NAME".
COLOUR = Control("inspect.colour", "colour", _column, default="label")
#: "pca", "umap" or "own".
SPACE = Control("inspect.space", "space", _name)
STRATEGY = Control("inspect.strategy", "strategy", _name, default="semi-hard")
MARGIN = Control("inspect.margin", "margin", _positive, repr)
CONTROLS = [SET, DISTANCE, ROW, POSITIVE, FINDING, COLOUR, SPACE, STRATEGY, MARGIN]


def put(**values: Any) -> None:
    """Chooses: `put(row=…, finding=…)`, by the names in the URL. The address follows."""
    for control in CONTROLS:
        if control.url in values:
            st.session_state[control.key] = values[control.url]
    write_url()


def read_url(address: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the address asks for, by control key; what makes no sense is left out.

    Example:
        >>> read_url({"set": "flawed", "row": "12", "distance": "taxi", "margin": "0.5"})
        {'inspect.set': 'flawed', 'inspect.row': 12, 'inspect.margin': 0.5}
    """
    return read_controls(CONTROLS, SET, st.query_params if address is None else address)


def restore_url() -> None:
    """Takes the address over into a new session; later the session leads and the address follows."""
    if SET.key not in st.session_state:
        for control in CONTROLS:
            st.session_state[control.key] = control.default
        st.session_state.update(read_url())
    else:
        write_url()  # somebody comes back from another page


def link() -> dict[str, str]:
    """What the address of the screen names: defaults stay out."""
    return write_controls(CONTROLS)


def write_url() -> None:
    """The address of what is on the screen. One message to the browser, and none when nothing changed."""
    wanted = link()
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
