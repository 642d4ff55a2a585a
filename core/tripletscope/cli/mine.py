"""`tripletscope mine`: hard triplets of a file of embeddings, as a table that a trainer reads."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tripletscope.cli.command import Command
from tripletscope.cli.progress import say
from tripletscope.cli.source import add_source, mapping_of, open_source
from tripletscope.errors import DataError, SettingError

if TYPE_CHECKING:
    import numpy as np

    from tripletscope.embeddings.embedding_set import EmbeddingSet
    from tripletscope.mining.whole_set import Mined

FORMS = ("triplets", "sentence-transformers", "index")
FLAGGED = ("exclude", "keep", "ignore")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From which file, by which rules, to where."""
    add_source(parser)
    parser.add_argument(
        "--pairs", metavar="FILE", help="without labels: a table with the columns anchor and positive (ids)"
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
    parser.add_argument("--exclude", metavar="FILE", help="text file of further ids that take no part, one a line")
    parser.add_argument("--cap-per-negative", type=int, metavar="N", help="at most N triplets with one negative")
    parser.add_argument("--cap-per-pair", type=int, metavar="N", help="at most N triplets of one class against another")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: 0)")
    parser.add_argument("--out", required=True, metavar="FILE", help=".csv, .csv.gz, .parquet or .jsonl")
    parser.add_argument("--format", choices=FORMS, default="triplets", help="columns of the file (default: triplets)")
    parser.add_argument("--scores", action="store_true", help="similarities too, with --format sentence-transformers")
    parser.add_argument("--raw", action="store_true", help="leave cells as they are that a spreadsheet would run")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="searching at once (default: 1)")
    parser.add_argument("--json", action="store_true", help="print what settings.json says")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Writes the file; 0 when it is there. Ctrl-C leaves nothing half-written."""
    import numpy as np

    from tripletscope import export
    from tripletscope.mining import forms, pairs, picks
    from tripletscope.mining.whole_set import digest_of

    # What is refused for its options alone is refused before a big file is read.
    out, _ = export.place_of(args.out, overwrite=args.overwrite)
    picks.get(args.strategy)
    filters, per_anchor = read_filters(args.filter), read_count(args.positives_per_anchor)
    if args.threads < 1:
        raise SettingError(f"--threads is {args.threads}, but it has to be 1 or more.")
    if args.skip is not None and args.strategy != "top-n-window":
        raise SettingError(f"--skip is for --strategy top-n-window; leave it out with {args.strategy}.")
    if args.scores and args.format != "sentence-transformers":
        raise SettingError(f"--scores is for --format sentence-transformers; leave it out with {args.format}.")
    given = pairs.read_pairs(args.pairs) if args.pairs else None

    opened = open_source(args)
    tell: Callable[[str], None] = (lambda line: None) if args.quiet else say
    for note in opened.notes:
        tell(f"note: {note}")
    if opened.dropped:
        tell(
            f"note: {len(opened.dropped):,} rows of {opened.name} were left out: "
            f"row {opened.dropped[0].row} {opened.dropped[0].reason}{', ...' if len(opened.dropped) > 1 else ''}."
        )
    classes = _classes(opened, paired=given is not None and args.label is None)
    if classes is None and given is None:
        raise DataError(f"{opened.name} has no labels: name their column with --label, or give --pairs.")
    if args.format == "sentence-transformers" and opened.texts is None:
        raise DataError(
            f"{opened.name} has no texts, which sentence-transformers trains on: name their column with --text."
        )
    exclude = read_excluded(Path(args.exclude), opened) if args.exclude else None
    looked = None if args.flagged == "ignore" or classes is None else look(opened, args.distance, args.seed)
    if looked is not None:
        tell(f"note: {looked.note}")
        if args.flagged == "exclude":
            exclude = np.union1d(looked.rows, [] if exclude is None else exclude).astype(np.int64)
    options: dict[str, Any] = {} if args.skip is None else {"skip": args.skip}
    mined = _mine(opened, classes, given, exclude, filters, per_anchor, options, args, tell)
    for note in mined.notes:
        tell(f"note: {note}")
    if args.format == "index":
        table = forms.index(mined)
    elif args.format == "sentence-transformers":
        table = forms.sentence_transformers(mined, opened.texts, scores=args.scores)
    else:
        flags = None if looked is None else looked.flags
        table = forms.triplets(mined, opened.ids, _labels(opened), texts=opened.texts, flags=flags)
    settings = {
        "what": "mined",
        "form": args.format,
        "input": Path(args.embeddings).name,
        "metadata": Path(args.metadata).name if args.metadata else None,
        "input_digest": digest_of(opened.vectors, classes, opened.ids),
        "mapping": mapping_of(args),
        **mined.settings,
        "flagged": "ignore" if looked is None else args.flagged,
        "flagged_rows": None if looked is None else len(looked.rows),
        "excluded": 0 if exclude is None else len(exclude),
        "notes": [*opened.notes, *([] if looked is None else [looked.note]), *mined.notes],
    }
    # The other forms are read by trainers, not by spreadsheets: they are verbatim.
    raw = args.raw or args.format != "triplets"
    export.export_table(table, out, settings=settings, raw=raw, overwrite=args.overwrite)
    tell(f"wrote {out} ({len(mined):,} triplets, {out.stat().st_size:,} bytes)")
    if args.json:
        print(json.dumps(export.settings_of(out), indent=2, ensure_ascii=False))
    return 0


@dataclass(frozen=True)
class Looked:
    """What the findings say of a set's rows.

    Attributes:
        flags: (N,) names of the findings that concern a row, joined by ";".
        rows: places of the rows that mining should leave out.
        note: how many, and of how many rows looked at.
    """

    flags: list[str]
    rows: np.ndarray
    note: str


def look(opened: EmbeddingSet, distance: str, seed: int) -> Looked:
    """The findings over a set, by row. Of a large set only a sample is looked at, and the note says so."""
    import numpy as np

    from tripletscope.inspection import inspect_set
    from tripletscope.inspection.evidence import counted

    found = inspect_set(opened, distance=distance, seed=seed)
    place = {one: row for row, one in enumerate(opened.ids.tolist())}
    flags = [""] * len(opened)
    for one, names in found.flags.items():
        flags[place[one]] = names
    rows = np.array(sorted(place[one] for one in found.excluded), dtype=np.int64)
    reasons = [f"{len(each.exclude):,} {each.check}" for each in found.findings if len(each.exclude)]
    looked_at = "" if len(found.set) == len(opened) else f" of the {len(found.set):,} that were looked at"
    why = f" ({', '.join(reasons)})" if reasons else ""
    return Looked(
        flags, rows, f"The findings would leave out {counted(len(rows), 'row', 'rows')}{looked_at}{why}; see --flagged."
    )


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


def _labels(opened: EmbeddingSet) -> np.ndarray:
    """(N,) class names, "" where a row has none."""
    import numpy as np

    return np.asarray(np.array([*opened.class_names, ""], dtype=object)[opened.labels])


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
) -> Mined:
    from tripletscope.mining.pairs import count_pairs
    from tripletscope.mining.whole_set import EXACT_UP_TO, estimated_seconds, mine_rows

    if per_anchor == "all" and classes is not None:
        pairs = count_pairs(classes[classes >= 0], "all")
        tell(f"all positives: {pairs:,} pairs, up to {pairs * args.negatives_per_anchor:,} triplets")
    if len(opened) > EXACT_UP_TO and args.strategy != "random":
        seconds = estimated_seconds(len(opened), len(opened), opened.dim) / args.threads
        tell(f"an exact search over {len(opened):,} rows takes about {spoken(seconds)} here")
    with _bar(quiet=args.quiet) as progress:
        return mine_rows(
            opened.vectors,
            classes,
            opened.ids,
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
            progress=progress,
            **options,
        )


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
def _bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on a terminal, a line every ten seconds in a log."""
    if quiet:
        yield lambda done, total: None
        return
    if not sys.stderr.isatty():
        began = last = time.monotonic()

        def line(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= 10:
                last = time.monotonic()
                say(f"{done / total:.0%} of the anchors  {spoken((last - began) * (total - done) / done)} left")

        yield line
        return
    from rich import progress
    from rich.console import Console

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TaskProgressColumn())
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("mining", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


command = Command(
    name="mine",
    help="mine triplets from a file of embeddings with labels or pairs",
    example="tripletscope mine embeddings.parquet --label intent --strategy semi-hard --margin 0.2 --out triplets.csv",
    add_arguments=add_arguments,
    run=run,
    order=50,
)
