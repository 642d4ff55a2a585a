"""What a sub-command brings: its name, its help, its arguments and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A sub-command of `tripletscope`.

    Another package adds one by the entry-point group `tripletscope.commands`, whose members are such records.
    Import what is heavy inside `run`: the records of all commands are loaded for every `--help`.

    Args:
        name: what is typed after `tripletscope`.
        help: one line for the list of commands.
        example: one or more command lines, shown under `--help`.
        add_arguments: declares the arguments on the parser of this command.
        run: does it; returns the exit code. A TripletscopeError becomes one sentence and exit code 2.
        order: place in the list.
    """

    name: str
    help: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    order: int = 100
