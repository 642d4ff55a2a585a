"""What a sweep is to train: one cell for each strategy, seed and combination of settings in a TOML file.

    strategies = ["random", "semi-hard", "batch-hard"]
    seeds = [0, 1, 2]
    data = "digits"                  # any option of `tripletscope train`
    margin = [0.1, 0.2]              # a list: every value is tried

    [variants.raw]                   # settings that belong together, under a name
    normalize = false
    [variants.sphere]
    normalize = true

Nothing here imports torch; whether a strategy, model or data set exists is asked by `check_names`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import tripletscope
from tripletscope.config import TrainConfig, clean
from tripletscope.errors import DataError, SettingError, TripletscopeError, UnknownNameError

#: Keys that are written in the plural because they are nearly always lists.
PLURALS = {"strategies": "strategy", "seeds": "seed"}
#: Settings that decide how the work is done, not what comes of it.
NOT_THE_RESULT = ("checkpoint_every", "threads")
#: More cells than this are a mistake in the file.
MOST_CELLS = 10_000

_OPTIONS = {option.name: option for option in fields(TrainConfig)}
_LISTS = ("names", "pairs", "filters")  # kinds whose single value may itself be a list or a table
Setting = float | int | bool | str | None


@dataclass(frozen=True)
class Cell:
    """One training of a sweep.

    Attributes:
        name: of its file: what varies, and eight hex digits of everything that decides the result.
        title: what varies, for people.
        config: its settings.
        variant: name of its variant, or None.
        varied: the settings that differ between cells, other than strategy and seed, by column of the table.
        digest: of everything that decides the result; a finished cell is known by it.
    """

    name: str
    title: str
    config: TrainConfig
    variant: str | None
    varied: Mapping[str, Setting]
    digest: str


@dataclass(frozen=True)
class Plan:
    """What is to be trained, and what the file says beside it.

    Attributes:
        title: for people.
        source: name of the file.
        cells: in the order in which they start: all of the first seed before the second.
        varied: columns that `Cell.varied` has, in every cell.
        told: the file's table `experiment`, unread.

    Example:
        >>> plan = from_table({"strategies": ["random", "hardest"], "seeds": [0, 1], "margin": [0.1, 0.2]}, "two.toml")
        >>> len(plan.cells), plan.varied, plan.cells[0].title
        (8, ('margin',), 'random, margin 0.1, seed 0')
    """

    title: str
    source: str
    cells: tuple[Cell, ...]
    varied: tuple[str, ...]
    told: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """What `sweep.json` and the table's metadata say, ready for JSON."""
        return {
            "title": self.title,
            "source": Path(self.source).name,  # where it lay is nobody's business who gets the table
            "varied": list(self.varied),
            "cells": [{"name": one.name, "title": one.title, "settings": one.config.to_dict()} for one in self.cells],
        }


def read(path: str | Path, *, seeds: Sequence[int] | None = None) -> Plan:
    """The plan in a TOML file.

    Args:
        path: of the file.
        seeds: instead of those in the file.

    Raises:
        DataError: the file is missing, or no TOML.
        UnknownNameError: a key that is no option.
        SettingError: a value that an option cannot have, an empty list, one value twice.
    """
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise DataError(f"The sweep {file} cannot be read ({problem.strerror}); check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise DataError(
            f'The sweep {file} is not valid TOML ({problem}); write lines like strategies = ["random", "semi-hard"].'
        ) from None
    return from_table(table, str(file), seeds=seeds)


def from_table(table: Mapping[str, Any], source: str, *, seeds: Sequence[int] | None = None) -> Plan:
    """The plan that a TOML file's content means; arguments and errors as for `read`, `source` is what errors name."""
    given = dict(table)
    title, told, variants = given.pop("title", None), given.pop("experiment", {}), given.pop("variants", None)
    if title is not None and not isinstance(title, str):
        raise SettingError(f"{source}: title should be text, not {title!r}.")
    if not isinstance(told, Mapping):
        raise SettingError(f"{source}: experiment should be a table, [experiment], not {told!r}.")
    common = _values(given, source, several=True)
    if seeds is not None:
        common["seed"] = _each("seed", "--seeds", list(seeds), source)
    groups = _variants(variants, common, source)
    axes = [name for name, values in common.items() if len(values) > 1 and name not in ("seed", "strategy")]
    order = ["seed", *axes, "strategy"]
    fixed = {name: values[0] for name, values in common.items() if name not in order}
    several = {name: common.get(name, [_OPTIONS[name].default]) for name in order}
    count = len(groups)
    for values in several.values():
        count *= len(values)
    if count > MOST_CELLS:
        raise SettingError(f"{source} asks for {count:,} trainings, more than {MOST_CELLS:,}: shorten a list.")
    configs: list[tuple[str | None, TrainConfig]] = []
    for seed in several["seed"]:
        for variant, own in groups.items():
            for chosen in product(*(several[name] for name in order[1:])):
                settings = {**fixed, "seed": seed, **dict(zip(order[1:], chosen, strict=True)), **own}
                configs.append((variant, _config(settings, f"{source}{f', variants.{variant}' if variant else ''}")))
    together = {option for own in groups.values() for option in own}
    return _plan(configs, together, title or Path(source).stem, source, told)


