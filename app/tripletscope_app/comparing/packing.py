"""What is compared as blocks of bytes for the browser: curves, agreement, differences.

All steps at once, so that scrubbing asks nobody. The layout is that of a packed run (see `component/pack.py`); "kind"
and "key" name a block.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tripletscope.analysis.agreement import (
    Agreement,
    all_steps,
    asked_agreement,
    frame_at,
    rank_titles,
    recorded_agreement,
)
from tripletscope.analysis.cohort import cohort_title
from tripletscope.analysis.comparison import FAIR, Band, Curve, Group, band, curve, effort, ranking
from tripletscope.analysis.difference import NEAREST, difference
from tripletscope.store import cache
from tripletscope.store.reader import Run
from tripletscope_app.component.pack import VERSION, join

KIND = "compare"
#: The charts, in the order of the page: what a person wants first, and loss last.
MEASURES = ("recall_at_1", "map_at_r", "spread", "violating_share", "loss")


def key_of(*parts: Any) -> str:
    """A name for content that those parts decide."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def has_cpu(runs: Sequence[Run]) -> bool:
    """Whether the seconds that these runs recorded are processor time and not a clock's."""
    return all("cpu" in ((run.lines[0].get("seconds") or {}) if run.lines else {}) for run in runs)


def pack_curves(runs: Sequence[Run], groups: Sequence[Group], key: str) -> bytes:
    """Every seed's curve, and median and band of every group, over each effort that is known; with the rankings.

    Header: `lines` = [{fair, measure, group, run (place), seed, at, count}], `bands` = [{fair, measure, group, at,
    count}], `rankings[fair]` = {note, at, standings}. Sections, float32: `x`, `y` of lines; `bx`, `median`, `low`,
    `high` of bands.
    """
    lines: list[dict[str, Any]] = []
    bands: list[dict[str, Any]] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("x", "y", "bx", "median", "low", "high")}
    length = {"x": 0, "bx": 0}
    for fair in FAIR:
        for measure in MEASURES:
            for g, group in enumerate(groups):
                curves: list[Curve] = []
                for place in group.members:
                    found = curve(runs[place], measure, fair)
                    if found is None:
                        continue
                    curves.append(found)
                    about = {"fair": fair, "measure": measure, "group": g, "run": place, "name": runs[place].name}
                    lines.append({**about, "at": length["x"], "count": len(found.x)})
                    parts["x"].append(found.x)
                    parts["y"].append(found.y)
                    length["x"] += len(found.x)
                if len(curves) < len(group.members) or not curves:
                    continue
                among: Band = band(curves)
                about = {"fair": fair, "measure": measure, "group": g, "seeds": len(curves)}
                bands.append({**about, "at": length["bx"], "count": len(among.x)})
                for name, values in zip(("bx", "median", "low", "high"), _columns(among), strict=True):
                    parts[name].append(values)
                length["bx"] += len(among.x)
    seconds = "CPU seconds" if has_cpu(runs) else "seconds of work"
    header = {
        "version": VERSION,
        "kind": "curves",
        "key": key,
        "groups": [{"title": group.title, "seeds": list(group.seeds)} for group in groups],
        "fair": {name: seconds if name == "seconds" else title for name, title in FAIR.items()},
        "spent": {fair: [_at_frames(run, fair) for run in runs] for fair in FAIR},
        "known": [fair for fair in FAIR if all(effort(run, fair) is not None for run in runs)],
        "rankings": {fair: _ranking(runs, groups, fair) for fair in FAIR},
        "lines": lines,
        "bands": bands,
    }
    none = np.zeros(0)
    return join(header, {name: ("f32", np.concatenate([none, *values])) for name, values in parts.items()}, key)[1]


def _columns(among: Band) -> tuple[np.ndarray, ...]:
    return among.x, among.median, among.low, among.high


def _ranking(runs: Sequence[Run], groups: Sequence[Group], fair: str) -> dict[str, Any]:
    told = ranking(runs, groups, fair)
    standings = [
        {"group": one.group, "value": _known(one.value), "low": _known(one.low), "high": _known(one.high)}
        for one in told.standings
    ]
    return {"note": told.note, "at": _known(told.at), "standings": standings}


