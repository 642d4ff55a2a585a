"""Which negatives over time, held to plain loops over the recorded picks and over the picks of the strategies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from tests.app import tiny

from tripletscope import Recorder, strategies
from tripletscope.analysis import rivals as module
from tripletscope.analysis.cohort import cohort, distances_within
from tripletscope.analysis.probe import probe_labels
from tripletscope.analysis.rivals import constancy, how_long, intervals, rivals
from tripletscope.batch import Batch
from tripletscope.datasets import sample_data_dir
from tripletscope.store.reader import Run
from tripletscope.strategies.base import STRATEGIES, strategy
from tripletscope.triplets import Triplets


def as_dict(found: tuple[np.ndarray, np.ndarray]) -> dict[int, int]:
    return dict(zip(found[0].tolist(), found[1].tolist(), strict=True))


def by_loops(run: Run) -> tuple[list[Counter], list[Counter]]:
    """Every recorded pick looked at by itself: (pairs of classes, negatives), by strategy and frame."""
    frames, classes = run.frame_steps, len(run.samples.class_names)
    who = [Counter() for _ in range(len(run.strategies) * len(frames))]
    hubs = [Counter() for _ in who]
    picks = run.pick_rows()
    for step, s, anchor, negative in zip(
        *(picks[name].tolist() for name in ("step", "strategy", "anchor", "negative")), strict=True
    ):
        before = [f for f, at in enumerate(frames) if at <= step]
        if before:
            at = s * len(frames) + before[-1]
            labels = run.samples.labels
            who[at][int(labels[anchor]) * classes + int(labels[negative])] += 1
            hubs[at][negative] += 1
    return who, hubs


def shadowed(folder: Path, *, steps: int = 9, frames: tuple[int, ...] = (0, 2, 3, 7), own: bool = True) -> Path:
    """A run of somebody's loop: more samples than the probe set, shadows with and without rows, few frames."""
    who = tiny.samples()
    rng = np.random.default_rng(5)
    ids = [who.id_of(row) for row in range(len(who))]
    names = ["batch-all", "semi-hard", "random"]
    probe = np.arange(0, len(who), 2)[::-1]  # half of them, backwards: rows are not probe indices
    with Recorder(folder, margin=0.5, strategies=names, samples=who) as recorder:
        for step in range(steps):
            rows = rng.permutation(len(who))[:12]
            points = rng.normal(size=(12, 3)).astype(np.float32)
            labels = who.labels[rows]
            given = None
            if own:
                batch = Batch.from_embeddings(torch.from_numpy(points), torch.from_numpy(labels))
                given = strategies.get("hardest").pick(batch, margin=0.5)
            told = [ids[row] for row in rows]
            if step in frames:
                at = rng.normal(size=(len(probe), 3)).astype(np.float32)
                recorder.step(points, labels, told, triplets=given, probe=lambda at=at: (at, [ids[r] for r in probe]))
            else:
                recorder.step(points, labels, told, triplets=given)
    return folder


def check(run: Run) -> None:
    told, (who, hubs) = rivals(run), by_loops(run)
    assert len(told.who) == len(told.hubs) == len(run.strategies) * len(run.frame_steps)
    silent = {s for s, name in enumerate(run.strategies) if name == "batch-all"}
    for at in range(len(who)):
        if at // len(run.frame_steps) not in silent:
            assert as_dict(told.who[at]) == who[at]
            assert as_dict(told.hubs[at]) == hubs[at]
            assert told.hubs[at][1].tolist() == sorted(told.hubs[at][1].tolist(), reverse=True)
    assert told.hubs_exact


def test_recorded_picks_are_counted_by_interval(tmp_path: Path) -> None:
    for name in ("semi-hard", "random", "batch-hard"):
        check(Run.open(tiny.record(tmp_path / name, name)))


def test_a_strangers_run_with_shadows_and_a_small_probe_set(tmp_path: Path) -> None:
    run = Run.open(shadowed(tmp_path / "run"))
    assert run.strategies[0] == "own"
    assert any(len(rows) and rows.max() >= len(run.probe_rows) for rows, _ in rivals(run).hubs)
    check(run)


def test_a_run_without_triplets_of_its_own_and_one_that_was_killed(tmp_path: Path) -> None:
    run = Run.open(shadowed(tmp_path / "run", own=False))
    told = rivals(run)
    assert all(len(told.who[f][0]) == 0 for f in range(len(run.frame_steps)))  # "own" picked nothing
    check(run)
    check(Run.open(tiny.kill(shadowed(tmp_path / "killed"), 5)))


def test_picks_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(shadowed(tmp_path / "run"))
    whole = rivals(run)
    for at_once in (1, 2, 5):
        monkeypatch.setattr(module, "STEPS_AT_ONCE", at_once)
        parts = rivals(run)
        assert [as_dict(each) for each in parts.who] == [as_dict(each) for each in whole.who]


