"""Fake runs for the instrument: three recordings of the digits that look real, without any training.

`build(folder)` writes everything the static harness page needs: the bundled modules, the style sheet, one blob per run,
and the view state. The blob's layout is the one the app packs, written a second time on purpose: a writer and a reader
that share no code find each other's mistakes.
"""

import base64
import json
import shutil
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from tests.app.harness.aside import aside

HERE = Path(__file__).resolve().parent
STEPS = 400
MARGIN = 1.0
DTYPES = {"f32": "<f4", "i32": "<i4", "u16": "<u2", "i8": "i1", "u8": "u1"}

# Away from the zones' orange, blue and green, and no two alike without colour: the shape always differs.
MARKS = {
    "random": {"light": "#5B6470", "dark": "#B9C0CC", "shape": "circle", "dash": [2, 4]},
    "batch-all": {"light": "#7A5C3E", "dark": "#C9A98A", "shape": "plus", "dash": [1, 3]},
    "hardest": {"light": "#8C1C3A", "dark": "#F08CA6", "shape": "triangle", "dash": [8, 3]},
    "batch-hard": {"light": "#C2185B", "dark": "#FF6FA5", "shape": "triangle-down", "dash": [6, 3, 2, 3]},
    "semi-hard": {"light": "#6A3FB5", "dark": "#B79BFF", "shape": "diamond", "dash": []},
    "semi-hard-random": {"light": "#9A6FD8", "dark": "#D6C4FF", "shape": "star", "dash": [4, 4]},
    "easy-positive": {"light": "#2F4858", "dark": "#9CC3D5", "shape": "square", "dash": [10, 4]},
    "distance-weighted": {"light": "#4E4E8F", "dark": "#A9A9E8", "shape": "cross", "dash": [3, 2]},
}
TITLES = {
    "random": ("Random", "one uniform negative for every pair", True, "pair"),
    "batch-all": ("Batch all", "every eligible triplet", False, "all"),
    "hardest": ("Hardest", "the nearest negative for every pair", False, "pair"),
    "batch-hard": ("Batch hard", "farthest positive, nearest negative", False, "anchor"),
    "semi-hard": ("Semi-hard", "the nearest negative beyond the positive, inside the margin", False, "pair"),
    "semi-hard-random": ("Semi-hard random", "a uniform negative inside the margin", True, "pair"),
    "easy-positive": ("Easy positive", "nearest positive, nearest negative", False, "anchor"),
    "distance-weighted": ("Distance weighted", "by the inverse density of distances", True, "pair"),
}
RACE = ("random", "semi-hard", "batch-hard")


def frame_steps(last: int = STEPS) -> list[int]:
    """Steps of the frames: 0, 1, 2, … growing by about 12 %."""
    steps = [0]
    while steps[-1] < last:
        steps.append(min(last, max(steps[-1] + 1, round(steps[-1] * 1.125))))
    return sorted({*steps, 30})


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 8, 8) uint8 and labels (N,) of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * (255 / 16)).astype(np.uint8), data.target.astype(np.uint16)


def sprite_png(images: np.ndarray, columns: int = 43) -> bytes:
    """One PNG with all thumbnails in a grid, row by row."""
    count, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * height, columns * width), np.uint8)
    for i, image in enumerate(images):
        y, x = divmod(i, columns)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = image
    out = BytesIO()
    Image.fromarray(sheet).save(out, "PNG")
    return out.getvalue()


def fake_positions(images: np.ndarray, labels: np.ndarray, strategy: str, frames: list[int]) -> np.ndarray:
    """Positions (F, N, 2): from the PCA of the pixels to class clusters, or to a dot for batch-hard."""
    flat = images.reshape(len(images), -1).astype(np.float64) / 255
    flat -= flat.mean(0)
    axes = np.linalg.svd(flat, full_matrices=False)[2]
    start = flat @ axes[:2].T
    noise = flat @ axes[2:4].T * 0.5
    classes = int(labels.max()) + 1
    angle = 2 * np.pi * np.arange(classes) / classes
    centres = np.stack([np.cos(angle), np.sin(angle)], 1)[labels]
    reach = {"random": 7.0, "semi-hard": 4.0, "batch-hard": 1.2}.get(strategy, 4.0)
    blur = {"random": 0.9, "semi-hard": 0.45, "batch-hard": 0.5}.get(strategy, 0.6)
    out = []
    for step in frames:
        s = step / (step + 40)
        scale = 0.02 + 0.98 * np.exp(-step / 4) + 0.4 * max(0, step - 120) / STEPS if strategy == "batch-hard" else 1
        out.append(scale * ((1 - s) * start + s * (reach * centres + blur * noise)))
    return np.asarray(out, np.float32)


