"""The animation on the Watch page: what it should show, how far it is, and the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from tripletscope.store.reader import Run
from tripletscope_app import state
from tripletscope_app.inspecting.waiting import spoken
from tripletscope_app.loaders import Loaded, Race
from tripletscope_app.share.film_jobs import FilmJobs, Order

#: Between two looks at how far it is, in seconds.
PAUSE = 1.0
MIME = {"gif": "image/gif", "webm": "video/webm", "mp4": "video/mp4"}
_TITLES = {"gif": "GIF", "mp4": "MP4", "webm": "WebM"}
_ORDER = "watch.film.order"


@st.cache_resource(show_spinner=False)
def jobs() -> FilmJobs:
    """The one manager of this server."""
    return FilmJobs()


def film_panel(race: Race, loaded: Loaded) -> None:
    """The panel, folded until somebody opens it."""
    opened = st.expander("An animation of this run or race", on_change="rerun", key="watch.film")
    if not opened.open:
        return
    with opened:
        if loaded.live:
            st.text("It can be made when the recording has ended.")
            return
        order = _held(loaded)
        working = order is not None and jobs().standing(order).state == "running"
        # A timer only while something is under way.
        st.fragment(_panel, run_every=PAUSE if working else None)(race, loaded, working)


def _held(loaded: Loaded) -> Order | None:
    """What this visitor has asked for, if it is of these runs."""
    order: Order | None = st.session_state.get(_ORDER)
    here = {str(run.path) for run in loaded.runs}
    return order if order is not None and here.issuperset(order.runs) else None


def _panel(race: Race, loaded: Loaded, working: bool) -> None:
    wanted = _choose(loaded, working)
    held = _held(loaded)
    standing = jobs().standing(held) if held is not None else None
    if standing is not None and (standing.state == "running") != working:
        st.rerun()  # with the timer, or without it
    row = st.container(horizontal=True, vertical_alignment="center")
    if held is not None and standing is not None and standing.state == "running":
        left = standing.seconds_left
        words = "about to begin" if standing.began is None else f"{standing.share:.0%} drawn"
        row.progress(standing.share, text=words if left is None else f"{words}, about {spoken(left)} left")
        if row.button("Cancel", key="watch.film.cancel"):
            jobs().cancel(held)
            st.rerun()
        return
    if row.button("Make the animation", key="watch.film.make", type="primary"):
        order = wanted()
        st.session_state[_ORDER] = order
        jobs().start(order)
        st.rerun()
    if held is None or standing is None:
        return
    if standing.state == "ready" and (file := jobs().file(held)) is not None:
        _offer(row, race, held, file)
    elif standing.state == "failed":
        st.text(f"The animation could not be made: {standing.message}")
    elif standing.state == "cancelled":
        st.text("Cancelled; nothing of it is kept.")


def _choose(loaded: Loaded, working: bool) -> Callable[[], Order]:
    """The controls; gives what makes the order of them and of what is on the screen at that moment."""
    from tripletscope.film.encode import has_video  # Pillow is for whoever opens the panel
    from tripletscope.film.scene import MOST_RUNS

    kinds = list(_TITLES) if has_video() else ["gif"]
    row = st.container(horizontal=True)
    several = len(loaded.runs) > 1
    what = "race"
    if several:
        what = row.segmented_control(
            "Show", ["race", "run"], default="race", key="watch.film.what", disabled=working, required=True,
            format_func={"race": "the race side by side", "run": "the watched run"}.__getitem__,
        )  # fmt: skip
    kind = row.segmented_control(
        "As", kinds, default="gif", key="watch.film.kind", disabled=working, required=True,
        format_func=_TITLES.__getitem__,
    )  # fmt: skip
    theme = row.segmented_control(
        "Theme", ["light", "dark"], default="light", key="watch.film.theme", disabled=working, required=True
    )
    if not has_video():
        st.text("WebM and MP4 need the extra: pip install 'tripletscope[video]'")
    st.caption(
        "The map over all frames on fixed axes, with the anchor and the map that are chosen above. Between recorded "
        "frames points are moved on straight lines; steps, picks and numbers are the recorded ones."
    )

    def order() -> Order:
        name = str(state.get(state.RUN) or "").rpartition("/")[2]
        watched = [run for run in loaded.runs if run.name == name] or list(loaded.runs[:1])
        runs: Sequence[Run] = loaded.runs[:MOST_RUNS] if several and what == "race" else watched
        anchor = state.get(state.ANCHOR)
        row = int(loaded.row(0) if loaded.index(anchor) is None else anchor)
        space = "umap" if state.get(state.SPACE) == "umap" else "own"
        at, who = loaded.index(state.get(state.POSITIVE)), loaded.index(row)
        fits = at is not None and at != who and loaded.labels[at] == loaded.labels[who]
        positive = loaded.row(at) if fits else None
        return Order.of(runs, kind=kind or "gif", theme=theme or "light", anchor=row, space=space, positive=positive)

    return order


def _offer(row: DeltaGenerator, race: Race, order: Order, file: Path) -> None:
    content = file.read_bytes()
    size = len(content) / 1e6
    row.download_button(
        f"Download the {_TITLES[order.kind]} ({size:.1f} MB)",
        data=content,
        file_name=f"{race.key}{file.suffix}",
        mime=MIME[order.kind],
        on_click="ignore",
        key="download.film",
    )
    if order.kind == "gif":
        st.image(content, width="content")  # as wide as it is: enlarged, its letters would blur
    else:
        st.video(content, format=MIME[order.kind], loop=True, autoplay=True, muted=True)
