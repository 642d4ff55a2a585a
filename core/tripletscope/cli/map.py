"""`tripletscope map`: where each row of a set lies on a map, ahead of time; the app runs the same command."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tripletscope.cli.command import Command
from tripletscope.cli.progress import say
from tripletscope.cli.source import add_source, open_source
from tripletscope.cli.train import Stop, end_with, stopping
from tripletscope.errors import DataError, SettingError, TripletscopeError, UnknownNameError

if TYPE_CHECKING:
    from tripletscope.analysis.set_map import SetMap
    from tripletscope.embeddings.embedding_set import EmbeddingSet

ENDINGS = (".csv", ".npz", ".parquet")
DISTANCES = ("cosine", "euclidean", "squared-euclidean")
#: Of the bar: what the layout takes, and what measuring it takes.
LAYING = 0.95


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, which map, and where to."""
    add_source(parser)
    parser.add_argument(
        "--space",
        choices=("pca", "umap", "own"),
        default="umap",
        help="umap: a sketch of who is near whom; pca: two straight axes; own: the file's x and y, measured "
        "(default: umap)",
    )
    parser.add_argument(
        "--distance", default="cosine", metavar="NAME", help="cosine (default), euclidean or squared-euclidean"
    )
    parser.add_argument("--out", metavar="FILE", help="where every row lies: .csv, .parquet or .npz")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE where it exists")
    parser.add_argument("--most", type=int, metavar="N", help="umap: of larger sets lay N rows out (default: 200,000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that draw, and of umap (default: 0)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for the neighbours (default: 1)")
    parser.add_argument("--again", action="store_true", help="compute it even if it is kept from an earlier time")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--lines",
        action="store_true",
        help="for programs: progress as JSON lines on standard output; ends when standard input is closed",
    )


def run(args: argparse.Namespace) -> int:
    """Makes the map; 0 when it is kept, 128 + n when signal n interrupted it, and then nothing of it is."""
    out = _checked(args)
    if args.lines:
        return _serve(args)
    from tripletscope.analysis.work import CancelledError

    given = open_source(args)
    began = time.monotonic()
    with stopping() as stop, _bar(given.name, quiet=args.quiet) as progress:
        try:
            found = _made(given, args, progress, stop)
        except CancelledError:
            say("interrupted; nothing of the map is kept")
            return 128 + (stop.signal or 0)
    if not args.quiet:
        say(f"{sentence(found, len(given))}  {time.monotonic() - began:.1f} s")
    if out is not None:
        write(given, found, out)
        say(f"wrote {out} ({out.stat().st_size:,} bytes)")
    return 0