def _at_frames(run: Run, fair: str) -> list[float] | None:
    """What had been spent at each of the run's frames, for the marks that move along the curves."""
    spent = effort(run, fair)
    if spent is None:
        return None
    place = {step: k for k, step in enumerate(run.steps)}
    return [float(spent[place[step]]) for step in run.frame_steps]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def pack_agreement(runs: Sequence[Run], key: str) -> bytes:
    """Who picks the same negatives, at every step: asked on the cohort, and as recorded. Imports torch.

    "shared" asks every run's strategy in the space of the first run, so that only the rule differs.

    Sections for each source ("asked", "shared", "recorded"), by step and run: `_same`, `_jaccard` f32 (S, V, V),
    `_both` i32 (S, V, V), `_zones` i32 (S, V, 3), `_ranks` i32 (S, V, R), `_abstained` f32 (S, V), `_at` i32 (S, V).
    """
    steps = all_steps(runs)
    asked, told = asked_agreement(runs, steps=steps), recorded_agreement(runs, steps)
    shared = asked_agreement(runs, voices=[(0, run.training or "own") for run in runs], steps=steps)
    header = {
        "version": VERSION,
        "kind": "agreement",
        "key": key,
        "steps": steps,
        "voices": len(runs),
        "ranks": rank_titles(),
        "cohort_title": cohort_title(runs[0]),
        "left_out": list(dict.fromkeys([*asked.left_out, *told.left_out])),
        "same_batches": len({str(run.race.get("batches")) for run in runs}) == 1 and bool(runs[0].race),
    }
    sections = {**_sections("asked", asked), **_sections("shared", shared), **_sections("recorded", told)}
    return join(header, sections, key)[1]


def _sections(name: str, told: Agreement) -> dict[str, tuple[str, np.ndarray]]:
    return {
        f"{name}_same": ("f32", told.same),
        f"{name}_jaccard": ("f32", told.jaccard),
        f"{name}_both": ("i32", told.both),
        f"{name}_zones": ("i32", told.zones),
        f"{name}_ranks": ("i32", told.ranks),
        f"{name}_abstained": ("f32", told.abstained),
        f"{name}_at": ("i32", told.at),
    }


def pack_difference(one: Run, other: Run, key: str) -> bytes:
    """What two runs do not share, at every step of either: `changed` and `moved` f32 (S, n), `worst` i32 (S, 20)."""
    steps = all_steps([one, other])
    known: dict[tuple[int, int], Any] = {}
    found = []
    for step in steps:
        at = (frame_at(one, step), frame_at(other, step))
        if at not in known:
            mine, theirs = np.asarray(one.frames[at[0]]), np.asarray(other.frames[at[1]])
            known[at] = difference(mine, theirs, distance=one.distance, other_distance=other.distance)
        found.append(known[at])
    worst = np.full((len(steps), 20), -1, np.int64)
    for place, each in enumerate(found):
        most = each.most_changed
        worst[place, : len(most)] = most
    header = {"version": VERSION, "kind": "difference", "key": key, "steps": steps, "nearest": NEAREST}
    sections = {
        "changed": ("f32", np.stack([each.changed for each in found])),
        "moved": ("f32", np.stack([each.moved for each in found])),
        "worst": ("i32", worst),
    }
    return join(header, sections, key)[1]


def write_agreement(runs: Sequence[Run], key: str) -> str:
    """The path of a file with `pack_agreement`, made now or kept; to be called in a helper process."""
    return str(kept(key) or cache.keep(KIND, f"{key}.bin", pack_agreement(runs, key)))


def write_difference(one: Run, other: Run, key: str) -> str:
    """The path of a file with `pack_difference`, made now or kept; to be called in a helper process."""
    return str(kept(key) or cache.keep(KIND, f"{key}.bin", pack_difference(one, other, key)))


def kept(key: str) -> Path | None:
    """The file with that block, where it was made before."""
    return cache.kept(KIND, f"{key}.bin")
