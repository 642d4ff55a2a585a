"""Characters in many fonts: hard negatives that everybody sees, and false negatives that no eye can tell apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from tripletscope.datasets.base import DATASETS, DataSet, Dial, join_spec, sample_data_dir
from tripletscope.readers.archive import read_archive
from tripletscope.samples import LabelledData


@dataclass(frozen=True)
class GlyphColumns:
    """What is known of each picture and each character beside its class.

    Args:
        font: number of the font of each picture.
        font_names: the fonts.
        codepoints: of each character.
        script: number of the script of each character.
        script_names: digit, latin, greek, cyrillic and hebrew.
        unseen: whether the character is kept for evaluation.
    """

    font: Int[np.ndarray, "N"]
    font_names: list[str]
    codepoints: Int[np.ndarray, "C"]
    script: Int[np.ndarray, "C"]
    script_names: list[str]
    unseen: Bool[np.ndarray, "C"]


@dataclass(frozen=True)
class Twins:
    """Two characters that look the same in `fonts` of the `shared` fonts that have both."""

    first: str
    second: str
    fonts: int
    shared: int


def glyphs(part: str = "all") -> LabelledData:
    """4,300 pictures of 199 characters in up to 25 fonts, 28 x 28 grey pixels; ink is 1. The class is the character.

    Digits, Latin, Greek, Cyrillic and Hebrew. O and 0, l, I and 1 are natural hard negatives. Latin A, Greek Α and
    Cyrillic А are three classes that most fonts draw alike: false negatives, which no training can tell apart.

    Args:
        part: `all`; `seen`, three quarters of the characters, to train on; or `unseen`, the others, to evaluate on.
            Characters that some font draws alike are on the same side, so no unseen shape is trained on under
            another name. The parts were drawn once, by seed, and are kept in the file.

    Source: fonts under the SIL Open Font License; sample_data/README.md names them and the script that drew them.

    Example:
        >>> data = glyphs("unseen")
        >>> data.samples.class_of(0), data.samples.id_of(0), data.samples.texts[0]
        ('4 digit', 'U+0034/Alegreya Sans ExtraBold', 'digit four, Alegreya Sans ExtraBold')
    """
    path = sample_data_dir() / "glyphs.npz"
    data, known = read_archive(path), columns()
    with np.load(path, allow_pickle=False) as opened:
        spoken = opened["unicode_names"].tolist()
    labels = data.samples.labels
    fonts = [known.font_names[font] for font in known.font.tolist()]
    told = replace(
        data.samples,
        ids=[f"U+{known.codepoints[label]:04X}/{font}" for label, font in zip(labels, fonts, strict=True)],
        texts=[f"{spoken[label]}, {font}" for label, font in zip(labels, fonts, strict=True)],
    )
    data = replace(
        data,
        name=join_spec("glyphs", {} if part == "all" else {"part": part}),
        samples=told,
        origin=(
            "Characters drawn with 25 fonts under the SIL Open Font License, among them Noto (Google), IBM Plex (IBM), "
            "Source Serif (Adobe) and Fira (Mozilla); every copyright line is in licenses/glyphs-OFL-1.1.txt."
        ),
        licence="SIL Open Font License 1.1 (the fonts)",
    )
    return data if part == "all" else _of_classes(data, np.flatnonzero(known.unseen == (part == "unseen")))


def columns() -> GlyphColumns:
    """Font of each picture; code point, script and part of each character, in the order of `glyphs()`.

    Example:
        >>> known = columns()
        >>> len(known.font_names), int(known.unseen.sum()), known.script_names
        (25, 50, ['digit', 'latin', 'greek', 'cyrillic', 'hebrew'])
    """
    with np.load(sample_data_dir() / "glyphs.npz", allow_pickle=False) as opened:
        return GlyphColumns(
            font=opened["font"].astype(np.int64),
            font_names=opened["font_names"].tolist(),
            codepoints=opened["codepoints"].astype(np.int64),
            script=opened["script"].astype(np.int64),
            script_names=opened["script_names"].tolist(),
            unseen=opened["unseen"],
        )


def twins(tolerance: int = 0) -> list[Twins]:
    """Pairs of characters that at least one font draws alike; those of the most fonts come first.

    Args:
        tolerance: the most that any pixel may differ, of 255. 0: the same picture. A shift by an eighth of a pixel
            changes an upright edge by 32, and no eye sees it; some fonts place a Greek or Cyrillic letter that far
            from its Latin twin.

    Example:
        >>> [(pair.first, pair.second, pair.fonts, pair.shared) for pair in twins()[:1]]
        [('I latin', 'Ι greek', 18, 22)]
        >>> len(twins()), len(twins(32))
        (54, 59)
    """
    data, known = glyphs(), columns()
    labels, names = data.samples.labels, data.samples.class_names
    pixels = np.round(data.features[:, 0] * 255).astype(np.int16).reshape(len(data), -1)
    alike = np.zeros((len(names), len(names)), dtype=np.int64)
    shared = np.zeros_like(alike)
    for font in range(len(known.font_names)):
        rows = np.flatnonzero(known.font == font)  # a row for each character that this font has
        for place, row in enumerate(rows):
            others = rows[place + 1 :]
            shared[labels[row], labels[others]] += 1
            same = np.abs(pixels[others] - pixels[row]).max(axis=1) <= tolerance
            alike[labels[row], labels[others[same]]] += 1
    found = [Twins(names[a], names[b], int(alike[a, b]), int(shared[a, b])) for a, b in np.argwhere(alike)]
    return sorted(found, key=lambda pair: -pair.fonts)


def has_twin(data: LabelledData) -> Bool[np.ndarray, "N"]:
    """For each picture, whether the same picture is in the set under another class.

    Its nearest negative is at distance 0 for every model, so such a picture can be an anchor but never find its own
    class first, unless by the order of ties. One minus their share is the most that Recall@1 can be.

    Example:
        >>> unseen = glyphs("unseen")
        >>> f"{1 - has_twin(unseen).mean():.3f}"
        '0.829'
    """
    classes: dict[bytes, set[int]] = {}
    pictures = [picture.tobytes() for picture in data.features]
    for picture, label in zip(pictures, data.samples.labels.tolist(), strict=True):
        classes.setdefault(picture, set()).add(label)
    return np.array([len(classes[picture]) > 1 for picture in pictures])


def facts() -> list[str]:
    """What there is to know of the look-alikes, the parts and the fonts: paragraphs of Markdown.

    Example:
        >>> facts()[0][:41]
        '**Twins.** 59 pairs look the same in at l'
    """
    data, known = glyphs(), columns()
    names = [name.split()[0] for name in data.samples.class_names]
    near, exact = twins(32), twins()
    pixel_by_pixel = {(pair.first, pair.second): pair.fonts for pair in exact}
    told = [
        f"{pair.first[0]} {pair.second[0]} ({pair.fonts} of {pair.shared}, "
        f"{pixel_by_pixel.get((pair.first, pair.second), 0)})"
        for pair in near
        if pair.fonts > pair.shared / 2
    ]
    kept = {
        script: [names[place] for place in np.flatnonzero(known.unseen & (known.script == number))]
        for number, script in enumerate(known.script_names)
    }
    pictures = int(known.unseen[data.samples.labels].sum())
    return [
        f"**Twins.** {len(near)} pairs look the same in at least one font: no pixel differs by more than 32 of 255, as "
        f"by a shift of an eighth of a pixel. {len(exact)} are the same picture, pixel by pixel. In more than half of "
        f"the fonts that have both, these {len(told)} look the same (in brackets: in how many fonts, and in how many "
        f"pixel by pixel): {', '.join(told)}.",
        f"**Kept for evaluation** (`part=unseen`): {int(known.unseen.sum())} characters, {pictures:,} pictures. "
        + "; ".join(f"{script} {' '.join(some)}" for script, some in kept.items())
        + ". Twins are on the same side.",
        f"**Fonts.** {', '.join(known.font_names)}.",
        "How well each strategy learns to tell the unseen ones apart, and which pairs it picks most, is in "
        "[results.md](results.md).",
    ]


def _of_classes(data: LabelledData, classes: Int[np.ndarray, "K"]) -> LabelledData:
    """The samples of these classes only, numbered anew."""
    rows = np.flatnonzero(np.isin(data.samples.labels, classes))
    some = data.samples.take(rows)
    names = [data.samples.class_names[number] for number in classes.tolist()]
    labels = np.searchsorted(classes, some.labels)
    return replace(data, features=data.features[rows], samples=replace(some, labels=labels, class_names=names))


DATASETS.register(
    DataSet(
        "glyphs",
        20,
        "Glyphs",
        glyphs,
        summary="4,300 pictures of 199 characters in up to 25 fonts, 28 x 28 pixels: O and 0, and A, Α and А.",
        example="class “O latin”, set in 25 fonts",
        dials=(
            Dial(
                "part",
                "all",
                "which characters: all, three quarters to train on, or the quarter kept for evaluation",
                words=("all", "seen", "unseen"),
            ),
        ),
        facts=facts,
    )
)
