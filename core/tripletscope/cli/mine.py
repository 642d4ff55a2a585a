"""`tripletscope mine`: hard triplets of a file of embeddings, as a table that a trainer reads."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tripletscope.cli.command import Command
from tripletscope.cli.progress import say
from tripletscope.cli.source import add_keep_finding, add_source, mapping_of, open_source, rows_of
from tripletscope.cli.train import end_with, stopping
from tripletscope.errors import DataError, SettingError, TripletscopeError

if TYPE_CHECKING:
    import numpy as np

    from tripletscope.embeddings.embedding_set import EmbeddingSet
    from tripletscope.inspection.looked import Looked
    from tripletscope.mining.whole_set import Mined

FORMS = ("triplets", "sentence-transformers", "index")
FLAGGED = ("exclude", "keep", "ignore")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From which file, by which rules, to where."""
    add_source(parser)
    parser.add_argument(
        "--pairs", metavar="FILE", help="without labels: a table with the columns anchor and positive (ids)"
    )
    parser.add_argument(
        "--duplicates-as-pairs",
        action="store_true",
        help="without labels: rows that are all but the same are anchor and positive of each other",
    )
    parser.add_argument("--strategy", default="semi-hard", metavar="NAME", help="how to pick (default: semi-hard)")
    parser.add_argument("--margin", type=float, default=0.2, metavar="M", help="above 0 (default: 0.2)")
    parser.add_argument("--distance", default="cosine", metavar="NAME", help="cosine, euclidean or squared-euclidean")
    parser.add_argument("--positives-per-anchor", default=None, metavar="N", help="a number or all (default: 1)")
    parser.add_argument("--negatives-per-anchor", type=int, default=1, metavar="N", help="per positive (default: 1)")
    parser.add_argument("--skip", type=int, metavar="N", help="nearest negatives that top-n-window skips (default: 10)")
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="NAME[=X]",
        help="against false negatives: topk-abs, margin-pos or perc-pos; may be given more than once",
    )
    parser.add_argument(
        "--flagged",
        choices=FLAGGED,
        default="exclude",
        help="rows that `tripletscope inspect` would leave out, such as likely wrong labels: exclude them (default), "
        "keep them with their flags, or ignore: do not look",
    )
    parser.add_argument(
        "--findings", metavar="FILE", help="what `tripletscope inspect --out x.json` found, so that nobody looks twice"
    )
    add_keep_finding(parser)
    parser.add_argument("--exclude", metavar="FILE", help="text file of further ids that take no part, one a line")
    parser.add_argument("--cap-per-negative", type=int, metavar="N", help="at most N triplets with one negative")
    parser.add_argument("--cap-per-pair", type=int, metavar="N", help="at most N triplets of one class against another")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: 0)")
    parser.add_argument("--out", required=True, metavar="FILE", help=".csv, .csv.gz, .parquet or .jsonl")
    parser.add_argument("--format", choices=FORMS, default="triplets", help="columns of the file (default: triplets)")
    parser.add_argument("--scores", action="store_true", help="similarities too, with --format sentence-transformers")
    parser.add_argument("--raw", action="store_true", help="leave cells as they are that a spreadsheet would run")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--search",
        choices=("auto", "exact", "approximate"),
        default="auto",
        help="compare every anchor with every row, or with the part of the set around it, the recall of which is "
        "measured (default: auto, exact up to 200,000 rows)",
    )
    parser.add_argument("--exact-up-to", type=int, metavar="N", help="rows that --search auto searches exactly")
    parser.add_argument(
        "--engine",
        choices=("local", "dask"),
        default="local",
        help="who searches: this machine (default), or the workers of a Dask cluster, exactly",
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of the Dask cluster, such as tcp://10.0.0.5:8786")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="searching at once (default: 1)")
    parser.add_argument("--json", action="store_true", help="print what settings.json says")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--lines",
        action="store_true",
        help="for programs: progress as JSON lines on standard output; ends when standard input is closed",
    )
    parser.add_argument("--keep-mined", metavar="FOLDER", help="for programs: keep what was mined, for other forms")


def run(args: argparse.Namespace) -> int:
    """Writes the file; 0 when it is there. Ctrl-C leaves nothing half-written."""
    if args.lines:
        return serve(args)
    tell: Callable[[str], None] = (lambda line: None) if args.quiet else say
    with contextlib.ExitStack() as shown:

        def stage(name: str) -> Callable[[int, int], None]:
            shown.close()  # what is said between two stages must not run into a bar
            return shown.enter_context(_bar(name, quiet=args.quiet or name in ("reading", "looking", "writing")))

        out, rows = write(args, tell, stage)
    tell(f"wrote {out} ({rows:,} triplets, {out.stat().st_size:,} bytes)")
    if args.json:
        from tripletscope import export

        print(json.dumps(export.settings_of(out), indent=2, ensure_ascii=False))
    return 0