def test_batch_all_is_counted_from_its_batches(tmp_path: Path) -> None:
    """It writes no rows: the engine's own picks, at every step of an interval, must give the same counts."""
    run = Run.open(shadowed(tmp_path / "run"))
    told, s = rivals(run), run.strategies.index("batch-all")
    frames, classes = len(run.frame_steps), len(run.samples.class_names)
    for f, steps in enumerate(intervals(run)):
        who, hubs = Counter(), Counter()
        for step in steps:
            rows, labels = run.batch(step)
            batch = Batch(torch.zeros(len(rows), len(rows)), torch.from_numpy(labels))
            for a, _, n in strategies.get("batch-all").pick(batch, margin=0.5).to_set():
                who[int(labels[a]) * classes + int(labels[n])] += 1
                hubs[int(rows[n])] += 1
        assert as_dict(told.who[s * frames + f]) == who
        assert as_dict(told.hubs[s * frames + f]) == hubs


def test_the_counts_of_a_recording_are_those_of_its_scalars() -> None:
    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "random")
    told, mined = rivals(run), run.scalars["mined"].to_numpy()
    for f, steps in enumerate(intervals(run)):
        expected = mined[list(steps)].sum()
        assert told.who[f][1].sum() == told.hubs[f][1].sum() == expected


def test_too_many_negatives_leave_the_most_picked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(tiny.record(tmp_path / "run", "random"))
    whole = rivals(run)
    monkeypatch.setattr(module, "MOST_HUBS", 10)
    monkeypatch.setattr(module, "HUBS_PER_INTERVAL", 3)
    cut = rivals(run)
    assert not cut.hubs_exact
    assert [rows.tolist() for rows, _ in cut.hubs] == [rows[:3].tolist() for rows, _ in whole.hubs]
    assert [as_dict(each) for each in cut.who] == [as_dict(each) for each in whole.who]


def test_a_tally_condenses_as_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 5)
    tally, expected = module.Tally(), Counter()
    rng = np.random.default_rng(0)
    for _ in range(20):
        keys = rng.integers(0, 7, 4)
        tally.add(keys)
        expected.update(keys.tolist())
    assert as_dict(tally.most_first()) == expected


def certain(unit: bool = False) -> list[str]:
    """The strategies that draw no lots and have one negative at most for a pair."""
    known = [one for one in strategies.all() if one.single and not one.stochastic]
    return [one.name for one in known if unit or "unit" not in one.needs]


@pytest.mark.parametrize("how", [{}, {"dim": 5, "unit": True}])
def test_constancy_is_that_of_plain_loops(tmp_path: Path, how: dict) -> None:
    run = Run.open(tiny.record(tmp_path / "run", **how))
    told, members = constancy(run), cohort(run)
    labels = probe_labels(run)[members]
    assert told.strategies == certain("unit" in how)
    assert ["length 1" in reason for reason in told.left_out] == ([] if "unit" in how else [True])
    for s, name in enumerate(told.strategies):
        before: dict = {}
        since: dict = {}
        for f, step in enumerate(run.frame_steps):
            distances = distances_within(np.asarray(run.frames[step])[members], run.distance)
            batch = Batch(torch.from_numpy(distances), torch.from_numpy(labels))
            units = [(a, p) for a, p in zip(*(side.tolist() for side in batch.pairs), strict=True)]
            of_anchor = strategies.get(name).granularity == "anchor"
            if of_anchor:
                units = sorted({a for a, _ in units})
            picks = dict.fromkeys(units)  # None: nobody
            for a, p, n in strategies.get(name).pick(batch, margin=run.margin).to_set():
                picks[a if of_anchor else (a, p)] = n
            changed = [unit for unit in units if f and picks[unit] != before[unit]]
            since |= dict.fromkeys(changed if f else units, step)
            lasted = [step - since[unit] for unit in units if picks[unit] is not None]
            assert told.churn[s, f] == pytest.approx(len(changed) / len(units)) if f else np.isnan(told.churn[s, f])
            assert told.held[s, f] == (median(lasted) if lasted else pytest.approx(np.nan, nan_ok=True))
            before = picks


def test_whoever_abstains_picks_nobody() -> None:
    nobody = np.array([-1, -1])
    changed, lasted = how_long([nobody, nobody, np.array([-1, 3])], [0, 5, 9])
    assert changed[1:].tolist() == [0.0, 0.5]
    assert np.isnan(lasted[:2]).all()
    assert lasted[2] == 0


def test_one_class_has_no_rivals(tmp_path: Path) -> None:
    run = Run.open(tiny.record(tmp_path / "run"))
    changed, lasted = how_long([np.zeros(0, np.int64)] * 2, [0, 1])
    assert np.isnan(changed).all()
    assert np.isnan(lasted).all()
    assert constancy(run).churn.shape == (len(certain()), len(run.frame_steps))


def test_a_strategy_that_fails_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    run = Run.open(tiny.record(tmp_path / "run"))

    def broken(batch: Batch, **_: object) -> Triplets:
        raise ZeroDivisionError("nothing to divide by")

    def picky(batch: Batch, **_: object) -> Triplets:
        return Triplets.empty()

    about = {"title": "Other", "summary": "Somebody's.", "source": "", "order": 900, "zones": {"hard"}}
    try:
        strategy(name="broken", granularity="pair", **about)(broken)
        strategy(name="picky", granularity="pair", needs={"unit"}, **about)(picky)
        told = constancy(run)
    finally:
        for name in ("broken", "picky"):
            STRATEGIES._records.pop(name, None)
    assert told.strategies == certain()
    assert [sentence for sentence in told.left_out if "nothing to divide by" in sentence]
    assert [sentence for sentence in told.left_out if "'picky'" in sentence and "length 1" in sentence]
