"""A batch as the strategies see it: distances, labels, and whatever several of them need, computed once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tripletscope.distances import DISTANCES, is_unit_norm, pairwise
from tripletscope.errors import DataError, SettingError
from tripletscope.rows import first_smallest

# Work on pairs x batch goes in blocks of this many entries: small enough for the caches, large enough for torch.
BLOCK = 2**18


class _Groups:
    """Who shares a label with whom, as O(pairs) small integers, for which NumPy starts faster than torch."""

    def __init__(self, labels: np.ndarray) -> None:
        count = len(labels)
        self.in_order = labels.argsort(kind="stable")
        ordered = labels[self.in_order]
        begins = np.empty(count + 1, dtype=bool)  # of a class, in order; and of what follows the last
        begins[:1] = begins[count:] = True
        np.not_equal(ordered[1:], ordered[:-1], out=begins[1:count])
        edges = begins.nonzero()[0] if count else np.zeros(1, np.int64)
        counts = edges[1:] - edges[:-1]
        everyone = np.arange(count)
        self.start, self.size, place = (np.empty_like(self.in_order) for _ in range(3))
        starts = edges[:-1].repeat(counts)
        self.start[self.in_order] = starts
        self.size[self.in_order] = counts.repeat(counts)
        place[self.in_order] = everyone - starts
        positives = self.size - 1
        self.most_positives = int(positives.max(initial=0))
        self.ragged = bool((positives != self.most_positives).any())
        self.one_class = bool((self.size == count).any())
        self.anchor = everyone.repeat(positives)
        self.column = np.arange(len(self.anchor)) - (positives.cumsum() - positives).repeat(positives)
        step = self.column + (self.column >= place[self.anchor])  # the anchor is no positive of its own
        self.positive = self.in_order[self.start[self.anchor] + step]
        self.entry = self.anchor * count + self.positive  # where a pair is in the matrix, read row by row


# What a batch's labels alone decide; batches of the same labels share it.
OF_LABELS = (
    *("same", "positive_mask", "negative_mask", "_groups", "by_class", "class_start", "class_size", "positive_count"),
    *("negative_count", "has_positive", "has_negative", "pairs", "pair_column", "positive_slots"),
)


class Batch:
    """Distances and labels of one batch, with masks, neighbours and sorted rows that are computed when first asked.

    All strategies of a step share one, so eight strategies pay for one set of masks. Nothing here is written to
    after it was computed; treat every tensor as read-only. A sample is named by its slot, its place in the batch.

    Args:
        distances: smaller is closer; taken out of the graph.
        labels: the class of each slot.
        distance: which distance it is, by name.
        dim: dimension of the embeddings, for strategies that need it; taken from `embeddings` when those are given.
        embeddings: the points themselves, for strategies that look beyond distances.

    Raises:
        SettingError: when the shapes do not fit.

    Example:
        >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 9]))
        >>> batch.nearest_negative
        tensor([2, 2, 1])
        >>> batch.farthest_positive
        tensor([ 1,  0, -1])
    """

    #: For each pair the least distance that a negative of its own may have; None where every negative may be taken.
    floors: Float[Tensor, " pairs"] | None = None

    def __init__(
        self,
        distances: Float[Tensor, "B B"],
        labels: Int[Tensor, " B"],
        *,
        distance: str = "euclidean",
        dim: int | None = None,
        embeddings: Float[Tensor, "B D"] | None = None,
    ) -> None:
        if distances.ndim != 2 or distances.shape[0] != distances.shape[1] or labels.shape != distances.shape[:1]:
            raise SettingError(
                f"The distances are {tuple(distances.shape)} and the labels {tuple(labels.shape)}; "
                "give (B, B) distances and (B,) labels of the same batch."
            )
        exact = distances.dtype in (torch.float32, torch.float64)
        self.distances = distances.detach() if exact else distances.detach().float()
        self.labels = labels.detach().to(distances.device)
        self.distance = DISTANCES.get(distance).name
        self.embeddings = None if embeddings is None else embeddings.detach()
        self.dim = dim if dim is not None or embeddings is None else int(embeddings.shape[1])

    @classmethod
    def from_embeddings(
        cls, embeddings: Float[Tensor, "B D"], labels: Int[Tensor, " B"], distance: str = "euclidean"
    ) -> Batch:
        """The batch of these points."""
        return cls(pairwise(embeddings.detach(), distance), labels, distance=distance, embeddings=embeddings)

    def moved(self, distances: Float[Tensor, "B B"], *, embeddings: Float[Tensor, "B D"] | None = None) -> Batch:
        """The same samples at other distances, as at the next frame; masks and pairs are shared, not made again.

        Example:
            >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 9]))
            >>> batch.moved(2 * batch.distances).nearest_negative
            tensor([2, 2, 1])
        """
        other = Batch(distances, self.labels, distance=self.distance, dim=self.dim, embeddings=embeddings)
        for name in OF_LABELS:
            other.__dict__[name] = getattr(self, name)
        return other

    def filtered(self, floors: Float[Tensor, " pairs"]) -> Batch:
        """The same batch, in which a pair's negatives that are nearer than its floor are no candidates.

        Nothing else changes: neighbours, sorted rows and counts are still those of all negatives. A strategy that can
        be filtered looks at `floors`, and any other refuses such a batch.

        Args:
            floors: one for each of `pairs`; a negative at that very distance stays.

        Example:
            >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([7, 7, 9]))
            >>> batch.filtered(torch.tensor([5.5, 4.0])).below_floor
            tensor([1, 0])
        """
        other = copy(self)
        other.__dict__.pop("below_floor", None)
        other.floors = floors.to(self.distances)
        return other

    @property
    def size(self) -> int:
        """B, the number of slots."""
        return int(self.labels.shape[0])

    @property
    def device(self) -> torch.device:
        """Where the distances are, and where picks will be."""
        return self.distances.device

    # ---- who belongs with whom -------------------------------------------------------------------------------

    @cached_property
    def same(self) -> Bool[Tensor, "B B"]:
        """Whether two slots share a label; true on the diagonal."""
        return self.labels[:, None] == self.labels

    @cached_property
    def positive_mask(self) -> Bool[Tensor, "B B"]:
        """Same label, other slot."""
        return self.same.clone().fill_diagonal_(False)

    @cached_property
    def negative_mask(self) -> Bool[Tensor, "B B"]:
        """Other label."""
        return ~self.same

    @cached_property
    def _groups(self) -> _Groups:
        return _Groups(self.labels.cpu().numpy())

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    @cached_property
    def by_class(self) -> Int[Tensor, " B"]:
        """The slots, class after class, rising within a class."""
        return self._tensor(self._groups.in_order)

    @cached_property
    def class_start(self) -> Int[Tensor, " B"]:
        """For each slot, where its class starts in `by_class`."""
        return self._tensor(self._groups.start)

    @cached_property
    def class_size(self) -> Int[Tensor, " B"]:
        """For each slot, how many slots share its label, itself included."""
        return self._tensor(self._groups.size)

    @cached_property
    def positive_count(self) -> Int[Tensor, " B"]:
        """For each anchor, how many positives it has."""
        return self.class_size - 1

    @cached_property
    def negative_count(self) -> Int[Tensor, " B"]:
        """For each anchor, how many negatives it has."""
        return self.size - self.class_size

    @cached_property
    def has_positive(self) -> Bool[Tensor, " B"]:
        """Anchors with at least one positive."""
        return self._tensor(self._groups.size > 1)

    @cached_property
    def has_negative(self) -> Bool[Tensor, " B"]:
        """Anchors with at least one negative."""
        return self._tensor(self._groups.size < self.size)

    @cached_property
    def pairs(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """Every (anchor, positive), ordered by anchor and then by positive."""
        return self._tensor(self._groups.anchor), self._tensor(self._groups.positive)

    @property
    def n_pairs(self) -> int:
        """Number of (anchor, positive) pairs."""
        return len(self._groups.anchor)

    @property
    def n_eligible(self) -> int:
        """Number of triplets of an anchor, a positive and a negative."""
        size = self._groups.size
        return int(((size - 1) * (self.size - size)).sum())

    @cached_property
    def d_ap(self) -> Float[Tensor, " pairs"]:
        """d(a,p) of every pair."""
        return self.distances.reshape(-1).index_select(0, self._tensor(self._groups.entry))

    @cached_property
    def pair_column(self) -> Int[Tensor, " pairs"]:
        """For every pair, the how-manieth of its anchor's positives it is, from 0."""
        return self._tensor(self._groups.column)

    def pair_blocks(self) -> Iterator[slice]:
        """Slices over the pairs such that pairs x B stays within a few megabytes."""
        return self.blocks(self.n_pairs)

    def blocks(self, count: int) -> Iterator[slice]:
        """Slices over so many rows such that rows x B stays within a few megabytes."""
        step = max(1, BLOCK // max(1, self.size))
        return (slice(start, start + step) for start in range(0, count, step))

    # ---- candidates, where some negatives are filtered ---------------------------------------------------------

    @cached_property
    def below_floor(self) -> Int[Tensor, " pairs"]:
        """For each pair how many negatives its floor rules out: so many of the anchor's nearest."""
        found = torch.zeros_like(self.pairs[0])
        if self.floors is not None:
            for block in self.pair_blocks():
                rows = self.negative_distances[self.pairs[0][block]]  # (pairs, B)
                found[block] = ((rows < self.floors[block, None]) & (rows < torch.inf)).sum(dim=1)
        return found

    def candidate_mask(self, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"]) -> Bool[Tensor, "A B"]:
        """For each of these pairs which slots are negatives that may be taken."""
        negative = self.negative_mask[anchor]
        if self.floors is None:
            return negative
        return negative & (self.distances[anchor] >= self.of_pairs(self.floors, anchor, positive)[:, None])

    def candidate_distances(self, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"]) -> Float[Tensor, "A B"]:
        """For each of these pairs the distances from its anchor to the negatives that may be taken, +inf elsewhere."""
        values = self.negative_distances.index_select(0, anchor)
        if self.floors is not None:
            values.masked_fill_(values < self.of_pairs(self.floors, anchor, positive)[:, None], torch.inf)
        return values

    def of_pairs(self, values: Tensor, anchor: Int[Tensor, " A"], positive: Int[Tensor, " A"]) -> Tensor:
        """Of values that are one for each of `pairs`, those of these pairs."""
        if not len(anchor):
            return values[:0]
        count = self.positive_count
        column = (self.positive_slots[anchor] == positive[:, None]).to(torch.uint8).argmax(dim=1)
        return values[(count.cumsum(0) - count)[anchor] + column]

    # ---- neighbours ------------------------------------------------------------------------------------------

    @cached_property
    def negative_distances(self) -> Float[Tensor, "B B"]:
        """The distances to negatives, +inf elsewhere."""
        values = self.distances.clone(memory_format=torch.contiguous_format)
        values.fill_diagonal_(torch.inf)
        if self.prefers_sorting:
            return values.masked_fill_(self.same, torch.inf)
        # A few entries by number cost less than a mask over all of them.
        values.view(-1).index_fill_(0, self._tensor(self._groups.entry), torch.inf)
        return values

    @cached_property
    def positive_slots(self) -> Int[Tensor, "B P"]:
        """The positives of each anchor, rising, then -1; as wide as the largest class needs."""
        groups = self._groups
        slots = np.full((self.size, groups.most_positives), -1, dtype=np.int64)
        slots[groups.anchor, groups.column] = groups.positive
        return self._tensor(slots)

    def _positive_extreme(self, *, farthest: bool) -> Tensor:
        slots = self.positive_slots
        if not slots.shape[1]:
            return torch.full((self.size,), -1, dtype=torch.int64, device=self.device)
        ragged = self._groups.ragged
        values = self.distances.gather(1, slots.clamp(min=0) if ragged else slots)
        if farthest:
            values.neg_()
        if ragged:
            values.masked_fill_(slots < 0, torch.inf)
        return slots.gather(1, first_smallest(values)[:, None])[:, 0]

    @cached_property
    def farthest_positive(self) -> Int[Tensor, " B"]:
        """For each anchor the slot of its farthest positive, -1 without one; among equals the lowest slot."""
        return self._positive_extreme(farthest=True)

    @cached_property
    def nearest_positive(self) -> Int[Tensor, " B"]:
        """For each anchor the slot of its nearest positive, -1 without one; among equals the lowest slot."""
        return self._positive_extreme(farthest=False)

    @cached_property
    def nearest_negative(self) -> Int[Tensor, " B"]:
        """For each anchor the slot of its nearest negative, -1 without one; among equals the lowest slot."""
        nearest = first_smallest(self.negative_distances)
        return torch.where(self.has_negative, nearest, -1) if self._groups.one_class else nearest

    @cached_property
    def farthest_negative(self) -> Int[Tensor, " B"]:
        """For each anchor the slot of its farthest negative, -1 without one; among equals the lowest slot."""
        values = torch.where(self.same, torch.inf, -self.distances)
        return torch.where(self.has_negative, first_smallest(values), -1)

    @cached_property
    def sorted_negatives(self) -> tuple[Float[Tensor, "A B"], Int[Tensor, "A B"]]:
        """Each row's negatives from near to far: (distances, slots); +inf follows the last. Equals keep slot order."""
        values, slots = self.negative_distances.sort(dim=1, stable=True)
        return values, slots

    @property
    def prefers_sorting(self) -> bool:
        """Whether sorted rows beat a look at all negatives of every pair: with many positives for each anchor."""
        return self.n_pairs > 32 * self.size

    # ---- the batch as a whole --------------------------------------------------------------------------------

    def require_finite(self) -> None:
        """Nothing, if every distance is a finite number: a NaN would be everyone's nearest, or nobody's.

        Raises:
            DataError: naming the slots at fault.
        """
        if self._not_finite:
            shown = ", ".join(map(str, self._not_finite[:5])) + (" and others" if len(self._not_finite) > 5 else "")
            raise DataError(
                f"The distances of slot {shown} of the batch are not finite ({len(self._not_finite)} of {self.size} "
                "slots): nobody can be compared with them; look for a bad input, or for a training that diverged."
            )

    @cached_property
    def _not_finite(self) -> list[int]:
        """The slots whose embedding must be at fault: all their distances are bad, or else those with any bad one."""
        if not self.distances.numel() or math.isfinite(float(self.distances.sum())):
            return []
        bad = ~torch.isfinite(self.distances)
        whole = bad.sum(dim=1) >= bad.shape[1] - 1  # the diagonal may have been set to 0
        found: list[int] = (whole if whole.any() else bad.any(dim=1)).nonzero()[:, 0].tolist()
        return found

    @cached_property
    def unit_norm(self) -> bool | None:
        """Whether the distances are those of unit vectors; None when nobody can tell.

        Cosine distances always are, since they normalise. Others are judged by the embeddings, or, without
        them, ruled out where a distance is longer than the sphere's diameter.
        """
        if self.distance == "cosine":
            return True
        if self.embeddings is not None:
            return is_unit_norm(self.embeddings)
        longest = float(self.distances.max()) if self.size else 0.0
        return False if longest > (4.01 if self.distance == "squared-euclidean" else 2.005) else None

    @cached_property
    def mean_distance(self) -> float:
        """Mean over all pairs of different slots; 0.0 for fewer than two."""
        pairs = self.size * (self.size - 1)
        # Rows first: not every accelerator knows double precision.
        return float(self.distances.sum(dim=1).cpu().sum(dtype=torch.float64)) / pairs if pairs else 0.0
