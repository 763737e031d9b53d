"""Gradient normalisation of the discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_bench import Recipe, Trick, hookimpl


class GradientNormalisation(Trick):
    """D(x) becomes D(x) / (|grad D(x)| + |D(x)|), whose gradient has at most norm 1 (Wu et al. 2021).

    Logits then lie in (-1, 1). Each pass of D computes its gradient too, and each update the gradient of that. Of several
    logits of a sample the gradient is that of their sum, as in the published code.
    """

    name = "gradient_normalisation"
    wraps = {"discriminator"}

    def edit(self, recipe: Recipe) -> None:
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in recipe.discriminator.modules()):
            raise ValueError(
                "gradient_normalisation divides by each sample's own gradient: the discriminator must not have BatchNorm"
            )
        recipe.discriminator = Normalised(recipe.discriminator)


class Normalised(nn.Module):
    """A discriminator whose logits are divided by the norm of their gradient plus their own size."""

    per_sample = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, *labels: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(B, *shape), and labels (B,) -> logits (rows, k), and whatever else the network gives."""
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            found = self.network(x, *labels)
            logits, *others = found if isinstance(found, tuple) else (found,)
            (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=learning)
        if not learning:
            logits, *others = (one.detach() for one in (logits, *others))
        size = gradient.reshape(len(logits), -1).norm(dim=1, keepdim=True) + logits.abs()
        normalised = logits / torch.where(size > 0, size, torch.inf)  # 0 / 0, where all units are dead, is 0
        return (normalised, *others) if others else normalised


@hookimpl
def gan_bench_tricks():
    return [GradientNormalisation]
