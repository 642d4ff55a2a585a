"""Records the races that the explorer opens on, and chooses the anchor that they open with.

    python sample_data/make_recordings.py            writes sample_data/races/ (the old one must be moved away first)
    python sample_data/make_recordings.py --check    records again elsewhere and compares; exit code 1 if they differ
    python sample_data/make_recordings.py --openings writes the opening.json of each race again, and nothing else

A race is one training for each strategy from the same weights and the same batches. What a rerun could not repeat
(clocks, process, versions, checkpoints) is taken out of the recordings, so the same machine writes the same bytes;
another processor may round differently, and after a few hundred steps that shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tripletscope import Run, datasets, strategies
from tripletscope.analysis.answer import unpack_answer
from tripletscope.analysis.counterfactual import opening
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.batch import Batch
from tripletscope.config import TrainConfig
from tripletscope.seeding import generator
from tripletscope.training import record
from tripletscope.zones import zone_codes_numpy

PLACE = Path(__file__).resolve().parent / "races"
RUNS = ("random", "semi-hard", "batch-hard")  # in the order of their buttons
OPENS_ON, OPENS_AT = "semi-hard", 30  # the run and the step that are shown first

# Of the seeds 0-4 this is the one whose final Recall@1 are closest to the means over all five, so it tells the usual
# story: as with seeds 2 and 4 batch-hard contracts to a point. (With seed 0 it gets away, with seed 1 half-way.)
SEED = 3

MARGIN = 1.0


@dataclass(frozen=True)
class Race:
    """One folder of `races/`: what is trained on, and the words that the explorer shows with it."""

    name: str
    order: int
    standardize: bool
    title: str
    chip: str
    subtitle: str


RACES = (
    Race(
        "digits-2d",
        10,
        False,
        "Digits: the hardest negative ruins a young model",
        "digits",
        "1,797 digits, pixels / 16, MLP 64-64-2, not normalised, Euclidean, margin 1.0. Three runs from the same "
        "weights on the same batches; only the strategy differs. Batch-hard pulls everything into one point.",
    ),
    Race(
        "digits-2d-standardized",
        20,
        True,
        "Standardised pixels: batch-hard does not collapse here",
        "digits, standardised",
        "The same race with every pixel at mean 0 and standard deviation 1. Only the scale of the input changed, "
        "and batch-hard ends level with the others: its collapse is no law.",
    ),
)


def main() -> int:
    """Writes the races, or compares them with the shipped ones."""
    parser = argparse.ArgumentParser(description="Record the races that come with tripletscope.")
    parser.add_argument("--check", action="store_true", help="compare with what is there; write nothing")
    parser.add_argument("--openings", action="store_true", help="answer the opening anchors again; record nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.check:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place))
            return compare(Path(place), PLACE)
    if args.openings:
        for race in RACES:
            told = json.loads((PLACE / race.name / "race.json").read_text(encoding="utf-8"))
            write_opening(PLACE / race.name, told["opening"])
        return 0
    if PLACE.exists():
        print(f"{PLACE} exists already: move it away first.", file=sys.stderr)
        return 2
    make(PLACE)
    return 0


def make(place: Path) -> None:
    """Nothing; every race lies in a folder of its own in `place`."""
    for race in RACES:
        folder = place / race.name
        for name in RUNS:
            record_one(race, name, folder / name)
        runs = [Run.open(folder / name) for name in RUNS]
        anchor, positive = choose_opening(runs[RUNS.index(OPENS_ON)])
        shown = {"run": OPENS_ON, "step": OPENS_AT, "anchor": anchor, "positive": positive}
        words = {"title": race.title, "chip": race.chip, "subtitle": race.subtitle, "note": race.subtitle}
        told = {**words, "order": race.order, "seed": SEED, "runs": list(RUNS), "opening": shown}
        write_json(folder / "race.json", told, indent=2)
        write_opening(folder, shown)
        report(race, runs, shown)


def write_opening(folder: Path, shown: dict[str, Any]) -> None:
    """Nothing; the race says what it opens with, so that the first page asks nobody."""
    write_json(folder / "opening.json", opening([Run.open(folder / name) for name in RUNS], **shown))


def record_one(race: Race, strategy: str, out: Path, steps: int = 400) -> None:
    """Nothing; one run is recorded, closed, and stripped of what a rerun could not repeat."""
    config = TrainConfig(
        data="digits",
        standardize=race.standardize,
        strategy=strategy,
        steps=steps,
        seed=SEED,
        device="cpu",
        model="mlp",
        dim=2,
        hidden=64,
        normalize=False,
        distance="euclidean",
        margin=MARGIN,
        lr=1e-2,
        classes_per_batch=8,
        samples_per_class=4,
    )
    record(config, datasets.load("digits", standardize=race.standardize), out)
    strip(out)


def strip(run: Path) -> None:
    """Nothing; the closed run no longer says when, where and by which versions it was recorded, nor can it go on."""
    shutil.rmtree(run / "checkpoints")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    write_json(
        run / "config.json", {k: v for k, v in config.items() if k not in ("versions", "tripletscope")}, indent=2
    )
    status = json.loads((run / "status.json").read_text(encoding="utf-8"))
    write_json(run / "status.json", {k: status[k] for k in ("state", "step", "message")})
    lines = [json.loads(line) for line in (run / "scalars.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = [{k: v for k, v in line.items() if k not in ("time", "seconds")} for line in lines]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in kept)
    (run / "scalars.jsonl").write_text(text, encoding="utf-8")


def choose_opening(run: Run, step: int = OPENS_AT) -> tuple[int, int]:
    """The anchor and the positive (probe indices) that tell most at a glance, at that frame of the run.

    Among the candidates of an anchor (its probe batch) the negatives should lie in all three zones of the positive,
    and the strategies should not agree. So:

    1. keep the pairs whose rarest zone has as many negatives as possible, or one fewer;
    2. of these, the pair for which the most different negatives are picked by the strategies that are no lottery;
    3. of these, the anchor whose zones are filled most evenly; and of equals the first.
    """
    labels, frame = probe_labels(run), np.asarray(run.frames[step])
    found = []  # (rarest zone, its evenness, anchor, positive, batch)
    for anchor in range(len(labels)):
        rows = probe_batch(run, anchor)
        batch = Batch.from_embeddings(torch.from_numpy(frame[rows]), torch.from_numpy(labels[rows]), run.distance)
        negatives = torch.nonzero(batch.negative_mask[0])[:, 0]
        for positive in torch.nonzero(batch.positive_mask[0])[:, 0].tolist():
            gap = (batch.distances[0, negatives] - batch.distances[0, positive]).numpy()
            counts = np.bincount(zone_codes_numpy(gap, run.margin), minlength=3)
            found.append((int(counts.min()), -int(counts.max()), anchor, positive, batch))
    most = max(entry[0] for entry in found)
    short = [entry for entry in found if entry[0] >= most - 1]
    short.sort(key=lambda entry: (-disagreement(entry[4], entry[3], run.margin), -entry[0], -entry[1], entry[2]))
    _, _, anchor, slot, _ = short[0]
    return anchor, int(probe_batch(run, anchor)[slot])


def disagreement(batch: Batch, positive: int, margin: float) -> int:
    """How many different negatives the deterministic strategies pick for slot 0 with this positive."""
    picked: set[int] = set()
    for strategy in strategies.all():
        if strategy.stochastic or strategy.granularity == "all":
            continue
        picks = strategy.pick(batch, margin=margin, generator=generator(SEED, "opening"))
        mine = (picks.anchor == 0) & (picks.positive == positive)
        picked |= set(picks.negative[mine].tolist())
    return len(picked)


def write_json(path: Path, content: object, indent: int | None = None) -> None:
    """Nothing; the file holds the content."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(content, indent=indent, separators=separators, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def report(race: Race, runs: list[Run], shown: dict[str, Any]) -> None:
    """Nothing; the race's outcome and sizes are on standard output."""
    print(f"{race.name}: opens on {shown}")
    for run in runs:
        size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
        last, before = run.lines[-1], run.lines[-2]
        print(
            f"  {run.name:11} R@1 {last['recall_at_1']:.3f}  spread {before['spread']:8.4f}  "
            f"{len(run.frame_steps)} frames  {size / 1e6:.2f} MB"
        )


