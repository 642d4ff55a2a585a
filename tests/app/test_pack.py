"""What the browser is handed equals what the run holds."""

import io
import json
import math
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.app import tiny

from tripletscope import Run, datasets
from tripletscope.analysis.answer import pack_answer
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.config import TrainConfig
from tripletscope.training import record
from tripletscope_app.component import pack
from tripletscope_app.tables import candidates


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    return [Run.open(path) for path in tiny.race(tmp_path_factory.mktemp("race"))]


@pytest.fixture(scope="module")
def packed(race):
    projections = [pack.projection_of(run) for run in race]
    scale = pack.race_scale(race, projections)
    return [pack.pack_run(run, projection, scale) for run, projection in zip(race, projections, strict=True)]


def test_every_array_comes_back(race, packed):
    run, (digest, blob) = race[1], packed[1]
    header, arrays = pack.unpack(blob)
    assert header["digest"] == digest
    assert header["frames"] == run.frame_steps
    assert header["steps"] == run.steps
    np.testing.assert_array_equal(arrays["pos"], np.stack([run.frames[step] for step in run.frame_steps]))
    np.testing.assert_array_equal(arrays["row"], run.probe_rows)
    np.testing.assert_array_equal(arrays["label"], run.samples.labels[run.probe_rows])
    for name, curve in zip(header["series_names"], arrays["series"], strict=True):
        np.testing.assert_array_equal(curve, run.series([name])[0], err_msg=name)
    assert header["ids"] == [str(i) for i in run.samples.ids]
    assert (header["name"], header["strategy"]) == ("semi-hard", "semi-hard")
    assert header["state_text"] == run.state_text == "finished, 12 steps"
    assert (header["exact"], header["badge"]) == (True, "EXACT: 2-D space")


def test_a_filtered_run_says_so_and_its_table_names_who_was_filtered(tmp_path):
    config = TrainConfig(data="toy2d:classes=4,points=12", strategy="hardest", steps=3, dim=3, classes_per_batch=4)
    headers = []
    for name, chosen in (("plain", {}), ("filtered", {"perc-pos": 0.9})):
        record(replace(config, filter=chosen), datasets.load(config.data), tmp_path / name)
        run = Run.open(tmp_path / name)
        header, arrays = pack.unpack(pack.pack_run(run)[1])
        headers.append(header)
        for series, curve in zip(header["series_names"], arrays["series"], strict=True):
            np.testing.assert_array_equal(curve, run.series([series])[0], err_msg=series)
    assert "filter" not in headers[0]
    assert headers[1]["filter"] == "perc-pos 0.9"
    assert set(headers[1]["series_names"]) - set(headers[0]["series_names"]) == {"filtered", "filtered_pairs"}

    answer = anchor_answer(run, 0)
    table = candidates(run, pack_answer(answer), 0, None)
    d = table.set_index("id")["distance"]
    positive = d[run.samples.id_of(int(run.probe_rows[answer["positives"][0]]))]
    taken = {
        one for one in table["id"][table["role"] == "negative"] if 1 - d[one] ** 2 / 2 > 0.9 * (1 - positive**2 / 2)
    }
    assert taken
    assert set(table["id"][table["filtered"]]) == taken
    plain = Run.open(tmp_path / "plain")
    assert "filtered" not in candidates(plain, pack_answer(anchor_answer(plain, 0)), 0, None)


def test_sections_are_aligned_and_the_header_is_plain_json(packed):
    for _, blob in packed:
        (length,) = struct.unpack_from("<I", blob)
        assert (4 + length) % 4 == 0
        header = json.loads(blob[4 : 4 + length], parse_constant=pytest.fail)  # no NaN, which browsers refuse
        ends = 0
        for place in header["sections"].values():
            assert place["offset"] % 4 == 0
            assert place["offset"] >= ends
            size = math.prod(place["shape"]) * {"f32": 4, "i32": 4, "u16": 2, "u8": 1}[place["dtype"]]
            ends = place["offset"] + size
        assert 4 + length + ends <= len(blob) < 4 + length + ends + 4


