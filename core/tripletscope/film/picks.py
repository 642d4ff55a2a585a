"""Whom the strategy of a run picks for the anchor at every frame, in whichever of its ways it picks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int64

from tripletscope.analysis.centres import CentreRows
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.zones import ZONES, zone_codes_numpy

NOBODY = -1
Kind = Literal["picks", "several", "all", "centres", "unknown"]


@dataclass(frozen=True)
class Several:
    """The negatives that are taken together at one frame, the nearest first.

    Attributes:
        positive: probe index: the chosen one, or another that the strategy takes them for where it takes none for this.
        negatives: probe indices.
        zones: places in `zones.ZONES`.
    """

    positive: int
    negatives: Int64[np.ndarray, " K"]
    zones: Int64[np.ndarray, " K"]


@dataclass(frozen=True)
class Picks:
    """What a run's strategy picks for the anchor at each of its frames.

    Attributes:
        kind: "picks"; "several" negatives for one positive; "all" of them; "centres", where the run learns from the
            learned centres of two classes in the place of positive and negative; "unknown" where nobody can be asked.
        positive: (F,) probe index; -1 without any.
        negative: (F,) probe index; -1 where the strategy abstains, and of every kind but "picks".
        d_ap: (F,) the true distance to the positive, or to the centre of the anchor's class; NaN without one.
        d_an: (F,) likewise to the negative, or to the nearest other centre.
        zone: (F,) place in `zones.ZONES`; -1 without d_an.
        several: of that kind, frame by frame.
        rival: of "centres", the class of the nearest other one, frame by frame; -1 where no centres were kept.
        why: of "unknown", where somebody knows.
    """

    kind: Kind
    positive: Int64[np.ndarray, " F"]
    negative: Int64[np.ndarray, " F"]
    d_ap: Float32[np.ndarray, " F"]
    d_an: Float32[np.ndarray, " F"]
    zone: Int64[np.ndarray, " F"]
    several: tuple[Several, ...] = ()
    rival: tuple[int, ...] = ()
    why: str = ""

    def zone_name(self, frame: int) -> str | None:
        """Hard, semi-hard or easy; None where nothing single is picked."""
        return ZONES[self.zone[frame]] if self.zone[frame] >= 0 else None


def picks_of(run: Run, strategy: str, anchor: int, positive: int | None) -> Picks:
    """Asked of the strategy itself, on the candidates of this anchor, as on the Watch page.

    Args:
        run: a recorded run.
        strategy: that trained, by name; any other name than a strategy's is one that nobody can ask.
        anchor: probe index.
        positive: probe index; the first of the candidates when left out, or when it is none of them.
    """
    from tripletscope import strategies
    from tripletscope.analysis.counterfactual import anchor_answer

    answer = anchor_answer(run, anchor)
    why = answer["not_applicable"].get(strategy, "")
    if why and answer["centres"] is not None and strategy == run.training:
        return _between_centres(answer["centres"], run.margin)
    frames = len(answer["frames"])
    positives, negatives = np.array(answer["positives"], np.int64), np.array(answer["negatives"], np.int64)
    slot_of = {sample: slot for slot, sample in enumerate(answer["candidates"])}
    chosen = positive if positive in answer["positives"] else next(iter(answer["positives"]), None)
    whose = np.full(frames, NOBODY if chosen is None else chosen, np.int64)
    picked = np.full(frames, NOBODY, np.int64)
    several: tuple[Several, ...] = ()
    kind: Kind = "unknown"
    record = next((one for one in strategies.all([strategy]) if one.name == strategy), None)
    if strategy in answer["picks"] and chosen is not None:
        kind = "picks"
        places = answer["picks"][strategy][:, answer["positives"].index(chosen)].astype(np.int64)
        picked[places >= 0] = negatives[places[places >= 0]]
        if strategy in answer["own_positive"]:  # it brings its own positive, and its gap belongs to that one
            own = answer["own_positive"][strategy].astype(np.int64)
            whose[own >= 0] = positives[own[own >= 0]]
    elif record is not None and record.granularity == "all":
        kind = "all"
    elif record is not None and record.granularity == "many" and chosen is not None:
        several, why = _several(run, anchor, strategy, chosen, answer)
        kind = "several" if several else "unknown"
        whose = np.array([taken.positive for taken in several], np.int64) if several else whose
    rows = answer["distances"]
    d_ap, d_an = (
        np.array([rows[f, slot_of[sample]] if sample != NOBODY else np.nan for f, sample in enumerate(who)], np.float32)
        for who in (whose, picked)
    )
    return Picks(kind, whose, picked, d_ap, d_an, _zones(d_ap, d_an, run.margin), several, why=why)


def _zones(d_ap: Float32[np.ndarray, " F"], d_an: Float32[np.ndarray, " F"], margin: float) -> Int64[np.ndarray, " F"]:
    return np.where(np.isfinite(d_an - d_ap), zone_codes_numpy(d_an - d_ap, margin), NOBODY).astype(np.int64)


def _between_centres(centres: CentreRows, margin: float) -> Picks:
    """The centre of the anchor's class leads each row, and the nearest other one follows."""
    frames = len(centres.labels)
    d_ap, d_an = (
        centres.distances[:, k] if centres.distances.shape[1] > k else np.full(frames, np.nan, np.float32)
        for k in (0, 1)
    )
    zone, nobody = _zones(d_ap, d_an, margin), np.full(frames, NOBODY, np.int64)
    rival = tuple(int(centres.labels[f, 1]) if zone[f] >= 0 else NOBODY for f in range(frames))
    return Picks("centres", nobody, nobody.copy(), d_ap, d_an, zone, rival=rival)


def _several(
    run: Run, anchor: int, strategy: str, positive: int, answer: dict[str, Any]
) -> tuple[tuple[Several, ...], str]:
    """(what it takes at every frame, why it cannot be asked)."""
    from tripletscope.analysis.counterfactual import all_of_anchor

    try:
        taken = all_of_anchor(run, anchor, strategy)
    except TripletscopeError as error:
        return (), str(error)
    slot_of = {sample: slot for slot, sample in enumerate(answer["candidates"])}
    told = []
    for pairs, d in zip(taken, answer["distances"], strict=True):
        mates, counts = np.unique(pairs[:, 0], return_counts=True)
        whose = positive if positive in mates or not len(mates) else int(mates[counts.argmax()])
        who = pairs[pairs[:, 0] == whose, 1]
        far = d[[slot_of[int(sample)] for sample in who]]
        order = np.lexsort((who, far))
        zones = zone_codes_numpy(far - d[slot_of[whose]], run.margin).astype(np.int64)
        told.append(Several(whose, who[order], zones[order]))
    return tuple(told), ""
