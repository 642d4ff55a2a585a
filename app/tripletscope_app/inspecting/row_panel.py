"""One row: its neighbours of the same and of other classes, and the ruler."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from tripletscope_app import component
from tripletscope_app.inspecting import exclusions, view
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.waiting import answer
from tripletscope_app.theme import mark

#: Negatives that are shown besides those that somebody picks.
NEAREST = 60
#: In the session: rows that were looked at, which of them is the present one, and what the browser last said.
_BEEN, _NOW, _HEARD = "inspect.row.been", "inspect.row.now", "inspect.row.heard"
#: In the session, for one run: margin or strategy were chosen here, and other parts of the page follow.
_CHANGED = "inspect.row.changed"
#: So many rows one can go back.
_REMEMBERED = 200
_TITLES = {"cosine": "Cosine distance", "euclidean": "Euclidean distance", "squared-euclidean": "Squared Euclidean"}
#: Of a strategy without a twin in `tripletscope.strategies`: a mark that no other whole-set strategy has.
_ITS_MARK = 20
TERMS = {
    "margin": "usual margin",
    "marginTitle": "back to the margin that the page proposes (Escape)",
    "knobTitle": "drag, or use the arrow keys: another margin for the whole page. Escape: back to the usual one",
    "outside": "farther",
    "outsideTitle": "negatives that are not shown as pictures: ticks at some of their distances, the nearest and the "
    "farthest among them",
    "othersTitle": "show or hide the ticks of the negatives that are not shown as pictures",
    "outsideHere": "Not shown",
    "outsideThere": "Not shown",
    "abstains": "abstains",
    "noFallback": "So mining makes no triplet of this pair.",
}


def show(opened: Opened) -> None:
    """Draws the panel."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun(scope="app")
    row = view.get(view.ROW)
    with st.container(key="inspect-row"):
        st.subheader("One row", anchor=False)
        if row is None or not 0 <= row < opened.rows:
            _nobody(opened, row)
            return
        _note(row)
        margin = view.get(view.MARGIN)
        told = answer(
            opened.ask(
                "row",
                row=row,
                distance=opened.distance,
                margin=margin,
                positive=view.get(view.POSITIVE),
                exclude=left_out(opened),
            ),
            "Measuring the distances from this row",
            key="row.asked",
            patience=2.0,
        )
        if told is None:
            return
        key = f"inspect.rule.{opened.digest[:12]}.{opened.distance}"
        data = rule_data(told, flags_of(opened, told), opened)
        component.mount("rule", data, key=key, on_selection_change=lambda: hear(key, opened))
        _table(opened, told)


def _nobody(opened: Opened, row: int | None) -> None:
    """No row is chosen, or one that is not there."""
    if row is None:
        st.caption(
            "Click a point on the map, search for one, or open an example of a finding to see its neighbours here."
        )
    else:
        st.caption(f"This set has no row {row:,}: its rows are 0 to {opened.rows - 1:,}.")
    st.button("Show any row", key="row.any", on_click=lambda: view.put(row=_any(opened), positive=None))
    if _inspection(opened) is not None:  # the click shall find it ready; but findings come first
        opened.ask("row_warm", distance=opened.distance)


def _any(opened: Opened) -> int:
    return int(np.random.default_rng().integers(opened.rows))


# ---- where one has been


def _note(row: int) -> None:
    """Nothing; the row is the present one, also where it was chosen elsewhere on the page."""
    been, now = st.session_state.setdefault(_BEEN, []), st.session_state.get(_NOW, -1)
    if not 0 <= now < len(been) or been[now] != row:
        been = [*been[: now + 1], row][-_REMEMBERED:]
        st.session_state[_BEEN], st.session_state[_NOW] = been, len(been) - 1


def ways() -> dict[str, int | None]:
    """The row before and the one after it, on the way that was taken."""
    been, now = st.session_state.get(_BEEN, []), st.session_state.get(_NOW, -1)
    return {"back": been[now - 1] if now > 0 else None, "forward": been[now + 1] if now + 1 < len(been) else None}


