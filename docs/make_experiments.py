"""Writes docs/experiments.md and its pictures from sample_data/experiments; records the numbers there again.

    python docs/make_experiments.py             writes the page and its pictures from the recorded numbers
    python docs/make_experiments.py --check     exit code 1 when a file is no longer what the numbers say
    python docs/make_experiments.py --record    trains everything again first (minutes); --only NAME does one

A verdict is never written by hand: it is what the rules of an experiment make of its numbers.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas

from tripletscope import experiments, strategies
from tripletscope.cli import main as tripletscope
from tripletscope.cli.sweep import range_text, setting_text, telling, telling_number
from tripletscope.experiments import Experiment
from tripletscope.experiments.rule import METRICS, Outcome
from tripletscope.frames import COLLAPSED
from tripletscope.sweep import table
from tripletscope_app.theme import mark

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "experiments.md"

INTRODUCTION = """\
# Do the claims about mining hold here?

<!-- Written by `python docs/make_experiments.py` from sample_data/experiments; edit those files. -->

Papers say that the hardest negatives collapse a space, that wrong labels hurt hard mining most, that a batch can be too
large. Each claim below has a sweep of small trainings that checks it in a minute or so of one core, and rules that say
in inequalities what would confirm it. Whether it holds is computed from rules and numbers: **confirmed** when every
rule holds in every seed, **not confirmed** when none holds in any, **mixed** otherwise. A rule compares runs of one
seed, which share first weights and batches.

A small training on synthetic data neither proves nor refutes what happens on a million photographs. It shows a
mechanism where it can be watched: `--keep-runs` keeps every run for the explorer. Settings were chosen by short tries,
so that an effect has a chance to show; the rules follow the source and stand as they are, whatever came out.

```
tripletscope sweep --shipped                                  # lists them
tripletscope sweep --shipped hardest-collapses --keep-runs    # trains one again: the table, and the verdict
tripletscope sweep --shipped hardest-collapses --seeds 0-9    # asks more seeds
```

```python
from tripletscope import experiments

one = experiments.get("hardest-collapses")
report = one.report()
print(report.verdict, [outcome.text for outcome in report.outcomes])
print(report.summary[["strategy", "recall_at_1", "spread"]])
numbers = one.numbers()  # a row for every run and evaluated step
```

Columns and files are those of [every sweep](sweeps.md); a file of your own with a table `[experiment]` is judged in the
same way. R@1 and MAP@R are leave-one-out on the samples that were trained on, by their true labels. The spread is the
mean distance within a batch in margins. In tables: the median over the seeds after the last update, and the lowest and
highest seed.
"""

RULES = """\
## How is a rule written?

    final R@1 of batch-hard < final R@1 of random - 0.05
    least spread of hardest < 0.1 * first spread of hardest and final spread of hardest > 1
    median final MAP@R of semi-hard where margin = 0.1 > 0.5

- `final`, `first`, `least` and `largest` are over the rows of one run: after the last update, at step 0, and the
  extremes of all.
- Then comes what is measured: {metrics}.
- `of STRATEGY` and `where SETTING = VALUE, ...` say which run; a variant is a setting too.
- A number in front multiplies, one behind is added or taken away; `and` joins comparisons that have to hold together.
- Seed by seed is the rule; `median`, `mean`, `lowest` or `highest` in front take a value over the seeds first.
- Where a run failed, or does not tell the number, the rule does not hold in that seed.
"""

COLUMNS = (
    ("R@1", "recall_at_1"),
    ("MAP@R", "map_at_r"),
    ("spread", "spread"),
    ("violating", "violating_share"),
    ("abstained", "abstained_share"),
    ("false neg.", "false_negative_share"),
)

# The picture: panels side by side, one for each setting, with a line for each strategy.
WIDTH, PANEL, LEFT, TOP, BOTTOM, ROOM = 760, 190, 56, 34, 34, 32
RAMP = ("#440154", "#3B528B", "#21908C", "#5DC863", "#C7A500")  # viridis, its yellow darkened to be seen on white


Line = tuple[str, str, str, pandas.DataFrame]  # name, colour, dash, rows


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 1 when a file is stale under --check, or a training failed."""
    parser = argparse.ArgumentParser(description="Write docs/experiments.md and its pictures.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    parser.add_argument("--record", action="store_true", help="train again first")
    parser.add_argument("--only", metavar="NAME", help="with --record: this experiment alone")
    options = parser.parse_args(argv)
    for name in experiments.names():
        if options.record and options.only in (None, name) and not record(experiments.get(name)):
            return 1
    files = dict(pages())
    if not options.check:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.name} is not what the numbers say; run python docs/make_experiments.py", file=sys.stderr)
    return 1 if stale else 0


