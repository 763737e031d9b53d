"""Scoring samples: the protocol of every number in a report."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_bench.api.faults import place_of, told
from gan_bench.api.kinds import FeatureExtractor, Metric
from gan_bench.api.pictures import as_saved
from gan_bench.api.samples import PreparedData
from gan_bench.canonical import canonical, canonical_hash
from gan_bench.data.cache import cache_root
from gan_bench.data.device_kind import features_folder
from gan_bench.data.kept import Kept
from gan_bench.grid.headlines import Place, headlines
from gan_bench.grid.schema import without_features
from gan_bench.scoring.diversity import SAME, SAMPLES, diversity, real_distances
from gan_bench.scoring.extraction import Extraction, Part
from gan_bench.scoring.halves import half_of
from gan_bench.scoring.measure import PARTS, Measure
from gan_bench.scoring.samples import BATCH, shuffled
from gan_bench.store.state import Columns

if TYPE_CHECKING:
    from gan_bench.api.registry import Registry
    from gan_bench.grid import Evaluate
    from gan_bench.grid.search import Half


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
        half: Half | None = None,
        headlines: tuple[Place, ...] = (),
    ) -> None:
        self.data = data if half is None else half_of(data, half)
        self.split = f"{half} half of held out" if half else "held out"
        self.metrics, self.count, self.device = metrics, samples, device
        self.headlines = headlines  # the numbers that are tested; the first one ranks
        self.seconds: dict[str, float] = {}
        self.treatment: dict[str, str] = {}  # what was done to generated samples first; it stands in each protocol
        self._floor: list[dict[str, Any]] = []  # scores of real training data, once they were computed
        self.kept = Kept(cache or features_folder(cache_root(), device))
        made: dict[str, Extraction] = {}

        def extraction(one: FeatureExtractor) -> Extraction:
            key = canonical(one.settings())
            if key not in made:
                made[key] = Extraction(one, data, self.kept, device, self.data)
            return made[key]

        self.extraction = extraction(extractor)  # through the grid's features
        self.measures = [
            Measure(metric, extraction((own or {}).get(index, extractor)), self.data, self.kept, against_training)
            for index, metric in enumerate(metrics)
        ]

    @classmethod
    def of(
        cls,
        evaluate: Evaluate,
        registry: Registry,
        data: PreparedData,
        device: torch.device,
        half: Half | None = None,
        conditional: bool = False,
        cache: Path | None = None,
    ) -> Evaluator:
        """What a grid's `[evaluate]` asks of these data. PluginError: a metric or an extractor can't be had.

        `conditional`: some of its runs ask for samples by class; `cache`: where features are kept, if not by the kind of
        device. Fault: `headline` names none of their numbers.
        """
        asked = evaluate.of(data.spec.kind, data.spec.classes is not None, conditional)
        metrics = [registry.create("metric", without_features(metric)) for metric in asked.metrics]
        own = {
            index: registry.create("features", metric["features"])
            for index, metric in enumerate(asked.metrics)
            if "features" in metric
        }
        extractor, beside = registry.create("features", asked.features), evaluate.against_training
        return cls(
            data,
            metrics,
            extractor,
            evaluate.samples,
            device,
            cache,
            against_training=beside,
            own=own,
            half=half,
            headlines=headlines(asked, metrics),
        )

    def prepare(self) -> None:
        """Make what all snapshots share, and keep it in the cache for whoever scores them.

        GanBenchError: the features or a metric are not what they should be, so that nothing could be scored after training.
        """
        extractions = {self.extraction, *(measure.extraction for measure in self.measures)}
        for extraction in extractions:
            extraction.check()
        for measure in self.measures:
            measure.check()
        _ = self._real_distances
        for extraction in extractions:
            extraction.real()
        for index, measure in enumerate(self.measures):
            for part in measure.parts:
                measure.missing(part)  # it becomes each score's error
            for name in measure.metric.every_number():
                self._alarm(index, name)

    def score(
        self,
        generated: Tensor,
        parts: Sequence[Part] = PARTS,
        labels: Tensor | None = None,
        wanted: Collection[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Scores of `self.count` generated samples (N, *shape), against these parts of the data.

        `labels` (N,) are the classes that they were asked for; None: no classes were, so that whatever reads labels is left out.
        Metrics of which no number's protocol is `wanted` are left out, too.
        """
        scored = self.scored(labels is not None)
        places = {one.place[0] for one in scored if wanted is None or one.protocol_id in wanted}
        scores = self._scores(generated, parts, labels, places)
        for one, score in zip([one for one in scored if one.place[0] in places], scores, strict=True):
            if alarm := self._alarm(*one.place):
                score["alarm"] = alarm
        return scores

    def _scores(
        self, generated: Tensor, parts: Sequence[Part], labels: Tensor | None, places: Collection[int] | None = None
    ) -> list[dict[str, Any]]:
        """The same, without alarms, which rest on scores themselves; of the metrics at these places, or all."""
        self.seconds = defaultdict(float)
        if self.data.spec.kind == "image":
            # In batches, since at once it would take thrice the room.
            generated = torch.cat([as_saved(batch) for batch in generated.split(BATCH)])
        extracted: dict[Extraction, Tensor] = {}  # once for all metrics that read them
        scores = []
        for index, measure in self._measures(labels is not None):
            if places is not None and index not in places:
                continue
            extraction = measure.extraction
            if not measure.reads_samples and extraction not in extracted:
                with self._timed("features"):
                    extracted[extraction] = extraction.extract(lambda: iter(generated.split(BATCH)))
            with self._timed(measure.metric.name):
                scores += self._score(index, parts, generated, extracted.get(extraction), labels)
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

    def columns(self, conditional: bool = True) -> Columns:
        """Label and protocol of every score that is made of a run, whose generator takes labels or not."""
        return {(one.label, one.protocol_id) for one in self.scored(conditional)}

    def scored(self, conditional: bool = True) -> list[Scored]:
        """Every number that is scored, in the grid's order; those that read labels of samples that have them alone."""
        return [
            Scored((index, name), label, self._protocol(index, name)[1])
            for index, measure in self._measures(conditional)
            for name, (label, _) in measure.numbers().items()
        ]

    def _measures(self, conditional: bool) -> list[tuple[int, Measure]]:
        """The metrics that read what there is, with their places."""
        return [(i, one) for i, one in enumerate(self.measures) if conditional or not one.metric.reads_labels]

    def score_training_data(self) -> list[dict[str, Any]]:
        """The floor: scores of as many real training samples, as if they had been generated; of all, whichever are trained on.

        They are chosen independently of those that metrics are given, so that they are what a copier of all of them would make.
        """
        if not self._floor:
            training = self.data.whole.training
            some = shuffled(len(training), order=1)[: self.count]
            labels = None if training.labels is None else training.labels[some].cpu()
            self._floor = self._scores(training.batch(some), ("held_out",), labels)
        return self._floor

    def _alarm(self, index: int, name: str) -> dict[str, Any] | None:
        """What stands with each score of one of a metric's numbers: its alarm on these data."""
        measure, real = self.measures[index], None
        metric = measure.metric
        alarm = metric.every_number()[name].alarm
        if measure.has_lost_its_usual():
            return None
        if alarm is not None and alarm.of_real:
            real = self._real_score((index, name))
        with told(f"metric {metric.name}: alarm_of() at {place_of(type(metric).alarm_of)}"):
            alarm = metric.alarm_of(name, real, self.data, measure.extraction.features)
            return None if alarm is None else {**asdict(alarm), "real": real}

    def _real_score(self, place: Place) -> float | None:
        """What real training data score by a number, kept in the cache; None: it can't be computed."""
        index, name = place
        protocol = self.measures[index].protocol(name, self.count, {"split": self.split})

        def compute() -> Tensor:
            floor = zip(self.scored(), self.score_training_data(), strict=True)
            value = next(score["value"] for one, score in floor if one.place == place)
            return torch.tensor(math.nan if value is None else value, dtype=torch.float64)

        value = float(self.kept(f"floor-{canonical_hash([self.data.fingerprint, protocol])[:20]}", compute))
        return None if math.isnan(value) else value

    def remarks(self) -> list[str]:
        """What whoever reads these scores should know of the features and of each metric, in whole sentences.

        GanBenchError: what says so is broken, or says something else.
        """
        seen = dict.fromkeys(measure.extraction for measure in self.measures if not measure.reads_samples)
        found = [remark for extraction in seen for remark in extraction.remarks()]
        return found + [remark for measure in self.measures for remark in measure.remarks(self.count)]

    def _protocol(self, index: int, number: str) -> tuple[dict[str, Any], str]:
        protocol = self.measures[index].protocol(number, self.count, {"split": self.split, **self.treatment})
        return protocol, canonical_hash(protocol)[:8]

    def _score(
        self, index: int, parts: Sequence[Part], samples: Tensor, features: Tensor | None, labels: Tensor | None
    ) -> list[dict[str, Any]]:
        """The score of each of a metric's numbers. `features` are the samples' own; whoever reads samples needs none."""
        measure = self.measures[index]
        # Others read the same, and this metric may work in place.
        samples = samples.clone() if measure.reads_samples else samples
        features = None if features is None else features.clone()
        found = {part: measure.found(samples, features, part, labels) for part in measure.parts if part in parts}
        scores = []
        for name, (label, number) in measure.numbers().items():
            protocol, protocol_id = self._protocol(index, name)
            score = {"metric": measure.metric.name, "label": label, "value": None, **number.facts()}
            score |= {"protocol": protocol, "protocol_id": protocol_id}
            if self.data.reading and self.data.reading.treatment:
                score["treatment"] = self.data.reading.treatment
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
