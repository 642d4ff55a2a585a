"""The aside: every section held to plain loops over what the run recorded, and to the engine; and its file."""

from __future__ import annotations

import json
import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app import tiny
from tests.app.harness import aside as fake
from tests.core.test_rivals import shadowed

from tripletscope.analysis.cohort import cohort, cohort_title, distances_within, turnover
from tripletscope.analysis.probe import probe_labels
from tripletscope.analysis.rivals import constancy, rivals
from tripletscope.datasets import sample_data_dir
from tripletscope.doctor import examine
from tripletscope.errors import TripletscopeError
from tripletscope.store import cache
from tripletscope.store.reader import Run
from tripletscope_app import asides, loaders
from tripletscope_app.asides import kept_aside
from tripletscope_app.component import aside as module
from tripletscope_app.component.aside import pack_aside, unpack

DIGEST = "0123456789abcdef01234567"
SECTIONS = {
    "plane_exponent": "i32",
    "plane_offset": "i32",
    "plane_cell": "u16",
    "plane_count": "i32",
    "pick_offset": "i32",
    "pick_strategy": "u8",
    "pick_dap": "f32",
    "pick_dan": "f32",
    "pick_row": "i32",
    "class_eligible": "i32",
    "class_violating": "i32",
    "class_hard": "i32",
    "pair_offset": "i32",
    "pair_code": "i32",
    "pair_violating": "i32",
    "pair_eligible": "i32",
    "gap_counts": "i32",
    "who_offset": "i32",
    "who_code": "i32",
    "who_count": "i32",
    "hub_offset": "i32",
    "hub_row": "i32",
    "hub_count": "i32",
    "turnover": "f32",
    "churn": "f32",
    "held": "f32",
}


def record(folder: Path, kind: str) -> Path:
    """Every kind of run that the page may meet."""
    if kind == "stranger":  # shadows with batch-all, a small probe set, few frames, no closing one
        return shadowed(folder)
    if kind == "without triplets":
        return shadowed(folder, own=False)
    if kind == "killed":
        return tiny.kill(tiny.record(folder), 7)
    if kind == "batch-all":
        return tiny.record(folder, "batch-all")
    return tiny.record(folder, "random", dim=5, unit=True)


KINDS = ("unit", "stranger", "without triplets", "killed", "batch-all")


@pytest.fixture(scope="module", params=KINDS)
def packed(request: Any, tmp_path_factory: Any) -> tuple[Run, dict, dict]:
    run = Run.open(record(tmp_path_factory.mktemp("aside") / "run", request.param))
    return (run, *unpack(pack_aside(run, DIGEST)))


def slices(offset: np.ndarray) -> list[slice]:
    return [slice(int(start), int(stop)) for start, stop in pairwise(offset)]


def test_the_header_says_what_the_sections_are(packed: tuple[Run, dict, dict]) -> None:
    run, header, arrays = packed
    assert (header["version"], header["kind"], header["digest"]) == (1, "aside", DIGEST)
    assert header["frames"] == run.frame_steps
    assert header["class_names"] == run.samples.class_names
    assert header["classes"] == tiny.CLASSES
    assert header["strategies"] == run.strategies
    assert header["strategies"][:1] == [run.training or "own"]
    assert header["cohort_title"] == cohort_title(run)
    assert header["margin"] == run.margin == 0.5
    assert {0.0, 0.5} <= set(header["gap_edges"])
    assert header["findings"] == [finding.to_dict() for finding in examine(run)]
    assert not set(header["checked"]) & set(header["unchecked"])
    assert header["closing_has_no_batch"] is True
    assert {name: place["dtype"] for name, place in header["sections"].items()} == SECTIONS
    frames, strategies, bins = len(run.frame_steps), len(run.strategies), len(header["gap_edges"]) - 1
    assert len(arrays["plane_exponent"]) == len(arrays["turnover"]) == frames
    for name in ("plane", "pick", "pair"):
        assert len(arrays[f"{name}_offset"]) == frames + 1
    for name in ("who", "hub"):
        assert len(arrays[f"{name}_offset"]) == strategies * frames + 1
    assert len(arrays["gap_counts"]) == frames * bins
    assert len(arrays["churn"]) == len(arrays["held"]) == frames * len(header["churn_strategies"])
    assert len(arrays["pick_row"]) == 3 * len(arrays["pick_dap"])


