"""axe-core on the real page: names, roles, contrast, focus order, in light and dark, at three widths."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.app import tiny
from tests.app.test_browser_watch import Server, Watched

pytestmark = pytest.mark.browser

#: Rules of WCAG 2.2 A and AA and axe's best practices. What Streamlit draws around us is its own; ours is all inside
#: the instrument's shadow root, and the text that we give to Streamlit's widgets.
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}

#: Holds back what tells the panels further down how wide they are: they wait, as for a moment on any slow machine.
NEVER_DRAWN = """
const Sizes = globalThis.ResizeObserver;
globalThis.ResizeObserver = class extends Sizes {
  observe(element, ...more) {
    if (!element.matches(".ts-violations-body, .ts-rivals-body")) super.observe(element, ...more);
  }
};
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accessible")
    tiny.race(folder / "runs")
    running = Server(folder)
    yield running
    running.stop()


def ours(node) -> bool:
    """Whether an element that axe complains about is inside the instrument."""
    return len(node["target"]) > 1 or any(isinstance(part, list) for part in node["target"])


def complaints(page) -> list[str]:
    """What axe says against our own elements; it must have looked at something."""
    report = Axe().run(page, options=RULES).response
    assert len(report["passes"]) > 10, "axe looked at something"
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}\n    {json.dumps(node['target'])}\n"
        f"    {node['html'][:200]}\n    {node.get('failureSummary', '')[:400]}"
        for violation in report["violations"]
        for node in violation["nodes"]
        if ours(node)
    ]


MORE = [
    pytest.param(*view, marks=pytest.mark.slow) for view in ((1280, True), (900, False), (900, True), (1920, False))
]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), pytest.param(1920, True, marks=pytest.mark.slow), *MORE])
def test_axe_finds_nothing_in_the_instrument(browser, server, width, dark):
    watched = Watched(browser, server, "/?run=runs/semi-hard&step=5&anchor=2", color_scheme="dark" if dark else "light")
    watched.page.set_viewport_size({"width": width, "height": 900})
    watched.until("root.dataset.positive !== ''")
    watched.page.wait_for_timeout(4000)  # the panels that come later are there
    watched.settle()
    wrong = complaints(watched.page)
    assert not wrong, "\n".join(wrong)
    watched.close()


def test_a_panel_that_is_not_drawn_yet_is_not_there_yet(browser, server):
    """Panels further down are drawn at rest: until then nothing of theirs may be reached, empty as it is."""
    watched = Watched(browser, server, "/?run=runs/semi-hard&step=5&anchor=2", NEVER_DRAWN)
    watched.until("root.dataset.positive !== '' && Object.keys(root.tripletscope.state().asides).length > 0")
    assert watched.page.locator(".ts-heat-name").count() == 0, "the panels are held back"
    assert complaints(watched.page) == []
    watched.close()


@pytest.mark.parametrize(
    ("width", "dark"),
    [(1280, False), *(pytest.param(*view, marks=pytest.mark.slow) for view in ((1920, False), (900, True)))],
)
def test_axe_finds_nothing_on_the_compare_page(browser, server, width, dark):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    page.goto(f"{server.address}/compare?runs=runs/semi-hard,runs/batch-hard")
    # With the matrix of who picks alike, and the samples whose neighbours differ, which are worked out later.
    page.wait_for_selector(".ts-compare[data-figures='2']", timeout=240_000)
    page.wait_for_selector(".ts-compare-changed li", state="attached", timeout=240_000)
    wrong = complaints(page)
    page.close()
    assert not wrong, "\n".join(wrong)
