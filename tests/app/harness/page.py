"""What tests ask of the harness page: its state, what Python was told, and patience."""

from __future__ import annotations

from typing import Any

ROOT = ".ts-instrument"
READY = f"{ROOT}[data-ready=true]"
PATIENCE = 30_000  # ms: a loaded two-core machine with software WebGL takes its time


def root(page: Any, name: str) -> str:
    """What the instrument writes on its own element: step, anchor, positive, hover, lane, …"""
    return page.eval_on_selector(ROOT, f"e => e.dataset.{name} ?? ''")


def calls(page: Any) -> list[dict[str, Any]]:
    """What Python was told, in order: {"name", "value"}."""
    return page.evaluate("harness.calls")


def wait_for(page: Any, script: str) -> None:
    """Waits until a condition holds; `e` is the instrument's element."""
    page.wait_for_function(f"() => {{ const e = harness.root(); return {script}; }}")


def settle(page: Any) -> None:
    """Waits until two animation frames have passed, and with them every pending redraw; panels out of view, too."""
    page.evaluate(
        "() => new Promise(done => { const look = () => {"
        " const e = globalThis.harness?.root(); const s = e?.tripletscope.state();"
        " if (e?.hasAttribute('data-moving') && !s.playing && !s.dragging) return setTimeout(look, 20);"
        " requestAnimationFrame(() => requestAnimationFrame(done)); }; requestAnimationFrame(look); })"
    )


def sentence(page: Any) -> str:
    """Both lines of the sentence."""
    return page.inner_text(".ts-sentence-first") + " | " + page.inner_text(".ts-sentence-second")


def where(page: Any, index: int) -> tuple[float, float]:
    """A sample's place on the map, in CSS pixels of the page."""
    spot = page.evaluate(f"harness.root().tripletscope.project({index})")
    return spot["x"], spot["y"]
