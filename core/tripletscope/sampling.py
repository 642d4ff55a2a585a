"""How batches are put together: P classes with K samples each, so that every anchor has positives and negatives."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from tripletscope.errors import SettingError


class PKSampler:
    """Batches of P different classes with K different samples of each, drawn from a generator of its own.

    Every draw is independent: all classes are equally likely, whatever their size, and within a class all samples
    are. A class with fewer than K samples gives all it has, so such a batch is smaller than P x K: no sample stands
    twice in a batch. (Libraries commonly repeat samples there; then an "easiest positive" is the picture itself, at
    distance 0.) The global random state is neither read nor changed.

    Args:
        labels: class of each of the N samples, any integers.
        classes_per_batch: P, from 2 to the number of classes.
        samples_per_class: K, at least 2.
        generator: a CPU generator that nothing else draws from, as from `seeding.generator(seed, "batches")`.

    Raises:
        SettingError: when P or K is out of its range, or a class has fewer than 2 samples.

    Source: Hermans et al. 2017, §2.

    Example:
        >>> from tripletscope.seeding import generator
        >>> labels = np.repeat([0, 1, 2], 5)
        >>> sampler = PKSampler(labels, 2, 3, generator=generator(0, "batches"))
        >>> rows = sampler.draw()
        >>> len(rows), len(set(labels[rows].tolist()))
        (6, 2)
    """

    def __init__(
        self,
        labels: Int[np.ndarray, "N"] | Int[Tensor, "N"],
        classes_per_batch: int,
        samples_per_class: int,
        *,
        generator: torch.Generator,
    ) -> None:
        codes = labels.cpu().numpy() if isinstance(labels, Tensor) else labels
        classes, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        if classes_per_batch > len(classes):
            raise SettingError(
                f"{classes_per_batch} classes per batch were asked for but the data have {len(classes)}: "
                f"use --classes-per-batch {len(classes)} or fewer."
            )
        if classes_per_batch < 2:
            raise SettingError(f"--classes-per-batch {classes_per_batch} leaves no negative to mine: use 2 or more.")
        if samples_per_class < 2:
            raise SettingError(f"--samples-per-class {samples_per_class} leaves no positive to mine: use 2 or more.")
        if counts.min() < 2:
            raise SettingError(
                f"The class with label {classes[int(counts.argmin())]} has 1 sample; a triplet needs a positive, "
                "so each class needs 2: remove it or add samples."
            )
        self.classes_per_batch = classes_per_batch
        self.samples_per_class = samples_per_class
        self._generator = generator
        by_class = torch.from_numpy(np.argsort(inverse, kind="stable"))
        self._rows = torch.split(by_class, counts.tolist())

    def draw(self) -> Int64[Tensor, "B"]:
        """The rows of the next batch, class by class; B = P x K unless a class has fewer than K samples."""
        chosen = torch.randperm(len(self._rows), generator=self._generator)[: self.classes_per_batch]
        return torch.cat([self._some(self._rows[int(code)]) for code in chosen])

    def _some(self, rows: Int64[Tensor, "M"]) -> Int64[Tensor, "K"]:
        return rows[torch.randperm(len(rows), generator=self._generator)[: self.samples_per_class]]

    def state(self) -> dict[str, Tensor]:
        """What `set_state` needs to go on from here with the same batches; `torch.save` can hold it."""
        return {"generator": self._generator.get_state()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Nothing; the next draw is the one that followed `state()`."""
        self._generator.set_state(state["generator"].cpu())
