"""`tripletscope export`: picks, scalars or frames of a run as one file, the run as a page, or as an animation."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points
from pathlib import Path

from tripletscope.cli import films
from tripletscope.cli.command import Command
from tripletscope.errors import SettingError

KINDS = ("picks", "scalars", "frames", "zip", *films.KINDS)
#: Other packages export runs in their own way; the explorer registers "html". Each is a function
#: (runs, out, *, overwrite) under this group.
GROUP = "tripletscope.exports"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, from where, to where."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="folder of a recorded run; html, zip and animations take a whole race"
    )
    others = sorted(point.name for point in entry_points(group=GROUP) if point.name not in KINDS)
    parser.add_argument(
        "--what",
        required=True,
        choices=(*KINDS, *others),
        help="picks: triplets; scalars: a row per step; html: a page that opens without a server; "
        "zip: the runs themselves, to send and to take in with `tripletscope runs --import`; gif, webm, mp4: the map "
        "over all frames as an animation",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help=".csv, .csv.gz, .parquet, .jsonl; frames also .npz; html .html; zip .zip; gif .gif, webm .webm, mp4 .mp4",
    )
    parser.add_argument("--strategy", metavar="NAME", help="picks of this strategy only (default: of all)")
    parser.add_argument("--steps", metavar="A:B", help="picks or animation of the steps A to B - 1 (default: all)")
    parser.add_argument("--raw", action="store_true", help="leave cells as they are that a spreadsheet would run")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    films.add_arguments(parser)


def read_steps(text: str | None) -> range | None:
    """The steps of `A:B`, as Python slices them; either end may be left out.

    Example:
        >>> read_steps("30:40")
        range(30, 40)
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or 0), int(last) if last else 2**31 - 1
    except ValueError:
        start, stop = 0, -1
    if not colon or start < 0 or stop <= start:
        raise SettingError(f"--steps is {text!r}, but it should be A:B with A below B, for example 30:40.")
    return range(start, stop)


def run(args: argparse.Namespace) -> int:
    """Writes the file; says on standard error what it wrote."""
    from tripletscope import export
    from tripletscope.store.reader import Run

    steps = read_steps(args.steps)
    film = args.what in films.KINDS
    if args.what != "picks" and (args.strategy or args.raw):
        raise SettingError(f"--strategy and --raw are for picks; leave them out with --what {args.what}.")
    if args.what != "picks" and not film and steps is not None:
        raise SettingError(f"--steps is for picks and animations; leave it out with --what {args.what}.")
    if film:
        return films.run(args, steps)
    if given := films.given(args):
        raise SettingError(f"{', '.join(given)}: for gif, webm and mp4 only; leave it out with --what {args.what}.")
    out = Path(args.out)
    if args.what not in KINDS:
        (point,) = (point for point in entry_points(group=GROUP) if point.name == args.what)
        point.load()([Run.open(run) for run in args.runs], out, overwrite=args.overwrite)
        print(f"wrote {out} ({out.stat().st_size:,} bytes)", file=sys.stderr)
        return 0
    if args.what == "zip":
        pack([Path(run) for run in args.runs], out, overwrite=args.overwrite)
        return 0
    if len(args.runs) > 1:
        raise SettingError(f"--what {args.what} is of one run, and {len(args.runs)} were named: export each by itself.")
    opened = Run.open(args.runs[0])
    if args.what == "picks":
        export.export_picks(opened, out, strategy=args.strategy, steps=steps, raw=args.raw, overwrite=args.overwrite)
    elif args.what == "scalars":
        export.export_scalars(opened, out, overwrite=args.overwrite)
    else:
        export.export_frames(opened, out, overwrite=args.overwrite)
    for note in opened.notes:
        print(f"the run is not whole: {note}", file=sys.stderr)
    rows = export.settings_of(out)["rows"]
    print(f"wrote {out} ({rows:,} rows, {out.stat().st_size:,} bytes)", file=sys.stderr)
    return 0


def pack(runs: list[Path], out: Path, *, overwrite: bool) -> None:
    """Nothing; the file is a zip of these runs, whole or not there.

    Raises:
        SettingError: the file exists, has another ending, or its folder does not exist.
        RunError: a folder is no run.
    """
    import os
    import tempfile

    from tripletscope.store import parcel

    if out.suffix.lower() != ".zip":
        raise SettingError(f"{out} is a zip: let --out end in .zip.")
    if out.exists() and not overwrite:
        raise SettingError(f"{out} exists: choose another name, or add --overwrite.")
    if not out.parent.is_dir():
        raise SettingError(f"There is no folder {out.parent}: make it first.")
    number, temporary = tempfile.mkstemp(dir=out.parent, prefix=".", suffix=".part")
    try:
        with open(number, "wb") as file:
            parcel.pack(runs, file)
        os.chmod(temporary, 0o644)
        os.replace(temporary, out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    print(f"wrote {out} ({out.stat().st_size:,} bytes)", file=sys.stderr)


command = Command(
    name="export",
    help="write the picks, scalars or frames of a run to a file, or the run as a page or an animation",
    example="tripletscope export runs/semi-hard --what picks --steps 30:40 --out triplets.csv\n"
    "  tripletscope export runs/random runs/semi-hard --what gif --out race.gif",
    add_arguments=add_arguments,
    run=run,
    order=40,
)