def test_the_planes_are_the_recorded_ones(packed: tuple[Run, dict, dict]) -> None:
    run, _, arrays = packed
    for f, (step, part) in enumerate(zip(run.frame_steps, slices(arrays["plane_offset"]), strict=True)):
        width, expected = run.plane(step)
        found = np.zeros(64 * 64, int)
        found[arrays["plane_cell"][part]] = arrays["plane_count"][part]
        assert found.reshape(64, 64).tolist() == expected.tolist()
        assert 2.0 ** arrays["plane_exponent"][f] == width or not expected.any()
        eligible = run.lines[run.steps.index(step)].get("eligible")
        assert found.sum() == (eligible or 0)


def test_the_picks_are_the_recorded_ones(packed: tuple[Run, dict, dict]) -> None:
    run, _, arrays = packed
    rows = arrays["pick_row"].reshape(-1, 3)
    for step, part in zip(run.frame_steps, slices(arrays["pick_offset"]), strict=True):
        expected = run.pick_rows(step)
        assert arrays["pick_strategy"][part].tolist() == expected["strategy"].tolist()
        assert arrays["pick_dap"][part].tolist() == expected["d_ap"].tolist()
        assert arrays["pick_dan"][part].tolist() == expected["d_an"].tolist()
        for k, name in enumerate(("anchor", "positive", "negative")):
            assert rows[part, k].tolist() == expected[name].tolist()


def test_violations_are_those_of_every_triplet_of_the_cohort(packed: tuple[Run, dict, dict]) -> None:
    from tests.core.test_violations import by_loops

    run, header, arrays = packed
    members, frames, classes = cohort(run), len(run.frame_steps), tiny.CLASSES
    bins = arrays["gap_counts"].reshape(frames, -1)
    for f in range(0, frames, 3):
        points = np.asarray(run.frames[run.frame_steps[f]])[members]
        expected = by_loops(
            distances_within(points, run.distance), probe_labels(run)[members], classes, header["margin"]
        )
        assert arrays["class_eligible"].tolist() == expected["eligible"]
        assert arrays["class_violating"].reshape(frames, classes)[f].tolist() == expected["violating"]
        assert arrays["class_hard"].reshape(frames, classes)[f].tolist() == expected["hard"]
        assert bins[f].tolist() == expected["gaps"]
        part = slices(arrays["pair_offset"])[f]
        found = {
            divmod(int(code), classes): (int(violating), int(eligible))
            for code, violating, eligible in zip(
                arrays["pair_code"][part], arrays["pair_violating"][part], arrays["pair_eligible"][part], strict=True
            )
        }
        assert found == expected["pairs"]


def test_rivals_are_those_of_the_recorded_picks(packed: tuple[Run, dict, dict]) -> None:
    run, header, arrays = packed
    told = rivals(run)  # held to plain loops in its own tests
    assert header["hubs_exact"] == told.hubs_exact
    for name, key, expected in (("who", "code", told.who), ("hub", "row", told.hubs)):
        for part, (keys, counts) in zip(slices(arrays[f"{name}_offset"]), expected, strict=True):
            assert arrays[f"{name}_{key}"][part].tolist() == keys.tolist()
            assert arrays[f"{name}_count"][part].tolist() == counts.tolist()


def test_change_over_time_comes_strategy_by_strategy(packed: tuple[Run, dict, dict]) -> None:
    run, header, arrays = packed
    told = constancy(run)
    assert header["churn_strategies"] == told.strategies
    np.testing.assert_array_equal(arrays["churn"].reshape(told.churn.shape), told.churn)
    np.testing.assert_array_equal(arrays["held"].reshape(told.held.shape), told.held)
    np.testing.assert_array_equal(arrays["turnover"], turnover(run))


