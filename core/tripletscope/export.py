"""A run's picks, scalars and frames as one file for other programs. Same run, same bytes. Loads without torch."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tripletscope
from tripletscope.errors import DataError, SettingError
from tripletscope.schema import SECOND_NEGATIVE, TRIPLET_SECOND, TRIPLET_TEXTS, TRIPLETS
from tripletscope.store.layout import replace
from tripletscope.store.reader import Run
from tripletscope.zones import ZONES, zone_codes_numpy

if TYPE_CHECKING:
    import pandas

Table = dict[str, np.ndarray]

#: What a spreadsheet takes for the start of a formula; an apostrophe in front makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MARK = "'"
ENDINGS = (".csv", ".csv.gz", ".parquet", ".jsonl")
_ROWS_AT_ONCE = 50_000


def export_picks(
    run: Run,
    out: str | os.PathLike[str],
    *,
    strategy: str | None = None,
    steps: int | Iterable[int] | None = None,
    raw: bool = False,
    overwrite: bool = False,
) -> Path:
    """The file with one row per recorded triplet, the highest loss first, then by step, then by ids.

    docs/csv-format.md explains the columns. Beside it `<stem>.settings.json` says what it was made from.

    Args:
        run: a recorded run.
        out: where to; the suffix decides the form: .csv, .csv.gz, .parquet or .jsonl.
        strategy: picks of this strategy only; None: of all. The picks of batch-all are worked out again, where the
            batch was kept, when they are asked for or are all that the run has (this imports torch).
        steps: a step, or a range or list of steps; None: all.
        raw: leave the cells of a CSV as they are that a spreadsheet would run.
        overwrite: replace an existing file.

    Raises:
        SettingError: the file exists, or has another suffix.
        UnknownNameError: the strategy was not recorded.
    """
    path, ending = _place(out, ENDINGS, overwrite)
    columns = _rows_of(run, strategy, steps)
    table = _triplet_table(run, columns)
    settings: dict[str, Any] = {
        "what": "picks",
        "strategy": strategy or "all",
        "steps": _steps_text(steps),
        "rows": len(table["rank"]),
        "margin": run.margin,
        "distance": run.distance,
        "soft_margin": _soft(run),
    }
    trained_with = (run.config.get("loss") or {}).get("name", "triplet")
    if trained_with != "triplet":
        settings["trained_with"] = trained_with
    if run.true_labels is not None:
        settings["wrong_labels"] = int(np.count_nonzero(run.true_labels != run.samples.labels))
        for name in TRUTH_FLAGS[:2]:
            settings[f"{name.replace('-', '_')}s"] = sum(name in flags.split(";") for flags in table["flags"])
    _write(path, ending, table, run, settings, raw=raw)
    return path


def export_scalars(run: Run, out: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """The file with one row per step: every number of scalars.jsonl, nested ones under dotted names.

    Args:
        run: a recorded run.
        out: .csv, .csv.gz, .parquet or .jsonl.
        overwrite: replace an existing file.

    Raises:
        SettingError: the file exists, or has another suffix.
    """
    path, ending = _place(out, ENDINGS, overwrite)
    scalars = run.scalars
    table = {str(name): scalars[name].to_numpy() for name in scalars.columns}
    _write(path, ending, table, run, {"what": "scalars", "rows": len(scalars)}, raw=True)
    return path


def export_frames(run: Run, out: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """The file with one row per frame and probe sample: step, id, label, e0 ... e(D-1).

    As .npz instead: `steps` (F,), `embeddings` (F, n, D), `ids` and `labels` (n,), `class_names`.

    Args:
        run: a recorded run.
        out: .csv, .csv.gz, .parquet, .jsonl or .npz.
        overwrite: replace an existing file.

    Raises:
        SettingError: the file exists, or has another suffix.
        DataError: the run has no frames.
    """
    path, ending = _place(out, (*ENDINGS, ".npz"), overwrite)
    if not run.frame_steps:
        raise DataError(f"The run {run.name!r} has no frames: record it with a probe set, or export its picks.")
    rows, steps = run.probe_rows, np.array(run.frame_steps)
    if int(rows.max(initial=-1)) >= len(run.samples):
        raise DataError(
            f"The frames of the run {run.name!r} show samples that its samples/ no longer names: restore that folder "
            "from a copy, or export its picks."
        )
    embeddings = np.stack([run.frames[step] for step in run.frame_steps])  # (F, n, D)
    ids, labels = np.asarray(run.samples.ids)[rows], run.samples.labels[rows]
    names = np.array(run.samples.class_names)
    settings = {"what": "frames", "rows": len(steps) * len(rows), "frames": len(steps), "dim": embeddings.shape[2]}
    if ending == ".npz":
        content = io.BytesIO()
        np.savez(content, steps=steps, embeddings=embeddings, ids=ids, labels=labels, class_names=names)
        replace(path, content.getvalue())
        _write_settings(path, run, settings)
        return path
    table: Table = {
        "step": np.repeat(steps, len(rows)),
        "id": np.tile(ids, len(steps)),
        "label": np.tile(names[labels], len(steps)),
    }
    for d in range(embeddings.shape[2]):
        table[f"e{d}"] = embeddings[:, :, d].ravel()
    _write(path, ending, table, run, settings, raw=False)
    return path


def export_table(
    table: Table,
    out: str | os.PathLike[str],
    *,
    settings: dict[str, Any],
    raw: bool = False,
    overwrite: bool = False,
) -> Path:
    """The file with this table, and `<stem>.settings.json` beside it. Same table and settings, same bytes.

    Args:
        table: columns by name, all of one length.
        out: where to: .csv, .csv.gz, .parquet or .jsonl.
        settings: what it was made from, ready for JSON; no time and no path of this machine.
        raw: leave the cells of a CSV as they are that a spreadsheet would run.
        overwrite: replace an existing file.

    Raises:
        SettingError: the file exists, or has another suffix.
    """
    path, ending = place_of(out, overwrite=overwrite)
    told = {"tripletscope": tripletscope.__version__, "file": path.name, **settings}
    _write_table(path, ending, table, told, raw=raw)
    replace(_settings_path(path), (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def place_of(out: str | os.PathLike[str], *, overwrite: bool = False) -> tuple[Path, str]:
    """The path and its ending, checked before a long computation rather than after.

    Raises:
        SettingError: the file exists, has another suffix than .csv, .csv.gz, .parquet or .jsonl, or no folder.
    """
    return _place(out, ENDINGS, overwrite)


def settings_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `<stem>.settings.json` beside an exported file says of it; empty where there is none."""
    beside = _settings_path(Path(path))
    return dict(json.loads(beside.read_text(encoding="utf-8"))) if beside.exists() else {}


