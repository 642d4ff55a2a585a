"""`tripletscope control`: asks a training that is under way to pause, to go on, or to stop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tripletscope.cli.command import Command
from tripletscope.errors import RunError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and what it should do."""
    parser.add_argument("run", metavar="RUN", help="folder of a run that is being recorded")
    parser.add_argument(
        "ask", choices=("pause", "go", "stop"), help="pause after this step, go on, or stop (--resume goes on later)"
    )


def run(args: argparse.Namespace) -> int:
    """Asks; the training hears it after the step that it is at. One that has ended is refused."""
    from tripletscope.store import control
    from tripletscope.store.reader import Run

    opened = Run.open(args.run)
    if opened.state != "running":
        resume = "" if opened.state == "finished" else "; go on with: tripletscope train --resume --out " + args.run
        raise RunError(f"{args.run} is not being recorded ({opened.state_text}){resume}.")
    control.ask(Path(args.run), args.ask)
    print(f"{opened.name} was asked to {args.ask.replace('go', 'go on')}", file=sys.stderr)
    return 0


command = Command(
    name="control",
    help="ask a training that is under way to pause, to go on, or to stop",
    example="tripletscope control runs/semi-hard pause",
    add_arguments=add_arguments,
    run=run,
    order=15,
)
