"""The data sets that come along, the one door to all data, and what a labelled set promises."""

from __future__ import annotations

import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tripletscope import Run, dataset_docs, datasets
from tripletscope.cli import main
from tripletscope.cli.train import default_out
from tripletscope.config import TrainConfig
from tripletscope.datasets import DATASETS, LabelledData, load
from tripletscope.datasets.base import Dial, join_spec, split_spec
from tripletscope.datasets.toy2d import class_sizes, deviation, toy2d
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.samples import Samples


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_that_comes_along_can_be_trained_on(name: str) -> None:
    data, record = load(name), DATASETS.get(name)
    assert data.name == name
    assert data.features.dtype == np.float32
    assert np.isfinite(data.features).all()
    assert len(data) == len(data.features) == len(data.samples)
    if record.kind == "texts":
        assert data.samples.texts is not None
        assert all(data.samples.texts)
    else:
        assert data.samples.thumbs is not None
        assert max(data.samples.thumbs.shape[1:3]) <= 32
    if data.kind == "images":
        assert data.features.min() >= 0
        assert data.features.max() <= 1
    assert data.origin
    assert data.licence
    data.samples.check_trainable()
    assert load(name).digest == data.digest


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_record_says_what_a_list_shows(name: str) -> None:
    record = DATASETS.get(name)
    assert 0 < len(record.title) <= 24
    assert record.summary.endswith(".")
    assert len(record.summary) <= 130
    assert record.example
    assert record.kind in ("pictures", "points", "texts")
    picture = record.picture()
    assert picture.shape == (120, 160, 3)
    assert len(np.unique(picture)) > 3  # something is drawn
    assert np.array_equal(picture, record.picture())
    for dial in record.dials:
        assert dial.help
        assert dial.read(dial.default, name) == dial.default
    used = {dial.name.replace("-", "_") for dial in record.dials}
    assert used == set(inspect.signature(record.read).parameters)
    for parameter in inspect.signature(record.read).parameters.values():
        assert parameter.default == next(dial.default for dial in record.dials if dial.argument == parameter.name)


