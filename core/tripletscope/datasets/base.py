"""What a data set with a name is: a reader, its dials, and what a list shows of it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.registry import Registry
from tripletscope.samples import LabelledData

Value = float | int | str
Kind = Literal["pictures", "points", "texts"]


@dataclass(frozen=True)
class Dial:
    """Something about a data set that can be turned: a number within bounds, or one of a few words.

    Args:
        name: lower-case with hyphens, as it is typed after the set's name.
        default: the value without it; a whole number makes the dial one of whole numbers.
        help: what it does, in a phrase.
        low: smallest number, included.
        high: largest number, included.
        words: the words to choose from; such a dial has no bounds.

    Example:
        >>> Dial("noise", 0.0, "share of wrong labels", low=0, high=0.5).read("0.2", "toy2d")
        0.2
    """

    name: str
    default: Value
    help: str
    low: float | int = -math.inf
    high: float | int = math.inf
    words: tuple[str, ...] = ()

    @property
    def argument(self) -> str:
        """The name as a Python argument."""
        return self.name.replace("-", "_")

    @property
    def range(self) -> str:
        """What it can be set to, for a reader."""
        if self.words:
            return " or ".join([", ".join(self.words[:-1]), self.words[-1]])
        return f"{self.low:g} to {self.high:g}" + (", whole" if isinstance(self.default, int) else "")

    def read(self, given: Value, owner: str) -> Value:
        """The value that a person gave, as text or as a number.

        Raises:
            SettingError: when it is none that this dial of the set `owner` can have.
        """
        if self.words:
            if given in self.words:
                return given
            nearest = difflib.get_close_matches(str(given), self.words, n=1, cutoff=0.5)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise SettingError(f"{self.name} of {owner} is {str(given)!r}, but it has to be {self.range}.{hint}")
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        whole = isinstance(self.default, int)
        if not self.low <= value <= self.high or (whole and value != int(value)):
            raise SettingError(
                f"{self.name} of {owner} is {str(given)!r}, but it has to be {self.range}; "
                f"the default is {self.default}."
            )
        return int(value) if whole else value


@dataclass(frozen=True)
class DataSet:
    """A data set that can be named: `read()` gives it without any network.

    Args:
        name: the same in code, URL, command line and docs.
        order: place in lists.
        title: a few words, for menus and picture chips.
        read: gives the set; takes each dial as a keyword argument.
        summary: one line, with a full stop: how much of what, and why one would take it.
        kind: what a person sees of a sample: its picture, its place in the plane, or its text.
        example: what one class is and what one sample, in a phrase.
        dials: what can be turned.
        facts: gives paragraphs of Markdown that are worked out from the data, for the docs.

    Example:
        >>> from tripletscope import datasets
        >>> one = datasets.get("digits")
        >>> one.title, one.picture().shape
        ('Handwritten digits', (120, 160, 3))
    """

    name: str
    order: int
    title: str
    read: Callable[..., LabelledData]
    summary: str = ""
    kind: Kind = "pictures"
    example: str = ""
    dials: tuple[Dial, ...] = ()
    facts: Callable[[], list[str]] = list

    def settings(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Every dial by name with its value: those given, checked, and the defaults of the others.

        Raises:
            SettingError: a value that the dial cannot have, or any dial of a set that has none.
            UnknownNameError: a dial that this set does not have.
        """
        known = {dial.name: dial for dial in self.dials}
        if given and not known:
            raise SettingError(f"{self.name!r} has nothing to set: leave out {', '.join(map(repr, given))}.")
        for name in given:
            if name not in known:
                raise UnknownNameError(f"setting of {self.name}", name, known)
        return {name: dial.read(given.get(name, dial.default), self.name) for name, dial in known.items()}

    def load(self, given: Mapping[str, Value] | None = None) -> LabelledData:
        """The set with these dials turned and the others at their defaults.

        Raises:
            SettingError: a value that a dial cannot have.
            UnknownNameError: a dial that this set does not have.
        """
        values = self.settings(given or {})
        return self.read(**{name.replace("-", "_"): value for name, value in values.items()})

    def picture(self, **given: Value) -> UInt8[np.ndarray, "120 160 3"]:
        """A picture of the set for a chip in a menu: some samples side by side, or the points' places.

        Args:
            **given: dials, with underscores for hyphens.
        """
        from tripletscope.datasets.chips import chip  # drawing is not needed where data are only read

        return chip(self.load({name.replace("_", "-"): value for name, value in given.items()}))


DATASETS: Registry[DataSet] = Registry("data set", group="tripletscope.datasets")


def split_spec(spec: str) -> tuple[str, dict[str, Value]]:
    """The name and the dials of `NAME` or `NAME:dial=value,dial=value`.

    Raises:
        SettingError: when a part behind the colon is not `dial=value`, or a dial stands there twice.

    Example:
        >>> split_spec("toy2d:noise=0.2,classes=5")
        ('toy2d', {'noise': '0.2', 'classes': '5'})
    """
    name, colon, rest = spec.partition(":")
    values: dict[str, Value] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise SettingError(
                f"In {spec!r}, {part.strip()!r} is no setting: write {name}:NAME=VALUE, several with commas."
            )
        if key in values:
            raise SettingError(f"In {spec!r}, {key!r} is set twice: keep one.")
        values[key] = value
    return name, values


def join_spec(name: str, values: Mapping[str, Value]) -> str:
    """The shortest text that `split_spec` takes apart into these.

    Example:
        >>> join_spec("toy2d", {"noise": 0.2, "classes": 5})
        'toy2d:noise=0.2,classes=5'
    """
    parts = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()]
    return f"{name}:{','.join(parts)}" if parts else name


def sample_data_dir() -> Path:
    """The folder of the files that come along: inside the installed package, or beside it in a checkout.

    Raises:
        DataError: when neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if folder.is_dir():
            return folder
    raise DataError("The sample data are not where tripletscope was installed: install the package again.")
