"""NumPy files: .npy, mapped into memory and not copied, and .npz."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tripletscope.embeddings.table import COUNTED_FROM_0, Table, as_column, check_opened, reason_of
from tripletscope.errors import DataError
from tripletscope.readers.checks import listed

EMBEDDING_NAMES = (
    "embeddings", "embedding", "vectors", "vector", "features", "feature", "emb", "feats", "x", "data", "arr_0",
)  # fmt: skip
LABEL_ARRAYS = ("labels", "label", "y", "targets", "target", "classes", "class")
MAX_HEADER = 2**16  # bytes; a header is some hundred


def read_npy(path: Path, *, column: str | None = None) -> Table:
    """The array of an .npy file as one column; float16 and float32 in C order stay on the disk, read as needed.

    Args:
        path: the file.
        column: with a name, an array of one dimension is read too, as a column of that name.

    Raises:
        DataError: for a file that is cut short, holds Python objects, or has not two dimensions.
    """
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path} is empty: save the vectors with numpy.save.")
    try:
        with path.open("rb") as opened:
            shape, fortran, dtype = _header(opened)
            offset = opened.tell()
    except DataError:
        raise
    except Exception as error:  # numpy parses the header as Python, which fails in many ways
        raise DataError(f"{path} is no .npy file ({reason_of(error)}): save the vectors with numpy.save.") from error
    _check_kind(path, "the array", dtype)
    if len(shape) != 2 and not (len(shape) == 1 and column is not None):
        raise DataError(
            f"{path} holds an array of shape {_shown(shape)}, and vectors have shape (rows, numbers): "
            + ("reshape it to that." if len(shape) > 2 else "stack one vector for each row.")
        )
    if 0 in shape:
        raise DataError(
            f"{path} holds an array of shape {_shown(shape)}: give one row or more, and one number or more."
        )
    promised = math.prod(shape) * dtype.itemsize
    if size - offset < promised:
        whole = (size - offset) * shape[0] // promised
        raise DataError(
            f"{path} is cut short: its header promises {shape[0]:,} rows and it holds {whole:,}; copy it again."
        )
    vectors = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")
    notes = []
    if size - offset > promised:
        notes.append(f"{path.name} has {size - offset - promised:,} bytes after its array, which were not read.")
    if len(shape) == 1:
        if dtype.kind in "cV":
            raise DataError(f"{path} holds values of the type {dtype}: save numbers or text, one for each row.")
        _check_text(path, "the array", vectors)
        return Table(path, shape[0], {str(column): as_column(vectors)}, 0, COUNTED_FROM_0, notes)
    return Table(path, shape[0], {"vector": vectors}, 0, COUNTED_FROM_0, notes)


def read_npz(path: Path, limit: int | None) -> Table:
    """The arrays of an .npz file as columns: those with as many rows as the vectors.

    Raises:
        DataError: for a broken archive, Python objects, arrays beyond the limit, labels of another length.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            total = 0
            for entry in archive.infolist():
                if not entry.filename.endswith(".npy"):
                    continue
                name = entry.filename.removesuffix(".npy")
                with archive.open(entry) as member:
                    shape, _, dtype = _header(member)
                _check_kind(path, f"array {name!r}", dtype)
                count = 1
                for length in shape:
                    count *= length
                total += count * max(1, dtype.itemsize)
                check_opened(path, total, limit)
        with np.load(path, allow_pickle=False) as opened:
            for name in opened.files:
                found = opened[name]
                if isinstance(found, np.ndarray):
                    arrays[name] = found
    except DataError:
        raise
    except Exception as error:  # zip, zlib, header and dtype errors are all of their own kinds
        raise DataError(
            f"{path} cannot be read as an .npz archive ({reason_of(error)}): save it again with numpy.savez."
        ) from error
    return from_arrays(path, arrays, "numpy.savez")