@pytest.mark.parametrize("name", DATASETS.names())
def test_the_numbers_in_a_summary_are_those_of_the_set(name: str) -> None:
    data, summary = load(name), DATASETS.get(name).summary
    said = {int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*\b", summary)}
    assert len(data) in said or name == "toy2d"
    assert len(data.samples.class_names) in said
    if data.kind == "images":
        assert set(data.input_shape[1:]) <= said


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_set_trains_from_the_command_line_and_the_run_can_draw_itself(name: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["train", "--data", name, "--steps", "3", "--device", "cpu", "--quiet", "--out", str(out)]) == 0
    data, run = load(name), Run.open(out)
    assert (run.state, run.step_count) == ("finished", 3)
    assert run.config["data"]["name"] == name
    assert run.config["data"]["digest"] == data.digest
    samples = run.samples
    assert len(samples) == len(data)
    assert (samples.thumbs is not None) or (samples.texts == data.samples.texts)
    if DATASETS.get(name).kind != "texts":
        assert samples.thumbs is not None


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


def test_the_licences_travel_with_the_files() -> None:
    folder = datasets.sample_data_dir() / "licenses"
    names = {path.name for path in folder.iterdir()}
    wanted = {"CC-BY-4.0.txt", "emoji-datasource-MIT.txt", "fluentui-emoji-MIT.txt", "noto-emoji-Apache-2.0.txt"}
    assert wanted | {"glyphs-OFL-1.1.txt", "emojibase-data-MIT.txt"} <= names


def test_loading_data_leaves_torch_alone() -> None:
    code = (
        "import sys; from tripletscope import datasets; [datasets.load(name) for name in datasets.names()]; "
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
    with pytest.raises(UnknownNameError, match=r"'digit'\. Did you mean 'digits'\? Known: digits, glyphs, toy2d, "):
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


def test_the_page_of_data_sets_is_current_and_names_every_set_and_dial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "datasets.md"
    text = page.read_text(encoding="utf-8")
    assert text == dataset_docs.render()
    for record in DATASETS:
        assert f"\n## {record.name}\n" in text
        assert (page.parent / dataset_docs.picture_name(record)).exists()
        for dial in record.dials:
            assert f"\n| `{dial.name}` |" in text
    stale = tmp_path / "page.md"
    stale.write_text("old", encoding="utf-8")
    assert dataset_docs.main([str(page), "--check"]) == 0
    assert dataset_docs.main([str(stale), "--check"]) == 1
    assert "is not what the registry says" in capsys.readouterr().err


# --- dials ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("toy2d:nois=0.2", UnknownNameError, "no setting of toy2d called 'nois'. Did you mean 'noise'"),
        ("toy2d:noise=2", SettingError, "noise of toy2d is '2', but it has to be 0 to 0.5; the default is 0.0"),
        ("toy2d:noise=nan", SettingError, "noise of toy2d is 'nan'"),
        ("toy2d:noise=much", SettingError, "noise of toy2d is 'much'"),
        ("toy2d:classes=2.5", SettingError, "classes of toy2d is '2.5', but it has to be 2 to 50, whole"),
        ("toy2d:classes", SettingError, "'classes' is no setting: write toy2d:NAME=VALUE"),
        ("toy2d:", SettingError, "'' is no setting"),
        ("toy2d:noise=0.1,", SettingError, "'' is no setting"),
        ("toy2d:noise=0.1,noise=0.2", SettingError, "'noise' is set twice"),
        ("glyphs:part=unsen", SettingError, "but it has to be all, seen or unseen. Did you mean 'unseen'"),
        ("digits:noise=0.1", SettingError, "'digits' has nothing to set: leave out 'noise'"),
        ("toy3d:noise=0.2", UnknownNameError, "called 'toy3d'. Did you mean 'toy2d'"),
        ("toy2d:points=4,imbalance=4", SettingError, "The smallest class of toy2d would have 1 points"),
        ("toy2d:points=5000,classes=50", SettingError, "toy2d would have 250,000 points: use fewer"),
    ],
)
def test_dials_that_cannot_be_turned_so_are_refused_in_one_sentence(
    spec: str, error: type[Exception], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        load(spec)
    assert main(["train", "--data", spec, "--steps", "1", "--out", "never"]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert not Path("never").exists()


def test_a_name_with_dials_loads_and_is_recorded(tmp_path: Path) -> None:
    out = tmp_path / "run"
    spec = "toy2d:noise=0.2,classes=5"
    assert (
        main(["train", "--data", spec, "--steps", "2", "--classes-per-batch", "4", "--quiet", "--out", str(out)]) == 0
    )
    run = Run.open(out)
    assert run.config["data"]["name"] == "toy2d:classes=5,noise=0.2"
    assert run.config["train"]["data"] == spec
    assert run.config["data"]["notes"] == ["50 of 250 labels are wrong on purpose; the id names the true class."]
    assert load("toy2d:classes=5,noise=0.2").digest == load(spec).digest == run.config["data"]["digest"]


def test_a_folder_is_called_after_the_set_without_its_dials() -> None:
    config = TrainConfig(data="toy2d:noise=0.25,classes=5", strategy="random", seed=3)
    assert default_out(config) == Path("runs/toy2d-random-3")
    assert default_out(TrainConfig(data="photos/leaves.npz", strategy="random")) == Path("runs/leaves-random-0")


def test_a_dial_may_be_a_number_already() -> None:
    assert datasets.get("toy2d").load({"classes": 3, "noise": 0.5}).name == "toy2d:classes=3,noise=0.5"
    assert Dial("n", 2, "", low=0, high=9).read(3.0, "x") == 3
    with pytest.raises(SettingError, match="has to be 0 to 9, whole"):
        Dial("n", 2, "", low=0, high=9).read(math.inf, "x")


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True),
        st.integers(-5, 5) | st.sampled_from([0.5, 0.001, 2.25]) | st.sampled_from(["seen", "all"]),
        max_size=4,
    )
)
def test_what_is_joined_can_be_split(values: dict[str, float | int | str]) -> None:
    name, found = split_spec(join_spec("set", values))
    assert name == "set"
    assert {key: str(value) for key, value in found.items()} == {key: str(value) for key, value in values.items()}


