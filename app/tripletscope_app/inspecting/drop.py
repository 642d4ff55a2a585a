"""The door of the page: drop a file, try a sample, check which column is what."""

from __future__ import annotations

import ipaddress
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope.errors import TripletscopeError
from tripletscope_app.desk.client import GONE
from tripletscope_app.inspecting import arrivals, exclusions, mapping_card, view
from tripletscope_app.inspecting import opened as store
from tripletscope_app.inspecting.arrivals import Arrived
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.samples import SAMPLES, strip
from tripletscope_app.inspecting.waiting import answer

_COMING, _BEFORE, _TURN, _REFUSED, _BEGUN, _DIGEST = (
    "inspect.coming",
    "inspect.before",
    "inspect.drop.turn",
    "inspect.drop.refused",
    "inspect.begun",
    "inspect.digest",
)


@dataclass(frozen=True)
class Coming:
    """Files that are being read.

    Attributes:
        arrived: which they are.
        sample: name of the bundled sample, or None.
        changes: of the proposed mapping.
        told: what was known of them under another mapping, or None for files that nobody has looked into yet.
        standardise: whether each number of the vector gets mean 0 and deviation 1.
    """

    arrived: Arrived
    sample: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] | None = None
    standardise: bool = False


def bar() -> Opened | None:
    """What is open, with the means to open something else; None while nothing is."""
    _begin()
    coming: Coming | None = st.session_state.get(_COMING)
    if coming is not None:
        _read(coming)
    found = store.opened()
    if found is None or st.session_state.get(_COMING) is not None:
        if st.session_state.get(_COMING) is None:
            _door()
        return None
    _line(found)
    if not found.desk.alive:
        st.warning(GONE)
        st.button("Open it again", on_click=_remap, args=(found, found.changes, found.standardise), key="drop.again")
        return None
    return found


def forget() -> None:
    """Nothing; what is open stays on the desk's table for a moment, and the door is shown."""
    st.session_state[_BEFORE] = store.opened()
    store.open_now(None)


# ---- opening


def _begin() -> None:
    """In a new session: the file that the server was started with, or the sample that the link names."""
    if _BEGUN in st.session_state:
        return
    st.session_state[_BEGUN] = True
    wanted = view.get(view.SET)
    if wanted in SAMPLES:
        _take_sample(wanted)
    elif given := given_files():
        try:
            _take(arrivals.at_path(*(str(path) for path in given)))
        except TripletscopeError as refusal:
            st.session_state[_REFUSED] = str(refusal)


