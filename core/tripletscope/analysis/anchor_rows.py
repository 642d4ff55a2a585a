"""One anchor at many frames as the rows of one batch, so that a strategy is asked once and not frame by frame.

A strategy that looks at each anchor's own row of distances and nothing else (`Strategy.rowwise`) does not notice that
its "anchors" are one sample at forty frames. Its picks are the same to the last tie; only that it works on small
integers forty times, which is all that it costs, happens once.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tripletscope.batch import Batch


class AnchorRows(Batch):
    """A batch whose anchors are the frames: row f holds the distances from slot 0 to every slot at frame f.

    Positives and negatives are slots of the candidates, as in the batch of one frame, and slot 0 is nobody's.

    Args:
        distances: (F, B), to the candidates, slot 0 being the anchor itself.
        labels: (B,), of the candidates; those of the anchor's class come first.
        distance: which distance it is, by name.

    Example:
        >>> from tripletscope import strategies
        >>> rows = AnchorRows(torch.tensor([[0.0, 1, 3, 2], [0, 1, 2, 3]]), np.array([7, 7, 8, 9]), "euclidean")
        >>> strategies.get("hardest").pick(rows, margin=1.0).to_set()  # (frame, positive, negative)
        {(0, 1, 3), (1, 1, 2)}
    """

    def __init__(self, distances: Float[Tensor, "F B"], labels: Int64[np.ndarray, " B"], distance: str) -> None:
        self.distances, self.distance = distances, distance
        self.labels = torch.from_numpy(labels)
        self.embeddings, self.dim = None, None
        frames, near = distances.shape[0], int((labels == labels[0]).sum()) - 1
        slots = np.arange(1, 1 + near)

        def filled(value: int) -> Tensor:
            return torch.full((frames,), value, dtype=torch.int64)

        same = self.labels == self.labels[0]
        order = labels.argsort(kind="stable")
        anchor, positive = np.arange(frames).repeat(near), np.tile(slots, frames)
        self.__dict__.update(
            same=same.expand(frames, -1),
            positive_mask=torch.cat([torch.tensor([False]), same[1:]]).expand(frames, -1),
            negative_mask=(~same).expand(frames, -1),
            by_class=torch.from_numpy(order),
            class_start=filled(int(np.flatnonzero(np.isin(order, [0, *slots]))[0])),
            class_size=filled(near + 1),
            positive_count=filled(near),
            negative_count=filled(len(labels) - near - 1),
            has_positive=torch.full((frames,), near > 0),
            has_negative=torch.full((frames,), len(labels) > near + 1),
            pairs=(torch.from_numpy(anchor), torch.from_numpy(positive)),
            pair_column=torch.from_numpy(np.tile(slots - 1, frames)),
            positive_slots=torch.from_numpy(np.tile(slots, (frames, 1))),
            negative_distances=distances.masked_fill(same, torch.inf),
            _groups=SimpleNamespace(
                anchor=anchor,
                entry=anchor * len(labels) + positive,
                most_positives=near,
                ragged=False,
                one_class=len(labels) == near + 1,
            ),
        )

    def frame(self, f: int) -> AnchorRows:
        """The rows of one frame; what the labels decide is shared."""
        one = object.__new__(AnchorRows)
        one.distances, one.distance, one.labels = self.distances[f : f + 1], self.distance, self.labels
        one.embeddings, one.dim = None, None
        near = self._groups.most_positives
        known = self.__dict__
        for name in _PER_FRAME:
            one.__dict__[name] = known[name][:1] if name != "negative_distances" else known[name][f : f + 1]
        one.__dict__.update(
            by_class=self.by_class,
            pairs=(known["pairs"][0][:near], known["pairs"][1][:near]),
            pair_column=self.pair_column[:near],
            _groups=SimpleNamespace(
                anchor=self._groups.anchor[:near],
                entry=self._groups.entry[:near],
                most_positives=near,
                ragged=False,
                one_class=self._groups.one_class,
            ),
        )
        return one


_PER_FRAME = (
    *("same", "positive_mask", "negative_mask", "class_start", "class_size", "positive_count", "negative_count"),
    *("has_positive", "has_negative", "positive_slots", "negative_distances"),
)
