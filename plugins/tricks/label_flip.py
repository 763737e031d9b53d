"""Random exchange of targets."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class LabelFlip(Trick):
    """D's targets are exchanged for a random fraction of samples, drawn anew in every update (Chintala et al. 2016, point 6)."""

    name = "label_flip"
    needs = {"targets"}
    fraction: float = Field(0.05, gt=0, lt=0.5, description="probability that a sample's target t becomes 1 - t")

    def edit(self, recipe: Recipe) -> None:
        def flip(target, network, real):
            if network == "generator":
                return target
            return torch.where(torch.rand_like(target) < self.fraction, 1 - target, target)

        recipe.targets(flip)


@hookimpl
def gan_bench_tricks():
    return [LabelFlip]
