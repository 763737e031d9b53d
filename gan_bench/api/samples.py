"""Samples as a run, a feature extractor or a metric is given them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.reading import Reading


class Samples:
    """One part of a dataset: samples (N, *shape), uint8 for images and float32 for points, and labels (N,) int64.

    As opened, the samples are a memory-mapped file whose pages all workers share; `to` puts them on a device. Those that
    were `chosen` of others stay where they are, and are found by their index: also those that were chosen more than once, and
    pictures that are mirrored as they are taken.
    """

    def __init__(
        self,
        data: Tensor,
        labels: Tensor | None,
        index: Tensor | None = None,
        mirrored: bool = False,
        read_ahead: Callable[[Tensor], None] | None = None,  # of a file: has the samples at places (B,) read soon
    ) -> None:
        self._read_ahead = read_ahead
        self._stored, self._index = data, index  # None: all that is stored; from len(data) on, pictures are mirrored
        self._mirrored = mirrored  # whether any is; else nothing is looked at for it
        self.labels = labels  # None: unlabelled

    def __len__(self) -> int:
        return len(self._stored if self._index is None else self._index)

    @property
    def data(self) -> Tensor:
        """(N, *shape) as stored. Of chosen samples it is a copy, made each time: `batch` and `batches` copy as they go."""
        return self._stored if self._index is None else self._taken(self._index)

    @property
    def device(self) -> torch.device:
        return self._stored.device

    @property
    def nbytes(self) -> int:
        """Bytes that the samples take when resident: each once, and the index if some are taken more often."""
        often = self._often()
        count, more = (len(self), 0) if often is None else (len(often[0]), often[1].nbytes)
        return count * self._stored[0].numel() * self._stored.element_size() + more

    def chosen(self, index: Tensor) -> Samples:
        """The samples at an index (n,) int64, in its order; nothing is copied but their labels.

        A sample may be chosen more than once. An i from N on, below 2 N, is picture i - N mirrored left to right.
        """
        index = index.to(self.device)
        mirrored = index >= len(self)
        own = index - len(self) * mirrored
        labels = None if self.labels is None else self.labels.index_select(0, own)
        places = own if self._index is None else self._index.index_select(0, own)
        if bool(mirrored.any()):
            total = len(self._stored)
            twice = (places + total * mirrored) % (2 * total)  # twice is not at all
            return Samples(self._stored, labels, twice, True, self._read_ahead)
        return Samples(self._stored, labels, places, self._mirrored, self._read_ahead)

    def to(self, device: torch.device | str) -> Samples:
        """The same samples and labels on a device, undecoded values kept as they are (uint8 for images).

        What is taken more than once, or mirrored, is put there once.
        """
        if torch.device(device) == self.device:
            return self
        labels = None if self.labels is None else self.labels.to(device)
        if (often := self._often()) is None:
            return Samples(self.data.to(device), labels)
        kept, index = often
        stored = self._stored if len(kept) == len(self._stored) else self._stored.index_select(0, kept)
        return Samples(stored.to(device), labels, index.to(device), self._mirrored)

    def batch(self, indices: Tensor) -> Tensor:
        """Samples (B, *shape) float32 at indices (B,) int64 on the samples' device; images have values in [-1, 1]."""
        return _scaled(self._taken(self._places(indices)))

    def expect(self, indices: Tensor) -> None:
        """Have the samples at indices (B,) int64 ready for `batch`, where they lie on a disk."""
        if self._read_ahead:
            self._read_ahead(self._places(indices) % len(self._stored))

    def batches(self, size: int) -> Iterator[Tensor]:
        """All samples in order, as `batch` gives them, `size` at a time (the last may be smaller)."""
        if self._index is None:
            return (_scaled(part) for part in self._stored.split(size))
        return (_scaled(self._taken(places)) for places in self._index.split(size))

    def _places(self, indices: Tensor) -> Tensor:
        return indices if self._index is None else self._index.index_select(0, indices)

    def _taken(self, places: Tensor) -> Tensor:
        """(B, *shape) as stored, mirrored where places (B,) say so. Nothing is asked of the device, for graphs capture it."""
        if not self._mirrored:
            return self._stored.index_select(0, places)
        samples = self._stored.index_select(0, places % len(self._stored))
        mirrored = (places >= len(self._stored)).view(-1, *[1] * (samples.dim() - 1))
        return torch.where(mirrored, samples.flip(-1), samples)

    def _often(self) -> tuple[Tensor, Tensor] | None:
        """Which stored samples (K,) are taken, and the index (N,) among these; None: each is taken but once."""
        if self._index is None:
            return None
        total = len(self._stored)
        kept, places = (self._index % total).unique(return_inverse=True)
        return None if len(kept) == len(self) else (kept, places + len(kept) * (self._index >= total))


