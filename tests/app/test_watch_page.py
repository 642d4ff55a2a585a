"""The Watch page in Streamlit's test harness: what it sends, what it understands, what it never imports."""

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tests.app import tiny

from tripletscope import Run, strategies
from tripletscope.analysis.answer import pack_answer
from tripletscope.analysis.counterfactual import anchor_answer, opening
from tripletscope.analysis.probe import nearest_frame
from tripletscope.composition import parse
from tripletscope_app import loaders, widgets
from tripletscope_app.component import bundle, pack
from tripletscope_app.selection import VIEW, read_report, settle
from tripletscope_app.tables import candidates

WAIT = 60


def page():
    from tripletscope_app.pages.watch import watch

    watch()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder as sample_data: one race of three with its opening, and another of one run."""
    folder = tmp_path_factory.mktemp("sample_data")
    race = folder / "races" / "toys"
    paths = tiny.race(race)
    runs = [Run.open(path) for path in paths]
    told = opening(runs, run="semi-hard", step=5, anchor=2)
    (race / "opening.json").write_text(json.dumps(told))
    (race / "race.json").write_text(json.dumps({"title": "Toys", "runs": [path.name for path in paths], "order": 1}))
    lone = folder / "races" / "zoo"
    tiny.record(lone / "random", "random", dim=4)
    (lone / "race.json").write_text(json.dumps({"title": "Zoo", "runs": ["random"], "note": "Four dimensions."}))
    return folder


@pytest.fixture
def app(shelf, monkeypatch, tmp_path):
    monkeypatch.setattr("tripletscope.datasets.sample_data_dir", lambda: shelf)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(widgets.Helper, "start", lambda self: None)  # no second torch for every test
    monkeypatch.setattr(widgets.Helper, "aside", lambda *_: Future())
    return AppTest.from_function(page, default_timeout=WAIT)


def parts(app):
    """The JSON of every component of ours, in the order of the page."""
    told = [json.loads(part.proto.json)[0] for part in app.get("bidi_component") if part.proto.json]
    return [part for part in told if part]


def view(app):
    """What the view is sent with every click."""
    return next(part for part in reversed(parts(app)) if "selection" in part)


def cast(app):
    """Who plays: sent once, beside the view."""
    (found,) = [part["casts"] for part in parts(app) if "casts" in part]
    return found[view(app)["cast"]]


def blobs(app):
    return [part.proto.bytes for part in app.get("bidi_component") if part.proto.bytes]


def test_it_opens_on_the_first_race_with_the_recorded_answers(app):
    app.run()
    assert not app.exception
    data, told = view(app), cast(app)
    assert told["title"] == "Who should this {anchor} learn from?"
    assert told["subtitle"].startswith("Same data, same start, same batches")
    assert [run["strategy"] for run in told["runs"]] == ["random", "semi-hard", "batch-hard"]
    digests = [run["digest"] for run in told["runs"]]
    assert digests[1] == data["selection"]["run"]
    assert (data["selection"]["step"], data["selection"]["anchor"]) == (5, 2)
    lanes = [card["name"] for card in told["strategies"]]
    assert lanes[:3] == ["random", "semi-hard", "batch-hard"], "those that train lead"
    assert sorted(lanes) == sorted(strategies.names())
    assert not data["asking"]
    assert {digest: answer["anchor"] for digest, answer in told["answers"].items()} == dict.fromkeys(digests, 2)
    assert data["answers"] == {}, "they came with the cast, once"
    assert [pack.unpack(blob)[0]["digest"] for blob in blobs(app)] == digests


def test_a_click_in_the_browser_becomes_the_selection(app, monkeypatch):
    asked = []

    def ask(self, path, digest, anchor, margin, *_):
        from concurrent.futures import Future

        asked.append((Path(path).name, anchor, margin))
        future = Future()
        future.set_result({"answer": pack_answer(anchor_answer(Run.open(path), anchor))})
        return future

    foreseen = []
    monkeypatch.setattr(widgets.Helper, "ask", ask)
    monkeypatch.setattr(widgets.Helper, "foresee", lambda self, path, *_: foreseen.append(Path(path).name))
    app.run()
    first = view(app)
    report = {"run": cast(app)["runs"][2]["digest"], "step": 7, "anchor": 20, "positive": 21, "rev": 1}
    app.session_state["instrument.toys"] = {"selection": report}
    # The harness fires no callback of a component, so we call what it would call.
    app.session_state["watch.run"] = "toys/batch-hard"
    app.session_state["watch.step"] = 7
    app.session_state["watch.anchor"] = 120 - 100
    app.session_state["watch.positive"] = 21
    app.run()
    data = view(app)
    assert data["selection"] == {**report, "rev": data["selection"]["rev"]}
    assert data["selection"]["rev"] == first["selection"]["rev"], (
        "the browser's own choice is not sent back as an order"
    )
    assert asked == [("batch-hard", 20, None)], "only the run that is watched"
    assert foreseen == ["random", "semi-hard"], "the others when nobody waits"
    assert [answer["anchor"] for answer in data["answers"].values()] == [20]
    assert len(json.dumps(data)) < 4000


def test_the_address_restores_the_view(app, monkeypatch):
    app.query_params["run"] = "toys/random"
    app.query_params["step"] = "9"
    app.query_params["anchor"] = "2"
    app.run()
    data = view(app)
    assert data["selection"]["run"] == cast(app)["runs"][0]["digest"]
    assert data["selection"]["step"] == 9
    assert data["selection"]["anchor"] == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"run": "../../etc/passwd"},
        {"run": "<script>alert(1)</script>"},
        {"step": "-4"},
        {"step": "1e9"},
        {"step": "999999"},
        {"anchor": "99999"},
        {"anchor": "two"},
        {"positive": "0x10"},
        {"nonsense": "1"},
        {"margin": "0", "lane": "<b>", "space": "<script>", "focus": "9-9", "span": "9-2"},
        {"margin": "nan", "lane": "A B", "space": "exact", "focus": "99", "span": "3"},
        {"margin": "1e999", "focus": "-1", "span": "a-b"},
        {"margin": "-0.5", "focus": "1-1", "span": "0-12"},
        {"v": "2", "step": "9", "anchor": "3", "margin": "0.25"},
    ],
)
def test_an_address_that_makes_no_sense_is_ignored(app, bad):
    for name, value in bad.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    selection = view(app)["selection"]
    assert (selection["anchor"], selection["step"]) == (2, 5)
    assert not {"margin", "lane", "space", "focus", "span"} & set(selection)


def test_a_lone_run_is_found_by_its_folder(app, tmp_path):
    """The way `train` prints it: the name of a lone run alone has no folder in it."""
    tiny.record(tmp_path / "runs" / "mine", "random", dim=4)
    app.query_params["run"] = "runs/mine"
    app.run()
    assert not app.exception
    assert [run["link"] for run in cast(app)["runs"]] == ["mine"]
    assert not app.warning


def test_a_recording_that_is_not_here_is_missed_aloud(app):
    app.query_params["run"] = "runs/gone"
    app.run()
    assert not app.exception
    assert [each.value for each in app.warning] == [
        "The address asks for a recording that is not here, so this is another one"
    ]
    assert "runs/gone" in [each.value for each in app.text]


def test_the_address_restores_margin_lane_map_focus_and_span(app, monkeypatch):
    from concurrent.futures import Future

    asked = []
    monkeypatch.setattr(widgets.Helper, "ask", lambda self, *question: asked.append(question[2:]) or Future())
    told = {"margin": "0.25", "lane": "hardest", "space": "umap", "focus": "1-3", "span": "2-9"}
    for name, value in {"v": "1", "run": "toys/random", "anchor": "102", **told}.items():
        app.query_params[name] = value
    app.run()
    selection = view(app)["selection"]
    assert {name: selection[name] for name in told} == {
        "margin": 0.25,
        "lane": "hardest",
        "space": "umap",
        "focus": [1, 3],
        "span": [2, 9],
    }
    assert asked == [(2, 0.25, None, None)], "the strategies are asked with that margin"
    # The run's own margin, its own strategy and its own map are no news: the link stays short.
    other = AppTest.from_function(page, default_timeout=WAIT)
    plain = {"margin": "0.5", "lane": "random", "space": "exact", "span": "0-12"}
    other.query_params.update({"run": "toys/random", "focus": "1", **plain})
    other.run()
    assert [other.session_state[f"watch.{name}"] for name in plain] == [None] * 4
    assert other.session_state["watch.focus"] == (1, None)


def choosing():
    """The page, after a press in the gallery."""
    import streamlit as st

    from tripletscope_app import gallery
    from tripletscope_app.pages.watch import watch

    if "chosen" in st.session_state:
        gallery.choose(st.session_state.pop("chosen"))
    watch()


def test_a_recording_chosen_anew_has_no_margin_of_another(app, monkeypatch):
    from concurrent.futures import Future

    monkeypatch.setattr(widgets.Helper, "ask", lambda *_: Future())
    other = AppTest.from_function(choosing, default_timeout=WAIT)
    other.query_params.update({"run": "toys/random", "margin": "0.25", "focus": "1"})
    other.run()
    assert view(other)["selection"]["margin"] == 0.25
    other.session_state["chosen"] = "zoo"
    other.run()
    assert not {"margin", "focus"} & set(view(other)["selection"])
    assert [other.session_state[f"watch.{name}"] for name in ("margin", "focus")] == [None, None]


def crossing():
    """The page of one recording, while what the browser still says of another one arrives."""
    import streamlit as st

    from tripletscope_app import gallery, loaders, state, widgets
    from tripletscope_app.pages.watch import watch

    state.restore_url()
    left = loaders.find("toys")
    loaded = loaders.load(left)
    said = {"run": loaded.digests[1], "step": 5, "anchor": 2, "positive": None}
    for kind in st.session_state.pop("late", []):
        if kind == "bar":
            gallery._switch(left, "toys")
        else:
            st.session_state["instrument.toys"] = {kind: {**said, "kind": "seek", "what": "violating"}}
            {"selection": widgets.hear, "request": widgets.hear_request}[kind](left, loaded)
    watch()


def test_what_a_page_that_was_left_still_says_is_not_heard(app, monkeypatch):
    monkeypatch.setattr(widgets.Helper, "ask", lambda *_: Future())
    monkeypatch.setattr(widgets.Helper, "seek", lambda *_, **__: pytest.fail("it searches for nobody"))
    other = AppTest.from_function(crossing, default_timeout=WAIT)
    other.query_params.update({"run": "zoo"})
    other.run()
    before = view(other)["selection"]
    for late in ("selection", "request", "bar"):
        other.session_state["late"] = [late]
        other.run()
        assert not other.exception
        assert view(other)["selection"] == before
        assert other.session_state["watch.run"] == "zoo"
    # The page that is on the screen is heard.
    there = AppTest.from_function(crossing, default_timeout=WAIT)
    there.query_params.update({"run": "toys/random", "step": "0"})
    there.run()
    there.session_state["late"] = ["selection"]
    there.run()
    assert there.session_state["watch.step"] == 5


def asking():
    """The page, after a request of the browser's."""
    import streamlit as st

    from tripletscope_app import loaders, state, widgets
    from tripletscope_app.pages.watch import watch

    state.restore_url()
    race = loaders.find("toys")
    loaded = loaders.load(race)
    for request in st.session_state.pop("requests", []):
        said = {"run": loaded.digests[1], "step": 5, "anchor": 2, "positive": None, "margin": 0.3, **request}
        st.session_state["instrument.toys"] = {"request": said}
        widgets.hear_request(race, loaded)
        del st.session_state["instrument.toys"]
    watch()


