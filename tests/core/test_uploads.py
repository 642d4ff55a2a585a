"""A person's own data: what each kind of file gives, and the one sentence that each kind of fault gets."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tripletscope import datasets, uploads
from tripletscope.errors import DataError, SettingError, TripletscopeError, UnknownNameError
from tripletscope.readers import checks

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def a_picture(path: Path, pixels: np.ndarray = GREY, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def colour(value: int = 0) -> np.ndarray:
    pixels = np.zeros((6, 8, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 2] = value, 255 - value
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, three grey pictures each, one of them deeper down."""
    for name in ("cats", "dogs"):
        a_picture(tmp_path / "pets" / name / "1.png")
        a_picture(tmp_path / "pets" / name / "2.bmp")
        a_picture(tmp_path / "pets" / name / "more" / "3.png")
    return tmp_path / "pets"


def says(path: Path, message: str, kind: type[TripletscopeError] = DataError, **options: object) -> None:
    """The refusal is one sentence with that text."""
    with pytest.raises(kind, match=message) as caught:
        uploads.read(path, **options)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")


# --- a folder of pictures -----------------------------------------------------------------------------------------


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


def test_classes_that_differ_only_by_case_or_zeros_are_different(tmp_path: Path) -> None:
    names = ["007", "7", "Cat", "cat", "10"]
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


# --- an .npz archive ----------------------------------------------------------------------------------------------

LABELS = np.array([3, 3, 1, 1])


def an_archive(tmp_path: Path, **arrays: object) -> Path:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def test_an_archive_gives_its_images(tmp_path: Path) -> None:
    images = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
    path = an_archive(
        tmp_path,
        images=images,
        labels=LABELS,
        class_names=np.array(["zero", "one", "two", "three"]),
        ids=np.array(["a", "b", "c", "d"]),
        texts=np.array(["w", "x", "", "z"]),
        writer=np.array([0, 1, 2, 3]),
    )
    data = uploads.read(path)
    assert (data.name, data.input_shape) == ("set", (3, 5, 6))
    np.testing.assert_array_equal(data.features[1], (images[1].transpose(2, 0, 1) / 255).astype(np.float32))
    assert data.samples.class_names == ["one", "three"]  # classes without a sample are left out
    assert data.samples.labels.tolist() == [1, 1, 0, 0]
    assert data.samples.ids == ["a", "b", "c", "d"]
    assert data.samples.texts == ["w", "x", "", "z"]
    assert uploads.read(path, image_size=9).input_shape == (3, 9, 9)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "uint16", "bool"])
def test_an_archive_gives_its_features(tmp_path: Path, kind: str) -> None:
    features = np.arange(12).reshape(4, 3).astype(kind)
    data = uploads.read(an_archive(tmp_path, features=features, labels=np.array(["b", "b", "a", "a"])))
    assert (data.kind, data.input_shape) == ("features", (3,))
    np.testing.assert_array_equal(data.features, features.astype(np.float32))
    assert data.samples.class_names == ["a", "b"]
    assert isinstance(data.samples.ids, np.ndarray)
    assert data.samples.thumbs is None


def test_numbered_classes_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    data = uploads.read(
        an_archive(tmp_path, features=np.zeros((6, 1)), labels=np.array([10, 10, -1, -1, 9, 9], np.int8))
    )
    assert data.samples.class_names == ["-1", "9", "10"]


