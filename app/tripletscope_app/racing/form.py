"""The settings of a race: presets and data as pictures, strategies as pills, each field with its refusal beside."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from tripletscope import composition, datasets
from tripletscope.config import read_filter
from tripletscope.datasets.base import DataSet, Dial
from tripletscope.errors import TripletscopeError
from tripletscope.mining import filters
from tripletscope.store.shelf import grown
from tripletscope_app import gallery, loaders
from tripletscope_app.inspecting import arrivals
from tripletscope_app.inspecting.drop import loopback
from tripletscope_app.inspecting.view import DISTANCES
from tripletscope_app.racing import pictures_zip, presets, view
from tripletscope_app.racing.chips import kept_chip
from tripletscope_app.racing.fields import LABELS
from tripletscope_app.racing.office import FOLDER
from tripletscope_app.state import Control
from tripletscope_app.widgets import helper

#: Data sets beside each other, and presets.
_ACROSS = 3
#: Until the helper has said what there is.
_MODELS = {"linear": "one linear map", "mlp": "MLP with one hidden ReLU layer", "cnn": "CNN with two stride-2 layers"}
_OWN, _TURN, _REFUSED = "race.own", "race.own.turn", "race.own.refused"
#: What the composer opens on: semi-hard, of which every axis can be changed.
_USUAL = {"positive": "all", "negative": "nearest", "lower": "positive", "upper": "margin"}
#: When a widget of the form was last drawn for the first time, and for how many seconds it is told its value after.
_OPENED, _TOLD_AGAIN = "race.opened", 15.0
#: Where uploads are kept, below the folder of runs: a race that goes on reads them again.
UPLOADS = ".uploads"


def show(told: Mapping[str, Any] | None) -> None:
    """The form.

    Args:
        told: what the check said of these settings; None while it is not there.
    """
    with st.container(key="race-form"):
        _presets()
        st.header("Data", anchor=False)
        _data(told)
        st.header("Strategies", anchor=False)
        _strategies(told)
        st.header("Model and loss", anchor=False)
        _model(told)
        st.header("Batches and steps", anchor=False)
        _batches(told)


def field_of(told: Mapping[str, Any] | None, name: str) -> None:
    """What the check says against a setting, and what one should know of it."""
    for kind, words in (("refusals", "refused"), ("notes", "note")):
        said = [one["text"] for one in (told or {}).get(kind, []) if one["field"] == name]
        if said:
            with st.container(key=f"race-{words}-{name.replace('_', '-')}"):
                st.text("\n".join(said))  # st.text: a file's words are shown, never rendered


# ---- pictures


def _presets() -> None:
    found = presets.presets()
    if not found:
        return
    st.header("Begin with settings that are known to show something", anchor=False)
    with st.container(key="race-presets"):
        cells = [column for _ in range(0, len(found), _ACROSS) for column in st.columns(_ACROSS)]
        for place, (preset, column) in enumerate(zip(found, cells, strict=False)):
            with column, st.container(border=True, key=f"race-card-preset-{place}"):
                _strip(preset.race)
                if preset.picture:
                    st.image(preset.picture, alt=preset.words, width="stretch")
                st.html(f'<p class="race-soft">{preset.words}</p>')
                st.button(
                    f"Take {preset.title}",
                    key=f"race.preset.{place}",
                    on_click=_take,
                    args=(preset.values,),
                    width="stretch",
                )


def _strip(race: loaders.Race | None) -> None:
    """The last maps of a recorded race side by side."""
    if race is not None:
        pictures = [picture for picture in last_pictures(race.paths) if picture is not None]
        if pictures:
            st.image(_beside(tuple(pictures)), alt=f"Last maps of {race.title}", width="stretch")


def last_pictures(paths: Sequence[str]) -> list[bytes | None]:
    """The map of each run's last frame as PNG, all at one scale, so that a collapsed run looks collapsed."""
    return list(_pictures(tuple(paths), tuple(grown(Path(path)) for path in paths)))


