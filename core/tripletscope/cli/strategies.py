"""`tripletscope strategies`: what can be chosen, what it picks, and where it comes from."""

from __future__ import annotations

import argparse
import json

from tripletscope.cli.command import Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One switch: machine-readable or not."""
    parser.add_argument("--json", action="store_true", help="print the full records as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints every registered strategy, in display order."""
    from tripletscope import strategies

    records = [strategy.describe() for strategy in strategies.all()]
    if args.json:
        print(json.dumps(records, indent=2, ensure_ascii=False))
        return 0
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("strategy", no_wrap=True), "what it picks", "zones", "source", box=None, pad_edge=False)
    for record in records:
        options = "".join(f"\n--param {p['name']}={p['default']}" for p in record["params"])
        options += f"\ntrains with its own loss, {record['loss']}" if record["loss"] != "triplet" else ""
        table.add_row(record["name"], record["summary"] + options, ", ".join(record["zones"]), record["source"])
    Console().print(table)
    return 0


command = Command(
    name="strategies",
    help="list the mining strategies with their sources",
    example="tripletscope strategies --json",
    add_arguments=add_arguments,
    run=run,
    order=20,
)