def check_names(plan: Plan) -> None:
    """Nothing, if every strategy, shadow, distance, model and data set of the plan exists; imports torch.

    What fails later, in one cell, does not stop the others; a misspelt name is refused before anything starts.

    Raises:
        UnknownNameError: naming the file, the key and the legal names.
    """
    from tripletscope import datasets, strategies
    from tripletscope.distances import DISTANCES
    from tripletscope.models import MODELS

    def known_data(spec: str) -> None:
        if spec.partition(":")[0] in datasets.DATASETS:
            name, dials = datasets.split_spec(spec)
            datasets.get(name).settings(dials)
        elif not Path(spec).exists():
            datasets.load(spec)  # says what there is

    def known_shadow(name: str) -> None:
        if name != "all":
            strategies.get(name)

    looks = {"strategy": strategies.get, "distance": DISTANCES.get, "model": MODELS.get, "data": known_data}
    for key, look in looks.items():
        for name in dict.fromkeys(getattr(cell.config, key) for cell in plan.cells):
            if name is not None:
                _asked(look, name, f"{plan.source}, {key}")
    for name in dict.fromkeys(name for cell in plan.cells for name in cell.config.shadow):
        _asked(known_shadow, name, f"{plan.source}, shadow")


def _asked(look: Any, name: str, where: str) -> None:
    try:
        look(name)
    except TripletscopeError as problem:
        raise SettingError(f"{where}: {problem}") from None


def _values(given: Mapping[str, Any], where: str, *, several: bool) -> dict[str, list[Any]]:
    """Option name -> the values it takes, each cleaned and in range."""
    found: dict[str, list[Any]] = {}
    for key, value in given.items():
        name = PLURALS.get(key, key) if several else key
        try:
            (option,) = clean({name: _sample(name, value)}, where)
        except UnknownNameError as problem:
            if several:
                known = ["title", "variants", *(f"{plural}" for plural in PLURALS), *problem.known]
                raise UnknownNameError(f"key in {where}", key, known) from None
            raise
        if option in found:
            raise SettingError(f"{where}: {key} and its other name are both given: keep one.")
        if option == "threads":
            raise SettingError(f"{where}: a sweep trains with one thread in each process; leave out {key}.")
        kind = _OPTIONS[option].metadata["kind"]
        if isinstance(value, list) and kind not in _LISTS:
            if not several:
                raise SettingError(f"{where}: {key} is a list; in a variant every setting has one value.")
            found[option] = _each(name, key, value, where)
        else:
            found[option] = [clean({name: value}, where)[option]]
            _in_range(option, found[option][0], f"{where}, {key}")
    return found


def _sample(name: str, value: Any) -> Any:
    """A value that has the kind of the option: what is asked is whether there is such an option."""
    key = name.replace("-", "_").removeprefix("no_")
    kind = _OPTIONS[key].metadata["kind"] if key in _OPTIONS else "text"
    return {"text": "", "whole": 1, "number": 1.0, "switch": True, "names": [], "pairs": {}, "filters": {}}[kind]


def _each(name: str, key: str, values: list[Any], source: str) -> list[Any]:
    """The values of a list, cleaned; none twice, and at least one."""
    where = f"{source}, {key}"
    if not values:
        raise SettingError(f"{where} is an empty list: give at least one value, or leave it out.")
    found: list[Any] = []
    for value in values:
        if isinstance(value, list | dict):
            raise SettingError(
                f"{where} holds {value!r}, but each entry has to be one value; settings that belong together go into "
                "a table [variants.NAME]."
            )
        ((option, cleaned),) = clean({name: value}, source).items()
        _in_range(option, cleaned, where)
        if cleaned in found:
            raise SettingError(f"{where} has {value!r} twice: keep one.")
        found.append(cleaned)
    return found


