"""A race in a real browser: started, watched while it draws itself, paused, reloaded, cancelled, seen by a second."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.app.test_browser_watch import ROOT, SETTLED, WAIT, Server

from tripletscope.config import TrainConfig
from tripletscope.store.reader import Run
from tripletscope_app.racing.plan import race
from tripletscope_app.racing.yard import Yard

pytestmark = pytest.mark.browser
LONG = 5 * WAIT  # milliseconds that a machine may take which does other things besides


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def server(folder):
    started = Server(folder)
    yield started
    started.stop()
    yard = Yard(folder / "runs")
    for planned in yard.races():
        for run in planned.runs:
            yard.cancel(planned.folder, run.name)


class Visitor:
    """A browser of its own that keeps an account of what went wrong."""

    def __init__(self, browser, server: Server, path: str) -> None:
        self.server = server
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.page = self.context.new_page()
        self.page.set_default_timeout(LONG)
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        ours = (server.address, "data:", "blob:")
        self.page.on("request", lambda one: None if one.url.startswith(ours) else self.wrong.append(one.url))
        self.page.goto(server.address + path)

    @property
    def root(self):
        """The instrument; while the page is drawn anew the one of before may still stand above it."""
        return self.page.locator(ROOT).last

    def until(self, condition, patience: float = LONG / 1000) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, self.account()
            self.page.wait_for_timeout(100)

    def account(self) -> str:
        """What somebody wants to know who was not there: a picture in the test's folder, the page, the server's log."""
        log = Path(self.server.log.name)
        self.page.screenshot(path=log.parent / "failed.png")
        text = self.page.locator("body").inner_text()[:2000]
        return f"{log.parent}\n{self.page.url}\n{text}\n{self.wrong}\n{log.read_text()[-2000:]}"

    def step(self) -> int:
        return int(self.root.get_attribute("data-step") or -1)

    def frames(self) -> list[int]:
        """The steps that the scrubber knows."""
        return self.root.evaluate("root => { const s = root.tripletscope.state(); return s.runs[s.run].frames }")

    def last_frame(self) -> int:
        return self.frames()[-1]

    def live(self) -> str:
        return self.page.evaluate("() => [...document.querySelectorAll('.st-key-live')].at(-1)?.innerText ?? ''")

    def close(self) -> None:
        assert not self.page.locator("[data-testid=stException]").count(), self.account()
        assert not self.wrong
        self.context.close()


@pytest.mark.slow
def test_a_race_is_started_watched_paused_reloaded_cancelled_and_resumed(browser, server, folder):
    """On digits, as the page opens; long enough that it does not end under our hands. And resumed."""
    first = Visitor(browser, server, "/race?v=1&steps=30000&strategies=semi-hard")
    start = first.page.locator(".st-key-race-start button")
    start.wait_for()
    first.until(lambda: start.is_enabled())
    start.click()
    first.page.get_by_role("button", name="Watch it").last.click()  # as soon as it can be
    first.page.wait_for_selector(ROOT)
    run = folder / "runs" / "digits-race" / "semi-hard"
    seen = first.step()
    first.until(lambda: first.step() > seen)  # the map draws itself, and the last frame is followed
    assert first.step() == first.last_frame()
    assert "steps/s" in first.live() or "step" in first.live()

    # An anchor of one's own and a frame of the past stay while it grows.
    first.root.evaluate("root => root.tripletscope.select(7)")
    first.until(lambda: "anchor=7" in first.page.url)
    first.page.locator("body").press("Home")
    first.until(lambda: "step=0" in first.page.url)
    before = first.last_frame()
    first.until(lambda: first.last_frame() > before)
    assert (first.step(), first.root.get_attribute("data-anchor")) == (0, "7")

    # A second person sees the same run, and pauses it for both.
    second = Visitor(browser, server, "/?run=digits-race/semi-hard")
    second.page.wait_for_selector(ROOT)
    second.page.locator(".st-key-live").last.get_by_role("button", name="Pause").click()
    first.until(lambda: "paused at step" in first.live())
    second.until(lambda: "paused at step" in second.live())
    at = Run.open(run).step_count
    first.page.wait_for_timeout(1500)
    assert Run.open(run).step_count == at

    # A reload forgets nothing.
    first.page.reload()
    first.page.wait_for_selector(ROOT)
    first.until(lambda: "paused at step" in first.live())
    assert first.root.get_attribute("data-anchor") == "7"
    first.page.locator(".st-key-live").last.get_by_role("button", name="Go on").click()
    first.until(lambda: Run.open(run).step_count > at)
    watched = first.root.element_handle()
    first.page.locator(".st-key-live").last.get_by_role("button", name="Cancel").click()
    first.until(lambda: Run.open(run).state == "stopped")
    first.until(lambda: not first.live())
    first.page.wait_for_selector(SETTLED)
    assert watched.evaluate("e => e.isConnected"), "the line above the instrument went, and the instrument stayed"
    second.close()

    # What was stopped can go on, from the Race page.
    at = Run.open(run).step_count
    first.page.goto(f"{server.address}/race")
    first.page.locator("[class*='st-key-race-run-list-']").last.get_by_role("button", name="Resume").click()
    first.until(lambda: Run.open(run).step_count > at)
    first.page.locator("[class*='st-key-race-run-list-']").last.get_by_role("button", name="Cancel").click()
    first.until(lambda: Run.open(run).state == "stopped")
    first.close()


def test_a_server_that_was_killed_and_started_again_picks_the_race_up(browser, folder):
    server = Server(folder)
    yard = Yard(folder / "runs", most=1)
    settings = TrainConfig(data="digits", dim=2, normalize=False, margin=1.0, lr=1e-2, steps=20, classes_per_batch=4)
    try:
        # What waits belongs to the server: its page looks after it, and ours only wrote it down.
        planned = yard.root / "two"
        planned.mkdir(parents=True)
        from tripletscope_app.racing import plan as plans

        plans.write(planned, race(settings, ["random", "semi-hard"], [0], title="Two"))
        server.process.kill()
        server.process.wait()
        server.log.close()
        server = Server(folder)
        visitor = Visitor(browser, server, "/?run=two")
        visitor.until(lambda: yard.race(planned).over)
        assert [run.state for run in yard.race(planned).runs] == ["finished", "finished"]
        visitor.page.wait_for_selector(ROOT)
        visitor.until(lambda: not visitor.live())
        visitor.until(lambda: visitor.last_frame() == 20)
        visitor.close()
    finally:
        server.stop()
        yard.close()


def test_what_timers_still_ask_for_when_the_page_changes_does_not_blank_the_new_one(browser, server):
    """A browser asks on until it hears of the new page; here it asks a hundred times, as a busy one might once."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(LONG)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    asked: list[bytes] = []
    flood = [False]

    def between(socket) -> None:
        onward = socket.connect_to_server()

        def sent(message) -> None:
            told = BackMsg.FromString(message) if isinstance(message, bytes) else BackMsg()
            onward.send(message)
            if told.rerun_script.is_auto_rerun and told.rerun_script.fragment_id:
                asked.append(message)
            elif flood[0] and told.HasField("rerun_script"):
                for _ in range(100):
                    onward.send(asked[-1])

        socket.on_message(sent)

    page.route_web_socket("**/_stcore/stream", between)
    page.goto(f"{server.address}/race")
    deadline = time.monotonic() + LONG / 1000
    while not asked:  # a page that waits for its check has a timer
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    flood[0] = True
    page.get_by_role("link", name="Compare").click()
    page.locator(".ts-compare[data-ready=true]").wait_for()
    page.wait_for_selector(SETTLED)
    assert not wrong
    page.get_by_role("link", name="Watch").click()
    page.locator(ROOT).wait_for()
    assert not wrong
    context.close()


def test_axe_finds_nothing_on_the_race_page(browser, server):
    """In the dark, with a refusal on the screen."""
    from axe_playwright_python.sync_playwright import Axe
    from tests.app.test_accessible import RULES

    context = browser.new_context(viewport={"width": 900, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{server.address}/race?v=1&P=99")
    page.wait_for_selector(".st-key-race-refused-classes-per-batch")
    page.wait_for_selector(SETTLED)
    report = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES["runOnly"]["values"][:-1]}}).response
    wrong = [f"{each['id']}: {node['html'][:200]}" for each in report["violations"] for node in each["nodes"]]
    assert not wrong, "\n".join(wrong)
    assert page.locator(".st-key-race-start button").is_disabled()
    context.close()