def hear(key: str, opened: Opened) -> None:
    """The browser chose another row, positive, margin or strategy: it is chosen for the whole page."""
    said = (st.session_state.get(key) or {}).get("selection")
    if not isinstance(said, dict) or not isinstance(said.get("n"), int):
        return
    st.session_state[_HEARD] = said["n"]
    way, row = said.get("way"), said.get("row")
    if way in ("back", "forward"):
        row = ways()[way]
        if row is None:
            return
        st.session_state[_NOW] += -1 if way == "back" else 1
    if not _is_place(row, opened):
        return
    positive, margin, lane = said.get("positive"), said.get("margin"), said.get("lane")
    chosen: dict[str, Any] = {"row": row, "positive": positive if _is_place(positive, opened) and not way else None}
    if margin is None or (isinstance(margin, int | float) and 0 < margin < 1e30):
        chosen["margin"] = None if margin is None else float(margin)
    if isinstance(lane, str) and re.fullmatch(r"[a-z-]{1,40}", lane):
        chosen["strategy"] = lane
    before = view.get(view.MARGIN), view.get(view.STRATEGY)
    view.put(**chosen)
    st.session_state[_CHANGED] = before != (view.get(view.MARGIN), view.get(view.STRATEGY))


def _is_place(value: Any, opened: Opened) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < opened.rows


# ---- what others know of the rows


def _inspection(opened: Opened) -> dict[str, Any] | None:
    """The findings, when they are there; the row does not wait for them."""
    told = opened.ask("inspection", distance=opened.distance).reply(0)
    return None if told is None or "error" in told else told


def left_out(opened: Opened) -> list[int]:
    """Places of the rows that mining leaves out: those of findings, but for the checks that are kept, and by hand."""
    given = exclusions.excluded_rows(opened)
    told = _inspection(opened)
    parts = [np.array(given["rows"], np.int64)]
    parts += [one["exclude"] for one in (told or {"findings": []})["findings"] if one["check"] not in given["kept"]]
    return [int(one) for one in np.unique(np.concatenate(parts))]


def flags_of(opened: Opened, told: Mapping[str, Any]) -> list[list[str]]:
    """For each sample the titles of the findings that name its row."""
    rows = np.array([sample["row"] for sample in told["samples"]])
    flags: list[list[str]] = [[] for _ in rows]
    for finding in (_inspection(opened) or {"findings": []})["findings"]:
        for at in np.flatnonzero(np.isin(rows, finding["rows"])):
            flags[int(at)].append(finding["title"])
    return flags


# ---- what goes to the browser


