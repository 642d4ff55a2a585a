"""The page docs/dialects.md, written from the registry: what each library does under each word, on one batch.

`python -m tripletscope.dialect_docs docs/dialects.md` writes it; with `--check` it exits 1 when the page on disk is
no longer what the registry says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tripletscope.dialects import Dialect, of_word, words
from tripletscope.dialects.comparison import Column, Comparison
from tripletscope.dialects.rule import VALUES, meaning
from tripletscope.dialects.samples import BETWEEN, CLOCKS, MARGIN, Clock

#: How the distances are written over a column.
UNITS = {"euclidean": "d", "squared-euclidean": "d²", "cosine": "1−s"}
SIGNS = (
    "D picked · D/E one of them by lot · D+E all of them · – abstains · * fallback: nothing fits the rule · "
    "! put in because the batch had no pick · (…) if the lot falls on this positive · · not asked"
)

INTRODUCTION = """\
# What do other libraries pick under the same word?

<!-- Written by `python -m tripletscope.dialect_docs docs/dialects.md` from the registry; edit the dialects. -->

"Semi-hard" is one definition in the FaceNet paper and {semi_hard} in the code that people train with. They part on the
distance, on who is asked (every pair, each pair once, each anchor), on the bounds of the band, on which of its
negatives is taken, and on what happens where there is none. A paper's numbers under one library may be out of reach
under another for that reason alone.

Here each reading is a record, a *dialect*, and all of them are asked about the same small batch. `tripletscope
dialects --strategy semi-hard` prints the tables below for any word; `--seed 3` places the samples elsewhere,
`--margin 0.5` takes another margin, `--distance euclidean` makes all of them measure alike, and `--json` gives it to
a script. In Python:

```python
import torch
from tripletscope import dialects
from tripletscope.dialects.comparison import Comparison
from tripletscope.dialects.samples import CLOCKS

clock = CLOCKS["clock"]
compared = Comparison("semi-hard", clock.batch, margin=1.0, distance="euclidean", names=clock.names)
for column in compared.columns[1:]:
    for difference in column.differences:
        print(column.dialect.library, difference.sentence)

theirs = dialects.get("sentence-transformers-semi-hard")
embeddings, labels = torch.randn(32, 16), torch.arange(32) % 8
print(len(theirs.pick(theirs.batch(embeddings, labels), margin=5.0)), "triplets")
```

The sentences are computed: starting from our rule, the fewest choices are exchanged for theirs until the answer is
theirs. Libraries marked *run* are installed beside our tests, which compare the triplets on random batches; those
marked *read* were read in the source that is named.

## The batch

{classes}

The samples lie on the face of a clock with radius 1, so a distance follows from the hours between two of them. The
margin is {margin:g}, as a number, whatever the distance: that alone makes some of them part.

{hours}

Signs: {signs}.
"""


def verdict(compared: Comparison, column: Column) -> str:
    """How often a dialect answers as we do, in a few words."""
    count = len(compared.pairs)
    return (
        f"as ours everywhere ({count} pairs)" if column.agrees == count else f"as ours {column.agrees} of {count} times"
    )


def known(one: Dialect) -> str:
    """How we know, in a sentence."""
    return f"Run: {one.run}." if one.run else "Read; not run."


def render() -> str:
    """The whole page as Markdown.

    Example:
        >>> render().splitlines()[0]
        '# What do other libraries pick under the same word?'
    """
    clock = CLOCKS["clock"]
    classes = "\n".join(f"- {label}: {', '.join(members)}" for label, members in clock.classes.items())
    hours = ["| hours apart | " + " | ".join(map(str, range(7))) + " |", "|---" * 8 + "|"]
    for name, values in BETWEEN.items():
        hours.append(f"| {name} ({UNITS[name]}) | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    text = INTRODUCTION.format(
        semi_hard=_COUNTS[len(of_word("semi-hard")) - 1],
        classes=classes,
        margin=MARGIN,
        hours="\n".join(hours),
        signs=SIGNS,
    )
    return "\n".join([text, *(_section(word, clock) for word in words()), _axes()])


_COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _section(word: str, clock: Clock) -> str:
    compared = Comparison(word, clock.batch, MARGIN, names=clock.names)
    heads = [f"{column.dialect.short} ({UNITS[column.rule.distance]})" for column in compared.columns]
    lines = [f"## {word}", "", "| a→p | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for pair in compared.pairs:
        cells = (compared.cell(column, pair).replace("*", "\\*") for column in compared.columns)
        lines.append(f"| {compared.pair_name(pair)} | " + " | ".join(cells) + " |")
    lines.append("")
    for column in compared.columns[1:]:
        lines += [*_dialect(compared, column), ""]
    return "\n".join(lines)


def _dialect(compared: Comparison, column: Column) -> list[str]:
    one = column.dialect
    said = f"the composition `{one.rule.composition}`" if one.rule.composition else "no composition can say it"
    lines = [
        f"### {one.name}",
        "",
        f"{one.library} {one.version}, `{one.call}`: {verdict(compared, column)}.",
        "",
    ]
    for difference in column.differences:
        pairs = ", ".join(compared.pair_name(pair) for pair in difference.pairs)
        lines.append(f"- {pairs}: {difference.sentence}")
    facts = [
        f"- **Source**: {one.source}. {known(one)}",
        f"- **Here**: {said}, in {UNITS[one.rule.distance]}{', of vectors it normalises' if one.normalises else ''}.",
        f"- **Among equals**: {one.ties}.",
    ]
    return [*lines, *([""] if column.differences else []), *facts, *(f"- {note}" for note in one.notes)]


def _axes() -> str:
    lines = [
        "## What a dialect can differ in",
        "",
        "| axis | value | meaning |",
        "|---|---|---|",
        *(f"| {axis} | `{value}` | {meaning(axis, value)} |" for axis, values in VALUES.items() for value in values),
        "",
        "A library joins by one `dialect(Rule(...), ...)` in a file of its own in this package's `dialects/`, or, from",
        "a package of yours, by the entry-point group `tripletscope.dialects`.",
        "",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when the page was written or is current, 1 when `--check` finds it stale."""
    parser = argparse.ArgumentParser(
        prog="python -m tripletscope.dialect_docs",
        description="Write docs/dialects.md from the registered dialects.",
        epilog="example: python -m tripletscope.dialect_docs docs/dialects.md --check",
    )
    parser.add_argument("page", type=Path, help="the Markdown file")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    options = parser.parse_args(argv)
    page, written = options.page, render()
    if not options.check:
        page.write_text(written, encoding="utf-8")
        return 0
    if page.exists() and page.read_text(encoding="utf-8") == written:
        return 0
    sys.stderr.write(f"{page} is not what the registry says; run python -m tripletscope.dialect_docs {page}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
