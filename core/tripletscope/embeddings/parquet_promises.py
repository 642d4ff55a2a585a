"""How much memory the columns of a Parquet file would fill, by its footer.

Arrow has the same numbers, but it ends the whole process over a footer whose statistics contradict each other.

Source: https://github.com/apache/parquet-format, parquet.thrift for the numbers of the fields, and
https://github.com/apache/thrift, doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8, 6: 8}  # BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY
_FIXED = 7  # FIXED_LEN_BYTE_ARRAY
_DEEPEST = 32


def promised_by_parquet(path: Path) -> int:
    """Bytes of all values once unpacked; a small file can promise far more than it holds.

    Raises:
        ValueError, struct.error, IndexError, KeyError, TypeError: a footer that cannot be.
    """
    with path.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(0, size - 8))
        length, end = struct.unpack("<I4s", opened.read(8))
        if end != b"PAR1" or length > size - 8:
            raise ValueError("its footer is missing or cut off")
        opened.seek(size - 8 - length)
        footer, _ = _struct(opened.read(length), 0, 0)
    lengths = {one[2] for one in footer[2] if one.get(1) == _FIXED}
    total = 0
    for group in footer.get(4, []):
        for chunk in group[1]:
            column = chunk[3]
            width = max(lengths, default=8) if column[1] == _FIXED else _WIDTHS[column[1]]
            total += max(column[6], column[5] * width, 0)
    return total


def _struct(text: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct by their numbers, and where it ends."""
    if depth > _DEEPEST:
        raise ValueError("its footer is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while head := text[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _whole(text, at)
        fields[number], at = (head & 15 == 1, at) if head & 15 in (1, 2) else _value(text, at, head & 15, depth)
    return fields, at + 1


def _value(text: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2, 3):  # in lists a truth value is a byte
        return text[at], at + 1
    if kind in (4, 5, 6):
        return _whole(text, at)
    if kind == 7:
        return struct.unpack_from("<d", text, at)[0], at + 8
    if kind == 8:
        length, at = _varint(text, at)
        return text[at : at + length], at + length
    if kind in (9, 10):
        head = text[at]
        count, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(text, at + 1)
        if count > len(text):
            raise ValueError("its footer has a list that is longer than itself")
        made = []
        for _ in range(count):
            one, at = _value(text, at, head & 15, depth + 1)
            made.append(one)
        return made, at
    if kind == 12:
        return _struct(text, at, depth + 1)
    raise ValueError(f"its footer has a value of kind {kind}")


def _varint(text: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        found |= (text[at] & 127) << shift
        at += 1
        if text[at - 1] < 128:
            return found, at
        shift += 7
        if shift > 70:
            raise ValueError("its footer has a number that is too long")


def _whole(text: bytes, at: int) -> tuple[int, int]:
    found, at = _varint(text, at)
    return (found >> 1) ^ -(found & 1), at
