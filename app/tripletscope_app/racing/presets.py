"""Settings that are known to show something, to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tripletscope.store.reader import Run
from tripletscope_app.loaders import Race, shipped_races
from tripletscope_app.racing import view
from tripletscope_app.racing.flaw_pictures import long_tail_picture, wrong_labels_picture
from tripletscope_app.state import Control


@dataclass(frozen=True)
class Preset:
    """A race to begin with.

    Attributes:
        title: of its card.
        words: what it shows.
        values: by control; what is not named is left as it was.
        race: the recorded one that it is the settings of.
        picture: SVG of what is special about its data, where there is no recorded race to show.
    """

    title: str
    words: str
    values: Mapping[Control, Any] = field(default_factory=dict)
    race: Race | None = None
    picture: str | None = None


_WORDS = {
    "digits-2d": "In two dimensions and not normalised, the hardest negative pulls everything into one point.",
    "digits-2d-standardized": "The same with standardised pixels: batch-hard gets away. Its collapse is no law.",
    "emoji-32d": "66 emoji in six hands, by a CNN to 32 dimensions on the unit sphere.",
}
#: What was trained on, where the recording calls it by its set's name alone.
_DATA = {"emoji-32d": "emoji_faces:complete=66"}


def presets() -> list[Preset]:
    """The settings of the races that come along, in their order."""
    found = []
    for race in shipped_races():
        runs = [Run.open(path) for path in race.paths]
        train = runs[0].config.get("train")
        if train is None:
            continue
        values = values_of({**train, "standardize": train.get("standardize") or "standardized" in race.key})
        values[view.DATA] = _DATA.get(race.key, values[view.DATA])
        values[view.STRATEGIES] = tuple(run.config["train"]["strategy"] for run in runs if run.training)
        found.append(Preset(race.chip, _WORDS.get(race.key, race.title), values, race))
    return [*found, *_flawed(found)]


def _flawed(shipped: list[Preset]) -> list[Preset]:
    """The first race that comes along with flaws planted in its data."""
    if not shipped:
        return []
    usual = {**shipped[0].values, view.STRATEGIES: ("random", "semi-hard", "batch-hard")}
    return [
        Preset(
            "Label noise 20 %",
            "Every fifth label is wrong, and the run knows which: count how often each strategy picks them.",
            {**usual, view.LABEL_NOISE: 0.2},
            picture=wrong_labels_picture(),
        ),
        Preset(
            "Long tail",
            "Twenty samples of the commonest digit for one of the rarest. Batches still hold all classes alike.",
            {**usual, view.IMBALANCE: 0.05},
            picture=long_tail_picture(),
        ),
    ]


def values_of(settings: Mapping[str, Any]) -> dict[Control, Any]:
    """What a run's settings are on the page, by control."""
    values: dict[Control, Any] = {}
    for control in (*view.CONTROLS, view.LABEL):
        name = control.key.partition(".")[2]
        if name in settings:
            values[control] = tuple(settings[name]) if name == "shadow" else settings[name]
    values[view.FILTER] = tuple(f"{name}={number!r}" for name, number in (settings.get("filter") or {}).items())
    values[view.SEEDS] = str(settings.get("seed", 0))
    values[view.DEVICE] = "auto"  # of this machine, not of the one that recorded
    return values
