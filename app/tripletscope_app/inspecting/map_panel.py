"""The map of the set: which map, what colours it, what is found and encircled on it, and a table of that."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitAPIException

from tripletscope_app import component
from tripletscope_app.component.pack import join
from tripletscope_app.desk.client import Asked
from tripletscope_app.inspecting import exclusions, view
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.waiting import spoken

#: The fragment of map, findings and row, which a click on the map draws again.
WORKBENCH = "inspect.workbench"
#: Seconds that are waited for the first picture, for another map or colour, and between two looks at what is worked on.
FIRST, NEXT, AGAIN = 6.0, 0.5, 0.6
#: Rows of a table on the page; the file has them all.
SHOWN = 1_000
#: Of these the colour depends on the distance; of the second also on margin and strategy.
_NEIGHBOURLY, _MINED = ("finding", "hubness", "zone", "loss"), ("zone", "loss")
_TITLES = {"pca": "PCA", "umap": "UMAP", "own": "x, y"}
_HINTS = {
    "pca": "two straight axes in the direction of most variance",
    "umap": "a sketch of who is near whom; takes a while the first time, and is kept",
    "own": "the file's own x and y",
}
_STATE, _TURN, _CHANGED, _BLOBS = "inspect.map", "inspect.map.turn", "inspect.map.changed", "inspect.map.blobs"
#: Row and finding that the panels around the map were drawn with.
_AROUND = "inspect.map.around"
#: Whether the address has to be told again.
_UNTOLD = "inspect.map.untold"


@dataclass
class Looked:
    """What is looked at on the map of one set, and gone with it: nothing of it is part of a link.

    Attributes:
        digest: of the set.
        search: the words that were looked for.
        rows: places of the rows that were encircled.
        peek: the row whose card is asked for.
        space: the map that was shown last.
        colour: the colours that were shown last, by key.
        trouble: a sentence, until somebody does something else.
        heard: the turn of the last wish of the browser.
    """

    digest: str
    search: str = ""
    rows: list[int] = field(default_factory=list)
    peek: int | None = None
    space: str | None = None
    colour: dict[str, Any] | None = None
    trouble: str | None = None
    heard: int = 0


def looked(opened: Opened) -> Looked:
    """What is looked at now."""
    found = st.session_state.get(_STATE)
    if not isinstance(found, Looked) or found.digest != opened.digest:
        found = st.session_state[_STATE] = Looked(opened.digest)
        st.session_state[_BLOBS] = {}
    return found


def foresee(opened: Opened) -> None:
    """Nothing; the picture is being made. Asked before the findings, for those take minutes where it takes seconds."""
    opened.ask("map_places", **_place(opened, wanted_space(opened)))
    by = wanted_colour(opened)
    if by not in (*_NEIGHBOURLY, "none"):
        opened.ask("map_colour", **_colour(opened, by))


def show(opened: Opened) -> None:
    """Draws the panel."""
    st.session_state[_AROUND] = _around()
    if st.session_state.pop(_UNTOLD, False):
        st.query_params.from_dict(view.link())
    _panel(opened)


def _around() -> tuple[Any, Any]:
    """What the panels beside the map show too: they are drawn again when it changes."""
    return view.get(view.ROW), view.get(view.FINDING)


@st.fragment(key="inspect.map")
def _panel(opened: Opened) -> None:
    """The map alone: another colour, a search or a lasso draws nothing else again."""
    key = f"inspect.cloud.{opened.digest[:12]}"
    hear(opened, key)  # what came while the page was being drawn
    if st.session_state.pop(_CHANGED, False) or st.session_state.get(_AROUND) != _around():
        st.session_state[_UNTOLD] = True  # what the browser was told in a run that is cut short never reaches it
        st.rerun(scope="app")  # what is mined follows, or another row is chosen: that is another part of the page
    now = looked(opened)
    drawing = Drawing(opened, now)
    data = drawing.data()
    with st.container(key="unseen-points"):
        for name, blob in drawing.blobs.items():
            component.load_points(blob, key=name)
        if drawing.waiting:
            st.session_state[_TURN] = turn = st.session_state.get(_TURN, 0) + 1
            component.come_back(turn, AGAIN, key="inspect.map.tick")
    component.mount("cloud", data, key=key, on_asked_change=lambda: _hear_and_draw(opened, key))
    if now.rows:
        _table(opened, "lasso", now.rows)
    found = drawing.found
    if found is not None and len(found["rows"]):
        _table(opened, "hits", found["rows"].tolist())


# ---- what somebody asked for


def _hear_and_draw(opened: Opened, key: str) -> None:
    """The browser asks for something; where another row is chosen, all that follows the row is drawn again, too."""
    hear(opened, key)
    if st.session_state.get(_AROUND) != _around():
        with contextlib.suppress(StreamlitAPIException):  # the page is just being drawn from scratch anyway
            st.rerun(WORKBENCH)


def hear(opened: Opened, key: str) -> None:
    """Nothing; what the browser asked for since it was heard last is looked at from now on."""
    now = looked(opened)
    wishes = (st.session_state.get(key) or {}).get("asked")
    for said in wishes if isinstance(wishes, list) else []:
        turn = said.get("turn") if isinstance(said, dict) else None
        if isinstance(turn, int) and turn > now.heard:
            now.heard = turn
            _take(opened, now, said)


def _take(opened: Opened, now: Looked, said: Mapping[str, Any]) -> None:
    """One wish: another row, map, colour; a search; the rows inside a line."""
    kind = said.get("kind")
    now.trouble = None
    if kind == "row" and _is_place(said.get("row"), opened):
        view.put(row=said["row"], positive=None)
    elif kind == "peek" and _is_place(said.get("row"), opened):
        now.peek = said["row"]
    elif kind == "space" and said.get("space") in spaces(opened):
        _again_if_failed(opened, "map_places", **_place(opened, said["space"]))
        view.put(space=said["space"])
    elif kind == "colour" and said.get("by") in {one["value"] for one in colours(opened)}:
        if said["by"] != "none":
            _again_if_failed(opened, "map_colour", **_colour(opened, said["by"]))
        view.put(colour=said["by"])
    elif kind == "search" and isinstance(said.get("text"), str):
        now.search = said["text"][:200].strip()
    elif kind == "lasso":
        _take_lasso(opened, now, said.get("polygon"))
    elif kind == "cancel" and said.get("what") in ("space", "colour"):
        question, given = _question(opened, said["what"])
        opened.ask(question, **given).cancel()
    elif kind == "clear":
        _clear(now, said.get("what"))


def _question(opened: Opened, what: str) -> tuple[str, dict[str, Any]]:
    if what == "space":
        return "map_places", _place(opened, wanted_space(opened))
    return "map_colour", _colour(opened, wanted_colour(opened))


def _clear(now: Looked, what: Any) -> None:
    if what == "lasso":
        now.rows = []
    elif what == "hits":
        now.search = ""
    elif what == "finding":
        view.put(finding=None)


def _take_lasso(opened: Opened, now: Looked, polygon: Any) -> None:
    try:
        corners = np.asarray(polygon, np.float64)
    except (TypeError, ValueError):
        return
    if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= 1000 or not np.isfinite(corners).all():
        return
    asked = opened.desk.ask("map_inside", **_place(opened, now.space or "pca"), polygon=corners.tolist())
    reply = asked.reply(20)
    if reply is None or "error" in reply:
        now.trouble = (reply or {}).get("error", "The rows inside that line could not be found in time: try again.")
        return
    now.rows = reply["rows"].tolist()
    if not now.rows:
        now.trouble = "No row lies inside that line."


def _is_place(value: Any, opened: Opened) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < opened.rows


def _again_if_failed(opened: Opened, question: str, **given: Any) -> None:
    reply = opened.ask(question, **given).reply(0)
    if reply is not None and "error" in reply:
        opened.desk.again(question, **given)


# ---- what is wanted


def spaces(opened: Opened) -> list[str]:
    """The maps that this set can have; what it opens with comes first."""
    own = ["own"] if opened.facts["has_positions"] else []
    return [*own, "pca", "umap"]


def wanted_space(opened: Opened) -> str:
    """The map that was chosen, or the one that the set opens with."""
    chosen = view.get(view.SPACE)
    return chosen if chosen in spaces(opened) else spaces(opened)[0]


def colours(opened: Opened) -> list[dict[str, str]]:
    """By what rows can be coloured: {"value", "title", "group"}."""
    found = [{"value": "label", "title": "label", "group": "the set"}] if opened.facts["class_names"] else []
    found.append({"value": "finding", "title": "finding", "group": "the set"})
    found.append({"value": "hubness", "title": "hubness", "group": "the set"})
    if opened.labelled:
        found += [{"value": by, "title": by, "group": "as an anchor"} for by in _MINED]
    for name in opened.facts["columns"]:
        found.append({"value": f"column:{name}", "title": str(name)[:60], "group": "columns of the file"})
    return [*found, {"value": "none", "title": "nothing", "group": "the set"}]


def wanted_colour(opened: Opened) -> str:
    """What was chosen to colour by, where the set has it; else the label, else the findings."""
    chosen = str(view.get(view.COLOUR))
    known = [one["value"] for one in colours(opened)]
    return chosen if chosen in known else known[0]


def _place(opened: Opened, space: str) -> dict[str, Any]:
    return {"space": space, "distance": opened.distance, "folder": str(opened.desk.folder)}


def _colour(opened: Opened, by: str) -> dict[str, Any]:
    mined = by in _MINED
    return {
        "by": by,
        "distance": opened.distance if by in _NEIGHBOURLY else "cosine",
        "margin": margin_of(opened) if mined else 0.0,
        "strategy": str(view.get(view.STRATEGY)) if mined else "",
    }


def margin_of(opened: Opened) -> float:
    """The margin that was chosen, or the one that the page takes where nobody has."""
    chosen = view.get(view.MARGIN)
    if chosen is not None:
        return float(chosen)
    reply = opened.ask("row_ready", distance=opened.distance).reply(5.0)
    return float((reply or {}).get("usual_margin", 0.2))


# ---- what goes to the browser


class Drawing:
    """What the browser gets: big constant bytes under names, and small JSON that refers to them.

    Attributes:
        blobs: by name.
        waiting: whether something is still being worked out, so that one has to look again.
        found: the reply of the search, or None.
    """

    def __init__(self, opened: Opened, now: Looked) -> None:
        self.opened, self.now = opened, now
        self.blobs: dict[str, bytes] = {}
        self.waiting = False
        self.found: dict[str, Any] | None = None
        self._job: dict[str, Any] | None = None
        self._kept: dict[str, bytes] = st.session_state[_BLOBS]

    def data(self) -> dict[str, Any]:
        """For the component."""
        opened, now = self.opened, self.now
        wanted = wanted_space(opened)
        places = self._places(wanted)
        legend = self._legend()
        row = view.get(view.ROW)
        row = row if _is_place(row, opened) else None
        told = {
            "wanted": wanted,
            "spaces": [{"name": name, "title": _TITLES[name], "hint": _HINTS[name]} for name in spaces(opened)],
            "space": None if places is None else places["space"],
            "places": None if places is None else places["key"],
            "there": 0 if places is None else places["there"],
            "badge": {"text": "", "meaning": "", "exact": False} if places is None else self._badge(places),
            "by": wanted_colour(opened),
            "bys": colours(opened),
            "legend": legend,
            "cards": self._cards(),
            "row": row,
            "lines": None if row is None else self._lines(row),
            "marks": self._marks(),
            "search": None,
            "card": self._card(),
            "labelled": bool(opened.facts["class_names"]),
        }
        if self.found is not None:
            told["search"] = {"text": now.search, "count": self.found["count"], "key": self._hits_key()}
        told["job"] = self._job or ({"words": now.trouble, "share": None, "what": None} if now.trouble else None)
        told["trouble"] = now.trouble if places is None else None
        return told

    def _blob(self, key: str, header: Mapping[str, Any], sections: Mapping[str, tuple[str, np.ndarray]]) -> str:
        if key not in self._kept:
            self._kept[key] = join({"version": 1, "kind": "points", "key": key, **header}, sections, digest=key)[1]
            for old in list(self._kept)[:-12]:
                del self._kept[old]
        self.blobs[key] = self._kept[key]
        return key

    def _name(self, *parts: Any) -> str:
        return f"{self.opened.digest[:12]}-{hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()}"

    def _work(self, asked: Asked, words: str, what: str) -> None:
        """Something is being worked out: the map says how far it is."""
        self.waiting = True
        if self._job is not None:
            return
        left = asked.seconds_left
        share = asked.share if asked.total else None
        percent = f" {share:.0%}" if share else ""
        more = f", about {spoken(left)} left" if left is not None else " …"
        self._job = {"words": f"{words}{percent}{more}", "share": share, "what": what}

    # -- places

    def _places(self, wanted: str) -> dict[str, Any] | None:
        """The map to show: the wanted one, or until it is there the one that was shown, or PCA."""
        asked = self.opened.ask("map_places", **_place(self.opened, wanted))
        quick = wanted != "umap"
        reply = asked.reply(FIRST if quick and self.now.space is None else NEXT)
        if reply is not None and "error" not in reply:
            self.now.space = wanted
            return self._taken(reply)
        if reply is None:
            self._work(asked, f"{_TITLES[wanted]}:" if asked.total else f"{_TITLES[wanted]} is being made", "space")
        else:
            self.now.trouble = (
                f"{_TITLES[wanted]}: cancelled. Press it again to make it."
                if reply.get("cancelled")
                else str(reply["error"])
            )
        if quick and wanted == "pca":
            return None
        other = self.now.space if self.now.space not in (None, wanted) else "pca"
        shown = self.opened.ask("map_places", **_place(self.opened, other)).reply(FIRST)
        if shown is None or "error" in shown:
            self.waiting = self.waiting or shown is None
            return None
        return self._taken({**shown, "space": other})

    def _taken(self, reply: dict[str, Any]) -> dict[str, Any]:
        key = self._blob(
            self._name("places", reply["space"], self.opened.distance),
            {"centre": reply["centre"], "extent": reply["extent"]},
            {"places": ("u16", reply["places"])},
        )
        return {**reply, "key": key}

    def _badge(self, places: dict[str, Any]) -> dict[str, Any]:
        numbers = places
        if not places["measured"] and not places["exact"]:
            asked = self.opened.ask("map_numbers", **_place(self.opened, places["space"]))
            reply = asked.reply(0.05)
            self.waiting = self.waiting or reply is None
            numbers = reply if reply is not None and "error" not in reply else places
        return {
            "text": badge_text(numbers),
            "meaning": badge_meaning(places["space"], numbers),
            "exact": places["exact"],
        }

    # -- colours

    def _legend(self) -> dict[str, Any] | None:
        by = wanted_colour(self.opened)
        if by == "none":
            self.now.colour = None
            return None
        given = _colour(self.opened, by)
        asked = self.opened.ask("map_colour", **given)
        reply = asked.reply(FIRST if by == "label" or by.startswith("column:") else NEXT)
        if reply is None:
            self._work(asked, f"colours by {by.removeprefix('column:')[:40]}:", "colour")
        elif "error" in reply:
            self.now.trouble = "Cancelled." if reply.get("cancelled") else str(reply["error"])
        else:
            codes = reply["codes"]
            key = self._name("colour", by, given)
            self._blob(key, {}, {"codes": ("u8" if codes.dtype == np.uint8 else "u16", codes)})
            legend = {name: value for name, value in reply.items() if name != "codes"}
            if "counts" in legend:
                legend["counts"] = [int(one) for one in legend["counts"]]
            if by == "finding":
                legend["palette"] = "findings"
            self.now.colour = {**legend, "key": key}
            return self.now.colour
        before = self.now.colour
        if before is not None and before["key"] in self._kept:
            self.blobs[before["key"]] = self._kept[before["key"]]
            return before
        return None

    # -- rows

    def _cards(self) -> str | None:
        asked = self.opened.ask("map_cards")
        reply = asked.reply(0.05)
        if reply is None:
            self.waiting = True
            return None
        if "error" in reply or reply["ids"] is None:
            return None
        said = ("ids", "texts", "class_names", "cell", "across", "pixelated")
        sections: dict[str, tuple[str, np.ndarray]] = {"labels": ("i32", reply["labels"])}
        if "sheet" in reply:
            sections["sheet"] = ("u8", np.frombuffer(reply["sheet"], np.uint8))
        return self._blob(self._name("cards"), {name: reply[name] for name in said if name in reply}, sections)

    def _card(self) -> dict[str, Any] | None:
        if self.now.peek is None:
            return None
        reply = self.opened.ask("map_card", row=self.now.peek).reply(2.0)
        return None if reply is None or "error" in reply else reply

    def _lines(self, row: int) -> dict[str, Any] | None:
        reply = self.opened.ask("map_lines", row=row, distance=self.opened.distance).reply(0.4)
        self.waiting = self.waiting or reply is None
        if reply is None or "error" in reply:
            return None
        return {"row": row, "distance": self.opened.distance, **reply}

    def _marks(self) -> list[dict[str, Any]]:
        """Rows in front: of a finding, a search, a lasso."""
        marks = []
        finding = self._finding()
        if finding is not None:
            rows = np.asarray(finding["rows"], np.int64)
            name = self._name("finding", finding["check"], self.opened.distance)
            marks.append(self._mark("finding", finding["title"], rows, name))
        if self.now.search:
            self.found = self._search()
            if self.found is not None:
                marks.append(self._mark("hits", "found", self.found["rows"], self._hits_key(), self.found["count"]))
        if self.now.rows:
            rows = np.array(self.now.rows, np.int64)
            marks.append(self._mark("lasso", "encircled", rows, self._name("lasso", rows.tobytes())))
        return [mark for mark in marks if mark["count"]]

    def _mark(self, kind: str, title: str, rows: np.ndarray, key: str, count: int | None = None) -> dict[str, Any]:
        self._blob(key, {}, {"rows": ("i32", rows)})
        return {"kind": kind, "title": title, "count": len(rows) if count is None else count, "key": key}

    def _hits_key(self) -> str:
        return self._name("hits", self.now.search)

    def _finding(self) -> dict[str, Any] | None:
        check = view.get(view.FINDING)
        if check is None:
            return None
        reply = self.opened.ask("inspection", distance=self.opened.distance).reply(0)
        self.waiting = self.waiting or reply is None
        if reply is None or "error" in reply:
            return None
        found: dict[str, Any] | None = next((one for one in reply["findings"] if one["check"] == check), None)
        return found

    def _search(self) -> dict[str, Any] | None:
        reply = self.opened.ask("map_search", text=self.now.search).reply(10.0)
        self.waiting = self.waiting or reply is None
        if reply is not None and "error" in reply:
            self.now.trouble = str(reply["error"])
            return None
        return reply


def badge_text(numbers: Mapping[str, Any]) -> str:
    """What the map says of itself.

    Example:
        >>> badge_text({"badge": "PCA, 29% of variance", "kept": 0.121, "exact": False})
        'PCA, 29% of variance, 15-NN kept 12%'
    """
    text = str(numbers["badge"])
    return (
        text
        if numbers["exact"] or "kept" in text or math.isnan(numbers["kept"])
        else (f"{text}, 15-NN kept {numbers['kept']:.0%}")
    )


def badge_meaning(space: str, numbers: Mapping[str, Any]) -> str:
    """The same at length: what may be read off the map, and what not."""
    if numbers["exact"]:
        return "This is the space itself: distances on the map are the distances of the set."
    what = {
        "pca": f"Two straight axes in the direction of most variance, fitted on {numbers['fitted']:,} rows. ",
        "umap": "A sketch of who is near whom. Its distances, and the room between groups, mean nothing. ",
        "own": "The places come from the file. ",
    }[space]
    if math.isnan(numbers["kept"]):
        return what + "How much it keeps is being measured."
    recall = "" if numbers["recall"] >= 1 else f" It was given neighbours found with recall {numbers['recall']:.2f}."
    return (
        f"{what}Of the 15 nearest rows of a row, {numbers['kept']:.0%} are among its 15 nearest here (trustworthiness "
        f"{numbers['trust']:.2f}), measured on {numbers['measured']:,} rows.{recall} The lines from a chosen row lead "
        "to its truly nearest."
    )


# ---- the rows that were encircled or found


def _table(opened: Opened, kind: str, rows: Sequence[int]) -> None:
    """The rows as a table, what can be done with them, and a file of them."""
    now, count = looked(opened), len(rows)
    out = set(exclusions.by_hand())
    inside = sum(row in out for row in rows)
    flags = opened.ask("inspection", distance=opened.distance).ready
    words = "encircled" if kind == "lasso" else "found"
    asked = opened.ask("map_rows", rows=list(rows[:SHOWN]), distance=opened.distance, flags=flags)
    key = f"inspect.map.{kind}"
    with st.expander(f"{count:,} {'row' if count == 1 else 'rows'} {words}", expanded=kind == "lasso"):
        reply = asked.reply(5.0)
        if reply is None or "error" in reply:
            st.caption("The table follows.")
            return
        columns = dict(reply["columns"])
        places = [int(one) for one in columns.pop("row")]
        table = {name: list(values) for name, values in columns.items()}
        table["left out"] = [row in out for row in places]
        if count > SHOWN:
            st.caption(f"The first {SHOWN:,} of {count:,} rows; the file has them all.")
        st.dataframe(
            table,
            hide_index=True,
            height=min(240, 38 + 35 * len(places)),
            on_select=lambda: _choose_from(key, places),
            selection_mode="single-row",
            key=key,
        )
        line = st.container(horizontal=True)
        line.button(
            "Leave out of mining",
            key=f"{key}.out",
            on_click=_exclude,
            args=(rows, True),
            disabled=inside == count,
            help="These rows take no part in mining: neither as anchors nor as positives or negatives.",
        )
        if inside:
            line.button(f"Let {inside:,} back in", key=f"{key}.in", on_click=_exclude, args=(rows, False))
        line.download_button(
            "CSV",
            data=lambda: csv_of(opened, rows, flags),
            file_name=f"{words}.csv",
            mime="text/csv",
            on_click="ignore",
            key=f"{key}.csv",
        )
        line.button("Clear", key=f"{key}.clear", on_click=_clear, args=(now, kind))


def _choose_from(key: str, places: Sequence[int]) -> None:
    chosen = st.session_state[key]["selection"]["rows"]
    if chosen and chosen[0] < len(places):
        view.put(row=places[chosen[0]], positive=None)
        with contextlib.suppress(StreamlitAPIException):
            st.rerun(WORKBENCH)


def _exclude(rows: Sequence[int], out: bool) -> None:
    before = set(exclusions.by_hand())
    st.session_state[exclusions.ROWS] = sorted(before | set(rows) if out else before - set(rows))
    st.session_state[_CHANGED] = True


def csv_of(opened: Opened, rows: Sequence[int], flags: bool) -> bytes:
    """All these rows as CSV; cells that a spreadsheet would run begin with an apostrophe."""
    import csv

    from tripletscope.export import neutral

    reply = opened.ask("map_rows", rows=list(rows), distance=opened.distance, flags=flags).reply(60)
    columns: dict[str, Any] = (reply or {}).get("columns", {})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for cells in zip(*columns.values(), strict=True):
        writer.writerow("" if cell is None else neutral(cell) if isinstance(cell, str) else cell for cell in cells)
    return out.getvalue().encode("utf-8", "replace")
