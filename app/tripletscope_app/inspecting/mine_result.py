"""What was mined: how many in which zone, the first of them with pictures and texts, the files, and the command."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope_app.desk.client import Desk
from tripletscope_app.inspecting import arrivals, drop, view
from tripletscope_app.inspecting.mine_jobs import Job, Options, command_line, source_words
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.waiting import answer, spoken

#: In the session: the mining under way, what was mined before, which of that is shown, and of which set.
_RUNNING, _RESULTS, _SHOWN, _OF = (
    "inspect.mine.running",
    "inspect.mine.results",
    "inspect.mine.shown",
    "inspect.mine.of",
)
#: So many results are kept; the oldest goes with its files.
KEPT = 6
#: Rows of the preview, at first and when more are asked for.
FEW, MORE = 20, 200
#: Of columns of the preview, in pixels.
_WIDTHS = {"class": 96, "text": 176, "id": 84}
#: A file of more bytes is not passed through the browser's door, which would hold all of it in memory.
LARGEST = 400_000_000
#: What the list of rows that were left out by hand is called.
BY_HAND = "left-out-by-hand.txt"
FORMS = {
    "triplets": "Every column",
    "sentence-transformers": "sentence-transformers",
    "index": "Places of rows",
}
ENDINGS = (".csv", ".csv.gz", ".parquet", ".jsonl")
_FORM_WORDS = {
    "triplets": "Ids, classes, distances, gap, loss, zone and flags of every triplet. Cells that a spreadsheet would "
    "run as a formula are made harmless in .csv and .csv.gz; the settings say which.",
    "sentence-transformers": "anchor, positive, negative: the texts as they are, for a SentenceTransformerTrainer.",
    "index": "anchor, positive, negative: places from 0 on in the order of the file, such as pytorch-metric-learning "
    "takes as indices_tuple.",
}


# ---- results, in the session


def running() -> Job | None:
    """The mining that is under way."""
    job: Job | None = st.session_state.get(_RUNNING)
    return job


def results() -> list[Job]:
    """What was mined of the set that is open, the oldest first."""
    found: list[Job] = st.session_state.setdefault(_RESULTS, [])
    return found


def begin(opened: Opened, job: Job) -> None:
    """Nothing; this mining is under way."""
    st.session_state[_RUNNING] = job
    st.session_state[_OF] = opened.digest


def show_again(opened: Opened, options: Options) -> bool:
    """Whether these very triplets were mined before; then they are shown."""
    _only_of(opened)
    for place, job in enumerate(results()):
        if job.options == options and job.out is not None and job.out.exists():
            st.session_state[_SHOWN] = place
            return True
    return False


def _only_of(opened: Opened) -> None:
    """Nothing; what belongs to a set that is no longer open is gone."""
    if st.session_state.get(_OF) in (None, opened.digest):
        return
    job = running()
    if job is not None:
        job.cancel()
    for old in results():
        shutil.rmtree(old.folder, ignore_errors=True)
    for name in (_RUNNING, _RESULTS, _SHOWN, _OF):
        st.session_state.pop(name, None)


def stem(opened: Opened) -> str:
    """What the files are called, without an ending."""
    plain = re.sub(r"[^\w.-]+", "-", opened.name).strip("-.")[:60]
    return f"{plain or 'embeddings'}-triplets"


def settle(opened: Opened) -> None:
    """Nothing; a mining that is over becomes a result, or a sentence."""
    _only_of(opened)
    job = running()
    if job is not None and job.wait(0.5):
        _settle(job)


# ---- on the screen


def show(opened: Opened, options: Options) -> None:
    """What is under way, and what was mined last."""
    job = running()
    if job is not None:
        _watch(job)
        return
    message = st.session_state.get("inspect.mine.message")
    if message:
        st.warning("Nothing was mined.")
        st.text(message)
    found = results()
    if not found:
        return
    place = min(st.session_state.get(_SHOWN, len(found) - 1), len(found) - 1)
    _one(opened, found[place], place, options)


@st.fragment(run_every=0.4)
def _watch(job: Job) -> None:
    """How far the mining is; the page is drawn again when it is over."""
    if job.wait(0):
        st.rerun()
    left = job.seconds_left
    row = st.container(horizontal=True, vertical_alignment="center")
    row.progress(job.share, text=f"{job.words} …" if left is None else f"{job.words} … about {spoken(left)} left")
    row.button("Cancel", key="mine.cancel", on_click=job.cancel)


def _settle(job: Job) -> None:
    """Nothing; a mining that is over is a result, or a sentence."""
    st.session_state[_RUNNING] = None
    st.session_state["inspect.mine.message"] = None
    if job.state == "ready":
        found = [*results(), job]
        for old in found[:-KEPT]:
            shutil.rmtree(old.folder, ignore_errors=True)
        st.session_state[_RESULTS] = found[-KEPT:]
        st.session_state[_SHOWN] = len(found[-KEPT:]) - 1
    else:
        st.session_state["inspect.mine.message"] = (
            "It was cancelled; nothing is left of it." if job.state == "cancelled" else job.message
        )
        shutil.rmtree(job.folder, ignore_errors=True)


def _one(opened: Opened, job: Job, place: int, options: Options) -> None:
    key = f"mine.{job.folder.name}"
    many = st.session_state.get(f"{key}.many", False)
    told = answer(
        opened.ask("mined_rows", folder=str(job.folder / "mined"), first=0, count=MORE if many else FEW),
        "Fetching the first triplets",
        key=f"{key}.rows",
        patience=2.0,
    )
    if told is None:
        return
    with st.container(border=True, key="inspect-mined"):
        _headline(job, place, told)
        _differs(job.options, options)
        if not told["total"]:
            st.caption("The strategy picks nothing with these settings: widen the margin, or choose another one.")
        else:
            _preview(told, key)
            if told["total"] > FEW:
                shown = min(MORE if many else FEW, told["total"])
                words = (
                    f"The first {shown:,} of {told['total']:,}, the highest loss first. A click shows the row above."
                )
                row = st.container(horizontal=True, vertical_alignment="center")
                row.caption(words)
                if not many:
                    row.button(f"Show {min(MORE, told['total'])}", key=f"{key}.more", on_click=_show_many, args=(key,))
        for note in told["notes"]:
            st.text(note.removesuffix("; see --flagged.").removesuffix("."))
        _files(opened, job, told, key)


def _show_many(key: str) -> None:
    st.session_state[f"{key}.many"] = True


def _headline(job: Job, place: int, told: Mapping[str, Any]) -> None:
    zones, total = told["zones"], max(1, told["total"])
    found = told["settings"]
    how = "exact" if found.get("exact") else f"recall {found.get('recall', 0):.3f}, measured"
    parts = "".join(
        f"<span class='mine-zone mine-{name}' style='flex-grow:{count}'>"
        f"{f'{name} {count:,}' if count / total > 0.12 else ''}</span>"
        for name, count in zones.items()
    )
    words = ", ".join(f"{count:,} {name}" for name, count in zones.items() if count)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.html(
        f"<p class='mine-count'><b>{told['total']:,} triplets</b> <span>{words} · {how} · "
        f"{spoken(job.seconds)}</span></p>",
        width="stretch",
    )
    count = len(results())
    if count > 1:
        row.button("Back", key="mine.back", disabled=place == 0, on_click=_look_at, args=(place - 1,))
        row.html(f"<span class='mine-place'>{place + 1} of {count}</span>", width="content")
        row.button("Forward", key="mine.forward", disabled=place == count - 1, on_click=_look_at, args=(place + 1,))
    st.html(f"<div class='mine-zones' aria-hidden='true'>{parts}</div>")


def _look_at(place: int) -> None:
    st.session_state[_SHOWN] = place


#: How a difference in the options is said.
_SAID = {
    "strategy": "strategy",
    "margin": "margin",
    "distance": "distance",
    "positives": "positives",
    "negatives": "negatives",
    "filters": "filters",
    "cap_per_negative": "caps",
    "cap_per_pair": "caps",
    "skip": "skip",
    "seed": "seed",
    "kept": "findings that stay in",
    "rows": "rows left out by hand",
    "source": "positives",
    "pairs": "pairs",
}


def differences(one: Options, other: Options) -> list[str]:
    """In what two minings differ, in words.

    Example:
        >>> differences(Options("hardest", 0.5, "cosine"), Options("random", 0.2, "cosine"))
        ['strategy hardest', 'margin 0.5']
    """
    found = []
    for name, said in _SAID.items():
        mine = getattr(one, name)
        if mine != getattr(other, name):
            value = f" {mine:g}" if isinstance(mine, float) else f" {mine}" if isinstance(mine, str | int) else ""
            found.append(said if name == "pairs" else f"{said}{value}")
    return list(dict.fromkeys(found))


def _differs(mined: Options, now: Options) -> None:
    other = differences(mined, now)
    if other:
        st.caption(f"Mined with other settings than those above: {', '.join(other)}.")


# ---- the first of them


def _preview(told: Mapping[str, Any], key: str) -> None:
    """The first triplets as a table; a click looks at the anchor, with that positive."""
    rows = told["rows"]
    table = columns_of(rows)
    config: dict[str, Any] = {
        name: st.column_config.ImageColumn(name.removesuffix(" picture"), width=56)
        for name in table
        if name.endswith(" picture")
    }
    config |= {name: st.column_config.NumberColumn(format="%.4g") for name in ("d_ap", "d_an", "gap", "loss")}
    config["rank"] = st.column_config.NumberColumn(width=50)
    for name in table:  # so that the three stand side by side on a common screen
        kind = name.rpartition(" ")[2]
        if kind in _WIDTHS:
            config[name] = st.column_config.TextColumn(width=_WIDTHS[kind])
    chosen = st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 44 * len(rows), 420),
        row_height=44,
        column_config=config,
        on_select="rerun",
        selection_mode="single-row",
        key=f"{key}.table",
    )
    picked = chosen["selection"]["rows"]
    slots = rows[picked[0]]["slots"] if picked and picked[0] < len(rows) else None
    heard = None if slots is None else (slots["anchor"]["row"], slots["positive"]["row"])
    if heard is not None and st.session_state.get(f"{key}.heard") != heard:
        st.session_state[f"{key}.heard"] = heard
        view.put(row=heard[0], positive=heard[1])
        st.rerun(scope="app")  # the row is shown in another part of the page


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The rows of a preview as columns: of each of the three a picture, its class, id and text, then the numbers."""
    table: dict[str, list[Any]] = {"rank": [row["rank"] for row in rows]}
    for slot in ("anchor", "positive", "negative"):
        sides = [row["slots"][slot] for row in rows]
        if any(side["picture"] for side in sides):
            table[f"{slot} picture"] = [_data(side["picture"]) for side in sides]
        if any(side["class"] is not None for side in sides):
            table[f"{slot} class"] = [side["class"] for side in sides]
        if any(side["text"] for side in sides):
            table[f"{slot} text"] = [side["text"] for side in sides]
        table[f"{slot} id"] = [side["id"] for side in sides]
    for name in ("d_ap", "d_an", "gap", "loss", "zone"):
        table[name] = [row[name] for row in rows]
    if any(row["flags"] for row in rows):
        table["flags"] = [", ".join(row["flags"]) for row in rows]
    return table


