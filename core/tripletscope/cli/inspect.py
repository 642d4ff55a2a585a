"""`tripletscope inspect`: what is wrong with a set of embeddings, as JSON, as a page to read, or on the screen."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tripletscope.cli.command import Command
from tripletscope.cli.mine import read_excluded
from tripletscope.cli.source import add_keep_finding, add_source, look_source, mapping_of
from tripletscope.embeddings.cleaned import ENDINGS as CLEANED
from tripletscope.embeddings.cleaned import clean_rows, ending_of, write_cleaned
from tripletscope.errors import SettingError

if TYPE_CHECKING:
    from tripletscope.inspection import Inspection

ENDINGS = (".html", ".htm", ".json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, by which distance, to where."""
    add_source(parser)
    parser.add_argument(
        "--distance", default="cosine", metavar="NAME", help="cosine (default), euclidean or squared-euclidean"
    )
    parser.add_argument("--out", metavar="FILE", help=".html to read, .json for scripts (default: print a summary)")
    parser.add_argument(
        "--excluded", metavar="FILE", help="ids that mining should leave out, one a line, for --exclude"
    )
    parser.add_argument(
        "--cleaned", metavar="FILE", help="the rows that stay, with all columns: .npz, .npy, .csv, .parquet, .jsonl ..."
    )
    add_keep_finding(parser)
    parser.add_argument("--exclude", metavar="FILE", help="text file of further ids to leave out, one a line")
    parser.add_argument("--largest", type=int, metavar="N", help="of larger sets look at N rows (default: 60,000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that draw (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--json", action="store_true", help="print what x.json would hold")


def run(args: argparse.Namespace) -> int:
    """Writes or prints the findings; they are no refusal, so the exit code stays 0."""
    places = [Path(one) for one in (args.out, args.excluded, args.cleaned) if one]
    for place in places:
        if place.exists() and not args.overwrite:
            raise SettingError(f"{place} exists: choose another name, or add --overwrite.")
        if not place.parent.is_dir():
            raise SettingError(f"There is no folder {place.parent}: make it first.")
    if args.out and not args.out.lower().endswith(ENDINGS):
        raise SettingError(f"{args.out} is of no kind that can be written: let --out end in .html or .json.")
    if args.cleaned and ending_of(args.cleaned) is None:
        raise SettingError(
            f"{args.cleaned} is of no kind that can be written: let --cleaned end in {', '.join(CLEANED)}."
        )
    if args.largest is not None and args.largest < 2:
        raise SettingError(f"--largest is {args.largest}, but it has to be 2 or more.")

    from tripletscope.inspection import inspect_set
    from tripletscope.inspection.inspector import LARGEST
    from tripletscope.inspection.looked import left_out

    source = look_source(args)
    given = source.build(mapping_of(args) or None, standardise=args.standardise)
    further = read_excluded(Path(args.exclude), given) if args.exclude else None
    seen = inspect_set(given, distance=args.distance, largest=args.largest or LARGEST, seed=args.seed)
    told = json.dumps(seen.to_dict(), indent=2, ensure_ascii=False) + "\n"
    out = left_out(given, seen.to_dict(), keep=args.keep_finding, further=further)
    if args.out and args.out.lower().endswith(".json"):
        _write(Path(args.out), told)
    elif args.out:
        from tripletscope.inspection.report import render

        _write(Path(args.out), render(seen))
    if args.excluded:
        _write(Path(args.excluded), "".join(f"{given.id_of(row)}\n" for row in out.tolist()))
    if args.cleaned:
        mapping = source.mapping(mapping_of(args) or None)
        stay = clean_rows(given, out)
        write_cleaned(source.table, stay, args.cleaned, vector=mapping.vector, overwrite=args.overwrite)
    if args.json:
        print(told, end="")
    else:
        _print(seen)
    for place in places:
        print(f"written: {place}", file=sys.stderr)
    return 0


def _write(place: Path, text: str) -> None:
    """The whole file or none of it."""
    rough = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        # An id from a file may hold half a character, which must not cost the report.
        rough.write_bytes(text.encode("utf-8", "replace"))
        rough.replace(place)
    except OSError as problem:
        raise SettingError(f"{place} cannot be written ({problem.strerror}): choose another place.") from problem
    finally:
        rough.unlink(missing_ok=True)


def _print(seen: Inspection) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    colours = {"problem": "bold red", "warning": "bold yellow", "note": "bold"}
    console, told = Console(), seen.health
    recall = "" if told.recall_at_1 is None else f", Recall@1 {told.recall_at_1:.3f} (guessing {told.chance:.3f})"
    # Text, not str: names come from a file, and rich would read [...] in them as markup.
    console.print(
        Text(f"{told.name}: {told.rows_used:,} rows x {told.dims:,}, {told.classes:,} classes{recall}, {told.distance}")
    )
    for warning in told.warnings:
        console.print(Text(warning))
    for finding in seen.findings:
        console.print()
        counted = "" if finding.unit == "set" else f"  {finding.count:,} {finding.unit}"
        console.print(Text.assemble((finding.severity, colours[finding.severity]), f"  {finding.title}{counted}"))
        console.print(Padding(Text(finding.evidence), (0, 0, 0, 2)))
        for one in finding.examples[:3]:
            ids = " | ".join(str(seen.set.id_of(row)) for row in (one.row, one.other) if row >= 0)
            console.print(Padding(Text(f"{ids}: {one.text}"), (0, 0, 0, 4)))
        console.print(Padding(Text(f"Remedy: {finding.remedy}"), (0, 0, 0, 2)))
    console.print()
    console.print("What was checked:")
    from tripletscope.inspection import CHECKS

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for check in CHECKS:
        table.add_row(*(Text(cell) for cell in ("", check.title, seen.checked[check.name])))
    console.print(table)


command = Command(
    name="inspect",
    help="say what is wrong with embeddings: labels, duplicates, confused classes, hubs, outliers",
    example="tripletscope inspect vectors.npy --metadata rows.csv --label kind --out report.html",
    add_arguments=add_arguments,
    run=run,
    order=38,
)