def write(
    args: argparse.Namespace, tell: Callable[[str], None], stage: Callable[[str], Callable[[int, int], None]]
) -> tuple[Path, int]:
    """The file and how many triplets stand in it.

    Args:
        args: of the command line.
        tell: called with a sentence, such as a note.
        stage: called with "reading", "looking", "mining" and "writing" as each begins, and within an approximate search
            with what it does; gives how far it is told.

    Raises:
        TripletscopeError: whatever a person can mend.
    """
    import numpy as np

    from tripletscope import export
    from tripletscope.cli import mined_files
    from tripletscope.mining import pairs, picks
    from tripletscope.mining.whole_set import digest_of

    # What is refused for its options alone is refused before a big file is read.
    out, _ = export.place_of(args.out, overwrite=args.overwrite)
    picks.get(args.strategy)
    filters, per_anchor = read_filters(args.filter), read_count(args.positives_per_anchor)
    _check(args)
    given = pairs.read_pairs(args.pairs) if args.pairs else None

    stage("reading")
    opened = open_source(args)
    for note in opened.notes:
        tell(f"note: {note}")
    if opened.dropped:
        tell(
            f"note: {len(opened.dropped):,} rows of {opened.name} were left out: "
            f"row {opened.dropped[0].row} {opened.dropped[0].reason}{', ...' if len(opened.dropped) > 1 else ''}."
        )
    mined_files.check_form(
        args.format,
        scores=args.scores,
        distance=args.distance,
        has_texts=opened.texts is not None,
        name=opened.name,
    )
    notes = list(opened.notes)
    exclude = read_excluded(Path(args.exclude), opened) if args.exclude else None
    if args.duplicates_as_pairs:
        from tripletscope.inspection.looked import duplicate_pairs

        stage("looking")
        same = duplicate_pairs(opened, distance=args.distance, seed=args.seed)
        given = same.pairs
        notes.append(same.note)
        tell(f"note: {same.note}")
    classes = _classes(opened, paired=given is not None and args.label is None)
    if classes is None and given is None:
        raise DataError(f"{opened.name} has no labels: name their column with --label, or give --pairs.")
    looked = None
    if args.flagged != "ignore" and classes is not None:
        stage("looking")
        looked = look(opened, args.distance, args.seed, keep=args.keep_finding, findings=args.findings)
        notes.append(looked.note)
        tell(f"note: {looked.note}")
        if args.flagged == "exclude":
            exclude = np.union1d(looked.rows, [] if exclude is None else exclude).astype(np.int64)
    options: dict[str, Any] = {} if args.skip is None else {"skip": args.skip}
    mined = _mine(opened, classes, given, exclude, filters, per_anchor, options, args, tell, stage)
    stage("writing")
    for note in mined.notes:
        tell(f"note: {note}")
    found = mined_files.Kept(
        mined,
        {
            "input": Path(args.embeddings).name,
            "metadata": Path(args.metadata).name if args.metadata else None,
            "input_digest": digest_of(opened.vectors, classes, opened.ids),
            "mapping": mapping_of(args),
            "standardise": args.standardise,
            "flagged": "ignore" if looked is None else args.flagged,
            "flagged_rows": None if looked is None else len(looked.rows),
            "kept_findings": [] if looked is None else list(looked.kept),
            "excluded": 0 if exclude is None else len(exclude),
        },
        (*notes, *mined.notes),
        None if looked is None else {row: names for row, names in enumerate(looked.flags) if names},
    )
    mined_files.write_form(
        found, opened, out, form=args.format, scores=args.scores, raw=args.raw, overwrite=args.overwrite
    )
    if args.keep_mined:
        mined_files.keep(found, Path(args.keep_mined))
    return out, len(mined)


