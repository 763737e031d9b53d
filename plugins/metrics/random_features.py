"""Features of a random network, for data without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from gan_bench import DataSpec, FeatureExtractor, Field, NetworkFeatures, hookimpl
from gan_bench.api.randomness import Stream

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData


class RandomFeatures(FeatureExtractor):
    """Seeded random convolutions (Naeem et al. 2020), which need neither labels nor weights; perceptrons for points.

    They tell distributions apart, but do not know what matters in a picture. 4 times `width` features.
    """

    name = "random"
    width: int = Field(32, ge=1, description="channels of each layer; each gives 4 features, one for each quarter")
    seed: int = Field(0, ge=0, description="seed of the weights")

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> NetworkFeatures:
        """Drawn anew each time: the same numbers on every device. Nothing is cached."""
        with Stream(self.seed, "random features", torch.device("cpu")):
            network = self._network(data.spec)
        return NetworkFeatures(network, self.name, data.spec, device, 4 * self.width, {"resize": "none"})

    def _network(self, data: DataSpec) -> nn.Sequential:
        """(B, *shape) -> (B, 4 width)."""
        layers: list[nn.Module]
        if data.kind == "image":
            layers, channels = [], data.shape[0]
            for stride in (1, 2, 2):
                layers += [nn.Conv2d(channels, self.width, 3, stride, padding=1), nn.ReLU(inplace=True)]
                channels = self.width
            layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        else:
            units = 4 * self.width
            layers = [nn.Flatten(), nn.Linear(data.numel, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU()]
        for layer in layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # keeps the signal's size through the layers
        return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # a third faster


@hookimpl
def gan_bench_features() -> list[type[FeatureExtractor]]:
    return [RandomFeatures]
