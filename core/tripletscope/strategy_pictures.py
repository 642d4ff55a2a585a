"""Where a strategy picks: one fixed batch on the triplet plane, as a small SVG; the same bytes on every call.

Every strategy is asked about the same batch, so the pictures of docs/strategies.md can be laid side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from xml.sax.saxutils import escape

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from tripletscope.batch import Batch
from tripletscope.palette import BACKGROUND, TEXT, ZONE_INKS, ZONE_TINTS, Theme, mark, outline
from tripletscope.strategies.base import Strategy
from tripletscope.triplets import ZONES, Triplets, zone_codes

MARGIN = 0.2
CLASSES, SAMPLES, DIM = 8, 4, 8
LOW, HIGH = 0.2, 2.0  # of both axes; the fixed batch lies inside
SIDE, LEFT, TOP, RIGHT, BOTTOM = 308, 50, 14, 14, 46
CELL = 11  # pixels of a cell of the density
EACH = 128  # up to so many picks each has a mark of its own; more are drawn cell by cell
STEPS = (0.5, 4.0, 9.0, 16.0)  # so many triplets of a cell give the next shade, or the next size of mark
GRID = f'<g transform="translate({LEFT} {TOP}) scale({CELL})">'  # here a cell is 1 wide and 1 high
RADIUS = 4.2  # of a mark of its own
SIZES = (1.9, 2.8, 3.7, 4.6)  # radii of the marks of a cell, by how many picks it holds


@cache
def example() -> Batch:
    """The fixed batch: 8 classes of 4 points on the unit sphere in 8 dimensions, some classes tight and some loose.

    Example:
        >>> example().n_pairs, example().n_eligible
        (96, 2688)
    """
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(CLASSES, DIM))
    loose = np.linspace(0.5, 1.5, CLASSES)[:, None, None]
    points = (centres[:, None] + loose * rng.normal(size=(CLASSES, SAMPLES, DIM))).reshape(-1, DIM)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    # In double precision the last digit, which differs from machine to machine, decides nothing.
    return Batch.from_embeddings(torch.from_numpy(points), torch.arange(CLASSES).repeat_interleave(SAMPLES))


def picks(one: Strategy) -> Triplets:
    """What the strategy picks from the fixed batch at its defaults, and by a fixed seed where it draws."""
    return one.pick(example(), margin=MARGIN, generator=torch.Generator().manual_seed(0))


def sentence(one: Strategy) -> str:
    """What the picture shows, in a sentence: how many picks there are, their zones, and how often it abstains.

    Example:
        >>> from tripletscope import strategies
        >>> sentence(strategies.get("semi-hard"))
        'Of 81 picks 0 % are hard, 100 % semi-hard and 0 % easy; 15 of 96 pairs have none.'
    """
    batch, found = example(), picks(one)
    if not len(found):
        return "It picks nothing from this batch."
    d_ap, d_an = _places(found)
    codes = zone_codes(torch.from_numpy(d_an - d_ap), MARGIN).numpy()
    shares = [f"{share:.0f} %" for share in _percent(np.bincount(codes, minlength=len(ZONES)))]
    told = f"Of {len(found):,} picks {shares[0]} are {ZONES[0]}, {shares[1]} {ZONES[1]} and {shares[2]} {ZONES[2]}"
    if len(found) == 1:
        return f"Its one pick is {ZONES[int(codes[0])]}."
    missing = one.abstained(batch, found)
    unit = "anchors" if one.granularity in ("anchor", "many") else "pairs"
    return told + (f"; {missing} of {one.units(batch)} {unit} have none." if missing else ".")


def _percent(counts: Int64[np.ndarray, " zones"]) -> Int64[np.ndarray, " zones"]:
    """Whole per cents that add up to 100: the largest remainders are rounded up."""
    exact = 100 * counts / counts.sum()
    whole = np.floor(exact).astype(np.int64)
    up = np.argsort(whole - exact, kind="stable")[: 100 - int(whole.sum())]
    whole[up] += 1
    return np.asarray(whole)


def _places(found: Triplets) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, " T"]]:
    """(d(a,p), d(a,n)) of each pick."""
    distances = example().distances.numpy()
    anchor, positive, negative = (slots.numpy() for slots in (found.anchor, found.positive, found.negative))
    return distances[anchor, positive], distances[anchor, negative]


@cache
def _eligible() -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, " T"]]:
    """(d(a,p), d(a,n)) of every eligible triplet of the fixed batch."""
    batch = example()
    distances, negative = batch.distances.numpy(), batch.negative_mask.numpy()
    pairs = [(a, p) for a, p in zip(*(slots.tolist() for slots in batch.pairs), strict=True)]
    d_ap = np.concatenate([np.full(negative[a].sum(), distances[a, p]) for a, p in pairs])
    return d_ap, np.concatenate([distances[a][negative[a]] for a, _ in pairs])


def draw(one: Strategy) -> str:
    """The picture as SVG: all eligible triplets as a light density, the picks in the strategy's colour and shape."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="sans-serif" font-size="12" role="img">',
            f"<title>{escape(one.name)} on the triplet plane</title>",
            f"<desc>{escape(sentence(one))}</desc>",
            _style(one),
            f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
            *_zones(),
            *_density(),
            *_axes(),
            *_marks(one),
            *_names(),
            "</svg>",
            "",
        ]
    )


