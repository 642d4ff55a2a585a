"""`tripletscope runs`: the recorded runs of a folder, one line each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tripletscope.cli.command import Command
from tripletscope.errors import RunError, TripletscopeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and the form of the list."""
    parser.add_argument("dir", nargs="?", default="runs", metavar="DIR", help="folder of runs (default: runs)")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.add_argument(
        "--import", dest="parcel", metavar="FILE", help="take the runs of a zip into DIR first; nothing is overwritten"
    )


def summary(path: Path) -> dict[str, Any]:
    """What one line of the list says of the run at `path`; a run that cannot be read says why."""
    from tripletscope.store.reader import Run

    line: dict[str, Any] = {"name": path.name, "path": str(path), "state": "unreadable", "message": None}
    line |= {"step": None, "strategy": None, "recall_at_1": None, "spread": None}
    try:
        opened = Run.open(path)
        scalars = opened.scalars
        line |= {
            "state": opened.state,
            "strategy": opened.training,
            "message": opened.status.get("message"),
        }
    except TripletscopeError as problem:
        return {**line, "message": str(problem)}
    if len(scalars):
        line["step"] = int(scalars["step"].iloc[-1])
        for name in ("recall_at_1", "spread"):
            known = scalars[name].dropna().tolist() if name in scalars else []
            line[name] = float(known[-1]) if known else None
    return line


def find(folder: Path) -> list[Path]:
    """Run folders in `folder` and in its sub-folders (races), sorted by path; `folder` itself when it is a run."""
    if not folder.is_dir():
        raise RunError(
            f"There is no folder {folder}; name one that holds runs, or record one with `tripletscope train`."
        )
    if (folder / "config.json").is_file():
        return [folder]
    return sorted(place.parent for depth in ("*", "*/*") for place in folder.glob(f"{depth}/config.json"))


def run(args: argparse.Namespace) -> int:
    """Prints the list."""
    if args.parcel:
        from tripletscope.store import parcel

        for taken in parcel.unpack(args.parcel, Path(args.dir)):
            print(f"took in {taken}", file=sys.stderr)
    lines = [summary(path) for path in find(Path(args.dir))]
    if args.json:
        print(json.dumps(lines, indent=2, ensure_ascii=False))
        return 0
    if not lines:
        print(f"No runs in {args.dir}. Record one: tripletscope train --data digits --out {args.dir}/first")
        return 0
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("run", "state", "step", "strategy", "R@1", "spread", box=None, pad_edge=False)
    for line in lines:
        cells = [line["name"], line["state"], line["step"], line["strategy"], line["recall_at_1"], line["spread"]]
        shown = ("–" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells)
        table.add_row(*(Text(cell) for cell in shown))
    Console().print(table)
    return 0


command = Command(
    name="runs",
    help="list recorded runs: state, step, strategy, Recall@1 of the last frame, spread",
    example="tripletscope runs runs --json",
    add_arguments=add_arguments,
    run=run,
    order=30,
)