def _checked(args: argparse.Namespace) -> Path | None:
    for name, least in (("threads", 1), ("most", 100), ("seed", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise SettingError(f"--{name} is {value}, but it has to be {least} or more.")
    if args.distance not in DISTANCES:
        raise UnknownNameError("distance", args.distance, DISTANCES)
    out = Path(args.out) if args.out else None
    if out is not None and (out.suffix not in ENDINGS or not out.parent.is_dir()):
        raise SettingError(
            f"--out {out} cannot be written: name a .csv, .parquet or .npz file in a folder that exists."
        )
    if out is not None and out.exists() and not args.overwrite:
        raise SettingError(f"{out} exists already: choose another --out, or add --overwrite.")
    return out


def _made(given: EmbeddingSet, args: argparse.Namespace, progress: Callable[[int, int], None], stop: Stop) -> SetMap:
    """The map, kept from an earlier time or made now, and measured."""
    from tripletscope.analysis.set_map import LAID_OUT, content_digest, find_map, keep_map, make_map, measured_map

    asked: dict[str, Any] = {"distance": args.distance, "seed": args.seed}
    laid = {**asked, "most": args.most or LAID_OUT}
    if args.space == "own" and given.positions is None:
        raise DataError(f"{given.name} has no columns x and y: choose --space pca or umap.")
    digest = content_digest(given.vectors)
    # The file's own places may be others while the vectors are the same.
    found = None if args.again or args.space == "own" else find_map(digest, args.space, **laid)
    if found is None or not found.measured:
        whole = 1000
        if found is None:
            found = make_map(
                given.vectors,
                args.space,
                **laid,
                own=given.positions,
                threads=args.threads,
                progress=lambda done, total: progress(round(whole * LAYING * done / max(total, 1)), whole),
                should_stop=stop,
            )
        found = measured_map(
            found,
            given.vectors,
            **asked,
            progress=lambda done, total: progress(round(whole * (LAYING + (1 - LAYING) * done / total)), whole),
            should_stop=stop,
        )
        if args.space != "own":
            keep_map(digest, found, **laid, asked=args.space)
    return found


def sentence(found: SetMap, rows: int) -> str:
    """What the map is and keeps, for a person."""
    import math

    of = "" if found.on_map.all() else f" of {int(found.on_map.sum()):,} of {rows:,} rows"
    trust = "" if math.isnan(found.trust) else f", trustworthiness {found.trust:.3f}, on {found.measured:,} rows"
    share = "" if found.space != "pca" or math.isnan(found.kept) else f", 15-NN kept {found.kept:.0%}"
    recall = "" if found.recall >= 1 else f", from neighbours found with recall {found.recall:.3f}"
    return f"{found.badge}{share}{of}{trust}{recall}"


def write(given: EmbeddingSet, found: SetMap, out: Path) -> None:
    """Nothing; the file has one row for each row of the set: id, label, x, y (empty where it is not on the map).

    Of a .npz these are arrays, with the numbers of the map beside them.
    """
    import io

    import numpy as np

    from tripletscope.store.layout import replace

    labels = [given.class_of(row) for row in range(len(given))]
    if out.suffix == ".npz":
        content = io.BytesIO()
        # Texts as plain unicode, so that the file opens without pickles.
        arrays: dict[str, Any] = {
            "ids": np.asarray(given.ids.tolist()),
            "labels": np.array([name or "" for name in labels], dtype=str),
            "positions": found.positions,
        }
        arrays |= {name: getattr(found, name) for name in ("explained", "kept", "trust", "measured")}
        np.savez_compressed(content, **arrays)
        replace(out, content.getvalue())
        return
    import pyarrow as pa

    columns = {
        "id": pa.array(given.ids.tolist()),
        "label": pa.array(labels, pa.string()),
        "x": pa.array(found.positions[:, 0], mask=~found.on_map),
        "y": pa.array(found.positions[:, 1], mask=~found.on_map),
    }
    temporary = out.with_name(out.name + ".tmp")
    try:
        if out.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(pa.table(columns), temporary)
        else:
            import pyarrow.csv as pc

            pc.write_csv(pa.table(columns), temporary)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _bar(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, and nothing in a log."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console
    from rich.markup import escape

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TaskProgressColumn())
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(name), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _serve(args: argparse.Namespace) -> int:
    """The same, told in JSON lines; gives way to everything else, and ends when nobody listens any more.

    {"state": "running", "done": 3, "total": 90}, then "ready", "cancelled", or "failed" with a "message".
    """
    if hasattr(os, "nice"):
        os.nice(5)  # whoever watches the page goes first
    # What libraries print must not mix with our lines: keep the pipe for ourselves, and send prints to stderr.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    last = 0.0

    def tell(state: str, **more: Any) -> None:
        try:
            pipe.write(json.dumps({"state": state, **more}) + "\n")
            pipe.flush()
        except OSError:  # nobody listens any more: standard input is closed too, and that ends the work
            pass

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 0.1:
            last = time.monotonic()
            tell("running", done=done, total=total)

    from tripletscope.analysis.work import CancelledError

    with stopping() as stop:
        threading.Thread(target=end_with, args=(sys.stdin, stop), daemon=True).start()
        try:
            tell("running", done=0, total=0)
            _made(open_source(args), args, progress, stop)
            if stop():
                raise CancelledError
        except CancelledError:
            tell("cancelled")
            return 128 + (stop.signal or 0)
        except TripletscopeError as refusal:
            tell("failed", message=str(refusal))
            return 1
        except (MemoryError, OSError) as problem:
            tell("failed", message=f"The map could not be computed ({problem}).")
            return 1
        tell("ready")
    return 0


command = Command(
    name="map",
    help="draw a set of embeddings on a map: UMAP or PCA, with what it keeps",
    example="tripletscope map vectors.npy --metadata rows.csv --space umap --out places.csv",
    add_arguments=add_arguments,
    run=run,
    order=39,
)
