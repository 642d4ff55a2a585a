"""Whole races in a real browser, from Start to Compare, on every kind of data; two people; a server that is killed."""

from __future__ import annotations

import os
import signal
import zipfile

import pandas as pd
import pytest
from PIL import Image, ImageDraw
from tests.app.test_browser_race import Visitor
from tests.app.test_browser_watch import ROOT, SETTLED, Server

from tripletscope import datasets
from tripletscope.cli import main
from tripletscope.config import as_arguments
from tripletscope.store.reader import Run
from tripletscope.store.status import read_status
from tripletscope_app.racing.warm import lives
from tripletscope_app.racing.yard import Yard

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMES = ("random", "semi-hard", "batch-hard")
#: Small enough to end soon, long enough to be paused; the slower the machine, the longer there is to press a button.
SETTINGS = "v=1&steps=1200&P=4&K=2&hidden=8"


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def yard(folder):
    return Yard(folder / "runs")


@pytest.fixture
def server(folder, yard):
    started = Server(folder)
    yield started
    started.stop()
    end_all(yard)


def end_all(yard: Yard) -> None:
    for planned in yard.races():
        for run in planned.runs:
            if not run.over:
                yard.cancel(planned.folder, run.name)
    yard.close()


def draw_pictures(place) -> None:
    """Five classes of small shapes, each a little elsewhere in every picture."""
    for number, name in enumerate(("bar", "box", "cross", "dot", "ring")):
        (place / name).mkdir(parents=True)
        for each in range(8):
            picture = Image.new("L", (12, 12))
            pen, x, y = ImageDraw.Draw(picture), 1 + each % 3, 1 + each // 3
            if number in (0, 2):
                pen.line((x, y, x, y + 7), 255)
            if number == 2:
                pen.line((x - 2, y + 3, x + 4, y + 3), 255)
            if number == 1:
                pen.rectangle((x, y, x + 6, y + 6), 255)
            if number == 3:
                pen.ellipse((x, y, x + 3, y + 3), 255)
            if number == 4:
                pen.ellipse((x, y, x + 7, y + 7), outline=255)
            picture.save(place / name / f"{each}.png")


def give_folder(visitor: Visitor, folder) -> str:
    draw_pictures(folder / "shapes")
    visitor.page.locator(".st-key-race-data-own button").click()
    field = visitor.page.get_by_label("A file or folder of this machine")
    field.fill(str(folder / "shapes"))
    field.press("Enter")
    visitor.page.get_by_text("Chosen: shapes").wait_for()
    return "shapes-race"


def give_zip(visitor: Visitor, folder) -> str:
    draw_pictures(folder / "packed" / "figures")
    with zipfile.ZipFile(folder / "figures.zip", "w") as made:
        for file in sorted((folder / "packed").rglob("*.png")):
            made.write(file, file.relative_to(folder / "packed"))
    visitor.page.locator(".st-key-race-data-own button").click()
    visitor.page.locator(".st-key-race-form input[type=file]").set_input_files(folder / "figures.zip")
    visitor.page.get_by_text("Chosen: figures").wait_for()
    return "figures-race"


def start(visitor: Visitor, yard: Yard, name: str) -> None:
    """The button is there when the settings were tried, and then the race is on the disk."""
    button = visitor.page.locator(".st-key-race-start button")
    visitor.until(lambda: button.count() == 1 and button.is_enabled())
    button.click()
    visitor.until(lambda: yard.race(yard.root / name) is not None)


def line(visitor: Visitor, race: str, run: str, key: str = "live"):
    return visitor.page.locator(f".st-key-race-run-{key}-{race}-{run}").last


def press(visitor: Visitor, race: str, run: str, button: str) -> None:
    line(visitor, race, run).get_by_role("button", name=button).click()


def drawn(visitor: Visitor, what: str = ROOT) -> None:
    visitor.until(lambda: visitor.page.locator(what).count())


def frames(visitor: Visitor) -> int:
    """How many frames the scrubber has."""
    look = "root => { const s = root.tripletscope.state(); return s.runs[s.run].frames.length }"
    return visitor.page.locator(ROOT).evaluate(look)