@pytest.fixture
def requests(app, monkeypatch):
    """An app that is told requests, and what the helper was asked to seek."""
    from concurrent.futures import Future

    sought = []

    def seek(self, path, digest, what, *, step, anchor, margin):
        sought.append((Path(path).name, what, step, anchor, margin))
        future = Future()
        future.set_result({"found": {"anchor": 20, "positive": 22} if what == "disagree" else None})
        return future

    monkeypatch.setattr(widgets.Helper, "seek", seek)
    monkeypatch.setattr(widgets.Helper, "ask", lambda *_: Future())
    return AppTest.from_function(asking, default_timeout=WAIT), sought


def test_a_search_overrules_the_selection(requests):
    app, sought = requests
    app.run()
    revision = view(app)["selection"]["rev"]
    app.session_state["requests"] = [{"kind": "seek", "what": "disagree"}]
    app.run()
    assert not app.exception
    selection = view(app)["selection"]
    assert sought == [("semi-hard", "disagree", 5, 2, 0.3)]
    assert (selection["anchor"], selection["positive"], selection["margin"]) == (20, 22, 0.3)
    assert selection["rev"] > revision, "the browser takes it over"


def test_a_search_without_a_find_says_so_until_one_looks_elsewhere(requests):
    app, _ = requests
    app.session_state["requests"] = [{"kind": "seek", "what": "violating"}]
    app.run()
    assert view(app)["message"] == "no anchor violates the margin at this step"
    assert view(app)["selection"]["anchor"] == 2
    app.session_state["watch.step"] = 6
    app.run()
    assert view(app)["message"] is None


