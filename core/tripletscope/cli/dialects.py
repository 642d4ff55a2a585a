"""`tripletscope dialects`: what other libraries pick under the same word on one small batch, and why they part."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from tripletscope.cli.command import Command

if TYPE_CHECKING:
    from tripletscope.dialects.comparison import Comparison
    from tripletscope.dialects.samples import Clock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The word, the batch, the margin and the distance."""
    parser.add_argument(
        "--strategy",
        default="semi-hard",
        metavar="NAME",
        help="the word that libraries read in their own ways: semi-hard (default), batch-hard, hardest, ...",
    )
    parser.add_argument("--batch", default="clock", metavar="NAME", help="clock (default) or twins")
    parser.add_argument("--seed", type=int, metavar="N", help="the samples of the batch at other hours, by lot")
    parser.add_argument("--margin", type=float, metavar="M", help="the same number for all (default 1)")
    parser.add_argument(
        "--distance",
        default="own",
        metavar="NAME",
        help="own (default: each library's), or euclidean, squared-euclidean or cosine for all",
    )
    parser.add_argument("--json", action="store_true", help="print records, picks and differences as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the batch, what each dialect picks for each pair, and a sentence for each difference."""
    from tripletscope.dialects.comparison import Comparison
    from tripletscope.dialects.samples import MARGIN, clock
    from tripletscope.distances import DISTANCES

    sample = clock(args.batch, args.seed)
    distance = None if args.distance == "own" else DISTANCES.get(args.distance).name
    margin = MARGIN if args.margin is None else args.margin
    compared = Comparison(args.strategy, sample.batch, margin, distance=distance, names=sample.names)
    if args.json:
        told = {"batch": {"name": sample.name, "hours": list(sample.hours), "labels": list(sample.labels)}}
        print(json.dumps({**told, **compared.to_dict()}, indent=2, ensure_ascii=False))
    else:
        _print(sample, compared)
    return 0


def _print(sample: Clock, compared: Comparison) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from tripletscope.dialect_docs import SIGNS, UNITS, known, verdict
    from tripletscope.dialects.samples import BETWEEN

    console = Console()
    console.print(Text(f"{compared.word}: {len(compared.dialects)} dialects on one batch, margin {compared.margin:g}"))
    console.print()
    console.print("The batch lies on the face of a clock with radius 1:")
    for label, members in sample.classes.items():
        console.print(Text(f"  {label}: {', '.join(members)}"))
    hours = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("  hours apart", *map(str, range(7))):
        hours.add_column(head, justify="left" if head.startswith(" ") else "right")
    for name, values in BETWEEN.items():
        hours.add_row(f"  {name}", *(f"{value:.2f}" for value in values))
    console.print(hours)
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column("a→p", no_wrap=True)
    for column in compared.columns:
        table.add_column(Text(f"{column.dialect.short}\n{UNITS[column.rule.distance]}"), overflow="fold")
    for pair in compared.pairs:
        table.add_row(compared.pair_name(pair), *(Text(compared.cell(column, pair)) for column in compared.columns))
    console.print(table)
    console.print(Text(SIGNS, style="dim"))
    for column in compared.columns[1:]:
        one = column.dialect
        console.print()
        console.print(Text.assemble((one.library, "bold"), f" {one.version}, {one.call}: {verdict(compared, column)}"))
        for difference in column.differences:
            pairs = ", ".join(compared.pair_name(pair) for pair in difference.pairs)
            console.print(Padding(Text(f"{pairs}: {difference.sentence}"), (0, 0, 0, 2)))
        console.print(Padding(Text(f"Source: {one.source}. {known(one)}", style="dim"), (0, 0, 0, 2)))


command = Command(
    name="dialects",
    help="show what other libraries pick under the same word on one small batch, and why they part",
    example="tripletscope dialects --strategy batch-hard\n"
    "  tripletscope dialects --strategy semi-hard --distance euclidean --batch twins",
    add_arguments=add_arguments,
    run=run,
    order=21,
)
