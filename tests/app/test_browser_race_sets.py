"""Whole races in a real browser, from Start to Compare, on every kind of data; two people; a server that is killed."""

from __future__ import annotations

import os
import signal
import time
import zipfile

import pandas as pd
import pytest
from PIL import Image, ImageDraw
from tests.app.test_browser_race import LONG, Visitor
from tests.app.test_browser_watch import ROOT, SETTLED, Server

from tripletscope import datasets
from tripletscope.cli import main
from tripletscope.config import as_arguments
from tripletscope.store.reader import Run
from tripletscope.store.status import read_status
from tripletscope_app.racing.warm import lives
from tripletscope_app.racing.yard import Planned, Yard

pytestmark = [pytest.mark.browser, pytest.mark.slow]
#: Small enough to end soon; where a test needs time, it pauses what trains.
STEPS = 240
SETTINGS = f"v=1&steps={STEPS}&P=4&K=2&hidden=8"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server for all data sets, one after the other."""
    folder = tmp_path_factory.mktemp("sets")
    started = Server(folder)
    yield folder, started
    started.stop()
    end_all(Yard(folder / "runs"))


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
    field = visitor.page.get_by_role("textbox", name="A file or folder of this machine")
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


def hold(yard: Yard, race, *, all_of_them: bool = False) -> Planned:
    """The race with its first run paused soon after its first step, or all that are under way."""
    deadline = time.monotonic() + LONG / 1000
    while True:  # without the browser, which may be slow to answer
        planned = yard.race(race)
        assert time.monotonic() < deadline, planned
        wanted = [run for run in planned.runs if run.alive] if all_of_them else planned.runs[:1]
        assert not any(run.over for run in planned.runs[:1]), f"it was over before it could be paused: {planned}"
        for run in wanted:
            if run.state == "running":
                yard.pause(run.path)
        if wanted and all(run.state == "paused" and run.step for run in wanted):
            return planned
        time.sleep(0.02)


def drawn(visitor: Visitor, what: str = ROOT) -> None:
    visitor.until(lambda: visitor.page.locator(what).count())


@pytest.mark.parametrize("data", ["digits", "glyphs", "emoji_faces", "folder", "zip"])
def test_a_race_from_start_to_compare(browser, shared, data):
    folder, server = shared
    yard = Yard(folder / "runs")
    own = {"folder": give_folder, "zip": give_zip}.get(data)
    assert own is not None or data in datasets.names()
    visitor = Visitor(browser, server, f"/race?{SETTINGS}&strategies=random.semi-hard&data={'digits' if own else data}")
    visitor.page.locator(".st-key-race-form").wait_for()
    name = own(visitor, folder) if own else f"{data}-race"
    start(visitor, yard, name)
    place = yard.root / name
    held = hold(yard, place).runs[0]
    assert 0 < held.step < STEPS

    # What there is of it is drawn, and when it goes on, the map draws itself.
    card = visitor.page.locator(f".st-key-race-card-race-{name}").last
    card.locator("img").first.wait_for()
    card.get_by_role("button", name="Watch it").click()
    drawn(visitor)
    visitor.until(lambda: f"{held.name}: paused at step" in visitor.live())
    at = visitor.frames()
    assert visitor.step() == at[-1] <= Run.open(held.path).step_count
    visitor.page.locator(f".st-key-race-run-live-{name}-{held.name}").last.get_by_role("button", name="Go on").click()
    visitor.until(lambda: visitor.frames()[: len(at)] == at and visitor.step() > at[-1])
    visitor.until(lambda: yard.race(place).over)
    assert [run.state for run in yard.race(place).runs] == ["finished"] * 2
    visitor.until(lambda: not visitor.live() and visitor.last_frame() == STEPS)
    assert [Run.open(place / run).step_count for run in ("random", "semi-hard")] == [STEPS] * 2

    # From the finished race to Compare, with its runs.
    visitor.page.goto(f"{server.address}/race")
    visitor.page.locator(f".st-key-race-compare-{name} button").last.click()
    drawn(visitor, ".ts-compare[data-ready=true]")
    visitor.until(lambda: visitor.page.locator(".ts-compare-cell").count() == 2)
    for run in ("random", "semi-hard"):
        assert visitor.page.locator(f".ts-compare-cell[data-run='{run}']").count() == 1
    visitor.page.wait_for_selector(SETTLED)
    assert f"{name}%2Frandom" in visitor.page.url or f"{name}/random" in visitor.page.url
    visitor.close()


def test_two_people_race_at_once_and_the_cap_holds(browser, server, yard):
    """The second one's runs wait for their turn; both races end, and each person has their own messages."""
    short = SETTINGS.replace(f"steps={STEPS}", "steps=80")
    first = Visitor(browser, server, f"/race?{short}&strategies=random.semi-hard&seeds=0-{yard.most - 1}")
    second = Visitor(browser, server, f"/race?{short}&strategies=batch-hard")
    start(first, yard, "digits-race")
    start(second, yard, "digits-race-2")
    most = 0

    def over() -> bool:
        nonlocal most
        alive = sum(run.alive for race in yard.races() for run in race.runs)
        most = max(most, alive)
        return all(race.over for race in yard.races())

    second.until(over)
    assert 0 < most <= yard.most
    assert {run.state for race in yard.races() for run in race.runs} == {"finished"}

    # What one deletes the other does not find, and only the one who did it is asked whether to undo.
    first.page.goto(f"{server.address}/?run=digits-race-seed-0/{yard.race(yard.root / 'digits-race').runs[0].name}")
    drawn(first)
    first.page.get_by_role("button", name="All runs…").last.click()
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
        visitor.close()


def test_a_server_that_is_killed_loses_nothing(browser, folder, yard):
    """Trainings go on without it, a new one starts what still waited, and every pick is that of an undisturbed run."""
    server = Server(folder)
    try:
        visitor = Visitor(browser, server, f"/race?{SETTINGS}&strategies=semi-hard&seeds=0-{yard.most}")
        start(visitor, yard, "digits-race")
        place = yard.root / "digits-race"
        going = [run for run in hold(yard, place, all_of_them=True).runs if run.state == "paused"]
        visitor.close()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server.log.close()
        for run in going:
            pid = read_status(run.path)["pid"]
            assert lives(pid)
            assert os.getsid(pid) == pid
            yard.pause(run.path, go=True)
        deadline = time.monotonic() + LONG / 1000
        while not all(Run.open(run.path).state == "finished" for run in going):
            assert time.monotonic() < deadline, yard.race(place)
            time.sleep(0.1)
        assert yard.race(place).runs[-1].state == "waiting", "nobody is there to start it"

        server = Server(folder)
        visitor = Visitor(browser, server, f"/?run=digits-race-seed-0/{going[0].name}")
        drawn(visitor)
        visitor.until(lambda: yard.race(place).over)
        assert {run.state for run in yard.race(place).runs} == {"finished"}
        visitor.until(lambda: not visitor.live() and visitor.last_frame() == STEPS)
        visitor.close()
        undisturbed = folder / "alone"
        config = yard.race(place).plan.runs[going[0].name]
        assert main(["train", *as_arguments(config), "--quiet", "--out", str(undisturbed)]) == 0
        one, other = Run.open(going[0].path), Run.open(undisturbed)
        assert one.step_count == other.step_count == STEPS
        pd.testing.assert_frame_equal(one.picks(), other.picks())
    finally:
        server.stop()
        end_all(yard)
