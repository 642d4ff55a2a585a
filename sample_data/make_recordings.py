"""Records the races that the explorer opens on, and chooses the anchor that they open with.

    python sample_data/make_recordings.py            writes sample_data/races/ (the old one must be moved away first)
    python sample_data/make_recordings.py --check    records again elsewhere and compares; exit code 1 if they differ
    python sample_data/make_recordings.py --openings writes the answers that a race opens with again, and its asides
    python sample_data/make_recordings.py --race emoji-32d          does one race only; with --check or alone

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tripletscope import Run, datasets, strategies
from tripletscope.analysis.answer import unpack_answer
from tripletscope.analysis.counterfactual import opening
from tripletscope.analysis.maps import KINDS, keep_map, make_map
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.batch import Batch
from tripletscope.config import TrainConfig
from tripletscope.samples import LabelledData
from tripletscope.seeding import generator
from tripletscope.training import record
from tripletscope.zones import zone_codes_numpy

PLACE = Path(__file__).resolve().parent / "races"
RUNS = ("random", "semi-hard", "batch-hard")  # in the order of their buttons
OPENS_ON, OPENS_AT = "semi-hard", 30  # the run and the step that are shown first
SHOWN_FIRST = 8  # strategies that the ruler shows before anybody chooses

# Of the seeds 0-4 this is the one whose final Recall@1 are closest to the means over all five, so it tells the usual
# story: as with seeds 2 and 4 batch-hard contracts to a point. (With seed 0 it gets away, with seed 1 half-way.)
SEED = 3

MARGIN = 1.0


def emoji() -> LabelledData:
    """396 emoji drawings: 66 of the 113 emoji that are drawn in all six styles, evenly spaced, at 32 x 32 pixels."""
    data = datasets.load("emoji_faces:complete=66", image_size=32)
    return replace(data, name="emoji_faces")  # as the recordings have called it from the first


#: The settings of the digits' races, and how the emoji's differ: a space of 32 dimensions, on the unit sphere.
DIGITS: dict[str, Any] = {
    "data": "digits",
    "steps": 400,
    "seed": SEED,
    "device": "cpu",
    "model": "mlp",
    "dim": 2,
    "hidden": 64,
    "normalize": False,
    "distance": "euclidean",
    "margin": MARGIN,
    "lr": 1e-2,
    "classes_per_batch": 8,
    "samples_per_class": 4,
}
EMOJI = DIGITS | {
    "data": "emoji_faces",
    "image_size": 32,
    "steps": 300,
    "seed": 0,
    "model": "cnn",
    "dim": 32,
    "normalize": True,
    "margin": 0.2,
    "lr": 1e-3,
}


@dataclass(frozen=True)
class Race:
    """One folder of `races/`: what is trained on, and the words that the explorer shows with it.

    `half`: frames are kept in half precision, and the maps of the runs are kept with them.
    """

    name: str
    order: int
    standardize: bool
    title: str
    chip: str
    subtitle: str
    runs: tuple[str, ...] = RUNS
    opens_at: int = OPENS_AT
    settings: dict[str, Any] = field(default_factory=lambda: dict(DIGITS))
    data: Callable[[], LabelledData] | None = None
    half: bool = False


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
    Race(
        "emoji-32d",
        30,
        False,
        "Emoji: 32 dimensions, seen through a PCA or a UMAP",
        "emoji, 32-D",
        "396 drawings of 66 emoji, CNN to 32 dimensions on the unit sphere, Euclidean, margin 0.2. No map of it is "
        "exact: the PCA keeps one view and its scale, the UMAP keeps neighbours. From step 20 to 100 batch-hard holds "
        "everything within a tenth of a margin: the PCA shows a spot, the UMAP does not.",
        runs=("semi-hard", "batch-hard"),
        opens_at=102,
        settings=EMOJI,
        data=emoji,
        half=True,
    ),
)


def main() -> int:
    """Writes the races, or compares them with the shipped ones."""
    parser = argparse.ArgumentParser(description="Record the races that come with tripletscope.")
    parser.add_argument("--check", action="store_true", help="compare with what is there; write nothing")
    parser.add_argument("--race", choices=[race.name for race in RACES], help="this race only")
    parser.add_argument("--openings", action="store_true", help="answer the opening anchors and count the asides again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    races = [race for race in RACES if args.race in (None, race.name)]
    if args.check:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place), races)
            return compare(Path(place), PLACE, races)
    if args.openings:
        for race in races:
            told = json.loads((PLACE / race.name / "race.json").read_text(encoding="utf-8"))
            write_opening(PLACE / race.name, race, told["opening"])
            write_asides(race.name)
        return 0
    for taken in (PLACE / race.name for race in races if (PLACE / race.name).exists()):
        print(f"{taken} exists already: move it away first.", file=sys.stderr)
        return 2
    make(PLACE, races)
    for race in races:
        write_asides(race.name)
    return 0


def make(place: Path, races: Sequence[Race] = RACES) -> None:
    """Nothing; every race lies in a folder of its own in `place`."""
    for race in races:
        folder = place / race.name
        for name in race.runs:
            record_one(race, name, folder / name)
        runs = [Run.open(folder / name) for name in race.runs]
        anchor, positive = choose_opening(runs[race.runs.index(OPENS_ON)], race.opens_at)
        shown = {"run": OPENS_ON, "step": race.opens_at, "anchor": anchor, "positive": positive}
        words = {"title": race.title, "chip": race.chip, "subtitle": race.subtitle, "note": race.subtitle}
        told = {**words, "order": race.order, "seed": race.settings["seed"], "runs": list(race.runs), "opening": shown}
        write_json(folder / "race.json", told, indent=2)
        write_opening(folder, race, shown)
        if race.half:
            for run in runs:
                keep_maps(run)
        report(race, runs, shown)


def write_opening(folder: Path, race: Race, shown: dict[str, Any]) -> None:
    """Nothing; the race says what it opens with, so that the first page asks nobody."""
    write_json(folder / "opening.json", opening([Run.open(folder / name) for name in race.runs], **shown))


def write_asides(name: str) -> None:
    """Nothing; the shipped runs of that race hold what the page counts over a whole run: nobody waits."""
    from tripletscope_app import loaders
    from tripletscope_app.asides import shipped_name
    from tripletscope_app.component.aside import pack_aside

    race = loaders.find(name)
    assert race is not None, name
    loaded = loaders.load(race)
    for run, digest in zip(loaded.runs, loaded.digests, strict=True):
        views = run.path / "views"
        views.mkdir(exist_ok=True)
        for old in views.glob("aside-*.bin"):
            old.unlink()
        (views / shipped_name(digest)).write_bytes(pack_aside(run, digest))


def keep_maps(run: Run) -> None:
    """Nothing; the run's UMAP through time and the numbers of both maps lie in its views/, in half precision."""
    for kind in KINDS:
        made = replace(make_map(run, kind), seconds=float("nan"))  # a clock says nothing about the run
        keep_map(run, made, positions=np.float16, beside=True)


def record_one(race: Race, strategy: str, out: Path, steps: int | None = None) -> None:
    """Nothing; one run is recorded, closed, and stripped of what a rerun could not repeat."""
    settings = race.settings | {"standardize": race.standardize, "strategy": strategy}
    config = TrainConfig(**(settings | ({} if steps is None else {"steps": steps})))
    data = race.data() if race.data else datasets.load(config.data, standardize=race.standardize)
    record(config, data, out)
    strip(out)
    if race.half:
        for file in (out / "frames").glob("step-*.npy"):
            np.save(file, np.load(file, allow_pickle=False).astype(np.float16), allow_pickle=False)


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
    """How many different negatives the deterministic strategies pick for slot 0 with this positive.

    Of the strategies that the ruler shows at first: one more strategy must not move the page that people know.
    """
    picked: set[int] = set()
    for strategy in list(strategies.all())[:SHOWN_FIRST]:
        if strategy.stochastic or not strategy.single:
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


def compare(made: Path, shipped: Path, races: Sequence[Race] = RACES) -> int:
    """0 when picks and frames are those of the shipped recordings, else 1; says where they part."""
    differ = 0
    for race in races:
        for name in race.runs:
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
