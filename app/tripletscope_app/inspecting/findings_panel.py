"""What was found, ranked, each with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from tripletscope_app import component
from tripletscope_app.inspecting import exclusions, view
from tripletscope_app.inspecting.exclusions import excluded_rows
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.samples import SAMPLES
from tripletscope_app.inspecting.waiting import answer

__all__ = ["excluded_rows", "show"]

#: In the session: the finding whose table is open; what the browser last said and how often it was overruled.
_TABLE, _SAID, _REVISION, _CHANGED = (
    "inspect.findings.table",
    "inspect.findings.said",
    "inspect.findings.revision",
    "inspect.findings.changed",
)


def show(opened: Opened) -> None:
    """Draws the panel."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun(scope="app")  # what is mined follows, and that is another part of the page
    told = opened.ask("inspection", distance=opened.distance).reply(0)
    if told is None or "error" in told:
        st.html('<p class="door-soft">Findings appear here when all rows have been compared.</p>')
        return
    key = f"inspect.cards.{opened.digest[:12]}.{opened.distance}"
    with st.container(key="unseen-deck"):
        component.mount("deck", deck(opened, told, key), key=f"{key}.deck")
    chosen = view.get(view.FINDING)
    if chosen not in {finding["check"] for finding in told["findings"]}:
        chosen = None
    st.html(f'<p class="findings-head"><b>Findings</b> <span>{summary(told, exclusions.kept())}</span></p>')
    with st.container(key="inspect-cards"):
        component.mount(
            "cards",
            {"deck": key, "chosen": chosen, "kept": exclusions.kept(), "revision": _revision(chosen)},
            key=key,
            on_chosen_change=lambda: _hear_chosen(key),
            on_kept_change=lambda: _hear_kept(key),
            on_look_change=lambda: _hear_look(key),
            on_table_change=lambda: _hear_table(key),
        )
    table(opened, told)


def summary(told: Mapping[str, Any], kept: list[str]) -> str:
    """How many of each severity, and how many rows stay out of mining. Words and numbers of ours only."""
    words = []
    for severity in ("problem", "warning", "note"):
        count = sum(finding["severity"] == severity for finding in told["findings"])
        words += [f"{count} {severity}{'' if count == 1 else 's'}"] if count else []
    out = left_out(told, kept)
    rest = f"{out:,} of {told['looked_at']:,} rows stay out of mining" if out else "no row stays out of mining"
    return f"{', '.join(words) or 'none'} · {rest}"


def left_out(told: Mapping[str, Any], kept: list[str]) -> int:
    """How many rows the findings leave out, but for those of the checks that are kept."""
    parts = [finding["exclude"] for finding in told["findings"] if finding["check"] not in kept]
    return len(np.unique(np.concatenate([np.zeros(0, np.int64), *parts])))


def deck(opened: Opened, told: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What the cards show, for the browser; it is the same as long as the set and the distance are."""
    planted = _planted(opened, told)
    said = ("check", "title", "severity", "count", "unit", "evidence", "why", "remedy", "examples")
    return {
        "key": key,
        "cards": [
            {
                **{name: finding[name] for name in said},
                "rows": len(finding["rows"]),
                "excluded": len(finding["exclude"]),
                "planted": planted.get(finding["check"], ""),
            }
            for finding in told["findings"]
        ],
        "unfound": told["unfound"],
    }


def _planted(opened: Opened, told: Mapping[str, Any]) -> dict[str, str]:
    """For the sample whose faults are known: how many of them each check found."""
    if opened.sample is None or not SAMPLES[opened.sample].planted:
        return {}
    reply = opened.ask("planted", distance=opened.distance).reply(5.0)
    return {} if reply is None or "error" in reply else dict(reply["words"])


# ---- what the browser says


def _result(key: str, name: str) -> Any:
    return (st.session_state.get(key) or {}).get(name)


def _revision(chosen: str | None) -> int:
    """Grows when something else is chosen than the browser last said: then it gives way."""
    now = (chosen, tuple(exclusions.kept()))
    if st.session_state.get(_SAID) != now:
        st.session_state[_SAID] = now
        st.session_state[_REVISION] = st.session_state.get(_REVISION, 0) + 1
    return int(st.session_state[_REVISION])


def _hear_chosen(key: str) -> None:
    chosen = _result(key, "chosen")
    st.session_state[_SAID] = (chosen, tuple(exclusions.kept()))
    view.put(finding=chosen)


def _hear_kept(key: str) -> None:
    exclusions.keep([str(check) for check in _result(key, "kept") or []])
    st.session_state[_SAID] = (view.get(view.FINDING), tuple(exclusions.kept()))
    st.session_state[_CHANGED] = True


def _hear_look(key: str) -> None:
    said = _result(key, "look")
    if said:
        view.put(row=int(said["row"]), positive=None)


def _hear_table(key: str) -> None:
    said = _result(key, "table")
    if said:
        st.session_state[_TABLE] = None if st.session_state.get(_TABLE) == said["check"] else said["check"]


# ---- all rows of one


def table(opened: Opened, told: Mapping[str, Any]) -> None:
    """The rows of the finding whose table was asked for, in a dialog; a click on one looks at it."""
    check = st.session_state.get(_TABLE)
    if check not in {finding["check"] for finding in told["findings"]}:
        return
    title = next(finding["title"] for finding in told["findings"] if finding["check"] == check)
    st.dialog(title, width="large", on_dismiss=_close_table)(_rows)(opened, check)


def _rows(opened: Opened, check: str) -> None:
    asked = opened.ask("finding_rows", distance=opened.distance, check=check)
    found = answer(asked, "Listing the rows", key=f"findings.rows.{check}")
    if found is None:
        return
    columns = found["columns"]
    count = len(columns["id"])
    st.html(
        f'<p class="door-soft"><b>{count:,} row{"" if count == 1 else "s"}</b>, the most striking first. Score: '
        f"{found['score_means']}. Choose a row to look at it.</p>"
    )
    shown = {name: column for name, column in columns.items() if name != "place"}
    key = f"findings.table.{check}.{opened.distance}.{opened.digest[:8]}"
    picked = st.dataframe(
        shown,
        hide_index=True,
        height=min(36 * (count + 1), 430),
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt=f"All rows of the finding {found['title']} in ranked order",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "These rows as CSV",
            data=lambda: csv_of(shown),
            file_name=f"{check}.csv",
            mime="text/csv",
            key=f"findings.csv.{check}",
            on_click="ignore",
        )
    rows = picked["selection"]["rows"]
    if rows:
        _close_table()
        view.put(row=int(columns["place"][rows[0]]), positive=None)
        st.rerun()


def _close_table() -> None:
    st.session_state[_TABLE] = None


def csv_of(columns: Mapping[str, Any]) -> bytes:
    r"""The columns as CSV, with cells that a spreadsheet would run made harmless, as in the triplet CSV.

    Example:
        >>> csv_of({"id": ["=1", "b"], "score": [0.5, 2.0]}).decode()
        "id,score\r\n'=1,0.5\r\nb,2.0\r\n"
    """
    import csv
    import io

    from tripletscope.export import neutral

    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue().encode("utf-8", "replace")
