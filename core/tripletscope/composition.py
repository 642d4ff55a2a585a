"""What a composed strategy is made of: which positive, which negative, from which band, and what if there is none.

Most strategies of the literature are one choice on each of a few axes, so a person can compose one that has no name:
`pair:all, negative:nearest, lower:positive, upper:margin, fallback:farthest`. This module reads and names such choices
and knows nothing of tensors; `strategies/composed.py` picks by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any
from zlib import crc32

from tripletscope.errors import SettingError
from tripletscope.zones import ZONES

#: Every axis with its values; the first of the last three is what an axis that is left out means.
AXES: dict[str, tuple[str, ...]] = {
    "pair": ("all",),
    "anchor": ("nearest", "farthest", "random"),
    "negative": ("nearest", "farthest", "random", "all"),
    "lower": ("none", "positive", "margin"),
    "upper": ("none", "positive", "margin"),
    "fallback": ("none", "nearest", "farthest", "random"),
}
#: What a page calls each choice, and what each value does, in a few words; `pair` and `anchor` are one choice there.
WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "positive": (
        "Which positive",
        {
            "all": "a pick for every pair",
            "nearest": "one pick an anchor",
            "farthest": "one pick an anchor",
            "random": "one by lot an anchor",
        },
    ),
    "negative": (
        "Which negative",
        {
            "nearest": "of those that fit",
            "farthest": "of those that fit",
            "random": "by lot from those that fit",
            "all": "every one that fits",
        },
    ),
    "lower": (
        "No nearer than",
        {
            "none": "as near as it gets",
            "positive": "beyond it (gap > 0)",
            "margin": "easy ones only",
        },
    ),
    "upper": (
        "No farther than",
        {
            "none": "as far as it gets",
            "positive": "hard ones only",
            "margin": "inside it (gap < margin)",
        },
    ),
    "fallback": (
        "If none fits",
        {
            "none": "it abstains",
            "nearest": "of all negatives",
            "farthest": "of all negatives",
            "random": "of all negatives, by lot",
        },
    ),
}
_EXAMPLE = "pair:all, negative:nearest, lower:positive, upper:margin"
# A zone ends where the next one begins: place 0 is gap = -infinity, 1 is gap 0, 2 is the margin, 3 is +infinity.
_BEGINS = {"none": 0, "positive": 1, "margin": 2}
_ENDS = {"positive": 1, "margin": 2, "none": 3}


@dataclass(frozen=True)
class Composition:
    """One choice on every axis; made by `parse`.

    Args:
        positive: "all" for a pick for every anchor and positive, else which positive each anchor takes.
        negative: which of the negatives inside the band, or "all" of them.
        lower: where the band of gaps begins: nowhere, beyond the positive (gap > 0) or at the margin (gap >= margin).
        upper: where it ends: nowhere, at the positive (gap <= 0) or before the margin (gap < margin).
        fallback: which of all negatives where the band has none; "none" abstains then.

    Example:
        >>> made = parse("pair:all, negative:nearest, lower:positive, upper:margin")
        >>> made.zones, made.name
        (('semi-hard',), 'pair-all-negative-nearest-lower-positive-upper-margin')
    """

    positive: str
    negative: str
    lower: str = "none"
    upper: str = "none"
    fallback: str = "none"

    @property
    def unit(self) -> str:
        """What is asked for its negatives: "pair" or "anchor"."""
        return "pair" if self.positive == "all" else "anchor"

    @property
    def granularity(self) -> str:
        """What gets one pick at most, "pair" or "anchor"; "many" where there may be several."""
        return "many" if self.negative == "all" else self.unit

    @property
    def bounded(self) -> bool:
        """Whether some negatives of a pair may not be taken."""
        return (self.lower, self.upper) != ("none", "none")

    @property
    def draws(self) -> bool:
        """Whether chance has a part in it."""
        return "random" in (self.positive, self.negative, self.fallback)

    @property
    def zones(self) -> tuple[str, ...]:
        """Where its picks may lie; a fallback is taken where the band is empty, so outside of it."""
        return ZONES if self.fallback != "none" else ZONES[_BEGINS[self.lower] : _ENDS[self.upper]]

    @property
    def choices(self) -> dict[str, str]:
        """Axis -> value, without those that say nothing."""
        named = {axis: getattr(self, axis) for axis in ("negative", "lower", "upper", "fallback")}
        return {self.unit: self.positive} | {axis: value for axis, value in named.items() if value != "none"}

    @property
    def text(self) -> str:
        """As a person writes it."""
        return ", ".join(f"{axis}:{value}" for axis, value in self.choices.items())

    @property
    def name(self) -> str:
        """The same as one word, as files, links and columns hold it."""
        return "-".join(part for choice in self.choices.items() for part in choice)

    @property
    def summary(self) -> str:
        """In a sentence."""
        return "".join(self.parts)

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """The sentence in four: what gets a pick, which negative, from which band, and what if there is none."""
        positive = "and positive" if self.positive == "all" else f"{_WHICH[self.positive]} positive and"
        which = f"{_WHICH[self.negative]} negative"
        return f"For every anchor {positive} ", which, self.words.removeprefix(which), f"{self._otherwise}."

    @property
    def title(self) -> str:
        """In a few words, for a lane or a button; what matters most comes first.

        Example:
            >>> parse("pair:all, negative:nearest, lower:positive, upper:margin, fallback:random").title
            'Nearest semi-hard, else random'
            >>> parse("anchor:farthest, negative:random, upper:margin").title
            'Random violating, farthest positive'
        """
        band = _BANDS[self.lower, self.upper]
        otherwise = f", else {self.fallback}" if self.fallback != "none" else ""
        positive = f", {self.positive} positive" if self.positive != "all" else ""
        return f"{self.negative.capitalize()}{band}{otherwise}{positive}"

    @property
    def choice(self) -> str:
        """Why this negative, as a page says it after "picks this 9,"."""
        return "drawn by lot" if self.negative == "random" else self.words

    @property
    def order(self) -> int:
        """Place in lists: beyond all that have a name; spread, so that two compositions have two colours."""
        return 1000 + 10 * (crc32(self.name.encode()) % 8)

    @property
    def card(self) -> dict[str, Any]:
        """What a page needs to know of it, as `Strategy.describe` says it of others; the title is the short one."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "source": "composed by the user",
            "order": self.order,
            "zones": list(self.zones),
            "granularity": self.granularity,
            "stochastic": self.draws,
            "params": [],
            "needs": [],
            "choice": "" if self.granularity == "many" else self.choice,
            "composed": self.text,
        }

    @property
    def words(self) -> str:
        """Which negative, in a few words that follow "picks this 9," on the page."""
        bounds = [bound for bound in (_LOWER[self.lower], _UPPER[self.upper]) if bound]
        return f"{_WHICH[self.negative]} negative" + (f" {' and '.join(bounds)}" if bounds else "")

    @property
    def taken_instead(self) -> str:
        """What is taken where the band is empty, in a few words; "" where it abstains then."""
        return f"{_WHICH[self.fallback]} negative" if self.fallback != "none" else ""

    @property
    def _otherwise(self) -> str:
        if not self.bounded:
            return ""
        return f"; else {self.taken_instead}" if self.taken_instead else "; none, and it abstains"


