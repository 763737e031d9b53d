"""Features of FID's Inception network: the 2048 of its last pooling, or the 64, 192 or 768 of an earlier layer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from gan_bench import FeatureExtractor, Field, NetworkFeatures, hookimpl
from gan_bench.api.pictures import to_uint8

from ._pretrained import Pretrained

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData


class _Inception(nn.Module):
    """torch-fidelity's network behind the interface of the others: (B, 1 or 3, H, W) in [-1, 1] -> (B, dimension)."""

    def __init__(self, weights: dict[str, Tensor], dimension: int) -> None:
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # slow to import

        # It reads its weights with a pickle that could execute code, so it gets a file that was written here.
        file = io.BytesIO()
        torch.save(weights, file)
        file.seek(0)
        self.inception = FeatureExtractorInceptionV3("inception", [str(dimension)], feature_extractor_weights_path=file)

    def forward(self, samples: Tensor) -> Tensor:
        pixels = to_uint8(samples)
        features: Tensor = self.inception(pixels.expand(-1, 3, -1, -1))[0]
        return features


class Inception(Pretrained):
    """Inception v3 as FID uses it (Heusel et al. 2017): 2048 features, resized as TensorFlow 1 did.

    Fewer features are means over the maps of an earlier layer: after its first or second max pooling (64, 192), or before its
    auxiliary classifier (768). Their covariance needs fewer samples, but their distance is no FID, and they tell no classes.
    The weights are never downloaded. Grey pictures are repeated to three channels. It was trained on photographs, and says
    little about digits or drawings.
    """

    name = "inception"
    network_of = "FID's Inception network"
    source = (
        "Download pt_inception-2015-12-05-6726825d.pth (91 MiB) from "
        "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights (or torch-fidelity's "
        "weights-inception-2015-12-05-6726825d.pth, the same bytes)"
    )
    sha256: str = Field(
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        pattern="^[0-9a-f]{8,64}$",
        description="SHA-256 that the file must have, or its first digits",
    )
    dimension: Literal[64, 192, 768, 2048] = Field(2048, description="features: which layer they are read from")

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> NetworkFeatures:
        """Loaded without executing code. GanBenchError: data, file or checksum are not the right ones, and the cure."""
        network, found = self.loaded(data.spec, lambda weights: _Inception(weights, self.dimension))
        more = {"resize": "299x299 bilinear, as TensorFlow 1", "file_sha256": found}
        head = None
        if self.dimension == 2048:
            weight = network.inception.fc.weight  # without the bias, as torch-fidelity and TensorFlow's script do
            head = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            head.weight = weight
        return NetworkFeatures(network, f"inception-{self.dimension}", data.spec, device, self.dimension, more, head)


@hookimpl
def gan_bench_features() -> list[type[FeatureExtractor]]:
    return [Inception]
