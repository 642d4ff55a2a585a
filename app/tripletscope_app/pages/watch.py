"""Watch: which negatives a run learns from, step by step. Choose, load, draw, explain."""

from __future__ import annotations

import streamlit as st

from tripletscope_app import component, gallery, live, loaders, projections, state, widgets
from tripletscope_app.asides_view import bring_asides
from tripletscope_app.libraries import libraries_table
from tripletscope_app.loaders import Loaded, Race
from tripletscope_app.share.film_panel import film_panel

_WORDS = """
- **anchor, positive, negative**: a sample, another of its class, one of another class. The loss pulls the positive
  nearer than the negative by the **margin**.
- **gap** = d(anchor, negative) − d(anchor, positive). **hard**: gap ≤ 0, the negative is nearer than the positive.
  **semi-hard**: 0 < gap < margin. **easy**: gap ≥ margin. The zones belong to one positive: click another, and
  they move.
- **strategy**: the rule that picks which triplets to learn from. A lane of the ruler shows whom it would pick here,
  whether or not it trained this run. It **abstains** when nothing fits its rule.
- **candidates**: the samples a strategy chooses among, a batch drawn once for this anchor. A strategy cannot pick
  what is not in the batch.
- **spread** = mean distance within the batch / margin. Near 0, everything lies on one point, and a loss near the
  margin says only that. **R@1**: how often the nearest neighbour is of the same class; self left out.
- In a two-dimensional run the map *is* the space that is mined. Otherwise it is one fixed projection, and only the
  ruler shows true distances.
"""


def watch() -> None:
    """The page."""
    state.restore_url()
    race = loaders.find(state.get(state.RUN))
    if race is None:
        st.info("No recordings here yet. Make one: `tripletscope train --data digits --dim 2 --out runs/first`")
        return
    gallery.bar(race)
    loaded = loaders.load(race)
    # One place, also for nothing: when a recording ends its line goes, and an instrument that moves up in the page
    # would be made anew in the browser, without camera and pins. The gap is that of the page.
    with st.container(gap="xsmall"):
        live.bar(race, loaded if loaded.runs else None)
        wanted = state.get(state.RUN)
        if wanted is not None and not race.holds(wanted):
            st.warning("The address asks for a recording that is not here, so this is another one")
            st.text(str(wanted))  # st.text: words of an address are shown, never rendered
        for sentence in loaded.unreadable:
            st.warning("Left out")
            st.text(sentence)  # st.text: a file's words are shown, never rendered
    if not loaded.runs:
        return
    component.load_runs(dict(zip(loaded.digests, loaded.blobs, strict=True)))
    _instrument(race, loaded)
    widgets.run_buttons(race, loaded)
    film_panel(race, loaded)
    _words(race)
    bring_asides(race, loaded)
    projections.bring_maps(loaded)
    widgets.composing(loaded)
    widgets.helper().start()  # after the draw: torch is imported over there while a person looks


@st.fragment
def _instrument(race: Race, loaded: Loaded) -> None:
    """Everything that follows the selection: a click draws this again, and leaves the frames where they are."""
    chosen = widgets.settle_selection(race, loaded)
    told = widgets.ask_strategies(race, loaded, chosen)
    widgets.instrument(race, loaded, chosen, told)
    if told.asking:
        widgets.await_strategies(told)
    widgets.run_notes(loaded)
    widgets.step_button(loaded, chosen)
    widgets.candidates_table(loaded, chosen, told)
    libraries_table(loaded, chosen)
    projections.wake()


@st.fragment
def _words(race: Race) -> None:
    """The words of the page, sent when somebody asks for them."""
    opened = st.expander("What am I looking at?", on_change="rerun", key="watch.words")
    if opened.open:
        opened.markdown(_WORDS)
        if race.note:
            opened.text(race.note)
