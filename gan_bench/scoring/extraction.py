"""Features of samples: one extractor made ready for a dataset, and the real data as it sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gan_bench.api.faults import place_of, told
from gan_bench.api.kinds import FeatureExtractor, Features, Metric
from gan_bench.api.randomness import make_stream
from gan_bench.api.samples import PreparedData
from gan_bench.api.sources import source_hash
from gan_bench.canonical import canonical, canonical_hash
from gan_bench.data.cache import caching
from gan_bench.files import read_tensors, write_tensors
from gan_bench.scoring.samples import BATCH, shuffled

Part = Literal["held_out", "training"]


class Kept:
    """Values that are computed once, and kept in a folder for whoever needs them next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, Any] = {}  # by the name of the file

    def __call__(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value, computed unless this process or the folder's file of this name has it."""
        path = self.folder / f"{name}.pt"
        with caching(self.folder):
            if name not in self._loaded:
                with suppress(FileNotFoundError, ValueError):  # there is none yet, or a damaged one
                    self._loaded[name] = read_tensors(path)
            if name not in self._loaded:
                write_tensors(path, compute())
                self._loaded[name] = read_tensors(path)
        return self._loaded[name]


def fingerprint(data: PreparedData, part: Part) -> str:
    """Of the data that a part's samples are taken from; as many training samples are as there are held-out ones."""
    return data.held_out_fingerprint if part == "held_out" else data.fingerprint


def real_batches(data: PreparedData, part: Part) -> Iterator[Tensor]:
    """The held-out samples, or as many of the training samples, (B, *shape) at a time."""
    if part == "held_out":
        return data.held_out.batches(BATCH)
    chosen = shuffled(len(data.training))[: len(data.held_out)]
    return (data.training.batch(indices) for indices in chosen.to(data.training.device).split(BATCH))


class Extraction:
    """An extractor that is ready for a dataset. GanBenchError: what it needs is missing."""

    def __init__(self, extractor: FeatureExtractor, data: PreparedData, kept: Kept, device: torch.device) -> None:
        self.data, self.kept, self.device = data, kept, device
        with told(f"features {extractor.name}: prepare() at {place_of(extractor.prepare)}"), caching(kept.folder):
            # Of the whole data, so that what is learnt is the same whatever is trained on.
            self.features: Features = extractor.prepare(data.whole, kept.folder, device)
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
            return torch.cat([self.features(batch.to(self.device)) for batch in batches()]).cpu()

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
        of = f"features {self.label}"
        with told(f"{of}: remarks of {type(self.features).__name__} at {place_of(type(self.features))}"):
            found = [f"{of}: {line(remark)}" for remark in getattr(self.features, "remarks", ())]
        real = self.real()
        if (real == real[0]).all():
            equal = f"those of all {len(real):,} held-out samples are equal"
            found.append(f"{of}: {equal}, so that scores tell next to nothing. Take other features.")
        return found


def line(remark: str) -> str:
    """The same. ValueError: it is no line of text."""
    if not isinstance(remark, str) or not remark.isprintable():
        raise ValueError(f"a remark is a line of text (found: {remark!r})")
    return remark
