"""Writes the flawed set that comes along: digits at length 1, with faults planted by seed, and what they are.

python sample_data/make_flawed.py            # writes sample_data/flawed/
python sample_data/make_flawed.py --check    # makes it again and compares, bytes and all
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from tripletscope.datasets import load
from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.inspection.planted import Planted, plant

HERE = Path(__file__).resolve().parent / "flawed"
SEED = 7


def flawed() -> Planted:
    """The digits with 3 % wrong labels and a dozen of each other fault."""
    digits = load("digits")
    pixels = digits.features.reshape(len(digits.features), -1)
    sound = EmbeddingSet(
        name="digits",
        vectors=(pixels / np.linalg.norm(pixels, axis=1, keepdims=True)).astype(np.float16),
        ids=np.array([f"digit-{place:04d}" for place in range(len(pixels))], dtype=object),
        labels=digits.samples.labels.astype(np.int32),
        class_names=list(digits.samples.class_names),
    )
    return plant(
        sound,
        wrong_labels=54,
        cross_duplicates=12,
        duplicates=10,
        near_duplicates=12,
        hub=1,
        outliers=10,
        leaks=12,
        jitter=0.1,
        strength=2.0,
        distance="cosine",
        seed=SEED,
    )


def files(made: Planted) -> dict[str, bytes]:
    """The content of the two files."""
    given = made.set
    assert given.splits is not None
    wide = given.vectors.astype(np.float32)
    bright = np.clip(wide / wide.max(axis=1, keepdims=True), 0, 1)
    arrays = {
        "embeddings": given.vectors,
        "labels": given.labels.astype(np.int16),
        "class_names": np.array(given.class_names),
        "ids": np.array(given.ids.tolist()),
        "split": given.splits.astype(np.int8),
        "split_names": np.array(given.split_names),
        "images": np.round(bright * 255).astype(np.uint8).reshape(-1, 8, 8),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            held = io.BytesIO()
            np.save(held, array, allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), held.getvalue(), zipfile.ZIP_DEFLATED
            )
    truth = {
        "what": "ids of the rows planted with each fault; sources: the row that each row is or "
        "copies, -1 for made-up rows",
        "seed": SEED,
        "truth": {fault: [given.id_of(int(row)) for row in rows] for fault, rows in made.truth.items()},
        "sources": made.sources.tolist(),
    }
    return {"digits.npz": packed.getvalue(), "truth.json": (json.dumps(truth) + "\n").encode()}


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make it again and compare with what is there")
    args = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    for name, content in files(flawed()).items():
        path = HERE / name
        if args.check:
            print(f"{name}: {'the same' if path.read_bytes() == content else 'DIFFERS'}")
        else:
            path.write_bytes(content)
            print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
