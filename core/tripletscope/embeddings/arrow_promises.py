"""How much memory the compressed buffers of an Arrow file would fill, read from their headers before one is opened.

Arrow opens a whole record batch at once, and a few kilobytes of packed zeros may open into gigabytes. Each packed
buffer starts with its opened size; where the buffers lie stands in the header of its message, a flatbuffer.

Source: https://arrow.apache.org/docs/format/Columnar.html, "Serialization and Interprocess Communication (IPC)", and
format/Message.fbs and File.fbs there for the numbers of the fields.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

_BATCH, _DICTIONARY = 3, 2  # types of a message's header
_FOOTER_END = b"ARROW1"


def promised_by_file(source: Any) -> int:
    """Bytes of the largest part of an Arrow file: Arrow opens parts one by one, and each is counted when it is open.

    Args:
        source: the open file, mapped into memory; its place is left where it was.

    Raises:
        ValueError, struct.error, IndexError, ArrowException: a footer or header that cannot be.

    Example:
        >>> made = pa.BufferOutputStream()
        >>> batch = pa.record_batch({"a": np.zeros(1_000_000)})
        >>> packed = pa.ipc.IpcWriteOptions(compression="zstd")
        >>> with pa.ipc.new_file(made, batch.schema, options=packed) as writer:
        ...     writer.write_batch(batch)
        >>> made.tell() < 10_000, promised_by_file(pa.BufferReader(made.getvalue()))
        (True, 8000000)
    """
    size, place = source.size(), source.tell()
    source.seek(size - 10)
    length, end = struct.unpack("<i6s", source.read(10))
    if end != _FOOTER_END or not 0 < length <= size - 10:
        raise ValueError("its footer is cut off or broken")
    source.seek(size - 10 - length)
    footer = bytes(source.read(length))
    most = 0
    for field in (2, 3):  # blocks of dictionaries, and of record batches
        at, count = _vector(footer, _root(footer), field)
        for block in range(count):
            begin = struct.unpack_from("<q", footer, at + 24 * block)[0]
            if not 0 <= begin < size:
                raise ValueError("its footer names a place beyond its end")
            source.seek(begin)
            most = max(most, _promised(pa.ipc.read_message(source)))
    source.seek(place)
    return most


def promised_by_stream(source: Any) -> int:
    """Bytes of the largest part of an Arrow stream; its place is left where it was.

    Raises:
        ValueError, struct.error, IndexError, ArrowException: a header that cannot be.
    """
    place = source.tell()
    most = max((_promised(message) for message in _messages(source)), default=0)
    source.seek(place)
    return most


def _messages(source: Any) -> Iterator[Any]:
    reader = pa.ipc.MessageReader.open_stream(source)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _promised(message: Any) -> int:
    """Bytes of a message's buffers once opened; 0 where they are not compressed and so no larger than the file."""
    header = message.metadata.to_pybytes()
    root = _root(header)
    kind = _field(header, root, 1)
    if kind is None or header[kind] not in (_BATCH, _DICTIONARY):
        return 0
    batch = _followed(header, root, 2)
    if header[kind] == _DICTIONARY:
        batch = _followed(header, batch, 1)
    if _field(header, batch, 3) is None:
        return 0
    at, count = _vector(header, batch, 2)
    if count > len(header) // 16:
        raise ValueError("a header is cut off")
    buffers = np.frombuffer(header, "<i8", 2 * count, at).reshape(count, 2)
    body, total = memoryview(message.body), 0
    for begin, length in buffers[buffers[:, 1] >= 8].tolist():
        opened = struct.unpack_from("<q", body, begin)[0]
        total += length - 8 if opened == -1 else max(0, opened)
    return total


def _root(table: bytes) -> int:
    return int(struct.unpack_from("<I", table)[0])


def _field(table: bytes, at: int, number: int) -> int | None:
    """Where a field of the flatbuffer table at `at` stands, None where it is left out."""
    listing = at - struct.unpack_from("<i", table, at)[0]
    if listing < 0:
        raise ValueError("a header points outside itself")
    if 4 + 2 * number >= struct.unpack_from("<H", table, listing)[0]:
        return None
    offset = struct.unpack_from("<H", table, listing + 4 + 2 * number)[0]
    return at + offset if offset else None


def _followed(table: bytes, at: int, number: int) -> int:
    place = _field(table, at, number)
    if place is None:
        raise ValueError("a header lacks a part")
    return int(place + struct.unpack_from("<I", table, place)[0])


def _vector(table: bytes, at: int, number: int) -> tuple[int, int]:
    """Where the entries of a vector start, and how many there are."""
    if _field(table, at, number) is None:
        return 0, 0
    place = _followed(table, at, number)
    return place + 4, int(struct.unpack_from("<I", table, place)[0])
