"""Which recording to watch: the shipped races as buttons, everything else in a dialog with its map and its numbers."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import streamlit as st

from tripletscope.analysis.probe import probe_labels
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.store.shelf import stamp
from tripletscope_app import loaders, state
from tripletscope_app.component.pack import projection_of
from tripletscope_app.loaders import Race
from tripletscope_app.selection import own_strategy

_OPEN, _OPENED = "watch.gallery.open", "watch.gallery.opened"  # in the session: whether it is open, how often it was
_SIDE = 112  # pixels of a thumbnail map
# Ten hues that stay apart; only a hint of who sits where, the map itself writes the classes.
_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7D00", "#6B5B95", "#777777", "#A0522D")


def bar(race: Race) -> None:
    """The recordings one is likely to want, and the way to all others."""
    near = loaders.shipped_races()
    titles = {each.key: each.chip for each in ([*near] if race.key in {r.key for r in near} else [race, *near])}
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.segmented_control(
            "Recording",
            list(titles),
            format_func=titles.__getitem__,
            default=race.key,
            required=True,
            key=f"watch.race.{race.key}",
            label_visibility="collapsed",
            on_change=lambda: _switch(race, st.session_state[f"watch.race.{race.key}"]),
        )
        st.button("All runs…", key="watch.gallery", on_click=_open)
        # Open until it is closed, and not for one run of the script: an answer that arrives draws the page again.
        if st.session_state.get(_OPEN):
            _show(st.session_state[_OPENED])
        if race.title != race.chip:
            st.text(race.title, width="content")


def choose(link: str | None) -> None:
    """Opens another recording, at its own opening."""
    if link is not None:
        state.overrule(run=link, step=None, anchor=None, positive=None)


def _switch(race: Race, link: str | None) -> None:
    """Another button of the bar was pressed. What the bar of a page left behind still says is not heard."""
    if race.holds(state.get(state.RUN)):
        choose(link)


def _open() -> None:
    st.session_state[_OPENED] = st.session_state.get(_OPENED, 0) + 1
    st.session_state[_OPEN] = True


def _close(number: int) -> None:
    """Closes that opening. "Closed" and the next "open" may arrive together, in either order."""
    if st.session_state.get(_OPENED) == number:
        st.session_state[_OPEN] = False


def _show(number: int) -> None:
    # Each opening is a dialog of its own to the browser: one that it has closed it does not open again. An invisible
    # letter in the title is what tells them apart.
    title = "Choose a run" + "\u2060" * (number % 2)
    st.dialog(title, width="large", on_dismiss=lambda: _close(number))(_gallery)()


def _gallery() -> None:
    """Every race and run that was found."""
    for race in loaders.all_races():
        st.subheader(race.title)
        if race.note:
            st.text(race.note)
        maps = {path: last_map(path, stamp(Path(path))) for path in race.paths}
        reach = max((reach_of(points) for points, _ in maps.values()), default=0.0)
        columns = st.columns(3)
        for place, path in enumerate(race.paths):
            with columns[place % 3].container(border=True):
                _card(race, Path(path), *maps[path], reach)
    st.text("Runs in ./runs appear here, and those given with: tripletscope app --run DIR")


def _card(race: Race, folder: Path, points: np.ndarray, labels: np.ndarray, reach: float) -> None:
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
        if len(points):
            st.image(thumbnail(points, labels, reach), width=_SIDE)
        st.text("\n".join(lines), width="content")
    if st.button("Watch", key=f"gallery.{folder}", width="stretch", disabled=not len(points)):
        choose(race.link(run.name))
        st.session_state[_OPEN] = False
        st.rerun()


@st.cache_resource(show_spinner=False, max_entries=256)
def last_map(folder: str, changed: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, np.ndarray]:
    """(positions (n, 2), labels (n,)) of the last frame; empty for a run that cannot be drawn.

    `changed` is the run's stamp: a run that grew is read again.
    """
    try:
        run = Run.open(folder)
        positions = projection_of(run).positions
        return positions[-1].astype(np.float64), probe_labels(run)
    except (TripletscopeError, IndexError):
        return np.empty((0, 2)), np.empty(0, np.int64)


def reach_of(points: np.ndarray) -> float:
    """Half the side of the square, about the middle, that holds 99 % of the points."""
    good = points[np.isfinite(points).all(1)]
    return float(np.quantile(np.abs(good - np.median(good, axis=0)).max(axis=1), 0.99)) if len(good) else 0.0


def thumbnail(points: np.ndarray, labels: np.ndarray, reach: float) -> bytes:
    """A map as a PNG, each class in its hue. `reach` is shared by a race, so that a collapsed run looks collapsed."""
    from PIL import Image, ImageDraw

    good = np.isfinite(points).all(1)
    points, labels = points[good], labels[good]
    middle = np.median(points, axis=0) if len(points) else np.zeros(2)
    side = 4 * _SIDE  # drawn at four times the size, shown at twice the density of the page: smooth edges
    places = (points - middle) * (side / 2 - 16) / (reach or 1.0) + side / 2
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    radius = 6.0 if len(points) < 4000 else 6.0 * math.sqrt(4000 / len(points))
    for (x, y), label in zip(places, labels, strict=True):
        top = side - y
        pen.ellipse((x - radius, top - radius, x + radius, top + radius), fill=_HUES[int(label) % len(_HUES)])
    out = io.BytesIO()
    picture.resize((side // 2, side // 2), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()