def _in_range(option: str, value: Any, where: str) -> None:
    _config({option: value}, where)


def _config(settings: Mapping[str, Any], where: str) -> TrainConfig:
    try:
        return TrainConfig(**settings)
    except SettingError as problem:
        raise SettingError(f"{where}: {problem}") from None


def _variants(given: Any, common: Mapping[str, list[Any]], source: str) -> dict[str | None, dict[str, Any]]:
    """Name -> settings; without any one that has no name and sets nothing."""
    if given is None:
        return {None: {}}
    if not isinstance(given, Mapping) or not given:
        raise SettingError(f"{source}: variants should be tables such as [variants.raw], each with settings.")
    groups: dict[str | None, dict[str, Any]] = {}
    for name, settings in given.items():
        where = f"{source}, variants.{name}"
        if not isinstance(settings, Mapping):
            raise SettingError(f"{where} should be a table of settings, not {settings!r}.")
        own = {option: values[0] for option, values in _values(settings, where, several=False).items()}
        for option in own:
            if option == "seed":
                raise SettingError(f"{where}: seed belongs to all variants alike; write seeds = [0, 1, 2] above.")
            if len(common.get(option, ())) > 1:
                raise SettingError(
                    f"{where}: {option} is a list above; keep it there or in the variants, not in both places."
                )
        groups[name] = own
    return groups


def _plan(
    configs: Sequence[tuple[str | None, TrainConfig]],
    together: set[str],
    title: str,
    source: str,
    told: Mapping[str, Any],
) -> Plan:
    flat = [dict(_flat(config)) for _, config in configs]
    names = list(dict.fromkeys(name for one in flat for name in one))
    varied = tuple(
        name
        for name in names
        if name not in ("strategy", "seed", *NOT_THE_RESULT) and len({repr(one.get(name)) for one in flat}) > 1
    )
    columns = ("variant", *varied) if any(variant for variant, _ in configs) else varied
    stamps: dict[str, str] = {}
    cells = []
    for (variant, config), settings in zip(configs, flat, strict=True):
        own = {"variant": variant, **settings}
        shown: dict[str, Setting] = {name: own.get(name) for name in columns}
        stamp = stamps.setdefault(config.data, data_stamp(config.data))
        digest = _digest(config, stamp)
        words = _words(config, {name: value for name, value in shown.items() if name.partition(".")[0] not in together})
        plain = re.sub(r"[^\w.+=]+", "-", "-".join(words)).strip(".-")[:70]
        cells.append(Cell(f"{plain}-{digest[:8]}", ", ".join(words), config, variant, shown, digest))
    if len({cell.digest for cell in cells}) < len(cells):
        raise SettingError(f"{source}: two variants come to the same settings: change one, or leave it out.")
    return Plan(title, source, tuple(cells), columns, told)


def _words(config: TrainConfig, varied: Mapping[str, Setting]) -> list[str]:
    """What sets a cell apart, for people; the name of a variant stands for the settings that it makes."""
    words = [str(value) if name == "variant" else f"{name.replace('_', ' ')} {value}" for name, value in varied.items()]
    return [config.strategy, *words, f"seed {config.seed}"]


def _flat(config: TrainConfig) -> Iterator[tuple[str, Setting]]:
    for name, value in config.to_dict().items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", number) for key, number in value.items())
        else:
            yield name, ",".join(value) if isinstance(value, list) else value


def _digest(config: TrainConfig, stamp: str) -> str:
    """Of what decides the result: what is not the usual, so that an option that is new here changes no old digest."""
    settings, usual = config.to_dict(), TrainConfig().to_dict()
    decides = {name: value for name, value in settings.items() if name not in NOT_THE_RESULT and value != usual[name]}
    told = json.dumps([decides, stamp, tripletscope.__version__], sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def data_stamp(spec: str) -> str:
    """A text that changes when the file or folder behind a data setting does; "" for a data set that comes along."""
    place = Path(spec)
    if not place.exists():
        return ""
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    hashed = hashlib.blake2b(digest_size=16)
    for file in files:
        about = file.stat()
        hashed.update(f"{file.relative_to(place)}\x1f{about.st_size}\x1f{about.st_mtime_ns}\x1e".encode())
    return hashed.hexdigest()
