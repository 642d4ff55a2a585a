"""The pictures' numbers as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tripletscope.analysis.counterfactual import decode
from tripletscope.store.reader import Run
from tripletscope.zones import ZONES, zone_codes_numpy


def candidates(run: Run, answer: dict[str, Any], step: int, positive: int | None) -> pd.DataFrame:
    """The candidates of an anchor by distance: id, class, role, d, gap, zone, and which strategies pick it.

    Args:
        run: the run that is looked at.
        answer: of `anchor_answer` for that run.
        step: a step with a frame.
        positive: probe index that decides gap and zone; the first positive when None.
    """
    members, positives, negatives = answer["candidates"], answer["positives"], answer["negatives"]
    place = answer["frames"].index(step)
    shape = (len(answer["frames"]), len(members))
    distance = dict(zip(members, decode(answer["distances"], "<f4", shape)[place], strict=True))
    column = positives.index(positive) if positive in positives else 0
    pickers: dict[int, list[str]] = {negative: [] for negative in negatives}
    if positives:
        for name, text in answer["picks"].items():
            picks = decode(text, "<i2", (len(answer["frames"]), len(positives)))[place]
            if picks[column] >= 0:
                pickers[negatives[picks[column]]].append(name)
    rows = np.asarray(run.probe_rows)
    table = []
    for member in members[1:]:
        row = int(rows[member])
        gap = zone = None
        if member in pickers and positives:
            gap = np.float32(distance[member] - distance[positives[column]])
            zone = ZONES[int(zone_codes_numpy(np.array([gap]), run.margin)[0])]
        table.append(
            {
                "id": run.samples.id_of(row),
                "class": run.samples.class_of(row),
                "role": "negative" if member in pickers else "positive",
                "distance": float(distance[member]),
                "gap": None if gap is None else float(gap),
                "zone": zone,
                "picked by": ", ".join(pickers.get(member, [])),
            }
        )
    return pd.DataFrame(table).sort_values("distance", ignore_index=True)
