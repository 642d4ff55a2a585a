"""A map that was computed for a run as one block of bytes for the browser, like the run itself (see component/pack)."""

from __future__ import annotations

import numpy as np

from tripletscope.analysis.maps import Map
from tripletscope.analysis.projection import fixed_view
from tripletscope_app.component.pack import VERSION, join


def pack_map(made: Map, digest: str, *, exact: bool) -> bytes:
    """The bytes of a layout: positions and what they keep, or, for the run's own map, the numbers alone.

    Sections, all float32: kept (F), trust (F); of the UMAP pos (F, n, 2); of the run's own map moved (F, n) and
    stayed (F, n). What is not known is NaN.

    Args:
        made: the map.
        digest: of the packed run, by which the browser knows it.
        exact: whether the run's own map is the embedding itself.
    """
    sections = {"kept": ("f32", made.kept), "trust": ("f32", made.trust)}
    header = {
        "version": VERSION,
        "kind": "layout",
        "space": "umap" if made.kind == "umap" else "exact" if exact else "pca",
        "frames": made.steps,
        "badge": made.badge,
        "seconds": round(made.seconds, 2) if np.isfinite(made.seconds) else None,
    }
    if made.positions is None:
        sections |= {"moved": ("f32", made.moved), "stayed": ("f32", made.stayed)}
    else:
        flat = made.positions.reshape(-1, 2)
        flat = flat[np.isfinite(flat).all(axis=1)]
        box = [float(edge) for pair in zip(flat.min(0), flat.max(0), strict=True) for edge in pair] if len(flat) else []
        centre, extent = fixed_view([(box[0], box[1], box[2], box[3])] if box else [])
        header |= {"centre": list(centre), "extent": extent}
        sections["pos"] = ("f32", made.positions)
    return join(header, sections, digest)[1]
