"""Watching a race while it is being recorded: how its runs are, and the instrument with every frame that comes."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope_app import loaders, state
from tripletscope_app.loaders import Loaded, Race
from tripletscope_app.racing import progress
from tripletscope_app.racing.office import yard
from tripletscope_app.racing.yard import Standing

#: Between two looks at what has been recorded, in seconds.
PAUSE = 1.2
#: So many looks the picture of before stays, while the strategies are asked about the next frame.
PATIENCE = 4
#: Small enough that map and ruler stay on the first screen; and what is drawn anew does not fade meanwhile.
_STYLE = """<style>
.st-key-live { row-gap: .25rem; border-left: 3px solid #0b6aa8; padding: .1rem 0 .1rem .75rem; }
.st-key-live [data-testid="stText"] { font-size: .88rem; line-height: 1.35; font-variant-numeric: tabular-nums;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.st-key-live [data-testid="stButton"] button { min-height: 1.75rem; padding: 0 .6rem; }
.st-key-live .race-bar { height: 4px; border-radius: 2px; background: rgba(128, 136, 150, .28); overflow: hidden; }
.st-key-live .race-bar i { display: block; height: 100%; background: #0b6aa8; }
[data-testid="stElementContainer"][data-stale="true"] { opacity: 1 !important; }
</style>"""
_NAMES, _ASKED = "watch.live.names", "watch.live.asked"


def under_way(race: Race) -> bool:
    """Whether a run of it is being recorded, or is still to come."""
    return any(each[:1] == ("live",) for each in loaders.stamps_of(race)) or any(
        not run.over for run in _standings(race)
    )


def heir(race: Race, loaded: Loaded, digest: Any) -> str | None:
    """The digest of what that run is by now, where it has grown since the browser was told of it."""
    name = st.session_state.get(_NAMES, {}).get(digest) if isinstance(digest, str) else None
    if name is None or name[0] != race.key or digest in loaded.digests:
        return None
    return next((now for run, now in zip(loaded.runs, loaded.digests, strict=True) if run.name == name[1]), None)


def bar(race: Race, loaded: Loaded | None) -> None:
    """One line for each run that is under way; the page is drawn again when there is more to draw.

    Args:
        race: that is watched.
        loaded: what is drawn of it; None while there is nothing to draw.
    """
    if loaded is not None and loaded.live:
        known = st.session_state.setdefault(_NAMES, {})
        known |= {digest: (race.key, run.name) for run, digest in zip(loaded.runs, loaded.digests, strict=True)}
        while len(known) > 200:
            known.pop(next(iter(known)))
    if under_way(race) or (loaded is not None and loaded.live):
        st.fragment(_bar, run_every=PAUSE)(race, loaded)
    elif loaded is None and race.folder:
        with st.container(key="live"):
            st.html(_STYLE)
            _lines(race, None)


def _bar(race: Race, loaded: Loaded | None) -> None:
    """A fragment with a timer; a page on which nothing is under way does not have it."""
    with st.container(key="live"):
        st.html(_STYLE)
        _lines(race, loaded)
    now = loaders.find(race.key) or race
    if (loaded.stamps if loaded is not None else ()) == loaders.stamps_of(now):
        if not under_way(now):
            st.rerun()
        return
    fresh = loaders.load(now)
    if fresh.runs and _answered(now, fresh):
        if loaded is not None and loaded.live and not fresh.live and state.get(state.STEP) is None:
            _rest(fresh)
        st.rerun()
    elif not fresh.runs and not under_way(now):
        st.rerun()


def _answered(race: Race, fresh: Loaded) -> bool:
    """Whether the strategies have said whom they pick with the frame that came, so that nothing flickers."""
    from tripletscope_app.widgets import helper

    anchor = fresh.index(state.get(state.ANCHOR))
    name = str(state.get(state.RUN) or "").rpartition("/")[2]
    place = next((place for place, run in enumerate(fresh.runs) if run.name == name), None)
    if anchor is None or place is None or not helper().alive:
        return True
    digest = fresh.digests[place]
    held: tuple[str, Future[dict[str, Any]], int] | None = st.session_state.get(_ASKED)
    if held is None or held[0] != race.key:
        future = helper().ask(str(fresh.runs[place].path), digest, anchor, state.get(state.MARGIN))
        held = (race.key, future, 0)
    looked = held[2] + 1
    done = held[1].done() or looked > PATIENCE
    st.session_state[_ASKED] = None if done else (held[0], held[1], looked)
    return done


def _rest(fresh: Loaded) -> None:
    """The race has ended, and its last frame was followed: there one stays."""
    name = str(state.get(state.RUN) or "").rpartition("/")[2]
    run = next((run for run in fresh.runs if run.name == name), fresh.runs[0])
    st.session_state[state.STEP.key] = run.frame_steps[-1]


def _standings(race: Race) -> list[Standing]:
    """How the runs of a planned race are; none for others."""
    planned = yard().race(Path(race.folder)) if race.folder else None
    return [run for run in planned.runs if run.name in race.members] if planned is not None else []


def _lines(race: Race, loaded: Loaded | None) -> None:
    runs = _standings(race)
    if runs:
        progress.lines(Path(race.folder), runs, key="live")
    else:
        progress.lone_lines(race.paths, key="live")
    if loaded is None and runs and all(run.over for run in runs):
        st.text("No run of this race has kept a frame, so there is nothing to draw.")
    elif loaded is None:
        st.text("The map is drawn as soon as the first frame is there.")
    else:
        st.caption(
            "Being recorded: the last frame is followed while you are on it. Scales grow by doubling until the race "
            "has ended; what is counted over all steps, and other maps, come then."
        )
