"""What the page makes of an answer: the engine's distances to the last bit, and its counts of the crowd outside."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import Any

import numpy as np
import pytest
from tests.app import tiny

from tripletscope import Run
from tripletscope.analysis.answer import pack_answer
from tripletscope.analysis.counterfactual import anchor_answer, crowd
from tripletscope.datasets import sample_data_dir
from tripletscope_app import component
from tripletscope_app.component.pack import pack_run

pytestmark = pytest.mark.browser

# Reads a run and an answer as the instrument does, and tells what panels ask for.
TELL = """async ([code, blob, packed, margins]) => {
  const page = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const run = page.parseBlob(Uint8Array.from(atob(blob), (letter) => letter.charCodeAt(0)));
  const answer = page.decodeAnswer(packed);
  const answers = new Map([[page.answerKey(run.digest, packed.anchor, packed.margin), answer]]);
  const chosen = { run: run.digest, frame: 0, anchor: packed.anchor, positive: null, margin: null };
  const state = { ...chosen, runs: { [run.digest]: run }, answers };
  const found = page.currentAnswer(state);
  const others = (margin) => found.answer.frames.map((_, at) => {
    const told = page.othersOf(found.answer, at, margin);
    return { ...told, ticks: Array.from(told.ticks) };
  });
  return {
    bits: Array.from(new Int32Array(found.answer.distances.slice().buffer)),
    picks: Object.fromEntries(Object.entries(answer.picks).map(([name, picks]) => [name, Array.from(picks)])),
    others: margins.map((margin) => others(margin)),
    stale: [1, 2].map((factor) => page.currentAnswer({ ...state, margin: factor * run.margin }).stale),
    margin: page.currentAnswer({ ...state, margin: 2 * run.margin }).run.margin,
  };
}"""


@pytest.fixture(scope="module")
def code() -> str:
    """The modules that read blobs and answers, with their exports."""
    return "\n".join(
        component._IMPORT.sub("", component._read(name)) for name in ("store.js", "inflate.js", "answers.js")
    )


@pytest.fixture(scope="module")
def tell(browser: Any, code: str) -> Any:
    page = browser.new_page()

    def ask(run: Run, answer: dict[str, Any], margins: tuple[float, ...] = ()) -> dict[str, Any]:
        blob = base64.b64encode(pack_run(run)[1]).decode()
        return page.evaluate(TELL, [code, blob, pack_answer(answer), list(margins)])

    yield ask
    page.close()


@pytest.mark.parametrize("race", ["digits-2d", "digits-2d-standardized"])
@pytest.mark.parametrize("name", ["semi-hard", "batch-hard"])
def test_the_distances_are_the_engines_bit_for_bit(tell: Any, race: str, name: str) -> None:
    run = Run.open(sample_data_dir() / "races" / race / name)
    for anchor in (0, 47, 899, 1796):
        answer = anchor_answer(run, anchor)
        told = tell(run, answer)
        np.testing.assert_array_equal(told["bits"], answer["distances"].view(np.int32).ravel())
        assert told["picks"] == {strategy: picks.ravel().tolist() for strategy, picks in answer["picks"].items()}
        assert told["stale"] == [False, True]
        assert told["margin"] == 2 * run.margin


@pytest.mark.parametrize("dim", [2, 5])
def test_the_crowd_is_counted_as_the_engine_counts_it(tell: Any, tmp_path: Any, dim: int) -> None:
    """In the plane by the page, for any margin; elsewhere as it was told."""
    run = Run.open(tiny.record(tmp_path / "run", dim=dim))
    answer = anchor_answer(run, 4)
    margins = (run.margin, 0.05, 5.0) if dim == 2 else (run.margin,)
    told = tell(run, answer, margins)
    np.testing.assert_array_equal(told["bits"], answer["distances"].view(np.int32).ravel())
    d_ap = answer["distances"][:, 1 : 1 + len(answer["positives"])]
    for margin, others in zip(margins, told["others"], strict=True):
        wanted = crowd(run, np.array(answer["candidates"]), d_ap, margin)
        largest = wanted["ticks"].max()
        for f, each in enumerate(others):
            assert each["count"] == wanted["count"]
            assert each["hardest"]["sample"] == wanted["hardest"][f]
            assert np.float32(each["hardest"]["distance"]) == pytest.approx(wanted["nearest"][f], rel=1e-6)
            assert each["closer"] == wanted["closer"][f].tolist()
            np.testing.assert_allclose(each["ticks"], wanted["ticks"][f], atol=1e-6 if dim == 2 else largest / 255)


def test_a_crowd_of_thousands_is_64_ticks(tell: Any) -> None:
    run = Run.open(sample_data_dir() / "races" / "digits-2d" / "semi-hard")
    answer = anchor_answer(run, 47)
    (others,) = tell(run, answer, (run.margin,))["others"]
    d_ap = answer["distances"][:, 1 : 1 + len(answer["positives"])]
    wanted = crowd(run, np.array(answer["candidates"]), d_ap, run.margin)
    for f, each in enumerate(others):
        assert each["hardest"]["sample"] == wanted["hardest"][f]
        assert each["closer"] == wanted["closer"][f].tolist()
        np.testing.assert_allclose(each["ticks"], wanted["ticks"][f], rtol=1e-6)


def test_what_zlib_deflates_is_inflated(browser: Any, code: str) -> None:
    """Stored, fixed and dynamic blocks, long runs, nothing at all, and what is cut short."""
    rng = np.random.default_rng(0)
    texts = [
        b"",
        b"a",
        b"abc" * 5000,
        rng.bytes(70_000),
        rng.integers(0, 4, 40_000, dtype=np.uint8).tobytes(),
        np.arange(20_000, dtype="<u2").tobytes(),
        json.dumps(component.style()).encode(),
    ]
    packed = [zlib.compress(text, level) for text in texts for level in (0, 1, 6, 9)]
    for strategy in (zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
        for text in texts:
            made = zlib.compressobj(9, zlib.DEFLATED, 15, 9, strategy)
            packed.append(made.compress(text) + made.flush())
    page = browser.new_page()
    script = """async ([code, packed]) => {
      const page = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
      const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const digest = async (bytes) => Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
      const cut = packed.map((text) => {
        try {
          page.inflate(bytes(text).slice(0, -9 - bytes(text).length / 3));
          return "inflated";
        } catch (error) {
          return error.message;
        }
      });
      return [await Promise.all(packed.map((text) => digest(page.inflate(bytes(text))))), cut];
    }"""
    page.goto("about:blank")
    page.route("http://127.0.0.1/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto("http://127.0.0.1/")  # a digest needs a safe context
    told, cut = page.evaluate(script, [code, [base64.b64encode(part).decode() for part in packed]])
    wanted = [list(hashlib.sha256(zlib.decompress(part)).digest()) for part in packed]
    assert told == wanted
    assert set(cut) <= {"The packed bytes end too early.", "The packed bytes are damaged."}
    page.close()
