"""The instrument: map, ruler, curves and scrubber, drawn in the browser by our own ES modules.

No build step: the modules beside this file are joined in the order of modules.json and handed to Streamlit as text.
Streamlit sends a component's code again with every change of its data, so what is constant has components of its own,
which are sent once: one brings the instrument's code and style, one for each run brings its frames. The view that
changes is a few lines that find them in the page, and small JSON. Scrubbing costs nothing.

So there is one stub for all kinds of components but the one that brings the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import streamlit as st

_IMPORT = re.compile(r"^\s*import\s[^;]*?from\s*[\"']\./[^\"']+[\"'];?[ \t]*$", re.MULTILINE)
_DEFAULT = re.compile(r"^export default function (\w+)", re.MULTILINE)
_COMMENT = re.compile(r"^//.*\n|^ +", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def bundle(entry: str) -> str:
    """One ES module with everything that `entry` ("view", "loader", …) needs, in the order of modules.json."""
    return _joined(json.loads(_read("modules.json"))[entry])


def _joined(names: Iterable[str]) -> str:
    return "\n".join(f"// {name}\n" + _EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in names)


@cache
def style(name: str = "watch") -> str:
    """The style sheets of all panels of a bundle, joined in the order of modules.json."""
    return "\n".join(_read(sheet) for sheet in json.loads(_read("modules.json"))[BUNDLES[name].style])


@dataclass(frozen=True)
class Bundle:
    """Code that goes to the browser in one piece, when somebody opens a page that needs it.

    Attributes:
        kinds: of components whose code it holds, each with the drawing function of its module. A kind may stand in
            several bundles; the one that comes first is taken.
        drawn: those of them that somebody sees: they get the style, and their data as a list of one.
        style: entry of modules.json with the style sheets.
    """

    kinds: Mapping[str, str]
    drawn: tuple[str, ...]
    style: str


#: Watch's code is not Inspect's: the first page stays as small as it is.
BUNDLES = {
    "watch": Bundle(
        {"view": "showInstrument", "loader": "loadBytes", "news": "pinNews", "ticker": "tickLater"}, ("view",), "style"
    ),
    "inspect": Bundle(
        {
            "cloud": "showCloud",
            "rule": "showRule",
            "cards": "showCards",
            "deck": "shelveDeck",
            "gaps": "showGapCurve",
            "points": "loadPoints",
            "loader": "loadBytes",
            "ticker": "tickLater",
        },
        ("cloud", "rule", "cards", "deck", "gaps"),
        "inspect",
    ),
    "compare": Bundle(
        {
            "compare": "showCompare",
            "figures": "loadFigures",
            "loader": "loadBytes",
            "news": "pinNews",
            "ticker": "tickLater",
        },
        ("compare",),
        "comparing",
    ),
}
#: Components whose code lies in the page that opens first.
SHELVED = BUNDLES["watch"].kinds


def shelved(name: str = "watch") -> str:
    """All code and style of a bundle as one module that draws nothing: it takes what the stubs are given."""
    modules, made = json.loads(_read("modules.json")), BUNDLES[name]
    names = dict.fromkeys(module for kind in made.kinds for module in modules[kind])
    code = _DEFAULT.sub(r"function \1", _joined(names))
    takers = ", ".join(f"{kind}: {function}" for kind, function in made.kinds.items())
    return f"""{code}
