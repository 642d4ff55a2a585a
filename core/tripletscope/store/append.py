"""A file that only grows, in pieces that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from pyarrow import Buffer


class AppendFile:
    """Appends to a file, each piece in one write to the system: what was written outlives the process.

    Args:
        path: made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the recorder
        self.size = self._file.tell()

    def write(self, piece: bytes | Buffer) -> None:
        """Nothing; the piece is with the system, or the file is as it was before."""
        rest = memoryview(piece)
        try:
            while rest:  # a full disk or a signal may let only a part through
                rest = rest[self._file.write(rest) :]
        except BaseException:
            self.cut_to(self.size)
            raise
        self.size += len(piece)

    def cut_to(self, size: int) -> None:
        """Nothing; what follows the first `size` bytes is gone."""
        self._file.truncate(size)
        self._file.seek(0, os.SEEK_END)
        self.size = size

    def fileno(self) -> int:
        """The system's number of the file."""
        return self._file.fileno()

    def sync(self) -> None:
        """Nothing; everything is on the disk itself, not only with the system."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing; the file is synced and closed."""
        if not self._file.closed:
            self.sync()
            self._file.close()
