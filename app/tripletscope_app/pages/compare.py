"""Compare: the same anchor at the same step in several runs, and what sets them apart. Choose, load, draw, explain."""

from __future__ import annotations

import streamlit as st

from tripletscope_app import widgets
from tripletscope_app.comparing import panel, view
from tripletscope_app.comparing.chosen import Chosen, Known, known_runs, open_chosen, settle_look, settle_runs

_WORDS = """
- **Fair by** says what is held equal: optimiser steps, triplets that were learned from, or seconds of work. Batch-hard
  learns from one triplet per anchor, 32 in a batch of 8 x 4; semi-hard from up to one per pair, 96. After as many steps
  they have not seen as many triplets.
- **Loss comes last.** Each strategy's loss is a mean over triplets of its own choosing: a strategy that picks harder
  ones has the higher loss and may have the better space. R@1, MAP@R and spread are taken the same way for all.
- **R@1**: how often the nearest neighbour is of the same class. **MAP@R**: the same for as many neighbours as the class
  has, the first ones counting most. **spread**: mean distance within the batch / margin; near 0 all lies on one point.
- A **thin line** is one run, one seed. The **band** goes from the lowest to the highest seed, the thick line is the
  median, told where all seeds have a value. Runs are one group when everything but the seed is the same.
- **Agreement**: of the anchors and positives for which both pick a negative, how often it is the same one. *Jaccard*
  also counts where only one of them picks. *Each in its own space*: each run's strategy on one fixed
  set of samples, in the space that it has made by then. *All in one space*: the same strategies in the space of the
  first run, so that only the rule differs. *As recorded*: what was trained on at that step.
- **Neighbourhood change**: 1 - Jaccard of the 15 nearest neighbours of a sample in two runs. No rotation changes it.
  **moved**: how far its two places lie apart once one space has been turned, mirrored and shifted onto the other.
"""


def compare() -> None:
    """The page."""
    view.restore_url()
    known = known_runs()
    links = settle_runs(known)
    if not links:
        st.info("No recordings here yet. Make two: `tripletscope train --data digits --dim 2 --out runs/first`")
        return
    view.put(runs=links)
    panel.bar(known, links)
    chosen = open_chosen(known, links)
    panel.notes(chosen)
    if not chosen.shown:
        return
    curves = panel.bring(chosen)
    _instrument(known, chosen, curves)
    _words()
    widgets.helper().start()  # after the draw: torch is imported over there while a person looks


@st.fragment
def _instrument(known: Known, chosen: Chosen, curves: str) -> None:
    """Everything that follows the selection: a click draws this again, and leaves frames and curves where they are."""
    panel.instrument(known, chosen, settle_look(known, chosen), curves)
    panel.later(known, chosen)


@st.fragment
def _words() -> None:
    """The words of the page, sent when somebody asks for them."""
    opened = st.expander("What am I looking at?", on_change="rerun", key="compare.words")
    if opened.open:
        opened.markdown(_WORDS)
