"""What a race will cost, and the button that starts it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from tripletscope import datasets
from tripletscope.config import TrainConfig
from tripletscope.errors import TripletscopeError
from tripletscope_app.inspecting.waiting import spoken
from tripletscope_app.racing import plan as plans
from tripletscope_app.racing import view
from tripletscope_app.racing.checking import Told
from tripletscope_app.racing.estimate import Paced, queue_seconds, size
from tripletscope_app.racing.fields import LABELS
from tripletscope_app.racing.office import yard
from tripletscope_app.racing.view import Wanted

_STARTED, _REFUSED = "race.started", "race.start.refused"


def show(wanted: Wanted, told: Told) -> None:
    """The card with the facts of the data, the estimate, and Start."""
    with st.container(border=True, key="race-start-card"):
        st.header("Start", anchor=False)
        answer = told.answer or {}
        refusals = answer.get("refusals", [])
        if told.ready and "error" in answer:
            _refuse(f"These settings could not be checked: {answer['error']}")
        elif told.ready and refusals:
            fields = list(dict.fromkeys(LABELS.get(one["field"], one["field"]) for one in refusals))
            _refuse(f"This race cannot start yet. Look at: {', '.join(fields)}.")
        elif told.ready:
            st.html(_facts(wanted, answer))
        elif wanted.seeds is None:
            _refuse("This race cannot start yet. Look at: Seeds.")
        else:
            st.html(
                '<p class="race-soft" role="status">Trying these settings: the data are loaded, and each strategy '
                "takes a few steps.</p>"
            )
        st.text_input("Name of the race", key=view.TITLE, placeholder=title_of(wanted), max_chars=80)
        ready = told.ready and not refusals and "error" not in answer
        st.button(
            "Start",
            type="primary",
            width="stretch",
            key="race.start",
            disabled=not ready,
            on_click=_start,
            args=(wanted,),
            shortcut="ctrl+enter",
        )
        refused = st.session_state.pop(_REFUSED, None)
        if refused:
            _refuse(refused)


def _refuse(text: str) -> None:
    with st.container(key="race-refused-start"):
        st.text(text)


def title_of(wanted: Wanted) -> str:
    """What a race is called that nobody gave a name."""
    name = str(wanted.settings.get("data", ""))
    short = datasets.short_name(name)
    title = datasets.get(short).title if short in datasets.names() else short
    return f"{title}: {', '.join(wanted.strategies)}"


def seconds_and_bytes(wanted: Wanted, answer: Mapping[str, Any], at_once: int) -> tuple[float, float]:
    """(seconds until the last run has ended, bytes of all runs), when nothing else is under way.

    Args:
        wanted: the race.
        answer: of its check.
        at_once: runs that train beside each other.
    """
    steps, frames = int(wanted.settings["steps"]), int(answer["frames"])
    paced = [Paced(**answer["paced"][name]) for _ in wanted.seeds or () for name in wanted.strategies]
    runs = [one.seconds(steps, frames) + float(answer.get("loading", 0.0)) for one in paced]
    return queue_seconds(runs, at_once), sum(one.bytes(steps, frames) for one in paced)


def _facts(wanted: Wanted, answer: Mapping[str, Any]) -> str:
    facts = answer["facts"]
    most = yard().most
    count = len(wanted.strategies) * len(wanted.seeds or ())
    seconds, content = seconds_and_bytes(wanted, answer, most)
    shape = " x ".join(f"{side:,}" for side in facts["shape"])
    each = (
        f"{facts['smallest']:,}"
        if facts["smallest"] == facts["largest"]
        else f"{facts['smallest']:,} to {facts['largest']:,}"
    )
    ahead = sum(not run.over for race in yard().races() for run in race.runs)
    rows = [
        ("Data", f"<b>{facts['rows']:,}</b> samples of {shape}, {facts['classes']:,} classes of {each}"),
        ("Runs", f"<b>{count}</b> of {int(wanted.settings['steps']):,} steps, {min(most, count)} at a time"),
        (
            "Time",
            f"about <b>{html.escape(spoken(seconds))}</b>"
            + (f", behind {ahead} runs that are under way" if ahead else ""),
        ),
        ("Disk", f"about <b>{size(content)}</b> with {answer['frames']} frames each"),
    ]
    told = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in rows)
    how = "Timed on a few real steps of each strategy just now."
    return f'<dl class="race-facts">{told}</dl><p class="race-soft">{how}</p>'


def _start(wanted: Wanted) -> None:
    try:
        config = TrainConfig.from_dict({**wanted.settings, "seed": (wanted.seeds or (0,))[0]})
        typed = str(st.session_state.get(view.TITLE) or "").strip()
        title = typed or title_of(wanted)
        plan = plans.race(config, wanted.strategies, wanted.seeds or (), title=title)
        name = typed or f"{datasets.short_name(config.data)}-race"
        st.session_state[_STARTED] = str(yard().start(plan, name))
        st.session_state[view.TITLE] = ""
    except TripletscopeError as refusal:
        st.session_state[_REFUSED] = str(refusal)
    except OSError as problem:
        st.session_state[_REFUSED] = (
            f"The folder of the race could not be made ({problem.strerror}): is the disk full, or not yours to write?"
        )
