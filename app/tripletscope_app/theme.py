"""One mark per strategy (colour, shape, dash) and one colour per zone, the same on every page and in every run.

Zones have Okabe and Ito's (2008) orange, blue and green, which stay apart in the common kinds of colour blindness.
Strategies have hues of their own beside them, each at least 3:1 against the page in both themes; as eight hues cannot
all stay apart for everybody, shape and dash say the same once more.
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

# In the order of the strategies' `order` (10, 20, ...). None repeats the orange, blue or green of a zone: a strategy is
# not a zone, and its pick may lie in any. Hardness-seekers are reds, semi-hard ones violets, the rest slate and brown.
_MARKS: tuple[Mark, ...] = (
    {"light": "#5B6470", "dark": "#B9C0CC", "shape": "circle", "dash": [2, 4]},  # random
    {"light": "#7A5C3E", "dark": "#C9A98A", "shape": "plus", "dash": [1, 3]},  # batch-all
    {"light": "#8C1C3A", "dark": "#F08CA6", "shape": "triangle", "dash": [8, 3]},  # hardest
    {"light": "#C2185B", "dark": "#FF6FA5", "shape": "triangle-down", "dash": [6, 3, 2, 3]},  # batch-hard
    {"light": "#6A3FB5", "dark": "#B79BFF", "shape": "diamond", "dash": []},  # semi-hard
    {"light": "#9A6FD8", "dark": "#D6C4FF", "shape": "star", "dash": [4, 4]},  # semi-hard-random
    {"light": "#2F4858", "dark": "#9CC3D5", "shape": "square", "dash": [10, 4]},  # easy-positive
    {"light": "#4E4E8F", "dark": "#A9A9E8", "shape": "cross", "dash": [3, 2]},  # distance-weighted
)
#: A miner that is not registered: the "own" of somebody's loop.
_STRANGER: Mark = {"light": "#1F6F78", "dark": "#7FD1D9", "shape": "circle", "dash": [1, 3]}

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