def test_the_sprite_holds_the_thumbnails_in_probe_order(race, packed):
    header, arrays = pack.unpack(packed[0][1])
    sheet = np.asarray(Image.open(io.BytesIO(arrays["sprite"].tobytes())))
    thumb = header["thumb"]
    assert thumb["pixelated"]
    for index, row in enumerate(race[0].probe_rows):
        top, left = index // thumb["columns"] * thumb["height"], index % thumb["columns"] * thumb["width"]
        shown = sheet[top : top + thumb["height"], left : left + thumb["width"]]
        np.testing.assert_array_equal(shown, race[0].samples.thumbs[row])


def test_a_race_has_one_scale_and_its_runs_their_own_digest(packed):
    headers = [pack.unpack(blob)[0] for _, blob in packed]
    for name in ("extent", "centre", "ruler_max"):
        assert headers[0][name] == headers[1][name] == headers[2][name]
    assert len({digest for digest, _ in packed}) == 3


def test_every_point_of_every_frame_is_inside_the_fixed_map(packed):
    header, arrays = pack.unpack(packed[2][1])
    assert np.abs(arrays["pos"] - np.array(header["centre"])).max() < header["extent"]


def test_the_digest_names_the_content(race, tmp_path):
    again = tiny.record(tmp_path / "semi-hard", "semi-hard")
    blobs = [pack.pack_run(Run.open(path))[1] for path in (race[1].path, again)]
    assert pack.unpack(blobs[0])[0]["digest"] == pack.unpack(blobs[1])[0]["digest"]
    assert blobs[0] == blobs[1]
    tiny.kill(again, 5)
    assert pack.pack_run(Run.open(again))[0] != pack.pack_run(race[1])[0]


def test_a_killed_run_is_packed_as_far_as_it_got(tmp_path):
    run = Run.open(tiny.kill(tiny.record(tmp_path / "run"), 7))
    header, arrays = pack.unpack(pack.pack_run(run)[1])
    assert header["state_text"] == "stopped at step 7"
    assert header["steps"] == list(range(8))
    assert len(header["frames"]) == len(arrays["pos"]) == len(run.frame_steps)


@pytest.mark.parametrize(("unit", "distance", "wanted"), [(True, "euclidean", 2.0), (True, "squared-euclidean", 4.0)])
def test_the_ruler_of_unit_vectors_is_the_sphere(tmp_path, unit, distance, wanted):
    run = Run.open(tiny.record(tmp_path / "run", dim=3, unit=unit))
    run.config["distance"] = distance
    assert pack.ruler_max(run) == wanted
    header, arrays = pack.unpack(pack.pack_run(run)[1])
    assert header["normalized"]
    assert not header["exact"]
    assert header["badge"].startswith("PCA fixed over all frames")
    assert arrays["pos"].shape[2] == 2


def test_the_ruler_of_a_free_space_holds_nearly_every_distance(race):
    run = race[0]
    last = run.frames[run.frame_steps[-1]].astype(float)
    apart = np.linalg.norm(last[:, None] - last[None], axis=2)[np.triu_indices(len(last), 1)]
    assert np.percentile(apart, 99) <= pack.ruler_max(run) <= apart.max() * 1.0001


def test_the_opening_zoom_fills_the_map(race):
    projection = pack.projection_of(race[0])
    scale = pack.Scale((0.0, 0.0), 100.0, 1.0)
    zoom = pack.opening_zoom(projection, 3, scale)
    points = projection.positions[3]
    assert zoom > 1
    assert (
        np.mean(np.abs(points - np.quantile(points, [0.01, 0.99], axis=0).mean(axis=0)).max(axis=1) < 100 / zoom)
        >= 0.95
    )
    nothing = pack.Projection(np.zeros((1, 4, 2), np.float32), True, 1.0, "")
    assert pack.opening_zoom(nothing, 0, scale) == 1


def test_text_ids_and_no_thumbnails(tmp_path):
    who = tiny.samples([f"photo {i}.png" for i in range(24)])
    bare = type(who)(ids=who.ids, labels=who.labels, class_names=who.class_names, texts=["<b>x</b>"] * 24)
    header, arrays = pack.unpack(pack.pack_run(Run.open(tiny.record(tmp_path / "run", samples=bare)))[1])
    assert header["ids"][3] == "photo 3.png"
    assert header["texts"][0] == "<b>x</b>"
    assert header["thumb"] is None
    assert "sprite" not in arrays


