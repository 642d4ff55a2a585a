"""Pictures of flaws in data, for cards: drawn here, so that they say exactly what the settings beside them do."""

from __future__ import annotations

import numpy as np

# Three hues that differ in lightness too, on light and on dark ground.
_INKS = ("#4C78C8", "#D9822B", "#3FA38A")
_WIDTH, _HEIGHT = 360, 120


def wrong_labels_picture(share: float = 0.2) -> str:
    """SVG: three clusters of dots, the given share of each in another cluster's colour, with a ring."""
    chance = np.random.default_rng(4)
    dots = []
    for cluster, ink in enumerate(_INKS):
        across = 62 + 118 * cluster
        for place in range(20):
            # A sunflower: evenly filled, never twice the same place.
            reach, turn = 46 * np.sqrt((place + 0.5) / 20), place * 2.399963
            x, y = across + reach * np.cos(turn), 60 + reach * np.sin(turn)
            dots.append((x, y, ink, _INKS[(cluster + 1 + int(chance.integers(2))) % 3]))
        chosen = chance.permutation(20)[: round(share * 20)]
        for number in chosen:
            x, y, _, other = dots[20 * cluster + int(number)]
            dots[20 * cluster + int(number)] = (x, y, other, "ring")
    drawn = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ink}"/>'
        + (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" stroke="{ink}" stroke-width="1.5"/>'
            * (said == "ring")
        )
        for x, y, ink, said in dots
    )
    return _svg(drawn)


def long_tail_picture(ratio: float = 0.05, classes: int = 10) -> str:
    """SVG: one column for each class, the heights falling exponentially from 1 to the given ratio."""
    width, gap, floor = 26, 7, 112
    left = (_WIDTH - classes * width - (classes - 1) * gap) / 2
    columns = []
    for place in range(classes):
        height = 100 * ratio ** (place / (classes - 1))
        x = left + place * (width + gap)
        place_and_size = f'x="{x:.1f}" y="{floor - height:.1f}" width="{width}" height="{height:.1f}"'
        columns.append(f'<rect {place_and_size} rx="2" fill="{_INKS[0]}"/>')
    return _svg("".join(columns))


def _svg(inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}">{inside}</svg>'
    )
