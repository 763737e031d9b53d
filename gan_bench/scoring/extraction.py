"""Features of samples: one extractor made ready for a dataset, and the real data as it sees them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from gan_bench.api.kinds import FeatureExtractor, Metric
from gan_bench.api.samples import PreparedData
from gan_bench.canonical import canonical_hash
from gan_bench.data.embedding import Embedding
from gan_bench.data.kept import Kept
from gan_bench.scoring.samples import BATCH, shuffled

Part = Literal["held_out", "training"]


def fingerprint(data: PreparedData, part: Part) -> str:
    """Of the data that a part's samples are taken from; as many training samples are as there are held-out ones."""
    return data.held_out_fingerprint if part == "held_out" else data.fingerprint


def real_batches(data: PreparedData, part: Part) -> Iterator[Tensor]:
    """The held-out samples, or as many of the training samples, (B, *shape) at a time."""
    if part == "held_out":
        return data.held_out.batches(BATCH)
    chosen = shuffled(len(data.training))[: len(data.held_out)]
    return (data.training.batch(indices) for indices in chosen.to(data.training.device).split(BATCH))


class Extraction(Embedding):
    """An embedding of the held-out samples and of others, and the real data as it sees them.

    `against` is what is scored against: the dataset or a part of it. GanBenchError: what it needs is missing.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        data: PreparedData,
        kept: Kept,
        device: torch.device,
        against: PreparedData | None = None,
    ) -> None:
        super().__init__(extractor, data, kept.folder, device)
        self.data, self.kept = against or data, kept

    def real(self, part: Part = "held_out") -> Tensor:
        """Features (M, d) of the held-out data, or of as many training samples; computed once for a dataset."""
        key = canonical_hash([fingerprint(self.data, part), self.features.protocol, self.extractor])
        name = part.replace("_", "-")
        return self.kept(f"{name}-{key[:20]}", lambda: self.extract(lambda: real_batches(self.data, part)))

    def read(self, metric: Metric, features: Tensor) -> Tensor:
        """The features (N, d), or logits (N, classes) of them, whichever a metric reads."""
        if metric.reads == "logits":
            return self.features.logits(features)  # type: ignore[attr-defined]
        return features / self._size if self.standardised(metric) else features

    def standardised(self, metric: Metric) -> bool:
        """Whether a metric's features are divided by their size."""
        return metric.reads == "features" and metric.standardised(self.features)

    @cached_property
    def _size(self) -> float:
        """The root mean square of the held-out data's features; 1 where all are 0."""
        return float(self.real().double().square().mean().sqrt()) or 1.0

    def remarks(self) -> list[str]:
        """What whoever reads scores of these features should know, in whole sentences."""
        found, real, of = super().remarks(), self.real(), f"features {self.label}"
        if (real == real[0]).all():
            equal = f"those of all {len(real):,} held-out samples are equal"
            found.append(f"{of}: {equal}, so that scores tell next to nothing. Take other features.")
        return found
