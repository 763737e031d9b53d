"""DRAGAN's gradient penalty around real samples."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl

from ._gradients import gradients


class DRAGAN(Trick):
    """Gradients of D near real samples are drawn to norm 1: weight (|grad D(x + d)| - 1)^2 (Kodali et al. 2017).

    As in the published code d is scale std(x) u: std(x) that of all numbers of the batch, u from U(0, 1) for each of them. (That
    code then goes a random part of the way to x + d only; here it is the whole.)
    """

    name = "dragan"
    weight: float = Field(10.0, gt=0, description="lambda: weight of (|grad D| - 1)^2")
    scale: float = Field(0.5, gt=0, description="size of the perturbation, in standard deviations of the batch")

    def edit(self, recipe: Recipe) -> None:
        def gradient_penalty(discriminator, seen):
            real = seen.real.detach()
            near = (real + self.scale * real.std(correction=0) * torch.rand_like(real)).requires_grad_()
            penalty = (gradients(discriminator(near), near).norm(dim=1) - 1).square().mean()
            recipe.report("dragan", penalty)
            return self.weight * penalty

        recipe.penalty(gradient_penalty, pairs=False, by_samples=False)


@hookimpl
def gan_bench_tricks():
    return [DRAGAN]
