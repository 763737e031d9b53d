"""One metric of a grid: what it reads, what it compares with, and its numbers with their protocol."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from gan_bench.api.faults import place_of, reason, told
from gan_bench.api.kinds import Estimate, Metric, Number, named
from gan_bench.api.randomness import Stream
from gan_bench.api.samples import PreparedData, RealData
from gan_bench.api.sources import source_hash
from gan_bench.canonical import canonical_hash
from gan_bench.data.embedding import line
from gan_bench.data.kept import Kept
from gan_bench.errors import GanBenchError, shortened
from gan_bench.scoring.extraction import Extraction, Part, fingerprint, real_batches
from gan_bench.store.documents import LARGEST

PARTS: tuple[Part, ...] = ("held_out", "training")


class Measure:
    """A metric, through the features of one extractor, on one dataset."""

    def __init__(
        self, metric: Metric, extraction: Extraction, data: PreparedData, kept: Kept, against_training: bool
    ) -> None:
        self.metric, self.extraction, self.data, self.kept = metric, extraction, data, kept
        # One that chooses its real data itself has no second score; all others are given the held-out part and nothing else.
        self.chooses = type(metric).reference_of is not Metric.reference_of
        self.parts = PARTS[:1] if self.chooses or not against_training else PARTS
        self._read_training: bool | None = (
            None  # whether the reference was made of training data too, once that is known
        )

    @property
    def reads_samples(self) -> bool:
        """Whether it needs no features."""
        return self.metric.reads == "samples"

    def numbers(self) -> dict[str, tuple[str, Number]]:
        """Label and kind of each number that it returns, by name; "" where it is the only one."""
        metric, features = self.metric, self.extraction.features
        return {
            name: (named(name, metric, features) if name else metric.label(features), number)
            for name, number in metric.every_number().items()
        }

    def check(self) -> None:
        """GanBenchError: it has other arguments, no label, or features that do not tell what it reads."""
        metric = self.metric
        with told(f"metric {metric.name} at {place_of(type(metric))}"):
            if not _takes(metric.score, 2, *(["labels"] if metric.reads_labels else [])):
                more = ", and labels=" if metric.reads_labels else ""
                raise ValueError(f"score() must take two arguments: generated features, and the reference{more}")
            for name, (label, number) in self.numbers().items():
                if not isinstance(label, str) or not label:
                    raise ValueError(f"label() must return text (found: {label!r})")
                if not isinstance(name, str) or not isinstance(number, Number):
                    raise ValueError(f"`numbers` must be a dict of names and Number (found: {name!r}: {number!r})")
            self.extraction.standardised(metric)
            if metric.reads_labels and self.data.whole.training.labels is None:
                raise GanBenchError(f"metric {metric.name} compares with classes, and {self.data.name} has none")
            if metric.reads == "logits" and not hasattr(self.extraction.features, "logits"):
                raise GanBenchError(
                    f"metric {metric.name} needs to know classes, which features = {self.extraction.label!r} do not tell. "
                    "Use features = 'classifier'"
                )

    def remarks(self, generated: int) -> Iterator[str]:
        """What whoever reads its scores of these data should know, in whole sentences."""
        label = ", ".join(label for label, _ in self.numbers().values())
        if not self.missing("held_out"):
            missing = [why for part in self.parts if (why := self.missing(part))]
            yield from (f"{label}: no score against training data: {line(why)}" for why in missing)
        if self.has_lost_its_usual():
            how = " and ".join(one.partition(":")[0] for one in self.data.chosen)
            why = f"training samples are no longer drawn as held-out ones are ({how})"
            yield f"{label}: no alarm: {why}, so that new samples may score anything"
        with told(f"metric {self.metric.name}: remarks() at {place_of(type(self.metric).remarks)}"):
            yield from [f"{label}: {line(one)}" for one in self.metric.remarks(self._real("held_out"), generated)]

    def has_lost_its_usual(self) -> bool:
        """Whether it has a value that means nothing only while training and held-out samples could be exchanged, and can't be."""
        alarms = [number.alarm for number in self.metric.every_number().values()]
        return not self.data.exchangeable and any(alarm is not None and alarm.usual is not None for alarm in alarms)

    def reference(self, against: Part = "held_out") -> Any:
        """What its scores compare with, made of the held-out data or of as many training samples; kept in the cache."""
        metric = self.metric
        if metric.reads == "features" and type(metric).reference is Metric.reference and not self.chooses:
            return self._read(against)

        def compute() -> dict[str, Any]:
            data = self._real(against)
            try:
                with Stream(0, f"reference:{metric.name}", torch.device("cpu")):
                    return {"reference": metric.reference_of(data), "read_training": data.read_training}
            finally:
                self._read_training = data.read_training

        made = self.kept(self._name(against), compute)
        self._read_training = made["read_training"]
        return made["reference"]

    def missing(self, part: Part) -> str:
        """Why there is no reference, so that it has no score against this part; "" where there is one."""
        try:
            self.reference(part)
        except Exception as fault:  # noqa: BLE001 - whatever a plugin raises
            return reason(fault)
        return ""

    def protocol(self, number: str, generated: int, how: Mapping[str, Any]) -> dict[str, Any]:
        """All that one of its numbers rests on, of so many generated samples."""
        metric = self.metric
        protocol = {
            "metric": {**metric.settings(), "source": source_hash(type(metric))[:12]},
            "dataset": fingerprint(self.data, "training" if self._reads_training() else "held_out"),
            "generated": generated,
            "real": len(self.data.held_out),
            "mode": "evaluation",
            "quantisation": "8 bits" if self.data.spec.kind == "image" else "none",
            **how,
        }
        if not self.reads_samples:
            protocol |= self.extraction.facts
            if self.extraction.standardised(metric):
                protocol["scale"] = "features divided by the root mean square of the held-out data's"
        return protocol | ({"number": number} if number else {})

    def found(
        self, samples: Tensor, features: Tensor | None, against: Part, labels: Tensor | None = None
    ) -> Callable[[str], dict[str, Any]]:
        """Its numbers by name, each as a value with its standard error or as the reason why there is none.

        `features` are those of the samples (N, *shape), whoever reads samples needs none; `labels` (N,) theirs.
        """
        metric = self.metric
        asked = {"labels": labels} if metric.reads_labels else {}
        try:
            with Stream(0, f"metric:{metric.name}", torch.device("cpu")), torch.no_grad():
                given = samples if features is None or self.reads_samples else self.extraction.read(metric, features)
                reference = self.reference(against)
                if isinstance(reference, Tensor):
                    reference = reference.clone()  # others read the same features, and this metric may work in place
                found = metric.score(given, reference, **asked)
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - a number that can't be computed must not cost the run
            error = {"error": reason(fault)}
            return lambda name: error
        values: Mapping[str, Any] = found if isinstance(found, Mapping) else {"": found}
        return lambda name: _valued(name or metric.name, values.get(name), metric)

    def _name(self, against: Part) -> str:
        """The name of a reference's file in the cache."""
        metric, extraction = self.metric, self.extraction
        real = fingerprint(self.data, "training" if self.chooses else against)
        seen = [] if self.reads_samples else [extraction.features.protocol, extraction.extractor]
        modes = self.data.spec.modes and asdict(self.data.spec.modes)
        key = canonical_hash([real, against, *seen, metric.settings(), source_hash(type(metric)), modes])
        return f"reference-{metric.name}-{key[:20]}"

    def _real(self, against: Part) -> RealData:
        return RealData(self.data, lambda part: self._read(against if part == "held_out" else part))

    def _read(self, part: Part) -> Tensor:
        """A part of the real data as the metric reads it."""
        if self.reads_samples:
            return torch.cat(list(real_batches(self.data, part)))
        return self.extraction.read(self.metric, self.extraction.real(part))

    def _reads_training(self) -> bool:
        """Whether its scores rest on the training data too: its reference was made of more than the held-out part."""
        if not self.chooses:
            return False
        if self._read_training is None:
            self.missing("held_out")
        return self._read_training is not False


