"""The page docs/strategies.md and its pictures, written from the registry.

`python -m tripletscope.strategy_docs docs/strategies.md` writes them; with `--check` it exits 1 when the page or a
picture on disk is no longer what the registry says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tripletscope.composition import AXES
from tripletscope.losses import LOSSES, TRIPLET, Loss
from tripletscope.strategies.base import STRATEGIES, Strategy
from tripletscope.strategy_pictures import MARGIN, draw, example, sentence

INTRODUCTION = """\
# Which strategies are there, and what exactly do they pick?

<!-- Written by `python -m tripletscope.strategy_docs docs/strategies.md` from the registry; edit the strategies. -->

A strategy looks at one batch and says which triplets to learn from. With a for the anchor, p for the positive, n
for the negative, y for the label and d for the distance that the run names (smaller is closer):

- gap = d(a,n) − d(a,p), computed in the dtype of the distances;
- **hard**: gap ≤ 0, the negative is at least as near as the positive;
- **semi-hard**: 0 < gap < margin, the negative is farther than the positive, by less than the margin;
- **easy**: gap ≥ margin, the loss of the triplet is 0;
- **violating**: gap < margin, hard and semi-hard together.

The margin is above 0 and in the unit of the distance. A zone belongs to one anchor *and one positive*. A triplet is
**eligible** when the positive shares the anchor's label and is another slot of the batch, and the negative has another
label. A strategy **abstains** where it finds nothing to pick; that is counted, and is no error.

Among equals the lowest slot is picked. Strategies that draw by chance take a seeded generator and can tell the
probability of every slot. Every one of them is held to a plain-loop version of its definition in
`core/tripletscope/testing/oracles.py`; a miner of your own can be held to the same ([how](testing-a-miner.md)). What
libraries do under the same words is in [dialects.md](dialects.md).

## How are the pictures to be read?

Each strategy was asked about the same batch: {classes} classes of {samples} points, some tight and some loose, {pairs}
pairs, margin {margin:g}. Right is a farther positive, up a farther negative. Below the solid line a triplet is hard,
between the lines semi-hard, above the dashed one easy. Grey is where all {eligible:,} eligible triplets of the batch
lie. The marks are the picks, in the colour and shape that the strategy has in the explorer: one mark for each, or,
where there are many, one for each cell, the larger the more picks (by their weight, where they have one) it holds.

What is said about when to use a strategy and how it fails comes from its paper, from the
[experiments](experiments.md) and [results](results.md) here, or follows from the definition; *our judgement* is
marked as that.
"""

LOSSES_HEAD = """\
## What is learnt from the picks

A strategy says which triplets; a loss says what they cost. Without more words that is the triplet loss. The paper of a
few strategies comes with a loss of its own: a run that trains with such a strategy uses it, and `--loss NAME` chooses
another. `--param` sets the parameters of both. The zones, the ruler and the `loss` column of a triplet CSV go by the
gap and the margin in any case: they describe a triplet, not the loss that was trained with.
"""

COMPOSED = """\
## Composing one that has no name

Most strategies are one choice on each of a few axes. Wherever a strategy is named you can write the choices instead,
separated by commas: `--strategy "pair:all, negative:nearest, lower:positive, fallback:farthest"` is what TensorFlow
Addons calls semi-hard. In a list of names (`--shadow`) a composition begins with `pair:` or `anchor:`. Runs, files and
links hold it as one word, here `pair-all-negative-nearest-lower-positive-fallback-farthest`.

| axis | values | meaning |
|---|---|---|
{axes}

A composition that contradicts itself (`lower:margin, upper:positive` leaves no gap; a `fallback` without a bound is
never asked) is refused with the axis at fault. The margin is the run's.
"""
_MEANINGS = {
    "pair": "one pick for every anchor and positive",
    "anchor": "one pick for every anchor, with this one of its positives",
    "negative": "which of the negatives between the bounds; with `all` each is a pick, so a pair may have several",
    "lower": "where the gaps begin: anywhere, beyond the positive (gap > 0), from the margin on (gap ≥ margin)",
    "upper": "where they end: nowhere, at the positive (gap ≤ 0), before the margin (gap < margin)",
    "fallback": "which of all negatives where none is between the bounds; `none` abstains",
}

MISSTATEMENTS = """\
## Common misstatements