X = np.zeros((4, 2), dtype=np.float32)
PICTURES = np.zeros((4, 5, 5), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": X}, r"has no array 'labels' \(it has features\)"),
        ({"foo": X}, r"has no array 'labels' \(it has none of the names that are read\)"),
        ({"labels": LABELS}, "must have either an array 'images' or an array 'features', and has neither"),
        ({"labels": LABELS, "features": X, "images": PICTURES}, "has both 'images' and 'features'"),
        ({"labels": LABELS[:3], "features": X}, r"'features' has shape \(4, 2\) but there are 3 labels"),
        ({"labels": LABELS, "features": X, "ids": np.arange(3)}, r"'ids' has shape \(3,\) but there are 4 labels"),
        ({"labels": LABELS, "features": X, "ids": np.zeros(4, int)}, "The id 0 occurs twice"),
        (
            {"labels": LABELS / 2, "features": X},
            "'labels' has shape .* and type float64: give a list of whole numbers or text",
        ),
        ({"labels": LABELS[:, None], "features": X}, r"'labels' has shape \(4, 1\)"),
        ({"labels": np.int64(3), "features": X}, r"'features' has shape \(4, 2\) but there are 1 labels"),
        ({"labels": LABELS, "features": X[:, :0]}, r"'features' has shape \(4, 0\)"),
        ({"labels": LABELS, "features": X[:, :, None]}, r"give numbers of shape \(N, D\)"),
        ({"labels": LABELS, "features": X.astype(complex)}, "'features' has .* type complex128"),
        (
            {"labels": LABELS, "features": np.where(np.eye(4, 2) > 0, np.nan, 1)},
            r"features\[0, 0\] is missing or not a number",
        ),
        (
            {"labels": LABELS, "features": X + np.array([0, np.inf])},
            r"features\[0, 1\] is infinite: fill it in, or leave out",
        ),
        (
            {"labels": LABELS, "features": X + np.array([0, 1e300])},
            r"features\[0, 1\] is 1e\+300, too large for 32-bit",
        ),
        (
            {"labels": LABELS, "images": PICTURES / 255},
            "'images' has .* type float64: give uint8 .* or save other numbers as",
        ),
        ({"labels": LABELS, "images": np.zeros((4, 5, 5, 4), np.uint8)}, r"'images' has shape \(4, 5, 5, 4\)"),
        ({"labels": LABELS, "images": PICTURES[:, :0]}, r"'images' has shape \(4, 0, 5\)"),
        (
            {"labels": LABELS, "features": X, "class_names": np.array(["a", "b", "c"])},
            "labels run from 1 to 3 but there are 3",
        ),
        ({"labels": LABELS, "features": X, "class_names": np.array(["", "b", "c", "b"])}, "Two classes are called 'b'"),
        (
            {"labels": LABELS.astype(str), "features": X, "class_names": np.array(["a"])},
            "text labels and 'class_names'",
        ),
        ({"labels": np.array([1, 1, 1, 2]), "features": X}, "Class '2' has 1 sample"),
        ({"labels": np.array([1, 1, 1, 1]), "features": X}, "All 4 samples are of class '1'"),
        ({"labels": LABELS[:0], "features": X[:0]}, "There are no samples"),
        ({"labels": np.array(["a", "a", None, "b"]), "features": X}, "holds Python objects, which could run code"),
    ],
)
def test_an_archive_with_a_fault_is_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    says(an_archive(tmp_path, **arrays), message)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"plain"])
def test_an_archive_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    says(path, r"set.npz cannot be read as an .npz archive \(.*\): save it again with numpy.savez")


def test_an_archive_that_promises_too_much_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**3)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("features.npy", header.getvalue() + b"\0" * 100)
    says(path, "would fill 3725.3 GB of memory, and the limit is 8 GB: split it")


def test_arrays_of_other_names_are_not_even_opened(tmp_path: Path) -> None:
    path = an_archive(tmp_path, labels=LABELS, features=X, notes=np.array([{"any": "object"}], dtype=object))
    assert len(uploads.read(path)) == 4


# --- a table ------------------------------------------------------------------------------------------------------

TABLE = """id,text,x,y,label
a1,"hello, you",1,-2.5,7
a2,,2,1e-3,007
a3,NA,3,0,7
a4,ho,4,1,007
"""


def a_table(tmp_path: Path, text: str, name: str = "set.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_gives_features_labels_ids_and_texts(tmp_path: Path) -> None:
    data = uploads.read(a_table(tmp_path, TABLE))
    assert (data.name, data.kind, data.input_shape) == ("set", "features", (2,))
    np.testing.assert_array_equal(data.features, np.float32([[1, -2.5], [2, 1e-3], [3, 0], [4, 1]]))
    assert data.samples.class_names == ["007", "7"]  # texts, not numbers
    assert data.samples.labels.tolist() == [1, 0, 1, 0]
    assert data.samples.ids == ["a1", "a2", "a3", "a4"]
    assert data.samples.texts == ["hello, you", "", "NA", "ho"]


def variant(kind: str, tmp_path: Path) -> Path:
    frame = pd.read_csv(io.StringIO(TABLE), dtype={"label": str}, keep_default_na=False)
    if kind == "parquet":
        frame.to_parquet(tmp_path / "set.parquet")
        return tmp_path / "set.parquet"
    if kind == "csv.gz":
        (tmp_path / "set.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
        return tmp_path / "set.csv.gz"
    if kind == "tsv":
        frame.to_csv(tmp_path / "set.tsv", sep="\t", index=False)
        return tmp_path / "set.tsv"
    if kind == "semicolons":
        frame.to_csv(tmp_path / "set.csv", sep=";", decimal=",", index=False)
    elif kind == "with a mark":
        (tmp_path / "set.csv").write_bytes(b"\xef\xbb\xbf" + TABLE.encode())
    elif kind == "windows lines":
        (tmp_path / "set.csv").write_bytes(TABLE.replace("\n", "\r\n").encode())
    elif kind == "blank end":
        a_table(tmp_path, TABLE + "\n\n,,,,\n")
    else:
        (tmp_path / "set.CSV").write_text(TABLE)
        return tmp_path / "set.CSV"
    return tmp_path / "set.csv"


@pytest.mark.parametrize(
    "kind", ["parquet", "csv.gz", "tsv", "semicolons", "with a mark", "windows lines", "blank end", "capitals"]
)
def test_the_same_table_in_other_clothes_is_the_same(tmp_path: Path, kind: str) -> None:
    plain = uploads.read(a_table(tmp_path, TABLE, "plain.csv"))
    data = uploads.read(variant(kind, tmp_path))
    assert data.digest == plain.digest
    assert data.samples.ids == plain.samples.ids
    assert data.samples.texts == plain.samples.texts
    assert data.samples.class_names == plain.samples.class_names
    assert data.name == "set"


def test_a_parquet_file_may_hold_vectors_flags_and_numbered_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "vector": [np.float32([1, 2]), np.float32([3, 4]), np.float32([5, 6]), np.float32([7, 8])],
            "flag": [True, False, True, False],
            "category": pd.Categorical(["b", "b", "a", "a"]),
        }
    )
    frame.to_parquet(tmp_path / "set.parquet")
    data = uploads.read(tmp_path / "set.parquet")
    assert data.features.tolist() == [[1, 2, 1], [3, 4, 0], [5, 6, 1], [7, 8, 0]]
    assert data.samples.class_names == ["a", "b"]
    frame["category"] = [10, 10, 9, 9]
    frame.to_parquet(tmp_path / "set.parquet")
    assert uploads.read(tmp_path / "set.parquet").samples.class_names == ["9", "10"]


