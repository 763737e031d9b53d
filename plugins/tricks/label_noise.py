"""Uniform noise on targets, as in the origin's report."""

from __future__ import annotations

from typing import Literal

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class LabelNoise(Trick):
    """Uniform noise added to targets, drawn anew for every sample and update (after Chintala et al. 2016, point 6).

    Cross-entropy is linear in the target t (softplus(s) - t s for a logit s), so the noise acts as a constant shift of the
    target by amount/2 plus gradient noise. A target above 1 has no lower bound: it pushes every logit up for ever.
    """

    name = "label_noise"
    needs = {"targets"}
    amount: float = Field(0.05, gt=0, le=1, description="targets become t + amount * U(0, 1)")
    network: Literal["generator", "discriminator", "both"] = Field("generator", description="in whose loss")

    def edit(self, recipe: Recipe) -> None:
        def noisy(target, network, real):
            return target + self.amount * torch.rand_like(target) if self.network in (network, "both") else target

        recipe.targets(noisy)


@hookimpl
def gan_bench_tricks():
    return [LabelNoise]
