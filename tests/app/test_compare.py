"""The Compare page's numbers are the engine's and the run's; what it is told by an address or a browser is checked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis.agreement import all_steps, frame_at
from tripletscope.analysis.comparison import band, curve, grouped
from tripletscope.analysis.difference import difference
from tripletscope.datasets import sample_data_dir
from tripletscope_app import answers, component
from tripletscope_app.comparing import packing, view
from tripletscope_app.comparing.chosen import same_samples
from tripletscope_app.component.pack import unpack

RACE = sample_data_dir() / "races" / "digits-2d"


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return [Run.open(RACE / name) for name in ("random", "semi-hard", "batch-hard")]


@pytest.fixture(scope="module")
def curves(runs: list[Run]) -> tuple[dict, dict]:
    return unpack(packing.pack_curves(runs, grouped(runs), "key"))


def test_every_line_has_the_numbers_of_its_run(runs, curves) -> None:
    header, arrays = curves
    assert {line["fair"] for line in header["lines"]} == {"steps", "triplets"}, "these recordings have no clocks"
    assert header["known"] == ["steps", "triplets"]
    for line in header["lines"]:
        run = runs[line["run"]]
        assert run.name == line["name"]
        part = slice(line["at"], line["at"] + line["count"])
        if line["fair"] == "steps":
            table = run.scalars[["step", line["measure"]]].dropna() if line["measure"] in run.scalars else None
            if table is not None:
                np.testing.assert_array_equal(arrays["x"][part], table["step"])
                np.testing.assert_array_equal(arrays["y"][part], table[line["measure"]].astype(np.float32))
        found = curve(run, line["measure"], line["fair"])
        np.testing.assert_array_equal(arrays["y"][part], found.y.astype(np.float32))


def test_median_and_band_are_those_of_the_seeds(tmp_path: Path) -> None:
    seeds = []
    for seed in range(3):
        folder = tiny.record(tmp_path / f"seed-{seed}")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"seed": seed}))
        lines = (folder / "scalars.jsonl").read_text().splitlines()
        changed = [json.loads(line) for line in lines]
        for line in changed:
            if line.get("recall_at_1") is not None:
                line["recall_at_1"] = (line["step"] + 7 * seed) % 11 / 11
        (folder / "scalars.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
        seeds.append(Run.open(folder))
    groups = grouped(seeds)
    assert [group.members for group in groups] == [(0, 1, 2)]
    header, arrays = unpack(packing.pack_curves(seeds, groups, "key"))
    told = next(one for one in header["bands"] if one["measure"] == "recall_at_1" and one["fair"] == "steps")
    assert told["seeds"] == 3
    part = slice(told["at"], told["at"] + told["count"])
    for k, x in enumerate(arrays["bx"][part]):
        values = sorted((int(x) + 7 * seed) % 11 / 11 for seed in range(3))
        assert arrays["median"][part][k] == pytest.approx(values[1])
        assert arrays["low"][part][k] == pytest.approx(values[0])
        assert arrays["high"][part][k] == pytest.approx(values[2])
    wanted = band([curve(run, "spread") for run in seeds])
    told = next(one for one in header["bands"] if one["measure"] == "spread" and one["fair"] == "steps")
    np.testing.assert_array_equal(
        arrays["median"][told["at"] : told["at"] + told["count"]], wanted.median.astype(np.float32)
    )


def test_agreement_and_difference_come_for_every_step(tmp_path: Path) -> None:
    two = [Run.open(path) for path in tiny.race(tmp_path)][1:]
    steps = all_steps(two)
    header, arrays = unpack(packing.pack_agreement(two, "key"))
    assert header["steps"] == steps
    assert arrays["asked_same"].shape == arrays["recorded_jaccard"].shape == (len(steps), 2, 2)
    # These made-up runs have one space, so asking in the first one's changes nothing.
    for name in ("zones", "ranks", "same"):
        np.testing.assert_array_equal(arrays[f"shared_{name}"], arrays[f"asked_{name}"])
    mine = two[0].picks(5, training=True)
    at = steps.index(5)
    assert arrays["recorded_both"][at, 0, 0] == len(mine)
    assert arrays["recorded_zones"][at, 0].sum() == len(mine)
    header, arrays = unpack(packing.pack_difference(*two, "key"))
    for step in (steps[0], 5, steps[-1]):
        at = steps.index(step)
        wanted = difference(*(np.asarray(run.frames[frame_at(run, step)]) for run in two))
        np.testing.assert_array_equal(arrays["changed"][at], wanted.changed)
        np.testing.assert_array_equal(arrays["moved"][at], wanted.moved)
        assert arrays["worst"][at].tolist() == wanted.most_changed.tolist()


def test_the_helper_writes_them_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths = [str(path) for path in tiny.race(tmp_path / "runs")]
    key = packing.key_of("test", tmp_path)
    ask = {"id": 1, "ask": "compare", "what": "difference", "runs": paths[:2], "key": key}
    reply = answers.answer_line(json.dumps(ask))
    content = Path(reply["path"]).read_bytes()
    assert unpack(content)[0]["kind"] == "difference"
    assert answers.answer_line(json.dumps(ask))["path"] == reply["path"]
    other = str(sample_data_dir() / "races" / "emoji-32d" / "semi-hard")
    refused = answers.answer_line(json.dumps({**ask, "what": "agreement", "runs": [paths[0], other], "key": key + "x"}))
    assert "other samples" in refused["error"]


def test_samples_are_the_same_by_id_and_class(tmp_path: Path, runs) -> None:
    one, other = (Run.open(path) for path in tiny.race(tmp_path)[:2])
    renamed = Run.open(tiny.record(tmp_path / "renamed", samples=tiny.samples([f"s{i}" for i in range(24)])))
    assert same_samples(one, other)
    assert not same_samples(one, renamed)
    assert not same_samples(one, runs[0])


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ({"runs": "a,b,a"}, {"compare.runs": ("a", "b")}),
        ({"runs": ",".join("abcdefgh")}, {"compare.runs": tuple("abcdef")}),
        ({"runs": "", "step": "x", "anchor": "-1", "pair": "3-1", "fair": "luck", "picks": "all"}, {}),
        (
            {"fair": "triplets", "picks": "recorded", "v": "1"},
            {"compare.fair": "triplets", "compare.picks": "recorded"},
        ),
        ({"v": "9", "runs": "a", "fair": "triplets"}, {"compare.runs": ("a",)}),
        ({"runs": "a\nb"}, {}),
    ],
)
def test_an_address_is_read_with_care(address, wanted) -> None:
    assert view.read_url(address) == wanted


def test_the_bundle_holds_its_drawing_functions() -> None:
    code = component.shelved("compare")
    for function in component.BUNDLES["compare"].kinds.values():
        assert f"function {function}(" in code
    assert "import " not in code.replace("imported", "").split("export default")[0].split("// turns.js")[1][:50]
