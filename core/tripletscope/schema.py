"""The names and types of every column a run writes, and of the triplet CSV. Nothing else names columns.

Arrow schemas of the run's files, in the order they are written; `docs/run-format.md` and `docs/csv-format.md` explain
each column for readers without this package. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

#: Written to every config.json. It grows when a reader of the old format would misread a new run.
FORMAT_VERSION = 1

#: picks/: one record batch per step, one row per triplet. A sample is named by its row in samples/.
PICKS = pa.schema(
    [
        ("step", pa.int32()),
        ("strategy", pa.int8()),  # place in config.json's "strategies"
        ("training", pa.bool_()),
        ("anchor", pa.int32()),
        ("positive", pa.int32()),
        ("negative", pa.int32()),
        ("d_ap", pa.float32()),
        ("d_an", pa.float32()),
        ("weight", pa.float32()),  # what it counts in the loss; 1 where the strategy gives none
    ]
)

#: batches/: one record batch per step, one row per slot, in slot order.
BATCHES = pa.schema([("step", pa.int32()), ("row", pa.int32()), ("label", pa.int32())])

#: plane/: one record batch per step, one row per cell that is not empty; cell = 64 * (row of d_ap) + (column of d_an).
PLANE = pa.schema([("step", pa.int32()), ("exponent", pa.int16()), ("cell", pa.uint16()), ("count", pa.int64())])
PLANE_CELLS = 64

#: Last column of picks/ in a run that records a strategy with second negatives; null in the rows of the others.
SECOND_NEGATIVE = "negative2"

#: The tables of a run that grow by one record batch per step: folder name and columns.
STEP_TABLES = {"batches": BATCHES, "picks": PICKS, "plane": PLANE}


def step_tables(config: Mapping[str, Any]) -> dict[str, pa.Schema]:
    """The same for the run of this config.json: picks/ has one column more where a strategy has second negatives.

    Example:
        >>> step_tables({"strategies": [{"name": "quadruplet", "second": True}]})["picks"].names[-2:]
        ['weight', 'negative2']
    """
    if not has_second_negatives(config):
        return STEP_TABLES
    return {**STEP_TABLES, "picks": PICKS.append(pa.field(SECOND_NEGATIVE, pa.int32()))}


def has_second_negatives(config: Mapping[str, Any]) -> bool:
    """Whether a strategy of this run has them."""
    return any(card.get("second") for card in config.get("strategies") or [])


#: Column of samples/ that is there where labels are known to be wrong.
TRUE_LABEL = "true_label"


def samples_schema(text_ids: bool, truth: bool = False) -> pa.Schema:
    """Columns of samples/samples.arrows; ids are texts or int64, as the user's are.

    Args:
        text_ids: whether ids are texts.
        truth: whether the true labels are known.
    """
    ids = pa.string() if text_ids else pa.int64()
    columns = [("id", ids), ("label", pa.int32()), ("class_name", pa.string()), ("text", pa.string())]
    return pa.schema([*columns, (TRUE_LABEL, pa.int32())] if truth else columns)


#: Exact numbers over all eligible triplets of a step's batch, then those of the training picks, then the distances.
COUNT_SCALARS = ("eligible", "hard", "semi_hard", "easy", "violating")
PICK_SCALARS = ("mined", "active", "active_share", "abstained", "mined_hard", "mined_semi_hard", "mined_easy")
#: Where a filter takes negatives from the training strategy: triplets ruled out, pairs left without a negative, and,
#: where the true labels are known, how many of those triplets have a negative that is truly of the anchor's class.
FILTER_SCALARS = ("filtered", "filtered_pairs", "filtered_false_negatives")
#: Where the true labels are known: picks of the training strategy, and all eligible triplets, whose negative is truly
#: of the anchor's class, or whose positive is truly of another.
TRUTH_SCALARS = (
    "mined_false_negatives",
    "mined_false_positives",
    "eligible_false_negatives",
    "eligible_false_positives",
)
DISTANCE_SCALARS = ("spread", "mean_distance", "mean_d_ap", "mean_d_an")
FRAME_SCALARS = ("recall_at_1", "recall_at_5", "recall_at_10", "r_precision", "map_at_r", "frame_spread")

#: Keys of a line of scalars.jsonl in the order they are written; what a user adds comes after them.
SCALARS = (
    "step",
    "time",
    "closing",
    "frame",
    "loss",
    *COUNT_SCALARS,
    *PICK_SCALARS,
    *FILTER_SCALARS,
    *TRUTH_SCALARS,
    *DISTANCE_SCALARS,
    *FRAME_SCALARS,
    "seconds",
    "shadows",
)
#: What is said of each shadow strategy at each step, under "shadows".
SHADOW_SCALARS = ("mined", "hard", "semi_hard", "easy", "abstained")
#: The same of a shadow's picks where the true labels are known.
SHADOW_TRUTH_SCALARS = ("false_negatives", "false_positives")

#: Columns of the triplet CSV; then TRIPLET_TEXTS where the samples have texts, and "step" for a run.
TRIPLETS = (
    "rank",
    "anchor_id",
    "positive_id",
    "negative_id",
    "anchor_label",
    "positive_label",
    "negative_label",
    "d_ap",
    "d_an",
    "gap",
    "loss",
    "zone",
    "strategy",
    "distance",
    "margin",
    "flags",
)
#: The last column, only where some of the picks have a second negative.
TRIPLET_SECOND = "negative2_id"
TRIPLET_TEXTS = ("anchor_text", "positive_text", "negative_text")

#: The table of a sweep: one row per cell and evaluated step. The settings that vary stand between seed and step.
SWEEP_CELL = {"cell": pa.string(), "strategy": pa.string(), "seed": pa.int64()}
#: Of the probe set at that step.
SWEEP_FRAME = ("recall_at_1", "map_at_r")
#: Means over the last tenth of the steps so far.
SWEEP_STEPS = (
    "loss",
    "spread",
    "mean_d_ap",
    "mean_d_an",
    "violating_share",
    "active_share",
    "abstained_share",
    "false_negative_share",
)
#: What had been spent when the row was measured.
SWEEP_EFFORT = ("triplets", "cpu_seconds")
SWEEP = ("step", *SWEEP_FRAME, *SWEEP_STEPS, "least_spread", *SWEEP_EFFORT)
