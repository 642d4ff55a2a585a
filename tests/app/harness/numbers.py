"""Zones, losses and equations of the fake runs, computed with numpy: what the page must say."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.app.harness import fake


def picture(truth: dict[str, Any], digest: str, step: int) -> tuple[dict[str, Any], int, np.ndarray]:
    """The answer of a run, the frame of a step, and the distances (B,) from the anchor to the candidates there."""
    told = truth["answers"][digest]
    frame = truth["frames"].index(step)
    return told, frame, fake.distances_from(truth["positions"][digest], told["anchor"], told["candidates"])[frame]


def expected(truth: dict[str, Any], digest: str, step: int, strategy: str, positive: int) -> dict[str, Any] | None:
    """d_ap, d_an, gap, zone and loss of a strategy's pick; None where it abstains."""
    told, frame, d = picture(truth, digest, step)
    pick = int(told["picks"][strategy][frame, told["positives"].index(positive)])
    if pick < 0:
        return None
    if strategy in told["own_positive"]:
        positive = told["positives"][int(told["own_positive"][strategy][frame])]
    negative = told["negatives"][pick]
    return triplet(told, d, positive, negative)


def triplet(told: dict[str, Any], d: np.ndarray, positive: int, negative: int) -> dict[str, Any]:
    """d_ap, d_an, gap, zone and loss of one triplet."""
    d_ap, d_an = d[told["candidates"].index(positive)], d[told["candidates"].index(negative)]
    gap = np.float32(d_an - d_ap)
    zone = "hard" if gap <= 0 else "easy" if gap >= np.float32(fake.MARGIN) else "semi-hard"
    loss = max(0.0, fake.MARGIN - float(gap))
    return {
        "negative": negative,
        "d_ap": float(d_ap),
        "d_an": float(d_an),
        "gap": float(gap),
        "zone": zone,
        "loss": loss,
    }


def decimals(*values: float) -> int:
    """Decimals that keep three significant figures of the largest value."""
    largest = max(abs(v) for v in values)
    return 2 if largest == 0 else min(6, max(1, 2 - int(np.floor(np.log10(largest)))))


def equation(m: dict[str, Any]) -> str:
    """The sentence's second line for a triplet."""
    digits = decimals(m["d_ap"], m["d_an"])

    def n(value: float) -> str:
        text = f"{value:.{digits}f}"
        return (text.replace("-", "") if float(text) == 0 else text).replace("-", "\u2212")

    end = f" = loss {n(m['loss'])}" if m["loss"] > 0 else " is below 0: loss 0"
    return f"d(a,p) {n(m['d_ap'])} \u2212 d(a,n) {n(m['d_an'])} + margin {n(fake.MARGIN)}{end}, gap {n(m['gap'])}"
