"""What an animation shows, before anything is drawn: who plays, where everybody is, what is picked, and when."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from tripletscope.analysis.centres import frame_centres
from tripletscope.analysis.maps import kept_map
from tripletscope.analysis.probe import probe_labels, telling_anchor, telling_step
from tripletscope.analysis.projection import Projection, fixed_view, project
from tripletscope.errors import RunError, SettingError
from tripletscope.film.picks import Picks, picks_of
from tripletscope.palette import Mark, mark
from tripletscope.store.reader import Run

Space = Literal["own", "umap"]
SPACES: tuple[Space, ...] = ("own", "umap")
#: More maps than this would be too small to read.
MOST_RUNS = 6


@dataclass(frozen=True)
class Actor:
    """One run of the animation.

    Attributes:
        name: of the run.
        title: of its strategy.
        mark: of its strategy.
        steps: of its frames.
        positions: (F, n, 2) on the map.
        centre: of the map, the same at every frame.
        extent: half the side of the map.
        exact: whether the map is the space that is mined.
        space: what the map is, in words.
        truth: what its distances are, in words.
        rings: whether zones can be drawn as circles about the anchor: only where lengths on the map are mined.
        margin: in the unit of `distance`.
        distance: that was mined.
        picks: of its strategy.
        recall: (F,) R@1 at each frame; NaN where it was not measured.
        violating: (F,) share of the batch's triplets inside the margin, of the last batch up to the frame.
        active: (F,) share of the picks with a loss, likewise.
        centres: (F, C, 2) learned centres of the classes on the map, NaN where none were kept; None for a run without.
    """

    name: str
    title: str
    mark: Mark
    steps: list[int]
    positions: Float32[np.ndarray, "F n 2"]
    centre: tuple[float, float]
    extent: float
    exact: bool
    space: str
    truth: str
    rings: bool
    margin: float
    distance: str
    picks: Picks
    recall: Float32[np.ndarray, " F"]
    violating: Float32[np.ndarray, " F"]
    active: Float32[np.ndarray, " F"]
    centres: Float32[np.ndarray, "F C 2"] | None = None

    def frame_at(self, step: int | float) -> int:
        """The place of its last frame up to that step; the first when there is none."""
        return max(bisect_right(self.steps, step) - 1, 0)

    def places_at(self, step: int | float) -> Float32[np.ndarray, "n 2"]:
        """Where the samples are on the map: as recorded, or in between on straight lines; NaN for one without a place.

        Example: half-way between the frames of steps 10 and 20 at `places_at(15)`.
        """
        return self._between(self.positions, step)

    def centres_at(self, step: int | float) -> Float32[np.ndarray, "C 2"]:
        """The same of the learned centres; none for a run without."""
        return np.zeros((0, 2), np.float32) if self.centres is None else self._between(self.centres, step)

    def _between(self, places: Float32[np.ndarray, "F m 2"], step: int | float) -> Float32[np.ndarray, "m 2"]:
        at = self.frame_at(step)
        here = places[at]
        if at + 1 == len(self.steps) or step <= self.steps[at]:
            return np.asarray(here, np.float32)
        share = np.float32((step - self.steps[at]) / (self.steps[at + 1] - self.steps[at]))
        return np.asarray(here + (places[at + 1] - here) * share, np.float32)


@dataclass(frozen=True)
class Scene:
    """The whole animation, undrawn.

    Attributes:
        actors: the runs, side by side.
        labels: (n,) class of each sample.
        class_names: in the order of the labels.
        anchor: probe index.
        row: of the anchor in the run's samples.
        ticks: steps that are shown as recorded: every frame of any of the runs.
        last: the last step of all.
        thumbs: pictures of the samples, or None.
    """

    actors: list[Actor]
    labels: Int64[np.ndarray, " n"]
    class_names: list[str]
    anchor: int
    row: int
    ticks: list[int]
    last: int
    thumbs: UInt8[np.ndarray, "n height width"] | UInt8[np.ndarray, "n height width 3"] | None

    def class_of(self, sample: int) -> str:
        """The class name of a probe sample."""
        return self.class_names[int(self.labels[sample])]


@dataclass(frozen=True)
class Shot:
    """One picture of the animation.

    Attributes:
        tick: the recorded step whose numbers and picks it shows.
        step: where between the ticks the points are.
        lasts: so many beats of 1 / fps seconds.
    """

    tick: int
    step: float
    lasts: int = 1


def stage(
    runs: Sequence[Run],
    *,
    anchor: int | None = None,
    positive: int | None = None,
    space: Space = "own",
    steps: range | None = None,
) -> Scene:
    """The scene of one run, or of several that share their samples.

    Args:
        runs: opened, in the order in which they stand side by side.
        anchor: row of `samples`; the one that the Watch page opens with when left out.
        positive: row of its positive; the first of its candidates when left out, or when it is none of them.
        space: "own", the plane itself or the fixed PCA that Watch opens with, or "umap", the UMAP that was made.
        steps: show these steps only.

    Raises:
        RunError: a run has no frame, the runs are of different samples, or there is no UMAP of one.
        SettingError: too many runs, an anchor that is not in the probe set, or no frame among the steps.
    """
    runs = list(runs)
    if len(runs) > MOST_RUNS:
        raise SettingError(f"{len(runs)} runs are too many to read side by side: name at most {MOST_RUNS}.")
    for run in runs:
        if not run.frame_steps:
            raise RunError(f"The run {run.name} has no frame yet, so there is nothing to draw: let it record one.")
        if run.probe_rows.tolist() != runs[0].probe_rows.tolist():
            raise RunError(f"The run {run.name} is of other samples than {runs[0].name}: animate it by itself.")
    labels, rows = probe_labels(runs[0]), np.asarray(runs[0].probe_rows)
    who, chosen = _opening(runs) if anchor is None else (_probe_index(rows, anchor, len(runs[0].samples)), None)
    if positive is not None:
        chosen = _probe_index(rows, positive, len(runs[0].samples), "positive")
        if labels[chosen] != labels[who] or chosen == who:
            raise SettingError(f"--positive {positive} is no other sample of the anchor's class: name one that is.")
    maps = [_map_of(run, space) for run in runs]
    centres = [_centres_on(run, shown) for run, shown in zip(runs, maps, strict=True)]
    boxes = [_boxes(shown, places) for shown, places in zip(maps, centres, strict=True)]
    views = [fixed_view(each) for each in boxes]
    if space == "own":  # runs of a race share their scale, so that a collapsed space looks collapsed
        views = [fixed_view([box for each in boxes for box in each])] * len(maps)
    actors = [
        _actor(run, shown, view, space, who, chosen, places)
        for run, shown, view, places in zip(runs, maps, views, centres, strict=True)
    ]
    ticks = sorted({step for actor in actors for step in actor.steps if steps is None or step in steps})
    if not ticks:
        raise SettingError(f"There is no frame among the steps {steps.start}:{steps.stop}." if steps else "No frame.")
    thumbs = runs[0].samples.thumbs
    return Scene(
        actors=actors,
        labels=labels,
        class_names=list(runs[0].samples.class_names),
        anchor=who,
        row=int(rows[who]),
        ticks=ticks,
        last=max(actor.steps[-1] for actor in actors),
        thumbs=None if thumbs is None else np.asarray(thumbs)[rows],
    )


def shots(ticks: Sequence[int], *, fps: int, seconds: int | float, hold: int | float) -> list[Shot]:
    """The pictures in order: every tick as recorded, and as many in between as the time allows.

    Of more ticks than there is time for, some are left out, evenly; the first and the last stay. The first picture
    stands for half the time of the last.

    Args:
        ticks: recorded steps, ascending.
        fps: beats a second.
        seconds: about how long it moves.
        hold: how long the last picture stands.

    Example:
        >>> [(shot.tick, shot.step, shot.lasts) for shot in shots([0, 10], fps=2, seconds=1, hold=1)]
        [(0, 0.0, 1), (0, 5.0, 1), (10, 10.0, 2)]
    """
    beats = max(round(fps * seconds), 1)
    gaps = len(ticks) - 1
    if gaps > beats:
        ticks = [ticks[k] for k in np.linspace(0, gaps, beats + 1).round().astype(int)]
        gaps = beats
    each = max(beats // gaps, 1) if gaps else 0
    made = [Shot(here, here + (there - here) * part / each) for here, there in pairwise(ticks) for part in range(each)]
    made.append(Shot(ticks[-1], float(ticks[-1]), max(round(fps * hold), 1)))
    first = max(round(fps * hold / 2), 1) if gaps else made[0].lasts
    return [Shot(made[0].tick, made[0].step, first), *made[1:]]


def _probe_index(rows: Int64[np.ndarray, " n"] | np.ndarray, row: int, count: int, option: str = "anchor") -> int:
    found = np.flatnonzero(rows == row)
    if len(found):
        return int(found[0])
    if 0 <= row < count:
        raise SettingError(
            f"--{option} {row} is a sample that the frames do not show: they hold {len(rows):,} of them."
        )
    raise SettingError(f"--{option} is {row}, but the samples are numbered 0 to {count - 1}.")


def _opening(runs: Sequence[Run]) -> tuple[int, int | None]:
    """(anchor, positive) that the Watch page opens with: what the race's own file proposes, or a telling one."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        told: dict[str, Any] = json.loads((runs[0].path.parent / "race.json").read_text(encoding="utf-8"))
        anchor, positive = int(told["opening"]["anchor"]), told["opening"].get("positive")
        names = [each if isinstance(each, str) else each["name"] for each in told["runs"]]
        if runs[0].name in names and 0 <= anchor < len(runs[0].probe_rows):
            return anchor, positive
    return telling_anchor(runs[0], telling_step(list(runs[0].frame_steps)))


