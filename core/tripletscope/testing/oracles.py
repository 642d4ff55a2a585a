"""Every definition once more, in plain loops over float32 numbers: slow, obvious, and the judge of the fast versions.

`ORACLES` has one entry per strategy, `(batch, margin, **params) -> set of triplets`. For a strategy that draws, the
set holds every triplet with a chance above 0, and `CHANCES` says how large each is. A strategy without an entry fails
`test_every_strategy_has_an_oracle`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tripletscope.batch import Batch

Triplet = tuple[int, int, int]
INFINITY = float("inf")


class Slots:
    """A batch as rows of NumPy scalars, so that `d[a][n] - d[a][p]` rounds as the batch's dtype does."""

    def __init__(self, batch: Batch) -> None:
        self.d = batch.distances.cpu().numpy()
        self.y = batch.labels.tolist()
        self.size = len(self.y)
        self.dim = batch.dim
        self.distance = batch.distance
        self.number = self.d.dtype.type

    def positives(self, a: int) -> list[int]:
        return [p for p in range(self.size) if p != a and self.y[p] == self.y[a]]

    def negatives(self, a: int) -> list[int]:
        return [n for n in range(self.size) if self.y[n] != self.y[a]]

    def pairs(self) -> Iterator[tuple[int, int]]:
        for a in range(self.size):
            for p in self.positives(a):
                yield a, p

    def gap(self, a: int, p: int, n: int) -> Any:
        return self.d[a, n] - self.d[a, p]

    def zone(self, a: int, p: int, n: int, margin: float) -> str:
        gap = self.gap(a, p, n)
        if gap <= 0:
            return "hard"
        return "semi-hard" if gap < self.number(margin) else "easy"

    def nearest(self, a: int, among: list[int]) -> int:
        """The lowest slot among the nearest."""
        best = among[0]
        for slot in among:
            if self.d[a, slot] < self.d[a, best]:
                best = slot
        return best

    def farthest(self, a: int, among: list[int]) -> int:
        """The lowest slot among the farthest."""
        best = among[0]
        for slot in among:
            if self.d[a, slot] > self.d[a, best]:
                best = slot
        return best


def batch_all(batch: Batch, margin: float) -> set[Triplet]:
    slots = Slots(batch)
    return {(a, p, n) for a, p in slots.pairs() for n in slots.negatives(a)}


def hardest(batch: Batch, margin: float) -> set[Triplet]:
    slots = Slots(batch)
    return {(a, p, slots.nearest(a, slots.negatives(a))) for a, p in slots.pairs() if slots.negatives(a)}


def batch_hard(batch: Batch, margin: float) -> set[Triplet]:
    slots = Slots(batch)
    return {
        (a, slots.farthest(a, slots.positives(a)), slots.nearest(a, slots.negatives(a)))
        for a in range(slots.size)
        if slots.positives(a) and slots.negatives(a)
    }


def easy_positive(batch: Batch, margin: float) -> set[Triplet]:
    slots = Slots(batch)
    return {
        (a, slots.nearest(a, slots.positives(a)), slots.nearest(a, slots.negatives(a)))
        for a in range(slots.size)
        if slots.positives(a) and slots.negatives(a)
    }


def semi_hard(batch: Batch, margin: float) -> set[Triplet]:
    slots, picks = Slots(batch), set()
    for a, p in slots.pairs():
        inside = [n for n in slots.negatives(a) if slots.zone(a, p, n, margin) == "semi-hard"]
        if inside:
            picks.add((a, p, slots.nearest(a, inside)))
    return picks


def random_chances(batch: Batch, margin: float) -> dict[Triplet, float]:
    slots = Slots(batch)
    return {(a, p, n): 1 / len(slots.negatives(a)) for a, p in slots.pairs() for n in slots.negatives(a)}


def semi_hard_random_chances(batch: Batch, margin: float) -> dict[Triplet, float]:
    slots = Slots(batch)
    chances: dict[Triplet, float] = {}
    for a, p in slots.pairs():
        inside = [n for n in slots.negatives(a) if slots.zone(a, p, n, margin) == "semi-hard"]
        chances |= {(a, p, n): 1 / len(inside) for n in inside}
    return chances


def log_density(d: float, dim: int) -> float:
    """Log q(d), up to a constant: Wu et al. 2017, §4."""
    inner = 1 - d * d / 4
    if d <= 0 or inner <= 0:
        # q is 0 there, but for dimensions in which its exponent is 0 or below.
        exponent = dim - 2 if d <= 0 else (dim - 3) / 2
        return -INFINITY if exponent > 0 else (0.0 if exponent == 0 else INFINITY)
    return (dim - 2) * math.log(d) + (dim - 3) / 2 * math.log(inner)


