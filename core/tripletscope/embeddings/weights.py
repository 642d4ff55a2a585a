"""Files of PyTorch and safetensors: tensors only, nothing in them is run."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tripletscope.embeddings.arrays import from_arrays
from tripletscope.embeddings.table import Table, as_column, check_names, check_opened, reason_of
from tripletscope.errors import DataError
from tripletscope.readers.checks import listed

# Format: https://github.com/huggingface/safetensors, "Format": 8 bytes of length, a JSON header, the numbers.
_SAFE_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_MAX_SAFE_HEADER = 100_000_000  # bytes, as the format's own library has it


def read_safetensors(path: Path, limit: int | None) -> Table:
    """The tensors of a .safetensors file as columns; float16 and float32 vectors stay on the disk, read as needed.

    Raises:
        DataError: for a broken header, tensors beyond the end of the file, or none that could be vectors.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if size < 8 or length > min(size - 8, _MAX_SAFE_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(opened.read(length).decode())
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        arrays = {
            name: _tensor(path, name, entry, 8 + length, size, limit)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except DataError:
        raise
    except Exception as error:  # a header may lack or twist anything
        raise DataError(
            f"{path} cannot be read as safetensors ({reason_of(error)}): save it again with safetensors."
        ) from error
    return from_arrays(path, arrays, "safetensors")


def _tensor(path: Path, name: str, entry: Any, start: int, size: int, limit: int | None) -> NDArray[Any]:
    kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if kind not in _SAFE_TYPES:
        raise DataError(f"In {path}, {name!r} has type {kind}, which is not read: save it as F32.")
    if not all(type(one) is int and one >= 0 for one in (*shape, first, last)):
        raise ValueError(f"{name!r} has a shape or place that is no whole number")
    dtype = np.dtype(_SAFE_TYPES[kind])
    if last - first != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name!r} has {last - first} bytes for shape {shape}")
    if start + last > size:
        raise DataError(f"{path} is cut short: {name!r} ends beyond the file; copy it again.")
    if first == last:
        return np.zeros(shape, dtype=dtype)
    mapped: NDArray[Any] = np.memmap(path, dtype=dtype, mode="r", offset=start + first, shape=shape or (1,))
    if kind == "BF16":  # the upper half of a float32
        check_opened(path, 4 * mapped.size, limit)
        return (mapped.astype(np.uint32) << 16).view(np.float32)
    return mapped


def read_torch(path: Path, limit: int | None) -> Table:
    """The tensors of a .pt or .pth file as columns, opened with `weights_only=True`.

    It may hold a tensor (rows, numbers), a dictionary of tensors and lists, (vectors, labels), a list of vectors, or
    a dictionary from id to vector.

    Raises:
        DataError: for a broken file, one with anything but tensors, lists, numbers and texts, or no vectors.
    """
    import torch

    check_opened(path, path.stat().st_size, limit)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and storage errors are all of their own kinds
        if "GLOBAL numpy" in str(error):
            raise DataError(
                f"{path} holds NumPy arrays, which are not opened from a file of PyTorch, because that could run code: "
                "save them with numpy.savez, or as tensors with torch.from_numpy."
            ) from error
        if "Weights only load failed" in str(error) or "Unsupported" in str(error):
            raise DataError(
                f"{path} holds Python objects beside tensors, which could run code when opened, or is broken: "
                "save a tensor, or a dictionary of tensors and lists."
            ) from error
        raise DataError(
            f"{path} cannot be read as a PyTorch file ({reason_of(error)}): save it again with torch.save."
        ) from error
    try:
        return _from_object(path, found, limit)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} holds a tensor that cannot be read ({reason_of(error)}): save it as a plain float32 tensor."
        ) from error


def _from_object(path: Path, found: Any, limit: int | None) -> Table:
    import torch

    if isinstance(found, torch.Tensor):
        found = {"vector": found}
    elif isinstance(found, tuple | list) and found and all(isinstance(one, torch.Tensor) for one in found):
        if found[0].ndim == 2:
            names = ["vector", "label", *(f"tensor {place}" for place in range(2, len(found)))]
            found = dict(zip(names, found, strict=False))
        else:
            stacked = _stacked(path, {str(place): one for place, one in enumerate(found)}, limit)
            return from_arrays(path, {"vector": stacked}, "torch.save")
    if not isinstance(found, dict):
        raise DataError(
            f"{path} holds a {type(found).__name__} and no tensors: save a tensor, or a dictionary of tensors."
        )
    flat = {str(name): value for name, value in found.items()}
    check_names(path, [str(name) for name in found])
    tensors = {name: value for name, value in flat.items() if isinstance(value, torch.Tensor)}
    by_id = len(tensors) == len(flat) > 0 and all(one.ndim == 1 and one.is_floating_point() for one in tensors.values())
    if by_id:
        table = from_arrays(path, {"vector": _stacked(path, tensors, limit)}, "torch.save")
        table.columns["id"] = as_column(np.array(list(tensors)))
        return table
    total = 0
    arrays: dict[str, NDArray[Any]] = {}
    lists: dict[str, list[Any]] = {}
    left_out = []
    for name, value in flat.items():
        if isinstance(value, torch.Tensor):
            total += value.numel() * value.element_size()  # a stride of 0 promises more than the file holds
            check_opened(path, total, limit)
            arrays[name] = _array(value)
        elif isinstance(value, list | tuple) and all(isinstance(one, str | int | float | bool) for one in value):
            lists[name] = list(value)
        else:
            left_out.append(repr(name))
    for name, cells in lists.items():
        arrays[name] = np.array([str(one) for one in cells]) if cells else np.zeros(0)
        if len({type(one) for one in cells}) == 1 and not isinstance(cells[0], str):
            arrays[name] = np.array(cells)
        if arrays[name].dtype.kind == "O":
            arrays[name] = np.array([str(one) for one in cells])
    table = from_arrays(path, arrays, "torch.save")
    if left_out:
        table.notes.append(f"Left out {listed(left_out, most=3)} of {path.name}: neither tensor nor list.")
    return table


def _stacked(path: Path, tensors: dict[str, Any], limit: int | None) -> NDArray[Any]:
    import torch

    rows = list(tensors.items())
    for name, one in rows:
        if one.shape != rows[0][1].shape or one.ndim != 1:
            raise DataError(
                f"In {path}, vector {rows[0][0]!r} has shape {tuple(rows[0][1].shape)} and {name!r} has "
                f"{tuple(one.shape)}: all vectors must be of one length."
            )
    check_opened(path, sum(one.numel() * one.element_size() for one in tensors.values()), limit)
    return _array(torch.stack([one for _, one in rows]))


def _array(tensor: Any) -> NDArray[Any]:
    import torch

    tensor = tensor.detach()
    if tensor.is_sparse or tensor.is_quantized or tensor.is_complex() or tensor.layout != torch.strided:
        raise ValueError("sparse, quantised or complex")
    if tensor.dtype not in (torch.float16, torch.float32, torch.float64) and tensor.is_floating_point():
        tensor = tensor.float()  # bfloat16 and the 8-bit floats, which NumPy lacks
    return np.ascontiguousarray(tensor.numpy()).reshape(tuple(tensor.shape))
