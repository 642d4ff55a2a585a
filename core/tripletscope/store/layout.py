"""Where everything lies in a run folder, and how a file is replaced so that a reader sees the old one or the new."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tripletscope.errors import RunError
from tripletscope.schema import FORMAT_VERSION

CONFIG = "config.json"
STATUS = "status.json"
CONTROL = "control"
SCALARS = "scalars.jsonl"
SAMPLES = "samples/samples.arrows"
THUMBS = "samples/thumbs.png"
THUMBS_GRID = "samples/thumbs.json"
FRAME_ROWS = "frames/rows.npy"


def part_path(run: Path, table: str) -> Path:
    """The Arrow stream that a step table grows in while the run is open."""
    return run / table / "part-00000.arrows"


def packed_path(run: Path, table: str) -> Path:
    """The Parquet file that the stream becomes when the run is closed."""
    return run / table / f"{table}.parquet"


def frame_path(run: Path, step: int) -> Path:
    """The probe set's embedding at a step."""
    return run / "frames" / f"step-{step:07d}.npy"


def centres_path(run: Path, step: int) -> Path:
    """The learned centres of the classes at a frame step."""
    return run / "frames" / f"centres-{step:07d}.npy"


def batch_embeddings_path(run: Path, step: int) -> Path:
    """The batch's embedding at a frame step."""
    return run / "batches" / f"embeddings-{step:07d}.npy"


def checkpoint_path(run: Path, step: int) -> Path:
    """Weights and optimiser after `step` updates."""
    return run / "checkpoints" / f"step-{step:07d}.pt"


def view_path(run: Path, name: str) -> Path:
    """Something that was computed from the run, such as a map."""
    return run / "views" / name


def step_of(path: Path) -> int | None:
    """The step in a file name like step-0000030.npy; None for a name of another kind."""
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else None


def replace(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Nothing; `path` then holds `content`. A reader, or a crash at any instant, sees the old file or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    os.replace(temporary, path)


def read_config(run: Path, *, newer: bool = False) -> dict[str, Any]:
    """The content of config.json, checked to be of a format version that this package reads.

    Args:
        run: folder of the run.
        newer: let a newer format pass that still says its margin and distance: a reader shows what it knows of it.

    Raises:
        RunError: no such folder, no run, damaged, or written by a newer version.
    """
    if not run.is_dir():
        raise RunError(f"There is no run folder {str(run)!r}: check the path, or list runs with `tripletscope runs`.")
    path = run / CONFIG
    if not path.is_file():
        raise RunError(f"{str(run)!r} is no recorded run: it has no {CONFIG}; name a folder that a recorder made.")
    version = 0
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version = int(config["format"])
        float(config["margin"])  # without these two no triplet of the run has a zone
        str(config["distance"])
    except (ValueError, KeyError, TypeError) as problem:
        if version <= FORMAT_VERSION:
            raise RunError(
                f"{CONFIG} of the run {str(run)!r} cannot be read: restore it from a copy ({problem})."
            ) from None
        newer = False
    if version > FORMAT_VERSION and not newer:
        raise RunError(
            f"The run {str(run)!r} is in format version {version}, this tripletscope reads up to version "
            f"{FORMAT_VERSION}: update tripletscope to open it."
        )
    return dict(config)