**"Semi-hard negatives are closer to the anchor than the positive."** They are *farther* than the positive; they still
violate because they are not farther by the whole margin. Those closer than the positive are the hard ones.

**"Hard negatives are far away."** Hard negatives are the *nearest*. Far negatives are easy. It is the hard
*positive* that is far away.

**"This sample is a semi-hard negative."** Of which positive? Zones belong to one chosen positive: the same negative
of the same anchor is hard for a far positive and easy for a near one.

**"Batch hard picks hard triplets."** It picks the hardest that the batch has. Late in training those may be
semi-hard or easy; the hard zone is a matter of gap ≤ 0, not of who picked.

**"A margin of 0.2 is a margin of 0.2."** A margin on squared distances is another margin. As
d(a,n)² − d(a,p)² = (d(a,n) − d(a,p)) (d(a,n) + d(a,p)), 0.2 on squared distances is about 0.1 on plain ones near d = 1
and 0.33 near d = 0.3. FaceNet's 0.2 is for squared distances of unit vectors; cosine distance is half of those,
so there it is 0.1.

**"pytorch-metric-learning mined *all* triplets."** `TripletMarginMiner("all")` returns the *violating* ones, with
gap ≤ margin: a triplet at exactly the margin counts as violating there and as easy here. `count_zones` and its counts
are equal wherever no gap equals the margin.

**"Semi-hard always returns something."** By FaceNet's definition a pair may have no semi-hard negative. TensorFlow
Addons and sentence-transformers then take the *farthest* negative and have no upper bound at the margin, so they
train on triplets that are hard, or easy, under the name of semi-hard. Here the pair abstains.

**The inequality printed with sentence-transformers' batch-hard and semi-hard losses.** It puts the margin on the wrong
side: d(a,p) < d(a,n) + margin, which nearly every easy triplet fulfils as well. Meant is d(a,n) < d(a,p) + margin.

**The sentence in TensorFlow Addons' semi-hard loss.** It calls semi-hard the negatives that are farther than the
positive *plus the margin*: those are the easy ones. Its code looks for negatives that are farther than the
positive.

**"Easy positive means easy triplets."** The positive is the nearest one; its negative is the nearest as well, and the
triplet may lie in any zone.

**"Distance-weighted sampling prefers hard negatives."** It makes every *distance* equally likely. In many dimensions
nearly all negatives are about √2 away, so the few near ones are lifted a lot, up to λ.

**"The loss is stuck at the margin, so training has not begun."** A hinge loss that stays at the margin (at ln 2 ≈
0.693 with the soft margin) means that all points have become one: d(a,p) = d(a,n). Look at the spread, not at the
loss.