def test_requests_that_make_no_sense_change_nothing(requests):
    app, sought = requests
    app.session_state["requests"] = [
        {"kind": "seek", "what": "money"},
        {"kind": "<b>"},
        {"kind": None},
        {"run": "other", "kind": "seek", "what": "violating"},
        {"step": -1, "kind": "seek", "what": "violating"},
    ]
    app.run()
    assert not app.exception
    assert not sought
    assert view(app)["message"] is None


def test_another_recording_opens_at_its_own_opening(app, monkeypatch):
    from concurrent.futures import Future

    monkeypatch.setattr(widgets.Helper, "ask", lambda *_: Future())
    app.run()
    first = view(app)
    app.query_params["run"] = "zoo/random"
    other = AppTest.from_function(page, default_timeout=WAIT)
    other.query_params["run"] = "zoo"
    other.run()
    data = view(other)
    assert len(cast(other)["runs"]) == 1
    assert data["asking"], "nothing is recorded for it, so the strategies are asked"
    assert data["selection"]["run"] not in [run["digest"] for run in cast(app)["runs"]]
    assert view(app)["selection"] == first["selection"], "another session's choice is not ours"


def test_a_killed_run_says_where_it_stopped(app, tmp_path, monkeypatch):
    tiny.kill(tiny.record(tmp_path / "runs" / "cut"), 6)
    monkeypatch.setattr(sys, "argv", ["main.py", "--run", str(tmp_path / "runs" / "cut")])
    from concurrent.futures import Future

    monkeypatch.setattr(widgets.Helper, "ask", lambda *_: Future())
    app.run()
    assert not app.exception
    assert [text.value for text in app.text if "stopped at step 6" in text.value]
    assert pack.unpack(blobs(app)[0])[0]["state_text"] == "stopped at step 6"


