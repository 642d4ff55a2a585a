"""The set in a dozen numbers, each with what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from tripletscope.inspection.evidence import number, share
from tripletscope_app.inspecting import view
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.waiting import answer

_TITLES = {"cosine": "cosine", "euclidean": "Euclidean", "squared-euclidean": "squared Euclidean"}
#: Lengths that differ by less than this share of their median are one length.
_EVEN = 0.01
#: Remarks that are shown at once; more of them are folded.
_REMARKS = 2


class Tile(NamedTuple):
    """One number of the strip.

    Attributes:
        name: what it is.
        value: the number.
        reading: what it means, in a few words.
        drawing: HTML of our own, or "" (Streamlit lets no SVG through).
    """

    name: str
    value: str
    reading: str
    drawing: str = ""


def show(opened: Opened) -> None:
    """Draws the panel."""
    asked = opened.ask("inspection", distance=opened.distance)
    with st.container(key="inspect-health", gap="xsmall"):
        above = st.container()
        told = answer(asked, "Comparing every row with every other", key=f"health.{opened.distance}", patience=1.5)
        with above:
            _distance(opened, None if told is None else told["health"])
        if told is None:
            if asked.ready:  # it failed, or somebody cancelled it
                st.button("Look for faults again", on_click=_again, args=(opened,), key="health.again")
            return
        items = "".join(
            f"<div><dt>{tile.name}</dt><dd>{tile.value}</dd>{tile.drawing}<dd class='reading'>{tile.reading}</dd></div>"
            for tile in tiles(told["health"], opened.facts)
        )
        st.html(f'<dl class="health-tiles">{items}</dl>')
        _remarks(told["health"]["warnings"])
        _left_out(told)


def _again(opened: Opened) -> None:
    opened.desk.again("inspection", distance=opened.distance)


def tiles(health: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Tile]:
    """The numbers of the strip with their readings. Only numbers and words of ours: no text of the file."""
    least, median, greatest = (health["norms"][key] or 0.0 for key in ("least", "median", "greatest"))
    found = [
        Tile(
            "Rows of length 1",
            "yes" if health["normalised"] else "no",
            "the distances order rows alike"
            if health["normalised"]
            else f"lengths {number(least)} to {number(greatest)}: Euclidean counts them, cosine does not",
            histogram(health["norm_histogram"], median=median, least=least, greatest=greatest),
        )
    ]
    recall, chance = health["recall_at_1"], health["chance"]
    if recall is not None:
        found.append(
            Tile(
                "Nearest row of the same class",
                share(recall),
                f"Recall@1; guessing gives {share(chance)}",
                _bar(recall, chance),
            )
        )
    counts = [int(count) for count in facts["class_counts"]]
    if len(counts) > 1:
        single = len(health["classes_of_one"])
        found.append(
            Tile(
                "Rows in a class",
                f"{min(counts):,} to {max(counts):,}" if min(counts) != max(counts) else f"{counts[0]:,}",
                f"{single:,} of one row: no anchors" if single else "every class can be an anchor",
            )
        )
    rank, dims = health["effective_rank"], health["dims"]
    found.append(
        Tile(
            "Effective rank",
            number(rank or 0.0),
            f"of {dims:,} directions carry the spread",
            _bar(min((rank or 0.0) / max(dims, 1), 1.0)),
        )
    )
    cosine = health["anisotropy"]
    if cosine is not None:
        found.append(
            Tile(
                "Mean cosine of two rows",
                f"{cosine if abs(cosine) >= 0.005 else 0.0:.2f}".replace("-", "\u2212"),
                "crowded: a high cosine means little" if cosine > 0.5 else "0 is spread evenly, 1 all one way",
                _bar(min(max(cosine, 0.0), 1.0)),
            )
        )
    found.append(
        Tile(
            "Exact copies",
            f"{health['exact_duplicates']:,}",
            f"near-duplicate: {_TITLES[health['distance']]} {number(health['near_duplicate_distance'])} or less",
        )
    )
    if health["zero_rows"]:
        found.append(Tile("Rows of zeros", f"{health['zero_rows']:,}", "they have no direction"))
    if health["sampled_from"]:
        found.append(
            Tile("Looked at", f"{health['rows_used']:,}", f"of {health['sampled_from']:,} rows, drawn by seed")
        )
    return found


def histogram(told: Mapping[str, Any], *, median: float, least: float, greatest: float) -> str:
    """The lengths of the rows as small bars; "" where there is nothing to see because all are alike."""
    counts = told["counts"]
    if not counts or greatest - least < _EVEN * median:
        return ""
    highest = max(counts)
    bars = "".join(
        f'<i style="height:{100 * count / highest:.1f}%" title="{number(low)} to {number(high)}: {count:,} rows"></i>'
        for count, low, high in zip(counts, told["edges"], told["edges"][1:], strict=False)
    )
    return (
        f'<dd><div class="health-bars" role="img" aria-label="Lengths of the rows, from {number(least)} to '
        f'{number(greatest)}, median {number(median)}">{bars}</div></dd>'
    )


def _bar(part: float, chance: float | None = None) -> str:
    mark = "" if chance is None else f'<i style="left:{100 * chance:.1f}%"></i>'
    return f'<dd class="health-bar" aria-hidden="true"><b style="width:{100 * part:.1f}%"></b>{mark}</dd>'


def _distance(opened: Opened, health: Mapping[str, Any] | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="inspect-distance"):
        st.segmented_control(
            "Distance",
            list(view.DISTANCES),
            default=opened.distance,
            required=True,
            format_func=_TITLES.__getitem__,
            key=f"health.distance.{opened.distance}",
            on_change=_choose,
            args=(opened.distance,),
            label_visibility="collapsed",
        )
        if health is not None:
            st.html(f'<p class="door-soft">{consequence(opened.distance, health)}</p>', width="stretch")


def _choose(now: str) -> None:
    chosen = st.session_state[f"health.distance.{now}"]
    if chosen is not None and chosen != now:
        view.put(distance=chosen, positive=None)


def consequence(distance: str, health: Mapping[str, Any]) -> str:
    """What choosing that distance means for this set. Words of ours only."""
    if health["normalised"]:
        return {
            "cosine": "All rows have length 1, so cosine and Euclidean order them alike. "
            "A cosine margin of 0.2 is one of 0.4 in squared Euclidean.",
            "euclidean": "All rows have length 1: the same order as cosine, but distances run from 0 to 2, so the same "
            "margin asks for more among near rows.",
            "squared-euclidean": "All rows have length 1: exactly twice the cosine distance. Double the margin.",
        }[distance]
    if distance == "cosine":
        return "Lengths are ignored: right where the model's rows are normalised before the loss."
    return (
        "Lengths count: right where the loss sees the rows as they are. "
        f"Half of them are longer than {number(health['norms']['median'] or 0.0)}."
    )


def _remarks(sentences: list[str]) -> None:
    with st.container(key="inspect-notes-health", gap="xxsmall"):
        for sentence in sentences[:_REMARKS]:
            st.text(f"\u25c6 {sentence}")
        if len(sentences) > _REMARKS:
            with st.expander(f"{len(sentences) - _REMARKS} more remarks on the file"):
                for sentence in sentences[_REMARKS:]:
                    st.text(f"\u25c6 {sentence}")


def _left_out(told: Mapping[str, Any]) -> None:
    if not told["dropped_count"]:
        return
    reasons = len(told["dropped_by_reason"])
    words = f"{told['dropped_count']:,} row{'' if told['dropped_count'] == 1 else 's'} of the file left out"
    with st.expander(f"{words}, for {reasons} reason{'' if reasons == 1 else 's'}"):
        listed = told["health"]["rows_dropped"]
        st.dataframe(
            {"row": [one["row"] for one in listed], "why": [one["reason"] for one in listed]},
            hide_index=True,
            height=min(38 * (len(listed) + 1), 300),
            alt="Rows of the file that are not in the set, with the reason",
        )
        if len(listed) < told["dropped_count"]:
            st.caption(f"The first {len(listed):,} are listed.")
