"""The loss scale of float16, whose smallest number is 6e-8: gradients are computed so many times as large.

All of it lives on the device, so that CUDA graphs hold it: the scale, whether an update is skipped, and the skipping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_bench.api.losses import NetworkName
from gan_bench.api.optimizers import OptimizerAround
from gan_bench.api.recipe import Recipe

START, GROWTH, BACKOFF, PATIENCE = 2.0**16, 2.0, 0.5, 2000  # as `torch.amp.GradScaler` has them
SMALLEST = 2.0**-14  # the smallest number that float16 has with all of its digits

Path = tuple[Any, ...]


class LossScale:
    """What a network's objective is multiplied by (Micikevicius et al. 2018, section 3.2), and its gradient divided by.

    An update whose gradient is not finite is skipped, and halves the scale; 2,000 others in a row double it. At `SMALLEST`
    none is skipped any more: such a gradient is not finite for any scale, and does what it does in float32.
    """

    def __init__(self, recipe: Recipe, network: NetworkName) -> None:
        device = recipe.step.device
        self.value = recipe.register(f"{network}_loss_scale", torch.full((), START, device=device))
        self._good = recipe.register(f"{network}_good", torch.zeros((), dtype=torch.int32, device=device))  # in a row
        self.skipped = torch.zeros((), device=device)  # 1 if the update at hand is, else 0

    def unscale(self, parameters: Sequence[nn.Parameter], *, seen: bool) -> None:
        """Divide gradients by the scale, and find out whether to skip the update; those `seen` by others are 0 then."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.skipped.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, self.skipped, self.value.reciprocal())
        self.skipped.mul_(self.value > SMALLEST)
        if seen:
            skipped = self.skipped > 0
            for gradient in gradients:
                gradient.masked_fill_(skipped, 0)

    def update(self) -> None:
        """Adapt the scale to the update at hand."""
        torch._amp_update_scale_(self.value, self._good, self.skipped, GROWTH, BACKOFF, PATIENCE)


def skipping(optimizer: torch.optim.Optimizer, skipped: Tensor) -> torch.optim.Optimizer:
    """An optimiser that does nothing where `skipped`, a scalar on the device, is 1 in place of 0.

    Fused Adam looks at it by itself. So does fused SGD, whose first momentum would be whatever lies in memory if the first
    update is skipped (PyTorch 2.14).
    """
    if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW) and optimizer.defaults["fused"]:
        optimizer.found_inf = skipped  # type: ignore[attr-defined]
        return optimizer
    return Skipping(optimizer, skipped)


class Skipping(OptimizerAround):
    """Puts back what an update that is skipped has changed: weights, state, and settings that are tensors.

    A weight's state is made in its first update; until that was taken, the host looks whether to skip. It goes on doing so,
    which no CUDA graph holds, where an optimiser counts in numbers of its own.
    """

    def __init__(self, inner: torch.optim.Optimizer, skipped: Tensor) -> None:
        super().__init__(inner)
        self.skipped = skipped
        self._begun: set[Tensor] = set()  # weights that have been updated
        self._counts = False

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update, or none."""
        learning = set(self.learning())
        if self._counts or not learning <= self._begun:
            if self.skipped.item():
                return
            numbers = dict(self._found(int, float))
            self.inner.step()
            self._counts |= dict(self._found(int, float)) != numbers
            self._begun |= learning
            return
        before = {path: tensor.clone() for path, tensor in self._found(Tensor)}
        self.inner.step()
        for path, tensor in self._found(Tensor):
            if path in before:
                tensor.copy_(torch.where(self.skipped > 0, before[path], tensor))

    def _found(self, *kinds: type) -> Iterator[tuple[Path, Any]]:
        """All of these kinds that an update may change, each with where it stands."""
        return ((path, leaf) for path, leaf in leaves((self.state, self.param_groups)) if isinstance(leaf, kinds))


def leaves(tree: Any, *path: Any) -> Iterator[tuple[Path, Any]]:
    """What stands in dictionaries, lists and tuples, each with the keys that lead there."""
    if not isinstance(tree, dict | list | tuple):
        yield path, tree
        return
    for key, branch in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield from leaves(branch, *path, key)
