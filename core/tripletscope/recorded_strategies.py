"""Which strategies a run records: the one that trains, whose picks are given, and the shadows, which pick here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tripletscope.batch import Batch
from tripletscope.composition import canonical
from tripletscope.errors import DataError, SettingError
from tripletscope.seeding import generator
from tripletscope.step_record import FalseCounts, PickNumbers, StepPicks, Unlisted, as_triplets, false_counts
from tripletscope.strategies import STRATEGIES, Strategy
from tripletscope.triplets import Triplets, count_zones
from tripletscope.zones import ZoneCounts

ALL = "batch-all"  # recorded as counts: its picks grow with the cube of the batch
OWN = "own"
OWN_RECORD: dict[str, Any] = {
    "name": OWN,
    "title": "Own picks",
    "summary": "What the training loop picked itself.",
    "source": "",
    "order": 0,
    "zones": ["hard", "semi-hard", "easy"],
    "granularity": "all",
    "stochastic": False,
    "params": [],
    "needs": [],
    "values": {},
}


class RecordedStrategies:
    """The strategies of a run, with their parameters, and the codes they have in its picks.

    Args:
        chosen: names, or name -> parameters, of those that pick from every batch.
        training: the one whose picks are given, or "own".
        margin: of the run.
        seed: of the run; a strategy draws at a step from `generator(seed, "strategy", name, step)`.

    Raises:
        SettingError, UnknownNameError: a strategy that does not exist, or a parameter out of its range.

    Example:
        >>> recorded = RecordedStrategies(["random", "hardest"], "hardest", margin=0.2, seed=0)
        >>> [card["name"] for card in recorded.cards]
        ['hardest', 'random']
    """

    def __init__(
        self,
        chosen: Sequence[str] | Mapping[str, Mapping[str, float]],
        training: str,
        margin: float,
        seed: int,
    ) -> None:
        if isinstance(chosen, str):
            raise SettingError(f"The strategies are the text {chosen!r}: give a list of names.")
        given = chosen if isinstance(chosen, Mapping) else {name: {} for name in chosen}
        values = {canonical(name): params for name, params in given.items()}
        training = canonical(training)
        self.training, self._margin, self._seed = training, margin, seed
        self._trainer = None if training == OWN else STRATEGIES.get(training)
        self._pickers = {name: STRATEGIES.get(name) for name in values}
        self._params = {name: one.settings(margin, dict(values[name])) for name, one in self._pickers.items()}
        #: Those with several negatives for a pair: their numbers are recorded, and no rows.
        self.counted = {name for name, one in self._pickers.items() if not one.listed}
        if self._trainer is not None and not self._trainer.listed:
            self.counted.add(training)
        #: Whether some of them have second negatives, so that the run has a column for those.
        self.second = any(one.second and one.listed for one in [*self._pickers.values(), self._trainer] if one)
        names = dict.fromkeys([training, *self._pickers])
        self.codes = {name: code for code, name in enumerate(names)}
        self.cards: list[dict[str, Any]] = [dict(OWN_RECORD) if name == OWN else self._card(name) for name in names]

    def _card(self, name: str) -> dict[str, Any]:
        found = STRATEGIES.get(name)
        return {**found.describe(), "values": self._params.get(name) or found.settings(self._margin, {})}

    def pick(
        self, picks: StepPicks, given: Any, zones: ZoneCounts | None, step: int
    ) -> tuple[PickNumbers | None, dict[str, PickNumbers]]:
        """(numbers of the training picks or None, numbers of each shadow); the picks themselves are put into `picks`.

        Args:
            picks: of the step, empty.
            given: the training picks; None where the loop has none to give; `Unlisted` where they are no samples.
            zones: of all eligible triplets, if they have been counted.
            step: decides the draws.
        """
        batch = picks.batch
        # Two tables: one is recorded, the other only counted.
        tables = {False: picks, True: StepPicks(batch, self._margin, picks.truth)}
        pickers: dict[bool, dict[str, Strategy | None]] = {False: {}, True: {}}

        def add(name: str, picker: Strategy | None, found: Triplets) -> None:
            counted = name in self.counted
            tables[counted].add(self.codes[name], name == self.training and given is not None, found)
            pickers[counted][name] = picker

        if given is not None and not isinstance(given, Unlisted):
            found = as_triplets(given, batch, step)
            if found.negative2 is not None and not self.second and self.training not in self.counted:
                raise DataError(
                    f"The triplets of step {step} have second negatives, and {self.training!r} has none: name the "
                    "strategy they come from as `training`, or leave negative2 out."
                )
            add(self.training, self._trainer, found)
        for name, picker in self._pickers.items():
            if name == ALL or (name == self.training and given is not None):
                continue
            picker.check(batch)
            chance = generator(self._seed, "strategy", name, step) if picker.stochastic else None
            add(name, picker, picker.pick(batch, margin=self._margin, generator=chance, **self._params[name]))
        numbers: dict[str, PickNumbers] = {}
        for counted, table in tables.items():
            if pickers[counted] or not counted:
                table.finish()
            numbers |= {name: table.numbers(at, one) for at, (name, one) in enumerate(pickers[counted].items())}
        if ALL in self.codes and not (self.training == ALL and given is not None):
            false = None if picks.truth is None else false_counts(batch, picks.truth)
            numbers[ALL] = _everything(batch, zones or count_zones(batch, self._margin), false)
        if isinstance(given, Unlisted):
            return given.numbers(self._margin), numbers
        trained = numbers.pop(self.training, None) if given is not None or self.training == ALL else None
        return trained, numbers


def _everything(batch: Batch, zones: ZoneCounts, false: FalseCounts | None) -> PickNumbers:
    """The numbers of batch-all, which picks whatever is eligible: known without a single row."""
    alone = int((batch.positive_count * ~batch.has_negative).sum())
    return PickNumbers(zones, alone, false)
