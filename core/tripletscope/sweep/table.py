"""The numbers of a sweep: one row per cell and evaluated step, as columns of `schema.SWEEP`, and their summary.

A row has what the probe set gave at that step, and means over the last tenth of the steps so far: a single batch says
little.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tripletscope.analysis.comparison import effort
from tripletscope.errors import DataError
from tripletscope.schema import SWEEP, SWEEP_CELL, SWEEP_EFFORT, SWEEP_FRAME, SWEEP_STEPS
from tripletscope.store import layout
from tripletscope.store.reader import Run

if TYPE_CHECKING:
    import pandas

    from tripletscope.sweep.plan import Cell, Plan

#: Key of the Parquet metadata that holds what the sweep was asked.
ASKED = b"tripletscope.sweep"
#: Columns that a summary tells, in its order.
SUMMARY = (
    "recall_at_1",
    "map_at_r",
    "spread",
    "violating_share",
    "abstained_share",
    "false_negative_share",
    "triplets",
    "cpu_seconds",
)


def measure(run: Run) -> dict[str, np.ndarray]:
    """The columns of `schema.SWEEP` for one run: a row for every step at which the probe set was embedded.

    Args:
        run: recorded by `tripletscope train`, or by a loop of one's own; what it does not tell is NaN.

    Example:
        >>> from tripletscope.datasets import sample_data_dir
        >>> columns = measure(Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard"))
        >>> len(columns["step"]), columns["step"][-1].item(), round(float(columns["recall_at_1"][-1]), 3)
        (40, 400, 0.908)
    """
    lines = run.lines
    rows = [at for at, line in enumerate(lines) if line.get("frame")]
    own = {
        **{name: run.series([name])[0].astype(np.float64) for name in ("loss", "spread", "mean_d_ap", "mean_d_an")},
        "violating_share": _share(lines, "violating", "eligible"),
        "active_share": _share(lines, "active", "mined"),
        "abstained_share": _share(lines, "abstained", "mined", within=False),
        "false_negative_share": _share(lines, "mined_false_negatives", "mined"),
    }
    columns: dict[str, np.ndarray] = {"step": np.array([lines[at]["step"] for at in rows], np.int32)}
    for name, values in zip(SWEEP_FRAME, run.series(SWEEP_FRAME), strict=True):
        columns[name] = values[rows].astype(np.float32)
    for name in SWEEP_STEPS:
        columns[name] = np.array([_mean(own[name][lately(at)]) for at in rows], np.float32)
    columns["least_spread"] = np.array([np.nanmin([np.inf, *own["spread"][: at + 1]]) for at in rows], np.float32)
    for name, fair in zip(SWEEP_EFFORT, ("triplets", "seconds"), strict=True):
        spent = effort(run, fair)
        columns[name] = np.full(len(rows), np.nan) if spent is None else spent[rows]
    return columns


def _share(lines: Sequence[Mapping[str, Any]], part: str, whole: str, *, within: bool = True) -> np.ndarray:
    """`part / whole` at each line, or `part / (part + whole)` where the one is not within the other."""
    parts, wholes = (
        np.array([np.nan if line.get(name) is None else line[name] for line in lines], np.float64)
        for name in (part, whole)
    )
    wholes = wholes if within else wholes + parts
    found: np.ndarray = np.divide(parts, wholes, out=np.full(len(lines), np.nan), where=wholes > 0)
    return found


def lately(step: int) -> slice:
    """The last tenth of the steps up to this one. A closing frame has no batch, so it looks back one step at the least.

    Example:
        >>> lately(0), lately(9), lately(400)
        (slice(0, 1, None), slice(8, 10, None), slice(360, 401, None))
    """
    return slice(step - -(-step // 10), step + 1)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def cell_table(cell: Cell, columns: Mapping[str, np.ndarray], asked: Mapping[str, Any]) -> pa.Table:
    """The rows of one cell, with who it is; `asked` is kept as metadata."""
    count = len(columns["step"])
    who = {"cell": cell.name, "strategy": cell.config.strategy, "seed": cell.config.seed}
    arrays = {name: pa.array([value] * count, SWEEP_CELL[name]) for name, value in who.items()}
    for name, value in cell.varied.items():
        arrays[name] = pa.array([value] * count, _type(value))
    arrays |= {name: pa.array(columns[name], from_pandas=True) for name in SWEEP}
    return pa.table(arrays).replace_schema_metadata({ASKED: json.dumps(asked)})


def _type(value: object) -> pa.DataType:
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64()
    return pa.float64() if isinstance(value, float) else pa.string()


def joined(tables: Iterable[pa.Table], plan: Plan) -> pa.Table:
    """One table of all cells, in the order of the plan; where a cell goes without a setting, that is null."""
    found = [table.replace_schema_metadata() for table in tables]
    if not found:
        kinds = {**SWEEP_CELL, **dict.fromkeys(plan.varied, pa.string()), **dict.fromkeys(SWEEP, pa.float64())}
        return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})
    names = found[0].column_names
    for name in plan.varied:
        types = {table.schema.field(name).type for table in found if table[name].null_count < len(table)}
        kind = types.pop() if len(types) == 1 else pa.string()
        found = [table.set_column(names.index(name), name, table[name].combine_chunks().cast(kind)) for table in found]
    return pa.concat_tables(found).replace_schema_metadata({ASKED: json.dumps(plan.to_dict())})


def write(path: Path, table: pa.Table) -> None:
    """Nothing; the file holds the table, the old one or the new."""
    content = pa.BufferOutputStream()
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(table, content, compression="zstd", use_dictionary=texts)
    layout.replace(path, content.getvalue().to_pybytes(), sync=True)


def read(path: Path) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """The table of a sweep, and what it was asked.

    Raises:
        DataError: no such file, or another kind of file.
    """
    try:
        table = pq.read_table(path)
        asked = json.loads((table.schema.metadata or {})[ASKED])
    except (OSError, KeyError, ValueError) as problem:
        raise DataError(f"{path} is no table of a sweep ({problem}): give the results.parquet of one.") from None
    return table.to_pandas(), dict(asked)


def summary(table: pandas.DataFrame, varied: Sequence[str]) -> pandas.DataFrame:
    """One row per strategy and setting: median, lowest and highest seed of the numbers after the last update.

    Args:
        table: of a sweep.
        varied: columns that set groups apart, beside the strategy.

    Returns:
        strategy, the varied columns, seeds (how many), and for each name of `SUMMARY` three columns: `NAME`,
        `NAME_low` and `NAME_high`; in the order of the table.
    """
    import pandas

    keys = ["strategy", *varied]
    last = table.loc[table.groupby("cell", sort=False)["step"].idxmax()] if len(table) else table
    lines = []
    for _, group in last.groupby(keys, sort=False, dropna=False):
        line: dict[str, Any] = {name: group[name].iloc[0] for name in keys}
        line["seeds"] = len(group)
        for name in SUMMARY:
            values = group[name].astype(np.float64)
            line |= {name: values.median(), f"{name}_low": values.min(), f"{name}_high": values.max()}
        lines.append(line)
    columns = [*keys, "seeds", *(f"{name}{end}" for name in SUMMARY for end in ("", "_low", "_high"))]
    return pandas.DataFrame(lines, columns=columns)
