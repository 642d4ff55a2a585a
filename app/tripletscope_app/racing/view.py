"""The settings of the race that somebody is putting together: session key, default, name in the URL.

A link brings the settings along, but no path: what lies on this machine is nobody's to name from afar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import streamlit as st

from tripletscope.config import TrainConfig
from tripletscope_app.state import VERSION, Control, _name, _positive, _whole

#: Most names and seeds that a link may bring.
_MOST = 32


def _names(text: str) -> tuple[str, ...] | None:
    parts = tuple(part for part in text.split(".") if part)
    return parts if len(parts) <= _MOST and all(map(_name, parts)) else None


def _seeds(text: str) -> str | None:
    return text if re.fullmatch(r"[0-9][0-9 ,-]{0,60}", text) else None


def _registered(text: str) -> str | None:
    """A data set with its dials; nothing that could be a path."""
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_.,=-]{1,200})?", text) else None


def _switch(text: str) -> bool | None:
    return {"yes": True, "no": False}.get(text)


def _share(text: str) -> float | None:
    """A number from 0 to 1."""
    return float(text) if re.fullmatch(r"0|1|0?\.[0-9]{1,12}|[01]\.[0-9]{1,12}", text) and float(text) <= 1 else None


def _filters(text: str) -> tuple[str, ...] | None:
    """Filters with their numbers, as `--filter` has them."""
    parts = tuple(part for part in text.split(",") if part)
    fits = all(re.fullmatch(r"[a-z][a-z0-9-]{0,40}=-?[0-9]{0,4}\.?[0-9]{1,12}", part) for part in parts)
    return parts if fits and len(parts) <= _MOST else None


def _yes(value: Any) -> str:
    return "yes" if value else "no"


def _dotted(value: Any) -> str:
    return ".".join(value)


def _control(
    name: str, read: Callable[[str], Any], default: Any, write: Callable[[Any], str] = str, url: str | None = None
) -> Control:
    return Control(f"race.{name}", url or name.replace("_", "-"), read, write, default)


#: The race that the app opens on: what a first visitor has just watched.
USUAL = TrainConfig(
    data="digits", steps=400, seed=3, model="mlp", dim=2, normalize=False, margin=1.0, lr=1e-2, strategy="semi-hard"
)

DATA = _control("data", _registered, "digits")
STRATEGIES = _control("strategies", _names, ("random", "semi-hard", "batch-hard"), _dotted)
SEEDS = _control("seeds", _seeds, "3")
SHADOWS = _control("shadow", _names, (), _dotted)
MODEL = _control("model", _name, "mlp")
DIM = _control("dim", _whole, 2)
HIDDEN = _control("hidden", _whole, 64)
NORMALIZE = _control("normalize", _switch, False, _yes)
DISTANCE = _control("distance", _name, "euclidean")
LOSS = _control("loss", _name, None)
MARGIN = _control("margin", _positive, 1.0, repr)
SOFT = _control("soft_margin", _switch, False, _yes)
LR = _control("lr", _positive, 1e-2, repr)
CLASSES = _control("classes_per_batch", _whole, 8, url="P")
EACH = _control("samples_per_class", _whole, 4, url="K")
STEPS = _control("steps", _whole, 400)
DEVICE = _control("device", lambda text: text if re.fullmatch(r"[a-z]+(:[0-9]{1,2})?", text) else None, "auto")
STANDARDIZE = _control("standardize", _switch, False, _yes)
IMAGE_SIZE = _control("image_size", _whole, None)
LABEL_NOISE = _control("label_noise", _share, 0.0, repr)
IMBALANCE = _control("imbalance", _share, 1.0, repr)
#: Each as `name=number`.
FILTER = _control("filter", _filters, (), ",".join)
#: A column is known by a name that its file gave it, so it stays out of links, like the path of the file.
LABEL = Control("race.label", "label", lambda _: None)
CONTROLS = (
    DATA, STRATEGIES, SEEDS, SHADOWS, MODEL, DIM, HIDDEN, NORMALIZE, DISTANCE, LOSS, MARGIN, SOFT, LR, CLASSES, EACH,
    STEPS, DEVICE, STANDARDIZE, IMAGE_SIZE, LABEL_NOISE, IMBALANCE, FILTER,
)  # fmt: skip
#: What a person calls the race.
TITLE = "race.title"
_BEGUN = "race.begun"


@dataclass(frozen=True)
class Wanted:
    """A race as it is chosen now.

    Attributes:
        settings: of its runs, by option name.
        strategies: that race.
        seeds: of its runs; None where they cannot be read.
    """

    settings: Mapping[str, Any]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...] | None

    @property
    def question(self) -> str:
        """The same text for the same race."""
        return repr((sorted(self.settings.items()), self.strategies, self.seeds))


def get(control: Control) -> Any:
    """The value that is chosen now."""
    return st.session_state.get(control.key, control.default)


def widget_key(control: Control) -> str:
    """Session key of the control's widget, whose state is lost on a change of page."""
    return f"{control.key}.widget"


def put(values: Mapping[Control, Any]) -> None:
    """Chooses; widgets and address follow. To be called before the widgets are drawn, as callbacks are."""
    for control, value in values.items():
        st.session_state[control.key] = value
        st.session_state.pop(widget_key(control), None)
    write_url()


def restore_url() -> None:
    """Takes the address over into a new session; later the session leads and the address follows."""
    if _BEGUN not in st.session_state:
        st.session_state[_BEGUN] = True
        address = st.query_params
        if address.get("v", VERSION) == VERSION:
            for control in CONTROLS:
                value = control.read(address[control.url]) if control.url in address else None
                if value is not None:
                    st.session_state[control.key] = value
    write_url()


def write_url() -> None:
    """The address of these settings; a path stays out."""
    chosen = {control: get(control) for control in CONTROLS}
    told = {
        control.url: control.write(value)
        for control, value in chosen.items()
        if value is not None and value != control.default and control.read(control.write(value)) is not None
    }
    ours = {control.url for control in CONTROLS} | {"v"}
    now = st.query_params.to_dict()
    wanted = {name: text for name, text in now.items() if name not in ours} | ({"v": VERSION} | told if told else {})
    if wanted != now:
        st.query_params.from_dict(wanted)


def read_seeds(text: str) -> tuple[int, ...] | None:
    """The seeds that somebody typed, each once; None where it is no list of numbers.

    Example:
        >>> read_seeds("0, 1 2"), read_seeds("3-5"), read_seeds("one"), read_seeds("")
        ((0, 1, 2), (3, 4, 5), None, ())
    """
    found: list[int] = []
    for part in re.split(r"[,\s]+", text.strip()):
        if not part:
            continue
        ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        if ends is None:
            return None
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if not 0 <= last - first < _MOST:
            return None
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found)) if len(found) <= _MOST else None


def wanted() -> Wanted:
    """The race as it is chosen now."""
    options = {option.name for option in fields(TrainConfig)}
    settings = {control.key.partition(".")[2]: get(control) for control in (*CONTROLS, LABEL)}
    settings = {name: value for name, value in settings.items() if name in options and value is not None}
    lists = {name: list(settings[name]) for name in ("shadow", "filter")}
    return Wanted({**settings, **lists}, tuple(get(STRATEGIES)), read_seeds(str(get(SEEDS))))
