"""Whether a race can start, asked of the real checks: the data are loaded, every run is prepared and takes a few steps.

To be called in a helper process: it imports torch. Nothing of it stays but numbers.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import pairwise, takewhile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tripletscope import datasets, preparation, strategies, training
from tripletscope.config import TrainConfig
from tripletscope.errors import DataError, SettingError, TripletscopeError
from tripletscope.flaws import Planted
from tripletscope.frames import frame_schedule
from tripletscope.losses import LOSSES
from tripletscope.models import MODELS
from tripletscope.samples import LabelledData
from tripletscope.store.reader import Run
from tripletscope_app.racing.estimate import Paced, size
from tripletscope_app.racing.fields import Refusal, refusal, unique

#: Steps that are timed, and seconds after which it is enough; more where no step without a frame was seen yet.
STEPS, SECONDS, MOST_SECONDS = 24, 1.5, 5.0
#: The first steps keep a frame each.
FRAMED = 12
#: Seconds that Python and torch take to start, beside the data.
IMPORTS = 2.0
#: Arrays of B x B float32 that a step holds at the most: distances, masks, sorted rows and their gradients.
SQUARES = 24


def check(settings: Mapping[str, Any], names: Sequence[str], seeds: Sequence[int], root: str) -> dict[str, Any]:
    """What is known of a race before it starts, ready for JSON.

    Args:
        settings: of its runs, by option name.
        names: the strategies that race.
        seeds: of its runs.
        root: folder that will hold it.

    Returns:
        "refusals" and "notes" ({"field", "text"} each), "facts" of the data, "paced" by strategy, "frames" of a run,
        "choices" (what this machine has: strategies, models, losses, devices).
    """
    told: dict[str, Any] = {"refusals": [], "notes": [], "paced": {}, "choices": choices()}
    try:
        config = TrainConfig.from_dict({**settings, "seed": seeds[0] if seeds else 0})
    except TripletscopeError as error:
        return {**told, "refusals": [asdict(refusal(error, "data"))]}
    refusals = [
        Refusal(field, f"Choose at least one {what}.")
        for field, given, what in (("strategy", names, "strategy"), ("seed", seeds, "seed"))
        if not given
    ]
    try:
        began = time.perf_counter()
        data = _data(config, _changed(config.data))
        loading = time.perf_counter() - began
    except TripletscopeError as error:
        return {**told, "refusals": [asdict(one) for one in (*refusals, refusal(error, "data"))]}
    except (MemoryError, OSError) as error:
        refusals.append(Refusal("data", f"The data could not be loaded ({type(error).__name__}: {error})."))
        return {**told, "refusals": [asdict(one) for one in refusals]}
    told["facts"] = facts(data)
    told["notes"] = [asdict(Refusal("data", note)) for note in data.notes]
    try:
        # What is drawn depends on the seed, and so may what is left.
        planted, *_ = [preparation.plant_flaws(replace(config, seed=seed), data) for seed in seeds or (config.seed,)]
        told["notes"] += [asdict(one) for one in (*flaws(planted), *small_classes(config, planted.data))]
        batch_fits(config, planted.data)
    except TripletscopeError as error:
        refusals.append(refusal(error, "classes_per_batch"))
    for name in names:
        try:
            one = replace(config, strategy=name)
            preparation.prepare(one, data)
        except TripletscopeError as error:
            refusals.append(refusal(error, _about(error, one)))
            continue
        if refusals:
            continue
        try:
            told["paced"][name] = _paced(one, data.digest, _Held(data)).to_dict()
        except TripletscopeError as error:
            refusals.append(refusal(error, "lr"))
        except (MemoryError, RuntimeError) as error:
            refusals.append(
                Refusal("classes_per_batch", f"A step could not be taken ({_first_line(error)}): use a smaller batch.")
            )
    told["frames"] = frames_of(config.steps)
    told["loading"] = round(loading, 3)
    if not refusals and (refused := _too_large(told, config, len(seeds), _free(Path(root)))):
        refusals.append(refused)
    told["refusals"] = [asdict(one) for one in unique(refusals)]
    return told


def _about(error: TripletscopeError, config: TrainConfig) -> str:
    """The field of an error that names no option: the strategy, the shadow, or else the data."""
    name = getattr(error, "name", None)
    if name in config.shadow:
        return "shadow"
    return "strategy" if name == config.strategy or repr(config.strategy) in str(error) else "data"


def _too_large(told: Mapping[str, Any], config: TrainConfig, seeds: int, free: int | None) -> Refusal | None:
    """Why the disk cannot hold the race, or None."""
    wanted = seeds * sum(Paced(**paced).bytes(config.steps, told["frames"]) for paced in told["paced"].values())
    if free is None or wanted < free:
        return None
    return Refusal(
        "steps",
        f"The runs would fill about {size(wanted)}, and {size(free)} are free on the disk: choose fewer steps, seeds "
        "or shadows.",
    )


def choices() -> dict[str, Any]:
    """What can be chosen on this machine."""
    import torch

    devices = ["auto", "cpu"]
    count = torch.cuda.device_count()
    devices += ["cuda"] if count else []
    devices += [f"cuda:{place}" for place in range(1, count)]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    return {
        "strategies": [record.describe() for record in strategies.all()],
        "models": {model.name: model.title for model in MODELS},
        "losses": {loss.name: loss.title for loss in LOSSES},
        "devices": devices,
    }


def facts(data: LabelledData) -> dict[str, Any]:
    """What a person wants to know of the data before they train on them."""
    counts = data.samples.class_counts()
    counts = counts[counts > 0]
    return {
        "name": data.name,
        "kind": data.kind,
        "rows": len(data),
        "classes": len(counts),
        "smallest": int(counts.min()) if len(counts) else 0,
        "largest": int(counts.max()) if len(counts) else 0,
        "shape": list(data.input_shape),
    }


def flaws(planted: Planted) -> list[Refusal]:
    """What will be planted in the data, in numbers."""
    found = (("imbalance", planted.tail_words(planned=True)), ("label_noise", planted.label_words(planned=True)))
    return [Refusal(name, words) for name, words in found if words]


def small_classes(config: TrainConfig, data: LabelledData) -> list[Refusal]:
    """What the sampler does with classes that have fewer samples than a batch asks for."""
    counts = data.samples.class_counts()
    small = int((counts < config.samples_per_class).sum())
    if not small:
        return []
    return [
        Refusal(
            "samples_per_class",
            f"{small} of {len(counts)} classes have fewer than {config.samples_per_class} samples (the smallest has "
            f"{int(counts.min())}): they give all they have, so their batches are smaller. No sample stands twice in "
            "a batch.",
        )
    ]


def batch_fits(config: TrainConfig, data: LabelledData) -> None:
    """Nothing, when a batch can be drawn as it is asked for and held in memory.

    Raises:
        SettingError: K above the largest class, or a batch above the memory.
    """
    counts = np.sort(data.samples.class_counts())[::-1]
    if config.samples_per_class > counts[0]:
        raise SettingError(
            f"--samples-per-class is {config.samples_per_class}, but the largest class has {int(counts[0])} samples, "
            f"and no sample stands twice in a batch: use {int(counts[0])} or fewer."
        )
    rows = int(np.minimum(counts[: config.classes_per_batch], config.samples_per_class).sum())
    width = int(np.prod(data.input_shape))
    wanted = 4 * (SQUARES * rows**2 + rows * (8 * width + 16 * (config.hidden + config.dim)))
    memory = _memory()
    if memory is not None and wanted > memory:
        raise SettingError(
            f"--classes-per-batch {config.classes_per_batch} with {config.samples_per_class} samples each makes "
            f"batches of {rows:,}, which need about {wanted / 2**30:,.1f} GB of memory, and {memory / 2**30:,.1f} GB "
            "are free: use fewer."
        )


def frames_of(steps: int) -> int:
    """How many frames a run of so many steps keeps, the closing one with them.

    Example:
        >>> frames_of(400)
        40
    """
    return sum(1 for _ in takewhile(lambda step: step < steps, frame_schedule())) + 1


class _Held:
    """Data as an argument that says nothing of itself: the digest beside it does."""

    def __init__(self, data: LabelledData) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=64)
def _paced_by(config: str, digest: str, held: _Held) -> Paced:
    one = TrainConfig.from_dict(json.loads(config))
    folder = Path(tempfile.mkdtemp(prefix="tripletscope-check-"))
    try:
        return _measured(replace(one, steps=STEPS), held.data, folder / "run")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _paced(config: TrainConfig, digest: str, held: _Held) -> Paced:
    """Measured once for the same settings; how many steps are wanted changes nothing."""
    flawed = (config.label_noise, config.imbalance) != (0.0, 1.0)  # then the seed decides which samples there are
    same = {**config.to_dict(), "steps": STEPS, "seed": config.seed if flawed else 0}
    return _paced_by(json.dumps(same, sort_keys=True), digest, held)


def _measured(config: TrainConfig, data: LabelledData, out: Path) -> Paced:
    began = time.monotonic()
    taken = 0

    def enough() -> bool:
        nonlocal taken
        taken += 1
        limit = SECONDS if taken > FRAMED else MOST_SECONDS
        return taken > 2 and time.monotonic() - began > limit

    training.record(config, data, out, should_stop=enough)
    run = Run.open(out)
    plain, framed = [], []
    for before, line in pairwise(run.lines):
        if not line.get("closing") and line.get("time") and before.get("time"):
            (framed if "recall_at_1" in line else plain).append(float(line["time"]) - float(before["time"]))
    steps, frames = max(run.step_count, 1), max(len(run.frame_steps), 1)
    # Too slow a step for one without a frame: then the frame's part is not known, and all of it counts as the step.
    step = median(plain) if plain else median(framed) if framed else time.monotonic() - began
    frame = max(median(framed) - step, 0.0) if plain and framed else 0.0
    sizes = {path.relative_to(out).parts[0]: 0 for path in out.rglob("*")}
    for path in out.rglob("*"):
        if path.is_file():
            sizes[path.relative_to(out).parts[0]] += path.stat().st_size
    per_frame = sizes.pop("frames", 0) / frames
    fixed = sum(sizes.pop(name, 0) for name in ("samples", "checkpoints", "config.json"))
    return Paced(IMPORTS, step, frame, float(fixed), sum(sizes.values()) / steps, per_frame)


@lru_cache(maxsize=2)
def _loaded(data: str, label: str | None, image_size: int | None, standardize: bool, changed: int) -> LabelledData:
    return datasets.load(data, label=label, image_size=image_size, standardize=standardize)


def _data(config: TrainConfig, changed: int) -> LabelledData:
    found = _loaded(config.data, config.label, config.image_size, config.standardize, changed)
    if not len(found):
        raise DataError(f"{config.data} holds no samples: choose other data.")
    return found


def _changed(spec: str) -> int:
    """A value that changes when the file does."""
    try:
        return Path(spec).stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def _memory() -> int | None:
    """Bytes that are free for us; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError, IndexError):
        try:
            return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        except (AttributeError, OSError, ValueError):
            return None


def _free(root: Path) -> int | None:
    """Bytes that are free on the disk that will hold the runs."""
    for place in (root, *root.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