def test_the_header_is_plain_json_and_sections_are_aligned(tmp_path: Path) -> None:
    blob = pack_aside(Run.open(tiny.record(tmp_path / "run")), DIGEST)
    (length,) = struct.unpack_from("<I", blob)
    header = json.loads(blob[4 : 4 + length], parse_constant=pytest.fail)  # no NaN, which browsers refuse
    assert all(place["offset"] % 4 == 0 for place in header["sections"].values())


def test_batch_all_is_counted_and_says_why_it_has_no_shapes(tmp_path: Path) -> None:
    run = Run.open(tiny.record(tmp_path / "run", "batch-all"))
    header, arrays = unpack(pack_aside(run, DIGEST))
    assert len(arrays["pick_dap"]) == 0
    assert (
        arrays["who_count"].sum() == arrays["hub_count"].sum() == sum(line.get("eligible") or 0 for line in run.lines)
    )
    assert any("batch-all" in sentence for sentence in header["left_out"])


@pytest.mark.parametrize("race", ["digits-2d", "digits-2d-standardized"])
@pytest.mark.parametrize("name", ["random", "semi-hard", "batch-hard"])
def test_the_shipped_recordings_agree_with_their_scalars(race: str, name: str) -> None:
    run = Run.open(sample_data_dir() / "races" / race / name)
    header, arrays = unpack(pack_aside(run, DIGEST))
    lines = {line["step"]: line for line in run.lines}
    frames = run.frame_steps
    planes, picks = slices(arrays["plane_offset"]), slices(arrays["pick_offset"])
    who, hubs = slices(arrays["who_offset"]), slices(arrays["hub_offset"])
    for f, step in enumerate(frames):
        line = lines[step]
        if line.get("closing"):
            assert planes[f].start == planes[f].stop
            assert picks[f].start == picks[f].stop
            continue
        assert arrays["plane_count"][planes[f]].sum() == line["eligible"]
        gap = arrays["pick_dan"][picks[f]] - arrays["pick_dap"][picks[f]]
        assert len(gap) == line["mined"]
        assert (gap <= 0).sum() == line["mined_hard"]
        assert (gap < np.float32(run.margin)).sum() == line["active"]
        mined = sum(lines[s]["mined"] for s in range(step, frames[f + 1]))
        assert arrays["who_count"][who[f]].sum() == arrays["hub_count"][hubs[f]].sum() == mined
    # Two counts of the same triplets: by class, by pair, by gap.
    edges, bins = header["gap_edges"], arrays["gap_counts"].reshape(len(frames), -1)
    violating, hard = (arrays[f"class_{zone}"].reshape(len(frames), 10).sum(1) for zone in ("violating", "hard"))
    assert bins.sum(1).tolist() == [arrays["class_eligible"].sum()] * len(frames)
    assert bins[:, : edges.index(run.margin)].sum(1).tolist() == violating.tolist()
    assert bins[:, : edges.index(0.0)].sum(1).tolist() == hard.tolist()
    pairs = [arrays["pair_violating"][part].sum() for part in slices(arrays["pair_offset"])]
    assert pairs == violating.tolist()  # 90 pairs of ten classes: all are kept


OTHERS = [pytest.param(race, marks=pytest.mark.slow) for race in ("digits-2d-standardized", "emoji-32d")]


@pytest.mark.parametrize("race", ["digits-2d", *OTHERS])
def test_the_shipped_asides_are_what_the_engine_counts_today(race: str) -> None:
    """When this fails after a change of what is counted: python sample_data/make_recordings.py --openings."""
    found = loaders.find(race)
    assert found is not None
    loaded = loaders.load(found)
    for run, digest in zip(loaded.runs, loaded.digests, strict=True):
        kept = kept_aside(run, digest)
        assert kept is not None
        assert kept.parent == run.path / "views"
        (told, there), (said, here) = unpack(kept.read_bytes()), unpack(pack_aside(run, digest))
        assert told == said
        assert there.keys() == here.keys()
        for name, values in here.items():
            np.testing.assert_allclose(there[name], values, rtol=1e-5, atol=1e-6, err_msg=f"{run.name}: {name}")


