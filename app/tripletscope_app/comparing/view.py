"""What is looked at on the Compare page, declared once: session key, default, name in the URL. Any view is a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from tripletscope.analysis.comparison import FAIR as EFFORTS
from tripletscope_app.state import VERSION, Control, _two, _whole

#: Maps side by side; a seventh would be too small to read.
MOST = 6


def _runs(text: str) -> tuple[str, ...] | None:
    names = tuple(dict.fromkeys(name for name in text.split(",") if 0 < len(name) <= 200 and name.isprintable()))
    return names[:MOST] or None


def _fair(text: str) -> str | None:
    return text if text in EFFORTS else None


def _source(text: str) -> str | None:
    return text if text in ("asked", "shared", "recorded") else None


RUNS = Control("compare.runs", "runs", _runs, ",".join)
STEP = Control("compare.step", "step", _whole)
#: Row of the samples.
ANCHOR = Control("compare.anchor", "anchor", _whole)
#: What is held equal: a name of `comparison.FAIR`.
FAIR = Control("compare.fair", "fair", _fair, default="steps")
#: Places of the two runs whose neighbourhoods are compared.
PAIR = Control("compare.pair", "pair", _two, lambda pair: f"{pair[0]}-{pair[1]}", default=(0, 1))
#: Where picks come from: "asked" on the cohort, "shared" in the first run's space, or "recorded" in the step's batch.
PICKS = Control("compare.picks", "picks", _source, default="asked")
CONTROLS = (RUNS, STEP, ANCHOR, FAIR, PAIR, PICKS)

#: How often Python itself changed the selection; the browser gives way only when it grows.
_REVISION = "compare.revision"


def get(control: Control) -> Any:
    """The value that is chosen now."""
    return st.session_state.get(control.key, control.default)


def put(**values: Any) -> None:
    """Chooses: `put(step=…, fair=…)`, by the names in the URL. The address follows."""
    for control in CONTROLS:
        if control.url in values:
            st.session_state[control.key] = values[control.url]
    write_url()


def overrule(**values: Any) -> None:
    """Chooses against what the browser shows: it will take this selection over. What is not named stays."""
    st.session_state[_REVISION] = revision() + 1
    put(**values)


def go_to(links: Sequence[str]) -> None:
    """Chooses these runs, from another page: the address follows when Compare is drawn."""
    st.session_state[_REVISION] = revision() + 1
    for control in CONTROLS:
        st.session_state[control.key] = tuple(links)[:MOST] if control is RUNS else control.default


def revision() -> int:
    """The number that goes with the selection to the browser."""
    return int(st.session_state.get(_REVISION, 1))


def read_url(address: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the address asks for, by control key; what makes no sense is left out.

    Example:
        >>> read_url({"runs": "digits-2d/random,mine", "fair": "joules", "step": "30", "pair": "0-2"})
        {'compare.runs': ('digits-2d/random', 'mine'), 'compare.step': 30, 'compare.pair': (0, 2)}
    """
    address = st.query_params if address is None else address
    known = CONTROLS if address.get("v", VERSION) == VERSION else (RUNS,)
    asked = {control.key: control.read(address[control.url]) for control in known if control.url in address}
    return {key: value for key, value in asked.items() if value is not None}


def restore_url() -> None:
    """Takes the address over into a new session; later the session leads and the address follows."""
    if RUNS.key not in st.session_state:
        for control in CONTROLS:
            st.session_state[control.key] = control.default
        st.session_state.update(read_url())
    else:
        write_url()  # somebody comes back from another page


def write_url() -> None:
    """The address of what is on the screen. One message to the browser, and none when nothing changed."""
    chosen = {control.url: control.write(get(control)) for control in CONTROLS if get(control) != control.default}
    wanted = {"v": VERSION, **chosen}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