@st.cache_resource(show_spinner=False, max_entries=64)
def _pictures(paths: tuple[str, ...], changed: tuple[Any, ...]) -> tuple[bytes | None, ...]:
    maps = [gallery.last_map(path, each) for path, each in zip(paths, changed, strict=True)]
    reach = max((gallery.reach_of(points) for points, _ in maps), default=0.0)
    return tuple(gallery.thumbnail(points, labels, reach) if len(points) else None for points, labels in maps)


@st.cache_resource(show_spinner=False, max_entries=16)
def _beside(pictures: tuple[bytes, ...]) -> bytes:
    import io

    from PIL import Image

    opened = [Image.open(io.BytesIO(picture)) for picture in pictures]
    made = Image.new("RGBA", (sum(one.width for one in opened), max(one.height for one in opened)), (0, 0, 0, 0))
    left = 0
    for one in opened:
        made.paste(one, (left, 0))
        left += one.width
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


def _take(values: Mapping[Control, Any]) -> None:
    st.session_state[_OWN] = False
    plain = {
        view.LABEL: None,
        view.IMAGE_SIZE: None,
        view.STANDARDIZE: False,
        view.LOSS: None,
        view.LABEL_NOISE: 0.0,
        view.IMBALANCE: 1.0,
        view.FILTER: (),
    }
    view.put({**plain, **values})


def _data(told: Mapping[str, Any] | None) -> None:
    chosen = str(view.get(view.DATA))
    own = _is_own(chosen)
    sets = [datasets.get(name) for name in datasets.names()]
    cells = [
        column for start in range(0, len(sets) + 1, _ACROSS) for column in st.columns(_ACROSS)[: len(sets) + 1 - start]
    ]
    for cell, record in zip(cells, sets, strict=False):
        picked = not own and chosen.partition(":")[0] == record.name
        with cell, st.container(border=True, key=f"race-card-data-{'chosen-' if picked else ''}{record.name}"):
            _chip(record)
            st.button(
                record.title,
                key=f"race.data.{record.name}",
                on_click=_choose_data,
                args=(record.name,),
                type="primary" if picked else "secondary",
                width="stretch",
                help=record.summary,
            )
    with cells[len(sets)], st.container(border=True, key=f"race-card-data-{'chosen-' if own else ''}own"):
        st.html('<p class="race-soft">Pictures in a folder for each class, or a table with a column of labels.</p>')
        st.button(
            "Your own",
            key="race.data.own",
            on_click=_choose_own,
            type="primary" if own else "secondary",
            width="stretch",
        )
    if own:
        _own()
    else:
        record = datasets.get(chosen.partition(":")[0])
        st.html(f'<p class="race-soft">{record.summary}</p>')
        _dials(record)
    field_of(told, "data")
    with st.expander("More about the data"):
        left, middle, right = st.columns(3)
        with left:
            _switch(view.STANDARDIZE, "every feature to mean 0 and standard deviation 1")
        with middle:
            _whole(view.IMAGE_SIZE, "pixels; empty: as they are", empty=True)
        with right:
            _text(view.LABEL, "for tables; empty: the one that is called so")
        left, middle, right = st.columns(3)
        with left:
            _number(view.LABEL_NOISE, "share of the labels that are replaced by a wrong class; 0: none", step=0.05)
        with middle:
            _number(view.IMBALANCE, "rarest class / commonest class, thinned to a long tail; 1: as they are", step=0.05)
        with right:
            st.html('<p class="race-soft">Flaws on purpose: the run keeps the truth and counts what they do.</p>')
    for name in ("standardize", "image_size", "label", "label_noise", "imbalance"):
        field_of(told, name)  # also while the settings are folded up


def _chip(record: DataSet) -> None:
    found = kept_chip(record.name)
    if found is not None:
        st.image(found.read_bytes(), alt=f"Some samples of {record.title}", width="stretch")
    else:
        helper().chip(record.name)  # drawn meanwhile; the page comes back for it
        st.html('<div style="aspect-ratio: 12 / 5; border-radius: 6px; background: rgba(128, 136, 150, .16)"></div>')