# --- clumps in the plane ------------------------------------------------------------------------------------------


def truth_of(data: LabelledData) -> list[str]:
    """The true class of each sample, which its id names."""
    return [str(one).split("/")[0] for one in data.samples.ids]


def test_toy2d_lies_around_centres_on_the_unit_circle() -> None:
    classes, parts = 5, 3
    data = toy2d(classes=classes, parts=parts, points=60, overlap=0.0)
    for row in range(len(data)):
        letter, number = str(data.samples.id_of(row)).split("/")
        clump = "abcde".index(letter) + classes * (int(number) % parts)
        angle = 2 * math.pi * clump / (classes * parts)
        np.testing.assert_allclose(data.features[row], [math.cos(angle), math.sin(angle)], atol=1e-6)
    places = {tuple(np.round(point, 4)): label for point, label in zip(data.features, truth_of(data), strict=True)}
    ring = [places[at] for at in sorted(places, key=lambda at: math.atan2(at[1], at[0]))]
    assert all(here != ring[place - 1] for place, here in enumerate(ring))  # neighbours are of different classes


@pytest.mark.parametrize("overlap", [0.5, 1.0, 2.0])
def test_the_overlap_of_two_classes_is_what_the_formula_says(overlap: float) -> None:
    """Two centres at -1 and 1: beyond the middle lies Q(1 / overlap) of each."""
    data = toy2d(classes=2, points=5000, overlap=overlap)
    beyond = (data.features[:, 0] < 0) == (data.samples.labels == 0)
    expected = 0.5 * math.erfc(1 / overlap / math.sqrt(2))
    assert abs(beyond.mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / len(data))
    assert deviation(2, 1, overlap) == overlap


def test_the_noise_is_a_known_share_of_wrong_labels_and_more_of_it_keeps_the_wrong_ones() -> None:
    clean, some, more = toy2d(), toy2d(noise=0.1), toy2d(noise=0.3)
    wrong = [np.flatnonzero(data.samples.labels != clean.samples.labels) for data in (some, more)]
    assert [len(rows) for rows in wrong] == [40, 120]
    assert set(wrong[0]) < set(wrong[1])
    assert truth_of(more) == truth_of(clean) == [clean.samples.class_of(row) for row in range(len(clean))]
    assert clean.notes == ()
    assert more.notes == ("120 of 400 labels are wrong on purpose; the id names the true class.",)


def test_each_dial_turns_one_thing() -> None:
    plain = toy2d()
    np.testing.assert_array_equal(toy2d(noise=0.3).features, plain.features)
    wide = toy2d(nuisance=7)
    np.testing.assert_array_equal(wide.features[:, :2], plain.features)
    np.testing.assert_array_equal(toy2d(nuisance=3).features, wide.features[:, :5])
    assert wide.features.shape == (400, 9)
    np.testing.assert_allclose(wide.features[:, 2:].std(axis=0), 1, atol=0.15)
    rare = toy2d(imbalance=4)
    for name in plain.samples.class_names:  # the first points of each class stay
        mine = [row for row, of in enumerate(truth_of(rare)) if of == name]
        theirs = [row for row, of in enumerate(truth_of(plain)) if of == name][: len(mine)]
        np.testing.assert_array_equal(rare.features[mine], plain.features[theirs])
    centre = plain.features - toy2d(overlap=0.0).features
    np.testing.assert_allclose(toy2d(overlap=1.0).features - toy2d(overlap=0.0).features, 2 * centre, atol=1e-6)
    assert toy2d(seed=1).digest != plain.digest
    assert toy2d(seed=1).digest == toy2d(seed=1).digest


