"""The page docs/datasets.md and its pictures, written from the registry.

`python -m tripletscope.dataset_docs docs/datasets.md` writes them; with `--check` it exits 1 when the page on disk is
no longer what the registry says.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path

from PIL import Image

from tripletscope.datasets import DATASETS
from tripletscope.datasets.base import DataSet
from tripletscope.samples import LabelledData

INTRODUCTION = """\
# Which data sets come along, and what is each good for?

<!-- Written by `python -m tripletscope.dataset_docs docs/datasets.md` from the registry; edit the sets. -->

Small sets that work without a network. Each makes another point: what a hard negative is, what a false negative does,
what imbalance and wrong labels do. `tripletscope.datasets.load("digits")` gives one as arrays, `tripletscope train
--data digits` trains on it; your own image folder, `.npz` or table goes in the same place
([command line](command-line.md#tripletscope-train)). Licence texts are in `sample_data/licenses/`.
"""

DIALS = """\
## How is a dial turned?

Behind the name, after a colon, several with commas; what is not named stays at its default:

    tripletscope train --data toy2d:noise=0.2,classes=8 --strategy semi-hard --out runs/noisy

In Python the same text goes into `load`, or the values into the record:

```python
from tripletscope import datasets

data = datasets.load("toy2d:noise=0.2,classes=8")
same = datasets.get("toy2d").load({"noise": 0.2, "classes": 8})
assert data.digest == same.digest
print(data.notes[0])  # 80 of 400 labels are wrong on purpose; the id names the true class.
```

A dial that does not exist, or a value out of its range, is refused in a sentence that says what there is. The run's
`config.json` holds the text as typed, and as the name of the set what differs from the defaults.

## How do I add a set of my own?

For one training, give `--data` the path of your file or folder. To have it in every list, register a `DataSet`, in a
package of your own by the entry-point group `tripletscope.datasets`:

```python
import numpy as np
from tripletscope.datasets import DATASETS, DataSet, LabelledData, load
from tripletscope.samples import Samples


def two_lines() -> LabelledData:
    along = np.linspace(0, 1, 20, dtype=np.float32)
    points = np.concatenate([np.column_stack([along, 0 * along]), np.column_stack([along, 0 * along + 1])])
    who = Samples(np.arange(40), np.repeat([0, 1], 20), ["low", "high"])
    return LabelledData("two-lines", points, who, origin="Made by me.", licence="CC0")


DATASETS.register(DataSet("two-lines", 90, "Two lines", two_lines, "Two lines of 20 points.", "points", "class low"))
assert load("two-lines").samples.class_counts().tolist() == [20, 20]
```
"""


def render() -> str:
    """The whole page as Markdown.

    Example:
        >>> render().splitlines()[0]
        '# Which data sets come along, and what is each good for?'
    """
    loaded = [(one, one.load()) for one in DATASETS]
    rows = [
        f"| [{one.name}](#{one.name}) | {one.title} | {len(data):,} | {len(data.samples.class_names)} | "
        f"{_shape(data)} |"
        for one, data in loaded
    ]
    table = ["| name | what | samples | classes | one sample |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join([INTRODUCTION, *table, *(_section(one, data) for one, data in loaded), DIALS])


def picture_name(one: DataSet) -> str:
    """The file of the set's picture, beside the page's others."""
    return f"images/data-{one.name.replace('_', '-')}.png"


def _shape(data: LabelledData) -> str:
    if data.kind == "features":
        return f"{data.input_shape[0]} numbers"
    channels, height, width = data.input_shape
    return f"{height} x {width} pixels, {'grey' if channels == 1 else 'colour'}"


def _section(one: DataSet, data: LabelledData) -> str:
    lines = [
        f"## {one.name}",
        "",
        f"![{one.title}: {one.example}]({picture_name(one)})",
        "",
        one.summary,
        "",
        *_told(one),
        f"- **For example**: {one.example}.",
        f"- **Source**: {data.origin}",
        f"- **Licence**: {data.licence}.",
        "",
    ]
    if one.dials:
        lines += ["| dial | default | from | what it does |", "|---|---|---|---|"]
        lines += [f"| `{dial.name}` | {dial.default} | {dial.range} | {dial.help} |" for dial in one.dials]
        lines.append("")
    for paragraph in one.facts():
        lines += [paragraph, ""]
    return "\n".join(lines)


def _told(one: DataSet) -> list[str]:
    """The reader's docstring as Markdown, without its first line (the summary says it) and its arguments."""
    text = re.split(r"\n\n(?:Args|Returns|Raises|Source|Example)\b", inspect.getdoc(one.read) or "")[0]
    more = text.partition("\n\n")[2]
    return [*more.splitlines(), ""] if more else []


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when the page was written or is current, 1 when `--check` finds it stale."""
    parser = argparse.ArgumentParser(
        prog="python -m tripletscope.dataset_docs",
        description="Write docs/datasets.md and its pictures from the registered data sets.",
        epilog="example: python -m tripletscope.dataset_docs docs/datasets.md --check",
    )
    parser.add_argument("page", type=Path, help="the Markdown file")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    options = parser.parse_args(argv)
    page, written = options.page, render()
    if options.check:
        if page.exists() and page.read_text(encoding="utf-8") == written:
            return 0
        sys.stderr.write(f"{page} is not what the registry says; run python -m tripletscope.dataset_docs {page}\n")
        return 1
    page.write_text(written, encoding="utf-8")
    for one in DATASETS:
        place = page.parent / picture_name(one)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one.picture()).save(place, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
