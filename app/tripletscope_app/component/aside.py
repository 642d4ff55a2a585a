"""A run's aside: its population's numbers over time as one block of bytes, for the panels that follow the first draw.

The layout is that of a packed run (see `pack.py`). F frames, C classes, S recorded strategies, K bins; what belongs to
a frame in a list of varying length lies between offset[f] and offset[f + 1], and strategies come one after the other.

    plane_exponent i32[F], plane_offset i32[F+1], plane_cell u16[M], plane_count i32[M]
        the recorded histogram of all eligible triplets of a frame's batch: cell = 64 * (row of d_ap) + (column of
        d_an), 2**exponent wide; nothing for the closing frame, which has no batch
    pick_offset i32[F+1], pick_strategy u8[T], pick_dap f32[T], pick_dan f32[T], pick_row i32[3T]
        the recorded picks of each frame's own step: (anchor, positive, negative) are rows in samples/
    class_eligible i32[C], class_violating i32[F*C], class_hard i32[F*C]
        the cohort's triplets by the anchor's class
    pair_offset i32[F+1], pair_code i32[M], pair_violating i32[M], pair_eligible i32[M]
        the pairs of classes with most violating triplets of the cohort; code = anchor's class * C + negative's
    gap_counts i32[F*K]
        the cohort's gaps by bin of the header's gap_edges; outer bins are open, a gap of 0 lies below the edge 0
    who_offset i32[S*F+1], who_code i32[M], who_count i32[M]
        recorded picks from each frame up to the next by pair of classes, the most picked first
    hub_offset i32[S*F+1], hub_row i32[M], hub_count i32[M]
        the same by negative: a row in samples/
    turnover f32[F], churn f32[S2*F], held f32[S2*F]
        how fast nearest negatives and the picks of the S2 deterministic strategies change, on the cohort
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tripletscope.analysis.cohort import cohort_title, turnover
from tripletscope.analysis.rivals import BATCH_ALL, Rivals, constancy, rivals
from tripletscope.analysis.violations import FrameViolations, gap_edges, violations
from tripletscope.doctor import RULES, examination
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope_app.component.pack import VERSION, join, unpack

__all__ = ["pack_aside", "unpack"]

Sections = dict[str, tuple[str, np.ndarray]]

_LARGEST = 2**31 - 1
#: The code of a pair of classes has to fit 31 bits.
MOST_CLASSES = math.isqrt(_LARGEST)


def pack_aside(run: Run, digest: str) -> bytes:
    """The aside of a run. Takes a second or two, and torch: nothing for the page's own process.

    Args:
        run: a recorded run.
        digest: of its packed bytes, by which the browser knows it.

    Raises:
        TripletscopeError: when the run has no frame yet, or more classes than pairs of them can be numbered.
    """
    names = list(run.samples.class_names)
    if not run.frame_steps:
        raise TripletscopeError(f"The run {run.name!r} has no frame yet, so there is nothing to count.")
    if len(names) > MOST_CLASSES:
        raise TripletscopeError(
            f"The run {run.name!r} has {len(names):,} classes; pairs of classes are counted for up to {MOST_CLASSES:,}."
        )
    picked, kept, told = rivals(run), constancy(run), examination(run)
    left_out = [*kept.left_out]
    if BATCH_ALL in run.strategies:
        left_out.append("batch-all picks every eligible triplet: it is counted, but no pick of it is drawn by itself.")
    several = [name for name in run.strategies if name != BATCH_ALL and run.counts_only(name)]
    if several:
        left_out.append(
            f"{', '.join(several)}: several negatives for one positive; counted, but no pick is drawn by itself."
        )
    plane = _plane(run)
    header = {
        "version": VERSION,
        "kind": "aside",
        "frames": run.frame_steps,
        "class_names": names,
        "classes": len(names),
        "margin": run.margin,
        "cohort_title": cohort_title(run),
        "strategies": run.strategies,
        "churn_strategies": kept.strategies,
        "gap_edges": gap_edges(run.margin).tolist(),
        "hubs_exact": picked.hubs_exact,
        "findings": [finding.to_dict() for finding in told.findings],
        "checked": [RULES.get(name).title for name, result in told.checked.items() if _was_checked(result)],
        "unchecked": {RULES.get(name).title: why for name, why in told.checked.items() if not _was_checked(why)},
        "closing_has_no_batch": True,
        "left_out": left_out,
        "notes": run.notes,  # asked last: what is damaged inside a file shows when it is read
    }
    sections = {
        **plane,
        **_picks(picked),
        **_violations(violations(run)),
        **_sparse("who", "code", picked.who),
        **_sparse("hub", "row", picked.hubs),
        "turnover": ("f32", turnover(run)),
        "churn": ("f32", kept.churn.reshape(-1)),
        "held": ("f32", kept.held.reshape(-1)),
    }
    return join(header, sections, digest)[1]


def _was_checked(result: str) -> bool:
    return result == "quiet" or result.startswith("fired")


def _plane(run: Run) -> Sections:
    exponents, cells, counts = [], [], []
    for step in run.frame_steps:
        width, table = run.plane(step)
        cell = np.flatnonzero(table)
        exponents.append(math.frexp(width)[1] - 1)
        cells.append(cell)
        counts.append(table.reshape(-1)[cell])
    return {
        "plane_exponent": ("i32", np.array(exponents)),
        "plane_offset": ("i32", _offsets(cells)),
        "plane_cell": ("u16", np.concatenate(cells)),
        "plane_count": ("i32", _whole(np.concatenate(counts))),
    }


def _picks(picked: Rivals) -> Sections:
    def column(name: str) -> np.ndarray:
        return np.concatenate([each[name] for each in picked.at_frames])

    return {
        "pick_offset": ("i32", _offsets([each["step"] for each in picked.at_frames])),
        "pick_strategy": ("u8", column("strategy")),
        "pick_dap": ("f32", column("d_ap")),
        "pick_dan": ("f32", column("d_an")),
        "pick_row": ("i32", np.stack([column(slot) for slot in ("anchor", "positive", "negative")], 1).reshape(-1)),
    }


def _violations(frames: Sequence[FrameViolations]) -> Sections:
    classes = len(frames[0].eligible)
    return {
        "class_eligible": ("i32", _whole(frames[0].eligible)),
        "class_violating": ("i32", _whole(np.concatenate([frame.violating for frame in frames]))),
        "class_hard": ("i32", _whole(np.concatenate([frame.hard for frame in frames]))),
        "pair_offset": ("i32", _offsets([frame.pairs for frame in frames])),
        "pair_code": ("i32", np.concatenate([frame.pairs @ np.array([classes, 1]) for frame in frames])),
        "pair_violating": ("i32", _whole(np.concatenate([frame.pair_violating for frame in frames]))),
        "pair_eligible": ("i32", _whole(np.concatenate([frame.pair_eligible for frame in frames]))),
        "gap_counts": ("i32", _whole(np.concatenate([frame.gaps for frame in frames]))),
    }


def _sparse(name: str, key: str, found: Sequence[tuple[np.ndarray, np.ndarray]]) -> Sections:
    none = np.empty(0, np.int64)
    return {
        f"{name}_offset": ("i32", _offsets([keys for keys, _ in found])),
        f"{name}_{key}": ("i32", np.concatenate([none, *(keys for keys, _ in found)])),
        f"{name}_count": ("i32", _whole(np.concatenate([none, *(counts for _, counts in found)]))),
    }


def _offsets(parts: Sequence[Any]) -> np.ndarray:
    return np.cumsum([0, *(len(part) for part in parts)])


def _whole(counts: np.ndarray) -> np.ndarray:
    """Counts as the browser's 32 bits hold them; a picture needs no more than two thousand million."""
    return np.minimum(counts, _LARGEST)
