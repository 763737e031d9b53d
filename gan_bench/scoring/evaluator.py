"""Scoring samples: the protocol of every number in a report."""

from __future__ import annotations

import inspect
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_bench.api.faults import place_of, told
from gan_bench.api.kinds import FeatureExtractor, Metric, Number, named
from gan_bench.api.pictures import as_saved
from gan_bench.api.randomness import Stream
from gan_bench.api.samples import PreparedData, RealData
from gan_bench.api.sources import source_hash
from gan_bench.canonical import canonical, canonical_hash
from gan_bench.data.cache import cache_root
from gan_bench.errors import GanBenchError, message
from gan_bench.grid.headlines import Place, headlines
from gan_bench.grid.schema import without_features
from gan_bench.scoring.diversity import SAME, SAMPLES, diversity, real_distances
from gan_bench.scoring.extraction import Extraction, Kept, Part, fingerprint, line, real_batches
from gan_bench.scoring.samples import BATCH, shuffled
from gan_bench.store.documents import LARGEST
from gan_bench.store.state import Columns

if TYPE_CHECKING:
    from gan_bench.api.registry import Registry
    from gan_bench.grid import Evaluate

PARTS: tuple[Part, ...] = ("held_out", "training")


@dataclass(frozen=True)
class Scored:
    """One of the numbers that are scored."""

    place: Place
    label: str
    protocol_id: str


