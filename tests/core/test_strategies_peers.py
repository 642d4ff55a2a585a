"""Equal to pytorch-metric-learning where the definitions agree, and a written line where they do not."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from tests.core.batches import distinct_batch

from tripletscope import dialects, strategies
from tripletscope.batch import Batch
from tripletscope.distances import pairwise
from tripletscope.losses import triplet_margin_loss
from tripletscope.testing import example_batches, unit_points
from tripletscope.triplets import count_zones, zone_ranks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_metric_learning import miners
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils import loss_and_miner_utils

pytestmark = pytest.mark.peers

SHAPES = [(2, 2), (4, 4), (16, 4), (8, 16), (3, 30)]


def plain() -> LpDistance:
    """Their Euclidean distance, without their default normalisation: our points are unit vectors already."""
    return LpDistance(normalize_embeddings=False, p=2)


def double_batch(classes: int, samples: int, dim: int = 16, spread: float = 0.6) -> Batch:
    """In double precision: their distances come from another formula, and here no order hangs on its last digits."""
    points, labels = unit_points(classes, samples, dim=dim, spread=spread, seed=classes)
    return Batch.from_embeddings(torch.nn.functional.normalize(points.double(), dim=1), labels)


def theirs(miner: torch.nn.Module, batch: Batch) -> set[tuple[int, int, int]]:
    assert batch.embeddings is not None
    found = [slots.tolist() for slots in miner(batch.embeddings, batch.labels)]
    if len(found) == 4:  # pairs of pairs: (anchor, positive, the same anchor, negative)
        assert found[0] == found[2]
        del found[2]
    return set(zip(*found, strict=True))


def ours(name: str, batch: Batch) -> set[tuple[int, int, int]]:
    return strategies.get(name).pick(batch, margin=0.2).to_set()


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_hard_is_batch_hard_miner(shape: tuple[int, int]) -> None:
    batch = double_batch(*shape)
    assert ours("batch-hard", batch) == theirs(miners.BatchHardMiner(distance=plain()), batch)


@pytest.mark.parametrize("title", ["uneven classes", "one class", "every class once"])
def test_batch_hard_drops_the_same_anchors(title: str) -> None:
    batch = example_batches()[title]
    assert ours("batch-hard", batch) == theirs(miners.BatchHardMiner(distance=plain()), batch)


@pytest.mark.parametrize("shape", SHAPES)
def test_easy_positive_is_batch_easy_hard_miner(shape: tuple[int, int]) -> None:
    batch = double_batch(*shape)
    miner = miners.BatchEasyHardMiner(pos_strategy="easy", neg_strategy="hard", distance=plain())
    assert ours("easy-positive", batch) == theirs(miner, batch)


@pytest.mark.parametrize("shape", SHAPES)
def test_easy_positive_semi_hard_is_the_default_of_batch_easy_hard_miner(shape: tuple[int, int]) -> None:
    batch = double_batch(*shape)
    assert ours("easy-positive-semi-hard", batch) == theirs(miners.BatchEasyHardMiner(distance=plain()), batch)


@pytest.mark.parametrize("negative", ["easy", "hard", "semihard"])
@pytest.mark.parametrize("positive", ["easy", "hard"])
def test_compositions_are_batch_easy_hard_miner(positive: str, negative: str) -> None:
    of_positive = {"easy": "anchor:nearest", "hard": "anchor:farthest"}
    of_negative = {"easy": "farthest", "hard": "nearest", "semihard": "nearest, lower:positive"}
    for shape in SHAPES:
        batch = double_batch(*shape)
        miner = miners.BatchEasyHardMiner(positive, negative, distance=plain())
        assert ours(f"{of_positive[positive]}, negative:{of_negative[negative]}", batch) == theirs(miner, batch)


def crossed(miner: torch.nn.Module, batch: Batch) -> set[tuple[int, int, int]]:
    """Their kept pairs as triplets: every kept positive of an anchor with every kept negative."""
    a, p, other, n = (slots.tolist() for slots in miner(batch.embeddings, batch.labels))
    return {(x, y, z) for x, y in zip(a, p, strict=True) for w, z in zip(other, n, strict=True) if w == x}


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_multi_similarity_is_multi_similarity_miner(shape: tuple[int, int], epsilon: float) -> None:
    points = double_batch(*shape)
    batch = Batch.from_embeddings(points.embeddings, points.labels, "cosine")
    found = strategies.get("multi-similarity").pick(batch, margin=0.2, epsilon=epsilon).to_set()
    assert found == crossed(miners.MultiSimilarityMiner(epsilon=epsilon), batch)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(4, 4), (16, 4), (8, 16)])
def test_hard_aware_is_hdc_miner(shape: tuple[int, int], share: float) -> None:
    # Both directions of a pair are equally far; these sizes and shares cut between pairs, not inside of one.
    batch = double_batch(*shape)
    found = strategies.get("hard-aware").pick(batch, margin=0.2, share=share).to_set()
    assert found == crossed(miners.HDCMiner(filter_percentage=share, distance=plain()), batch)


@pytest.mark.parametrize("angle", [20.0, 40.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_angular_is_angular_miner(shape: tuple[int, int], angle: float) -> None:
    batch = double_batch(*shape)
    found = strategies.get("angular").pick(batch, margin=0.2, angle=angle).to_set()
    assert found == theirs(miners.AngularMiner(angle=angle), batch)


def test_n_pair_has_the_pairs_of_n_pairs_loss() -> None:
    batch = double_batch(6, 3)
    pairs = loss_and_miner_utils.convert_to_pos_pairs_with_unique_labels(None, batch.labels)
    anchor, positive = (slots.tolist() for slots in pairs)
    chosen = list(zip(anchor, positive, strict=True))
    assert ours("n-pair", batch) == {(a, p, other) for a, p in chosen for _, other in chosen if other != p}


def test_lifted_weights_are_the_slope_of_the_lifted_loss() -> None:
    # Their loss squares J and sums; a pair's J is what is left when its batch has that pair alone.
    points, labels = unit_points(4, 2, dim=6, seed=2)
    distances = pairwise(points.double()).requires_grad_()
    batch = Batch(distances, labels)
    picks = strategies.get("lifted").pick(batch, margin=0.2)
    slope = torch.zeros_like(distances)
    for a, p in zip(*(slots.tolist() for slots in batch.pairs), strict=True):
        ends = [1.0 - distances[end][batch.negative_mask[end]] for end in (a, p)]
        (of_pair,) = torch.autograd.grad(torch.logsumexp(torch.cat(ends), 0), distances, retain_graph=True)
        slope[a] += of_pair[a]
    found = torch.zeros_like(distances).index_put_((picks.anchor, picks.negative), picks.weight, accumulate=True)
    torch.testing.assert_close(found, -slope)


def test_semi_hard_of_sentence_transformers_is_a_composition() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")

    batch, margin = double_batch(8, 4), 0.3
    euclidean = losses.BatchHardTripletLossDistanceFunction.eucledian_distance
    loss = losses.BatchSemiHardTripletLoss(None, distance_metric=euclidean, margin=margin)
    composed = strategies.get("pair:all, negative:nearest, lower:positive, fallback:farthest")
    mine = triplet_margin_loss(batch.distances, composed.pick(batch, margin=margin), margin)
    torch.testing.assert_close(
        mine, loss.batch_semi_hard_triplet_loss(batch.labels, batch.embeddings), atol=1e-5, rtol=1e-5
    )


# ---- dialects: the records of what these libraries do ---------------------------------------------------------------


def of_miner(name: str) -> torch.nn.Module:
    """The miner that a dialect of theirs is about."""
    kinds = {"semi-hard": "semihard", "hardest": "hard", "batch-all": "all", "easy": "easy"}
    word = name.removeprefix("pytorch-metric-learning-")
    if word in kinds:
        return miners.TripletMarginMiner(margin=0.2, type_of_triplets=kinds[word], distance=plain())
    return {"batch-hard": miners.BatchHardMiner, "easy-hard": miners.BatchEasyHardMiner}[word](distance=plain())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [one.name for one in dialects.all() if one.library == "pytorch-metric-learning"])
def test_a_dialect_picks_what_its_miner_picks(name: str, seed: int) -> None:
    for classes, samples in SHAPES[:4]:
        points, labels = unit_points(classes, samples, dim=5, spread=1.0, seed=seed)
        labels[0] = 99  # one class is short of a sample, and one has a single one
        batch = dialects.get(name).batch(torch.nn.functional.normalize(points.double(), dim=1), labels)
        assert dialects.get(name).pick(batch, margin=0.2).to_set() == theirs(of_miner(name), batch)


def test_where_a_gap_is_the_margin_their_dialect_takes_it() -> None:
    batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1]))
    for kind, word in (("semihard", "semi-hard"), ("easy", "easy"), ("all", "batch-all")):
        miner = miners.TripletMarginMiner(margin=0.5, type_of_triplets=kind, distance=plain())
        picks = dialects.get(f"pytorch-metric-learning-{word}").pick(batch, margin=0.5)
        assert picks.to_set() == theirs(miner, batch), kind


def their_loss(word: str, margin: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A loss of sentence-transformers as a function of the distances themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    kinds = {"semi-hard": "SemiHard", "batch-hard": "Hard", "batch-all": "All"}
    made = getattr(losses, f"Batch{kinds[word]}TripletLoss")(None, distance_metric=lambda rows: rows, margin=margin)
    return lambda distances, labels: made.compute_loss_from_embeddings([distances], labels)


@pytest.mark.parametrize("margin", [0.2, 5.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("word", ["semi-hard", "batch-hard", "batch-all"])
def test_a_dialect_is_the_loss_and_the_slope_of_sentence_transformers(word: str, seed: int, margin: float) -> None:
    """The slope of a loss in the distances is +1 for each d(a,p) and -1 for each d(a,n): it names the triplets."""
    points, labels = unit_points(5, 4, dim=4, spread=1.0, seed=seed)
    labels[0] = 99
    distances = pairwise(torch.nn.functional.normalize(points.double(), dim=1)).requires_grad_()
    batch = Batch(distances, labels)
    picks = dialects.get(f"sentence-transformers-{word}").pick(batch, margin=margin)
    terms = (distances[picks.anchor, picks.positive] - distances[picks.anchor, picks.negative] + margin).relu()
    # What each of them divides by: pairs, anchors, triplets with a loss.
    count = {"semi-hard": batch.n_pairs, "batch-hard": batch.size, "batch-all": int((terms > 0).sum())}[word]
    assert len(picks) == (batch.n_pairs if word == "semi-hard" else batch.size) or word == "batch-all"
    ours = terms.sum() / count
    other = their_loss(word, margin)(distances, labels)
    torch.testing.assert_close(ours, other, atol=1e-6, rtol=1e-6)  # they count in float32
    (mine,) = torch.autograd.grad(ours, distances)
    (slope,) = torch.autograd.grad(other, distances)
    off = ~torch.eye(batch.size, dtype=torch.bool)  # an anchor as its own positive is the number 0 there
    torch.testing.assert_close(mine[off], slope[off], atol=1e-6, rtol=1e-5)


def their_count(kind: str, batch: Batch, margin: float) -> int:
    return len(theirs(miners.TripletMarginMiner(margin=margin, type_of_triplets=kind, distance=plain()), batch))


@pytest.mark.parametrize("margin", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_zone_counts_are_those_of_triplet_margin_miner(shape: tuple[int, int], margin: float) -> None:
    # They draw the line at gap <= margin, we at gap < margin. No gap of these batches equals the margin (the last
    # assertion), so "all" is our violating, "semihard" our semi-hard and "easy" our easy.
    batch = double_batch(*shape)
    found = count_zones(batch, margin)
    assert their_count("hard", batch, margin) == found.hard
    assert their_count("semihard", batch, margin) == found.semi_hard
    assert their_count("all", batch, margin) == found.violating
    assert their_count("easy", batch, margin) == found.easy
    assert found.violating == int(zone_ranks(batch, margin + 1e-9)[1].sum())


def test_a_gap_of_exactly_the_margin_is_violating_there_and_easy_here() -> None:
    batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1]))
    assert their_count("semihard", batch, 0.5) == 1
    assert count_zones(batch, 0.5).semi_hard == 0
    assert count_zones(batch, 0.5).easy == 1
    assert ours("semi-hard", batch) == set()


def test_semi_hard_is_the_nearest_of_their_band() -> None:
    # TripletMarginMiner("semihard") gives the whole band; we take the nearest of it for every anchor and positive.
    batch = double_batch(8, 4)
    nearest: dict[tuple[int, int], int] = {}
    band = theirs(miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=plain()), batch)
    for a, p, n in sorted(band, key=lambda pick: float(batch.distances[pick[0], pick[2]])):
        nearest.setdefault((a, p), n)
    assert ours("semi-hard", batch) == {(a, p, n) for (a, p), n in nearest.items()}


class Unclamped(LpDistance):
    """Their distance, with our numbers, so that weights and not distances are compared."""

    def compute_mat(self, query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return pairwise(query)


def their_weights(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The rows that DistanceWeightedMiner hands to its draw, by anchor."""
    from pytorch_metric_learning.utils import loss_and_miner_utils as utils

    seen: list[torch.Tensor] = []
    draw = utils.get_random_triplet_indices

    def listen(labels: torch.Tensor, ref_labels: object = None, t_per_anchor: object = None, weights: object = None):
        seen.append(weights)
        return draw(labels, ref_labels, t_per_anchor, weights)

    monkeypatch.setattr(utils, "get_random_triplet_indices", listen)
    distance = Unclamped(p=2)
    miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4, distance=distance)(batch.embeddings, batch.labels)
    assert len(seen) == 1
    return seen[0]


