"""The R1 gradient penalty."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class R1(Trick):
    """R1: gamma/2 times the squared gradient of D at real samples (Mescheder et al. 2018, eq. 9)."""

    name = "r1"
    checked_with = ({"every": 2},)
    gamma: float = Field(1.0, gt=0, description="weight; the penalty is gamma/2 |grad D(x)|^2")
    every: int = Field(1, ge=1, le=1000, description="computed every so many D updates, and weighted by as much")

    def edit(self, recipe: Recipe) -> None:
        def squared_gradient(discriminator, seen):
            (gradient,) = torch.autograd.grad(seen.real_logits.sum(), seen.real, create_graph=True)
            penalty = gradient.square().flatten(1).sum(1).mean()
            recipe.report("r1", penalty)
            return self.gamma / 2 * penalty

        recipe.penalty(squared_gradient, every=self.every)


@hookimpl
def gan_bench_tricks():
    return [R1]