**"No loss, so all is learnt."** No loss on the *picked* triplets. A strategy that abstains or draws easy triplets
has no loss long before the batch has no violating triplets.
"""


def render() -> str:
    """The whole page as Markdown.

    Example:
        >>> render().splitlines()[0]
        '# Which strategies are there, and what exactly do they pick?'
    """
    rows = [f"| [{one.name}](#{one.name}) | {_GRANULARITY[one.granularity]} | {one.summary} |" for one in STRATEGIES]
    table = "\n".join(["| strategy | picks | in a sentence |", "|---|---|---|", *rows])
    batch = example()
    introduction = INTRODUCTION.format(
        classes=len(set(batch.labels.tolist())),
        samples=int(batch.class_size[0]),
        pairs=batch.n_pairs,
        margin=MARGIN,
        eligible=batch.n_eligible,
    )
    sections = [*(_section(one) for one in STRATEGIES), LOSSES_HEAD, *(_loss_section(one) for one in LOSSES)]
    return "\n".join([introduction, table, "", *sections, _composed(), MISSTATEMENTS])


def pictures() -> dict[str, str]:
    """The pictures by the name of their file, which lies in the folder `images` beside the page.

    Example:
        >>> "strategy-semi-hard.svg" in pictures()
        True
    """
    return {_picture(one): draw(one) for one in STRATEGIES}


def _picture(one: Strategy) -> str:
    return f"strategy-{one.name}.svg"


_GRANULARITY = {
    "pair": "one for every anchor and positive",
    "anchor": "one for every anchor",
    "batch": "one for the whole batch",
    "many": "several for an anchor and positive",
    "all": "all",
}


def _composed() -> str:
    rows = (f"| `{axis}` | {', '.join(f'`{value}`' for value in AXES[axis])} | {_MEANINGS[axis]} |" for axis in AXES)
    return COMPOSED.format(axes="\n".join(rows))


def _section(one: Strategy) -> str:
    needs = {"unit": "vectors of length 1", "dim": "the dimension of the embeddings", "embeddings": "the embeddings"}
    facts = [
        f"- **Title**: {one.title}",
        f"- **Source**: {one.source}.",
        f"- **Picks**: {_GRANULARITY[one.granularity]}{', by chance' if one.stochastic else ''}.",
        f"- **Zones it may pick from**: {', '.join(one.zones)}.",
        f"- **Needs**: {' and '.join(needs[need] for need in one.needs) or 'distances and labels only'}.",
    ]
    if one.unfiltered:
        facts.append(f"- **`--filter`** is refused: {one.unfiltered}.")
    if one.loss != TRIPLET:
        facts.append(f"- **Loss**: its own, [{one.loss}](#loss-{one.loss}), unless `--loss` names another.")
    shown = sentence(one)
    picture = f"![{one.name} on the triplet plane. {shown}](images/{_picture(one)})"
    lines = [f"## {one.name}", "", one.summary, "", *facts, "", picture, "", shown, "", one.notes, ""]
    if one.advice:
        lines += [one.advice, ""]
    return "\n".join([*lines, *_parameters(one)])


def _loss_section(one: Loss) -> str:
    brought = ", ".join(f"[{each.name}](#{each.name})" for each in STRATEGIES if each.loss == one.name)
    brought = "every strategy that brings none of its own" if one.name == TRIPLET else brought
    facts = [
        f"- **Title**: {one.title}",
        f"- **Source**: {one.source}.",
        f"- **Used by**: {brought}.",
        f"- **Soft margin**: {'yes' if one.soft else 'no'}.",
    ]
    return "\n".join([f"### loss: {one.name}", "", one.summary, "", *facts, "", one.notes, "", *_parameters(one)])


def _parameters(one: Strategy | Loss) -> list[str]:
    if not one.params:
        return []
    rows = [f"| `{p.name}` | {p.default:g} | {p.low:g} | {p.high:g} | {p.help} |" for p in one.params]
    return ["| parameter | default | from | to | what it does |", "|---|---|---|---|---|", *rows, ""]


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when the page was written or is current, 1 when `--check` finds it stale."""
    parser = argparse.ArgumentParser(
        prog="python -m tripletscope.strategy_docs",
        description="Write docs/strategies.md and its pictures from the registered strategies.",
        epilog="example: python -m tripletscope.strategy_docs docs/strategies.md --check",
    )
    parser.add_argument("page", type=Path, help="the Markdown file")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    options = parser.parse_args(argv)
    page, folder = options.page, options.page.parent / "images"
    wanted = {page: render()} | {folder / name: text for name, text in pictures().items()}
    left = [path for path in sorted(folder.glob("strategy-*.svg")) if path not in wanted]
    if not options.check:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        for path in left:
            path.unlink()
        return 0
    stale = left + [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if not stale:
        return 0
    shown = ", ".join(str(path) for path in stale[:3]) + (" and others" if len(stale) > 3 else "")
    sys.stderr.write(f"{shown}: not what the registry says; run python -m tripletscope.strategy_docs {page}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