def _data(picture: Any) -> str | None:
    return None if not picture else f"data:{picture[0]};base64,{base64.b64encode(picture[1]).decode()}"


# ---- files


def _files(opened: Opened, job: Job, told: Mapping[str, Any], key: str) -> None:
    """Which form in which container; the command that makes the same bytes."""
    forms = [form for form in FORMS if form != "sentence-transformers" or opened.facts["has_texts"]]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        form = st.segmented_control(
            "Columns", forms, format_func=FORMS.__getitem__, default="triplets", key=f"{key}.form"
        )
        form = form or "triplets"
        ending = st.segmented_control("File", ENDINGS, default=".csv", key=f"{key}.ending") or ".csv"
        scores = False
        if form == "sentence-transformers" and job.options.distance == "cosine":
            scores = st.checkbox("Similarities too, for losses that learn from scores", key=f"{key}.scores")
        st.caption(_FORM_WORDS[form])
        name = stem(opened) + ("" if form == "triplets" else f"-{form}") + ending
        _buttons(opened, job, name, form, scores, key)
    with right:
        lines = command_of(opened, job.options, name, form=form, scores=scores)
        st.caption("The same bytes without a browser, where the files lie:")
        st.code(lines, language=None, wrap_lines=True)
        if job.options.rows:
            path = job.folder / BY_HAND
            st.download_button(
                f"{BY_HAND} ({len(job.options.rows):,} ids)",
                data=path.read_bytes,
                file_name=BY_HAND,
                mime="text/plain",
                on_click="ignore",
                key=f"{key}.by-hand",
            )


