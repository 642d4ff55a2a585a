"""Fake asides: the numbers over time of a fake run, in the layout that the app packs, written a second time on purpose.

Everything is counted by brute force on the fake positions, so that panels can be compared with each other: the pairs
sum to the classes, the classes to the gaps, and the picks lie where the positions say.
"""

import functools
import json
import struct

import numpy as np

CELLS = 64
SHADOWS = ("random", "semi-hard", "batch-hard")
CHURNING = ("hardest", "batch-hard", "semi-hard", "easy-positive")


def cohort(labels: np.ndarray, each: int = 10, most: int = 400) -> np.ndarray:
    """Probe indices: the first few of every class, at least two."""
    classes = np.unique(labels)
    each = max(2, min(each, most // len(classes)))
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:each] for c in classes]))


def distances(points: np.ndarray) -> np.ndarray:
    """All distances (A, A) float32."""
    return np.sqrt(np.square(points[:, None] - points[None]).sum(-1)).astype(np.float32)


def picks(d: np.ndarray, labels: np.ndarray, strategy: str, margin: float, rng: np.random.Generator) -> np.ndarray:
    """Slots (T, 3) of what one of the strategies picks from a batch; -1 as negative where it abstains."""
    other = labels[:, None] != labels[None]
    anchor, positive = np.nonzero(~other & ~np.eye(len(labels), dtype=bool))
    if not len(anchor):
        return np.zeros((0, 3), int)
    to_negatives = np.where(other, d, np.inf)
    rows = to_negatives[anchor]
    if strategy == "random":
        negative = np.where(other[anchor], rng.random(rows.shape), -1).argmax(1)
    elif strategy == "semi-hard":
        gap = rows - d[anchor, positive][:, None]
        band = np.where((gap > 0) & (gap < np.float32(margin)), rows, np.inf)
        negative = np.where(np.isfinite(band).any(1), band.argmin(1), -1)
    else:
        negative = rows.argmin(1)
    found = np.stack([anchor, positive, negative], 1)
    if strategy in ("batch-hard", "easy-positive"):
        reach = np.where(~other & ~np.eye(len(labels), dtype=bool), d, -np.inf if strategy == "batch-hard" else np.inf)
        own = reach.argmax(1) if strategy == "batch-hard" else reach.argmin(1)
        found = found[found[:, 1] == own[found[:, 0]]]
    return found


def step_batches(labels: np.ndarray, step: int, rng: np.random.Generator) -> np.ndarray:
    """Probe indices of one step's batch: eight classes (or all there are) of four."""
    classes = rng.permutation(np.unique(labels))[:8]
    return np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:4] for c in classes])


def sparse(offsets: list[int], codes: list[np.ndarray], counts: list[np.ndarray], values: list[int]) -> None:
    """Appends one interval: each value once, with how often it occurs, the most frequent first."""
    found, often = np.unique(np.asarray(values, int), return_counts=True)
    order = np.argsort(-often, kind="stable")
    codes.append(found[order])
    counts.append(often[order])
    offsets.append(offsets[-1] + len(found))


@functools.lru_cache(maxsize=2)
def triplets_of(labels: tuple[int, ...], classes: int) -> tuple[np.ndarray, ...]:
    """(a, p, n) of every triplet, the pairs of classes, each triplet's place among them, and how many each has."""
    label = np.array(labels)
    a, p, n = np.nonzero(
        ((label[:, None] == label[None]) & ~np.eye(len(label), dtype=bool))[:, :, None]
        & (label[:, None] != label[None])[:, None, :]
    )
    pairs, place, eligible = np.unique(label[a] * classes + label[n], return_inverse=True, return_counts=True)
    return a, p, n, pairs, place, eligible


def violations(d: np.ndarray, labels: np.ndarray, classes: int, margin: float, edges: np.ndarray) -> dict:
    """Counts over all triplets of the cohort at one frame."""
    a, p, n, pairs, place, eligible = triplets_of(tuple(labels.tolist()), classes)
    gap = d[a, n] - d[a, p]
    bad = gap < np.float32(margin)
    wrong = np.bincount(place[bad], minlength=len(pairs))
    best = np.argsort(-wrong, kind="stable")[:100]
    return {
        "eligible": np.bincount(labels[a], minlength=classes),
        "violating": np.bincount(labels[a[bad]], minlength=classes),
        "hard": np.bincount(labels[a[gap <= 0]], minlength=classes),
        "pairs": (pairs[best], wrong[best], eligible[best]),
        "gaps": np.bincount(np.digitize(gap, edges[1:-1].astype(np.float32)), minlength=len(edges) - 1),
    }


