"""What metrics and feature extractors must do: the same finite numbers each time, and the best for real data."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_bench.api.faults import place_of
from gan_bench.api.kinds import FeatureExtractor, Features, Metric, Plugin
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.check import Check, Failed, Skipped, each
from gan_bench.checks.toys import HELD_OUT, Blobs, Flat
from gan_bench.checks.trials import CPU, difference, not_shared, watched
from gan_bench.errors import GanBenchError
from gan_bench.scoring.evaluator import Evaluator

DATA = (Blobs(), Blobs(sides=(2,)))  # pictures, and points whose mixture is known
# A reason that the plugin did not give, after file and line where these are known.
UNSAID = re.compile(r"((.+?:\d+): )?(\w+(Error|Exception): .*|.* is (-?inf|nan)$|.*, not a number .*)", re.DOTALL)
Scores = list[dict[str, Any]]


class Scored:
    """A metric's scores of toy samples."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    @property
    def place(self) -> str:
        """Where its code begins."""
        return place_of(type(self.metric).score)

    def score(self, data: Blobs, samples: Tensor) -> Scores:
        """Its numbers for samples (N, *shape), with all that they rest on made anew."""
        with tempfile.TemporaryDirectory() as place:
            evaluator = Evaluator(data.prepared(), [self.metric], Flat(), len(samples), CPU, Path(place))
            evaluator.prepare()
            return evaluator.score(samples)

    @cached_property
    def noise(self) -> dict[Blobs, Scores]:
        """Of noise, for all data that it can be computed of. Failed: it has no number, unsaid. Skipped: of none."""
        found, reasons = {}, list[str]()
        for data in DATA:
            scores = self.score(data, noise(data))
            errors = [str(score["error"]) for score in scores if score.get("error")]
            if broken := next(filter(None, map(UNSAID.match, errors)), None):
                rule = f"{broken[3]}; a number that can't be had is a ValueError that says why"
                raise Failed(broken[2] or self.place, rule)
            if not errors:
                found[data] = scores
            reasons += errors
        if not found:
            raise Skipped(f"it can't be computed of toys: {'; '.join(dict.fromkeys(reasons))}")
        return found


def noise(data: Blobs) -> Tensor:
    """Samples (N, *shape) that are none of the data's."""
    size = (
        1 if len(data.sides) == 3 else 4
    )  # points round a circle of radius 1 would have the data's mean and covariance
    return (torch.rand(HELD_OUT, *data.sides, generator=torch.Generator().manual_seed(1)) * 2 - 1) * size


def held_out(data: Blobs) -> Tensor:
    """The held-out samples themselves."""
    return data.prepared().held_out.batch(torch.arange(HELD_OUT))


def metric_checks(found: Found, own: Sequence[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of a metric."""
    scored = [Scored(one) for one in own if isinstance(one, Metric)]

    def every() -> list[Scored]:
        return scored

    yield Check(found, "gives finite numbers, or says why not", each(finite, every))
    yield Check(found, "is deterministic", each(deterministic, every))
    yield Check(found, "takes real data for better than noise", each(tells_real, every))
    yield Check(found, "leaves global state alone", each(keeps_out, every))


def finite(one: Scored) -> None:
    """A value for some data at least; a reason for others."""
    _ = one.noise


def deterministic(one: Scored) -> None:
    """Computed again, it gives the same."""
    for data, scores in one.noise.items():
        if where := difference(one.score(data, noise(data)), scores):
            raise Failed(one.place, f"computed again of the same samples, it is another: {where}")


def tells_real(one: Scored) -> None:
    """What is compared as a distance or as quality is no worse of the held-out samples than of noise."""
    for data, scores in one.noise.items():
        for real, worse in zip(one.score(data, held_out(data)), scores, strict=True):
            sign = 1 if real["better"] == "lower" else -1
            if real.get("side") in ("distance", "quality") and sign * real["value"] > sign * worse["value"]:
                told = f"{real['label']} is {real['value']:g} of the held-out samples themselves and {worse['value']:g} of noise"
                raise Failed(one.place, f"{told}, and {real['better']} is said to be better")


def keeps_out(one: Scored) -> None:
    """The process's settings and generators are afterwards as they were."""
    with watched() as changed:
        one.score(next(iter(one.noise)), noise(next(iter(one.noise))))
    not_shared(changed, type(one.metric).score)


class Prepared:
    """A feature extractor, ready for toys."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor = extractor

    @property
    def place(self) -> str:
        """Where its code begins."""
        return place_of(type(self.extractor).prepare)

    def prepare(self, data: Blobs) -> Features:
        """Made anew. GanBenchError: what it needs is missing."""
        with tempfile.TemporaryDirectory() as place:
            return self.extractor.prepare(data.prepared(), Path(place), CPU)

    @cached_property
    def ready(self) -> dict[Blobs, Features]:
        """For all data that it takes. Skipped: weights or packages that are not here."""
        found, reason = {}, ""
        for data in DATA:
            try:
                found[data] = self.prepare(data)
            except GanBenchError as error:
                reason = str(error)
        if not found:
            raise Skipped(reason)
        return found


def features_checks(found: Found, own: Sequence[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of a feature extractor, all slow: some train it."""
    prepared = [Prepared(one) for one in own if isinstance(one, FeatureExtractor)]

    def every() -> list[Prepared]:
        return prepared

    yield Check(found, "gives features of each sample", each(features, every), slow=True)
    yield Check(found, "is deterministic", each(prepared_alike, every), slow=True)
    yield Check(found, "leaves global state alone", each(prepares_alone, every), slow=True)


def features(one: Prepared) -> None:
    """Float32 (B, d), finite, a sample's own whatever stands beside it in the batch; NaN for what is no finite sample."""
    for data, ready in one.ready.items():
        if not isinstance(ready.label, str) or not ready.label:
            raise Failed(one.place, f"`label` must be text (found: {ready.label!r})")
        json.dumps(ready.protocol)
        samples = held_out(data)
        whole, few = ready(samples), ready(samples[:3])
        shape = tuple(whole.shape)
        if whole.dtype != torch.float32 or len(shape) != 2 or shape[0] != len(samples):
            raise Failed(one.place, f"features must be float32 ({len(samples)}, d) (found: {whole.dtype} {shape})")
        if not whole.isfinite().all():
            raise Failed(one.place, "features of real samples must be finite")
        if not torch.allclose(whole[:3], few, rtol=1e-3, atol=1e-4):
            raise Failed(one.place, "a sample's features must not depend on the others of its batch")
        if logits := getattr(ready, "logits", None):
            given = tuple(logits(whole.cpu()).shape)
            if len(given) != 2 or given[0] != len(samples):
                raise Failed(one.place, f"logits must be ({len(samples)}, classes) (found: {given})")


def prepared_alike(one: Prepared) -> None:
    """Made again, it gives the same features and says so."""
    for data, ready in one.ready.items():
        torch.rand(1)  # nothing rests on where PyTorch's generator happens to stand
        again = one.prepare(data)
        for what, a, b in (
            ("protocol", ready.protocol, again.protocol),
            ("features", ready(held_out(data)), again(held_out(data))),
        ):
            if where := difference(a, b, what):
                raise Failed(one.place, f"prepared again for the same data, its {where} differ")


def prepares_alone(one: Prepared) -> None:
    """The process's settings and generators are afterwards as they were."""
    data = next(iter(one.ready))
    with watched() as changed:
        one.prepare(data)(held_out(data))
    not_shared(changed, type(one.extractor).prepare)