def _buttons(opened: Opened, job: Job, name: str, form: str, scores: bool, key: str) -> None:
    asked = {
        "folder": str(job.folder / "mined"),
        "out": str(job.folder / "files" / ("scored" if scores else form) / name),
        "form": form,
        "scores": scores,
    }
    told = answer(opened.ask("mined_file", **asked), "Writing the file", key=f"{key}.{name}.{scores}", patience=1.5)
    if told is None:
        return
    if told["bytes"] > LARGEST:
        _too_large(told, name, key)
        return
    row = st.container(horizontal=True)
    row.download_button(
        f"{name} ({shown_bytes(told['bytes'])})",
        data=_reader(told["path"]),
        file_name=name,
        mime="application/octet-stream" if name.endswith((".gz", ".parquet")) else "text/plain",
        type="primary",
        on_click="ignore",
        key=f"{key}.get",
    )
    settings = Path(told["settings"]).name
    row.download_button(
        "settings.json",
        data=_reader(told["settings"]),
        file_name=settings,
        mime="application/json",
        on_click="ignore",
        key=f"{key}.settings",
        help="What the triplets were made from: digest of the content, every option, exact or measured recall.",
    )
    row.download_button(
        "All of it (.zip)",
        data=_zipper(opened.desk, opened, job),
        file_name=f"{stem(opened)}.zip",
        mime="application/zip",
        on_click="ignore",
        key=f"{key}.zip",
        help="The triplets in every form that fits, their settings, the findings as page and as JSON, the ids that "
        "were left out, and the command.",
    )