def given_files(argv: Sequence[str] | None = None) -> list[Path]:
    """The files of `streamlit run app/main.py -- --open FILE`, which `tripletscope app --open FILE` passes on."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--open", action="append", default=[])
    return [Path(path).absolute() for path in parser.parse_known_args(argv or sys.argv[1:])[0].open]


def _take(arrived: Arrived, **more: Any) -> None:
    store.desk().forget()
    st.session_state[_COMING] = Coming(arrived, **more)
    st.session_state[_REFUSED] = None


def _take_sample(key: str) -> None:
    path = SAMPLES[key].path
    _take(Arrived({"embeddings": path}, {"embeddings": path.name}), sample=key)


def _remap(found: Opened | Coming, changes: Mapping[str, Any], standardise: bool = False) -> None:
    """The same files again, with other columns."""
    if isinstance(found, Coming):
        arrived, sample = found.arrived, found.sample
    else:
        arrived, sample = Arrived(found.files, found.names), found.sample
        st.session_state[_BEFORE] = None
    store.open_now(None)
    _take(arrived, sample=sample, changes=dict(changes), told=found.told, standardise=standardise)


def _read(coming: Coming) -> None:
    """Shows how far the reading is; at its end the set is open, or the page says why not."""
    arrived = coming.arrived
    if arrived.unsure:
        paths = [str(path) for path in arrived.unsure]
        which = answer(
            store.desk().once("which", paths=paths, limit=arrivals.limit()), "Telling the files apart", key="drop.which"
        )
        if which is None:
            _give_up(store.desk().once("which", paths=paths, limit=arrivals.limit()).reply())
            return
        arrived = arrivals.settled(arrived, which["vectors"])
        coming = Coming(arrived, coming.sample, coming.changes)
        st.session_state[_COMING] = coming
    asked = store.desk().once("look", **arrivals.look_of(arrived.files, coming.changes, coming.standardise))
    told = answer(asked, "Reading", key="drop.look", patience=3)
    if told is None:
        _give_up(asked.reply(), coming)
        return
    if "set" not in told:
        mapping_card.refused(told, coming.changes, coming.standardise, lambda *asked: _remap(coming, *asked), _give_way)
        return
    found = Opened(
        desk=store.desk(),
        facts=told["set"],
        files=arrived.files,
        names=arrived.names,
        changes=coming.changes,
        told=told,
        sample=coming.sample,
        standardise=coming.standardise,
    )
    st.session_state[_COMING] = st.session_state[_BEFORE] = None
    store.open_now(found)
    _clear_away(found)
    _settle_view(found)


def _clear_away(found: Opened) -> None:
    """Copies of files that were open before go at once, not at the end of the session."""
    for folder in found.desk.folder.glob("drop-*"):
        if not any(path.is_relative_to(folder) for path in found.files.values()):
            shutil.rmtree(folder, ignore_errors=True)


def _give_up(reply: Mapping[str, Any] | None, coming: Coming | None = None) -> None:
    """The file cannot be read at all: the door is open again and says why, until something else is opened.

    Where it is the chosen columns that cannot be read, the proposed ones are.
    """
    if reply is None or "error" not in reply:
        return
    store.desk().forget()
    st.session_state[_COMING] = None
    if coming is not None and coming.changes:
        _remap(coming, {})
    st.session_state[_REFUSED] = None if reply.get("cancelled") else str(reply["error"])
    st.rerun()


def _give_way() -> None:
    """Another file shall be opened instead of one whose columns do not fit."""
    st.session_state[_COMING] = None
    store.desk().forget()


def name_in_link(found: Opened) -> str:
    """What the address calls a set: its sample's name, or the first digits of its content."""
    return found.sample or found.digest[:12]


def _settle_view(found: Opened) -> None:
    """A row or finding of the address belongs to the set that it names; for another one they mean nothing."""
    wanted, name = view.get(view.SET), name_in_link(found)
    if st.session_state.get(_DIGEST) != found.digest:
        st.session_state[_DIGEST] = found.digest
        exclusions.forget()
    if wanted != name:
        fresh = (view.ROW, view.POSITIVE, view.FINDING, view.COLOUR, view.SPACE)
        if wanted is not None:
            st.session_state["inspect.drop.other"] = wanted
        view.put(set=name, **{control.url: control.default for control in fresh})
    row = view.get(view.ROW)
    if row is not None and row >= found.rows:
        view.put(row=None, positive=None)


# ---- the first screen

_LEAD = """<p class="door-lead">Drop the vectors that your model makes, with their labels. You will see which labels
look wrong, which rows are copies, which classes are confused; then mine the triplets that are worth training on, and
take them along as a file that your trainer reads.</p>"""

_STEPS = """<ol class="door-steps">
<li><b>Drop</b><span>Each column gets its part: vector, label, id, text, picture. You see the guess and its reason, and
can change it.</span></li>
<li><b>Look</b><span>Thirteen checks, ranked by what they would do to training, each with examples, on a map of your
set.</span></li>
<li><b>Mine</b><span>Choose a strategy and a margin on a live curve. Rows that a check flagged stay out.</span></li>
<li><b>Take along</b><span>Triplets as CSV, Parquet or JSONL, the cleaned set, a report, and the command that makes the
same bytes.</span></li></ol>"""

