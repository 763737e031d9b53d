"""Where latents are drawn from."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_bench import Field, Recipe, Trick, hookimpl

from ._truncated_normal import truncated


class Latents(Trick):
    """Latents from another distribution than N(0, I), in training and in sampling.

    `uniform` in (-1, 1) (Radford et al. 2016), on the `sphere` of radius sqrt(latent) (Karras et al. 2018), whose
    numbers have mean square 1, or a normal one `truncated` at a threshold. Each is made of the same normal numbers, so that runs
    of one seed stay paired.
    """

    name = "latents"
    replaces = {"prior"}
    distribution: Literal["normal", "uniform", "sphere", "truncated"] = Field("sphere", description="of z")
    threshold: float = Field(2.0, gt=0, le=10, description="largest magnitude of a truncated latent's numbers")

    def edit(self, recipe: Recipe) -> None:
        def transform(z: Tensor) -> Tensor:  # (B, latent)
            if self.distribution == "uniform":
                return torch.erf(z / math.sqrt(2))  # twice the normal's distribution function, less 1
            if self.distribution == "sphere":
                return math.sqrt(recipe.latent) * normalize(z)
            return truncated(z, self.threshold)

        if self.distribution != "normal":
            recipe.latents(transform)


@hookimpl
def gan_bench_tricks():
    return [Latents]