def chips_missing() -> bool:
    """Whether a picture is still being drawn."""
    return any(kept_chip(name) is None and not helper().chip(name).done() for name in datasets.names())


def _choose_data(name: str) -> None:
    st.session_state[_OWN] = False
    st.session_state[_REFUSED] = None
    view.put({view.DATA: name, view.LABEL: None})


def _choose_own() -> None:
    st.session_state[_OWN] = True


def _is_own(chosen: str) -> bool:
    return bool(st.session_state.get(_OWN)) or chosen.partition(":")[0] not in datasets.names()


def _dials(record: DataSet) -> None:
    if not record.dials:
        return
    try:
        values = record.settings(datasets.split_spec(str(view.get(view.DATA)))[1])
    except TripletscopeError:
        values = record.settings({})
    columns = st.columns(4)
    for place, dial in enumerate(record.dials):
        with columns[place % 4]:
            _dial(record, dial, values[dial.name])


def _dial(record: DataSet, dial: Dial, value: Any) -> None:
    key = f"race.dial.{record.name}.{dial.name}"
    if key not in st.session_state:
        st.session_state[key] = value
    title = dial.name.replace("-", " ").capitalize()
    heard = {"key": key, "on_change": _turn, "args": (record,), "help": dial.help}
    if dial.words:
        st.selectbox(title, dial.words, **heard)  # type: ignore[call-overload]
    elif isinstance(dial.default, int):
        st.number_input(title, min_value=int(dial.low), max_value=int(dial.high), step=1, **heard)
    else:
        st.number_input(title, min_value=float(dial.low), max_value=float(dial.high), step=0.05, format="%g", **heard)


def _turn(record: DataSet) -> None:
    given = {}
    for dial in record.dials:
        value = st.session_state.get(f"race.dial.{record.name}.{dial.name}", dial.default)
        if value is not None and value != dial.default:
            given[dial.name] = value
    view.put({view.DATA: datasets.join_spec(record.name, given)})


# ---- a person's own


def _own() -> None:
    local = loopback(str(st.get_option("server.address") or ""), st.context.headers)
    chosen = str(view.get(view.DATA))
    if chosen.partition(":")[0] not in datasets.names():
        st.text(f"Chosen: {Path(chosen).name}")
    if local:
        key = "race.own.path"
        st.text_input(
            "A file or folder of this machine",
            placeholder="/data/photos, or /data/table.csv",
            key=key,
            on_change=_take_path,
            args=(key,),
            help="Read where it lies. You see this because the page is served to this machine alone.",
        )
    turn = st.session_state.setdefault(_TURN, 0)
    given = st.file_uploader(
        "Or upload one file: a .zip of pictures with a folder for each class, .npz, .csv, .tsv or .parquet",
        key=f"race.own.{turn}",
    )
    if given is not None:
        _keep(given)
        st.rerun()
    st.html(
        f'<p class="race-soft">An upload is copied to {FOLDER}/{UPLOADS} on the machine that serves this page and '
        "stays there, because a race that was stopped reads it again when it goes on.</p>"
    )
    refused = st.session_state.get(_REFUSED)
    if refused:
        with st.container(key="race-refused-own"):
            st.text(refused)


def _take_path(key: str) -> None:
    text = str(st.session_state[key]).strip().strip("\"'")
    if not text:
        return
    place = Path(text).expanduser()
    if not place.is_absolute() or not place.exists():
        st.session_state[_REFUSED] = (
            f"There is no file or folder {text} on the machine that shows this page: give its full path, such as "
            "/data/photos."
        )
        return
    st.session_state[_REFUSED] = None
    view.put({view.DATA: str(place)})


def _keep(given: Any) -> None:
    """The upload lies in a folder of its own, and is what the race trains on."""
    st.session_state[_TURN] += 1
    place = Path(FOLDER).absolute() / UPLOADS
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = 1
        while True:
            try:
                (place / str(number)).mkdir(mode=0o700)
                break
            except FileExistsError:
                number += 1
        (kept,) = arrivals.keep([(given.name, given)], place / str(number))
        if kept.suffix.lower() == ".zip":
            folder = pictures_zip.opened(kept, place / str(number) / "pictures")
            kept.unlink()
            kept = folder
    except TripletscopeError as refusal:
        st.session_state[_REFUSED] = str(refusal)
        return
    except OSError as problem:
        st.session_state[_REFUSED] = f"The file could not be kept ({problem.strerror}): is the disk full?"
        return
    st.session_state[_REFUSED] = None
    view.put({view.DATA: str(kept)})


