"""Everything that decides a training, as one record: the options of `tripletscope train` with defaults and bounds.

The command line, the TOML file and a run's config.json all read the fields declared here, so that an option has
one name, one default and one sentence of help. Nothing here imports torch.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from tripletscope.composition import canonical, split_names
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.mining import filters

Kind = Literal["text", "whole", "number", "switch", "names", "pairs", "filters"]
Parameters = dict[str, float]

_WANTED = {
    "text": "text",
    "whole": "a whole number",
    "number": "a number",
    "switch": "true or false",
    "names": "a name or a list of names",
    "pairs": "name=number",
    "filters": "a name or name=number",
}


def _metadata(kind: Kind, text: str, metavar: str | None = None, **bounds: float | int) -> dict[str, Any]:
    return {"kind": kind, "help": text, "metavar": metavar, **bounds}


def _option(default: Any, kind: Kind, text: str, metavar: str | None = None, **bounds: float | int) -> Any:
    """A field that is also an option; its bounds are `above` or `least`, and `below` or `most` (inclusive)."""
    return field(default=default, metadata=_metadata(kind, text, metavar, **bounds))


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one training; the defaults are those of `tripletscope train`.

    Names (strategy, data set, model, distance, device) are checked when the training is prepared, because their
    registries need torch; numbers are checked here.

    Raises:
        SettingError: a number out of its range.

    Example:
        >>> TrainConfig(data="digits", strategy="semi-hard", steps=400).margin
        0.2
        >>> TrainConfig(lr=0.0)
        Traceback (most recent call last):
            ...
        tripletscope.errors.SettingError: --lr is 0.0, but it has to be above 0; the default is 0.001.
    """

    data: str = _option(
        "digits",
        "text",
        "a registered data set (toy2d:noise=0.2 turns a dial), or a path: image folder, .npz, .csv, .parquet",
    )
    strategy: str = _option(
        "semi-hard",
        "text",
        "the strategy that picks the triplets to train on: a name, or axes such as 'pair:all, negative:nearest'",
        "NAME",
    )
    shadow: tuple[str, ...] = _option(
        (), "names", "strategies that only watch: all, none, or names with commas (default: none)", "NAMES"
    )
    steps: int = _option(400, "whole", "optimiser steps", "N", least=1)
    seed: int = _option(0, "whole", "one number behind weights, batches and picks", "N", least=0)
    device: str = _option("auto", "text", "auto (cuda, else mps, else cpu), cpu, cuda, cuda:1, mps")
    threads: int = _option(1, "whole", "threads of torch; more rarely helps at these sizes", "N", least=1)
    model: str | None = _option(
        None, "text", "linear, mlp or cnn (default: cnn for images from 16 x 16 pixels up, else mlp)", "NAME"
    )
    dim: int = _option(64, "whole", "dimensions of the embedding", "D", least=1)
    hidden: int = _option(64, "whole", "units of the hidden layer", "N", least=1)
    normalize: bool = _option(True, "switch", "put embeddings on the unit sphere")
    distance: str = _option("euclidean", "text", "euclidean, squared-euclidean or cosine", "NAME")
    margin: float = _option(0.2, "number", "margin of the triplet loss, in the unit of the distance", "M", above=0)
    loss: str | None = _option(
        None,
        "text",
        "triplet, sct, msml, quadruplet or triplet-center (default: what the strategy brings along, else triplet)",
        "NAME",
    )
    soft_margin: bool = _option(False, "switch", "ln(1 + exp(-gap)) in place of the hinge")
    lr: float = _option(1e-3, "number", "learning rate of Adam", "LR", above=0)
    classes_per_batch: int = _option(8, "whole", "P of the PK sampler", "P", least=2)
    samples_per_class: int = _option(4, "whole", "K of the PK sampler", "K", least=2)
    label: str | None = _option(None, "text", "column that holds the class, for tables", "COL")
    image_size: int | None = _option(None, "whole", "resize images to N x N pixels", "N", least=1)
    standardize: bool = _option(False, "switch", "give every feature mean 0 and standard deviation 1")
    label_noise: float = _option(
        0.0,
        "number",
        "share of the labels to replace by a wrong class; the run keeps the truth",
        "SHARE",
        least=0,
        below=1,
    )
    imbalance: float = _option(
        1.0, "number", "thin classes to a long tail: rarest / commonest class; 1 leaves them", "RATIO", above=0, most=1
    )
    param: Parameters = field(
        default_factory=dict,
        metadata=_metadata("pairs", "a parameter of the strategy or of its loss; may be repeated", "NAME=VALUE"),
    )
    filter: Parameters = field(
        default_factory=dict,
        metadata=_metadata(
            "filters",
            "against false negatives: topk-abs, margin-pos or perc-pos leaves near ones out; may be repeated",
            "NAME[=X]",
        ),
    )
    checkpoint_every: float = _option(5.0, "number", "seconds between checkpoints, for --resume", "S", least=0)

    def __post_init__(self) -> None:
        # A composed strategy has one name however it was written, so that runs, files and lists agree.
        object.__setattr__(self, "strategy", canonical(self.strategy))
        object.__setattr__(self, "shadow", tuple(dict.fromkeys(canonical(name) for name in self.shadow)))
        for option in fields(self):
            value, bounds = getattr(self, option.name), option.metadata
            if value is None or bounds["kind"] not in ("whole", "number"):
                continue
            above, least = bounds.get("above"), bounds.get("least")
            below, most = bounds.get("below", math.inf), bounds.get("most", math.inf)
            wanted = f"above {above}" if above is not None else f"{least} or more"
            wanted += f" and below {below}" if below < math.inf else f" and at most {most}" if most < math.inf else ""
            inside = math.isfinite(value) and (value > above if above is not None else value >= least)
            inside = inside and value < below and value <= most
            if not inside:
                usual = f"; the default is {option.default}" if option.default is not None else ""
                raise SettingError(f"--{_hyphens(option.name)} is {value}, but it has to be {wanted}{usual}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values by option name; `from_dict` reads them back."""
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        return {**values, "shadow": list(self.shadow), "param": dict(self.param), "filter": dict(self.filter)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The settings that `to_dict` wrote, or that a config file holds; unknown names raise.

        Example:
            >>> TrainConfig.from_dict({"classes-per-batch": 4}).classes_per_batch
            4
        """
        return cls(**clean(values, "the settings"))


def as_arguments(config: TrainConfig) -> list[str]:
    """The options of `tripletscope train` that mean these settings; what is the default stays out.

    Example:
        >>> as_arguments(TrainConfig(strategy="batch-hard", normalize=False, margin=1.0, shadow=("random",)))
        ['--strategy=batch-hard', '--shadow=random', '--no-normalize', '--margin=1.0']
    """
    usual, found = TrainConfig(), []
    for option in fields(TrainConfig):
        value, flag = getattr(config, option.name), f"--{_hyphens(option.name)}"
        if value == getattr(usual, option.name):
            continue
        if option.metadata["kind"] == "switch":
            found.append(flag if value else f"--no-{_hyphens(option.name)}")
        elif option.metadata["kind"] == "names":
            found.append(f"{flag}={','.join(value) or 'none'}")
        elif option.metadata["kind"] in ("pairs", "filters"):
            found += [f"{flag}={name}={number!r}" for name, number in value.items()]
        else:
            found.append(f"{flag}={value!r}" if isinstance(value, float) else f"{flag}={value}")
    return found


def clean(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Settings by field name with values of the right type, from names that may be written with hyphens.

    A switch can be written as its opposite (`no-normalize = true`), as on the command line.

    Raises:
        UnknownNameError: a name that is no option.
        SettingError: a value of the wrong type, naming `source` and the option.
    """
    options = {option.name: option for option in fields(TrainConfig)}
    cleaned: dict[str, Any] = {}
    for given, value in values.items():
        name = given.replace("-", "_")
        opposite = name.removeprefix("no_")
        if name not in options and opposite in options and options[opposite].metadata["kind"] == "switch":
            name, value = opposite, (not value) if isinstance(value, bool) else value
        if name not in options:
            raise UnknownNameError(f"option in {source}", given, [_hyphens(known) for known in options])
        if value is None and options[name].default is None:
            cleaned[name] = None
            continue
        try:
            cleaned[name] = _read(value, options[name].metadata["kind"])
        except (TypeError, ValueError, OverflowError):
            wanted = _WANTED[options[name].metadata["kind"]]
            raise SettingError(f"{source}: {given} should be {wanted}, not {value!r}.") from None
    return cleaned


def read_config_file(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file, by field name; keys are the option names without the leading hyphens.

    Raises:
        DataError: the file is missing, or no TOML.
        UnknownNameError: a key that is no option.
        SettingError: a value of the wrong type.
    """
    file = Path(path)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise DataError(f"The config file {file} cannot be read ({problem.strerror}); check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise DataError(
            f"The config file {file} is not valid TOML ({problem}); write lines like steps = 400."
        ) from None
    return clean(values, str(file))


def read_pair(text: str) -> tuple[str, float]:
    """Name and value of `name=number`; ValueError for anything else.

    Example:
        >>> read_pair("cutoff=0.5")
        ('cutoff', 0.5)
    """
    name, _, value = text.partition("=")
    if not name.strip():
        raise ValueError(text)
    return name.strip(), float(value)


def read_filter(text: str) -> tuple[str, float]:
    """Name and number of `name=number`; a `name` alone has the number of its paper. ValueError for anything else.

    Raises:
        UnknownNameError: no filter of that name.

    Example:
        >>> read_filter("perc-pos=0.9"), read_filter("perc-pos")
        (('perc-pos', 0.9), ('perc-pos', 0.95))
    """
    name, equals, number = text.partition("=")
    known = filters.get(name.strip())
    return known.name, float(number) if equals else known.default


def differences(recorded: TrainConfig, wanted: TrainConfig) -> list[str]:
    """What keeps `wanted` from going on with a run of `recorded`: one phrase for each setting that differs.

    More steps and other checkpoint times are no difference: they leave what is recorded as it is. Where the data lie is
    none either: whether they are the same is a question for their digest.
    """
    free = {"steps", "checkpoint_every", "data"}
    return [
        f"{_hyphens(option.name)} {_show(getattr(recorded, option.name))}, not {_show(getattr(wanted, option.name))}"
        for option in fields(TrainConfig)
        if option.name not in free and getattr(recorded, option.name) != getattr(wanted, option.name)
    ]


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    if isinstance(value, dict):
        return ",".join(f"{name}={number:g}" for name, number in value.items()) or "none"
    return str(value)


def _read(value: Any, kind: Kind) -> Any:
    """The value as the type of its option; ValueError or TypeError when it is something else."""
    if kind == "switch" or isinstance(value, bool):
        if kind != "switch" or not isinstance(value, bool):
            raise TypeError
        return value
    if kind == "names":
        parts = split_names(value) if isinstance(value, str) else [str(part) for part in value]
        names = tuple(part.strip() for part in parts if part.strip())
        return () if names == ("none",) else names
    if kind == "pairs":
        if isinstance(value, Mapping):
            return {str(name): _read(number, "number") for name, number in value.items()}
        return dict(read_pair(pair) for pair in ([value] if isinstance(value, str) else value))
    if kind == "filters":
        if isinstance(value, Mapping):
            return {str(name): _read(number, "number") for name, number in value.items()}
        return dict(read_filter(each) for each in (split_names(value) if isinstance(value, str) else value))
    if kind == "text":
        if not isinstance(value, str):
            raise TypeError
        return value
    if not isinstance(value, int | float) or (kind == "whole" and value != int(value)):
        raise TypeError
    return int(value) if kind == "whole" else float(value)
