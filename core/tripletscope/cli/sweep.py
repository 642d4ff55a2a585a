"""`tripletscope sweep`: strategies x seeds x settings from one file, trained in parallel, as one table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tripletscope.cli.command import Command
from tripletscope.cli.progress import say
from tripletscope.cli.train import stopping
from tripletscope.errors import SettingError

if TYPE_CHECKING:
    import pandas

    from tripletscope.experiments import Experiment
    from tripletscope.sweep.crew import Event
    from tripletscope.sweep.plan import Cell, Plan

#: Columns of the printed table: heading and name in the summary.
SHOWN = (
    ("R@1", "recall_at_1"),
    ("MAP@R", "map_at_r"),
    ("spread", "spread"),
    ("violating", "violating_share"),
    ("abstained", "abstained_share"),
    ("false neg.", "false_negative_share"),
    ("triplets", "triplets"),
    ("CPU s", "cpu_seconds"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, where the numbers go, and how many processes."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="TOML file with strategies, seeds and settings")
    parser.add_argument(
        "--shipped",
        metavar="NAME",
        nargs="?",
        const="",
        help="instead of a file: an experiment that comes along, by name; without NAME they are listed",
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the sweep (default: sweeps/NAME-OF-FILE)")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes at a time, one thread each (default: all cores)"
    )
    parser.add_argument("--seeds", metavar="LIST", help="instead of those in the file: 0,1,2 or 0-9")
    parser.add_argument("--dry-run", action="store_true", help="list the cells and about what they cost; train nothing")
    parser.add_argument("--keep-runs", action="store_true", help="keep the run folder of every cell, for the explorer")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def read_seeds(text: str | None) -> list[int] | None:
    """The seeds of `0,1,2` or `0-9`; None for None.

    Raises:
        SettingError: for any other text.

    Example:
        >>> read_seeds("0-2,7")
        [0, 1, 2, 7]
    """
    if text is None:
        return None
    found: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            found += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError:
        found = []
    if not found:
        raise SettingError(f"--seeds {text!r} is no list of seeds: write 0,1,2 or 0-9.")
    return found


def run(args: argparse.Namespace) -> int:
    """Trains what is not there yet; 0 when all of it is, 1 when a cell failed, 130 after Ctrl-C."""
    from tripletscope import experiments
    from tripletscope.sweep import crew, plan

    if args.shipped == "" and args.file is None:
        return list_shipped(args)
    if (args.file is None) == (args.shipped is None):
        raise SettingError("Give a FILE, or --shipped NAME for an experiment that comes along; --shipped lists them.")
    file = Path(args.file) if args.file else experiments.get(args.shipped).path
    if args.jobs is not None and args.jobs < 1:
        raise SettingError(f"--jobs is {args.jobs}, but it has to be 1 or more.")
    asked = plan.read(file, seeds=read_seeds(args.seeds))
    claim = experiments.read(file) if asked.told else None  # what is wrong with its rules is said before it runs
    plan.check_names(asked)
    out = Path(args.out) if args.out else Path("sweeps") / file.stem
    jobs = args.jobs or crew.cores()
    return dry_run(asked, out, jobs, args) if args.dry_run else train(asked, claim, out, jobs, args)


def list_shipped(args: argparse.Namespace) -> int:
    """Prints the experiments that come along, with their verdicts; 0."""
    from tripletscope import experiments

    found = [(one, one.report()) for one in map(experiments.get, experiments.names())]
    if args.json:
        told = [
            {
                "name": one.name,
                "title": one.title,
                "claim": one.claim,
                "source": one.source,
                "seeds": sorted({cell.config.seed for cell in one.plan.cells}),
                "cells": len(one.plan.cells),
                "verdict": report.verdict,
                "rules": [{"rule": each.rule, "held_in_seeds": list(each.held)} for each in report.outcomes],
            }
            for one, report in found
        ]
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    for one, report in found:
        print(f"{one.name:<20} {report.verdict:<14} {one.claim}")
    return 0


def dry_run(asked: Plan, out: Path, jobs: int, args: argparse.Namespace) -> int:
    """Prints the cells and about what they cost; 0."""
    from tripletscope.sweep.estimate import estimate
    from tripletscope.sweep.folder import SweepFolder

    folder = SweepFolder(out)
    finished = {cell.name for cell in asked.cells if folder.finished(cell)}
    todo = [cell for cell in asked.cells if cell.name not in finished]
    costs = estimate(todo, jobs)
    if args.json:
        cells = [{"name": one.name, "title": one.title, "finished": one.name in finished} for one in asked.cells]
        told = {"cells": cells, "cpu_seconds": round(costs.cpu_seconds, 1), "seconds": round(costs.seconds, 1)}
        refused = [{"title": cell.title, "reason": reason} for cell, reason in costs.refused]
        print(json.dumps({**told, "jobs": jobs, "refused": refused}, indent=2, ensure_ascii=False))
        return 0
    for cell in asked.cells:
        print(f"{'finished ' if cell.name in finished else 'to train '} {cell.title}")
    for cell, reason in costs.refused:
        print(f"refused    {cell.title}: {reason}")
    print(
        f"{len(todo)} of {len(asked.cells)} cells to train: about {costs.cpu_seconds:,.0f} s of processor time, "
        f"{costs.seconds:,.0f} s with {jobs} {'process' if jobs == 1 else 'processes'} on idle cores."
    )
    return 0


def train(asked: Plan, claim: Experiment | None, out: Path, jobs: int, args: argparse.Namespace) -> int:
    """Trains what is not finished, writes and prints the table, and what it says of a claim; the exit code."""
    from tripletscope.sweep import crew
    from tripletscope.sweep.folder import SweepFolder

    folder, failed = SweepFolder(out), list[tuple["Cell", str]]()
    folder.check()
    waiting = f"waiting for the processes of an earlier start in {out} to end"
    with folder.locked(lambda: say(waiting)) as lock:
        folder.open(asked)
        todo = [cell for cell in asked.cells if not folder.finished(cell)]
        before = len(asked.cells) - len(todo)
        if before and not args.quiet:
            say(f"{before} of {len(asked.cells)} cells are finished already, in {out}")
        with stopping() as stop, Bar(todo, quiet=args.quiet) as bar:
            for event in crew.work(todo, folder, jobs=jobs, should_stop=stop, keep_runs=args.keep_runs, lock=lock):
                bar.show(event)
                if event.kind == "failed":
                    failed.append((event.cell, event.reason))
        whole = folder.collect(asked)
    tell(whole.to_pandas(), asked, args)
    for reason in dict.fromkeys(reason for _, reason in failed):
        titles = [cell.title for cell, why in failed if why == reason]
        say(f"failed: {'; '.join(titles)}: {reason}")
    missing = len(asked.cells) - len(set(whole["cell"].to_pylist())) - len(failed)
    if missing:
        say(f"{missing} of {len(asked.cells)} cells are not finished; the same command goes on with them")
    if not args.quiet:
        say(f"wrote {folder.results} ({whole.num_rows:,} rows)")
    if claim is not None and not missing:
        judge(claim, whole.to_pandas())
    if stop.signal is not None:
        return 128 + stop.signal
    return 1 if failed or missing else 0


def tell(found: pandas.DataFrame, asked: Plan, args: argparse.Namespace) -> None:
    """The summary on standard output: median over the seeds, and lowest to highest."""
    from tripletscope.sweep.table import summary

    told = summary(found, asked.varied)
    if args.json:
        print(told.to_json(orient="records", indent=2, force_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [(title, name) for title, name in SHOWN if telling_number(told[name])]
    settings = telling(told, asked.varied)
    table = Table(box=None, pad_edge=False)
    for title in ("strategy", *settings, "seeds"):
        table.add_column(title.replace("_", " "), no_wrap=True)
    for title, _ in shown:
        table.add_column(title, no_wrap=True)
    for line in told.to_dict("records"):
        cells = [range_text(*(line[f"{name}{end}"] for end in ("", "_low", "_high"))) for _, name in shown]
        who = [line["strategy"], *(setting_text(line[name]) for name in settings), str(line["seeds"])]
        table.add_row(*(Text(text) for text in (*who, *cells)))
    # In a file or a pipe nothing has to fit.
    Console(width=None if sys.stdout.isatty() else 500).print(table)


def telling_number(values: pandas.Series) -> bool:
    """Whether a column is worth its place: something is known, and it is not 0 everywhere."""
    return bool((values.notna() & (values != 0)).any())


def judge(claim: Experiment, found: pandas.DataFrame) -> None:
    """The verdict on standard error: what the rules of the claim make of these numbers."""
    try:
        report = claim.report(found)
    except SettingError as problem:
        say(f"no verdict: {problem}")
        return
    say(f"claim: {claim.claim}")
    for outcome in report.outcomes:
        say(f"  {outcome.text}: {outcome.rule}")
    say(f"{report.verdict}")


def telling(told: pandas.DataFrame, varied: Sequence[str]) -> list[str]:
    """The varied columns without those that only repeat what the name of the variant says."""
    if "variant" not in varied:
        return list(varied)
    groups = told.groupby("variant", dropna=False)
    return [name for name in varied if name == "variant" or int(groups[name].nunique(dropna=False).max()) > 1]


def setting_text(value: Any) -> str:
    """A setting in a table; a dash where this cell has none.

    Example:
        >>> setting_text(1.0), setting_text(True), setting_text(None)
        ('1', 'yes', '–')
    """
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def range_text(middle: float, low: float, high: float) -> str:
    """A median with lowest and highest, to three digits; one number where they are equal.

    Example:
        >>> range_text(0.9012, 0.88, 0.9111), range_text(12800.0, 12800.0, 12800.0), range_text(1e-5, 0.0, 0.25)
        ('0.901 (0.880–0.911)', '12,800', '1.0e-05 (0–0.250)')
    """
    if middle != middle:
        return "–"
    alone = number_text(middle)
    return alone if low == high else f"{alone} ({number_text(low)}–{number_text(high)})"


def number_text(value: float) -> str:
    """A number of a table.

    Example:
        >>> [number_text(value) for value in (0.0, 0.25, 3.14159, 51.2, 12800.0, 2e-7)]
        ['0', '0.250', '3.14', '51.2', '12,800', '2.0e-07']
    """
    size = abs(value)
    if 0 < size < 0.001:
        return f"{value:.1e}"
    digits = 0 if size == 0 or size >= 100 else 3 if size <= 1 else 2 if size < 10 else 1
    return f"{value:,.{digits}f}"


class Bar:
    """How far the cells are, on standard error: a bar on a terminal, a line for each finished cell in a log."""

    def __init__(self, cells: Sequence[Cell], *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._steps = sum(cell.config.steps for cell in cells)
        self._made: dict[str, int] = {}
        self._count, self._ended = len(cells), 0
        self._started: float | None = None

    def __enter__(self) -> Bar:
        if self._terminal and not self._quiet:
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TextColumn("{task.percentage:3.0f} %"),
                progress.TextColumn("{task.fields[left]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self._title(), total=self._steps, left="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal and not self._quiet:
            self._bar.stop()

    def show(self, event: Event) -> None:
        """Nothing; what happened is on the screen."""
        if self._quiet:
            return
        cell = event.cell
        if event.kind == "step":
            self._started = self._started or time.monotonic()  # from here on, so that the start of torch is no speed
            self._made[cell.name] = event.step
        elif event.kind in ("done", "failed"):
            self._made[cell.name] = cell.config.steps
            self._ended += 1
        made = sum(self._made.values())
        if self._terminal:
            self._bar.update(self._task, completed=made, description=self._title(), left=self._left(made))
        elif event.kind == "done":
            recall = "–" if event.recall_at_1 is None else f"{event.recall_at_1:.3f}"
            say(f"{self._ended}/{self._count}  {cell.title}  R@1 {recall}  {self._left(made)}".rstrip())

    def _title(self) -> str:
        return f"{self._ended} of {self._count} cells"

    def _left(self, made: int) -> str:
        """About how long it still takes."""
        if self._started is None or not made or made >= self._steps:
            return ""
        left = (time.monotonic() - self._started) / made * (self._steps - made)
        return f"about {left:.0f} s left" if left < 100 else f"about {left / 60:.0f} min left"


command = Command(
    name="sweep",
    help="train strategies x seeds x settings from one file, in parallel, into one table",
    example="tripletscope sweep margins.toml --out sweeps/margins --jobs 4\n"
    "  tripletscope sweep margins.toml --dry-run\n"
    "  tripletscope sweep --shipped hardest-collapses",
    add_arguments=add_arguments,
    run=run,
    order=15,
)
