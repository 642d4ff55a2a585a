"""`tripletscope export --what gif|webm|mp4`: the map over all frames as an animation."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tripletscope.cli.progress import bar, say
from tripletscope.cli.serving import Teller, serving
from tripletscope.cli.train import stopping
from tripletscope.errors import TripletscopeError

if TYPE_CHECKING:
    from tripletscope.film import Film

KINDS = ("gif", "webm", "mp4")
#: The options of an animation. Their defaults are those of `film.Film`, so that a given one can be told.
OPTIONS = ("theme", "anchor", "positive", "space", "width", "fps", "seconds", "hold")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How an animation looks."""
    film = parser.add_argument_group("animation (gif; webm and mp4 need the extra 'tripletscope[video]')")
    film.add_argument("--theme", choices=("light", "dark"), help="of the page (default: light)")
    film.add_argument("--anchor", type=int, metavar="ROW", help="row of the sample (default: as the Watch page opens)")
    film.add_argument("--positive", type=int, metavar="ROW", help="row of its positive (default: likewise)")
    film.add_argument(
        "--space",
        choices=("own", "umap"),
        help="own: the plane itself, or the fixed PCA of more dimensions; umap: what `tripletscope project` has made "
        "(default: own)",
    )
    film.add_argument("--width", type=int, metavar="PIXELS", help="of the pictures (default: 960)")
    film.add_argument("--fps", type=int, metavar="N", help="pictures a second (default: 12)")
    film.add_argument("--seconds", type=float, metavar="S", help="about how long it moves (default: 8)")
    film.add_argument("--hold", type=float, metavar="S", help="how long the last picture stands (default: 2)")
    film.add_argument("--quiet", action="store_true", help="no progress")
    film.add_argument(
        "--lines",
        action="store_true",
        help="for programs: progress as JSON lines on standard output; ends when standard input is closed",
    )


def given(args: argparse.Namespace) -> list[str]:
    """The options of an animation that somebody has set."""
    flags = [name for name in ("quiet", "lines") if getattr(args, name)]
    return [f"--{name}" for name in OPTIONS if getattr(args, name) is not None] + [f"--{name}" for name in flags]


def run(args: argparse.Namespace, steps: range | None) -> int:
    """Makes the file; 0 when it is there, 130 or 143 when it was interrupted, and then nothing of it is."""
    from tripletscope.analysis.work import CancelledError
    from tripletscope.film import Film, make_film
    from tripletscope.store.reader import Run

    settings = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    film, out = Film(args.what, steps=steps, **settings), Path(args.out)
    film.check(len(args.runs))
    if args.lines:
        return _serve(args, film, out)
    began = time.monotonic()
    with stopping() as stop:
        runs = [Run.open(path) for path in args.runs]
        try:
            with bar(out.name, quiet=args.quiet) as progress:
                make_film(runs, out, film, overwrite=args.overwrite, progress=progress, should_stop=stop)
        except CancelledError:
            say("interrupted; nothing of the animation is kept")
            return 128 + (stop.signal or 0)
    for opened in runs:
        for note in opened.notes:
            say(f"{opened.name} is not whole: {note}")
    say(f"wrote {out} ({out.stat().st_size:,} bytes, {time.monotonic() - began:.1f} s)")
    return 0


def _serve(args: argparse.Namespace, film: Film, out: Path) -> int:
    """The same, told in JSON lines: {"state": "running", "done": 3, "total": 90}, then "ready" or "failed"."""
    from tripletscope.analysis.work import CancelledError
    from tripletscope.film import make_film
    from tripletscope.store.reader import Run

    with serving() as (pipe, stop):
        teller = Teller(pipe)
        teller.tell("running", done=0, total=0)
        try:
            runs = [Run.open(path) for path in args.runs]
            make_film(runs, out, film, overwrite=args.overwrite, progress=teller.progress, should_stop=stop)
        except CancelledError:
            teller.tell("cancelled")
            return 128 + (stop.signal or 0)
        except TripletscopeError as refusal:
            teller.tell("failed", message=str(refusal))
            return 1
        except (MemoryError, OSError) as problem:
            teller.tell("failed", message=f"the animation could not be made ({problem})")
            return 1
        teller.tell("ready")
    return 0