def _check(args: argparse.Namespace) -> None:
    """Nothing, if these options go together.

    Raises:
        SettingError: saying which do not.
    """
    if args.engine == "dask" and not args.scheduler:
        raise SettingError(
            "--engine dask needs --scheduler: start one with `dask scheduler`, and give the address it prints."
        )
    if args.engine == "dask" and args.search == "approximate":
        raise SettingError("--engine dask searches exactly: leave --search approximate out, or leave --engine out.")
    if args.scheduler and args.engine != "dask":
        raise SettingError("--scheduler is for --engine dask; leave it out with the local engine.")
    if args.exact_up_to is not None and args.search != "auto":
        raise SettingError(f"--exact-up-to is for --search auto; leave it out with {args.search}.")
    if args.exact_up_to is not None and args.exact_up_to < 0:
        raise SettingError(f"--exact-up-to is {args.exact_up_to}, but it has to be 0 or more.")
    if args.threads < 1:
        raise SettingError(f"--threads is {args.threads}, but it has to be 1 or more.")
    if args.skip is not None and args.strategy != "top-n-window":
        raise SettingError(f"--skip is for --strategy top-n-window; leave it out with {args.strategy}.")
    if args.scores and args.format != "sentence-transformers":
        raise SettingError(f"--scores is for --format sentence-transformers; leave it out with {args.format}.")
    if args.duplicates_as_pairs and args.pairs:
        raise SettingError("--pairs and --duplicates-as-pairs both say which rows belong together: give one of them.")
    if args.duplicates_as_pairs and args.label is not None:
        raise SettingError("--duplicates-as-pairs is for a set without labels: leave it out, or leave --label out.")
    for option, value in (("--findings", args.findings), ("--keep-finding", args.keep_finding)):
        if value and args.flagged == "ignore":
            raise SettingError(f"{option} says something of the findings, and --flagged ignore looks at none.")


def look(
    opened: EmbeddingSet,
    distance: str,
    seed: int,
    *,
    keep: Sequence[str] = (),
    findings: str | None = None,
) -> Looked:
    """The findings over a set, by row. Of a large set only a sample is looked at, and the note says so.

    Args:
        opened: the set.
        distance: by name.
        seed: of the sample.
        keep: checks whose rows stay in.
        findings: a file of `tripletscope inspect`, instead of looking now.
    """
    from tripletscope.inspection import inspect_set
    from tripletscope.inspection.looked import looked, read_findings

    told = (
        inspect_set(opened, distance=distance, seed=seed).to_dict()
        if findings is None
        else read_findings(findings, opened, distance)
    )
    return looked(opened, told, keep=keep)


def read_filters(given: list[str]) -> dict[str, float | None]:
    """The filters of `NAME` and `NAME=X`.

    Example:
        >>> read_filters(["perc-pos=0.9", "topk-abs"])
        {'perc-pos': 0.9, 'topk-abs': None}
    """
    from tripletscope.mining import filters

    found: dict[str, float | None] = {}
    for text in given:
        name, equals, number = text.partition("=")
        filters.get(name)
        try:
            found[name] = float(number) if equals else None
        except ValueError:
            raise SettingError(f"--filter {text!r} has no number after '='; say for example {name}=0.9.") from None
    return found


def read_count(text: str | None) -> int | Literal["all"] | None:
    """The number of `--positives-per-anchor`.

    Example:
        >>> read_count("all"), read_count("3"), read_count(None)
        ('all', 3, None)
    """
    if text is None:
        return None
    if text == "all":
        return "all"
    try:
        return int(text)
    except ValueError:
        raise SettingError(
            f"--positives-per-anchor is {text!r}; it must be a whole number from 1 on, or all."
        ) from None


def read_excluded(path: Path, opened: EmbeddingSet) -> np.ndarray:
    """Rows whose ids stand in the file, one a line.

    Raises:
        DataError: there is no such file, or an id that no row has.
    """
    import numpy as np

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{str(path)!r} cannot be read as a list of ids, one a line ({problem}).") from problem
    place = {str(one): row for row, one in enumerate(opened.ids.tolist())}
    wanted = [line for line in lines if line]
    for number, line in enumerate(lines, start=1):
        if line and line not in place:
            raise DataError(f"Line {number} of {path.name!r} names the id {line!r}, which no row of {opened.name} has.")
    return np.unique(np.array([place[line] for line in wanted], dtype=np.int64))


def _classes(opened: EmbeddingSet, *, paired: bool) -> np.ndarray | None:
    """Numbers of the classes; None where pairs say who belongs together, or no row has a label."""
    return None if paired or not (opened.labels >= 0).any() else opened.labels


def _mine(
    opened: EmbeddingSet,
    classes: np.ndarray | None,
    given: list[tuple[str, str]] | None,
    exclude: np.ndarray | None,
    filters: dict[str, float | None],
    per_anchor: int | Literal["all"] | None,
    options: dict[str, Any],
    args: argparse.Namespace,
    tell: Callable[[str], None],
    stage: Callable[[str], Callable[[int, int], None]],
) -> Mined:
    from tripletscope.mining.pairs import count_pairs
    from tripletscope.mining.whole_set import mine_rows

    if per_anchor == "all" and classes is not None:
        pairs = count_pairs(classes[classes >= 0], "all")
        tell(f"all positives: {pairs:,} pairs, up to {pairs * args.negatives_per_anchor:,} triplets")
    if args.strategy != "random" and args.engine == "local":
        _say_how_long(opened, args, tell)
    told = stage("mining")

    def progress(done: int, total: int) -> None:
        told(done, total)

    def on_stage(name: str) -> None:
        nonlocal told
        told = stage(name)

    with contextlib.ExitStack() as open_until_done:
        searcher = None
        if args.engine == "dask":
            from tripletscope.mining.cluster import connected

            searcher = open_until_done.enter_context(connected(args.scheduler, rows_of(args)))
        return mine_rows(
            opened.vectors,
            classes,
            opened.ids,
            searcher=searcher,
            strategy=args.strategy,
            margin=args.margin,
            distance=args.distance,
            positives_per_anchor=per_anchor,
            negatives_per_anchor=args.negatives_per_anchor,
            cap_per_negative=args.cap_per_negative,
            cap_per_pair=args.cap_per_pair,
            exclude=exclude,
            filters=filters,
            pairs=given,
            seed=args.seed,
            threads=args.threads,
            search=args.search,
            exact_up_to=args.exact_up_to,
            progress=progress,
            on_stage=on_stage,
            **options,
        )