_FORMATS = """<table class="door-formats"><tbody>
<tr><th scope="row">Arrays</th><td>.npy, .npz (vectors, labels, ids and pictures as named arrays)</td></tr>
<tr><th scope="row">Tables</th><td>.csv, .tsv, .txt with any separator, also .gz; .jsonl; .parquet, .arrow, .feather.
The vector is a column of lists, or a block of numbered columns.</td></tr>
<tr><th scope="row">Weights</th><td>.pt, .pth, .safetensors, opened without running anything</td></tr>
<tr><th scope="row">Two files</th><td>Vectors in one, labels and texts in the other: joined by id where both have one,
else by order. The projector's tensors.tsv with its metadata.tsv too.</td></tr>
<tr><th scope="row">Pictures</th><td>A .zip, or the picture files themselves, named by id or by the path in a column.
Or in the table: bytes, data addresses, arrays of pixels.</td></tr>
</tbody></table>"""


def _door() -> None:
    with st.container(key="inspect-door"):
        st.title("Which of your triplets are worth training on?", anchor=False)
        st.html(_LEAD)
        _about_the_link()
        _refusal()
        before: Opened | None = st.session_state.get(_BEFORE)
        if before is not None:
            st.button("Back to what was open", on_click=_back, key="drop.back", type="tertiary")
        left, right = st.columns([3, 2], gap="large")
        with left:
            _drop_zone()
            _on_this_machine()
        with right:
            _sample_cards()
        st.html(_STEPS)
        with st.expander("What can be dropped?"):
            st.html(_FORMATS)


def _refusal() -> None:
    refused = st.session_state.get(_REFUSED)
    if refused:
        st.warning("That could not be opened.")
        with st.container(key="inspect-notes-refused"):
            st.text(refused)


def _about_the_link() -> None:
    wanted = view.get(view.SET)
    if wanted is not None and wanted not in SAMPLES and st.session_state.get(_BEFORE) is None:
        st.info(
            f"The link that brought you here is about a set whose content begins with `{wanted}`. Files are never part "
            "of a link: drop that file, and its row, finding and margin are shown."
        )


def _back() -> None:
    before: Opened = st.session_state[_BEFORE]
    _take(
        Arrived(before.files, before.names),
        sample=before.sample,
        changes=before.changes,
        standardise=before.standardise,
    )


def _local() -> bool:
    return loopback(str(st.get_option("server.address") or ""), st.context.headers)


def loopback(address: str, headers: Iterable[str]) -> bool:
    """Whether only people of this machine can reach the page: then it may open files by their path.

    Args:
        address: that the server listens on.
        headers: names of those that came with the page's request; some say that somebody passes the page on.

    Example:
        >>> loopback("127.0.0.1", ["Host"]), loopback("0.0.0.0", []), loopback("localhost", ["X-Forwarded-For"])
        (True, False, False)
    """
    if {"x-forwarded-for", "forwarded", "x-real-ip"} & {name.lower() for name in headers}:
        return False
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def _size(count: float) -> str:
    return f"{count:,.0f} GB" if count >= 1 else f"{1024 * count:,.0f} MB"


def _drop_zone() -> None:
    turn = st.session_state.setdefault(_TURN, 0)
    given = st.file_uploader(
        "Vectors, with labels and pictures in the same file or beside it: choose all of them at once",
        accept_multiple_files=True,
        key=f"inspect.drop.{turn}",
    )
    if given:
        _take_uploads([(one.name, one) for one in given])
        st.rerun()
    where = (
        "stay on this machine. They are copied to a private folder, read in a process of their own"
        if _local()
        else "go to the server that shows this page and nowhere else. They are kept in a private folder"
    )
    most = int(st.get_option("server.maxUploadSize"))
    opened = (arrivals.limit() or arrivals.USUAL_LIMIT * 2**30) / 2**30
    st.html(
        f'<p class="door-soft"><b>Your files {where}, and deleted when you close the page.</b><br>'
        f"Up to {most:,} MB through the browser, {_size(opened)} once opened. For more, start with "
        f"<code>tripletscope app --upload {4 * most} --limit {max(2, round(2 * opened))}</code>, or use "
        "<code>tripletscope mine</code>.</p>"
    )