const instrumentSheet = new CSSStyleSheet();
instrumentSheet.replaceSync({json.dumps(style(name))});
const takers = {{ {takers} }};
const drawnKinds = {json.dumps(made.drawn)};
const leavers = new WeakMap();
function takeGiven(kind, given) {{
  const root = given.parentElement;
  const drawn = drawnKinds.includes(kind);
  const {{ adoptedStyleSheets: sheets }} = root;
  if (drawn && !sheets.includes(instrumentSheet)) sheets.push(instrumentSheet);
  leavers.set(root, takers[kind]({{ ...takingTurns(given), data: drawn ? given.data?.[0] : given.data }}));
}}
export default function shelveCode() {{
  // Kinds that another bundle has brought already are its own.
  const known = (globalThis.__tripletscope_takers ??= new Map());
  const mine = Object.keys(takers).filter((kind) => !known.has(kind));
  if (!mine.length) return;
  for (const kind of mine) known.set(kind, takeGiven);
  globalThis.__tripletscope_take ??= (kind, given) => known.get(kind)?.(kind, given);
  const before = globalThis.__tripletscope_leave;
  globalThis.__tripletscope_leave = (root) => {{
    before?.(root);
    leavers.get(root)?.();
  }};
  const waiting = (globalThis.__tripletscope_given ??= new Map()).values();
  for (const [kind, given] of waiting) if (mine.includes(kind)) takeGiven(kind, given);
}}
"""


@cache
def _component(entry: str) -> Callable[..., Any]:
    """The registered component. Registered when first mounted: at import there is no server to register with."""
    if entry == "code" or entry.startswith("code-"):
        js = shelved(entry.partition("-")[2] or "watch")
    else:
        js = _COMMENT.sub("", _read("stub.js")).replace("KIND", entry)
    return st.components.v2.component(f"tripletscope_{entry.replace('-', '_')}", js=js)


def load_code(name: str) -> None:
    """Hands the code and style of a bundle ("inspect") to the browser, where its components find it; sent once."""
    with st.container(key=f"unseen-code-{name}"):
        _component(f"code-{name}")(key=f"code-{name}", height=1)


def mount(kind: str, data: Mapping[str, Any], *, key: str, **heard: Callable[[], None]) -> Any:
    """Mounts a component of that kind ("cloud", "rule") whose code `load_code` has brought.

    Args:
        kind: of `BUNDLES`; "deck" draws nothing, and keeps its data in the page under `data["key"]`.
        data: small JSON; big constant bytes go by `load_more`.
        key: of the component, which stays the same as its data change.
        heard: `on_NAME_change` for each state and trigger that the component reports.
    """
    return _component(kind)(key=key, data=[data], **heard)


def load_runs(packed: Mapping[str, bytes]) -> None:
    """Hands the instrument's code and packed runs, by digest, to the browser; what is unchanged is sent once."""
    with st.container(key="unseen"):
        _component("code")(key="code", height=1)
        for digest, blob in packed.items():
            _component("loader")(key=f"blob-{digest}", data=blob, height=1)


def load_more(key: str, blob: bytes) -> None:
    """Hands bytes that came later, an aside or a layout, to the browser. `key` names the content."""
    _component("loader")(key=f"blob-{key}", data=blob, height=1)


def load_points(blob: bytes, *, key: str) -> None:
    """Hands places, colours or marked rows of a set to the browser, which keeps them by the key in their header."""
    _component("points")(key=f"points-{key}", data=blob, height=1)


def load_figures(blob: bytes, *, key: str) -> None:
    """Hands a block of the Compare page, curves, agreement or a difference, to the browser; `key` is in its header."""
    _component("figures")(key=f"figures-{key}", data=blob, height=1)


def tell_news(news: Mapping[str, Any], *, key: str = "news") -> None:
    """Small JSON for the page, such as the progress of a computation; the instrument is not drawn again."""
    _component("news")(key=key, data=[news], height=1)


def tell_cast(cast: Mapping[str, Any]) -> None:
    """Who plays in a race, under its `name`: what views need and what no click changes, so it is sent once."""
    with st.container(key="unseen-cast"):
        tell_news({"casts": {cast["name"]: cast}}, key="cast")


def come_back(turn: int, seconds: float, *, key: str) -> None:
    """The fragment that says so runs again after that time; `turn` is another number each time.

    Unlike `run_every`, whose timer runs on until the whole page is drawn again, this asks once.
    """
    _component("ticker")(key=key, data=[{"turn": turn, "seconds": seconds}], on_tick_change=lambda: None, height=1)


def instrument(
    data: Mapping[str, Any],
    *,
    key: str,
    on_selection_change: Callable[[], None],
    on_request_change: Callable[[], None] = lambda: None,
) -> Any:
    """Mounts the view; its result has `.selection`, the last one that the browser reported, or None.

    `.request` lives for one run: something that the browser asked for, such as a map or another anchor.

    The data go as a list of one: Streamlit looks through the values of a dict for data frames, and imports pandas to
    do so, half a second of the first page. It leaves a list alone.
    """
    heard = {"on_selection_change": on_selection_change, "on_request_change": on_request_change}
    return _component("view")(key=key, data=[data], **heard)
