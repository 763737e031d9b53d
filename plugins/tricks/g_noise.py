"""Noise in the generator's layers."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl

from ._layers import change_hidden


class GNoise(Trick):
    """Gaussian noise on what every hidden layer of G passes on, in training and when it is sampled.

    Point 13 of ganhacks (Chintala et al. 2016).
    Behind batch normalisation activations have a deviation near 1, of which `sigma` is a share. The list names Zhao et al.
    2017 (EBGAN) and gives no size.
    """

    name = "g_noise"
    sigma: float = Field(0.1, gt=0, le=10, description="standard deviation of the noise")

    def edit(self, recipe: Recipe) -> None:
        change_hidden(recipe.generator, lambda x: x + self.sigma * torch.randn_like(x))


@hookimpl
def gan_bench_tricks():
    return [GNoise]
