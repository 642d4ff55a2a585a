"""Each check finds what was put there, says nothing where nothing is, and counts as plain loops do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.errors import DataError, SettingError, UnknownNameError
from tripletscope.inspection import CHECKS, Finding, Inspection, health, inspect, inspect_set
from tripletscope.inspection.evidence import Evidence
from tripletscope.inspection.planted import FOUND_BY, flawed_set, plant, score


def heaps(classes: int = 5, each: int = 40, dim: int = 12, apart: float = 8.0, seed: int = 0) -> EmbeddingSet:
    """Round heaps, one for each class, that stand well apart."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = rng.normal(size=(classes, dim))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    return EmbeddingSet(
        name="heaps",
        vectors=(centres[labels] + rng.normal(size=(classes * each, dim)) * 0.5).astype(np.float32),
        ids=np.arange(classes * each),
        labels=labels,
        class_names=[f"class {label}" for label in range(classes)],
    )


def changed(given: EmbeddingSet, **parts: object) -> EmbeddingSet:
    kept = {name: value for name, value in vars(given).items() if name != "digest"}
    return EmbeddingSet(**{**kept, **parts})  # type: ignore[arg-type]


def found(given: EmbeddingSet, check: str, distance: str = "euclidean") -> Finding | None:
    return next((one for one in inspect_set(given, distance=distance).findings if one.check == check), None)


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
def test_a_sound_set_is_clean_and_every_check_says_so(distance: str) -> None:
    seen = inspect_set(heaps(), distance=distance)
    assert seen.findings == ()
    assert set(seen.checked) == set(CHECKS.names())
    assert {name for name, said in seen.checked.items() if said != "none"} == {"leaks"}
    assert seen.checked["leaks"] == "could not be checked: no split column"
    assert seen.flags == {}
    assert seen.excluded == []
    assert seen.health.recall_at_1 == 1.0


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
def test_planted_faults_are_found(distance: str) -> None:
    """All of them at an easy level; the table of docs/results.md has the hard ones."""
    made = plant(
        heaps(),
        wrong_labels=4,
        cross_duplicates=3,
        duplicates=3,
        near_duplicates=3,
        outliers=2,
        leaks=3,
        jitter=0.02,
        strength=3.0,
        distance="cosine" if distance == "cosine" else "euclidean",
    )
    seen = inspect_set(made.set, distance=distance)
    by_name = {one.check: one for one in seen.findings}
    for fault in set(FOUND_BY) - {"hub"}:
        told = score(made, fault, by_name.get(FOUND_BY[fault]))
        assert told.recall == 1.0, fault
        assert told.precision == 1.0, fault
    for fault in ("wrong_labels", "cross_duplicates", "duplicates", "outliers", "leaks"):
        assert seen.excluded_mask[made.truth[fault]].all(), fault


def test_the_flawed_set_that_comes_along_is_found_out() -> None:
    made = flawed_set()
    by_name = {one.check: one for one in inspect_set(made.set).findings}
    for fault, check in FOUND_BY.items():
        told = score(made, fault, by_name.get(check))
        assert told.recall >= 0.95, fault
        assert told.precision >= 0.85, fault


def test_a_wrong_label_is_seen_and_its_rival_named() -> None:
    given = heaps()
    labels = given.labels.copy()
    labels[7] = 3
    finding = found(changed(given, labels=labels), "suspicious-labels")
    assert finding is not None
    assert finding.rows.tolist() == [7]
    assert given.labels[finding.others[0]] == 0, "the example beside it is of the class that the vote is for"
    assert finding.scores.tolist() == [1.0]
    assert "labelled class 3; 100% of the votes say class 0" in finding.examples[0].text