def test_the_helpers_refusal_is_shown_in_place(app, monkeypatch):
    from concurrent.futures import Future

    def ask(self, path, digest, anchor, *_):
        future = Future()
        future.set_result({"error": "frame 3 is damaged"})
        return future

    monkeypatch.setattr(widgets.Helper, "ask", ask)
    app.query_params["anchor"] = "7"
    app.run()
    assert view(app)["message"] == "frame 3 is damaged"
    assert not view(app)["asking"]


def test_no_recordings_at_all_is_a_sentence(app, tmp_path, monkeypatch):
    monkeypatch.setattr("tripletscope.datasets.sample_data_dir", lambda: tmp_path / "nothing")
    app.run()
    assert not app.exception
    assert "tripletscope train" in app.info[0].value


def test_the_first_page_imports_nothing_heavy(shelf):
    """Streamlit itself imports plotly when it is installed; everything else here is our doing."""
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"sys.argv = ['main.py', '--run', {str(shelf / 'races' / 'toys')!r}]\n"
        f"app = AppTest.from_file({str(Path(__file__).parents[2] / 'app' / 'main.py')!r}, default_timeout=60).run()\n"
        "assert not app.exception, app.exception\n"
        "assert app.get('bidi_component'), 'the page did not draw'\n"
        "heavy = {'torch', 'umap', 'faiss', 'sklearn', 'scipy', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from tripletscope_app.widgets import helper\n"
        "assert helper().alive, 'the helper was not started'\n"
        "helper().stop()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_our_own_code_imports_no_plotting_library():
    folder = Path(loaders.__file__).parent
    for file in folder.rglob("*.py"):
        assert "import plotly" not in file.read_text(encoding="utf-8"), file