def record(one: Experiment) -> bool:
    """Whether the experiment was trained again; its numbers then lie beside it."""
    with tempfile.TemporaryDirectory() as place:
        if tripletscope(["sweep", "--shipped", one.name, "--out", place]) != 0:
            return False
        keep(Path(place) / "results.parquet", one)
    return True


def keep(results: Path, one: Experiment) -> None:
    """Nothing; the numbers of a sweep come along with the experiment."""
    one.recorded.write_bytes(results.read_bytes())


def pages() -> Iterable[tuple[Path, str]]:
    """Every file with its content."""
    found = [experiments.get(name) for name in experiments.names()]
    yield PAGE, render(found)
    for one in found:
        yield picture_path(one), picture(one, one.numbers())


def picture_path(one: Experiment) -> Path:
    """The file of its curves."""
    return DOCS / "images" / f"experiment-{one.name}.svg"


def render(found: Sequence[Experiment]) -> str:
    """The whole page."""
    reports = [one.report() for one in found]
    rows = [
        f"| [{one.title}](#{anchor(one.title)}) | {one.claim} | {held(report.outcomes)} | **{report.verdict}** |"
        for one, report in zip(found, reports, strict=True)
    ]
    overview = "\n".join(
        ["| experiment | claim | rules that hold in every seed | verdict |", "|---|---|---|---|", *rows]
    )
    sections = [section(one, report) for one, report in zip(found, reports, strict=True)]
    metrics = ", ".join(f"`{name}`" for name in METRICS)
    return "\n".join([INTRODUCTION, overview, "", *sections, RULES.format(metrics=metrics)])


def held(outcomes: Sequence[Outcome]) -> str:
    """How many rules hold in every seed."""
    whole = sum(len(one.held) == len(one.seeds) for one in outcomes)
    return f"{whole} of {len(outcomes)}"


