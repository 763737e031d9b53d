"""Optimisers that are made of others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class OptimizerAround(torch.optim.Optimizer):
    """An optimiser made of another, `inner`, which it is in all but its `step()`: it has the same groups and state.

    So it goes by the inner one's settings, also those that change while training, and is resumed with it. A subclass writes
    `step()`, under `torch.no_grad()`, of calls of `self.inner.step()` and operations on weights.
    """

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        super().__init__(inner.param_groups, {})
        self.inner = inner
        self.state, self.param_groups = inner.state, inner.param_groups

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.inner.load_state_dict(state_dict)
        self.state, self.param_groups = self.inner.state, self.inner.param_groups

    def learning(self) -> list[Tensor]:
        """The parameters that have a gradient."""
        return [p for group in self.param_groups for p in group["params"] if p.grad is not None]

    def kept(self, name: str) -> list[Tensor]:
        """A tensor like each parameter that has a gradient, kept in the state, 0 at first. To be called after an inner step.

        Before its first step an optimiser takes a parameter with a state for one that it has begun with.
        """
        parameters = self.learning()
        for p in parameters:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in parameters]