def rule_data(told: Mapping[str, Any], flags: Sequence[Sequence[str]], opened: Opened) -> dict[str, Any]:
    """What the component draws: small JSON, the same for the same answer and selection."""
    seen, samples = told["view"], told["samples"]
    place = {sample["row"]: at for at, sample in enumerate(samples)}
    positives, negatives = ([place[int(row)] for row in seen[name]] for name in ("positives", "negatives"))
    names = list(dict.fromkeys(sample["class"] or "" for sample in samples))
    distances = [float(one) for name in ("d_ap", "d_an") for one in seen[name]]
    usual = told["usual_margin"]
    sheet = told["sheet"]
    run = {
        "labels": [names.index(sample["class"] or "") for sample in samples],
        "class_names": [name or "no class" for name in names],
        "ids": [sample["id"] for sample in samples],
        "distance": seen["distance"],
        "distance_title": _TITLES[seen["distance"]],
        "margin": usual,
        "ruler_max": max(told["axis_end"], 1.5 * usual),
        "thumb": None if sheet is None else {key: sheet[key] for key in ("width", "height", "columns", "pixelated")},
    }
    run["digest"] = _digest([opened.digest, [sample["row"] for sample in samples], run])
    data: dict[str, Any] = {
        "run": run,
        "sprite": None if sheet is None else base64.b64encode(sheet["png"]).decode(),
        "terms": TERMS
        if seen["beyond"] is None
        else {**TERMS, "outsideHere": f"Not shown, beyond {seen['beyond']:.2g}"},
        "samples": [{**sample, "flags": list(titles)} for sample, titles in zip(samples, flags, strict=True)],
        "votes": votes_sentence(told),
        "note": "Mining leaves this row out; here it is shown as if it took part." if told["let_in"] else "",
        "lists": lists(told, place),
        "strategies": [_lane(card) for card in told["strategies"]],
        "answer": None,
        **{way: target is not None for way, target in ways().items()},
        "selection": {
            "row": seen["row"],
            "positive": view.get(view.POSITIVE),
            "margin": None if seen["margin"] == usual else seen["margin"],
            "lane": view.get(view.STRATEGY),
            "heard": st.session_state.get(_HEARD, 0),
        },
    }
    if positives and negatives:
        data["answer"] = {
            "margin": seen["margin"],
            "positives": positives,
            "negatives": negatives,
            "distances": distances,
            "picks": {name: [int(at) for at in row] for name, row in seen["picks"].items()},
            "own_positive": seen["own_positive"],
            "not_applicable": seen["not_here"],
            "candidates_title": shown_words(seen),
            "others": {
                "count": int(seen["negative_count"] - len(negatives)),
                "ticks": [float(one) for one in seen["ticks"]],
                "hardest": None,
                "closer": [[int(one) for one in pair] for pair in seen["closer"]],
            },
        }
    data["key"] = _digest(data)
    return data


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _lane(card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": card["name"],
        "title": card["title"],
        "summary": card["summary"],
        "mark": mark(card.get("order", _ITS_MARK)),
    }


def shown_words(seen: Mapping[str, Any]) -> str:
    """What stands on the ruler; the ruler shows what comes before the first comma and a space.

    Example:
        >>> shown_words({"negatives": [0] * 60, "negative_count": 1677, "beyond": 0.934})
        'nearest 60 of 1,677 negatives shown, the rest lie beyond 0.93'
    """
    count, shown = int(seen["negative_count"]), len(seen["negatives"])
    if seen["beyond"] is None:
        return f"all {count:,} negatives shown"
    # Whoever is picked from farther away is shown as well.
    which = f"nearest {shown}" if shown <= NEAREST else f"nearest {NEAREST} and {shown - NEAREST} picked"
    return f"{which} of {count:,} negatives shown, the rest lie beyond {seen['beyond']:.2g}"


def votes_sentence(told: Mapping[str, Any]) -> str:
    """How the nearest rows are labelled, in words."""
    votes = told["view"]["votes"]
    if not votes:
        return "No row of this set has a class, so these are its nearest rows and no more."
    own = told["samples"][0]["class"]
    total = sum(count for _, count in votes)
    mine = next((count for name, count in votes if name == own), 0)
    others = [(name, count) for name, count in votes if name != own]
    spoken = ", ".join(f"{count} of \u201c{name}\u201d" for name, count in others[:3])
    more = len(others) - 3
    spoken += f" and {more} more class{'es' if more > 1 else ''}" if more > 0 else ""
    if own is None:
        return f"This row has no class. Its {total} nearest rows with one: {spoken}."
    if not others:
        return f"All of its {total} nearest rows are of its class."
    known = "none is" if not mine else "one is" if mine == 1 else f"{mine} are"
    return f"Of its {total} nearest rows {known} of its class, {spoken}."


