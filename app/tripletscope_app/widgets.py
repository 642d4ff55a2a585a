"""The parts of the Watch page that speak with streamlit: what is chosen, what was answered, what goes out as a file."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope.composition import composer
from tripletscope.config import TrainConfig, as_arguments
from tripletscope.errors import TripletscopeError
from tripletscope.store.reader import Run
from tripletscope_app import component, live, loaders, state
from tripletscope_app.answers import Helper
from tripletscope_app.loaders import Loaded, Race
from tripletscope_app.selection import VIEW, Selection, cast_of, read_report, settle, view_data

#: After a click the page waits this long for the strategies before it draws without them, in seconds.
PATIENCE = 1.5
#: A search may look at every anchor, and may be the first thing that is asked while torch is still being imported.
LONGER = 12.0
#: A page of a big run takes its time, and a helper may have an aside to finish first.
PAGE_PATIENCE = 300.0
#: Said where a search found nothing.
NOTHING = {
    "violating": "no anchor violates the margin at this step",
    "disagree": "no anchor has a positive and a negative to disagree about",
}
#: What is looked at, for whoever wants it between two runs of the script.
_SHOWN = "watch.shown"
_HEARD, _MESSAGE, _TOLD = "watch.heard", "watch.message", "watch.message.for"
#: Whether somebody has tried other parameters.
_TRIED = "watch.tried"


@st.cache_resource(show_spinner=False)
def helper() -> Helper:
    """The helper processes of this server."""
    return Helper()


@dataclass(frozen=True)
class Told:
    """What is known of the strategies' choices for the anchor.

    Attributes:
        answers: packed, by digest of the run.
        cards: of all strategies that are known.
        message: a sentence for the person, or None.
        waiting: the question that is still open, in a list.
    """

    answers: Mapping[str, Any]
    cards: list[dict[str, Any]]
    message: str | None = None
    waiting: list[Future[dict[str, Any]]] = field(default_factory=list)

    @property
    def asking(self) -> bool:
        """Whether an answer is to come."""
        return bool(self.waiting)


def settle_selection(race: Race, loaded: Loaded) -> Selection:
    """What is looked at now: the session's selection, made valid; a new session opens as the recording proposes."""
    chosen = settle(
        loaded.runs,
        loaded.labels,
        run=str(state.get(state.RUN) or "").rpartition("/")[2],
        step=state.get(state.STEP),
        anchor=loaded.index(state.get(state.ANCHOR)),
        positive=loaded.index(state.get(state.POSITIVE)),
        opening=_proposed(race, loaded),
        margin=state.get(state.MARGIN),
        lane=state.get(state.LANE),
        space=state.get(state.SPACE),
        focus=state.get(state.FOCUS),
        span=state.get(state.SPAN),
        lanes=state.get(state.LANES),
        composed=state.get(state.COMPOSED),
        tuned=state.get(state.TUNED),
    )
    remember(race, loaded, chosen)
    if chosen.tuned:
        st.session_state[_TRIED] = True
    return chosen


def _proposed(race: Race, loaded: Loaded) -> Mapping[str, Any]:
    """What the recording opens on. A run that is being recorded is followed: at its own last frame."""
    told = loaders.opening(race) or loaded.proposal
    if loaded.live:
        name = str(state.get(state.RUN) or "").rpartition("/")[2]
        for run in loaded.runs:
            if run.name == name:
                return {**told, "run": name, "step": run.frame_steps[-1]}
    return told


def remember(race: Race, loaded: Loaded, chosen: Selection, *, overrule: bool = False) -> None:
    """Session and address hold the selection by names that outlive this server: run, step, rows of the samples."""
    st.session_state.setdefault(_SHOWN, {}).update(
        number=chosen.run, step=chosen.step, anchor=chosen.anchor, positive=chosen.positive
    )
    put = state.overrule if overrule else state.put
    run = loaded.runs[chosen.run]
    following = loaded.live and chosen.step == run.frame_steps[-1]  # no step: the last one, whichever that is
    put(
        run=race.link(run.name),
        step=None if following else chosen.step,
        anchor=loaded.row(chosen.anchor),
        positive=None if chosen.positive is None else loaded.row(chosen.positive),
        **{name: getattr(chosen, name) for name in VIEW},
    )


