"""What a dataset must do: samples of the shape that it says, with labels of the classes that it names, the same each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from gan_bench.api.faults import place_of
from gan_bench.api.kinds import Dataset, Part, Parts, Plugin, SkipSample
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.check import Check, Failed, Skipped, each
from gan_bench.checks.trials import difference, not_shared, watched
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError

LOOKED_AT = 16  # samples of each part


class Loaded:
    """A dataset's samples, as far as they have been asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @property
    def place(self) -> str:
        """Where its code begins."""
        return place_of(type(self.dataset).load)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Its parts by name. Skipped: data that is not here."""
        return self.load()

    def load(self) -> dict[str, Part]:
        """The same, read anew."""
        try:
            self.dataset.classes()
            loaded = self.dataset.load()
        except GanBenchError as error:
            raise Skipped(str(error)) from error
        if isinstance(loaded, Parts):
            return {"training": loaded.training, "held_out": loaded.held_out}
        return {"samples": loaded.samples}

    def some(self, parts: dict[str, Part]) -> Iterator[tuple[str, Any, Any]]:
        """Samples spread over each part: which it is, the sample and its label. Those that are no samples are left out."""
        for name, part in parts.items():
            for index in dict.fromkeys(np.linspace(0, len(part) - 1, LOOKED_AT).astype(int).tolist()):
                try:
                    sample, label, *_ = part[index]
                except SkipSample:
                    continue
                yield f"{name}[{index}]", sample, label


def dataset_checks(found: Found, own: Sequence[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of a dataset."""
    loaded = [Loaded(one) for one in own if isinstance(one, Dataset)]

    def every() -> list[Loaded]:
        return loaded

    yield Check(found, "gives samples as it says", each(samples, every))
    yield Check(found, "gives the same samples each time", each(same, every), slow=True)
    yield Check(found, "leaves global state alone", each(keeps_out, every), slow=True)
    yield Check(found, "is decoded", each(partial(decoded, registry), every), slow=True)


def samples(one: Loaded) -> None:
    """Shape, dtype, and labels within the classes."""
    parts, spec = one.parts, one.dataset.spec()
    if any(not len(part) for part in parts.values()):
        raise Failed(
            one.place, f"a part has no samples (found: {', '.join(f'{n} {len(p)}' for n, p in parts.items())})"
        )
    dtype = "uint8" if spec.kind == "image" else "float32"
    for where, sample, label in one.some(parts):
        given = str(getattr(sample, "dtype", type(sample).__name__)).removeprefix("torch.")
        if (np.shape(sample), given) != (spec.shape, dtype):
            found = f"{given} of {tuple(np.shape(sample))}"
            raise Failed(one.place, f"{where} must be {dtype} of shape {spec.shape} (found: {found})")
        if spec.kind == "points" and not np.isfinite(np.asarray(sample)).all():
            raise Failed(one.place, f"{where} has numbers that are not finite")
        if not -1 <= int(label) < len(spec.classes or ()):
            of = f"one of {len(spec.classes)} classes" if spec.classes else "-1, for it names no classes"
            raise Failed(one.place, f"the label of {where} must be {of} (found: {label!r})")


def same(one: Loaded) -> None:
    """Loaded again, it has the same samples."""
    again = one.load()
    pairs = zip(one.some(one.parts), one.some(again), strict=False)
    lengths = [[len(part) for part in parts.values()] for parts in (one.parts, again)]
    if lengths[0] != lengths[1]:
        raise Failed(one.place, f"loaded again, it has other lengths (found: {lengths[0]} and {lengths[1]})")
    for (where, sample, label), (_, sample_again, label_again) in pairs:
        if difference([np.asarray(sample), int(label)], [np.asarray(sample_again), int(label_again)]):
            raise Failed(one.place, f"loaded again, {where} is another")


def keeps_out(one: Loaded) -> None:
    """The process's settings and generators are afterwards as they were."""
    with watched() as changed:
        list(one.some(one.load()))
    not_shared(changed, type(one.dataset).load)


def decoded(registry: Registry, one: Loaded) -> None:
    """All of it, as a run would have it."""
    _ = one.parts
    data = prepare(one.dataset, registry=registry)
    for part in (data.training, data.held_out):
        if not torch.equal(part.batch(torch.arange(1)), part.batch(torch.arange(1))):
            raise Failed(one.place, "a decoded sample is not the same each time")
