"""The colours that mean something, for everything that draws: a strategy, a zone, a class, the page in its two themes.

Zones have Okabe and Ito's (2008) orange, blue and green, which stay apart in the common kinds of colour blindness.
Strategies have hues of their own beside them, each at least 3:1 against the page in both themes; as eight hues cannot
all stay apart for everybody, shape and dash say the same once more.
"""

from __future__ import annotations

import math
from typing import Literal, TypedDict

Theme = Literal["light", "dark"]
RGB = tuple[int, int, int]


class Mark(TypedDict):
    """How a strategy is drawn."""

    light: str
    dark: str
    shape: str
    dash: list[int]


#: The backgrounds and the text of the two themes.
BACKGROUND: dict[Theme, str] = {"light": "#FFFFFF", "dark": "#14171C"}
TEXT: dict[Theme, str] = {"light": "#1B1F24", "dark": "#E4E7EB"}

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
#: By so many places the shapes are turned against the hues in every further round; odd, so that no pair comes twice.
_TURN = 3
#: A miner that is not registered: the "own" of somebody's loop.
_STRANGER: Mark = {"light": "#1F6F78", "dark": "#7FD1D9", "shape": "circle", "dash": [1, 3]}

ZONES = {
    "hard": {"light": "#E69F00", "dark": "#E69F00"},
    "semi-hard": {"light": "#56B4E9", "dark": "#56B4E9"},
    "easy": {"light": "#009E73", "dark": "#009E73"},
}
#: The same zones as lines, and as words, which have to stand out from the page; and as tints: (colour, opacity).
ZONE_LINES: dict[Theme, dict[str, str]] = {
    "light": {"hard": "#D98A00", "semi-hard": "#0072B2", "easy": "#009E73"},
    "dark": {"hard": "#F0A830", "semi-hard": "#5CB8EE", "easy": "#2FC497"},
}
ZONE_INKS: dict[Theme, dict[str, str]] = {
    "light": {"hard": "#8A5200", "semi-hard": "#00598C", "easy": "#00664A"},
    "dark": {"hard": "#FFC35C", "semi-hard": "#8FD0F7", "easy": "#6FE0BE"},
}
ZONE_TINTS: dict[Theme, dict[str, tuple[str, float]]] = {
    "light": {"hard": ("#E69F00", 0.22), "semi-hard": ("#0072B2", 0.11)},
    "dark": {"hard": ("#F0A830", 0.20), "semi-hard": ("#56B4E9", 0.15)},
}

#: Up to ten classes: after Paul Tol's "muted" scheme, which was tested with colour-blind readers.
FEW_CLASSES: dict[Theme, tuple[str, ...]] = {
    "light": (
        "#4453B8", "#2F9BD6", "#2AA08F", "#2F7D3B", "#8F8A22", "#C99A2E", "#CF5F6F", "#8A2859", "#A84FB0", "#7B8087",
    ),
    "dark": (
        "#8D9BFF", "#7CC8F2", "#56CFBB", "#63C071", "#CFC85A", "#F0CD74", "#F2909C", "#D46FA3", "#D58EDE", "#B4BAC4",
    ),
}  # fmt: skip
_LIGHTNESS: dict[Theme, tuple[float, float, float]] = {"light": (0.42, 0.64, 0.54), "dark": (0.82, 0.68, 0.75)}


