"""From what the address, the browser and the recording say to one valid selection, and to what the browser is sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripletscope.analysis.probe import nearest_frame, telling_step
from tripletscope.store.reader import Run
from tripletscope_app.lanes import GROUPS, MOST_LANES, OWN, Tuned, company, compositions, tuned
from tripletscope_app.theme import mark

#: The maps that a link may name besides the run's own.
OTHER_SPACES = ("umap",)


@dataclass(frozen=True)
class Selection:
    """What is looked at: always valid for the run.

    Attributes:
        run: place of the run in its race.
        step: a step with a frame.
        anchor: probe index.
        positive: probe index of the anchor's class, or None.
        margin: somebody's what-if; None for the run's own.
        lane: the strategy that the sentence speaks about; None for the one that trains.
        space: which map; None for the one that came with the run.
        focus: (anchor class, negative class or None) that everything else steps back for; None for all.
        span: (first, last) step with a frame that sums run over; None for all.
        lanes: strategies that are shown beside those that train; ("all",) for all, None for the first ones.
        composed: compositions that somebody made; None without any.
        tuned: parameters that somebody tried other values for; None without any.
    """

    run: int
    step: int
    anchor: int
    positive: int | None
    margin: float | None = None
    lane: str | None = None
    space: str | None = None
    focus: tuple[int, int | None] | None = None
    span: tuple[int, int] | None = None
    lanes: tuple[str, ...] | None = None
    composed: tuple[str, ...] | None = None
    tuned: Tuned | None = None


#: What a selection has besides run, step, anchor and positive.
VIEW = ("margin", "lane", "space", "focus", "span", "lanes", "composed", "tuned")


def settle(
    runs: Sequence[Run],
    labels: np.ndarray,
    *,
    run: str | None = None,
    step: int | None = None,
    anchor: int | None = None,
    positive: int | None = None,
    opening: Mapping[str, Any] | None = None,
    **view: Any,
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
        **view: what else of a `Selection` is asked for; what fits no run of the race becomes None.
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
    return Selection(place, nearest_frame(frames, int(step)), int(anchor), positive, **settle_view(runs[place], **view))


def settle_view(
    run: Run,
    *,
    margin: float | None = None,
    lane: str | None = None,
    space: str | None = None,
    focus: tuple[int, int | None] | None = None,
    span: tuple[int, int] | None = None,
    lanes: Sequence[str] | None = None,
    composed: Sequence[str] | None = None,
    tuned: Tuned | None = None,
) -> dict[str, Any]:
    """What is valid of these for that run; the run's own margin and map are None."""
    classes, frames = len(run.samples.class_names), list(run.frame_steps)
    if focus is not None and (not all(part < classes for part in focus if part is not None) or focus[0] == focus[1]):
        focus = None
    if span is not None:
        span = (nearest_frame(frames, span[0]), nearest_frame(frames, span[1]))
    return {
        "margin": None if margin == run.margin else margin,
        "lane": None if lane == run.training else lane,
        "space": space if space in OTHER_SPACES else None,
        "focus": focus,
        "span": None if span == (frames[0], frames[-1]) else span,
        "lanes": ("all",) if lanes and "all" in lanes else tuple(lanes or ()) or None,
        "composed": compositions(composed or ()) or None,
        "tuned": tuned or None,
    }


def read_report(report: Any, digests: Sequence[str]) -> dict[str, Any] | None:
    """What the browser reports of a `Selection`; `run` is its place.

    None when it is no selection. The report comes from a web page, so nothing about it is taken for granted.
    """
    if not isinstance(report, Mapping) or report.get("run") not in digests:
        return None
    step, anchor, positive = (_whole(report.get(name)) for name in ("step", "anchor", "positive"))
    if step is None or anchor is None or (positive is None and report.get("positive") is not None):
        return None
    margin, lane, space, focus, span, lanes, composed, tried = (report.get(name) for name in VIEW)
    real = isinstance(margin, int | float) and not isinstance(margin, bool) and 0 < margin < 1e300
    pair = _pair(focus)
    steps = _pair(span)
    return {
        "run": list(digests).index(report["run"]),
        "step": step,
        "anchor": anchor,
        "positive": positive,
        "margin": float(margin) if real else None,
        "lane": lane if isinstance(lane, str) and _NAME.fullmatch(lane) else None,
        "space": space if isinstance(space, str) and _NAME.fullmatch(space) else None,
        "focus": pair,
        "span": None if steps is None or steps[1] is None or steps[1] < steps[0] else steps,
        "lanes": tuple(name for name in _listed(lanes) if isinstance(name, str) and _NAME.fullmatch(name)) or None,
        "composed": compositions(_listed(composed)) or None,
        "tuned": tuned(_listed(tried)) or None,
    }


_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,95}")


def _listed(value: Any) -> Sequence[Any]:
    return value[:MOST_LANES] if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value) if value == int(value) else None


def _pair(value: Any) -> tuple[int, int | None] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    first, second = _whole(value[0]), _whole(value[1])
    return None if first is None or (second is None and value[1] is not None) else (first, second)


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


def cast_of(
    runs: Sequence[Run],
    digests: Sequence[str],
    cards: Sequence[Mapping[str, Any]],
    links: Sequence[str],
    composed: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Who plays in a race: title, the race's buttons, the strategies' lanes. The same for every click.

    `links` are the runs' names in an address, `composed` what somebody composed on the page. The cast's `name` is that
    of its content: the view says which cast it means, and the page has it already.
    """
    same = "Same data, same start, same batches; only the choice of negative differs."
    if any(run.filters != runs[0].filters for run in runs):
        same = "Same data, same start, same batches; only the choice of negative and its filter differ."
    how = "the recorded training, frame by frame" if runs[0].state == "finished" else runs[0].state_text
    told = {
        "title": "Who should this {anchor} learn from?",  # the browser names it, at the instant of a click
        "subtitle": same if len(runs) > 1 else f"Run {runs[0].name}: {how}.",
        "runs": [{**each, "link": link} for each, link in zip(buttons(runs, digests), links, strict=True)],
        "strategies": company(
            cards,
            trained=[own_strategy(run)["name"] for run in runs],
            recorded=[name for run in runs for name in run.strategies],
            composed=composed or (),
        ),
        "groups": GROUPS,
    }
    return {"name": hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest(), **told}


def view_data(
    *,
    cast: str,
    digests: Sequence[str],
    chosen: Selection,
    revision: int,
    answers: Mapping[str, Any],
    asking: bool,
    message: str | None,
    zoom: float | None,
) -> dict[str, Any]:
    """The JSON that the instrument draws; small, because it travels with every click. None is left out."""
    told = {
        "run": digests[chosen.run],
        "step": chosen.step,
        "anchor": chosen.anchor,
        "positive": chosen.positive,
        **{name: getattr(chosen, name) for name in VIEW},
        "rev": revision,
    }
    return {
        "version": 1,
        "cast": cast,
        "selection": {name: value for name, value in told.items() if value is not None},
        "answers": {digest: answer for digest, answer in answers.items() if answer is not None},
        "asking": asking,
        "message": message,
        "zoom": None if zoom is None else round(zoom, 3),
    }
