"""How other libraries would pick here: the rules of each, on the anchor, positive and frame of the ruler."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from concurrent.futures import wait
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from tripletscope.store.reader import Run
from tripletscope_app import widgets
from tripletscope_app.loaders import Loaded
from tripletscope_app.selection import Selection

WORD = "watch.libraries.word"
#: Said above the table: what it compares, and in what.
_LEAD = (
    "The same anchor, positive, candidates and frame, in this run's distance and with this margin, under the rules "
    "that libraries call {word}. The first row is the definition here."
)


def libraries_table(loaded: Loaded, chosen: Selection) -> None:
    """The table, asked for when it is opened."""
    opened = st.expander("How other libraries would pick here", on_change="rerun", key="watch.libraries")
    if not opened.open:
        return
    run, digest = loaded.runs[chosen.run], loaded.digests[chosen.run]
    word = st.session_state.get(WORD) or chosen.lane
    future = widgets.helper().dialects(
        str(run.path),
        digest,
        anchor=chosen.anchor,
        step=chosen.step,
        positive=chosen.positive,
        word=word,
        margin=chosen.margin,
    )
    wait([future], timeout=widgets.PATIENCE)
    if not future.done():
        opened.text("The rules are being asked; the table follows.")
        widgets.await_strategies(widgets.Told({}, [], None, [future]))
        return
    told = future.result()
    if "error" in told:
        opened.text(told["error"])
        return
    words = told["words"]
    opened.segmented_control(
        "The word", words, default=told["word"], key=WORD, required=True, label_visibility="collapsed"
    )
    opened.markdown(_LEAD.format(word=told["word"]))  # a caption is too pale to read at its size
    opened.dataframe(
        libraries(run, told),
        hide_index=True,
        placeholder="",
        row_height=40 if run.samples.thumbs is not None else None,
        column_config={
            "rule": st.column_config.TextColumn(width="medium"),
            "pick": st.column_config.ImageColumn(width="small"),
            "why": st.column_config.TextColumn(width="large"),
            "distance": st.column_config.NumberColumn(format="%.3f"),
            "gap": st.column_config.NumberColumn(format="%.3f"),
        },
    )


def libraries(run: Run, told: Mapping[str, Any]) -> pd.DataFrame:
    """What the dialects say as a table: library, what it does, picture and id of the pick, distance, gap, zone, why.

    Args:
        run: the run that is looked at.
        told: of `dialect_picks`.
    """
    table = []
    for place, row in enumerate(told["rows"]):
        negative = row["negative"]
        sample = None if negative is None else int(run.probe_rows[negative])
        line = {
            "library": "here" if place == 0 else row["library"],
            "rule": told["word"] if place == 0 else row["call"],
            "does": _deed(row),
            "pick": None if sample is None else picture(run, sample),
            "id": None if sample is None else str(run.samples.id_of(sample)),
            "class": None if sample is None else run.samples.class_of(sample),
            "distance": row["d_an"],
            "gap": row["gap"],
            "zone": row["zone"],
            "why": row["why"] or ("" if place == 0 else "as here"),
        }
        table.append(line)
    frame = pd.DataFrame(table)
    return frame if run.samples.thumbs is not None else frame.drop(columns="pick")


def _deed(row: Mapping[str, Any]) -> str:
    if row["negative"] is None:
        return str(row["deed"])
    if row["count"] == 1:
        said = "picks" if row["deed"] == "picks" else "may draw"
    else:
        said = f"draws one of {row['count']}, nearest:" if row["deed"] == "draws" else f"all {row['count']}, nearest:"
    return f"{said} (fallback)" if row["fallback"] else said


def picture(run: Run, sample: int) -> str | None:
    """The thumbnail of a sample as an address that a table can show."""
    if run.samples.thumbs is None:
        return None
    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(run.samples.thumbs[sample])).save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