# ---- the rest


def _cards(told: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """All strategies in display order: as the helper has them, until then those of the shipped races."""
    known = ((told or {}).get("choices") or {}).get("strategies") or st.session_state.get("race.cards")
    if known:
        st.session_state["race.cards"] = known
    else:
        opened = [loaders.opening(race) or {} for race in loaders.shipped_races()[:1]]
        known = opened[0].get("strategies", []) if opened else []
    names = {card["name"] for card in known}
    chosen = {*view.get(view.STRATEGIES), *view.get(view.SHADOWS)} - names
    extra = [
        composition.parse(name).card
        if composition.is_composition(name)
        else {"name": name, "title": name, "order": 1000, "summary": ""}
        for name in sorted(chosen)
    ]
    return sorted([*known, *extra], key=lambda card: (card["order"], card["name"]))


def _strategies(told: Mapping[str, Any] | None) -> None:
    cards = _cards(told)
    titles = {card["name"]: card["title"] for card in cards}
    _pills(view.STRATEGIES, list(titles), titles)
    field_of(told, "strategy")
    chosen = view.get(view.STRATEGIES)
    words = [f"{card['title']}: {card['summary']}" for card in cards if card["name"] in chosen and card["summary"]]
    if words:
        with st.container(key="race-note-strategies"):
            st.text("\n".join(words))
    with st.expander("Compose a strategy of your own"):
        _composer()
    with st.expander("Shadows: strategies that only watch"):
        _pills(view.SHADOWS, list(titles), titles)
        st.html(
            '<p class="race-soft">On every step a shadow picks from the same batch, and its picks are recorded. The '
            "training stays what it is, bit by bit.</p>"
        )
    field_of(told, "shadow")
    with st.expander("Filter: leave out negatives that are probably positives", expanded=bool(view.get(view.FILTER))):
        _filters()
    field_of(told, "filter")  # also while it is folded up


def _filters() -> None:
    """Which filters, and the number of each."""
    numbers = dict(read_filter(text) for text in view.get(view.FILTER) if text.partition("=")[0] in filters.names())
    records = {name: filters.get(name) for name in filters.names()}
    key = view.widget_key(view.FILTER)
    st.session_state[key] = list(numbers)
    st.pills(
        LABELS["filter"],
        list(records),
        selection_mode="multi",
        format_func=lambda name: records[name].title,
        key=key,
        on_change=_filter_chosen,
        args=(numbers,),
    )
    for name, column in zip(numbers, st.columns(len(records)), strict=False):
        one = records[name]
        st.session_state[f"race.filter.{name}"] = float(numbers[name])
        with column:
            st.number_input(
                f"{one.title}: {one.value}",
                min_value=one.low,
                max_value=one.high,
                step=0.05,
                format="%g",
                key=f"race.filter.{name}",
                on_change=_filter_turned,
                args=(numbers, name),
                help=one.summary,
            )
    st.html(
        '<p class="race-soft">A nearest negative is often a positive that nobody labelled. What is filtered is no '
        "candidate for its pair, so nobody trains on it; a pair that loses all its negatives abstains. The numbers "
        "compare cosine similarities to the anchor. Shadows choose among all negatives.</p>"
    )


def _filter_chosen(numbers: Mapping[str, float]) -> None:
    chosen = st.session_state[view.widget_key(view.FILTER)]
    kept = {name: numbers.get(name, filters.get(name).default) for name in filters.names() if name in chosen}
    view.put({view.FILTER: _as_filters(kept)})


def _filter_turned(numbers: Mapping[str, float], name: str) -> None:
    number = st.session_state[f"race.filter.{name}"]
    kept = {**numbers, name: filters.get(name).default if number is None else round(float(number), 6)}
    view.put({view.FILTER: _as_filters(kept)})


def _as_filters(numbers: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(f"{name}={number!r}" for name, number in numbers.items())


def _composer() -> None:
    """A choice on every axis; what makes no sense is refused beside its axis, the rest can race."""
    columns = [*st.columns(2), *st.columns(3)]
    chosen: dict[str, str] = {}
    for column, (axis, (title, values)) in zip(columns, composition.WORDS.items(), strict=True):
        with column, st.container(key=f"race-axis-{axis}"):
            st.session_state.setdefault(f"race.compose.{axis}", _USUAL.get(axis, "none"))
            chosen[axis] = st.selectbox(
                f"{title} ({'pair / anchor' if axis == 'positive' else axis})",
                list(values),
                format_func=lambda value, words=values: f"{value} – {words[value]}",
                key=f"race.compose.{axis}",
            )
    refused = None
    try:
        made = composition.parse(composition.Composition(**chosen).text)
    except composition.CompositionError as error:
        refused = error
    if refused is not None:
        place = list(composition.WORDS).index(refused.axis)
        with columns[place], st.container(key=f"race-refused-compose-{refused.axis}"):
            st.text(f"{refused.reason[0].upper()}{refused.reason[1:]}.")
        return
    racing = tuple(view.get(view.STRATEGIES))
    st.text(made.summary)
    st.code(made.text, language=None)
    st.button(
        "Let it race",
        key="race.compose.add",
        disabled=made.name in racing,
        help="It races already." if made.name in racing else None,
        on_click=view.put,
        args=({view.STRATEGIES: (*racing, made.name)},),
    )


def _model(told: Mapping[str, Any] | None) -> None:
    choices = (told or {}).get("choices") or {}
    models = choices.get("models") or _MODELS
    columns = [*st.columns(2), *st.columns(2)]
    with columns[0]:
        _select(view.MODEL, list(models), {name: f"{name}: {title}" for name, title in models.items()})
        field_of(told, "model")
    with columns[1]:
        _whole(view.DIM, "of the embedding; with 2 the map is the space itself")
        field_of(told, "dim")
    with columns[2]:
        _whole(view.HIDDEN, "of the MLP")
        field_of(told, "hidden")
    with columns[3]:
        _number(view.LR, "of Adam")
        field_of(told, "lr")
    columns = [*st.columns(2), *st.columns(2)]
    with columns[0]:
        _select(view.DISTANCE, list(DISTANCES), {})
        field_of(told, "distance")
    with columns[1]:
        _number(view.MARGIN, "in the unit of the distance")
        field_of(told, "margin")
    with columns[2]:
        _loss(told)
        field_of(told, "loss")
    with columns[3]:
        _switch(view.NORMALIZE, "embeddings lie on the unit sphere")
        field_of(told, "normalize")
        _switch(view.SOFT, "ln(1 + exp(-gap)) in place of the hinge")
        field_of(told, "soft_margin")


def _loss(told: Mapping[str, Any] | None) -> None:
    """The loss of all strategies that race, or of each its own; which that is stands below."""
    losses = ((told or {}).get("choices") or {}).get("losses") or {"triplet": "Triplet"}
    value = view.get(view.LOSS)
    st.selectbox(
        _label(view.LOSS),
        [*losses, *({value} - set(losses) - {None})],
        index=None,
        format_func=lambda name: losses.get(name, name),
        placeholder="each strategy's own",
        help="what the picks cost; the strategies of some papers bring their own",
        **_bound(view.LOSS, value),
    )
    if value is not None:
        return
    chosen = [card for card in _cards(told) if card["name"] in view.get(view.STRATEGIES)]
    own = [losses.get(card["loss"], card["title"]) for card in chosen if card.get("loss", "triplet") != "triplet"]
    others = "The others: Triplet." if len(own) < len(chosen) else ""
    with st.container(key="race-note-own-loss"):
        st.text(f"Of their own: {', '.join(own)}. {others}" if own else "Triplet, for all of them.")


def _batches(told: Mapping[str, Any] | None) -> None:
    devices = ((told or {}).get("choices") or {}).get("devices") or ["auto", "cpu"]
    columns = [*st.columns(3), *st.columns(3)]
    with columns[0]:
        _whole(view.CLASSES, "drawn for each batch")
        field_of(told, "classes_per_batch")
    with columns[1]:
        _whole(view.EACH, "drawn of each class; a smaller class gives all it has")
        field_of(told, "samples_per_class")
    with columns[2]:
        _whole(view.STEPS, "optimiser steps of each run")
        field_of(told, "steps")
    with columns[3]:
        _text(view.SEEDS, "one number behind weights, batches and picks; several with commas, or 0-4")
        if view.read_seeds(str(view.get(view.SEEDS))) is None:
            with st.container(key="race-refused-seeds"):
                st.text("These are no seeds: give whole numbers with commas, such as 0, 1, 2, or 0-4.")
        field_of(told, "seed")
    with columns[4]:
        _select(view.DEVICE, devices, {})
        field_of(told, "device")


def _bound(control: Control, value: Any) -> dict[str, Any]:
    """The widget's state follows the control, and the control follows the widget."""
    key = view.widget_key(control)
    if key not in st.session_state:
        st.session_state[_OPENED] = time.monotonic()
    # The browser is told a value once. Where it still fetches the code of such a widget when the next draw comes, it
    # never hears of it, shows a zero, and reports that as chosen. So at first every draw tells it again; later it
    # would take away what somebody is typing.
    if time.monotonic() - st.session_state.get(_OPENED, 0.0) < _TOLD_AGAIN:
        st.session_state[key] = value
    return {"key": key, "on_change": _heard, "args": (control,)}


def _heard(control: Control) -> None:
    value = st.session_state[view.widget_key(control)]
    if isinstance(value, list):
        value = tuple(value)
        if not value and len(view.get(control)) > 1:
            # A click takes one away. None left of several is a browser that drew the pills anew, on a busy machine,
            # before it was told which are chosen; the next draw tells it.
            st.session_state.pop(view.widget_key(control), None)
            return
    if isinstance(value, str):
        value = value.strip() or None
    if value is None and control.default is not None and control is not view.SEEDS:
        value = control.default  # an emptied field means the usual; the widget says so at the next draw
        st.session_state.pop(view.widget_key(control), None)
    st.session_state[control.key] = value if control is not view.SEEDS else value or ""
    view.write_url()


def _label(control: Control) -> str:
    return LABELS[_NAMES.get(control.key, control.key.partition(".")[2])]


_NAMES = {view.STRATEGIES.key: "strategy", view.SEEDS.key: "seed"}


def _pills(control: Control, options: Sequence[str], titles: Mapping[str, str]) -> None:
    st.pills(
        _label(control),
        options,
        selection_mode="multi",
        format_func=lambda name: titles.get(name, name),
        **_bound(control, [name for name in view.get(control) if name in options]),
    )


def _select(control: Control, options: Iterable[str], titles: Mapping[str, str]) -> None:
    options = list(options)
    value = view.get(control)
    options += [value] if value not in options else []
    st.selectbox(_label(control), options, format_func=lambda name: titles.get(name, name), **_bound(control, value))


def _whole(control: Control, words: str, *, empty: bool = False) -> None:
    value = view.get(control)
    st.number_input(
        _label(control),
        step=1,
        placeholder="as they are" if empty else None,
        help=words,
        **_bound(control, None if value is None else int(value)),
    )


def _number(control: Control, words: str, *, step: float | None = None) -> None:
    st.number_input(
        _label(control),
        format="%g",
        step=step or float(control.default) / 10,
        help=words,
        **_bound(control, float(view.get(control))),
    )


def _switch(control: Control, words: str) -> None:
    st.toggle(_label(control), help=words, **_bound(control, bool(view.get(control))))


def _text(control: Control, words: str) -> None:
    st.text_input(_label(control), help=words, **_bound(control, view.get(control) or ""))
