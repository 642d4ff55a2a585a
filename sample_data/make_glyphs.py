"""Draws the glyphs: characters of five kinds in fonts under the SIL Open Font License, 28 x 28 pixels in grey.

    npm install --prefix FONTS $(python sample_data/make_glyphs.py --packages)
    pip install fonttools
    python sample_data/make_glyphs.py FONTS            # writes sample_data/glyphs.npz and licenses/glyphs-OFL-1.1.txt
    python sample_data/make_glyphs.py FONTS --check    # draws again and compares; exit code 1 if a picture differs

Only what a font has in its character map is drawn: a missing character is left out, never a box in its place. Within a
font all characters share one scale and one base line, so o and O differ as they do on paper. Another version of Pillow
may round a pixel differently.
"""

from __future__ import annotations

import argparse
import io
import sys
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
PIXELS, FINE = 28, 8  # drawn at 8 times the size, then averaged
INK = PIXELS - 2  # a pixel of air at each side
SEED = 5
UNSEEN_SHARE = 0.25
SAME = 32  # of 255: what a shift by an eighth of a pixel changes at an upright edge

CHARACTERS = {
    "digit": "0123456789",
    "latin": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "greek": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρςστυφχψω",
    "cyrillic": "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
}
SUBSET = {"digit": "latin"}  # digits stand in the file of the Latin letters


@dataclass(frozen=True)
class Font:
    """A font, and the packages that hold it: most bring one, some bring their Hebrew in another."""

    name: str
    packages: tuple[str, ...]
    weight: int = 400
    style: str = "normal"


# Regular and bold, upright and italic, print and pen: what a class has to hold together.
FONTS = (
    Font("Alegreya Sans ExtraBold", ("alegreya-sans",), 800),
    Font("Arimo", ("arimo",)),
    Font("Comfortaa", ("comfortaa",)),
    Font("Cousine Bold", ("cousine",), 700),
    Font("EB Garamond Italic", ("eb-garamond",), 400, "italic"),
    Font("Fira Mono", ("fira-mono",)),
    Font("IBM Plex Sans Light", ("ibm-plex-sans",), 300),
    Font("Inter Black", ("inter",), 900),
    Font("JetBrains Mono", ("jetbrains-mono",)),
    Font("Jura Light", ("jura",), 300),
    Font("Literata", ("literata",)),
    Font("M PLUS Rounded 1c", ("m-plus-rounded-1c",)),
    Font("Noto Sans", ("noto-sans", "noto-sans-hebrew")),
    Font("Noto Serif Italic", ("noto-serif",), 400, "italic"),
    Font("Open Sans SemiBold", ("open-sans",), 600),
    Font("Playpen Sans", ("playpen-sans",)),
    Font("Press Start 2P", ("press-start-2p",)),
    Font("Roboto Thin", ("roboto",), 100),
    Font("Source Serif 4", ("source-serif-4",)),
    Font("Tinos", ("tinos",)),
    Font("Vollkorn Bold", ("vollkorn",), 700),
    Font("Assistant ExtraLight", ("assistant",), 200),
    Font("Cardo", ("cardo",)),
    Font("Frank Ruhl Libre", ("frank-ruhl-libre",)),
    Font("Rubik Black", ("rubik",), 900),
)
VERSIONS = {"source-serif-4": "5.3.1"}
VERSION = "5.3.0"


def packages() -> list[str]:
    """Every package with its version, as npm wants it."""
    names = sorted({package for font in FONTS for package in font.packages})
    return [f"@fontsource/{name}@{VERSIONS.get(name, VERSION)}" for name in names]


def place_of(folder: Path, package: str) -> Path:
    """Where npm put the package."""
    place = folder / "node_modules" / "@fontsource" / package
    if not place.is_dir():
        sys.exit(f"{place} is missing: npm install --prefix {folder} $(python {sys.argv[0]} --packages)")
    return place