def read_triplets_csv(path: str | os.PathLike[str]) -> pandas.DataFrame:
    """The table of a .csv or .csv.gz that `export_picks` wrote, with every cell as it was before the apostrophes.

    `<stem>.settings.json` beside it says whether there are any; without it there are, as is the default.
    """
    import pandas

    place = Path(path)
    texts = [
        TRIPLET_SECOND,
        *(f"{one}_{kind}" for one in ("anchor", "positive", "negative") for kind in ("id", "label", "text")),
    ]
    settings = settings_of(place)
    if "neutralised" not in settings:  # of a Parquet or JSON lines file of the same stem
        settings = {}
    numbers = settings.get("number_columns", [])
    kinds = {name: str for name in (*texts, "zone", "strategy", "distance", "flags") if name not in numbers}
    table = pandas.read_csv(place, dtype=kinds, keep_default_na=False, na_values={"d_ap": [""], "d_an": [""]})
    if settings.get("neutralised") is not None or not settings:
        for name in texts:
            if name in table and name not in numbers:
                table[name] = table[name].str.removeprefix(MARK)
    return table


# ---- which triplets, and what is said of each


def _rows_of(run: Run, strategy: str | None, steps: int | Iterable[int] | None) -> Table:
    """Rows of picks, all of known samples."""
    wanted = None if steps is None or isinstance(steps, int | range) else sorted(set(steps))
    chosen = steps if wanted is None else wanted
    columns = run.pick_rows(chosen, strategy)
    if not len(columns["step"]) and set(run.strategies) <= {"own", "batch-all"} and "batch-all" in run.strategies:
        columns = run.pick_rows(chosen, "batch-all")
    known = np.ones(len(columns["step"]), bool)
    for slot in ("anchor", "positive", "negative", SECOND_NEGATIVE):
        known &= columns.get(slot, np.int32(-1)) < len(run.samples)
    return columns if known.all() else {name: column[known] for name, column in columns.items()}