def _style(one: Strategy) -> str:
    """The colours of both themes; a browser that does not say which it wants gets the light one."""
    light, dark = (_colours(one, theme) for theme in ("light", "dark"))
    return f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"


def _colours(one: Strategy, theme: Theme) -> str:
    tints = {zone: f"fill:{colour};fill-opacity:{ink}" for zone, (colour, ink) in ZONE_TINTS[theme].items()}
    rules = {
        "page": f"fill:{BACKGROUND[theme]}",
        "hard": tints["hard"],
        "semi": tints["semi-hard"],
        "cell": f"fill:{TEXT[theme]}",
        "line": f"stroke:{TEXT[theme]};fill:none",
        "text": f"fill:{TEXT[theme]}",
        "pick": f"fill:{mark(one.order)[theme]};stroke:{BACKGROUND[theme]}",
        **{f"n{k}": f"fill:{ZONE_INKS[theme][zone]};stroke:{BACKGROUND[theme]}" for k, zone in enumerate(ZONES)},
    }
    return "".join(f".{name}{{{rule}}}" for name, rule in rules.items())


def _x(value: float) -> float:
    return LEFT + SIDE * (value - LOW) / (HIGH - LOW)


def _y(value: float) -> float:
    return TOP + SIDE * (HIGH - value) / (HIGH - LOW)


