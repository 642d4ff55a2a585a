"""The parts of the Watch page that speak with streamlit: what is chosen, what was answered, what goes out as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope.store.reader import Run
from tripletscope_app import loaders, state
from tripletscope_app.answers import Helper
from tripletscope_app.loaders import Loaded, Race
from tripletscope_app.selection import Selection, read_report, settle, view_data

#: After a click the page waits this long for the strategies before it draws without them, in seconds.
PATIENCE = 1.5


@st.cache_resource(show_spinner=False)
def helper() -> Helper:
    """The one helper process of this server."""
    return Helper()


@dataclass(frozen=True)
class Told:
    """What is known of the strategies' choices for the anchor.

    Attributes:
        answers: by digest of the run.
        cards: of all strategies that are known.
        message: a sentence for the person, or None.
        waiting: questions that are still open.
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
        opening=loaders.opening(race) or loaded.proposal,
    )
    remember(race, loaded, chosen)
    return chosen


def remember(race: Race, loaded: Loaded, chosen: Selection) -> None:
    """Session and address hold the selection by names that outlive this server: run, step, rows of the samples."""
    state.put(
        run=race.link(loaded.runs[chosen.run].name),
        step=chosen.step,
        anchor=loaded.row(chosen.anchor),
        positive=None if chosen.positive is None else loaded.row(chosen.positive),
    )


def hear(race: Race, loaded: Loaded) -> None:
    """The browser reports a selection: it becomes ours."""
    result = st.session_state.get(state.instrument_key(race.key)) or {}
    report = read_report(result.get("selection"), loaded.digests)
    if report is None:
        return
    told = {**report, "run": loaded.runs[report["run"]].name}
    remember(race, loaded, settle(loaded.runs, loaded.labels, **told, opening=loaders.opening(race) or loaded.proposal))
    st.session_state["watch.heard"] = True


def ask_strategies(race: Race, loaded: Loaded, chosen: Selection) -> Told:
    """The strategies' choices for the anchor: recorded with the race, known already, or asked of the helper."""
    heard = st.session_state.pop("watch.heard", False)
    told = loaders.opening(race) or {}
    cards = list(told.get("strategies", []))
    if told.get("anchor") == chosen.anchor:
        answers = {d: told["answers"].get(run.name) for run, d in zip(loaded.runs, loaded.digests, strict=True)}
        if all(answers.values()):
            return Told(answers, cards)
    pairs = list(zip(loaded.runs, loaded.digests, strict=True))
    pairs.insert(0, pairs.pop(chosen.run))  # the run on the screen is answered first
    futures = {digest: helper().ask(str(run.path), digest, chosen.anchor) for run, digest in pairs}
    # The first draw does not wait: a page without picks now is better than a page in two seconds.
    wait(futures.values(), timeout=PATIENCE if heard else 0.05)
    replies = {digest: future.result() for digest, future in futures.items() if future.done()}
    errors = [reply["error"] for reply in replies.values() if "error" in reply]
    for reply in replies.values():
        cards = reply.get("strategies") or cards
    # Until somebody has answered: those of the shipped races, so that the lanes do not jump when the answer comes.
    known = {card["name"]: card for run in loaded.runs for card in run.config.get("strategies", [])}
    shipped = loaders.shipped_races() if not cards else []
    known = {card["name"]: card for each in shipped[:1] for card in (loaders.opening(each) or {})["strategies"]} | known
    return Told(
        {digest: reply.get("answer") for digest, reply in replies.items()},
        cards or list(known.values()),
        errors[0] if errors else None,
        [future for future in futures.values() if not future.done()],
    )


@st.fragment(run_every=0.6)
def await_strategies(told: Told) -> None:
    """Draws the page again when the answers are there. A page that is not waiting does not have this timer."""
    if all(future.done() for future in told.waiting):
        st.rerun()


def instrument_data(loaded: Loaded, chosen: Selection, told: Told) -> dict[str, Any]:
    """The JSON of the view."""
    return view_data(
        runs=loaded.runs,
        digests=loaded.digests,
        labels=loaded.labels,
        chosen=chosen,
        revision=state.revision(),
        cards=told.cards,
        answers=told.answers,
        asking=told.asking,
        message=told.message,
        zoom=loaded.zoom(chosen.run, chosen.step),
    )


def run_notes(loaded: Loaded) -> None:
    """One line for each run that did not end as planned, and for everything in it that is damaged."""
    for run in loaded.runs:
        if run.state != "finished":
            why = f" ({run.status['message']})" if run.status.get("message") else ""
            st.text(f"{run.name}: {run.state_text}{why}. Everything recorded up to there is shown.")
        for note in run.notes:
            st.text(f"{run.name}: {note}.")


def downloads(run: Run, step: int) -> None:
    """The triplets of this step, and of the whole run, as CSV; written when the button is pressed."""
    picked = step < run.step_count
    left, right, _ = st.columns([1, 1, 2], vertical_alignment="center")
    left.download_button(
        f"Triplets of step {step} (CSV)",
        data=lambda: csv_of(run, [step]),
        file_name=f"{run.name}-step-{step}.csv",
        mime="text/csv",
        on_click="ignore",
        key="download.step",
        disabled=not picked,
        help=None if picked else "The closing frame follows the last update: no triplets were mined there.",
        width="stretch",
    )
    right.download_button(
        "Triplets of the whole run (CSV)",
        data=lambda: csv_of(run, None),
        file_name=f"{run.name}.csv",
        mime="text/csv",
        on_click="ignore",
        key="download.run",
        width="stretch",
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