def _say_how_long(opened: EmbeddingSet, args: argparse.Namespace, tell: Callable[[str], None]) -> None:
    """Nothing; of a set that is large, or where asked to be approximate, the time is told before it is spent."""
    from tripletscope.mining.whole_set import estimated_at_most, estimated_seconds, is_approximate

    rows, roughly = len(opened), is_approximate(len(opened), args.search, args.exact_up_to)
    if not roughly and not is_approximate(rows, "auto", None):
        return
    exact = spoken(estimated_seconds(rows, rows, opened.dim) / args.threads)
    if roughly:
        most = spoken(estimated_at_most(rows, opened.dim) / args.threads)
        tell(
            f"an approximate search over {rows:,} rows takes {most} at the most here; an exact one takes about {exact} "
            "(--search exact)"
        )
    else:
        tell(f"an exact search over {rows:,} rows takes about {exact} here")


def spoken(seconds: float) -> str:
    """A duration as people say it.

    Example:
        >>> spoken(42.0), spoken(600.0), spoken(9000.0)
        ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@contextmanager
def _bar(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on a terminal, a line every ten seconds in a log."""
    if quiet:
        yield lambda done, total: None
        return
    if not sys.stderr.isatty():
        began = last = time.monotonic()

        def line(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= 10 and done:
                last = time.monotonic()
                say(f"{name}: {done / total:.0%} of the anchors  {spoken((last - began) * (total - done) / done)} left")

        yield line
        return
    from rich import progress
    from rich.console import Console

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TaskProgressColumn())
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# ---- for programs


def serve(args: argparse.Namespace) -> int:
    """The same, told in JSON lines; gives way to everything else, and ends when nobody listens any more.

    {"state": "running", "stage": "mining", "done": 3, "total": 90} and {"note": SENTENCE}, at the end
    {"state": "ready", "out": PATH, "rows": N, "bytes": N}, or "failed" with a "message", or "cancelled".
    """
    if hasattr(os, "nice"):
        os.nice(5)  # whoever watches the page goes first
    # What libraries print must not mix with our lines: keep the pipe for ourselves, and send prints to stderr.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    last = 0.0

    def say_line(**told: Any) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: standard input is closed too, and that ends it
            pipe.write(json.dumps(told) + "\n")
            pipe.flush()

    with stopping() as stop:
        threading.Thread(target=end_with, args=(sys.stdin, stop), daemon=True).start()

        def stage(name: str) -> Callable[[int, int], None]:
            if stop():
                raise KeyboardInterrupt
            say_line(state="running", stage=name, done=0, total=0)

            def progress(done: int, total: int) -> None:
                nonlocal last
                if stop():
                    raise KeyboardInterrupt
                if time.monotonic() - last >= 0.1:
                    last = time.monotonic()
                    say_line(state="running", stage=name, done=int(done), total=int(total))

            return progress

        try:
            out, rows = write(args, lambda line: say_line(note=line), stage)
        except KeyboardInterrupt:
            say_line(state="cancelled")
            return 128 + (stop.signal or 2)
        except TripletscopeError as refusal:
            say_line(state="failed", message=str(refusal))
            return 2
        except MemoryError:
            say_line(
                state="failed", message="There is not enough memory for this: ask for fewer positives or negatives."
            )
            return 1
        except OSError as problem:
            say_line(state="failed", message=f"The file could not be read or written ({problem.strerror or problem}).")
            return 1
        say_line(state="ready", out=str(out), rows=rows, bytes=out.stat().st_size)
    return 0


command = Command(
    name="mine",
    help="mine triplets from a file of embeddings with labels or pairs",
    example="tripletscope mine embeddings.parquet --label intent --strategy semi-hard --margin 0.2 --out triplets.csv",
    add_arguments=add_arguments,
    run=run,
    order=50,
)