def _reader(path: str) -> Callable[[], bytes]:
    """Reads the file when the button is pressed."""
    return lambda: Path(path).read_bytes()


def _zipper(desk: Desk, opened: Opened, job: Job) -> Callable[[], bytes]:
    """Packs everything when the button is pressed."""
    options, out = job.options, job.folder / "all.zip"
    asked = {
        "folder": str(job.folder / "mined"),
        "out": str(out),
        "stem": stem(opened),
        "command": command_of(opened, options, f"{stem(opened)}.csv"),
        "distance": options.distance,
        "kept": list(options.kept),
        "rows": list(options.rows),
    }

    def pack() -> bytes:
        told = desk.ask("mined_zip", **asked).reply(None) or {}
        if "error" in told:
            raise OSError(told["error"])
        return out.read_bytes()

    return pack


def _too_large(told: Mapping[str, Any], name: str, key: str) -> None:
    """A file that would fill the memory on its way through the browser's door."""
    st.caption(
        f"This file has {shown_bytes(told['bytes'])}, and the browser's door holds all of a file in memory, so it ends "
        f"at {shown_bytes(LARGEST)}: choose .csv.gz or .parquet, use the command"
        + (", or save it to a folder of this machine." if drop.loopback() else ".")
    )
    if not drop.loopback():
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    folder = row.text_input("Folder", key=f"{key}.folder", placeholder="/data")
    if row.button("Save there", key=f"{key}.save") and folder:
        home = Path(folder).expanduser()
        if not home.is_dir():
            st.warning("There is no such folder.")
        elif (home / name).exists():
            st.warning("A file of that name lies there already.")
        else:
            try:
                shutil.copy(told["path"], home / name)
                shutil.copy(told["settings"], home / Path(told["settings"]).name)
                st.success("Saved, with its settings beside it.")
            except OSError as problem:
                st.warning(f"It could not be saved there ({problem.strerror}).")


def shown_bytes(count: float) -> str:
    """A size for people.

    Example:
        >>> shown_bytes(900), shown_bytes(310_400), shown_bytes(2.5e9)
        ('1 kB', '310 kB', '2.5 GB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{max(1, round(count / 1000)):,} kB"


def command_of(opened: Opened, options: Options, name: str, *, form: str = "triplets", scores: bool = False) -> str:
    """What a person types to get the same file, with their own names of the files."""
    source = source_of(opened)
    pairs = None if options.pairs is None else Path(options.pairs).name
    words = ["mine", *source, *options.words(pairs=pairs, exclude=BY_HAND)]
    words += [] if form == "triplets" else ["--format", form]
    words += ["--scores"] if scores else []
    told = opened.ask("inspection", distance=options.distance).reply(0) or {}
    before = ""
    if options.source == "labels" and options.seed and told.get("health", {}).get("sampled_from"):
        # Which rows are looked at goes by the seed, and the page looks with seed 0.
        found = f"{stem(opened)}-findings.json"
        distance = [] if options.distance == "cosine" else ["--distance", options.distance]
        before = command_line(["inspect", *source, *distance, "--out", found]) + "\n"
        words += ["--findings", found]
    return before + command_line([*words, "--out", name])


def source_of(opened: Opened, *, pictures: bool = False) -> list[str]:
    """The files by the names that the person gave them, and the columns, as words of the command line."""
    names = {part: opened.names.get(part, path.name) for part, path in opened.files.items()}
    limit = arrivals.limit()
    words = source_words(names, opened.changes, limit=None if limit is None else limit / 2**30, pictures=pictures)
    return [*words, *(["--standardise"] if opened.standardise else [])]
