"""Which triplets to train on: margin, strategy, forecast, and then the triplets themselves."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from tripletscope_app import component
from tripletscope_app.inspecting import arrivals, exclusions, mine_result, view
from tripletscope_app.inspecting.mine_jobs import Job, Options, source_words
from tripletscope_app.inspecting.mine_style import STYLE
from tripletscope_app.inspecting.opened import Opened
from tripletscope_app.inspecting.waiting import answer, spoken
from tripletscope_app.theme import mark

#: In the session: what is chosen on this panel, and the number of the file of pairs that is taken next.
_CHOSEN, _TURN = "inspect.mine", "inspect.mine.turn"
#: So many gaps go to the browser one by one; of more so many quantiles.
SHOWN = 2000
SHAPES = {
    "circle": "\u25cf",
    "plus": "\u271a",
    "triangle": "\u25b2",
    "triangle-down": "\u25bc",
    "diamond": "\u25c6",
    "star": "\u2605",
    "square": "\u25a0",
    "cross": "\u2716",
}
_POSITIVES = {
    "random": "one by lot",
    "nearest": "the nearest",
    "farthest": "the farthest",
}
_DEFAULTS: dict[str, Any] = {
    "positives": "1",
    "negatives": 1,
    "filters": [],
    "cap_negative": None,
    "cap_pair": None,
    "seed": 0,
    "skip": 10,
    "source": "duplicates",
    "pairs": None,
}


def show(opened: Opened) -> None:
    """Draws the panel."""
    st.html(STYLE)  # nothing but a style element, so it takes no room
    with st.container(key="inspect-mine"):
        _panel(opened)


@st.fragment
def _panel(opened: Opened) -> None:
    st.subheader("Mine triplets", anchor=False)
    choices = answer(opened.ask("mining_choices"), "Fetching the strategies", key="mine.choices", patience=5)
    if choices is None:
        return
    mine_result.settle(opened)
    source = _source(opened)
    if source is None:
        return
    left, right = st.columns([11, 9], gap="large")
    with right:
        chosen = _strategy(choices["strategies"])
        options = _options(opened, chosen, choices["filters"], source)
    with left:
        options = _margin(opened, options, chosen)
    _forecast(opened, options)
    mine_result.show(opened, options)


# ---- what is chosen, which outlives a visit of another page


def chosen(name: str) -> Any:
    """The value of a control of this panel."""
    held: dict[str, Any] = st.session_state.setdefault(_CHOSEN, {})
    return held.get(name, _DEFAULTS.get(name))


def _key(name: str) -> str:
    """Key of a widget that shows that value, which it has from now on."""
    key = f"inspect.mine.{name}"
    if key not in st.session_state:
        st.session_state[key] = chosen(name)
    return key


def _keep(name: str) -> Any:
    value = st.session_state[f"inspect.mine.{name}"]
    st.session_state.setdefault(_CHOSEN, {})[name] = value
    return value


# ---- who belongs together


def _source(opened: Opened) -> tuple[str, str | None] | None:
    """(source, file of pairs): labels where there are some, else what a person says."""
    if opened.labelled:
        return "labels", None
    st.caption("This set has no two classes, so something else has to say which rows belong together.")
    names = {"duplicates": "Rows that are all but the same", "pairs": "Pairs from a file"}
    st.radio(
        "Positives",
        list(names),
        format_func=names.__getitem__,
        key=_key("source"),
        horizontal=True,
        captions=[
            "Near-duplicates and copies are positives of each other, by the threshold of the findings.",
            "A table with the columns anchor and positive, which hold ids.",
        ],
    )
    if _keep("source") == "duplicates":
        return "duplicates", None
    turn = st.session_state.setdefault(_TURN, 0)
    given = st.file_uploader(
        "Pairs: .csv, .tsv, .parquet or .jsonl", type=["csv", "tsv", "parquet", "jsonl"], key=f"inspect.pairs.{turn}"
    )
    if given is not None:
        folder = opened.desk.folder / f"pairs-{turn}"
        (path,) = arrivals.keep([(given.name, given)], folder)
        st.session_state.setdefault(_CHOSEN, {})["pairs"] = str(path)
        st.session_state[_TURN] = turn + 1
        st.rerun(scope="fragment")
    path_of = chosen("pairs")
    if path_of is None or not Path(path_of).exists():
        return None
    st.text(f"Pairs of {Path(path_of).name}")
    return "pairs", str(path_of)


# ---- strategy and its options


def _strategy(strategies: list[dict[str, Any]]) -> dict[str, Any]:
    """The strategy that is chosen, with what it is and where it comes from."""
    by_name = {one["name"]: one for one in strategies}
    now = view.get(view.STRATEGY)
    key = "inspect.mine.strategy"
    now = now if now in by_name else "semi-hard"
    if st.session_state.get(key) != now:
        st.session_state[key] = now
    st.pills(
        "Strategy",
        list(by_name),
        required=True,
        wrap=True,
        format_func=lambda name: f"{SHAPES[mark(_order(by_name[name]))['shape']]} {by_name[name]['title']}",
        key=key,
        on_change=lambda: view.put(strategy=st.session_state[key]),
    )
    found = by_name[now]
    source = f"  \n:small[{found['source']}]" if found["source"] else ""
    st.markdown(f"{found['summary']}{source}")
    return found


def _order(one: Mapping[str, Any]) -> int | None:
    return 20 if one["order"] is None else int(one["order"])  # as on the ruler


def _options(
    opened: Opened, strategy: Mapping[str, Any], filters: list[dict[str, Any]], source: tuple[str, str | None]
) -> Options:
    """The controls; what they say, but for the margin."""
    usual = _POSITIVES[strategy["positives"]]
    one, two = st.columns(2)
    with one:
        st.selectbox(
            "Positives of each anchor",
            ["1", "2", "3", "5", "10", "all"],
            key=_key("positives"),
            disabled=source[0] != "labels",
            help=f"With {strategy['title']} one positive is {usual} of the anchor's class. All makes a pair of every "
            "two rows of a class: see the forecast before you start.",
        )
    with two:
        st.number_input(
            "Negatives of each pair", 1, 1000, step=1, key=_key("negatives"), help="The first ones, by the strategy."
        )
    positives, negatives = _keep("positives"), int(_keep("negatives"))
    skip = None
    if strategy["name"] == "top-n-window":
        st.number_input(
            "Nearest negatives to skip", 0, 10_000, step=1, key=_key("skip"), help="The likeliest to be false."
        )
        skip = int(_keep("skip"))
    numbers = _filters(filters)
    with st.popover("Caps and seed", width="stretch"):
        st.number_input(
            "Triplets with one negative, at the most", 1, None, value=None, step=1, key=_key("cap_negative"),
            placeholder="no cap", help="A hub would be in thousands of them. The highest losses stay.",
        )  # fmt: skip
        st.number_input(
            "Triplets of one class against another, at the most", 1, None, value=None, step=1, key=_key("cap_pair"),
            placeholder="no cap", help="Two confused classes would fill the file. The highest losses stay.",
        )  # fmt: skip
        st.number_input("Seed of all draws", 0, 2**31 - 1, step=1, key=_key("seed"), help="Same seed, same bytes.")
    cap_negative, cap_pair, seed = _keep("cap_negative"), _keep("cap_pair"), int(_keep("seed"))
    out = exclusions.excluded_rows(opened)
    given: int | str | None = None if positives == "1" else "all" if positives == "all" else int(positives)
    return Options(
        strategy=strategy["name"],
        margin=1.0,
        distance=opened.distance,
        source=source[0],
        pairs=source[1],
        positives=given if source[0] == "labels" else None,
        negatives=negatives,
        filters=tuple(numbers),
        cap_per_negative=cap_negative,
        cap_per_pair=cap_pair,
        skip=skip,
        seed=seed,
        kept=tuple(out["kept"]) if source[0] == "labels" else (),
        rows=tuple(out["rows"]),
    )


def _filters(filters: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """(name, number) of the filters that are chosen."""
    held: dict[str, Any] = st.session_state.setdefault(_CHOSEN, {})
    for one in filters:
        held.setdefault(f"filter {one['name']}", False)
        held.setdefault(f"filter {one['name']} number", float(one["default"]))
    on = [one for one in filters if chosen(f"filter {one['name']}")]
    title = "Filters against false negatives" + (f": {len(on)} on" if on else "")
    with st.popover(title, width="stretch"):
        st.caption(
            "A nearest negative is often a positive that nobody labelled. These rules leave out negatives that are too "
            "similar to the anchor (Moreira et al. 2024, arXiv 2407.15831)."
        )
        found = []
        for one in filters:
            name = f"filter {one['name']}"
            left, right = st.columns([3, 2], vertical_alignment="center")
            left.toggle(one["title"], key=_key(name), help=one["summary"])
            right.number_input(
                one["value"].capitalize(),
                float(one["low"]),
                float(one["high"]),
                step=0.01,
                key=_key(f"{name} number"),
                label_visibility="collapsed",
                disabled=not st.session_state[f"inspect.mine.{name}"],
            )
            number = float(_keep(f"{name} number"))
            if _keep(name):
                found.append((one["name"], number))
    return found


# ---- the margin


def _asked(options: Options) -> dict[str, Any]:
    """What both questions about a mining are asked with."""
    return {
        "distance": options.distance,
        "source": options.source,
        "pairs": options.pairs,
        "kept": list(options.kept),
        "rows": list(options.rows),
        "seed": options.seed,
    }


def _margin(opened: Opened, options: Options, strategy: Mapping[str, Any]) -> Options:
    """The curve with the margin on it; the options with that margin."""
    usual = opened.ask("row_ready", distance=opened.distance).reply(3.0)
    standard = float((usual or {}).get("usual_margin", 0.2))
    margin = view.get(view.MARGIN) or standard
    told = answer(
        opened.ask(
            "margin_curve",
            **_asked(options),
            choice=strategy["positives"],
            per_anchor=options.positives or 1,
        ),
        "Looking for the nearest negative of every anchor",
        key="mine.curve",
        patience=1.0,
    )
    if told is not None and len(told["gaps"]):
        gaps = told["gaps"]
        top = axis_end(gaps, told["suggested"], standard)
        stamp = hashlib.blake2b(repr((opened.digest, _asked(options), top)).encode(), digest_size=6).hexdigest()
        key = "inspect.mine.curve"
        component.mount(
            "gaps",
            {
                "key": stamp,
                "gaps": shown_gaps(gaps),
                "margin": margin,
                "top": top,
                "unit": opened.distance,
                "suggested": told["suggested"],
                "pairs": len(gaps),
                "exact": bool(told["exact"]),
            },
            key=key,
            on_margin_change=lambda: _hear_margin(key),
        )
        st.caption(about(told))
    row = st.container(horizontal=True, vertical_alignment="bottom")
    number = "inspect.mine.margin"
    if st.session_state.get(number) != margin:
        st.session_state[number] = margin
    digits = max(2, 2 - math.floor(math.log10(margin)))
    row.number_input(
        f"Margin, in {opened.distance} distance",
        min_value=10.0**-digits,
        step=10.0 ** -(digits - 1),
        format=f"%.{digits + 1}g" if margin < 1000 else "%.6g",
        key=number,
        on_change=lambda: view.put(margin=st.session_state[number]),
        width=200,
    )
    if told is not None:
        half = told["suggested"]
        if half is not None:
            row.button(
                f"Begin with {half:g}",
                key="mine.half",
                on_click=lambda: view.put(margin=half),
                disabled=half == margin,
                help="Half of the pairs that are not hard violate it. Hard pairs violate any margin, so the margin "
                "decides on the others: below this most of them teach nothing, far above it nearly all are pushed.",
            )
        with st.expander("The curve as a table", on_change="rerun", key="mine.curve.table") as table:
            if table.open and len(told["gaps"]):
                st.dataframe(curve_table(told["gaps"], axis_end(told["gaps"], told["suggested"], margin)), height=220)
    return Options(**{**vars(options), "margin": float(margin)})


def _hear_margin(key: str) -> None:
    said = (st.session_state.get(key) or {}).get("margin")
    if isinstance(said, int | float) and math.isfinite(said) and said > 0:
        view.put(margin=float(said))


def axis_end(gaps: np.ndarray, suggested: float | None, standard: float) -> float:
    """Where the axis of the curve ends: a round number beyond nearly all gaps and the margin that the page opens with.

    No margin that somebody chooses moves it.

    Example:
        >>> axis_end(np.float32([-0.1, 0.02, 0.3]), 0.02, 0.1), axis_end(np.float32([-3.0, -1.0]), None, 0.2)
        (0.3, 1.0)
    """
    wanted = max(float(np.quantile(gaps, 0.98)), 2 * (suggested or 0.0))
    # Where every pair violates whatever the margin, the gaps say nothing.
    wanted = max(wanted, 1.2 * standard) if wanted > 0 else 5 * standard
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(f"{next(one for one in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if one * power >= wanted * 0.999) * power:.6g}")


def curve_table(gaps: np.ndarray, top: float, lines: int = 40) -> dict[str, list[float]]:
    """The curve at even steps of the margin, as columns: shares of the pairs whose nearest negative is in each zone.

    Example:
        >>> curve_table(np.float32([-0.1, 0.0, 0.1, 0.3]), 0.4, 2)["violating"]
        [0.75, 1.0]
    """
    margins = [float(f"{top * (place + 1) / lines:.6g}") for place in range(lines)]
    hard = float((gaps <= 0).mean())
    violating = [float((gaps < np.float32(margin)).mean()) for margin in margins]
    return {
        "margin": margins,
        "violating": violating,
        "hard": [hard] * lines,
        "semi-hard": [share - hard for share in violating],
        "easy": [1 - share for share in violating],
    }


def shown_gaps(gaps: np.ndarray) -> list[float]:
    """The gaps themselves, or as many quantiles as a curve can show; seven digits tell any two floats apart.

    Example:
        >>> shown_gaps(np.float32([-0.1, 0.25])), len(shown_gaps(np.arange(9000, dtype=np.float32)))
        ([-0.1, 0.25], 2000)
    """
    if len(gaps) > SHOWN:
        places = (np.arange(SHOWN) + 0.5) * len(gaps) / SHOWN
        gaps = gaps[places.astype(np.int64)]
    return [float(f"{one:.8g}") for one in gaps.tolist()]


def about(told: Mapping[str, Any]) -> str:
    """What the curve was drawn of, in a sentence."""
    if told["exact"]:
        who = f"All {len(told['gaps']):,} pairs of an anchor and its positive, exact."
    else:
        who = f"{told['anchors']:,} of {told['anchors_of']:,} anchors, drawn by seed; each against all rows, exact."
        if told["fewer"]:
            who = (
                f"{told['anchors']:,} of {told['anchors_of']:,} anchors with up to {told['fewer']} positives each, "
                "drawn by seed; each against all rows, exact."
            )
    out = (
        f" {told['left_out']:,} rows take no part: the cards of the findings and the lasso of the map say which."
        if told["left_out"]
        else ""
    )
    return who + out


# ---- what it would give


def _forecast(opened: Opened, options: Options) -> None:
    """How many, how large, how long, in which zones; and the button."""
    told = answer(
        opened.ask(
            "mining_forecast",
            **_asked(options),
            strategy=options.strategy,
            margin=options.margin,
            positives=options.positives,
            negatives=options.negatives,
            filters=dict(options.filters),
            params={} if options.skip is None else {"skip": options.skip},
        ),
        "Trying the strategy on some anchors",
        key="mine.forecast",
        patience=1.0,
    )
    running = mine_result.running()
    with st.container(horizontal=True, vertical_alignment="center", key="inspect-mine-go"):
        st.button(
            "Mine these triplets",
            type="primary",
            key="mine.go",
            on_click=start,
            args=(opened, options),
            disabled=told is None or not told["triplets"] or running is not None,
        )
        if told is not None:
            st.html(forecast_words(told, options))


def forecast_words(told: Mapping[str, Any], options: Options) -> str:
    """The forecast as HTML, of our own words and numbers only."""
    if not told["triplets"]:
        return "<p class='mine-forecast'>For none of the anchors that were tried does it pick anything.</p>"
    exact = told["anchors"] == told["anchors_of"]
    caps = options.cap_per_negative is not None or options.cap_per_pair is not None
    count = f"{'' if exact else 'about '}{round_to(told['triplets'], exact):,} triplets"
    size = f"{mine_result.shown_bytes(told['bytes'])} as CSV"
    abstains = f", abstains for {told['abstained']:.0%} of the pairs" if told["abstained"] >= 0.005 else ""
    zones = " · ".join(f"{share:.0%} {zone}" for zone, share in told["zones"].items() if share)
    tried = "all" if exact else f"{told['anchors']:,} of {told['anchors_of']:,}"
    return (
        f"<p class='mine-forecast'><b>{count}</b>{' before the caps' if caps else ''}, {size}, "
        f"about {spoken(told['seconds'])}{abstains}<br><span>{zones}; tried on {tried} anchors</span></p>"
    )


def round_to(count: int, exact: bool) -> int:
    """A count with two digits where it is a guess.

    Example:
        >>> round_to(12345, False), round_to(12345, True)
        (12000, 12345)
    """
    return count if exact or count < 100 else int(float(f"{count:.2g}"))


# ---- the start


def start(opened: Opened, options: Options) -> None:
    """Nothing; the triplets are being mined, or shown again where they were mined before."""
    if mine_result.show_again(opened, options):
        return
    folder = Path(tempfile.mkdtemp(prefix="mined-", dir=opened.desk.folder))
    words = ["mine", *source_words(_inputs(opened, folder), opened.changes, **_limit())]
    if opened.standardise:
        words += ["--standardise"]
    words += options.words(pairs=options.pairs, exclude=_listed(opened, options, folder))
    if options.source == "labels":
        path = folder / "findings.json"
        told = opened.desk.ask("handed_findings", distance=options.distance, path=str(path)).reply(60.0)
        if told is not None and "error" not in told:
            words += ["--findings", str(path)]
    out = folder / "out" / f"{mine_result.stem(opened)}.csv"
    out.parent.mkdir(mode=0o700)
    words += ["--out", str(out), "--keep-mined", str(folder / "mined"), "--lines"]
    mine_result.begin(opened, Job(options, folder).start(words))


def _limit() -> dict[str, Any]:
    limit = arrivals.limit()
    return {} if limit is None else {"limit": limit / 2**30}


def _inputs(opened: Opened, folder: Path) -> dict[str, str | Path]:
    """The files under the names that the person gave them, because the settings name them so."""
    found: dict[str, str | Path] = {}
    for part, path in opened.files.items():
        name = opened.names.get(part, path.name)
        if name == path.name or Path(name).name != name:
            found[part] = path
        else:
            (folder / part).mkdir(mode=0o700)
            (folder / part / name).symlink_to(path.absolute())
            found[part] = folder / part / name
    return found


def _listed(opened: Opened, options: Options, folder: Path) -> str | None:
    """A file with the ids of the rows that were left out by hand, one a line."""
    if not options.rows:
        return None
    path = folder / mine_result.BY_HAND
    told = opened.desk.ask("ids_of", rows=list(options.rows)).reply(30.0)
    ids = [] if told is None or "error" in told else told["ids"]
    path.write_bytes("".join(f"{one}\n" for one in ids).encode("utf-8", "surrogatepass"))
    return str(path)