def hear(race: Race, loaded: Loaded) -> None:
    """The browser reports a selection: it becomes ours."""
    result = st.session_state.get(state.instrument_key(race.key)) or {}
    chosen = _reported(race, loaded, result.get("selection"))
    if chosen is not None:
        _answer(race, loaded, chosen)  # the helper works while this page is still being set up
        remember(race, loaded, chosen)
        st.session_state[_HEARD] = True


def _answer(race: Race, loaded: Loaded, chosen: Selection) -> Future[dict[str, Any]]:
    """The answer for what is looked at, recorded or asked of the helper."""
    told = loaders.opening(race) or {}
    run = loaded.runs[chosen.run]
    recorded = told["answers"].get(run.name) if told.get("anchor") == chosen.anchor else None
    if recorded is None or any(_what_if(chosen)) or strangers():
        return helper().ask(str(run.path), loaded.digests[chosen.run], chosen.anchor, *_what_if(chosen))
    there: Future[dict[str, Any]] = Future()
    there.set_result({"answer": recorded, "recorded": True})
    return there


def _what_if(chosen: Selection) -> tuple[Any, ...]:
    """What an answer depends on besides run and anchor, as the helper takes it; None is what was recorded."""
    return chosen.margin, chosen.composed, chosen.tuned


@cache
def strangers() -> bool:
    """Whether another package has strategies: no recording tells of them."""
    return bool(entry_points(group="tripletscope.strategies"))


def _reported(race: Race, loaded: Loaded, said: Any) -> Selection | None:
    """The selection in a report, valid; None for one from a page that was left since it was sent.

    A message of the browser tells the state of everything it still shows. Where it crosses with the choice of another
    recording, streamlit takes the state of the old page for news.
    """
    watched = state.get(state.RUN)
    if watched is not None and not race.holds(watched):
        return None
    if isinstance(said, Mapping) and (renewed := live.heir(race, loaded, said.get("run"))):
        said = {**said, "run": renewed}
    report = read_report(said, loaded.digests)
    if report is None:
        return None
    told = {**report, "run": loaded.runs[report["run"]].name}
    return settle(loaded.runs, loaded.labels, **told, opening=loaders.opening(race) or loaded.proposal)


def hear_request(race: Race, loaded: Loaded) -> None:
    """The browser asks for something that is no selection; it sends the selection along."""
    request = (st.session_state.get(state.instrument_key(race.key)) or {}).get("request")
    chosen = _reported(race, loaded, request)
    if chosen is None:
        return
    remember(race, loaded, chosen)
    st.session_state[_HEARD] = True
    kind = request.get("kind")
    if kind == "seek" and request.get("what") in NOTHING:
        seek(race, loaded, chosen, request["what"])
    elif kind in ("umap", "cancel-umap"):
        from tripletscope_app import projections

        (projections.start if kind == "umap" else projections.cancel)(loaded.runs[chosen.run])


def seek(race: Race, loaded: Loaded, chosen: Selection, what: str) -> None:
    """The next anchor worth a look becomes the selection; where there is none, a line says so."""
    run, digest = loaded.runs[chosen.run], loaded.digests[chosen.run]
    future = helper().seek(str(run.path), digest, what, step=chosen.step, anchor=chosen.anchor, margin=chosen.margin)
    wait([future], timeout=LONGER)
    reply = future.result() if future.done() else {"error": "the search takes longer than usual; press again"}
    found = reply.get("found")
    if found is None:
        st.session_state[_MESSAGE] = reply.get("error") or NOTHING[what]
        st.session_state[_TOLD] = (chosen.step, chosen.anchor, chosen.margin)
    else:
        remember(race, loaded, replace(chosen, **found), overrule=True)


