"""The parts of the Compare page that speak with streamlit: choosing runs, hearing the browser, what comes later."""

from __future__ import annotations

from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope.analysis.agreement import frame_at
from tripletscope.store.reader import Run
from tripletscope_app import component, loaders
from tripletscope_app.comparing import packing, view
from tripletscope_app.comparing.chosen import Chosen, Known, Look, settle_look
from tripletscope_app.selection import own_strategy
from tripletscope_app.theme import mark
from tripletscope_app.widgets import helper

#: After a click the page waits so long for the strategies' answers, and the first draw that long, in seconds.
PATIENCE, FIRST = 1.2, 0.02
#: Between two looks at what is being worked out.
PAUSE = 0.7
_HEARD = "compare.heard"


def bar(known: Known, links: tuple[str, ...]) -> None:
    """The choice: a whole race, or up to six runs by name."""
    titles, names = {race.key: race.chip for race in known.races}, known.titles
    now = next((race.key for race in known.races if tuple(known.links(race)[: view.MOST]) == links), None)
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare-bar"):
        st.selectbox(
            "Race",
            list(titles),
            index=None if now is None else list(titles).index(now),
            format_func=titles.__getitem__,
            placeholder="a mixture",
            key=f"compare.race.{view.revision()}",
            width=240,
            on_change=lambda: _take_race(known),
        )
        st.multiselect(
            f"Runs, up to {view.MOST}",
            list(known.paths),
            default=list(links),
            format_func=names.__getitem__,
            max_selections=view.MOST,
            key=f"compare.choice.{view.revision()}",
            on_change=_take_runs,
        )


def _take_race(known: Known) -> None:
    key = st.session_state.get(f"compare.race.{view.revision()}")
    for race in known.races:
        if race.key == key:
            view.overrule(runs=tuple(known.links(race)[: view.MOST]), step=None, anchor=None, pair=(0, 1))


def _take_runs() -> None:
    links = tuple(st.session_state.get(f"compare.choice.{view.revision()}") or ())
    if links:
        view.overrule(runs=links, pair=(0, 1))


def bring(chosen: Chosen) -> str:
    """The key of the curves; the browser is handed code, frames and curves, each once."""
    loaded = chosen.loaded
    key = curves_key(chosen)
    component.load_code("compare")
    with st.container(key="unseen-compare"):
        for digest, blob in zip(loaded.digests, loaded.blobs, strict=True):
            component.load_more(digest, blob)
        component.load_figures(_curves(chosen, key), key=key)
    return key


def curves_key(chosen: Chosen) -> str:
    """Decided by what the runs hold, and which they are."""
    return packing.key_of("curves", *(run.digest for run in chosen.runs), *(str(run.path) for run in chosen.runs))


@st.cache_resource(show_spinner=False, max_entries=16)
def _curves(_chosen: Chosen, key: str) -> bytes:
    return packing.pack_curves(_chosen.runs, _chosen.groups, key)


def agreement_key(chosen: Chosen) -> str:
    """Of the block with the agreement of the runs on the maps."""
    return packing.key_of("agreement", *(run.digest for run in chosen.shown))


def difference_key(chosen: Chosen, pair: tuple[int, int]) -> str:
    """Of the block with the difference of two of them."""
    return packing.key_of("difference", *(chosen.shown[place].digest for place in pair))


def instrument(known: Known, chosen: Chosen, look: Look, curves: str) -> None:
    """Maps, scrubber and charts."""
    futures = {digest: _asked(known, chosen, place, look) for place, digest in enumerate(chosen.loaded.digests)}
    wait(futures.values(), timeout=PATIENCE if st.session_state.pop(_HEARD, False) else FIRST)
    replies = {digest: future.result() for digest, future in futures.items() if future.done()}
    data = {
        "version": 1,
        "runs": [_entry(chosen, place) for place in range(len(chosen.shown))],
        "groups": [{"title": group.title, "mark": _mark(chosen.runs[group.members[0]])} for group in chosen.groups],
        "more_seeds": chosen.seeds,
        "curves": curves,
        "agreement": agreement_key(chosen),
        "differences": {
            f"{i}-{j}": difference_key(chosen, (i, j))
            for i in range(len(chosen.shown))
            for j in range(len(chosen.shown))
            if i < j
        },
        "selection": {
            "step": look.step,
            "anchor": look.anchor,
            "fair": look.fair,
            "pair": list(look.pair),
            "picks": look.picks,
            "rev": view.revision(),
            "zoom": round(opening_zoom(chosen, look), 3),
        },
        "answers": {digest: reply["answer"] for digest, reply in replies.items() if "answer" in reply},
        "asking": len(replies) < len(futures),
    }
    component.mount(
        "compare", data, key=f"compare.{curves}", on_selection_change=lambda: hear(known, chosen, f"compare.{curves}")
    )
    if len(replies) < len(futures):
        await_answers(list(futures.values()))