def file_of(folder: Path, font: Font, script: str) -> Path | None:
    """The file that holds this script of the font, or None."""
    subset = SUBSET.get(script, script)
    for package in font.packages:
        for file in (place_of(folder, package) / "files").glob(f"{package}-{subset}-{font.weight}-{font.style}.woff"):
            return file
    return None


@dataclass(frozen=True)
class Face:
    """One file of a font: for each code point in its character map the box of the outline, in ems."""

    file: Path
    boxes: dict[int, tuple[float, float, float, float]]  # left, bottom, right, top


def face_of(file: Path) -> Face:
    """The file with what it covers of our characters."""
    from fontTools.pens.boundsPen import BoundsPen
    from fontTools.ttLib import TTFont

    wanted = {ord(c) for text in CHARACTERS.values() for c in text}
    boxes = {}
    with TTFont(file) as opened:
        outlines, em = opened.getGlyphSet(), opened["head"].unitsPerEm
        for code, name in opened.getBestCmap().items():
            if code in wanted:
                pen = BoundsPen(outlines)
                outlines[name].draw(pen)
                if pen.bounds is None:
                    sys.exit(f"{file.name} has an empty outline for {chr(code)!r}")
                left, bottom, right, top = (float(value) / em for value in pen.bounds)
                boxes[code] = (left, bottom, right, top)
    return Face(file, boxes)


def drawn(folder: Path, font: Font) -> dict[str, np.ndarray]:
    """The picture of every character that the font has."""
    files = {script: file_of(folder, font, script) for script in CHARACTERS}
    faces = {script: face_of(file) for script, file in files.items() if file is not None}
    has = [(face, c) for script, face in faces.items() for c in CHARACTERS[script] if ord(c) in face.boxes]
    # One scale and one base line for the whole font: from its tallest, deepest and widest character.
    boxes = np.array([face.boxes[ord(c)] for face, c in has])
    bottom, top = boxes[:, 1].min(), boxes[:, 3].max()
    size = INK * FINE / max(top - bottom, (boxes[:, 2] - boxes[:, 0]).max())
    base = round(PIXELS * FINE / 2 + (top + bottom) / 2 * size)
    sized = {
        script: ImageFont.truetype(str(face.file), size, layout_engine=ImageFont.Layout.BASIC)
        for script, face in faces.items()
    }
    made = {}
    for face, character in has:
        canvas = Image.new("L", (PIXELS * FINE, PIXELS * FINE), 0)
        script = next(name for name, one in faces.items() if one is face)
        left, _, right, _ = face.boxes[ord(character)]
        # The outline is centred to a part of a pixel, so that equal outlines give equal pictures whatever air is
        # around them; up and down it stays on the base line.
        x = PIXELS * FINE / 2 - (left + right) / 2 * size
        ImageDraw.Draw(canvas).text((x, base), character, fill=255, font=sized[script], anchor="ls")
        made[character] = np.asarray(canvas.reduce(FINE))
    return made


def families(characters: list[str], pictures: dict[str, dict[str, np.ndarray]]) -> list[list[int]]:
    """The characters in groups: those that some font draws alike, to SAME in every pixel, are in one group."""
    group = np.arange(len(characters))
    for by_character in pictures.values():
        there = [number for number, character in enumerate(characters) if character in by_character]
        drawn_here = np.stack([by_character[characters[number]] for number in there]).astype(np.int16)
        for place, number in enumerate(there):
            furthest = np.abs(drawn_here[place:] - drawn_here[place]).max(axis=(1, 2))
            for twin in np.array(there[place:])[furthest <= SAME]:
                group[group == group[twin]] = group[number]
    return [np.flatnonzero(group == key).tolist() for key in np.unique(group)]