def _triplet_table(run: Run, columns: Table) -> Table:
    """The columns of schema.TRIPLETS, the texts where there are some, and the step; in rank order."""
    samples = run.samples
    ids, labels = np.asarray(samples.ids), samples.labels
    class_names = np.array(samples.class_names, dtype=object)
    gap = columns["d_an"] - columns["d_ap"]
    zones = zone_codes_numpy(gap, run.margin)
    loss = _losses(gap, run.margin, _soft(run))
    keys = [ids[columns[slot]] for slot in ("anchor", "positive", "negative")]
    order = np.lexsort((*reversed(keys), columns["strategy"], columns["step"], -loss))
    table: Table = {"rank": np.arange(1, len(order) + 1)}
    slots = {slot: columns[slot][order] for slot in ("anchor", "positive", "negative")}
    for slot, rows in slots.items():
        table[f"{slot}_id"] = ids[rows]
    for slot, rows in slots.items():
        table[f"{slot}_label"] = class_names[labels[rows]]
    table |= {"d_ap": columns["d_ap"][order], "d_an": columns["d_an"][order], "gap": gap[order], "loss": loss[order]}
    table["zone"] = np.array(ZONES, dtype=object)[zones[order]]
    table["strategy"] = np.array(run.strategies, dtype=object)[columns["strategy"][order]]
    table["distance"] = np.full(len(order), run.distance, dtype=object)
    table["margin"] = np.full(len(order), run.margin)
    table["flags"] = _flags(run, slots)
    assert tuple(table) == TRIPLETS
    if samples.texts is not None:
        texts = np.array(samples.texts, dtype=object)
        table |= {name: texts[rows] for name, rows in zip(TRIPLET_TEXTS, slots.values(), strict=True)}
    # Last, so that the columns before it are the same for every source of triplets.
    table["step"] = columns["step"][order]
    second = columns.get(SECOND_NEGATIVE, np.empty(0, np.int32))
    if (second >= 0).any():
        table[TRIPLET_SECOND] = np.where(second < 0, "", ids.astype(str).astype(object)[second])[order]
    return table


#: What may stand under `flags` where the run knows the true labels, in this order.
TRUTH_FLAGS = ("false-negative", "false-positive", "wrong-label")


def _flags(run: Run, slots: Table) -> np.ndarray:
    """What the true labels say of each triplet, joined by ";"; empty where they are not known."""
    truth, labels = run.true_labels, run.samples.labels
    flags = np.full(len(slots["anchor"]), "", dtype=object)
    if truth is None:
        return flags
    own = truth[slots["anchor"]]
    wrong = np.logical_or.reduce([labels[rows] != truth[rows] for rows in slots.values()])
    said = (truth[slots["negative"]] == own, truth[slots["positive"]] != own, wrong)
    for row in np.flatnonzero(wrong):  # without a wrong label nothing else holds
        flags[row] = ";".join(name for name, holds in zip(TRUTH_FLAGS, said, strict=True) if holds[row])
    return flags


def _losses(gap: np.ndarray, margin: float, soft: bool) -> np.ndarray:
    """The loss of each triplet, in the dtype of the gaps: max(0, margin - gap), or ln(1 + exp(-gap))."""
    losses: np.ndarray = np.logaddexp(0, -gap) if soft else np.maximum(gap.dtype.type(margin) - gap, 0)
    return losses.astype(gap.dtype, copy=False)


def _soft(run: Run) -> bool:
    return bool(run.config.get("soft_margin"))


def _steps_text(steps: int | Iterable[int] | None) -> str:
    if steps is None:
        return "all"
    if isinstance(steps, range):
        return f"{steps.start}:{steps.stop}"
    return str(steps) if isinstance(steps, int) else ",".join(map(str, sorted(set(steps))))


# ---- forms


def neutral(text: str) -> str:
    """The text as a cell that no spreadsheet runs: an apostrophe goes before =, +, -, @, tab, return and apostrophe.

    Example:
        >>> neutral("=1+1"), neutral("plain"), neutral("'tis")
        ("'=1+1", 'plain', "''tis")
    """
    return MARK + text if text.startswith((*FORMULA_STARTS, MARK)) else text


def _place(out: str | os.PathLike[str], endings: tuple[str, ...], overwrite: bool) -> tuple[Path, str]:
    path = Path(out)
    ending = next((one for one in sorted(endings, key=len, reverse=True) if path.name.endswith(one)), None)
    if ending is None or path.name == ending:
        raise SettingError(f"{path.name!r} has no suffix that can be written: use one of {', '.join(endings)}.")
    if path.is_dir():
        raise SettingError(f"{str(path)!r} is a folder: give the name of a file.")
    for existing in (path, _settings_path(path)):
        if existing.exists() and not overwrite:
            raise SettingError(f"{str(existing)!r} exists already: choose another name, or allow overwriting.")
    if not path.parent.is_dir():
        raise SettingError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to: make it first.")
    return path, ending


