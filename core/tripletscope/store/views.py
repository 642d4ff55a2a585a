"""What was computed from a run and is kept with it: maps and their numbers, in `views/` or in the user's cache folder.

A view is named by the content of the run and by how it was computed, so a run that has grown, or another version of
the computation, never finds an old one. Losing a view loses nothing but the time to compute it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tripletscope.store import cache, layout
from tripletscope.store.reader import Run

Arrays = dict[str, np.ndarray]


def view_name(run: Run, kind: str, parameters: Mapping[str, Any]) -> str:
    """The file name of a view, such as "umap-3f0c9a51be20.npz".

    Args:
        run: what it was computed from; its content counts, not where it lies.
        kind: of view.
        parameters: everything else that decides it, as JSON.
    """
    text = json.dumps([run.digest, kind, dict(parameters)], sort_keys=True)
    return f"{kind}-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}.npz"


def find_view(run: Run, name: str) -> Path | None:
    """The file of a kept view, in the run's own folder or in the cache; None when there is none."""
    beside = layout.view_path(run.path, name)
    return beside if beside.is_file() else cache.kept("views", name)


def read_view(path: Path) -> Arrays | None:
    """The arrays of a kept view; None for a damaged file, which is as good as none: the view can be computed again."""
    with (
        suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile),
        np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content,
    ):
        return {key: content[key] for key in content.files}
    return None


def keep_view(run: Run, name: str, arrays: Mapping[str, np.ndarray], *, beside: bool) -> Path:
    """The file that now holds the view; older views of the same kind in the run's folder are removed.

    Args:
        run: what it was computed from.
        name: by `view_name`.
        arrays: what to keep.
        beside: in the run's own folder, where that can be written; else, and otherwise, in the cache folder.
    """
    content = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(content, **named)
    if beside:
        path = layout.view_path(run.path, name)
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            layout.replace(path, content.getvalue())
            for old in path.parent.glob(f"{name.partition('-')[0]}-*.npz"):
                if old != path:
                    old.unlink(missing_ok=True)
            return path
    return cache.keep("views", name, content.getvalue())


def is_writable(run: Run) -> bool:
    """Whether something can be kept in the run's own folder."""
    return os.access(run.path, os.W_OK)
