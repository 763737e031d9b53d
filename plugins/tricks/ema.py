"""The moving average of the generator."""

from __future__ import annotations

import copy

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class EMA(Trick):
    """What is sampled and scored is a moving average of the generator's weights (Yazici et al. 2019, eq. 1).

    Buffers (BatchNorm's running statistics) are copied, not averaged.
    """

    name = "ema"
    replaces = {"sampled"}
    decay: float = Field(0.999, gt=0, lt=1, description="weight of the old average in every generator step")

    def edit(self, recipe: Recipe) -> None:
        average = recipe.register("average", copy.deepcopy(recipe.generator).requires_grad_(False))

        def update() -> None:
            torch._foreach_lerp_(list(average.parameters()), list(recipe.generator.parameters()), 1 - self.decay)
            for mean, latest in zip(average.buffers(), recipe.generator.buffers(), strict=True):
                mean.copy_(latest)

        recipe.sampled = average
        recipe.after_g_step(update)


@hookimpl
def gan_bench_tricks():
    return [EMA]
