"""The races that are under way, and those that have just ended, with how each run is."""

from __future__ import annotations

import streamlit as st

from tripletscope_app import shell, state
from tripletscope_app.racing import progress
from tripletscope_app.racing.office import yard
from tripletscope_app.racing.yard import Planned

#: Between two looks, in seconds.
PAUSE = 1.0
#: Races that are listed; the others are in the gallery of Watch.
SHOWN = 4


def show() -> None:
    """The list. It has a timer while something is under way."""
    live = any(not race.over for race in yard().races())
    st.fragment(_list, run_every=PAUSE if live else None)(live)


def _list(live: bool) -> None:
    races = yard().races()
    going = [race for race in races if not race.over]
    if live and not going:
        st.rerun()  # without the timer
    st.header("Under way" if going else "Races", anchor=False)
    shown = going + [race for race in races if race.over][: max(SHOWN - len(going), 1)]
    if not shown:
        st.html(
            '<p class="race-soft">Nothing yet. A race goes on when you close this page, and also when the server ends: '
            "every run is a process of its own.</p>"
        )
    for race in shown:
        _race(race)
    if len(races) > len(shown):
        st.html('<p class="race-soft">Older races are on the Watch page, under “All runs…”.</p>')


def _race(race: Planned) -> None:
    with st.container(border=True, key=f"race-card-race-{race.folder.name}"):
        st.text(race.plan.title)
        progress.lines(race.folder, race.runs, key="list", pictures=True)
        started = any(run.alive or run.step for run in race.runs)
        if st.button("Watch it", key=f"race.watch.{race.folder.name}", disabled=not started, width="stretch"):
            watch(race)


def watch(race: Planned) -> None:
    """Goes to the Watch page, to that race."""
    seeds = list(dict.fromkeys(run.config.seed for run in race.runs))
    state.go_to(race.folder.name if len(seeds) == 1 else f"{race.folder.name}-seed-{seeds[0]}")
    page = st.session_state.get(shell.WATCH)
    if page is not None:
        st.switch_page(page)
