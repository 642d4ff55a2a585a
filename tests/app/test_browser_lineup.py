"""The real page: another package's strategy has pill and lane; a composed one is asked, shown, linked and removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.app.test_accessible import complaints
from tests.app.test_browser_watch import WAIT, Server, Watched

from tripletscope import Run
from tripletscope.analysis.counterfactual import anchor_answer
from tripletscope.composition import parse
from tripletscope.datasets import sample_data_dir

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLUGIN = '''
"""A strategy of somebody else: the farthest positive with the farthest negative of every anchor."""

from tripletscope.strategies import strategy
from tripletscope.triplets import Triplets


@strategy(
    name="their-farthest",
    title="Their farthest",
    summary="The farthest positive and the farthest negative of every anchor.",
    source="a package of its own",
    order=5000,
    zones={"hard", "semi-hard", "easy"},
    granularity="anchor",
)
def their_farthest(batch, *, margin, generator):
    anchor = batch.has_positive.nonzero()[:, 0]
    return Triplets(anchor, batch.farthest_positive[anchor], batch.farthest_negative[anchor])
'''
MINE = parse("pair:all, negative:farthest, lower:positive, upper:margin, fallback:nearest")
OPENING = "/?v=1&run=digits-2d/semi-hard&step=30&anchor=47&positive=277"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    """A server in whose environment a package with a strategy is installed."""
    folder = tmp_path_factory.mktemp("plugged")
    site = folder / "site"
    told = site / "their_miner-1.0.dist-info"
    told.mkdir(parents=True)
    (site / "their_miner.py").write_text(PLUGIN)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: their-miner\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[tripletscope.strategies]\ntheir-farthest = their_miner:their_farthest\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), *([before] if before else [])])
    try:
        running = Server(folder)
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    yield running
    running.stop()


def shown(page: Watched) -> list[str]:
    return page.page.locator(".ts-instrument").evaluate("e => e.tripletscope.state().strategies.map(s => s.name)")


def test_a_strategy_of_another_package_has_pill_and_lane(browser, server) -> None:
    page = Watched(browser, server, OPENING)
    page.until("root.tripletscope.state().strategies.some(s => s.name === 'their-farthest')")
    lane = page.page.locator(".ts-lane-name[data-lane=their-farthest]")
    expect(lane).to_be_visible(timeout=WAIT)
    page.until("root.tripletscope.state().answers.values().some(a => a.picks['their-farthest'])")
    lane.click()
    page.until("root.dataset.lane === 'their-farthest'")
    expect(page.page.locator(".ts-sentence-first")).to_contain_text("Their farthest picks this", timeout=WAIT)
    row = page.page.locator(".ts-strip-label", has_text="Their farthest")
    expect(row).to_have_count(1)
    page.page.locator(".ts-lineup-button").click()
    pill = page.page.locator(".ts-lineup-pill[data-strategy=their-farthest]")
    expect(pill).to_have_attribute("aria-pressed", "true")
    pill.hover()
    expect(page.page.locator(".ts-lineup-words")).to_have_text(
        "The farthest positive and the farthest negative of every anchor."
    )
    assert not page.complaints
    page.close()


def test_a_composed_strategy_is_asked_shown_linked_and_removed(browser, server, tmp_path: Path) -> None:
    page = Watched(browser, server, OPENING)
    page.page.locator(".ts-lineup-button").click()
    page.page.get_by_role("button", name="Compose your own").click()
    for axis in ("positive", "negative", "lower", "upper", "fallback"):
        page.page.locator(f".ts-composer-select[data-axis={axis}]").select_option(getattr(MINE, axis))
    expect(page.page.locator(".ts-composer-sentence")).to_have_text(MINE.summary)
    command = page.page.locator(".ts-composer-command").inner_text()
    assert command.startswith("tripletscope train ")
    assert f'--strategy "{MINE.text}"' in command
    page.page.get_by_role("button", name="Show it as a lane").click()
    has_answer = f"root.tripletscope.state().answers.values().some(a => a.picks['{MINE.name}'])"
    page.until(has_answer)
    assert shown(page)[3] == MINE.name
    # What the page shows is what the engine picks, at every frame.
    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
    told = anchor_answer(run, page.state()["anchor"], more=[MINE.name])
    positive, at = told["positives"].index(page.state()["positive"]), told["frames"].index(30)
    wanted = told["negatives"][told["picks"][MINE.name][at, positive]]
    expect(page.page.locator(f".ts-lane-name[data-lane={MINE.name}]")).to_be_visible()
    cells = page.page.locator(".ts-strip").evaluate(
        "(e, name) => e.tripletscopeCells().find(row => row.name === name).cells.map(c => c.negative ?? null)",
        MINE.name,
    )
    assert cells[at] == wanted
    assert complaints(page.page) == []
    page.page.get_by_role("button", name="Which are shown").click()
    page.page.get_by_role("button", name="all", exact=True).click()
    page.page.wait_for_url("**lanes=all**", timeout=WAIT)
    assert complaints(page.page) == []
    # The address restores lanes, composition and chosen lane; one click removes it, also from the address.
    assert f"composed={MINE.name}" in page.page.url
    again = Watched(browser, server, page.page.url.removeprefix(server.address), color_scheme="dark")
    again.page.set_viewport_size({"width": 900, "height": 900})
    again.until(has_answer)
    assert again.root("lane") == MINE.name
    assert len(shown(again)) == len(shown(page)) > 20
    again.page.locator(".ts-lineup-button").click()
    again.page.locator(".ts-lineup").scroll_into_view_if_needed()
    assert complaints(again.page) == []
    again.page.get_by_role("button", name="Compose your own").click()
    again.page.locator(".ts-composed-remove").click()
    again.until("!root.tripletscope.state().strategies.some(s => s.group === 'composed')")
    again.page.wait_for_function("!location.search.includes('composed')", timeout=WAIT)
    assert not page.complaints
    assert not again.complaints
    page.close()
    again.close()


def test_a_tried_parameter_is_asked_and_linked(browser, server) -> None:
    page = Watched(browser, server, f"{OPENING}&lane=top-n&tuned=top-n:n:1")
    field = page.page.locator(".ts-tune").get_by_label("n", exact=True)
    expect(field).to_have_value("1", timeout=WAIT)
    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
    told = anchor_answer(run, page.state()["anchor"], params={"top-n": {"n": 1.0}})
    nearest = told["picks"]["top-n"][:, 0].tolist()
    same = (
        "(() => { const s = root.tripletscope.state(); const a = [...s.answers.entries()]"
        ".find(([k]) => k.startsWith(s.run + '/' + s.anchor + '/'))[1]; const w = a.positives.length;"
        " const p = a.picks['top-n'];"
        " return p && argument.every((v, f) => p[f * w] === v); })()"
    )
    page.until(same, nearest)
    page.page.locator(".ts-tune-reset").click()
    page.page.wait_for_function("!location.search.includes('tuned')", timeout=WAIT)
    page.until(f"!{same}", nearest)
    assert not page.complaints
    page.close()
