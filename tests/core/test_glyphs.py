"""The glyphs: what is drawn, which characters look alike, and which are kept for evaluation."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tripletscope.datasets import load, sample_data_dir
from tripletscope.datasets.glyphs import Twins, columns, glyphs, has_twin, twins
from tripletscope.samples import LabelledData, Samples


@pytest.fixture(scope="module")
def data() -> LabelledData:
    return glyphs()


def test_they_are_small_grey_pictures_of_characters(data: LabelledData) -> None:
    known = columns()
    assert data.input_shape == (1, 28, 28)
    assert (sample_data_dir() / "glyphs.npz").stat().st_size < 1_500_000
    assert 150 <= len(data.samples.class_names) <= 200
    assert len(known.font_names) >= 16
    assert len(known.font) == len(data)
    assert set(known.script_names) == {"digit", "latin", "greek", "cyrillic", "hebrew"}
    counts = data.samples.class_counts()
    for number, script in enumerate(known.script.tolist()):
        assert counts[number] >= (10 if known.script_names[script] == "hebrew" else 16)
    for name, code in zip(data.samples.class_names, known.codepoints.tolist(), strict=True):
        assert name.split()[0] == chr(code)


def test_every_picture_has_ink_and_a_rim_of_air_and_no_font_draws_a_box(data: LabelledData) -> None:
    pictures = data.features[:, 0]
    assert (pictures.max(axis=(1, 2)) > 0.15).all()  # the thinnest font is pale at this size
    rim = np.concatenate([pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]], axis=1)
    assert rim.max() < 0.6  # what anti-aliasing lets over
    # A box for each missing character would be the same picture under many classes of one font.
    known = columns()
    for font in range(len(known.font_names)):
        rows = np.flatnonzero(known.font == font)
        _, copies = np.unique(pictures[rows].reshape(len(rows), -1), axis=0, return_counts=True)
        assert copies.max() <= 3, known.font_names[font]  # A, Α and А


def test_ids_and_texts_name_the_character_and_the_font(data: LabelledData) -> None:
    assert data.samples.texts is not None
    row = data.samples.class_names.index("ж cyrillic")
    first = int(np.flatnonzero(data.samples.labels == row)[0])
    assert data.samples.id_of(first) == "U+0436/Alegreya Sans ExtraBold"
    assert data.samples.texts[first] == "cyrillic small letter zhe, Alegreya Sans ExtraBold"


def test_case_is_kept_by_size_on_one_scale(data: LabelledData) -> None:
    """o is O made smaller: the only difference is the scale, so it must not be stretched away."""
    labels, known = data.samples.labels, columns()
    for font in range(20):
        heights = []
        for name in ("o latin", "O latin"):
            rows = np.flatnonzero((labels == data.samples.class_names.index(name)) & (known.font == font))
            heights.append(int((data.features[rows[0], 0].max(axis=1) > 0.1).sum()))
        assert heights[0] < heights[1], known.font_names[font]


def test_twins_are_what_two_loops_find(data: LabelledData) -> None:
    known, names = columns(), data.samples.class_names
    some = [names.index(name) for name in ("A latin", "Α greek", "А cyrillic", "O latin", "0 digit", "o latin")]
    pictures = {
        (int(label), int(font)): np.round(data.features[row, 0] * 255).astype(int)
        for row, (label, font) in enumerate(zip(data.samples.labels, known.font, strict=True))
        if label in some
    }
    for tolerance in (0, 32):
        by_pair = {(pair.first, pair.second): (pair.fonts, pair.shared) for pair in twins(tolerance)}
        for first in some:
            for second in some:
                if first < second:
                    both = [f for f in range(25) if (first, f) in pictures and (second, f) in pictures]
                    same = [f for f in both if abs(pictures[first, f] - pictures[second, f]).max() <= tolerance]
                    expected = (len(same), len(both)) if same else None
                    assert by_pair.get((names[first], names[second])) == expected, (names[first], names[second])


def test_the_look_alikes_that_everybody_knows_are_there() -> None:
    pairs = {frozenset((pair.first, pair.second)): pair.fonts for pair in twins(32)}
    for pair in (("A latin", "Α greek"), ("A latin", "А cyrillic"), ("P latin", "Ρ greek"), ("o latin", "о cyrillic")):
        assert pairs[frozenset(pair)] >= 15
    assert frozenset(("O latin", "0 digit")) not in pairs  # hard, but to be told apart
    assert twins() == sorted(twins(), key=lambda pair: -pair.fonts)
    assert isinstance(twins()[0], Twins)


def test_the_parts_share_no_character_and_no_shape(data: LabelledData) -> None:
    seen, unseen = load("glyphs:part=seen"), load("glyphs:part=unseen")
    assert len(seen) + len(unseen) == len(data)
    assert not set(seen.samples.class_names) & set(unseen.samples.class_names)
    assert 0.2 < len(unseen.samples.class_names) / len(data.samples.class_names) <= 0.26
    apart = {frozenset((pair.first, pair.second)) for pair in twins(32)}
    for pair in apart:
        assert len(pair & set(unseen.samples.class_names)) in (0, 2), pair
    assert unseen.name == "glyphs:part=unseen"
    whole = {data.samples.id_of(row): row for row in range(len(data))}
    for part in (seen, unseen):
        rows = [whole[part.samples.id_of(row)] for row in range(len(part))]
        np.testing.assert_array_equal(data.features[rows], part.features)
        assert [data.samples.class_of(row) for row in rows] == [part.samples.class_of(r) for r in range(len(part))]


def test_a_picture_with_a_twin_under_another_class_is_known() -> None:
    features = np.zeros((5, 1, 2, 2), dtype=np.float32)
    features[:, 0, 0, 0] = [0.1, 0.1, 0.2, 0.2, 0.3]
    samples = Samples(np.arange(5), np.array([0, 1, 1, 1, 0]), ["a", "b"])
    assert has_twin(LabelledData("x", features, samples)).tolist() == [True, True, False, False, False]


def test_every_font_has_its_copyright_line_beside_the_pictures() -> None:
    text = (sample_data_dir() / "licenses" / "glyphs-OFL-1.1.txt").read_text(encoding="utf-8")
    for name in columns().font_names:
        assert f"\n{name}: " in text, name
    assert "SIL OPEN FONT LICENSE Version 1.1" in text


def test_the_readme_names_the_files_by_their_digests() -> None:
    text = (sample_data_dir() / "README.md").read_text(encoding="utf-8")
    for name in ("glyphs.npz", "emoji_words.npz", "emoji_faces.npz"):
        digest = hashlib.sha256((sample_data_dir() / name).read_bytes()).hexdigest()
        assert digest in text.split(f"## {name}")[1].split("\n## ")[0], name
