"""Words in a picture, with the one font that Pillow brings: it writes ASCII and little else."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_SPELLED = {"–": "-", "—": "-", "−": "-", "×": "x", "ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "µ": "u", "•": "·"}


@cache
def font(size: int) -> Font:
    """The font at that height in pixels."""
    return ImageFont.load_default(size)


@cache
def _can_write(letter: str) -> bool:
    """Whether the font has the letter: another one comes out as the box that stands for all that is missing."""
    if letter.isascii():
        return letter.isprintable()
    pen = font(20)
    return bytes(pen.getmask(letter)) not in (bytes(pen.getmask("\uffff")), b"")


def legible(text: str, *, otherwise: str = "?", most: int = 0) -> str:
    """The text as the font can write it: accents dropped, `otherwise` where less than half of it is left.

    Args:
        text: any.
        otherwise: said instead of a name in a script that the font does not know.
        most: letters; the middle of a longer text is left out. 0 for all.

    Example:
        >>> legible("café – déjà vu"), legible("漢字", otherwise="class 3"), legible("abcdefghij", most=7)
        ('cafe - deja vu', 'class 3', 'abcd…ij')
    """
    plain = "".join(_SPELLED.get(letter, letter) for letter in text)
    bare = [letter for letter in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(letter)]
    kept = "".join(letter for letter in bare if _can_write(letter)).strip()
    if 2 * len(kept) < len(bare) or not kept:
        return otherwise
    if most and len(kept) > most:
        tail = most // 3
        return f"{kept[: most - tail - 1]}…{kept[-tail:]}"
    return kept


def initials(name: str, label: int) -> str:
    """One to three letters for a sample without a picture, as the Watch page has them.

    Example:
        >>> initials("class 12", 0), initials("grey wolf", 0), initials("zebra", 0)
        ('12', 'gw', 'ze')
    """
    words = legible(name, otherwise=str(label)).split()
    digits = words[-1][-3:].lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.")
    if digits.isdigit():
        return digits
    return "".join(word[0] for word in words[:2]) if len(words) > 1 else words[0][:2]