def _valued(name: str, found: Any, metric: Metric) -> dict[str, Any]:
    """A score's value with its standard error and its classes' values, or why there is none."""
    by_class = found.by_class if isinstance(found, Estimate) else ()
    try:
        value, *spread = map(float, found[:2] if isinstance(found, tuple) else (found,))
        of_classes = [None if one is None or not abs(one) < LARGEST else float(one) for one in by_class]
    except (TypeError, ValueError, OverflowError):
        return {"error": f"{name} is {_shown(found)}, not a number (score() at {place_of(type(metric).score)})"}
    if not abs(value) < LARGEST:  # nor is NaN
        return {"error": f"{name} is {value}"}
    valued: dict[str, Any] = {"value": value}
    if spread and 0 <= spread[0] < math.inf:
        valued["standard_error"] = spread[0]
    return valued | ({"by_class": of_classes} if of_classes else {})


def _shown(found: Any) -> str:
    try:
        return shortened(repr(found), 200)
    except Exception:  # noqa: BLE001 - it is a plugin's
        return f"of type {type(found).__name__}"


def _takes(function: Callable[..., Any], count: int, *names: str) -> bool:
    """Whether a function can be called with so many arguments, and others by these names."""
    try:
        inspect.signature(function).bind(*range(count), **dict.fromkeys(names))
    except TypeError:
        return False
    return True