def distance_weighted_chances(
    batch: Batch, margin: float, cutoff: float = 0.5, nonzero_loss_cutoff: float = 1.4
) -> dict[Triplet, float]:
    slots = Slots(batch)
    chances: dict[Triplet, float] = {}
    for a, p in slots.pairs():
        logs = {}
        for n in slots.negatives(a):
            given = float(slots.d[a, n])
            d = {
                "euclidean": given,
                "squared-euclidean": math.sqrt(given),
                "cosine": math.sqrt(2 * given),
            }[slots.distance]
            if d < nonzero_loss_cutoff:
                logs[n] = min(-log_density(cutoff, slots.dim or 0), -log_density(d, slots.dim or 0))
        if logs:
            top = max(logs.values())
            total = sum(math.exp(log - top) for log in logs.values())
            chances |= {(a, p, n): math.exp(log - top) / total for n, log in logs.items()}
    return chances


def easy(batch: Batch, margin: float) -> set[Triplet]:
    slots = Slots(batch)
    return {(a, p, slots.farthest(a, slots.negatives(a))) for a, p in slots.pairs() if slots.negatives(a)}


def easy_positive_semi_hard(batch: Batch, margin: float) -> set[Triplet]:
    slots, picks = Slots(batch), set()
    for a in range(slots.size):
        if slots.positives(a):
            p = slots.nearest(a, slots.positives(a))
            beyond = [n for n in slots.negatives(a) if slots.d[a, n] > slots.d[a, p]]
            if beyond:
                picks.add((a, p, slots.nearest(a, beyond)))
    return picks


def ranked(slots: Slots, a: int) -> list[int]:
    """The negatives from near to far, equals in slot order."""
    return sorted(slots.negatives(a), key=lambda n: (slots.d[a, n], n))


def top_n_chances(batch: Batch, margin: float, skip: float = 0, n: float = 5) -> dict[Triplet, float]:
    slots = Slots(batch)
    chances: dict[Triplet, float] = {}
    for a, p in slots.pairs():
        window = ranked(slots, a)[int(skip) : int(skip + n)]
        chances |= {(a, p, slot): 1 / len(window) for slot in window}
    return chances


def curriculum(batch: Batch, margin: float, hardness: float = 50.0) -> set[Triplet]:
    slots, picks = Slots(batch), set()
    for a, p in slots.pairs():
        from_afar = ranked(slots, a)[::-1]
        if from_afar:
            picks.add((a, p, from_afar[math.floor((len(from_afar) - 1) * hardness / 100 + 0.5)]))
    return picks


def online_margin(batch: Batch, margin: float) -> set[Triplet]:
    slots, picks = Slots(batch), set()
    for a, p in slots.pairs():
        if slots.negatives(a):
            off = {n: abs(slots.gap(a, p, n) - slots.number(margin)) for n in slots.negatives(a)}
            picks.add((a, p, min(off, key=lambda n: (off[n], n))))
    return picks


def anchor_swap(batch: Batch, margin: float) -> set[Triplet]:
    slots, picks = Slots(batch), set()
    for a, p in slots.pairs():
        if a < p and slots.negatives(a):
            one, other = slots.nearest(a, slots.negatives(a)), slots.nearest(p, slots.negatives(p))
            picks.add((a, p, one) if slots.d[a, one] <= slots.d[p, other] else (p, a, other))
    return picks


def batch_sample_chances(batch: Batch, margin: float, temperature: float = 1.0) -> dict[Triplet, float]:
    """Of the negative, once a positive is drawn; `batch_sample_positives` says how likely that one is."""
    slots = Slots(batch)
    chances: dict[Triplet, float] = {}
    for a, p in slots.pairs():
        weights = {n: math.exp(-float(slots.d[a, n]) / temperature) for n in slots.negatives(a)}
        chances |= {(a, p, n): weight / sum(weights.values()) for n, weight in weights.items()}
    return chances


def batch_sample_positives(batch: Batch, temperature: float = 1.0) -> dict[tuple[int, int], float]:
    slots = Slots(batch)
    chances: dict[tuple[int, int], float] = {}
    for a in range(slots.size):
        weights = {p: math.exp(float(slots.d[a, p]) / temperature) for p in slots.positives(a)}
        chances |= {(a, p): weight / sum(weights.values()) for p, weight in weights.items()}
    return chances


def multi_similarity(batch: Batch, margin: float, epsilon: float = 0.1) -> set[Triplet]:
    slots, picks = Slots(batch), set()
    for a, p in slots.pairs():
        for n in slots.negatives(a):
            nearest, farthest = slots.nearest(a, slots.negatives(a)), slots.farthest(a, slots.positives(a))
            if slots.gap(a, p, nearest) < slots.number(epsilon) and slots.gap(a, farthest, n) < slots.number(epsilon):
                picks.add((a, p, n))
    return picks


