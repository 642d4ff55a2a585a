"""Marks that stay apart: by colour on both backgrounds, by shape, by dash."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

from tripletscope import palette
from tripletscope_app.theme import BACKGROUND, ZONES, mark

APP = Path(__file__).parents[2] / "app"
ORDERS = range(10, 90, 10)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("order", [*ORDERS, None])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mark_stands_out_from_the_page(order, scheme):
    assert contrast(mark(order)[scheme], BACKGROUND[scheme]) >= 3


def test_the_eight_strategies_differ_in_colour_shape_and_dash():
    for a, b in itertools.combinations([mark(order) for order in ORDERS], 2):
        assert a["light"] != b["light"]
        assert a["dark"] != b["dark"]
        assert a["shape"] != b["shape"]
        assert a["dash"] != b["dash"]


def test_a_mark_depends_on_the_order_alone_and_is_nobodys_to_change():
    first = mark(40)
    first["dash"].append(9)
    assert mark(40)["dash"] != first["dash"]
    assert mark(41) == mark(40)
    assert mark(-5) == mark(10)


def test_strategies_beyond_the_eighth_have_a_hue_of_the_eight_with_another_shape():
    looks = [mark(order) for order in range(10, 650, 10)]
    assert len({(look["light"], look["shape"]) for look in looks}) == 64
    assert mark(90)["light"] == mark(10)["light"]
    assert mark(90)["shape"] != mark(10)["shape"]


def test_the_zones_are_three_colours():
    assert set(ZONES) == {"hard", "semi-hard", "easy"}
    for scheme in ("light", "dark"):
        assert len({ZONES[zone][scheme] for zone in ZONES}) == 3


def test_the_two_config_files_say_the_same_and_the_themes_are_ours():
    """One lies beside app/main.py, the other travels with the wheel."""
    text = (APP / ".streamlit" / "config.toml").read_text()
    assert text == (APP / "tripletscope_app" / "door" / ".streamlit" / "config.toml").read_text()
    config = tomllib.loads(text)
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["showEmailPrompt"] is False
    for scheme in ("light", "dark"):
        theme = config["theme"][scheme]
        assert theme["backgroundColor"] == BACKGROUND[scheme]
        assert contrast(theme["textColor"], theme["backgroundColor"]) >= 7
        assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 4.5


def test_what_the_browser_draws_has_the_colours_of_the_palette():
    """Canvases cannot read Python: the numbers stand twice, and here they are held together."""
    shelf = APP / "tripletscope_app" / "component"
    script = (shelf / "theme.js").read_text()
    for scheme, name in (("light", "FEW_LIGHT"), ("dark", "FEW_DARK")):
        told = re.search(rf"const {name} = \[(.*?)\]", script, re.S)[1]
        assert tuple(re.findall(r"#[0-9a-f]{6}", told)) == tuple(map(str.lower, palette.FEW_CLASSES[scheme]))
    told = re.search(r"const steps = dark \? \[(.*?)\] : \[(.*?)\]", script)
    assert [tuple(map(float, part.split(","))) for part in told.groups()] == [
        palette._LIGHTNESS["dark"],
        palette._LIGHTNESS["light"],
    ]
    body = re.search(r"function zoneColoursOf.*?\? \{(.*?)\}\s*: \{(.*?)\};", (shelf / "view.js").read_text(), re.S)
    for scheme, text in zip(("dark", "light"), body.groups(), strict=True):
        found = dict(re.findall(r'(\w+): "([^"]+)"', text))
        for zone, name in (("hard", "hard"), ("semi-hard", "semi")):
            assert found[name] == palette.ZONE_LINES[scheme][zone].lower()
            assert found[f"{name}Ink"] == palette.ZONE_INKS[scheme][zone].lower()
            colour, share = palette.ZONE_TINTS[scheme][zone]
            red, green, blue = palette.rgb(colour)
            assert found[f"{name}Soft"] == f"rgba({red}, {green}, {blue}, {share:.2f})"
    config = tomllib.loads((APP / ".streamlit" / "config.toml").read_text())
    for scheme in ("light", "dark"):
        assert config["theme"][scheme]["textColor"] == palette.TEXT[scheme]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_about_a_zone_can_be_read(scheme):
    for colour in palette.ZONE_INKS[scheme].values():
        assert contrast(colour, palette.BACKGROUND[scheme]) >= 4.5