def test_the_bundle_is_one_module_without_imports():
    for entry, default in (("view", "export default function"), ("loader", "export default function")):
        text = bundle(entry)
        assert text.count("export default") == 1
        assert default in text
        assert "\nexport const" not in text
        assert "\nexport function" not in text
        assert 'from "./' not in text


def test_a_report_of_the_browser_is_not_believed():
    good = {"run": "d", "step": 3, "anchor": 1, "positive": None}
    nothing = dict.fromkeys(VIEW)
    read = {"run": 1, "step": 3, "anchor": 1, "positive": None, **nothing}
    assert read_report(good, ["c", "d"]) == read
    more = {"margin": 0.5, "lane": "hardest", "space": "umap", "focus": [3, None], "span": [2, 9]}
    lanes = {"lanes": ["all"], "composed": ["pair-all-negative-nearest"], "tuned": [["top-n", "n", 5]]}
    kept = {"lanes": ("all",), "composed": ("pair-all-negative-nearest",), "tuned": (("top-n", "n", 5.0),)}
    assert read_report({**good, **more, **lanes}, ["c", "d"]) == {
        **read, **more, "focus": (3, None), "span": (2, 9), **kept,
    }  # fmt: skip
    for name, values in {
        "margin": (0, -1, True, "1", float("nan"), float("inf"), 10**400, [1]),
        "lane": ("", "<b>", 3, "a" * 99, None),
        "space": ("UMAP", 1, {}, "../x"),
        "focus": ([1], [1, 2, 3], [-1, 2], [None, 2], [1, True], "12", 5, [1, 2.5]),
        "span": ([1, None], [9, 2], [0, float("inf")], [[], []], "20"),
        "lanes": ([], "all", 3, [None, "<b>", 7]),
        "composed": ("pair-all-negative-nearest", ["random"], ["pair-all-negative-odd"], [["pair:all"]], 7),
        "tuned": (
            [["top-n", "n", float("nan")]],
            [["top-n", "n"]],
            ["top-n:n:3"],
            [["<b>", "n", 1]],
            [["a", "n", True]],
        ),
    }.items():
        for value in values:
            assert read_report({**good, name: value}, ["c", "d"]) == read, (name, value)
    for bad in (
        None,
        7,
        [],
        {},
        {**good, "run": "x"},
        {**good, "step": None},
        {**good, "step": "3"},
        {**good, "anchor": -1},
        {**good, "anchor": 1.5},
        {**good, "positive": True},
        {**good, "step": float("1e300")},
    ):
        assert read_report(bad, ["c", "d"]) is None


