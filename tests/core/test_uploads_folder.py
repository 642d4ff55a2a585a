"""A person's folder of pictures: what it gives, and the one sentence that each kind of fault gets."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.core.data_files import GREY, a_picture, colour, says

from tripletscope import uploads
from tripletscope.readers import checks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, three grey pictures each, one of them deeper down."""
    for name in ("cats", "dogs"):
        a_picture(tmp_path / "pets" / name / "1.png")
        a_picture(tmp_path / "pets" / name / "2.bmp")
        a_picture(tmp_path / "pets" / name / "more" / "3.png")
    return tmp_path / "pets"


def test_a_folder_gives_its_pictures_by_class(folder: Path) -> None:
    data = uploads.read(folder)
    assert (data.name, data.kind, data.input_shape, data.notes) == ("pets", "images", (1, 6, 8), ())
    assert data.samples.ids == [
        f"{name}/{file}" for name in ("cats", "dogs") for file in ("1.png", "2.bmp", "more/3.png")
    ]
    assert data.samples.class_names == ["cats", "dogs"]
    assert data.samples.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(data.features[0, 0], (GREY / 255).astype(np.float32))
    assert data.samples.thumbs is not None
    np.testing.assert_array_equal(data.samples.thumbs[5], GREY)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "PNG", "JpG"])
def test_every_picture_format_is_read(folder: Path, suffix: str) -> None:
    a_picture(folder / "dogs" / f"4.{suffix}", colour(200))
    data = uploads.read(folder)
    assert "dogs/4." + suffix in data.samples.ids
    assert data.input_shape == (3, 6, 8)  # one picture in colour makes all of them so
    np.testing.assert_array_equal(data.features[0, 0], data.features[0, 2])
    row = list(data.samples.ids).index("dogs/4." + suffix)
    assert data.features[row].mean(axis=(1, 2)) * 255 == pytest.approx([200, 0, 55], abs=12)


def test_every_picture_mode_becomes_grey_or_colour(tmp_path: Path) -> None:
    clear = np.zeros((6, 8, 4), dtype=np.uint8)
    clear[:, :4] = [10, 20, 30, 255]
    grey_clear = np.zeros((6, 8, 2), dtype=np.uint8)
    for name, picture, expected in (
        ("bits", Image.fromarray(GREY > 100), None),
        ("deep", Image.fromarray((GREY.astype(np.uint16) << 8) + 17), GREY),
        ("clear", Image.fromarray(grey_clear), np.full((6, 8), 255)),
        ("palette", Image.fromarray(colour(90)).convert("P", palette=Image.Palette.ADAPTIVE), colour(90)),
        ("see-through", Image.fromarray(clear), None),
    ):
        place = tmp_path / name
        for one in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
            (place / one).parent.mkdir(parents=True, exist_ok=True)
            picture.save(place / one)
        data = uploads.read(place)
        assert data.input_shape[0] == (3 if name in ("palette", "see-through") else 1)
        if expected is not None:
            pixels = np.moveaxis(data.features[0] * 255, 0, -1).squeeze()
            np.testing.assert_allclose(pixels, expected, atol=1e-4)
        if name == "see-through":
            assert data.features[0, :, 0, 7].tolist() == [1, 1, 1]  # on white


def test_a_picture_is_turned_upright_as_the_camera_noted(tmp_path: Path) -> None:
    tall = np.zeros((8, 6), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for one in ("a/1.jpg", "b/1.jpg"):
        a_picture(tmp_path / "set" / one, GREY, exif=exif)
        a_picture(tmp_path / "set" / one.replace("1", "2"), tall)
    assert uploads.read(tmp_path / "set").input_shape == (1, 8, 6)


def test_an_image_size_brings_pictures_of_any_size_to_one(folder: Path) -> None:
    a_picture(folder / "dogs" / "large.png", np.full((50, 91, 3), 77, dtype=np.uint8))
    says(folder, r"cats/1.png is 8 x 6 pixels and .*dogs/large.png is 91 x 50: .*--image-size 32")
    data = uploads.read(folder, image_size=5)
    assert data.input_shape == (3, 5, 5)
    assert data.features[list(data.samples.ids).index("dogs/large.png")] == pytest.approx(77 / 255)
    large = uploads.read(folder, image_size=50)
    assert large.input_shape == (3, 50, 50)
    assert large.samples.thumbs is not None
    assert large.samples.thumbs.shape == (7, 32, 32, 3)


def test_what_is_no_picture_in_a_class_is_left_out_and_counted(folder: Path) -> None:
    (folder / "README.txt").write_text("hello")
    (folder / "cats" / "Thumbs.db").write_bytes(b"x")
    a_picture(folder / "cats" / ".hidden.png")
    a_picture(folder / "stray.png")
    a_picture(folder / ".cache" / "1.png")
    a_picture(folder / "__MACOSX" / "cats" / "._1.png")
    data = uploads.read(folder)
    assert len(data) == 6
    assert data.notes == (
        "Left out 4 files that are no picture in a class folder: README.txt, stray.png, cats/.hidden.png and 1 more.",
    )


def test_classes_that_differ_only_by_zeros_or_blanks_are_different(tmp_path: Path) -> None:
    names = ["007", "7", "10", "cat", "cat "]
    for name in names:
        a_picture(tmp_path / "set" / name / "1.png")
        a_picture(tmp_path / "set" / name / "2.png")
    assert sorted(uploads.read(tmp_path / "set").samples.class_names) == sorted(names)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    says(tmp_path, "holds no class folders with pictures: put them at .*/CLASS/PICTURE.png")
    a_picture(tmp_path / "stray.png")
    says(tmp_path, "holds no class folders with pictures")


def test_a_class_folder_without_pictures_is_refused(folder: Path) -> None:
    (folder / "birds").mkdir()
    says(folder, "The class folder .*birds holds no pictures: remove it or add some")


def test_a_class_with_one_picture_is_refused(folder: Path) -> None:
    a_picture(folder / "birds" / "1.png")
    says(
        folder,
        "Class 'birds' has 1 sample; a triplet needs a positive, so each class needs 2: remove it or add samples",
    )


def test_one_class_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        a_picture(tmp_path / "set" / "cats" / f"{number}.png")
    says(tmp_path / "set", "All 3 samples are of class 'cats'; a triplet needs a negative")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", "cut", "huge"])
def test_an_unreadable_picture_is_named(folder: Path, content: bytes | str, monkeypatch: pytest.MonkeyPatch) -> None:
    if content == "cut":
        content = a_picture(
            folder / "dogs" / "4.png", np.random.default_rng(0).integers(0, 255, (6, 8), np.uint8)
        ).read_bytes()
        content = content[:60]
    elif content == "huge":
        buffer = io.BytesIO()
        Image.fromarray(GREY).save(buffer, "png")
        content = buffer.getvalue()
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    (folder / "cats" / "1.png").write_bytes(content)  # type: ignore[arg-type]
    says(folder, r"cats/1.png cannot be read as a picture \(.*\): repair it or take it out")


def test_a_file_name_that_is_not_utf8_is_refused(folder: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    try:
        (folder / "cats" / name).write_bytes((folder / "cats" / "1.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    says(folder, "is not UTF-8, so no table could hold it: rename the file")


def test_a_folder_that_would_fill_the_memory_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MAX_OPENED_BYTES", 6 * 48 * 4 - 1)
    says(folder, "would fill .* GB of memory, and the limit is .* GB: use a smaller --image-size")
