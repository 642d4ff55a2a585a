"""Which recording to watch: the shipped races as buttons, everything else in a dialog with its map and its numbers."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import streamlit as st

from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope_app import loaders, state
from tripletscope_app.component.pack import projection_of
from tripletscope_app.loaders import Race
from tripletscope_app.selection import own_strategy

_SIDE = 112  # pixels of a thumbnail map
# Ten hues that stay apart; only a hint of who sits where, the map itself writes the classes.
_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7D00", "#6B5B95", "#777777", "#A0522D")


def bar(race: Race) -> None:
    """The recordings one is likely to want, and the way to all others."""
    near = loaders.shipped_races()
    titles = {each.key: each.title for each in ([*near] if race.key in {r.key for r in near} else [race, *near])}
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.segmented_control(
            "Recording",
            list(titles),
            format_func=titles.__getitem__,
            default=race.key,
            required=True,
            key=f"watch.race.{race.key}",
            label_visibility="collapsed",
            on_change=lambda: choose(st.session_state[f"watch.race.{race.key}"]),
        )
        if st.button("All runs…", key="watch.gallery", help="Runs in ./runs and those given with --run"):
            dialog()


def choose(link: str | None) -> None:
    """Opens another recording, at its own opening."""
    if link is not None:
        state.overrule(run=link, step=None, anchor=None, positive=None)


@st.dialog("Choose a run", width="large")
def dialog() -> None:
    """Every race and run that was found."""
    for race in loaders.all_races():
        st.subheader(race.title)
        if race.note:
            st.text(race.note)
        columns = st.columns(3)
        for place, path in enumerate(race.paths):
            with columns[place % 3].container(border=True):
                _card(race, Path(path))
    st.text("Runs in ./runs appear here, and those given with: tripletscope app --run DIR")


def _card(race: Race, folder: Path) -> None:
    """One run: its last frame, its name, strategy, state and R@1."""
    try:
        run = Run.open(folder)
    except TripletscopeError as problem:
        st.text(f"{folder.name}\n{problem}")
        return
    recall = [line["recall_at_1"] for line in run.lines if line.get("recall_at_1") is not None]
    title = own_strategy(run)["title"]
    lines = [title] if title.lower().replace(" ", "-") == run.name else [run.name, title]
    lines += [run.state_text, f"R@1 {recall[-1]:.2f}" if recall else "R@1 not recorded"]
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.frame_steps:
            st.image(thumbnail(str(folder), run.steps[-1]), width=_SIDE)
        st.text("\n".join(lines), width="content")
    if st.button("Watch", key=f"gallery.{folder}", width="stretch", disabled=not run.frame_steps):
        choose(race.link(run.name))
        st.rerun()


@st.cache_resource(show_spinner=False, max_entries=256)
def thumbnail(folder: str, last: int) -> bytes:
    """The last frame as a PNG, each class in its hue; `last` is there so that a run that grew is drawn again."""
    from PIL import Image, ImageDraw

    run = Run.open(folder)
    points = projection_of(run).positions[-1].astype(np.float64)
    labels = np.asarray(run.samples.labels)[np.asarray(run.probe_rows)]
    good = np.isfinite(points).all(1)
    low, high = (points[good].min(0), points[good].max(0)) if good.any() else (np.zeros(2), np.ones(2))
    reach = float((high - low).max()) or 1.0
    scale = 2 * (_SIDE - 12) / reach  # drawn at twice the size, then halved: smooth edges
    places = (points - (low + high) / 2) * scale + _SIDE
    picture = Image.new("RGBA", (2 * _SIDE, 2 * _SIDE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    radius = 3.2 if len(points) < 4000 else 2 * math.sqrt(4000 / len(points))
    for (x, y), label in zip(places[good], labels[good], strict=True):
        top = 2 * _SIDE - y
        pen.ellipse((x - radius, top - radius, x + radius, top + radius), fill=_HUES[int(label) % len(_HUES)])
    out = io.BytesIO()
    picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()
