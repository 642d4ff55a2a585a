"""Race: choose data and strategies, press Start, and watch them part from the same weights on the same batches."""

from __future__ import annotations

import streamlit as st

from tripletscope_app.racing import checking, form, starting, under_way, view
from tripletscope_app.racing.office import yard
from tripletscope_app.racing.style import STYLE

_LEAD = """<p class="race-lead">Every run begins with the same weights and sees the same batches. Only the strategy that
picks the negatives differs, so what parts them is its doing.</p>"""


def race() -> None:
    """The page."""
    st.html(STYLE)  # nothing but a style element, so it takes no room
    view.restore_url()
    yard().warm_up()  # torch is imported over there while a person looks at the form
    with st.container(key="race-head"):
        st.title("Race strategies against each other", anchor=False)
        st.html(_LEAD)
    wanted = view.wanted()
    told = checking.ask(wanted)
    left, right = st.columns([5, 3], gap="large")
    with right, st.container(key="race-side"):
        starting.show(wanted, told)
        under_way.show()
    with left:
        form.show(told.answer)
    checking.come_back(told)
