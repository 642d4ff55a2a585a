"""A run as one page: nothing is lost on the way, nothing is fetched, and the instrument works without a server."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis.answer import unpack_answer
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.cli import main
from tripletscope.errors import RunError
from tripletscope_app.share.anchors import evenly
from tripletscope_app.share.coding import plaited, unplaited
from tripletscope_app.share.page import Shared, page_of

SHIPPED = Path(__file__).resolve().parents[2] / "sample_data" / "races" / "digits-2d"
#: "under 2 MB for the shipped run"
MOST = 2_000_000


@given(arrays.arrays(np.float32, some.tuples(some.integers(1, 4), some.integers(1, 5), some.just(2)),
                     elements=some.floats(width=32)))  # fmt: skip
def test_points_come_back_bit_for_bit(points):
    back = unplaited(plaited(points), points.shape[0], points.shape[1])
    assert (back.view(np.uint32) == points.view(np.uint32)).all()


@given(some.lists(some.integers(0, 4), min_size=1, max_size=60), some.integers(1, 70), some.data())
def test_anchors_are_of_all_classes_and_each_once(labels, count, data):
    labels = np.array(labels)
    first = data.draw(some.integers(0, len(labels) - 1))
    chosen = evenly(labels, first, count)
    assert chosen[0] == first
    assert len(set(chosen)) == len(chosen) <= count
    sizes = np.bincount(labels)
    assert all(sizes[labels[one]] > 1 for one in chosen[1:])
    usable = np.flatnonzero(sizes > 1).tolist()
    if count > len(usable):
        assert {int(labels[one]) for one in chosen} >= set(usable)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The page of the shipped semi-hard run, made by the command."""
    out = tmp_path_factory.mktemp("page") / "semi-hard.html"
    assert main(["export", str(SHIPPED / "semi-hard"), "--what", "html", "--out", str(out)]) == 0
    return out


def told(page: str) -> dict:
    return json.loads(re.search(r'id="shared">(.*?)</script>', page, re.S)[1])


def test_the_page_is_small_and_holds_the_engine_s_own_answers(shipped):
    page = shipped.read_text(encoding="utf-8")
    assert len(page.encode()) < MOST
    assert "http://" not in page.replace("http://www.w3.org", "")
    held = told(page)
    run = Run.open(SHIPPED / "semi-hard")
    (answers,) = held["answers"].values()
    assert len(answers) == len(held["anchors"]) >= 30
    anchor, packed = list(answers.items())[7]
    back = unpack_answer({"anchor": int(anchor), "margin": run.margin, "z": packed}, run)
    true = anchor_answer(run, int(anchor))
    assert back["candidates"] == list(true["candidates"])
    for name, picks in true["picks"].items():
        assert (np.asarray(back["picks"][name]) == np.asarray(picks)).all()


def test_words_of_a_run_cannot_become_markup(tmp_path):
    evil = "</script><script>document.title = 'pwned'</script>"
    who = tiny.samples()
    who = replace(who, class_names=[evil, *who.class_names[1:]])
    run = Run.open(tiny.record(tmp_path / "evil", samples=who))
    page = page_of(Shared([run], evil, note=evil))
    assert evil not in page
    assert told(page)["view"]["version"] == 1


def test_what_cannot_be_shared_is_refused(tmp_path, capsys):
    run = tiny.record(tmp_path / "one")
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert main(["export", str(run), "--what", "html", "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert main(["export", str(run), "--what", "html", "--out", str(tmp_path / "page.csv")]) == 2
    assert main(["export", str(run), "--what", "html", "--out", str(tmp_path / "no" / "page.html")]) == 2
    assert main(["export", str(run), str(run), "--what", "picks", "--out", str(tmp_path / "x.csv")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 4
    assert all(line.startswith("tripletscope: ") and "Traceback" not in line for line in said)
    other = Run.open(tiny.record(tmp_path / "two", samples=_fewer()))
    with pytest.raises(RunError, match="other samples"):
        page_of(Shared([Run.open(run), other], "both"))


def _fewer():
    who = tiny.samples()
    rows = np.arange(0, len(who), 2)
    return replace(who, ids=np.asarray(who.ids)[rows], labels=who.labels[rows], thumbs=who.thumbs[rows])


def until(page, script):
    """Waits until it holds. The page forbids eval, which the browser driver's own waiting needs."""
    end = time.monotonic() + 30
    while not page.evaluate(script):
        assert time.monotonic() < end, script
        time.sleep(0.05)


@pytest.mark.browser
def test_the_page_works_from_a_file_with_the_network_off(browser, shipped):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shipped.as_uri()}?step=60")
    page.wait_for_selector("body[data-shared=ready]")
    page.evaluate("globalThis.it = document.getElementById('host').shadowRoot.querySelector('.ts-instrument')")
    run = Run.open(SHIPPED / "semi-hard")

    # The points are the recorded ones, bit for bit.
    frame = run.frame_steps.index(64)
    points = page.evaluate("f => { const r = Object.values(__tripletscope.runs)[0];"
                           " return [...r.pos.subarray(f * 2 * r.n, (f + 1) * 2 * r.n)]; }", frame)  # fmt: skip
    assert np.array_equal(np.float32(points), np.asarray(run.frames[64], np.float32).ravel())

    # Scrubber: the address was heard; keys move time.
    step = lambda: int(page.evaluate("it.dataset.step"))  # noqa: E731
    before = step()
    assert before == min(run.frame_steps, key=lambda one: abs(one - 60))
    page.keyboard.press("ArrowRight")
    until(page, f"Number(it.dataset.step) > {before}")

    # Ruler and sentence: of an anchor that the file knows; a click on another goes to the nearest one.
    known = told(shipped.read_text())["anchors"]
    other = next(one for one in range(1797) if one not in known)
    page.evaluate(f"it.tripletscope.select({other})")
    until(page, f"{json.dumps(known)}.includes(Number(it.dataset.anchor)) && it.dataset.positive !== ''")
    assert "nearest of them" in page.evaluate("it.querySelector('.ts-message').innerText")
    anchor, at = int(page.evaluate("it.dataset.anchor")), step()
    assert run.samples.class_of(int(run.probe_rows[anchor])) == run.samples.class_of(int(run.probe_rows[other]))
    answer = anchor_answer(run, anchor)
    pick = answer["picks"]["semi-hard"][list(answer["frames"]).index(at)]
    words = page.evaluate("it.querySelector('.ts-sentence-first').innerText")
    place = answer["positives"].index(int(page.evaluate("it.dataset.positive")))
    assert ("abstains" in words) == (pick[place] < 0), (words, pick)

    # Plane and strip are drawn.
    for panel in (".ts-plane canvas", ".ts-strip canvas"):
        page.evaluate(f"it.querySelector('{panel}').scrollIntoView()")
        until(
            page,
            f"(() => {{ const c = it.querySelector('{panel}'); const g = c.getContext('2d');"
            " return g && c.width && new Set(g.getImageData(0, 0, c.width, c.height).data).size > 20; })()",
        )
    page.click("#theme")
    until(page, "it.dataset.theme === 'dark'")
    assert wrong == []
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked
    context.close()
