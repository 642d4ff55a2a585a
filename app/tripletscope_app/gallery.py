"""Which recording to watch: the shipped races as buttons, everything else in a dialog with its map and its numbers."""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from tripletscope.analysis.probe import probe_labels
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope.store.shelf import grown
from tripletscope_app import loaders, state
from tripletscope_app.comparing import view as comparing
from tripletscope_app.component.pack import projection_of
from tripletscope_app.loaders import Race
from tripletscope_app.racing import plan as plans
from tripletscope_app.racing import shelving
from tripletscope_app.racing.office import FOLDER, yard
from tripletscope_app.selection import own_strategy

_OPEN, _OPENED = "watch.gallery.open", "watch.gallery.opened"  # in the session: whether it is open, how often it was
_TURN, _SAID, _GONE = "watch.gallery.turn", "watch.gallery.said", "watch.gallery.gone"
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
    """Every race and run that was found, as far as it fits what was searched for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input("Search", placeholder="a name, a strategy, a state", key="gallery.search")
        with st.popover("Take in a zip"):
            _take_in()
    _after()
    shown = 0
    for race in loaders.all_races():
        paths = [path for path in race.paths if found(race, Path(path), wanted)]
        if not paths:
            continue
        shown += len(paths)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(race.title, anchor=False)
            _race_buttons(race)
        if race.note:
            st.text(race.note)
        maps = {path: last_map(path, grown(Path(path))) for path in race.paths}
        reach = max((reach_of(points) for points, _ in maps.values()), default=0.0)
        columns = st.columns(3)
        for place, path in enumerate(paths):
            with columns[place % 3].container(border=True):
                _card(race, Path(path), *maps[path], reach)
    if wanted and not shown:
        st.text(f"No run fits {wanted!r}.")
    st.text("Runs in ./runs appear here, and those given with: tripletscope app --run DIR")


def _race_buttons(race: Race) -> None:
    """What can be done with all runs of a race at once."""
    if st.button("Compare", key=f"gallery.compare.{race.key}"):
        st.session_state[_OPEN] = False
        compare(race)
    st.download_button(
        "As a zip",
        data=lambda paths=tuple(race.paths): shelving.zipped(paths),
        file_name=f"{race.key}.zip",
        mime="application/zip",
        on_click="ignore",
        key=f"gallery.zip.{race.key}",
        help="All runs of this race, to send or to keep: without the weights, and without your data.",
    )
    if all(shelving.is_ours(Path(path), Path(FOLDER).absolute()) for path in race.paths):
        with st.popover("More", key=f"gallery.more.{race.key}"):
            if race.folder:
                key = f"gallery.title.{race.key}"
                title = (plans.read(Path(race.folder)) or plans.Plan("", {})).title
                st.text_input("Name", value=title, max_chars=80, key=key, on_change=_retitle, args=(race, key))
            st.button("Delete the race", key=f"gallery.delete-race.{race.key}", on_click=_delete_race, args=(race,))


def compare(race: Race) -> None:
    """Goes to the Compare page, with the runs of that race on its maps."""
    comparing.go_to([race.link(Path(path).name) for path in race.paths])
    page = st.session_state.get(state.COMPARE_PAGE)
    if page is not None:
        st.switch_page(page)


def found(race: Race, path: Path, wanted: str) -> bool:
    """Whether a run fits what was searched for: every word stands in its names, its strategy, data or state."""
    words = wanted.lower().split()
    if not words:
        return True
    told = [race.key, race.title, path.name]
    try:
        run = Run.open(path)
        told += [own_strategy(run)["title"], run.state_text, str((run.config.get("data") or {}).get("name", ""))]
    except TripletscopeError:
        told.append("damaged")
    text = " ".join(told).lower()
    return all(word in text for word in words)


def _take_in() -> None:
    # Another key after every file: the browser's widget lets go of it.
    key = f"gallery.upload.{st.session_state.setdefault(_TURN, 0)}"
    st.file_uploader("Runs that were saved “as a zip”", type="zip", key=key, on_change=_took, args=(key,))


def _took(key: str) -> None:
    given = st.session_state.get(key)
    if given is None:
        return
    st.session_state[_TURN] += 1
    st.session_state.pop(_GONE, None)
    try:
        made = shelving.take_in(given.name, given, Path(FOLDER).absolute())
        st.session_state[_SAID] = f"Taken in: {', '.join(path.name for path in made)}."
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_SAID] = str(refusal)


def _after() -> None:
    """What came of the last thing that was asked for, and the way back from a deletion."""
    said = st.session_state.get(_SAID)
    gone: list[shelving.Discarded] = st.session_state.get(_GONE) or []
    if said:
        with st.container(horizontal=True, vertical_alignment="center", key="gallery-said"):
            st.text(said)
            if gone:
                st.button("Undo", key="gallery.undo", on_click=_undo)


def _undo() -> None:
    gone: list[shelving.Discarded] = st.session_state.pop(_GONE, None) or []
    if not gone:
        return  # the click was heard twice
    try:
        back = [shelving.restore(each).name for each in gone]
        st.session_state[_SAID] = f"{', '.join(back)} {'is' if len(back) == 1 else 'are'} back."
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_SAID] = str(refusal)


def _delete(path: Path) -> None:
    try:
        st.session_state[_GONE] = [shelving.discard(path)]
        st.session_state[_SAID] = f"{path.name} was deleted."
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_SAID] = str(refusal)


def _delete_race(race: Race) -> None:
    folder = Path(race.folder) if race.folder else None
    try:
        with yard().at_rest(folder, race.members) if folder is not None else contextlib.nullcontext():
            gone = shelving.discard_race([Path(path) for path in race.paths], folder, race.members)
        if not gone:
            return  # the click was heard twice; what it did the first time can still be undone
        st.session_state[_GONE] = gone
        st.session_state[_SAID] = f"The race “{race.title}” was deleted."
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_SAID] = str(refusal)


def _retitle(race: Race, key: str) -> None:
    title = str(st.session_state.get(key) or "").strip()
    plan = plans.read(Path(race.folder))
    if plan is None or title == plan.title:
        return  # the field of a race that was deleted is heard once more when it goes: what can be undone stays so
    st.session_state.pop(_GONE, None)
    try:
        shelving.retitle(Path(race.folder), title)
        st.session_state[_SAID] = f"The race is called “{title}” now."
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_SAID] = str(refusal)


def _rename(path: Path, key: str) -> None:
    name = str(st.session_state.get(key) or "").strip()
    if not name or name == path.name:
        return
    st.session_state.pop(_GONE, None)
    try:
        made = shelving.rename(path, name)
        st.session_state[_SAID] = f"{path.name} is called {made.name} now."
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_SAID] = str(refusal)


def _more(path: Path) -> None:
    """What can be done with a run of ours besides watching it."""
    key = f"gallery.name.{path}"
    with st.popover("More", width="stretch"):
        st.text_input("Name", value=path.name, key=key, on_change=_rename, args=(path, key))
        st.download_button(
            "As a zip",
            data=lambda: shelving.zipped([str(path)]),
            file_name=f"{path.name}.zip",
            mime="application/zip",
            on_click="ignore",
            key=f"gallery.zip.{path}",
            width="stretch",
        )
        st.button("Delete", key=f"gallery.delete.{path}", on_click=_delete, args=(path,), width="stretch")


def _card(race: Race, folder: Path, points: np.ndarray, labels: np.ndarray, reach: float) -> None:
    """One run: its last frame, its name, strategy, state and R@1."""
    ours = shelving.is_ours(folder, Path(FOLDER).absolute())
    try:
        run = Run.open(folder)
    except TripletscopeError as problem:
        st.text(f"{folder.name}\n{problem}")
        if ours:
            _more(folder)
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
    if ours:
        _more(folder)


@st.cache_resource(show_spinner=False, max_entries=256)
def last_map(folder: str, changed: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(positions (n, 2), labels (n,)) of the last frame; empty for a run that cannot be drawn.

    `changed` is the run's stamp (see `shelf.grown`): a run that has a frame more is read again.
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
