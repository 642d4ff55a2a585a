"""A folder as TensorBoard's embedding projector has it: vectors in one TSV, what is known of them in another."""

from __future__ import annotations

import re
from pathlib import Path

from tripletscope.errors import DataError

CONFIG = "projector_config.pbtxt"
VECTOR_FILES = ("tensors.tsv", "vectors.tsv", "vecs.tsv")
METADATA_FILES = ("metadata.tsv", "meta.tsv")
MAX_CONFIG = 2**20  # bytes


def projector_files(folder: Path) -> tuple[Path, Path | None] | None:
    """The files of vectors and of metadata (or None) in a projector's folder; None where the folder is no such one.

    Raises:
        DataError: when its configuration names a file outside the folder, or one that is missing.
    """
    config = folder / CONFIG
    if config.is_file() and config.stat().st_size <= MAX_CONFIG:
        text = config.read_text(encoding="utf-8", errors="replace")
        tensor = re.search(r'tensor_path\s*:\s*"([^"\n]+)"', text)
        metadata = re.search(r'metadata_path\s*:\s*"([^"\n]+)"', text)
        if tensor:
            return _inside(folder, tensor[1]), _inside(folder, metadata[1]) if metadata else None
    vectors = next((folder / name for name in VECTOR_FILES if (folder / name).is_file()), None)
    if vectors is None:
        return None
    return vectors, beside(vectors)


def beside(vectors: Path) -> Path | None:
    """The metadata.tsv that lies beside a tensors.tsv or vectors.tsv, or None."""
    if vectors.name.lower() not in VECTOR_FILES:
        return None
    return next((vectors.parent / name for name in METADATA_FILES if (vectors.parent / name).is_file()), None)


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{folder / CONFIG} names {name!r}, which is outside its folder: copy that file into it.")
    if not path.is_file():
        raise DataError(f"{folder / CONFIG} names {name!r}, which is not there: put that file into the folder.")
    return path