def opening_zoom(chosen: Chosen, look: Look) -> float:
    """How near the maps open: as near as the widest of them allows, since all have one camera."""
    loaded = chosen.loaded
    return min(loaded.zoom(place, frame_at(run, look.step)) for place, run in enumerate(loaded.runs))


def _asked(known: Known, chosen: Chosen, place: int, look: Look) -> Future[dict[str, Any]]:
    run, digest = chosen.shown[place], chosen.loaded.digests[place]
    told = loaders.opening(known.race_of[chosen.links[place]]) or {}
    recorded = told["answers"].get(run.name) if told.get("anchor") == look.anchor else None
    if recorded is None:
        return helper().ask(str(run.path), digest, look.anchor)
    there: Future[dict[str, Any]] = Future()
    there.set_result({"answer": recorded})
    return there


def _entry(chosen: Chosen, place: int) -> dict[str, Any]:
    run, group = chosen.shown[place], chosen.group_of(place)
    card = own_strategy(run)
    alone = sum(chosen.group_of(other) == group for other in range(len(chosen.shown))) == 1
    seed = run.config.get("seed")
    title = chosen.groups[group].title
    return {
        "digest": chosen.loaded.digests[place],
        "title": title if alone else f"{title}, seed {seed}",
        "name": run.name,
        "group": group,
        "mark": _mark(run),
        "strategy": {"name": card["name"], "title": card["title"], "granularity": card.get("granularity", "pair")},
        "state": run.state_text,
    }


def _mark(run: Run) -> dict[str, Any]:
    return dict(mark(own_strategy(run).get("order")))


@st.fragment(run_every=PAUSE)
def await_answers(waiting: list[Future[dict[str, Any]]]) -> None:
    """Draws the page again when the answers are there. A page that is not waiting does not have this timer."""
    if all(future.done() for future in waiting):
        st.rerun()


def hear(known: Known, chosen: Chosen, key: str) -> None:
    """The browser reports where time came to rest, and who is looked at; it becomes ours as far as it makes sense."""
    said = (st.session_state.get(key) or {}).get("selection")
    if not isinstance(said, dict):
        return
    told: dict[str, str] = {name: str(value) for name, value in said.items() if isinstance(value, int | str)}
    pair = said.get("pair")
    if isinstance(pair, list) and len(pair) == 2:
        told["pair"] = f"{pair[0]}-{pair[1]}"
    controls = (view.STEP, view.FAIR, view.PAIR, view.PICKS)
    values = {control.url: control.read(told[control.url]) for control in controls if control.url in told}
    anchor = view.ANCHOR.read(told.get("anchor", ""))
    if anchor is not None and anchor < len(chosen.loaded.labels):
        values["anchor"] = chosen.loaded.row(anchor)
    view.put(**{name: value for name, value in values.items() if value is not None})
    st.session_state[_HEARD] = True


@st.fragment
def later(known: Known, chosen: Chosen) -> None:
    """What takes seconds, worked out in a helper process: who picks alike, and what two runs do not share."""
    look = settle_look(known, chosen)
    paths = [str(run.path) for run in chosen.shown]
    wanted = {agreement_key(chosen): ("agreement", paths)}
    if len(chosen.shown) > 1:
        first, second = look.pair
        wanted[difference_key(chosen, look.pair)] = ("difference", [paths[first], paths[second]])
    news, open_ = {}, False
    with st.container(key="unseen-compare-later"):
        for key, (what, which) in wanted.items():
            future = helper().compare(what, which, key)
            if not future.done():
                open_ = True
                continue
            reply = future.result()
            if "path" in reply:
                component.load_figures(_content(reply["path"]), key=key)
            else:
                news[key] = str(reply.get("error") or "it could not be worked out")
        if news:
            component.tell_news({"compare": news}, key="news-compare")
        if open_:
            turn = st.session_state["compare.turn"] = st.session_state.get("compare.turn", 0) + 1
            component.come_back(turn, PAUSE, key="tick-compare")


@st.cache_resource(show_spinner=False, max_entries=24)
def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def notes(chosen: Chosen) -> None:
    """One line for each run that is left out or did not end as planned."""
    for sentence in chosen.refused:
        st.warning("Left out")
        st.text(sentence)  # st.text: a file's words are shown, never rendered
    for run in chosen.shown:
        if run.state != "finished":
            why = f" ({run.status['message']})" if run.status.get("message") else ""
            st.text(f"{run.name}: {run.state_text}{why}. Everything recorded up to there is compared.")
