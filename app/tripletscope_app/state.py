"""Every control of the app, declared once: session key, default, name in the URL. Any view is a link.

A link holds names that mean the same in every run of a race: the recording, the step, and the rows of anchor and
positive in samples/; then what differs from the default: margin, lane, map, classes in focus, steps that sums run
over, the lanes that are shown, composed strategies, parameters that are tried. The session holds the same under our
own keys, because the state of a component is lost on a change of page.
Each browser tab has its own session, so two people do not move each other's selection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from tripletscope_app.lanes import MOST_LANES, Tuned, compositions, tuned

#: Of the names and values in a link. A link of another version may mean other things by them, so it only names a run.
VERSION = "1"


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _positive(text: str) -> float | None:
    if len(text) > 32 or not re.fullmatch(r"[0-9.eE+-]+", text):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _name(text: str) -> str | None:
    # A composed strategy's name says every choice, which takes up to 78 letters.
    return text if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,95}", text) else None


def _names(text: str) -> tuple[str, ...] | None:
    """Names with full stops between them; what is none of them is left out."""
    return tuple(dict.fromkeys(name for name in text.split(".")[:MOST_LANES] if _name(name))) or None


def _composed(text: str) -> tuple[str, ...] | None:
    return compositions(text.split(".")) or None


def _tuned(text: str) -> Tuned | None:
    return tuned(part.split(":") for part in text.split(",")) or None


def _one_or_two(text: str) -> tuple[int, int | None] | None:
    first, dash, second = text.partition("-")
    parts = (_whole(first), _whole(second) if dash else None)
    return None if parts[0] is None or (dash and parts[1] is None) else (parts[0], parts[1])


def _two(text: str) -> tuple[int, int] | None:
    first, second = _one_or_two(text) or (0, None)
    return None if second is None or second < first else (first, second)


def _dashed(value: tuple[int | None, ...]) -> str:
    return "-".join(str(part) for part in value if part is not None)


@dataclass(frozen=True)
class Control:
    """One thing a person can choose.

    Args:
        key: in the session.
        url: name in the address.
        read: the value of the text in the address; None when it makes no sense.
        write: the text of a value.
    """

    key: str
    url: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    default: Any = None


RUN = Control("watch.run", "run", str)
STEP = Control("watch.step", "step", _whole)
ANCHOR = Control("watch.anchor", "anchor", _whole)
POSITIVE = Control("watch.positive", "positive", _whole)
MARGIN = Control("watch.margin", "margin", _positive, repr)
LANE = Control("watch.lane", "lane", _name)
SPACE = Control("watch.space", "space", _name)
FOCUS = Control("watch.focus", "focus", _one_or_two, _dashed)
SPAN = Control("watch.span", "span", _two, _dashed)
LANES = Control("watch.lanes", "lanes", _names, ".".join)
COMPOSED = Control("watch.composed", "composed", _composed, ".".join)
TUNED = Control("watch.tuned", "tuned", _tuned, lambda value: ",".join(f"{a}:{b}:{c:g}" for a, b, c in value))
CONTROLS = (RUN, STEP, ANCHOR, POSITIVE, MARGIN, LANE, SPACE, FOCUS, SPAN, LANES, COMPOSED, TUNED)

#: In the session: the pages that others send a person to.
WATCH_PAGE, COMPARE_PAGE = "shell.watch", "shell.compare"

#: How often Python itself changed the selection; the browser gives way only when it grows.
REVISION = "watch.revision"


def instrument_key(race: str) -> str:
    """Session key of the instrument: each race has its own, with its own scale and camera."""
    return f"instrument.{race}"


def get(control: Control) -> Any:
    """The value that is chosen now."""
    return st.session_state.get(control.key, control.default)


def put(**values: Any) -> None:
    """Chooses: `put(run=…, step=…)`. The address follows."""
    for control in CONTROLS:
        if control.url in values:
            st.session_state[control.key] = values[control.url]
    write_url()


def revision() -> int:
    """The number that goes with the selection to the browser."""
    return int(st.session_state.get(REVISION, 1))


def overrule(**values: Any) -> None:
    """Chooses against what the browser shows: it will take this selection over. What is not named is the default."""
    st.session_state[REVISION] = revision() + 1
    put(**{control.url: control.default for control in CONTROLS} | values)


def go_to(run: str) -> None:
    """Chooses a recording at its own opening, from another page: the address follows when Watch is drawn."""
    st.session_state[REVISION] = revision() + 1
    for control in CONTROLS:
        st.session_state[control.key] = run if control is RUN else control.default


def read_url(address: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the address asks for, by control key; what makes no sense is left out.

    Example:
        >>> read_url({"run": "digits", "margin": "0.5", "focus": "3-5", "step": "-1", "more": "1"})
        {'watch.run': 'digits', 'watch.margin': 0.5, 'watch.focus': (3, 5)}
        >>> read_url({"v": "2", "run": "digits", "margin": "0.5"})
        {'watch.run': 'digits'}
    """
    return read_controls(CONTROLS, RUN, st.query_params if address is None else address)


def read_controls(controls: Iterable[Control], first: Control, address: Mapping[str, str]) -> dict[str, Any]:
    """What an address says of a page's controls, by key; of one of another version only `first` is understood."""
    known = controls if address.get("v", VERSION) == VERSION else (first,)
    asked = {control.key: control.read(address[control.url]) for control in known if control.url in address}
    return {key: value for key, value in asked.items() if value is not None}


def write_controls(controls: Iterable[Control]) -> dict[str, str]:
    """What an address says of a page's controls: defaults stay out."""
    chosen = {control.url: control.write(get(control)) for control in controls if get(control) != control.default}
    return {"v": VERSION, **chosen}


def restore_url() -> None:
    """Takes the address over into a new session; later the session leads and the address follows."""
    if RUN.key not in st.session_state:
        for control in CONTROLS:
            st.session_state[control.key] = control.default
        st.session_state.update(read_url())


def link() -> dict[str, str]:
    """What the address of the screen names: defaults stay out."""
    return write_controls(CONTROLS)


def write_url() -> None:
    """The address of what is on the screen. One message to the browser, and none when nothing changed."""
    ours = {control.url for control in CONTROLS} | {"v"}
    now = st.query_params.to_dict()
    wanted = {name: text for name, text in now.items() if name not in ours} | link()
    if wanted != now:
        st.query_params.from_dict(wanted)
