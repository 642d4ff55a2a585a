"""The page itself: one HTML file with everything in it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from tripletscope.analysis.probe import probe_labels
from tripletscope.errors import RunError
from tripletscope.store.reader import Run
from tripletscope_app import component
from tripletscope_app.asides import kept_aside
from tripletscope_app.component.pack import join, opening_zoom, pack_run, projection_of, race_scale, unpack
from tripletscope_app.selection import cast_of, settle, view_data
from tripletscope_app.share.anchors import evenly
from tripletscope_app.share.coding import packed, plaited

#: Anchors whose picks a page brings along, unless somebody wants more.
ANCHORS = 40
VERSION = 1


@dataclass
class Shared:
    """What goes into a page.

    Attributes:
        runs: of one race, or a single one.
        title: of the page.
        note: a sentence below the title.
        opening: run (name), step, anchor and positive to open on; proposed by the run when left out.
        anchors: how many bring their picks along.
    """

    runs: Sequence[Run]
    title: str
    note: str = ""
    opening: dict[str, Any] = field(default_factory=dict)
    anchors: int = ANCHORS


def page_of(shared: Shared, progress: Callable[[int, int], None] = lambda done, total: None) -> str:
    """The whole page as text.

    Args:
        shared: what goes into it.
        progress: told now and then how many answers of all are there.

    Raises:
        RunError: a run has no frame, or the runs are of different samples.
    """
    runs = list(shared.runs)
    for run in runs:
        if not run.frame_steps:
            raise RunError(f"The run {run.name} has no frame yet, so there is nothing to draw: let it record one.")
        if run.probe_rows.tolist() != runs[0].probe_rows.tolist():
            raise RunError(f"The run {run.name} is of other samples than {runs[0].name}: share it by itself.")
    projections = [projection_of(run) for run in runs]
    scale = race_scale(runs, projections)
    blobs = [pack_run(run, projection, scale) for run, projection in zip(runs, projections, strict=True)]
    digests = [digest for digest, _ in blobs]
    labels = probe_labels(runs[0])
    chosen = settle(runs, labels, **{"opening": shared.opening or _proposal(runs[0]), **_asked(shared.opening)})
    anchors = evenly(labels, chosen.anchor, shared.anchors)
    answers, cards = _answers(runs, digests, anchors, progress)
    cast = cast_of(runs, digests, cards, [run.name for run in runs])
    told = {
        "version": VERSION,
        "code": packed(component.shelved().encode()),
        "runs": _run_parts(blobs),
        "asides": [packed(aside) for aside in _asides(runs, digests)],
        "cast": cast,
        "answers": answers,
        "anchors": anchors,
        "view": view_data(
            cast=cast["name"], digests=digests, chosen=chosen, revision=1, answers={}, asking=False, message=None,
            zoom=opening_zoom(
                projections[chosen.run], list(runs[chosen.run].frame_steps).index(chosen.step), scale
            ),
        ),
    }  # fmt: skip
    template = (files(__package__) / "page.html").read_text(encoding="utf-8")
    host = (files(__package__) / "host.js").read_text(encoding="utf-8")
    # "</" inside a script would end it; JSON may write the stroke as it likes.
    data = json.dumps(told, ensure_ascii=True, separators=(",", ":")).replace("</", "<\\/")
    parts = {
        "title": html.escape(shared.title),
        "note": html.escape(shared.note or _note(runs)),
        "facts": html.escape(_facts(runs, len(anchors), len(labels))),
        "host": host,
        "data": data,
    }
    for name, text in parts.items():
        template = template.replace(f"%{name}%", text)
    return template


def _asked(opening: dict[str, Any]) -> dict[str, Any]:
    return {name: opening[name] for name in ("run", "step", "anchor", "positive") if opening.get(name) is not None}


def _proposal(run: Run) -> dict[str, Any]:
    from tripletscope.analysis.probe import telling_anchor, telling_step

    step = telling_step(list(run.frame_steps))
    anchor, positive = telling_anchor(run, step)
    return {"run": run.name, "step": step, "anchor": anchor, "positive": positive}


def _answers(
    runs: Sequence[Run], digests: Sequence[str], anchors: Sequence[int], progress: Callable[[int, int], None]
) -> tuple[dict[str, dict[int, str]], list[dict[str, Any]]]:
    """({digest: {anchor: packed answer}}, cards of the strategies)."""
    from tripletscope import strategies
    from tripletscope.analysis.answer import pack_answer
    from tripletscope.analysis.counterfactual import anchor_answer

    found: dict[str, dict[int, str]] = {digest: {} for digest in digests}
    total = len(runs) * len(anchors)
    for place, anchor in enumerate(anchors):
        for number, (run, digest) in enumerate(zip(runs, digests, strict=True)):
            found[digest][anchor] = pack_answer(anchor_answer(run, anchor))["z"]
            progress(place * len(runs) + number + 1, total)
    used = (name for run in runs for name in run.strategies)
    return found, [record.describe() for record in strategies.all(used)]


def _run_parts(blobs: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
    """The runs, points apart from the rest; the thumbnails, which a race shares, once."""
    parts: list[dict[str, Any]] = []
    sprites: dict[bytes, int] = {}
    for digest, blob in blobs:
        header, arrays = unpack(blob)
        points = arrays.pop("pos")
        sprite = arrays.pop("sprite", None)
        kinds = {name: header["sections"][name]["dtype"] for name in arrays}
        rest = join(
            {name: value for name, value in header.items() if name not in ("sections", "digest")},
            {name: (kinds[name], array) for name, array in arrays.items()},
            digest,
        )[1]
        part: dict[str, Any] = {"rest": packed(rest), "pos": packed(plaited(points)), "shape": list(points.shape)}
        if sprite is not None:
            pixels = sprite.tobytes()
            if pixels in sprites:
                part["sprite_of"] = sprites[pixels]
            else:
                sprites[pixels] = len(parts)
                part["sprite"] = packed(pixels)
        parts.append(part)
    return parts


def _asides(runs: Sequence[Run], digests: Sequence[str]) -> list[bytes]:
    from tripletscope_app.component.aside import pack_aside

    found = []
    for run, digest in zip(runs, digests, strict=True):
        kept = kept_aside(run, digest)
        found.append(pack_aside(run, digest) if kept is None else kept.read_bytes())
    return found


def _note(runs: Sequence[Run]) -> str:
    if len(runs) > 1:
        return "Same data, same start, same batches; only the choice of negative differs."
    return f"Run {runs[0].name}, recorded with tripletscope."


def _facts(runs: Sequence[Run], anchors: int, samples: int) -> str:
    run = runs[0]
    last = run.frame_steps[-1]
    return (
        f"{samples:,} samples, {len(run.frame_steps)} frames up to step {last}, margin {run.margin:g}, "
        f"{run.distance} distance. What the strategies pick is in this file for {anchors:,} anchors; a click on "
        "another sample goes to the nearest of them. Nothing is fetched from anywhere."
    )