def _scaled(data: Tensor) -> Tensor:
    if data.dtype != torch.uint8:
        return data
    # A division, not a product: 255 must become 1 exactly. By a tensor: CUDA multiplies by a number's reciprocal instead.
    return data.to(torch.float32).div_(torch.full((1,), 127.5, device=data.device)).sub_(1)


@dataclass(frozen=True)
class PreparedData:
    """A decoded dataset, as it is trained on."""

    name: str
    spec: DataSpec
    fingerprint: str  # SHA-256 of all decoded samples and labels, and of which of them are trained on
    folder: Path  # a worker opens it with `open_prepared`
    training: Samples
    held_out: Samples
    skipped: tuple[str, ...]  # unreadable samples that were left out: "name: reason"
    held_out_fingerprint: str  # SHA-256 of the held-out part's samples and labels
    reading: Reading | None = None  # what was found as it was decoded; None: not known
    before: PreparedData | None = None  # any of its training samples were chosen
    chosen: tuple[str, ...] = ()  # how they were, by setting: "subset: 144 of 1,437 training samples"

    @property
    def whole(self) -> PreparedData:
        """The dataset with all of its training samples, whichever of them are trained on."""
        return self.before or self

    @property
    def exchangeable(self) -> bool:
        """Whether training samples are drawn as held-out ones are: all there are, or a subset; none selected or mirrored."""
        return all(one.startswith("subset: ") for one in self.chosen)


# What of it is not the same for all training sets.
_HELD_OUT = {"name", "spec", "held_out", "held_out_fingerprint"}
_TRAINED_ON = {*PreparedData.__dataclass_fields__, "whole", "exchangeable"} - _HELD_OUT


class _Watched(PreparedData):
    """A decoded dataset that notices when more of it is looked at than its held-out part."""

    looked_at = False

    def __getattribute__(self, name: str) -> Any:
        if name in _TRAINED_ON:
            self.__dict__["looked_at"] = True
        return super().__getattribute__(name)


class RealData:
    """The real data, for a metric's reference. `held_out` and `training` are given as the metric's `reads` says.

    They are computed when they are asked for. What is asked for decides which scores may stand beside each other: those of a
    metric that looks at the held-out part alone may, whatever was trained on; those of any other, on equal training data only.
    """

    def __init__(self, data: PreparedData, read: Callable[[Literal["training", "held_out"]], Tensor]) -> None:
        self._watched = _Watched(*(getattr(data, field) for field in PreparedData.__dataclass_fields__))
        self._read, self._asked = read, False

    @property
    def data(self) -> PreparedData:
        """All samples and labels, as decoded, and what is known of them."""
        return self._watched

    @property
    def read_training(self) -> bool:
        """Whether anything has been asked for that depends on the training samples."""
        return self._asked or self._watched.looked_at

    @cached_property
    def held_out(self) -> Tensor:
        """(M, ...): the whole held-out part."""
        return self._read("held_out")

    @cached_property
    def training(self) -> Tensor:
        """(M, ...): as many samples of the training part, chosen at random once and for all; fewer if it has fewer."""
        self._asked = True
        return self._read("training")
