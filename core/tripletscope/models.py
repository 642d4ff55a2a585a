"""The small models that are trained here: seconds on one CPU core, and no more than is needed to see mining work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tripletscope.errors import SettingError
from tripletscope.registry import Registry
from tripletscope.seeding import derive_seed

CNN_FROM_PIXELS = 16  # below that a stride-2 network has hardly a pixel left, and an MLP is as good and faster


@dataclass(frozen=True)
class Model:
    """A kind of model: `build(input_shape, dim, hidden)` gives the network before any normalisation."""

    name: str
    order: int
    title: str
    build: Callable[[tuple[int, ...], int, int], nn.Module]


MODELS: Registry[Model] = Registry("model", group="tripletscope.models")


class Embedder(nn.Module):
    """A network whose outputs are the embeddings, scaled to length 1 where `normalize` is set.

    An output of exactly 0 has no direction: it stays 0 instead of becoming NaN.
    """

    def __init__(self, body: nn.Module, *, normalize: bool) -> None:
        super().__init__()
        self.body = body
        self.normalize = normalize

    def forward(self, samples: Float[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        """The embeddings of a batch."""
        embeddings: Tensor = self.body(samples)
        return F.normalize(embeddings, dim=1) if self.normalize else embeddings


def build(
    name: str, input_shape: Sequence[int], dim: int, *, normalize: bool = True, hidden: int = 64, seed: int = 0
) -> Embedder:
    """A new model on the CPU; the same seed gives the same weights, and the global random state stays as it was.

    Args:
        name: one of `MODELS.names()`.
        input_shape: of one sample: (D,) for features, (channels, height, width) for images.
        dim: length of the embedding.
        normalize: scale every embedding to length 1.
        hidden: width of the MLP's hidden layer; the others do not use it.
        seed: the run's seed; the weights draw from its stream "weights".

    Raises:
        UnknownNameError: when there is no such model.
        SettingError: when a size is below 1, or the model needs images and gets features.

    Example:
        >>> network = build("mlp", (1, 8, 8), 2, normalize=False)
        >>> network(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 2])
    """
    model = MODELS.get(name)
    if dim < 1:
        raise SettingError(f"An embedding of {dim} dimensions holds nothing: use --dim 1 or more.")
    if hidden < 1:
        raise SettingError(f"A hidden layer of width {hidden} passes nothing on: use 1 or more.")
    with torch.random.fork_rng(devices=[]):
        # The CPU's generator only: torch.manual_seed would reseed the GPU's too.
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        return Embedder(model.build(tuple(input_shape), dim, hidden), normalize=normalize)


def default_name(input_shape: Sequence[int]) -> str:
    """The model used when none is named: cnn for images from 16 x 16 pixels up, else mlp.

    Example:
        >>> default_name((1, 8, 8)), default_name((3, 48, 48)), default_name((384,))
        ('mlp', 'cnn', 'mlp')
    """
    return "cnn" if len(input_shape) == 3 and min(input_shape[1:]) >= CNN_FROM_PIXELS else "mlp"


def _linear(input_shape: tuple[int, ...], dim: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), dim))


def _mlp(input_shape: tuple[int, ...], dim: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), hidden), nn.ReLU(), nn.Linear(hidden, dim))


def _cnn(input_shape: tuple[int, ...], dim: int, hidden: int) -> nn.Module:
    if len(input_shape) != 3:
        raise SettingError(
            f"The model 'cnn' needs images, but a sample here has shape {input_shape}: use --model mlp or linear."
        )
    channels, height, width = input_shape
    # Strides instead of max-pooling: about 7 times faster on a CPU, and as good at this size.
    halved = -(-height // 4) * -(-width // 4)
    return nn.Sequential(
        nn.Conv2d(channels, 16, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * halved, dim),
    )


MODELS.register(Model("linear", 10, "one linear map", _linear))
MODELS.register(Model("mlp", 20, "MLP with one hidden ReLU layer", _mlp))
MODELS.register(Model("cnn", 30, "CNN with two stride-2 layers (16, 32 channels)", _cnn))
