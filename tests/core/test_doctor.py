"""The doctor on hand-made numbers: edges of every rule, and runs that lack something; its command line."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.core import recorded

from tripletscope import Recorder, Run
from tripletscope.cli import main
from tripletscope.datasets import sample_data_dir
from tripletscope.doctor import RULES, Finding, examination, examine
from tripletscope.doctor.spans import longest, spans

ROOT = Path(__file__).resolve().parents[2]
RACE = sample_data_dir() / "races" / "digits-2d"


def made(place: Path, lines: list[dict[str, Any]], **config: Any) -> Run:
    """A run of these lines, written by hand as any program may write it."""
    place.mkdir()
    settings = {"format": 1, "margin": 1.0, "distance": "euclidean", "training": "semi-hard", "normalized": False}
    (place / "config.json").write_text(json.dumps({**settings, **config}))
    numbered = ({"step": step, **line} for step, line in enumerate(lines))
    (place / "scalars.jsonl").write_text("".join(json.dumps(line) + "\n" for line in numbered))
    return Run.open(place)


def with_series(place: Path, config: dict[str, Any] | None = None, **series: Any) -> Run:
    """A run whose lines hold these series; a number stands for a constant."""
    count = max(len(values) for values in series.values() if not isinstance(values, int | float))
    columns = {
        name: [values] * count if isinstance(values, int | float) else list(values) for name, values in series.items()
    }
    lines = [{name: column[i] for name, column in columns.items()} for i in range(count)]
    return made(place, lines, **(config or {}))


def only(run: Run, rule: str) -> Finding:
    (found,) = [one for one in examine(run) if one.rule == rule]
    return found


def said(run: Run, rule: str) -> str:
    return examination(run).checked[rule]


# ---- stretches


def test_stretches_pass_over_odd_steps_and_join_across_short_pauses() -> None:
    def of(text: str, lasting: int) -> list[tuple[int, int | None]]:
        return spans(np.array([letter == "x" for letter in text], dtype=bool), lasting)

    assert of("", 3) == of("....", 3) == of("xx......", 3) == []
    assert of("xxxx", 3) == [(0, None)]
    assert of(".x..x..x.....", 3) == [(1, 8)]
    assert of(".x...x...x...x..", 3) == []
    assert of("xxx...xxx.......", 3) == [(0, 9)]
    assert of("xxx....xxx......", 3) == [(0, 3), (7, 10)]
    assert of("...xxx..", 3) == [(3, None)]
    assert longest([(0, 3), (10, 40), (50, None)], 2, 60) == [(10, 40), (50, None)]


# ---- loss at the margin


def stuck(rng: np.random.Generator, count: int, scatter: float) -> list[float]:
    return (1 + scatter * rng.uniform(-1, 1, count)).tolist()


def test_a_loss_that_only_passes_the_margin_is_not_stuck(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    assert said(with_series(tmp_path / "a", loss=stuck(rng, 400, 0.1), spread=0.6), "loss-at-margin") == "quiet"
    assert said(with_series(tmp_path / "b", loss=[1.0] * 19 + [0.7] * 40, spread=0.1), "loss-at-margin") == "quiet"
    assert only(with_series(tmp_path / "c", loss=[1.0] * 20 + [0.7] * 40, spread=0.1), "loss-at-margin").until == 20


def test_a_stuck_loss_is_no_fault_where_the_embedding_learns(tmp_path: Path) -> None:
    lines = [{"loss": 1.0, "spread": 6.0, "recall_at_1": 0.3 + step / 200} for step in range(100)]
    found = only(made(tmp_path / "run", lines), "loss-at-margin")
    assert found.severity == "note"
    assert "it learns, and the loss does not show it" in found.evidence
    lines = [{"loss": 1.0, "spread": 6.0, "recall_at_1": 0.3} for _ in range(100)]
    assert only(made(tmp_path / "still", lines), "loss-at-margin").severity == "warning"


def test_the_soft_margin_is_stuck_at_ln_2(tmp_path: Path) -> None:
    at = [math.log(2)] * 40
    soft = with_series(tmp_path / "soft", {"soft_margin": True}, loss=at, spread=0.1)
    assert only(soft, "loss-at-margin").title == "Loss stuck at ln 2"
    assert said(with_series(tmp_path / "hard", loss=at, spread=3.0), "loss-at-margin") == "quiet"


def test_a_loss_that_is_logged_now_and_then_counts_until_the_next(tmp_path: Path) -> None:
    loss = [1.0 if step % 10 == 0 else None for step in range(60)]
    found = only(with_series(tmp_path / "run", loss=loss), "loss-at-margin")
    assert (found.step, found.until) == (0, None)
    assert "the spread was not recorded" in found.evidence
    assert "R@1 was not recorded" in found.evidence


# ---- collapse


def test_a_small_start_that_grows_is_no_collapse(tmp_path: Path) -> None:
    grows = np.minimum(0.1 * 1.06 ** np.arange(200), 5)
    assert said(with_series(tmp_path / "run", spread=grows), "collapse") == "quiet"


def test_a_small_start_that_shrinks_is_a_collapse_from_where_it_has_halved(tmp_path: Path) -> None:
    found = only(with_series(tmp_path / "run", spread=0.2 * 0.98 ** np.arange(200)), "collapse")
    assert (found.step, found.until, found.severity) == (35, None, "problem")
    assert "from the initial weights" in found.evidence


def test_a_small_start_that_stays_is_told_only_after_a_while(tmp_path: Path) -> None:
    found = only(with_series(tmp_path / "stays", spread=[0.2] * 120), "collapse")
    assert (found.title, found.step, found.until, found.severity) == ("Small from the start", 50, None, "warning")
    assert said(with_series(tmp_path / "young", spread=[0.2] * 50), "collapse") == "quiet"
    left = only(with_series(tmp_path / "left", spread=[0.2] * 80 + [0.6] * 80), "collapse")
    assert (left.step, left.until) == (50, 80)


def test_shrinking_and_recovery_are_told_with_both_steps(tmp_path: Path) -> None:
    spread = [2.0] * 30 + [0.2] * 10 + [0.02] * 30 + [0.9] * 60
    found = only(with_series(tmp_path / "run", spread=spread), "collapse")
    assert (found.step, found.until, found.severity) == (30, 70, "warning")
    assert found.numbers["spread_lowest"] == pytest.approx(0.02)
    assert found.numbers["lowest_step"] == 40
    assert "left that range at step 70" in found.evidence


def test_one_odd_batch_is_neither_collapse_nor_recovery(tmp_path: Path) -> None:
    spread = np.full(120, 2.0)
    spread[40] = 0.1
    assert said(with_series(tmp_path / "odd", spread=spread), "collapse") == "quiet"
    spread = np.full(120, 0.1)
    spread[:10], spread[60] = 2.0, 0.3
    found = only(with_series(tmp_path / "fallen", spread=spread), "collapse")
    assert (found.step, found.until) == (10, None)


def test_a_run_that_flaps_is_told_by_its_longest_stretches(tmp_path: Path) -> None:
    spread = np.tile(np.repeat([2.0, 0.1], 30), 8)
    found = [one for one in examine(with_series(tmp_path / "run", spread=spread)) if one.rule == "collapse"]
    assert len(found) == 3


def test_in_a_long_run_a_short_dip_is_no_news(tmp_path: Path) -> None:
    spread = np.full(5000, 2.0)
    spread[100:150] = 0.1
    assert said(with_series(tmp_path / "long", spread=spread), "collapse") == "quiet"
    assert said(with_series(tmp_path / "short", spread=spread[:1000]), "collapse") == "fired at step 100"


# ---- scale


def test_a_scale_explodes_only_where_it_is_free(tmp_path: Path) -> None:
    grows = 2 * 1.05 ** np.arange(150)
    fired = only(with_series(tmp_path / "free", mean_distance=grows), "scale-explosion")
    assert fired.step == int(np.flatnonzero(grows > 100)[0])
    unit = with_series(tmp_path / "unit", {"normalized": True}, mean_distance=grows)
    assert said(unit, "scale-explosion") == "embeddings of length 1 have a fixed scale"
    cosine = with_series(tmp_path / "cosine", {"distance": "cosine"}, mean_distance=grows)
    assert said(cosine, "scale-explosion") == "cosine distance has no scale"


def test_a_wide_start_and_a_small_margin_are_no_explosion(tmp_path: Path) -> None:
    wide = with_series(tmp_path / "wide", mean_distance=np.linspace(300, 900, 100))
    assert said(wide, "scale-explosion") == "quiet"
    small = {"margin": 0.001, "normalized": None}
    sphere = with_series(tmp_path / "sphere", small, mean_distance=np.linspace(0.01, 1.4, 100))
    assert said(sphere, "scale-explosion") == "quiet"  # nobody said so, but these may have length 1
    far = with_series(tmp_path / "far", small, mean_distance=np.linspace(0.01, 9, 100))
    assert said(far, "scale-explosion").startswith("fired")


def test_the_soft_margin_has_its_own_yardstick(tmp_path: Path) -> None:
    soft = {"soft_margin": True, "margin": 0.01}
    grows = np.linspace(0.1, 30, 100)
    assert said(with_series(tmp_path / "soft", soft, mean_distance=grows), "scale-explosion") == "quiet"
    assert said(with_series(tmp_path / "hinge", {"margin": 0.01}, mean_distance=grows), "scale-explosion") != "quiet"


def test_an_explosion_that_costs_recall_is_a_problem(tmp_path: Path) -> None:
    for name, last, severity in (("lost", 0.7, "problem"), ("kept", 0.89, "warning")):
        lines = [{"mean_distance": 2 * 1.05**step, "recall_at_1": 0.9} for step in range(150)]
        lines[-1]["recall_at_1"] = last
        assert only(made(tmp_path / name, lines), "scale-explosion").severity == severity


# ---- nothing to mine


COUNTS = {"eligible": 1000, "violating": 300, "hard": 290}


def test_the_reason_for_an_empty_catch_is_told(tmp_path: Path) -> None:
    none = [90] * 40 + [0] * 80
    rest = [6] * 40 + [96] * 80
    empty = only(with_series(tmp_path / "empty", mined=none, active=none, abstained=rest, **COUNTS), "nothing-to-mine")
    assert empty.title == "The band is empty"
    assert "30.0% of all eligible triplets violate the margin, 97% of them with the negative nearer" in empty.evidence
    met = {**COUNTS, "violating": 0, "hard": 0}
    met = only(with_series(tmp_path / "met", mined=none, active=none, abstained=rest, **met), "nothing-to-mine")
    assert (met.severity, met.title) == ("note", "Nothing left to mine: the margin is met")
    assert "none of all eligible triplets" in met.evidence
    missed = with_series(tmp_path / "missed", mined=[96] * 120, active=none, abstained=0, **COUNTS)
    assert only(missed, "nothing-to-mine").title == "The picks miss what is left"
    uncounted = only(with_series(tmp_path / "uncounted", mined=none, active=none, abstained=rest), "nothing-to-mine")
    assert "was not recorded" in uncounted.evidence
    assert met.step == empty.step == uncounted.step == 59  # 20 steps back to the last pick


@pytest.mark.parametrize(("taken", "blamed"), [(260, True), (100, False)])
def test_a_filter_that_leaves_nothing_to_mine_is_named(tmp_path: Path, taken: int, blamed: bool) -> None:
    none, rest = [90] * 40 + [0] * 80, [6] * 40 + [96] * 80
    run = with_series(tmp_path / "run", mined=none, active=none, abstained=rest, filtered=taken, **COUNTS)
    found = only(run, "nothing-to-mine")
    assert (f"the filter took {taken / 10:.1f}% of all eligible triplets" in found.evidence) == blamed
    assert found.remedy.startswith("Try a weaker filter first, or none. ") == blamed
    assert found.numbers["filtered_share"] == taken / 1000


def test_a_miner_of_ones_own_is_measured_by_its_largest_catch(tmp_path: Path) -> None:
    mined = [50] * 30 + [0] * 80
    run = with_series(tmp_path / "run", {"training": "own"}, mined=mined, active=mined, **COUNTS)
    found = only(run, "nothing-to-mine")
    assert found.title == "The band is empty"
    assert "picks that could be made" in found.evidence
    never = with_series(tmp_path / "never", {"training": "own"}, mined=[0] * 80, active=0, **COUNTS)
    assert said(never, "nothing-to-mine") == "no batch with a triplet recorded"


def test_with_the_soft_margin_only_abstaining_counts(tmp_path: Path) -> None:
    soft = {"soft_margin": True}
    run = with_series(tmp_path / "run", soft, mined=[96] * 80, active=96, abstained=0, **COUNTS)
    assert said(run, "nothing-to-mine") == "quiet"


# ---- runs with a loss of their own


def test_another_loss_at_the_margin_is_no_sign(tmp_path: Path) -> None:
    """A loss that happens to lie at the margin means something of the triplet loss only."""
    stuck = {"loss": [1.0] * 80, "spread": 0.6}
    assert said(with_series(tmp_path / "triplet", {"loss": {"name": "triplet"}}, **stuck), "loss-at-margin") != "quiet"
    for name in ("sct", "msml", "quadruplet", "triplet-center"):
        run = with_series(tmp_path / name, {"loss": {"name": name, "title": name.title()}}, **stuck)
        assert examine(run) == []
        assert said(run, "loss-at-margin") == f"not checked: trains with the {name} loss"
    odd = with_series(tmp_path / "odd", {"loss": "triplet"}, **stuck)  # a stranger's settings may hold anything
    assert said(odd, "loss-at-margin") != "quiet"


def test_centres_are_nobodys_picks(tmp_path: Path) -> None:
    centres = {"loss": {"name": "triplet-center", "centres": True}}
    numbers = {"mined": [32] * 80, "active": 0, "abstained": 0, **COUNTS}
    run = with_series(tmp_path / "centres", centres, **numbers)
    assert said(run, "nothing-to-mine") == "not checked: trains with the triplet-center loss"
    assert said(with_series(tmp_path / "run", **numbers), "nothing-to-mine").startswith("fired")


# ---- runs that lack something


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    run = made(tmp_path / "bare", [{} for _ in range(100)])
    assert examine(run) == []
    assert examination(run).checked == {
        "loss-at-margin": "no loss recorded",
        "collapse": "no spread recorded",
        "scale-explosion": "no mean distance recorded",
        "nothing-to-mine": "no picks recorded",
        "turnover": "fewer than two frames recorded",
    }
    short = with_series(tmp_path / "short", loss=[1.0] * 3, spread=0.1, mean_distance=0.1)
    assert said(short, "loss-at-margin") == "only 3 steps recorded, it takes 20"
    assert set(examination(made(tmp_path / "empty", [])).checked.values()) == {
        "no step recorded",
        "fewer than two frames recorded",
    }
    no_margin = with_series(tmp_path / "margin", {"margin": 0}, loss=[0.0] * 60, spread=0.0, mean_distance=0.0)
    assert said(no_margin, "collapse") == "no margin above 0 recorded"


def no_rule_broke(run: Run) -> None:
    examined = examination(run)
    assert list(examined.checked) == RULES.names()
    assert not any(text.startswith("could not") for text in examined.checked.values()), examined.checked
    assert [one.step for one in examined.findings] == sorted(one.step for one in examined.findings)
    json.loads(json.dumps(examined.to_dict(), allow_nan=False))


@pytest.mark.parametrize("steps", [0, 1, 3, 45])
@pytest.mark.parametrize("own", [True, False])
def test_recordings_of_other_loops_are_examined(tmp_path: Path, steps: int, own: bool) -> None:
    with Recorder(tmp_path / "run", margin=0.5, counts=own) as recorder:
        for step in range(steps):
            rows = recorded.batch_rows(step)
            triplets = recorded.own_triplets(step) if own else None
            recorder.step(recorded.points(step)[rows], recorded.LABELS[rows], rows, triplets=triplets)
            no_rule_broke(Run.open(recorder.path))  # while it is being written
    no_rule_broke(Run.open(recorder.path))


def test_a_run_with_a_closing_frame_only(tmp_path: Path) -> None:
    run = Run.open(recorded.record(tmp_path / "run", steps=5, frame_steps=[]))
    no_rule_broke(run)
    assert said(run, "turnover") == "fewer than two frames recorded"


def test_one_class_has_no_turnover(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=0.5) as recorder:
        for step in range(4):
            points = recorded.points(step)[:6]
            recorder.step(points, [0] * 6, list(range(6)), probe=lambda points=points: (points, list(range(6))))
    run = Run.open(recorder.path)
    no_rule_broke(run)
    assert said(run, "turnover") == "the probe set has one class only"


def test_damaged_files_are_said_and_the_rest_is_examined(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", steps=45)
    frame = sorted((folder / "frames").glob("step-*.npy"))[2]
    frame.write_bytes(frame.read_bytes()[:-9])
    no_rule_broke(Run.open(folder))
    for file in (folder / "samples").glob("samples.*"):
        file.unlink()
    no_rule_broke(Run.open(folder))


def test_lines_of_any_kind_break_no_rule(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["loss", "spread", "mean_distance", "mined", "active", "abstained", "eligible", "violating", "hard"]
    names += ["recall_at_1", "frame"]
    odd: list[Any] = [None, 0, -1, 1.0, 1e30, 1e-30, 0.2, "text", [1], {"a": 1}, True]
    for trial in range(60):
        kinds = {name: [odd[i] for i in rng.integers(0, len(odd), 2)] for name in names if rng.random() < 0.8}
        count = int(rng.integers(0, 90))
        lines = [{name: kind[int(rng.integers(0, 2))] for name, kind in kinds.items()} for _ in range(count)]
        config = {"soft_margin": bool(rng.random() < 0.5), "margin": float(rng.choice([1.0, 1e-30, 1e30]))}
        no_rule_broke(made(tmp_path / str(trial), lines, **config))


# ---- rules and findings as records


def test_a_broken_rule_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: object) -> list[Finding]:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(
        RULES.get("collapse").__class__,
        "__call__",
        lambda rule, signs: breaks(signs) if rule.name == "collapse" else rule.function(signs),
    )
    checked = examination(Run.open(RACE / "batch-hard")).checked
    assert checked["collapse"] == "could not be checked (ZeroDivisionError: by zero)"
    assert checked["loss-at-margin"] == "fired at step 24"


def test_every_rule_says_what_it_is() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    for rule in RULES:
        told = rule.describe()
        assert told["looks_for"].endswith(".")
        assert told["source"]
        assert told["thresholds"]
        assert f"`{rule.name}`" in page, rule.name
        for threshold in told["thresholds"]:
            assert threshold["reason"]
            assert rule.value(threshold["name"]) == threshold["value"]
            assert f"`{threshold['name']}` = {threshold['value']:g}" in page, (rule.name, threshold["name"])


def test_the_doctor_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from tripletscope.store.reader import Run\n"
        "from tripletscope.doctor import examine\n"
        f"assert examine(Run.open({str(RACE / 'batch-hard')!r}))\n"
        "heavy = {'torch', 'sklearn', 'faiss', 'umap', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- the command line


def test_the_command_tells_a_sick_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(RACE / "batch-hard")]) == 0
    printed = capsys.readouterr()
    told = " ".join(printed.out.split())
    for finding in examine(Run.open(RACE / "batch-hard")):
        assert f"{finding.severity} {finding.when} {finding.title}" in told
        assert " ".join(finding.evidence.split()) in told
        assert f"Remedy: {finding.remedy}" in told
    assert "Scale explosion quiet" in told
    assert printed.err == ""


def test_the_command_says_of_a_healthy_run_what_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(RACE / "random")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "No fault found. What was checked: Loss stuck at the margin quiet Collapse quiet" in told


def test_the_command_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(RACE / "batch-hard"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["run"], told["state"], told["steps"]) == ("batch-hard", "finished", 400)
    assert told["findings"] == [one.to_dict() for one in examine(Run.open(RACE / "batch-hard"))]
    assert list(told["findings"][0]) == [
        "rule",
        "title",
        "step",
        "until",
        "severity",
        "evidence",
        "remedy",
        "numbers",
    ]
    assert told["checked"]["scale-explosion"] == "quiet"


def test_the_command_refuses_what_is_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for place in (tmp_path / "nowhere", tmp_path):
        assert main(["doctor", str(place)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.strip().splitlines()) == 1


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made(tmp_path / "[red]run", [])
    assert main(["doctor", str(tmp_path / "[red]run")]) == 0
    printed = capsys.readouterr()
    assert "[red]run" in printed.out
    assert "Nothing to examine yet" in printed.out