def mark(order: int | None) -> Mark:
    """The mark of the strategy with that place in the registry; None for a miner that is not registered.

    It depends on nothing else, so a strategy keeps its colour from run to run. A ninth strategy takes the first hue
    again, with the shape and the dash of another: up to 64 strategies differ in one or the other.

    Example:
        >>> mark(50)["shape"], mark(10)["shape"], mark(90)["shape"]
        ('diamond', 'circle', 'triangle-down')
    """
    if order is None:
        return {**_STRANGER, "dash": list(_STRANGER["dash"])}
    around, place = divmod(max(order // 10 - 1, 0), len(_MARKS))
    hue, form = _MARKS[place], _MARKS[(place + _TURN * around) % len(_MARKS)]
    return {"light": hue["light"], "dark": hue["dark"], "shape": form["shape"], "dash": list(form["dash"])}


def outline(shape: str, radius: float) -> list[tuple[float, float]]:
    """The corners of a strategy's shape around (0, 0), y downwards, with about the same area for every shape.

    A circle has none, and neither has a shape that is not known: it is drawn as a circle too.

    Example:
        >>> [(round(x, 2), round(y, 2)) for x, y in outline("diamond", 10.0)]
        [(12.0, 0.0), (0.0, 12.0), (-12.0, 0.0), (-0.0, -12.0)]
        >>> outline("circle", 10.0)
        []
    """
    if shape == "square":
        return _around(4, 0.86 * radius * math.sqrt(2), math.pi / 4)
    if shape == "diamond":
        return _around(4, 1.2 * radius, 0.0)
    if shape in ("triangle", "triangle-down"):
        return _around(3, 1.25 * radius, math.pi / 2 if shape == "triangle-down" else -math.pi / 2)
    if shape == "star":
        return _around(10, 1.35 * radius, -math.pi / 2, 0.58 * radius)
    if shape not in ("plus", "cross"):
        return []
    thin, long, turn = 0.38 * radius, 1.15 * radius, math.pi / 4 if shape == "cross" else 0.0
    arm = [(-thin, -thin), (-thin, -long), (thin, -long)]  # one arm, from its inner corner; then turned three times
    turns = [turn + k * math.pi / 2 for k in range(4)]
    return [(x * math.cos(t) - y * math.sin(t), x * math.sin(t) + y * math.cos(t)) for t in turns for x, y in arm]


def _around(count: int, radius: float, turn: float, inner: float | None = None) -> list[tuple[float, float]]:
    """Corners on a circle; with `inner` every other one lies on a smaller circle."""
    sizes = [radius if inner is None or k % 2 == 0 else inner for k in range(count)]
    angles = [turn + 2 * math.pi * k / count for k in range(count)]
    return [(size * math.cos(angle), size * math.sin(angle)) for size, angle in zip(sizes, angles, strict=True)]


def rgb(colour: str) -> RGB:
    """The three bytes of "#RRGGBB".

    Example:
        >>> rgb("#FF8000")
        (255, 128, 0)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(colour: RGB, ground: RGB, share: float) -> RGB:
    """What is seen of a colour with that opacity on a ground.

    Example:
        >>> mix((255, 0, 0), (255, 255, 255), 0.5)
        (255, 128, 128)
    """
    red, green, blue = (round(above * share + below * (1 - share)) for above, below in zip(colour, ground, strict=True))
    return red, green, blue


def class_colours(count: int, theme: Theme) -> list[RGB]:
    """A colour for each class.

    Beyond ten, neighbours in the list differ in hue and in lightness, because lightness is what every kind of colour
    blindness leaves.

    Example:
        >>> class_colours(2, "light")
        [(68, 83, 184), (47, 155, 214)]
    """
    if count <= 10:
        return [rgb(colour) for colour in FEW_CLASSES[theme][:count]]
    golden_angle = math.pi * (3 - math.sqrt(5))
    return [oklch(_LIGHTNESS[theme][k % 3], 0.13, 0.6 + k * golden_angle) for k in range(count)]


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """A colour by lightness (0 to 1), chroma and hue (radians): equal steps look equal.

    Source: Ottosson 2020, "A perceptual color space for image processing" (OKLab), with sRGB's transfer curve.
    """
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.707614701 * short,
    )
    red, green, blue = (_byte(min(1.0, max(0.0, value))) for value in linear)
    return red, green, blue


def _byte(value: float) -> int:
    bent = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return int(255 * bent + 0.5)  # as JavaScript rounds
