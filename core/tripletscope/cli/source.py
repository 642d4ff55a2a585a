"""From which file `mine` and `inspect` read: the same arguments, the same reading, the same refusals."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tripletscope.errors import SettingError

if TYPE_CHECKING:
    import numpy as np

    from tripletscope.embeddings.embedding_set import EmbeddingSet
    from tripletscope.embeddings.opening import LookedInto

PARTS = ("label", "id", "text", "image", "split", "vector")


def add_source(parser: argparse.ArgumentParser) -> None:
    """The file, a second one with what is known of each row, which column is what, and how much may be opened."""
    parser.add_argument("embeddings", metavar="EMBEDDINGS", help=".npy, .npz, .csv, .tsv, .jsonl, .parquet, .arrow")
    parser.add_argument("--metadata", metavar="FILE", action=Once, help="labels, ids and texts in a second file")
    for part in PARTS:
        # One name, or several for a vector that is spread over columns.
        several: dict[str, Any] = {"nargs": "+"} if part == "vector" else {"action": Once}
        parser.add_argument(
            f"--{part}", metavar="COL", help=f"column that holds the {part} (default: guessed)", **several
        )
    parser.add_argument(
        "--without",
        metavar="PART",
        action="append",
        default=[],
        choices=[part for part in PARTS if part != "vector"],
        help="no column plays this part (label, id, text, image or split), whatever would be guessed",
    )
    parser.add_argument("--pictures", metavar="PATH", action=Once, help="a folder or .zip with a picture for each row")
    parser.add_argument(
        "--standardise",
        action="store_true",
        help="give each number of the vector mean 0 and deviation 1, for columns of different units",
    )
    parser.add_argument(
        "--limit", type=float, metavar="GB", help="memory that the file may take once opened (default: 8)"
    )


def open_source(args: argparse.Namespace) -> EmbeddingSet:
    """The set in the file that the arguments name.

    Raises:
        DataError, UnknownNameError, SettingError: as `open_embeddings`.
    """
    return look_source(args).build(mapping_of(args) or None, standardise=args.standardise)


def rows_of(args: argparse.Namespace) -> Callable[[np.ndarray], np.ndarray]:
    """What gives rows of the same set on another machine, which sees the file under the same path."""
    wanted = {
        name: getattr(args, name) for name in ("embeddings", "metadata", *PARTS, "without", "standardise", "limit")
    }
    for name in ("embeddings", "metadata"):
        if wanted[name] is not None:
            wanted[name] = str(Path(wanted[name]).resolve())
    return partial(_rows_of, wanted)


def _rows_of(wanted: dict[str, Any], places: np.ndarray) -> np.ndarray:
    """(n, D) rows of the set; of a .npy only they are read."""
    import numpy as np

    opened = open_source(argparse.Namespace(**wanted, pictures=None))
    return np.ascontiguousarray(opened.vectors[places])


def look_source(args: argparse.Namespace) -> LookedInto:
    """The file that the arguments name, read and not yet made into a set.

    Raises:
        DataError, UnknownNameError, SettingError: as `look_into`.
    """
    from tripletscope.embeddings.opening import look_into

    if args.limit is not None and not 0 < args.limit < 2**20:
        raise SettingError(f"--limit is {args.limit:g}, but it has to be a number of gigabytes above 0.")
    limit = None if args.limit is None else max(1, round(args.limit * 2**30))
    return look_into(
        args.embeddings,
        metadata=args.metadata,
        pictures=args.pictures,
        mapping=mapping_of(args) or None,
        limit=limit,
    )


def mapping_of(args: argparse.Namespace) -> dict[str, Any]:
    """The parts that a person gave to columns, and with None those that no column shall play.

    Raises:
        SettingError: a part with a column and without.
    """
    given = {part: getattr(args, part) for part in PARTS if getattr(args, part) is not None}
    for part in args.without:
        if part in given:
            raise SettingError(f"--{part} names a column, and --without {part} says that there is none: leave one out.")
    return given | dict.fromkeys(args.without)


class Once(argparse.Action):
    """An option that would silently count only once when it is given twice."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Nothing; the value stands in the namespace.

        Raises:
            SettingError: the option was given before.
        """
        before = getattr(namespace, self.dest)
        if before is not None:
            more = "; other columns stay in the set, to colour by" if self.metavar == "COL" else ""
            raise SettingError(f"{option_string} is given twice, {before!r} and {values!r}: name one{more}.")
        setattr(namespace, self.dest, values)


def add_keep_finding(parser: argparse.ArgumentParser) -> None:
    """The option that both commands have on what the findings leave out."""
    parser.add_argument(
        "--keep-finding",
        action="append",
        default=[],
        metavar="CHECK",
        help="do not leave out what this check found; may be given more than once",
    )
