"""The maps of the watched runs: handed to the browser when they are there, made when somebody asks.

What a run's own map keeps, and how far samples truly moved, is worked out without asking, after everything else. A
UMAP takes longer and is made on request. Both are kept in files and found at once the next time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import streamlit as st

from tripletscope.analysis.maps import KINDS, Kind, kept_map, where_kept
from tripletscope.store.reader import Run
from tripletscope_app import component
from tripletscope_app.layouts import pack_map
from tripletscope_app.loaders import Loaded
from tripletscope_app.map_jobs import MapJobs

#: Between two looks at how far a map is, and how soon after the first draw the first look is, in seconds.
PAUSE, FIRST_PAUSE = 0.5, 0.3
#: So many looks the numbers of the own maps wait for the asides.
PATIENCE = 60

_TURN, _WAKE = "watch.maps", "watch.maps.wake"


@st.cache_resource(show_spinner=False)
def jobs() -> MapJobs:
    """The one manager of this server."""
    return MapJobs()


def start(run: Run) -> None:
    """Nothing; the run's UMAP is being made, unless it is there or under way."""
    jobs().start([run], "umap")
    st.session_state[_WAKE] = True


def cancel(run: Run) -> None:
    """Nothing; the run's UMAP is no longer being made."""
    jobs().cancel(run, "umap")
    st.session_state[_WAKE] = True


def wake() -> None:
    """Draws the page again if somebody here has just asked for a map, so that `bring_maps` looks after it."""
    if st.session_state.pop(_WAKE, False):
        st.rerun()


@st.fragment
def bring_maps(loaded: Loaded) -> None:
    """Hands over the maps that are there, tells how far the others are, and comes back while one is being made."""
    if loaded.live:
        return  # the map of a run that grows would be made without end
    digests, turn = st.session_state.get(_TURN, ((), 0))
    turn = turn + 1 if digests == loaded.digests else 0
    st.session_state[_TURN] = (loaded.digests, turn)
    standing = {digest: jobs().standing(run, "umap") for run, digest in _pairs(loaded)}
    news = {digest: standing[digest].as_news(len(run.frame_steps)) for run, digest in _pairs(loaded)}
    with st.container(key="unseen-maps"):
        component.tell_news({"projection": news}, key="news-maps")
        if turn == 0:  # the first draw goes first
            component.come_back(turn, FIRST_PAUSE, key="tick-maps")
            return
        for run, digest in _pairs(loaded):
            for kind in KINDS:
                blob = _blob(run, digest, kind)
                if blob is not None:
                    component.load_more(f"layout-{digest}-{kind}", blob)
        if _measure(loaded, turn) or any(each.state == "running" for each in standing.values()):
            component.come_back(turn, PAUSE, key="tick-maps")


def _pairs(loaded: Loaded) -> list[tuple[Run, str]]:
    return list(zip(loaded.runs, loaded.digests, strict=True))


def _measure(loaded: Loaded, turn: int) -> bool:
    """Whether numbers of the runs' own maps are still to come; they are asked for when the asides are there."""
    still = [run for run in loaded.runs if run.state != "running"]  # a run that grows would be measured without end
    states = [jobs().standing(run, "own").state for run in still]
    if "none" in states:
        asides = st.session_state.get("watch.asides")
        if turn > PATIENCE or asides is None or asides.over:
            jobs().start(still, "own")
        return True
    return "running" in states


def _blob(run: Run, digest: str, kind: Kind) -> bytes | None:
    """The packed map, if it is kept."""
    path = where_kept(run, kind)
    return None if path is None else _packed(str(path), path.stat().st_mtime_ns, digest, kind, run)


# cache_resource: read-only megabytes, which cache_data would copy for every session.
@st.cache_resource(show_spinner=False, max_entries=24)
def _packed(path: str, stamp: int, digest: str, kind: Kind, _run: Run) -> bytes | None:
    made = kept_map(_run, kind)
    if made is None:
        with contextlib.suppress(OSError):  # damaged: out of the way, so that it can be made again
            Path(path).unlink()
        return None
    first = _run.frames[_run.frame_steps[0]]
    return pack_map(made, digest, exact=first.shape[1] <= 2)
