"""Scoring samples: the protocol of every number in a report."""

from __future__ import annotations

import inspect
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from gan_bench.api.faults import place_of, told
from gan_bench.api.kinds import FeatureExtractor, Features, Metric, Number, named
from gan_bench.api.pictures import as_saved
from gan_bench.api.randomness import Stream, make_stream
from gan_bench.api.samples import PreparedData, RealData
from gan_bench.api.sources import source_hash
from gan_bench.canonical import canonical, canonical_hash
from gan_bench.data.cache import cache_root, caching
from gan_bench.errors import GanBenchError, message
from gan_bench.files import read_tensors, write_tensors
from gan_bench.scoring.diversity import SAME, SAMPLES, diversity, real_distances
from gan_bench.scoring.samples import BATCH, shuffled
from gan_bench.store.documents import LARGEST
from gan_bench.store.state import Columns

if TYPE_CHECKING:
    from gan_bench.api.registry import Registry
    from gan_bench.grid import Evaluate

Part = Literal["held_out", "training"]
PARTS: tuple[Part, ...] = ("held_out", "training")


class Evaluator:
    """Scores samples by metrics on shared features, against the held-out real data; and if asked, training data beside them.

    `seconds` says what the latest scores took: "features", and each metric by name.
    """

    def __init__(
        self,
        data: PreparedData,
        metrics: Sequence[Metric],
        extractor: FeatureExtractor,
        samples: int,
        device: torch.device,
        cache: Path | None = None,
        against_training: bool = False,
    ) -> None:
        self.data, self.metrics, self.count, self.device = data, metrics, samples, device
        self.against_training = against_training
        self.seconds: dict[str, float] = {}
        self.cache = cache or cache_root() / "features"
        with told(f"features {extractor.name}: prepare() at {place_of(extractor.prepare)}"), caching(self.cache):
            # Of the whole data, so that what they learn is the same whatever is trained on.
            self.features: Features = extractor.prepare(data.whole, self.cache, device)
        self.extractor = {"name": extractor.name, "source": source_hash(type(extractor))[:12]}
        self._loaded: dict[str, Any] = {}  # what the cache keeps, by the name of its file
        self._looked: dict[str, bool] = {}  # whether a reference was made of training data too, by the same

    @classmethod
    def of(cls, evaluate: Evaluate, registry: Registry, data: PreparedData, device: torch.device) -> Evaluator:
        """What a grid's `[evaluate]` asks for. PluginError: a metric or the extractor can't be had."""
        metrics = [registry.create("metric", metric) for metric in evaluate.metrics]
        extractor = registry.create("features", evaluate.features)
        return cls(data, metrics, extractor, evaluate.samples, device, against_training=evaluate.against_training)

    def prepare(self) -> None:
        """Make what all snapshots share, and keep it in the cache for whoever scores them.

        GanBenchError: the features or a metric are not what they should be, so that nothing could be scored after training.
        """
        self._check()
        _ = self.real, self._real_distances
        for metric in self.metrics:
            for part in self._parts(metric):
                self._missing(metric, part)  # it becomes each score's error

    def _missing(self, metric: Metric, part: Part) -> str:
        """Why a metric has no reference, so that it has no score against this part; "" where it has one."""
        try:
            self.reference(metric, part)
        except Exception as fault:  # noqa: BLE001 - whatever a plugin raises
            return _reason(fault)
        return ""

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
                for name, (label, number) in self._numbers(metric).items():
                    if not isinstance(label, str) or not label:
                        raise ValueError(f"label() must return text (found: {label!r})")
                    if not isinstance(name, str) or not isinstance(number, Number):
                        raise ValueError(f"`numbers` must be a dict of names and Number (found: {name!r}: {number!r})")
                if metric.reads == "logits" and not hasattr(self.features, "logits"):
                    raise GanBenchError(
                        f"metric {metric.name} needs to know classes, which features = {self.features.label!r} do not tell. "
                        "Use features = 'classifier'"
                    )

    def score(self, generated: Tensor, parts: Sequence[Part] = PARTS) -> list[dict[str, Any]]:
        """Scores of `self.count` generated samples (N, *shape), against these parts of the data."""
        self.seconds = defaultdict(float)
        if self.data.spec.kind == "image":
            # In batches, since at once it would take thrice the room.
            generated = torch.cat([as_saved(batch) for batch in generated.split(BATCH)])
        extracted: list[Tensor] = []  # once for all metrics, where any reads them
        scores = []
        for metric in self.metrics:
            if metric.reads != "samples" and not extracted:
                with self._timed("features"):
                    extracted.append(self.extract(lambda: iter(generated.split(BATCH))))
            with self._timed(metric.name):
                scores += self._score(metric, parts, generated, *extracted)
        return scores

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - began

    def diversity(self, generated: Tensor) -> float | None:
        """How varied generated samples (N, *shape) are beside held-out data: no score, but a sign."""
        return diversity(generated, self._real_distances)

    @property
    def _real_distances(self) -> Tensor:
        def compute() -> Tensor:
            return real_distances(self.data.held_out.batch(shuffled(len(self.data.held_out))[:SAMPLES]))

        return self.kept(f"distances-{canonical_hash([self.data.held_out_fingerprint, SAME, SAMPLES])[:20]}", compute)

    def columns(self) -> Columns:
        """Label and protocol of every score that is made."""
        return {
            (label, self._protocol(metric, name)[1])
            for metric in self.metrics
            for name, (label, _) in self._numbers(metric).items()
        }

    def score_training_data(self) -> list[dict[str, Any]]:
        """The floor: scores of as many real training samples, as if they had been generated; of all, whichever are trained on."""
        training = self.data.whole.training
        return self.score(training.batch(shuffled(len(training))[: self.count]), ("held_out",))

    def remarks(self) -> list[str]:
        """What whoever reads these scores should know of the features and of each metric, in whole sentences.

        GanBenchError: what says so is broken, or says something else.
        """
        found: list[str] = []
        of = f"features {self.features.label}"
        with told(f"{of}: remarks of {type(self.features).__name__} at {place_of(type(self.features))}"):
            found += [f"{of}: {_line(remark)}" for remark in getattr(self.features, "remarks", ())]
        if any(metric.reads != "samples" for metric in self.metrics) and (self.real == self.real[0]).all():
            equal = f"those of all {len(self.real):,} held-out samples are equal"
            found.append(f"{of}: {equal}, so that scores tell next to nothing. Take other features.")
        for metric in self.metrics:
            label = ", ".join(label for label, _ in self._numbers(metric).values())
            if not self._missing(metric, "held_out"):
                missing = [why for part in self._parts(metric) if (why := self._missing(metric, part))]
                found += [f"{label}: no score against training data: {_line(why)}" for why in missing]
            with told(f"metric {metric.name}: remarks() at {place_of(type(metric).remarks)}"):
                data = RealData(self.data, partial(self._read, metric))
                found += [f"{label}: {_line(remark)}" for remark in metric.remarks(data, self.count)]
        return found

    @property
    def real(self) -> Tensor:
        """Features (M, d) of the held-out data, computed once for a dataset and extractor."""
        return self._features_of("held_out")

    def _features_of(self, part: Part) -> Tensor:
        """Features of the held-out data, or of as many training samples."""
        key = canonical_hash([self._fingerprint(part), self.features.protocol, self.extractor])
        name = part.replace("_", "-")
        return self.kept(f"{name}-{key[:20]}", lambda: self.extract(lambda: self._batches(part)))

    def _fingerprint(self, part: Part) -> str:
        """Of the data that a part's samples are taken from; how many training samples are, the held-out ones say."""
        return self.data.held_out_fingerprint if part == "held_out" else self.data.fingerprint

    def _batches(self, part: Part) -> Iterator[Tensor]:
        if part == "held_out":
            return self.data.held_out.batches(BATCH)
        chosen = shuffled(len(self.data.training))[: len(self.data.held_out)]
        return (self.data.training.batch(indices) for indices in chosen.to(self.data.training.device).split(BATCH))

    def reference(self, metric: Metric, against: Part = "held_out") -> Any:
        """What a metric's scores compare with, made of the held-out data or of as many training samples; kept in the cache."""
        if metric.reads == "features" and type(metric).reference is Metric.reference and not _chooses(metric):
            return self._features_of(against)
        name = self._reference_name(metric, against)

        def compute() -> dict[str, Any]:
            data = RealData(self.data, lambda part: self._read(metric, against if part == "held_out" else part))
            try:
                with Stream(0, f"reference:{metric.name}", torch.device("cpu")):
                    return {"reference": metric.reference_of(data), "read_training": data.read_training}
            finally:
                self._looked[name] = data.read_training

        made = self.kept(name, compute)
        self._looked[name] = made["read_training"]
        return made["reference"]

    def _reference_name(self, metric: Metric, against: Part) -> str:
        """The name of the cache's file."""
        real = self.data.fingerprint if _chooses(metric) else self._fingerprint(against)
        seen = [] if metric.reads == "samples" else [self.features.protocol, self.extractor]
        modes = self.data.spec.modes and asdict(self.data.spec.modes)
        key = canonical_hash([real, against, *seen, metric.settings(), source_hash(type(metric)), modes])
        return f"reference-{metric.name}-{key[:20]}"

    def _reads_training(self, metric: Metric) -> bool:
        """Whether its scores rest on the training data too: whether its reference was made of more than the held-out part."""
        if not _chooses(metric):
            return False
        name = self._reference_name(metric, "held_out")
        if name not in self._looked:
            self._missing(metric, "held_out")
        return self._looked.get(name, True)

    def _parts(self, metric: Metric) -> tuple[Part, ...]:
        """What a metric's scores are made against. One that chooses its real data itself has no second score."""
        return PARTS[:1] if _chooses(metric) or not self.against_training else PARTS

    def _read(self, metric: Metric, part: Part) -> Tensor:
        """A part of the real data as a metric reads it."""
        if metric.reads == "samples":
            return torch.cat(list(self._batches(part)))
        return self._seen(metric, self._features_of(part))

    def _seen(self, metric: Metric, features: Tensor) -> Tensor:
        """The features or the logits, whichever a metric reads."""
        return self.features.logits(features) if metric.reads == "logits" else features  # type: ignore[attr-defined]

    def kept(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value, computed unless this process or the cache's file of this name has it."""
        path = self.cache / f"{name}.pt"
        with caching(self.cache):
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

    def _numbers(self, metric: Metric) -> dict[str, tuple[str, Number]]:
        """Label and kind of each number that a metric returns, by name; "" where it is the only one."""
        return {
            name: (named(name, metric, self.features) if name else metric.label(self.features), number)
            for name, number in metric.every_number().items()
        }

    def _protocol(self, metric: Metric, number: str) -> tuple[dict[str, Any], str]:
        protocol = {
            "metric": {**metric.settings(), "source": source_hash(type(metric))[:12]},
            "dataset": self.data.fingerprint if self._reads_training(metric) else self.data.held_out_fingerprint,
            "generated": self.count,
            "real": len(self.data.held_out),
            "split": "held out",
            "mode": "evaluation",
            "quantisation": "8 bits" if self.data.spec.kind == "image" else "none",
        }
        if metric.reads != "samples":
            protocol |= {"features": self.features.protocol, "extractor": self.extractor}
        if number:
            protocol["number"] = number
        return protocol, canonical_hash(protocol)[:8]

    def _score(
        self, metric: Metric, parts: Sequence[Part], samples: Tensor, features: Tensor | None = None
    ) -> list[dict[str, Any]]:
        """The score of each of a metric's numbers. `features` are the samples' own; whoever reads samples needs none."""
        found = {part: self._found(metric, samples, features, part) for part in self._parts(metric) if part in parts}
        scores = []
        for name, (label, number) in self._numbers(metric).items():
            protocol, protocol_id = self._protocol(metric, name)
            score = {"metric": metric.name, "label": label, "value": None, **number.facts()}
            score |= {"protocol": protocol, "protocol_id": protocol_id}
            if len(samples) != self.count:
                score["generated"] = len(samples)
            score |= found["held_out"](name)
            if "training" in found:
                real = min(len(self.data.training), len(self.data.held_out))
                score["against_training"] = {
                    "value": None,
                    **found["training"](name),
                    "split": "training",
                    "real": real,
                }
            scores.append(score)
        return scores

    def _found(
        self, metric: Metric, samples: Tensor, features: Tensor | None, against: Part
    ) -> Callable[[str], dict[str, Any]]:
        """A metric's numbers by name, each as a value with its standard error or as the reason why there is none."""
        try:
            with Stream(0, f"metric:{metric.name}", torch.device("cpu")), torch.no_grad():
                given = samples if features is None or metric.reads == "samples" else self._seen(metric, features)
                found = metric.score(given, self.reference(metric, against))
        except Exception as fault:  # noqa: BLE001 - a number that can't be computed must not cost the run
            error = {"error": _reason(fault)}
            return lambda name: error
        values: Mapping[str, Any] = found if isinstance(found, Mapping) else {"": found}
        return lambda name: _valued(name or metric.name, values.get(name))


def _chooses(metric: Metric) -> bool:
    """Whether a metric chooses its real data itself. All others are given the held-out part and nothing else."""
    return type(metric).reference_of is not Metric.reference_of


def _reason(fault: Exception) -> str:
    """Why a metric has no score, in its own words."""
    return message(fault).removeprefix("ValueError: ")


def _line(remark: str) -> str:
    """The same. ValueError: it is no line of text."""
    if not isinstance(remark, str) or not remark.isprintable():
        raise ValueError(f"a remark is a line of text (found: {remark!r})")
    return remark


def _valued(name: str, found: Any) -> dict[str, Any]:
    """A score's value and standard error, or why there is none."""
    try:
        value, *spread = map(float, found if isinstance(found, tuple) else (found,))
    except (TypeError, ValueError):
        return {"error": f"{name} is {found!r}, not a number"}
    if not abs(value) < LARGEST:  # nor is NaN
        return {"error": f"{name} is {value}"}
    return {"value": value, **({"standard_error": spread[0]} if spread and math.isfinite(spread[0]) else {})}


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True
