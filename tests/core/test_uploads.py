"""The door for a person's own data, and .npz archives; folders and tables have files of their own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.core.data_files import LABELS, TABLE, X, a_table, an_archive, says

from tripletscope import datasets, uploads
from tripletscope.errors import DataError, SettingError


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
