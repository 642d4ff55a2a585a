"""Handwritten digits: small, real, and learnt within seconds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from tripletscope.datasets.base import DATASETS, DataSet
from tripletscope.samples import LabelledData, Samples


def digits() -> LabelledData:
    """1,797 handwritten digits, 8 x 8 grey pixels between 0 and 1, as scikit-learn ships them.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), UCI Machine Learning
    Repository, doi 10.24432/C50P49; the test part.

    Example:
        >>> digits().input_shape
        (1, 8, 8)
    """
    pixels, labels = _table()
    return LabelledData(
        name="digits",
        features=(pixels / 16).astype(np.float32)[:, None],
        samples=Samples(
            ids=np.arange(len(pixels)),
            labels=labels,
            class_names=[str(digit) for digit in range(10)],
            thumbs=np.round(pixels * (255 / 16)).astype(np.uint8),
        ),
        origin=(
            "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), UCI Machine Learning "
            "Repository, doi 10.24432/C50P49; the test part, as shipped with scikit-learn. Pixels divided by 16."
        ),
        licence="CC BY 4.0",
    )


def _table() -> tuple[Float64[np.ndarray, "N 8 8"], Int64[np.ndarray, "N"]]:
    """(pixels, whole numbers 0 ... 16; labels).

    Read from scikit-learn's own file: importing `sklearn.datasets` takes more processor time than a short training.
    """
    found = importlib.util.find_spec("sklearn")
    file = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz" if found and found.origin else None
    if file is None or not file.is_file():  # another version may keep it elsewhere
        from sklearn.datasets import load_digits

        raw = load_digits()
        return raw.images, raw.target.astype(np.int64)
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)


DATASETS.register(
    DataSet(
        "digits",
        10,
        "Handwritten digits",
        digits,
        summary="1,797 digits of 8 x 8 pixels in 10 classes: learnt within seconds, and 4, 7 and 9 look alike.",
        example="class 7, written by many hands",
    )
)
