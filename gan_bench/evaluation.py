"""Sampling and scoring a generator: the protocol of every number in a report."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_bench.canonical import canonical, canonical_hash
from gan_bench.data import PreparedData, cache_root, told
from gan_bench.networks import place_of
from gan_bench.plugin import FeatureExtractor, Features, Metric
from gan_bench.sample_grid import save_grid
from gan_bench.sources import source_hash
from gan_bench.store import Columns, read_tensors, write_tensors
from gan_bench.streams import Stream, make_stream

GRID_SAMPLES = 100  # images in a sample grid
POINTS = 2000  # points in a picture of them
BATCH = 100  # samples generated or scored at a time


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode, without gradients; afterwards every module's mode is put back."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.no_grad():
            yield network.eval()
    finally:
        for module, mode in modes:
            module.training = mode


def draw(sampled: nn.Module, latent: int, count: int, seed: int, device: torch.device) -> Tensor:
    """`count` samples (count, *shape) on the CPU, from the seed's own latents: equal at every snapshot and in every cell.

    They are drawn in whole batches, so that the first ones do not depend on how many are asked for.
    """
    with evaluating(sampled), make_stream(seed, "evaluation", device):
        batches = [sampled(torch.randn(BATCH, latent, device=device)).float() for _ in range(0, count, BATCH)]
    return torch.cat(batches)[:count].cpu()  # at the end, so that a GPU is waited for once


class Evaluator:
    """Scores samples by metrics on shared features, against the held-out real data."""

    def __init__(
        self,
        data: PreparedData,
        metrics: Sequence[Metric],
        extractor: FeatureExtractor,
        samples: int,
        device: torch.device,
        cache: Path | None = None,
    ) -> None:
        self.data, self.metrics, self.count, self.device = data, metrics, samples, device
        self.cache = cache or cache_root() / "features"
        with told(f"features {extractor.name}: prepare() at {place_of(extractor.prepare)}"):
            self.features: Features = extractor.prepare(data, self.cache, device)
        self.extractor = {"name": extractor.name, "source": source_hash(type(extractor))[:12]}
        self._loaded: dict[str, Any] = {}  # what the cache keeps, by the name of its file

    def prepare(self) -> None:
        """Make what all snapshots share, and keep it in the cache for whoever scores them.

        GanBenchError: the features or a metric are not what they should be, so that nothing could be scored after training.
        """
        self._check()
        _ = self.real
        for metric in self.metrics:
            with suppress(Exception):  # it becomes each score's error
                self.reference(metric)

    def _check(self) -> None:
        """GanBenchError: features have no protocol or another shape, or a metric has other arguments or no label."""
        count = min(2, len(self.data.held_out))
        with told(
            f"features {self.extractor['name']}, {type(self.features).__name__} at {place_of(type(self.features))}"
        ):
            canonical(self.features.protocol)
            found = self.extract(lambda: iter([self.data.held_out.batch(torch.arange(count))]))
            if found.dim() != 2 or len(found) != count or not found.is_floating_point():
                shape = f"{found.dtype} {tuple(found.shape)}"
                raise ValueError(f"features of {count} samples must be float32 ({count}, d), not {shape}")
        for metric in self.metrics:
            with told(f"metric {metric.name} at {place_of(type(metric))}"):
                if not _takes(metric.score, 2):
                    raise ValueError("score() must take two arguments: generated features, and the reference")
                label = metric.label(self.features)
                if not isinstance(label, str) or not label:
                    raise ValueError(f"label() must return text (found: {label!r})")

    def score(self, generated: Tensor) -> list[dict[str, Any]]:
        """Scores of `self.count` generated samples (N, *shape)."""
        return self._scores(self.extract(lambda: iter(generated.split(BATCH))), generated=len(generated))

    def columns(self) -> Columns:
        """Label and protocol of every score that is made."""
        return {(metric.label(self.features), self._protocol(metric)[1]) for metric in self.metrics}

    def score_training_data(self) -> list[dict[str, Any]]:
        """The floor: scores of as many real training samples, as if they had been generated."""
        count = min(self.count, len(self.data.training))
        chosen = shuffled(len(self.data.training))[:count]
        batches = (self.data.training.batch(part) for part in chosen.split(BATCH))
        return self._scores(self.extract(lambda: batches), generated=count)

    @property
    def real(self) -> Tensor:
        """Features (M, d) of the held-out data, computed once for a dataset and extractor."""
        key = canonical_hash([self.data.fingerprint, self.features.protocol, self.extractor])
        return self._kept(f"held-out-{key[:20]}", lambda: self.extract(lambda: self.data.held_out.batches(BATCH)))

    def reference(self, metric: Metric) -> Tensor | dict[str, Tensor]:
        """What a metric makes of the held-out features, computed once for a dataset, extractor and metric."""
        if type(metric).reference is Metric.reference:
            return self.real
        own = [metric.settings(), source_hash(type(metric))]
        facts = [self.data.fingerprint, self.features.protocol, self.extractor, *own]

        def compute() -> Tensor | dict[str, Tensor]:
            with Stream(0, f"reference:{metric.name}", torch.device("cpu")):
                return metric.reference(self.real)

        return self._kept(f"reference-{metric.name}-{canonical_hash(facts)[:20]}", compute)

    def _kept(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value, computed unless this process or the cache's file of this name has it."""
        path = self.cache / f"{name}.pt"
        if name not in self._loaded:
            with suppress(FileNotFoundError, ValueError):  # there is none yet, or a damaged one
                self._loaded[name] = read_tensors(path)
        if name not in self._loaded:
            write_tensors(path, compute())
            self._loaded[name] = read_tensors(path)
        return self._loaded[name]

    def extract(self, batches: Callable[[], Iterator[Tensor]]) -> Tensor:
        """Features (N, d) on the CPU of batches of samples (B, *shape) in [-1, 1]."""
        with torch.no_grad(), make_stream(0, "features", self.device):
            return torch.cat([self.features(batch.to(self.device)) for batch in batches()]).cpu()

    def _scores(self, features: Tensor, generated: int) -> list[dict[str, Any]]:
        return [self._score(metric, features, generated) for metric in self.metrics]

    def _protocol(self, metric: Metric) -> tuple[dict[str, Any], str]:
        protocol = {
            "metric": {**metric.settings(), "source": source_hash(type(metric))[:12]},
            "dataset": self.data.fingerprint,
            "features": self.features.protocol,
            "extractor": self.extractor,
            "generated": self.count,
            "real": len(self.data.held_out),
            "split": "held out",
            "mode": "evaluation",
        }
        return protocol, canonical_hash(protocol)[:8]

    def _score(self, metric: Metric, features: Tensor, generated: int) -> dict[str, Any]:
        protocol, protocol_id = self._protocol(metric)
        score: dict[str, Any] = {
            "metric": metric.name,
            "label": metric.label(self.features),
            "value": None,
            "better": metric.better,
            "scale": metric.scale,
            "protocol": protocol,
            "protocol_id": protocol_id,
        }
        if generated != self.count:
            score["generated"] = generated
        try:
            with Stream(0, f"metric:{metric.name}", torch.device("cpu")):
                value = float(metric.score(features, self.reference(metric)))
            if math.isfinite(value):
                score["value"] = value
            else:
                score["error"] = f"{metric.name} is {value}"
        except Exception as error:  # noqa: BLE001 - a number that can't be computed must not cost the run
            score["error"] = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return score


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def save_real(folder: Path, data: PreparedData) -> None:
    """Write a sample grid of real data, the first of a fixed shuffle of the held-out part."""
    some = shuffled(len(data.held_out))[:POINTS]
    save_grid(data.held_out.batch(some if data.spec.kind == "points" else some[:GRID_SAMPLES]), folder / "samples.png")


def shown(samples: Tensor) -> Tensor:
    """Those of (N, *shape) samples that a sample grid shows: a hundred images, or many points."""
    return samples[:POINTS] if samples.dim() == 2 else samples[:GRID_SAMPLES]


def shuffled(count: int) -> Tensor:
    """The indices below `count`, in the same random order every time."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))
