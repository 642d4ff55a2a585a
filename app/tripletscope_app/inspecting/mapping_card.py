"""Which column plays which part: the guess, its reason, and the other columns that could play it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

#: Parts of one column, with what they are for.
_PARTS = {
    "label": "the class: who is a positive, who a negative",
    "id": "the name of a row in every file that comes out",
    "text": "shown with a row, and in the triplets",
    "image": "shown with a row",
    "split": "train and test: rows that stand in both are found",
    "x": "your own map",
    "y": "your own map",
}
_TITLES = {"vector": "Vector", "image": "Picture", "id": "Id", "x": "Map, x", "y": "Map, y"}
_KINDS = {
    "float": "decimal numbers",
    "whole": "whole numbers",
    "yes-no": "yes or no",
    "text": "text",
    "bytes": "bytes",
    "time": "times",
    "list": "lists",
    "array": "array",
    "nested": "nested",
    "empty": "empty",
}
_PLAIN = ("float", "whole", "yes-no", "text")
_NONE, _SINGLE = "(none)", "Single columns …"

#: Called with the changes of the proposed mapping, and whether to standardise.
Use = Callable[[Mapping[str, Any], bool], None]


def uncertain(told: Mapping[str, Any]) -> bool:
    """Whether a person should look before they trust the guess: something was doubtful, or there is no label."""
    return bool(told.get("warnings")) or told.get("mapping", {}).get("label") is None


def fitting(told: Mapping[str, Any], part: str) -> list[str]:
    """The columns that could play a part: the proposed one first, then the likely ones, then the others.

    Example:
        >>> told = {
        ...     "mapping": {"label": "kind"}, "alternatives": {"label": ["group"]},
        ...     "columns": [{"name": name, "kind": kind} for name, kind in
        ...                 (("kind", "text"), ("e", "list"), ("age", "whole"), ("group", "text"))],
        ... }
        >>> fitting(told, "label")
        ['kind', 'group', 'age']
    """
    kinds = {
        "image": ("text", "bytes", "array"),
        "x": ("float", "whole"),
        "y": ("float", "whole"),
        "vector": ("list", "array"),
    }.get(part, _PLAIN)
    able = [column["name"] for column in told["columns"] if column["kind"] in kinds]
    if part == "vector":
        return able
    first = [told["mapping"].get(part), *told["alternatives"].get(part, ())]
    vector = set(told["mapping"].get("vector", ()))
    return list(dict.fromkeys([name for name in first if name] + [name for name in able if name not in vector]))


def vector_choices(told: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Ways to make the vector, by the words for them: the proposal, each column of lists, all numeric columns."""
    numeric = tuple(column["name"] for column in told["columns"] if column["kind"] in ("float", "whole"))
    free = tuple(
        name for name in numeric if name not in {told["mapping"].get(part) for part in ("label", "id", "x", "y")}
    )
    ways = [tuple(told["mapping"].get("vector", ()))]
    ways += [(name,) for name in fitting(told, "vector")]
    ways += [free, numeric]
    found: dict[str, tuple[str, ...]] = {}
    for way in dict.fromkeys(way for way in ways if way):
        words = way[0] if len(way) == 1 else f"{len(way):,} columns, {way[0]} to {way[-1]}"
        found[words if words not in found else f"{words} ({len(found)})"] = way
    return found


def spread_over_columns(told: Mapping[str, Any], vector: Sequence[str]) -> bool:
    """Whether the vector is made of several columns of single numbers, which may have different units."""
    kinds = {column["name"]: column["kind"] for column in told["columns"]}
    return len(vector) > 1 and all(kinds.get(name) in ("float", "whole") for name in vector)


