"""The Race page in Streamlit's test harness: form, refusals beside their fields, estimate, start, the list."""

from __future__ import annotations

import io
import re
import sys
import time
import zipfile
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from tests.app.test_racing import FAKE

from tripletscope import datasets, strategies
from tripletscope.composition import parse
from tripletscope.config import TrainConfig
from tripletscope.errors import DataError
from tripletscope.losses import LOSSES
from tripletscope.store.reader import Run
from tripletscope_app import widgets
from tripletscope_app.racing import check, chips, flaw_pictures, form, office, pictures_zip, presets, view
from tripletscope_app.racing.check import frames_of
from tripletscope_app.racing.estimate import Paced
from tripletscope_app.racing.plan import race, read, write
from tripletscope_app.racing.starting import seconds_and_bytes
from tripletscope_app.racing.view import Wanted
from tripletscope_app.racing.yard import Yard

WAIT = 60
NAMES = ("random", "semi-hard", "batch-hard", "hardest")
FACTS = {"name": "digits", "kind": "images", "rows": 1797, "classes": 10, "smallest": 174, "largest": 183}
ANSWER = {
    "refusals": [],
    "notes": [{"field": "samples_per_class", "text": "2 of 10 classes have fewer than 4 samples."}],
    "paced": dict.fromkeys(NAMES, Paced(2, 0.01, 0.1, 1e5, 1e3, 1e4).to_dict()),
    "choices": {"strategies": [], "models": {"mlp": "MLP"}, "devices": ["auto", "cpu"]},
    "facts": {**FACTS, "shape": [1, 8, 8]},
    "frames": 40,
    "loading": 0.5,
}


def page():
    from tripletscope_app.pages.race import race

    race()


@pytest.fixture
def asked(monkeypatch):
    """What the page asks the helper, which answers at once: refusals are what a test puts there."""
    found = {"questions": [], "refusals": []}

    def answer(self, settings, strategies, seeds, root):
        found["questions"].append((dict(settings), list(strategies), list(seeds)))
        future = Future()
        refusals = [{"field": field, "text": text} for field, text in found["refusals"]]
        paced = {**ANSWER["paced"], **{name: ANSWER["paced"][NAMES[0]] for name in strategies if name not in NAMES}}
        future.set_result({**ANSWER, "refusals": refusals, "paced": paced})
        return future

    monkeypatch.setattr(widgets.Helper, "check", answer)
    monkeypatch.setattr(widgets.Helper, "chip", lambda *_: Future())
    return found


