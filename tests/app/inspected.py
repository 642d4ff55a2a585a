"""What tests of the Inspect page share: small files of every kind, and an app that waits for its desk."""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

WAIT = 60
ROWS, DIM = 24, 8


def vectors(seed: int = 0) -> np.ndarray:
    """24 x 8, two heaps, in no order."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(ROWS, DIM)) + 3 * (np.arange(ROWS) % 2)[:, None]).astype(np.float32)


def labels() -> list[str]:
    """cat and dog in turn."""
    return ["dog" if row % 2 else "cat" for row in range(ROWS)]


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def csv(separator: str = ",", given: list[str] | None = None, name: str = "kind") -> bytes:
    head = separator.join([name, *(f"e{place}" for place in range(DIM))])
    rows = [
        separator.join([label, *(f"{value:.6f}" for value in row)])
        for label, row in zip(given or labels(), vectors(), strict=True)
    ]
    return ("\n".join([head, *rows]) + "\n").encode()


def formats() -> dict[str, list[tuple[str, bytes]]]:
    """Files by kind: each opens as the same set of 24 x 8 with two classes."""
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as parquet
    import torch

    table = pa.table({"kind": labels(), "vec": [row.tolist() for row in vectors()]})
    held = io.BytesIO()
    parquet.write_table(table, held)
    arrow = io.BytesIO()
    feather.write_feather(table, arrow)
    archive = io.BytesIO()
    np.savez(archive, embeddings=vectors(), labels=np.array(labels()))
    weights = io.BytesIO()
    torch.save(torch.from_numpy(vectors()), weights)
    lines = "\n".join(
        json.dumps({"kind": label, "vec": row.tolist()}) for label, row in zip(labels(), vectors(), strict=True)
    )
    kinds = ("kind\n" + "\n".join(labels()) + "\n").encode()
    return {
        "npz": [("set.npz", archive.getvalue())],
        "csv": [("set.csv", csv())],
        "tsv": [("set.tsv", csv("\t"))],
        "csv.gz": [("set.csv.gz", gzip.compress(csv()))],
        "jsonl": [("set.jsonl", lines.encode())],
        "parquet": [("set.parquet", held.getvalue())],
        "feather": [("set.feather", arrow.getvalue())],
        "npy and labels.csv": [("labels.csv", kinds), ("vectors.npy", npy(vectors()))],
        "two npy": [("b.npy", npy(np.array(labels()))), ("a.npy", npy(vectors()))],
        "pt and csv": [("vectors.pt", weights.getvalue()), ("rows.csv", kinds)],
        "csv and pictures": [("set.csv", csv()), ("pictures.zip", pictures())],
    }


def pictures() -> bytes:
    """A zip with one small picture for each row, named as the rows of a table are numbered: from 2."""
    from PIL import Image

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for row in range(ROWS):
            drawn = io.BytesIO()
            Image.new("RGB", (12, 12), (10 * row, 100, 50)).save(drawn, "PNG")
            archive.writestr(f"{row + 2}.png", drawn.getvalue())
    return out.getvalue()


def until(app: AppTest, done: Callable[[AppTest], Any], seconds: float = WAIT) -> AppTest:
    """The app, run again until something is so; a browser's timer would do that."""
    deadline = time.monotonic() + seconds
    while not done(app):
        assert not app.exception, app.exception
        assert time.monotonic() < deadline, words(app)
        time.sleep(0.1)
        app.run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> list[str]:
    """All that stands on the page as plain text."""
    return [part.value for part in app.text]


def drop(app: AppTest, files: list[tuple[str, bytes]]) -> AppTest:
    """The app after these files were dropped at the door."""
    zone = next(part for part in app.file_uploader if "once" in part.label)
    zone.set_value([(name, content, "") for name, content in files])
    return app.run()


def data_of(app: AppTest, kind: str) -> list[Any]:
    """What each component of a kind was given."""
    told = [json.loads(part.proto.json)[0] for part in app.get("bidi_component") if part.proto.json]
    wanted = {"cards": lambda one: "revision" in one, "deck": lambda one: "cards" in one}[kind]
    return [one for one in told if one and wanted(one)]