def test_votes_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(-1, 3, 70)
    given = EmbeddingSet(
        name="noise",
        vectors=rng.normal(size=(70, 3)).astype(np.float32),
        ids=np.arange(70),
        labels=labels,
        class_names=["a", "b", "c"],
    )
    seen = Evidence(given, "euclidean")
    own, best, rival = seen.votes
    for row in range(70):
        votes, rank = {}, 0
        for neighbour in seen.graph.index[row]:
            label = int(labels[neighbour])
            if label >= 0:
                rank += 1
                votes[label] = votes.get(label, 0.0) + 1 / rank
        total = sum(votes.values())
        others = {label: held / total for label, held in votes.items() if label != labels[row]}
        assert own[row] == pytest.approx(votes.get(int(labels[row]), 0.0) / total)
        assert best[row] == pytest.approx(max(others.values(), default=0.0))
        assert rival[row] == (max(others, key=lambda label: others[label]) if others else -1)


def test_copies_have_no_vote() -> None:
    """Four copies under one wrong label must not confirm each other."""
    given = heaps(classes=3)
    vectors, labels = given.vectors.copy(), given.labels.copy()
    vectors[:4] = vectors[0]
    labels[:4] = 2
    finding = found(changed(given, vectors=vectors, labels=labels), "suspicious-labels")
    assert finding is not None
    assert sorted(finding.rows.tolist()) == [0, 1, 2, 3]


def test_cross_class_duplicates_name_both_rows_once() -> None:
    given = heaps()
    vectors = given.vectors.copy()
    vectors[100] = vectors[10] + 1e-4
    finding = found(changed(given, vectors=vectors), "cross-class-duplicates")
    assert finding is not None
    assert finding.count == 1
    assert sorted(finding.rows.tolist()) == [10, 100]
    assert sorted(finding.exclude.tolist()) == [10, 100]
    assert dict(zip(finding.rows.tolist(), finding.others.tolist(), strict=True)) == {10: 100, 100: 10}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_what_is_near_follows_the_scale_of_the_set(scale: float) -> None:
    made = plant(heaps(), cross_duplicates=4, near_duplicates=4, jitter=0.02)
    scaled = changed(made.set, vectors=(made.set.vectors * scale).astype(np.float32))
    before, after = inspect_set(made.set, distance="euclidean"), inspect_set(scaled, distance="euclidean")
    assert after.health.near == pytest.approx(before.health.near * scale, rel=1e-3)
    assert [sorted(one.rows) for one in after.findings] == [sorted(one.rows) for one in before.findings]


def test_chance_gives_no_near_duplicates() -> None:
    """Even noise in few and in many dimensions: about one pair in a whole set may be called near."""
    for dim in (2, 5, 20):
        given = EmbeddingSet(
            name="noise",
            vectors=np.random.default_rng(dim).normal(size=(800, dim)).astype(np.float32),
            ids=np.arange(800),
            labels=np.arange(800) % 4,
            class_names=list("abcd"),
        )
        assert len(Evidence(given, "euclidean").near_pairs[0]) <= 3, dim


def test_intrinsic_dimension_is_that_of_the_noise() -> None:
    flat = np.zeros((1500, 30), np.float32)
    flat[:, :4] = np.random.default_rng(0).uniform(size=(1500, 4))
    given = EmbeddingSet(name="flat", vectors=flat, ids=np.arange(1500), labels=np.zeros(1500, int), class_names=["a"])
    assert Evidence(given, "euclidean").dimension == pytest.approx(4, abs=0.8)


def test_exact_duplicates_keep_the_first_and_know_minus_zero() -> None:
    given = heaps(classes=2)
    vectors = given.vectors.copy()
    vectors[3, 0], vectors[5] = 0.0, vectors[3]
    vectors[5, 0], vectors[9] = -0.0, vectors[3]
    vectors[9, 0] = 0.0
    finding = found(changed(given, vectors=vectors), "exact-duplicates")
    assert finding is not None
    assert sorted(finding.rows.tolist()) == [5, 9]
    assert finding.others.tolist() == [3, 3]
    assert sorted(finding.exclude.tolist()) == [5, 9]


def test_a_hub_is_the_nearest_negative_of_many() -> None:
    given = heaps()
    labels = np.append(given.labels, 4)
    vectors = np.append(given.vectors, given.vectors[given.labels < 2].mean(axis=0, keepdims=True), axis=0)
    flawed = changed(given, vectors=vectors, labels=labels, ids=np.arange(len(labels)), rows=np.arange(len(labels)))
    finding = found(flawed, "hubs")
    assert finding is not None
    assert finding.rows[0] == 200
    graph = Evidence(flawed, "euclidean").graph
    assert finding.numbers["largest"] == int((graph.negative == 200).sum())
    assert 200 in finding.exclude.tolist()


