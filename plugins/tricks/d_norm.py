"""Normalisation in the discriminator."""

from __future__ import annotations

from typing import Literal

from torch import nn

from gan_bench import Field, Recipe, Trick, hookimpl

from ._layers import WEIGHTED, follow


class DNorm(Trick):
    """A normalisation behind each convolution of D: over the batch (Radford et al. 2016), or over each map.

    The latter is what point 4 of ganhacks names where batches can't be (Chintala et al. 2016).

    Radford et al. have none behind D's first layer, which `first` does; behind its last, which makes logits, there is never one.
    "instance" takes each map's mean and deviation of its own sample (Ulyanov et al. 2016). Both have a gain and a bias a channel.
    """

    name = "d_norm"
    checked_with = ({"kind": "instance", "first": True},)
    kind: Literal["batch", "instance"] = Field("batch", description="over what a channel is normalised")
    first: bool = Field(False, description="behind D's first convolution as well")

    def edit(self, recipe: Recipe) -> None:
        hidden = [module for module in recipe.discriminator.modules() if isinstance(module, WEIGHTED)][:-1]
        layers = [module for module in hidden if isinstance(module, nn.Conv2d)]
        if not (layers := layers[0 if self.first else 1 :]):
            raise ValueError("d_norm finds no convolution in D but perhaps the first; more layers, or first = true")
        for layer in layers:
            norm = nn.BatchNorm2d if self.kind == "batch" else nn.InstanceNorm2d
            follow(recipe.discriminator, layer, norm(layer.out_channels, affine=True))


@hookimpl
def gan_bench_tricks():
    return [DNorm]
