"""Page frame and navigation, and nothing else."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from tripletscope_app import state
from tripletscope_app.pages.watch import watch

# A file of ours: Streamlit fetches emoji and material icons from the net.
_ICON = Path(__file__).parent / "icon.png"

# Streamlit leaves 6rem above the first element; map and ruler together should fit on a 1280 x 800 screen.
_TIGHT = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.5rem 1.5rem 2rem 1.5rem; max-width: 1680px; }
[data-testid="stHeader"] { height: 2.25rem; min-height: 2.25rem; pointer-events: none; }
[data-testid="stHeader"] > * { pointer-events: auto; }
[data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] { gap: 0.5rem; }
/* What was deleted, and Undo, are in sight wherever in the long gallery one was. */
.st-key-gallery-said {
  position: fixed; bottom: 1rem; left: 50%; transform: translateX(-50%); z-index: 10;
  width: fit-content; max-width: 92vw; padding: 0.5rem 1rem; border-radius: 0.6rem;
  box-shadow: 0 4px 16px rgb(0 0 0 / 25%);
  border: 1px solid rgb(128 128 128 / 50%); background: rgb(128 128 128 / 12%); backdrop-filter: blur(14px);
}
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-unseen"]) { position: absolute; height: 0; overflow: hidden; }
</style>"""

_SHOWN = "shell.page"


def main() -> None:
    """Draws the app: pages appear in the navigation when they exist."""
    st.set_page_config(page_title="tripletscope", page_icon=str(_ICON), layout="wide")
    pages = [
        st.Page(watch, title="Watch", url_path="watch", default=True),
        st.Page(_race, title="Race", url_path="race"),
        st.Page(_compare, title="Compare", url_path="compare"),
        st.Page(_inspect, title="Inspect", url_path="inspect"),
    ]
    st.session_state[state.WATCH_PAGE], st.session_state[state.COMPARE_PAGE] = pages[0], pages[2]
    page = st.navigation(pages, position="top")
    if st.session_state.get(_SHOWN, page.url_path) != page.url_path:
        _leave()
    st.session_state[_SHOWN] = page.url_path
    st.html(_TIGHT)  # nothing but a style element, so it takes no room
    page.run()
    if any(Path("runs").glob("*/plan.json")):  # what was planned here goes on, also after the server was started anew
        from tripletscope_app.racing import office

        office.wake()


def _leave() -> None:
    """Nothing; what the timers of the page before still ask for is not answered any more.

    The browser stops them when it hears of the new page, and until then they go on asking. Streamlit would answer after
    the new page's run, in the name of the old page: the browser then takes the page to have changed once more, throws
    away what it shows and stays white. Requests for fragments that it no longer knows are refused, so it forgets them
    first; one that has come in already becomes part of a run of this page.
    """
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx()
    if context is not None:
        context.fragment_storage.clear()
        pending = getattr(context.script_requests, "_state", None)
        if getattr(pending, "name", "CONTINUE") != "CONTINUE":
            st.session_state.pop(_SHOWN, None)
            st.rerun()


def _race() -> None:
    """The Race page, imported when somebody goes there."""
    from tripletscope_app.pages.race import race

    race()


def _compare() -> None:
    """The Compare page, imported when somebody goes there."""
    from tripletscope_app.pages.compare import compare

    compare()


def _inspect() -> None:
    """The Inspect page, imported when somebody goes there: Watch shall not wait for it."""
    from tripletscope_app.pages.inspect import inspect

    inspect()