def _zones() -> list[str]:
    """The hard zone below gap = 0 and the band of the semi-hard one above it, tinted; what is above both is easy."""
    edge = LOW + MARGIN
    hard = _path([(LOW, LOW), (HIGH, HIGH), (HIGH, LOW)])
    band = _path([(LOW, LOW), (HIGH, HIGH), (HIGH - MARGIN, HIGH), (LOW, edge)])
    return [f'<path class="hard" d="{hard}Z"/>', f'<path class="semi" d="{band}Z"/>']


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_number(_x(x))} {_number(_y(y))}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _cells(
    d_ap: Float64[np.ndarray, " T"], d_an: Float64[np.ndarray, " T"], weight: Float64[np.ndarray, " T"] | None = None
) -> Float64[np.ndarray, "rows columns"]:
    """How many triplets lie in each cell of the plane, each counted by its weight; rows from the top."""
    column = ((np.array([_x(value) for value in d_ap]) - LEFT) // CELL).astype(np.int64)
    row = ((np.array([_y(value) for value in d_an]) - TOP) // CELL).astype(np.int64)
    counts = np.zeros((SIDE // CELL, SIDE // CELL))
    np.add.at(counts, (row, column), 1.0 if weight is None else weight)
    return counts


def _runs(marked: Bool[np.ndarray, "rows columns"]) -> str:
    """The marked cells as a path in units of cells; neighbours in a row are one rectangle."""
    found = []
    for row, line in enumerate(marked):
        edges = np.flatnonzero(np.diff(np.r_[False, line, False])).reshape(-1, 2).tolist()
        found += [f"M{begin} {row}h{end - begin}v1h{begin - end}z" for begin, end in edges]
    return "".join(found)


def _density() -> list[str]:
    """Cells in four shades, by how many eligible triplets they hold."""
    shade = np.digitize(_cells(*_eligible()), STEPS)
    paths = [
        f'<path class="cell" fill-opacity="{0.04 + 0.05 * level:.3g}" d="{_runs(shade == level)}"/>'
        for level in range(1, len(STEPS) + 1)
    ]
    return [GRID, *paths, "</g>"]


def _axes() -> list[str]:
    """The frame, the two diagonals, and the distances at its edges."""
    edge = LOW + MARGIN
    found = [
        f'<path class="line" stroke-opacity=".35" d="M{LEFT} {TOP}v{SIDE}h{SIDE}"/>',
        f'<path class="line" stroke-opacity=".8" d="{_path([(LOW, LOW), (HIGH, HIGH)])}"/>',
        f'<path class="line" stroke-opacity=".8" stroke-dasharray="4 3" '
        f'd="{_path([(LOW, edge), (HIGH - MARGIN, HIGH)])}"/>',
    ]
    for value in (0.5, 1.0, 1.5):
        found.append(_text(f'x="{_number(_x(value))}" y="{TOP + SIDE + 17}" text-anchor="middle"', f"{value}"))
        found.append(_text(f'x="{LEFT - 7}" y="{_number(_y(value) + 4)}" text-anchor="end"', f"{value}"))
    middle = f"{TOP + SIDE / 2:.0f}"
    found.append(_text(f'x="{LEFT + SIDE / 2:.0f}" y="{TOP + SIDE + 36}" text-anchor="middle"', "d(a,p)"))
    found.append(_text(f'transform="translate(14 {middle}) rotate(-90)" text-anchor="middle"', "d(a,n)"))
    return found


def _text(place: str, words: str) -> str:
    return f'<text class="text" {place}>{words}</text>'


def _names() -> list[str]:
    """Zones and diagonals by name, above the marks; a rim in the colour of the page keeps them readable."""
    words = 'font-weight="bold" stroke-width="3" paint-order="stroke"'
    spots = {
        ZONES[2]: (LOW + 0.05, HIGH - 0.1),
        ZONES[1]: (LOW + 0.25, LOW + 0.31),
        ZONES[0]: (HIGH - 0.25, LOW + 0.07),
    }
    found = []
    for k, zone in enumerate(ZONES):
        x, y = spots[zone]
        turn = f' transform="rotate(-45 {_number(_x(x))} {_number(_y(y))})" text-anchor="middle"' if k == 1 else ""
        found.append(f'<text class="n{k}" x="{_number(_x(x))}" y="{_number(_y(y))}" {words}{turn}>{zone}</text>')
    for title, x, y in (("gap = 0", HIGH - 0.13, HIGH - 0.22), ("gap = margin", HIGH - 0.42, HIGH - 0.13)):
        place = f"{_number(_x(x))} {_number(_y(y))}"
        found.append(_text(f'font-size="10.5" transform="translate({place}) rotate(-45)" text-anchor="middle"', title))
    return found


def _marks(one: Strategy) -> list[str]:
    """A mark for each pick; where there are many, one for each cell, the larger the more picks it holds."""
    found = picks(one)
    if not len(found):
        return []
    d_ap, d_an = _places(found)
    if len(found) <= EACH:
        places = sorted({(_number(_x(x)), _number(_y(y))) for x, y in zip(d_ap, d_an, strict=True)})
        uses = "".join(f'<use href="#mark" x="{x}" y="{y}"/>' for x, y in places)
        return [f"<defs>{_shape(one, RADIUS, 'mark')}</defs>", f'<g stroke-width=".6" fill-opacity=".85">{uses}</g>']
    weight = found.weight.numpy() * len(found) / float(found.weight.sum()) if found.weight is not None else None
    size = np.digitize(_cells(d_ap, d_an, weight), STEPS)
    drawn = [GRID]
    for level, radius in enumerate(SIZES, start=1):
        # A pattern says a shape once for all cells; one for each would make the file ten times as large.
        tile = f'<pattern id="p{level}" width="1" height="1" patternUnits="userSpaceOnUse">'
        drawn.append(f'{tile}<g transform="translate(.5 .5)" stroke-width=".05">')
        drawn.append(f"{_shape(one, radius / CELL)}</g></pattern>")
        drawn.append(f'<path fill="url(#p{level})" d="{_runs(size == level)}"/>')
    return [*drawn, "</g>"]


def _shape(one: Strategy, radius: float, name: str = "") -> str:
    corners = outline(mark(one.order)["shape"], radius)
    named = f' id="{name}"' if name else ""
    if not corners:
        return f'<circle class="pick"{named} r="{radius:.2f}"/>'
    return f'<path class="pick"{named} d="M{"L".join(f"{x:.2f} {y:.2f}" for x, y in corners)}Z"/>'