def ask_strategies(race: Race, loaded: Loaded, chosen: Selection) -> Told:
    """The strategies' choices for the anchor in the watched run: recorded, known already, or asked of the helper."""
    heard = st.session_state.pop(_HEARD, False)
    cards = list((loaders.opening(race) or {}).get("strategies", []))
    digest = loaded.digests[chosen.run]
    future = _answer(race, loaded, chosen)
    # The first draw does not wait: a page without picks now is better than a page in two seconds.
    wait([future], timeout=PATIENCE if heard else 0.05)
    reply = future.result() if future.done() else {}
    if "answer" in reply and "recorded" not in reply:
        for other, name in zip(loaded.runs, loaded.digests, strict=True):
            if name != digest:  # a press on its button shall find it answered
                helper().foresee(str(other.path), name, chosen.anchor, *_what_if(chosen))
    told = [*cards, *helper().cards, *reply.get("strategies", [])]
    return Told(
        {digest: reply.get("answer")},
        list({card["name"]: card for card in told or _cards_so_far(loaded)}.values()),
        reply.get("error") or _message(chosen),
        [] if future.done() else [future],
    )


def _cards_so_far(loaded: Loaded) -> list[dict[str, Any]]:
    """Until somebody has answered: those of the shipped races, so that the lanes do not jump when the answer comes."""
    shipped = [loaders.opening(each) or {"strategies": []} for each in loaders.shipped_races()[:1]]
    known = {card["name"]: card for told in shipped for card in told["strategies"]}
    return list(
        (known | {card["name"]: card for run in loaded.runs for card in run.config.get("strategies", [])}).values()
    )


def _message(chosen: Selection) -> str | None:
    """What a search had to say, as long as one looks at what it was asked about."""
    about = (chosen.step, chosen.anchor, chosen.margin)
    return st.session_state.get(_MESSAGE) if st.session_state.get(_TOLD) == about else None


@st.fragment(run_every=0.6)
def await_strategies(told: Told) -> None:
    """Draws the page again when the answers are there. A page that is not waiting does not have this timer."""
    if all(future.done() for future in told.waiting):
        st.rerun()


def instrument(race: Race, loaded: Loaded, chosen: Selection, told: Told) -> None:
    """The view, and beside it what is the same for every click: who plays, and the answers that were recorded."""
    links = [race.link(run.name) for run in loaded.runs]
    cast = cast_of(loaded.runs, loaded.digests, told.cards, links, chosen.composed)
    recorded = (loaders.opening(race) or {}).get("answers", {})
    known = {d: recorded[run.name] for run, d in zip(loaded.runs, loaded.digests, strict=True) if run.name in recorded}
    component.tell_cast({**cast, "answers": known})
    data = view_data(
        cast=cast["name"],
        digests=loaded.digests,
        chosen=chosen,
        revision=state.revision(),
        # The page has recorded answers already, unless one with other parameters took their place.
        answers={d: a for d, a in told.answers.items() if a is not known.get(d) or st.session_state.get(_TRIED)},
        asking=told.asking,
        message=told.message,
        zoom=loaded.zoom(chosen.run, chosen.step),
    )
    component.instrument(
        data,
        key=state.instrument_key(race.key),
        on_selection_change=lambda: hear(race, loaded),
        on_request_change=lambda: hear_request(race, loaded),
    )


def composing(loaded: Loaded) -> None:
    """Tells the page how strategies are composed, and by which command each run would train one; sent once."""
    commands = {digest: _command(run) for run, digest in zip(loaded.runs, loaded.digests, strict=True)}
    with st.container(key="unseen-composer"):
        component.tell_news({"composer": {**composer(), "commands": commands}}, key="news-composer")


