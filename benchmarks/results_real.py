"""How well each strategy learns to tell things apart that were not trained on, on four sets of pictures.

    TRIPLETSCOPE_DATA=FOLDER python benchmarks/results_real.py           # prints the tables of docs/results.md
    TRIPLETSCOPE_DATA=FOLDER python benchmarks/results_real.py --write   # puts them there

FOLDER holds omniglot.npz and grocery.parquet (docs/results.md says what they are); without it the other two sets are
measured. Every training that is done is a line of results_real.jsonl beside this file, so a call that was cut short
goes on, and a strategy that is new is all that is trained; `--again` begins from nothing.

Every registered strategy, three seeds, the same weights and batches for all of a seed, one setting for all sets.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pandas
import torch
from PIL import Image

from tripletscope import datasets, strategies
from tripletscope.batch import Batch
from tripletscope.config import TrainConfig
from tripletscope.distances import pairwise
from tripletscope.frames import COLLAPSED
from tripletscope.metrics import retrieval
from tripletscope.preparation import prepare
from tripletscope.readers.archive import read_archive
from tripletscope.readers.checks import encode_labels
from tripletscope.readers.pictures import to_features
from tripletscope.samples import LabelledData, Samples

ROOT = Path(__file__).resolve().parent.parent
PAGE, KEPT = ROOT / "docs" / "results.md", Path(__file__).with_suffix(".jsonl")
MARKS = ("<!-- real: begin -->", "<!-- real: end -->")
SEEDS = range(3)
#: FaceNet's space: vectors of length 1 and squared distances, margin 0.2. Nothing here was tuned to a set.
SETTING = TrainConfig(
    model="cnn",
    distance="squared-euclidean",
    margin=0.2,
    lr=1e-3,
    dim=64,
    steps=200,
    classes_per_batch=16,
    samples_per_class=4,
    device="cpu",
)
SETS = {
    "glyphs": "Glyphs: characters that were never seen",
    "omniglot": "Omniglot: handwritten characters that were never seen",
    "emoji_faces": "Emoji: faces that were never seen",
    "grocery": "Grocery: new photographs of the same things",
}
UNTRAINED = "(pixels)"
EVERY = 3  # of the classes, in the order of the set, every third is kept apart


@dataclass(frozen=True)
class Line:
    """One training, or the pixels themselves: what it was, and what came out on the samples kept apart."""

    data: str
    strategy: str
    seed: int
    setting: str
    recall_at_1: float
    map_at_r: float
    spread: float | None
    abstained: float | None
    cpu_seconds: float


@lru_cache(maxsize=4)
def parts(name: str) -> tuple[LabelledData, LabelledData]:
    """What is trained on, and what is asked for."""
    if name == "glyphs":
        return datasets.load("glyphs:part=seen"), datasets.load("glyphs:part=unseen")
    if name == "grocery":
        data, first = _grocery(_folder() / "grocery.parquet")
        return _part(data, np.flatnonzero(first)), _part(data, np.flatnonzero(~first))
    data = datasets.load(name) if name == "emoji_faces" else read_archive(_folder() / f"{name}.npz")
    apart = data.samples.labels % EVERY == EVERY - 1
    return _part(data, np.flatnonzero(~apart)), _part(data, np.flatnonzero(apart))


def _folder() -> Path:
    return Path(os.environ.get("TRIPLETSCOPE_DATA", "."))


def _part(data: LabelledData, rows: np.ndarray) -> LabelledData:
    """Those rows, their classes numbered anew."""
    labels, names = encode_labels([data.samples.class_of(row) for row in rows.tolist()])
    ids = [str(data.samples.id_of(row)) for row in rows.tolist()]
    return replace(data, features=data.features[rows], samples=Samples(ids, labels, names))


def _grocery(path: Path) -> tuple[LabelledData, np.ndarray]:
    """The photographs at 32 x 32 pixels, and which of them are for training."""
    table = pandas.read_parquet(path)
    size = (32, 32)
    pictures = [Image.open(io.BytesIO(each)).convert("RGB").resize(size, Image.Resampling.BOX) for each in table.image]
    labels, names = encode_labels(table["label"].tolist())
    data = LabelledData(
        name="grocery",
        features=to_features(np.stack([np.asarray(each) for each in pictures])),
        samples=Samples([str(row) for row in range(len(table))], labels, names),
    )
    return data, (table["split"] == "train").to_numpy()


def available() -> list[str]:
    """The sets that can be read here."""
    files = {"omniglot": "omniglot.npz", "grocery": "grocery.parquet"}
    return [name for name in SETS if name not in files or (_folder() / files[name]).is_file()]


def untrained(name: str) -> Line:
    """What the pixels themselves say."""
    begun = time.process_time()
    asked = parts(name)[1]
    pixels = asked.features.reshape(len(asked), -1)
    found = retrieval(pixels, asked.samples.labels, ks=(1,))
    spent = time.process_time() - begun
    return Line(name, UNTRAINED, 0, stamp(), found["recall_at_1"], found["map_at_r"], None, None, spent)


def trained(name: str, strategy: str, seed: int) -> Line:
    """One training, without a recording: nothing but its end is looked at."""
    begun = time.process_time()
    learnt, asked = parts(name)
    config = replace(SETTING, data=name, strategy=strategy, seed=seed)
    setup = prepare(config, learnt)
    without = units = 0
    for step in range(config.steps):
        rows = setup.sampler.draw()
        labels = setup.labels[rows]
        embeddings = setup.network(setup.inputs(rows))
        distances = pairwise(embeddings, config.distance)
        batch = Batch(distances, labels, distance=config.distance, embeddings=embeddings)
        triplets = setup.pick(batch, step)
        cost = setup.loss(distances, labels, triplets, embeddings)
        setup.optimiser.zero_grad()
        cost.mean.backward()
        setup.optimiser.step()
        if step >= config.steps - 25 and triplets is not None and setup.strategy.granularity != "all":
            without += setup.strategy.abstained(batch, triplets)
            units += setup.strategy.units(batch)
    setup.network.eval()
    with torch.no_grad():
        made = setup.network(torch.from_numpy(asked.features)).numpy()
    found = retrieval(made, asked.samples.labels, config.distance, ks=(1,))
    return Line(
        name,
        strategy,
        seed,
        stamp(),
        round(found["recall_at_1"], 4),
        round(found["map_at_r"], 4),
        round(batch.mean_distance / config.margin, 4),
        round(without / units, 4) if units else None,
        round(time.process_time() - begun, 2),
    )


def stamp() -> str:
    """The setting in a few words; a line of another setting is not counted."""
    c = SETTING
    return (
        f"{c.model} {c.dim}-d {c.distance} margin {c.margin:g} lr {c.lr:g} {c.steps} steps "
        f"{c.classes_per_batch} x {c.samples_per_class}"
    )


def kept() -> dict[tuple[str, str, int], Line]:
    """The trainings that are done, by what they are."""
    if not KEPT.is_file():
        return {}
    lines = [Line(**json.loads(text)) for text in KEPT.read_text(encoding="utf-8").splitlines()]
    return {(line.data, line.strategy, line.seed): line for line in lines if line.setting == stamp()}


def wanted(names: list[str], seeds: range) -> Iterator[tuple[str, str, int]]:
    """Set, strategy and seed of every line; seeds outermost, so that all sets have one early."""
    yield from ((name, UNTRAINED, 0) for name in names)
    for seed in seeds:
        for name in names:
            for one in strategies.all():
                yield name, one.name, seed


def measure(names: list[str], seeds: range) -> dict[tuple[str, str, int], Line]:
    """Everything; what is not kept yet is trained and kept."""
    found = kept()
    for name, strategy, seed in wanted(names, seeds):
        if (name, strategy, seed) in found:
            continue
        line = untrained(name) if strategy == UNTRAINED else trained(name, strategy, seed)
        with KEPT.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(line)) + "\n")
        found[name, strategy, seed] = line
        print(f"{name} {strategy} {seed}: R@1 {line.recall_at_1:.3f}, {line.cpu_seconds:.1f} s", file=sys.stderr)
    return found


def table(name: str, found: dict[tuple[str, str, int], Line], seeds: range) -> str:
    """One set as Markdown, best MAP@R first."""
    pixels = found[name, UNTRAINED, 0]
    rows, missing = [], []
    for one in strategies.all():
        some = [found[name, one.name, seed] for seed in seeds if (name, one.name, seed) in found]
        fewer = f" ({len(some)} of {len(seeds)} seeds)" if len(some) < len(seeds) else ""
        if some:
            rows.append((np.mean([line.map_at_r for line in some]), one.name + fewer, some))
        else:
            missing.append(one.name)
    rows.sort(key=lambda row: -row[0])
    lines = ["| strategy | R@1 | MAP@R | spread | abstained |", "|---|---|---|---|---|"]
    for _, strategy, some in rows:
        spreads = [line.spread for line in some if line.spread is not None]
        fallen = sum(spread < COLLAPSED for spread in spreads)
        note = f" (**collapsed** in {fallen} of {len(some)})" if fallen else ""
        shares = [line.abstained for line in some if line.abstained is not None]
        cells = [
            ranged([line.recall_at_1 for line in some], 3),
            ranged([line.map_at_r for line in some], 3),
            ranged(spreads, 2) + note,
            f"{np.mean(shares):.0%}" if shares else "",
        ]
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    lines.append(f"| {UNTRAINED} | {pixels.recall_at_1:.3f} | {pixels.map_at_r:.3f} | | |")
    if missing:
        lines += ["", f"Not trained on this set yet: {', '.join(missing)}."]
    return "\n".join(lines)


def ranged(values: list[float], digits: int) -> str:
    """The mean, and from the lowest seed to the highest."""
    low, high = min(values), max(values)
    return f"{np.mean(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def sizes(name: str) -> str:
    """How much there is to train on, and to ask for."""
    learnt, asked = parts(name)
    return (
        f"Trained on {len(learnt):,} pictures of {len(learnt.samples.class_names)} classes, asked for {len(asked):,} "
        f"of {len(asked.samples.class_names)}."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="The strategies on pictures that were not trained on.")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    parser.add_argument("--again", action="store_true", help="forget what is kept and train everything")
    parser.add_argument("--kept", action="store_true", help="train nothing: show what is kept, even if it is not all")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), help="only these")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.again:
        KEPT.unlink(missing_ok=True)
    names, seeds = options.sets or available(), range(options.seeds)
    found = kept() if options.kept else measure(names, seeds)
    keys = [key for key in wanted(names, seeds) if key in found]
    spent = sum(found[key].cpu_seconds for key in keys)
    shown = {name: f"{sizes(name)}\n\n{table(name, found, seeds)}" for name in names}
    for name, text in shown.items():
        print(f"### {SETS[name]}\n\n{text}\n")
    count = sum(key[1] != UNTRAINED for key in keys)
    print(f"{count} trainings, {spent:.0f} CPU seconds", file=sys.stderr)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        for name, text in shown.items():
            begin, end = (mark.replace("real", f"real {name}") for mark in MARKS)
            before, rest = page.split(begin)
            page = f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}"
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
