"""The film strip end to end: cells on the page against a recorded run and the strategies' own code.

The page gets what the app sends it; the other side opens the run, takes a frame, and asks a strategy by name. The
module that makes the app's answers has no part in the comparison.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.app import tiny
from tests.app.harness import fake
from tests.app.harness.page import settle, wait_for

from tripletscope import Run, strategies
from tripletscope.analysis.answer import pack_answer
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.distances import pairwise
from tripletscope.errors import TripletscopeError
from tripletscope.seeding import generator
from tripletscope_app.component.pack import pack_run
from tripletscope_app.lanes import lanes
from tripletscope_app.selection import buttons

pytestmark = pytest.mark.browser
MARGIN = 0.5  # of the tiny runs
STRIP = "harness.root().querySelector('.ts-strip')"


def publish(folder: Path, run: Run, anchor: int) -> str:
    """The harness page with that run and the app's answer for one anchor; returns the run's digest."""
    folder.mkdir()
    digest, blob = pack_run(run)
    (folder / "run.bin").write_bytes(blob)
    view = {
        "version": 1,
        "title": "A tiny run",
        "subtitle": "",
        "runs": buttons([run], [digest]),
        "strategies": lanes([record.describe() for record in strategies.all()]),
        "selection": {"run": digest, "step": 3, "anchor": anchor, "rev": 1},
        "answers": {digest: pack_answer(anchor_answer(run, anchor))},
        "asking": False,
        "message": None,
        "zoom": None,
    }
    (folder / "view.json").write_text(json.dumps(view))
    (folder / "blobs.json").write_text(json.dumps(["run.bin"]))
    (folder / "asides.json").write_text("[]")
    fake.write_page(folder)
    return digest


class Asked:
    """What strategies pick for one anchor of a run, straight from a frame."""

    def __init__(self, run: Run, anchor: int) -> None:
        self.run, self.anchor = run, anchor
        self.candidates = np.asarray(probe_batch(run, anchor))
        self.labels = torch.from_numpy(probe_labels(run)[self.candidates])

    def distances(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        points = torch.from_numpy(np.array(self.run.frames[step][self.candidates], dtype=np.float32))
        return pairwise(points, self.run.distance), points

    def pick(self, name: str, step: int, positive: int) -> list[tuple[int, int]]:
        """(positive, negative) as probe indices of the triplets for that positive; all of them for batch-all."""
        d, points = self.distances(step)
        record = strategies.get(name)
        triplets = record(
            d,
            self.labels,
            margin=MARGIN,
            generator=generator(0, "counterfactual", name, step, self.anchor),
            distance=self.run.distance,
            dim=points.shape[1],
            embeddings=points,
        )
        slots = torch.stack([triplets.anchor, triplets.positive, triplets.negative], 1).numpy()
        slots = slots[slots[:, 0] == 0]
        if record.granularity != "anchor":
            slots = slots[self.candidates[slots[:, 1]] == positive]
        return [(int(p), int(n)) for p, n in self.candidates[slots[:, 1:]]]

    def triplet(self, step: int, positive: int, negative: int) -> tuple[float, str]:
        """Gap in float32, and its zone."""
        place = {int(sample): slot for slot, sample in enumerate(self.candidates)}
        row = self.distances(step)[0][0].numpy()
        gap = row[place[negative]] - row[place[positive]]
        return float(gap), "hard" if gap <= 0 else "easy" if gap >= np.float32(MARGIN) else "semi-hard"


@pytest.mark.parametrize(("dim", "unit"), [(2, False), (6, True)])
def test_two_hundred_cells_are_what_the_strategies_say(
    open_page: Callable[..., Any], site: tuple[Path, str], tmp_path: Path, dim: int, unit: bool
) -> None:
    run = Run.open(tiny.record(tmp_path / "run", dim=dim, unit=unit))
    anchor = 8
    digest = publish(site[0] / f"engine-{dim}", run, anchor)
    page = open_page(f"engine-{dim}")
    asked = Asked(run, anchor)
    mates = [int(i) for i in asked.candidates[1:][(asked.labels == asked.labels[0])[1:].numpy()]]
    names = [record.name for record in strategies.all()]
    rng = np.random.default_rng(dim)
    seen: set[str] = set()
    checked = 0
    for positive in mates:
        page.evaluate(
            "p => { const now = harness.root().tripletscope.state().selection;"
            " harness.push({selection: {...now, positive: p, rev: now.rev + 1}}); }",
            positive,
        )
        wait_for(page, f"e.dataset.positive === '{positive}'")
        settle(page)
        shown = {row["name"]: row["cells"] for row in page.evaluate(f"{STRIP}.tripletscopeCells()")}
        assert list(shown) == names
        for _ in range(-(-200 // len(mates))):
            name, frame = names[rng.integers(len(names))], int(rng.integers(len(run.frame_steps)))
            step, cell = run.frame_steps[frame], shown[name][frame]
            checked += 1
            seen.add(cell["kind"])
            try:
                picked = asked.pick(name, step, positive)
            except TripletscopeError:
                assert cell["kind"] == "missing", f"{name} cannot work in this space"
                continue
            where = f"{name}, step {step}, positive {positive}"
            if strategies.get(name).granularity in ("many", "batch"):
                assert cell["kind"] == "missing", where
            elif strategies.get(name).granularity == "all":
                zones = [asked.triplet(step, p, n)[1] for p, n in picked]
                assert cell["counts"] == {z: zones.count(z) for z in ("hard", "semi-hard", "easy")}, where
            elif not picked:
                assert cell["kind"] == "abstains", where
            else:
                assert (cell["positive"], cell["negative"]) == picked[-1], where
                gap, zone = asked.triplet(step, *picked[-1])
                assert cell["gap"] == pytest.approx(gap, abs=1e-6), where
                assert cell["zone"] == zone, where
    assert checked >= 200
    assert {"pick", "all"} <= seen
    assert digest
