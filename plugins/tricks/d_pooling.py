"""Pooling in the discriminator in place of strides."""

from __future__ import annotations

from typing import Literal

from torch import nn

from gan_bench import Field, Recipe, Trick, hookimpl

from ._layers import follow


class DPooling(Trick):
    """D's convolutions have stride 1, and pooling of as much behind them.

    Point 5 of ganhacks (Chintala et al. 2016) is to avoid max pooling.
    Max pooling passes the gradient to one pixel in four, so it is sparse; averages and strides reach all. A convolution costs
    four times as much without its stride.
    """

    name = "d_pooling"
    kind: Literal["max", "average"] = Field("max", description="what is kept of the pixels of a cell")

    def edit(self, recipe: Recipe) -> None:
        pool = nn.MaxPool2d if self.kind == "max" else nn.AvgPool2d
        layers = [m for m in recipe.discriminator.modules() if isinstance(m, nn.Conv2d) and max(m.stride) > 1]
        if not layers:
            raise ValueError("d_pooling finds no convolution with a stride in the discriminator")
        for layer in layers:
            height, width = layer.stride
            after = pool((height, width), ceil_mode=True)  # which halves odd sizes as strides do
            follow(recipe.discriminator, layer, after)
            layer.stride = (1, 1)


@hookimpl
def gan_bench_tricks():
    return [DPooling]
