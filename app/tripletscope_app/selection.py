"""From what the address, the browser and the recording say to one valid selection, and to what the browser is sent."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripletscope.store.reader import Run
from tripletscope_app.theme import mark

#: At step 0 all strategies look alike, at the end all is settled: in between one sees them differ.
_TELLING_STEP = 30


def telling_step(frames: Sequence[int]) -> int:
    """The frame on which a run opens that nobody chose one for.

    Example:
        >>> telling_step([0, 10, 28, 60, 400]), telling_step([0, 2, 4])
        (28, 2)
    """
    return nearest_frame(frames, min(_TELLING_STEP, frames[-1] // 2))


#: Name under which a loop's own miner is recorded. Nobody can ask it again, so it has no lane.
OWN = "own"


@dataclass(frozen=True)
class Selection:
    """What is looked at: always valid for the run.

    Attributes:
        run: place of the run in its race.
        step: a step with a frame.
        anchor: probe index.
        positive: probe index of the anchor's class, or None.
    """

    run: int
    step: int
    anchor: int
    positive: int | None


def nearest_frame(frames: Sequence[int], step: int) -> int:
    """The last frame at or before `step`; the first when there is none.

    Example:
        >>> nearest_frame([0, 3, 10], 9), nearest_frame([5, 6], 1)
        (3, 5)
    """
    return int(frames[max(bisect_right(list(frames), step) - 1, 0)])


def settle(
    runs: Sequence[Run],
    labels: np.ndarray,
    *,
    run: str | None = None,
    step: int | None = None,
    anchor: int | None = None,
    positive: int | None = None,
    opening: Mapping[str, Any] | None = None,
) -> Selection:
    """A valid selection nearest to what is asked; whatever is missing or wrong comes from the opening.

    Args:
        runs: of the race.
        labels: class of each probe sample.
        run: name asked for.
        step: asked for; becomes the last frame up to it.
        anchor: probe index asked for.
        positive: probe index asked for.
        opening: run, step, anchor and positive that the recording proposes.
    """
    told = opening or {}
    names = [each.name for each in runs]
    wanted = run if run in names else told.get("run")
    place = names.index(wanted) if wanted in names else 0
    frames = list(runs[place].frame_steps)
    if step is None or step > frames[-1]:
        step = told.get("step", telling_step(frames))
    if anchor is None or not 0 <= anchor < len(labels):
        anchor = told.get("anchor", 0)
        positive = told.get("positive") if positive is None else positive
    if not 0 <= anchor < len(labels):
        anchor = 0
    if positive is not None:
        fits = 0 <= positive < len(labels) and positive != anchor and labels[positive] == labels[anchor]
        positive = positive if fits else None
    if positive is None and told.get("anchor") == anchor:
        positive = told.get("positive")
    return Selection(place, nearest_frame(frames, int(step)), int(anchor), positive)


def read_report(report: Any, digests: Sequence[str]) -> dict[str, Any] | None:
    """{"run": place, "step", "anchor", "positive"} of what the browser reports; None when it is no selection.

    The report comes from a web page, so nothing about it is taken for granted.
    """
    if not isinstance(report, Mapping) or report.get("run") not in digests:
        return None
    step, anchor, positive = (report.get(name) for name in ("step", "anchor", "positive"))
    whole = [value for value in (step, anchor, positive) if value is not None]
    if step is None or anchor is None or any(isinstance(v, bool) or not isinstance(v, int | float) for v in whole):
        return None
    if any(value != int(value) or not 0 <= value < 2**53 for value in whole):
        return None
    return {
        "run": list(digests).index(report["run"]),
        "step": int(step),
        "anchor": int(anchor),
        "positive": None if positive is None else int(positive),
    }


def own_strategy(run: Run) -> dict[str, Any]:
    """The card of the strategy that the run trained with."""
    name = run.training or OWN
    for record in run.config.get("strategies", []):
        if record["name"] == name:
            return {**record, "order": None if name == OWN else record["order"]}
    return {"name": name, "title": "Own picks" if name == OWN else name, "order": None}


def button(run: Run, digest: str, place: int, alone: bool) -> dict[str, Any]:
    """The race's button for that run, at that place. Runs of one strategy are told apart by their names."""
    card = own_strategy(run)
    title = card["title"] if alone else f"{card['title']} ({run.name})"
    return {
        "digest": digest,
        "strategy": card["name"],
        "title": title,
        "order": place,
        "mark": mark(card.get("order")),
    }


def buttons(runs: Sequence[Run], digests: Sequence[str]) -> list[dict[str, Any]]:
    """The buttons of a race, in its order."""
    names = [own_strategy(run)["name"] for run in runs]
    several = enumerate(zip(runs, digests, names, strict=True))
    return [button(run, digest, place, names.count(name) == 1) for place, (run, digest, name) in several]


def lanes(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The ruler's lanes: one for each strategy that is known, in display order."""
    kept = ("name", "title", "summary", "order", "stochastic", "granularity")
    ordered = sorted((card for card in cards if card["name"] != OWN), key=lambda card: (card["order"], card["name"]))
    return [{**{name: card[name] for name in kept if name in card}, "mark": mark(card["order"])} for card in ordered]


def view_data(
    *,
    runs: Sequence[Run],
    digests: Sequence[str],
    labels: np.ndarray,
    chosen: Selection,
    revision: int,
    cards: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Any],
    asking: bool,
    message: str | None,
    zoom: float | None,
) -> dict[str, Any]:
    """The JSON that the instrument draws."""
    same = "Same data, same start, same batches; only the choice of negative differs."
    how = "the recorded training, frame by frame" if runs[0].state == "finished" else runs[0].state_text
    return {
        "version": 1,
        "title": "Who should this {anchor} learn from?",  # the browser names it, at the instant of a click
        "subtitle": same if len(runs) > 1 else f"Run {runs[0].name}: {how}.",
        "runs": buttons(runs, digests),
        "strategies": lanes(cards),
        "selection": {
            "run": digests[chosen.run],
            "step": chosen.step,
            "anchor": chosen.anchor,
            "positive": chosen.positive,
            "rev": revision,
        },
        "answers": {digest: answers.get(digest) for digest in digests},
        "asking": asking,
        "message": message,
        "zoom": zoom,
    }
