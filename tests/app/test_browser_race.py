"""A race in a real browser: started, watched while it draws itself, paused, reloaded, cancelled, seen by a second."""

from __future__ import annotations

import time

import pytest
from tests.app.test_browser_watch import ROOT, SETTLED, WAIT, Server

from tripletscope.config import TrainConfig
from tripletscope.store.reader import Run
from tripletscope_app.racing.plan import race
from tripletscope_app.racing.yard import Yard

pytestmark = pytest.mark.browser


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
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        ours = (server.address, "data:", "blob:")
        self.page.on("request", lambda one: None if one.url.startswith(ours) else self.wrong.append(one.url))
        self.page.goto(server.address + path)

    def until(self, condition, patience: float = 5 * WAIT / 1000) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, self.page.locator("body").inner_text()[:2000]
            self.page.wait_for_timeout(100)

    def step(self) -> int:
        return int(self.page.locator(ROOT).get_attribute("data-step") or -1)

    def last_frame(self) -> int:
        return self.page.locator(ROOT).evaluate(
            "root => { const s = root.tripletscope.state(); return s.runs[s.run].frames.at(-1) }"
        )

    def live(self) -> str:
        return self.page.evaluate("() => document.querySelector('.st-key-live')?.innerText ?? ''")

    def close(self) -> None:
        assert not self.wrong
        self.context.close()


def test_a_race_is_started_watched_paused_reloaded_and_cancelled(browser, server, folder):
    """On digits, as the page opens; long enough that it does not end under our hands."""
    first = Visitor(browser, server, "/race?v=1&steps=3000&strategies=semi-hard")
    start = first.page.locator(".st-key-race-start button")
    start.wait_for()
    first.until(lambda: start.is_enabled())
    start.click()
    watch = first.page.get_by_role("button", name="Watch it")
    first.until(lambda: watch.count() and watch.is_enabled())
    watch.click()
    first.page.wait_for_selector(f"{ROOT}")
    first.page.wait_for_selector(".ts-instrument[data-ready=true]")
    run = folder / "runs" / "digits-race" / "semi-hard"
    seen = first.step()
    first.until(lambda: first.step() > seen)  # the map draws itself, and the last frame is followed
    assert first.step() == first.last_frame()
    assert "steps/s" in first.live() or "step" in first.live()

    # An anchor of one's own and a frame of the past stay while it grows.
    first.page.locator(ROOT).evaluate("root => root.tripletscope.select(7)")
    first.until(lambda: "anchor=7" in first.page.url)
    first.page.locator("body").press("Home")
    first.until(lambda: "step=0" in first.page.url)
    before = first.last_frame()
    first.until(lambda: first.last_frame() > before)
    assert (first.step(), first.page.locator(ROOT).get_attribute("data-anchor")) == (0, "7")

    # A second person sees the same run, and pauses it for both.
    second = Visitor(browser, server, "/?run=digits-race/semi-hard")
    second.page.wait_for_selector(".ts-instrument[data-ready=true]")
    second.page.locator(".st-key-live").get_by_role("button", name="Pause").click()
    first.until(lambda: "paused at step" in first.live())
    second.until(lambda: "paused at step" in second.live())
    at = Run.open(run).step_count
    first.page.wait_for_timeout(1500)
    assert Run.open(run).step_count == at

    # A reload forgets nothing.
    first.page.reload()
    first.page.wait_for_selector(".ts-instrument[data-ready=true]")
    first.until(lambda: "paused at step" in first.live())
    assert first.page.locator(ROOT).get_attribute("data-anchor") == "7"
    first.page.locator(".st-key-live").get_by_role("button", name="Go on").click()
    first.until(lambda: Run.open(run).step_count > at)
    watched = first.page.locator(ROOT).element_handle()
    first.page.locator(".st-key-live").get_by_role("button", name="Cancel").click()
    first.until(lambda: Run.open(run).state == "stopped")
    first.until(lambda: not first.live())
    first.page.wait_for_selector(SETTLED)
    assert not first.page.locator("[data-testid=stException]").count()
    assert watched.evaluate("e => e.isConnected"), "the line above the instrument went, and the instrument stayed"
    second.close()
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
        visitor.page.wait_for_selector(".ts-instrument[data-ready=true]")
        visitor.until(lambda: not visitor.live())
        visitor.until(lambda: visitor.last_frame() == 20)
        visitor.close()
    finally:
        server.stop()
        yard.close()


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
