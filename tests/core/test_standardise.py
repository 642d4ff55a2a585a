"""Columns of different units are brought to one scale, on request and never unasked."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletscope.cli import main
from tripletscope.embeddings.building import standardised
from tripletscope.embeddings.opening import open_embeddings

CSV = "kind,height,weight,always\n" + "".join(
    f"{'cat' if row % 2 else 'dog'},{row * row % 11},{1000 * row + row % 3},7\n" for row in range(12)
)


def plainly(columns: list[list[float]]) -> list[list[float]]:
    """In loops, column by column."""
    made = []
    for column in columns:
        mean = sum(column) / len(column)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
        made.append(
            [(value - mean) / deviation if deviation > 1e-12 * max(abs(mean), 1e-300) else 0.0 for value in column]
        )
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=2, max_size=30))
def test_it_equals_plain_loops(rows):
    vectors = np.array(rows, dtype=np.float32)
    made, constant = standardised(vectors)
    wanted = np.array(plainly(vectors.astype(float).T.tolist())).T
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-4)
    assert constant == sum(not column.any() for column in wanted.T)


def test_half_precision_and_large_offsets_keep_their_digits():
    rng = np.random.default_rng(0)
    narrow = rng.normal(size=(500, 3)).astype(np.float16)
    made, _ = standardised(narrow)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(made.std(axis=0), 1, rtol=1e-5)
    far = (1e6 + np.arange(8, dtype=np.float32))[:, None]
    np.testing.assert_allclose(standardised(far)[0].std(), 1, rtol=1e-5)


def test_a_file_is_standardised_when_asked_and_says_so(tmp_path):
    file = tmp_path / "pets.csv"
    file.write_text(CSV)
    plain, scaled = open_embeddings(file), open_embeddings(file, standardise=True)
    assert plain.vectors.max() > 1000
    np.testing.assert_allclose(scaled.vectors[:, :2].std(axis=0), 1, rtol=1e-5)
    assert not scaled.vectors[:, 2].any()
    assert plain.digest != scaled.digest
    assert "Standardised: each of the 3 numbers has mean 0 and deviation 1; 1 of them" in " ".join(scaled.notes)
    assert not any("Standardised" in note for note in plain.notes)


@pytest.mark.parametrize("command", ["inspect", "mine"])
def test_the_command_line_has_it_too(tmp_path, capsys, command):
    file = tmp_path / "pets.csv"
    file.write_text(CSV)
    wanted = open_embeddings(file, standardise=True).digest
    if command == "inspect":
        assert main(["inspect", str(file), "--standardise", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["digest"] == wanted
        return
    for out, more in (("a.csv", []), ("b.csv", ["--standardise"])):
        assert (
            main(["mine", str(file), "--out", str(tmp_path / out), "--flagged", "ignore", "--margin", "0.5", *more])
            == 0
        )
    assert (tmp_path / "a.csv").read_bytes() != (tmp_path / "b.csv").read_bytes()
    settings = next(json.loads(path.read_text()) for path in tmp_path.glob("b*settings.json"))
    assert settings["standardise"] is True