_WHICH = {"nearest": "the nearest", "farthest": "the farthest", "random": "a random", "all": "every"}
_LOWER = {"none": "", "positive": "beyond the positive", "margin": "beyond the positive by the margin"}
_BANDS = {
    ("none", "none"): "",
    ("none", "positive"): " hard",
    ("none", "margin"): " violating",
    ("positive", "none"): " not hard",
    ("positive", "margin"): " semi-hard",
    ("margin", "none"): " easy",
}
_UPPER = {"none": "", "positive": "no farther than the positive", "margin": "inside the margin"}


class CompositionError(SettingError):
    """A composition that makes no sense.

    Attributes:
        axis: the choice at fault, as `WORDS` calls it; "" where it is none of them.
        reason: why, as the end of a sentence.
    """

    def __init__(self, text: str, reason: str, axis: str = "") -> None:
        super().__init__(f"In the composed strategy {text!r} {reason}.")
        self.axis, self.reason = axis, reason


def composer() -> dict[str, Any]:
    """All that a page needs to compose a lane with: words of every value, the sentence in pieces, and what is refused.

    Without `negative:all`: a lane shows the one negative that is picked for a positive, and that has none such.

    Keys: `axes` ([{name, title, values: [[value, words]]}]); `parts`, the sentence's pieces by the values that they
    follow from, joined by "/"; `refused`, by "lower/upper/fallback": [axis at fault, why].

    Example:
        >>> told = composer()
        >>> [axis["name"] for axis in told["axes"]]
        ['positive', 'negative', 'lower', 'upper', 'fallback']
        >>> told["refused"]["margin/positive/none"][0]
        'upper'
    """

    def one(axis: str, value: str) -> bool:
        return (axis, value) != ("negative", "all")

    refused, bands, otherwise = {}, {}, {}
    for lower, upper, fallback in product(AXES["lower"], AXES["upper"], AXES["fallback"]):
        made = Composition("all", "nearest", lower, upper, fallback)
        bands[f"{lower}/{upper}"], otherwise[f"{'band' if made.bounded else 'any'}/{fallback}"] = made.parts[2:]
        try:
            parse(made.text)
        except CompositionError as error:
            reason = f"{error.reason[0].upper()}{error.reason[1:]}."
            refused[f"{lower}/{upper}/{fallback}"] = [error.axis, reason]
    return {
        "axes": [
            {
                "name": name,
                "title": title,
                "values": [[value, words] for value, words in values.items() if one(name, value)],
            }
            for name, (title, values) in WORDS.items()
        ],
        "parts": {
            "positive": {value: Composition(value, "nearest").parts[0] for value in WORDS["positive"][1]},
            "negative": {
                value: Composition("all", value).parts[1] for value in WORDS["negative"][1] if one("negative", value)
            },
            "band": bands,
            "fallback": otherwise,
        },
        "refused": refused,
    }