def test_even_picking_counts_the_rows_that_an_anchor_may_take() -> None:
    """Two classes, 300 against 30: each row of the small one gets ten anchors by even picking, and a hub a hundred."""
    rng = np.random.default_rng(0)
    given = EmbeddingSet(
        name="skewed",
        vectors=rng.normal(size=(330, 12)).astype(np.float32),
        ids=np.arange(330),
        labels=(np.arange(330) >= 300).astype(np.int32),
        class_names=["many", "few"],
    )
    taken = np.bincount(Evidence(given, "euclidean").graph.negative, minlength=330)
    finding = found(given, "hubs")
    assert all(taken[row] >= (100 if row >= 300 else 10) for row in (finding.rows.tolist() if finding else []))
    assert (taken[300:] >= 10).sum() > (len(finding.rows) if finding else 0)


def test_the_edge_of_a_heap_is_no_hub() -> None:
    """Its outermost row is the nearest negative of the whole heap beside it, and nothing is wrong with it."""
    given = heaps()
    assert np.bincount(Evidence(given, "euclidean").graph.negative).max() >= 20
    assert found(given, "hubs") is None


def test_confusable_classes_are_directed() -> None:
    """The rows of A lie inside the wide heap of B; B's own rows are mostly nearer to each other."""
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(200, 3))
    inside = rng.normal(size=(8, 3))
    far = rng.normal(size=(60, 3)) + 40
    given = EmbeddingSet(
        name="nested",
        vectors=np.concatenate([wide, inside, far]).astype(np.float32),
        ids=np.arange(268),
        labels=np.repeat([0, 1, 2], [200, 8, 60]),
        class_names=["B", "A", "far"],
    )
    finding = found(given, "confusable-classes")
    assert finding is not None
    graph = Evidence(given, "euclidean").graph
    assert (finding.numbers["from"], finding.numbers["to"]) == ("A", "B")
    assert finding.numbers["share"] == pytest.approx((graph.negative[200:208] < 200).mean())
    overlap = (graph.d_negative[200:208] <= graph.d_same[200:208]).mean()
    assert finding.numbers["overlap"] == pytest.approx(overlap)
    assert finding.count == 1


def test_a_class_in_two_places_is_split_only_with_others_between() -> None:
    given = heaps(classes=4)
    labels = given.labels.copy()
    labels[labels == 3] = 2  # two heaps under one name
    between = np.random.default_rng(1).normal(size=(40, 12)) * 0.5
    middle = (given.vectors[80:120].mean(axis=0) + given.vectors[120:160].mean(axis=0)) / 2
    vectors = given.vectors.copy()
    assert found(changed(given, labels=labels), "split-classes") is not None
    vectors[:80] += 1000.0  # nobody near: the two heaps are each other's nearest
    assert found(changed(given, labels=labels, vectors=vectors), "split-classes") is None
    vectors[:40] = middle + between
    finding = found(changed(given, labels=labels, vectors=vectors), "split-classes")
    assert finding is not None
    assert finding.count == 1
    assert set(finding.rows.tolist()) in (set(range(80, 120)), set(range(120, 160)))


def test_hard_positives_are_alone_among_mixed_strangers() -> None:
    given = heaps(classes=6)
    vectors = given.vectors.copy()
    vectors[0] = np.stack([vectors[given.labels == label].mean(axis=0) for label in range(1, 6)]).mean(axis=0)
    finding = found(changed(given, vectors=vectors), "hard-positives")
    assert finding is not None
    assert finding.rows.tolist() == [0]
    assert given.labels[finding.others[0]] == 0


def test_leaks_are_told_of_the_smaller_split() -> None:
    given = heaps()
    vectors = given.vectors.copy()
    vectors[10], vectors[50] = vectors[11], vectors[51] + 1e-5
    splits = np.zeros(200, np.int32)
    splits[[11, 50, 90, 91]] = 1
    finding = found(changed(given, vectors=vectors, splits=splits, split_names=["train", "test"]), "leaks")
    assert finding is not None
    assert sorted(finding.rows.tolist()) == [11, 50]
    assert finding.numbers["exact"] == 1


