"""One kind of registry for strategies, losses, distances, models and data sets: a name, a record, a display order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from tripletscope.errors import SettingError, UnknownNameError


@runtime_checkable  # the tests check annotations while they run
class Named(Protocol):
    """What a record needs to be registered: its name and its place in lists."""

    @property
    def name(self) -> str:
        """Lower-case with hyphens; the same in code, URL, CSV and docs."""
        ...

    @property
    def order(self) -> int:
        """Place in lists; ties are broken by name."""
        ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class Threshold:
    """A number that a rule or a check decides by, and the reason for it."""

    name: str
    value: float
    reason: str


@dataclass(frozen=True)
class Criterion:
    """What a rule of the doctor and a check of a set have in common: what it looks for, by which numbers, and why."""

    name: str
    title: str
    looks_for: str
    source: str
    order: int
    thresholds: tuple[Threshold, ...]

    def value(self, name: str) -> float:
        """The threshold of that name."""
        return next(one.value for one in self.thresholds if one.name == name)

    def describe(self) -> dict[str, Any]:
        """What lists and docs need to know, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "looks_for": self.looks_for,
            "source": self.source,
            "order": self.order,
            "thresholds": [vars(one) for one in self.thresholds],
        }


@dataclass(frozen=True)
class Parameter:
    """A number that a strategy or a loss can be tuned with, and the range it may have (both ends included)."""

    name: str
    default: float
    low: float
    high: float
    help: str
    whole: bool = False


def settled(owner: str, parameters: Sequence[Parameter], given: Mapping[str, float]) -> dict[str, float]:
    """Every parameter with its value: as given, else the default.

    Args:
        owner: whose they are, for sentences.
        parameters: that there are.
        given: values by name.

    Raises:
        UnknownNameError: a name that is no parameter.
        SettingError: a value out of its range.

    Example:
        >>> settled("sct", [Parameter("lam", 1.0, 0.0, 10.0, "how much hard picks count")], {"lam": 2.0})
        {'lam': 2.0}
    """
    settings = {parameter.name: parameter.default for parameter in parameters}
    for name in given:
        if name not in settings:
            raise UnknownNameError(f"parameter of {owner}", name, settings)
    settings |= {name: float(value) for name, value in given.items()}
    for parameter in parameters:
        value = settings[parameter.name]
        if not parameter.low <= value <= parameter.high or (parameter.whole and value != int(value)):
            whole = "be whole and " if parameter.whole else ""
            raise SettingError(
                f"{parameter.name} of {owner!r} is {value}; it must {whole}lie between "
                f"{parameter.low:g} and {parameter.high:g} (default {parameter.default:g})."
            )
    return settings


class Registry(Generic[T]):
    """Records by name, in display order.

    Args:
        kind: what the records are, for error messages ("strategy").
        group: entry-point group whose members register themselves when loaded; read at the first look-up.

    Raises:
        ValueError: when a name is registered twice. A silent overwrite would change what a recorded name means.

    Example:
        >>> from types import SimpleNamespace
        >>> shelf = Registry("shape")
        >>> _ = shelf.register(SimpleNamespace(name="ring", order=2))
        >>> _ = shelf.register(SimpleNamespace(name="dot", order=1))
        >>> shelf.names()
        ['dot', 'ring']
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self._group = group
        self._records: dict[str, T] = {}
        self._outsiders: set[str] = set()
        self._outsiders_loaded = group is None
        self._made: Callable[[str], T | None] = lambda name: None

    def also(self, make: Callable[[str], T | None]) -> None:
        """Nothing; names that nobody registered are handed to `make`, which answers None for those it cannot read."""
        self._made = make

    def register(self, record: T) -> T:
        """The record, now known by its name."""
        if record.name in self._records:
            raise ValueError(f"the {self.kind} {record.name!r} is registered twice; choose another name")
        self._records[record.name] = record
        return record

    def _load_outsiders(self) -> None:
        if not self._outsiders_loaded:
            self._outsiders_loaded = True
            ours = set(self._records)
            for point in entry_points(group=self._group or ""):
                record = point.load()
                if point.name not in self._records and hasattr(record, "name"):
                    self._records[record.name] = record
            self._outsiders = set(self._records) - ours

    @property
    def outsiders(self) -> frozenset[str]:
        """Names that came from other packages, by their entry points."""
        self._load_outsiders()
        return frozenset(self._outsiders)

    def get(self, name: str) -> T:
        """The record of that name; an unknown name raises with the legal ones and the nearest match."""
        self._load_outsiders()
        record = self._records.get(name) or self._made(name)
        if record is None:
            raise UnknownNameError(self.kind, name, self.names())
        return record

    def names(self) -> list[str]:
        """Every name, in display order."""
        self._load_outsiders()
        return [r.name for r in sorted(self._records.values(), key=lambda r: (r.order, r.name))]

    def __iter__(self) -> Iterator[T]:
        return iter([self._records[name] for name in self.names()])

    def __contains__(self, name: object) -> bool:
        self._load_outsiders()
        return name in self._records

    def __len__(self) -> int:
        self._load_outsiders()
        return len(self._records)
