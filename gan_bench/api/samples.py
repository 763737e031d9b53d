"""Samples as a run, a feature extractor or a metric is given them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from gan_bench.api.data_spec import DataSpec


class Samples:
    """One part of a dataset: samples (N, *shape), uint8 for images and float32 for points, and labels (N,) int64.

    As opened, the samples are a memory-mapped file whose pages all workers share; `to` puts them on a device.
    """

    def __init__(self, data: Tensor, labels: Tensor | None) -> None:
        self.data = data
        self.labels = labels  # None: unlabelled

    def __len__(self) -> int:
        return len(self.data)

    @property
    def device(self) -> torch.device:
        return self.data.device

    @property
    def nbytes(self) -> int:
        """Bytes that the samples take when resident."""
        return self.data.numel() * self.data.element_size()

    def to(self, device: torch.device | str) -> Samples:
        """The same samples and labels on a device, undecoded values kept as they are (uint8 for images)."""
        return Samples(self.data.to(device), None if self.labels is None else self.labels.to(device))

    def batch(self, indices: Tensor) -> Tensor:
        """Samples (B, *shape) float32 at indices (B,) int64 on the samples' device; images have values in [-1, 1]."""
        return _scaled(self.data.index_select(0, indices))

    def batches(self, size: int) -> Iterator[Tensor]:
        """All samples in order, as `batch` gives them, `size` at a time (the last may be smaller)."""
        return (_scaled(part) for part in self.data.split(size))


def _scaled(data: Tensor) -> Tensor:
    if data.dtype != torch.uint8:
        return data
    # A division, not a product: 255 must become 1 exactly. By a tensor: CUDA multiplies by a number's reciprocal instead.
    return data.to(torch.float32).div_(torch.full((1,), 127.5, device=data.device)).sub_(1)


@dataclass(frozen=True)
class PreparedData:
    """A decoded dataset."""

    name: str
    spec: DataSpec
    fingerprint: str  # SHA-256 of all decoded samples and labels
    folder: Path  # a worker opens it with `open_prepared`
    training: Samples
    held_out: Samples
    skipped: tuple[str, ...]  # unreadable samples that were left out: "name: reason"


class RealData:
    """The real data, for a metric's reference. `held_out` and `training` are given as the metric's `reads` says.

    They are computed when they are asked for. `data` has all samples and labels, as decoded, and what is known of them.
    """

    def __init__(self, data: PreparedData, read: Callable[[Literal["training", "held_out"]], Tensor]) -> None:
        self.data, self._read = data, read

    @cached_property
    def held_out(self) -> Tensor:
        """(M, ...): the whole held-out part."""
        return self._read("held_out")

    @cached_property
    def training(self) -> Tensor:
        """(M, ...): as many samples of the training part, chosen at random once and for all; fewer if it has fewer."""
        return self._read("training")