def anchor(title: str) -> str:
    """The link to a heading, as Markdown readers make it."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def section(one: Experiment, report: experiments.Report) -> str:
    """One experiment as Markdown."""
    seeds = sorted({cell.config.seed for cell in one.plan.cells})
    axis = next(name for name, column in METRICS.items() if column == one.plot)
    lines = [
        f"## {one.title}",
        "",
        f"**Claim.** {one.claim}",
        "",
        f"**Source.** {one.source}.",
        "",
        f"**Here.** {one.setting}",
        "",
        f"**Verdict: {report.verdict}.**",
        "",
        "| rule | |",
        "|---|---|",
        *(f"| `{outcome.rule}` | {outcome.text} |" for outcome in report.outcomes),
        "",
        f"![{axis} over the steps: thin lines are seeds, thick ones medians](images/{picture_path(one).name})",
        "",
        *results(one, report),
        "",
        f"`{one.command}`: {len(one.plan.cells)} trainings, seeds {', '.join(map(str, seeds))}; "
        f"[`{one.path.name}`](../sample_data/experiments/{one.path.name}), "
        f"[numbers](../sample_data/experiments/{one.recorded.name}).",
        "",
    ]
    return "\n".join(lines)


def results(one: Experiment, report: experiments.Report) -> list[str]:
    """The table: median after the last update, and lowest to highest seed."""
    found = report.summary
    settings = telling(found, one.plan.varied)
    columns = [(title, name) for title, name in COLUMNS if telling_number(found[name])]
    head = ["strategy", *(name.replace("_", " ") for name in settings), *(title for title, _ in columns)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for line in found.to_dict("records"):
        cells = [range_text(*(line[f"{name}{end}"] for end in ("", "_low", "_high"))) for _, name in columns]
        lines.append(f"| {' | '.join([line['strategy'], *(setting_text(line[s]) for s in settings), *cells])} |")
    return lines


# ---- the picture


def picture(one: Experiment, numbers: pandas.DataFrame) -> str:
    """Curves as SVG: a thin line for each seed, a thick one for the median; the same numbers give the same bytes."""
    settings = telling(table.summary(numbers, one.plan.varied), one.plan.varied)
    names = list(dict.fromkeys(numbers["strategy"]))
    keys = [tuple(line) for line in numbers[settings].drop_duplicates().to_numpy().tolist()] if settings else [()]
    single = len(names) == 1 and len(keys) > 1
    panels: list[tuple[str, list[Line]]] = []
    for at, key in enumerate(keys):
        rows = numbers
        for name, value in zip(settings, key, strict=True):
            rows = rows[rows[name] == value]
        label = ", ".join(
            str(value) if name == "variant" else f"{name.replace('_', ' ')} {setting_text(value)}"
            for name, value in zip(settings, key, strict=True)
        )
        lines = [(name, *style(name), rows[rows["strategy"] == name]) for name in names]
        if single:
            lines = [(label, RAMP[round(at * (len(RAMP) - 1) / (len(keys) - 1))], "", rows)]
            label = names[0]
        panels.append((label, lines))
    if single:
        panels = [(names[0], [line for _, lines in panels for line in lines])]
    return draw(one, panels)


def style(name: str) -> tuple[str, str]:
    """Colour and dash of a strategy, those of the explorer."""
    strategy = strategies.get(name)
    found = mark(strategy.order if name in strategies.names() else None)
    return found["light"], " ".join(map(str, found["dash"]))


def draw(one: Experiment, panels: list[tuple[str, list[Line]]]) -> str:
    """The panels in rows under one legend, all on the same axes."""
    values = np.concatenate([line[3][one.plot].to_numpy(np.float64) for _, lines in panels for line in lines])
    values = values[np.isfinite(values)]
    low, high, ticks = scale(values, one.log)
    steps = max(int(line[3]["step"].max()) for _, lines in panels for line in lines)
    columns = min(len(panels), 3 if len(panels) != 4 else 2)
    wide = (WIDTH - LEFT - ROOM * columns) / columns
    rows = -(-len(panels) // columns)
    legend = list({line[0]: line for _, lines in panels for line in lines}.values())
    names = legend_rows([line[0] for line in legend])
    head = 16 + 18 * len(names)
    height = head + rows * (TOP + PANEL + BOTTOM)
    axis = next(name for name, column in METRICS.items() if column == one.plot)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(one.title)}: {escape(axis)} over the steps</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#FFFFFF"/>',
    ]
    out += key_of(names, {line[0]: line for line in legend})
    for number, (label, lines) in enumerate(panels):
        left = LEFT + (number % columns) * (wide + ROOM)
        top = head + (number // columns) * (TOP + PANEL + BOTTOM) + TOP
        out += frame(left, top, wide, label if len(panels) > 1 else "", ticks, (low, high), number % columns == 0)
        if one.plot == "spread" and one.log:
            out += collapsed_below(left, top, wide, (low, high))
        for x, text in ((0, "0"), (0.5, f"{steps / 2:.0f}"), (1, f"{steps}")):
            at = f'x="{left + x * wide:.1f}" y="{top + PANEL + 16}"'
            out.append(f'<text {at} fill="#555555" text-anchor="middle">{text}</text>')
        for _, colour, dash, rows_of in lines:
            out += curves(rows_of, one, (left, top, wide), (low, high), steps, colour, dash)
    out.append(f'<text x="{LEFT - 44}" y="{head + 12}" fill="#222222">{escape(axis)}</text>')
    out.append(f'<text x="{WIDTH - ROOM}" y="{height - 4}" fill="#555555" text-anchor="end">step</text>')
    return "\n".join([*out, "</svg>", ""])


def key_of(names: Sequence[Sequence[str]], lines: Mapping[str, Line]) -> list[str]:
    """Which line is which."""
    found = []
    for row, some in enumerate(names):
        x, y = float(LEFT), 18 + 18 * row
        for name in some:
            _, colour, dash, _ = lines[name]
            found.append(stroke([(x, y - 4), (x + 26, y - 4)], colour, dash, 2.2, 1.0))
            found.append(f'<text x="{x + 32:.0f}" y="{y}" fill="#222222">{escape(name)}</text>')
            x += 32 + text_width(name) + 24
    return found


def collapsed_below(left: float, top: float, wide: float, ends: tuple[float, float]) -> list[str]:
    """A line where a spread begins to count as collapsed, if it lies in the panel."""
    y = top + PANEL * (1 - (math.log10(COLLAPSED) - ends[0]) / (ends[1] - ends[0]))
    if not top < y < top + PANEL:
        return []
    words = f'x="{left + wide:.1f}" y="{y - 4:.1f}" font-size="10" fill="#666666" text-anchor="end"'
    line = stroke([(left, y), (left + wide, y)], "#888888", "3 3", 1.0, 1.0)
    return [line, f"<text {words}>below {COLLAPSED:g}: collapsed</text>"]


def scale(values: np.ndarray, log: bool) -> tuple[float, float, list[tuple[float, str]]]:
    """The ends of the axis, in decades where it is logarithmic, and its ticks."""
    if log:
        kept = values[values > 0]
        low, high = math.floor(math.log10(kept.min())), math.ceil(math.log10(kept.max()))
        high = max(high, low + 1)
        every = max(1, -(-(high - low) // 6))
        return low, high, [(at, power(at)) for at in range(low, high + 1, every)]
    top = max(1.0 if values.max() > 0.3 and values.max() <= 1 else float(values.max()), 1e-9)
    step = 10 ** math.floor(math.log10(top / 2))
    step = next(step * by for by in (1, 2, 2.5, 5, 10) if top / (step * by) <= 5)
    return 0.0, top, [(at * step, f"{at * step:g}") for at in range(int(top / step + 1e-9) + 1)]


def power(at: int) -> str:
    """A power of ten as a tick."""
    return f"{10.0**at:g}" if -3 <= at <= 3 else f"1e{at}"


def legend_rows(names: Sequence[str]) -> list[list[str]]:
    """The names in as many lines as they need."""
    rows: list[list[str]] = [[]]
    used = 0.0
    for name in names:
        needs = 56 + text_width(name)
        if rows[-1] and used + needs > WIDTH - LEFT:
            rows.append([])
            used = 0.0
        rows[-1].append(name)
        used += needs
    return rows


def text_width(text: str) -> float:
    """About how wide the text is, in pixels."""
    return 6.7 * len(text)


def frame(
    left: float,
    top: float,
    wide: float,
    label: str,
    ticks: list[tuple[float, str]],
    ends: tuple[float, float],
    named: bool,
) -> list[str]:
    """Title and grid of a panel; the ticks are written at the first of a row."""
    found = [f'<text x="{left:.1f}" y="{top - 8}" fill="#222222">{escape(label)}</text>'] if label else []
    for value, text in ticks:
        y = top + PANEL * (1 - (value - ends[0]) / (ends[1] - ends[0]))
        found.append(f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{left + wide:.1f}" y2="{y:.1f}" stroke="#DDDDDD"/>')
        if named:
            found.append(f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" fill="#555555" text-anchor="end">{text}</text>')
    return found


def curves(
    rows: pandas.DataFrame,
    one: Experiment,
    box: tuple[float, float, float],
    ends: tuple[float, float],
    steps: int,
    colour: str,
    dash: str,
) -> list[str]:
    """The seeds' lines and their median at the steps that all of them have."""
    left, top, wide = box

    def place(step: float, value: float) -> tuple[float, float]:
        level = math.log10(max(value, 10.0 ** ends[0])) if one.log else value
        return left + wide * step / steps, top + PANEL * (1 - (level - ends[0]) / (ends[1] - ends[0]))

    found = []
    for seed in sorted(rows["seed"].unique()):
        mine = rows[(rows["seed"] == seed) & rows[one.plot].notna()]
        points = [place(step, value) for step, value in mine[["step", one.plot]].to_numpy(np.float64).tolist()]
        found.append(stroke(points, colour, "", 0.9, 0.35))
    by_step = rows[rows[one.plot].notna()].groupby("step")[one.plot]
    whole = by_step.median()[by_step.count() == rows["seed"].nunique()]
    found.append(
        stroke([place(step, value) for step, value in zip(whole.index, whole, strict=True)], colour, dash, 2.2, 1.0)
    )
    return found


def stroke(points: Sequence[tuple[float, float]], colour: str, dash: str, width: float, ink: float) -> str:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    faint = f' stroke-opacity="{ink:g}"' if ink < 1 else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashes}{faint}/>'


if __name__ == "__main__":
    sys.exit(main())
