"""The small models: shapes, seeds, normalisation, refusals."""

from __future__ import annotations

import pytest
import torch

from tripletscope import models
from tripletscope.errors import SettingError, UnknownNameError

SHAPES = {"features": (20,), "digits": (1, 8, 8), "colour": (3, 48, 47), "one pixel": (1, 1, 1)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", models.MODELS.names())
@pytest.mark.parametrize("normalize", [True, False])
def test_every_model_embeds_every_shape_it_accepts(name: str, shape: tuple[int, ...], normalize: bool) -> None:
    if name == "cnn" and len(shape) == 1:
        with pytest.raises(SettingError, match=r"'cnn' needs images.*use --model mlp or linear"):
            models.build(name, shape, 5)
        return
    network = models.build(name, shape, 5, normalize=normalize, seed=1)
    embeddings = network(torch.randn(4, *shape, generator=torch.Generator().manual_seed(0)))
    assert embeddings.shape == (4, 5)
    lengths = embeddings.norm(dim=1)
    assert torch.allclose(lengths, torch.ones(4)) == normalize


@pytest.mark.parametrize("name", models.MODELS.names())
def test_the_seed_decides_the_weights_and_nothing_else_does(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = models.build(name, (1, 8, 8), 3, seed=7).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    again = models.build(name, (1, 8, 8), 3, seed=7).state_dict()
    other = models.build(name, (1, 8, 8), 3, seed=8).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_the_weights_do_not_depend_on_normalisation() -> None:
    plain, unit = (models.build("mlp", (4,), 3, normalize=normalize).state_dict() for normalize in (False, True))
    assert all(torch.equal(plain[key], unit[key]) for key in plain)


def test_the_mlp_has_one_hidden_relu_layer_of_the_asked_width() -> None:
    network = models.build("mlp", (1, 8, 8), 2, hidden=64)
    kinds = [type(layer).__name__ for layer in network.body.children()]
    assert kinds == ["Flatten", "Linear", "ReLU", "Linear"]
    assert sum(p.numel() for p in network.parameters()) == 64 * 64 + 64 + 64 * 2 + 2


def test_the_cnn_strides_and_does_not_pool() -> None:
    kinds = [type(layer).__name__ for layer in models.build("cnn", (1, 28, 28), 2).body.children()]
    assert not any("Pool" in kind for kind in kinds)


def test_an_output_of_zero_stays_zero_with_finite_gradients() -> None:
    network = models.build("linear", (3,), 2, normalize=True)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    embeddings = network(torch.ones(2, 3))
    embeddings.sum().backward()
    assert embeddings.tolist() == [[0, 0], [0, 0]]
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no model called 'mpl'\. Did you mean 'mlp'\? Known: linear, mlp, cnn"):
        models.build("mpl", (4,), 2)


@pytest.mark.parametrize(
    ("options", "message"), [({"dim": 0}, "--dim 1 or more"), ({"dim": 2, "hidden": 0}, "width 0")]
)
def test_sizes_below_one_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        models.build("mlp", (4,), **options)
