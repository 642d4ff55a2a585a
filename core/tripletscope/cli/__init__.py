"""The command line: `tripletscope COMMAND`, one file here for each command; others may bring theirs along.

A refusal is one sentence on standard error with exit code 2; `--debug` shows where it came from. Standard output
carries results only, so that `--json` can be piped.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

from tripletscope import __version__
from tripletscope.cli.command import Command
from tripletscope.errors import SettingError, TrainingError, TripletscopeError

__all__ = ["Command", "commands", "main"]

_OWN = (
    "train",
    "sweep",
    "control",
    "strategies",
    "runs",
    "doctor",
    "project",
    "export",
    "mine",
    "inspect",
    "map",
    "dialects",
)


def commands() -> list[Command]:
    """Every sub-command in display order: our own files, then those of other packages."""
    found = {name: importlib.import_module(f"tripletscope.cli.{name}").command for name in _OWN}
    for point in entry_points(group="tripletscope.commands"):
        if point.name not in found:
            try:
                found[point.name] = point.load()
            except ImportError as problem:
                found[point.name] = _unloadable(point.name, str(problem))
    return sorted(found.values(), key=lambda command: (command.order, command.name))


def _unloadable(name: str, reason: str) -> Command:
    """A stand-in that says why, so that one broken package does not take the other commands with it."""

    def run(_: argparse.Namespace) -> int:
        raise SettingError(f"The command {name!r} cannot be loaded ({reason}); install tripletscope again.")

    return Command(name, f"(cannot be loaded: {reason})", "", lambda parser: None, run, order=900)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every sub-command."""
    parser = argparse.ArgumentParser(
        prog="tripletscope",
        description="See which negatives your triplet loss really learns from.",
        epilog="Example: tripletscope train --data digits --strategy semi-hard --shadow all --out runs/semi-hard",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tripletscope {__version__}")
    places = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands():
        sub = places.add_parser(
            command.name,
            help=command.help,
            description=command.help[:1].upper() + command.help[1:] + ".",
            epilog=f"example:\n  {command.example}" if command.example else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(sub)
        sub.add_argument("--debug", action="store_true", help="show the traceback of a refusal")
        sub.set_defaults(run_command=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the command line: 0 done, 1 a training that failed, 2 a refusal, 128 + n ended by signal n.

    Example:
        >>> main(["--version"])
        tripletscope 0.1.0
        0
    """
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as end:  # argparse has printed its usage or its help
        return end.code if isinstance(end.code, int) else 2
    except SettingError as refusal:
        print(f"tripletscope: {refusal}", file=sys.stderr)
        return 2
    try:
        return int(args.run_command(args))
    except TripletscopeError as refusal:
        if args.debug:
            raise
        print(f"tripletscope: {refusal}", file=sys.stderr)
        return 1 if isinstance(refusal, TrainingError) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