def test_the_harness_packs_the_same_sections(tmp_path: Path) -> None:
    """The panels are tested on fake asides: they have to look like the real ones."""
    run = Run.open(tiny.record(tmp_path / "run"))
    real, real_arrays = unpack(pack_aside(run, DIGEST))
    positions = np.stack([np.asarray(run.frames[step]) for step in run.frame_steps])
    labels, names = probe_labels(run), list(run.samples.class_names)
    made, arrays = unpack(fake.aside(DIGEST, positions, labels, run.frame_steps, names, "semi-hard", 0.5, 12))
    assert {name: place["dtype"] for name, place in made["sections"].items()} == SECTIONS
    assert set(made) <= set(real)
    for name in ("class_eligible", "class_violating", "class_hard", "pair_offset", "pair_violating"):
        assert arrays[name].tolist() == real_arrays[name].tolist()  # the cohort is the whole probe set in both
    assert {name: type(made[name]) for name in made} == {name: type(real[name]) for name in made}
    assert set(made["findings"][0]) == {"rule", "title", "step", "until", "severity", "evidence", "remedy", "numbers"}


def test_counts_beyond_the_browsers_numbers_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._whole(np.array([1, 2**40])).tolist() == [1, 2**31 - 1]


def test_what_cannot_be_counted_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(tiny.record(tmp_path / "run"))
    monkeypatch.setattr(module, "MOST_CLASSES", 3)
    with pytest.raises(TripletscopeError, match="4 classes"):
        pack_aside(run, DIGEST)
    empty = Run.open(shadowed(tmp_path / "empty", frames=()))
    with pytest.raises(TripletscopeError, match="no frame yet"):
        pack_aside(empty, DIGEST)


# ---- the file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_aside_is_made_once_and_kept(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(tiny.record(tmp_path / "run"))
    assert asides.kept_aside(run, DIGEST) is None
    path = asides.write_aside(run, DIGEST)
    assert folder in Path(path).parents
    assert Path(path).read_bytes() == pack_aside(run, DIGEST)
    monkeypatch.setattr(module, "pack_aside", pytest.fail)
    assert asides.write_aside(run, DIGEST) == path == str(asides.kept_aside(run, DIGEST))


def test_a_run_that_has_grown_gets_another_aside(tmp_path: Path, folder: Path) -> None:
    whole = Run.open(tiny.record(tmp_path / "run"))
    first = asides.write_aside(whole, DIGEST)
    cut = Run.open(tiny.kill(tmp_path / "run", 6))
    assert asides.kept_aside(cut, DIGEST) is None
    assert asides.write_aside(cut, DIGEST) != first


def test_a_cache_that_cannot_be_written_does_not_stop_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "file" / "cache"))
    run = Run.open(tiny.record(tmp_path / "run"))
    assert os.path.getsize(asides.write_aside(run, DIGEST)) > 1000


@pytest.mark.parametrize(("table", "strategy"), [("plane", "random"), ("batches", "batch-all"), ("picks", "random")])
def test_damage_inside_a_file_costs_that_file_only(table: str, strategy: str, tmp_path: Path) -> None:
    run = Run.open(tiny.record(tmp_path / "run", strategy))
    whole = unpack(pack_aside(run, DIGEST))[1]
    file = run.path / table / f"{table}.parquet"
    content = bytearray(file.read_bytes())
    content[4:200] = bytes(196)  # the first columns; header and footer stay as they are
    file.write_bytes(content)
    damaged = Run.open(run.path)
    header, arrays = unpack(pack_aside(damaged, DIGEST))
    assert [note for note in header["notes"] if note.startswith(f"{table}: ") and "damaged" in note]
    for name in ("class_violating", "gap_counts", "churn"):
        assert arrays[name].tobytes() == whole[name].tobytes()
    hit = "plane_count" if table == "plane" else "who_count"
    assert whole[hit].sum() > arrays[hit].sum() == 0
    with pytest.raises((OSError, ValueError)):  # whoever copies the table is not to lose steps in silence
        list(damaged._table(table).batches())
