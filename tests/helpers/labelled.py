"""A tiny architecture whose networks take labels, as a plugin file that grids of tests name."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gan_bench import Architecture, DataSpec, Field, hookimpl


class Concat(nn.Module):
    """A network of what it is given and a one-hot class (Mirza and Osindero 2014)."""

    def __init__(self, classes: int, layers: nn.Module) -> None:
        super().__init__()
        self.classes, self.layers = classes, layers

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([x.flatten(1), nn.functional.one_hot(y, self.classes).to(x.dtype)], 1))


class Labelled(Architecture):
    """Two layers, of whose inputs the class is one."""

    name = "labelled"
    latent: int = 8
    width: int = Field(16, ge=1, description="hidden units")
    conditional: Literal["none", "concat"] = Field("concat", description="whether the class is an input")

    def _network(self, data: DataSpec, inputs: int, outputs: int, *last: nn.Module) -> nn.Module:
        classes = len(data.classes) if self.takes_labels else 0
        layers = nn.Linear(inputs + classes, self.width), nn.LeakyReLU(0.2), nn.Linear(self.width, outputs), *last
        return Concat(classes, nn.Sequential(*layers)) if classes else nn.Sequential(nn.Flatten(), *layers)

    def generator(self, data: DataSpec) -> nn.Module:
        return self._network(data, self.latent, data.numel, nn.Tanh(), nn.Unflatten(1, data.shape))

    def discriminator(self, data: DataSpec) -> nn.Module:
        return self._network(data, data.numel, 1)


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [Labelled]
