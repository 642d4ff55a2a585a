"""The races that are under way, and those that have just ended, with how each run is."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from tripletscope_app import gallery, loaders, state
from tripletscope_app.racing import progress
from tripletscope_app.racing.office import yard
from tripletscope_app.racing.yard import Planned

#: Between two looks, in seconds; and while a race that was just started has no picture yet.
PAUSE, EAGER = 1.0, 0.35
#: Races that are listed; the others are in the gallery of Watch.
SHOWN = 4


def show() -> None:
    """The list. It has a timer while something is under way."""
    pause = _pause([race for race in yard().races() if not race.over])
    st.fragment(_list, run_every=pause)(pause)


def _pause(going: Sequence[Planned]) -> float | None:
    """How long until the next look at these races; None where nothing is under way."""
    if not going:
        return None
    bare = any(not any(run.step for run in race.runs) and any(run.alive for run in race.runs) for race in going)
    return EAGER if bare else PAUSE


def _list(pause: float | None) -> None:
    races = yard().races()
    going = [race for race in races if not race.over]
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
    if _pause(going) != pause:  # at the end: a button that was pressed has been heard by now
        st.rerun()  # with another timer, or without


def _race(race: Planned) -> None:
    with st.container(border=True, key=f"race-card-race-{race.folder.name}"):
        st.text(race.plan.title)
        progress.lines(race.folder, race.runs, key="list", pictures=True)
        started = any(run.alive or run.step for run in race.runs)
        ended = race.over and any(run.step for run in race.runs)
        name = race.folder.name
        with st.container(horizontal=True, key=f"race-go-{name}"):
            if st.button("Watch it", key=f"race.watch.{name}", disabled=not started, width="stretch"):
                watch(race)
            if ended and st.button("Compare", key=f"race.compare.{name}", width="stretch"):
                compare(race)


def watch(race: Planned) -> None:
    """Goes to the Watch page, to that race."""
    seeds = loaders.planned_in(race.folder)
    page = st.session_state.get(state.WATCH_PAGE)
    if seeds:
        state.go_to(seeds[0].key)
        if page is not None:
            st.switch_page(page)


def compare(race: Planned) -> None:
    """Goes to the Compare page: the strategies of the first seed on the maps, the other seeds in the curves."""
    seeds = loaders.planned_in(race.folder)
    if seeds:
        gallery.compare(seeds[0])