@pytest.fixture
def yard(tmp_path, monkeypatch):
    made = Yard(tmp_path / "runs", command=[sys.executable, "-c", FAKE], most=1)
    monkeypatch.setattr(office, "_yard", lambda root: made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    yield made
    for planned in made.races():
        for run in planned.runs:
            made.cancel(planned.folder, run.name)
    made.close()


@pytest.fixture
def app(asked, yard):
    return AppTest.from_function(page, default_timeout=WAIT)


def words(app):
    return [part.value for part in app.text]


def until(app, condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, words(app)
        time.sleep(0.05)
        app.run()
        assert not app.exception, app.exception


def test_it_opens_ready_to_start_what_was_just_watched(app, asked):
    app.run()
    assert not app.exception
    settings, strategies, seeds = asked["questions"][0]
    assert strategies == ["random", "semi-hard", "batch-hard"]
    assert seeds == [3]
    assert TrainConfig.from_dict(settings).dim == 2
    assert not app.button(key="race.start").disabled
    assert any("2 of 10 classes" in text for text in words(app))
    body = " ".join(part.proto.body for part in app.get("html"))
    for part in ("1,797", "10 classes of 174 to 183", "40 frames"):
        assert part in body
    app.run()
    assert len(asked["questions"]) == 1, "the same race is asked about once"


def test_an_impossible_setting_is_refused_beside_its_field_before_the_start(app, asked):
    asked["refusals"] = [("classes_per_batch", "12 classes per batch were asked for but the data have 10.")]
    app.run()
    assert app.button(key="race.start").disabled
    assert "12 classes per batch were asked for but the data have 10." in words(app)
    assert any(text.startswith("This race cannot start yet. Look at: Classes per batch (P)") for text in words(app))
    asked["refusals"] = []
    app.number_input(key=view.widget_key(view.CLASSES)).set_value(10).run()
    assert asked["questions"][-1][0]["classes_per_batch"] == 10
    assert not app.button(key="race.start").disabled
    app.text_input(key=view.widget_key(view.SEEDS)).set_value("one").run()
    assert app.button(key="race.start").disabled
    assert any("These are no seeds" in text for text in words(app))


def test_what_is_chosen_is_in_the_address_and_an_address_is_chosen(asked, yard):
    app = AppTest.from_function(page, default_timeout=WAIT)
    app.query_params["v"] = "1"
    app.query_params["data"] = "toy2d:noise=0.2"
    app.query_params["strategies"] = "random.hardest"
    app.query_params["margin"] = "0.5"
    app.query_params["P"] = "5"
    app.run()
    settings, strategies, _ = asked["questions"][0]
    assert (settings["data"], settings["margin"], settings["classes_per_batch"]) == ("toy2d:noise=0.2", 0.5, 5)
    assert strategies == ["random", "hardest"]
    assert app.number_input(key="race.dial.toy2d.noise").value == 0.2
    app.number_input(key="race.dial.toy2d.classes").set_value(5).run()
    assert asked["questions"][-1][0]["data"] == "toy2d:classes=5,noise=0.2"
    assert app.query_params["data"] == "toy2d:classes=5,noise=0.2"
    app.button(key="race.preset.0").click().run()
    assert asked["questions"][-1][0]["data"] == "digits"
    assert "data" not in app.query_params


def test_a_path_is_never_taken_from_an_address(asked, yard, tmp_path, monkeypatch):
    monkeypatch.setattr(form, "loopback", lambda *_: True)
    app = AppTest.from_function(page, default_timeout=WAIT)
    app.query_params["data"] = str(tmp_path)
    app.run()
    assert asked["questions"][0][0]["data"] == "digits"
    app.button(key="race.data.own").click().run()
    app.text_input(key="race.own.path").set_value("nowhere/at/all").run()
    assert any("There is no file or folder nowhere/at/all" in text for text in words(app))
    app.text_input(key="race.own.path").set_value(str(tmp_path)).run()
    assert asked["questions"][-1][0]["data"] == str(tmp_path)
    assert "data" not in app.query_params


def test_an_upload_is_kept_beside_the_runs_under_a_name_that_leads_nowhere(app, asked, tmp_path):
    app.run()
    app.button(key="race.data.own").click().run()
    app.file_uploader[0].set_value(("../../evil.csv", b"x", ""))
    app.run()
    place = Path(asked["questions"][-1][0]["data"])
    assert place.name == "evil.csv"
    assert place.is_relative_to(tmp_path / "runs" / ".uploads")
    assert place.read_bytes() == b"x"


def test_a_race_starts_is_listed_paused_cancelled_and_resumed(app, yard):
    app.run()
    app.number_input(key=view.widget_key(view.STEPS)).set_value(100_000).run()
    app.pills[0].set_value(["random", "semi-hard"]).run()
    app.text_input(key=view.TITLE).set_value("My <b>race</b>").run()
    app.button(key="race.start").click().run()
    (planned,) = yard.races()
    assert planned.plan.title == "My <b>race</b>"
    assert [run.config.strategy for run in planned.runs] == ["random", "semi-hard"]
    assert "My <b>race</b>" in words(app), "as text, never as markup"
    about = f"list.{planned.folder.name}.random"
    until(app, lambda: any("steps/s" in text for text in words(app)))
    assert any(text == "semi-hard: waits for its turn" for text in words(app))
    app.button(key=f"race.pause.{about}").click().run()
    until(app, lambda: any("random: paused at step" in text for text in words(app)))
    app.button(key=f"race.go.{about}").click().run()
    until(app, lambda: yard.race(planned.folder).runs[0].state == "running")
    app.button(key=f"race.cancel.list.{planned.folder.name}.semi-hard").click().run()
    assert "semi-hard: cancelled before it began" in words(app)
    app.button(key=f"race.cancel.{about}").click().run()
    until(app, lambda: any("random: stopped at step" in text for text in words(app)))
    app.button(key=f"race.resume.{about}").click().run()
    until(app, lambda: yard.race(planned.folder).runs[0].state == "running")


def test_a_browser_that_is_slow_to_draw_is_told_the_values_again(app, monkeypatch):
    """What was told in a draw that it did not come to show would be lost, and a zero be taken for a choice."""
    app.run()
    app.run()
    steps = app.number_input(key=view.widget_key(view.STEPS))
    assert (steps.proto.set_value, steps.value) == (True, 400)
    assert app.pills[0].proto.set_value
    monkeypatch.setattr(form, "_TOLD_AGAIN", 0.0)
    app.run()
    assert not app.number_input(key=view.widget_key(view.STEPS)).proto.set_value, "somebody may be typing"


def test_all_pills_are_not_lost_at_once(app):
    """A browser that draws the pills anew before it is told which are chosen says that none are; nobody clicked."""
    app.run()
    chosen = app.pills[0].value
    assert len(chosen) > 1
    app.pills[0].set_value([]).run()
    assert app.pills[0].value == chosen, "told again"
    assert app.pills[0].proto.set_value
    app.pills[0].set_value(chosen[:1]).run()
    app.pills[0].set_value([]).run()
    assert app.pills[0].value == [], "one by one they can all be taken away"


def test_a_run_that_could_not_start_says_why_and_shows_the_end_of_its_log(app, yard):
    yard.start(race(TrainConfig(steps=3), ["hardest"], [0], title="No"), "no")
    end = time.monotonic() + WAIT
    while not yard.races()[0].over:
        assert time.monotonic() < end
        time.sleep(0.05)
    app.run()
    assert "hardest: could not start: this cannot be, on any account." in words(app)
    assert "tripletscope: this cannot be, on any account." in words(app)


def test_the_estimate_is_the_sum_of_what_was_timed():
    wanted = Wanted({"steps": 400}, ("random", "batch-hard"), (0, 1))
    answer = {
        **ANSWER,
        "paced": {
            "random": Paced(2, 0.01, 0.1, 10, 1, 2).to_dict(),
            "batch-hard": Paced(2, 0.02, 0.1, 10, 1, 2).to_dict(),
        },
    }
    one, other = 2 + 4 + 4 + 0.5, 2 + 8 + 4 + 0.5
    seconds, content = seconds_and_bytes(wanted, answer, 1)
    assert seconds == pytest.approx(2 * one + 2 * other)
    assert content == 4 * (10 + 400 + 80)
    assert seconds_and_bytes(wanted, answer, 2)[0] == pytest.approx(other + other), "they take turns on two places"


TOY = {
    "data": "toy2d:classes=4,points=12",
    "dim": 2,
    "normalize": False,
    "classes_per_batch": 4,
    "samples_per_class": 3,
}


@pytest.mark.parametrize(
    ("settings", "names", "field", "part"),
    [
        ({"classes_per_batch": 5}, ["random"], "classes_per_batch", "the data have 4"),
        ({"samples_per_class": 13}, ["random"], "samples_per_class", "the largest class has 12 samples"),
        ({"lr": 0.0}, ["random"], "lr", "above 0"),
        ({"dim": 0}, ["random"], "dim", "1 or more"),
        ({"data": "toy3d"}, ["random"], "data", "Did you mean 'toy2d'?"),
        ({"data": "toy2d:noise=7"}, ["random"], "data", "0 to 0.5"),
        ({"data": "/nowhere.csv"}, ["random"], "data", "no file or folder"),
        ({"device": "abacus"}, ["random"], "device", "abacus"),
        ({"model": "cnn"}, ["random"], "model", "images"),
        (
            {"label_noise": 1.0},
            ["random"],
            "label_noise",
            "“Label noise” is 1.0, but it has to be 0 or more and below 1",
        ),
        ({"imbalance": 0.0}, ["random"], "imbalance", "above 0 and at most 1"),
        ({"imbalance": 0.1}, ["random"], "imbalance", "each class needs 2"),
        ({}, ["distance-weighted"], "normalize", "“Normalise”"),
        ({}, ["quadruplets"], "strategy", "quadruplets"),
        ({"classes_per_batch": 2}, ["quadruplet"], "classes_per_batch", "third"),
        ({"shadow": ["nobody"]}, ["random"], "shadow", "nobody"),
        ({"filter": ["perc-pos=0.9"]}, ["random"], "filter", "switch on “Normalise”, or use “Distance” cosine"),
        ({"filter": ["perc-pos=7"], "normalize": True}, ["random"], "filter", "“Filter”: The share of the filter"),
        ({"filter": ["perk-pos=0.9"], "normalize": True}, ["random"], "filter", "perc-pos"),
        ({"filter": ["perc-pos=0.9"], "normalize": True}, ["hard-aware"], "filter", "no meaning for 'hard-aware'"),
        ({"loss": "sct"}, ["random"], "normalize", "needs embeddings of length 1: switch on “Normalise”"),
        ({"loss": "quadruplet"}, ["semi-hard", "quadruplet"], "loss", "'semi-hard' picks no second negatives"),
        ({"loss": "triplet-center"}, ["random"], "loss", "of that name only: choose “Loss” triplet, or use"),
        ({"loss": "sct", "normalize": True}, ["batch-all"], "loss", "one of listed picks: choose “Loss” triplet"),
        ({"loss": "sct", "normalize": True, "soft_margin": True}, ["random"], "soft_margin", "has no soft form"),
        ({"loss": "triplets"}, ["random"], "loss", "quadruplet"),
        ({}, [], "strategy", "at least one"),
    ],
)
def test_the_real_checks_refuse_before_the_start(settings, names, field, part, tmp_path):
    told = check.check({**TOY, **settings}, names, [0], str(tmp_path))
    assert told["refusals"], told
    first = told["refusals"][0]
    assert part in first["text"]
    assert "--" not in first["text"], "the page's words, not the command line's"
    if field:
        assert first["field"] == field
    assert not told["paced"]


def test_what_can_start_is_timed_and_small_classes_are_told_of(tmp_path):
    told = check.check(
        {**TOY, "data": "toy2d:classes=4,points=12,imbalance=6", "steps": 400},
        ["random", "semi-hard"],
        [0],
        str(tmp_path),
    )
    assert told["refusals"] == []
    assert told["frames"] == frames_of(400) == 40
    assert told["facts"] == {
        "name": told["facts"]["name"],
        "kind": "features",
        "rows": told["facts"]["rows"],
        "classes": 4,
        "smallest": 2,
        "largest": 12,
        "shape": [2],
    }
    assert told["notes"][-1]["field"] == "samples_per_class"
    assert "No sample stands twice" in told["notes"][-1]["text"]
    for paced in told["paced"].values():
        assert 0 < paced["step"] < 5
        assert paced["per_frame"] > 8 * told["facts"]["rows"], "a frame holds two floats for each sample"
    assert not list(tmp_path.iterdir()), "nothing of it stays"


def test_a_batch_above_the_memory_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "_memory", lambda: 1000)
    told = check.check(TOY, ["random"], [0], str(tmp_path))
    assert told["refusals"][0]["field"] == "classes_per_batch"
    assert "memory" in told["refusals"][0]["text"]
    monkeypatch.setattr(check, "_memory", lambda: None)
    monkeypatch.setattr(check, "_free", lambda root: 1000)
    told = check.check(TOY, ["random"], [0], str(tmp_path))
    assert told["refusals"][0]["field"] == "steps"
    assert "free on the disk" in told["refusals"][0]["text"]


def test_planted_flaws_are_told_in_numbers_before_the_start(tmp_path):
    settings = {**TOY, "label_noise": 0.25, "imbalance": 0.5}
    told = check.check(settings, ["random"], [0, 1], str(tmp_path))
    assert told["refusals"] == []
    notes = {note["field"]: note["text"] for note in told["notes"]}
    kept = 12 + 9 + 7 + 6  # floor(12 / 2^(i / 3))
    assert notes["imbalance"] == (
        f"A long tail: {kept} of 48 samples will be left, 12 in the commonest class and 6 in the rarest."
    )
    assert notes["label_noise"] == f"{round(kept / 4)} of {kept} labels will be wrong; the run keeps the truth."
    assert told["facts"]["rows"] == 48, "the data are described as they are"
    assert told["paced"]


def test_filters_stand_in_the_form_and_in_the_address(asked, yard):
    app = AppTest.from_function(page, default_timeout=WAIT)
    app.query_params["v"] = "1"
    app.query_params["filter"] = "perc-pos=0.9"
    app.run()
    assert asked["questions"][-1][0]["filter"] == ["perc-pos=0.9"]
    assert app.number_input(key="race.filter.perc-pos").value == 0.9
    app.number_input(key="race.filter.perc-pos").set_value(0.8).run()
    assert app.query_params["filter"] == "perc-pos=0.8"
    app.pills(key=view.widget_key(view.FILTER)).set_value(["perc-pos", "topk-abs"]).run()
    assert asked["questions"][-1][0]["filter"] == ["topk-abs=0.7", "perc-pos=0.8"], "a new one has its paper's number"
    buttons = {button.label: button for button in app.button}
    buttons["Take Label noise 20 %"].click().run()
    assert not app.exception
    assert asked["questions"][-1][0]["filter"] == []
    assert "filter" not in app.query_params


def test_the_loss_is_each_strategys_own_until_one_is_chosen(asked, yard, monkeypatch):
    cards = [strategies.get(name).describe() for name in ("random", "semi-hard", "quadruplet", "sct")]
    losses = {"triplet": "Triplet", "sct": "Selectively contrastive", "quadruplet": "Quadruplet"}
    monkeypatch.setitem(ANSWER, "choices", {**ANSWER["choices"], "strategies": cards, "losses": losses})
    app = AppTest.from_function(page, default_timeout=WAIT)
    app.query_params["v"] = "1"
    app.query_params["strategies"] = "random.quadruplet.sct"
    app.run()
    assert "loss" not in asked["questions"][-1][0], "so each trains with its own"
    field = app.selectbox(key=view.widget_key(view.LOSS))
    assert field.value is None
    own = "Of their own: Selectively contrastive, Quadruplet. The others: Triplet."
    assert own in [text.value for text in app.text]
    field.select("quadruplet").run()
    assert asked["questions"][-1][0]["loss"] == "quadruplet"
    assert app.query_params["loss"] == "quadruplet"
    assert own not in [text.value for text in app.text]
    asked["refusals"].append(("loss", "'random' picks no second negatives, which the loss 'quadruplet' needs."))
    app.number_input(key=view.widget_key(view.STEPS)).set_value(50).run()
    assert "'random' picks no second negatives, which the loss 'quadruplet' needs." in [text.value for text in app.text]
    asked["refusals"].clear()
    app.selectbox(key=view.widget_key(view.LOSS)).set_value(None).run()
    assert "loss" not in asked["questions"][-1][0]
    assert "loss" not in app.query_params
    app.selectbox(key=view.widget_key(view.LOSS)).select("sct").run()
    app.button(key="race.preset.0").click().run()
    assert not app.exception
    assert "loss" not in asked["questions"][-1][0], "a preset begins with what its race had"


def test_a_link_with_a_loss_that_is_not_there_shows_it_to_be_refused(asked, yard):
    app = AppTest.from_function(page, default_timeout=WAIT)
    app.query_params["v"] = "1"
    app.query_params["loss"] = "theirs"
    app.run()
    assert not app.exception
    assert app.selectbox(key=view.widget_key(view.LOSS)).value == "theirs"
    assert asked["questions"][-1][0]["loss"] == "theirs"


def test_what_can_be_chosen_has_every_loss():
    assert check.choices()["losses"]["quadruplet"] == "Quadruplet"
    assert list(check.choices()["losses"]) == [loss.name for loss in LOSSES]


def test_a_recorded_filter_comes_back_as_a_preset():
    values = presets.values_of({"strategy": "hardest", "filter": {"perc-pos": 0.9}})
    assert values[view.FILTER] == ("perc-pos=0.9",)
    assert presets.values_of({"strategy": "hardest"})[view.FILTER] == ()


def test_flaws_stand_in_the_form_the_address_and_two_presets(asked, yard):
    app = AppTest.from_function(page, default_timeout=WAIT)
    app.query_params["v"] = "1"
    app.query_params["label-noise"] = "0.1"
    app.query_params["imbalance"] = "7"  # no ratio: passed over
    app.run()
    assert asked["questions"][-1][0]["label_noise"] == 0.1
    assert asked["questions"][-1][0]["imbalance"] == 1.0
    app.number_input(key=view.widget_key(view.IMBALANCE)).set_value(0.5).run()
    assert (app.query_params["label-noise"], app.query_params["imbalance"]) == ("0.1", "0.5")
    assert asked["questions"][-1][0]["imbalance"] == 0.5
    buttons = {button.label: button for button in app.button}
    buttons["Take Long tail"].click().run()
    assert not app.exception
    settings = asked["questions"][-1][0]
    assert (settings["label_noise"], settings["imbalance"], settings["dim"]) == (0.0, 0.05, 2)
    buttons = {button.label: button for button in app.button}
    buttons["Take Label noise 20 %"].click().run()
    settings, strategies, _ = asked["questions"][-1]
    assert (settings["label_noise"], settings["imbalance"]) == (0.2, 1.0)
    assert strategies == ["random", "semi-hard", "batch-hard"]
    app.button(key="race.preset.0").click().run()
    assert asked["questions"][-1][0]["label_noise"] == 0.0, "a recorded race had none"


def test_the_pictures_of_flaws_show_what_they_say():
    noise, tail = flaw_pictures.wrong_labels_picture(), flaw_pictures.long_tail_picture()
    assert noise.count('r="5"') == 60
    assert noise.count('r="8"') == 12, "a fifth"
    heights = [float(found) for found in re.findall(r'height="([0-9.]+)" rx', tail)]
    assert heights[0] == 100
    assert heights[-1] == 5
    ratios = {round(after / before, 1) for before, after in pairwise(heights)}
    assert ratios == {0.7}


def test_the_pictures_that_come_along_are_what_would_be_drawn(tmp_path):
    """After a change of a data set: `make chips`."""
    chips.ship(tmp_path)
    drawn = sorted(place.name for place in tmp_path.iterdir())
    assert drawn == sorted(f"{name}.png" for name in datasets.names() if chips.kept_chip(name).parent == chips.SHIPPED)
    assert drawn == sorted(place.name for place in chips.SHIPPED.iterdir())
    assert sum(place.stat().st_size for place in chips.SHIPPED.iterdir()) < 40_000
    for name in drawn:
        shipped = np.asarray(Image.open(chips.SHIPPED / name).convert("RGB")).astype(int)
        true = datasets.get(name.removesuffix(".png")).picture()
        assert shipped.shape == true.shape
        assert np.abs(shipped - true).mean() < 3, "a palette's rounding"


def test_a_chip_that_does_not_come_along_is_drawn_once(monkeypatch, tmp_path):
    monkeypatch.setenv("TRIPLETSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(chips, "SHIPPED", tmp_path / "none")
    assert chips.kept_chip("toy2d") is None
    place = chips.write_chip("toy2d")
    assert place.read_bytes().startswith(b"\x89PNG")
    assert chips.kept_chip("toy2d") == place == chips.write_chip("toy2d")


@pytest.mark.parametrize("top", ["", "photos/"])
def test_a_zip_of_pictures_becomes_a_folder_for_each_class(tmp_path, top):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for kind in ("cat", "dog"):
            for number in range(3):
                drawn = io.BytesIO()
                Image.new("RGB", (12, 12), (80 * number, 100, 50)).save(drawn, "PNG")
                made.writestr(f"{top}{kind}/{number}.png", drawn.getvalue())
        made.writestr(f"{top}read-me.txt", "hello")
        made.writestr("__MACOSX/cat/._0.png", "x")
    (tmp_path / "pets.zip").write_bytes(out.getvalue())
    folder = pictures_zip.opened(tmp_path / "pets.zip", tmp_path / "pets")
    data = datasets.load(folder)
    assert (len(data), data.samples.class_names) == (6, ["cat", "dog"])


@pytest.mark.parametrize(
    ("name", "part"), [("../out.png", "leads out"), ("/out.png", "leads out"), ("a/b.txt", "no pictures")]
)
def test_a_zip_that_leads_out_or_holds_no_pictures_is_refused(tmp_path, name, part, monkeypatch):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as made:
        made.writestr(name, "x" * 100)
    with pytest.raises(DataError, match=part):
        pictures_zip.opened(tmp_path / "odd.zip", tmp_path / "odd")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["odd.zip"]
    with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/1.png", "x" * 100_000)
    monkeypatch.setattr(pictures_zip, "LIMIT", 1000)
    with pytest.raises(DataError, match="holds more than"):
        pictures_zip.opened(tmp_path / "big.zip", tmp_path / "big")


@pytest.mark.parametrize("place", range(3))
def test_a_preset_trains_on_what_was_recorded(place):
    """Down to the samples: the digest of the data is that of the shipped run."""
    preset = presets.presets()[place]
    run = Run.open(preset.race.paths[0])
    values = {control.key: value for control, value in preset.values.items()}
    data = datasets.load(
        values[view.DATA.key],
        image_size=values.get(view.IMAGE_SIZE.key),
        standardize=bool(values.get(view.STANDARDIZE.key)),
    )
    assert data.digest == run.config["data"]["digest"]
    assert view.DATA.read(view.DATA.write(values[view.DATA.key])) == values[view.DATA.key], "a link brings it along"


def test_a_composed_strategy_races_and_one_that_makes_no_sense_is_refused_beside_its_axis(app, asked):
    app.run()
    assert not app.exception
    app.selectbox(key="race.compose.negative").set_value("farthest").run()
    app.selectbox(key="race.compose.fallback").set_value("nearest").run()
    made = parse("pair:all, negative:farthest, lower:positive, upper:margin, fallback:nearest")
    assert made.summary in words(app)
    app.button(key="race.compose.add").click().run()
    assert not app.exception
    assert asked["questions"][-1][1] == ["random", "semi-hard", "batch-hard", made.name]
    assert app.pills[0].value == ["random", "semi-hard", "batch-hard", made.name]
    assert any(made.title in text for text in words(app)), "and the form says what it does"
    assert app.button(key="race.compose.add").disabled
    longest = race(TrainConfig(), [made.name], [0, 1], title="Mine")
    write(Path(), longest)
    assert read(Path()) == longest, "its name is long, and several seeds make it longer"
    # In a link, like any other.
    other = AppTest.from_function(page, default_timeout=WAIT)
    other.query_params.update({"v": "1", "strategies": f"random.{made.name}"})
    other.run()
    assert other.pills[0].value == ["random", made.name]
    app.selectbox(key="race.compose.lower").set_value("margin").run()
    assert any(text.startswith("The axis upper is 'margin'") for text in words(app))
    assert not [button for button in app.button if button.key == "race.compose.add"]
