"""Which lanes a page shows, and in which order: what trains, what somebody composed, then groups of what is picked.

Nothing here is a list of strategies: a new one comes with a card of its own, and finds its place by it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tripletscope.composition import canonical, is_composition, parse
from tripletscope.errors import SettingError
from tripletscope_app.theme import mark

#: Name under which a loop's own miner is recorded. Nobody can ask it again, so it has no lane.
OWN = "own"
#: Lanes that the ruler opens with beside those of the race: so many of the registry's order, those of a first lesson.
FIRST = 8
#: What strategies pick, as a class would sort them, in the order of the lanes.
GROUPS = {
    "trained": "They train this race",
    "composed": "Composed here",
    "pair": "One negative for every pair",
    "anchor": "One pair for every anchor",
    "batch": "One triplet of the whole batch",
    "lot": "Drawn by lot",
    "several": "Several negatives at once",
}
#: Lanes that a link may name, compositions, and tried parameters.
MOST_LANES, MOST_COMPOSED, MOST_TUNED = 64, 4, 16
#: (strategy, parameter, value) of each parameter that somebody tried another value for.
Tuned = tuple[tuple[str, str, float], ...]


def lanes(cards: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A lane for each strategy that is known, in display order; `loss`: title of one that is not the triplet loss."""
    kept = ("name", "title", "summary", "order", "stochastic", "granularity", "choice")
    ordered = sorted((card for card in cards if card["name"] != OWN), key=lambda card: (card["order"], card["name"]))
    return [
        {**{name: card[name] for name in kept if name in card}, **_loss_of(card), "mark": mark(card["order"])}
        for card in ordered
    ]


def _loss_of(card: Mapping[str, Any]) -> dict[str, str]:
    """A loss is told of where it is not the triplet loss; one that came with its strategy has the same title."""
    loss = str(card.get("loss") or "triplet")
    return {} if loss == "triplet" else {"loss": str(card["title"]) if loss == card["name"] else loss}


def group_of(card: Mapping[str, Any]) -> str:
    """Under which of `GROUPS` a strategy stands that neither trains nor was composed here.

    Example:
        >>> group_of({"granularity": "anchor", "stochastic": True}), group_of({"granularity": "anchor"})
        ('lot', 'anchor')
    """
    granularity = str(card.get("granularity"))
    if granularity not in ("pair", "anchor", "batch"):
        return "several"
    return "lot" if card.get("stochastic") else granularity


def company(
    cards: Iterable[Mapping[str, Any]],
    *,
    trained: Sequence[str] = (),
    recorded: Iterable[str] = (),
    composed: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The lanes of a race in the order in which they are shown, each with its group; `later`: not before one asks.

    Those that train lead, then what was composed here, then the others by what they pick. The first of the registry
    are shown at once, and so is what somebody brought along: it was recorded in a run, or another package has it.

    Args:
        cards: of all strategies that are known.
        trained: names of those that train the runs of the race, in its order.
        recorded: names of those whose picks a run recorded.
        composed: names of compositions that somebody made on the page.
    """
    mine = [name for name in composed if name not in trained]
    known: dict[str, Mapping[str, Any]] = {str(card["name"]): card for card in cards}
    known |= {name: parse(name).card for name in [*known, *mine] if is_composition(name)}
    registered = sorted((card for card in known.values() if "composed" not in card), key=lambda card: card["order"])
    first = {card["name"] for card in registered[:FIRST]} | set(recorded)
    order = list(GROUPS)

    def placed(lane: dict[str, Any]) -> tuple[tuple[int, int], dict[str, Any]]:
        name, card = lane["name"], known[lane["name"]]
        if name in trained:
            return (0, trained.index(name)), {**lane, "group": "trained"}
        if name in mine:
            return (1, mine.index(name)), {**lane, "group": "composed", "composed": card["composed"]}
        group = group_of(card)
        told = {**lane, "group": group}
        if name not in first and not card.get("outside"):
            told["later"] = True
        return (order.index(group), lane["order"]), told

    found = []
    for _, lane in sorted(map(placed, lanes(known.values())), key=lambda pair: pair[0]):
        card = known[lane["name"]]
        tunable = {"params": card["params"]} if card.get("params") and card.get("granularity") != "many" else {}
        found.append({**lane, **tunable, "place": len(found)})
    return found


def compositions(names: Iterable[Any]) -> tuple[str, ...]:
    """Those of the names that are compositions and make sense, as files hold them, at most `MOST_COMPOSED`.

    Example:
        >>> compositions(["pair:all, negative:nearest", "random", 7, "pair-all-negative-odd"])
        ('pair-all-negative-nearest',)
    """
    found: dict[str, None] = {}
    for name in names:
        if isinstance(name, str) and len(name) < 200 and is_composition(name):
            with contextlib.suppress(SettingError):
                found[canonical(name)] = None
    return tuple(found)[:MOST_COMPOSED]


def tuned(given: Iterable[Any]) -> Tuned:
    """What makes sense of (strategy, parameter, value): names and numbers. The engine knows what is legal.

    Example:
        >>> tuned([("top-n", "n", "5"), ("top-n", "n", 3), ("curriculum", "hardness", "nan"), "no"])
        (('top-n', 'n', 3.0),)
    """
    found: dict[tuple[str, str], float] = {}
    for each in given:
        if isinstance(each, str) or not isinstance(each, Sequence) or len(each) != 3:
            continue
        strategy, parameter, value = each
        number = _number(value)
        if number is not None and _is(strategy, r"[a-z0-9][a-z0-9-]{0,95}") and _is(parameter, r"[a-z][a-z0-9_]{0,31}"):
            found[strategy, parameter] = number
    return tuple((*names, number) for names, number in found.items())[:MOST_TUNED]


def _is(name: Any, pattern: str) -> bool:
    return isinstance(name, str) and re.fullmatch(pattern, name) is not None


def _number(value: Any) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9.eE+-]{1,32}", value):
        with contextlib.suppress(ValueError):
            value = float(value)
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if real and abs(value) < 1e300 else None  # nothing is smaller than NaN, nor is it
