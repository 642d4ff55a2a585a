"""How well each strategy learns to tell unseen characters apart, and which characters it picks for each other.

    python benchmarks/results_glyphs.py              # prints the tables of docs/results.md (5 minutes of one core)
    python benchmarks/results_glyphs.py --write      # puts them there, and the picture beside them

Trained on the seen characters of the glyphs, three seeds for each strategy, from the same weights and on the same
batches; evaluated on the characters kept apart, none of whose shapes was trained on.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from tripletscope import Run, datasets, models, strategies
from tripletscope.config import TrainConfig
from tripletscope.datasets.glyphs import columns, has_twin, twins
from tripletscope.metrics import retrieval
from tripletscope.samples import LabelledData
from tripletscope.training import record

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs" / "results.md", ROOT / "docs" / "images" / "glyphs-look-alikes.png"
MARKS = ("<!-- glyphs: begin -->", "<!-- glyphs: end -->")
STRATEGIES = ("random", "semi-hard", "batch-hard", "easy-positive", "distance-weighted")
LOOKED_AT = "batch-hard"  # whose most picked pairs are listed and drawn: it takes the nearest negative there is
SEEDS, STEPS = range(3), 600
BATCH = {"classes_per_batch": 16, "samples_per_class": 4}
TOP = 10
#: Twins, which more than half of the fonts draw alike, and all other pairs.
KINDS = ("false negatives: most fonts draw them alike", "hard negatives: the fonts draw them differently")
LEAST_MEETINGS = 5  # batches that held both characters; fewer say little


@dataclass(frozen=True)
class Scores:
    """Recall@1, MAP@R, and Recall@1 of the pictures that no other class has too."""

    recall: float
    map_at_r: float
    recall_alone: float


@dataclass(frozen=True)
class Pair:
    """Two characters, and the share of anchors that picked the other where a batch held both."""

    first: int
    second: int
    share: float
    meetings: int


def scores(vectors: np.ndarray, data: LabelledData) -> Scores:
    labels = data.samples.labels
    found = retrieval(vectors, labels, ks=(1,))
    squares = (vectors.astype(np.float64) ** 2).sum(axis=1)
    squared = squares[:, None] + squares - 2 * vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(squared, np.inf)
    hit = labels[squared.argmin(axis=1)] == labels
    return Scores(found["recall_at_1"], found["map_at_r"], float(hit[~has_twin(data)].mean()))


def embedded(weights: dict[str, torch.Tensor], data: LabelledData, config: TrainConfig) -> np.ndarray:
    network = models.build("cnn", data.input_shape, config.dim, seed=config.seed)
    network.load_state_dict(weights)
    network.eval()
    with torch.no_grad():
        made: np.ndarray = network(torch.from_numpy(data.features)).numpy()
    return made


def picked(run: Run, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each pair of classes: anchors that picked the other, and anchors that could have; second half of the run."""
    picks, asked = np.zeros((count, count)), np.zeros((count, count))
    labels = run.samples.labels
    rows = run.pick_rows(strategy=run.training, training=True)
    late = rows["step"] >= run.step_count // 2
    # An anchor counts once for each class, however many positives it was asked with.
    keys = np.unique(
        np.column_stack([rows["step"][late], rows["anchor"][late], labels[rows["negative"][late]]]), axis=0
    )
    np.add.at(picks, (labels[keys[:, 1]], keys[:, 2]), 1)
    batches = run.batch_rows(range(run.step_count // 2, run.step_count))
    for step in np.unique(batches["step"]):
        mine = labels[batches["row"][batches["step"] == step]]
        there = np.unique(mine)
        asked[np.ix_(there, there)] += np.bincount(mine, minlength=count)[there][:, None]
    return picks + picks.T, asked + asked.T


def most_picked(picks: np.ndarray, asked: np.ndarray, names: list[str]) -> dict[str, list[Pair]]:
    """Of the pairs that met often enough those with the largest share, apart for twins and for all others."""
    anchors = 2 * BATCH["samples_per_class"]  # of a pair in one batch
    share = np.where(asked >= LEAST_MEETINGS * anchors, picks / np.maximum(asked, 1), 0)
    first, second = np.triu_indices(len(share), k=1)
    order = np.lexsort((-asked[first, second], -share[first, second]))  # of equal shares those that met most
    alike = {(pair.first, pair.second) for pair in twins(32) if pair.fonts > pair.shared / 2}
    found: dict[str, list[Pair]] = {title: [] for title in KINDS}
    for a, b in zip(first[order], second[order], strict=True):
        kind = KINDS[0] if (names[a], names[b]) in alike else KINDS[1]
        if len(found[kind]) < TOP:
            found[kind].append(Pair(int(a), int(b), float(share[a, b]), int(asked[a, b] // anchors)))
    return found


def measure(seeds: range, steps: int) -> tuple[dict[str, list[Scores]], dict[str, list[Pair]], LabelledData]:
    seen, unseen = datasets.load("glyphs:part=seen"), datasets.load("glyphs:part=unseen")
    table = {"(pixels)": [scores(unseen.features.reshape(len(unseen), -1), unseen)]}
    pairs: dict[str, list[Pair]] = {}
    for name in STRATEGIES:
        table[name] = []
        count = len(seen.samples.class_names)
        picks, asked = np.zeros((count, count)), np.zeros((count, count))
        for seed in seeds:
            config = TrainConfig(
                data="glyphs:part=seen", strategy=name, steps=steps, seed=seed, device="cpu", model="cnn", **BATCH
            )
            with tempfile.TemporaryDirectory() as folder:
                result = record(config, seen, Path(folder) / "run")
                more = picked(Run.open(Path(folder) / "run"), count)
            picks, asked = picks + more[0], asked + more[1]
            table[name].append(scores(embedded(result.weights, unseen, config), unseen))
            print(f"{name} {seed}: {table[name][-1]}, {result.seconds:.0f} s", file=sys.stderr, flush=True)
        if name == LOOKED_AT:
            pairs = most_picked(picks, asked, seen.samples.class_names)
    return table, pairs, seen


def written(table: dict[str, list[Scores]], pairs: dict[str, list[Pair]], seen: LabelledData) -> str:
    """The tables as Markdown."""
    names = seen.samples.class_names
    lines = ["| strategy | R@1 | MAP@R | R@1 without twins | R@1 by seed |", "|---|---|---|---|---|"]
    for name, found in table.items():
        means = [np.mean([getattr(one, key) for one in found]) for key in ("recall", "map_at_r", "recall_alone")]
        by_seed = " ".join(f"{one.recall:.3f}" for one in found) if len(found) > 1 else ""
        lines.append(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} | {by_seed} |")
    lines += [
        "",
        f"| picked most by {LOOKED_AT} | pairs, with the share of anchors that picked the other |",
        "|---|---|",
    ]
    for kind, some in pairs.items():
        told = ", ".join(f"{names[one.first][0]} {names[one.second][0]} {one.share:.0%}" for one in some)
        lines.append(f"| {kind} | {told} |")
    return "\n".join(lines) + "\n"


def draw(pairs: dict[str, list[Pair]], seen: LabelledData) -> Image.Image:
    """Ten pairs a row, twins and others: both characters in three fonts, and the share below."""
    names = seen.samples.class_names
    font_of = columns()
    everything = datasets.load("glyphs")
    place = {everything.samples.id_of(row): row for row in range(len(everything))}
    fonts = np.array([font_of.font[place[seen.samples.id_of(row)]] for row in range(len(seen))])
    wanted = [font_of.font_names.index(name) for name in ("Arimo", "Literata", "EB Garamond Italic")]
    tile, gap, head, foot = 42, 22, 30, 46
    width = TOP * (2 * tile + gap) + gap
    height = len(KINDS) * (head + len(wanted) * tile + foot)
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)
    for line, kind in enumerate(KINDS):
        top = line * (head + len(wanted) * tile + foot)
        title = f"Picked most by {strategies.get(LOOKED_AT).title.lower()}, {kind}"
        pen.text((gap, top + 6), title, fill="#222222", font=large)
        for number, pair in enumerate(pairs[kind]):
            left = gap + number * (2 * tile + gap)
            for side, label in enumerate((pair.first, pair.second)):
                for level, font in enumerate(wanted):
                    rows = np.flatnonzero((seen.samples.labels == label) & (fonts == font))
                    if not len(rows):
                        continue
                    ink = Image.fromarray(255 - np.round(seen.features[rows[0], 0] * 255).astype(np.uint8))
                    large_ink = ink.resize((tile, tile), Image.Resampling.LANCZOS)
                    sheet.paste(large_ink, (left + side * tile, top + head + level * tile))
            scripts = [names[label].split()[1] for label in (pair.first, pair.second)]
            told = scripts[0] if scripts[0] == scripts[1] else f"{scripts[0]}, {scripts[1]}"
            below = top + head + len(wanted) * tile
            middle = left + tile
            pen.line((left, below, left + 2 * tile, below), fill="#bbbbbb")
            pen.text((middle, below + 3), f"{pair.share:.0%}", fill="#222222", font=large, anchor="ma")
            pen.text((middle, below + 23), told, fill="#555555", font=small, anchor="ma")
    return sheet


def main() -> int:
    parser = argparse.ArgumentParser(description="The strategies on unseen characters.")
    parser.add_argument("--write", action="store_true", help="put tables and picture into docs/")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.process_time()
    table, pairs, seen = measure(range(options.seeds), options.steps)
    text = written(table, pairs, seen)
    print(text)
    print(f"{time.process_time() - begun:.0f} CPU seconds", file=sys.stderr)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(MARKS[0])
        PAGE.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")
        draw(pairs, seen).quantize(32).save(PICTURE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
