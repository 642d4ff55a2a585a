"""Messages between the server and a desk: JSON, with arrays as raw bytes behind it.

No pickles: the other end has read a stranger's file.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, BinaryIO

import numpy as np

#: A message of more than that is a mistake.
LARGEST = 2**32


def write(pipe: BinaryIO, message: dict[str, Any]) -> None:
    """Nothing; the message is in the pipe, whole. Numpy arrays may stand anywhere in it.

    Example:
        >>> import io
        >>> pipe = io.BytesIO()
        >>> write(pipe, {"rows": np.arange(3, dtype=np.int32), "name": "a"})
        >>> _ = pipe.seek(0)
        >>> read(pipe)
        {'rows': array([0, 1, 2], dtype=int32), 'name': 'a'}
    """
    arrays: list[np.ndarray] = []

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            arrays.append(np.ascontiguousarray(value))
            return {"$array": len(arrays) - 1, "dtype": value.dtype.str, "shape": list(value.shape)}
        if isinstance(value, np.ndarray):
            return value.tolist()
        if isinstance(value, np.generic):
            return plain(value.item())
        if isinstance(value, bytes):
            arrays.append(np.frombuffer(value, np.uint8))
            return {"$bytes": len(arrays) - 1, "shape": [len(value)]}
        if isinstance(value, float) and not math.isfinite(value):
            return {"$float": str(value)}
        if isinstance(value, dict) and any(str(key).startswith("$") for key in value):  # a column may be called so
            return {"$pairs": [[str(key), plain(one)] for key, one in value.items()]}
        if isinstance(value, dict):
            return {str(key): plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        return value

    text = json.dumps(plain(message), ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    pipe.write(struct.pack("<QQ", len(text), sum(array.nbytes for array in arrays)))
    pipe.write(text)
    for array in arrays:
        if array.nbytes:
            pipe.write(array.reshape(-1).view(np.uint8).data)
    pipe.flush()


def read(pipe: BinaryIO) -> dict[str, Any] | None:
    """The next message, or None when the other end is gone."""
    head = _exactly(pipe, 16)
    if head is None:
        return None
    size, rest = struct.unpack("<QQ", head)
    if size + rest > LARGEST:
        raise ValueError(f"a message of {size + rest:,} bytes")
    text, body = _exactly(pipe, size), _exactly(pipe, rest)
    if text is None or body is None:
        return None
    at = 0

    def back(value: Any) -> Any:
        nonlocal at
        if isinstance(value, list):
            return [back(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$pairs" in value:
            return {key: back(one) for key, one in value["$pairs"]}
        if "$float" in value:
            return float(value["$float"])
        if "$array" in value or "$bytes" in value:
            dtype = np.dtype(value.get("dtype", "u1"))
            count = math.prod(value["shape"])
            found = np.frombuffer(body, dtype, count, at).reshape(value["shape"])
            at += found.nbytes
            return found.tobytes() if "$bytes" in value else found
        return {key: back(one) for key, one in value.items()}

    message = back(json.loads(text.decode("utf-8", "surrogatepass")))
    assert isinstance(message, dict)
    return message


def _exactly(pipe: BinaryIO, count: int) -> bytes | None:
    """So many bytes, or None where the pipe ends before."""
    parts = []
    while count:
        part = pipe.read(min(count, 2**24))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