def _settings_path(path: Path) -> Path:
    stem = path.name.removesuffix(".gz")
    return path.with_name(stem.rpartition(".")[0] + ".settings.json")


def _write(path: Path, ending: str, table: Table, run: Run, settings: dict[str, Any], *, raw: bool) -> None:
    """Nothing; the table and its settings are on disk, both through a temporary name."""
    _write_table(path, ending, table, settings, raw=raw)
    _write_settings(path, run, settings)


def _write_table(path: Path, ending: str, table: Table, settings: dict[str, Any], *, raw: bool) -> None:
    """Nothing; the table is on disk, and the settings say which cells were neutralised."""
    if ending == ".parquet":
        _write_parquet(path, table)
    elif ending == ".jsonl":
        _write_lines(path, table)
    else:
        texts = [name for name, column in table.items() if column.dtype.kind in "OU"]
        settings["number_columns"] = [name for name in table if name not in texts]
        settings["neutralised"] = None if raw else _write_csv(path, ending, table, texts)
        if raw:
            _write_csv(path, ending, table, [])


def _write_settings(path: Path, run: Run, settings: dict[str, Any]) -> None:
    """Nothing; no time, no path of this machine: the same run gives the same bytes."""
    told = {
        "tripletscope": tripletscope.__version__,
        "file": path.name,
        "run": run.name,
        "run_digest": run.digest,
        "recorded_with": run.config.get("tripletscope"),
        **settings,
        "exact": True,
        "notes": run.notes,
    }
    content = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    replace(_settings_path(path), content.encode())


def _write_csv(path: Path, ending: str, table: Table, texts: list[str]) -> dict[str, int]:
    """Column -> how many of its cells got an apostrophe, of those that have any."""
    changed: dict[str, int] = {}
    with _whole(path) as temporary, open(temporary, "wb") as file:
        # No name and no time in the gzip header: same bytes twice.
        target = gzip.GzipFile("", "wb", 9, file, mtime=0) if ending == ".csv.gz" else file
        target.write((",".join(table) + "\n").encode())
        for part in _parts(table):
            columns = [
                _neutral_cells(column[part], name, changed) if name in texts else _cells(column[part])
                for name, column in table.items()
            ]
            target.write("".join(",".join(row) + "\n" for row in zip(*columns, strict=True)).encode())
        if target is not file:
            target.close()
    return changed


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary name that becomes the path when all is written, and is gone when it is not (Ctrl-C, full disk)."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _neutral_cells(column: np.ndarray, name: str, changed: dict[str, int]) -> list[str]:
    """The cells of a text column, neutralised; how many were is added to `changed`."""
    texts = [str(text) for text in column]
    safe = [neutral(text) for text in texts]
    if count := sum(a != b for a, b in zip(texts, safe, strict=True)):
        changed[name] = changed.get(name, 0) + count
    return [_quoted(text) for text in safe]


def _cells(column: np.ndarray) -> list[str]:
    """Numbers as the shortest text that reads back to the same value in their own dtype; NaN as an empty cell."""
    if column.dtype.kind == "f":
        return ["" if text == "nan" else text for text in column.astype(str).tolist()]
    if column.dtype.kind == "b":
        return ["true" if value else "false" for value in column.tolist()]
    return [_quoted(str(value)) for value in column.tolist()]


def _quoted(text: str) -> str:
    """The text as a CSV cell (RFC 4180). Python's writer leaves a lone carriage return unquoted."""
    if any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _parts(table: Table) -> Iterator[slice]:
    count = len(next(iter(table.values()), ()))
    return (slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, count, _ROWS_AT_ONCE))


def _write_parquet(path: Path, table: Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array(column.astype(object), pa.string()) if column.dtype.kind in "OU" else pa.array(column)
        for name, column in table.items()
    }
    content = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), content, compression="zstd")
    replace(path, content.getvalue().to_pybytes())


def _write_lines(path: Path, table: Table) -> None:
    with _whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        for part in _parts(table):
            columns = {
                name: _floats(column[part]) if column.dtype.kind == "f" else column[part].tolist()
                for name, column in table.items()
            }
            for row in zip(*columns.values(), strict=True):
                file.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n")


def _floats(column: np.ndarray) -> list[float | None]:
    """As Python floats whose shortest text is that of the column's own dtype; None for NaN."""
    return [None if text == "nan" else float(text) for text in column.astype(str).tolist()]