def distances_from(positions: np.ndarray, anchor: int, candidates: list[int]) -> np.ndarray:
    """Distances (F, B) float32 from the anchor to each candidate."""
    difference = positions[:, candidates] - positions[:, anchor][:, None]
    return np.sqrt((difference * difference).sum(-1, dtype=np.float32)).astype(np.float32)


def probe_batch(labels: np.ndarray, anchor: int, classes: int = 8, per_class: int = 4, seed: int = 0) -> list[int]:
    """Candidates: the anchor first, P classes of K samples each."""
    rng = np.random.default_rng([seed, anchor])
    own = int(labels[anchor])
    others = [int(c) for c in rng.permutation(np.unique(labels)) if c != own][: classes - 1]
    mates = np.flatnonzero((labels == own) & (np.arange(len(labels)) != anchor))
    batch = [anchor, *rng.choice(mates, min(per_class - 1, len(mates)), replace=False)]
    for c in others:
        members = np.flatnonzero(labels == c)
        batch += list(rng.choice(members, min(per_class, len(members)), replace=False))
    return [int(i) for i in batch]


def answer(positions: np.ndarray, labels: np.ndarray, frames: list[int], anchor: int, margin: float = MARGIN) -> dict:
    """What every strategy would pick for one anchor at every frame, as arrays; `wire` packs them for the page."""
    batch = probe_batch(labels, anchor)
    own = int(labels[anchor])
    positives = [i for i in batch[1:] if labels[i] == own]
    negatives = [i for i in batch if labels[i] != own]
    d = distances_from(positions, anchor, batch)
    d_p = d[:, [batch.index(i) for i in positives]]
    d_n = d[:, [batch.index(i) for i in negatives]]
    gap = (d_n[:, None, :] - d_p[:, :, None]).astype(np.float32)  # (F, P, N)
    band = (gap > 0) & (gap < np.float32(margin))
    rng = np.random.default_rng(anchor)

    def draw(weights: np.ndarray) -> np.ndarray:
        noisy = np.where(weights > 0, np.log(np.maximum(weights, 1e-9)) + rng.gumbel(size=weights.shape), -np.inf)
        return np.where(weights.any(-1), noisy.argmax(-1), -1)

    nearest = np.broadcast_to(d_n.argmin(1)[:, None], gap.shape[:2])
    banded = np.where(band, d_n[:, None, :], np.inf)
    ones, ring = np.ones_like(gap), band.astype(float)
    weighted = np.exp(-((d_n[:, None, :] - 1.2) ** 2)) * ones
    picks = {
        "random": draw(ones),
        "hardest": nearest,
        "batch-hard": nearest,
        "semi-hard": np.where(band.any(-1), banded.argmin(-1), -1),
        "semi-hard-random": draw(ring),
        "easy-positive": nearest,
        "distance-weighted": draw(weighted),
    }
    shares = {"random": ones, "semi-hard-random": ring, "distance-weighted": weighted}
    return {
        "anchor": anchor,
        "candidates": batch,
        "candidates_title": "probe batch: 8 classes × 4 samples, drawn once for this anchor",
        "positives": positives,
        "negatives": negatives,
        "frames": frames,
        "margin": margin,
        "distances": d,
        "picks": {name: pick.astype("<i2") for name, pick in picks.items()},
        "own_positive": {"batch-hard": d_p.argmax(1).astype("<i2"), "easy-positive": d_p.argmin(1).astype("<i2")},
        "probabilities": {
            name: np.round(255 * p / np.maximum(p.max(-1, keepdims=True), 1e-9)).astype("u1")
            for name, p in shares.items()
        },
        "others": others(positions, labels, batch, d_p, margin),
    }


