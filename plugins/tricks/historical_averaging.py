"""Historical averaging."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gan_bench import Field, Recipe, Trick, hookimpl


class HistoricalAveraging(Trick):
    """Weights are drawn to the mean of what they have been: |theta - mean of past theta|^2 (Salimans et al. 2016, section 3.3).

    The past are the weights that each earlier update of the network found; there is none in the first. The paper names no weight.
    """

    name = "historical_averaging"
    wraps = {"networks"}
    weight: float = Field(1.0, gt=0, description="weight of the squared distance")
    network: Literal["generator", "discriminator", "both"] = Field("both", description="whose weights")

    def edit(self, recipe: Recipe) -> None:
        if self.network != "discriminator":
            term, remember = self.of(recipe, "generator", recipe.generator)
            recipe.g_penalty(term)
            recipe.before_g_step(remember)
        if self.network != "generator":
            term, remember = self.of(recipe, "discriminator", recipe.discriminator)
            recipe.penalty(term, pairs=False, by_samples=False)
            recipe.before_d_step(remember)

    def of(self, recipe: Recipe, name: str, network: nn.Module):
        """A network's penalty, and what takes in its weights before they change."""
        weights = [parameter for parameter in network.parameters() if parameter.requires_grad]

        def now() -> Tensor:
            return torch.cat([weight.flatten() for weight in weights])

        mean = recipe.register(f"mean of {name}", now().detach())
        updates = recipe.register(f"updates of {name}", torch.zeros((), device=recipe.step.device))

        def remember() -> None:
            mean.lerp_(now(), 1 / updates.add_(1))

        return lambda discriminator, seen: self.weight * (now() - mean).square().sum(), remember


@hookimpl
def gan_bench_tricks():
    return [HistoricalAveraging]