def hard_aware(batch: Batch, margin: float, share: float = 0.5) -> set[Triplet]:
    slots = Slots(batch)
    far = sorted((slots.d[a, p] for a, p in slots.pairs()), reverse=True)
    near = sorted(slots.d[a, n] for a in range(slots.size) for n in slots.negatives(a))
    if not far or not near:
        return set()
    far_bar, near_bar = far[math.ceil(share * len(far)) - 1], near[math.ceil(share * len(near)) - 1]
    return {
        (a, p, n)
        for a, p in slots.pairs()
        for n in slots.negatives(a)
        if slots.d[a, p] >= far_bar and slots.d[a, n] <= near_bar
    }


def angular(batch: Batch, margin: float, angle: float = 40.0) -> set[Triplet]:
    slots = Slots(batch)
    number = slots.number
    plain = {"euclidean": slots.d, "squared-euclidean": np.sqrt(slots.d), "cosine": np.sqrt(2 * slots.d)}
    square = np.square(plain[slots.distance])
    steep = number(4 * math.tan(math.radians(angle)) ** 2)
    picks = set()
    for a, p in slots.pairs():
        for n in slots.negatives(a):
            to_middle = max(number(0), (square[a, n] + square[p, n]) * number(0.5) - square[a, p] / number(4))
            if square[a, p] > steep * to_middle:
                picks.add((a, p, n))
    return picks


def n_pair(batch: Batch, margin: float) -> set[Triplet]:
    slots = Slots(batch)
    chosen = {}
    for label in set(slots.y):
        members = [slot for slot in range(slots.size) if slots.y[slot] == label]
        if len(members) >= 2:
            chosen[label] = members[:2]
    return {(a, p, other) for label, (a, p) in chosen.items() for rival, (_, other) in chosen.items() if rival != label}


def lifted_weights(batch: Batch) -> dict[Triplet, float]:
    slots = Slots(batch)
    weights: dict[Triplet, float] = {}
    for a, p in slots.pairs():
        both = sum(math.exp(-float(slots.d[end, n])) for end in (a, p) for n in slots.negatives(end))
        weights |= {(a, p, n): math.exp(-float(slots.d[a, n])) / both for n in slots.negatives(a)}
    return weights


def lifted(batch: Batch, margin: float) -> set[Triplet]:
    return set(lifted_weights(batch))


def ohem(batch: Batch, margin: float, k: float = 128) -> set[Triplet]:
    slots = Slots(batch)
    everything = [(slots.gap(a, p, n), a, p, n) for a, p in slots.pairs() for n in slots.negatives(a)]
    return {(a, p, n) for _, a, p, n in sorted(everything)[: int(k)]}


def msml_picks(batch: Batch) -> set[tuple[int, int, int, int]]:
    """(anchor, positive, negative, second negative): one at most."""
    slots = Slots(batch)
    alike = [(x, y) for x in range(slots.size) for y in range(x + 1, slots.size) if slots.y[x] == slots.y[y]]
    unlike = [(x, y) for x in range(slots.size) for y in range(x + 1, slots.size) if slots.y[x] != slots.y[y]]
    if not alike or not unlike:
        return set()
    far = min(alike, key=lambda pair: (-slots.d[pair], pair))
    near = min(unlike, key=lambda pair: (slots.d[pair], pair))
    named = [
        (slots.d[a, n], a, n, p, other)
        for a, p in (far, far[::-1])
        for n, other in (near, near[::-1])
        if slots.y[n] != slots.y[a]
    ]
    _, a, n, p, other = min(named)
    return {(a, p, n, other)}


def quadruplet_picks(batch: Batch) -> set[tuple[int, int, int, int]]:
    """(anchor, positive, negative, second negative)."""
    slots, picks = Slots(batch), set()
    for a, p in slots.pairs():
        if slots.negatives(a):
            n = slots.nearest(a, slots.negatives(a))
            third = [slot for slot in slots.negatives(a) if slots.y[slot] != slots.y[n]]
            if third:
                picks.add((a, p, n, slots.nearest(n, third)))
    return picks


def triplet_center(batch: Batch, margin: float) -> set[Triplet]:
    slots, picks = Slots(batch), set()

    def total(x: int, without: int = -1) -> float:
        found = 0.0
        for mate in slots.positives(x):
            if mate != without:
                d = float(slots.d[x, mate])
                found += d * d if slots.distance == "euclidean" else d
        return found

    def central(among: list[int], without: int = -1) -> int:
        return min(among, key=lambda x: (total(x, without), x))

    for a in range(slots.size):
        if slots.positives(a) and slots.negatives(a):
            rivals = {slots.y[n] for n in slots.negatives(a)}
            middles = sorted(central([x for x in range(slots.size) if slots.y[x] == label]) for label in rivals)
            picks.add((a, central(slots.positives(a), a), slots.nearest(a, middles)))
    return picks


