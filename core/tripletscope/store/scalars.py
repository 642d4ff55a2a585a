"""scalars.jsonl: one line per step. A line that is whole commits its step; a torn last line is as good as unwritten."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tripletscope.store import layout


@dataclass(frozen=True)
class Scalars:
    """The committed lines of a run.

    Attributes:
        lines: one dict per step 0, 1, 2, ..., and last perhaps one with "closing" for the frame after the last update.
        content: their bytes, as in the file.
        ends: where each line ends in the file, in bytes.
        notes: one line for each thing that is missing.
    """

    lines: list[dict[str, Any]]
    content: bytes
    ends: list[int]
    notes: list[str] = field(default_factory=list)


def read_scalars(run: Path) -> Scalars:
    """The committed lines of a run, up to the first one that is torn, damaged or out of order."""
    try:
        content = (run / layout.SCALARS).read_bytes()
    except FileNotFoundError:
        return Scalars([], b"", [], [f"{layout.SCALARS} is missing, so no step is committed"])
    pieces = content.split(b"\n")[:-1]  # what follows the last line end is torn
    try:
        lines = json.loads(b"[" + b",".join(pieces) + b"]")  # three times as fast as line by line
        whole = all(isinstance(line, dict) and line.get("step") == i for i, line in enumerate(lines))
    except ValueError:
        whole = False
    notes = []
    if not whole or len(lines) != len(pieces):
        lines = _as_far_as_whole(pieces)
        notes.append(
            f"{layout.SCALARS}: damaged from line {len(lines) + 1} on; {len(pieces) - len(lines)} lines are left out"
        )
    ends, end = [], 0
    for piece in pieces[: len(lines)]:
        end += len(piece) + 1
        ends.append(end)
    return Scalars(lines, content[:end], ends, notes)


def _as_far_as_whole(pieces: list[bytes]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for piece in pieces:
        try:
            line = json.loads(piece)
        except ValueError:
            break
        if not isinstance(line, dict) or line.get("step") != len(lines):
            break
        lines.append(line)
    return lines
