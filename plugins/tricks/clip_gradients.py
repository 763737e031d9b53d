"""Gradients clipped by their global norm."""

from __future__ import annotations

from typing import Literal

from torch.nn.utils import clip_grad_norm_

from gan_bench import Field, Recipe, Trick, hookimpl


class ClipGradients(Trick):
    """A network's gradient, over all its parameters together, is scaled down to a norm before each update (Pascanu et al. 2013).

    Adam divides by the gradients' own size: there it is sudden jumps that are clipped, not steps that are long in general.
    """

    name = "clip_gradients"
    checked_with = ({"max_norm": 0.01},)
    max_norm: float = Field(1.0, gt=0, description="largest L2 norm; smaller gradients stay as they are")
    network: Literal["generator", "discriminator", "both"] = Field("both", description="whose gradients")

    def edit(self, recipe: Recipe) -> None:
        def clip_d() -> None:
            clip_grad_norm_(recipe.discriminator.parameters(), self.max_norm)

        def clip_g() -> None:
            clip_grad_norm_(recipe.generator.parameters(), self.max_norm)

        if self.network != "generator":
            recipe.before_d_step(clip_d)
        if self.network != "discriminator":
            recipe.before_g_step(clip_g)


@hookimpl
def gan_bench_tricks():
    return [ClipGradients]
