"""The map of a set: the picture is PCA's and UMAP's own, and the numbers on it are those of plain loops."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from tripletscope.analysis import set_map
from tripletscope.analysis.fidelity import fidelity
from tripletscope.analysis.work import CancelledError
from tripletscope.cli import main
from tripletscope.errors import DataError, UnknownNameError


def blobs(count: int = 240, dim: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    return (rng.normal(size=(count, dim)) + 6 * np.eye(dim)[labels]).astype(np.float32), labels


def by_svd(rows: np.ndarray) -> tuple[np.ndarray, float]:
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    return np.abs(centred @ axes[:2].T), float((lengths[:2] ** 2).sum() / (lengths**2).sum())


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_pca_is_the_two_leading_axes(distance, dtype):
    rows = (blobs()[0] + 3).astype(dtype)
    made = set_map.make_map(rows, "pca", distance=distance)
    seen = rows.astype(np.float64)
    if distance == "cosine":
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    wanted, share = by_svd(seen)
    np.testing.assert_allclose(np.abs(made.positions), wanted, atol=2e-5 * np.abs(wanted).max())
    assert made.explained == pytest.approx(share, rel=1e-5)
    assert made.badge == f"PCA, {share:.0%} of variance"
    assert not made.exact


def test_many_dimensions_give_the_same_axes_as_few():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, set_map.ALL_AXES + 40)).astype(np.float32)
    rows[:, :3] *= [12, 8, 6]
    wanted, share = by_svd(rows)
    made = set_map.make_map(rows, "pca", distance="euclidean")
    np.testing.assert_allclose(np.abs(made.positions), wanted, atol=1e-2)
    assert made.explained == pytest.approx(share, rel=1e-3)


def test_the_axes_of_a_large_set_come_from_a_sample_and_the_places_from_every_row(monkeypatch):
    rows = blobs(4_000)[0]
    whole = set_map.make_map(rows, "pca", distance="euclidean")
    monkeypatch.setattr(set_map, "FITTED_ROWS", 1_500)
    some = set_map.make_map(rows, "pca", distance="euclidean")
    assert (whole.fitted, some.fitted) == (4_000, 1_500)
    assert some.explained == pytest.approx(whole.explained, abs=0.02)
    assert some.on_map.all()
    again = set_map.make_map(rows, "pca", distance="euclidean")
    np.testing.assert_array_equal(some.positions, again.positions)


def test_the_plane_itself_is_exact():
    rows = np.array([[3.0, 4.0], [0.0, 1.0], [5.0, -2.0]], np.float32)
    made = set_map.make_map(rows, "pca", distance="euclidean")
    assert made.exact
    assert made.badge.startswith("EXACT")
    np.testing.assert_array_equal(made.positions, rows)
    line = set_map.make_map(rows[:, :1], "pca", distance="euclidean")
    np.testing.assert_array_equal(line.positions[:, 0], rows[:, 0])
    assert not set_map.make_map(rows, "pca", distance="cosine").exact


@pytest.mark.parametrize(
    "rows",
    [
        np.ones((5, 3), np.float32),
        np.zeros((4, 2), np.float32),
        np.float32([[1e17, 0, 0], [0, 1e17, 0], [0, 0, 1e17]]),
        np.float32([[1e-18, 0, 0], [0, 1e-18, 0], [0, 0, 1e-18]]),
        np.float32([[1.0, 2.0, 3.0]]),
    ],
)
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_every_set_has_a_picture(rows, distance):
    for space in ("pca", "umap"):
        made = set_map.make_map(rows, space, distance=distance)
        assert np.isfinite(made.positions).all()
        assert 0 <= made.explained <= 1
        set_map.measured_map(made, rows, distance=distance)


def test_what_a_map_keeps_is_what_all_rows_say():
    rows = blobs(300)[0]
    for distance in ("euclidean", "cosine"):
        made = set_map.measured_map(set_map.make_map(rows, "pca", distance=distance), rows, distance=distance)
        wanted = fidelity(rows, made.positions, distance=distance)
        assert made.measured == 300
        assert made.kept == pytest.approx(wanted.kept, abs=1e-3)
        assert made.trust == pytest.approx(wanted.trust, abs=1e-3)


def test_a_sample_of_rows_says_about_the_same(monkeypatch):
    rows = blobs(2_000)[0]
    whole = set_map.measured_map(set_map.make_map(rows, "pca"), rows)
    monkeypatch.setattr(set_map, "MEASURED", (300, 300, 10**9))
    some = set_map.measured_map(set_map.make_map(rows, "pca"), rows)
    assert some.measured == 300
    assert some.kept == pytest.approx(whole.kept, abs=0.05)
    assert some.trust == pytest.approx(whole.trust, abs=0.03)


@pytest.mark.slow
def test_umap_keeps_more_than_pca_is_always_the_same_and_tells_how_far_it_is():
    rows, labels = blobs()
    told: list[float] = []
    made = set_map.make_map(rows, "umap", progress=lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 5
    np.testing.assert_array_equal(made.positions, set_map.make_map(rows, "umap").positions)
    straight = set_map.measured_map(set_map.make_map(rows, "pca"), rows)
    made = set_map.measured_map(made, rows)
    assert made.kept > straight.kept
    assert made.trust > 0.9
    near = ((made.positions[:, None] - made.positions[None]) ** 2).sum(axis=2)
    np.fill_diagonal(near, np.inf)
    assert (labels[near.argmin(axis=1)] == labels).mean() > 0.95


def test_of_a_large_set_a_sample_is_laid_out_and_the_rest_is_not_on_the_map():
    rows = blobs(400)[0]
    made = set_map.make_map(rows, "umap", most=150)
    assert made.on_map.sum() == made.fitted == 150
    there = np.flatnonzero(made.on_map)
    alone = set_map.make_map(rows[there], "umap")
    np.testing.assert_array_equal(made.positions[there], alone.positions)
    wanted = fidelity(rows[there], made.positions[there], distance="cosine")
    assert set_map.measured_map(made, rows).kept == pytest.approx(wanted.kept, abs=2e-3)


def test_a_map_that_nobody_wants_any_more_is_not_made():
    asked = iter(range(1000))
    with pytest.raises(CancelledError):
        set_map.make_map(blobs()[0], "umap", should_stop=lambda: next(asked) > 3)


def test_a_map_is_kept_by_what_the_vectors_are(monkeypatch, tmp_path):
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path))
    rows = blobs()[0]
    digest = set_map.content_digest(rows)
    assert set_map.find_map(digest, "umap", distance="cosine", most=150) is None
    made = set_map.measured_map(set_map.make_map(rows, "umap", most=150), rows)
    set_map.keep_map(digest, made, distance="cosine", most=150)
    found = set_map.find_map(digest, "umap", distance="cosine", most=150)
    assert found is not None
    np.testing.assert_array_equal(found.positions, made.positions)
    assert (found.kept, found.badge, found.measured) == (made.kept, made.badge, made.measured)
    assert set_map.find_map(digest, "umap", distance="euclidean", most=150) is None
    assert set_map.content_digest(rows + 1) != digest
    for place in tmp_path.rglob("*.npz"):
        place.write_bytes(b"PK")
    assert set_map.find_map(digest, "umap", distance="cosine", most=150) is None


def test_wrong_wishes_are_told():
    rows = blobs()[0]
    with pytest.raises(UnknownNameError, match="tsne"):
        set_map.make_map(rows, "tsne")
    with pytest.raises(UnknownNameError, match="taxi"):
        set_map.make_map(rows, "pca", distance="taxi")
    with pytest.raises(DataError, match="x and y"):
        set_map.make_map(rows, "own")
    with pytest.raises(DataError, match="no row"):
        set_map.make_map(rows[:0], "pca")


# ---- the command


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path / "cache"))
    rows, labels = blobs(120)
    np.savez(tmp_path / "pets.npz", vectors=rows, label=labels.astype(str))
    return tmp_path / "pets.npz"


def test_the_command_writes_places_that_can_be_read_back(file, capsys):
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    for ending in ("csv", "parquet", "npz"):
        out = file.with_name(f"places.{ending}")
        assert main(["map", str(file), "--space", "pca", "--out", str(out)]) == 0
    told = capsys.readouterr().err
    assert "of variance" in told
    assert "15-NN kept" in told
    table = pq.read_table(file.with_name("places.parquet"))
    assert table.column_names == ["id", "label", "x", "y"]
    assert pc.read_csv(file.with_name("places.csv")).num_rows == 120
    with np.load(file.with_name("places.npz"), allow_pickle=False) as held:
        np.testing.assert_allclose(held["positions"][:, 0], table["x"].to_numpy())
        assert held["labels"].tolist() == table["label"].to_pylist()
    assert main(["map", str(file), "--space", "pca", "--out", str(file.with_name("places.csv"))]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--threads", "0"], "--threads"),
        (["--most", "5"], "--most"),
        (["--distance", "taxi"], "taxi"),
        (["--space", "own"], "x and y"),
        (["--out", "places.pdf"], ".csv"),
    ],
)
def test_the_command_refuses_in_one_sentence(file, capsys, more, said):
    assert main(["map", str(file), *more]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1


def test_programs_hear_how_far_it_is_and_end_it_by_hanging_up(file):
    command = [sys.executable, "-m", "tripletscope", "map", str(file), "--lines", "--space"]
    with subprocess.Popen([*command, "pca"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout]
        assert lines[0]["state"] == "running"
        assert lines[-1]["state"] == "ready"
    with subprocess.Popen([*command, "umap"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        states = [json.loads(line)["state"] for line in process.stdout]
        assert states[-1] == "cancelled"
        process.wait(20)
    assert process.returncode == 143
