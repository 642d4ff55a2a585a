"""What a filter took, on the page that is shared: in the trainer's lane, in words, in numbers; others keep all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tripletscope import Recorder, Run, datasets
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.cli import main
from tripletscope.config import TrainConfig
from tripletscope.training import record

pytestmark = pytest.mark.browser
WAIT = 120_000  # a loaded machine is slow, and that is not what is tested here
HERE = "document.querySelector('#host').shadowRoot.querySelector('.ts-instrument')"
CONFIG = TrainConfig(
    data="toy2d:classes=4,points=12",
    strategy="hardest",
    shadow=("easy-positive",),
    steps=6,
    dim=3,
    classes_per_batch=4,
    filter={"perc-pos": 0.9},
)


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a run's one-file page, without any server; at the end no page may have logged an error."""
    wrong, pages = [], []

    def open_(run: Path):
        file = tmp_path / f"{run.name}.html"
        assert main(["export", str(run), "--what", "html", "--out", str(file)]) == 0
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        pages.append(page)
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-shared=ready]")
        page.wait_for_selector(".ts-instrument[data-ready=true]")
        page.wait_for_selector(".ts-lane-pick, .ts-lane-filtered", state="attached")
        return page

    yield open_
    for page in pages:
        page.close()
    assert wrong == []


def lane(page, name):
    """What the sentence says once that lane is chosen."""
    page.locator(f".ts-lane-name[data-lane={name}]").click()
    page.wait_for_function(f"(name) => {HERE}.tripletscope.state().lane === name", arg=name)
    page.mouse.move(5, 5)
    page.wait_for_function(f"() => {HERE}.tripletscope.state().hoverLane === null")
    return page.inner_text(".ts-sentence-words")


def here(page, run):
    """(negatives, those that the filter took) of what is on screen, by the rule in float64."""
    shown = {name: page.evaluate(f"{HERE}.tripletscope.state().{name}") for name in ("anchor", "positive", "frame")}
    told = anchor_answer(run, shown["anchor"])
    d = dict(zip(told["candidates"], told["distances"][shown["frame"]].astype(np.float64), strict=True))
    positive = shown["positive"] if shown["positive"] in told["positives"] else told["positives"][0]
    similar = {n: 1 - d[n] ** 2 / 2 for n in told["negatives"]}
    return told["negatives"], [n for n, s in similar.items() if s > 0.9 * (1 - d[positive] ** 2 / 2)]


def test_the_trainer_is_filtered_and_its_shadows_are_not(opened, tmp_path):
    record(CONFIG, datasets.load(CONFIG.data), tmp_path / "run")
    run = Run.open(tmp_path / "run")
    page = opened(tmp_path / "run")
    negatives, taken = here(page, run)
    assert 0 < len(taken) < len(negatives), "there is something to see"
    said = f"Filtered by perc-pos 0.9: {len(taken)} of {len(negatives)} negatives"
    assert said in lane(page, "hardest")
    assert page.locator(".ts-lane-filtered").count() == 1, "one lane of all"
    assert f"perc-pos 0.9 filtered {len(taken)} of {len(negatives)}" in page.locator(".ts-ruler").text_content()
    assert "Hardest negative filtered, perc-pos 0.9" in page.locator(".ts-candidates-title").text_content()
    told = page.get_attribute(".ts-lane-name[data-lane=hardest]", "title")
    assert f"chooses from {len(negatives) - len(taken)} of {len(negatives)} negatives" in told
    for other in ("easy-positive", "batch-all"):
        assert "Not filtered; Hardest negative, which trains, is." in lane(page, other)
    step = int(page.get_attribute(".ts-instrument", "data-step"))
    found = page.inner_text(".ts-counter[data-name=mined] .ts-counter-meaning")
    assert found == f"{run.lines[min(step, run.step_count - 1)]['filtered']} filtered"


def test_batch_all_uses_what_is_left(opened, tmp_path):
    record(replace(CONFIG, strategy="batch-all"), datasets.load(CONFIG.data), tmp_path / "run")
    page = opened(tmp_path / "run")
    negatives, taken = here(page, Run.open(tmp_path / "run"))
    assert taken
    text = lane(page, "batch-all")
    assert f"uses every negative that is left: {len(negatives) - len(taken)} with this positive" in text
    counted = [int(found) for found in re.findall(r"([0-9]+) (?:hard|semi-hard|easy)\b", text)]
    assert sum(counted[:3]) == len(negatives) - len(taken)
    assert (
        f"all {len(negatives) - len(taken)} of {len(negatives)} that perc-pos 0.9 left"
        in page.locator(".ts-ruler").text_content()
    )


def test_a_loop_that_filtered_by_a_rule_of_its_own_is_told_of(opened, tmp_path):
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(12, 2)).astype(np.float32), np.arange(12) // 4
    with Recorder(tmp_path / "run", margin=0.5, training="hardest") as recorder:
        for _ in range(3):
            recorder.step(points, labels, ids=range(12), triplets=([0], [1], [5]), floors=np.full(36, 1.0, np.float32))
            recorder.frame(points, range(12))
    page = opened(tmp_path / "run")
    assert "The loop filtered negatives, and does not say how" in lane(page, "hardest")
    assert page.locator(".ts-lane-filtered").count() == 0