def aside(
    digest: str,
    positions: np.ndarray,
    labels: np.ndarray,
    frames: list[int],
    names: list[str],
    strategy: str,
    margin: float,
    last_step: int,
) -> bytes:
    """The aside of a fake run, ready for the loader."""
    rng = np.random.default_rng(5)
    labels = labels.astype(int)
    classes, members = len(names), cohort(labels)
    recorded = [strategy, *(name for name in SHADOWS if name != strategy)]
    edges = np.round(np.arange(-16, 33) * margin / 8, 9)
    before: dict[str, np.ndarray] = {}
    since: dict[str, np.ndarray] = {}
    plane: dict[str, list] = {"exponent": [], "offset": [0], "cell": [], "count": []}
    taken: dict[str, list] = {"offset": [0], "strategy": [], "dap": [], "dan": [], "row": []}
    pair: dict[str, list] = {"offset": [0], "code": [], "violating": [], "eligible": []}
    counts = {"eligible": [], "violating": [], "hard": [], "gaps": []}
    churn = np.full((len(CHURNING), len(frames)), np.nan)
    held = np.zeros_like(churn)
    turnover, nearest = np.full(len(frames), np.nan), np.empty(0)
    heard: list[list[np.ndarray]] = []  # by frame, by strategy: (T, 3) probe indices picked until the next frame
    for f, step in enumerate(frames):
        closing = f == len(frames) - 1
        within: list[list[np.ndarray]] = [[] for _ in recorded]
        for k in range(0 if closing else min(4, frames[f + 1] - step)):
            batch = step_batches(labels, step + k, rng)
            d = distances(positions[f][batch])
            for s, name in enumerate(recorded):
                slots = picks(d, labels[batch], name, margin, rng)
                slots = slots[slots[:, 2] >= 0]
                within[s].append(batch[slots])
                if k == 0:
                    taken["strategy"].append(np.full(len(slots), s))
                    taken["dap"].append(d[slots[:, 0], slots[:, 1]])
                    taken["dan"].append(d[slots[:, 0], slots[:, 2]])
                    taken["row"].append(batch[slots].reshape(-1))
            if k == 0:
                exponent = int(np.frexp(d.max())[1]) - 6
                same = labels[batch][:, None] == labels[batch][None]
                a, p, n = np.nonzero((same & ~np.eye(len(batch), dtype=bool))[:, :, None] & ~same[:, None, :])
                row, column = (np.floor(d[a, other] / 2.0**exponent).astype(int) for other in (p, n))
                cell, often = np.unique(row * CELLS + column, return_counts=True)
                plane["exponent"].append(exponent)
                plane["cell"].append(cell)
                plane["count"].append(often)
        if closing:
            plane["exponent"].append(0)
        plane["offset"].append(sum(map(len, plane["cell"])))
        taken["offset"].append(sum(map(len, taken["strategy"])))
        heard.append([np.concatenate(each) if each else np.zeros((0, 3), int) for each in within])

        d, own = distances(positions[f][members]), labels[members]
        told = violations(d, own, classes, margin, edges)
        for key in counts:
            counts[key].append(told[key])
        for key, column in zip(("code", "violating", "eligible"), told["pairs"], strict=True):
            pair[key].append(column)
        pair["offset"].append(pair["offset"][-1] + len(told["pairs"][0]))
        now = np.where(own[:, None] != own[None], d, np.inf).argmin(1)
        if f:
            turnover[f] = np.mean(now != nearest)
        nearest = now
        for s, name in enumerate(CHURNING):
            pick = picks(d, own, name, margin, rng)[:, 2]
            changed = pick != before.get(name, pick)
            if f:
                churn[s, f] = changed.mean()
            start = np.where(changed, step, since.get(name, np.full(len(pick), step)))
            before[name], since[name] = pick, start
            chosen = pick >= 0
            held[s, f] = np.median(step - start[chosen]) if chosen.any() else np.nan

    who: tuple[list, list, list] = ([0], [], [])
    hub: tuple[list, list, list] = ([0], [], [])
    for s in range(len(recorded)):
        for f in range(len(frames)):
            triplets = heard[f][s]
            sparse(*who, list(labels[triplets[:, 0]] * classes + labels[triplets[:, 2]]))
            sparse(*hub, list(triplets[:, 2]))
    joined = {
        "plane_exponent": ("i32", plane["exponent"]),
        "plane_offset": ("i32", plane["offset"]),
        "plane_cell": ("u16", np.concatenate(plane["cell"])),
        "plane_count": ("i32", np.concatenate(plane["count"])),
        "pick_offset": ("i32", taken["offset"]),
        "pick_strategy": ("u8", np.concatenate(taken["strategy"])),
        "pick_dap": ("f32", np.concatenate(taken["dap"])),
        "pick_dan": ("f32", np.concatenate(taken["dan"])),
        "pick_row": ("i32", np.concatenate(taken["row"])),
        "class_eligible": ("i32", counts["eligible"][0]),
        "class_violating": ("i32", np.concatenate(counts["violating"])),
        "class_hard": ("i32", np.concatenate(counts["hard"])),
        "pair_offset": ("i32", pair["offset"]),
        "pair_code": ("i32", np.concatenate(pair["code"])),
        "pair_violating": ("i32", np.concatenate(pair["violating"])),
        "pair_eligible": ("i32", np.concatenate(pair["eligible"])),
        "gap_counts": ("i32", np.concatenate(counts["gaps"])),
        "who_offset": ("i32", who[0]),
        "who_code": ("i32", np.concatenate(who[1])),
        "who_count": ("i32", np.concatenate(who[2])),
        "hub_offset": ("i32", hub[0]),
        "hub_row": ("i32", np.concatenate(hub[1])),
        "hub_count": ("i32", np.concatenate(hub[2])),
        "turnover": ("f32", turnover),
        "churn": ("f32", churn.reshape(-1)),
        "held": ("f32", held.reshape(-1)),
    }
    each = int(np.bincount(labels[members]).max())
    header = {
        "version": 1,
        "kind": "aside",
        "digest": digest,
        "frames": frames,
        "class_names": names,
        "classes": classes,
        "margin": margin,
        "cohort_title": f"{len(members)} probe samples, {each} of each class, the same at every frame",
        "strategies": recorded,
        "churn_strategies": list(CHURNING),
        "gap_edges": [float(edge) for edge in edges],
        "hubs_exact": True,
        "findings": findings(strategy, margin, last_step),
        "checked": ["Loss stuck at the margin", "Collapse", "Biggest turnover of picks"],
        "unchecked": {"Nothing left to mine": "the run counts no mined triplets"},
        "closing_has_no_batch": True,
        "left_out": [],
        "notes": ["the picks of step 12 are damaged"] if strategy == "batch-hard" else [],
    }
    return join(header, joined)


