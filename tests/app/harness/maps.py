"""More for the map's tests: the other maps of the fake runs, and pages with one run of any size."""

import json
from pathlib import Path

import numpy as np
from tests.app.harness import fake


def write_maps(folder: Path, told: dict) -> dict[str, dict[str, np.ndarray]]:
    """Writes "DIGEST.umap.bin" and "DIGEST.pca.bin" for every run of `fake.build`; returns their arrays by digest."""
    made = {}
    for digest, positions in told["positions"].items():
        frames = len(positions)
        kept = np.linspace(0.3, 0.63, frames).astype(np.float32)
        trust = np.linspace(0.93, 0.98, frames).astype(np.float32)
        moved = fake.movement(positions)
        stayed = np.sqrt(np.random.default_rng(0).random(moved.shape)).astype(np.float32)
        stayed[0] = np.nan
        pos = fake.umap_like(positions, told["labels"])
        umap = fake.layout(digest, "umap", told["frames"], pos=pos, kept=kept, trust=trust)
        own = fake.layout(digest, "pca", told["frames"], kept=0.6 * kept, trust=trust, moved=moved, stayed=stayed)
        (folder / f"{digest}.umap.bin").write_bytes(umap)
        (folder / f"{digest}.pca.bin").write_bytes(own)
        made[digest] = {"pos": pos, "kept": kept, "trust": trust, "moved": moved, "stayed": stayed}
    return made


def one_run(folder: Path, positions: np.ndarray, labels: np.ndarray, names: list[str], **header: object) -> dict:
    """Writes a page with one run of those positions (F, N, 2), no thumbnails; returns what `fake.build` does."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = "fake-random"
    frames = [round(s) for s in np.linspace(0, fake.STEPS, len(positions))]
    answers = {digest: fake.answer(positions, labels, frames, 0)}
    reach = float(np.abs(positions[np.isfinite(positions)]).max())
    plain = {"ruler_max": 14.0, "extent": 1.05 * reach, "centre": [0.0, 0.0], "thumb": None}
    head = fake.header_of(digest, "random", frames, len(labels), names, **{**plain, **header})
    series = fake.fake_series(positions[:, :: max(1, len(labels) // 200)], frames, "random")
    (folder / f"{digest}.bin").write_bytes(fake.pack(head, positions, labels, series, None))
    sent = {d: fake.wire(told, sees_plane=bool(header.get("exact", True))) for d, told in answers.items()}
    first = answers[digest]["positives"][0]
    view = fake.view_state([(digest, "random")], sent, anchor=0, positive=first, step=frames[len(frames) // 2])
    (folder / "view.json").write_text(json.dumps(view))
    (folder / "blobs.json").write_text(json.dumps([f"{digest}.bin"]))
    (folder / "asides.json").write_text("[]")
    fake.write_page(folder)
    return {"positions": {digest: positions}, "labels": labels, "frames": frames, "answers": answers, "view": view}


def crowd(folder: Path, count: int, frames: int = 50, classes: int = 10) -> dict:
    """A page with one made-up run of `count` points that drift apart by class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count).astype(np.uint16)
    angle = 2 * np.pi * labels / classes
    centres = 4 * np.stack([np.cos(angle), np.sin(angle)], 1)
    noise = rng.standard_normal((count, 2))
    grown = np.linspace(0, 1, frames)[:, None, None]
    positions = (grown * centres + (1.2 - 0.6 * grown) * noise).astype(np.float32)
    return one_run(folder, positions, labels, [f"class {c}" for c in range(classes)])