def test_settling_keeps_what_is_valid(shelf):
    runs = [Run.open(path) for path in sorted((shelf / "races" / "toys").glob("*/"))]
    labels = runs[0].samples.labels
    told = {"run": "random", "step": 5, "anchor": 2, "positive": 4}
    assert settle(runs, labels, opening=told).positive == 4
    assert settle(runs, labels, anchor=8, positive=4, opening=told).positive is None, "of another class"
    assert settle(runs, labels, anchor=8, positive=9, opening=told).positive == 9
    assert settle(runs, labels, run="nobody", opening=told).run == [run.name for run in runs].index("random")
    assert settle(runs, labels).step <= 6
    assert nearest_frame([0, 4, 8], 7) == 4


def test_the_table_says_what_the_ruler_shows(shelf):
    run = Run.open(shelf / "races" / "toys" / "semi-hard")
    answer = anchor_answer(run, 2)
    positive = answer["positives"][1]
    table = candidates(run, pack_answer(answer), 5, positive)
    assert list(table.columns) == ["id", "class", "role", "distance", "gap", "zone", "picked by"]
    assert table["distance"].is_monotonic_increasing
    assert len(table) == len(answer["candidates"]) - 1
    near = table[table["role"] == "positive"].set_index("id")["distance"]
    d_ap = near[run.samples.id_of(int(run.probe_rows[positive]))]
    for _, row in table[table["role"] == "negative"].iterrows():
        gap = row["distance"] - d_ap
        zone = "hard" if gap <= 0 else "easy" if gap >= 0.5 else "semi-hard"
        assert row["zone"] == zone
        if "semi-hard" in row["picked by"].split(", "):
            assert zone == "semi-hard"
    assert (table["picked by"].str.split(", ").explode() == "hardest").sum() == 1


def test_the_download_is_the_export(shelf):
    import io

    import pandas as pd

    run = Run.open(shelf / "races" / "toys" / "semi-hard")
    step = pd.read_csv(io.BytesIO(widgets.csv_of(run, [5])))
    whole = pd.read_csv(io.BytesIO(widgets.csv_of(run, None)))
    assert set(step["step"]) == {5}
    assert len(whole) == len(run.picks(training=True))


def test_without_an_install_the_page_says_what_to_type():
    """In a Python with streamlit and without the engine; app/ itself is on the path of `streamlit run`."""
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'tripletscope':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name='tripletscope')\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(Path(__file__).parents[2] / 'app' / 'main.py')!r}, default_timeout=60).run()\n"
        "assert not app.exception, app.exception\n"
        "assert app.code[0].value == 'make app'\n"
        "assert 'pip install' in app.code[1].value\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "make app" in done.stdout


def test_the_address_restores_lanes_compositions_and_tried_parameters(app, monkeypatch):
    asked = []
    monkeypatch.setattr(widgets.Helper, "ask", lambda self, *question: asked.append(question[2:]) or Future())
    mine = "pair-all-negative-farthest-lower-positive-fallback-nearest"
    odd = "pair-all-negative-odd"
    told = {"lanes": "hardest.top-n", "composed": f"{mine}.{odd}", "tuned": "top-n:n:3,top-n:skip:no", "lane": mine}
    app.query_params.update({"v": "1", "run": "toys/random", "anchor": "102", **told})
    app.run()
    assert not app.exception
    selection = view(app)["selection"]
    assert selection["lanes"] == ["hardest", "top-n"]
    assert selection["composed"] == [mine], "what makes no sense is left out"
    assert selection["tuned"] == [["top-n", "n", 3.0]]
    assert selection["lane"] == mine
    assert asked == [(2, None, (mine,), (("top-n", "n", 3.0),))], "recorded answers know nothing of these"
    lanes = cast(app)["strategies"]
    assert [lane["name"] for lane in lanes][3] == mine, "after those that train"
    assert lanes[3]["group"] == "composed"
    assert lanes[3]["summary"] == parse(mine).summary
    (composing,) = [part["composer"] for part in parts(app) if "composer" in part]
    assert [axis["name"] for axis in composing["axes"]] == ["positive", "negative", "lower", "upper", "fallback"]
    assert set(composing["commands"].values()) == {None}, "these runs were recorded in a loop, not by a command"