@pytest.mark.parametrize("data", ["digits", "glyphs", "emoji_faces", "folder", "zip"])
def test_a_race_from_start_to_compare(browser, server, folder, yard, data):
    own = {"folder": give_folder, "zip": give_zip}.get(data)
    assert own is not None or data in datasets.names()
    visitor = Visitor(browser, server, f"/race?{SETTINGS}" + ("" if own else f"&data={data}"))
    visitor.page.locator(".st-key-race-form").wait_for()
    name = own(visitor, folder) if own else f"{data}-race"
    start(visitor, yard, name)
    place = yard.root / name
    watch = visitor.page.get_by_role("button", name="Watch it").first
    visitor.until(lambda: watch.is_enabled())
    watch.click()
    drawn(visitor)

    # The map draws itself, and the scrubber grows.
    step, count = visitor.step(), frames(visitor)
    visitor.until(lambda: visitor.step() > step and frames(visitor) > count)

    # One run is paused, also for somebody who comes back, and goes on.
    going = [run.name for run in yard.race(place).runs if run.state == "running"][-1]
    press(visitor, name, going, "Pause")
    visitor.until(lambda: yard.race(place).runs[NAMES.index(going)].state == "paused")
    at = Run.open(place / going).step_count
    assert 0 < at < 1200
    visitor.page.reload()
    drawn(visitor)
    visitor.until(lambda: "paused at step" in visitor.live())
    assert Run.open(place / going).step_count == at

    # Another is cancelled: it keeps what it has, or never begins.
    other = next(run for run in yard.race(place).runs[::-1] if run.name != going and not run.over)
    press(visitor, name, other.name, "Cancel")
    visitor.until(lambda: yard.race(place).runs[NAMES.index(other.name)].over)
    press(visitor, name, going, "Go on")
    visitor.until(lambda: yard.race(place).over)
    told = {run.name: run.state for run in yard.race(place).runs}
    assert told.pop(other.name) in ("stopped", "cancelled")
    assert set(told.values()) == {"finished"}
    visitor.until(lambda: visitor.last_frame() == 1200 and not visitor.live())
    assert [Run.open(place / run).step_count for run in told] == [1200, 1200]

    # From the finished race to Compare, with its runs.
    visitor.page.goto(f"{server.address}/race")
    visitor.page.locator(f".st-key-race-compare-{name} button").click()
    begun = [run for run in NAMES if (place / run / "config.json").exists()]
    drawn(visitor, ".ts-compare[data-ready=true]")
    visitor.until(lambda: visitor.page.locator(".ts-compare-cell").count() == len(begun))
    for run in begun:
        assert visitor.page.locator(f".ts-compare-cell[data-run='{run}']").count() == 1
    visitor.page.wait_for_selector(SETTLED)
    assert f"{name}%2F{begun[0]}" in visitor.page.url or f"{name}/{begun[0]}" in visitor.page.url
    assert not visitor.page.locator("[data-testid=stException]").count()
    visitor.close()


def test_two_people_race_at_once_and_the_cap_holds(browser, server, yard):
    """The second one's runs wait for their turn; both races end, and each person has their own messages."""
    first = Visitor(browser, server, f"/race?{SETTINGS}&strategies=random.semi-hard")
    second = Visitor(browser, server, f"/race?{SETTINGS}&strategies=batch-hard.random&seeds=7&steps=300")
    start(first, yard, "digits-race")
    start(second, yard, "digits-race-2")
    most = 0

    def over() -> bool:
        nonlocal most
        alive = sum(run.state in ("running", "paused") for race in yard.races() for run in race.runs)
        most = max(most, alive)
        return all(race.over for race in yard.races())

    second.until(over)
    assert 0 < most <= yard.most
    assert {run.state for race in yard.races() for run in race.runs} == {"finished"}

    # What one deletes the other does not find, and only the one who did it is asked whether to undo.
    first.page.goto(f"{server.address}/?run=digits-race/random")
    drawn(first)
    first.page.get_by_role("button", name="All runs…").click()
    gallery = first.page.get_by_role("dialog")
    gallery.locator(".st-key-gallery-zip-digits-race-2").wait_for()
    gallery.locator(".st-key-gallery-more-digits-race-2 button").click()
    first.page.locator(".st-key-gallery-delete-race-digits-race-2 button").click()
    first.until(lambda: yard.race(yard.root / "digits-race-2") is None)
    gallery.get_by_role("button", name="Undo").wait_for()
    second.page.reload()
    second.page.locator(".st-key-race-side").wait_for()
    second.until(lambda: second.page.locator(".st-key-race-card-race-digits-race").count() == 1)
    assert not second.page.get_by_role("button", name="Undo").count()
    gallery.get_by_role("button", name="Undo").click()
    first.until(lambda: yard.race(yard.root / "digits-race-2") is not None)
    for visitor in (first, second):
        assert not visitor.page.locator("[data-testid=stException]").count()
        visitor.close()


def test_a_server_that_is_killed_loses_nothing(browser, folder, yard):
    """Trainings go on without it, a new one starts what still waited, and every pick is that of an undisturbed run."""
    server = Server(folder)
    try:
        visitor = Visitor(browser, server, f"/race?{SETTINGS}")
        start(visitor, yard, "digits-race")
        place = yard.root / "digits-race"
        visitor.until(lambda: any(run.step > 20 for run in yard.race(place).runs))
        visitor.context.close()
        going = [run for run in yard.race(place).runs if run.state == "running"]
        assert going
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server.log.close()
        for run in going:
            said = read_status(run.path)
            assert said["state"] == "finished" or lives(said["pid"])
            assert os.getsid(said["pid"]) == said["pid"] if said["state"] == "running" else True
        server = Server(folder)
        visitor = Visitor(browser, server, "/?run=digits-race")
        drawn(visitor)
        visitor.until(lambda: yard.race(place).over)
        assert [run.state for run in yard.race(place).runs] == ["finished"] * 3
        visitor.until(lambda: visitor.last_frame() == 1200 and not visitor.live())
        visitor.close()
        for run in {going[0].name, NAMES[-1]}:
            undisturbed = folder / "alone" / run
            config = yard.race(place).plan.runs[run]
            assert main(["train", *as_arguments(config), "--quiet", "--out", str(undisturbed)]) == 0
            one, other = Run.open(place / run), Run.open(undisturbed)
            assert one.step_count == other.step_count == 1200
            pd.testing.assert_frame_equal(one.picks(), other.picks())
    finally:
        server.stop()
        end_all(yard)