def unseen(groups: list[list[int]], count: int) -> np.ndarray:
    """Which characters are kept for evaluation: whole groups, drawn by seed, about a quarter of all."""
    kept = np.zeros(count, dtype=bool)
    for place in np.random.default_rng(SEED).permutation(len(groups)):
        if kept.sum() + len(groups[place]) <= round(UNSEEN_SHARE * count):
            kept[groups[place]] = True
    return kept


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """What the archive holds."""
    pictures = {font.name: drawn(folder, font) for font in FONTS}
    characters = [c for text in CHARACTERS.values() for c in text]
    scripts = [script for script, text in CHARACTERS.items() for _ in text]
    rows = [
        (number, place)
        for number, character in enumerate(characters)
        for place, font in enumerate(FONTS)
        if character in pictures[font.name]
    ]
    names = list(CHARACTERS)
    return {
        "images": np.stack([pictures[FONTS[place].name][characters[number]] for number, place in rows]),
        "labels": np.array([number for number, _ in rows], dtype=np.int16),
        "class_names": np.array([f"{c} {script}" for c, script in zip(characters, scripts, strict=True)]),
        "font": np.array([place for _, place in rows], dtype=np.int16),
        "font_names": np.array([font.name for font in FONTS]),
        "codepoints": np.array([ord(c) for c in characters], dtype=np.int32),
        "unicode_names": np.array([unicodedata.name(c).lower() for c in characters]),
        "script": np.array([names.index(script) for script in scripts], dtype=np.int16),
        "script_names": np.array(names),
        "unseen": unseen(families(characters, pictures), len(characters)),
    }


def archive(content: dict[str, np.ndarray]) -> bytes:
    """An .npz with the same bytes for the same arrays: no clock in it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pack:
        for name, array in content.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(array), allow_pickle=False)
            pack.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), one.getvalue(), zipfile.ZIP_DEFLATED)
    return held.getvalue()


def licence(folder: Path) -> str:
    """Every font's own copyright line, then the licence that all of them are under."""
    from fontTools.ttLib import TTFont

    lines, terms = [], set()
    for font in FONTS:
        file = file_of(folder, font, "digit")
        assert file is not None
        with TTFont(file, lazy=True) as opened:
            lines.append(f"{font.name}: {' '.join(opened['name'].getDebugName(0).split())}")
        for package in font.packages:
            text = (place_of(folder, package) / "LICENSE").read_text(encoding="utf-8")
            _, mark, rest = text.partition("This Font Software is licensed under the SIL Open Font License")
            if not mark:
                sys.exit(f"{package} is not under the SIL Open Font License: leave it out")
            terms.add(rest[rest.index("SIL OPEN FONT LICENSE") :].strip())
    assert len(terms) == 1, "the licences differ"
    head = (
        "glyphs.npz holds pictures of characters drawn with these fonts, each under the SIL Open Font License,\n"
        "Version 1.1, which follows. The fonts themselves are not in it.\n\n"
    )
    return head + "\n".join(lines) + "\n\n" + terms.pop() + "\n"


def main() -> int:
    """Exit code: 0 when the files were written or are the same, 1 when they differ."""
    parser = argparse.ArgumentParser(description="Draw the glyphs.", epilog=__doc__.split("\n\n")[1])
    parser.add_argument("fonts", type=Path, nargs="?", help="the folder that npm installed the packages into")
    parser.add_argument("--packages", action="store_true", help="print the packages and stop")
    parser.add_argument("--check", action="store_true", help="write nothing; compare with what is there")
    options = parser.parse_args()
    if options.packages:
        print(" ".join(packages()))
        return 0
    if options.fonts is None:
        parser.error("give the folder of the fonts")
    content, place = arrays(options.fonts), HERE / "glyphs.npz"
    if options.check:
        with np.load(place, allow_pickle=False) as there:
            other = [name for name in content if name not in there or not np.array_equal(there[name], content[name])]
        print(f"differs: {', '.join(other)}" if other else "the same")
        return int(bool(other))
    place.write_bytes(archive(content))
    (HERE / "licenses" / "glyphs-OFL-1.1.txt").write_text(licence(options.fonts), encoding="utf-8")
    print(
        f"{len(content['labels']):,} pictures, {len(content['class_names'])} characters, {place.stat().st_size:,} bytes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