def test_classes_of_one_and_rows_without_labels() -> None:
    given = heaps()
    labels = given.labels.copy()
    labels[0], labels[1] = 5, -1
    names = [*given.class_names, "lonely"]
    flawed = changed(given, labels=labels, class_names=names)
    finding = found(flawed, "no-anchors")
    assert finding is not None
    assert finding.rows.tolist() == [0]
    told = health(flawed, "euclidean")
    assert told.singletons == ("lonely",)
    assert told.unlabelled == 1
    assert any("1 rows have no label" in one or "1 row has no label" in one for one in told.warnings)


def test_zero_rows_and_odd_lengths() -> None:
    given = heaps()
    vectors = given.vectors.copy()
    vectors[4] = 0
    vectors[8] *= 100
    finding = found(changed(given, vectors=vectors), "odd-norms", "cosine")
    assert finding is not None
    assert finding.rows.tolist() == [4, 8]
    assert finding.exclude.tolist() == [4]
    assert finding.severity == "problem"
    told = health(changed(given, vectors=vectors))
    assert told.zeros == 1
    assert any("no direction" in one for one in told.warnings)


def test_effective_rank_and_anisotropy_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(300, 20)) * np.linspace(0.2, 2, 20) + 1).astype(np.float32)
    given = EmbeddingSet(name="x", vectors=vectors, ids=np.arange(300), labels=np.zeros(300, int), class_names=["a"])
    seen = Evidence(given, "euclidean")
    values = np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64)))
    assert seen.effective_rank == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-6)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (units @ units.T)[~np.eye(300, dtype=bool)]
    assert seen.mean_cosine == pytest.approx(cosines.mean(), rel=1e-4)


def test_few_directions() -> None:
    rng = np.random.default_rng(0)
    vectors = np.outer(rng.normal(size=200), rng.normal(size=64)) + 1e-3 * rng.normal(size=(200, 64))
    finding = next(
        one for one in inspect(vectors, np.arange(200) % 2, distance="euclidean").findings if one.unit == "set"
    )
    assert finding.check == "few-directions"
    assert finding.numbers["effective_rank"] == pytest.approx(1.0, abs=0.01)


def test_recall_at_1_equals_the_metric() -> None:
    from tripletscope.metrics import retrieval

    rng = np.random.default_rng(5)
    vectors, labels = rng.normal(size=(150, 6)).astype(np.float32), rng.integers(0, 12, 150)
    for distance in ("euclidean", "cosine"):
        told = inspect(vectors, labels, distance=distance).health
        assert told.recall_at_1 == pytest.approx(retrieval(vectors, labels, distance, ks=(1,))["recall_at_1"])


def test_a_collapsed_set_scores_about_chance() -> None:
    told = inspect(np.ones((120, 4)), np.random.default_rng(0).integers(0, 4, 120), distance="euclidean").health
    assert told.recall_at_1 is not None
    assert told.chance is not None
    assert told.recall_at_1 == pytest.approx(told.chance, abs=0.12)
    assert told.effective_rank == 0.0


# ---- the door


def small() -> Inspection:
    vectors = np.random.default_rng(0).normal(size=(40, 4))
    vectors[3, 1], vectors[9] = np.nan, np.inf
    return inspect(vectors, ["x"] * 20 + [None] * 20, [f"row {place}" for place in range(40)])


def test_rows_that_are_not_finite_are_listed() -> None:
    seen = small()
    assert seen.health.rows == 40
    assert seen.health.rows_used == 38
    assert [row for row, _ in seen.health.dropped] == [3, 9]
    assert seen.health.dropped_by_reason == {"holds NaN": 1, "holds a number beyond float32": 1}
    assert "suspicious-labels" in seen.checked
    assert seen.checked["suspicious-labels"] == "could not be checked: only one class"