def test_the_sizes_fall_from_the_largest_to_the_smallest_by_equal_factors() -> None:
    assert class_sizes(4, 80, 8) == [80, 40, 20, 10]
    assert class_sizes(6, 60, 1) == [60] * 6
    assert toy2d(classes=4, points=80, imbalance=8).samples.class_counts().tolist() == [80, 40, 20, 10]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {
            "classes": st.integers(2, 12),
            "points": st.integers(16, 60),
            "parts": st.integers(1, 4),
            "overlap": st.floats(0, 5),
            "noise": st.floats(0, 0.5),
            "imbalance": st.floats(1, 2),
            "nuisance": st.integers(0, 4),
            "seed": st.integers(0, 999_999),
        }
    )
)
def test_any_setting_of_the_dials_gives_a_set_with_its_name_and_its_thumbnails(values: dict[str, float]) -> None:
    data = datasets.get("toy2d").load(values)
    assert data.features.shape == (len(data), 2 + values["nuisance"])
    assert np.isfinite(data.features).all()
    assert len(data.samples.class_names) == values["classes"]
    assert data.samples.thumbs is not None
    assert (data.samples.thumbs.reshape(len(data), -1) == 255).any(axis=1).all()
    assert (
        data.samples.labels != np.array([data.samples.class_names.index(n) for n in truth_of(data)])
    ).sum() == round(values["noise"] * len(data))


def test_a_thumbnail_shows_where_the_point_lies() -> None:
    data = toy2d(classes=4, points=8, overlap=0.0)
    assert data.samples.thumbs is not None
    for row, (x, y) in enumerate(data.features):
        lines, columns = np.nonzero(data.samples.thumbs[row] == 255)
        assert np.sign(round(float(columns.mean() - 11.5), 1) if abs(x) > 0.5 else 0) == np.sign(round(float(x)))
        assert np.sign(round(float(11.5 - lines.mean()), 1) if abs(y) > 0.5 else 0) == np.sign(round(float(y)))


# --- words of emoji -----------------------------------------------------------------------------------------------


def test_the_words_of_the_emoji_are_unit_vectors_of_their_texts() -> None:
    data = load("emoji-words")
    np.testing.assert_allclose(np.linalg.norm(data.features, axis=1), 1, atol=1e-3)
    assert data.samples.texts is not None
    for row in range(len(data)):
        assert data.samples.texts[row].startswith(str(data.samples.id_of(row)))
    assert data.samples.class_counts().min() >= 4
    near = data.features @ data.features.T
    np.fill_diagonal(near, -1)
    found = data.samples.labels[near.argmax(axis=1)] == data.samples.labels
    assert 0.65 < found.mean() < 0.75  # the vectors know the classes, and leave something to learn


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


# ---- nuisance


def test_a_class_of_the_nuisance_set_agrees_in_8_directions_and_scatters_in_24() -> None:
    data = load("nuisance:classes=40,points=200,scatter=3")
    by_class = data.features.astype(np.float64).reshape(40, 200, 64)
    within = np.linalg.eigvalsh(sum(np.cov(one.T) for one in by_class) / 40)[::-1]
    between = np.linalg.eigvalsh(np.cov(by_class.mean(axis=1).T) * 200 - np.eye(64) * 9)[::-1]
    assert within[:24] == pytest.approx(9, rel=0.2)
    assert within[24:] == pytest.approx(0.01, rel=0.3)
    assert (between[:8] > 40).all()  # 200 times a variance of about 1
    assert load("nuisance:classes=40,points=200,scatter=3,seed=1").digest != data.digest
    thumbs = data.samples.thumbs
    assert thumbs is not None
    class_row, rest = thumbs[:200, 0, ::4].astype(float), thumbs[:200, 4:, ::4].astype(float)
    assert class_row.std(axis=0).max() < 8 < rest.std(axis=0).mean()


def test_the_nearest_of_a_scattered_sample_is_of_another_class() -> None:
    from tripletscope.metrics import retrieval

    recall = [
        retrieval((data := load(f"nuisance:scatter={s}")).features, data.samples.labels)["recall_at_1"] for s in (0, 3)
    ]
    assert recall[0] > 0.99
    assert recall[1] < 0.2
