"""Both networks fall back to slow copies of themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Field, Recipe, Trick, hookimpl


class Lookahead(Trick):
    """Every k G steps both networks go back towards where they were k steps ago: slow + alpha (fast - slow).

    Lookahead-minmax (Chavdarova et al. 2021, algorithm 1). Moments of the optimisers and buffers go on. What is sampled is the
    network as it stands, which is the slow one after every k-th step.
    """

    name = "lookahead"
    wraps = {"networks"}
    checked_with = ({"k": 2},)
    k: int = Field(5, ge=1, le=10**6, description="G steps between two averages")
    alpha: float = Field(0.5, gt=0, le=1, description="how far from slow to fast weights; 1: nothing is changed")

    def edit(self, recipe: Recipe) -> None:
        weights: list[Tensor] = [*recipe.generator.parameters(), *recipe.discriminator.parameters()]
        slow = [recipe.register(f"slow {i}", p.detach().clone()) for i, p in enumerate(weights)]

        def average() -> None:
            torch._foreach_lerp_(slow, weights, self.alpha)
            torch._foreach_copy_(weights, slow)

        recipe.after_g_step(average, every=self.k)


@hookimpl
def gan_bench_tricks():
    return [Lookahead]