def test_the_dictionary_is_json_and_has_the_named_keys() -> None:
    told = json.loads(json.dumps(small().to_dict()))
    assert {"rows", "dims", "classes", "rows_used", "rows_dropped", "warnings", "recall_at_1", "findings"} <= set(told)
    made = flawed_set()
    whole = inspect_set(made.set).to_dict()
    json.dumps(whole, allow_nan=False)
    ids = set(made.set.ids.tolist())
    for finding in whole["findings"]:
        assert {row["id"] for row in finding["rows"]} <= ids
        scores = [row["score"] for row in finding["rows"]]
        assert scores == sorted(scores, reverse=True)
        assert len(finding["examples"]) <= 6


def test_flags_are_names_of_checks_joined() -> None:
    made = plant(heaps(), cross_duplicates=2, jitter=0.02)
    seen = inspect_set(made.set, distance="euclidean")
    copy = made.set.id_of(200)
    assert seen.flags[copy].split(";")[0] == "cross-class-duplicates"
    assert "suspicious-labels" in seen.flags[copy].split(";")
    assert set(seen.excluded) <= set(seen.flags)


def test_the_same_input_gives_the_same_bytes() -> None:
    made = flawed_set()
    assert json.dumps(inspect_set(made.set).to_dict()) == json.dumps(inspect_set(made.set).to_dict())


def test_larger_sets_are_sampled_and_say_so() -> None:
    seen = inspect_set(heaps(), largest=120)
    assert seen.health.rows_used == 120
    assert seen.health.rows == 200
    assert any("120 of 200 rows" in one for one in seen.health.warnings)


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (np.zeros((0, 4)), [], "no embedding to look at"),
        (np.zeros((4, 0)), [0, 0, 1, 1], "no embedding to look at"),
        (np.zeros(4), [0] * 4, "shape 4"),
        (np.zeros((2, 2, 2)), [0] * 2, "shape 2 x 2 x 2"),
        ([["a", "b"]], ["x"], "no table of numbers"),
        ([[1.0], [1.0, 2.0]], ["x", "y"], "no table of numbers"),
        (np.zeros((3, 2)), [0, 1], "3 embeddings but 2 labels"),
        (np.full((3, 2), np.nan), [0, 1, 1], "no embedding to look at"),
        (np.zeros((2, 2)), [[0], [1]], "no single value"),
        (np.zeros((2, 2)), np.zeros((2, 1)), "no plain list"),
        (np.zeros((2, 2)), "ab", "no plain list"),
    ],
)
def test_what_cannot_be_looked_at_is_one_sentence(vectors: object, labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        inspect(vectors, labels)
    assert str(refused.value).endswith(".")


def test_odd_sets_give_no_traceback() -> None:
    for count in (1, 2, 3, 16):
        for labels in ([0] * count, list(range(count)), [None] * count):
            for fill in (0.0, 1.0, 3e38, 1e-42):
                inspect(np.full((count, 3), fill), labels, distance="euclidean")
                inspect(np.full((count, 3), fill), labels, distance="cosine")


def test_an_unknown_distance_and_too_many_faults() -> None:
    with pytest.raises(UnknownNameError, match="manhattan"):
        inspect(np.zeros((3, 2)), [0, 0, 1], distance="manhattan")
    with pytest.raises(SettingError, match="cannot be planted"):
        plant(heaps(), wrong_labels=300)


def test_checks_describe_themselves() -> None:
    for check in CHECKS:
        told = check.describe()
        assert told["looks_for"].endswith(".")
        assert told["source"]
        for threshold in told["thresholds"]:
            assert threshold["reason"]


def test_tensors_and_missing_labels_are_read() -> None:
    import torch

    vectors = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(30) % 3
    seen = inspect(vectors, labels, torch.arange(30) + 100)
    assert seen.set.ids[0] == 100
    assert seen.health.classes == 3
    told = inspect(vectors, [None if place < 3 else float("nan") if place < 5 else place % 2 for place in range(30)])
    assert told.health.unlabelled == 5


def test_names_that_look_alike_stay_apart() -> None:
    seen = inspect(np.eye(6), ["7", "007", "7.0", "7", "007", "7.0"])
    assert seen.health.classes == 3
