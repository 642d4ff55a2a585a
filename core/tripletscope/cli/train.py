"""`tripletscope train`: trains a small embedding model and records every step."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from tripletscope.cli.command import Command
from tripletscope.cli.progress import Progress, figures, say
from tripletscope.config import TrainConfig, clean, differences, read_config_file
from tripletscope.errors import RunError, SettingError

if TYPE_CHECKING:
    from tripletscope.samples import LabelledData
    from tripletscope.training import TrainResult

_TYPES = {"text": str, "names": str, "whole": int, "number": float, "pairs": str, "filters": str}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every field of TrainConfig as an option, and where the run goes.

    No option has a default here: what was not typed must not win over the config file.
    """
    for option in fields(TrainConfig):
        flag, kind = "--" + option.name.replace("_", "-"), option.metadata["kind"]
        text = option.metadata["help"]
        if option.default is not None and kind in ("text", "whole", "number"):
            text += f" (default: {option.default})"
        common: dict[str, Any] = {"dest": option.name, "default": argparse.SUPPRESS, "help": text}
        if kind == "switch":
            common["help"] += f" (default: {'yes' if option.default else 'no'})"
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
            continue
        common["metavar"] = option.metadata["metavar"] or option.name.upper()
        action = "append" if kind in ("pairs", "filters") else "store"
        parser.add_argument(flag, type=_TYPES[kind], action=action, **common)
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the run; it must not exist (default: runs/DATA-STRATEGY-SEED)"
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; typed options win")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, with its own settings")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def settings(args: argparse.Namespace) -> tuple[TrainConfig, Path]:
    """The settings and the folder: defaults, then a resumed run's own, then the config file, then what was typed."""
    typed = {option.name: getattr(args, option.name) for option in fields(TrainConfig) if hasattr(args, option.name)}
    wanted = (read_config_file(args.config) if args.config else {}) | clean(typed, "the command line")
    if not args.resume:
        config = TrainConfig(**wanted)
        return config, Path(args.out) if args.out else default_out(config)
    if not args.out:
        raise SettingError("--resume needs --out DIR, the folder of the run to go on with.")
    out = Path(args.out)
    recorded = recorded_config(out)
    config = TrainConfig(**({option.name: getattr(recorded, option.name) for option in fields(recorded)} | wanted))
    if other := differences(recorded, config):
        raise RunError(f"{out} was recorded with {'; '.join(other)}: leave these options out to go on with it.")
    return config, out


def recorded_config(out: Path) -> TrainConfig:
    """The settings that the run in `out` was recorded with; a folder that is no run of this command raises."""
    from tripletscope.store.reader import Run

    recorded = Run.open(out).config.get("train")
    if not recorded:
        raise RunError(f"{out} was not recorded by `tripletscope train` and cannot be resumed; choose another --out.")
    return TrainConfig.from_dict(recorded)


def default_out(config: TrainConfig) -> Path:
    """`runs/DATA-STRATEGY-SEED`."""
    from tripletscope import datasets

    return Path("runs") / f"{datasets.short_name(config.data) or 'data'}-{config.strategy}-{config.seed}"


class Stop:
    """Remembers the signal that asked the training to end; called by the loop after every step."""

    signal: int | None = None

    def __call__(self) -> bool:
        """Whether somebody asked."""
        return self.signal is not None


@contextmanager
def stopping() -> Iterator[Stop]:
    """Turns the first Ctrl-C (or SIGTERM) into a clean end after the current step; a second one ends at once."""
    stop = Stop()
    previous: dict[int, Any] = {}

    def ask(number: int, _: FrameType | None) -> None:
        stop.signal = number
        for known, handler in previous.items():
            signal.signal(known, handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for known, handler in previous.items():
            signal.signal(known, handler)


def end_with(source: Any, stop: Stop) -> None:
    """Nothing; when the source is closed the work is asked to stop."""
    while source.readline():
        pass
    stop.signal = stop.signal or signal.SIGTERM


def run(args: argparse.Namespace) -> int:
    """Trains; 0 when finished, 130 after Ctrl-C, 143 after SIGTERM."""
    config, out = settings(args)
    if out.exists() and not args.resume:
        raise RunError(f"{out} exists already; choose another --out, or go on with a run by --resume.")

    import torch

    from tripletscope import datasets, preparation, training

    torch.set_num_threads(config.threads)
    data = datasets.load(config.data, label=config.label, image_size=config.image_size, standardize=config.standardize)
    if not args.quiet:
        planted = preparation.plant_flaws(config, data)
        tell([*data.notes, *planted.notes], preparation.left_out(config))
        tell(small_classes(planted.data, config), ())
    with stopping() as stop, Progress(quiet=args.quiet) as progress:
        result = training.record(config, data, out, resume=args.resume, on_step=progress.step, should_stop=stop)
    if not args.quiet:
        conclude(result, out)
    return 0 if stop.signal is None else 128 + stop.signal


def small_classes(data: LabelledData, config: TrainConfig) -> list[str]:
    """A sentence when some classes have fewer samples than a batch asks for; they give all they have."""
    sizes = np.bincount(data.samples.labels)
    small = int((sizes < config.samples_per_class).sum())
    if not small:
        return []
    return [
        f"{small} of {len(sizes)} classes have fewer than --samples-per-class {config.samples_per_class} samples: "
        "their batches are smaller, for no sample stands twice in a batch."
    ]


def tell(notes: Iterable[str], left_out: Iterable[str]) -> None:
    """What reading the data left out or guessed, and which shadows cannot watch: nothing is dropped in silence."""
    for note in notes:
        say(note)
    for reason in left_out:
        say(f"--shadow all leaves one out: {reason}")


def conclude(result: TrainResult, out: Path) -> None:
    """The last line: where the run stands, and what to do with it."""
    say(f"{result.state} at step {result.steps} after {result.seconds:.1f} s  {figures(result.last)}  {out}")
    if result.state == "stopped":
        say(f"go on with: tripletscope train --resume --out {out}")


command = Command(
    name="train",
    help="train a small embedding model and record every mined triplet",
    example="tripletscope train --data digits --strategy semi-hard --shadow all --steps 400 --out runs/semi-hard",
    add_arguments=add_arguments,
    run=run,
    order=10,
)