class Evaluator:
    """Scores samples by metrics on features, against the held-out real data; and if asked, training data beside them.

    Metrics share the grid's features, but for those that name their own (`own`, by the metric's place). `seconds` says what
    the latest scores took: "features", and each metric by name.
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
        own: Mapping[int, FeatureExtractor] | None = None,
    ) -> None:
        self.data, self.metrics, self.count, self.device = data, metrics, samples, device
        self.against_training = against_training
        self.headlines: tuple[Place, ...] = ()  # the numbers that are tested; the first one ranks
        self.seconds: dict[str, float] = {}
        self.treatment: dict[str, str] = {}  # what was done to generated samples first; it stands in each protocol
        self._alarms: dict[Place, dict[str, Any] | None] = {}
        self._floor: list[dict[str, Any]] = []  # scores of real training data, once they were computed
        self.kept = Kept(cache or cache_root() / "features")
        self._looked: dict[str, bool] = {}  # by a reference's file: whether it was made of training data too
        made: dict[str, Extraction] = {}

        def extraction(one: FeatureExtractor) -> Extraction:
            key = canonical(one.settings())
            if key not in made:
                made[key] = Extraction(one, data, self.kept, device)
            return made[key]

        self.extraction = extraction(extractor)  # through the grid's features
        self.through = [extraction((own or {}).get(index, extractor)) for index in range(len(metrics))]

    @classmethod
    def of(cls, evaluate: Evaluate, registry: Registry, data: PreparedData, device: torch.device) -> Evaluator:
        """What a grid's `[evaluate]` asks of these data. PluginError: a metric or an extractor can't be had.

        Fault: `headline` names none of their numbers.
        """
        asked = evaluate.of(data.spec.kind, labelled=data.spec.classes is not None)
        metrics = [registry.create("metric", without_features(metric)) for metric in asked.metrics]
        own = {
            index: registry.create("features", metric["features"])
            for index, metric in enumerate(asked.metrics)
            if "features" in metric
        }
        tested = headlines(asked, metrics)
        extractor, beside = registry.create("features", asked.features), evaluate.against_training
        made = cls(data, metrics, extractor, evaluate.samples, device, against_training=beside, own=own)
        made.headlines = tested
        return made

    def prepare(self) -> None:
        """Make what all snapshots share, and keep it in the cache for whoever scores them.

        GanBenchError: the features or a metric are not what they should be, so that nothing could be scored after training.
        """
        self._check()
        _ = self._real_distances
        for extraction in {self.extraction, *self.through}:
            extraction.real()
        for index in range(len(self.metrics)):
            for part in self._parts(index):
                self._missing(index, part)  # it becomes each score's error
            for name in self.metrics[index].every_number():
                self._alarm(index, name)

    def _missing(self, index: int, part: Part) -> str:
        """Why a metric has no reference, so that it has no score against this part; "" where it has one."""
        try:
            self.reference(index, part)
        except Exception as fault:  # noqa: BLE001 - whatever a plugin raises
            return _reason(fault)
        return ""

    def _check(self) -> None:
        """GanBenchError: features have no protocol or another shape, or a metric has other arguments or no label."""
        for extraction in {self.extraction, *self.through}:
            extraction.check()
        for index, (metric, extraction) in enumerate(zip(self.metrics, self.through, strict=True)):
            with told(f"metric {metric.name} at {place_of(type(metric))}"):
                if not _takes(metric.score, 2):
                    raise ValueError("score() must take two arguments: generated features, and the reference")
                for name, (label, number) in self._numbers(index).items():
                    if not isinstance(label, str) or not label:
                        raise ValueError(f"label() must return text (found: {label!r})")
                    if not isinstance(name, str) or not isinstance(number, Number):
                        raise ValueError(f"`numbers` must be a dict of names and Number (found: {name!r}: {number!r})")
                extraction.standardised(metric)
                if metric.reads == "logits" and not hasattr(extraction.features, "logits"):
                    raise GanBenchError(
                        f"metric {metric.name} needs to know classes, which features = {extraction.label!r} do not tell. "
                        "Use features = 'classifier'"
                    )

    def score(self, generated: Tensor, parts: Sequence[Part] = PARTS) -> list[dict[str, Any]]:
        """Scores of `self.count` generated samples (N, *shape), against these parts of the data."""
        scores = self._scores(generated, parts)
        for one, score in zip(self.scored(), scores, strict=True):
            if alarm := self._alarm(*one.place):
                score["alarm"] = alarm
        return scores

    def _scores(self, generated: Tensor, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """The same, without alarms, which rest on scores themselves."""
        self.seconds = defaultdict(float)
        if self.data.spec.kind == "image":
            # In batches, since at once it would take thrice the room.
            generated = torch.cat([as_saved(batch) for batch in generated.split(BATCH)])
        extracted: dict[Extraction, Tensor] = {}  # once for all metrics that read them
        scores = []
        for index, (metric, extraction) in enumerate(zip(self.metrics, self.through, strict=True)):
            if metric.reads != "samples" and extraction not in extracted:
                with self._timed("features"):
                    extracted[extraction] = extraction.extract(lambda: iter(generated.split(BATCH)))
            with self._timed(metric.name):
                scores += self._score(index, parts, generated, extracted.get(extraction))
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
        return {(one.label, one.protocol_id) for one in self.scored()}

    def scored(self) -> list[Scored]:
        """Every number that is scored, in the grid's order."""
        return [
            Scored((index, name), label, self._protocol(index, name)[1])
            for index in range(len(self.metrics))
            for name, (label, _) in self._numbers(index).items()
        ]

    def score_training_data(self) -> list[dict[str, Any]]:
        """The floor: scores of as many real training samples, as if they had been generated; of all, whichever are trained on.

        They are chosen independently of those that metrics are given, so that they are what a copier of all of them would make.
        """
        if not self._floor:
            training = self.data.whole.training
            some = shuffled(len(training), order=1)[: self.count]
            self._floor = self._scores(training.batch(some), ("held_out",))
        return self._floor

    def _alarm(self, index: int, name: str) -> dict[str, Any] | None:
        """What stands with each score of one of a metric's numbers: its alarm on these data."""
        if (index, name) not in self._alarms:
            self._alarms[index, name] = self._alarm_here(index, name)
        return self._alarms[index, name]

    def _alarm_here(self, index: int, name: str) -> dict[str, Any] | None:
        metric, real = self.metrics[index], None
        alarm = metric.every_number()[name].alarm
        if alarm is not None and alarm.of_real:
            real = self._real_score(self._protocol(index, name)[1])
        with told(f"metric {metric.name}: alarm_of() at {place_of(type(metric).alarm_of)}"):
            alarm = metric.alarm_of(name, real, self.data, self.through[index].features)
            return None if alarm is None else {**asdict(alarm), "real": real}

    def _real_score(self, protocol_id: str) -> float | None:
        """What real training data score by a protocol, kept in the cache; None: it can't be computed."""

        def compute() -> Tensor:
            value = next(s["value"] for s in self.score_training_data() if s["protocol_id"] == protocol_id)
            return torch.tensor(math.nan if value is None else value, dtype=torch.float64)

        value = float(self.kept(f"floor-{canonical_hash([self.data.fingerprint, protocol_id])[:20]}", compute))
        return None if math.isnan(value) else value

    def remarks(self) -> list[str]:
        """What whoever reads these scores should know of the features and of each metric, in whole sentences.

        GanBenchError: what says so is broken, or says something else.
        """
        found: list[str] = []
        for extraction in dict.fromkeys(self.through):
            if any(m.reads != "samples" for m, t in zip(self.metrics, self.through, strict=True) if t is extraction):
                found += extraction.remarks()
        for index, metric in enumerate(self.metrics):
            label = ", ".join(label for label, _ in self._numbers(index).values())
            if not self._missing(index, "held_out"):
                missing = [why for part in self._parts(index) if (why := self._missing(index, part))]
                found += [f"{label}: no score against training data: {line(why)}" for why in missing]
            with told(f"metric {metric.name}: remarks() at {place_of(type(metric).remarks)}"):
                data = RealData(self.data, partial(self._read, index))
                found += [f"{label}: {line(remark)}" for remark in metric.remarks(data, self.count)]
        return found

    def reference(self, index: int, against: Part = "held_out") -> Any:
        """What a metric's scores compare with, made of the held-out data or of as many training samples; kept in the cache."""
        metric = self.metrics[index]
        if metric.reads == "features" and type(metric).reference is Metric.reference and not _chooses(metric):
            return self._read(index, against)
        name = self._reference_name(index, against)

        def compute() -> dict[str, Any]:
            data = RealData(self.data, lambda part: self._read(index, against if part == "held_out" else part))
            try:
                with Stream(0, f"reference:{metric.name}", torch.device("cpu")):
                    return {"reference": metric.reference_of(data), "read_training": data.read_training}
            finally:
                self._looked[name] = data.read_training

        made = self.kept(name, compute)
        self._looked[name] = made["read_training"]
        return made["reference"]

    def _reference_name(self, index: int, against: Part) -> str:
        """The name of its file in the cache."""
        metric, extraction = self.metrics[index], self.through[index]
        real = fingerprint(self.data, "training" if _chooses(metric) else against)
        seen = [] if metric.reads == "samples" else [extraction.features.protocol, extraction.extractor]
        modes = self.data.spec.modes and asdict(self.data.spec.modes)
        key = canonical_hash([real, against, *seen, metric.settings(), source_hash(type(metric)), modes])
        return f"reference-{metric.name}-{key[:20]}"

    def _reads_training(self, index: int) -> bool:
        """Whether a metric's scores rest on the training data too: its reference was made of more than the held-out part."""
        if not _chooses(self.metrics[index]):
            return False
        name = self._reference_name(index, "held_out")
        if name not in self._looked:
            self._missing(index, "held_out")
        return self._looked.get(name, True)

    def _parts(self, index: int) -> tuple[Part, ...]:
        """What a metric's scores are made against. One that chooses its real data itself has no second score."""
        return PARTS[:1] if _chooses(self.metrics[index]) or not self.against_training else PARTS

    def _read(self, index: int, part: Part) -> Tensor:
        """A part of the real data as a metric reads it."""
        metric, extraction = self.metrics[index], self.through[index]
        if metric.reads == "samples":
            return torch.cat(list(real_batches(self.data, part)))
        return extraction.read(metric, extraction.real(part))

    def _numbers(self, index: int) -> dict[str, tuple[str, Number]]:
        """Label and kind of each number that a metric returns, by name; "" where it is the only one."""
        metric, features = self.metrics[index], self.through[index].features
        return {
            name: (named(name, metric, features) if name else metric.label(features), number)
            for name, number in metric.every_number().items()
        }

    def _protocol(self, index: int, number: str) -> tuple[dict[str, Any], str]:
        metric = self.metrics[index]
        protocol = {
            "metric": {**metric.settings(), "source": source_hash(type(metric))[:12]},
            "dataset": fingerprint(self.data, "training" if self._reads_training(index) else "held_out"),
            "generated": self.count,
            "real": len(self.data.held_out),
            "split": "held out",
            "mode": "evaluation",
            "quantisation": "8 bits" if self.data.spec.kind == "image" else "none",
            **self.treatment,
        }
        if metric.reads != "samples":
            protocol |= self.through[index].facts
            if self.through[index].standardised(metric):
                protocol["scale"] = "features divided by the root mean square of the held-out data's"
        if number:
            protocol["number"] = number
        return protocol, canonical_hash(protocol)[:8]

    def _score(
        self, index: int, parts: Sequence[Part], samples: Tensor, features: Tensor | None = None
    ) -> list[dict[str, Any]]:
        """The score of each of a metric's numbers. `features` are the samples' own; whoever reads samples needs none."""
        found = {part: self._found(index, samples, features, part) for part in self._parts(index) if part in parts}
        scores = []
        for name, (label, number) in self._numbers(index).items():
            protocol, protocol_id = self._protocol(index, name)
            score = {"metric": self.metrics[index].name, "label": label, "value": None, **number.facts()}
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
        self, index: int, samples: Tensor, features: Tensor | None, against: Part
    ) -> Callable[[str], dict[str, Any]]:
        """A metric's numbers by name, each as a value with its standard error or as the reason why there is none."""
        metric = self.metrics[index]
        try:
            with Stream(0, f"metric:{metric.name}", torch.device("cpu")), torch.no_grad():
                read = self.through[index].read
                given = samples if features is None or metric.reads == "samples" else read(metric, features)
                found = metric.score(given, self.reference(index, against))
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
