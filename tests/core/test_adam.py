"""Our Adam: bit for bit torch's, and without what torch's class imports."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from tripletscope.adam import Adam

RATES = (1e-2, 0.3)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))


def groups(model: nn.Sequential) -> list[dict[str, Any]]:
    return [{"params": list(model[0].parameters())}, {"params": list(model[2].parameters()), "lr": RATES[1]}]


def taught(model: nn.Sequential, optimiser: Any, first: int, last: int) -> None:
    for step in range(first, last):
        given = torch.randn(16, 5, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        cost = model[2](model[0](given)).square().mean() if step % 3 else model[0](given).square().mean()
        cost.backward()  # every third step leaves a layer without a gradient
        optimiser.step()


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("steps", [1, 40])
def test_every_bit_is_that_of_torch(steps: int) -> None:
    ours, theirs = network(), network()
    taught(ours, Adam(groups(ours), lr=RATES[0]), 0, steps)
    taught(theirs, torch.optim.Adam(groups(theirs), lr=RATES[0]), 0, steps)
    assert same(ours, theirs)


def test_either_goes_on_from_the_others_state() -> None:
    ours, theirs = network(), network()
    mine, torchs = Adam(groups(ours), lr=RATES[0]), torch.optim.Adam(groups(theirs), lr=RATES[0])
    taught(ours, mine, 0, 20)
    taught(theirs, torchs, 0, 20)
    written = io.BytesIO()
    torch.save([mine.state_dict(), torchs.state_dict()], written)
    written.seek(0)
    of_mine, of_torch = torch.load(written, weights_only=True)
    assert of_mine["param_groups"] == of_torch["param_groups"]
    again, back = Adam(groups(ours), lr=RATES[0]), torch.optim.Adam(groups(theirs), lr=RATES[0])
    again.load_state_dict(of_torch)
    back.load_state_dict(of_mine)
    taught(ours, again, 20, 40)
    taught(theirs, back, 20, 40)
    assert same(ours, theirs)
    taught(theirs, torchs, 40, 41)
    assert not same(ours, theirs)


def test_a_state_is_not_changed_by_going_on() -> None:
    model = network()
    optimiser = Adam(groups(model), lr=RATES[0])
    taught(model, optimiser, 1, 5)
    kept = optimiser.state_dict()
    before = {number: state["exp_avg"].clone() for number, state in kept["state"].items()}
    other = Adam(groups(model), lr=RATES[0])
    other.load_state_dict(kept)
    taught(model, other, 5, 9)
    assert all(torch.equal(kept["state"][number]["exp_avg"], value) for number, value in before.items())


def test_a_training_does_not_import_torchs_compiler(tmp_path: Any) -> None:
    words = ["train", "--data", "toy2d:classes=3,points=8", "--steps", "2", "--classes-per-batch", "3"]
    words += ["--checkpoint-every", "0", "--quiet", "--out", str(tmp_path / "run")]
    look = f"""
import sys
from tripletscope.cli import main
assert main({words!r}) == 0
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert said.stdout.strip().splitlines()[-1] == "[]"