def test_what_travels_with_every_click_is_a_few_lines():
    """Streamlit sends a component's code with each change of its data; the instrument's own code goes once, apart."""
    from tripletscope_app import component

    assert len(component._COMMENT.sub("", component._read("stub.js"))) < 600
    code = component.shelved()
    assert code.count("export default") == 1
    assert "ts-instrument" in code
    for function in component.SHELVED.values():
        assert f"\nfunction {function}(" in code, "each kind of component has its code in the page"


def test_each_page_has_its_own_code():
    """Inspect's code is no part of Watch's first page, and each bundle is one module with one way in."""
    from tripletscope_app import component

    for name, made in component.BUNDLES.items():
        code = component.shelved(name)
        assert code.count("export default") == 1
        assert not [line for line in code.splitlines() if line.startswith(("import ", "export function"))]
        for function in made.kinds.values():
            assert code.count(f"\nfunction {function}(") == 1
    assert "showCloud" not in component.shelved("watch")
    assert "showInstrument" not in component.shelved("inspect")


def test_the_truth_is_handed_over_only_where_it_is_known(race, packed, tmp_path):
    header, arrays = pack.unpack(packed[0][1])
    assert "truth" not in arrays
    assert not any("false" in name for name in header["series_names"])

    who = tiny.samples()
    truth = who.labels.copy()
    truth[[0, 7, 14]] = [1, 2, 3]
    run = Run.open(tiny.record(tmp_path / "noisy", "random", samples=replace(who, true_labels=truth)))
    header, arrays = pack.unpack(pack.pack_run(run)[1])
    np.testing.assert_array_equal(arrays["truth"], truth[run.probe_rows])
    series = dict(zip(header["series_names"], arrays["series"], strict=True))
    np.testing.assert_array_equal(series["loss"], run.series(["loss"])[0])
    lines = run.lines[: run.step_count]
    for step, line in enumerate(lines):
        assert series["false_negative_share"][step] == pytest.approx(line["mined_false_negatives"] / line["mined"])
        recent = lines[max(0, step - 4) : step + 1]
        wanted = sum(one["mined_false_positives"] for one in recent) / sum(one["mined"] for one in recent)
        trends = pack.truth_trends(run, 5)
        assert trends[1, step] == pytest.approx(wanted)
    assert np.isnan(series["false_negative_trend"][-1]), "the closing frame has no batch"
    assert np.isfinite(series["blind_false_negative_trend"][:-1]).all()


@pytest.mark.parametrize("dim", [2, 3])
def test_learned_centres_lie_on_the_map_as_samples_do(tmp_path, dim):
    run = Run.open(tiny.centred(tmp_path / "run", dim=dim))
    projection = pack.projection_of(run)
    header, arrays = pack.unpack(pack.pack_run(run, projection)[1])
    places = arrays["class_centres"]
    assert places.shape == (len(run.frame_steps), tiny.CLASSES, 2)
    assert header["loss"] == {"name": "triplet-center", "title": "Triplet-centre"}
    for at, step in enumerate(run.frame_steps):
        kept = run.centres(step)
        if kept is None:
            assert np.isnan(places[at]).all()
        elif dim == 2:
            np.testing.assert_array_equal(places[at], kept)
        else:
            np.testing.assert_allclose(places[at], (kept - projection.mean) @ projection.axes, atol=1e-6)
    assert np.nanmax(np.abs(places - np.array(header["centre"]))) < header["extent"], "none is off the map"


def test_a_run_without_centres_or_another_loss_gets_not_one_byte_more(race, packed, tmp_path):
    header, arrays = pack.unpack(packed[0][1])
    assert "class_centres" not in arrays
    assert "loss" not in header
    for place, told in enumerate(({"name": "triplet", "title": "Triplet"}, "triplet", None, {"name": 7})):
        assert pack.own_loss(Run.open(tiny.record(tmp_path / str(place), loss=told))) is None