def lists(told: Mapping[str, Any], place: Mapping[int, int]) -> dict[str, Any]:
    """The lists of neighbours: same and other class, or simply the nearest of a row without a class."""
    seen = told["view"]

    def one(rows: Any, far: Any, title: str, note: str) -> dict[str, Any]:
        return {
            "title": title,
            "note": note,
            "samples": [place[int(row)] for row in rows],
            "distances": [float(each) for each in far],
        }

    if told["samples"][0]["class"] is None:
        return {"any": one(seen["same"], seen["d_same"], "Nearest rows", "by distance in the original space")}
    same, other = int(seen["same_count"]), int(seen["other_count"])
    return {
        "same": one(
            seen["same"],
            seen["d_same"],
            "Same class",
            f"nearest {len(seen['same'])} of {same:,}" if same else "no other row: it cannot be an anchor",
        ),
        "other": one(
            seen["other"],
            seen["d_other"],
            "Other classes",
            f"nearest {len(seen['other'])} of {other:,}; gap to the chosen positive" if other else "there is none",
        ),
    }


# ---- the table


def table(told: Mapping[str, Any], flags: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
    """Everything that is shown about the row, as columns: for the screen, and for the CSV."""
    seen, samples = told["view"], told["samples"]
    own = samples[0]["class"]
    far = {
        int(row): float(d)
        for name, each in (("same", "d_same"), ("other", "d_other"), ("positives", "d_ap"), ("negatives", "d_an"))
        for row, d in zip(seen[name], seen[each], strict=True)
    }
    titles = {card["name"]: card["title"] for card in told["strategies"]}
    chosen = view.get(view.POSITIVE)
    at = next((i for i, row in enumerate(seen["positives"]) if int(row) == chosen), 0)
    near = float(seen["d_ap"][at]) if len(seen["positives"]) else None
    picked: dict[int, list[str]] = {}
    for name, places in seen["picks"].items():
        if len(places) and places[at] >= 0:
            picked.setdefault(int(seen["negatives"][places[at]]), []).append(titles[name])
    order = sorted(range(1, len(samples)), key=lambda i: far[samples[i]["row"]])
    rows = [(samples[i], flags[i], far[samples[i]["row"]]) for i in order]
    columns: dict[str, list[Any]] = {
        "row": [sample["row"] for sample, _, _ in rows],
        "id": [sample["id"] for sample, _, _ in rows],
        "class": [sample["class"] for sample, _, _ in rows],
        "role": ["" if own is None else "positive" if sample["class"] == own else "negative" for sample, _, _ in rows],
        "distance": [d for _, _, d in rows],
    }
    if near is not None:
        gaps = [None if sample["class"] == own else float(np.float32(d) - np.float32(near)) for sample, _, d in rows]
        limit = float(np.float32(seen["margin"]))
        columns["gap"] = gaps
        columns["zone"] = [
            "" if gap is None else "hard" if gap <= 0 else "easy" if gap >= limit else "semi-hard" for gap in gaps
        ]
        columns["picked by"] = ["; ".join(picked.get(sample["row"], [])) for sample, _, _ in rows]
    columns["flags"] = ["; ".join(titles) for _, titles, _ in rows]
    if any(sample["text"] for sample in samples):
        columns["text"] = [sample["text"] for sample, _, _ in rows]
    return columns


def _table(opened: Opened, told: Mapping[str, Any]) -> None:
    """The ruler and the lists as a table, made only when it is opened."""
    shown = st.expander("The neighbours as a table", on_change="rerun", key="row.table")
    if not shown.open:
        return
    columns = table(told, flags_of(opened, told))
    with shown:
        st.dataframe(columns, hide_index=True, placeholder="")
        st.download_button(
            "Neighbours (CSV)",
            data=lambda: csv_of(columns),
            file_name=f"row-{told['view']['row']}-neighbours.csv",
            mime="text/csv",
            on_click="ignore",
            key="row.csv",
        )


def csv_of(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The table as CSV in UTF-8; cells that a spreadsheet would run are neutralised."""
    import csv
    import io

    from tripletscope.export import neutral

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for cells in zip(*columns.values(), strict=True):
        writer.writerow([neutral(cell) if isinstance(cell, str) else "" if cell is None else cell for cell in cells])
    return out.getvalue().encode("utf-8", "replace")
