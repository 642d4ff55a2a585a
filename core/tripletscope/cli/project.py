"""`tripletscope project`: makes the maps of a run ahead of time; the app runs the same command in the background."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tripletscope.cli.command import Command
from tripletscope.cli.progress import bar, say
from tripletscope.cli.serving import Teller, serving
from tripletscope.cli.train import Stop, stopping
from tripletscope.errors import SettingError, TripletscopeError

if TYPE_CHECKING:
    from tripletscope.analysis.maps import Kind, Map
    from tripletscope.store.reader import Run

ENDINGS = (".npz", ".parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, which map, and where to."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run; several are done one after the other")
    parser.add_argument(
        "--space",
        choices=("umap", "own"),
        default="umap",
        help="umap: laid out frame by frame, aligned through time; own: what the map that the run opens with keeps, "
        "and how far every sample truly moved (default: umap)",
    )
    parser.add_argument("--out", metavar="FILE", help="also write positions and numbers to a .npz or .parquet file")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE where it exists")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads for nearest neighbours (default: 1)"
    )
    parser.add_argument("--again", action="store_true", help="compute it even if it is kept from an earlier time")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--lines",
        action="store_true",
        help="for programs: progress as JSON lines on standard output; ends when standard input is closed",
    )


def run(args: argparse.Namespace) -> int:
    """Makes the maps; 0 when they are kept, 130 or 143 when it was interrupted, and then nothing of a map is."""
    if args.threads < 1:
        raise SettingError(f"--threads is {args.threads}, but it has to be 1 or more.")
    if args.out and len(args.runs) > 1:
        raise SettingError("--out takes one run: name one, or leave --out out.")
    out = Path(args.out) if args.out else None
    if out is not None and (out.suffix not in ENDINGS or not out.parent.is_dir()):
        raise SettingError(f"--out {out} cannot be written: name a .npz or .parquet file in a folder that exists.")
    if out is not None and out.exists() and not args.overwrite:
        raise SettingError(f"{out} exists already: choose another --out, or add --overwrite.")
    if args.lines:
        return _serve(args)
    with stopping() as stop:
        for path in args.runs:
            if not _make(Path(path), args, out, stop):
                return 128 + (stop.signal or 0)
    return 0


def _make(path: Path, args: argparse.Namespace, out: Path | None, stop: Stop) -> bool:
    """Whether the run's map is kept; False when it was interrupted."""
    from tripletscope.analysis.maps import keep_map, kept_map
    from tripletscope.analysis.work import CancelledError
    from tripletscope.store.reader import Run

    opened = Run.open(path)
    found = None if args.again else kept_map(opened, args.space)
    if found is None:
        began = time.monotonic()
        with bar(path.name, quiet=args.quiet) as progress:
            try:
                found = _compute(opened, args.space, args.threads, progress, stop)
            except CancelledError:
                say("interrupted; nothing of the map is kept")
                return False
        place = keep_map(opened, found)
        if not args.quiet:
            say(f"{found.badge}: {_numbers(found)}  {time.monotonic() - began:.1f} s  {place}")
    elif not args.quiet:
        say(f"{found.badge}: {_numbers(found)}  kept from an earlier time")
    if out is not None:
        write(opened, found, out)
        say(f"wrote {out} ({out.stat().st_size:,} bytes)")
    return True


def _compute(
    opened: Run, kind: Kind, threads: int, progress: Callable[[int, int], None], should_stop: Callable[[], bool]
) -> Map:
    """The map, with so many threads for the neighbours; the layout takes one, so that it comes out the same."""
    import faiss

    from tripletscope.analysis.maps import make_map

    faiss.omp_set_num_threads(threads)
    return make_map(opened, kind, progress=progress, should_stop=should_stop)


def _numbers(found: Map) -> str:
    """What the map keeps, over all frames."""
    import numpy as np

    known = np.isfinite(found.kept)
    if not known.any():
        return "nothing to measure"
    return (
        f"15 nearest kept {found.kept[known].mean():.0%}, trustworthiness {found.trust[known].mean():.3f} "
        f"({known.sum()} frames)"
    )


def write(opened: Run, found: Map, out: Path) -> None:
    """Nothing; the file holds the map: arrays by name (.npz), or one row per frame and sample (.parquet)."""
    import numpy as np

    from tripletscope.analysis.projection import project
    from tripletscope.store.layout import replace

    rows = np.asarray(opened.probe_rows)
    ids, labels = [opened.samples.id_of(int(row)) for row in rows], np.asarray(opened.samples.labels)[rows]
    positions = found.positions
    if positions is None:
        positions = project([np.asarray(opened.frames[step], np.float32) for step in found.steps]).positions
    if out.suffix == ".npz":
        import io

        content = io.BytesIO()
        arrays = {name: getattr(found, name) for name in ("kept", "trust", "moved", "stayed")}
        np.savez_compressed(
            content, steps=found.steps, ids=np.asarray(ids), labels=labels, positions=positions, **arrays
        )
        replace(out, content.getvalue())
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    frames, count = positions.shape[:2]
    flat = {"x": positions[..., 0], "y": positions[..., 1], "moved": found.moved, "stayed": found.stayed}
    table: dict[str, Any] = {
        "step": np.repeat(np.asarray(found.steps, np.int32), count),
        "id": ids * frames,
        "label": np.tile(labels, frames).astype(np.int32),
    }
    temporary = out.with_name(out.name + ".tmp")
    pq.write_table(pa.table(table | {name: values.ravel() for name, values in flat.items()}), temporary)
    os.replace(temporary, out)


# ---- for programs


def _serve(args: argparse.Namespace) -> int:
    """The same, told in JSON lines; gives way to everything else, and ends when nobody listens any more.

    {"run": PATH, "state": "running", "done": 3, "total": 90}, then "ready", or "failed" with a "message".
    """
    with serving() as (pipe, stop):
        failed = False
        for path in args.runs:
            teller = Teller(pipe, run=path)
            try:
                state = _make_told(Path(path), args, stop, teller)
            except TripletscopeError as refusal:
                state, failed = teller.tell("failed", message=str(refusal)), True
            except (MemoryError, OSError) as problem:
                state, failed = teller.tell("failed", message=f"the map could not be computed ({problem})"), True
            if state == "cancelled":
                return 128 + (stop.signal or 0)
    return 1 if failed else 0


def _make_told(path: Path, args: argparse.Namespace, stop: Stop, teller: Teller) -> str:
    from tripletscope.analysis.maps import keep_map, kept_map
    from tripletscope.analysis.work import CancelledError
    from tripletscope.store.reader import Run

    opened = Run.open(path)
    if args.again or kept_map(opened, args.space) is None:
        teller.tell("running", done=0, total=0)
        try:
            found = _compute(opened, args.space, args.threads, teller.progress, stop)
            if stop():
                raise CancelledError
        except CancelledError:
            return teller.tell("cancelled")
        keep_map(opened, found)
    return teller.tell("ready")


command = Command(
    name="project",
    help="make the map of a run: UMAP aligned through time, with its fidelity",
    example="tripletscope project runs/faces --space umap --out positions.parquet",
    add_arguments=add_arguments,
    run=run,
    order=45,
)