def from_arrays(path: Path, arrays: dict[str, NDArray[Any]], saver: str) -> Table:
    """Named arrays as columns: those with as many rows as the array of vectors.

    The vectors are the array called `embeddings` or the like, else the largest of two dimensions; pictures alone
    (`images`, uint8) give their pixels. A `class_names` names the numbers in `labels`, and `X_names` those in `X`.

    Raises:
        DataError: when no array can be the vectors, or labels have another length.
    """
    chief = _chief(arrays)
    if chief is None:
        found = listed([f"{name!r} {_shown(array.shape)}" for name, array in arrays.items()], most=6) or "nothing"
        raise DataError(
            f"{path} has no array of shape (rows, numbers) that could be the vectors (it has {found}): "
            f"save one called 'embeddings' with {saver}."
        )
    for name, array in arrays.items():
        _check_text(path, repr(name), array)
    rows = len(arrays[chief])
    if arrays[chief].size == 0:
        shape = _shown(arrays[chief].shape)
        raise DataError(f"In {path}, {chief!r} has shape {shape}: give one row or more, and one number or more.")
    table = Table(path, rows, {}, 0, COUNTED_FROM_0)
    numbered = {
        name: listing
        for name in arrays
        if (listing := _names_for(name, arrays)) is not None and arrays[name].dtype.kind in "iu"
    }
    left_out = []
    for name in [chief, *(name for name in arrays if name != chief)]:
        array = arrays[name]
        if name in numbered.values() or (name == "class_names" and array.ndim == 1):
            continue
        if array.shape[:1] != (rows,):
            if name.lower() in (*LABEL_ARRAYS, "ids", "texts"):
                count = f"{len(array):,} entries" if array.ndim else "a single value"
                raise DataError(
                    f"In {path}, {name!r} has {count} and {chief!r} has {rows:,} rows: give one entry for each row."
                )
            left_out.append(f"{name!r} {_shown(array.shape)}")
        elif array.ndim == 1:
            if array.dtype.kind in "cV":
                left_out.append(f"{name!r} (type {array.dtype})")
            else:
                table.columns[name] = as_column(array)
        elif array.dtype.kind in "fiub" and array.size:
            table.columns[name] = array
        else:
            left_out.append(f"{name!r} {_shown(array.shape)}")
    for name, listing in numbered.items():
        if name in table.columns:
            table.names[name] = [str(one) for one in arrays[listing].tolist()]
            _check_codes(path, name, listing, arrays[name], len(table.names[name]))
    if left_out:
        table.notes.append(
            f"Left out {listed(left_out, most=6)} of {path.name}: not one entry for each of the {rows:,} rows."
        )
    if arrays[chief].ndim > 2:
        table.notes.append(
            f"{path.name} brings pictures and no vectors, so the pixels of {chief!r} are the vectors; "
            "embeddings of a model tell more."
        )
    return table


def _chief(arrays: dict[str, NDArray[Any]]) -> str | None:
    flat = [name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "fiub"]
    for known in EMBEDDING_NAMES:
        for name in flat:
            if name.lower() == known:
                return name
    floats = [name for name in flat if arrays[name].dtype.kind == "f" and arrays[name].shape[1] > 1]
    if floats or flat:
        return max(floats or flat, key=lambda name: arrays[name].size)
    pictures = [name for name, array in arrays.items() if array.ndim in (3, 4) and array.dtype == np.uint8]
    return max(pictures, key=lambda name: (name == "images", arrays[name].size)) if pictures else None


def _names_for(name: str, arrays: dict[str, NDArray[Any]]) -> str | None:
    """The array of texts that the numbers in `name` stand for."""
    listings = [f"{name}_names"]
    if name.lower() in LABEL_ARRAYS:
        listings.append("class_names")
    for listing in listings:
        if listing in arrays and arrays[listing].ndim == 1 and arrays[listing].dtype.kind == "U":
            return listing
    return None


def _check_codes(path: Path, name: str, listing: str, codes: NDArray[Any], count: int) -> None:
    if len(codes) and not (int(codes.min()) >= -1 and int(codes.max()) < count):
        raise DataError(
            f"In {path}, {name!r} runs from {codes.min()} to {codes.max()} but {listing!r} has {count:,} names: "
            "name every number, from 0."
        )


def _header(opened: BinaryIO | Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(opened)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(opened, max_header_size=MAX_HEADER)
    if any(length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    return shape, fortran, dtype


def _check_kind(path: Path, what: str, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise DataError(
            f"In {path}, {what} holds Python objects, which could run code when opened: save numbers or text."
        )


def _check_text(path: Path, what: str, array: NDArray[Any]) -> None:
    """Nothing, when an array of text, if it is one, holds characters that exist."""
    if array.dtype.kind != "U" or array.nbytes == 0:
        return
    letters = np.ascontiguousarray(array).reshape(-1).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    wrong = np.flatnonzero((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters <= 0xDFFF)))
    if len(wrong):
        entry = int(wrong[0]) * 4 // array.dtype.itemsize
        raise DataError(
            f"In {path}, entry {entry} (counted from 0) of {what} holds text that is no Unicode: save it again."
        )


def _shown(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(f"{length:,}" for length in shape) + ")"