def _map_of(run: Run, space: Space) -> Projection:
    own = project([np.asarray(run.frames[step], np.float32) for step in run.frame_steps])
    if space == "own" or own.exact:
        return own
    made = kept_map(run, "umap")
    if made is None or made.positions is None:
        raise RunError(f"There is no UMAP of {run.name} yet: make it with `tripletscope project {run.path}`.")
    return Projection(made.positions, False, float("nan"), made.badge)


def _centres_on(run: Run, shown: Projection) -> Float32[np.ndarray, "F C 2"] | None:
    """The learned centres on the map; None where the run has none, or the map was made of the samples alone."""
    centres = frame_centres(run)
    places = None if centres is None else shown.place(centres)
    return None if places is None or not np.isfinite(places).any() else places


def _boxes(shown: Projection, centres: Float32[np.ndarray, "F C 2"] | None) -> list[tuple[float, float, float, float]]:
    """(x from, x to, y from, y to) of the samples and of the centres."""
    if centres is None:
        return [shown.box]
    low, high = np.nanmin(centres, axis=(0, 1)), np.nanmax(centres, axis=(0, 1))
    return [shown.box, (float(low[0]), float(high[0]), float(low[1]), float(high[1]))]


def _space_words(run: Run, shown: Projection, space: Space) -> tuple[str, str]:
    """(what the map is, what its distances are)."""
    if shown.exact:
        dims = run.frames[run.frame_steps[0]].shape[1]
        return f"{dims}-D embedding", "the angle is mined, not the length" if run.distance == "cosine" else "mined here"
    picture = "UMAP picture" if space == "umap" else f"PCA picture, {shown.explained:.0%} of variance"
    return picture, "distances are not the mined ones"


