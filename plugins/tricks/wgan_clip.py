"""Wasserstein loss with clipped weights."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Field, Recipe, Trick, Wasserstein, hookimpl


class WassersteinClip(Trick):
    """Wasserstein loss, the critic's weights clipped after each of its updates (Arjovsky et al. 2017, algorithm 1).

    The paper trains with RMSprop at 5e-5, for momentum made it unstable; the optimiser is the grid's to name, as everywhere:
    `optimizer = { name = "rmsprop", lr = 5e-5 }`. Scales and shifts of normalising layers are clipped too, as in its code.
    """

    name = "wgan_clip"
    replaces = {"loss", "targets", "schedule"}
    clip: float = Field(0.01, gt=0, description="c: weights lie in [-c, c] after each discriminator update")
    d_steps: int = Field(5, ge=1, le=100, description="discriminator (critic) updates per generator update")

    def edit(self, recipe: Recipe) -> None:
        def clip_weights() -> None:
            weights: list[Tensor] = [*recipe.discriminator.parameters()]
            torch._foreach_clamp_min_(weights, -self.clip)
            torch._foreach_clamp_max_(weights, self.clip)

        recipe.loss = Wasserstein()
        recipe.d_steps = self.d_steps
        recipe.after_d_step(clip_weights)


@hookimpl
def gan_bench_tricks():
    return [WassersteinClip]