CHANCES: dict[str, Callable[..., dict[Triplet, float]]] = {
    "random": random_chances,
    "semi-hard-random": semi_hard_random_chances,
    "distance-weighted": distance_weighted_chances,
    "top-n": top_n_chances,
    "batch-sample": batch_sample_chances,
}
ORACLES: dict[str, Callable[..., set[Triplet]]] = {
    "batch-all": batch_all,
    "hardest": hardest,
    "batch-hard": batch_hard,
    "semi-hard": semi_hard,
    "easy-positive": easy_positive,
    "easy": easy,
    "easy-positive-semi-hard": easy_positive_semi_hard,
    "curriculum": curriculum,
    "online-margin": online_margin,
    "anchor-swap": anchor_swap,
    "multi-similarity": multi_similarity,
    "hard-aware": hard_aware,
    "angular": angular,
    "n-pair": n_pair,
    "lifted": lifted,
    "ohem": ohem,
    "sct": easy_positive,
    "triplet-center": triplet_center,
    "msml": lambda batch, margin: {pick[:3] for pick in msml_picks(batch)},
    "quadruplet": lambda batch, margin: {pick[:3] for pick in quadruplet_picks(batch)},
    **{name: (lambda *args, _of=of, **settings: set(_of(*args, **settings))) for name, of in CHANCES.items()},
}


def count_zones(batch: Batch, margin: float) -> dict[str, int]:
    slots = Slots(batch)
    counts = {"hard": 0, "semi-hard": 0, "easy": 0}
    for a, p in slots.pairs():
        for n in slots.negatives(a):
            counts[slots.zone(a, p, n, margin)] += 1
    return counts


def plane(batch: Batch, exponent: int) -> np.ndarray:
    slots, counts = Slots(batch), np.zeros((64, 64), np.int64)
    for a, p in slots.pairs():
        for n in slots.negatives(a):
            row, column = (math.floor(math.ldexp(float(slots.d[a, slot]), -exponent)) for slot in (p, n))
            counts[row, column] += 1
    return counts


def plane_exponent(batch: Batch) -> int | None:
    """The smallest power of two of which 64 hold every distance of an eligible triplet; None without any."""
    slots = Slots(batch)
    seen = [float(slots.d[a, slot]) for a, p in slots.pairs() for n in slots.negatives(a) for slot in (p, n)]
    if not seen:
        return None
    exponent = 100
    while max(seen) < 64 * math.ldexp(1.0, exponent - 1) and exponent > -52:
        exponent -= 1
    return exponent


def pairwise(points: np.ndarray, distance: str) -> np.ndarray:
    """In double precision, one pair at a time."""
    points = points.astype(np.float64)
    if distance == "cosine":
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    size = len(points)
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            squared = float(((points[i] - points[j]) ** 2).sum())
            result[i, j] = {"euclidean": math.sqrt(squared), "squared-euclidean": squared, "cosine": squared / 2}[
                distance
            ]
    return result


# ---- compositions ------------------------------------------------------------------------------------------


def composed_chances(batch: Batch, margin: float, choices: dict[str, str]) -> dict[Triplet, float]:
    """The chance of every triplet, by axis -> value; the triplets of a composition that does not draw have 1."""
    slots = Slots(batch)
    chances: dict[Triplet, float] = {}

    def of(rule: str, a: int, among: list[int]) -> dict[int, float]:
        if not among:
            return {}
        if rule in ("random", "all"):
            return {slot: 1 / len(among) if rule == "random" else 1.0 for slot in among}
        return {(slots.nearest if rule == "nearest" else slots.farthest)(a, among): 1.0}

    def fits(a: int, p: int, n: int) -> bool:
        gap, wide = slots.gap(a, p, n), slots.number(margin)
        begins = {"none": True, "positive": gap > 0, "margin": gap >= wide}[choices.get("lower", "none")]
        ends = {"none": True, "positive": gap <= 0, "margin": gap < wide}[choices.get("upper", "none")]
        return bool(begins and ends)

    for a in range(slots.size):
        positives = slots.positives(a)
        taken = dict.fromkeys(positives, 1.0) if "pair" in choices else of(choices["anchor"], a, positives)
        for p, likely in taken.items():
            inside = [n for n in slots.negatives(a) if fits(a, p, n)]
            found = of(choices["negative"], a, inside)
            if not found and choices.get("fallback", "none") != "none":
                found = of(choices["fallback"], a, slots.negatives(a))
            chances |= {(a, p, n): likely * chance for n, chance in found.items()}
    return chances