def _actor(
    run: Run,
    shown: Projection,
    view: tuple[tuple[float, float], float],
    space: Space,
    anchor: int,
    positive: int | None,
    centres: Float32[np.ndarray, "F C 2"] | None,
) -> Actor:
    card = _card(run)
    told, truth = _space_words(run, shown, space)
    steps = [int(step) for step in run.frame_steps]
    recall, violating, active = run.series(("recall_at_1", "violating_share", "active_share"))
    places = np.searchsorted(np.asarray(run.steps), steps)
    return Actor(
        name=run.name,
        title=card["title"],
        mark=mark(card["order"]),
        steps=steps,
        positions=shown.positions,
        centre=view[0],
        extent=view[1],
        exact=shown.exact,
        space=told,
        truth=truth,
        rings=shown.exact and run.distance != "cosine",
        margin=run.margin,
        distance=run.distance,
        picks=picks_of(run, card["name"], anchor, positive),
        recall=recall[places],
        violating=_filled(violating)[places],
        active=_filled(active)[places],
        centres=centres,
    )


def _card(run: Run) -> dict[str, Any]:
    name = run.training or "own"
    for record in run.config.get("strategies", []):
        if record["name"] == name and name != "own":
            return {"name": name, "title": record["title"], "order": record["order"]}
    return {"name": name, "title": "Own picks" if name == "own" else name, "order": None}


def _filled(values: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, " S"]:
    """The last number up to each place: the closing frame follows the last update, and has no batch of its own."""
    known: Bool[np.ndarray, " S"] = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))
    return values[last]
