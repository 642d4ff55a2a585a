"""Small data for recorded runs, and how two of them are compared: everything but clocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tripletscope import Run, datasets
from tripletscope.samples import LabelledData

CLOCKS = ("time", "seconds")


def lines(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in run.lines]


def assert_same_recording(one: Run, other: Run) -> None:
    """Equal to the last bit: lines, batches, picks, planes, frames."""
    assert len(one.lines) == len(other.lines)
    for mine, theirs in zip(lines(one), lines(other), strict=True):
        assert mine == theirs
    for columns, twin in zip(everything(one), everything(other), strict=True):
        assert columns.keys() == twin.keys()
        for name in columns:
            np.testing.assert_array_equal(columns[name], twin[name], err_msg=name)
    assert one.frame_steps == other.frame_steps
    np.testing.assert_array_equal(one.probe_rows, other.probe_rows)
    for step in one.frame_steps:
        np.testing.assert_array_equal(one.frames[step], other.frames[step])


def everything(run: Run) -> list[dict[str, np.ndarray]]:
    batches = [run.batch(step)[0] for step in range(run.step_count)]
    planes = [run.plane(step) for step in range(run.step_count)]
    return [
        run.pick_rows(),
        {str(step): rows for step, rows in enumerate(batches)},
        {str(step): np.append(counts.ravel(), width) for step, (width, counts) in enumerate(planes)},
    ]


def few_digits(count: int = 200) -> LabelledData:
    """The first digits: frames of so few cost next to nothing."""
    data = datasets.load("digits")
    return replace(data, features=data.features[:count], samples=data.samples.take(np.arange(count)))


def few_digits_file(place: Path) -> Path:
    """The same as a file that `--data` takes."""
    data = few_digits()
    images = (data.features[:, 0] * 255).astype(np.uint8)
    np.savez(place / "digits.npz", images=images, labels=data.samples.labels)
    return place / "digits.npz"
