"""Adam, by torch's own function, without the class around it.

The optimiser classes of torch import its compiler with their first object: about two seconds of processor time and some
nine hundred modules, for a training that compiles nothing and is often over in four seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS, EPSILON = (0.9, 0.999), 1e-8
#: What torch's class writes of a group besides its rate, so that either goes on from the other's state.
_PLAIN: dict[str, Any] = {
    "betas": BETAS,
    "eps": EPSILON,
    "weight_decay": 0,
    "amsgrad": False,
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
    "decoupled_weight_decay": False,
}


class Adam:
    """Adam with torch's defaults; bit for bit what `torch.optim.Adam` computes.

    Args:
        groups: of parameters, each {"params": [...]} and, if it has its own, {"lr": ...}.
        lr: learning rate of the groups that name none.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimiser = Adam([{"params": [weight]}], lr=0.1)
        >>> (3 * weight).sum().backward()
        >>> optimiser.step()
        >>> weight.detach()  # the first step has the length of the rate, whatever the slope
        tensor([0.9000])
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], lr: float) -> None:
        self._groups: list[tuple[list[Tensor], float]] = [
            (list(group["params"]), float(group.get("lr", lr))) for group in groups
        ]
        self._state: dict[Tensor, dict[str, Tensor]] = {}

    @property
    def parameters(self) -> list[Tensor]:
        """All of them, group after group; their places number them in `state_dict`."""
        return [each for parameters, _ in self._groups for each in parameters]

    def zero_grad(self) -> None:
        """Nothing; no parameter has a gradient."""
        for each in self.parameters:
            each.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Nothing; every parameter with a gradient has moved."""
        for parameters, rate in self._groups:
            moved = [each for each in parameters if each.grad is not None]
            states = [self._state.setdefault(each, _fresh(each)) for each in moved]
            adam(
                moved,
                [each.grad for each in moved if each.grad is not None],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=rate,
                weight_decay=0,
                eps=EPSILON,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """The state as torch's class writes it: by number of the parameter, and the groups."""
        numbers = {each: number for number, each in enumerate(self.parameters)}
        return {
            "state": {numbers[each]: dict(state) for each, state in self._state.items()},
            "param_groups": [
                {"lr": rate, **_PLAIN, "params": [numbers[each] for each in parameters]}
                for parameters, rate in self._groups
            ],
        }

    def load_state_dict(self, told: Mapping[str, Any]) -> None:
        """Nothing; the state is that one, on the devices of the parameters. Rates stay those that were asked for."""
        parameters = self.parameters
        self._state = {
            parameters[number]: {
                # The count of steps stays where torch keeps it; the averages lie beside their parameter.
                name: value.clone() if name == "step" else value.to(parameters[number], copy=True)
                for name, value in state.items()
            }
            for number, state in told["state"].items()
        }


def _fresh(parameter: Tensor) -> dict[str, Tensor]:
    return {
        "step": torch.tensor(0.0, dtype=torch.float32),
        "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
    }