def changes_of(told: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the mapping that is in use."""
    now = told["mapping"]
    found = {part: value for part, value in chosen.items() if part != "vector" and value != now.get(part)}
    if chosen.get("vector") and tuple(chosen["vector"]) != tuple(now.get("vector", ())):
        found["vector"] = list(chosen["vector"])
    return found


def show(opened: Any, use: Use) -> None:
    """The card of a set that is open."""
    with st.container(border=True, key="mapping-card", gap="xsmall"):
        _notes(opened.told)
        _card(opened.told, dict(opened.changes), opened.standardise, use)


def refused(
    told: Mapping[str, Any], changes: Mapping[str, Any], standardise: bool, use: Use, give_way: Callable[[], None]
) -> None:
    """The card of a file that cannot be used with these columns: its sentence, and the way to others."""
    with st.container(border=True, key="mapping-card", gap="xsmall"):
        st.warning("With these columns the file cannot be used. Choose others below, or open another file.")
        st.text(told["refused"])
        _notes(told)
        _card(told, dict(changes), standardise, use)
        st.button("Open another", on_click=give_way, key="mapping.another")


def _notes(told: Mapping[str, Any]) -> None:
    with st.container(key="inspect-notes", gap="xxsmall"):
        for sentence in dict.fromkeys([*told["warnings"], *told["notes"]]):
            st.text(f"\u25c6 {sentence}")


@st.fragment
def _card(told: Mapping[str, Any], changes: dict[str, Any], standardise: bool, use: Use) -> None:
    chosen: dict[str, Any] = {}
    stamp = f"{len(told['columns'])}.{hash((told['name'], repr(sorted(changes.items())), standardise))}"
    ways = vector_choices(told)
    name, pick, why = st.columns([1, 3, 5], vertical_alignment="center")
    name.markdown("**Vector**")
    names = [*ways, _SINGLE]
    way = pick.selectbox("Vector", names, label_visibility="collapsed", key=f"map.vector.{stamp}")
    if way == _SINGLE:
        able = [column["name"] for column in told["columns"] if column["kind"] in ("float", "whole", "list", "array")]
        now = [one for one in told["mapping"].get("vector", ()) if one in able]
        single = pick.multiselect("Columns", able, default=now[:200], key=f"map.columns.{stamp}")
        chosen["vector"] = tuple(single)
    else:
        chosen["vector"] = ways.get(way, ())
    _reason(why, told, "vector", "what distances are measured between")
    for part, meaning in _PARTS.items():
        options = [_NONE, *fitting(told, part)]
        if len(options) == 1 and part not in ("label",):
            continue
        now = told["mapping"].get(part)
        name, pick, why = st.columns([1, 3, 5], vertical_alignment="center")
        name.markdown(f"**{_TITLES.get(part, part.capitalize())}**")
        picked = pick.selectbox(
            _TITLES.get(part, part.capitalize()),
            options,
            index=options.index(now) if now in options else 0,
            format_func=lambda one: _described(told, one),
            label_visibility="collapsed",
            key=f"map.{part}.{stamp}",
        )
        chosen[part] = None if picked == _NONE else picked
        _reason(why, told, part, meaning)
    differing = changes_of(told, chosen)
    scaled = standardise
    if standardise or spread_over_columns(told, chosen["vector"]):
        scaled = st.checkbox(
            "Standardise: each number of the vector gets mean 0 and deviation 1. Do this where columns have different "
            "units, or the one with the largest numbers decides every distance.",
            value=standardise,
            key=f"map.scaled.{stamp}",
        )
    with st.container(horizontal=True):
        st.button(
            "Use these columns",
            type="primary",
            disabled=not differing and scaled == standardise,
            on_click=use,
            args=({**changes, **differing}, scaled),
            key=f"map.use.{stamp}",
        )
        if changes or standardise:
            st.button("Back to the proposal", on_click=use, args=({}, False), key=f"map.undo.{stamp}")


def _reason(place: Any, told: Mapping[str, Any], part: str, meaning: str) -> None:
    reason = told["reasons"].get(part, "")
    with place.container(key=f"mapping-reason-{part}"):
        st.text(f"{reason[:1].upper()}{reason[1:]}." if reason else f"{meaning[:1].upper()}{meaning[1:]}.")


def _described(told: Mapping[str, Any], name: str) -> str:
    column = next((one for one in told["columns"] if one["name"] == name), None)
    if column is None:
        return name
    values = f", {column['distinct']:,} values" if column.get("distinct") else ""
    return f"{name}  ({_KINDS.get(column['kind'], column['kind'])}{values})"