def is_composition(name: str) -> bool:
    """Whether this is meant as a composition: it says something about an axis.

    Example:
        >>> is_composition("pair:all, negative:nearest"), is_composition("batch-hard")
        (True, False)
    """
    return ":" in name or ("-negative-" in name and name.split("-")[0] in ("pair", "anchor"))


def canonical(name: str) -> str:
    """The name as files and columns hold it: that of the composition, or the same where it is none.

    Raises:
        SettingError: a composition that makes no sense.

    Example:
        >>> canonical("negative: nearest,pair :all"), canonical("semi-hard")
        ('pair-all-negative-nearest', 'semi-hard')
    """
    return parse(name).name if is_composition(name) else name


def split_names(text: str) -> list[str]:
    """Names out of a list with commas, in which a composition, begun by pair: or anchor:, keeps its own commas.

    Example:
        >>> split_names("random, pair:all, negative:nearest, anchor:random, negative:random, hardest")
        ['random', 'pair:all, negative:nearest', 'anchor:random, negative:random', 'hardest']
    """
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        axis = part.partition(":")[0].strip()
        if ":" in part and axis not in ("pair", "anchor") and names and ":" in names[-1]:
            names[-1] += f", {part}"
        elif part:
            names.append(part)
    return names


def parse(text: str) -> Composition:
    """The composition that is written there, as choices with commas or as its name.

    Raises:
        CompositionError: a `SettingError` that names the axis at fault and what it could be.

    Example:
        >>> parse("anchor:nearest, negative:nearest, lower:positive").zones
        ('semi-hard', 'easy')
        >>> parse("pair:nearest, negative:nearest")
        Traceback (most recent call last):
            ...
        tripletscope.composition.CompositionError: In the composed strategy 'pair:nearest, negative:nearest' the axis \
pair is 'nearest', but it can be all only; an anchor that chooses one positive is written anchor:nearest.
    """
    chosen: dict[str, str] = {}
    for axis, value in _choices(text):
        if axis not in AXES:
            near = get_close_matches(axis, AXES, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise _wrong(text, f"there is no axis {axis!r}.{hint} Axes are {_listed(AXES)}")
        if axis in chosen:
            raise _wrong(text, f"the axis {axis} is given twice; leave one of the two out")
        if value not in AXES[axis]:
            more = f"; an anchor that chooses one positive is written anchor:{value}" if axis == "pair" else ""
            more = "; every positive of an anchor is written pair:all" if (axis, value) == ("anchor", "all") else more
            only = " only" if len(AXES[axis]) == 1 else ""
            raise _wrong(text, f"the axis {axis} is {value!r}, but it can be {_listed(AXES[axis])}{only}{more}")
        chosen[axis] = value
    if ("pair" in chosen) == ("anchor" in chosen):
        said = "both pair and anchor are given" if "pair" in chosen else "neither pair nor anchor is given"
        raise _wrong(text, f"{said}; write pair:all, anchor:nearest, anchor:farthest or anchor:random")
    if "negative" not in chosen:
        raise _wrong(text, f"the axis negative is missing; it can be {_listed(AXES['negative'])}")
    positive = chosen.pop("pair", "") or chosen.pop("anchor")
    return _sensible(Composition(positive, **chosen), text)


def _sensible(made: Composition, text: str) -> Composition:
    """The same, if its axes do not contradict each other."""
    if _BEGINS[made.lower] >= _ENDS[made.upper]:
        fits = [value for value in AXES["upper"] if _ENDS[value] > _BEGINS[made.lower]]
        raise _wrong(
            text,
            f"the axis upper is {made.upper!r}, which leaves no gap between it and lower:{made.lower}; "
            f"with that lower it can be {_listed(fits)}",
            "upper",
        )
    if made.fallback != "none" and not made.bounded:
        raise _wrong(
            text,
            "the axis fallback is never asked, for without lower or upper every negative fits; "
            "leave it out, or add lower:positive or upper:margin",
            "fallback",
        )
    return made


def _choices(text: str) -> Iterable[tuple[str, str]]:
    if ":" not in text:
        words = text.split("-")
        return zip(words[::2], [*words[1::2], ""][: len(words[::2])], strict=True)
    parts = [part for part in text.split(",") if part.strip()]
    if bare := [part for part in parts if ":" not in part]:
        raise _wrong(text, f"{bare[0].strip()!r} is no axis:value; a whole one reads {_EXAMPLE!r}")
    return [(axis.strip().lower(), value.strip().lower()) for axis, _, value in (part.partition(":") for part in parts)]


def _wrong(text: str, what: str, axis: str = "") -> CompositionError:
    return CompositionError(text, what, axis)


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