def findings(strategy: str, margin: float, last_step: int) -> list[dict]:
    """What a doctor might say of such a run."""
    turnover = {
        "rule": "turnover",
        "title": "Biggest change of rivals",
        "step": 3,
        "until": None,
        "severity": "note",
        "evidence": "Between steps 2 and 3, 46% of the cohort changed its nearest negative.",
        "remedy": "Nothing to mend: early frames lie close together, and the space is still being laid out.",
        "numbers": {"share": 0.46},
    }
    if strategy != "batch-hard":
        return [turnover]
    return [
        {
            "rule": "spread",
            "title": "The embedding shrinks",
            "step": 7,
            "until": 118,
            "severity": "problem",
            "evidence": f"From step 7 to 118 the mean distance stayed below a quarter of the margin {margin:g}.",
            "remedy": "Start with semi-hard negatives, or lower the learning rate until the spread grows.",
            "numbers": {"lowest": 0.04},
        },
        {
            "rule": "stuck",
            "title": "The loss stands still at the margin",
            "step": 9,
            "until": last_step,
            "severity": "warning",
            "evidence": f"From step 9 on the loss is within 5% of the margin {margin:g}.",
            "remedy": "Train on semi-hard negatives first.",
            "numbers": {"share": 0.97},
        },
        turnover,
    ]


def join(header: dict, arrays: dict) -> bytes:
    """u32 header length, JSON header, sections padded to four bytes."""
    types = {"f32": "<f4", "i32": "<i4", "u16": "<u2", "u8": "u1"}
    body, sections = b"", {}
    for name, (dtype, values) in arrays.items():
        array = np.asarray(values).astype(types[dtype])
        sections[name] = {"offset": len(body), "dtype": dtype, "shape": list(array.shape)}
        body += array.tobytes() + b"\0" * (-array.nbytes % 4)
    text = json.dumps({**header, "sections": sections}).encode()
    text += b" " * (-(4 + len(text)) % 4)
    return struct.pack("<I", len(text)) + text + body
