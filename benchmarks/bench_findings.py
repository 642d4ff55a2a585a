"""How well the checks find what was planted: precision and recall at three levels of noise, over five seeds.

    python benchmarks/bench_findings.py              # prints the tables of docs/results.md
    python benchmarks/bench_findings.py --write      # puts them there

Two sets that come along: the pixels of the digits (1,797 x 64, 10 classes) and the embeddings at the end of the
recorded race `emoji-32d` (396 x 32, 66 classes of 6). Suspicious labels are compared with other people's rules on
out-of-sample class probabilities of a nearest-neighbour classifier (scikit-learn): Wilson's edited nearest
neighbours, confident learning, and cleanlab itself where it is installed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

from tripletscope.analysis.probe import probe_labels
from tripletscope.datasets import load, sample_data_dir
from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.inspection import inspect_set
from tripletscope.inspection.planted import FOUND_BY, Planted, plant, score
from tripletscope.store.reader import Run

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results.md"
MARKS = ("<!-- findings: begin -->", "<!-- findings: end -->")
#: Share of wrong labels, how far copies are moved (in usual neighbour distances), how far outliers lie (likewise).
LEVELS = {"low": (0.02, 0.05, 2.5), "medium": (0.05, 0.15, 2.0), "high": (0.10, 0.30, 1.6)}
SEEDS = range(5)
#: Neighbours of the rules that we compare with: as many as ours, or as few as the smallest class needs.
K = 15


def digits() -> EmbeddingSet:
    data = load("digits")
    return EmbeddingSet(
        name="digits",
        vectors=data.features.reshape(len(data.features), -1),
        ids=np.arange(len(data.features)),
        labels=data.samples.labels,
        class_names=list(data.samples.class_names),
    )


def emoji() -> EmbeddingSet:
    run = Run.open(sample_data_dir() / "races" / "emoji-32d" / "semi-hard")
    names, labels = np.unique(np.asarray(probe_labels(run)), return_inverse=True)
    return EmbeddingSet(
        name="emoji",
        vectors=np.asarray(run.frames[max(run.frames)], np.float32),
        ids=np.arange(len(labels)),
        labels=labels,
        class_names=[str(name) for name in names],
    )


def flawed(sound: EmbeddingSet, level: str, seed: int) -> Planted:
    wrong, jitter, strength = LEVELS[level]
    few = max(3, len(sound) // 100)
    return plant(
        sound,
        wrong_labels=int(wrong * len(sound)),
        cross_duplicates=few,
        duplicates=few,
        near_duplicates=few,
        hub=1,
        outliers=few,
        leaks=few,
        jitter=jitter,
        strength=strength,
        distance="cosine",
        seed=seed,
    )


def wilson(given: EmbeddingSet) -> np.ndarray:
    """Rows whose label is not the most frequent among their nearest neighbours (edited nearest neighbours)."""
    return np.flatnonzero(np.asarray(_out_of_sample(given).argmax(axis=1) != given.labels))


def confident(given: EmbeddingSet) -> np.ndarray:
    """Confident learning (Northcutt et al. 2021, eq. 1 and 2): off the diagonal of the confident joint.

    A class is possible for a row where its probability reaches the class's mean probability over the rows that bear it;
    the row is suspicious if the most probable of the possible classes is another than its own.
    """
    shares = _out_of_sample(given)
    labels = given.labels
    limits = np.array([shares[labels == label, label].mean() for label in range(shares.shape[1])])
    possible = shares >= limits
    best = np.where(possible, shares, -1).argmax(axis=1)
    return np.flatnonzero(possible.any(axis=1) & (best != labels))


def cleanlab(given: EmbeddingSet) -> np.ndarray:
    """The find_label_issues of cleanlab, as it comes, on the same probabilities."""
    from cleanlab.filter import find_label_issues  # type: ignore[import-not-found, unused-ignore]

    shares = _out_of_sample(given)
    return np.flatnonzero(find_label_issues(given.labels, shares, n_jobs=1))


def _out_of_sample(given: EmbeddingSet) -> np.ndarray:
    """Class probabilities of each row by its nearest others (scikit-learn), in five folds."""
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    smallest = int(np.bincount(given.labels, minlength=1).min())
    model = KNeighborsClassifier(n_neighbors=max(3, min(K, smallest - 1)), metric="cosine", algorithm="brute")
    folds = KFold(5, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, given.vectors, given.labels, cv=folds, method="predict_proba"))


def rules() -> dict[str, Callable[[EmbeddingSet], np.ndarray]]:
    found = {"Wilson's editing": wilson, "confident learning": confident}
    try:
        import cleanlab as _  # type: ignore[import-not-found, unused-ignore]  # noqa: F401

        found["cleanlab"] = cleanlab
    except ImportError:
        pass
    return found


def rates(counts: np.ndarray) -> str:
    """`precision / recall` of (planted, found, right) summed over seeds."""
    planted, found, right = counts
    return f"{right / found:.2f} / {right / planted:.2f}" if found else f"- / {0:.2f}"


def tables() -> str:
    sets = [digits(), emoji()]
    lines = ["| planted | check | " + " | ".join(f"{one.name}, {level}" for one in sets for level in LEVELS) + " |"]
    lines.append("|---|---|" + "---|" * len(sets) * len(LEVELS))
    made = {(one.name, level): [flawed(one, level, seed) for seed in SEEDS] for one in sets for level in LEVELS}
    start = time.process_time()
    seen = {key: [{f.check: f for f in inspect_set(one.set).findings} for one in held] for key, held in made.items()}
    spent = time.process_time() - start
    rows = sum(len(one.set) for held in made.values() for one in held)
    for fault, check in FOUND_BY.items():
        cells = []
        for key, held in made.items():
            told = [score(one, fault, by.get(check)) for one, by in zip(held, seen[key], strict=True)]
            cells.append(rates(np.sum([(one.planted, one.found, one.right) for one in told], axis=0)))
        lines.append(f"| {fault.replace('_', ' ')} | `{check}` | " + " | ".join(cells) + " |")
    lines += ["", "| who finds wrong labels | " + " | ".join(f"{name}, {level}" for name, level in made) + " |"]
    lines.append("|---|" + "---|" * len(made))
    cells = []
    for key, held in made.items():
        told = [
            score(one, "wrong_labels", by.get("suspicious-labels")) for one, by in zip(held, seen[key], strict=True)
        ]
        cells.append(rates(np.sum([(one.planted, one.found, one.right) for one in told], axis=0)))
    lines.append("| `suspicious-labels` | " + " | ".join(cells) + " |")
    for name, rule in rules().items():
        cells = []
        for held in made.values():
            told = [score(one, "wrong_labels", rule(one.set)) for one in held]
            cells.append(rates(np.sum([(one.planted, one.found, one.right) for one in told], axis=0)))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", f"All checks over these {len(seen) * len(SEEDS)} sets ({rows:,} rows) took {spent:.1f} CPU-seconds."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    args = parser.parse_args()
    text = tables()
    print(text)
    if args.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(MARKS[0])
        PAGE.write_text(before + MARKS[0] + "\n" + text + MARKS[1] + rest.split(MARKS[1])[1], encoding="utf-8")


if __name__ == "__main__":
    main()
