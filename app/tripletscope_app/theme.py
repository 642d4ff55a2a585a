"""One mark per strategy (colour, shape, dash) and one colour per zone, the same on every page and in every run.

The hues are Okabe and Ito's eight (2008), which stay apart in the common kinds of colour blindness; each is made
darker on white and lighter on black until it stands 3:1 against the page. Shape and dash say the same once more.
"""

from __future__ import annotations

from typing import TypedDict


class Mark(TypedDict):
    """How a strategy is drawn."""

    light: str
    dark: str
    shape: str
    dash: list[int]


#: The backgrounds of the two themes in .streamlit/config.toml.
BACKGROUND = {"light": "#FFFFFF", "dark": "#14171C"}

# In the order of the strategies' `order` (10, 20, ...): what picks the nearest is vermilion, what picks from the
# semi-hard band is blue, so a mark agrees with the zone in which it mostly falls.
_MARKS: tuple[Mark, ...] = (
    {"light": "#4D4D4D", "dark": "#C9CDD3", "shape": "circle", "dash": []},  # random
    {"light": "#8A7D00", "dark": "#F0E442", "shape": "square", "dash": [8, 3]},  # batch-all
    {"light": "#A8497F", "dark": "#E39AC4", "shape": "triangle", "dash": [2, 3]},  # hardest
    {"light": "#D55E00", "dark": "#FF8B3D", "shape": "diamond", "dash": [6, 3]},  # batch-hard
    {"light": "#0072B2", "dark": "#4AA3E0", "shape": "cross", "dash": [10, 3, 2, 3]},  # semi-hard
    {"light": "#2C8FC9", "dark": "#9ED6F7", "shape": "star", "dash": [4, 2]},  # semi-hard-random
    {"light": "#00875F", "dark": "#2FD3A2", "shape": "triangle-down", "dash": [12, 4]},  # easy-positive
    {"light": "#A97400", "dark": "#FFC24A", "shape": "plus", "dash": [3, 3, 8, 3]},  # distance-weighted
)
#: A miner that is not registered: the "own" of somebody's loop.
_STRANGER: Mark = {"light": "#6B5B95", "dark": "#B9A9E8", "shape": "circle", "dash": [1, 3]}

ZONES = {
    "hard": {"light": "#E69F00", "dark": "#E69F00"},
    "semi-hard": {"light": "#56B4E9", "dark": "#56B4E9"},
    "easy": {"light": "#009E73", "dark": "#009E73"},
}


def mark(order: int | None) -> Mark:
    """The mark of the strategy with that place in the registry; None for a miner that is not registered.

    It depends on nothing else, so a strategy keeps its colour from run to run. A ninth strategy takes the first
    hue again.

    Example:
        >>> mark(50)["shape"], mark(10)["shape"]
        ('cross', 'circle')
    """
    chosen = _STRANGER if order is None else _MARKS[max(order // 10 - 1, 0) % len(_MARKS)]
    return {**chosen, "dash": list(chosen["dash"])}