def _command(run: Run) -> str | None:
    """The command that trained the run, with {strategy} and {name} to fill in; None for somebody's own loop."""
    try:
        config = TrainConfig.from_dict(run.config["train"])
    except (KeyError, TypeError, TripletscopeError):
        return None
    usual = TrainConfig()
    plain = replace(config, strategy=usual.strategy, shadow=usual.shadow, param=usual.param)
    return " ".join(
        ["tripletscope train", *map(shlex.quote, as_arguments(plain)), '--strategy "{strategy}"', "--out runs/{name}"]
    )


def run_notes(loaded: Loaded) -> None:
    """One line for each run that did not end as planned, and for everything in it that is damaged."""
    for run in loaded.runs:
        if run.state not in ("finished", "running"):
            why = f" ({run.status['message']})" if run.status.get("message") else ""
            st.text(f"{run.name}: {run.state_text}{why}. Everything recorded up to there is shown.")
        for note in run.notes:
            st.text(f"{run.name}: {note}.")


def step_button(loaded: Loaded, chosen: Selection) -> None:
    """The triplets of this step as CSV, written when the button is pressed."""
    run, step = loaded.runs[chosen.run], chosen.step
    picked = step < run.step_count
    st.download_button(
        f"Triplets of step {step} (CSV)",
        data=lambda: csv_of(run, [step]),
        file_name=f"{run.name}-step-{step}.csv",
        mime="text/csv",
        on_click="ignore",
        key="download.step",
        disabled=not picked,
        help=None if picked else "The closing frame follows the last update: no triplets were mined there.",
    )


def run_buttons(race: Race, loaded: Loaded) -> None:
    """The watched run as CSV, and as one page that opens by double click; made when a button is pressed.

    They take what is on the screen at that moment, and no click before it sends them again. The page is made in a
    helper process.
    """
    shown = st.session_state.setdefault(_SHOWN, {})

    def number() -> int:
        return min(int(shown.get("number", 0)), len(loaded.runs) - 1)

    def page() -> bytes:
        run, digest = loaded.runs[number()], loaded.digests[number()]
        opening = {"run": run.name, **{name: shown.get(name) for name in ("step", "anchor", "positive")}}
        reply = helper().share([str(run.path)], digest, f"{race.title}: {run.name}", opening).result(PAGE_PATIENCE)
        return Path(reply["path"]).read_bytes() if "path" in reply else f"{reply['error']}\n".encode()

    row = st.container(horizontal=True)
    row.download_button(
        "Triplets of the whole run (CSV)",
        data=lambda: csv_of(loaded.runs[number()], None),
        file_name=f"{race.key}.csv",
        mime="text/csv",
        on_click="ignore",
        key="download.run",
    )
    row.download_button(
        "This run as a page (HTML)",
        data=page,
        file_name=f"{race.key}.html",
        mime="text/html",
        on_click="ignore",
        key="download.page",
        help="One file with everything on this screen. It opens by double click, without a server and without a "
        "network; some seconds pass before it is there.",
    )


def csv_of(run: Run, steps: list[int] | None) -> bytes:
    """The CSV that `tripletscope export --what picks` writes."""
    from tripletscope.export import export_picks

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "triplets.csv"
        export_picks(run, out, steps=steps)
        return out.read_bytes()


def candidates_table(loaded: Loaded, chosen: Selection, told: Told) -> None:
    """The ruler as a table, for screen readers and for copying; made only when it is opened."""
    opened = st.expander("The ruler as a table", on_change="rerun", key="watch.table")
    if opened.open:
        answer = told.answers.get(loaded.digests[chosen.run])
        if answer is None:
            opened.text("The strategies are being asked; the table follows.")
            return
        from tripletscope_app.tables import candidates

        table = candidates(loaded.runs[chosen.run], answer, chosen.step, chosen.positive)
        opened.dataframe(table, hide_index=True, placeholder="", column_config={"picked by": {"width": "large"}})
