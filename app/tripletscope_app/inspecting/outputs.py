"""What can be taken out beside triplets: the findings as a page and as JSON, the cleaned set, the ids left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope_app.inspecting import exclusions, mine_result
from tripletscope_app.inspecting.mine_jobs import command_line
from tripletscope_app.inspecting.opened import Opened

#: What each file is, in words of ours.
_WORDS = {
    "report": (
        "Findings, to read",
        "One HTML file with pictures, to print or send. It opens without a server and fetches nothing.",
    ),
    "findings": ("Findings, for programs", "Every finding with its rows, scores and numbers, as JSON."),
    "cleaned": ("The cleaned set", "The rows that stay, with every column, in the same kind of file where that works."),
    "excluded": ("Ids left out", "One a line, for --exclude."),
}
_MIME = {"report": "text/html", "findings": "application/json", "excluded": "text/plain"}


def show(opened: Opened) -> None:
    """Draws the panel."""
    told = opened.ask("inspection", distance=opened.distance).reply(0)
    if told is None or "error" in told:
        return
    with st.container(key="inspect-outputs"):
        _panel(opened)


@st.fragment
def _panel(opened: Opened) -> None:
    st.subheader("Take along", anchor=False)
    kind = opened.ask("cleaned_kind", source=str(opened.files["embeddings"])).reply(5.0) or {}
    names = file_names(opened, str(kind.get("ending", ".parquet")))
    out = exclusions.excluded_rows(opened)
    columns = st.columns(4, gap="medium")
    for what, column in zip(_WORDS, columns, strict=True):
        title, words = _WORDS[what]
        with column:
            st.html(f"<p class='out-words'><b>{title}</b><span>{words}</span></p>")
            st.download_button(
                f"Download {Path(names[what]).suffixes[-1] if what != 'cleaned' else kind.get('ending', '')}",
                data=writer(opened, what, names[what], out),
                file_name=names[what],
                mime=_MIME.get(what, "application/octet-stream"),
                on_click="ignore",
                key=f"outputs.{what}",
                width="stretch",
            )
    with st.expander("The same from the command line", on_change="rerun", key="outputs.command") as command:
        if command.open:
            st.code(command_of(opened, names, out), language=None, wrap_lines=True)


def file_names(opened: Opened, ending: str) -> dict[str, str]:
    """What each file is called."""
    stem = mine_result.stem(opened).removesuffix("-triplets")
    return {
        "report": f"{stem}-findings.html",
        "findings": f"{stem}-findings.json",
        "cleaned": f"{stem}-cleaned{ending}",
        "excluded": f"{stem}-left-out.txt",
    }


def writer(opened: Opened, what: str, name: str, out: dict[str, Any]) -> Callable[[], bytes]:
    """Makes the file when the button is pressed."""
    place = opened.desk.folder / "outgoing" / name
    asked = {
        "what": what,
        "out": str(place),
        "distance": opened.distance,
        "kept": list(out["kept"]),
        "rows": list(out["rows"]),
        "mapping": dict(opened.changes) or None,
    }

    def write() -> bytes:
        told = opened.desk.ask("outgoing", **asked).reply(None) or {}
        if "error" in told:
            raise OSError(told["error"])
        return place.read_bytes()

    return write


def command_of(opened: Opened, names: dict[str, str], out: dict[str, Any]) -> str:
    """What a person types to get the same files."""
    words = ["inspect", *mine_result.source_of(opened, pictures=True)]
    words += [] if opened.distance == "cosine" else ["--distance", opened.distance]
    more = [part for check in out["kept"] for part in ("--keep-finding", check)]
    more += ["--exclude", mine_result.BY_HAND] if out["rows"] else []
    return "\n".join(
        [
            command_line([*words, *more, "--out", names["report"], "--cleaned", names["cleaned"],
                          "--excluded", names["excluded"]]),
            command_line([*words, "--out", names["findings"]]),
        ]
    )  # fmt: skip
