"""Adam, written out: the first optimiser of torch.optim loads torch's compiler, 1.3 CPU-seconds at every start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Adam:
    """Moves each weight against the running mean of its gradient, measured in its gradient's own size.

    The same numbers as `torch.optim.Adam` with its defaults, step for step.

    Args:
        parameters: the weights; changed in place by `step`.
        lr: learning rate: about how far a weight moves in one step.
        betas: how much of the running means of gradient and squared gradient is kept per step.
        eps: keeps the quotient finite where a gradient has always been 0.

    Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.

    Example:
        >>> weight = torch.tensor([3.0], requires_grad=True)
        >>> optimiser = Adam([weight], lr=0.5)
        >>> weight.square().backward()
        >>> optimiser.step()
        >>> weight.detach()
        tensor([2.5000])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self._parameters = list(parameters)
        self._lr, self._betas, self._eps = lr, betas, eps
        self._steps = 0
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]

    def zero_grad(self) -> None:
        """Nothing; the gradients of the last step are gone."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Nothing; every weight with a gradient has moved."""
        self._steps += 1
        keep, keep_square = self._betas
        # Both means start at 0; these undo their pull towards it.
        rate = self._lr / (1 - keep**self._steps)
        unbiased = (1 - keep_square**self._steps) ** 0.5
        for parameter, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
            if parameter.grad is not None:
                mean.lerp_(parameter.grad, 1 - keep)
                square.mul_(keep_square).addcmul_(parameter.grad, parameter.grad, value=1 - keep_square)
                parameter.addcdiv_(mean, (square.sqrt() / unbiased).add_(self._eps), value=-rate)

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs to go on from here; `torch.save` can hold it."""
        return {"steps": self._steps, "means": self._means, "squares": self._squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing; the next step is the one that followed `state_dict()`."""
        self._steps = int(state["steps"])
        for mine, theirs in zip(self._means + self._squares, state["means"] + state["squares"], strict=True):
            mine.copy_(theirs)