def _take_uploads(given: list[tuple[str, Any]], beside: Mapping[str, Path] | None = None) -> None:
    """Copies what was dropped; the browser's widget lets go of it, and what cannot be told apart is said."""
    st.session_state[_TURN] += 1
    folder = store.desk().folder / f"drop-{st.session_state[_TURN]}"
    try:
        kept = arrivals.keep(given, folder)
        arrived = arrivals.tell_apart([*(beside or {}).values(), *kept])
    except TripletscopeError as refusal:
        st.session_state[_REFUSED] = str(refusal)
        return
    except OSError as problem:
        st.session_state[_REFUSED] = f"The file could not be kept ({problem.strerror}): is the disk full?"
        return
    _take(arrived)


def _on_this_machine() -> None:
    if not _local():
        return
    with st.expander("Open a file of this machine where it lies"), st.form("inspect.path", border=False):
        st.html(
            '<p class="door-soft">No copy, any size: an .npy is read in place. You see this because the page is served '
            "to this machine alone.</p>"
        )
        st.text_input("Vectors", placeholder="/data/vectors.npy", key="inspect.path.vectors")
        st.text_input("Labels and texts, if they are in a second file", key="inspect.path.metadata")
        st.text_input("Pictures, a folder or .zip", key="inspect.path.pictures")
        st.form_submit_button("Open", on_click=_take_paths)


def _take_paths() -> None:
    texts = [st.session_state[f"inspect.path.{part}"] for part in ("vectors", "metadata", "pictures")]
    try:
        _take(arrivals.at_path(*texts))
    except (TripletscopeError, OSError, ValueError) as refusal:
        st.session_state[_REFUSED] = str(refusal)


def _sample_cards() -> None:
    st.html('<p class="door-soft"><b>Nothing at hand? Try a sample.</b></p>')
    for sample in SAMPLES.values():
        with st.container(border=True, key=f"sample-{sample.key}"):
            st.image(strip(sample.key), alt=f"Some pictures of {sample.title}")
            st.html(f'<p class="door-soft">{sample.words}</p>')
            st.button(
                f"Open {sample.title.lower()}", on_click=_take_sample, args=(sample.key,), key=f"drop.{sample.key}"
            )


# ---- one line, once a set is open


def _line(found: Opened) -> None:
    facts = found.facts
    count = len(facts["class_names"])
    told = [(f"{facts['rows']:,}", "rows"), (f"{facts['dims']:,}", "dimensions")]
    told += [(f"{count:,}", "class" if count == 1 else "classes")] if count else []
    if facts["dropped_count"]:
        told.append((f"{facts['dropped_count']:,}", "left out"))
    items = "".join(f"<li><b>{number}</b> <span>{noun}</span></li>" for number, noun in told)
    with st.container(horizontal=True, vertical_alignment="center", key="inspect-line"):
        title = SAMPLES[found.sample].title if found.sample else found.names.get("embeddings", found.name)
        st.text(title, width="content")
        st.html(f'<ul class="line-facts">{items}</ul>', width="content")
        st.space("stretch")
        uncertain = mapping_card.uncertain(found.told)
        key = f"mapping.open.{found.digest[:8]}"
        if key not in st.session_state:
            st.session_state[key] = uncertain and not found.changes and found.sample is None
        st.toggle("Columns", key=key)
        with st.popover("Add labels or pictures"):
            _add_files(found)
        st.button("Open another", on_click=forget, key="drop.another")
    _refusal()
    st.session_state[_REFUSED] = None
    other = st.session_state.pop("inspect.drop.other", None)
    if other is not None:
        st.info(f"The link was about a set whose content begins with `{other}`; this is another one.")
    if st.session_state[key]:
        mapping_card.show(found, lambda *asked: _remap(found, *asked))


def _add_files(found: Opened) -> None:
    turn = st.session_state.setdefault(_TURN, 0)
    st.html('<p class="door-soft">A table that is joined by id or order, a .zip of pictures, or the pictures.</p>')
    given = st.file_uploader("Files beside these vectors", accept_multiple_files=True, key=f"inspect.add.{turn}")
    if given:
        _take_uploads([(one.name, one) for one in given], {"embeddings": found.files["embeddings"]})
        if st.session_state.get(_COMING) is not None:
            store.open_now(None)
        st.rerun()