def others(positions: np.ndarray, labels: np.ndarray, batch: list[int], d_p: np.ndarray, margin: float) -> dict:
    """The negatives outside the batch, frame by frame: count, ticks (F, T), hardest (F,), nearest (F,), closer."""
    anchor = batch[0]
    outside = [i for i in range(len(labels)) if labels[i] != labels[anchor] and i not in set(batch)]
    d = distances_from(positions, anchor, outside)
    ranks = [t * (len(outside) - 1) // 63 for t in range(64)] if len(outside) > 64 else range(len(outside))
    gap = (d[:, None, :] - d_p[:, :, None]).astype(np.float32)
    hard, violating = (gap <= 0).sum(-1), (gap < np.float32(margin)).sum(-1)
    return {
        "count": len(outside),
        "ticks": np.sort(d, axis=1)[:, list(ranks)],
        "hardest": np.array(outside)[d.argmin(1)] if outside else np.full(len(d), -1),
        "nearest": d.min(1, initial=np.inf),
        "closer": np.stack([hard, violating - hard], -1),
    }


def wire(told: dict, *, sees_plane: bool = True) -> dict:
    """An answer as the page gets it: {"anchor", "margin", "z"}, base64 of deflated bytes in the layout of a run's blob.

    A page that sees the plane that was mined takes the distances itself; otherwise they are sent.
    """
    picks, bring, draw = told["picks"], told["own_positive"], told["probabilities"]
    header = {
        "version": 1,
        "kind": "answer",
        **{name: told[name] for name in ("candidates", "candidates_title", "frames")},
        "positive_count": len(told["positives"]),
        "picking": list(picks),
        "bringing": list(bring),
        "drawing": list(draw),
        "not_applicable": {},
        "fallback": {},
    }
    arrays = {
        "picks": ("i8", np.stack(list(picks.values()))),
        "own_positive": ("i8", np.stack(list(bring.values()))),
        "chances": ("u8", np.stack(list(draw.values()))),
    }
    if not sees_plane:
        crowd = told["others"]
        largest = crowd["ticks"][:, -1:]
        arrays |= {
            "distances": ("f32", told["distances"]),
            "ticks": ("u8", np.diff(np.round(crowd["ticks"] / largest * 255), prepend=0, axis=1)),
            "hardest": ("i32", crowd["hardest"]),
            "nearest": ("f32", crowd["nearest"]),
            "farthest": ("f32", largest[:, 0]),
            "closer": ("i32", crowd["closer"]),
        }
        header["others"] = crowd["count"]
    blob = sections_of(
        header, {name: (a.astype(DTYPES[d]).tobytes(), d, list(a.shape)) for name, (d, a) in arrays.items()}
    )
    packed = base64.b64encode(zlib.compress(blob, 9)).decode()
    return {"anchor": told["anchor"], "margin": told["margin"], "z": packed}


def fake_series(positions: np.ndarray, frames: list[int], strategy: str) -> dict[str, np.ndarray]:
    """Curves (S,) of a plausible run, with R@1 at frames only."""
    steps = np.arange(STEPS + 1)
    rng = np.random.default_rng(7)
    sample = positions[:, ::9]
    pair = np.sqrt(((sample[:, :, None] - sample[:, None]) ** 2).sum(-1))
    spread = np.interp(steps, frames, pair.mean((1, 2)) / MARGIN)
    end = {"random": 0.88, "semi-hard": 0.93, "batch-hard": 0.47}.get(strategy, 0.8)
    recall = np.full(len(steps), np.nan)
    for step in frames:
        recall[step] = 0.4 + (end - 0.4) * step / (step + 25)
    healthy = strategy != "batch-hard"
    violating = np.clip(0.35 / (1 + steps / 30), 0, 1) if healthy else 1 - 0.4 * (steps / STEPS)
    hard = violating * (0.35 if healthy else 0.45)
    wobble = 1 + 0.08 * rng.standard_normal(len(steps))
    mined = {"random": 96.0, "semi-hard": 80.0, "batch-hard": 32.0}.get(strategy, 96.0) * np.ones(len(steps))
    loss = (
        {"random": 0.11, "semi-hard": 0.54, "batch-hard": 1.0}.get(strategy, 0.3) * (1 + 3 / (1 + steps / 8)) * wobble
    )
    return {
        "loss": loss,
        "spread": spread,
        "recall_at_1": recall,
        "violating_share": violating * np.clip(wobble, 0.8, 1.0),
        "hard_share": hard * np.clip(wobble, 0.8, 1.0),
        "semi_hard_share": (violating - hard) * np.clip(wobble, 0.8, 1.0),
        "easy_share": 1 - violating * np.clip(wobble, 0.8, 1.0),
        "mined": mined,
        "eligible": np.full(len(steps), 2688.0),
        "active_share": np.clip(loss, 0, 1),
        "abstained": 96 - mined,
        "mined_share": mined / 96,
    }


def pack(header: dict, positions: np.ndarray, labels: np.ndarray, series: dict, sprite: bytes | None) -> bytes:
    """The blob of one run: u32 header length, JSON header, sections padded to four bytes."""
    frames, n, _ = positions.shape
    curves = np.asarray(list(series.values()), "<f4")
    arrays = {
        "pos": (positions.astype("<f4").tobytes(), "f32", [frames, n, 2]),
        "row": (np.arange(n, dtype="<i4").tobytes(), "i32", [n]),
        "label": (labels.astype("<u2").tobytes(), "u16", [n]),
        "series": (curves.tobytes(), "f32", list(curves.shape)),
    }
    if sprite is not None:
        arrays["sprite"] = (sprite, "u8", [len(sprite)])
    return sections_of({**header, "series_names": list(series)}, arrays)


def sections_of(header: dict, arrays: dict) -> bytes:
    """The container of all blobs: header and sections; arrays = {name: (bytes, dtype, shape)}."""
    body, sections = b"", {}
    for name, (data, dtype, shape) in arrays.items():
        sections[name] = {"offset": len(body), "dtype": dtype, "shape": shape}
        body += data + b"\0" * (-len(data) % 4)
    text = json.dumps({**header, "sections": sections}).encode()
    text += b" " * (-(4 + len(text)) % 4)
    return struct.pack("<I", len(text)) + text + body


def layout(
    digest: str,
    space: str,
    frames: list[int],
    *,
    pos: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    trust: np.ndarray | None = None,
    moved: np.ndarray | None = None,
    stayed: np.ndarray | None = None,
    **header: object,
) -> bytes:
    """The blob of another map of a run: positions (F, N, 2) and fidelity (F,), or what moved and stayed (F, N)."""
    sections = {"pos": pos, "kept": kept, "trust": trust, "moved": moved, "stayed": stayed}
    body, places = b"", {}
    for name, array in sections.items():
        if array is None:
            continue
        places[name] = {"offset": len(body), "dtype": "f32", "shape": list(array.shape)}
        body += np.ascontiguousarray(array, "<f4").tobytes()
    more = {"version": 1, "kind": "layout", "digest": digest, "space": space, "frames": frames, **header}
    if pos is not None:
        flat = pos[np.isfinite(pos).all(-1)]
        low, high = flat.min(0), flat.max(0)
        more = {
            "centre": ((low + high) / 2).tolist(),
            "extent": float(0.52 * (high - low).max()),
            "badge": "UMAP, aligned through time",
            "seconds": 8.0,
            **more,
        }
    text = json.dumps({**more, "sections": places}).encode()
    text += b" " * (-(4 + len(text)) % 4)
    return struct.pack("<I", len(text)) + text + body


def umap_like(positions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Positions (F, N, 2) that keep neighbours and lie about distances: islands on a grid, as UMAP draws them."""
    classes = int(labels.max()) + 1
    side = int(np.ceil(np.sqrt(classes)))
    islands = np.stack([np.arange(classes) % side, np.arange(classes) // side], 1)[labels] * 6.0
    means = np.stack([positions[:, labels == c].mean(1) for c in range(classes)], 1)  # (F, C, 2)
    own = positions - means[:, labels]
    spread = np.maximum(own.std((1, 2), keepdims=True), 1e-9)
    ripe = np.linspace(0.4, 1, len(positions))[:, None, None]
    return (ripe * islands + own / spread + [20, -5]).astype(np.float32)


def movement(positions: np.ndarray) -> np.ndarray:
    """How far each sample went since the frame before (F, N); NaN at the first frame."""
    step = np.linalg.norm(np.diff(positions.astype(np.float64), axis=0), axis=-1)
    return np.concatenate([np.full((1, positions.shape[1]), np.nan), step]).astype(np.float32)


def header_of(digest: str, strategy: str, frames: list[int], n: int, class_names: list[str], **more: object) -> dict:
    """The blob's header, with the fields that the app writes."""
    return {
        "version": 1,
        "digest": digest,
        "name": digest,
        "strategy": strategy,
        "strategy_title": TITLES[strategy][0],
        "n": n,
        "dims": 2,
        "frames": frames,
        "steps": list(range(STEPS + 1)),
        "class_names": class_names,
        "margin": MARGIN,
        "distance": "euclidean",
        "distance_title": "Euclidean distance",
        "soft_margin": False,
        "normalized": False,
        "exact": True,
        "badge": "EXACT: 2-D space",
        "state_text": "finished, 400 steps",
        "ids": None,
        "texts": None,
        "thumb": {"width": 8, "height": 8, "columns": 43, "pixelated": True},
        **more,
    }


def view_state(runs: list[tuple[str, str]], answers: dict, **selection: object) -> dict:
    """The JSON that the view component gets; runs = (digest, strategy)."""
    return {
        "version": 1,
        "title": "Who should this {anchor} learn from?",
        "subtitle": "Same data, same start, same batches; only the choice of negative differs.",
        "runs": [
            {"digest": digest, "strategy": name, "title": TITLES[name][0], "order": i, "mark": MARKS[name]}
            for i, (digest, name) in enumerate(runs)
        ],
        "strategies": [
            {
                "name": name,
                "title": title,
                "summary": summary,
                "order": 10 * i,
                "stochastic": stochastic,
                "granularity": granularity,
                "mark": MARKS[name],
            }
            for i, (name, (title, summary, stochastic, granularity)) in enumerate(TITLES.items())
        ],
        "selection": {"run": runs[0][0], "step": 30, "anchor": 0, "positive": None, "rev": 1, **selection},
        "answers": answers,
        "asking": False,
        "message": None,
        "zoom": None,
    }


def write_page(folder: Path) -> None:
    """The page itself, the style sheet and the two bundles, joined by the app's own joiner."""
    from tripletscope_app.component import bundle, style

    for kind in ("view", "loader", "news"):
        (folder / f"{kind}.bundle.js").write_text(bundle(kind))
    (folder / "instrument.css").write_text(style())
    shutil.copy(HERE / "index.html", folder / "index.html")


def build(
    folder: Path, *, anchor: int = 1000, names: list[str] | None = None, thumbs: bool = True, **header: object
) -> dict:
    """Writes the page with three fake runs; returns what tests compare with.

    Args:
        folder: where to.
        anchor: probe index of the answered anchor.
        names: class names; samples are dealt out to them where they are not the ten digits.
        thumbs: with the sheet of thumbnails or without.
        header: fields of the blobs' headers that differ from the plain ones.

    Returns:
        {"positions": {digest: (F, N, 2)}, "labels", "frames", "answers": {digest: …}, "series": {digest: …}, "view"}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = digits()
    if names is not None and len(names) != 10:
        labels = (np.arange(len(labels)) % len(names)).astype(np.uint16)
    names = names or [str(c) for c in range(10)]
    frames = frame_steps()
    if len(names) > 20:  # what is counted in plain loops grows with the classes: a quarter of the frames will do
        frames = sorted({*frames[::4], 30, frames[-1]})
    positions = {f"fake-{s}": fake_positions(images, labels, s, frames) for s in RACE}
    reach = max(float(np.abs(p).max()) for p in positions.values())
    answers = {digest: answer(p, labels, frames, anchor) for digest, p in positions.items()}
    series = {digest: fake_series(p, frames, digest.removeprefix("fake-")) for digest, p in positions.items()}
    sprite = sprite_png(images) if thumbs else None
    plain = {"ruler_max": 14.0, "extent": 1.05 * reach, "centre": [0.0, 0.0], **({} if thumbs else {"thumb": None})}
    for digest, p in positions.items():
        head = header_of(digest, digest.removeprefix("fake-"), frames, len(labels), names, **{**plain, **header})
        (folder / f"{digest}.bin").write_bytes(pack(head, p, labels, series[digest], sprite))
        later = aside(digest, p, labels, frames, names, digest.removeprefix("fake-"), head["margin"], STEPS)
        (folder / f"{digest}.aside.bin").write_bytes(later)
    first = answers["fake-random"]["positives"][0]
    sent = {digest: wire(told, sees_plane=bool(header.get("exact", True))) for digest, told in answers.items()}
    view = view_state([(f"fake-{s}", s) for s in RACE], sent, anchor=anchor, positive=first)
    (folder / "view.json").write_text(json.dumps(view))
    (folder / "blobs.json").write_text(json.dumps([f"{digest}.bin" for digest in positions]))
    (folder / "asides.json").write_text(json.dumps([f"{digest}.aside.bin" for digest in positions]))
    write_page(folder)
    return {
        "positions": positions,
        "labels": labels,
        "frames": frames,
        "answers": answers,
        "series": series,
        "view": view,
    }


if __name__ == "__main__":
    import sys

    build(Path(sys.argv[1] if len(sys.argv) > 1 else "harness-page"))
