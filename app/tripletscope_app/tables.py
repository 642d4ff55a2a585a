"""The pictures' numbers as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tripletscope.analysis.answer import unpack_answer
from tripletscope.store.reader import Run
from tripletscope.zones import ZONES, zone_codes_numpy


def candidates(run: Run, packed: Mapping[str, Any], step: int, positive: int | None) -> pd.DataFrame:
    """The candidates of an anchor by distance: id, class, role, d, gap, zone, and which strategies pick it.

    In a run that was filtered it also says which negatives were, for this positive and the strategy that trained.

    Args:
        run: the run that is looked at.
        packed: its answer for the anchor, of `pack_answer`; gap and zone are those of its margin.
        step: a step with a frame.
        positive: probe index that decides gap and zone; the first positive when None.
    """
    answer = unpack_answer(packed, run)
    members, positives, negatives = answer["candidates"], answer["positives"], answer["negatives"]
    place = answer["frames"].index(step)
    distance = dict(zip(members, answer["distances"][place], strict=True))
    column = positives.index(positive) if positive in positives else 0
    pickers: dict[int, list[str]] = {negative: [] for negative in negatives}
    if positives:
        for name, picks in answer["picks"].items():
            if picks[place][column] >= 0:
                pickers[negatives[picks[place][column]]].append(name)
    rows = np.asarray(run.probe_rows)
    floor = answer["floors"][place][column] if answer["filtered"] and positives else None
    table = []
    for member in members[1:]:
        row = int(rows[member])
        gap = zone = None
        if member in pickers and positives:
            gap = np.float32(distance[member] - distance[positives[column]])
            zone = ZONES[int(zone_codes_numpy(np.array([gap]), answer["margin"])[0])]
        table.append(
            {
                "id": run.samples.id_of(row),
                "class": run.samples.class_of(row),
                "role": "negative" if member in pickers else "positive",
                "distance": float(distance[member]),
                "gap": None if gap is None else float(gap),
                "zone": zone,
                "picked by": ", ".join(pickers.get(member, [])),
                **({} if floor is None else {"filtered": member in pickers and bool(distance[member] < floor)}),
            }
        )
    return pd.DataFrame(table).sort_values("distance", ignore_index=True)