def compare(made: Path, shipped: Path) -> int:
    """0 when picks and frames are those of the shipped recordings, else 1; says where they part."""
    differ = 0
    for race in RACES:
        for name in RUNS:
            here, there = Run.open(made / race.name / name), Run.open(shipped / race.name / name)
            parted = first_difference(here, there)
            differ |= parted is not None
            print(f"{race.name}/{name}: {'the same' if parted is None else f'different from step {parted} on'}")
        same = said_by(made / race.name) == said_by(shipped / race.name)
        differ |= not same
        print(f"{race.name}: the opening is {'the same' if same else 'different'}")
    return int(differ)


def said_by(folder: Path) -> list[Any]:
    """What race.json and opening.json say; answers unpacked, for another zlib may pack the same in other bytes."""
    race, opens = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("race.json", "opening.json"))
    for name, packed in opens["answers"].items():
        answer = unpack_answer(packed, Run.open(folder / name))
        opens["answers"][name] = json.dumps(answer, default=lambda array: array.tolist())
    return [race, opens]


def first_difference(here: Run, there: Run) -> int | None:
    """The first step whose picks or frame differ; None when there is none."""
    for step in range(max(here.step_count, there.step_count) + 1):
        if (step in here.frame_steps) != (step in there.frame_steps):
            return step
        if step in here.frame_steps and not np.array_equal(here.frames[step], there.frames[step]):
            return step
        mine, theirs = (
            run.pick_rows(step) if step < run.step_count else {"step": np.empty(0)} for run in (here, there)
        )
        if any(not np.array_equal(mine[column], theirs[column], equal_nan=True) for column in mine):
            return step
    return None


if __name__ == "__main__":
    raise SystemExit(main())