@pytest.mark.parametrize("name", ["label", "class", "target", "y", "category", "Label", "CLASS"])
def test_the_label_column_is_guessed_by_its_name(tmp_path: Path, name: str) -> None:
    data = uploads.read(a_table(tmp_path, f"f1,{name}\n1,a\n2,a\n3,b\n4,b\n"))
    assert data.samples.class_names == ["a", "b"]
    assert data.input_shape == (1,)


def test_a_named_label_column_wins_over_the_guess(tmp_path: Path) -> None:
    text = "label,kind,x\n1,a,5\n2,b,6\n3,a,7\n4,b,8\n"
    data = datasets.load(a_table(tmp_path, text), label="kind")
    assert data.samples.class_names == ["a", "b"]
    assert data.input_shape == (2,)  # the column called label is a number like any other now


@pytest.mark.parametrize("label", ["NA", "null", "nan", "None", "True", "1.0", "=1+1", " a"])
def test_a_label_is_text_as_it_stands(tmp_path: Path, label: str) -> None:
    data = uploads.read(a_table(tmp_path, f"x,label\n1,{label}\n2,{label}\n3,b\n4,b\n"))
    assert set(data.samples.class_names) == {label, "b"}


def test_the_unnamed_column_that_pandas_writes_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    pd.DataFrame({"x": [1, 2, 3, 4], "label": list("aabb")}).to_csv(path)
    data = uploads.read(path)
    assert data.input_shape == (1,)
    assert data.notes == ("Left out the first column: it has no name and only counts the rows.",)


def test_a_table_may_be_standardised(tmp_path: Path) -> None:
    data = datasets.load(a_table(tmp_path, TABLE), standardize=True)
    np.testing.assert_allclose(data.features.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: give a header"),
        ("x,label\n", "has a header and no rows"),
        ("a,b,c\n1,2,3\n", "has no column called label, class, target, y or category: name .* --label; it has a, b, c"),
        ("x,label\n1,a\n,a\n3,b\n4,b\n", r"row 3, column 'x' is missing or not a number \(NaN\): fill it in"),
        ("x,z,label\n1,2,a\n1,NaN,a\n3,1,b\n4,1,b\n", "row 3, column 'z' is missing"),
        ("x,label\n1,a\n2,a\ninf,b\n4,b\n", "row 4, column 'x' is infinite"),
        ("x,label\n1,a\n2,a\n-1e99,b\n4,b\n", r"row 4, column 'x' is -1e\+99, too large"),
        ("x,label\n1,a\n2,\n3,b\n4,b\n", "row 3 has no label in column 'label': fill it in or delete the row"),
        ("x,label\n1,a\n\n2,a\n3,b\n4,b\n", "row 3 has no label"),
        (
            "x,id,label\n1,p,a\n2,q,a\n3,p,b\n4,r,b\n",
            "the id 'p' stands in row 2 and row 4 of column 'id': make the ids",
        ),
        ("x,id,label\n1,p,a\n2,,a\n3,q,b\n4,r,b\n", "row 3 has no id in column 'id'"),
        (
            "x,city,label\n1,Rome,a\n2,Oslo,a\n3,p,b\n4,r,b\n",
            r"column 'city' is not numeric \(row 2 holds 'Rome'\): remove it",
        ),
        ("x,label\n1,a\n2,a\n3o,b\n4,b\n", r"column 'x' is not numeric \(row 4 holds '3o'\)"),
        ("x,x,label\n1,2,a\n", "has two columns called 'x': rename one"),
        ("label,id\na,1\na,2\nb,3\nb,4\n", "has no numeric column besides the label"),
        (",x,label\n5,1,a\n6,2,a\n7,3,b\n8,4,b\n", "has a column without a name"),
        ("x,label\n1,a\n2,a,9\n3,b\n4,b\n", "cannot be read as a table .*line 3"),
        ("x,label\n1,a,9\n2,a,9\n3,b,9\n4,b,9\n", "cannot be read as a table"),
        ('x,label\n1,"a\n2,a\n3,b\n4,b\n', "cannot be read as a table"),
        ("x,label\n1,a\n2,a\n3,b\n", "Class 'b' has 1 sample"),
        ("x,label\n1,a\n2,a\n3,a\n", "All 3 samples are of class 'a'"),
    ],
)
def test_a_table_with_a_fault_is_refused(tmp_path: Path, text: str, message: str) -> None:
    says(a_table(tmp_path, text), message)


