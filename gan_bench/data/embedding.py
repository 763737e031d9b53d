"""Samples as a feature extractor sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_bench.api.faults import place_of, told
from gan_bench.api.kinds import FeatureExtractor, Features
from gan_bench.api.randomness import make_stream
from gan_bench.api.samples import PreparedData
from gan_bench.api.sources import source_hash
from gan_bench.canonical import canonical
from gan_bench.data.cache import caching

PIXELS = 40_000  # of the pictures that a CPU looks at at a time: few enough for their maps to fit the cache


class Embedding:
    """An extractor that is ready for a dataset, which it keeps in a folder. GanBenchError: what it needs is missing."""

    def __init__(self, extractor: FeatureExtractor, data: PreparedData, folder: Path, device: torch.device) -> None:
        self.data, self.device = data, device
        with told(f"features {extractor.name}: prepare() at {place_of(extractor.prepare)}"), caching(folder):
            # Of the whole data, so that what is learnt is the same whatever is trained on.
            self.features: Features = extractor.prepare(data.whole, folder, device)
        self.extractor = {"name": extractor.name, "source": source_hash(type(extractor))[:12]}

    @property
    def label(self) -> str:
        """What its features are called."""
        return self.features.label

    @property
    def facts(self) -> dict[str, Any]:
        """What a score's protocol says of it."""
        return {"features": self.features.protocol, "extractor": self.extractor}

    def check(self) -> None:
        """GanBenchError: the features have no protocol, or another shape."""
        count = min(2, len(self.data.held_out))
        with told(
            f"features {self.extractor['name']}, {type(self.features).__name__} at {place_of(type(self.features))}"
        ):
            canonical(self.features.protocol)
            found = self.extract(lambda: iter([self.data.held_out.batch(torch.arange(count))]))
            if found.dim() != 2 or len(found) != count or not found.is_floating_point():
                shape = f"{found.dtype} {tuple(found.shape)}"
                raise ValueError(f"features of {count} samples must be float32 ({count}, d), not {shape}")

    def extract(self, batches: Callable[[], Iterator[Tensor]]) -> Tensor:
        """Features (N, d) on the CPU of batches of samples (B, *shape) in [-1, 1]."""
        with torch.no_grad(), make_stream(0, "features", self.device):
            parts = (part for batch in batches() for part in batch.split(self._together(batch)))
            return torch.cat([self.features(part.to(self.device, copy=True)) for part in parts]).cpu()

    def _together(self, batch: Tensor) -> int:
        """How many of a batch's samples go through the network at a time."""
        pixels = batch[0, 0].numel() if batch.dim() == 4 and self.device.type == "cpu" else 1
        return max(1, PIXELS // pixels)

    def remarks(self) -> list[str]:
        """What the features say of themselves, in whole sentences."""
        of = f"features {self.label}"
        with told(f"{of}: remarks of {type(self.features).__name__} at {place_of(type(self.features))}"):
            return [f"{of}: {line(remark)}" for remark in getattr(self.features, "remarks", ())]


def line(remark: str) -> str:
    """The same. ValueError: it is no line of text."""
    if not isinstance(remark, str) or not remark.isprintable():
        raise ValueError(f"a remark is a line of text (found: {remark!r})")
    return remark
