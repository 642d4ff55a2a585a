"""How planned runs are, in words, with what can be asked of each; for the Race page and for Watch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope.errors import TripletscopeError
from tripletscope.store import control
from tripletscope.store.reader import Run
from tripletscope.store.shelf import is_live, is_run
from tripletscope_app.inspecting.waiting import spoken
from tripletscope_app.racing.office import yard
from tripletscope_app.racing.yard import Standing

_REFUSED = "race.asked.refused"


def sentence(run: Standing) -> str:
    """How a run is.

    Example:
        >>> from tripletscope.config import TrainConfig
        >>> sentence(Standing("a", Path("a"), TrainConfig(steps=400), "running", 120, 40.0))
        'step 120 of 400, 40 steps/s, about 7 s left'
        >>> sentence(Standing("a", Path("a"), TrainConfig(), "waiting"))
        'waits for its turn'
        >>> sentence(Standing("a", Path("a"), TrainConfig(), "waiting", message="the disk is full"))
        'waits: the disk is full'
    """
    at = f"step {run.step:,} of {run.config.steps:,}"
    if run.state == "running":
        rate = f", {run.rate:.3g} steps/s" if run.rate else ""
        left = f", about {spoken(run.seconds_left)} left" if run.seconds_left is not None else ""
        return f"{at}{rate}{left}"
    words = {
        "waiting": "waits" if run.message else "waits for its turn",
        "starting": "is starting: torch and the data are being loaded",
        "paused": f"paused at {at}",
        "finished": f"finished, {run.config.steps:,} steps",
        "stopped": f"stopped at {at}",
        "failed": f"failed at {at}",
        "refused": "could not start",
        "cancelled": "cancelled before it began",
    }
    why = f": {run.message}" if run.message and run.state in ("waiting", "stopped", "failed", "refused") else ""
    return words[run.state] + why


def lines(folder: Path, runs: Sequence[Standing], *, key: str, pictures: bool = False) -> None:
    """A line for each run: its state, and the buttons that make sense now.

    Args:
        folder: of the race.
        runs: of it.
        key: of the widgets; the same run may stand in two places.
        pictures: below each other, each with its last map; else side by side.
    """
    drawn: dict[str, bytes | None] = {}
    if pictures:
        from tripletscope_app.racing.form import last_pictures

        begun = [run for run in runs if is_run(run.path)]
        drawn = dict(zip([run.name for run in begun], last_pictures([str(run.path) for run in begun]), strict=True))
    cells = [st.container() for _ in runs] if pictures else _side_by_side(len(runs))
    for run, cell in zip(runs, cells, strict=True):
        with cell:
            _line(folder, run, key, drawn.get(run.name))
    refused = st.session_state.pop(_REFUSED, None)
    if refused:
        with st.container(key=f"race-refused-{key}"):
            st.text(refused)


def _side_by_side(count: int) -> list[Any]:
    """Places for so many lines, three in a row."""
    return [place for start in range(0, count, 3) for place in st.columns(3)[: count - start]]


def _line(folder: Path, run: Standing, key: str, picture: bytes | None) -> None:
    with st.container(key=f"race-run-{key}-{folder.name}-{run.name}", horizontal=True, gap="small"):
        if picture is not None:
            st.image(picture, alt=f"Last map of {run.name}", width=56)
        with st.container():
            st.text(f"{run.name}: {sentence(run)}")
            st.html(f'<div class="race-bar"><i style="width: {100 * run.share:.1f}%"></i></div>')
            if run.state in ("failed", "refused") or (run.state == "stopped" and run.message):
                _log(folder, run, key)
        _buttons(folder, run, key)


def _buttons(folder: Path, run: Standing, key: str) -> None:
    about = f"{key}.{folder.name}.{run.name}"
    if run.state == "running":
        st.button("Pause", key=f"race.pause.{about}", on_click=_ask, args=("pause", folder, run))
    if run.state == "paused":
        st.button("Go on", key=f"race.go.{about}", on_click=_ask, args=("go", folder, run))
    if run.alive or run.state == "waiting":
        st.button("Cancel", key=f"race.cancel.{about}", on_click=_ask, args=("cancel", folder, run))
    if (
        run.state in ("stopped", "failed")
        and run.step < run.config.steps
        and st.button("Resume", key=f"race.resume.{about}", on_click=_ask, args=("resume", folder, run))
    ):
        st.rerun()  # the whole page, so that there is a timer again


def _ask(what: str, folder: Path, run: Standing) -> None:
    try:
        if what == "cancel":
            yard().cancel(folder, run.name)
        elif what == "resume":
            yard().resume(run.path)
        else:
            yard().pause(run.path, go=what == "go")
    except (TripletscopeError, OSError) as refusal:
        st.session_state[_REFUSED] = str(refusal)


def _log(folder: Path, run: Standing, key: str) -> None:
    said = yard().log(folder, run.name)
    if said:
        with st.expander("The end of its log"), st.container(key=f"race-log-{key}-{folder.name}-{run.name}"):
            st.text("\n".join(said))


def lone_lines(paths: Sequence[str], *, key: str) -> None:
    """The same for runs that were started elsewhere, by the command line or in somebody's own loop."""
    for path in map(Path, paths):
        if not is_live(path):
            continue
        try:
            run = Run.open(path)
        except TripletscopeError:
            continue
        with st.container(key=f"race-run-{key}-{run.name}", horizontal=True):
            st.text(f"{run.name}: {run.state_text}")
            if run.config.get("train"):  # somebody's own loop need not listen
                paused = run.paused
                label, what = ("Go on", "go") if paused else ("Pause", "pause")
                st.button(label, key=f"race.pause.{key}.{path}", on_click=_tell, args=(path, what))
                st.button("Cancel", key=f"race.cancel.{key}.{path}", on_click=_tell, args=(path, "stop"))


def _tell(path: Path, what: str) -> None:
    try:
        control.ask(path, what)
    except TripletscopeError as refusal:
        st.session_state[_REFUSED] = str(refusal)
