"""The samples' own numbers as features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from gan_bench import FeatureExtractor, NetworkFeatures, hookimpl

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData


class Pixels(FeatureExtractor):
    """The numbers themselves, flattened: right for points, and for pictures blind to what they show."""

    name = "pixels"

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> NetworkFeatures:
        """Nothing is learnt or cached."""
        return NetworkFeatures(nn.Flatten(), self.name, data.spec, device, data.spec.numel, {"resize": "none"})


@hookimpl
def gan_bench_features() -> list[type[FeatureExtractor]]:
    return [Pixels]
