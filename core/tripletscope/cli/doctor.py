"""`tripletscope doctor`: what went wrong in a run, when, how one can tell, and what to try."""

from __future__ import annotations

import argparse
import json
import sys

from tripletscope.cli.command import Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and the form of the answer."""
    parser.add_argument("run", metavar="RUN", help="folder of a recorded run, also one that is still being written")
    parser.add_argument("--json", action="store_true", help="print findings and checked rules as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the findings, and what became of every rule."""
    from tripletscope.doctor import RULES, examination
    from tripletscope.store.reader import Run

    opened = Run.open(args.run)
    examined = examination(opened)
    notes = opened.notes
    if args.json:
        told = {"run": opened.name, "path": str(opened.path), "state": opened.state, "steps": opened.step_count}
        print(json.dumps({**told, **examined.to_dict(), "notes": notes}, indent=2, ensure_ascii=False))
        return 0
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    colours = {"problem": "bold red", "warning": "bold yellow", "note": "bold"}
    console = Console()
    # Text, not str: names come from a folder, and rich would read [...] in them as markup.
    console.print(Text(f"{opened.name}: {opened.state_text}"))
    for finding in examined.findings:
        console.print()
        console.print(
            Text.assemble((finding.severity, colours[finding.severity]), f"  {finding.when}  {finding.title}")
        )
        console.print(Padding(Text(finding.evidence), (0, 0, 0, 2)))
        console.print(Padding(Text(f"Remedy: {finding.remedy}"), (0, 0, 0, 2)))
    console.print()
    if all(finding.severity == "note" for finding in examined.findings):
        console.print("No fault found. What was checked:" if opened.step_count else "Nothing to examine yet:")
    else:
        console.print("What was checked:")
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for rule in RULES:
        table.add_row(*(Text(cell) for cell in ("", rule.title, examined.checked[rule.name])))
    console.print(table)
    for note in notes:
        print(f"the run is not whole: {note}", file=sys.stderr)
    return 0


command = Command(
    name="doctor",
    help="say what went wrong in a run: the step, the evidence, the remedy",
    example="tripletscope doctor runs/hard",
    add_arguments=add_arguments,
    run=run,
    order=35,
)