def test_an_unknown_label_column_is_answered_with_the_columns(tmp_path: Path) -> None:
    says(
        a_table(tmp_path, TABLE),
        r"no column called 'lable'\. Did you mean 'label'\? Known: id, text, x, y, label",
        UnknownNameError,
        label="lable",
    )


def test_a_parquet_file_with_a_fault_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    path.write_bytes(b"PAR1 and no more")
    says(path, r"cannot be read as a table \(.*\): save it again as CSV or Parquet")
    pd.DataFrame({"v": [[1.0], [1.0, 2.0]], "label": ["a", "b"]}).to_parquet(path)
    says(path, "column 'v' has 1 numbers in row 2 and 2 in row 3: all lists must be of one length")
    pd.DataFrame({"v": [[1.0], None], "label": ["a", "b"]}).to_parquet(path)
    says(path, r"column 'v' is not numeric \(row 3 holds")
    pd.DataFrame({"image": [b"\x89PNG", b"x"], "label": ["a", "b"]}).to_parquet(path)
    says(path, "column 'image' is not numeric")
    pd.DataFrame({"x": [1, 2], "label": ["a", None]}).to_parquet(path)
    says(path, "row 3 has no label")
    pd.DataFrame({"x": pd.array([1, None], dtype="Int64"), "label": ["a", "b"]}).to_parquet(path)
    says(path, "row 3, column 'x' is missing")
    pd.DataFrame({"x": pd.to_datetime(["2020-01-01", "2020-01-02"]), "label": ["a", "b"]}).to_parquet(path)
    says(path, "column 'x' is not numeric")


def test_a_table_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes("x,label\n1,caf\xe9\n".encode("latin-1"))
    says(path, "is not UTF-8 text: save it again as CSV in UTF-8")
    path.write_bytes("caf\xe9,label\n1,a\n".encode("latin-1"))
    says(path, "is not UTF-8 text")


# --- the door itself ----------------------------------------------------------------------------------------------


def test_a_file_of_another_kind_is_refused_with_the_kinds(tmp_path: Path) -> None:
    path = tmp_path / "set.xlsx"
    path.write_bytes(b"PK")
    says(path, r"is of no kind that can be read: give a folder of pictures .*, \.npz, \.csv")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda p: an_archive(p, labels=LABELS, features=X), {"label": "x"}, "--label names a column of a table, and"),
        (
            lambda p: an_archive(p, labels=LABELS, features=X),
            {"image_size": 8},
            "holds features, and --image-size is for",
        ),
        (lambda p: a_table(p, TABLE), {"image_size": 8}, "--image-size is for pictures, and .* is a table"),
    ],
)
def test_options_of_another_kind_of_data_are_refused(
    tmp_path: Path, make: Callable[[Path], Path], options: dict[str, object], message: str
) -> None:
    with pytest.raises((SettingError, DataError), match=message):
        uploads.read(make(tmp_path), **options)  # type: ignore[arg-type]


def test_real_sets_load(real_data: Path) -> None:
    omniglot = datasets.load(real_data / "omniglot.npz")
    assert omniglot.features.shape == (3560, 1, 28, 28)
    assert len(omniglot.samples.class_names) == 178
    assert set(omniglot.samples.class_counts()) == {20}
    pages = datasets.load(real_data / "page_blocks.parquet", standardize=True)
    assert pages.kind == "features"
    assert len(pages) == 5473
