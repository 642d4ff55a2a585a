"""The data sets that come along, the one door to all data, and what a labelled set promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tripletscope import datasets
from tripletscope.datasets import DATASETS, LabelledData, load
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.samples import Samples


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_that_comes_along_can_be_trained_on(name: str) -> None:
    data = load(name)
    assert data.name == name
    assert data.features.dtype == np.float32
    assert data.features.min() >= 0
    assert data.features.max() <= 1
    assert len(data) == len(data.features) == len(data.samples)
    assert data.samples.thumbs is not None
    assert max(data.samples.thumbs.shape[1:3]) <= 32
    assert data.origin
    assert data.licence
    data.samples.check_trainable()
    assert load(name).digest == data.digest


def test_digits_are_the_pixels_over_16() -> None:
    from sklearn.datasets import load_digits

    raw = load_digits()
    data = load("digits")
    assert data.kind == "images"
    assert data.input_shape == (1, 8, 8)
    np.testing.assert_array_equal(data.features.reshape(-1, 64) * 16, raw.data)
    np.testing.assert_array_equal(data.samples.labels, raw.target)
    assert data.samples.thumbs is not None
    np.testing.assert_array_equal(data.samples.thumbs, np.round(raw.images * 255 / 16))
    assert data.samples.id_of(7) == 7


def test_emoji_faces_are_149_faces_in_up_to_6_styles() -> None:
    data = load("emoji_faces")
    assert data.features.shape == (855, 3, 48, 48)
    assert len(data.samples.class_names) == 149
    assert set(data.samples.class_counts()) <= {4, 5, 6}
    name, style = str(data.samples.id_of(0)).split("/")
    assert name == data.samples.class_of(0)
    assert style == "noto"


def test_the_licences_of_the_emoji_travel_with_them() -> None:
    folder = datasets.sample_data_dir() / "licenses"
    names = {path.name for path in folder.iterdir()}
    wanted = {"CC-BY-4.0.txt", "emoji-datasource-MIT.txt", "fluentui-emoji-MIT.txt", "noto-emoji-Apache-2.0.txt"}
    assert wanted <= names


def test_loading_data_leaves_torch_alone() -> None:
    code = (
        "import sys; from tripletscope import datasets; datasets.load('digits'); datasets.load('emoji_faces'); "
        "print('torch' in sys.modules, 'streamlit' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_standardised_features_have_mean_0_and_deviation_1_and_constants_are_0() -> None:
    plain, scaled = load("digits"), load("digits", standardize=True)
    flat = scaled.features.reshape(len(scaled), -1)
    constant = np.ptp(plain.features.reshape(len(plain), -1), axis=0) == 0
    assert constant.sum() == 3  # pixels that no digit ever inks
    np.testing.assert_allclose(flat.mean(axis=0, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(flat.std(axis=0, dtype=np.float64)[~constant], 1, atol=1e-5)
    assert not flat[:, constant].any()
    assert scaled.digest != plain.digest
    assert scaled.samples is plain.samples or np.array_equal(scaled.samples.labels, plain.samples.labels)


def test_a_constant_feature_that_rounds_badly_is_still_0_when_standardised() -> None:
    features = np.full((7, 2), 0.1, dtype=np.float32)
    features[:, 1] = [0, 1, 0, 1, 0, 1, 0]
    data = LabelledData("x", features, Samples(np.arange(7), np.array([0, 0, 0, 0, 1, 1, 1]), ["a", "b"]))
    assert not data.standardized().features[:, 0].any()


def test_the_digest_follows_features_shape_and_labels_and_nothing_else() -> None:
    features = np.arange(12, dtype=np.float32)
    samples = Samples(np.arange(4), np.array([0, 0, 1, 1]), ["a", "b"])
    digest = LabelledData("x", features.reshape(4, 3), samples).digest
    renamed = Samples(np.arange(4) + 7, np.array([0, 0, 1, 1]), ["c", "d"], texts=["", "", "", ""])
    assert LabelledData("y", features.reshape(4, 3), renamed).digest == digest
    assert LabelledData("x", np.asfortranarray(features.reshape(4, 3)), samples).digest == digest
    assert LabelledData("x", features.reshape(4, 3, 1, 1), samples).digest != digest
    assert LabelledData("x", features.reshape(4, 3) + 1, samples).digest != digest
    other = Samples(np.arange(4), np.array([0, 1, 1, 0]), ["a", "b"])
    assert LabelledData("x", features.reshape(4, 3), other).digest != digest


def test_an_image_size_scales_pictures_that_come_along() -> None:
    data = load("emoji_faces", image_size=20)
    assert data.input_shape == (3, 20, 20)
    assert load("digits", image_size=16).input_shape == (1, 16, 16)
    assert load("digits", image_size=8).digest == load("digits").digest
    assert abs(float(data.features.mean()) - float(load("emoji_faces").features.mean())) < 0.01


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'digit'\. Did you mean 'digits'\? Known: digits, emoji_faces\."):
        load("digit")


@pytest.mark.parametrize("spec", ["nowhere/at/all", "lost.csv", "./digits"])
def test_a_path_that_leads_nowhere_is_named(spec: str) -> None:
    with pytest.raises(DataError, match="There is no file or folder"):
        load(spec)


def test_a_registered_name_wins_over_a_folder_and_a_dot_asks_for_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load("digits")) == 1797
    with pytest.raises(DataError, match="digits holds no class folders with pictures"):
        load("./digits")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "digit"}, "--label names a column of a table"),
        ({"image_size": 0}, "--image-size 0 cannot be made: use 1 to 1024"),
        ({"image_size": 4000}, "--image-size 4000"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        load("digits", **options)  # type: ignore[arg-type]


# --- who the samples are ------------------------------------------------------------------------------------------


def test_samples_are_taken_by_row() -> None:
    samples = Samples(
        ["a", "b", "c"], np.array([0, 1, 0]), ["x", "y"], ["one", "two", "three"], np.zeros((3, 2, 2), dtype=np.uint8)
    )
    some = samples.take(np.array([2, 0]))
    assert some.ids == ["c", "a"]
    assert some.texts == ["three", "one"]
    assert some.class_of(0) == "x"
    assert some.thumbs is not None
    assert len(some.thumbs) == 2
    assert samples.class_counts().tolist() == [2, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ["a", "b"]}, "3 labels but 2 ids"),
        ({"texts": ["a"]}, "3 labels but 1 texts"),
        ({"ids": ["a", "b", "a"]}, "The id 'a' occurs twice"),
        ({"labels": np.array([0, 1, 2])}, "Labels run from 0 to 2 but there are 2 class names"),
        ({"labels": np.array([0, -1, 1])}, "Labels run from -1 to 1"),
        ({"class_names": ["x", "x"]}, "Two classes are called 'x'"),
    ],
)
def test_samples_that_contradict_themselves_are_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"ids": ["a", "b", "c"], "labels": np.array([0, 1, 0]), "class_names": ["x", "y"]}
    with pytest.raises(DataError, match=message):
        Samples(**(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "There are no samples"),
        ([0, 0, 0], "All 3 samples are of class 'x'; a triplet needs a negative, so give at least 2 classes"),
        (
            [0, 0, 1],
            "Class 'y' has 1 sample; a triplet needs a positive, so each class needs 2: remove it or add samples",
        ),
        ([0, 1, 2, 2], r"Class 'x' has 1 sample;.*add samples \(1 other class is as small\)"),
        ([0, 0, 2, 2], "Class 'y' has 0 samples"),
    ],
)
def test_a_set_without_triplets_is_refused(labels: list[int], message: str) -> None:
    samples = Samples(
        np.arange(len(labels)), np.array(labels, dtype=np.int64), ["x", "y", "z"][: max(labels, default=0) + 1]
    )
    with pytest.raises(DataError, match=message):
        samples.check_trainable()