@pytest.mark.parametrize("dim", [4, 16, 64, 128])
def test_distance_weighted_has_their_weights(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two lines on where we differ. They shift all log-weights by one maximum, so rows may underflow to 0 in float32;
    # those are left out here. And they draw positives with replacement, so only the weights are compared.
    points, labels = unit_points(16, 4, dim=dim, spread=0.8, seed=dim)
    batch = Batch.from_embeddings(points, labels)
    raw = their_weights(batch, monkeypatch).masked_fill(batch.same, 0)
    total = raw.sum(dim=1, keepdim=True)
    anchor, positive = batch.pairs
    mine = strategies.get("distance-weighted").probabilities(batch, anchor, positive, margin=0.2)
    usable = (total[:, 0] > 1e-20)[anchor]
    assert float(usable.float().mean()) > 0.5
    torch.testing.assert_close(mine[usable], (raw / total)[anchor][usable], rtol=2e-3, atol=1e-6)


def test_where_their_weights_underflow_ours_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labels = unit_points(32, 4, dim=512, spread=0.3, seed=3)
    points[labels == 1] = torch.nn.functional.normalize(points[labels == 0] + 1e-3, dim=1)
    batch = Batch.from_embeddings(points, labels)
    raw = their_weights(batch, monkeypatch).masked_fill(batch.same, 0)
    assert int((raw.sum(dim=1) > 0).sum()) < 20
    anchors = strategies.get("distance-weighted").pick(batch, margin=0.2, generator=torch.Generator()).anchor
    assert len(set(anchors.tolist())) > 115


def test_distances_are_theirs() -> None:
    batch = distinct_batch(0)
    torch.testing.assert_close(batch.distances, plain()(batch.embeddings, batch.embeddings), atol=1e-6, rtol=1e-6)
