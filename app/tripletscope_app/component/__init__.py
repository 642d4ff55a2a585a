"""The instrument: map, ruler, curves and scrubber, drawn in the browser by our own ES modules.

No build step: the modules beside this file are joined in the order of modules.json and handed to Streamlit as text.
Two components share one store in the page. The loader takes a run's frames over once; the view gets small JSON. So
a click costs a few kilobytes, and scrubbing costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import streamlit as st

_IMPORT = re.compile(r"^\s*import\s[^;]*?from\s*[\"']\./[^\"']+[\"'];?[ \t]*$", re.MULTILINE)
_DEFAULT = re.compile(r"^export default function (\w+)", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def bundle(entry: str) -> str:
    """One ES module with everything that `entry` ("view" or "loader") needs, in the order of modules.json."""
    parts = []
    for name in json.loads(_read("modules.json"))[entry]:
        parts.append(f"// {name}\n" + _EXPORT.sub("", _IMPORT.sub("", _read(name))))
    return "\n".join(parts)


def _unwrapping(module: str) -> str:
    """The module, whose component takes its data out of a list of one.

    Streamlit looks through the values of a dict for data frames, and imports pandas to do so: half a second of the
    first page. It leaves a list alone.
    """
    named = _DEFAULT.search(module)
    assert named is not None, "the last module exports a named default function"
    unwrap = f"export default (given) => {named[1]}({{ ...given, data: given.data?.[0] }});\n"
    return _DEFAULT.sub(r"function \1", module) + "\n" + unwrap


@cache
def _component(entry: str) -> Callable[..., Any]:
    """The registered component. Registered when first mounted: at import there is no server to register with."""
    if entry == "loader":
        return st.components.v2.component("tripletscope_loader", js=bundle(entry))
    return st.components.v2.component("tripletscope_view", js=_unwrapping(bundle(entry)), css=_read("instrument.css"))


def load_runs(packed: Mapping[str, bytes]) -> None:
    """Hands packed runs, by digest, to the browser; unchanged bytes are sent once."""
    with st.container(key="unseen"):
        for digest, blob in packed.items():
            _component("loader")(key=f"blob-{digest}", data=blob, height=1)


def instrument(data: Mapping[str, Any], *, key: str, on_selection_change: Callable[[], None]) -> Any:
    """Mounts the view; its result has `.selection`, the last one that the browser reported, or None."""
    return _component("view")(key=key, data=[data], on_selection_change=on_selection_change)
